/* SPDX-License-Identifier: MIT */

/*
 * S18: remember-me.  Tokens that rotate, and families that end as a whole.  The
 * naive design: a token that is good for as long as it lasts, and that a logout
 * does not know of.
 */

#include <errno.h>
#include <unistd.h>

#include <sojourn/collection.h>
#include <sojourn/remember.h>

#include "lib_sem.h"

#define TOKEN  (SOJOURN_REMEMBER_CHARS + 1)
#define WINDOW 10000u
#define DAY    UINT64_C(86400000)

static struct sojourn *make_with(void (*adjust)(struct sojourn_collection *))
{
	struct sojourn_collection c;
	struct sojourn_options o;

	sem_options(&o);
	sojourn_collection_init(&c, "remember-me");
	if (adjust)
		adjust(&c);
	o.collections = &c;
	o.collections_count = adjust != NULL;
	return sem_make(&o);
}

static void remember(struct sojourn *s, const char *subject, const char *data,
		     char token[TOKEN])
{
	struct sojourn_new n = {.subject = subject,
				.data = data,
				.data_bytes = data ? strlen(data) : 0};

	n.metadata.ip = "192.0.2.1";
	n.metadata.device_name = "laptop";
	if (sojourn_remember_create(s, &n, token, NULL) < 0)
		fail_msg("%s", sojourn_error_text());
}

static int use(struct sojourn *s, const char *token, char next[TOKEN])
{
	return sojourn_remember_use(s, token, NULL, next, NULL, NULL, NULL);
}

static void rotates(struct sojourn *s, const char *token, char next[TOKEN])
{
	struct sojourn_info info;

	if (sojourn_remember_use(s, token, NULL, next, NULL, NULL, &info) < 0)
		fail_msg("%s", sojourn_error_text());
	assert_int_equal(info.renewal, SOJOURN_RENEWAL_WON);
	assert_string_not_equal(next, token);
}

/* Answered with the valid token, by someone else's rotation. */
static void redelivers(struct sojourn *s, const char *token, const char *valid)
{
	struct sojourn_info info;
	char next[TOKEN];

	if (sojourn_remember_use(s, token, NULL, next, NULL, NULL, &info) < 0)
		fail_msg("%s", sojourn_error_text());
	assert_int_equal(info.renewal, SOJOURN_RENEWAL_DONE);
	assert_string_equal(next, valid);
}

/* ---- what it does ---- */

static void s18_a_use_gives_subject_data_and_another_token(void **state)
{
	struct sojourn *s = make_with(NULL);
	char t0[TOKEN], t1[TOKEN], data[16];
	size_t bytes = sizeof(data);
	struct sojourn_info info;

	(void)state;
	remember(s, "anna", "blue", t0);
	assert_int_equal(strlen(t0), SOJOURN_REMEMBER_CHARS);
	assert_int_equal(
		sojourn_remember_use(s, t0, NULL, t1, data, &bytes, &info), 0);
	assert_int_equal(bytes, 4);
	assert_memory_equal(data, "blue", 4);
	assert_string_equal(info.subject, "anna");
	assert_string_equal(info.collection, "remember-me");
	assert_string_equal(info.metadata.ip, "192.0.2.1");
	assert_string_equal(info.metadata.device_name, "laptop");
	assert_int_equal(info.renewals, 1);
	assert_int_equal(info.data_bytes, 4);
	assert_int_equal(info.expires_ms, info.created_ms + 30 * DAY);
	/* And on, a thousand times, without growing. */
	for (unsigned i = 0; i < 1000; i++) {
		rotates(s, t1, t0);
		rotates(s, t0, t1);
	}
	bytes = sizeof(data);
	assert_int_equal(
		sojourn_remember_use(s, t1, NULL, t1, data, &bytes, &info), 0);
	assert_memory_equal(data, "blue", 4);
	assert_int_equal(info.renewals, 2002);
	assert_int_equal(sem_count(s, "anna"), 1);
	sojourn_detach(s);
}

