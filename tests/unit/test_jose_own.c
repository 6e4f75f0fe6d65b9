/* SPDX-License-Identifier: MIT */

/* Claims in our own form: the short way says yes only where the long way does,
 * and reads the same.  Every byte of good ones is changed, cut and put in. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib_jose.h"

static const char more[] =
	"{ \"scope\" : \"a\\u00e9\", \"n\":[0.1,{\"x\":null}]} ";

/* 1: the short way took it, and the long way agrees. */
static unsigned agree(const char *text, size_t bytes)
{
	char copy[1024];
	struct soj_claims_own own;
	struct soj_claims claims;
	bool short_way;

	assert_true(bytes < sizeof(copy));
	memcpy(copy, text, bytes);
	short_way = soj_claims_own(copy, bytes, &jose_rules, JOSE_NOW_MS, &own);
	assert_memory_equal(copy, text, bytes);
	if (!short_way)
		return 0;
	if (soj_claims_check(text, bytes, &jose_rules, JOSE_NOW_MS, &claims) !=
	    SOJOURN_TOKEN_OK)
		fail_msg("only the short way takes %.*s", (int)bytes, text);
	assert_string_equal(own.sub, claims.sub);
	assert_string_equal(own.jti, claims.jti);
	assert_string_equal(own.anchor, json_string_value(json_object_get(
						claims.json, "sjn")));
	assert_int_equal(own.exp_ms, claims.exp_ms);
	assert_int_equal(own.nbf_ms, claims.nbf_ms);
	assert_int_equal(own.iat_ms, claims.iat_ms);
	soj_claims_deinit(&claims);
	return 1;
}

static size_t make(bool with_nbf, const char *with, char *text, size_t room)
{
	const struct soj_claims_new what = {
		.iss = JOSE_ISS,
		.aud = JOSE_AUD,
		.sub = "anna",
		.jti = "0123456789abcdef",
		.anchor = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		.iat_ms = JOSE_NOW_MS,
		.nbf_ms = with_nbf ? JOSE_NOW_MS : 0,
		.exp_ms = JOSE_NOW_MS + 600000,
		.more = with,
		.more_bytes = with ? strlen(with) : 0,
	};
	const char *why;
	size_t bytes;

	assert_int_equal(soj_claims_make(&what, text, room, &bytes, &why), 0);
	return bytes;
}

static unsigned change_all(const char *text, size_t bytes)
{
	static const char in[] = "\"\\,:{}[]0x9-. \n\x7f\xc3\x80";
	char other[1024];
	unsigned taken = 0;

	for (size_t at = 0; at < bytes; at++) {
		for (unsigned c = 0; c < 256; c++) {
			memcpy(other, text, bytes);
			other[at] = (char)c;
			taken += agree(other, bytes);
		}
		memmove(other, text, bytes);
		memmove(other + at, text + at + 1, bytes - at - 1);
		taken += agree(other, bytes - 1);
		taken += agree(text, at);
		for (const char *c = in; *c; c++) {
			memcpy(other, text, at);
			other[at] = *c;
			memcpy(other + at + 1, text + at, bytes - at);
			taken += agree(other, bytes + 1);
		}
	}
	return taken;
}

static void test_two_ways(void **state)
{
	char text[1024];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		size_t bytes =
			make(i & 1, i & 2 ? more : NULL, text, sizeof(text));

		assert_int_equal(agree(text, bytes), 1);
		assert_true(change_all(text, bytes) > 1000);
	}
}

static void test_names_twice(void **state)
{
	static const char *const with[] = {
		"\"sub\":\"otto\"",
		"\"n\":1,\"n\":2",
		"\"exp\":9",
		"\"\\u0073ub\":\"otto\"",
		"\"nbf\":1",
		"",
		" ",
		"\"n\":1}}",
		"\"n\":{\"n\":1,\"n\":1}",
	};
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(with) / sizeof(*with); i++) {
		size_t bytes = make(false, NULL, text, sizeof(text));

		bytes += (size_t)snprintf(text + bytes - 1, 99, ",%s}",
					  with[i]) -
			 1;
		assert_int_equal(agree(text, bytes), 0);
	}
}

/* An issuer or audience that is no plain text takes the long way. */
static void test_rules_with_quotes(void **state)
{
	struct soj_rules rules = jose_rules;
	struct soj_claims_own own;
	char text[1024];
	size_t bytes = make(false, NULL, text, sizeof(text));

	(void)state;
	assert_true(soj_claims_own(text, bytes, &rules, JOSE_NOW_MS, &own));
	rules.iss = JOSE_ISS "\",\"sub\":\"anna\",\"aud\":\"" JOSE_AUD;
	assert_false(soj_claims_own(text, bytes, &rules, JOSE_NOW_MS, &own));
	rules.iss = "";
	assert_false(soj_claims_own(text, bytes, &rules, JOSE_NOW_MS, &own));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_ways),
		cmocka_unit_test(test_names_twice),
		cmocka_unit_test(test_rules_with_quotes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
