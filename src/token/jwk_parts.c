/* SPDX-License-Identifier: MIT */

#include "token/jwk_parts.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "token/b64.h"
#include "token/pkey.h"

/* The longest value, and what decoding may write beyond it. */
#define PART_BYTES_MAX (SOJ_RSA_BITS_MAX / 8)
#define PART_ROOM      (PART_BYTES_MAX + 8)

static const char *const rsa_parts[SOJ_RSA_PARTS] = {"n", "e",  "d",  "p",
						     "q", "dp", "dq", "qi"};

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

/* x and y and, if it is there, d: each exactly as long as the field. */
static bool ec_parts(const struct soj_jwk *key, const json_t *jwk,
		     const struct soj_mask *mask,
		     uint8_t point[SOJ_POINT_BYTES_MAX], BIGNUM **number)
{
	const size_t field = key->alg->field_bytes;
	uint8_t part[PART_ROOM];
	size_t bytes;

	point[0] = 4; /* uncompressed */
	if (!public_part(jwk, "x", part, &bytes) || bytes != field)
		return false;
	memcpy(point + 1, part, field);
	if (!public_part(jwk, "y", part, &bytes) || bytes != field)
		return false;
	memcpy(point + 1 + field, part, field);
	if (!key->can_sign)
		return true;
	if (secret_part(jwk, mask, "d", part, &bytes) && bytes == field)
		*number = soj_secret_number(part, bytes);
	OPENSSL_cleanse(part, sizeof(part));
	return *number != NULL;
}

static int read_ec(struct soj_jwk *key, const json_t *jwk,
		   const struct soj_mask *mask, const char **why)
{
	uint8_t point[SOJ_POINT_BYTES_MAX];
	BIGNUM *number = NULL;

	key->can_sign = json_object_get(jwk, "d") != NULL;
	*why = "\"x\", \"y\" or \"d\" of the JWK is missing, not canonical "
	       "base64url, not of the curve's length, or no point or scalar of "
	       "the curve";
	if (ec_parts(key, jwk, mask, point, &number))
		key->pkey = soj_pkey_ec(key->alg, point, number);
	BN_clear_free(number);
	return key->pkey != NULL ? 0 : -EINVAL;
}

/* One number of an RSA key: as short as it can be, as RFC 7518 2 wants. */
static BIGNUM *rsa_number(const json_t *jwk, const struct soj_mask *mask,
			  size_t which)
{
	uint8_t part[PART_ROOM];
	BIGNUM *number = NULL;
	size_t bytes;

	if (which < SOJ_RSA_PUBLIC) {
		if (public_part(jwk, rsa_parts[which], part, &bytes) &&
		    part[0] != 0)
			number = BN_bin2bn(part, (int)bytes, NULL);
	} else if (secret_part(jwk, mask, rsa_parts[which], part, &bytes) &&
		   bytes <= PART_BYTES_MAX && part[0] != 0) {
		number = soj_secret_number(part, bytes);
	}
	OPENSSL_cleanse(part, sizeof(part));
	return number;
}

static int read_rsa(struct soj_jwk *key, const json_t *jwk,
		    const struct soj_mask *mask, const char **why)
{
	BIGNUM *numbers[SOJ_RSA_PARTS] = {NULL};
	size_t count;

	key->can_sign = json_object_get(jwk, "d") != NULL;
	count = key->can_sign ? SOJ_RSA_PARTS : SOJ_RSA_PUBLIC;
	if (json_object_get(jwk, "oth") != NULL) {
		*why = "an RSA key must have two primes";
		return -EINVAL;
	}
	*why = "a number of the RSA JWK is missing, longer than 8192 bits, or "
	       "not canonical base64url without leading zeros (a private key "
	       "has n, e, d, p, q, dp, dq, qi)";
	for (size_t i = 0; i < count; i++)
		numbers[i] = rsa_number(jwk, mask, i);
	key->pkey = soj_pkey_rsa(numbers, key->can_sign);
	for (size_t i = 0; i < SOJ_RSA_PARTS; i++)
		BN_clear_free(numbers[i]);
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
