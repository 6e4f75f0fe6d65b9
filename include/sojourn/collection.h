/* SPDX-License-Identifier: MIT */
#ifndef SOJOURN_COLLECTION_H
#define SOJOURN_COLLECTION_H

/*
 * Items: values under keys that the caller chooses, in the collections of a
 * segment.
 *
 * Caveats first
 *  - Keys are not stored, only a keyed digest of collection and key: an item
 *    can be found by its key, by its handle and by its subject; keys cannot be
 *    listed.
 *  - A collection has its own rules (struct sojourn_collection): default ttl,
 *    idle timeout, limit per subject.  Logins are in "session", which has no
 *    keys of callers.
 *  - An item that belongs to a subject ends when all of that subject ends
 *    (sojourn_session_delete_subject()), as its logins do.
 *
 * Guarantees
 *  1. Of several add calls for one absent key exactly one succeeds.
 *  2. put replaces value, metadata and periods in one step: a reader sees all
 *     of the old item or all of the new one.
 *  3. What a remove that has returned ended is never seen again.  A put that
 *     was under way makes a new item, or says -ENOENT if it was to change an
 *     existing one.
 *  4. Nothing is lost between two that change one item with modify or
 *     count_add, or with put and the version that they read.
 *  5. All of this holds when callers are killed or stopped at any instruction.
 *
 * Everything here is lock-free, and may be called by any thread of any
 * attached process.  Errors that all may return: sojourn.h.
 */

#include <sojourn/sojourn.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SOJOURN_KEY_BYTES_MAX          1024u
#define SOJOURN_COLLECTIONS            64u
#define SOJOURN_COLLECTION_SESSION     0u
#define SOJOURN_COLLECTION_REMEMBER_ME 1u
#define SOJOURN_COLLECTION_REFRESH     2u
#define SOJOURN_COLLECTION_CSRF        3u
#define SOJOURN_COLLECTION_REVOKED     4u
#define SOJOURN_COLLECTION_VERIFIED    5u

/* The number of a collection, constant for the life of the segment; -ENOENT. */
SOJOURN_API SOJOURN_MUST_CHECK int sojourn_collection_number(struct sojourn *s,
							     const char *name);
/* The name of that number; -ENOENT if there is no such collection. */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_collection_name(struct sojourn *s, uint32_t number,
			char name[SOJOURN_COLLECTION_CHARS_MAX + 1]);

/* Names an item. */
struct sojourn_item {
	uint32_t collection; /* not SOJOURN_COLLECTION_SESSION */
	const void *key;     /* any bytes */
	size_t key_bytes;    /* 1 to 1,024 */
};

/* What an item is to be.  All zero is an empty value with the collection's
 * periods that belongs to nobody. */
struct sojourn_value {
	const void *data;    /* may be NULL if data_bytes is 0 */
	size_t data_bytes;   /* at most 1,048,576 */
	const char *subject; /* 1 to 255 bytes; NULL: nobody's, or as it is */
	const struct sojourn_metadata *metadata; /* NULL: none, or as it is */
	uint64_t ttl_ms;          /* from now; 0: the collection's */
	uint64_t idle_timeout_ms; /* 0: the collection's; SOJOURN_OFF: none */
	bool keep_periods;        /* an existing item keeps its own */
	bool if_exists;           /* -ENOENT if there is none */
	uint64_t if_version;      /* and it must have this version; 0: any */
};

/*
 * Puts an item: makes it, or replaces the one that has the key.
 *
 * *version (may be NULL) becomes the version of what is there now.  Versions
 * of one item rise by one with each change; an item that is made after a
 * remove, or after its time, begins with another number than any before, so
 * if_version never takes it for the old one.
 * A put is a use: idle timeout and sliding ttl count from it.
 * An item of another subject than `subject` ends when all that the new one wants
 * is had, right before it takes the key: for an instant there is none.
 * 0; -ENOENT (if_exists or if_version, with its reason); -ESTALE (another
 * version: *version is the one it has); -ENOSPC; -EMSGSIZE; -EUSERS (over the
 * limit per subject); -ECANCELED with reason SUPERSEDED (of a collection that
 * rejects what is over its limit: this thread stood still while it made the item,
 * and another has its place); -EILSEQ with reason INVALID_DATA (the collection's
 * validator refused the data).
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_put(struct sojourn *s, const struct sojourn_item *item,
	    const struct sojourn_value *value, uint64_t *version);

/*
 * Makes an item if there is none with the key, else -EEXIST with reason EXISTS
 * and *version (may be NULL) that of the one there is.  if_exists and
 * if_version must not be set.  Other errors as put.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_add(struct sojourn *s, const struct sojourn_item *item,
	    const struct sojourn_value *value, uint64_t *version);

/*
 * Reads an item.  Of *how (may be NULL) subject, client and no_touch count; it
 * must have no veto.  data, data_bytes and info as in sojourn_session_read().
 * 0; -ENOENT with its reason; -EPERM with reason BINDING (by the collection's
 * rules); -ENOBUFS (*data_bytes says what is needed, info
 * is filled, nothing was touched); -EILSEQ with reason INVALID_DATA (the
 * validator refused what is there; nothing was copied).
 */
