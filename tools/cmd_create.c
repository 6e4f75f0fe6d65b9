/* SPDX-License-Identifier: MIT */

/* `sojourn create` and `sojourn destroy`: the life of a segment. */

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include <sojourn/stat.h>

#include "cmd.h"
#include "lib_args.h"
#include "lib_collection.h"
#include "shm/segment.h"

struct create_input {
	const char *name;
	struct sojourn_collection collection[SOJOURN_COLLECTIONS];
	struct sojourn_options options;
};

enum {
	OPT_ENTRIES = 0x100,
	OPT_BYTES,
	OPT_TTL,
	OPT_IDLE,
	OPT_RENEWAL,
	OPT_GRACE_WINDOW,
	OPT_MAX_LIFETIME,
	OPT_WHEN_FULL,
	OPT_GROUP,
	OPT_KEY_FILE,
	OPT_THREADS_MAX,
	OPT_HELPER,
	OPT_SLIDING,
	OPT_ID_BYTES,
	OPT_COLLECTION,
	OPT_EVENTS,
	OPT_UPDATE_EVENTS,
	OPT_POLICY,
	OPT_REDELIVERY,
	OPT_PER_SUBJECT_MAX,
	OPT_WHEN_OVER,
	OPT_DEVICE,
	OPT_IP,
	OPT_USER_AGENT,
	OPT_IP4_PREFIX,
	OPT_IP6_PREFIX,
	OPT_SEAL,
	OPT_HUGE,
};

static const struct argp_option create_options[] = {
	{NULL, 0, NULL, 0, "Size:", 1},
	{"entries", OPT_ENTRIES, "N", 0, "Sessions at a time (100000)", 0},
	{"bytes", OPT_BYTES, "SIZE", 0, "Memory, all included (256MiB)", 0},
	{"threads-max", OPT_THREADS_MAX, "N", 0,
	 "Threads that can be attached at a time (1024)", 0},
	{"huge", OPT_HUGE, "auto|on|off", OPTION_ARG_OPTIONAL,
	 "In pages of 2 MiB, where the kernel can (Linux 6.1): from 32 MiB on "
	 "(auto), always, or never",
	 0},
	{"when-full", OPT_WHEN_FULL, "reject|evict", 0,
	 "Refuse new sessions (reject), or end expired and then long unused "
	 "ones (evict)",
	 0},
	{NULL, 0, NULL, 0, "Lifetime:", 2},
	{"policy", OPT_POLICY, "P", 0,
	 "Rules of owasp-low, owasp-high, nist-aal1, nist-aal2 or nist-aal3; "
	 "what comes after it changes them",
	 0},
	{"ttl", OPT_TTL, "D", 0, "From creation (30min)", 0},
	{"sliding", OPT_SLIDING, NULL, 0,
	 "The ttl counts from the last use instead", 0},
	{"idle", OPT_IDLE, "D", 0, "From last use (0: does not matter)", 0},
	{"renewal", OPT_RENEWAL, "D", 0,
	 "Age at which a read gives a new id (0: never)", 0},
	{"grace-window", OPT_GRACE_WINDOW, "D", 0,
	 "How long a renewed id still answers (5s)", 0},
	{"redelivery", OPT_REDELIVERY, "D", 0,
	 "How long after that it still leads to the new id (1min)", 0},
	{"max-lifetime", OPT_MAX_LIFETIME, "D", 0,
	 "From the first login, whatever the renewals (0: no limit)", 0},
	{"collection", OPT_COLLECTION, "NAME,RULE...", 0,
	 "A collection of items, or other rules for a built-in one; may come "
	 "again. Rules: " SOJ_COLLECTION_HELP,
	 0},
	{"events", OPT_EVENTS, "N", 0,
	 "How many events are kept: a power of two from 64, or 0 for none "
	 "(4096)",
	 0},
	{"update-events", OPT_UPDATE_EVENTS, NULL, 0,
	 "Events of changed data as well", 0},
	{NULL, 0, NULL, 0, "Who may log in, and use a session:", 3},
	{"per-subject-max", OPT_PER_SUBJECT_MAX, "N", 0,
	 "Sessions of one subject at a time (0: any number)", 0},
	{"when-over", OPT_WHEN_OVER, "reject|evict-oldest|exclusive", 0,
	 "A login over that is refused (reject), ends the oldest, or all "
	 "others",
	 0},
	{"device", OPT_DEVICE, "RULE", 0,
	 "Use from another device: ignore, report, reject or delete (ignore)",
	 0},
	{"ip", OPT_IP, "RULE", 0, "The same for another address", 0},
	{"user-agent", OPT_USER_AGENT, "RULE", 0,
	 "The same for another user agent", 0},
	{"ip4-prefix", OPT_IP4_PREFIX, "BITS", 0,
	 "Bits of IPv4 addresses that must agree (32)", 0},
	{"ip6-prefix", OPT_IP6_PREFIX, "BITS", 0,
	 "Bits of IPv6 addresses that must agree (128)", 0},
	{NULL, 0, NULL, 0, "Access:", 4},
	{"group", OPT_GROUP, "G", 0, "Let this group use it too", 0},
	{"key-file", OPT_KEY_FILE, "FILE", 0,
	 "Key file, made if it is not there (/var/lib/sojourn/NAME.key for "
	 "root, else ~/.local/state/sojourn/NAME.key)",
	 0},
	{"seal", OPT_SEAL, "CIPHER", OPTION_ARG_OPTIONAL,
	 "Keep subjects, metadata and data sealed: on (as is --seal alone), "
	 "aes256gcm or xchacha20 (off)",
	 0},
	{"id-bytes", OPT_ID_BYTES, "N", 0,
	 "Random bytes of a session id, 16 to 48 (24)", 0},
	{NULL, 0, NULL, 0, "Helper:", 5},
	{"helper", OPT_HELPER, "spawn|external|none", 0,
	 "Start sojournd now (spawn), leave that to a service manager "
	 "(external), or do without (none)",
	 0},
	{0},
};

