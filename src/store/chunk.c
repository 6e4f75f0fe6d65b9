/* SPDX-License-Identifier: MIT */

/*
 * What a chunk holds: head, then record, subject, metadata and data, each
 * padded to 8 bytes.  Written word by word by its owner, read word by word by
 * anyone; whoever reads validates afterwards (entry.c), so lengths are bounded
 * here by the chunk's class before they are used.
 */

#include <errno.h>

#include "store/fetch.h"
#include "store/locate.h"
#include "store/sealed.h"

static uint64_t padded(uint64_t bytes)
{
	return soj_align_up(bytes, 8);
}

uint64_t soj_value_chunk_bytes(const struct soj_value *v)
{
	return SOJ_CHUNK_HEAD_BYTES +
	       (v->record ? sizeof(struct soj_shm_record) : 0) +
	       (v->times ? sizeof(struct soj_shm_times) : 0) + v->seal_bytes +
	       padded(v->subject_bytes) + padded(v->meta_bytes) +
	       padded(v->data_bytes);
}

int soj_chunk_write(struct soj_store *st, uint32_t chunk,
		    const struct soj_value *v)
{
	uint32_t record_bytes = v->record  ? sizeof(*v->record)
				: v->times ? sizeof(*v->times)
					   : 0;
	uint32_t bytes;
	soj_word_t *words = soj_chunk_locate(st, chunk, &bytes);

	const uint64_t head[2] = {soj_chunk_head0(v->data_bytes,
						  v->subject_bytes,
						  v->meta_bytes, record_bytes),
				  soj_chunk_head1(v->entry, v->version)};

	if (words == NULL || soj_value_chunk_bytes(v) > bytes)
		return -EBADMSG;
	soj_store_relaxed(&words[0], head[0]);
	soj_store_relaxed(&words[1], head[1]);
	words += SOJ_CHUNK_HEAD_BYTES / 8;
	if (v->record)
		soj_copy_in(words, v->record, sizeof(*v->record));
	else if (v->times)
		soj_copy_in(words, v->times, sizeof(*v->times));
	words += record_bytes / 8;
	if (v->seal_bytes)
		return soj_sealed_write(st, chunk, v, head, words);
	soj_copy_in(words, v->subject, v->subject_bytes);
	words += padded(v->subject_bytes) / 8;
	soj_copy_in(words, v->meta, v->meta_bytes);
	words += padded(v->meta_bytes) / 8;
	soj_copy_in(words, v->data, v->data_bytes);
	return 0;
}

bool soj_chunk_look(const struct soj_store *st, uint32_t chunk,
		    struct soj_chunk_view *view)
{
	uint32_t bytes;
	soj_word_t *words = soj_chunk_locate(st, chunk, &bytes);
	uint64_t head0, head1, need;

	if (words == NULL)
		return false;
	head0 = soj_load_relaxed(&words[0]);
	head1 = soj_load_relaxed(&words[1]);
	view->data_bytes = soj_head_data_bytes(head0);
	view->subject_bytes = soj_head_subject_bytes(head0);
	view->meta_bytes = soj_head_meta_bytes(head0);
	view->record_bytes = soj_head_record_bytes(head0);
	need = SOJ_CHUNK_HEAD_BYTES + padded(view->record_bytes) +
	       st->seal_bytes + padded(view->subject_bytes) +
	       padded(view->meta_bytes) + padded(view->data_bytes);
	if (need > bytes || view->data_bytes > SOJ_DATA_BYTES_MAX ||
	    view->subject_bytes > SOJ_SUBJECT_BYTES_MAX ||
	    view->meta_bytes > SOJ_META_BYTES_MAX ||
	    (view->record_bytes != 0 &&
	     view->record_bytes != sizeof(struct soj_shm_record) &&
	     view->record_bytes != sizeof(struct soj_shm_times)))
		return false;
	view->record = words + SOJ_CHUNK_HEAD_BYTES / 8;
	view->seal = view->record + view->record_bytes / 8;
	view->subject = view->seal + st->seal_bytes / 8;
	view->meta = view->subject + padded(view->subject_bytes) / 8;
	view->data = view->meta + padded(view->meta_bytes) / 8;
	view->entry = soj_head_entry(head1);
	view->version = soj_head_version(head1);
	return true;
}

#define PREFETCH_BYTES 384u /* the hardware goes on behind that */

void soj_entry_prefetch(const struct soj_store *st, uint32_t idx)
{
	const struct soj_shm_entry *e = soj_entry(st, idx);

	soj_prefetch(e);
	soj_prefetch((const uint8_t *)e + SOJ_CACHELINE_BYTES);
}

static void chunk_prefetch(const struct soj_store *st, uint32_t chunk,
			   uint32_t bytes_max)
{
	uint32_t bytes;
	const void *words = soj_chunk_locate(st, chunk, &bytes);

	for (uint32_t at = 0; words && at < soj_min(bytes, bytes_max);
	     at += SOJ_CACHELINE_BYTES)
		soj_prefetch((const uint8_t *)words + at);
}

void soj_chunk_prefetch(const struct soj_store *st, uint32_t idx)
{
	uint64_t ctl = soj_load_relaxed(&soj_entry(st, idx)->ctl);

	chunk_prefetch(st, soj_ctl_chunk(ctl), PREFETCH_BYTES);
}

void soj_chunk_head_prefetch(const struct soj_store *st, uint32_t idx)
{
	uint64_t ctl = soj_load_relaxed(&soj_entry(st, idx)->ctl);

	soj_prefetch(soj_chunk_state(st, soj_ctl_chunk(ctl)));
	chunk_prefetch(st, soj_ctl_chunk(ctl), SOJ_CACHELINE_BYTES);
}

void soj_entry_prefetch_all(const struct soj_store *st, uint32_t idx)
{
	soj_prefetch(&st->seg.entry_states[idx]);
	soj_entry_prefetch(st, idx);
}

void soj_chunk_prefetch_all(const struct soj_store *st, uint32_t chunk)
{
#ifdef SOJ_EXPLORE
	(void)st; /* which is to see each load that counts */
	(void)chunk;
#else
	soj_prefetch(soj_chunk_state(st, chunk));
	chunk_prefetch(st, chunk, PREFETCH_BYTES);
#endif
}