static void s18_a_small_buffer_uses_nothing_up(void **state)
{
	struct sojourn *s = make_with(NULL);
	char t0[TOKEN], same[TOKEN], data[16];
	size_t bytes = 3;

	(void)state;
	remember(s, "anna", "blue", t0);
	memcpy(same, t0, TOKEN);
	assert_int_equal(
		sojourn_remember_use(s, same, NULL, same, data, &bytes, NULL),
		-ENOBUFS);
	assert_int_equal(bytes, 4);
	assert_string_equal(same, t0);
	rotates(s, t0, same);
	sojourn_detach(s);
}

static void s18_parallel_requests_in_the_window_get_one_token(void **state)
{
	struct sojourn *s = make_with(NULL);
	char t[6][TOKEN];

	(void)state;
	remember(s, "anna", NULL, t[0]);
	/* Each of the last four leads to the valid one. */
	for (unsigned i = 0; i < 4; i++) {
		rotates(s, t[i], t[i + 1]);
		for (unsigned j = 0; j <= i; j++)
			redelivers(s, t[j], t[i + 1]);
		sem_advance(s, 1000);
	}
	sem_advance(s, WINDOW - 4000 - 1);
	redelivers(s, t[0], t[4]);
	assert_int_equal(sem_counter(s, "redelivered"), 1 + 2 + 3 + 4 + 1);
	assert_int_equal(sem_counter(s, "reuses"), 0);
	sem_advance(s, 1);
	expect_reason(use(s, t[0], t[5]), -EPERM, SOJOURN_REUSED);
	sojourn_detach(s);
}

static void no_window(struct sojourn_collection *c)
{
	c->grace_window_ms = 0;
	c->redelivery_ms = 60000; /* is none without */
}

static void late_delivery(struct sojourn_collection *c)
{
	c->redelivery_ms = 60000;
}

static void s18_the_window_is_the_collections(void **state)
{
	struct sojourn *s = make_with(no_window);
	char t0[TOKEN], t1[TOKEN], t2[TOKEN];

	(void)state;
	remember(s, "anna", NULL, t0);
	rotates(s, t0, t1);
	expect_reason(use(s, t0, t2), -EPERM, SOJOURN_REUSED);
	sojourn_detach(s);
	/* Longer, for as long as what followed was not used. */
	s = make_with(late_delivery);
	remember(s, "anna", NULL, t0);
	rotates(s, t0, t1);
	sem_advance(s, WINDOW + 59999);
	redelivers(s, t0, t1);
	rotates(s, t1, t2);
	expect_reason(use(s, t0, t2), -EPERM, SOJOURN_REUSED);
	/* Not for one whose successor was: that answer did arrive. */
	remember(s, "carl", NULL, t0);
	rotates(s, t0, t1);
	rotates(s, t1, t2);
	sem_advance(s, WINDOW);
	redelivers(s, t1, t2);
	expect_reason(use(s, t0, t2), -EPERM, SOJOURN_REUSED);
	remember(s, "bert", NULL, t0);
	rotates(s, t0, t1);
	sem_advance(s, WINDOW + 60000);
	expect_reason(use(s, t0, t2), -EPERM, SOJOURN_REUSED);
	sojourn_detach(s);
}

static void slides(struct sojourn_collection *c)
{
	c->sliding = true;
	c->ttl_ms = 10 * DAY;
	c->max_lifetime_ms = 25 * DAY;
}

static void s18_lasts_30_days_or_slides_to_the_maximum(void **state)
{
	struct sojourn *s = make_with(NULL);
	char t0[TOKEN], t1[TOKEN];

	(void)state;
	remember(s, "anna", NULL, t0);
	sem_advance(s, 29 * DAY);
	rotates(s, t0, t1);
	sem_advance(s, DAY - 1);
	rotates(s, t1, t0);
	sem_advance(s, 1);
	expect_reason(use(s, t0, t1), -ENOENT, SOJOURN_EXPIRED);
	sojourn_detach(s);

	s = make_with(slides);
	remember(s, "anna", NULL, t0);
	for (unsigned i = 0; i < 2; i++) {
		sem_advance(s, 9 * DAY);
		rotates(s, t0, t1);
		memcpy(t0, t1, TOKEN);
	}
	sem_advance(s, 7 * DAY);
	expect_reason(use(s, t0, t1), -ENOENT, SOJOURN_EXPIRED);
	remember(s, "anna", NULL, t0);
	sem_advance(s, 10 * DAY);
	expect_reason(use(s, t0, t1), -ENOENT, SOJOURN_EXPIRED);
	sojourn_detach(s);
}

