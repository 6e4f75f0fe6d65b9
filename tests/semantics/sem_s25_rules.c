/* SPDX-License-Identifier: MIT */

/* S25: what a session lock refuses and what it does not, who wakes, and where
 * it goes when its session is renewed, ends, or its thread leaves. */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sojourn/lock.h>

#include "lib_sem.h"

#define PATIENCE_MS 60000u

static char id[SOJOURN_ID_CHARS_MAX + 1];

static struct sojourn *make(void)
{
	struct sojourn_options o;
	struct sojourn *s;

	sem_options(&o);
	o.threads_max = 128;
	s = sem_make(&o);
	sem_login(s, "anna", "0", id);
	return s;
}

static uint64_t locked(struct sojourn *s)
{
	uint64_t fence = 0;

	assert_int_equal(sojourn_session_lock(s, id, 0, 0, &fence), 0);
	return fence;
}

/* Runs fn in another thread, which then ends. */
struct call {
	struct sojourn *s;
	int (*fn)(struct sojourn *s);
	int rc;
	enum sojourn_reason reason;
};

static void *run(void *arg)
{
	struct call *c = arg;

	c->rc = c->fn(c->s);
	c->reason = sojourn_reason();
	return NULL;
}

static int elsewhere(struct sojourn *s, int (*fn)(struct sojourn *s),
		     enum sojourn_reason *reason)
{
	struct call c = {.s = s, .fn = fn};
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, run, &c), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	if (reason)
		*reason = c.reason;
	return c.rc;
}

static int try_lock(struct sojourn *s)
{
	uint64_t fence;

	return sojourn_session_lock(s, id, 0, 0, &fence);
}

static int update(struct sojourn *s)
{
	return sojourn_session_update(s, id, "1", 1, 0, NULL);
}

static int leave_as_it_is(void *arg, void *data, size_t *bytes, size_t capacity)
{
	(void)arg;
	(void)data;
	(void)bytes;
	(void)capacity;
	return 0;
}

static int modify(struct sojourn *s)
{
	return sojourn_session_modify(s, id, 64, leave_as_it_is, NULL, NULL);
}

static int renew(struct sojourn *s)
{
	struct sojourn_info info;

	return sojourn_session_renew(s, id, &info);
}

static int touch(struct sojourn *s)
{
	return sojourn_session_touch(s, id);
}

static int read_it(struct sojourn *s)
{
	return sem_read(s, id, NULL);
}

static int delete_it(struct sojourn *s)
{
	return sojourn_session_delete(s, id);
}

static void s25_locked_writes_are_refused(void **state)
{
	static int (*const refused[])(struct sojourn *) = {try_lock, update,
							   modify, renew};
	struct sojourn *s = make();
	uint64_t fence = locked(s), none, version;
	enum sojourn_reason reason;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(elsewhere(s, refused[i], &reason), -EBUSY);
		assert_int_equal(reason, SOJOURN_LOCKED);
	}
	assert_int_equal(elsewhere(s, touch, NULL), 0);
	assert_int_equal(elsewhere(s, read_it, NULL), 0);
	/* The holder's own, without the fence or with another, too. */
	expect_reason(update(s), -EBUSY, SOJOURN_LOCKED);
	expect_reason(
		sojourn_session_update_locked(s, id, fence + 1, "1", 1, NULL),
		-ESTALE, SOJOURN_STALE);
	expect_reason(sojourn_session_lock(s, id, PATIENCE_MS, 0, &none),
		      -EDEADLK, SOJOURN_LOCKED);
	assert_int_equal(
		sojourn_session_update_locked(s, id, fence, "1", 1, &version),
		0);
	assert_int_equal(version, 2);
	assert_int_equal(sojourn_session_modify_locked(s, id, fence, 64,
						       leave_as_it_is, NULL,
						       &version),
			 0);
	assert_int_equal(version, 3);
	assert_int_equal(sojourn_session_unlock(s, id, fence), 0);
	expect_reason(sojourn_session_unlock(s, id, fence), -ESTALE,
		      SOJOURN_STALE);
	expect_reason(sojourn_session_update_locked(s, id, fence, "1", 1, NULL),
		      -ESTALE, SOJOURN_STALE);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(elsewhere(s, refused[i], NULL), 0);
	printf("S25 what is refused: ok\n");
	sojourn_detach(s);
}

