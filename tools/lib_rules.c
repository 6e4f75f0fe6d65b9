/* SPDX-License-Identifier: MIT */

#include "lib_rules.h"

#include <string.h>

#include "lib_options.h"
#include "lib_text.h"

/* Nothing that an image says is believed. */
static const char *name_of(const char *const *names, unsigned i)
{
	while (i > 0 && *names != NULL) {
		names++;
		i--;
	}
	return *names != NULL ? *names : "unknown";
}

#define WHEN_OVER(c)     name_of(soj_when_over_names, (c)->cap_policy)
#define BINDING(c, what) name_of(soj_binding_names, (c)->what##_policy)

static bool is_defined(const struct soj_shm_collection *c)
{
	return (c->flags & SOJ_COLLECTION_DEFINED) != 0;
}

/* ---- JSON ---- */

static void json_rules(struct soj_json *j, const struct soj_shm_collection *c)
{
	soj_json_bool(j, "sliding", c->flags & SOJ_COLLECTION_SLIDING);
	soj_json_u64(j, "per_subject_max", c->cap);
	soj_json_string(j, "when_over", WHEN_OVER(c));
	soj_json_string(j, "device", BINDING(c, device));
	soj_json_string(j, "ip", BINDING(c, ip));
	soj_json_string(j, "user_agent", BINDING(c, user_agent));
	soj_json_u64(j, "ip4_prefix_bits", c->ip4_prefix_bits);
	soj_json_u64(j, "ip6_prefix_bits", c->ip6_prefix_bits);
	soj_json_bool(j, "quiet", c->flags & SOJ_COLLECTION_QUIET);
	soj_json_bool(j, "update_events", c->flags & SOJ_COLLECTION_UPDATES);
	soj_json_bool(j, "keep", c->flags & SOJ_COLLECTION_KEEP);
}

void soj_rules_json(struct soj_json *j, const struct soj_shm_header *hdr)
{
	json_rules(j, &hdr->collection[0]);
}

void soj_rules_json_collections(struct soj_json *j,
				const struct soj_shm_header *hdr)
{
	soj_json_array(j, "collections");
	for (uint32_t i = 0; i < SOJ_COLLECTIONS; i++) {
		const struct soj_shm_collection *c = &hdr->collection[i];

		if (!is_defined(c))
			continue;
		soj_json_object(j, NULL);
		soj_json_u64(j, "number", i);
		soj_json_string_n(j, "name", c->name,
				  strnlen(c->name, sizeof(c->name)));
		soj_json_u64(j, "ttl_ms", c->ttl_ms);
		soj_json_u64(j, "idle_ms", c->idle_ms);
		soj_json_u64(j, "renewal_ms", c->renewal_ms);
		soj_json_u64(j, "grace_window_ms", c->grace_window_ms);
		soj_json_u64(j, "redelivery_ms", c->redelivery_ms);
		soj_json_u64(j, "max_lifetime_ms", c->max_lifetime_ms);
		json_rules(j, c);
		soj_json_close(j);
	}
	soj_json_close(j);
}

/* ---- text ---- */

static void put_flag(FILE *out, const struct soj_shm_collection *c,
		     uint32_t flag, const char *name)
{
	if (c->flags & flag)
		fprintf(out, ", %s", name);
}

static void put_binding(FILE *out, const char *name, unsigned policy)
{
	if (policy != SOJ_BINDING_IGNORE)
		fprintf(out, ", %s %s", name,
			name_of(soj_binding_names, policy));
}

static void put_rules(FILE *out, const struct soj_shm_collection *c)
{
	put_flag(out, c, SOJ_COLLECTION_SLIDING, "sliding");
	if (c->cap != 0)
		fprintf(out, ", per_subject_max %u %s", c->cap, WHEN_OVER(c));
	put_binding(out, "device", c->device_policy);
	put_binding(out, "ip", c->ip_policy);
	put_binding(out, "user_agent", c->user_agent_policy);
	put_flag(out, c, SOJ_COLLECTION_QUIET, "quiet");
	put_flag(out, c, SOJ_COLLECTION_UPDATES, "update_events");
	put_flag(out, c, SOJ_COLLECTION_KEEP, "keep");
}

static void put_period(FILE *out, const char *name, uint64_t ms)
{
	char text[SOJ_TEXT_NUMBER_CHARS];

	if (ms != 0)
		fprintf(out, ", %s %s", name, soj_text_duration(text, ms));
}

void soj_rules_put(FILE *out, const struct soj_shm_header *hdr)
{
	put_rules(out, &hdr->collection[0]);
}

void soj_rules_put_collections(FILE *out, const struct soj_shm_header *hdr)
{
	for (uint32_t i = 1; i < SOJ_COLLECTIONS; i++) {
		const struct soj_shm_collection *c = &hdr->collection[i];
		char name[sizeof(c->name) + 1] = "";
		char ttl[SOJ_TEXT_NUMBER_CHARS];

		if (!is_defined(c))
			continue;
		memcpy(name, c->name, sizeof(c->name));
		fprintf(out, "%-12s ", "collection");
		soj_text_put(out, name);
		fprintf(out, ": ttl %s", soj_text_duration(ttl, c->ttl_ms));
		put_period(out, "idle", c->idle_ms);
		put_period(out, "renewal", c->renewal_ms);
		put_period(out, "grace_window", c->grace_window_ms);
		put_period(out, "redelivery", c->redelivery_ms);
		put_period(out, "max_lifetime", c->max_lifetime_ms);
		put_rules(out, c);
		fputc('\n', out);
	}
}
