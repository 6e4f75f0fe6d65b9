/* SPDX-License-Identifier: MIT */

#include "lib_collection.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib_args.h"
#include "lib_options.h"

/* A word that is none of the rules. */
static int unknown(char *why, size_t why_bytes, const char *word)
{
	snprintf(why, why_bytes,
		 "\"%.60s\" is no rule; there are " SOJ_COLLECTION_HELP, word);
	return -EINVAL;
}

static int refuse(char *why, size_t why_bytes, const char *name,
		  const char *value, const char *rule)
{
	snprintf(why, why_bytes, "%.60s is \"%.60s\", but must be %s", name,
		 value, rule);
	return -EINVAL;
}

static uint64_t *duration_of(struct sojourn_collection *c, const char *name)
{
	const struct {
		const char *name;
		uint64_t *value;
	} list[] = {
		{"ttl", &c->ttl_ms},
		{"idle", &c->idle_timeout_ms},
		{"renewal", &c->renewal_ms},
		{"grace-window", &c->grace_window_ms},
		{"redelivery", &c->redelivery_ms},
		{"max-lifetime", &c->max_lifetime_ms},
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (strcmp(list[i].name, name) == 0)
			return list[i].value;
	return NULL;
}

static bool *flag_of(struct sojourn_collection *c, const char *name)
{
	if (strcmp(name, "sliding") == 0)
		return &c->sliding;
	if (strcmp(name, "quiet") == 0)
		return &c->quiet;
	if (strcmp(name, "update-events") == 0)
		return &c->update_events;
	return strcmp(name, "keep") == 0 ? &c->keep : NULL;
}

static int when_over(const char *value, enum sojourn_when_over *out)
{
	for (unsigned i = 0; soj_when_over_names[i] != NULL; i++)
		if (strcmp(soj_when_over_names[i], value) == 0) {
			*out = (enum sojourn_when_over)i;
			return 0;
		}
	return -EINVAL;
}

static int parse_rule(char *word, struct sojourn_collection *c, char *why,
		      size_t why_bytes)
{
	char *value = strchr(word, '=');
	uint64_t number, *duration;
	bool *flag;

	if (value == NULL) {
		flag = flag_of(c, word);
		if (flag == NULL)
			return unknown(why, why_bytes, word);
		*flag = true;
		return 0;
	}
	*value++ = 0;
	duration = duration_of(c, word);
	if (duration)
		return soj_args_duration(value, duration) == 0
			       ? 0
			       : refuse(why, why_bytes, word, value,
					"a duration such as 250ms, 5s, 30min, "
					"12h or 7d");
	if (strcmp(word, "per-subject-max") == 0) {
		if (soj_args_number(value, 0, 67108862, &number) < 0)
			return refuse(why, why_bytes, word, value,
				      "a number from 0 to 67108862");
		c->per_subject_max = (uint32_t)number;
		return 0;
	}
	if (strcmp(word, "when-over") == 0)
		return when_over(value, &c->when_over) == 0
			       ? 0
			       : refuse(why, why_bytes, word, value,
					"reject, evict-oldest or exclusive");
	if (flag_of(c, word))
		return refuse(why, why_bytes, word, value,
			      "without a value: the word alone");
	return unknown(why, why_bytes, word);
}

int soj_collection_parse(char *text, struct sojourn_collection *c, char *why,
			 size_t why_bytes)
{
	char *rest = text, *name = strsep(&rest, ",");

	sojourn_collection_init(c, name);
	while (rest) {
		int rc = parse_rule(strsep(&rest, ","), c, why, why_bytes);

		if (rc < 0)
			return rc;
	}
	return 0;
}
