/* SPDX-License-Identifier: MIT */

/*
 * The helper's threads, in this process and in forked ones that are killed,
 * stopped and continued.  Whatever they do is followed by a label, at the
 * latest by that of their next round; each posts at a gate.  What must happen
 * some time is looked for when one was posted.
 */

#include "lib_helper.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "helper/helper.h"
#include "lib/gate.h"

#define NEVER (UINT64_C(1) << 40)

static struct {
	struct gate steps;         /* of all helpers */
	struct gate expiry_rounds; /* those of the wheel */
} * helpers;
static _Thread_local bool tester; /* not a helper's thread */

static struct scene sc;
static struct soj_helper *helper; /* in this process, NULL: none */
static pid_t children[4]; /* killed at the end of a test, whatever happened */

static void post_steps(const struct soj_step *step)
{
	if (tester)
		return;
	if (strcmp(step->label, "expiry.round") == 0)
		gate_post(&helpers->expiry_rounds);
	gate_post(&helpers->steps);
}

static void watch_helpers(void)
{
	helpers = mmap(NULL, sizeof(*helpers), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (helpers == MAP_FAILED)
		abort();
	tester = true;
	soj_step_hook = post_steps;
}

static int setup(void **state)
{
	(void)state;
	scene_open(&sc, NULL, 1000, 16, 0);
	return 0;
}

static int setup_manual(void **state)
{
	(void)state;
	scene_open(&sc, NULL, 1000, 128, SOJ_SHM_MANUAL_CLOCK);
	scene_clock(&sc, 1000);
	return 0;
}

static void start(void)
{
	assert_int_equal(soj_helper_start(&helper, &sc.st, NULL), 0);
}

static void stop(void)
{
	soj_helper_stop(helper);
	helper = NULL;
}

static int teardown(void **state)
{
	(void)state;
	stop();
	for (unsigned i = 0; i < 4; i++) {
		if (children[i] > 0) {
			kill(children[i], SIGKILL);
			waitpid(children[i], NULL, 0);
		}
		children[i] = 0;
	}
	scene_close(&sc);
	return 0;
}

/* A process that runs a helper until it is killed.  It is ready on return. */
static pid_t fork_helper(void)
{
	struct soj_helper *h;
	uint8_t byte = 1;
	unsigned at = 0;
	int ends[2];
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (soj_helper_start(&h, &sc.st, NULL) != 0 ||
		    write(ends[1], &byte, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	while (children[at])
		at++;
	children[at] = pid;
	return pid;
}

static void kill_helper(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	for (unsigned i = 0; i < 4; i++)
		if (children[i] == pid)
			children[i] = 0;
}

static uint64_t make(uint64_t expires_ms)
{
	const struct soj_times times = {.created_ms = 1000,
					.accessed_ms = 1000,
					.expires_ms = expires_ms};

	return scene_make(&sc, &times);
}

static bool ended(uint64_t ref)
{
	/* Retired and reclaimed perhaps, then of another generation. */
	return soj_life_gen(soj_load_relaxed(
		       &soj_entry(&sc.st, soj_ref_entry(ref))->life)) !=
		       soj_ref_gen(ref) ||
	       soj_ctl_ended(soj_load_relaxed(
		       &soj_entry(&sc.st, soj_ref_entry(ref))->ctl));
}

#define EVENTUALLY(what)                                                    \
	for (uint32_t seen_; seen_ = gate_count(&helpers->steps), !(what);) \
	gate_wait(&helpers->steps, seen_ + 1)

static uint32_t free_entries(void)
{
	uint32_t count = 0;

	for (uint32_t i = 1; i <= sc.st.seg.lay.entries_max; i++)
		count += soj_state_phase(soj_load_relaxed(
				 &sc.st.seg.entry_states[i])) == SOJ_FREE;
	return count;
}

static void start_takes_role_and_slots_and_stop_gives_them_back(void **state)
{
	struct soj_helper_status status;

	(void)state;
	start();
	assert_int_equal(scene_helper(&sc), getpid());
	assert_int_equal(scene_attached(&sc), 3);
	soj_helper_status(helper, &status);
	assert_true(status.active);
	EVENTUALLY(soj_load_relaxed(&sc.st.seg.hdr->helper_beat_ms) != 0);
	stop();
	assert_false(soj_role_held(&sc.st.seg));
	assert_int_equal(scene_role_slot(&sc), SOJ_SLOT_NONE);
	assert_int_equal(scene_attached(&sc), 1);
}

static void start_fails_clean(void **state)
{
	const struct soj_helper_options slow = {.tick_ms = 11};
	struct soj_helper *h = NULL;
	struct soj_worker w[14];
	struct scene small;

	(void)state;
	assert_int_equal(soj_helper_start(&h, &sc.st, &slow), -EINVAL);
	/* One slot is not enough, and is given back. */
	for (unsigned i = 0; i < 14; i++) {
		soj_worker_init(&w[i]);
		assert_int_equal(soj_slot_claim(&sc.st.seg, &w[i].thr), 0);
	}
	assert_int_equal(scene_attached(&sc), 15);
	assert_int_equal(soj_helper_start(&h, &sc.st, NULL), -EAGAIN);
	assert_null(h);
	assert_int_equal(scene_attached(&sc), 15);
	assert_false(soj_role_held(&sc.st.seg));
	for (unsigned i = 0; i < 14; i++)
		soj_worker_deinit(&sc.st, &w[i]);
	scene_open(&small, NULL, 10, 1, 0);
	assert_int_equal(soj_helper_start(&h, &small.st, NULL), -EAGAIN);
	assert_null(h);
	scene_close(&small);
}

/* Claims slots until there is none, owns an entry with the first, and dies. */
static int take_all_slots(const void *arg)
{
	static struct soj_worker w[16];
	uint32_t idx;
	unsigned i;

	for (i = 0; i < 16; i++) {
		soj_worker_init(&w[i]);
		if (soj_slot_claim(&sc.st.seg, &w[i].thr) < 0)
			break;
	}
	if (arg)
		soj_entry_own(&sc.st, &w[0], &idx);
	return (int)i;
}

/* The dead have all slots, and without a slot nothing can be repaired. */
static void start_finds_a_slot_among_the_dead(void **state)
{
	(void)state;
	assert_int_equal(in_child(take_all_slots, "own"), 15);
	assert_int_equal(scene_attached(&sc), 16);
	start();
	/* The slot that owned something was freed by repair only. */
	EVENTUALLY(scene_attached(&sc) == 3);
	EVENTUALLY(free_entries() == 1000);
	stop();
}

/* From the deadline to FREE, with nobody but the helper. */
static void expired_memory_comes_back(void **state)
{
	uint64_t now_ms = soj_seg_now_ms(&sc.st.seg);
	uint64_t kept = make(NEVER);

	(void)state;
	start();
	for (unsigned i = 0; i < 500; i++)
		make(now_ms + i % 100);
	EVENTUALLY(free_entries() == 999);
	assert_int_equal(scene_status(&sc, kept), SOJ_ACTIVE);
	stop();
	assert_int_equal(scene_count(&sc, SOJ_COUNT_expirations), 500);
	assert_int_equal(scene_lags(&sc), 500);
}

/* Asleep without a timer: the hint of a new entry wakes both threads. */
static void sleeping_helper_is_woken(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < 3; i++) {
		EVENTUALLY(soj_load_relaxed(&sc.st.seg.hdr->helper_asleep));
		make(soj_seg_now_ms(&sc.st.seg) + 1);
		EVENTUALLY(free_entries() == 1000);
	}
	EVENTUALLY(soj_load_relaxed(&sc.st.seg.hdr->helper_asleep));
	stop();
	assert_int_equal(scene_count(&sc, SOJ_COUNT_expirations), 3);
}

static struct soj_helper_status status_now(void)
{
	struct soj_helper_status status;

	soj_helper_status(helper, &status);
	return status;
}

/*
 * Asleep for a timer that is far away: it does not turn the wheel meanwhile,
 * and a nearer one wakes it.  It has no other reason to wake in this test: a
 * wake that is lost would keep it here for ever.
 */
static void nearer_timer_wakes_it(void **state)
{
	const struct soj_helper_options still = {.slice_ms = 3600000};
	struct soj_helper_status before;

	(void)state;
	make(soj_seg_now_ms(&sc.st.seg) + 3600000);
	assert_int_equal(soj_helper_start(&helper, &sc.st, &still), 0);
	for (unsigned i = 0; i < 5; i++) {
		EVENTUALLY(soj_load_relaxed(&sc.st.seg.hdr->helper_asleep));
		make(soj_seg_now_ms(&sc.st.seg) + 1);
		EVENTUALLY(free_entries() == 999);
	}
	EVENTUALLY(soj_load_relaxed(&sc.st.seg.hdr->helper_asleep));
	before = status_now();
	/* Maintenance goes on by itself, once a second. */
	EVENTUALLY(status_now().maintenance_rounds >=
		   before.maintenance_rounds + 3);
	assert_in_range(status_now().expiry_rounds - before.expiry_rounds, 0,
			20);
	stop();
	assert_int_equal(scene_count(&sc, SOJ_COUNT_expirations), 5);
}

/* While a section is open, and memory waits for it, it does not sleep: the
 * section is expelled and the memory reclaimed. */
static void open_section_is_expelled(void **state)
{
	(void)state;
	make(soj_seg_now_ms(&sc.st.seg) + 1);
	soj_section_enter(&sc.st.seg, &sc.w.thr);
	start();
	EVENTUALLY(free_entries() == 1000);
	assert_false(soj_section_valid(&sc.st.seg, &sc.w.thr));
	assert_false(soj_section_exit(&sc.st.seg, &sc.w.thr));
	stop();
}

static void manual_clock_is_followed(void **state)
{
	uint64_t early, late;

	(void)state;
	start();
	early = make(5000);
	late = make(5009);
	scene_clock(&sc, 5000);
	EVENTUALLY(ended(early));
	for (unsigned i = 0; i < 10; i++) {
		gate_wait(&helpers->expiry_rounds,
			  gate_count(&helpers->expiry_rounds) + 1);
		assert_int_equal(scene_status(&sc, late), SOJ_ACTIVE);
	}
	scene_clock(&sc, 5016);
	EVENTUALLY(ended(late));
	stop();
	assert_int_equal(scene_lag(&sc, 0), 1);
	assert_int_equal(scene_lag(&sc, 7), 1);
}

static void second_stands_by_and_takes_over(void **state)
{
	uint64_t before, now_ms;
	pid_t first, second;

	(void)state;
	first = fork_helper();
	assert_int_equal(scene_helper(&sc), first);
	second = fork_helper();
	assert_int_equal(scene_attached(&sc), 5);
	now_ms = soj_seg_now_ms(&sc.st.seg);
	before = make(now_ms + 60000000); /* armed by the first one only */
	EVENTUALLY(!soj_load_relaxed(&sc.st.seg.armed_summary[0]));
	assert_int_equal(scene_helper(&sc), first);
	kill_helper(first);
	EVENTUALLY(scene_helper(&sc) == second);
	/* It has reaped the first one's slots, and built a wheel. */
	EVENTUALLY(scene_attached(&sc) == 3);
	scene_touch(&sc, before, now_ms);
	make(now_ms + 1);
	EVENTUALLY(free_entries() == 999);
	assert_int_equal(scene_status(&sc, before), SOJ_ACTIVE);
	kill_helper(second);
	assert_false(soj_role_held(&sc.st.seg));
}

/* What only the killed helper's wheel knew is found by the next one. */
static void next_helper_rebuilds_the_wheel(void **state)
{
	uint64_t ref[200];
	pid_t pid = fork_helper();

	(void)state;
	for (unsigned i = 0; i < 200; i++)
		ref[i] = make(5000 + i);
	EVENTUALLY(!soj_load_relaxed(&sc.st.seg.armed_summary[0]));
	kill_helper(pid);
	scene_clock(&sc, 100000);
	fork_helper();
	for (unsigned i = 0; i < 200; i++)
		EVENTUALLY(ended(ref[i]));
	EVENTUALLY(free_entries() == 1000);
}

/* Killed again and again: nothing is lost, nothing stays. */
static void helpers_are_killed_all_the_time(void **state)
{
	unsigned seed = 1;
	uint64_t kept = make(NEVER);

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		pid_t pid = fork_helper();
		unsigned made = 10 + i % 7;
		uint32_t before;

		for (unsigned k = 0; k < made; k++)
			make(1000 + (seed = seed * 1103515245 + 12345) % 50);
		before = gate_count(&helpers->steps);
		scene_clock(&sc, 1000 + i);
		gate_wait(&helpers->steps, before + seed / 65536 % 64);
		kill_helper(pid);
	}
	scene_clock(&sc, 5000);
	fork_helper();
	EVENTUALLY(free_entries() == 999);
	assert_int_equal(scene_status(&sc, kept), SOJ_ACTIVE);
	EVENTUALLY(scene_attached(&sc) == 3);
}

/* A helper that stands still keeps nobody from anything. */
static void stopped_helper_delays_nobody(void **state)
{
	struct soj_snapshot snap;
	pid_t pid = fork_helper();
	uint64_t over, ref = 0;

	(void)state;
	over = make(5000);
	EVENTUALLY(!soj_load_relaxed(&sc.st.seg.armed_summary[0]));
	kill(pid, SIGSTOP);
	assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
	scene_clock(&sc, 6000);
	for (unsigned i = 0; i < 900; i++) {
		ref = make(NEVER);
		assert_int_equal(
			soj_entry_snapshot(&sc.st, ref, NULL, NULL, &snap), 0);
		if (i % 3 == 0)
			assert_true(soj_entry_end(&sc.st, &sc.w, ref, snap.ctl,
						  SOJ_ENDED_DELETED));
	}
	assert_int_equal(scene_status(&sc, over), SOJ_ACTIVE);
	assert_int_equal(scene_helper(&sc), pid);
	kill(pid, SIGCONT);
	EVENTUALLY(ended(over));
	EVENTUALLY(free_entries() == 1000 - 600);
	assert_int_equal(scene_status(&sc, ref), SOJ_ACTIVE);
}

static int leave_alone(const void *arg)
{
	(void)arg;
	soj_helper_stop(helper);
	return 0;
}

static void forked_child_leaves_it_alone(void **state)
{
	(void)state;
	start();
	assert_int_equal(in_child(leave_alone, NULL), 0);
	assert_int_equal(scene_helper(&sc), getpid());
	make(soj_seg_now_ms(&sc.st.seg) + 1);
	EVENTUALLY(free_entries() == 1000);
	stop();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define MANUAL(name) \
	cmocka_unit_test_setup_teardown(name, setup_manual, teardown)
	const struct CMUnitTest tests[] = {
		TEST(start_takes_role_and_slots_and_stop_gives_them_back),
		TEST(start_fails_clean),
		TEST(start_finds_a_slot_among_the_dead),
		TEST(expired_memory_comes_back),
		TEST(sleeping_helper_is_woken),
		TEST(nearer_timer_wakes_it),
		TEST(open_section_is_expelled),
		MANUAL(manual_clock_is_followed),
		TEST(second_stands_by_and_takes_over),
		MANUAL(next_helper_rebuilds_the_wheel),
		MANUAL(helpers_are_killed_all_the_time),
		MANUAL(stopped_helper_delays_nobody),
		TEST(forked_child_leaves_it_alone),
	};

	watch_helpers();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
