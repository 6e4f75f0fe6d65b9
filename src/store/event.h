/* SPDX-License-Identifier: MIT */
#ifndef SOJ_STORE_EVENT_H
#define SOJ_STORE_EVENT_H

/*
 * Layer 3.  The event ring: who did what, for all processes.  The protocol is
 * in store/event.c.
 *
 * All calls do nothing, and say that nothing is left to do, when the segment
 * has no ring or the collection is quiet.
 */

#include "store/store.h"

/* X(NAME, name, what `detail` is) */
#define SOJ_EVENT_TYPES(X)                                              \
	X(NONE, "none", "")                                             \
	X(CREATED, "created", "")                                       \
	X(RENEWED, "renewed", "the entry that it replaces")             \
	X(UPDATED, "updated", "version of the data")                    \
	X(ENDED, "ended", "")                                           \
	X(MISMATCH, "mismatch", "what differs, by bits")                \
	X(VETOED, "vetoed", "")                                         \
	X(INVALID, "invalid", "")                                       \
	X(OVER_CAP, "over_cap", "the cap")                              \
	X(REUSED, "reused", "")                                         \
	X(LOCK_RECOVERED, "lock_recovered", "slot that had the lock")   \
	X(CLEARED, "cleared", "how many ended")                         \
	X(TOKEN_REVOKED, "token_revoked", "")                           \
	X(TOKENS_REVOKED, "tokens_revoked", "issued before: Unix time") \
	X(TOKEN_RESTRICTED, "token_restricted", "")                     \
	X(TOKENS_RESTRICTED, "tokens_restricted", "")                   \
	X(LOST, "lost", "")

enum soj_event_type {
#define X(name, text, detail) SOJ_EVENT_##name,
	SOJ_EVENT_TYPES(X)
#undef X
		SOJ_EVENT_TYPES_USED
};

/* What the thread that did it was about; in struct soj_worker.  X(NAME, name) */
#define SOJ_SOURCES(X)                      \
	X(NONE, "unknown")                  \
	X(CREATE, "create")                 \
	X(READ, "read")                     \
	X(UPDATE, "update")                 \
	X(RENEW, "renew")                   \
	X(DELETE, "delete")                 \
	X(DELETE_SUBJECT, "delete_subject") \
	X(LIST, "list")                     \
	X(PUT, "put")                       \
	X(CLEAR, "clear")                   \
	X(LOCK, "lock")                     \
	X(REMEMBER, "remember")             \
	X(CSRF, "csrf")                     \
	X(TOKEN, "token")                   \
	X(HELPER, "helper")                 \
	X(UPKEEP, "upkeep")                 \
	X(PRUNE, "prune")

enum soj_source {
#define X(name, text) SOJ_SOURCE_##name,
	SOJ_SOURCES(X)
#undef X
		SOJ_SOURCES_USED
};

/* Where the parts of payload word 0 begin; type is at 0. */
enum {
	WHAT_STATUS = 6,
	WHAT_SOURCE = 11,
	WHAT_COLLECTION = 16,
	WHAT_HELPED = 22,
	WHAT_PID = 23,
	WHAT_TOLD = 45, /* the entry does not count on the record any more */
};

/* What an event says; soj_event_about() fills most of it. */
struct soj_event_what {
	enum soj_event_type type;
	enum soj_status status; /* SOJ_ENDED_* where there is one */
	uint32_t collection;
	uint64_t ref; /* the entry it is about; 0: none */
	struct soj_digest digest, subject;
	uint64_t detail[2]; /* 48 bits each */
};

/* An event as it is read. */
struct soj_event {
	uint64_t seq;
	enum soj_event_type type;
	enum soj_status status;
	enum soj_source source;
	uint32_t collection;
	uint32_t pid; /* of who wrote it */
	bool helped;  /* who did it was gone: pid and source are a helper's */
	uint64_t time_ms;
	uint64_t ref;
	uint64_t digest48;  /* low bits of the digest's second word */
	uint64_t subject48; /* low bits of the subject digest's first word */
	uint64_t detail[2];
};

/* For who wants to know what his thread ends: right before the CAS, and right
 * after it if it succeeded. */
