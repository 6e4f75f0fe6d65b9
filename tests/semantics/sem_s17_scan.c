/* SPDX-License-Identifier: MIT */

/*
 * S17, C5, C6: scan with cursor and limit, count, clear, prune.
 *
 * Trap: a scan that goes by the number of those before loses and repeats as
 * others come and go.  The naive one is here, and fails.
 */

#include <errno.h>
#include <unistd.h>

#include <sojourn/stat.h>

#include "crash/lib_victim.h"
#include "lib_sem.h"
#include "session/handle.h"
#include "session/id.h"

#define STAYING 300u

static struct sojourn *s;
static uint32_t carts;
static struct {
	struct gate attempts, changes;
} * churned; /* what comes and goes meanwhile */

static int set_up(void **state)
{
	struct sojourn_options o;

	sem_options(&o);
	o.entries_max = 2000;
	o.segment_bytes = 16u << 20;
	o.threads_max = 16;
	s = sem_make_carts(&o, &carts);
	*state = s;
	return 0;
}

static int put(const char *key, const char *subject, uint64_t ttl_ms)
{
	const struct sojourn_item item = sem_item(carts, key);
	const struct sojourn_value v = {.subject = subject, .ttl_ms = ttl_ms};

	return sojourn_put(s, &item, &v, NULL);
}

static int removed(const char *key)
{
	const struct sojourn_item item = sem_item(carts, key);

	return sojourn_remove(s, &item, 0);
}

static int nothing(void *arg, const struct sojourn_info *info)
{
	(void)info;
	++*(unsigned *)arg;
	return 0;
}

/* ---- exactly once ---- */

struct seen {
	unsigned times[STAYING];
};

static int see(void *arg, const struct sojourn_info *info)
{
	struct seen *seen = arg;
	unsigned i;

	if (sscanf(info->subject, "stays%u", &i) == 1)
		seen->times[i]++;
	return 0;
}

static pid_t start_churn(unsigned who)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	for (unsigned i = 0;; i = (i + 7) % 100) {
		char key[32];
		uint32_t before;
		int rc;

		snprintf(key, sizeof(key), "comes%u-%u", who, i);
		do {
			before = gate_count(&churned->attempts);
			rc = put(key, i % 2 ? "comes" : NULL, 0);
		} while (sem_no_room(&churned->attempts, before, rc));
		if (rc != 0 || (i % 3 && removed(key) != 1))
			_exit(1);
		gate_post(&churned->changes);
	}
}

static void s17_scan_under_change_sees_each_once(void **state)
{
	const struct sojourn_filter all = {.collection = carts};
	pid_t churn[3];

	(void)state;
	churned = sem_shared(sizeof(*churned));
	for (unsigned i = 0; i < STAYING; i++) {
		char key[32];

		snprintf(key, sizeof(key), "stays%u", i);
		assert_int_equal(put(key, key, 0), 0);
		/* Holes, that others come into. */
		snprintf(key, sizeof(key), "hole%u", i);
		assert_int_equal(put(key, NULL, 0), 0);
	}
	for (unsigned i = 0; i < STAYING; i++) {
		char key[32];

		snprintf(key, sizeof(key), "hole%u", i);
		assert_int_equal(removed(key), 1);
	}
	for (unsigned i = 0; i < 3; i++)
		churn[i] = start_churn(i);
	for (unsigned round = 0; round < 300; round++) {
		struct seen seen = {0};
		uint64_t cursor = 0;

		do {
			uint32_t before = gate_count(&churned->changes);
			int rc = sojourn_scan(s, &all, &cursor, 7, see, &seen);

			assert_true(rc >= 0 && rc <= 7);
			gate_wait(&churned->changes, before + 1);
		} while (cursor != 0);
		for (unsigned i = 0; i < STAYING; i++)
			assert_int_equal(seen.times[i], 1);
	}
	for (unsigned i = 0; i < 3; i++)
		sem_end(churn[i]);
	sem_unshare(churned, sizeof(*churned));
}

/* The naive one: goes on behind as many as it has had, in the order in which
 * the store lists them now. */
static int naive_scan(unsigned *had, unsigned limit, sojourn_list_fn fn,
		      struct seen *seen)
{
	const struct sojourn_filter all = {.collection = carts};
	uint64_t cursor = 0;
	unsigned skipped = 0;
	int calls;

	for (unsigned i = 0; i < *had; i++)
		if (sojourn_scan(s, &all, &cursor, 1, nothing, &skipped) == 0)
			return 0;
	if (*had && cursor == 0)
		return 0;
	calls = sojourn_scan(s, &all, &cursor, limit, fn, seen);
	*had += calls > 0 ? (unsigned)calls : 0;
	return calls;
}

