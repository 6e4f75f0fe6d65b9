/* SPDX-License-Identifier: MIT */

/* Each invariant of entries and chunks, violated. */

#include "lib_violation.h"

static void chunk_state_phase(struct picture *p)
{
	set_chunk_state(p, p->chunk_free, 7, 0);
}

static void chunk_state_aux(struct picture *p)
{
	set_chunk_state(p, chunk_of(p, p->live), SOJ_LIVE, 5);
}

static void chunk_state_owner(struct picture *p)
{
	set_chunk_state(p, p->chunk_owned, SOJ_OWNED, 8);
}

static void chunk_stamp(struct picture *p)
{
	set_chunk_state(p, p->chunk_retired, SOJ_RETIRED, epoch(p) + 1);
}

static void chunk_place(struct picture *p)
{
	set_chunk_state(p, soj_chunk(p->unit_free, 3), SOJ_RETIRED, epoch(p));
}

static void chunk_owner(struct picture *p)
{
	kill_slot(p);
}

static void chunk_orphan(struct picture *p)
{
	set_chunk_state(p, p->chunk_owned, SOJ_OWNED, free_slot(p));
}

static void chunk_dirty(struct picture *p)
{
	uint32_t bytes;
	soj_word_t *words = soj_chunk_words(&p->st, p->chunk_free, &bytes);

	flip(&words[bytes / 8 - 1], UINT64_C(1) << 63);
}

/* Of a chunk that no entry names: only its own check can see it. */
static soj_word_t *leaked_chunk(struct picture *p)
{
	uint32_t bytes;

	set_chunk_state(p, p->chunk_free, SOJ_LIVE, 0);
	return soj_chunk_words(&p->st, p->chunk_free, &bytes);
}

static void chunk_length(struct picture *p)
{
	soj_word_t *words = leaked_chunk(p);

	soj_store_relaxed(&words[0],
			  soj_chunk_head0(SOJ_DATA_BYTES_MAX, 0, 0, 0));
	soj_store_relaxed(&words[1], soj_chunk_head1(1, 1));
}

static void chunk_length_record(struct picture *p)
{
	soj_word_t *words = leaked_chunk(p);

	soj_store_relaxed(&words[0], soj_chunk_head0(8, 8, 0, 24));
	soj_store_relaxed(&words[1], soj_chunk_head1(1, 1));
}

static void chunk_entry(struct picture *p)
{
	soj_store_relaxed(&leaked_chunk(p)[1],
			  soj_chunk_head1(p->st.seg.lay.entries_max + 1, 1));
}

static void chunk_leak(struct picture *p)
{
	soj_store_relaxed(&leaked_chunk(p)[1], soj_chunk_head1(p->live, 1));
}

/* An entry is retired before its chunk is: killed in between. */
static void chunk_leak_retired(struct picture *p)
{
	uint32_t idx = p->ended;
	soj_word_t *link = picture_link_to(p, idx);
	uint64_t was = soj_load_relaxed(link);

	soj_store_relaxed(
		link,
		soj_link(soj_link_entry(soj_load_relaxed(&entry(p, idx)->link)),
			 soj_link_version(was) + 1, false));
	set_state(p, idx, SOJ_RETIRED, epoch(p));
}

static void entry_state_phase(struct picture *p)
{
	set_state(p, p->virgin, 6, 0);
}

static void entry_state_gen(struct picture *p)
{
	soj_store_relaxed(state_word(p, p->virgin), soj_state(SOJ_FREE, 0, 0));
}

static void entry_state_owner(struct picture *p)
{
	set_state(p, p->owned, SOJ_OWNED, 4000);
}

static void entry_stamp(struct picture *p)
{
	set_state(p, p->retired, SOJ_RETIRED, epoch(p) + 1);
}

static void entry_zero(struct picture *p)
{
	set_state(p, 0, SOJ_OWNED, 0);
}

static void entry_zero_words(struct picture *p)
{
	soj_store_relaxed(&entry(p, 0)->misc, 1);
}

static void entry_dirty_virgin(struct picture *p)
{
	soj_store_relaxed(&entry(p, p->virgin)->subject[1], 1);
}

static void entry_dirty_digest(struct picture *p)
{
	soj_store_relaxed(&entry(p, p->freed)->digest[0], 1);
}

