/* SPDX-License-Identifier: MIT */

/* Layout arithmetic: regions fit, do not overlap, and stay where they are. */

#include <errno.h>
#include <inttypes.h>

#include "lib_shm.h"

struct region {
	uint64_t off, bytes;
};

enum { REGIONS = 16 };

/* The regions in the order of format.h, from the header's own counts. */
static void regions_of(const struct soj_layout *lay, struct region r[REGIONS])
{
	uint64_t entries = (uint64_t)lay->entries_max + 1;
	uint64_t chunks = (uint64_t)lay->units * lay->unit_slots;
	uint64_t hint_bytes = (entries + 63) / 64 * 8;
	uint64_t summary_bytes = (hint_bytes / 8 + 63) / 64 * 8;
	const struct region want[REGIONS] = {
		{lay->slots_off, lay->slots_max * UINT64_C(512)},
		{lay->entry_states_off, entries * 8},
		{lay->chunk_states_off, chunks * 8},
		{lay->units_off, lay->units * UINT64_C(8)},
		{lay->entry_free_off, hint_bytes},
		{lay->chunk_free_off, (chunks + 63) / 64 * 8},
		{lay->unit_free_off, (lay->units + UINT64_C(63)) / 64 * 8},
		{lay->armed_off, hint_bytes},
		{lay->armed_summary_off, summary_bytes},
		{lay->ended_off, hint_bytes},
		{lay->ended_summary_off, summary_bytes},
		{lay->buckets_off, lay->buckets * UINT64_C(128)},
		{lay->heads_off, (UINT64_C(1) << lay->heads_log2) * 8},
		{lay->entries_off, entries * 128},
		{lay->events_off, lay->events_max * UINT64_C(64)},
		{lay->chunks_off, lay->units * UINT64_C(131072)},
	};

	memcpy(r, want, sizeof(want));
}

static void check_layout(const struct soj_layout *lay)
{
	struct region r[REGIONS];
	uint64_t end = sizeof(struct soj_shm_header);

	regions_of(lay, r);
	for (unsigned i = 0; i < REGIONS; i++) {
		assert_int_equal(r[i].off % 4096, 0);
		assert_true(r[i].off >= end);
		assert_true(r[i].off - end < 4096);
		assert_true(r[i].bytes > 0 || lay->events_max == 0);
		end = r[i].off + r[i].bytes;
	}
	assert_true(lay->segment_bytes >= end);
	assert_true(lay->segment_bytes - end < 4096);
	assert_int_equal(lay->segment_bytes % 4096, 0);
	assert_true(lay->buckets >= (lay->entries_max + 3) / 4);
	assert_true((UINT64_C(2) << lay->heads_log2) >= lay->entries_max);
	assert_int_equal(lay->entry_hint_words,
			 ((uint64_t)lay->entries_max + 64) / 64);
	assert_int_equal(lay->entry_summary_words,
			 (lay->entry_hint_words + 63) / 64);
	assert_int_equal(lay->unit_hint_words, (lay->units + 63) / 64);
}

/* xorshift64*: the same numbers in every run. */
static uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

/* 1 to max, each power of two as likely. */
static uint64_t random_size(uint64_t *state, uint64_t max)
{
	unsigned bits = 1 + (unsigned)(random_next(state) % 64);
	uint64_t size = random_next(state) >> (64 - bits);

	return 1 + size % max;
}

static void counts_out_of_range(void **state)
{
	const uint32_t bad[][5] = {
		{0, 1, 64, 1},
		{SOJ_ENTRIES_LIMIT + 1, 1, 64, 1},
		{UINT32_MAX, 1, 64, 1},
		{1, 0, 64, 1},
		{1, SOJ_UNITS_LIMIT + 1, 64, 1},
		{1, UINT32_MAX, 64, 1},
		{1, 1, 0, 1},
		{1, 1, 63, 1},
		{1, 1, 65, 1},
		{1, 1, SOJ_UNIT_SLOTS_MAX + 64, 1},
		{1, 1, UINT32_MAX - 63, 1},
		{1, 1, 64, 0},
		{1, 1, 64, SOJ_SLOTS_LIMIT + 1},
		{1, 1, 64, UINT32_MAX},
		{1, 1, 64, 1, 1},
		{1, 1, 64, 1, 32},
		{1, 1, 64, 1, 96},
		{1, 1, 64, 1, 2 * SOJ_EVENTS_LIMIT},
		{1, 1, 64, 1, UINT32_MAX},
	};
	struct soj_layout lay;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(soj_layout_compute(&lay, bad[i][0], bad[i][1],
						    bad[i][2], bad[i][3],
						    bad[i][4]),
				 -EINVAL);
}

