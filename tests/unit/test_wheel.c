/* SPDX-License-Identifier: MIT */

/*
 * The wheel case by case.  All expectations are ticks and counts; nothing here
 * reads a clock.  test_wheel_model.c compares it with a model.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib_wheel.h"

/* A record of what fired. */
struct log {
	uint32_t count;
	uint32_t idx[64];
	uint64_t deadline_ms[64];
};

static void log_fire(uint32_t idx, uint64_t deadline_ms, void *arg)
{
	struct log *log = arg;

	if (log->count < 64) {
		log->idx[log->count] = idx;
		log->deadline_ms[log->count] = deadline_ms;
	}
	log->count++;
}

static void init(struct soj_wheel *w, uint32_t entries, uint32_t tick_ms,
		 uint64_t now_ms)
{
	assert_int_equal(soj_wheel_init(w, entries, tick_ms, now_ms), 0);
}

static uint64_t advance(struct soj_wheel *w, uint64_t now_ms, struct log *log)
{
	struct soj_wheel_pass pass;

	memset(log, 0, sizeof(*log));
	pass = soj_wheel_advance(w, now_ms, ALL, log_fire, log);
	assert_int_equal(pass.fired, log->count);
	return pass.fired;
}

static void test_arguments(void **state)
{
	struct soj_wheel w;

	(void)state;
	assert_int_equal(soj_wheel_init(&w, 0, 8, 0), -EINVAL);
	assert_int_equal(soj_wheel_init(&w, SOJ_WHEEL_ENTRIES_MAX + 1, 8, 0),
			 -EINVAL);
	assert_int_equal(soj_wheel_init(&w, 1, 0, 0), -EINVAL);
	assert_int_equal(soj_wheel_init(&w, 1, 11, 0), -EINVAL);
	init(&w, 1, 10, 0);
	soj_wheel_deinit(&w);
}

static void test_tick_of_the_deadline(void **state)
{
	struct soj_wheel w;
	struct log log;

	(void)state;
	for (uint64_t deadline = 1001; deadline <= 1024; deadline++) {
		uint64_t due = tick_up(deadline, 8) * 8;

		init(&w, 4, 8, 1000);
		soj_wheel_arm(&w, 3, deadline);
		assert_true(soj_wheel_is_armed(&w, 3));
		assert_false(soj_wheel_is_armed(&w, 2));
		assert_int_equal(soj_wheel_deadline_ms(&w, 3), deadline);
		assert_int_equal(soj_wheel_deadline_ms(&w, 2), UINT64_MAX);
		assert_int_equal(advance(&w, due - 1, &log), 0);
		assert_int_equal(soj_wheel_next_ms(&w), due);
		assert_int_equal(advance(&w, due, &log), 1);
		assert_int_equal(log.idx[0], 3);
		assert_int_equal(log.deadline_ms[0], deadline);
		assert_true(due >= deadline && due - deadline < 8);
		assert_false(soj_wheel_is_armed(&w, 3));
		assert_int_equal(advance(&w, due + 100000, &log), 0);
		assert_int_equal(soj_wheel_next_ms(&w), UINT64_MAX);
		assert_sound(&w);
		soj_wheel_deinit(&w);
	}
}

/* One timer per border, all in one wheel and one advance: strictly in order. */
static void test_order_over_all_levels(void **state)
{
	struct soj_wheel w;
	struct log log;
	uint32_t armed = 0;

	(void)state;
	init(&w, 64, 1, 4095);
	for (uint32_t bit = 42; bit-- > 0;)
		soj_wheel_arm(&w, armed++, 4095 + (UINT64_C(1) << bit));
	assert_sound(&w);
	assert_int_equal(advance(&w, UINT64_C(1) << 43, &log), armed);
	for (uint32_t i = 0; i < armed; i++)
		assert_int_equal(log.deadline_ms[i], 4095 + (UINT64_C(1) << i));
	soj_wheel_deinit(&w);
}

static void test_time_does_not_go_back(void **state)
{
	struct soj_wheel w;
	struct log log;

	(void)state;
	init(&w, 4, 1, 1000);
	soj_wheel_arm(&w, 0, 1060);
	assert_int_equal(advance(&w, 1010, &log), 0);
	assert_int_equal(advance(&w, 5, &log), 0);
	assert_sound(&w);
	soj_wheel_arm(&w, 1, 1010);
	assert_int_equal(advance(&w, 5, &log), 1);
	assert_int_equal(soj_wheel_next_ms(&w), 1060);
	soj_wheel_deinit(&w);
}

