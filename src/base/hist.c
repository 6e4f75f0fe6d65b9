/* SPDX-License-Identifier: MIT */

/* The log-linear histogram; layout and error are specified in hist.h. */

#include "base/hist.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define SUB_COUNT   (1u << SOJ_HIST_SUB_BITS)
#define EXACT_COUNT (2u << SOJ_HIST_SUB_BITS) /* buckets of width 1 */

static uint64_t sat_add(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t sat_mul(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

/*
 * Below EXACT_COUNT the value is the index.  Above, `shift` bits are dropped
 * and what remains, SUB_COUNT .. EXACT_COUNT - 1, counts on from the buckets
 * of the smaller powers: SUB_COUNT for each.
 */
static uint32_t bucket_of(uint64_t value)
{
	uint32_t shift;

	if (value < EXACT_COUNT)
		return (uint32_t)value;
	shift = 63u - (uint32_t)__builtin_clzll(value) - SOJ_HIST_SUB_BITS;
	return shift * SUB_COUNT + (uint32_t)(value >> shift);
}

static uint64_t bucket_low(uint32_t idx)
{
	uint32_t shift;

	if (idx < EXACT_COUNT)
		return idx;
	shift = idx / SUB_COUNT - 1;
	return (uint64_t)(idx - shift * SUB_COUNT) << shift;
}

static uint64_t bucket_high(uint32_t idx)
{
	/* beyond the last bucket lies 2^64, which wraps to 0 as it should */
	return bucket_low(idx + 1) - 1;
}

void soj_hist_init(struct soj_hist *h)
{
	memset(h, 0, sizeof(*h));
	h->min = UINT64_MAX;
}

void soj_hist_record(struct soj_hist *h, uint64_t value)
{
	soj_hist_record_n(h, value, 1);
}

void soj_hist_record_n(struct soj_hist *h, uint64_t value, uint64_t times)
{
	if (times == 0)
		return;
	h->buckets[bucket_of(value)] += times;
	h->count += times;
	h->sum = sat_add(h->sum, sat_mul(value, times));
	if (value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
}

void soj_hist_merge(struct soj_hist *into, const struct soj_hist *from)
{
	for (uint32_t idx = 0; idx < SOJ_HIST_BUCKETS; idx++)
		into->buckets[idx] += from->buckets[idx];
	into->count += from->count;
	into->sum = sat_add(into->sum, from->sum);
	if (from->min < into->min)
		into->min = from->min;
	if (from->max > into->max)
		into->max = from->max;
}

uint64_t soj_hist_count(const struct soj_hist *h)
{
	return h->count;
}

uint64_t soj_hist_min(const struct soj_hist *h)
{
	return h->count == 0 ? 0 : h->min;
}

uint64_t soj_hist_max(const struct soj_hist *h)
{
	return h->max;
}

double soj_hist_mean(const struct soj_hist *h)
{
	return h->count == 0 ? 0.0 : (double)h->sum / (double)h->count;
}

/* ceil(q * count), at most count, without libm.  At least 1, as q > 0. */
static uint64_t rank_of(double q, uint64_t count)
{
	double exact = q * (double)count;
	uint64_t rank;

	/* also the way out for 2^64, to which a large count may round */
	if (exact >= (double)count)
		return count;
	rank = (uint64_t)exact;
	return rank + ((double)rank < exact);
}

uint64_t soj_hist_quantile(const struct soj_hist *h, double q)
{
	struct soj_hist_iter it = {0};
	uint64_t rank;

	if (h->count == 0)
		return 0;
	/* written so that a NaN counts as 0 */
	if (!(q > 0.0))
		return h->min;
	rank = rank_of(q, h->count);
	while (soj_hist_next(h, &it))
		if (it.cumulative >= rank)
			break;
	return it.high < h->max ? it.high : h->max;
}

bool soj_hist_next(const struct soj_hist *h, struct soj_hist_iter *it)
{
	uint32_t idx = it->next_idx;

	while (idx < SOJ_HIST_BUCKETS && h->buckets[idx] == 0)
		idx++;
	if (idx >= SOJ_HIST_BUCKETS) {
		it->next_idx = SOJ_HIST_BUCKETS;
		return false;
	}
	it->next_idx = idx + 1;
	it->low = bucket_low(idx);
	it->high = bucket_high(idx);
	it->count = h->buckets[idx];
	it->cumulative += it->count;
	return true;
}

uint64_t soj_hist_limit(uint64_t value)
{
	return bucket_high(bucket_of(value));
}

void soj_hist_cumulative(const struct soj_hist *h, const uint64_t *limits,
			 uint64_t *counts, size_t n)
{
	uint64_t below = 0;
	uint32_t idx = 0;

	for (size_t i = 0; i < n; i++) {
		assert(i == 0 || limits[i - 1] <= limits[i]);
		/* the largest value recorded bounds its own bucket */
		while (idx < SOJ_HIST_BUCKETS &&
		       (bucket_high(idx) <= limits[i] || h->max <= limits[i]))
			below += h->buckets[idx++];
		counts[i] = below;
	}
}

int soj_hist_check(const struct soj_hist *h)
{
	struct soj_hist_iter it = {0};
	uint64_t low_sum = 0, high_sum = 0;
	bool first = true;

	while (soj_hist_next(h, &it)) {
		if (first && (h->min < it.low || h->min > it.high))
			return -EUCLEAN;
		first = false;
		low_sum = sat_add(low_sum, sat_mul(it.low, it.count));
		high_sum = sat_add(high_sum, sat_mul(it.high, it.count));
	}
	if (first)
		return h->count == 0 && h->sum == 0 && h->max == 0 &&
				       h->min == UINT64_MAX
			       ? 0
			       : -EUCLEAN;
	if (h->max < it.low || h->max > it.high || h->min > h->max)
		return -EUCLEAN;
	if (it.cumulative != h->count || h->sum < low_sum || h->sum > high_sum)
		return -EUCLEAN;
	return 0;
}
