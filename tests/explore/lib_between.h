/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_EXPLORE_LIB_BETWEEN_H
#define SOJ_TESTS_EXPLORE_LIB_BETWEEN_H

/*
 * What another thread does right before one single access of this one: between
 * its look at a word and its CAS of it, or between two looks.  All in one
 * thread: the other one's part runs from within soj_explore_point().
 */

#include "crash/lib_found.h"
#include "explore/lib_access.h"
#include "store/chain.h"

/* The slot of who comes in between. */
#define OTHER 5u

/* Its next access of a kind (ACCESS_*) to the word: then it is made `put`. */
void before_access(soj_word_t *word, unsigned kinds, uint32_t nth,
		   uint64_t put);
/* Its next write of the word, be it a CAS or a store. */
void before_write(soj_word_t *word, uint64_t put);
void before_write_nth(soj_word_t *word, uint32_t nth, uint64_t put);
/* The same, but the other one does that. */
void before_call(const volatile void *word, unsigned kinds, uint32_t nth,
		 void (*fn)(void));
/* Of any word that is in this process only. */
void before_private(unsigned kinds, uint32_t nth, void (*fn)(void));
/* Not before an access, but at a label (base/fault.h). */
void at_step(const char *label, void (*fn)(void));
/* Did he come?  Disarms. */
bool came(void);
/* He came, and what he put is there. */
#define EXPECT_KEPT() expect_kept(__LINE__)
void expect_kept(int line);

/* What the test's own soj_explore_point() has to call. */
void between_point(const volatile void *addr, int kind);

/* A world with people, of whom each may have so many logins (0: any number);
 * its store, and this thread's worker there. */
extern struct world w;
extern struct soj_store *st;
extern struct soj_worker *me;
/* The bystander's entry, until a test says another. */
extern uint64_t ref;
extern struct soj_shm_entry *e;
void between_begin(uint32_t cap);

uint64_t load(soj_word_t *word);
soj_word_t *state_word(uint32_t idx);
uint32_t own_entry(void);
uint32_t own_chunk(uint32_t class);
/* What its ctl is after the next change. */
uint64_t ctl_next(enum soj_status status);
/* OWNED by the other one, a generation on. */
uint64_t passed_on(uint64_t state);
/* Held by a thread that nobody takes for dead, with that generation. */
uint64_t held_claim(uint32_t gen);
/* The entry of a session of the model. */
uint32_t entry_of(unsigned which);

#endif /* SOJ_TESTS_EXPLORE_LIB_BETWEEN_H */
