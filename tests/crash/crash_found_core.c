/* SPDX-License-Identifier: MIT */

/*
 * Interleavings that once went wrong: grace periods, thread slots, pages.  See
 * crash_found.c.
 *
 *   crash_found_core [--list] [CASE...]
 */

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sojourn/lock.h>

#include "crash/lib_found.h"
#include "crash/lib_ops.h"
#include "upkeep/repair.h"

#define BYTES 120u

/* ---- grace periods ---- */

static void run_reclaim(void *arg, struct report *r)
{
	struct world *w = arg;
	bool left = false;

	world_self(w);
	r->number = soj_upkeep_reclaim(&w->up, &left);
}

/* Deletes the bystander, and retires it. */
static void run_delete_retire(void *arg, struct report *r)
{
	struct world *w = arg;
	struct soj_upkeep_work work;

	r->rc = sojourn_session_delete(w->s, w->known[w->bystander].id);
	world_self(w);
	soj_upkeep_pass(&w->up, &work);
}

static void stamps_of_the_future(void)
{
	static const uint64_t epochs[] = {5,
					  1000,
					  (UINT64_C(1) << 24) - 1,
					  UINT64_C(1) << 24,
					  (UINT64_C(1) << 24) + 1,
					  (UINT64_C(7) << 24) + 3};

	for (unsigned i = 0; i < sizeof(epochs) / sizeof(epochs[0]); i++) {
		uint64_t e = epochs[i];

		for (uint64_t d = 0; d < 4; d++) {
			MUST(!soj_gp_elapsed(
				e, (uint32_t)((e + d) & SOJ_MASK(24))));
			MUST(soj_gp_elapsed(
				e, (uint32_t)((e - 2 - d) & SOJ_MASK(24))));
		}
		MUST(!soj_gp_elapsed(e, (uint32_t)((e - 1) & SOJ_MASK(24))));
		MUST(!soj_gp_elapsed(
			e, (uint32_t)((e + SOJ_MASK(23)) & SOJ_MASK(24))));
	}
}

/*
 * A full scan loads the epoch when it begins.  What is retired while it goes
 * on has a stamp of a later one: that counted as long ago, and a reader's
 * section was no protection.  Or it stood still for so many epochs that half of
 * all stamps look old to it.
 */
static void scan_older_by(uint64_t epochs)
{
	struct victim scan, other;
	struct soj_self *self;
	uint64_t first, second;
	struct world w;
	uint32_t chunk;

	found_begin(&w, NULL, prepare_people);
	first = ref_of(&w, w.known[w.target].id);
	second = ref_of(&w, w.known[w.bystander].id);
	chunk = chunk_of(&w, second);
	world_delete(&w, w.target, false);
	self = world_self(&w);
	soj_epoch_advance(&w.s->st.seg);
	soj_epoch_advance(&w.s->st.seg);
	MUST(is_in(&w, first, SOJ_RETIRED));
	park(&scan, "slab.reclaim.seen", run_reclaim, &w);
	soj_add_relaxed(&w.s->st.seg.hdr->epoch, epochs);
	soj_section_enter(&w.s->st.seg, &self->w.thr);
	soj_epoch_advance(&w.s->st.seg);
	run_alone(&other, run_delete_retire, &w);
	MUST(other.report->rc == 1);
	w.known[w.bystander].fate = GONE;
	MUST(is_in(&w, second, SOJ_RETIRED));
	MUST(chunk_phase(&w, chunk) == SOJ_RETIRED);
	unpark(&scan);
	MUST(!is_in(&w, first, SOJ_RETIRED));
	MUST(is_in(&w, second, SOJ_RETIRED));
	MUST(chunk_phase(&w, chunk) == SOJ_RETIRED);
	MUST(soj_section_exit(&w.s->st.seg, &self->w.thr));
	/* What was retired before that waits for the rest of the round. */
	soj_add_relaxed(&w.s->st.seg.hdr->epoch, (UINT64_C(1) << 24) - epochs);
	world_upkeep(&w);
	MUST(!is_in(&w, second, SOJ_RETIRED));
	world_end(&w);
}

static void scan_older_than_the_stamp(void)
{
	stamps_of_the_future();
	scan_older_by(0);
	scan_older_by((UINT64_C(1) << 23) + 100);
	scan_older_by((UINT64_C(1) << 24) - 10);
}

/* Of the dead, with nobody expelled. */
static void run_repair(void *arg, struct report *r)
{
	struct world *w = arg;
	struct soj_upkeep_work work;

	world_self(w);
	soj_upkeep_pass(&w->up, &work);
	r->rc = (int)soj_upkeep_reap(&w->up, true);
	for (unsigned i = 0; i < 3; i++)
		soj_upkeep_pass(&w->up, &work);
}

