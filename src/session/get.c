/* SPDX-License-Identifier: MIT */

/*
 * Items of collections: get, has, touch, remove.  All find and judge as
 * sessions are read (read.c); remove is decided by the CAS of ctl from exactly
 * what was judged, as every end is (store/entry.c).
 *
 * Crash table: killed after remove's CAS: the item is gone; upkeep clears the
 * rest.  Stop table: stopped before it: the CAS fails if the item changed, and
 * remove looks again.
 */

#include <errno.h>
#include <string.h>

#include "base/fault.h"
#include "session/item.h"

/* What was found is what the caller asked for, who is told about it, and is
 * sound.  The collection is the caller's: an image may be damaged, and the number
 * in its entry any. */
static int check_found(struct sojourn *s, struct soj_self *self,
		       uint32_t collection, const struct soj_digest *digest,
		       const struct sojourn_read *how,
		       const struct soj_session *found, const void *data,
		       struct sojourn_info *info)
{
	unsigned mismatch;
	int rc;

	if (how->subject &&
	    !soj_digest_equal(soj_subject_digest(s, how->subject),
			      found->cold.subject)) {
		if (self)
			soj_count(&self->w.thr, SOJ_COUNT_misses);
		return soj_report_ended(SOJ_NONE);
	}
	if (info)
		soj_info_fill(s, found, info);
	rc = soj_session_bound(s, self, found, digest, how->client, &mismatch);
	if (info)
		info->mismatch = mismatch;
	if (rc < 0 || data == NULL)
		return rc;
	return soj_validate(s, self, collection, data, found->snap.data_bytes);
}

static int get_labelled(struct sojourn *s, struct soj_self *self,
			uint32_t collection, const struct soj_digest *digest,
			const struct sojourn_read *how, void *data,
			size_t *data_bytes, struct sojourn_info *info,
			struct soj_session *found)
{
	const uint64_t now_ms = soj_seg_now_ms(&s->st.seg);
	const size_t capacity = data && data_bytes ? *data_bytes : 0;
	const struct soj_copy copy = {
		.cold = &found->cold,
		.subject = info ? found->subject : NULL,
		.meta = info || how->client ? found->meta : NULL,
		.data = data_bytes ? data : NULL,
		.data_capacity = capacity,
	};
	int rc, rest;

	found->snap.data_bytes = 0;
	rc = soj_session_find(s, self, digest, now_ms, &copy, &found->snap);
	rest = rc < 0 && rc != -ENOBUFS
		       ? rc
		       : check_found(s, self, collection, digest, how, found,
				     rc == 0 ? copy.data : NULL, info);
	if (rest < 0) {
		/* Refused: what was copied before is not the caller's. */
		if (copy.data)
			soj_wipe(data,
				 soj_min(capacity, found->snap.data_bytes));
		return rest;
	}
	if (data_bytes)
		*data_bytes = found->snap.data_bytes;
	if (rc == -ENOBUFS)
		return soj_report_errno(rc);
	if (!how->no_touch)
		soj_session_touch_due(s, self, &found->snap, now_ms);
	if (self)
		soj_count(&self->w.thr, SOJ_COUNT_hits);
	soj_note_of(s, self, SOJ_HOOK_HIT, found->snap.ref, 0);
	return soj_ok();
}

static int get(struct sojourn *s, struct soj_self *self, uint32_t collection,
	       const struct soj_digest *digest, const struct sojourn_read *how,
	       void *data, size_t *data_bytes, struct sojourn_info *info)
{
	struct soj_session found;
	int rc = get_labelled(s, self, collection, digest, how, data,
			      data_bytes, info, &found);

	soj_label_wipe(s, found.subject, found.meta);
	return rc;
}

int soj_item_check_how(const struct sojourn_read *how)
{
	return how && how->veto
		       ? soj_report(-EINVAL, SOJOURN_INVALID,
				    "veto is set, but only sessions have one")
		       : 0;
}

void soj_item_note_missed(struct sojourn *s, const struct sojourn_item *item)
{
	soj_note(s, soj_self(s),
		 &(struct soj_note){.hook = SOJ_HOOK_MISSED,
				    .collection = item->collection,
				    .reason = sojourn_reason()});
}

int soj_item_get(struct sojourn *s, const struct sojourn_item *item,
		 const struct soj_digest *digest,
		 const struct sojourn_read *how, void *data, size_t *data_bytes,
		 struct sojourn_info *info)
{
	struct soj_self *self = soj_self(s);
	int rc = soj_item_check_how(how);

	soj_info_clear(info);
	if (rc < 0)
		return rc;
	if (self)
		self->w.source = SOJ_SOURCE_READ;
	if (how == NULL)
		how = &soj_read_default;
	rc = info ? -EAGAIN
		  : soj_read_plainly(s, self, digest, how, item->collection,
				     data, data_bytes);
	if (rc != -EAGAIN)
		return rc;
	rc = get(s, self, item->collection, digest, how, data, data_bytes,
		 info);
	if (self)
		soj_self_flush(s, self);
	if (rc == -ENOENT)
		soj_item_note_missed(s, item);
	return rc;
}