static void limits_do_not_overflow(void **state)
{
	struct soj_layout lay;

	(void)state;
	assert_int_equal(soj_layout_compute(&lay, 1, 1, 64, 1, 0), 0);
	check_layout(&lay);
	assert_int_equal(soj_layout_compute(&lay, SOJ_ENTRIES_LIMIT,
					    SOJ_UNITS_LIMIT, SOJ_UNIT_SLOTS_MAX,
					    SOJ_SLOTS_LIMIT, SOJ_EVENTS_LIMIT),
			 0);
	check_layout(&lay);
	assert_true(lay.segment_bytes > UINT64_C(1) << 34);
	assert_true(lay.segment_bytes < UINT64_C(1) << 36);
}

static void regions_are_disjoint(void **state)
{
	uint64_t seed = 20240601;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct soj_layout lay;
		uint32_t entries =
			(uint32_t)random_size(&seed, SOJ_ENTRIES_LIMIT);
		uint32_t units = (uint32_t)random_size(&seed, SOJ_UNITS_LIMIT);
		uint32_t unit_slots =
			64 *
			(uint32_t)random_size(&seed, SOJ_UNIT_SLOTS_MAX / 64);
		uint32_t slots = (uint32_t)random_size(&seed, SOJ_SLOTS_LIMIT);
		uint32_t events = i % 4 ? UINT32_C(64) << i % 19 : 0;

		assert_int_equal(soj_layout_compute(&lay, entries, units,
						    unit_slots, slots, events),
				 0);
		assert_int_equal(lay.entries_max, entries);
		assert_int_equal(lay.units, units);
		assert_int_equal(lay.unit_slots, unit_slots);
		assert_int_equal(lay.slots_max, slots);
		assert_int_equal(lay.events_max, events);
		check_layout(&lay);
	}
}

/* A segment made by one build is read by the next: these numbers are part of
 * the format, and change with SOJ_SHM_VERSION_MAJOR only. */
static void offsets_are_pinned(void **state)
{
	struct soj_layout lay;

	(void)state;
	assert_int_equal(SOJ_SHM_VERSION_MAJOR, 5);
	assert_int_equal(SOJ_SHM_LAYOUT, 0x28088f40);
	assert_int_equal(soj_layout_compute(&lay, 100000, 512, 320, 1024, 4096),
			 0);
	assert_int_equal(lay.slots_off, 12288);
	assert_int_equal(lay.entry_states_off, 536576);
	assert_int_equal(lay.chunk_states_off, 1339392);
	assert_int_equal(lay.units_off, 2650112);
	assert_int_equal(lay.entry_free_off, 2654208);
	assert_int_equal(lay.chunk_free_off, 2670592);
	assert_int_equal(lay.unit_free_off, 2691072);
	assert_int_equal(lay.armed_off, 2695168);
	assert_int_equal(lay.armed_summary_off, 2711552);
	assert_int_equal(lay.ended_off, 2715648);
	assert_int_equal(lay.ended_summary_off, 2732032);
	assert_int_equal(lay.buckets_off, 2736128);
	assert_int_equal(lay.heads_off, 5939200);
	assert_int_equal(lay.entries_off, 6463488);
	assert_int_equal(lay.events_off, 19267584);
	assert_int_equal(lay.chunks_off, 19529728);
	assert_int_equal(lay.segment_bytes, 86638592);
	assert_int_equal(lay.heads_log2, 16);
}

