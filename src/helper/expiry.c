/* SPDX-License-Identifier: MIT */

/*
 * Expiry: who notices that an entry's time is over.
 *
 * Every read judges deadlines itself, so nothing here decides what a reader is
 * told.  The wheel ends entries that nobody reads any more, so that their
 * memory comes back and their end is counted.
 *
 * What a timer means: look at the entry.  A touch or a sliding deadline does
 * not involve the wheel; when the timer fires, the entry's real deadline is
 * read and the timer set to it.  A deadline that came into being or moved
 * nearer sets a hint bit: leaf first, then summary.  The taker clears the
 * summary first, then the leaf, so a bit that comes in between is found by
 * that exchange or announced by a summary bit that comes after.
 *
 * A hint is taken only by who holds the helper role, but two takers do no
 * harm: the one that did not get the hint finds the entry in its next round.
 * An entry that is still OWNED is left alone, its maker hints when it is LIVE.
 *
 * Crash table (killed after the step)
 *   expiry.summary.taken   leaf bits without a summary bit: the next helper's
 *                          rebuild, or the scrubber
 *   expiry.leaf.taken      the same
 *   expired bit, ended     entry.c
 *   expiry.ended           one expiry is missing in the counters
 * Killed as a worker: before its leaf bit, or between leaf and summary: the
 * scrubber, within SOJ_EXPIRY_ROUND_MS.
 * Stop table: the wheel is private; entries are ended by exact CAS from what
 * was judged, so a helper that was stopped between judging and ending fails
 * if the entry was touched, changed or reused meanwhile.
 *
 * Edges
 *   B1  take hints: xchg of summary and leaf   store/hint.c:B0  the entry is
 *                                              seen LIVE, with its deadlines
 *   B2  take hints: fence between summary and leaf   store/hint.c:B2
 *   S1  load of a state                        store/slab.c:S0
 *   E1  load of ctl, life                      store/entry.c:E0
 *
 * Progress: a step is bounded by BUDGET timers and SCRUB_MAX entries; each
 * look is wait-free but for TRIES repetitions.
 */

#include "helper/expiry.h"

#include <errno.h>

#include "base/fault.h"
#include "store/fetch.h"

#define BUDGET    65536u /* timers fired and moved in one step */
#define SCRUB_MAX 16384u /* entries scrubbed in one step */
#define TRIES     8u

/* In which no more than SCRUB_MAX entries fall due. */
static uint32_t slice_of(uint32_t entries_max)
{
	uint64_t ms = (uint64_t)SOJ_EXPIRY_ROUND_MS * SCRUB_MAX / entries_max;

	return (uint32_t)soj_max(1, soj_min(ms, SOJ_EXPIRY_SLICE_MS));
}

int soj_expiry_init(struct soj_expiry *ex, struct soj_store *st,
		    struct soj_worker *w, uint32_t tick_ms)
{
	uint64_t now_ms = soj_seg_now_ms(&st->seg);

	memset(ex, 0, sizeof(*ex));
	ex->st = st;
	ex->w = w;
	ex->now_ms = now_ms;
	ex->scrub_ms = now_ms;
	ex->scrub_idx = 1;
	ex->slice_ms = slice_of(st->seg.lay.entries_max);
	/* Entry 0 does not exist, but its timer does: indices stay as they
	 * are. */
	return soj_wheel_init(&ex->wheel, st->seg.lay.entries_max + 1, tick_ms,
			      now_ms);
}

void soj_expiry_deinit(struct soj_expiry *ex)
{
	soj_wheel_deinit(&ex->wheel);
	memset(ex, 0, sizeof(*ex));
}

uint32_t soj_expiry_lag_bucket(uint64_t lag_ms)
{
	uint32_t log;

	if (lag_ms < 48)
		return (uint32_t)lag_ms;
	log = 63u - (uint32_t)__builtin_clzll(lag_ms / 48);
	return (uint32_t)soj_min(48u + log, SOJ_LAG_BUCKETS - 1);
}

static void record_lag(struct soj_expiry *ex, uint64_t deadline_ms)
{
	/* Of now, not of when the step began: a step may take a while. */
	uint64_t now_ms = soj_max(ex->now_ms, soj_seg_now_ms(&ex->st->seg));
	uint64_t lag_ms = now_ms > deadline_ms ? now_ms - deadline_ms : 0;

	soj_add_relaxed(&ex->st->seg.hdr->lag[soj_expiry_lag_bucket(lag_ms)],
			1);
}

