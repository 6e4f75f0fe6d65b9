/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_LIB_FSCK_H
#define SOJ_TOOLS_LIB_FSCK_H

/*
 * Every invariant of a segment, checked from outside and changing nothing.
 *
 * Two severities.  REPAIRABLE: a process that was killed or stopped may leave
 * it, and upkeep takes it away.  CORRUPT: no interleaving of correct code and
 * no kill leads there.
 *
 * Time is linear in the segment; memory is two bits an entry, one a chunk and
 * a chain, and one word a unit.  All loops are bounded by the geometry, which is
 * bounded by the format.
 */

#include "lib_image.h"

#define SOJ_FSCK_CODES(X)                                                      \
	X(IMAGE_READ, CORRUPT, "image.read", "a part cannot be read")          \
	X(HEADER_SHORT, CORRUPT, "header.short", "shorter than a header")      \
	X(HEADER_MAGIC, CORRUPT, "header.magic", "not a segment")              \
	X(HEADER_VERSION, CORRUPT, "header.version", "another format version") \
	X(HEADER_LAYOUT, CORRUPT, "header.layout", "other sizes of types")     \
	X(HEADER_FLAGS, CORRUPT, "header.flags", "unknown flags")              \
	X(HEADER_GEOMETRY, CORRUPT, "header.geometry", "impossible counts")    \
	X(HEADER_SIZE, CORRUPT, "header.size", "size is not the geometry's")   \
	X(HEADER_POLICY, CORRUPT, "header.policy", "a period out of range")    \
	X(HEADER_RESERVED, CORRUPT, "header.reserved", "reserved byte set")    \
	X(HEADER_EPOCH, CORRUPT, "header.epoch", "epoch below the first")      \
	X(HEADER_ROLE, CORRUPT, "header.role", "helper's slot out of range")   \
	X(HEADER_WORDS, CORRUPT, "header.words", "a flag is neither 0 nor 1")  \
	X(SLOT_CLAIM, CORRUPT, "slot.claim", "malformed claim word")           \
	X(SLOT_SECTION, CORRUPT, "slot.section", "malformed section word")     \
	X(SLOT_EPOCH, CORRUPT, "slot.epoch", "section of a future epoch")      \
	X(SLOT_UNSEEN, CORRUPT, "slot.unseen", "section nobody would look at") \
	X(SLOT_OPEN, REPAIRABLE, "slot.open", "section of nobody")             \
	X(SLOT_DEAD, REPAIRABLE, "slot.dead", "held by a dead thread")         \
	X(UNIT_WORD, CORRUPT, "unit.word", "malformed unit word")              \
	X(UNIT_RANGE, CORRUPT, "unit.range", "page leaves the area")           \
	X(UNIT_PAGE, CORRUPT, "unit.page", "page without one of its units")    \
	X(UNIT_PART, REPAIRABLE, "unit.part", "part of no page")               \
	X(UNIT_OWNER, REPAIRABLE, "unit.owner", "owned by a dead thread")      \
	X(UNIT_ORPHAN, CORRUPT, "unit.orphan", "owned by a slot of nobody")    \
	X(UNIT_DIRTY, CORRUPT, "unit.dirty", "unused memory is not zero")      \
	X(CHUNK_STATE, CORRUPT, "chunk.state", "malformed state word")         \
	X(CHUNK_STAMP, CORRUPT, "chunk.stamp", "retired in the future")        \
	X(CHUNK_PLACE, CORRUPT, "chunk.place", "in use where no chunk is")     \
	X(CHUNK_OWNER, REPAIRABLE, "chunk.owner", "owned by a dead thread")    \
	X(CHUNK_ORPHAN, CORRUPT, "chunk.orphan", "owned by a slot of nobody")  \
	X(CHUNK_DIRTY, CORRUPT, "chunk.dirty", "free, but not zero")           \
	X(CHUNK_LENGTH, CORRUPT, "chunk.length", "lengths do not fit")         \
	X(CHUNK_ENTRY, CORRUPT, "chunk.entry", "back reference out of range")  \
	X(CHUNK_LEAK, REPAIRABLE, "chunk.leak", "in use, but no entry's")      \
	X(ENTRY_STATE, CORRUPT, "entry.state", "malformed state word")         \
	X(ENTRY_STAMP, CORRUPT, "entry.stamp", "retired in the future")        \
	X(ENTRY_ZERO, CORRUPT, "entry.zero", "entry 0 is in use")              \
	X(ENTRY_DIRTY, CORRUPT, "entry.dirty", "free, but not clean")          \
	X(ENTRY_OWNER, REPAIRABLE, "entry.owner", "owned by a dead thread")    \
	X(ENTRY_ORPHAN, CORRUPT, "entry.orphan", "owned by a slot of nobody")  \
	X(ENTRY_STATUS, CORRUPT, "entry.status", "status is none or unknown")  \
	X(ENTRY_GENERATION, CORRUPT, "entry.generation",                       \
	  "life or renew of another generation")                               \
	X(ENTRY_RENEWER, CORRUPT, "entry.renewer",                             \
	  "renewal flag of a slot out of range")                               \
	X(ENTRY_UNINDEXED, CORRUPT, "entry.unindexed", "not in the id index")  \
	X(ENTRY_UNCHAINED, CORRUPT, "entry.unchained",                         \
	  "not in its subject's chain")                                        \
	X(ENTRY_CHUNK, CORRUPT, "entry.chunk", "names no chunk in use")        \
	X(ENTRY_BACKREF, CORRUPT, "entry.backref", "its chunk is another's")   \
	X(ENTRY_LENGTH, CORRUPT, "entry.length",                               \
	  "its chunk's lengths are off")                                       \
	X(ENTRY_RECORD, CORRUPT, "entry.record",                               \
	  "renewed, without a record that leads on")                           \
	X(ENTRY_SUCCESSOR, CORRUPT, "entry.successor",                         \
	  "its successor is not there")                                        \
	X(ENTRY_SEAL, CORRUPT, "entry.seal", "its sealed value does not open") \
	X(INDEX_RANGE, CORRUPT, "index.range", "place names no entry")         \
	X(INDEX_EMPTY, CORRUPT, "index.empty", "empty place committed")        \
	X(INDEX_STALE, CORRUPT, "index.stale",                                 \
	  "place of an entry that was freed or reused")                        \
	X(INDEX_FOREIGN, CORRUPT, "index.foreign",                             \
	  "digest of another bucket or tag")                                   \
	X(INDEX_TWICE, CORRUPT, "index.twice", "entry committed twice")        \
	X(INDEX_TWINS, CORRUPT, "index.twins", "two entries of one digest")    \
	X(INDEX_ENDED, REPAIRABLE, "index.ended", "ended, still committed")    \
	X(INDEX_LEFTOVER, REPAIRABLE, "index.leftover",                        \
	  "place that nobody is about to commit")                              \
	X(CHAIN_HEAD, CORRUPT, "chain.head", "head is marked")                 \
	X(CHAIN_RANGE, CORRUPT, "chain.range", "link to no entry")             \
	X(CHAIN_CYCLE, CORRUPT, "chain.cycle", "comes back to itself")         \
	X(CHAIN_FOREIGN, CORRUPT, "chain.foreign", "subject of another chain") \
	X(CHAIN_FREED, CORRUPT, "chain.freed", "leads to a freed entry")       \
	X(CHAIN_MARKED, REPAIRABLE, "chain.marked", "marked, still linked")    \
	X(CHAIN_LOST, CORRUPT, "chain.lost", "marked, but not ended")          \
	X(HINT_RANGE, CORRUPT, "hint.range", "hint of something that is not")  \
	X(EVENT_PLACE, CORRUPT, "event.place", "number or entry not of here")  \
	X(EVENT_GAP, CORRUPT, "event.gap", "a number was left out")            \
	X(EVENT_ROUND, CORRUPT, "event.round", "payload of another round")     \
	X(EVENT_TYPE, CORRUPT, "event.type", "unknown type")                   \
	X(EVENT_HINT, CORRUPT, "event.hint", "next number beyond a free one")  \
	X(EVENT_TOLD, CORRUPT, "event.told", "entry told of what is not")      \
	X(EVENT_HALF, REPAIRABLE, "event.half", "not complete")                \
	X(EVENT_UNTOLD, REPAIRABLE, "event.untold", "entry not told of")       \
	X(SUM_MADE, CORRUPT, "sum.made", "more counted than were ever taken")  \
	X(SUM_ENDED, CORRUPT, "sum.ended",                                     \
	  "more ends counted than there were")                                 \
	X(SINCE_EPOCH, CORRUPT, "since.epoch", "went back")                    \
	X(SINCE_COUNT, CORRUPT, "since.count", "a counter went back")          \
	X(SINCE_GENERATION, CORRUPT, "since.generation", "went back")          \
	X(SINCE_VERSION, CORRUPT, "since.version", "went back")

