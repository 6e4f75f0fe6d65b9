/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SESSION_ID_USUAL_H
#define SOJ_SESSION_ID_USUAL_H

/* Layer 5.  From the text of an id to its bucket, without a call but one. */

#include <string.h>

#include "base/fault.h"
#include "base/siphash.h"
#include "session/id.h"
#include "store/plain_read.h"

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

	if (strnlen(id, SOJ_ID_CHARS_USUAL + 1) != SOJ_ID_CHARS_USUAL)
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
