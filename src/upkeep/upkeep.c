/* SPDX-License-Identifier: MIT */

/*
 * One pass of upkeep: reap, expel, advance, unlink, retire, reclaim, scrub.
 *
 * Unlinking.  Ended entries come from hints (or from the full scan).  For each
 * the index word is cleared, the line of successors completed, and then, head
 * by head, one sweep takes out what may go.  What a complete sweep did not
 * meet is out of its chain for good and is retired, entry first, then chunk:
 * so the record of an entry that is not retired can still be followed.
 *
 * Crash table (killed after the step)
 *   hints taken       the full scan finds the ended entries
 *   index cleared     as above
 *   unlinked          not met by the next sweep: retired then
 *   entry retired     its chunk is LIVE and named by nobody alive: scrubbed
 *   chunk retired     reclaimed by any full pass
 * Stop table: entry and chunk states are loaded before the sweep or the look
 * at ctl, so a retire that comes late fails on the generation.
 *
 * Edges
 *   B0  take hints: xchg (store/slab.c)   B0
 *   B2  take hints: fence between summary and leaf   store/hint.c B2
 *   S1  load of a state (store/slab.c)    S0
 *   E1  load of ctl (store/entry.c)       E0
 */

#include "upkeep/upkeep.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fault.h"
#include "store/chain.h"
#include "store/event.h"
#include "store/fetch.h"
#include "upkeep/repair.h"

#define PENDING_MAX         65536u
#define PREPARE_PER_SECTION 64u
#define AHEAD               4u

int soj_upkeep_init(struct soj_upkeep *up, struct soj_store *st,
		    struct soj_worker *w)
{
	memset(up, 0, sizeof(*up));
	up->st = st;
	up->w = w;
	up->pending_max =
		(uint32_t)soj_min(PENDING_MAX, st->seg.lay.entries_max);
	up->watch = soj_watch_new(st->seg.lay.slots_max);
	up->dead = calloc(1, sizeof(*up->dead));
	up->pending = calloc(up->pending_max, sizeof(up->pending[0]));
	up->sorted = calloc(up->pending_max, sizeof(up->sorted[0]));
	up->spill.max = 2 * up->pending_max;
	up->spill.at = calloc(up->spill.max, sizeof(up->spill.at[0]));
	if (up->watch && up->dead && up->pending && up->sorted && up->spill.at)
		return 0;
	soj_upkeep_deinit(up);
	return -ENOMEM;
}

void soj_upkeep_deinit(struct soj_upkeep *up)
{
	free(up->watch);
	free(up->dead);
	free(up->pending);
	free(up->sorted);
	free(up->spill.at);
	memset(up, 0, sizeof(*up));
}

bool soj_upkeep_hinted(const struct soj_store *st)
{
	for (uint32_t i = 0; i < st->seg.lay.entry_summary_words; i++)
		if (soj_load_relaxed(&st->seg.ended_summary[i]) != 0)
			return true;
	return false;
}

/* ---- which entries ended ---- */

static uint64_t state_of(const struct soj_upkeep *up, uint32_t idx)
{
	return soj_load_acquire(&up->st->seg.entry_states[idx]); /* S1 */
}

static void add_pending(struct soj_upkeep *up, uint32_t idx)
{
	uint64_t state, ctl;
	struct soj_pending *p;

	if (!soj_entry_idx_ok(up->st, idx))
		return;
	state = state_of(up, idx);
	ctl = soj_load_acquire(&soj_entry(up->st, idx)->ctl); /* E1 */
	if (soj_state_phase(state) != SOJ_LIVE || !soj_ctl_ended(ctl))
		return;
	p = &up->pending[up->pending_count++];
	p->idx = idx;
	p->state = state;
	p->head = soj_head_of(up->st, soj_entry_subject(up->st, idx));
	p->successor = 0;
	p->next = 0;
	p->met = false;
	p->may = false;
	p->held = false;
	p->gone = false;
}

