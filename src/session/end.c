/* SPDX-License-Identifier: MIT */

/*
 * Ending sessions.
 *
 * A delete that has returned is final: it has ended the session and the line
 * of its successors (store/line.c), each by a CAS of its ctl, and every other
 * operation decides by a CAS of ctl from a word that no longer is.
 *
 * The session is found, and its line ended, in one section, so what the first
 * look found cannot be gone before its record was followed.  A deleter that was
 * expelled from its section (stopped for long) has lost that hold: it goes by
 * the login number, which all of the line have, through the subject's chain.
 *
 * What is a line by itself its deleter takes out of index and chain, and retires,
 * as upkeep would (upkeep/alone.c); of the rest he leaves that to upkeep.
 *
 * Delete-all walks the subject's chain and ends whatever it meets, also what
 * is OWNED by a maker; then, because entries come in at the head only, it
 * walks again what came in meanwhile, until nothing did.  It does so in many
 * short sections (soj_chain_walk), and so ends any number of sessions.
 *
 * Of those who end one login only he says 1 who found it alive, or ended its
 * newest id: not who met an old id that others had left behind.  By a handle
 * only the latter.
 *
 * Crash table: killed between two sessions: the others live; the call was not
 * acknowledged.  Killed inside a line: upkeep completes the line.
 * Stop table: expelled from its section: the call starts over, as above.
 *
 * Edges
 *   K2  load of a chain's head   store/chain.c K0
 *   S1  load of a state          store/slab.c S0
 */

#include <errno.h>
#include <string.h>

#include "base/fault.h"
#include "session/session.h"
#include "store/chain.h"
#include "store/fetch.h"

#define ENDS_PER_SECTION 256u

/* ---- all of a subject ---- */

struct end_all {
	struct sojourn *s;
	struct soj_self *self;
	struct soj_digest subject;
	uint64_t except_login;           /* 0: none */
	uint64_t only_login;             /* 0: all */
	const uint32_t *only_collection; /* NULL: all */
	enum soj_status reason;
	enum soj_status verdict; /* of the entry looked at, by time */
	/* References: an entry that was ended may be another's by the next
	 * walk, in front of what came in meanwhile. */
	uint64_t stop_at;
	uint64_t first; /* at the head of this walk */
	int ended;      /* logins */
	bool any;       /* or a part of one */
	int error;
};

/* Its time was over before anybody ended it: that is what is told of it. */
static bool is_over(struct end_all *a, const struct soj_snapshot *snap,
		    uint64_t now_ms)
{
	a->verdict = SOJ_ACTIVE;
	if (soj_ctl_status(snap->ctl) == SOJ_ACTIVE)
		a->verdict = soj_times_judge(&snap->times, now_ms);
	return a->verdict != SOJ_ACTIVE;
}

/* -ENOENT: done; -EAGAIN: it was touched or ended, look again. */
static int expire(struct end_all *a, const struct soj_snapshot *snap)
{
	if (!soj_entry_expire(&a->s->st, &a->self->w, snap->ref, snap->ctl,
			      snap->life, a->verdict))
		return -EAGAIN;
	soj_count(&a->self->w.thr, SOJ_COUNT_expirations);
	return -ENOENT;
}

