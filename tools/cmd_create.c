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
#include "lib_options.h"
#include "shm/segment.h"

struct create_input {
	const char *name;
	struct sojourn_collection collection[SOJOURN_COLLECTIONS];
	struct sojourn_options options;
};

enum { OPT_COLLECTION = 0x100, OPT_POLICY };

static const struct argp_option create_options[] = {
	{NULL, 0, NULL, 0, "Size:", 1},
	{"entries", SOJ_OPT_ENTRIES, "N", 0, "Sessions at a time (100000)", 0},
	{"bytes", SOJ_OPT_BYTES, "SIZE", 0, "Memory, all included (256MiB)", 0},
	{"threads-max", SOJ_OPT_THREADS_MAX, "N", 0,
	 "Threads that can be attached at a time (1024)", 0},
	{"huge", SOJ_OPT_HUGE, "auto|on|off", OPTION_ARG_OPTIONAL,
	 "In pages of 2 MiB, where the kernel can (Linux 6.1): from 32 MiB on "
	 "(auto), always, or never",
	 0},
	{"when-full", SOJ_OPT_WHEN_FULL, "reject|evict", 0,
	 "Refuse new sessions (reject), or end expired and then long unused "
	 "ones (evict)",
	 0},
	{NULL, 0, NULL, 0, "Lifetime:", 2},
	{"policy", OPT_POLICY, "P", 0,
	 "Rules of owasp-low, owasp-high, nist-aal1, nist-aal2 or nist-aal3; "
	 "what comes after it changes them",
	 0},
	{"ttl", SOJ_OPT_TTL, "D", 0, "From creation (30min)", 0},
	{"sliding", SOJ_OPT_SLIDING, NULL, 0,
	 "The ttl counts from the last use instead", 0},
	{"idle", SOJ_OPT_IDLE, "D", 0, "From last use (0: does not matter)", 0},
	{"renewal", SOJ_OPT_RENEWAL, "D", 0,
	 "Age at which a read gives a new id (0: never)", 0},
	{"grace-window", SOJ_OPT_GRACE_WINDOW, "D", 0,
	 "How long a renewed id still answers (5s)", 0},
	{"redelivery", SOJ_OPT_REDELIVERY, "D", 0,
	 "How long after that it still leads to the new id (1min)", 0},
	{"max-lifetime", SOJ_OPT_MAX_LIFETIME, "D", 0,
	 "From the first login, whatever the renewals (0: no limit)", 0},
	{"collection", OPT_COLLECTION, "NAME,RULE...", 0,
	 "A collection of items, or other rules for a built-in one; may come "
	 "again. Rules: " SOJ_COLLECTION_HELP,
	 0},
	{"events", SOJ_OPT_EVENTS, "N", 0,
	 "How many events are kept: a power of two from 64, or 0 for none "
	 "(4096)",
	 0},
	{"update-events", SOJ_OPT_UPDATE_EVENTS, NULL, 0,
	 "Events of changed data as well", 0},
	{NULL, 0, NULL, 0, "Who may log in, and use a session:", 3},
	{"per-subject-max", SOJ_OPT_PER_SUBJECT_MAX, "N", 0,
	 "Sessions of one subject at a time (0: any number)", 0},
	{"when-over", SOJ_OPT_WHEN_OVER, "reject|evict-oldest|exclusive", 0,
	 "A login over that is refused (reject), ends the oldest, or all "
	 "others",
	 0},
	{"device", SOJ_OPT_DEVICE, "RULE", 0,
	 "Use from another device: ignore, report, reject or delete (ignore)",
	 0},
	{"ip", SOJ_OPT_IP, "RULE", 0, "The same for another address", 0},
	{"user-agent", SOJ_OPT_USER_AGENT, "RULE", 0,
	 "The same for another user agent", 0},
	{"ip4-prefix", SOJ_OPT_IP4_PREFIX, "BITS", 0,
	 "Bits of IPv4 addresses that must agree (32)", 0},
	{"ip6-prefix", SOJ_OPT_IP6_PREFIX, "BITS", 0,
	 "Bits of IPv6 addresses that must agree (128)", 0},
	{NULL, 0, NULL, 0, "Access:", 4},
	{"group", SOJ_OPT_GROUP, "G", 0, "Let this group use it too", 0},
	{"key-file", SOJ_OPT_KEY_FILE, "FILE", 0,
	 "Key file, made if it is not there (/var/lib/sojourn/NAME.key for "
	 "root, else ~/.local/state/sojourn/NAME.key)",
	 0},
	{"seal", SOJ_OPT_SEAL, "CIPHER", OPTION_ARG_OPTIONAL,
	 "Keep subjects, metadata and data sealed: on (as is --seal alone), "
	 "aes256gcm or xchacha20 (off)",
	 0},
	{"id-bytes", SOJ_OPT_ID_BYTES, "N", 0,
	 "Random bytes of a session id, 16 to 48 (24)", 0},
	{NULL, 0, NULL, 0, "Helper:", 5},
	{"helper", SOJ_OPT_HELPER, "spawn|external|none", 0,
	 "Start sojournd now (spawn), leave that to a service manager "
	 "(external), or do without (none)",
	 0},
	{0},
};

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

static error_t parse_create(int key, char *arg, struct argp_state *state)
{
	struct create_input *in = state->input;
	struct sojourn_options *o = &in->options;

	switch (key) {
	case OPT_COLLECTION:
		add_collection(state, in, arg);
		return 0;
	case OPT_POLICY:
		if (sojourn_options_preset(o, arg) < 0)
			argp_error(state, "--policy: %s", sojourn_error_text());
		return 0;
	default:
		if (soj_options_take(key, arg, state, o) != NULL)
			return 0;
		return soj_args_name(state, key, arg, &in->name);
	}
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

static int create_failed(int error, const struct create_input *in)
{
	const bool memory = error == -ENOSPC || error == -ENOMEM;
	const bool no_helper = soj_options_no_helper(&in->options, error);
	const bool own = no_helper || error == -EINVAL;
	char what[300];

	snprintf(what, sizeof(what), "create %s", in->name);
	if (!memory && !own && error != -ENOTSUP)
		return soj_args_fail(error, what);
	soj_args_complain("cannot %s: %s", what, sojourn_error_text());
	if (error == -EINVAL) {
		soj_options_explain(sojourn_error_text());
		return EX_USAGE;
	}
	if (error == -ENOTSUP)
		return EX_UNAVAILABLE;
	if (memory) {
		fputs("  Ask for less by --bytes, \"sojourn destroy\" what "
		      "\"sojourn ls\" shows and nobody needs,\n"
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
		       in.options.key_file,
		       soj_helper_names[in.options.helper]);
	else
		rc = soj_args_fail(rc, "read the new segment");
	sojourn_detach(s);
	return rc;
}

static error_t parse_destroy(int key, char *arg, struct argp_state *state)
{
	return soj_args_name(state, key, arg, state->input);
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
