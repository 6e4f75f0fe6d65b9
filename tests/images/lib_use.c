/* SPDX-License-Identifier: MIT */

/* The survivor: what it finds, and what it does then. */

#include <sojourn/lock.h>
#include <stdlib.h>
#include <string.h>

#include "images/lib_table.h"

void world_copy(struct world *to, const struct world *from)
{
	memcpy(to, from,
	       offsetof(struct world, known) +
		       from->count * sizeof(from->known[0]));
}

void forget_self(struct world *w)
{
	struct soj_self *self = soj_self(w->s);

	world_let_go(w);
	if (w->up_ready)
		soj_upkeep_deinit(&w->up);
	w->up_ready = false;
	if (self->up) {
		soj_upkeep_deinit(self->up);
		free(self->up);
	}
	self->up = NULL;
	self->thorough_not_before_us = 0;
	self->expire_not_before_ms = 0;
}

int find_outcome(const struct row *row, struct world *w,
		 const struct world *before, const struct report *r,
		 unsigned least, unsigned most)
{
	for (unsigned k = least; k <= most; k++) {
		bool up_ready = w->up_ready;
		struct soj_upkeep up = w->up;

		world_copy(w, before);
		w->up_ready = up_ready;
		w->up = up;
		row_outcome(row, w, r, k);
		hush();
		world_verify(w);
		if (hush_end() == 0)
			return (int)k;
	}
	return -1;
}

/* ---- before repair ---- */

/* Whether a login is rejected depends on how many of those are still there
 * that a dead maker was about to end. */
static bool cap_in_doubt(const struct world *w)
{
	if (w->s->st.seg.collection[0].cap_policy != SOJ_CAP_REJECT)
		return false;
	for (unsigned i = 0; i < w->count; i++)
		if (w->known[i].fate == EITHER)
			return true;
	return false;
}

static void act_on_target(struct world *w, unsigned act)
{
	struct known *k = &w->known[w->target];

	/* Whoever renews it, or may be seen as gone at any time. */
	if (k->fate == EITHER && act != 4)
		return;
	switch (act) {
	case 0:
		world_update(w, w->target, false);
		break;
	case 1:
		world_delete(w, w->target, false);
		break;
	case 2:
		world_update(w, w->target, true);
		break;
	case 3:
		world_delete(w, w->target, true);
		break;
	case 4:
		world_delete_subject(w, "anna", -1);
		break;
	case 5:
		if (!cap_in_doubt(w))
			world_create(w, "anna", 120);
		break;
	default: /* leaves it */
		break;
	}
}

void use_at_once(struct world *w, unsigned act)
{
	int made;

	if (w->s->st.seg.policy.when_full == SOJ_FULL_EVICT)
		return;
	world_update(w, w->bystander, false);
	made = world_create(w, "passer", 120);
	if (made >= 0) {
		world_update(w, (unsigned)made, false);
		world_delete(w, (unsigned)made, false);
	}
	act_on_target(w, act % 7);
	world_verify(w);
}

/* ---- after repair ---- */

/* Whoever is evicted is not known. */
static void use_evicting(struct world *w)
{
	unsigned more = w->s->st.seg.lay.entries_max + 4;

	items_drain(w);
	for (unsigned i = 0; i < w->count; i++)
		if (w->known[i].fate == LIVES)
			w->known[i].fate = EITHER;
	w->in_flight = w->count + more;
	for (unsigned i = 0; i < more; i++) {
		int made = world_create(w, "last", 60);

		if (made >= 0)
			w->known[made].fate = w->known[made].later = EITHER;
	}
}

/* Whoever had it is dead. */
static void lock_is_free(struct world *w)
{
	const char *id = w->known[w->target].id;
	uint64_t fence;
	int rc = sojourn_session_lock(w->s, id, 0, 0, &fence);

	if (rc == 0)
		rc = sojourn_session_unlock(w->s, id, fence);
	if (rc != 0)
		failed("lock, unlock: %d %s", rc, sojourn_error_text());
}

static const char *const lasts[] = {"last 0", "last 1", "last 2", "last 3",
				    "last 4", "last 5", "last 6", "last 7"};

void use_fully(struct world *w)
{
	unsigned living = 0;

	if (w->s->st.seg.policy.when_full == SOJ_FULL_EVICT) {
		use_evicting(w);
		return;
	}
	for (unsigned i = 0; i < w->count; i++) {
		if (w->known[i].fate != LIVES)
			continue;
		world_update(w, i, living % 2);
		if (i == w->target)
			lock_is_free(w);
		if (living++ % 3 == 0)
			world_delete(w, i, living % 2);
	}
	w->full = true;
	if (w->s->st.seg.collection[0].cap == 0) {
		while (world_create(w, "last", 60) >= 0)
			living++;
		world_verify(w);
		return;
	}
	/* As many as a cap allows: one of each. */
	for (unsigned i = 0; i < sizeof(lasts) / sizeof(lasts[0]); i++)
		if (world_create(w, lasts[i], 60) < 0)
			break;
	world_verify(w);
}
