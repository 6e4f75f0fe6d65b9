/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SHM_WORDS_H
#define SOJ_SHM_WORDS_H

/*
 * Layer 1.  How the 64-bit words of the segment are packed.  Part of the
 * format: a change here is a change of SOJ_SHM_VERSION_MAJOR.
 *
 *   word      fields, from bit 0                           who decides by CAS
 *   state     phase 3 | owner slot or epoch 24 | gen 37    own, retire, reclaim
 *   ctl       status 4 | chunk 28 | version 32             every change of value
 *   life      generation 22 | expired 1 | accessed 41      touch, expire
 *   renew     generation 22 | slot 12 | lease tick 30      the renewal flag
 *   link      mark 1 | entry 26 | version 37               subject chain, heads
 *   place     entry 26 | generation 22 | tag 16            reserve, clear
 *   hint      0 26 | lines 4 | word 31                     a place's chunk
 *   bucket    committed 15 | version 49                    insert, remove
 *   claim     phase 2 | gen 20 | pid namespace 20 | tid 22 thread slot
 *   section   active 1 | expelled 1 | epoch 30 | seq 32    enter, exit, expel
 *   unit      phase 3 | class 8 | slot 12 | part 5 | gen 36  page of chunks
 *   role      slot 12 | claim gen 20 | term 32             helper role
 *   lock      slot 12 | waited 1 | count 24 | until 27     session lock
 *   told      stage 2 | generation 22 | seq 40             events of an entry
 *   event     entry 26 | seq 38                            place in the ring
 *   payload   tag 16 | value 48                            event payload
 *   intent    entry 26 | generation 22 | exclusive 1       slot, store/cap.c
 *
 * Versions and generations are never reset, and survive reuse of what they
 * count.  A thread stopped before its CAS is caught unless exactly a multiple
 * of 2^32 changes (ctl) or 2^22 reuses (references) happened to that one
 * entry meanwhile: 4 million logins on one entry, to the same phase.
 */

#include <stdbool.h>

#include "base/bits.h"
#include "shm/format.h"

/* ---- state: entries and chunks ---- */
enum soj_phase {
	SOJ_FREE = 0,
	SOJ_OWNED = 1,   /* aux: slot index of the one thread that may write */
	SOJ_LIVE = 2,    /* aux: 0 */
	SOJ_RETIRED = 3, /* aux: low bits of the epoch */
};

#define SOJ_AUX_BITS 24u
#define SOJ_GEN_BITS 37u

static inline uint64_t soj_state(enum soj_phase phase, uint64_t aux,
				 uint64_t gen)
{
	return (uint64_t)phase | (aux & SOJ_MASK(SOJ_AUX_BITS)) << 3 |
	       (gen & SOJ_MASK(SOJ_GEN_BITS)) << 27;
}

static inline enum soj_phase soj_state_phase(uint64_t w)
{
	return (enum soj_phase)soj_field(w, 0, 3);
}

static inline uint32_t soj_state_aux(uint64_t w)
{
	return (uint32_t)soj_field(w, 3, SOJ_AUX_BITS);
}

static inline uint64_t soj_state_gen(uint64_t w)
{
	return soj_field(w, 27, SOJ_GEN_BITS);
}

/* ---- ctl ---- */
enum soj_status {
	SOJ_NONE = 0,
	SOJ_ACTIVE = 1,  /* "live" in DESIGN; not to mix up with SOJ_LIVE */
	SOJ_RENEWED = 2, /* answers until its record's grace window ends */
	/* ended, by reason */
	SOJ_ENDED_DELETED = 3,    /* a caller, this session */
	SOJ_ENDED_SUBJECT = 4,    /* a caller, all of the subject */
	SOJ_ENDED_CAP = 5,        /* too many sessions of the subject */
	SOJ_ENDED_EXCLUSIVE = 6,  /* a newer exclusive login */
	SOJ_ENDED_EXPIRED = 7,    /* ttl or maximum lifetime */
	SOJ_ENDED_IDLE = 8,       /* idle timeout */
	SOJ_ENDED_GRACE = 9,      /* renewed, and the grace window is over */
	SOJ_ENDED_EVICTED = 10,   /* memory pressure */
	SOJ_ENDED_WITHDRAWN = 11, /* never acknowledged to anyone */
	SOJ_ENDED_REPLACED = 12,  /* put again under the same key */
	SOJ_ENDED_CLEARED = 13,   /* its collection was cleared */
	SOJ_ENDED_REUSED = 14,    /* a token rotated away was used again */
	SOJ_ENDED_DAMAGED = 15,   /* its seal did not fit */
};

