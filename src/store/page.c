/* SPDX-License-Identifier: MIT */

/*
 * Units of the chunk area, and the pages that classes make of them.
 *
 * A page is one or more adjacent units, cut into chunks of one class.  Large
 * classes take several units, so that little is lost at the end.  The first
 * unit's word is ACTIVE(class), the others' PART(distance).
 *
 * Making a page: CAS the first unit FREE -> OWNED, then the others, then
 * others -> PART, and last the first -> ACTIVE: that CAS decides.
 * Freeing one: ACTIVE -> DRAINING(me); own each chunk (FREE ones at once, LIVE
 * ones after relocation and a grace period); then first -> OWNED(me), the
 * others -> FREE, chunk states -> FREE, first -> FREE.  While a thread owns a
 * chunk of a page, nobody can own all of them: the page stays what it is.
 *
 * Crash table
 *   units OWNED            repair: OWNED(dead) -> FREE
 *   some PART              repair: first PART whose first unit is the dead's, or
 *                          no page -> FREE
 *   DRAINING, chunks OWNED repair: -> ACTIVE; chunks: slab.c
 *   relocated, ctl CASed   new chunk OWNED(dead) but named by ctl: repair makes
 *                          it LIVE; the old one LIVE and not named: scrubbed
 *   first OWNED again      repair: chunks OWNED(dead) -> FREE, parts, first
 * Stop table: exact CASes on words with generations throughout.
 *
 * Edges
 *   U0  cas of a unit word                         U1
 *   U1  load of a unit word                        U0
 *   S0  cas of a chunk's state (slab.c)            S1
 *   S1  load of a state (slab.c)                   S0
 *   B0  or of hints (slab.c)                       B0
 *   E0  relocate: cas of ctl (entry.c)             E1
 *   E1  load of ctl (entry.c)                      E0
 */

#include <errno.h>

#include "base/fault.h"
#include "store/fetch.h"
#include "store/locate.h"

#define CHUNK_OVERHEAD_BYTES 32u

static uint32_t class_chunk_bytes(uint32_t class)
{
	return ((8 + class % 8) << (class / 8 + 3)) + CHUNK_OVERHEAD_BYTES;
}

uint32_t soj_class_of(uint64_t chunk_bytes)
{
	uint64_t payload;
	unsigned log2;
	uint32_t class;

	if (chunk_bytes <= 64 + CHUNK_OVERHEAD_BYTES)
		return 0;
	payload = chunk_bytes - CHUNK_OVERHEAD_BYTES;
	log2 = 63u - (unsigned)__builtin_clzll(payload);
	class = (log2 - 6) * 8 +
		(uint32_t)soj_div_up(payload - (UINT64_C(1) << log2),
				     UINT64_C(1) << (log2 - 3));
	return class < SOJ_CLASSES ? class : SOJ_CLASSES;
}

/* Fewest units for which at most 1/16 is lost, else those that lose least. */
static void class_init(struct soj_class *class, uint32_t chunk_bytes,
		       uint32_t unit_slots)
{
	uint64_t best_lost = UINT64_MAX;

	class->chunk_bytes = chunk_bytes;
	for (uint32_t units = 1; units <= 16; units++) {
		uint64_t bytes = (uint64_t)units * SOJ_UNIT_BYTES;
		/* Lost bytes per unit, so that sizes compare. */
		uint64_t lost = bytes % chunk_bytes / units;

		if (bytes < chunk_bytes || lost >= best_lost)
			continue;
		best_lost = lost;
		class->page_units = units;
		class->page_slots =
			(uint32_t)soj_min(bytes / chunk_bytes, unit_slots);
		if (lost <= SOJ_UNIT_BYTES / 16)
			return;
	}
}

void soj_store_init(struct soj_store *st)
{
	st->seal_bytes =
		st->seg.flags & SOJ_SHM_SEALED ? SOJ_SHM_SEAL_BYTES : 0;
	for (uint32_t c = 0; c < SOJ_CLASSES; c++)
		class_init(&st->classes[c], class_chunk_bytes(c),
			   st->seg.lay.unit_slots);
}

