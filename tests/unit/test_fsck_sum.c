/* SPDX-License-Identifier: MIT */

/*
 * fsck: what was counted against what the states say, and numbers that go back
 * since an earlier copy.  Each violation is against the picture as it was.
 */

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib_violation.h"
#include "store/chain.h"

static void add_count(struct picture *p, enum soj_counter counter, uint64_t n)
{
	soj_word_t *word = &p->st.seg.slots[p->slot].count[counter];

	soj_store_relaxed(word, soj_load_relaxed(word) + n);
}

/* All that the states witness of is counted, and so many more. */
static void fill_up(struct picture *p, enum soj_counter counter, bool ends,
		    uint64_t more)
{
	struct soj_fsck_report rep;

	check(p, false, &rep);
	add_count(p, counter,
		  more + (ends ? rep.over - rep.counted_ended
			       : rep.made - rep.counted_made));
	soj_fsck_free(&rep);
}

static void sum_creates(struct picture *p)
{
	fill_up(p, SOJ_COUNT_creates, false, 1);
}

static void sum_renewals(struct picture *p)
{
	fill_up(p, SOJ_COUNT_renewals_won, false, 1);
}

/* Freed, and its generation is what it was: as if it had never been. */
static void sum_generation(struct picture *p)
{
	uint64_t gen = soj_state_gen(soj_load_relaxed(state_word(p, p->freed)));

	fill_up(p, SOJ_COUNT_creates, false, 0);
	soj_store_relaxed(state_word(p, p->freed),
			  soj_state(SOJ_FREE, 0, gen - 1));
}

static void check_end(struct picture *p, enum soj_counter counter)
{
	struct soj_fsck_report rep;

	fill_up(p, counter, true, 0);
	check(p, false, &rep);
	assert_int_equal(rep.count[SOJ_FSCK_SUM_ENDED], 0);
	soj_fsck_free(&rep);
	add_count(p, counter, 1);
}

static void sum_deletes(struct picture *p)
{
	check_end(p, SOJ_COUNT_deletes);
}

static void sum_expirations(struct picture *p)
{
	check_end(p, SOJ_COUNT_expirations);
}

static void sum_evictions(struct picture *p)
{
	check_end(p, SOJ_COUNT_evictions);
}

static void sum_cap(struct picture *p)
{
	check_end(p, SOJ_COUNT_cap_ended);
}

static void sum_damaged(struct picture *p)
{
	check_end(p, SOJ_COUNT_damaged);
}

/* What lives was counted as ended. */
static void sum_alive(struct picture *p)
{
	fill_up(p, SOJ_COUNT_deletes, true, 0);
	set_ctl(p, p->ended, SOJ_ACTIVE, chunk_of(p, p->ended));
}

static void since_epoch(struct picture *p)
{
	soj_store_relaxed(&hdr(p)->epoch, epoch(p) - 1);
}

static void since_slots(struct picture *p)
{
	soj_word_t *used = &hdr(p)->slots_used;

	soj_store_relaxed(used, soj_load_relaxed(used) - 1);
}

static void since_count(struct picture *p)
{
	add_count(p, SOJ_COUNT_updates, UINT64_MAX);
}

static void since_entry(struct picture *p)
{
	uint64_t state = soj_load_relaxed(state_word(p, p->freed));

	soj_store_relaxed(state_word(p, p->freed),
			  soj_state(SOJ_FREE, 0, soj_state_gen(state) - 1));
}

/* Its first generation: by half of the range, which is not ahead any more. */
static void since_chunk(struct picture *p)
{
	flip(soj_chunk_state(&p->st, p->chunk_retired), UINT64_C(1) << 63);
}

static void since_unit(struct picture *p)
{
	flip(&p->st.seg.units[p->unit_part], UINT64_C(1) << 63);
}

static void since_ctl(struct picture *p)
{
	soj_word_t *ctl = &entry(p, p->live)->ctl;

	soj_store_relaxed(ctl, soj_load_relaxed(ctl) - (UINT64_C(1) << 32));
}

static void since_link(struct picture *p)
{
	soj_word_t *link = &entry(p, p->live)->link;

	soj_store_relaxed(link, soj_load_relaxed(link) - (UINT64_C(1) << 27));
}

