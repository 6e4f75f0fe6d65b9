/* SPDX-License-Identifier: MIT */

/*
 * Keys: every kind is made, written, read back and signs; every rule about keys
 * is broken once and named by its text.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib_jose.h"
#include "token/jwk_mask.h"
#include "token/sig.h"

#define LAST SOJOURN_TOKEN_EDDSA

static const char text[] = "what is signed";

static bool fits(const struct soj_jwk *signing, const struct soj_jwk *verifying)
{
	uint8_t sig[SOJ_SIGNATURE_BYTES_MAX];

	assert_int_equal(soj_sig_sign(signing, text, sizeof(text), sig), 0);
	return soj_sig_verify(verifying, text, sizeof(text), sig,
			      signing->signature_bytes) == 0;
}

static void round_trip_public(const struct soj_jwk *key)
{
	char json[SOJ_JWK_TEXT_MAX];
	struct soj_jwk *back;
	uint8_t sig[SOJ_SIGNATURE_BYTES_MAX];
	size_t bytes;

	if (key->alg->family == SOJ_FAMILY_HS) {
		assert_int_equal(
			soj_jwk_to_json(key, false, json, sizeof(json), &bytes),
			-EINVAL);
		return;
	}
	assert_int_equal(
		soj_jwk_to_json(key, false, json, sizeof(json), &bytes), 0);
	assert_int_equal(bytes, strlen(json));
	assert_null(strstr(json, "\"d\""));
	assert_null(strstr(json, "\"p\""));
	back = jose_jwk(json);
	assert_false(back->can_sign);
	assert_true(fits(key, back));
	assert_int_equal(soj_sig_sign(back, text, 1, sig), -EPERM);
	assert_int_equal(
		soj_jwk_to_json(back, true, json, sizeof(json), &bytes),
		-EINVAL);
	soj_jwk_destroy(back);
}

static void round_trip_pem(const struct soj_jwk *key, bool private_too)
{
	const bool rsa = key->alg->family == SOJ_FAMILY_RS ||
			 key->alg->family == SOJ_FAMILY_PS;
	BIO *bio = BIO_new(BIO_s_mem());
	struct soj_jwk *back;
	const char *why;
	char *pem;
	long bytes;

	if (private_too)
		assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key->pkey,
							       NULL, NULL, 0,
							       NULL, NULL),
				 1);
	else
		assert_int_equal(PEM_write_bio_PUBKEY(bio, key->pkey), 1);
	bytes = BIO_get_mem_data(bio, &pem);
	assert_int_equal(soj_jwk_from_pem(key->alg->id, "pem", pem,
					  (size_t)bytes, &back, &why),
			 0);
	assert_string_equal(back->kid, "pem");
	assert_int_equal(back->can_sign, private_too);
	assert_true(fits(key, back));
	soj_jwk_destroy(back);
	/* EC and Ed25519 keys say their algorithm themselves */
	assert_int_equal(soj_jwk_from_pem(SOJOURN_TOKEN_ALG_UNSET, NULL, pem,
					  (size_t)bytes, &back, &why),
			 rsa ? -EINVAL : 0);
	if (!rsa) {
		assert_ptr_equal(back->alg, key->alg);
		assert_true(fits(key, back));
	}
	soj_jwk_destroy(back);
	/* no other algorithm but those of the same kind of key */
	for (int alg = 1; alg <= LAST; alg++) {
		const int rc =
			soj_jwk_from_pem((enum sojourn_token_alg)alg, NULL, pem,
					 (size_t)bytes, &back, &why);
		const enum soj_family family =
			soj_alg_by_id((enum sojourn_token_alg)alg)->family;

		assert_int_equal(rc == 0,
				 alg == (int)key->alg->id ||
					 (rsa && (family == SOJ_FAMILY_RS ||
						  family == SOJ_FAMILY_PS)));
		soj_jwk_destroy(back);
	}
	BIO_free(bio);
}

