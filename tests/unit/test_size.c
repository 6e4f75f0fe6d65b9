/* SPDX-License-Identifier: MIT */

/* What `sojourn size` predicts, against segments that are filled. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sojourn/sojourn.h>
#include <sojourn/stat.h>

#include "lib_size.h"

static const struct soj_size sizes[] = {
	{.entries = 50000, .value_bytes = 256, .subject_bytes = 16},
	{.entries = 50000, .value_bytes = 64, .subject_bytes = 8},
	{.entries = 20000, .value_bytes = 1000, .subject_bytes = 40},
	{.entries = 4000, .value_bytes = 4096, .subject_bytes = 16},
	{.entries = 400, .value_bytes = 65536, .subject_bytes = 16},
	{.entries = 50000,
	 .value_bytes = 256,
	 .subject_bytes = 16,
	 .meta_bytes = 60},
	{.entries = 50000,
	 .value_bytes = 256,
	 .subject_bytes = 16,
	 .sealed = true},
};

static struct sojourn *create(const struct soj_size *size, uint64_t bytes)
{
	struct sojourn_options o;
	struct sojourn *s;

	sojourn_options_init(&o);
	o.entries_max = size->entries;
	o.segment_bytes = bytes;
	o.threads_max = size->threads_max;
	o.events_max = size->events_max;
	o.seal = size->sealed ? SOJOURN_SEAL_ON : SOJOURN_SEAL_OFF;
	o.helper = SOJOURN_HELPER_NONE;
	assert_int_equal(sojourn_create(NULL, &o, &s), 0);
	return s;
}

/* All the sessions that were asked for; each tenth is updated on the way. */
static void fill(struct sojourn *s, const struct soj_size *size)
{
	char subject[256] = "", agent[256] = "", id[SOJOURN_ID_CHARS_MAX + 1];
	uint8_t *data = calloc(1, size->value_bytes);
	struct sojourn_new n = {.subject = subject,
				.data = data,
				.data_bytes = size->value_bytes};

	assert_non_null(data);
	memset(subject, 's', size->subject_bytes);
	if (size->meta_bytes) {
		memset(agent, 'a', size->meta_bytes - 3);
		n.metadata.user_agent = agent;
	}
	for (uint32_t i = 0; i < size->entries; i++) {
		/* Their own subjects: chains would be long. */
		memcpy(subject, &(uint32_t){i | 0x40404040u}, 4);
		if (sojourn_session_create(s, &n, id, NULL) < 0)
			fail_msg("%u of %u: %s", i, size->entries,
				 sojourn_error_text());
		if (i % 10 == 0)
			assert_int_equal(sojourn_session_update(
						 s, id, data, size->value_bytes,
						 0, NULL),
					 0);
	}
	free(data);
}

static void within_2_percent(uint64_t is, uint64_t predicted)
{
	double off = (double)is / (double)predicted - 1;

	if (off < -0.02 || off > 0.02)
		fail_msg("%llu bytes, but %llu were predicted: %+.1f %%",
			 (unsigned long long)is, (unsigned long long)predicted,
			 100 * off);
}

static void predictions_hold(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct soj_size size = sizes[i], exact;
		uint64_t bytes, least;
		struct sojourn_stat stat;
		struct soj_layout lay;
		struct sojourn *s;

		size.threads_max = 64;
		size.events_max = 4096;
		size.spare_values = soj_size_spare(size.entries);
		assert_int_equal(soj_size_fit(&size, &lay, &bytes), 0);
		s = create(&size, bytes);
		fill(s, &size);
		assert_int_equal(sojourn_stat(s, &stat), 0);
		assert_int_equal(stat.entries_live, size.entries);
		within_2_percent(stat.segment_bytes, bytes);
		/* And what is in use of it is what takes it without spare. */
		exact = size;
		exact.spare_values = 0;
		assert_int_equal(soj_size_fit(&exact, &lay, &least), 0);
		within_2_percent(stat.segment_bytes - stat.chunk_bytes_free -
					 stat.chunk_bytes_retired,
				 least);
		sojourn_detach(s);
	}
}

static void what_cannot_be(void **state)
{
	struct soj_size size = {.entries = 60000000,
				.value_bytes = 4096,
				.subject_bytes = 16,
				.threads_max = 64};
	struct soj_layout lay;
	uint64_t bytes;

	(void)state;
	assert_int_equal(soj_size_fit(&size, &lay, &bytes), -ENOSPC);
	size.entries = 1000;
	size.events_max = 65;
	assert_int_equal(soj_size_fit(&size, &lay, &bytes), -EINVAL);
	size.events_max = 64;
	assert_int_equal(soj_size_fit(&size, &lay, &bytes), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(predictions_hold),
		cmocka_unit_test(what_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
