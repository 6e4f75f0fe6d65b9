/* SPDX-License-Identifier: MIT */

/* Histories written by hand: what the checkers must say of each. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "histories/lib_history.h"

#define HAND_OPS 8u

struct hand {
	const char *what;
	bool is_login, right;
	bool again; /* it is what came back that is wrong with it */
	struct op op[HAND_OPS];
};

/* Of the session: created with id 11 and tag 1 at 1 to 2. */
#define MADE                                                                  \
	{                                                                     \
		.kind = CREATE, .begin = 1, .end = 2, .new_id = 11, .tag = 1, \
		.version = 1                                                  \
	}
#define OP(b, e, what, ...)                                     \
	{                                                       \
		.kind = what, .begin = b, .end = e, __VA_ARGS__ \
	}

static struct hand hands[] = {
	{"a read beside a write, before",
	 true,
	 true,
	 false,
	 {MADE, OP(3, 6, UPDATE, .id = 11, .tag = 2, .version = 2),
	  OP(4, 5, READ, .id = 11, .saw = 1, .version = 1)}},
	{"a read beside a write, after",
	 true,
	 true,
	 false,
	 {MADE, OP(3, 6, UPDATE, .id = 11, .tag = 2, .version = 2),
	  OP(4, 5, READ, .id = 11, .saw = 2, .version = 2)}},
	{"a read that goes back",
	 true,
	 false,
	 false,
	 {MADE, OP(3, 8, UPDATE, .id = 11, .tag = 2, .version = 2),
	  OP(4, 5, READ, .id = 11, .saw = 2, .version = 2),
	  OP(6, 7, READ, .id = 11, .saw = 1, .version = 1)}},
	{"a lost update",
	 true,
	 false,
	 false,
	 {MADE,
	  OP(3, 5, UPDATE, .id = 11, .tag = 2, .if_version = 1, .version = 2),
	  OP(4, 6, UPDATE, .id = 11, .tag = 3, .if_version = 1, .version = 2)}},
	{"a killed write seen late",
	 true,
	 true,
	 false,
	 {MADE, OP(3, 0, UPDATE, .id = 11, .tag = 2),
	  OP(4, 5, READ, .id = 11, .saw = 1, .version = 1),
	  OP(6, 7, READ, .id = 11, .saw = 2, .version = 2)}},
	{"a killed write seen before it began",
	 true,
	 false,
	 false,
	 {MADE, OP(5, 0, UPDATE, .id = 11, .tag = 2),
	  OP(3, 4, READ, .id = 11, .saw = 2, .version = 2)}},
	{"all of a subject deleted beside a creation",
	 true,
	 true,
	 false,
	 {MADE, OP(1, 6, DELETE_SUBJECT, .rc = 1),
	  OP(3, 4, UPDATE, .id = 11, .tag = 2, .version = 2),
	  OP(7, 8, READ, .id = 11, .rc = -ENOENT)}},
	{"a renewal whose new id is deleted before it returns",
	 true,
	 true,
	 false,
	 {MADE, OP(3, 10, RENEW, .id = 11, .rc = -ENOENT),
	  OP(4, 5, READ, .id = 11, .saw = 1, .version = 1, .renewed = true,
	     .new_id = 21),
	  OP(6, 7, READ, .id = 21, .saw = 1, .version = 1),
	  OP(8, 9, DELETE, .id = 21, .rc = 1)}},
	{"two new ids for one",
	 true,
	 false,
	 false,
	 {MADE, OP(3, 6, RENEW, .id = 11, .new_id = 21),
	  OP(4, 5, RENEW, .id = 11, .new_id = 31)}},
	{"a killed renewal, told to another",
	 true,
	 true,
	 false,
	 {MADE, OP(3, 0, RENEW, .id = 11),
	  OP(4, 5, RENEW, .id = 11, .new_id = 21, .renewed = true),
	  OP(6, 7, READ, .id = 21, .saw = 1, .version = 1)}},
	{"a killed deletion, half done",
	 true,
	 true,
	 false,
	 {MADE, OP(3, 4, RENEW, .id = 11, .new_id = 21),
	  OP(5, 0, DELETE, .id = 11), OP(6, 7, READ, .id = 11, .rc = -ENOENT),
	  OP(8, 9, READ, .id = 21, .saw = 1, .version = 1)}},
	{"a deletion that has returned, half done",
	 true,
	 false,
	 true,
	 {MADE, OP(3, 4, RENEW, .id = 11, .new_id = 21),
	  OP(5, 6, DELETE, .id = 11, .rc = 1),
	  OP(7, 8, READ, .id = 21, .saw = 1, .version = 1)}},
	{"an id that comes back",
	 true,
	 false,
	 true,
	 {MADE, OP(3, 0, DELETE, .id = 11),
	  OP(4, 5, READ, .id = 11, .rc = -ENOENT),
	  OP(6, 7, READ, .id = 11, .saw = 1, .version = 1)}},
	{"an old id, beside who regenerates",
	 true,
	 true,
	 false,
	 {MADE, OP(3, 4, RENEW, .id = 11, .new_id = 21),
	  OP(5, 12, REGENERATE, .id = 21, .new_id = 31),
	  OP(6, 7, READ, .id = 21, .rc = -ENOENT),
	  OP(8, 9, READ, .id = 11, .saw = 1, .version = 1, .renewed = true),
	  OP(13, 14, READ, .id = 11, .rc = -ENOENT),
	  OP(15, 16, READ, .id = 31, .saw = 1, .version = 1)}},
	{"an old id, after it was regenerated",
	 true,
	 false,
	 false,
	 {MADE, OP(3, 4, RENEW, .id = 11, .new_id = 21),
	  OP(5, 6, REGENERATE, .id = 21, .new_id = 31),
	  OP(7, 8, READ, .id = 11, .saw = 1, .version = 1, .renewed = true)}},
	{"the id of one who regenerates, told to another",
	 true,
	 true,
	 true,
	 {MADE, OP(3, 6, REGENERATE, .id = 11, .new_id = 21),
	  OP(4, 5, READ, .id = 11, .saw = 1, .version = 1, .renewed = true,
	     .new_id = 21)}},
	{"a killed one that regenerated",
	 true,
	 true,
	 false,
	 {MADE, OP(3, 0, REGENERATE, .id = 11),
	  OP(4, 5, READ, .id = 11, .saw = 1, .version = 1),
	  OP(6, 7, READ, .id = 11, .rc = -ENOENT)}},
	{"two who regenerate one id",
	 true,
	 false,
	 false,
	 {MADE, OP(3, 6, REGENERATE, .id = 11, .new_id = 21),
	  OP(4, 5, REGENERATE, .id = 11, .new_id = 31),
	  OP(7, 8, READ, .id = 21, .saw = 1, .version = 1),
	  OP(9, 10, READ, .id = 31, .saw = 1, .version = 1)}},
	{"an update lost to who regenerates",
	 true,
	 false,
	 false,
	 {MADE, OP(3, 6, REGENERATE, .id = 11, .new_id = 21),
	  OP(4, 5, UPDATE, .id = 11, .tag = 2, .version = 2),
	  OP(7, 8, READ, .id = 21, .saw = 1, .version = 1)}},
	{"two deletions of one session",
	 true,
	 false,
	 false,
	 {MADE, OP(3, 4, DELETE, .id = 11, .rc = 1),
	  OP(5, 6, DELETE, .id = 11, .rc = 1)}},
	{"two who add",
	 false,
	 false,
	 false,
	 {OP(1, 4, ADD, .tag = 1, .version = 5),
	  OP(2, 3, ADD, .tag = 2, .version = 9)}},
	{"two who add, and one who removes",
	 false,
	 true,
	 false,
	 {OP(1, 4, ADD, .tag = 1, .version = 5), OP(2, 9, REMOVE, .rc = 1),
	  OP(5, 8, ADD, .tag = 2, .version = 9)}},
	{"a removed value seen again",
	 false,
	 false,
	 true,
	 {OP(1, 2, PUT, .tag = 1, .version = 5), OP(3, 4, REMOVE, .rc = 1),
	  OP(5, 6, GET, .saw = 1, .version = 5)}},
	{"two who count to one",
	 false,
	 false,
	 false,
	 {OP(1, 4, COUNT_ADD, .saw = 1), OP(2, 3, COUNT_ADD, .saw = 1)}},
	{"a killed count",
	 false,
	 true,
	 false,
	 {OP(1, 0, COUNT_ADD, .saw = 0), OP(2, 3, COUNT_ADD, .saw = 2)}},
	{"a version that is skipped",
	 false,
	 false,
	 false,
	 {OP(1, 2, PUT, .tag = 1, .version = 5),
	  OP(3, 4, PUT, .tag = 2, .version = 7)}},
};

static bool misjudged(struct hand *hand)
{
	struct history h = {.is_login = hand->is_login};
	unsigned again;

	while (h.count < HAND_OPS && hand->op[h.count].begin) {
		h.op[h.count] = &hand->op[h.count];
		h.count++;
	}
	if (history_check(&h) != (hand->right ? FINE : REFUTED))
		return true;
	again = history_resurrections(h.op, h.count, h.is_login, false);
	return (again > 0) != hand->again;
}

unsigned history_self_check(unsigned *refuted)
{
	unsigned bad = 0;

	*refuted = 0;
	for (unsigned i = 0; i < sizeof(hands) / sizeof(hands[0]); i++) {
		*refuted += !hands[i].right;
		if (!misjudged(&hands[i]))
			continue;
		printf("misjudged: %s\n", hands[i].what);
		bad++;
	}
	return bad;
}
