/* SPDX-License-Identifier: MIT */

/*
 * Finding and reading sessions: index, snapshot, judge, subject, renewal,
 * touch, in this order.  A plain read stores nothing in the segment.
 *
 * Edges
 *   L0  touch: cas of life                          store/entry.c E1
 */

#include <errno.h>
#include <string.h>

#include "base/fault.h"
#include "session/meta.h"
#include "session/session.h"

static void count_miss(struct soj_self *self, enum soj_status status)
{
	if (self == NULL)
		return;
	soj_count(&self->w.thr, status == SOJ_ENDED_IDLE ? SOJ_COUNT_misses_idle
				: status == SOJ_ENDED_EXPIRED
					? SOJ_COUNT_misses_expired
					: SOJ_COUNT_misses);
}

/* Over: make it final, so that no late touch undoes the answer.  False: it
 * changed in between, look again. */
static bool finish_over(struct sojourn *s, struct soj_self *self,
			const struct soj_snapshot *snap,
			enum soj_status verdict)
{
	if (s->st.seg.readonly || self == NULL)
		return true;
	if (!soj_entry_expire(&s->st, &self->w, snap->ref, snap->ctl,
			      snap->life, verdict))
		return soj_gone(&self->w);
	soj_count(&self->w.thr, SOJ_COUNT_expirations);
	return true;
}

/* An old id in its grace window: it is worth what its successor is. */
static int look_ahead(struct sojourn *s, struct soj_self *self,
		      struct soj_self *reader, const struct soj_snapshot *snap,
		      int rc)
{
	enum soj_status tip = soj_line_status(&s->st, snap, NULL);

	if (tip == SOJ_ACTIVE)
		return rc;
	if (!s->st.seg.readonly && self)
		soj_entry_end(&s->st, &self->w, snap->ref, snap->ctl, tip);
	count_miss(reader, tip);
	return soj_report_ended(tip);
}

/* One look at an entry: 0 or -ENOBUFS it lives, -EAGAIN look again, else a
 * reported end, and a miss of `reader` (NULL: of nobody). */
static int look(struct sojourn *s, struct soj_self *self,
		struct soj_self *reader, uint64_t ref,
		const struct soj_digest *digest, uint64_t now_ms,
		const struct soj_copy *copy, struct soj_snapshot *snap)
{
	int rc = soj_entry_snapshot(&s->st, ref, digest, copy, snap);
	enum soj_status verdict;

	if (rc == -EAGAIN || rc == -ENOENT)
		return -EAGAIN;
	if (rc < 0 && rc != -ENOBUFS)
		return soj_report_errno(rc);
	if (soj_ctl_ended(snap->ctl)) {
		count_miss(reader, soj_ctl_status(snap->ctl));
		return soj_report_ended(soj_ctl_status(snap->ctl));
	}
	verdict = soj_times_judge(&snap->times, now_ms);
	if (verdict == SOJ_ACTIVE && (snap->life & SOJ_LIFE_EXPIRED) &&
	    soj_ctl_status(snap->ctl) == SOJ_ACTIVE)
		verdict = SOJ_ENDED_EXPIRED;
	if (verdict == SOJ_ACTIVE && soj_ctl_status(snap->ctl) == SOJ_RENEWED)
		return look_ahead(s, self, reader, snap, rc);
	if (verdict == SOJ_ACTIVE)
		return rc;
	if (!finish_over(s, self, snap, verdict))
		return -EAGAIN;
	count_miss(reader, verdict);
	return soj_report_ended(verdict);
}

static int find(struct sojourn *s, struct soj_self *self,
		struct soj_self *reader, const struct soj_digest *digest,
		uint64_t now_ms, const struct soj_copy *copy,
		struct soj_snapshot *snap)
{
	for (unsigned tries = 0; tries < SOJ_TRIES_MAX; tries++) {
		struct soj_found found;
		int rc = soj_index_find(&s->st, *digest, &found);

		if (rc == -ENOENT) {
			count_miss(reader, SOJ_NONE);
			return soj_report_ended(SOJ_NONE);
		}
		if (rc < 0)
			continue;
		rc = look(s, self, reader, found.ref, digest, now_ms, copy,
			  snap);
		if (rc != -EAGAIN)
			return rc;
		if (self)
			soj_count(&self->w.thr, SOJ_COUNT_retries);
	}
	if (self)
		soj_count(&self->w.thr, SOJ_COUNT_busy);
	return soj_report_errno(-EBUSY);
}

int soj_session_find(struct sojourn *s, struct soj_self *self,
		     const struct soj_digest *digest, uint64_t now_ms,
		     const struct soj_copy *copy, struct soj_snapshot *snap)
{
	return find(s, self, self, digest, now_ms, copy, snap);
}

int soj_session_seek(struct sojourn *s, struct soj_self *self,
		     const struct soj_digest *digest, uint64_t now_ms,
		     const struct soj_copy *copy, struct soj_snapshot *snap)
{
	return find(s, self, NULL, digest, now_ms, copy, snap);
}

