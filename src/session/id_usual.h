/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SESSION_ID_USUAL_H
#define SOJ_SESSION_ID_USUAL_H

/* Layer 5.  From the text of an id to its bucket, without a call but one. */

#include <string.h>

#include "base/fault.h"
#include "base/siphash.h"
#include "session/id.h"
#include "store/plain_read.h"

#define SOJ_PAGE_BYTES_MIN 4096u

/*
 * Is the text as long as that, neither shorter nor longer?  Where sixteen bytes
 * are looked at together, some of them may lie behind its end, but in the same
 * page: nothing is there to be found, and no page that may not be read.
 */
static inline bool soj_id_is_usual(const char *id)
{
#if defined(SOJ_WIDE) && !defined(SOJ_ASAN)
	if ((uintptr_t)id % SOJ_PAGE_BYTES_MIN <=
	    SOJ_PAGE_BYTES_MIN - SOJ_ID_CHARS_USUAL) {
		const __m128i *at = (const __m128i *)(const void *)id;
		const __m128i zero = _mm_setzero_si128();

		for (unsigned i = 0; i < SOJ_ID_CHARS_USUAL / 16; i++)
			if (_mm_movemask_epi8(_mm_cmpeq_epi8(
				    _mm_loadu_si128(at + i), zero)))
				return false;
		return id[SOJ_ID_CHARS_USUAL] == 0;
	}
#endif
	return strnlen(id, SOJ_ID_CHARS_USUAL + 1) == SOJ_ID_CHARS_USUAL;
}

/*
 * soj_id_digest() for who does nothing but look it up, and for ids of 24 bytes,
 * as most are; false: it is not as long.  Characters that no id has are let
 * through, for nobody has such an id, and a zero, as keys have one, ends the
 * text.  Unrolled, and the bucket is asked for as soon as it is known which it
 * is: nothing of a look-up can begin before.
 */
static inline __attribute__((always_inline)) bool
soj_id_digest_usual(const struct sojourn *s, const char *id,
		    struct soj_digest *digest, struct soj_shm_bucket **bucket)
{
	struct soj_siphash h;

	if (!soj_id_is_usual(id))
		return false;
	soj_siphash_begin(&h, s->keys.id);
	soj_siphash_bytes(&h, id);
	soj_siphash_bytes(&h, id + 8);
	soj_siphash_bytes(&h, id + 16);
	soj_siphash_bytes(&h, id + 24);
	digest->word[0] =
		soj_siphash_first(&h, (uint64_t)SOJ_ID_CHARS_USUAL << 56);
	if (SOJ_PLANT(SECRET_STORED))
		memcpy(&digest->word[0], id, sizeof(digest->word[0]));
	*bucket = soj_plain_begin(&s->st, digest->word[0]);
	digest->word[1] = soj_siphash_second(&h);
	if (SOJ_PLANT(SECRET_STORED))
		memcpy(&digest->word[1], id + 8, sizeof(digest->word[1]));
	return true;
}

#endif /* SOJ_SESSION_ID_USUAL_H */
