/* SPDX-License-Identifier: MIT */

/* The two indexes: buckets by id, chains by subject. */

#include "lib_fsck_impl.h"

#include <inttypes.h>
#include <string.h>

/* ---- buckets ---- */

#define WORDS (1u + SOJ_BUCKET_PLACES)
static_assert(sizeof(struct soj_shm_bucket) == 8 * WORDS,
	      "a bucket is a header and its places");

/* What a committed place leads to. */
struct look {
	uint64_t place;
	uint64_t state;
	uint64_t ctl;
	struct soj_digest digest;
	bool readable;
};

static void read_bucket(struct soj_fsck *f, uint64_t bucket,
			uint64_t words[WORDS])
{
	const void *at = soj_fsck_at(f, &f->buckets,
				     f->lay->buckets_off + 8 * WORDS * bucket,
				     8 * WORDS);

	if (at)
		memcpy(words, at, 8 * WORDS);
	else
		memset(words, 0, 8 * WORDS);
}

static void read_look(struct soj_fsck *f, struct look *look)
{
	uint32_t idx = soj_ref_entry(soj_place_ref(look->place));
	uint64_t line[8];

	soj_fsck_read(f, &look->state, 8,
		      f->lay->entry_states_off + 8ull * idx);
	soj_fsck_read(f, line, sizeof(line),
		      f->lay->entries_off +
			      sizeof(struct soj_shm_entry) * (uint64_t)idx);
	look->ctl = line[offsetof(struct soj_shm_entry, ctl) / 8];
	memcpy(&look->digest, &line[offsetof(struct soj_shm_entry, digest) / 8],
	       sizeof(look->digest));
	look->readable = soj_ctl_readable(look->ctl);
}

static bool sound_hint(const struct soj_fsck *f, uint32_t p, uint64_t word)
{
	const uint64_t end =
		soj_hint_word(word) * UINT64_C(8) / SOJ_CACHELINE_BYTES +
		soj_hint_lines(word);

	return p >= SOJ_BUCKET_HINT_AT &&
	       word == soj_hint(soj_hint_word(word), soj_hint_lines(word)) &&
	       end <= (uint64_t)f->lay->units *
			       (SOJ_UNIT_BYTES / SOJ_CACHELINE_BYTES);
}

static void check_reserved(struct soj_fsck *f, uint32_t p, uint64_t place)
{
	uint64_t ref = soj_place_ref(place);
	uint64_t state;

	soj_fsck_read(f, &state, 8,
		      f->lay->entry_states_off + 8ull * soj_ref_entry(ref));
	if (soj_state_phase(state) == SOJ_OWNED && soj_fsck_names(state, ref))
		return;
	soj_fsck_found(f, SOJ_FSCK_INDEX_LEFTOVER, p,
		       soj_fsck_print(place, state),
		       "place %016" PRIx64 ", state %016" PRIx64, place, state);
}

/* False: the place leads to nothing that others may be compared with. */
static bool check_committed(struct soj_fsck *f, uint64_t bucket, uint32_t p,
			    struct look *look)
{
	uint64_t ref = soj_place_ref(look->place);
	enum soj_phase phase;

	read_look(f, look);
	phase = soj_state_phase(look->state);
	if (!soj_fsck_names(look->state, ref) ||
	    (phase != SOJ_LIVE && phase != SOJ_OWNED) ||
	    soj_ctl_status(look->ctl) == SOJ_NONE) {
		soj_fsck_found(f, SOJ_FSCK_INDEX_STALE, p,
			       soj_fsck_print(look->place, look->state),
			       "place %016" PRIx64 ", state %016" PRIx64
			       ", ctl %016" PRIx64,
			       look->place, look->state, look->ctl);
		return false;
	}
	if (soj_scale(look->digest.word[0], f->lay->buckets) != bucket ||
	    (look->digest.word[1] & 0xffff) != soj_place_tag(look->place)) {
		soj_fsck_found(f, SOJ_FSCK_INDEX_FOREIGN, p,
			       soj_fsck_print(look->place, look->state),
			       "place %016" PRIx64 " of entry %u", look->place,
			       soj_ref_entry(ref));
		return false;
	}
	soj_bit_set(f->committed, soj_ref_entry(ref));
	if (phase == SOJ_LIVE && soj_ctl_ended(look->ctl))
		soj_fsck_found(f, SOJ_FSCK_INDEX_ENDED, p,
			       soj_fsck_print(look->place, look->ctl),
			       "entry %u, ctl %016" PRIx64, soj_ref_entry(ref),
			       look->ctl);
	return true;
}

