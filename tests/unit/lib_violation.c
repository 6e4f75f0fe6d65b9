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

void check(const struct picture *p, bool online, struct soj_fsck_report *rep)
{
	struct soj_image img;

	soj_image_of_memory(&img, p->base, p->bytes);
	assert_int_equal(soj_fsck(&img, rep, online), 0);
	soj_image_close(&img);
}

static void check_violation(const struct violation *v, bool online)
{
	const struct soj_fsck_kind *kind = &soj_fsck_kinds[v->code];
	struct soj_fsck_report rep;
	struct picture p;
	bool listed = false;

	picture_copy(&p, &picture);
	v->violate(&p);
	check(&p, online, &rep);
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

void check_violations(const struct violation *violations, size_t count,
		      bool online)
{
	for (size_t i = 0; i < count; i++)
		check_violation(&violations[i], online);
}

void check_alone(const struct violation *violations, size_t count,
		 const enum soj_fsck_code *alone, size_t alone_count)
{
	for (size_t i = 0; i < count; i++) {
		struct soj_fsck_report rep;
		struct picture p;
		bool is_alone = false;

		for (size_t a = 0; a < alone_count; a++)
			is_alone |= violations[i].code == alone[a];
		if (!is_alone)
			continue;
		picture_copy(&p, &picture);
		violations[i].violate(&p);
		check(&p, false, &rep);
		if (rep.corrupt + rep.repairable != 1) {
			complain(&rep);
			fail_msg("%s: %u findings", violations[i].name,
				 (unsigned)(rep.corrupt + rep.repairable));
		}
		soj_fsck_free(&rep);
		picture_free(&p);
	}
}

void check_complete(const struct violation *violations, size_t count,
		    enum soj_fsck_code first, enum soj_fsck_code last)
{
	for (unsigned c = first; c <= last; c++) {
		bool has = false;

		for (size_t i = 0; i < count; i++)
			has |= violations[i].code == c;
		if (!has)
			fail_msg("%s has none", soj_fsck_kinds[c].name);
	}
}
