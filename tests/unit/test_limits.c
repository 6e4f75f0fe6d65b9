/* SPDX-License-Identifier: MIT */

/*
 * At the limits: what is too long or too large is refused, and a deadline is
 * over at its very millisecond and not before.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sojourn/sojourn.h>

#include "session/policy.h"
#include "store/store.h"

static struct sojourn *open_small(void)
{
	struct sojourn_options o;
	struct sojourn *s;

	sojourn_options_init(&o);
	o.entries_max = 100;
	o.segment_bytes = 16 << 20;
	o.threads_max = 8;
	o.helper = SOJOURN_HELPER_NONE;
	o.manual_clock = true;
	assert_int_equal(sojourn_create(NULL, &o, &s), 0);
	return s;
}

static void sizes(void **state)
{
	struct sojourn *s = open_small();
	const size_t max = SOJ_DATA_BYTES_MAX;
	char *data = calloc(1, max + 1), subject[258];
	char id[SOJOURN_ID_CHARS_MAX + 1], none[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_new n = {.subject = subject, .data = data};

	(void)state;
	memset(subject, 's', sizeof(subject));
	subject[256] = 0;
	assert_int_equal(sojourn_session_create(s, &n, none, NULL), -EINVAL);
	subject[255] = 0;
	n.data_bytes = max + 1;
	assert_int_equal(sojourn_session_create(s, &n, none, NULL), -EMSGSIZE);
	n.data_bytes = 8;
	n.ttl_ms = 11 * SOJ_YEAR_MS;
	assert_int_equal(sojourn_session_create(s, &n, none, NULL), -EINVAL);
	n.ttl_ms = 0;
	assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
	assert_int_equal(sojourn_session_update(s, id, data, max + 1, 0, NULL),
			 -EMSGSIZE);
	assert_int_equal(sojourn_session_update(s, id, data, max, 0, NULL), 0);
	free(data);
	sojourn_detach(s);
}

static int too_much(void *arg, void *data, size_t *bytes, size_t capacity)
{
	(void)arg;
	memset(data, 0, capacity);
	*bytes = capacity + 1;
	return 0;
}

static void callbacks(void **state)
{
	struct sojourn *s = open_small();
	struct sojourn_new n = {.subject = "anna"};
	char id[SOJOURN_ID_CHARS_MAX + 1];

	(void)state;
	assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
	assert_int_equal(
		sojourn_session_modify(s, id, 16, too_much, NULL, NULL),
		-EINVAL);
	sojourn_detach(s);
}

/* With everything far away but what the caller brings nearer. */
static struct soj_times far_away(void)
{
	return (struct soj_times){.created_ms = 1000,
				  .accessed_ms = 1000,
				  .expires_ms = 1000000,
				  .grace_until_ms = UINT64_MAX};
}

static void deadlines(void **state)
{
	struct soj_times t = far_away();

	(void)state;
	assert_int_equal(soj_times_judge(&t, 999999), SOJ_ACTIVE);
	assert_int_equal(soj_times_judge(&t, 1000000), SOJ_ENDED_EXPIRED);
	assert_int_equal(soj_times_deadline_ms(&t), 1000000);
	t.idle_ms = 500;
	assert_int_equal(soj_times_judge(&t, 1499), SOJ_ACTIVE);
	assert_int_equal(soj_times_judge(&t, 1500), SOJ_ENDED_IDLE);
	assert_int_equal(soj_times_deadline_ms(&t), 1500);
	t = far_away();
	t.sliding_ms = 700;
	assert_int_equal(soj_times_judge(&t, 1699), SOJ_ACTIVE);
	assert_int_equal(soj_times_judge(&t, 1700), SOJ_ENDED_EXPIRED);
	assert_int_equal(soj_times_deadline_ms(&t), 1700);
	t = far_away();
	t.grace_until_ms = 2000;
	assert_int_equal(soj_times_judge(&t, 1999), SOJ_ACTIVE);
	assert_int_equal(soj_times_judge(&t, 2000), SOJ_ENDED_GRACE);
	assert_int_equal(soj_times_deadline_ms(&t), 2000);
}

static void leases(void **state)
{
	const struct soj_shm_policy policy = {.lease_ms = 2000};
	const uint64_t now = 123456;
	const uint64_t tick = soj_lease_until(&policy, now);

	(void)state;
	assert_false(soj_lease_over(tick, now));
	assert_false(soj_lease_over(tick, now + 2000));
	assert_true(soj_lease_over(tick, now + 2000 + 2 * SOJ_LEASE_TICK_MS));
	assert_true(soj_lease_over(tick, now + 1000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(callbacks),
		cmocka_unit_test(deadlines),
		cmocka_unit_test(leases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
