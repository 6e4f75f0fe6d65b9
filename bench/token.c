/* SPDX-License-Identifier: MIT */

/*
 * What verifying a token costs, beside libjwt decoding the same one.
 *
 *	bench_token [ROUNDS [CALLS]]	default: 41 and 2,000
 *
 * In each round every contestant makes that many calls, one contestant after
 * the other, so that whatever else the machine does meets all of them; the
 * median of the rounds counts.  Public-key algorithms make a fiftieth of the
 * calls.  libjwt judges no claims, so its part is the smaller one.
 *
 * libjwt takes no token whose typ is at+jwt.  So the same token for both has typ
 * JWT, which the rules here may allow; its header is not one that the set
 * writes and is parsed.  "own" is a token as the set writes it.
 *
 * "whole" is sojourn_token_verify() on a segment: signature, claims, and the
 * marks of login and subject, both of which are there.  "cached" is the same
 * for a token that another call has verified.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef SOJ_HAVE_LIBJWT
#include <jwt.h>
#endif

#include "token/keys.h"
#include "token/sig.h"
#include "token/tokens.h"

#define NOW_MS     UINT64_C(1700000000000)
#define ROUNDS_MAX 1001u

static const char secret[] = "0123456789abcdef0123456789abcdef";

static const struct soj_rules rules = {
	.iss = "https://id.example",
	.aud = "api.example",
	.skew_ms = 5000,
};

static const struct soj_rules jwt_rules = {
	.iss = "https://id.example",
	.aud = "api.example",
	.skew_ms = 5000,
	.typ = SOJ_TYP_JWT,
};

struct contestant {
	const char *name;
	void (*call)(const struct contestant *self);
	struct soj_keyset *set;
	const struct soj_rules *rules;
	struct sojourn_tokens *tokens; /* of a segment; else NULL */
	unsigned share;                /* makes calls / share */
	char token[2048];
	size_t chars;
	double ns[ROUNDS_MAX];
};

static void call_check(const struct contestant *self)
{
	struct soj_claims claims;

	if (soj_token_check(self->set, self->rules, NOW_MS, self->token,
			    self->chars, &claims) != SOJOURN_TOKEN_OK)
		abort();
	soj_claims_deinit(&claims);
}

static void call_verify(const struct contestant *self)
{
	struct sojourn_token_info info;

	if (sojourn_token_verify(self->tokens, self->token, self->chars, NULL,
				 NULL, &info) != 0 ||
	    info.cached != self->tokens->o.cache)
		abort();
}

static void call_jws(const struct contestant *self)
{
	uint8_t room[SOJ_JWS_ROOM];
	const struct soj_jwk *key;
	size_t bytes;

	if (soj_jws_verify(self->set, SOJ_TYP_ACCESS, SOJOURN_TOKEN_BYTES,
			   self->token, self->chars, room, &bytes,
			   &key) != SOJOURN_TOKEN_OK)
		abort();
}

#ifdef SOJ_HAVE_LIBJWT
static void call_libjwt(const struct contestant *self)
{
	jwt_t *jwt;

	if (jwt_decode(&jwt, self->token, (const unsigned char *)secret,
		       (int)strlen(secret)) != 0)
		abort();
	jwt_free(jwt);
}
#endif

static struct soj_keyset *make_set(enum sojourn_token_alg alg)
{
	struct soj_jwk_list list = {.count = 1};
	struct soj_keyset *set;
	const char *why;
	int rc;

	if (alg == SOJOURN_TOKEN_HS256)
		rc = soj_jwk_from_raw(alg, "2026-11", secret, strlen(secret),
				      &list.keys[0], &why);
	else
		rc = soj_jwk_generate(alg, 2048, "2026-11", &list.keys[0],
				      &why);
	if (rc == 0)
		rc = soj_keyset_build(&list, NULL, false, &set, &why);
	if (rc != 0) {
		fprintf(stderr, "bench_token: %s\n", why);
		exit(1);
	}
	return set;
}

static void add(struct contestant *c, const char *name,
		void (*call)(const struct contestant *self),
		enum sojourn_token_alg alg)
{
	const struct soj_claims_new what = {
		.iss = rules.iss,
		.aud = rules.aud,
		.sub = "alice",
		.jti = "7Yq0cW1b",
		.iat_ms = NOW_MS,
		.exp_ms = NOW_MS + 600000,
	};
	char claims[512];
	const char *why;
	size_t bytes;

