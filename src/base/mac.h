/* SPDX-License-Identifier: MIT */
#ifndef SOJ_BASE_MAC_H
#define SOJ_BASE_MAC_H

/*
 * Layer 0.  A keyed digest of texts of exactly 32 bytes, by the processor's
 * instructions for AES, where it has them: with A for AES-128 under the key,
 *
 *	x = A(first half) ^ second half,   digest = A(x) ^ x
 *
 * Who has no key: A(x) alone is CBC-MAC, which for texts of one length is a
 * pseudorandom function as far as A is one (M. Bellare, J. Kilian, P. Rogaway,
 * "The Security of Cipher Block Chaining", 1994).  Two texts have one x only
 * where A(first) ^ A(other first) is the difference of the second halves, by
 * chance 2^-128; for each new x A(x) is as good as random, and so it is when x
 * is added.  Of texts of several lengths it is none: nothing else has this key.
 *
 * Who has the key as well as a copy of the segment: A can be undone, and without
 * the last addition any digest would be turned into a text that has it, which is
 * as good as the id.  With it that takes an x whose A(x) ^ x is the digest, for
 * which no way but search is known (Davies and Meyer's; J. Black, P. Rogaway,
 * T. Shrimpton, "Black-Box Analysis of the Block-Cipher-Based Hash-Function
 * Constructions from PGV", 2002).
 *
 * It takes an eighth of the instructions of SipHash-2-4.  Inline assembler, for
 * these instructions may stand in functions that are made for any processor and
 * are not reached without them.
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
	const __m128i first = mac->round[0];
	const __m128i both = _mm_xor_si128(first, mac->round[10]);
	__m128i x = _mm_xor_si128(_mm_loadu_si128(at), first);

	/* What is added after the last round is added by that: the second half,
	 * and x, which has the first round's key in it already. */
	x = soj_mac_last(soj_mac_rounds(mac, x),
			 _mm_xor_si128(both, _mm_loadu_si128(at + 1)));
	x = soj_mac_last(soj_mac_rounds(mac, x), _mm_xor_si128(both, x));
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
