/* SPDX-License-Identifier: MIT */

/*
 * What tokens of forms, items, remembered logins and access tokens leave
 * behind: see lib_stack.h.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "lib_stack.h"

static struct sojourn_tokens *tokens;

/* ---- forms, items, tokens ---- */

static void form(void)
{
	my.rc = sojourn_csrf_token(s, my.id[1], my.csrf);
}

static void learn_form(void)
{
	is_secret_id("a token of a form", my.csrf);
	crypto_generichash(my.proof, 32, (const uint8_t *)my.id[1],
			   strlen(my.id[1]), my.keys.csrf, 32);
	is_secret("the proof in a token of a form", my.proof, 32);
}

static void check_form(void)
{
	my.rc = sojourn_csrf_check(s, my.id[1], my.csrf);
}

static struct sojourn_item item(void)
{
	return (struct sojourn_item){.collection = SOJOURN_COLLECTION_CSRF,
				     .key = my.value[2],
				     .key_bytes = STACK_TEXT - 1};
}

static struct sojourn_value value_of(const struct sojourn_metadata *m)
{
	return (struct sojourn_value){.data = my.value[0],
				      .data_bytes = STACK_TEXT - 1,
				      .subject = my.subject,
				      .metadata = m};
}

static void put(void)
{
	const struct sojourn_metadata m = stack_metadata();
	const struct sojourn_value v = value_of(&m);
	const struct sojourn_item key = item();

	my.rc = sojourn_put(s, &key, &v, NULL);
}

static void get(void)
{
	const struct sojourn_item key = item();

	my.rc = sojourn_get(s, &key, NULL, my.data, &my.bytes, &my.info);
}

static void modify_item(void)
{
	const struct sojourn_metadata m = stack_metadata();
	const struct sojourn_value v = value_of(&m);
	const struct sojourn_item key = item();

	my.rc = sojourn_modify_item(s, &key, &v, 64, stack_value, my.value[1],
				    NULL);
}

static void remember(void)
{
	const struct sojourn_new n = stack_login();

	my.rc = sojourn_remember_create(s, &n, my.remember[0], &my.info);
}

static void learn_remember(void)
{
	is_secret_id("a remember-me token", my.remember[0]);
}

static void use_remember(void)
{
	const struct sojourn_metadata m = stack_metadata();

	my.rc = sojourn_remember_use(s, my.remember[0], &m, my.remember[1],
				     my.data, &my.bytes, &my.info);
}

static void learn_remember_next(void)
{
	is_secret_id("the next remember-me token", my.remember[1]);
}

/* Once more: the same one is told. */
static void use_again(void)
{
	my.rc = sojourn_remember_use(s, my.remember[0], NULL, my.remember[2],
				     my.data, &my.bytes, NULL);
}

static void open_tokens(void **state)
{
	const struct sojourn_key source = {.form = SOJOURN_KEY_RAW,
					   .alg = SOJOURN_TOKEN_HS256,
					   .kid = "one",
					   .text = my.sample[2],
					   .text_bytes = STACK_TEXT};
	struct sojourn_token_options o;
	struct sojourn_keys *keys;

	(void)state;
	sojourn_token_options_init(&o);
	o.issuer = "https://id.example";
	o.audience = "api.example";
	o.cache = true;
	assert_int_equal(sojourn_keys_create(&source, 1, "one", false, &keys),
			 0);
	assert_int_equal(sojourn_tokens_open(s, keys, &o, &tokens), 0);
}

static void token(void)
{
	static const struct sojourn_token_new what = {.subject = "anna"};

	my.bytes = sizeof(my.access);
	my.rc = sojourn_token_create(tokens, &what, my.access, &my.bytes,
				     my.refresh[0], NULL);
}

/* Not the header and the claims; half of it is of no use to anybody. */
static void learn_refresh(void)
{
	is_secret_id("a signature", strrchr(my.access, '.') + 1);
	is_secret_id("a refresh token", my.refresh[0]);
}

static void verify(void)
{
	my.rc = sojourn_token_verify(tokens, my.access, strlen(my.access),
				     my.data, &my.bytes, NULL);
}

static void refresh(void)
{
	my.bytes = sizeof(my.access);
	my.rc = sojourn_token_refresh(tokens, my.refresh[0], NULL, my.access,
				      &my.bytes, my.refresh[1], NULL);
}

static void learn_refresh_next(void)
{
	is_secret_id("the next refresh token", my.refresh[1]);
}

static const struct sojourn_filter all = {
	.collection = SOJOURN_COLLECTION_SESSION, .match = "*"};

static void clear(void)
{
	my.rc = sojourn_clear(s, &all);
}

/* ---- all of it ---- */

/* The segment and a login, which others look at. */
static void prepare(void **state)
{
	const struct sojourn_new n = stack_login();

	(void)state;
	stack_make();
	assert_int_equal(my.rc, 0);
	stack_learn_keys();
	stack_make_texts();
	assert_int_equal(sojourn_session_create(s, &n, my.id[1], NULL), 0);
	is_secret_id("an id", my.id[1]);
}

static void others(void **state)
{
	static const struct call calls[] = {
		{"token of a form", form, 0, learn_form},
		{"its check", check_form, 0, NULL},
		{"put", put, 0, NULL},
		{"put again", put, 0, NULL},
		{"get", get, 0, NULL},
		{"modify an item", modify_item, 0, NULL},
		{"remember", remember, 0, learn_remember},
		{"use of a remembered login", use_remember, 0,
		 learn_remember_next},
		{"the same again", use_again, 0, NULL},
		{"access token", token, 0, learn_refresh},
		{"verify", verify, 0, NULL},
		{"verify again", verify, 0, NULL},
		{"refresh", refresh, 0, learn_refresh_next},
		{"clear", clear, 1, NULL},
	};

	(void)state;
	NONE_LEAVES(calls);
}

static bool is_empty(const char *text, size_t bytes)
{
	while (bytes > 0 && text[bytes - 1] == 0)
		bytes--;
	return bytes == 0;
}

/* Who gets no login gets no id, nor token: neither means anything. */
static void refused(void **state)
{
	const struct sojourn_new n = stack_login();
	int rc;

	(void)state;
	do {
		rc = sojourn_session_create(s, &n, my.id[0], NULL);
	} while (rc == 0);
	assert_int_equal(rc, -ENOSPC);
	assert_true(is_empty(my.id[0], sizeof(my.id[0])));
	assert_int_equal(sojourn_remember_create(s, &n, my.remember[0], NULL),
			 -ENOSPC);
	assert_true(is_empty(my.remember[0], SOJOURN_REMEMBER_CHARS + 1));
}

static void close_tokens(void **state)
{
	(void)state;
	sojourn_tokens_close(tokens);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prepare),      cmocka_unit_test(open_tokens),
		cmocka_unit_test(others),       cmocka_unit_test(refused),
		cmocka_unit_test(close_tokens),
	};

	return stack_run(tests, sizeof(tests) / sizeof(*tests));
}
