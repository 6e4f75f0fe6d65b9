/* SPDX-License-Identifier: MIT */

/*
 * S6: what goes wrong with renewal elsewhere: two winners, a touch that takes
 * the flag away, a winner that dies with the flag, a logout that the successor
 * survives.  A winner is killed, and stopped, at every label that it passes.
 */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "lib_sem.h"

#define ID      (SOJOURN_ID_CHARS_MAX + 1)
#define MINUTE  60000u
#define WORKERS 8u
#define ROUNDS  150u

static struct sojourn *make(void)
{
	struct sojourn_options o;

	sem_options(&o);
	o.renewal_ms = 10 * MINUTE;
	o.grace_window_ms = 5 * MINUTE;
	o.idle_timeout_ms = 20 * MINUTE;
	return sem_make(&o);
}

/* ---- one winner ---- */

struct race {
	struct sojourn *s;
	pthread_barrier_t gate;
	char id[ID], won_id[ID];
	_Atomic(unsigned) won, told, otherwise, naive;
};

static int race(unsigned i, void *arg)
{
	struct race *x = arg;

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct sojourn_info info = {0};

		if (i == 0) {
			sem_login(x->s, "s6", NULL, x->id);
			sem_advance(x->s, 10 * MINUTE);
		}
		pthread_barrier_wait(&x->gate);
		if (sem_read(x->s, x->id, &info) != 0)
			return 1;
		if (info.renewal == SOJOURN_RENEWAL_WON) {
			atomic_fetch_add(&x->won, 1);
			strcpy(x->won_id, info.new_id);
		}
		pthread_barrier_wait(&x->gate);
		/* Everybody else is told the winner's. */
		if (sem_read(x->s, x->id, &info) != 0)
			return 1;
		if (info.renewal == SOJOURN_RENEWAL_DONE &&
		    strcmp(info.new_id, x->won_id) == 0)
			atomic_fetch_add(&x->told, 1);
		else
			atomic_fetch_add(&x->otherwise, 1);
		pthread_barrier_wait(&x->gate);
		if (i == 0 && sojourn_session_delete(x->s, x->won_id) != 1)
			return 1;
	}
	return 0;
}

/* Look at its age, make another, end the first. */
static int naive_race(unsigned i, void *arg)
{
	const struct sojourn_read plain = {.no_renew = true};
	struct race *x = arg;

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct sojourn_info info;
		char id[ID];

		if (i == 0)
			sem_login(x->s, "naive", NULL, x->id);
		pthread_barrier_wait(&x->gate);
		if (sojourn_session_read(x->s, x->id, &plain, NULL, NULL,
					 &info) == 0) {
			pthread_barrier_wait(&x->gate);
			sem_login(x->s, "naive", NULL, id);
			atomic_fetch_add(&x->naive, 1);
			if (sojourn_session_delete(x->s, x->id) < 0)
				return 1;
		} else {
			pthread_barrier_wait(&x->gate);
		}
		pthread_barrier_wait(&x->gate);
		if (i == 0 &&
		    sojourn_session_delete_subject(x->s, "naive", NULL) < 0)
			return 1;
	}
	return 0;
}

static void s6_trap_two_processes_renew(void **state)
{
	struct race *x = sem_shared(sizeof(*x));
	pthread_barrierattr_t attr;

	(void)state;
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&x->gate, &attr, WORKERS);
	x->s = make();
	sem_workers(WORKERS, race, x);
	assert_int_equal(x->won, ROUNDS);
	assert_int_equal(x->told, ROUNDS * WORKERS);
	assert_int_equal(x->otherwise, 0);
	assert_int_equal(sem_count(x->s, "s6"), 0);
	sem_workers(WORKERS, naive_race, x);
	printf("S6-trap %u rounds of 8: renewed %u times, naively %u\n", ROUNDS,
	       x->won, x->naive);
	assert_true(x->naive > 2 * ROUNDS);
	sojourn_detach(x->s);
	sem_unshare(x, sizeof(*x));
}

/* ---- a winner that is killed or stopped ---- */

/* Of the process that renews. */
static struct {
	unsigned at; /* the label that it does not pass, from 1; 0: all */
	unsigned passed;
	int signal;
	const char *stop_label; /* instead of `at` */
} winner;

struct scene {
	struct sojourn *s;
	char id[ID];
	struct sojourn_info info;
	int rc;
	unsigned labels; /* that a renewal passes */
};

static void at_step(const struct soj_step *step)
{
	winner.passed++;
	if (winner.stop_label ? strcmp(step->label, winner.stop_label) == 0
			      : winner.passed == winner.at)
		raise(winner.signal);
}

static void count_step(const struct soj_step *step)
{
	(void)step;
	winner.passed++;
}

static struct scene *scene_make(void)
{
	struct scene *x = sem_shared(sizeof(*x));

	x->s = make();
	sem_login(x->s, "s6", "data", x->id);
	sem_advance(x->s, 10 * MINUTE);
	return x;
}

static void scene_free(struct scene *x)
{
	sojourn_detach(x->s);
	sem_unshare(x, sizeof(*x));
}

static pid_t renew(struct scene *x)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	soj_step_hook = at_step;
	x->rc = sem_read(x->s, x->id, &x->info);
	_exit(0);
}

