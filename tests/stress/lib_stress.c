/* SPDX-License-Identifier: MIT */

#include "stress/lib_stress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "session/handle.h"

static uint64_t value_check(const struct value *v)
{
	const uint64_t *word = (const uint64_t *)v;
	uint64_t sum = 0x9e3779b97f4a7c15;

	for (size_t i = 0; i < sizeof(*v) / 8 - 1; i++)
		sum = (sum ^ word[i]) * 0xff51afd7ed558ccd;
	return sum;
}

void value_make(struct value *v, uint64_t account, uint64_t login,
		uint64_t counter)
{
	v->magic = 0x736f6a6f75726e21;
	v->account = account;
	v->login = login;
	v->counter = counter;
	for (size_t i = 0; i < 28; i++)
		v->fill[i] = counter * 31 + i;
	v->check = value_check(v);
}

bool value_ok(const struct value *v, size_t bytes, uint64_t account)
{
	return bytes == sizeof(*v) && v->magic == 0x736f6a6f75726e21 &&
	       v->account == account && v->check == value_check(v);
}

uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

bool drained(struct sojourn *s, struct sojourn_stat *stat)
{
	struct soj_upkeep_work done;
	struct soj_self *self;
	struct soj_upkeep up;
	bool clean = false;
	int rc;

	self = soj_self_writing(s, &rc);
	if (self == NULL || soj_upkeep_init(&up, &s->st, &self->w) != 0)
		return false;
	for (unsigned i = 0; i < 50 && !clean; i++) {
		soj_upkeep_full(&up, &done);
		if (sojourn_stat(s, stat) < 0)
			break;
		clean = stat->entries_free == stat->entries_max &&
			stat->chunk_bytes_live == 0 &&
			stat->chunk_bytes_retired == 0;
	}
	soj_upkeep_deinit(&up);
	return clean;
}

void print_left(const struct sojourn_stat *stat)
{
	printf("left: live %" PRIu64 " retired %" PRIu64 " owned %" PRIu64
	       " free %" PRIu64 " of %" PRIu64 ", chunk bytes live %" PRIu64
	       " retired %" PRIu64 "\n",
	       stat->entries_live, stat->entries_retired, stat->entries_owned,
	       stat->entries_free, stat->entries_max, stat->chunk_bytes_live,
	       stat->chunk_bytes_retired);
}

uint64_t counter(const struct sojourn_stat *stat, const char *name)
{
	for (uint32_t i = 0; i < stat->counters; i++)
		if (strcmp(stat->counter[i].name, name) == 0)
			return stat->counter[i].value;
	return 0;
}

void print_outcome(bool ok, uint64_t operations, uint64_t kills)
{
	printf("%s\n", ok ? "ok" : "FAILED");
	printf("result kill_operations=%" PRIu64 " kills=%" PRIu64
	       " violations=%u\n",
	       operations, kills, !ok);
}
