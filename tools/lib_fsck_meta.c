/* SPDX-License-Identifier: MIT */

/* What stands beside the sessions' data: header, thread slots, units, hints. */

#include "lib_fsck_impl.h"

#include <inttypes.h>

/* Reads the changing half of the header again if others may change it. */
static void refresh_header(struct soj_fsck *f)
{
	if (f->online && f->rc == 0)
		f->rc = soj_image_reload_header(f->img);
}

static uint64_t epoch_now(const struct soj_fsck *f)
{
	return soj_load_relaxed(&f->img->hdr.epoch);
}

/*
 * While the epoch has no more bits than the part, this is exact.  Then the
 * part may also be of long ago: what nobody reclaimed for half of the range,
 * say.  So only what is a little ahead is taken for the future.
 */
static bool epoch_covers(const struct soj_fsck *f, uint64_t low, unsigned bits)
{
	uint64_t ahead = (low - epoch_now(f)) & SOJ_MASK(bits);

	if (epoch_now(f) <= SOJ_MASK(bits))
		return low <= epoch_now(f);
	return ahead == 0 || ahead > SOJ_MASK(bits - 4);
}

/* The epoch that was read first may be older than the stamp. */
bool soj_fsck_epoch_past(struct soj_fsck *f, uint64_t low, unsigned bits)
{
	if (epoch_covers(f, low, bits))
		return true;
	refresh_header(f);
	return epoch_covers(f, low, bits);
}

/* ---- header ---- */

static bool reserved_is_zero(const struct soj_shm_header *hdr)
{
	uint32_t seen = 0;

	for (size_t i = 0; i < sizeof(hdr->reserved1); i++)
		seen |= hdr->reserved1[i];
	for (size_t i = 0; i < sizeof(hdr->reserved2); i++)
		seen |= hdr->reserved2[i];
	for (size_t i = 0;
	     !(hdr->flags & SOJ_SHM_SEALED) && i < sizeof(hdr->seal_salt); i++)
		seen |= hdr->seal_salt[i];
	/* A later minor version may give them a meaning. */
	return seen == 0 || hdr->version_minor > SOJ_SHM_VERSION_MINOR;
}

void soj_fsck_header(struct soj_fsck *f, uint64_t item)
{
	const struct soj_shm_header *hdr = &f->img->hdr;
	uint64_t role;
	uint32_t holder, asleep, destroyed;

	(void)item;
	refresh_header(f);
	role = soj_load_relaxed(&hdr->role);
	holder = (uint32_t)soj_field(role, 0, 12);
	asleep = soj_load_relaxed(&hdr->helper_asleep);
	destroyed = soj_load_relaxed(&hdr->destroyed);
	if (!reserved_is_zero(hdr))
		soj_fsck_found(f, SOJ_FSCK_HEADER_RESERVED, 0, 0,
			       "bytes 104 to 127 or 152 to 191");
	if (epoch_now(f) < 2)
		soj_fsck_found(f, SOJ_FSCK_HEADER_EPOCH, 0, epoch_now(f),
			       "epoch is %" PRIu64 ", the first is 2",
			       epoch_now(f));
	if (holder >= f->lay->slots_max && holder != SOJ_SLOT_NONE)
		soj_fsck_found(f, SOJ_FSCK_HEADER_ROLE, 0, role,
			       "slot %u of %u", holder, f->lay->slots_max);
	if (asleep > 1 || destroyed > 1)
		soj_fsck_found(f, SOJ_FSCK_HEADER_WORDS, 0,
			       soj_fsck_print(asleep, destroyed),
			       "asleep is %u, destroyed is %u", asleep,
			       destroyed);
	soj_fsck_header_since(f);
}

/* ---- slots ---- */

static bool claim_ok(uint64_t claim)
{
	switch (soj_claim_phase(claim)) {
	case SOJ_CLAIM_FREE:
		return soj_claim_tid(claim) == 0 && soj_claim_pidns(claim) == 0;
	case SOJ_CLAIM_BUSY:
	case SOJ_CLAIM_HELD:
		return soj_claim_tid(claim) != 0;
	case SOJ_CLAIM_MEND:
		return soj_claim_tid(claim) != 0 || soj_claim_pidns(claim) == 0;
	default:
		return false;
	}
}

/* The header that was read first may be older than the section. */
static bool is_looked_at(struct soj_fsck *f, uint32_t idx)
{
	const soj_word_t *used = &f->img->hdr.slots_used;

	if (idx >= soj_load_relaxed(used))
		refresh_header(f);
	return idx < soj_load_relaxed(used);
}

