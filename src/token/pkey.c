/* SPDX-License-Identifier: MIT */

#include "token/pkey.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

static const char *const rsa_params[SOJ_RSA_PARTS] = {
	OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
	OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
	OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
	OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
};

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

BIGNUM *soj_secret_number(const uint8_t *bytes, size_t count)
{
	BIGNUM *number = BN_secure_new();

	if (number != NULL && BN_bin2bn(bytes, (int)count, number) == NULL) {
		BN_clear_free(number);
		number = NULL;
	}
	return number;
}

EVP_PKEY *soj_pkey_ec(const struct soj_alg *alg, const uint8_t *point,
		      const BIGNUM *d)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY *pkey = NULL;

	if (build != NULL &&
	    OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME,
					    alg->group, 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY,
					     point,
					     1 + 2 * alg->field_bytes) == 1 &&
	    (d == NULL ||
	     OSSL_PARAM_BLD_push_BN_pad(build, OSSL_PKEY_PARAM_PRIV_KEY, d,
					alg->field_bytes) == 1))
		pkey = from_params("EC", build, d != NULL);
	OSSL_PARAM_BLD_free(build);
	return pkey;
}

EVP_PKEY *soj_pkey_rsa(BIGNUM *const numbers[SOJ_RSA_PARTS], bool is_private)
{
	const size_t count = is_private ? SOJ_RSA_PARTS : SOJ_RSA_PUBLIC;
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY *pkey = NULL;
	bool good = build != NULL;

	for (size_t i = 0; good && i < count; i++)
		good = numbers[i] != NULL &&
		       OSSL_PARAM_BLD_push_BN(build, rsa_params[i],
					      numbers[i]) == 1;
	if (good)
		pkey = from_params("RSA", build, is_private);
	OSSL_PARAM_BLD_free(build);
	return pkey;
}
