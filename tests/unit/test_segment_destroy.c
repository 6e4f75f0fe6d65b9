/* SPDX-License-Identifier: MIT */

/* Destroying removes what is ours, whatever is in it, and nothing else; and
 * opening for inspection takes any regular file. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/gate.h"
#include "lib_shm.h"

static bool there(const char *name)
{
	struct stat st;

	return lstat(shm_path(name), &st) == 0;
}

static void attach(struct soj_seg *seg, const char *name)
{
	struct soj_seg_error err;

	if (soj_seg_attach(seg, name, false, NULL, &err) < 0)
		fail_msg("%s", err.text);
}

static void expect_rc(const char *name, int want)
{
	unsigned descriptors = shm_descriptors();
	struct soj_seg_error err = {""};
	int rc = soj_seg_destroy(name, &err);

	if (rc != want)
		fail_msg("%d, not %d: %s", rc, want, err.text);
	assert_int_equal(err.text[0] != '\0', want < 0);
	assert_int_equal(shm_descriptors(), descriptors);
}

static void who_is_attached_stays(void **state)
{
	const char *name = shm_name("gone");
	struct soj_seg_error err;
	struct soj_seg seg, other;

	(void)state;
	shm_make(name);
	attach(&seg, name);
	assert_int_equal(soj_load_acquire(&seg.hdr->destroyed), 0);
	expect_rc(name, 0);
	assert_false(there(name));
	assert_int_equal(soj_load_acquire(&seg.hdr->destroyed), 1);
	soj_store_relaxed(&seg.hdr->manual_now_ms, 5);
	expect_rc(name, -ENOENT);
	/* The name is free at once, for another segment. */
	shm_make(name);
	attach(&other, name);
	assert_int_equal(soj_load_relaxed(&other.hdr->manual_now_ms), 1);
	soj_seg_detach(&other);
	soj_seg_detach(&seg);
	assert_int_equal(soj_seg_attach(&seg, name, true, NULL, &err), 0);
	soj_seg_detach(&seg);
}

/* As a destroyer leaves it that was killed before it removed the name. */
static void half_destroyed(void **state)
{
	const char *name = shm_name("half");
	struct soj_seg_error err;
	struct soj_seg seg, other;

	(void)state;
	shm_make(name);
	attach(&seg, name);
	soj_store_release(&seg.hdr->destroyed, 1);
	assert_int_equal(soj_seg_attach(&other, name, false, NULL, &err),
			 -ESHUTDOWN);
	expect_rc(name, 0);
	assert_false(there(name));
	soj_seg_detach(&seg);
}

static void overwrite(const char *name, size_t off, const void *data,
		      size_t bytes)
{
	int fd = open(shm_path(name), O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, bytes, (off_t)off), bytes);
	close(fd);
}

/* A segment that no attach would take can still be removed. */
static void wrecks_can_be_removed(void **state)
{
	const char *name = shm_name("wreck");
	const uint16_t version = SOJ_SHM_VERSION_MAJOR + 1;
	const uint32_t absurd = UINT32_MAX;
	struct soj_shm_header before, after;
	int fd;

	(void)state;
	shm_make(name);
	overwrite(name, offsetof(struct soj_shm_header, version_major),
		  &version, sizeof(version));
	fd = open(shm_path(name), O_RDONLY);
	assert_int_equal(pread(fd, &before, sizeof(before), 0), sizeof(before));
	expect_rc(name, 0);
	assert_false(there(name));
	/* Another version's bytes mean other things: hands off. */
	assert_int_equal(pread(fd, &after, sizeof(after), 0), sizeof(after));
	assert_memory_equal(&before, &after, sizeof(before));
	close(fd);

	shm_make(name);
	overwrite(name, offsetof(struct soj_shm_header, entries_max), &absurd,
		  sizeof(absurd));
	expect_rc(name, 0);
	assert_false(there(name));

	shm_make(name);
	assert_int_equal(truncate(shm_path(name), 100), 0);
	expect_rc(name, 0);
	assert_false(there(name));
}

/* Who has opened the door for others must be able to shut it. */
static void open_to_others(void **state)
{
	const char *name = shm_name("open");
	struct soj_seg seg;

	(void)state;
	shm_make(name);
	attach(&seg, name);
	assert_int_equal(chmod(shm_path(name), 0666), 0);
	expect_rc(name, 0);
	assert_false(there(name));
	assert_int_equal(soj_load_acquire(&seg.hdr->destroyed), 1);
	soj_seg_detach(&seg);
}

static void what_is_no_segment_stays(void **state)
{
	const char *name = shm_name("target");
	const char *other = shm_name("other");
	struct soj_seg seg;

	(void)state;
	shm_make(name);
	attach(&seg, name);
	assert_int_equal(symlink(shm_path(name), shm_path(other)), 0);
	expect_rc(other, -ELOOP);
	assert_true(there(other));
	assert_int_equal(soj_load_acquire(&seg.hdr->destroyed), 0);
	soj_seg_detach(&seg);
	assert_int_equal(unlink(shm_path(other)), 0);
	assert_int_equal(mkfifo(shm_path(other), 0600), 0);
	expect_rc(other, -EINVAL);
	assert_true(there(other));
	assert_int_equal(unlink(shm_path(other)), 0);
	assert_int_equal(mkdir(shm_path(other), 0700), 0);
	expect_rc(other, -EINVAL);
	assert_int_equal(rmdir(shm_path(other)), 0);
}

