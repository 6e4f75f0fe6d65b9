/* SPDX-License-Identifier: MIT */

/* Set-Cookie lines: every rule, and every limit from both sides. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include <sojourn/cookie.h>

#define ID "Zm9vYmFyLWJhel9xdXV4MDEyMzQ1"

static struct sojourn_cookie cookie(const char *name, const char *value)
{
	struct sojourn_cookie c = {.name = name, .value = value};

	return c;
}

static void assert_line(const struct sojourn_cookie *c, const char *expected)
{
	char buf[SOJOURN_COOKIE_BUF_BYTES];
	size_t len = 12345;

	assert_null(sojourn_cookie_strerror(c));
	assert_int_equal(sojourn_cookie_format(buf, sizeof(buf), c, &len), 0);
	assert_string_equal(buf, expected);
	assert_int_equal(len, strlen(expected));
}

static void assert_cleared(const struct sojourn_cookie *c, const char *expected)
{
	char buf[SOJOURN_COOKIE_BUF_BYTES];
	size_t len = 12345;

	assert_int_equal(sojourn_cookie_format_clear(buf, sizeof(buf), c, &len),
			 0);
	assert_string_equal(buf, expected);
	assert_int_equal(len, strlen(expected));
}

/* Refused, nothing written, and the reason contains `word`. */
static void assert_refused(const struct sojourn_cookie *c, const char *word)
{
	char buf[SOJOURN_COOKIE_BUF_BYTES];
	const char *why = sojourn_cookie_strerror(c);
	size_t len = 12345;

	assert_non_null(why);
	if (strstr(why, word) == NULL)
		fail_msg("\"%s\" does not say %s", why, word);
	memset(buf, 0x55, sizeof(buf));
	assert_int_equal(sojourn_cookie_format(buf, sizeof(buf), c, &len),
			 -EINVAL);
	assert_int_equal(len, 0);
	for (size_t i = 0; i < sizeof(buf); i++)
		assert_int_equal(buf[i], 0x55);
}

static void assert_both_refused(const struct sojourn_cookie *c,
				const char *word)
{
	char buf[SOJOURN_COOKIE_BUF_BYTES] = "before";

	assert_refused(c, word);
	assert_int_equal(sojourn_cookie_format_clear(buf, sizeof(buf), c, NULL),
			 -EINVAL);
	assert_string_equal(buf, "before");
}

static void test_lines(void **state)
{
	struct sojourn_cookie c = cookie("sid", ID);

	(void)state;
	assert_line(&c, "sid=" ID "; SameSite=Lax");
	assert_cleared(&c, "sid=; Max-Age=0; "
			   "Expires=Thu, 01 Jan 1970 00:00:00 GMT; "
			   "SameSite=Lax");
	c.value = "";
	assert_line(&c, "sid=; SameSite=Lax");

	c = cookie("sid", ID);
	c.path = "/app/x";
	c.domain = "example.org";
	c.max_age_s = 1800;
	c.secure = true;
	c.http_only = true;
	c.same_site = SOJOURN_SAME_SITE_STRICT;
	assert_line(&c, "sid=" ID "; Path=/app/x; Domain=example.org; "
			"Max-Age=1800; Secure; HttpOnly; SameSite=Strict");
	assert_cleared(&c, "sid=; Path=/app/x; Domain=example.org; Max-Age=0; "
			   "Expires=Thu, 01 Jan 1970 00:00:00 GMT; "
			   "Secure; HttpOnly; SameSite=Strict");
	c.http_only = false;
	c.same_site = SOJOURN_SAME_SITE_NONE;
	assert_line(&c, "sid=" ID "; Path=/app/x; Domain=example.org; "
			"Max-Age=1800; Secure; SameSite=None");
}

static void test_clear_ignores_value_and_age(void **state)
{
	struct sojourn_cookie c = cookie("sid", NULL);

	(void)state;
	c.max_age_s = UINT32_MAX;
	assert_cleared(&c, "sid=; Max-Age=0; "
			   "Expires=Thu, 01 Jan 1970 00:00:00 GMT; "
			   "SameSite=Lax");
	assert_refused(&c, "no value");
	c.value = "a b";
	assert_refused(&c, "value");
	assert_cleared(&c, "sid=; Max-Age=0; "
			   "Expires=Thu, 01 Jan 1970 00:00:00 GMT; "
			   "SameSite=Lax");
}

