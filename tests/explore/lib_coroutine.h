/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_EXPLORE_LIB_COROUTINE_H
#define SOJ_TESTS_EXPLORE_LIB_COROUTINE_H

/*
 * Coroutines of one thread, and memory that goes with them.
 *
 * A coroutine runs until it yields; who resumed it then goes on.  One that is
 * not resumed again is simply dropped, as a process that is killed: its stack
 * and all that it allocated are there for the next one.
 */

#include <stddef.h>
#include <stdint.h>

struct coroutine {
	uint8_t *stack; /* made at the first start */
	void *sp, *resumer_sp;
	void (*fn)(void *arg);
	void *arg;
	int finished;
};

/* Prepares it to run fn(arg) from the beginning at the next resume. */
void coroutine_start(struct coroutine *co, void (*fn)(void *arg), void *arg);
/* Until it yields or comes to its end (co->finished). */
void coroutine_resume(struct coroutine *co);
/* From inside of the one that runs. */
void coroutine_yield(struct coroutine *co);

/*
 * While true, malloc and its kin take from an area that coroutine_forget()
 * empties: a dropped coroutine leaks nothing.  Not with sanitizers, which have
 * allocators of their own.
 */
extern int coroutine_memory;
void coroutine_forget(void);

#endif /* SOJ_TESTS_EXPLORE_LIB_COROUTINE_H */