/*
 * A value is published, and its chunk still its dead maker's, when a reader
 * stands in it and its session ends: repair freed the chunk at once, and the
 * reader saw what came next.
 */
static void chunk_of_the_dead_that_a_reader_is_in(void)
{
	struct victim dead, other;
	uint64_t seen[64], ref;
	struct soj_self *self;
	soj_word_t *words;
	uint32_t chunk, bytes, changed = 0;
	struct world w;

	found_begin(&w, NULL, prepare_people);
	w.target = w.bystander;
	ref = ref_of(&w, w.known[w.bystander].id);
	park(&dead, "update.published", run_update, &w);
	kill_parked(&dead);
	w.known[w.bystander].version++;
	chunk = chunk_of(&w, ref);
	MUST(chunk_phase(&w, chunk) == SOJ_OWNED);
	words = soj_chunk_words(&w.s->st, chunk, &bytes);
	MUST(bytes <= sizeof(seen));
	for (uint32_t i = 0; i < bytes / 8; i++)
		seen[i] = soj_load_relaxed(&words[i]);
	self = world_self(&w);
	soj_section_enter(&w.s->st.seg, &self->w.thr);
	run_alone(&other, run_delete_retire, &w);
	MUST(other.report->rc == 1);
	w.known[w.bystander].fate = GONE;
	run_alone(&other, run_repair, &w);
	for (uint32_t i = 0; i < bytes / 8; i++)
		changed += seen[i] != soj_load_relaxed(&words[i]);
	MUST(changed == 0);
	MUST(chunk_phase(&w, chunk) == SOJ_RETIRED);
	MUST(soj_section_exit(&w.s->st.seg, &self->w.thr));
	world_upkeep(&w);
	MUST(chunk_phase(&w, chunk) == SOJ_FREE);
	world_end(&w);
}

/* ---- thread slots ---- */

static void run_claim(void *arg, struct report *r)
{
	world_self(arg);
	r->rc = 0;
	raise(SIGSTOP);
}

static soj_half_t *mutex_word(struct world *w, uint32_t slot)
{
	return (soj_half_t *)(void *)&w->s->st.seg.slots[slot].life;
}

/*
 * A thread that died without the kernel marking its mutex (the out-of-memory
 * reaper does that) is found by its number.  The slot was free then, and
 * nobody could ever claim it, as its mutex was locked.
 */
static void mutex_without_mark(void)
{
	const struct world_options o = {.slots = 2};
	struct plan none = {.fault = FAULT_NONE};
	struct soj_upkeep_work work;
	struct victim v;
	struct world w;
	uint32_t tid;

	found_begin(&w, &o, prepare_people);
	MUST(world_self(&w)->w.thr.slot == 0);
	victim_run(&v, report_new(), &none, run_claim, &w);
	MUST(v.state == VICTIM_STOPPED);
	tid = soj_claim_tid(w.s->st.seg.slots[1].claim);
	MUST(tid == (uint32_t)v.pid);
	victim_kill(&v);
	MUST(soj_load_acquire(mutex_word(&w, 1)) & FUTEX_OWNER_DIED);
	soj_store_release(mutex_word(&w, 1), tid);
	soj_upkeep_full(&w.up, &work);
	MUST(work.repaired == 1);
	for (unsigned i = 0; i < 3; i++) {
		victim_run(&v, report_new(), &none, run_claim, &w);
		MUST(v.state == VICTIM_STOPPED);
		if (v.state != VICTIM_STOPPED)
			break;
		MUST(soj_claim_phase(w.s->st.seg.slots[1].claim) ==
		     SOJ_CLAIM_HELD);
		victim_kill(&v);
		/* And its mutex is robust again: no second proof is needed. */
		soj_upkeep_pass(&w.up, &work);
		MUST(work.repaired == 1);
	}
	world_end(&w);
}

static void run_serve_and_lock(void *arg, struct report *r)
{
	struct world *w = arg;
	uint64_t fence;

	r->number = soj_role_try(&w->s->st.seg, &world_self(w)->w.thr);
	r->rc = sojourn_session_lock(w->s, w->known[w->target].id, 0, 0,
				     &fence);
	raise(SIGSTOP);
}

