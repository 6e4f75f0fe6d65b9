/* SPDX-License-Identifier: MIT */
#ifndef LIB_SEM_H
#define LIB_SEM_H

/* What the tests of features share: a segment under a clock of its own, and
 * workers that begin together. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sojourn/collection.h>

#include "lib/gate.h"

/* Small, under a manual clock, without a helper; ttl 30 min. */
void sem_options(struct sojourn_options *o);
struct sojourn *sem_make(const struct sojourn_options *o);
/* The same with a collection more, "carts"; *number: its. */
struct sojourn *sem_make_carts(struct sojourn_options *o, uint32_t *number);
/* For cmocka: detaches from *state. */
int sem_tear_down(void **state);
void sem_advance(struct sojourn *s, uint64_t ms);

/* A login; the test ends if it fails. */
void sem_login(struct sojourn *s, const char *subject, const char *data,
	       char id[SOJOURN_ID_CHARS_MAX + 1]);
/* Anna's, with "data", from there. */
void sem_login_from(struct sojourn *s, const struct sojourn_metadata *m,
		    char id[SOJOURN_ID_CHARS_MAX + 1]);
/* Reads, but neither uses nor renews it. */
int sem_look(struct sojourn *s, const char *id, struct sojourn_info *info);
/* Reads as a request does; 0 or the error. */
int sem_read(struct sojourn *s, const char *id, struct sojourn_info *info);
/* How many sessions of the subject are listed. */
int sem_count(struct sojourn *s, const char *subject);
uint64_t sem_counter(struct sojourn *s, const char *name);
/* The number of the entry that a session has. */
uint32_t sem_place(struct sojourn *s, const char *id);

/* The item with that key. */
static inline struct sojourn_item sem_item(uint32_t collection, const char *key)
{
	return (struct sojourn_item){collection, key, strlen(key)};
}

#define expect_reason(call, error, why)                                    \
	do {                                                               \
		assert_int_equal(call, error);                             \
		assert_string_equal(sojourn_reason_name(sojourn_reason()), \
				    sojourn_reason_name(why));             \
	} while (0)

/* Zeroed memory that children share. */
void *sem_shared(size_t bytes);
void sem_unshare(void *shared, size_t bytes);

/* From now on a call of this thread that is about to sleep for another's lock
 * posts at the gate, once. */
void sem_tell_waiting(struct gate *waiting);

/* Kills a child that must have been at work until then. */
void sem_end(pid_t pid);

/* After an attempt, that began when `attempts` had that count, to make an entry
 * where others do the same: is it to be made again?  Who lost its turn in a
 * section holds back what ended; so after -ENOSPC somebody else's next attempt
 * comes first.  One of all is always awake. */
bool sem_no_room(struct gate *attempts, uint32_t before, int rc);

/* Runs fn(i, arg) in `count` processes that begin at the same time, and waits;
 * the test fails if one of them returns nonzero. */
void sem_workers(unsigned count, int (*fn)(unsigned i, void *arg), void *arg);

#endif /* LIB_SEM_H */