uint32_t soj_page_class(const struct soj_store *st, uint32_t unit,
			uint64_t *word)
{
	const struct soj_class *class = soj_unit_locate(st, unit, word);

	return class ? (uint32_t)(class - st->classes) : SOJ_CLASSES;
}

static uint64_t unit_freed(uint64_t word)
{
	return soj_unit(SOJ_UNIT_FREE, 0, 0, 0, soj_unit_gen(word) + 1);
}

/* A page that was to be drained, and stays.  The next to drain it may have the
 * same slot: a repairer who stood still must not take his word for the dead
 * one's. */
static uint64_t active_again(uint64_t word)
{
	return soj_unit(SOJ_UNIT_ACTIVE, soj_unit_class(word), 0, 0,
			soj_unit_gen(word) + 1);
}

static void unit_give_back(struct soj_store *st, uint32_t unit, uint32_t slot)
{
	uint64_t word = soj_load_acquire(&st->seg.units[unit]); /* U1 */

	if (soj_unit_phase(word) == SOJ_UNIT_OWNED &&
	    soj_unit_slot(word) == slot)
		soj_cas_acq_rel(&st->seg.units[unit], &word, /* U0 */
				unit_freed(word));
}

static bool unit_own(struct soj_store *st, struct soj_worker *w, uint32_t unit)
{
	uint64_t word = soj_load_acquire(&st->seg.units[unit]); /* U1 */

	if (soj_unit_phase(word) != SOJ_UNIT_FREE)
		return false;
	SOJ_STEP("page.unit.seen");
	return !soj_gone(w) &&
	       soj_cas_acq_rel(&st->seg.units[unit], &word, /* U0 */
			       soj_unit(SOJ_UNIT_OWNED, 0, w->thr.slot, 0,
					soj_unit_gen(word)));
}

/* Owns `count` adjacent units from `first`; all or none. */
static bool units_own(struct soj_store *st, struct soj_worker *w,
		      uint32_t first, uint32_t count)
{
	uint32_t have = 0;

	while (have < count && unit_own(st, w, first + have))
		have++;
	SOJ_STEP("page.units.owned");
	if (have == count)
		return true;
	while (have-- > 0 && !soj_gone(w))
		unit_give_back(st, first + have, w->thr.slot);
	return false;
}

/* From OWNED by me to what a page's unit is. */
static void unit_become(struct soj_store *st, struct soj_worker *w,
			uint32_t unit, enum soj_unit_phase phase,
			uint32_t class, uint32_t part)
{
	uint64_t word = soj_load_acquire(&st->seg.units[unit]); /* U1 */

	if (soj_gone(w) || soj_unit_phase(word) != SOJ_UNIT_OWNED ||
	    soj_unit_slot(word) != w->thr.slot)
		return;
	soj_cas_acq_rel(&st->seg.units[unit], &word, /* U0 */
			soj_unit(phase, class, 0, part, soj_unit_gen(word)));
}

static void page_hints(struct soj_store *st, struct soj_worker *w,
		       uint32_t class, uint32_t unit)
{
	const uint32_t per_unit = st->seg.lay.unit_slots / 64;
	uint32_t slots = st->classes[class].page_slots;
	struct soj_magazine *mag = &w->chunks[class];

	for (uint32_t i = 0; i * 64 < slots; i++) {
		uint64_t bits = slots - i * 64 >= 64 ? UINT64_MAX
						     : SOJ_MASK(slots - i * 64);

		if (i == 0) {
			mag->word = unit * per_unit;
			mag->bits = bits;
			continue;
		}
		soj_or_acq_rel(/* B0 */
			       &st->seg.chunk_free[(uint64_t)unit * per_unit +
						   i],
			       bits);
	}
	if (slots > 64)
		soj_or_acq_rel(&st->seg.unit_free[unit / 64], /* B0 */
			       UINT64_C(1) << unit % 64);
}

