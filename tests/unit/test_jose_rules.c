/* SPDX-License-Identifier: MIT */

/*
 * Every rule by which a token is refused, each with a token that breaks it and
 * no other, and the reason that is told.  At the end: no reason is left over.
 */

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

#define HEADER "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k1\"}"
/* Claims that are good but for what stands in front. */
#define ISS    "\"iss\":\"https://id.example\""
#define AUD    "\"aud\":\"api.example\""
#define EXP    "\"exp\":1700000060"
#define IAT    "\"iat\":1700000000"
#define SUB    "\"sub\":\"alice\""
#define JTI    "\"jti\":\"t1\""
#define CLAIMS "{" ISS "," AUD "," EXP "," IAT "," SUB "," JTI "}"
/* All but iss, and so on: the claim in question is put in front. */
#define NO_ISS "," AUD "," EXP "," IAT "," SUB "," JTI "}"
#define NO_AUD "," ISS "," EXP "," IAT "," SUB "," JTI "}"
#define NO_EXP "," ISS "," AUD "," IAT "," SUB "," JTI "}"
#define NO_IAT "," ISS "," AUD "," EXP "," SUB "," JTI "}"
#define NO_SUB "," ISS "," AUD "," EXP "," IAT "," JTI "}"
#define NO_JTI "," ISS "," AUD "," EXP "," IAT "," SUB "}"
#define MORE   "," ISS "," AUD "," EXP "," IAT "," SUB "," JTI "}"

#define DEEP_OPEN  "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
#define DEEP_CLOSE "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"

static struct soj_keyset *set;
static bool seen[512];

static void assert_reason(const char *token, enum sojourn_token_reason wanted)
{
	const enum sojourn_token_reason reason = jose_check(set, token);

	if (reason != wanted)
		fail_msg("%s, not %s: %s", sojourn_token_reason_name(reason),
			 sojourn_token_reason_name(wanted), token);
	seen[reason] = true;
}

static void header_is(const char *header, enum sojourn_token_reason wanted)
{
	assert_reason(jose_token(set->keys[0], header, CLAIMS), wanted);
}

static void claims_are(const char *claims, enum sojourn_token_reason wanted)
{
	assert_reason(jose_token(set->keys[0], HEADER, claims), wanted);
}

static void test_good(void **state)
{
	(void)state;
	header_is(HEADER, SOJOURN_TOKEN_OK);
	header_is("{\"typ\":\"application/at+jwt\",\"alg\":\"HS256\"}",
		  SOJOURN_TOKEN_OK);
	header_is("{\"typ\":\"AT+JWT\",\"alg\":\"HS256\"}", SOJOURN_TOKEN_OK);
	/* a way to a key is not followed, nor does it harm */
	header_is("{\"typ\":\"at+jwt\",\"alg\":\"HS256\",\"kid\":\"k1\","
		  "\"jku\":\"https://evil.example/keys\","
		  "\"x5u\":\"https://evil.example/cert\",\"x5c\":[\"AAAA\"],"
		  "\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAA\"}}",
		  SOJOURN_TOKEN_OK);
	claims_are(CLAIMS, SOJOURN_TOKEN_OK);
	claims_are("{\"aud\":[\"a\",\"api.example\",\"b\"]" NO_AUD,
		   SOJOURN_TOKEN_OK);
	claims_are("{\"deep\":" DEEP_OPEN DEEP_CLOSE MORE, SOJOURN_TOKEN_OK);
	claims_are("{\"brackets\":\"" DEEP_OPEN DEEP_OPEN "\"" MORE,
		   SOJOURN_TOKEN_OK);
	claims_are("{\"x\":{\"a\":1,\"b\":{\"a\":2}}" MORE " \n",
		   SOJOURN_TOKEN_OK);
}

