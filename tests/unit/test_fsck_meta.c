/* SPDX-License-Identifier: MIT */

/* Each invariant of header, thread slots, units and hints, violated. */

#include "lib_violation.h"

static void header_magic(struct picture *p)
{
	soj_store_relaxed(&hdr(p)->magic, 1);
}

static void header_version(struct picture *p)
{
	hdr(p)->version_major++;
}

static void header_layout(struct picture *p)
{
	hdr(p)->layout ^= 1;
}

static void header_flags(struct picture *p)
{
	hdr(p)->flags |= 0x100;
}

static void header_geometry(struct picture *p)
{
	hdr(p)->units = 0;
}

static void header_bytes(struct picture *p)
{
	hdr(p)->segment_bytes += 4096;
}

static void header_entries(struct picture *p)
{
	hdr(p)->entries_max = UINT32_MAX;
}

static void header_size(struct picture *p)
{
	p->bytes -= 4096;
}

static void header_short(struct picture *p)
{
	p->bytes = 100;
}

static void header_policy(struct picture *p)
{
	hdr(p)->policy.id_bytes = 3;
}

static void header_policy_ttl(struct picture *p)
{
	hdr(p)->collection[0].ttl_ms = 0;
}

static void header_reserved(struct picture *p)
{
	hdr(p)->reserved1[23] = 1;
}

static void header_epoch(struct picture *p)
{
	soj_store_relaxed(&hdr(p)->epoch, 1);
}

static void header_role(struct picture *p)
{
	soj_store_relaxed(&hdr(p)->role, soj_role(8, 1, 1));
}

static void header_words(struct picture *p)
{
	soj_store_relaxed(&hdr(p)->helper_asleep, 2);
}

static void slot_claim_phase(struct picture *p)
{
	soj_store_relaxed(&p->st.seg.slots[free_slot(p)].claim,
			  soj_claim(SOJ_CLAIM_MEND, 1, 1, 0));
}

static void slot_claim_nobody(struct picture *p)
{
	soj_store_relaxed(&p->st.seg.slots[free_slot(p)].claim,
			  soj_claim(SOJ_CLAIM_HELD, 1, 1, 0));
}

static void slot_section(struct picture *p)
{
	soj_store_relaxed(&p->st.seg.slots[p->slot].section,
			  SOJ_SECTION_EXPELLED);
}

static void slot_epoch(struct picture *p)
{
	soj_store_relaxed(&p->st.seg.slots[p->slot].section,
			  soj_section(epoch(p) + 1, 5));
}

static void slot_unseen(struct picture *p)
{
	soj_store_relaxed(&p->st.seg.slots[p->slot].section,
			  soj_section(epoch(p), 5));
	soj_store_relaxed(&hdr(p)->slots_used, p->slot);
}

static void slot_open(struct picture *p)
{
	soj_store_relaxed(&p->st.seg.slots[free_slot(p)].section,
			  soj_section(epoch(p), 5));
	soj_store_relaxed(&hdr(p)->slots_used, free_slot(p) + 1);
}

static void unit_word_phase(struct picture *p)
{
	soj_store_relaxed(&p->st.seg.units[p->unit_free],
			  soj_unit(7, 0, 0, 0, 1));
}

static void unit_word_class(struct picture *p)
{
	soj_store_relaxed(&p->st.seg.units[p->unit_free],
			  soj_unit(SOJ_UNIT_ACTIVE, SOJ_CLASSES, 0, 0, 1));
}

static void unit_word_fields(struct picture *p)
{
	soj_store_relaxed(&p->st.seg.units[p->unit_free],
			  soj_unit(SOJ_UNIT_FREE, 1, 0, 0, 1));
}

static void unit_word_part(struct picture *p)
{
	soj_store_relaxed(&p->st.seg.units[p->unit_free],
			  soj_unit(SOJ_UNIT_PART, 0, 0, 1, 1));
}

/* It would begin before the first unit. */
static void unit_word_first(struct picture *p)
{
	uint64_t part = soj_load_relaxed(&p->st.seg.units[p->unit_part]);

	soj_store_relaxed(&p->st.seg.units[0],
			  soj_unit(SOJ_UNIT_PART, soj_unit_class(part), 0, 1,
				   soj_unit_gen(part)));
}

static void unit_range(struct picture *p)
{
	uint32_t last = p->st.seg.lay.units - 1;

	assert_int_equal(last, p->unit_free);
	soj_store_relaxed(&p->st.seg.units[last],
			  soj_unit(SOJ_UNIT_ACTIVE, SOJ_CLASSES - 1, 0, 0, 1));
}

static void unit_page(struct picture *p)
{
	soj_store_relaxed(&p->st.seg.units[p->unit_part],
			  soj_unit(SOJ_UNIT_FREE, 0, 0, 0, 2));
}

static uint64_t part_word(struct picture *p)
{
	return soj_load_relaxed(&p->st.seg.units[p->unit_part]);
}

/* A part of the page's class, but behind a page of one unit. */
static void unit_part(struct picture *p)
{
	uint32_t class = soj_unit_class(part_word(p));

	soj_store_relaxed(&p->st.seg.units[p->unit_free],
			  soj_unit(SOJ_UNIT_PART, class, 0, 1, 1));
}

