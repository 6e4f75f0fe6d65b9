/* SPDX-License-Identifier: MIT */

/*
 * Hints in the index: whoever publishes a value leaves one that is right, they
 * give way to places, and what is wrong with one is nobody's loss.
 */

#include <string.h>

#include <sojourn/collection.h>
#include <sojourn/sojourn.h>

#include "lib_store.h"
#include "session/handle.h"
#include "store/fetch.h"

#define SESSIONS 40u
#define LINE     ((uint64_t)SOJ_CACHELINE_BYTES)

static char id[SESSIONS][SOJOURN_ID_CHARS_MAX + 1];
static struct sojourn *s;

static struct soj_shm_bucket *bucket(uint32_t b)
{
	return &s->st.seg.buckets[b];
}

/* Does it name just the lines that the entry's value lies in? */
static bool right(uint64_t hint, uint32_t idx)
{
	const uint64_t ctl = soj_load_relaxed(&soj_entry(&s->st, idx)->ctl);
	struct soj_chunk_view view;
	uint64_t first, end;
	uint32_t bytes;

	if (!soj_chunk_look(&s->st, soj_ctl_chunk(ctl), &view))
		return false;
	first = (uintptr_t)soj_chunk_words(&s->st, soj_ctl_chunk(ctl), &bytes) -
		(uintptr_t)s->st.seg.chunks;
	end = (uintptr_t)view.data + soj_align_up(view.data_bytes, 8) -
	      (uintptr_t)s->st.seg.chunks;
	return soj_hint_word(hint) == first / 8 &&
	       soj_hint_lines(hint) ==
		       soj_min((end - 1) / LINE - first / LINE + 1,
			       SOJ_HINT_LINES_MAX);
}

/* All that can have a hint have the right one; returns how many. */
static unsigned expect_right(void)
{
	unsigned count = 0;

	for (uint32_t at = 0; at < s->st.seg.lay.buckets; at++) {
		struct soj_shm_bucket *b = bucket(at);

		for (uint32_t p = 0; p < SOJ_BUCKET_HINTED; p++) {
			uint64_t place = soj_load_relaxed(&b->place[p]);
			uint64_t hint = soj_load_relaxed(
				&b->place[p + SOJ_BUCKET_HINT_AT]);

			if (!(soj_load_relaxed(&b->header) >> p & 1) ||
			    !soj_place_empty(hint))
				continue;
			assert_true(right(hint,
					  soj_ref_entry(soj_place_ref(place))));
			count++;
		}
	}
	return count;
}

static void login(unsigned i, size_t bytes)
{
	static const char data[4000];
	const struct sojourn_new n = {
		.subject = "anna", .data = data, .data_bytes = bytes};

	assert_int_equal(sojourn_session_create(s, &n, id[i], NULL), 0);
}

static void open_with(enum sojourn_seal seal)
{
	struct sojourn_collection carts;
	struct sojourn_options o;

	sojourn_collection_init(&carts, "carts");
	sojourn_options_init(&o);
	o.entries_max = 400;
	o.segment_bytes = 16 << 20;
	o.threads_max = 8;
	o.helper = SOJOURN_HELPER_NONE;
	o.manual_clock = true;
	o.collections = &carts;
	o.collections_count = 1;
	o.seal = seal;
	assert_int_equal(sojourn_create(NULL, &o, &s), 0);
	for (unsigned i = 0; i < SESSIONS; i++)
		login(i, 31 * i);
}

static int open_plain(void **state)
{
	(void)state;
	open_with(SOJOURN_SEAL_OFF);
	return 0;
}

static int close_it(void **state)
{
	(void)state;
	sojourn_detach(s);
	return 0;
}

static void relocate_all(void)
{
	struct soj_self *self = soj_self(s);

	for (uint32_t idx = 1; idx <= s->st.seg.lay.entries_max; idx++) {
		uint64_t ctl = soj_load_relaxed(&soj_entry(&s->st, idx)->ctl);

		if (soj_ctl_readable(ctl))
			assert_int_equal(soj_chunk_relocate(&s->st, &self->w,
							    soj_ctl_chunk(ctl)),
					 0);
	}
}

