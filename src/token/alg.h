/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOKEN_ALG_H
#define SOJ_TOKEN_ALG_H

/* Layer 6.  The table of algorithms: what RFC 7518 and RFC 8037 say of each. */

#include <stddef.h>

#include <sojourn/token.h>

enum soj_family {
	SOJ_FAMILY_HS, /* HMAC */
	SOJ_FAMILY_RS, /* RSASSA-PKCS1-v1_5 */
	SOJ_FAMILY_PS, /* RSASSA-PSS */
	SOJ_FAMILY_ES, /* ECDSA */
	SOJ_FAMILY_ED, /* Ed25519 */
};

#define SOJ_RSA_BITS_MIN        2048u
#define SOJ_RSA_BITS_MAX        8192u
#define SOJ_SECRET_BYTES_MAX    512u
#define SOJ_SIGNATURE_BYTES_MAX (SOJ_RSA_BITS_MAX / 8)

struct soj_alg {
	enum sojourn_token_alg id;
	enum soj_family family;
	const char *name;
	const char *md;       /* libcrypto's name of the hash; NULL: Ed25519 */
	size_t hash_bytes;    /* also the least length of an HMAC secret */
	const char *group;    /* libcrypto's name of the curve; ES only */
	const char *crv;      /* the same in JWK; ES and EdDSA */
	size_t field_bytes;   /* of a coordinate; ES and EdDSA */
	const char *key_rule; /* what a key must be */
};

/* NULL if there is none. */
const struct soj_alg *soj_alg_by_id(enum sojourn_token_alg id);
const struct soj_alg *soj_alg_by_name(const char *name);
const struct soj_alg *soj_alg_by_crv(const char *crv);
const struct soj_alg *soj_alg_by_group(const char *group);

#endif /* SOJ_TOKEN_ALG_H */