static void test_round_trips(void **state)
{
	(void)state;
	for (int alg = 1; alg <= LAST; alg++) {
		char json[SOJ_JWK_TEXT_MAX], again[SOJ_JWK_TEXT_MAX];
		struct soj_jwk *key, *back, *other;
		size_t bytes, again_bytes;

		key = jose_key((enum sojourn_token_alg)alg, NULL);
		other = jose_key((enum sojourn_token_alg)alg, NULL);
		assert_true(key->can_sign);
		assert_string_not_equal(key->kid, other->kid);
		assert_true(fits(key, key));
		assert_false(fits(key, other));
		assert_int_equal(
			soj_jwk_to_json(key, true, json, sizeof(json), &bytes),
			0);
		back = jose_jwk(json);
		assert_true(fits(key, back) && fits(back, key));
		assert_int_equal(soj_jwk_to_json(back, true, again,
						 sizeof(again), &again_bytes),
				 0);
		assert_string_equal(json, again);
		/* one byte short, and enough */
		assert_int_equal(
			soj_jwk_to_json(key, true, again, bytes, &again_bytes),
			-ENOSPC);
		assert_int_equal(again_bytes, bytes);
		assert_int_equal(soj_jwk_to_json(key, true, again, bytes + 1,
						 &again_bytes),
				 0);
		round_trip_public(key);
		if (key->pkey != NULL) {
			round_trip_pem(key, true);
			round_trip_pem(key, false);
		}
		soj_jwk_destroy(key);
		soj_jwk_destroy(back);
		soj_jwk_destroy(other);
	}
}

static void refused_json(enum sojourn_token_alg alg, const char *kid,
			 const char *json, const char *words)
{
	struct soj_jwk_list list = {.count = 0};
	const char *why = NULL;
	const int rc =
		soj_jwk_from_json(alg, kid, json, strlen(json), &list, &why);

	if (rc != -EINVAL || strstr(why, words) == NULL)
		fail_msg("%d, \"%s\", not \"%s\": %s", rc, why, words, json);
	soj_jwk_list_destroy(&list);
}

#define K32        "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s"
#define X          "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define Y          "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define ED_ORDER_1 "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define ED_ORDER_4 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define D          "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"

