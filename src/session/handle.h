/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SESSION_HANDLE_H
#define SOJ_SESSION_HANDLE_H

/*
 * Layer 5, between its own files.  The handle of an attached segment, what
 * each thread of the process keeps for it, and how calls report.
 */

#include <pthread.h>
#include <sojourn/sojourn.h>

#include "base/mac.h"
#include "base/siphash.h"
#include "store/event.h"
#include "upkeep/upkeep.h"

/* Lost races after which a call gives up with -EBUSY. */
#define SOJ_TRIES_MAX 1000u

/* What all threads of one process share; zero in a forked child. */
struct soj_process {
	soj_half_t threads; /* with a struct soj_self of this handle */
};

struct soj_validator;  /* validate.c */
struct soj_hook_table; /* hook.c */

struct sojourn {
	struct soj_store st;
	struct soj_keys keys;
	struct soj_siphash id_begun; /* with keys.id */
	struct soj_mac id_mac;       /* of keys.id_usual; SOJ_SHM_IDS_AES */
	struct soj_vault vault;      /* of a sealed segment */
	pthread_key_t key;           /* -> struct soj_self of the thread */
	bool has_key;
	uint64_t serial;             /* tells handles at one address apart */
	struct soj_process *process; /* wiped on fork */
	soj_half_t closed;
	int life_fd; /* keeps an anonymous segment's helper; -1 */
	_Atomic(struct soj_validator *) validator[SOJ_COLLECTIONS];
	_Atomic(struct soj_hook_table *) hooks;
};

/* In the order of struct sojourn_hooks. */
enum soj_hook {
	SOJ_HOOK_CREATED,
	SOJ_HOOK_UPDATED,
	SOJ_HOOK_HIT,
	SOJ_HOOK_MISSED,
	SOJ_HOOK_TOUCHED,
	SOJ_HOOK_RENEWED,
	SOJ_HOOK_RENEWAL_LOST,
	SOJ_HOOK_RENEWAL_FAILED,
	SOJ_HOOK_DELETED,
	SOJ_HOOK_EVICTED,
	SOJ_HOOK_EXPIRED,
	SOJ_HOOK_MISMATCHED,
	SOJ_HOOK_VETOED,
	SOJ_HOOK_INVALID,
	SOJ_HOOK_OVER_CAP,
	SOJ_HOOKS_USED
};

/* What a call did, for the hooks; see soj_note() in hook.h. */
struct soj_note {
	enum soj_hook hook;
	enum soj_status status;
	enum sojourn_reason reason;
	enum sojourn_renewal renewal;
	uint32_t collection;
	uint64_t ref;
	uint64_t digest48;
	uint64_t detail;
};

/* One thread's part; wiped on fork, so that w.thr.alive is 0 in a child. */
struct soj_self {
	struct soj_worker w;
	struct soj_upkeep *up;           /* not wiped: made when first needed */
	uint64_t thorough_not_before_us; /* room.c */
	uint64_t expire_not_before_ms;   /* room.c */
	uint64_t evicted;                /* room.c: since memory was last had */
	struct sojourn *s;
	struct soj_note *notes; /* hook.c, as is the rest */
	uint32_t notes_count, notes_room;
	uint32_t hook_depth;
	struct soj_note doomed;
	uint32_t random_left; /* id.c, as is */
	uint8_t random[960];
};

/* What the thread's last call said.  A text that is constant is not copied:
 * most are never asked for. */
struct soj_last_said {
	enum sojourn_reason reason;
	const char *text; /* NULL: none */
};

/* The handle that the calling thread used last, and its part of it; and what else
 * of the thread's each read needs. */
struct soj_last {
	const struct sojourn *s;
	uint64_t serial;
	struct soj_self *self;
	struct soj_ticker *ticker; /* once there is a self */
	struct soj_last_said said;
};
extern _Thread_local struct soj_last soj_last;

/* To find it takes a call in a shared library: who needs it twice asks once, and
 * the compiler is not told that it could ask again. */
static inline struct soj_last *soj_last_mine(void)
{
	struct soj_last *mine = &soj_last;

	__asm__("" : "+r"(mine));
	return mine;
}

struct soj_self *soj_self_find(struct sojourn *s);

/* The calling thread's part, made or revived if need be; NULL: no memory. */
static inline struct soj_self *soj_self_of(const struct soj_last *mine,
					   struct sojourn *s)
{
	if (soj_rarely(mine->s != s || mine->serial != s->serial ||
		       !mine->self->w.thr.alive))
		return soj_self_find(s);
	return mine->self;
}

static inline struct soj_self *soj_self(struct sojourn *s)
{
	return soj_self_of(&soj_last, s);
}

/* The same, with a thread slot.  On failure *rc says why. */
struct soj_self *soj_self_writing(struct sojourn *s, int *rc);

/* Counts of reads go to the slot now and then. */
void soj_self_flush_now(struct sojourn *s, struct soj_self *self);

static inline void soj_self_flush(struct sojourn *s, struct soj_self *self)
{
	if (soj_rarely(self->w.thr.pending >= SOJ_COUNTS_PENDING))
		soj_self_flush_now(s, self);
}

int soj_handle_new(struct sojourn **out);
/* After st.seg is mapped. */
int soj_handle_open(struct sojourn *s, const uint8_t master[SOJ_KEY_BYTES]);
void soj_handle_free(struct sojourn *s);
void soj_validators_free(struct sojourn *s); /* validate.c */

/* spawn.c: starts sojournd for a segment just created; waits until it is
 * ready.  The path must have been found before: a program that is missing is
 * an error before anything is made. */
int soj_helper_find(const char *wanted, char *path, size_t path_bytes);
int soj_helper_spawn(struct sojourn *s, const char *name, const char *path);

/* ---- reporting (report.c) ---- */

/* Sets the calling thread's reason and text, and returns rc. */
int soj_report(int rc, enum sojourn_reason reason, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static inline void soj_ok_of(struct soj_last *mine)
{
	mine->said.reason = SOJOURN_OK;
	mine->said.text = NULL;
}

static inline int soj_ok(void)
{
	soj_ok_of(&soj_last);
	return 0;
}

/* Reason and text are kept over calls of the caller's functions. */
struct soj_said {
	enum sojourn_reason reason;
	char text[576];
};
void soj_say_keep(struct soj_said *said);
void soj_say_again(const struct soj_said *said);
/* Reason and text that go with an errno from the layers below. */
int soj_report_errno(int rc);
/* -ENOENT with the reason that goes with a status. */
int soj_report_ended(enum soj_status status);

#endif /* SOJ_SESSION_HANDLE_H */
