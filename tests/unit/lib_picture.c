/* SPDX-License-Identifier: MIT */

#include "lib_picture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/upkeep.h"
#include "store/chain.h"

static struct sojourn *open_segment(void)
{
	struct sojourn_options o;
	struct sojourn *s;

	sojourn_options_init(&o);
	o.entries_max = 300;
	o.segment_bytes = 3 << 20;
	o.threads_max = 8;
	o.helper = SOJOURN_HELPER_NONE;
	o.manual_clock = true;
	o.ttl_ms = 1800000;
	o.idle_timeout_ms = 600000;
	o.grace_window_ms = 60000;
	assert_int_equal(sojourn_create(NULL, &o, &s), 0);
	return s;
}

static void login(struct sojourn *s, unsigned i, char *id)
{
	static const size_t sizes[] = {28, 60, 100, 300, 1000, 5000};
	size_t bytes = i == 7 ? 150000 : sizes[i % 6];
	char *data = malloc(bytes);
	char subject[32];
	struct sojourn_new n = {
		.subject = subject, .data = data, .data_bytes = bytes};

	assert_non_null(data);
	memset(data, 'x', bytes);
	memcpy(data, PICTURE_DATA, strlen(PICTURE_DATA));
	snprintf(subject, sizeof(subject), PICTURE_SUBJECT "-%u",
		 i % PICTURE_SUBJECTS);
	n.metadata.ip = "192.0.2.7";
	assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
	free(data);
}

static void upkeep(struct sojourn *s, unsigned passes)
{
	assert_true(upkeep_passes(s, passes, soj_upkeep_pass));
}

static void delete_some(struct sojourn *s, unsigned from,
			char (*ids)[SOJOURN_ID_CHARS_MAX + 1])
{
	for (unsigned i = from; i < from + 6; i++)
		assert_int_equal(sojourn_session_delete(s, ids[i]), 1);
}

/* By handle: the rest is left to upkeep. */
static void end_some(struct sojourn *s, unsigned from,
		     char (*ids)[SOJOURN_ID_CHARS_MAX + 1])
{
	struct sojourn_info info;

	for (unsigned i = from; i < from + 6; i++) {
		assert_int_equal(sojourn_session_read(s, ids[i], NULL, NULL,
						      NULL, &info),
				 0);
		assert_int_equal(sojourn_session_delete_handle(s, info.handle),
				 1);
	}
}

