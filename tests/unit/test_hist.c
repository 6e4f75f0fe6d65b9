/* SPDX-License-Identifier: MIT */

/* The histogram against sorted values and exact ranks. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hist.h"
#include "lib/random.h"

#define VALUES 20000u

static struct soj_hist hist, other, whole;
static uint64_t values[VALUES];

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* All magnitudes alike, up to `bits` bits. */
static void fill(uint64_t seed, uint32_t bits)
{
	soj_hist_init(&hist);
	for (uint32_t i = 0; i < VALUES; i++) {
		values[i] = random_next(&seed) >>
			    (64 - 1 - random_next(&seed) % bits);
		soj_hist_record(&hist, values[i]);
	}
	qsort(values, VALUES, sizeof(values[0]), ascending);
	assert_int_equal(soj_hist_check(&hist), 0);
}

/* Not understated, and overstated by 1/64 at most. */
static void assert_near(uint64_t reported, uint64_t exact)
{
	assert_true(reported >= exact);
	assert_true(reported - exact <= exact / 64);
}

static void test_empty(void **state)
{
	struct soj_hist_iter it = {0};
	uint64_t limit = UINT64_MAX, count = 1;

	(void)state;
	soj_hist_init(&hist);
	assert_int_equal(soj_hist_count(&hist), 0);
	assert_int_equal(soj_hist_min(&hist), 0);
	assert_int_equal(soj_hist_max(&hist), 0);
	assert_true(soj_hist_mean(&hist) == 0.0);
	assert_int_equal(soj_hist_quantile(&hist, 0.5), 0);
	assert_false(soj_hist_next(&hist, &it));
	assert_false(soj_hist_next(&hist, &it));
	soj_hist_cumulative(&hist, &limit, &count, 1);
	assert_int_equal(count, 0);
	assert_int_equal(soj_hist_check(&hist), 0);
	soj_hist_record_n(&hist, 5, 0);
	assert_int_equal(soj_hist_check(&hist), 0);
	assert_int_equal(soj_hist_count(&hist), 0);
}

/* The buckets are disjoint, without gaps, and none is wider than 1/64. */
static void test_buckets_cover_all_values(void **state)
{
	uint64_t low = 0, high;
	uint32_t buckets = 0;

	(void)state;
	for (;;) {
		struct soj_hist_iter it = {0};

		high = soj_hist_limit(low);
		assert_true(high >= low);
		assert_int_equal(soj_hist_limit(high), high);
		assert_true(high - low <= low / 64);
		soj_hist_init(&hist);
		soj_hist_record(&hist, low);
		soj_hist_record(&hist, high);
		assert_true(soj_hist_next(&hist, &it));
		assert_int_equal(it.low, low);
		assert_int_equal(it.high, high);
		assert_int_equal(it.count, 2);
		assert_false(soj_hist_next(&hist, &it));
		buckets++;
		if (high == UINT64_MAX)
			break;
		low = high + 1;
	}
	assert_int_equal(buckets, SOJ_HIST_BUCKETS);
}

static void test_small_values_are_exact(void **state)
{
	(void)state;
	soj_hist_init(&hist);
	for (uint64_t v = 0; v < 128; v++)
		soj_hist_record(&hist, v);
	for (uint64_t rank = 1; rank <= 128; rank++)
		assert_int_equal(soj_hist_quantile(&hist, (double)rank / 128.0),
				 rank - 1);
	/* just above a rank is the next value */
	assert_int_equal(soj_hist_quantile(&hist, 64.0 / 128.0 + 1e-9), 64);
	assert_int_equal(soj_hist_min(&hist), 0);
	assert_int_equal(soj_hist_max(&hist), 127);
	assert_true(soj_hist_mean(&hist) == 63.5);
}

static void test_quantiles_against_sorted(void **state)
{
	static const double qs[] = {0.001, 0.01, 0.1,  0.25,  0.5,   0.75,
				    0.9,   0.95, 0.99, 0.999, 0.9999};

	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		fill(seed, (uint32_t)(seed * 8));
		for (size_t i = 0; i < sizeof(qs) / sizeof(qs[0]); i++) {
			/* ceil, by another way than the histogram's */
			uint64_t rank = (uint64_t)(qs[i] * VALUES + 0.999999);

			assert_near(soj_hist_quantile(&hist, qs[i]),
				    values[rank - 1]);
		}
		assert_int_equal(soj_hist_quantile(&hist, 0.0), values[0]);
		assert_int_equal(soj_hist_quantile(&hist, -1.0), values[0]);
		assert_int_equal(soj_hist_quantile(&hist, 1.0),
				 values[VALUES - 1]);
		assert_int_equal(soj_hist_quantile(&hist, 2.0),
				 values[VALUES - 1]);
		assert_int_equal(soj_hist_quantile(&hist, __builtin_nan("")),
				 values[0]);
	}
}

static void test_count_mean_extremes(void **state)
{
	uint64_t sum = 0;

	(void)state;
	fill(77, 40);
	for (uint32_t i = 0; i < VALUES; i++)
		sum += values[i];
	assert_int_equal(soj_hist_count(&hist), VALUES);
	assert_int_equal(hist.sum, sum);
	assert_true(soj_hist_mean(&hist) == (double)sum / VALUES);
	assert_int_equal(soj_hist_min(&hist), values[0]);
	assert_int_equal(soj_hist_max(&hist), values[VALUES - 1]);
}

