/* SPDX-License-Identifier: MIT */

/*
 * A thread slot, also when the dead have them all.
 *
 * Repair needs a slot: it takes over what the dead OWNED.  If every slot is
 * held by a dead thread there is none to be had, and nobody to change that.
 * But most threads die owning nothing; such a slot can be freed by who has
 * none.  One scan of the state and unit words, after the proof of death, says
 * which: a dead thread does not come to own anything any more.
 *
 * Crash table: killed between two frees: some are free, some are not.
 * Stop table: a slot that was repaired and claimed meanwhile has another
 * claim word, and the exact CAS in soj_slot_free_dead() fails.
 *
 * Edges
 *   S1  load of a state          store/slab.c:S0
 *   U2  load of a unit's word    store/page.c:U0
 */

#include <errno.h>
#include <stdlib.h>

#include "store/cap.h"
#include "upkeep/upkeep.h"

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

int soj_upkeep_claim(struct soj_store *st, struct soj_worker *w)
{
	const struct soj_seg *seg = &st->seg;
	uint64_t *dead;
	int rc = soj_slot_claim(seg, &w->thr);

	if (rc != -EAGAIN)
		return rc;
	dead = calloc(seg->lay.slots_max, sizeof(*dead));
	if (!dead)
		return -ENOMEM;
	if (find_dead(seg, dead) > 0) {
		spare_owners(st, dead);
		soj_locks_repair(st, dead);
		for (uint32_t i = 0; i < seg->lay.slots_max; i++)
			if (dead[i])
				soj_slot_free_dead(seg, i, dead[i]);
		rc = soj_slot_claim(seg, &w->thr);
	}
	free(dead);
	return rc;
}