static void s18_forget_ends_the_family_by_any_of_its_tokens(void **state)
{
	struct sojourn *s = make_with(NULL);
	char t0[TOKEN], t1[TOKEN], other[TOKEN], next[TOKEN];

	(void)state;
	remember(s, "anna", NULL, t0);
	remember(s, "anna", NULL, other);
	rotates(s, t0, t1);
	assert_int_equal(sojourn_remember_forget(s, t0), 1);
	assert_int_equal(sojourn_remember_forget(s, t1), 0);
	assert_int_equal(use(s, t1, next), -ENOENT);
	rotates(s, other, next);
	assert_int_equal(sojourn_remember_forget(s, next), 1);
	assert_int_equal(sem_count(s, "anna"), 0);
	sojourn_detach(s);
}

/* ---- what is no token ---- */

static void s18_malformed_tokens_end_nothing(void **state)
{
	struct sojourn *s = make_with(NULL);
	char t0[TOKEN], bad[2 * TOKEN], next[TOKEN];
	const char *const wrong = "+/=. \t\n%\x80\xff*";

	(void)state;
	remember(s, "anna", NULL, t0);
	assert_int_equal(use(s, NULL, next), -ENOENT);
	assert_int_equal(use(s, "", next), -ENOENT);
	/* Every length but the right one, every place with every wrong sign. */
	snprintf(bad, sizeof(bad), "%s%s", t0, t0);
	for (unsigned n = 2 * SOJOURN_REMEMBER_CHARS; n > 0; n--) {
		bad[n] = 0;
		if (n != SOJOURN_REMEMBER_CHARS)
			expect_reason(use(s, bad, next), -ENOENT,
				      SOJOURN_NOT_FOUND);
	}
	for (unsigned at = 0; at < SOJOURN_REMEMBER_CHARS; at++)
		for (const char *w = wrong; *w; w++) {
			memcpy(bad, t0, TOKEN);
			bad[at] = *w;
			expect_reason(use(s, bad, next), -ENOENT,
				      SOJOURN_NOT_FOUND);
			assert_int_equal(sojourn_remember_forget(s, bad), 0);
		}
	/* 22 characters hold 132 bits: the last four have to be zero. */
	for (unsigned low = 1; low < 16; low++) {
		const char *abc = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqr"
				  "stuvwxyz0123456789-_";

		memcpy(bad, t0, TOKEN);
		bad[SOJOURN_REMEMBER_CHARS - 1] =
			abc[((size_t)(strchr(abc, t0[53]) - abc) & ~15u) | low];
		expect_reason(use(s, bad, next), -ENOENT, SOJOURN_NOT_FOUND);
	}
	/* Another family's name is nobody's. */
	memcpy(bad, t0, TOKEN);
	bad[5] = t0[5] == 'A' ? 'B' : 'A';
	expect_reason(use(s, bad, next), -ENOENT, SOJOURN_NOT_FOUND);
	rotates(s, t0, next);
	/* The name with a proof that never was: who knows names is no guest. */
	memcpy(bad, t0, TOKEN);
	bad[40] = t0[40] == 'A' ? 'B' : 'A';
	expect_reason(use(s, bad, t0), -EPERM, SOJOURN_REUSED);
	assert_int_equal(use(s, next, t0), -ENOENT);
	sojourn_detach(s);
}

