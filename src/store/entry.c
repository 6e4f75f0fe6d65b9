/* SPDX-License-Identifier: MIT */

/*
 * Entries: consistent snapshots without locks, and their end.
 *
 * ctl = {status, chunk, version} decides everything about an entry.  Each
 * change is a CAS from the exact word, each adds one to the version, and the
 * version survives reuse of the entry.  So if ctl is the same word before and
 * after a copy, then nothing that the copy read was reused in between: an
 * entry is wiped, and a chunk retired, only after ctl has moved on.
 *
 * An ended ctl keeps naming its chunk (the record in it leads to successors),
 * but the chunk may be retired without a further change of ctl.  A snapshot of
 * an ended entry therefore looks at the chunk's state word as well, before and
 * after.  Inside a section a retired chunk can still be copied.
 *
 * What decides about a session is in its entry, but for the record of one that
 * was renewed, and the periods of what has a key: these stand in the chunk.  The
 * flag `renew` is taken before ctl says RENEWED (session/renew.c), and is never
 * again what it was before the first taking; so who finds it untouched after he
 * has loaded ctl knows that up to this ctl nobody renewed the entry, and if that
 * is ended, nobody will.  Then the chunk, another two cache misses, need not be
 * looked at, and it does not matter whether it is still the entry's.
 *
 * Ending: CAS ctl -> ended(reason).  Whoever wins has decided.  Then the index
 * word goes, if the entry's state is LIVE; while its maker still OWNS it, the
 * maker withdraws it when it sees the end (or repair, when the maker is dead):
 * ender and maker do "my CAS, fence, look at the other word", so one of them
 * sees the other.
 *
 * Crash table
 *   expired bit set     every read answers "expired"; the next who looks, or
 *                       the wheel, ends it
 *   ctl ended           gone for everyone; index word still there and skipped;
 *                       upkeep's full pass finds it without the hint
 *   index word removed  as above; and tells the event of it (event.c)
 * Stop table: a snapshot compares ctl at the end; an ender's CAS fails on any
 * other version.
 *
 * Edges
 *   E0  publish, end, confirm: cas of ctl         E1
 *   E1  load of ctl, life                         E0, L0  the chunk's words are seen
 *   E2  snapshot: fence before the second look    S2 (slab.c)  a word of a new
 *                                                 owner seen means new ctl seen
 *   E4  end: fence between ctl and state          E5
 *   E5  go live: fence between state and ctl      E4
 *   L0  cas of life                               E1
 *   S1  load of state                             slab.c S0
 *
 * Progress: snapshot wait-free; end, expire one CAS each.
 */

#include <errno.h>

#include "base/fault.h"
#include "store/event.h"
#include "store/plain.h"
#include "store/sealed.h"

/* Lost as often to others' changes, an operation is given up. */
#define LOOKS_MAX 1000u

uint64_t soj_times_deadline_ms(const struct soj_times *t)
{
	uint64_t deadline = soj_min(t->expires_ms, t->grace_until_ms);

	if (t->grace_until_ms != UINT64_MAX)
		return deadline;
	if (t->idle_ms)
		deadline = soj_min(deadline, t->accessed_ms + t->idle_ms);
	if (t->sliding_ms)
		deadline = soj_min(deadline, t->accessed_ms + t->sliding_ms);
	return deadline;
}

enum soj_status soj_times_judge(const struct soj_times *t, uint64_t now_ms)
{
	/* Renewed: its accesses are counted by its successor. */
	if (t->grace_until_ms != UINT64_MAX) {
		if (now_ms >= t->expires_ms)
			return SOJ_ENDED_EXPIRED;
		return now_ms >= t->grace_until_ms ? SOJ_ENDED_GRACE
						   : SOJ_ACTIVE;
	}
	if (now_ms >= t->expires_ms ||
	    (t->sliding_ms && now_ms >= t->accessed_ms + t->sliding_ms))
		return SOJ_ENDED_EXPIRED;
	if (t->idle_ms && now_ms >= t->accessed_ms + t->idle_ms)
		return SOJ_ENDED_IDLE;
	return SOJ_ACTIVE;
}

