/* SPDX-License-Identifier: MIT */

/* What operations find. */

#include "crash/lib_ops.h"

#define PERSON_BYTES 120u
#define BULK_BYTES   49000u /* two units hold five, small ones do not fit */

void prepare_empty(struct world *w)
{
	w->target = w->bystander = KNOWN_MAX;
}

/* Three of one subject, the target between the others, and one of another. */
void prepare_people(struct world *w)
{
	w->bystander = (unsigned)world_create(w, "anna", PERSON_BYTES);
	w->target = (unsigned)world_create(w, "anna", PERSON_BYTES);
	world_create(w, "anna", PERSON_BYTES);
	world_create(w, "bert", PERSON_BYTES);
}

/* One more, older than all, and the target has had another id. */
void prepare_crowd(struct world *w)
{
	world_create(w, "anna", PERSON_BYTES);
	prepare_people(w);
	world_advance(w, 10);
	world_renew(w, w->target, false);
}

void prepare_renewed(struct world *w)
{
	prepare_people(w);
	world_advance(w, 10);
	world_renew(w, w->target, false);
}

void prepare_renewed_twice(struct world *w)
{
	prepare_renewed(w);
	world_update(w, w->target, true);
	world_renew(w, w->target, false);
}

void prepare_stale(struct world *w)
{
	prepare_people(w);
	world_advance(w, 5000);
}

void prepare_due(struct world *w)
{
	prepare_people(w);
	world_advance(w, w->s->st.seg.collection[0].renewal_ms + 1);
}

/* The target alone; others of its subject live on. */
void prepare_expired(struct world *w)
{
	prepare_people(w);
	w->ttl_ms = 3000;
	w->target = (unsigned)world_create(w, "anna", PERSON_BYTES);
	world_create(w, "bert", PERSON_BYTES);
	w->ttl_ms = 0;
	world_advance(w, 4000);
	w->known[w->target].fate = GONE;
	w->known[w->target + 1].fate = GONE;
}

static void fill_up(struct world *w, const char *subject, size_t bytes)
{
	w->full = true;
	while (world_create(w, subject, bytes) >= 0)
		;
}

void prepare_full(struct world *w)
{
	prepare_people(w);
	for (uint32_t i = w->count; i < w->s->st.seg.lay.entries_max; i++)
		world_create(w, "crowd", PERSON_BYTES);
	w->full = true;
}

void prepare_full_expired(struct world *w)
{
	prepare_people(w);
	w->ttl_ms = 3000;
	for (uint32_t i = w->count; i < w->s->st.seg.lay.entries_max; i++)
		world_create(w, "crowd", PERSON_BYTES);
	w->ttl_ms = 0;
	world_advance(w, 4000);
	for (unsigned i = 4; i < w->count; i++)
		w->known[i].fate = GONE;
}

/* No unit is free, but the chunks of one class lie about in half-empty pages. */
void prepare_chunks_full(struct world *w)
{
	unsigned first, bulk;

	prepare_people(w);
	first = w->count;
	fill_up(w, "bulk", BULK_BYTES);
	bulk = w->count - first;
	for (unsigned i = 0; i < bulk; i++)
		if (i % 5 > 1)
			world_delete(w, first + i, false);
	world_upkeep(w);
}

void prepare_drain(struct world *w)
{
	prepare_chunks_full(w);
	w->target = 4; /* the first of those in the first page */
}
