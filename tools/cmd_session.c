/* SPDX-License-Identifier: MIT */

/* The commands on one session: new get set touch renew rm. */

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "cmd.h"
#include "lib_args.h"
#include "lib_info.h"
#include "lib_json.h"
#include "lib_text.h"

#define NOT_FOUND 1

/* ---- what was asked for ---- */

enum command { NEW, GET, SET, TOUCH, RENEW, RM };

/* All commands parse into this; each has the options that it understands. */
struct request {
	enum command command;
	const char *name;
	const char *id; /* as given: "-" is still to be read */
	const char *key_file;
	const char *data_path;
	const char *except; /* as id */
	const char *handle;
	uint64_t if_version;
	bool json;
	bool renew;
	bool no_touch;
	struct sojourn_new what; /* its subject serves get and rm too */
};

enum {
	OPT_SUBJECT = 0x100,
	OPT_DATA,
	OPT_TTL,
	OPT_IDLE,
	OPT_IP,
	OPT_USER_AGENT,
	OPT_LOCATION,
	OPT_EXCLUSIVE,
	OPT_DEVICE_ID,
	OPT_DEVICE_NAME,
	OPT_DEVICE_TYPE,
	OPT_DEVICE_CLIENT,
	OPT_DEVICE_OS,
	OPT_JSON,
	OPT_RENEW,
	OPT_NO_TOUCH,
	OPT_IF_VERSION,
	OPT_EXCEPT,
	OPT_HANDLE,
	OPT_ITEM,
};

