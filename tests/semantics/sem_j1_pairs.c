/* SPDX-License-Identifier: MIT */

/*
 * J1 pairs, J2 verifying, J3 refreshing with rotation.  The naive designs beside
 * them: an anchor of 30 bits, a refresh token that is not rotated.
 */

#include <errno.h>
#include <jansson.h>
#include <unistd.h>

#include "lib_tok.h"

static json_t *claims_of(struct tok *w, const char *access)
{
	char text[2048];
	size_t bytes = sizeof(text);
	json_t *json;

	if (sojourn_token_verify(w->t, access, strlen(access), text, &bytes,
				 NULL) < 0)
		fail_msg("%s", sojourn_error_text());
	assert_int_equal(bytes, strlen(text));
	json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	return json;
}

static void claim_is(const json_t *json, const char *name, const char *value)
{
	assert_string_equal(json_string_value(json_object_get(json, name)),
			    value);
}

/* ---- J1 ---- */

static void j1_a_pair_has_the_claims_of_its_login(void **state)
{
	static const char more[] = "{\"scope\":\"read\",\"n\":0.1}";
	const struct sojourn_token_new n = {.subject = "anna",
					    .claims = more,
					    .claims_bytes = strlen(more)};
	struct sojourn_token_info info;
	struct pair p;
	size_t bytes = sizeof(p.access);
	struct tok w;
	json_t *json;

	(void)state;
	tok_make(&w);
	assert_int_equal(sojourn_token_create(w.t, &n, p.access, &bytes,
					      p.refresh, &info),
			 0);
	assert_int_equal(bytes, strlen(p.access));
	assert_int_equal(strlen(p.refresh), SOJOURN_REFRESH_CHARS);
	assert_string_equal(info.subject, "anna");
	assert_int_equal(info.issued_unix_ms, TOK_NOW);
	assert_int_equal(info.expires_unix_ms, TOK_NOW + TTL);
	assert_int_equal(strlen(info.handle), SOJOURN_HANDLE_CHARS);
	assert_int_equal(strlen(info.anchor), SOJOURN_ANCHOR_CHARS);
	json = claims_of(&w, p.access);
	claim_is(json, "sub", "anna");
	claim_is(json, "iss", TOK_ISS);
	claim_is(json, "aud", TOK_AUD);
	claim_is(json, "scope", "read");
	assert_int_equal(json_string_length(json_object_get(json, "jti")), 16);
	assert_int_equal(json_string_length(json_object_get(json, "sjn")), 54);
	assert_int_equal(json_integer_value(json_object_get(json, "iat")),
			 TOK_NOW / 1000);
	assert_int_equal(json_integer_value(json_object_get(json, "exp")),
			 (TOK_NOW + TTL) / 1000);
	assert_null(json_object_get(json, "nbf"));
	json_decref(json);
	/* The refresh token is a session of the subject. */
	assert_int_equal(sem_count(w.s, "anna"), 1);
	tok_end(&w);
}

static int create(struct tok *w, const struct sojourn_token_new *n)
{
	struct pair p;
	size_t bytes = sizeof(p.access);
	int rc = sojourn_token_create(w->t, n, p.access, &bytes, p.refresh,
				      NULL);

	assert_int_equal(p.access[0] != 0, rc == 0);
	assert_int_equal(p.refresh[0] != 0, rc == 0);
	return rc;
}

static void refuses_claims(struct tok *w, const char *claims)
{
	const struct sojourn_token_new n = {.subject = "anna",
					    .claims = claims,
					    .claims_bytes = strlen(claims)};

	expect_reason(create(w, &n), -EINVAL, SOJOURN_INVALID);
	assert_null(strstr(sojourn_error_text(), "secret"));
}

