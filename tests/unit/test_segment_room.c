/* SPDX-License-Identifier: MIT */

/*
 * Too little of something: memory, file size, descriptors, and clocks that
 * differ.  Each test sets its scene in a child, most in private mounts, and is
 * skipped where that is not allowed.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/sanitized.h"
#include "lib_shm.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

/* How often an allocation was tried: it takes what others need meanwhile. */
static unsigned allocations;

/* Who makes a segment of that name right before an allocation; NULL: nobody. */
static const char *rival;

static void make_rival(off_t bytes)
{
	struct soj_seg_options opts = shm_options();
	const char *name = rival;
	struct soj_seg_error err;
	struct soj_seg seg;

	rival = NULL;
	opts.segment_bytes = (uint64_t)bytes;
	if (name && soj_seg_create(&seg, name, &opts, &err) == 0)
		soj_seg_detach(&seg);
}

int posix_fallocate(int fd, off_t off, off_t bytes)
{
	allocations++;
	make_rival(bytes);
	return syscall(SYS_fallocate, fd, 0, off, bytes) < 0 ? errno : 0;
}

#define NAME shm_name("room")

static int refused(const char *name, uint64_t bytes, int want, const char *word)
{
	struct soj_seg_options opts = shm_options();
	unsigned descriptors = shm_descriptors();
	struct soj_seg_error err = {""};
	struct soj_seg seg;
	int rc;

	opts.segment_bytes = bytes;
	allocations = 0;
	rc = soj_seg_create(&seg, name, &opts, &err);
	if (rc != want || strstr(err.text, word) == NULL) {
		print_error("%d, not %d, \"%s\": %s\n", rc, want, word,
			    err.text);
		return 1;
	}
	CHECK(seg.base == NULL && seg.fd == -1);
	CHECK(shm_descriptors() == descriptors);
	CHECK(shm_mappings() == 0);
	CHECK(access(shm_path(NAME), F_OK) < 0);
	/* What cannot be is not tried. */
	if (want != -EIO && want != -EXDEV && !strstr(err.text, "cannot map"))
		CHECK(allocations == 0);
	return 0;
}

static int accepted(const char *name, uint64_t bytes)
{
	struct soj_seg_options opts = shm_options();
	struct soj_seg_error err = {""};
	struct soj_seg seg;

	opts.segment_bytes = bytes;
	if (soj_seg_create(&seg, name, &opts, &err) < 0) {
		print_error("%s\n", err.text);
		return 1;
	}
	/* All of it is there: a page that is not would be a SIGBUS. */
	for (size_t off = 4096; off < seg.bytes; off += 4096)
		*(volatile uint8_t *)(seg.base + off) = 1;
	CHECK(allocations > 0);
	soj_seg_detach(&seg);
	if (name == NULL)
		return 0;
	if (soj_seg_attach(&seg, name, false, NULL, &err) < 0) {
		print_error("%s\n", err.text);
		return 1;
	}
	soj_seg_detach(&seg);
	CHECK(soj_seg_destroy(name, &err) == 0);
	return 0;
}

static bool small_shm(const char *options)
{
	return private_mounts() &&
	       mount("none", "/dev/shm", "tmpfs", 0, options) == 0;
}

static uint64_t shm_room(void)
{
	struct statvfs fs;

	return statvfs("/dev/shm", &fs) < 0
		       ? 0
		       : (uint64_t)fs.f_bfree << 32 | fs.f_ffree;
}

static int in_64_kib(const void *arg)
{
	uint64_t room;

	(void)arg;
	if (!small_shm("size=64k"))
		return CHILD_SKIPPED;
	room = shm_room();
	if (refused(NAME, 4 << 20, -ENOSPC, "MiB asked for, 64.0 KiB free"))
		return 1;
	CHECK(shm_room() == room);
	return 0;
}

static int in_3_mib(const void *arg)
{
	uint64_t room;

	(void)arg;
	if (!small_shm("size=3m"))
		return CHILD_SKIPPED;
	room = shm_room();
	if (refused(NAME, 4 << 20, -ENOSPC, "3.0 MiB free") ||
	    refused(NAME, 4 << 20, -ENOSPC, "--shm-size") ||
	    accepted(NAME, 2 << 20))
		return 1;
	CHECK(shm_room() == room);
	return 0;
}

