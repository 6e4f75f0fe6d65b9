/* SPDX-License-Identifier: MIT */

#include "base/mac.h"

#ifdef __x86_64__
#include <wmmintrin.h>

/* Each word of a round's key is the last round's with all before it; `word` has
 * what comes to the first in its upper quarter (FIPS 197, 5.2). */
static inline __m128i next_key(__m128i key, __m128i word)
{
	key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
	key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
	return _mm_xor_si128(key, _mm_shuffle_epi32(word, 0xff));
}

__attribute__((target("aes"))) void soj_mac_init(struct soj_mac *mac,
						 const uint8_t key[16])
{
	__m128i *k = mac->round;

	k[0] = _mm_loadu_si128((const __m128i *)(const void *)key);
	k[1] = next_key(k[0], _mm_aeskeygenassist_si128(k[0], 0x01));
	k[2] = next_key(k[1], _mm_aeskeygenassist_si128(k[1], 0x02));
	k[3] = next_key(k[2], _mm_aeskeygenassist_si128(k[2], 0x04));
	k[4] = next_key(k[3], _mm_aeskeygenassist_si128(k[3], 0x08));
	k[5] = next_key(k[4], _mm_aeskeygenassist_si128(k[4], 0x10));
	k[6] = next_key(k[5], _mm_aeskeygenassist_si128(k[5], 0x20));
	k[7] = next_key(k[6], _mm_aeskeygenassist_si128(k[6], 0x40));
	k[8] = next_key(k[7], _mm_aeskeygenassist_si128(k[7], 0x80));
	k[9] = next_key(k[8], _mm_aeskeygenassist_si128(k[8], 0x1b));
	k[10] = next_key(k[9], _mm_aeskeygenassist_si128(k[9], 0x36));
}
#else
void soj_mac_init(struct soj_mac *mac, const uint8_t key[16])
{
	(void)mac;
	(void)key;
}
#endif