static void publish_in_every_way(void)
{
	const struct sojourn_value value = {.data = "two", .data_bytes = 3};
	const struct sojourn_item item = {
		.collection = (uint32_t)sojourn_collection_number(s, "carts"),
		.key = "k",
		.key_bytes = 1};
	struct sojourn_info info;
	static char data[900];

	assert_int_equal(expect_right(), SESSIONS);
	for (unsigned i = 0; i < SESSIONS; i += 2)
		assert_int_equal(sojourn_session_update(s, id[i], data,
							900 - 20 * i, 0, NULL),
				 0);
	assert_int_equal(expect_right(), SESSIONS);
	/* The successor's, and that of the record that leads to it. */
	for (unsigned i = 0; i < SESSIONS; i += 5)
		assert_int_equal(sojourn_session_renew(s, id[i], &info), 0);
	assert_int_equal(expect_right(), SESSIONS + SESSIONS / 5);
	assert_int_equal(sojourn_put(s, &item, &value, NULL), 0);
	assert_int_equal(expect_right(), SESSIONS + SESSIONS / 5 + 1);
	assert_int_equal(sojourn_put(s, &item, &value, NULL), 0);
	assert_int_equal(expect_right(), SESSIONS + SESSIONS / 5 + 1);
	relocate_all();
	assert_int_equal(expect_right(), SESSIONS + SESSIONS / 5 + 1);
	/* Another takes the place, and the hint is that of its value. */
	for (unsigned i = 1; i < SESSIONS; i += 2) {
		assert_int_equal(sojourn_session_delete(s, id[i]), 1);
		login(i, 900);
		expect_right();
	}
}

static void every_publisher_leaves_one(void **state)
{
	(void)state;
	publish_in_every_way();
}

static void those_of_sealed_values_too(void **state)
{
	(void)state;
	open_with(SOJOURN_SEAL_ON);
	publish_in_every_way();
	close_it(state);
}

static void scrubbing_leaves_them(void **state)
{
	(void)state;
	for (uint32_t b = 0; b < s->st.seg.lay.buckets; b++)
		assert_int_equal(soj_index_scrub(&s->st, b), 0);
	assert_int_equal(expect_right(), SESSIONS);
	/* Where there can be none it is a leftover like any other. */
	for (uint32_t p = 0; p < SOJ_BUCKET_HINT_AT; p++)
		if (soj_load_relaxed(&bucket(3)->place[p]) == 0) {
			soj_store_relaxed(&bucket(3)->place[p], soj_hint(5, 6));
			assert_int_equal(soj_index_scrub(&s->st, 3), 1);
		}
}

/* To everywhere and to nowhere: what is read is what was written. */
static void nobody_believes_one(void **state)
{
	static const uint64_t lies[] = {
		UINT64_C(0xfffffffffc000000), UINT64_C(0x8000000004000000),
		UINT64_C(0x03fffffffc000000), UINT64_C(0x0000000040000000),
		UINT64_C(0xffffffffc0000000)};

	(void)state;
	for (unsigned lie = 0; lie < 5; lie++) {
		for (uint32_t b = 0; b < s->st.seg.lay.buckets; b++)
			for (uint32_t p = SOJ_BUCKET_HINT_AT;
			     p < SOJ_BUCKET_PLACES; p++)
				soj_store_relaxed(&bucket(b)->place[p],
						  lies[lie]);
		for (unsigned i = 0; i < SESSIONS; i++) {
			char data[4000];
			size_t bytes = sizeof(data);
			struct sojourn_info info;

			assert_int_equal(sojourn_session_read(
						 s, id[i], NULL, data, &bytes,
						 i % 2 ? NULL : &info),
					 0);
			assert_int_equal(bytes, 31 * i);
		}
		assert_int_equal(sojourn_session_delete(s, id[lie]), 1);
		login(lie, 31 * lie);
		assert_int_equal(
			sojourn_session_update(s, id[lie + 7], "x", 1, 0, NULL),
			0);
		assert_int_equal(sojourn_session_delete(s, id[lie + 7]), 1);
		login(lie + 7, 31 * (lie + 7));
	}
}

static void read_each(char want)
{
	for (unsigned i = 0; i < SESSIONS; i++) {
		char data[4000], expected[4000];
		size_t bytes = sizeof(data);

		memset(expected, want, sizeof(expected));
		assert_int_equal(sojourn_session_read(s, id[i], NULL, data,
						      &bytes, NULL),
				 0);
		assert_int_equal(bytes, 300);
		assert_memory_equal(data, expected, bytes);
	}
}

static void update_each(char with)
{
	char data[300];

	memset(data, with, sizeof(data));
	for (unsigned i = 0; i < SESSIONS; i++)
		assert_int_equal(sojourn_session_update(s, id[i], data,
							sizeof(data), 0, NULL),
				 0);
}

/* To the entry's value of before, which is still whole: what is read is the
 * present one. */
