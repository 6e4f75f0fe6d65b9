/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_CRASH_LIB_WORLD_H
#define SOJ_TESTS_CRASH_LIB_WORLD_H

/*
 * A world: one small segment with a clock of its own, and beside it a model in
 * private memory of the sessions that it must hold.  The process that made it
 * is the survivor: it goes on working while others die or stop, compares what
 * it finds with the model, and in the end drains the segment to nothing.
 */

#include <sojourn/sojourn.h>
#include <sojourn/stat.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crash/lib_victim.h"
#include "session/handle.h"

/* ---- failures ---- */

/* What is being tried, for messages. */
void trying(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Counts a failure, and prints the first ones. */
void failed(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint32_t failures(void);
/* Those of this process only. */
uint32_t failures_here(void);
/* Plants the bug that the environment names in SOJ_PLANT (base/fault.h), if it
 * does.  SOJ_PLANT=list lists the bugs. */
void plant_wanted(void);
/*
 * Shared by all processes of the test; before the first fork.  With a bug that
 * is planted by the above the test stops at its first failure, and has to.
 */
void failures_init(void);

/* ---- worlds ---- */

struct world_options {
	uint32_t entries; /* 0: 16 */
	uint32_t units;   /* 128 KiB each, for values; 0: 4 */
	uint32_t slots;   /* 0: 8 */
	uint32_t events;  /* 0: 1024 */
	uint64_t idle_ms;
	uint64_t renewal_ms;
	bool evict;
	bool sealed;
	uint32_t cap; /* logins of a subject; 0: any number */
	enum sojourn_when_over when_over;
};

#define WORLD_NO_EVENTS UINT32_MAX

#define WORLD_TTL_MS   3600000u
#define WORLD_GRACE_MS 1800000u

enum fate { LIVES, GONE, EITHER };

/* One login. */
struct known {
	/* "": nobody was told its id, so it can be counted only. */
	char id[SOJOURN_ID_CHARS_MAX + 1];
	char old_id[4][SOJOURN_ID_CHARS_MAX + 1]; /* still answering */
	unsigned old_ids;
	const char *subject;
	uint64_t number; /* what its value is made of */
	size_t bytes;
	uint64_t version;
	enum fate fate;
	enum fate later;   /* after repair, if fate is EITHER */
	unsigned old_gone; /* the first so many of its old ids are over */
	bool unlisted;     /* its successor is OWNED: not listed until repair */
};

/* An item under a key (lib_items.c). */
#define THINGS 4u
struct thing {
	bool lives;
	uint64_t number;
	const char *subject; /* NULL: nobody's */
	uint64_t version;    /* after the survivor's last put */
};

#define KNOWN_MAX 1200u

struct world {
	struct sojourn *s;
	struct soj_upkeep up;
	bool up_ready;
	bool full; /* -ENOSPC is an answer */
	/* so many are in the making of dead threads, and count or not */
	unsigned in_flight;
	unsigned begun;  /* of those, at any time */
	bool standing;   /* somebody stands still in a section */
	bool superseded; /* one was ended while it was in the making */
	uint64_t ttl_ms; /* of what is created; 0: WORLD_TTL_MS */
	char token[64];  /* of a family of "dora", valid until the victim ... */
	char rotated[64]; /* ... or the survivor used it */
	unsigned count;
	unsigned target;    /* what operations are about */
	unsigned bystander; /* what they are not about */
	uint64_t next_number;
	uint32_t events; /* events_max */
	/* a thread that stands in a section, made by an operation's prepare */
	struct victim sleeper;
	bool has_sleeper;
	struct thing things[THINGS];
	struct known known[KNOWN_MAX]; /* the first `count` are filled */
};

bool world_make(struct world *w, const struct world_options *o);
void world_free(struct world *w);

/* The survivor's own part, with a slot. */
struct soj_self *world_self(struct world *w);
/* Gives back the survivor's slot and hints, so that victims find a segment
 * that nobody is attached to. */
void world_let_go(struct world *w);

void world_advance(struct world *w, uint64_t ms);

/* ---- values ---- */
void value_fill(void *buf, size_t bytes, uint64_t number);
/* Whole, and of that number? */
bool value_is(const void *buf, size_t bytes, uint64_t number);
#define VALUE_MAX (256u * 1024u)
extern uint8_t value_buffer[VALUE_MAX];

/* ---- the survivor's operations: all check the answer by the model ---- */

/* Makes a session; its index, or -1 when the segment is full. */
int world_create(struct world *w, const char *subject, size_t bytes);
/* by_old: through its oldest id. */
void world_update(struct world *w, unsigned which, bool by_old);
void world_renew(struct world *w, unsigned which, bool by_old);
void world_read(struct world *w, unsigned which);
void world_delete(struct world *w, unsigned which, bool by_old);
void world_delete_subject(struct world *w, const char *subject, int except);
/* The model: of the subject's sessions all but the newest are gone. */
void world_leave(struct world *w, const char *subject, unsigned newest);
/* The model's part of a renewal. */
void known_renewed(struct known *k, const char *new_id);
struct known *world_known(struct world *w, const char *subject, size_t bytes);

/* Everything in the model against the segment. */
void world_verify(struct world *w);
/* Sessions of the model by what they should be. */
unsigned world_living(const struct world *w, const char *subject);

/* Of items: the same. */
void items_verify(struct world *w);
void items_drain(struct world *w);
void items_go_on(struct world *w);

/* ---- upkeep and the end ---- */

/* lib_access.c: ends what revocations and pairs of tokens left. */
void access_drain(struct world *w);
/* A logout everywhere, after which no token of "dora" is of use. */
void world_end_family(struct world *w);

/* Full passes until nothing is left to do; bounded. */
void world_upkeep(struct world *w);
/* Repair is over: EITHER becomes what it had to become. */
void world_settle(struct world *w);
/* Every invariant of the segment.  repaired: nothing may be left over. */
void world_fsck(struct world *w, bool repaired);
/* Each login has one beginning, one end, and its renewals between; over: all
 * have ended. */
void world_events(struct world *w, bool over);
/* Ends everything; then all memory must be free, and no slot taken but the
 * survivor's and `slots_lost`. */
void world_drain(struct world *w, uint32_t slots_lost);
/* Looks before and after upkeep, drains, and frees: the end of a test. */
void world_end(struct world *w);

#endif /* SOJ_TESTS_CRASH_LIB_WORLD_H */
