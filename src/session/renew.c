/* SPDX-License-Identifier: MIT */

/*
 * Renewal: a new id for a session, once, whoever races for it.
 *
 *   1. CAS `renew` to {me, lease}: the renewal flag, one winner.  Who gives it
 *      back leaves another word than that of before: an entry whose flag nobody
 *      ever had was not renewed (store/entry.c).
 *   2. Build the successor: owned, so provisional; it names its predecessor,
 *      inherits its login number, is indexed under the new id.
 *   3. CAS the old ctl, from exactly the version that was copied, to RENEWED
 *      with a new chunk: the same value and a record {successor, end of the
 *      grace window, new id sealed under a key derived from the old id}.
 *      That CAS decides.  Lost: the successor is withdrawn, look again.
 *   4. Successor to LIVE.
 * The holder of the old id finds the new one in the record, and only he can
 * open it.  A lease that is over lets another try; the CAS of step 3 lets one
 * of them through.
 *
 * Regenerating takes the flag from whoever has it: its caller must not be told
 * that the old id is over while another renewal, with a grace window, decides.
 * It seals no new id, and so the old one is over for those, too, who took the
 * time before and come right after the CAS of step 3.
 *
 * Crash table (killed after the step)
 *   flag taken              the lease runs out, or the holder is found dead (not
 *                           any more when another has its slot)
 *   successor built         OWNED, its predecessor does not name it: withdrawn
 *   record written          a chunk that no ctl names: freed
 *   handed down             the same: its life is that of what nobody names
 *   old ctl RENEWED         the successor is named: made LIVE by repair; the
 *                           old id's holder is given the new one meanwhile.
 *                           Regenerating: the old id is over and the new one
 *                           was told to nobody, as it is sealed nowhere; the
 *                           login is in its subject's list, and ends with it
 *   handed down again       as before
 *   successor LIVE          done
 * Stop table: a winner stopped before step 3 finds ctl changed (another one
 * renewed, an update, an end) or the lease taken over and nothing else
 * changed; then it is simply the winner after all.  But not of what it knew long
 * ago: all it writes is dated by when it began, so who was at it for longer than a
 * lease begins again, right before step 3.  What others used the session for
 * meanwhile, touches only, is handed down right before step 3, again before step 4,
 * by whoever ends it for lack of use, lists or settles it before that
 * (store/line.c), and what comes later to the old entry by who uses it (find.c).
 * Left: one who stands exactly between that look at the clock and the CAS, for by so
 * much the grace window is shorter; and who only reads the segment may be told
 * until step 4 that what was used in that instant is idle; and a use that comes when
 * the old entry is being taken away is not counted.
 * A logout in between ends the old ctl: step 3 fails.  One that came after
 * step 3 follows the record and ends the successor, OWNED or LIVE.
 *
 * A session that is locked is renewed by the lock's holder only, and others
 * are told that it is locked; a read then leaves the renewal for another time.
 * The lock could follow the session into its successor behind its holder's
 * back, but then a holder who dies or gives it back at that moment would have
 * to be found there by somebody.
 *
 * Edges
 *   N0  flag: cas of renew          N1
 *   N1  load of renew               N0
 *   N2  handed down: fence between ctl and life      find.c L2
 *   E0  decide: cas of ctl          store/entry.c E1
 *   E1  load of ctl, life           store/entry.c E0
 *   S1  load of a state             store/slab.c S0
 *   C1  load of a claim             rcu/slot.c C0
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "session/session.h"
#include "store/fetch.h"

#define RENEW_TRIES 100u

/* Everything about the session that is being renewed. */
struct renewal {
	struct sojourn *s;
	struct soj_self *self;
	const char *id;
	const struct soj_digest *digest;
	uint64_t now_ms;
	struct soj_session old;
	uint8_t *data;
	size_t data_capacity;
	struct soj_held *held; /* its lock, if this thread has it */
	bool at_once;          /* no grace window, no redelivery */
	uint64_t successor;    /* reference; 0: not known */
	char new_id[SOJOURN_ID_CHARS_MAX + 1];
};

static struct soj_shm_entry *renew_entry(struct renewal *r)
{
	return soj_entry(&r->s->st, soj_ref_entry(r->old.snap.ref));
}

static soj_word_t *renew_word(struct renewal *r)
{
	return &renew_entry(r)->renew;
}

