/* SPDX-License-Identifier: MIT */

/*
 * Items of collections under callers' keys: put, add, modify, count.
 *
 * There is one write: look the key up; where there is nothing, make an entry
 * (create.c); where there is something, replace its value (change.c).  What a
 * key had before is replaced by one CAS of ctl from exactly the word that was
 * judged, value and periods together, so a write never brings back what a
 * remove ended: ctl has then moved on, and the look begins again.
 *
 *   make      decided by the commit in the index: of several that make one
 *             key one commits, the others see -EEXIST and look again
 *   replace   decided by the CAS of ctl
 *   remove    decided by the CAS of ctl
 *
 * Periods that come with a value count from the last access.  So the access
 * time is moved to now *before* they are published: else an item that was last
 * used long ago would, under a shorter idle timeout, be over for an instant.
 *
 * Who saw the old value run out sets the expired bit by a CAS of life, which
 * does not know of values.  So a put that comes to its end after the old
 * value's deadline moves life on, after its CAS of ctl and before it says that
 * it is done: then that CAS fails, or the bit is seen, and the put looks again.
 * Before that deadline nobody can have seen it pass, and after the CAS of ctl
 * nobody looks at the old value any more.
 *
 * Crash table (killed after the step); create.c and change.c have the rest
 *   committed, not LIVE        all who know the key see it: repair makes it LIVE
 *   access time moved          a use of the old value, nothing more
 *   published, life as it was  not acknowledged; who saw the old value run out
 *                              may end it
 *   published, no hint         expiry on read is exact; the helper's scrubber
 *                              finds that the deadline moved nearer
 *   other subject's one ended  there is none, the new one was not made: the
 *                              put was not acknowledged, and is repeated.  It
 *                              ends when all that the new one wants is had
 *                              (index.c), so a put that is refused ends none;
 *                              but for one whose bucket is full, if another
 *                              takes the place that this left
 * Stop table: stopped before the CAS of ctl or of a bucket: it fails if
 * anything happened to the key meanwhile, and the write looks again.
 *
 * Edges
 *   L0  use, outlive: cas of life   store/entry.c E1
 *   L1  outlive: load of life       store/entry.c L0
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "session/item.h"
#include "session/meta.h"

/* What a write finds. */
struct target {
	struct soj_snapshot snap;
	struct soj_cold cold;
	struct soj_kept kept;
};

static int lifetime(const struct soj_write *w, uint64_t now_ms,
		    struct soj_lifetime *life)
{
	struct soj_shm_collection rules =
		*soj_collection(&w->s->st.seg, w->collection);

	if (w->fixed)
		rules.flags &= ~SOJ_COLLECTION_SLIDING;
	return soj_lifetime_begin(&rules, now_ms, w->ttl_ms, w->idle_timeout_ms,
				  life);
}

static int next_data(struct soj_write *w, const struct soj_snapshot *old)
{
	int rc = w->next ? w->next(w, old) : 0;

	if (rc == 0 && w->data_bytes > SOJ_DATA_BYTES_MAX)
		rc = soj_report(-EMSGSIZE, SOJOURN_TOO_LARGE,
				"the data has %zu bytes, but at most 1048576 "
				"are allowed",
				w->data_bytes);
	if (rc == 0)
		rc = soj_validate(w->s, w->self, w->collection, w->data,
				  w->data_bytes);
	/* A caller's function may return any errno, ours for "again" too. */
	w->refused = rc < 0;
	return rc;
}

/* instead: what there is, another subject's; or NULL.  0; -EAGAIN: look again; a
 * reported error. */
static int make(struct soj_write *w, uint64_t now_ms,
		const struct soj_snapshot *instead)
{
	struct soj_birth birth = {
		.digest = w->digest,
		.subject = w->subject_digest,
		.collection = w->collection,
		.keyed = true,
		.instead = instead,
	};
	struct soj_made made;
	int rc = lifetime(w, now_ms, &birth.life);

	if (rc == 0)
		rc = next_data(w, NULL);
	if (rc < 0)
		return rc;
	/* It lives from when it was known what it is to be. */
	birth.now_ms = soj_seg_now_ms(&w->s->st.seg);
	rc = lifetime(w, birth.now_ms, &birth.life);
	birth.value = (struct soj_value){
		.data = w->data,
		.data_bytes = (uint32_t)w->data_bytes,
		.subject = w->subject,
		.subject_bytes = w->subject ? (uint32_t)strlen(w->subject) : 0,
		.meta = w->meta,
		.meta_bytes = w->meta ? w->meta_bytes : 0,
	};
	if (rc == 0)
		rc = soj_session_make(w->s, w->self, &birth, &made);
	if (rc == -EXFULL) {
		rc = soj_room_bucket(w->s, w->self, &w->digest);
		return rc < 0 ? rc : -EAGAIN;
	}
	if (rc == -EEXIST)
		return -EAGAIN;
	if (rc < 0)
		return rc;
	/* Ended by now or not: it was there, and all could see it.  But where it
	 * was counted, and ended as late, another has its place. */
	if (!soj_session_settle(w->s, w->self, &made) && made.error == 0 &&
	    made.admitted)
		return soj_report(-ECANCELED, SOJOURN_SUPERSEDED,
				  "the item was ended while it was being made");
	if (soj_gone(&w->self->w))
		return soj_report_errno(-ECANCELED);
	if (made.error < 0)
		return soj_report_errno(made.error);
	w->version = made.version;
	soj_count(&w->self->w.thr, SOJ_COUNT_creates);
	return 0;
}

