/* SPDX-License-Identifier: MIT */

/* `sojourn ls`: the sessions of a subject. */

#include <stdbool.h>
#include <stdio.h>

#include "cmd.h"
#include "lib_args.h"
#include "lib_info.h"
#include "lib_json.h"

struct ls_input {
	const char *name;
	const char *key_file;
	const char *subject;
	bool json;
};

enum { OPT_SUBJECT = 0x100, OPT_JSON };

static const struct argp_option options[] = {
	{"subject", OPT_SUBJECT, "S", 0, "Whose sessions", 0},
	{"json", OPT_JSON, NULL, 0, "One JSON object a line", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct ls_input *in = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->key_file;
		break;
	case OPT_SUBJECT:
		in->subject = arg;
		break;
	case OPT_JSON:
		in->json = true;
		break;
	case ARGP_KEY_ARG:
		if (in->name != NULL)
			argp_error(state, "one NAME only");
		in->name = arg;
		break;
	case ARGP_KEY_END:
		if (in->name == NULL)
			argp_error(state, "NAME is missing");
		if (in->subject == NULL)
			argp_error(state, "--subject is missing");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp ls_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "NAME --subject S",
	.doc = "Lists the sessions of a subject, newest first, with handles "
	       "that \"sojourn rm --handle\" takes. Their ids are stored "
	       "nowhere. Without sessions there is no line, and that is no "
	       "error.",
	.children = soj_args_key_file_child,
};

struct listing {
	struct sojourn *s;
	bool json;
	bool headed;
};

static int put(void *arg, const struct sojourn_info *info)
{
	struct listing *l = arg;
	struct soj_json j;

	if (l->json) {
		soj_json_init(&j, stdout);
		soj_json_object(&j, NULL);
		soj_info_json(&j, l->s, info);
		soj_json_close(&j);
		return ferror(stdout);
	}
	if (!l->headed)
		soj_info_heading(stdout);
	l->headed = true;
	soj_info_line(stdout, l->s, info);
	return ferror(stdout);
}

int cmd_ls(int argc, char **argv)
{
	struct ls_input in = {NULL};
	struct listing l = {NULL};
	int code, rc;

	soj_args_parse(&ls_argp, argc, argv, &in);
	code = soj_args_attach(in.name, in.key_file, &l.s);
	if (code != 0)
		return code;
	l.json = in.json;
	rc = sojourn_session_list_subject(l.s, in.subject, NULL, put, &l);
	if (rc < 0)
		code = soj_args_fail(rc, "list the sessions");
	sojourn_detach(l.s);
	return code;
}
