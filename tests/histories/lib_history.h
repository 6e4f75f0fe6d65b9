/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_LIB_HISTORY_H
#define SOJ_TESTS_LIB_HISTORY_H

/*
 * What processes did to one key, and whether that can have been one after the
 * other.
 *
 * Every operation notes the instant it began and the instant it returned, by
 * one counter that all processes share, in memory that outlives them.  One that
 * has no end was under way when its process was killed: it may have taken
 * effect at any time since, or never.
 *
 * A key is a login with its line of ids, or an item.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_MAX 16u  /* ids of one login */
#define OPS_MAX  256u /* of one key */

enum kind {
	/* of sessions */
	CREATE,
	READ,
	UPDATE, /* if_version 0: any */
	MODIFY,
	RENEW,
	REGENERATE,
	DELETE,
	DELETE_SUBJECT,
	/* of items */
	PUT,
	ADD,
	GET,
	HAS,
	REMOVE,
	MODIFY_ITEM,
	COUNT_ADD,
	CLOCK, /* moved on: of no key */
	LIST,  /* of a subject: lib_lists.c */
	KINDS
};

extern const char *const kind_names[KINDS];

struct op {
	_Atomic(uint64_t) begin; /* 0: it never began */
	_Atomic(uint64_t) end;   /* 0: its process was killed */
	uint32_t key;
	uint8_t kind;
	uint8_t process;
	bool if_exists;
	uint32_t subject;
	uint64_t id;         /* which of its login's was used, hashed */
	uint64_t tag;        /* what was written, or asked to be */
	uint64_t if_version; /* 0: any */
	uint64_t now_ms;     /* the segment's time before it began */
	/* What it returned. */
	int rc;
	uint64_t saw; /* the tag that it found */
	uint64_t version;
	uint64_t new_id;  /* 0: none told */
	uint64_t late_ms; /* of a renewal: the old id is over by then */
	bool renewed;
};

struct history {
	unsigned count;
	bool is_login;
	struct op *op[OPS_MAX];
	/* Set by history_shrink(): no part of what is refuted. */
	bool beside[OPS_MAX];
};

enum verdict { FINE, REFUTED, UNDECIDED };

/* Is there an order?  Looks at no more than a million states. */
enum verdict history_check(struct history *h);

/* Of a refuted one: leaves out what it is refuted without. */
void history_shrink(struct history *h);
void history_print(const struct history *h);

/*
 * What never comes back: once one was told that an id is over, or that a login
 * was deleted, whoever begins later must not find it.  ops: all of one key, in
 * any number.  Returns 1 if there is one, which it prints.
 */
unsigned history_resurrections(struct op *const *op, unsigned count,
			       bool is_login, bool say);

/* Hand-written histories, right and wrong ones: how many were misjudged. */
unsigned history_self_check(unsigned *refuted);

#endif /* SOJ_TESTS_LIB_HISTORY_H */
