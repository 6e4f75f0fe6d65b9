/* SPDX-License-Identifier: MIT */

/*
 * Creating and reading sessions.
 *
 * Create, and what is left when the worker is killed after each step; "repair"
 * is upkeep/repair.c, for all of them nothing was acknowledged:
 *   entry owned            OWNED by the dead, ctl NONE: freed
 *   chunk owned            not named by any ctl: freed
 *   filled, ctl live       OWNED, not indexed: withdrawn
 *   pushed on the chain    the same; walkers skip what is OWNED
 *   committed in the index readable, but its id was told to nobody: withdrawn
 *   chunk LIVE             the same
 *   entry LIVE             the session exists; nobody has its id, it expires
 * Ended before it was LIVE (delete-all does not wait for logins in flight):
 * the maker sees the ended ctl after the CAS to LIVE and removes the index
 * word; the ender, who sees OWNED, leaves that to it.
 *
 * Read: index, snapshot, judge, subject, renewal, touch, in this order.  A
 * plain read stores nothing in the segment.
 *
 * Edges
 *   E0  birth: cas of ctl                           store/entry.c E1
 *   E1  load of ctl                                 store/entry.c E0
 *   S1  load of a state                             store/slab.c S0
 *   L0  touch: cas of life                          store/entry.c E1
 *   E6  settle: fence between state and ctl         store/entry.c E4
 */

#include "session/session.h"

#include <errno.h>
#include <string.h>

#include "base/fault.h"
#include "session/meta.h"

/* ---- making an entry ---- */

static bool fill_entry(struct sojourn *s, struct soj_self *self, uint32_t idx,
		       uint64_t gen, uint32_t chunk, const struct soj_birth *b)
{
	struct soj_shm_entry *e = soj_entry(&s->st, idx);
	uint64_t ctl = soj_load_relaxed(&e->ctl);

	soj_store_relaxed(&e->life, soj_life(gen, b->now_ms));
	soj_store_relaxed(&e->digest[0], b->digest.word[0]);
	soj_store_relaxed(&e->digest[1], b->digest.word[1]);
	soj_store_relaxed(&e->renew, soj_renew(gen, SOJ_SLOT_NONE, 0));
	soj_store_relaxed(&e->created_ms, b->now_ms);
	soj_store_relaxed(&e->expires_ms, b->life.expires_ms);
	soj_store_relaxed(&e->idle_ms, b->life.idle_ms);
	soj_store_relaxed(&e->sliding_ms, b->life.sliding_ms);
	soj_store_relaxed(&e->subject[0], b->subject.word[0]);
	soj_store_relaxed(&e->subject[1], b->subject.word[1]);
	soj_store_relaxed(&e->login, b->login);
	soj_store_relaxed(&e->expires_max_ms, b->life.expires_max_ms);
	soj_store_relaxed(&e->predecessor, b->predecessor);
	soj_store_relaxed(&e->misc, soj_misc(0, b->renewals, b->life.ttl_ms));
	SOJ_STEP("create.filled");
	if (soj_gone(&self->w) ||
	    !soj_cas_acq_rel(&e->ctl, &ctl, /* E0 */
			     soj_ctl_next(ctl, SOJ_ACTIVE, chunk)))
		return false;
	SOJ_STEP("create.ctl");
	return true;
}

int soj_session_make(struct sojourn *s, struct soj_self *self,
		     const struct soj_birth *birth, struct soj_made *made)
{
	struct soj_store *st = &s->st;
	struct soj_value value = birth->value;
	uint64_t existing;
	uint32_t idx;
	int rc;

	rc = soj_room_entry(s, self, &idx);
	if (rc < 0)
		return rc;
	rc = soj_room_chunk(s, self, soj_value_chunk_bytes(&value),
			    &made->chunk);
	if (rc < 0) {
		soj_entry_abandon(st, &self->w, idx);
		return rc;
	}
	made->owned = soj_load_acquire(&st->seg.entry_states[idx]); /* S1 */
	made->ref = soj_ref(idx, soj_state_gen(made->owned));
	made->chunk_owned =
		soj_load_acquire(soj_chunk_state(st, made->chunk)); /* S1 */
	value.entry = idx;
	if (!soj_chunk_write(st, made->chunk, &value)) {
		soj_chunk_abandon(st, &self->w, made->chunk);
		soj_entry_abandon(st, &self->w, idx);
		return soj_report_errno(-EBADMSG);
	}
	SOJ_STEP("create.chunk");
	if (soj_gone(&self->w) ||
	    !fill_entry(s, self, idx, soj_state_gen(made->owned), made->chunk,
			birth))
		return soj_report_errno(-ECANCELED);
	rc = soj_chain_push(st, &self->w, idx, birth->predecessor != 0);
	if (rc == 0)
		rc = soj_index_insert(st, &self->w, birth->digest,
				      soj_entry_place(st, made->ref),
				      &existing);
	if (rc < 0) {
		soj_session_withdraw(s, self, made);
		return soj_report_errno(rc);
	}
	return 0;
}

