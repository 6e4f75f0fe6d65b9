/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_LIB_FSCK_IMPL_H
#define SOJ_TOOLS_LIB_FSCK_IMPL_H

/*
 * Between the files of fsck only.
 *
 *   lib_fsck.c        findings, the passes, settling what moves
 *   lib_fsck_meta.c   header, slots, units, hints
 *   lib_fsck_index.c  buckets, chains
 *   lib_fsck_slab.c   entries, chunks, unused memory
 *   lib_fsck_event.c  the event ring
 *   lib_fsck_sum.c    what was counted, and an earlier copy
 *
 * The segment is a set of items: each slot, unit, bucket, chain, entry and
 * chunk.  There is one check for each kind, and it is run on one item.  First
 * all items are gone through in order, reading ahead, and what is found of
 * buckets and chains is noted in bit arrays that the entries' check asks.
 * Online, an item that looks wrong is then checked again "fresh": reading
 * nothing ahead and asking the words themselves instead of the bit arrays.
 * What still looks wrong is a candidate, and after the last pass all
 * candidates are checked several times more, in rounds.  In a round an item is
 * checked once for all its candidates, and a chain is walked once for all its
 * entries: so the steps suffice, unless somebody ties knots meanwhile, and then
 * what they left in doubt is counted.
 */

#include "lib_fsck.h"

enum soj_fsck_item {
	SOJ_ITEM_HEADER,
	SOJ_ITEM_SLOT,
	SOJ_ITEM_UNIT,
	SOJ_ITEM_BUCKET,
	SOJ_ITEM_CHAIN,
	SOJ_ITEM_ENTRY,
	SOJ_ITEM_CHUNK, /* numbered as in ctl */
	SOJ_ITEM_AREA,  /* memory of a unit that no chunk has */
	SOJ_ITEM_HINTS, /* a bitmap */
	SOJ_ITEM_EVENT, /* a place of the ring */
	SOJ_ITEM_TOLD,  /* an entry's word; 0: the header's hint */
	SOJ_ITEM_SUMS,  /* of all entries */
	SOJ_ITEMS,
};

struct soj_candidate {
	enum soj_fsck_item kind;
	uint64_t item;
	uint64_t where;
	uint64_t print;
	bool seen; /* SEEK */
	struct soj_fsck_finding finding;
};

struct soj_fsck {
	struct soj_image *img;
	const struct soj_layout *lay;
	struct soj_fsck_report *rep;
	bool online;
	int rc; /* the first failure; everything then comes to an end */

	/* the item being checked */
	enum soj_fsck_item kind;
	uint64_t item;
	bool fresh;
	enum {
		SOJ_FSCK_REPORT,
		SOJ_FSCK_COUNT,
		SOJ_FSCK_NOMINATE,
		SOJ_FSCK_SEEK
	} mode;
	uint32_t hits;              /* COUNT */
	struct soj_candidate *want; /* SEEK: those of the item */
	uint32_t want_count;
	struct soj_candidate *candidates;
	uint32_t candidates_count;
	uint32_t nominated[2]; /* by severity */
	uint64_t steps_left;   /* of fresh walks along chains */
	bool cut;              /* the item's walk had none left */

	uint64_t *units;     /* unit words */
	uint64_t *committed; /* one bit an entry */
	uint64_t *chained;   /* in a round, by the walks of that round */
	uint64_t *walked;    /* one bit a chain: in this round, to its end */
	uint64_t *named;     /* one bit a chunk: by an entry's ctl */

	struct soj_window entry_states;
	struct soj_window chunk_states;
	struct soj_window hints;
	struct soj_window buckets; /* or heads */
	struct soj_window entries;
	struct soj_window area;

	/* An earlier copy, or NULL; its state words, and what follows. */
	const struct soj_image *before;
	struct soj_window before_states;
	struct soj_window before_words;
};

/* ---- lib_fsck.c ---- */

/*
 * The item being checked violates `code`.  where: what tells findings of one
 * code apart within the item.  print: a digest of the words that are wrong; the
 * finding counts online only while it stays the same.
 */
