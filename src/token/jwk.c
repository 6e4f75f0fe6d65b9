/* SPDX-License-Identifier: MIT */

/* The life of a key, and the rules that every key must keep. */

#include "token/jwk.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "token/sig.h"

static bool kid_char(char c)
{
	if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	    (c >= '0' && c <= '9'))
		return true;
	return c != '\0' && strchr("-._~:/+=@", c) != NULL;
}

/* What passes needs no escape in JSON, in a log or in a shell's word. */
bool soj_kid_valid(const char *kid, size_t chars)
{
	if (chars == 0 || chars > SOJOURN_KID_CHARS_MAX)
		return false;
	for (size_t i = 0; i < chars; i++)
		if (!kid_char(kid[i]))
			return false;
	return true;
}

int soj_jwk_new(enum sojourn_token_alg alg, const char *kid,
		struct soj_jwk **key, const char **why)
{
	const struct soj_alg *found = soj_alg_by_id(alg);

	*key = NULL;
	if (found == NULL) {
		*why = "the algorithm of the key is not said, or is none of "
		       "HS, RS, PS, ES with 256, 384, 512 and EdDSA";
		return -EINVAL;
	}
	if (kid != NULL && *kid != '\0' &&
	    !soj_kid_valid(kid, strnlen(kid, SOJOURN_KID_CHARS_MAX + 1))) {
		*why = "a kid must be 1 to 128 letters, digits or -._~:/+=@";
		return -EINVAL;
	}
	*key = calloc(1, sizeof(**key));
	if (*key == NULL) {
		*why = "this process is out of memory";
		return -ENOMEM;
	}
	(*key)->alg = found;
	if (kid != NULL)
		strcpy((*key)->kid, kid);
	return 0;
}

void soj_jwk_destroy(struct soj_jwk *key)
{
	if (key == NULL)
		return;
	soj_sig_pool_destroy(key);
	EVP_PKEY_free(key->pkey); /* wipes what is private */
	if (key->secret != NULL)
		OPENSSL_clear_free(key->secret, key->secret_bytes);
	free(key);
}

void soj_jwk_list_destroy(struct soj_jwk_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		soj_jwk_destroy(list->keys[i]);
	list->count = 0;
}

static bool on_curve(const struct soj_jwk *key)
{
	char group[64] = "";
	size_t chars = 0;

	return EVP_PKEY_get_base_id(key->pkey) == EVP_PKEY_EC &&
	       EVP_PKEY_get_group_name(key->pkey, group, sizeof(group),
				       &chars) == 1 &&
	       strcmp(group, key->alg->group) == 0;
}

static bool kind_fits(const struct soj_jwk *key)
{
	int bits;

	switch (key->alg->family) {
	case SOJ_FAMILY_HS:
		return key->secret_bytes >= key->alg->hash_bytes &&
		       key->secret_bytes <= SOJ_SECRET_BYTES_MAX;
	case SOJ_FAMILY_RS:
	case SOJ_FAMILY_PS:
		bits = EVP_PKEY_get_bits(key->pkey);
		return EVP_PKEY_get_base_id(key->pkey) == EVP_PKEY_RSA &&
		       bits >= (int)SOJ_RSA_BITS_MIN &&
		       bits <= (int)SOJ_RSA_BITS_MAX;
	case SOJ_FAMILY_ES:
		return on_curve(key);
	case SOJ_FAMILY_ED:
		return EVP_PKEY_get_base_id(key->pkey) == EVP_PKEY_ED25519;
	}
	return false;
}

/* Beyond this, libcrypto's own check is slow or lets things pass. */
static bool rsa_numbers_good(const struct soj_jwk *key)
{
	BIGNUM *n = NULL, *e = NULL;
	bool good;

	good = EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_N, &n) ==
		       1 &&
	       EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_E, &e) ==
		       1 &&
	       BN_is_odd(n) && BN_is_odd(e) && BN_num_bits(e) > 16 &&
	       BN_num_bits(e) <= 64;
	BN_free(n);
	BN_free(e);
	return good;
}