static void j1_what_is_wrong_leaves_nothing(void **state)
{
	static const char *const names[] = {"sub", "iss", "aud", "exp",
					    "nbf", "iat", "jti", "sjn"};
	char long_subject[257], claims[64];
	struct sojourn_token_new n = {.subject = ""};
	struct tok w;
	struct pair p;
	size_t bytes;

	(void)state;
	tok_make(&w);
	expect_reason(create(&w, &n), -EINVAL, SOJOURN_INVALID);
	memset(long_subject, 'a', 256);
	long_subject[256] = 0;
	n.subject = long_subject;
	expect_reason(create(&w, &n), -EINVAL, SOJOURN_INVALID);
	n.subject = "\xff";
	expect_reason(create(&w, &n), -EINVAL, SOJOURN_INVALID);
	n.subject = "anna";
	n.access_ttl_ms = TTL + 1;
	expect_reason(create(&w, &n), -EINVAL, SOJOURN_INVALID);
	n.access_ttl_ms = 999;
	expect_reason(create(&w, &n), -EINVAL, SOJOURN_INVALID);
	n.access_ttl_ms = 0;
	n.not_before_ms = TTL + 1;
	expect_reason(create(&w, &n), -EINVAL, SOJOURN_INVALID);
	n.not_before_ms = TTL - 999;
	expect_reason(create(&w, &n), -EINVAL, SOJOURN_INVALID);
	/* It is this token that would never be good. */
	n.access_ttl_ms = 2000;
	n.not_before_ms = 1001;
	expect_reason(create(&w, &n), -EINVAL, SOJOURN_INVALID);
	n.access_ttl_ms = n.not_before_ms = 0;
	refuses_claims(&w, "[\"secret\"]");
	refuses_claims(&w, "{\"secret\":1,\"secret\":2}");
	refuses_claims(&w, "{\"secret\"");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(claims, sizeof(claims), "{\"%s\":\"secret\"}",
			 names[i]);
		refuses_claims(&w, claims);
	}
	/* A buffer that is too small: it says what is needed. */
	bytes = 20;
	expect_reason(sojourn_token_create(w.t, &n, p.access, &bytes, p.refresh,
					   NULL),
		      -ENOBUFS, SOJOURN_TOO_LARGE);
	assert_true(bytes > 100 && bytes < 1000);
	assert_int_equal(sem_count(w.s, "anna"), 0);
	bytes++;
	assert_int_equal(sojourn_token_create(w.t, &n, p.access, &bytes,
					      p.refresh, NULL),
			 0);
	assert_int_equal(sem_count(w.s, "anna"), 1);
	tok_end(&w);
}

static void j1_too_large_for_a_token(void **state)
{
	static char claims[20000];
	const struct sojourn_token_new n = {.subject = "anna",
					    .claims = claims,
					    .claims_bytes = sizeof(claims)};
	struct sojourn_token_new less = n;
	struct pair p;
	size_t bytes = sizeof(p.access);
	struct tok w;

	(void)state;
	tok_make(&w);
	memset(claims, ' ', sizeof(claims));
	memcpy(claims, "{\"a\":1", 6);
	claims[sizeof(claims) - 1] = '}';
	expect_reason(create(&w, &n), -EMSGSIZE, SOJOURN_TOO_LARGE);
	claims[7000] = '}';
	less.claims_bytes = 7001;
	expect_reason(create(&w, &less), -EMSGSIZE, SOJOURN_TOO_LARGE);
	claims[5000] = '}';
	less.claims_bytes = 5001;
	assert_int_equal(create(&w, &less), 0);
	assert_int_equal(sem_count(w.s, "anna"), 1);
	/* Blanks behind the object are in no token, but kept for the next. */
	memset(claims, ' ', sizeof(claims));
	memcpy(claims, "{}", 2);
	less.claims_bytes = SOJOURN_CLAIMS_BYTES_MAX + 1;
	expect_reason(create(&w, &less), -EMSGSIZE, SOJOURN_TOO_LARGE);
	less.claims_bytes = SOJOURN_CLAIMS_BYTES_MAX;
	assert_int_equal(sojourn_token_create(w.t, &less, p.access, &bytes,
					      p.refresh, NULL),
			 0);
	tok_refresh(&w, &p);
	tok_end(&w);
}

