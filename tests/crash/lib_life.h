/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_CRASH_LIB_LIFE_H
#define SOJ_TESTS_CRASH_LIB_LIFE_H

#include "crash/lib_victim.h"

/* A small segment without a helper: sojourn_create(). */
int life_create(const char *name, const char *key_file, struct sojourn **s);

/* Victims that create, attach and destroy a named segment, killed at each of
 * their labels.  r: for their reports. */
void life_points(struct report *r);
/* Stopped there, while the survivor makes and removes one of that name. */
void life_stops(struct report *r);

#endif /* SOJ_TESTS_CRASH_LIB_LIFE_H */