#define SOJ_CHUNK_NONE ((UINT32_C(1) << 28) - 1)

static inline uint64_t soj_ctl(enum soj_status status, uint32_t chunk,
			       uint32_t version)
{
	return (uint64_t)status | (uint64_t)chunk << 4 |
	       (uint64_t)version << 32;
}

static inline enum soj_status soj_ctl_status(uint64_t w)
{
	return (enum soj_status)soj_field(w, 0, 4);
}

static inline uint32_t soj_ctl_chunk(uint64_t w)
{
	return (uint32_t)soj_field(w, 4, 28);
}

static inline uint32_t soj_ctl_version(uint64_t w)
{
	return (uint32_t)(w >> 32);
}

/* The word that follows `w`: next version, given status and chunk. */
static inline uint64_t soj_ctl_next(uint64_t w, enum soj_status status,
				    uint32_t chunk)
{
	return soj_ctl(status, chunk, soj_ctl_version(w) + 1);
}

static inline bool soj_ctl_ended(uint64_t w)
{
	return soj_ctl_status(w) >= SOJ_ENDED_DELETED;
}

static inline bool soj_ctl_readable(uint64_t w)
{
	return soj_ctl_status(w) == SOJ_ACTIVE ||
	       soj_ctl_status(w) == SOJ_RENEWED;
}

/* Reasons that mean the login, and so go down the line of successors. */
static inline bool soj_status_ends_line(enum soj_status s)
{
	return (s >= SOJ_ENDED_DELETED && s <= SOJ_ENDED_EXCLUSIVE) ||
	       s == SOJ_ENDED_CLEARED;
}

/* ---- references to entries: index and low bits of the generation ---- */
#define SOJ_ENTRY_BITS  26u
#define SOJ_REFGEN_BITS 22u

static inline uint64_t soj_ref(uint32_t entry, uint64_t gen)
{
	return entry | (gen & SOJ_MASK(SOJ_REFGEN_BITS)) << 26;
}

static inline uint32_t soj_ref_entry(uint64_t w)
{
	return (uint32_t)soj_field(w, 0, SOJ_ENTRY_BITS);
}

static inline uint32_t soj_ref_gen(uint64_t w)
{
	return (uint32_t)soj_field(w, 26, SOJ_REFGEN_BITS);
}

/* ---- life ---- */
#define SOJ_LIFE_EXPIRED (UINT64_C(1) << 22)
#define SOJ_TIME_BITS    41u

static inline uint64_t soj_life(uint64_t gen, uint64_t accessed_ms)
{
	return (gen & SOJ_MASK(SOJ_REFGEN_BITS)) |
	       (accessed_ms & SOJ_MASK(SOJ_TIME_BITS)) << 23;
}

static inline uint32_t soj_life_gen(uint64_t w)
{
	return (uint32_t)soj_field(w, 0, SOJ_REFGEN_BITS);
}

static inline uint64_t soj_life_accessed_ms(uint64_t w)
{
	return soj_field(w, 23, SOJ_TIME_BITS);
}

/* ---- renew ---- */
#define SOJ_LEASE_TICK_MS 256u
#define SOJ_SLOT_NONE     0xfffu

static inline uint64_t soj_renew(uint64_t gen, uint32_t slot,
				 uint64_t lease_tick)
{
	return (gen & SOJ_MASK(SOJ_REFGEN_BITS)) | (uint64_t)slot << 22 |
	       (lease_tick & SOJ_MASK(30)) << 34;
}

/* Nobody ever had the flag of that entry; and given back, it never says so
 * again. */
static inline uint64_t soj_renew_never(uint64_t gen)
{
	return soj_renew(gen, SOJ_SLOT_NONE, 0);
}