/* ---- arming ---- */

/*
 * The deadline by the entry alone, without a copy that is consistent: whatever
 * changes meanwhile either moves it away, or hints again.
 */
static uint64_t rough_deadline_ms(struct soj_shm_entry *e)
{
	uint64_t life = soj_load_acquire(&e->life); /* E1 */
	const struct soj_times times = {
		.accessed_ms = soj_life_accessed_ms(life),
		.expires_ms = soj_load_relaxed(&e->expires_ms),
		.grace_until_ms = UINT64_MAX,
		.idle_ms = soj_load_relaxed(&e->idle_ms),
		.sliding_ms = soj_load_relaxed(&e->sliding_ms),
	};

	/* Somebody judged it to be over and did not get to end it. */
	if (life & SOJ_LIFE_EXPIRED)
		return 0;
	return soj_times_deadline_ms(&times);
}

/* ctl if the entry is LIVE and can be read, else 0. */
static uint64_t readable_ctl(const struct soj_expiry *ex, uint32_t idx)
{
	struct soj_store *st = ex->st;
	uint64_t state = soj_load_acquire(/* S1 */
					  &st->seg.entry_states[idx]);
	uint64_t ctl;

	if (soj_state_phase(state) != SOJ_LIVE)
		return 0;
	ctl = soj_load_acquire(&soj_entry(st, idx)->ctl); /* E1 */
	return soj_ctl_readable(ctl) ? ctl : 0;
}

static bool arm_entry(struct soj_expiry *ex, uint32_t idx)
{
	uint64_t ctl = readable_ctl(ex, idx);
	uint64_t deadline_ms;

	if (ctl == 0)
		return false;
	/* These deadlines stand in the chunk: have it looked at. */
	deadline_ms = soj_ctl_status(ctl) == SOJ_RENEWED ||
				      soj_misc_keyed(soj_load_relaxed(
					      &soj_entry(ex->st, idx)->misc))
			      ? ex->now_ms
			      : rough_deadline_ms(soj_entry(ex->st, idx));
	soj_wheel_arm(&ex->wheel, idx, deadline_ms);
	return true;
}

static uint64_t take_leaf(struct soj_expiry *ex, uint32_t leaf)
{
	uint64_t bits = soj_xchg_acq_rel(&ex->st->seg.armed[leaf], 0); /* B1 */
	uint64_t armed = 0;

	SOJ_STEP("expiry.leaf.taken");
	for (; bits; bits &= bits - 1) {
		uint32_t idx = leaf * 64 + soj_ctz64(bits);

		if (soj_entry_idx_ok(ex->st, idx))
			armed += arm_entry(ex, idx);
	}
	return armed;
}

static uint64_t take_hints(struct soj_expiry *ex)
{
	const struct soj_seg *seg = &ex->st->seg;
	uint64_t armed = 0;

	for (uint32_t i = 0; i < seg->lay.entry_summary_words; i++) {
		uint64_t leaves;

		if (soj_load_relaxed(&seg->armed_summary[i]) == 0)
			continue;
		leaves = soj_xchg_acq_rel(&seg->armed_summary[i], 0); /* B1 */
		soj_fence_seq_cst_after_rmw();                        /* B2 */
		SOJ_STEP("expiry.summary.taken");
		for (; leaves; leaves &= leaves - 1) {
			uint32_t leaf = i * 64 + soj_ctz64(leaves);

			if (leaf < seg->lay.entry_hint_words)
				armed += take_leaf(ex, leaf);
		}
	}
	return armed;
}

bool soj_expiry_hinted(const struct soj_store *st)
{
	for (uint32_t i = 0; i < st->seg.lay.entry_summary_words; i++)
		if (soj_load_relaxed(&st->seg.armed_summary[i]) != 0)
			return true;
	return false;
}

uint64_t soj_expiry_rebuild(struct soj_expiry *ex)
{
	uint64_t armed = 0;

	ex->now_ms = soj_seg_now_ms(&ex->st->seg);
	/* What hints say is LIVE already, so the scan finds it: taking them
	 * first saves arming twice. */
	take_hints(ex);
	for (uint32_t idx = 1; idx <= ex->st->seg.lay.entries_max; idx++)
		armed += arm_entry(ex, idx);
	ex->scrub_ms = ex->now_ms;
	SOJ_STEP("expiry.rebuilt");
	return armed;
}