int soj_session_follow(struct sojourn *s, struct soj_self *self,
		       const struct soj_digest *digest, uint64_t now_ms,
		       const struct soj_copy *copy, struct soj_snapshot *snap)
{
	int rc = soj_session_find(s, self, digest, now_ms, copy, snap);
	struct soj_snapshot first = *snap;

	for (unsigned tries = 0; tries < SOJ_TRIES_MAX; tries++) {
		enum soj_status status;
		uint64_t tip;

		if ((rc < 0 && rc != -ENOBUFS) || !first.has_record)
			return rc;
		status = soj_line_status(&s->st, &first, &tip);
		if (status != SOJ_ACTIVE)
			return soj_report_ended(status);
		if (tip == 0)
			break;
		rc = look(s, self, self, tip, NULL, now_ms, copy, snap);
		/* Else it was renewed or reused just now: walk again. */
		if (rc != -EAGAIN && !snap->has_record)
			return rc;
		rc = 0;
	}
	return soj_report_errno(-EBUSY);
}

void soj_session_touch_due(struct sojourn *s, struct soj_self *self,
			   const struct soj_snapshot *snap, uint64_t now_ms)
{
	struct soj_shm_entry *e = soj_entry(&s->st, soj_ref_entry(snap->ref));
	uint64_t life = snap->life;

	if (s->st.seg.readonly || self == NULL || soj_gone(&self->w) ||
	    soj_ctl_status(snap->ctl) != SOJ_ACTIVE ||
	    (life & SOJ_LIFE_EXPIRED) || !soj_touch_due(&snap->times, now_ms))
		return;
	SOJ_STEP("touch.seen");
	/* Lost to another touch, or to the end by time: both are fine. */
	if (soj_cas_acq_rel(&e->life, &life, /* L0 */
			    soj_life(soj_life_gen(life), now_ms))) {
		soj_count(&self->w.thr, SOJ_COUNT_touches);
		soj_note_of(s, self, SOJ_HOOK_TOUCHED, snap->ref, 0);
	}
	SOJ_STEP("touch.done");
}

void soj_info_fill(struct sojourn *s, const struct soj_session *session,
		   struct sojourn_info *info)
{
	const struct soj_snapshot *snap = &session->snap;

	soj_handle_text(&s->st, snap->ref, info->handle);
	memcpy(info->subject, session->subject, snap->subject_bytes);
	info->subject[snap->subject_bytes] = 0;
	memcpy(info->collection,
	       soj_collection(&s->st.seg,
			      soj_misc_collection(session->cold.misc))
		       ->name,
	       sizeof(info->collection));
	info->created_ms = snap->times.created_ms;
	info->accessed_ms = snap->times.accessed_ms;
	info->expires_ms = snap->times.expires_ms;
	if (snap->times.sliding_ms)
		info->expires_ms = soj_min(info->expires_ms,
					   snap->times.accessed_ms +
						   snap->times.sliding_ms);
	info->deadline_ms = soj_times_deadline_ms(&snap->times);
	info->idle_timeout_ms = snap->times.idle_ms;
	info->version = snap->version;
	info->data_bytes = snap->data_bytes;
	info->renewals = soj_misc_renewals(session->cold.misc);
	info->renewed = soj_ctl_status(snap->ctl) == SOJ_RENEWED;
	soj_meta_unpack(session->meta, snap->meta_bytes, &info->metadata,
			info->text);
}

bool soj_record_open(struct sojourn *s, const char *old_id,
		     const struct soj_snapshot *snap,
		     char id[SOJOURN_ID_CHARS_MAX + 1])
{
	const struct soj_shm_record *r = &snap->record;
	uint32_t bytes = r->sealed_bytes;

	if (!snap->has_record || bytes > sizeof(r->sealed) ||
	    bytes <= SOJ_SEAL_BYTES ||
	    bytes - SOJ_SEAL_BYTES > SOJOURN_ID_CHARS_MAX ||
	    !soj_unseal(&s->keys, old_id, strlen(old_id), r->nonce, r->sealed,
			bytes, id))
		return false;
	id[bytes - SOJ_SEAL_BYTES] = 0;
	return true;
}

/* What a read does after the session was found alive.  tip: what a renewed one
 * leads to, else the same. */
static int read_found(struct sojourn *s, struct soj_self *self, const char *id,
		      const struct soj_digest *digest, uint64_t now_ms,
		      const struct sojourn_read *how,
		      const struct soj_session *session,
		      const struct soj_snapshot *tip, struct sojourn_info *info)
{
	const struct soj_snapshot *snap = &session->snap;
	int rc;

	if (soj_ctl_status(snap->ctl) == SOJ_RENEWED) {
		if (info && soj_record_open(s, id, snap, info->new_id))
			info->renewal = SOJOURN_RENEWAL_DONE;
		/* Whoever has the new id has a session that is LIVE. */
		if (!s->st.seg.readonly && self && !soj_gone(&self->w))
			soj_line_settle(&s->st, snap);
		/* Whoever still has the old id uses the login as well. */
		if (!how->no_touch)
			soj_session_touch_due(s, self, tip, now_ms);
		return 0;
	}
	if (info && !how->no_renew && !s->st.seg.readonly &&
	    soj_renewal_due(
		    soj_collection(&s->st.seg,
				   soj_misc_collection(session->cold.misc)),
		    &snap->times, now_ms)) {
		struct soj_self *writing = soj_self_writing(s, &rc);

		/* Without a slot another read will renew it. */
		rc = writing ? soj_session_renew_id(s, writing, id, digest,
						    now_ms, info)
			     : 0;
		/* Only an end is news; a full segment is for another time. */
		if (rc == -ENOENT || rc == -ECANCELED)
			return rc;
		if (info->renewal == SOJOURN_RENEWAL_WON ||
		    info->renewal == SOJOURN_RENEWAL_DONE)
			return 0;
	}
	if (!how->no_touch)
		soj_session_touch_due(s, self, snap, now_ms);
	return 0;
}