/* Does somebody hold the flag who may still be at it? */
static bool flag_held(struct renewal *r, uint64_t word)
{
	const struct soj_seg *seg = &r->s->st.seg;
	uint32_t slot = soj_renew_slot(word);
	uint64_t claim;

	if (slot >= seg->lay.slots_max ||
	    soj_lease_over(soj_renew_lease_tick(word), r->now_ms))
		return false;
	claim = soj_load_acquire(&seg->slots[slot].claim); /* C1 */
	return soj_claim_phase(claim) == SOJ_CLAIM_HELD &&
	       !soj_slot_dead(seg, slot, false, &claim);
}

/* 0: mine.  -EALREADY: somebody else's, *outcome says whose.  -EAGAIN. */
static int flag_take(struct renewal *r, uint64_t *mine,
		     enum sojourn_renewal *outcome)
{
	const struct soj_seg *seg = &r->s->st.seg;
	soj_word_t *renew = renew_word(r);
	uint64_t word = soj_load_acquire(renew); /* N1 */

	if (soj_renew_gen(word) != soj_ref_gen(r->old.snap.ref))
		return -EAGAIN;
	/* Who wants the old id to be over now waits for nobody: ctl decides. */
	if (!r->at_once && flag_held(r, word)) {
		/* He may be done by now, and the new id be there to be told. */
		if (soj_load_acquire(&renew_entry(r)->ctl) != /* E1 */
		    r->old.snap.ctl)
			return -EAGAIN;
		*outcome = soj_slot_is_ours(seg, &r->self->w.thr,
					    soj_renew_slot(word))
				   ? SOJOURN_RENEWAL_HERE
				   : SOJOURN_RENEWAL_ELSEWHERE;
		return -EALREADY;
	}
	*mine = soj_renew(soj_renew_gen(word), r->self->w.thr.slot,
			  soj_lease_until(&seg->policy, r->now_ms));
	SOJ_STEP("renew.flag.seen");
	/* A child that was forked while the slot was claimed has none. */
	if (soj_gone(&r->self->w) || !soj_has_slot(&r->self->w))
		return soj_report_errno(-ECANCELED);
	if (!soj_cas_acq_rel(renew, &word, *mine)) /* N0 */
		return -EAGAIN;
	SOJ_STEP("renew.flag");
	return 0;
}

static void flag_drop(struct renewal *r, uint64_t mine)
{
	if (!soj_gone(&r->self->w))
		soj_cas_acq_rel(renew_word(r), &mine, /* N0 */
				soj_renew_dropped(soj_renew_gen(mine)));
}

/* A copy of all of the session; grows the buffer as needed. */
static int copy_old(struct renewal *r)
{
	for (unsigned tries = 0; tries < SOJ_TRIES_MAX; tries++) {
		struct soj_copy copy = {.cold = &r->old.cold,
					.subject = r->old.subject,
					.meta = r->old.meta,
					.data = r->data,
					.data_capacity = r->data_capacity};
		int rc = soj_session_find(r->s, r->self, r->digest, r->now_ms,
					  &copy, &r->old.snap);

		if (rc != -ENOBUFS)
			return rc;
		soj_wipe(r->data, r->data_capacity);
		free(r->data);
		r->data_capacity = r->old.snap.data_bytes;
		r->data = malloc(r->data_capacity + 1);
		if (r->data == NULL)
			return soj_report_errno(-ENOMEM);
	}
	return soj_report_errno(-EBUSY);
}

static struct soj_value old_value(const struct renewal *r)
{
	return (struct soj_value){
		.data = r->data,
		.data_bytes = r->old.snap.data_bytes,
		.subject = r->old.subject,
		.subject_bytes = r->old.snap.subject_bytes,
		.meta = r->old.meta,
		.meta_bytes = r->old.snap.meta_bytes,
		.version = r->old.snap.version,
		.entry = soj_ref_entry(r->old.snap.ref),
		.seal_bytes = r->s->st.seal_bytes,
		.gen = soj_ref_gen(r->old.snap.ref),
		.digest = *r->digest,
	};
}

