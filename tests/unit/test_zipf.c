/* SPDX-License-Identifier: MIT */

/* Ranks of the load generator against the law, with a fixed seed. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "lib_zipf.h"

#define N     1000u
#define DRAWS 2000000u

static uint32_t drawn[N];

static void draw(double theta)
{
	struct soj_rng rng = {42};
	struct soj_zipf z;

	soj_zipf_init(&z, N, theta);
	memset(drawn, 0, sizeof(drawn));
	for (uint32_t i = 0; i < DRAWS; i++) {
		const uint64_t rank = soj_zipf_rank(&z, &rng);

		assert_true(rank < N);
		drawn[rank]++;
	}
}

/* Within `part` of what the law says that ranks from .. to - 1 get together. */
static void assert_share(double theta, uint32_t from, uint32_t to, double part)
{
	double all = 0, wanted = 0, got = 0;

	for (uint32_t i = 0; i < N; i++) {
		const double p = pow(i + 1.0, -theta);

		all += p;
		if (i >= from && i < to) {
			wanted += p;
			got += drawn[i];
		}
	}
	wanted *= DRAWS / all;
	assert_true(fabs(got - wanted) < part * wanted);
}

static void test_uniform(void **state)
{
	(void)state;
	draw(0);
	for (uint32_t i = 0; i < N; i += 100)
		assert_share(0, i, i + 100, 0.02);
}

/* The method is exact for the two first ranks, and near for the others. */
static void test_zipf(void **state)
{
	static const double thetas[] = {0.5, 0.8, 0.99};

	(void)state;
	for (size_t t = 0; t < sizeof(thetas) / sizeof(thetas[0]); t++) {
		draw(thetas[t]);
		assert_share(thetas[t], 0, 1, 0.02);
		assert_share(thetas[t], 1, 2, 0.02);
		assert_share(thetas[t], 2, 10, 0.15);
		assert_share(thetas[t], 10, 100, 0.1);
		assert_share(thetas[t], 100, N, 0.1);
	}
}

/* The sum whose end is an integral is the sum. */
static void test_long_sum(void **state)
{
	struct soj_zipf z;
	double sum = 0;

	(void)state;
	for (uint32_t i = 1; i <= 1000000; i++)
		sum += pow(i, -0.99);
	soj_zipf_init(&z, 1000000, 0.99);
	assert_true(fabs(z.zeta - sum) < 1e-9 * sum);
}

static void test_few(void **state)
{
	struct soj_rng rng = {7};
	struct soj_zipf z;

	(void)state;
	for (uint64_t n = 1; n <= 5; n++) {
		uint32_t seen = 0;

		soj_zipf_init(&z, n, 0.9);
		for (int i = 0; i < 10000; i++) {
			const uint64_t rank = soj_zipf_rank(&z, &rng);

			assert_true(rank < n);
			seen |= 1u << rank;
		}
		assert_int_equal(seen, (1u << n) - 1);
	}
}

/* Each place has its rank: no session is left out, none stands twice. */
static void test_spread_is_a_permutation(void **state)
{
	struct soj_rng rng = {1};
	struct soj_zipf z;
	uint32_t places = 0;

	(void)state;
	soj_zipf_init(&z, N, 0);
	memset(drawn, 0, sizeof(drawn));
	for (uint32_t i = 0; i < 100 * N; i++)
		drawn[soj_zipf_next(&z, &rng)]++;
	for (uint32_t i = 0; i < N; i++)
		places += drawn[i] > 0;
	assert_int_equal(places, N);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uniform),
		cmocka_unit_test(test_zipf),
		cmocka_unit_test(test_long_sum),
		cmocka_unit_test(test_few),
		cmocka_unit_test(test_spread_is_a_permutation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
