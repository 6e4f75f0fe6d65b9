/* SPDX-License-Identifier: MIT */

/* base64url: each sequence of bytes has one text, and nothing else passes. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "token/b64.h"

static bool decodes(const char *text, const char *wanted)
{
	static const uint8_t zero[64];
	uint8_t out[64], secret[64] = {1};
	size_t bytes, secret_bytes;
	const bool good = soj_b64_decode(text, strlen(text), out, &bytes);

	/* the one for secrets takes exactly the same */
	assert_int_equal(soj_b64_decode_secret(text, strlen(text), secret,
					       sizeof(secret), &secret_bytes),
			 good);
	if (!good) {
		/* and keeps nothing of what is none */
		assert_memory_equal(secret, zero, sizeof(secret));
		return false;
	}
	assert_int_equal(bytes, strlen(wanted));
	assert_memory_equal(out, wanted, bytes);
	assert_int_equal(secret_bytes, bytes);
	assert_memory_equal(secret, wanted, bytes);
	return true;
}

/* RFC 4648 section 10, without the padding. */
static void test_known(void **state)
{
	(void)state;
	assert_true(decodes("", ""));
	assert_true(decodes("Zg", "f"));
	assert_true(decodes("Zm8", "fo"));
	assert_true(decodes("Zm9v", "foo"));
	assert_true(decodes("Zm9vYg", "foob"));
	assert_true(decodes("Zm9vYmE", "fooba"));
	assert_true(decodes("Zm9vYmFy", "foobar"));
	assert_true(decodes("-_-_", "\xfb\xff\xbf"));
}

static void test_refused(void **state)
{
	static const char *const texts[] = {
		"Z",    "Zm9vY", "Zg==",    "Zm8=",   "Zh",    "Zm9",
		"Zm+v", "Zm/v",  "Zm 9v",   "Zm9v\n", " Zm9v", "Zm9v=",
		"====", "Zm9v.", "Zm9\xc3", "Z\xff",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (decodes(texts[i], ""))
			fail_msg("\"%s\" passed", texts[i]);
}

/* The length says where a text ends, whatever follows it. */
static void test_cut(void **state)
{
	static const char text[] = "AAAAAAAAA";
	uint8_t out[8];
	size_t bytes;

	(void)state;
	for (size_t chars = 0; chars < sizeof(text); chars++) {
		assert_int_equal(soj_b64_decode(text, chars, out, &bytes),
				 chars % 4 != 1);
		assert_int_equal(bytes, chars % 4 != 1 ? chars * 3 / 4 : 0);
	}
}

/* Texts of three characters, any bytes: the two decoders agree, and as many pass
 * as there are pairs of bytes. */
static void test_all_short(void **state)
{
	uint8_t out[8], other[8];
	size_t bytes, other_bytes, good = 0;
	char text[3];

	(void)state;
	for (unsigned n = 0; n < 1u << 24; n++) {
		bool passed;

		for (unsigned i = 0; i < 3; i++)
			text[i] = (char)(n >> 8 * i);
		passed = soj_b64_decode(text, 3, out, &bytes);
		good += passed;
		/* the slow one for those that pass, and for some that do not */
		if (!passed && n % 61 != 0)
			continue;
		assert_int_equal(soj_b64_decode_secret(text, 3, other,
						       sizeof(other),
						       &other_bytes),
				 passed);
		if (passed)
			assert_memory_equal(out, other, 2);
	}
	assert_int_equal(good, 65536);
}

static void test_round_trip(void **state)
{
	uint8_t data[100], back[SOJ_B64_BYTES(SOJ_B64_CHARS(100))];
	char text[SOJ_B64_CHARS(100) + 1], secret[SOJ_B64_CHARS(100) + 1];

	(void)state;
	for (size_t bytes = 0; bytes <= sizeof(data); bytes++) {
		size_t chars, back_bytes;

		randombytes_buf(data, sizeof(data));
		chars = soj_b64_encode(data, bytes, text);
		text[chars] = '\0';
		assert_int_equal(chars, SOJ_B64_CHARS(bytes));
		soj_b64_encode_secret(data, bytes, secret);
		assert_string_equal(text, secret);
		assert_true(soj_b64_decode(text, chars, back, &back_bytes));
		assert_int_equal(back_bytes, bytes);
		assert_memory_equal(back, data, bytes);
		/* in place, too */
		assert_true(soj_b64_decode(text, chars, (uint8_t *)text,
					   &back_bytes));
		assert_memory_equal(text, data, bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_all_short),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
