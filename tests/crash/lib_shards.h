/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_CRASH_LIB_SHARDS_H
#define SOJ_TESTS_CRASH_LIB_SHARDS_H

/* Runs fn(0) to fn(count - 1), each in a process of its own; one that does not
 * end well is a failure. */
void run_shards(unsigned count, void (*fn)(unsigned shard));

#endif /* SOJ_TESTS_CRASH_LIB_SHARDS_H */