static const struct {
	const char *json, *words;
} bad_jwks[] = {
	{"x", "not one JSON object"},
	{"[]", "not one JSON object"},
	{"{\"kty\":\"oct\",\"kty\":\"oct\"}", "a name twice"},
	{"{}", "must have \"kty\""},
	{"{\"kty\":7}", "must have \"kty\""},
	{"{\"kty\":\"oct\",\"k\":\"" K32 "\"}", "no \"alg\""},
	{"{\"kty\":\"oct\",\"alg\":\"none\",\"k\":\"" K32 "\"}",
	 "serves no signatures"},
	{"{\"kty\":\"oct\",\"alg\":\"RS256\",\"k\":\"" K32 "\"}",
	 "does not fit its algorithm"},
	{"{\"kty\":\"oct\",\"alg\":\"HS256\"}", "\"k\" of the JWK"},
	{"{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":7}", "\"k\" of the JWK"},
	{"{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"" K32 "=\"}",
	 "\"k\" of the JWK"},
	{"{\"kty\":\"oct\",\"alg\":\"HS256\",\"\\u006b\":\"" K32 "\"}",
	 "\"k\" of the JWK"},
	{"{\"kty\":\"oct\",\"alg\":\"HS256\",\"\\u006b\":"
	 "\"#000000####################################\"}",
	 "\"k\" of the JWK"},
	{"{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"a2tra2tra2tr\"}",
	 "32 to 512 bytes"},
	{"{\"kty\":\"oct\",\"alg\":\"HS384\",\"k\":\"" K32 "\"}",
	 "48 to 512 bytes"},
	{"{\"kty\":\"oct\",\"alg\":\"HS512\",\"k\":\"" K32 "\"}",
	 "64 to 512 bytes"},
	{"{\"kty\":\"oct\",\"alg\":\"HS256\",\"use\":\"enc\",\"k\":"
	 "\"" K32 "\"}",
	 "not for signatures"},
	{"{\"kty\":\"oct\",\"alg\":\"HS256\",\"key_ops\":"
	 "[\"wrapKey\"],\"k\":\"" K32 "\"}",
	 "not for signatures"},
	{"{\"kty\":\"oct\",\"alg\":\"HS256\",\"kid\":\"a b\",\"k\":"
	 "\"" K32 "\"}",
	 "a kid must be"},
	{"{\"kty\":\"oct\",\"alg\":\"HS256\",\"kid\":7,\"k\":\"" K32 "\"}",
	 "\"kid\" of a JWK"},
	{"{\"kty\":\"EC\",\"x\":\"" X "\",\"y\":\"" Y "\"}",
	 "must have \"crv\""},
	{"{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"" X "\",\"y\":\"" Y
	 "\"}",
	 "serves no signatures"},
	{"{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES384\",\"x\":"
	 "\"" X "\",\"y\":\"" Y "\"}",
	 "does not fit its algorithm"},
	{"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" X "\"}",
	 "no point"},
	{"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "AA\",\"y\":\"" Y "\"}",
	 "of the curve"},
	{"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y
	 "\",\"d\":\"" X "\"}",
	 "does not fit its public part"},
	{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" X "\",\"d\":\"" D
	 "\"}",
	 "does not fit its public part"},
	{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}",
	 "not 32 bytes"},
	/* of order 1 and 4: one signature is good for any text */
	{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_ORDER_1 "\"}",
	 "public part"},
	{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_ORDER_4 "\"}",
	 "public part"},
	{"{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" X "\"}",
	 "serves no signatures"},
	{"{\"kty\":\"RSA\",\"alg\":\"RS256\",\"e\":\"AQAB\"}",
	 "a number of the RSA JWK"},
	{"{\"kty\":\"RSA\",\"alg\":\"RS256\",\"e\":\"AQAB\",\"n\":"
	 "\"AAAAAAAB\"}",
	 "a number of the RSA JWK"},
	{"{\"kty\":\"RSA\",\"alg\":\"RS256\",\"e\":\"AQAB\",\"n\":"
	 "\"" X "\"}",
	 "2048 to 8192 bits"},
	{"{\"keys\":7}", "an array of objects"},
	{"{\"keys\":[7]}", "an array of objects"},
	{"{\"keys\":[{}]}", "must have \"kty\""},
};

static void test_jwk_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_jwks) / sizeof(bad_jwks[0]); i++)
		refused_json(SOJOURN_TOKEN_ALG_UNSET, NULL, bad_jwks[i].json,
			     bad_jwks[i].words);
	refused_json(SOJOURN_TOKEN_HS384, NULL,
		     "{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"" K32 "\"}",
		     "another algorithm");
	refused_json(SOJOURN_TOKEN_ALG_UNSET, "k1", "{\"keys\":[]}",
		     "none may be given");
}

