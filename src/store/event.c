/* SPDX-License-Identifier: MIT */

/*
 * The event ring: fixed records, numbered from 1 without a gap, that any
 * thread writes and any process reads, also by pread of the file.
 *
 * Words, all changed by CAS only
 *   record.word     {seq, entry}: event seq lies at (seq - 1) % events_max and
 *                   is about the beginning or the end of that entry; entry 0:
 *                   about something else
 *   record.payload  {tag, value} each; the tag is that of the round, so of seq.
 *                   A bit of the one that says what happened: told is past it
 *   entry.event     "told": {stage, generation, seq}: what of the entry is
 *                   told for good, and which seq the next stage is meant for;
 *                   0: none yet
 *   header.event_next  a hint: everything before it is taken
 *
 * Taking a number.  c is free while the word at its place has a smaller seq.
 * Who wants to write picks the first free c from the hint on, and CASes the
 * word from the very word seen.  So words only rise, numbers are taken in
 * order, and the hint (moved forward only, to what was seen taken) is never
 * beyond the first free one: no number is left out.
 *
 * Filling.  Each payload word is CASed from what is not of this round, after a
 * look that the record still is this event; "what happened" comes last, so
 * when that is there all is.  Several may fill one record.  One who comes back
 * late finds his words filled (CAS fails), or the record taken by a newer event
 * (the look fails), or he puts an old word where the newer one has not yet been
 * put, which its filler then overwrites: he goes on until the tag is right.
 *
 * Exactly once, for the beginning and the end of an entry:
 *   1. CAS told from {stage, gen, x} to {stage, gen, c}, c free, where x is 0
 *      or a number that another event was seen to have taken.
 *   2. CAS the word at c to {c, entry}.  If another event has it: 1 again.
 *   3. Fill, then CAS told from {stage, gen, c} to {next stage, gen, 0}.
 *   4. CAS the bit WHAT_TOLD into the record, from what it says.
 * Anyone may do any of that for an entry, at the same time.
 *   Why not twice: let {c, entry} be placed.  Step 1 would have to leave c
 *   behind, for which it must see c taken by another: not while {c, entry}
 *   stands, and whoever overwrites {c, entry} does step 3 for it before.  Then
 *   told has another stage, and the CAS of step 1 fails.  No c is chosen twice
 *   for one entry, since once it is left behind it is taken.
 *   Who overwrites a record that has the bit knows that step 3 is done without a
 * look at the entry, which is far away and long out of every cache.  Without it,
 * since who did step 3 died or stands still before step 4, he looks there.
 *   Not at all, where what was withdrawn ends before anybody began to tell of
 *   it: CAS told from {nothing, gen, 0} to {ended, gen, 0}.  So its maker, who
 *   may stand right before step 1, does not tell a beginning that nobody is
 *   left to end.
 *   Why not never: an entry that ended is not retired before its end is told
 *   (soj_event_settle), whoever dies.
 * The fields of the entry that go into the payload are those of that entry if
 * told is unchanged after they were read, since until then it is not retired.
 *
 * Order: the beginning of an entry comes before its end and after that of its
 * predecessors.  A successor that nobody names was never a beginning; the
 * predecessor, which tells, is there until the successor's beginning is told.
 *
 * Other events take the word with entry 0 and are filled by their writer only.
 *
 * Crash table (killed after the step)
 *   event.meant     told names a number that will be another's: the next who
 *                   tells picks a new one
 *   event.taken     the record is incomplete: whoever tells of the entry,
 *                   overwrites the record, or does upkeep, completes it; with
 *                   entry 0 upkeep makes it LOST after expel_after_ms
 *   event.filled    the event can be read; told is moved on as above
 *   event.told      done, and who overwrites the record has to look once more
 * Stop table: the same; one who comes back repeats CASes that fail.
 *
 * Edges
 *   V0  take: cas of a record's word             V1
 *   V1  load of a record's word                  V0
 *   V2  fill: cas of a payload word              V3
 *   V3  load of a payload word                   V2  a newer payload seen means
 *                                                a newer word seen
 *   T0  cas of told                              T1
 *   T1  load of told                             T0  a later stage seen means
 *                                                its record seen taken
 *   H0  cas of the hint                          H1
 *   H1  load of the hint                         H0
 *   E1  load of ctl, life                        entry.c E0
 *   S1  load of a state                          slab.c S0
 *   X0  fence between the entry's or chunk's     slab.c S2  a word of a new
 *       words and the second look                owner seen means that told, or
 *                                                the state, is seen changed
 *
 * Progress: lock-free; reading is wait-free.
 */

