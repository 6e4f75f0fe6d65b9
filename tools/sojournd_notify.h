/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_SOJOURND_NOTIFY_H
#define SOJ_TOOLS_SOJOURND_NOTIFY_H

/*
 * The service manager's notification protocol, sd_notify(3), without its
 * library: one datagram per message to the socket named by NOTIFY_SOCKET.
 */

#include <stdbool.h>
#include <stdint.h>

/*
 * Takes NOTIFY_SOCKET and WATCHDOG_USEC out of the environment.  wanted: they
 * are meant for this process; otherwise they belong to whoever started it, and
 * nothing is ever sent.
 */
void soj_notify_init(bool wanted);

/* One message, printf-like, lines "KEY=value".  Best effort. */
void soj_notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How often the manager wants WATCHDOG=1, in ms; 0: not at all. */
uint64_t soj_notify_watchdog_ms(void);

#endif /* SOJ_TOOLS_SOJOURND_NOTIFY_H */
