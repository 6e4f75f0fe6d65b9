/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_SCARCE_H
#define SOJ_TESTS_SCARCE_H

/* Replaces the allocator by one that fails when it is told to, in the one test
 * that includes this.  A sanitizer has its own: not there. */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);

static struct {
	unsigned nth; /* counts down; at 1 it fails; 0: none does */
	unsigned seen;
} memory;

static bool memory_fails(void)
{
	memory.seen++;
	if (memory.nth == 0 || --memory.nth > 0)
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t bytes)
{
	return memory_fails() ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
	return memory_fails() ? NULL : __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes)
{
	return memory_fails() ? NULL : __libc_realloc(old, bytes);
}

#endif /* SOJ_TESTS_SCARCE_H */
