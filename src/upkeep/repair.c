/* SPDX-License-Identifier: MIT */

/*
 * Repair after dead threads: what they OWNED is made LIVE if it was decided,
 * and withdrawn or freed if it was not.
 *
 * Proof first: the claim word and the kernel's mark (rcu/slot.c).  Then each
 * state word is loaded, the claim checked again, and only then the exact CAS
 * made.  Only when nothing names the slot any more is it given free.  All of
 * it may be done by several threads at once, and by one that dies half-way.
 *
 *   an OWNED entry has            then
  *   ctl NONE, or the life of      never visible, or retired before: taken
 *     another generation            over and freed
 *   ctl ended                     index word cleared, LIVE, upkeep unlinks it
 *   ctl live, committed, and      LIVE: the renewal was decided
 *     its predecessor names it
 *   ctl live, committed,        LIVE: all who know the key can see it
 *     under a caller's key
 *   ctl live, otherwise           ended(withdrawn): nobody was told its id
 *   an OWNED chunk is
 *   named by its entry's ctl      LIVE
 *   not named                     retired: it was never published, or it was,
 *                                 and its entry ended or had another value
 *                                 since, while readers are still in it; freed
 *                                 where it is of no page (store/slab.c)
 *
 * Entries come before chunks: an entry that is freed no longer names a chunk.
 * After both comes the intent of the dead (store/cap.c): a login that is LIVE,
 * and for which others are to be ended.
 * Then the locks that the dead held are free (store/lock.c).
 *
 * An adopted slot (rcu/slot.c, MEND) is repaired by the same rules, by its
 * adopter, as that of a dead thread, with its own claim as the proof: what it
 * takes over meanwhile is done with before it looks at the next word.  It drops
 * the flags of renewals too: of a dead thread's they would be in doubt until
 * their lease is over, of a living one's they would not.
 *
 * Crash table of mending: killed anywhere, the slot is a dead thread's with
 * fewer leavings.  Stop table: as for any repairer; its claim stays as it is.
 *
 * Edges
 *   S1  load of a state (store/slab.c)   S0
 *   E1  load of ctl (store/entry.c)      E0
 *   E0  cas of ctl (store/entry.c)       E1
 *   N0  drop a flag: cas (session/renew.c)   N1
 *   N1  load of a flag (session/renew.c)     N0
 */

#include <errno.h>
#include <stdlib.h>

#include "base/fault.h"
#include "store/cap.h"
#include "store/event.h"
#include "upkeep/repair.h"

static bool owned_by_dead(const struct soj_dead *dead, uint64_t state,
			  const struct soj_seg *seg)
{
	uint32_t slot = soj_state_aux(state);

	return soj_state_phase(state) == SOJ_OWNED &&
	       slot < seg->lay.slots_max && dead->claim[slot] != 0 &&
	       soj_slot_still(seg, slot, dead->claim[slot]);
}

/* Decided by a word that others have seen: under a caller's key by the commit
 * in the index, a successor's by its predecessor.  1, 0, -EBUSY. */
static int was_decided(const struct soj_store *st, uint32_t idx, uint64_t ref)
{
	uint64_t predecessor =
		soj_load_relaxed(&soj_entry(st, idx)->predecessor);
	int named;

	if (predecessor == 0)
		return soj_misc_keyed(
			       soj_load_relaxed(&soj_entry(st, idx)->misc)) &&
		       soj_index_committed(st, soj_entry_digest(st, idx),
					   soj_entry_place(st, ref));
	named = soj_line_names(st, predecessor, ref);
	if (named == 1 && !soj_index_committed(st, soj_entry_digest(st, idx),
					       soj_entry_place(st, ref)))
		return 0;
	return named;
}