static void test_record_n_and_merge(void **state)
{
	uint64_t seed = 5;

	(void)state;
	soj_hist_init(&hist);
	soj_hist_init(&other);
	soj_hist_init(&whole);
	soj_hist_merge(&hist, &other);
	assert_int_equal(soj_hist_check(&hist), 0);
	for (int i = 0; i < 3000; i++) {
		uint64_t v =
			random_next(&seed) >> (8 + random_next(&seed) % 50);
		uint64_t times = 1 + random_next(&seed) % 5;

		soj_hist_record_n(i % 2 ? &hist : &other, v, times);
		while (times-- > 0)
			soj_hist_record(&whole, v);
	}
	soj_hist_merge(&hist, &other);
	assert_memory_equal(&hist, &whole, sizeof(hist));
	/* an empty one changes nothing, on either side */
	soj_hist_init(&other);
	soj_hist_merge(&hist, &other);
	assert_memory_equal(&hist, &whole, sizeof(hist));
	soj_hist_merge(&other, &hist);
	assert_memory_equal(&other, &whole, sizeof(hist));
}

static void test_sum_stops_at_the_end(void **state)
{
	(void)state;
	soj_hist_init(&hist);
	soj_hist_record(&hist, UINT64_MAX);
	soj_hist_record(&hist, 1);
	assert_int_equal(hist.sum, UINT64_MAX);
	assert_int_equal(soj_hist_check(&hist), 0);
	soj_hist_init(&other);
	soj_hist_record_n(&other, UINT64_C(1) << 40, UINT64_C(1) << 30);
	assert_int_equal(other.sum, UINT64_MAX);
	soj_hist_merge(&hist, &other);
	assert_int_equal(hist.sum, UINT64_MAX);
	assert_int_equal(soj_hist_check(&hist), 0);
	/* a rank that a double cannot hold exactly */
	soj_hist_init(&hist);
	soj_hist_record_n(&hist, 3, UINT64_MAX - 1);
	soj_hist_record(&hist, 90);
	assert_int_equal(soj_hist_quantile(&hist, 0.5), 3);
	assert_int_equal(soj_hist_quantile(&hist, 1.0), 90);
}

static void test_iteration(void **state)
{
	struct soj_hist_iter it = {0};
	uint64_t seen = 0, last_high = 0;
	uint32_t at = 0;

	(void)state;
	fill(3, 60);
	while (soj_hist_next(&hist, &it)) {
		uint32_t from = at;

		assert_true(it.count > 0);
		assert_true(seen == 0 || it.low > last_high);
		while (at < VALUES && values[at] <= it.high)
			assert_true(values[at++] >= it.low);
		assert_int_equal(at - from, it.count);
		seen += it.count;
		assert_int_equal(it.cumulative, seen);
		last_high = it.high;
	}
	assert_int_equal(seen, VALUES);
}

static void test_cumulative(void **state)
{
	uint64_t limits[70], counts[70];
	uint32_t at = 0;

	(void)state;
	fill(9, 50);
	for (uint32_t i = 0; i < 70; i++)
		limits[i] = i < 63 ? soj_hist_limit(UINT64_C(3) << i >> 2)
				   : UINT64_MAX;
	soj_hist_cumulative(&hist, limits, counts, 70);
	for (uint32_t i = 0; i < 70; i++) {
		while (at < VALUES && values[at] <= limits[i])
			at++;
		assert_int_equal(counts[i], at);
	}
	assert_int_equal(counts[69], VALUES);

	/* a limit within a bucket does not claim what is above it */
	soj_hist_init(&hist);
	soj_hist_record_n(&hist, 1000, 7);
	soj_hist_record(&hist, 5000);
	limits[0] = 1000;
	limits[1] = soj_hist_limit(1000) - 1;
	limits[2] = soj_hist_limit(1000);
	limits[3] = 4999;
	limits[4] = 5000; /* the maximum is known exactly */
	soj_hist_cumulative(&hist, limits, counts, 5);
	assert_int_equal(counts[0], 0);
	assert_int_equal(counts[1], 0);
	assert_int_equal(counts[2], 7);
	assert_int_equal(counts[3], 7);
	assert_int_equal(counts[4], 8);
}

static void plant(uint64_t *at, uint64_t value)
{
	uint64_t saved = *at;

	*at = value;
	assert_int_equal(soj_hist_check(&hist), -EUCLEAN);
	*at = saved;
	assert_int_equal(soj_hist_check(&hist), 0);
}

static void test_check_finds_damage(void **state)
{
	(void)state;
	soj_hist_init(&hist);
	plant(&hist.count, 1);
	plant(&hist.sum, 1);
	plant(&hist.min, 0);
	plant(&hist.max, 1);
	plant(&hist.buckets[9], 1);
	soj_hist_record(&hist, 10);
	plant(&hist.min, 11);
	plant(&hist.max, 9);
	soj_hist_record(&hist, 5000);
	soj_hist_record(&hist, 6000);
	plant(&hist.count, 4);
	plant(&hist.sum, 10 + 2 * 4096);
	plant(&hist.sum, 20000);
	plant(&hist.min, 9);
	plant(&hist.max, 5000);
	plant(&hist.max, 7000);
	plant(&hist.buckets[20], 1);

	soj_hist_init(&hist);
	soj_hist_record(&hist, 1002);
	soj_hist_record(&hist, 1003);
	plant(&hist.max, 1001); /* the same bucket */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_buckets_cover_all_values),
		cmocka_unit_test(test_small_values_are_exact),
		cmocka_unit_test(test_quantiles_against_sorted),
		cmocka_unit_test(test_count_mean_extremes),
		cmocka_unit_test(test_record_n_and_merge),
		cmocka_unit_test(test_sum_stops_at_the_end),
		cmocka_unit_test(test_iteration),
		cmocka_unit_test(test_cumulative),
		cmocka_unit_test(test_check_finds_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
