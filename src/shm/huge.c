/* SPDX-License-Identifier: MIT */

/*
 * Huge pages.
 *
 * A segment is in pages of 2 MiB where the kernel can (MADV_COLLAPSE, Linux
 * 6.1): no privilege, no mount and no setting is needed, and whoever maps the
 * segment profits.  It is a matter of speed only: what cannot be had stays in
 * pages of 4 KiB, without a word, and the header says how much is large.
 *
 * At creation each piece of 2 MiB is collapsed while there is but one page of
 * it, before the rest of the file is allocated.  Nothing is copied then, and one
 * large page is zeroed faster than 512 small ones: 512 MiB take 75 ms that way,
 * and 225 ms in small pages by the time that somebody has touched them all;
 * collapsed after they were allocated, 1.1 s.  As all of a segment is allocated
 * anyway, it takes no more memory either.  Hence it is the default, but for
 * small segments, which the processor reaches well as they are.
 *
 * Where memory is in pieces the kernel first has to move what is in the way, and
 * in a virtual machine its host may have to find memory that was never used:
 * that took 4 ms a page here.  So there is a bound to the time: the rest of the
 * segment is in small pages then.
 *
 * A large page lies at a multiple of its size in the file and in memory, so
 * every mapping begins at one (soj_seg_map_aligned), as long as there is address
 * space for it.
 *
 * Crash table: killed after any piece: some pages are larger than others, of a
 * file that has no name yet.
 */

#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "shm/segment_impl.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

#define HUGE_BYTES   (UINT64_C(2) << 20)
#define PAGE_BYTES   4096
#define REFUSALS_MAX 8u /* in a row: no memory is in one piece any more */

void *soj_seg_map_aligned(int fd, size_t bytes, int prot)
{
	uint8_t *room, *base, *end;

	if (bytes < HUGE_BYTES)
		return mmap(NULL, bytes, prot, MAP_SHARED, fd, 0);
	room = mmap(NULL, bytes + HUGE_BYTES, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return mmap(NULL, bytes, prot, MAP_SHARED, fd, 0);
	end = room + soj_align_up(bytes + HUGE_BYTES, PAGE_BYTES);
	base = (uint8_t *)soj_align_up((uintptr_t)room, HUGE_BYTES);
	if (mmap(base, bytes, prot, MAP_SHARED | MAP_FIXED, fd, 0) ==
	    MAP_FAILED) {
		munmap(room, (size_t)(end - room));
		return MAP_FAILED;
	}
	/* What is left of the room, before and behind. */
	if (base > room)
		munmap(room, (size_t)(base - room));
	base += soj_align_up(bytes, PAGE_BYTES);
	if (end > base)
		munmap(base, (size_t)(end - base));
	return base - soj_align_up(bytes, PAGE_BYTES);
}

static uint64_t spent_ms(void)
{
	struct timespec cpu;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
	return (uint64_t)cpu.tv_sec * 1000 + (uint64_t)cpu.tv_nsec / 1000000;
}

/* fd: its pieces have nothing in them yet; -1: they have.  How many it got. */
static uint32_t collapse(int fd, uint8_t *base, uint32_t pieces,
			 uint32_t max_ms)
{
	const uint64_t began_ms = spent_ms();
	uint32_t got = 0, refusals = 0;

	/* The kernel would look at the whole pieces in between, and at none. */
	if ((uintptr_t)base % HUGE_BYTES != 0)
		return 0;
	for (uint32_t i = 0; i < pieces && refusals < REFUSALS_MAX; i++) {
		const uint64_t at = i * HUGE_BYTES;

		if (spent_ms() - began_ms >= max_ms)
			break;
		if ((fd < 0 ||
		     posix_fallocate(fd, (off_t)at, PAGE_BYTES) == 0) &&
		    madvise(base + at, HUGE_BYTES, MADV_COLLAPSE) == 0) {
			got++;
			refusals = 0;
		} else {
			refusals++;
		}
	}
	return got;
}

void soj_seg_huge_begin(struct soj_seg *seg, int fd, uint32_t max_ms)
{
	const uint64_t bytes = seg->lay.segment_bytes;
	void *base;

	seg->huge_wanted = (uint32_t)(bytes / HUGE_BYTES);
	if (seg->huge_wanted == 0 || ftruncate(fd, (off_t)bytes) < 0)
		return;
	base = soj_seg_map_aligned(fd, bytes, PROT_READ | PROT_WRITE);
	if (base == MAP_FAILED)
		return;
	seg->huge_pages = collapse(fd, base, seg->huge_wanted, max_ms);
	munmap(base, bytes);
}

void soj_seg_huge(struct soj_seg *seg)
{
	const uint32_t wanted = (uint32_t)(seg->bytes / HUGE_BYTES);
	const uint32_t got = collapse(-1, seg->base, wanted, UINT32_MAX);

	if (seg->readonly)
		return;
	soj_store_relaxed(&seg->hdr->huge_wanted, wanted);
	soj_store_relaxed(&seg->hdr->huge_pages, got);
}
