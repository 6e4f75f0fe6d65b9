/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_LIB_ZIPF_H
#define SOJ_TOOLS_LIB_ZIPF_H

/*
 * Random numbers for loads: splitmix64, and ranks after Zipf's law by the
 * method of Gray et al. ("Quickly generating billion-record synthetic
 * databases", 1994), which takes two precomputed sums and one pow() a number.
 */

#include <stdint.h>

struct soj_rng {
	uint64_t state;
};

uint64_t soj_rng_next(struct soj_rng *rng);
/* From 0 to below n. */
uint64_t soj_rng_below(struct soj_rng *rng, uint64_t n);

#define SOJ_ZIPF_THETA_MAX 0.999

/* Constant after init; may be shared. */
struct soj_zipf {
	uint64_t n;
	double theta; /* 0: all ranks alike */
	double zeta;  /* sum of 1 / i^theta, i = 1 .. n */
	double eta;
	double half; /* 1 + 1 / 2^theta */
};

/* n from 1, theta from 0 to SOJ_ZIPF_THETA_MAX.  Takes at most some ms. */
void soj_zipf_init(struct soj_zipf *z, uint64_t n, double theta);
/* A rank from 0 (the most frequent) to n - 1. */
uint64_t soj_zipf_rank(const struct soj_zipf *z, struct soj_rng *rng);
/*
 * The same spread over 0 .. n - 1, so that what is frequent does not lie side
 * by side: a permutation, constant for n.  n below 2^32 - 5.
 */
uint64_t soj_zipf_next(const struct soj_zipf *z, struct soj_rng *rng);

#endif /* SOJ_TOOLS_LIB_ZIPF_H */
