/* SPDX-License-Identifier: MIT */

/*
 * Slots taken over from the dead, with what they left (rcu/slot.c: MEND): two
 * who adopt at once, one who stands still at each label of it, one beside a
 * repairer that was there before, one who cannot repair it now, forks in the
 * middle; and a living thread's slot, which nobody adopts.  Killed at each
 * label: crash_points.c.
 *
 *   crash_slots [--list] [CASE...]
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "crash/lib_found.h"
#include "crash/lib_ops.h"

#define BYTES 120u

/* On the way of an adopter, from its proof to its being an ordinary holder. */
static const char *const ways[] = {
	"adopt.seen",        "slot.reap.section",   "slot.claim.busy",
	"slot.claim.locked", "slot.claim.held",     "repair.seen",
	"mend.done",         "slot.settle.cleared", "slot.settled",
};

#define WAYS (sizeof(ways) / sizeof(ways[0]))

static struct world w;

static bool begin(uint32_t slots)
{
	const struct world_options o = {.slots = slots, .entries = 24};

	if (!world_make(&w, &o))
		return false;
	prepare_people(&w);
	return true;
}

static uint64_t claim_of(uint32_t slot)
{
	return soj_load_acquire(&w.s->st.seg.slots[slot].claim);
}

/* A login whose maker dies before it is LIVE. */
static void dead_maker(void)
{
	struct victim v;

	park(&v, "index.committed", run_create, &w);
	kill_parked(&v);
	judge_create(&w, v.report);
	report_free(v.report);
}

/* Made by a victim that got through. */
static void made(struct victim *v)
{
	unpark(v);
	judge_create(&w, v->report);
	report_free(v->report);
}

/* ---- cases ---- */

/* Both have the proof about the same slot; the late one finds the other. */
static void two_adopters(void)
{
	for (unsigned i = 0; i < WAYS; i++) {
		struct victim late;

		trying("the late one stands at %s", ways[i]);
		if (!begin(2))
			return;
		world_let_go(&w);
		dead_maker();
		dead_maker();
		park(&late, ways[i], run_create, &w);
		/* Nobody waits for who stands. */
		world_update(&w, w.bystander, false);
		MUST(soj_claim_phase(claim_of(0)) == SOJ_CLAIM_HELD ||
		     soj_claim_phase(claim_of(1)) == SOJ_CLAIM_HELD);
		made(&late);
		world_end(&w);
	}
}

/* The last slot is adopted, and who asks meanwhile is told so: nothing of its
 * adopter's is taken from it. */
static void nobody_adopts_from_an_adopter(void)
{
	/* Until its claim is BUSY another may be faster, and then is. */
	for (unsigned i = 2; i < WAYS; i++) {
		struct victim first, second;

		trying("the adopter stands at %s", ways[i]);
		if (!begin(1))
			return;
		world_let_go(&w);
		dead_maker();
		park(&first, ways[i], run_create, &w);
		run_alone(&second, run_update, &w);
		MUST(second.report->rc == -EAGAIN);
		report_free(second.report);
		made(&first);
		/* Its process has ended, and gave its slot back or died. */
		world_end(&w);
	}
}

static void the_living_keep_theirs(void)
{
	struct victim maker, other;

	if (!begin(1))
		return;
	world_let_go(&w);
	park(&maker, "index.committed", run_create, &w);
	run_alone(&other, run_update, &w);
	MUST(other.report->rc == -EAGAIN);
	report_free(other.report);
	made(&maker);
	world_end(&w);
}

/*
 * A repairer has seen what the dead one owns and that it is dead; the slot is
 * adopted, repaired and used meanwhile, for the same entry as well.
 */
static void beside_a_repairer(void)
{
	static const char *const seen[] = {"repair.seen", "repair.judged",
					   "lock.repair.seen",
					   "slot.reap.section"};

	for (unsigned i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
		struct victim repairer, v;

		trying("the repairer stands at %s", seen[i]);
		if (!begin(2))
			return;
		world_let_go(&w);
		if (i == 2) {
			park(&v, "update.written", run_locked_update, &w);
			kill_parked(&v);
			report_free(v.report);
		} else {
			dead_maker();
		}
		park(&repairer, seen[i], run_full, &w);
		/* Stands as an ordinary holder, with an entry of its own. */
		park(&v, "index.committed", run_create, &w);
		unpark(&repairer);
		MUST(repairer.report->rc == 0);
		report_free(repairer.report);
		made(&v);
		world_end(&w);
	}
}

