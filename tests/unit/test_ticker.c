/* SPDX-License-Identifier: MIT */

/*
 * A ticker beside the clock that it stands for: whenever it knows the
 * millisecond it is that one.  The clock and the counter are ours, and the
 * counter does what counters do: it has any rate, drifts, is interrupted while
 * it is read, jumps, and stands still while the machine is suspended.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/ticker.h"
#include "shm/segment_impl.h"

#define STEPS 400000u

struct world {
	struct soj_ticker ticker;
	int64_t ns;
	double tick, ticks_per_ns;
	uint64_t random;
	uint64_t known, asked;
};

static uint64_t next(struct world *w, uint64_t below)
{
	w->random = w->random * UINT64_C(6364136223846793005) + 1;
	return (w->random >> 33) % below;
}

static void pass(struct world *w, uint64_t ns)
{
	w->ns += (int64_t)ns;
	w->tick += (double)ns * w->ticks_per_ns;
}

/* As boottime_ms() in shm/clock.c. */
static void look(struct world *w)
{
	uint64_t before = (uint64_t)w->tick;
	int64_t ms, ns;

	if (soj_ticker_knows(&w->ticker, before, &ms)) {
		assert_int_equal(ms, w->ns / 1000000);
		w->known++;
		return;
	}
	pass(w, next(w, 100) ? 20 : 30000000);
	ns = w->ns;
	pass(w, next(w, 1000) ? 20 : 5000000);
	soj_ticker_set(&w->ticker, before, ns, (uint64_t)w->tick);
	w->asked++;
}

static void run(struct world *w, void (*happen)(struct world *w))
{
	for (unsigned i = 0; i < STEPS; i++) {
		look(w);
		pass(w, next(w, 300));
		if (happen && next(w, 2000) == 0)
			happen(w);
	}
}

static struct world begin(double ticks_per_ns)
{
	return (struct world){.ns = 5000000000,
			      .tick = 1e12,
			      .ticks_per_ns = ticks_per_ns,
			      .random = 42};
}

static void test_rates(void **state)
{
	static const double rates[] = {0.024, 1, 2.1, 3.7, 6};

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct world w = begin(rates[i]);

		run(&w, NULL);
		/* A slow counter is not worth its early ticks. */
		if (rates[i] >= 1)
			assert_true(w.known > 10 * w.asked);
	}
}

static void drift(struct world *w)
{
	w->ticks_per_ns *= next(w, 2) ? 1.02 : 0.98;
}

static void jump(struct world *w)
{
	double by = (double)next(w, 1u << 30) * (next(w, 2) ? 1 : 1e6);

	w->tick += next(w, 2) && w->tick > by ? -by : by;
	/* Time goes on until somebody runs again, as after a suspend. */
	pass(w, 1000000);
}

static void suspend(struct world *w)
{
	w->ns += (int64_t)next(w, 1u << 30) * 100;
	pass(w, 1000000 + next(w, 1000));
}

static void test_what_counters_do(void **state)
{
	static void (*const happens[])(struct world * w) = {drift, jump,
							    suspend};

	(void)state;
	for (size_t i = 0; i < sizeof(happens) / sizeof(happens[0]); i++) {
		struct world w = begin(2.5);

		run(&w, happens[i]);
		assert_true(w.known > w.asked);
	}
}

/* The real one, between two looks at the clock that it stands for. */
static void test_real(void **state)
{
	struct soj_seg seg = {.clock_base_ms = 0};
	struct soj_clock_base clock;
	struct timespec now;
	uint64_t before, got, after;

	(void)state;
	assert_int_equal(soj_clock_base_read(&clock, NULL), 0);
	for (unsigned i = 0; i < STEPS; i++) {
		clock_gettime(CLOCK_BOOTTIME, &now);
		before = (uint64_t)now.tv_sec * 1000 +
			 (uint64_t)now.tv_nsec / 1000000;
		got = soj_seg_now_ms(&seg);
		clock_gettime(CLOCK_BOOTTIME, &now);
		after = (uint64_t)now.tv_sec * 1000 +
			(uint64_t)now.tv_nsec / 1000000;
		assert_true(got >= before && got <= after);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_what_counters_do),
		cmocka_unit_test(test_real),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