static void since_head(struct picture *p)
{
	struct soj_digest subject = soj_entry_subject(&p->st, p->live);
	soj_word_t *head = &p->st.seg.heads[soj_head_of(&p->st, subject)];

	soj_store_relaxed(head, soj_load_relaxed(head) - (UINT64_C(1) << 27));
}

static void since_bucket(struct picture *p)
{
	soj_word_t *header = &picture_bucket(p, p->live, NULL)->header;

	soj_store_relaxed(header, soj_load_relaxed(header) -
					  (UINT64_C(1) << SOJ_BUCKET_PLACES));
}

static const struct violation violations[] = {
	VIOLATION(sum_creates, SUM_MADE),
	VIOLATION(sum_renewals, SUM_MADE),
	VIOLATION(sum_generation, SUM_MADE),
	VIOLATION(since_epoch, SINCE_EPOCH),
	VIOLATION(since_slots, SINCE_EPOCH),
	VIOLATION(since_count, SINCE_COUNT),
	VIOLATION(since_entry, SINCE_GENERATION),
	VIOLATION(since_chunk, SINCE_GENERATION),
	VIOLATION(since_unit, SINCE_GENERATION),
	VIOLATION(since_ctl, SINCE_VERSION),
	VIOLATION(since_link, SINCE_VERSION),
	VIOLATION(since_head, SINCE_VERSION),
	VIOLATION(since_bucket, SINCE_VERSION),
};

/* Offline only: state and ctl are of one instant. */
static const struct violation ends[] = {
	VIOLATION(sum_deletes, SUM_ENDED),
	VIOLATION(sum_expirations, SUM_ENDED),
	VIOLATION(sum_evictions, SUM_ENDED),
	VIOLATION(sum_cap, SUM_ENDED),
	VIOLATION(sum_damaged, SUM_ENDED),
	VIOLATION(sum_alive, SUM_ENDED),
};

static void test_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct soj_fsck_report rep;
		struct picture p;

		picture_copy(&p, &picture);
		ends[i].violate(&p);
		check(&p, false, &rep);
		if (rep.count[SOJ_FSCK_SUM_ENDED] != 1)
			fail_msg("%s is not found", ends[i].name);
		assert_int_equal(soj_fsck_exit(&rep), 4);
		soj_fsck_free(&rep);
		check(&p, true, &rep);
		assert_int_equal(rep.count[SOJ_FSCK_SUM_ENDED], 0);
		soj_fsck_free(&rep);
		picture_free(&p);
	}
}

/* A copy without values tells what one with them does; what has gone ahead, to
 * half of the range, is no finding. */
