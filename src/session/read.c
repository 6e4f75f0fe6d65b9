/* SPDX-License-Identifier: MIT */

/*
 * Reading sessions: found and judged (find.c), subject, binding, veto, renewal,
 * touch, in this order.  A plain read stores nothing in the segment.
 */

#include <errno.h>
#include <string.h>

#include "base/fault.h"
#include "session/binding.h"
#include "session/meta.h"
#include "session/session.h"
#include "store/event.h"

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

/* One read. */
struct reading {
	struct sojourn *s;
	struct soj_self *self;
	const char *id;
	const struct sojourn_read *how;
	struct sojourn_info *info; /* may be NULL */
	uint64_t now_ms;
	struct soj_digest digest;
	struct soj_session session;
	struct soj_snapshot tip; /* of its line; else the session's own */
	unsigned mismatch;       /* enum sojourn_mismatch */
};

/* ---- refusing ---- */

/* Of what was seen: by now the entry may be another's. */
static void tell(struct sojourn *s, struct soj_self *self,
		 const struct soj_session *session,
		 const struct soj_digest *digest, enum soj_event_type type,
		 enum soj_counter counter, uint64_t detail)
{
	const struct soj_event_what what = {
		.type = type,
		.collection = soj_misc_collection(session->cold.misc),
		.ref = session->snap.ref,
		.digest = *digest,
		.subject = session->cold.subject,
		.detail = {detail},
	};

	if (self == NULL)
		return;
	soj_count(&self->w.thr, counter);
	soj_tell(s, self, &what);
}

unsigned soj_session_mismatch(const struct sojourn *s,
			      const struct soj_session *session,
			      const struct sojourn_metadata *client,
			      unsigned *policy)
{
	const struct soj_shm_collection *c = soj_collection(
		&s->st.seg, soj_misc_collection(session->cold.misc));
	char text[SOJOURN_METADATA_BYTES_MAX];
	struct sojourn_metadata m;
	unsigned mismatch;

	if (client == NULL)
		return 0;
	soj_meta_unpack(session->meta, session->snap.meta_bytes, &m, text);
	mismatch = soj_binding_check(c, &m, client, policy);
	soj_open_wipe(s, text, sizeof(text));
	return mismatch;
}

int soj_session_bound(struct sojourn *s, struct soj_self *self,
		      const struct soj_session *session,
		      const struct soj_digest *digest,
		      const struct sojourn_metadata *client,
		      unsigned *mismatches)
{
	unsigned policy;
	const unsigned mismatch =
		soj_session_mismatch(s, session, client, &policy);

	*mismatches = mismatch;
	if (mismatch == 0)
		return 0;
	tell(s, self, session, digest, SOJ_EVENT_MISMATCH, SOJ_COUNT_mismatches,
	     mismatch);
	if (policy < SOJ_BINDING_REJECT)
		return 0;
	if (policy == SOJ_BINDING_DELETE && !s->st.seg.readonly) {
		struct soj_self *writing;
		int rc;

		writing = soj_self_writing(s, &rc);
		if (writing == NULL)
			return rc;
		rc = soj_misc_keyed(session->cold.misc)
			     ? soj_item_end_seen(s, writing, session, client)
			     : soj_session_delete_named(s, digest);
		if (rc < 0)
			return rc;
	}
	return soj_report(-EPERM, SOJOURN_BINDING,
			  "the session began elsewhere:%s%s%s differ%s",
			  mismatch & SOJOURN_MISMATCH_DEVICE ? " device" : "",
			  mismatch & SOJOURN_MISMATCH_IP ? " ip" : "",
			  mismatch & SOJOURN_MISMATCH_USER_AGENT ? " user agent"
								 : "",
			  mismatch & (mismatch - 1) ? "" : "s");
}

/* What the caller, or his function, is told of it. */
static void tell_of(const struct reading *r, struct sojourn_info *info)
{
	soj_info_fill(r->s, &r->session, info);
	info->version = r->tip.version;
	info->data_bytes = r->tip.data_bytes;
	info->current = true;
	sojourn_log_hash(r->s, r->id, info->log_hash);
}