static void test_past_and_far_future(void **state)
{
	struct soj_wheel w;
	struct log log;
	uint64_t year_ms = UINT64_C(365) * 86400 * 1000;

	(void)state;
	init(&w, 8, 8, 1000000);
	soj_wheel_arm(&w, 0, 0);
	soj_wheel_arm(&w, 1, 1000000);
	soj_wheel_arm(&w, 2, 1000000 + 30 * year_ms);
	soj_wheel_arm(&w, 3, UINT64_MAX);
	soj_wheel_arm(&w, 4, UINT64_MAX - 1);
	assert_sound(&w);
	assert_true(soj_wheel_next_ms(&w) <= 1000000);
	/* even if time does not move, or seems to have gone back */
	assert_int_equal(advance(&w, 0, &log), 2);
	assert_int_equal(advance(&w, 1000000 + 30 * year_ms - 1, &log), 0);
	assert_int_equal(advance(&w, 1000000 + 30 * year_ms, &log), 1);
	assert_int_equal(log.idx[0], 2);
	/* in ticks there is a next one, in milliseconds there is not */
	assert_int_equal(soj_wheel_next_ms(&w), UINT64_MAX);
	assert_sound(&w);
	assert_int_equal(advance(&w, UINT64_MAX - 8, &log), 0);
	assert_sound(&w);
	/* a deadline past the last whole tick cannot come: still armed */
	assert_int_equal(advance(&w, UINT64_MAX, &log), 0);
	assert_true(soj_wheel_is_armed(&w, 3));
	assert_true(soj_wheel_disarm(&w, 3));
	assert_true(soj_wheel_disarm(&w, 4));
	assert_int_equal(w.levels, 0);
	assert_sound(&w);
	soj_wheel_deinit(&w);

	init(&w, 8, 1, 0);
	soj_wheel_arm(&w, 3, UINT64_MAX);
	assert_int_equal(advance(&w, UINT64_MAX - 1, &log), 0);
	assert_int_equal(soj_wheel_next_ms(&w), UINT64_MAX);
	assert_int_equal(advance(&w, UINT64_MAX, &log), 1);
	soj_wheel_deinit(&w);
}

/* Ten years missed: counted in ticks visited, not in ticks passed. */
static void test_long_gap_is_not_walked(void **state)
{
	struct soj_wheel w;
	struct log log;
	uint64_t ten_years_ms = UINT64_C(3653) * 86400 * 1000;

	(void)state;
	init(&w, 16, 1, 7);
	advance(&w, ten_years_ms, &log);
	assert_int_equal(w.ticks, 0);
	for (uint32_t i = 0; i < 10; i++)
		soj_wheel_arm(&w, i, (i + 2) * ten_years_ms - i);
	assert_int_equal(advance(&w, 20 * ten_years_ms, &log), 10);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(log.idx[i], i);
	assert_in_range(w.ticks, 10, 10 * SOJ_WHEEL_LEVELS);
	assert_in_range(w.moved, 1, 10 * (SOJ_WHEEL_LEVELS - 1));
	soj_wheel_deinit(&w);
}

struct rearm {
	struct soj_wheel *w;
	uint64_t period_ms;
	uint64_t now_ms;
	uint32_t count;
	bool into_past;
};

static void rearm_fire(uint32_t idx, uint64_t deadline_ms, void *arg)
{
	struct rearm *r = arg;

	r->count++;
	assert_sound(r->w);
	soj_wheel_arm(r->w, idx, r->into_past ? 0 : deadline_ms + r->period_ms);
	assert_sound(r->w);
}

static void test_rearm_in_callback(void **state)
{
	struct soj_wheel w;
	struct rearm r = {.w = &w, .period_ms = 8};
	struct soj_wheel_pass pass;

	(void)state;
	/* a period is not lost however late the advance comes */
	init(&w, 4, 8, 0);
	soj_wheel_arm(&w, 2, 8);
	pass = soj_wheel_advance(&w, 8000, ALL, rearm_fire, &r);
	assert_int_equal(pass.fired, 1000);
	assert_false(pass.behind);
	assert_int_equal(soj_wheel_next_ms(&w), 8008);

	/* into the past: once per advance, and the advance says so */
	r.into_past = true;
	pass = soj_wheel_advance(&w, 8008, ALL, rearm_fire, &r);
	assert_int_equal(pass.fired, 1);
	assert_true(pass.behind);
	assert_true(soj_wheel_next_ms(&w) <= 8008);
	for (int i = 0; i < 5; i++) {
		pass = soj_wheel_advance(&w, 8008, ALL, rearm_fire, &r);
		assert_int_equal(pass.fired, 1);
	}
	assert_int_equal(r.count, 1006);
	soj_wheel_deinit(&w);
}

/* The callback of 0 disarms, re-arms and arms others of the same tick. */
struct meddle {
	struct soj_wheel *w;
	struct log log;
	uint32_t victims;
};

