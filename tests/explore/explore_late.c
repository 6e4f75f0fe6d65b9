/* SPDX-License-Identifier: MIT */

/*
 * A moment too late, where no label stands: between somebody's look at a word
 * and his CAS of it the word is changed, as another thread would have.  The CAS
 * has to fail, and what the other one stored has to stay.  And where he looks
 * twice, what changed between the looks has to be seen.
 *
 * Here: slots, memory, index and chains.  See also crash/crash_late.c.
 *
 *   explore_late [--list] [CASE...]
 */

#include <dlfcn.h>
#include <errno.h>
#include <linux/futex.h>
#include <string.h>

#include "explore/lib_between.h"
#include "store/fetch.h"

void soj_explore_point(const volatile void *addr, int kind)
{
	between_point(addr, kind);
}

static void begin(void)
{
	between_begin(0);
}

/* No mutex can be had, while it is set. */
static bool no_mutex;

int pthread_mutex_trylock(pthread_mutex_t *mutex)
{
	int (*real)(pthread_mutex_t *) = NULL;

	if (no_mutex)
		return EINVAL;
	*(void **)&real = dlsym(RTLD_NEXT, "pthread_mutex_trylock");
	return real(mutex);
}

/* ---- slots and the role ---- */

static uint32_t free_slot(void)
{
	uint32_t i = 0;

	while (soj_claim_phase(load(&st->seg.slots[i].claim)) != SOJ_CLAIM_FREE)
		i++;
	return i;
}

static void late_claims(void)
{
	const struct soj_seg *seg = &st->seg;
	uint32_t idx = free_slot();
	soj_word_t *claim = &seg->slots[idx].claim;
	struct soj_thread thr;

	for (uint32_t nth = 1; nth <= 2; nth++) {
		/* FREE to BUSY; BUSY to HELD */
		soj_thread_init(&thr);
		before_write_nth(claim, nth, held_claim(9));
		MUST(soj_slot_claim(seg, &thr) == 0 && thr.slot != idx);
		EXPECT_KEPT();
		soj_slot_release(seg, &thr);
		idx = free_slot();
		claim = &seg->slots[idx].claim;
	}
	/* BUSY to what it was, as there is no mutex. */
	soj_thread_init(&thr);
	before_write_nth(claim, 2, held_claim(9));
	no_mutex = true;
	MUST(soj_slot_claim(seg, &thr) == -ENOTSUP);
	no_mutex = false;
	EXPECT_KEPT();
	MUST(thr.slot == SOJ_SLOT_NONE);
}

static void late_releases(void)
{
	const struct soj_seg *seg = &st->seg;
	struct soj_thread thr;

	for (uint32_t nth = 1; nth <= 2; nth++) {
		/* HELD to BUSY; BUSY to FREE */
		soj_thread_init(&thr);
		MUST(soj_slot_claim(seg, &thr) == 0);
		before_write_nth(&seg->slots[thr.slot].claim, nth,
				 held_claim(9));
		soj_slot_release(seg, &thr);
		EXPECT_KEPT();
	}
}

static void late_adopters(void)
{
	const struct soj_seg *seg = &st->seg;
	struct soj_shm_slot *slot = &seg->slots[OTHER];
	struct soj_thread thr;

	soj_store_release(&slot->claim, held_claim(3));
	soj_store_release(&slot->section, soj_section(3, 1));
	before_write(&slot->section, soj_section(4, 2));
	MUST(soj_slot_free_dead(seg, OTHER, held_claim(3)));
	EXPECT_KEPT();
	soj_store_release(&slot->claim, held_claim(3));
	soj_store_release(&slot->section, soj_section(4, 2) & ~SOJ_MASK(32));
	soj_thread_init(&thr);
	MUST(soj_slot_adopt(seg, &thr, OTHER, held_claim(3)) == 0);
	before_write(&slot->claim, held_claim(9));
	MUST(soj_slot_settle(seg, &thr) == -ENOTSUP);
	EXPECT_KEPT();
}

/* The mark that proves a death is that of the slot's former holder. */
static void marks_of_before(void)
{
	const struct soj_seg *seg = &st->seg;
	struct soj_shm_slot *slot = &seg->slots[OTHER];
	soj_half_t *mutex = (soj_half_t *)(void *)&slot->life;
	uint64_t claim;

	soj_store_release(&slot->claim, held_claim(3));
	soj_store_release(mutex, 77 | FUTEX_OWNER_DIED);
	MUST(soj_slot_dead(seg, OTHER, false, &claim));
	before_access(&slot->claim, ACCESS_LOAD, 2, held_claim(4));
	MUST(!soj_slot_dead(seg, OTHER, false, &claim));
	EXPECT_KEPT();
}