static void s18_bad_arguments_are_named(void **state)
{
	struct sojourn *s = make_with(NULL);
	struct sojourn_new n = {.subject = ""};
	char t0[TOKEN];

	(void)state;
	expect_reason(sojourn_remember_create(s, &n, t0, NULL), -EINVAL,
		      SOJOURN_INVALID);
	assert_string_equal(t0, "");
	n.subject = "anna";
	n.data_bytes = 1;
	expect_reason(sojourn_remember_create(s, &n, t0, NULL), -EINVAL,
		      SOJOURN_INVALID);
	n.data = t0;
	n.data_bytes = SOJOURN_REMEMBER_BYTES_MAX + 1;
	expect_reason(sojourn_remember_create(s, &n, t0, NULL), -EMSGSIZE,
		      SOJOURN_TOO_LARGE);
	sojourn_detach(s);
}

static void s18_the_largest_data_rotates(void **state)
{
	struct sojourn *s = make_with(NULL);
	char *data = malloc(SOJOURN_REMEMBER_BYTES_MAX), t[6][TOKEN];
	struct sojourn_new n = {.subject = "anna",
				.data = data,
				.data_bytes = SOJOURN_REMEMBER_BYTES_MAX};
	size_t bytes = SOJOURN_REMEMBER_BYTES_MAX;

	(void)state;
	assert_non_null(data);
	memset(data, 'x', bytes);
	assert_int_equal(sojourn_remember_create(s, &n, t[0], NULL), 0);
	for (unsigned i = 0; i < 5; i++)
		rotates(s, t[i], t[i + 1]);
	memset(data, 0, bytes);
	assert_int_equal(
		sojourn_remember_use(s, t[5], NULL, t[5], data, &bytes, NULL),
		0);
	assert_int_equal(bytes, SOJOURN_REMEMBER_BYTES_MAX);
	for (size_t i = 0; i < bytes; i++)
		assert_int_equal(data[i], 'x');
	free(data);
	sojourn_detach(s);
}

static void bound(struct sojourn_collection *c)
{
	c->ip = SOJOURN_BINDING_REJECT;
	c->user_agent = SOJOURN_BINDING_DELETE;
}

static void s18_bindings_are_the_collections(void **state)
{
	struct sojourn *s = make_with(bound);
	struct sojourn_new n = {.subject = "anna"};
	struct sojourn_metadata client;
	char t0[TOKEN], t1[TOKEN];
	struct sojourn_info info;

	(void)state;
	n.metadata.ip = "192.0.2.1";
	n.metadata.user_agent = "Browser/1";
	client = n.metadata;
	assert_int_equal(sojourn_remember_create(s, &n, t0, NULL), 0);
	client.ip = "198.51.100.1";
	expect_reason(
		sojourn_remember_use(s, t0, &client, t1, NULL, NULL, &info),
		-EPERM, SOJOURN_BINDING);
	assert_int_equal(info.mismatch, SOJOURN_MISMATCH_IP);
	assert_string_equal(t1, "");
	client.ip = "192.0.2.1"; /* it was not used up */
	assert_int_equal(
		sojourn_remember_use(s, t0, &client, t1, NULL, NULL, &info), 0);
	assert_int_equal(info.mismatch, 0);
	assert_int_equal(sem_counter(s, "reuses"), 0);
	assert_int_equal(sem_counter(s, "mismatches"), 1);
	client.user_agent = "Browser/2";
	expect_reason(
		sojourn_remember_use(s, t1, &client, t0, NULL, NULL, &info),
		-EPERM, SOJOURN_BINDING);
	assert_int_equal(use(s, t1, t0), -ENOENT);
	sojourn_detach(s);
}

static int no_red(void *arg, const void *data, size_t bytes, char *why,
		  size_t why_bytes)
{
	*(unsigned *)arg += 1;
	if (bytes != 3 || memcmp(data, "red", 3) != 0)
		return 0;
	snprintf(why, why_bytes, "red is refused");
	return -1;
}