/* The access time is now.  False: its time is over, or it changed. */
static bool use(struct soj_write *w, struct soj_snapshot *snap, uint64_t now_ms)
{
	struct soj_shm_entry *e =
		soj_entry(&w->s->st, soj_ref_entry(snap->ref));
	const uint64_t fresh = soj_life(soj_life_gen(snap->life), now_ms);

	if (snap->times.accessed_ms >= now_ms)
		return true;
	SOJ_STEP("put.use.seen");
	if (soj_gone(&w->self->w) ||
	    !soj_cas_acq_rel(&e->life, &snap->life, fresh)) /* L0 */
		return false;
	SOJ_STEP("put.used");
	snap->life = fresh;
	return true;
}

/* Nobody takes the new value along who saw the old one run out.  False: one was
 * faster, and has said that it is over. */
static bool outlive(struct soj_write *w, const struct soj_snapshot *old)
{
	const uint64_t now_ms = soj_seg_now_ms(&w->s->st.seg);
	struct soj_shm_entry *e = soj_entry(&w->s->st, soj_ref_entry(old->ref));
	uint64_t life, fresh;

	if (now_ms < soj_times_deadline_ms(&old->times))
		return true;
	SOJ_STEP("put.outlives");
	life = soj_load_acquire(&e->life); /* L1 */
	do {
		/* Ended since, and in use by another: it was there. */
		if (soj_life_gen(life) != soj_ref_gen(old->ref))
			return true;
		if (life & SOJ_LIFE_EXPIRED)
			return false;
		fresh = soj_life(
			soj_life_gen(life),
			soj_max(now_ms, soj_life_accessed_ms(life) + 1));
	} while (!soj_gone(&w->self->w) &&
		 !soj_cas_acq_rel(&e->life, &life, fresh)); /* L0 */
	SOJ_STEP("put.outlived");
	return true;
}

/* What is not to stay as it was found. */
static int renew_rest(struct soj_write *w, struct target *t, uint64_t now_ms)
{
	struct soj_lifetime life;
	int rc;

	if (w->meta && !w->keep_label) {
		memcpy(t->kept.meta, w->meta, w->meta_bytes);
		t->snap.meta_bytes = w->meta_bytes;
	}
	if (w->keep_periods)
		return 0;
	rc = lifetime(w, now_ms, &life);
	if (rc < 0)
		return rc;
	if (!use(w, &t->snap, now_ms))
		return -EAGAIN;
	t->snap.has_times = true;
	t->snap.times.expires_ms = life.expires_ms;
	t->snap.times.idle_ms = life.idle_ms;
	t->snap.times.sliding_ms = life.sliding_ms;
	return 0;
}

/* 0; -EAGAIN: look again; a reported error. */
static int replace(struct soj_write *w, struct target *t, uint64_t now_ms)
{
	struct soj_store *st = &w->s->st;
	const struct soj_snapshot seen = t->snap;
	int rc;

	w->version = seen.version;
	if (w->if_version && w->if_version != seen.version)
		return soj_report_errno(-ESTALE);
	/* Its maker may be found late by a cap, and this be lost; or stand, and keep
	 * its place. */
	soj_entry_settle(st, seen.ref);
	/* Whose an entry is never changes. */
	if (w->subject && !w->keep_label &&
	    !soj_digest_equal(w->subject_digest, t->cold.subject)) {
		if (!w->may_make)
			return soj_report(-ENOENT, SOJOURN_NOT_FOUND,
					  "the item with that key is another "
					  "subject's");
		return make(w, now_ms, &seen);
	}
	rc = next_data(w, &seen);
	if (rc == 0)
		rc = renew_rest(w, t, soj_seg_now_ms(&w->s->st.seg));
	if (rc < 0)
		return rc;
	rc = soj_session_replace(w->s, w->self, &t->snap, &t->kept, w->data,
				 w->data_bytes);
	/* Its time was over just before: the next look ends it. */
	if (rc == -ENOENT && w->may_make)
		return -EAGAIN;
	if (rc < 0)
		return rc;
	if (!w->keep_periods && !outlive(w, &seen))
		return w->may_make ? -EAGAIN
				   : soj_report_ended(SOJ_ENDED_EXPIRED);
	w->version = seen.version + 1;
	if (!w->keep_periods) {
		soj_hint_armed(st, soj_ref_entry(seen.ref));
		soj_helper_wake(&st->seg);
	} else if (w->touch) {
		soj_session_touch_due(w->s, w->self, &seen, now_ms);
	}
	return 0;
}

