/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SHM_NOW_H
#define SOJ_SHM_NOW_H

/* Layer 1.  The segment's time without a call, where the thread knows it. */

#include "base/ticker.h"
#include "shm/segment.h"

/* clock.c */
extern _Thread_local struct soj_ticker soj_seg_ticker;

/* soj_seg_now_ms(). */
static inline uint64_t soj_seg_now_at_once_ms(const struct soj_seg *seg)
{
#ifdef __x86_64__
	int64_t ms;

	if (!(seg->flags & SOJ_SHM_MANUAL_CLOCK) &&
	    soj_ticker_knows(&soj_seg_ticker, __builtin_ia32_rdtsc(), &ms) &&
	    ms > seg->clock_base_ms)
		return (uint64_t)(ms - seg->clock_base_ms);
#endif
	return soj_seg_now_ms(seg);
}

#endif /* SOJ_SHM_NOW_H */
