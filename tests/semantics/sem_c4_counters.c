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

/* ---- where nobody is killed ---- */

#define ROUNDS  400u
#define OWN     8u /* sessions that a worker remembers */
#define ENTRIES 10u

struct tally {
	struct sojourn *s;
	_Atomic(uint64_t) superseded;
};

/* One of its own subjects: nobody else logs in under it. */
static void log_in(struct tally *t, unsigned worker, uint32_t r, char *id)
{
	char subject[24];
	const struct sojourn_new n = {.subject = subject};
	int rc;

	snprintf(subject, sizeof(subject), "%u of %u", r % 3, worker);
	rc = sojourn_session_create(t->s, &n, id, NULL);
	if (rc < 0)
		id[0] = '\0';
	if (rc == -ECANCELED)
		atomic_fetch_add(&t->superseded, 1);
	else if (rc < 0 && rc != -ENOSPC)
		abort();
}

static int come_and_go(unsigned worker, void *arg)
{
	char id[OWN][SOJOURN_ID_CHARS_MAX + 1] = {""};
	struct tally *t = arg;
	uint32_t r = worker + 1;

	for (unsigned round = 0; round < ROUNDS; round++) {
		char *own, subject[24];
		int rc = 0;

		r = r * 1664525u + 1013904223u;
		own = id[(r >> 8) % OWN];
		if ((r >> 16) % 64 == 0)
			rc = sojourn_clock_advance(t->s, 2000000);
		else if ((r >> 16) % 16 == 1)
			rc = snprintf(subject, sizeof(subject), "%u of %u",
				      (r >> 24) % 3, worker) < 0 ||
			     sojourn_session_delete_subject(t->s, subject,
							    NULL) < 0;
		else if (own[0] == '\0' || (r >> 16) % 16 < 8)
			log_in(t, worker, r >> 24, own);
		else if ((r >> 16) % 16 < 12)
			rc = sojourn_session_delete(t->s, own) < 0;
		else
			(void)!sem_read(t->s, own, NULL);
		if (rc != 0)
			abort();
	}
	/* What was counted and not yet told is told now. */
	sojourn_detach(t->s);
	return 0;
}

/* Created - deleted - expired - evicted - ended for the cap = those that live,
 * to the last one.  Who was ended while it was being created is told that there
 * is no session, and not counted as created. */
static void c4_without_kills_the_sums_are_exact(void **state)
{
	struct tally *t = sem_shared(sizeof(*t));
	static struct sojourn_stat now;
	struct sojourn_options o;
	uint64_t ended;

	(void)state;
	sem_options(&o);
	o.entries_max = ENTRIES;
	o.when_full = SOJOURN_WHEN_FULL_EVICT;
	o.per_subject_max = 5;
	o.when_over = SOJOURN_WHEN_OVER_EVICT_OLDEST;
	t->s = sem_make(&o);
	sem_workers(WORKERS, come_and_go, t);
	assert_int_equal(sojourn_stat(t->s, &now), 0);
	assert_true(value_of(&now, "deletes") > 0);
	assert_true(value_of(&now, "expirations") > 0);
	assert_true(value_of(&now, "evictions") > 0);
	assert_true(value_of(&now, "cap_ended") > 0);
	ended = value_of(&now, "deletes") + value_of(&now, "expirations") +
		value_of(&now, "evictions") + value_of(&now, "cap_ended");
	assert_int_equal(value_of(&now, "creates") +
				 atomic_load(&t->superseded),
			 ended + now.entries_live);
	sojourn_detach(t->s);
	sem_unshare(t, sizeof(*t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(c4_misses_by_reason),
		cmocka_unit_test(c4_without_kills_the_sums_are_exact),
		cmocka_unit_test(c4_trap_sums_go_back_when_a_worker_dies),
	};

	return cmocka_run_group_tests_name("C4", tests, NULL, NULL);
}