/* Sessions in every state that one thread can bring about. */
static void fill(struct sojourn *s, struct picture *p)
{
	static char ids[PICTURE_SESSIONS][SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_info info;
	struct soj_self *self;
	int rc;

	for (unsigned i = 0; i < PICTURE_SESSIONS; i++)
		login(s, i, ids[i]);
	delete_some(s, 20, ids);
	upkeep(s, 8); /* those are FREE again */
	assert_int_equal(sojourn_clock_advance(s, 1000), 0);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(sojourn_session_renew(s, ids[i], &info), 0);
	for (unsigned i = 10; i < 16; i++)
		assert_int_equal(sojourn_session_update(s, ids[i], PICTURE_DATA,
							28, 0, NULL),
				 0);
	delete_some(s, 40, ids); /* RETIRED */
	end_some(s, 60, ids);
	self = soj_self_writing(s, &rc);
	assert_non_null(self);
	p->slot = self->w.thr.slot;
	assert_int_equal(soj_entry_own(&s->st, &self->w, &p->owned), 0);
	assert_int_equal(soj_chunk_own(&s->st, &self->w, 3, &p->chunk_owned),
			 0);
}

static void point(struct picture *p, const struct soj_seg *seg)
{
	p->st.seg = *seg;
	p->st.seg.base = p->base;
	p->st.seg.fd = -1;
	soj_seg_point(&p->st.seg);
	soj_store_init(&p->st);
}

/* ---- finding one of each ---- */

static uint64_t state_of(const struct picture *p, uint32_t idx)
{
	return soj_load_relaxed(&p->st.seg.entry_states[idx]);
}

static uint64_t ctl_of(const struct picture *p, uint32_t idx)
{
	return soj_load_relaxed(&p->st.seg.entries[idx].ctl);
}

static uint32_t chain_of(const struct picture *p, uint32_t idx)
{
	return soj_head_of(&p->st, soj_entry_subject(&p->st, idx));
}

static void find_live(struct picture *p, uint32_t idx)
{
	if (soj_ctl_ended(ctl_of(p, idx))) {
		p->ended = idx;
	} else if (soj_ctl_status(ctl_of(p, idx)) == SOJ_RENEWED) {
		struct soj_chunk_view view;
		struct soj_shm_record record;

		assert_true(soj_chunk_look(
			&p->st, soj_ctl_chunk(ctl_of(p, idx)), &view));
		soj_copy_out(&record, view.record, sizeof(record));
		p->renewed = idx;
		p->successor = soj_ref_entry(record.successor);
	} else if (p->live == 0) {
		p->live = idx;
	} else if (chain_of(p, idx) != chain_of(p, p->live) &&
		   picture_bucket(p, idx, NULL) !=
			   picture_bucket(p, p->live, NULL)) {
		p->live2 = idx;
	}
}

static void find_entries(struct picture *p)
{
	for (uint32_t e = 1; e <= p->st.seg.lay.entries_max; e++)
		switch (soj_state_phase(state_of(p, e))) {
		case SOJ_FREE:
			if (soj_state_gen(state_of(p, e)) > 1)
				p->freed = e;
			else
				p->virgin = e;
			break;
		case SOJ_LIVE:
			find_live(p, e);
			break;
		case SOJ_RETIRED:
			p->retired = e;
			break;
		case SOJ_OWNED:
			break;
		}
}

static void find_chunks(struct picture *p)
{
	p->unit_free = UINT32_MAX;
	for (uint32_t u = 0; u < p->st.seg.lay.units; u++) {
		uint64_t word;
		uint32_t class = soj_page_class(&p->st, u, &word);

		if (soj_unit_phase(word) == SOJ_UNIT_FREE)
			p->unit_free = u;
		if (soj_unit_phase(word) == SOJ_UNIT_PART)
			p->unit_part = u;
		for (uint32_t s = 0;
		     class < SOJ_CLASSES && s < p->st.classes[class].page_slots;
		     s++) {
			uint32_t chunk = soj_chunk(u, s);
			uint64_t state = soj_load_relaxed(
				soj_chunk_state(&p->st, chunk));

			if (soj_state_phase(state) == SOJ_FREE)
				p->chunk_free = chunk;
			if (soj_state_phase(state) == SOJ_RETIRED)
				p->chunk_retired = chunk;
		}
	}
}

void picture_make(struct picture *p)
{
	struct sojourn *s = open_segment();

	memset(p, 0, sizeof(*p));
	fill(s, p);
	p->bytes = s->st.seg.bytes;
	p->base = aligned_alloc(4096, p->bytes);
	assert_non_null(p->base);
	memcpy(p->base, s->st.seg.base, p->bytes);
	point(p, &s->st.seg);
	sojourn_detach(s);
	find_entries(p);
	find_chunks(p);
	assert_true(p->live && p->live2 && p->renewed && p->successor &&
		    p->ended && p->retired && p->owned && p->freed &&
		    p->virgin && p->chunk_owned && p->chunk_retired &&
		    p->chunk_free && p->unit_part);
	assert_int_not_equal(p->unit_free, UINT32_MAX);
}

void picture_copy(struct picture *copy, const struct picture *p)
{
	*copy = *p;
	copy->base = aligned_alloc(4096, p->bytes);
	assert_non_null(copy->base);
	memcpy(copy->base, p->base, p->bytes);
	point(copy, &p->st.seg);
}

void picture_free(struct picture *p)
{
	free(p->base);
	memset(p, 0, sizeof(*p));
}

/* ---- places ---- */

struct soj_shm_bucket *picture_bucket(const struct picture *p, uint32_t idx,
				      uint32_t *place)
{
	struct soj_digest digest = soj_entry_digest(&p->st, idx);
	struct soj_shm_bucket *b = &p->st.seg.buckets[soj_scale(
		digest.word[0], p->st.seg.lay.buckets)];

	for (uint32_t i = 0; place && i < SOJ_BUCKET_PLACES; i++)
		if (soj_ref_entry(soj_place_ref(
			    soj_load_relaxed(&b->place[i]))) == idx) {
			*place = i;
			return b;
		}
	assert_null(place);
	return b;
}

uint32_t picture_other_bucket(const struct picture *p,
			      const struct soj_shm_bucket *bucket,
			      uint32_t *place)
{
	uint32_t other = bucket == p->st.seg.buckets ? 1 : 0;

	for (*place = 0; *place < SOJ_BUCKET_PLACES; ++*place)
		if (soj_load_relaxed(&p->st.seg.buckets[other].place[*place]) ==
		    0)
			return other;
	fail_msg("bucket %u is full", other);
	return 0;
}

soj_word_t *picture_link_to(const struct picture *p, uint32_t idx)
{
	soj_word_t *word = &p->st.seg.heads[chain_of(p, idx)];

	for (unsigned i = 0; i < 1000; i++) {
		uint32_t next = soj_link_entry(soj_load_relaxed(word));

		if (next == idx)
			return word;
		assert_int_not_equal(next, 0);
		word = &p->st.seg.entries[next].link;
	}
	fail_msg("entry %u is in no chain", idx);
	return NULL;
}

soj_word_t *picture_chunk(const struct picture *p, uint32_t idx)
{
	uint32_t bytes;
	soj_word_t *words =
		soj_chunk_words(&p->st, soj_ctl_chunk(ctl_of(p, idx)), &bytes);

	assert_non_null(words);
	return words;
}
