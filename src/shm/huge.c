/* SPDX-License-Identifier: MIT */

/*
 * Huge pages.
 *
 * A segment is laid out in pages of 4 KiB when it is allocated, and then, if
 * asked for, collapsed to pages of 2 MiB where it lies (MADV_COLLAPSE, Linux
 * 6.1): no privilege, no mount and no setting is needed, and whoever maps the
 * segment afterwards profits.  It is a matter of speed only: what cannot be
 * collapsed stays as it is, and the header says how much was.
 *
 * A large page lies at a multiple of its size in the file and in memory, so a
 * mapping that does not is moved first: nobody has a pointer into it yet.
 *
 * Crash table: killed after any piece: some pages are larger than others.
 */

#include <sys/mman.h>

#include "shm/segment_impl.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

#define HUGE_BYTES   (UINT64_C(2) << 20)
#define REFUSALS_MAX 8u /* in a row: no memory is in one piece any more */

/* Moves the mapping to a multiple of HUGE_BYTES; leaves it if that fails. */
static void align(struct soj_seg *seg)
{
	uint8_t *room, *base, *moved;

	if ((uintptr_t)seg->base % HUGE_BYTES == 0)
		return;
	room = mmap(NULL, seg->bytes + HUGE_BYTES, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return;
	base = (uint8_t *)soj_align_up((uintptr_t)room, HUGE_BYTES);
	moved = mremap(seg->base, seg->bytes, seg->bytes,
		       MREMAP_MAYMOVE | MREMAP_FIXED, base);
	if (moved == MAP_FAILED) {
		munmap(room, seg->bytes + HUGE_BYTES);
		return;
	}
	/* What is left of the room, before and behind. */
	if (moved > room)
		munmap(room, (size_t)(moved - room));
	room += seg->bytes + HUGE_BYTES;
	moved += soj_align_up(seg->bytes, 4096);
	if (room > moved)
		munmap(moved, (size_t)(room - moved));
	seg->base = base;
	soj_seg_point(seg);
}

void soj_seg_huge(struct soj_seg *seg)
{
	const uint32_t wanted = (uint32_t)(seg->bytes / HUGE_BYTES);
	uint32_t got = 0, refusals = 0;

	align(seg);
	for (uint32_t i = 0; i < wanted && refusals < REFUSALS_MAX; i++) {
		if (madvise(seg->base + i * HUGE_BYTES, HUGE_BYTES,
			    MADV_COLLAPSE) == 0) {
			got++;
			refusals = 0;
		} else {
			refusals++;
		}
	}
	if (seg->readonly)
		return;
	soj_store_relaxed(&seg->hdr->huge_wanted, wanted);
	soj_store_relaxed(&seg->hdr->huge_pages, got);
}
