/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_LIB_SIZE_H
#define SOJ_TOOLS_LIB_SIZE_H

/* How large a segment has to be for what is to be in it. */

#include <stdbool.h>
#include <stdint.h>

#include "shm/layout.h"

struct soj_size {
	uint32_t entries;
	uint64_t spare_values; /* replaced, in their grace period, on the way */
	uint32_t value_bytes, subject_bytes, meta_bytes;
	bool sealed;
	uint32_t threads_max, events_max;
};

/* Values to spare for so many sessions that are updated: 2 %, and no fewer than
 * two words of hints, of which two writers may each hold one. */
uint64_t soj_size_spare(uint32_t entries);

/* What one value takes of the chunk area, head and rounding included. */
uint32_t soj_size_chunk_bytes(const struct soj_size *size);

/*
 * The smallest segment that holds it: its layout, and what to ask for.  0;
 * -ENOSPC: none is large enough; -EINVAL: a count is out of range.
 */
int soj_size_fit(const struct soj_size *size, struct soj_layout *lay,
		 uint64_t *segment_bytes);

#endif /* SOJ_TOOLS_LIB_SIZE_H */
