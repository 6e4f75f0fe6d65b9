/* SPDX-License-Identifier: MIT */

/*
 * fsck as a whole: a picture that the library made has no finding, what passes
 * is forgiven online, reading may fail anywhere.  The invariants one by one
 * are in test_fsck_meta.c, test_fsck_index.c and test_fsck_slab.c.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib_violation.h"

static void assert_clean(const struct picture *p, bool online)
{
	struct soj_fsck_report rep;

	check(p, online, &rep);
	complain(&rep);
	assert_int_equal(rep.corrupt, 0);
	assert_int_equal(rep.repairable, 0);
	assert_int_equal(rep.unsettled, 0);
	assert_int_equal(rep.listed, 0);
	assert_int_equal(soj_fsck_exit(&rep), 0);
	soj_fsck_free(&rep);
}

static void test_clean_has_no_finding(void **state)
{
	struct soj_fsck_report rep;

	(void)state;
	assert_clean(&picture, false);
	assert_clean(&picture, true);
	check(&picture, false, &rep);
	assert_int_equal(rep.entries[SOJ_FREE] + rep.entries[SOJ_OWNED] +
				 rep.entries[SOJ_LIVE] +
				 rep.entries[SOJ_RETIRED],
			 300);
	assert_int_equal(rep.entries[SOJ_OWNED], 1);
	assert_true(rep.entries[SOJ_RETIRED] > 0);
	assert_true(rep.ended > 0);
	assert_true(rep.chunks[SOJ_LIVE] >= rep.entries[SOJ_LIVE]);
	assert_int_equal(rep.threads, 1);
	soj_fsck_free(&rep);
}

/* An image that somebody works on while it is being looked at: what is seen
 * once is no finding, and neither is what is wrong in another way each time. */
struct mended {
	const struct picture *spoilt, *good;
	unsigned reads;
	uint64_t off; /* of the word that is mended, a ctl */
	bool changes; /* instead */
};

static int read_mended(void *arg, void *buf, size_t bytes, uint64_t off)
{
	struct mended *m = arg;
	bool touches = off <= m->off && m->off < off + bytes;
	bool mended = touches && m->reads++ > 1 && !m->changes;
	uint64_t ctl;

	memcpy(buf, (mended ? m->good : m->spoilt)->base + off, bytes);
	if (!touches || !m->changes)
		return 0;
	memcpy(&ctl, (uint8_t *)buf + (m->off - off), 8);
	ctl = soj_ctl(soj_ctl_status(ctl), soj_ctl_chunk(ctl),
		      soj_ctl_version(ctl) + m->reads);
	memcpy((uint8_t *)buf + (m->off - off), &ctl, 8);
	return 0;
}

static void check_mended(bool changes)
{
	struct picture p;
	struct soj_image img;
	struct soj_fsck_report rep;
	struct mended m = {.spoilt = &p, .good = &picture, .changes = changes};

	picture_copy(&p, &picture);
	set_ctl(&p, p.live, SOJ_ENDED_DELETED, chunk_of(&p, p.live));
	m.off = p.st.seg.lay.entries_off +
		p.live * sizeof(struct soj_shm_entry);
	soj_image_of_memory(&img, NULL, p.bytes);
	img.read = read_mended;
	img.arg = &m;
	assert_int_equal(soj_fsck(&img, &rep, true), 0);
	complain(&rep);
	assert_int_equal(soj_fsck_exit(&rep), 0);
	assert_true(m.reads > 2);
	soj_fsck_free(&rep);
	m.reads = 0;
	assert_int_equal(soj_fsck(&img, &rep, false), 0);
	assert_int_equal(rep.count[SOJ_FSCK_INDEX_ENDED], 1);
	soj_fsck_free(&rep);
	soj_image_close(&img);
	picture_free(&p);
}

static void test_online_forgives_what_passes(void **state)
{
	(void)state;
	check_mended(false);
	check_mended(true);
}

/* Reading fails at some point, each in turn. */
struct failing {
	const struct picture *p;
	unsigned reads;
	unsigned fail_at;
	int rc;
};

