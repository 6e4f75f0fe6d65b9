/* SPDX-License-Identifier: MIT */

/*
 * Owning and freeing entries and chunks.
 *
 * The state word is the truth: FREE -> OWNED(slot) -> LIVE -> RETIRED(epoch)
 * -> OWNED(reclaimer) -> FREE.  Each arrow is one CAS of the exact word.  A
 * reclaimer who needs such a one himself keeps it: wiped, and his by the same
 * word that it would have were it FREE in between.  The
 * generation rises whenever the owner changes without a publication between
 * (reclaimer, repairer), and when something never published is given back: so
 * the same word never means two owners in turn.  Bitmaps only say where to
 * look; a bit may be lost or wrong.  A thread takes a whole word of hints by
 * exchange into its magazine, so two threads rarely try the same state word.
 *
 * Memory of something FREE is all zero (entries keep versions and
 * generations).  It is wiped by its reclaimer while that one OWNS it: nobody
 * writes, ever, into memory that it has not first owned by a CAS.
 *
 * Crash table
 *   hint word taken          bits lost; the full search and the scrubber find
 *                            the FREE words
 *   FREE -> OWNED            OWNED by the dead: repair frees an entry, which
 *                            nobody can reach, and retires a page's chunk, of
 *                            which nothing says whether it was published
 *   OWNED -> LIVE            done
 *   LIVE -> RETIRED          limbo lost: upkeep reclaims any RETIRED word
 *   RETIRED -> OWNED         OWNED by the dead, half wiped: the same, also
 *                            what its reclaimer meant to keep
 *   wiped, OWNED -> FREE     hint not set: as the first row
 * Stop table: every arrow is an exact CAS on a word with a generation, so one
 * who comes back late fails, whatever was done with the memory meanwhile.
 *
 * Edges
 *   S0  own, publish, retire, reclaim: cas of state  S0, S1
 *   S1  look: load of state                          S0
 *   E0  free: store of ctl                           entry.c E1
 *   S2  own: fence before the first plain store      entry.c E2, the closing check
 *                                                    of every optimistic copy
 *   B0  take or give hints: xchg, or, and            B0   free memory's wipe is
 *                                                         over when found
 *   U1  load of the unit's word after owning         page.c U0
 *
 * Progress: lock-free; at most one pass over the state words.
 */

#include "store/fetch.h"

#include <errno.h>

#include "base/fault.h"
#include "store/locate.h"

/* ---- owning ---- */

soj_word_t *soj_chunk_state(const struct soj_store *st, uint32_t chunk)
{
	uint32_t unit = soj_chunk_unit(chunk);

	if (unit >= st->seg.lay.units ||
	    soj_chunk_slot(chunk) >= st->seg.lay.unit_slots)
		return NULL;
	return &st->seg.chunk_states[(uint64_t)unit * st->seg.lay.unit_slots +
				     soj_chunk_slot(chunk)];
}

static bool own_state(struct soj_worker *w, soj_word_t *state)
{
	uint64_t word = soj_load_acquire(state); /* S1 */

	while (soj_state_phase(word) == SOJ_FREE) {
		uint64_t owned =
			soj_state(SOJ_OWNED, w->thr.slot, soj_state_gen(word));

		SOJ_STEP("slab.own.seen");
		if (soj_gone(w))
			return false;
		if (soj_cas_acq_rel(state, &word, owned)) { /* S0 */
			soj_fence_release();                /* S2 */
			SOJ_STEP("slab.owned");
			return true;
		}
	}
	return false;
}

static bool own_from_magazine(struct soj_store *st, struct soj_worker *w,
			      uint32_t *idx)
{
	struct soj_magazine *mag = &w->entries;

	while (mag->bits) {
		uint32_t e = mag->word * 64 + soj_ctz64(mag->bits);

		mag->bits &= mag->bits - 1;
		if (soj_entry_idx_ok(st, e) &&
		    own_state(w, &st->seg.entry_states[e])) {
			*idx = e;
			soj_hint_next_entry(st, mag);
			return true;
		}
	}
	return false;
}

/* The truth instead of the hints: what is in magazines and limbos of threads
 * that do nothing must not look like a full segment. */
static int entry_from_states(struct soj_store *st, struct soj_worker *w,
			     uint32_t *idx)
{
	const uint64_t epoch = soj_epoch(&st->seg);

	for (uint32_t e = 1; e <= st->seg.lay.entries_max; e++) {
		soj_word_t *state = &st->seg.entry_states[e];

		if (own_state(w, state) ||
		    soj_entry_reuse(st, w, e, soj_load_acquire(state), /* S1 */
				    epoch)) {
			*idx = e;
			return 0;
		}
	}
	return soj_gone(w) ? -ECANCELED : -ENOSPC;
}

