/* SPDX-License-Identifier: MIT */
#ifndef SOJ_STORE_LOCATE_H
#define SOJ_STORE_LOCATE_H

/*
 * Layer 3.  Where a chunk lies, and how large it is: inline, since each step of
 * a value's life asks.  Numbers and unit words may be stale or tampered with;
 * what is answered lies in the segment all the same.
 *
 * Edges
 *   U1  load of a unit word   page.c U0
 */

#include "store/store.h"

/* The class of the page that the unit, which exists, is the first one of; NULL
 * if it is not.  *word is the unit word seen. */
static inline const struct soj_class *
soj_unit_locate(const struct soj_store *st, uint32_t unit, uint64_t *word)
{
	const struct soj_class *class;

	*word = soj_load_acquire(&st->seg.units[unit]); /* U1 */
	if (soj_unit_phase(*word) != SOJ_UNIT_ACTIVE &&
	    soj_unit_phase(*word) != SOJ_UNIT_DRAINING)
		return NULL;
	if (soj_unit_class(*word) >= SOJ_CLASSES)
		return NULL;
	class = &st->classes[soj_unit_class(*word)];
	/* A page that would reach over the end is none. */
	return unit + class->page_units > st->seg.lay.units ? NULL : class;
}

/* As soj_chunk_words(). */
static inline soj_word_t *soj_chunk_locate(const struct soj_store *st,
					   uint32_t chunk,
					   uint32_t *chunk_bytes)
{
	const uint32_t unit = soj_chunk_unit(chunk);
	const uint32_t slot = soj_chunk_slot(chunk);
	const struct soj_class *class;
	uint64_t word;

	if (unit >= st->seg.lay.units)
		return NULL;
	class = soj_unit_locate(st, unit, &word);
	if (class == NULL || slot >= class->page_slots)
		return NULL;
	*chunk_bytes = class->chunk_bytes;
	return (soj_word_t *)(void *)(st->seg.chunks +
				      (uint64_t)unit * SOJ_UNIT_BYTES +
				      (uint64_t)slot * class->chunk_bytes);
}

#endif /* SOJ_STORE_LOCATE_H */
