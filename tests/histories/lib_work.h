/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_LIB_WORK_H
#define SOJ_TESTS_LIB_WORK_H

/* Processes that do random things to few keys, and note what they did. */

#include <sojourn/sojourn.h>

#include "histories/lib_history.h"

#define BATCH_OPS     24000u
#define KEYS_MAX      4096u /* of one batch */
#define PLACES        6u    /* keys in use at a time: three kinds, two each */
#define SUBJECTS      2u
#define KEY_OPS       160u /* then another key takes its place */
#define AGES          4u   /* in use; retired 0, 1, more epochs ago */
#define PROCESSES_MAX 8u

#define LISTS_MAX 2048u /* of one batch */

struct known_id {
	_Atomic(uint64_t) hash; /* 0: not there, or its finder was killed */
	char text[SOJOURN_ID_CHARS_MAX + 1];
};

struct key {
	_Atomic(uint32_t) ops;
	_Atomic(uint32_t) ids;
	uint32_t subject;
	bool is_login, is_count;
	struct known_id id[LINE_MAX];
};

/* What one list told: of which keys, a bit each. */
struct listing {
	uint64_t now[KEYS_MAX / 64];   /* by the id that it has now */
	uint64_t twice[KEYS_MAX / 64]; /* so more than once */
	uint64_t old[KEYS_MAX / 64];   /* by a renewed one */
	uint64_t strange;              /* of nobody, or somebody else */
};

/* In memory that all share, and that outlives them. */
struct notes {
	_Atomic(uint64_t) clock; /* what instants are numbered by */
	_Atomic(uint64_t) ops_used;
	uint64_t ops_max; /* of this batch, at most BATCH_OPS */
	_Atomic(uint32_t) keys_used;
	_Atomic(uint32_t) place[PLACES]; /* a key; KEYS_MAX: none yet */
	_Atomic(uint64_t) tag;
	/* Never set back. */
	_Atomic(uint64_t) torn, late, unexpected, busy, full;
	_Atomic(uint64_t) age[AGES], replaced;
	struct key key[KEYS_MAX];
	struct op op[BATCH_OPS];
	_Atomic(uint32_t) lists_used;
	struct listing list[LISTS_MAX];
};

enum plant {
	PLANT_NONE,
	PLANT_STALE_READ,   /* a process gives what it was given before */
	PLANT_LOST_UPDATE,  /* says that it wrote, and did not */
	PLANT_UNDELETED,    /* says that it deleted, and did not */
	PLANT_FORGOTTEN_ID, /* asks by the old id after the end of a new one */
	PLANT_KEPT_ID,      /* says that it regenerated, and did not */
	PLANT_LISTED_OLD,   /* lists what it listed before */
	PLANT_LEFT_OUT,     /* leaves one out */
	PLANTS_USED
};

struct work {
	struct sojourn *s;
	struct notes *notes;
	unsigned index; /* of the process */
	unsigned batch;
	uint64_t random;
	bool never; /* with ends by time and for lack of memory */
	bool ages;  /* does nothing but replace values and look at them */
	uint32_t collection;
	unsigned one_in;   /* so many operations is killed; 0: none */
	int kill_requests; /* to write to: whom the parent is to kill */
	enum plant plant;
};

#define LONG_GRACE_MS 1800000u
#define GRACE_MS      40u /* where sessions end by time */
#define TTL_MS        1000u

/* Notes of an operation.  NULL: the batch is used up. */
struct op *work_begin(struct work *w, enum kind kind, uint32_t key);
void work_go(struct work *w, struct op *op);
/* What failed for want of memory or of luck did nothing, and is forgotten. */
void work_done(struct work *w, struct op *op, int rc);
bool work_lies(struct work *w, enum plant plant);
void work_subject(char *name, size_t bytes, unsigned batch, uint32_t subject);

/* Lists the subject, a page at a time or all. */
void work_list(struct work *w, uint32_t subject);
/* How many lists of the batch are wrong, see lib_lists.c. */
unsigned lists_wrong(struct notes *n, bool never, bool say);

/* Until the batch is used up.  Does not return if it is killed. */
void work_run(struct work *w);

/* One look at a value in a section, and how old it had become by its end. */
void work_look(struct work *w);
/* Some values replaced, or a look at each in one section, which waits for the
 * others to replace them. */
void work_age(struct work *w);
/* The same without a section: the control.  Returns the age that is seen. */
unsigned work_look_unprotected(struct sojourn *s, uint32_t collection);

#endif /* SOJ_TESTS_LIB_WORK_H */
