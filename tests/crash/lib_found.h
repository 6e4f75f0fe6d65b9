/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_CRASH_LIB_FOUND_H
#define SOJ_TESTS_CRASH_LIB_FOUND_H

/*
 * For tests of single interleavings: each case is a script of its own, run in
 * a process of its own.  Others are victims, parked at a label while the
 * script goes on.
 */

#include "crash/lib_world.h"

struct found_case {
	const char *name;
	void (*run)(void);
};

/* All cases, or those named by arguments; --list.  The exit code. */
int found_main(int argc, char **argv, const struct found_case *cases,
	       unsigned count);

/*
 * The main() of a test whose cases each have a segment of their own, which
 * nobody needs after it: begin() makes it, and it is w's.  CASES(X) is X(case)
 * for each.
 */
#define FOUND_MAIN(CASES)                                                   \
	CASES(FOUND_RUN)                                                    \
	int main(int argc, char **argv)                                     \
	{                                                                   \
		static const struct found_case all[] = {CASES(FOUND_CASE)}; \
                                                                            \
		return found_main(argc, argv, all,                          \
				  sizeof(all) / sizeof(*all));              \
	}
#define FOUND_RUN(name)              \
	static void run_##name(void) \
	{                            \
		begin();             \
		name();              \
		world_free(&w);      \
	}
#define FOUND_CASE(name) {#name, run_##name},

/* A world with these options, NULL: the usual ones, and prepared, unless by
 * NULL.  The case ends here if there can be none; else by world_end(). */
void found_begin(struct world *w, const struct world_options *o,
		 void (*prepare)(struct world *w));

/* Forks a victim that runs fn until it comes to the label; it must. */
void park(struct victim *v, const char *label, victim_fn fn, void *arg);
/* The same for the n-th passing of the label. */
void park_nth(struct victim *v, const char *label, uint32_t nth, victim_fn fn,
	      void *arg);
/* Lets a parked one go on to its end; it must come there. */
void unpark(struct victim *v);
/* Runs fn in a process of its own; it must come to its end. */
void run_alone(struct victim *v, victim_fn fn, void *arg);
/* Kills a parked one. */
void kill_parked(struct victim *v);

/* Counts a failure when it is not so. */
#define MUST(what)                                              \
	do {                                                    \
		if (!(what))                                    \
			failed("line %d: %s", __LINE__, #what); \
	} while (0)

/* The entry of a session of the model, by its id or an old one. */
uint64_t ref_of(struct world *w, const char *id);
uint64_t state_of(struct world *w, uint64_t ref);
/* The first of the entries that somebody owns; there must be one. */
uint32_t owned_entry(struct world *w);
/* Somebody dies making a session at the label; the entry that he owned. */
uint32_t die_making(struct world *w, const char *label);
enum soj_phase entry_phase(struct world *w, uint64_t ref);
/* Is the entry in that phase, and in the reference's generation? */
bool is_in(struct world *w, uint64_t ref, enum soj_phase phase);
uint32_t chunk_of(struct world *w, uint64_t ref);
enum soj_phase chunk_phase(struct world *w, uint32_t chunk);

/* Full passes, without any time passing in between. */
void upkeep_now(struct world *w, unsigned passes);
/* Until sections that stand still are expelled and all that ended is free. */
void upkeep_expelling(struct world *w);
/* Sessions of that subject until the segment is full: that repairs as well. */
void fill(struct world *w, const char *subject, size_t bytes);
/* The same, until one has that chunk. */
void fill_chunk(struct world *w, const char *subject, size_t bytes,
		uint32_t chunk);
/* Which session of the model has the entry or the chunk now; -1: none. */
int whose_entry(struct world *w, uint32_t idx);
int whose_chunk(struct world *w, uint32_t chunk);

#endif /* SOJ_TESTS_CRASH_LIB_FOUND_H */
