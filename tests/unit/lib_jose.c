/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib_jose.h"
#include "token/sig.h"

const struct soj_rules jose_rules = {
	.iss = JOSE_ISS,
	.aud = JOSE_AUD,
	.skew_ms = 5000,
};

struct soj_keyset *jose_set(struct soj_jwk *key)
{
	struct soj_jwk_list list = {.keys = {key}, .count = 1};
	struct soj_keyset *set;
	const char *why = NULL;

	if (soj_keyset_build(&list, NULL, !key->can_sign, &set, &why) != 0)
		fail_msg("%s", why);
	return set;
}

struct soj_jwk *jose_jwk(const char *text)
{
	struct soj_jwk_list list = {.count = 0};
	const char *why = NULL;

	if (soj_jwk_from_json(SOJOURN_TOKEN_ALG_UNSET, NULL, text, strlen(text),
			      &list, &why) != 0)
		fail_msg("%s", why);
	assert_int_equal(list.count, 1);
	return list.keys[0];
}

struct soj_jwk *jose_key(enum sojourn_token_alg alg, const char *kid)
{
	struct soj_jwk *key;
	const char *why = NULL;

	if (soj_jwk_generate(alg, 2048, kid, &key, &why) != 0)
		fail_msg("%s", why);
	return key;
}

struct soj_jwk *jose_hs256(void)
{
	struct soj_jwk *key;
	const char *why = NULL;

	if (soj_jwk_from_raw(SOJOURN_TOKEN_HS256, "k1",
			     "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk", 32, &key,
			     &why) != 0)
		fail_msg("%s", why);
	return key;
}

const char *jose_b64(const char *text)
{
	static char texts[4][32768];
	static unsigned next;
	char *out = texts[next++ % 4];

	assert_true(SOJ_B64_CHARS(strlen(text)) < sizeof(texts[0]));
	out[soj_b64_encode(text, strlen(text), out)] = '\0';
	return out;
}

const char *jose_token(const struct soj_jwk *key, const char *header,
		       const char *claims)
{
	static char token[65536];
	uint8_t sig[SOJ_SIGNATURE_BYTES_MAX];
	size_t chars;

	chars = (size_t)snprintf(token, sizeof(token), "%s.%s",
				 jose_b64(header), jose_b64(claims));
	assert_int_equal(soj_sig_sign(key, token, chars, sig), 0);
	token[chars++] = '.';
	chars += soj_b64_encode(sig, key->signature_bytes, token + chars);
	token[chars] = '\0';
	return token;
}

enum sojourn_token_reason jose_check(const struct soj_keyset *set,
				     const char *token)
{
	struct soj_claims claims;
	enum sojourn_token_reason reason = soj_token_check(
		set, &jose_rules, JOSE_NOW_MS, token, strlen(token), &claims);

	assert_true((reason == SOJOURN_TOKEN_OK) == (claims.json != NULL));
	soj_claims_deinit(&claims);
	return reason;
}
