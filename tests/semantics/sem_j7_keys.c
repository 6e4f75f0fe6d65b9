/* SPDX-License-Identifier: MIT */

/*
 * J7 keys that change, J8 verified tokens that all processes share.  The traps:
 * what was verified outlives its key, is good for another audience, or is not
 * looked up as revoked any more.
 */

#include <errno.h>

#include <sojourn/collection.h>

#include "lib_tok.h"

/* ---- J7 ---- */

static void reload(struct tok *w, const char *fill, const char *signing)
{
	char secret[4][32];
	const char *kids[] = {"k1", "k2", "k3", "k4"};
	struct sojourn_key keys[4];
	size_t count = strlen(fill);

	for (size_t i = 0; i < count; i++)
		keys[i] = tok_key(fill[i], kids[fill[i] - 'k'], secret[i]);
	if (sojourn_keys_reload(w->keys, keys, count, signing, false) < 0)
		fail_msg("%s", sojourn_error_text());
}

static void j7_keys_change_without_a_restart(void **state)
{
	struct pair old, new;
	struct tok w;

	(void)state;
	tok_make(&w);
	tok_login(&w, "anna", &old);
	/* The new key signs, the old one still verifies. */
	reload(&w, "kl", "k2");
	expect_token(&w, old.access, SOJOURN_TOKEN_OK);
	tok_login(&w, "anna", &new);
	expect_token(&w, new.access, SOJOURN_TOKEN_OK);
	/* The old one goes. */
	reload(&w, "l", NULL);
	expect_token(&w, old.access, SOJOURN_TOKEN_KEY_UNKNOWN);
	expect_token(&w, new.access, SOJOURN_TOKEN_OK);
	/* Refresh tokens do not depend on keys. */
	tok_refresh(&w, &old);
	expect_token(&w, old.access, SOJOURN_TOKEN_OK);
	tok_end(&w);
}

static void j7_keys_that_only_verify(void **state)
{
	const struct sojourn_token_new n = {.subject = "anna"};
	char secret[32];
	const struct sojourn_key key = tok_key('k', "k1", secret);
	struct pair p;
	size_t bytes = sizeof(p.access);
	struct tok w;

	(void)state;
	tok_make(&w);
	tok_login(&w, "anna", &p);
	assert_int_equal(sojourn_keys_reload(w.keys, &key, 1, NULL, true), 0);
	expect_token(&w, p.access, SOJOURN_TOKEN_OK);
	assert_int_equal(tok_use(&w, p.refresh), -EPERM);
	assert_int_equal(sojourn_token_create(w.t, &n, p.access, &bytes,
					      p.refresh, NULL),
			 -EPERM);
	assert_int_equal(sem_count(w.s, "anna"), 1);
	tok_end(&w);
}

/* ---- J8 ---- */

static bool is_cached(struct tok *w, const char *access)
{
	struct sojourn_token_info info;

	if (sojourn_token_verify(w->t, access, strlen(access), NULL, NULL,
				 &info) < 0)
		fail_msg("%s", sojourn_error_text());
	return info.cached;
}

static struct tok shared;
static struct pair shared_pair;

/* Another process finds what this one verified, and says the same of it. */
static int in_another_process(unsigned i, void *arg)
{
	struct sojourn_token_info info;
	char claims[1024];
	size_t bytes = sizeof(claims);
	int rc = sojourn_token_verify(shared.t, shared_pair.access,
				      strlen(shared_pair.access), claims,
				      &bytes, &info);

	(void)i;
	return rc == 0 && info.cached && strcmp(info.subject, "anna") == 0 &&
			       strcmp(claims, arg) == 0 &&
			       info.expires_unix_ms == TOK_NOW + TTL
		       ? 0
		       : 1;
}

static void j8_verified_once_for_all(void **state)
{
	char claims[1024], less[8];
	size_t bytes = sizeof(claims);

	(void)state;
	tok_make_with(&shared, NULL, true);
	tok_login(&shared, "anna", &shared_pair);
	assert_int_equal(sojourn_token_verify(shared.t, shared_pair.access,
					      strlen(shared_pair.access),
					      claims, &bytes, NULL),
			 0);
	assert_true(is_cached(&shared, shared_pair.access));
	sem_workers(4, in_another_process, claims);
	bytes = sizeof(less);
	assert_int_equal(sojourn_token_verify(shared.t, shared_pair.access,
					      strlen(shared_pair.access), less,
					      &bytes, NULL),
			 -ENOBUFS);
	assert_int_equal(bytes, strlen(claims));
	tok_end(&shared);
}

static void j8_off_by_option(void **state)
{
	struct pair p;
	struct tok w;

	(void)state;
	tok_make(&w);
	tok_login(&w, "anna", &p);
	assert_false(is_cached(&w, p.access));
	assert_false(is_cached(&w, p.access));
	tok_end(&w);
}

static void j8_times_are_judged_each_time(void **state)
{
	struct pair p;
	struct tok w;

	(void)state;
	tok_make_with(&w, NULL, true);
	tok_login(&w, "anna", &p);
	assert_false(is_cached(&w, p.access));
	assert_true(is_cached(&w, p.access));
	/* Its time in the segment is over: verified anew. */
	tok_advance(&w, 300000);
	assert_int_equal(sojourn_prune(w.s) >= 0, 1);
	assert_false(is_cached(&w, p.access));
	/* The Unix clock alone goes on, then back before it was issued. */
	atomic_fetch_add(w.unix_ms, TTL - 300001);
	assert_true(is_cached(&w, p.access));
	atomic_fetch_add(w.unix_ms, 1);
	expect_token(&w, p.access, SOJOURN_TOKEN_EXPIRED);
	atomic_store(w.unix_ms, TOK_NOW - 1);
	expect_token(&w, p.access, SOJOURN_TOKEN_IAT_FUTURE);
	tok_end(&w);
}

