/* SPDX-License-Identifier: MIT */

/*
 * Every system call of create, attach, destroy and key files fails once, with
 * each of several errors; and at each of them the process is killed once, or
 * something happens to the file in between.
 *
 * The functions of the C library are replaced by ones that may fail; the
 * fortified ones too, so this file itself is compiled without.
 */
#undef _FORTIFY_SOURCE

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib_shm.h"

#ifdef SOJ_TSAN
/* Its runtime calls what is replaced here before it is ready to. */
int main(void)
{
	return CHILD_SKIPPED;
}
#else

/* What happens at which call of the code that is tested. */
static struct {
	bool armed;
	unsigned count; /* calls so far */
	unsigned nth;   /* the call that fails; 0: none */
	int error;      /* 0: SIGKILL in its place */
	char failed[32];
	const char *hook_call;
	void (*hook)(void); /* runs once, before hook_call */
	const char *always; /* a call that always fails, with EOPNOTSUPP */
} plan;

static int fault(const char *call)
{
	if (!plan.armed)
		return 0;
	plan.count++;
	if (plan.hook_call && strcmp(call, plan.hook_call) == 0) {
		plan.armed = false;
		plan.hook_call = NULL;
		plan.hook();
		plan.armed = true;
	}
	if (plan.count != plan.nth) {
		errno = EOPNOTSUPP;
		return plan.always && strcmp(call, plan.always) == 0 ? -1 : 0;
	}
	if (plan.error == 0)
		raise(SIGKILL);
	snprintf(plan.failed, sizeof(plan.failed), "%s", call);
	errno = plan.error;
	return -1;
}

/* REPLACE(result, name, (parameters), (arguments)) */
#define REPLACE(result, name, params, args)                        \
	result name params                                         \
	{                                                          \
		static result(*real) params;                       \
		if (!real)                                         \
			*(void **)&real = dlsym(RTLD_NEXT, #name); \
		return fault(#name) ? (result)-1 : real args;      \
	}

int __open_2(const char *path, int flags);
ssize_t __read_chk(int fd, void *buf, size_t bytes, size_t room);
ssize_t __pread_chk(int fd, void *buf, size_t bytes, off_t off, size_t room);

REPLACE(int, memfd_create, (const char *name, unsigned flags), (name, flags))
REPLACE(int, fchmod, (int fd, mode_t mode), (fd, mode))
REPLACE(int, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
REPLACE(int, madvise, (void *addr, size_t bytes, int advice),
	(addr, bytes, advice))
REPLACE(int, linkat,
	(int from_dir, const char *from, int to_dir, const char *to, int flags),
	(from_dir, from, to_dir, to, flags))
REPLACE(int, renameat2,
	(int from_dir, const char *from, int to_dir, const char *to,
	 unsigned flags),
	(from_dir, from, to_dir, to, flags))
REPLACE(ssize_t, read, (int fd, void *buf, size_t bytes), (fd, buf, bytes))
REPLACE(ssize_t, pread, (int fd, void *buf, size_t bytes, off_t off),
	(fd, buf, bytes, off))
REPLACE(ssize_t, write, (int fd, const void *buf, size_t bytes),
	(fd, buf, bytes))
REPLACE(int, fsync, (int fd), (fd))
REPLACE(int, fstat, (int fd, struct stat *st), (fd, st))
REPLACE(int, stat, (const char *path, struct stat *st), (path, st))
REPLACE(int, lstat, (const char *path, struct stat *st), (path, st))
REPLACE(int, fstatvfs, (int fd, struct statvfs *fs), (fd, fs))
REPLACE(int, flock, (int fd, int how), (fd, how))
REPLACE(int, unlink, (const char *path), (path))
REPLACE(int, mkdir, (const char *path, mode_t mode), (path, mode))
REPLACE(int, chmod, (const char *path, mode_t mode), (path, mode))
REPLACE(int, chown, (const char *path, uid_t uid, gid_t gid), (path, uid, gid))

int posix_fallocate(int fd, off_t off, off_t bytes)
{
	static int (*real)(int, off_t, off_t);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "posix_fallocate");
	return fault("posix_fallocate") ? errno : real(fd, off, bytes);
}

void *mmap(void *addr, size_t bytes, int prot, int flags, int fd, off_t off)
{
	static void *(*real)(void *, size_t, int, int, int, off_t);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "mmap");
	return fault("mmap") ? MAP_FAILED
			     : real(addr, bytes, prot, flags, fd, off);
}

int open(const char *path, int flags, ...)
{
	static int (*real)(const char *, int, ...);
	bool unnamed = (flags & O_TMPFILE) == O_TMPFILE;
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = unnamed || (flags & O_CREAT) ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "open");
	return fault(unnamed ? "open unnamed" : "open")
		       ? -1
		       : real(path, flags, mode);
}