static void take_leaf(struct soj_upkeep *up, uint32_t leaf)
{
	uint64_t bits = soj_xchg_acq_rel(&up->st->seg.ended[leaf], 0); /* B0 */

	SOJ_STEP("upkeep.hints.taken");
	for (uint64_t b = bits; b; b &= b - 1)
		soj_entry_prefetch(up->st, leaf * 64 + soj_ctz64(b));
	for (; bits; bits &= bits - 1)
		add_pending(up, leaf * 64 + soj_ctz64(bits));
}

/* True: the list is full and hints are left. */
static bool take_hints(struct soj_upkeep *up)
{
	const struct soj_seg *seg = &up->st->seg;

	for (uint32_t i = 0; i < seg->lay.entry_summary_words; i++) {
		uint64_t leaves;

		if (soj_load_relaxed(&seg->ended_summary[i]) == 0)
			continue;
		if (up->pending_count + 4096 > up->pending_max &&
		    up->pending_count > 0)
			return true;
		leaves = soj_xchg_acq_rel(&seg->ended_summary[i], 0); /* B0 */
		soj_fence_seq_cst_after_rmw();                        /* B2 */
		for (; leaves; leaves &= leaves - 1) {
			uint32_t leaf = i * 64 + soj_ctz64(leaves);

			if (leaf < seg->lay.entry_hint_words)
				take_leaf(up, leaf);
		}
	}
	return false;
}

/* ---- unlinking ---- */

/* By head, and for each head by index as before; digit by digit, since a sort
 * that compares takes longer than the unlinking. */
static void sort_by_head(struct soj_upkeep *up)
{
	for (uint32_t shift = 0; shift < up->st->seg.lay.heads_log2;
	     shift += 8) {
		struct soj_pending *from = up->pending, *to = up->sorted;
		uint32_t at[256] = {0}, sum = 0;

		for (uint32_t i = 0; i < up->pending_count; i++)
			at[from[i].head >> shift & 255]++;
		for (unsigned digit = 0; digit < 256; digit++) {
			uint32_t count = at[digit];

			at[digit] = sum;
			sum += count;
		}
		for (uint32_t i = 0; i < up->pending_count; i++)
			to[at[from[i].head >> shift & 255]++] = from[i];
		up->pending = to;
		up->sorted = from;
	}
}

static uint64_t pending_ref(const struct soj_pending *p)
{
	return soj_ref(p->idx, soj_state_gen(p->state));
}

/* Index word away, line complete; then it may go if nothing holds it and all
 * events of it are told. */
static void prepare(struct soj_upkeep *up, struct soj_pending *p)
{
	uint64_t ref = pending_ref(p);
	struct soj_shm_entry *e = soj_entry(up->st, p->idx);
	uint64_t ctl = soj_load_acquire(&e->ctl); /* E1 */
	enum soj_status status = soj_ctl_status(ctl);

	soj_index_remove(up->st, up->w, soj_entry_digest(up->st, p->idx),
			 soj_entry_place(up->st, ref));
	if (soj_line_alone(up->st, ref)) {
		p->may = soj_event_settle(up->st, up->w, ref);
		return;
	}
	p->may = true;
	if (soj_status_ends_line(status) && !SOJ_PLANT(LINE_FORGOTTEN) &&
	    soj_line_end_next(up->st, up->w, ref, status) < 0)
		p->may = false;
	if (status != SOJ_ENDED_GRACE)
		soj_line_end_back(up->st, up->w, ref, status);
	switch (soj_line_holds(up->st, ref, &p->successor)) {
	case SOJ_HELD_NOT:
		break;
	case SOJ_HELD_BY_PREDECESSOR:
		p->held = p->may;
		p->may = false;
		break;
	default:
		p->may = false;
	}
	/* Last: by now its successor is not being made any more. */
	if ((p->may || p->held) && !soj_event_settle(up->st, up->w, ref))
		p->may = p->held = false;
}

