/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOKEN_JWK_H
#define SOJ_TOKEN_JWK_H

/*
 * Layer 6.  One key: its algorithm, its kid, and libcrypto's objects.
 *
 * A key is immutable once made and may be used by any number of threads; only
 * its pool of contexts changes (sig.c).  Secrets lie in the key and in contexts
 * that belong to the key, nowhere else, and are wiped with it.
 *
 * Functions return 0, -ENOMEM or -EINVAL.  *why then is a static text that
 * names the rule and holds nothing of the key.
 */

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "token/alg.h"

#define SOJ_THUMBPRINT_CHARS 43u   /* base64url of SHA-256 */
#define SOJ_JWK_TEXT_MAX     8192u /* private RSA, 8192 bits: 6.3 KiB */

struct soj_sig_pool;

struct soj_jwk {
	const struct soj_alg *alg;
	bool can_sign;
	char kid[SOJOURN_KID_CHARS_MAX + 1]; /* "" if it has none */
	EVP_PKEY *pkey;                      /* NULL: HMAC */
	uint8_t *secret;                     /* NULL: not HMAC */
	size_t secret_bytes;
	size_t signature_bytes;
	EVP_MD *md;                /* NULL: Ed25519 */
	struct soj_sig_pool *pool; /* sig.c */
};

/* Several keys out of one text. */
struct soj_jwk_list {
	struct soj_jwk *keys[SOJOURN_KEYS_MAX];
	size_t count;
	size_t left_out; /* not for signatures, or of an unknown kind */
};

/* kid: NULL or "" for none. */
int soj_jwk_from_raw(enum sojourn_token_alg alg, const char *kid,
		     const void *secret, size_t bytes, struct soj_jwk **key,
		     const char **why);
/* kid: NULL for the thumbprint. */
int soj_jwk_from_pem(enum sojourn_token_alg alg, const char *kid,
		     const char *text, size_t bytes, struct soj_jwk **key,
		     const char **why);
/* One JWK or a JWK Set: adds to *list, which the caller destroys in any case.
 * alg, kid: as in <sojourn/token.h>. */
int soj_jwk_from_json(enum sojourn_token_alg alg, const char *kid,
		      const char *text, size_t bytes, struct soj_jwk_list *list,
		      const char **why);
/* kid: NULL for the thumbprint, or for HMAC a random one. */
int soj_jwk_generate(enum sojourn_token_alg alg, unsigned rsa_bits,
		     const char *kid, struct soj_jwk **key, const char **why);

/* Wipes; NULL is fine. */
void soj_jwk_destroy(struct soj_jwk *key);
void soj_jwk_list_destroy(struct soj_jwk_list *list);

/*
 * JSON text of the key and a NUL; with what signs only if that is asked for.
 * An HMAC key has no public part: -EINVAL.  *bytes as in sojourn_keys_public().
 * The caller wipes buf.
 */
int soj_jwk_to_json(const struct soj_jwk *key, bool private_too, char *buf,
		    size_t buf_bytes, size_t *bytes);
/* RFC 7638, SHA-256. */
int soj_jwk_thumbprint(const struct soj_jwk *key,
		       char text[SOJ_THUMBPRINT_CHARS + 1]);

bool soj_kid_valid(const char *kid, size_t chars);

/* ---- for the makers of keys (jwk*.c, keygen.c) ---- */

/* An empty key of that algorithm. */
int soj_jwk_new(enum sojourn_token_alg alg, const char *kid,
		struct soj_jwk **key, const char **why);
/* The last step, with secret or pkey and can_sign in place: every rule about
 * keys is checked here, and a private key must fit its public part. */
int soj_jwk_finish(struct soj_jwk *key, const char **why);

#endif /* SOJ_TOKEN_JWK_H */