/* Who comes second is told of the name, not of what the first one took. */
static int of_one_name(const void *arg)
{
	struct soj_seg_options opts = shm_options();
	struct soj_seg_error err = {""};
	struct soj_seg first, second;

	(void)arg;
	if (!small_shm("size=5m"))
		return CHILD_SKIPPED;
	opts.segment_bytes = 3 << 20;
	CHECK(soj_seg_create(&first, NAME, &opts, &err) == 0);
	allocations = 0;
	CHECK(soj_seg_create(&second, NAME, &opts, &err) == -EEXIST);
	CHECK(strstr(err.text, "exists already") != NULL);
	CHECK(allocations == 0);
	CHECK(soj_seg_destroy_only(&first, NAME, &err) == 0);
	soj_seg_detach(&first);
	return 0;
}

/* While it looked for memory another one had the name, and took it. */
static int made_meanwhile(const void *arg)
{
	struct soj_seg_options opts = shm_options();
	struct soj_seg_error err = {""};
	struct soj_seg seg;

	(void)arg;
	if (!small_shm("size=5m"))
		return CHILD_SKIPPED;
	opts.segment_bytes = 3 << 20;
	rival = NAME;
	CHECK(soj_seg_create(&seg, NAME, &opts, &err) == -EEXIST);
	CHECK(rival == NULL && strstr(err.text, "exists already") != NULL);
	CHECK(soj_seg_destroy(NAME, &err) == 0);
	return 0;
}

static int without_inodes(const void *arg)
{
	(void)arg;
	if (!small_shm("size=16m,nr_inodes=1"))
		return CHILD_SKIPPED;
	return refused(NAME, 4 << 20, -ENOSPC, "cannot make a segment");
}

static int without_shm(const void *arg)
{
	(void)arg;
	if (!private_mounts() || mount("none", "/dev/shm", "proc", 0, NULL) < 0)
		return CHILD_SKIPPED;
	/* What is mounted there cannot make files without a name. */
	return refused(NAME, 4 << 20, -EOPNOTSUPP, "/dev/shm");
}

static int with_little_memory(const void *arg)
{
	(void)arg;
	if (!private_mounts() ||
	    !pretend_file("/proc/meminfo", "MemTotal: 8192 kB\n"
					   "MemAvailable:       2048 kB\n"
					   "SwapFree: 1024 kB\n"))
		return CHILD_SKIPPED;
	return refused(NAME, 4 << 20, -ENOMEM, "3.0 MiB available") ||
	       refused(NULL, 4 << 20, -ENOMEM, "3.0 MiB available") ||
	       accepted(NAME, 2 << 20) || accepted(NULL, 2 << 20);
}

static bool put_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");
	bool done = file && fputs(text, file) >= 0;

	return file && fclose(file) == 0 && done;
}

/* 10 MiB may be used, 8 are, of which 1 is cache: in the middle group. */
static bool pretend_groups(void)
{
	return private_mounts() &&
	       mount("none", "/sys/fs/cgroup", "tmpfs", 0, "size=1m") == 0 &&
	       mkdir("/sys/fs/cgroup/a", 0700) == 0 &&
	       mkdir("/sys/fs/cgroup/a/b", 0700) == 0 &&
	       put_file("/sys/fs/cgroup/a/memory.max", "10485760\n") &&
	       put_file("/sys/fs/cgroup/a/memory.current", "8388608\n") &&
	       put_file("/sys/fs/cgroup/a/memory.stat",
			"anon 5\nfile 9999999\ninactive_file 524288\n"
			"active_file 524288\nslab 3\n") &&
	       put_file("/sys/fs/cgroup/a/b/memory.max", "max\n") &&
	       put_file("/sys/fs/cgroup/a/b/memory.current", "4096\n") &&
	       pretend_file("/proc/self/cgroup", "1:name=x:/y\n0::/a/b\n");
}

