/* SPDX-License-Identifier: MIT */

#include "session/policy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "session/handle.h"

/* Where nothing but the sliding ttl ends a session. */
#define FAR_MS (SOJ_MASK(SOJ_TIME_BITS))

#define DAY_MS UINT64_C(86400000)

/* Those that are always there, in the order of their numbers. */
static const struct {
	const char *name;
	uint64_t ttl_ms;
	uint64_t grace_window_ms; /* of tokens: rotate.c */
	bool quiet, keep;
} builtins[] = {
	[SOJ_COLLECTION_SESSION] = {"session", 30 * 60 * 1000, 5000},
	[SOJ_COLLECTION_REMEMBER] = {"remember-me", 30 * DAY_MS, 10000},
	[SOJ_COLLECTION_REFRESH] = {"refresh", 30 * DAY_MS, 10000},
	[SOJ_COLLECTION_CSRF] = {"csrf", 3600000, 0},
	[SOJ_COLLECTION_REVOKED] = {"revoked", DAY_MS, .keep = true},
	[SOJ_COLLECTION_VERIFIED] = {"verified", 300000, .quiet = true},
	[SOJ_COLLECTION_FLIGHT] = {"flight", 3600000, .quiet = true,
				   .keep = true},
};

#define BUILTINS (sizeof(builtins) / sizeof(builtins[0]))

void sojourn_options_init(struct sojourn_options *o)
{
	*o = (struct sojourn_options){
		.entries_max = 100000,
		.segment_bytes = UINT64_C(256) << 20,
		.threads_max = 1024,
		.ttl_ms = builtins[SOJ_COLLECTION_SESSION].ttl_ms,
		.grace_window_ms =
			builtins[SOJ_COLLECTION_SESSION].grace_window_ms,
		.redelivery_ms = 60 * 1000,
		.lease_ms = 2000,
		.expel_after_ms = 50,
		.id_bytes = 24,
		.ip4_prefix_bits = 32,
		.ip6_prefix_bits = 128,
		.events_max = 4096,
	};
}

uint32_t soj_builtin(const char *name)
{
	for (uint32_t i = 0; i < BUILTINS; i++)
		if (strcmp(builtins[i].name, name) == 0)
			return i;
	return SOJ_COLLECTION_NONE;
}