#include "store/event.h"

#include <errno.h>

#include "base/fault.h"
#include "store/fetch.h"
#include "store/plain.h"

#define AHEAD      8u /* records */
#define TRIES      1000u
#define REPAIR_MAX 65536u /* records looked at in one pass */

/* ---- records ---- */

static struct soj_shm_event *record_of(const struct soj_seg *seg, uint64_t seq)
{
	return &seg->events[soj_event_place(seg->lay.events_max, seq)];
}

static uint64_t word_of(const struct soj_seg *seg, uint64_t seq)
{
	return soj_load_acquire(&record_of(seg, seq)->word); /* V1 */
}

static void push_hint(const struct soj_seg *seg, uint64_t next)
{
	soj_word_t *hint = &seg->hdr->event_next;
	uint64_t was = soj_load_acquire(hint); /* H1 */

	while ((was < next || was > SOJ_EVENT_SEQ_MAX + 1) &&
	       !soj_cas_acq_rel(hint, &was, next)) /* H0 */
		;
}

/* One payload word.  False: the record is another event's by now. */
static inline bool fill_word(struct soj_shm_event *record, uint64_t seq,
			     uint64_t tag, unsigned i, uint64_t value)
{
	soj_word_t *word = &record->payload[i];
	uint64_t was = soj_load_acquire(word); /* V3 */

	while (was >> 48 != tag) {
		if (soj_event_seq(soj_load_acquire(&record->word)) != /* V1 */
		    seq)
			return false;
		if (soj_cas_acq_rel(word, &was, /* V2 */
				    (value & SOJ_MASK(48)) | tag << 48))
			break;
	}
	return true;
}

/* Returns the word that says what happened, as it is if nobody else filled it;
 * 0: the record is another event's. */
static uint64_t fill(const struct soj_store *st, const struct soj_worker *w,
		     uint64_t seq, const struct soj_event_what *what, bool own)
{
	const uint64_t value[SOJ_EVENT_PAYLOADS] = {
		(uint64_t)what->type | (uint64_t)what->status << WHAT_STATUS |
			(uint64_t)w->source << WHAT_SOURCE |
			(uint64_t)(what->collection & SOJ_MASK(6))
				<< WHAT_COLLECTION |
			(uint64_t)!own << WHAT_HELPED |
			((uint64_t)w->pid & SOJ_MASK(22)) << WHAT_PID,
		soj_seg_now_ms(&st->seg),
		what->ref,
		what->digest.word[1],
		what->subject.word[0],
		what->detail[0],
		what->detail[1],
	};

	struct soj_shm_event *record = record_of(&st->seg, seq);
	const uint64_t tag = soj_event_tag(st->seg.lay.events_max, seq);

	/* What happened comes last: it says that all is there. */
	for (unsigned i = SOJ_EVENT_PAYLOADS; i-- > 0;)
		if (!fill_word(record, seq, tag, i, value[i]))
			return 0;
	return value[0] | tag << 48;
}

/* ---- one stage of an entry ---- */

static uint64_t told_of(struct soj_shm_entry *e)
{
	return soj_load_acquire(&e->event); /* T1 */
}

static void about(const struct soj_store *st, uint64_t ref,
		  struct soj_event_what *what)
{
	uint32_t idx = soj_ref_entry(ref);
	uint64_t misc = soj_load_relaxed(&soj_entry(st, idx)->misc);

	what->ref = ref;
	what->collection = soj_misc_collection(misc);
	what->digest = soj_entry_digest(st, idx);
	what->subject = soj_entry_subject(st, idx);
}

void soj_event_about(const struct soj_store *st, uint64_t ref,
		     struct soj_event_what *what)
{
	const soj_word_t *state = &st->seg.entry_states[soj_ref_entry(ref)];

	about(st, ref, what);
	soj_fence_acquire(); /* X0 */
	if (soj_ref_gen(ref) == (soj_state_gen(soj_load_relaxed(state)) &
				 SOJ_MASK(SOJ_REFGEN_BITS)))
		return;
	what->collection = 0;
	what->digest = what->subject = (struct soj_digest){{0}};
}

/* What the next stage says.  Read without care: the caller looks again. */
static void describe(const struct soj_store *st, uint64_t ref,
		     enum soj_told stage, struct soj_event_what *what)
{
	struct soj_shm_entry *e = soj_entry(st, soj_ref_entry(ref));
	uint64_t before = soj_load_relaxed(&e->predecessor);

