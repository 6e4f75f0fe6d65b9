/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_LIB_FUZZ_H
#define SOJ_TESTS_LIB_FUZZ_H

/*
 * What the fuzzers share: an input read piece by piece, findings, random
 * numbers that are the same in each run, and a count of all accesses to the
 * segment, which bounds them and lets something happen before any of them.
 *
 * Bounds are counts, not seconds: an input that breaks one breaks it on any
 * machine.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* libFuzzer calls these. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* An input; what is read beyond its end is zero. */
struct fuzz_in {
	const uint8_t *at;
	size_t left;
};

/* So many bytes (at most 8), little endian. */
uint64_t fuzz_take(struct fuzz_in *in, unsigned bytes);
/* Below count, which is at least 1; takes as many bytes as that needs. */
uint64_t fuzz_below(struct fuzz_in *in, uint64_t count);
/* A string of at most max bytes and no NUL, into text[max + 1]: one byte says
 * how long it is.  Returns its length. */
size_t fuzz_string(struct fuzz_in *in, char *text, size_t max);

/* A finding: says what, and ends the run. */
void fuzz_fail(const char *format, ...)
	__attribute__((format(printf, 1, 2), noreturn));
#define FUZZ_CHECK(condition)                                                \
	do {                                                                 \
		if (!(condition))                                            \
			fuzz_fail("%s:%d: %s is not so", __FILE__, __LINE__, \
				  #condition);                               \
	} while (0)

/* From here on, random numbers come from this seed. */
void fuzz_random(uint64_t seed);

/* From here on at most `limit` accesses; `what` is named if there are more. */
void fuzz_bound(const char *what, uint64_t limit);
/* How many there were since. */
uint64_t fuzz_accesses(void);
/* Called before the access with that number, counted from now on; 0: never.
 * It is called without being counted itself. */
void fuzz_interrupt(uint64_t accesses, void (*fn)(void));

#endif /* SOJ_TESTS_LIB_FUZZ_H */
