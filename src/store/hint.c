/* SPDX-License-Identifier: MIT */

/*
 * Hints: where to look for what is free, what was armed and what ended.  Each
 * is one bit in a bitmap; setting and taking are idempotent, so a lost or
 * doubled bit costs time and nothing else.  The two bitmaps for the helper
 * have a summary, one bit for each of their words; the leaf is set first.
 *
 * Crash table: killed between leaf and summary: the full scan of upkeep, or
 * the wheel's rebuild, finds the entry by its state word.
 * Stop table: a bit that is set late costs its reader one look in vain.
 *
 * Edges
 *   B0  set or take hints: or, xchg (slab.c, upkeep.c)   B0
 *   B2  set: fence between leaf and summary   B2 (upkeep.c, helper/expiry.c)
 *                     who sees the bit of the summary has set the leaf before
 *                     that bit is taken, and so before the leaf is
 */

#include "base/fault.h"
#include "store/fetch.h"

/* A cache line of hints is looked at for what comes next. */
#define NEXT_WORDS 8u

static void hint_set(soj_word_t *bitmap, soj_word_t *summary, uint32_t idx)
{
	const uint64_t leaf = UINT64_C(1) << idx / 64 % 64;

	soj_or_acq_rel(&bitmap[idx / 64], UINT64_C(1) << idx % 64); /* B0 */
	SOJ_STEP("hint.leaf");
	/* All who make and end entries set it, and mostly it is set. */
	soj_fence_seq_cst_after_rmw(); /* B2 */
	if (!(soj_load_relaxed(&summary[idx / 4096]) & leaf))
		soj_or_acq_rel(&summary[idx / 4096], leaf); /* B0 */
}

void soj_hint_armed(struct soj_store *st, uint32_t idx)
{
	hint_set(st->seg.armed, st->seg.armed_summary, idx);
}

void soj_hint_ended(struct soj_store *st, uint32_t idx)
{
	hint_set(st->seg.ended, st->seg.ended_summary, idx);
	soj_helper_wake(&st->seg);
}

void soj_entry_hint_free(struct soj_store *st, uint32_t idx)
{
	soj_or_acq_rel(&st->seg.entry_free[idx / 64], /* B0 */
		       UINT64_C(1) << idx % 64);
}

void soj_chunk_hint_free(struct soj_store *st, uint32_t chunk)
{
	uint32_t unit = soj_chunk_unit(chunk);
	uint64_t bit =
		(uint64_t)unit * st->seg.lay.unit_slots + soj_chunk_slot(chunk);

	soj_or_acq_rel(&st->seg.chunk_free[bit / 64], /* B0 */
		       UINT64_C(1) << bit % 64);
	soj_or_acq_rel(&st->seg.unit_free[unit / 64], /* B0 */
		       UINT64_C(1) << unit % 64);
}

void soj_entry_hint_missing(struct soj_store *st, uint32_t idx)
{
	if (!(soj_load_relaxed(&st->seg.entry_free[idx / 64]) >> idx % 64 & 1))
		soj_entry_hint_free(st, idx);
}

void soj_chunk_hint_missing(struct soj_store *st, uint32_t chunk)
{
	uint32_t unit = soj_chunk_unit(chunk);
	uint64_t bit =
		(uint64_t)unit * st->seg.lay.unit_slots + soj_chunk_slot(chunk);

	if (!(soj_load_relaxed(&st->seg.chunk_free[bit / 64]) >> bit % 64 &
	      1) ||
	    !(soj_load_relaxed(&st->seg.unit_free[unit / 64]) >> unit % 64 & 1))
		soj_chunk_hint_free(st, chunk);
}

/*
 * What will be owned next time: its memory is asked for now.  `mag` has a word
 * of the bitmap; if that is used up, one of those behind it, before `end`, comes
 * next.  Returns its bit number; UINT64_MAX: there is none near.
 */
static uint64_t next_hinted(const soj_word_t *bitmap,
			    const struct soj_magazine *mag, uint32_t end)
{
#ifdef SOJ_EXPLORE
	(void)bitmap; /* which is to see each load that counts */
	(void)mag;
	(void)end;
#else
	uint32_t word = mag->word;
	uint64_t bits = mag->bits;

	end = (uint32_t)soj_min(end, word + NEXT_WORDS);
	while (bits == 0 && ++word < end)
		bits = soj_load_relaxed(&bitmap[word]);
	if (bits)
		return (uint64_t)word * 64 + soj_ctz64(bits);
#endif
	return UINT64_MAX;
}

void soj_hint_next_entry(const struct soj_store *st,
			 const struct soj_magazine *mag)
{
	const uint64_t bit = next_hinted(st->seg.entry_free, mag,
					 st->seg.lay.entry_hint_words);

	if (bit <= st->seg.lay.entries_max)
		soj_entry_prefetch_all(st, (uint32_t)bit);
}

void soj_hint_next_chunk(const struct soj_store *st,
			 const struct soj_magazine *mag, uint32_t unit)
{
	const uint32_t slots = st->seg.lay.unit_slots;
	const uint64_t bit =
		next_hinted(st->seg.chunk_free, mag, (unit + 1) * (slots / 64));

	if (bit != UINT64_MAX)
		soj_chunk_prefetch_all(
			st, soj_chunk(unit, (uint32_t)(bit - unit * slots)));
}
