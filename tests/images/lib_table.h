/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_IMAGES_LIB_TABLE_H
#define SOJ_TESTS_IMAGES_LIB_TABLE_H

/*
 * Operations (rows) and what they find (worlds): each row is run in each
 * world.
 *
 * A new operation is one entry of rows[] in lib_rows.c:
 *   run        calls it, on w->target, and fills the report's rc
 *   decisions  given the report of the whole run: checks that the answer is
 *              one that the model allows, and says in how many steps the
 *              operation can be seen from outside; 0 (or NULL): not at all
 *   outcome    brings the model from before the operation to after its first
 *              k steps, k >= 1
 *   check      optional: what else must be true of an image, asked before its
 *              repair and, of another copy, after it; last: of the last image,
 *              when the call had returned
 *   where      the kinds of worlds that it is run in; 0: ORDINARY
 *   learn      optional: called with the segment as the whole run left it,
 *              before any image is judged
 * Every image must then be the model after some k steps, all of it; k never
 * goes back from one image to the next, and the last image is the last k.
 *
 * A new world is one entry of worlds[] in lib_worlds.c: options, and a
 * prepare() that makes sessions by the world_*() calls, which keep the model,
 * and says which is w->target and which w->bystander.  leave_behind() leaves
 * what a thread that died, or that stands still, leaves half-way.
 */

#include "crash/lib_ops.h"
#include "images/lib_step.h"

/* Of worlds. */
enum kind {
	ORDINARY = 1,
	CAPPED = 2,   /* logins of a subject have a cap */
	TOKENS = 4,   /* none of them is there */
	PAIRS = 8,    /* of tokens: "dora" has one */
	TELLING = 16, /* an event is being told */
	EVERYWHERE = ORDINARY | CAPPED | TOKENS | PAIRS | TELLING
};

struct row {
	const char *name;
	victim_fn run;
	unsigned (*decisions)(struct world *w, const struct report *r);
	void (*outcome)(struct world *w, const struct report *r, unsigned k);
	void (*learn)(struct world *w, const struct report *r);
	void (*check)(struct world *w, const struct report *r, bool last);
	unsigned where;
};

struct place { /* what is found; "world" is the segment with its model */
	const char *name;
	struct world_options world;
	void (*prepare)(struct world *w);
	/* The victim has a slot, a magazine and a limbo of its own. */
	bool warm;
	/* Its first id falls into the bucket of the bystander. */
	bool aimed;
	enum kind kind; /* 0: ORDINARY */
};

extern const struct row rows[];
extern const unsigned rows_count;
extern const struct place places[];
extern const unsigned places_count;

const struct row *row_find(const char *name);
/* Is the row run in that world? */
bool row_fits(const struct row *row, const struct place *place);

/* Of a whole run: including who was evicted. */
/* The number of steps of row_outcome(). */
unsigned row_decisions(const struct row *row, struct world *w,
		       const struct report *r);
void row_outcome(const struct row *row, struct world *w, const struct report *r,
		 unsigned k);
void row_learn(const struct row *row, struct world *w, const struct report *r);

/*
 * Runs the row in a process of its own, and makes the segment what it was at
 * so many thousandths of its changes: that thread is dead, or (alive) stands
 * there until the drain.  The model follows.
 */
void leave_behind(struct world *w, const char *row, unsigned thousandths,
		  bool alive);

/* In prepare(): the same at the first image that there() says is it; it sees
 * the image as the segment, and which change of the run is the next. */
struct stand {
	bool (*there)(struct world *w, const struct cursor *c, void *arg);
	void *arg;
	unsigned thousandths; /* without there() */
	bool alive;
};
void leave_at(struct world *w, const char *row, const struct stand *how);
/* Ends those that stand, for good. */
void leavings_end(void);

/* ---- lib_use.c: what a survivor does ---- */

void world_copy(struct world *to, const struct world *from);
/* The calling thread knows nothing of this segment any more. */
void forget_self(struct world *w);

/* failed() counts only, until hush_end() says how often. */
void hush(void);
unsigned hush_end(void);

/*
 * Which k in [least, most] the segment is, by looking at it; the model is
 * then that.  -1: none.
 */
int find_outcome(const struct row *row, struct world *w,
		 const struct world *before, const struct report *r,
		 unsigned least, unsigned most);

/* Before any repair: others' sessions, and something to the target. */
void use_at_once(struct world *w, unsigned act);
/* After it: all sessions, until it is full. */
void use_fully(struct world *w);

/* ---- lib_case.c ---- */

#define ROWS_MAX 128u

struct totals {
	_Atomic(uint32_t) next_case;
	_Atomic(uint64_t) cases, steps, images, distinct;
	_Atomic(uint64_t) nested, nested_distinct, kills, violations;
	_Atomic(uint64_t) row_steps[ROWS_MAX], place_steps[ROWS_MAX];
	_Atomic(uint64_t) row_images[ROWS_MAX], place_images[ROWS_MAX];
	_Atomic(uint64_t) row_nested[ROWS_MAX], place_nested[ROWS_MAX];
};

struct options {
	bool full;      /* all nested images */
	bool sample;    /* not even all images of a case */
	int row, place; /* -1: all */
	int64_t step;   /* -1: all; the image that this instruction made */
	int64_t nested; /* with step: the change of the recovery; -1: all */
	unsigned jobs;
};

extern struct totals *totals;
extern struct options options;

/* One row in one world, in a process of its own. */
void case_run(unsigned row, unsigned place);

#endif /* SOJ_TESTS_IMAGES_LIB_TABLE_H */
