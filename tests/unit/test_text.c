/* SPDX-License-Identifier: MIT */

/* UTF-8 at its borders, text that is safe on a terminal, numbers for people. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib_text.h"

static void test_utf8_takes_what_is_valid(void **state)
{
	static const struct {
		const char *text;
		size_t bytes;
		uint32_t code;
	} cases[] = {
		{"a", 1, 'a'},
		{"\x7f", 1, 0x7f},
		{"\xc2\x80", 2, 0x80},
		{"\xc3\xa9z", 2, 0xe9},
		{"\xdf\xbf", 2, 0x7ff},
		{"\xe0\xa0\x80", 3, 0x800},
		{"\xe2\x82\xac", 3, 0x20ac},
		{"\xed\x9f\xbf", 3, 0xd7ff},
		{"\xee\x80\x80", 3, 0xe000},
		{"\xef\xbf\xbf", 3, 0xffff},
		{"\xf0\x90\x80\x80", 4, 0x10000},
		{"\xf0\x9f\x98\x80", 4, 0x1f600},
		{"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
	};
	uint32_t code;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const size_t length = strlen(cases[i].text);

		code = 0xdead;
		assert_int_equal(soj_text_utf8(cases[i].text, length, &code),
				 cases[i].bytes);
		assert_int_equal(code, cases[i].code);
		assert_true(soj_text_is_utf8(cases[i].text, length));
		/* Cut short it is nothing. */
		assert_int_equal(
			soj_text_utf8(cases[i].text, cases[i].bytes - 1, &code),
			0);
	}
	code = 1;
	assert_int_equal(soj_text_utf8("\0", 1, &code), 1);
	assert_int_equal(code, 0);
}

static void test_utf8_refuses_the_rest(void **state)
{
	static const char *const cases[] = {
		"\x80",             /* continues nothing */
		"\xbf",             /* the same */
		"\xc0\x80",         /* overlong NUL */
		"\xc1\xbf",         /* overlong */
		"\xc3z",            /* not continued */
		"\xe0\x9f\xbf",     /* overlong */
		"\xed\xa0\x80",     /* surrogate */
		"\xed\xbf\xbf",     /* surrogate */
		"\xe2\x82z",        /* not continued */
		"\xf0\x8f\xbf\xbf", /* overlong */
		"\xf4\x90\x80\x80", /* beyond U+10FFFF */
		"\xf8\x88\x80\x80", /* five bytes */
		"\xff",
	};
	uint32_t code;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
			soj_text_utf8(cases[i], strlen(cases[i]), &code), 0);
		assert_false(soj_text_is_utf8(cases[i], strlen(cases[i])));
	}
	assert_true(soj_text_is_utf8("", 0));
	assert_true(soj_text_is_utf8("ab\xc3\xa9", 4));
	assert_false(soj_text_is_utf8("ab\xc3\xa9", 3));
	assert_false(soj_text_is_utf8("a\0b", 3));
}

static void assert_put(const char *text, const char *expected)
{
	char *got = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&got, &bytes);

	assert_non_null(out);
	soj_text_put(out, text);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(got, expected);
	free(got);
}

static void test_put_is_safe_on_a_terminal(void **state)
{
	(void)state;
	assert_put(NULL, "-");
	assert_put("", "-");
	assert_put("alice", "alice");
	assert_put("Zo\xc3\xab", "Zo\xc3\xab");
	assert_put("\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80");
	assert_put("a b", "a\\x20b");
	assert_put("a\\b", "a\\x5Cb");
	assert_put("a\tb\r\n", "a\\x09b\\x0D\\x0A");
	assert_put("\x1b[2J", "\\x1B[2J");
	assert_put("\x7f", "\\x7F");
	assert_put("\xc2\x9b"
		   "2J",
		   "\\xC2\\x9B2J"); /* C1: CSI */
	assert_put("\xe2\x80\xae"
		   "x",
		   "\\xE2\\x80\\xAEx");                /* override */
	assert_put("\xe2\x80\x8b", "\\xE2\\x80\\x8B"); /* zero width */
	assert_put("a\xff\xfe", "a\\xFF\\xFE");
	assert_put("\xc3", "\\xC3");
}

static void test_durations(void **state)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} cases[] = {
		{0, "0ms"},           {1, "1ms"},
		{999, "999ms"},       {1000, "1s"},
		{1099, "1s"},         {1100, "1.1s"},
		{9999, "9.9s"},       {10999, "10s"},
		{59999, "59s"},       {60000, "1min"},
		{61000, "1min1s"},    {1800000, "30min"},
		{5400000, "1h30min"}, {3600000, "1h"},
		{3659999, "1h"},      {86400000, "1d"},
		{90000000, "1d1h"},   {UINT64_MAX, "213503982334d14h"},
	};
	char text[SOJ_TEXT_NUMBER_CHARS];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(soj_text_duration(text, cases[i].ms),
				    cases[i].text);
}

static void test_sizes(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{0, "0 B"},
		{1023, "1023 B"},
		{1024, "1 KiB"},
		{1126, "1 KiB"},
		{1127, "1.1 KiB"},
		{1536, "1.5 KiB"},
		{1048575, "1023 KiB"},
		{UINT64_C(256) << 20, "256 MiB"},
		{UINT64_C(3) << 29, "1.5 GiB"},
		{UINT64_C(1) << 40, "1 TiB"},
		{UINT64_MAX, "16777215 TiB"},
	};
	char text[SOJ_TEXT_NUMBER_CHARS];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(soj_text_size(text, cases[i].bytes),
				    cases[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8_takes_what_is_valid),
		cmocka_unit_test(test_utf8_refuses_the_rest),
		cmocka_unit_test(test_put_is_safe_on_a_terminal),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