/* The place of word among choices, a list that ends with NULL. */
static int need_choice(struct argp_state *state, const char *option,
		       const char *word, const char *const *choices)
{
	for (int i = 0; choices[i] != NULL; i++) {
		if (strcmp(word, choices[i]) == 0)
			return i;
	}
	argp_error(state, "%s %s: it is one of %s, %s%s%s%s%s", option, word,
		   choices[0], choices[1], choices[2] ? ", " : "",
		   choices[2] ? choices[2] : "",
		   choices[2] && choices[3] ? ", " : "",
		   choices[2] && choices[3] ? choices[3] : "");
	return 0;
}

static const char *const when_full_names[] = {"reject", "evict", NULL};
static const char *const helper_names[] = {"spawn", "external", "none", NULL};

static const char *const seal_names[] = {"off", "on", "aes256gcm", "xchacha20",
					 NULL};
static const char *const huge_names[] = {"auto", "on", "off", NULL};
static const char *const when_over_names[] = {"reject", "evict-oldest",
					      "exclusive", NULL};
static const char *const binding_names[] = {"ignore", "report", "reject",
					    "delete", NULL};

static void add_collection(struct argp_state *state, struct create_input *in,
			   char *text)
{
	struct sojourn_options *o = &in->options;
	char why[300];

	if (o->collections_count == SOJOURN_COLLECTIONS)
		argp_error(state, "--collection: more than %u",
			   SOJOURN_COLLECTIONS);
	if (soj_collection_parse(text, &in->collection[o->collections_count],
				 why, sizeof(why)) < 0)
		argp_error(state, "--collection %s: %s", text, why);
	o->collections = in->collection;
	o->collections_count++;
}

