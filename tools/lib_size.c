/* SPDX-License-Identifier: MIT */

#include "lib_size.h"

#include <errno.h>

#include "store/store.h"

#define SEGMENT_MAX (UINT64_C(1) << 36)

uint64_t soj_size_spare(uint32_t entries)
{
	return soj_max(entries / 50, 128);
}

static uint32_t class_of(const struct soj_size *size)
{
	const struct soj_value value = {
		.data_bytes = size->value_bytes,
		.subject_bytes = size->subject_bytes,
		.meta_bytes = size->meta_bytes,
		.seal_bytes = size->sealed ? SOJ_SHM_SEAL_BYTES : 0,
	};

	return soj_class_of(soj_value_chunk_bytes(&value));
}

uint32_t soj_size_chunk_bytes(const struct soj_size *size)
{
	struct soj_store st = {.seg.lay.unit_slots = SOJ_UNIT_SLOTS_MAX};
	uint32_t class = class_of(size);

	soj_store_init(&st);
	return class < SOJ_CLASSES ? st.classes[class].chunk_bytes : 0;
}

/* How many of the values a segment of that layout holds. */
static uint64_t capacity(const struct soj_size *size,
			 const struct soj_layout *lay)
{
	struct soj_store st = {.seg.lay = *lay};
	uint32_t class = class_of(size);

	soj_store_init(&st);
	if (class >= SOJ_CLASSES)
		return 0;
	return (uint64_t)(lay->units / st.classes[class].page_units) *
	       st.classes[class].page_slots;
}

static bool holds(const struct soj_size *size, uint64_t bytes,
		  struct soj_layout *lay)
{
	uint64_t need;

	return soj_layout_fit(lay, size->entries, bytes, size->threads_max,
			      size->events_max, &need) == 0 &&
	       capacity(size, lay) >= size->entries + size->spare_values;
}

int soj_size_fit(const struct soj_size *size, struct soj_layout *lay,
		 uint64_t *segment_bytes)
{
	uint64_t low = 0, high = SEGMENT_MAX, need;
	int rc = soj_layout_fit(lay, size->entries, high, size->threads_max,
				size->events_max, &need);

	/* Larger than any: says how large one can be. */
	if (rc == -EFBIG)
		high = need;
	else if (rc < 0)
		return rc;
	if (!holds(size, high, lay))
		return -ENOSPC;
	while (high - low > 4096) {
		const uint64_t bytes = low + (high - low) / 2;

		if (holds(size, bytes, lay))
			high = bytes;
		else
			low = bytes;
	}
	*segment_bytes = soj_align_up(high, 4096);
	return holds(size, *segment_bytes, lay) ? 0 : -ENOSPC;
}