static void s17_trap_scan_without_cursor(void **state)
{
	struct seen naive = {0}, ours = {0};
	const struct sojourn_filter all = {.collection = carts};
	unsigned had = 0, missed = 0;
	uint64_t cursor = 0;
	char key[32];

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		snprintf(key, sizeof(key), "goes%u", i);
		assert_int_equal(put(key, NULL, 0), 0);
	}
	for (unsigned i = 0; i < 20; i++) {
		snprintf(key, sizeof(key), "stays%u", i);
		assert_int_equal(put(key, key, 0), 0);
	}
	assert_int_equal(naive_scan(&had, 10, see, &naive), 10);
	assert_int_equal(sojourn_scan(s, &all, &cursor, 10, see, &ours), 10);
	for (unsigned i = 0; i < 20; i++) {
		snprintf(key, sizeof(key), "goes%u", i);
		assert_int_equal(removed(key), 1);
	}
	while (naive_scan(&had, 10, see, &naive) > 0)
		;
	while (cursor)
		assert_true(sojourn_scan(s, &all, &cursor, 10, see, &ours) >=
			    0);
	for (unsigned i = 0; i < 20; i++) {
		missed += naive.times[i] != 1;
		assert_int_equal(ours.times[i], 1);
	}
	assert_true(missed > 0); /* the planted one fails */
}

static int stop_at_third(void *arg, const struct sojourn_info *info)
{
	(void)info;
	return ++*(unsigned *)arg == 3;
}

static void s17_cursor_goes_on_behind_the_last(void **state)
{
	const struct sojourn_filter all = {.collection = carts};
	uint64_t cursor = 0;
	unsigned calls = 0;
	char key[32];

	(void)state;
	assert_int_equal(sojourn_scan(s, &all, &cursor, 0, nothing, &calls), 0);
	assert_int_equal(cursor, 0);
	for (unsigned i = 0; i < 10; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		assert_int_equal(put(key, NULL, 0), 0);
	}
	assert_int_equal(
		sojourn_scan(s, &all, &cursor, 0, stop_at_third, &calls), 3);
	assert_int_equal(sojourn_scan(s, &all, &cursor, 0, nothing, &calls), 7);
	assert_int_equal(calls, 10);
	assert_int_equal(cursor, 0);
	/* A cursor of a larger segment is at the end. */
	cursor = UINT64_C(1) << 40;
	assert_int_equal(sojourn_scan(s, &all, &cursor, 0, nothing, &calls), 0);
	assert_int_equal(cursor, 0);
}

/* ---- count, clear, prune ---- */

static int count(uint32_t collection, const char *subject, const char *match)
{
	const struct sojourn_filter f = {
		.collection = collection, .subject = subject, .match = match};

	return sojourn_count(s, &f);
}

static void s17_count_and_clear_by_collection(void **state)
{
	const struct sojourn_filter f = {.collection = carts};
	const struct sojourn_filter any = {.collection =
						   SOJOURN_COLLECTION_ANY};
	const struct sojourn_filter bad = {.collection = 40};
	char id[SOJOURN_ID_CHARS_MAX + 1];

	(void)state;
	sem_login(s, "anna", "x", id);
	for (unsigned i = 0; i < 30; i++) {
		char key[32];

		snprintf(key, sizeof(key), "k%u", i);
		assert_int_equal(put(key, i % 3 ? "anna" : NULL, 0), 0);
	}
	assert_int_equal(count(0, NULL, NULL), 1);
	assert_int_equal(count(carts, NULL, NULL), 30);
	assert_int_equal(count(carts, "anna", NULL), 20);
	assert_int_equal(count(SOJOURN_COLLECTION_ANY, "anna", NULL), 21);
	assert_int_equal(sojourn_count(s, &bad), -EINVAL);
	assert_int_equal(sojourn_clear(s, &f), 30);
	assert_int_equal(sojourn_clear(s, &f), 0);
	assert_int_equal(count(SOJOURN_COLLECTION_ANY, NULL, NULL), 1);
	assert_int_equal(removed("k1"), 0);
	assert_int_equal(sem_read(s, id, NULL), 0);
	assert_int_equal(sojourn_clear(s, &any), 1);
	assert_int_equal(sem_read(s, id, NULL), -ENOENT);
}