static void test_other_rules(void **state)
{
	static const char pem[] = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n"
				  "-----END RSA PRIVATE KEY-----\n";
	char kid[SOJOURN_KID_CHARS_MAX + 2];
	struct soj_jwk *key;
	const char *why;
	uint8_t secret[513] = {1};

	(void)state;
	assert_int_equal(soj_jwk_from_raw(SOJOURN_TOKEN_HS512, "a", secret, 63,
					  &key, &why),
			 -EINVAL);
	assert_int_equal(soj_jwk_from_raw(SOJOURN_TOKEN_HS512, "a", secret, 513,
					  &key, &why),
			 -EINVAL);
	assert_int_equal(soj_jwk_from_raw(SOJOURN_TOKEN_ES256, "a", secret, 64,
					  &key, &why),
			 -EINVAL);
	assert_non_null(strstr(why, "raw secret"));
	assert_int_equal(soj_jwk_from_raw((enum sojourn_token_alg)99, "a",
					  secret, 64, &key, &why),
			 -EINVAL);
	memset(kid, 'k', sizeof(kid));
	kid[SOJOURN_KID_CHARS_MAX] = '\0';
	assert_int_equal(soj_jwk_from_raw(SOJOURN_TOKEN_HS512, kid, secret, 64,
					  &key, &why),
			 0);
	soj_jwk_destroy(key);
	kid[SOJOURN_KID_CHARS_MAX] = 'k';
	kid[SOJOURN_KID_CHARS_MAX + 1] = '\0';
	assert_int_equal(soj_jwk_from_raw(SOJOURN_TOKEN_HS512, kid, secret, 64,
					  &key, &why),
			 -EINVAL);
	assert_int_equal(soj_jwk_from_pem(SOJOURN_TOKEN_RS256, NULL, pem,
					  strlen(pem), &key, &why),
			 -EINVAL);
	assert_non_null(strstr(why, "PKCS #8"));
	assert_int_equal(
		soj_jwk_from_pem(SOJOURN_TOKEN_RS256, NULL, "x", 1, &key, &why),
		-EINVAL);
	assert_int_equal(soj_jwk_from_pem(SOJOURN_TOKEN_HS256, NULL, pem,
					  strlen(pem), &key, &why),
			 -EINVAL);
	assert_int_equal(
		soj_jwk_generate(SOJOURN_TOKEN_RS256, 1024, NULL, &key, &why),
		-EINVAL);
	assert_non_null(strstr(why, "2048 to 8192"));
}

/* Points of small order, as SPKI. */
static void test_small_order_pem(void **state)
{
	static const char *const pems[] = {
		"-----BEGIN PUBLIC KEY-----\n"
		"MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
		"-----END PUBLIC KEY-----\n",
		"-----BEGIN PUBLIC KEY-----\n"
		"MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
		"-----END PUBLIC KEY-----\n",
	};
	struct soj_jwk *key;
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(pems) / sizeof(pems[0]); i++) {
		assert_int_equal(soj_jwk_from_pem(SOJOURN_TOKEN_EDDSA, NULL,
						  pems[i], strlen(pems[i]),
						  &key, &why),
				 -EINVAL);
		assert_non_null(strstr(why, "public part"));
	}
}

/* A key of 1024 bits is refused however it comes. */
static void test_short_rsa(void **state)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	BIO *bio = BIO_new(BIO_s_mem());
	struct soj_jwk *key;
	const char *why;
	char *pem;
	long bytes;

	(void)state;
	assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
	bytes = BIO_get_mem_data(bio, &pem);
	assert_int_equal(soj_jwk_from_pem(SOJOURN_TOKEN_PS256, NULL, pem,
					  (size_t)bytes, &key, &why),
			 -EINVAL);
	assert_non_null(strstr(why, "2048 to 8192"));
	BIO_free(bio);
	EVP_PKEY_free(pkey);
}

/* Exponents 1, 2, 3, 65536 and one of 65 bits. */
static void test_rsa_exponents(void **state)
{
	static const char *const exponents[] = {"AQ", "Ag", "Aw", "AQAA",
						"AQAAAAAAAAAB"};
	struct soj_jwk *key = jose_key(SOJOURN_TOKEN_RS256, "r");
	char json[SOJ_JWK_TEXT_MAX], changed[SOJ_JWK_TEXT_MAX];
	const char *at;
	size_t bytes;

	(void)state;
	assert_int_equal(
		soj_jwk_to_json(key, false, json, sizeof(json), &bytes), 0);
	at = strstr(json, "AQAB");
	assert_non_null(at);
	for (size_t i = 0; i < sizeof(exponents) / sizeof(exponents[0]); i++) {
		snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - json),
			 json, exponents[i], at + 4);
		refused_json(SOJOURN_TOKEN_ALG_UNSET, NULL, changed,
			     "17 to 64 bits");
	}
	soj_jwk_destroy(key);
}

