/* SPDX-License-Identifier: MIT */

/*
 * Logins over the cap whose makers stand still, or died, when some of the older
 * ones were ended and others were not.
 *
 * Nobody makes another login of that subject meanwhile, so whoever counts, and
 * whenever, those that may be ended are the same: all but the newest that the
 * cap leaves room for, the victim's among them.
 */

#include <errno.h>
#include <string.h>

#include "crash/lib_ops.h"

static const struct sojourn_read look_only = {.no_touch = true,
					      .no_renew = true};

/* How many logins there may be once the victim's is there. */
static unsigned room(const struct world *w, const struct stopped *stop)
{
	return stop->op->run == run_create_exclusive
		       ? 1
		       : w->s->st.seg.collection[0].cap;
}

/* One whose maker was killed when it was LIVE, and had ended nobody. */
void prepare_dead_intent(struct world *w)
{
	const struct plan plan = {
		.fault = FAULT_KILL, .at = "entry.live", .nth = 1};
	struct report *r = report_new();
	struct victim v;

	prepare_crowd(w);
	world_let_go(w);
	victim_run(&v, r, &plan, run_create, w);
	if (v.state != VICTIM_KILLED)
		failed("the maker of a login is not dead");
	judge_create_cap(w, r);
	report_free(r);
}

static bool reads(struct world *w, const char *id)
{
	return sojourn_session_read(w->s, id, &look_only, NULL, NULL, NULL) ==
	       0;
}

/* Who stands still ends no more of them, so what one sees stays.  But where
 * the first id of a line was ended, upkeep goes on with the rest. */
void look_at_cap(struct world *w)
{
	for (unsigned i = 0; i < w->count; i++) {
		struct known *k = &w->known[i];
		unsigned gone = k->old_gone;

		if (k->fate != EITHER)
			continue;
		while (k->old_gone < k->old_ids &&
		       !reads(w, k->old_id[k->old_gone]))
			k->old_gone++;
		k->later = GONE;
		if (!reads(w, k->id))
			k->fate = GONE;
		else if (k->old_gone == gone)
			k->fate = LIVES;
	}
}

/* From now on those that the cap has no room for may be over. */
static void may_end(struct world *w, unsigned room)
{
	for (unsigned i = w->count; i-- > 0;) {
		struct known *k = &w->known[i];

		if (strcmp(k->subject, "anna") != 0)
			continue;
		if (room > 0)
			room--;
		else if (k->fate == LIVES)
			k->fate = EITHER;
	}
}

/* Not more than there is room for, and never a newer one before an older. */
static void check_cap(struct world *w, unsigned room)
{
	uint64_t over = 0;

	for (unsigned i = 0; i < w->count; i++)
		if (w->known[i].fate == EITHER)
			over |= UINT64_C(1) << i % 64;
	look_at_cap(w);
	if (world_living(w, "anna") > room)
		failed("%u logins live, but there is room for %u only",
		       world_living(w, "anna"), room);
	for (unsigned i = 0, lives = 0; i < w->count; i++) {
		if (!(over >> i % 64 & 1))
			continue;
		if (w->known[i].fate == LIVES)
			lives++;
		else if (lives > 0)
			failed("an older login was left, a newer one ended");
	}
}

void resume_cap(struct world *w, const struct stopped *stop,
		const struct report *r)
{
	resume_create(w, stop, r);
	if (r->rc != 0)
		return;
	may_end(w, room(w, stop));
	check_cap(w, room(w, stop));
}

/* Its login lived, so repair ends the others for it. */
void killed_cap(struct world *w, const struct stopped *stop)
{
	if (stop->made < KNOWN_MAX)
		may_end(w, room(w, stop));
}

void repaired_cap(struct world *w, const struct stopped *stop)
{
	if (stop->made < KNOWN_MAX)
		check_cap(w, room(w, stop));
}

/* Refused, if it had not counted when there came to be room. */
void resume_rejected(struct world *w, const struct stopped *stop,
		     const struct report *r)
{
	bool room = stop->act >= DELETE;
	struct known *k;

	if (r->rc == -EUSERS) {
		if (room && !stop->pushed)
			failed("rejected, although there was room");
		return;
	}
	if (stop->act == DELETE_SUBJECT && stop->pushed) {
		answer_is(r, -ECANCELED);
		return;
	}
	answer_is(r, room ? 0 : -EUSERS);
	if (r->rc != 0)
		return;
	k = world_known(w, "anna", (size_t)r->number);
	k->number = OP_NUMBER;
	strcpy(k->id, r->id);
}