/* The caller's function has the last word before anything is changed. */
static int ask_veto(struct reading *r, const void *data)
{
	struct soj_outside outside;
	struct sojourn_info own, *info = r->info ? r->info : &own;
	int vetoed;

	if (r->how->veto == NULL)
		return 0;
	if (info == &own) {
		soj_info_clear(&own);
		tell_of(r, &own);
	}
	info->mismatch = r->mismatch;
	soj_outside_begin(r->self, &outside);
	vetoed = r->how->veto(r->how->veto_arg, info, data,
			      data ? r->tip.data_bytes : 0);
	soj_open_wipe(r->s, &own, sizeof(own));
	if (!soj_outside_end(r->self, &outside))
		return soj_report_errno(-ECANCELED);
	if (vetoed == 0)
		return 0;
	tell(r->s, r->self, &r->session, &r->digest, SOJ_EVENT_VETOED,
	     SOJ_COUNT_vetoes, 0);
	return soj_report(-EPERM, SOJOURN_VETOED,
			  "the caller's read hook refused the session");
}

/* ---- finding, and what follows ---- */

/* Its grace window has ended in the midst of it: it is late, and may be told the
 * new id. */
static bool grew_late(struct reading *r)
{
	const uint64_t now_ms = soj_seg_now_ms(&r->s->st.seg);

	if (soj_session_late(&r->session.snap, r->now_ms) ||
	    !soj_session_late(&r->session.snap, now_ms))
		return false;
	r->now_ms = now_ms;
	return true;
}

/*
 * The session of an id, and the tip of its line: an old id in its grace window
 * shows what was written since.  0, -ENOBUFS, or a reported error.
 */
static int find_to_read(struct reading *r, const struct soj_copy *copy)
{
	int rc;

	r->session.snap.data_bytes = 0;
	r->session.snap.has_record = false;
	rc = soj_session_find_late(r->s, r->self, &r->digest, r->now_ms, copy,
				   &r->session.snap);
	r->tip = r->session.snap;
	if ((rc == 0 || rc == -ENOBUFS) && r->session.snap.has_record &&
	    !soj_session_late(&r->session.snap, r->now_ms)) {
		rc = soj_session_follow(r->s, r->self, &r->digest, r->now_ms,
					copy, &r->tip);
		if (rc == -ENOENT && grew_late(r))
			return find_to_read(r, copy);
	}
	if (rc < 0 && rc != -ENOBUFS)
		return rc;
	if (r->how->subject &&
	    !soj_digest_equal(soj_subject_digest(r->s, r->how->subject),
			      r->session.cold.subject)) {
		soj_count_miss(r->self, SOJ_NONE);
		return soj_report_ended(SOJ_NONE);
	}
	if (r->info)
		tell_of(r, r->info);
	return rc;
}

/* Whoever has the old id is given the new one, which leads to a session that
 * is LIVE. */
static bool give_new_id(struct reading *r)
{
	const struct soj_snapshot *snap = &r->session.snap;
	bool given =
		r->info && soj_record_open(r->s, r->id, snap, r->info->new_id);

	if (given)
		r->info->renewal = SOJOURN_RENEWAL_DONE;
	if (!r->s->st.seg.readonly && r->self && !soj_gone(&r->self->w))
		soj_line_settle(&r->s->st, snap->record.successor);
	return given;
}

/* The answer that told the new id was lost, and the grace window is over. */
static int redeliver(struct reading *r)
{
	enum soj_counter counter = give_new_id(r) ? SOJ_COUNT_redelivered
						  : SOJ_COUNT_misses_renewed;

	if (r->self)
		soj_count(&r->self->w.thr, counter);
	return soj_report_ended(SOJ_ENDED_GRACE);
}

static bool renewal_due(const struct reading *r)
{
	const struct soj_shm_collection *c = soj_collection(
		&r->s->st.seg, soj_misc_collection(r->session.cold.misc));

	return soj_renewal_due(c, &r->session.snap.times, r->now_ms);
}

/* What a read does after the session was found alive and not refused. */
static int read_found(struct reading *r)
{
	struct sojourn_info *info = r->info;
	int rc;

	if (soj_ctl_status(r->session.snap.ctl) == SOJ_RENEWED) {
		give_new_id(r);
	} else if (info && !r->how->no_renew && !r->s->st.seg.readonly &&
		   renewal_due(r)) {
		struct soj_self *writing = soj_self_writing(r->s, &rc);

		/* Without a slot another read will renew it. */
		rc = writing ? soj_session_renew_id(r->s, writing, r->id,
						    &r->digest, false, info)
			     : 0;
		/* Only an end is news; a full segment is for another time. */
		if (rc == -ENOENT || rc == -ECANCELED)
			return rc;
		if (info->renewal == SOJOURN_RENEWAL_WON ||
		    info->renewal == SOJOURN_RENEWAL_DONE)
			return 0;
	}
	/* Whoever still has the old id uses the login as well. */
	if (!r->how->no_touch)
		soj_session_touch_due(r->s, r->self, &r->tip, r->now_ms);
	return 0;
}

