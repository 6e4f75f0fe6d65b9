/* SPDX-License-Identifier: MIT */

/* New keys. */

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/secret.h"
#include "token/b64.h"
#include "token/jwk.h"

#define RSA_BITS_DEFAULT 3072u
#define KID_BYTES        16u

static int generate_secret(struct soj_jwk *key)
{
	const size_t bytes = key->alg->hash_bytes;

	if (soj_secret_init() != 0)
		return -EIO;
	key->secret = OPENSSL_malloc(bytes);
	if (key->secret == NULL)
		return -ENOMEM;
	key->secret_bytes = bytes;
	soj_random(key->secret, bytes);
	/* a digest of the secret as its name would tell that two are equal */
	if (key->kid[0] == '\0') {
		uint8_t random[KID_BYTES];

		soj_random(random, sizeof(random));
		key->kid[soj_b64_encode(random, sizeof(random), key->kid)] =
			'\0';
	}
	return 0;
}

static int generate(struct soj_jwk *key, unsigned rsa_bits)
{
	switch (key->alg->family) {
	case SOJ_FAMILY_HS:
		return generate_secret(key);
	case SOJ_FAMILY_RS:
	case SOJ_FAMILY_PS:
		key->pkey =
			EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)rsa_bits);
		break;
	case SOJ_FAMILY_ES:
		key->pkey =
			EVP_PKEY_Q_keygen(NULL, NULL, "EC", key->alg->group);
		break;
	case SOJ_FAMILY_ED:
		key->pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		break;
	}
	return key->pkey != NULL ? 0 : -EIO;
}

int soj_jwk_generate(enum sojourn_token_alg alg, unsigned rsa_bits,
		     const char *kid, struct soj_jwk **out, const char **why)
{
	struct soj_jwk *key;
	int rc;

	*out = NULL;
	rc = soj_jwk_new(alg, kid, &key, why);
	if (rc != 0)
		return rc;
	if (rsa_bits == 0)
		rsa_bits = RSA_BITS_DEFAULT;
	if ((key->alg->family == SOJ_FAMILY_RS ||
	     key->alg->family == SOJ_FAMILY_PS) &&
	    (rsa_bits < SOJ_RSA_BITS_MIN || rsa_bits > SOJ_RSA_BITS_MAX)) {
		*why = key->alg->key_rule;
		rc = -EINVAL;
		goto out_destroy;
	}
	ERR_set_mark();
	rc = generate(key, rsa_bits);
	ERR_pop_to_mark();
	if (rc != 0) {
		*why = "libcrypto could not make a key";
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
