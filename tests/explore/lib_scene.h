/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_EXPLORE_LIB_SCENE_H
#define SOJ_TESTS_EXPLORE_LIB_SCENE_H

/*
 * Scenes, on which operations meet, what each operation does there, and what
 * can be seen afterwards, as lines of text: two schedules have the same
 * outcome if all of their lines are the same.
 *
 * What an outcome is compared with is what the same operations leave behind
 * when they run one after the other, in any order.
 */

#include "explore/lib_sched.h"
#include "token/revoke.h"

enum scene_kind {
	SCENE_PEOPLE, /* sessions, items, a token; room for all */
	SCENE_REJECT, /* anna has two of three logins; a fourth is refused */
	SCENE_OLDEST, /* ... ends her oldest */
	SCENE_FULL,   /* no entry is free, and others are ended for it */
	SCENES
};

/* Sessions of a scene: of anna but for the last. */
enum person { OTHER, TARGET, OLD, LATER, OVER, BERTS, PEOPLE };

/* Items of a scene: nobody's, anna's, one that is not there, a counter. */
#define KEYS 4u

struct scene {
	struct stage st;
	enum scene_kind kind;
	char id[PEOPLE][SOJOURN_ID_CHARS_MAX + 1]; /* "": there is none */
	char token[64];
	struct soj_marks marks; /* of an access token of anna's login */
	/* of those that are there when it begins */
	char handle[PEOPLE][SOJOURN_HANDLE_CHARS + 1];
	char item_handle[KEYS][SOJOURN_HANDLE_CHARS + 1];
};

/* What an operation returned. */
struct result {
	int rc;
	int renewal;
	uint64_t number; /* value, count, or whom it met: scene_met() */
	char id[72];     /* made by it, or for it */
	/* Of an access token that it issued; zeros: none. */
	struct soj_marks marks;
};

struct operation;

struct actor {
	struct scene *scene;
	const struct operation *op;
	unsigned idx;
	unsigned instead; /* 0, or which of op->instead, + 1 */
	struct result r;
};

typedef void (*operation_fn)(struct actor *a, struct sojourn *s);

/* How an outcome may differ from those of the orders. */
enum {
	/* It is no single step: each line is as after some order. */
	OP_PARTIAL = 1,
	/* It is a look at many things one by one: its answer is any. */
	OP_ANY_ANSWER = 2,
	/* Nobody knows whom it ends: only that nothing breaks is judged. */
	OP_ANY_EFFECT = 4,
	/* What others may give way to. */
	OP_LOCKS = 8,
	OP_RENEWS = 16,
	OP_ENDS_ALL = 32, /* logins of its subject */
	OP_CAPS = 64,     /* the same, where there is a cap */
	OP_DELETES = 128,
	OP_EXCLUSIVE = 256,
	/* Meets what lives throughout: sessions once or oftener, items once. */
	OP_LISTS = 512,
	OP_SCANS = 1024,
	OP_FLIES = 2048, /* keeps others from computing the same */
};

#define INSTEADS 3u

struct operation {
	const char *name;
	operation_fn run;
	/* What it may do instead, as its header says, when one is at it, too,
	 * who has a flag of `by`, or who had one of `by_dead` and is dead; and
	 * only when others have all of `with`. */
	struct {
		operation_fn run; /* NULL: nothing */
		unsigned by, by_dead, with;
	} instead[INSTEADS];
	unsigned flags;
	unsigned scenes; /* bits */
	unsigned about;  /* bits: what it has to do with */
};

/* Operations that have nothing of this in common do not meet. */
enum {
	ABOUT_TARGET = 1,
	ABOUT_ANNA = 2, /* all that is hers */
	ABOUT_KEY = 4,  /* << number */
	ABOUT_TOKEN = 64,
	ABOUT_MARK = 128,
	ABOUT_OVER = 256,
	ABOUT_ALL = 511,
};

extern const struct operation operations[];
extern const unsigned operations_count;

bool scene_open(struct scene *sc, enum scene_kind kind);
const char *scene_name(enum scene_kind kind);

/* Counts one met in the number of who lists or scans. */
void scene_met(const struct scene *sc, const char *handle, uint64_t *number);

/* Runs an actor: for schedule_run() and actor_run(). */
void actor_fn(void *actor);

#define LINES_MAX  64u
#define LINE_CHARS 160u

struct outcome {
	unsigned count;
	char line[LINES_MAX][LINE_CHARS];
};

/*
 * Looks at everything, lets upkeep come to rest, looks again.  deep: asks fsck,
 * too, and drains the segment to nothing; what they do not like is a failure.
 * Actors that are dead were never heard of again.
 */
void scene_look(struct scene *sc, const struct actor *actors, unsigned count,
		unsigned dead, bool deep, struct outcome *out);

#define SCENE_VALUE_BYTES 24u
#define SCENE_NUMBER      500u /* + idx: value that an actor writes */

extern const char *const scene_key[KEYS];
/* What access tokens name anna's login by. */
extern const struct soj_anchor scene_anchor;
struct sojourn_item scene_item(unsigned key);

#endif /* SOJ_TESTS_EXPLORE_LIB_SCENE_H */