static int with_little_in_the_group(const void *arg)
{
	(void)arg;
	if (!pretend_groups())
		return CHILD_SKIPPED;
	return refused(NAME, 4 << 20, -ENOMEM, "3.0 MiB available") ||
	       refused(NULL, 4 << 20, -ENOMEM, "3.0 MiB available") ||
	       accepted(NAME, 2 << 20) || accepted(NULL, 2 << 20);
}

/* Nonsense in those files limits nothing. */
static int with_strange_files(const void *arg)
{
	(void)arg;
	if (!private_mounts() || !pretend_file("/proc/meminfo", "\n\nx") ||
	    !pretend_file("/proc/self/cgroup", "0::/../outside\n"))
		return CHILD_SKIPPED;
	return accepted(NAME, 4 << 20) || accepted(NULL, 4 << 20);
}

static int with_small_files(const void *arg)
{
	struct rlimit limit = {1 << 20, 1 << 20};

	(void)arg;
	/* The signal that comes with it would be the end of the process. */
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	return refused(NAME, 4 << 20, -EFBIG, "ulimit -f") ||
	       refused(NULL, 4 << 20, -EFBIG, "ulimit -f");
}

static int with_little_address_space(const void *arg)
{
	struct rlimit limit = {1 << 20, 1 << 20};

	(void)arg;
	if (SANITIZED)
		return CHILD_SKIPPED;
	CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
	return refused(NAME, 4 << 20, -ENOMEM, "cannot map") ||
	       refused(NULL, 4 << 20, -ENOMEM, "cannot map");
}

/* However many descriptors are left: an error, or a segment. */
static int with_few_descriptors(const void *arg)
{
	unsigned refusals = 0;

	(void)arg;
	for (rlim_t n = 3; n < 16; n++) {
		struct rlimit limit = {n, n + 100};
		struct rlimit all = {116, 116};
		struct soj_seg_options opts = shm_options();
		struct soj_seg_error err = {""};
		struct soj_seg seg;
		int rc;

		limit.rlim_max = all.rlim_max;
		CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
		rc = soj_seg_create(&seg, n % 2 ? NAME : NULL, &opts, &err);
		CHECK(setrlimit(RLIMIT_NOFILE, &all) == 0);
		if (rc < 0) {
			CHECK(rc == -EMFILE && err.text[0] != '\0');
			CHECK(seg.base == NULL && seg.fd == -1);
			CHECK(access(shm_path(NAME), F_OK) < 0);
			refusals++;
			continue;
		}
		soj_seg_detach(&seg);
		if (n % 2)
			CHECK(soj_seg_destroy(NAME, &err) == 0);
	}
	CHECK(refusals >= 2);
	return 0;
}

/* A host that has closed them, and prints all the same. */
static int without_stdio(const void *arg)
{
	struct soj_seg_options opts = shm_options();
	struct soj_seg seg;
	ssize_t put;

	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	if (soj_seg_create(&seg, NULL, &opts, NULL) < 0)
		return 1;
	put = write(STDOUT_FILENO, "garbage", 7);
	if (put >= 0 || seg.fd <= STDERR_FILENO ||
	    soj_load_acquire(&seg.hdr->magic) != SOJ_SHM_MAGIC)
		return 2;
	soj_seg_detach(&seg);
	if (soj_seg_attach(&seg, arg, false, NULL, NULL) < 0)
		return 3;
	put = fcntl(STDIN_FILENO, F_GETFD);
	return put < 0 && soj_seg_open_inspect(arg, NULL) > STDERR_FILENO ? 0
									  : 4;
}

static int after_reboot(const void *arg)
{
	struct soj_seg_error err = {""};
	struct soj_seg seg;

	if (!private_mounts() ||
	    !pretend_file("/proc/sys/kernel/random/boot_id",
			  "01234567-89ab-cdef-0123-456789abcdef\n"))
		return CHILD_SKIPPED;
	CHECK(soj_seg_attach(&seg, arg, false, NULL, &err) == -ESTALE);
	CHECK(strstr(err.text, "started") != NULL);
	if (accepted(NAME, 4 << 20))
		return 1;
	/* Of another boot, but ours: it can go. */
	CHECK(soj_seg_destroy(arg, &err) == 0);
	return 0;
}

