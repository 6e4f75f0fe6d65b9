/* SPDX-License-Identifier: MIT */

/*
 * S19: CSRF tokens.  Bound to the session id, another at each call, changed by
 * renewal, nothing stored.  The naive design: one random token for the session,
 * stored in its data, shown as it is in every page.
 */

#include <errno.h>

#include <sojourn/remember.h>

#include "lib_sem.h"

#define TOKEN (SOJOURN_CSRF_CHARS + 1)

static void token_of(struct sojourn *s, const char *id, char token[TOKEN])
{
	if (sojourn_csrf_token(s, id, token) < 0)
		fail_msg("%s", sojourn_error_text());
	assert_int_equal(strlen(token), SOJOURN_CSRF_CHARS);
}

static void s19_fits_its_session_only(void **state)
{
	struct sojourn *s = sem_make(NULL), *other = sem_make(NULL);
	char a[SOJOURN_ID_CHARS_MAX + 1], b[SOJOURN_ID_CHARS_MAX + 1];
	char token[TOKEN];

	(void)state;
	sem_login(s, "anna", NULL, a);
	sem_login(s, "anna", NULL, b);
	token_of(s, a, token);
	assert_int_equal(sojourn_csrf_check(s, a, token), 0);
	expect_reason(sojourn_csrf_check(s, b, token), -EPERM, SOJOURN_INVALID);
	/* Another segment has another key. */
	expect_reason(sojourn_csrf_check(other, a, token), -EPERM,
		      SOJOURN_INVALID);
	sojourn_detach(other);
	sojourn_detach(s);
}

struct shared {
	struct sojourn *s;
	char id[SOJOURN_ID_CHARS_MAX + 1];
	char token[8][TOKEN];
};

static int check_others(unsigned i, void *arg)
{
	struct shared *h = arg;
	char own[TOKEN];

	(void)i;
	for (unsigned j = 0; j < 8; j++)
		if (sojourn_csrf_check(h->s, h->id, h->token[j]) != 0)
			return 1;
	return sojourn_csrf_token(h->s, h->id, own);
}

static void s19_any_process_can_check_any(void **state)
{
	struct shared *h = sem_shared(sizeof(*h));

	(void)state;
	h->s = sem_make(NULL);
	sem_login(h->s, "anna", NULL, h->id);
	for (unsigned i = 0; i < 8; i++)
		token_of(h->s, h->id, h->token[i]);
	sem_workers(8, check_others, h);
	assert_int_equal(check_others(0, h), 0);
	sojourn_detach(h->s);
	sem_unshare(h, sizeof(*h));
}

static void s19_renewal_changes_it(void **state)
{
	struct sojourn *s = sem_make(NULL);
	char id[SOJOURN_ID_CHARS_MAX + 1], token[TOKEN], fresh[TOKEN];
	struct sojourn_info info;

	(void)state;
	sem_login(s, "anna", NULL, id);
	token_of(s, id, token);
	assert_int_equal(sojourn_session_renew(s, id, &info), 0);
	expect_reason(sojourn_csrf_check(s, info.new_id, token), -EPERM,
		      SOJOURN_INVALID);
	/* With the old id it goes on, for as long as that does. */
	assert_int_equal(sojourn_csrf_check(s, id, token), 0);
	token_of(s, info.new_id, fresh);
	assert_int_equal(sojourn_csrf_check(s, info.new_id, fresh), 0);
	expect_reason(sojourn_csrf_check(s, id, fresh), -EPERM,
		      SOJOURN_INVALID);
	sojourn_detach(s);
}

static void s19_trap_same_bytes_in_every_page(void **state)
{
	struct sojourn *s = sem_make(NULL);
	char id[SOJOURN_ID_CHARS_MAX + 1], naive[TOKEN], page[64][TOKEN];
	unsigned naive_same = 0, same = 0;

	(void)state;
	sem_login(s, "anna", NULL, id);
	token_of(s, id, naive);
	for (unsigned i = 0; i < 64; i++) {
		token_of(s, id, page[i]);
		assert_int_equal(sojourn_csrf_check(s, id, page[i]), 0);
		/* What BREACH needs: the next page holds the same text. */
		for (unsigned at = 0; at + 8 <= SOJOURN_CSRF_CHARS; at++) {
			same += i &&
				memcmp(page[i] + at, page[i - 1] + at, 8) == 0;
			naive_same +=
				i && memcmp(naive + at, naive + at, 8) == 0;
		}
	}
	assert_int_equal(same, 0);
	assert_true(naive_same > 0);
	sojourn_detach(s);
}

