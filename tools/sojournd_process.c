/* SPDX-License-Identifier: MIT */

#include "sojournd_process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* When the child ended before it could say how it went. */
#define EXIT_SILENT 1

void soj_complain(const char *format, ...)
{
	va_list args;

	fputs("sojournd: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

bool soj_open_stdio(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0)
			return false;
	} while (fd <= STDERR_FILENO);
	return close(fd) == 0;
}

void soj_close_others(int fd, int life_fd)
{
	unsigned keep[2], from = STDERR_FILENO + 1;

	keep[0] = (unsigned)fd < (unsigned)life_fd ? (unsigned)fd
						   : (unsigned)life_fd;
	keep[1] = keep[0] == (unsigned)fd ? (unsigned)life_fd : (unsigned)fd;
	for (unsigned i = 0; i < 2; i++) {
		if (keep[i] > from)
			close_range(from, keep[i] - 1, 0);
		if (keep[i] >= from)
			from = keep[i] + 1;
		if (from == 0)
			return; /* -1 was reached: no such descriptor */
	}
	close_range(from, UINT_MAX, 0);
}

void soj_drop_privileges(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)!syscall(SYS_capset, &header, none);
}

/* The parent: ends when the daemon is ready or has failed.  The child between
 * them ends at once; left behind, it would be a zombie of whoever gets it. */
static void wait_for_child(int fd, pid_t child)
{
	uint8_t code = EXIT_SILENT;
	ssize_t got;

	do {
		got = read(fd, &code, 1);
	} while (got < 0 && errno == EINTR);
	if (got != 1)
		soj_complain("the helper ended before it was ready");
	waitpid(child, NULL, 0); /* no signal of ours interrupts it */
	_exit(code);
}

int soj_daemonize(void)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid < 0)
		return -1;
	if (pid > 0) {
		close(ends[1]);
		wait_for_child(ends[0], pid);
	}
	close(ends[0]);
	setsid();
	/* Not a session leader: it can never get a terminal. */
	pid = fork();
	if (pid < 0)
		return -1;
	if (pid > 0)
		_exit(0);
	return ends[1];
}

void soj_report_start(int fd, uint8_t code)
{
	while (write(fd, &code, 1) < 0 && errno == EINTR)
		;
}

void soj_detach_from_parent(int ready_fd)
{
	int null;

	if (chdir("/") < 0)
		soj_complain("cannot change to /: %m");
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	if (null > STDERR_FILENO)
		close(null);
	soj_report_start(ready_fd, 0);
	close(ready_fd);
}