/* A login counts once, and goes with all that it was renewed to. */
static void s17_clear_ends_whole_lines(void **state)
{
	const struct sojourn_filter f = {.subject = "anna"};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_info info;
	unsigned calls = 0;
	uint64_t cursor = 0;

	(void)state;
	sem_login(s, "anna", "x", id);
	sem_login(s, "bert", "x", info.new_id);
	assert_int_equal(sojourn_session_renew(s, id, &info), 0);
	assert_int_equal(sojourn_count(s, &f), 1);
	assert_int_equal(sojourn_scan(s, &f, &cursor, 0, nothing, &calls), 2);
	assert_int_equal(sojourn_clear(s, &f), 1);
	assert_int_equal(sem_read(s, info.new_id, NULL), -ENOENT);
	assert_int_equal(sem_read(s, id, NULL), -ENOENT);
	assert_int_equal(count(0, NULL, NULL), 1);
}

/* Where it is among the entries. */
static uint32_t place_of(const char *handle)
{
	return soj_ref_entry(soj_handle_ref(&s->st, handle));
}

static void clear_late(void *arg, struct report *r)
{
	const struct sojourn_filter f = {.subject = "anna"};

	(void)arg;
	r->rc = sojourn_clear(s, &f);
}

/*
 * Stopped in the middle of a login, expelled, and the login renewed to a place
 * that it has passed: when clear returns it is gone all the same.
 */
static void s17_clear_stopped_is_final(void **state)
{
	const struct plan plan = {.fault = FAULT_NONE, .pause = "clear.seen"};
	char id[SOJOURN_ID_CHARS_MAX + 1], first[SOJOURN_ID_CHARS_MAX + 1];
	struct report *r = report_new();
	struct soj_upkeep_work work;
	struct soj_upkeep up;
	struct soj_self *self;
	struct sojourn_info before, info;
	struct victim victim;
	uint32_t expelled = 0;
	int rc;

	(void)state;
	sem_login(s, "bert", "x", first);
	sem_login(s, "anna", "x", id);
	self = soj_self_writing(s, &rc);
	assert_int_equal(soj_upkeep_init(&up, &s->st, &self->w), 0);
	assert_int_equal(sojourn_session_delete(s, first), 1);
	for (unsigned i = 0; i < 4; i++)
		soj_upkeep_full(&up, &work);
	/* Its place is the next that is taken: who attaches begins there. */
	soj_worker_deinit(&s->st, &self->w);
	self = soj_self_writing(s, &rc);
	assert_int_equal(sem_read(s, id, &before), 0);
	victim_run(&victim, r, &plan, clear_late, NULL);
	assert_int_equal(victim.state, VICTIM_STOPPED);
	assert_int_equal(sojourn_session_renew(s, id, &info), 0);
	strcpy(first, info.new_id);
	assert_int_equal(sem_read(s, first, &info), 0);
	assert_true(place_of(info.handle) < place_of(before.handle));
	for (unsigned i = 0; i < 10; i++) {
		soj_upkeep_full(&up, &work);
		expelled += work.expelled;
		sem_advance(s, 60);
	}
	victim_continue(&victim);
	soj_upkeep_deinit(&up);
	assert_int_equal(victim.state, VICTIM_FINISHED);
	assert_int_equal(expelled, 1);
	assert_int_equal(r->rc, 1);
	assert_int_equal(sem_read(s, first, NULL), -ENOENT);
	assert_int_equal(sem_read(s, id, NULL), -ENOENT);
	report_free(r);
}

static void c5_prune_ends_what_is_over(void **state)
{
	(void)state;
	assert_int_equal(put("a", NULL, 1000), 0);
	assert_int_equal(put("b", NULL, 1000), 0);
	assert_int_equal(put("c", NULL, 0), 0);
	sem_advance(s, 1000);
	assert_int_equal(count(carts, NULL, NULL), 1);
	assert_int_equal(sojourn_prune(s), 2);
	assert_int_equal(sojourn_prune(s), 0);
}

static void c6_clear_by_wildcard(void **state)
{
	const struct sojourn_filter f = {.collection = carts,
					 .match = "tenant-7:*"};
	const struct sojourn_filter bad = {.match = "a[b"};
	struct sojourn_filter by_handle = {.collection = carts,
					   .match_handle = true};
	const struct sojourn_item a = {carts, "a", 1};
	struct sojourn_info info;

	(void)state;
	assert_int_equal(put("a", "tenant-7:anna", 0), 0);
	assert_int_equal(put("b", "tenant-7:bert", 0), 0);
	assert_int_equal(put("c", "tenant-77:anna", 0), 0);
	assert_int_equal(put("d", NULL, 0), 0);
	assert_int_equal(sojourn_get(s, &a, NULL, NULL, NULL, &info), 0);
	info.handle[12] = '*';
	info.handle[13] = 0;
	by_handle.match = info.handle;
	assert_int_equal(sojourn_count(s, &by_handle), 1);
	assert_int_equal(count(carts, NULL, "*:anna"), 2);
	assert_int_equal(sojourn_clear(s, &f), 2);
	assert_int_equal(count(carts, NULL, NULL), 2);
	assert_int_equal(sojourn_clear(s, &bad), -EINVAL);
	assert_non_null(strstr(sojourn_error_text(), "a[b"));
}