/* ... and the other way round: passes of upkeep go by an adopter. */
static void upkeep_beside_an_adopter(void)
{
	for (unsigned i = 2; i < WAYS; i++) {
		struct victim v;
		uint64_t claim;

		trying("the adopter stands at %s", ways[i]);
		if (!begin(2))
			return;
		dead_maker(); /* in slot 1: the survivor has the other */
		park(&v, ways[i], run_create, &w);
		claim = claim_of(1);
		upkeep_now(&w, 4);
		MUST(claim_of(1) == claim);
		MUST(soj_claim_phase(claim) != SOJ_CLAIM_FREE);
		made(&v);
		world_end(&w);
	}
}

/* What the dead had announced of a section holds no epoch back. */
static void section_of_the_dead(void)
{
	struct victim v;
	uint64_t epoch;

	if (!begin(1))
		return;
	world_let_go(&w);
	/* Owns an entry, and stands in a section. */
	park(&v, "chain.pushed", run_create, &w);
	kill_parked(&v);
	judge_create(&w, v.report);
	report_free(v.report);
	park(&v, "slot.claim.held", run_create, &w);
	MUST(!(soj_load_acquire(&w.s->st.seg.slots[0].section) &
	       SOJ_SECTION_ACTIVE));
	epoch = soj_epoch(&w.s->st.seg);
	for (unsigned i = 0; i < 3; i++)
		soj_epoch_advance(&w.s->st.seg);
	MUST(soj_epoch(&w.s->st.seg) == epoch + 3);
	made(&v);
	world_end(&w);
}

/* A renewal of the dead one's is not in doubt for as long as its lease. */
static void flag_of_the_dead(void)
{
	struct victim v;

	if (!begin(1))
		return;
	world_let_go(&w);
	park(&v, "renew.built", run_renew, &w);
	kill_parked(&v);
	report_free(v.report);
	world_renew(&w, w.target, false);
	world_end(&w);
}

/* Each walk along a chain finds that somebody came in meanwhile. */
static void crowd(const struct soj_step *step)
{
	const struct soj_seg *seg = &w.s->st.seg;

	if (strcmp(step->label, "cap.walked") != 0)
		return;
	for (uint32_t h = 0; h >> seg->lay.heads_log2 == 0; h++) {
		uint64_t link = soj_load_relaxed(&seg->heads[h]);

		soj_store_relaxed(&seg->heads[h],
				  soj_link(soj_link_entry(link),
					   soj_link_version(link) + 1, false));
	}
}

/* What the dead one left cannot be repaired now, but later it is. */
static void left_again(void)
{
	const struct world_options o = {.slots = 1,
					.cap = 3,
					.when_over =
						SOJOURN_WHEN_OVER_EVICT_OLDEST};

	if (!world_make(&w, &o))
		return;
	prepare_slot_of_an_intent(&w);
	soj_step_hook = crowd;
	for (unsigned i = 0; i < 2; i++) {
		MUST(sojourn_session_update(w.s, w.known[3].id, "v", 1, 0,
					    NULL) == -EAGAIN);
		MUST(soj_claim_phase(claim_of(0)) == SOJ_CLAIM_MEND);
		MUST(soj_claim_tid(claim_of(0)) == 0);
		MUST(soj_load_acquire(&w.s->st.seg.slots[0].intent) != 0);
	}
	world_fsck(&w, false);
	soj_step_hook = NULL;
	world_update(&w, w.bystander, false);
	MUST(soj_claim_phase(claim_of(0)) == SOJ_CLAIM_HELD);
	world_end(&w);
}

/* A child that is forked in the middle of it has no part in it. */
static void forks(void)
{
	struct report *r = report_new();
	struct victim v;

	for (uint32_t nth = 1;; nth++) {
		const struct plan plan = {.fault = FAULT_FORK, .nth = nth};

		trying("a fork at step %u", nth);
		if (!begin(1))
			return;
		world_let_go(&w);
		dead_maker();
		victim_run(&v, r, &plan, run_create, &w);
		trying("a fork at step %u (%s)", nth, step_name(r, nth));
		MUST(v.state == VICTIM_FINISHED);
		judge_create(&w, r);
		world_end(&w);
		if (r->steps < nth)
			break;
	}
	report_free(r);
}

int main(int argc, char **argv)
{
	static const struct found_case cases[] = {
		{"two adopters", two_adopters},
		{"nobody adopts from an adopter",
		 nobody_adopts_from_an_adopter},
		{"the living keep theirs", the_living_keep_theirs},
		{"beside a repairer", beside_a_repairer},
		{"upkeep beside an adopter", upkeep_beside_an_adopter},
		{"the section of the dead", section_of_the_dead},
		{"the flag of the dead", flag_of_the_dead},
		{"left again", left_again},
		{"forks", forks},
	};

	return found_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
