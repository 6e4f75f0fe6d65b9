/* SPDX-License-Identifier: MIT */

/* The commands on items of collections: put has, get and rm with --key, and on
 * many entries: scan count clear. */

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <sojourn/collection.h>

#include "cmd.h"
#include "lib_args.h"
#include "lib_info.h"

#define NOT_FOUND 1

struct item_input {
	bool many; /* scan, count, clear */
	const char *name;
	const char *key_file;
	const char *collection;
	const char *key;
	const char *data_path;
	bool add;
	bool json;
	bool no_touch;
	uint32_t limit;
	uint64_t cursor;
	struct sojourn_value value;
	struct sojourn_filter filter;
};

enum {
	OPT_COLLECTION = 0x100,
	OPT_KEY,
	OPT_DATA,
	OPT_SUBJECT,
	OPT_TTL,
	OPT_IDLE,
	OPT_KEEP_PERIODS,
	OPT_IF_EXISTS,
	OPT_IF_ABSENT,
	OPT_IF_VERSION,
	OPT_NO_TOUCH,
	OPT_MATCH,
	OPT_MATCH_HANDLE,
	OPT_LIMIT,
	OPT_CURSOR,
	OPT_JSON,
};

static void check(const struct item_input *in, struct argp_state *state)
{
	if (in->many)
		return;
	if (in->collection == NULL || in->key == NULL)
		argp_error(state, "--collection and --key are wanted");
	if (in->add && (in->value.if_exists || in->value.if_version))
		argp_error(state, "--if-absent does not go with --if-exists "
				  "or --if-version");
}

static error_t parse_value(int key, char *arg, struct argp_state *state,
			   struct item_input *in)
{
	struct sojourn_value *v = &in->value;

	switch (key) {
	case OPT_TTL:
		v->ttl_ms = soj_args_need_duration(state, "--ttl", arg);
		if (v->ttl_ms == 0)
			argp_error(state, "--ttl %s: at least 1ms", arg);
		break;
	case OPT_IDLE:
		v->idle_timeout_ms =
			soj_args_need_duration(state, "--idle", arg);
		if (v->idle_timeout_ms == 0)
			v->idle_timeout_ms = SOJOURN_OFF;
		break;
	case OPT_KEEP_PERIODS:
		v->keep_periods = true;
		break;
	case OPT_IF_EXISTS:
		v->if_exists = true;
		break;
	case OPT_IF_ABSENT:
		in->add = true;
		break;
	case OPT_IF_VERSION:
		v->if_version = soj_args_need_number(state, "--if-version", arg,
						     1, UINT64_MAX);
		break;
	default:
		return soj_args_name(state, key, arg, &in->name);
	}
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct item_input *in = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->key_file;
		break;
	case OPT_COLLECTION:
		in->collection = arg;
		break;
	case OPT_KEY:
		in->key = arg;
		break;
	case OPT_DATA:
		in->data_path = arg;
		break;
	case OPT_SUBJECT:
		in->value.subject = in->filter.subject = arg;
		break;
	case OPT_MATCH_HANDLE:
	case OPT_MATCH:
		if (in->filter.match != NULL)
			argp_error(state, "one of --match and --match-handle "
					  "only");
		in->filter.match_handle = key == OPT_MATCH_HANDLE;
		in->filter.match = arg;
		break;
	case OPT_LIMIT:
		in->limit = (uint32_t)soj_args_need_number(state, "--limit",
							   arg, 1, UINT32_MAX);
		break;
	case OPT_CURSOR:
		in->cursor = soj_args_need_number(state, "--cursor", arg, 0,
						  UINT64_MAX);
		break;
	case OPT_JSON:
		in->json = true;
		break;
	case OPT_NO_TOUCH:
		in->no_touch = true;
		break;
	case ARGP_KEY_END:
		soj_args_name(state, key, arg, &in->name);
		check(in, state);
		break;
	default:
		return parse_value(key, arg, state, in);
	}
	return 0;
}

