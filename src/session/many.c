/* SPDX-License-Identifier: MIT */

/*
 * Many reads at a time.  A read waits for memory three times: for the bucket,
 * for the entry, for the chunk.  Here these are asked for all reads of a group
 * before the first is done, so that the waits overlap.  What was fetched is a
 * hint only: each read is the plain one (read.c, get.c).
 */

#include <errno.h>

#include "session/item.h"
#include "store/fetch.h"

/* More would drive each other out of the buffers that wait for memory. */
#define GROUP 16u

struct group {
	struct soj_digest digest[GROUP];
	uint32_t guess[GROUP];
	int rc[GROUP]; /* of the digest */
	size_t count;
};

static int digest_of(struct sojourn *s, const struct sojourn_one *one,
		     struct soj_digest *digest)
{
	if (one->id == NULL)
		return soj_item_digest(s, &one->item, digest);
	return soj_id_digest(s, one->id, digest) ? 0
						 : soj_report_ended(SOJ_NONE);
}

static void fetch(struct sojourn *s, struct group *g,
		  const struct sojourn_one *list)
{
	const struct soj_store *st = &s->st;

	for (size_t i = 0; i < g->count; i++) {
		g->rc[i] = digest_of(s, &list[i], &g->digest[i]);
		if (g->rc[i] == 0)
			soj_index_prefetch(st, g->digest[i]);
	}
	for (size_t i = 0; i < g->count; i++) {
		g->guess[i] = g->rc[i] ? 0 : soj_index_guess(st, g->digest[i]);
		if (g->guess[i])
			soj_entry_prefetch(st, g->guess[i]);
	}
	for (size_t i = 0; i < g->count; i++)
		if (g->guess[i])
			soj_chunk_prefetch(st, g->guess[i]);
}

static int read_one(struct sojourn *s, const struct sojourn_read *how,
		    const struct soj_digest *digest, struct sojourn_one *one)
{
	if (one->id)
		return soj_done(s, soj_session_read(s, one->id, digest, how,
						    one->data, &one->data_bytes,
						    one->info));
	return soj_item_get(s, &one->item, digest, how, one->data,
			    &one->data_bytes, one->info);
}

int sojourn_get_many(struct sojourn *s, struct sojourn_one *list, size_t count,
		     const struct sojourn_read *how)
{
	struct group g;
	int found = 0;

	if (count > INT32_MAX)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "count is %zu, but must be at most "
				  "2147483647",
				  count);
	for (size_t at = 0; at < count; at += g.count) {
		g.count = (size_t)soj_min(GROUP, count - at);
		fetch(s, &g, &list[at]);
		for (size_t i = 0; i < g.count; i++) {
			struct sojourn_one *one = &list[at + i];

			if (g.rc[i])
				digest_of(s, one, &g.digest[i]); /* the text */
			one->rc = g.rc[i] ? g.rc[i]
					  : read_one(s, how, &g.digest[i], one);
			one->reason = sojourn_reason();
			found += one->rc == 0;
		}
	}
	soj_ok();
	return found;
}
