/* SPDX-License-Identifier: MIT */

/*
 * Changing what a session holds: update, modify, touch.
 *
 * Update = copy, publish, retire, reclaim: a new chunk is written aside, a CAS
 * of ctl from exactly the word that was read publishes it, and the old chunk
 * is retired.  So two writers never lose an update, and a write never brings
 * back what ended: ctl has then moved on.
 *
 * Crash table (killed after the step)
 *   chunk owned, written   not named by ctl: freed by repair
 *   published              the update happened; new chunk OWNED but named:
 *                          made LIVE by repair; old one LIVE and not named:
 *                          retired by the scrubber
 *   new chunk LIVE         as above
 *   old chunk retired      done; limbo lost: reclaimed by upkeep
 * A session's lock is looked at after its ctl was, in each round: whoever takes
 * the lock moves ctl on (store/lock.c), and then the CAS here fails.
 *
 * Stop table: stopped before the CAS: it fails on the version.  Stopped after
 * it: the old chunk's state word was loaded before, so its retire is exact.
 *
 * Edges
 *   E0  publish: cas of ctl       store/entry.c E1
 *   E1  load of life              store/entry.c E0
 *   S1  load of a state           store/slab.c S0
 */

#include <errno.h>
#include <sojourn/lock.h>
#include <stdlib.h>

#include "base/fault.h"
#include "session/session.h"
#include "store/fetch.h"

static void tell_update(struct sojourn *s, struct soj_self *self,
			const struct soj_snapshot *snap)
{
	uint64_t misc = soj_load_relaxed(
		&soj_entry(&s->st, soj_ref_entry(snap->ref))->misc);
	const struct soj_shm_collection *c =
		soj_collection(&s->st.seg, soj_misc_collection(misc));

	if (c->flags & SOJ_COLLECTION_UPDATES)
		soj_event_tell_of(&s->st, &self->w, snap->ref,
				  SOJ_EVENT_UPDATED, SOJ_NONE,
				  snap->version + 1);
	soj_note_of(s, self, SOJ_HOOK_UPDATED, snap->ref, snap->version + 1);
}

int soj_session_replace(struct sojourn *s, struct soj_self *self,
			const struct soj_snapshot *snap,
			const struct soj_kept *kept, const void *data,
			size_t data_bytes)
{
	struct soj_store *st = &s->st;
	struct soj_shm_entry *e = soj_entry(st, soj_ref_entry(snap->ref));
	uint32_t old = soj_ctl_chunk(snap->ctl), fresh;
	uint64_t ctl = snap->ctl, old_was, owned;
	const struct soj_shm_times times = {
		.expires_ms = snap->times.expires_ms,
		.idle_ms = snap->times.idle_ms,
		.sliding_ms = snap->times.sliding_ms,
	};
	const struct soj_value value = {
		.data = data,
		.data_bytes = (uint32_t)data_bytes,
		.subject = kept->subject,
		.subject_bytes = snap->subject_bytes,
		.meta = kept->meta,
		.meta_bytes = snap->meta_bytes,
		.times = snap->has_times ? &times : NULL,
		.version = snap->version + 1,
		.entry = soj_ref_entry(snap->ref),
		.seal_bytes = st->seal_bytes,
		.gen = soj_ref_gen(snap->ref),
		/* Another's by now: then so is ctl, and the CAS fails. */
		.digest = soj_entry_digest(st, soj_ref_entry(snap->ref)),
	};
	int rc;

	soj_prefetch(soj_chunk_state(st, old)); /* for when it is retired */
	self->w.spare = snap->ref;
	rc = soj_room_chunk(s, self, soj_value_chunk_bytes(&value), &fresh);
	self->w.spare = 0;

	if (rc < 0)
		return rc;
	owned = soj_load_acquire(soj_chunk_state(st, fresh)); /* S1 */
	old_was = soj_load_acquire(soj_chunk_state(st, old)); /* S1 */
	if (!SOJ_PLANT(PUBLISH_EARLY))
		rc = soj_chunk_write(st, fresh, &value);
	if (rc < 0) {
		soj_chunk_abandon(st, &self->w, fresh);
		return soj_report_errno(rc);
	}
	if (SOJ_PLANT(RETIRE_BEFORE_PUBLISH))
		soj_chunk_retire(st, &self->w, old, old_was);
	SOJ_STEP("update.written");
	if (soj_gone(&self->w))
		return soj_report_errno(-ECANCELED);
	if (SOJ_PLANT(UPDATE_STORES))
		ctl = soj_load_relaxed(&e->ctl);
	if (!soj_cas_acq_rel(&e->ctl, &ctl, /* E0 */
			     soj_ctl_next(ctl, SOJ_ACTIVE, fresh))) {
		soj_chunk_abandon(st, &self->w, fresh);
		soj_count(&self->w.thr, SOJ_COUNT_retries);
		return -EAGAIN;
	}
	SOJ_STEP("update.published");
	if (SOJ_PLANT(PUBLISH_EARLY))
		(void)soj_chunk_write(st, fresh, &value);
	soj_state_publish(soj_chunk_state(st, fresh), owned);
	SOJ_STEP("update.live");
	soj_index_hint(st, &self->w, value.digest, snap->ref, fresh,
		       soj_value_chunk_bytes(&value));
	soj_chunk_retire(st, &self->w, old, old_was);
	SOJ_STEP("update.retired");
	/* Somebody may have been told already that it is over. */
	if (soj_load_acquire(&e->life) & SOJ_LIFE_EXPIRED) /* E1 */
		return soj_report_ended(SOJ_ENDED_EXPIRED);
	soj_count(&self->w.thr, SOJ_COUNT_updates);
	tell_update(s, self, snap);
	return 0;
}