static void late_roles(void)
{
	const struct soj_seg *seg = &st->seg;
	soj_word_t *role = &seg->hdr->role;

	before_write(role, soj_role(OTHER, 3, 8));
	MUST(!soj_role_try(seg, &me->thr));
	EXPECT_KEPT();
	MUST(soj_role_try(seg, &me->thr));
	before_write(role, soj_role(OTHER, 3, 8));
	soj_role_release(seg, &me->thr);
	EXPECT_KEPT();
}

/* ---- chunks ---- */

static void late_chunks(void)
{
	uint32_t chunk = own_chunk(0), unit = soj_chunk_unit(chunk);
	soj_word_t *state = soj_chunk_state(st, chunk);
	soj_word_t *page = &st->seg.units[unit];
	uint64_t word = load(page);

	before_write(state, passed_on(load(state)));
	soj_chunk_abandon(st, me, chunk);
	EXPECT_KEPT();
	/* The page is being taken: what was owned goes back. */
	MUST(me->chunks[0].bits != 0);
	chunk = soj_chunk(unit, soj_ctz64(me->chunks[0].bits));
	state = soj_chunk_state(st, chunk);
	soj_store_release(page, soj_unit(SOJ_UNIT_DRAINING, 0, OTHER, 0,
					 soj_unit_gen(word)));
	before_write_nth(state, 2, passed_on(load(state)));
	MUST(soj_chunk_unit(own_chunk(0)) != unit);
	EXPECT_KEPT();
	/* And when nobody comes, with another generation. */
	me->chunks[0].word = unit * (st->seg.lay.unit_slots / 64);
	me->chunks[0].bits = UINT64_C(1) << (soj_chunk_slot(chunk) + 1);
	state = soj_chunk_state(st, chunk + 1);
	word = load(state);
	MUST(soj_chunk_unit(own_chunk(0)) != unit);
	MUST(load(state) == soj_state(SOJ_FREE, 0, soj_state_gen(word) + 1));
}

static void late_entries(void)
{
	soj_word_t *state = state_word(own_entry());

	before_write(state, passed_on(load(state)));
	soj_entry_abandon(st, me, (uint32_t)(state - st->seg.entry_states));
	EXPECT_KEPT();
}

/* Made of another size between the hint and the owning. */
static void pages_of_before(void)
{
	uint32_t unit = soj_chunk_unit(own_chunk(0));
	soj_word_t *page = &st->seg.units[unit];

	MUST(me->chunks[0].bits != 0);
	before_access(page, ACCESS_LOAD, 1,
		      soj_unit(SOJ_UNIT_ACTIVE, 5, 0, 0,
			       soj_unit_gen(load(page)) + 1));
	MUST(soj_chunk_unit(own_chunk(0)) != unit);
	EXPECT_KEPT();
}

/* ---- units ---- */

#define LAST (st->seg.lay.units - 1)

/* The first class whose pages have that many units. */
static uint32_t class_of_units(uint32_t units)
{
	uint32_t class = 0;

	while (st->classes[class].page_units != units)
		class ++;
	return class;
}

static uint64_t unit_of_other(enum soj_unit_phase phase, soj_word_t *word)
{
	return soj_unit(phase, 0, OTHER, 0, soj_unit_gen(load(word)) + 1);
}

static void late_units(void)
{
	const uint32_t two = class_of_units(2);
	soj_word_t *unit = &st->seg.units[1];

	MUST(soj_unit_phase(load(unit)) == SOJ_UNIT_FREE && LAST == 3);
	/* From OWNED to a page */
	before_write_nth(unit, 2, unit_of_other(SOJ_UNIT_OWNED, unit));
	MUST(soj_page_new(st, me, 0) == 0);
	EXPECT_KEPT();
	/* One of two units is had only, and it goes back. */
	unit = &st->seg.units[2];
	soj_store_release(&st->seg.units[LAST],
			  unit_of_other(SOJ_UNIT_OWNED, &st->seg.units[LAST]));
	before_write_nth(unit, 2, unit_of_other(SOJ_UNIT_OWNED, unit));
	MUST(soj_page_new(st, me, two) == -ENOSPC);
	EXPECT_KEPT();
}

