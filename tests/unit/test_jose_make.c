/* SPDX-License-Identifier: MIT */

/* Claims that are made and tokens that are signed: what comes out is what goes
 * in, and what must not go in is refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib_jose.h"

static struct soj_claims_new what(void)
{
	const struct soj_claims_new made = {
		.iss = JOSE_ISS,
		.sub = "al\"ice \xc3\xa9",
		.aud = JOSE_AUD,
		.jti = "t1",
		.anchor = "AbCdEfGhIjKlMnOp",
		.iat_ms = JOSE_NOW_MS + 1,
		.exp_ms = JOSE_NOW_MS + 60000,
	};

	return made;
}

static void made_is(const struct soj_claims_new *made, const char *wanted)
{
	char text[1024], small[1024];
	size_t bytes, need;
	const char *why;

	assert_int_equal(
		soj_claims_make(made, text, sizeof(text), &bytes, &why), 0);
	assert_string_equal(text, wanted);
	assert_int_equal(bytes, strlen(wanted));
	assert_int_equal(soj_claims_make(made, small, bytes, &need, &why),
			 -ENOSPC);
	assert_int_equal(need, bytes);
	assert_int_equal(soj_claims_make(made, small, bytes + 1, &need, &why),
			 0);
}

#define OWN                                                                   \
	"{\"iss\":\"https://id.example\",\"sub\":\"al\\\"ice \xc3\xa9\","     \
	"\"aud\":\"api.example\",\"jti\":\"t1\",\"sjn\":\"AbCdEfGhIjKlMnOp\"" \
	",\"iat\":1700000000.001,\"exp\":1700000060"

static void test_claims(void **state)
{
	static const char more[] =
		" { \"role\" : [ 0.1, {} ], \"b\":\"\\u00e9}\" } \n";
	struct soj_claims_new made = what();

	(void)state;
	made_is(&made, OWN "}");
	made.more = "{}";
	made.more_bytes = 2;
	made_is(&made, OWN "}");
	made.more = more;
	made.more_bytes = strlen(more);
	made_is(&made, OWN ", \"role\" : [ 0.1, {} ], \"b\":\"\\u00e9}\" }");
	memset(&made, 0, sizeof(made));
	made_is(&made, "{}");
	made.more = "{\"a\":1}";
	made.more_bytes = 7;
	made_is(&made, "{\"a\":1}");
	made.more = NULL;
	made.nbf_ms = 1500;
	made_is(&made, "{\"nbf\":1.500}");
}

static void refused(const char *more, const char *words)
{
	struct soj_claims_new made = what();
	char text[1024];
	size_t bytes;
	const char *why = "";

	made.more = more;
	made.more_bytes = strlen(more);
	assert_int_equal(
		soj_claims_make(&made, text, sizeof(text), &bytes, &why),
		-EINVAL);
	if (strstr(why, words) == NULL)
		fail_msg("\"%s\", not \"%s\"", why, words);
}

static void test_refused(void **state)
{
	static const char *const names[] = {"iss", "sub", "aud", "exp",
					    "nbf", "iat", "jti", "sjn"};
	struct soj_claims_new made = what();
	char text[1024];
	size_t bytes;
	const char *why;

	(void)state;
	refused("", "not one JSON object");
	refused("[]", "not one JSON object");
	refused("{\"a\":1}}", "not one JSON object");
	refused("{\"a\":1,\"a\":1}", "a name twice");
	refused("{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]"
		"]]]]]]]]]]}",
		"32 levels");
	refused("{\"a\":99999999999999999999}", "out of range");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char one[32] = "{\"";

		strcat(strcat(one, names[i]), "\":1}");
		refused(one, "set here");
	}
	/* an escape does not get one by */
	refused("{\"\\u0065xp\":1}", "set here");
	made.sub = "\xff";
	assert_int_equal(
		soj_claims_make(&made, text, sizeof(text), &bytes, &why),
		-EINVAL);
	made = what();
	made.exp_ms = UINT64_MAX;
	assert_int_equal(
		soj_claims_make(&made, text, sizeof(text), &bytes, &why),
		-EINVAL);
}

