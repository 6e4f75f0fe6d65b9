/* SPDX-License-Identifier: MIT */
#ifndef SOJ_BASE_SIPHASH_H
#define SOJ_BASE_SIPHASH_H

/*
 * Layer 0.  SipHash-2-4 with 128 bits of result (J.-P. Aumasson, D. J.
 * Bernstein, "SipHash: a fast short-input PRF", 2012), inline: every look-up
 * begins with one, and a call into libsodium's costs as much again as the
 * hash.  tests/unit/test_digest.c has libsodium's beside it.
 */

#include <stdint.h>
#include <string.h>

struct soj_siphash {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t soj_le64(uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap64(word);
#else
	return word;
#endif
}

static inline uint64_t soj_rotl64(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

static inline void soj_siphash_round(struct soj_siphash *h)
{
	h->v0 += h->v1;
	h->v2 += h->v3;
	h->v1 = soj_rotl64(h->v1, 13) ^ h->v0;
	h->v3 = soj_rotl64(h->v3, 16) ^ h->v2;
	h->v0 = soj_rotl64(h->v0, 32) + h->v3;
	h->v2 += h->v1;
	h->v3 = soj_rotl64(h->v3, 21) ^ h->v0;
	h->v1 = soj_rotl64(h->v1, 17) ^ h->v2;
	h->v2 = soj_rotl64(h->v2, 32);
}

static inline void soj_siphash_word(struct soj_siphash *h, uint64_t word)
{
	h->v3 ^= word;
	soj_siphash_round(h);
	soj_siphash_round(h);
	h->v0 ^= word;
}

static inline uint64_t soj_siphash_final(struct soj_siphash *h)
{
	soj_siphash_round(h);
	soj_siphash_round(h);
	soj_siphash_round(h);
	soj_siphash_round(h);
	return soj_le64(h->v0 ^ h->v1 ^ h->v2 ^ h->v3);
}

/* The last 0 to 7 bytes, and the low byte of the length above them. */
static inline uint64_t soj_siphash_tail(const uint8_t *at, size_t bytes)
{
	uint64_t word = (uint64_t)bytes << 56;

	for (size_t i = 0; i < bytes % 8; i++)
		word |= (uint64_t)at[i] << 8 * i;
	return word;
}

static inline void soj_siphash_begin(struct soj_siphash *h,
				     const uint8_t key[16])
{
	uint64_t k[2];

	memcpy(k, key, sizeof(k));
	k[0] = soj_le64(k[0]);
	k[1] = soj_le64(k[1]);
	h->v0 = k[0] ^ UINT64_C(0x736f6d6570736575);
	h->v1 = k[1] ^ UINT64_C(0x646f72616e646f6d) ^ 0xee;
	h->v2 = k[0] ^ UINT64_C(0x6c7967656e657261);
	h->v3 = k[1] ^ UINT64_C(0x7465646279746573);
}

/* Eight whole bytes of the data. */
static inline void soj_siphash_bytes(struct soj_siphash *h, const void *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	soj_siphash_word(h, soj_le64(word));
}

/* The first half of the result, for who can use it before there is the second;
 * both as libsodium's crypto_shorthash_siphashx24 leaves them in memory. */
static inline uint64_t soj_siphash_first(struct soj_siphash *h, uint64_t tail)
{
	soj_siphash_word(h, tail);
	h->v2 ^= 0xee;
	return soj_siphash_final(h);
}

static inline uint64_t soj_siphash_second(struct soj_siphash *h)
{
	h->v1 ^= 0xdd;
	return soj_siphash_final(h);
}

static inline void soj_siphash128(uint64_t out[2], const uint8_t key[16],
				  const void *data, size_t bytes)
{
	const uint8_t *at = data;
	struct soj_siphash h;

	soj_siphash_begin(&h, key);
	for (size_t i = 0; i < bytes / 8; i++)
		soj_siphash_bytes(&h, at + 8 * i);
	out[0] = soj_siphash_first(&h,
				   soj_siphash_tail(at + bytes / 8 * 8, bytes));
	out[1] = soj_siphash_second(&h);
}

#endif /* SOJ_BASE_SIPHASH_H */
