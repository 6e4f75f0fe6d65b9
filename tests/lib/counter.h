/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_COUNTER_H
#define SOJ_TESTS_COUNTER_H

#include <stdint.h>
#include <string.h>

#include <sojourn/stat.h>

/* A counter of the segment by its name; UINT64_MAX: there is none, or the
 * segment cannot be read. */
static inline uint64_t counter_of(struct sojourn *s, const char *name)
{
	struct sojourn_stat stat;

	if (sojourn_stat(s, &stat) != 0)
		return UINT64_MAX;
	for (uint32_t i = 0; i < stat.counters; i++)
		if (strcmp(stat.counter[i].name, name) == 0)
			return stat.counter[i].value;
	return UINT64_MAX;
}

#endif /* SOJ_TESTS_COUNTER_H */
