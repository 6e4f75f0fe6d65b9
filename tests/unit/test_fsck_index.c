/* SPDX-License-Identifier: MIT */

/* Each invariant of the id index and the subject chains, violated. */

#include "lib_violation.h"
#include "store/chain.h"

static void index_range(struct picture *p)
{
	uint32_t place;
	struct soj_shm_bucket *b = picture_bucket(p, p->live, &place);

	soj_store_relaxed(&b->place[place], soj_place(soj_ref(301, 1), 0));
}

static void index_range_reserved(struct picture *p)
{
	uint32_t place, other;

	other = picture_other_bucket(p, picture_bucket(p, p->live, NULL),
				     &place);
	soj_store_relaxed(&p->st.seg.buckets[other].place[place],
			  soj_place(soj_ref(0, 1), 9));
}

/* A hint beyond the end. */
static void index_range_hint(struct picture *p)
{
	struct soj_shm_bucket *b = picture_bucket(p, p->live, NULL);

	soj_store_relaxed(
		&b->place[SOJ_BUCKET_PLACES - 1],
		soj_hint(p->st.seg.lay.units * (SOJ_UNIT_BYTES / 8) - 1, 2));
}

/* More than a hint where only a hint may be. */
static void index_range_no_hint(struct picture *p)
{
	struct soj_shm_bucket *b = picture_bucket(p, p->live, NULL);

	soj_store_relaxed(&b->place[SOJ_BUCKET_PLACES - 1],
			  soj_hint(1, 2) | UINT64_C(1) << 63);
}

static void index_empty(struct picture *p)
{
	uint32_t place, other;

	other = picture_other_bucket(p, picture_bucket(p, p->live, NULL),
				     &place);
	flip(&p->st.seg.buckets[other].header, UINT64_C(1) << place);
}

/* The entry's place, once more, where it may be. */
static struct soj_shm_bucket *second_place(struct picture *p, uint32_t idx,
					   uint64_t word, uint32_t *empty)
{
	uint32_t place;
	struct soj_shm_bucket *b = picture_bucket(p, idx, &place);

	for (*empty = 0; *empty < SOJ_BUCKET_PLACES; ++*empty)
		if (soj_load_relaxed(&b->place[*empty]) == 0)
			break;
	assert_true(*empty < SOJ_BUCKET_PLACES);
	soj_store_relaxed(&b->place[*empty],
			  word ? word : soj_load_relaxed(&b->place[place]));
	return b;
}

static void index_stale_gen(struct picture *p)
{
	uint64_t gen = soj_state_gen(soj_load_relaxed(state_word(p, p->live)));
	uint32_t empty;
	struct soj_shm_bucket *b =
		second_place(p, p->live,
			     soj_place_of(p->live, gen + 1,
					  soj_entry_digest(&p->st, p->live)),
			     &empty);

	flip(&b->header, UINT64_C(1) << empty);
}

static void index_stale_free(struct picture *p)
{
	uint32_t place, other;

	other = picture_other_bucket(p, picture_bucket(p, p->live, NULL),
				     &place);
	soj_store_relaxed(&p->st.seg.buckets[other].place[place],
			  soj_place(soj_ref(p->virgin, 1), 0));
	flip(&p->st.seg.buckets[other].header, UINT64_C(1) << place);
}

/* Retired before its place was cleared. */
static void index_stale_retired(struct picture *p)
{
	set_state(p, p->live, SOJ_RETIRED, epoch(p));
}

static void index_foreign(struct picture *p)
{
	uint32_t place, other, empty;
	struct soj_shm_bucket *b = picture_bucket(p, p->live, &place);

	other = picture_other_bucket(p, b, &empty);
	soj_store_relaxed(&p->st.seg.buckets[other].place[empty],
			  soj_load_relaxed(&b->place[place]));
	flip(&p->st.seg.buckets[other].header, UINT64_C(1) << empty);
}

static void index_foreign_tag(struct picture *p)
{
	uint32_t place;
	struct soj_shm_bucket *b = picture_bucket(p, p->live, &place);

	flip(&b->place[place], UINT64_C(1) << 63);
}

static void index_twice(struct picture *p)
{
	uint32_t empty;
	struct soj_shm_bucket *b = second_place(p, p->live, 0, &empty);

	flip(&b->header, UINT64_C(1) << empty);
}

static void index_twins(struct picture *p)
{
	struct soj_digest digest = soj_entry_digest(&p->st, p->live);
	uint64_t gen = soj_state_gen(soj_load_relaxed(state_word(p, p->live2)));
	uint32_t empty;
	struct soj_shm_bucket *b = second_place(
		p, p->live, soj_place_of(p->live2, gen, digest), &empty);

	soj_store_relaxed(&entry(p, p->live2)->digest[0], digest.word[0]);
	soj_store_relaxed(&entry(p, p->live2)->digest[1], digest.word[1]);
	flip(&b->header, UINT64_C(1) << empty);
}