void soj_fsck_found(struct soj_fsck *f, enum soj_fsck_code code, uint64_t where,
		    uint64_t print, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* Reads bytes anywhere; false: f->rc says why. */
bool soj_fsck_read(struct soj_fsck *f, void *buf, size_t bytes, uint64_t off);
/* Through a window; NULL: f->rc says why. */
const void *soj_fsck_at(struct soj_fsck *f, struct soj_window *win,
			uint64_t off, size_t bytes);
/* One word through a window; 0 when it cannot be read. */
uint64_t soj_fsck_word_at(struct soj_fsck *f, struct soj_window *win,
			  uint64_t off);

static inline uint64_t soj_fsck_print(uint64_t a, uint64_t b)
{
	return (a ^ b * UINT64_C(0x9e3779b97f4a7c15)) *
	       UINT64_C(0xd6e8feb86659fd93);
}

static inline bool soj_bit(const uint64_t *bits, uint64_t i)
{
	return bits[i / 64] >> i % 64 & 1;
}

static inline void soj_bit_set(uint64_t *bits, uint64_t i)
{
	bits[i / 64] |= UINT64_C(1) << i % 64;
}

static inline bool soj_fsck_entry_ok(const struct soj_fsck *f, uint32_t idx)
{
	return idx >= 1 && idx <= f->lay->entries_max;
}

static inline bool soj_fsck_names(uint64_t state, uint64_t ref)
{
	return (soj_state_gen(state) & SOJ_MASK(SOJ_REFGEN_BITS)) ==
	       soj_ref_gen(ref);
}

/* ---- lib_fsck_meta.c ---- */

void soj_fsck_header(struct soj_fsck *f, uint64_t item);
void soj_fsck_slot(struct soj_fsck *f, uint64_t idx);
void soj_fsck_unit(struct soj_fsck *f, uint64_t unit);
void soj_fsck_hints(struct soj_fsck *f, uint64_t bitmap);
#define SOJ_FSCK_BITMAPS 6u

/* Is the low part of an epoch, of so many bits, not after the epoch of now? */
bool soj_fsck_epoch_past(struct soj_fsck *f, uint64_t low, unsigned bits);

/* Why may a slot not own something? */
enum soj_owner { SOJ_OWNER_ALIVE, SOJ_OWNER_DEAD, SOJ_OWNER_NONE };
enum soj_owner soj_fsck_owner(struct soj_fsck *f, uint32_t slot);

/* The word of a unit, 0 (FREE, generation 0) if it cannot be read. */
uint64_t soj_fsck_unit_word(struct soj_fsck *f, uint32_t unit);

/* ---- lib_fsck_index.c ---- */

void soj_fsck_bucket(struct soj_fsck *f, uint64_t bucket);
void soj_fsck_chain(struct soj_fsck *f, uint64_t head);

/* Is the entry committed in the index, linked in its chain?  f->cut: the second
 * is not known, and the answer is false. */
bool soj_fsck_committed(struct soj_fsck *f, uint64_t ref,
			const struct soj_digest *digest);
bool soj_fsck_chained(struct soj_fsck *f, uint32_t idx,
		      const struct soj_digest *subject);

/* ---- lib_fsck_event.c ---- */

void soj_fsck_event(struct soj_fsck *f, uint64_t place);
void soj_fsck_told(struct soj_fsck *f, uint64_t idx);

/* ---- lib_fsck_sum.c ---- */

/* What all slots have counted until now. */
void soj_fsck_count(struct soj_fsck *f);
/* An entry's part in the sums, which the last item then looks at. */
void soj_fsck_add_up(struct soj_fsck *f, uint64_t state, uint64_t ctl);
void soj_fsck_sums(struct soj_fsck *f, uint64_t item);

/* Is the number in the word at off, as it is now, not before that of the
 * earlier copy, if there is one? */
enum soj_grows {
	SOJ_GROWS_STATE,
	SOJ_GROWS_UNIT,
	SOJ_GROWS_CTL,
	SOJ_GROWS_LINK,
	SOJ_GROWS_BUCKET,
};
void soj_fsck_since(struct soj_fsck *f, enum soj_grows kind, uint64_t off,
		    uint64_t now);
void soj_fsck_slot_since(struct soj_fsck *f, uint32_t idx);
void soj_fsck_header_since(struct soj_fsck *f);
/* Are both loaded images of one segment? */
bool soj_fsck_same(const struct soj_image *img, const struct soj_image *before);

/* ---- lib_fsck_slab.c ---- */

void soj_fsck_entry(struct soj_fsck *f, uint64_t idx);
void soj_fsck_chunk(struct soj_fsck *f, uint64_t chunk);
void soj_fsck_area(struct soj_fsck *f, uint64_t unit);

/* Is all of it zero?  (False also when it cannot be read.) */
bool soj_fsck_is_zero(struct soj_fsck *f, uint64_t off, uint64_t bytes);

#endif /* SOJ_TOOLS_LIB_FSCK_IMPL_H */
