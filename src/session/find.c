/* SPDX-License-Identifier: MIT */

/*
 * Finding sessions and items: index, snapshot, judge (absolute deadline, then
 * idle), and from an old id on to what it was renewed to.  Nothing is stored in
 * the segment but that something is over, and what somebody left half done.
 *
 * Who comes by an old id looks at that again when he has seen where it leads: a
 * new id for new privileges (renew.c) may have been made meanwhile, the old one
 * be over, and what he saw be none of his business.
 *
 * Crash table: a touch is one CAS; killed before it the use is not counted,
 * after it all is done, but for who was renewed since: his caller was told nothing
 * yet, and the use may not be counted for the new id.
 * Stop table: stopped before the CAS, which names the word that was read: it
 * fails on the expired bit, on a later touch, and on another generation.  On the
 * way from an old id: finds again, by a new look at the clock.
 *
 * Edges
 *   E2  follow: fence before the second look at ctl  store/entry.c E0
 *   L0  touch: cas of life                           store/entry.c E1
 *   L2  touch: fence between life and ctl            renew.c N2
 */

#include <errno.h>

#include "base/fault.h"
#include "session/session.h"
#include "store/fetch.h"
#include "store/plain.h"

void soj_count_miss(struct soj_self *self, enum soj_status status)
{
	enum soj_counter counter = SOJ_COUNT_misses;

	if (self == NULL)
		return;
	if (status == SOJ_ENDED_IDLE)
		counter = SOJ_COUNT_misses_idle;
	else if (status == SOJ_ENDED_EXPIRED)
		counter = SOJ_COUNT_misses_expired;
	else if (status == SOJ_ENDED_GRACE)
		counter = SOJ_COUNT_misses_renewed;
	else if (soj_status_ends_line(status) || status == SOJ_ENDED_CLEARED ||
		 status == SOJ_ENDED_REUSED)
		counter = SOJ_COUNT_misses_ended;
	soj_count(&self->w.thr, counter);
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

/* An old id in its grace window: it is worth what its successor is.  Where all
 * of the login is to end the old id is left as it is: who deletes by it must
 * find it as long as a newer one may still answer.  Upkeep ends it. */
static int look_ahead(struct sojourn *s, struct soj_self *self,
		      struct soj_self *reader, const struct soj_snapshot *snap,
		      int rc)
{
	enum soj_status tip = soj_line_status(&s->st, snap, NULL);

	if (tip == SOJ_ACTIVE)
		return rc;
	if (!s->st.seg.readonly && self && !soj_status_ends_line(tip))
		soj_entry_end(&s->st, &self->w, snap->ref, snap->ctl, tip);
	soj_count_miss(reader, tip);
	return soj_report_ended(tip);
}

/* What does not open is of no use to anybody. */
static int drop(struct sojourn *s, struct soj_self *self,
		struct soj_self *reader, const struct soj_snapshot *snap)
{
	if (!s->st.seg.readonly && self) {
		if (!soj_entry_end(&s->st, &self->w, snap->ref, snap->ctl,
				   SOJ_ENDED_DAMAGED) &&
		    !soj_gone(&self->w))
			return -EAGAIN;
		soj_count(&self->w.thr, SOJ_COUNT_damaged);
	}
	soj_count_miss(reader, SOJ_NONE);
	return soj_report_ended(SOJ_ENDED_DAMAGED);
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
	if (rc == -EBADE && soj_ctl_readable(snap->ctl))
		return drop(s, self, reader, snap);
	if (rc < 0 && rc != -ENOBUFS && rc != -EBADE)
		return soj_report_errno(rc);
	if (soj_ctl_ended(snap->ctl)) {
		soj_count_miss(reader, soj_ctl_status(snap->ctl));
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
	soj_count_miss(reader, verdict);
	return soj_report_ended(verdict);
}

static int find(struct sojourn *s, struct soj_self *self,
		struct soj_self *reader, const struct soj_digest *digest,
		uint64_t now_ms, const struct soj_copy *copy,
		struct soj_snapshot *snap)
{
	const unsigned lines = copy && copy->skim   ? 0
			       : copy && copy->data ? SOJ_FETCH_LINES
						    : 1;

	for (unsigned tries = 0; tries < SOJ_TRIES_MAX; tries++) {
		struct soj_found found;
		int rc =
			soj_index_find_fetching(&s->st, *digest, lines, &found);

		if (rc == -ENOENT) {
			soj_count_miss(reader, SOJ_NONE);
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

/* Past its grace window an old id is as good as gone, but for who gives out the
 * new one. */
static int refuse_late(struct soj_self *reader, const struct soj_snapshot *snap,
		       uint64_t now_ms, int rc)
{
	if ((rc != 0 && rc != -ENOBUFS) || !soj_session_late(snap, now_ms))
		return rc;
	soj_count_miss(reader, SOJ_ENDED_GRACE);
	return soj_report_ended(SOJ_ENDED_GRACE);
}

int soj_session_find_late(struct sojourn *s, struct soj_self *self,
			  const struct soj_digest *digest, uint64_t now_ms,
			  const struct soj_copy *copy,
			  struct soj_snapshot *snap)
{
	return find(s, self, self, digest, now_ms, copy, snap);
}

int soj_session_find(struct sojourn *s, struct soj_self *self,
		     const struct soj_digest *digest, uint64_t now_ms,
		     const struct soj_copy *copy, struct soj_snapshot *snap)
{
	return refuse_late(self, snap, now_ms,
			   find(s, self, self, digest, now_ms, copy, snap));
}

int soj_session_seek(struct sojourn *s, struct soj_self *self,
		     const struct soj_digest *digest, uint64_t now_ms,
		     const struct soj_copy *copy, struct soj_snapshot *snap)
{
	return refuse_late(NULL, snap, now_ms,
			   find(s, self, NULL, digest, now_ms, copy, snap));
}

/* Does the old id that led to what was seen since still lead there?  By then it
 * may have been ended, so that who has it sees nothing of what comes after; or
 * its grace window be over. */
static bool leads_still(const struct sojourn *s, const struct soj_snapshot *old)
{
	const struct soj_shm_entry *e =
		soj_entry(&s->st, soj_ref_entry(old->ref));

	soj_fence_acquire(); /* E2 */
	return soj_load_relaxed(&e->ctl) == old->ctl &&
	       !soj_session_late(old, soj_seg_now_ms(&s->st.seg));
}

int soj_session_follow(struct sojourn *s, struct soj_self *self,
		       const struct soj_digest *digest, uint64_t now_ms,
		       const struct soj_copy *copy, struct soj_snapshot *snap)
{
	for (unsigned tries = 0; tries < SOJ_TRIES_MAX; tries++) {
		int rc = soj_session_find(s, self, digest, now_ms, copy, snap);
		struct soj_snapshot first;
		enum soj_status status;
		uint64_t tip;

		if ((rc < 0 && rc != -ENOBUFS) || !snap->has_record)
			return rc;
		first = *snap;
		status = soj_line_status(&s->st, &first, &tip);
		if (status != SOJ_ACTIVE)
			return soj_report_ended(status);
		SOJ_STEP("follow.seen");
		if (tip == 0)
			break;
		if (!s->st.seg.readonly && self && !soj_gone(&self->w))
			soj_line_settle(&s->st, tip);
		snap->has_record = false;
		rc = look(s, self, self, tip, NULL, now_ms, copy, snap);
		/* Else it was renewed or reused just now: begin again. */
		if (rc != -EAGAIN && !snap->has_record) {
			if ((rc < 0 && rc != -ENOBUFS) ||
			    leads_still(s, &first))
				return rc;
			/* What was copied is none of his business. */
			if (copy && copy->data)
				soj_wipe(copy->data,
					 soj_min(copy->data_capacity,
						 snap->data_bytes));
			now_ms = soj_seg_now_ms(&s->st.seg);
		}
	}
	return soj_report_errno(-EBUSY);
}

void soj_session_touch(struct sojourn *s, struct soj_self *self, uint64_t ref,
		       uint64_t life, uint64_t now_ms)
{
	struct soj_shm_entry *e = soj_entry(&s->st, soj_ref_entry(ref));

	if (s->st.seg.readonly || self == NULL)
		return;
	SOJ_STEP("touch.seen");
	if (soj_gone(&self->w))
		return;
	/* Lost to another touch, or to the end by time: both are fine. */
	if (soj_cas_acq_rel(&e->life, &life, /* L0 */
			    soj_life(soj_life_gen(life), now_ms))) {
		SOJ_STEP("touch.counted");
		soj_fence_seq_cst_after_rmw(); /* L2 */
		/* Renewed, or that and over since. */
		if (soj_ctl_status(soj_load_relaxed(&e->ctl)) != SOJ_ACTIVE)
			soj_line_use(&s->st, ref);
		soj_count(&self->w.thr, SOJ_COUNT_touches);
		soj_note_of(s, self, SOJ_HOOK_TOUCHED, ref, 0);
	}
	SOJ_STEP("touch.done");
}

void soj_session_touch_due(struct sojourn *s, struct soj_self *self,
			   const struct soj_snapshot *snap, uint64_t now_ms)
{
	if (soj_ctl_status(snap->ctl) == SOJ_ACTIVE &&
	    !(snap->life & SOJ_LIFE_EXPIRED) &&
	    soj_touch_due(&snap->times, now_ms))
		soj_session_touch(s, self, snap->ref, snap->life, now_ms);
}
