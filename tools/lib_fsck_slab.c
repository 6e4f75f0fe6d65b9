/* SPDX-License-Identifier: MIT */

/* Entries, the chunks that they name, and memory that nobody uses. */

#include "lib_fsck_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES (64u * 1024u)

bool soj_fsck_is_zero(struct soj_fsck *f, uint64_t off, uint64_t bytes)
{
	while (bytes > 0) {
		size_t piece = (size_t)soj_min(bytes, PIECE_BYTES);
		const uint8_t *at = soj_fsck_at(f, &f->area, off, piece);

		if (!at || at[0] != 0 || memcmp(at, at + 1, piece - 1) != 0)
			return false;
		off += piece;
		bytes -= piece;
	}
	return true;
}

/* ---- state words ---- */

static bool state_ok(const struct soj_fsck *f, uint64_t state)
{
	if (soj_state_gen(state) == 0)
		return false;
	switch (soj_state_phase(state)) {
	case SOJ_FREE:
	case SOJ_LIVE:
		return soj_state_aux(state) == 0;
	case SOJ_OWNED:
		return soj_state_aux(state) < f->lay->slots_max;
	case SOJ_RETIRED:
		return true;
	default:
		return false;
	}
}

static bool stamp_ok(struct soj_fsck *f, uint64_t state)
{
	return soj_fsck_epoch_past(f, soj_state_aux(state), SOJ_AUX_BITS);
}

/* Entries and chunks have the same kind of state words. */
struct codes {
	enum soj_fsck_code state, stamp, owner, orphan;
};

static const struct codes entry_codes = {
	SOJ_FSCK_ENTRY_STATE, SOJ_FSCK_ENTRY_STAMP, SOJ_FSCK_ENTRY_OWNER,
	SOJ_FSCK_ENTRY_ORPHAN};
static const struct codes chunk_codes = {
	SOJ_FSCK_CHUNK_STATE, SOJ_FSCK_CHUNK_STAMP, SOJ_FSCK_CHUNK_OWNER,
	SOJ_FSCK_CHUNK_ORPHAN};

/* False: the word cannot be believed. */
static bool check_state(struct soj_fsck *f, const struct codes *codes,
			uint64_t state)
{
	uint32_t slot = soj_state_aux(state);
	enum soj_owner owner;

	if (!state_ok(f, state)) {
		soj_fsck_found(f, codes->state, 0, state, "state %016" PRIx64,
			       state);
		return false;
	}
	if (soj_state_phase(state) == SOJ_RETIRED && !stamp_ok(f, state))
		soj_fsck_found(f, codes->stamp, 0, state,
			       "retired at epoch %u, now is %" PRIu64, slot,
			       soj_load_relaxed(&f->img->hdr.epoch));
	if (soj_state_phase(state) != SOJ_OWNED)
		return true;
	owner = soj_fsck_owner(f, slot);
	if (owner != SOJ_OWNER_ALIVE)
		soj_fsck_found(
			f,
			owner == SOJ_OWNER_DEAD ? codes->owner : codes->orphan,
			0, state, "slot %u, state %016" PRIx64, slot, state);
	return true;
}

/* ---- chunks ---- */

struct chunk {
	uint64_t state;
	uint64_t state_off;
	uint64_t off;
	uint32_t bytes; /* 0: the number is of no chunk */
	uint64_t head[2];
	struct soj_shm_record record; /* if it has one */
};

/* State and place of a chunk number. */
static void locate(struct soj_fsck *f, uint32_t number, struct chunk *c)
{
	memset(c, 0, sizeof(*c));
	if (!soj_image_chunk_state_off(f->img, number, &c->state_off))
		return;
	c->state = soj_fsck_word_at(f, &f->chunk_states, c->state_off);
	if (!soj_image_chunk_place(
		    f->img, number,
		    soj_fsck_unit_word(f, soj_chunk_unit(number)), &c->off,
		    &c->bytes))
		c->bytes = 0;
}

static bool lengths_ok(const struct soj_fsck *f, const struct chunk *c)
{
	uint64_t record = soj_head_record_bytes(c->head[0]);
	uint64_t subject = soj_head_subject_bytes(c->head[0]);
	uint64_t meta = soj_head_meta_bytes(c->head[0]);
	uint64_t data = soj_head_data_bytes(c->head[0]);

	return SOJ_CHUNK_HEAD_BYTES + soj_align_up(record, 8) +
			       f->img->st.seal_bytes +
			       soj_align_up(subject, 8) +
			       soj_align_up(meta, 8) + soj_align_up(data, 8) <=
		       c->bytes &&
	       data <= SOJ_DATA_BYTES_MAX && subject <= SOJ_SUBJECT_BYTES_MAX &&
	       meta <= SOJ_META_BYTES_MAX &&
	       (record == 0 || record == sizeof(c->record) ||
		record == sizeof(struct soj_shm_times));
}