static inline uint64_t soj_renew_dropped(uint64_t gen)
{
	return soj_renew(gen, SOJ_SLOT_NONE, 1);
}

static inline uint32_t soj_renew_gen(uint64_t w)
{
	return (uint32_t)soj_field(w, 0, SOJ_REFGEN_BITS);
}

static inline uint32_t soj_renew_slot(uint64_t w)
{
	return (uint32_t)soj_field(w, 22, 12);
}

static inline uint64_t soj_renew_lease_tick(uint64_t w)
{
	return soj_field(w, 34, 30);
}

/* ---- link and chain heads ---- */
#define SOJ_LINK_MARK UINT64_C(1)

static inline uint64_t soj_link(uint32_t entry, uint64_t version, bool mark)
{
	return (uint64_t)mark | (uint64_t)entry << 1 | version << 27;
}

static inline uint32_t soj_link_entry(uint64_t w)
{
	return (uint32_t)soj_field(w, 1, SOJ_ENTRY_BITS);
}

static inline uint64_t soj_link_version(uint64_t w)
{
	return w >> 27;
}

/* ---- index ---- */
static inline uint64_t soj_place(uint64_t ref, uint32_t tag)
{
	return ref | (uint64_t)tag << 48;
}

static inline uint64_t soj_place_ref(uint64_t w)
{
	return soj_field(w, 0, 48);
}

static inline uint32_t soj_place_tag(uint64_t w)
{
	return (uint32_t)(w >> 48);
}

/* It names no entry: nobody's, though a hint may lie there. */
static inline bool soj_place_empty(uint64_t w)
{
	return soj_field(w, 0, SOJ_ENTRY_BITS) == 0;
}

/*
 * In an empty place: where in the chunk area the chunk of another place begins,
 * in words of eight bytes, and how many cache lines its value takes, so that a
 * read can have them on their way, and work out whose that chunk is, before it
 * knows what ctl says.
 */
#define SOJ_HINT_LINES_MAX 15u
#define SOJ_HINT_WORD_BITS 31u

static inline uint64_t soj_hint(uint64_t first_word, uint64_t lines)
{
	return soj_min(lines, SOJ_HINT_LINES_MAX) << SOJ_ENTRY_BITS |
	       (first_word & SOJ_MASK(SOJ_HINT_WORD_BITS))
		       << (SOJ_ENTRY_BITS + 4);
}

static inline uint32_t soj_hint_lines(uint64_t w)
{
	return (uint32_t)soj_field(w, SOJ_ENTRY_BITS, 4);
}

static inline uint32_t soj_hint_word(uint64_t w)
{
	return (uint32_t)soj_field(w, SOJ_ENTRY_BITS + 4, SOJ_HINT_WORD_BITS);
}

#define SOJ_BUCKET_BITS SOJ_MASK(SOJ_BUCKET_PLACES)

static inline uint64_t soj_bucket_next(uint64_t header, uint64_t committed)
{
	return ((header >> SOJ_BUCKET_PLACES) + 1) << SOJ_BUCKET_PLACES |
	       committed;
}

/* ---- thread slots ---- */
enum soj_claim_phase {
	SOJ_CLAIM_FREE = 0,
	SOJ_CLAIM_BUSY = 1, /* being claimed or released: hands off the mutex */
	SOJ_CLAIM_HELD = 2,
	/* As HELD, and what names the slot is still its last holder's; with
	 * thread 0: nobody's who lives. */
	SOJ_CLAIM_MEND = 3,
};

static inline uint64_t soj_claim(enum soj_claim_phase phase, uint32_t gen,
				 uint32_t pidns, uint32_t tid)
{
	return (uint64_t)phase | (uint64_t)(gen & SOJ_MASK(20)) << 2 |
	       (uint64_t)(pidns & SOJ_MASK(20)) << 22 |
	       (uint64_t)(tid & SOJ_MASK(22)) << 42;
}

static inline enum soj_claim_phase soj_claim_phase(uint64_t w)
{
	return (enum soj_claim_phase)soj_field(w, 0, 2);
}

static inline uint32_t soj_claim_gen(uint64_t w)
{
	return (uint32_t)soj_field(w, 2, 20);
}

static inline uint32_t soj_claim_pidns(uint64_t w)
{
	return (uint32_t)soj_field(w, 22, 20);
}

