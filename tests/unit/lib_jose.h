/* SPDX-License-Identifier: MIT */
#ifndef LIB_JOSE_H
#define LIB_JOSE_H

/* Keys, sets and tokens for the tests of src/token, and the world in which
 * these tokens are good: issuer, audience, time. */

#include <stddef.h>
#include <stdint.h>

#include "token/claims.h"

#define JOSE_ISS    "https://id.example"
#define JOSE_AUD    "api.example"
#define JOSE_NOW_S  1700000000
#define JOSE_NOW_MS (JOSE_NOW_S * UINT64_C(1000))

extern const struct soj_rules jose_rules;

/* A set of one key that signs; fails the test if that does not work. */
struct soj_keyset *jose_set(struct soj_jwk *key);
/* A new key; RSA ones have 2048 bits. */
struct soj_jwk *jose_key(enum sojourn_token_alg alg, const char *kid);
/* The only key of a text. */
struct soj_jwk *jose_jwk(const char *text);
/* 32 bytes of 'k', kid "k1". */
struct soj_jwk *jose_hs256(void);

/* base64url of a text, in one of a few static buffers. */
const char *jose_b64(const char *text);
/* A token of header and claims as they are, signed by the key. */
const char *jose_token(const struct soj_jwk *key, const char *header,
		       const char *claims);

/* Judged in the world of these tests. */
enum sojourn_token_reason jose_check(const struct soj_keyset *set,
				     const char *token);

#endif /* LIB_JOSE_H */
