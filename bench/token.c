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
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef SOJ_HAVE_LIBJWT
#include <jwt.h>
#endif

#include "token/claims.h"
#include "token/sig.h"

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
	unsigned share; /* makes calls / share */
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

int main(int argc, char **argv)
{
	static struct contestant all[8];
	const unsigned rounds = argument(argc, argv, 1, 41);
	const unsigned calls = argument(argc, argv, 2, 2000);
	unsigned count = 0;
	double first;

	if (rounds == 0 || rounds > ROUNDS_MAX || calls < 50) {
		fprintf(stderr, "usage: bench_token [ROUNDS [CALLS]]\n");
		return 64;
	}
#ifdef SOJ_HAVE_LIBJWT
	add(&all[count], "libjwt HS256 decode", call_libjwt,
	    SOJOURN_TOKEN_HS256);
	change_header(&all[count++]);
#endif
	add(&all[count], "HS256 the same token", call_check,
	    SOJOURN_TOKEN_HS256);
	change_header(&all[count++]);
	add(&all[count++], "HS256 own", call_check, SOJOURN_TOKEN_HS256);
	add(&all[count++], "HS256 own, no claims", call_jws,
	    SOJOURN_TOKEN_HS256);
	add(&all[count++], "EdDSA own", call_check, SOJOURN_TOKEN_EDDSA);
	add(&all[count++], "ES256 own", call_check, SOJOURN_TOKEN_ES256);
	add(&all[count++], "RS256 own", call_check, SOJOURN_TOKEN_RS256);

	for (unsigned r = 0; r < rounds; r++)
		for (unsigned i = 0; i < count; i++)
			all[i].ns[r] = measure(&all[i], calls / all[i].share);

	printf("token of %zu bytes, medians of %u rounds\n", all[0].chars,
	       rounds);
	first = median(&all[0], rounds);
	for (unsigned i = 0; i < count; i++) {
		const double ns = median(&all[i], rounds);

		printf("%-22s %9.0f ns  ratio %.3f\n", all[i].name, ns,
		       ns / first);
		soj_keyset_destroy(all[i].set);
	}
	return 0;
}
