/* SPDX-License-Identifier: MIT */

/* What inspection reads from a picture: entries, numbers, times, slots. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib_event.h"
#include "lib_shm.h"
#include "lib_violation.h"

static void load(struct soj_image *img, const struct picture *p)
{
	struct soj_image_flaw flaw;

	soj_image_of_memory(img, p->base, p->bytes);
	assert_int_equal(soj_image_load(img, &flaw), 0);
}

/* ---- entries ---- */

static void test_live_entry(void **state)
{
	struct soj_image_entry e;
	struct soj_image img;

	(void)state;
	load(&img, &picture);
	assert_int_equal(soj_image_entry(&img, picture.live, true, &e), 0);
	assert_true(e.has_value);
	assert_int_equal(soj_ctl_status(e.ctl), SOJ_ACTIVE);
	assert_int_equal(strncmp((char *)e.subject, PICTURE_SUBJECT "-",
				 strlen(PICTURE_SUBJECT) + 1),
			 0);
	assert_int_equal(strlen((char *)e.subject), e.subject_bytes);
	assert_true(e.data_bytes >= strlen(PICTURE_DATA));
	assert_memory_equal(e.data, PICTURE_DATA, strlen(PICTURE_DATA));
	assert_true(e.version >= 1);
	assert_int_equal(e.times.idle_ms, 600000);
	assert_int_equal(e.times.expires_ms - e.times.created_ms, 1800000);
	free(e.data);
	assert_int_equal(soj_image_entry(&img, picture.live, false, &e), 0);
	assert_null(e.data);
	soj_image_close(&img);
}

static void test_renewed_entry(void **state)
{
	struct soj_image_entry e;
	struct soj_image img;

	(void)state;
	load(&img, &picture);
	assert_int_equal(soj_image_entry(&img, picture.renewed, true, &e), 0);
	assert_true(e.has_record);
	assert_int_equal(soj_ref_entry(e.record.successor), picture.successor);
	assert_true(e.times.grace_until_ms < e.times.expires_ms);
	assert_memory_equal(e.data, PICTURE_DATA, strlen(PICTURE_DATA));
	free(e.data);
	soj_image_close(&img);
}

static void test_entries_without_a_value(void **state)
{
	struct soj_image_entry e;
	struct soj_image img;
	struct picture p;

	(void)state;
	picture_copy(&p, &picture);
	/* The chunk of an ended entry may have been retired already. */
	set_chunk_state(&p, chunk_of(&p, p.ended), SOJ_RETIRED, epoch(&p));
	load(&img, &p);
	assert_int_equal(soj_image_entry(&img, p.freed, true, &e), -ENOENT);
	assert_int_equal(soj_image_entry(&img, p.virgin, true, &e), -ENOENT);
	assert_int_equal(soj_image_entry(&img, p.retired, true, &e), -ENOENT);
	assert_int_equal(soj_image_entry(&img, p.owned, true, &e), -ENOENT);
	assert_int_equal(soj_image_entry(&img, p.ended, true, &e), 0);
	assert_int_equal(soj_ctl_status(e.ctl), SOJ_ENDED_DELETED);
	assert_false(e.has_value);
	assert_null(e.data);
	assert_int_equal(e.data_bytes, 0);
	soj_image_close(&img);
	picture_free(&p);
}

/* An entry whose chunk is of the smallest class. */
static uint32_t small_entry(struct picture *p)
{
	for (uint32_t idx = 1; idx <= 300; idx++) {
		uint64_t ctl = soj_load_relaxed(&entry(p, idx)->ctl), unit;

		if (soj_ctl_status(ctl) == SOJ_ACTIVE &&
		    soj_page_class(&p->st, soj_chunk_unit(soj_ctl_chunk(ctl)),
				   &unit) == 0)
			return idx;
	}
	fail_msg("no small one");
	return 0;
}

