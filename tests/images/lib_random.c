/* SPDX-License-Identifier: MIT */

/*
 * Random numbers that follow from a seed, so that a violation replays with the
 * same instructions; and names of instructions.
 */

#include <dlfcn.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "images/lib_step.h"
#include "lib/random.h"

static uint64_t state;

uint64_t mix(uint64_t a, uint64_t b)
{
	return random_of(a, b);
}

static uint32_t next(void)
{
	return (uint32_t)mix(++state, 1);
}

static void fill(void *const buf, const size_t bytes)
{
	uint8_t *to = buf;

	/* Few steps: victims run this, too. */
	for (size_t i = 0; i < bytes; i += 8) {
		uint64_t word = mix(++state, 1);

		memcpy(to + i, &word, bytes - i < 8 ? bytes - i : 8);
	}
}

static const char *name(void)
{
	return "seeded";
}

void seed_random(uint64_t seed)
{
	static struct randombytes_implementation seeded = {
		.implementation_name = name, .random = next, .buf = fill};

	randombytes_set_implementation(&seeded);
	state = seed;
}

void where_is(uint64_t rip, char *text, size_t bytes)
{
	char command[600], exe[400], line[300] = "";
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	Dl_info info = {0};
	FILE *pipe;

	snprintf(text, bytes, "the beginning");
	if (rip == 0)
		return;
	snprintf(text, bytes, "0x%lx", (unsigned long)rip);
	if (n <= 0 || dladdr((void *)(uintptr_t)rip, &info) == 0)
		return;
	exe[n] = '\0';
	if (strcmp(info.dli_fname, exe) != 0 && info.dli_sname) {
		snprintf(text, bytes, "%s+0x%lx of %s", info.dli_sname,
			 (unsigned long)(rip - (uint64_t)info.dli_saddr),
			 info.dli_fname);
		return;
	}
	snprintf(command, sizeof(command),
		 "addr2line -f -s -p -e '%s' 0x%lx 2>/dev/null", exe,
		 (unsigned long)(rip - (uint64_t)info.dli_fbase));
	pipe = popen(command, "r");
	if (pipe == NULL)
		return;
	if (fgets(line, sizeof(line), pipe) && line[0] != '?') {
		line[strcspn(line, "\n")] = '\0';
		snprintf(text, bytes, "0x%lx %s",
			 (unsigned long)(rip - (uint64_t)info.dli_fbase), line);
	}
	pclose(pipe);
}