static bool end_one(void *arg, uint32_t idx)
{
	struct end_all *a = arg;
	struct soj_store *st = &a->s->st;
	struct soj_cold cold;
	struct soj_copy copy = {.cold = &cold};
	struct soj_snapshot snap;
	uint64_t state = soj_load_acquire(&st->seg.entry_states[idx]); /* S1 */
	uint64_t ref = soj_ref(idx, soj_state_gen(state));
	int rc;

	if (ref == a->stop_at)
		return false;
	if (a->first == 0)
		a->first = ref;
	do {
		/* Before what is handed down: no use after that is missed. */
		const uint64_t now_ms = soj_seg_now_ms(&st->seg);

		rc = soj_entry_snapshot(st, ref, NULL, &copy, &snap);
		if (rc == 0 && soj_digest_equal(cold.subject, a->subject) &&
		    is_over(a, &snap, now_ms))
			rc = expire(a, &snap);
	} while (rc == -EAGAIN && soj_section_valid(&st->seg, &a->self->w.thr));
	if (rc < 0 || !soj_digest_equal(cold.subject, a->subject) ||
	    (a->except_login && cold.login == a->except_login) ||
	    (a->only_login && cold.login != a->only_login) ||
	    (a->only_collection &&
	     soj_misc_collection(cold.misc) != *a->only_collection))
		return true;
	rc = soj_line_end(st, &a->self->w, ref, a->reason, NULL, &a->any);
	if (rc < 0) {
		a->error = rc;
		return false;
	}
	/* A successor that is still being made counts with its predecessor. */
	if (cold.predecessor == 0 || soj_state_phase(state) != SOJ_OWNED ||
	    soj_line_names(st, cold.predecessor, ref) == 1)
		a->ended += rc;
	return true;
}

static void begin_walk(void *arg)
{
	struct end_all *a = arg;

	a->first = 0;
	a->error = 0;
}

/* Until nothing new came in.  0 or an error. */
static int end_walks(struct end_all *a, uint32_t head)
{
	const struct soj_walk walk = {.begin = begin_walk,
				      .fn = end_one,
				      .arg = a,
				      .per_section = ENDS_PER_SECTION};
	struct soj_store *st = &a->s->st;

	for (unsigned walks = 0; walks < SOJ_TRIES_MAX; walks++) {
		uint64_t seen;
		int rc = soj_chain_walk(st, &a->self->w, head, &seen, &walk);

		SOJ_STEP("delete.subject.walked");
		if (a->error < 0)
			return a->error;
		if (rc < 0)
			return rc;
		if (a->first)
			a->stop_at = a->first;
		if (soj_load_acquire(&st->seg.heads[head]) == seen) /* K2 */
			return 0;
	}
	return -EBUSY;
}

/* Again from the start when it was expelled in the middle of a line. */
static int end_all(struct end_all *a)
{
	int rc = -ESTALE;

	for (unsigned tries = 0; rc == -ESTALE && tries < SOJ_TRIES_MAX;
	     tries++) {
		a->stop_at = 0;
		rc = end_walks(a, soj_head_of(&a->s->st, a->subject));
	}
	return rc == -ESTALE ? -EBUSY : rc;
}

/* The login number of the session that is to stay. */
static int login_of(struct sojourn *s, struct soj_self *self, const char *id,
		    struct soj_digest subject, uint64_t *login)
{
	struct soj_cold cold;
	struct soj_copy copy = {.cold = &cold};
	struct soj_snapshot snap;
	struct soj_digest digest;
	int rc;

	if (!soj_id_digest(s, id, &digest))
		return soj_report_ended(SOJ_NONE);
	rc = soj_session_find(s, self, &digest, soj_seg_now_ms(&s->st.seg),
			      &copy, &snap);
	if (rc < 0)
		return rc;
	if (!soj_digest_equal(cold.subject, subject))
		return soj_report(-ENOENT, SOJOURN_NOT_FOUND,
				  "the session to be kept is not one of the "
				  "subject's");
	*login = cold.login;
	return 0;
}

/* ---- one ---- */

static int delete_done(struct sojourn *s, struct soj_self *self, int rc,
		       bool ended)
{
	if (rc < 0)
		return soj_report_errno(rc);
	if (ended)
		soj_count(&self->w.thr, SOJ_COUNT_deletes);
	soj_count_flush(&s->st.seg, &self->w.thr);
	soj_ok();
	return ended;
}

/*
 * Finds what is to be deleted.  0 and its reference; *seen: it lives, and
 * *snap is what was seen.  -ENOENT (reported): there is nothing to end.  The
 * caller is in a section.
 */