/* ---- scrubbing ---- */

/* How long an old id of the entry's collection is kept. */
static uint64_t grace_ms(const struct soj_expiry *ex, uint32_t idx)
{
	uint64_t misc = soj_load_relaxed(&soj_entry(ex->st, idx)->misc);
	const struct soj_shm_collection *c =
		soj_collection(&ex->st->seg, soj_misc_collection(misc));

	return c->grace_window_ms + c->redelivery_ms;
}

/* Put again with shorter periods, or made where one has ended whose timer is still
 * armed, and the hint of that was lost. */
static bool moved_nearer(const struct soj_expiry *ex, uint32_t idx)
{
	const uint64_t armed_ms = soj_wheel_deadline_ms(&ex->wheel, idx);
	uint64_t state = soj_load_acquire(/* S1 */
					  &ex->st->seg.entry_states[idx]);
	struct soj_shm_entry *e = soj_entry(ex->st, idx);
	struct soj_snapshot snap;

	if (!soj_misc_keyed(soj_load_relaxed(&e->misc)))
		return armed_ms > rough_deadline_ms(e);
	return soj_entry_snapshot(ex->st, soj_ref(idx, soj_state_gen(state)),
				  NULL, NULL, &snap) == 0 &&
	       armed_ms > soj_times_deadline_ms(&snap.times);
}

/* Does an entry wait for a deadline that nobody will look at in time? */
static bool is_forgotten(const struct soj_expiry *ex, uint32_t idx)
{
	uint64_t ctl = readable_ctl(ex, idx);

	if (ctl == 0)
		return false;
	if (!soj_wheel_is_armed(&ex->wheel, idx))
		return true;
	if (soj_ctl_status(ctl) != SOJ_RENEWED)
		return moved_nearer(ex, idx);
	return soj_wheel_deadline_ms(&ex->wheel, idx) >
	       ex->now_ms + grace_ms(ex, idx);
}

uint64_t soj_expiry_scrub(struct soj_expiry *ex, uint32_t count)
{
	const uint32_t entries_max = ex->st->seg.lay.entries_max;
	uint64_t found = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t idx = ex->scrub_idx;

		if (is_forgotten(ex, idx))
			found += arm_entry(ex, idx);
		ex->scrub_idx = idx < entries_max ? idx + 1 : 1;
	}
	for (uint64_t i = 0; i < found; i++)
		soj_count(&ex->w->thr, SOJ_COUNT_scrubbed);
	ex->work.scrubbed += found;
	return found;
}

/* The share of the scrubber's round that belongs to the time passed. */
static void scrub_share(struct soj_expiry *ex)
{
	const uint64_t entries = ex->st->seg.lay.entries_max;
	uint64_t passed, share;

	if (ex->now_ms <= ex->scrub_ms)
		return;
	passed = soj_min(ex->now_ms - ex->scrub_ms, SOJ_EXPIRY_ROUND_MS);
	share = entries * passed / SOJ_EXPIRY_ROUND_MS;
	/* What a whole entry does not use is kept for the next step. */
	ex->scrub_ms = ex->now_ms - passed +
		       soj_div_up(share * SOJ_EXPIRY_ROUND_MS, entries);
	soj_expiry_scrub(ex, (uint32_t)soj_min(share, SCRUB_MAX));
}

/* ---- firing ---- */

/* Over, and then for what reason, or SOJ_ACTIVE. */
static enum soj_status judge(const struct soj_expiry *ex,
			     const struct soj_snapshot *snap)
{
	enum soj_status status = soj_times_judge(&snap->times, ex->now_ms);

	/* The bit is final, whatever the periods say; but not of an id that was
	 * renewed at the same time: its grace window is over when it is. */
	if (status == SOJ_ACTIVE && (snap->life & SOJ_LIFE_EXPIRED) &&
	    soj_ctl_status(snap->ctl) == SOJ_ACTIVE)
		return SOJ_ENDED_EXPIRED;
	return status;
}

