/* SPDX-License-Identifier: MIT */

/*
 * J4 revoking and restricting, J5 how long a revocation lasts, J6 the order of
 * logouts and logins.  One process; sem_j4_races.c has many.
 */

#include <errno.h>
#include <sojourn/collection.h>
#include <sojourn/event.h>

#include "crash/lib_victim.h"
#include "lib_tok.h"

#define DAY 86400000u

/* ---- J4 ---- */

static void j4_revoke_one(void **state)
{
	struct pair a, b, other;
	struct tok w;
	char used[REFRESH];

	(void)state;
	tok_make(&w);
	tok_login(&w, "anna", &a);
	tok_login(&w, "anna", &b);
	tok_login(&w, "otto", &other);
	assert_int_equal(sojourn_token_revoke(w.t, a.access), 1);
	expect_token(&w, a.access, SOJOURN_TOKEN_REVOKED);
	assert_int_equal(tok_use(&w, a.refresh), -ENOENT);
	expect_token(&w, b.access, SOJOURN_TOKEN_OK);
	/* Again: that is no error. */
	assert_int_equal(sojourn_token_revoke(w.t, a.access), 1);
	/* By the refresh token, also by one that was used up. */
	strcpy(used, b.refresh);
	tok_refresh(&w, &b);
	tok_advance(&w, 60000);
	assert_int_equal(sojourn_token_revoke(w.t, used), 1);
	expect_token(&w, b.access, SOJOURN_TOKEN_REVOKED);
	assert_int_equal(tok_use(&w, b.refresh), -ENOENT);
	/* By an access token that has expired. */
	tok_advance(&w, TTL);
	expect_token(&w, other.access, SOJOURN_TOKEN_EXPIRED);
	assert_int_equal(sojourn_token_revoke(w.t, other.access), 1);
	assert_int_equal(tok_use(&w, other.refresh), -ENOENT);
	assert_int_equal(sem_count(w.s, "anna") + sem_count(w.s, "otto"), 0);
	tok_end(&w);
}

static void j4_only_who_has_a_token_revokes(void **state)
{
	char *at, was;
	struct pair p;
	struct tok w;
	uint64_t made;

	(void)state;
	tok_make(&w);
	tok_login(&w, "anna", &p);
	made = sem_counter(w.s, "creates");
	expect_reason(sojourn_token_revoke(w.t, "not.a.token"), -EACCES,
		      SOJOURN_REFUSED);
	expect_reason(sojourn_token_revoke(w.t, NULL), -EACCES,
		      SOJOURN_REFUSED);
	assert_int_equal(sojourn_token_revoke(w.t, ""), 0);
	at = &p.refresh[3];
	was = *at;
	*at = tok_other(was);
	assert_int_equal(sojourn_token_revoke(w.t, p.refresh), 0);
	assert_int_equal(sojourn_token_restrict(w.t, p.refresh), 0);
	*at = was;
	at = &p.access[strlen(p.access) - 9];
	was = *at;
	*at = tok_other(was);
	assert_int_equal(sojourn_token_revoke(w.t, p.access), -EACCES);
	*at = was;
	expect_reason(sojourn_token_revoke_subject(w.t, ""), -EINVAL,
		      SOJOURN_INVALID);
	expect_reason(sojourn_token_restrict_subject(w.t, NULL), -EINVAL,
		      SOJOURN_INVALID);
	/* Nothing of that took an entry. */
	assert_int_equal(sem_counter(w.s, "creates"), made);
	expect_token(&w, p.access, SOJOURN_TOKEN_OK);
	tok_end(&w);
}

static void j4_restrict_one(void **state)
{
	struct pair a, b, old;
	struct tok w;

	(void)state;
	tok_make(&w);
	tok_login(&w, "anna", &a);
	tok_login(&w, "anna", &b);
	old = a;
	assert_int_equal(sojourn_token_restrict(w.t, a.access), 1);
	expect_token(&w, a.access, SOJOURN_TOKEN_RESTRICTED);
	expect_token(&w, b.access, SOJOURN_TOKEN_OK);
	/* Those to come are good, in the same millisecond. */
	tok_refresh(&w, &a);
	expect_token(&w, a.access, SOJOURN_TOKEN_OK);
	assert_int_equal(sojourn_token_restrict(w.t, a.refresh), 1);
	expect_token(&w, a.access, SOJOURN_TOKEN_RESTRICTED);
	tok_refresh(&w, &a);
	expect_token(&w, a.access, SOJOURN_TOKEN_OK);
	expect_token(&w, old.access, SOJOURN_TOKEN_RESTRICTED);
	/* What was revoked for good stays so when it is restricted. */
	assert_int_equal(sojourn_token_revoke(w.t, b.access), 1);
	assert_int_equal(sojourn_token_restrict(w.t, b.access), 1);
	expect_token(&w, b.access, SOJOURN_TOKEN_REVOKED);
	tok_end(&w);
}