	*what = (struct soj_event_what){.type = SOJ_EVENT_CREATED};
	about(st, ref, what);
	if (stage == SOJ_TOLD_MADE) {
		what->type = SOJ_EVENT_ENDED;
		what->status = soj_ctl_status(soj_load_relaxed(&e->ctl));
	} else if (before && soj_entry_idx_ok(st, soj_ref_entry(before))) {
		what->type = SOJ_EVENT_RENEWED;
		what->detail[0] = before;
		what->detail[1] =
			soj_entry_digest(st, soj_ref_entry(before)).word[1];
	}
}

/* Step 4, unless others filled it with other words: then who overwrites it has
 * to look. */
static void mark_told(const struct soj_seg *seg, uint64_t seq, uint64_t what)
{
	soj_cas_acq_rel(&record_of(seg, seq)->payload[0], &what, /* V2 */
			what | UINT64_C(1) << WHAT_TOLD);
}

/* Step 3; {seq, entry} has been placed, told was `told`. */
static void complete(const struct soj_store *st, const struct soj_worker *w,
		     uint32_t idx, uint64_t told, bool own)
{
	struct soj_shm_entry *e = soj_entry(st, idx);
	enum soj_told stage = soj_told_stage(told);
	struct soj_event_what what;
	uint64_t seq = soj_told_seq(told), said;

	describe(st, soj_ref(idx, soj_told_gen(told)), stage, &what);
	soj_fence_acquire(); /* X0 */
	if (soj_load_relaxed(&e->event) != told)
		return;
	said = fill(st, w, seq, &what, own);
	SOJ_STEP("event.filled");
	if (!soj_cas_acq_rel(&e->event, &told, /* T0 */
			     soj_told(stage == SOJ_TOLD_NOTHING
					      ? SOJ_TOLD_MADE
					      : SOJ_TOLD_ENDED,
				      soj_told_gen(told), 0)))
		return;
	SOJ_STEP("event.told");
	if (said)
		mark_told(&st->seg, seq, said);
}

/* Is told past that event?  Then the entry need not be asked. */
static bool is_past(const struct soj_seg *seg, uint64_t seq)
{
	uint64_t what =
		soj_load_acquire(&record_of(seg, seq)->payload[0]); /* V3 */

	return what >> 48 == soj_event_tag(seg->lay.events_max, seq) &&
	       (what >> WHAT_TOLD & 1);
}

/* The entry that a record is about may still count on it. */
static void complete_record(const struct soj_store *st,
			    const struct soj_worker *w, uint64_t word)
{
	uint32_t idx = soj_event_entry(word);
	uint64_t told;

	if (idx == 0 || !soj_entry_idx_ok(st, idx) ||
	    is_past(&st->seg, soj_event_seq(word)))
		return;
	told = told_of(soj_entry(st, idx));
	if (soj_told_seq(told) == soj_event_seq(word) &&
	    soj_told_stage(told) < SOJ_TOLD_ENDED)
		complete(st, w, idx, told, false);
}

void soj_event_prefetch(const struct soj_store *st)
{
	const struct soj_seg *seg = &st->seg;

	if (seg->lay.events_max != 0)
		soj_prefetch(record_of(
			seg, soj_load_relaxed(&seg->hdr->event_next) + AHEAD));
}

/* Step 2.  False: the number is another event's. */
static bool take(struct soj_store *st, struct soj_worker *w, uint64_t seq,
		 uint32_t entry)
{
	soj_word_t *word = &record_of(&st->seg, seq)->word;
	uint64_t want = soj_event(seq, entry);
	uint64_t was = word_of(&st->seg, seq);

	while (soj_event_seq(was) < seq) {
		complete_record(st, w, was);
		SOJ_STEP("event.taking");
		if (soj_gone(w))
			return false;
		if (!soj_cas_acq_rel(word, &was, want)) /* V0 */
			continue;
		SOJ_STEP("event.taken");
		soj_count(&w->thr, SOJ_COUNT_events);
		push_hint(&st->seg, seq + 1);
		return true;
	}
	/* Of an entry anyone may have done it, of entry 0 it was not us. */
	return entry != 0 && was == want;
}