enum soj_fsck_severity { SOJ_FSCK_REPAIRABLE, SOJ_FSCK_CORRUPT };

enum soj_fsck_code {
#define X(code, severity, name, help) SOJ_FSCK_##code,
	SOJ_FSCK_CODES(X)
#undef X
		SOJ_FSCK_CODES_USED
};

struct soj_fsck_kind {
	enum soj_fsck_severity severity;
	const char *name; /* "index.twice" */
	const char *help;
};

extern const struct soj_fsck_kind soj_fsck_kinds[SOJ_FSCK_CODES_USED];

/* So many of each code are listed; all are counted. */
#define SOJ_FSCK_LISTED 50u

struct soj_fsck_finding {
	enum soj_fsck_code code;
	char place[48];  /* "bucket 4 place 3" */
	char words[160]; /* what is there; never a value or a whole digest */
};

struct soj_fsck_report {
	uint64_t repairable; /* findings */
	uint64_t corrupt;
	uint64_t count[SOJ_FSCK_CODES_USED];
	/* Online: looked wrong, but was too much to look at again; of either
	 * severity. */
	uint64_t unsettled;
	uint32_t listed;
	struct soj_fsck_finding *list;
	/* Of the earlier copy, no finding: 0; -EXDEV (of another segment, or
	 * of none: nothing was compared); -errno (from some point on it could
	 * not be read; -ENODATA: it ends there). */
	int before_rc;