/* An empty page, which is the best to be drained. */
static uint32_t empty_page(uint32_t class)
{
	uint32_t unit = 0;

	MUST(soj_page_new(st, me, class) == 0);
	unit = me->chunks[class].word / (st->seg.lay.unit_slots / 64);
	me->chunks[class].bits = 0;
	return unit;
}

static void late_drains(void)
{
	const uint32_t two = class_of_units(2);
	uint32_t unit = empty_page(0);
	soj_word_t *page = &st->seg.units[unit];
	soj_word_t *state = soj_chunk_state(st, soj_chunk(unit, 0));
	uint64_t was = load(page);

	/* ACTIVE to DRAINING, and that to OWNED, and that to FREE */
	for (uint32_t nth = 1; nth <= 3; nth++) {
		before_write_nth(page, nth, unit_of_other(SOJ_UNIT_PART, page));
		MUST((soj_page_drain(st, me, two) == 0) == (nth == 3));
		EXPECT_KEPT();
		soj_store_release(page, was);
		for (uint32_t s = 0; s < st->classes[0].page_slots; s++)
			MUST(soj_state_phase(load(soj_chunk_state(
				     st, soj_chunk(unit, s)))) == SOJ_FREE);
	}
	/* A chunk is taken. */
	before_write(state, passed_on(load(state)));
	MUST(soj_page_drain(st, me, two) == -EBUSY);
	EXPECT_KEPT();
	MUST(load(page) ==
	     soj_unit(SOJ_UNIT_ACTIVE, 0, 0, 0, soj_unit_gen(was) + 1));
	/* One that cannot be moved: back from DRAINING to ACTIVE */
	unit = empty_page(0);
	for (uint32_t s = 0; s < 2; s++)
		soj_store_release(soj_chunk_state(st, soj_chunk(unit, s)),
				  soj_state(SOJ_LIVE, 0, 9));
	soj_store_release(state, soj_state(SOJ_LIVE, 0, 9));
	before_write_nth(page, 2, unit_of_other(SOJ_UNIT_DRAINING, page));
	MUST(soj_page_drain(st, me, two) == -EBUSY);
	EXPECT_KEPT();
}

static void late_drains_of_parts(void)
{
	uint32_t unit = empty_page(class_of_units(2));
	soj_word_t *part = &st->seg.units[unit + 1];

	MUST(soj_unit_phase(load(part)) == SOJ_UNIT_PART);
	before_write(part, unit_of_other(SOJ_UNIT_OWNED, part));
	MUST(soj_page_drain(st, me, 0) == 0);
	EXPECT_KEPT();
}

static void late_unit_repairs(void)
{
	soj_word_t *unit = &st->seg.units[LAST];
	uint64_t claim = held_claim(3);

	soj_store_release(&st->seg.slots[OTHER].claim, claim);
	soj_store_release(unit, unit_of_other(SOJ_UNIT_OWNED, unit));
	before_write(unit, unit_of_other(SOJ_UNIT_FREE, unit));
	MUST(soj_units_repair(st, OTHER, claim) == 0);
	EXPECT_KEPT();
	/* A part of no page */
	soj_store_release(unit, soj_unit(SOJ_UNIT_PART, 0, 0, 1, 9));
	before_write(unit, unit_of_other(SOJ_UNIT_FREE, unit));
	MUST(soj_units_repair(st, OTHER, claim) == 0);
	EXPECT_KEPT();
}

/* ---- the index ---- */

static struct soj_shm_bucket *bucket_of(struct soj_digest digest)
{
	return &st->seg.buckets[soj_scale(digest.word[0], st->seg.lay.buckets)];
}

static uint32_t empty_place(struct soj_shm_bucket *b, uint32_t p)
{
	while (!soj_place_empty(load(&b->place[p])))
		p++;
	return p;
}