static void test_sets(void **state)
{
	static const char json[] =
		"{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\",\"kid\":\"a\","
		"\"k\":\"" K32 "\"},{\"kty\":\"RSA\",\"use\":\"enc\"},"
		"{\"kty\":\"new\"},{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X
		"\",\"y\":\"" Y "\",\"kid\":\"b\"},{\"kty\":\"oct\",\"alg\":"
		"\"HS256\",\"kid\":\"c\",\"key_ops\":[\"verify\"],\"k\":\"" K32
		"\"}]}";
	struct soj_jwk_list list = {.count = 0};
	struct soj_keyset *set;
	const char *why;

	(void)state;
	assert_int_equal(soj_jwk_from_json(SOJOURN_TOKEN_ALG_UNSET, NULL, json,
					   strlen(json), &list, &why),
			 0);
	assert_int_equal(list.count, 3);
	assert_int_equal(list.left_out, 2);
	assert_int_equal(soj_keyset_build(&list, "x", false, &set, &why),
			 -EINVAL);
	assert_int_equal(soj_keyset_build(&list, "b", false, &set, &why),
			 -EINVAL);
	assert_int_equal(soj_keyset_build(&list, "c", false, &set, &why),
			 -EINVAL);
	assert_int_equal(soj_keyset_build(&list, "a", true, &set, &why),
			 -EINVAL);
	assert_int_equal(list.count, 3);
	assert_int_equal(soj_keyset_build(&list, NULL, false, &set, &why), 0);
	assert_int_equal(list.count, 0);
	assert_ptr_equal(set->signing, set->keys[0]);
	assert_ptr_equal(soj_keyset_find(set, "b", 1), set->keys[1]);
	assert_null(soj_keyset_find(set, "", 0));
	soj_keyset_destroy(set);
}

static void test_set_rules(void **state)
{
	struct soj_jwk_list list = {.count = 0};
	struct soj_keyset *set;
	const char *why;

	(void)state;
	assert_int_equal(soj_keyset_build(&list, NULL, true, &set, &why),
			 -EINVAL);
	list.keys[0] = jose_key(SOJOURN_TOKEN_HS256, "a");
	list.keys[1] = jose_key(SOJOURN_TOKEN_EDDSA, "a");
	list.count = 2;
	assert_int_equal(soj_keyset_build(&list, "a", false, &set, &why),
			 -EINVAL);
	assert_non_null(strstr(why, "same kid"));
	strcpy(list.keys[1]->kid, "b");
	assert_int_equal(soj_keyset_build(&list, NULL, false, &set, &why),
			 -EINVAL);
	assert_non_null(strstr(why, "several keys could sign"));
	list.keys[0]->kid[0] = '\0';
	assert_int_equal(soj_keyset_build(&list, "b", false, &set, &why),
			 -EINVAL);
	assert_non_null(strstr(why, "without kid"));
	soj_jwk_list_destroy(&list);
}

/* Nothing of a secret is in what the JSON parser gets. */
static void test_mask(void **state)
{
	static const char json[] =
		"{ \"d\" : \"secretsecret\", \"p\":\"topsecret1\",\n"
		"\"x\":\"d\", \"k\":[\"dontcare\"], \"a\\\"d\":\"dd\", "
		"\"dp\":\"short\", \"q\":\"an\\\"escape\"}";
	struct soj_mask mask;
	const char *value;
	char copy[sizeof(json)];
	size_t chars;

	(void)state;
	strcpy(copy, json);
	soj_mask_apply(&mask, json, copy, strlen(json));
	assert_int_equal(mask.count, 3);
	assert_int_equal(strlen(copy), strlen(json));
	assert_null(strstr(copy, "secret"));
	assert_null(strstr(copy, "escape"));
	assert_non_null(strstr(copy, "\"d\" : \"#000000#####\""));
	assert_true(soj_mask_value(&mask, "#000000#####", 12, &value, &chars));
	assert_memory_equal(value, "secretsecret", 12);
	assert_false(soj_mask_value(&mask, "#000000####", 11, &value, &chars));
	assert_false(soj_mask_value(&mask, "#000003#####", 12, &value, &chars));
	assert_false(soj_mask_value(&mask, "secretsecret", 12, &value, &chars));
	assert_false(soj_mask_value(&mask, "short", 5, &value, &chars));
}