/* The stage after `stage`, of an entry for which that is certain to come. */
static void tell_stage(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		       enum soj_told stage, bool own)
{
	struct soj_shm_entry *e = soj_entry(st, soj_ref_entry(ref));
	uint64_t told = told_of(e);
	bool mine = false;

	while (soj_told_gen(told) == soj_ref_gen(ref) &&
	       soj_told_stage(told) == stage && !soj_gone(w)) {
		uint64_t seq = soj_told_seq(told);

		if (seq != 0 && (mine || !SOJ_PLANT(EVENT_TWICE)) &&
		    take(st, w, seq, soj_ref_entry(ref))) {
			complete(st, w, soj_ref_entry(ref), told, own);
			told = told_of(e);
			continue;
		}
		seq = soj_event_next(&st->seg);
		seq = seq <= SOJ_EVENT_SEQ_MAX
			      ? soj_told(stage, soj_ref_gen(ref), seq)
			      : soj_told(stage == SOJ_TOLD_NOTHING
						 ? SOJ_TOLD_MADE
						 : SOJ_TOLD_ENDED,
					 soj_ref_gen(ref), 0);
		if (soj_gone(w))
			return;
		mine = soj_cas_acq_rel(&e->event, &told, seq); /* T0 */
		if (mine)
			told = seq;
		SOJ_STEP("event.meant");
	}
}

/* ---- what is to be told ---- */

static bool is_live(const struct soj_store *st, uint64_t ref)
{
	uint64_t state;

	if (!soj_entry_idx_ok(st, soj_ref_entry(ref)))
		return false;
	state = soj_load_acquire(/* S1 */
				 &st->seg.entry_states[soj_ref_entry(ref)]);
	return soj_state_phase(state) == SOJ_LIVE &&
	       (soj_state_gen(state) & SOJ_MASK(SOJ_REFGEN_BITS)) ==
		       soj_ref_gen(ref);
}

static bool is_told(const struct soj_store *st, uint64_t ref,
		    enum soj_told stage)
{
	uint64_t told = told_of(soj_entry(st, soj_ref_entry(ref)));

	return soj_told_gen(told) != soj_ref_gen(ref) ||
	       soj_told_stage(told) >= stage;
}

static bool is_on(const struct soj_store *st, uint64_t ref)
{
	uint64_t misc =
		soj_load_relaxed(&soj_entry(st, soj_ref_entry(ref))->misc);

	return soj_event_on(st, soj_misc_collection(misc));
}

static uint64_t predecessor_of(const struct soj_store *st, uint64_t ref)
{
	return soj_load_relaxed(
		&soj_entry(st, soj_ref_entry(ref))->predecessor);
}

void soj_event_made(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		    bool own)
{
	if (!is_on(st, ref))
		return;
	while (!soj_gone(w) && !is_told(st, ref, SOJ_TOLD_MADE)) {
		uint64_t first = ref;

		/* A line whose makers all died begins with its first. */
		for (unsigned i = 0; i < TRIES; i++) {
			uint64_t before = predecessor_of(st, first);

			if (before == 0 || !is_live(st, before) ||
			    is_told(st, before, SOJ_TOLD_MADE))
				break;
			first = before;
		}
		tell_stage(st, w, first, SOJ_TOLD_NOTHING, own && first == ref);
	}
}

/*
 * Of an ended entry that is LIVE: 1, it led on to *successor; 0, it did not;
 * -EAGAIN, it is gone.  Its chunk is its own as long as it is LIVE.
 */
static int led_to(const struct soj_store *st, uint64_t ref, uint64_t *successor)
{
	struct soj_shm_entry *e = soj_entry(st, soj_ref_entry(ref));
	uint64_t ctl = soj_load_acquire(&e->ctl); /* E1 */
	struct soj_chunk_view view;
	int leads = 0;

	if (!soj_entry_never_renewed(e, ref) &&
	    soj_chunk_look(st, soj_ctl_chunk(ctl), &view) &&
	    view.entry == soj_ref_entry(ref) &&
	    view.record_bytes == sizeof(struct soj_shm_record)) {
		*successor = soj_load_relaxed(&view.record[0]);
		leads = 1;
	}
	soj_fence_acquire(); /* X0 */
	return is_live(st, ref) ? leads : -EAGAIN;
}

/* Withdrawn, and its beginning is not told.  True: it never will be; false:
 * somebody is about to. */
static bool never_told(const struct soj_store *st, const struct soj_worker *w,
		       uint64_t ref)
{
	struct soj_shm_entry *e = soj_entry(st, soj_ref_entry(ref));
	uint64_t told = told_of(e);

	while (soj_told_gen(told) == soj_ref_gen(ref) &&
	       soj_told_stage(told) == SOJ_TOLD_NOTHING) {
		if (soj_told_seq(told) != 0 || soj_gone(w))
			return false;
		SOJ_STEP("event.closing");
		if (soj_cas_acq_rel(
			    &e->event, &told, /* T0 */
			    soj_told(SOJ_TOLD_ENDED, soj_ref_gen(ref), 0)))
			return true;
	}
	return soj_told_gen(told) != soj_ref_gen(ref) ||
	       soj_told_stage(told) == SOJ_TOLD_ENDED;
}

