/* SPDX-License-Identifier: MIT */

#include "crash/lib_shards.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash/lib_world.h"

#define SHARDS_MAX 16u

void run_shards(unsigned count, void (*fn)(unsigned shard))
{
	pid_t pid[SHARDS_MAX];

	if (count > SHARDS_MAX)
		abort();
	fflush(NULL);
	for (unsigned i = 0; i < count; i++) {
		pid[i] = fork();
		if (pid[i] < 0)
			abort();
		if (pid[i] == 0) {
			fn(i);
			fflush(NULL);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < count; i++) {
		int status;

		if (waitpid(pid[i], &status, 0) < 0 || status != 0)
			failed("shard %u ended with status 0x%x", i, status);
	}
}