static int write_over(struct soj_write *w, struct target *t)
{
	const uint64_t now_ms = soj_seg_now_ms(&w->s->st.seg);
	const struct soj_copy copy = {.cold = &t->cold,
				      .subject = t->kept.subject,
				      .meta = t->kept.meta,
				      .data = w->buffer,
				      .data_capacity = w->capacity};
	int rc = soj_session_seek(w->s, w->self, &w->digest, now_ms, &copy,
				  &t->snap);

	SOJ_STEP("put.looked");
	if (rc == -ENOENT)
		return w->may_make ? make(w, now_ms, NULL) : rc;
	if (rc == 0 && w->may_replace)
		return replace(w, t, now_ms);
	if (rc == 0) {
		w->version = t->snap.version;
		return soj_report(-EEXIST, SOJOURN_EXISTS,
				  "there is an item with that key");
	}
	return rc == -ENOBUFS ? soj_report_errno(rc) : rc;
}

static int write_once(struct soj_write *w)
{
	struct target t;
	int rc = write_over(w, &t);

	soj_label_wipe(w->s, t.kept.subject, t.kept.meta);
	return rc;
}

int soj_item_write(struct soj_write *w)
{
	int rc = -EAGAIN;

	w->self = soj_self_writing(w->s, &rc);
	if (w->self == NULL)
		return rc;
	w->self->w.source = SOJ_SOURCE_PUT;
	rc = -EAGAIN;
	for (unsigned i = 0; i < SOJ_TRIES_MAX && !soj_gone(&w->self->w); i++) {
		rc = write_once(w);
		if (rc != -EAGAIN || w->refused)
			break;
	}
	if (soj_gone(&w->self->w))
		return soj_report_errno(-ECANCELED);
	if (rc == -EAGAIN && !w->refused) {
		soj_count(&w->self->w.thr, SOJ_COUNT_busy);
		rc = soj_report_errno(-EBUSY);
	}
	soj_count_flush(&w->s->st.seg, &w->self->w.thr);
	return rc < 0 ? rc : soj_ok();
}

/* ---- what callers give ---- */

static int of_value(struct soj_write *w, const struct sojourn_value *v,
		    uint8_t meta[SOJ_META_BYTES_MAX])
{
	int rc = v->subject ? soj_subject_check(v->subject) : 0;
	ssize_t meta_bytes;

	if (rc < 0)
		return rc;
	if (v->data == NULL && v->data_bytes > 0)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "data is NULL, but data_bytes is %zu",
				  v->data_bytes);
	if (v->metadata) {
		meta_bytes = soj_meta_pack(v->metadata, meta);
		if (meta_bytes < 0)
			return soj_report(
				-EMSGSIZE, SOJOURN_TOO_LARGE,
				"the metadata takes more than 2048 bytes");
		w->meta = meta;
		w->meta_bytes = (uint32_t)meta_bytes;
	}
	w->subject = v->subject;
	if (v->subject)
		w->subject_digest = soj_subject_digest(w->s, v->subject);
	w->ttl_ms = v->ttl_ms;
	w->idle_timeout_ms = v->idle_timeout_ms;
	return 0;
}

int soj_item_put(struct sojourn *s, const struct sojourn_item *item,
		 const struct sojourn_value *v, bool may_replace,
		 uint64_t *version)
{
	uint8_t meta[SOJ_META_BYTES_MAX];
	struct soj_write w = {
		.s = s,
		.collection = item->collection,
		.may_make = !v->if_exists && !v->if_version,
		.may_replace = may_replace,
		.keep_periods = v->keep_periods,
		.touch = true,
		.if_version = v->if_version,
		.data = v->data,
		.data_bytes = v->data_bytes,
	};
	int rc = soj_item_digest(s, item, &w.digest);

	if (rc == 0)
		rc = of_value(&w, v, meta);
	if (rc == 0)
		rc = soj_item_write(&w);
	soj_open_wipe(s, meta, sizeof(meta));
	if (version && (rc == 0 || rc == -EEXIST || rc == -ESTALE))
		*version = w.version;
	return rc;
}

