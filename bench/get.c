/* SPDX-License-Identifier: MIT */

/*
 * What the hot calls cost in one process, each by itself.
 *
 *	bench_get [ENTRIES [ROUNDS [CALLS [NAME...]]]]
 *					default: 1,000,000, 9 and 400,000
 *
 * In each round every workload named (all, if none is) makes that many calls,
 * one workload after the other; the median of the rounds counts.  Time is
 * processor time, so that a busy machine disturbs little.  "limit" is what the
 * memory takes: two cache misses, the second depending on the first, and a copy
 * of as many bytes from pages of the same kind.
 *
 * All is in pages of 4 KiB; with BENCH_HUGE=1 in the environment the segment,
 * but not the memory of "limit", is in pages of 2 MiB.
 *
 * Under callgrind, for counts of instructions without noise:
 *
 *	valgrind --tool=callgrind --toggle-collect='measured*' bench_get 1000 1 \
 *		100000 read-hot
 */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <sojourn/collection.h>
#include <sojourn/sojourn.h>

#include "base/bits.h"

#define VALUE_BYTES 256u
#define ROUNDS_MAX  101u
#define MANY        16u

typedef char session_id[SOJOURN_ID_CHARS_MAX + 1];

struct bench {
	struct sojourn *s;
	uint32_t entries;
	uint32_t calls;
	session_id *id;
	session_id *absent; /* ids of nobody */
	struct sojourn_item *item;
	char (*key)[16];
	uint32_t *zipf, *uniform; /* whom each call is about */
	uint8_t *lines;           /* for "limit" */
	char data[VALUE_BYTES];
	bool bound; /* sessions are, to a device */
	uint64_t failures;
};

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void *need(void *p)
{
	if (p == NULL) {
		fprintf(stderr, "bench_get: out of memory\n");
		exit(1);
	}
	return p;
}

static void check(int rc, const char *what)
{
	if (rc < 0) {
		fprintf(stderr, "bench_get: %s: %s\n", what,
			sojourn_error_text());
		exit(1);
	}
}

/* ---- workloads ---- */

static void read_ids(struct bench *b, const uint32_t *order,
		     struct sojourn_info *info)
{
	for (uint32_t i = 0; i < b->calls; i++) {
		size_t bytes = VALUE_BYTES;

		b->failures += sojourn_session_read(b->s, b->id[order[i]], NULL,
						    b->data, &bytes, info) != 0;
	}
}

static void read_zipf(struct bench *b)
{
	read_ids(b, b->zipf, NULL);
}

static void read_uniform(struct bench *b)
{
	read_ids(b, b->uniform, NULL);
}

static void read_info(struct bench *b)
{
	struct sojourn_info info;

	read_ids(b, b->zipf, &info);
}

static void read_hot(struct bench *b)
{
	for (uint32_t i = 0; i < b->calls; i++) {
		size_t bytes = VALUE_BYTES;

		b->failures += sojourn_session_read(b->s, b->id[0], NULL,
						    b->data, &bytes, NULL) != 0;
	}
}

/* By who has to be where the session began. */
static const struct sojourn_metadata device = {.device_id = "d41d8cd98f00b204"};

static void read_as(struct bench *b, const struct sojourn_metadata *client,
		    bool hot)
{
	const struct sojourn_read how = {.client = client};

	for (uint32_t i = 0; i < b->calls; i++) {
		size_t bytes = VALUE_BYTES;

		b->failures +=
			sojourn_session_read(b->s, b->id[hot ? 0 : b->zipf[i]],
					     &how, b->data, &bytes, NULL) != 0;
	}
}

static void bound_hot(struct bench *b)
{
	read_as(b, &device, true);
}

static void bound_zipf(struct bench *b)
{
	read_as(b, &device, false);
}

static void asked_hot(struct bench *b)
{
	read_as(b, NULL, true);
}

static void read_absent(struct bench *b)
{
	for (uint32_t i = 0; i < b->calls; i++) {
		size_t bytes = VALUE_BYTES;

		b->failures +=
			sojourn_session_read(b->s, b->absent[i % b->entries],
					     NULL, b->data, &bytes, NULL) == 0;
	}
}

static void read_many(struct bench *b)
{
	static char data[MANY][VALUE_BYTES];
	struct sojourn_one one[MANY];

	for (uint32_t i = 0; i + MANY <= b->calls; i += MANY) {
		for (uint32_t k = 0; k < MANY; k++)
			one[k] = (struct sojourn_one){
				.id = b->id[b->uniform[i + k]],
				.data = data[k],
				.data_bytes = VALUE_BYTES};
		b->failures +=
			sojourn_get_many(b->s, one, MANY, NULL) != (int)MANY;
	}
}

