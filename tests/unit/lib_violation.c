/* SPDX-License-Identifier: MIT */

#include "lib_violation.h"

struct picture picture;

int make_picture(void **state)
{
	(void)state;
	picture_make(&picture);
	return 0;
}

int free_picture(void **state)
{
	(void)state;
	picture_free(&picture);
	return 0;
}

void complain(const struct soj_fsck_report *rep)
{
	for (uint32_t i = 0; i < rep->listed; i++)
		print_error("  %s: %s: %s\n",
			    soj_fsck_kinds[rep->list[i].code].name,
			    rep->list[i].place, rep->list[i].words);
}

void check_after(const struct picture *p, const struct picture *before,
		 bool online, struct soj_fsck_report *rep)
{
	struct soj_image img, then;

	soj_image_of_memory(&img, p->base, p->bytes);
	if (before)
		soj_image_of_memory(&then, before->base, before->bytes);
	assert_int_equal(
		soj_fsck_after(&img, before ? &then : NULL, rep, online), 0);
	if (before)
		soj_image_close(&then);
	soj_image_close(&img);
}

void check(const struct picture *p, bool online, struct soj_fsck_report *rep)
{
	check_after(p, NULL, online, rep);
}

static const struct violation_suite *suite;

static void check_violation(const struct violation *v, bool online)
{
	const struct soj_fsck_kind *kind = &soj_fsck_kinds[v->code];
	struct soj_fsck_report rep;
	struct picture p;
	bool listed = false;

	picture_copy(&p, &picture);
	v->violate(&p);
	check_after(&p, suite->since ? &picture : NULL, online, &rep);
	if (rep.count[v->code] == 0) {
		complain(&rep);
		fail_msg("%s: %s is not found", v->name, kind->name);
	}
	for (uint32_t i = 0; i < rep.listed; i++)
		listed |= rep.list[i].code == v->code &&
			  rep.list[i].place[0] != '\0' &&
			  rep.list[i].words[0] != '\0';
	assert_true(listed);
	if (kind->severity == SOJ_FSCK_REPAIRABLE && rep.corrupt > 0) {
		complain(&rep);
		fail_msg("%s: repairable, but called corrupt", v->name);
	}
	assert_int_equal(soj_fsck_exit(&rep),
			 kind->severity == SOJ_FSCK_CORRUPT ? 4 : 1);
	soj_fsck_free(&rep);
	picture_free(&p);
}

/* ---- the tests of a suite ---- */

static void test_each_is_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < suite->count; i++)
		check_violation(&suite->violations[i], false);
}

static void test_each_is_found_online(void **state)
{
	(void)state;
	for (size_t i = 0; i < suite->count; i++)
		check_violation(&suite->violations[i], true);
}

static bool has_violation(enum soj_fsck_code code)
{
	for (size_t i = 0; i < suite->count; i++)
		if (suite->violations[i].code == code)
			return true;
	return false;
}

static void test_each_invariant_has_one(void **state)
{
	(void)state;
	for (const struct violation_range *r = suite->ranges; r->first; r++)
		for (unsigned c = r->first; c <= r->last; c++)
			if (!has_violation(c))
				fail_msg("%s has none", soj_fsck_kinds[c].name);
}

static void check_alone(const struct violation *v)
{
	struct soj_fsck_report rep;
	struct picture p;

	picture_copy(&p, &picture);
	v->violate(&p);
	check_after(&p, suite->since ? &picture : NULL, false, &rep);
	if (rep.corrupt + rep.repairable != 1) {
		complain(&rep);
		fail_msg("%s: %u findings", v->name,
			 (unsigned)(rep.corrupt + rep.repairable));
	}
	soj_fsck_free(&rep);
	picture_free(&p);
}

static void test_some_are_one_finding(void **state)
{
	(void)state;
	for (const enum soj_fsck_code *alone = suite->alone; *alone; alone++)
		for (size_t i = 0; i < suite->count; i++)
			if (suite->violations[i].code == *alone)
				check_alone(&suite->violations[i]);
}

int run_violations(const struct violation_suite *which)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_is_found),
		cmocka_unit_test(test_each_is_found_online),
		cmocka_unit_test(test_each_invariant_has_one),
		cmocka_unit_test(test_some_are_one_finding),
	};

	suite = which;
	return cmocka_run_group_tests(tests, make_picture, free_picture);
}