int soj_entry_own(struct soj_store *st, struct soj_worker *w, uint32_t *idx)
{
	const uint32_t words = st->seg.lay.entry_hint_words;

	if (!soj_has_slot(w))
		return -EAGAIN;
	if (soj_limbo_reuse_entry(st, w, idx) || own_from_magazine(st, w, idx))
		return 0;
	for (uint32_t i = 0; i < words; i++) {
		uint32_t word = (w->entry_cursor + i) % words;

		if (soj_load_relaxed(&st->seg.entry_free[word]) == 0)
			continue;
		if (soj_gone(w))
			return -ECANCELED;
		w->entries.word = word;
		w->entries.bits =
			soj_xchg_acq_rel(/* B0 */
					 &st->seg.entry_free[word], 0);
		SOJ_STEP("slab.hints.taken");
		w->entry_cursor = word;
		if (own_from_magazine(st, w, idx))
			return 0;
	}
	return entry_from_states(st, w, idx);
}

/*
 * The page may have changed hands before the state word was owned; while a
 * chunk of it is owned it cannot.
 */
static bool chunk_still_of(struct soj_store *st, struct soj_worker *w,
			   uint32_t class, uint32_t unit, uint32_t slot)
{
	soj_word_t *state = soj_chunk_state(st, soj_chunk(unit, slot));
	uint64_t word = soj_load_acquire(&st->seg.units[unit]); /* U1 */
	uint64_t owned;

	if (soj_unit_phase(word) == SOJ_UNIT_ACTIVE &&
	    soj_unit_class(word) == class) {
		/* What the unit's word tells comes before the stores, too. */
		soj_fence_release(); /* S2 */
		return true;
	}
	owned = soj_load_acquire(state); /* S1 */
	if (soj_state_phase(owned) == SOJ_OWNED &&
	    soj_state_aux(owned) == w->thr.slot)
		soj_cas_acq_rel(
			state, &owned, /* S0 */
			soj_state(SOJ_FREE, 0, soj_state_gen(owned) + 1));
	return false;
}

static bool chunk_from_magazine(struct soj_store *st, struct soj_worker *w,
				uint32_t class, uint32_t *chunk)
{
	struct soj_magazine *mag = &w->chunks[class];
	const uint32_t per_unit = st->seg.lay.unit_slots / 64;

	while (mag->bits) {
		uint32_t unit = mag->word / per_unit;
		uint32_t slot =
			mag->word % per_unit * 64 + soj_ctz64(mag->bits);

		mag->bits &= mag->bits - 1;
		*chunk = soj_chunk(unit, slot);
		if (slot >= st->classes[class].page_slots)
			continue;
		if (!own_state(w, soj_chunk_state(st, *chunk)))
			continue;
		soj_hint_next_chunk(st, mag, unit);
		if (chunk_still_of(st, w, class, unit, slot))
			return true;
		mag->bits = 0;
	}
	return false;
}

/* Takes a word of hints of one page; clears the unit's hint if there is none. */
static bool refill_from_unit(struct soj_store *st, struct soj_worker *w,
			     uint32_t class, uint32_t unit)
{
	const uint32_t per_unit = st->seg.lay.unit_slots / 64;
	soj_word_t *hints = &st->seg.chunk_free[(uint64_t)unit * per_unit];
	uint64_t bit = UINT64_C(1) << unit % 64;
	struct soj_magazine *mag = &w->chunks[class];

	for (uint32_t i = 0; i < per_unit; i++) {
		if (soj_load_relaxed(&hints[i]) == 0)
			continue;
		mag->word = unit * per_unit + i;
		mag->bits = soj_xchg_acq_rel(&hints[i], 0); /* B0 */
		if (mag->bits)
			return true;
	}
	soj_and_acq_rel(&st->seg.unit_free[unit / 64], ~bit); /* B0 */
	SOJ_STEP("slab.unhinted");
	for (uint32_t i = 0; i < per_unit; i++)
		if (soj_load_relaxed(&hints[i]) != 0) {
			soj_or_acq_rel(&st->seg.unit_free[unit / 64], /* B0 */
				       bit);
			break;
		}
	return false;
}

