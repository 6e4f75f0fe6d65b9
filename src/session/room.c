/* SPDX-License-Identifier: MIT */

/*
 * Owning an entry or a chunk when there seems to be none left: first what
 * upkeep can free, then another class's pages, then a larger class, and last,
 * by policy, eviction.  A worker does all of it itself, with or without a
 * helper, and waits for nobody: after a bounded number of rounds the answer is
 * -ENOSPC.
 */

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "session/session.h"
#include "store/fetch.h"

#define ROUNDS      24u
#define EVICT_BATCH 32u /* though no more than a 64th of a small segment */
#define CLASSES_UP  8u  /* twice the size */
#define DRAINS      32u

static bool upkeep_ready(struct sojourn *s, struct soj_self *self)
{
	if (self->up == NULL)
		self->up = calloc(1, sizeof(*self->up));
	if (self->up && self->up->st == NULL &&
	    soj_upkeep_init(self->up, &s->st, &self->w) != 0)
		return false;
	return self->up != NULL;
}

/* What ended is unlinked, what is retired passes its grace period. */
static void clean(struct sojourn *s, struct soj_self *self)
{
	struct soj_upkeep_work work;
	struct soj_upkeep *up;

	if (!upkeep_ready(s, self))
		return;
	up = self->up; /* self is wiped in a child, this is not */
	for (unsigned i = 0; i < 4 && !soj_gone(&self->w); i++)
		soj_upkeep_pass(up, &work);
}

static uint64_t real_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* Without a helper: ends what is past its deadline, ten times a second. */
static void expire(struct sojourn *s, struct soj_self *self)
{
	uint64_t now_ms = soj_seg_now_ms(&s->st.seg);

	if (now_ms < self->expire_not_before_ms || soj_role_held(&s->st.seg))
		return;
	soj_expire_all(&s->st, &self->w, now_ms);
	self->expire_not_before_ms = now_ms + 100;
}

/*
 * Looks at everything for what lost hints hide.  In a segment that simply is
 * full every create would do that in vain, so a thread spends at most a tenth
 * of its time on it.
 */
static void clean_thoroughly(struct sojourn *s, struct soj_self *self)
{
	uint64_t begin_us = real_us(), end_us;
	struct soj_upkeep_work work;

	if (begin_us < self->thorough_not_before_us || !upkeep_ready(s, self))
		return;
	/* The helper may stand still. */
	soj_expire_all(&s->st, &self->w, soj_seg_now_ms(&s->st.seg));
	if (soj_gone(&self->w))
		return;
	soj_upkeep_full(self->up, &work);
	clean(s, self);
	end_us = real_us();
	self->thorough_not_before_us = end_us + 9 * (end_us - begin_us);
}

/* Ends a few, unless enough have ended and wait for their grace period. */
static void evict_some(struct sojourn *s, struct soj_self *self, unsigned round,
		       uint32_t class)
{
	uint64_t batch =
		soj_min(EVICT_BATCH, 1 + s->st.seg.lay.entries_max / 64);
	uint64_t now_ms = soj_seg_now_ms(&s->st.seg);

	/* What it evicted before has not come back: somebody stands in a
	 * section, and more would only be lost. */
	if (self->evicted >= batch &&
	    soj_entries_ending(&s->st, (uint32_t)batch) >= batch)
		return;
	for (uint64_t i = 0; i < batch; i++) {
		if (soj_evict_one(&s->st, &self->w, now_ms,
				  round % 4 == 3 ? SOJ_CLASSES : class) < 0)
			break;
		self->evicted++;
	}
}

/* A page of another class becomes one of this.  Others may choose the same one,
 * or take what was freed: there may be more. */
static void take_page(struct sojourn *s, struct soj_self *self, uint32_t class)
{
	for (unsigned i = 0; i < DRAINS; i++) {
		const int rc = soj_page_drain(&s->st, &self->w, class);

		if (rc == -EBUSY)
			return;
		if (rc == 0 && soj_page_new(&s->st, &self->w, class) != -ENOSPC)
			return;
	}
}

/* Returns false when there is nothing more to try. */
static bool make_room(struct sojourn *s, struct soj_self *self, unsigned round,
		      uint32_t class)
{
	bool evict = s->st.seg.policy.when_full == SOJ_FULL_EVICT;

	if (soj_gone(&self->w))
		return false;
	if (round == 0) {
		expire(s, self);
		clean(s, self);
		return true;
	}
	if (round == 1) {
		clean_thoroughly(s, self);
		return true;
	}
	if (round == 2 && class < SOJ_CLASSES) {
		take_page(s, self, class);
		return true;
	}
	if (!evict || round >= ROUNDS)
		return false;
	evict_some(s, self, round, class);
	clean(s, self);
	return true;
}

static int had(struct soj_self *self, int rc)
{
	if (rc < 0)
		return soj_report_errno(rc);
	self->evicted = 0;
	return 0;
}

