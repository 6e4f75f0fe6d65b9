/* SPDX-License-Identifier: MIT */

/*
 * Lines: an entry, the successor that its record names, that one's successor.
 * The tip is the login; those before it are old ids that lead to it, and
 * answer only while it lives.
 *
 * Some reasons mean the login and go down the whole line, also through members
 * whose own time is over; the others end one entry.  An ended entry keeps its
 * record until it is retired, and no successor is retired before its
 * predecessor, so a line can be walked from any member that is still there.
 *
 * Crash table: killed between two members: the first is ended for a reason
 * that means the login, and upkeep does not retire it before it has ended the
 * rest (soj_line_end again, from that member).
 * Killed between two of the older ids that a regenerate forgets: the rest lead to
 * the new one until their windows are over; its caller was told of none.
 * Stop table: a renewer that stands still after its decision holds back nothing:
 * who reads by the old id, and upkeep when that has ended, make its successor
 * LIVE (soj_line_settle).  Meanwhile the entry may have been used: its successor,
 * which was dated by its making, is not to be idle for that.  So whoever ends by
 * time, lists or settles it hands the use down first (soj_entry_hand_down), and who
 * used an entry that was renewed meanwhile hands that down himself (soj_line_use):
 * he and the renewer do "my CAS, fence, look at the other word" (find.c, renew.c).
 *
 * Edges
 *   S1  load of a state (slab.c)   S0
 */

#include <errno.h>

#include "base/fault.h"
#include "store/store.h"

#define TRIES 10000u

/* What it leads to, and with `cold` from where: its value does not matter. */
static int look(const struct soj_store *st, uint64_t ref, struct soj_cold *cold,
		struct soj_snapshot *snap)
{
	const struct soj_copy copy = {.cold = cold, .skim = true};

	return soj_entry_look(st, ref, NULL, &copy, snap);
}

/* Still being made: its renewer's death or success decides about it. */
static bool is_owned(const struct soj_store *st, uint64_t ref)
{
	uint64_t state;

	if (!soj_entry_idx_ok(st, soj_ref_entry(ref)))
		return false;
	state = soj_load_acquire(/* S1 */
				 &st->seg.entry_states[soj_ref_entry(ref)]);
	return soj_state_phase(state) == SOJ_OWNED &&
	       (soj_state_gen(state) & SOJ_MASK(SOJ_REFGEN_BITS)) ==
		       soj_ref_gen(ref);
}

/*
 * Ends one member.  known: what the caller saw of it in this section, or NULL.
 * *next: the successor to go on with, 0 if none.  Returns 1 if a tip was ended
 * by this call, 0, or an error.
 */
static int end_member(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		      enum soj_status reason, const struct soj_snapshot *known,
		      bool *seen, bool *any, uint64_t *next)
{
	struct soj_snapshot fresh;

	*next = 0;
	for (unsigned i = 0; i < TRIES; i++, known = NULL) {
		int rc = known ? 0 : look(st, ref, NULL, &fresh);
		const struct soj_snapshot *snap = known ? known : &fresh;

		if (soj_gone(w))
			return -ECANCELED;
		if (rc < 0)
			return rc == -ENOENT ? 0 : rc;
		if (soj_ctl_readable(snap->ctl)) {
			bool tip = soj_ctl_status(snap->ctl) == SOJ_ACTIVE;

			*seen = true;
			if (!soj_section_valid(&st->seg, &w->thr))
				return -ESTALE;
			SOJ_STEP("line.seen");
			if (!soj_entry_end_ctl(st, w, ref, snap->ctl, reason))
				continue; /* changed: look again */
			SOJ_STEP("line.ended");
			*any = true;
			*next = snap->has_record ? snap->record.successor : 0;
			return tip;
		}
		/* Ended by another.  If that one means the login it may have
		 * died before the rest of the line. */
		if (*seen || soj_status_ends_line(soj_ctl_status(snap->ctl)))
			*next = snap->has_record ? snap->record.successor : 0;
		return 0;
	}
	return -EBUSY;
}

/* Index words and hints, only when the whole line is ended: until then another
 * deleter of the first id must be able to find it. */
