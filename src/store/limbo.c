/* SPDX-License-Identifier: MIT */

/*
 * What a thread has retired, and will reclaim itself when the grace period is
 * over: private rings of numbers and of the exact RETIRED words.  Epochs do not
 * go backwards, so what lies first in a ring is over first.
 *
 * A thread that is in upkeep retires tens of thousands at a time; what its own
 * ring has no room for goes to the upkeep's.  What neither has room for is
 * found by its state word, in a scan of all of them: that is slow, and the
 * worker counts how much of it there is (limbo_lost).
 *
 * Who replaces values retires a chunk for each that it needs, mostly of the
 * same class: the oldest that has passed its grace period is then taken for the
 * next, and goes through no list of free ones.  So does who ends sessions and
 * makes others: an entry and a chunk for each (upkeep/alone.c).
 *
 * Crash table: a ring is lost with its thread; upkeep reclaims any RETIRED word.
 * Stop table: others may have reclaimed meanwhile what is in a ring; then the
 * exact CAS fails (slab.c), and it is dropped.
 */

#include "store/fetch.h"
#include "store/store.h"

/* Between two looks whether the epoch can move: with and without a spill.
 * Powers of two. */
#define LOOK_EVERY       64u
#define LOOK_EVERY_SPILL 1024u
/* Left in limbo for soj_limbo_reuse(), although its grace period is over. */
#define KEPT_MAX 128u
/* Reclaimed at once, when somebody has stood in a section and much waits: twice
 * and more what comes in between two looks, and not so much that it is felt. */
#define DRAIN_MAX (4u * LOOK_EVERY)
#define AHEAD     6u

/* The one that comes so many behind the oldest. */
static struct soj_retired *ring_at(const struct soj_limbo *ring,
				   uint32_t behind)
{
	const uint32_t at = ring->first + behind;

	return &ring->at[at < ring->max ? at : at - ring->max];
}

static bool ring_add(struct soj_limbo *ring, const struct soj_retired *one)
{
	if (ring == NULL || ring->count == ring->max)
		return false;
	/* From the start, where the cache still has it. */
	if (ring->count == 0)
		ring->first = 0;
	*ring_at(ring, ring->count++) = *one;
	return true;
}

/* The oldest, if its grace period is over at that epoch; else NULL. */
static const struct soj_retired *ring_ready(const struct soj_limbo *ring,
					    uint64_t epoch)
{
	const struct soj_retired *first;

	if (ring->count == 0)
		return NULL;
	/* By all of the epoch: a thread may do nothing for as long as it likes. */
	first = &ring->at[ring->first];
	return epoch >= first->epoch + 2 ? first : NULL;
}

static void ring_drop(struct soj_limbo *ring)
{
	ring->first = ring->first + 1 < ring->max ? ring->first + 1 : 0;
	ring->count--;
}

/* Its reclaimer wipes it, and so waits for its memory: asked for meanwhile. */
static void fetch_ahead(const struct soj_store *st,
			const struct soj_limbo *ring, uint32_t ahead)
{
	const struct soj_retired *one;

	if (ring->count <= ahead)
		return;
	one = ring_at(ring, ahead);
	if (one->is_entry)
		soj_entry_prefetch_all(st, one->number);
	else
		soj_chunk_prefetch_all(st, one->number);
}

static void ring_drain(struct soj_store *st, struct soj_worker *w,
		       struct soj_limbo *ring, uint32_t keep)
{
	uint64_t epoch = soj_epoch(&st->seg);
	const struct soj_retired *one;

	while (ring->count > keep && (one = ring_ready(ring, epoch)) != NULL) {
		fetch_ahead(st, ring, AHEAD);
		if (one->is_entry)
			soj_entry_reclaim(st, w, one->number, one->state,
					  epoch);
		else
			soj_chunk_reclaim(st, w, one->number, one->state,
					  epoch);
		if (soj_gone(w))
			return;
		ring_drop(ring);
	}
}

void soj_limbo_drain(struct soj_store *st, struct soj_worker *w)
{
	ring_drain(st, w, &w->limbo, 0);
	if (w->spill)
		ring_drain(st, w, w->spill, 0);
}

void soj_limbo_add(struct soj_store *st, struct soj_worker *w, uint32_t number,
		   bool is_entry, uint64_t retired)
{
	const uint64_t now = soj_epoch(&st->seg);
	const struct soj_retired one = {
		.number = number,
		.is_entry = is_entry,
		.state = retired,
		.epoch = now - ((now - soj_state_aux(retired)) &
				SOJ_MASK(SOJ_AUX_BITS)),
	};
	const uint32_t every = w->spill ? LOOK_EVERY_SPILL : LOOK_EVERY;

	/* Nobody else may be moving the epoch: see to it now and then. */
	if ((++w->limbo_added & (every - 1)) == 0) {
		soj_epoch_advance(&st->seg);
		if (w->spill)
			soj_limbo_drain(st, w);
		else
			ring_drain(st, w, &w->limbo,
				   (uint32_t)soj_max(KEPT_MAX + DRAIN_MAX,
						     w->limbo.count) -
					   DRAIN_MAX);
	}
	if (!ring_add(&w->limbo, &one) && !ring_add(w->spill, &one))
		w->limbo_lost++;
}

bool soj_limbo_reuse(struct soj_store *st, struct soj_worker *w, uint32_t class,
		     uint32_t *chunk)
{
	const uint64_t epoch = soj_epoch(&st->seg);
	const struct soj_retired *ready;

	while ((ready = ring_ready(&w->limbo, epoch)) != NULL) {
		const struct soj_retired one = *ready;
		bool mine = false;

		if (one.is_entry)
			soj_entry_reclaim(st, w, one.number, one.state, epoch);
		else
			mine = soj_chunk_reuse(st, w, class, one.number,
					       one.state, epoch);
		if (!mine && !one.is_entry && !soj_gone(w))
			soj_chunk_reclaim(st, w, one.number, one.state, epoch);
		if (soj_gone(w))
			return false;
		ring_drop(&w->limbo);
		*chunk = one.number;
		fetch_ahead(st, &w->limbo, 1); /* for the next time */
		if (mine)
			return true;
	}
	return false;
}

bool soj_limbo_reuse_entry(struct soj_store *st, struct soj_worker *w,
			   uint32_t *idx)
{
	const uint64_t epoch = soj_epoch(&st->seg);
	const struct soj_retired *ready;

	while ((ready = ring_ready(&w->limbo, epoch)) != NULL &&
	       ready->is_entry) {
		const bool mine = soj_entry_reuse(st, w, ready->number,
						  ready->state, epoch);

		if (soj_gone(w))
			return false;
		*idx = ready->number;
		ring_drop(&w->limbo);
		fetch_ahead(st, &w->limbo, 1); /* its chunk was */
		if (mine)
			return true;
	}
	return false;
}

uint32_t soj_limbo_waiting(const struct soj_worker *w)
{
	return w->limbo.count + (w->spill ? w->spill->count : 0);
}