static void test_form(void **state)
{
	static char text[SOJOURN_TOKEN_BYTES_MAX];
	const char *good = jose_token(set->keys[0], HEADER, CLAIMS);
	const char *const parts[] = {
		"",     "a",         ".",      "..",      "a.b",
		"a.b.", ".b.c",      "a..",    "a.b.c.d", "a.b.c.",
		"....", "a.b.c.d.e", ".a.b.c",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		assert_reason(parts[i], SOJOURN_TOKEN_PARTS);
	snprintf(text, sizeof(text), "%s.", good);
	assert_reason(text, SOJOURN_TOKEN_PARTS);

	memset(text, 'a', SOJOURN_TOKEN_BYTES + 1);
	text[SOJOURN_TOKEN_BYTES + 1] = '\0';
	assert_reason(text, SOJOURN_TOKEN_TOO_LONG);
	text[SOJOURN_TOKEN_BYTES] = '\0';
	assert_reason(text, SOJOURN_TOKEN_PARTS);
}

/* Padding, white space, the other alphabet: in each of the parts. */
static void bad_base64(unsigned part, enum sojourn_token_reason wanted)
{
	static const char *const tails[] = {"=", "==", " ",    "\n",
					    "+", "/",  "\xc3", "%"};
	char copy[2048], text[4096];

	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		char *parts[3], *at = copy;
		const char *token = jose_token(
			set->keys[0], "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}",
			CLAIMS);

		strcpy(copy, token);
		for (unsigned p = 0; p < 3; p++)
			parts[p] = strsep(&at, ".");
		snprintf(text, sizeof(text), "%s%s.%s%s.%s%s", parts[0],
			 part == 0 ? tails[i] : "", parts[1],
			 part == 1 ? tails[i] : "", parts[2],
			 part == 2 ? tails[i] : "");
		if (part == 1) { /* signed so */
			const size_t chars = strlen(parts[0]) + 1 +
					     strlen(parts[1]) +
					     strlen(tails[i]);
			uint8_t sig[32];

			soj_sig_sign(set->keys[0], text, chars, sig);
			text[chars + 1 +
			     soj_b64_encode(sig, 32, text + chars + 1)] = '\0';
		}
		assert_reason(text, wanted);
	}
}

static void test_base64(void **state)
{
	char text[2048];
	size_t last;

	(void)state;
	bad_base64(0, SOJOURN_TOKEN_HEADER_BASE64);
	bad_base64(1, SOJOURN_TOKEN_CLAIMS_BASE64);
	bad_base64(2, SOJOURN_TOKEN_SIGNATURE_BASE64);
	/* 32 bytes are 43 characters: the last one has two bits too many */
	strcpy(text, jose_token(set->keys[0], HEADER, CLAIMS));
	last = strlen(text) - 1;
	text[last] = (char)(text[last] + 1);
	assert_reason(text, SOJOURN_TOKEN_SIGNATURE_BASE64);
}

