/* SPDX-License-Identifier: MIT */

/*
 * The wheel against expectations that need no wheel: a model that looks at
 * every timer after every advance, every border between two levels, and a
 * million timers.  Seeded, so a failure comes again.
 */

#include <stdlib.h>
#include <string.h>

#include "lib/random.h"
#include "lib_wheel.h"

static void init(struct soj_wheel *w, uint32_t entries, uint32_t tick_ms,
		 uint64_t now_ms)
{
	assert_int_equal(soj_wheel_init(w, entries, tick_ms, now_ms), 0);
}

static void keep_last(uint32_t idx, uint64_t deadline_ms, void *arg)
{
	(void)idx;
	*(uint64_t *)arg = deadline_ms;
}

static uint64_t advance(struct soj_wheel *w, uint64_t now_ms, uint64_t *last)
{
	return soj_wheel_advance(w, now_ms, ALL, keep_last, last).fired;
}

/*
 * Distances around every power of 64, from presents whose digits are 0, 63 and
 * something between: at each stop on the way to the deadline nothing may fire.
 */
static void border(uint64_t now, uint64_t distance)
{
	struct soj_wheel w;
	uint64_t tick, last = 0, stops = 0;

	if (__builtin_add_overflow(now, distance, &tick))
		return;
	init(&w, 2, 1, now);
	soj_wheel_arm(&w, 1, tick);
	assert_sound(&w);
	for (;;) {
		uint64_t next = soj_wheel_next_ms(&w);

		assert_true(next <= tick);
		assert_true(next > w.now_tick);
		if (next > w.now_tick + 1)
			assert_int_equal(advance(&w, next - 1, &last), 0);
		assert_sound(&w);
		assert_true(++stops <= SOJ_WHEEL_LEVELS);
		if (next == tick)
			break;
		assert_int_equal(advance(&w, next, &last), 0);
		assert_sound(&w);
	}
	assert_int_equal(advance(&w, tick - 1, &last), 0);
	assert_int_equal(advance(&w, tick, &last), 1);
	assert_int_equal(last, tick);
	assert_sound(&w);
	soj_wheel_deinit(&w);
}

static void test_cascades_at_every_border(void **state)
{
	static const uint64_t nows[] = {
		0,
		1,
		63,
		64,
		4095,
		4096,
		262143,
		UINT64_C(0x123456789a),
		(UINT64_C(1) << 42) - 1,
		UINT64_C(1) << 42,
		(UINT64_C(1) << 60) - 1,
		UINT64_C(0xfedcba9876543210),
	};

	(void)state;
	for (size_t n = 0; n < sizeof(nows) / sizeof(nows[0]); n++) {
		for (uint32_t level = 0; level < SOJ_WHEEL_LEVELS; level++) {
			uint64_t base = UINT64_C(1) << (6 * level);

			for (uint64_t mul = 1; mul <= 63; mul += 31) {
				if (base > UINT64_MAX / mul)
					continue;
				if (base * mul > 1)
					border(nows[n], base * mul - 1);
				border(nows[n], base * mul);
				border(nows[n], base * mul + 1);
			}
		}
	}
}

struct model {
	struct soj_wheel w;
	uint32_t entries;
	uint32_t tick_ms;
	uint64_t now_ms;
	uint64_t *deadline_ms; /* UINT64_MAX: not armed */
	uint64_t start_tick;   /* where the advance under way began */
	uint64_t last_tick;    /* and where it has come to */
};

static void model_fire(uint32_t idx, uint64_t deadline_ms, void *arg)
{
	struct model *m = arg;
	uint64_t tick = tick_up(deadline_ms, m->tick_ms);

	assert_in_range(idx, 0, m->entries - 1);
	assert_int_equal(m->deadline_ms[idx], deadline_ms);
	assert_false(soj_wheel_is_armed(&m->w, idx));
	assert_true(tick * m->tick_ms <= m->now_ms);
	/* what was armed late comes in any order, the rest tick by tick */
	if (tick > m->start_tick) {
		assert_true(tick >= m->last_tick);
		m->last_tick = tick;
	} else {
		assert_int_equal(m->last_tick, 0);
	}
	m->deadline_ms[idx] = UINT64_MAX;
}

static uint64_t random_span(uint64_t *seed)
{
	/* every magnitude up to some 35 years alike */
	return random_next(seed) >> (64 - random_next(seed) % 41 - 1);
}

static void model_step(struct model *m, uint64_t *seed)
{
	uint32_t idx = (uint32_t)(random_next(seed) % m->entries);
	uint64_t deadline, span;

	switch (random_next(seed) % 8) {
	case 0:
		assert_int_equal(soj_wheel_disarm(&m->w, idx),
				 m->deadline_ms[idx] != UINT64_MAX);
		m->deadline_ms[idx] = UINT64_MAX;
		return;
	case 1:
		span = random_span(seed);
		deadline = m->now_ms - (span < m->now_ms ? span : m->now_ms);
		break;
	default:
		deadline = m->now_ms + random_span(seed);
		break;
	}
	soj_wheel_arm(&m->w, idx, deadline);
	m->deadline_ms[idx] = deadline;
}