static int check_data(const void *data, size_t data_bytes)
{
	if (data == NULL && data_bytes > 0)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "data is NULL, but data_bytes is %zu",
				  data_bytes);
	if (data_bytes > SOJ_DATA_BYTES_MAX)
		return soj_report(-EMSGSIZE, SOJOURN_TOO_LARGE,
				  "the data has %zu bytes, but at most 1048576 "
				  "are allowed",
				  data_bytes);
	return 0;
}

/* What update and modify share: asked for the next data each time round. */
struct change {
	void *buffer; /* the present data goes here; NULL: not needed */
	size_t capacity;
	uint64_t if_version;   /* 0: any */
	const uint64_t *fence; /* NULL: without the lock */
	const void *data;      /* without buffer */
	size_t data_bytes;
	sojourn_modify_fn fn;
	void *arg;
};

static int next_data(struct sojourn *s, struct soj_self *self, struct change *c,
		     const struct soj_snapshot *snap)
{
	struct soj_outside outside;
	int rc;

	if (c->fn == NULL)
		return soj_validate(s, self, SOJ_COLLECTION_SESSION, c->data,
				    c->data_bytes);
	c->data = c->buffer;
	c->data_bytes = snap->data_bytes;
	soj_outside_begin(self, &outside);
	rc = c->fn(c->arg, c->buffer, &c->data_bytes, c->capacity);
	if (!soj_outside_end(self, &outside))
		return soj_report_errno(-ECANCELED);
	if (rc < 0)
		return soj_report(rc, SOJOURN_INVALID,
				  "the caller's function gave up");
	if (c->data_bytes > c->capacity)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "the caller's function left %zu bytes in a "
				  "buffer of %zu",
				  c->data_bytes, c->capacity);
	rc = check_data(c->data, c->data_bytes);
	return rc < 0 ? rc
		      : soj_validate(s, self, SOJ_COLLECTION_SESSION, c->data,
				     c->data_bytes);
}