/* Does the entry that the chunk belongs to name it, and is it not retired?
 * In order, that was noted when the entries were gone through. */
static bool is_named(struct soj_fsck *f, uint32_t number, uint32_t idx)
{
	uint64_t bit = (uint64_t)soj_chunk_unit(number) * f->lay->unit_slots +
		       soj_chunk_slot(number);
	uint64_t ctl, state;

	if (!f->fresh)
		return soj_bit(f->named, bit);
	soj_fsck_read(f, &ctl, 8,
		      f->lay->entries_off +
			      sizeof(struct soj_shm_entry) * (uint64_t)idx);
	soj_fsck_read(f, &state, 8, f->lay->entry_states_off + 8ull * idx);
	return soj_ctl_status(ctl) != SOJ_NONE &&
	       soj_ctl_chunk(ctl) == number &&
	       (soj_state_phase(state) == SOJ_LIVE ||
		soj_state_phase(state) == SOJ_OWNED);
}

static void check_live_chunk(struct soj_fsck *f, uint32_t number,
			     struct chunk *c)
{
	const void *at = soj_fsck_at(f, &f->area, c->off, sizeof(c->head));
	uint32_t idx;

	if (at)
		memcpy(c->head, at, sizeof(c->head));
	idx = soj_head_entry(c->head[1]);
	if (!lengths_ok(f, c))
		soj_fsck_found(f, SOJ_FSCK_CHUNK_LENGTH, 0,
			       soj_fsck_print(c->state, c->head[0]),
			       "head %016" PRIx64 ", chunk of %u bytes",
			       c->head[0], c->bytes);
	else if (!soj_fsck_entry_ok(f, idx))
		soj_fsck_found(f, SOJ_FSCK_CHUNK_ENTRY, 0,
			       soj_fsck_print(c->state, c->head[1]),
			       "entry %u of %u", idx, f->lay->entries_max);
	else if (!is_named(f, number, idx))
		soj_fsck_found(f, SOJ_FSCK_CHUNK_LEAK, 0, c->state,
			       "back reference to entry %u", idx);
}

static void check_free_chunk(struct soj_fsck *f, uint32_t number,
			     const struct chunk *c)
{
	uint64_t bit = (uint64_t)soj_chunk_unit(number) * f->lay->unit_slots +
		       soj_chunk_slot(number);
	uint64_t hints;

	if (!f->fresh) {
		hints = soj_fsck_word_at(f, &f->hints,
					 f->lay->chunk_free_off + bit / 64 * 8);
		f->rep->chunks_unhinted += !(hints >> bit % 64 & 1);
	}
	if (!soj_fsck_is_zero(f, c->off, c->bytes))
		soj_fsck_found(f, SOJ_FSCK_CHUNK_DIRTY, 0, c->state,
			       "class of %u bytes", c->bytes);
}

void soj_fsck_chunk(struct soj_fsck *f, uint64_t item)
{
	uint32_t number = (uint32_t)item;
	enum soj_phase phase;
	struct chunk c;

	locate(f, number, &c);
	phase = soj_state_phase(c.state);
	if (!check_state(f, &chunk_codes, c.state))
		return;
	soj_fsck_since(f, SOJ_GROWS_STATE, c.state_off, c.state);
	if (c.bytes == 0) {
		if (phase == SOJ_LIVE || phase == SOJ_RETIRED)
			soj_fsck_found(f, SOJ_FSCK_CHUNK_PLACE, 0, c.state,
				       "state %016" PRIx64
				       ", but the unit has no such chunk",
				       c.state);
		return;
	}
	if (!f->fresh)
		f->rep->chunks[phase]++;
	if (phase == SOJ_FREE)
		check_free_chunk(f, number, &c);
	else if (phase == SOJ_LIVE)
		check_live_chunk(f, number, &c);
}

