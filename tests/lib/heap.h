/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_LIB_HEAP_H
#define SOJ_TESTS_LIB_HEAP_H

/*
 * Is something still in this process's heap, also in what was freed?
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where the heap begins; asked for once, since asking allocates.  A sanitizer
 * has one of its own: then it is empty. */
static inline const uint8_t *heap_begin(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long begin = 0;
	char line[256];

	while (maps && begin == 0 && fgets(line, sizeof(line), maps))
		if (strstr(line, "[heap]"))
			begin = strtoul(line, NULL, 16);
	if (maps)
		fclose(maps);
	return begin ? (const uint8_t *)begin : sbrk(0);
}

static inline bool in_heap(const uint8_t *heap, const void *what, size_t bytes)
{
	return memmem(heap, (size_t)((uint8_t *)sbrk(0) - heap), what, bytes);
}

#endif /* SOJ_TESTS_LIB_HEAP_H */
