/* SPDX-License-Identifier: MIT */

/*
 * Single flight: one computes a value, the others wait for it.
 *
 * Who finds no item puts a small entry of its own in the collection "flight",
 * under a key that no caller can have, and takes its lock (store/lock.c).  With
 * the lock it looks for the item once more; still none: it computes, adds the
 * item, ends the entry and gives the lock back.  Who waits for the lock begins
 * again when it changes: then there is the item, or the lock to be had.  So
 * nothing here knows of deaths and time-outs; the lock does.  No hook is run while
 * it is held: the looks and the add only note what they did (hook.c).
 *
 * Such an entry is not evicted: nobody uses it while its holder computes, so it
 * would be among the first.
 *
 * The item is added, never replaced: one whose hold time was over computes in
 * vain if another has been faster, and is given that one's value.
 *
 * Crash table (killed after the step)
 *   flight entry added        somebody takes its lock, or it expires
 *   lock taken, computing     the lock is free at once: the next one computes
 *   item added                done; the entry is left: the next who looks finds
 *                             the item, and the entry expires
 *   entry ended               the lock of an ended entry: sleepers find out
 *                             when their slice ends, and find the item
 * Stop table: stopped in the middle it keeps the others waiting, until
 * hold_max_ms is over; its add then finds the other one's item.
 */

#include <errno.h>
#include <sojourn/lock.h>

#include "base/fault.h"
#include "session/item.h"
#include "session/policy.h"

struct flight {
	struct sojourn *s;
	struct soj_self *self;
	const struct sojourn_item *item;
	const struct sojourn_flight *how;
	struct soj_digest wanted; /* of the item */
	struct soj_digest digest; /* of the entry that is locked */
	struct soj_lock_wait wait;
	uint64_t ref, fence; /* of what is locked */
	void *data;
	size_t capacity;
	size_t *data_bytes;
	bool gave_up; /* the caller's function: its errno means what it likes */
};

/* 0, or -ENOENT: there is none. */
static int look(struct flight *f)
{
	*f->data_bytes = f->capacity;
	return soj_item_get(f->s, f->item, &f->wanted, NULL, f->data,
			    f->data_bytes, NULL);
}

/* ---- the entry that is locked ---- */

static int enter(struct flight *f)
{
	struct soj_write w = {
		.s = f->s,
		.digest = f->digest,
		.collection = SOJ_COLLECTION_FLIGHT,
		.may_make = true,
		.idle_timeout_ms = SOJOURN_OFF,
		.fixed = true,
	};
	int rc = soj_item_write(&w);

	return rc == -EEXIST ? 0 : rc;
}

/* 0: this thread has the lock.  -EAGAIN: begin again. */
static int lock(struct flight *f)
{
	struct soj_cold cold;
	const struct soj_copy copy = {.cold = &cold};
	struct soj_snapshot snap;
	struct soj_held *held;
	int rc = soj_session_seek(f->s, f->self, &f->digest,
				  soj_seg_now_ms(&f->s->st.seg), &copy, &snap);

	if (rc == -ENOENT)
		return -EAGAIN;
	if (rc == 0)
		rc = soj_session_lock_once(f->s, f->self, &snap, &cold,
					   &f->digest, &f->wait, &held);
	if (rc < 0)
		return rc;
	f->ref = held->ref;
	f->fence = held->fence;
	return 0;
}

/* Over for all, or with `again` for this thread only. */
static void unlock(struct flight *f, bool again)
{
	struct soj_store *st = &f->s->st;
	uint64_t word = soj_lock_look(st, f->ref);
	struct soj_held *held = soj_lock_mine(&f->self->w, f->ref, word);
	struct soj_snapshot snap;

	if (held == NULL || held->fence != f->fence)
		return; /* it was too slow, and another has it */
	while (!again && !soj_gone(&f->self->w) &&
	       soj_entry_snapshot(st, f->ref, &f->digest, NULL, &snap) == 0 &&
	       soj_ctl_readable(snap.ctl) &&
	       !soj_entry_end(st, &f->self->w, f->ref, snap.ctl,
			      SOJ_ENDED_REPLACED))
		;
	SOJ_STEP("flight.ended");
	soj_lock_give(st, &f->self->w, held, !again);
}

/* ---- computing ---- */