static void model_compare(struct model *m)
{
	uint64_t armed = 0, first = UINT64_MAX;

	for (uint32_t idx = 0; idx < m->entries; idx++) {
		uint64_t deadline = m->deadline_ms[idx];
		uint64_t due;

		assert_int_equal(soj_wheel_is_armed(&m->w, idx),
				 deadline != UINT64_MAX);
		if (deadline == UINT64_MAX)
			continue;
		armed++;
		due = tick_up(deadline, m->tick_ms) * m->tick_ms;
		if (due < first)
			first = due;
		/* all that is due has fired */
		assert_true(due > m->now_ms);
	}
	assert_int_equal(m->w.armed, armed);
	assert_true(soj_wheel_next_ms(&m->w) <= first);
	assert_true((soj_wheel_next_ms(&m->w) == UINT64_MAX) == (armed == 0));
}

static void model_run(uint64_t seed, uint32_t entries, uint32_t tick_ms)
{
	struct model m = {.entries = entries, .tick_ms = tick_ms};

	m.deadline_ms = malloc(entries * sizeof(*m.deadline_ms));
	assert_non_null(m.deadline_ms);
	memset(m.deadline_ms, 0xff, entries * sizeof(*m.deadline_ms));
	m.now_ms = random_span(&seed);
	init(&m.w, entries, tick_ms, m.now_ms);
	for (int round = 0; round < 400; round++) {
		struct soj_wheel_pass pass;

		for (uint64_t n = random_next(&seed) % 200; n > 0; n--)
			model_step(&m, &seed);
		assert_sound(&m.w);
		/* mostly short, now and then years */
		m.now_ms += random_span(&seed) >> (random_next(&seed) % 40);
		m.start_tick = m.w.now_tick;
		m.last_tick = 0;
		do {
			uint64_t budget = 1 + random_next(&seed) % 300;

			pass = soj_wheel_advance(&m.w, m.now_ms, budget,
						 model_fire, &m);
			assert_true(pass.fired + pass.moved <= budget);
			assert_sound(&m.w);
			if (pass.behind)
				assert_true(soj_wheel_next_ms(&m.w) <=
					    m.now_ms);
		} while (pass.behind);
		model_compare(&m);
	}
	assert_true(m.w.fired > 0 && m.w.moved > 0);
	soj_wheel_deinit(&m.w);
	free(m.deadline_ms);
}

static void test_model(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 12; seed++) {
		model_run(seed, 300, 8);
		model_run(seed * 1000, 3, 1);
		model_run(seed * 1000000, 1000, 10);
		model_run(~seed, 50, 7);
	}
}

struct million {
	uint64_t last_ms;
	uint64_t fired;
	uint8_t *seen;
};

static void million_fire(uint32_t idx, uint64_t deadline_ms, void *arg)
{
	struct million *m = arg;

	assert_true(tick_up(deadline_ms, 8) >= tick_up(m->last_ms, 8));
	assert_int_equal(m->seen[idx], 0);
	m->seen[idx] = 1;
	m->last_ms = deadline_ms;
	m->fired++;
}

static void test_a_million(void **state)
{
	enum { TIMERS = 1000000 };
	struct million m = {.seen = calloc(TIMERS, 1)};
	struct soj_wheel w;
	uint64_t seed = 42, now = 0, expected = 0;

	(void)state;
	assert_non_null(m.seen);
	init(&w, TIMERS, 8, 0);
	for (uint32_t i = 0; i < TIMERS; i++)
		soj_wheel_arm(&w, i, 1 + random_next(&seed) % 86400000);
	/* half of them somewhere else, a tenth not at all */
	for (uint32_t i = 0; i < TIMERS; i += 2)
		soj_wheel_arm(&w, i, 1 + random_next(&seed) % 1800000);
	for (uint32_t i = 0; i < TIMERS; i += 10)
		assert_true(soj_wheel_disarm(&w, i));
	assert_int_equal(w.armed, TIMERS - TIMERS / 10);
	assert_sound(&w);
	while (w.armed > 0) {
		struct soj_wheel_pass pass;

		now += 1 + random_next(&seed) % 3600000;
		m.last_ms = 0;
		pass = soj_wheel_advance(&w, now, ALL, million_fire, &m);
		expected += pass.fired;
		assert_false(pass.behind);
	}
	assert_int_equal(m.fired, TIMERS - TIMERS / 10);
	assert_int_equal(expected, m.fired);
	assert_true(now >= 86400000 - 8);
	/* a day is level 3: three moves at most */
	assert_true(w.moved <= 3 * m.fired);
	assert_sound(&w);
	soj_wheel_deinit(&w);
	free(m.seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cascades_at_every_border),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_a_million),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