static void finish_line(struct soj_store *st, struct soj_worker *w,
			uint64_t ref, bool line)
{
	for (uint32_t steps = 0; steps <= st->seg.lay.entries_max; steps++) {
		struct soj_snapshot snap;
		int rc = line ? look(st, ref, NULL, &snap) : -ENOENT;

		soj_entry_end_finish_if_ended(st, w, ref);
		if (rc != 0 || !snap.has_record || soj_gone(w))
			return;
		ref = snap.record.successor;
		if (!soj_entry_idx_ok(st, soj_ref_entry(ref)))
			return;
	}
}

int soj_line_end(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		 enum soj_status reason, const struct soj_snapshot *known,
		 bool *any)
{
	const uint64_t first = ref;
	bool seen = known != NULL;
	bool ended_any = false;
	int ended = 0;

	for (uint32_t steps = 0; steps <= st->seg.lay.entries_max; steps++) {
		uint64_t next;
		int rc = end_member(st, w, ref, reason, known, &seen,
				    &ended_any, &next);

		if (any)
			*any |= ended_any;
		if (rc < 0)
			return rc;
		ended += rc;
		if (next == 0 || !soj_status_ends_line(reason))
			break;
		seen = true;
		known = NULL;
		ref = next;
	}
	finish_line(st, w, first, ref != first);
	return ended;
}

int soj_line_end_next(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		      enum soj_status reason)
{
	for (uint32_t steps = 0; steps <= st->seg.lay.entries_max; steps++) {
		struct soj_snapshot snap;
		bool seen = true, any = false;
		uint64_t next;
		int rc = look(st, ref, NULL, &snap);

		if (rc < 0)
			return rc == -ENOENT ? 0 : rc;
		if (!snap.has_record)
			return 0;
		ref = snap.record.successor;
		if (!soj_entry_idx_ok(st, soj_ref_entry(ref)))
			return 0;
		rc = end_member(st, w, ref, reason, NULL, &seen, &any, &next);
		if (rc < 0)
			return rc;
		soj_entry_end_finish_if_ended(st, w, ref);
		/* Ended before, for such a reason: its own turn does the rest. */
		if (!any && look(st, ref, NULL, &snap) == 0 &&
		    soj_status_ends_line(soj_ctl_status(snap.ctl)))
			return 0;
	}
	return 0;
}

bool soj_line_alone(const struct soj_store *st, uint64_t ref)
{
	struct soj_cold cold;
	struct soj_snapshot snap;

	return look(st, ref, &cold, &snap) == 0 && soj_ctl_ended(snap.ctl) &&
	       !snap.has_record && cold.predecessor == 0;
}

enum soj_hold soj_line_holds(struct soj_store *st, uint64_t ref,
			     uint64_t *successor)
{
	struct soj_cold cold;
	struct soj_snapshot snap;
	uint64_t state;
	bool held;

	*successor = 0;
	switch (look(st, ref, &cold, &snap)) {
	case 0:
		break;
	case -EBUSY:
		return SOJ_HELD;
	default:
		return SOJ_HELD_NOT; /* no record that could be followed */
	}
	if (snap.has_record)
		*successor = snap.record.successor;
	/* Its maker may stand still for long: nobody waits for him. */
	if (snap.has_record)
		soj_line_settle(st, snap.record.successor);
	if (snap.has_record && is_owned(st, snap.record.successor))
		return SOJ_HELD;
	if (cold.predecessor == 0 ||
	    !soj_entry_idx_ok(st, soj_ref_entry(cold.predecessor)))
		return SOJ_HELD_NOT;
	state = soj_load_acquire(
		&st->seg.entry_states[/* S1 */
				      soj_ref_entry(cold.predecessor)]);
	held = soj_state_phase(state) == SOJ_LIVE &&
	       (soj_state_gen(state) & SOJ_MASK(SOJ_REFGEN_BITS)) ==
		       soj_ref_gen(cold.predecessor) &&
	       soj_line_names(st, cold.predecessor, ref) != 0;
	return held ? SOJ_HELD_BY_PREDECESSOR : SOJ_HELD_NOT;
}

int soj_line_names(const struct soj_store *st, uint64_t predecessor,
		   uint64_t ref)
{
	struct soj_snapshot snap;
	int rc = look(st, predecessor, NULL, &snap);

	if (rc < 0)
		return rc == -EBUSY ? rc : 0;
	return snap.has_record && snap.record.successor == ref;
}

