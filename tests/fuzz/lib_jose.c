/* SPDX-License-Identifier: MIT */

#include "lib_jose.h"

#include <string.h>

const struct soj_rules fuzz_rules = {
	.iss = "i",
	.aud = "a",
	.skew_ms = 5000,
	.typ = SOJ_TYP_JWT,
};

/* The public keys are those of RFC 7515 A.3 and RFC 8037 A.1. */
static const char jwks[] =
	"{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\",\"kid\":\"k1\",\"k\":"
	"\"a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s\"},"
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"k2\","
	"\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},"
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"k3\","
	"\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";

static struct soj_keyset *build(size_t count)
{
	struct soj_jwk_list list = {.count = 0};
	struct soj_keyset *set;
	const char *why;

	MUST(soj_jwk_from_json(SOJOURN_TOKEN_ALG_UNSET, NULL, jwks,
			       strlen(jwks), &list, &why) == 0);
	while (list.count > count)
		soj_jwk_destroy(list.keys[--list.count]);
	MUST(soj_keyset_build(&list, "k1", false, &set, &why) == 0);
	return set;
}

const struct soj_keyset *fuzz_set(void)
{
	static struct soj_keyset *set;

	if (set == NULL)
		set = build(3);
	return set;
}

const struct soj_keyset *fuzz_single(void)
{
	static struct soj_keyset *set;

	if (set == NULL)
		set = build(1);
	return set;
}
