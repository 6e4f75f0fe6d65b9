/* SPDX-License-Identifier: MIT */

/*
 * S25: session locks.  Several processes each read a number, add one and write
 * it back under the lock; the number must then be the number of writes that
 * were acknowledged, whoever was killed or stopped meanwhile.
 */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <sojourn/event.h>
#include <sojourn/lock.h>

#include "base/fault.h"
#include "crash/lib_world.h"
#include "lib/counter.h"
#include "lib/upkeep.h"

#define PATIENCE_MS 30000u

/* What all processes of a test share. */
static struct shared {
	char id[SOJOURN_ID_CHARS_MAX + 1];
	_Atomic(uint64_t) written; /* numbers published */
	_Atomic(uint32_t) ready, done, refused;
	_Atomic(uint64_t) kills;
	int rc[4];
} * shared;

static struct sojourn *s;

static void setup(void)
{
	struct sojourn_options o;
	struct sojourn_new n = {.subject = "anna",
				.data = &(uint64_t){0},
				.data_bytes = sizeof(uint64_t)};

	memset((void *)shared, 0, sizeof(*shared));
	sojourn_options_init(&o);
	o.entries_max = 64;
	o.threads_max = 128;
	o.segment_bytes = 4u << 20;
	o.manual_clock = true;
	o.helper = SOJOURN_HELPER_NONE;
	assert_int_equal(sojourn_create(NULL, &o, &s), 0);
	assert_int_equal(sojourn_session_create(s, &n, shared->id, NULL), 0);
}

static void teardown(void)
{
	sojourn_detach(s);
}

static uint64_t number(void)
{
	uint64_t value = 0;
	size_t bytes = sizeof(value);

	if (sojourn_session_read(s, shared->id, NULL, &value, &bytes, NULL))
		return UINT64_MAX;
	return value;
}

/* A plain read-modify-write: nothing but the lock protects it. */
static int add_one(uint64_t fence)
{
	uint64_t value = number() + 1;

	return sojourn_session_update_locked(s, shared->id, fence, &value,
					     sizeof(value), NULL);
}

static int locked_add(uint64_t timeout_ms, uint64_t hold_max_ms)
{
	uint64_t fence;
	int rc = sojourn_session_lock(s, shared->id, timeout_ms, hold_max_ms,
				      &fence);

	if (rc < 0)
		return rc;
	rc = add_one(fence);
	shared->rc[3] = sojourn_session_unlock(s, shared->id, fence);
	return rc;
}

static pid_t child(void (*fn)(void))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	return pid;
}

static int status_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, WUNTRACED) < 0)
		assert_int_equal(errno, EINTR);
	return status;
}

/* ---- none is lost ---- */

#define WORKERS 8u
#define ROUNDS  10000u

static void work_rounds(void)
{
	for (uint32_t i = 0; i < ROUNDS / WORKERS; i++)
		if (locked_add(PATIENCE_MS, 0) < 0)
			_exit(1);
}

static void s25_no_update_is_lost(void **state)
{
	pid_t pid[WORKERS];

	(void)state;
	setup();
	for (unsigned i = 0; i < WORKERS; i++)
		pid[i] = child(work_rounds);
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(status_of(pid[i]), 0);
	assert_int_equal(number(), ROUNDS);
	assert_int_equal(counter_of(s, "locks"), ROUNDS);
	assert_int_equal(counter_of(s, "lock_timeouts"), 0);
	printf("S25 %u rounds of %u processes, none lost: ok\n", ROUNDS,
	       WORKERS);
	teardown();
}

/* ---- the holder dies ---- */

static uint64_t dice;

/* Kills somewhere, and counts what was published before. */
static void kill_somewhere(const struct soj_step *step)
{
	if (strcmp(step->label, "update.published") == 0)
		shared->written++;
	dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407u;
	if ((dice >> 40) % 150 == 0) {
		shared->kills++;
		raise(SIGKILL);
	}
}

static void work_and_die(void)
{
	dice = (uint64_t)getpid() * UINT64_C(0x9e3779b97f4a7c15);
	soj_step_hook = kill_somewhere;
	while (shared->written < 4000)
		if (locked_add(PATIENCE_MS, 0) < 0)
			_exit(1);
}

static void s25_holders_are_killed_and_none_is_lost(void **state)
{
	unsigned alive = 0;
	int broken = 0;

	(void)state;
	setup();
	do {
		while (alive < WORKERS && shared->written < 4000 && !broken) {
			child(work_and_die);
			alive++;
		}
		int status = status_of(-1);

		alive--;
		broken +=
			!(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) &&
			status != 0;
	} while (alive > 0);
	assert_int_equal(broken, 0);
	assert_int_equal(number(), shared->written);
	assert_true(shared->kills > 50);
	assert_true(counter_of(s, "locks_recovered") > 0);
	printf("S25 %u workers killed, none of %u writes lost: ok\n",
	       (unsigned)shared->kills, (unsigned)shared->written);
	teardown();
}

