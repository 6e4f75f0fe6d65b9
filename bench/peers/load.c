/* SPDX-License-Identifier: MIT */

/* The workload: ids, values, and who is asked for when. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "peer.h"

void *bench_shared(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

#define HUGE_BYTES ((size_t)2 << 20)
#define COLLAPSE   25 /* MADV_COLLAPSE, Linux 6.1 */

void *bench_shared_of(const struct bench_store *st, size_t bytes)
{
	uint8_t *room, *p;

	if (!st->peer->huge)
		return bench_shared(bytes);
	/* It must begin at a multiple in memory, for it does in its file. */
	bytes = soj_align_up(bytes, HUGE_BYTES);
	room = mmap(NULL, bytes + HUGE_BYTES, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return NULL;
	p = (uint8_t *)soj_align_up((uintptr_t)room, HUGE_BYTES);
	if (mmap(p, bytes, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		return NULL;
	for (size_t at = 0; at < bytes; at += HUGE_BYTES) {
		p[at] = 0; /* there must be something to collapse */
		madvise(p + at, HUGE_BYTES, COLLAPSE);
	}
	return p;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

uint64_t bench_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t bench_now_ms(void)
{
	return clock_ns(CLOCK_MONOTONIC_COARSE) / 1000000;
}

uint64_t bench_rss(int pid)
{
	char path[64], line[128];
	unsigned long long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "RssAnon: %llu", &kib) == 1)
			break;
	fclose(f);
	return (uint64_t)kib * 1024;
}

int bench_server_pid(const struct bench_store *st, const char *name)
{
	char path[512];
	int pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.pid", st->dir, name);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%d", &pid) != 1)
		pid = 0;
	fclose(f);
	return pid;
}

void bench_load_id(struct soj_rng *rng, char id[BENCH_ID_CHARS + 1])
{
	/* Two words in hexadecimal, eight characters at a time. */
	for (unsigned part = 0; part < 4; part += 2) {
		const uint64_t random = soj_rng_next(rng);

		for (unsigned half = 0; half < 2; half++) {
			uint64_t x = (uint32_t)(random >> 32 * half), letters;

			x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
			x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
			x = (x | x << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
			letters = (x + UINT64_C(0x0606060606060606)) >> 4 &
				  UINT64_C(0x0101010101010101);
			x += UINT64_C(0x3030303030303030) + letters * 39;
			memcpy(id + 8 * (part + half), &x, 8);
		}
	}
	id[BENCH_ID_CHARS] = '\0';
}

/* ---- values ---- */

static uint64_t pattern(uint64_t n, uint64_t sequence)
{
	struct soj_rng rng = {n * UINT64_C(0xd6e8feb86659fd93) ^ sequence};

	return soj_rng_next(&rng);
}

/*
 * Session, sequence, and a word that follows from both, again and again: of
 * two values that got mixed the words differ.
 */
void bench_value_fill(void *data, size_t bytes, uint64_t n, uint64_t sequence)
{
	const uint64_t word = pattern(n, sequence);
	uint8_t *to = data;

	memcpy(to, &n, 8);
	memcpy(to + 8, &sequence, 8);
	for (size_t i = 16; i + 8 <= bytes; i += 8)
		memcpy(to + i, &word, 8);
	memcpy(to + bytes / 8 * 8, &word, bytes % 8);
}

bool bench_value_good(const void *data, size_t bytes, uint64_t n)
{
	/* Four at a time: it must not be what is measured. */
	typedef uint64_t four
		__attribute__((vector_size(32), aligned(8), may_alias));
	const uint8_t *from = data;
	uint64_t number, sequence, word, last, wrong = 0;
	four all, differ = {0};
	size_t i = 16;

	memcpy(&number, from, 8);
	memcpy(&sequence, from + 8, 8);
	word = pattern(number, sequence);
	all = (four){word, word, word, word};
	for (; i + 32 <= bytes; i += 32) {
		four there;

		memcpy(&there, from + i, 32);
		differ |= there ^ all;
	}
	for (; i < bytes; i += 8) {
		last = word;
		memcpy(&last, from + i, bytes - i < 8 ? bytes - i : 8);
		wrong |= last ^ word;
	}
	wrong |= differ[0] | differ[1] | differ[2] | differ[3];
	return wrong == 0 && number == n;
}

/* ---- streams ---- */

/*
 * Drawn beforehand: a power function in the loop would be a part of every
 * system's time.  4 million numbers are read in order, so the processor has
 * them in time.
 */
static uint32_t *stream(uint64_t count, uint64_t sessions, double theta,
			uint64_t seed)
{
	uint32_t *s = bench_shared(count * sizeof(*s));
	struct soj_rng rng = {seed};
	struct soj_zipf zipf;

	if (s == NULL)
		return NULL;
	soj_zipf_init(&zipf, sessions, theta);
	for (uint64_t i = 0; i < count; i++)
		s[i] = (uint32_t)(soj_zipf_next(&zipf, &rng) |
				  soj_rng_below(&rng, 100)
					  << BENCH_STREAM_BITS);
	return s;
}

int bench_load_init(struct bench_store *st)
{
	struct soj_rng rng = {bench_now_ns()};

	if (st->sessions == 0 ||
	    st->sessions > UINT32_C(1) << BENCH_STREAM_BITS ||
	    st->value_bytes < BENCH_VALUE_MIN)
		return -EINVAL;
	st->ids = bench_shared(st->sessions * sizeof(*st->ids));
	st->outs = bench_shared(BENCH_WORKERS_MAX * sizeof(*st->outs));
	st->gate = bench_shared(sizeof(*st->gate));
	st->stream_count =
		UINT64_C(1) << soj_log2_up(
			soj_min(4 * st->sessions + 65536, UINT64_C(4000000)));
	st->streams[BENCH_UNIFORM] =
		stream(st->stream_count, st->sessions, 0, 1);
	st->streams[BENCH_ZIPF] =
		stream(st->stream_count, st->sessions, 0.99, 2);
	if (!st->ids || !st->outs || !st->gate || !st->streams[0] ||
	    !st->streams[1])
		return -ENOMEM;
	for (uint64_t n = 0; n < st->sessions; n++)
		bench_load_id(&rng, st->ids[n].text);
	return 0;
}

/* For who cannot call this: uniform, then zipf. */
int bench_load_write(const struct bench_store *st, const char *path)
{
	FILE *f = fopen(path, "we");
	bool good = f != NULL;

	for (unsigned i = 0; good && i < BENCH_DISTS; i++)
		good = fwrite(st->streams[i], sizeof(uint32_t),
			      st->stream_count, f) == st->stream_count;
	if (f != NULL && fclose(f) != 0)
		good = false;
	return good ? 0 : -EIO;
}
