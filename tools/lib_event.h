/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_LIB_EVENT_H
#define SOJ_TOOLS_LIB_EVENT_H

/* Events from an image, and as lines of text or JSON. */

#include <stdio.h>

#include "lib_image.h"
#include "lib_json.h"
#include "store/event.h"

/*
 * One event by pread, as soj_event_read() does: 0; -EAGAIN (not there, or not
 * complete); -ESTALE (overwritten: *oldest may be there); -ENODATA, -errno.
 */
int soj_image_event(struct soj_image *img, uint64_t seq,
		    struct soj_event *event, uint64_t *oldest);

/* The first number that is not taken; 0 or -errno. */
int soj_image_event_next(struct soj_image *img, uint64_t *next);

/* The members of an event, in an object that is open.  hdr is that of the
 * segment: names of collections, Unix time. */
void soj_event_json(struct soj_json *j, const struct soj_shm_header *hdr,
		    const struct soj_event *event);
/* The same of `count` events that nobody will see, the last of them `last`. */
void soj_event_missed_json(struct soj_json *j, uint64_t last, uint64_t count);

/* One line for people. */
void soj_event_line(FILE *out, const struct soj_shm_header *hdr,
		    const struct soj_event *event);

#endif /* SOJ_TOOLS_LIB_EVENT_H */