/* ---- S21 ---- */

static void s21_session_metrics(void **state)
{
	struct sojourn_session_stat stat;
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_info info;

	(void)state;
	sem_login(s, "anna", "x", id);
	sem_advance(s, 100000);
	sem_login(s, "bert", "x", id);
	sem_login(s, "anna", "x", id);
	assert_int_equal(put("a", "carl", 0), 0);
	assert_int_equal(put("b", NULL, 0), 0);
	assert_int_equal(sojourn_session_stat(s, &stat), 0);
	assert_int_equal(stat.total, 3);
	assert_int_equal(stat.active, 3);
	assert_int_equal(stat.age_ms, 100000 / 3);
	assert_int_equal(stat.subjects, 2);
	assert_int_equal(stat.entries[0], 3);
	assert_int_equal(stat.entries[carts], 2);
	/* The first one is idle now; what a login was renewed to is one. */
	sem_advance(s, 200000);
	assert_int_equal(sojourn_session_renew(s, id, &info), 0);
	assert_int_equal(sojourn_session_stat(s, &stat), 0);
	assert_int_equal(stat.total, 3);
	assert_int_equal(stat.active, 2);
	sem_advance(s, UINT64_C(3600000) * 24 * 40);
	assert_int_equal(sojourn_session_stat(s, &stat), 0);
	assert_int_equal(stat.total + stat.entries[carts], 0);
}

static unsigned scanned(const struct sojourn_filter *f)
{
	uint64_t cursor = 0;
	unsigned seen = 0;
	int calls = sojourn_scan(s, f, &cursor, 1000, nothing, &seen);

	assert_int_equal(calls, seen);
	return seen;
}

/* Each subject counts once, however many there are; and an old id is none that
 * answers once its grace window is over, or its login has ended. */

static void s21_subjects_and_old_ids(void **state)
{
	const struct sojourn_filter all = {.collection =
						   SOJOURN_COLLECTION_SESSION};
	struct sojourn_session_stat stat;
	char id[SOJOURN_ID_CHARS_MAX + 1], subject[16];
	struct sojourn_info info;

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		snprintf(subject, sizeof(subject), "user%u",
			 i * (i < 20 ? 7 : 3) % 20);
		sem_login(s, subject, "x", id);
	}
	assert_int_equal(sojourn_session_stat(s, &stat), 0);
	assert_int_equal(stat.total, 200);
	assert_int_equal(stat.subjects, 20);
	assert_int_equal(sojourn_session_renew(s, id, &info), 0);
	assert_int_equal(scanned(&all), 201);
	sem_advance(s, 5000);
	assert_int_equal(scanned(&all), 200);
	assert_int_equal(sojourn_session_renew(s, info.new_id, &info), 0);
	assert_int_equal(scanned(&all), 201);
	assert_int_equal(sojourn_session_delete(s, info.new_id), 1);
	assert_int_equal(scanned(&all), 199);
	assert_int_equal(sojourn_count(s, &all), 199);
}

/* The naive one divides by how many there are. */
static void s21_trap_nan_on_no_sessions(void **state)
{
	struct sojourn_session_stat stat = {.age_ms = 7};
	double sum = 0, naive;

	(void)state;
	assert_int_equal(sojourn_session_stat(s, &stat), 0);
	naive = sum / (double)stat.total;
	assert_true(naive != naive); /* planted */
	assert_int_equal(stat.age_ms, 0);
	assert_int_equal(stat.subjects, 0);
	assert_int_equal(stat.active, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, sem_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(s17_scan_under_change_sees_each_once),
		TEST(s17_trap_scan_without_cursor),
		TEST(s17_cursor_goes_on_behind_the_last),
		TEST(s17_count_and_clear_by_collection),
		TEST(s17_clear_ends_whole_lines),
		TEST(s17_clear_stopped_is_final),
		TEST(c5_prune_ends_what_is_over),
		TEST(c6_clear_by_wildcard),
		TEST(s21_session_metrics),
		TEST(s21_subjects_and_old_ids),
		TEST(s21_trap_nan_on_no_sessions),
	};
	int failed;

	coverage_init();
	failed = cmocka_run_group_tests_name("S17", tests, NULL, NULL);

	if (failed == 0)
		printf("S17 scan, count, clear: ok\n"
		       "S17 trap, scan without a cursor: ok\n"
		       "S21 session metrics: ok\n"
		       "S21 trap, not a number on no sessions: ok\n"
		       "C5 prune: ok\n");
	return failed;
}
