/* SPDX-License-Identifier: MIT */

/* sojourn token: create, verify, refresh, revoke; key is in cmd_token_key.c. */

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cmd.h"
#include "lib_args.h"
#include "lib_json.h"
#include "lib_keys.h"

#define REFUSED 1

enum command { CREATE, VERIFY, REFRESH, REVOKE };

struct request {
	enum command command;
	const char *name;
	const char *key_file;
	const char *keys; /* file */
	const char *kid;
	const char *claims; /* file */
	const char *token;  /* file */
	enum sojourn_token_alg alg;
	bool json, no_refresh, restricts;
	struct sojourn_token_options options;
	struct sojourn_token_new what; /* its subject serves revoke, too */
};

enum {
	OPT_KEYS = 0x100,
	OPT_KID,
	OPT_ALG,
	OPT_ISSUER,
	OPT_AUDIENCE,
	OPT_SKEW,
	OPT_SUBJECT,
	OPT_CLAIMS,
	OPT_TTL,
	OPT_REFRESH_TTL,
	OPT_NO_REFRESH,
	OPT_TOKEN,
	OPT_RESTRICT,
	OPT_JSON,
};

/* ---- what was asked for ---- */

/* Where the token is; NULL where none is read. */
static const char *token_path(const struct request *r)
{
	if (r->what.subject != NULL)
		return NULL;
	return r->token ? r->token : "-";
}

static bool is_standard(const char *path)
{
	return path != NULL && strcmp(path, "-") == 0;
}

static void check(const struct request *r, struct argp_state *state)
{
	const int standard = is_standard(r->keys) + is_standard(r->claims) +
			     is_standard(token_path(r));

	if (r->name == NULL)
		argp_error(state, "NAME is missing");
	if (r->keys == NULL)
		argp_error(state, "--keys is missing");
	if (r->options.issuer == NULL || r->options.audience == NULL)
		argp_error(state, "--issuer and --audience are wanted");
	if (r->command == CREATE && r->what.subject == NULL)
		argp_error(state, "--subject is missing");
	if (r->command == REVOKE && r->what.subject && r->token)
		argp_error(state, "one of --token and --subject is wanted");
	if (r->no_refresh && r->what.refresh_ttl_ms != 0)
		argp_error(state, "--refresh-ttl does not go with "
				  "--no-refresh");
	if (standard > 1)
		argp_error(state, "standard input (-) can be one of --keys, "
				  "--claims and --token only; it is the token "
				  "if --token is not given");
}

static void parse_alg(struct request *r, const char *arg,
		      struct argp_state *state)
{
	r->alg = sojourn_token_alg(arg);
	if (r->alg == SOJOURN_TOKEN_ALG_UNSET)
		argp_error(state, "--alg %s: must be " SOJ_ALG_HELP, arg);
}

static void parse_skew(struct request *r, const char *arg,
		       struct argp_state *state)
{
	uint64_t ms = soj_args_need_duration(state, "--skew", arg);

	if (ms > SOJOURN_TOKEN_SKEW_MS_MAX)
		argp_error(state, "--skew %s: at most 60s", arg);
	r->options.skew_ms = (uint32_t)ms;
}

static error_t parse_token(int key, char *arg, struct argp_state *state)
{
	struct request *r = state->input;

	switch (key) {
	case OPT_SUBJECT:
		r->what.subject = arg;
		return 0;
	case OPT_CLAIMS:
		r->claims = arg;
		return 0;
	case OPT_TTL:
		r->options.access_ttl_ms =
			soj_args_need_duration(state, "--ttl", arg);
		return 0;
	case OPT_REFRESH_TTL:
		r->what.refresh_ttl_ms =
			soj_args_need_duration(state, "--refresh-ttl", arg);
		/* The library takes 0 for the collection's. */
		if (r->what.refresh_ttl_ms == 0)
			argp_error(state, "--refresh-ttl %s: at least 1ms",
				   arg);
		return 0;
	case OPT_NO_REFRESH:
		r->no_refresh = true;
		return 0;
	case OPT_TOKEN:
		r->token = arg;
		return 0;
	case OPT_RESTRICT:
		r->restricts = true;
		return 0;
	case OPT_JSON:
		r->json = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *r = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &r->key_file;
		return 0;
	case OPT_KEYS:
		r->keys = arg;
		return 0;
	case OPT_KID:
		r->kid = arg;
		return 0;
	case OPT_ALG:
		parse_alg(r, arg, state);
		return 0;
	case OPT_ISSUER:
		r->options.issuer = arg;
		return 0;
	case OPT_AUDIENCE:
		r->options.audience = arg;
		return 0;
	case OPT_SKEW:
		parse_skew(r, arg, state);
		return 0;
	case ARGP_KEY_ARG:
		if (r->name != NULL)
			argp_error(state, "one word too many");
		r->name = arg;
		return 0;
	case ARGP_KEY_END:
		check(r, state);
		return 0;
	default:
		return parse_token(key, arg, state);
	}
}

