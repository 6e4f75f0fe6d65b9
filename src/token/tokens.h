/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOKEN_TOKENS_H
#define SOJ_TOKEN_TOKENS_H

/* Layer 6, between the files about tokens of a segment. */

#include <sojourn/token.h>

#include "session/session.h"
#include "token/claims.h"
#include "token/revoke.h"

#define SOJ_BINDING_BYTES      40u /* of the claim SOJ_CLAIM_ANCHOR */
#define SOJ_VERIFIED_KEY_BYTES 32u

struct sojourn_tokens {
	struct sojourn *s;
	struct sojourn_keys *keys;
	struct sojourn_token_options o; /* but for its strings */
	char *issuer, *audience;
	struct soj_rules rules;
	uint64_t segment_tag;
	/* Of all in rules that decides which tokens pass. */
	uint8_t rules_digest[SOJ_VERIFIED_KEY_BYTES];
};

/* What a token that was verified says; a value of the collection "verified" is
 * the beginning of it, claims_bytes of claims included. */
struct soj_verified {
	uint8_t key[SOJ_VERIFIED_KEY_BYTES];
	uint64_t exp_ms, nbf_ms, iat_ms;
	struct soj_anchor anchor;
	struct soj_marks marks;
	uint64_t claims_bytes;
	char subject[SOJ_SUBJECT_BYTES_MAX + 1];
	uint8_t claims[SOJ_JWS_ROOM + 1];
};

uint64_t soj_tokens_unix_ms(const struct sojourn_tokens *t);
/* What info says of a token that has been judged good. */
void soj_token_tell(const struct soj_verified *v,
		    struct sojourn_token_info *info);
/* -EACCES and its text. */
int soj_token_refused(enum sojourn_token_reason reason);

/* ---- issuing (token.c) ---- */

struct soj_issue {
	const char *subject;
	const char *claims; /* the caller's */
	size_t claims_bytes;
	struct soj_anchor anchor;
	struct soj_marks marks;
	uint64_t ttl_ms, not_before_ms; /* ttl 0: that of the options */
	bool dry; /* everything but the signature: nothing is written */
};

/* access, *bytes: as in sojourn_token_create().  0 or a reported error. */
int soj_token_issue(struct sojourn_tokens *t, const struct soj_issue *issue,
		    char *access, size_t *bytes,
		    struct sojourn_token_info *info);

/* The anchor of a refresh token is the digest under which its family is found.
 * False: no text of a refresh token. */
bool soj_token_family(const struct sojourn_tokens *t, const char *refresh,
		      struct soj_anchor *anchor, struct soj_digest *digest);
struct soj_digest soj_token_digest(const struct soj_anchor *anchor);

/* ---- judging (verify.c) ---- */

/* Signature and claims and whether it is of this segment, by the long way. */
enum sojourn_token_reason soj_token_read(const struct sojourn_tokens *t,
					 const struct soj_rules *rules,
					 const struct soj_keyset *set,
					 const char *token, size_t chars,
					 struct soj_verified *v);

/* ---- tokens that were verified (verified.c) ---- */

void soj_verified_key(const struct sojourn_tokens *t,
		      const struct soj_keyset *set, const char *token,
		      size_t chars, uint8_t key[SOJ_VERIFIED_KEY_BYTES]);
/* v->key says which.  False: not there. */
bool soj_verified_get(struct sojourn_tokens *t, struct soj_verified *v);
/* If there is room. */
void soj_verified_put(struct sojourn_tokens *t, const struct soj_verified *v,
		      uint64_t now_unix_ms);

#endif /* SOJ_TOKEN_TOKENS_H */
