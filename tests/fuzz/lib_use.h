/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_LIB_USE_H
#define SOJ_TESTS_LIB_USE_H

/* Uses the small segment, however spoilt, by every operation there is. */

#include "lib_small.h"

/* Attaches it read-only and writable, works on it as the input says, or if it
 * is used up (and `all`) by everything in turn, with upkeep and expiry. */
void use_segment(struct fuzz_in *in, bool all);
/* A whole input: patches or bytes, then operations; fuzz_image.c says how. */
void use_spoilt(const uint8_t *data, size_t size);
/* Every reader of the tools: fsck, dump, stat. */
void use_tools(bool online);

#endif /* SOJ_TESTS_LIB_USE_H */
