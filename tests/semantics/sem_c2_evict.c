/* SPDX-License-Identifier: MIT */

/*
 * C2: whom a full segment ends.  The hit ratio on a zipf trace is compared with
 * that of an exact LRU of the same size, and a flood of logins that nobody
 * comes back to must not drive out those who do.
 */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sojourn/sojourn.h>

#include "lib/counter.h"

#define CAPACITY 1000u
#define KEYS     5000u
#define OPS      60000u

static uint64_t seed;

static uint64_t next_random(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * UINT64_C(2685821657736338717);
}

/* ---- zipf by its cumulated weights ---- */

static double cumulated[KEYS];

static void zipf_init(double s)
{
	double sum = 0;

	for (uint32_t i = 0; i < KEYS; i++) {
		sum += 1 / pow(i + 1, s);
		cumulated[i] = sum;
	}
	for (uint32_t i = 0; i < KEYS; i++)
		cumulated[i] /= sum;
}

static uint32_t zipf(void)
{
	double x = (double)(next_random() >> 11) / 9007199254740992.0;
	uint32_t low = 0, high = KEYS - 1;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (cumulated[mid] < x)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* ---- the exact one: who was used last is at the head ---- */

struct lru {
	int32_t next[KEYS], prev[KEYS]; /* -1: none */
	bool in[KEYS];
	int32_t head, tail;
	uint32_t count;
};

static void lru_init(struct lru *l)
{
	memset(l, 0, sizeof(*l));
	l->head = l->tail = -1;
}

static void lru_unlink(struct lru *l, int32_t k)
{
	if (l->prev[k] >= 0)
		l->next[l->prev[k]] = l->next[k];
	else
		l->head = l->next[k];
	if (l->next[k] >= 0)
		l->prev[l->next[k]] = l->prev[k];
	else
		l->tail = l->prev[k];
	l->in[k] = false;
	l->count--;
}

static bool lru_use(struct lru *l, int32_t k, uint32_t capacity)
{
	bool hit = l->in[k];

	if (hit)
		lru_unlink(l, k);
	else if (l->count == capacity)
		lru_unlink(l, l->tail);
	l->prev[k] = -1;
	l->next[k] = l->head;
	if (l->head >= 0)
		l->prev[l->head] = k;
	else
		l->tail = k;
	l->head = k;
	l->in[k] = true;
	l->count++;
	return hit;
}

/* ---- ours ---- */

static char ids[KEYS][SOJOURN_ID_CHARS_MAX + 1];

static struct sojourn *make(void)
{
	struct sojourn_options o;
	struct sojourn *s;

	sojourn_options_init(&o);
	o.entries_max = CAPACITY;
	o.segment_bytes = 8 << 20;
	o.threads_max = 8;
	o.ttl_ms = 86400000;
	o.when_full = SOJOURN_WHEN_FULL_EVICT;
	o.manual_clock = true;
	o.helper = SOJOURN_HELPER_NONE;
	assert_int_equal(sojourn_create(NULL, &o, &s), 0);
	memset(ids, 0, sizeof(ids));
	return s;
}

static void login(struct sojourn *s, char *id)
{
	const struct sojourn_new n = {.subject = "c2"};

	if (sojourn_session_create(s, &n, id, NULL) != 0)
		fail_msg("%s", sojourn_error_text());
}

static bool use(struct sojourn *s, uint32_t k)
{
	if (ids[k][0] &&
	    sojourn_session_read(s, ids[k], NULL, NULL, NULL, NULL) == 0)
		return true;
	login(s, ids[k]);
	return false;
}

static void c2_hit_ratio_near_exact_lru(void **state)
{
	struct sojourn *s = make();
	struct lru *l = malloc(sizeof(*l));
	uint32_t ours = 0, exact = 0;

	(void)state;
	assert_non_null(l);
	lru_init(l);
	zipf_init(0.99);
	seed = 2024;
	for (uint32_t i = 0; i < OPS; i++) {
		uint32_t k = zipf();
		bool hit = use(s, k),
		     hit_exact = lru_use(l, (int32_t)k, CAPACITY);

		if (i >= OPS / 6) { /* warm */
			ours += hit;
			exact += hit_exact;
		}
		assert_int_equal(sojourn_clock_advance(s, 100), 0);
	}
	printf("C2 hit ratio %.2f %%, exact LRU %.2f %%\n",
	       100.0 * ours / (OPS - OPS / 6), 100.0 * exact / (OPS - OPS / 6));
	/* Two points of a hundred, and whatever it is better. */
	assert_true(ours + (OPS - OPS / 6) / 50 >= exact);
	assert_true(counter_of(s, "evictions") > 0);
	assert_true(counter_of(s, "evictions_young") > 0);
	free(l);
	sojourn_detach(s);
}

/* Nine logins of strangers for one request of a regular. */
static void c2_a_flood_does_not_drive_out_regulars(void **state)
{
	const uint32_t regulars = CAPACITY / 4;
	struct sojourn *s = make();
	uint32_t lost = 0, exact_lost = 0, rounds = 20 * regulars;
	char stranger[SOJOURN_ID_CHARS_MAX + 1];

	(void)state;
	for (uint32_t r = 0; r < 2; r++)
		for (uint32_t k = 0; k < regulars; k++) {
			use(s, k);
			assert_int_equal(sojourn_clock_advance(s, 1100), 0);
		}
	for (uint32_t i = 0; i < rounds; i++) {
		for (unsigned j = 0; j < 9; j++) {
			login(s, stranger);
			assert_int_equal(sojourn_clock_advance(s, 100), 0);
		}
		lost += !use(s, i % regulars);
	}
	/* 250 regulars and 2,250 strangers between two uses of one: an exact
	 * LRU of 1,000 loses every one of them. */
	exact_lost = rounds;
	printf("C2 flood: regulars lost %u of %u, exact LRU %u\n", lost, rounds,
	       exact_lost);
	assert_true(lost < rounds / 20);
	sojourn_detach(s);
}

/* Listing and looking leave no trace. */
static void c2_a_scan_does_not_make_young(void **state)
{
	const struct sojourn_read look = {.no_touch = true};
	struct sojourn *s = make();
	uint32_t left = 0;

	(void)state;
	for (uint32_t k = 0; k < CAPACITY; k++) {
		login(s, ids[k]);
		assert_int_equal(sojourn_clock_advance(s, 1100), 0);
	}
	/* The younger half is used, then the older half is looked at. */
	for (uint32_t k = CAPACITY / 2; k < CAPACITY; k++)
		assert_true(use(s, k));
	assert_int_equal(sojourn_clock_advance(s, 5000), 0);
	for (uint32_t k = 0; k < CAPACITY / 2; k++)
		assert_int_equal(sojourn_session_read(s, ids[k], &look, NULL,
						      NULL, NULL),
				 0);
	for (uint32_t k = CAPACITY; k < CAPACITY + CAPACITY / 4; k++)
		login(s, ids[k]);
	for (uint32_t k = CAPACITY / 2; k < CAPACITY; k++)
		left += sojourn_session_read(s, ids[k], &look, NULL, NULL,
					     NULL) == 0;
	printf("C2 scan: %u of %u used ones left\n", left, CAPACITY / 2);
	assert_true(left >= CAPACITY / 2 - CAPACITY / 100);
	sojourn_detach(s);
}

/* In a small segment a login must not cost everybody else's. */
static void c2_no_more_than_it_takes(void **state)
{
	struct sojourn_options o;
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn *s;

	(void)state;
	sojourn_options_init(&o);
	o.entries_max = 20;
	o.segment_bytes = 8 << 20;
	o.threads_max = 8;
	o.when_full = SOJOURN_WHEN_FULL_EVICT;
	o.manual_clock = true;
	o.helper = SOJOURN_HELPER_NONE;
	assert_int_equal(sojourn_create(NULL, &o, &s), 0);
	for (unsigned i = 0; i < 30; i++) {
		login(s, id);
		assert_int_equal(sojourn_clock_advance(s, 2000), 0);
	}
	assert_int_equal(counter_of(s, "evictions"), 10);
	sojourn_detach(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(c2_hit_ratio_near_exact_lru),
		cmocka_unit_test(c2_a_flood_does_not_drive_out_regulars),
		cmocka_unit_test(c2_a_scan_does_not_make_young),
		cmocka_unit_test(c2_no_more_than_it_takes),
	};

	return cmocka_run_group_tests_name("C2", tests, NULL, NULL);
}
