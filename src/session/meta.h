/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SESSION_META_H
#define SOJ_SESSION_META_H

/* Layer 5.  Metadata strings as they lie in a chunk: for each that is known
 * {tag 1 byte, length 2 bytes, bytes}. */

#include <sojourn/sojourn.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Returns the packed length, or -EMSGSIZE.  out: SOJOURN_METADATA_BYTES_MAX. */
ssize_t soj_meta_pack(const struct sojourn_metadata *m, uint8_t *out);

/* text: SOJOURN_METADATA_BYTES_MAX; the strings of *m lead into it.  Bytes
 * that are not as packed are skipped. */
void soj_meta_unpack(const uint8_t *packed, size_t bytes,
		     struct sojourn_metadata *m, char *text);

/* Which string of *m a tag means; NULL: none that is known. */
const char *const *soj_meta_field(const struct sojourn_metadata *m,
				  uint8_t tag);

/* The packed strings one by one; *at is 0 at first.  False: there is no more
 * that is as packed. */
struct soj_meta_part {
	const uint8_t *value;
	size_t bytes;
	uint8_t tag;
};
bool soj_meta_next(const uint8_t *packed, size_t bytes, size_t *at,
		   struct soj_meta_part *part);

#endif /* SOJ_SESSION_META_H */
