/* SPDX-License-Identifier: MIT */

/*
 * What a thread has of the store, and gives back when it goes.
 *
 * Crash table: killed in between, hints are lost, and what is retired waits for
 * a scan of the state words (slab.c).  Stop table: the bits may come late.
 *
 * Edges
 *   B0  give hints back: or   B0 (slab.c)
 */

#include <unistd.h>

#include "store/store.h"

void soj_worker_init(struct soj_worker *w)
{
	memset(w, 0, sizeof(*w));
	soj_thread_init(&w->thr);
	w->pid = (uint32_t)getpid();
	soj_random(&w->random, sizeof(w->random));
	w->random |= 1;
	w->limbo.max = SOJ_LIMBO_MAX;
	w->limbo.at = w->limbo_room;
	w->entry_cursor = (uint32_t)(w->random >> 32);
}

static void magazine_return(soj_word_t *bitmap, struct soj_magazine *mag)
{
	if (mag->bits)
		soj_or_acq_rel(&bitmap[mag->word], mag->bits); /* B0 */
	mag->bits = 0;
}

void soj_worker_deinit(struct soj_store *st, struct soj_worker *w)
{
	if (soj_gone(w))
		return;
	magazine_return(st->seg.entry_free, &w->entries);
	for (uint32_t c = 0; c < SOJ_CLASSES; c++) {
		uint32_t unit =
			w->chunks[c].word / (st->seg.lay.unit_slots / 64);
		bool some = w->chunks[c].bits != 0;

		magazine_return(st->seg.chunk_free, &w->chunks[c]);
		if (some)
			soj_or_acq_rel(&st->seg.unit_free[unit / 64], /* B0 */
				       UINT64_C(1) << unit % 64);
	}
	w->limbo.count = 0;
	soj_locks_release(st, w);
	soj_slot_release(&st->seg, &w->thr);
}
