/* SPDX-License-Identifier: MIT */
#ifndef SOJ_BASE_MAC_H
#define SOJ_BASE_MAC_H

/*
 * Layer 0.  A keyed digest of texts of exactly 32 bytes, by the processor's
 * instructions for AES, where it has them: CBC-MAC with AES-128.  For texts of
 * one length that is a pseudorandom function as far as AES is one (M. Bellare, J.
 * Kilian, P. Rogaway, "The Security of Cipher Block Chaining", 1994), and takes
 * an eighth of the instructions of SipHash-2-4.  Of texts of several lengths it
 * is none: nothing else goes by its key.
 *
 * Inline assembler, for these instructions may stand in functions that are made
 * for any processor and are not reached without them.
 */

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/vault.h"

#define SOJ_MAC_TEXT_BYTES 32u

#ifdef __x86_64__
#include <emmintrin.h>

struct soj_mac {
	__m128i round[11]; /* the expanded key */
};

static inline __m128i soj_mac_round(__m128i x, const __m128i *key)
{
	__asm__("aesenc %1, %0" : "+x"(x) : "xm"(*key));
	return x;
}

static inline __m128i soj_mac_last(__m128i x, __m128i key)
{
	__asm__("aesenclast %1, %0" : "+x"(x) : "x"(key));
	return x;
}

/* All rounds of a block but the last, and what comes before the first. */
static inline __attribute__((always_inline)) __m128i
soj_mac_rounds(const struct soj_mac *mac, __m128i x)
{
	x = soj_mac_round(x, &mac->round[1]);
	x = soj_mac_round(x, &mac->round[2]);
	x = soj_mac_round(x, &mac->round[3]);
	x = soj_mac_round(x, &mac->round[4]);
	x = soj_mac_round(x, &mac->round[5]);
	x = soj_mac_round(x, &mac->round[6]);
	x = soj_mac_round(x, &mac->round[7]);
	x = soj_mac_round(x, &mac->round[8]);
	return soj_mac_round(x, &mac->round[9]);
}

/* The key must have been expanded. */
static inline __attribute__((always_inline)) void
soj_mac_text(const struct soj_mac *mac, const void *text, uint64_t out[2])
{
	const __m128i *at = text;
	const __m128i first = mac->round[0], last = mac->round[10];
	__m128i x = _mm_xor_si128(_mm_loadu_si128(at), first);

	x = soj_mac_rounds(mac, x);
	/* What the last round adds, the second block and the first key after it,
	 * are added at once, before the rounds have come to that. */
	x = soj_mac_last(x, _mm_xor_si128(_mm_xor_si128(last, first),
					  _mm_loadu_si128(at + 1)));
	x = soj_mac_last(soj_mac_rounds(mac, x), last);
	out[0] = (uint64_t)_mm_cvtsi128_si64(x);
	out[1] = (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(x, x));
}
#else
struct soj_mac {
	uint8_t none;
};

static inline void soj_mac_text(const struct soj_mac *mac, const void *text,
				uint64_t out[2])
{
	(void)mac; /* soj_mac_here() says that it is not called */
	(void)text;
	out[0] = out[1] = 0;
}
#endif

/* Can this processor? */
static inline bool soj_mac_here(void)
{
#ifdef __x86_64__
	return soj_cipher_here(SOJ_CIPHER_AES256GCM);
#else
	return false;
#endif
}

/* Expands the key, where it can. */
void soj_mac_init(struct soj_mac *mac, const uint8_t key[16]);

#endif /* SOJ_BASE_MAC_H */