/* ctl was seen while the state was `was`. */
static void withdraw(struct soj_upkeep *up, uint32_t idx, uint64_t ref,
		     uint64_t was, uint64_t ctl)
{
	struct soj_store *st = up->st;
	soj_word_t *state = &st->seg.entry_states[idx];
	struct soj_shm_entry *e = soj_entry(st, idx);

	while (soj_ctl_readable(ctl) &&
	       !soj_cas_acq_rel(&e->ctl, &ctl, /* E0 */
				soj_ctl_next(ctl, SOJ_ENDED_WITHDRAWN,
					     soj_ctl_chunk(ctl)))) {
		/* The new value is the dead one's only while the state is. */
		if (soj_load_acquire(state) != was) /* S1 */
			return;
	}
	SOJ_STEP("repair.ended");
	soj_index_remove(st, up->w, soj_entry_digest(st, idx),
			 soj_entry_place(st, ref));
	SOJ_STEP("repair.unindexed");
	if (soj_state_publish(state, was))
		soj_hint_ended(st, idx);
}

static void repair_entry(struct soj_upkeep *up, struct soj_dead *dead,
			 uint32_t idx)
{
	struct soj_store *st = up->st;
	soj_word_t *state = &st->seg.entry_states[idx];
	struct soj_shm_entry *e = soj_entry(st, idx);
	uint64_t was = soj_load_acquire(state); /* S1 */
	uint64_t ref = soj_ref(idx, soj_state_gen(was));
	uint64_t ctl;
	int decided;

	if (!owned_by_dead(dead, was, &st->seg) ||
	    SOJ_PLANT(REPAIR_LEAVES_OWNED))
		return;
	SOJ_STEP("repair.seen");
	ctl = soj_load_acquire(&e->ctl); /* E1 */
	/* No ctl yet, or (another generation) a reclaimer's: unreachable. */
	if (soj_ctl_status(ctl) == SOJ_NONE ||
	    soj_life_gen(soj_load_acquire(&e->life)) != /* E1 */
		    soj_ref_gen(ref)) {
		soj_entry_take_over(st, up->w, idx, was);
		return;
	}
	decided = soj_ctl_readable(ctl) ? was_decided(st, idx, ref) : 0;
	/* All of that is about the dead thread's entry only if the entry still
	 * is that: another repairer may have been faster, and the entry be a
	 * new login's by now. */
	SOJ_STEP("repair.judged");
	if (soj_load_acquire(state) != was) /* S1 */
		return;
	if (decided < 0) {
		/* It stays OWNED, and so the slot the dead one's. */
		dead->claim[soj_state_aux(was)] = 0;
		return;
	}
	if (decided) {
		soj_entry_hand_down(st, ref);
		soj_entry_go_live(st, ref, was);
		SOJ_STEP("repair.live");
		soj_event_made(st, up->w, ref, false);
		soj_entry_end_finish_if_ended(st, up->w, ref);
		return;
	}
	withdraw(up, idx, ref, was, ctl);
}

static void repair_chunk(struct soj_upkeep *up, const struct soj_dead *dead,
			 uint32_t chunk)
{
	soj_word_t *state = soj_chunk_state(up->st, chunk);
	uint64_t was = soj_load_acquire(state); /* S1 */

	if (!owned_by_dead(dead, was, &up->st->seg))
		return;
	if (soj_chunk_named(up->st, chunk))
		soj_state_publish(state, was);
	else
		soj_chunk_take_over(up->st, up->w, chunk, was);
	SOJ_STEP("repair.chunk");
}

static uint32_t find_dead(struct soj_upkeep *up, struct soj_dead *dead,
			  bool deep)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < up->st->seg.lay.slots_max; i++)
		if (i != up->w->thr.slot &&
		    soj_slot_dead(&up->st->seg, i, deep, &dead->claim[i]))
			count++;
	return count;
}