/* A value that cannot be is not shown, and nothing is read beyond it. */
static void test_damaged_values(void **state)
{
	static const struct {
		unsigned word;
		uint64_t head;
	} heads[] = {
		{0, UINT64_C(1) << 20},            /* data */
		{0, UINT64_C(255) << 24},          /* subject */
		{0, UINT64_C(2048) << 34},         /* metadata */
		{0, UINT64_C(24) << 50},           /* record */
		{0, UINT64_MAX},           {1, 0}, /* of no entry */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct soj_image_entry e;
		struct soj_image img;
		struct picture p;
		uint32_t idx;

		picture_copy(&p, &picture);
		idx = small_entry(&p);
		soj_store_relaxed(&picture_chunk(&p, idx)[heads[i].word],
				  heads[i].head);
		load(&img, &p);
		assert_int_equal(soj_image_entry(&img, idx, true, &e), -EAGAIN);
		assert_null(e.data);
		soj_image_close(&img);
		picture_free(&p);
	}
}

/* The entry's ctl changes each time that it is read, for a while. */
struct busy {
	const struct picture *p;
	uint64_t off;
	unsigned reads, calm_after;
};

static int read_busy(void *arg, void *buf, size_t bytes, uint64_t off)
{
	struct busy *b = arg;
	uint64_t ctl;

	memcpy(buf, b->p->base + off, bytes);
	if (off > b->off || b->off + 8 > off + bytes ||
	    b->reads++ >= b->calm_after)
		return 0;
	memcpy(&ctl, (uint8_t *)buf + (b->off - off), 8);
	ctl += (uint64_t)b->reads << 32;
	memcpy((uint8_t *)buf + (b->off - off), &ctl, 8);
	return 0;
}

static void test_torn_entry_is_read_again(void **state)
{
	struct busy b = {.p = &picture};
	struct soj_image_entry e;
	struct soj_image img;

	(void)state;
	load(&img, &picture);
	b.off = soj_image_layout(&img)->entries_off +
		picture.live * sizeof(struct soj_shm_entry);
	img.read = read_busy;
	img.arg = &b;
	b.calm_after = 5;
	assert_int_equal(soj_image_entry(&img, picture.live, true, &e), 0);
	assert_memory_equal(e.data, PICTURE_DATA, strlen(PICTURE_DATA));
	free(e.data);
	b.reads = 0;
	b.calm_after = UINT32_MAX;
	assert_int_equal(soj_image_entry(&img, picture.live, true, &e),
			 -EAGAIN);
	assert_null(e.data);
	/* It gives up. */
	assert_true(b.reads < 100);
	soj_image_close(&img);
}

/* ---- numbers ---- */

static void test_numbers(void **state)
{
	static struct soj_image_stat stat;
	uint64_t phases[4] = {0}, ended = 0, pages = 0, chunks = 0;
	struct soj_image img;

	(void)state;
	load(&img, &picture);
	assert_int_equal(soj_image_stat(&img, &stat), 0);
	for (uint32_t i = 1; i <= 300; i++) {
		enum soj_phase phase = soj_state_phase(
			soj_load_relaxed(&picture.st.seg.entry_states[i]));

		if (phase == SOJ_LIVE &&
		    soj_ctl_ended(
			    soj_load_relaxed(&picture.st.seg.entries[i].ctl)))
			ended++;
		else
			phases[phase]++;
	}
	for (unsigned p = 0; p < 4; p++)
		assert_int_equal(stat.entries[p], phases[p]);
	assert_int_equal(stat.entries_ended, ended);
	assert_true(ended > 0);
	for (uint32_t c = 0; c < SOJ_CLASSES; c++) {
		pages += stat.classes[c].pages;
		for (unsigned p = 0; p < 4; p++)
			chunks += stat.classes[c].chunks[p];
		assert_int_equal(stat.classes[c].chunks[SOJ_FREE] +
					 stat.classes[c].chunks[SOJ_OWNED] +
					 stat.classes[c].chunks[SOJ_LIVE] +
					 stat.classes[c].chunks[SOJ_RETIRED],
				 stat.classes[c].pages *
					 img.st.classes[c].page_slots);
	}
	assert_true(pages >= 6 && chunks > 100);
	assert_true(stat.units_free > 0);
	assert_int_equal(stat.counters[SOJ_COUNT_creates], PICTURE_SESSIONS);
	assert_int_equal(stat.counters[SOJ_COUNT_renewals_won], 10);
	assert_int_equal(stat.counters[SOJ_COUNT_deletes], 18);
	assert_int_equal(stat.threads_attached, 1);
	assert_int_equal(stat.threads_dead, 0);
	assert_false(stat.helper_alive);
	assert_int_equal(stat.now_ms, 1001); /* of the manual clock */
	soj_image_close(&img);
}