static int with_broken_boot_id(const void *arg)
{
	(void)arg;
	if (!private_mounts() ||
	    !pretend_file("/proc/sys/kernel/random/boot_id", "01234567\n"))
		return CHILD_SKIPPED;
	return refused(NAME, 4 << 20, -EIO, "boot id");
}

static int with_strange_offsets(const void *arg)
{
	(void)arg;
	if (!private_mounts() ||
	    !pretend_file("/proc/self/timens_offsets", "monotonic 0 0\n"))
		return CHILD_SKIPPED;
	if (refused(NAME, 4 << 20, -EIO, "boottime") ||
	    !put_file("/proc/self/timens_offsets", "boottime 5 x\n") ||
	    refused(NAME, 4 << 20, -EIO, "boottime") ||
	    !put_file("/proc/self/timens_offsets", "boottime -7 0\n"))
		return 1;
	return accepted(NAME, 4 << 20);
}

static int in_new_time(const void *arg)
{
	struct soj_seg_error err = {""};
	struct soj_seg seg;

	CHECK(soj_seg_attach(&seg, arg, false, NULL, &err) == -EXDEV);
	CHECK(strstr(err.text, "differs by 0 ms there and 100000250 ms here"));
	return accepted(NAME, 4 << 20);
}

static int before_new_time(const void *arg)
{
	struct soj_seg_error err = {""};
	struct soj_seg seg;
	int status;
	pid_t pid;

	if (unshare(CLONE_NEWTIME) < 0)
		return CHILD_SKIPPED;
	/* Equal offsets would prove nothing: they are the children's. */
	CHECK(soj_seg_attach(&seg, arg, false, NULL, &err) == -EXDEV);
	CHECK(strstr(err.text, "children") != NULL);
	if (refused(NAME, 4 << 20, -EXDEV, "children"))
		return 1;
	if (!put_file("/proc/self/timens_offsets",
		      "boottime 100000 250000000\n"))
		return CHILD_SKIPPED;
	pid = fork();
	if (pid == 0)
		_exit(in_new_time(arg));
	CHECK(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void reboot_is_seen(void **state)
{
	const char *name = shm_name("boot");

	(void)state;
	shm_make(name);
	child_passes(after_reboot, name);
}

static void time_namespace_is_seen(void **state)
{
	const char *name = shm_name("time");

	(void)state;
	shm_make(name);
	child_passes(before_new_time, name);
}

static void stdio_is_closed(void **state)
{
	const char *name = shm_name("stdio");

	(void)state;
	shm_make(name);
	child_passes(without_stdio, name);
}

#define SCENE(fn)                       \
	static void fn##_(void **state) \
	{                               \
		(void)state;            \
		child_passes(fn, NULL); \
	}
SCENE(in_64_kib)
SCENE(in_3_mib)
SCENE(of_one_name)
SCENE(made_meanwhile)
SCENE(without_inodes)
SCENE(without_shm)
SCENE(with_little_memory)
SCENE(with_little_in_the_group)
SCENE(with_strange_files)
SCENE(with_small_files)
SCENE(with_little_address_space)
SCENE(with_few_descriptors)
SCENE(with_broken_boot_id)
SCENE(with_strange_offsets)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_64_kib_),
		cmocka_unit_test(in_3_mib_),
		cmocka_unit_test(of_one_name_),
		cmocka_unit_test(made_meanwhile_),
		cmocka_unit_test(without_inodes_),
		cmocka_unit_test(without_shm_),
		cmocka_unit_test(with_little_memory_),
		cmocka_unit_test(with_little_in_the_group_),
		cmocka_unit_test(with_strange_files_),
		cmocka_unit_test(with_small_files_),
		cmocka_unit_test(with_little_address_space_),
		cmocka_unit_test(with_few_descriptors_),
		cmocka_unit_test(stdio_is_closed),
		cmocka_unit_test(with_broken_boot_id_),
		cmocka_unit_test(with_strange_offsets_),
		cmocka_unit_test(reboot_is_seen),
		cmocka_unit_test(time_namespace_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, shm_teardown);
}