static void entry_dirty_half(struct picture *p)
{
	soj_store_relaxed(&entry(p, p->freed)->sliding_ms, 1);
}

static void entry_dirty_ctl(struct picture *p)
{
	set_ctl(p, p->freed, SOJ_ACTIVE, SOJ_CHUNK_NONE);
}

static void entry_dirty_life(struct picture *p)
{
	flip(&entry(p, p->freed)->life, SOJ_LIFE_EXPIRED);
}

static void entry_dirty_renew(struct picture *p)
{
	soj_store_relaxed(&entry(p, p->freed)->renew, soj_renew(2, 1, 9));
}

static void entry_dirty_link(struct picture *p)
{
	flip(&entry(p, p->freed)->link, SOJ_LINK_MARK);
}

static void entry_owner(struct picture *p)
{
	kill_slot(p);
}

static void entry_orphan(struct picture *p)
{
	set_state(p, p->owned, SOJ_OWNED, free_slot(p));
}

static void entry_owner_busy(struct picture *p)
{
	soj_store_relaxed(&p->st.seg.slots[free_slot(p)].claim,
			  soj_claim(SOJ_CLAIM_BUSY, 1, 1, 7));
	set_state(p, p->owned, SOJ_OWNED, free_slot(p));
}

static void entry_status(struct picture *p)
{
	set_ctl(p, p->live, SOJ_NONE, SOJ_CHUNK_NONE);
}

static void entry_status_unknown(struct picture *p)
{
	set_ctl(p, p->live, SOJ_ENDED_REUSED + 1, chunk_of(p, p->live));
}

static void entry_generation(struct picture *p)
{
	flip(&entry(p, p->live)->life, 1);
}

static void entry_generation_renew(struct picture *p)
{
	flip(&entry(p, p->live)->renew, 1);
}

static void entry_renewer(struct picture *p)
{
	uint64_t renew = soj_load_relaxed(&entry(p, p->live)->renew);

	soj_store_relaxed(&entry(p, p->live)->renew,
			  soj_renew(soj_renew_gen(renew), 8, 1));
}

static void entry_renewed_by_nobody(struct picture *p)
{
	struct soj_shm_entry *e = entry(p, p->renewed);

	soj_store_relaxed(&e->renew, soj_renew_never(soj_renew_gen(
					     soj_load_relaxed(&e->renew))));
}

static void entry_unindexed(struct picture *p)
{
	uint32_t place;
	struct soj_shm_bucket *b = picture_bucket(p, p->live, &place);

	flip(&b->header, UINT64_C(1) << place);
	soj_store_relaxed(&b->place[place], 0);
}

static void entry_unchained(struct picture *p)
{
	soj_word_t *link = picture_link_to(p, p->live);
	uint64_t next = soj_load_relaxed(&entry(p, p->live)->link);

	soj_store_relaxed(link, soj_link(soj_link_entry(next), 77, false));
}

static void entry_chunk_number(struct picture *p)
{
	set_ctl(p, p->live, SOJ_ACTIVE, SOJ_CHUNK_NONE);
}

static void entry_chunk_freed(struct picture *p)
{
	uint32_t chunk = chunk_of(p, p->live);

	set_chunk_state(p, chunk, SOJ_RETIRED, epoch(p));
}

static void entry_chunk_page(struct picture *p)
{
	set_ctl(p, p->live, SOJ_ACTIVE, soj_chunk(p->unit_free, 0));
}

/* Two entries name one chunk: it can be but one's. */
static void entry_backref(struct picture *p)
{
	set_ctl(p, p->live, SOJ_ACTIVE, chunk_of(p, p->live2));
}

static void entry_length(struct picture *p)
{
	soj_store_relaxed(&picture_chunk(p, p->live)[0],
			  soj_chunk_head0(8, 300, 0, 0));
}

static void entry_record(struct picture *p)
{
	set_ctl(p, p->live, SOJ_RENEWED, chunk_of(p, p->live));
}

/* Word 0 of the record is the reference to the successor. */
static void entry_record_range(struct picture *p)
{
	soj_store_relaxed(&picture_chunk(p, p->renewed)[2], 0);
}

static void entry_successor(struct picture *p)
{
	flip(&picture_chunk(p, p->renewed)[2], UINT64_C(1) << 26);
}