/* ---- beginning, and how it went ---- */

static int failed(int error, const char *what)
{
	/* The text of this one speaks of sessions. */
	const bool absent =
		error == -ENOENT && sojourn_reason() == SOJOURN_NOT_FOUND;

	if (error != -ENOENT && error != -EPERM && error != -EACCES)
		return soj_args_fail(error, what);
	soj_args_complain("%s", absent ? "there is no such refresh token"
				       : sojourn_error_text());
	return REFUSED;
}

struct opened {
	struct sojourn *s;
	struct sojourn_keys *keys;
	struct sojourn_tokens *tokens;
};

static void finish(struct opened *o)
{
	sojourn_tokens_close(o->tokens);
	sojourn_keys_destroy(o->keys);
	sojourn_detach(o->s);
}

/* 0, or the exit code. */
static int begin(const struct request *r, struct opened *o)
{
	const bool signs = r->command == CREATE || r->command == REFRESH;
	int code, rc;

	memset(o, 0, sizeof(*o));
	code = soj_keys_read(r->keys, r->alg, r->kid, signs, &o->keys);
	if (code == 0)
		code = soj_args_attach(r->name, r->key_file, &o->s);
	if (code == 0) {
		rc = sojourn_tokens_open(o->s, o->keys, &r->options,
					 &o->tokens);
		if (rc < 0) {
			code = soj_args_fail(rc, "open the tokens");
			if (strstr(sojourn_error_text(), "access_ttl_ms"))
				fputs("  Here access_ttl_ms is --ttl.\n",
				      stderr);
		}
	}
	if (code != 0)
		finish(o);
	return code;
}

/* One token of a file or standard input, without the newline. */
static int read_token(const char *path, char **token)
{
	void *data;
	size_t bytes;
	int code = soj_args_data(path, SOJOURN_TOKEN_BYTES_MAX, &data, &bytes);

	*token = NULL;
	if (code != 0)
		return code;
	*token = strndup(data, bytes);
	explicit_bzero(data, bytes);
	free(data);
	if (*token == NULL)
		return EX_OSERR;
	(*token)[strcspn(*token, "\r\n")] = 0;
	return 0;
}

static void print_pair(const struct request *r, const char *access,
		       const char *refresh,
		       const struct sojourn_token_info *info)
{
	struct soj_json j;

	if (!r->json) {
		puts(access);
		if (refresh[0])
			puts(refresh);
		return;
	}
	soj_json_init(&j, stdout);
	soj_json_object(&j, NULL);
	soj_json_string(&j, "access", access);
	if (refresh[0])
		soj_json_string(&j, "refresh", refresh);
	soj_json_string(&j, "subject", info->subject);
	soj_json_string(&j, "anchor", info->anchor);
	soj_json_u64(&j, "expires_unix_ms", info->expires_unix_ms);
	soj_json_close(&j);
}

/* ---- the four ---- */

static char access_text[SOJOURN_TOKEN_BYTES_MAX + 1];
static char refresh_text[SOJOURN_REFRESH_CHARS + 1];