static void test_header(void **state)
{
	(void)state;
	header_is("", SOJOURN_TOKEN_PARTS);
	header_is("[]", SOJOURN_TOKEN_HEADER_JSON);
	header_is("{", SOJOURN_TOKEN_HEADER_JSON);
	header_is(HEADER "{}", SOJOURN_TOKEN_HEADER_JSON);
	header_is(HEADER "x", SOJOURN_TOKEN_HEADER_JSON);
	header_is("\xef\xbb\xbf" HEADER, SOJOURN_TOKEN_HEADER_JSON);
	header_is("{\"alg\":\"HS256\",\"a\":\"\xff\"}",
		  SOJOURN_TOKEN_HEADER_JSON);
	header_is("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"alg\":\"HS256\"}",
		  SOJOURN_TOKEN_HEADER_DUPLICATE);
	header_is("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"x\":{\"a\":1,"
		  "\"a\":1}}",
		  SOJOURN_TOKEN_HEADER_DUPLICATE);
	header_is("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"\\u0061lg\":1}",
		  SOJOURN_TOKEN_HEADER_DUPLICATE);
	header_is("{\"x\":" DEEP_OPEN "[" DEEP_CLOSE "]}",
		  SOJOURN_TOKEN_HEADER_DEPTH);
	header_is("{\"typ\":\"at+jwt\"}", SOJOURN_TOKEN_ALG_MISSING);
	header_is("{\"alg\":256,\"typ\":\"at+jwt\"}",
		  SOJOURN_TOKEN_ALG_MISSING);
	header_is("{\"alg\":[\"HS256\"],\"typ\":\"at+jwt\"}",
		  SOJOURN_TOKEN_ALG_MISSING);
	header_is("{\"alg\":\"none\",\"typ\":\"at+jwt\"}",
		  SOJOURN_TOKEN_ALG_NONE);
	header_is("{\"alg\":\"NoNe\",\"typ\":\"at+jwt\"}",
		  SOJOURN_TOKEN_ALG_NONE);
	header_is("{\"alg\":\"hs256\",\"typ\":\"at+jwt\"}",
		  SOJOURN_TOKEN_ALG_UNKNOWN);
	header_is("{\"alg\":\"\",\"typ\":\"at+jwt\"}",
		  SOJOURN_TOKEN_ALG_UNKNOWN);
	header_is("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"crit\":[\"exp\"],"
		  "\"exp\":1}",
		  SOJOURN_TOKEN_CRIT);
	header_is("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"crit\":[]}",
		  SOJOURN_TOKEN_CRIT);
	header_is("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"crit\":null}",
		  SOJOURN_TOKEN_CRIT);
}

static void test_typ(void **state)
{
	struct soj_rules rules = jose_rules;
	struct soj_claims claims;
	const char *token;

	(void)state;
	header_is("{\"alg\":\"HS256\"}", SOJOURN_TOKEN_TYP);
	header_is("{\"alg\":\"HS256\",\"typ\":\"JWT\"}", SOJOURN_TOKEN_TYP);
	header_is("{\"alg\":\"HS256\",\"typ\":\"at+jwt2\"}", SOJOURN_TOKEN_TYP);
	header_is("{\"alg\":\"HS256\",\"typ\":\"at+jw\"}", SOJOURN_TOKEN_TYP);
	header_is("{\"alg\":\"HS256\",\"typ\":7}", SOJOURN_TOKEN_TYP);

	rules.typ = SOJ_TYP_JWT;
	token = jose_token(set->keys[0], "{\"alg\":\"HS256\",\"typ\":\"JWT\"}",
			   CLAIMS);
	assert_int_equal(soj_token_check(set, &rules, JOSE_NOW_MS, token,
					 strlen(token), &claims),
			 SOJOURN_TOKEN_OK);
	soj_claims_deinit(&claims);
	token = jose_token(set->keys[0],
			   "{\"alg\":\"HS256\",\"typ\":\"dpop+jwt\"}", CLAIMS);
	assert_int_equal(soj_token_check(set, &rules, JOSE_NOW_MS, token,
					 strlen(token), &claims),
			 SOJOURN_TOKEN_TYP);
}

