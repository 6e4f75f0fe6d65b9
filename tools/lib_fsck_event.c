/* SPDX-License-Identifier: MIT */

/* The event ring, and what entries say that was told of them. */

#include <inttypes.h>

#include "lib_fsck_impl.h"
#include "store/event.h"

#define RECORD_WORDS (1 + SOJ_EVENT_PAYLOADS)

static uint64_t record_off(const struct soj_fsck *f, uint64_t place)
{
	return f->lay->events_off + place * sizeof(struct soj_shm_event);
}

/* Numbers are taken in order: before a number stands the one before it, or
 * what is there in the next round already. */
static void check_order(struct soj_fsck *f, uint64_t place, uint64_t word)
{
	const uint64_t count = f->lay->events_max;
	uint64_t seq = soj_event_seq(word), before;
	uint64_t before_word = soj_fsck_word_at(
		f, &f->entries, record_off(f, place ? place - 1 : count - 1));

	before = soj_event_seq(before_word);
	if (seq == 0 && before <= place)
		return;
	if (seq != 0 && (before == seq - 1 || before == seq - 1 + count))
		return;
	soj_fsck_found(f, SOJ_FSCK_EVENT_GAP, 0,
		       soj_fsck_print(word, before_word),
		       "number %" PRIu64 " after %" PRIu64, seq, before);
}

static void check_payload(struct soj_fsck *f, const uint64_t *raw)
{
	const uint32_t count = f->lay->events_max;
	uint64_t seq = soj_event_seq(raw[0]);
	uint64_t coming = soj_event_tag(count, seq + count);
	uint64_t what = raw[1];
	struct soj_event event;

	for (unsigned i = 1; i < RECORD_WORDS; i++)
		if (raw[i] >> 48 == coming ||
		    (seq <= count && raw[i] != 0 &&
		     raw[i] >> 48 != soj_event_tag(count, seq)))
			soj_fsck_found(f, SOJ_FSCK_EVENT_ROUND, i,
				       soj_fsck_print(raw[0], raw[i]),
				       "number %" PRIu64 ", word %u of tag %u",
				       seq, i, (unsigned)(raw[i] >> 48));
	if (soj_event_decode(count, raw, seq, &event) != 0) {
		soj_fsck_found(f, SOJ_FSCK_EVENT_HALF, 0,
			       soj_fsck_print(raw[0], what),
			       "number %" PRIu64 " of entry %u", seq,
			       soj_event_entry(raw[0]));
		return;
	}
	if (soj_field(what, 0, 6) == SOJ_EVENT_NONE ||
	    soj_field(what, 0, 6) >= SOJ_EVENT_TYPES_USED)
		soj_fsck_found(f, SOJ_FSCK_EVENT_TYPE, 0,
			       soj_fsck_print(raw[0], what),
			       "number %" PRIu64 ", type %u", seq,
			       (unsigned)soj_field(what, 0, 6));
}

void soj_fsck_event(struct soj_fsck *f, uint64_t place)
{
	const uint32_t count = f->lay->events_max;
	const void *at = soj_fsck_at(f, &f->entries, record_off(f, place),
				     RECORD_WORDS * 8);
	uint64_t raw[RECORD_WORDS] = {0};
	uint64_t seq;

	if (at)
		memcpy(raw, at, sizeof(raw));
	seq = soj_event_seq(raw[0]);
	check_order(f, place, raw[0]);
	if ((seq == 0 && raw[0] != 0) ||
	    (seq != 0 && soj_event_place(count, seq) != place) ||
	    (soj_event_entry(raw[0]) != 0 &&
	     !soj_fsck_entry_ok(f, soj_event_entry(raw[0])))) {
		soj_fsck_found(f, SOJ_FSCK_EVENT_PLACE, 0, raw[0],
			       "number %" PRIu64 " of entry %u", seq,
			       soj_event_entry(raw[0]));
		return;
	}
	if (seq != 0)
		check_payload(f, raw);
}

/* Everything before the hint is taken. */
static void check_hint(struct soj_fsck *f)
{
	const uint32_t count = f->lay->events_max;
	uint64_t next = 0, word = 0;

	if (!soj_fsck_read(f, &next, 8,
			   offsetof(struct soj_shm_header, event_next)))
		return;
	if (next > 1 && count > 0)
		soj_fsck_read(f, &word, 8,
			      record_off(f, soj_event_place(count, next - 1)));
	if (next == 0 || (next > 1 && soj_event_seq(word) < next - 1))
		soj_fsck_found(f, SOJ_FSCK_EVENT_HINT, 0,
			       soj_fsck_print(next, word),
			       "next is %" PRIu64 ", but %" PRIu64 " is free",
			       next, next - 1);
}

void soj_fsck_told(struct soj_fsck *f, uint64_t idx)
{
	struct soj_shm_entry entry;
	const void *at;
	uint64_t state, ctl, told, misc;
	uint32_t flags;

	if (idx == 0) {
		check_hint(f);
		return;
	}
	state = soj_fsck_word_at(f, &f->entry_states,
				 f->lay->entry_states_off + 8 * idx);
	at = soj_fsck_at(f, &f->entries,
			 f->lay->entries_off + sizeof(entry) * idx,
			 sizeof(entry));
	if (at == NULL || soj_state_phase(state) != SOJ_LIVE)
		return;
	memcpy(&entry, at, sizeof(entry)); /* a window is not aligned */
	ctl = soj_load_relaxed(&entry.ctl);
	told = soj_load_relaxed(&entry.event);
	misc = soj_load_relaxed(&entry.misc);
	if (soj_told_stage(told) > SOJ_TOLD_ENDED ||
	    soj_told_gen(told) !=
		    (soj_state_gen(state) & SOJ_MASK(SOJ_REFGEN_BITS)) ||
	    (soj_told_stage(told) == SOJ_TOLD_ENDED && !soj_ctl_ended(ctl)))
		soj_fsck_found(
			f, SOJ_FSCK_EVENT_TOLD, 0, soj_fsck_print(told, ctl),
			"told %016" PRIx64 ", ctl %016" PRIx64, told, ctl);
	flags = f->img->hdr
			.collection[soj_misc_collection(misc) % SOJ_COLLECTIONS]
			.flags;
	if (f->lay->events_max > 0 && soj_ctl_readable(ctl) &&
	    (flags & SOJ_COLLECTION_DEFINED) &&
	    !(flags & SOJ_COLLECTION_QUIET) &&
	    soj_told_stage(told) == SOJ_TOLD_NOTHING)
		soj_fsck_found(f, SOJ_FSCK_EVENT_UNTOLD, 0,
			       soj_fsck_print(told, ctl),
			       "in use, and no event says so");
}
