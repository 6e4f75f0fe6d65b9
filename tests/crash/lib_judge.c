/* SPDX-License-Identifier: MIT */

/*
 * What the labels that a victim passed mean for the model.  The label after a
 * deciding CAS was passed: it happened, for good.  It was not: nothing did.
 */

#include <errno.h>
#include <string.h>

#include "crash/lib_ops.h"

static void returned(const struct report *r, int want)
{
	if (r->finished && r->rc != want)
		failed("the victim's call returned %d instead of %d", r->rc,
		       want);
}

void judge_nothing(struct world *w, const struct report *r)
{
	(void)w;
	if (r->finished && r->rc < 0)
		failed("the victim's call returned %d", r->rc);
}

void judge_gone(struct world *w, const struct report *r)
{
	(void)w;
	returned(r, -ENOENT);
}

void judge_create(struct world *w, const struct report *r)
{
	struct known *k;

	/* Ended while it was being made: nobody hears of it. */
	if (w->superseded) {
		returned(r, -ECANCELED);
		return;
	}
	if (r->finished && r->rc == -ENOSPC && w->full)
		return;
	returned(r, 0);
	if (!passed(r, "entry.live")) {
		w->in_flight += passed(r, "chain.pushed") != 0;
		return;
	}
	k = world_known(w, "anna", (size_t)r->number);
	k->number = OP_NUMBER;
	k->fate = LIVES;
	if (r->finished)
		strcpy(k->id, r->id);
}

void judge_rejected(struct world *w, const struct report *r)
{
	returned(r, -EUSERS);
	w->in_flight += passed(r, "chain.pushed") != 0;
}

/* All of anna's but the newest are over, or will be when repair is. */
static void leave(struct world *w, const struct report *r, unsigned newest)
{
	for (unsigned i = w->count; i-- > 0;) {
		struct known *k = &w->known[i];

		if (strcmp(k->subject, "anna") != 0)
			continue;
		if (newest > 0) {
			newest--;
			continue;
		}
		k->fate = r->finished ? GONE : EITHER;
		k->later = GONE;
	}
}

void judge_create_cap(struct world *w, const struct report *r)
{
	judge_create(w, r);
	if (passed(r, "entry.live"))
		leave(w, r, w->s->st.seg.collection[0].cap);
}

void judge_create_exclusive(struct world *w, const struct report *r)
{
	judge_create(w, r);
	if (passed(r, "entry.live"))
		leave(w, r, 1);
}

/* Somebody went for it; each ending is one of those that lived. */
void judge_evict(struct world *w, const struct report *r)
{
	const struct sojourn_read look_only = {.no_touch = true,
					       .no_renew = true};
	uint32_t gone = 0;

	returned(r, 0);
	for (unsigned i = 0; i < w->count; i++) {
		struct known *k = &w->known[i];

		if (sojourn_session_read(w->s, k->id, &look_only, NULL, NULL,
					 NULL) == 0)
			continue;
		k->fate = GONE;
		gone++;
	}
	if (gone != passed(r, "entry.ended"))
		failed("%u sessions are gone, but %u were evicted", gone,
		       passed(r, "entry.ended"));
	judge_create(w, r);
}

void judge_touch(struct world *w, const struct report *r)
{
	const struct sojourn_read look_only = {.no_touch = true,
					       .no_renew = true};
	const struct known *k = &w->known[w->target];
	uint64_t now_ms = sojourn_now_ms(w->s);
	struct sojourn_info info = {0};

	returned(r, 0);
	if (sojourn_session_read(w->s, k->id, &look_only, NULL, NULL, &info)) {
		failed("the target cannot be read");
		return;
	}
	if (passed(r, "touch.counted") ? info.accessed_ms != now_ms
				       : info.accessed_ms >= now_ms)
		failed("last access at %u, now is %u",
		       (unsigned)info.accessed_ms, (unsigned)now_ms);
}

