/* SPDX-License-Identifier: MIT */

/*
 * One entry, as store/entry.c takes snapshots: ctl, everything else, ctl
 * again.  ctl has moved on before an entry is wiped or its chunk retired, so
 * what was read between two looks at the same word belongs together.  An ended
 * ctl keeps naming its chunk after that was retired; then the chunk's state
 * word tells whether it is still the entry's.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib_image.h"
#include "store/event.h"
#include "store/sealed.h"

#define TRIES 8u

const char *soj_image_status_name(enum soj_status status)
{
	switch (status) {
	case SOJ_NONE:
		return "none";
	case SOJ_ACTIVE:
		return "live";
	case SOJ_RENEWED:
		return "renewed";
	case SOJ_ENDED_SUBJECT:
		return "deleted-all";
	case SOJ_ENDED_GRACE:
		return "grace-over";
	default:
		return status <= SOJ_ENDED_DAMAGED ? soj_event_end_name(status)
						   : "unknown";
	}
}

static uint64_t entry_off(const struct soj_image *img, uint32_t idx)
{
	return soj_image_layout(img)->entries_off +
	       sizeof(struct soj_shm_entry) * (uint64_t)idx;
}

static void fill_times(struct soj_image_entry *e)
{
	const struct soj_shm_entry *w = &e->words;

	e->times = (struct soj_times){
		.created_ms = soj_load_relaxed(&w->created_ms),
		.accessed_ms = soj_life_accessed_ms(soj_load_relaxed(&w->life)),
		.expires_ms = soj_load_relaxed(&w->expires_ms),
		.grace_until_ms = UINT64_MAX,
		.idle_ms = soj_load_relaxed(&w->idle_ms),
		.sliding_ms = soj_load_relaxed(&w->sliding_ms),
	};
}

static uint64_t padded(uint32_t bytes)
{
	return soj_align_up(bytes, 8);
}

/* Lengths of a chunk of chunk_bytes; false if they do not fit. */
static bool take_lengths(const struct soj_image *img, struct soj_image_entry *e,
			 const uint64_t head[2], uint32_t chunk_bytes)
{
	uint32_t record = soj_head_record_bytes(head[0]);

	e->data_bytes = soj_head_data_bytes(head[0]);
	e->subject_bytes = soj_head_subject_bytes(head[0]);
	e->meta_bytes = soj_head_meta_bytes(head[0]);
	e->has_record = record == sizeof(e->record);
	e->has_times = record == sizeof(struct soj_shm_times);
	e->version = soj_head_version(head[1]);
	return (record == 0 || e->has_record || e->has_times) &&
	       e->data_bytes <= SOJ_DATA_BYTES_MAX &&
	       e->subject_bytes <= SOJ_SUBJECT_BYTES_MAX &&
	       e->meta_bytes <= SOJ_META_BYTES_MAX &&
	       soj_head_entry(head[1]) == e->idx &&
	       SOJ_CHUNK_HEAD_BYTES + record + img->st.seal_bytes +
			       padded(e->subject_bytes) +
			       padded(e->meta_bytes) + padded(e->data_bytes) <=
		       chunk_bytes;
}

/* What is sealed, from `off` on; opened if there is a key. */
static int read_sealed(const struct soj_image *img, uint64_t off,
		       const uint64_t head[2], bool want_data,
		       struct soj_image_entry *e)
{
	uint32_t label =
		(uint32_t)(padded(e->subject_bytes) + padded(e->meta_bytes));
	struct soj_box box = {
		.head = {head[0], head[1]},
		.digest = {{soj_load_relaxed(&e->words.digest[0]),
			    soj_load_relaxed(&e->words.digest[1])}},
		.gen = soj_state_gen(e->state)};
	int rc;

	e->sealed = img->st.vault == NULL;
	if (e->sealed)
		return 0;
	rc = soj_image_read(img, &box.seal, sizeof(box.seal), off);
	off += sizeof(box.seal);
	if (rc == 0)
		rc = soj_image_read(img, box.label, label, off);
	if (rc < 0)
		return rc;
	e->damaged = !soj_box_open_label(img->st.vault, &box);
	if (!e->damaged)
		memcpy(e->subject, box.label, e->subject_bytes);
	soj_wipe(box.label, label);
	if (!want_data)
		return 0;
	e->data = malloc(e->data_bytes + 1);
	if (e->data == NULL)
		return -ENOMEM;
	rc = soj_image_read(img, e->data, e->data_bytes, off + label);
	if (rc == 0 &&
	    !soj_box_open_data(img->st.vault, &box, e->data, e->data_bytes))
		e->damaged = true;
	return rc;
}

