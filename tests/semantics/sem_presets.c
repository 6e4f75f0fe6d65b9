/* SPDX-License-Identifier: MIT */

/* S22: policies by name, and rules that do not go together. */

#include <errno.h>

#include "lib_sem.h"

#define HOUR_MS UINT64_C(3600000)

static void s22_policies_by_name(void **state)
{
	static const struct {
		const char *name;
		uint64_t overall_ms, idle_ms;
	} rows[] = {
		{"owasp-low", 8 * HOUR_MS, HOUR_MS / 2},
		{"owasp-high", 4 * HOUR_MS, HOUR_MS / 12},
		{"nist-aal1", 720 * HOUR_MS, 0},
		{"nist-aal2", 24 * HOUR_MS, HOUR_MS},
		{"nist-aal3", 12 * HOUR_MS, HOUR_MS / 4},
	};
	struct sojourn_options o;

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sojourn_info info;
		struct sojourn *s;
		uint64_t began;
		char id[SOJOURN_ID_CHARS_MAX + 1];

		sem_options(&o);
		assert_int_equal(sojourn_options_preset(&o, rows[i].name), 0);
		s = sem_make(&o);
		sem_login(s, "anna", NULL, id);
		began = sojourn_now_ms(s);
		/* In use all the time, and renewed: over when it has to be. */
		while (sem_read(s, id, &info) == 0) {
			if (info.new_id[0])
				strcpy(id, info.new_id);
			sem_advance(s, HOUR_MS / 12 - 1);
		}
		assert_in_range(sojourn_now_ms(s) - began, rows[i].overall_ms,
				rows[i].overall_ms + HOUR_MS / 12);
		/* Not in use: over after the idle timeout. */
		sem_login(s, "anna", NULL, id);
		assert_int_equal(sem_read(s, id, &info), 0);
		assert_int_equal(info.idle_timeout_ms, rows[i].idle_ms);
		assert_int_equal(strlen(id), 32);
		sojourn_detach(s);
	}
	expect_reason(sojourn_options_preset(&o, "nist"), -EINVAL,
		      SOJOURN_INVALID);
	assert_non_null(strstr(sojourn_error_text(), "nist-aal3"));
	printf("S22 policies by name: ok\n");
}

static void s22_older_ones_end_where_there_is_a_cap(void **state)
{
	struct sojourn_options o;
	struct sojourn *s;

	(void)state;
	sem_options(&o);
	o.when_over = SOJOURN_WHEN_OVER_EVICT_OLDEST;
	expect_reason(sojourn_create(NULL, &o, &s), -EINVAL, SOJOURN_INVALID);
	assert_non_null(strstr(sojourn_error_text(), "per_subject_max is 0"));
	printf("S22 when_over without a cap is refused: ok\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s22_policies_by_name),
		cmocka_unit_test(s22_older_ones_end_where_there_is_a_cap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
