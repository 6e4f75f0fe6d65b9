/* SPDX-License-Identifier: MIT */

/*
 * C6: the patterns by which sessions and items are found.
 *
 * Trap: a matcher that goes back takes for ever over a pattern of many stars.
 * The naive one is here, and fails.
 */

#include <errno.h>

#include "lib_sem.h"
#include "session/glob.h"

/* The naive one goes back to each star; it counts its steps. */
static uint64_t naive_steps;

static bool naive_match(const char *p, const char *t)
{
	if (naive_steps++ > 10000000)
		return false;
	if (*p == 0)
		return *t == 0;
	if (*p == '*')
		return naive_match(p + 1, t) || (*t && naive_match(p, t + 1));
	return *t && (*p == '?' || *p == *t) && naive_match(p + 1, t + 1);
}

static bool match(const char *pattern, const char *text)
{
	static struct soj_glob g;
	const char *why;

	assert_int_equal(soj_glob_compile(&g, pattern, &why), 0);
	return soj_glob_match(&g, text);
}

static void c6_wildcards(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} t[] = {
		{"", "", true},          {"", "a", false},
		{"*", "", true},         {"**", "abc", true},
		{"a", "a", true},        {"a", "ab", false},
		{"a*", "a", true},       {"a*", "abc", true},
		{"*c", "abc", true},     {"*b", "abc", false},
		{"a*c", "ac", true},     {"a*b*c", "aXbYbZc", true},
		{"a?c", "abc", true},    {"a?c", "ac", false},
		{"[a-c]x", "bx", true},  {"[a-c]x", "dx", false},
		{"[!a-c]", "d", true},   {"[!a-c]", "a", false},
		{"[]]", "]", true},      {"[a\\]]", "]", true},
		{"[*-\\.]", "-", true},  {"[*-\\.]", "\\", false},
		{"[^a-c]", "d", true},   {"[^a-c]", "b", false},
		{"[a-]", "-", true},     {"\\*", "*", true},
		{"\\*", "a", false},     {"*[0-9]", "ab7", true},
		{"*aab", "aaaab", true}, {"\xc3*", "\xc3\xa4", true},
		{"a\\", "a\\", true},
	};
	static struct soj_glob g;
	char longest[SOJ_GLOB_CHARS_MAX + 2];
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if (match(t[i].pattern, t[i].text) != t[i].matches)
			fail_msg("%s over %s", t[i].pattern, t[i].text);
	memset(longest, 'a', sizeof(longest));
	longest[SOJ_GLOB_CHARS_MAX + 1] = 0;
	assert_int_equal(soj_glob_compile(&g, longest, &why), -EINVAL);
	longest[SOJ_GLOB_CHARS_MAX] = 0;
	assert_true(match(longest, longest));
	assert_false(match(longest, longest + 1));
	assert_int_equal(soj_glob_compile(&g, "[", &why), -EINVAL);
	assert_int_equal(soj_glob_compile(&g, "[a", &why), -EINVAL);
	assert_int_equal(soj_glob_compile(&g, "[a-", &why), -EINVAL);
	assert_int_equal(soj_glob_compile(&g, "[a\\", &why), -EINVAL);
	assert_int_equal(soj_glob_compile(&g, "[a-\\", &why), -EINVAL);
}

/* Same answers as the naive one over small random patterns. */
static void c6_wildcards_as_the_naive(void **state)
{
	uint64_t x = 1;

	(void)state;
	for (unsigned i = 0; i < 50000; i++) {
		char p[9] = "", t[13] = "";

		for (unsigned j = 0; j < 8;
		     j++, x = x * 6364136223846793005u + 1442695040888963407u)
			p[j] = "ab*?\0"[(x >> 33) % 5];
		for (unsigned j = 0; j < 12;
		     j++, x = x * 6364136223846793005u + 1442695040888963407u)
			t[j] = "aab\0"[(x >> 33) % 4];
		naive_steps = 0;
		if (match(p, t) != naive_match(p, t))
			fail_msg("\"%s\" over \"%s\"", p, t);
	}
}

static void c6_trap_many_stars(void **state)
{
	char text[256], pattern[128];

	(void)state;
	memset(text, 'a', 255);
	text[255] = 0;
	for (unsigned i = 0; i < 60; i++)
		memcpy(pattern + 2 * i, "a*", 3);
	strcat(pattern, "b");
	naive_steps = 0;
	naive_match(pattern, text);
	assert_true(naive_steps > 10000000); /* the planted one fails */
	/* Ours takes one step of four words for each of the 255 bytes. */
	assert_false(match(pattern, text));
	text[254] = 'b';
	assert_true(match(pattern, text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(c6_wildcards),
		cmocka_unit_test(c6_wildcards_as_the_naive),
		cmocka_unit_test(c6_trap_many_stars),
	};
	int failed;

	failed = cmocka_run_group_tests_name("C6", tests, NULL, NULL);
	if (failed == 0)
		printf("C6 wildcards: ok\n"
		       "C6 trap, many stars: ok\n");
	return failed;
}