struct soj_digest soj_entry_digest(const struct soj_store *st, uint32_t idx)
{
	struct soj_shm_entry *e = soj_entry(st, idx);

	return (struct soj_digest){{soj_load_relaxed(&e->digest[0]),
				    soj_load_relaxed(&e->digest[1])}};
}

struct soj_digest soj_entry_subject(const struct soj_store *st, uint32_t idx)
{
	struct soj_shm_entry *e = soj_entry(st, idx);

	return (struct soj_digest){{soj_load_relaxed(&e->subject[0]),
				    soj_load_relaxed(&e->subject[1])}};
}

uint64_t soj_entry_place(const struct soj_store *st, uint64_t ref)
{
	return soj_place_of(soj_ref_entry(ref), soj_ref_gen(ref),
			    soj_entry_digest(st, soj_ref_entry(ref)));
}

static void copy_cold(struct soj_shm_entry *e, struct soj_cold *cold)
{
	cold->misc = soj_load_relaxed(&e->misc);
	cold->login = soj_load_relaxed(&e->login);
	cold->predecessor = soj_load_relaxed(&e->predecessor);
	cold->event = soj_load_relaxed(&e->event);
	cold->subject.word[0] = soj_load_relaxed(&e->subject[0]);
	cold->subject.word[1] = soj_load_relaxed(&e->subject[1]);
}

static void copy_record(const struct soj_chunk_view *view,
			struct soj_snapshot *snap)
{
	struct soj_shm_times times;

	snap->has_record = view->record_bytes == sizeof(snap->record);
	snap->has_times = view->record_bytes == sizeof(times);
	if (snap->has_record) {
		soj_copy_out(&snap->record, view->record, sizeof(snap->record));
		snap->times.grace_until_ms = snap->record.grace_until_ms +
					     snap->record.redelivery_ms;
	}
	if (snap->has_times) {
		soj_copy_out(&times, view->record, sizeof(times));
		snap->times.expires_ms = times.expires_ms;
		snap->times.idle_ms = times.idle_ms;
		snap->times.sliding_ms = times.sliding_ms;
	}
}

/* 0, -ENOBUFS, or -EBADMSG if the lengths do not fit. */
static int copy_chunk(const struct soj_store *st, uint32_t chunk, uint32_t idx,
		      const struct soj_copy *copy, struct soj_snapshot *snap)
{
	struct soj_chunk_view view;

	if (!soj_chunk_look(st, chunk, &view) || view.entry != idx)
		return -EBADMSG;
	snap->version = view.version;
	snap->data_bytes = view.data_bytes;
	snap->subject_bytes = view.subject_bytes;
	snap->meta_bytes = view.meta_bytes;
	copy_record(&view, snap);
	if (copy == NULL)
		return 0;
	if (copy->box)
		soj_sealed_copy(st, &view, copy->box);
	if (copy->subject) {
		soj_copy_out(copy->subject, view.subject, view.subject_bytes);
		copy->subject[view.subject_bytes] = 0;
	}
	if (copy->meta)
		soj_copy_out(copy->meta, view.meta, view.meta_bytes);
	if (copy->data) {
		if (view.data_bytes > copy->data_capacity)
			return -ENOBUFS;
		soj_copy_out(copy->data, view.data, view.data_bytes);
	}
	return 0;
}

/*
 * Of an ended entry: was the chunk left alone while it was copied?  Its states
 * go OWNED by the publisher, LIVE, RETIRED, OWNED by the reclaimer, FREE with
 * another generation; so LIVE or RETIRED afterwards says that it was.  OWNED
 * is the publisher's as long as the entry itself is not retired: LIVE, or OWNED
 * by its maker, who may stand still right there, and everybody who has the key
 * would have to wait for him.
 */
