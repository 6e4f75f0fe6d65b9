/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_SCARCE_H
#define SOJ_TESTS_SCARCE_H

/*
 * Replaces the allocator by one that fails when it is told to, in the one test
 * that includes this.  Behind it is the C library's, or a sanitizer's, under
 * the name that each has for those who put another in front: memory of the one
 * must not come to the other's free().
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "lib/sanitized.h"

#if SANITIZED
#define BEHIND(name) __interceptor_##name
#else
#define BEHIND(name) __libc_##name
#endif

void *BEHIND(malloc)(size_t bytes);
void *BEHIND(calloc)(size_t count, size_t bytes);
void *BEHIND(realloc)(void *old, size_t bytes);

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
	return memory_fails() ? NULL : BEHIND(malloc)(bytes);
}

void *calloc(size_t count, size_t bytes)
{
	return memory_fails() ? NULL : BEHIND(calloc)(count, bytes);
}

void *realloc(void *old, size_t bytes)
{
	return memory_fails() ? NULL : BEHIND(realloc)(old, bytes);
}

#endif /* SOJ_TESTS_SCARCE_H */