static int find_doomed(struct sojourn *s, struct soj_self *self,
		       const struct soj_digest *digest, struct soj_cold *cold,
		       struct soj_snapshot *snap, uint64_t *ref, bool *seen)
{
	const struct soj_copy copy = {.cold = cold, .skim = true};
	struct soj_found found;
	/* Over by time is not alive: its end is made final, nothing more. */
	int rc = soj_session_find_late(s, self, digest,
				       soj_seg_now_ms(&s->st.seg), &copy, snap);

	*seen = rc == 0;
	*ref = snap->ref;
	/* Another deleter may have ended it, or a newer id of its line, and be
	 * stopped before the rest.  If it cannot be looked at any more, upkeep
	 * has ended the rest. */
	if (rc == -ENOENT && soj_index_find(&s->st, *digest, &found) == 0 &&
	    (soj_ctl_status(found.ctl) == SOJ_RENEWED ||
	     soj_status_ends_line(soj_ctl_status(found.ctl)))) {
		*ref = found.ref;
		rc = soj_entry_look(&s->st, found.ref, digest, &copy, snap);
	}
	return rc;
}

/* Expelled in the middle: whatever there is of the login.  What belongs to nobody
 * is none, and alone: *again, and it is found once more. */
static int delete_login(struct sojourn *s, struct soj_self *self,
			const struct soj_cold *cold, bool any, bool *again)
{
	struct end_all a = {.s = s,
			    .self = self,
			    .subject = cold->subject,
			    .only_login = cold->login,
			    .reason = SOJ_ENDED_DELETED,
			    .any = any};
	int rc = 0;

	if (cold->login)
		rc = end_all(&a);
	else
		*again = !any;
	return delete_done(s, self, rc, a.any);
}

static int delete_one(struct sojourn *s, const char *id)
{
	struct soj_digest digest;

	if (!soj_id_digest(s, id, &digest)) {
		soj_report_ended(SOJ_NONE);
		return 0;
	}
	return soj_session_delete_named(s, &digest);
}

int sojourn_session_delete(struct sojourn *s, const char *id)
{
	return soj_done(s, delete_one(s, id));
}

static int delete_named_once(struct sojourn *s, const struct soj_digest *digest,
			     bool *again)
{
	struct soj_cold cold = {0};
	struct soj_snapshot snap;
	struct soj_self *self;
	bool seen, any = false, found, valid;
	uint64_t ref, left = 0;
	int rc;

	self = soj_self_writing(s, &rc);
	if (self == NULL)
		return rc;
	self->w.source = SOJ_SOURCE_DELETE;
	soj_index_prefetch(&s->st, *digest);
	soj_event_prefetch(&s->st);
	snap.ref = 0;
	soj_section_enter(&s->st.seg, &self->w.thr);
	soj_index_prefetch_found(&s->st, *digest, true);
	rc = find_doomed(s, self, digest, &cold, &snap, &ref, &seen);
	SOJ_STEP("delete.found");
	found = rc == 0;
	if (seen && soj_upkeep_end_alone(&s->st, &self->w, &snap, &cold,
					 SOJ_ENDED_DELETED, &left))
		any = true;
	else if (found)
		rc = soj_line_end(&s->st, &self->w, ref, SOJ_ENDED_DELETED,
				  seen ? &snap : NULL, &any);
	any = any && (seen || rc > 0);
	valid = soj_section_exit(&s->st.seg, &self->w.thr);
	if (left)
		soj_upkeep_retire(&s->st, &self->w, soj_ref_entry(ref), left);
	if (soj_gone(&self->w))
		return soj_report_errno(-ECANCELED);
	if (rc == -ENOENT && !found)
		return 0;
	if (found && (!valid || rc == -ESTALE))
		return delete_login(s, self, &cold, any, again);
	return delete_done(s, self, rc, any);
}

