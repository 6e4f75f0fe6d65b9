/* SPDX-License-Identifier: MIT */

#include "lib_audit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib_event.h"

#define TAIL_BYTES 8192u /* longer than any two lines */

int soj_audit_init(struct soj_audit *a, const char *path, const char *segment)
{
	char here[PATH_MAX] = "";

	*a = (struct soj_audit){.fd = -1, .segment = segment, .next = 1};
	if (path[0] != '/' && getcwd(here, sizeof(here)) == NULL)
		return -errno;
	if (asprintf(&a->path, "%s%s%s", here, here[0] ? "/" : "", path) < 0) {
		a->path = NULL;
		return -ENOMEM;
	}
	return 0;
}

void soj_audit_deinit(struct soj_audit *a)
{
	soj_audit_close(a);
	free(a->path);
	a->path = NULL;
}

void soj_audit_close(struct soj_audit *a)
{
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
}

/* What a line begins with, which tells segments of one name apart. */
static void begin_line(struct soj_json *j, FILE *out, const struct soj_audit *a,
		       const struct soj_store *st)
{
	soj_json_init(j, out);
	soj_json_object(j, NULL);
	soj_json_string(j, "segment", a->segment);
	soj_json_u64(j, "segment_unix_ms", st->seg.hdr->created_unix_ms);
}

/* The number in the last whole line of this segment; 0: there is none. */
static uint64_t last_seq(const struct soj_audit *a, const struct soj_store *st,
			 char *tail)
{
	char start[512] = "";
	FILE *out = fmemopen(start, sizeof(start), "w");
	struct soj_json j;
	size_t chars;
	char *end;

	if (out == NULL)
		return 0;
	begin_line(&j, out, a, st);
	fputs(",\"seq\":", out);
	fclose(out);
	chars = strlen(start);
	while ((end = strrchr(tail, '\n')) != NULL) {
		char *line;

		*end = 0;
		line = strrchr(tail, '\n');
		line = line ? line + 1 : tail;
		/* Not where the disk was full, or its writer died. */
		if (end > line && end[-1] == '}' &&
		    strncmp(line, start, chars) == 0)
			return strtoull(line + chars, NULL, 10);
	}
	return 0;
}

/* A part of a line is what resume() ends; the rest of it, which is tried next,
 * tells why there is no room. */
static int put_bytes(const struct soj_audit *a, const char *from, size_t bytes)
{
	while (bytes > 0) {
		ssize_t put = write(a->fd, from, bytes);

		if (put < 0)
			return -errno;
		from += put;
		bytes -= (size_t)put;
	}
	return 0;
}

/* What has been written to memory, as one line. */
static int put_line(struct soj_audit *a, FILE *out, char **line, size_t *bytes)
{
	int rc = fclose(out) != 0 ? -ENOMEM : put_bytes(a, *line, *bytes);

	free(*line);
	return rc;
}

/*
 * missed: so many from a->next on, instead of the event.  Neither: a new file
 * begins with where it goes on, for whoever takes over.
 */
static int append(struct soj_audit *a, const struct soj_store *st,
		  const struct soj_event *event, uint64_t missed)
{
	struct soj_json j;
	char *line = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&line, &bytes);

	if (out == NULL)
		return -ENOMEM;
	begin_line(&j, out, a, st);
	if (missed) {
		soj_event_missed_json(&j, a->next + missed - 1, missed);
	} else if (event) {
		soj_event_json(&j, st->seg.hdr, event);
	} else {
		soj_json_u64(&j, "seq", a->next - 1);
		soj_json_string(&j, "type", "continued");
	}
	soj_json_close(&j);
	return put_line(a, out, &line, &bytes);
}

/* Ends a line that somebody died in, and finds where to go on. */
static int resume(struct soj_audit *a, const struct soj_store *st)
{
	char tail[TAIL_BYTES + 1] = "";
	struct stat file;
	uint64_t found;
	off_t from;
	ssize_t got;

	if (fstat(a->fd, &file) < 0)
		return -errno;
	if (!S_ISREG(file.st_mode))
		return -EINVAL;
	from = file.st_size > TAIL_BYTES ? file.st_size - TAIL_BYTES : 0;
	got = pread(a->fd, tail, TAIL_BYTES, from);
	if (got < 0)
		return -errno;
	if (got > 0 && tail[got - 1] != '\n') {
		int rc = put_bytes(a, "\n", 1);

		if (rc < 0)
			return rc;
	}
	found = last_seq(a, st, tail) + 1;
	if (found > a->next)
		a->next = found;
	return found < a->next ? append(a, st, NULL, 0) : 0;
}

int soj_audit_open(struct soj_audit *a, const struct soj_store *st)
{
	int rc;

	a->fd = open(a->path,
		     O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
			     O_NONBLOCK,
		     0600);
	if (a->fd < 0)
		return -errno;
	rc = resume(a, st);
	if (rc < 0)
		soj_audit_close(a);
	return rc;
}

int soj_audit_step(struct soj_audit *a, const struct soj_store *st)
{
	uint64_t oldest = 1;
	int rc = 0;

	a->behind = false;
	if (a->path == NULL || st->seg.lay.events_max == 0)
		return 0;
	if (a->fd < 0)
		rc = soj_audit_open(a, st);
	for (unsigned lines = 0; rc == 0; lines++) {
		struct soj_event event;
		uint64_t missed = 0;
		int found = soj_event_read(&st->seg, a->next, &event, &oldest);

		a->behind = found != -EAGAIN && lines >= SOJ_AUDIT_STEP;
		if (found == -EAGAIN || a->behind)
			return 0;
		if (found == -ESTALE)
			missed = soj_max(oldest, a->next + 1) - a->next;
		rc = append(a, st, &event, missed);
		if (rc == 0)
			a->next += missed ? missed : 1;
	}
	/* Anew: the line may have been written in part. */
	soj_audit_close(a);
	return rc;
}