int soj_page_new(struct soj_store *st, struct soj_worker *w, uint32_t class)
{
	const uint32_t count = st->classes[class].page_units;

	for (uint32_t u = 0; u + count <= st->seg.lay.units; u++) {
		if (soj_unit_phase(soj_load_relaxed(&st->seg.units[u])) !=
		    SOJ_UNIT_FREE)
			continue;
		if (!units_own(st, w, u, count)) {
			if (soj_gone(w))
				return -ECANCELED;
			continue;
		}
		for (uint32_t i = 1; i < count; i++)
			unit_become(st, w, u + i, SOJ_UNIT_PART, class, i);
		SOJ_STEP("page.parts");
		unit_become(st, w, u, SOJ_UNIT_ACTIVE, class, 0);
		SOJ_STEP("page.active");
		page_hints(st, w, class, u);
		return 0;
	}
	return -ENOSPC;
}

/* ---- relocation ---- */

int soj_chunk_relocate(struct soj_store *st, struct soj_worker *w,
		       uint32_t chunk)
{
	soj_word_t *state = soj_chunk_state(st, chunk);
	uint64_t was = soj_load_acquire(state); /* S1 */
	struct soj_chunk_view view;
	struct soj_shm_entry *e;
	uint64_t ctl, owned, word;
	uint32_t fresh, bytes, to_bytes = 0;
	soj_word_t *from, *to;
	int rc;

	from = soj_chunk_words(st, chunk, &bytes);
	if (soj_state_phase(was) != SOJ_LIVE || from == NULL ||
	    !soj_chunk_look(st, chunk, &view) ||
	    !soj_entry_idx_ok(st, view.entry))
		return -EAGAIN;
	e = soj_entry(st, view.entry);
	ctl = soj_load_acquire(&e->ctl); /* E1 */
	if (!soj_ctl_readable(ctl) || soj_ctl_chunk(ctl) != chunk)
		return -EAGAIN;
	rc = soj_chunk_own_in_pages(
		st, w, soj_page_class(st, soj_chunk_unit(chunk), &word),
		&fresh);
	if (rc < 0)
		return rc;
	owned = soj_load_acquire(soj_chunk_state(st, fresh)); /* S1 */
	to = soj_chunk_words(st, fresh, &to_bytes);
	if (to_bytes != bytes)
		to = NULL; /* no page changes its class under an owned chunk */
	for (uint32_t i = 0; to != NULL && i < bytes / 8; i++) {
		word = soj_load_relaxed(&from[i]);
		soj_store_relaxed(&to[i], word);
	}
	SOJ_STEP("relocate.copied");
	if (soj_gone(w))
		return -ECANCELED;
	if (to == NULL ||
	    !soj_cas_acq_rel(&e->ctl, &ctl, /* E0 */
			     soj_ctl_next(ctl, soj_ctl_status(ctl), fresh))) {
		soj_chunk_abandon(st, w, fresh);
		return -EAGAIN;
	}
	SOJ_STEP("relocate.published");
	soj_state_publish(soj_chunk_state(st, fresh), owned);
	SOJ_STEP("relocate.live");
	soj_index_hint(
		st, w, soj_entry_digest(st, view.entry),
		soj_ref(view.entry, soj_life_gen(soj_load_relaxed(&e->life))),
		fresh, 8 * (uint64_t)(view.data - from) + view.data_bytes);
	soj_chunk_retire(st, w, chunk, was);
	soj_count(&w->thr, SOJ_COUNT_relocated);
	return 0;
}

/* ---- draining ---- */

/* Owns one chunk of a page that is being drained, or moves it away. */
static bool drain_one(struct soj_store *st, struct soj_worker *w,
		      uint32_t chunk)
{
	soj_word_t *state = soj_chunk_state(st, chunk);
	uint64_t word = soj_load_acquire(state); /* S1 */

	switch (soj_state_phase(word)) {
	case SOJ_FREE:
		return soj_cas_acq_rel(
			state, &word, /* S0 */
			soj_state(SOJ_OWNED, w->thr.slot, soj_state_gen(word)));
	case SOJ_LIVE:
		soj_chunk_relocate(st, w, chunk);
		return false;
	case SOJ_RETIRED:
		soj_epoch_advance(&st->seg);
		soj_chunk_reclaim(st, w, chunk, word, soj_epoch(&st->seg));
		return false;
	default:
		return soj_state_aux(word) == w->thr.slot;
	}
}