static void j4_revoke_and_restrict_all(void **state)
{
	struct pair p[4], other;
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct tok w;

	(void)state;
	tok_make(&w);
	sem_login(w.s, "anna", NULL, id);
	tok_login(&w, "otto", &other);
	for (unsigned i = 0; i < 4; i++)
		tok_login(&w, "anna", &p[i]);
	assert_int_equal(sojourn_token_restrict_subject(w.t, "anna"), 0);
	for (unsigned i = 0; i < 4; i++) {
		expect_token(&w, p[i].access, SOJOURN_TOKEN_SUBJECT);
		tok_refresh(&w, &p[i]);
		expect_token(&w, p[i].access, SOJOURN_TOKEN_OK);
	}
	assert_int_equal(sojourn_token_revoke_subject(w.t, "anna"), 4);
	for (unsigned i = 0; i < 4; i++) {
		expect_token(&w, p[i].access, SOJOURN_TOKEN_SUBJECT);
		assert_int_equal(tok_use(&w, p[i].refresh), -ENOENT);
	}
	/* Other subjects' tokens, and sessions, are not concerned. */
	expect_token(&w, other.access, SOJOURN_TOKEN_OK);
	assert_int_equal(sem_read(w.s, id, NULL), 0);
	assert_int_equal(sojourn_token_revoke_subject(w.t, "nobody"), 0);
	tok_end(&w);
}

struct seen {
	unsigned count[SOJOURN_EVENT_TOKENS_RESTRICTED + 1];
	uint64_t subject;
	char handle[SOJOURN_HANDLE_CHARS + 1];
};

static int note(void *arg, const struct sojourn_event *e)
{
	struct seen *seen = arg;

	seen->count[e->type]++;
	if (e->type == SOJOURN_EVENT_TOKEN_REVOKED) {
		seen->subject = e->subject;
		strcpy(seen->handle, e->handle);
		assert_int_equal(e->source, SOJOURN_SOURCE_TOKEN);
		assert_int_equal(e->detail, TOK_NOW);
	}
	return 0;
}

static void j4_events_of_all_of_them(void **state)
{
	const struct sojourn_token_new n = {.subject = "anna"};
	struct sojourn_token_info info;
	struct seen seen = {0};
	uint64_t next = 0;
	struct pair p;
	size_t bytes = sizeof(p.access);
	struct tok w;

	(void)state;
	tok_make(&w);
	assert_int_equal(sojourn_token_create(w.t, &n, p.access, &bytes,
					      p.refresh, &info),
			 0);
	assert_int_equal(sojourn_token_restrict(w.t, p.access), 1);
	assert_int_equal(sojourn_token_restrict_subject(w.t, "anna"), 0);
	assert_int_equal(sojourn_token_revoke(w.t, p.access), 1);
	assert_int_equal(sojourn_token_revoke_subject(w.t, "anna"), 0);
	assert_true(sojourn_events_read(w.s, &next, note, &seen, NULL) > 0);
	assert_int_equal(seen.count[SOJOURN_EVENT_TOKEN_RESTRICTED], 1);
	assert_int_equal(seen.count[SOJOURN_EVENT_TOKENS_RESTRICTED], 1);
	assert_int_equal(seen.count[SOJOURN_EVENT_TOKEN_REVOKED], 1);
	assert_int_equal(seen.count[SOJOURN_EVENT_TOKENS_REVOKED], 1);
	assert_int_equal(seen.subject, sojourn_event_subject(w.s, "anna"));
	assert_string_equal(seen.handle, info.handle);
	/* A token that comes back after its use. */
	tok_login(&w, "anna", &p);
	tok_refresh(&w, &p);
	memset(p.refresh + 40, 'A', 10);
	assert_int_equal(tok_use(&w, p.refresh), -EPERM);
	memset(&seen, 0, sizeof(seen));
	assert_true(sojourn_events_read(w.s, &next, note, &seen, NULL) > 0);
	assert_int_equal(seen.count[SOJOURN_EVENT_REUSED], 1);
	assert_int_equal(seen.count[SOJOURN_EVENT_TOKEN_REVOKED], 1);
	tok_end(&w);
}

