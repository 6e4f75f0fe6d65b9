/* SPDX-License-Identifier: MIT */

/* What operations on items mean for the model; locked updates. */

#include <errno.h>
#include <sojourn/collection.h>
#include <sojourn/lock.h>
#include <string.h>

#include "images/lib_outcome.h"
#include "session/id.h"
#include "store/fetch.h"

/* As in crash/lib_items.c. */
enum { NOBODYS, OWNED, ABSENT, COUNTED };
static const char *const keys[THINGS] = {"nobody's", "owned", "absent",
					 "counted"};

#define ADDED 4u

static void lives(struct world *w, unsigned thing, uint64_t number)
{
	w->things[thing].lives = true;
	w->things[thing].number = number;
}

/* No place for that key: all are taken by others. */
static bool no_place(struct world *w, const char *key)
{
	const struct soj_digest digest =
		soj_key_digest(w->s, SOJOURN_COLLECTION_CSRF, SOJ_KEY_CALLERS,
			       key, strlen(key));
	uint64_t refs[SOJ_BUCKET_PLACES];

	return soj_index_neighbours(&w->s->st, digest, refs) ==
	       SOJ_BUCKET_PLACES;
}

static bool stored(struct world *w, const struct report *r)
{
	bool full = w->full;

	for (unsigned i = 0; i < THINGS; i++)
		full |= no_place(w, keys[i]);
	if (r->rc != 0 && !(r->rc == -ENOSPC && full))
		failed("the victim's call returned %d", r->rc);
	return r->rc == 0;
}

unsigned after_item_decisions(struct world *w, const struct report *r)
{
	return stored(w, r);
}

void after_item_made(struct world *w, const struct report *r, unsigned k)
{
	(void)r;
	(void)k;
	lives(w, ABSENT, OP_NUMBER);
}

void after_item_put(struct world *w, const struct report *r, unsigned k)
{
	(void)r;
	(void)k;
	lives(w, NOBODYS, OP_NUMBER);
}

/* Replaced in one step, or ended first and made again; if there is no memory
 * for that it may have been ended. */
unsigned after_item_owned_decisions(struct world *w, const struct report *r)
{
	return stored(w, r) ? 2 : 0;
}

void after_item_owned(struct world *w, const struct report *r, unsigned k)
{
	(void)r;
	w->things[OWNED].lives = false;
	if (k == 2)
		lives(w, OWNED, OP_NUMBER);
}

void after_item_count(struct world *w, const struct report *r, unsigned k)
{
	const struct thing *t = &w->things[COUNTED];

	(void)r;
	(void)k;
	lives(w, COUNTED, t->lives ? t->number + ADDED : ADDED);
}

unsigned after_item_remove_decisions(struct world *w, const struct report *r)
{
	if (r->rc != w->things[OWNED].lives)
		failed("the victim's remove returned %d", r->rc);
	return r->rc == 1;
}

void after_item_remove(struct world *w, const struct report *r, unsigned k)
{
	(void)r;
	(void)k;
	w->things[OWNED].lives = false;
}

unsigned after_item_clear_decisions(struct world *w, const struct report *r)
{
	int want = 0;

	for (unsigned i = 0; i < THINGS; i++)
		want += w->things[i].lives;
	if (r->rc != want)
		failed("the victim's clear returned %d", r->rc);
	return r->rc > 0 ? 2 : 0;
}

/* They go in the order of their places, whatever that is. */
void after_item_clear(struct world *w, const struct report *r, unsigned k)
{
	(void)r;
	for (unsigned i = 0; i < THINGS; i++) {
		const struct sojourn_item item = {
			.collection = SOJOURN_COLLECTION_CSRF,
			.key = keys[i],
			.key_bytes = strlen(keys[i])};

		if (!w->things[i].lives)
			continue;
		w->s->st.seg.readonly = true;
		w->things[i].lives = k == 1 && sojourn_has(w->s, &item);
		w->s->st.seg.readonly = false;
	}
}

/* ---- locks ---- */

void run_update_in_lock(void *arg, struct report *r)
{
	struct world *w = arg;
	const char *id = w->known[w->target].id;
	uint64_t fence;

	r->number = 120;
	value_fill(value_buffer, 120, OP_NUMBER);
	r->rc = sojourn_session_lock(w->s, id, 0, 0, &fence);
	if (r->rc < 0)
		return;
	r->rc = sojourn_session_update_locked(w->s, id, fence, value_buffer,
					      120, NULL);
	(void)!sojourn_session_unlock(w->s, id, fence);
}
