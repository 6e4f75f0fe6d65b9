/* SPDX-License-Identifier: MIT */

/*
 * The other end for jose.mjs: one request a line, words separated by tabs, one
 * answer a line.  A line that begins with "!" says why not.
 *
 *	generate ALG		a private JWK
 *	public KEYS		the JWK Set to publish
 *	thumbprint KEYS		of the first key
 *	sign KEYS CLAIMS	a token
 *	verify KEYS TOKEN	the claims
 *
 * KEYS is ALG:FORM:TEXT, FORM one of jwk, pem and raw, TEXT in base64url; ALG is
 * "-" where the text says it.  CLAIMS is JSON.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/handle.h"
#include "token/claims.h"
#include "token/keys.h"

static const struct soj_rules rules = {
	.iss = "https://id.example",
	.aud = "api.example",
	.skew_ms = 5000,
};

#define NOW_MS UINT64_C(1700000000000)

static char line[200000], answer[100000];

static struct sojourn_keys *parse_keys(char *words, bool verify_only)
{
	static uint8_t text[SOJ_B64_BYTES(100000)];
	struct sojourn_key source = {.text = text};
	struct sojourn_keys *keys = NULL;
	const char *alg = strsep(&words, ":");
	const char *form = strsep(&words, ":");

	source.alg = sojourn_token_alg(alg);
	if (form == NULL || words == NULL || strlen(words) > 100000)
		return NULL;
	source.form = strcmp(form, "pem") == 0   ? SOJOURN_KEY_PEM
		      : strcmp(form, "raw") == 0 ? SOJOURN_KEY_RAW
						 : SOJOURN_KEY_JWK;
	if (!soj_b64_decode(words, strlen(words), text, &source.text_bytes))
		return NULL;
	if (sojourn_keys_create(&source, 1, NULL, verify_only, &keys) != 0)
		return NULL;
	return keys;
}

static const char *sign(const struct soj_keyset *set, const char *claims)
{
	size_t chars;

	return soj_jws_sign(set, claims, strlen(claims), answer, sizeof(answer),
			    &chars) == 0
		       ? answer
		       : "!cannot sign";
}

static const char *verify(const struct soj_keyset *set, const char *token)
{
	struct soj_claims claims;
	enum sojourn_token_reason reason = soj_token_check(
		set, &rules, NOW_MS, token, strlen(token), &claims);

	if (reason == SOJOURN_TOKEN_OK)
		answer[json_dumpb(claims.json, answer, sizeof(answer) - 1,
				  JSON_COMPACT)] = '\0';
	else
		snprintf(answer, sizeof(answer), "!%s",
			 sojourn_token_reason_name(reason));
	soj_claims_deinit(&claims);
	return answer;
}

static const char *with_keys(const char *command, struct sojourn_keys *keys,
			     const char *word)
{
	const struct soj_keyset *set = keys->ring.current;
	size_t bytes = sizeof(answer);

	if (strcmp(command, "public") == 0)
		return sojourn_keys_public(keys, answer, &bytes) == 0
			       ? answer
			       : "!no set";
	if (strcmp(command, "thumbprint") == 0)
		return soj_jwk_thumbprint(set->keys[0], answer) == 0
			       ? answer
			       : "!no thumbprint";
	if (word != NULL && strcmp(command, "sign") == 0)
		return sign(set, word);
	if (word != NULL && strcmp(command, "verify") == 0)
		return verify(set, word);
	return "!no such command";
}

static const char *serve(char *words)
{
	const char *command = strsep(&words, "\t");
	char *first = strsep(&words, "\t");
	size_t bytes = sizeof(answer);
	struct sojourn_keys *keys;
	const char *said;

	if (first == NULL)
		return "!one word";
	if (strcmp(command, "generate") == 0)
		return sojourn_key_generate(sojourn_token_alg(first), 2048,
					    NULL, answer, &bytes) == 0
			       ? answer
			       : "!not generated";
	keys = parse_keys(first, strcmp(command, "sign") != 0);
	if (keys == NULL) {
		snprintf(answer, sizeof(answer), "!%s", sojourn_error_text());
		return answer;
	}
	said = with_keys(command, keys, words);
	sojourn_keys_destroy(keys);
	return said;
}

int main(void)
{
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		puts(serve(line));
		fflush(stdout);
	}
	return 0;
}