static int create(const struct request *r, struct opened *o, const char *token)
{
	struct sojourn_token_info info;
	size_t bytes = sizeof(access_text);
	int rc = sojourn_token_create(o->tokens, &r->what, access_text, &bytes,
				      r->no_refresh ? NULL : refresh_text,
				      &info);

	(void)token;
	if (rc < 0)
		return soj_args_fail(rc, "make a token");
	print_pair(r, access_text, refresh_text, &info);
	return 0;
}

static void print_refusal(const struct sojourn_token_info *info)
{
	struct soj_json j;

	soj_json_init(&j, stdout);
	soj_json_object(&j, NULL);
	soj_json_string(&j, "refused", sojourn_token_reason_name(info->reason));
	soj_json_string(&j, "text", sojourn_token_reason_text(info->reason));
	soj_json_close(&j);
}

static int verify(const struct request *r, struct opened *o, const char *token)
{
	static char claims[SOJOURN_CLAIMS_BYTES_MAX + 1];
	struct sojourn_token_info info;
	size_t bytes = sizeof(claims);
	int code, rc;

	rc = sojourn_token_verify(o->tokens, token, strlen(token), claims,
				  &bytes, &info);
	if (rc == 0) {
		puts(claims);
		return 0;
	}
	code = failed(rc, "verify the token");
	if (rc == -EACCES && r->json)
		print_refusal(&info);
	return code;
}

static int refresh(const struct request *r, struct opened *o, const char *token)
{
	struct sojourn_token_info info;
	size_t bytes = sizeof(access_text);
	int rc = sojourn_token_refresh(o->tokens, token, NULL, access_text,
				       &bytes, refresh_text, &info);

	if (rc < 0)
		return failed(rc, "refresh");
	print_pair(r, access_text, refresh_text, &info);
	return 0;
}

static int revoke_by(const struct request *r, struct opened *o,
		     const char *token)
{
	const char *subject = r->what.subject;

	if (subject && r->restricts)
		return sojourn_token_restrict_subject(o->tokens, subject);
	if (subject)
		return sojourn_token_revoke_subject(o->tokens, subject);
	return r->restricts ? sojourn_token_restrict(o->tokens, token)
			    : sojourn_token_revoke(o->tokens, token);
}

static int revoke(const struct request *r, struct opened *o, const char *token)
{
	int rc = revoke_by(r, o, token);

	if (rc < 0 || (rc == 0 && r->what.subject == NULL))
		return failed(rc < 0 ? rc : -ENOENT, "revoke");
	return 0;
}

/* ---- words ---- */

#define KEY_OPTIONS                                                        \
	{"keys",                                                           \
	 OPT_KEYS,                                                         \
	 "FILE",                                                           \
	 0,                                                                \
	 "JWK, JWK Set or PEM, else an HMAC secret; - is standard input",  \
	 0},                                                               \
		{"alg", OPT_ALG, "ALG", 0, "If the file does not say", 0}, \
		{"kid",                                                    \
		 OPT_KID,                                                  \
		 "ID",                                                     \
		 0,                                                        \
		 "Name of the key; of a JWK Set, of the one that signs",   \
		 0},                                                       \
		{"issuer", OPT_ISSUER, "TEXT", 0, "Claim iss", 0},         \
		{"audience", OPT_AUDIENCE, "TEXT", 0, "Claim aud", 0},     \
	{                                                                  \
		"skew", OPT_SKEW, "D", 0,                                  \
			"Of clocks; default 5s, at most 60s", 0            \
	}

