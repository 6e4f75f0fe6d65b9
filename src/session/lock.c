/* SPDX-License-Identifier: MIT */

/*
 * Locks of sessions: finding the session, waiting for its lock, and who may
 * write.  The lock itself, its tables of crashes and stops and the proof of its
 * fence are in store/lock.c.
 *
 * A waiter finds the session again after each sleep.  So it learns that it has
 * ended, and follows a renewed one to its successor.
 *
 * Who writes without the lock, and finds one whose holder is dead or late,
 * frees it first: else a late holder would not notice that it was written.
 */

#include <errno.h>
#include <sojourn/lock.h>
#include <time.h>

#include "base/fault.h"
#include "session/session.h"

/* A waiter looks that often whether the holder has died. */
#define SLICE_MS 50u

static uint64_t monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int soj_session_may_change(struct sojourn *s, struct soj_self *self,
			   const struct soj_snapshot *snap,
			   const uint64_t *fence)
{
	uint64_t word = soj_lock_look(&s->st, snap->ref);
	const struct soj_held *held;

	if (fence) {
		if (SOJ_PLANT(LOCK_UNFENCED) || SOJ_PLANT(LOCK_UNLOCKED))
			return 0;
		held = soj_lock_mine(&self->w, snap->ref, word);
		if (held && held->fence == *fence)
			return 0;
		/* Over since it was found, and its lock with it. */
		if (!soj_entry_lives(&s->st, snap->ref))
			return -EAGAIN;
		return soj_report(-ESTALE, SOJOURN_STALE,
				  "this thread does not hold the session's "
				  "lock with that fence, or no longer");
	}
	switch (soj_lock_judge(&s->st, word, soj_seg_now_ms(&s->st.seg))) {
	case SOJ_LOCK_HELD:
		return soj_report(-EBUSY, SOJOURN_LOCKED,
				  "the session is locked");
	case SOJ_LOCK_LOST:
		if (soj_lock_clear(&s->st, &self->w, snap->ref, word))
			return 0;
		return soj_gone(&self->w) ? soj_report_errno(-ECANCELED)
					  : -EAGAIN;
	default:
		return 0;
	}
}

/* Its id leads nowhere any more, but who was at it knows where it was. */
static int report_over(struct sojourn *s, uint64_t ref, int rc)
{
	enum soj_status status = ref ? soj_entry_over(&s->st, ref) : SOJ_NONE;

	return rc == -ENOENT && status != SOJ_NONE ? soj_report_ended(status)
						   : rc;
}

int soj_session_ended_locked(struct sojourn *s, struct soj_self *self,
			     const struct soj_digest *id, uint64_t fence,
			     int rc)
{
	const struct soj_worker *w = &self->w;

	for (uint32_t i = 0; i < w->held_count; i++)
		if (w->held[i].fence == fence &&
		    soj_digest_equal(w->held[i].id, *id))
			return report_over(s, w->held[i].ref, rc);
	return rc;
}

int soj_session_lock_check(const struct soj_lock_wait *wait)
{
	static_assert(SOJOURN_HOLD_MAX_MS == SOJ_HOLD_MAX_MS,
		      "what words allow for is what callers may ask for");

	if (wait->hold_max_ms > SOJOURN_HOLD_MAX_MS)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "hold_max_ms is %llu, but must be at most "
				  "86400000",
				  (unsigned long long)wait->hold_max_ms);
	return 0;
}

/* Another has it.  -EAGAIN after a sleep, or a reported error. */
static int wait_for(struct sojourn *s, struct soj_self *self, uint64_t ref,
		    uint64_t word, struct soj_lock_wait *wait)
{
	uint64_t now_ms = monotonic_ms(), passed_ms;

	if (wait->timeout_ms == 0)
		return soj_report(-EBUSY, SOJOURN_LOCKED,
				  "another thread holds the lock");
	if (wait->began_ms == 0)
		wait->began_ms = now_ms;
	passed_ms = now_ms - wait->began_ms;
	if (passed_ms >= wait->timeout_ms) {
		soj_count(&self->w.thr, SOJ_COUNT_lock_timeouts);
		return soj_report_errno(-ETIMEDOUT);
	}
	soj_lock_wait(&s->st, &self->w, ref, word,
		      soj_min(SLICE_MS, wait->timeout_ms - passed_ms));
	wait->sleeps++;
	return soj_gone(&self->w) ? soj_report_errno(-ECANCELED) : -EAGAIN;
}