void soj_fsck_area(struct soj_fsck *f, uint64_t item)
{
	uint32_t unit = (uint32_t)item;
	uint64_t word = soj_fsck_unit_word(f, unit);
	uint64_t off = f->lay->chunks_off + (uint64_t)unit * SOJ_UNIT_BYTES;
	uint64_t bytes = 0;
	uint64_t first;
	uint32_t chunk_bytes;

	if (soj_unit_phase(word) == SOJ_UNIT_FREE) {
		bytes = SOJ_UNIT_BYTES;
	} else if (soj_image_chunk_place(f->img, soj_chunk(unit, 0), word,
					 &first, &chunk_bytes)) {
		const struct soj_class *class =
			&f->img->st.classes[soj_unit_class(word)];
		uint64_t used = (uint64_t) class->page_slots * chunk_bytes;

		off += used;
		bytes = (uint64_t) class->page_units * SOJ_UNIT_BYTES - used;
	}
	if (!soj_fsck_is_zero(f, off, bytes))
		soj_fsck_found(f, SOJ_FSCK_UNIT_DIRTY, 0, word,
			       "%" PRIu64 " bytes that no chunk has", bytes);
}

/* ---- entries ---- */

struct entry {
	uint32_t idx;
	uint64_t state;
	uint64_t ref;
	uint64_t word[sizeof(struct soj_shm_entry) / 8];
};

#define WORD(e, field) ((e)->word[offsetof(struct soj_shm_entry, field) / 8])

static void read_entry(struct soj_fsck *f, uint32_t idx, struct entry *e)
{
	const void *at;

	e->idx = idx;
	e->state = soj_fsck_word_at(f, &f->entry_states,
				    f->lay->entry_states_off + 8ull * idx);
	e->ref = soj_ref(idx, soj_state_gen(e->state));
	at = soj_fsck_at(f, &f->entries,
			 f->lay->entries_off + sizeof(e->word) * idx,
			 sizeof(e->word));
	if (at)
		memcpy(e->word, at, sizeof(e->word));
	else
		memset(e->word, 0, sizeof(e->word));
}

static uint64_t entry_print(const struct entry *e)
{
	return soj_fsck_print(e->state, WORD(e, ctl));
}

/* As it was made, or as it is left when it is freed: versions and generations
 * survive, everything else is zero. */
static bool is_clean(const struct entry *e)
{
	uint64_t gen = soj_state_gen(e->state);
	bool virgin = gen == 1 && WORD(e, ctl) == 0;
	uint64_t rest = 0;

	for (size_t i = 0; i < sizeof(e->word) / 8; i++)
		rest |= e->word[i];
	if (virgin)
		return rest == 0;
	rest = WORD(e, digest[0]) | WORD(e, digest[1]) | WORD(e, created_ms) |
	       WORD(e, expires_ms) | WORD(e, idle_ms) | WORD(e, subject[0]) |
	       WORD(e, subject[1]) | WORD(e, login) | WORD(e, predecessor) |
	       WORD(e, misc);
	return rest == 0 && soj_ctl_status(WORD(e, ctl)) == SOJ_NONE &&
	       soj_ctl_chunk(WORD(e, ctl)) == SOJ_CHUNK_NONE &&
	       WORD(e, life) == soj_life(gen, 0) &&
	       WORD(e, renew) == soj_renew_never(gen) &&
	       WORD(e, event) == soj_told(SOJ_TOLD_NOTHING, gen, 0) &&
	       soj_lock_slot(WORD(e, lock)) == SOJ_SLOT_NONE &&
	       soj_link_entry(WORD(e, link)) == 0 &&
	       !(WORD(e, link) & SOJ_LINK_MARK);
}

static void check_free_entry(struct soj_fsck *f, const struct entry *e)
{
	uint64_t hints;

	if (!f->fresh) {
		hints = soj_fsck_word_at(
			f, &f->hints, f->lay->entry_free_off + e->idx / 64 * 8);
		f->rep->entries_unhinted += !(hints >> e->idx % 64 & 1);
	}
	if (!is_clean(e))
		soj_fsck_found(f, SOJ_FSCK_ENTRY_DIRTY, 0, entry_print(e),
			       "state %016" PRIx64 ", ctl %016" PRIx64,
			       e->state, WORD(e, ctl));
}

/*
 * The chunk that the entry's ctl names, if it is the entry's.  complain: it
 * must be.
 */
static bool find_chunk(struct soj_fsck *f, const struct entry *e, bool complain,
		       struct chunk *c)
{
	uint32_t number = soj_ctl_chunk(WORD(e, ctl));
	enum soj_fsck_code code;
	enum soj_phase phase;
	uint8_t start[SOJ_CHUNK_HEAD_BYTES + sizeof(c->record)];

