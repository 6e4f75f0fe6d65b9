/* SPDX-License-Identifier: MIT */

#include "lib_fuzz.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "lib/random.h"

uint64_t fuzz_take(struct fuzz_in *in, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes && in->left > 0; i++, in->left--)
		value |= (uint64_t)*in->at++ << 8 * i;
	return value;
}

uint64_t fuzz_below(struct fuzz_in *in, uint64_t count)
{
	unsigned bytes = 1;

	while (bytes < 8 && count > UINT64_C(1) << 8 * bytes)
		bytes++;
	return fuzz_take(in, bytes) % count;
}

size_t fuzz_string(struct fuzz_in *in, char *text, size_t max)
{
	size_t bytes = fuzz_below(in, max + 1);

	for (size_t i = 0; i < bytes; i++) {
		text[i] = (char)fuzz_take(in, 1);
		if (text[i] == 0)
			text[i] = 'a';
	}
	text[bytes] = 0;
	return bytes;
}

void fuzz_fail(const char *format, ...)
{
	va_list args;

	fputs("FINDING: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}

/* ---- random numbers ---- */

static uint64_t state;

static uint32_t next(void)
{
	return (uint32_t)(random_next(&state) >> 16);
}

static const char *name(void)
{
	return "fuzz";
}

static void fill(void *const buf, const size_t bytes)
{
	uint8_t *to = buf;

	for (size_t i = 0; i < bytes; i++)
		to[i] = (uint8_t)next();
}

static randombytes_implementation source = {
	.implementation_name = name,
	.random = next,
	.buf = fill,
};

void fuzz_random(uint64_t seed)
{
	static bool ready;

	state = seed;
	if (ready)
		return;
	ready = true;
	randombytes_set_implementation(&source);
	if (sodium_init() < 0)
		fuzz_fail("libsodium cannot be used");
}

/* ---- accesses ---- */

static struct {
	const char *what;
	uint64_t count, limit, at;
	void (*fn)(void);
} accesses = {.what = "", .limit = UINT64_MAX};

void soj_explore_point(const volatile void *addr, int kind)
{
	static bool inside;

	(void)addr;
	(void)kind;
	if (inside)
		return;
	inside = true;
	if (++accesses.count > accesses.limit)
		fuzz_fail("%s takes more than %" PRIu64 " accesses",
			  accesses.what, accesses.limit);
	if (accesses.at != 0 && --accesses.at == 0)
		accesses.fn();
	inside = false;
}

void fuzz_bound(const char *what, uint64_t limit)
{
	accesses.what = what;
	accesses.limit = limit;
	accesses.count = 0;
}

uint64_t fuzz_accesses(void)
{
	return accesses.count;
}

void fuzz_interrupt(uint64_t count, void (*fn)(void))
{
	accesses.at = count;
	accesses.fn = fn;
}