struct group {
	struct soj_pending *first;
	uint32_t count;
};

static struct soj_pending *find_pending(struct group *g, uint32_t idx)
{
	uint32_t low = 0, high = g->count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (g->first[mid].idx == idx)
			return &g->first[mid];
		if (g->first[mid].idx < idx)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static bool group_may(void *arg, uint32_t idx)
{
	struct soj_pending *p = find_pending(arg, idx);

	return p && p->may;
}

static void group_met(void *arg, uint32_t idx)
{
	struct soj_pending *p = find_pending(arg, idx);

	if (p)
		p->met = true;
}

/* Who is held by a predecessor that goes, goes as well: else a line of many
 * renewals would take as many passes. */
static void join_lines(struct group *g)
{
	for (uint32_t i = 0; i < g->count; i++) {
		struct soj_pending *p = &g->first[i], *next;

		/* One that was let in stays held: its line is done. */
		while (p->may && p->next == 0 && p->successor != 0) {
			next = find_pending(g, soj_ref_entry(p->successor));
			if (!next || !next->held || next->may ||
			    pending_ref(next) != p->successor)
				break;
			p->next = (uint32_t)(next - g->first) + 1;
			next->may = true;
			p = next;
		}
	}
}

/* From one that nothing holds down its line, each before its successor. */
static uint32_t retire_line(struct soj_upkeep *up, struct group *g,
			    struct soj_pending *p)
{
	uint32_t retired = 0;
	uint64_t successor;

