/* SPDX-License-Identifier: MIT */

/* Keyed digests beside libsodium's, and what is the text of an id. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "session/id.h"

#define BYTES_MAX 300u

static void test_siphash(void **state)
{
	uint8_t data[BYTES_MAX + 8], key[16];
	struct soj_digest want, got;

	(void)state;
	assert_int_equal(soj_secret_init(), 0);
	for (size_t bytes = 0; bytes <= BYTES_MAX; bytes++) {
		const size_t at = bytes % 8;

		soj_random(data, sizeof(data));
		soj_random(key, sizeof(key));
		crypto_shorthash_siphashx24((uint8_t *)want.word, data + at,
					    bytes, key);
		got = soj_digest(key, data + at, bytes);
		assert_memory_equal(&got, &want, sizeof(want));
	}
}

/* By the definition of base64url. */
static bool is_id_char(unsigned c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static struct sojourn s;

/* Each character at each place of texts of each length. */
static void test_id_text(void **state)
{
	char text[SOJOURN_ID_CHARS_MAX + 8];
	struct soj_digest digest, want;

	(void)state;
	soj_random(s.keys.id, sizeof(s.keys.id));
	for (size_t chars = 0; chars <= SOJOURN_ID_CHARS_MAX + 2; chars++) {
		memset(text, 'x', sizeof(text));
		text[chars] = 0;
		assert_int_equal(soj_id_digest(&s, text, &digest),
				 chars >= 22 && chars <= SOJOURN_ID_CHARS_MAX);
		if (chars < 22 || chars > SOJOURN_ID_CHARS_MAX)
			continue;
		for (size_t at = 0; at < chars; at++)
			for (unsigned c = 1; c < 256; c++) {
				text[at] = (char)c;
				assert_int_equal(
					soj_id_digest(&s, text, &digest),
					is_id_char(c));
				text[at] = 'x';
			}
		want = soj_digest(s.keys.id, text, chars);
		assert_true(soj_id_digest(&s, text, &digest));
		assert_memory_equal(&digest, &want, sizeof(want));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_siphash),
		cmocka_unit_test(test_id_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