static void s19_nothing_is_stored(void **state)
{
	struct sojourn *s = sem_make(NULL);
	char id[SOJOURN_ID_CHARS_MAX + 1], token[TOKEN];
	struct sojourn_info before, after;

	(void)state;
	sem_login(s, "anna", NULL, id);
	assert_int_equal(sem_read(s, id, &before), 0);
	token_of(s, id, token);
	assert_int_equal(sojourn_csrf_check(s, id, token), 0);
	assert_int_equal(sem_read(s, id, &after), 0);
	assert_int_equal(before.version, after.version);
	assert_int_equal(sem_counter(s, "updates"), 0);
	/* A pure function of the id: whether that lives, a read tells. */
	assert_int_equal(sojourn_session_delete(s, id), 1);
	assert_int_equal(sojourn_csrf_check(s, id, token), 0);
	assert_int_equal(sem_read(s, id, NULL), -ENOENT);
	sojourn_detach(s);
}

static void s19_malformed_tokens_do_not_fit(void **state)
{
	const char *const wrong = "+/=. \t\n%\x80\xff*";
	struct sojourn *s = sem_make(NULL);
	char id[SOJOURN_ID_CHARS_MAX + 1], token[TOKEN], bad[2 * TOKEN];

	(void)state;
	sem_login(s, "anna", NULL, id);
	token_of(s, id, token);
	assert_int_equal(sojourn_csrf_check(s, id, NULL), -EPERM);
	assert_int_equal(sojourn_csrf_check(s, id, ""), -EPERM);
	snprintf(bad, sizeof(bad), "%s%s", token, token);
	for (unsigned n = 2 * SOJOURN_CSRF_CHARS; n > 0; n--) {
		bad[n] = 0;
		if (n != SOJOURN_CSRF_CHARS)
			assert_int_equal(sojourn_csrf_check(s, id, bad),
					 -EPERM);
	}
	for (unsigned at = 0; at < SOJOURN_CSRF_CHARS; at++) {
		memcpy(bad, token, TOKEN);
		bad[at] = token[at] == 'A' ? 'B' : 'A';
		assert_int_equal(sojourn_csrf_check(s, id, bad), -EPERM);
		for (const char *w = wrong; *w; w++) {
			bad[at] = *w;
			assert_int_equal(sojourn_csrf_check(s, id, bad),
					 -EPERM);
		}
	}
	/* A mask and a proof of zeroes: no key makes that. */
	memset(bad, 'A', SOJOURN_CSRF_CHARS);
	bad[SOJOURN_CSRF_CHARS] = 0;
	assert_int_equal(sojourn_csrf_check(s, id, bad), -EPERM);
	sojourn_detach(s);
}

static void s19_ids_that_are_none_are_named(void **state)
{
	const char *const ids[] = {NULL, "", "short",
				   "no id: it has spaces in "
				   "it and a colon"};
	struct sojourn *s = sem_make(NULL);
	char token[TOKEN];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		expect_reason(sojourn_csrf_token(s, ids[i], token), -EINVAL,
			      SOJOURN_INVALID);
		assert_non_null(strstr(sojourn_error_text(), "session_id"));
		assert_string_equal(token, "");
		expect_reason(sojourn_csrf_check(s, ids[i], token), -EINVAL,
			      SOJOURN_INVALID);
	}
	sojourn_detach(s);
}

/* ---- comparing ---- */

/* Nothing in the file may compare so that the time tells where it differs. */
static void compares_in_constant_time(const char *path)
{
	static const char *const early[] = {"memcmp", "strcmp", "strncmp",
					    "bcmp", "strcasecmp"};
	static char text[1 << 16];
	const char *src = getenv("SOJOURN_SRC");
	char full[512];
	size_t bytes;
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", src ? src : ".", path);
	f = fopen(full, "r");
	assert_non_null(f);
	bytes = fread(text, 1, sizeof(text) - 1, f);
	text[bytes] = 0;
	fclose(f);
	for (unsigned i = 0; i < sizeof(early) / sizeof(early[0]); i++)
		assert_null(strstr(text, early[i]));
	assert_non_null(strstr(text, "soj_equal("));
}

static void s19_trap_compared_until_the_first_difference(void **state)
{
	(void)state;
	compares_in_constant_time("src/session/rotate.c");
	compares_in_constant_time("src/session/csrf.c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s19_fits_its_session_only),
		cmocka_unit_test(s19_any_process_can_check_any),
		cmocka_unit_test(s19_renewal_changes_it),
		cmocka_unit_test(s19_trap_same_bytes_in_every_page),
		cmocka_unit_test(s19_nothing_is_stored),
		cmocka_unit_test(s19_malformed_tokens_do_not_fit),
		cmocka_unit_test(s19_ids_that_are_none_are_named),
		cmocka_unit_test(s19_trap_compared_until_the_first_difference),
	};

	return cmocka_run_group_tests_name("S19", tests, NULL, NULL);
}
