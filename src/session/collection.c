/* SPDX-License-Identifier: MIT */

/* Collections by number and by name; the rules that keys have to keep. */

#include <errno.h>
#include <string.h>

#include "session/item.h"

static_assert(SOJOURN_COLLECTIONS == SOJ_COLLECTIONS &&
		      SOJOURN_KEY_BYTES_MAX == SOJ_KEY_LENGTH_MAX,
	      "limits of keys and collections");
static_assert(SOJOURN_COLLECTION_SESSION == SOJ_COLLECTION_SESSION &&
		      SOJOURN_COLLECTION_REMEMBER_ME ==
			      SOJ_COLLECTION_REMEMBER &&
		      SOJOURN_COLLECTION_REFRESH == SOJ_COLLECTION_REFRESH &&
		      SOJOURN_COLLECTION_CSRF == SOJ_COLLECTION_CSRF &&
		      SOJOURN_COLLECTION_REVOKED == SOJ_COLLECTION_REVOKED &&
		      SOJOURN_COLLECTION_VERIFIED == SOJ_COLLECTION_VERIFIED,
	      "numbers of collections");

/* What is none has the rules of number 0. */
static bool is_defined(const struct sojourn *s, uint32_t number)
{
	return number == 0 || soj_collection(&s->st.seg, number) !=
				      soj_collection(&s->st.seg, 0);
}

int sojourn_collection_number(struct sojourn *s, const char *name)
{
	for (uint32_t i = 0; i < SOJ_COLLECTIONS; i++)
		if (is_defined(s, i) &&
		    strncmp(soj_collection(&s->st.seg, i)->name, name,
			    SOJOURN_COLLECTION_CHARS_MAX + 1) == 0) {
			soj_ok();
			return (int)i;
		}
	return soj_report(-ENOENT, SOJOURN_NOT_FOUND,
			  "the segment has no collection \"%.40s\"", name);
}

int sojourn_collection_name(struct sojourn *s, uint32_t number,
			    char name[SOJOURN_COLLECTION_CHARS_MAX + 1])
{
	name[0] = 0;
	if (!is_defined(s, number))
		return soj_report(-ENOENT, SOJOURN_NOT_FOUND,
				  "the segment has no collection %u", number);
	memcpy(name, soj_collection(&s->st.seg, number)->name,
	       SOJOURN_COLLECTION_CHARS_MAX);
	name[SOJOURN_COLLECTION_CHARS_MAX] = 0;
	return soj_ok();
}

int soj_collection_check(struct sojourn *s, uint32_t number)
{
	if (is_defined(s, number))
		return 0;
	return soj_report(-EINVAL, SOJOURN_INVALID,
			  "collection is %u, but must be one of the segment's",
			  number);
}

int soj_item_digest(struct sojourn *s, const struct sojourn_item *item,
		    struct soj_digest *digest)
{
	int rc = soj_collection_check(s, item->collection);

	if (rc < 0)
		return rc;
	if (item->collection == SOJ_COLLECTION_SESSION)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "collection is session (0), but its ids are "
				  "random: keys are for the other collections");
	if (item->key == NULL || item->key_bytes < 1 ||
	    item->key_bytes > SOJ_KEY_LENGTH_MAX)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "the key has %zu bytes, but must have 1 to "
				  "1024",
				  item->key ? item->key_bytes : 0);
	*digest = soj_key_digest(s, item->collection, SOJ_KEY_CALLERS,
				 item->key, item->key_bytes);
	return 0;
}