static void j4_a_full_segment_revokes_nothing(void **state)
{
	struct sojourn_options o;
	char id[SOJOURN_ID_CHARS_MAX + 1];
	const struct sojourn_new n = {.subject = "crowd"};
	struct pair p;
	struct tok w;

	(void)state;
	sem_options(&o);
	o.entries_max = 64;
	tok_make_with(&w, &o, false);
	tok_login(&w, "anna", &p);
	while (sojourn_session_create(w.s, &n, id, NULL) == 0)
		;
	expect_reason(sojourn_token_revoke(w.t, p.access), -ENOSPC,
		      SOJOURN_FULL);
	expect_reason(sojourn_token_revoke_subject(w.t, "anna"), -ENOSPC,
		      SOJOURN_FULL);
	expect_reason(sojourn_token_restrict(w.t, p.access), -ENOSPC,
		      SOJOURN_FULL);
	expect_token(&w, p.access, SOJOURN_TOKEN_OK);
	assert_int_equal(sem_count(w.s, "anna"), 1);
	assert_true(sojourn_session_delete_subject(w.s, "crowd", NULL) > 50);
	assert_int_equal(sojourn_token_revoke_subject(w.t, "anna"), 1);
	expect_token(&w, p.access, SOJOURN_TOKEN_SUBJECT);
	tok_end(&w);
}

/* ---- J5 ---- */

/* A token of a minute is revoked; its sibling of ten must stay so, too. */
static bool sibling_comes_back(void)
{
	const struct sojourn_token_new n = {.subject = "anna",
					    .access_ttl_ms = 60000};
	struct pair p;
	size_t bytes = sizeof(p.access);
	char shorter[ACCESS];
	enum sojourn_token_reason reason;
	struct tok w;

	tok_make(&w);
	assert_int_equal(sojourn_token_create(w.t, &n, p.access, &bytes,
					      p.refresh, NULL),
			 0);
	strcpy(shorter, p.access);
	tok_refresh(&w, &p);
	expect_token(&w, p.access, SOJOURN_TOKEN_OK);
	assert_int_equal(sojourn_token_revoke(w.t, shorter), 1);
	tok_advance(&w, 60000);
	expect_token(&w, shorter, SOJOURN_TOKEN_EXPIRED);
	tok_advance(&w, TTL - 60001);
	assert_true(sojourn_prune(w.s) >= 0);
	reason = tok_reason(&w, p.access);
	tok_end(&w);
	return reason != SOJOURN_TOKEN_REVOKED;
}

static void j5_trap_a_sibling_that_lives_longer(void **state)
{
	(void)state;
	tok_trap(SOJ_PLANT_TOKEN_MARK_SHORT, sibling_comes_back);
}

/* The Unix time is put back by a day: exp is far away again, but what was
 * revoked is forgotten. */
static bool clock_brings_back(void)
{
	enum sojourn_token_reason reason;
	struct pair p;
	struct tok w;

	tok_make(&w);
	tok_login(&w, "anna", &p);
	assert_int_equal(sojourn_token_revoke(w.t, p.access), 1);
	sem_advance(w.s, DAY - 1);
	expect_token(&w, p.access, SOJOURN_TOKEN_REVOKED);
	sem_advance(w.s, 1);
	assert_true(sojourn_prune(w.s) >= 0);
	reason = tok_reason(&w, p.access);
	tok_end(&w);
	return reason != SOJOURN_TOKEN_TOO_OLD;
}

static void j5_trap_the_clock_is_put_back(void **state)
{
	(void)state;
	tok_trap(SOJ_PLANT_TOKEN_AGE_UNSEEN, clock_brings_back);
}

static void j5_memory_pressure_forgets_no_revocation(void **state)
{
	const struct sojourn_new n = {.subject = "crowd"};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_options o;
	struct pair p;
	struct tok w;

	(void)state;
	sem_options(&o);
	o.entries_max = 64;
	o.when_full = SOJOURN_WHEN_FULL_EVICT;
	tok_make_with(&w, &o, false);
	tok_login(&w, "anna", &p);
	assert_int_equal(sojourn_token_revoke_subject(w.t, "anna"), 1);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(sojourn_session_create(w.s, &n, id, NULL), 0);
	assert_true(sem_counter(w.s, "evictions") > 500);
	expect_token(&w, p.access, SOJOURN_TOKEN_SUBJECT);
	tok_end(&w);
}

/* ---- J6 ---- */

#define ROUNDS 10000u