int sojourn_get(struct sojourn *s, const struct sojourn_item *item,
		const struct sojourn_read *how, void *data, size_t *data_bytes,
		struct sojourn_info *info)
{
	struct soj_digest digest;
	int rc = soj_item_digest(s, item, &digest);

	if (rc == 0)
		return soj_done(s, soj_item_get(s, item, &digest, how, data,
						data_bytes, info));
	soj_info_clear(info);
	return rc;
}

int sojourn_has(struct sojourn *s, const struct sojourn_item *item)
{
	struct soj_snapshot snap;
	struct soj_digest digest;
	int rc = soj_item_digest(s, item, &digest);

	if (rc < 0)
		return rc;
	/* As nobody: nothing is counted, and nothing ended. */
	rc = soj_session_seek(s, NULL, &digest, soj_seg_now_ms(&s->st.seg),
			      NULL, &snap);
	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	soj_ok();
	return 1;
}

static int touch(struct sojourn *s, const struct sojourn_item *item)
{
	const uint64_t now_ms = soj_seg_now_ms(&s->st.seg);
	struct soj_self *self = soj_self(s);
	struct soj_snapshot snap;
	struct soj_digest digest;
	int rc = soj_item_digest(s, item, &digest);

	if (rc < 0)
		return rc;
	if (s->st.seg.readonly)
		return soj_report_errno(-EROFS);
	if (self)
		self->w.source = SOJ_SOURCE_UPDATE;
	rc = soj_session_find(s, self, &digest, now_ms, NULL, &snap);
	if (rc < 0)
		return rc;
	soj_session_touch_due(s, self, &snap, now_ms);
	return soj_ok();
}

int sojourn_touch(struct sojourn *s, const struct sojourn_item *item)
{
	return soj_done(s, touch(s, item));
}

int soj_item_end_seen(struct sojourn *s, struct soj_self *self,
		      const struct soj_session *seen,
		      const struct sojourn_metadata *client)
{
	struct soj_session now;
	const struct soj_copy copy = {.cold = &now.cold, .meta = now.meta};
	const uint64_t ref = seen->snap.ref;
	uint64_t ctl = seen->snap.ctl;
	unsigned policy;

	self->w.source = SOJ_SOURCE_DELETE;
	for (unsigned i = 0; i < SOJ_TRIES_MAX; i++) {
		bool again;
		int rc;

		if (soj_gone(&self->w))
			return soj_report_errno(-ECANCELED);
		if (soj_entry_end(&s->st, &self->w, ref, ctl,
				  SOJ_ENDED_DELETED)) {
			soj_count(&self->w.thr, SOJ_COUNT_deletes);
			return 0;
		}
		/* Another value may be for this client; the same is not. */
		rc = soj_entry_look(&s->st, ref, NULL, &copy, &now.snap);
		again = rc == 0 && soj_ctl_readable(now.snap.ctl) &&
			soj_session_mismatch(s, &now, client, &policy) &&
			policy == SOJ_BINDING_DELETE;
		soj_open_wipe(s, now.meta, sizeof(now.meta));
		if (!again)
			return rc == -EBUSY ? soj_report_errno(rc) : 0;
		ctl = now.snap.ctl;
	}
	return soj_report_errno(-EBUSY);
}

/* Returns how many it ended; -EAGAIN: it changed. */
static int remove_once(struct sojourn *s, struct soj_self *self,
		       const struct soj_digest *digest, uint64_t if_version)
{
	struct soj_snapshot snap;
	int rc = soj_session_seek(s, self, digest, soj_seg_now_ms(&s->st.seg),
				  NULL, &snap);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	if (if_version && if_version != snap.version)
		return soj_report_errno(-ESTALE);
	SOJ_STEP("remove.seen");
	if (soj_gone(&self->w))
		return soj_report_errno(-ECANCELED);
	if (!soj_entry_end(&s->st, &self->w, snap.ref, snap.ctl,
			   SOJ_ENDED_DELETED))
		return -EAGAIN;
	soj_count(&self->w.thr, SOJ_COUNT_deletes);
	soj_ok();
	return 1;
}

int sojourn_remove(struct sojourn *s, const struct sojourn_item *item,
		   uint64_t if_version)
{
	struct soj_digest digest;
	struct soj_self *self;
	int rc = soj_item_digest(s, item, &digest);

	if (rc < 0)
		return rc;
	self = soj_self_writing(s, &rc);
	if (self == NULL)
		return rc;
	self->w.source = SOJ_SOURCE_DELETE;
	rc = -EAGAIN;
	for (unsigned i = 0; rc == -EAGAIN && i < SOJ_TRIES_MAX; i++)
		rc = remove_once(s, self, &digest, if_version);
	if (rc == -EAGAIN) {
		soj_count(&self->w.thr, SOJ_COUNT_busy);
		rc = soj_report_errno(-EBUSY);
	}
	soj_count_flush(&s->st.seg, &self->w.thr);
	return soj_done(s, rc);
}
