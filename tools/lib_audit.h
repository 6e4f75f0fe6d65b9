/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_LIB_AUDIT_H
#define SOJ_TOOLS_LIB_AUDIT_H

/*
 * The audit log: the events of a segment, appended to a file as lines of JSON.
 *
 * Each line is written by one write() at the end of the file, so a helper that
 * is killed leaves whole lines and at most one that is not; the next begins a
 * line of its own.  The last line says where to go on: nothing is written
 * twice, and what was overwritten meanwhile is counted in a line.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

#define SOJ_AUDIT_STEP 1024u

struct soj_audit {
	char *path; /* absolute; NULL: none */
	const char *segment;
	int fd; /* -1: not open */
	uint64_t next;
	bool behind;  /* the last step left some that are there */
	bool failing; /* said so already */
};

/* Makes the path absolute: a daemon changes to /.  0 or -errno. */
int soj_audit_init(struct soj_audit *a, const char *path, const char *segment);

/* Opens the file (0600 if it is new) and finds where to go on.  0 or -errno. */
int soj_audit_open(struct soj_audit *a, const struct soj_store *st);

/* For a file that was moved away: closes; the next step opens a new one. */
void soj_audit_close(struct soj_audit *a);

/* Appends what is new, SOJ_AUDIT_STEP lines at most: events may come faster than
 * they can be written.  0 or -errno; what could not be written is tried again in
 * the next step. */
int soj_audit_step(struct soj_audit *a, const struct soj_store *st);

void soj_audit_deinit(struct soj_audit *a);

#endif /* SOJ_TOOLS_LIB_AUDIT_H */
