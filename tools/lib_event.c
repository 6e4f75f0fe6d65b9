/* SPDX-License-Identifier: MIT */

#include "lib_event.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "lib_text.h"

static uint64_t record_off(const struct soj_image *img, uint64_t seq)
{
	const struct soj_layout *lay = soj_image_layout(img);

	return lay->events_off +
	       (uint64_t)soj_event_place(lay->events_max, seq) *
		       sizeof(struct soj_shm_event);
}

int soj_image_event_next(struct soj_image *img, uint64_t *next)
{
	int rc = soj_image_reload_header(img);
	uint64_t taken;

	*next = soj_load_relaxed(&img->hdr.event_next);
	/* As soj_event_next(). */
	if (*next == 0 || *next > SOJ_EVENT_SEQ_MAX + 1)
		*next = 1;
	/* Numbers are taken in order: what was passed is not walked again. */
	*next = soj_max(*next, img->event_next);
	/* It may lag behind by as many as died right there. */
	while (rc == 0) {
		rc = soj_image_read(img, &taken, sizeof(taken),
				    record_off(img, *next));
		if (rc < 0 || soj_event_seq(taken) < *next)
			break;
		*next = soj_event_seq(taken) + 1;
	}
	img->event_next = *next;
	return rc;
}

int soj_image_event(struct soj_image *img, uint64_t seq,
		    struct soj_event *event, uint64_t *oldest)
{
	const uint32_t events_max = soj_image_layout(img)->events_max;
	uint64_t raw[1 + SOJ_EVENT_PAYLOADS], next;
	int rc = soj_image_read(img, raw, sizeof(raw), record_off(img, seq));

	if (rc < 0)
		return rc;
	rc = soj_event_decode(events_max, raw, seq, event);
	if (rc != -ESTALE)
		return rc;
	rc = soj_image_event_next(img, &next);
	*oldest = soj_max(seq + 1, next > events_max ? next - events_max : 1);
	return rc < 0 ? rc : -ESTALE;
}

/* Padded with zeroes, and from an image that may hold anything. */
static void collection_name(const struct soj_shm_header *hdr, uint32_t number,
			    char name[33])
{
	memcpy(name, hdr->collection[number % SOJ_COLLECTIONS].name, 32);
	name[32] = 0;
}

static uint64_t unix_ms(const struct soj_shm_header *hdr, uint64_t ms)
{
	return hdr->created_unix_ms + ms - 1;
}

static void subject_text(uint64_t subject48, char text[13])
{
	snprintf(text, 13, "%012" PRIx64, subject48 & SOJ_MASK(48));
}

void soj_event_json(struct soj_json *j, const struct soj_shm_header *hdr,
		    const struct soj_event *e)
{
	char handle[SOJ_EVENT_HANDLE_CHARS + 1], name[33], subject[13];

	soj_json_u64(j, "seq", e->seq);
	soj_json_string(j, "type", soj_event_type_name(e->type));
	if (e->type == SOJ_EVENT_LOST)
		return;
	soj_json_u64(j, "unix_ms", unix_ms(hdr, e->time_ms));
	if (e->status != SOJ_NONE)
		soj_json_string(j, "reason", soj_event_end_name(e->status));
	soj_json_string(j, "source", soj_source_name(e->source));
	soj_json_u64(j, "pid", e->pid);
	if (e->helped)
		soj_json_bool(j, "helped", true);
	collection_name(hdr, e->collection, name);
	soj_json_string(j, "collection", name);
	soj_event_handle(e->ref, e->digest48, handle);
	if (handle[0])
		soj_json_string(j, "handle", handle);
	if (e->type == SOJ_EVENT_RENEWED) {
		soj_event_handle(e->detail[0], e->detail[1], handle);
		soj_json_string(j, "before", handle);
	} else if (e->detail[0] != 0) {
		soj_json_u64(j, "detail", e->detail[0]);
	}
	if (e->subject48 != 0) {
		subject_text(e->subject48, subject);
		soj_json_string(j, "subject_digest", subject);
	}
}

void soj_event_missed_json(struct soj_json *j, uint64_t last, uint64_t count)
{
	soj_json_u64(j, "seq", last);
	soj_json_string(j, "type", "missed");
	soj_json_u64(j, "count", count);
}

void soj_event_line(FILE *out, const struct soj_shm_header *hdr,
		    const struct soj_event *e)
{
	char handle[SOJ_EVENT_HANDLE_CHARS + 1], name[33], subject[13];
	uint64_t ms = unix_ms(hdr, e->time_ms);
	time_t seconds = (time_t)(ms / 1000);
	char when[32] = "-";
	struct tm tm;

	if (e->type == SOJ_EVENT_LOST) {
		fprintf(out, "%-8" PRIu64 " lost with its writer\n", e->seq);
		return;
	}
	if (localtime_r(&seconds, &tm) != NULL)
		strftime(when, sizeof(when), "%F %T", &tm);
	collection_name(hdr, e->collection, name);
	soj_event_handle(e->ref, e->digest48, handle);
	subject_text(e->subject48, subject);
	fprintf(out, "%-8" PRIu64 " %s.%03u %-10s %-10s %-14s pid %-8u ",
		e->seq, when, (unsigned)(ms % 1000),
		soj_event_type_name(e->type),
		e->status == SOJ_NONE ? "-" : soj_event_end_name(e->status),
		soj_source_name(e->source), e->pid);
	soj_text_put(out, name);
	fprintf(out, " %s %s%s\n", handle[0] ? handle : "-",
		e->subject48 ? subject : "-", e->helped ? " helped" : "");
}