static error_t parse_metadata(int key, const char *arg,
			      struct sojourn_metadata *m)
{
	const struct {
		int key;
		const char **field;
	} fields[] = {
		{OPT_IP, &m->ip},
		{OPT_USER_AGENT, &m->user_agent},
		{OPT_LOCATION, &m->location},
		{OPT_DEVICE_ID, &m->device_id},
		{OPT_DEVICE_NAME, &m->device_name},
		{OPT_DEVICE_TYPE, &m->device_type},
		{OPT_DEVICE_CLIENT, &m->device_client},
		{OPT_DEVICE_OS, &m->device_os},
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (fields[i].key != key)
			continue;
		*fields[i].field = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static void take_word(struct request *r, char *arg, struct argp_state *state)
{
	if (r->name == NULL)
		r->name = arg;
	else if (r->command != NEW && r->id == NULL)
		r->id = arg;
	else
		argp_error(state, "one word too many");
}

/* What is missing, or does not go together. */
static void check(const struct request *r, struct argp_state *state)
{
	const bool subject = r->what.subject != NULL;

	if (r->name == NULL)
		argp_error(state, "NAME is missing");
	if (r->command == NEW && !subject)
		argp_error(state, "--subject is missing");
	if (r->command == RM && r->if_version != 0)
		argp_error(state, "--if-version is for items, which "
				  "--collection and --key name");
	if (r->command == RM &&
	    (r->id != NULL) + (r->handle != NULL) + subject != 1)
		argp_error(state, "one of ID, --handle, --subject and --key is "
				  "wanted");
	if (r->command == RM && r->except != NULL && !subject)
		argp_error(state, "--except goes with --subject");
	if (r->command != NEW && r->command != RM && r->id == NULL)
		argp_error(state, "ID is missing; - reads it from standard "
				  "input");
	if (r->command == SET && r->data_path == NULL)
		argp_error(state, "--data is missing");
	if (r->renew && !r->json)
		argp_error(state, "--renew goes with --json, which tells the "
				  "new id");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *r = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &r->key_file;
		break;
	case OPT_EXCLUSIVE:
		r->what.exclusive = true;
		break;
	case OPT_SUBJECT:
		r->what.subject = arg;
		break;
	case OPT_DATA:
		r->data_path = arg;
		break;
	case OPT_TTL:
		/* The library takes 0 for the segment's own. */
		r->what.ttl_ms = soj_args_need_duration(state, "--ttl", arg);
		if (r->what.ttl_ms == 0)
			argp_error(state, "--ttl %s: at least 1ms", arg);
		break;
	case OPT_IDLE:
		r->what.idle_timeout_ms =
			soj_args_need_duration(state, "--idle", arg);
		if (r->what.idle_timeout_ms == 0)
			r->what.idle_timeout_ms = SOJOURN_OFF;
		break;
	case OPT_JSON:
		r->json = true;
		break;
	case OPT_RENEW:
		r->renew = true;
		break;
	case OPT_NO_TOUCH:
		r->no_touch = true;
		break;
	case OPT_IF_VERSION:
		r->if_version = soj_args_need_number(state, "--if-version", arg,
						     1, UINT64_MAX);
		break;
	case OPT_EXCEPT:
		r->except = arg;
		break;
	case OPT_HANDLE:
		r->handle = arg;
		break;
	case OPT_ITEM: /* cmd_is_item() looks for whole words */
		argp_error(state, "--collection and --key are written in full");
		break;
	case ARGP_KEY_ARG:
		take_word(r, arg, state);
		break;
	case ARGP_KEY_END:
		check(r, state);
		break;
	default:
		return parse_metadata(key, arg, &r->what.metadata);
	}
	return 0;
}

/* ---- how it went ---- */

/* what: "make a session"... */
static int failed(int error, const char *what)
{
	if (error != -ENOENT && error != -EPERM)
		return soj_args_fail(error, what);
	soj_args_complain("%s", sojourn_error_text());
	return error == -EPERM ? EX_NOPERM : NOT_FOUND;
}

/*
 * Reads the id, if the command has one, and attaches: 0, or the exit code.  In
 * this order, so that nothing is attached while a person types.
 */
static int begin(const struct request *r, const char *id_word,
		 char id[SOJOURN_ID_CHARS_MAX + 1], struct sojourn **s)
{
	int code = id_word != NULL ? soj_args_id(id_word, id) : 0;

	return code != 0 ? code : soj_args_attach(r->name, r->key_file, s);
}

#define ID_NOTE                                                              \
	"ID - is one line of standard input, where no process list "         \
	"shows it, as it does show a word of the command. Exits 1 if there " \
	"is no such session."

/* For --help: cmd_item.c parses them, and what goes with them. */
#define ITEM_OPTIONS                                                        \
	{NULL, 0, NULL, 0, "Of an item:", 2},                               \
		{"collection", OPT_ITEM, "C", 0, "In which collection", 2}, \
	{                                                                   \
		"key", OPT_ITEM, "K", 0, "Key: 1 to 1,024 bytes", 2         \
	}

/* ---- new ---- */

static const struct argp_option new_options[] = {
	{"subject", OPT_SUBJECT, "S", 0, "Whose it is: 1 to 255 bytes", 0},
	{"data", OPT_DATA, "FILE", 0, "Data, 0 to 1 MiB; - is standard input",
	 0},
	{"ttl", OPT_TTL, "D", 0, "Lifetime, if not the segment's", 0},
	{"idle", OPT_IDLE, "D", 0,
	 "Idle timeout, if not the segment's; 0 for none", 0},
	{"exclusive", OPT_EXCLUSIVE, NULL, 0,
	 "End all other logins of the subject", 0},
	{"ip", OPT_IP, "A", 0, "Address of the client", 1},
	{"user-agent", OPT_USER_AGENT, "TEXT", 0, "Its program", 1},
	{"location", OPT_LOCATION, "TEXT", 0, "Where it is", 1},
	{"device-id", OPT_DEVICE_ID, "TEXT", 0, "The device: its id", 1},
	{"device-name", OPT_DEVICE_NAME, "TEXT", 0, "... name", 1},
	{"device-type", OPT_DEVICE_TYPE, "TEXT", 0, "... type", 1},
	{"device-client", OPT_DEVICE_CLIENT, "TEXT", 0, "... program", 1},
	{"device-os", OPT_DEVICE_OS, "TEXT", 0, "... system", 1},
	{0},
};

static const struct argp new_argp = {
	.options = new_options,
	.parser = parse,
	.args_doc = "NAME --subject S",
	.doc = "Makes a session and prints its id, which is kept nowhere "
	       "else.\vExits 75 if the segment is full.",
	.children = soj_args_key_file_child,
};

int cmd_new(int argc, char **argv)
{
	struct request r = {.command = NEW};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn *s;
	void *data = NULL;
	int code = 0, rc;

	soj_args_parse(&new_argp, argc, argv, &r);
	if (r.data_path != NULL)
		code = soj_args_data(r.data_path, SOJOURN_DATA_BYTES_MAX, &data,
				     &r.what.data_bytes);
	if (code == 0)
		code = begin(&r, NULL, NULL, &s);
	if (code == 0) {
		r.what.data = data;
		rc = sojourn_session_create(s, &r.what, id, NULL);
		if (rc < 0)
			code = soj_args_fail(rc, "make a session");
		else
			puts(id);
		sojourn_detach(s);
	}
	free(data);
	return code;
}

/* ---- get ---- */

static const struct argp_option get_options[] = {
	{"subject", OPT_SUBJECT, "S", 0, "It must be this one's", 0},
	{"json", OPT_JSON, NULL, 0, "Print one object: metadata and data", 0},
	{"renew", OPT_RENEW, NULL, 0,
	 "Let it be renewed if that is due; the object then has new_id", 0},
	{"no-touch", OPT_NO_TOUCH, NULL, 0, "Do not count this as use", 0},
	{"ip", OPT_IP, "A", 0, "Who asks, for the segment's rules: address", 1},
	{"user-agent", OPT_USER_AGENT, "TEXT", 0, "... program", 1},
	{"device-id", OPT_DEVICE_ID, "TEXT", 0, "... id of the device", 1},
	{"device-name", OPT_DEVICE_NAME, "TEXT", 0, "... its name", 1},
	{"device-type", OPT_DEVICE_TYPE, "TEXT", 0, "... its type", 1},
	ITEM_OPTIONS,
	{0},
};

static const struct argp get_argp = {
	.options = get_options,
	.parser = parse,
	.args_doc = "NAME ID\nNAME --collection C --key K",
	.doc = "Prints a session's data as it is, without a newline. This "
	       "counts as use of the session, but never gives it a new id "
	       "unless asked to. With --collection and --key it prints "
	       "an item.\v"
	       "In the object, data is a string if it is UTF-8 without NUL; "
	       "else data_base64 is there in its place.\n\n" ID_NOTE,
	.children = soj_args_key_file_child,
};

static void print_object(const struct sojourn *s,
			 const struct sojourn_info *info, const void *data,
			 size_t bytes)
{
	struct soj_json j;

	soj_json_init(&j, stdout);
	soj_json_object(&j, NULL);
	soj_info_json(&j, s, info);
	if (soj_text_is_utf8(data, bytes))
		soj_json_string_n(&j, "data", data, bytes);
	else
		soj_json_base64(&j, "data_base64", data, bytes);
	soj_json_close(&j);
}

static int get(const struct request *r, struct sojourn *s, const char *id,
	       void *data)
{
	const struct sojourn_metadata *m = &r->what.metadata;
	const struct sojourn_read how = {
		.subject = r->what.subject,
		.no_touch = r->no_touch,
		.no_renew = !r->renew,
		.client = m->ip || m->user_agent || m->device_id ||
					  m->device_name || m->device_type
				  ? m
				  : NULL,
	};
	size_t bytes = SOJOURN_DATA_BYTES_MAX;
	struct sojourn_info info;
	int rc = sojourn_session_read(s, id, &how, data, &bytes, &info);

	if (rc < 0)
		return failed(rc, "read the session");
	if (r->json)
		print_object(s, &info, data, bytes);
	else
		fwrite(data, 1, bytes, stdout);
	return 0;
}

int cmd_get(int argc, char **argv)
{
	struct request r = {.command = GET};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn *s;
	void *data;
	int code;

	if (cmd_is_item(argc, argv))
		return cmd_get_item(argc, argv);
	soj_args_parse(&get_argp, argc, argv, &r);
	data = malloc(SOJOURN_DATA_BYTES_MAX);
	if (data == NULL) {
		soj_args_complain("%s", strerror(ENOMEM));
		return EX_OSERR;
	}
	code = begin(&r, r.id, id, &s);
	if (code == 0) {
		code = get(&r, s, id, data);
		sojourn_detach(s);
	}
	free(data);
	return code;
}

/* ---- set ---- */

static const struct argp_option set_options[] = {
	{"data", OPT_DATA, "FILE", 0, "Data, 0 to 1 MiB; - is standard input",
	 0},
	{"if-version", OPT_IF_VERSION, "V", 0,
	 "Only if the data has this version, as get --json tells it", 0},
	{0},
};

static const struct argp set_argp = {
	.options = set_options,
	.parser = parse,
	.args_doc = "NAME ID --data FILE",
	.doc = "Replaces a session's data and prints the new version.\v"
	       "Exits 65, with nothing changed, if the version is not the one "
	       "expected. With both ID - and --data -, the id is the first "
	       "line of standard input and the data is the rest.\n\n" ID_NOTE,
	.children = soj_args_key_file_child,
};

static int set(const struct request *r, struct sojourn *s, const char *id,
	       const void *data, size_t bytes)
{
	uint64_t version = 0;
	int rc = sojourn_session_update(s, id, data, bytes, r->if_version,
					&version);

	if (rc == -ESTALE) {
		soj_args_complain("the data has version %" PRIu64
				  ", not %" PRIu64 "; nothing was changed",
				  version, r->if_version);
		fputs("  Read it again by get --json: --if-version must be "
		      "the version that was read.\n",
		      stderr);
		return EX_DATAERR;
	}
	if (rc < 0)
		return failed(rc, "replace the data");
	printf("%" PRIu64 "\n", version);
	return 0;
}

int cmd_set(int argc, char **argv)
{
	struct request r = {.command = SET};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn *s;
	void *data = NULL;
	size_t bytes;
	int code;

	soj_args_parse(&set_argp, argc, argv, &r);
	/* The id first: both may come from standard input. */
	code = soj_args_id(r.id, id);
	if (code == 0)
		code = soj_args_data(r.data_path, SOJOURN_DATA_BYTES_MAX, &data,
				     &bytes);
	if (code == 0)
		code = begin(&r, NULL, NULL, &s);
	if (code == 0) {
		code = set(&r, s, id, data, bytes);
		sojourn_detach(s);
	}
	free(data);
	return code;
}

/* ---- touch ---- */

static const struct argp touch_argp = {
	.parser = parse,
	.args_doc = "NAME ID",
	.doc = "Marks a session as used now, without reading it.\v" ID_NOTE,
	.children = soj_args_key_file_child,
};

int cmd_touch(int argc, char **argv)
{
	struct request r = {.command = TOUCH};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn *s;
	int code, rc;

	soj_args_parse(&touch_argp, argc, argv, &r);
	code = begin(&r, r.id, id, &s);
	if (code != 0)
		return code;
	rc = sojourn_session_touch(s, id);
	if (rc < 0)
		code = failed(rc, "touch the session");
	sojourn_detach(s);
	return code;
}

/* ---- renew ---- */

/* Whoever is at it has a lease of two seconds, unless the segment differs. */
#define RENEW_TRIES   300
#define RENEW_WAIT_NS 10000000

static const struct argp renew_argp = {
	.parser = parse,
	.args_doc = "NAME ID",
	.doc = "Gives a session a new id and prints it. The old one answers "
	       "for the segment's grace window; given again in that time it "
	       "leads to the same new id.\v" ID_NOTE,
	.children = soj_args_key_file_child,
};

static int renew(struct sojourn *s, const char *id)
{
	const struct timespec wait = {.tv_nsec = RENEW_WAIT_NS};
	struct sojourn_info info;

	for (int i = 0; i < RENEW_TRIES; i++) {
		int rc = sojourn_session_renew(s, id, &info);

		if (rc < 0)
			return failed(rc, "renew the session");
		if (info.renewal == SOJOURN_RENEWAL_WON ||
		    info.renewal == SOJOURN_RENEWAL_DONE) {
			puts(info.new_id);
			return 0;
		}
		nanosleep(&wait, NULL);
	}
	soj_args_complain("another process is renewing the session; try "
			  "again");
	return EX_TEMPFAIL;
}

int cmd_renew(int argc, char **argv)
{
	struct request r = {.command = RENEW};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn *s;
	int code;

	soj_args_parse(&renew_argp, argc, argv, &r);
	code = begin(&r, r.id, id, &s);
	if (code != 0)
		return code;
	code = renew(s, id);
	sojourn_detach(s);
	return code;
}

/* ---- rm ---- */

static const struct argp_option rm_options[] = {
	{"handle", OPT_HANDLE, "H", 0, "The session that ls shows so", 0},
	{"subject", OPT_SUBJECT, "S", 0, "All sessions of this one", 0},
	{"except", OPT_EXCEPT, "ID", 0, "... but this one", 0},
	ITEM_OPTIONS,
	{"if-version", OPT_IF_VERSION, "N", 0, "Only if it has this version",
	 2},
	{0},
};

static const struct argp rm_argp = {
	.options = rm_options,
	.parser = parse,
	.args_doc = "NAME ID\nNAME --handle H\nNAME --subject S\n"
		    "NAME --collection C --key K",
	.doc = "Ends a session and whatever it was renewed to, or all of a "
	       "subject; then it prints how many logins that were, 0 too. "
	       "With --collection and --key it ends an item, and prints 1, or "
	       "0 if there was none.\v" ID_NOTE,
	.children = soj_args_key_file_child,
};

static int rm(const struct request *r, struct sojourn *s, const char *id)
{
	int rc;

	if (r->what.subject != NULL) {
		rc = sojourn_session_delete_subject(
			s, r->what.subject, r->except != NULL ? id : NULL);
		if (rc < 0)
			return failed(rc, "end the sessions");
		printf("%d\n", rc);
		return 0;
	}
	if (r->handle != NULL)
		rc = sojourn_session_delete_handle(s, r->handle);
	else
		rc = sojourn_session_delete(s, id);
	if (rc < 0)
		return failed(rc, "end the session");
	if (rc > 0)
		return 0;
	soj_args_complain("no such session");
	return NOT_FOUND;
}

int cmd_rm(int argc, char **argv)
{
	struct request r = {.command = RM};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn *s;
	int code;

	if (cmd_is_item(argc, argv))
		return cmd_rm_item(argc, argv);
	soj_args_parse(&rm_argp, argc, argv, &r);
	code = begin(&r, r.id != NULL ? r.id : r.except, id, &s);
	if (code != 0)
		return code;
	code = rm(&r, s, id);
	sojourn_detach(s);
	return code;
}