/*
 * Is there something to be told?  1, and whether it was the last of its line; 0;
 * or an error: cannot be said now.  What
 * nobody ever had in hand, and what only led on, has none.
 */
static int has_end(const struct soj_store *st, const struct soj_worker *w,
		   uint64_t ref, bool *last)
{
	struct soj_shm_entry *e = soj_entry(st, soj_ref_entry(ref));
	uint64_t ctl, before, next;
	int rc;

	if (!is_live(st, ref))
		return 0;
	ctl = soj_load_acquire(&e->ctl); /* E1 */
	if (!soj_ctl_ended(ctl))
		return 0;
	/* Most were never LIVE before; of the others their maker tells. */
	if (soj_ctl_status(ctl) == SOJ_ENDED_WITHDRAWN &&
	    never_told(st, w, ref))
		return 0;
	rc = led_to(st, ref, &next);
	*last = rc == 0;
	if (rc != 0)
		return rc == -EAGAIN ? 0 : !is_told(st, ref, SOJ_TOLD_MADE);
	before = predecessor_of(st, ref);
	if (before == 0 || is_told(st, ref, SOJ_TOLD_MADE))
		return 1;
	return soj_line_names(st, before, ref);
}

/* False: it could not be said. */
static bool tell_end(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		     bool own)
{
	bool last;
	int rc;

	if (is_told(st, ref, SOJ_TOLD_ENDED))
		return true;
	rc = has_end(st, w, ref, &last);
	if (rc <= 0)
		return rc == 0;
	soj_event_made(st, w, ref, false);
	if (last)
		tell_stage(st, w, ref, SOJ_TOLD_MADE, own);
	return !soj_gone(w);
}

void soj_event_ended(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		     bool own)
{
	if (is_on(st, ref))
		tell_end(st, w, ref, own);
}

bool soj_event_settle(struct soj_store *st, struct soj_worker *w, uint64_t ref)
{
	uint64_t next;

	if (!is_on(st, ref) || SOJ_PLANT(EVENT_UNTOLD))
		return true;
	if (!tell_end(st, w, ref, false))
		return false;
	if (led_to(st, ref, &next) == 1 && is_live(st, next))
		soj_event_made(st, w, next, false);
	return !soj_gone(w);
}

/* ---- other events ---- */

void soj_event_tell(struct soj_store *st, struct soj_worker *w,
		    const struct soj_event_what *what)
{
	uint64_t seq;

	if (!soj_event_on(st, what->collection))
		return;
	do {
		if (soj_gone(w))
			return;
		seq = soj_event_next(&st->seg);
		if (seq > SOJ_EVENT_SEQ_MAX)
			return;
	} while (!take(st, w, seq, 0));
	fill(st, w, seq, what, true);
}

void soj_event_tell_of(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		       enum soj_event_type type, enum soj_status status,
		       uint64_t detail)
{
	struct soj_event_what what = {
		.type = type, .status = status, .detail = {detail}};

	if (!is_on(st, ref))
		return;
	soj_event_about(st, ref, &what);
	soj_event_tell(st, w, &what);
}

bool soj_event_repair(struct soj_store *st, struct soj_worker *w,
		      struct soj_event_watch *watch)
{
	const struct soj_seg *seg = &st->seg;
	const uint64_t now_ms = soj_seg_now_ms(seg);
	uint64_t next, seq, oldest;
	struct soj_event event;

	if (seg->lay.events_max == 0)
		return false;
	next = soj_event_next(seg);
	oldest = next > seg->lay.events_max ? next - seg->lay.events_max : 1;
	seq = soj_max(watch->seq, oldest);
	for (unsigned i = 0; seq < next && i < REPAIR_MAX; i++, seq++) {
		if (soj_event_read(seg, seq, &event, &oldest) != -EAGAIN)
			continue;
		complete_record(st, w, word_of(seg, seq));
		if (soj_event_read(seg, seq, &event, &oldest) != -EAGAIN)
			continue;
		/* Its writer may be at it. */
		if (seq >= watch->limit || now_ms < watch->since_ms) {
			watch->limit = next;
			watch->since_ms = now_ms;
		}
		if (now_ms - watch->since_ms < seg->policy.expel_after_ms ||
		    soj_gone(w))
			break;
		fill_word(record_of(seg, seq), seq,
			  soj_event_tag(seg->lay.events_max, seq), 0,
			  SOJ_EVENT_LOST);
		SOJ_STEP("event.lost");
	}
	watch->seq = seq;
	return seq < next;
}