static void test_kid(void **state)
{
	struct soj_jwk_list list = {.count = 2};
	struct soj_keyset *both, *first = set;
	const char *why, *token;

	(void)state;
	header_is("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k2\"}",
		  SOJOURN_TOKEN_KEY_UNKNOWN);
	header_is("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k\"}",
		  SOJOURN_TOKEN_KEY_UNKNOWN);
	header_is("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"\"}",
		  SOJOURN_TOKEN_KID_INVALID);
	header_is("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":1}",
		  SOJOURN_TOKEN_KID_INVALID);
	header_is("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"a' or "
		  "1\"}",
		  SOJOURN_TOKEN_KID_INVALID);

	list.keys[0] = jose_hs256();
	list.keys[1] = jose_key(SOJOURN_TOKEN_EDDSA, "ed");
	assert_int_equal(soj_keyset_build(&list, "ed", false, &both, &why), 0);
	set = both;
	assert_reason(jose_token(both->keys[0],
				 "{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}",
				 CLAIMS),
		      SOJOURN_TOKEN_KID_MISSING);
	header_is(HEADER, SOJOURN_TOKEN_OK);
	/* the key of one algorithm under the name of another */
	token = jose_token(both->keys[0],
			   "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":"
			   "\"ed\"}",
			   CLAIMS);
	assert_reason(token, SOJOURN_TOKEN_ALG_MISMATCH);
	/* signed by one, with the name of the other */
	token = jose_token(both->keys[0],
			   "{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":"
			   "\"ed\"}",
			   CLAIMS);
	assert_reason(token, SOJOURN_TOKEN_SIGNATURE_SIZE);
	set = first;
	soj_keyset_destroy(both);
}

/* What a header was found to mean holds for that set and those rules only. */
static void test_remembered(void **state)
{
	static const char header[] =
		"{\"kid\":\"k1\",\"typ\":\"JWT\",\"alg\":\"HS256\"}";
	struct soj_keyset *others =
		jose_set(jose_key(SOJOURN_TOKEN_HS256, "k1"));
	struct soj_keyset *longer =
		jose_set(jose_key(SOJOURN_TOKEN_HS512, "k1"));
	const char *token = jose_token(set->keys[0], header, CLAIMS);
	struct soj_rules lax = jose_rules;
	struct soj_claims claims;

	(void)state;
	lax.typ = SOJ_TYP_JWT;
	for (int i = 0; i < 3; i++) {
		const size_t chars = strlen(token);

		assert_int_equal(soj_token_check(set, &lax, JOSE_NOW_MS, token,
						 chars, &claims),
				 SOJOURN_TOKEN_OK);
		soj_claims_deinit(&claims);
		assert_int_equal(jose_check(set, token), SOJOURN_TOKEN_TYP);
		assert_int_equal(soj_token_check(others, &lax, JOSE_NOW_MS,
						 token, chars, &claims),
				 SOJOURN_TOKEN_SIGNATURE);
		assert_int_equal(soj_token_check(longer, &lax, JOSE_NOW_MS,
						 token, chars, &claims),
				 SOJOURN_TOKEN_ALG_MISMATCH);
	}
	soj_keyset_destroy(others);
	soj_keyset_destroy(longer);
}

static void test_signature(void **state)
{
	const char *good = jose_token(set->keys[0], HEADER, CLAIMS);
	const size_t begin = (size_t)(strrchr(good, '.') - good) + 1;
	char text[2048];

	(void)state;
	for (size_t i = begin; i < strlen(good) - 1; i++) {
		strcpy(text, good);
		text[i] = text[i] == 'A' ? 'B' : 'A';
		assert_reason(text, SOJOURN_TOKEN_SIGNATURE);
	}
	strcpy(text, good);
	text[strlen(text) - 3] = '\0';
	assert_reason(text, SOJOURN_TOKEN_SIGNATURE_SIZE);
	snprintf(text, sizeof(text), "%sAAAA", good);
	assert_reason(text, SOJOURN_TOKEN_SIGNATURE_SIZE);
	strcpy(text, good);
	memset(text + begin, 'A', 1600);
	text[begin + 1600] = '\0';
	assert_reason(text, SOJOURN_TOKEN_SIGNATURE_SIZE);
	/* the claims of one token with the signature of another */
	snprintf(text, sizeof(text), "%s.%s.%s", jose_b64(HEADER),
		 jose_b64("{\"admin\":true" MORE), good + begin);
	assert_reason(text, SOJOURN_TOKEN_SIGNATURE);
}