static void test_threads_and_helper(void **state)
{
	static struct soj_image_stat stat;
	struct soj_image img;
	struct picture p;
	uint64_t claim;

	(void)state;
	picture_copy(&p, &picture);
	claim = soj_load_relaxed(&p.st.seg.slots[p.slot].claim);
	soj_store_relaxed(&hdr(&p)->role,
			  soj_role(p.slot, soj_claim_gen(claim), 1));
	load(&img, &p);
	assert_int_equal(soj_image_stat(&img, &stat), 0);
	assert_true(stat.helper_alive);
	assert_int_equal(stat.helper_pid, p.st.seg.slots[p.slot].pid);
	kill_slot(&p);
	assert_int_equal(soj_image_stat(&img, &stat), 0);
	assert_int_equal(stat.threads_attached, 1);
	assert_int_equal(stat.threads_dead, 1);
	assert_false(stat.helper_alive);
	soj_store_relaxed(&hdr(&p)->role,
			  soj_role(p.slot, soj_claim_gen(claim) + 1, 1));
	assert_int_equal(soj_image_stat(&img, &stat), 0);
	assert_int_equal(stat.helper_pid, 0);
	soj_image_close(&img);
	picture_free(&p);
}

/* A thread that the kernel could not mark.  In a file its number may be that
 * of anybody. */
static void test_thread_that_is_gone(void **state)
{
	struct soj_image img;
	struct picture p;
	uint64_t claim;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	picture_copy(&p, &picture);
	claim = soj_load_relaxed(&p.st.seg.slots[p.slot].claim);
	soj_store_relaxed(&p.st.seg.slots[p.slot].claim,
			  soj_claim(SOJ_CLAIM_HELD, soj_claim_gen(claim),
				    soj_claim_pidns(claim), (uint32_t)pid));
	load(&img, &p);
	assert_true(soj_image_slot_held(&img, p.slot));
	assert_false(soj_image_slot_dead(&img, p.slot));
	img.live = true;
	assert_true(soj_image_slot_dead(&img, p.slot));
	assert_false(soj_image_slot_dead(&img, 8));
	assert_false(soj_image_slot_held(&img, 8));
	soj_image_close(&img);
	picture_free(&p);
}