static void meddle_fire(uint32_t idx, uint64_t deadline_ms, void *arg)
{
	struct meddle *m = arg;

	log_fire(idx, deadline_ms, &m->log);
	if (m->log.count > 1)
		return;
	/* all others of the round, its last one among them */
	for (uint32_t i = 0; i < m->victims; i++)
		if (i != idx)
			assert_true(soj_wheel_disarm(m->w, i));
	assert_sound(m->w);
	soj_wheel_arm(m->w, 50, 10); /* past: next advance */
	soj_wheel_arm(m->w, 51, 900);
	assert_sound(m->w);
}

static void test_callback_changes_others(void **state)
{
	struct soj_wheel w;

	(void)state;
	for (uint32_t victims = 1; victims <= 5; victims++) {
		struct meddle m = {.w = &w, .victims = victims};
		struct soj_wheel_pass pass;

		init(&w, 64, 1, 0);
		for (uint32_t i = 0; i < victims; i++)
			soj_wheel_arm(&w, i, 100);
		pass = soj_wheel_advance(&w, 100, ALL, meddle_fire, &m);
		assert_int_equal(pass.fired, 1);
		assert_true(pass.behind);
		assert_int_equal(w.armed, 2);
		assert_int_equal(soj_wheel_disarm(&w, 0), false);
		pass = soj_wheel_advance(&w, 100, ALL, meddle_fire, &m);
		assert_int_equal(pass.fired, 1);
		assert_int_equal(m.log.idx[1], 50);
		pass = soj_wheel_advance(&w, 900, ALL, meddle_fire, &m);
		assert_int_equal(pass.fired, 1);
		assert_int_equal(m.log.idx[2], 51);
		assert_sound(&w);
		soj_wheel_deinit(&w);
	}
}

static void test_rearm_when_armed(void **state)
{
	struct soj_wheel w;
	struct log log;

	(void)state;
	init(&w, 4, 1, 0);
	for (uint64_t deadline = 1; deadline < UINT64_C(1) << 40;
	     deadline *= 3) {
		soj_wheel_arm(&w, 0, deadline);
		soj_wheel_arm(&w, 1, deadline);
		assert_int_equal(w.armed, 2);
		assert_sound(&w);
	}
	/* back to near: the later places are forgotten */
	soj_wheel_arm(&w, 0, 5);
	assert_true(soj_wheel_disarm(&w, 1));
	assert_false(soj_wheel_disarm(&w, 1));
	assert_sound(&w);
	assert_int_equal(advance(&w, UINT64_C(1) << 41, &log), 1);
	assert_int_equal(log.deadline_ms[0], 5);
	assert_int_equal(w.armed, 0);
	soj_wheel_deinit(&w);
}

static void test_budget(void **state)
{
	struct soj_wheel w;
	struct log log = {0};
	struct soj_wheel_pass pass;
	uint64_t moved = 0, calls = 0;

	(void)state;
	init(&w, 1000, 1, 0);
	for (uint32_t i = 0; i < 1000; i++)
		soj_wheel_arm(&w, i, 5000 + i / 100);
	pass = soj_wheel_advance(&w, 6000, 0, log_fire, &log);
	assert_int_equal(pass.fired + pass.moved, 0);
	assert_true(pass.behind);
	do {
		pass = soj_wheel_advance(&w, 6000, 7, log_fire, &log);
		assert_true(pass.fired + pass.moved <= 7);
		assert_true(!pass.behind || pass.fired + pass.moved == 7);
		assert_sound(&w);
		moved += pass.moved;
		calls++;
		/* in the middle of a cascade and of a tick the wheel is open */
		if (calls == 3) {
			assert_true(soj_wheel_disarm(&w, 999));
			soj_wheel_arm(&w, 998, 5000);
			assert_sound(&w);
		}
	} while (pass.behind);
	assert_int_equal(log.count, 999);
	assert_int_equal(w.moved, moved);
	assert_int_equal(calls, (999 + moved + 6) / 7);
	assert_int_equal(w.armed, 0);
	soj_wheel_deinit(&w);
}

static uint64_t resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long total, resident;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu", &total, &resident), 2);
	fclose(f);
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void test_untouched_entries_cost_nothing(void **state)
{
	uint64_t before = resident_bytes();
	struct soj_wheel w;
	struct log log;

	(void)state;
	init(&w, SOJ_WHEEL_ENTRIES_MAX, 8, 0);
	soj_wheel_arm(&w, 0, 100);
	soj_wheel_arm(&w, 70000, 200);
	assert_sound(&w);
	soj_wheel_arm(&w, SOJ_WHEEL_ENTRIES_MAX - 1, 300);
	assert_int_equal(advance(&w, 1000, &log), 3);
	/* 1 GiB of address space; three huge pages would be 6 MiB */
	assert_true(resident_bytes() - before < 32u << 20);
	soj_wheel_deinit(&w);
}

