/* SPDX-License-Identifier: MIT */

/*
 * Sections, epochs and expelling.
 *
 * Epoch-based reclamation (K. Fraser, "Practical Lock-Freedom", 2004), with
 * the reader table in the segment and cooperative neutralisation (T. Brown,
 * DEBRA+, 2015) by a flag instead of a signal: what is retired at epoch e may
 * be reclaimed at e + 2.  The epoch moves from e to e + 1 when each section
 * that is open and not expelled entered at e.
 *
 * Words:  header.epoch   everyone, CAS e -> e + 1
 *         slot.section   {active, expelled, epoch, sequence}: its thread by
 *                        exchange; anyone by CAS word -> word | EXPELLED
 *         header.slots_used  slots before that one may have had a section: its
 *                        thread by CAS before the first; never falls
 *
 * An advancer looks at these slots only: there are a thousand, a cache line each,
 * and mostly a few threads have the first of them.  It is as if it had looked at
 * all: who enters has raised the word, or seen it raised, before F0; so if an
 * advancer does not see that, F1 was before F0, and it would not have seen the
 * section either.
 *
 * Guarantees
 *  1. An object unlinked before its retire stamp was taken is not reclaimed
 *     while a section that could have found it is open and not expelled.
 *  2. soj_section_exit() returns false if the section was expelled before; so
 *     whoever used reclaimed memory learns it, and drops what it read.
 *  3. A dead or stopped thread holds memory back for at most
 *     policy.expel_after_ms, as long as anybody watches.
 *
 * Why expelling is safe: expel CAS -> epoch advances -> reclaim CAS -> owner's
 * CAS -> release fence -> new bytes.  Who saw one of the new bytes has, after
 * an acquire fence, EXPELLED in its own word when it leaves.  Whoever wants to
 * CAS from inside a section loads the word to be changed, asks
 * soj_section_valid(), and then does the exact CAS: words carry versions.
 *
 * Crash table: killed before G0: nothing; after it: advancers look at a slot
 * more, and whoever has that slot next finds it shown.  Killed in a section: the
 * word stays ACTIVE until it is expelled or the slot is reaped.  Killed while
 * advancing: nothing, or the new epoch.
 * Stop table: one stopped before G0 has no section yet, and looks again if the
 * CAS fails.  An advancer stopped after its scan fails at its exact CAS.
 *
 * Edges
 *   A0  enter: load epoch         A2      sees unlinks made before that epoch
 *   R0  enter: xchg section       A1      an earlier section's loads are over
 *   F0  enter: fence after R0     F1, F2  the advancer sees the section, or the
 *                                         section sees the unlink
 *   G0  enter: cas of slots_used  G1      who is not seen enters later: above
 *   G1  advance: load slots_used  G0
 *   R1  exit: fence, xchg section A1, X0  the loads happen before reclaim, and
 *                                         expelling before them is seen
 *   F1  advance: fence before A1  F0
 *   A1  advance: load section     R0, R1
 *   A2  advance: cas epoch        A0, A3
 *   F2  retire: fence before load F0      the stamp is not older than any
 *                                         possible holder's epoch
 *   A3  load epoch                A2      reclaim comes after the scan
 *   X0  expel: cas section        R1, X1
 *   X1  valid: fence, load of own X0
 *
 * Progress: exit, valid wait-free; enter as well, but that the first of a slot
 * is lock-free; advance and expel O(slots).
 */

#include "rcu/rcu.h"

#include <stdlib.h>

#include "base/fault.h"

uint64_t soj_epoch(const struct soj_seg *seg)
{
	return soj_load_acquire(&seg->hdr->epoch); /* A3 */
}

static void show_slot(const struct soj_seg *seg, const struct soj_thread *thr)
{
	soj_word_t *used = &seg->hdr->slots_used;
	uint64_t was = soj_load_relaxed(used);

	while (was <= thr->slot) {
		SOJ_STEP("section.used");
		if (!thr->alive ||
		    soj_cas_acq_rel(used, &was, thr->slot + 1)) /* G0 */
			return;
	}
}