static bool chunk_from_pages(struct soj_store *st, struct soj_worker *w,
			     uint32_t class, uint32_t *chunk)
{
	for (uint32_t i = 0; i < st->seg.lay.unit_hint_words; i++) {
		uint64_t bits = soj_load_relaxed(&st->seg.unit_free[i]);

		for (; bits; bits &= bits - 1) {
			uint32_t unit = i * 64 + soj_ctz64(bits);
			uint64_t word;

			if (unit >= st->seg.lay.units ||
			    soj_page_class(st, unit, &word) != class)
				continue;
			if (soj_gone(w))
				return false;
			while (refill_from_unit(st, w, class, unit))
				if (chunk_from_magazine(st, w, class, chunk))
					return true;
		}
	}
	return false;
}

/* The same of a chunk, in the pages of the class. */
static bool chunk_from_states(struct soj_store *st, struct soj_worker *w,
			      uint32_t class, uint32_t *chunk)
{
	const uint64_t epoch = soj_epoch(&st->seg);

	for (uint32_t unit = 0; unit < st->seg.lay.units; unit++) {
		uint64_t word;

		if (soj_page_class(st, unit, &word) != class)
			continue;
		for (uint32_t s = 0; s < st->classes[class].page_slots; s++) {
			soj_word_t *state;

			*chunk = soj_chunk(unit, s);
			state = soj_chunk_state(st, *chunk);
			if ((own_state(w, state) &&
			     chunk_still_of(st, w, class, unit, s)) ||
			    soj_chunk_reuse(st, w, class, *chunk,
					    soj_load_acquire(state), /* S1 */
					    epoch))
				return true;
		}
	}
	return false;
}

int soj_chunk_own(struct soj_store *st, struct soj_worker *w, uint32_t class,
		  uint32_t *chunk)
{
	int rc;

	if (!soj_has_slot(w))
		return -EAGAIN;
	if (class >= SOJ_CLASSES)
		return -EMSGSIZE;
	if (soj_limbo_reuse(st, w, class, chunk) ||
	    chunk_from_magazine(st, w, class, chunk) ||
	    chunk_from_pages(st, w, class, chunk))
		return 0;
	do {
		rc = soj_page_new(st, w, class);
		if (rc == 0 && chunk_from_magazine(st, w, class, chunk))
			return 0;
	} while (rc == 0);
	if (rc == -ENOSPC && chunk_from_states(st, w, class, chunk))
		return 0;
	return soj_gone(w) ? -ECANCELED : rc;
}

int soj_chunk_own_in_pages(struct soj_store *st, struct soj_worker *w,
			   uint32_t class, uint32_t *chunk)
{
	if (!soj_has_slot(w))
		return -EAGAIN;
	if (class >= SOJ_CLASSES)
		return -EMSGSIZE;
	if (chunk_from_magazine(st, w, class, chunk) ||
	    chunk_from_pages(st, w, class, chunk) ||
	    chunk_from_states(st, w, class, chunk))
		return 0;
	return soj_gone(w) ? -ECANCELED : -ENOSPC;
}

bool soj_state_publish(soj_word_t *state, uint64_t owned)
{
	return soj_cas_acq_rel(state, &owned, /* S0 */
			       soj_state(SOJ_LIVE, 0, soj_state_gen(owned)));
}

/* ---- freeing ---- */

soj_word_t *soj_chunk_words(const struct soj_store *st, uint32_t chunk,
			    uint32_t *chunk_bytes)
{
	return soj_chunk_locate(st, chunk, chunk_bytes);
}

/* All of it: the head cannot be believed, where its writer died or raced. */
static void chunk_wipe(struct soj_store *st, uint32_t chunk)
{
	uint32_t bytes;
	soj_word_t *words = soj_chunk_locate(st, chunk, &bytes);

	if (words != NULL && !SOJ_PLANT(WIPE_SKIPPED))
		soj_zero_words(words, bytes / 8);
}

/* The chunk is OWNED by me, exactly `owned`. */
static void chunk_free(struct soj_store *st, struct soj_worker *w,
		       uint32_t chunk, uint64_t owned, uint64_t gen)
{
	soj_word_t *state = soj_chunk_state(st, chunk);

	chunk_wipe(st, chunk);
	SOJ_STEP("slab.chunk.wiped");
	if (soj_gone(w))
		return;
	soj_cas_acq_rel(state, &owned, /* S0 */
			soj_state(SOJ_FREE, 0, gen));
	SOJ_STEP("slab.chunk.freed");
	soj_chunk_hint_free(st, chunk);
}

