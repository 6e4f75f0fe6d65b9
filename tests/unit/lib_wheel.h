/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_LIB_WHEEL_H
#define SOJ_TESTS_LIB_WHEEL_H

/* What the tests of the timing wheel share. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "helper/wheel.h"

#define ALL UINT64_MAX /* no budget */

/* The first tick that is not before ms. */
static inline uint64_t tick_up(uint64_t ms, uint32_t tick_ms)
{
	return ms / tick_ms + (ms % tick_ms != 0);
}

static inline void assert_sound(const struct soj_wheel *w)
{
	const char *why;

	if (soj_wheel_check(w, &why) != 0)
		fail_msg("%s", why);
	assert_null(why);
}

#endif /* SOJ_TESTS_LIB_WHEEL_H */
