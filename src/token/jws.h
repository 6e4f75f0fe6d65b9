/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOKEN_JWS_H
#define SOJ_TOKEN_JWS_H

/*
 * Layer 6.  Compact JWS (RFC 7515 section 3.1): header, payload and signature
 * as base64url with two dots between.
 *
 * A header is judged by JSON, never by looking for texts in it.  Two short cuts
 * leave out what has been judged already, and only that: a header that is byte
 * for byte what the set itself writes for one of its keys, and one that is byte
 * for byte the last good one that this thread met with this set.  tests/fuzz
 * holds the ways together.
 *
 * Nothing here allocates but jansson for a header that is not such, so memory
 * is bounded by the token's limit.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "token/b64.h"
#include "token/keyset.h"

/* Room for what is decoded out of one token. */
#define SOJ_JWS_ROOM SOJ_B64_BYTES(SOJOURN_TOKEN_BYTES_MAX)

enum soj_typ {
	SOJ_TYP_ACCESS = 0, /* at+jwt, application/at+jwt (RFC 9068 4) */
	SOJ_TYP_JWT = 1,    /* and JWT, application/jwt, or no typ */
	SOJ_TYP_ANY = 2,    /* whatever: plain JWS, for test vectors */
};

/*
 * Signs with the set's key.  token gets the text and a NUL; *chars its length
 * without NUL, also on -ENOSPC, where *chars + 1 would do.  0, -EPERM (the set
 * only verifies), -ENOSPC, -EMSGSIZE (longer than SOJOURN_TOKEN_BYTES_MAX),
 * -ENOMEM.
 */
int soj_jws_sign(const struct soj_keyset *set, const void *payload,
		 size_t bytes, char *token, size_t token_room, size_t *chars);

/*
 * Verifies the signature.  room gets the payload, *bytes its length, *key the
 * key, but only if the result is SOJOURN_TOKEN_OK; else room is of no use.
 * chars_max: at most SOJOURN_TOKEN_BYTES_MAX.
 */
enum sojourn_token_reason
soj_jws_verify(const struct soj_keyset *set, enum soj_typ typ, size_t chars_max,
	       const char *token, size_t chars, uint8_t room[SOJ_JWS_ROOM],
	       size_t *bytes, const struct soj_jwk **key);

/* The key for a header, found by its JSON: the long way (jws_header.c). */
enum sojourn_token_reason soj_jws_header(const struct soj_keyset *set,
					 enum soj_typ typ, const char *header,
					 size_t chars,
					 uint8_t room[SOJ_JWS_ROOM],
					 const struct soj_jwk **key);

#endif /* SOJ_TOKEN_JWS_H */