	locate(f, number, c);
	phase = soj_state_phase(c->state);
	if (c->bytes > 0) {
		soj_fsck_read(f, start, soj_min(sizeof(start), c->bytes),
			      c->off);
		memcpy(c->head, start, sizeof(c->head));
		memcpy(&c->record, start + sizeof(c->head), sizeof(c->record));
	}
	if (c->bytes == 0 || (phase != SOJ_LIVE && phase != SOJ_OWNED))
		code = SOJ_FSCK_ENTRY_CHUNK;
	else if (!lengths_ok(f, c))
		code = SOJ_FSCK_ENTRY_LENGTH;
	else if (soj_head_entry(c->head[1]) != e->idx)
		code = SOJ_FSCK_ENTRY_BACKREF;
	else
		return true;
	if (complain)
		soj_fsck_found(f, code, 0,
			       soj_fsck_print(entry_print(e), c->state),
			       "chunk %u:%u, its state %016" PRIx64
			       ", its head %016" PRIx64 " %016" PRIx64,
			       soj_chunk_unit(number), soj_chunk_slot(number),
			       c->state, c->head[0], c->head[1]);
	return false;
}

static void note_named(struct soj_fsck *f, const struct entry *e)
{
	uint32_t number = soj_ctl_chunk(WORD(e, ctl));

	soj_bit_set(f->named,
		    (uint64_t)soj_chunk_unit(number) * f->lay->unit_slots +
			    soj_chunk_slot(number));
}

static void check_successor(struct soj_fsck *f, const struct entry *e,
			    uint64_t ref)
{
	uint32_t idx = soj_ref_entry(ref);
	uint64_t state, predecessor;

	soj_fsck_read(f, &state, 8, f->lay->entry_states_off + 8ull * idx);
	soj_fsck_read(f, &predecessor, 8,
		      f->lay->entries_off + sizeof(e->word) * idx +
			      offsetof(struct soj_shm_entry, predecessor));
	if (soj_fsck_names(state, ref) && predecessor == e->ref &&
	    (soj_state_phase(state) == SOJ_LIVE ||
	     soj_state_phase(state) == SOJ_OWNED))
		return;
	soj_fsck_found(f, SOJ_FSCK_ENTRY_SUCCESSOR, 0, entry_print(e),
		       "entry %u, its state %016" PRIx64
		       ", its predecessor %016" PRIx64,
		       idx, state, predecessor);
}

static void check_renewed(struct soj_fsck *f, const struct entry *e,
			  const struct chunk *c)
{
	if (WORD(e, renew) == soj_renew_never(soj_ref_gen(e->ref)))
		soj_fsck_found(f, SOJ_FSCK_ENTRY_RENEWER, 0, entry_print(e),
			       "renewed, but nobody had the flag");
	if (soj_head_record_bytes(c->head[0]) != sizeof(c->record) ||
	    !soj_fsck_entry_ok(f, soj_ref_entry(c->record.successor)) ||
	    c->record.sealed_bytes > sizeof(c->record.sealed))
		soj_fsck_found(f, SOJ_FSCK_ENTRY_RECORD, 0, entry_print(e),
			       "record of %u bytes, successor %016" PRIx64
			       ", %u sealed",
			       soj_head_record_bytes(c->head[0]),
			       c->record.successor, c->record.sealed_bytes);
	else
		check_successor(f, e, c->record.successor);
}

/* Does what is sealed open?  Only for who has the key. */
static void check_seal(struct soj_fsck *f, const struct entry *e)
{
	struct soj_image_entry value;

	if (f->img->st.vault == NULL || f->img->st.seal_bytes == 0 ||
	    soj_image_entry(f->img, e->idx, true, &value) < 0)
		return;
	free(value.data);
	if (value.damaged)
		soj_fsck_found(f, SOJ_FSCK_ENTRY_SEAL, 0,
			       soj_fsck_print(entry_print(e), value.ctl),
			       "chunk %u:%u of %u bytes",
			       soj_chunk_unit(soj_ctl_chunk(value.ctl)),
			       soj_chunk_slot(soj_ctl_chunk(value.ctl)),
			       value.data_bytes);
}