static void drain_undo(struct soj_store *st, struct soj_worker *w,
		       uint32_t unit, uint32_t class)
{
	uint64_t word;

	for (uint32_t s = 0; s < st->classes[class].page_slots; s++)
		soj_chunk_abandon(st, w, soj_chunk(unit, s));
	word = soj_load_acquire(&st->seg.units[unit]); /* U1 */
	if (soj_unit_phase(word) == SOJ_UNIT_DRAINING &&
	    soj_unit_slot(word) == w->thr.slot && !soj_gone(w))
		soj_cas_acq_rel(&st->seg.units[unit], &word, /* U0 */
				active_again(word));
}

/* False: it is not ours any more. */
static bool drain_done(struct soj_store *st, struct soj_worker *w,
		       uint32_t unit, uint32_t class)
{
	uint64_t first = soj_load_acquire(&st->seg.units[unit]); /* U1 */

	if (soj_unit_phase(first) != SOJ_UNIT_DRAINING ||
	    soj_unit_slot(first) != w->thr.slot || soj_gone(w) ||
	    !soj_cas_acq_rel(&st->seg.units[unit], &first, /* U0 */
			     soj_unit(SOJ_UNIT_OWNED, 0, w->thr.slot, 0,
				      soj_unit_gen(first))))
		return false;
	SOJ_STEP("drain.owned");
	for (uint32_t i = 1; i < st->classes[class].page_units; i++) {
		uint64_t word =
			soj_load_acquire(&st->seg.units[unit + i]); /* U1 */

		if (soj_unit_phase(word) == SOJ_UNIT_PART)
			soj_cas_acq_rel(&st->seg.units[unit + i], /* U0 */
					&word, unit_freed(word));
	}
	SOJ_STEP("drain.parts");
	for (uint32_t s = 0; s < st->classes[class].page_slots; s++)
		soj_chunk_abandon(st, w, soj_chunk(unit, s));
	SOJ_STEP("drain.states");
	unit_give_back(st, unit, w->thr.slot);
	return true;
}

/* As soj_page_drain() of that page. */
static int drain_page(struct soj_store *st, struct soj_worker *w, uint32_t unit,
		      uint32_t class)
{
	uint64_t word = soj_load_acquire(&st->seg.units[unit]); /* U1 */

	SOJ_STEP("drain.chosen");
	if (soj_unit_phase(word) != SOJ_UNIT_ACTIVE ||
	    soj_unit_class(word) != class || soj_gone(w) ||
	    !soj_cas_acq_rel(&st->seg.units[unit], &word, /* U0 */
			     soj_unit(SOJ_UNIT_DRAINING, class, w->thr.slot, 0,
				      soj_unit_gen(word))))
		return soj_gone(w) ? -EBUSY : -EAGAIN;
	SOJ_STEP("drain.begun");
	w->chunks[class].bits = 0; /* not from here any more */
	for (unsigned round = 0; round < 6 && !soj_gone(w); round++) {
		uint32_t left = 0;

		for (uint32_t s = 0; s < st->classes[class].page_slots; s++)
			if (!drain_one(st, w, soj_chunk(unit, s)))
				left++;
		if (left == 0 && drain_done(st, w, unit, class))
			return 0;
	}
	drain_undo(st, w, unit, class);
	return -EBUSY;
}

/* How many chunks of the page would have to be moved; UINT32_MAX: too many. */
static uint32_t page_live(const struct soj_store *st, uint32_t unit,
			  uint32_t class)
{
	uint32_t live = 0;

	for (uint32_t s = 0; s < st->classes[class].page_slots; s++) {
		uint64_t word = soj_load_relaxed(
			soj_chunk_state(st, soj_chunk(unit, s)));

		if (soj_state_phase(word) == SOJ_LIVE)
			live++;
		else if (soj_state_phase(word) == SOJ_OWNED)
			return UINT32_MAX;
	}
	return live;
}