/* The clock stands still.  naive: tokens are good that were issued in or after
 * the second of the logout, or after that second only. */
static bool order_is_wrong(void)
{
	struct pair before, after;
	unsigned wrong = 0, naive_new = 0, naive_old = 0;
	struct tok w;

	tok_make(&w);
	for (unsigned i = 0; i < ROUNDS && wrong == 0; i++) {
		struct sojourn_token_info was = {0}, is = {0};
		uint64_t second;

		tok_login(&w, "anna", &before);
		wrong += sojourn_token_verify(w.t, before.access,
					      strlen(before.access), NULL, NULL,
					      &was) != 0;
		second = atomic_load(w.unix_ms) / 1000;
		assert_int_equal(sojourn_token_revoke_subject(w.t, "anna"), 1);
		tok_login(&w, "anna", &after);
		wrong += tok_reason(&w, before.access) == SOJOURN_TOKEN_OK;
		wrong += sojourn_token_verify(w.t, after.access,
					      strlen(after.access), NULL, NULL,
					      &is) != 0;
		naive_old += was.issued_unix_ms / 1000 >= second;
		naive_new += is.issued_unix_ms / 1000 <= second;
		assert_int_equal(sojourn_token_revoke(w.t, after.refresh), 1);
		if (i % 500 == 499)
			tok_advance(&w, DAY + TTL);
	}
	if (wrong == 0) {
		assert_int_equal(naive_old, ROUNDS);
		assert_int_equal(naive_new, ROUNDS);
	}
	tok_end(&w);
	return wrong > 0;
}

static void j6_trap_logout_and_login_in_one_second(void **state)
{
	(void)state;
	tok_trap(SOJ_PLANT_TOKEN_ISSUE_BLIND, order_is_wrong);
	tok_trap(SOJ_PLANT_TOKEN_MARK_FALLS, order_is_wrong);
	printf("J6: %u logouts and logins in one millisecond: ok\n", ROUNDS);
}

/* Many revocations of the subject, or of the login, in one millisecond: the
 * other kind must still hold. */
static bool orders_mix(void)
{
	bool wrong = false;
	struct pair p;
	struct tok w;

	tok_make(&w);
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(sojourn_token_restrict_subject(w.t, "anna"),
				 0);
	tok_login(&w, "anna", &p);
	assert_int_equal(sojourn_token_restrict(w.t, p.access), 1);
	wrong |= tok_reason(&w, p.access) != SOJOURN_TOKEN_RESTRICTED;
	for (unsigned i = 0; i < 99; i++)
		assert_int_equal(sojourn_token_restrict(w.t, p.access), 1);
	tok_refresh(&w, &p);
	wrong |= tok_reason(&w, p.access) != SOJOURN_TOKEN_OK;
	assert_int_equal(sojourn_token_restrict_subject(w.t, "anna"), 0);
	wrong |= tok_reason(&w, p.access) != SOJOURN_TOKEN_SUBJECT;
	tok_end(&w);
	return wrong;
}

static void j6_trap_one_order_for_login_and_subject(void **state)
{
	(void)state;
	tok_trap(SOJ_PLANT_TOKEN_MARKS_MIXED, orders_mix);
}

static void j6_a_subject_that_ended_elsewhere(void **state)
{
	struct pair p;
	struct tok w;

	(void)state;
	tok_make(&w);
	tok_login(&w, "anna", &p);
	/* Ends what can be refreshed; what was issued expires by itself. */
	assert_int_equal(sojourn_session_delete_subject(w.s, "anna", NULL), 1);
	assert_int_equal(tok_use(&w, p.refresh), -ENOENT);
	expect_token(&w, p.access, SOJOURN_TOKEN_OK);
	assert_int_equal(sojourn_token_revoke_subject(w.t, "anna"), 0);
	expect_token(&w, p.access, SOJOURN_TOKEN_SUBJECT);
	tok_end(&w);
}

/* ---- refused at the last moment ---- */

static int log_out(void *arg, const struct sojourn_token_info *about,
		   const char *kept, size_t kept_bytes, char *claims,
		   size_t *bytes)
{
	const struct tok *w = arg;

	(void)kept;
	(void)kept_bytes;
	(void)claims;
	*bytes = 0;
	return sojourn_session_delete_subject(w->s, about->subject, NULL) < 0;
}

/* Signed before the rotation that decides: nothing of it is left, or it would be
 * good. */
