/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOKEN_CLAIMS_H
#define SOJ_TOKEN_CLAIMS_H

/*
 * Layer 6.  Claims: making the object that is signed, and judging one whose
 * signature is good (RFC 7519 section 4.1, RFC 9068 sections 2.2 and 4).
 *
 * Times are Unix milliseconds that the caller gives: no clock is read here.  In
 * a token they are NumericDates, seconds that may have decimals; these are read
 * to the nearest millisecond and must lie in the years 1970 to 9999.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "token/jws.h"

#define SOJ_DATE_S_MAX INT64_C(253402300799) /* the end of the year 9999 */

/* Claims that RFC 9068 demands and other issuers may leave out. */
enum {
	SOJ_OPTIONAL_SUB = 1,
	SOJ_OPTIONAL_JTI = 2,
	SOJ_OPTIONAL_IAT = 4,
};

/* For who only asks whose a token was: its times are not compared with now. */
#define SOJ_UNTIMED 8

/* What a token must satisfy.  Zero is the strictest for what may be zero. */
struct soj_rules {
	const char *iss;          /* exactly that */
	const char *aud;          /* must be, or be among, the token's */
	uint32_t skew_ms;         /* 0 to SOJOURN_TOKEN_SKEW_MS_MAX */
	uint32_t token_chars_max; /* 0: SOJOURN_TOKEN_BYTES */
	unsigned optional;        /* SOJ_OPTIONAL_..., SOJ_UNTIMED */
	enum soj_typ typ;
};

/* What a good token says.  The strings live as long as json. */
struct soj_claims {
	json_t *json;                    /* all of it */
	const char *sub, *jti;           /* NULL only if optional */
	uint64_t exp_ms, nbf_ms, iat_ms; /* 0: not there (nbf, iat) */
	char kid[SOJOURN_KID_CHARS_MAX + 1];
};

/* NULL, or the rule that the rules break; static. */
const char *soj_rules_error(const struct soj_rules *rules);

/* The times alone, of claims that were good before. */
enum sojourn_token_reason soj_claims_times(const struct soj_rules *rules,
					   uint64_t now_unix_ms,
					   uint64_t exp_ms, uint64_t nbf_ms,
					   uint64_t iat_ms);

/* Judges the text of claims.  claims is filled only on SOJOURN_TOKEN_OK (all but
 * kid), and then is for soj_claims_deinit(). */
enum sojourn_token_reason soj_claims_check(const char *text, size_t bytes,
					   const struct soj_rules *rules,
					   uint64_t now_unix_ms,
					   struct soj_claims *claims);
void soj_claims_deinit(struct soj_claims *claims);

/* What is read of claims in the form that is written here. */
struct soj_claims_own {
	uint64_t exp_ms, nbf_ms, iat_ms; /* nbf 0: not there */
	char sub[256], jti[65], anchor[65];
};

/*
 * The short way (claims_own.c).  True: the long way would say OK, and the same.
 * False says nothing.  text is changed during the call, and put back.
 */
bool soj_claims_own(char *text, size_t bytes, const struct soj_rules *rules,
		    uint64_t now_unix_ms, struct soj_claims_own *own);

/* Signature and claims.  Rules that are not valid let nothing pass. */
enum sojourn_token_reason soj_token_check(const struct soj_keyset *set,
					  const struct soj_rules *rules,
					  uint64_t now_unix_ms,
					  const char *token, size_t chars,
					  struct soj_claims *claims);

/* Claims to be made.  Members that are NULL or 0 are left out. */
struct soj_claims_new {
	const char *iss, *sub, *aud, *jti;
	const char *anchor; /* SOJ_CLAIM_ANCHOR */
	uint64_t iat_ms, nbf_ms, exp_ms;
	const char *more; /* a JSON object with the caller's claims, or NULL */
	size_t more_bytes;
};

#define SOJ_CLAIM_ANCHOR "sjn"

/*
 * Writes a JSON object and a NUL; the members of more stand in it as they were
 * written.  more must be one object without duplicates
 * and without any of the names iss, sub, aud, exp, nbf, iat, jti and
 * SOJ_CLAIM_ANCHOR.  *bytes without NUL, also on -ENOSPC.  0, -EINVAL with
 * *why, -ENOSPC, -ENOMEM.
 */
int soj_claims_make(const struct soj_claims_new *what, char *buf,
		    size_t buf_bytes, size_t *bytes, const char **why);

#endif /* SOJ_TOKEN_CLAIMS_H */