static void s25_arguments(void **state)
{
	char ids[33][SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn *s = make();
	uint64_t fence;

	(void)state;
	expect_reason(
		sojourn_session_lock(s, id, 0, SOJOURN_HOLD_MAX_MS + 1, &fence),
		-EINVAL, SOJOURN_INVALID);
	assert_non_null(strstr(sojourn_error_text(), "86400001"));
	expect_reason(sojourn_session_lock(s, id, 0, 0, NULL), -EINVAL,
		      SOJOURN_INVALID);
	expect_reason(sojourn_session_lock(s, "nobody", 0, 0, &fence), -ENOENT,
		      SOJOURN_NOT_FOUND);
	for (unsigned i = 0; i < 33; i++) {
		sem_login(s, "bert", "0", ids[i]);
		assert_int_equal(sojourn_session_lock(s, ids[i], 0, 0, &fence),
				 i < 32 ? 0 : -ENOLCK);
	}
	/* Of those that are over nothing is held. */
	assert_int_equal(sojourn_session_delete_subject(s, "bert", ids[32]),
			 32);
	sem_advance(s, 1000);
	for (unsigned i = 0; i < 64; i++)
		sem_login(s, "carl", "0", ids[0]);
	sojourn_detach(s);
}

/* A fence says which of two holders came later, whatever happened between. */
static void s25_fences_rise(void **state)
{
	struct sojourn *s = make();
	struct sojourn_info info;
	uint64_t last = 0;

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		uint64_t fence = locked(s);

		assert_true(fence > last);
		last = fence;
		if (i % 3 == 1)
			assert_int_equal(sojourn_session_update_locked(
						 s, id, fence, "1", 1, NULL),
					 0);
		assert_int_equal(sojourn_session_unlock(s, id, fence), 0);
		if (i % 10 == 9) {
			assert_int_equal(sojourn_session_renew(s, id, &info),
					 0);
			strcpy(id, info.new_id);
		}
	}
	sojourn_detach(s);
}

/* The holder renews: its lock, with its fence, is the successor's. */
static void s25_the_lock_goes_along_with_a_renewal(void **state)
{
	char old_id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn *s = make();
	struct sojourn_info info;
	uint64_t fence = locked(s);

	(void)state;
	assert_int_equal(sojourn_session_renew(s, id, &info), 0);
	assert_int_equal(info.renewal, SOJOURN_RENEWAL_WON);
	assert_int_equal(elsewhere(s, try_lock, NULL), -EBUSY);
	strcpy(old_id, id);
	strcpy(id, info.new_id);
	assert_int_equal(elsewhere(s, try_lock, NULL), -EBUSY);
	assert_int_equal(elsewhere(s, update, NULL), -EBUSY);
	assert_int_equal(
		sojourn_session_update_locked(s, old_id, fence, "2", 1, NULL),
		0);
	assert_int_equal(
		sojourn_session_update_locked(s, id, fence, "3", 1, NULL), 0);
	assert_int_equal(sojourn_session_unlock(s, id, fence), 0);
	assert_int_equal(elsewhere(s, try_lock, NULL), 0);
	/* One lock: given back by one id it is not held by the other. */
	assert_int_equal(sojourn_session_unlock(s, old_id, fence), -ESTALE);
	assert_int_equal(elsewhere(s, update, NULL), 0);
	printf("S25 renewal under the lock: ok\n");
	sojourn_detach(s);
}

/* Due, but locked: the read is answered, and the renewal waits. */
static void s25_a_read_does_not_renew_what_is_locked(void **state)
{
	struct sojourn_options o;
	struct sojourn_info info;
	struct sojourn *s;
	uint64_t fence;

	(void)state;
	sem_options(&o);
	o.renewal_ms = 60000;
	s = sem_make(&o);
	sem_login(s, "anna", "0", id);
	sem_advance(s, 70000);
	fence = locked(s);
	assert_int_equal(elsewhere(s, read_it, NULL), 0);
	assert_int_equal(elsewhere(s, renew, NULL), -EBUSY);
	assert_int_equal(sojourn_session_unlock(s, id, fence), 0);
	assert_int_equal(sem_read(s, id, &info), 0);
	assert_int_equal(info.renewal, SOJOURN_RENEWAL_WON);
	sojourn_detach(s);
}