static int build_successor(struct renewal *r, struct soj_made *made)
{
	const struct soj_snapshot *snap = &r->old.snap;
	const struct soj_cold *cold = &r->old.cold;
	const struct soj_lifetime old_life = {
		.ttl_ms = soj_lifetime_ttl_ms(&snap->times),
		.expires_ms = snap->times.expires_ms,
		.expires_max_ms = soj_misc_expires_max_ms(cold->misc),
		.idle_ms = snap->times.idle_ms,
		.sliding_ms = snap->times.sliding_ms,
	};
	struct soj_birth birth = {
		.subject = cold->subject,
		.value = old_value(r),
		.now_ms = r->now_ms,
		.collection = soj_misc_collection(cold->misc),
		.predecessor = snap->ref,
		.login = cold->login,
		.renewals = soj_misc_renewals(cold->misc) + 1,
		.held = r->held,
	};
	int rc = -EXFULL;

	soj_lifetime_renew(r->now_ms, &old_life, &birth.life);
	for (unsigned tries = 0; tries < 8 && rc == -EXFULL; tries++) {
		soj_id_make(r->s, r->self, r->new_id);
		soj_id_digest(r->s, r->new_id, &birth.digest);
		r->self->w.spare = snap->ref;
		rc = soj_session_make(r->s, r->self, &birth, made);
		r->self->w.spare = 0;
	}
	return rc == -EXFULL ? soj_report_errno(-ENOSPC) : rc;
}

static void fill_record(struct renewal *r, uint64_t successor,
			struct soj_shm_record *record)
{
	const struct soj_shm_collection *c = soj_collection(
		&r->s->st.seg, soj_misc_collection(r->old.cold.misc));
	size_t chars = strlen(r->new_id);

	memset(record, 0, sizeof(*record));
	record->successor = successor;
	record->grace_until_ms = soj_seg_now_ms(&r->s->st.seg);
	/* Who wants the old id to die at once does not want it to lead on: the
	 * new one is not in the record, whatever time others think it is. */
	if (r->at_once)
		return;
	if (c->grace_window_ms > 0) {
		record->grace_until_ms += c->grace_window_ms;
		record->redelivery_ms = (uint32_t)c->redelivery_ms;
	}
	soj_random(&record->nonce, sizeof(record->nonce));
	record->sealed_bytes = (uint32_t)(chars + SOJ_SEAL_BYTES);
	soj_seal(&r->s->keys, r->id, strlen(r->id), record->nonce, r->new_id,
		 chars, record->sealed);
}

static bool stood_still(const struct renewal *r)
{
	const struct soj_seg *seg = &r->s->st.seg;

	return soj_seg_now_ms(seg) - r->now_ms > seg->policy.lease_ms;
}

/* Step 3.  0; -EAGAIN: the old session changed; a reported error. */
static int decide(struct renewal *r, const struct soj_made *made)
{
	struct soj_store *st = &r->s->st;
	struct soj_worker *w = &r->self->w;
	uint32_t idx = soj_ref_entry(r->old.snap.ref);
	struct soj_shm_entry *e = soj_entry(st, idx);
	uint64_t ctl = r->old.snap.ctl, owned, old_was;
	uint32_t old = soj_ctl_chunk(ctl), fresh;
	struct soj_shm_record record;
	struct soj_value value = old_value(r);
	int rc;

	fill_record(r, made->ref, &record);
	value.record = &record;
	w->spare = r->old.snap.ref;
	rc = soj_room_chunk(r->s, r->self, soj_value_chunk_bytes(&value),
			    &fresh);
	w->spare = 0;
	if (rc < 0)
		return rc;
	owned = soj_load_acquire(soj_chunk_state(st, fresh)); /* S1 */
	old_was = soj_load_acquire(soj_chunk_state(st, old)); /* S1 */
	rc = soj_chunk_write(st, fresh, &value);
	if (rc < 0) {
		soj_chunk_abandon(st, w, fresh);
		return soj_report_errno(rc);
	}
	/* For those who cannot, because they only read the segment. */
	soj_entry_hand_down(st, made->ref);
	SOJ_STEP("renew.record");
	if (soj_gone(w))
		return soj_report_errno(-ECANCELED);
	/* Whoever set the expired bit is about to end it.  A bit that is set
	 * after this look may be the end of the grace window, and is no reason
	 * to undo: nobody says that it is over before ctl does. */
	if (stood_still(r) ||
	    (soj_load_acquire(&e->life) & SOJ_LIFE_EXPIRED) || /* E1 */
	    !soj_cas_acq_rel(&e->ctl, &ctl,                    /* E0 */
			     soj_ctl_next(ctl, SOJ_RENEWED, fresh))) {
		soj_chunk_abandon(st, w, fresh);
		return -EAGAIN;
	}
	SOJ_STEP("renew.decided");
	soj_state_publish(soj_chunk_state(st, fresh), owned);
	soj_index_hint(st, w, *r->digest, r->old.snap.ref, fresh,
		       soj_value_chunk_bytes(&value));
	soj_chunk_retire(st, w, old, old_was);
	soj_hint_armed(st, idx); /* the grace window ends sooner */
	return 0;
}