static void test_public_calls(void **state)
{
	struct sojourn_key sources[2] = {{.form = SOJOURN_KEY_JWK},
					 {.form = SOJOURN_KEY_RAW}};
	char json[SOJ_JWK_TEXT_MAX], jwks[1024];
	size_t bytes = 3, need;
	struct sojourn_keys *keys;

	(void)state;
	assert_int_equal(sojourn_key_generate(SOJOURN_TOKEN_ES256, 0, "new",
					      json, &bytes),
			 -ENOSPC);
	/* room for the secret, but not for all */
	memset(json, 'j', sizeof(json));
	bytes = 210;
	assert_int_equal(sojourn_key_generate(SOJOURN_TOKEN_ES256, 0, "new",
					      json, &bytes),
			 -ENOSPC);
	assert_true(bytes >= 210);
	for (size_t i = 0; i < sizeof(json); i++)
		assert_int_equal(json[i], i < 210 ? 0 : 'j');
	bytes = sizeof(json);
	assert_int_equal(sojourn_key_generate(SOJOURN_TOKEN_ES256, 0, "new",
					      json, &bytes),
			 0);
	assert_int_equal(bytes, strlen(json));
	sources[0].text = json;
	sources[0].text_bytes = bytes;
	sources[1].alg = SOJOURN_TOKEN_HS256;
	sources[1].kid = "old";
	sources[1].text = K32;
	sources[1].text_bytes = strlen(K32);
	assert_int_equal(sojourn_keys_create(sources, 2, "new", false, &keys),
			 0);
	need = 0;
	assert_int_equal(sojourn_keys_public(keys, NULL, &need), -ENOSPC);
	bytes = need + 1;
	assert_true(bytes <= sizeof(jwks));
	assert_int_equal(sojourn_keys_public(keys, jwks, &bytes), 0);
	assert_int_equal(bytes, need);
	assert_int_equal(bytes, strlen(jwks));
	/* the secret one is not in it */
	assert_null(strstr(jwks, "oct"));
	assert_null(strstr(jwks, "\"d\""));
	sojourn_keys_destroy(keys);
	sources[0].alg = SOJOURN_TOKEN_ALG_UNSET;
	sources[0].text = jwks;
	sources[0].text_bytes = bytes;
	assert_int_equal(sojourn_keys_create(sources, 1, NULL, true, &keys), 0);
	sojourn_keys_destroy(keys);
	assert_int_equal(sojourn_keys_create(sources, 1, NULL, false, &keys),
			 -EINVAL);
	assert_int_equal(sojourn_token_alg("PS384"), SOJOURN_TOKEN_PS384);
	assert_int_equal(sojourn_token_alg("none"), SOJOURN_TOKEN_ALG_UNSET);
	assert_string_equal(sojourn_token_alg_name(SOJOURN_TOKEN_EDDSA),
			    "EdDSA");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_jwk_rules),
		cmocka_unit_test(test_other_rules),
		cmocka_unit_test(test_small_order_pem),
		cmocka_unit_test(test_short_rsa),
		cmocka_unit_test(test_rsa_exponents),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_set_rules),
		cmocka_unit_test(test_mask),
		cmocka_unit_test(test_public_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