#define COLLECTION                                                             \
	{                                                                      \
		"collection", OPT_COLLECTION, "C", 0, "In which collection", 0 \
	}
#define KEY                                                        \
	{                                                          \
		"key", OPT_KEY, "K", 0, "Key: 1 to 1,024 bytes", 0 \
	}
#define SUBJECT                                                  \
	{                                                        \
		"subject", OPT_SUBJECT, "S", 0, "Whose it is", 0 \
	}

/* Attaches and finds the collection: 0, or the exit code. */
static int begin(struct item_input *in, const struct argp *argp, int argc,
		 char **argv, struct sojourn **s)
{
	int code, number = 0;

	soj_args_parse(argp, argc, argv, in);
	code = soj_args_attach(in->name, in->key_file, s);
	if (code != 0)
		return code;
	in->filter.collection = SOJOURN_COLLECTION_ANY;
	if (in->collection == NULL)
		return 0;
	number = sojourn_collection_number(*s, in->collection);
	if (number < 0) {
		soj_args_complain("%s", sojourn_error_text());
		sojourn_detach(*s);
		return EX_USAGE;
	}
	in->filter.collection = (uint32_t)number;
	return 0;
}

static struct sojourn_item item_of(const struct item_input *in)
{
	return (struct sojourn_item){.collection = in->filter.collection,
				     .key = in->key,
				     .key_bytes = strlen(in->key)};
}

#define NO_ITEM "there is no item with that key"

static int failed(int error, const char *what)
{
	/* The text of this one speaks of sessions. */
	const bool absent =
		error == -ENOENT && sojourn_reason() == SOJOURN_NOT_FOUND;

	if (error != -ENOENT && error != -EEXIST)
		return soj_args_fail(error, what);
	soj_args_complain("%s", absent ? NO_ITEM : sojourn_error_text());
	return NOT_FOUND;
}

/* Not the segment is of no use, but the version. */
static int stale(uint64_t version, uint64_t wanted)
{
	soj_args_complain("the item has version %" PRIu64 ", not %" PRIu64
			  "; nothing was changed",
			  version, wanted);
	return EX_DATAERR;
}

/* The word is the option, or the option with its value. */
static bool is_option(const char *word, const char *option)
{
	const size_t chars = strlen(option);

	return strncmp(word, option, chars) == 0 &&
	       (word[chars] == '\0' || word[chars] == '=');
}

bool cmd_is_item(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (is_option(argv[i], "--key") ||
		    is_option(argv[i], "--collection"))
			return true;
	return false;
}

/* ---- put ---- */

static const struct argp_option put_options[] = {
	COLLECTION,
	KEY,
	SUBJECT,
	{"data", OPT_DATA, "FILE", 0,
	 "Data, 0 to 1 MiB; - is standard input; else none", 0},
	{"ttl", OPT_TTL, "D", 0, "Lifetime, if not the collection's", 0},
	{"idle", OPT_IDLE, "D", 0,
	 "Idle timeout, if not the collection's; 0 for none", 0},
	{"keep-periods", OPT_KEEP_PERIODS, NULL, 0,
	 "What is there keeps its lifetime", 0},
	{"if-exists", OPT_IF_EXISTS, NULL, 0, "Only if it is there", 0},
	{"if-absent", OPT_IF_ABSENT, NULL, 0, "Only if it is not", 0},
	{"if-version", OPT_IF_VERSION, "N", 0, "Only if it is this one", 0},
	{0},
};

static const struct argp put_argp = {
	.options = put_options,
	.parser = parse,
	.args_doc = "NAME --collection C --key K",
	.doc = "Puts an item under a key and prints its version.\vExits 1 if "
	       "it is there or not as was asked, 65 if it has another "
	       "version.",
	.children = soj_args_key_file_child,
};

