/* SPDX-License-Identifier: MIT */
#ifndef SOJ_STORE_SEALED_H
#define SOJ_STORE_SEALED_H

/* Layer 3.  Values that are sealed in the segment; sealed.c has the rules. */

#include "store/store.h"

/* Subject and metadata, each padded to 8 bytes. */
#define SOJ_LABEL_BYTES_MAX (256u + SOJ_META_BYTES_MAX)

/* What was copied of a sealed value, as it lies there. */
struct soj_box {
	uint64_t head[2];
	struct soj_digest digest;
	uint64_t gen; /* of the entry */
	struct soj_shm_seal seal;
	bool want_label;
	uint8_t label[SOJ_LABEL_BYTES_MAX];
};

/* In place.  False: it is not what was sealed there, and is wiped. */
bool soj_box_open_label(const struct soj_vault *vault, struct soj_box *box);
bool soj_box_open_data(const struct soj_vault *vault, const struct soj_box *box,
		       void *data, uint32_t data_bytes);

/* Seals a value and writes what follows its chunk's head and record.  0;
 * -EBADMSG (no key, or no such chunk); -ENOMEM. */
int soj_sealed_write(const struct soj_store *st, uint32_t chunk,
		     const struct soj_value *v, const uint64_t head[2],
		     soj_word_t *to);

/* Copies the seal, and the label if it is wanted, of a chunk looked at. */
void soj_sealed_copy(const struct soj_store *st,
		     const struct soj_chunk_view *view, struct soj_box *box);

/* soj_entry_snapshot() of a sealed segment, with something to open. */
int soj_sealed_snapshot(const struct soj_store *st, uint64_t ref,
			const struct soj_digest *digest,
			const struct soj_copy *copy, struct soj_snapshot *snap);

#endif /* SOJ_STORE_SEALED_H */
