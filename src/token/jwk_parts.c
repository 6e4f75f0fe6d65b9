/* SPDX-License-Identifier: MIT */

#include "token/jwk_parts.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <string.h>

#include "token/b64.h"

/* The longest value, and what decoding may write beyond it. */
#define PART_BYTES_MAX (SOJ_RSA_BITS_MAX / 8)
#define PART_ROOM      (PART_BYTES_MAX + 8)
#define RSA_PARTS      8u
#define RSA_PUBLIC     2u

static const struct {
	const char *name, *param;
} rsa_parts[RSA_PARTS] = {
	{"n", OSSL_PKEY_PARAM_RSA_N},
	{"e", OSSL_PKEY_PARAM_RSA_E},
	{"d", OSSL_PKEY_PARAM_RSA_D},
	{"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
	{"q", OSSL_PKEY_PARAM_RSA_FACTOR2},
	{"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
	{"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2},
	{"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
};

static bool public_part(const json_t *jwk, const char *name,
			uint8_t out[PART_ROOM], size_t *bytes)
{
	const json_t *member = json_object_get(jwk, name);
	size_t chars = json_string_length(member);

	*bytes = 0;
	return json_is_string(member) && chars > 0 &&
	       chars <= SOJ_B64_CHARS(PART_BYTES_MAX) &&
	       soj_b64_decode(json_string_value(member), chars, out, bytes);
}

static bool secret_part(const json_t *jwk, const struct soj_mask *mask,
			const char *name, uint8_t out[PART_ROOM], size_t *bytes)
{
	const json_t *member = json_object_get(jwk, name);
	const char *value;
	size_t chars;

	*bytes = 0;
	return json_is_string(member) &&
	       soj_mask_value(mask, json_string_value(member),
			      json_string_length(member), &value, &chars) &&
	       soj_b64_decode_secret(value, chars, out, PART_ROOM, bytes);
}

static int read_oct(struct soj_jwk *key, const json_t *jwk,
		    const struct soj_mask *mask, const char **why)
{
	uint8_t secret[PART_ROOM];
	size_t bytes;

	if (!secret_part(jwk, mask, "k", secret, &bytes)) {
		*why = "\"k\" of the JWK is missing, short or not canonical "
		       "base64url";
		return -EINVAL;
	}
	key->secret = OPENSSL_memdup(secret, bytes);
	key->secret_bytes = bytes;
	key->can_sign = true;
	OPENSSL_cleanse(secret, sizeof(secret));
	if (key->secret == NULL) {
		*why = "this process is out of memory";
		return -ENOMEM;
	}
	return 0;
}

static int read_okp(struct soj_jwk *key, const json_t *jwk,
		    const struct soj_mask *mask, const char **why)
{
	const size_t want = key->alg->field_bytes;
	uint8_t x[PART_ROOM], d[PART_ROOM], own[PART_ROOM];
	size_t x_bytes, d_bytes = 0, own_bytes = sizeof(own);

	key->can_sign = json_object_get(jwk, "d") != NULL;
	*why = "\"x\" or \"d\" of the JWK is missing or not 32 bytes of "
	       "canonical base64url";
	if (!public_part(jwk, "x", x, &x_bytes) || x_bytes != want)
		return -EINVAL;
	if (!key->can_sign) {
		key->pkey = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519",
							   NULL, x, want);
		return key->pkey != NULL ? 0 : -EINVAL;
	}
	if (secret_part(jwk, mask, "d", d, &d_bytes) && d_bytes == want)
		key->pkey = EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519",
							    NULL, d, want);
	OPENSSL_cleanse(d, sizeof(d));
	if (key->pkey == NULL)
		return -EINVAL;
	/* libcrypto derives the public part: the one told must be that */
	if (EVP_PKEY_get_raw_public_key(key->pkey, own, &own_bytes) != 1 ||
	    own_bytes != want || memcmp(own, x, want) != 0) {
		*why = "the private part of the key does not fit its public "
		       "part";
		return -EINVAL;
	}
	return 0;
}

static EVP_PKEY *from_params(const char *kind, OSSL_PARAM_BLD *build,
			     bool is_private)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
	EVP_PKEY *pkey = NULL;

	if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &pkey,
			      is_private ? EVP_PKEY_KEYPAIR
					 : EVP_PKEY_PUBLIC_KEY,
			      params) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	return pkey;
}

/* In memory that OSSL_PARAM_BLD takes for secret, so its copy is wiped too. */
static BIGNUM *secret_number(const uint8_t *bytes, size_t count)
{
	BIGNUM *number = BN_secure_new();

	if (number != NULL && BN_bin2bn(bytes, (int)count, number) == NULL) {
		BN_clear_free(number);
		number = NULL;
	}
	return number;
}

