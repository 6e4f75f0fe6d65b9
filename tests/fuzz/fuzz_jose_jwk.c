/* SPDX-License-Identifier: MIT */

/*
 * Key texts: JWK, JWK Set, PEM and raw.  A key that is taken keeps its rules,
 * signs what it verifies, and is written and read back as the same key.
 */

#include <stdlib.h>
#include <string.h>

#include "lib_jose.h"
#include "token/jwk.h"
#include "token/jwk_mask.h"
#include "token/sig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/*
 * libcrypto's check of an RSA modulus is a Miller-Rabin test with random bases,
 * which may hit a small factor.  Then it refuses a modulus that it has taken
 * before and that is none of a proper key; so a second try is allowed.
 */
static bool read_again(const char *json, size_t bytes,
		       struct soj_jwk_list *list)
{
	const char *why;

	for (int i = 0; i < 8; i++)
		if (soj_jwk_from_json(SOJOURN_TOKEN_ALG_UNSET, NULL, json,
				      bytes, list, &why) == 0)
			return true;
	return false;
}

static void check_key(const struct soj_jwk *key)
{
	char json[SOJ_JWK_TEXT_MAX], again[SOJ_JWK_TEXT_MAX];
	const bool secret = key->alg->family == SOJ_FAMILY_HS;
	const bool private_too = secret || key->can_sign;
	struct soj_jwk_list list = {.count = 0};
	size_t bytes, more;

	MUST(key->kid[0] == '\0' || soj_kid_valid(key->kid, strlen(key->kid)));
	MUST(soj_jwk_to_json(key, private_too, json, sizeof(json), &bytes) ==
	     0);
	MUST(read_again(json, bytes, &list));
	MUST(list.count == 1);
	MUST(soj_jwk_to_json(list.keys[0], private_too, again, sizeof(again),
			     &more) == 0);
	MUST(more == bytes && memcmp(json, again, bytes) == 0);
	soj_jwk_list_destroy(&list);
}

static void check_mask(const char *text, size_t bytes)
{
	struct soj_mask *mask = malloc(sizeof(*mask));
	char *copy = malloc(bytes + 1);

	memcpy(copy, text, bytes);
	soj_mask_apply(mask, text, copy, bytes);
	for (size_t i = 0; i < mask->count; i++) {
		const char *value;
		size_t chars;

		MUST(mask->values[i].at + mask->values[i].chars <= bytes);
		MUST(soj_mask_value(mask, copy + mask->values[i].at,
				    mask->values[i].chars, &value, &chars));
		MUST(value == text + mask->values[i].at);
		MUST(chars == mask->values[i].chars);
	}
	free(copy);
	free(mask);
}

static void check_set(struct soj_jwk_list *list)
{
	struct soj_keyset *set;
	const char *why;

	if (soj_keyset_build(list, NULL, true, &set, &why) == 0)
		soj_keyset_destroy(set);
	soj_jwk_list_destroy(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	const char *text = (const char *)data;
	struct soj_jwk_list list = {.count = 0};
	struct soj_jwk *key;
	const char *why = NULL;

	check_mask(text, bytes);
	if (soj_jwk_from_json(SOJOURN_TOKEN_ALG_UNSET, NULL, text, bytes, &list,
			      &why) != 0)
		MUST(why != NULL);
	for (size_t i = 0; i < list.count; i++)
		check_key(list.keys[i]);
	check_set(&list);

	for (int alg = SOJOURN_TOKEN_HS256; alg <= SOJOURN_TOKEN_EDDSA;
	     alg += 3) {
		if (soj_jwk_from_pem((enum sojourn_token_alg)alg, NULL, text,
				     bytes, &key, &why) == 0)
			check_key(key);
		soj_jwk_destroy(key);
	}
	if (soj_jwk_from_raw(SOJOURN_TOKEN_HS256, "raw", data, bytes, &key,
			     &why) == 0)
		check_key(key);
	soj_jwk_destroy(key);
	return 0;
}
