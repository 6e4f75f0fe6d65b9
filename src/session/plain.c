/* SPDX-License-Identifier: MIT */

/*
 * Reads that ask for nothing but the data, of what lives: the short way.  It is
 * a part of the long one (read.c, get.c), which is taken for everything else:
 * by who wants to know more than the data, asks from elsewhere, has hooks or a
 * validator, or finds anything but an entry that lives and is no old id.
 *
 * A read by id is one function, from the text to the copy, with the store's part
 * in it (store/plain_read.h): what is between the loads of one call and those of
 * the next decides how many of them are under way at once.
 */

#include <errno.h>

#include "session/binding_usual.h"
#include "session/id_usual.h"
#include "session/session.h"
#include "shm/now.h"
#include "store/plain_read.h"

const struct sojourn_read soj_read_default;

static bool suits(struct sojourn *s, const struct sojourn_read *how,
		  uint32_t collection)
{
	return how->subject == NULL && how->veto == NULL && !soj_hooked(s) &&
	       soj_load_relaxed(&s->validator[collection]) == NULL;
}

static __attribute__((noinline, cold)) int missed(struct sojourn *s,
						  struct soj_self *self)
{
	soj_count(&self->w.thr, SOJ_COUNT_misses);
	soj_self_flush(s, self);
	return soj_report_ended(SOJ_NONE);
}

static inline __attribute__((always_inline)) bool fits(const void *client,
						       const void *rules,
						       const soj_word_t *meta,
						       uint32_t meta_bytes)
{
	return soj_binding_same(meta, meta_bytes, client) ||
	       soj_binding_ignored(rules);
}

static inline __attribute__((always_inline)) int
read_plainly(struct sojourn *s, struct soj_last *mine, struct soj_self *self,
	     struct soj_shm_bucket *bucket, struct soj_digest digest,
	     const struct sojourn_read *how, uint32_t collection, void *data,
	     size_t *data_bytes)
{
	const struct soj_plain want = {
		.data = data_bytes ? data : NULL,
		.data_capacity = data_bytes ? *data_bytes : 0,
		.fits = fits,
		.who = how->client,
		.rules = soj_collection(&s->st.seg, collection),
	};
	struct soj_plain_seen seen;
	uint64_t now_ms;
	int rc;

	if (soj_rarely(self == NULL))
		return -EAGAIN;
	self->w.source = SOJ_SOURCE_READ;
	if (soj_rarely(!suits(s, how, collection)))
		return -EAGAIN;
	now_ms = soj_seg_now_by(&s->st.seg, mine->ticker);
	soj_ok_of(mine); /* else it is said below */
	rc = soj_plain_read(&s->st, bucket, digest, now_ms, &want, &seen);
	if (rc < 0)
		return rc == -EAGAIN ? rc : missed(s, self);
	if (data_bytes)
		*data_bytes = seen.data_bytes;
	if (!how->no_touch &&
	    soj_touch_due_by(soj_life_accessed_ms(seen.life), seen.idle_ms,
			     seen.sliding_ms, now_ms))
		soj_session_touch(s, self, soj_place_ref(seen.place), seen.life,
				  now_ms);
	if (soj_rarely(soj_count_hit(&self->w.thr)))
		soj_self_flush_now(s, self);
	return 0;
}

int soj_read_plainly(struct sojourn *s, struct soj_self *self,
		     const struct soj_digest *digest,
		     const struct sojourn_read *how, uint32_t collection,
		     void *data, size_t *data_bytes)
{
	return read_plainly(s, soj_last_mine(), self,
			    soj_bucket_of(&s->st, digest->word[0]), *digest,
			    how, collection, data, data_bytes);
}

/* The digest comes in registers: else it would have to be in memory for all. */
static __attribute__((noinline, cold)) int
go_on(struct sojourn *s, const char *id, struct soj_digest digest,
      const struct sojourn_read *how, void *data, size_t *data_bytes)
{
	return soj_done(s, soj_read_on(s, soj_self(s), id, &digest, how, data,
				       data_bytes, NULL));
}

int sojourn_session_read(struct sojourn *s, const char *id,
			 const struct sojourn_read *how, void *data,
			 size_t *data_bytes, struct sojourn_info *info)
{
	struct soj_shm_bucket *bucket = NULL;
	struct soj_digest digest;
	struct soj_last *mine;
	int rc;

	/* First what the next wait is for. */
	if (soj_rarely(!soj_id_digest_usual(s, id, &digest, &bucket) ||
		       data == NULL || data_bytes == NULL || info != NULL))
		return soj_done(s, soj_session_read(s, id, NULL, how, data,
						    data_bytes, info));
	if (how == NULL)
		how = &soj_read_default;
	/* The way of most reads.  Where it is taken there are no hooks. */
	mine = soj_last_mine();
	rc = read_plainly(s, mine, soj_self_of(mine, s), bucket, digest, how,
			  SOJ_COLLECTION_SESSION, data, data_bytes);
	return rc != -EAGAIN ? rc : go_on(s, id, digest, how, data, data_bytes);
}
