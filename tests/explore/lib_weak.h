/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_EXPLORE_LIB_WEAK_H
#define SOJ_TESTS_EXPLORE_LIB_WEAK_H

/*
 * What processors and compilers do to the order of accesses, as far as C's
 * memory model allows it, for one actor that is interrupted:
 *
 * - Stores since his last read-modify-write or full fence are not seen by the
 *   others until he goes on: the newest so many (total store order, as x86 has
 *   it), or one of them while later ones are seen, unless one of those is a
 *   release store, an ordered read-modify-write or stands behind a release
 *   fence.  That one may be a read-modify-write: then it is seen as soon as
 *   another one is about to write to its word, as nothing comes between what
 *   it read and what it wrote.
 * - When he goes on, some of his loads in turn give what was there when he was
 *   interrupted, as if they had been made before: unless an ordered
 *   read-modify-write or a full fence of his stands between, or an acquire load
 *   or fence that was not made before as well, or he has met the word since.  A
 *   load of what nobody wrote to meanwhile may have been made when it likes.
 *
 * That is less than the model allows: no store is seen late by one and not by
 * another, or before a load that stands in front of it has been made.  So
 * nothing that is found is a false alarm.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Stores that an actor can hold: about what a processor has. */
#define PENDING_MAX 64u

/* Which loads of who goes on were made before he was interrupted. */
struct weak_loads {
	uint32_t first, last; /* of those that can be, from 1 on; 0: none */
};

/* No stores, no loads; words are those from base on. */
void weak_begin(uint8_t *base);

/* `who` stores there next. */
void weak_store(unsigned who, size_t offset, bool is_release);
void weak_rmw(unsigned who, size_t offset, bool is_ordered);
void weak_release_fence(unsigned who);
/* All of his stores are seen. */
void weak_drain(unsigned who);
/* How many he holds at most. */
uint32_t weak_held(unsigned who);
/* Others see what was there before: so many of the newest, or only that one.
 * Then he goes on. */
void weak_hide(unsigned who, uint32_t hold, bool alone);
void weak_show(unsigned who);

/* The first actor is interrupted; goes on. */
void weak_leave(void);
void weak_return(const struct weak_loads *how);
/* Somebody is about to write there. */
void weak_wrote(size_t offset);
/* Who went on loads there next; what he finds lasts until weak_restore(). */
void weak_load(size_t offset, bool is_acquire);
void weak_restore(void);
/* Between later loads and his interruption stands: if a load of his does; in any
 * case. */
void weak_acquire_fence(void);
void weak_barrier(void);
/* So many loads could have been made before. */
uint32_t weak_early(void);

#endif /* SOJ_TESTS_EXPLORE_LIB_WEAK_H */
