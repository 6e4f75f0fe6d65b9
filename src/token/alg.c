/* SPDX-License-Identifier: MIT */

#include "token/alg.h"

#include <string.h>

#include <sojourn/token.h>

#define HS(bits, n)                                                      \
	{                                                                \
		SOJOURN_TOKEN_HS##bits, SOJ_FAMILY_HS, "HS" #bits,       \
			"SHA" #bits, n, NULL, NULL, 0,                   \
			"the secret of an HS" #bits " key must have " #n \
			" to 512 bytes"                                  \
	}
#define RSA(kind, bits, n)                                                  \
	{                                                                   \
		SOJOURN_TOKEN_##kind##bits, SOJ_FAMILY_##kind, #kind #bits, \
			"SHA" #bits, n, NULL, NULL, 0,                      \
			"a " #kind #bits                                    \
			" key must be an RSA key of 2048 to 8192 bits"      \
	}
#define ES(bits, n, group, crv, field)                                       \
	{                                                                    \
		SOJOURN_TOKEN_ES##bits, SOJ_FAMILY_ES, "ES" #bits,           \
			"SHA" #bits, n, group, crv, field,                   \
			"an ES" #bits " key must be on the named curve " crv \
	}

static const struct soj_alg algs[] = {
	HS(256, 32),
	HS(384, 48),
	HS(512, 64),
	RSA(RS, 256, 32),
	RSA(RS, 384, 48),
	RSA(RS, 512, 64),
	RSA(PS, 256, 32),
	RSA(PS, 384, 48),
	RSA(PS, 512, 64),
	ES(256, 32, "prime256v1", "P-256", 32),
	ES(384, 48, "secp384r1", "P-384", 48),
	ES(512, 64, "secp521r1", "P-521", 66),
	{SOJOURN_TOKEN_EDDSA, SOJ_FAMILY_ED, "EdDSA", NULL, 0, NULL, "Ed25519",
	 32, "an EdDSA key must be an Ed25519 key"},
};

#define ALGS (sizeof(algs) / sizeof(algs[0]))

const struct soj_alg *soj_alg_by_id(enum sojourn_token_alg id)
{
	for (size_t i = 0; i < ALGS; i++)
		if (algs[i].id == id)
			return &algs[i];
	return NULL;
}

const struct soj_alg *soj_alg_by_name(const char *name)
{
	for (size_t i = 0; i < ALGS; i++)
		if (strcmp(algs[i].name, name) == 0)
			return &algs[i];
	return NULL;
}

const struct soj_alg *soj_alg_by_crv(const char *crv)
{
	for (size_t i = 0; i < ALGS; i++)
		if (algs[i].crv != NULL && strcmp(algs[i].crv, crv) == 0)
			return &algs[i];
	return NULL;
}

const struct soj_alg *soj_alg_by_group(const char *group)
{
	for (size_t i = 0; i < ALGS; i++)
		if (algs[i].group != NULL && strcmp(algs[i].group, group) == 0)
			return &algs[i];
	return NULL;
}

const char *sojourn_token_alg_name(enum sojourn_token_alg alg)
{
	const struct soj_alg *found = soj_alg_by_id(alg);

	return found != NULL ? found->name : "unset";
}

enum sojourn_token_alg sojourn_token_alg(const char *name)
{
	const struct soj_alg *found =
		name != NULL ? soj_alg_by_name(name) : NULL;

	return found != NULL ? found->id : SOJOURN_TOKEN_ALG_UNSET;
}
