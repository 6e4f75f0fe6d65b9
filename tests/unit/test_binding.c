/* SPDX-License-Identifier: MIT */

/* The short way to "nothing differs" (binding_usual.h) beside the long one, which
 * unpacks the metadata. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

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

/* Who says it is the same has told nobody more than the long way would. */
static bool same(size_t bytes, const struct sojourn_metadata *client)
{
	char text[SOJOURN_METADATA_BYTES_MAX];
	struct sojourn_metadata m;
	unsigned policy, mismatch;
	bool rc;

	soj_meta_unpack(packed, bytes, &m, text);
	mismatch = soj_binding_check(&strict, &m, client, &policy);
	packed[bytes + 1] = GUARD;
	rc = soj_binding_same(packed, bytes, client);
	assert_int_equal(packed[bytes + 1], GUARD);
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
		cmocka_unit_test(nobody_minds),
	};

	if (soj_secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