/* A destroyer that was stopped half-way is not waited for. */
static void another_destroyer_is_at_it(void **state)
{
	const char *name = shm_name("busy");
	int fd;

	(void)state;
	shm_make(name);
	fd = open(shm_path(name), O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	expect_rc(name, -EBUSY);
	assert_true(there(name));
	close(fd);
	expect_rc(name, 0);
	assert_false(there(name));
}

/* Whose creation failed may have lost its name to another one by then. */
static void only_what_was_made(void **state)
{
	const char *name = shm_name("only");
	struct soj_seg_options opts = shm_options();
	struct soj_seg_error err = {""};
	struct soj_seg old, now;

	(void)state;
	assert_int_equal(soj_seg_create(&old, name, &opts, &err), 0);
	assert_true(soj_seg_is_named(&old, name));
	expect_rc(name, 0);
	assert_false(soj_seg_is_named(&old, name));
	assert_int_equal(soj_seg_create(&now, name, &opts, &err), 0);
	assert_false(soj_seg_is_named(&old, name));
	assert_int_equal(soj_seg_destroy_only(&old, name, &err), -ENOENT);
	assert_non_null(strstr(err.text, "a new one has its name"));
	assert_int_equal(soj_load_relaxed(&now.hdr->destroyed), 0);
	assert_true(there(name));
	assert_int_equal(soj_seg_destroy_only(&now, name, &err), 0);
	assert_false(there(name));
	soj_seg_detach(&now);
	soj_seg_detach(&old);
}

/* Without a mark its helper would never end. */
static int without_a_mark(const void *arg)
{
	struct soj_seg_error err = {""};
	struct rlimit limit;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	CHECK(fd > 2 && getrlimit(RLIMIT_NOFILE, &limit) == 0);
	close(fd);
	limit.rlim_cur = (rlim_t)fd + 1;
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHECK(soj_seg_destroy(arg, &err) == -EMFILE);
	CHECK(err.text[0] != '\0' && there(arg));
	limit.rlim_cur = limit.rlim_max;
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHECK(soj_seg_destroy(arg, &err) == 0);
	return 0;
}

static void marked_or_not_removed(void **state)
{
	const char *name = shm_name("marked");

	(void)state;
	shm_make(name);
	child_passes(without_a_mark, name);
	assert_false(there(name));
}

static struct gate asleep;

static void *sleep_as_helper(void *arg)
{
	const struct timespec limit = {.tv_sec = 60};
	struct soj_seg *seg = arg;
	long rc = 0;

	soj_xchg_acq_rel(&seg->hdr->helper_asleep, 1);
	gate_post(&asleep);
	while (rc == 0 && soj_load_acquire(&seg->hdr->helper_asleep) == 1)
		rc = syscall(SYS_futex, &seg->hdr->helper_asleep, FUTEX_WAIT, 1,
			     &limit, NULL, 0);
	/* Awake before its time, and knows why. */
	if ((rc == 0 || errno == EAGAIN) &&
	    soj_load_acquire(&seg->hdr->destroyed))
		return seg;
	return NULL;
}

static void helper_is_woken(void **state)
{
	const char *name = shm_name("wake");
	pthread_t helper;
	void *woken;
	struct soj_seg seg;

	(void)state;
	shm_make(name);
	attach(&seg, name);
	assert_int_equal(pthread_create(&helper, NULL, sleep_as_helper, &seg),
			 0);
	gate_wait(&asleep, 1);
	expect_rc(name, 0);
	assert_int_equal(pthread_join(helper, &woken), 0);
	assert_ptr_equal(woken, &seg);
	soj_seg_detach(&seg);
}

static void inspection_takes_any_file(void **state)
{
	const char *name = shm_name("inspect");
	const char *fifo = shm_name("fifo");
	struct soj_seg_error err;
	uint64_t magic = 0, zero = 0;
	int fd;

	(void)state;
	shm_make(name);
	overwrite(name, 16, &zero, 8);
	fd = soj_seg_open_inspect(name, &err);
	assert_true(fd > 2);
	assert_int_equal(pread(fd, &magic, 8, 0), 8);
	assert_int_equal(magic, SOJ_SHM_MAGIC);
	assert_int_equal(pwrite(fd, &magic, 8, 0), -1);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	fd = soj_seg_open_inspect(shm_path(name), &err);
	assert_true(fd > 2);
	close(fd);
	assert_int_equal(soj_seg_open_inspect("bad name", &err), -EINVAL);
	assert_int_equal(soj_seg_open_inspect(shm_name("none"), &err), -ENOENT);
	assert_non_null(strstr(err.text, "does not exist"));
	assert_int_equal(soj_seg_open_inspect("/dev/shm/", &err), -EINVAL);
	assert_int_equal(mkfifo(shm_path(fifo), 0600), 0);
	assert_int_equal(soj_seg_open_inspect(fifo, &err), -EINVAL);
	assert_int_equal(soj_seg_open_inspect(shm_path(fifo), &err), -EINVAL);
	assert_non_null(strstr(err.text, "regular"));
	/* A name is not followed, a path that the user wrote is. */
	assert_int_equal(unlink(shm_path(fifo)), 0);
	assert_int_equal(symlink(shm_path(name), shm_path(fifo)), 0);
	assert_int_equal(soj_seg_open_inspect(fifo, &err), -ELOOP);
	fd = soj_seg_open_inspect(shm_path(fifo), &err);
	assert_true(fd > 2);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_attached_stays),
		cmocka_unit_test(half_destroyed),
		cmocka_unit_test(wrecks_can_be_removed),
		cmocka_unit_test(open_to_others),
		cmocka_unit_test(what_is_no_segment_stays),
		cmocka_unit_test(another_destroyer_is_at_it),
		cmocka_unit_test(only_what_was_made),
		cmocka_unit_test(marked_or_not_removed),
		cmocka_unit_test(helper_is_woken),
		cmocka_unit_test(inspection_takes_any_file),
	};

	return cmocka_run_group_tests(tests, NULL, shm_teardown);
}
