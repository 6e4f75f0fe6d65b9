/* SPDX-License-Identifier: MIT */

#include "shm/layout.h"

#include <errno.h>
#include <stdbool.h>

static uint64_t place(uint64_t *end, uint64_t count, uint64_t bytes)
{
	uint64_t off = soj_align_up(*end, 4096);

	*end = off + count * bytes;
	return off;
}

static bool events_ok(uint32_t events_max)
{
	return events_max == 0 || (events_max >= SOJ_EVENTS_MIN &&
				   events_max <= SOJ_EVENTS_LIMIT &&
				   (events_max & (events_max - 1)) == 0);
}

int soj_layout_compute(struct soj_layout *lay, uint32_t entries_max,
		       uint32_t units, uint32_t unit_slots, uint32_t slots_max,
		       uint32_t events_max)
{
	uint64_t end = sizeof(struct soj_shm_header);
	uint64_t entries = (uint64_t)entries_max + 1;
	uint64_t chunks = (uint64_t)units * unit_slots;

	if (entries_max == 0 || entries_max > SOJ_ENTRIES_LIMIT || units == 0 ||
	    units > SOJ_UNITS_LIMIT || unit_slots < 64 ||
	    unit_slots > SOJ_UNIT_SLOTS_MAX || unit_slots % 64 != 0 ||
	    slots_max == 0 || slots_max > SOJ_SLOTS_LIMIT ||
	    !events_ok(events_max))
		return -EINVAL;
	lay->entries_max = entries_max;
	lay->units = units;
	lay->unit_slots = unit_slots;
	lay->slots_max = slots_max;
	lay->events_max = events_max;
	lay->buckets = (uint32_t)soj_div_up(entries_max, 4);
	lay->heads_log2 = soj_log2_up(soj_div_up(entries_max, 2));
	lay->entry_hint_words = (uint32_t)soj_div_up(entries, 64);
	lay->entry_summary_words =
		(uint32_t)soj_div_up(lay->entry_hint_words, 64);
	lay->unit_hint_words = (uint32_t)soj_div_up(units, 64);

	lay->slots_off = place(&end, slots_max, sizeof(struct soj_shm_slot));
	lay->entry_states_off = place(&end, entries, 8);
	lay->chunk_states_off = place(&end, chunks, 8);
	lay->units_off = place(&end, units, 8);
	lay->entry_free_off = place(&end, lay->entry_hint_words, 8);
	lay->chunk_free_off = place(&end, chunks / 64, 8);
	lay->unit_free_off = place(&end, lay->unit_hint_words, 8);
	lay->armed_off = place(&end, lay->entry_hint_words, 8);
	lay->armed_summary_off = place(&end, lay->entry_summary_words, 8);
	lay->ended_off = place(&end, lay->entry_hint_words, 8);
	lay->ended_summary_off = place(&end, lay->entry_summary_words, 8);
	lay->buckets_off =
		place(&end, lay->buckets, sizeof(struct soj_shm_bucket));
	lay->heads_off = place(&end, UINT64_C(1) << lay->heads_log2, 8);
	lay->entries_off = place(&end, entries, sizeof(struct soj_shm_entry));
	lay->events_off = place(&end, events_max, sizeof(struct soj_shm_event));
	lay->chunks_off = place(&end, units, SOJ_UNIT_BYTES);
	lay->segment_bytes = soj_align_up(end, 4096);
	return 0;
}

/*
 * State words per unit: so many that the units together have a quarter more
 * chunks than there are entries.  More would be of use only where small values
 * and large ones meet in a segment without room to spare, and cost 8 bytes
 * each.
 */
static uint32_t unit_slots_for(uint64_t entries_max, uint64_t units)
{
	uint64_t want = soj_div_up(entries_max + entries_max / 4, units);

	want = soj_max(64, soj_align_up(want, 64));
	return (uint32_t)soj_min(want, SOJ_UNIT_SLOTS_MAX);
}

int soj_layout_fit(struct soj_layout *lay, uint32_t entries_max,
		   uint64_t segment_bytes, uint32_t slots_max,
		   uint32_t events_max, uint64_t *need_bytes)
{
	uint64_t units;
	int rc;

	rc = soj_layout_compute(lay, entries_max, 1,
				unit_slots_for(entries_max, 1), slots_max,
				events_max);
	if (rc < 0)
		return rc;
	*need_bytes = lay->segment_bytes;
	if (segment_bytes < lay->segment_bytes)
		return -ENOSPC;
	units = 1 + (segment_bytes - lay->segment_bytes) / SOJ_UNIT_BYTES;
	if (units > SOJ_UNITS_LIMIT + SOJ_UNITS_LIMIT / 8) {
		units = SOJ_UNITS_LIMIT;
		(void)soj_layout_compute(lay, entries_max, (uint32_t)units,
					 unit_slots_for(entries_max, units),
					 slots_max, events_max);
		*need_bytes = lay->segment_bytes;
		return -EFBIG;
	}
	units = soj_min(units, SOJ_UNITS_LIMIT);
	/* The state words take room as well: step down until it fits. */
	for (; units > 1; units -= soj_max(1, units / 1024)) {
		rc = soj_layout_compute(lay, entries_max, (uint32_t)units,
					unit_slots_for(entries_max, units),
					slots_max, events_max);
		if (rc < 0 || lay->segment_bytes <= segment_bytes)
			return rc;
	}
	return soj_layout_compute(lay, entries_max, 1,
				  unit_slots_for(entries_max, 1), slots_max,
				  events_max);
}