int cmd_put(int argc, char **argv)
{
	struct item_input in = {.many = false};
	struct sojourn_item item;
	struct sojourn *s;
	void *data = NULL;
	uint64_t version;
	int code = begin(&in, &put_argp, argc, argv, &s), rc;

	if (code != 0)
		return code;
	if (in.data_path)
		code = soj_args_data(in.data_path, SOJOURN_DATA_BYTES_MAX,
				     &data, &in.value.data_bytes);
	if (code == 0) {
		in.value.data = data;
		item = item_of(&in);
		rc = in.add ? sojourn_add(s, &item, &in.value, &version)
			    : sojourn_put(s, &item, &in.value, &version);
		if (rc == -ESTALE)
			code = stale(version, in.value.if_version);
		else if (rc < 0)
			code = failed(rc, "put the item");
		else
			printf("%" PRIu64 "\n", version);
	}
	sojourn_detach(s);
	free(data);
	return code;
}

/* ---- has, get, rm ---- */

static const struct argp_option has_options[] = {COLLECTION, KEY, {0}};

static const struct argp has_argp = {
	.options = has_options,
	.parser = parse,
	.args_doc = "NAME --collection C --key K",
	.doc = "Exits 0 if there is an item with that key, else 1. This is no "
	       "use of it, and is not counted.",
	.children = soj_args_key_file_child,
};

int cmd_has(int argc, char **argv)
{
	struct item_input in = {.many = false};
	struct sojourn_item item;
	struct sojourn *s;
	int code = begin(&in, &has_argp, argc, argv, &s), rc;

	if (code != 0)
		return code;
	item = item_of(&in);
	rc = sojourn_has(s, &item);
	if (rc < 0) {
		code = failed(rc, "look for the item");
	} else if (rc == 0) {
		soj_args_complain(NO_ITEM);
		code = NOT_FOUND;
	}
	sojourn_detach(s);
	return code;
}

static const struct argp_option get_options[] = {
	COLLECTION,
	KEY,
	SUBJECT,
	{"no-touch", OPT_NO_TOUCH, NULL, 0, "Do not count this as use", 0},
	{0},
};

static const struct argp get_argp = {
	.options = get_options,
	.parser = parse,
	.args_doc = "NAME --collection C --key K",
	.doc = "Prints an item's data as it is, without a newline.\vExits 1 if "
	       "there is none with that key.",
	.children = soj_args_key_file_child,
};

int cmd_get_item(int argc, char **argv)
{
	static char data[SOJOURN_DATA_BYTES_MAX];
	struct item_input in = {.many = false};
	struct sojourn_read how = {0};
	size_t bytes = sizeof(data);
	struct sojourn_item item;
	struct sojourn *s;
	int code = begin(&in, &get_argp, argc, argv, &s), rc;

	if (code != 0)
		return code;
	item = item_of(&in);
	how.subject = in.value.subject;
	how.no_touch = in.no_touch;
	rc = sojourn_get(s, &item, &how, data, &bytes, NULL);
	if (rc < 0)
		code = failed(rc, "read the item");
	else
		fwrite(data, 1, bytes, stdout);
	sojourn_detach(s);
	return code;
}

static const struct argp_option rm_options[] = {
	COLLECTION,
	KEY,
	{"if-version", OPT_IF_VERSION, "N", 0, "Only if it is this one", 0},
	{0},
};

static const struct argp rm_argp = {
	.options = rm_options,
	.parser = parse,
	.args_doc = "NAME --collection C --key K",
	.doc = "Ends an item and prints how many that were: 1, or 0.",
	.children = soj_args_key_file_child,
};

/* By now it may have yet another one, or be gone: 0. */
static uint64_t version_of(struct sojourn *s, const struct sojourn_item *item)
{
	const struct sojourn_read how = {.no_touch = true};
	struct sojourn_info info;

	return sojourn_get(s, item, &how, NULL, NULL, &info) == 0 ? info.version
								  : 0;
}