static void nor_one_of_before(void **state)
{
	static uint64_t was[4096][SOJ_BUCKET_PLACES];

	(void)state;
	assert_in_range(s->st.seg.lay.buckets, 1, 4096);
	update_each('a');
	for (uint32_t b = 0; b < s->st.seg.lay.buckets; b++)
		for (uint32_t p = SOJ_BUCKET_HINT_AT; p < SOJ_BUCKET_PLACES;
		     p++)
			was[b][p] = soj_load_relaxed(&bucket(b)->place[p]);
	read_each('a');
	update_each('b');
	for (uint32_t b = 0; b < s->st.seg.lay.buckets; b++)
		for (uint32_t p = SOJ_BUCKET_HINT_AT; p < SOJ_BUCKET_PLACES;
		     p++)
			soj_store_relaxed(&bucket(b)->place[p], was[b][p]);
	read_each('b');
}

/* In a damaged image a place may name an entry that never was one. */
static void none_and_no_entry(void **state)
{
	static uint64_t was[4096];
	uint8_t data[300];

	(void)state;
	assert_in_range(s->st.seg.lay.entries_max, SESSIONS, 4095);
	for (uint32_t b = 0; b < s->st.seg.lay.buckets; b++)
		for (uint32_t p = SOJ_BUCKET_HINT_AT; p < SOJ_BUCKET_PLACES;
		     p++)
			if (soj_place_empty(
				    soj_load_relaxed(&bucket(b)->place[p])))
				soj_store_relaxed(&bucket(b)->place[p], 0);
	for (uint32_t e = 1; e <= s->st.seg.lay.entries_max; e++) {
		was[e] = soj_load_relaxed(&soj_entry(&s->st, e)->ctl);
		soj_store_relaxed(&soj_entry(&s->st, e)->ctl, 0);
	}
	for (unsigned i = 0; i < SESSIONS; i++) {
		size_t bytes = sizeof(data);

		assert_true(sojourn_session_read(s, id[i], NULL, data, &bytes,
						 NULL) < 0);
	}
	for (uint32_t e = 1; e <= s->st.seg.lay.entries_max; e++)
		soj_store_relaxed(&soj_entry(&s->st, e)->ctl, was[e]);
}

/* The eighth place is a place only, the next ones are their hints' until then;
 * and the fifteenth is taken as before. */
static void places_push_them_out(void **state)
{
	struct soj_store *st = &s->st;
	struct soj_worker *w = &soj_self(s)->w;
	struct soj_digest d = digest_of(7);
	struct soj_shm_bucket *b =
		bucket((uint32_t)soj_scale(d.word[0], st->seg.lay.buckets));
	uint32_t had = 0;
	struct soj_found found;

	(void)state;
	for (uint32_t p = 0; p < SOJ_BUCKET_PLACES; p++)
		had += soj_load_relaxed(&b->header) >> p & 1;
	for (uint32_t i = had; i < SOJ_BUCKET_PLACES; i++) {
		uint64_t ref;

		d.word[1] = i * 65537;
		ref = put(st, w, d, digest_of(100), "abc", 3);
		for (unsigned twice = 0; twice < 2; twice++)
			soj_index_hint(
				st, w, d, ref,
				soj_ctl_chunk(soj_load_relaxed(
					&soj_entry(st, soj_ref_entry(ref))
						 ->ctl)),
				24);
		for (uint32_t k = 0; k < SOJ_BUCKET_HINTED; k++)
			assert_int_equal(soj_load_relaxed(&b->place[k + 8]) !=
						 0,
					 k <= i);
	}
	assert_int_equal(soj_load_relaxed(&b->header) & SOJ_BUCKET_BITS,
			 SOJ_BUCKET_BITS);
	for (uint32_t i = had; i < SOJ_BUCKET_PLACES; i++) {
		d.word[1] = i * 65537;
		assert_int_equal(soj_index_find(st, d, &found), 0);
		assert_true(soj_index_remove(
			st, w, d,
			soj_place_of(soj_ref_entry(found.ref),
				     soj_ref_gen(found.ref), d)));
	}
	for (uint32_t p = SOJ_BUCKET_HINT_AT; p < SOJ_BUCKET_PLACES; p++)
		assert_int_equal(soj_load_relaxed(&b->place[p]), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_plain, close_it)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_publisher_leaves_one),
		cmocka_unit_test(those_of_sealed_values_too),
		T(scrubbing_leaves_them),
		T(nobody_believes_one),
		T(nor_one_of_before),
		T(none_and_no_entry),
		T(places_push_them_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