static void index_ended(struct picture *p)
{
	set_ctl(p, p->live, SOJ_ENDED_DELETED, chunk_of(p, p->live));
}

static void index_leftover(struct picture *p)
{
	uint32_t place, other;

	other = picture_other_bucket(p, picture_bucket(p, p->live, NULL),
				     &place);
	soj_store_relaxed(&p->st.seg.buckets[other].place[place],
			  soj_place(soj_ref(p->freed, 1), 0));
}

/* The header lost the bit, the place is still filled. */
static void index_leftover_removed(struct picture *p)
{
	uint32_t place;
	struct soj_shm_bucket *b = picture_bucket(p, p->live, &place);

	set_ctl(p, p->live, SOJ_ENDED_DELETED, chunk_of(p, p->live));
	flip(&b->header, UINT64_C(1) << place);
}

static void chain_head(struct picture *p)
{
	flip(&p->st.seg.heads[0], SOJ_LINK_MARK);
}

static void chain_range(struct picture *p)
{
	soj_store_relaxed(picture_link_to(p, p->live), soj_link(301, 9, false));
}

static void chain_cycle(struct picture *p)
{
	uint32_t idx = p->live;
	soj_word_t *link = picture_link_to(p, idx);

	/* To the entry itself, or to the one before it. */
	(void)link;
	soj_store_relaxed(&entry(p, idx)->link, soj_link(idx, 9, false));
}

static void chain_cycle_long(struct picture *p)
{
	uint32_t first =
		soj_link_entry(soj_load_relaxed(&p->st.seg.heads[soj_head_of(
			&p->st, soj_entry_subject(&p->st, p->live))]));
	uint32_t last = first;

	for (uint32_t next = last; next != 0;
	     next = soj_link_entry(soj_load_relaxed(&entry(p, last)->link)))
		last = next;
	assert_int_not_equal(first, last);
	soj_store_relaxed(&entry(p, last)->link, soj_link(first, 9, false));
}

static void chain_foreign(struct picture *p)
{
	soj_store_relaxed(picture_link_to(p, p->live),
			  soj_link(p->live2, 9, false));
}

static void chain_freed(struct picture *p)
{
	soj_store_relaxed(picture_link_to(p, p->live),
			  soj_link(p->freed, 9, false));
}

static void chain_freed_retired(struct picture *p)
{
	set_state(p, p->ended, SOJ_RETIRED, epoch(p));
}

static void chain_lost(struct picture *p)
{
	flip(&entry(p, p->live)->link, SOJ_LINK_MARK);
}

static void chain_marked(struct picture *p)
{
	flip(&entry(p, p->ended)->link, SOJ_LINK_MARK);
}

static const struct violation violations[] = {
	VIOLATION(index_range, INDEX_RANGE),
	VIOLATION(index_range_reserved, INDEX_RANGE),
	VIOLATION(index_range_hint, INDEX_RANGE),
	VIOLATION(index_range_no_hint, INDEX_RANGE),
	VIOLATION(index_empty, INDEX_EMPTY),
	VIOLATION(index_stale_gen, INDEX_STALE),
	VIOLATION(index_stale_free, INDEX_STALE),
	VIOLATION(index_stale_retired, INDEX_STALE),
	VIOLATION(index_foreign, INDEX_FOREIGN),
	VIOLATION(index_foreign_tag, INDEX_FOREIGN),
	VIOLATION(index_twice, INDEX_TWICE),
	VIOLATION(index_twins, INDEX_TWINS),
	VIOLATION(index_ended, INDEX_ENDED),
	VIOLATION(index_leftover, INDEX_LEFTOVER),
	VIOLATION(index_leftover_removed, INDEX_LEFTOVER),
	VIOLATION(chain_head, CHAIN_HEAD),
	VIOLATION(chain_range, CHAIN_RANGE),
	VIOLATION(chain_cycle, CHAIN_CYCLE),
	VIOLATION(chain_cycle_long, CHAIN_CYCLE),
	VIOLATION(chain_foreign, CHAIN_FOREIGN),
	VIOLATION(chain_freed, CHAIN_FREED),
	VIOLATION(chain_freed_retired, CHAIN_FREED),
	VIOLATION(chain_lost, CHAIN_LOST),
	VIOLATION(chain_marked, CHAIN_MARKED),
};

int main(void)
{
	static const struct violation_suite suite = {
		.violations = violations,
		.count = sizeof(violations) / sizeof(violations[0]),
		.ranges = {{SOJ_FSCK_INDEX_RANGE, SOJ_FSCK_CHAIN_MARKED}},
		.alone = {SOJ_FSCK_INDEX_ENDED, SOJ_FSCK_INDEX_LEFTOVER,
			  SOJ_FSCK_INDEX_TWICE, SOJ_FSCK_CHAIN_MARKED},
	};

	return run_violations(&suite);
}
