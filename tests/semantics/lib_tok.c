/* SPDX-License-Identifier: MIT */

#include "lib_tok.h"

static uint64_t unix_now(void *arg)
{
	return atomic_load((_Atomic(uint64_t) *)arg);
}

void tok_options(struct tok *w, struct sojourn_token_options *o)
{
	sojourn_token_options_init(o);
	o->issuer = TOK_ISS;
	o->audience = TOK_AUD;
	o->access_ttl_ms = TTL;
	o->skew_ms = 0;
	o->unix_ms = unix_now;
	o->unix_arg = w->unix_ms;
}

struct sojourn_key tok_key(char fill, const char *kid, char secret[32])
{
	memset(secret, fill, 32);
	return (struct sojourn_key){.form = SOJOURN_KEY_RAW,
				    .alg = SOJOURN_TOKEN_HS256,
				    .kid = kid,
				    .text = secret,
				    .text_bytes = 32};
}

void tok_make_with(struct tok *w, const struct sojourn_options *so, bool cache)
{
	struct sojourn_token_options o;
	char secret[32];
	const struct sojourn_key key = tok_key('k', "k1", secret);

	w->s = sem_make(so);
	w->unix_ms = sem_shared(sizeof(*w->unix_ms));
	atomic_store(w->unix_ms, TOK_NOW);
	assert_int_equal(sojourn_keys_create(&key, 1, NULL, false, &w->keys),
			 0);
	tok_options(w, &o);
	o.cache = cache;
	if (sojourn_tokens_open(w->s, w->keys, &o, &w->t) < 0)
		fail_msg("%s", sojourn_error_text());
}

void tok_make(struct tok *w)
{
	tok_make_with(w, NULL, false);
}

void tok_end(struct tok *w)
{
	sojourn_tokens_close(w->t);
	sojourn_keys_destroy(w->keys);
	sojourn_detach(w->s);
	sem_unshare(w->unix_ms, sizeof(*w->unix_ms));
}

void tok_advance(struct tok *w, uint64_t ms)
{
	sem_advance(w->s, ms);
	atomic_fetch_add(w->unix_ms, ms);
}

void tok_login(struct tok *w, const char *subject, struct pair *pair)
{
	const struct sojourn_token_new n = {.subject = subject};
	size_t bytes = sizeof(pair->access);

	if (sojourn_token_create(w->t, &n, pair->access, &bytes, pair->refresh,
				 NULL) < 0)
		fail_msg("%s", sojourn_error_text());
}

void tok_refresh(struct tok *w, struct pair *pair)
{
	size_t bytes = sizeof(pair->access);

	if (sojourn_token_refresh(w->t, pair->refresh, NULL, pair->access,
				  &bytes, pair->refresh, NULL) < 0)
		fail_msg("%s", sojourn_error_text());
}

enum sojourn_token_reason tok_reason(struct tok *w, const char *access)
{
	struct sojourn_token_info info;
	int rc = sojourn_token_verify(w->t, access, strlen(access), NULL, NULL,
				      &info);

	if (rc == 0) {
		assert_int_equal(info.reason, SOJOURN_TOKEN_OK);
		return SOJOURN_TOKEN_OK;
	}
	assert_int_equal(sojourn_reason(), SOJOURN_REFUSED);
	assert_string_equal(sojourn_error_text(),
			    sojourn_token_reason_text(info.reason));
	return info.reason;
}

int tok_use(struct tok *w, const char *refresh)
{
	char access[ACCESS], next[REFRESH];
	size_t bytes = sizeof(access);

	return sojourn_token_refresh(w->t, refresh, NULL, access, &bytes, next,
				     NULL);
}

void tok_trap(enum soj_plant plant, bool (*is_wrong)(void))
{
	const enum soj_plant before = soj_plant;

	assert_false(is_wrong());
	soj_plant = plant;
	assert_true(is_wrong());
	soj_plant = before;
}
