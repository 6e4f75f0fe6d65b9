/* SPDX-License-Identifier: MIT */

/*
 * S18: eight processes race for one remember-me token.  The naive design: the
 * token is looked up first and marked as used afterwards.
 */

#include <errno.h>

#include <sojourn/collection.h>
#include <sojourn/remember.h>

#include "lib_sem.h"

#define TOKEN   (SOJOURN_REMEMBER_CHARS + 1)
#define WINDOW  10000u
#define WORKERS 8u
#define ROUNDS  200u

static void remember(struct sojourn *s, char token[TOKEN])
{
	const struct sojourn_new n = {.subject = "anna"};

	if (sojourn_remember_create(s, &n, token, NULL) < 0)
		fail_msg("%s", sojourn_error_text());
}

static int use(struct sojourn *s, const char *token, char next[TOKEN])
{
	return sojourn_remember_use(s, token, NULL, next, NULL, NULL, NULL);
}

static void rotates(struct sojourn *s, const char *token, char next[TOKEN])
{
	if (use(s, token, next) < 0)
		fail_msg("%s", sojourn_error_text());
	assert_string_not_equal(next, token);
}

struct race {
	struct sojourn *s;
	_Atomic(unsigned) bad;
	_Atomic(unsigned) naive_used;
	struct gate gate;
	_Atomic(unsigned) won[ROUNDS + 1];
	char token[ROUNDS][TOKEN];
	char got[WORKERS][ROUNDS][TOKEN];
};

static int race_one(unsigned i, void *arg)
{
	struct race *r = arg;
	struct sojourn_info info;

	for (unsigned n = 0; n < ROUNDS; n++) {
		gate_meet(&r->gate, WORKERS);
		if (sojourn_remember_use(r->s, r->token[n], NULL, r->got[i][n],
					 NULL, NULL, &info) < 0) {
			atomic_fetch_add(&r->bad, 1);
			continue;
		}
		if (info.renewal == SOJOURN_RENEWAL_WON)
			atomic_fetch_add(&r->won[n], 1);
	}
	/* Looked up, then marked: all have looked before one marks. */
	if (atomic_load(&r->naive_used) == 0) {
		gate_meet(&r->gate, WORKERS);
		atomic_fetch_add(&r->naive_used, 1);
	}
	return 0;
}

static void s18_trap_one_token_used_by_eight_processes(void **state)
{
	struct race *r = sem_shared(sizeof(*r));
	struct sojourn *s = sem_make(NULL);
	char next[TOKEN];

	(void)state;
	r->s = s;
	for (unsigned n = 0; n < ROUNDS; n++)
		remember(s, r->token[n]);
	sem_workers(WORKERS, race_one, r);
	assert_int_equal(atomic_load(&r->bad), 0);
	for (unsigned n = 0; n < ROUNDS; n++) {
		assert_int_equal(atomic_load(&r->won[n]), 1);
		for (unsigned i = 0; i < WORKERS; i++)
			assert_string_equal(r->got[i][n], r->got[0][n]);
	}
	assert_int_equal(atomic_load(&r->naive_used), WORKERS);
	assert_int_equal(sem_counter(s, "reuses"), 0);
	/* After the window the same token ends it all. */
	sem_advance(s, WINDOW);
	for (unsigned n = 0; n < ROUNDS; n += 2) {
		expect_reason(use(s, r->token[n], next), -EPERM,
			      SOJOURN_REUSED);
		assert_int_equal(use(s, r->got[0][n], next), -ENOENT);
		rotates(s, r->got[0][n + 1], next);
	}
	sojourn_detach(s);
	sem_unshare(r, sizeof(*r));
}

/* Half of them use the valid token, half one that is long used up. */
static int race_thieves(unsigned i, void *arg)
{
	struct race *r = arg;

	for (unsigned n = 0; n < ROUNDS; n++) {
		char next[TOKEN]; /* not where the others read the token */
		int rc;

		gate_meet(&r->gate, WORKERS);
		rc = use(r->s, i % 2 ? r->token[n] : r->got[0][n], next);
		if (i > 0)
			strcpy(r->got[i][n], next);
		if (i % 2 ? rc != -EPERM && rc != -ENOENT
			  : rc != 0 && rc != -ENOENT)
			atomic_fetch_add(&r->bad, 1);
		if (rc == -EPERM)
			atomic_fetch_add(&r->won[n], 1);
	}
	return 0;
}

static void s18_reuse_ends_a_family_that_is_in_use(void **state)
{
	struct race *r = sem_shared(sizeof(*r));
	struct sojourn *s = sem_make(NULL);
	char next[TOKEN];

	(void)state;
	r->s = s;
	for (unsigned n = 0; n < ROUNDS; n++) {
		remember(s, r->token[n]);
		rotates(s, r->token[n], r->got[0][n]);
	}
	sem_advance(s, WINDOW);
	sem_workers(WORKERS, race_thieves, r);
	assert_int_equal(atomic_load(&r->bad), 0);
	for (unsigned n = 0; n < ROUNDS; n++) {
		assert_int_equal(atomic_load(&r->won[n]), 1);
		for (unsigned i = 0; i < WORKERS; i += 2)
			if (r->got[i][n][0])
				assert_int_equal(use(s, r->got[i][n], next),
						 -ENOENT);
	}
	assert_int_equal(sem_counter(s, "reuses"), ROUNDS);
	assert_int_equal(sem_count(s, "anna"), 0);
	sojourn_detach(s);
	sem_unshare(r, sizeof(*r));
}

/* ---- one who is slow is no thief ---- */

struct others {
	struct sojourn *s;
	char token[TOKEN]; /* the valid one, after each use */
	unsigned uses;     /* of it, while the slow one waits */
};

static int let_others_use(void *arg, const void *data, size_t bytes, char *why,
			  size_t why_bytes)
{
	struct others *o = arg;

	(void)data;
	(void)bytes;
	(void)why;
	(void)why_bytes;
	for (; o->uses > 0; o->uses--) {
		char next[TOKEN];

		rotates(o->s, o->token, next);
		strcpy(o->token, next);
		sem_advance(o->s, WINDOW);
	}
	return 0;
}

/* Its use of the token, which is looked at, then used by others. */
static int use_slowly(struct others *o, unsigned uses, char next[TOKEN])
{
	char token[TOKEN], data[8];
	size_t bytes = sizeof(data);

	o->uses = uses;
	strcpy(token, o->token);
	return sojourn_remember_use(o->s, token, NULL, next, data, &bytes,
				    NULL);
}

static void s18_who_saw_the_token_good_is_no_thief(void **state)
{
	struct others o = {.s = sem_make(NULL)};
	char next[TOKEN];

	(void)state;
	remember(o.s, o.token);
	assert_int_equal(sojourn_validator_set(o.s,
					       SOJOURN_COLLECTION_REMEMBER_ME,
					       let_others_use, &o),
			 0);
	assert_int_equal(use_slowly(&o, 1, next), 0);
	assert_string_equal(next, o.token);
	/* What followed it is forgotten. */
	expect_reason(use_slowly(&o, 2, next), -ECANCELED, SOJOURN_SUPERSEDED);
	assert_string_equal(next, "");
	assert_int_equal(use(o.s, o.token, next), 0);
	assert_int_equal(sem_counter(o.s, "reuses"), 0);
	sojourn_detach(o.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s18_trap_one_token_used_by_eight_processes),
		cmocka_unit_test(s18_reuse_ends_a_family_that_is_in_use),
		cmocka_unit_test(s18_who_saw_the_token_good_is_no_thief),
	};

	return cmocka_run_group_tests_name("S18 races", tests, NULL, NULL);
}
