/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_LIB_FAULTS_H
#define SOJ_TESTS_LIB_FAULTS_H

/*
 * Replaces functions of the C library by ones that may fail, in the one test
 * that includes this, first of all: the fortified ones are replaced too, so
 * the test itself must be compiled without.
 */
#undef _FORTIFY_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib_shm.h"

#ifdef SOJ_TSAN
/* Its runtime calls what is replaced here before it is ready to. */
#define CAN_REPLACE 0
#else
#define CAN_REPLACE 1
#endif

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
	bool watch;         /* for descriptors that a new program would get */
	uint64_t inherited; /* those that were there before */
} plan;

static uint64_t inherited_descriptors(void)
{
	uint64_t mask = 0;

	for (int fd = 0; fd < 64; fd++)
		if (syscall(SYS_fcntl, fd, F_GETFD, 0L) == 0)
			mask |= UINT64_C(1) << fd;
	return mask;
}

static int __attribute__((unused)) fault(const char *call)
{
	if (!plan.armed)
		return 0;
	plan.count++;
	if (plan.watch)
		assert_int_equal(inherited_descriptors(), plan.inherited);
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

#if CAN_REPLACE

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

#endif /* CAN_REPLACE */

#endif /* SOJ_TESTS_LIB_FAULTS_H */