int cmd_rm_item(int argc, char **argv)
{
	struct item_input in = {.many = false};
	struct sojourn_item item;
	struct sojourn *s;
	int code = begin(&in, &rm_argp, argc, argv, &s), rc;

	if (code != 0)
		return code;
	item = item_of(&in);
	rc = sojourn_remove(s, &item, in.value.if_version);
	if (rc == -ESTALE)
		code = stale(version_of(s, &item), in.value.if_version);
	else if (rc < 0)
		code = failed(rc, "end the item");
	else
		printf("%d\n", rc);
	sojourn_detach(s);
	return code;
}

/* ---- scan, count, clear ---- */

#define FILTER                                                              \
	COLLECTION, {"subject", OPT_SUBJECT, "S", 0, "Only this one's", 0}, \
		{"match",                                                   \
		 OPT_MATCH,                                                 \
		 "GLOB",                                                    \
		 0,                                                         \
		 "Only of subjects like this: * ? [a-z] [!a-z]",            \
		 0},                                                        \
	{                                                                   \
		"match-handle", OPT_MATCH_HANDLE, "GLOB", 0,                \
			"Only with handles like this", 0                    \
	}

static const struct argp_option scan_options[] = {
	FILTER,
	{"limit", OPT_LIMIT, "N", 0, "At most so many", 0},
	{"cursor", OPT_CURSOR, "N", 0, "Go on from there", 0},
	{"json", OPT_JSON, NULL, 0, "One JSON object a line", 0},
	{0},
};

static const struct argp scan_argp = {
	.options = scan_options,
	.parser = parse,
	.args_doc = "NAME",
	.doc = "Lists the entries of all collections, or of one. With --limit, "
	       "\"cursor N\" on standard error says where to go on, if there "
	       "is more. What is there all the time is listed exactly once.",
	.children = soj_args_key_file_child,
};

int cmd_scan(int argc, char **argv)
{
	struct item_input in = {.many = true};
	struct soj_info_list l = {NULL};
	int code = begin(&in, &scan_argp, argc, argv, &l.s), rc;

	if (code != 0)
		return code;
	l.json = in.json;
	rc = sojourn_scan(l.s, &in.filter, &in.cursor, in.limit,
			  soj_info_list_put, &l);
	if (rc < 0)
		code = failed(rc, "list the entries");
	else if (in.cursor != 0)
		fprintf(stderr, "cursor %" PRIu64 "\n", in.cursor);
	sojourn_detach(l.s);
	return code;
}

static const struct argp_option filter_options[] = {FILTER, {0}};

static const struct argp count_argp = {
	.options = filter_options,
	.parser = parse,
	.args_doc = "NAME",
	.doc = "Counts the entries of all collections, or of one.",
	.children = soj_args_key_file_child,
};

static const struct argp clear_argp = {
	.options = filter_options,
	.parser = parse,
	.args_doc = "NAME --collection C\nNAME --subject S\n"
		    "NAME --match GLOB\nNAME --match-handle GLOB",
	.doc = "Ends the entries that all the options name, and prints how "
	       "many.",
	.children = soj_args_key_file_child,
};

static int on_many(const struct argp *argp, int argc, char **argv,
		   int (*call)(struct sojourn *, const struct sojourn_filter *),
		   const char *what)
{
	struct item_input in = {.many = true};
	struct sojourn *s;
	int code = begin(&in, argp, argc, argv, &s), rc;

	if (code != 0)
		return code;
	if (call == sojourn_clear && in.collection == NULL &&
	    in.filter.subject == NULL && in.filter.match == NULL) {
		soj_args_complain("clear: say what: --collection, --subject, "
				  "--match or --match-handle");
		code = EX_USAGE;
	} else {
		rc = call(s, &in.filter);
		if (rc < 0)
			code = failed(rc, what);
		else
			printf("%d\n", rc);
	}
	sojourn_detach(s);
	return code;
}

int cmd_count(int argc, char **argv)
{
	return on_many(&count_argp, argc, argv, sojourn_count,
		       "count the entries");
}

int cmd_clear(int argc, char **argv)
{
	return on_many(&clear_argp, argc, argv, sojourn_clear,
		       "end the entries");
}
