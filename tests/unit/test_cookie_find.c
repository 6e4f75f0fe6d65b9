/* SPDX-License-Identifier: MIT */

/* Cookie request headers, as browsers, other programs and attackers send them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sojourn/cookie.h>

#include "lib/random.h"

static int find(const char *header, const char *name, char *out)
{
	const char *value = header;
	size_t bytes = 999;
	int rc = sojourn_cookie_find(header, strlen(header), name, &value,
				     &bytes);

	if (rc != 0) {
		assert_null(value);
		assert_int_equal(bytes, 0);
		return rc;
	}
	assert_in_range((uintptr_t)value, (uintptr_t)header,
			(uintptr_t)(header + strlen(header)));
	memcpy(out, value, bytes);
	out[bytes] = '\0';
	return 0;
}

static void assert_found(const char *header, const char *expected)
{
	char out[200];

	assert_int_equal(find(header, "sid", out), 0);
	assert_string_equal(out, expected);
}

static void assert_find_error(const char *header, int error)
{
	char out[200];

	assert_int_equal(find(header, "sid", out), error);
}

static void test_find(void **state)
{
	(void)state;
	assert_found("sid=abc", "abc");
	assert_found("a=1; sid=abc; b=2", "abc");
	assert_found("a=1;sid=abc;b=2", "abc");
	assert_found(" \tsid=abc\t ", "abc");
	assert_found(";; ;sid=abc;;", "abc");
	assert_found("sid=", "");
	assert_found("sid=;", "");
	assert_found("a; sid=x", "x");
	assert_found("=; =sid=evil; sid=x", "x");
	assert_found("sid=a=b==", "a=b==");
	assert_found("sid=!#$%&'()*+-./:<=>?@[]^_`{|}~",
		     "!#$%&'()*+-./:<=>?@[]^_`{|}~");
	/* names that merely look alike */
	assert_found("xsid=1; sidx=2; SID=3; sid=4", "4");
	assert_found("x=sid=1; sid=4", "4");
	assert_find_error("", -ENOENT);
	assert_find_error("sid", -ENOENT);
	assert_find_error("sid;", -ENOENT);
	assert_find_error("si=1; Sid=2", -ENOENT);
	assert_find_error("a=1; b=2", -ENOENT);
}

static void test_find_quotes(void **state)
{
	(void)state;
	/* the quotes are part of the value */
	assert_found("sid=\"abc\"", "\"abc\"");
	assert_found("sid=\"\"", "\"\"");
	/* and hide nothing: no other cookie ends up within a value */
	assert_found("a=\"1; sid=x; b=2\"", "x");
	assert_find_error("sid=\"a; b=c\"", -ENOENT);
	assert_find_error("sid=\"", -ENOENT);
	assert_find_error("sid=\"abc", -ENOENT);
	assert_find_error("sid=abc\"", -ENOENT);
	assert_find_error("sid=a\"b\"c", -ENOENT);
	assert_find_error("sid=\"a\"b\"", -ENOENT);
	assert_find_error("sid=\"\"\"", -ENOENT);
	assert_find_error("sid=\"\"\"\"", -ENOENT);
}

static void test_find_malformed(void **state)
{
	(void)state;
	assert_find_error("sid =abc", -ENOENT);
	assert_find_error("sid= abc", -ENOENT);
	assert_find_error("sid=a b", -ENOENT);
	assert_find_error("sid=a,b", -ENOENT);
	assert_find_error("sid=a\\b", -ENOENT);
	assert_find_error("sid=a\x01", -ENOENT);
	assert_find_error("sid=a\x7f", -ENOENT);
	assert_find_error("sid=caf\xc3\xa9", -ENOENT);
	assert_find_error("sid=a\r\nX: y", -ENOENT);
	/* others' malformed pairs do not matter, nor do ours beside a good */
	assert_found("a=b c, \"d\"; \x80; sid=ok", "ok");
	assert_found("sid=a b; sid=ok", "ok");
	assert_found("sid=ok; sid =other; sid", "ok");
}

static void test_find_duplicates(void **state)
{
	(void)state;
	assert_find_error("sid=a; sid=b", -EEXIST);
	assert_find_error("sid=a; x=1; sid=b; y=2", -EEXIST);
	assert_find_error("sid=a; sid=a", -EEXIST);
	assert_find_error("sid=; sid=a", -EEXIST);
	assert_find_error("sid=a;sid=", -EEXIST);
	assert_find_error("sid=a; sid=b; sid=c", -EEXIST);
	assert_found("sid=a; SID=b", "a");
}

