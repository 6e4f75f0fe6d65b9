/* SPDX-License-Identifier: MIT */

/* What goes several words at a time, beside the same word by word. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/atomic.h"
#include "base/secret.h"

#define WORDS 40u
#define GUARD 0xa5

static soj_word_t words[WORDS + 1];

/* Every length, and nothing behind it. */
static void test_copies(void **state)
{
	uint8_t from[8 * WORDS], to[8 * WORDS + 8], want[8 * WORDS + 8];

	(void)state;
	for (size_t first = 0; first < 2; first++)
		for (size_t bytes = 0; bytes <= 8 * (WORDS - 1); bytes++) {
			soj_random(from, sizeof(from));
			memset(to, GUARD, sizeof(to));
			memset(want, GUARD, sizeof(want));
			memcpy(want, from, bytes);
			for (size_t i = 0; i <= WORDS; i++)
				soj_store_relaxed(&words[i], 1);
			soj_copy_in(words + first, from, bytes);
			soj_copy_out(to, words + first, bytes);
			assert_memory_equal(to, want, sizeof(to));
			assert_int_equal(
				soj_load_relaxed(
					&words[first + (bytes + 7) / 8]),
				1);
		}
}

static void test_tagged(void **state)
{
	static alignas(128) soj_word_t bucket[16];
	const uint16_t tags[] = {0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff};
	const size_t count = sizeof(tags) / sizeof(tags[0]);
	uint64_t random[16];

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		uint16_t tag = tags[round % count];
		uint32_t want = 0;

		soj_random(random, sizeof(random));
		for (unsigned i = 0; i < 16; i++) {
			uint64_t other = tags[(random[i] >> 8) % count];

			if (random[i] & 1)
				random[i] =
					random[i] << 16 >> 16 |
					(random[i] & 2 ? (uint64_t)tag : other)
						<< 48;
			soj_store_relaxed(&bucket[i], random[i]);
			want |= (uint32_t)(random[i] >> 48 == tag) << i;
		}
		assert_int_equal(soj_tagged(bucket, tag), want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_tagged),
	};

	if (soj_secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