/* Against the places before it; an entry of another bucket is foreign. */
static void compare(struct soj_fsck *f, const struct look *looks,
		    uint32_t count, uint32_t p, const struct look *look)
{
	for (uint32_t i = 0; i < count; i++) {
		uint64_t print = soj_fsck_print(look->place, looks[i].place);

		if (soj_place_ref(looks[i].place) == soj_place_ref(look->place))
			soj_fsck_found(f, SOJ_FSCK_INDEX_TWICE, p, print,
				       "place %016" PRIx64, look->place);
		else if (look->readable && looks[i].readable &&
			 soj_digest_equal(look->digest, looks[i].digest))
			soj_fsck_found(
				f, SOJ_FSCK_INDEX_TWINS, p, print,
				"entries %u and %u",
				soj_ref_entry(soj_place_ref(looks[i].place)),
				soj_ref_entry(soj_place_ref(look->place)));
	}
}

void soj_fsck_bucket(struct soj_fsck *f, uint64_t bucket)
{
	struct look looks[SOJ_BUCKET_PLACES];
	uint64_t words[WORDS];
	uint32_t count = 0;

	read_bucket(f, bucket, words);
	soj_fsck_since(f, SOJ_GROWS_BUCKET,
		       f->lay->buckets_off + 8 * WORDS * bucket, words[0]);
	for (uint32_t p = 0; p < SOJ_BUCKET_PLACES; p++) {
		struct look *look = &looks[count];
		uint32_t idx;

		look->place = words[1 + p];
		idx = soj_ref_entry(soj_place_ref(look->place));
		if (soj_place_empty(look->place) &&
		    (look->place == 0 || sound_hint(f, p, look->place))) {
			if (words[0] >> p & 1)
				soj_fsck_found(f, SOJ_FSCK_INDEX_EMPTY, p,
					       words[0], "header %016" PRIx64,
					       words[0]);
		} else if (!soj_fsck_entry_ok(f, idx)) {
			soj_fsck_found(f, SOJ_FSCK_INDEX_RANGE, p, look->place,
				       "place %016" PRIx64 ", entry %u of %u",
				       look->place, idx, f->lay->entries_max);
		} else if (!(words[0] >> p & 1)) {
			check_reserved(f, p, look->place);
		} else if (check_committed(f, bucket, p, look)) {
			compare(f, looks, count, p, look);
			count++;
		}
	}
}

bool soj_fsck_committed(struct soj_fsck *f, uint64_t ref,
			const struct soj_digest *digest)
{
	uint64_t words[WORDS];

	if (!f->fresh)
		return soj_bit(f->committed, soj_ref_entry(ref));
	read_bucket(f, soj_scale(digest->word[0], f->lay->buckets), words);
	for (uint32_t p = 0; p < SOJ_BUCKET_PLACES; p++)
		if (soj_place_ref(words[1 + p]) == ref && (words[0] >> p & 1) &&
		    soj_place_tag(words[1 + p]) == (digest->word[1] & 0xffff))
			return true;
	return false;
}

/* ---- chains ---- */

struct node {
	uint64_t state;
	uint64_t link;
	uint64_t ctl;
	struct soj_digest subject;
};

static void read_node(struct soj_fsck *f, uint32_t idx, struct node *node)
{
	uint64_t e[sizeof(struct soj_shm_entry) / 8];

	soj_fsck_read(f, &node->state, 8,
		      f->lay->entry_states_off + 8ull * idx);
	soj_fsck_read(f, e, sizeof(e), f->lay->entries_off + sizeof(e) * idx);
	node->link = e[offsetof(struct soj_shm_entry, link) / 8];
	node->ctl = e[offsetof(struct soj_shm_entry, ctl) / 8];
	memcpy(&node->subject, &e[offsetof(struct soj_shm_entry, subject) / 8],
	       sizeof(node->subject));
}

static uint32_t head_of(const struct soj_fsck *f,
			const struct soj_digest *subject)
{
	return (uint32_t)soj_scale(subject->word[0],
				   UINT64_C(1) << f->lay->heads_log2);
}

/*
 * Does the walk come back?  In order, the entries met are marked, and each is
 * met once.  Fresh, where they are marked already, one entry is remembered, a
 * later one each time that the steps have doubled (R. Brent, 1980).
 */
struct round_trip {
	uint32_t remembered;
	uint32_t steps;
	uint32_t limit;
};

static bool trip_back(struct round_trip *trip, uint32_t idx)
{
	bool back = trip->remembered == idx;

	if (++trip->steps > trip->limit) {
		trip->remembered = idx;
		trip->limit = 2 * trip->limit + 1;
		trip->steps = 0;
	}
	return back;
}

