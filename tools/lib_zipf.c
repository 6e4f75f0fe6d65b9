/* SPDX-License-Identifier: MIT */

#include "lib_zipf.h"

#include <math.h>

/* A prime above every n: its multiples go through all residues. */
#define SPREAD UINT64_C(4294967291)
/* Summed one by one; the rest by an integral, which is as exact there. */
#define EXACT UINT64_C(100000)

uint64_t soj_rng_next(struct soj_rng *rng)
{
	uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t soj_rng_below(struct soj_rng *rng, uint64_t n)
{
	return (uint64_t)((unsigned __int128)soj_rng_next(rng) * n >> 64);
}

static double zeta(uint64_t n, double theta)
{
	const uint64_t exact = n < EXACT ? n : EXACT;
	double sum = 0;

	for (uint64_t i = 1; i <= exact; i++)
		sum += pow((double)i, -theta);
	/* The midpoint rule, read backwards. */
	if (n > exact)
		sum += (pow((double)n + 0.5, 1 - theta) -
			pow((double)exact + 0.5, 1 - theta)) /
		       (1 - theta);
	return sum;
}

void soj_zipf_init(struct soj_zipf *z, uint64_t n, double theta)
{
	const double both = zeta(2, theta);

	z->n = n;
	z->theta = theta;
	z->zeta = zeta(n, theta);
	z->half = both;
	z->eta = n < 3 ? 0
		       : (1 - pow(2 / (double)n, 1 - theta)) /
				 (1 - both / z->zeta);
}

uint64_t soj_zipf_rank(const struct soj_zipf *z, struct soj_rng *rng)
{
	double u, uz;
	uint64_t rank;

	if (z->theta <= 0)
		return soj_rng_below(rng, z->n);
	u = (double)(soj_rng_next(rng) >> 11) * 0x1p-53;
	uz = u * z->zeta;
	if (uz < 1 || z->n == 1)
		return 0;
	if (uz < z->half || z->n == 2)
		return 1;
	rank = (uint64_t)((double)z->n *
			  pow(z->eta * u - z->eta + 1, 1 / (1 - z->theta)));
	return rank < z->n ? rank : z->n - 1;
}

uint64_t soj_zipf_next(const struct soj_zipf *z, struct soj_rng *rng)
{
	return soj_zipf_rank(z, rng) * SPREAD % z->n;
}
