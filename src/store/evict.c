/* SPDX-License-Identifier: MIT */

/*
 * Whom to end when memory is short: of a random sample of live entries, one
 * whose time is over, else the one not accessed for longest.  Sampling keeps
 * no state that a crash could spoil.  (K. Psounis, B. Prabhakar on sampled
 * replacement, 2001; Redis uses the same idea.)
 *
 * An entry that nobody came back to counts as idle for PROBATION times as long
 * as it is: so a flood of logins that are never used again ends itself, and not
 * those who do come back (R. Karedla et al., segmented LRU, 1994; here by what
 * the entry has anyway: accessed later than created, or renewed).  Looking
 * without a touch, as lists and scans do, makes nothing young.
 * tests/semantics/sem_c2_evict.c compares with an exact LRU.
 *
 * Edges
 *   S1  load of a state   slab.c S0
 */

#include <errno.h>

#include "store/store.h"

#define SAMPLE     24u
#define PROBES_MAX 256u
#define YOUNG_MS   3600000u
#define PROBATION  8u

static uint64_t next_random(struct soj_worker *w)
{
	/* xorshift64*, S. Vigna 2016: sampling needs no more. */
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return w->random * UINT64_C(2685821657736338717);
}

struct victim {
	uint64_t ref, ctl, life;
	struct soj_times times;
	uint64_t idle_ms; /* as it counts here */
	enum soj_status verdict;
	bool valid;
};

static uint64_t weighed_idle_ms(const struct soj_store *st,
				const struct soj_snapshot *snap,
				uint64_t now_ms)
{
	const struct soj_times *t = &snap->times;
	uint64_t misc = soj_load_relaxed(
		&soj_entry(st, soj_ref_entry(snap->ref))->misc);
	uint64_t idle_ms =
		now_ms > t->accessed_ms ? now_ms - t->accessed_ms : 0;

	if (t->accessed_ms == t->created_ms && soj_misc_renewals(misc) == 0)
		idle_ms *= PROBATION;
	return idle_ms;
}

static bool in_class(const struct soj_store *st, uint64_t ctl, uint32_t class)
{
	uint64_t word;
	uint32_t unit = soj_chunk_unit(soj_ctl_chunk(ctl));

	return class == SOJ_CLASSES ||
	       (unit < st->seg.lay.units &&
		soj_page_class(st, unit, &word) == class);
}

static bool is_kept(const struct soj_store *st, uint32_t idx)
{
	uint64_t misc = soj_load_relaxed(&soj_entry(st, idx)->misc);

	return soj_collection(&st->seg, soj_misc_collection(misc))->flags &
	       SOJ_COLLECTION_KEEP;
}

/* Better: over, or older than the best so far. */
static void consider(const struct soj_store *st, const struct soj_worker *w,
		     uint32_t idx, uint64_t now_ms, uint32_t class,
		     struct victim *best)
{
	uint64_t state = soj_load_acquire(&st->seg.entry_states[idx]); /* S1 */
	struct soj_snapshot snap;
	enum soj_status verdict;
	uint64_t idle_ms;

	if (soj_entry_snapshot(st, soj_ref(idx, soj_state_gen(state)), NULL,
			       NULL, &snap) != 0 ||
	    !soj_ctl_readable(snap.ctl) || !in_class(st, snap.ctl, class) ||
	    snap.ref == w->spare)
		return;
	verdict = soj_times_judge(&snap.times, now_ms);
	if (verdict == SOJ_ACTIVE && is_kept(st, idx))
		return;
	if (best->valid && best->verdict != SOJ_ACTIVE)
		return;
	idle_ms = weighed_idle_ms(st, &snap, now_ms);
	if (best->valid && verdict == SOJ_ACTIVE && idle_ms <= best->idle_ms)
		return;
	*best = (struct victim){.ref = snap.ref,
				.ctl = snap.ctl,
				.life = snap.life,
				.times = snap.times,
				.idle_ms = idle_ms,
				.verdict = verdict,
				.valid = true};
}

static uint32_t sample(const struct soj_store *st, struct soj_worker *w,
		       uint64_t now_ms, uint32_t class, struct victim *best)
{
	const uint32_t count = st->seg.lay.entries_max;
	uint32_t seen = 0;
	uint32_t idx = 0;

	for (uint32_t i = 0; i < PROBES_MAX && seen < SAMPLE; i++) {
		idx = 1 + (uint32_t)soj_scale(next_random(w), count);
		if (soj_state_phase(soj_load_relaxed(
			    &st->seg.entry_states[idx])) != SOJ_LIVE)
			continue;
		consider(st, w, idx, now_ms, class, best);
		seen++;
	}
	/* Few live ones, or few of the class: look at all from a random place. */
	for (uint32_t i = 0; i < count && !best->valid; i++) {
		idx = idx % count + 1;
		if (soj_state_phase(soj_load_relaxed(
			    &st->seg.entry_states[idx])) == SOJ_LIVE)
			consider(st, w, idx, now_ms, class, best);
	}
	return seen;
}

int soj_evict_one(struct soj_store *st, struct soj_worker *w, uint64_t now_ms,
		  uint32_t class)
{
	for (unsigned tries = 0; tries < 16 && !soj_gone(w); tries++) {
		struct victim best = {.valid = false};

		sample(st, w, now_ms, class, &best);
		if (!best.valid)
			return -ENOENT;
		if (best.verdict != SOJ_ACTIVE) {
			if (!soj_entry_expire(st, w, best.ref, best.ctl,
					      best.life, best.verdict))
				continue;
			soj_count(&w->thr, SOJ_COUNT_expirations);
			return 0;
		}
		if (!soj_entry_end(st, w, best.ref, best.ctl,
				   SOJ_ENDED_EVICTED))
			continue;
		soj_count(&w->thr, SOJ_COUNT_evictions);
		if (now_ms - best.times.created_ms < YOUNG_MS)
			soj_count(&w->thr, SOJ_COUNT_evictions_young);
		return 0;
	}
	return -ENOENT;
}

uint32_t soj_entries_ending(const struct soj_store *st, uint32_t limit)
{
	uint32_t count = 0;

	for (uint32_t e = 1; e <= st->seg.lay.entries_max && count < limit;
	     e++) {
		enum soj_phase phase = soj_state_phase(
			soj_load_relaxed(&st->seg.entry_states[e]));

		count +=
			phase == SOJ_RETIRED ||
			(phase == SOJ_LIVE && soj_ctl_ended(soj_load_relaxed(
						      &soj_entry(st, e)->ctl)));
	}
	return count;
}

uint32_t soj_expire_all(struct soj_store *st, struct soj_worker *w,
			uint64_t now_ms)
{
	uint32_t ended = 0;

	for (uint32_t e = 1; e <= st->seg.lay.entries_max; e++) {
		uint64_t state = soj_load_acquire(/* S1 */
						  &st->seg.entry_states[e]);
		struct soj_snapshot snap;
		enum soj_status verdict;

		if (soj_state_phase(state) != SOJ_LIVE ||
		    soj_entry_snapshot(st, soj_ref(e, soj_state_gen(state)),
				       NULL, NULL, &snap) != 0)
			continue;
		verdict = soj_times_judge(&snap.times, now_ms);
		if (verdict == SOJ_ACTIVE ||
		    !soj_entry_expire(st, w, snap.ref, snap.ctl, snap.life,
				      verdict))
			continue;
		soj_count(&w->thr, SOJ_COUNT_expirations);
		ended++;
	}
	return ended;
}
