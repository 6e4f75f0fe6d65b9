/* SPDX-License-Identifier: MIT */
#ifndef SOJ_BASE_BITS_H
#define SOJ_BASE_BITS_H

/* Layer 0.  Small arithmetic that every layer needs. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For the compiler: what nearly every call finds comes first. */
#define soj_rarely(condition) __builtin_expect(!!(condition), 0)

#define SOJ_MASK(bits) ((UINT64_C(1) << (bits)) - 1)

/* A field of a packed word: bits [shift, shift + bits). */
static inline uint64_t soj_field(uint64_t word, unsigned shift, unsigned bits)
{
	return word >> shift & SOJ_MASK(bits);
}

static inline uint64_t soj_align_up(uint64_t value, uint64_t power_of_two)
{
	return (value + power_of_two - 1) & ~(power_of_two - 1);
}

static inline uint64_t soj_div_up(uint64_t value, uint64_t by)
{
	return (value + by - 1) / by;
}

static inline unsigned soj_ctz64(uint64_t word)
{
	return (unsigned)__builtin_ctzll(word);
}

/* Smallest k with 2^k >= value; value >= 1. */
static inline unsigned soj_log2_up(uint64_t value)
{
	return value <= 1 ? 0 : 64u - (unsigned)__builtin_clzll(value - 1);
}

/* Maps a uniform 64-bit hash onto [0, count) without division (multiply-shift;
 * D. Lemire, "Fast random integer generation in an interval", 2019). */
static inline uint64_t soj_scale(uint64_t hash, uint64_t count)
{
	return (uint64_t)((unsigned __int128)hash * count >> 64);
}

static inline uint64_t soj_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t soj_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* No page is smaller. */
#define SOJ_PAGE_BYTES_MIN 4096u

#endif /* SOJ_BASE_BITS_H */