static int change_kept(struct sojourn *s, const char *id, struct change *c,
		       uint64_t *version, struct soj_kept *kept)
{
	struct soj_digest digest;
	struct soj_self *self;
	struct soj_copy copy = {.subject = kept->subject,
				.meta = kept->meta,
				.data = c->buffer,
				.data_capacity = c->capacity};
	struct soj_snapshot snap;
	int rc;

	if (!soj_id_digest(s, id, &digest))
		return soj_report_ended(SOJ_NONE);
	soj_index_prefetch(&s->st, digest);
	self = soj_self_writing(s, &rc);
	if (self == NULL)
		return rc;
	self->w.source = SOJ_SOURCE_UPDATE;
	soj_index_prefetch_found(&s->st, digest, false);
	for (unsigned tries = 0; tries < SOJ_TRIES_MAX; tries++) {
		uint64_t now_ms = soj_seg_now_ms(&s->st.seg);

		rc = soj_session_follow(s, self, &digest, now_ms, &copy, &snap);
		if (rc == -ENOBUFS)
			return soj_report_errno(rc);
		if (rc < 0)
			return c->fence
				       ? soj_session_ended_locked(s, self,
								  &digest,
								  *c->fence, rc)
				       : rc;
		if (version)
			*version = snap.version;
		rc = soj_session_may_change(s, self, &snap, c->fence);
		if (rc == -EAGAIN)
			continue;
		if (rc < 0)
			return rc;
		if (c->if_version && c->if_version != snap.version)
			return soj_report_errno(-ESTALE);
		rc = next_data(s, self, c, &snap);
		if (rc < 0)
			return rc;
		rc = soj_session_replace(s, self, &snap, kept, c->data,
					 c->data_bytes);
		if (rc == -EAGAIN)
			continue;
		if (rc == 0) {
			if (version)
				*version = snap.version + 1;
			soj_session_touch_due(s, self, &snap, now_ms);
			rc = soj_ok();
		}
		soj_count_flush(&s->st.seg, &self->w.thr);
		return rc;
	}
	soj_count(&self->w.thr, SOJ_COUNT_busy);
	return soj_report_errno(-EBUSY);
}

static int change(struct sojourn *s, const char *id, struct change *c,
		  uint64_t *version)
{
	struct soj_kept kept;
	int rc = change_kept(s, id, c, version, &kept);

	soj_label_wipe(s, kept.subject, kept.meta);
	return rc;
}

static int update(struct sojourn *s, const char *id, struct change *c,
		  uint64_t *version)
{
	int rc = check_data(c->data, c->data_bytes);

	return soj_done(s, rc < 0 ? rc : change(s, id, c, version));
}

int sojourn_session_update(struct sojourn *s, const char *id, const void *data,
			   size_t data_bytes, uint64_t if_version,
			   uint64_t *version)
{
	struct change c = {.if_version = if_version,
			   .data = data,
			   .data_bytes = data_bytes};

	return update(s, id, &c, version);
}

int sojourn_session_update_locked(struct sojourn *s, const char *id,
				  uint64_t fence, const void *data,
				  size_t data_bytes, uint64_t *version)
{
	struct change c = {
		.fence = &fence, .data = data, .data_bytes = data_bytes};

	return update(s, id, &c, version);
}

static int modify(struct sojourn *s, const char *id, struct change *c,
		  uint64_t *version)
{
	int rc;

	if (c->fn == NULL || c->capacity > SOJ_DATA_BYTES_MAX)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "capacity is %zu, but must be at most "
				  "1048576, and fn a function",
				  c->capacity);
	c->buffer = malloc(c->capacity + 1);
	if (c->buffer == NULL)
		return soj_report_errno(-ENOMEM);
	rc = change(s, id, c, version);
	soj_wipe(c->buffer, c->capacity);
	free(c->buffer);
	return soj_done(s, rc);
}

int sojourn_session_modify(struct sojourn *s, const char *id, size_t capacity,
			   sojourn_modify_fn fn, void *arg, uint64_t *version)
{
	struct change c = {.capacity = capacity, .fn = fn, .arg = arg};

	return modify(s, id, &c, version);
}

int sojourn_session_modify_locked(struct sojourn *s, const char *id,
				  uint64_t fence, size_t capacity,
				  sojourn_modify_fn fn, void *arg,
				  uint64_t *version)
{
	struct change c = {
		.fence = &fence, .capacity = capacity, .fn = fn, .arg = arg};

	return modify(s, id, &c, version);
}

int sojourn_session_touch(struct sojourn *s, const char *id)
{
	struct soj_self *self = soj_self(s);
	uint64_t now_ms = soj_seg_now_ms(&s->st.seg);
	const struct soj_copy skim = {.skim = true};
	struct soj_snapshot snap;
	struct soj_digest digest;
	int rc;

	if (!soj_id_digest(s, id, &digest))
		return soj_report_ended(SOJ_NONE);
	if (s->st.seg.readonly)
		return soj_report_errno(-EROFS);
	if (self)
		self->w.source = SOJ_SOURCE_UPDATE;
	rc = soj_session_follow(s, self, &digest, now_ms, &skim, &snap);
	if (rc < 0)
		return soj_done(s, rc);
	soj_session_touch_due(s, self, &snap, now_ms);
	return soj_done(s, soj_ok());
}
