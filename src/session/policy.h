/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SESSION_POLICY_H
#define SOJ_SESSION_POLICY_H

/* Layer 5.  Pure arithmetic of time, and the rules for options. */

#include <sojourn/sojourn.h>

#include "store/store.h"

/* Numbers of the collections that are always there. */
enum {
	SOJ_COLLECTION_SESSION,
	SOJ_COLLECTION_REMEMBER,
	SOJ_COLLECTION_REFRESH,
	SOJ_COLLECTION_CSRF,
	SOJ_COLLECTION_REVOKED,
	SOJ_COLLECTION_VERIFIED,
	SOJ_COLLECTION_FLIGHT,
	SOJ_COLLECTION_NONE = 0xff,
};

/* The number of one of those; SOJ_COLLECTION_NONE. */
uint32_t soj_builtin(const char *name);

#define SOJ_YEAR_MS (UINT64_C(366) * 24 * 3600 * 1000)

/* Every rule of struct sojourn_options; 0, or -EINVAL with the thread's error
 * text naming option, value and rule. */
int soj_policy_check(const struct sojourn_options *o);
/* Of options that were checked. */
void soj_policy_of(const struct sojourn_options *o,
		   struct soj_shm_policy *policy,
		   struct soj_shm_collection collections[SOJ_COLLECTIONS]);

/* Times of a session that begins (or is renewed) at now_ms. */
struct soj_lifetime {
	uint64_t ttl_ms;
	uint64_t expires_ms;
	uint64_t expires_max_ms; /* 0: none */
	uint32_t idle_ms;
	uint32_t sliding_ms;
};

/* 0, or -EINVAL (ttl or idle timeout out of range; reported). */
int soj_lifetime_begin(const struct soj_shm_collection *c, uint64_t now_ms,
		       uint64_t ttl_ms, uint64_t idle_timeout_ms,
		       struct soj_lifetime *life);
/* The ttl that an entry's times were made of.  One that the maximum lifetime
 * cut short comes out shorter, and leads to the same deadlines.  One that
 * slides has it in sliding_ms: what comes out for it is not looked at. */
uint64_t soj_lifetime_ttl_ms(const struct soj_times *t);
/* The successor's: a full ttl from now, never past the maximum lifetime. */
void soj_lifetime_renew(uint64_t now_ms, const struct soj_lifetime *old,
			struct soj_lifetime *life);

/* Is an access time to be stored anew?  At most once a second, and 64 times in
 * each period that counts from it; 0: there is none. */
static inline __attribute__((always_inline)) bool
soj_touch_due_by(uint64_t accessed_ms, uint32_t idle_ms, uint32_t sliding_ms,
		 uint64_t now_ms)
{
	const uint64_t since_ms = now_ms - accessed_ms;

	return now_ms > accessed_ms &&
	       (since_ms >= 1000 ||
		(idle_ms != 0 && since_ms >= idle_ms / 64) ||
		(sliding_ms != 0 && since_ms >= sliding_ms / 64));
}

static inline bool soj_touch_due(const struct soj_times *t, uint64_t now_ms)
{
	return soj_touch_due_by(t->accessed_ms, t->idle_ms, t->sliding_ms,
				now_ms);
}

static inline bool soj_renewal_due(const struct soj_shm_collection *c,
				   const struct soj_times *t, uint64_t now_ms)
{
	return c->renewal_ms != 0 && now_ms - t->created_ms >= c->renewal_ms;
}

/* A lease that begins now, and whether one is over. */
uint64_t soj_lease_until(const struct soj_shm_policy *policy, uint64_t now_ms);
bool soj_lease_over(uint64_t lease_tick, uint64_t now_ms);

#endif /* SOJ_SESSION_POLICY_H */