static void check_section(struct soj_fsck *f, uint32_t idx, uint64_t section,
			  uint64_t claim)
{
	if (!(section & SOJ_SECTION_ACTIVE)) {
		if (section & SOJ_MASK(32))
			soj_fsck_found(f, SOJ_FSCK_SLOT_SECTION, 0, section,
				       "%016" PRIx64 " is not open, yet not "
				       "empty",
				       section);
		return;
	}
	if (soj_claim_phase(claim) != SOJ_CLAIM_HELD &&
	    soj_claim_phase(claim) != SOJ_CLAIM_MEND)
		soj_fsck_found(f, SOJ_FSCK_SLOT_OPEN, 0,
			       soj_fsck_print(section, claim),
			       "section %016" PRIx64 ", claim %016" PRIx64,
			       section, claim);
	if (!soj_fsck_epoch_past(f, soj_section_epoch(section), 30))
		soj_fsck_found(f, SOJ_FSCK_SLOT_EPOCH, 0, section,
			       "section of epoch %" PRIu64 ", now is %" PRIu64,
			       soj_section_epoch(section), epoch_now(f));
	if (!is_looked_at(f, idx))
		soj_fsck_found(f, SOJ_FSCK_SLOT_UNSEEN, 0, section,
			       "slot %" PRIu32 ", those before %" PRIu64
			       " are looked at",
			       idx, soj_load_relaxed(&f->img->hdr.slots_used));
}

void soj_fsck_slot(struct soj_fsck *f, uint64_t item)
{
	uint32_t idx = (uint32_t)item;
	struct soj_shm_slot *slot = &f->img->slots[idx];
	uint64_t claim, section;

	if (f->fresh && f->rc == 0)
		f->rc = soj_image_reload_slot(f->img, idx);
	claim = soj_load_relaxed(&slot->claim);
	section = soj_load_relaxed(&slot->section);
	if (!f->fresh && soj_claim_phase(claim) == SOJ_CLAIM_HELD)
		f->rep->threads++;
	if (!claim_ok(claim))
		soj_fsck_found(f, SOJ_FSCK_SLOT_CLAIM, 0, claim,
			       "claim is %016" PRIx64, claim);
	check_section(f, idx, section, claim);
	if (soj_image_slot_dead(f->img, idx))
		soj_fsck_found(f, SOJ_FSCK_SLOT_DEAD, 0, claim,
			       "claim %016" PRIx64 ", thread %u", claim,
			       soj_claim_tid(claim));
	soj_fsck_slot_since(f, idx);
}

enum soj_owner soj_fsck_owner(struct soj_fsck *f, uint32_t slot)
{
	if (slot >= f->img->hdr.slots_max)
		return SOJ_OWNER_NONE;
	/* Looked at after the word that names the slot. */
	if (f->fresh && f->rc == 0)
		f->rc = soj_image_reload_slot(f->img, slot);
	switch (soj_claim_phase(soj_load_relaxed(&f->img->slots[slot].claim))) {
	case SOJ_CLAIM_FREE:
		return SOJ_OWNER_NONE;
	case SOJ_CLAIM_BUSY: /* being adopted, */
	case SOJ_CLAIM_MEND: /* adopted: what it owned is a dead thread's */
		return SOJ_OWNER_DEAD;
	default:
		break;
	}
	return soj_image_slot_dead(f->img, slot) ? SOJ_OWNER_DEAD
						 : SOJ_OWNER_ALIVE;
}

/* ---- units ---- */

uint64_t soj_fsck_unit_word(struct soj_fsck *f, uint32_t unit)
{
	uint64_t word;

	if (!f->fresh)
		return f->units[unit];
	if (!soj_fsck_read(f, &word, 8, f->lay->units_off + 8ull * unit))
		return 0;
	return word;
}

static bool is_page(uint64_t word)
{
	return soj_unit_phase(word) == SOJ_UNIT_ACTIVE ||
	       soj_unit_phase(word) == SOJ_UNIT_DRAINING;
}

/* Fields that the phase does not use are zero, those that it uses in range. */
static bool unit_word_ok(const struct soj_fsck *f, uint32_t unit, uint64_t word)
{
	uint32_t class = soj_unit_class(word), slot = soj_unit_slot(word);
	uint32_t part = soj_unit_part(word);

	if (soj_unit_gen(word) == 0)
		return false;
	switch (soj_unit_phase(word)) {
	case SOJ_UNIT_FREE:
		return class == 0 && slot == 0 && part == 0;
	case SOJ_UNIT_OWNED:
		return class == 0 && part == 0 && slot < f->lay->slots_max;
	case SOJ_UNIT_ACTIVE:
		return class < SOJ_CLASSES && slot == 0 && part == 0;
	case SOJ_UNIT_DRAINING:
		return class < SOJ_CLASSES && slot < f->lay->slots_max &&
		       part == 0;
	case SOJ_UNIT_PART:
		return class < SOJ_CLASSES && slot == 0 && part > 0 &&
		       part <= unit &&
		       part < f->img->st.classes[class].page_units;
	default:
		return false;
	}
}

