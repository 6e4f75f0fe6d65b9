/* SPDX-License-Identifier: MIT */

/* What the JSON writer writes, byte by byte. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib_json.h"

static char *text;
static size_t text_bytes;

static void begin_text(struct soj_json *j)
{
	FILE *out = open_memstream(&text, &text_bytes);

	assert_non_null(out);
	soj_json_init(j, out);
}

static void assert_text(struct soj_json *j, const char *expected)
{
	assert_int_equal(j->depth, 0);
	assert_int_equal(fclose(j->out), 0);
	assert_string_equal(text, expected);
	assert_int_equal(text_bytes, strlen(expected));
	free(text);
	text = NULL;
}

static void assert_string(const char *value, size_t bytes, const char *expected)
{
	struct soj_json j;

	begin_text(&j);
	soj_json_string_n(&j, NULL, value, bytes);
	assert_text(&j, expected);
}

static void test_empty(void **state)
{
	struct soj_json j;

	(void)state;
	begin_text(&j);
	soj_json_object(&j, NULL);
	soj_json_close(&j);
	soj_json_array(&j, NULL);
	soj_json_close(&j);
	assert_text(&j, "{}\n[]\n");
}

static void test_scalars(void **state)
{
	struct soj_json j;

	(void)state;
	begin_text(&j);
	soj_json_object(&j, NULL);
	soj_json_u64(&j, "u", UINT64_MAX);
	soj_json_i64(&j, "i", INT64_MIN);
	soj_json_bool(&j, "t", true);
	soj_json_bool(&j, "f", false);
	soj_json_null(&j, "n");
	soj_json_string(&j, "s", "x");
	soj_json_string(&j, "none", NULL);
	soj_json_close(&j);
	assert_text(&j, "{\"u\":18446744073709551615,"
			"\"i\":-9223372036854775808,"
			"\"t\":true,\"f\":false,\"n\":null,"
			"\"s\":\"x\",\"none\":null}\n");
}

static void test_nesting_and_commas(void **state)
{
	struct soj_json j;

	(void)state;
	begin_text(&j);
	soj_json_object(&j, NULL);
	soj_json_array(&j, "a");
	soj_json_u64(&j, NULL, 1);
	soj_json_array(&j, NULL);
	soj_json_close(&j);
	soj_json_object(&j, NULL);
	soj_json_u64(&j, "k", 2);
	soj_json_u64(&j, "l", 3);
	soj_json_close(&j);
	soj_json_null(&j, NULL);
	soj_json_close(&j);
	soj_json_object(&j, "o");
	soj_json_close(&j);
	soj_json_close(&j);
	/* The levels are used again: nothing of the first line is left. */
	soj_json_array(&j, NULL);
	soj_json_object(&j, NULL);
	soj_json_u64(&j, "k", 4);
	soj_json_close(&j);
	soj_json_close(&j);
	assert_text(&j, "{\"a\":[1,[],{\"k\":2,\"l\":3},null],\"o\":{}}\n"
			"[{\"k\":4}]\n");
}

static void test_deepest(void **state)
{
	struct soj_json j;
	char expected[2 * SOJ_JSON_DEPTH_MAX + 2];

	(void)state;
	begin_text(&j);
	for (uint32_t i = 0; i < SOJ_JSON_DEPTH_MAX; i++) {
		soj_json_array(&j, NULL);
		expected[i] = '[';
		expected[SOJ_JSON_DEPTH_MAX + i] = ']';
	}
	for (uint32_t i = 0; i < SOJ_JSON_DEPTH_MAX; i++)
		soj_json_close(&j);
	expected[2 * SOJ_JSON_DEPTH_MAX] = '\n';
	expected[2 * SOJ_JSON_DEPTH_MAX + 1] = '\0';
	assert_text(&j, expected);
}

static void test_strings(void **state)
{
	(void)state;
	assert_string("", 0, "\"\"\n");
	assert_string("a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\"\n");
	assert_string("\n\r\t\b", 4, "\"\\n\\u000d\\u0009\\u0008\"\n");
	assert_string("a\0b", 3, "\"a\\u0000b\"\n");
	assert_string("\x1b[m\x7f", 4, "\"\\u001b[m\\u007f\"\n");
	assert_string("Zo\xc3\xab \xe2\x82\xac", 8,
		      "\"Zo\xc3\xab \xe2\x82\xac\"\n");
	assert_string("\xf0\x9f\x98\x80", 4, "\"\xf0\x9f\x98\x80\"\n");
	/* Controls above ASCII, a line separator, a tag beyond 16 bits. */
	assert_string("\xc2\x9b", 2, "\"\\u009b\"\n");
	assert_string("\xe2\x80\xa8", 3, "\"\\u2028\"\n");
	assert_string("\xf3\xa0\x80\x81", 4, "\"\\udb40\\udc01\"\n");
	/* Not UTF-8: a replacement for each byte. */
	assert_string("a\xff\xc3", 3, "\"a\xef\xbf\xbd\xef\xbf\xbd\"\n");
	assert_string("\xed\xa0\x80", 3,
		      "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"\n");
}

static void test_key_is_escaped(void **state)
{
	struct soj_json j;

	(void)state;
	begin_text(&j);
	soj_json_object(&j, NULL);
	soj_json_u64(&j, "a\"b", 1);
	soj_json_close(&j);
	assert_text(&j, "{\"a\\\"b\":1}\n");
}

/* The examples of RFC 4648, and bytes with the top bit set. */
static void test_base64(void **state)
{
	static const struct {
		const char *value;
		size_t bytes;
		const char *expected;
	} cases[] = {
		{"", 0, "\"\"\n"},
		{"f", 1, "\"Zg==\"\n"},
		{"fo", 2, "\"Zm8=\"\n"},
		{"foo", 3, "\"Zm9v\"\n"},
		{"foob", 4, "\"Zm9vYg==\"\n"},
		{"fooba", 5, "\"Zm9vYmE=\"\n"},
		{"foobar", 6, "\"Zm9vYmFy\"\n"},
		{"\xff\xfe\xfd\0", 4, "\"//79AA==\"\n"},
		{"\xfb\xef\xbe", 3, "\"++++\"\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct soj_json j;

		begin_text(&j);
		soj_json_base64(&j, NULL, cases[i].value, cases[i].bytes);
		assert_text(&j, cases[i].expected);
	}
}

static void test_doubles(void **state)
{
	static const struct {
		double value;
		int decimals;
		const char *expected;
	} cases[] = {
		{0, 3, "0\n"},
		{-0.0001, 3, "0\n"},
		{1.5, 3, "1.5\n"},
		{100, 0, "100\n"},
		{100, 2, "100\n"},
		{-2.125, 3, "-2.125\n"},
		{1e300 * 1e300, 3, "null\n"},
		{1e21, 1, "1000000000000000000000\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct soj_json j;

		begin_text(&j);
		soj_json_double(&j, NULL, cases[i].value, cases[i].decimals);
		assert_text(&j, cases[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_nesting_and_commas),
		cmocka_unit_test(test_deepest),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_key_is_escaped),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_doubles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