/* All that follows the finding, in its order. */
static int go_on(struct reading *r, int found, const void *data,
		 size_t *data_bytes)
{
	bool late = soj_session_late(&r->session.snap, r->now_ms);
	int rc = soj_session_bound(r->s, r->self, &r->session, &r->digest,
				   r->how->client, &r->mismatch);

	if (r->info)
		r->info->mismatch = r->mismatch;
	if (rc < 0)
		return rc;
	if (data_bytes)
		*data_bytes = late ? 0 : r->tip.data_bytes;
	if (late) {
		rc = ask_veto(r, NULL);
		return rc < 0 ? rc : redeliver(r);
	}
	if (found == -ENOBUFS)
		return soj_report_errno(found);
	if (data)
		rc = soj_validate(r->s, r->self, SOJ_COLLECTION_SESSION, data,
				  r->tip.data_bytes);
	if (rc == 0)
		rc = ask_veto(r, data);
	if (rc == 0)
		rc = read_found(r);
	return rc < 0 ? rc : soj_ok();
}

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

int soj_read_on(struct sojourn *s, struct soj_self *self, const char *id,
		const struct soj_digest *digest, const struct sojourn_read *how,
		void *data, size_t *data_bytes, struct sojourn_info *info)
{
	struct reading r;
	struct soj_copy copy = {.cold = &r.session.cold};
	int rc;

	r.s = s;
	r.self = self;
	r.id = id;
	r.how = how;
	r.info = info;
	r.digest = *digest;
	r.now_ms = soj_seg_now_ms(&s->st.seg);
	r.session.snap.ref = 0;
	r.tip.data_bytes = 0;
	if (data && data_bytes) {
		copy.data = data;
		copy.data_capacity = *data_bytes;
	}
	if (info || how->veto)
		copy.subject = r.session.subject;
	if (info || how->veto || how->client)
		copy.meta = r.session.meta;
	rc = find_to_read(&r, &copy);
	if (rc == 0 || rc == -ENOBUFS)
		rc = go_on(&r, rc, copy.data, data_bytes);
	if (self && rc == 0)
		soj_count(&self->w.thr, SOJ_COUNT_hits);
	/* Refused: what was copied before that is not the caller's. */
	if (rc < 0 && copy.data)
		soj_wipe(copy.data, soj_min(copy.data_capacity,
					    soj_max(r.session.snap.data_bytes,
						    r.tip.data_bytes)));
	soj_label_wipe(s, r.session.subject, r.session.meta);
	if (self)
		soj_self_flush(s, self);
	note_outcome(s, self, r.session.snap.ref, rc);
	return rc;
}

static int session_read(struct sojourn *s, const char *id,
			const struct soj_digest *known,
			const struct sojourn_read *how, void *data,
			size_t *data_bytes, struct sojourn_info *info)
{
	struct soj_self *self = soj_self(s);
	struct soj_digest digest;
	int rc;

	if (how == NULL)
		how = &soj_read_default;
	if (self)
		self->w.source = SOJ_SOURCE_READ;
	if (known) {
		digest = *known;
	} else if (!soj_id_digest(s, id, &digest)) {
		soj_count_miss(self, SOJ_NONE);
		rc = soj_report_ended(SOJ_NONE);
		note_outcome(s, self, 0, rc);
		return rc;
	}
	if (info == NULL) {
		rc = soj_read_plainly(s, self, &digest, how,
				      SOJ_COLLECTION_SESSION, data, data_bytes);
		if (rc != -EAGAIN)
			return rc;
	}
	return soj_read_on(s, self, id, &digest, how, data, data_bytes, info);
}

int soj_session_read(struct sojourn *s, const char *id,
		     const struct soj_digest *known,
		     const struct sojourn_read *how, void *data,
		     size_t *data_bytes, struct sojourn_info *info)
{
	char own[SOJ_OWN_ID_BYTES];
	const char *by = soj_info_begin(info, id, own);
	int rc = session_read(s, by, known, how, data, data_bytes, info);

	if (by == own)
		soj_wipe(own, sizeof(own));
	return rc;
}
