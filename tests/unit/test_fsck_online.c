/* SPDX-License-Identifier: MIT */

/*
 * fsck beside workers: processes create, update, renew and delete, one is
 * killed now and then, and not once is anything called corrupt.  Afterwards
 * upkeep leaves nothing to repair.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/upkeep.h"
#include "lib_violation.h"

#define WORKERS 3u
#define KILLS   6u
#define IDS     32u

static struct sojourn *s;

static uint32_t cheap_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* Until it is killed.  Errors are the business of other tests. */
static void work(unsigned number)
{
	static char ids[IDS][SOJOURN_ID_CHARS_MAX + 1];
	static char data[3000];
	uint32_t seed = number;
	struct sojourn_info info;

	for (;;) {
		uint32_t r = cheap_random(&seed);
		char *id = ids[r % IDS], subject[16];
		size_t bytes = cheap_random(&seed) % sizeof(data);
		struct sojourn_new n = {
			.subject = subject, .data = data, .data_bytes = bytes};
		int rc = 0;

		snprintf(subject, sizeof(subject), "s%u", r % 7);
		if (id[0] == '\0' || r % 5 == 0)
			rc = sojourn_session_create(s, &n, id, NULL);
		else if (r % 5 == 1)
			rc = sojourn_session_update(s, id, data, bytes, 0,
						    NULL);
		else if (r % 5 == 2)
			rc = sojourn_session_delete(s, id);
		else if (r % 5 == 3)
			rc = sojourn_session_renew(s, id, &info);
		else
			rc = sojourn_session_read(s, id, NULL, NULL, NULL,
						  &info);
		if (rc < 0)
			id[0] = '\0';
	}
}

static pid_t start(unsigned number)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		/* A test that fails must not leave it behind. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		work(number);
		_exit(0);
	}
	return pid;
}

static void open_image(struct soj_image *img)
{
	struct soj_seg_error err;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(),
		 sojourn_fd(s));
	assert_int_equal(soj_image_open(img, path, &err), 0);
	assert_true(img->live);
}

static void check_online(void)
{
	struct soj_image img;
	struct soj_fsck_report rep;

	open_image(&img);
	assert_int_equal(soj_fsck(&img, &rep, true), 0);
	if (rep.corrupt > 0)
		complain(&rep);
	assert_int_equal(rep.corrupt, 0);
	assert_int_equal(rep.unsettled, 0);
	soj_fsck_free(&rep);
	soj_image_close(&img);
}

/* What a dump or stat reads beside workers makes sense. */
static void read_online(void)
{
	static struct soj_image_stat stat;
	struct soj_image_entry e;
	struct soj_image_flaw flaw;
	struct soj_image img;

	open_image(&img);
	assert_int_equal(soj_image_load(&img, &flaw), 0);
	assert_int_equal(soj_image_stat(&img, &stat), 0);
	assert_int_equal(stat.entries[SOJ_FREE] + stat.entries[SOJ_OWNED] +
				 stat.entries[SOJ_LIVE] +
				 stat.entries[SOJ_RETIRED] + stat.entries_ended,
			 img.hdr.entries_max);
	for (uint32_t i = 1; i <= img.hdr.entries_max; i++) {
		int rc = soj_image_entry(&img, i, true, &e);

		assert_true(rc == 0 || rc == -ENOENT || rc == -EAGAIN);
		if (rc != 0)
			continue;
		if (e.has_value) {
			assert_int_equal(e.subject_bytes, 2);
			assert_int_equal(e.subject[0], 's');
			assert_true(e.version >= 1);
			assert_true(e.data_bytes < 3000);
		}
		free(e.data);
	}
	soj_image_close(&img);
}

static void upkeep(unsigned passes)
{
	assert_true(upkeep_passes(s, passes, soj_upkeep_full));
}

static void stop(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static int open_segment(void **state)
{
	struct sojourn_options o;

	(void)state;
	sojourn_options_init(&o);
	o.entries_max = 2000;
	o.segment_bytes = 12 << 20;
	o.threads_max = 64;
	o.helper = SOJOURN_HELPER_NONE;
	o.grace_window_ms = 20;
	o.when_full = SOJOURN_WHEN_FULL_EVICT;
	assert_int_equal(sojourn_create(NULL, &o, &s), 0);
	return 0;
}

static int close_segment(void **state)
{
	(void)state;
	sojourn_detach(s);
	return 0;
}

static void test_beside_workers(void **state)
{
	pid_t pids[WORKERS];

	(void)state;
	for (unsigned i = 0; i < WORKERS; i++)
		pids[i] = start(i);
	for (unsigned k = 0; k < KILLS; k++) {
		check_online();
		read_online();
		stop(pids[k % WORKERS]);
		pids[k % WORKERS] = start(100 + k);
		check_online();
	}
	for (unsigned i = 0; i < WORKERS; i++)
		stop(pids[i]);
}

static void test_upkeep_leaves_nothing(void **state)
{
	struct soj_image img;
	struct soj_fsck_report rep;

	(void)state;
	/* Lines of successors are unlinked one member a pass. */
	upkeep(30);
	open_image(&img);
	assert_int_equal(soj_fsck(&img, &rep, false), 0);
	complain(&rep);
	assert_int_equal(soj_fsck_exit(&rep), 0);
	soj_fsck_free(&rep);
	soj_image_close(&img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_beside_workers),
		cmocka_unit_test(test_upkeep_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, open_segment, close_segment);
}
