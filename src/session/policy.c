/* SPDX-License-Identifier: MIT */

#include "session/policy.h"

#include <errno.h>
#include <inttypes.h>

#include "session/handle.h"

/* Where nothing but the sliding ttl ends a session. */
#define FAR_MS (SOJ_MASK(SOJ_TIME_BITS))

void sojourn_options_init(struct sojourn_options *o)
{
	*o = (struct sojourn_options){
		.entries_max = 100000,
		.segment_bytes = UINT64_C(256) << 20,
		.threads_max = 1024,
		.ttl_ms = 30 * 60 * 1000,
		.grace_window_ms = 5000,
		.lease_ms = 2000,
		.expel_after_ms = 50,
		.id_bytes = 24,
	};
}

static int out_of_range(const char *option, uint64_t value, const char *rule)
{
	return soj_report(-EINVAL, SOJOURN_INVALID,
			  "%s is %" PRIu64 ", but must be %s", option, value,
			  rule);
}

static int check_counts(const struct sojourn_options *o)
{
	if (o->entries_max < 1 || o->entries_max > SOJ_ENTRIES_LIMIT)
		return out_of_range("entries_max", o->entries_max,
				    "1 to 67108862");
	if (o->threads_max < 1 || o->threads_max > SOJ_SLOTS_LIMIT)
		return out_of_range("threads_max", o->threads_max, "1 to 4094");
	if (o->id_bytes < 16 || o->id_bytes > 48)
		return out_of_range("id_bytes", o->id_bytes, "16 to 48");
	if ((unsigned)o->when_full > SOJOURN_WHEN_FULL_EVICT)
		return out_of_range("when_full", (uint64_t)o->when_full,
				    "reject (0) or evict (1)");
	if ((unsigned)o->helper > SOJOURN_HELPER_NONE)
		return out_of_range("helper", (uint64_t)o->helper,
				    "spawn (0), external (1) or none (2)");
	return 0;
}

static int check_times(const struct sojourn_options *o)
{
	if (o->ttl_ms < 1 || o->ttl_ms > 10 * SOJ_YEAR_MS)
		return out_of_range("ttl_ms", o->ttl_ms,
				    "1 ms to 10 years of 366 days");
	if (o->sliding && o->ttl_ms > UINT32_MAX)
		return out_of_range("ttl_ms", o->ttl_ms,
				    "at most 4294967295 ms when it slides");
	if (o->idle_timeout_ms >= o->ttl_ms || o->idle_timeout_ms > UINT32_MAX)
		return out_of_range("idle_timeout_ms", o->idle_timeout_ms,
				    "less than ttl_ms and at most 4294967295 "
				    "ms (49 days); 0 is none");
	if (o->renewal_ms >= o->ttl_ms)
		return out_of_range("renewal_ms", o->renewal_ms,
				    "less than ttl_ms; 0 is never");
	if (o->grace_window_ms >= o->ttl_ms)
		return out_of_range("grace_window_ms", o->grace_window_ms,
				    "less than ttl_ms");
	if (o->max_lifetime_ms != 0 && (o->max_lifetime_ms < o->ttl_ms ||
					o->max_lifetime_ms > 10 * SOJ_YEAR_MS))
		return out_of_range("max_lifetime_ms", o->max_lifetime_ms,
				    "at least ttl_ms and at most 10 years; 0 "
				    "is none");
	if (o->lease_ms < 256 || o->lease_ms > 3600000)
		return out_of_range("lease_ms", o->lease_ms,
				    "256 ms to 1 hour");
	if (o->expel_after_ms < 1 || o->expel_after_ms > 3600000)
		return out_of_range("expel_after_ms", o->expel_after_ms,
				    "1 ms to 1 hour");
	return 0;
}

int soj_policy_check(const struct sojourn_options *o)
{
	int rc = check_counts(o);

	return rc < 0 ? rc : check_times(o);
}

void soj_policy_of(const struct sojourn_options *o,
		   struct soj_shm_policy *policy)
{
	*policy = (struct soj_shm_policy){
		.ttl_ms = o->ttl_ms,
		.idle_ms = o->idle_timeout_ms,
		.renewal_ms = o->renewal_ms,
		.grace_window_ms = o->grace_window_ms,
		.max_lifetime_ms = o->max_lifetime_ms,
		.lease_ms = o->lease_ms,
		.expel_after_ms = o->expel_after_ms,
		.when_full = o->when_full == SOJOURN_WHEN_FULL_EVICT
				     ? SOJ_FULL_EVICT
				     : SOJ_FULL_REJECT,
		.id_bytes = o->id_bytes,
	};
}

static uint64_t expiry(uint64_t now_ms, const struct soj_lifetime *life)
{
	uint64_t at = life->sliding_ms ? FAR_MS : now_ms + life->ttl_ms;

	at = soj_min(at, FAR_MS);
	return life->expires_max_ms ? soj_min(at, life->expires_max_ms) : at;
}

int soj_lifetime_begin(const struct soj_seg *seg, uint64_t now_ms,
		       uint64_t ttl_ms, uint64_t idle_timeout_ms,
		       struct soj_lifetime *life)
{
	const struct soj_shm_policy *policy = &seg->policy;
	bool sliding = seg->flags & SOJ_SHM_SLIDING;

	life->ttl_ms = ttl_ms ? ttl_ms : policy->ttl_ms;
	if (life->ttl_ms > (sliding ? UINT32_MAX : 10 * SOJ_YEAR_MS))
		return out_of_range("ttl_ms", life->ttl_ms,
				    sliding ? "at most 4294967295 ms when it "
					      "slides"
					    : "at most 10 years");
	if (idle_timeout_ms == SOJOURN_OFF)
		idle_timeout_ms = 0;
	else if (idle_timeout_ms == 0)
		idle_timeout_ms = policy->idle_ms;
	else if (idle_timeout_ms > UINT32_MAX)
		return out_of_range("idle_timeout_ms", idle_timeout_ms,
				    "at most 4294967295 ms (49 days)");
	life->idle_ms = (uint32_t)idle_timeout_ms;
	life->sliding_ms = sliding ? (uint32_t)life->ttl_ms : 0;
	life->expires_max_ms =
		policy->max_lifetime_ms ? now_ms + policy->max_lifetime_ms : 0;
	life->expires_ms = expiry(now_ms, life);
	return 0;
}

void soj_lifetime_renew(uint64_t now_ms, const struct soj_lifetime *old,
			struct soj_lifetime *life)
{
	*life = *old;
	life->expires_ms = expiry(now_ms, life);
}

uint64_t soj_touch_interval_ms(const struct soj_times *t)
{
	uint64_t interval = 1000;

	if (t->idle_ms)
		interval = soj_min(interval, t->idle_ms / 64);
	if (t->sliding_ms)
		interval = soj_min(interval, t->sliding_ms / 64);
	return interval;
}

uint64_t soj_lease_until(const struct soj_shm_policy *policy, uint64_t now_ms)
{
	return (now_ms + policy->lease_ms) / SOJ_LEASE_TICK_MS + 1;
}

bool soj_lease_over(uint64_t lease_tick, uint64_t now_ms)
{
	/* Half of the range is past, half is future. */
	uint64_t left =
		(lease_tick - now_ms / SOJ_LEASE_TICK_MS) & SOJ_MASK(30);

	return left == 0 || left >= UINT64_C(1) << 29;
}
