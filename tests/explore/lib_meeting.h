/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_EXPLORE_LIB_MEETING_H
#define SOJ_TESTS_EXPLORE_LIB_MEETING_H

/* Operations that meet on a scene, and what must come of it: the same as after
 * some order of them. */

#include "explore/lib_scene.h"

#define MEMO_LOG2  16u
#define ORDERS_MAX 256u
#define MASKS      8u

/* What the orders leave behind, by who is dead. */
struct reference {
	bool made;
	unsigned count;
	struct outcome *outcome[ORDERS_MAX];
};

struct meeting {
	struct scene *scene;
	unsigned count;
	const struct operation *op[ACTORS_MAX];
	struct actor actor[ACTORS_MAX];
	struct reference reference[MASKS];
	uint64_t memo[1u << MEMO_LOG2]; /* states that were found good */
	uint32_t memo_count;
	bool failed;
	uint64_t orders; /* that were tried, in all meetings */
};

/* Others are to meet: m->count and m->op[] are the caller's to fill. */
void meeting_begin(struct meeting *m, struct scene *scene);
void meeting_end(struct meeting *m);
/* As they are before they begin. */
void meeting_actors(struct meeting *m);
/* Keeps the key of a state.  True: there was none like it yet. */
bool meeting_is_new(struct meeting *m, uint64_t key);
/* What the orders leave behind if those are dead; the stage is another then. */
const struct reference *meeting_reference(struct meeting *m, unsigned dead);
/* Fails if the outcome is that of no order. */
void meeting_compare(struct meeting *m, const struct reference *ref,
		     const struct outcome *out);

#endif /* SOJ_TESTS_EXPLORE_LIB_MEETING_H */
