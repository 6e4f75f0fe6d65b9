/* SPDX-License-Identifier: MIT */

#include "lib_options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lib_args.h"
#include "shm/format.h"

const char *const soj_helper_names[] = {"spawn", "external", "none", NULL};
const char *const soj_when_over_names[] = {"reject", "evict-oldest",
					   "exclusive", NULL};
const char *const soj_binding_names[] = {"ignore", "report", "reject", "delete",
					 NULL};
static const char *const when_full_names[] = {"reject", "evict", NULL};
static const char *const seal_names[] = {"off", "on", "aes256gcm", "xchacha20",
					 NULL};
static const char *const huge_names[] = {"auto", "on", "off", NULL};

enum kind {
	COUNT,  /* uint32_t, from min to max */
	SIZE,   /* uint64_t */
	PERIOD, /* uint64_t, in ms */
	CHOICE, /* an enum; without a value, where it is optional, it is "on" */
	FLAG,
	TEXT,
};

struct setting {
	enum soj_option_key key;
	const char *name;
	const char *field; /* as the texts of the library call it */
	size_t at;
	enum kind kind;
	uint32_t min, max;
	const char *const *choices;
};

#define TO(field_) \
	.field = #field_, .at = offsetof(struct sojourn_options, field_)
#define ONE_OF(names) CHOICE, .choices = (names)

static const struct setting table[] = {
	{SOJ_OPT_ENTRIES, "--entries", TO(entries_max), COUNT, 1,
	 SOJ_ENTRIES_LIMIT},
	{SOJ_OPT_BYTES, "--bytes", TO(segment_bytes), SIZE},
	{SOJ_OPT_THREADS_MAX, "--threads-max", TO(threads_max), COUNT, 1,
	 SOJ_SLOTS_LIMIT},
	{SOJ_OPT_IDLE, "--idle", TO(idle_timeout_ms), PERIOD},
	{SOJ_OPT_RENEWAL, "--renewal", TO(renewal_ms), PERIOD},
	{SOJ_OPT_GRACE_WINDOW, "--grace-window", TO(grace_window_ms), PERIOD},
	{SOJ_OPT_MAX_LIFETIME, "--max-lifetime", TO(max_lifetime_ms), PERIOD},
	{SOJ_OPT_TTL, "--ttl", TO(ttl_ms), PERIOD},
	{SOJ_OPT_ID_BYTES, "--id-bytes", TO(id_bytes), COUNT, 16, 48},
	{SOJ_OPT_REDELIVERY, "--redelivery", TO(redelivery_ms), PERIOD},
	{SOJ_OPT_PER_SUBJECT_MAX, "--per-subject-max", TO(per_subject_max),
	 COUNT, 0, SOJ_ENTRIES_LIMIT},
	{SOJ_OPT_EVENTS, "--events", TO(events_max), COUNT, 0,
	 SOJ_EVENTS_LIMIT},
	{SOJ_OPT_IP4_PREFIX, "--ip4-prefix", TO(ip4_prefix_bits), COUNT, 1, 32},
	{SOJ_OPT_IP6_PREFIX, "--ip6-prefix", TO(ip6_prefix_bits), COUNT, 1,
	 128},
	{SOJ_OPT_WHEN_FULL, "--when-full", TO(when_full),
	 ONE_OF(when_full_names)},
	{SOJ_OPT_WHEN_OVER, "--when-over", TO(when_over),
	 ONE_OF(soj_when_over_names)},
	{SOJ_OPT_DEVICE, "--device", TO(device), ONE_OF(soj_binding_names)},
	{SOJ_OPT_IP, "--ip", TO(ip), ONE_OF(soj_binding_names)},
	{SOJ_OPT_USER_AGENT, "--user-agent", TO(user_agent),
	 ONE_OF(soj_binding_names)},
	{SOJ_OPT_SEAL, "--seal", TO(seal), ONE_OF(seal_names)},
	{SOJ_OPT_HUGE, "--huge", TO(huge), ONE_OF(huge_names)},
	{SOJ_OPT_HELPER, "--helper", TO(helper), ONE_OF(soj_helper_names)},
	{SOJ_OPT_SLIDING, "--sliding", TO(sliding), FLAG},
	{SOJ_OPT_UPDATE_EVENTS, "--update-events", TO(update_events), FLAG},
	{SOJ_OPT_GROUP, "--group", TO(group), TEXT},
	{SOJ_OPT_KEY_FILE, "--key-file", TO(key_file), TEXT},
};

#define OPTIONS (sizeof(table) / sizeof(table[0]))

/* The place of the word among the choices. */
static uint32_t need_choice(struct argp_state *state, const struct setting *opt,
			    const char *word)
{
	const char *const *c = opt->choices;

	for (uint32_t i = 0; c[i] != NULL; i++)
		if (strcmp(word, c[i]) == 0)
			return i;
	argp_error(state, "%s %s: it is one of %s, %s%s%s%s%s", opt->name, word,
		   c[0], c[1], c[2] ? ", " : "", c[2] ? c[2] : "",
		   c[2] && c[3] ? ", " : "", c[2] && c[3] ? c[3] : "");
	return 0;
}

static void put(const struct setting *opt, char *arg, struct argp_state *state,
		void *field)
{
	static_assert(sizeof(enum sojourn_helper) == sizeof(uint32_t),
		      "an enum is written like a number");
	uint64_t number;
	uint32_t small;

	switch (opt->kind) {
	case COUNT:
		small = (uint32_t)soj_args_need_number(state, opt->name, arg,
						       opt->min, opt->max);
		memcpy(field, &small, sizeof(small));
		break;
	case CHOICE:
		small = need_choice(state, opt, arg ? arg : "on");
		memcpy(field, &small, sizeof(small));
		break;
	case SIZE:
		number = soj_args_need_size(state, opt->name, arg);
		memcpy(field, &number, sizeof(number));
		break;
	case PERIOD:
		number = soj_args_need_duration(state, opt->name, arg);
		memcpy(field, &number, sizeof(number));
		break;
	case FLAG:
		*(bool *)field = true;
		break;
	case TEXT:
		*(const char **)field = arg;
		break;
	}
}

const char *soj_options_take(int key, char *arg, struct argp_state *state,
			     struct sojourn_options *o)
{
	for (size_t i = 0; i < OPTIONS; i++)
		if (key == (int)table[i].key) {
			put(&table[i], arg, state, (char *)o + table[i].at);
			return table[i].name;
		}
	return NULL;
}

bool soj_options_no_helper(const struct sojourn_options *o, int error)
{
	static const char start[] = "cannot start ";

	return error == -ENOENT && o->helper == SOJOURN_HELPER_SPAWN &&
	       (sojourn_reason() == SOJOURN_INVALID ||
		strncmp(sojourn_error_text(), start, strlen(start)) == 0);
}

void soj_options_explain(const char *text)
{
	/* The text is about a rule of --collection, which has no dashes. */
	const bool rule = strncmp(text, "collection ", 11) == 0;
	const char *before = "  Here ";

	for (size_t i = 0; i < OPTIONS; i++) {
		const struct setting *opt = &table[i];

		/* The others' names are words that may mean something else. */
		if (opt->kind > PERIOD || strstr(text, opt->field) == NULL)
			continue;
		fprintf(stderr, "%s%s is %s%s", before, opt->field,
			rule ? "the rule " : "", opt->name + (rule ? 2 : 0));
		before = ", ";
	}
	if (before[0] == ',')
		fputs(".\n", stderr);
}