void soj_chunk_abandon(struct soj_store *st, struct soj_worker *w,
		       uint32_t chunk)
{
	uint64_t owned = soj_load_acquire(soj_chunk_state(st, chunk)); /* S1 */

	if (soj_gone(w) || soj_state_phase(owned) != SOJ_OWNED ||
	    soj_state_aux(owned) != w->thr.slot)
		return;
	chunk_free(st, w, chunk, owned, soj_state_gen(owned) + 1);
}

/* Versions survive. */
static void entry_wipe(struct soj_shm_entry *e, uint64_t gen)
{
	uint64_t ctl = soj_load_relaxed(&e->ctl);
	uint64_t link = soj_load_relaxed(&e->link);
	uint64_t lock = soj_load_relaxed(&e->lock);

	soj_store_release(&e->ctl, /* E0 */
			  soj_ctl_next(ctl, SOJ_NONE, SOJ_CHUNK_NONE));
	soj_fence_release(); /* S2 */
	SOJ_STEP("slab.entry.ctl");
	soj_store_relaxed(&e->life, soj_life(gen, 0));
	soj_zero_words(e->digest, 2);
	soj_store_relaxed(&e->renew, soj_renew_never(gen));
	soj_store_relaxed(&e->created_ms, 0);
	soj_store_relaxed(&e->expires_ms, 0);
	soj_store_relaxed(&e->idle_ms, 0);
	soj_store_relaxed(&e->sliding_ms, 0);
	soj_store_relaxed(&e->link,
			  soj_link(0, soj_link_version(link) + 1, false));
	soj_zero_words(e->subject, 2);
	soj_store_relaxed(&e->login, 0);
	soj_store_relaxed(&e->event, soj_told(SOJ_TOLD_NOTHING, gen, 0));
	soj_store_relaxed(&e->predecessor, 0);
	soj_store_relaxed(&e->lock,
			  soj_lock(SOJ_SLOT_NONE, soj_lock_count(lock) + 1, 0));
	soj_store_relaxed(&e->misc, 0);
	SOJ_STEP("slab.entry.wiped");
}

/* The entry is OWNED by me, exactly `owned`. */
static void entry_free(struct soj_store *st, struct soj_worker *w, uint32_t idx,
		       uint64_t owned, uint64_t gen)
{
	entry_wipe(soj_entry(st, idx), gen);
	if (soj_gone(w))
		return;
	soj_cas_acq_rel(&st->seg.entry_states[idx], &owned, /* S0 */
			soj_state(SOJ_FREE, 0, gen));
	SOJ_STEP("slab.entry.freed");
	soj_entry_hint_free(st, idx);
}

void soj_entry_abandon(struct soj_store *st, struct soj_worker *w, uint32_t idx)
{
	uint64_t owned = soj_load_acquire(&st->seg.entry_states[idx]); /* S1 */

	if (soj_gone(w) || soj_state_phase(owned) != SOJ_OWNED ||
	    soj_state_aux(owned) != w->thr.slot)
		return;
	entry_free(st, w, idx, owned, soj_state_gen(owned) + 1);
}

static bool take_over(struct soj_worker *w, soj_word_t *state, uint64_t was,
		      uint64_t *mine)
{
	*mine = soj_state(SOJ_OWNED, w->thr.slot, soj_state_gen(was) + 1);
	SOJ_STEP("slab.takeover.seen");
	if (soj_gone(w) || !soj_has_slot(w) ||
	    !soj_cas_acq_rel(state, &was, *mine)) /* S0 */
		return false;
	soj_fence_release(); /* S2 */
	SOJ_STEP("slab.taken.over");
	return true;
}

bool soj_entry_take_over(struct soj_store *st, struct soj_worker *w,
			 uint32_t idx, uint64_t was)
{
	uint64_t mine;

	if (!take_over(w, &st->seg.entry_states[idx], was, &mine))
		return false;
	entry_free(st, w, idx, mine, soj_state_gen(mine));
	return true;
}

static bool retire(struct soj_store *st, soj_word_t *state, uint64_t was,
		   uint64_t *retired)
{
	*retired = soj_state(SOJ_RETIRED, soj_epoch_retire(&st->seg),
			     soj_state_gen(was));
	if (soj_state_phase(was) != SOJ_LIVE &&
	    soj_state_phase(was) != SOJ_OWNED)
		return false;
	SOJ_STEP("slab.retire.stamped");
	return soj_cas_acq_rel(state, &was, *retired); /* S0 */
}

