/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_LIB_STRESS_H
#define SOJ_TESTS_LIB_STRESS_H

/* Values that show whether they are torn or another's, and small helpers. */

#include <sojourn/sojourn.h>
#include <sojourn/stat.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct value {
	uint64_t magic, account, login, counter;
	uint64_t fill[28];
	uint64_t check;
};

void value_make(struct value *v, uint64_t account, uint64_t login,
		uint64_t counter);
bool value_ok(const struct value *v, size_t bytes, uint64_t account);

uint64_t next_random(uint64_t *x);
uint64_t now_ns(void);

/* When every session was ended: does upkeep find all memory free again?  *stat
 * then says what is left. */
bool drained(struct sojourn *s, struct sojourn_stat *stat);
void print_left(const struct sojourn_stat *stat);

/* The value of a counter by its name; 0 if there is none. */
uint64_t counter(const struct sojourn_stat *stat, const char *name);

/* The closing lines, the last one for programs. */
void print_outcome(bool ok, uint64_t operations, uint64_t kills);

#endif /* SOJ_TESTS_LIB_STRESS_H */