int sojourn_put(struct sojourn *s, const struct sojourn_item *item,
		const struct sojourn_value *value, uint64_t *version)
{
	return soj_done(s, soj_item_put(s, item, value, true, version));
}

int sojourn_add(struct sojourn *s, const struct sojourn_item *item,
		const struct sojourn_value *value, uint64_t *version)
{
	if (value->if_exists || value->if_version)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "if_exists and if_version are set, but an "
				  "add makes what is not there");
	return soj_done(s, soj_item_put(s, item, value, false, version));
}

/* ---- modify ---- */

struct modify {
	sojourn_modify_fn fn;
	void *arg;
};

static int next_modified(struct soj_write *w, const struct soj_snapshot *old)
{
	const struct modify *m = w->arg;
	struct soj_outside outside;
	int rc;

	w->data = w->buffer;
	w->data_bytes = old ? old->data_bytes : 0;
	soj_outside_begin(w->self, &outside);
	rc = m->fn(m->arg, w->buffer, &w->data_bytes, w->capacity);
	if (!soj_outside_end(w->self, &outside))
		return soj_report_errno(-ECANCELED);
	if (rc < 0)
		return soj_report(rc, SOJOURN_INVALID,
				  "the caller's function gave up");
	if (w->data_bytes > w->capacity)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "the caller's function left %zu bytes in a "
				  "buffer of %zu",
				  w->data_bytes, w->capacity);
	return 0;
}

int sojourn_modify_item(struct sojourn *s, const struct sojourn_item *item,
			const struct sojourn_value *absent, size_t capacity,
			sojourn_modify_fn fn, void *arg, uint64_t *version)
{
	uint8_t meta[SOJ_META_BYTES_MAX];
	struct modify m = {.fn = fn, .arg = arg};
	struct soj_write w = {
		.s = s,
		.collection = item->collection,
		.may_make = absent != NULL,
		.may_replace = true,
		.keep_label = true,
		.keep_periods = true,
		.touch = true,
		.next = next_modified,
		.arg = &m,
		.capacity = capacity,
	};
	int rc = soj_item_digest(s, item, &w.digest);

	if (rc == 0 && absent)
		rc = of_value(&w, absent, meta);
	if (rc < 0)
		return rc;
	if (fn == NULL || capacity > SOJ_DATA_BYTES_MAX)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "capacity is %zu, but must be at most "
				  "1048576, and fn a function",
				  capacity);
	w.buffer = malloc(capacity + 1);
	if (w.buffer == NULL)
		return soj_report_errno(-ENOMEM);
	rc = soj_item_write(&w);
	soj_wipe(w.buffer, capacity);
	free(w.buffer);
	soj_open_wipe(s, meta, sizeof(meta));
	if (version && rc == 0)
		*version = w.version;
	return soj_done(s, rc);
}

/* ---- counters ---- */

struct counter {
	int64_t now;
	int64_t delta;
};

static int next_count(struct soj_write *w, const struct soj_snapshot *old)
{
	struct counter *c = w->arg;

	if (old && old->data_bytes != sizeof(c->now))
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "the item has %u bytes, but a counter has 8",
				  old->data_bytes);
	if (old == NULL)
		c->now = 0;
	if (__builtin_add_overflow(c->now, c->delta, &c->now))
		return soj_report(-ERANGE, SOJOURN_INVALID,
				  "the sum leaves the range of 64 bits");
	return 0;
}

int sojourn_count_add(struct sojourn *s, const struct sojourn_item *item,
		      int64_t delta, uint64_t ttl_ms, int64_t *value)
{
	struct counter c = {.delta = delta};
	struct soj_write w = {
		.s = s,
		.collection = item->collection,
		.may_make = true,
		.may_replace = true,
		.keep_periods = true,
		.fixed = true,
		.ttl_ms = ttl_ms,
		.idle_timeout_ms = SOJOURN_OFF,
		.next = next_count,
		.arg = &c,
		.buffer = &c.now,
		.capacity = sizeof(c.now),
		.data = &c.now,
		.data_bytes = sizeof(c.now),
	};
	int rc = soj_item_digest(s, item, &w.digest);

	if (rc == 0)
		rc = soj_item_write(&w);
	if (rc == -ENOBUFS)
		rc = soj_report(-EINVAL, SOJOURN_INVALID,
				"the item has more than the 8 bytes of a "
				"counter");
	if (value && rc == 0)
		*value = c.now;
	return soj_done(s, rc);
}