static void unit_owner(struct picture *p)
{
	kill_slot(p);
	soj_store_relaxed(&p->st.seg.units[p->unit_free],
			  soj_unit(SOJ_UNIT_OWNED, 0, p->slot, 0, 1));
}

static void unit_draining(struct picture *p)
{
	uint32_t unit = soj_chunk_unit(chunk_of(p, p->live));
	uint64_t word = soj_load_relaxed(&p->st.seg.units[unit]);

	soj_store_relaxed(&p->st.seg.units[unit],
			  soj_unit(SOJ_UNIT_DRAINING, soj_unit_class(word),
				   free_slot(p), 0, soj_unit_gen(word)));
}

static void unit_dirty(struct picture *p)
{
	p->st.seg.chunks[(uint64_t)p->unit_free * SOJ_UNIT_BYTES + 77777] = 1;
}

/* Behind the last chunk of a page. */
static void unit_dirty_tail(struct picture *p)
{
	uint32_t unit = soj_chunk_unit(chunk_of(p, p->live));
	uint64_t word = soj_load_relaxed(&p->st.seg.units[unit]);
	const struct soj_class *class = &p->st.classes[soj_unit_class(word)];
	uint64_t end = (uint64_t)unit * SOJ_UNIT_BYTES +
		       (uint64_t) class->page_slots * class->chunk_bytes;

	assert_true(end <
		    (uint64_t)(unit + class->page_units) * SOJ_UNIT_BYTES);
	p->st.seg.chunks[end] = 1;
}

static void hint_zero(struct picture *p)
{
	soj_store_relaxed(&p->st.seg.entry_free[0], 1);
}

static void hint_end(struct picture *p)
{
	flip(&p->st.seg.ended[300 / 64], UINT64_C(1) << (301 % 64));
}

static void hint_unit(struct picture *p)
{
	flip(&p->st.seg.unit_free[p->st.seg.lay.unit_hint_words - 1],
	     UINT64_C(1) << 63);
}

static void hint_summary(struct picture *p)
{
	flip(&p->st.seg.armed_summary[0], UINT64_C(1) << 63);
}

static const struct violation violations[] = {
	VIOLATION(header_magic, HEADER_MAGIC),
	VIOLATION(header_version, HEADER_VERSION),
	VIOLATION(header_layout, HEADER_LAYOUT),
	VIOLATION(header_flags, HEADER_FLAGS),
	VIOLATION(header_geometry, HEADER_GEOMETRY),
	VIOLATION(header_bytes, HEADER_GEOMETRY),
	VIOLATION(header_entries, HEADER_GEOMETRY),
	VIOLATION(header_size, HEADER_SIZE),
	VIOLATION(header_short, HEADER_SHORT),
	VIOLATION(header_policy, HEADER_POLICY),
	VIOLATION(header_policy_ttl, HEADER_POLICY),
	VIOLATION(header_reserved, HEADER_RESERVED),
	VIOLATION(header_epoch, HEADER_EPOCH),
	VIOLATION(header_role, HEADER_ROLE),
	VIOLATION(header_words, HEADER_WORDS),
	VIOLATION(slot_claim_phase, SLOT_CLAIM),
	VIOLATION(slot_claim_nobody, SLOT_CLAIM),
	VIOLATION(slot_section, SLOT_SECTION),
	VIOLATION(slot_epoch, SLOT_EPOCH),
	VIOLATION(slot_unseen, SLOT_UNSEEN),
	VIOLATION(slot_open, SLOT_OPEN),
	VIOLATION(kill_slot, SLOT_DEAD),
	VIOLATION(unit_word_phase, UNIT_WORD),
	VIOLATION(unit_word_class, UNIT_WORD),
	VIOLATION(unit_word_fields, UNIT_WORD),
	VIOLATION(unit_word_part, UNIT_WORD),
	VIOLATION(unit_word_first, UNIT_WORD),
	VIOLATION(unit_range, UNIT_RANGE),
	VIOLATION(unit_page, UNIT_PAGE),
	VIOLATION(unit_part, UNIT_PART),
	VIOLATION(unit_owner, UNIT_OWNER),
	VIOLATION(unit_draining, UNIT_ORPHAN),
	VIOLATION(unit_dirty, UNIT_DIRTY),
	VIOLATION(unit_dirty_tail, UNIT_DIRTY),
	VIOLATION(hint_zero, HINT_RANGE),
	VIOLATION(hint_end, HINT_RANGE),
	VIOLATION(hint_unit, HINT_RANGE),
	VIOLATION(hint_summary, HINT_RANGE),
};

int main(void)
{
	static const struct violation_suite suite = {
		.violations = violations,
		.count = sizeof(violations) / sizeof(violations[0]),
		.ranges = {{SOJ_FSCK_HEADER_SHORT, SOJ_FSCK_SLOT_DEAD},
			   {SOJ_FSCK_UNIT_WORD, SOJ_FSCK_UNIT_DIRTY},
			   {SOJ_FSCK_HINT_RANGE, SOJ_FSCK_HINT_RANGE}},
		.alone = {SOJ_FSCK_HEADER_ROLE, SOJ_FSCK_SLOT_OPEN,
			  SOJ_FSCK_UNIT_DIRTY, SOJ_FSCK_HINT_RANGE},
	};

	return run_violations(&suite);
}
