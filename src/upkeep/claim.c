/* SPDX-License-Identifier: MIT */

/*
 * A thread slot, also when the dead have them all.
 *
 * Repair needs a slot: it takes over what the dead OWNED.  If every slot is
 * held by a dead thread there is none to be had.  But most threads die owning
 * nothing; such a slot can be freed by who has none.  One scan of the state and
 * unit words, after the proof of death, says which: a dead thread does not come
 * to own anything any more.  If that gives none, the claimer adopts one of the
 * dead's with what it owned, and repairs that before anything else (slot.c,
 * repair.c).  Where a slot's leavings cannot be repaired now, the next one's
 * may be.  So the claim fails only while living threads have all slots.
 *
 * Crash table: killed between two frees: some are free, some are not; while
 * adopting: slot.c.
 * Stop table: a slot that was repaired, claimed or adopted meanwhile has
 * another claim word, and the exact CAS in soj_slot_free_dead(), or in
 * soj_slot_adopt(), fails.
 *
 * Edges
 *   S1  load of a state          store/slab.c:S0
 *   U2  load of a unit's word    store/page.c:U0
 */

#include <errno.h>
#include <stdlib.h>

#include "base/fault.h"
#include "store/cap.h"
#include "upkeep/repair.h"

/* Claim words by slot; 0: alive, free, or owner of something. */
static uint32_t find_dead(const struct soj_seg *seg, uint64_t *dead)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < seg->lay.slots_max; i++) {
		dead[i] = 0;
		count += soj_slot_dead(seg, i, true, &dead[i]);
	}
	return count;
}

static void spare_owner(const struct soj_seg *seg, uint64_t *dead,
			soj_word_t *state)
{
	uint64_t word = soj_load_acquire(state); /* S1 */

	if (soj_state_phase(word) == SOJ_OWNED &&
	    soj_state_aux(word) < seg->lay.slots_max)
		dead[soj_state_aux(word)] = 0;
}

static void spare_owners(const struct soj_store *st, uint64_t *dead)
{
	const struct soj_seg *seg = &st->seg;
	const struct soj_layout *lay = &seg->lay;

	for (uint32_t i = 0; i < lay->slots_max; i++)
		if (dead[i] && soj_cap_intent(st, i) != 0)
			dead[i] = 0; /* repair has something to carry on with */
	for (uint32_t e = 1; e <= lay->entries_max; e++)
		spare_owner(seg, dead, &seg->entry_states[e]);
	for (uint64_t c = 0; c < (uint64_t)lay->units * lay->unit_slots; c++)
		spare_owner(seg, dead, &seg->chunk_states[c]);
	for (uint32_t u = 0; u < lay->units; u++) {
		uint64_t word = soj_load_acquire(&seg->units[u]); /* U2 */
		enum soj_unit_phase phase = soj_unit_phase(word);

		if ((phase == SOJ_UNIT_OWNED || phase == SOJ_UNIT_DRAINING) &&
		    soj_unit_slot(word) < lay->slots_max)
			dead[soj_unit_slot(word)] = 0;
	}
}

static void free_idle(struct soj_store *st, struct soj_worker *w,
		      uint64_t *dead)
{
	spare_owners(st, dead);
	soj_locks_repair(st, w, dead);
	for (uint32_t i = 0; i < st->seg.lay.slots_max; i++)
		if (dead[i])
			soj_slot_free_dead(&st->seg, i, dead[i]);
}

/* One by one: another claimer may adopt or free them meanwhile, so each is
 * asked for its proof again. */
static int adopt(struct soj_upkeep *up)
{
	const struct soj_seg *seg = &up->st->seg;
	struct soj_thread *thr = &up->w->thr;
	uint64_t claim;
	int rc = -EAGAIN;

	for (uint32_t i = 0; i < seg->lay.slots_max && rc == -EAGAIN; i++) {
		claim = soj_load_relaxed(&seg->slots[i].claim);
		if (!SOJ_PLANT(ADOPT_ALIVE) &&
		    !soj_slot_dead(seg, i, true, &claim))
			continue;
		SOJ_STEP("adopt.seen");
		rc = soj_slot_adopt(seg, thr, i, claim);
		if (rc == 0)
			rc = soj_upkeep_mend(up);
	}
	return rc;
}

int soj_upkeep_claim(struct soj_store *st, struct soj_worker *w)
{
	struct soj_upkeep up = {.st = st, .w = w};
	int rc = soj_slot_claim(&st->seg, &w->thr);

	if (rc != -EAGAIN)
		return rc;
	up.dead = calloc(1, sizeof(*up.dead));
	if (!up.dead)
		return -ENOMEM;
	if (find_dead(&st->seg, up.dead->claim) > 0 || SOJ_PLANT(ADOPT_ALIVE)) {
		free_idle(st, w, up.dead->claim);
		rc = soj_slot_claim(&st->seg, &w->thr);
	}
	if (rc == -EAGAIN)
		rc = adopt(&up);
	/* Somebody else may have repaired and freed what was seen dead. */
	if (rc == -EAGAIN)
		rc = soj_slot_claim(&st->seg, &w->thr);
	free(up.dead);
	return rc;
}