	c->name = name;
	c->call = call;
	c->set = make_set(alg);
	c->rules = &rules;
	c->share = alg == SOJOURN_TOKEN_HS256 ? 1 : 50;
	if (soj_claims_make(&what, claims, sizeof(claims), &bytes, &why) != 0 ||
	    soj_jws_sign(c->set, claims, bytes, c->token, sizeof(c->token),
			 &c->chars) != 0)
		abort();
}

/* The same with another header. */
static void change_header(struct contestant *c)
{
	static const char header[] =
		"{\"typ\":\"JWT\",\"alg\":\"HS256\",\"kid\":\"2026-11\"}";
	const char *payload = strchr(c->token, '.');
	const char *end = strrchr(c->token, '.');
	char token[sizeof(c->token)];
	uint8_t sig[32];
	size_t at = soj_b64_encode(header, strlen(header), token);

	memcpy(token + at, payload, (size_t)(end - payload));
	at += (size_t)(end - payload);
	if (soj_sig_sign(c->set->keys[0], token, at, sig) != 0)
		abort();
	token[at++] = '.';
	at += soj_b64_encode(sig, sizeof(sig), token + at);
	token[at] = '\0';
	memcpy(c->token, token, at + 1);
	c->chars = at;
	c->rules = &jwt_rules;
}

/* ---- on a segment ---- */

static uint64_t unix_now(void *arg)
{
	(void)arg;
	return NOW_MS;
}

static struct sojourn *segment;

static struct sojourn_tokens *open_tokens(struct soj_keyset *set, bool cache)
{
	struct sojourn_token_options o;
	struct sojourn_options so;
	struct sojourn_keys *keys = calloc(1, sizeof(*keys));
	struct sojourn_tokens *t;

	sojourn_options_init(&so);
	so.helper = SOJOURN_HELPER_NONE;
	so.entries_max = 1000;
	so.segment_bytes = 8 << 20;
	if (segment == NULL && sojourn_create(NULL, &so, &segment) != 0)
		abort();
	sojourn_token_options_init(&o);
	o.issuer = rules.iss;
	o.audience = rules.aud;
	o.cache = cache;
	o.unix_ms = unix_now;
	if (keys == NULL || soj_keyring_init(&keys->ring, set) != 0 ||
	    sojourn_tokens_open(segment, keys, &o, &t) != 0)
		abort();
	return t;
}

/* A token of a login and a subject that have had others revoked. */
static void add_whole(struct contestant *c, const char *name,
		      enum sojourn_token_alg alg, bool cache,
		      const char *claims)
{
	const struct sojourn_token_new what = {
		.subject = name,
		.claims = claims,
		.claims_bytes = claims ? strlen(claims) : 0};
	char refresh[SOJOURN_REFRESH_CHARS + 1];

	c->name = name;
	c->call = call_verify;
	c->set = make_set(alg);
	c->rules = &rules;
	c->share = alg == SOJOURN_TOKEN_HS256 || cache ? 1 : 50;
	c->tokens = open_tokens(c->set, cache);
	c->chars = sizeof(c->token);
	if (sojourn_token_create(c->tokens, &what, c->token, &c->chars, refresh,
				 NULL) != 0 ||
	    sojourn_token_restrict(c->tokens, refresh) != 1 ||
	    sojourn_token_restrict_subject(c->tokens, name) != 0)
		abort();
	c->chars = sizeof(c->token);
	if (sojourn_token_refresh(c->tokens, refresh, NULL, c->token, &c->chars,
				  refresh, NULL) != 0)
		abort();
	if (cache && sojourn_token_verify(c->tokens, c->token, c->chars, NULL,
					  NULL, NULL) != 0)
		abort();
}

static void destroy(struct contestant *c)
{
	if (c->tokens == NULL) {
		soj_keyset_destroy(c->set); /* NULL of libjwt */
		return;
	}
	sojourn_keys_destroy(c->tokens->keys);
	sojourn_tokens_close(c->tokens);
}

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double measure(const struct contestant *c, unsigned calls)
{
	const double begin = now_ns();

	for (unsigned i = 0; i < calls; i++)
		c->call(c);
	return (now_ns() - begin) / calls;
}