void sojourn_collection_init(struct sojourn_collection *c, const char *name)
{
	uint32_t number = soj_builtin(name);
	bool known = number != SOJ_COLLECTION_NONE;

	*c = (struct sojourn_collection){
		.name = name,
		.ttl_ms = known ? builtins[number].ttl_ms : 3600000,
		.grace_window_ms = known ? builtins[number].grace_window_ms : 0,
		.quiet = known && builtins[number].quiet,
		.keep = known && builtins[number].keep,
		.ip4_prefix_bits = 32,
		.ip6_prefix_bits = 128,
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
	if (o->events_max != 0 && (o->events_max < SOJ_EVENTS_MIN ||
				   o->events_max > SOJ_EVENTS_LIMIT ||
				   (o->events_max & (o->events_max - 1)) != 0))
		return out_of_range("events_max", o->events_max,
				    "0 or a power of two from 64 to 16777216");
	if (o->id_bytes < 16 || o->id_bytes > 48)
		return out_of_range("id_bytes", o->id_bytes, "16 to 48");
	if ((unsigned)o->when_full > SOJOURN_WHEN_FULL_EVICT)
		return out_of_range("when_full", (uint64_t)o->when_full,
				    "reject (0) or evict (1)");
	if ((unsigned)o->seal > SOJOURN_SEAL_XCHACHA20)
		return out_of_range("seal", (uint64_t)o->seal,
				    "off (0), on (1), AES-256-GCM (2) or "
				    "XChaCha20-Poly1305 (3)");
	if ((unsigned)o->huge > SOJOURN_HUGE_OFF)
		return out_of_range("huge", (uint64_t)o->huge,
				    "auto (0), on (1) or off (2)");
	if ((unsigned)o->helper > SOJOURN_HELPER_NONE)
		return out_of_range("helper", (uint64_t)o->helper,
				    "spawn (0), external (1) or none (2)");
	if (o->helper == SOJOURN_HELPER_SPAWN && o->threads_max < 3)
		return out_of_range("threads_max", o->threads_max,
				    "at least 3 with a helper, which takes two "
				    "slots");
	if (o->lease_ms < 256 || o->lease_ms > 3600000)
		return out_of_range("lease_ms", o->lease_ms,
				    "256 ms to 1 hour");
	if (o->expel_after_ms < 1 || o->expel_after_ms > 3600000)
		return out_of_range("expel_after_ms", o->expel_after_ms,
				    "1 ms to 1 hour");
	return 0;
}

static int check_times(const struct sojourn_collection *c)
{
	if (c->ttl_ms < 1 || c->ttl_ms > 10 * SOJ_YEAR_MS)
		return out_of_range("ttl_ms", c->ttl_ms,
				    "1 ms to 10 years of 366 days");
	if (c->sliding && c->ttl_ms > UINT32_MAX)
		return out_of_range("ttl_ms", c->ttl_ms,
				    "at most 4294967295 ms when it slides");
	if (c->idle_timeout_ms >= c->ttl_ms || c->idle_timeout_ms > UINT32_MAX)
		return out_of_range("idle_timeout_ms", c->idle_timeout_ms,
				    "less than ttl_ms and at most 4294967295 "
				    "ms (49 days); 0 is none");
	if (c->renewal_ms >= c->ttl_ms)
		return out_of_range("renewal_ms", c->renewal_ms,
				    "less than ttl_ms; 0 is never");
	if (c->grace_window_ms >= c->ttl_ms)
		return out_of_range("grace_window_ms", c->grace_window_ms,
				    "less than ttl_ms");
	if (c->redelivery_ms > UINT32_MAX)
		return out_of_range("redelivery_ms", c->redelivery_ms,
				    "at most 4294967295 ms (49 days)");
	if (c->max_lifetime_ms != 0 && (c->max_lifetime_ms < c->ttl_ms ||
					c->max_lifetime_ms > 10 * SOJ_YEAR_MS))
		return out_of_range("max_lifetime_ms", c->max_lifetime_ms,
				    "at least ttl_ms and at most 10 years; 0 "
				    "is none");
	return 0;
}

static int check_rules(const struct sojourn_collection *c)
{
	const struct {
		const char *option;
		unsigned value;
	} bindings[] = {
		{"device", c->device},
		{"ip", c->ip},
		{"user_agent", c->user_agent},
	};

	if (c->per_subject_max > SOJ_ENTRIES_LIMIT)
		return out_of_range("per_subject_max", c->per_subject_max,
				    "at most 67108862; 0 is any number");
	if ((unsigned)c->when_over > SOJOURN_WHEN_OVER_EXCLUSIVE)
		return out_of_range("when_over", (uint64_t)c->when_over,
				    "reject (0), evict oldest (1) or exclusive "
				    "(2)");
	if (c->per_subject_max == 0 && c->when_over != SOJOURN_WHEN_OVER_REJECT)
		return out_of_range("per_subject_max", c->per_subject_max,
				    "at least 1 where older sessions end");
	for (size_t i = 0; i < 3; i++)
		if (bindings[i].value > SOJOURN_BINDING_DELETE)
			return out_of_range(bindings[i].option,
					    bindings[i].value,
					    "ignore (0), report (1), reject "
					    "(2) or delete (3)");
	if (c->ip4_prefix_bits < 1 || c->ip4_prefix_bits > 32)
		return out_of_range("ip4_prefix_bits", c->ip4_prefix_bits,
				    "1 to 32");
	if (c->ip6_prefix_bits < 1 || c->ip6_prefix_bits > 128)
		return out_of_range("ip6_prefix_bits", c->ip6_prefix_bits,
				    "1 to 128");
	return 0;
}

/* Where what was revoked is forgotten, it is good again. */
static int check_kept(const struct sojourn_collection *c)
{
	if (c->keep || soj_builtin(c->name) != SOJ_COLLECTION_REVOKED)
		return 0;
	return soj_report(-EINVAL, SOJOURN_INVALID,
			  "keep is false, but must be true: what was revoked "
			  "stays so");
}

static int check_name(const char *name)
{
	size_t chars = strspn(name, "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789._-");

	if (chars >= 1 && chars <= 31 && name[chars] == 0)
		return 0;
	return soj_report(-EINVAL, SOJOURN_INVALID,
			  "a collection is called \"%.40s\", but must have 1 "
			  "to 31 letters, digits, '.', '_' and '-'",
			  name);
}

/* The text so far is about a member of one collection: say of which. */
static int in_collection(int rc, const char *name)
{
	char text[512];

	snprintf(text, sizeof(text), "%s", sojourn_error_text());
	return soj_report(rc, SOJOURN_INVALID, "collection %s: %s", name, text);
}

static int check_collections(const struct sojourn_options *o)
{
	uint32_t own = 0;

	for (uint32_t i = 0; i < o->collections_count; i++) {
		const struct sojourn_collection *c = &o->collections[i];
		int rc = check_name(c->name);

		for (uint32_t j = 0; rc == 0 && j < i; j++)
			if (strcmp(o->collections[j].name, c->name) == 0)
				rc = soj_report(-EINVAL, SOJOURN_INVALID,
						"collection %s is there twice, "
						"but must be there once",
						c->name);
		if (rc == 0 && strcmp(c->name, builtins[0].name) == 0)
			rc = soj_report(-EINVAL, SOJOURN_INVALID,
					"the rules of collection session are "
					"those of the options themselves");
		if (rc < 0)
			return rc;
		rc = check_times(c);
		if (rc == 0)
			rc = check_rules(c);
		if (rc == 0)
			rc = check_kept(c);
		if (rc < 0)
			return in_collection(rc, c->name);
		own += soj_builtin(c->name) == SOJ_COLLECTION_NONE;
	}
	if (own > SOJ_COLLECTIONS - BUILTINS)
		return out_of_range("collections_count", own,
				    "at most 57 besides those that are always "
				    "there");
	return 0;
}

/* The options' own rules as those of a collection. */
static struct sojourn_collection session_rules(const struct sojourn_options *o)
{
	return (struct sojourn_collection){
		.name = builtins[SOJ_COLLECTION_SESSION].name,
		.ttl_ms = o->ttl_ms,
		.idle_timeout_ms = o->idle_timeout_ms,
		.renewal_ms = o->renewal_ms,
		.grace_window_ms = o->grace_window_ms,
		.redelivery_ms = o->redelivery_ms,
		.max_lifetime_ms = o->max_lifetime_ms,
		.per_subject_max = o->per_subject_max,
		.when_over = o->when_over,
		.device = o->device,
		.ip = o->ip,
		.user_agent = o->user_agent,
		.ip4_prefix_bits = o->ip4_prefix_bits,
		.ip6_prefix_bits = o->ip6_prefix_bits,
		.sliding = o->sliding,
		.update_events = o->update_events,
	};
}

int soj_policy_check(const struct sojourn_options *o)
{
	const struct sojourn_collection session = session_rules(o);
	int rc = check_counts(o);

	if (rc == 0)
		rc = check_times(&session);
	if (rc == 0)
		rc = check_rules(&session);
	return rc < 0 ? rc : check_collections(o);
}

static void define(const struct sojourn_collection *c,
		   struct soj_shm_collection *out)
{
	*out = (struct soj_shm_collection){
		.ttl_ms = c->ttl_ms,
		.idle_ms = c->idle_timeout_ms,
		.renewal_ms = c->renewal_ms,
		.grace_window_ms = c->grace_window_ms,
		.redelivery_ms = c->redelivery_ms,
		.max_lifetime_ms = c->max_lifetime_ms,
		.cap = c->per_subject_max,
		.flags = SOJ_COLLECTION_DEFINED |
			 (c->sliding ? SOJ_COLLECTION_SLIDING : 0) |
			 (c->quiet ? SOJ_COLLECTION_QUIET : 0) |
			 (c->update_events ? SOJ_COLLECTION_UPDATES : 0) |
			 (c->keep ? SOJ_COLLECTION_KEEP : 0),
		.cap_policy = (uint8_t)c->when_over,
		.device_policy = (uint8_t)c->device,
		.ip_policy = (uint8_t)c->ip,
		.user_agent_policy = (uint8_t)c->user_agent,
		.ip4_prefix_bits = (uint8_t)c->ip4_prefix_bits,
		.ip6_prefix_bits = (uint8_t)c->ip6_prefix_bits,
	};
	snprintf(out->name, sizeof(out->name), "%s", c->name);
}

void soj_policy_of(const struct sojourn_options *o,
		   struct soj_shm_policy *policy,
		   struct soj_shm_collection collections[SOJ_COLLECTIONS])
{
	struct sojourn_collection session = session_rules(o);
	uint32_t next = BUILTINS;

	*policy = (struct soj_shm_policy){
		.lease_ms = o->lease_ms,
		.expel_after_ms = o->expel_after_ms,
		.when_full = o->when_full == SOJOURN_WHEN_FULL_EVICT
				     ? SOJ_FULL_EVICT
				     : SOJ_FULL_REJECT,
		.id_bytes = o->id_bytes,
	};
	memset(collections, 0, SOJ_COLLECTIONS * sizeof(*collections));
	for (uint32_t i = 0; i < BUILTINS; i++) {
		struct sojourn_collection c;

		sojourn_collection_init(&c, builtins[i].name);
		define(&c, &collections[i]);
	}
	define(&session, &collections[SOJ_COLLECTION_SESSION]);
	for (uint32_t i = 0; i < o->collections_count; i++) {
		uint32_t number = soj_builtin(o->collections[i].name);

		define(&o->collections[i],
		       &collections[number == SOJ_COLLECTION_NONE ? next++
								  : number]);
	}
}

static uint64_t expiry(uint64_t now_ms, const struct soj_lifetime *life)
{
	uint64_t at = life->sliding_ms ? FAR_MS : now_ms + life->ttl_ms;

	at = soj_min(at, FAR_MS);
	return life->expires_max_ms ? soj_min(at, life->expires_max_ms) : at;
}

int soj_lifetime_begin(const struct soj_shm_collection *c, uint64_t now_ms,
		       uint64_t ttl_ms, uint64_t idle_timeout_ms,
		       struct soj_lifetime *life)
{
	bool sliding = c->flags & SOJ_COLLECTION_SLIDING;

	life->ttl_ms = ttl_ms ? ttl_ms : c->ttl_ms;
	if (life->ttl_ms > (sliding ? UINT32_MAX : 10 * SOJ_YEAR_MS))
		return out_of_range("ttl_ms", life->ttl_ms,
				    sliding ? "at most 4294967295 ms when it "
					      "slides"
					    : "at most 10 years");
	if (idle_timeout_ms == SOJOURN_OFF)
		idle_timeout_ms = 0;
	else if (idle_timeout_ms == 0)
		idle_timeout_ms = c->idle_ms;
	else if (idle_timeout_ms > UINT32_MAX)
		return out_of_range("idle_timeout_ms", idle_timeout_ms,
				    "at most 4294967295 ms (49 days)");
	life->idle_ms = (uint32_t)idle_timeout_ms;
	life->sliding_ms = sliding ? (uint32_t)life->ttl_ms : 0;
	life->expires_max_ms =
		c->max_lifetime_ms ? now_ms + c->max_lifetime_ms : 0;
	life->expires_ms = expiry(now_ms, life);
	return 0;
}

uint64_t soj_lifetime_ttl_ms(const struct soj_times *t)
{
	return t->expires_ms > t->created_ms ? t->expires_ms - t->created_ms
					     : 1;
}

void soj_lifetime_renew(uint64_t now_ms, const struct soj_lifetime *old,
			struct soj_lifetime *life)
{
	*life = *old;
	life->expires_ms = expiry(now_ms, life);
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
