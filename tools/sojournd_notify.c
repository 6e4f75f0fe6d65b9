/* SPDX-License-Identifier: MIT */

#include "sojournd_notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un address;
static socklen_t address_bytes; /* 0: nobody wants to know */
static uint64_t watchdog_ms;

static void take_address(const char *path)
{
	size_t bytes = strlen(path);

	/* A path, or '@' and an abstract name: a leading zero byte then. */
	if ((path[0] != '/' && path[0] != '@') || bytes < 2 ||
	    bytes >= sizeof(address.sun_path))
		return;
	address.sun_family = AF_UNIX;
	memcpy(address.sun_path, path, bytes);
	if (path[0] == '@')
		address.sun_path[0] = 0;
	address_bytes =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes);
}

static void take_watchdog(const char *usec, const char *pid)
{
	if (pid && strtol(pid, NULL, 10) != (long)getpid())
		return;
	watchdog_ms = strtoull(usec, NULL, 10) / 1000;
}

void soj_notify_init(bool wanted)
{
	const char *path = getenv("NOTIFY_SOCKET");
	const char *usec = getenv("WATCHDOG_USEC");

	if (wanted && path)
		take_address(path);
	if (wanted && usec)
		take_watchdog(usec, getenv("WATCHDOG_PID"));
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void soj_notify(const char *format, ...)
{
	char text[512];
	va_list args;
	int fd;

	if (address_bytes == 0)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	/* A manager that does not listen is no reason to end or to wait. */
	(void)!sendto(fd, text, strlen(text), MSG_NOSIGNAL,
		      (const struct sockaddr *)&address, address_bytes);
	close(fd);
}

uint64_t soj_notify_watchdog_ms(void)
{
	return watchdog_ms;
}
