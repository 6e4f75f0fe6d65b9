/* SPDX-License-Identifier: MIT */

/*
 * fsck of a segment in use, where much is to be looked at again: thousands of
 * findings, all of one chain, and a chain that changes under each step.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib_violation.h"
#include "session/handle.h"
#include "store/chain.h"

#define ENTRIES 6000u

/* All entries in use, of one subject; only base, bytes and st are set. */
static struct picture large;

static int make_large(void **state)
{
	struct sojourn_new n = {.subject = "somebody"};
	struct sojourn_options o;
	struct sojourn *s;

	(void)state;
	sojourn_options_init(&o);
	o.entries_max = ENTRIES;
	o.segment_bytes = 16 << 20;
	o.threads_max = 8;
	o.helper = SOJOURN_HELPER_NONE;
	assert_int_equal(sojourn_create(NULL, &o, &s), 0);
	for (unsigned i = 0; i < ENTRIES; i++) {
		char id[SOJOURN_ID_CHARS_MAX + 1];

		assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
	}
	large.bytes = s->st.seg.lay.segment_bytes;
	large.st.seg = s->st.seg;
	large.base = aligned_alloc(4096, large.bytes);
	assert_non_null(large.base);
	memcpy(large.base, s->st.seg.base, large.bytes);
	sojourn_detach(s);
	large.st.seg.base = large.base;
	large.st.seg.fd = -1;
	soj_seg_point(&large.st.seg);
	soj_store_init(&large.st);
	return 0;
}

static int free_large(void **state)
{
	(void)state;
	picture_free(&large);
	return 0;
}

static soj_word_t *head_word(struct picture *p)
{
	struct soj_digest subject = soj_entry_subject(&p->st, 1);

	return &p->st.seg.heads[soj_head_of(&p->st, subject)];
}

/* So many of a code online as offline, where each is looked at once. */
static void same_online(const struct picture *p, enum soj_fsck_code code,
			uint64_t count)
{
	struct soj_fsck_report rep;

	for (int online = 0; online < 2; online++) {
		check(p, online, &rep);
		assert_int_equal(rep.count[code], count);
		assert_int_equal(rep.unsettled, 0);
		assert_int_equal(soj_fsck_exit(&rep), 4);
		soj_fsck_free(&rep);
	}
}

static void test_half_a_chain_is_lost(void **state)
{
	const uint32_t half = ENTRIES / 2;
	struct picture p;
	soj_word_t *link;

	(void)state;
	picture_copy(&p, &large);
	link = head_word(&p);
	for (uint32_t i = 0; i < half; i++)
		link = &entry(&p, soj_link_entry(soj_load_relaxed(link)))->link;
	soj_store_relaxed(link, soj_link(0, 1, false));
	same_online(&p, SOJ_FSCK_ENTRY_UNCHAINED, half);
	picture_free(&p);
}

static void test_many_of_one_chain(void **state)
{
	const uint32_t many = 4000;
	struct picture p;

	(void)state;
	picture_copy(&p, &large);
	for (uint32_t idx = 1; idx <= many; idx++)
		flip(&entry(&p, idx)->link, SOJ_LINK_MARK);
	same_online(&p, SOJ_FSCK_CHAIN_LOST, many);
	picture_free(&p);
}

/* More leftovers than are looked at again, and then what no kill leaves. */
static void test_leftovers_crowd_out_nothing(void **state)
{
	struct soj_fsck_report rep;
	struct picture p;

	(void)state;
	picture_copy(&p, &large);
	for (uint32_t idx = 1; idx <= ENTRIES; idx++)
		set_ctl(&p, idx, SOJ_ENDED_DELETED, chunk_of(&p, idx));
	check(&p, true, &rep);
	assert_true(rep.count[SOJ_FSCK_INDEX_ENDED] > 4000);
	assert_int_equal(rep.corrupt, 0);
	assert_true(rep.unsettled > 0);
	assert_int_equal(soj_fsck_exit(&rep), 1);
	soj_fsck_free(&rep);

	p.base[p.bytes - 1] = 1;
	check(&p, true, &rep);
	assert_int_equal(rep.count[SOJ_FSCK_UNIT_DIRTY], 1);
	assert_int_equal(soj_fsck_exit(&rep), 4);
	soj_fsck_free(&rep);
	picture_free(&p);
}

/*
 * A chain that somebody changes under each step, so that no walk ends and none
 * meets what it remembers: it goes round between two entries, and each time
 * that the remembered one changes, between two others.
 */
struct knots {
	uint32_t pairs[2][2];
	uint64_t steps, limit;
	unsigned turn;
	unsigned reads; /* of entries, on the way */
};

static uint32_t next_of(struct knots *k)
{
	uint32_t next;

	if (++k->steps > k->limit) {
		k->steps = 0;
		k->limit = 2 * k->limit + 1;
		k->turn++;
	}
	next = k->pairs[k->turn % 2][k->reads++ % 2];
	return next;
}

static int read_knots(void *arg, void *buf, size_t bytes, uint64_t off)
{
	struct knots *k = arg;
	uint64_t heads = large.st.seg.lay.heads_off;
	uint64_t link;

	memcpy(buf, large.base + off, bytes);
	if (bytes == 8 && off >= heads && off < large.st.seg.lay.entries_off) {
		k->steps = k->turn = k->reads = 0;
		k->limit = 1;
	}
	if (bytes == sizeof(struct soj_shm_entry) &&
	    off > large.st.seg.lay.entries_off &&
	    off < large.st.seg.lay.chunks_off) {
		link = soj_link(next_of(k), 1, false);
		memcpy((char *)buf + offsetof(struct soj_shm_entry, link),
		       &link, sizeof(link));
	}
	return 0;
}

static void test_knots_are_no_clean_chain(void **state)
{
	uint32_t first = soj_link_entry(soj_load_relaxed(head_word(&large)));
	struct knots k = {.reads = 0};
	struct soj_fsck_report rep;
	struct soj_image img;

	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		k.pairs[i / 2][i % 2] = (first + i) % ENTRIES + 1;
	soj_image_of_memory(&img, NULL, large.bytes);
	img.read = read_knots;
	img.arg = &k;
	assert_int_equal(soj_fsck(&img, &rep, true), 0);
	complain(&rep);
	assert_int_equal(rep.corrupt, 0);
	assert_true(rep.unsettled >= ENTRIES - 5);
	assert_int_equal(soj_fsck_exit(&rep), 1);
	soj_fsck_free(&rep);
	soj_image_close(&img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_half_a_chain_is_lost),
		cmocka_unit_test(test_many_of_one_chain),
		cmocka_unit_test(test_leftovers_crowd_out_nothing),
		cmocka_unit_test(test_knots_are_no_clean_chain),
	};

	return cmocka_run_group_tests(tests, make_large, free_large);
}