static int read_failing(void *arg, void *buf, size_t bytes, uint64_t off)
{
	struct failing *f = arg;

	if (f->reads++ >= f->fail_at)
		return f->rc;
	memcpy(buf, f->p->base + off, bytes);
	return 0;
}

static unsigned check_failing(unsigned fail_at, int rc)
{
	struct failing f = {.p = &picture, .fail_at = fail_at, .rc = rc};
	struct soj_image img;
	struct soj_fsck_report rep;
	int result;

	soj_image_of_memory(&img, NULL, picture.bytes);
	img.read = read_failing;
	img.arg = &f;
	result = soj_fsck(&img, &rep, false);
	if (fail_at < UINT32_MAX && rc == -EIO) {
		assert_int_equal(result, -EIO);
		assert_int_equal(rep.corrupt + rep.repairable, 0);
	} else if (fail_at < UINT32_MAX) {
		assert_int_equal(result, 0);
		assert_int_equal(rep.corrupt, 1);
		assert_int_equal(rep.repairable, 0);
		assert_int_equal(rep.count[SOJ_FSCK_IMAGE_READ] +
					 rep.count[SOJ_FSCK_HEADER_SHORT],
				 1);
	} else {
		assert_int_equal(result, 0);
		assert_int_equal(soj_fsck_exit(&rep), 0);
	}
	soj_fsck_free(&rep);
	soj_image_close(&img);
	return f.reads;
}

static void test_reading_fails_anywhere(void **state)
{
	unsigned reads = check_failing(UINT32_MAX, 0);

	(void)state;
	assert_true(reads > 100);
	for (unsigned i = 0; i < reads; i += 1 + i / 20) {
		check_failing(i, -EIO);
		check_failing(i, -ENODATA);
	}
}

/* Stamps have 24 bits of the epoch.  What was retired half of that range ago,
 * or the whole, is no finding; what is retired next is. */
static void test_stamps_of_long_ago(void **state)
{
	struct picture p;
	struct soj_fsck_report rep;

	(void)state;
	picture_copy(&p, &picture);
	soj_store_relaxed(&hdr(&p)->epoch, (UINT64_C(3) << 24) + (1 << 23));
	assert_clean(&p, false);
	soj_store_relaxed(&hdr(&p)->epoch, (UINT64_C(3) << 24) + 100);
	assert_clean(&p, false);
	set_state(&p, p.retired, SOJ_RETIRED, epoch(&p) + 1);
	set_chunk_state(&p, p.chunk_retired, SOJ_RETIRED, epoch(&p) + 1);
	soj_store_relaxed(&p.st.seg.slots[p.slot].section,
			  soj_section(epoch(&p) + 1, 9));
	check(&p, false, &rep);
	assert_int_equal(rep.count[SOJ_FSCK_ENTRY_STAMP], 1);
	assert_int_equal(rep.count[SOJ_FSCK_CHUNK_STAMP], 1);
	assert_int_equal(rep.count[SOJ_FSCK_SLOT_EPOCH], 1);
	assert_int_equal(rep.corrupt, 3);
	soj_fsck_free(&rep);
	picture_free(&p);
}

static void test_report_is_bounded(void **state)
{
	struct picture p;
	struct soj_fsck_report rep;

	(void)state;
	picture_copy(&p, &picture);
	for (uint32_t e = 1; e <= 300; e++)
		soj_store_relaxed(state_word(&p, e), UINT64_MAX);
	check(&p, false, &rep);
	assert_int_equal(rep.count[SOJ_FSCK_ENTRY_STATE], 300);
	assert_true(rep.listed < 300);
	soj_fsck_free(&rep);
	picture_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean_has_no_finding),
		cmocka_unit_test(test_online_forgives_what_passes),
		cmocka_unit_test(test_reading_fails_anywhere),
		cmocka_unit_test(test_stamps_of_long_ago),
		cmocka_unit_test(test_report_is_bounded),
	};

	return cmocka_run_group_tests(tests, make_picture, free_picture);
}
