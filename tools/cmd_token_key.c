/* SPDX-License-Identifier: MIT */

/* sojourn token key: new, show. */

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cmd.h"
#include "lib_args.h"
#include "lib_keys.h"

struct request {
	bool show;
	const char *word; /* ALG or FILE */
	enum sojourn_token_alg alg;
	const char *kid;
	uint64_t rsa_bits;
};

enum { OPT_KID = 0x100, OPT_RSA_BITS, OPT_ALG };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *r = state->input;

	switch (key) {
	case OPT_KID:
		r->kid = arg;
		return 0;
	case OPT_RSA_BITS:
		r->rsa_bits = soj_args_need_number(state, "--rsa-bits", arg,
						   2048, 8192);
		return 0;
	case OPT_ALG:
		r->alg = sojourn_token_alg(arg);
		if (r->alg == SOJOURN_TOKEN_ALG_UNSET)
			argp_error(state, "--alg %s: must be " SOJ_ALG_HELP,
				   arg);
		return 0;
	case ARGP_KEY_ARG:
		if (r->word != NULL)
			argp_error(state, "one word too many");
		r->word = arg;
		return 0;
	case ARGP_KEY_END:
		if (r->word == NULL)
			argp_error(state, "%s is missing",
				   r->show ? "FILE" : "ALG");
		else if (!r->show &&
			 sojourn_token_alg(r->word) == SOJOURN_TOKEN_ALG_UNSET)
			argp_error(state, "%s: must be " SOJ_ALG_HELP, r->word);
		/* RS and PS with all their numbers. */
		else if (r->rsa_bits != 0 && strchr("RP", r->word[0]) == NULL)
			argp_error(state,
				   "--rsa-bits is for RS and PS, not for %s",
				   r->word);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* ---- new ---- */

static const struct argp_option new_options[] = {
	{"kid", OPT_KID, "ID", 0,
	 "Its name in tokens, if not a digest of it (HMAC: a random one)", 0},
	{"rsa-bits", OPT_RSA_BITS, "N", 0, "2048 to 8192; default 3072", 0},
	{0},
};

static const struct argp new_argp = {
	.options = new_options,
	.parser = parse,
	.args_doc = "ALG",
	.doc = "Makes a key and prints it as JWK: that is the secret, so send "
	       "it to a file that only its owner can read.\v"
	       "ALG is " SOJ_ALG_HELP " (Ed25519).",
};

static int key_new(const struct request *r)
{
	static char text[8192];
	size_t bytes = sizeof(text);
	int rc = sojourn_key_generate(sojourn_token_alg(r->word),
				      (unsigned)r->rsa_bits, r->kid, text,
				      &bytes);

	if (rc < 0)
		return soj_args_fail(rc, "make a key");
	puts(text);
	explicit_bzero(text, sizeof(text));
	return 0;
}

/* ---- show ---- */

static const struct argp_option show_options[] = {
	{"alg", OPT_ALG, "ALG", 0, "What the key is for, if it does not say",
	 0},
	{"kid", OPT_KID, "ID", 0, "Its name, if it has none", 0},
	{0},
};

static const struct argp show_argp = {
	.options = show_options,
	.parser = parse,
	.args_doc = "FILE",
	.doc = "Prints the public keys of a JWK, JWK Set or PEM file as JWK "
	       "Set, for who verifies. HMAC secrets have no public part and "
	       "are left out.",
};

static int key_show(const struct request *r)
{
	static char text[2 * SOJOURN_KEY_TEXT_MAX];
	size_t bytes = sizeof(text);
	struct sojourn_keys *keys;
	int rc, code;

	code = soj_keys_read(r->word, r->alg, r->kid, false, &keys);
	if (code != 0)
		return code;
	rc = sojourn_keys_public(keys, text, &bytes);
	sojourn_keys_destroy(keys);
	if (rc < 0)
		return soj_args_fail(rc, "show the keys");
	puts(text);
	return 0;
}

static const char usage[] =
	"Usage: sojourn token key new [OPTION...] ALG\n"
	"       sojourn token key show [OPTION...] FILE\n"
	"Makes a key for access tokens, or shows the public part of keys.\n"
	"Each has --help.\n";

int cmd_token_key(int argc, char **argv)
{
	struct request r = {0};
	char new_name[] = "sojourn token key new";
	char show_name[] = "sojourn token key show";

	r.show = argc > 1 && strcmp(argv[1], "show") == 0;
	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc > 1 &&
	    (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)) {
		puts(argp_program_version);
		return 0;
	}
	if (!r.show && (argc < 2 || strcmp(argv[1], "new") != 0)) {
		soj_args_complain("token key: \"new\" or \"show\" is wanted");
		return EX_USAGE;
	}
	argv[1] = r.show ? show_name : new_name;
	soj_args_parse(r.show ? &show_argp : &new_argp, argc - 1, argv + 1, &r);
	return r.show ? key_show(&r) : key_new(&r);
}
