/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOKEN_PKEY_H
#define SOJ_TOKEN_PKEY_H

/*
 * Layer 6.  libcrypto's keys out of their numbers.  NULL: they make none, or
 * there is no memory.  What is right with a key is judged by jwk.c.
 */

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "token/alg.h"

#define SOJ_POINT_BYTES_MAX (1 + 2 * 72) /* of P-521, and a few */
#define SOJ_RSA_PARTS       8u           /* n, e, d, p, q, dp, dq, qi */
#define SOJ_RSA_PUBLIC      2u

/* Big-endian.  In memory that OSSL_PARAM_BLD takes for secret, so that its copy
 * is wiped too.  For BN_clear_free(). */
BIGNUM *soj_secret_number(const uint8_t *bytes, size_t count);

/* point: uncompressed, 1 + 2 * field_bytes; d: NULL for a public key. */
EVP_PKEY *soj_pkey_ec(const struct soj_alg *alg, const uint8_t *point,
		      const BIGNUM *d);

/* Those of a public key are the first SOJ_RSA_PUBLIC.  One may be NULL: then
 * there is no key. */
EVP_PKEY *soj_pkey_rsa(BIGNUM *const numbers[SOJ_RSA_PARTS], bool is_private);

#endif /* SOJ_TOKEN_PKEY_H */