static void test_lag(void **state)
{
	static struct soj_image_stat stat;
	struct soj_image img;
	struct picture p;

	(void)state;
	assert_int_equal(soj_image_lag_limit_ms(0), 0);
	assert_int_equal(soj_image_lag_limit_ms(47), 47);
	assert_int_equal(soj_image_lag_limit_ms(48), 95);
	assert_int_equal(soj_image_lag_limit_ms(49), 191);
	assert_int_equal(soj_image_lag_limit_ms(62), (48u << 15) - 1);
	assert_true(soj_image_lag_limit_ms(63) == UINT64_MAX);
	picture_copy(&p, &picture);
	load(&img, &p);
	assert_int_equal(soj_image_stat(&img, &stat), 0);
	assert_int_equal(stat.lag_count, 0);
	assert_int_equal(stat.lag_p99_ms, 0);
	soj_store_relaxed(&hdr(&p)->lag[3], 98);
	soj_store_relaxed(&hdr(&p)->lag[10], 1);
	soj_store_relaxed(&hdr(&p)->lag[48], 1);
	assert_int_equal(soj_image_stat(&img, &stat), 0);
	assert_int_equal(stat.lag_count, 100);
	assert_int_equal(stat.lag_p50_ms, 3);
	assert_int_equal(stat.lag_p99_ms, 10);
	assert_int_equal(stat.lag_max_ms, 95);
	/* Numbers that nobody counted. */
	for (unsigned i = 0; i < SOJ_LAG_BUCKETS; i++)
		soj_store_relaxed(&hdr(&p)->lag[i], UINT64_MAX);
	assert_int_equal(soj_image_stat(&img, &stat), 0);
	soj_image_close(&img);
	picture_free(&p);
}

/* What was judged stays as it was judged, whatever is written there later. */
static void test_header_is_read_again(void **state)
{
	struct soj_image_stat stat;
	struct soj_image img;
	struct picture p;

	(void)state;
	picture_copy(&p, &picture);
	load(&img, &p);
	memset(hdr(&p)->collection[SOJ_COLLECTIONS - 1].name, 'x',
	       sizeof(hdr(&p)->collection[0]));
	hdr(&p)->entries_max = UINT32_MAX;
	soj_store_relaxed(&hdr(&p)->epoch, 77);
	assert_int_equal(soj_image_stat(&img, &stat), 0);
	assert_int_equal(soj_load_relaxed(&img.hdr.epoch), 77);
	assert_int_equal(img.hdr.collection[SOJ_COLLECTIONS - 1].name[0], 0);
	assert_int_equal(img.hdr.entries_max, picture.st.seg.lay.entries_max);
	soj_image_close(&img);
	picture_free(&p);
}

/* ---- events ---- */

struct counted {
	const struct picture *p;
	uint64_t reads;
};

static int read_counted(void *arg, void *buf, size_t bytes, uint64_t off)
{
	struct counted *c = arg;

	memcpy(buf, c->p->base + off, bytes);
	c->reads++;
	return 0;
}

/* Each record was overtaken by that of the next number, and the header is a
 * whole ring behind: no number costs another walk along it. */
static void test_overtaken_events(void **state)
{
	struct counted c = {0};
	struct soj_image img;
	struct picture p;
	uint64_t events_max, seq, next;
	unsigned stale = 0;

	(void)state;
	picture_copy(&p, &picture);
	events_max = p.st.seg.lay.events_max;
	for (seq = events_max + 1; seq <= 2 * events_max; seq++)
		soj_store_relaxed(
			&p.st.seg.events[soj_event_place((uint32_t)events_max,
							 seq)]
				 .word,
			soj_event(seq + 1, 0));
	soj_store_relaxed(&hdr(&p)->event_next, events_max + 1);
	load(&img, &p);
	c.p = &p;
	img.read = read_counted;
	img.arg = &c;
	assert_int_equal(soj_image_event_next(&img, &next), 0);
	assert_true(next > 2 * events_max);
	seq = next - events_max;
	while (seq < next) {
		struct soj_event event;
		uint64_t oldest;
		int rc = soj_image_event(&img, seq, &event, &oldest);

		stale += rc == -ESTALE;
		seq = rc == -ESTALE ? oldest : seq + 1;
	}
	assert_true(stale > events_max / 2);
	assert_in_range(c.reads, stale, 8 * events_max);
	soj_image_close(&img);
	picture_free(&p);
}

/* ---- files ---- */

static void write_file(const char *path, const void *base, size_t bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, base, bytes), bytes);
	close(fd);
}

