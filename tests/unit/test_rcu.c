/* SPDX-License-Identifier: MIT */

/* Thread slots, sections, epochs, expelling, the helper role. */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib_store.h"

static struct soj_store *st;

static int open_store(void **state)
{
	(void)state;
	st = store_open(100, 4 << 20);
	return 0;
}

static int close_store(void **state)
{
	(void)state;
	store_close(st);
	return 0;
}

/* A child that claims a slot, tells so, and waits to be killed. */
static pid_t child_with_slot(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct soj_thread thr;

		soj_thread_init(&thr);
		if (soj_slot_claim(&st->seg, &thr) != 0)
			_exit(1);
		soj_section_enter(&st->seg, &thr);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void kill_child(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static uint32_t slot_of(pid_t pid)
{
	for (uint32_t i = 0; i < st->seg.lay.slots_max; i++)
		if (soj_claim_phase(st->seg.slots[i].claim) == SOJ_CLAIM_HELD &&
		    st->seg.slots[i].pid == (uint32_t)pid)
			return i;
	fail_msg("process %d has no slot", (int)pid);
	return 0;
}

static void slots_run_out_and_come_back(void **state)
{
	struct soj_thread thr[33];

	(void)state;
	for (int i = 0; i < 33; i++)
		soj_thread_init(&thr[i]);
	for (int i = 0; i < 32; i++)
		assert_int_equal(soj_slot_claim(&st->seg, &thr[i]), 0);
	assert_int_equal(soj_slot_claim(&st->seg, &thr[32]), -EAGAIN);
	soj_slot_release(&st->seg, &thr[7]);
	assert_int_equal(soj_slot_claim(&st->seg, &thr[32]), 0);
	assert_int_equal(thr[32].slot, 7);
	thr[7] = thr[32];
	for (int i = 0; i < 32; i++)
		soj_slot_release(&st->seg, &thr[i]);
}

static void death_is_proved_by_the_kernel(void **state)
{
	pid_t pid = child_with_slot();
	uint32_t slot = slot_of(pid);
	struct soj_thread thr;
	uint64_t claim;

	(void)state;
	assert_false(soj_slot_dead(&st->seg, slot, true, &claim));
	/* Stopped is not dead, however long. */
	kill(pid, SIGSTOP);
	waitpid(pid, NULL, WUNTRACED);
	assert_false(soj_slot_dead(&st->seg, slot, true, &claim));
	kill_child(pid);
	assert_true(soj_slot_dead(&st->seg, slot, false, &claim));
	assert_true(soj_slot_free_dead(&st->seg, slot, claim));
	assert_false(soj_slot_free_dead(&st->seg, slot, claim));
	assert_false(soj_slot_dead(&st->seg, slot, true, &claim));
	/* The next claimer gets the mutex that the kernel marked. */
	soj_thread_init(&thr);
	assert_int_equal(soj_slot_claim(&st->seg, &thr), 0);
	assert_int_equal(thr.slot, slot);
	assert_false(soj_slot_dead(&st->seg, slot, true, &claim));
	soj_slot_release(&st->seg, &thr);
}

static void *claim_and_die(void *arg)
{
	soj_thread_init(arg);
	assert_int_equal(soj_slot_claim(&st->seg, arg), 0);
	return NULL;
}

/* fn(thr) in a thread of its own, which ends. */
static void in_thread(void *(*fn)(void *), struct soj_thread *thr)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, fn, thr), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void a_dead_thread_of_a_living_process(void **state)
{
	struct soj_thread thr;
	uint64_t claim;

	(void)state;
	in_thread(claim_and_die, &thr);
	assert_true(soj_slot_dead(&st->seg, thr.slot, false, &claim));
	assert_true(soj_slot_free_dead(&st->seg, thr.slot, claim));
}

static void a_late_reaper_does_nothing(void **state)
{
	pid_t pid = child_with_slot();
	uint32_t slot = slot_of(pid);
	struct soj_thread thr;
	uint64_t claim;

	(void)state;
	kill_child(pid);
	assert_true(soj_slot_dead(&st->seg, slot, false, &claim));
	/* Another reaper was faster, and the slot is in use again. */
	assert_true(soj_slot_free_dead(&st->seg, slot, claim));
	soj_thread_init(&thr);
	assert_int_equal(soj_slot_claim(&st->seg, &thr), 0);
	assert_int_equal(thr.slot, slot);
	soj_section_enter(&st->seg, &thr);
	assert_false(soj_slot_still(&st->seg, slot, claim));
	assert_false(soj_slot_free_dead(&st->seg, slot, claim));
	assert_true(soj_section_exit(&st->seg, &thr));
	soj_slot_release(&st->seg, &thr);
}

/* Killed between the claim and the lock: no mark, only the second proof. */
static void busy_slot_of_a_thread_that_is_gone(void **state)
{
	pid_t pid = child_with_slot();
	uint32_t slot = slot_of(pid);
	uint64_t held = st->seg.slots[slot].claim, claim;

	(void)state;
	st->seg.slots[slot].claim =
		soj_claim(SOJ_CLAIM_BUSY, soj_claim_gen(held),
			  soj_claim_pidns(held), soj_claim_tid(held));
	assert_false(soj_slot_dead(&st->seg, slot, true, &claim));
	kill_child(pid);
	/* The mark does not count for BUSY: it may be an older one. */
	assert_false(soj_slot_dead(&st->seg, slot, false, &claim));
	assert_true(soj_slot_dead(&st->seg, slot, true, &claim));
	assert_true(soj_slot_free_dead(&st->seg, slot, claim));
	/* In another namespace the number proves nothing. */
	pid = child_with_slot();
	slot = slot_of(pid);
	held = st->seg.slots[slot].claim;
	st->seg.slots[slot].claim =
		soj_claim(SOJ_CLAIM_BUSY, soj_claim_gen(held),
			  soj_claim_pidns(held) ^ 1, soj_claim_tid(held));
	kill_child(pid);
	assert_false(soj_slot_dead(&st->seg, slot, true, &claim));
	st->seg.slots[slot].claim = held;
	assert_true(soj_slot_dead(&st->seg, slot, false, &claim));
	assert_true(soj_slot_free_dead(&st->seg, slot, claim));
}

static void a_slot_is_adopted_with_its_leavings(void **state)
{
	pid_t pid = child_with_slot(); /* in a section */
	uint32_t i = slot_of(pid);
	struct soj_shm_slot *slot = &st->seg.slots[i];
	uint64_t proof, left, held = slot->claim;
	struct soj_thread thr, late;

	(void)state;
	soj_thread_init(&thr);
	soj_thread_init(&late);
	kill_child(pid);
	slot->intent = 7;
	slot->locks = 1;
	slot->count[0] = 5;
	st->seg.hdr->role = soj_role(i, soj_claim_gen(held), 1);
	assert_true(soj_slot_dead(&st->seg, i, false, &proof));
	assert_int_equal(soj_slot_adopt(&st->seg, &thr, i, proof), 0);
	/* One of two. */
	assert_int_equal(soj_slot_adopt(&st->seg, &late, i, proof), -EAGAIN);
	assert_false(soj_slot_free_dead(&st->seg, i, proof));
	assert_int_equal(thr.slot, i);
	assert_int_equal(soj_claim_phase(slot->claim), SOJ_CLAIM_MEND);
	assert_int_equal(soj_claim_gen(slot->claim), soj_claim_gen(held) + 1);
	assert_false(soj_slot_dead(&st->seg, i, true, &left));
	assert_false(slot->section & SOJ_SECTION_ACTIVE);
	assert_false(soj_role_held(&st->seg));
	/* It serves, and what the dead one left stays. */
	soj_section_enter(&st->seg, &thr);
	assert_true(soj_section_exit(&st->seg, &thr));
	assert_int_equal(slot->intent, 7);
	/* Left again it is a dead thread's, without any mark. */
	soj_slot_leave(&st->seg, &thr);
	assert_int_equal(thr.slot, SOJ_SLOT_NONE);
	assert_int_equal(soj_slot_claim(&st->seg, &late), 0);
	assert_int_not_equal(late.slot, i);
	assert_true(soj_slot_dead(&st->seg, i, false, &left));
	assert_int_equal(slot->intent, 7);
	assert_int_equal(slot->locks, 1);
	assert_int_equal(soj_slot_adopt(&st->seg, &thr, i, proof), -EAGAIN);
	/* Not by who may only look. */
	st->seg.readonly = true;
	assert_int_equal(soj_slot_adopt(&st->seg, &thr, i, left), -EROFS);
	st->seg.readonly = false;
	assert_int_equal(soj_slot_adopt(&st->seg, &thr, i, left), 0);
	assert_int_equal(soj_slot_settle(&st->seg, &thr), 0);
	assert_int_equal(slot->claim, thr.claim);
	assert_int_equal(soj_claim_phase(thr.claim), SOJ_CLAIM_HELD);
	assert_int_equal(slot->intent, 0);
	assert_int_equal(slot->locks, 0);
	assert_int_equal(slot->count[0], 5);
	soj_slot_release(&st->seg, &thr);
	soj_slot_release(&st->seg, &late);
	assert_int_equal(soj_claim_phase(slot->claim), SOJ_CLAIM_FREE);
}

static void *adopt_and_die(void *arg)
{
	struct soj_thread *thr = arg;
	uint64_t proof;

	assert_true(soj_slot_dead(&st->seg, thr->slot, false, &proof));
	assert_int_equal(soj_slot_adopt(&st->seg, thr, thr->slot, proof), 0);
	return NULL;
}

/* As often as it happens, and at last it is reaped. */
static void adopters_die_too(void **state)
{
	struct soj_thread thr;
	uint64_t claim;

	(void)state;
	in_thread(claim_and_die, &thr);
	for (unsigned i = 0; i < 3; i++) {
		in_thread(adopt_and_die, &thr);
	}
	assert_true(soj_slot_dead(&st->seg, thr.slot, false, &claim));
	assert_int_equal(soj_claim_phase(claim), SOJ_CLAIM_MEND);
	assert_true(soj_slot_free_dead(&st->seg, thr.slot, claim));
}

static void a_forked_child_is_not_its_parent(void **state)
{
	struct soj_worker *w = worker_open(st);
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		bool ok = w->thr.alive == 0 &&
			  !soj_section_valid(&st->seg, &w->thr) &&
			  soj_slot_settle(&st->seg, &w->thr) == -ECANCELED;

		soj_slot_release(&st->seg, &w->thr); /* touches nothing */
		soj_worker_init(w);
		ok = ok && soj_slot_claim(&st->seg, &w->thr) == 0;
		soj_slot_release(&st->seg, &w->thr);
		_exit(ok ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(soj_claim_phase(st->seg.slots[w->thr.slot].claim),
			 SOJ_CLAIM_HELD);
	worker_close(st, w);
}

static void epoch_waits_for_older_sections(void **state)
{
	struct soj_worker *a = worker_open(st), *b = worker_open(st);
	uint64_t e = soj_epoch(&st->seg);

	(void)state;
	assert_int_equal(soj_epoch_advance(&st->seg), e + 1);
	soj_section_enter(&st->seg, &a->thr);
	assert_int_equal(soj_epoch_advance(&st->seg), e + 2);
	assert_int_equal(soj_epoch_advance(&st->seg), e + 2);
	soj_section_enter(&st->seg, &b->thr);
	assert_int_equal(soj_epoch_advance(&st->seg), e + 2);
	assert_true(soj_section_exit(&st->seg, &a->thr));
	assert_int_equal(soj_epoch_advance(&st->seg), e + 3);
	assert_true(soj_section_exit(&st->seg, &b->thr));
	assert_int_equal(soj_epoch_advance(&st->seg), e + 4);
	assert_false(soj_gp_elapsed(e + 4, (uint32_t)(e + 3)));
	assert_true(soj_gp_elapsed(e + 4, (uint32_t)(e + 2)));
	/* The stamp has 24 bits: near the wrap it errs to the safe side. */
	assert_true(soj_gp_elapsed(UINT64_C(1) << 24, 0xfffffe));
	assert_false(soj_gp_elapsed(UINT64_C(1) << 24, 0xffffff));
	worker_close(st, a);
	worker_close(st, b);
}

/* Whichever it is, and though nobody had it before. */
static void each_slot_holds_the_epoch_back(uint32_t slots_max, bool upwards)
{
	struct soj_store *many = store_open_slots(100, 4 << 20, slots_max);
	const struct soj_seg *seg = &many->seg;
	uint64_t e = soj_epoch(seg);

	for (uint32_t i = 0; i < slots_max; i++) {
		struct soj_thread thr;

		soj_thread_init(&thr);
		thr.slot = upwards ? i : slots_max - 1 - i;
		soj_section_enter(seg, &thr);
		assert_int_equal(soj_epoch_advance(seg), ++e);
		assert_int_equal(soj_epoch_advance(seg), e);
		assert_true(soj_section_exit(seg, &thr));
		assert_int_equal(soj_load_relaxed(&seg->hdr->slots_used),
				 upwards ? i + 1 : slots_max);
	}
	assert_int_equal(soj_epoch_advance(seg), ++e);
	/* Behind the last of them there is none, whatever is said. */
	soj_store_relaxed(&seg->hdr->slots_used, UINT64_MAX);
	soj_store_relaxed(&seg->slots[slots_max].section,
			  soj_section(e - 1, 1));
	assert_int_equal(soj_epoch_advance(seg), ++e);
	soj_store_relaxed(&seg->slots[slots_max].section, 0);
	store_close(many);
}

static void an_epoch_waits_for_any_slot(void **state)
{
	(void)state;
	each_slot_holds_the_epoch_back(1, true);
	each_slot_holds_the_epoch_back(65, true);
	each_slot_holds_the_epoch_back(65, false);
	each_slot_holds_the_epoch_back(1027, false);
}

static void a_stopped_section_is_expelled(void **state)
{
	struct soj_worker *a = worker_open(st), *b = worker_open(st);
	struct soj_watch *watch = soj_watch_new(st->seg.lay.slots_max);
	uint64_t e, now = 1000;

	(void)state;
	soj_section_enter(&st->seg, &a->thr);
	soj_section_enter(&st->seg, &b->thr);
	assert_int_equal(soj_expel(&st->seg, watch, now, b->thr.slot), 0);
	assert_int_equal(soj_expel(&st->seg, watch, now + 49, b->thr.slot), 0);
	assert_int_equal(soj_expel(&st->seg, watch, now + 50, b->thr.slot), 1);
	assert_int_equal(soj_expel(&st->seg, watch, now + 99, b->thr.slot), 0);
	assert_false(soj_section_valid(&st->seg, &a->thr));
	assert_true(soj_section_valid(&st->seg, &b->thr));
	assert_true(soj_section_exit(&st->seg, &b->thr));
	e = soj_epoch(&st->seg);
	assert_int_equal(soj_epoch_advance(&st->seg), e + 1);
	assert_int_equal(soj_epoch_advance(&st->seg), e + 2);
	assert_false(soj_section_exit(&st->seg, &a->thr));
	/* The next section is a new one, also for the watcher. */
	soj_section_enter(&st->seg, &a->thr);
	assert_int_equal(soj_expel(&st->seg, watch, now + 200, 99), 0);
	assert_true(soj_section_exit(&st->seg, &a->thr));
	free(watch);
	worker_close(st, a);
	worker_close(st, b);
}

static void the_role_goes_to_a_living_thread(void **state)
{
	struct soj_worker *w = worker_open(st), *other = worker_open(st);
	int status;
	pid_t pid;

	(void)state;
	assert_false(soj_role_held(&st->seg));
	assert_true(soj_role_try(&st->seg, &w->thr));
	assert_true(soj_role_try(&st->seg, &w->thr));
	assert_false(soj_role_try(&st->seg, &other->thr));
	soj_role_release(&st->seg, &w->thr);
	pid = fork();
	if (pid == 0) {
		struct soj_thread thr;

		soj_thread_init(&thr);
		if (soj_slot_claim(&st->seg, &thr) != 0 ||
		    !soj_role_try(&st->seg, &thr))
			_exit(1);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_false(soj_role_held(&st->seg));
	assert_true(soj_role_try(&st->seg, &other->thr));
	assert_false(soj_role_try(&st->seg, &w->thr));
	/* Leaving the slot leaves the role. */
	worker_close(st, other);
	assert_true(soj_role_try(&st->seg, &w->thr));
	worker_close(st, w);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(slots_run_out_and_come_back),
		T(death_is_proved_by_the_kernel),
		T(a_dead_thread_of_a_living_process),
		T(a_late_reaper_does_nothing),
		T(busy_slot_of_a_thread_that_is_gone),
		T(a_slot_is_adopted_with_its_leavings),
		T(adopters_die_too),
		T(a_forked_child_is_not_its_parent),
		T(epoch_waits_for_older_sections),
		T(an_epoch_waits_for_any_slot),
		T(a_stopped_section_is_expelled),
		T(the_role_goes_to_a_living_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
