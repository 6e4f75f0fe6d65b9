/* SPDX-License-Identifier: MIT */

/*
 * S24: what says that somebody computes a value is not evicted while he does,
 * however many others come: else another would begin to compute it as well.
 */

#include <errno.h>

#include <sojourn/lock.h>

#include "lib_sem.h"

#define ENTRIES 64u

static struct sojourn *s;
static unsigned computing, twice;

static const struct sojourn_item item = {SOJOURN_COLLECTION_CSRF, "slow", 4};
static int compute(void *arg, void *data, size_t *bytes, size_t capacity);
static const struct sojourn_flight flight = {.compute = compute,
					     .timeout_ms = 1};

static int other(unsigned i, void *arg)
{
	char data[8];
	size_t bytes = sizeof(data);

	(void)i;
	(void)arg;
	/* One computes: who does not wait is told so. */
	computing = 1;
	return sojourn_get_or_create(s, &item, &flight, data, &bytes, NULL) ==
			       -ETIMEDOUT
		       ? 0
		       : 1;
}

static int compute(void *arg, void *data, size_t *bytes, size_t capacity)
{
	(void)arg;
	(void)capacity;
	memcpy(data, "value", 5);
	*bytes = 5;
	if (computing++ > 0)
		return 0;
	/* Long, and the others' values are used again and again. */
	sem_advance(s, 5000);
	for (unsigned i = 0; i < 4 * ENTRIES; i++) {
		const struct sojourn_item one = {SOJOURN_COLLECTION_CSRF, &i,
						 sizeof(i)};
		const struct sojourn_value v = {.data = "x", .data_bytes = 1};

		twice += sojourn_put(s, &one, &v, NULL) != 0;
	}
	sem_workers(1, other, NULL);
	return 0;
}

static void s24_computing_is_not_evicted(void **state)
{
	struct sojourn_options o;
	char data[8];
	size_t bytes = sizeof(data);
	bool made;

	(void)state;
	sem_options(&o);
	o.entries_max = ENTRIES;
	o.when_full = SOJOURN_WHEN_FULL_EVICT;
	s = sem_make(&o);
	assert_int_equal(
		sojourn_get_or_create(s, &item, &flight, data, &bytes, &made),
		0);
	assert_true(made);
	assert_int_equal(twice, 0);
	assert_true(sem_counter(s, "evictions") > 0);
	sojourn_detach(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s24_computing_is_not_evicted),
	};

	return cmocka_run_group_tests_name("S24", tests, NULL, NULL);
}