static unsigned labels_of_renewal(void)
{
	struct scene *x = scene_make();
	unsigned labels;

	fflush(NULL);
	if (fork() == 0) {
		soj_step_hook = count_step;
		x->rc = sem_read(x->s, x->id, &x->info);
		x->labels = winner.passed;
		_exit(0);
	}
	wait(NULL);
	assert_int_equal(x->rc, 0);
	assert_int_equal(x->info.renewal, SOJOURN_RENEWAL_WON);
	labels = x->labels;
	scene_free(x);
	return labels;
}

static void s6_trap_winner_killed_with_the_flag(void **state)
{
	unsigned labels = labels_of_renewal(), before = 0, after = 0;

	(void)state;
	for (unsigned at = 1; at <= labels; at++) {
		struct scene *x = scene_make();
		struct sojourn_info info = {0};
		int status;

		winner.stop_label = NULL;
		winner.at = at;
		winner.signal = SIGKILL;
		waitpid(renew(x), &status, 0);
		assert_true(WIFSIGNALED(status));
		/* The session is there, by its old id, at once. */
		assert_int_equal(sem_read(x->s, x->id, &info), 0);
		if (info.renewal != SOJOURN_RENEWAL_WON &&
		    info.renewal != SOJOURN_RENEWAL_DONE) {
			/* The naive flag has no end: here it is a lease. */
			sem_advance(x->s, 3000);
			assert_int_equal(sem_read(x->s, x->id, &info), 0);
		}
		before += info.renewal == SOJOURN_RENEWAL_WON;
		after += info.renewal == SOJOURN_RENEWAL_DONE;
		assert_true(info.renewal == SOJOURN_RENEWAL_WON ||
			    info.renewal == SOJOURN_RENEWAL_DONE);
		/* The successor is complete, and there is one login. */
		assert_int_equal(sem_read(x->s, info.new_id, &info), 0);
		assert_string_equal(info.subject, "s6");
		assert_int_equal(info.data_bytes, 4);
		sem_advance(x->s, 6 * MINUTE);
		assert_int_equal(sem_count(x->s, "s6"), 1);
		scene_free(x);
	}
	printf("S6-trap winner killed at %u labels: renewed by another %u "
	       "times, complete %u times\n",
	       labels, before, after);
	assert_true(before > 3 && after > 1);
}

static void s6_trap_logout_during_renewal(void **state)
{
	unsigned labels = labels_of_renewal();

	(void)state;
	for (unsigned at = 1; at <= labels; at++) {
		struct scene *x = scene_make();
		pid_t pid;
		int status;

		winner.stop_label = NULL;
		winner.at = at;
		winner.signal = SIGSTOP;
		pid = renew(x);
		waitpid(pid, &status, WUNTRACED);
		assert_true(WIFSTOPPED(status));
		assert_int_equal(sojourn_session_delete(x->s, x->id), 1);
		kill(pid, SIGCONT);
		waitpid(pid, &status, 0);
		assert_int_equal(status, 0);
		/* By neither id, and in no list. */
		assert_int_equal(sem_read(x->s, x->id, NULL), -ENOENT);
		if (x->rc == 0 && x->info.new_id[0])
			assert_int_equal(sem_read(x->s, x->info.new_id, NULL),
					 -ENOENT);
		assert_int_equal(sem_count(x->s, "s6"), 0);
		scene_free(x);
	}
	printf("S6-trap logout while the winner stands at one of %u labels: "
	       "nothing is left alive\n",
	       labels);
}

static void s6_trap_touch_takes_the_flag(void **state)
{
	struct scene *x = scene_make();
	struct sojourn_info info;
	/* The naive word holds both; a touch stores what it read, moved on. */
	uint64_t naive = 1000, read = naive;
	pid_t pid;
	int status;

	(void)state;
	naive |= UINT64_C(1) << 63; /* the flag, set meanwhile */
	naive = read + 500;
	assert_false(naive >> 63);

	winner.stop_label = "renew.flag";
	winner.signal = SIGSTOP;
	pid = renew(x);
	waitpid(pid, &status, WUNTRACED);
	assert_true(WIFSTOPPED(status));
	sem_advance(x->s, 1100);
	assert_int_equal(sojourn_session_touch(x->s, x->id), 0);
	assert_int_equal(sem_counter(x->s, "touches"), 1);
	assert_int_equal(sem_read(x->s, x->id, &info), 0);
	assert_int_equal(info.renewal, SOJOURN_RENEWAL_ELSEWHERE);
	kill(pid, SIGCONT);
	waitpid(pid, &status, 0);
	assert_int_equal(x->rc, 0);
	assert_int_equal(x->info.renewal, SOJOURN_RENEWAL_WON);
	assert_int_equal(sem_read(x->s, x->id, &info), 0);
	assert_string_equal(info.new_id, x->info.new_id);
	scene_free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s6_trap_two_processes_renew),
		cmocka_unit_test(s6_trap_winner_killed_with_the_flag),
		cmocka_unit_test(s6_trap_logout_during_renewal),
		cmocka_unit_test(s6_trap_touch_takes_the_flag),
	};

	return cmocka_run_group_tests_name("S6", tests, NULL, NULL);
}