static bool came_back(struct soj_fsck *f, struct round_trip *trip, uint32_t idx)
{
	bool back = f->fresh ? trip_back(trip, idx) : soj_bit(f->chained, idx);

	soj_bit_set(f->chained, idx);
	return back;
}

/* Fresh walks are many, and somebody may be tying knots meanwhile. */
static bool may_step(struct soj_fsck *f)
{
	if (!f->fresh)
		return true;
	if (f->steps_left == 0) {
		f->cut = true;
		return false;
	}
	f->steps_left--;
	return true;
}

/* False: from here it leads nowhere. */
static bool check_node(struct soj_fsck *f, uint64_t head, uint32_t idx,
		       struct round_trip *trip, const struct node *node)
{
	enum soj_phase phase = soj_state_phase(node->state);
	uint64_t print = soj_fsck_print(node->state, node->link);

	if (phase != SOJ_LIVE && phase != SOJ_OWNED) {
		soj_fsck_found(f, SOJ_FSCK_CHAIN_FREED, idx, print,
			       "state %016" PRIx64, node->state);
		return false;
	}
	if (head_of(f, &node->subject) != head) {
		soj_fsck_found(f, SOJ_FSCK_CHAIN_FOREIGN, idx, print,
			       "its subject is of chain %u",
			       head_of(f, &node->subject));
		return false;
	}
	if (came_back(f, trip, idx)) {
		soj_fsck_found(f, SOJ_FSCK_CHAIN_CYCLE, 0, 0,
			       "again at entry %u", idx);
		return false;
	}
	if (!(node->link & SOJ_LINK_MARK))
		return true;
	if (soj_ctl_readable(node->ctl))
		soj_fsck_found(f, SOJ_FSCK_CHAIN_LOST, idx, print,
			       "link %016" PRIx64 ", ctl %016" PRIx64,
			       node->link, node->ctl);
	else
		soj_fsck_found(f, SOJ_FSCK_CHAIN_MARKED, idx, print,
			       "link %016" PRIx64, node->link);
	return true;
}

static uint64_t read_head(struct soj_fsck *f, uint64_t head)
{
	return soj_fsck_word_at(f, &f->buckets, f->lay->heads_off + 8 * head);
}

void soj_fsck_chain(struct soj_fsck *f, uint64_t head)
{
	struct round_trip trip = {.limit = 1};
	uint64_t link = read_head(f, head);
	uint32_t from = 0;

	soj_fsck_since(f, SOJ_GROWS_LINK, f->lay->heads_off + 8 * head, link);
	if (link & SOJ_LINK_MARK)
		soj_fsck_found(f, SOJ_FSCK_CHAIN_HEAD, 0, link,
			       "head %016" PRIx64, link);
	while (soj_link_entry(link) != 0 && may_step(f) && f->rc == 0) {
		uint32_t idx = soj_link_entry(link);
		struct node node;

		if (!soj_fsck_entry_ok(f, idx)) {
			soj_fsck_found(f, SOJ_FSCK_CHAIN_RANGE, from, link,
				       "link %016" PRIx64 ", entry %u of %u",
				       link, idx, f->lay->entries_max);
			return;
		}
		read_node(f, idx, &node);
		if (!check_node(f, head, idx, &trip, &node))
			return;
		link = node.link;
		from = idx;
	}
}

/* Marks who is on the chain as it is now; until: no further than that one. */
static void walk(struct soj_fsck *f, uint32_t head, uint32_t until)
{
	struct round_trip trip = {.limit = 1};
	uint32_t idx = soj_link_entry(read_head(f, head));

	while (soj_fsck_entry_ok(f, idx) && may_step(f) && f->rc == 0) {
		struct node node;

		read_node(f, idx, &node);
		if (head_of(f, &node.subject) != head || trip_back(&trip, idx))
			return;
		soj_bit_set(f->chained, idx);
		if (idx == until)
			return;
		idx = soj_link_entry(node.link);
	}
}

/*
 * A candidate was there before its round began, so that one walk of the round
 * answers for all of them.  Before that an entry may be younger than the last
 * walk; and it is near the head then.
 */
bool soj_fsck_chained(struct soj_fsck *f, uint32_t idx,
		      const struct soj_digest *subject)
{
	uint32_t head = head_of(f, subject);
	bool whole = f->mode == SOJ_FSCK_SEEK;

	if (f->fresh && !soj_bit(f->chained, idx) &&
	    !soj_bit(f->walked, head)) {
		walk(f, head, whole ? 0 : idx);
		if (whole && !f->cut)
			soj_bit_set(f->walked, head);
	}
	return soj_bit(f->chained, idx);
}
