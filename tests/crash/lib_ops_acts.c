/* SPDX-License-Identifier: MIT */

/* What the survivor does to the session that a stopped victim is at. */

#include "crash/lib_ops.h"

const char *const act_names[ACTS] = {
	[LEAVE] = "leaves it",
	[UPDATE] = "updates it",
	[RENEW] = "renews it",
	[DELETE] = "deletes it",
	[DELETE_OLD] = "deletes it by its old id",
	[DELETE_SUBJECT] = "deletes all of its subject",
};

void act_session(struct world *w, const struct stopped *stop)
{
	if (stop->act == DELETE_SUBJECT)
		world_delete_subject(w, "anna", -1);
	if (w->target >= w->count)
		return;
	switch (stop->act) {
	case UPDATE:
		for (unsigned i = 0; i < 3; i++)
			world_update(w, w->target, i == 1);
		break;
	case RENEW:
		world_renew(w, w->target, false);
		break;
	case DELETE:
	case DELETE_OLD:
		world_delete(w, w->target, stop->act == DELETE_OLD);
		break;
	default:
		break;
	}
}

/* ---- while a victim stands at its pause ---- */

void meddle_update(struct world *w)
{
	world_update(w, w->target, false);
}

void meddle_delete(struct world *w)
{
	world_delete(w, w->target, false);
}

void meddle_delete_subject(struct world *w)
{
	w->in_flight = 1;
	w->superseded = true;
	world_delete_subject(w, "anna", -1);
	w->in_flight = 0;
}

void meddle_expire(struct world *w)
{
	struct known *k = &w->known[w->target];

	world_advance(w, w->s->st.seg.collection[0].idle_ms);
	for (unsigned i = 0; i < w->count; i++)
		w->known[i].fate = GONE;
	world_read(w, w->target);
	k->later = GONE;
}

/* A touch that came too late: the target is gone. */
void judge_late(struct world *w, const struct report *r)
{
	if (w->known[w->target].fate != GONE)
		judge_touch(w, r);
}
