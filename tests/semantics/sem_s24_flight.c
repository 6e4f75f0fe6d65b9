/* SPDX-License-Identifier: MIT */

/* S24: one computes a value, the others wait for it. */

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sojourn/lock.h>

#include "lib_sem.h"

#define WORKERS 8u
#define ROUNDS  200u
#define MINUTE  60000u

struct scene {
	struct sojourn *s;
	struct gate all;
	struct gate inside;  /* posted by who begins to compute */
	struct gate waiting; /* by who then sleeps for it */
	struct gate done;    /* by who has the value */
	uint32_t crowd;      /* so many wait before it is there */
	_Atomic(unsigned) computed, made, naive, other;
	_Atomic(unsigned) last[WORKERS];
};

static struct scene *scene_make(void)
{
	struct scene *x = sem_shared(sizeof(*x));

	x->s = sem_make(NULL);
	return x;
}

static void scene_free(struct scene *x)
{
	sojourn_detach(x->s);
	sem_unshare(x, sizeof(*x));
}

static int compute(void *arg, void *data, size_t *data_bytes, size_t capacity)
{
	struct scene *x = arg;
	unsigned number = atomic_fetch_add(&x->computed, 1);

	if (capacity < sizeof(number))
		return -ENOSPC;
	gate_wait(&x->waiting, x->crowd);
	memcpy(data, &number, sizeof(number));
	*data_bytes = sizeof(number);
	return 0;
}

static int fly(struct scene *x, const char *key, sojourn_compute_fn fn,
	       uint64_t timeout_ms, unsigned *value, bool *made)
{
	const struct sojourn_flight how = {
		.compute = fn, .arg = x, .timeout_ms = timeout_ms};
	const struct sojourn_item item = sem_item(SOJOURN_COLLECTION_CSRF, key);
	size_t bytes = sizeof(*value);

	return sojourn_get_or_create(x->s, &item, &how, value, &bytes, made);
}

/* ---- alone ---- */

static void s24_computed_once_then_read(void **state)
{
	struct scene *x = scene_make();
	unsigned value = 7;
	bool made = false;

	(void)state;
	assert_int_equal(fly(x, "k", compute, 0, &value, &made), 0);
	assert_true(made);
	assert_int_equal(value, 0);
	assert_int_equal(fly(x, "k", compute, 0, &value, &made), 0);
	assert_false(made);
	assert_int_equal(value, 0);
	assert_int_equal(fly(x, "another", compute, 0, &value, &made), 0);
	assert_int_equal(value, 1);
	/* No item, no lock and no entry of ours is left of it. */
	sem_advance(x->s, 60 * MINUTE);
	assert_int_equal(sojourn_prune(x->s), 2);
	assert_int_equal(fly(x, "k", compute, 0, &value, &made), 0);
	assert_int_equal(value, 2);
	scene_free(x);
}

static int give_up(void *arg, void *data, size_t *data_bytes, size_t capacity)
{
	(void)arg;
	(void)data;
	(void)data_bytes;
	(void)capacity;
	return -EAGAIN;
}

static int too_much(void *arg, void *data, size_t *data_bytes, size_t capacity)
{
	(void)arg;
	(void)data;
	*data_bytes = capacity + 1;
	return 0;
}

static int again(void *arg, void *data, size_t *data_bytes, size_t capacity)
{
	unsigned value;
	bool made;
	int rc = fly(arg, "k", compute, MINUTE, &value, &made);

	(void)data;
	(void)data_bytes;
	(void)capacity;
	return rc;
}

static void s24_what_a_function_may_do(void **state)
{
	struct scene *x = scene_make();
	unsigned value;
	bool made;

	(void)state;
	assert_int_equal(fly(x, "k", give_up, MINUTE, &value, &made), -EAGAIN);
	assert_false(made);
	expect_reason(fly(x, "k", too_much, MINUTE, &value, &made), -EINVAL,
		      SOJOURN_INVALID);
	/* For itself it would wait for ever. */
	assert_int_equal(fly(x, "k", again, MINUTE, &value, &made), -EDEADLK);
	expect_reason(fly(x, "k", NULL, 0, &value, &made), -EINVAL,
		      SOJOURN_INVALID);
	assert_int_equal(fly(x, "k", compute, 0, &value, &made), 0);
	assert_true(made);
	scene_free(x);
}

/* ---- eight at once ---- */

static int race(unsigned i, void *arg)
{
	struct scene *x = arg;

	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned value = UINT32_MAX;
		bool made = false;
		char key[16];

		snprintf(key, sizeof(key), "r%u", round);
		/* None, one, up to all of the others wait for it. */
		if (i == 0) {
			atomic_store(&x->waiting.count, 0);
			x->crowd = round % WORKERS;
		}
		gate_meet(&x->all, WORKERS);
		sem_tell_waiting(&x->waiting);
		if (fly(x, key, compute, SOJOURN_OFF, &value, &made) < 0)
			return 1;
		atomic_fetch_add(&x->made, made);
		atomic_store(&x->last[i], value);
		gate_meet(&x->all, WORKERS);
		if (atomic_load(&x->last[0]) != value)
			atomic_fetch_add(&x->other, 1);
	}
	return 0;
}

