/* SPDX-License-Identifier: MIT */

/*
 * S15: a put that was acknowledged lasts, also when it was made at the moment
 * at which the value before it ran out: who saw that one run out, and stood
 * still, must not take the new one along.
 */

#include <errno.h>

#include <sojourn/collection.h>

#include "crash/lib_victim.h"
#include "lib_sem.h"

#define MINUTE 60000u

static struct sojourn *s;
static const struct sojourn_item item = {SOJOURN_COLLECTION_CSRF, "a", 1};

static void put_longer(void *arg, struct report *r)
{
	const struct sojourn_value v = {
		.data = "2", .data_bytes = 1, .ttl_ms = 60 * MINUTE};

	(void)arg;
	r->rc = sojourn_put(s, &item, &v, NULL);
}

static void find_over(void *arg, struct report *r)
{
	(void)arg;
	r->rc = sojourn_get(s, &item, NULL, NULL, NULL, NULL);
}

/* The put stands at `label` while the old value's time ends, and another who
 * has seen that stands until the put is done.  Is the new value there? */
static int put_at_the_deadline(const char *label, bool moved)
{
	const struct plan put = {.fault = FAULT_NONE, .pause = label};
	const struct plan get = {.fault = FAULT_NONE,
				 .pause = "entry.expire.seen"};
	const struct sojourn_value old = {
		.data = "1", .data_bytes = 1, .ttl_ms = MINUTE};
	struct report *r = report_new(), *q = report_new();
	struct victim putter, getter;
	int rc;

	s = sem_make(NULL);
	assert_int_equal(sojourn_put(s, &item, &old, NULL), 0);
	sem_advance(s, moved);
	victim_run(&putter, r, &put, put_longer, NULL);
	assert_int_equal(putter.state, VICTIM_STOPPED);
	sem_advance(s, MINUTE);
	victim_run(&getter, q, &get, find_over, NULL);
	assert_int_equal(getter.state, VICTIM_STOPPED);
	victim_continue(&putter);
	assert_int_equal(putter.state, VICTIM_FINISHED);
	assert_int_equal(r->rc, 0);
	victim_continue(&getter);
	assert_int_equal(getter.state, VICTIM_FINISHED);
	rc = sojourn_has(s, &item);
	/* It is the new one that he is told of in the end. */
	assert_int_equal(q->rc, rc == 1 ? 0 : -ENOENT);
	sojourn_detach(s);
	report_free(r);
	report_free(q);
	return rc;
}

static void s15_put_at_the_deadline_lasts(void **state)
{
	(void)state;
	assert_int_equal(put_at_the_deadline("update.written", false), 1);
	assert_int_equal(put_at_the_deadline("update.written", true), 1);
	assert_int_equal(put_at_the_deadline("put.used", true), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s15_put_at_the_deadline_lasts),
	};

	coverage_init();
	return cmocka_run_group_tests_name("S15", tests, NULL, NULL);
}