/*
 * The session of an id, and the tip of its line: an old id in its grace window
 * shows what was written since.  0, -ENOBUFS, or a reported error.
 */
static int find_to_read(struct sojourn *s, struct soj_self *self,
			const struct sojourn_read *how,
			const struct soj_digest *digest, uint64_t now_ms,
			const struct soj_copy *copy,
			struct soj_session *session, struct soj_snapshot *tip)
{
	int rc;

	session->snap.data_bytes = 0;
	rc = soj_session_find(s, self, digest, now_ms, copy, &session->snap);
	*tip = session->snap;
	if ((rc == 0 || rc == -ENOBUFS) && session->snap.has_record)
		rc = soj_session_follow(s, self, digest, now_ms, copy, tip);
	if (rc < 0 && rc != -ENOBUFS)
		return rc;
	if (how->subject &&
	    !soj_digest_equal(soj_subject_digest(s, how->subject),
			      session->cold.subject)) {
		count_miss(self, SOJ_NONE);
		return soj_report_ended(SOJ_NONE);
	}
	return rc;
}

static const struct sojourn_read read_default;

/* For the hooks. */
static void note_outcome(struct sojourn *s, struct soj_self *self, uint64_t ref,
			 int rc)
{
	if (!soj_hooked(s))
		return;
	if (rc == 0)
		soj_note_of(s, self, SOJ_HOOK_HIT, ref, 0);
	else if (rc == -ENOENT)
		soj_note(s, self,
			 &(struct soj_note){.hook = SOJ_HOOK_MISSED,
					    .reason = sojourn_reason()});
}

int soj_session_read(struct sojourn *s, const char *id,
		     const struct sojourn_read *how, void *data,
		     size_t *data_bytes, struct sojourn_info *info)
{
	struct soj_self *self = soj_self(s);
	uint64_t now_ms = soj_seg_now_ms(&s->st.seg);
	struct soj_session session;
	struct soj_snapshot tip;
	struct soj_copy copy = {0};
	struct soj_digest digest;
	int rc, rest;

	if (how == NULL)
		how = &read_default;
	if (self)
		self->w.source = SOJ_SOURCE_READ;
	if (!soj_id_digest(s, id, &digest)) {
		count_miss(self, SOJ_NONE);
		rc = soj_report_ended(SOJ_NONE);
		note_outcome(s, self, 0, rc);
		return rc;
	}
	if (data && data_bytes) {
		copy.data = data;
		copy.data_capacity = *data_bytes;
	}
	if (info) {
		copy.subject = session.subject;
		copy.meta = session.meta;
		info->renewal = SOJOURN_RENEWAL_NONE;
		info->new_id[0] = 0;
		info->current = true;
	}
	if (info || how->subject)
		copy.cold = &session.cold;
	rc = find_to_read(s, self, how, &digest, now_ms, &copy, &session, &tip);
	if (rc == 0 && copy.data)
		rc = soj_validate(s, self, SOJ_COLLECTION_SESSION, data,
				  tip.data_bytes);
	if (rc < 0 && rc != -ENOBUFS)
		goto out;
	if (data_bytes)
		*data_bytes = tip.data_bytes;
	if (info) {
		soj_info_fill(s, &session, info);
		info->version = tip.version;
		info->data_bytes = tip.data_bytes;
		sojourn_log_hash(s, id, info->log_hash);
	}
	if (rc == -ENOBUFS) {
		rc = soj_report_errno(rc);
		goto out;
	}
	rest = read_found(s, self, id, &digest, now_ms, how, &session, &tip,
			  info);
	rc = rest < 0 ? rest : soj_ok();
	if (self && rc == 0)
		soj_count(&self->w.thr, SOJ_COUNT_hits);
out:
	/* Refused: what was copied before that is not the caller's. */
	if (rc < 0 && copy.data)
		soj_wipe(copy.data, soj_min(copy.data_capacity,
					    soj_max(session.snap.data_bytes,
						    tip.data_bytes)));
	if (self)
		soj_self_flush(s, self);
	note_outcome(s, self, session.snap.ref, rc);
	return rc;
}

int sojourn_session_read(struct sojourn *s, const char *id,
			 const struct sojourn_read *how, void *data,
			 size_t *data_bytes, struct sojourn_info *info)
{
	return soj_done(s,
			soj_session_read(s, id, how, data, data_bytes, info));
}
