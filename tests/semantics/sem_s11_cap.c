/* SPDX-License-Identifier: MIT */

/*
 * S11: no more logins of a subject than its cap, whoever logs in at the same
 * time, and never none where one must survive.
 *
 * Eight processes log the same subject in at once, round for round.  Whoever
 * is answered looks at all that were answered before: those that live now lived
 * all at that instant, so they may not be more than the cap.  After the round
 * the list says the same.  The naive variant counts, and then inserts; it has
 * to be caught by the same rounds.
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"
#include "crash/lib_ops.h"

#define WORKERS      8u
#define ROUNDS       10000u
#define KILL_ROUNDS  600u
#define UPKEEP_EVERY 4u
#define NAIVE_ROUNDS 2000u

struct round {
	pthread_barrier_t barrier;
	char id[WORKERS][SOJOURN_ID_CHARS_MAX + 1];
	_Atomic(uint32_t) answered[WORKERS]; /* id is there */
	_Atomic(uint32_t) over;  /* more than the cap at an instant */
	_Atomic(uint32_t) none;  /* rounds after which nobody was in */
	_Atomic(uint32_t) wrong; /* an answer that may not be */
	_Atomic(uint32_t) in, refused, superseded;
};

static struct round *shared;
static struct world w;

static const struct sojourn_read look_only = {.no_touch = true,
					      .no_renew = true};

static int count_one(void *arg, const struct sojourn_info *info)
{
	*(unsigned *)arg += !info->renewed;
	return 0;
}

static unsigned listed(void)
{
	unsigned n = 0;

	if (sojourn_session_list_subject(w.s, "anna", NULL, count_one, &n) < 0)
		shared->wrong++;
	return n;
}

/* ---- interleavings: at every fourth label another has its turn ---- */

static uint64_t dice;

static void yield_sometimes(const struct soj_step *step)
{
	(void)step;
	dice ^= dice >> 12;
	dice ^= dice << 25;
	dice ^= dice >> 27;
	if (dice % 4 == 0)
		sched_yield();
}

/* ---- one login ---- */

static int log_in(char *id)
{
	const struct sojourn_new n = {.subject = "anna"};

	return sojourn_session_create(w.s, &n, id, NULL);
}

/* The planted bug: it looks, then it leaps; all have looked before one does. */
static int log_in_naively(unsigned cap, char *id)
{
	unsigned there = listed();

	pthread_barrier_wait(&shared->barrier);
	return there >= cap ? -EUSERS : log_in(id);
}

/* Of those answered before this call, how many live after it began. */
static unsigned alive_together(void)
{
	bool answered[WORKERS];
	unsigned alive = 0;

	for (unsigned i = 0; i < WORKERS; i++)
		answered[i] = shared->answered[i] != 0;
	for (unsigned i = 0; i < WORKERS; i++)
		alive += answered[i] &&
			 sojourn_session_read(w.s, shared->id[i], &look_only,
					      NULL, NULL, NULL) == 0;
	return alive;
}

static void one_login(unsigned me, unsigned cap, bool naive)
{
	char id[SOJOURN_ID_CHARS_MAX + 1];
	int rc = naive ? log_in_naively(cap, id) : log_in(id);

	if (rc == 0) {
		strcpy(shared->id[me], id);
		shared->answered[me] = 1;
		shared->in++;
	} else if (rc == -EUSERS && sojourn_reason() == SOJOURN_OVER_CAP) {
		shared->refused++;
	} else if (rc == -ECANCELED && sojourn_reason() == SOJOURN_SUPERSEDED) {
		shared->superseded++;
	} else if (!naive) {
		shared->wrong++;
	}
	if (alive_together() > cap)
		shared->over++;
}

static void upkeep(void)
{
	struct soj_upkeep_work work;

	world_self(&w);
	for (unsigned i = 0; i < 4; i++)
		soj_upkeep_pass(&w.up, &work);
}

/* By one of them, when all have their answers. */
static void judge_round(unsigned round, unsigned cap)
{
	unsigned n = listed();

	if (n > cap)
		shared->over++;
	if (n == 0)
		shared->none++;
	if (sojourn_session_delete_subject(w.s, "anna", NULL) < 0)
		shared->wrong++;
	for (unsigned i = 0; i < WORKERS; i++)
		shared->answered[i] = 0;
	if (round % UPKEEP_EVERY == 0)
		upkeep();
}