static void j8_a_token_that_is_not_good_is_not_kept(void **state)
{
	char *at, was;
	struct pair p;
	struct tok w;
	uint64_t made;

	(void)state;
	tok_make_with(&w, NULL, true);
	tok_login(&w, "anna", &p);
	assert_false(is_cached(&w, p.access));
	made = sem_counter(w.s, "creates");
	/* Another text, also one that decodes to the same. */
	at = &p.access[strlen(p.access) - 7];
	was = *at;
	*at = tok_other(was);
	for (unsigned i = 0; i < 3; i++)
		expect_token(&w, p.access, SOJOURN_TOKEN_SIGNATURE);
	*at = was;
	strcat(p.access, "=");
	assert_true(tok_reason(&w, p.access) != SOJOURN_TOKEN_OK);
	p.access[strlen(p.access) - 1] = 0;
	assert_int_equal(sem_counter(w.s, "creates"), made);
	assert_true(is_cached(&w, p.access));
	tok_end(&w);
}

static void j8_a_full_segment_still_verifies(void **state)
{
	const struct sojourn_new n = {.subject = "crowd"};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_options o;
	struct pair p;
	struct tok w;

	(void)state;
	sem_options(&o);
	o.entries_max = 64;
	tok_make_with(&w, &o, true);
	tok_login(&w, "anna", &p);
	while (sojourn_session_create(w.s, &n, id, NULL) == 0)
		;
	assert_false(is_cached(&w, p.access));
	assert_false(is_cached(&w, p.access));
	assert_int_equal(sojourn_reason(), SOJOURN_OK);
	tok_end(&w);
}

static bool revoked_is_good(void)
{
	unsigned good = 0;
	struct pair p;
	struct tok w;

	tok_make_with(&w, NULL, true);
	tok_login(&w, "anna", &p);
	assert_false(is_cached(&w, p.access));
	assert_int_equal(sojourn_token_restrict(w.t, p.access), 1);
	good += tok_reason(&w, p.access) == SOJOURN_TOKEN_OK;
	tok_refresh(&w, &p);
	assert_false(is_cached(&w, p.access));
	assert_int_equal(sojourn_token_revoke_subject(w.t, "anna"), 1);
	good += tok_reason(&w, p.access) == SOJOURN_TOKEN_OK;
	tok_end(&w);
	return good > 0;
}

static bool dead_key_is_good(void)
{
	struct pair p;
	bool good;
	struct tok w;

	tok_make_with(&w, NULL, true);
	tok_login(&w, "anna", &p);
	assert_false(is_cached(&w, p.access));
	assert_true(is_cached(&w, p.access));
	reload(&w, "l", NULL);
	good = tok_reason(&w, p.access) == SOJOURN_TOKEN_OK;
	/* The same set as before, in another order with a third key and back:
	 * what was kept under it is found again. */
	reload(&w, "mlk", "k1");
	expect_token(&w, p.access, SOJOURN_TOKEN_OK);
	reload(&w, "klm", "k3");
	assert_true(is_cached(&w, p.access));
	tok_end(&w);
	return good;
}

static bool other_audience_is_good(void)
{
	struct sojourn_token_options o;
	struct sojourn_tokens *mine;
	unsigned good = 0;
	struct pair p;
	struct tok w;

	tok_make_with(&w, NULL, true);
	tok_login(&w, "anna", &p);
	assert_false(is_cached(&w, p.access));
	mine = w.t;
	tok_options(&w, &o);
	o.cache = true;
	o.audience = "else.example";
	assert_int_equal(sojourn_tokens_open(w.s, w.keys, &o, &w.t), 0);
	good += tok_reason(&w, p.access) == SOJOURN_TOKEN_OK;
	sojourn_tokens_close(w.t);
	o.audience = TOK_AUD;
	o.issuer = "https://else.example";
	assert_int_equal(sojourn_tokens_open(w.s, w.keys, &o, &w.t), 0);
	good += tok_reason(&w, p.access) == SOJOURN_TOKEN_OK;
	sojourn_tokens_close(mine);
	tok_end(&w);
	return good > 0;
}

static void j8_trap_cached_for_ever_although_revoked(void **state)
{
	(void)state;
	tok_trap(SOJ_PLANT_TOKEN_CACHE_FINAL, revoked_is_good);
}

static void j8_trap_cached_longer_than_its_key(void **state)
{
	(void)state;
	tok_trap(SOJ_PLANT_TOKEN_CACHE_KEYLESS, dead_key_is_good);
}

static void j8_trap_cached_for_another_audience(void **state)
{
	(void)state;
	tok_trap(SOJ_PLANT_TOKEN_CACHE_RULELESS, other_audience_is_good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(j7_keys_change_without_a_restart),
		cmocka_unit_test(j7_keys_that_only_verify),
		cmocka_unit_test(j8_verified_once_for_all),
		cmocka_unit_test(j8_off_by_option),
		cmocka_unit_test(j8_times_are_judged_each_time),
		cmocka_unit_test(j8_a_token_that_is_not_good_is_not_kept),
		cmocka_unit_test(j8_a_full_segment_still_verifies),
		cmocka_unit_test(j8_trap_cached_for_ever_although_revoked),
		cmocka_unit_test(j8_trap_cached_longer_than_its_key),
		cmocka_unit_test(j8_trap_cached_for_another_audience),
	};

	return cmocka_run_group_tests_name("J7, J8 keys and cache", tests, NULL,
					   NULL);
}