	/* Not findings: what a segment in use looks like. */
	uint64_t entries[4]; /* by phase; of chunks, those of pages */
	uint64_t chunks[4];
	uint64_t units_free;
	uint64_t ended;            /* LIVE, but ended: upkeep unlinks them */
	uint64_t entries_unhinted; /* FREE without a hint, or in a magazine */
	uint64_t chunks_unhinted;
	uint32_t threads;

	/* The sums: lib_fsck_sum.c. */
	uint64_t counted_made, counted_ended; /* by threads */
	uint64_t made, over;                  /* as the states have it */
};

/*
 * Checks all of an image.  Fills *rep, which soj_fsck_free() empties.
 *
 * With a key (img->st.vault) every sealed value is opened.
 *
 * online: others may be changing it.  A finding then counts only if the same
 * words stand there, wrong in the same way, each time they are read again over
 * a tenth of a second.
 *
 * Returns 0 when it looked at everything that could be looked at (an image
 * that is no segment at all is one finding), -ENOMEM, or -errno when reading
 * failed for a reason that is not in the image.
 */
int soj_fsck(struct soj_image *img, struct soj_fsck_report *rep, bool online);
/*
 * And that no number went back since *before, an earlier copy of the same
 * segment, made at any time and even while others worked on it; its values are
 * not looked at.  NULL: there is none.  If it is not that, or cannot be read,
 * rep->before_rc says so, and all else is checked.
 */
int soj_fsck_after(struct soj_image *img, struct soj_image *before,
		   struct soj_fsck_report *rep, bool online);
/* Writes such a copy without values of a loaded image to an empty file: 0,
 * -errno. */
int soj_fsck_save(const struct soj_image *img, int fd);
void soj_fsck_free(struct soj_fsck_report *rep);

/* 0 clean, 1 repairable or unsettled (look again), 4 corrupt. */
int soj_fsck_exit(const struct soj_fsck_report *rep);

#endif /* SOJ_TOOLS_LIB_FSCK_H */