int soj_session_delete_named(struct sojourn *s, const struct soj_digest *digest)
{
	bool again = true;
	int rc = 0;

	for (unsigned i = 0; again && i < SOJ_TRIES_MAX; i++) {
		again = false;
		rc = delete_named_once(s, digest, &again);
	}
	return again ? soj_report_errno(-EBUSY) : rc;
}

static int delete_handle_once(struct sojourn *s, const char *handle,
			      bool *again)
{
	struct soj_cold cold = {0};
	const struct soj_copy copy = {.cold = &cold};
	struct soj_snapshot snap;
	struct soj_self *self;
	bool any, found, valid;
	uint64_t ref;
	int rc;

	self = soj_self_writing(s, &rc);
	if (self == NULL)
		return rc;
	self->w.source = SOJ_SOURCE_DELETE;
	soj_section_enter(&s->st.seg, &self->w.thr);
	ref = soj_handle_ref(&s->st, handle);
	rc = ref ? soj_entry_look(&s->st, ref, NULL, &copy, &snap) : -ENOENT;
	/* Over by time it leads to nothing that is to be ended; and what was
	 * revoked stays so. */
	found = rc == 0 &&
		soj_misc_collection(cold.misc) != SOJ_COLLECTION_REVOKED &&
		(soj_status_ends_line(soj_ctl_status(snap.ctl)) ||
		 (soj_ctl_readable(snap.ctl) &&
		  soj_times_judge(&snap.times, soj_seg_now_ms(&s->st.seg)) ==
			  SOJ_ACTIVE));
	if (found)
		rc = soj_line_end(&s->st, &self->w, ref, SOJ_ENDED_DELETED,
				  &snap, NULL);
	any = rc > 0;
	valid = soj_section_exit(&s->st.seg, &self->w.thr);
	if (soj_gone(&self->w))
		return soj_report_errno(-ECANCELED);
	if (!found && (rc == 0 || rc == -ENOENT)) {
		soj_report_ended(SOJ_NONE);
		return 0;
	}
	if (found && (!valid || rc == -ESTALE))
		return delete_login(s, self, &cold, any, again);
	return delete_done(s, self, rc, any);
}

int sojourn_session_delete_handle(struct sojourn *s, const char *handle)
{
	bool again = true;
	int rc = 0;

	for (unsigned i = 0; again && i < SOJ_TRIES_MAX; i++) {
		again = false;
		rc = delete_handle_once(s, handle, &again);
	}
	return soj_done(s, again ? soj_report_errno(-EBUSY) : rc);
}

static int delete_subject(struct sojourn *s, const char *subject,
			  const char *except_id,
			  const uint32_t *only_collection)
{
	struct end_all a = {.s = s,
			    .only_collection = only_collection,
			    .reason = SOJ_ENDED_SUBJECT};
	int rc = soj_subject_check(subject);

	if (rc < 0)
		return rc;
	a.self = soj_self_writing(s, &rc);
	if (a.self == NULL)
		return rc;
	a.self->w.source = SOJ_SOURCE_DELETE_SUBJECT;
	a.subject = soj_subject_digest(s, subject);
	if (except_id) {
		rc = login_of(s, a.self, except_id, a.subject, &a.except_login);
		if (rc < 0)
			return rc;
	}
	rc = end_all(&a);
	if (rc < 0)
		return soj_report_errno(rc);
	for (int i = 0; i < a.ended; i++)
		soj_count(&a.self->w.thr, SOJ_COUNT_deletes);
	soj_count_flush(&s->st.seg, &a.self->w.thr);
	soj_ok();
	return a.ended;
}

int sojourn_session_delete_subject(struct sojourn *s, const char *subject,
				   const char *except_id)
{
	return soj_done(s, delete_subject(s, subject, except_id, NULL));
}

int soj_session_delete_subject_in(struct sojourn *s, const char *subject,
				  uint32_t collection)
{
	return delete_subject(s, subject, NULL, &collection);
}
