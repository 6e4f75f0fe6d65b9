/* SPDX-License-Identifier: MIT */

/*
 * Upkeep of one entry, by who ends it.
 *
 * What neither led on nor was led to concerns nobody but its ender.  He has its
 * words in his cache, where upkeep would have to fetch them again, one by one;
 * and what he retires is in his limbo (store/limbo.c), where he finds it when he
 * makes the next entry.  So he does for it what a pass does (upkeep.c), with the
 * same steps in the same order, and sets no hint.  Where it is not as simple as
 * that he leaves it to upkeep:  if the entry is of a line, or in the making, or
 * far down a chain; if his limbo is full, as somebody stands in a section; if he
 * lost a race.
 *
 * It may be taken out of the chain alone, without the pass over the rest of it
 * that upkeep makes for many: an unmarked link in front of it was swung past it,
 * and an entry has one such predecessor at most (T. Harris, as in chain.c).
 *
 * Crash table (killed after the step): as of a pass, the hint being lost: the
 * full pass finds what is LIVE and ended, with or without its index word, linked
 * or not, and what is RETIRED; the scrubber finds the chunk.
 * Stop table: as of a pass.  The entry's state is loaded before it is unlinked,
 * so that its retire fails if others were faster.
 *
 * Edges
 *   S1  load of a state (store/slab.c)    S0
 *   E1  load of ctl (store/entry.c)       E0
 */

#include "base/fault.h"
#include "store/chain.h"
#include "store/event.h"
#include "store/fetch.h"
#include "upkeep/upkeep.h"

/* Of the limbo of who does that: while somebody stands in a section, also for
 * want of a processor, nothing comes out of it.  The rest is for what he replaces. */
#define LIMBO_FULL (SOJ_LIMBO_MAX / 4u * 3u)

bool soj_upkeep_retire(struct soj_store *st, struct soj_worker *w, uint32_t idx,
		       uint64_t was)
{
	uint64_t ctl = soj_load_acquire(&soj_entry(st, idx)->ctl); /* E1 */
	uint32_t chunk = soj_ctl_chunk(ctl);
	soj_word_t *state = soj_chunk_state(st, chunk);
	struct soj_chunk_view view;
	uint64_t chunk_was = 0;

	if (state)
		chunk_was = soj_load_acquire(state); /* S1 */
	if (state && (!soj_chunk_look(st, chunk, &view) || view.entry != idx))
		state = NULL; /* long gone, and somebody else's by now */
	if (!soj_entry_retire(st, w, idx, was))
		return false;
	/*
	 * Only what is LIVE, and by its generation still the entry's.  OWNED it
	 * is its publisher's, who will make it LIVE for the scrubber to find,
	 * or a reclaimer's who is wiping it: the entry may be back from one who
	 * died reclaiming it.  Nobody takes a chunk from either.
	 */
	if (state) {
		uint64_t now = soj_load_acquire(state); /* S1 */

		if (soj_state_phase(now) == SOJ_LIVE &&
		    soj_state_gen(now) == soj_state_gen(chunk_was))
			soj_chunk_retire(st, w, chunk, now);
	}
	return true;
}

bool soj_upkeep_end_alone(struct soj_store *st, struct soj_worker *w,
			  const struct soj_snapshot *snap,
			  const struct soj_cold *cold, enum soj_status reason,
			  uint64_t *state)
{
	const uint32_t idx = soj_ref_entry(snap->ref);
	const uint32_t head = soj_head_of(st, cold->subject);
	const struct soj_sweep sweep = {.only = idx};

	*state = 0;
	if (soj_ctl_status(snap->ctl) != SOJ_ACTIVE || snap->has_record ||
	    cold->predecessor != 0 || w->limbo.count >= LIMBO_FULL ||
	    !soj_section_valid(&st->seg, &w->thr))
		return false;
	soj_chunk_head_prefetch(st, idx);
	soj_prefetch(&st->seg.heads[head]);
	SOJ_STEP("alone.seen");
	/* From that very word: nobody renewed it before or will after. */
	if (!soj_entry_end_ctl(st, w, snap->ref, snap->ctl, reason))
		return false;
	SOJ_STEP("alone.ended");
	*state = soj_entry_end_finish_own(st, w, snap->ref);
	if (*state == 0 || soj_gone(w))
		return true;
	SOJ_STEP("alone.told");
	if (!soj_event_settle(st, w, snap->ref) ||
	    soj_chain_sweep(st, w, head, &sweep) != 0) {
		*state = 0;
		if (!soj_gone(w))
			soj_hint_ended(st, idx);
	}
	return true;
}