/* x and y and, if it is there, d: each exactly as long as the field. */
static bool ec_params(const struct soj_jwk *key, const json_t *jwk,
		      const struct soj_mask *mask, OSSL_PARAM_BLD *build,
		      uint8_t point[1 + 2 * 72], BIGNUM **number)
{
	const size_t field = key->alg->field_bytes;
	uint8_t part[PART_ROOM];
	size_t bytes;
	bool good;

	point[0] = 4; /* uncompressed */
	if (!public_part(jwk, "x", part, &bytes) || bytes != field)
		return false;
	memcpy(point + 1, part, field);
	if (!public_part(jwk, "y", part, &bytes) || bytes != field)
		return false;
	memcpy(point + 1 + field, part, field);
	if (OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME,
					    key->alg->group, 0) != 1 ||
	    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY,
					     point, 1 + 2 * field) != 1)
		return false;
	if (!key->can_sign)
		return true;
	good = secret_part(jwk, mask, "d", part, &bytes) && bytes == field;
	if (good)
		*number = secret_number(part, bytes);
	OPENSSL_cleanse(part, sizeof(part));
	return *number != NULL &&
	       OSSL_PARAM_BLD_push_BN_pad(build, OSSL_PKEY_PARAM_PRIV_KEY,
					  *number, field) == 1;
}

static int read_ec(struct soj_jwk *key, const json_t *jwk,
		   const struct soj_mask *mask, const char **why)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	uint8_t point[1 + 2 * 72];
	BIGNUM *number = NULL;

	key->can_sign = json_object_get(jwk, "d") != NULL;
	*why = "\"x\", \"y\" or \"d\" of the JWK is missing, not canonical "
	       "base64url, not of the curve's length, or no point or scalar of "
	       "the curve";
	if (build != NULL && ec_params(key, jwk, mask, build, point, &number))
		key->pkey = from_params("EC", build, key->can_sign);
	BN_clear_free(number);
	OSSL_PARAM_BLD_free(build);
	return key->pkey != NULL ? 0 : -EINVAL;
}

/* One number of an RSA key: as short as it can be, as RFC 7518 2 wants. */
static BIGNUM *rsa_number(const json_t *jwk, const struct soj_mask *mask,
			  size_t which)
{
	uint8_t part[PART_ROOM];
	BIGNUM *number = NULL;
	size_t bytes;

	if (which < RSA_PUBLIC) {
		if (public_part(jwk, rsa_parts[which].name, part, &bytes) &&
		    part[0] != 0)
			number = BN_bin2bn(part, (int)bytes, NULL);
	} else if (secret_part(jwk, mask, rsa_parts[which].name, part,
			       &bytes) &&
		   bytes <= PART_BYTES_MAX && part[0] != 0) {
		number = secret_number(part, bytes);
	}
	OPENSSL_cleanse(part, sizeof(part));
	return number;
}

static int read_rsa(struct soj_jwk *key, const json_t *jwk,
		    const struct soj_mask *mask, const char **why)
{
	BIGNUM *numbers[RSA_PARTS] = {NULL};
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	size_t count;
	bool good = build != NULL;

	key->can_sign = json_object_get(jwk, "d") != NULL;
	count = key->can_sign ? RSA_PARTS : RSA_PUBLIC;
	*why = "a number of the RSA JWK is missing, longer than 8192 bits, or "
	       "not canonical base64url without leading zeros (a private key "
	       "has n, e, d, p, q, dp, dq, qi)";
	if (json_object_get(jwk, "oth") != NULL) {
		*why = "an RSA key must have two primes";
		good = false;
	}
	for (size_t i = 0; good && i < count; i++) {
		numbers[i] = rsa_number(jwk, mask, i);
		good = numbers[i] != NULL &&
		       OSSL_PARAM_BLD_push_BN(build, rsa_parts[i].param,
					      numbers[i]) == 1;
	}
	if (good)
		key->pkey = from_params("RSA", build, key->can_sign);
	for (size_t i = 0; i < RSA_PARTS; i++)
		BN_clear_free(numbers[i]);
	OSSL_PARAM_BLD_free(build);
	return key->pkey != NULL ? 0 : -EINVAL;
}

int soj_jwk_read_parts(struct soj_jwk *key, const json_t *jwk,
		       const struct soj_mask *mask, const char **why)
{
	switch (key->alg->family) {
	case SOJ_FAMILY_HS:
		return read_oct(key, jwk, mask, why);
	case SOJ_FAMILY_RS:
	case SOJ_FAMILY_PS:
		return read_rsa(key, jwk, mask, why);
	case SOJ_FAMILY_ES:
		return read_ec(key, jwk, mask, why);
	case SOJ_FAMILY_ED:
		return read_okp(key, jwk, mask, why);
	}
	return -EINVAL;
}
