/* SPDX-License-Identifier: MIT */

/* The short way to "nothing differs" (binding_usual.h) beside the long one, which
 * unpacks the metadata. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/secret.h"
#include "session/binding.h"
#include "session/binding_usual.h"

#define PACKED_MAX 256u
#define GUARD      0xa5

static const struct soj_shm_collection strict = {
	.device_policy = SOJ_BINDING_REJECT,
	.ip_policy = SOJ_BINDING_REJECT,
	.user_agent_policy = SOJ_BINDING_REJECT,
	.ip4_prefix_bits = 32,
	.ip6_prefix_bits = 128,
};

static uint8_t packed[PACKED_MAX + 2];

/* Where it lies. */
static bool same_in_place(size_t bytes, const struct sojourn_metadata *client)
{
	static soj_word_t words[2 + PACKED_MAX / 8 + 2];
	uint8_t *const at = (uint8_t *)(uintptr_t)words;

	memset(at, GUARD, sizeof(words));
	memcpy(at + 16, packed, bytes);
	return soj_binding_same(words + 2, (uint32_t)bytes, client);
}

static bool has_zero(size_t bytes)
{
	for (size_t at = 3; at < bytes; at++)
		if (packed[at] == 0)
			return true;
	return false;
}

/* Who says it is the same has told nobody more than the long way would. */
static bool same(size_t bytes, const struct sojourn_metadata *client)
{
	char text[SOJOURN_METADATA_BYTES_MAX];
	struct sojourn_metadata m;
	unsigned policy, mismatch;
	bool rc, in_place = same_in_place(bytes, client);

	soj_meta_unpack(packed, bytes, &m, text);
	mismatch = soj_binding_check(&strict, &m, client, &policy);
	packed[bytes + 1] = GUARD;
	rc = soj_binding_same_copied(packed, bytes, client);
	assert_int_equal(packed[bytes + 1], GUARD);
	/* A zero in the midst ends a copy, and in its place it differs. */
	assert_false(in_place && !rc);
	assert_true(in_place || !rc || has_zero(bytes));
	assert_false(rc && mismatch != 0);
	return rc;
}

/* Some of the texts are the beginning of another; one is often not there. */
static void choose(struct sojourn_metadata *m)
{
	static const char *const texts[] = {NULL, NULL, "", "10.0.0.7",
					    "10.0.0.71"};
	uint8_t random[SOJ_META_TAGS];

	soj_random(random, sizeof(random));
	for (uint8_t tag = 1; tag < SOJ_META_TAGS; tag++)
		*(const char **)(uintptr_t)soj_meta_field(m, tag) =
			texts[random[tag] % (sizeof(texts) / sizeof(*texts))];
}

static bool equal(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

static void as_was_packed(void **state)
{
	struct sojourn_metadata m, client;
	unsigned yes = 0;

	(void)state;
	for (unsigned round = 0; round < 200000; round++) {
		uint8_t random[SOJ_META_TAGS];
		ssize_t bytes;
		bool want;

		choose(&m);
		client = m;
		soj_random(random, sizeof(random));
		if (random[0] % 4) /* else the same in all */
			choose(&client);
		for (uint8_t tag = 1; tag < SOJ_META_TAGS; tag++)
			if (random[tag] % 2)
				*(const char **)(uintptr_t)soj_meta_field(
					&client, tag) =
					*soj_meta_field(&m, tag);
		want = (!m.ip || equal(m.ip, client.ip)) &&
		       (!m.user_agent ||
			equal(m.user_agent, client.user_agent)) &&
		       (!m.device_id || equal(m.device_id, client.device_id)) &&
		       (m.device_name || client.device_name
				? equal(m.device_name, client.device_name)
				: true) &&
		       (m.device_type || client.device_type
				? equal(m.device_type, client.device_type)
				: true);
		bytes = soj_meta_pack(&m, packed);
		assert_in_range(bytes, 0, PACKED_MAX);
		assert_int_equal(same((size_t)bytes, &client), want);
		yes += want;
	}
	assert_in_range(yes, 10000, 190000);
}

/* Lengths that lead out of it, zeros in the midst, tags twice. */
static void as_nobody_packed(void **state)
{
	struct sojourn_metadata client;
	unsigned yes = 0;

	(void)state;
	for (unsigned round = 0; round < 200000; round++) {
		uint8_t random[4];
		size_t bytes;

		soj_random(random, sizeof(random));
		bytes = random[0] % 41;
		soj_random(packed, bytes);
		for (size_t i = 0; i < bytes && random[3] % 16; i++)
			packed[i] %= i % 4 == 0 ? SOJ_META_TAGS + 1 : 3;
		choose(&client);
		if (random[1] % 2)
			client.ip = "\1";
		if (random[2] % 2)
			client.device_id = "";
		yes += same(bytes, &client);
	}
	assert_in_range(yes, 1000, 199000);
}

/* One text, of each length and kind; and what is asked for ends where the next
 * page may not be read, or elsewhere, and differs in one place or in none. */
static void one_text(void **state)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(pages != MAP_FAILED);
	assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
	for (unsigned round = 0; round < 200000; round++) {
		struct sojourn_metadata client = {0};
		uint8_t random[8], tag;
		char *asked;
		size_t chars, asks;
		bool want;

		soj_random(random, sizeof(random));
		chars = random[0] % 80;
		asks = random[1] % 4 ? chars : random[2] % 80;
		tag = 1 + random[3] % (SOJ_META_TAGS - 1);
		asked = pages + page - 1 - asks - (random[4] % 2) * random[5];
		memset(pages, 'y', page);
		memset(asked, 'x', asks);
		asked[asks] = 0;
		*(const char **)(uintptr_t)soj_meta_field(&client, tag) = asked;
		packed[0] = tag;
		packed[1] = (uint8_t)chars;
		packed[2] = 0;
		memset(packed + 3, 'x', chars);
		if (chars && random[6] % 3 == 0)
			packed[3 + random[7] % chars] = random[6] % 2 ? 'z' : 0;
		want = !(1u << tag & SOJ_BINDING_TAGS) ||
		       (asks == chars && memcmp(packed + 3, asked, asks) == 0);
		if (!has_zero(3 + chars))
			assert_int_equal(same(3 + chars, &client), want);
		else
			same(3 + chars, &client);
		client.device_name = "x";
		same(3 + chars, &client);
	}
	munmap(pages, 2 * page);
}

static void nobody_minds(void **state)
{
	struct soj_shm_collection c = {0};
	uint8_t *const policies[] = {&c.device_policy, &c.ip_policy,
				     &c.user_agent_policy};

	(void)state;
	assert_true(soj_binding_ignored(&c));
	for (size_t i = 0; i < 3; i++) {
		*policies[i] = SOJ_BINDING_REPORT;
		assert_false(soj_binding_ignored(&c));
		*policies[i] = SOJ_BINDING_IGNORE;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_was_packed),
		cmocka_unit_test(as_nobody_packed),
		cmocka_unit_test(one_text),
		cmocka_unit_test(nobody_minds),
	};

	if (soj_secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
