/* SPDX-License-Identifier: MIT */
#ifndef SOJOURN_EVENT_H
#define SOJOURN_EVENT_H

/*
 * Who did what: a stream of events that all processes of a segment share, and
 * hooks that tell a process what it did itself.
 *
 * Caveats first
 *  - The segment keeps the last `events_max` events (struct sojourn_options).
 *    A consumer that is slower than that misses some, and is told how many.
 *  - Collections that are `quiet` have no events; updates are told only where
 *    `update_events` is set.
 *  - An event has no subject and no id: a part of their keyed digests.
 *
 * Guarantees
 *  1. Each login and item has exactly one SOJOURN_EVENT_CREATED and exactly one
 *     SOJOURN_EVENT_ENDED, after it, whoever ended it for whatever reason and
 *     whoever died at it; between them one SOJOURN_EVENT_RENEWED for each
 *     renewal.  An old id whose grace window ends has none.
 *  2. Numbers count from 1 without a gap, in one order for all.
 *  3. What a consumer did not get to see is counted.
 *  4. No consumer waits for ever for a writer that died or stands still.
 */

#include <sojourn/sojourn.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the stream ---- */

enum sojourn_event_type {
	SOJOURN_EVENT_NONE = 0,
	SOJOURN_EVENT_CREATED = 1,
	SOJOURN_EVENT_RENEWED = 2,  /* `before` is the handle it had */
	SOJOURN_EVENT_UPDATED = 3,  /* detail: version of the data */
	SOJOURN_EVENT_ENDED = 4,    /* `ended` says why */
	SOJOURN_EVENT_MISMATCH = 5, /* used from elsewhere; detail: what
				       differs, as in sojourn_info */
	SOJOURN_EVENT_VETOED = 6,   /* the read hook refused */
	SOJOURN_EVENT_INVALID = 7,  /* the validator refused */
	SOJOURN_EVENT_OVER_CAP = 8, /* a login was refused; detail: the cap */
	SOJOURN_EVENT_REUSED = 9,   /* a token that was rotated away was used */
	SOJOURN_EVENT_LOCK_RECOVERED = 10, /* from a dead or late holder */
	SOJOURN_EVENT_CLEARED = 11, /* a collection ("session" if of all);
				       detail: how many ended */
	SOJOURN_EVENT_TOKEN_REVOKED = 12,
	SOJOURN_EVENT_TOKENS_REVOKED = 13, /* all of a subject */
	SOJOURN_EVENT_TOKEN_RESTRICTED = 14,
	SOJOURN_EVENT_TOKENS_RESTRICTED = 15,
};

/* Why something ended. */
enum sojourn_end {
	SOJOURN_END_NONE = 0,
	SOJOURN_END_DELETED = 3,   /* by a caller, this one */
	SOJOURN_END_SUBJECT = 4,   /* by a caller, all of the subject */
	SOJOURN_END_CAP = 5,       /* the subject had too many */
	SOJOURN_END_EXCLUSIVE = 6, /* a newer login allows no other */
	SOJOURN_END_EXPIRED = 7,
	SOJOURN_END_IDLE = 8,
	SOJOURN_END_EVICTED = 10,   /* memory was short */
	SOJOURN_END_WITHDRAWN = 11, /* its maker gave up */
	SOJOURN_END_REPLACED = 12,  /* put again under its key */
	SOJOURN_END_CLEARED = 13,   /* with all of its collection */
	SOJOURN_END_REUSED = 14,    /* with all of its family of tokens */
	SOJOURN_END_DAMAGED = 15,   /* its sealed value did not open */
};

/* In which kind of call it was done. */
enum sojourn_source {
	SOJOURN_SOURCE_UNKNOWN = 0,
	SOJOURN_SOURCE_CREATE = 1,
	SOJOURN_SOURCE_READ = 2,
	SOJOURN_SOURCE_UPDATE = 3,
	SOJOURN_SOURCE_RENEW = 4,
	SOJOURN_SOURCE_DELETE = 5,
	SOJOURN_SOURCE_DELETE_SUBJECT = 6,
	SOJOURN_SOURCE_LIST = 7,
	SOJOURN_SOURCE_PUT = 8,
	SOJOURN_SOURCE_CLEAR = 9,
	SOJOURN_SOURCE_LOCK = 10,
	SOJOURN_SOURCE_REMEMBER = 11,
	SOJOURN_SOURCE_CSRF = 12,
	SOJOURN_SOURCE_TOKEN = 13,
	SOJOURN_SOURCE_HELPER = 14, /* sojournd */
	SOJOURN_SOURCE_UPKEEP = 15, /* whoever cleans up */
	SOJOURN_SOURCE_PRUNE = 16,
};

