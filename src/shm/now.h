/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SHM_NOW_H
#define SOJ_SHM_NOW_H

/* Layer 1.  The segment's time without a call, where the thread knows it. */

#include "base/ticker.h"
#include "shm/segment.h"

/* clock.c: the calling thread's; NULL: there are none here. */
struct soj_ticker *soj_seg_ticker_mine(void);

/* soj_seg_now_ms(), for who has that of his thread at hand: where it lies would
 * be a call to find out in a shared library. */
static inline uint64_t soj_seg_now_by(const struct soj_seg *seg,
				      const struct soj_ticker *mine)
{
#ifdef __x86_64__
	int64_t ms;

	if (!(seg->flags & SOJ_SHM_MANUAL_CLOCK) &&
	    soj_ticker_knows(mine, __builtin_ia32_rdtsc(), &ms) &&
	    ms > seg->clock_base_ms)
		return (uint64_t)(ms - seg->clock_base_ms);
#else
	(void)mine;
#endif
	return soj_seg_now_ms(seg);
}

#endif /* SOJ_SHM_NOW_H */