/* The way without: look, compute, put.  All have looked before one puts. */
static int naive_race(unsigned i, void *arg)
{
	struct scene *x = arg;

	(void)i;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct sojourn_value value = {.data = &round,
					      .data_bytes = sizeof(round)};
		struct sojourn_item item;
		char key[16];
		bool there;

		snprintf(key, sizeof(key), "n%u", round);
		item = sem_item(SOJOURN_COLLECTION_CSRF, key);
		there = sojourn_get(x->s, &item, NULL, NULL, NULL, NULL) == 0;
		gate_meet(&x->all, WORKERS);
		if (there)
			continue;
		atomic_fetch_add(&x->naive, 1);
		if (sojourn_put(x->s, &item, &value, NULL) < 0)
			return 1;
	}
	return 0;
}

static void s24_trap_every_process_computes(void **state)
{
	struct scene *x = scene_make();

	(void)state;
	sem_workers(WORKERS, race, x);
	assert_int_equal(x->computed, ROUNDS);
	assert_int_equal(x->made, ROUNDS);
	assert_int_equal(x->other, 0);
	sem_workers(WORKERS, naive_race, x);
	printf("S24 %u rounds of 8: computed %u times, naively %u\n", ROUNDS,
	       x->computed, x->naive);
	assert_int_equal(x->naive, WORKERS * ROUNDS);
	scene_free(x);
}

/* ---- one that dies, gives up, is slow ---- */

static int die(void *arg, void *data, size_t *data_bytes, size_t capacity)
{
	struct scene *x = arg;

	(void)data;
	(void)data_bytes;
	(void)capacity;
	gate_post(&x->inside);
	gate_wait(&x->waiting, x->crowd);
	return raise(SIGKILL);
}

static int fly_and_die(unsigned i, void *arg)
{
	struct scene *x = arg;
	unsigned value;
	bool made;

	if (i == 0)
		return fly(x, "k", die, MINUTE, &value, &made);
	gate_wait(&x->inside, 1);
	sem_tell_waiting(&x->waiting);
	return fly(x, "k", compute, SOJOURN_OFF, &value, &made);
}

static void s24_trap_who_computes_is_killed(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		struct scene *x = scene_make();
		unsigned value, killed = 0, bad = 0;
		bool made;

		x->crowd = round % 4;
		fflush(NULL);
		for (unsigned i = 0; i < 4; i++)
			if (fork() == 0)
				_exit(fly_and_die(i, x) == 0 ? 0 : 1);
		for (unsigned i = 0; i < 4; i++) {
			int status;

			wait(&status);
			killed += WIFSIGNALED(status);
			bad += WIFEXITED(status) && WEXITSTATUS(status) != 0;
		}
		assert_int_equal(killed, 1);
		assert_int_equal(bad, 0);
		assert_int_equal(x->computed, 1);
		assert_int_equal(fly(x, "k", compute, 0, &value, &made), 0);
		assert_false(made);
		scene_free(x);
	}
}

/* Stays inside until the parent has its own value. */
static int dawdle(void *arg, void *data, size_t *data_bytes, size_t capacity)
{
	struct scene *x = arg;
	unsigned late = 4711;

	(void)capacity;
	gate_post(&x->inside);
	gate_wait(&x->done, 1);
	memcpy(data, &late, sizeof(late));
	*data_bytes = sizeof(late);
	return 0;
}

static void s24_trap_a_late_one_overwrites(void **state)
{
	struct scene *x = scene_make();
	const struct sojourn_item item = sem_item(SOJOURN_COLLECTION_CSRF, "k");
	const struct sojourn_flight slow = {
		.compute = dawdle, .arg = x, .hold_max_ms = 1000};
	unsigned value;
	size_t bytes = sizeof(value);
	int status;
	bool made;

	(void)state;
	fflush(NULL);
	if (fork() == 0) {
		int rc = sojourn_get_or_create(x->s, &item, &slow, &value,
					       &bytes, &made);

		/* It is given what the other made. */
		_exit(rc == 0 && !made && value == 0 ? 0 : 1);
	}
	gate_wait(&x->inside, 1);
	expect_reason(fly(x, "k", compute, 0, &value, &made), -EBUSY,
		      SOJOURN_LOCKED);
	expect_reason(fly(x, "k", compute, 1, &value, &made), -ETIMEDOUT,
		      SOJOURN_TIMED_OUT);
	sem_advance(x->s, 2000);
	assert_int_equal(fly(x, "k", compute, 0, &value, &made), 0);
	assert_true(made);
	gate_post(&x->done);
	wait(&status);
	assert_int_equal(status, 0);
	assert_int_equal(fly(x, "k", compute, 0, &value, &made), 0);
	assert_int_equal(value, 0);
	scene_free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s24_computed_once_then_read),
		cmocka_unit_test(s24_what_a_function_may_do),
		cmocka_unit_test(s24_trap_every_process_computes),
		cmocka_unit_test(s24_trap_who_computes_is_killed),
		cmocka_unit_test(s24_trap_a_late_one_overwrites),
	};

	return cmocka_run_group_tests_name("S24", tests, NULL, NULL);
}