int fcntl(int fd, int cmd, ...)
{
	static int (*real)(int, int, ...);
	va_list args;
	long arg;

	va_start(args, cmd);
	arg = va_arg(args, long);
	va_end(args);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "fcntl");
	return fault("fcntl") ? -1 : real(fd, cmd, arg);
}

int __open_2(const char *path, int flags)
{
	return open(path, flags);
}

ssize_t __read_chk(int fd, void *buf, size_t bytes, size_t room)
{
	assert_true(bytes <= room);
	return read(fd, buf, bytes);
}

ssize_t __pread_chk(int fd, void *buf, size_t bytes, off_t off, size_t room)
{
	assert_true(bytes <= room);
	return pread(fd, buf, bytes, off);
}

/* The operations.  check() judges what run() left, and takes it away. */
struct op {
	const char *name;
	void (*prepare)(void);
	int (*run)(struct soj_seg_error *err);
	void (*check)(int rc);
	unsigned calls_min; /* else the replacing did not work */
};

static char name[256];
static char key_dir[64];
static char key_path[96];
static struct soj_seg seg, anon;

static void nothing(void)
{
}

static int create_named(struct soj_seg_error *err)
{
	struct soj_seg_options opts = shm_options();

	opts.group = getegid();
	return soj_seg_create(&seg, name, &opts, err);
}

static int create_anonymous(struct soj_seg_error *err)
{
	struct soj_seg_options opts = shm_options();

	return soj_seg_create(&seg, NULL, &opts, err);
}

static void check_seg(int rc)
{
	assert_true((rc == 0) == (seg.base != NULL));
	if (rc == 0)
		assert_int_equal(soj_load_relaxed(&seg.hdr->magic),
				 SOJ_SHM_MAGIC);
	else
		assert_int_equal(seg.fd, -1);
	soj_seg_detach(&seg);
}

static void check_created(int rc)
{
	struct soj_seg_error err;

	check_seg(rc);
	assert_int_equal(shm_files(), rc == 0);
	if (rc < 0)
		return;
	assert_int_equal(soj_seg_attach(&seg, name, false, NULL, &err), 0);
	soj_seg_detach(&seg);
	assert_int_equal(soj_seg_destroy(name, &err), 0);
}

static void make_named(void)
{
	shm_make(name);
}

static int attach_named(struct soj_seg_error *err)
{
	return soj_seg_attach(&seg, name, false, NULL, err);
}

static void check_attached(int rc)
{
	struct soj_seg_error err;

	check_seg(rc);
	assert_int_equal(soj_seg_destroy(name, &err), 0);
}

static void make_anonymous(void)
{
	struct soj_seg_options opts = shm_options();

	assert_int_equal(soj_seg_create(&anon, NULL, &opts, NULL), 0);
}

static int attach_anonymous(struct soj_seg_error *err)
{
	return soj_seg_attach_fd(&seg, anon.fd, true, NULL, err);
}

static void check_attached_anonymous(int rc)
{
	check_seg(rc);
	soj_seg_detach(&anon);
}

static int destroy(struct soj_seg_error *err)
{
	return soj_seg_destroy(name, err);
}

/* Whatever happened: the next one removes it. */
static void check_destroyed(int rc)
{
	struct soj_seg_error err;

	assert_int_equal(shm_files(), rc != 0);
	if (rc < 0)
		assert_int_equal(soj_seg_destroy(name, &err), 0);
}

static int make_key(struct soj_seg_error *err)
{
	uint8_t key[SOJ_KEY_BYTES];

	return soj_keyfile_load(key_path, true, getegid(), key, err);
}

static unsigned count_files(const char *path)
{
	unsigned count = 0;
	struct dirent *file;
	DIR *dir = opendir(path);

	while (dir && (file = readdir(dir)) != NULL)
		count += file->d_name[0] != '.' || strlen(file->d_name) > 2;
	if (dir)
		closedir(dir);
	return count;
}

