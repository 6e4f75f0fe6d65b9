/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_LIB_MODEL_H
#define SOJ_TESTS_LIB_MODEL_H

/*
 * What one key is, were its operations done one after the other.
 *
 * An item: there or not, a tag that stands for its data, a version.
 *
 * A login: its ids in the order in which they were made, the last of which is
 * the tip.  An id answers unless it or a later one is over, so the ids that are
 * over are the first few: `over` of them.  All of them: the login has ended.
 * The grace window has no end here.
 *
 * A deletion by an id is not one step: it ends that id, then its successor, and
 * so on.  Whoever is killed in between leaves a login that answers by its later
 * ids only, until upkeep, another deleter or a reader goes on.  So a deletion
 * that has begun may at any time raise `over` beyond its id, and when it
 * returned all are over.  Whoever came by an id just before it ended may still
 * finish at the tip; and of two that end one login both may say that they did.
 *
 * To regenerate is to renew and to end all ids but the new one, the one that was
 * the tip first: meanwhile older ones may still answer, and who wants a new id
 * for the same login may be told that it is over.  Then these ids do not lead to
 * the login any more: a deletion by one of them is none.
 */

#include "histories/lib_history.h"

#define UNKNOWN UINT64_MAX

struct state {
	uint64_t tag;
	uint64_t version;       /* 0: not known: a killed process made it */
	uint64_t ids[LINE_MAX]; /* UNKNOWN: made by a killed process */
	uint16_t exists;
	uint16_t n, over;
	uint16_t cut; /* those before it lead nowhere */
};

/* What more a history says of an operation. */
struct about {
	bool pending;
	bool beside_deletion; /* another one was under way meanwhile */
	bool beside_regenerate;
};

enum step { ILLEGAL, SAME, CHANGED };

/* Can the operation take effect now, all of it?  *s is then what comes. */
enum step state_apply(struct state *s, const struct op *op,
		      const struct about *about);

/*
 * The nth part of what the operation may do before it takes effect as a whole:
 * a deletion ends some of the ids; a renewal that says that the session is over
 * may have made a new id, which others saw, before all ended; and to regenerate
 * makes one before it has ended the others.  False: it has no such part.
 */
bool state_part(struct state *s, const struct op *op, const struct about *about,
		unsigned nth);

#endif /* SOJ_TESTS_LIB_MODEL_H */