static int by_size(const void *a, const void *b)
{
	const double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

static double median(struct contestant *c, unsigned rounds)
{
	qsort(c->ns, rounds, sizeof(c->ns[0]), by_size);
	return c->ns[rounds / 2];
}

static unsigned argument(int argc, char **argv, int which, unsigned otherwise)
{
	return argc > which ? (unsigned)strtoul(argv[which], NULL, 10)
			    : otherwise;
}

static unsigned add_contestants(struct contestant *all)
{
	unsigned count = 0;

#ifdef SOJ_HAVE_LIBJWT
	all[count++].name = "libjwt HS256 decode";
#endif
	add_whole(&all[count], "HS256 whole", SOJOURN_TOKEN_HS256, false, NULL);
	change_header(&all[count]);
	all[count].tokens->rules.typ = SOJ_TYP_JWT;
#ifdef SOJ_HAVE_LIBJWT
	all[0].call = call_libjwt;
	all[0].share = 1;
	all[0].chars = all[count].chars;
	memcpy(all[0].token, all[count].token, sizeof(all[0].token));
#endif
	count++;
	add(&all[count], "HS256 not revoked", call_check, SOJOURN_TOKEN_HS256);
	change_header(&all[count++]);
	add(&all[count++], "HS256 own", call_check, SOJOURN_TOKEN_HS256);
	add(&all[count++], "HS256 own, no claims", call_jws,
	    SOJOURN_TOKEN_HS256);
	add_whole(&all[count++], "HS256 own, whole", SOJOURN_TOKEN_HS256, false,
		  NULL);
	add_whole(&all[count++], "HS256 own, more claims", SOJOURN_TOKEN_HS256,
		  false, "{\"scope\":\"read write\",\"tenant\":42}");
	add_whole(&all[count++], "HS256 own, cached", SOJOURN_TOKEN_HS256, true,
		  NULL);
	add_whole(&all[count++], "EdDSA own, whole", SOJOURN_TOKEN_EDDSA, false,
		  NULL);
	add_whole(&all[count++], "EdDSA own, cached", SOJOURN_TOKEN_EDDSA, true,
		  NULL);
	add(&all[count++], "ES256 own", call_check, SOJOURN_TOKEN_ES256);
	add(&all[count++], "RS256 own", call_check, SOJOURN_TOKEN_RS256);
	return count;
}

/* The median of the rounds' ratios: what disturbs a round disturbs both.  To be
 * asked before median() sorts them. */
static double ratio(const struct contestant *all, unsigned count,
		    const char *name, const char *to, unsigned rounds)
{
	const struct contestant *left = NULL, *right = NULL;
	static struct contestant quotient;

	for (unsigned i = 0; i < count; i++) {
		if (strcmp(all[i].name, name) == 0)
			left = &all[i];
		if (strcmp(all[i].name, to) == 0)
			right = &all[i];
	}
	if (left == NULL || right == NULL)
		return 0;
	for (unsigned r = 0; r < rounds; r++)
		quotient.ns[r] = left->ns[r] / right->ns[r];
	return median(&quotient, rounds);
}

int main(int argc, char **argv)
{
	static struct contestant all[16];
	const unsigned rounds = argument(argc, argv, 1, 41);
	const unsigned calls = argument(argc, argv, 2, 2000);
	unsigned count;
	double first;

	if (rounds == 0 || rounds > ROUNDS_MAX || calls < 50) {
		fprintf(stderr, "usage: bench_token [ROUNDS [CALLS]]\n");
		return 64;
	}
	count = add_contestants(all);
	for (unsigned r = 0; r < rounds; r++)
		for (unsigned i = 0; i < count; i++)
			all[i].ns[r] = measure(&all[i], calls / all[i].share);

#ifdef SOJ_HAVE_LIBJWT
	printf("HS256 whole / libjwt %.3f (wanted: 0.6 at most)\n",
	       ratio(all, count, "HS256 whole", all[0].name, rounds));
#endif
	printf("EdDSA whole / cached %.1f (wanted: 30 at least)\n",
	       ratio(all, count, "EdDSA own, whole", "EdDSA own, cached",
		     rounds));
	printf("token of %zu bytes, medians of %u rounds\n", all[0].chars,
	       rounds);
	first = median(&all[0], rounds);
	for (unsigned i = 0; i < count; i++) {
		const double ns = median(&all[i], rounds);

		printf("%-22s %9.0f ns  ratio %.3f\n", all[i].name, ns,
		       ns / first);
		destroy(&all[i]);
	}
	sojourn_detach(segment);
	return 0;
}
