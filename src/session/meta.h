/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SESSION_META_H
#define SOJ_SESSION_META_H

/* Layer 5.  Metadata strings as they lie in a chunk: for each that is known
 * {tag 1 byte, length 2 bytes, bytes}. */

#include <sojourn/sojourn.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Tags are part of the format: new ones at the end, and of the struct, in
 * which the one with tag n is the nth. */
#define SOJ_META_FIELDS(X)  \
	X(1, ip)            \
	X(2, user_agent)    \
	X(3, location)      \
	X(4, device_id)     \
	X(5, device_name)   \
	X(6, device_type)   \
	X(7, device_client) \
	X(8, device_os)

#define X(tag, field) SOJ_META_##field = (tag),
enum soj_meta_tag { SOJ_META_FIELDS(X) SOJ_META_TAGS };
#undef X

/* Returns the packed length, or -EMSGSIZE.  out: SOJOURN_METADATA_BYTES_MAX. */
ssize_t soj_meta_pack(const struct sojourn_metadata *m, uint8_t *out);

/* text: SOJOURN_METADATA_BYTES_MAX; the strings of *m lead into it.  Bytes
 * that are not as packed are skipped. */
void soj_meta_unpack(const uint8_t *packed, size_t bytes,
		     struct sojourn_metadata *m, char *text);

/* Which string of *m a tag means; NULL: none that is known. */
static inline const char *const *
soj_meta_field(const struct sojourn_metadata *m, uint8_t tag)
{
	const char *const *field = (const void *)m;

	return tag > 0 && tag < SOJ_META_TAGS ? field + (tag - 1) : NULL;
}

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
