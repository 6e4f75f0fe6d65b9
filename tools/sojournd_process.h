/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_SOJOURND_PROCESS_H
#define SOJ_TOOLS_SOJOURND_PROCESS_H

/* The helper as a process: its descriptors, its privileges, becoming a daemon. */

#include <stdbool.h>
#include <stdint.h>

/* A line on stderr. */
void soj_complain(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* 0, 1 and 2 are open then, so that nothing of ours gets their numbers. */
bool soj_open_stdio(void);

/*
 * Closes whatever was inherited but stdio and these two (-1: none): a descriptor
 * of a socket would keep a port taken, and the other end of the life pipe would
 * keep us alive for ever.
 */
void soj_close_others(int fd, int life_fd);

/* Root or not, it is not needed.  Best effort: under a system call filter it may
 * be refused, and then there is nothing to give up. */
void soj_drop_privileges(void);

/* Returns in the daemon only, with the descriptor to report on; or -1.  The process
 * that calls ends when that is done, with the code that was reported. */
int soj_daemonize(void);
/* Tells the parent how it went. */
void soj_report_start(int ready_fd, uint8_t code);
/* Tells it that all is well, and lets go of where it was started. */
void soj_detach_from_parent(int ready_fd);

#endif /* SOJ_TOOLS_SOJOURND_PROCESS_H */
