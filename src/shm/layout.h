/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SHM_LAYOUT_H
#define SOJ_SHM_LAYOUT_H

/*
 * Layer 1.  Where the regions of a segment lie: pure arithmetic on the four
 * counts of the header.  No offset is ever stored in, or believed from, a
 * segment.
 */

#include "base/bits.h"
#include "shm/format.h"

struct soj_layout {
	uint32_t entries_max;
	uint32_t units;
	uint32_t unit_slots;
	uint32_t slots_max;
	uint32_t events_max;
	uint32_t buckets;
	uint32_t heads_log2;
	/* words of the bitmaps */
	uint32_t entry_hint_words;
	uint32_t entry_summary_words;
	uint32_t unit_hint_words;
	/* byte offsets */
	uint64_t slots_off;
	uint64_t entry_states_off;
	uint64_t chunk_states_off;
	uint64_t units_off;
	uint64_t entry_free_off;
	uint64_t chunk_free_off;
	uint64_t unit_free_off;
	uint64_t armed_off;
	uint64_t armed_summary_off;
	uint64_t ended_off;
	uint64_t ended_summary_off;
	uint64_t buckets_off;
	uint64_t heads_off;
	uint64_t entries_off;
	uint64_t events_off;
	uint64_t chunks_off;
	uint64_t segment_bytes;
};

/*
 * Fills *lay from the five counts.  Returns 0, or -EINVAL when a count is out
 * of range: zero, or above its SOJ_*_LIMIT; events: neither 0 nor a power of
 * two from SOJ_EVENTS_MIN.  Cannot overflow: the limits
 * bound every product well below 2^63.
 */
int soj_layout_compute(struct soj_layout *lay, uint32_t entries_max,
		       uint32_t units, uint32_t unit_slots, uint32_t slots_max,
		       uint32_t events_max);

/*
 * Chooses units and unit_slots so that the segment takes at most
 * segment_bytes.  About 1.25 chunk state words are provided per entry.
 * Returns 0, -EINVAL (a count is out of range), or -ENOSPC (segment_bytes
 * does not even hold the index and one unit; *need_bytes then says what
 * would), or -EFBIG (it is more than the units that there can be will use;
 * *need_bytes says how much they do).
 */
int soj_layout_fit(struct soj_layout *lay, uint32_t entries_max,
		   uint64_t segment_bytes, uint32_t slots_max,
		   uint32_t events_max, uint64_t *need_bytes);

#endif /* SOJ_SHM_LAYOUT_H */