static void get_zipf(struct bench *b)
{
	for (uint32_t i = 0; i < b->calls; i++) {
		size_t bytes = VALUE_BYTES;

		b->failures += sojourn_get(b->s, &b->item[b->zipf[i]], NULL,
					   b->data, &bytes, NULL) != 0;
	}
}

static void update_zipf(struct bench *b)
{
	for (uint32_t i = 0; i < b->calls; i++)
		b->failures +=
			sojourn_session_update(b->s, b->id[b->zipf[i]], b->data,
					       VALUE_BYTES, 0, NULL) != 0;
}

static void put_zipf(struct bench *b)
{
	const struct sojourn_value value = {.data = b->data,
					    .data_bytes = VALUE_BYTES};

	for (uint32_t i = 0; i < b->calls; i++)
		b->failures += sojourn_put(b->s, &b->item[b->zipf[i]], &value,
					   NULL) != 0;
}

static void touch_zipf(struct bench *b)
{
	for (uint32_t i = 0; i < b->calls; i++)
		b->failures +=
			sojourn_session_touch(b->s, b->id[b->zipf[i]]) != 0;
}

static void create_one(struct bench *b, uint32_t i)
{
	char subject[16];
	struct sojourn_new what = {
		.subject = subject, .data = b->data, .data_bytes = VALUE_BYTES};

	snprintf(subject, sizeof(subject), "user%u", i);
	if (b->bound)
		what.metadata = device;
	check(sojourn_session_create(b->s, &what, b->id[i], NULL), "create");
}

/* The oldest makes room for each new one. */
static void churn(struct bench *b)
{
	static uint32_t at;

	for (uint32_t i = 0; i < b->calls / 2; i++) {
		b->failures += sojourn_session_delete(b->s, b->id[at]) != 1;
		create_one(b, at);
		at = (at + 1) % b->entries;
	}
}

static void limit_order(struct bench *b, const uint32_t *order)
{
	const uint64_t bytes = VALUE_BYTES + 64;
	uint8_t *values = b->lines + (uint64_t)b->entries * 64;

	for (uint32_t i = 0; i < b->calls; i++) {
		uint64_t at;

		memcpy(&at, b->lines + (uint64_t)order[i] * 64, sizeof(at));
		memcpy(b->data, values + at * bytes, VALUE_BYTES);
		__asm__ volatile("" ::"r"(b->data) : "memory");
	}
}

static void limit_zipf(struct bench *b)
{
	limit_order(b, b->zipf);
}

static void limit_uniform(struct bench *b)
{
	limit_order(b, b->uniform);
}

struct workload {
	const char *name;
	void (*run)(struct bench *b);
	uint64_t ns[ROUNDS_MAX];
};

static struct workload workloads[] = {
	{"limit-zipf", limit_zipf, {0}},
	{"limit-uniform", limit_uniform, {0}},
	{"read-hot", read_hot, {0}},
	{"read-zipf", read_zipf, {0}},
	{"read-uniform", read_uniform, {0}},
	{"read-info", read_info, {0}},
	{"bound-hot", bound_hot, {0}},
	{"bound-zipf", bound_zipf, {0}},
	{"asked-hot", asked_hot, {0}},
	{"read-many", read_many, {0}},
	{"read-absent", read_absent, {0}},
	{"get-zipf", get_zipf, {0}},
	{"touch-zipf", touch_zipf, {0}},
	{"update-zipf", update_zipf, {0}},
	{"put-zipf", put_zipf, {0}},
	{"churn", churn, {0}},
};
#define WORKLOADS (sizeof(workloads) / sizeof(workloads[0]))

/* ---- making it ---- */

/* Zipf with exponent 0.99, by the sum of its weights; ranks are scattered over
 * the entries by the order in which they were made. */
static void make_orders(struct bench *b)
{
	double *sum = need(calloc(b->entries, sizeof(*sum)));
	double all = 0;

	b->zipf = need(calloc(b->calls, sizeof(*b->zipf)));
	b->uniform = need(calloc(b->calls, sizeof(*b->uniform)));
	for (uint32_t i = 0; i < b->entries; i++)
		sum[i] = all += pow(i + 1, -0.99);
	for (uint32_t i = 0; i < b->calls; i++) {
		double at = (double)(next_random() >> 11) * 0x1p-53 * all;
		uint32_t low = 0, high = b->entries - 1;

		while (low < high) {
			uint32_t middle = low + (high - low) / 2;

			if (sum[middle] < at)
				low = middle + 1;
			else
				high = middle;
		}
		b->zipf[i] =
			(uint32_t)((uint64_t)low * 2654435761u % b->entries);
		b->uniform[i] = (uint32_t)soj_scale(next_random(), b->entries);
	}
	free(sum);
}