static void test_claims_form(void **state)
{
	(void)state;
	claims_are("", SOJOURN_TOKEN_CLAIMS_JSON);
	claims_are("[]", SOJOURN_TOKEN_CLAIMS_JSON);
	claims_are("7", SOJOURN_TOKEN_CLAIMS_JSON);
	claims_are(CLAIMS ",", SOJOURN_TOKEN_CLAIMS_JSON);
	claims_are(CLAIMS CLAIMS, SOJOURN_TOKEN_CLAIMS_JSON);
	claims_are("{\"a\":\"\xc0\x80\"" MORE, SOJOURN_TOKEN_CLAIMS_JSON);
	claims_are("{\"a\":\"\\u0000\"" MORE, SOJOURN_TOKEN_CLAIMS_JSON);
	claims_are("{'a':1" MORE, SOJOURN_TOKEN_CLAIMS_JSON);
	claims_are("{\"a\":NaN" MORE, SOJOURN_TOKEN_CLAIMS_JSON);
	claims_are("{\"a\":01" MORE, SOJOURN_TOKEN_CLAIMS_JSON);
	claims_are("{" EXP MORE, SOJOURN_TOKEN_CLAIMS_DUPLICATE);
	claims_are("{\"x\":[{\"a\":1,\"a\":1}]" MORE,
		   SOJOURN_TOKEN_CLAIMS_DUPLICATE);
	claims_are("{\"x\":" DEEP_OPEN "[" DEEP_CLOSE "]" MORE,
		   SOJOURN_TOKEN_CLAIMS_DEPTH);
	claims_are("{\"x\":9223372036854775808" MORE,
		   SOJOURN_TOKEN_CLAIMS_NUMBER);
	claims_are("{\"x\":1e999" MORE, SOJOURN_TOKEN_CLAIMS_NUMBER);
}

/* A zero byte, where the JSON parser would not see it and anywhere else. */
static void test_zero_byte(void **state)
{
	static const char text[] = "{\"x\":4 " MORE " ";
	struct soj_claims claims;
	char copy[sizeof(text)];

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		memcpy(copy, text, sizeof(text));
		copy[i] = '\0';
		assert_int_equal(soj_claims_check(copy, sizeof(text) - 1,
						  &jose_rules, JOSE_NOW_MS,
						  &claims),
				 SOJOURN_TOKEN_CLAIMS_JSON);
	}
	assert_int_equal(soj_claims_check(text, sizeof(text) - 1, &jose_rules,
					  JOSE_NOW_MS, &claims),
			 SOJOURN_TOKEN_OK);
	soj_claims_deinit(&claims);
}

static void test_iss_aud(void **state)
{
	(void)state;
	claims_are("{\"x\":1" NO_ISS, SOJOURN_TOKEN_ISS_MISSING);
	claims_are("{\"iss\":[\"https://id.example\"]" NO_ISS,
		   SOJOURN_TOKEN_ISS_TYPE);
	claims_are("{\"iss\":\"https://id.example/\"" NO_ISS,
		   SOJOURN_TOKEN_ISS);
	claims_are("{\"iss\":\"https://id.exampl\"" NO_ISS, SOJOURN_TOKEN_ISS);
	claims_are("{\"iss\":\"https://ID.example\"" NO_ISS, SOJOURN_TOKEN_ISS);
	claims_are("{\"x\":1" NO_AUD, SOJOURN_TOKEN_AUD_MISSING);
	claims_are("{\"aud\":null" NO_AUD, SOJOURN_TOKEN_AUD_TYPE);
	claims_are("{\"aud\":{\"api.example\":1}" NO_AUD,
		   SOJOURN_TOKEN_AUD_TYPE);
	claims_are("{\"aud\":[\"api.example\",7]" NO_AUD,
		   SOJOURN_TOKEN_AUD_TYPE);
	claims_are("{\"aud\":[]" NO_AUD, SOJOURN_TOKEN_AUD);
	claims_are("{\"aud\":\"api.example.org\"" NO_AUD, SOJOURN_TOKEN_AUD);
	claims_are("{\"aud\":[\"a\",\"b\"]" NO_AUD, SOJOURN_TOKEN_AUD);
}

