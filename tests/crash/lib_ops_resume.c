/* SPDX-License-Identifier: MIT */

/*
 * What a victim may answer that was stopped, and is continued in a world that
 * has moved on; and what it has then done.  Of sessions; caps, items, locks
 * and flights have files of their own.
 */

#include <errno.h>
#include <string.h>

#include "crash/lib_ops.h"

void answer_is(const struct report *r, int want)
{
	if (r->rc != want)
		failed("the victim, continued, returned %d instead of %d",
		       r->rc, want);
}

static void resume_value(struct world *w, const struct stopped *stop,
			 const struct report *r)
{
	struct known *k = &w->known[w->target];

	answer_is(r, stop->decided || k->fate == LIVES ? 0 : -ENOENT);
	if (stop->decided || k->fate == GONE)
		return;
	k->number = OP_NUMBER;
	k->version++;
	if (stop->op->run == run_update_larger)
		k->bytes = LARGER_BYTES;
}

static void resume_renew(struct world *w, const struct stopped *stop,
			 const struct report *r)
{
	struct known *k = &w->known[w->target];

	/* Ended after it was decided: told or not, the new id is worthless. */
	if (stop->decided && k->fate == GONE && r->rc == -ENOENT)
		return;
	answer_is(r, stop->decided || k->fate == LIVES ? 0 : -ENOENT);
	if (k->fate == GONE)
		return;
	if (!stop->decided && stop->act == RENEW) {
		if (r->renewal != SOJOURN_RENEWAL_DONE ||
		    strcmp(r->id, k->id) != 0)
			failed("renewed by another, outcome %d", r->renewal);
		return;
	}
	if (r->renewal != SOJOURN_RENEWAL_WON)
		failed("renewal outcome %d", r->renewal);
	else if (!stop->decided)
		known_renewed(k, r->id);
	else if (stop->act != RENEW && strcmp(r->id, k->id) != 0)
		failed("the victim was told another id than the survivor");
}

static void resume_ends(struct world *w, const struct stopped *stop,
			const struct report *r)
{
	bool all = stop->op->run == run_delete_subject ||
		   stop->op->run == run_delete_others;

	/* The one that was to stay is gone: then nothing is ended. */
	if (stop->op->run == run_delete_others && r->rc == -ENOENT &&
	    w->known[w->bystander].fate == GONE)
		return;
	if (r->rc < 0)
		failed("the victim, continued, returned %d", r->rc);
	for (unsigned i = 0; i < w->count; i++) {
		struct known *k = &w->known[i];

		if (all ? strcmp(k->subject, "anna") != 0 : i != w->target)
			continue;
		if (stop->op->run == run_delete_others && i == w->bystander)
			continue;
		if (k->fate == LIVES && r->rc == 0)
			failed("it says that it ended nothing");
		k->fate = k->later = GONE;
	}
}

void resume_create(struct world *w, const struct stopped *stop,
		   const struct report *r)
{
	struct known *k;

	if (w->superseded) {
		answer_is(r, -ECANCELED);
		return;
	}
	if (stop->made < KNOWN_MAX) {
		/* It lived, but nobody had been told. */
		if (w->known[stop->made].fate == GONE && r->rc == -ECANCELED)
			return;
		answer_is(r, 0);
		strcpy(w->known[stop->made].id, r->id);
		return;
	}
	/* Ended while it was in the making. */
	if (stop->act == DELETE_SUBJECT && stop->pushed) {
		answer_is(r, -ECANCELED);
		return;
	}
	answer_is(r, 0);
	k = world_known(w, "anna", (size_t)r->number);
	k->number = OP_NUMBER;
	strcpy(k->id, r->id);
}

/* The id of the session that was renewed is over at once. */
void resume_regenerate(struct world *w, const struct stopped *stop,
		       const struct report *r)
{
	struct known *k = &w->known[stop->target];

	w->target = stop->target;
	if (k->fate == GONE && r->rc == -ENOENT)
		return;
	answer_is(r, 0);
	if (r->renewal != SOJOURN_RENEWAL_WON)
		failed("renewal outcome %d", r->renewal);
	if (stop->decided) {
		strcpy(k->id, r->id); /* it was told to nobody else */
		return;
	}
	known_renewed(k, r->id);
	k->old_gone = k->old_ids;
}

/* It was expelled in the middle, so it has begun again: all and no other. */
static void resume_list(struct world *w, const struct report *r)
{
	unsigned living = 0;

	for (unsigned i = 0; i < w->count; i++) {
		const struct known *k = &w->known[i];

		if (k->fate == LIVES && strcmp(k->subject, "anna") == 0)
			living += 1 + k->old_ids - k->old_gone;
	}
	answer_is(r, (int)living);
}

void resume_by_effect(struct world *w, const struct stopped *stop,
		      const struct report *r)
{
	switch (stop->op->effect) {
	case EFFECT_NONE:
		if (stop->op->run == run_list)
			resume_list(w, r);
		if (stop->op->run == run_use_token)
			resume_token(w, r);
		if (stop->op->run == run_refresh)
			resume_refresh(r);
		/* Draining a page is given up when others are at it, or have
		 * had it. */
		if (r->rc < 0 && r->rc != -ENOENT &&
		    !(r->rc == -ETIMEDOUT &&
		      stop->op->run == run_lock_in_vain) &&
		    !(r->rc == -EPERM &&
		      (stop->op->run == run_use_stolen ||
		       stop->op->run == run_refresh_stolen)) &&
		    !(r->rc == -ECANCELED &&
		      stop->op->run == run_create_pair) &&
		    !((r->rc == -EBUSY || r->rc == -EAGAIN) &&
		      stop->op->run == run_drain_page))
			failed("the victim, continued, returned %d", r->rc);
		break;
	case EFFECT_VALUE:
		resume_value(w, stop, r);
		break;
	case EFFECT_RENEWS:
		resume_renew(w, stop, r);
		break;
	case EFFECT_ENDS:
		resume_ends(w, stop, r);
		break;
	case EFFECT_CREATES:
		resume_create(w, stop, r);
		break;
	}
}
