/* SPDX-License-Identifier: MIT */

/* What operations with locks, with pairs of tokens, and of logins over the cap
 * mean for the model. */

#include <errno.h>
#include <sojourn/lock.h>
#include <string.h>

#include "images/lib_outcome.h"

/* ---- locks ---- */

static const char *target_id(const struct world *w)
{
	return w->known[w->target].id;
}

/* Taken, and never given back. */
void run_lock(void *arg, struct report *r)
{
	struct world *w = arg;
	uint64_t fence;

	r->rc = sojourn_session_lock(w->s, target_id(w), 0, 0, &fence);
}

void run_lock_and_unlock(void *arg, struct report *r)
{
	struct world *w = arg;
	uint64_t fence;

	r->rc = sojourn_session_lock(w->s, target_id(w), 0, 0, &fence);
	if (r->rc == 0)
		r->rc = sojourn_session_unlock(w->s, target_id(w), fence);
}

void run_renew_in_lock(void *arg, struct report *r)
{
	struct world *w = arg;
	struct sojourn_info info = {0};
	uint64_t fence;
	int rc = sojourn_session_lock(w->s, target_id(w), 0, 0, &fence);

	r->rc = rc == 0 ? sojourn_session_renew(w->s, target_id(w), &info) : rc;
	r->renewal = info.renewal;
	strcpy(r->id, info.new_id);
	if (rc == 0)
		(void)!sojourn_session_unlock(
			w->s, info.new_id[0] ? info.new_id : target_id(w),
			fence);
}

void run_lock_and_leave(void *arg, struct report *r)
{
	run_lock(arg, r);
	sojourn_detach(((struct world *)arg)->s);
}

/* Whoever dies with it: the survivor writes as if it had been given back. */
unsigned after_lock_decisions(struct world *w, const struct report *r)
{
	return after_touch_decisions(w, r);
}

/* ---- tokens ---- */

static bool refused; /* in an image that was seen */

unsigned after_token_decisions(struct world *w, const struct report *r)
{
	(void)w;
	(void)r;
	return 0;
}

void check_pair(struct world *w, const struct report *r, bool last)
{
	access_check_pair(w, r, last);
}

void check_stolen(struct world *w, const struct report *r, bool last)
{
	(void)w;
	refused |= access_check_end(r, last, -EPERM, refused, false);
}

void check_revoked(struct world *w, const struct report *r, bool last)
{
	(void)w;
	refused |= access_check_end(r, last, 1, refused, false);
}

void check_restricted(struct world *w, const struct report *r, bool last)
{
	(void)w;
	refused |= access_check_end(r, last, 1, refused, true);
}

/* ---- caps ---- */

unsigned after_cap_decisions(struct world *w, const struct report *r)
{
	const struct soj_shm_collection *c = &w->s->st.seg.collection[0];

	if (r->rc == -EUSERS && c->cap_policy == SOJ_CAP_REJECT &&
	    world_living(w, "anna") >= c->cap)
		return 0;
	return after_create_decisions(w, r) ? 2 : 0;
}

/* One that there is no room for: over now, or when the login is repaired. */
static void ends(struct world *w, struct known *k)
{
	while (k->old_gone < k->old_ids && !can_read(w, k->old_id[k->old_gone]))
		k->old_gone++;
	k->fate = can_read(w, k->id) ? EITHER : GONE;
	k->later = GONE;
}

/* It lives, and others end, one by one; then none is left that is too much. */
static void outcome(struct world *w, const struct report *r, unsigned k,
		    unsigned room)
{
	after_create(w, r, k);
	if (k == 2) {
		world_leave(w, "anna", room);
		return;
	}
	for (unsigned i = w->count; i-- > 0;) {
		struct known *known = &w->known[i];

		if (known->fate == GONE || strcmp(known->subject, "anna") != 0)
			continue;
		if (room > 0)
			room--;
		else
			ends(w, known);
	}
}

void after_cap(struct world *w, const struct report *r, unsigned k)
{
	outcome(w, r, k, w->s->st.seg.collection[0].cap);
}

void after_exclusive(struct world *w, const struct report *r, unsigned k)
{
	outcome(w, r, k, 1);
}
