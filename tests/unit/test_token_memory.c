/* SPDX-License-Identifier: MIT */

/* Tokens without memory: each allocation of libcrypto and jansson fails in
 * turn.  A call says so or does all of it; it never names another reason, and
 * what it did not do can be done later. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <sojourn/token.h>

#define MANY 400u

static struct {
	unsigned count, nth; /* 0: none fails */
	bool last;           /* all behind the nth, too */
	bool failed;
} memory;

static bool fails(void)
{
	if (memory.nth == 0 || ++memory.count < memory.nth ||
	    (memory.count > memory.nth && !memory.last))
		return false;
	memory.failed = true;
	return true;
}

static void *take(size_t bytes, const char *file, int line)
{
	(void)file;
	(void)line;
	return fails() ? NULL : malloc(bytes);
}

static void *take_again(void *old, size_t bytes, const char *file, int line)
{
	(void)file;
	(void)line;
	return fails() ? NULL : realloc(old, bytes);
}

static void leave(void *old, const char *file, int line)
{
	(void)file;
	(void)line;
	free(old);
}

static void *json_take(size_t bytes)
{
	return fails() ? NULL : malloc(bytes);
}

static void fail_from(unsigned nth)
{
	memory.count = 0;
	memory.nth = nth;
	memory.failed = false;
}

/* Whether one had failed. */
static bool fail_no_more(void)
{
	memory.nth = 0;
	return memory.failed;
}

/* ---- a segment with keys of one kind ---- */

struct scene {
	struct sojourn *s;
	struct sojourn_keys *keys;
	struct sojourn_tokens *tokens;
	char access[SOJOURN_TOKEN_BYTES_MAX + 1];
	size_t bytes;
	char refresh[SOJOURN_REFRESH_CHARS + 1];
};

static const struct sojourn_token_new login = {
	.subject = "anna", .claims = "{\"role\":[1,2]}", .claims_bytes = 14};

static void begin(struct scene *sc, enum sojourn_token_alg alg)
{
	struct sojourn_key key = {.form = SOJOURN_KEY_JWK};
	struct sojourn_token_options o;
	struct sojourn_options so;
	static char text[8192];
	size_t bytes = sizeof(text);

	memset(sc, 0, sizeof(*sc));
	sojourn_options_init(&so);
	so.entries_max = 4000;
	so.segment_bytes = 8u << 20;
	so.helper = SOJOURN_HELPER_NONE;
	assert_int_equal(sojourn_create(NULL, &so, &sc->s), 0);
	assert_int_equal(sojourn_key_generate(alg, 2048, "k", text, &bytes), 0);
	key.text = text;
	key.text_bytes = bytes;
	assert_int_equal(sojourn_keys_create(&key, 1, NULL, false, &sc->keys),
			 0);
	sojourn_token_options_init(&o);
	o.issuer = "i";
	o.audience = "a";
	assert_int_equal(sojourn_tokens_open(sc->s, sc->keys, &o, &sc->tokens),
			 0);
}

static void end(struct scene *sc)
{
	sojourn_tokens_close(sc->tokens);
	sojourn_keys_destroy(sc->keys);
	sojourn_detach(sc->s);
}

static void must_be_memory(const char *what, unsigned nth, int rc)
{
	if (rc != -ENOMEM)
		fail_msg("%s, allocation %u: %d, %s", what, nth, rc,
			 sojourn_error_text());
	assert_int_equal(sojourn_reason(), SOJOURN_SYSTEM);
}

/* What the call that failed left, a second one makes good. */
static void create_each(struct scene *sc)
{
	bool failed = true;

	for (unsigned nth = 1; failed; nth++) {
		int rc;

		assert_true(nth < MANY);
		sc->bytes = sizeof(sc->access);
		fail_from(nth);
		rc = sojourn_token_create(sc->tokens, &login, sc->access,
					  &sc->bytes, sc->refresh, NULL);
		failed = fail_no_more();
		if (rc == 0)
			continue;
		must_be_memory("create", nth, rc);
		assert_string_equal(sc->refresh, "");
		assert_string_equal(sc->access, "");
	}
}

static void refresh_each(struct scene *sc)
{
	bool failed = true;

	for (unsigned nth = 1; failed; nth++) {
		char next[SOJOURN_REFRESH_CHARS + 1];
		int rc;

		assert_true(nth < MANY);
		sc->bytes = sizeof(sc->access);
		fail_from(nth);
		rc = sojourn_token_refresh(sc->tokens, sc->refresh, NULL,
					   sc->access, &sc->bytes, next, NULL);
		failed = fail_no_more();
		if (rc == 0)
			memcpy(sc->refresh, next, sizeof(next));
		else
			must_be_memory("refresh", nth, rc);
	}
}

/* No good token is called a bad one; but of RSA and EdDSA libcrypto does not
 * tell what does not fit from what could not be computed. */
static void verify_each(struct scene *sc, enum sojourn_token_alg alg)
{
	const bool told =
		alg == SOJOURN_TOKEN_HS256 || alg == SOJOURN_TOKEN_ES256;
	bool failed = true;

	for (unsigned nth = 1; failed; nth++) {
		struct sojourn_token_info info;
		int rc;

		assert_true(nth < MANY);
		fail_from(nth);
		rc = sojourn_token_verify(sc->tokens, sc->access, sc->bytes,
					  NULL, NULL, &info);
		failed = fail_no_more();
		if (rc < 0 && info.reason != SOJOURN_TOKEN_INTERNAL &&
		    (told || info.reason != SOJOURN_TOKEN_SIGNATURE))
			fail_msg("verify, allocation %u: %s", nth,
				 sojourn_token_reason_name(info.reason));
	}
}

static void each(enum sojourn_token_alg alg)
{
	struct scene sc;

	for (unsigned i = 0; i < 2; i++) {
		memory.last = i;
		begin(&sc, alg);
		create_each(&sc);
		refresh_each(&sc);
		verify_each(&sc, alg);
		end(&sc);
	}
}

static void test_hmac(void **state)
{
	(void)state;
	each(SOJOURN_TOKEN_HS256);
}

static void test_rsa(void **state)
{
	(void)state;
	each(SOJOURN_TOKEN_PS256);
}

static void test_ecdsa(void **state)
{
	(void)state;
	each(SOJOURN_TOKEN_ES256);
}

static void test_eddsa(void **state)
{
	(void)state;
	each(SOJOURN_TOKEN_EDDSA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_rsa),
		cmocka_unit_test(test_ecdsa),
		cmocka_unit_test(test_eddsa),
	};

	/* Before either has anything. */
	if (CRYPTO_set_mem_functions(take, take_again, leave) != 1)
		return 1;
	json_set_alloc_funcs(json_take, free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