static void check_readable(struct soj_fsck *f, const struct entry *e)
{
	const struct soj_digest digest = {
		{WORD(e, digest[0]), WORD(e, digest[1])}};
	const struct soj_digest subject = {
		{WORD(e, subject[0]), WORD(e, subject[1])}};
	/* A caller's item that belongs to nobody is on no chain. */
	bool nobodys = soj_misc_keyed(WORD(e, misc)) &&
		       (subject.word[0] | subject.word[1]) == 0;
	struct chunk c;

	if (!soj_fsck_committed(f, e->ref, &digest))
		soj_fsck_found(f, SOJ_FSCK_ENTRY_UNINDEXED, 0, entry_print(e),
			       "state %016" PRIx64 ", ctl %016" PRIx64,
			       e->state, WORD(e, ctl));
	if (!nobodys && !soj_fsck_chained(f, e->idx, &subject))
		soj_fsck_found(f, SOJ_FSCK_ENTRY_UNCHAINED, 0, entry_print(e),
			       "state %016" PRIx64 ", ctl %016" PRIx64,
			       e->state, WORD(e, ctl));
	if (!find_chunk(f, e, true, &c))
		return;
	note_named(f, e);
	check_seal(f, e);
	if (soj_ctl_status(WORD(e, ctl)) == SOJ_RENEWED)
		check_renewed(f, e, &c);
}

static void check_live_entry(struct soj_fsck *f, const struct entry *e)
{
	uint64_t ctl = WORD(e, ctl), renew = WORD(e, renew);
	uint32_t gen = soj_ref_gen(e->ref), slot = soj_renew_slot(renew);
	struct chunk c;

	if (soj_ctl_status(ctl) == SOJ_NONE ||
	    soj_ctl_status(ctl) > (f->img->st.seal_bytes ? SOJ_ENDED_DAMAGED
							 : SOJ_ENDED_REUSED)) {
		soj_fsck_found(f, SOJ_FSCK_ENTRY_STATUS, 0, entry_print(e),
			       "ctl %016" PRIx64, ctl);
		return;
	}
	if (soj_life_gen(WORD(e, life)) != gen || soj_renew_gen(renew) != gen)
		soj_fsck_found(f, SOJ_FSCK_ENTRY_GENERATION, 0, e->state,
			       "generation %u, in life %u, in renew %u", gen,
			       soj_life_gen(WORD(e, life)),
			       soj_renew_gen(renew));
	if (slot >= f->lay->slots_max && slot != SOJ_SLOT_NONE)
		soj_fsck_found(f, SOJ_FSCK_ENTRY_RENEWER, 0,
			       soj_fsck_print(e->state, slot), "slot %u of %u",
			       slot, f->lay->slots_max);
	if (soj_ctl_readable(ctl)) {
		check_readable(f, e);
		return;
	}
	f->rep->ended += !f->fresh;
	/* Its chunk may have been retired, and be another's. */
	if (find_chunk(f, e, false, &c))
		note_named(f, e);
}

static void compare_entry(struct soj_fsck *f, const struct entry *e)
{
	uint64_t off = f->lay->entries_off + sizeof(e->word) * e->idx;

	soj_fsck_since(f, SOJ_GROWS_STATE,
		       f->lay->entry_states_off + 8ull * e->idx, e->state);
	soj_fsck_since(f, SOJ_GROWS_CTL,
		       off + offsetof(struct soj_shm_entry, ctl), WORD(e, ctl));
	soj_fsck_since(f, SOJ_GROWS_LINK,
		       off + offsetof(struct soj_shm_entry, link),
		       WORD(e, link));
}

void soj_fsck_entry(struct soj_fsck *f, uint64_t item)
{
	uint32_t idx = (uint32_t)item;
	struct entry e;
	struct chunk c;

	read_entry(f, idx, &e);
	if (idx == 0) {
		if (e.state != soj_state(SOJ_FREE, 0, 1) || !is_clean(&e))
			soj_fsck_found(f, SOJ_FSCK_ENTRY_ZERO, 0,
				       entry_print(&e), "state %016" PRIx64,
				       e.state);
		return;
	}
	if (!check_state(f, &entry_codes, e.state))
		return;
	soj_fsck_add_up(f, e.state, WORD(&e, ctl));
	compare_entry(f, &e);
	if (!f->fresh)
		f->rep->entries[soj_state_phase(e.state)]++;
	switch (soj_state_phase(e.state)) {
	case SOJ_FREE:
		check_free_entry(f, &e);
		break;
	case SOJ_LIVE:
		check_live_entry(f, &e);
		break;
	case SOJ_OWNED:
		/* In the making: it may name its chunk already. */
		if (soj_ctl_status(WORD(&e, ctl)) != SOJ_NONE &&
		    find_chunk(f, &e, false, &c))
			note_named(f, &e);
		break;
	case SOJ_RETIRED:
		break;
	}
}