static inline uint32_t soj_claim_tid(uint64_t w)
{
	return (uint32_t)soj_field(w, 42, 22);
}

#define SOJ_SECTION_ACTIVE   UINT64_C(1)
#define SOJ_SECTION_EXPELLED UINT64_C(2)

static inline uint64_t soj_section(uint64_t epoch, uint32_t seq)
{
	return SOJ_SECTION_ACTIVE | (epoch & SOJ_MASK(30)) << 2 |
	       (uint64_t)seq << 32;
}

static inline uint64_t soj_section_epoch(uint64_t w)
{
	return soj_field(w, 2, 30);
}

static inline uint64_t soj_role(uint32_t slot, uint32_t claim_gen,
				uint32_t term)
{
	return slot | (uint64_t)(claim_gen & SOJ_MASK(20)) << 12 |
	       (uint64_t)term << 32;
}

/* ---- intent: the login for which others are to be ended; 0: none ---- */
static inline uint64_t soj_intent(uint64_t ref, bool exclusive)
{
	return ref | (uint64_t)exclusive << 48;
}

static inline uint64_t soj_intent_ref(uint64_t w)
{
	return soj_field(w, 0, 48);
}

static inline bool soj_intent_exclusive(uint64_t w)
{
	return soj_field(w, 48, 1);
}

/* ---- lock ---- */
#define SOJ_LOCK_TICK_MS 256u
/* That a lock is held for. */
#define SOJ_HOLD_MAX_MS UINT64_C(86400000)
#define SOJ_LOCK_WAITED (UINT64_C(1) << 12)

/* slot: SOJ_SLOT_NONE, it is free.  until_tick: 0, until it is given back. */
static inline uint64_t soj_lock(uint32_t slot, uint64_t count,
				uint64_t until_tick)
{
	return slot | (count & SOJ_MASK(24)) << 13 |
	       (until_tick & SOJ_MASK(27)) << 37;
}

static inline uint32_t soj_lock_slot(uint64_t w)
{
	return (uint32_t)soj_field(w, 0, 12);
}

static inline uint64_t soj_lock_count(uint64_t w)
{
	return soj_field(w, 13, 24);
}

static inline uint64_t soj_lock_until_tick(uint64_t w)
{
	return soj_field(w, 37, 27);
}

/* ---- events ---- */

/* What has been told of an entry: nothing, that it was made, that it ended.
 * seq: where the next one is being put, or the last one is. */
enum soj_told { SOJ_TOLD_NOTHING, SOJ_TOLD_MADE, SOJ_TOLD_ENDED };

static inline uint64_t soj_told(enum soj_told stage, uint64_t gen, uint64_t seq)
{
	return (uint64_t)stage | (gen & SOJ_MASK(SOJ_REFGEN_BITS)) << 2 |
	       (seq & SOJ_MASK(40)) << 24;
}

static inline enum soj_told soj_told_stage(uint64_t w)
{
	return (enum soj_told)soj_field(w, 0, 2);
}

static inline uint32_t soj_told_gen(uint64_t w)
{
	return (uint32_t)soj_field(w, 2, SOJ_REFGEN_BITS);
}

static inline uint64_t soj_told_seq(uint64_t w)
{
	return w >> 24;
}

/* seq counts from 1; entry 0: an event about no entry.  After the last one,
 * which comes in years, or in a header that somebody spoilt, none is told. */
#define SOJ_EVENT_SEQ_MAX SOJ_MASK(38)

static inline uint64_t soj_event(uint64_t seq, uint32_t entry)
{
	return entry | seq << 26;
}

static inline uint32_t soj_event_entry(uint64_t w)
{
	return (uint32_t)soj_field(w, 0, SOJ_ENTRY_BITS);
}

static inline uint64_t soj_event_seq(uint64_t w)
{
	return w >> 26;
}

/* ---- units: pages of chunks ---- */
enum soj_unit_phase {
	SOJ_UNIT_FREE = 0,
	SOJ_UNIT_OWNED = 1,    /* by slot, on its way to a page */
	SOJ_UNIT_ACTIVE = 2,   /* first unit of a page of `class` */
	SOJ_UNIT_PART = 3,     /* `part` units behind its first unit */
	SOJ_UNIT_DRAINING = 4, /* ACTIVE, and slot is moving its chunks away */
};