static void s18_validators_see_the_callers_data(void **state)
{
	struct sojourn_new n = {
		.subject = "anna", .data = "red", .data_bytes = 3};
	struct sojourn *s = make_with(NULL);
	char t0[TOKEN], t1[TOKEN], data[8];
	size_t bytes = sizeof(data);
	unsigned calls = 0;

	(void)state;
	remember(s, "anna", "red", t0);
	assert_int_equal(sojourn_validator_set(s, 1, no_red, &calls), 0);
	expect_reason(sojourn_remember_create(s, &n, t1, NULL), -EILSEQ,
		      SOJOURN_INVALID_DATA);
	expect_reason(sojourn_remember_use(s, t0, NULL, t1, data, &bytes, NULL),
		      -EILSEQ, SOJOURN_INVALID_DATA);
	assert_int_equal(calls, 2);
	rotates(s, t0, t1); /* it was not used up */
	remember(s, "anna", "blue", t0);
	bytes = sizeof(data);
	assert_int_equal(
		sojourn_remember_use(s, t0, NULL, t1, data, &bytes, NULL), 0);
	sojourn_detach(s);
}

static void s18_a_full_segment_uses_nothing_up(void **state)
{
	const struct sojourn_new n = {.subject = "anna",
				      .data = calloc(1, 700000),
				      .data_bytes = 700000};
	struct sojourn *s = make_with(NULL);
	char t[64][TOKEN], next[TOKEN] = "";
	unsigned made = 0;

	(void)state;
	assert_non_null(n.data);
	while (sojourn_remember_create(s, &n, t[made], NULL) == 0)
		assert_true(++made < 64);
	assert_true(made > 2);
	expect_reason(use(s, t[0], next), -ENOSPC, SOJOURN_FULL);
	assert_string_equal(next, "");
	assert_int_equal(sojourn_remember_forget(s, t[1]), 1);
	rotates(s, t[0], next);
	assert_int_equal(sem_counter(s, "reuses"), 0);
	free((void *)(uintptr_t)n.data);
	sojourn_detach(s);
}

/* ---- traps: a token that can be used again, and outlives a logout ---- */

struct naive {
	struct sojourn *s;
	char token[TOKEN];
	uint64_t until_ms;
};

/* A row with the token and a deadline; each use finds it as it was. */
static int naive_use(struct naive *n, const char *token, char next[TOKEN])
{
	if (strcmp(n->token, token) != 0 || sojourn_now_ms(n->s) >= n->until_ms)
		return -ENOENT;
	memcpy(next, n->token, TOKEN);
	return 0;
}

static void s18_trap_reusable_token(void **state)
{
	struct sojourn *s = make_with(NULL);
	char t0[TOKEN], t1[TOKEN], t2[TOKEN];
	struct naive n = {.s = s};

	(void)state;
	remember(s, "anna", NULL, t0);
	memcpy(n.token, t0, TOKEN);
	n.until_ms = sojourn_now_ms(s) + 30 * DAY;
	/* A thief copies the cookie; then its owner comes; then the thief. */
	rotates(s, t0, t1);
	assert_int_equal(naive_use(&n, t0, t2), 0);
	sem_advance(s, WINDOW);
	expect_reason(use(s, t0, t2), -EPERM, SOJOURN_REUSED);
	assert_int_equal(naive_use(&n, t0, t2), 0); /* he is in */
	assert_string_equal(t2, t0);
	/* The other way round the owner finds out, and the thief is out. */
	expect_reason(use(s, t1, t2), -ENOENT, SOJOURN_NOT_FOUND);
	assert_int_equal(sem_counter(s, "reuses"), 1);
	assert_int_equal(sem_count(s, "anna"), 0);
	sojourn_detach(s);
}