/* One look.  False: it changed under our eyes, look again. */
static bool settle(struct soj_expiry *ex, uint32_t idx)
{
	static const struct soj_copy skim = {.skim = true};
	uint64_t state = soj_load_acquire(/* S1 */
					  &ex->st->seg.entry_states[idx]);
	uint64_t ref = soj_ref(idx, soj_state_gen(state));
	enum soj_status status;
	struct soj_snapshot snap;
	int rc;

	if (soj_state_phase(state) != SOJ_LIVE) {
		ex->work.dropped++;
		return true;
	}
	rc = soj_entry_snapshot(ex->st, ref, NULL, &skim, &snap);
	if (rc == -EAGAIN)
		return false;
	/* -EBADMSG: a chunk that makes no sense does not live for ever; the
	 * periods stand in the entry. */
	if (rc == -ENOENT || !soj_ctl_readable(snap.ctl)) {
		ex->work.dropped++;
		return true;
	}
	status = judge(ex, &snap);
	if (status == SOJ_ACTIVE) {
		/* Later than now in any case, whatever the words say. */
		soj_wheel_arm(&ex->wheel, idx,
			      soj_max(soj_times_deadline_ms(&snap.times),
				      ex->now_ms + 1));
		ex->work.rearmed++;
		return true;
	}
	if (!soj_entry_expire(ex->st, ex->w, ref, snap.ctl, snap.life, status))
		return soj_gone(ex->w);
	SOJ_STEP("expiry.ended");
	soj_count(&ex->w->thr, SOJ_COUNT_expirations);
	ex->work.expired++;
	record_lag(ex, soj_times_deadline_ms(&snap.times));
	return true;
}

static void settle_one(struct soj_expiry *ex, uint32_t idx)
{
	for (unsigned i = 0; i < TRIES; i++)
		if (settle(ex, idx))
			return;
	soj_wheel_arm(&ex->wheel, idx, ex->now_ms + ex->wheel.tick_ms);
	ex->work.retried++;
}

/* The bucket, and the head of a chunk that has periods, of an entry that is
 * there by now. */
static void fetch_more(const struct soj_store *st, uint32_t idx)
{
	uint64_t ctl = soj_load_relaxed(&soj_entry(st, idx)->ctl);
	uint32_t bytes;
	const soj_word_t *chunk =
		soj_chunk_words(st, soj_ctl_chunk(ctl), &bytes);

	if (chunk &&
	    soj_misc_keyed(soj_load_relaxed(&soj_entry(st, idx)->misc)))
		soj_prefetch(chunk);
	soj_index_prefetch(st, soj_entry_digest(st, idx));
}

static void settle_batch(struct soj_expiry *ex)
{
	for (uint32_t i = 0; i < ex->batch_count; i++)
		fetch_more(ex->st, ex->batch[i]);
	for (uint32_t i = 0; i < ex->batch_count; i++)
		settle_one(ex, ex->batch[i]);
	ex->batch_count = 0;
}

static void fire(uint32_t idx, uint64_t deadline_ms, void *arg)
{
	struct soj_expiry *ex = arg;

	(void)deadline_ms; /* of the past; the entry knows better */
	ex->work.fired++;
	soj_prefetch(&ex->st->seg.entry_states[idx]);
	soj_entry_prefetch(ex->st, idx);
	ex->batch[ex->batch_count++] = idx;
	if (ex->batch_count == SOJ_EXPIRY_BATCH)
		settle_batch(ex);
}

void soj_expiry_step(struct soj_expiry *ex, uint64_t now_ms)
{
	struct soj_wheel_pass pass;

	ex->now_ms = now_ms;
	ex->work.hinted += take_hints(ex);
	pass = soj_wheel_advance(&ex->wheel, now_ms, BUDGET, fire, ex);
	settle_batch(ex);
	ex->behind = pass.behind;
	scrub_share(ex);
}

uint64_t soj_expiry_wait_ms(const struct soj_expiry *ex, uint64_t now_ms,
			    bool quiet)
{
	const uint64_t tick_ms = ex->wheel.tick_ms;
	uint64_t latest_ms, next_ms;

	if (ex->behind)
		return 0;
	latest_ms = quiet ? now_ms + ex->slice_ms
			  : (now_ms / tick_ms + 1) * tick_ms;
	next_ms = soj_min(soj_wheel_next_ms(&ex->wheel), latest_ms);
	return next_ms > now_ms ? next_ms - now_ms : 0;
}