/* Every kind of damage is found, and named by its invariant. */
static void assert_broken(const struct soj_wheel *w, const char *invariant)
{
	const char *why = NULL;

	assert_int_equal(soj_wheel_check(w, &why), -EUCLEAN);
	assert_int_equal(soj_wheel_check(w, NULL), -EUCLEAN);
	assert_non_null(why);
	assert_memory_equal(why, invariant, 2);
}

static void plant(struct soj_wheel *w, void *at, size_t bytes, uint64_t value,
		  const char *invariant)
{
	uint64_t saved = 0;

	memcpy(&saved, at, bytes);
	assert_memory_not_equal(at, &value, bytes);
	memcpy(at, &value, bytes);
	assert_broken(w, invariant);
	memcpy(at, &saved, bytes);
	assert_sound(w);
}

static void test_check_finds_damage(void **state)
{
	struct soj_wheel w;
	struct soj_wheel_node *a, *c;
	struct log log = {0};

	(void)state;
	init(&w, 16, 1, 1000);
	soj_wheel_arm(&w, 0, 1010);
	soj_wheel_arm(&w, 1, 1010);
	soj_wheel_arm(&w, 2, 1500);
	soj_wheel_arm(&w, 3, 1000); /* due */
	soj_wheel_arm(&w, 4, 2000);
	assert_true(soj_wheel_disarm(&w, 4));
	assert_sound(&w);
	a = &w.nodes[SOJ_WHEEL_ENTRY0];
	c = &w.nodes[SOJ_WHEEL_ENTRY0 + 2];

	plant(&w, &a->next, 4, SOJ_WHEEL_ENTRY0 + 4, "I1");
	plant(&w, &a->next, 4, UINT32_MAX, "I1");
	plant(&w, &a->next, 4, SOJ_WHEEL_ENTRY0, "I1");
	plant(&w, &a->next, 4, SOJ_WHEEL_NIL, "I1");
	plant(&w, &a->next, 4, SOJ_WHEEL_DUE, "I1");
	plant(&w, &a->prev, 4, UINT32_MAX, "I1");
	plant(&w, &w.nodes[SOJ_WHEEL_CASCADE].next, 4, 7, "I1");
	plant(&w, &w.occupied[0], 8, 0, "I2");
	plant(&w, &w.occupied[5], 8, 1, "I2");
	plant(&w, &w.levels, 4, 1, "I2");
	plant(&w, &w.levels, 4, w.levels | 1u << 31, "I2");
	plant(&w, &a->deadline_ms, 8, 1011, "I3");
	plant(&w, &a->deadline_ms, 8, 1010 + 64, "I3");
	plant(&w, &a->deadline_ms, 8, 1010 - 64, "I3");
	plant(&w, &c->deadline_ms, 8, 1500 + 4096, "I3");
	plant(&w, &a[3].deadline_ms, 8, 1001, "I4");
	plant(&w, &w.now_tick, 8, 1010, "I3");
	plant(&w, &w.armed, 8, 3, "I6");
	plant(&w, &w.armed, 8, 5, "I6");
	plant(&w, &w.touched, 4, 17, "I6");
	plant(&w, &a[4].next, 4, SOJ_WHEEL_DUE, "I6");
	w.armed = 5; /* the count and the links agree, the lists do not */
	a[4].next = SOJ_WHEEL_DUE;
	assert_broken(&w, "I6");
	w.armed = 4;
	a[4].next = SOJ_WHEEL_NIL;
	assert_sound(&w);

	/* stop in the middle of a cascade */
	soj_wheel_arm(&w, 5, 1501);
	soj_wheel_advance(&w, 1502, 4, log_fire, &log);
	assert_int_equal(log.count, 3);
	assert_int_equal(w.nodes[SOJ_WHEEL_CASCADE].next, SOJ_WHEEL_ENTRY0 + 5);
	plant(&w, &a[5].deadline_ms, 8, 1400, "I5");
	soj_wheel_deinit(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_tick_of_the_deadline),
		cmocka_unit_test(test_order_over_all_levels),
		cmocka_unit_test(test_time_does_not_go_back),
		cmocka_unit_test(test_past_and_far_future),
		cmocka_unit_test(test_long_gap_is_not_walked),
		cmocka_unit_test(test_rearm_in_callback),
		cmocka_unit_test(test_callback_changes_others),
		cmocka_unit_test(test_rearm_when_armed),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_untouched_entries_cost_nothing),
		cmocka_unit_test(test_check_finds_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