static void s18_trap_survives_logout_everywhere(void **state)
{
	struct sojourn *s = make_with(NULL);
	char t0[TOKEN], t1[TOKEN], other[TOKEN];
	char id[SOJOURN_ID_CHARS_MAX + 1], kept[SOJOURN_ID_CHARS_MAX + 1];
	struct naive n = {.s = s};

	(void)state;
	sem_login(s, "anna", NULL, id);
	sem_login(s, "anna", NULL, kept);
	remember(s, "anna", NULL, t0);
	remember(s, "bert", NULL, other);
	memcpy(n.token, t0, TOKEN);
	n.until_ms = sojourn_now_ms(s) + 30 * DAY;
	assert_int_equal(sem_count(s, "anna"), 3);
	rotates(s, t0, t1);
	assert_int_equal(sojourn_session_delete_subject(s, "anna", kept), 2);
	assert_int_equal(use(s, t1, t0), -ENOENT);
	memcpy(t0, n.token, TOKEN);
	assert_int_equal(naive_use(&n, t0, t1), 0); /* logged in again */
	rotates(s, other, t1);
	remember(s, "anna", NULL, t0);
	assert_int_equal(sojourn_session_delete_subject(s, "anna", NULL), 2);
	assert_int_equal(use(s, t0, t1), -ENOENT);
	sojourn_detach(s);
}

static int keep_handle(void *arg, const struct sojourn_info *info)
{
	if (strcmp(info->collection, "remember-me") == 0)
		memcpy(arg, info->handle, sizeof(info->handle));
	return 0;
}

static void s18_a_listed_family_ends_by_its_handle(void **state)
{
	char handle[SOJOURN_HANDLE_CHARS + 1] = "", t0[TOKEN], t1[TOKEN];
	struct sojourn *s = make_with(NULL);
	char id[SOJOURN_ID_CHARS_MAX + 1];

	(void)state;
	sem_login(s, "anna", NULL, id);
	remember(s, "anna", NULL, t0);
	assert_int_equal(sojourn_session_list_subject(s, "anna", NULL,
						      keep_handle, handle),
			 2);
	assert_int_equal(sojourn_session_delete_handle(s, handle), 1);
	assert_int_equal(use(s, t0, t1), -ENOENT);
	assert_int_equal(sem_read(s, id, NULL), 0);
	sojourn_detach(s);
}

/* ---- nothing stored ---- */

static bool in_segment(struct sojourn *s, const char *text, size_t chars)
{
	size_t bytes = 8u << 20;
	char *copy = malloc(bytes);
	ssize_t got;
	bool found;

	assert_non_null(copy);
	got = pread(sojourn_fd(s), copy, bytes, 0);
	assert_true(got > 1 << 20);
	found = memmem(copy, (size_t)got, text, chars) != NULL;
	free(copy);
	return found;
}

static void s18_no_part_of_a_token_is_stored(void **state)
{
	struct sojourn *s = make_with(NULL);
	char t0[TOKEN], t1[TOKEN];

	(void)state;
	remember(s, "anna-is-stored", NULL, t0);
	rotates(s, t0, t1);
	assert_true(in_segment(s, "anna-is-stored", 14));
	assert_false(in_segment(s, t0, 16));
	assert_false(in_segment(s, t0 + 32, 16));
	assert_false(in_segment(s, t1 + 32, 16));
	sojourn_detach(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			s18_a_use_gives_subject_data_and_another_token),
		cmocka_unit_test(s18_a_small_buffer_uses_nothing_up),
		cmocka_unit_test(
			s18_parallel_requests_in_the_window_get_one_token),
		cmocka_unit_test(s18_the_window_is_the_collections),
		cmocka_unit_test(s18_lasts_30_days_or_slides_to_the_maximum),
		cmocka_unit_test(
			s18_forget_ends_the_family_by_any_of_its_tokens),
		cmocka_unit_test(s18_malformed_tokens_end_nothing),
		cmocka_unit_test(s18_bad_arguments_are_named),
		cmocka_unit_test(s18_the_largest_data_rotates),
		cmocka_unit_test(s18_bindings_are_the_collections),
		cmocka_unit_test(s18_validators_see_the_callers_data),
		cmocka_unit_test(s18_a_full_segment_uses_nothing_up),
		cmocka_unit_test(s18_trap_reusable_token),
		cmocka_unit_test(s18_trap_survives_logout_everywhere),
		cmocka_unit_test(s18_a_listed_family_ends_by_its_handle),
		cmocka_unit_test(s18_no_part_of_a_token_is_stored),
	};

	return cmocka_run_group_tests_name("S18", tests, NULL, NULL);
}
