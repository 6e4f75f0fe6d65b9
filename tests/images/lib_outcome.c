/* SPDX-License-Identifier: MIT */

/*
 * What operations mean for the model.  The release library has no labels that
 * say how far a victim came, so an image is judged by what a reader finds.
 */

#include "images/lib_outcome.h"

#include <errno.h>
#include <string.h>

#include "images/lib_table.h"

/* Of one run, in a world whose policy is to evict. */
static bool evicted[KNOWN_MAX];
static bool some_evicted;

static struct known *target(struct world *w)
{
	return &w->known[w->target];
}

bool can_read(struct world *w, const char *id)
{
	const struct sojourn_read how = {.no_touch = true, .no_renew = true};
	int rc;

	w->s->st.seg.readonly = true;
	rc = sojourn_session_read(w->s, id, &how, NULL, NULL, NULL);
	w->s->st.seg.readonly = false;
	return rc == 0;
}

static void returned(const struct report *r, bool fine)
{
	if (!fine)
		failed("the victim's call returned %d", r->rc);
}

/* 0, or what a session that is over, or a full segment, answer. */
static bool answered(struct world *w, const struct report *r)
{
	enum fate fate = target(w)->fate;

	if (r->rc == -ENOENT)
		returned(r, fate != LIVES);
	else if (r->rc == -ENOSPC)
		returned(r, w->full && fate != GONE);
	else
		returned(r, r->rc == 0 && fate != GONE);
	return r->rc == 0;
}

unsigned after_nothing_decisions(struct world *w, const struct report *r)
{
	(void)w;
	returned(r, r->rc >= 0);
	return 0;
}

unsigned after_list_decisions(struct world *w, const struct report *r)
{
	returned(r, r->rc >= 0);
	if (r->number < world_living(w, "anna"))
		failed("the victim's list had %u sessions",
		       (unsigned)r->number);
	return 0;
}

unsigned after_touch_decisions(struct world *w, const struct report *r)
{
	answered(w, r);
	return 0;
}

unsigned after_stale_decisions(struct world *w, const struct report *r)
{
	(void)w;
	returned(r, r->rc < 0);
	return 0;
}

/* ---- create ---- */

unsigned after_create_decisions(struct world *w, const struct report *r)
{
	returned(r, r->rc == 0 || (r->rc == -ENOSPC && w->full));
	return r->rc == 0;
}

void after_create(struct world *w, const struct report *r, unsigned k)
{
	struct known *made = world_known(w, "anna", (size_t)r->number);

	(void)k;
	made->number = OP_NUMBER;
	made->fate = LIVES;
	strcpy(made->id, r->id);
}

/* ---- reads and renewals ---- */

unsigned after_read_decisions(struct world *w, const struct report *r)
{
	if (!answered(w, r))
		return 0;
	if (r->number != 0 && r->number != target(w)->number)
		failed("the victim read value %u", (unsigned)r->number);
	return r->renewal == SOJOURN_RENEWAL_WON;
}

void after_renew(struct world *w, const struct report *r, unsigned k)
{
	(void)k;
	known_renewed(target(w), r->id);
	target(w)->unlisted = true;
}

/* ---- updates ---- */

unsigned after_update_decisions(struct world *w, const struct report *r)
{
	return answered(w, r);
}

void after_update(struct world *w, const struct report *r, unsigned k)
{
	(void)k;
	target(w)->number = OP_NUMBER;
	if (r->number != 0)
		target(w)->bytes = (size_t)r->number;
	target(w)->version++;
}

/* ---- ends ---- */

unsigned after_delete_decisions(struct world *w, const struct report *r)
{
	enum fate fate = target(w)->fate;

	returned(r,
		 (r->rc == 1 && fate != GONE) || (r->rc == 0 && fate != LIVES));
	return r->rc == 1;
}

void after_delete(struct world *w, const struct report *r, unsigned k)
{
	(void)r;
	(void)k;
	target(w)->fate = target(w)->later = GONE;
}