/*
 * A renewal writes: without the lock it has to be nobody's.  The holder takes
 * the lock along: the successor is born with it (fill_entry), so nobody comes
 * in between.
 */
static int look_at_lock(struct renewal *r)
{
	uint64_t ref = r->old.snap.ref;

	r->held =
		soj_lock_mine(&r->self->w, ref, soj_lock_look(&r->s->st, ref));
	return r->held ? 0
		       : soj_session_may_change(r->s, r->self, &r->old.snap,
						NULL);
}

/* Who waits for it goes on to the successor. */
static void leave_lock(struct renewal *r)
{
	uint64_t ref = r->old.snap.ref;
	struct soj_held *left;

	if (r->held == NULL || soj_gone(&r->self->w))
		return;
	left = soj_lock_mine(&r->self->w, ref, soj_lock_look(&r->s->st, ref));
	if (left)
		soj_lock_give(&r->s->st, &r->self->w, left, true);
}

/* With the flag.  0: renewed, r->new_id is out; -EAGAIN; a reported error. */
static int renew_flagged(struct renewal *r)
{
	struct soj_made made;
	int rc = build_successor(r, &made);

	if (rc < 0)
		return rc == -EEXIST ? -EAGAIN : rc;
	SOJ_STEP("renew.built");
	rc = decide(r, &made);
	if (rc < 0) {
		soj_session_withdraw(r->s, r->self, &made);
		return rc;
	}
	soj_fence_seq_cst_after_rmw(); /* N2 */
	soj_entry_hand_down(&r->s->st, made.ref);
	leave_lock(r);
	r->successor = made.ref;
	if (!soj_session_settle(r->s, r->self, &made))
		return soj_gone(&r->self->w)
			       ? soj_report_errno(-ECANCELED)
			       : soj_report_ended(SOJ_ENDED_DELETED);
	SOJ_STEP("renew.settled");
	soj_note_of(r->s, r->self, SOJ_HOOK_RENEWED, made.ref, 0);
	return 0;
}

/* For the hooks, about the session as it was. */
static void note(struct renewal *r, enum soj_hook hook,
		 enum sojourn_renewal outcome)
{
	soj_note(r->s, r->self,
		 &(struct soj_note){
			 .hook = hook,
			 .renewal = outcome,
			 .reason = sojourn_reason(),
			 .ref = r->old.snap.ref,
			 .digest48 = r->digest->word[1],
			 .collection = soj_misc_collection(r->old.cold.misc),
		 });
}

/* One attempt; *outcome stays NONE when the flag could not be had yet. */
static int renew_once(struct renewal *r, enum sojourn_renewal *outcome)
{
	uint64_t mine;
	int rc;

	r->now_ms = soj_seg_now_ms(&r->s->st.seg);
	rc = copy_old(r);
	if (rc < 0)
		return rc;
	if (soj_ctl_status(r->old.snap.ctl) == SOJ_RENEWED) {
		soj_count(&r->self->w.thr, SOJ_COUNT_renewals_lost);
		if (soj_record_open(r->s, r->id, &r->old.snap, r->new_id))
			*outcome = SOJOURN_RENEWAL_DONE;
		r->successor = r->old.snap.record.successor;
		note(r, SOJ_HOOK_RENEWAL_LOST, *outcome);
		soj_line_settle(&r->s->st, r->successor);
		return 0;
	}
	rc = look_at_lock(r);
	if (rc < 0)
		return rc;
	rc = flag_take(r, &mine, outcome);
	if (rc == -EALREADY) {
		soj_count(&r->self->w.thr, SOJ_COUNT_renewals_lost);
		note(r, SOJ_HOOK_RENEWAL_LOST, *outcome);
		return 0;
	}
	if (rc < 0)
		return rc;
	/* What was copied before the flag may be what another winner has just
	 * renewed: the CAS of ctl tells. */
	rc = renew_flagged(r);
	if (rc == 0) {
		*outcome = SOJOURN_RENEWAL_WON;
		soj_count(&r->self->w.thr, SOJ_COUNT_renewals_won);
		return 0;
	}
	flag_drop(r, mine);
	return rc;
}