static int compute(struct flight *f)
{
	struct soj_outside outside;
	int rc;

	*f->data_bytes = 0;
	SOJ_STEP("flight.computes");
	soj_outside_begin(f->self, &outside);
	rc = f->how->compute(f->how->arg, f->data, f->data_bytes, f->capacity);
	if (!soj_outside_end(f->self, &outside))
		return soj_report_errno(-ECANCELED);
	f->gave_up = rc < 0;
	if (rc < 0)
		return soj_report(rc, SOJOURN_INVALID,
				  "the caller's function gave up");
	if (*f->data_bytes > f->capacity)
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "the caller's function left %zu bytes in a "
				  "buffer of %zu",
				  *f->data_bytes, f->capacity);
	return 0;
}

/* With the lock, and there is no item. */
static int make(struct flight *f, bool *made)
{
	struct sojourn_value value = {0};
	int rc = compute(f);

	if (rc < 0)
		return rc;
	if (f->how->value)
		value = *f->how->value;
	value.data = f->data;
	value.data_bytes = *f->data_bytes;
	rc = soj_item_put(f->s, f->item, &value, SOJ_PLANT(FLIGHT_REPLACES),
			  NULL);
	SOJ_STEP("flight.added");
	if (rc == -EEXIST)
		return look(f);
	*made = rc == 0;
	return rc;
}

/* 0; -EAGAIN: begin again; an error. */
static int fly(struct flight *f, bool *made)
{
	bool again;
	int rc = look(f);

	if (rc != -ENOENT)
		return rc;
	rc = enter(f);
	if (rc == 0)
		rc = lock(f);
	if (rc < 0)
		return rc;
	rc = look(f);
	if (rc == -ENOENT)
		rc = make(f, made);
	/* Who gave up leaves it to the next. */
	again = rc < 0;
	if (!soj_gone(&f->self->w))
		unlock(f, again);
	/* Seen, and gone before it was seen again. */
	return rc == -ENOENT && !f->gave_up ? -EAGAIN : rc;
}

/* Whoever slept may go on, its time-out ends that.  Else each turn is a race
 * that was lost, or a segment in which nothing lives for long enough. */
static int take_turns(struct flight *f, bool *made)
{
	unsigned races = 0;

	for (;;) {
		const uint64_t sleeps = f->wait.sleeps;
		int rc = fly(f, made);

		if (rc != -EAGAIN || f->gave_up || soj_gone(&f->self->w))
			return rc;
		if (f->wait.sleeps == sleeps && ++races > SOJ_TRIES_MAX) {
			soj_count(&f->self->w.thr, SOJ_COUNT_busy);
			return soj_report_errno(-EBUSY);
		}
	}
}

static int check(const struct flight *f)
{
	if (f->how->compute == NULL || f->data == NULL ||
	    f->capacity > SOJ_DATA_BYTES_MAX)
		return soj_report(
			-EINVAL, SOJOURN_INVALID,
			"the buffer has %zu bytes, but must be there "
			"with at most 1048576, and compute a function",
			f->capacity);
	if (f->how->value &&
	    (f->how->value->if_exists || f->how->value->if_version))
		return soj_report(-EINVAL, SOJOURN_INVALID,
				  "if_exists and if_version are set, but what "
				  "is computed is not there");
	return soj_session_lock_check(&f->wait);
}

int sojourn_get_or_create(struct sojourn *s, const struct sojourn_item *item,
			  const struct sojourn_flight *flight, void *data,
			  size_t *data_bytes, bool *made)
{
	struct flight f = {.s = s,
			   .item = item,
			   .how = flight,
			   .wait = {.timeout_ms = flight->timeout_ms,
				    .hold_max_ms = flight->hold_max_ms},
			   .data = data,
			   .capacity = *data_bytes,
			   .data_bytes = data_bytes};
	bool ours = false;
	int rc = soj_item_digest(s, item, &f.wanted);

	if (made == NULL)
		made = &ours;
	*made = false;
	if (rc == 0)
		rc = check(&f);
	if (rc < 0)
		return rc;
	f.self = soj_self_writing(s, &rc);
	if (f.self == NULL)
		return rc;
	f.digest = soj_key_digest(s, item->collection, SOJ_KEY_FLIGHT,
				  item->key, item->key_bytes);
	rc = take_turns(&f, made);
	if (soj_gone(&f.self->w))
		rc = soj_report_errno(-ECANCELED);
	else
		soj_count_flush(&s->st.seg, &f.self->w.thr);
	return soj_done(s, rc < 0 ? rc : soj_ok());
}
