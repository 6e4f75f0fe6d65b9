/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOKEN_SIG_H
#define SOJ_TOKEN_SIG_H

/*
 * Layer 6.  Signatures as JWS has them: over bytes, by one key, in the format
 * of RFC 7518 (ECDSA: r and s of fixed length, one after the other).
 *
 * Contexts are prepared once for each key and thread and then used again:
 * making one costs more than an HMAC over a token.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "token/jwk.h"

/* 0 or -ENOMEM; the key must have its secret or pkey. */
int soj_sig_pool_create(struct soj_jwk *key);
void soj_sig_pool_destroy(struct soj_jwk *key);

/* sig: key->signature_bytes.  0, -EPERM (the key cannot sign), -ENOMEM, -EIO
 * (libcrypto failed). */
int soj_sig_sign(const struct soj_jwk *key, const void *data, size_t bytes,
		 uint8_t *sig);

/* 0; -EBADMSG: the signature does not fit, or is not key->signature_bytes long;
 * -ENOMEM, -EIO.  Without memory RSA and EdDSA may say -EBADMSG, too, as
 * libcrypto does.  In constant time for HMAC. */
int soj_sig_verify(const struct soj_jwk *key, const void *data, size_t bytes,
		   const uint8_t *sig, size_t sig_bytes);

#endif /* SOJ_TOKEN_SIG_H */