/* The tolerance is 5 s, now is 1700000000. */
static void test_times(void **state)
{
	(void)state;
	claims_are("{\"x\":1" NO_EXP, SOJOURN_TOKEN_EXP_MISSING);
	claims_are("{\"exp\":\"1700000060\"" NO_EXP, SOJOURN_TOKEN_EXP_TYPE);
	claims_are("{\"exp\":null" NO_EXP, SOJOURN_TOKEN_EXP_TYPE);
	claims_are("{\"exp\":-1" NO_EXP, SOJOURN_TOKEN_EXP_TYPE);
	claims_are("{\"exp\":-1.5" NO_EXP, SOJOURN_TOKEN_EXP_TYPE);
	claims_are("{\"exp\":253402300800" NO_EXP, SOJOURN_TOKEN_EXP_TYPE);
	claims_are("{\"exp\":9223372036854775807" NO_EXP,
		   SOJOURN_TOKEN_EXP_TYPE);
	claims_are("{\"exp\":1e300" NO_EXP, SOJOURN_TOKEN_EXP_TYPE);
	claims_are("{\"exp\":253402300799" NO_EXP, SOJOURN_TOKEN_OK);
	claims_are("{\"exp\":1.70000006e9" NO_EXP, SOJOURN_TOKEN_OK);
	claims_are("{\"exp\":0" NO_EXP, SOJOURN_TOKEN_EXPIRED);
	claims_are("{\"exp\":1699999995" NO_EXP, SOJOURN_TOKEN_EXPIRED);
	claims_are("{\"exp\":1699999995.001" NO_EXP, SOJOURN_TOKEN_OK);
	claims_are("{\"exp\":1699999996" NO_EXP, SOJOURN_TOKEN_OK);

	claims_are("{\"nbf\":true" MORE, SOJOURN_TOKEN_NBF_TYPE);
	claims_are("{\"nbf\":253402300800" MORE, SOJOURN_TOKEN_NBF_TYPE);
	claims_are("{\"nbf\":1700000005.001" MORE, SOJOURN_TOKEN_NOT_YET);
	claims_are("{\"nbf\":1700000006" MORE, SOJOURN_TOKEN_NOT_YET);
	claims_are("{\"nbf\":1700000005" MORE, SOJOURN_TOKEN_OK);
	claims_are("{\"nbf\":0" MORE, SOJOURN_TOKEN_OK);

	claims_are("{\"x\":1" NO_IAT, SOJOURN_TOKEN_IAT_MISSING);
	claims_are("{\"iat\":[1]" NO_IAT, SOJOURN_TOKEN_IAT_TYPE);
	claims_are("{\"iat\":1700000006" NO_IAT, SOJOURN_TOKEN_IAT_FUTURE);
	claims_are("{\"iat\":1700000005" NO_IAT, SOJOURN_TOKEN_OK);
}

static void test_names(void **state)
{
	(void)state;
	claims_are("{\"x\":1" NO_SUB, SOJOURN_TOKEN_SUB_MISSING);
	claims_are("{\"sub\":7" NO_SUB, SOJOURN_TOKEN_SUB_TYPE);
	claims_are("{\"sub\":\"\"" NO_SUB, SOJOURN_TOKEN_SUB_TYPE);
	claims_are("{\"x\":1" NO_JTI, SOJOURN_TOKEN_JTI_MISSING);
	claims_are("{\"jti\":7" NO_JTI, SOJOURN_TOKEN_JTI_TYPE);
}