struct soj_end_watch {
	void (*before)(struct soj_worker *w, uint64_t ref,
		       enum soj_status reason);
	void (*after)(struct soj_worker *w);
};

/* Are events of the collection told? */
static inline bool soj_event_on(const struct soj_store *st, uint32_t collection)
{
	return st->seg.lay.events_max > 0 && !st->seg.readonly &&
	       !(soj_collection(&st->seg, collection)->flags &
		 SOJ_COLLECTION_QUIET);
}

/* Collection and digests of an entry; zero if it has been another's since. */
void soj_event_about(const struct soj_store *st, uint64_t ref,
		     struct soj_event_what *what);

/*
 * soj_event_tell - write an event, once and for good
 *
 * For all but the beginning and the end of entries.  Lock-free, a few dozen
 * nanoseconds; needs no thread slot and no section.  A writer that dies in it
 * leaves nothing, or an event of type LOST.
 */
void soj_event_tell(struct soj_store *st, struct soj_worker *w,
		    const struct soj_event_what *what);

/* The same about an entry: type, status, detail[0]. */
void soj_event_tell_of(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		       enum soj_event_type type, enum soj_status status,
		       uint64_t detail);

/*
 * The beginning of an entry that is LIVE: CREATED, or RENEWED if it has a
 * predecessor; after that of its predecessors.  Exactly once, whoever calls how
 * often.  own: the caller made it.
 */
void soj_event_made(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		    bool own);

/*
 * The end of an entry whose ctl is ended and whose state is LIVE: ENDED, after
 * its beginning.  Exactly once; of the last of a line only, and of what was
 * withdrawn if it was LIVE before.  own: the caller decided it.
 */
void soj_event_ended(struct soj_store *st, struct soj_worker *w, uint64_t ref,
		     bool own);

/*
 * For upkeep, before it retires an ended entry: tells what is untold of it and
 * of its successor's beginning.  False: that could not be done now, the entry
 * has to stay.
 */
bool soj_event_settle(struct soj_store *st, struct soj_worker *w, uint64_t ref);

/* For upkeep: what is left of writers that died or stand still. */
struct soj_event_watch {
	uint64_t seq;   /* all before are complete */
	uint64_t limit; /* what is incomplete before it has been so ... */
	uint64_t since_ms;
};
/* True: there is one that is not to be completed yet. */
bool soj_event_repair(struct soj_store *st, struct soj_worker *w,
		      struct soj_event_watch *watch);

/*
 * Reads event number seq (from 1).  0; -EAGAIN: not there yet, or not complete;
 * -ESTALE: overwritten, the oldest there may be is *oldest.  Wait-free; works
 * on a read-only mapping.  *oldest: 1 before the first call; kept from call to
 * call, no part of the ring is walked again to find it.
 */
int soj_event_read(const struct soj_seg *seg, uint64_t seq,
		   struct soj_event *event, uint64_t *oldest);

/*
 * From the words of a record: word, then payload.  They may have been copied at
 * any time, even word by word.  0; -EAGAIN; -ESTALE.
 */
int soj_event_decode(uint32_t events_max,
		     const uint64_t raw[1 + SOJ_EVENT_PAYLOADS], uint64_t seq,
		     struct soj_event *event);

static inline uint32_t soj_event_place(uint32_t events_max, uint64_t seq)
{
	return (uint32_t)((seq - 1) & (events_max - 1));
}

/* Bits 0 to 47 value, 48 to 63 the round's tag, never 0. */
static inline uint64_t soj_event_tag(uint32_t events_max, uint64_t seq)
{
	return ((seq - 1) >> soj_ctz64(events_max)) % 65535 + 1;
}

/* The first number that is not taken. */
uint64_t soj_event_next(const struct soj_seg *seg);

/* The handle of an entry as callers know it (session/id.c); "" for ref 0. */
#define SOJ_EVENT_HANDLE_CHARS 24u
void soj_event_handle(uint64_t ref, uint64_t digest48,
		      char text[SOJ_EVENT_HANDLE_CHARS + 1]);

const char *soj_event_type_name(enum soj_event_type type);
const char *soj_source_name(enum soj_source source);
/* "deleted"; "none" for a status that is no end. */
const char *soj_event_end_name(enum soj_status status);

#endif /* SOJ_STORE_EVENT_H */