static const struct argp_option options[][16] = {
	[CREATE] = {KEY_OPTIONS,
		    {"subject", OPT_SUBJECT, "S", 0, "Claim sub", 1},
		    {"claims", OPT_CLAIMS, "FILE", 0,
		     "One JSON object with more claims; - is standard input",
		     1},
		    {"ttl", OPT_TTL, "D", 0,
		     "Life of access tokens; default 10min", 1},
		    {"refresh-ttl", OPT_REFRESH_TTL, "D", 0,
		     "Life of the refresh token, if not the collection's", 1},
		    {"no-refresh", OPT_NO_REFRESH, NULL, 0,
		     "An access token alone", 1},
		    {"json", OPT_JSON, NULL, 0, "Print one object", 1},
		    {0}},
	[VERIFY] = {KEY_OPTIONS,
		    {"token", OPT_TOKEN, "FILE", 0,
		     "Where the token is; default is standard input", 1},
		    {"json", OPT_JSON, NULL, 0,
		     "Print why it was refused as an object", 1},
		    {0}},
	[REFRESH] = {KEY_OPTIONS,
		     {"token", OPT_TOKEN, "FILE", 0,
		      "Where the refresh token is; default is standard input",
		      1},
		     {"ttl", OPT_TTL, "D", 0,
		      "Life of access tokens; default 10min", 1},
		     {"json", OPT_JSON, NULL, 0, "Print one object", 1},
		     {0}},
	[REVOKE] = {KEY_OPTIONS,
		    {"token", OPT_TOKEN, "FILE", 0,
		     "Where a token of the login is, of either kind; default "
		     "is standard input",
		     1},
		    {"subject", OPT_SUBJECT, "S", 0,
		     "All logins of the subject", 1},
		    {"restrict", OPT_RESTRICT, NULL, 0,
		     "The access tokens there are; the refresh token stays", 1},
		    {0}},
};

static const struct {
	const char *name, *full, *doc;
	/* 0, or the exit code; `token` is NULL where none is read. */
	int (*act)(const struct request *r, struct opened *o,
		   const char *token);
} commands[] = {
	[CREATE] = {"create", "sojourn token create",
		    "Prints an access token, and on the next line the refresh "
		    "token, which is kept nowhere else.",
		    create},
	[VERIFY] = {"verify", "sojourn token verify",
		    "Prints the claims of an access token that is good and "
		    "was not revoked. Else it says which rule the token broke, "
		    "and exits 1.",
		    verify},
	[REFRESH] = {"refresh", "sojourn token refresh",
		     "Uses a refresh token up: prints an access token, and on "
		     "the next line the refresh token that follows. Exits 1 "
		     "if it is over or was used before.",
		     refresh},
	[REVOKE] = {"revoke", "sojourn token revoke",
		    "Refuses all tokens of a login or of a subject, in every "
		    "process, from now on. Exits 1 if the token is none of "
		    "ours.",
		    revoke},
};

static const char usage[] =
	"Usage: sojourn token create|verify|refresh|revoke NAME [OPTION...]\n"
	"       sojourn token key new ALG | key show FILE\n"
	"Access tokens (JWT) that can be revoked. Each has --help.\n";

/* Reads what the command works on, opens, acts, and closes. */
static int run(struct request *r)
{
	struct opened o;
	char *token = NULL;
	void *claims = NULL;
	int code = 0;

	if (r->claims)
		code = soj_args_data(r->claims, SOJOURN_CLAIMS_BYTES_MAX,
				     &claims, &r->what.claims_bytes);
	else if (token_path(r))
		code = read_token(token_path(r), &token);
	r->what.claims = claims;
	if (code == 0)
		code = begin(r, &o);
	if (code == 0) {
		code = commands[r->command].act(r, &o, token);
		finish(&o);
	}
	free(token);
	free(claims);
	return code;
}

int cmd_token(int argc, char **argv)
{
	struct request r = {0};
	struct argp argp = {.parser = parse,
			    .args_doc = "NAME --keys FILE --issuer TEXT "
					"--audience TEXT",
			    .children = soj_args_key_file_child};
	char full[32];

	if (argc > 1 && strcmp(argv[1], "key") == 0)
		return cmd_token_key(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc > 1 &&
	    (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)) {
		puts(argp_program_version);
		return 0;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (argc < 2 || strcmp(argv[1], commands[i].name) != 0)
			continue;
		r.command = (enum command)i;
		sojourn_token_options_init(&r.options);
		argp.options = options[i];
		argp.doc = commands[i].doc;
		snprintf(full, sizeof(full), "%s", commands[i].full);
		argv[1] = full;
		soj_args_parse(&argp, argc - 1, argv + 1, &r);
		return run(&r);
	}
	fputs(usage, stderr);
	return EX_USAGE;
}