/* No half key, and nothing beside it. */
static void check_key(int rc)
{
	uint8_t key[SOJ_KEY_BYTES];
	char folder[96];

	snprintf(folder, sizeof(folder), "%s/new", key_dir);
	assert_true(count_files(folder) <= 1);
	if (rc == 0 || access(key_path, F_OK) == 0) {
		assert_int_equal(
			soj_keyfile_load(key_path, false, (gid_t)-1, key, NULL),
			0);
		assert_int_equal(unlink(key_path), 0);
	}
	assert_int_equal(count_files(folder), 0);
	rmdir(folder);
}

static const struct op ops[] = {
	{"create", nothing, create_named, check_created, 20},
	{"create anonymous", nothing, create_anonymous, check_seg, 20},
	{"attach", make_named, attach_named, check_attached, 8},
	{"attach anonymous", make_anonymous, attach_anonymous,
	 check_attached_anonymous, 8},
	{"destroy", make_named, destroy, check_destroyed, 10},
	{"key file", nothing, make_key, check_key, 12},
};

static int run(const struct op *op, unsigned nth, int error,
	       struct soj_seg_error *err)
{
	int rc;

	plan.count = 0;
	plan.nth = nth;
	plan.error = error;
	plan.failed[0] = '\0';
	plan.armed = true;
	rc = op->run(err);
	plan.armed = false;
	return rc;
}

/* Calls that signals interrupt are made again. */
static bool repeats(const char *call)
{
	return strcmp(call, "read") == 0 || strcmp(call, "pread") == 0 ||
	       strcmp(call, "write") == 0 ||
	       strcmp(call, "posix_fallocate") == 0;
}

static void fail_at_each_call(const struct op *op, int error)
{
	unsigned failures = 0;
	unsigned nth = 0;

	do {
		struct soj_seg_error err = {""};
		unsigned descriptors = shm_descriptors();
		unsigned mappings = shm_mappings();
		int rc;

		op->prepare();
		rc = run(op, ++nth, error, &err);
		failures += rc < 0;
		if (rc < 0 && rc != -error &&
		    !(error == ENOSPC && rc == -ENOMEM))
			fail_msg("%s: %s fails with %d, result is %d: %s",
				 op->name, plan.failed, error, rc, err.text);
		if (error == EINTR && repeats(plan.failed) && rc != 0)
			fail_msg("%s: %s gives up: %s", op->name, plan.failed,
				 err.text);
		assert_true(rc == 0 || err.text[0] != '\0');
		op->check(rc);
		assert_int_equal(shm_descriptors(), descriptors);
		assert_int_equal(shm_mappings(), mappings);
		assert_int_equal(shm_files(), 0);
	} while (plan.failed[0]);
	assert_true(nth > op->calls_min);
	assert_true(failures >= op->calls_min / 4);
}

static void each_call_fails(void **state)
{
	static const int errors[] = {ENOMEM, EMFILE, ENOSPC, EINTR, EACCES};

	(void)state;
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		for (size_t k = 0; k < sizeof(errors) / sizeof(errors[0]); k++)
			fail_at_each_call(&ops[i], errors[k]);
}

struct kill_at {
	const struct op *op;
	unsigned nth;
};

static int run_and_die(const void *arg)
{
	const struct kill_at *at = arg;

	return run(at->op, at->nth, 0, NULL) == 0 ? 0 : 1;
}