static void repair_all(struct soj_upkeep *up, struct soj_dead *dead)
{
	const struct soj_layout *lay = &up->st->seg.lay;

	for (uint32_t e = 1; e <= lay->entries_max; e++)
		if (soj_state_phase(soj_load_relaxed(
			    &up->st->seg.entry_states[e])) == SOJ_OWNED)
			repair_entry(up, dead, e);
	for (uint32_t u = 0; u < lay->units; u++)
		for (uint32_t s = 0; s < lay->unit_slots; s++) {
			uint32_t chunk = soj_chunk(u, s);

			if (soj_state_phase(soj_load_relaxed(soj_chunk_state(
				    up->st, chunk))) == SOJ_OWNED)
				repair_chunk(up, dead, chunk);
		}
	for (uint32_t i = 0; i < lay->slots_max; i++)
		if (dead->claim[i])
			soj_units_repair(up->st, i, dead->claim[i]);
	soj_locks_repair(up->st, up->w, dead->claim);
}

/* What the dead were about to end others for. */
static void carry_on(struct soj_upkeep *up, struct soj_dead *dead)
{
	const struct soj_seg *seg = &up->st->seg;

	for (uint32_t i = 0; i < seg->lay.slots_max; i++) {
		uint64_t intent =
			dead->claim[i] ? soj_cap_intent(up->st, i) : 0;

		if (intent == 0 || !soj_slot_still(seg, i, dead->claim[i]) ||
		    SOJ_PLANT(INTENT_FORGOTTEN))
			continue;
		/* Another time, and the slot stays the dead one's. */
		if (soj_cap_enforce(up->st, up->w, intent,
				    soj_seg_now_ms(seg)) < 0)
			dead->claim[i] = 0;
		SOJ_STEP("repair.intent");
	}
}

/* State before flag: an entry that is another one's by now has a flag of
 * another generation. */
static void drop_flags(struct soj_upkeep *up, uint32_t slot)
{
	const struct soj_seg *seg = &up->st->seg;

	for (uint32_t e = 1; e <= seg->lay.entries_max; e++) {
		soj_word_t *renew = &soj_entry(up->st, e)->renew;
		uint64_t state =
			soj_load_acquire(&seg->entry_states[e]); /* S1 */
		uint64_t word = soj_load_acquire(renew);         /* N1 */

		if (soj_state_phase(state) != SOJ_LIVE || soj_gone(up->w) ||
		    soj_renew_slot(word) != slot ||
		    soj_renew_lease_tick(word) == 0)
			continue;
		soj_cas_acq_rel(renew, &word, /* N0 */
				soj_renew_dropped(soj_renew_gen(word)));
		SOJ_STEP("mend.flag");
	}
}

int soj_upkeep_mend(struct soj_upkeep *up)
{
	const struct soj_seg *seg = &up->st->seg;
	struct soj_thread *thr = &up->w->thr;
	uint32_t slot = thr->slot;
	int rc = -EAGAIN;

	memset(up->dead->claim, 0, seg->lay.slots_max * sizeof(uint64_t));
	up->dead->claim[slot] = thr->claim;
	if (!SOJ_PLANT(ADOPT_FORGETS)) {
		repair_all(up, up->dead);
		drop_flags(up, slot);
		carry_on(up, up->dead);
	}
	SOJ_STEP("mend.done");
	if (soj_gone(up->w))
		return -ECANCELED;
	if (up->dead->claim[slot])
		rc = soj_slot_settle(seg, thr);
	if (rc < 0)
		soj_slot_leave(seg, thr);
	else
		soj_count(thr, SOJ_COUNT_repaired);
	return rc;
}

uint32_t soj_upkeep_reap(struct soj_upkeep *up, bool deep)
{
	struct soj_dead *dead = up->dead;
	uint32_t freed = 0;

	memset(dead->claim, 0,
	       up->st->seg.lay.slots_max * sizeof(dead->claim[0]));
	if (find_dead(up, dead, deep) == 0)
		return 0;
	repair_all(up, dead);
	carry_on(up, dead);
	SOJ_STEP("repair.done");
	for (uint32_t i = 0; i < up->st->seg.lay.slots_max; i++)
		if (dead->claim[i] && !soj_gone(up->w) &&
		    soj_slot_free_dead(&up->st->seg, i, dead->claim[i])) {
			soj_count(&up->w->thr, SOJ_COUNT_repaired);
			freed++;
		}
	return freed;
}