static void make_items(struct bench *b)
{
	const struct sojourn_value value = {.data = b->data,
					    .data_bytes = VALUE_BYTES};
	int collection = sojourn_collection_number(b->s, "items");

	check(collection, "collection");
	b->item = need(calloc(b->entries, sizeof(*b->item)));
	b->key = need(calloc(b->entries, sizeof(*b->key)));
	for (uint32_t i = 0; i < b->entries; i++) {
		int chars = snprintf(b->key[i], sizeof(b->key[i]), "key%u", i);

		b->item[i] = (struct sojourn_item){.collection =
							   (uint32_t)collection,
						   .key = b->key[i],
						   .key_bytes = (size_t)chars};
		check(sojourn_put(b->s, &b->item[i], &value, NULL), "put");
	}
}

static void make_all(struct bench *b, bool items)
{
	struct sojourn_collection collection;
	const uint64_t line_bytes = (uint64_t)b->entries * (128 + VALUE_BYTES);
	const char *huge = getenv("BENCH_HUGE");
	struct sojourn_options options;

	sojourn_collection_init(&collection, "items");
	sojourn_options_init(&options);
	options.entries_max = b->entries * (items ? 2 : 1) + b->entries / 2;
	options.segment_bytes =
		(UINT64_C(16) << 20) + UINT64_C(640) * options.entries_max;
	options.helper = SOJOURN_HELPER_NONE;
	if (b->bound)
		options.device = SOJOURN_BINDING_REJECT;
	options.huge = huge ? SOJOURN_HUGE_ON : SOJOURN_HUGE_OFF;
	options.collections = &collection;
	options.collections_count = 1;
	check(sojourn_create(NULL, &options, &b->s), "segment");
	b->id = need(calloc(b->entries, sizeof(*b->id)));
	b->absent = need(calloc(b->entries, sizeof(*b->absent)));
	memset(b->data, 'v', sizeof(b->data));
	for (uint32_t i = 0; i < b->entries; i++) {
		create_one(b, i);
		/* Nobody's, and it looks as any other. */
		memcpy(b->absent[i], b->id[i], sizeof(b->absent[i]));
		b->absent[i][0] = b->absent[i][0] == 'A' ? 'B' : 'A';
	}
	if (items)
		make_items(b);
	b->lines = mmap(NULL, line_bytes, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (b->lines == MAP_FAILED)
		need(NULL);
	memset(b->lines, 1, line_bytes);
	for (uint64_t i = 0; i < b->entries; i++) {
		uint64_t at = i * 2654435761u % b->entries;

		memcpy(b->lines + i * 64, &at, sizeof(at));
	}
}

/* ---- measuring ---- */

/* A function of its own for callgrind. */
__attribute__((noinline)) static void measured(struct bench *b,
					       struct workload *w)
{
	w->run(b);
}

static bool wanted(const char *name, int argc, char **argv)
{
	for (int i = 4; i < argc; i++)
		if (strncmp(argv[i], name, strlen(argv[i])) == 0)
			return true;
	return argc <= 4;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	struct bench b = {
		.entries = argc > 1 ? (uint32_t)atol(argv[1]) : 1000000,
		.calls = argc > 3 ? (uint32_t)atol(argv[3]) : 400000,
	};
	unsigned rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 9;

	if (b.entries < 16 || b.calls < 16 || rounds < 1 || rounds > ROUNDS_MAX)
		return 2;
	b.bound = wanted("bound-hot", argc, argv) ||
		  wanted("bound-zipf", argc, argv);
	make_orders(&b);
	make_all(&b, wanted("get-zipf", argc, argv) ||
			     wanted("put-zipf", argc, argv));
	for (unsigned r = 0; r < rounds; r++)
		for (size_t i = 0; i < WORKLOADS; i++) {
			struct workload *w = &workloads[i];
			uint64_t began = cpu_ns();

			if (!wanted(w->name, argc, argv))
				continue;
			measured(&b, w);
			w->ns[r] = cpu_ns() - began;
		}
	for (size_t i = 0; i < WORKLOADS; i++) {
		struct workload *w = &workloads[i];

		if (!wanted(w->name, argc, argv))
			continue;
		qsort(w->ns, rounds, sizeof(w->ns[0]), by_value);
		printf("%-14s %8.1f ns a call (%.1f to %.1f)\n", w->name,
		       (double)w->ns[rounds / 2] / b.calls,
		       (double)w->ns[0] / b.calls,
		       (double)w->ns[rounds - 1] / b.calls);
	}
	if (b.failures)
		printf("%" PRIu64 " calls failed\n", b.failures);
	sojourn_detach(b.s);
	return b.failures != 0;
}