static error_t take_events(struct argp_state *state, struct sojourn_options *o,
			   int key, const char *arg)
{
	switch (key) {
	case OPT_EVENTS:
		o->events_max = (uint32_t)soj_args_need_number(
			state, "--events", arg, 0, 1 << 24);
		return 0;
	case OPT_UPDATE_EVENTS:
		o->update_events = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static uint32_t need_bits(struct argp_state *state, const char *option,
			  const char *arg, uint64_t max)
{
	return (uint32_t)soj_args_need_number(state, option, arg, 1, max);
}

static enum sojourn_binding need_rule(struct argp_state *state,
				      const char *option, const char *arg)
{
	return (enum sojourn_binding)need_choice(state, option, arg,
						 binding_names);
}

/* Who may log in, and from where a session may be used. */
static error_t parse_rules(int key, char *arg, struct argp_state *state,
			   struct sojourn_options *o)
{
	switch (key) {
	case OPT_HUGE:
		o->huge = (enum sojourn_huge)need_choice(
			state, "--huge", arg ? arg : "on", huge_names);
		break;
	case OPT_SEAL:
		o->seal = (enum sojourn_seal)need_choice(
			state, "--seal", arg ? arg : "on", seal_names);
		break;
	case OPT_POLICY:
		if (sojourn_options_preset(o, arg) < 0)
			argp_error(state, "--policy: %s", sojourn_error_text());
		break;
	case OPT_REDELIVERY:
		o->redelivery_ms =
			soj_args_need_duration(state, "--redelivery", arg);
		break;
	case OPT_PER_SUBJECT_MAX:
		o->per_subject_max = (uint32_t)soj_args_need_number(
			state, "--per-subject-max", arg, 0, 67108862);
		break;
	case OPT_WHEN_OVER:
		o->when_over = (enum sojourn_when_over)need_choice(
			state, "--when-over", arg, when_over_names);
		break;
	case OPT_DEVICE:
		o->device = need_rule(state, "--device", arg);
		break;
	case OPT_IP:
		o->ip = need_rule(state, "--ip", arg);
		break;
	case OPT_USER_AGENT:
		o->user_agent = need_rule(state, "--user-agent", arg);
		break;
	case OPT_IP4_PREFIX:
		o->ip4_prefix_bits = need_bits(state, "--ip4-prefix", arg, 32);
		break;
	case OPT_IP6_PREFIX:
		o->ip6_prefix_bits = need_bits(state, "--ip6-prefix", arg, 128);
		break;
	default:
		return take_events(state, o, key, arg);
	}
	return 0;
}

static error_t parse_create(int key, char *arg, struct argp_state *state)
{
	struct create_input *in = state->input;
	struct sojourn_options *o = &in->options;

	switch (key) {
	case OPT_ENTRIES:
		o->entries_max = (uint32_t)soj_args_need_number(
			state, "--entries", arg, 1, 67108862);
		break;
	case OPT_BYTES:
		o->segment_bytes = soj_args_need_size(state, "--bytes", arg);
		break;
	case OPT_THREADS_MAX:
		o->threads_max = (uint32_t)soj_args_need_number(
			state, "--threads-max", arg, 1, 4094);
		break;
	case OPT_WHEN_FULL:
		o->when_full = (enum sojourn_when_full)need_choice(
			state, "--when-full", arg, when_full_names);
		break;
	case OPT_TTL:
		o->ttl_ms = soj_args_need_duration(state, "--ttl", arg);
		break;
	case OPT_SLIDING:
		o->sliding = true;
		break;
	case OPT_IDLE:
		o->idle_timeout_ms =
			soj_args_need_duration(state, "--idle", arg);
		break;
	case OPT_RENEWAL:
		o->renewal_ms = soj_args_need_duration(state, "--renewal", arg);
		break;
	case OPT_GRACE_WINDOW:
		o->grace_window_ms =
			soj_args_need_duration(state, "--grace-window", arg);
		break;
	case OPT_MAX_LIFETIME:
		o->max_lifetime_ms =
			soj_args_need_duration(state, "--max-lifetime", arg);
		break;
	case OPT_GROUP:
		o->group = arg;
		break;
	case OPT_KEY_FILE:
		o->key_file = arg;
		break;
	case OPT_ID_BYTES:
		o->id_bytes = (uint32_t)soj_args_need_number(
			state, "--id-bytes", arg, 16, 48);
		break;
	case OPT_COLLECTION:
		add_collection(state, in, arg);
		break;
	case OPT_HELPER:
		o->helper = (enum sojourn_helper)need_choice(state, "--helper",
							     arg, helper_names);
		break;
	case ARGP_KEY_ARG:
	case ARGP_KEY_END:
		soj_args_take_name(state, key, arg, &in->name);
		break;
	default:
		return parse_rules(key, arg, state, o);
	}
	return 0;
}

static const struct argp create_argp = {
	.options = create_options,
	.parser = parse_create,
	.args_doc = "NAME",
	.doc = "Makes the segment NAME: letters, digits, '.', '_' and '-', at "
	       "most 200. All its memory is taken now, so that nobody runs "
	       "out of it later.\v"
	       "Durations D: 250ms, 5s, 30min, 1h30min, 12h, 7d. Sizes: 4096, "
	       "64KiB, 256MiB, 1GiB. A session takes about 220 bytes and its "
	       "data, rounded up by an eighth.\n\n"
	       "Prints one line: name, entries, bytes, key file, helper. "
	       "Exits 73 if the name is taken or shared memory is short, 69 "
	       "if there is no helper program.",
};

/* How the library's names are spelled here, for those that text mentions. */
static void explain_names(const char *text)
{
	static const char *const names[][2] = {
		{"entries_max", "--entries"},
		{"segment_bytes", "--bytes"},
		{"threads_max", "--threads-max"},
		{"idle_timeout_ms", "--idle"},
		{"renewal_ms", "--renewal"},
		{"grace_window_ms", "--grace-window"},
		{"max_lifetime_ms", "--max-lifetime"},
		{"ttl_ms", "--ttl"},
		{"id_bytes", "--id-bytes"},
		{"redelivery_ms", "--redelivery"},
		{"per_subject_max", "--per-subject-max"},
		{"events_max", "--events"},
	};
	/* The text is about a rule of --collection, which has no dashes. */
	const bool rule = strncmp(text, "collection ", 11) == 0;
	const char *before = "  Here ";

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strstr(text, names[i][0]) == NULL)
			continue;
		fprintf(stderr, "%s%s is %s%s", before, names[i][0],
			rule ? "the rule " : "", names[i][1] + (rule ? 2 : 0));
		before = ", ";
	}
	if (before[0] == ',')
		fputs(".\n", stderr);
}