/* What such a one had is free for those who only wait, and never reap. */
static void role_and_lock_without_mark(void)
{
	struct plan none = {.fault = FAULT_NONE};
	struct soj_self *self;
	const struct soj_seg *seg;
	struct victim v;
	struct world w;
	uint64_t ref;

	found_begin(&w, NULL, prepare_people);
	seg = &w.s->st.seg;
	self = world_self(&w);
	ref = ref_of(&w, w.known[w.target].id);
	victim_run(&v, report_new(), &none, run_serve_and_lock, &w);
	MUST(v.report->rc == 0 && v.report->number == 1);
	MUST(!soj_role_try(seg, &self->w.thr));
	MUST(soj_lock_judge(&w.s->st, soj_lock_look(&w.s->st, ref), 0) ==
	     SOJ_LOCK_HELD);
	victim_kill(&v);
	for (uint32_t i = 0; i < seg->lay.slots_max; i++)
		if (soj_claim_tid(seg->slots[i].claim) == (uint32_t)v.pid)
			soj_store_release(mutex_word(&w, i), (uint32_t)v.pid);
	MUST(soj_role_try(seg, &self->w.thr));
	MUST(soj_lock_judge(&w.s->st, soj_lock_look(&w.s->st, ref), 0) ==
	     SOJ_LOCK_LOST);
	soj_role_release(seg, &self->w.thr);
	world_end(&w);
}

static pthread_barrier_t claimed;

static void *hold_a_slot(void *arg)
{
	world_self(arg);
	pthread_barrier_wait(&claimed);
	for (;;)
		pause();
	return NULL;
}

#define HOLDERS 3u

/* With threads that hold slots; below it a namespace in which it has the
 * number that it has here. */
static void in_own_namespace(void)
{
	struct victim v;
	struct world w;

	found_begin(&w, NULL, prepare_people);
	pthread_barrier_init(&claimed, NULL, 2);
	for (unsigned i = 0; i < HOLDERS; i++) {
		struct world copy = w; /* its own up */
		pthread_t thread;

		if (pthread_create(&thread, NULL, hold_a_slot, &copy) != 0)
			abort();
		pthread_barrier_wait(&claimed);
	}
	MUST(getpid() == 1);
	if (unshare(CLONE_NEWPID) != 0)
		failed("unshare once more: %s", strerror(errno));
	run_alone(&v, run_full, &w);
	for (uint32_t i = 0; i <= HOLDERS; i++)
		MUST(soj_claim_phase(w.s->st.seg.slots[i].claim) ==
		     SOJ_CLAIM_HELD);
	world_upkeep(&w);
	world_verify(&w);
	world_drain(&w, HOLDERS);
}

/*
 * A child in a namespace of its own has the number of its parent: both are the
 * first there.  It took the parent's namespace for its own, and the parent's
 * threads, whose numbers do not exist there, for dead.
 */
