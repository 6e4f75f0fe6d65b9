/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SESSION_BINDING_USUAL_H
#define SOJ_SESSION_BINDING_USUAL_H

/* Layer 5.  The short way to "nothing differs" (binding.h), in the midst of a
 * read: by the metadata as it lies in a chunk, nothing is unpacked. */

#include <string.h>

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

/*
 * True: whatever could differ is the same in both.  False: it may be, or nobody
 * minds, which the long way finds out.
 *
 * packed, the caller's own, has room for a byte more, and is spoiled: behind
 * each string a zero is put, for one comparison of strings then does what takes
 * a look for the end of the client's first, as there may be a zero in the midst
 * of what was found in the segment.
 */
static inline __attribute__((always_inline)) bool
soj_binding_same(uint8_t *packed, size_t bytes,
		 const struct sojourn_metadata *client)
{
	const char *const *const text = (const void *)client; /* by tag - 1 */
	/* What the client has of these and the session has not differs. */
	uint32_t lacking = (uint32_t)(client->device_type != NULL)
				   << SOJ_META_device_type |
			   (uint32_t)(client->device_name != NULL)
				   << SOJ_META_device_name;
	uint8_t tag, next;

	packed[bytes] = 0;
	tag = packed[0];
	for (size_t at = 0, end; at + 3 <= bytes; at = end, tag = next) {
		const uint32_t bit = tag < SOJ_META_TAGS ? 1u << tag : 0;

		end = at + 3 + (packed[at + 1] | (size_t)packed[at + 2] << 8);
		if (end > bytes)
			break;
		next = packed[end];
		packed[end] = 0;
		if (!(bit & SOJ_BINDING_TAGS))
			continue;
		lacking &= ~bit;
		if (text[tag - 1] == NULL ||
		    strcmp(text[tag - 1], (char *)packed + at + 3) != 0)
			return false;
	}
	return lacking == 0;
}

#endif /* SOJ_SESSION_BINDING_USUAL_H */