static void judge_value(struct world *w, const struct report *r, size_t bytes)
{
	struct known *k = &w->known[w->target];

	if (k->fate == GONE) { /* ended while it stood */
		returned(r, -ENOENT);
		return;
	}
	if (r->finished && r->rc == -ENOSPC && w->full)
		return;
	returned(r, 0);
	if (!passed(r, "update.published"))
		return;
	k->number = OP_NUMBER;
	k->bytes = bytes;
	k->version++;
}

void judge_update(struct world *w, const struct report *r)
{
	judge_value(w, r, w->known[w->target].bytes);
}

void judge_update_larger(struct world *w, const struct report *r)
{
	judge_value(w, r, LARGER_BYTES);
}

void judge_renew(struct world *w, const struct report *r)
{
	const struct sojourn_read look_only = {.no_touch = true,
					       .no_renew = true};
	struct known *k = &w->known[w->target];
	struct sojourn_info info = {0};
	int rc;

	if (k->fate == GONE) {
		returned(r, -ENOENT);
		return;
	}
	returned(r, 0);
	if (!passed(r, "renew.decided"))
		return;
	/* Whoever has the old id is given the new one.  One who may not write
	 * looks, so that nothing is repaired by it. */
	w->s->st.seg.readonly = true;
	rc = sojourn_session_read(w->s, k->id, &look_only, NULL, NULL, &info);
	w->s->st.seg.readonly = false;
	if (rc < 0 || info.renewal != SOJOURN_RENEWAL_DONE) {
		failed("renewed, but the old id does not lead on: %s",
		       sojourn_error_text());
		return;
	}
	if (r->finished && (r->renewal != SOJOURN_RENEWAL_WON ||
			    strcmp(r->id, info.new_id) != 0))
		failed("the victim was told outcome %d", r->renewal);
	known_renewed(k, info.new_id);
	k->unlisted = !passed(r, "entry.live");
}

/* The old id is over as soon as it is decided, and leads nowhere: the new one
 * is known to whom it was told. */
void judge_regenerate(struct world *w, const struct report *r)
{
	struct known *k = &w->known[w->target];

	returned(r, 0);
	if (!passed(r, "renew.decided"))
		return;
	known_renewed(k, r->finished ? r->id : "");
	k->old_gone = k->old_ids;
	k->unlisted = !passed(r, "entry.live");
	if (!r->finished)
		w->target = KNOWN_MAX;
}

static void ends(struct known *k)
{
	k->fate = k->later = GONE;
}

void judge_delete(struct world *w, const struct report *r)
{
	returned(r, 1);
	if (passed(r, "entry.ended"))
		ends(&w->known[w->target]);
}

/* From its oldest id on; upkeep completes what the victim began. */
void judge_delete_old(struct world *w, const struct report *r)
{
	struct known *k = &w->known[w->target];
	uint32_t ended = passed(r, "entry.ended");

	returned(r, 1);
	if (ended == 0)
		return;
	k->old_gone = ended < k->old_ids ? ended : k->old_ids;
	k->later = GONE;
	k->fate = ended > k->old_ids ? GONE : EITHER;
}

/* A walk meets the newest first. */
static void judge_walk(struct world *w, const struct report *r, int except)
{
	uint32_t ended = passed(r, "entry.ended");
	int all = 0;

	for (unsigned i = w->count; i-- > 0;) {
		struct known *k = &w->known[i];

		if (strcmp(k->subject, "anna") != 0 || k->fate != LIVES ||
		    (int)i == except)
			continue;
		all++;
		if (ended == 0)
			continue;
		ended--;
		ends(k);
	}
	returned(r, all);
	if (ended != 0)
		failed("%u more were ended than there are", ended);
}

void judge_delete_subject(struct world *w, const struct report *r)
{
	judge_walk(w, r, -1);
}

void judge_delete_others(struct world *w, const struct report *r)
{
	judge_walk(w, r, (int)w->bystander);
}