bool soj_session_settle(struct sojourn *s, struct soj_self *self,
			const struct soj_made *made)
{
	struct soj_shm_entry *e = soj_entry(&s->st, soj_ref_entry(made->ref));
	uint64_t ctl;

	if (soj_gone(&self->w))
		return false;
	soj_state_publish(soj_chunk_state(&s->st, made->chunk),
			  made->chunk_owned);
	SOJ_STEP("create.chunk.live");
	soj_entry_go_live(&s->st, made->ref, made->owned);
	soj_fence_seq_cst();             /* E6 */
	ctl = soj_load_acquire(&e->ctl); /* E1 */
	/* Somebody else may have made it LIVE long ago, and it be over. */
	if (soj_ctl_readable(ctl) &&
	    soj_life_gen(soj_load_acquire(&e->life)) == /* E1 */
		    soj_ref_gen(made->ref))
		return true;
	soj_entry_end_finish(&s->st, &self->w, made->ref);
	return false;
}

void soj_session_withdraw(struct sojourn *s, struct soj_self *self,
			  const struct soj_made *made)
{
	struct soj_shm_entry *e = soj_entry(&s->st, soj_ref_entry(made->ref));
	uint64_t ctl = soj_load_acquire(&e->ctl); /* E1 */

	if (SOJ_PLANT(WITHDRAW_SKIPPED))
		ctl = 0;
	/* ctl is that of the entry made as long as the state is ours; when
	 * others have settled it, it is no longer ours to take back. */
	while (soj_ctl_readable(ctl) &&
	       soj_load_acquire(
		       &s->st.seg.entry_states[/* S1 */
					       soj_ref_entry(made->ref)]) ==
		       made->owned &&
	       !soj_gone(&self->w) &&
	       !soj_entry_end(&s->st, &self->w, made->ref, ctl,
			      SOJ_ENDED_WITHDRAWN))
		ctl = soj_load_acquire(&e->ctl); /* E1 */
	SOJ_STEP("withdraw.ended");
	soj_session_settle(s, self, made);
}

/* ---- create ---- */

/* Tells about a session just made: no use of it, so neither hit nor touch. */
static int read_info(struct sojourn *s, struct soj_self *self, const char *id,
		     const struct soj_digest *digest, struct sojourn_info *info)
{
	struct soj_session session;
	struct soj_copy copy = {.cold = &session.cold,
				.subject = session.subject,
				.meta = session.meta};
	int rc = soj_session_find(s, self, digest, soj_seg_now_ms(&s->st.seg),
				  &copy, &session.snap);

	if (rc < 0)
		return rc;
	soj_info_fill(s, &session, info);
	sojourn_log_hash(s, id, info->log_hash);
	info->current = true;
	info->renewal = SOJOURN_RENEWAL_NONE;
	info->new_id[0] = 0;
	return soj_ok();
}

static int check_new(const struct sojourn_new *n)
{
	size_t subject_bytes = n->subject ? strlen(n->subject) : 0;

	if (subject_bytes < 1 || subject_bytes > SOJ_SUBJECT_BYTES_MAX)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "the subject has %zu bytes, but must have 1 "
				  "to 255",
				  subject_bytes);
	if (n->data == NULL && n->data_bytes > 0)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "data is NULL, but data_bytes is %zu",
				  n->data_bytes);
	if (n->data_bytes > SOJ_DATA_BYTES_MAX)
		return soj_report(-EMSGSIZE, SOJOURN_TOO_LARGE,
				  "the data has %zu bytes, but at most 1048576 "
				  "are allowed",
				  n->data_bytes);
	return 0;
}

int sojourn_session_create(struct sojourn *s, const struct sojourn_new *what,
			   char id[SOJOURN_ID_CHARS_MAX + 1],
			   struct sojourn_info *info)
{
	uint8_t meta[SOJ_META_BYTES_MAX];
	struct soj_birth birth = {.now_ms = soj_seg_now_ms(&s->st.seg)};
	struct soj_made made;
	struct soj_self *self;
	ssize_t meta_bytes;
	int rc = check_new(what);