static void lock_and_die(void)
{
	uint64_t fence;

	if (sojourn_session_lock(s, shared->id, 0, 0, &fence) == 0)
		raise(SIGKILL);
}

/* What who comes after a dead holder is told, without any wait. */
static int after_the_dead(void)
{
	int rc;

	setup();
	assert_true(WIFSIGNALED(status_of(child(lock_and_die))));
	rc = locked_add(0, 0);
	teardown();
	return rc;
}

static void s25_trap_dead_holder(void **state)
{
	const enum soj_plant plant = soj_plant;

	(void)state;
	assert_int_equal(after_the_dead(), 0);
	soj_plant = SOJ_PLANT_LOCK_OF_THE_DEAD;
	assert_int_equal(after_the_dead(), -EBUSY);
	soj_plant = plant;
	printf("S25-trap-dead-holder: ok\n");
}

static int keep_type(void *arg, const struct sojourn_event *e)
{
	*(enum sojourn_event_type *)arg = e->type;
	return 0;
}

/* The slot of the dead goes to another, the lock does not come with it. */
static void s25_slot_reuse_inherits_no_lock(void **state)
{
	enum sojourn_event_type type = SOJOURN_EVENT_CREATED;
	uint64_t next = 0;

	(void)state;
	setup();
	assert_true(WIFSIGNALED(status_of(child(lock_and_die))));
	assert_true(upkeep_passes(s, 8, soj_upkeep_full));
	assert_int_equal(counter_of(s, "locks_recovered"), 1);
	assert_true(sojourn_events_read(s, &next, keep_type, &type, NULL) > 0);
	assert_int_equal(type, SOJOURN_EVENT_LOCK_RECOVERED);
	assert_int_equal(status_of(child(work_rounds)), 0);
	assert_int_equal(number(), ROUNDS / WORKERS);
	printf("S25 slot reuse: ok\n");
	teardown();
}

/* ---- the holder stands still ---- */

static void lock_and_stop(void)
{
	uint64_t fence;

	shared->rc[0] = sojourn_session_lock(s, shared->id, 0, 1000, &fence);
	raise(SIGSTOP);
	shared->rc[1] = add_one(fence);
	shared->rc[2] = sojourn_session_unlock(s, shared->id, fence);
}

/* True if nothing went wrong with a holder that comes back late. */
static bool late_holder(void)
{
	uint64_t before = 0, fence;
	pid_t pid;
	bool well;

	setup();
	pid = child(lock_and_stop);
	assert_true(WIFSTOPPED(status_of(pid)));
	assert_int_equal(shared->rc[0], 0);
	/* Within its hold time it cannot be had, and no clock but the
	 * segment's says when that is over. */
	assert_int_equal(sojourn_session_lock(s, shared->id, 0, 0, &fence),
			 -EBUSY);
	assert_int_equal(sojourn_reason(), SOJOURN_LOCKED);
	assert_int_equal(sojourn_clock_advance(s, 1300), 0);
	assert_int_equal(sojourn_session_lock(s, shared->id, 0, 0, &fence), 0);
	before = number();
	kill(pid, SIGCONT);
	assert_int_equal(status_of(pid), 0);
	well = shared->rc[1] == -ESTALE && shared->rc[2] == -ESTALE &&
	       number() == before;
	assert_int_equal(add_one(fence), 0);
	assert_int_equal(sojourn_session_unlock(s, shared->id, fence), 0);
	well = well && counter_of(s, "locks_recovered") == 1;
	teardown();
	return well;
}

/* However long it has been over, within the year that a session may last. */
static void s25_hold_time_of_long_ago(void **state)
{
	const uint64_t days_ms = 86400000;
	struct sojourn_new n = {.subject = "anna", .ttl_ms = 365 * days_ms};
	uint64_t fence;
	pid_t pid;

	(void)state;
	setup();
	assert_int_equal(sojourn_session_create(s, &n, shared->id, NULL), 0);
	pid = child(lock_and_stop);
	assert_true(WIFSTOPPED(status_of(pid)));
	assert_int_equal(sojourn_clock_advance(s, 250 * days_ms), 0);
	assert_int_equal(sojourn_session_lock(s, shared->id, 0, 0, &fence), 0);
	assert_int_equal(sojourn_session_unlock(s, shared->id, fence), 0);
	kill(pid, SIGKILL);
	assert_true(WIFSIGNALED(status_of(pid)));
	teardown();
}