static void test_missing_arguments(void **state)
{
	struct sojourn_cookie c = cookie("sid", ID);
	char buf[100];
	size_t len;

	(void)state;
	assert_int_equal(sojourn_cookie_format(buf, 100, NULL, &len), -EINVAL);
	assert_int_equal(sojourn_cookie_format_clear(buf, 100, NULL, &len),
			 -EINVAL);
	assert_non_null(sojourn_cookie_strerror(NULL));
	assert_int_equal(sojourn_cookie_format(NULL, 100, &c, &len), -ENOSPC);
	assert_int_equal(len, strlen("sid=" ID "; SameSite=Lax"));
	assert_int_equal(sojourn_cookie_format(buf, 100, &c, NULL), 0);
	c.name = NULL;
	assert_both_refused(&c, "no name");
	c.name = "";
	assert_both_refused(&c, "no name");
}

/* Exactly the characters of the two grammars, over all bytes. */
static void test_characters(void **state)
{
	const char *token = "!#$%&'*+-.^_`|~";

	(void)state;
	for (int ch = 1; ch < 256; ch++) {
		char text[4] = {'a', (char)ch, 'b', '\0'};
		struct sojourn_cookie c = cookie(text, ID);
		bool alnum = (ch >= '0' && ch <= '9') ||
			     (ch >= 'A' && ch <= 'Z') ||
			     (ch >= 'a' && ch <= 'z');

		if (alnum || strchr(token, ch) != NULL)
			assert_null(sojourn_cookie_strerror(&c));
		else
			assert_both_refused(&c, "name");
		c = cookie("sid", text);
		if (ch == 0x21 || (ch >= 0x23 && ch <= 0x2b) ||
		    (ch >= 0x2d && ch <= 0x3a) || (ch >= 0x3c && ch <= 0x5b) ||
		    (ch >= 0x5d && ch <= 0x7e))
			assert_null(sojourn_cookie_strerror(&c));
		else
			assert_refused(&c, "value");
		c = cookie("sid", ID);
		text[0] = '/';
		c.path = text;
		if (ch > 0x20 && ch < 0x7f && ch != ';')
			assert_null(sojourn_cookie_strerror(&c));
		else
			assert_both_refused(&c, "path");
		c.path = NULL;
		text[0] = 'a';
		c.domain = text;
		if (alnum || ch == '-' || ch == '.')
			assert_null(sojourn_cookie_strerror(&c));
		else
			assert_both_refused(&c, "domain");
	}
}

static void test_prefixes(void **state)
{
	static const char *const hosts[] = {"__Host-sid", "__HOST-sid",
					    "__host-", "__hOsT-x"};
	static const char *const secures[] = {"__Secure-sid", "__SECURE-s",
					      "__secure-"};
	struct sojourn_cookie c;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		c = cookie(hosts[i], ID);
		c.path = "/";
		assert_both_refused(&c, "Secure");
		c.secure = true;
		assert_null(sojourn_cookie_strerror(&c));
		c.path = NULL;
		assert_both_refused(&c, "Path=/");
		c.path = "/a";
		assert_both_refused(&c, "Path=/");
		c.path = "/";
		c.domain = "example.org";
		assert_both_refused(&c, "Domain");
		c.domain = "";
		assert_both_refused(&c, "Domain");
	}
	for (size_t i = 0; i < 3; i++) {
		c = cookie(secures[i], ID);
		assert_both_refused(&c, "Secure");
		c.secure = true;
		c.domain = "example.org";
		assert_null(sojourn_cookie_strerror(&c));
	}
	/* not the prefixes */
	c = cookie("__Hostsid", ID);
	assert_null(sojourn_cookie_strerror(&c));
	c.name = "_Host-sid";
	assert_null(sojourn_cookie_strerror(&c));
	c.name = "x__Host-sid";
	assert_null(sojourn_cookie_strerror(&c));
	c.name = "__Secure";
	assert_null(sojourn_cookie_strerror(&c));

	c = cookie("__Host-sid", ID);
	c.path = "/";
	c.secure = true;
	c.http_only = true;
	assert_line(&c, "__Host-sid=" ID
			"; Path=/; Secure; HttpOnly; SameSite=Lax");
}

static void test_same_site(void **state)
{
	struct sojourn_cookie c = cookie("sid", ID);

	(void)state;
	c.same_site = SOJOURN_SAME_SITE_NONE;
	assert_both_refused(&c, "SameSite=None");
	c.secure = true;
	assert_null(sojourn_cookie_strerror(&c));
	c.same_site = (enum sojourn_same_site)3;
	assert_both_refused(&c, "same_site");
	c.same_site = (enum sojourn_same_site) - 1;
	assert_both_refused(&c, "same_site");
}