/* Each algorithm: signed, verified, read; with its own key only. */
static void test_tokens(void **state)
{
	const struct soj_claims_new made = what();
	char text[1024], token[2048];
	size_t bytes, chars, need;
	const char *why;

	(void)state;
	assert_int_equal(
		soj_claims_make(&made, text, sizeof(text), &bytes, &why), 0);
	for (int alg = 1; alg <= SOJOURN_TOKEN_EDDSA; alg++) {
		struct soj_keyset *set = jose_set(
			jose_key((enum sojourn_token_alg)alg, "2026/11"));
		struct soj_claims claims;

		assert_int_equal(soj_jws_sign(set, text, bytes, token,
					      sizeof(token), &chars),
				 0);
		assert_int_equal(chars, strlen(token));
		assert_int_equal(soj_token_check(set, &jose_rules, JOSE_NOW_MS,
						 token, chars, &claims),
				 SOJOURN_TOKEN_OK);
		assert_string_equal(claims.sub, made.sub);
		assert_string_equal(claims.kid, "2026/11");
		assert_int_equal(claims.iat_ms, made.iat_ms);
		assert_int_equal(claims.exp_ms, made.exp_ms);
		assert_int_equal(claims.nbf_ms, 0);
		soj_claims_deinit(&claims);
		assert_int_equal(
			soj_jws_sign(set, text, bytes, token, chars, &need),
			-ENOSPC);
		assert_int_equal(need, chars);
		soj_keyset_destroy(set);
	}
}

/* A decimal fraction is rarely a double, yet no millisecond is lost. */
static void test_milliseconds(void **state)
{
	struct soj_claims_new made = what();
	struct soj_claims claims;
	char text[1024];
	size_t bytes;
	const char *why;

	(void)state;
	for (unsigned ms = 0; ms < 1000; ms++) {
		made.iat_ms = JOSE_NOW_MS - ms;
		made.nbf_ms = 1000 + ms; /* 1.001 * 1000 is below 1001 */
		made.exp_ms = JOSE_NOW_MS * 100 + ms;
		assert_int_equal(soj_claims_make(&made, text, sizeof(text),
						 &bytes, &why),
				 0);
		assert_int_equal(soj_claims_check(text, bytes, &jose_rules,
						  JOSE_NOW_MS, &claims),
				 SOJOURN_TOKEN_OK);
		assert_int_equal(claims.iat_ms, made.iat_ms);
		assert_int_equal(claims.nbf_ms, made.nbf_ms);
		assert_int_equal(claims.exp_ms, made.exp_ms);
		soj_claims_deinit(&claims);
	}
}

static void test_limits(void **state)
{
	struct soj_keyset *set = jose_set(jose_hs256());
	struct soj_keyset *verifying;
	struct soj_jwk_list list = {.count = 1};
	static char payload[SOJOURN_TOKEN_BYTES_MAX];
	static char token[SOJOURN_TOKEN_BYTES_MAX + 1];
	const char *why;
	size_t chars;

	(void)state;
	assert_int_equal(soj_jws_sign(set, payload, sizeof(payload), token,
				      sizeof(token), &chars),
			 -EMSGSIZE);
	assert_int_equal(
		soj_jws_sign(set, payload, 12200, token, sizeof(token), &chars),
		0);
	assert_int_equal(jose_check(set, token), SOJOURN_TOKEN_TOO_LONG);
	list.keys[0] = jose_hs256();
	assert_int_equal(soj_keyset_build(&list, NULL, true, &verifying, &why),
			 0);
	assert_int_equal(
		soj_jws_sign(verifying, "{}", 2, token, sizeof(token), &chars),
		-EPERM);
	soj_keyset_destroy(set);
	soj_keyset_destroy(verifying);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_milliseconds),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
