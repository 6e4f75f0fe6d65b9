/* SPDX-License-Identifier: MIT */

/* C4: counters are kept by each thread, and their sums never go back. */

#include <errno.h>
#include <unistd.h>

#include <sojourn/stat.h>

#include "lib_sem.h"

#define WORKERS 4u
#define KILLS   60u
#define BETWEEN 20u /* rounds of work, from one kill to the next */

struct scene {
	struct sojourn *s;
	struct gate attempts, rounds; /* of all workers */
	/* What each worker did before it was killed, at least. */
	_Atomic(uint64_t) creates, updates, hits;
	/* The naive way: each process has its count, and begins at 0. */
	_Atomic(uint64_t) naive[WORKERS];
};

static void work(struct scene *x, unsigned worker)
{
	const struct sojourn_new n = {
		.subject = "c4", .data = "x", .data_bytes = 1};
	char id[SOJOURN_ID_CHARS_MAX + 1];

	atomic_store(&x->naive[worker], 0);
	for (;;) {
		uint32_t before;
		int rc;

		do {
			before = gate_count(&x->attempts);
			rc = sojourn_session_create(x->s, &n, id, NULL);
		} while (sem_no_room(&x->attempts, before, rc));
		if (rc < 0)
			abort();
		atomic_fetch_add(&x->naive[worker], 1);
		atomic_fetch_add(&x->creates, 1);
		for (unsigned i = 0; i < 20; i++) {
			if (sem_read(x->s, id, NULL) != 0)
				abort();
		}
		if (sojourn_session_update(x->s, id, "y", 1, 0, NULL) != 0)
			abort();
		atomic_fetch_add(&x->updates, 1);
		/* A write takes along what reads counted privately. */
		atomic_fetch_add(&x->hits, 20);
		gate_post(&x->rounds);
		if (sojourn_session_delete(x->s, id) != 1)
			abort();
	}
}

static pid_t start(struct scene *x, unsigned worker)
{
	pid_t pid = fork();

	if (pid == 0)
		work(x, worker);
	assert_true(pid > 0);
	return pid;
}

static uint64_t value_of(const struct sojourn_stat *stat, const char *name)
{
	for (uint32_t i = 0; i < stat->counters; i++)
		if (strcmp(stat->counter[i].name, name) == 0)
			return stat->counter[i].value;
	fail_msg("there is no counter %s", name);
	return 0;
}

static uint64_t naive_sum(struct scene *x)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < WORKERS; i++)
		sum += atomic_load(&x->naive[i]);
	return sum;
}

static void c4_trap_sums_go_back_when_a_worker_dies(void **state)
{
	struct scene *x = sem_shared(sizeof(*x));
	static struct sojourn_stat before, now;
	unsigned backwards = 0;
	uint64_t naive = 0;
	pid_t pid[WORKERS];

	(void)state;
	x->s = sem_make(NULL);
	assert_int_equal(sojourn_stat(x->s, &before), 0);
	for (unsigned i = 0; i < WORKERS; i++)
		pid[i] = start(x, i);
	for (unsigned k = 0; k < KILLS; k++) {
		unsigned victim = k % WORKERS;
		uint64_t creates, updates, hits;

		gate_wait(&x->rounds, gate_count(&x->rounds) + BETWEEN);
		sem_end(pid[victim]);
		gate_post(&x->attempts); /* which it may have owed */
		creates = atomic_load(&x->creates);
		updates = atomic_load(&x->updates);
		hits = atomic_load(&x->hits);
		assert_int_equal(sojourn_stat(x->s, &now), 0);
		for (uint32_t i = 0; i < now.counters; i++)
			assert_true(now.counter[i].value >=
				    before.counter[i].value);
		assert_true(value_of(&now, "creates") >= creates);
		assert_true(value_of(&now, "updates") >= updates);
		assert_true(value_of(&now, "hits") >= hits);
		before = now;
		backwards += naive_sum(x) < naive;
		naive = naive_sum(x);
		pid[victim] = start(x, victim);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		sem_end(pid[i]);
	}
	assert_true(atomic_load(&x->creates) > 0);
	assert_true(backwards > 0);
	sojourn_detach(x->s);
	sem_unshare(x, sizeof(*x));
}

static void c4_misses_by_reason(void **state)
{
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_options o;
	struct sojourn *s;

	(void)state;
	sem_options(&o);
	o.idle_timeout_ms = 60000;
	s = sem_make(&o);
	sem_login(s, "c4", NULL, id);
	assert_int_equal(sem_read(s, id, NULL), 0);
	assert_int_equal(sem_read(s, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", NULL),
			 -ENOENT);
	sem_advance(s, 60000);
	expect_reason(sem_read(s, id, NULL), -ENOENT, SOJOURN_IDLE);
	sem_login(s, "c4", NULL, id); /* a write: what was counted is told */
	assert_int_equal(sem_counter(s, "hits"), 1);
	assert_int_equal(sem_counter(s, "misses"), 1);
	assert_int_equal(sem_counter(s, "misses_idle"), 1);
	assert_int_equal(sem_counter(s, "expirations"), 1);
	assert_int_equal(sem_counter(s, "creates"), 2);
	sojourn_detach(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(c4_misses_by_reason),
		cmocka_unit_test(c4_trap_sums_go_back_when_a_worker_dies),
	};

	return cmocka_run_group_tests_name("C4", tests, NULL, NULL);
}