static void test_domain(void **state)
{
	static const char *const bad[] = {"",     ".",      ".a.org", "a.org.",
					  "a..b", "-a.org", "a-.org", "a.org-",
					  "a.-b", "a-"};
	static const char *const good[] = {
		"a",          "localhost", "EXAMPLE.Org",
		"a-b.c--d.e", "127.0.0.1", "xn--bcher-kva.example"};
	struct sojourn_cookie c = cookie("sid", ID);
	char text[300];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		c.domain = bad[i];
		assert_both_refused(&c, "host name");
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		c.domain = good[i];
		assert_null(sojourn_cookie_strerror(&c));
	}
	/* labels of 63 and 64, names of 253 and 254 */
	c.domain = text;
	memset(text, 'a', sizeof(text));
	text[63] = '\0';
	assert_null(sojourn_cookie_strerror(&c));
	text[63] = 'a';
	text[64] = '\0';
	assert_both_refused(&c, "host name");
	for (size_t i = 1; i < 254; i += 2)
		text[i] = '.';
	text[64] = 'a';
	text[253] = '\0';
	assert_null(sojourn_cookie_strerror(&c));
	text[253] = 'a';
	text[254] = '\0';
	assert_both_refused(&c, "253");
}

static void test_path_and_age_limits(void **state)
{
	struct sojourn_cookie c = cookie("sid", ID);
	char text[1100];

	(void)state;
	c.path = "";
	assert_both_refused(&c, "slash");
	c.path = "app";
	assert_both_refused(&c, "slash");
	memset(text, '/', sizeof(text));
	text[1024] = '\0';
	c.path = text;
	assert_null(sojourn_cookie_strerror(&c));
	text[1024] = '/';
	text[1025] = '\0';
	assert_both_refused(&c, "1024");

	c = cookie("sid", ID);
	c.max_age_s = 1;
	assert_line(&c, "sid=" ID "; Max-Age=1; SameSite=Lax");
	c.max_age_s = 400 * 86400;
	assert_line(&c, "sid=" ID "; Max-Age=34560000; SameSite=Lax");
	c.max_age_s++;
	assert_refused(&c, "400 days");
	c.max_age_s = UINT32_MAX;
	assert_refused(&c, "400 days");
}

static void test_line_limit(void **state)
{
	size_t fixed = strlen("sid=; SameSite=Lax");
	size_t cleared = strlen("=; Max-Age=0; Expires=Thu, 01 Jan 1970 "
				"00:00:00 GMT; SameSite=Lax");
	char text[5000], buf[SOJOURN_COOKIE_BUF_BYTES];
	struct sojourn_cookie c = cookie("sid", text);
	size_t len;

	(void)state;
	memset(text, 'v', sizeof(text));
	text[4096 - fixed] = '\0';
	assert_int_equal(sojourn_cookie_format(buf, sizeof(buf), &c, &len), 0);
	assert_int_equal(len, 4096);
	assert_int_equal(strlen(buf), 4096);
	text[4096 - fixed] = 'v';
	text[4097 - fixed] = '\0';
	assert_refused(&c, "4096");

	/* what cannot be cleared is not set either */
	memset(text, 'n', sizeof(text));
	text[4096 - cleared] = '\0';
	c = cookie(text, "");
	assert_null(sojourn_cookie_strerror(&c));
	assert_int_equal(
		sojourn_cookie_format_clear(buf, sizeof(buf), &c, &len), 0);
	assert_int_equal(len, 4096);
	text[4096 - cleared] = 'n';
	text[4097 - cleared] = '\0';
	assert_both_refused(&c, "4096");
}

static void test_small_buffers(void **state)
{
	struct sojourn_cookie c = cookie("sid", ID);
	char buf[300], whole[300];
	size_t need, len;

	(void)state;
	c.path = "/";
	c.max_age_s = 600;
	assert_int_equal(sojourn_cookie_format(whole, sizeof(whole), &c, &need),
			 0);
	for (size_t bytes = 0; bytes <= need; bytes++) {
		memset(buf, 0x55, sizeof(buf));
		assert_int_equal(sojourn_cookie_format(buf, bytes, &c, &len),
				 -ENOSPC);
		assert_int_equal(len, need);
		for (size_t i = 0; i < sizeof(buf); i++)
			assert_int_equal(buf[i], 0x55);
	}
	assert_int_equal(sojourn_cookie_format(buf, need + 1, &c, &len), 0);
	assert_string_equal(buf, whole);
	/* not a byte behind the NUL */
	for (size_t i = need + 1; i < sizeof(buf); i++)
		assert_int_equal(buf[i], 0x55);
	assert_int_equal(sojourn_cookie_format_clear(buf, 10, &c, &len),
			 -ENOSPC);
	assert_int_equal(sojourn_cookie_format_clear(buf, len + 1, &c, &need),
			 0);
	assert_int_equal(need, len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_clear_ignores_value_and_age),
		cmocka_unit_test(test_missing_arguments),
		cmocka_unit_test(test_characters),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_same_site),
		cmocka_unit_test(test_domain),
		cmocka_unit_test(test_path_and_age_limits),
		cmocka_unit_test(test_line_limit),
		cmocka_unit_test(test_small_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