SOJOURN_API SOJOURN_MUST_CHECK int sojourn_get(struct sojourn *s,
					       const struct sojourn_item *item,
					       const struct sojourn_read *how,
					       void *data, size_t *data_bytes,
					       struct sojourn_info *info);

/* Is there such an item?  1 or 0.  Neither a use of it nor counted. */
SOJOURN_API SOJOURN_MUST_CHECK int sojourn_has(struct sojourn *s,
					       const struct sojourn_item *item);

/* Moves its access time to now, as sojourn_session_touch().  0 or -ENOENT. */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_touch(struct sojourn *s, const struct sojourn_item *item);

/*
 * Ends an item, if it has the version if_version (0: any).  Returns how many
 * were ended: 1, or 0 (there was none); -ESTALE (another version).
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_remove(struct sojourn *s, const struct sojourn_item *item,
	       uint64_t if_version);

/*
 * Read-modify-write, as sojourn_session_modify().  absent: NULL, the item must
 * exist; else where there is none fn gets 0 bytes, and what it leaves is put
 * with subject, metadata and periods of *absent (whose data is not looked at).
 * An existing item keeps its own, also if it is another subject's.
 * 0 and the new version; -ENOENT; what fn returned; -EINVAL (fn left more than
 * capacity); else as put.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_modify_item(struct sojourn *s, const struct sojourn_item *item,
		    const struct sojourn_value *absent, size_t capacity,
		    sojourn_modify_fn fn, void *arg, uint64_t *version);

/*
 * Adds to a counter: an item of 8 bytes, a signed number in the machine's byte
 * order.  Where there is none it begins at 0 and lives for ttl_ms (0: the
 * collection's ttl) from then on, however often it is added to: a window of a
 * rate limit.  *value (may be NULL) becomes the sum.
 * 0; -ERANGE (the sum leaves the 64 bits: nothing was added); -EINVAL (the item
 * is no counter); -ENOSPC.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_count_add(struct sojourn *s, const struct sojourn_item *item,
		  int64_t delta, uint64_t ttl_ms, int64_t *value);

/* ---- many at a time ---- */

/* One read of many. */
struct sojourn_one {
	const char *id;           /* a session's, or NULL: */
	struct sojourn_item item; /* an item */
	void *data;               /* as in sojourn_get() */
	size_t data_bytes;
	struct sojourn_info *info; /* may be NULL */
	int rc;                    /* what that read returns */
	enum sojourn_reason reason;
};

/*
 * Reads many, each as sojourn_session_read() or sojourn_get() with *how (may
 * be NULL), but so that they wait for memory together: about twice as fast as
 * one by one, once the segment is larger than the processor's caches.
 * Returns how many were found.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_get_many(struct sojourn *s, struct sojourn_one *list, size_t count,
		 const struct sojourn_read *how);

/*
 * Looks at data where it lies, without a copy.  fn gets a pointer into the
 * segment that is good until it returns, and must neither store there nor call
 * the library.  It must be done within the segment's expel_after_ms: else what
 * it sees may change under its eyes, and the call says so: fn must not trust
 * lengths and the like that it finds in the data before then.
 * *how as in sojourn_get().  Returns what fn returns; -ENOENT with its reason;
 * -ESTALE (it took too long: its result is void); else as sojourn_get().  Not on
 * a read-only attach.
 */
typedef int (*sojourn_view_fn)(void *arg, const void *data, size_t data_bytes,
			       uint64_t version);
SOJOURN_API SOJOURN_MUST_CHECK int sojourn_view(struct sojourn *s,
						const struct sojourn_item *item,
						const struct sojourn_read *how,
						sojourn_view_fn fn, void *arg);
/* The same for a session, with all that sojourn_session_read() checks. */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_session_view(struct sojourn *s, const char *id,
		     const struct sojourn_read *how, sojourn_view_fn fn,
		     void *arg);

