/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_LIB_KEYS_H
#define SOJ_TOOLS_LIB_KEYS_H

/* Keys of access tokens out of files. */

#include <sojourn/token.h>

/* What --alg and token key new take. */
#define SOJ_ALG_HELP \
	"HS256, RS256, PS256, ES256, the same with 384 and 512, or EdDSA"

/*
 * A set out of one file: JWK or JWK Set if it begins with {, PEM if with -----,
 * else the bytes of an HMAC secret; "-" is standard input.  alg, kid: as in
 * struct sojourn_key, with kid as the signing key's if the file is a JWK Set.
 * signs: it must have a key that signs; else it only verifies.
 * 0, or the exit code after having said why.
 */
int soj_keys_read(const char *path, enum sojourn_token_alg alg, const char *kid,
		  bool signs, struct sojourn_keys **keys);

#endif /* SOJ_TOOLS_LIB_KEYS_H */
