/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_RANDOM_H
#define SOJ_TESTS_RANDOM_H

/* Numbers that are the same in each run: splitmix64 (S. Vigna, 2015). */

#include <stdint.h>

#define RANDOM_STEP UINT64_C(0x9e3779b97f4a7c15)

static inline uint64_t random_stir(uint64_t z)
{
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline uint64_t random_next(uint64_t *state)
{
	return random_stir(*state += RANDOM_STEP);
}

/* Number b of the sequence that a begins. */
static inline uint64_t random_of(uint64_t a, uint64_t b)
{
	return random_stir(a * RANDOM_STEP + b);
}

#endif /* SOJ_TESTS_RANDOM_H */
