/* SPDX-License-Identifier: MIT */
#ifndef SOJ_BASE_HIST_H
#define SOJ_BASE_HIST_H

/*
 * Layer 0.  A histogram of u64 values (latencies, expiry lag, ages) with a
 * bounded relative error and a fixed size, after the layout of HdrHistogram:
 * every power of two is cut into 64 buckets of equal width.
 *
 *   values             bucket width   buckets
 *   0 .. 127           1 (exact)      0 .. 127
 *   128 .. 255         2              128 .. 191
 *   256 .. 511         4              192 .. 255
 *   2^e .. 2^(e+1)-1   2^(e-6)        (e - 5) * 64 .. (e - 4) * 64 - 1
 *   2^63 .. 2^64-1     2^57           3712 .. 3775
 *
 * So a bucket is never wider than 1/64 (1.57 %) of its lowest value.  What is
 * read back is the highest value of a bucket, and never more than the largest
 * value recorded: a quantile is not understated, and overstated by 1.57 % at
 * most.  Count, sum, minimum and maximum are exact; the sum stops at
 * UINT64_MAX (584 years of nanoseconds) instead of wrapping.
 *
 * Plain memory of one writer: threads have one each and merge, or the caller
 * serialises.  The struct holds no pointer and may be copied.  Recording is
 * O(1); all that reads is O(SOJ_HIST_BUCKETS).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOJ_HIST_SUB_BITS 6u
#define SOJ_HIST_BUCKETS  ((65u - SOJ_HIST_SUB_BITS) << SOJ_HIST_SUB_BITS)

struct soj_hist {
	uint64_t count;
	uint64_t sum;
	uint64_t min; /* UINT64_MAX while empty */
	uint64_t max; /* 0 while empty */
	uint64_t buckets[SOJ_HIST_BUCKETS];
};

/* One nonempty bucket.  Zero it to begin with. */
struct soj_hist_iter {
	uint32_t next_idx;
	uint64_t low; /* values low .. high fall into this bucket */
	uint64_t high;
	uint64_t count;
	uint64_t cumulative; /* of this and all lower buckets */
};

void soj_hist_init(struct soj_hist *h);
void soj_hist_record(struct soj_hist *h, uint64_t value);
/* The same as recording @value @times times. */
void soj_hist_record_n(struct soj_hist *h, uint64_t value, uint64_t times);
/* The same as recording into @into all that was recorded into @from. */
void soj_hist_merge(struct soj_hist *into, const struct soj_hist *from);

uint64_t soj_hist_count(const struct soj_hist *h);
/* All of an empty histogram are 0. */
uint64_t soj_hist_min(const struct soj_hist *h);
uint64_t soj_hist_max(const struct soj_hist *h);
double soj_hist_mean(const struct soj_hist *h);

/*
 * The smallest value that at least the fraction @q of all values does not
 * exceed, as its bucket reports it: the value of rank ceil(q * count), from 1.
 * A @q outside 0 .. 1 counts as the nearer end; q = 0 is the minimum, q = 1
 * the maximum, both exact.  0 if empty.
 */
uint64_t soj_hist_quantile(const struct soj_hist *h, double q);

/*
 * Goes on to the next nonempty bucket in ascending order; false at the end.
 *
 *	struct soj_hist_iter it = {0};
 *	while (soj_hist_next(&h, &it))
 *		printf("%" PRIu64 " %" PRIu64 "\n", it.high, it.count);
 */
bool soj_hist_next(const struct soj_hist *h, struct soj_hist_iter *it);

/*
 * The highest value of the bucket @value falls into.  A limit rounded so cuts
 * between two buckets, and soj_hist_cumulative() is exact for it.
 */
uint64_t soj_hist_limit(uint64_t value);

/*
 * counts[i] = how many values are <= limits[i], as Prometheus wants its `le`
 * buckets (its +Inf is soj_hist_count()).  @limits must ascend.  A bucket that
 * a limit cuts through counts as above it, so nothing is claimed to be quicker
 * than it was.
 */
void soj_hist_cumulative(const struct soj_hist *h, const uint64_t *limits,
			 uint64_t *counts, size_t n);

/*
 * 0, or -EUCLEAN if count, sum, min, max and the buckets cannot belong
 * together.
 */
int soj_hist_check(const struct soj_hist *h);

#endif /* SOJ_BASE_HIST_H */