	while (p->may && !p->met && !soj_gone(up->w)) {
		if (p->held && soj_line_holds(up->st, pending_ref(p),
					      &successor) != SOJ_HELD_NOT)
			break;
		p->gone = soj_upkeep_retire(up->st, up->w, p->idx, p->state);
		if (!p->gone)
			break;
		retired++;
		if (p->next == 0)
			break;
		p = &g->first[p->next - 1];
	}
	return retired;
}

/* One head, in a section that only the sweep takes.  Returns retired. */
static uint32_t unlink_group(struct soj_upkeep *up, struct group *g)
{
	const struct soj_sweep sweep = {
		.may_unlink = group_may, .met = group_met, .arg = g};
	uint32_t retired = 0;
	int rc;

	join_lines(g);
	soj_section_enter(&up->st->seg, &up->w->thr);
	rc = soj_chain_sweep(up->st, up->w, g->first->head, &sweep);
	if (!soj_section_exit(&up->st->seg, &up->w->thr))
		rc = -ESTALE;
	for (uint32_t i = 0; i < g->count && rc == 0; i++)
		if (!g->first[i].held)
			retired += retire_line(up, g, &g->first[i]);
	for (uint32_t i = 0; i < g->count && !soj_gone(up->w); i++)
		if (!g->first[i].gone) /* another time */
			soj_hint_ended(up->st, g->first[i].idx);
	return retired;
}

/* What they take is time to wait for memory: what comes next is asked for
 * meanwhile. */
static void fetch_ahead(const struct soj_upkeep *up, uint32_t i)
{
	const struct soj_store *st = up->st;

	if (i + 2 * AHEAD < up->pending_count)
		soj_entry_prefetch_all(st, up->pending[i + 2 * AHEAD].idx);
	if (i + AHEAD < up->pending_count) {
		const uint32_t idx = up->pending[i + AHEAD].idx;

		soj_chunk_head_prefetch(st, idx);
		soj_index_prefetch(st, soj_entry_digest(st, idx));
	}
}

/* The same for a sweep: the head, then what it leads to, and the next. */
static void fetch_chain(const struct soj_upkeep *up, uint32_t i)
{
	const struct soj_store *st = up->st;

	if (i + 2 * AHEAD < up->pending_count)
		soj_prefetch(&st->seg.heads[up->pending[i + 2 * AHEAD].head]);
	if (i + AHEAD >= up->pending_count)
		return;
	soj_entry_prefetch_all(st, up->pending[i + AHEAD].idx);
	soj_chain_prefetch(st, up->pending[i + AHEAD].head, false);
	soj_chain_prefetch(st, up->pending[i + AHEAD / 2].head, true);
}

/* Sections are kept short: a long one would be expelled by other upkeep. */
static void prepare_all(struct soj_upkeep *up)
{
	for (uint32_t i = 0; i < up->pending_count && !soj_gone(up->w); i++) {
		if (i % PREPARE_PER_SECTION == 0) {
			if (i > 0)
				soj_section_exit(&up->st->seg, &up->w->thr);
			soj_section_enter(&up->st->seg, &up->w->thr);
		}
		fetch_ahead(up, i);
		prepare(up, &up->pending[i]);
	}
	soj_section_exit(&up->st->seg, &up->w->thr);
}

static uint32_t unlink_pending(struct soj_upkeep *up, bool *left)
{
	uint32_t retired = 0;

	if (up->pending_count == 0)
		return 0;
	sort_by_head(up);
	prepare_all(up);
	for (uint32_t i = 0; i < up->pending_count && !soj_gone(up->w);) {
		struct group g = {.first = &up->pending[i], .count = 0};

		fetch_chain(up, i);
		while (i < up->pending_count &&
		       up->pending[i].head == g.first->head) {
			g.count++;
			i++;
		}
		retired += unlink_group(up, &g);
	}
	if (retired < up->pending_count)
		*left = true;
	up->pending_count = 0;
	return retired;
}

/* ---- passes ---- */

/* What is retired is the worker's, and more than its own limbo holds. */
static uint32_t begin(struct soj_upkeep *up)
{
	const uint32_t source = up->w->source;

	up->w->source = SOJ_SOURCE_UPKEEP;
	up->w->spill = &up->spill;
	return source;
}

static void end(struct soj_upkeep *up, uint32_t source)
{
	if (soj_gone(up->w))
		return;
	up->w->source = source;
	up->w->spill = NULL;
}

static void housekeeping(struct soj_upkeep *up, struct soj_upkeep_work *work,
			 bool deep)
{
	memset(work, 0, sizeof(*work));
	work->repaired = soj_upkeep_reap(up, deep);
	work->expelled =
		soj_expel(&up->st->seg, up->watch, soj_seg_now_ms(&up->st->seg),
			  up->w->thr.slot);
	soj_epoch_advance(&up->st->seg);
	soj_limbo_drain(up->st, up->w);
}

static void finish(struct soj_upkeep *up, struct soj_upkeep_work *work)
{
	if (soj_event_repair(up->st, up->w, &up->events))
		work->left = true;
	soj_epoch_advance(&up->st->seg);
	soj_limbo_drain(up->st, up->w);
	if (soj_limbo_waiting(up->w) > 0 || up->w->limbo_lost > 0)
		work->left = true;
	soj_count_flush(&up->st->seg, &up->w->thr);
}

void soj_upkeep_pass(struct soj_upkeep *up, struct soj_upkeep_work *work)
{
	uint32_t source;

	if (soj_gone(up->w))
		return;
	source = begin(up);
	housekeeping(up, work, false);
	if (take_hints(up))
		work->left = true;
	work->retired = unlink_pending(up, &work->left);
	if (up->w->limbo_lost > 0) {
		bool left = false;

		up->w->limbo_lost = 0;
		work->reclaimed = soj_upkeep_reclaim(up, &left);
		up->w->limbo_lost += left;
	}
	finish(up, work);
	end(up, source);
}

uint32_t soj_upkeep_reclaim(struct soj_upkeep *up, bool *left)
{
	struct soj_store *st = up->st;
	const struct soj_layout *lay = &st->seg.lay;
	uint64_t epoch = soj_epoch(&st->seg);
	uint32_t done = 0;

	for (uint32_t e = 1; e <= lay->entries_max; e++) {
		uint64_t was = soj_load_relaxed(&st->seg.entry_states[e]);

		if (soj_state_phase(was) != SOJ_RETIRED)
			continue;
		was = state_of(up, e);
		done += soj_entry_reclaim(st, up->w, e, was, epoch);
		*left |= soj_state_phase(state_of(up, e)) == SOJ_RETIRED;
	}
	for (uint32_t u = 0; u < lay->units; u++) {
		const soj_word_t *states = soj_chunk_state(st, soj_chunk(u, 0));

		for (uint32_t s = 0; s < lay->unit_slots; s++) {
			uint64_t was = soj_load_relaxed(&states[s]);

			if (soj_state_phase(was) != SOJ_RETIRED)
				continue;
			was = soj_load_acquire(&states[s]); /* S1 */
			if (!soj_chunk_reclaim(st, up->w, soj_chunk(u, s), was,
					       epoch))
				*left = true;
			else
				done++;
		}
	}
	return done;
}

/* LIVE but named by nobody: its updater died between publishing and retiring.
 * Being LIVE, it was named once; it never will be again. */
static uint32_t scrub_chunks(struct soj_upkeep *up)
{
	struct soj_store *st = up->st;
	uint32_t found = 0;

	for (uint32_t u = 0; u < st->seg.lay.units; u++) {
		uint64_t word;
		uint32_t class = soj_page_class(st, u, &word);

		for (uint32_t s = 0;
		     class < SOJ_CLASSES && s < st->classes[class].page_slots;
		     s++) {
			uint32_t chunk = soj_chunk(u, s);
			uint64_t was =
				soj_load_acquire(/* S1 */
						 soj_chunk_state(st, chunk));

			if (soj_state_phase(was) == SOJ_FREE)
				soj_chunk_hint_missing(st, chunk);
			if (soj_state_phase(was) == SOJ_LIVE &&
			    !soj_chunk_named(st, chunk))
				found +=
					soj_chunk_retire(st, up->w, chunk, was);
		}
	}
	return found;
}

static uint32_t scrub_entries(struct soj_upkeep *up, bool *left)
{
	struct soj_store *st = up->st;
	uint32_t found = 0;

	for (uint32_t e = 1; e <= st->seg.lay.entries_max; e++) {
		uint64_t was = state_of(up, e);

		if (soj_state_phase(was) == SOJ_FREE) {
			soj_entry_hint_missing(st, e);
			continue;
		}
		if (soj_state_phase(was) != SOJ_LIVE)
			continue;
		if (!soj_ctl_ended(soj_load_relaxed(&soj_entry(st, e)->ctl))) {
			/* Its maker died between LIVE and telling. */
			soj_event_made(st, up->w,
				       soj_ref(e, soj_state_gen(was)), false);
			continue;
		}
		add_pending(up, e);
		if (up->pending_count == up->pending_max)
			found += unlink_pending(up, left);
	}
	return found + unlink_pending(up, left);
}

void soj_upkeep_full(struct soj_upkeep *up, struct soj_upkeep_work *work)
{
	uint32_t source;

	if (soj_gone(up->w))
		return;
	source = begin(up);
	housekeeping(up, work, true);
	take_hints(up);
	work->retired = unlink_pending(up, &work->left);
	for (uint32_t b = 0; b < up->st->seg.lay.buckets; b++)
		work->scrubbed += soj_index_scrub(up->st, b);
	work->scrubbed += scrub_entries(up, &work->left);
	work->scrubbed += scrub_chunks(up);
	for (uint32_t i = 0; i < work->scrubbed; i++)
		soj_count(&up->w->thr, SOJ_COUNT_scrubbed);
	soj_epoch_advance(&up->st->seg);
	up->w->limbo_lost = 0;
	work->reclaimed = soj_upkeep_reclaim(up, &work->left);
	finish(up, work);
	end(up, source);
}