/* Short lower-case names such as "ended", "idle", "delete_subject"; static. */
SOJOURN_API const char *sojourn_event_type_name(enum sojourn_event_type type);
SOJOURN_API const char *sojourn_end_name(enum sojourn_end end);
SOJOURN_API const char *sojourn_source_name(enum sojourn_source source);

struct sojourn_event {
	uint64_t seq;
	uint64_t time_ms; /* segment's clock */
	enum sojourn_event_type type;
	enum sojourn_end ended;
	enum sojourn_source source;
	uint32_t pid; /* as the process that wrote it sees itself */
	/* Who did it died or was stopped before it told: pid and source are
	 * those of the process that told for it. */
	bool helped;
	uint32_t collection;                   /* its number */
	char handle[SOJOURN_HANDLE_CHARS + 1]; /* "": about none in particular*/
	char before[SOJOURN_HANDLE_CHARS + 1];
	uint64_t subject; /* sojourn_event_subject() of it; 0: none */
	uint64_t detail;
};

/* What events say of a subject. */
SOJOURN_API uint64_t sojourn_event_subject(const struct sojourn *s,
					   const char *subject);

/*
 * Calls fn for each event from *next on, in order, until there is no more or
 * fn returns nonzero; *next then is where to go on.  0 begins with the oldest
 * that is there, UINT64_MAX sets *next to the number after the newest and
 * calls nothing.  *missed (may be NULL) is set to how many from *next on were
 * overwritten before they could be read, or lost with their writer.
 * Returns the number of calls; -ENOTSUP if the segment keeps no events.
 *
 * Never waits: ask again after a while.  Works on a read-only attach.  fn may
 * call the library.
 */
typedef int (*sojourn_event_fn)(void *arg, const struct sojourn_event *event);
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_events_read(struct sojourn *s, uint64_t *next, sojourn_event_fn fn,
		    void *arg, uint64_t *missed);

/* ---- hooks ---- */

/* What this process did, or found. */
struct sojourn_hook_call {
	const char *name;             /* "created", as the member below */
	enum sojourn_end ended;       /* deleted, evicted, expired */
	enum sojourn_reason reason;   /* missed: why; renewal_failed: why */
	enum sojourn_renewal renewal; /* renewal_lost: to whom */
	uint32_t collection;          /* its number */
	char handle[SOJOURN_HANDLE_CHARS + 1]; /* "": not known */
	uint64_t detail;                       /* as in events */
};

typedef void (*sojourn_hook_fn)(void *arg, struct sojourn *s,
				const struct sojourn_hook_call *call);

/* Called when ...; NULL: not at all. */
struct sojourn_hooks {
	sojourn_hook_fn created;
	sojourn_hook_fn updated; /* also an item that was put */
	sojourn_hook_fn hit;     /* a read returned it */
	sojourn_hook_fn missed;  /* a read did not find it, or found it over */
	sojourn_hook_fn touched; /* its access time was moved */
	sojourn_hook_fn renewed; /* this call made the new id */
	sojourn_hook_fn renewal_lost;   /* left to, or made by, another */
	sojourn_hook_fn renewal_failed; /* it ended meanwhile, or no memory */
	sojourn_hook_fn deleted;        /* this process ended it */
	sojourn_hook_fn evicted;        /* for want of memory */
	sojourn_hook_fn expired;        /* this process found its time over */
	sojourn_hook_fn mismatched;     /* used from elsewhere */
	sojourn_hook_fn vetoed;
	sojourn_hook_fn invalid;
	sojourn_hook_fn over_cap; /* a login was refused */
};

/*
 * Sets the hooks of the handle, for all threads of the process; NULL: none.
 * Calls that are under way may still call the former ones.  *hooks is copied.
 *
 * Hooks are called in the thread that made the call, just before that returns,
 * in the order in which things happened; nothing is locked or half done then.
 * They may call the library (a hook of a call in a hook is called as well, up
 * to 8 deep; deeper ones are left out) and may fork, but not detach the handle.
 * What the outer call returns, and sojourn_reason() says, is not changed.
 * A forked child that returns from a hook gets no more of that call's.
 * 0, -ENOMEM.  Former tables are kept until the handle is detached.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_hooks_set(struct sojourn *s, const struct sojourn_hooks *hooks,
		  void *arg);

#ifdef __cplusplus
}
#endif

#endif /* SOJOURN_EVENT_H */
