/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_LIB_TRACE_H
#define SOJ_TESTS_LIB_TRACE_H

/*
 * A child whose nth system call fails as told, or at which it is killed, by
 * ptrace: no system call has to be replaced, so what runs is the library as it
 * is shipped, and the program that it starts.
 *
 * Counted are calls within a window, that the child opens and closes itself
 * (trace_window()), or that opens where sojournd begins its work.  Not
 * counted are those that cannot fail, such as getpid(), or, with random
 * numbers, never do once a host is up.  A failing close() closes all the same,
 * as Linux does it.
 */

#include <stdbool.h>
#include <sys/types.h>

#define TRACE_KILL (-1) /* instead of an errno */

struct trace {
	unsigned nth; /* 0: none fails */
	int error;    /* an errno, or TRACE_KILL */
	bool follow;  /* what the child becomes and forks: sojournd */

	/* Found: */
	bool hit;   /* it came so far */
	long call;  /* the system call that failed */
	int status; /* the child's, as of waitpid() */
};

/* Runs fn in a child and waits for its end; what it forked may live on, and is
 * then no longer traced.  fn's result is the child's exit code. */
void trace_run(struct trace *t, int (*fn)(void *arg), void *arg);

/* In the child. */
void trace_window(bool open);

/* "openat", or its number. */
const char *trace_name(long call);

#endif /* SOJ_TESTS_LIB_TRACE_H */
