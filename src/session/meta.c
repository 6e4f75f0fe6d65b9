/* SPDX-License-Identifier: MIT */

#include "session/meta.h"

#include <errno.h>
#include <string.h>

/* Tags are part of the format: new ones at the end. */
#define FIELDS(X)           \
	X(1, ip)            \
	X(2, user_agent)    \
	X(3, location)      \
	X(4, device_id)     \
	X(5, device_name)   \
	X(6, device_type)   \
	X(7, device_client) \
	X(8, device_os)

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
	ssize_t at = 0;

#define X(tag, field) \
	if (at >= 0)  \
		at = pack_one(tag, m->field, out, (size_t)at);
	FIELDS(X)
#undef X
	return at;
}

static const char **field_of(struct sojourn_metadata *m, uint8_t tag)
{
	switch (tag) {
#define X(number, field) \
	case number:     \
		return &m->field;
		FIELDS(X)
#undef X
	default:
		return NULL;
	}
}

void soj_meta_unpack(const uint8_t *packed, size_t bytes,
		     struct sojourn_metadata *m, char *text)
{
	size_t at = 0, used = 0;

	memset(m, 0, sizeof(*m));
	while (bytes - at >= 3) {
		size_t length = packed[at + 1] | (size_t)packed[at + 2] << 8;
		const char **field = field_of(m, packed[at]);

		at += 3;
		if (length > bytes - at)
			return;
		/* A string and its NUL fit: each cost 3 bytes when packed. */
		if (field && used + length + 1 <= SOJOURN_METADATA_BYTES_MAX) {
			memcpy(text + used, packed + at, length);
			text[used + length] = 0;
			*field = text + used;
			used += length + 1;
		}
		at += length;
	}
}
