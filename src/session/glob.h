/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SESSION_GLOB_H
#define SOJ_SESSION_GLOB_H

/*
 * Layer 5.  Wildcard patterns over bytes: * any bytes, ? any one, [a-z] one of
 * these, [!a-z] one not of these, \x the byte x itself.
 *
 * All ways to match are followed at once, as bits (R. Baeza-Yates, G. Gonnet,
 * "A New Approach to Text Searching", 1992): the time is that of the text's
 * length, whatever the pattern, and there is no backtracking.
 */

#include "base/bits.h"

#define SOJ_GLOB_CHARS_MAX 255u
#define SOJ_GLOB_WORDS     4u /* one bit per atom, and one for the end */

struct soj_glob {
	uint64_t takes[256][SOJ_GLOB_WORDS]; /* bit i: atom i takes the byte */
	uint64_t stays[SOJ_GLOB_WORDS];      /* bit i: a * before atom i */
	unsigned atoms;
};

/* 0, or -EINVAL: *why (static) says what is wrong. */
int soj_glob_compile(struct soj_glob *g, const char *pattern, const char **why);
bool soj_glob_match(const struct soj_glob *g, const char *text);

#endif /* SOJ_SESSION_GLOB_H */