static void test_optional(void **state)
{
	static const char text[] = "{" ISS "," AUD "," EXP "}";
	struct soj_rules rules = jose_rules;
	struct soj_claims claims;
	const unsigned all =
		SOJ_OPTIONAL_SUB | SOJ_OPTIONAL_JTI | SOJ_OPTIONAL_IAT;

	(void)state;
	for (rules.optional = 0; rules.optional <= all; rules.optional++) {
		const enum sojourn_token_reason reason = soj_claims_check(
			text, strlen(text), &rules, JOSE_NOW_MS, &claims);

		assert_int_equal(reason == SOJOURN_TOKEN_OK,
				 rules.optional == all);
		soj_claims_deinit(&claims);
	}
	rules.optional = 0;
	assert_int_equal(soj_claims_check(CLAIMS, strlen(CLAIMS), &rules,
					  JOSE_NOW_MS, &claims),
			 SOJOURN_TOKEN_OK);
	assert_string_equal(claims.sub, "alice");
	assert_string_equal(claims.jti, "t1");
	assert_int_equal(claims.exp_ms, UINT64_C(1700000060000));
	assert_int_equal(claims.iat_ms, UINT64_C(1700000000000));
	soj_claims_deinit(&claims);
}

/* The ends of the clock and of what a caller may say. */
static void test_now(void **state)
{
	struct soj_rules rules = jose_rules;
	struct soj_claims claims;

	(void)state;
	assert_int_equal(
		soj_claims_check(CLAIMS, strlen(CLAIMS), &rules, 0, &claims),
		SOJOURN_TOKEN_IAT_FUTURE);
	assert_int_equal(soj_claims_check(CLAIMS, strlen(CLAIMS), &rules,
					  UINT64_MAX, &claims),
			 SOJOURN_TOKEN_EXPIRED);
	rules.skew_ms = SOJOURN_TOKEN_SKEW_MS_MAX + 1;
	assert_int_equal(soj_claims_check(CLAIMS, strlen(CLAIMS), &rules,
					  JOSE_NOW_MS, &claims),
			 SOJOURN_TOKEN_INTERNAL);
	seen[SOJOURN_TOKEN_INTERNAL] = true;
	rules.skew_ms = SOJOURN_TOKEN_SKEW_MS_MAX;
	assert_null(soj_rules_error(&rules));
	rules.iss = "";
	assert_non_null(soj_rules_error(&rules));
	rules = jose_rules;
	rules.aud = NULL;
	assert_non_null(soj_rules_error(&rules));
	rules = jose_rules;
	rules.typ = SOJ_TYP_ANY;
	assert_non_null(soj_rules_error(&rules));
	rules = jose_rules;
	rules.token_chars_max = SOJOURN_TOKEN_BYTES_MAX + 1;
	assert_non_null(soj_rules_error(&rules));
}

/* Each reason that needs no segment has been given, and all texts differ. */
static void test_all_seen(void **state)
{
	unsigned count = 0;

	(void)state;
	for (int i = 0; i < 400; i++) {
		const char *name =
			sojourn_token_reason_name((enum sojourn_token_reason)i);

		if (strcmp(name, "unknown") == 0)
			continue;
		count++;
		if (!seen[i])
			fail_msg("no test gives the reason %s", name);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(
				sojourn_token_reason_text(
					(enum sojourn_token_reason)i),
				sojourn_token_reason_text(
					(enum sojourn_token_reason)k));
	}
	assert_int_equal(count, 43);
}

static int make_set(void **state)
{
	(void)state;
	set = jose_set(jose_hs256());
	return 0;
}

static int drop_set(void **state)
{
	(void)state;
	soj_keyset_destroy(set);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_typ),
		cmocka_unit_test(test_kid),
		cmocka_unit_test(test_remembered),
		cmocka_unit_test(test_signature),
		cmocka_unit_test(test_claims_form),
		cmocka_unit_test(test_zero_byte),
		cmocka_unit_test(test_iss_aud),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_optional),
		cmocka_unit_test(test_now),
		cmocka_unit_test(test_all_seen),
	};

	return cmocka_run_group_tests(tests, make_set, drop_set);
}