static bool chunk_kept(const struct soj_store *st, uint64_t ref,
		       uint64_t before, uint64_t after)
{
	uint64_t state;

	if (soj_state_gen(before) != soj_state_gen(after))
		return false;
	if (soj_state_phase(after) == SOJ_LIVE ||
	    soj_state_phase(after) == SOJ_RETIRED)
		return true;
	state = soj_load_acquire(/* S1 */
				 &st->seg.entry_states[soj_ref_entry(ref)]);
	return soj_state_phase(after) == SOJ_OWNED && before == after &&
	       (soj_state_phase(state) == SOJ_LIVE ||
		(soj_state_phase(state) == SOJ_OWNED &&
		 !SOJ_PLANT(MAKER_BLOCKS))) &&
	       (soj_state_gen(state) & SOJ_MASK(SOJ_REFGEN_BITS)) ==
		       soj_ref_gen(ref);
}

/* Does the entry say all that decides?  Asked after ctl was loaded. */
static bool says_all(const struct soj_shm_entry *e, uint64_t ref)
{
	return !soj_misc_keyed(soj_load_relaxed(&e->misc)) &&
	       soj_entry_never_renewed(e, ref);
}

static int skim_chunk(struct soj_snapshot *snap)
{
	snap->version = 0;
	snap->data_bytes = 0;
	snap->subject_bytes = 0;
	snap->meta_bytes = 0;
	snap->has_record = false;
	snap->has_times = false;
	return 0;
}

int soj_entry_snapshot(const struct soj_store *st, uint64_t ref,
		       const struct soj_digest *digest,
		       const struct soj_copy *copy, struct soj_snapshot *snap)
{
	uint32_t idx = soj_ref_entry(ref);
	struct soj_shm_entry *e = soj_entry(st, idx);
	soj_word_t *chunk_state = NULL;
	uint64_t before = 0;
	bool skim;
	int rc;

	if (st->seal_bytes && copy && !copy->box &&
	    (copy->data || copy->subject || copy->meta))
		return soj_sealed_snapshot(st, ref, digest, copy, snap);
	if (!soj_entry_idx_ok(st, idx))
		return -ENOENT;
	snap->ref = ref;
	snap->ctl = soj_load_acquire(&e->ctl);   /* E1 */
	snap->life = soj_load_acquire(&e->life); /* E1 */
	if (soj_ctl_status(snap->ctl) == SOJ_NONE ||
	    soj_life_gen(snap->life) != soj_ref_gen(ref) ||
	    (digest && !soj_digest_equal(soj_entry_digest(st, idx), *digest)))
		return -ENOENT;
	skim = copy && copy->skim && says_all(e, ref);
	if (soj_ctl_ended(snap->ctl) && !skim) {
		chunk_state = soj_chunk_state(st, soj_ctl_chunk(snap->ctl));
		if (chunk_state == NULL)
			return -ENOENT;
		before = soj_load_acquire(chunk_state); /* S1 */
	}
	snap->renew = soj_load_relaxed(&e->renew);
	soj_entry_times(e, snap->life, &snap->times);
	if (copy && copy->cold)
		copy_cold(e, copy->cold);
	rc = skim ? skim_chunk(snap)
		  : copy_chunk(st, soj_ctl_chunk(snap->ctl), idx, copy, snap);
	soj_fence_acquire(); /* E2 */
	if (soj_load_relaxed(&e->ctl) != snap->ctl)
		return -EAGAIN;
	if (chunk_state == NULL)
		return rc;
	/* Not its own chunk any more: retired, and in use by another. */
	if (rc == -EBADMSG ||
	    !chunk_kept(st, ref, before, soj_load_relaxed(chunk_state)))
		return -ENOENT;
	return rc;
}

int soj_entry_look(const struct soj_store *st, uint64_t ref,
		   const struct soj_digest *digest, const struct soj_copy *copy,
		   struct soj_snapshot *snap)
{
	int rc = -EAGAIN;

