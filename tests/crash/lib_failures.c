/* SPDX-License-Identifier: MIT */

/* Failures of a test whose processes share one count, and planted bugs. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fault.h"
#include "crash/lib_world.h"

#define FAILURES_SHOWN 25u

static _Atomic(uint32_t) *failure_count;
static uint32_t count_here;
static char what[256];

static const struct {
	const char *name, *what;
} plants[] = {
#define X(name, what) {#name, what},
	SOJ_PLANTS(X)
#undef X
};

static void plant(const char *bug)
{
	bool list = strcmp(bug, "list") == 0;

	for (unsigned i = 0; i < sizeof(plants) / sizeof(plants[0]); i++) {
		if (list)
			printf("%s\t%s\n", plants[i].name, plants[i].what);
		else if (strcmp(plants[i].name, bug) == 0)
			soj_plant = (enum soj_plant)(i + 1);
	}
	if (list)
		exit(0);
	if (soj_plant == SOJ_PLANT_NONE) {
		fprintf(stderr, "SOJ_PLANT=%s: no such bug\n", bug);
		exit(64);
	}
}

void plant_wanted(void)
{
	if (getenv("SOJ_PLANT"))
		plant(getenv("SOJ_PLANT"));
}

void failures_init(void)
{
	plant_wanted();
	failure_count =
		mmap(NULL, sizeof(*failure_count), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (failure_count == MAP_FAILED)
		abort();
}

uint32_t failures(void)
{
	return *failure_count;
}

uint32_t failures_here(void)
{
	return count_here;
}

void trying(const char *format, ...)
{
	va_list args;

	/* A bug was planted, and found: that will do. */
	if (soj_plant != SOJ_PLANT_NONE && failures() > 0) {
		fflush(NULL);
		_exit(1);
	}
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
}

void failed(const char *format, ...)
{
	char text[256];
	va_list args;

	count_here++;
	if ((*failure_count)++ >= FAILURES_SHOWN)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "FAILED %s: %s\n", what, text);
}