static void j3_what_was_signed_in_vain_is_wiped(void **state)
{
	struct sojourn_token_options o;
	struct sojourn_tokens *plain;
	struct tok w;
	struct pair p;
	size_t bytes = sizeof(p.access);

	(void)state;
	tok_make(&w);
	tok_login(&w, "anna", &p);
	plain = w.t;
	tok_options(&w, &o);
	o.claims = log_out;
	o.claims_arg = &w;
	assert_int_equal(sojourn_tokens_open(w.s, w.keys, &o, &w.t), 0);
	memset(p.access, 'x', sizeof(p.access));
	assert_int_equal(sojourn_token_refresh(w.t, p.refresh, NULL, p.access,
					       &bytes, p.refresh, NULL),
			 -ENOENT);
	for (unsigned i = 0; i < sizeof(p.access); i++)
		assert_true(p.access[i] == 'x' || p.access[i] == 0);
	sojourn_tokens_close(plain);
	tok_end(&w);
}

/* By one mark: of two the second would last longer. */
static void restrict_anna(void *arg, struct report *r)
{
	const struct tok *w = arg;

	r->rc = sojourn_token_restrict_subject(w->t, "anna");
}

/* Its revoker stands at a label for half a minute, at whose end a token is
 * issued: refused or accepted, and stays so until it is too old. */
static bool revoked_at(const char *label, bool again, unsigned *wrong)
{
	const struct sojourn_token_new n = {.subject = "anna"};
	const struct plan plan = {.fault = FAULT_NONE, .pause = label};
	struct report *r = report_new();
	bool stood, refused = false;
	struct victim victim;
	struct sojourn_token_options o;
	struct sojourn_tokens *plain;
	struct pair p;
	size_t bytes = sizeof(p.access);
	struct tok w;

	tok_make(&w);
	plain = w.t;
	tok_options(&w, &o);
	o.access_ttl_ms = DAY - 61000;
	o.skew_ms = 60000;
	assert_int_equal(sojourn_tokens_open(w.s, w.keys, &o, &w.t), 0);
	if (again) {
		assert_int_equal(sojourn_token_restrict_subject(w.t, "anna"),
				 0);
		tok_advance(&w, 1);
	}
	victim_run(&victim, r, &plan, restrict_anna, &w);
	stood = victim.state == VICTIM_STOPPED;
	if (stood) {
		tok_advance(&w, 30000);
		assert_int_equal(sojourn_token_create(w.t, &n, p.access, &bytes,
						      NULL, NULL),
				 0);
		victim_continue(&victim);
		assert_int_equal(victim.state, VICTIM_FINISHED);
		for (unsigned i = 0; i < 120; i++) {
			bool good =
				tok_reason(&w, p.access) == SOJOURN_TOKEN_OK;

			*wrong += good && refused;
			refused |= !good;
			/* Near its end by the second. */
			tok_advance(&w, i == 0 ? DAY - 100000 : 1000);
			assert_true(sojourn_prune(w.s) >= 0);
		}
	}
	sojourn_tokens_close(plain);
	tok_end(&w);
	report_free(r);
	return stood;
}

static void j5_a_slow_revocation_lasts_as_long(void **state)
{
	unsigned stops = 0, wrong = 0;

	(void)state;
	for (unsigned i = 0; i < label_count(); i++) {
		stops += revoked_at(label_name(i), false, &wrong);
		stops += revoked_at(label_name(i), true, &wrong);
	}
	assert_true(stops > 10);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(j4_revoke_one),
		cmocka_unit_test(j4_only_who_has_a_token_revokes),
		cmocka_unit_test(j4_restrict_one),
		cmocka_unit_test(j4_revoke_and_restrict_all),
		cmocka_unit_test(j4_events_of_all_of_them),
		cmocka_unit_test(j4_a_full_segment_revokes_nothing),
		cmocka_unit_test(j5_trap_a_sibling_that_lives_longer),
		cmocka_unit_test(j5_trap_the_clock_is_put_back),
		cmocka_unit_test(j5_memory_pressure_forgets_no_revocation),
		cmocka_unit_test(j6_trap_logout_and_login_in_one_second),
		cmocka_unit_test(j6_trap_one_order_for_login_and_subject),
		cmocka_unit_test(j6_a_subject_that_ended_elsewhere),
		cmocka_unit_test(j3_what_was_signed_in_vain_is_wiped),
		cmocka_unit_test(j5_a_slow_revocation_lasts_as_long),
	};

	coverage_init();
	return cmocka_run_group_tests_name("J4 to J6 revoking", tests, NULL,
					   NULL);
}
