/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOKEN_JWK_PARTS_H
#define SOJ_TOKEN_JWK_PARTS_H

/* Layer 6.  The numbers in a JWK (RFC 7518 section 6, RFC 8037 section 2). */

#include <jansson.h>

#include "token/jwk.h"
#include "token/jwk_mask.h"

/* Sets secret or pkey, and can_sign, of a key from soj_jwk_new(). */
int soj_jwk_read_parts(struct soj_jwk *key, const json_t *jwk,
		       const struct soj_mask *mask, const char **why);

#endif /* SOJ_TOKEN_JWK_PARTS_H */
