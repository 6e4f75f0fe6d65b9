/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_EXPLORE_LIB_EQUAL_H
#define SOJ_TESTS_EXPLORE_LIB_EQUAL_H

/*
 * Which schedules of two operations come to the same, by what they touched.
 *
 * P does i accesses, O the next k, then P goes on to its end, then O does: that
 * is schedule (i, k).  Two accesses conflict if they are to the same word of
 * eight bytes and one of them is no load; what does not conflict may change
 * places, and nobody's answers, nor what is there in the end, are others for
 * it.  A step is an access with all that its maker does up to before his next
 * one, which is private to him, or a fence.  So:
 *
 *   across  (i, k) is (i + 1, k) if step i of P conflicts with none of the first
 *           k of O: P is interrupted only right before a step that meets what
 *           O does meanwhile.
 *   along   (i, k) is (i, k + 1) if step k of O conflicts with nothing that P
 *           does when it goes on: the same, the other way round.
 *
 * Each leads to a larger i or k, so that in the end there is a schedule that is
 * run, or one with a single interruption, all of which are.  Both are known
 * from runs: what O does after i accesses of P is the same for each k, and what
 * P does when it goes on is the same from k to k + 1.
 *
 * Stores held back (lib_sched.h).  Who is interrupted holds the stores since
 * his last RMW or fence; they are made when he goes on.  So a step that is a
 * store is nothing that the other could see, if he is interrupted before it or
 * after it: the one who goes on makes it at the same place.  (If the other
 * writes to that word, too, it counts all the same: a store may be of half a
 * word, and what is held back is all of it.)  A RMW, and a step with a fence
 * after it, makes all that was held seen: it is a store to each of those words.
 * What P holds is, for O, stored by P as it goes on.
 *
 *   held    (i, k) with stores held is (i, k) without if O touches none of those
 *           that P holds, and P, as it goes on, none of those that O holds.
 *
 * Deaths, of O after its k accesses.  What it leaves is looked at word by word,
 * so that each of its writes has a schedule of its own, whomever it concerns:
 *
 *   across  as above; but not before the last access of P, as nobody dies after
 *           P is at its end; and if the death is seen at once, and step i is at
 *           the word that tells of it, that is a conflict.
 *   after   (i, k) is (i, k - 1) if access k - 1 of O is a load: it takes with
 *           it what it read.  Not to k = 0.
 *   told    one that is seen at once is as one that is told of when P is at its
 *           end, if P, as it goes on, never is at that word.
 *   held    as above: the dead hold none.
 *
 * `across` leads to a larger i and `after` to a smaller k, so that these end,
 * too.
 *
 * All of this is claims about the explorer's own accesses; explore_equal.c runs
 * what was left out, too, and compares.
 */

#include "explore/lib_sched.h"

#define STEP_NONE UINT32_MAX

/* When a trace first reads, and first writes, each word. */
struct marks {
	uint32_t round;
	struct mark {
		uint32_t round, read, written;
	} * word;
	size_t words;
};

/* Forgets the words of before. */
void marks_begin(struct marks *m);
void marks_free(struct marks *m);
/* Steps of t from `from` on, by their numbers. */
void marks_add(struct marks *m, const struct trace *t, uint32_t from);
/* Before them: what t holds at step `at`, as it makes it all when it goes on. */
void marks_add_held(struct marks *m, const struct trace *t, uint32_t at);

/* The first of the marked steps that step `at` of t conflicts with, while both
 * hold stores, or neither; STEP_NONE. */
uint32_t marks_meet(const struct marks *m, const struct trace *t, uint32_t at,
		    bool held);
/* Do they touch what t holds before its step `at`? */
bool marks_meet_held(const struct marks *m, const struct trace *t, uint32_t at);
bool marks_has(const struct marks *m, uint32_t word);

#endif /* SOJ_TESTS_EXPLORE_LIB_EQUAL_H */