static void check_page(struct soj_fsck *f, uint32_t unit, uint64_t word)
{
	uint32_t class = soj_unit_class(word);
	uint32_t count = f->img->st.classes[class].page_units;

	if (count > f->lay->units - unit) {
		soj_fsck_found(f, SOJ_FSCK_UNIT_RANGE, 0, word,
			       "%u units of class %u from unit %u of %u", count,
			       class, unit, f->lay->units);
		return;
	}
	for (uint32_t i = 1; i < count; i++) {
		uint64_t part = soj_fsck_unit_word(f, unit + i);

		if (soj_unit_phase(part) == SOJ_UNIT_PART &&
		    soj_unit_class(part) == class && soj_unit_part(part) == i)
			continue;
		soj_fsck_found(f, SOJ_FSCK_UNIT_PAGE, i,
			       soj_fsck_print(word, part),
			       "page of class %u, but unit %u is %016" PRIx64,
			       class, unit + i, part);
	}
}

/* As repair sees it: a part is one if its first unit is a page of its class,
 * or about to become one. */
static void check_part(struct soj_fsck *f, uint32_t unit, uint64_t word)
{
	uint32_t first = unit - soj_unit_part(word);
	uint64_t head = soj_fsck_unit_word(f, first);

	if (soj_unit_phase(head) == SOJ_UNIT_OWNED ||
	    (is_page(head) && soj_unit_class(head) == soj_unit_class(word)))
		return;
	soj_fsck_found(f, SOJ_FSCK_UNIT_PART, 0, soj_fsck_print(word, head),
		       "part %u of unit %u, which is %016" PRIx64,
		       soj_unit_part(word), first, head);
}

static void check_unit_owner(struct soj_fsck *f, uint64_t word)
{
	uint32_t slot = soj_unit_slot(word);

	switch (soj_fsck_owner(f, slot)) {
	case SOJ_OWNER_ALIVE:
		break;
	case SOJ_OWNER_DEAD:
		soj_fsck_found(f, SOJ_FSCK_UNIT_OWNER, 0, word, "slot %u",
			       slot);
		break;
	case SOJ_OWNER_NONE:
		soj_fsck_found(f, SOJ_FSCK_UNIT_ORPHAN, 0, word, "slot %u",
			       slot);
	}
}

void soj_fsck_unit(struct soj_fsck *f, uint64_t item)
{
	uint32_t unit = (uint32_t)item;
	uint64_t word = soj_fsck_unit_word(f, unit);

	if (!unit_word_ok(f, unit, word)) {
		soj_fsck_found(f, SOJ_FSCK_UNIT_WORD, 0, word,
			       "unit word is %016" PRIx64, word);
		return;
	}
	soj_fsck_since(f, SOJ_GROWS_UNIT, f->lay->units_off + 8ull * unit,
		       word);
	switch (soj_unit_phase(word)) {
	case SOJ_UNIT_FREE:
		f->rep->units_free += !f->fresh;
		break;
	case SOJ_UNIT_OWNED:
		check_unit_owner(f, word);
		break;
	case SOJ_UNIT_DRAINING:
		check_unit_owner(f, word);
		check_page(f, unit, word);
		break;
	case SOJ_UNIT_ACTIVE:
		check_page(f, unit, word);
		break;
	case SOJ_UNIT_PART:
		check_part(f, unit, word);
	}
}

/* ---- hints ---- */

struct bitmap {
	const char *name;
	uint64_t off;
	uint64_t first; /* bits [first, end) may be set */
	uint64_t end;
};

static struct bitmap bitmap_at(const struct soj_layout *lay, uint32_t i)
{
	const uint64_t entries = lay->entries_max + 1ull;
	const uint64_t leaves = lay->entry_hint_words;
	const struct bitmap all[SOJ_FSCK_BITMAPS] = {
		{"free entries", lay->entry_free_off, 1, entries},
		{"units", lay->unit_free_off, 0, lay->units},
		{"armed", lay->armed_off, 1, entries},
		{"armed summary", lay->armed_summary_off, 0, leaves},
		{"ended", lay->ended_off, 1, entries},
		{"ended summary", lay->ended_summary_off, 0, leaves},
	};

	return all[i];
}

/* Only the first and the last word have bits that mean nothing.  (Those of
 * free chunks have none: a unit's slots are a multiple of 64.) */
void soj_fsck_hints(struct soj_fsck *f, uint64_t item)
{
	struct bitmap map = bitmap_at(f->lay, (uint32_t)item);
	const uint64_t last = (map.end - 1) / 64;
	const uint64_t ends[2] = {0, last};

	for (unsigned i = 0; i < 2; i++) {
		uint64_t at = ends[i], valid = UINT64_MAX, word;

		if (i == 1 && last == 0)
			break;
		if (at == 0)
			valid &= UINT64_MAX << map.first;
		if (at == last && map.end % 64)
			valid &= SOJ_MASK(map.end % 64);
		word = soj_fsck_word_at(f, &f->hints, map.off + 8 * at);
		if (word & ~valid)
			soj_fsck_found(f, SOJ_FSCK_HINT_RANGE, at,
				       word & ~valid, "%s: %016" PRIx64,
				       map.name, word & ~valid);
	}
}