static void worker(unsigned me, unsigned cap, unsigned rounds, bool naive)
{
	dice = me + 1;
	soj_step_hook = yield_sometimes;
	for (unsigned r = 0; r < rounds; r++) {
		pthread_barrier_wait(&shared->barrier);
		one_login(me, cap, naive);
		pthread_barrier_wait(&shared->barrier);
		if (me == r % (WORKERS - 1))
			judge_round(r, cap);
	}
	sojourn_detach(w.s);
}

static void begin(const struct world_options *o, unsigned at_barrier)
{
	pthread_barrierattr_t attr;

	memset(shared, 0, sizeof(*shared));
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&shared->barrier, &attr, at_barrier);
	assert_true(world_make(&w, o));
}

static void fork_workers(unsigned count, unsigned cap, unsigned rounds,
			 bool naive, pid_t *pid)
{
	fflush(NULL);
	for (unsigned i = 0; i < count; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i] == 0) {
			worker(i, cap, rounds, naive);
			_exit(0);
		}
	}
}

static void join(unsigned count, const pid_t *pid)
{
	int status;

	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
}

static void run(unsigned cap, enum sojourn_when_over when_over, bool naive,
		unsigned rounds)
{
	const struct world_options o = {.entries = 256,
					.slots = 16,
					.cap = naive ? 0 : cap,
					.when_over = when_over};
	pid_t pid[WORKERS];

	begin(&o, WORKERS);
	fork_workers(WORKERS, cap, rounds, naive, pid);
	join(WORKERS, pid);
	world_free(&w);
}

/* ---- policies ---- */

static void s11_reject(void **state)
{
	(void)state;
	run(3, SOJOURN_WHEN_OVER_REJECT, false, ROUNDS);
	assert_int_equal(shared->over, 0);
	assert_int_equal(shared->none, 0);
	assert_int_equal(shared->wrong, 0);
	assert_int_equal(shared->superseded, 0);
	assert_true(shared->in >= ROUNDS && shared->in <= 3 * ROUNDS);
	printf("S11 reject: ok, %u rounds, %u in, %u refused\n", ROUNDS,
	       shared->in, shared->refused);
}

static void s11_evict_oldest(void **state)
{
	(void)state;
	run(2, SOJOURN_WHEN_OVER_EVICT_OLDEST, false, ROUNDS);
	assert_int_equal(shared->over, 0);
	assert_int_equal(shared->none, 0);
	assert_int_equal(shared->wrong, 0);
	assert_int_equal(shared->refused, 0);
	printf("S11 evict oldest: ok, %u rounds, %u in, %u superseded\n",
	       ROUNDS, shared->in, shared->superseded);
}

static void s11_exclusive(void **state)
{
	(void)state;
	run(1, SOJOURN_WHEN_OVER_EXCLUSIVE, false, ROUNDS);
	assert_int_equal(shared->over, 0);
	assert_int_equal(shared->none, 0);
	assert_int_equal(shared->wrong, 0);
	printf("S11 exclusive: ok, %u rounds, %u in, %u superseded\n", ROUNDS,
	       shared->in, shared->superseded);
}

static void s11_trap_count_then_insert(void **state)
{
	(void)state;
	run(1, SOJOURN_WHEN_OVER_REJECT, true, NAIVE_ROUNDS);
	assert_true(shared->over > 0);
	printf("S11-trap two logins at once: ok, the naive variant was over "
	       "the cap %u times in %u rounds\n",
	       shared->over, NAIVE_ROUNDS);
}

/* ---- with one who is killed ---- */

static void run_login(void *arg, struct report *r)
{
	struct world *copy = arg;
	const struct sojourn_new n = {.subject = "anna"};

	pthread_barrier_wait(&shared->barrier);
	r->rc = sojourn_session_create(copy->s, &n, r->id, NULL);
}