enum soj_status soj_line_status(const struct soj_store *st,
				const struct soj_snapshot *renewed,
				uint64_t *tip)
{
	struct soj_snapshot snap = *renewed;
	uint64_t nowhere;

	if (tip == NULL)
		tip = &nowhere;
	*tip = 0;
	if (!renewed->has_record) /* in a damaged image only */
		return SOJ_ENDED_DELETED;
	for (uint32_t steps = 0; steps <= st->seg.lay.entries_max; steps++) {
		uint64_t next = snap.record.successor;
		enum soj_status status;

		switch (look(st, next, NULL, &snap)) {
		case 0:
			break;
		case -EBUSY: /* it changes all the time: it lives */
			return SOJ_ACTIVE;
		default: /* not retired before us, so it was never ours */
			return SOJ_ENDED_DELETED;
		}
		status = soj_ctl_status(snap.ctl);
		if (status == SOJ_ACTIVE) {
			*tip = next;
			return status;
		}
		/* Others than the tip may have been ended by time or for lack
		 * of memory: the line goes on behind them. */
		if (soj_status_ends_line(status) || !snap.has_record)
			return status;
	}
	return SOJ_ENDED_DELETED;
}

/* Evicted, say, and not the tip: those before it lead to the tip as before. */
static bool is_passed_through(const struct soj_store *st, uint64_t ref,
			      enum soj_status reason)
{
	struct soj_snapshot snap;

	return !soj_status_ends_line(reason) &&
	       look(st, ref, NULL, &snap) == 0 && snap.has_record &&
	       soj_line_status(st, &snap, NULL) == SOJ_ACTIVE;
}

void soj_line_end_back(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		       enum soj_status reason)
{
	if (is_passed_through(st, ref, reason))
		return;
	for (uint32_t steps = 0; steps <= st->seg.lay.entries_max; steps++) {
		struct soj_cold cold;
		struct soj_snapshot snap;

		if (look(st, ref, &cold, &snap) != 0 || cold.predecessor == 0 ||
		    soj_line_names(st, cold.predecessor, ref) != 1)
			return;
		ref = cold.predecessor;
		if (look(st, ref, NULL, &snap) != 0)
			return;
		/* Ended before: its own turn does the rest. */
		if (soj_ctl_status(snap.ctl) != SOJ_RENEWED)
			return;
		soj_entry_end(st, w, ref, snap.ctl, reason);
	}
}

static int forget(struct soj_store *st, struct soj_worker *w, uint64_t ref)
{
	for (uint32_t steps = 0; steps <= st->seg.lay.entries_max; steps++) {
		struct soj_cold cold;
		struct soj_snapshot snap;
		int rc = look(st, ref, &cold, &snap);

		if (rc == 0 && cold.predecessor != 0)
			rc = soj_line_names(st, cold.predecessor, ref);
		else
			return rc == -ENOENT ? 0 : rc;
		if (rc <= 0)
			return rc;
		ref = cold.predecessor;
		do {
			rc = look(st, ref, NULL, &snap);
			if (rc < 0)
				return rc == -ENOENT ? 0 : rc;
			SOJ_STEP("line.forget");
		} while (soj_ctl_readable(snap.ctl) && !soj_gone(w) &&
			 !soj_entry_end(st, w, ref, snap.ctl, SOJ_ENDED_GRACE));
	}
	return 0;
}

int soj_line_forget(struct soj_store *st, struct soj_worker *w, uint64_t ref)
{
	int rc = forget(st, w, ref);

	if (rc == 0)
		soj_entry_confirm(st, w, ref);
	return rc;
}

void soj_line_use(struct soj_store *st, uint64_t ref)
{
	for (uint32_t steps = 0; steps <= st->seg.lay.entries_max; steps++) {
		struct soj_snapshot snap;

		if (look(st, ref, NULL, &snap) != 0 || !snap.has_record)
			return;
		ref = snap.record.successor;
		if (!soj_entry_idx_ok(st, soj_ref_entry(ref)) ||
		    !soj_entry_hand_down(st, ref))
			return;
	}
}

void soj_line_settle(struct soj_store *st, uint64_t ref)
{
	if (!is_owned(st, ref))
		return;
	soj_entry_hand_down(st, ref);
	soj_entry_settle(st, ref);
}
