/* SPDX-License-Identifier: MIT */

/*
 * Rules for sessions that others have written down, by name.
 *
 *   owasp-low, owasp-high     OWASP Session Management Cheat Sheet: idle
 *                             timeout 15 to 30 minutes where the risk is low, 2
 *                             to 5 where it is high; absolute timeout 4 to 8
 *                             hours; a new id now and then
 *   nist-aal1, -aal2, -aal3   NIST SP 800-63B-4 (2025): overall 30 days; 24
 *                             hours, and 1 hour of inactivity; 12 hours, and
 *                             15 minutes
 * The overall timeout is ttl and maximum lifetime in one: no renewal extends
 * it.
 */

#include <errno.h>
#include <string.h>

#include "session/handle.h"
#include "session/policy.h"

#define MINUTE_MS UINT64_C(60000)
#define HOUR_MS   (60 * MINUTE_MS)

static const struct {
	const char *name;
	uint64_t overall_ms;
	uint64_t idle_ms; /* 0: none */
	uint64_t renewal_ms;
	enum sojourn_binding binding; /* of device, ip and user agent */
	uint32_t per_subject_max;     /* 0: any number; the oldest end */
} presets[] = {
	{"owasp-low", 8 * HOUR_MS, 30 * MINUTE_MS, 60 * MINUTE_MS,
	 SOJOURN_BINDING_REPORT, 0},
	{"owasp-high", 4 * HOUR_MS, 5 * MINUTE_MS, 15 * MINUTE_MS,
	 SOJOURN_BINDING_REPORT, 1},
	{"nist-aal1", 30 * 24 * HOUR_MS, 0, 24 * HOUR_MS,
	 SOJOURN_BINDING_IGNORE, 0},
	{"nist-aal2", 24 * HOUR_MS, HOUR_MS, HOUR_MS, SOJOURN_BINDING_REPORT,
	 0},
	{"nist-aal3", 12 * HOUR_MS, 15 * MINUTE_MS, 15 * MINUTE_MS,
	 SOJOURN_BINDING_REPORT, 0},
};

int sojourn_options_preset(struct sojourn_options *o, const char *name)
{
	for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++) {
		if (strcmp(presets[i].name, name) != 0)
			continue;
		o->ttl_ms = presets[i].overall_ms;
		o->max_lifetime_ms = presets[i].overall_ms;
		o->idle_timeout_ms = presets[i].idle_ms;
		o->renewal_ms = presets[i].renewal_ms;
		o->device = o->ip = o->user_agent = presets[i].binding;
		o->per_subject_max = presets[i].per_subject_max;
		o->when_over = presets[i].per_subject_max
				       ? SOJOURN_WHEN_OVER_EVICT_OLDEST
				       : SOJOURN_WHEN_OVER_REJECT;
		o->id_bytes = 24;
		o->sliding = false;
		return soj_ok();
	}
	return soj_report(-EINVAL, SOJOURN_INVALID,
			  "the policy is \"%.40s\", but must be owasp-low, "
			  "owasp-high, nist-aal1, nist-aal2 or nist-aal3",
			  name);
}