/* Of small order, there are signatures that fit any text.  libcrypto takes any
 * 32 bytes. */
static bool ed_point_good(const struct soj_jwk *key)
{
	uint8_t point[crypto_core_ed25519_BYTES];
	size_t bytes = sizeof(point);

	return EVP_PKEY_get_raw_public_key(key->pkey, point, &bytes) == 1 &&
	       bytes == sizeof(point) &&
	       crypto_core_ed25519_is_valid_point(point) == 1;
}

/* On the curve, not of small order, a proper exponent. */
static bool public_part_good(const struct soj_jwk *key)
{
	EVP_PKEY_CTX *ctx;
	bool good;

	if (key->alg->family == SOJ_FAMILY_HS)
		return true;
	if (key->alg->family == SOJ_FAMILY_ED)
		return ed_point_good(key);
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
	good = ctx != NULL && EVP_PKEY_public_check(ctx) == 1;
	EVP_PKEY_CTX_free(ctx);
	return good;
}

static bool parts_fit(const struct soj_jwk *key)
{
	static const char text[] = "sojourn: does the private part fit?";
	uint8_t sig[SOJ_SIGNATURE_BYTES_MAX];

	return soj_sig_sign(key, text, sizeof(text), sig) == 0 &&
	       soj_sig_verify(key, text, sizeof(text), sig,
			      key->signature_bytes) == 0;
}

static int check(struct soj_jwk *key, const char **why)
{
	if (!kind_fits(key)) {
		*why = key->alg->key_rule;
		return -EINVAL;
	}
	if ((key->alg->family == SOJ_FAMILY_RS ||
	     key->alg->family == SOJ_FAMILY_PS) &&
	    !rsa_numbers_good(key)) {
		*why = "the modulus of an RSA key must be odd, its public "
		       "exponent odd and of 17 to 64 bits (65537 is usual)";
		return -EINVAL;
	}
	if (!public_part_good(key)) {
		*why = "the public part of the key is not valid";
		return -EINVAL;
	}
	if (soj_sig_pool_create(key) != 0) {
		*why = "this process is out of memory";
		return -ENOMEM;
	}
	if (key->can_sign && !parts_fit(key)) {
		*why = "the private part of the key does not fit its public "
		       "part";
		return -EINVAL;
	}
	return 0;
}

int soj_jwk_finish(struct soj_jwk *key, const char **why)
{
	int rc;

	ERR_set_mark();
	rc = check(key, why);
	ERR_pop_to_mark();
	if (rc == 0 && key->kid[0] == '\0' && key->pkey != NULL) {
		rc = soj_jwk_thumbprint(key, key->kid);
		if (rc != 0)
			*why = "this process is out of memory";
	}
	return rc;
}

int soj_jwk_from_raw(enum sojourn_token_alg alg, const char *kid,
		     const void *secret, size_t bytes, struct soj_jwk **out,
		     const char **why)
{
	struct soj_jwk *key;
	int rc;

	*out = NULL;
	rc = soj_jwk_new(alg, kid, &key, why);
	if (rc != 0)
		return rc;
	rc = -EINVAL;
	if (key->alg->family != SOJ_FAMILY_HS) {
		*why = "a raw secret serves HS256, HS384 and HS512 only";
		goto out_destroy;
	}
	/* before it is copied: a length may be anything */
	if (bytes < key->alg->hash_bytes || bytes > SOJ_SECRET_BYTES_MAX) {
		*why = key->alg->key_rule;
		goto out_destroy;
	}
	key->secret = OPENSSL_memdup(secret, bytes);
	key->secret_bytes = bytes;
	if (key->secret == NULL) {
		*why = "this process is out of memory";
		rc = -ENOMEM;
		goto out_destroy;
	}
	key->can_sign = true;
	rc = soj_jwk_finish(key, why);
	if (rc != 0)
		goto out_destroy;
	*out = key;
	return 0;

out_destroy:
	soj_jwk_destroy(key);
	return rc;
}