static void entry_successor_other(struct picture *p)
{
	soj_store_relaxed(&entry(p, p->successor)->predecessor, 0);
}

static const struct violation violations[] = {
	VIOLATION(chunk_state_phase, CHUNK_STATE),
	VIOLATION(chunk_state_aux, CHUNK_STATE),
	VIOLATION(chunk_state_owner, CHUNK_STATE),
	VIOLATION(chunk_stamp, CHUNK_STAMP),
	VIOLATION(chunk_place, CHUNK_PLACE),
	VIOLATION(chunk_owner, CHUNK_OWNER),
	VIOLATION(chunk_orphan, CHUNK_ORPHAN),
	VIOLATION(chunk_dirty, CHUNK_DIRTY),
	VIOLATION(chunk_length, CHUNK_LENGTH),
	VIOLATION(chunk_length_record, CHUNK_LENGTH),
	VIOLATION(chunk_entry, CHUNK_ENTRY),
	VIOLATION(chunk_leak, CHUNK_LEAK),
	VIOLATION(chunk_leak_retired, CHUNK_LEAK),
	VIOLATION(entry_state_phase, ENTRY_STATE),
	VIOLATION(entry_state_gen, ENTRY_STATE),
	VIOLATION(entry_state_owner, ENTRY_STATE),
	VIOLATION(entry_stamp, ENTRY_STAMP),
	VIOLATION(entry_zero, ENTRY_ZERO),
	VIOLATION(entry_zero_words, ENTRY_ZERO),
	VIOLATION(entry_dirty_virgin, ENTRY_DIRTY),
	VIOLATION(entry_dirty_digest, ENTRY_DIRTY),
	VIOLATION(entry_dirty_half, ENTRY_DIRTY),
	VIOLATION(entry_dirty_ctl, ENTRY_DIRTY),
	VIOLATION(entry_dirty_life, ENTRY_DIRTY),
	VIOLATION(entry_dirty_renew, ENTRY_DIRTY),
	VIOLATION(entry_dirty_link, ENTRY_DIRTY),
	VIOLATION(entry_owner, ENTRY_OWNER),
	VIOLATION(entry_orphan, ENTRY_ORPHAN),
	VIOLATION(entry_owner_busy, ENTRY_OWNER),
	VIOLATION(entry_status, ENTRY_STATUS),
	VIOLATION(entry_status_unknown, ENTRY_STATUS),
	VIOLATION(entry_generation, ENTRY_GENERATION),
	VIOLATION(entry_generation_renew, ENTRY_GENERATION),
	VIOLATION(entry_renewer, ENTRY_RENEWER),
	VIOLATION(entry_renewed_by_nobody, ENTRY_RENEWER),
	VIOLATION(entry_unindexed, ENTRY_UNINDEXED),
	VIOLATION(entry_unchained, ENTRY_UNCHAINED),
	VIOLATION(entry_chunk_number, ENTRY_CHUNK),
	VIOLATION(entry_chunk_freed, ENTRY_CHUNK),
	VIOLATION(entry_chunk_page, ENTRY_CHUNK),
	VIOLATION(entry_backref, ENTRY_BACKREF),
	VIOLATION(entry_length, ENTRY_LENGTH),
	VIOLATION(entry_record, ENTRY_RECORD),
	VIOLATION(entry_record_range, ENTRY_RECORD),
	VIOLATION(entry_successor, ENTRY_SUCCESSOR),
	VIOLATION(entry_successor_other, ENTRY_SUCCESSOR),
};

int main(void)
{
	static const struct violation_suite suite = {
		.violations = violations,
		.count = sizeof(violations) / sizeof(violations[0]),
		.ranges = {{SOJ_FSCK_CHUNK_STATE, SOJ_FSCK_CHUNK_LEAK},
			   {SOJ_FSCK_ENTRY_STATE, SOJ_FSCK_ENTRY_SUCCESSOR}},
		.alone = {SOJ_FSCK_CHUNK_DIRTY, SOJ_FSCK_CHUNK_LEAK,
			  SOJ_FSCK_ENTRY_DIRTY, SOJ_FSCK_ENTRY_UNINDEXED,
			  SOJ_FSCK_ENTRY_UNCHAINED},
	};

	return run_violations(&suite);
}
