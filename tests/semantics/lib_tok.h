/* SPDX-License-Identifier: MIT */
#ifndef LIB_TOK_H
#define LIB_TOK_H

/* What the tests of tokens share: a segment under a manual clock, an HS256 key,
 * and Unix time as the test sets it, the same for all processes. */

#include <sojourn/token.h>

#include "base/fault.h"
#include "lib_sem.h"

#define TOK_ISS "https://id.example"
#define TOK_AUD "api.example"
#define TOK_NOW UINT64_C(1790000000000)
#define TTL     600000u

#define ACCESS  (SOJOURN_TOKEN_BYTES + 1)
#define REFRESH (SOJOURN_REFRESH_CHARS + 1)

struct tok {
	struct sojourn *s;
	struct sojourn_keys *keys;
	struct sojourn_tokens *t;
	_Atomic(uint64_t) *unix_ms;
};

struct pair {
	char access[ACCESS];
	char refresh[REFRESH];
};

/* The options that tok_make() uses. */
void tok_options(struct tok *w, struct sojourn_token_options *o);
void tok_make(struct tok *w);
/* o NULL: small; cache: of verified tokens. */
void tok_make_with(struct tok *w, const struct sojourn_options *o, bool cache);
void tok_end(struct tok *w);
/* Both clocks go on. */
void tok_advance(struct tok *w, uint64_t ms);

/* One key, 32 bytes of `fill`. */
struct sojourn_key tok_key(char fill, const char *kid, char secret[32]);

/* The test ends if they fail. */
void tok_login(struct tok *w, const char *subject, struct pair *pair);
void tok_refresh(struct tok *w, struct pair *pair);

/* Another character of the alphabet, of which there are 64. */
static inline char tok_other(char c)
{
	return c == 'A' ? 'B' : 'A';
}

/* Is wrong with that bug, and not without it. */
void tok_trap(enum soj_plant plant, bool (*is_wrong)(void));

/* Verifies; the reason. */
enum sojourn_token_reason tok_reason(struct tok *w, const char *access);
/* -> 0 or the error; the token is not wanted. */
int tok_use(struct tok *w, const char *refresh);

#define expect_token(world, access, why)                              \
	assert_string_equal(                                          \
		sojourn_token_reason_name(tok_reason(world, access)), \
		sojourn_token_reason_name(why))

#endif /* LIB_TOK_H */
