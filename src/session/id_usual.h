/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SESSION_ID_USUAL_H
#define SOJ_SESSION_ID_USUAL_H

/* Layer 5.  From the text of an id to its bucket, without a call but one. */

#include <string.h>

#include "base/bits.h"
#include "base/fault.h"
#include "base/mac.h"
#include "base/siphash.h"
#include "session/id.h"
#include "store/plain_read.h"

/*
 * Is the text as long as that, neither shorter nor longer?  It is asked in two
 * steps, as nothing of a look-up can begin before the digest has: first, may so
 * many bytes be read?  Some of them may lie behind its end, but in the same
 * page: nothing is there to be found, and no page that may not be read.  Then
 * they are looked at, sixteen at a time.
 */
static inline bool soj_id_may_be_usual(const char *id)
{
#if defined(SOJ_WIDE) && !defined(SOJ_ASAN)
	if ((uintptr_t)id % SOJ_PAGE_BYTES_MIN <=
	    SOJ_PAGE_BYTES_MIN - SOJ_ID_CHARS_USUAL)
		return true;
#endif
	return strnlen(id, SOJ_ID_CHARS_USUAL + 1) == SOJ_ID_CHARS_USUAL;
}

static inline bool soj_id_is_usual(const char *id)
{
#if defined(SOJ_WIDE) && !defined(SOJ_ASAN)
	const __m128i *at = (const __m128i *)(const void *)id;
	const __m128i zero = _mm_setzero_si128();

	/* The least of each pair is zero where either is. */
	return _mm_movemask_epi8(
		       _mm_cmpeq_epi8(_mm_min_epu8(_mm_loadu_si128(at),
						   _mm_loadu_si128(at + 1)),
				      zero)) == 0 &&
	       id[SOJ_ID_CHARS_USUAL] == 0;
#else
	(void)id; /* was looked at */
	return true;
#endif
}
static_assert(SOJ_ID_CHARS_USUAL == SOJ_MAC_TEXT_BYTES,
	      "an id is two times sixteen bytes");

/*
 * soj_id_digest() for who does nothing but look it up, and for ids of 24 bytes,
 * as most are; false: it is not as long.  Characters that no id has are let
 * through, for nobody has such an id, and a zero, as keys have one, ends the
 * text.  Unrolled, and the bucket is asked for as soon as it is known which it
 * is: nothing of a look-up can begin before.  All texts of that length, and no
 * others, are digested by AES if the segment says so.
 */
static inline __attribute__((always_inline)) bool
soj_id_digest_usual(const struct sojourn *s, const char *id,
		    struct soj_digest *digest, struct soj_shm_bucket **bucket)
{
	struct soj_siphash h = s->id_begun;
	const bool aes = s->st.seg.flags & SOJ_SHM_IDS_AES;

	if (soj_rarely(!soj_id_may_be_usual(id)))
		return false;
	if (aes) {
		soj_mac_text(&s->id_mac, id, digest->word);
	} else {
		soj_siphash_bytes(&h, id);
		soj_siphash_bytes(&h, id + 8);
		soj_siphash_bytes(&h, id + 16);
		soj_siphash_bytes(&h, id + 24);
		digest->word[0] = soj_siphash_first(
			&h, (uint64_t)SOJ_ID_CHARS_USUAL << 56);
	}
	if (SOJ_PLANT(SECRET_STORED))
		memcpy(&digest->word[0], id, sizeof(digest->word[0]));
	*bucket = soj_plain_begin(&s->st, digest->word[0]);
	if (!aes)
		digest->word[1] = soj_siphash_second(&h);
	if (SOJ_PLANT(SECRET_STORED))
		memcpy(&digest->word[1], id + 8, sizeof(digest->word[1]));
	return soj_id_is_usual(id);
}

#endif /* SOJ_SESSION_ID_USUAL_H */