	id[0] = 0;
	if (rc < 0)
		return rc;
	meta_bytes = soj_meta_pack(&what->metadata, meta);
	if (meta_bytes < 0)
		return soj_report(-EMSGSIZE, SOJOURN_TOO_LARGE,
				  "the metadata takes more than 2048 bytes");
	rc = soj_lifetime_begin(&s->st.seg, birth.now_ms, what->ttl_ms,
				what->idle_timeout_ms, &birth.life);
	if (rc < 0)
		return rc;
	self = soj_self_writing(s, &rc);
	if (self == NULL)
		return rc;
	birth.subject = soj_subject_digest(s, what->subject);
	birth.value = (struct soj_value){
		.data = what->data,
		.data_bytes = (uint32_t)what->data_bytes,
		.subject = what->subject,
		.subject_bytes = (uint32_t)strlen(what->subject),
		.meta = meta,
		.meta_bytes = (uint32_t)meta_bytes,
		.version = 1,
	};
	/* A full bucket asks for another id; a taken id does not happen. */
	for (unsigned tries = 0; tries < 8; tries++) {
		soj_id_make(s, id);
		soj_id_digest(s, id, &birth.digest);
		rc = soj_session_make(s, self, &birth, &made);
		if (rc != -EXFULL && rc != -EEXIST)
			break;
	}
	if (rc == -EXFULL || rc == -EEXIST)
		rc = soj_report_errno(-ENOSPC);
	if (rc < 0) {
		soj_wipe(id, SOJOURN_ID_CHARS_MAX + 1);
		soj_count_flush(&s->st.seg, &self->w.thr);
		return rc;
	}
	if (!soj_session_settle(s, self, &made)) {
		soj_wipe(id, SOJOURN_ID_CHARS_MAX + 1);
		if (soj_gone(&self->w))
			return soj_report_errno(-ECANCELED);
		return soj_report(-ECANCELED, SOJOURN_SUPERSEDED,
				  "the session was ended while it was being "
				  "created");
	}
	soj_count(&self->w.thr, SOJ_COUNT_creates);
	soj_count_flush(&s->st.seg, &self->w.thr);
	if (info && read_info(s, self, id, &birth.digest, info) < 0) {
		soj_wipe(id, SOJOURN_ID_CHARS_MAX + 1);
		return soj_report(-ECANCELED, SOJOURN_SUPERSEDED,
				  "the session was over before it was told");
	}
	return soj_ok();
}

/* ---- reading ---- */

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
		      const struct soj_snapshot *snap, int rc)
{
	enum soj_status tip = soj_line_status(&s->st, snap, NULL);

	if (tip == SOJ_ACTIVE)
		return rc;
	if (!s->st.seg.readonly && self)
		soj_entry_end(&s->st, &self->w, snap->ref, snap->ctl, tip);
	count_miss(self, tip);
	return soj_report_ended(tip);
}

/* One look at an entry: 0 or -ENOBUFS it lives, -EAGAIN look again, else a
 * reported end. */
static int look(struct sojourn *s, struct soj_self *self, uint64_t ref,
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
		count_miss(self, soj_ctl_status(snap->ctl));
		return soj_report_ended(soj_ctl_status(snap->ctl));
	}
	verdict = soj_times_judge(&snap->times, now_ms);
	if (verdict == SOJ_ACTIVE && (snap->life & SOJ_LIFE_EXPIRED) &&
	    soj_ctl_status(snap->ctl) == SOJ_ACTIVE)
		verdict = SOJ_ENDED_EXPIRED;
	if (verdict == SOJ_ACTIVE && soj_ctl_status(snap->ctl) == SOJ_RENEWED)
		return look_ahead(s, self, snap, rc);
	if (verdict == SOJ_ACTIVE)
		return rc;
	if (!finish_over(s, self, snap, verdict))
		return -EAGAIN;
	count_miss(self, verdict);
	return soj_report_ended(verdict);
}

int soj_session_find(struct sojourn *s, struct soj_self *self,
		     const struct soj_digest *digest, uint64_t now_ms,
		     const struct soj_copy *copy, struct soj_snapshot *snap)
{
	for (unsigned tries = 0; tries < SOJ_TRIES_MAX; tries++) {
		struct soj_found found;
		int rc = soj_index_find(&s->st, *digest, &found);

		if (rc == -ENOENT) {
			count_miss(self, SOJ_NONE);
			return soj_report_ended(SOJ_NONE);
		}
		if (rc < 0)
			continue;
		rc = look(s, self, found.ref, digest, now_ms, copy, snap);
		if (rc != -EAGAIN)
			return rc;
		if (self)
			soj_count(&self->w.thr, SOJ_COUNT_retries);
	}
	if (self)
		soj_count(&self->w.thr, SOJ_COUNT_busy);
	return soj_report_errno(-EBUSY);
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
		rc = look(s, self, tip, NULL, now_ms, copy, snap);
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
			    soj_life(soj_life_gen(life), now_ms)))
		soj_count(&self->w.thr, SOJ_COUNT_touches);
	SOJ_STEP("touch.done");
}

void soj_info_fill(struct sojourn *s, const struct soj_session *session,
		   struct sojourn_info *info)
{
	const struct soj_snapshot *snap = &session->snap;

	soj_handle_text(&s->st, snap->ref, info->handle);
	memcpy(info->subject, session->subject, snap->subject_bytes);
	info->subject[snap->subject_bytes] = 0;
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
		      const struct soj_snapshot *snap,
		      const struct soj_snapshot *tip, struct sojourn_info *info)
{
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
	    soj_renewal_due(&s->st.seg.policy, &snap->times, now_ms)) {
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

int sojourn_session_read(struct sojourn *s, const char *id,
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
	if (!soj_id_digest(s, id, &digest)) {
		count_miss(self, SOJ_NONE);
		return soj_report_ended(SOJ_NONE);
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
	rest = read_found(s, self, id, &digest, now_ms, how, &session.snap,
			  &tip, info);
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
	return rc;
}