/* Killed there: all of it or nothing, and nothing is in the way after. */
static void killed_at_each_call(void **state)
{
	static const struct kill_at starts[] = {
		{&ops[0], 0}, {&ops[2], 0}, {&ops[4], 0}, {&ops[5], 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		struct kill_at at = starts[i];
		int code;

		do {
			struct soj_seg_error err;

			at.nth++;
			at.op->prepare();
			code = in_child(run_and_die, &at);
			if (at.op->check == check_key) {
				check_key(-1);
				continue;
			}
			assert_true(code == 0 || code == -SIGKILL);
			assert_true(shm_files() <= 1);
			if (at.op->run == create_named && shm_files() == 1) {
				assert_int_equal(attach_named(&err), 0);
				soj_seg_detach(&seg);
			}
			if (shm_files() == 1)
				assert_int_equal(soj_seg_destroy(name, &err),
						 0);
			assert_int_equal(create_named(&err), 0);
			soj_seg_detach(&seg);
			assert_int_equal(soj_seg_destroy(name, &err), 0);
		} while (code == -SIGKILL);
		assert_int_equal(code, 0);
		assert_true(at.nth > at.op->calls_min);
	}
}

static void change_policy(void)
{
	uint64_t ttl_ms = 1;
	int fd = open(shm_path(name), O_RDWR);

	assert_int_equal(
		pwrite(fd, &ttl_ms, 8, offsetof(struct soj_shm_header, policy)),
		8);
	close(fd);
}

/* Valid before and after, but not what was judged. */
static void header_changes_before_it_is_mapped(void **state)
{
	struct soj_seg_error err;

	(void)state;
	make_named();
	plan.hook = change_policy;
	plan.hook_call = "mmap";
	assert_int_equal(run(&ops[2], 0, 0, &err), -EBADMSG);
	assert_null(plan.hook_call);
	assert_non_null(strstr(err.text, "changed"));
	check_seg(-EBADMSG);
	assert_int_equal(soj_seg_destroy(name, &err), 0);
}

static void replace_segment(void)
{
	assert_int_equal(unlink(shm_path(name)), 0);
	make_named();
}

static void name_is_another_segments_by_now(void **state)
{
	struct soj_seg_error err;

	(void)state;
	make_named();
	plan.hook = replace_segment;
	plan.hook_call = "flock";
	assert_int_equal(run(&ops[4], 0, 0, &err), -ENOENT);
	assert_null(plan.hook_call);
	assert_int_equal(attach_named(&err), 0);
	soj_seg_detach(&seg);
	assert_int_equal(soj_seg_destroy(name, &err), 0);
}

static void two_creators_meet(void **state)
{
	struct soj_seg_error err;

	(void)state;
	plan.hook = make_named;
	plan.hook_call = "linkat";
	assert_int_equal(run(&ops[0], 0, 0, &err), -EEXIST);
	check_seg(-EEXIST);
	assert_int_equal(attach_named(&err), 0);
	soj_seg_detach(&seg);
	assert_int_equal(soj_seg_destroy(name, &err), 0);
}

static uint8_t first_key[SOJ_KEY_BYTES];

static void make_first_key(void)
{
	assert_int_equal(
		soj_keyfile_load(key_path, true, (gid_t)-1, first_key, NULL),
		0);
}

static void key_makers_meet(const char *call)
{
	uint8_t key[SOJ_KEY_BYTES];

	plan.hook = make_first_key;
	plan.hook_call = call;
	plan.nth = 0;
	plan.armed = true;
	assert_int_equal(soj_keyfile_load(key_path, true, (gid_t)-1, key, NULL),
			 0);
	plan.armed = false;
	assert_null(plan.hook_call);
	assert_memory_equal(key, first_key, sizeof(key));
	check_key(0);
}

static void two_key_makers_meet(void **state)
{
	(void)state;
	key_makers_meet("linkat");
}

/* On a file system without files without names. */
static void key_file_by_renaming(void **state)
{
	(void)state;
	plan.always = "open unnamed";
	key_makers_meet("renameat2");
	fail_at_each_call(&ops[5], EACCES);
	fail_at_each_call(&ops[5], ENOSPC);
	fail_at_each_call(&ops[5], EINTR);
	plan.always = NULL;
}

static int set_up(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	assert_int_equal(soj_secret_init(), 0);
	snprintf(name, sizeof(name), "%s", shm_name("faults"));
	snprintf(key_dir, sizeof(key_dir), "%.40s/sojourn-key.XXXXXX",
		 tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(key_dir));
	snprintf(key_path, sizeof(key_path), "%s/new/a.key", key_dir);
	return 0;
}

static int tear_down(void **state)
{
	char folder[96];

	plan.armed = false;
	snprintf(folder, sizeof(folder), "%s/new", key_dir);
	unlink(key_path);
	rmdir(folder);
	rmdir(key_dir);
	return shm_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_fails),
		cmocka_unit_test(killed_at_each_call),
		cmocka_unit_test(header_changes_before_it_is_mapped),
		cmocka_unit_test(name_is_another_segments_by_now),
		cmocka_unit_test(two_creators_meet),
		cmocka_unit_test(two_key_makers_meet),
		cmocka_unit_test(key_file_by_renaming),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

#endif