static void j1_without_a_refresh_token(void **state)
{
	const struct sojourn_token_new n = {.subject = "anna",
					    .not_before_ms = 5000,
					    .access_ttl_ms = 60000};
	char access[ACCESS];
	size_t bytes = sizeof(access);
	struct tok w;

	(void)state;
	tok_make(&w);
	assert_int_equal(
		sojourn_token_create(w.t, &n, access, &bytes, NULL, NULL), 0);
	assert_int_equal(sem_count(w.s, "anna"), 0);
	expect_token(&w, access, SOJOURN_TOKEN_NOT_YET);
	tok_advance(&w, 5000);
	expect_token(&w, access, SOJOURN_TOKEN_OK);
	tok_advance(&w, 54999);
	expect_token(&w, access, SOJOURN_TOKEN_OK);
	tok_advance(&w, 1);
	expect_token(&w, access, SOJOURN_TOKEN_EXPIRED);
	tok_end(&w);
}

/* 30 bits of the refresh token for an anchor: of some 60,000 logins two share
 * one, and revoking the first ends the second. */
static void j1_trap_an_anchor_of_few_bits(void **state)
{
	enum { LOGINS = 220000 };
	static const char hex[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789-_";
	uint8_t *seen = calloc(1, (1u << 30) / 8);
	struct sojourn_options o;
	struct sojourn_token_info info;
	char whole[SOJOURN_ANCHOR_CHARS + 1] = "";
	unsigned naive = 0, same = 0;
	struct tok w;

	(void)state;
	sem_options(&o);
	tok_make_with(&w, &o, false);
	assert_non_null(seen);
	for (unsigned i = 0; i < LOGINS; i++) {
		const struct sojourn_token_new n = {.subject = "anna"};
		char access[ACCESS];
		size_t bytes = sizeof(access);
		uint32_t bits = 0;

		assert_int_equal(sojourn_token_create(w.t, &n, access, &bytes,
						      NULL, &info),
				 0);
		for (unsigned c = 0; c < 5; c++)
			bits = bits << 6 |
			       (uint32_t)(strchr(hex, info.anchor[c]) - hex);
		naive += seen[bits / 8] >> bits % 8 & 1;
		seen[bits / 8] |= (uint8_t)(1u << bits % 8);
		same += strcmp(whole, info.anchor) == 0;
		strcpy(whole, info.anchor);
	}
	assert_int_equal(same, 0);
	/* 22 are to be expected; none has a chance of 1 in 10^9. */
	printf("J1: of %u logins %u have the first 30 bits of another\n",
	       LOGINS, naive);
	assert_true(naive > 0);
	free(seen);
	tok_end(&w);
}

/* ---- J2 ---- */

static void j2_tokens_of_others_are_refused(void **state)
{
	struct sojourn_token_options o;
	struct sojourn_tokens *other;
	struct tok w, second;
	struct pair p;
	char *at;

	(void)state;
	tok_make(&w);
	tok_make(&second);
	tok_login(&w, "anna", &p);
	expect_token(&w, p.access, SOJOURN_TOKEN_OK);
	/* The same keys, issuer and audience, but another segment. */
	expect_token(&second, p.access, SOJOURN_TOKEN_SEGMENT);
	assert_int_equal(tok_use(&second, p.refresh), -ENOENT);
	assert_int_equal(sojourn_token_revoke(second.t, p.access), -EACCES);
	assert_int_equal(sojourn_token_revoke(second.t, p.refresh), 0);
	/* The same segment, for another audience. */
	tok_options(&w, &o);
	o.audience = "else.example";
	assert_int_equal(sojourn_tokens_open(w.s, w.keys, &o, &other), 0);
	second.t = (sojourn_tokens_close(second.t), other);
	expect_token(&second, p.access, SOJOURN_TOKEN_AUD);
	expect_token(&w, p.access, SOJOURN_TOKEN_OK);
	at = &p.access[strlen(p.access) - 5];
	*at = tok_other(*at);
	assert_true(tok_reason(&w, p.access) >= SOJOURN_TOKEN_KID_INVALID);
	expect_token(&w, "", SOJOURN_TOKEN_PARTS);
	tok_end(&second);
	tok_end(&w);
}

static void j2_options_are_judged(void **state)
{
	struct sojourn_token_options o;
	struct sojourn_tokens *t;
	struct tok w;

	(void)state;
	tok_make(&w);
#define REFUSED(what)                                                   \
	do {                                                            \
		tok_options(&w, &o);                                    \
		o.what;                                                 \
		expect_reason(sojourn_tokens_open(w.s, w.keys, &o, &t), \
			      -EINVAL, SOJOURN_INVALID);                \
		assert_null(t);                                         \
	} while (0)
	REFUSED(issuer = NULL);
	REFUSED(audience = "");
	REFUSED(skew_ms = 60001);
	REFUSED(token_bytes_max = 16385);
	REFUSED(access_ttl_ms = 0);
	REFUSED(access_ttl_ms = 86400000 - 60999);
	REFUSED(access_ttl_ms = UINT64_MAX);
	tok_options(&w, &o);
	o.access_ttl_ms = 86400000 - 61000;
	assert_int_equal(sojourn_tokens_open(w.s, w.keys, &o, &t), 0);
	sojourn_tokens_close(t);
	tok_end(&w);
}

static void j2_read_only_verifies(void **state)
{
	char name[64];
	struct sojourn_options so;
	struct sojourn_attach_options ro = {.read_only = true};
	struct tok w, reader;
	struct pair p;
	struct sojourn_token_options o;
	char file[128];

	(void)state;
	snprintf(name, sizeof(name), "j2-%d", (int)getpid());
	snprintf(file, sizeof(file), "/tmp/%s.key", name);
	sem_options(&so);
	so.key_file = ro.key_file = file;
	tok_make(&w);
	sojourn_tokens_close(w.t);
	sojourn_detach(w.s);
	assert_int_equal(sojourn_create(name, &so, &w.s), 0);
	sem_advance(w.s, 1000);
	tok_options(&w, &o);
	assert_int_equal(sojourn_tokens_open(w.s, w.keys, &o, &w.t), 0);
	tok_login(&w, "anna", &p);
	reader = w;
	assert_int_equal(sojourn_attach(name, &ro, &reader.s), 0);
	o.cache = true;
	assert_int_equal(sojourn_tokens_open(reader.s, w.keys, &o, &reader.t),
			 0);
	expect_token(&reader, p.access, SOJOURN_TOKEN_OK);
	assert_true(sojourn_token_revoke(reader.t, p.access) < 0);
	expect_token(&reader, p.access, SOJOURN_TOKEN_OK);
	assert_int_equal(sojourn_token_revoke(w.t, p.access), 1);
	expect_token(&reader, p.access, SOJOURN_TOKEN_REVOKED);
	sojourn_tokens_close(reader.t);
	sojourn_detach(reader.s);
	assert_int_equal(sojourn_destroy(name), 0);
	remove(file);
	tok_end(&w);
}

/* ---- J3 ---- */

static void j3_refresh_rotates(void **state)
{
	struct pair p, old;
	struct sojourn_token_info info;
	size_t bytes;
	struct tok w;

	(void)state;
	tok_make(&w);
	tok_login(&w, "anna", &p);
	for (unsigned i = 1; i <= 20; i++) {
		old = p;
		tok_advance(&w, TTL + 1000);
		expect_token(&w, p.access, SOJOURN_TOKEN_EXPIRED);
		bytes = sizeof(p.access);
		assert_int_equal(sojourn_token_refresh(w.t, p.refresh, NULL,
						       p.access, &bytes,
						       p.refresh, &info),
				 0);
		assert_int_equal(bytes, strlen(p.access));
		assert_string_not_equal(p.refresh, old.refresh);
		assert_string_equal(info.subject, "anna");
		assert_int_equal(info.rotations, i);
		assert_int_equal(strlen(info.handle), SOJOURN_HANDLE_CHARS);
		expect_token(&w, p.access, SOJOURN_TOKEN_OK);
	}
	assert_int_equal(sem_count(w.s, "anna"), 1);
	tok_end(&w);
}

/* What does not rotate is good for the thief as long as for the owner. */
static void j3_trap_a_refresh_token_that_is_not_rotated(void **state)
{
	char naive[REFRESH], stolen[REFRESH];
	struct sojourn_token_info info;
	struct pair p, thief;
	size_t bytes = sizeof(thief.access);
	unsigned naive_uses = 0;
	struct tok w;

	(void)state;
	tok_make(&w);
	tok_login(&w, "anna", &p);
	strcpy(stolen, p.refresh);
	strcpy(naive, p.refresh);
	tok_refresh(&w, &p);
	expect_token(&w, p.access, SOJOURN_TOKEN_OK);
	tok_advance(&w, 10000); /* the window for lost answers */
	naive_uses += strcmp(naive, stolen) == 0;
	assert_int_equal(naive_uses, 1);
	expect_reason(sojourn_token_refresh(w.t, stolen, NULL, thief.access,
					    &bytes, thief.refresh, &info),
		      -EPERM, SOJOURN_REUSED);
	assert_string_equal(info.subject, "anna");
	assert_int_equal(thief.access[0], 0);
	assert_int_equal(thief.refresh[0], 0);
	/* It is not known who of them is the thief. */
	expect_token(&w, p.access, SOJOURN_TOKEN_REVOKED);
	assert_int_equal(tok_use(&w, p.refresh), -ENOENT);
	assert_int_equal(sem_count(w.s, "anna"), 0);
	tok_end(&w);
}

static int give(void *arg, const struct sojourn_token_info *info,
		const char *kept, size_t kept_bytes, char *claims,
		size_t *bytes)
{
	const int *rc = arg;

	assert_string_equal(info->subject, "anna");
	assert_int_equal(strlen(info->anchor), SOJOURN_ANCHOR_CHARS);
	assert_int_equal(kept_bytes, 9);
	assert_memory_equal(kept, "{\"now\":1}", 9);
	*bytes = (size_t)snprintf(claims, *bytes, "{\"now\":%d}", -*rc);
	return *rc < -1000 ? *rc : 0;
}

static void j3_claims_of_the_login_or_of_a_function(void **state)
{
	const struct sojourn_token_new n = {
		.subject = "anna", .claims = "{\"now\":1}", .claims_bytes = 9};
	struct sojourn_token_options o;
	struct sojourn_tokens *plain;
	struct pair p;
	size_t bytes = sizeof(p.access);
	int answer = -7;
	struct tok w;
	json_t *json;

	(void)state;
	tok_make(&w);
	assert_int_equal(sojourn_token_create(w.t, &n, p.access, &bytes,
					      p.refresh, NULL),
			 0);
	tok_refresh(&w, &p);
	json = claims_of(&w, p.access);
	assert_int_equal(json_integer_value(json_object_get(json, "now")), 1);
	json_decref(json);
	plain = w.t;
	tok_options(&w, &o);
	o.claims = give;
	o.claims_arg = &answer;
	assert_int_equal(sojourn_tokens_open(w.s, w.keys, &o, &w.t), 0);
	tok_refresh(&w, &p);
	json = claims_of(&w, p.access);
	assert_int_equal(json_integer_value(json_object_get(json, "now")), 7);
	json_decref(json);
	/* It gives up, and the token is still unused. */
	answer = -2000;
	assert_int_equal(tok_use(&w, p.refresh), -2000);
	tok_advance(&w, 60000);
	bytes = 5;
	answer = -7;
	assert_int_equal(sojourn_token_refresh(w.t, p.refresh, NULL, p.access,
					       &bytes, p.refresh, NULL),
			 -ENOBUFS);
	tok_refresh(&w, &p);
	expect_token(&w, p.access, SOJOURN_TOKEN_OK);
	sojourn_tokens_close(plain);
	tok_end(&w);
}

static void j3_two_at_a_time_and_lost_answers(void **state)
{
	struct pair p, a, b;
	struct tok w;

	(void)state;
	tok_make(&w);
	tok_login(&w, "anna", &p);
	a = b = p;
	tok_refresh(&w, &a);
	tok_advance(&w, 9999);
	tok_refresh(&w, &b);
	assert_string_equal(a.refresh, b.refresh);
	assert_string_not_equal(a.access, b.access);
	expect_token(&w, a.access, SOJOURN_TOKEN_OK);
	expect_token(&w, b.access, SOJOURN_TOKEN_OK);
	tok_refresh(&w, &a);
	/* No token at all, and none of ours. */
	assert_int_equal(tok_use(&w, ""), -ENOENT);
	assert_int_equal(tok_use(&w, p.access), -ENOENT);
	tok_end(&w);
}

struct slow {
	struct tok *w;
	char refresh[REFRESH]; /* the valid one, after each use */
	unsigned uses;         /* of it, while the function thinks */
};

static int think(void *arg, const struct sojourn_token_info *info,
		 const char *kept, size_t kept_bytes, char *claims,
		 size_t *bytes)
{
	struct slow *slow = arg;
	unsigned uses = slow->uses;

	(void)info;
	(void)kept;
	(void)kept_bytes;
	(void)claims;
	*bytes = 0;
	slow->uses = 0; /* theirs come to this, too */
	for (; uses > 0; uses--) {
		struct pair p;

		strcpy(p.refresh, slow->refresh);
		tok_refresh(slow->w, &p);
		strcpy(slow->refresh, p.refresh);
		tok_advance(slow->w, 10000);
	}
	return 0;
}

static void j3_a_slow_function_for_claims_is_no_theft(void **state)
{
	struct sojourn_token_options o;
	struct sojourn_tokens *plain;
	struct slow slow;
	struct pair p;
	struct tok w;

	(void)state;
	tok_make(&w);
	tok_login(&w, "anna", &p);
	plain = w.t;
	tok_options(&w, &o);
	o.claims = think;
	o.claims_arg = &slow;
	slow.w = &w;
	strcpy(slow.refresh, p.refresh);
	assert_int_equal(sojourn_tokens_open(w.s, w.keys, &o, &w.t), 0);
	slow.uses = 1;
	tok_refresh(&w, &p);
	assert_string_equal(p.refresh, slow.refresh);
	slow.uses = 2;
	assert_int_equal(tok_use(&w, p.refresh), -ECANCELED);
	assert_int_equal(sojourn_reason(), SOJOURN_SUPERSEDED);
	assert_int_equal(tok_use(&w, slow.refresh), 0);
	sojourn_tokens_close(plain);
	tok_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(j1_a_pair_has_the_claims_of_its_login),
		cmocka_unit_test(j1_what_is_wrong_leaves_nothing),
		cmocka_unit_test(j1_too_large_for_a_token),
		cmocka_unit_test(j1_without_a_refresh_token),
		cmocka_unit_test(j1_trap_an_anchor_of_few_bits),
		cmocka_unit_test(j2_tokens_of_others_are_refused),
		cmocka_unit_test(j2_options_are_judged),
		cmocka_unit_test(j2_read_only_verifies),
		cmocka_unit_test(j3_refresh_rotates),
		cmocka_unit_test(j3_trap_a_refresh_token_that_is_not_rotated),
		cmocka_unit_test(j3_claims_of_the_login_or_of_a_function),
		cmocka_unit_test(j3_two_at_a_time_and_lost_answers),
		cmocka_unit_test(j3_a_slow_function_for_claims_is_no_theft),
	};

	return cmocka_run_group_tests_name("J1 to J3 pairs", tests, NULL, NULL);
}