void soj_section_enter(const struct soj_seg *seg, struct soj_thread *thr)
{
	uint64_t epoch = soj_load_acquire(&seg->hdr->epoch); /* A0 */

	if (thr->alive)
		show_slot(seg, thr);
	if (!thr->alive)
		return;
	assert(thr->section == 0 && thr->slot != SOJ_SLOT_NONE);
	thr->section = soj_section(epoch, ++thr->seq);
	soj_xchg_acq_rel(&seg->slots[thr->slot].section, thr->section); /* R0 */
	soj_fence_seq_cst_after_rmw();                                  /* F0 */
	SOJ_STEP("section.entered");
}

bool soj_section_exit(const struct soj_seg *seg, struct soj_thread *thr)
{
	uint64_t idle, was;

	if (!thr->alive)
		return false;
	idle = thr->section & ~SOJ_MASK(32);
	soj_fence_acquire(); /* R1, orders the section's relaxed copies */
	was = soj_xchg_acq_rel(&seg->slots[thr->slot].section, idle); /* R1 */
	thr->section = 0;
	if (was & SOJ_SECTION_EXPELLED)
		soj_count(thr, SOJ_COUNT_expelled);
	return (was & SOJ_SECTION_EXPELLED) == 0;
}

bool soj_section_valid(const struct soj_seg *seg, const struct soj_thread *thr)
{
	uint64_t word;

	if (!thr->alive)
		return false;
	soj_fence_acquire(); /* X1, after the loads it judges */
	word = soj_load_acquire(&seg->slots[thr->slot].section); /* X1 */
	return word == thr->section;
}

uint64_t soj_epoch_retire(const struct soj_seg *seg)
{
	soj_fence_seq_cst_after_rmw(); /* F2 */
	if (SOJ_PLANT(GRACE_UNSTAMPED))
		return soj_load_relaxed(&seg->hdr->epoch) - 2;
	return soj_load_relaxed(&seg->hdr->epoch);
}

uint64_t soj_epoch_advance(const struct soj_seg *seg)
{
	uint64_t epoch = soj_load_acquire(&seg->hdr->epoch); /* A3 */
	uint64_t used;

	soj_fence_seq_cst();                            /* F1 */
	used = soj_load_acquire(&seg->hdr->slots_used); /* G1 */
	for (uint32_t i = 0; i < soj_min(used, seg->lay.slots_max); i++) {
		uint64_t word =
			soj_load_acquire(&seg->slots[i].section); /* A1 */

		if ((word & SOJ_SECTION_ACTIVE) &&
		    !(word & SOJ_SECTION_EXPELLED) &&
		    !SOJ_PLANT(GRACE_UNSCANNED) &&
		    soj_section_epoch(word) != (epoch & SOJ_MASK(30)))
			return epoch;
	}
	SOJ_STEP("epoch.scanned");
	if (!soj_cas_acq_rel(&seg->hdr->epoch, &epoch, epoch + 1)) /* A2 */
		return epoch;
	SOJ_STEP("epoch.advanced");
	return epoch + 1;
}

struct soj_watch *soj_watch_new(uint32_t slots_max)
{
	struct soj_watch *watch =
		calloc(1, sizeof(*watch) + slots_max * sizeof(watch->slot[0]));

	if (watch)
		watch->slots_max = slots_max;
	return watch;
}

uint32_t soj_expel(const struct soj_seg *seg, struct soj_watch *watch,
		   uint64_t now_ms, uint32_t except_slot)
{
	uint32_t expelled = 0;

	for (uint32_t i = 0; i < watch->slots_max; i++) {
		soj_word_t *section = &seg->slots[i].section;
		uint64_t word = soj_load_acquire(section); /* A1 */

		if (i == except_slot || !(word & SOJ_SECTION_ACTIVE) ||
		    (word & SOJ_SECTION_EXPELLED))
			continue;
		if (watch->slot[i].section != word) {
			watch->slot[i].section = word;
			watch->slot[i].since_ms = now_ms;
			continue;
		}
		if (now_ms - watch->slot[i].since_ms <
		    seg->policy.expel_after_ms)
			continue;
		SOJ_STEP("expel.seen");
		if (soj_cas_acq_rel(section, &word,
				    word | SOJ_SECTION_EXPELLED)) /* X0 */
			expelled++;
		SOJ_STEP("expel.done");
	}
	return expelled;
}
