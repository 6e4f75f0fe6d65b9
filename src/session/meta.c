/* SPDX-License-Identifier: MIT */

#include "session/meta.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#define X(tag, field)                                             \
	static_assert(offsetof(struct sojourn_metadata, field) == \
			      ((tag)-1) * sizeof(char *),         \
		      "soj_meta_field() finds the strings by their tags");
SOJ_META_FIELDS(X)
#undef X

static ssize_t pack_one(uint8_t tag, const char *value, uint8_t *out, size_t at)
{
	size_t bytes = value ? strlen(value) : 0;

	if (value == NULL)
		return (ssize_t)at;
	if (bytes + 3 > SOJOURN_METADATA_BYTES_MAX - at)
		return -EMSGSIZE;
	out[at] = tag;
	out[at + 1] = (uint8_t)(bytes & 0xff);
	out[at + 2] = (uint8_t)(bytes >> 8);
	memcpy(out + at + 3, value, bytes);
	return (ssize_t)(at + 3 + bytes);
}

ssize_t soj_meta_pack(const struct sojourn_metadata *m, uint8_t *out)
{
	bool any = false;
	ssize_t at = 0;

	/* Most have none. */
#define X(tag, field) any |= m->field != NULL;
	SOJ_META_FIELDS(X)
#undef X
	if (!any)
		return 0;
#define X(tag, field) \
	if (at >= 0)  \
		at = pack_one(tag, m->field, out, (size_t)at);
	SOJ_META_FIELDS(X)
#undef X
	return at;
}

bool soj_meta_next(const uint8_t *packed, size_t bytes, size_t *at,
		   struct soj_meta_part *part)
{
	const uint8_t *p = packed + *at;
	const size_t left = bytes - *at;

	if (left < 3)
		return false;
	part->tag = p[0];
	part->bytes = p[1] | (size_t)p[2] << 8;
	part->value = p + 3;
	if (part->bytes > left - 3)
		return false;
	*at += 3 + part->bytes;
	return true;
}

void soj_meta_unpack(const uint8_t *packed, size_t bytes,
		     struct sojourn_metadata *m, char *text)
{
	struct soj_meta_part part;
	size_t at = 0, used = 0;

	memset(m, 0, sizeof(*m));
	while (soj_meta_next(packed, bytes, &at, &part)) {
		const char **field =
			(const char **)(uintptr_t)soj_meta_field(m, part.tag);

		/* A string and its NUL fit: each cost 3 bytes when packed. */
		if (field == NULL ||
		    used + part.bytes + 1 > SOJOURN_METADATA_BYTES_MAX)
			continue;
		memcpy(text + used, part.value, part.bytes);
		text[used + part.bytes] = 0;
		*field = text + used;
		used += part.bytes + 1;
	}
}