static inline uint64_t soj_unit(enum soj_unit_phase phase, uint32_t class,
				uint32_t slot, uint32_t part, uint64_t gen)
{
	return (uint64_t)phase | (uint64_t) class << 3 | (uint64_t)slot << 11 |
	       (uint64_t)part << 23 | gen << 28;
}

static inline enum soj_unit_phase soj_unit_phase(uint64_t w)
{
	return (enum soj_unit_phase)soj_field(w, 0, 3);
}

static inline uint32_t soj_unit_class(uint64_t w)
{
	return (uint32_t)soj_field(w, 3, 8);
}

static inline uint32_t soj_unit_slot(uint64_t w)
{
	return (uint32_t)soj_field(w, 11, 12);
}

static inline uint32_t soj_unit_part(uint64_t w)
{
	return (uint32_t)soj_field(w, 23, 5);
}

static inline uint64_t soj_unit_gen(uint64_t w)
{
	return w >> 28;
}

/* ---- chunk numbers and heads ---- */
static inline uint32_t soj_chunk(uint32_t unit, uint32_t slot)
{
	return unit << 11 | slot;
}

static inline uint32_t soj_chunk_unit(uint32_t chunk)
{
	return chunk >> 11;
}

static inline uint32_t soj_chunk_slot(uint32_t chunk)
{
	return chunk & 0x7ff;
}

/* Head word 0: data 24 | subject 10 | metadata 16 | record 14, in bytes. */
static inline uint64_t soj_chunk_head0(uint32_t data_bytes,
				       uint32_t subject_bytes,
				       uint32_t meta_bytes,
				       uint32_t record_bytes)
{
	return (uint64_t)data_bytes | (uint64_t)subject_bytes << 24 |
	       (uint64_t)meta_bytes << 34 | (uint64_t)record_bytes << 50;
}

static inline uint32_t soj_head_data_bytes(uint64_t w)
{
	return (uint32_t)soj_field(w, 0, 24);
}

static inline uint32_t soj_head_subject_bytes(uint64_t w)
{
	return (uint32_t)soj_field(w, 24, 10);
}

static inline uint32_t soj_head_meta_bytes(uint64_t w)
{
	return (uint32_t)soj_field(w, 34, 16);
}

static inline uint32_t soj_head_record_bytes(uint64_t w)
{
	return (uint32_t)soj_field(w, 50, 14);
}

/* Head word 1: back reference to the entry 26 | user version 38. */
static inline uint64_t soj_chunk_head1(uint32_t entry, uint64_t version)
{
	return entry | version << 26;
}

static inline uint32_t soj_head_entry(uint64_t w)
{
	return (uint32_t)soj_field(w, 0, SOJ_ENTRY_BITS);
}

static inline uint64_t soj_head_version(uint64_t w)
{
	return w >> 26;
}

/*
 * ---- entry.misc: collection 8 | renewals 14 | keyed 1 | maximum 41 ----
 * renewals stay at their maximum; maximum: the latest time that renewals can
 * reach, 0: none.  Keyed: the id is a caller's key.
 */
#define SOJ_RENEWALS_MAX 0x3fffu

static inline uint64_t soj_misc(uint32_t collection, uint32_t renewals,
				bool keyed, uint64_t expires_max_ms)
{
	return (uint64_t)(collection & 0xff) |
	       soj_min(renewals, SOJ_RENEWALS_MAX) << 8 |
	       (uint64_t)keyed << 22 | expires_max_ms << 23;
}

static inline uint32_t soj_misc_collection(uint64_t w)
{
	return (uint32_t)soj_field(w, 0, 8);
}

static inline uint32_t soj_misc_renewals(uint64_t w)
{
	return (uint32_t)soj_field(w, 8, 14);
}

static inline bool soj_misc_keyed(uint64_t w)
{
	return soj_field(w, 22, 1);
}

static inline uint64_t soj_misc_expires_max_ms(uint64_t w)
{
	return w >> 23;
}

#endif /* SOJ_SHM_WORDS_H */