static void test_find_arguments(void **state)
{
	const char *value;
	size_t bytes;
	char out[10];

	(void)state;
	assert_int_equal(find("=x", "", out), -EINVAL);
	assert_int_equal(find("a b=x", "a b", out), -EINVAL);
	assert_int_equal(find("a;b=x", "a;b", out), -EINVAL);
	assert_int_equal(find("a=b=x", "a=b", out), -EINVAL);
	assert_int_equal(find("a=x", NULL, out), -EINVAL);
	assert_int_equal(sojourn_cookie_find(NULL, 0, "a", &value, &bytes),
			 -ENOENT);
	assert_int_equal(sojourn_cookie_find(NULL, 1, "a", &value, &bytes),
			 -EINVAL);
	assert_null(value);
	assert_int_equal(sojourn_cookie_find("a=1", 3, "a", NULL, &bytes),
			 -EINVAL);
	assert_int_equal(sojourn_cookie_find("a=1", 3, "a", &value, NULL),
			 -EINVAL);
	/* the size counts, not a NUL */
	assert_int_equal(sojourn_cookie_find("a=12", 3, "a", &value, &bytes),
			 0);
	assert_int_equal(bytes, 1);
	assert_int_equal(sojourn_cookie_find("\0; a=1", 6, "a", &value, &bytes),
			 0);
	assert_int_equal(sojourn_cookie_find("a=\0", 3, "a", &value, &bytes),
			 -ENOENT);
}

/* The contract again, as a state machine that sees one byte at a time. */
static int slow_find(const char *h, size_t n, char name, size_t *at,
		     size_t *bytes)
{
	int found = -ENOENT;

	for (size_t i = 0, j; i <= n; i = j + 1) {
		size_t a = i, b, bad = 0;

		for (j = i; j < n && h[j] != ';'; j++)
			;
		for (b = j; a < b && (h[a] == ' ' || h[a] == '\t'); a++)
			;
		for (; b > a && (h[b - 1] == ' ' || h[b - 1] == '\t'); b--)
			;
		if (b - a < 2 || h[a] != name || h[a + 1] != '=')
			continue;
		a += 2;
		for (size_t k = a; k < b; k++) {
			bool ends =
				b - a >= 2 && h[a] == '"' && h[b - 1] == '"';

			if (h[k] == '"')
				bad += !(ends && (k == a || k == b - 1));
			else
				bad += strchr("ab=", h[k]) == NULL ||
				       h[k] == '\0';
		}
		if (bad)
			continue;
		if (found == 0)
			return -EEXIST;
		found = 0;
		*at = a;
		*bytes = b - a;
	}
	return found;
}

/*
 * Random headers of the few characters that matter, each at the very end of a
 * page that is followed by none: reading a byte too far dies.
 */
static void test_find_random(void **state)
{
	static const char alphabet[] = "aaaaab===;;;\" \t,\x80";
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *mem = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t seed = 20240601, outcomes[3] = {0};

	(void)state;
	assert_ptr_not_equal(mem, MAP_FAILED);
	assert_int_equal(mprotect(mem + page, page, PROT_NONE), 0);
	for (int round = 0; round < 300000; round++) {
		size_t n = random_next(&seed) % 24, at = 0, bytes = 0,
		       got_bytes;
		char *header = mem + page - n;
		const char *got;
		int expected, rc;

		for (size_t i = 0; i < n; i++)
			header[i] =
				alphabet[random_next(&seed) % sizeof(alphabet)];
		expected = slow_find(header, n, 'a', &at, &bytes);
		rc = sojourn_cookie_find(header, n, "a", &got, &got_bytes);
		assert_int_equal(rc, expected);
		if (rc == 0) {
			assert_ptr_equal(got, header + at);
			assert_int_equal(got_bytes, bytes);
		}
		outcomes[rc == 0 ? 0 : rc == -ENOENT ? 1 : 2]++;
	}
	/* the sample says something about each outcome */
	for (int i = 0; i < 3; i++)
		assert_true(outcomes[i] > 100);
	munmap(mem, 2 * page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_find_quotes),
		cmocka_unit_test(test_find_malformed),
		cmocka_unit_test(test_find_duplicates),
		cmocka_unit_test(test_find_arguments),
		cmocka_unit_test(test_find_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
