/* SPDX-License-Identifier: MIT */

/* Each invariant of the event ring, violated. */

#include "lib_violation.h"
#include "store/event.h"

static struct soj_shm_event *record(struct picture *p, uint64_t seq)
{
	return &p->st.seg
			.events[soj_event_place(p->st.seg.lay.events_max, seq)];
}

static uint64_t newest(struct picture *p)
{
	return soj_load_relaxed(&hdr(p)->event_next) - 1;
}

static void event_place(struct picture *p)
{
	soj_store_relaxed(&record(p, 3)->word, soj_event(4, 0));
}

static void event_place_zero(struct picture *p)
{
	soj_store_relaxed(&record(p, newest(p) + 2)->word, 7);
}

static void event_place_entry(struct picture *p)
{
	soj_store_relaxed(&record(p, 3)->word, soj_event(3, 0x3ffffff));
}

static void event_gap(struct picture *p)
{
	soj_store_relaxed(&record(p, newest(p) + 2)->word,
			  soj_event(newest(p) + 2, 0));
}

static void event_gap_behind(struct picture *p)
{
	soj_store_relaxed(&record(p, newest(p) - 1)->word, 0);
}

static void event_round(struct picture *p)
{
	soj_store_relaxed(&record(p, 3)->payload[2], UINT64_C(2) << 48 | 5);
}

static void event_round_other(struct picture *p)
{
	soj_store_relaxed(&record(p, 3)->payload[6], UINT64_C(900) << 48 | 5);
}

static void event_type(struct picture *p)
{
	soj_store_relaxed(&record(p, 3)->payload[0], UINT64_C(1) << 48 | 0x3f);
}

static void event_type_none(struct picture *p)
{
	soj_store_relaxed(&record(p, 3)->payload[0], UINT64_C(1) << 48);
}

static void event_hint(struct picture *p)
{
	soj_store_relaxed(&hdr(p)->event_next, newest(p) + 5);
}

static void event_hint_zero(struct picture *p)
{
	soj_store_relaxed(&hdr(p)->event_next, 0);
}

static void set_told(struct picture *p, unsigned stage, uint64_t more_gen)
{
	uint64_t gen = soj_state_gen(soj_load_relaxed(state_word(p, p->live)));

	soj_store_relaxed(&entry(p, p->live)->event,
			  soj_told((enum soj_told)stage, gen + more_gen, 0));
}

static void event_told_stage(struct picture *p)
{
	set_told(p, 3, 0);
}

static void event_told_gen(struct picture *p)
{
	set_told(p, SOJ_TOLD_MADE, 1);
}

static void event_told_ended(struct picture *p)
{
	set_told(p, SOJ_TOLD_ENDED, 0);
}

static void event_half(struct picture *p)
{
	soj_store_relaxed(&record(p, newest(p))->payload[0], 0);
}

static void event_untold(struct picture *p)
{
	set_told(p, SOJ_TOLD_NOTHING, 0);
}

static const struct violation violations[] = {
	VIOLATION(event_place, EVENT_PLACE),
	VIOLATION(event_place_zero, EVENT_PLACE),
	VIOLATION(event_place_entry, EVENT_PLACE),
	VIOLATION(event_gap, EVENT_GAP),
	VIOLATION(event_gap_behind, EVENT_GAP),
	VIOLATION(event_round, EVENT_ROUND),
	VIOLATION(event_round_other, EVENT_ROUND),
	VIOLATION(event_type, EVENT_TYPE),
	VIOLATION(event_type_none, EVENT_TYPE),
	VIOLATION(event_hint, EVENT_HINT),
	VIOLATION(event_hint_zero, EVENT_HINT),
	VIOLATION(event_told_stage, EVENT_TOLD),
	VIOLATION(event_told_gen, EVENT_TOLD),
	VIOLATION(event_told_ended, EVENT_TOLD),
	VIOLATION(event_half, EVENT_HALF),
	VIOLATION(event_untold, EVENT_UNTOLD),
};

int main(void)
{
	static const struct violation_suite suite = {
		.violations = violations,
		.count = sizeof(violations) / sizeof(violations[0]),
		.ranges = {{SOJ_FSCK_EVENT_PLACE, SOJ_FSCK_EVENT_UNTOLD}},
		.alone = {SOJ_FSCK_EVENT_TYPE, SOJ_FSCK_EVENT_HINT,
			  SOJ_FSCK_EVENT_TOLD, SOJ_FSCK_EVENT_HALF,
			  SOJ_FSCK_EVENT_UNTOLD},
	};

	return run_violations(&suite);
}