	for (unsigned looks = 0; looks < LOOKS_MAX && rc == -EAGAIN; looks++)
		rc = soj_entry_snapshot(st, ref, digest, copy, snap);
	return rc == -EAGAIN ? -EBUSY : rc;
}

bool soj_entry_end_ctl(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		       uint64_t ctl, enum soj_status reason)
{
	struct soj_shm_entry *e = soj_entry(st, soj_ref_entry(ref));
	const struct soj_end_watch *watch =
		soj_ctl_status(ctl) == SOJ_ACTIVE ? w->end_watch : NULL;

	if (soj_gone(w) || !soj_ctl_readable(ctl))
		return false;
	/* While ctl is that one, the entry's fields are its own. */
	if (watch)
		watch->before(w, ref, reason);
	if (!soj_cas_acq_rel(&e->ctl, &ctl, /* E0 */
			     soj_ctl_next(ctl, reason, soj_ctl_chunk(ctl))))
		return false;
	SOJ_STEP("entry.ended");
	if (watch)
		watch->after(w);
	return true;
}

/* Returns its state word; 0: it is its maker's, who does the rest. */
static uint64_t end_unindex(struct soj_store *st, struct soj_worker *w,
			    uint64_t ref)
{
	uint32_t idx = soj_ref_entry(ref);
	uint64_t state;

	soj_fence_seq_cst_after_rmw();                        /* E4 */
	state = soj_load_acquire(&st->seg.entry_states[idx]); /* S1 */
	if (soj_state_phase(state) != SOJ_LIVE ||
	    (soj_state_gen(state) & SOJ_MASK(SOJ_REFGEN_BITS)) !=
		    soj_ref_gen(ref))
		return 0;
	soj_index_remove(st, w, soj_entry_digest(st, idx),
			 soj_entry_place(st, ref));
	SOJ_STEP("entry.unindexed");
	return state;
}

/* own: the caller decided it; else somebody who may be dead. */
static void end_finish(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		       bool own)
{
	if (end_unindex(st, w, ref) == 0)
		return;
	soj_hint_ended(st, soj_ref_entry(ref));
	soj_event_ended(st, w, ref, own && w->source != SOJ_SOURCE_UPKEEP);
}

uint64_t soj_entry_end_finish_own(struct soj_store *st, struct soj_worker *w,
				  uint64_t ref)
{
	const uint64_t state = end_unindex(st, w, ref);

	if (state != 0)
		soj_event_ended(st, w, ref, true);
	return state;
}

void soj_entry_end_finish(struct soj_store *st, struct soj_worker *w,
			  uint64_t ref)
{
	end_finish(st, w, ref, false);
}

bool soj_entry_end(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		   uint64_t ctl, enum soj_status reason)
{
	if (!soj_entry_end_ctl(st, w, ref, ctl, reason))
		return false;
	end_finish(st, w, ref, true);
	return true;
}

bool soj_chunk_named(const struct soj_store *st, uint32_t chunk)
{
	struct soj_chunk_view view;
	uint64_t ctl, state;

	if (!soj_chunk_look(st, chunk, &view) ||
	    !soj_entry_idx_ok(st, view.entry))
		return false;
	ctl = soj_load_acquire(&soj_entry(st, view.entry)->ctl); /* E1 */
	state = soj_load_acquire(                                /* S1 */
				 &st->seg.entry_states[view.entry]);
	return soj_ctl_status(ctl) != SOJ_NONE && soj_ctl_chunk(ctl) == chunk &&
	       (soj_state_phase(state) == SOJ_LIVE ||
		soj_state_phase(state) == SOJ_OWNED);
}

void soj_entry_end_finish_if_ended(struct soj_store *st, struct soj_worker *w,
				   uint64_t ref)
{
	uint64_t ctl =
		soj_load_acquire(/* E1 */
				 &soj_entry(st, soj_ref_entry(ref))->ctl);

	if (soj_ctl_ended(ctl))
		end_finish(st, w, ref, true);
}