int soj_page_drain(struct soj_store *st, struct soj_worker *w, uint32_t class)
{
	uint32_t free_of[SOJ_CLASSES] = {0};
	uint32_t best_unit = 0, best_class = SOJ_CLASSES;
	uint64_t best_bytes = UINT64_MAX, word;

	for (uint32_t u = 0; u < st->seg.lay.units; u++) {
		uint32_t c = soj_page_class(st, u, &word);
		uint32_t live;

		if (c >= SOJ_CLASSES)
			continue;
		live = page_live(st, u, c);
		if (live != UINT32_MAX)
			free_of[c] += st->classes[c].page_slots - live;
	}
	for (uint32_t u = 0; u < st->seg.lay.units; u++) {
		uint32_t c = soj_page_class(st, u, &word);
		uint32_t live, slots;

		if (c >= SOJ_CLASSES || c == class)
			continue;
		live = page_live(st, u, c);
		slots = st->classes[c].page_slots;
		/* The others of its class must take what lives here. */
		if (live == UINT32_MAX || free_of[c] < slots ||
		    (uint64_t)live * st->classes[c].chunk_bytes >= best_bytes)
			continue;
		best_bytes = (uint64_t)live * st->classes[c].chunk_bytes;
		best_unit = u;
		best_class = c;
	}
	if (best_class == SOJ_CLASSES)
		return -EBUSY;
	return drain_page(st, w, best_unit, best_class);
}

/* A part of no page, nor of one that somebody else is about to make: that one's
 * own death is another turn. */
static bool part_is_lost(const struct soj_store *st, uint32_t unit,
			 uint64_t word, uint32_t slot, uint64_t claim)
{
	const uint32_t part = soj_unit_part(word);
	uint64_t first;
	uint32_t class;

	if (part > unit)
		return true;
	class = soj_page_class(st, unit - part, &first);
	if (soj_unit_phase(first) == SOJ_UNIT_OWNED)
		return soj_unit_slot(first) == slot &&
		       soj_slot_still(&st->seg, slot, claim);
	return class == SOJ_CLASSES || class != soj_unit_class(word) ||
	       part == 0 || part >= st->classes[class].page_units;
}

/*
 * The parts before their first unit: as long as that is the dead one's, his slot
 * is not that of one who owned nothing, which is freed without a repair
 * (upkeep/claim.c).
 */
uint32_t soj_units_repair(struct soj_store *st, uint32_t slot, uint64_t claim)
{
	uint32_t changed = 0;

	for (uint32_t u = 0; u < st->seg.lay.units; u++) {
		uint64_t word = soj_load_acquire(&st->seg.units[u]); /* U1 */

		if (soj_unit_phase(word) != SOJ_UNIT_PART ||
		    !part_is_lost(st, u, word, slot, claim))
			continue;
		changed += soj_cas_acq_rel(&st->seg.units[u], &word, /* U0 */
					   unit_freed(word));
		SOJ_STEP("repair.unit.part");
	}
	for (uint32_t u = 0; u < st->seg.lay.units; u++) {
		uint64_t word = soj_load_acquire(&st->seg.units[u]); /* U1 */
		enum soj_unit_phase phase = soj_unit_phase(word);

		if ((phase != SOJ_UNIT_OWNED && phase != SOJ_UNIT_DRAINING) ||
		    soj_unit_slot(word) != slot ||
		    !soj_slot_still(&st->seg, slot, claim))
			continue;
		changed += soj_cas_acq_rel(/* U0 */
					   &st->seg.units[u], &word,
					   phase == SOJ_UNIT_OWNED
						   ? unit_freed(word)
						   : active_again(word));
		SOJ_STEP("repair.unit");
	}
	return changed;
}
