/* SPDX-License-Identifier: MIT */

/*
 * Many reads at a time.  A read waits for memory twice: for the bucket, then for
 * entry and chunk, or three times if the bucket does not say where the chunk
 * lies.  Here each is asked for for all reads of a group before the next, so
 * that the waits overlap.  What was fetched is a hint only: each read is the
 * plain one (plain.c), or the long one (read.c, get.c).
 */

#include <errno.h>

#include "session/id_usual.h"
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

/* And its bucket is on its way. */
static int digest_of(struct sojourn *s, const struct sojourn_one *one,
		     struct soj_digest *digest)
{
	struct soj_shm_bucket *bucket;
	int rc = 0;

	if (one->id && soj_id_digest_usual(s, one->id, digest, &bucket))
		return 0;
	if (one->id == NULL)
		rc = soj_item_digest(s, &one->item, digest);
	else if (!soj_id_digest(s, one->id, digest))
		rc = soj_report_ended(SOJ_NONE);
	if (rc == 0)
		soj_index_prefetch(&s->st, *digest);
	return rc;
}

static void fetch(struct sojourn *s, struct group *g,
		  const struct sojourn_one *list)
{
	for (size_t i = 0; i < g->count; i++)
		g->rc[i] = digest_of(s, &list[i], &g->digest[i]);
	for (size_t i = 0; i < g->count; i++)
		g->guess[i] =
			g->rc[i] ? 0 : soj_bucket_guess(&s->st, g->digest[i]);
	for (size_t i = 0; i < g->count; i++)
		if (g->guess[i])
			soj_chunk_prefetch(&s->st, g->guess[i]);
}

static int read_one(struct sojourn *s, const struct sojourn_read *how,
		    const struct soj_digest *digest, struct sojourn_one *one)
{
	int rc;

	if (one->id == NULL)
		return soj_item_get(s, &one->item, digest, how, one->data,
				    &one->data_bytes, one->info);
	if (one->info)
		return soj_session_read(s, one->id, digest, how, one->data,
					&one->data_bytes, one->info);
	if (how == NULL)
		how = &soj_read_default;
	rc = soj_read_plainly(s, soj_self(s), digest, how,
			      SOJ_COLLECTION_SESSION, one->data,
			      &one->data_bytes);
	return rc != -EAGAIN ? rc
			     : soj_read_on(s, soj_self(s), one->id, digest, how,
					   one->data, &one->data_bytes, NULL);
}

/* What has no digest: no id, which is a miss as any, or no item that can be. */
static int refused(struct sojourn *s, const struct sojourn_read *how,
		   struct sojourn_one *one, struct soj_digest *digest)
{
	if (one->id)
		return soj_session_read(s, one->id, NULL, how, one->data,
					&one->data_bytes, one->info);
	soj_info_clear(one->info);
	return digest_of(s, one, digest); /* again, for its text */
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

			one->rc = g.rc[i] ? refused(s, how, one, &g.digest[i])
					  : read_one(s, how, &g.digest[i], one);
			one->reason = sojourn_reason();
			found += one->rc == 0;
		}
	}
	soj_ok();
	return soj_done(s, found);
}