/* -ENOSPC of an operation, told apart for the caller and counted. */
static int full(struct soj_self *self, const char *what)
{
	soj_count(&self->w.thr, SOJ_COUNT_full);
	return soj_report(-ENOSPC, SOJOURN_FULL,
			  "the segment is full: no %s left; end sessions, "
			  "create it larger, or with when-full evict",
			  what);
}

int soj_room_entry(struct sojourn *s, struct soj_self *self, uint32_t *idx)
{
	for (unsigned round = 0;; round++) {
		int rc = soj_entry_own(&s->st, &self->w, idx);

		if (rc != -ENOSPC)
			return had(self, rc);
		if (round > 2 && s->st.seg.policy.when_full != SOJ_FULL_EVICT)
			return full(self, "entry");
		if (!make_room(s, self, round, SOJ_CLASSES))
			return full(self, "entry");
	}
}

/* The class, or if it has nothing one of the next larger ones. */
static int own_near(struct sojourn *s, struct soj_self *self, uint32_t class,
		    uint32_t *chunk)
{
	int rc = soj_chunk_own(&s->st, &self->w, class, chunk);

	for (uint32_t up = 1;
	     rc == -ENOSPC && up <= CLASSES_UP && class + up < SOJ_CLASSES;
	     up++)
		rc = soj_chunk_own(&s->st, &self->w, class + up, chunk);
	return rc;
}

int soj_room_chunk(struct sojourn *s, struct soj_self *self, uint64_t bytes,
		   uint32_t *chunk)
{
	uint32_t class = soj_class_of(bytes);

	for (unsigned round = 0;; round++) {
		int rc = round < 3
				 ? soj_chunk_own(&s->st, &self->w, class, chunk)
				 : own_near(s, self, class, chunk);

		if (rc != -ENOSPC)
			return had(self, rc);
		if (round == 3 && s->st.seg.policy.when_full != SOJ_FULL_EVICT)
			return full(self, "memory for the value");
		if (!make_room(s, self, round, class))
			return full(self, "memory for the value");
	}
}

static bool is_kept(const struct soj_seg *seg, const struct soj_cold *cold)
{
	return soj_collection(seg, soj_misc_collection(cold->misc))->flags &
	       SOJ_COLLECTION_KEEP;
}

static bool is_owned(const struct soj_store *st, uint64_t ref)
{
	return soj_state_phase(soj_load_relaxed(
		       &st->seg.entry_states[soj_ref_entry(ref)])) == SOJ_OWNED;
}

/* True: its place in the bucket is free, or about to be.  *lives: it is not over. */
static bool gives_place(struct sojourn *s, struct soj_self *self, uint64_t ref,
			uint64_t now_ms, const struct soj_copy *copy,
			struct soj_snapshot *snap, bool *lives)
{
	struct soj_store *st = &s->st;

	*lives = false;
	for (unsigned tries = 0; tries < SOJ_TRIES_MAX; tries++) {
		enum soj_status verdict;

		if (soj_entry_snapshot(st, ref, NULL, copy, snap) != 0)
			return false;
		soj_entry_end_finish_if_ended(st, &self->w, ref);
		/* Its maker's place goes with its maker, when he comes to
		 * that. */
		if (!soj_ctl_readable(snap->ctl))
			return !is_owned(st, ref);
		verdict = soj_times_judge(&snap->times, now_ms);
		*lives = verdict == SOJ_ACTIVE;
		if (*lives || soj_gone(&self->w))
			return false;
		if (soj_entry_expire(st, &self->w, ref, snap->ctl, snap->life,
				     verdict)) {
			soj_count(&self->w.thr, SOJ_COUNT_expirations);
			return true;
		}
		/* It was used meanwhile: look again. */
	}
	return false;
}

/*
 * Fifteen keys share a bucket.  Whose time is over goes; else, by policy, the
 * one that was not used for longest.
 */
int soj_room_bucket(struct sojourn *s, struct soj_self *self,
		    const struct soj_digest *digest)
{
	struct soj_store *st = &s->st;
	uint64_t now_ms = soj_seg_now_ms(&st->seg);
	uint64_t refs[SOJ_BUCKET_PLACES];
	unsigned count = soj_index_neighbours(st, *digest, refs);
	struct soj_snapshot snap, oldest = {0};
	struct soj_cold cold;
	const struct soj_copy copy = {.cold = &cold};

	for (unsigned i = 0; i < count; i++) {
		bool lives;

		if (gives_place(s, self, refs[i], now_ms, &copy, &snap, &lives))
			return 0;
		if (lives && !is_kept(&st->seg, &cold) &&
		    (oldest.ref == 0 ||
		     snap.times.accessed_ms < oldest.times.accessed_ms))
			oldest = snap;
	}
	if (st->seg.policy.when_full != SOJ_FULL_EVICT || oldest.ref == 0)
		return full(self, "place for the key in its bucket");
	if (soj_entry_end(st, &self->w, oldest.ref, oldest.ctl,
			  SOJ_ENDED_EVICTED))
		soj_count(&self->w.thr, SOJ_COUNT_evictions);
	return 0;
}