bool soj_chunk_retire(struct soj_store *st, struct soj_worker *w,
		      uint32_t chunk, uint64_t was)
{
	uint64_t retired;

	if (soj_gone(w) ||
	    !retire(st, soj_chunk_state(st, chunk), was, &retired))
		return false;
	SOJ_STEP("slab.chunk.retired");
	soj_limbo_add(st, w, chunk, false, retired);
	return true;
}

bool soj_entry_retire(struct soj_store *st, struct soj_worker *w, uint32_t idx,
		      uint64_t was)
{
	uint64_t retired;

	if (soj_gone(w) ||
	    !retire(st, &st->seg.entry_states[idx], was, &retired))
		return false;
	SOJ_STEP("slab.entry.retired");
	soj_limbo_add(st, w, idx, true, retired);
	return true;
}

/*
 * Of a page, it may have been published: then others may be in it.  Of a unit
 * that is no page, or no more, it was taken with all the others, FREE, by who
 * drained that page; and there it must not wait for a grace period, as the unit
 * becomes a page of another class.
 */
bool soj_chunk_take_over(struct soj_store *st, struct soj_worker *w,
			 uint32_t chunk, uint64_t was)
{
	soj_word_t *state = soj_chunk_state(st, chunk);
	uint64_t mine, word;

	if (soj_page_class(st, soj_chunk_unit(chunk), &word) < SOJ_CLASSES)
		return soj_chunk_retire(st, w, chunk, was);
	if (!take_over(w, state, was, &mine))
		return false;
	chunk_free(st, w, chunk, mine, soj_state_gen(mine));
	return true;
}

/* The epoch may have been loaded long before the word was: by as much as half of
 * what a stamp can tell, and the stamp would seem old.  So it is loaded again. */
static bool take_retired(const struct soj_store *st, struct soj_worker *w,
			 soj_word_t *state, uint64_t was, uint64_t epoch,
			 uint64_t *owned)
{
	if (soj_gone(w) || !soj_has_slot(w) ||
	    soj_state_phase(was) != SOJ_RETIRED ||
	    !soj_gp_elapsed(epoch, soj_state_aux(was)) ||
	    !soj_gp_elapsed(soj_epoch(&st->seg), soj_state_aux(was)))
		return false;
	*owned = soj_state(SOJ_OWNED, w->thr.slot, soj_state_gen(was) + 1);
	SOJ_STEP("slab.reclaim.seen");
	if (!soj_cas_acq_rel(state, &was, *owned)) /* S0 */
		return false;
	soj_fence_release(); /* S2 */
	SOJ_STEP("slab.reclaim.owned");
	soj_count(&w->thr, SOJ_COUNT_reclaimed);
	return true;
}

bool soj_chunk_reclaim(struct soj_store *st, struct soj_worker *w,
		       uint32_t chunk, uint64_t was, uint64_t epoch)
{
	uint64_t owned;

	if (!take_retired(st, w, soj_chunk_state(st, chunk), was, epoch,
			  &owned))
		return false;
	chunk_free(st, w, chunk, owned, soj_state_gen(owned));
	return true;
}

bool soj_chunk_reuse(struct soj_store *st, struct soj_worker *w, uint32_t class,
		     uint32_t chunk, uint64_t was, uint64_t epoch)
{
	uint64_t owned, word;

	if (soj_page_class(st, soj_chunk_unit(chunk), &word) != class ||
	    !take_retired(st, w, soj_chunk_state(st, chunk), was, epoch,
			  &owned))
		return false;
	chunk_wipe(st, chunk);
	SOJ_STEP("slab.chunk.rewiped");
	return !soj_gone(w) &&
	       chunk_still_of(st, w, class, soj_chunk_unit(chunk),
			      soj_chunk_slot(chunk));
}

bool soj_entry_reclaim(struct soj_store *st, struct soj_worker *w, uint32_t idx,
		       uint64_t was, uint64_t epoch)
{
	uint64_t owned;

	if (!take_retired(st, w, &st->seg.entry_states[idx], was, epoch,
			  &owned))
		return false;
	entry_free(st, w, idx, owned, soj_state_gen(owned));
	return true;
}

bool soj_entry_reuse(struct soj_store *st, struct soj_worker *w, uint32_t idx,
		     uint64_t was, uint64_t epoch)
{
	uint64_t owned;

	if (!take_retired(st, w, &st->seg.entry_states[idx], was, epoch,
			  &owned))
		return false;
	entry_wipe(soj_entry(st, idx), soj_state_gen(owned));
	return !soj_gone(w);
}