int soj_session_renew_id(struct sojourn *s, struct soj_self *self,
			 const char *id, const struct soj_digest *digest,
			 bool at_once, struct sojourn_info *info)
{
	struct renewal *r = calloc(1, sizeof(*r));
	int rc = -EAGAIN;

	if (r == NULL)
		return soj_report_errno(-ENOMEM);
	r->s = s;
	r->self = self;
	self->w.source = SOJ_SOURCE_RENEW;
	r->id = id;
	r->digest = digest;
	r->at_once = at_once;
	r->data = malloc(1); /* never NULL: the data is wanted */
	info->renewal = SOJOURN_RENEWAL_NONE;
	for (unsigned tries = 0;
	     r->data && tries < RENEW_TRIES && rc == -EAGAIN; tries++)
		rc = renew_once(r, &info->renewal);
	if (r->data == NULL)
		rc = soj_report_errno(-ENOMEM);
	else if (rc == -EAGAIN)
		rc = soj_report_errno(-EBUSY);
	if (rc < 0)
		note(r, SOJ_HOOK_RENEWAL_FAILED, SOJOURN_RENEWAL_NONE);
	if (rc == 0 && (info->renewal == SOJOURN_RENEWAL_WON ||
			info->renewal == SOJOURN_RENEWAL_DONE)) {
		memcpy(info->new_id, r->new_id, sizeof(info->new_id));
		soj_handle_text(&s->st, r->successor, info->successor);
	}
	if (r->data)
		soj_wipe(r->data, r->data_capacity);
	free(r->data);
	soj_wipe(r, sizeof(*r));
	free(r);
	soj_count_flush(&s->st.seg, &self->w.thr);
	return rc;
}

static int renew_by(struct sojourn *s, const char *id, bool at_once,
		    struct sojourn_info *info)
{
	struct sojourn_read plain = {.no_renew = true, .no_touch = true};
	struct soj_digest digest;
	struct soj_self *self;
	int rc;

	if (!soj_id_digest(s, id, &digest))
		return soj_report_ended(SOJ_NONE);
	self = soj_self_writing(s, &rc);
	if (self == NULL)
		return rc;
	rc = soj_session_read(s, id, NULL, &plain, NULL, NULL, info);
	if (rc < 0)
		return rc;
	rc = soj_session_renew_id(s, self, id, &digest, at_once, info);
	return rc < 0 ? rc : soj_ok();
}

static int renew(struct sojourn *s, const char *id, bool at_once,
		 struct sojourn_info *info)
{
	char own[SOJ_OWN_ID_BYTES];
	const char *by;
	int rc;

	if (info == NULL)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "info is NULL, but must be there for the new "
				  "id");
	by = soj_info_begin(info, id, own);
	rc = renew_by(s, by, at_once, info);
	if (by == own)
		soj_wipe(own, sizeof(own));
	return rc;
}

int sojourn_session_renew(struct sojourn *s, const char *id,
			  struct sojourn_info *info)
{
	return soj_done(s, renew(s, id, false, info));
}

/* The ids that the login had before are over, too. */
static int forget(struct sojourn *s, const struct sojourn_info *info)
{
	uint64_t ref = soj_handle_ref(&s->st, info->successor);
	struct soj_self *self;
	int rc;

	self = soj_self_writing(s, &rc);
	if (self == NULL)
		return rc;
	soj_section_enter(&s->st.seg, &self->w.thr);
	rc = soj_line_forget(&s->st, &self->w, ref);
	soj_section_exit(&s->st.seg, &self->w.thr);
	if (soj_gone(&self->w))
		rc = -ECANCELED;
	return rc < 0 ? soj_report_errno(rc) : soj_ok();
}

int sojourn_session_regenerate(struct sojourn *s, const char *id,
			       struct sojourn_info *info)
{
	char now[SOJOURN_ID_CHARS_MAX + 1];
	int rc = 0;

	/* One that was renewed before: its newest id is what is to go. */
	for (unsigned tries = 0; tries < RENEW_TRIES; tries++) {
		rc = renew(s, tries ? now : id, true, info);
		if (rc < 0 || info->renewal != SOJOURN_RENEWAL_DONE)
			break;
		memcpy(now, info->new_id, sizeof(now));
	}
	soj_wipe(now, sizeof(now));
	if (rc == 0)
		rc = info->renewal == SOJOURN_RENEWAL_WON
			     ? forget(s, info)
			     : soj_report_errno(-EBUSY);
	return soj_done(s, rc);
}