static void test_time_of_a_file(void **state)
{
	char path[] = P_tmpdir "/test_image.XXXXXX";
	struct soj_image img;
	struct soj_image_flaw flaw;
	struct soj_seg_error err;
	struct picture p;
	struct timespec times[2] = {{0}};

	(void)state;
	close(mkstemp(path));
	picture_copy(&p, &picture);
	hdr(&p)->flags &= ~SOJ_SHM_MANUAL_CLOCK;
	hdr(&p)->created_unix_ms = 1000000;
	write_file(path, p.base, p.bytes);
	times[0].tv_sec = times[1].tv_sec = 1060;
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	assert_int_equal(soj_image_open(&img, path, &err), 0);
	assert_false(img.live);
	assert_int_equal(soj_image_load(&img, &flaw), 0);
	assert_int_equal(soj_image_now_ms(&img), 60001);
	soj_image_close(&img);
	unlink(path);
	picture_free(&p);
}

static void test_opening(void **state)
{
	struct soj_image img;
	struct soj_image_flaw flaw;
	struct soj_seg_error err;
	char path[] = P_tmpdir "/test_image.XXXXXX";
	static const char *const bad[] = {
		"/",
		"/dev/null",
		"/dev/zero",
		"./no/such/file",
		"no-such-segment-ever",
		"",
		"in valid",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_true(soj_image_open(&img, bad[i], &err) < 0);
		assert_int_not_equal(err.text[0], '\0');
	}
	close(mkstemp(path));
	assert_int_equal(soj_image_open(&img, path, &err), 0);
	assert_int_equal(soj_image_load(&img, &flaw), -EBADMSG);
	assert_int_equal(flaw.flaw, SOJ_FLAW_SHORT);
	soj_image_close(&img);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_true(soj_image_open(&img, path, &err) < 0);
	unlink(path);
}

static bool opens_live(const char *name_or_path)
{
	struct soj_image img;
	struct soj_seg_error err;
	bool live;

	assert_int_equal(soj_image_open(&img, name_or_path, &err), 0);
	live = img.live;
	soj_image_close(&img);
	return live;
}

/* Whether others may be at work is the file's, by whatever path. */
static void test_paths_of_a_segment(void **state)
{
	char folder[] = P_tmpdir "/test_image.XXXXXX", path[64], link[64];
	const char *name = shm_name("path");
	char cwd[PATH_MAX], relative[64];

	(void)state;
	shm_make(name);
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/sojourn.%s", folder, name);
	snprintf(link, sizeof(link), "%s/link", folder);
	snprintf(relative, sizeof(relative), "./sojourn.%s", name);
	write_file(path, "copy", 4);
	assert_int_equal(symlink(shm_path(name), link), 0);
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	assert_true(opens_live(name));
	assert_true(opens_live(shm_path(name)));
	assert_true(opens_live(link));
	assert_false(opens_live(path));
	assert_int_equal(chdir("/dev/shm"), 0);
	assert_true(opens_live(relative));
	assert_int_equal(chdir(folder), 0);
	assert_false(opens_live(relative));
	assert_int_equal(chdir(cwd), 0);
	unlink(link);
	assert_int_equal(symlink(path, link), 0);
	assert_false(opens_live(link));
	unlink(link);
	unlink(path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_live_entry),
		cmocka_unit_test(test_renewed_entry),
		cmocka_unit_test(test_entries_without_a_value),
		cmocka_unit_test(test_damaged_values),
		cmocka_unit_test(test_torn_entry_is_read_again),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_threads_and_helper),
		cmocka_unit_test(test_thread_that_is_gone),
		cmocka_unit_test(test_lag),
		cmocka_unit_test(test_header_is_read_again),
		cmocka_unit_test(test_overtaken_events),
		cmocka_unit_test(test_time_of_a_file),
		cmocka_unit_test(test_opening),
		cmocka_unit_test_teardown(test_paths_of_a_segment,
					  shm_teardown),
	};

	return cmocka_run_group_tests(tests, make_picture, free_picture);
}