/* Seven log in, the eighth is killed at one step after the other. */
static void kill_rounds(unsigned cap, enum sojourn_when_over when_over)
{
	const struct world_options o = {.entries = 256,
					.slots = 24,
					.cap = cap,
					.when_over = when_over};
	struct report *r = report_new();
	unsigned nth = 1, kills = 0;
	pid_t pid[WORKERS];

	begin(&o, WORKERS);
	fork_workers(WORKERS - 1, cap, KILL_ROUNDS, false, pid);
	for (unsigned i = 0; i < KILL_ROUNDS; i++) {
		const struct plan plan = {.fault = FAULT_KILL, .nth = nth++};
		struct victim v;

		victim_run(&v, r, &plan, run_login, &w);
		assert_int_not_equal(v.state, VICTIM_BROKEN);
		kills += v.state == VICTIM_KILLED;
		if (v.state != VICTIM_KILLED)
			nth = 1;
		upkeep();
		pthread_barrier_wait(&shared->barrier);
	}
	join(WORKERS - 1, pid);
	assert_int_equal(shared->over, 0);
	assert_int_equal(shared->wrong, 0);
	assert_true(kills > KILL_ROUNDS / 2);
	/* Rejected on account of one who then died is rejected. */
	if (when_over != SOJOURN_WHEN_OVER_REJECT)
		assert_int_equal(shared->none, 0);
	printf("S11 killed while logging in, policy %d: ok, %u kills\n",
	       when_over, kills);
	report_free(r);
	world_free(&w);
}

static void s11_killed_reject(void **state)
{
	(void)state;
	kill_rounds(2, SOJOURN_WHEN_OVER_REJECT);
}

static void s11_killed_evict_oldest(void **state)
{
	(void)state;
	kill_rounds(2, SOJOURN_WHEN_OVER_EVICT_OLDEST);
}

static void s11_killed_exclusive(void **state)
{
	(void)state;
	kill_rounds(1, SOJOURN_WHEN_OVER_EXCLUSIVE);
}

/* ---- what counts ---- */

static void must_log_in(char *id)
{
	assert_int_equal(log_in(id), 0);
}

static void must_be(const char *id, int rc)
{
	assert_int_equal(
		sojourn_session_read(w.s, id, &look_only, NULL, NULL, NULL),
		rc);
}

static void s11_trap_renewal_counts_twice(void **state)
{
	const struct world_options o = {.cap = 2};
	char a[SOJOURN_ID_CHARS_MAX + 1], b[SOJOURN_ID_CHARS_MAX + 1];
	char c[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_info info;

	(void)state;
	assert_true(world_make(&w, &o));
	must_log_in(a);
	must_log_in(b);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(sojourn_session_renew(w.s, a, &info), 0);
		assert_int_equal(info.renewal, SOJOURN_RENEWAL_WON);
		strcpy(a, info.new_id);
	}
	assert_int_equal(listed(), 2);
	must_be(a, 0);
	must_be(b, 0);
	assert_int_equal(log_in(c), -EUSERS);
	/* An old id's end is its login's. */
	assert_int_equal(sojourn_session_delete(w.s, a), 1);
	must_log_in(c);
	world_free(&w);
	printf("S11-trap a renewal at the cap kills, or counts twice: ok\n");
}

/* What is over by time does not count, and no late touch brings it back. */
static void s11_over_by_time(void **state)
{
	const struct world_options o = {.cap = 1, .idle_ms = 60000};
	char a[SOJOURN_ID_CHARS_MAX + 1], b[SOJOURN_ID_CHARS_MAX + 1];

	(void)state;
	assert_true(world_make(&w, &o));
	must_log_in(a);
	world_advance(&w, 59999);
	assert_int_equal(log_in(b), -EUSERS);
	world_advance(&w, 1);
	must_log_in(b);
	assert_int_equal(sojourn_session_touch(w.s, a), -ENOENT);
	must_be(b, 0);
	world_free(&w);
	printf("S11 what is over by time does not count: ok\n");
}

/* One who stands still in the middle of a login is waited for until the lease
 * is over, and then told that he was late. */
static void s11_stands_still(void **state)
{
	const struct world_options o = {.cap = 1};
	const struct plan plan = {
		.fault = FAULT_STOP, .at = "chain.pushed", .nth = 1};
	struct report *r = report_new();
	char a[SOJOURN_ID_CHARS_MAX + 1];
	struct victim v;

	(void)state;
	begin(&o, 1);
	victim_run(&v, r, &plan, run_login, &w);
	assert_int_equal(v.state, VICTIM_STOPPED);
	assert_int_equal(log_in(a), -EUSERS);
	world_advance(&w, w.s->st.seg.policy.lease_ms);
	must_log_in(a);
	victim_continue(&v);
	assert_int_equal(v.state, VICTIM_FINISHED);
	assert_int_equal(r->rc, -ECANCELED);
	must_be(a, 0);
	assert_int_equal(listed(), 1);
	report_free(r);
	world_free(&w);
	printf("S11 a late login is superseded: ok\n");
}

