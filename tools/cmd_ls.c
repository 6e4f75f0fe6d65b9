/* SPDX-License-Identifier: MIT */

/* `sojourn ls`: the sessions of a subject. */

#include <stdbool.h>
#include <stdio.h>

#include "cmd.h"
#include "lib_args.h"
#include "lib_info.h"

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
	case ARGP_KEY_END:
		soj_args_name(state, key, arg, &in->name);
		if (in->subject == NULL)
			argp_error(state, "--subject is missing");
		break;
	default:
		return soj_args_name(state, key, arg, &in->name);
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

int cmd_ls(int argc, char **argv)
{
	struct ls_input in = {NULL};
	struct soj_info_list l = {NULL};
	int code, rc;

	soj_args_parse(&ls_argp, argc, argv, &in);
	code = soj_args_attach(in.name, in.key_file, &l.s);
	if (code != 0)
		return code;
	l.json = in.json;
	rc = sojourn_session_list_subject(l.s, in.subject, NULL,
					  soj_info_list_put, &l);
	if (rc < 0)
		code = soj_args_fail(rc, "list the sessions");
	sojourn_detach(l.s);
	return code;
}
