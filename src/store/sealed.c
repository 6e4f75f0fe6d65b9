/* SPDX-License-Identifier: MIT */

/*
 * Sealed values: what a segment created with `seal` holds of subject, metadata
 * and data can be neither read nor changed without the key, which is never in
 * the segment.
 *
 * What is sealed: the label (subject and metadata) and the data, each with a
 * tag of its own, so that a list need not open data, nor a read the label.
 * What is not: the entry (digests, times, periods, login number, collection),
 * the chunk's head (lengths, user version), the periods of an item and the
 * record of a renewed one, in which the new id is sealed under the old.
 *
 * The key is derived from the master key and a random salt in the header, so
 * that segments which have one key file in turn have different keys.
 *
 * Nonces are unique by construction: {generation of the chunk's state word 37,
 * seconds 30, chunk 28, part 1}.  A chunk is written by its owner only, once,
 * while its state word says OWNED at that generation, and no generation of it
 * is owned twice by one who writes: whoever frees it raises the generation
 * (store/slab.c), whether it was published, given back, or taken from the
 * dead; a child of a fork gives up before it writes.  So no two writes have
 * chunk and generation in common until 2^37 uses of one chunk, and then the
 * seconds (of the segment's clock; they begin again after 34 years) differ.
 * Random nonces of 96 bits would run out after 2^32 values.  Relocation copies
 * the sealed bytes with their nonce to another chunk, under whose own
 * generation nothing is sealed.  What this does not cover: a machine that is
 * resumed twice from one image of its memory, and somebody who may write into
 * the segment and turns its generations back.
 *
 * Associated data: digest and generation of the entry, head of the chunk.  So
 * the value of another entry does not open, nor that of an earlier entry in
 * the same place or with the same key, nor one with the lengths or the version
 * of another.  An older chunk of the same entry put back with its own head
 * opens, and is as old as the version that it shows: who asks for a version is
 * not deceived.
 *
 * Opening happens after the copy was found to be one instant's (entry.c), in
 * the caller's memory.  What does not open is wiped.
 *
 * No ordered access is made here.  Crash and stop table: those of the writers;
 * the sealed bytes are made in private memory and written as plain values are.
 */

#include "store/sealed.h"

#include <errno.h>
#include <stdlib.h>

#define TICK_SHIFT   10u /* of ms: about a second */
#define ON_STACK_MAX 4096u

enum part { PART_DATA, PART_LABEL };

static_assert(sizeof(struct soj_shm_seal) == SOJ_SHM_SEAL_BYTES, "seal size");

/* What a seal is bound to. */
struct about {
	uint64_t digest[2];
	uint64_t gen;
	uint64_t head[2];
};

static struct about about_of(const struct soj_digest *digest, uint64_t gen,
			     const uint64_t head[2])
{
	return (struct about){{digest->word[0], digest->word[1]},
			      gen & SOJ_MASK(SOJ_REFGEN_BITS),
			      {head[0], head[1]}};
}

static void nonce_of(uint8_t nonce[SOJ_NONCE_BYTES],
		     const uint8_t stored[SOJ_NONCE_BYTES], enum part part)
{
	memcpy(nonce, stored, SOJ_NONCE_BYTES);
	nonce[SOJ_NONCE_BYTES - 1] ^= part == PART_LABEL ? 0x80 : 0;
}

static void nonce_make(const struct soj_store *st, uint32_t chunk,
		       uint8_t nonce[SOJ_NONCE_BYTES])
{
	/* It is the caller's: nobody else changes it. */
	uint64_t gen =
		soj_state_gen(soj_load_relaxed(soj_chunk_state(st, chunk)));
	uint64_t tick = soj_seg_now_ms(&st->seg) >> TICK_SHIFT;
	uint64_t low = gen | tick << SOJ_GEN_BITS;
	uint32_t high = chunk | (uint32_t)(tick >> 27 & 7) << 28;

	memcpy(nonce, &low, sizeof(low));
	memcpy(nonce + sizeof(low), &high, sizeof(high));
}

static uint32_t label_bytes(uint64_t head0)
{
	return (uint32_t)(soj_align_up(soj_head_subject_bytes(head0), 8) +
			  soj_align_up(soj_head_meta_bytes(head0), 8));
}

static void seal_part(const struct soj_vault *vault, struct soj_shm_seal *seal,
		      const struct about *about, enum part part,
		      const void *text, uint32_t bytes, uint8_t *out)
{
	uint8_t nonce[SOJ_NONCE_BYTES];

	nonce_of(nonce, seal->nonce, part);
	soj_vault_seal(vault, nonce,
		       (struct soj_vault_about){about, sizeof(*about)}, text,
		       bytes, out,
		       part == PART_LABEL ? seal->label_tag : seal->data_tag);
}

