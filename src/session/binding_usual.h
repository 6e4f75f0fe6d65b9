/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SESSION_BINDING_USUAL_H
#define SOJ_SESSION_BINDING_USUAL_H

/* Layer 5.  The short way to "nothing differs" (binding.h), in the midst of a
 * read: by the metadata as it lies in a chunk, nothing is unpacked. */

#include <string.h>

#include "base/bits.h"
#include "session/meta.h"
#include "shm/format.h"

/* What a rule can ask for. */
#define SOJ_BINDING_TAGS                                         \
	(1u << SOJ_META_ip | 1u << SOJ_META_user_agent |         \
	 1u << SOJ_META_device_id | 1u << SOJ_META_device_name | \
	 1u << SOJ_META_device_type)

/* Whatever differs. */
static inline bool soj_binding_ignored(const struct soj_shm_collection *c)
{
	return c->device_policy == SOJ_BINDING_IGNORE &&
	       c->ip_policy == SOJ_BINDING_IGNORE &&
	       c->user_agent_policy == SOJ_BINDING_IGNORE;
}

/* What the client has of these and the session has not differs. */
static inline uint32_t soj_binding_extra(const struct sojourn_metadata *client)
{
	return (uint32_t)(client->device_type != NULL) << SOJ_META_device_type |
	       (uint32_t)(client->device_name != NULL) << SOJ_META_device_name;
}

/*
 * soj_binding_same() of a copy, which has room for a byte more, and is spoiled:
 * behind each string a zero is put, for one comparison of strings then does what
 * takes a look for the end of the client's first, as there may be a zero in the
 * midst of what was found in the segment.
 */
static inline bool
soj_binding_same_copied(uint8_t *packed, size_t bytes,
			const struct sojourn_metadata *client)
{
	uint32_t lacking = soj_binding_extra(client);
	uint8_t tag, next;

	packed[bytes] = 0;
	tag = packed[0];
	for (size_t at = 0, end; at + 3 <= bytes; at = end, tag = next) {
		const uint32_t bit = tag < SOJ_META_TAGS ? 1u << tag : 0;
		const char *text;

		end = at + 3 + (packed[at + 1] | (size_t)packed[at + 2] << 8);
		if (end > bytes)
			break;
		next = packed[end];
		packed[end] = 0;
		if (!(bit & SOJ_BINDING_TAGS))
			continue;
		lacking &= ~bit;
		text = *soj_meta_field(client, tag);
		if (text == NULL || strcmp(text, (char *)packed + at + 3) != 0)
			return false;
	}
	return lacking == 0;
}

#define SOJ_BINDING_COPY_BYTES 256u

static __attribute__((noinline, unused)) bool
soj_binding_same_by_copy(const soj_word_t *meta, uint32_t bytes,
			 const struct sojourn_metadata *client)
{
	uint8_t packed[SOJ_BINDING_COPY_BYTES + 1];

	if (bytes > SOJ_BINDING_COPY_BYTES)
		return false;
	/* With what is behind it in its last word. */
	soj_copy_out(packed, meta, soj_align_up(bytes, 8));
	return soj_binding_same_copied(packed, bytes, client);
}

#if defined(SOJ_WIDE) && !defined(SOJ_ASAN)
/*
 * Is the text so many characters long, sixteen at least, and are they those at
 * that byte?  What is compared of the text beyond its end is in the same page: it
 * may be read, and behind a zero nothing is the same.
 */
static inline __attribute__((always_inline)) bool
soj_binding_text_is(const char *text, const soj_word_t *meta, uint32_t at,
		    uint32_t chars)
{
	const __m128i zero = _mm_setzero_si128();
	const uint32_t last = chars - 16;

	for (uint32_t i = 0;; i = (uint32_t)soj_min(i + 16, last)) {
		const __m128i there = soj_load_wide_at(meta, at + i);
		const __m128i asked = _mm_loadu_si128(
			(const __m128i *)(const void *)(text + i));
		/* Zero where both are the same, and no end. */
		const __m128i differ =
			_mm_or_si128(_mm_cmpeq_epi8(there, zero),
				     _mm_xor_si128(there, asked));

		if (_mm_movemask_epi8(_mm_cmpeq_epi8(differ, zero)) != 0xffff)
			return false;
		if (i == last)
			return text[chars] == 0;
	}
}

/* One string of sixteen characters or more, by which a session is mostly bound,
 * and a text to compare it with. */
static inline __attribute__((always_inline)) bool
soj_binding_is_one(const soj_word_t *meta, uint32_t bytes,
		   const struct sojourn_metadata *client, const char **text)
{
	const uint32_t chars = bytes - 3;
	uint64_t head;
	uint32_t tag;

	if (bytes < 3 + 16 || bytes > SOJ_BINDING_COPY_BYTES)
		return false;
	head = soj_load_relaxed(&meta[0]);
	tag = head & 0xff;
	if ((head >> 8 & 0xffff) != chars || tag >= 32 ||
	    (1u << tag & SOJ_BINDING_TAGS) == 0)
		return false;
	*text = ((const char *const *)(const void *)client)[tag - 1];
	return *text != NULL &&
	       (uintptr_t)*text % SOJ_PAGE_BYTES_MIN <=
		       SOJ_PAGE_BYTES_MIN - chars &&
	       (client->device_name == NULL || tag == SOJ_META_device_name) &&
	       (client->device_type == NULL || tag == SOJ_META_device_type);
}
#endif

/*
 * True: whatever could differ is the same in both.  False: it may be, or nobody
 * minds, which the long way finds out.  meta: as it lies in a chunk, and may
 * change meanwhile; who asks looks again.
 */
static inline __attribute__((always_inline)) bool
soj_binding_same(const soj_word_t *meta, uint32_t bytes,
		 const struct sojourn_metadata *client)
{
#if defined(SOJ_WIDE) && !defined(SOJ_ASAN)
	const char *text;

	if (soj_binding_is_one(meta, bytes, client, &text))
		return soj_binding_text_is(text, meta, 3, bytes - 3);
#endif
	return soj_binding_same_by_copy(meta, bytes, client);
}

#endif /* SOJ_SESSION_BINDING_USUAL_H */