#define SOJOURN_COLLECTION_ANY UINT32_MAX

/* Which: all that is set must hold.  All zero: the logins, all of them. */
struct sojourn_filter {
	uint32_t collection; /* or SOJOURN_COLLECTION_ANY */
	const char *subject; /* NULL: anybody's and nobody's */
	/*
	 * A wildcard pattern that the subject must match, or with match_handle
	 * the handle; NULL: none.  * stands for any bytes, ? for one, [a-z] for
	 * one of these, [!a-z] for one not of these, \x for x itself; at most
	 * 255 characters beside the stars.  The time that a match takes is that
	 * of the text's length, whatever the pattern.
	 */
	const char *match;
	bool match_handle;
};

/*
 * Calls fn for each that passes the filter, at most `limit` times (0: without
 * end), and goes on from *cursor, which the caller sets to 0 at first; it is 0
 * again when all were seen.  What is there from the first call to the last is
 * reported exactly once, whatever else comes and goes; what is not there all
 * the time, once or not at all.  A login that is renewed meanwhile may be seen
 * by either id or both, the old one with info->renewed.
 * fn may call the library; nonzero stops, and the next call goes on behind it.
 * Works on a read-only attach.  O(entries) in all, and holds up nobody.
 * Returns the number of calls; -EINVAL; -ENOMEM; -EBUSY (others changed the
 * next one at each of 1,000 looks: call again).
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_scan(struct sojourn *s, const struct sojourn_filter *filter,
	     uint64_t *cursor, uint32_t limit, sojourn_list_fn fn, void *arg);

/* How many pass; old ids in their grace window are not counted.  -EINVAL,
 * -ENOMEM, -EBUSY (as sojourn_scan()). */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_count(struct sojourn *s, const struct sojourn_filter *filter);

/*
 * Ends all that pass, logins with all that they were renewed to.  What came
 * before the call is gone when it returns; what comes meanwhile may be too.
 * Marks of revoked tokens are left alone; naming their collection is -EINVAL.
 * Returns how many it ended.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_clear(struct sojourn *s, const struct sojourn_filter *filter);

/* Ends everything past its deadline, as the helper would; returns how many. */
SOJOURN_API SOJOURN_MUST_CHECK int sojourn_prune(struct sojourn *s);

/* ---- validators ---- */

/*
 * Says whether data may be in a collection: 0, or anything else to refuse it;
 * then it may leave a text of why.  Called in the calling thread before each
 * write and after each read that copies or shows the data, possibly by several
 * threads at a time; must not call the library.
 */
typedef int (*sojourn_validator_fn)(void *arg, const void *data,
				    size_t data_bytes, char *why,
				    size_t why_bytes);

/*
 * Sets the validator of a collection (also of SOJOURN_COLLECTION_SESSION) for
 * the calls of this process on this handle; fn NULL: none.  Data that it
 * refuses is neither written nor handed out: -EILSEQ with reason INVALID_DATA.
 * fn and arg must stay until the handle is detached, replaced or not.
 * 0, -EINVAL (no such collection), -ENOMEM.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_validator_set(struct sojourn *s, uint32_t collection,
		      sojourn_validator_fn fn, void *arg);

/*
 * A ready-made validator: data is one JSON object of a shape, such as
 *
 *   {"required": {"name": "string", "age": "integer"},
 *    "optional": {"tags": "array", "address": {"required": {...}}},
 *    "closed": true, "bytes_max": 4096}
 *
 * Types: string, integer, number, boolean, null, array, object, any, or the
 * shape of an object within.  closed: no other members.  bytes_max (outermost
 * only): of the text.  A member that is there twice is refused.
 *
 *   sojourn_json_shape_create(text, &shape);
 *   sojourn_validator_set(s, collection, sojourn_json_validator, shape);
 *
 * 0; -EINVAL (the text names what of the description and the rule); -ENOMEM.
 * The shape may be used for several collections, and belongs to the caller.
 */
struct sojourn_json_shape;
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_json_shape_create(const char *description,
			  struct sojourn_json_shape **out);
/* After the handles that use it are detached.  NULL is fine. */
SOJOURN_API void sojourn_json_shape_destroy(struct sojourn_json_shape *shape);
SOJOURN_API int sojourn_json_validator(void *shape, const void *data,
				       size_t data_bytes, char *why,
				       size_t why_bytes);

#ifdef __cplusplus
}
#endif

#endif /* SOJOURN_COLLECTION_H */