static void fit_wants_valid_counts(void **state)
{
	struct soj_layout lay;
	uint64_t need;

	(void)state;
	assert_int_equal(soj_layout_fit(&lay, 0, UINT64_MAX, 1, 0, &need),
			 -EINVAL);
	assert_int_equal(
		soj_layout_fit(&lay, UINT32_MAX, UINT64_MAX, 1, 0, &need),
		-EINVAL);
	assert_int_equal(soj_layout_fit(&lay, 1, UINT64_MAX, 0, 0, &need),
			 -EINVAL);
	assert_int_equal(soj_layout_fit(&lay, 1, UINT64_MAX,
					SOJ_SLOTS_LIMIT + 1, 0, &need),
			 -EINVAL);
}

static void fit_names_what_it_needs(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		struct soj_layout lay;
		uint64_t need = 0, again = 0;
		uint32_t entries =
			(uint32_t)random_size(&seed, SOJ_ENTRIES_LIMIT);
		uint32_t slots = (uint32_t)random_size(&seed, SOJ_SLOTS_LIMIT);

		assert_int_equal(
			soj_layout_fit(&lay, entries, 0, slots, 0, &need),
			-ENOSPC);
		assert_int_equal(soj_layout_fit(&lay, entries, need - 1, slots,
						0, &again),
				 -ENOSPC);
		assert_int_equal(need, again);
		assert_int_equal(
			soj_layout_fit(&lay, entries, need, slots, 0, &again),
			0);
		check_layout(&lay);
		assert_int_equal(lay.units, 1);
		assert_int_equal(lay.segment_bytes, need);
	}
}

static void check_fit(uint32_t entries, uint64_t bytes, uint32_t slots)
{
	struct soj_layout lay;
	uint64_t need, want;
	int rc = soj_layout_fit(&lay, entries, bytes, slots, 0, &need);

	if (rc < 0) {
		assert_true(rc == -EFBIG ? bytes > need : bytes < need);
		return;
	}
	check_layout(&lay);
	assert_int_equal(lay.entries_max, entries);
	assert_int_equal(lay.slots_max, slots);
	assert_true(lay.segment_bytes <= bytes);
	/* All of it is used, unless there are no more unit numbers. */
	if (bytes > 64 << 20 && lay.units < SOJ_UNITS_LIMIT &&
	    lay.segment_bytes < bytes / 100 * 97)
		fail_msg("%u entries, %" PRIu64 " bytes: %" PRIu64 " used",
			 entries, bytes, lay.segment_bytes);
	/* 1.25 chunks per entry, or all a unit can have; not 64 more each. */
	want = entries + entries / 4;
	if (((uint64_t)lay.units * lay.unit_slots < want &&
	     lay.unit_slots < SOJ_UNIT_SLOTS_MAX) ||
	    (lay.unit_slots > 64 &&
	     (uint64_t)lay.units * (lay.unit_slots - 64) >= want))
		fail_msg("%u entries, %" PRIu64 " bytes: %u units of %u",
			 entries, bytes, lay.units, lay.unit_slots);
}

static void fit_fits_and_uses_the_room(void **state)
{
	uint64_t seed = 99;

	(void)state;
	for (unsigned i = 0; i < 50000; i++) {
		uint32_t entries =
			(uint32_t)random_size(&seed, SOJ_ENTRIES_LIMIT);
		uint32_t slots = (uint32_t)random_size(&seed, SOJ_SLOTS_LIMIT);

		check_fit(entries, random_size(&seed, UINT64_C(1) << 36),
			  slots);
		/* Sizes that are likely, and near to what is needed. */
		check_fit(entries, UINT64_C(1) << (20 + i % 17), slots);
		check_fit(entries, (uint64_t)entries * (200 + i % 4096), slots);
	}
	check_fit(SOJ_ENTRIES_LIMIT, UINT64_MAX, SOJ_SLOTS_LIMIT);
	check_fit(1, UINT64_MAX, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_out_of_range),
		cmocka_unit_test(limits_do_not_overflow),
		cmocka_unit_test(regions_are_disjoint),
		cmocka_unit_test(offsets_are_pinned),
		cmocka_unit_test(fit_wants_valid_counts),
		cmocka_unit_test(fit_names_what_it_needs),
		cmocka_unit_test(fit_fits_and_uses_the_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