unsigned after_delete_old_decisions(struct world *w, const struct report *r)
{
	unsigned decided = after_delete_decisions(w, r);

	return decided ? target(w)->old_ids - target(w)->old_gone + 1 : 0;
}

/* From its oldest id on; upkeep completes what the victim began. */
void after_delete_old(struct world *w, const struct report *r, unsigned k)
{
	struct known *t = target(w);
	unsigned left = t->old_ids - t->old_gone;

	(void)r;
	t->later = GONE;
	t->fate = k > left ? GONE : EITHER;
	t->old_gone += k < left ? k : left;
}

/* One whose subject's sessions are being ended: its ids say how far. */
static void look_at_line(struct world *w, struct known *k)
{
	unsigned ids = 1 + k->old_ids - k->old_gone, alive = can_read(w, k->id);

	for (unsigned i = k->old_gone; i < k->old_ids; i++)
		alive += can_read(w, k->old_id[i]);
	if (alive == ids)
		return;
	k->later = GONE;
	k->fate = alive ? EITHER : GONE;
}

static unsigned subject_decisions(struct world *w, const struct report *r,
				  int except)
{
	int least = 0, most = (int)w->in_flight;

	for (unsigned i = 0; i < w->count; i++) {
		const struct known *k = &w->known[i];

		if (strcmp(k->subject, "anna") != 0 || (int)i == except)
			continue;
		least += k->fate == LIVES;
		/* Past its time, but nobody has ended it yet. */
		most++;
	}
	/* The one to spare is over itself. */
	if (except >= 0 && r->rc == -ENOENT)
		returned(r, w->known[except].fate != LIVES);
	else
		returned(r, r->rc >= least && r->rc <= most);
	return r->rc > 0 ? 2 : 0;
}

static void subject_outcome(struct world *w, int except, unsigned k)
{
	for (unsigned i = 0; i < w->count; i++) {
		struct known *known = &w->known[i];

		if (strcmp(known->subject, "anna") != 0 || (int)i == except ||
		    known->fate == GONE)
			continue;
		if (k == 1)
			look_at_line(w, known);
		else
			known->fate = known->later = GONE;
	}
}

unsigned after_delete_subject_decisions(struct world *w, const struct report *r)
{
	return subject_decisions(w, r, -1);
}

void after_delete_subject(struct world *w, const struct report *r, unsigned k)
{
	(void)r;
	subject_outcome(w, -1, k);
}

unsigned after_delete_others_decisions(struct world *w, const struct report *r)
{
	return subject_decisions(w, r, (int)w->bystander);
}

void after_delete_others(struct world *w, const struct report *r, unsigned k)
{
	(void)r;
	subject_outcome(w, (int)w->bystander, k);
}

/* ---- with evictions ---- */

void row_learn(const struct row *row, struct world *w, const struct report *r)
{
	static struct world after;
	unsigned decisions = row->decisions ? row->decisions(w, r) : 0;

	some_evicted = false;
	memset(evicted, 0, sizeof(evicted));
	if (row->learn)
		row->learn(w, r);
	if (w->s->st.seg.policy.when_full != SOJ_FULL_EVICT)
		return;
	world_copy(&after, w);
	if (decisions)
		row->outcome(&after, r, decisions);
	for (unsigned i = 0; i < w->count; i++) {
		evicted[i] = after.known[i].fate == LIVES &&
			     !can_read(w, after.known[i].id);
		some_evicted |= evicted[i];
	}
}

unsigned row_decisions(const struct row *row, struct world *w,
		       const struct report *r)
{
	unsigned decisions = row->decisions ? row->decisions(w, r) : 0;

	return some_evicted ? 2 + decisions : decisions;
}

/* Whoever is evicted is so before the operation is decided. */
void row_outcome(const struct row *row, struct world *w, const struct report *r,
		 unsigned k)
{
	for (unsigned i = 0; some_evicted && k && i < w->count; i++)
		if (evicted[i] && (k >= 2 || !can_read(w, w->known[i].id)))
			w->known[i].fate = w->known[i].later = GONE;
	if (some_evicted)
		k = k > 2 ? k - 2 : 0;
	if (k)
		row->outcome(w, r, k);
}