/* Stopped at every label of a login, while another one is made, or all are
 * deleted; then it goes on. */
static unsigned stop_everywhere(unsigned cap, enum sojourn_when_over when_over,
				bool logout)
{
	const struct world_options o = {.cap = cap, .when_over = when_over};
	struct report *r = report_new();
	struct victim v = {.state = VICTIM_STOPPED};
	unsigned nth = 0;

	while (v.state == VICTIM_STOPPED) {
		const struct plan plan = {.fault = FAULT_STOP, .nth = ++nth};
		char id[SOJOURN_ID_CHARS_MAX + 1];
		int rc = 0;

		begin(&o, 1);
		for (unsigned i = 0; i < cap; i++)
			must_log_in(id);
		victim_run(&v, r, &plan, run_login, &w);
		if (logout)
			assert_true(sojourn_session_delete_subject(w.s, "anna",
								   NULL) >= 0);
		else
			rc = log_in(id);
		if (v.state == VICTIM_STOPPED) {
			victim_continue(&v);
			assert_int_equal(v.state, VICTIM_FINISHED);
			v.state = VICTIM_STOPPED;
		}
		assert_true(listed() <= cap);
		if (!logout) {
			assert_true(listed() >= 1);
			assert_true(rc == 0 ||
				    when_over == SOJOURN_WHEN_OVER_REJECT);
		} else if (r->rc != 0) {
			assert_int_equal(listed(), 0);
		}
		upkeep();
		world_free(&w);
	}
	report_free(r);
	return nth - 1;
}

static void s11_stopped_everywhere(void **state)
{
	unsigned points = 0;

	(void)state;
	for (unsigned logout = 0; logout < 2; logout++) {
		points += stop_everywhere(2, SOJOURN_WHEN_OVER_REJECT, logout);
		points += stop_everywhere(2, SOJOURN_WHEN_OVER_EVICT_OLDEST,
					  logout);
		points +=
			stop_everywhere(1, SOJOURN_WHEN_OVER_EXCLUSIVE, logout);
	}
	assert_true(points > 120);
	printf("S11 stopped at %u labels of a login: ok\n", points);
}

/* One login alone ends all others of its subject, and nobody else's. */
static void s11_one_exclusive_login(void **state)
{
	const struct world_options o = {0};
	const struct sojourn_new alone = {.subject = "anna", .exclusive = true};
	const struct sojourn_new other = {.subject = "bert"};
	char a[SOJOURN_ID_CHARS_MAX + 1], b[SOJOURN_ID_CHARS_MAX + 1];
	char c[SOJOURN_ID_CHARS_MAX + 1], d[SOJOURN_ID_CHARS_MAX + 1];

	(void)state;
	assert_true(world_make(&w, &o));
	must_log_in(a);
	must_log_in(b);
	assert_int_equal(sojourn_session_create(w.s, &other, d, NULL), 0);
	assert_int_equal(sojourn_session_create(w.s, &alone, c, NULL), 0);
	must_be(a, -ENOENT);
	must_be(b, -ENOENT);
	must_be(c, 0);
	must_be(d, 0);
	must_log_in(a);
	assert_int_equal(listed(), 2);
	world_free(&w);
	printf("S11 one exclusive login: ok\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s11_trap_renewal_counts_twice),
		cmocka_unit_test(s11_over_by_time),
		cmocka_unit_test(s11_stands_still),
		cmocka_unit_test(s11_one_exclusive_login),
		cmocka_unit_test(s11_stopped_everywhere),
		cmocka_unit_test(s11_trap_count_then_insert),
		cmocka_unit_test(s11_reject),
		cmocka_unit_test(s11_evict_oldest),
		cmocka_unit_test(s11_exclusive),
		cmocka_unit_test(s11_killed_reject),
		cmocka_unit_test(s11_killed_evict_oldest),
		cmocka_unit_test(s11_killed_exclusive),
	};

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(shared, MAP_FAILED);
	coverage_init();
	failures_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