static void same_number_in_another_namespace(void)
{
	int status = 0;
	pid_t pid;

	if (unshare(CLONE_NEWPID) != 0) {
		printf("skipped, no new namespace: %s\n", strerror(errno));
		return;
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		in_own_namespace();
		fflush(NULL);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
		failed("the first of the namespace ended with 0x%x", status);
}

/* ---- pages ---- */

#define HUGE_BYTES 1000000u
#define HUGE_UNITS 9u /* that its page takes */

static void run_create_huge(void *arg, struct report *r)
{
	struct world *w = arg;
	struct sojourn_new n = {.subject = "hugo", .data_bytes = HUGE_BYTES};

	n.data = calloc(1, HUGE_BYTES);
	r->rc = sojourn_session_create(w->s, &n, r->id, NULL);
}

/* Short of time: it does not look for lost hints. */
static void run_create_huge_at_once(void *arg, struct report *r)
{
	struct world *w = arg;

	world_self(w)->thorough_not_before_us = UINT64_MAX;
	run_create_huge(arg, r);
}

/*
 * Two small pages are in the way, and their hints in idle magazines.  Moving
 * what lives in one made a new page, which was in the way then, and so on.
 */
static void drain_with_nothing_to_gain(void)
{
	const struct world_options o = {.units = HUGE_UNITS};
	struct victim idle, v;
	struct world w;
	struct known *k;

	found_begin(&w, &o, NULL);
	MUST(w.s->st.seg.lay.units == HUGE_UNITS);
	MUST(w.s->st.classes[soj_class_of(HUGE_BYTES + 100)].page_units ==
	     HUGE_UNITS);
	prepare_people(&w);
	park(&idle, "hint.leaf", run_create, &w);
	run_alone(&v, run_create_huge_at_once, &w);
	MUST(v.report->rc == -ENOSPC);
	MUST(passed(v.report, "drain.begun") >= 1);
	MUST(passed(v.report, "drain.begun") <= 64);
	MUST(passed(v.report, "page.active") == 0);
	unpark(&idle);
	k = world_known(&w, "anna", BYTES);
	strcpy(k->id, idle.report->id);
	k->number = OP_NUMBER;
	world_end(&w);
}

static void forget_hints(struct world *w)
{
	const struct soj_seg *seg = &w->s->st.seg;
	uint64_t slots = (uint64_t)seg->lay.units * seg->lay.unit_slots;

	soj_zero_words(seg->chunk_free, slots / 64);
	soj_zero_words(seg->unit_free, seg->lay.unit_hint_words);
}

/* Two small pages, one of which can take all.  All hints are lost: the state
 * words are the truth, and say where there is room. */
static void drain_without_hints(void)
{
	const struct world_options o = {.entries = 100,
					.units = HUGE_UNITS + 1};
	uint32_t first_unit, kept = 0;
	struct victim v;
	struct world w;

	found_begin(&w, &o, NULL);
	for (unsigned i = 0; i < 70; i++)
		MUST(world_create(&w, "anna", BYTES) >= 0);
	first_unit = soj_chunk_unit(chunk_of(&w, ref_of(&w, w.known[0].id)));
	MUST(first_unit == 0);
	for (unsigned i = 0; i < w.count; i++) {
		uint32_t chunk = chunk_of(&w, ref_of(&w, w.known[i].id));

		/* Ten stay in the first page, fewer are in the other. */
		if (soj_chunk_unit(chunk) == 0 && ++kept > 10)
			world_delete(&w, i, false);
	}
	MUST(kept > 60 && kept < 70);
	world_upkeep(&w);
	world_let_go(&w);
	forget_hints(&w);
	run_alone(&v, run_create_huge_at_once, &w);
	MUST(v.report->rc == 0);
	MUST(passed(v.report, "drain.begun") <= 64);
	world_verify(&w);
	if (v.report->rc == 0)
		MUST(sojourn_session_delete(w.s, v.report->id) == 1);
	world_end(&w);
}

static void run_create_larger(void *arg, struct report *r)
{
	static char data[3000];
	struct world *w = arg;
	struct sojourn_new n = {
		.subject = "lara", .data = data, .data_bytes = sizeof(data)};

	r->rc = sojourn_session_create(w->s, &n, r->id, NULL);
}

/* All pages are another class's, and empty.  Two choose the same of them; who
 * comes second is told that the segment is full, although three are left. */
static void drain_of_a_page_that_two_chose(void)
{
	const struct world_options o = {.units = 4};
	struct soj_self *self;
	struct victim v;
	struct world w;
	int second;

	found_begin(&w, &o, NULL);
	self = world_self(&w);
	while (soj_page_new(&w.s->st, &self->w, soj_class_of(BYTES)) == 0)
		;
	world_let_go(&w);
	park(&v, "drain.chosen", run_create_larger, &w);
	second = world_create(&w, "anna", 800);
	MUST(second >= 0);
	unpark(&v);
	MUST(v.report->rc == 0);
	MUST(passed(v.report, "drain.chosen") == 2);
	if (v.report->rc == 0)
		MUST(sojourn_session_delete(w.s, v.report->id) == 1);
	world_end(&w);
}

/* Two die: who makes a page of two units, and who repairs that, with the slot of
 * the first. */
static void half_a_page_whose_repair_is_killed(void)
{
	static const char *const labels[] = {"repair.unit", "repair.unit.part"};
	const struct world_options o = {.units = 4, .slots = 1};

	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		struct victim maker, repairer;
		struct world w;

		found_begin(&w, &o, NULL);
		world_let_go(&w);
		park(&maker, "page.parts", run_new_page, &w);
		kill_parked(&maker);
		park(&repairer, labels[i], run_full, &w);
		kill_parked(&repairer);
		world_end(&w);
	}
}

int main(int argc, char **argv)
{
	static const struct found_case cases[] = {
		{"scan-older-than-the-stamp", scan_older_than_the_stamp},
		{"mutex-without-mark", mutex_without_mark},
		{"role-and-lock-without-mark", role_and_lock_without_mark},
		{"same-number-in-another-namespace",
		 same_number_in_another_namespace},
		{"drain-with-nothing-to-gain", drain_with_nothing_to_gain},
		{"drain-without-hints", drain_without_hints},
		{"drain-of-a-page-that-two-chose",
		 drain_of_a_page_that_two_chose},
		{"chunk-of-the-dead-that-a-reader-is-in",
		 chunk_of_the_dead_that_a_reader_is_in},
		{"half-a-page-whose-repair-is-killed",
		 half_a_page_whose_repair_is_killed},
	};

	return found_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