static void late_places(void)
{
	struct soj_digest digest = {{UINT64_C(1) << 60, 2}};
	struct soj_shm_bucket *b = bucket_of(digest);
	uint32_t idx = own_entry(), gone = own_entry();
	uint32_t p = empty_place(b, 0), next = empty_place(b, p + 1);
	uint64_t gen = soj_state_gen(load(state_word(idx))), existing;
	uint64_t place = soj_place_of(idx, gen, digest);
	uint64_t stale = soj_place_of(gone, gen + 7, digest);

	before_write(&b->place[p], soj_place_of(gone, gen, digest));
	MUST(soj_index_insert(st, me, digest, place, NULL, &existing) == 0);
	EXPECT_KEPT();
	MUST(load(&b->header) >> next & 1);
	/* Reserved before a hint of a value comes there. */
	before_write(&b->place[next + SOJ_BUCKET_HINT_AT],
		     soj_place_of(gone, gen, digest));
	soj_index_hint(st, me, digest, soj_ref(idx, gen), own_chunk(0), 64);
	EXPECT_KEPT();
	/* Nobody's, and in use again when it is to be cleared. */
	soj_store_release(&b->place[p], stale);
	before_write(&b->place[p], soj_place_of(gone, gen, digest));
	MUST(soj_index_scrub(st, (uint32_t)(b - st->seg.buckets)) == 0);
	EXPECT_KEPT();
	/* A bucket full of what the dead reserved */
	MUST(soj_index_remove(st, me, digest, place));
	for (p = 0; p < SOJ_BUCKET_PLACES; p++)
		if (!(load(&b->header) >> p & 1))
			soj_store_release(&b->place[p], stale);
	MUST(soj_index_insert(st, me, digest, place, NULL, &existing) == 0);
}

/* A place that leads to an entry of that key, but not to that one. */
static void places_of_before(void)
{
	uint32_t idx = entry_of(w.bystander);
	struct soj_digest digest = soj_entry_digest(st, idx);
	struct soj_shm_bucket *b = bucket_of(digest);
	uint64_t header = load(&b->header);
	struct soj_found found;

	/* Nobody's by the second look, as its place may have been at the first
	 * one already. */
	before_access(&b->header, ACCESS_LOAD, 2, soj_bucket_next(header, 0));
	MUST(soj_index_find(st, digest, &found) == -ENOENT);
	EXPECT_KEPT();
	soj_store_release(&b->header, header);
	for (uint32_t p = 0; p < SOJ_BUCKET_PLACES; p++)
		if (load(&b->place[p]) == soj_entry_place(st, ref))
			soj_store_release(&b->place[p],
					  soj_place_of(idx,
						       soj_ref_gen(ref) + 1,
						       digest));
	MUST(soj_index_find(st, digest, &found) == -ENOENT);
}

/* ---- chains ---- */

static soj_word_t *head_of(uint32_t idx)
{
	return &st->seg.heads[soj_head_of(st, soj_entry_subject(st, idx))];
}

/* The same link, changed once more. */
static uint64_t moved_on(uint64_t link)
{
	return soj_link(soj_link_entry(link), soj_link_version(link) + 1,
			link & SOJ_LINK_MARK);
}

static void late_pushes(void)
{
	uint32_t idx = own_entry();
	soj_word_t *head = head_of(idx);
	uint64_t was = load(head), own = load(&soj_entry(st, idx)->link);

	before_write(head, moved_on(was));
	MUST(soj_chain_push(st, me, idx, false) == 0);
	MUST(came());
	MUST(soj_link_version(load(head)) == soj_link_version(was) + 2);
	MUST(load(&soj_entry(st, idx)->login) == soj_link_version(was) + 2);
	/* Linked twice, and each time another word */
	MUST(soj_link_version(load(&soj_entry(st, idx)->link)) ==
	     soj_link_version(own) + 2);
}

static bool may(void *arg, uint32_t idx)
{
	(void)arg;
	(void)idx;
	return true;
}

static void meet(void *count, uint32_t idx)
{
	(void)idx;
	++*(unsigned *)count;
}

static int sweep(soj_word_t *head, unsigned *met)
{
	const struct soj_sweep sweep = {may, meet, met};
	int rc;

	*met = 0;
	soj_section_enter(&st->seg, &me->thr);
	rc = soj_chain_sweep(st, me, (uint32_t)(head - st->seg.heads), &sweep);
	soj_section_exit(&st->seg, &me->thr);
	return rc;
}

/* By handle: it is left to upkeep, and in its chain. */
static void end_linked(unsigned which)
{
	struct sojourn_info info;

	MUST(sojourn_session_read(w.s, w.known[which].id, NULL, NULL, NULL,
				  &info) == 0);
	MUST(sojourn_session_delete_handle(w.s, info.handle) == 1);
	w.known[which].fate = GONE;
}