/* The parts of a chunk one after the other.  0, -ENOENT, -errno. */
static int read_chunk(const struct soj_image *img, uint64_t off,
		      uint32_t chunk_bytes, bool want_data,
		      struct soj_image_entry *e)
{
	struct soj_shm_times times = {0};
	uint64_t head[2];
	int rc = soj_image_read(img, head, sizeof(head), off);

	if (rc < 0)
		return rc;
	if (!take_lengths(img, e, head, chunk_bytes))
		return -ENOENT;
	off += sizeof(head);
	if (e->has_record) {
		rc = soj_image_read(img, &e->record, sizeof(e->record), off);
		off += sizeof(e->record);
		e->times.grace_until_ms = e->record.grace_until_ms;
	}
	if (e->has_times) {
		rc = soj_image_read(img, &times, sizeof(times), off);
		off += sizeof(times);
		e->times.expires_ms = times.expires_ms;
		e->times.idle_ms = times.idle_ms;
		e->times.sliding_ms = times.sliding_ms;
	}
	if (rc == 0 && img->st.seal_bytes)
		return read_sealed(img, off, head, want_data, e);
	if (rc == 0)
		rc = soj_image_read(img, e->subject, e->subject_bytes, off);
	e->subject[e->subject_bytes] = 0;
	off += padded(e->subject_bytes) + padded(e->meta_bytes);
	if (rc < 0 || !want_data)
		return rc;
	e->data = malloc(e->data_bytes + 1);
	return e->data ? soj_image_read(img, e->data, e->data_bytes, off)
		       : -ENOMEM;
}

static void forget_value(struct soj_image_entry *e)
{
	struct soj_image_entry plain = {.idx = e->idx,
					.state = e->state,
					.words = e->words,
					.ctl = e->ctl};

	free(e->data);
	*e = plain;
	fill_times(e);
}

/* With the chunk, if it is the entry's.  0 (has_value tells), -errno. */
static int read_value(const struct soj_image *img, bool want_data,
		      struct soj_image_entry *e)
{
	uint32_t chunk = soj_ctl_chunk(e->ctl), bytes;
	uint64_t unit = 0, state_off, before, after, off;
	int rc;

	if (!soj_image_chunk_state_off(img, chunk, &state_off))
		return 0;
	rc = soj_image_word(img, soj_image_layout(img)->units_off,
			    soj_chunk_unit(chunk), &unit);
	if (rc < 0)
		return rc;
	if (!soj_image_chunk_place(img, chunk, unit, &off, &bytes))
		return 0;
	rc = soj_image_word(img, state_off, 0, &before);
	if (rc == 0)
		rc = read_chunk(img, off, bytes, want_data, e);
	if (rc == 0)
		rc = soj_image_word(img, state_off, 0, &after);
	if (rc == -ENOENT || (rc == 0 && before != after)) {
		forget_value(e);
		return 0;
	}
	e->has_value = soj_state_phase(before) == SOJ_LIVE ||
		       soj_state_phase(before) == SOJ_OWNED;
	if (rc < 0 || !e->has_value)
		forget_value(e);
	return rc;
}

static int read_once(const struct soj_image *img, uint32_t idx, bool want_data,
		     struct soj_image_entry *e)
{
	const uint64_t states_off = soj_image_layout(img)->entry_states_off;
	uint64_t state, ctl;
	int rc;

	memset(e, 0, sizeof(*e));
	e->idx = idx;
	rc = soj_image_word(img, states_off, idx, &e->state);
	if (rc == 0)
		rc = soj_image_read(img, &e->words, sizeof(e->words),
				    entry_off(img, idx));
	if (rc < 0)
		return rc;
	e->ctl = soj_load_relaxed(&e->words.ctl);
	if ((soj_state_phase(e->state) != SOJ_LIVE &&
	     soj_state_phase(e->state) != SOJ_OWNED) ||
	    soj_ctl_status(e->ctl) == SOJ_NONE)
		return -ENOENT;
	fill_times(e);
	rc = read_value(img, want_data, e);
	if (rc == 0)
		rc = soj_image_word(img, entry_off(img, idx), 0, &ctl);
	if (rc == 0)
		rc = soj_image_word(img, states_off, idx, &state);
	/* A readable entry has a value: seen without, it has just changed, or
	 * the image is damaged. */
	if (rc == 0 && (ctl != e->ctl || state != e->state ||
			(soj_ctl_readable(ctl) && !e->has_value)))
		rc = -EAGAIN;
	if (rc < 0)
		forget_value(e);
	return rc;
}

int soj_image_entry(const struct soj_image *img, uint32_t idx, bool want_data,
		    struct soj_image_entry *e)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	int rc = -EAGAIN;

	for (unsigned i = 0; i < TRIES && rc == -EAGAIN; i++) {
		if (i > TRIES / 2 && img->live)
			nanosleep(&pause, NULL);
		rc = read_once(img, idx, want_data, e);
	}
	return rc;
}