static void s25_trap_late_holder(void **state)
{
	const enum soj_plant plant = soj_plant;

	(void)state;
	assert_true(late_holder());
	soj_plant = SOJ_PLANT_LOCK_UNFENCED;
	assert_false(late_holder());
	soj_plant = plant;
	printf("S25-trap-late-holder: ok\n");
}

static uint32_t stop_at, steps;

static void stop_somewhere(const struct soj_step *step)
{
	(void)step;
	if (++steps == stop_at)
		raise(SIGSTOP);
}

static void locked_add_stopping(void)
{
	steps = 0;
	soj_step_hook = stop_somewhere;
	shared->rc[0] = locked_add(0, 1000);
}

/*
 * A holder stops at each label of taking, writing and giving back; another
 * takes over when its time is over, reads, and is overtaken by the late one;
 * then it writes what it read plus one.  The number of writes that were said to
 * have worked must be the number.  Returns how often it was not.
 */
static unsigned stops_everywhere(void)
{
	unsigned wrong = 0;
	int status;

	stop_at = 0;
	do {
		uint64_t fence = 0, value;
		int mine;

		stop_at++;
		setup();
		pid_t pid = child(locked_add_stopping);

		status = status_of(pid);
		assert_int_equal(sojourn_clock_advance(s, 1300), 0);
		mine = sojourn_session_lock(s, shared->id, 0, 0, &fence);
		value = number() + 1;
		if (WIFSTOPPED(status)) {
			kill(pid, SIGCONT);
			assert_int_equal(status_of(pid), 0);
		}
		if (mine == 0)
			mine = sojourn_session_update_locked(
				s, shared->id, fence, &value, sizeof(value),
				NULL);
		wrong += mine != 0 ||
			 number() != (uint64_t)1 + (shared->rc[0] == 0);
		teardown();
	} while (WIFSTOPPED(status));
	assert_true(stop_at > 15);
	return wrong;
}

static void s25_trap_stopped_at_any_label(void **state)
{
	const enum soj_plant plant = soj_plant;

	(void)state;
	assert_int_equal(stops_everywhere(), 0);
	soj_plant = SOJ_PLANT_LOCK_NO_BUMP;
	assert_true(stops_everywhere() > 0);
	soj_plant = plant;
	printf("S25-trap-stopped-holder, %u labels: ok\n", stop_at - 1);
}

static void lock_stop_and_add(void)
{
	uint64_t fence, value;

	shared->rc[0] = sojourn_session_lock(s, shared->id, 0, 0, &fence);
	value = number() + 1;
	raise(SIGSTOP);
	shared->rc[1] = sojourn_session_update_locked(
		s, shared->id, fence, &value, sizeof(value), NULL);
	sojourn_session_unlock(s, shared->id, fence);
}

/* How many writes were lost, or -1: the second was refused, as it should be. */
static int times_out(void)
{
	pid_t pid;
	int rc, lost;

	setup();
	pid = child(lock_stop_and_add);
	assert_true(WIFSTOPPED(status_of(pid)));
	rc = locked_add(120, 0);
	if (rc == -ETIMEDOUT)
		assert_int_equal(sojourn_reason(), SOJOURN_TIMED_OUT);
	kill(pid, SIGCONT);
	assert_int_equal(status_of(pid), 0);
	assert_int_equal(shared->rc[1], 0);
	lost = rc == -ETIMEDOUT && number() == 1 &&
			       counter_of(s, "lock_timeouts") == 1
		       ? -1
		       : 2 - (int)number();
	teardown();
	return lost;
}

static void s25_trap_times_out_and_runs(void **state)
{
	const enum soj_plant plant = soj_plant;

	(void)state;
	assert_int_equal(times_out(), -1);
	soj_plant = SOJ_PLANT_LOCK_UNLOCKED;
	assert_int_equal(times_out(), 1);
	soj_plant = plant;
	printf("S25-trap-times-out-and-runs: ok\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s25_no_update_is_lost),
		cmocka_unit_test(s25_holders_are_killed_and_none_is_lost),
		cmocka_unit_test(s25_trap_dead_holder),
		cmocka_unit_test(s25_slot_reuse_inherits_no_lock),
		cmocka_unit_test(s25_trap_late_holder),
		cmocka_unit_test(s25_hold_time_of_long_ago),
		cmocka_unit_test(s25_trap_stopped_at_any_label),
		cmocka_unit_test(s25_trap_times_out_and_runs),
	};

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	failures_init();
	return cmocka_run_group_tests_name("S25", tests, NULL, NULL);
}