static void test_saved(void **state)
{
	const size_t bytes = picture.bytes;
	struct soj_image img, before;
	struct soj_image_flaw flaw;
	struct soj_fsck_report rep;
	struct picture p;
	uint8_t *saved;
	int fd = memfd_create("saved", MFD_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	soj_image_of_memory(&img, picture.base, bytes);
	assert_int_equal(soj_image_load(&img, &flaw), 0);
	assert_int_equal(soj_fsck_save(&img, fd), 0);
	soj_image_close(&img);
	saved = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_true(saved != MAP_FAILED);
	assert_null(memmem(saved, bytes, PICTURE_DATA, strlen(PICTURE_DATA)));
	assert_null(
		memmem(saved, bytes, PICTURE_SUBJECT, strlen(PICTURE_SUBJECT)));

	picture_copy(&p, &picture);
	for (unsigned turn = 0; turn < 2; turn++) {
		soj_image_of_memory(&img, p.base, bytes);
		soj_image_of_memory(&before, saved, bytes);
		assert_int_equal(soj_fsck_after(&img, &before, &rep, false), 0);
		complain(&rep);
		assert_int_equal(rep.count[SOJ_FSCK_SINCE_VERSION], turn);
		assert_int_equal(rep.corrupt, turn);
		soj_fsck_free(&rep);
		soj_image_close(&img);
		soj_image_close(&before);
		/* Half of the range, and one more. */
		flip(&entry(&p, p.live)->ctl, UINT64_C(1) << 63);
	}
	picture_free(&p);
	munmap(saved, bytes);
	close(fd);
}

/* Checked, but compared with nothing: what is wrong is found all the same. */
static void check_apart(struct picture *p, struct picture *before, int why)
{
	struct soj_image img, then;
	struct soj_fsck_report rep;

	soj_image_of_memory(&img, p->base, p->bytes);
	soj_image_of_memory(&then, before->base, before->bytes);
	assert_int_equal(soj_fsck_after(&img, &then, &rep, false), 0);
	assert_int_equal(rep.before_rc, why);
	assert_int_equal(rep.count[SOJ_FSCK_UNIT_DIRTY], 1);
	assert_int_equal(rep.count[SOJ_FSCK_SINCE_EPOCH], why == 0);
	assert_int_equal(soj_fsck_exit(&rep), 4);
	soj_fsck_free(&rep);
	soj_image_close(&img);
	soj_image_close(&then);
}

/* Another segment of the same size has nothing to do with it; one whose spare
 * bytes or settings were overwritten is still the same. */
static void test_of_another(void **state)
{
	struct picture p, before;

	(void)state;
	picture_copy(&p, &picture);
	picture_copy(&before, &picture);
	p.base[p.bytes - 1] = 1;
	soj_store_relaxed(&hdr(&before)->epoch, epoch(&before) + 1);
	check_apart(&p, &before, 0);
	hdr(&before)->policy.lease_ms++;
	hdr(&before)->reserved1[3] = 1;
	hdr(&before)->reserved2[3] = 1;
	check_apart(&p, &before, 0);
	hdr(&before)->boot_id[3]++;
	check_apart(&p, &before, -EXDEV);
	hdr(&before)->boot_id[3]--;
	hdr(&before)->key_fingerprint[3]++;
	check_apart(&p, &before, -EXDEV);
	hdr(&before)->key_fingerprint[3]--;
	hdr(&before)->created_unix_ms++;
	check_apart(&p, &before, -EXDEV);
	soj_store_relaxed(&hdr(&before)->magic, 0);
	check_apart(&p, &before, -EXDEV);
	picture_free(&before);
	picture_free(&p);
}

/* The earlier copy cannot be read from some point on. */
struct lost {
	unsigned reads_left;
	int rc;
};

static int read_lost(void *arg, void *buf, size_t bytes, uint64_t off)
{
	struct lost *lost = arg;

	if (lost->reads_left == 0)
		return lost->rc;
	lost->reads_left--;
	memcpy(buf, picture.base + off, bytes);
	return 0;
}

static bool check_lost(unsigned reads, int rc, bool online)
{
	struct lost lost = {.reads_left = reads, .rc = rc};
	struct soj_image img, before;
	struct soj_fsck_report rep;
	bool enough;

	soj_image_of_memory(&img, picture.base, picture.bytes);
	soj_image_of_memory(&before, NULL, picture.bytes);
	before.read = read_lost;
	before.arg = &lost;
	assert_int_equal(soj_fsck_after(&img, &before, &rep, online), 0);
	complain(&rep);
	assert_int_equal(soj_fsck_exit(&rep), 0);
	enough = rep.before_rc == 0;
	/* What has no header is no copy of anything. */
	if (!enough)
		assert_int_equal(rep.before_rc,
				 reads == 0 && rc == -ENODATA ? -EXDEV : rc);
	assert_int_equal(rep.entries[SOJ_OWNED], 1);
	soj_fsck_free(&rep);
	soj_image_close(&img);
	soj_image_close(&before);
	return enough;
}

static void test_copy_is_cut_short(void **state)
{
	unsigned reads = 0;

	(void)state;
	for (; !check_lost(reads, -ENODATA, false); reads += 1 + reads / 20)
		assert_false(check_lost(reads, -EIO, reads % 2 == 0));
	assert_true(reads > 100);
}

int main(void)
{
	static const struct violation_suite suite = {
		.violations = violations,
		.count = sizeof(violations) / sizeof(violations[0]),
		.ranges = {{SOJ_FSCK_SUM_MADE, SOJ_FSCK_SUM_MADE},
			   {SOJ_FSCK_SINCE_EPOCH, SOJ_FSCK_SINCE_VERSION}},
		.since = true,
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_saved),
		cmocka_unit_test(test_of_another),
		cmocka_unit_test(test_copy_is_cut_short),
	};

	return run_violations(&suite) +
	       cmocka_run_group_tests(tests, make_picture, free_picture);
}