static bool open_part(const struct soj_vault *vault, const struct soj_box *box,
		      enum part part, void *text, uint32_t bytes)
{
	const struct about about = about_of(&box->digest, box->gen, box->head);
	uint8_t nonce[SOJ_NONCE_BYTES];

	nonce_of(nonce, box->seal.nonce, part);
	return box->seal.reserved == 0 &&
	       soj_vault_open(vault, nonce,
			      (struct soj_vault_about){&about, sizeof(about)},
			      text, bytes,
			      part == PART_LABEL ? box->seal.label_tag
						 : box->seal.data_tag);
}

bool soj_box_open_label(const struct soj_vault *vault, struct soj_box *box)
{
	uint32_t bytes = label_bytes(box->head[0]);

	return bytes <= sizeof(box->label) &&
	       open_part(vault, box, PART_LABEL, box->label, bytes);
}

bool soj_box_open_data(const struct soj_vault *vault, const struct soj_box *box,
		       void *data, uint32_t data_bytes)
{
	return data_bytes == soj_head_data_bytes(box->head[0]) &&
	       open_part(vault, box, PART_DATA, data, data_bytes);
}

int soj_sealed_write(const struct soj_store *st, uint32_t chunk,
		     const struct soj_value *v, const uint64_t head[2],
		     soj_word_t *to)
{
	const struct about about = about_of(&v->digest, v->gen, head);
	const uint32_t label = label_bytes(head[0]);
	uint8_t text[SOJ_LABEL_BYTES_MAX] = {0}, small[ON_STACK_MAX];
	struct soj_shm_seal seal = {.reserved = 0};
	uint8_t *out = small;

	if (st->vault == NULL)
		return -EBADMSG;
	if (v->data_bytes > sizeof(small)) {
		out = malloc(v->data_bytes);
		if (out == NULL)
			return -ENOMEM;
	}
	nonce_make(st, chunk, seal.nonce);
	if (v->subject_bytes)
		memcpy(text, v->subject, v->subject_bytes);
	if (v->meta_bytes)
		memcpy(text + soj_align_up(v->subject_bytes, 8), v->meta,
		       v->meta_bytes);
	seal_part(st->vault, &seal, &about, PART_LABEL, text, label, text);
	seal_part(st->vault, &seal, &about, PART_DATA, v->data, v->data_bytes,
		  out);
	soj_copy_in(to, &seal, sizeof(seal));
	to += sizeof(seal) / 8;
	soj_copy_in(to, text, label);
	soj_copy_in(to + label / 8, out, v->data_bytes);
	if (out != small)
		free(out);
	return 0;
}

void soj_sealed_copy(const struct soj_store *st,
		     const struct soj_chunk_view *view, struct soj_box *box)
{
	box->head[0] = soj_chunk_head0(view->data_bytes, view->subject_bytes,
				       view->meta_bytes, view->record_bytes);
	box->head[1] = soj_chunk_head1(view->entry, view->version);
	box->digest = soj_entry_digest(st, view->entry);
	soj_copy_out(&box->seal, view->seal, sizeof(box->seal));
	if (box->want_label)
		soj_copy_out(box->label, view->subject,
			     label_bytes(box->head[0]));
}

/* The label, to where the caller wants its parts. */
static bool give_label(const struct soj_store *st, struct soj_box *box,
		       const struct soj_copy *copy,
		       const struct soj_snapshot *snap)
{
	const uint8_t *meta = box->label + soj_align_up(snap->subject_bytes, 8);
	bool opened = soj_box_open_label(st->vault, box);

	if (opened && copy->subject) {
		memcpy(copy->subject, box->label, snap->subject_bytes);
		copy->subject[snap->subject_bytes] = 0;
	}
	if (opened && copy->meta)
		memcpy(copy->meta, meta, snap->meta_bytes);
	soj_wipe(box->label, label_bytes(box->head[0]));
	return opened;
}

int soj_sealed_snapshot(const struct soj_store *st, uint64_t ref,
			const struct soj_digest *digest,
			const struct soj_copy *copy, struct soj_snapshot *snap)
{
	struct soj_box box;
	const struct soj_copy raw = {.cold = copy->cold,
				     .data = copy->data,
				     .data_capacity = copy->data_capacity,
				     .box = &box};
	int rc;

	if (st->vault == NULL)
		return -EACCES;
	box.gen = soj_ref_gen(ref);
	box.want_label = copy->subject || copy->meta;
	rc = soj_entry_snapshot(st, ref, digest, &raw, snap);
	if (rc < 0 && rc != -ENOBUFS)
		return rc;
	if (box.want_label && !give_label(st, &box, copy, snap)) {
		if (rc == 0 && copy->data)
			soj_wipe(copy->data, snap->data_bytes);
		return -EBADE;
	}
	if (rc == 0 && copy->data &&
	    !soj_box_open_data(st->vault, &box, copy->data, snap->data_bytes))
		return -EBADE;
	return rc;
}
