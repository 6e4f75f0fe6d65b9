/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_LIB_HANDLE_H
#define SOJ_TESTS_LIB_HANDLE_H

/* A handle of a small anonymous segment, for cmocka. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sojourn/sojourn.h>

/* 50 entries, no helper. */
void handle_options(struct sojourn_options *o, uint64_t segment_bytes);
/* 0 and *s, which is the state as well, or -errno. */
int handle_set_up(const struct sojourn_options *o, struct sojourn **s,
		  void **state);
int handle_tear_down(void **state);

#endif /* SOJ_TESTS_LIB_HANDLE_H */