static void s25_logout_ends_what_is_locked(void **state)
{
	struct sojourn *s = make();
	uint64_t fence = locked(s);

	(void)state;
	assert_int_equal(elsewhere(s, delete_it, NULL), 1);
	expect_reason(sojourn_session_update_locked(s, id, fence, "1", 1, NULL),
		      -ENOENT, SOJOURN_DELETED);
	assert_int_equal(sojourn_session_unlock(s, id, fence), 0);
	assert_int_equal(sem_count(s, "anna"), 0);
	printf("S25 logout of a locked session: ok\n");
	sojourn_detach(s);
}

/* A thread that ends, or a fork of the holder: who has the lock. */
static void s25_the_lock_is_its_threads(void **state)
{
	struct sojourn *s = make();
	uint64_t fence;
	pid_t pid;
	int status;

	(void)state;
	assert_int_equal(elsewhere(s, try_lock, NULL), 0); /* and ends */
	fence = locked(s);
	assert_int_equal(sem_counter(s, "locks_recovered"), 0);
	pid = fork();
	if (pid == 0) {
		int rc = sojourn_session_update_locked(s, id, fence, "1", 1,
						       NULL);

		_exit(rc != -ESTALE || try_lock(s) != -EBUSY ||
		      sojourn_session_unlock(s, id, fence) != -ESTALE);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(
		sojourn_session_update_locked(s, id, fence, "1", 1, NULL), 0);
	printf("S25 threads that end, forks: ok\n");
	sojourn_detach(s);
}

/* Neither another fence nor another id gives a lock back, or lets write. */
static void s25_a_lock_is_known_by_id_and_fence(void **state)
{
	static const char nobody[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	struct sojourn *s = make();
	char other[SOJOURN_ID_CHARS_MAX + 1];
	uint64_t fence, others;

	(void)state;
	sem_login(s, "bert", "0", other);
	fence = locked(s);
	/* So that the two fences differ. */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(sojourn_session_lock(s, other, 0, 0, &others),
				 0);
		if (i == 0)
			assert_int_equal(
				sojourn_session_unlock(s, other, others), 0);
	}
	assert_int_not_equal(fence, others);
	expect_reason(sojourn_session_unlock(s, id, fence + others), -ESTALE,
		      SOJOURN_STALE);
	expect_reason(sojourn_session_unlock(s, other, fence), -ESTALE,
		      SOJOURN_STALE);
	expect_reason(sojourn_session_unlock(s, nobody, fence), -ESTALE,
		      SOJOURN_STALE);
	expect_reason(
		sojourn_session_update_locked(s, nobody, fence, "1", 1, NULL),
		-ENOENT, SOJOURN_NOT_FOUND);
	assert_int_equal(elsewhere(s, try_lock, NULL), -EBUSY);
	/* Who holds it learns how it ended; the other lock is as it was. */
	assert_int_equal(sojourn_session_delete(s, other), 1);
	expect_reason(
		sojourn_session_update_locked(s, other, others, "1", 1, NULL),
		-ENOENT, SOJOURN_DELETED);
	assert_int_equal(
		sojourn_session_update_locked(s, id, fence, "1", 1, NULL), 0);
	assert_int_equal(sojourn_session_unlock(s, id, fence), 0);
	assert_int_equal(elsewhere(s, try_lock, NULL), 0);
	sojourn_detach(s);
}

/* Its hold time is over and nobody came: it may go on.  But whoever writes
 * without a lock then ends it. */
static void s25_a_write_ends_a_late_lock(void **state)
{
	struct sojourn *s = make();
	uint64_t fence;

	(void)state;
	assert_int_equal(sojourn_session_lock(s, id, 0, 1000, &fence), 0);
	sem_advance(s, 1300);
	assert_int_equal(
		sojourn_session_update_locked(s, id, fence, "1", 1, NULL), 0);
	assert_int_equal(elsewhere(s, update, NULL), 0);
	assert_int_equal(
		sojourn_session_update_locked(s, id, fence, "2", 1, NULL),
		-ESTALE);
	assert_int_equal(sem_counter(s, "locks_recovered"), 1);
	sojourn_detach(s);
}

/* ---- waiters ---- */

#define CROWD 100u

struct crowd {
	struct sojourn *s;
	struct gate taken, waiting;
};

static int wait_and_pass_on(unsigned i, void *arg)
{
	struct crowd *c = arg;
	struct sojourn *s = c->s;
	uint64_t fence;

	(void)i;
	sem_tell_waiting(&c->waiting);
	if (sojourn_session_lock(s, id, PATIENCE_MS, 0, &fence) < 0)
		return 1;
	return sojourn_session_unlock(s, id, fence) < 0;
}

/* When all of them wait for it. */
static void *give_back_late(void *arg)
{
	struct crowd *c = arg;
	uint64_t fence = locked(c->s);

	gate_post(&c->taken);
	gate_wait(&c->waiting, CROWD);
	return (void *)(intptr_t)sojourn_session_unlock(c->s, id, fence);
}

static void s25_a_hundred_waiters_get_it(void **state)
{
	struct sojourn *s = make();
	struct crowd *c = sem_shared(sizeof(*c));
	pthread_t thread;
	void *rc;

	(void)state;
	c->s = s;
	assert_int_equal(pthread_create(&thread, NULL, give_back_late, c), 0);
	gate_wait(&c->taken, 1);
	sem_workers(CROWD, wait_and_pass_on, c);
	assert_int_equal(pthread_join(thread, &rc), 0);
	assert_null(rc);
	assert_int_equal(sem_counter(s, "locks"), CROWD + 1);
	assert_int_equal(sem_counter(s, "lock_timeouts"), 0);
	printf("S25 %u waiters: ok\n", CROWD);
	sem_unshare(c, sizeof(*c));
	sojourn_detach(s);
}

static struct gate waits;

static int wait_for_the_end(struct sojourn *s)
{
	uint64_t fence;

	sem_tell_waiting(&waits);
	return sojourn_session_lock(s, id, PATIENCE_MS, 0, &fence);
}

static void s25_waiters_learn_that_it_ended(void **state)
{
	struct sojourn *s = make();
	struct call c = {.s = s, .fn = wait_for_the_end};
	pthread_t thread;

	(void)state;
	(void)locked(s);
	assert_int_equal(pthread_create(&thread, NULL, run, &c), 0);
	gate_wait(&waits, 1);
	assert_int_equal(sojourn_session_delete(s, id), 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(c.rc, -ENOENT);
	assert_int_equal(c.reason, SOJOURN_DELETED);
	sojourn_detach(s);
}

/* Two that want each other's second one: it ends by the time given. */
static char other_id[SOJOURN_ID_CHARS_MAX + 1];

static int crossed(unsigned i, void *arg)
{
	struct sojourn *s = arg;
	const char *first = i ? id : other_id, *second = i ? other_id : id;
	uint64_t one, two;
	int rc;

	if (sojourn_session_lock(s, first, PATIENCE_MS, 0, &one) < 0)
		return 1;
	rc = sojourn_session_lock(s, second, 300, 0, &two);
	if (rc == 0)
		rc = sojourn_session_unlock(s, second, two);
	else if (rc == -ETIMEDOUT)
		rc = 0;
	return rc < 0 || sojourn_session_unlock(s, first, one) < 0;
}

static void s25_crossed_locks_end_by_timeout(void **state)
{
	struct sojourn *s = make();

	(void)state;
	sem_login(s, "bert", "0", other_id);
	sem_workers(2, crossed, s);
	(void)locked(s);
	sojourn_detach(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s25_locked_writes_are_refused),
		cmocka_unit_test(s25_arguments),
		cmocka_unit_test(s25_fences_rise),
		cmocka_unit_test(s25_the_lock_goes_along_with_a_renewal),
		cmocka_unit_test(s25_a_read_does_not_renew_what_is_locked),
		cmocka_unit_test(s25_logout_ends_what_is_locked),
		cmocka_unit_test(s25_the_lock_is_its_threads),
		cmocka_unit_test(s25_a_lock_is_known_by_id_and_fence),
		cmocka_unit_test(s25_a_write_ends_a_late_lock),
		cmocka_unit_test(s25_a_hundred_waiters_get_it),
		cmocka_unit_test(s25_waiters_learn_that_it_ended),
		cmocka_unit_test(s25_crossed_locks_end_by_timeout),
	};

	return cmocka_run_group_tests_name("S25 rules", tests, NULL, NULL);
}