/* The same by who ends it, and takes out no other. */
static void late_loners(void)
{
	for (unsigned which = 0; which < 2; which++) {
		unsigned known = (unsigned)world_create(&w, "anna", 100);
		uint32_t idx = entry_of(known);
		soj_word_t *link = &soj_entry(st, idx)->link;
		soj_word_t *head = head_of(idx);
		uint64_t linked = load(link), first = load(head);

		before_write(which ? head : link,
			     moved_on(which ? first : linked));
		world_delete(&w, known, false);
		MUST(came());
		MUST(soj_link_entry(load(head)) == soj_link_entry(linked));
		MUST(soj_link_version(load(head)) ==
		     soj_link_version(first) + 1 + which);
		MUST(soj_state_phase(load(&st->seg.entry_states[idx])) ==
		     SOJ_RETIRED);
	}
}

static void late_sweeps(void)
{
	unsigned which = (unsigned)world_create(&w, "anna", 100);
	unsigned met, all;
	uint32_t idx = entry_of(which);
	soj_word_t *link = &soj_entry(st, idx)->link, *head = head_of(idx);
	uint64_t linked = load(link), first = load(head);

	MUST(sweep(head, &all) == 0 && all >= 4);
	end_linked(which);
	MUST(soj_link_entry(first) == idx && load(link) == linked);
	before_write(link, moved_on(linked));
	MUST(sweep(head, &met) == 0 && met == all - 1 && came());
	MUST(soj_link_version(load(link)) == soj_link_version(linked) + 2);
	MUST(soj_link_entry(load(head)) == soj_link_entry(linked));
	/* Another one, marked and then to be taken out. */
	which = (unsigned)world_create(&w, "anna", 100);
	first = load(head);
	end_linked(which);
	before_write(head, moved_on(first));
	MUST(sweep(head, &met) == 0 && met == all - 1 && came());
	MUST(soj_link_version(load(head)) == soj_link_version(first) + 2);
}

/* ---- walks ---- */

static unsigned steps, begun;

static bool step(void *arg, uint32_t idx)
{
	(void)arg;
	(void)idx;
	return ++steps < 200;
}

static soj_word_t *paused; /* link of the entry where a walk pauses */

static void mark_it(void)
{
	atomic_fetch_or(paused, SOJ_LINK_MARK);
}

/* ... and takes it back, so that the walk can come past it. */
static void begin_walk(void *arg)
{
	(void)arg;
	begun++;
	steps = 0;
	if (paused)
		atomic_fetch_and(paused, ~SOJ_LINK_MARK);
}

static void walks_begin_again(void)
{
	const struct soj_walk walk = {begin_walk, step, NULL, 1};
	soj_word_t *head = head_of(entry_of(w.bystander));
	uint32_t at = (uint32_t)(head - st->seg.heads);
	uint64_t word;
	unsigned all;

	paused = &soj_entry(st, soj_link_entry(load(head)))->link;
	MUST(soj_chain_walk(st, me, at, &word, &walk) == 0);
	MUST(begun == 1 && steps >= 3);
	all = steps;
	before_call(paused, ACCESS_LOAD, 2, mark_it);
	MUST(soj_chain_walk(st, me, at, &word, &walk) == 0);
	MUST(came() && begun == 3 && steps == all);
}

static void expel_me(void)
{
	atomic_fetch_or(&st->seg.slots[me->thr.slot].section,
			SOJ_SECTION_EXPELLED);
}

static void walks_end(void)
{
	const struct soj_walk walk = {begin_walk, step, NULL, 64};
	uint32_t idx = entry_of(w.bystander);
	soj_word_t *head = head_of(idx), *link = &soj_entry(st, idx)->link;
	uint32_t at = (uint32_t)(head - st->seg.heads);
	uint64_t word;

	begun = 0;
	before_call(link, ACCESS_LOAD, 1, expel_me);
	MUST(soj_chain_walk(st, me, at, &word, &walk) == 0);
	MUST(came() && begun == 2);
	/* A chain without an end */
	soj_store_release(link, moved_on(load(head)));
	MUST(soj_chain_walk(st, me, at, &word, &walk) == -EBADMSG);
}

/* ---- all ---- */

#define CASES(X)                \
	X(late_claims)          \
	X(late_releases)        \
	X(late_adopters)        \
	X(marks_of_before)      \
	X(late_roles)           \
	X(late_chunks)          \
	X(late_entries)         \
	X(pages_of_before)      \
	X(late_units)           \
	X(late_drains)          \
	X(late_drains_of_parts) \
	X(late_unit_repairs)    \
	X(late_places)          \
	X(places_of_before)     \
	X(late_pushes)          \
	X(late_sweeps)          \
	X(late_loners)          \
	X(walks_begin_again)    \
	X(walks_end)

FOUND_MAIN(CASES)