static int create_failed(int error, const struct create_input *in)
{
	const bool memory = error == -ENOSPC || error == -ENOMEM;
	const bool own = error == -ENOENT || error == -EINVAL;
	char what[300];

	snprintf(what, sizeof(what), "create %s", in->name);
	if (!memory && !own && error != -ENOTSUP)
		return soj_args_fail(error, what);
	soj_args_complain("cannot %s: %s", what, sojourn_error_text());
	if (error == -EINVAL) {
		explain_names(sojourn_error_text());
		return EX_USAGE;
	}
	if (error == -ENOTSUP)
		return EX_UNAVAILABLE;
	if (memory) {
		fputs("  Ask for less by --bytes, remove what \"ls -l "
		      "/dev/shm\" shows and nobody needs,\n"
		      "  or as root: mount -o remount,size=8G /dev/shm\n",
		      stderr);
		return EX_CANTCREAT;
	}
	fputs("  Install sojournd, name it by SOJOURN_HELPER_PATH, or say "
	      "--helper external or none.\n",
	      stderr);
	return EX_UNAVAILABLE;
}

int cmd_create(int argc, char **argv)
{
	struct create_input in = {NULL};
	struct sojourn_stat stat;
	char path[PATH_MAX] = "";
	struct sojourn *s;
	int rc;

	sojourn_options_init(&in.options);
	soj_args_parse(&create_argp, argc, argv, &in);
	rc = sojourn_create(in.name, &in.options, &s);
	if (rc < 0)
		return create_failed(rc, &in);
	if (in.options.key_file == NULL &&
	    soj_keyfile_default_path(path, sizeof(path), in.name) == 0)
		in.options.key_file = path;
	rc = sojourn_stat(s, &stat);
	if (rc == 0)
		printf("%s entries=%" PRIu64 " bytes=%" PRIu64
		       " key-file=%s helper=%s\n",
		       in.name, stat.entries_max, stat.segment_bytes,
		       in.options.key_file, helper_names[in.options.helper]);
	else
		rc = soj_args_fail(rc, "read the new segment");
	sojourn_detach(s);
	return rc;
}

static error_t parse_destroy(int key, char *arg, struct argp_state *state)
{
	if (key != ARGP_KEY_ARG && key != ARGP_KEY_END)
		return ARGP_ERR_UNKNOWN;
	soj_args_take_name(state, key, arg, state->input);
	return 0;
}

static const struct argp destroy_argp = {
	.parser = parse_destroy,
	.args_doc = "NAME",
	.doc = "Removes the segment NAME and tells its helper to end. "
	       "Processes "
	       "that are attached keep working on memory that nobody else can "
	       "find any more. The key file stays: it serves the next segment "
	       "of that name.",
};

int cmd_destroy(int argc, char **argv)
{
	const char *name = NULL;
	char what[300];
	int rc;

	soj_args_parse(&destroy_argp, argc, argv, &name);
	rc = sojourn_destroy(name);
	if (rc == 0)
		return 0;
	snprintf(what, sizeof(what), "destroy %s", name);
	return soj_args_fail(rc, what);
}