bool soj_entry_hand_down(struct soj_store *st, uint64_t ref)
{
	struct soj_shm_entry *e = soj_entry(st, soj_ref_entry(ref));
	const uint64_t from = soj_load_relaxed(&e->predecessor);
	uint64_t life = soj_load_acquire(&e->life); /* E1 */
	uint64_t use;

	if (from == 0 || !soj_entry_idx_ok(st, soj_ref_entry(from)))
		return false;
	use = soj_load_acquire(/* E1 */
			       &soj_entry(st, soj_ref_entry(from))->life);
	if (soj_life_gen(use) != soj_ref_gen(from))
		return false;
	while (soj_life_gen(life) == soj_ref_gen(ref) &&
	       !(life & SOJ_LIFE_EXPIRED) &&
	       soj_life_accessed_ms(life) < soj_life_accessed_ms(use))
		if (soj_cas_acq_rel(&e->life, &life, /* L0 */
				    soj_life(soj_life_gen(life),
					     soj_life_accessed_ms(use))))
			return true;
	return false;
}

bool soj_entry_expire(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		      uint64_t ctl, uint64_t life, enum soj_status reason)
{
	struct soj_shm_entry *e = soj_entry(st, soj_ref_entry(ref));

	SOJ_STEP("entry.expire.seen");
	if (soj_gone(w) || soj_entry_hand_down(st, ref))
		return false;
	/* The bit makes a late touch, update or renewal fail.  Of a renewed
	 * entry only its grace window ends, which none of them moves, and its
	 * successor lives on: no bit. */
	if (soj_ctl_status(ctl) == SOJ_ACTIVE && !(life & SOJ_LIFE_EXPIRED) &&
	    !soj_cas_acq_rel(&e->life, &life, life | SOJ_LIFE_EXPIRED)) /* L0 */
		return false;
	SOJ_STEP("entry.expired");
	return soj_entry_end(st, w, ref, ctl, reason);
}

bool soj_entry_go_live(struct soj_store *st, uint64_t ref, uint64_t owned)
{
	uint32_t idx = soj_ref_entry(ref);

	if (!soj_state_publish(&st->seg.entry_states[idx], owned))
		return false;
	SOJ_STEP("entry.live");
	soj_fence_seq_cst_after_rmw(); /* E5 */
	soj_hint_armed(st, idx);
	soj_helper_wake(&st->seg);
	return true;
}

bool soj_entry_confirm(struct soj_store *st, struct soj_worker *w, uint64_t ref)
{
	struct soj_shm_entry *e = soj_entry(st, soj_ref_entry(ref));
	uint64_t ctl = soj_load_acquire(&e->ctl); /* E1 */

	while (soj_ctl_readable(ctl) && !soj_gone(w) &&
	       soj_life_gen(soj_load_acquire(&e->life)) == /* E1 */
		       soj_ref_gen(ref))
		if (soj_cas_acq_rel(&e->ctl, &ctl, /* E0 */
				    soj_ctl_next(ctl, soj_ctl_status(ctl),
						 soj_ctl_chunk(ctl)))) {
			SOJ_STEP("entry.confirmed");
			return true;
		}
	return false;
}

void soj_entry_settle(struct soj_store *st, uint64_t ref)
{
	uint32_t idx = soj_ref_entry(ref);
	uint64_t state;

	state = soj_load_acquire(&st->seg.entry_states[idx]); /* S1 */
	if (soj_state_phase(state) != SOJ_OWNED ||
	    (soj_state_gen(state) & SOJ_MASK(SOJ_REFGEN_BITS)) !=
		    soj_ref_gen(ref) ||
	    !soj_entry_go_live(st, ref, state))
		return;
	/* Who ended it while it was OWNED left the rest to its maker. */
	if (soj_ctl_ended(soj_load_acquire(&soj_entry(st, idx)->ctl))) /* E1 */
		soj_hint_ended(st, idx);
}
