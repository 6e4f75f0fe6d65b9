/* SPDX-License-Identifier: MIT */

/*
 * Hints: where to look for what is free, what was armed and what ended.  Each
 * is one bit in a bitmap; setting and taking are idempotent, so a lost or
 * doubled bit costs time and nothing else.  The two bitmaps for the helper
 * have a summary, one bit for each of their words; the leaf is set first.
 *
 * Crash table: killed between leaf and summary: the full scan of upkeep, or
 * the wheel's rebuild, finds the entry by its state word.
 * Stop table: a bit that is set late costs its reader one look in vain.
 *
 * Edges
 *   B0  set or take hints: or, xchg (slab.c, upkeep.c)   B0
 */

#include "base/fault.h"
#include "store/store.h"

static void hint_set(soj_word_t *bitmap, soj_word_t *summary, uint32_t idx)
{
	soj_or_acq_rel(&bitmap[idx / 64], UINT64_C(1) << idx % 64); /* B0 */
	SOJ_STEP("hint.leaf");
	soj_or_acq_rel(&summary[idx / 4096], /* B0 */
		       UINT64_C(1) << idx / 64 % 64);
}

void soj_hint_armed(struct soj_store *st, uint32_t idx)
{
	hint_set(st->seg.armed, st->seg.armed_summary, idx);
}

void soj_hint_ended(struct soj_store *st, uint32_t idx)
{
	hint_set(st->seg.ended, st->seg.ended_summary, idx);
	soj_helper_wake(&st->seg);
}

void soj_entry_hint_free(struct soj_store *st, uint32_t idx)
{
	soj_or_acq_rel(&st->seg.entry_free[idx / 64], /* B0 */
		       UINT64_C(1) << idx % 64);
}

void soj_chunk_hint_free(struct soj_store *st, uint32_t chunk)
{
	uint32_t unit = soj_chunk_unit(chunk);
	uint64_t bit =
		(uint64_t)unit * st->seg.lay.unit_slots + soj_chunk_slot(chunk);

	soj_or_acq_rel(&st->seg.chunk_free[bit / 64], /* B0 */
		       UINT64_C(1) << bit % 64);
	soj_or_acq_rel(&st->seg.unit_free[unit / 64], /* B0 */
		       UINT64_C(1) << unit % 64);
}

void soj_entry_hint_missing(struct soj_store *st, uint32_t idx)
{
	if (!(soj_load_relaxed(&st->seg.entry_free[idx / 64]) >> idx % 64 & 1))
		soj_entry_hint_free(st, idx);
}

void soj_chunk_hint_missing(struct soj_store *st, uint32_t chunk)
{
	uint32_t unit = soj_chunk_unit(chunk);
	uint64_t bit =
		(uint64_t)unit * st->seg.lay.unit_slots + soj_chunk_slot(chunk);

	if (!(soj_load_relaxed(&st->seg.chunk_free[bit / 64]) >> bit % 64 &
	      1) ||
	    !(soj_load_relaxed(&st->seg.unit_free[unit / 64]) >> unit % 64 & 1))
		soj_chunk_hint_free(st, chunk);
}