int soj_session_lock_once(struct sojourn *s, struct soj_self *self,
			  const struct soj_snapshot *snap,
			  const struct soj_cold *cold,
			  const struct soj_digest *id,
			  struct soj_lock_wait *wait, struct soj_held **held)
{
	uint64_t now_ms = soj_seg_now_ms(&s->st.seg), word;
	const struct soj_lock_wish wish = {
		.now_ms = now_ms,
		.until_tick = soj_lock_until(now_ms, wait->hold_max_ms),
		.renewals = soj_misc_renewals(cold->misc),
		.slept = wait->sleeps > 0,
		.id = *id,
	};
	int rc = soj_lock_take(&s->st, &self->w, snap->ref, &wish, held, &word);

	if (rc == -EBUSY)
		return wait_for(s, self, snap->ref, word, wait);
	if (rc == -EAGAIN && ++wait->races > SOJ_TRIES_MAX) {
		soj_count(&self->w.thr, SOJ_COUNT_busy);
		rc = -EBUSY;
	}
	return rc == 0 || rc == -EAGAIN ? rc : soj_report_errno(rc);
}

static int lock(struct sojourn *s, struct soj_self *self,
		const struct soj_digest *digest, struct soj_lock_wait *wait,
		uint64_t *fence)
{
	struct soj_cold cold;
	const struct soj_copy copy = {.cold = &cold};
	struct soj_snapshot snap;
	struct soj_held *held;
	uint64_t ref = 0;
	int rc = -EAGAIN;

	while (rc == -EAGAIN) {
		rc = soj_session_follow(s, self, digest,
					soj_seg_now_ms(&s->st.seg), &copy,
					&snap);
		if (rc < 0)
			return report_over(s, ref, rc);
		ref = snap.ref;
		rc = soj_session_lock_once(s, self, &snap, &cold, digest, wait,
					   &held);
	}
	if (rc == 0)
		*fence = held->fence;
	if (rc == -ETIMEDOUT && SOJ_PLANT(LOCK_UNLOCKED))
		rc = 0;
	return rc;
}

int sojourn_session_lock(struct sojourn *s, const char *id, uint64_t timeout_ms,
			 uint64_t hold_max_ms, uint64_t *fence)
{
	struct soj_lock_wait wait = {.timeout_ms = timeout_ms,
				     .hold_max_ms = hold_max_ms};
	struct soj_digest digest;
	struct soj_self *self;
	int rc = soj_session_lock_check(&wait);

	if (rc < 0)
		return rc;
	if (fence == NULL)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "fence is NULL, but writing needs it");
	*fence = 0;
	if (!soj_id_digest(s, id, &digest))
		return soj_report_ended(SOJ_NONE);
	self = soj_self_writing(s, &rc);
	if (self == NULL)
		return rc;
	self->w.source = SOJ_SOURCE_LOCK;
	rc = lock(s, self, &digest, &wait, fence);
	soj_count_flush(&s->st.seg, &self->w.thr);
	return soj_done(s, rc < 0 ? rc : soj_ok());
}

/* What this thread holds by the id that it was asked for with; or by another id
 * of the login, while it lives; or of a login that has ended. */
static struct soj_held *find_held(struct sojourn *s, struct soj_self *self,
				  const struct soj_digest *digest,
				  uint64_t fence)
{
	struct soj_worker *w = &self->w;
	struct soj_held *ended = NULL;
	struct soj_snapshot snap;
	int rc;

	for (uint32_t i = 0; i < w->held_count; i++)
		if (w->held[i].fence == fence &&
		    soj_digest_equal(w->held[i].id, *digest))
			return &w->held[i];
	rc = soj_session_follow(s, self, digest, soj_seg_now_ms(&s->st.seg),
				NULL, &snap);
	for (uint32_t i = 0; i < w->held_count; i++) {
		struct soj_held *held = &w->held[i];

		if (held->fence != fence)
			continue;
		if (rc == 0 && held->ref == snap.ref)
			return held;
		if (rc < 0 && !soj_entry_lives(&s->st, held->ref))
			ended = held;
	}
	return ended;
}

static int unlock(struct sojourn *s, struct soj_self *self,
		  const struct soj_digest *digest, uint64_t fence)
{
	struct soj_held *held = find_held(s, self, digest, fence);

	if (held && soj_lock_give(&s->st, &self->w, held, false))
		return soj_ok();
	if (soj_gone(&self->w))
		return soj_report_errno(-ECANCELED);
	return soj_report(-ESTALE, SOJOURN_STALE,
			  held ? "the lock had been taken from this thread: "
				 "its hold time was over"
			       : "this thread does not hold the session's "
				 "lock with that fence");
}

int sojourn_session_unlock(struct sojourn *s, const char *id, uint64_t fence)
{
	struct soj_digest digest;
	struct soj_self *self;
	int rc;

	if (!soj_id_digest(s, id, &digest))
		return soj_report_ended(SOJ_NONE);
	self = soj_self_writing(s, &rc);
	if (self == NULL)
		return rc;
	self->w.source = SOJ_SOURCE_LOCK;
	return soj_done(s, unlock(s, self, &digest, fence));
}
