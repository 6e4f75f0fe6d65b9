/* SPDX-License-Identifier: MIT */

/*
 * Histories of real processes: is there an order?
 *
 * Eight processes and a helper do random things to few sessions and items, and
 * are killed at random.  Of each key all that was done is put in an order that
 * explains every result, or there is none and that is a violation: it is printed
 * with what it takes to be one, and the seed.  What a killed process was doing
 * may have happened or not.  Here nothing ends by time or for lack of memory.
 *
 * Then the same where sessions are evicted, expire, and lose their grace
 * window: whatever somebody was told is over must not be found by anybody who
 * began later.
 *
 * A list of a subject has whom it must have, and nobody else: lib_lists.c.
 *
 * In between each process looks at values in a section of its own, and at how
 * many epochs they have been retired for at its end: never two (lib_ages.c).
 * Last they do nothing else, with values that they replace all the time.
 *
 * In each run the checkers must refute histories that are wrong: some written
 * by hand, and those of processes that lie or run a library with a bug.
 *
 *   run_histories [--quick | --full] [--batches N] [--seed N]
 */

#include <errno.h>
#include <getopt.h>
#include <sojourn/collection.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fault.h"
#include "histories/lib_crew.h"

#define QUICK_BATCHES     12u /* a fourth of them more without order */
#define FULL_BATCHES      120u
#define OPS_LEAST_QUICK   100000u
#define OPS_LEAST_FULL    1000000u
#define LOOKS_LEAST_QUICK 10000000u
#define LOOKS_LEAST_FULL  100000000u
#define RETIRED_ONE_IN    20u   /* at least, of what had been retired */
#define AGED_OPS          4000u /* of a batch that does nothing else */
#define AGED_BATCHES_MAX  400u  /* then it comes to nothing */
#define PLANTED_OPS       8000u
#define PLANTED_TURNS     20u
#define KILL_ONE_IN       250u

static struct {
	bool full;
	unsigned batches;
	uint64_t seed;
} opt;

static struct {
	uint64_t histories, operations, undecided, violations, kills,
		helper_kills, pending, lists;
	_Atomic(uint64_t) age[AGES];
} sum;

/* ---- one batch ---- */

struct verdicts {
	uint64_t histories, operations, pending, refuted, undecided, again,
		lists, wrong_lists;
};

/* The end of what ended all of the login for certain: no later deletion of its
 * subject does anything to it. */
static uint64_t login_end(const struct history *h)
{
	uint64_t at = UINT64_MAX;

	for (unsigned i = 0; i < h->count; i++) {
		const struct op *op = h->op[i];

		if (op->kind == DELETE && op->rc == 1 && op->end &&
		    op->end < at)
			at = op->end;
	}
	return at;
}

static bool add(struct history *h, struct op *op)
{
	if (h->count == OPS_MAX)
		return false;
	h->op[h->count++] = op;
	return true;
}

/* Deletions of all of a subject happen to each of its logins. */
static bool add_subjects(struct notes *n, struct history *h)
{
	uint64_t until = login_end(h), first = UINT64_MAX, made = 0;

	for (unsigned i = 0; i < h->count; i++) {
		if (h->op[i]->begin < first)
			first = h->op[i]->begin;
		if (h->op[i]->kind == CREATE)
			made = h->op[i]->end;
	}
	for (unsigned i = 0; i < BATCH_OPS; i++) {
		struct op *op = &n->op[i];

		if (op->kind != DELETE_SUBJECT || op->begin == 0 ||
		    op->subject != h->op[0]->subject || op->begin > until ||
		    (op->end && op->end < first))
			continue;
		if (!add(h, op))
			return false;
		if (op->end && op->begin > made && op->end < until)
			until = op->end;
	}
	return true;
}

/* False: it was never made, or there was too much of it. */
static bool gather(struct notes *n, struct history *h, uint32_t key,
		   struct op *const *op, unsigned count)
{
	bool made = !n->key[key].is_login;

	memset(h, 0, sizeof(*h));
	h->is_login = n->key[key].is_login;
	for (unsigned i = 0; i < count; i++) {
		made |= op[i]->kind == CREATE && op[i]->end && op[i]->rc == 0;
		if (!add(h, op[i]))
			return false;
	}
	return made && (!h->is_login || add_subjects(n, h));
}

static void judge(struct crew *c, struct history *h, bool say,
		  struct verdicts *v)
{
	enum verdict verdict = FINE;
	unsigned again;

	v->histories++;
	for (unsigned i = 0; i < h->count; i++)
		v->pending += h->op[i]->end == 0;
	again = history_resurrections(h->op, h->count, h->is_login, say);
	v->again += again;
	if (again && say)
		history_print(h);
	if (!c->work.never)
		verdict = history_check(h);
	v->undecided += verdict == UNDECIDED;
	if (verdict != REFUTED)
		return;
	v->refuted++;
	if (!say)
		return;
	printf("VIOLATION: no order explains this (seed %llu)\n",
	       (unsigned long long)c->seed);
	history_shrink(h);
	history_print(h);
}

static int by_key(const void *a, const void *b)
{
	const struct op *x = *(struct op *const *)a;
	const struct op *y = *(struct op *const *)b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->begin < y->begin ? -1 : x->begin > y->begin;
}

static struct verdicts judge_batch(struct crew *c, bool say)
{
	static struct op *op[BATCH_OPS];
	static struct history h;
	struct notes *n = c->work.notes;
	struct verdicts v = {0};
	unsigned count = 0;

	for (unsigned i = 0; i < BATCH_OPS; i++) {
		if (n->op[i].begin == 0)
			continue;
		v.operations++;
		v.lists += n->op[i].kind == LIST && n->op[i].end;
		if (n->op[i].key < KEYS_MAX)
			op[count++] = &n->op[i];
	}
	qsort(op, count, sizeof(op[0]), by_key);
	for (unsigned i = 0, end; i < count; i = end) {
		for (end = i; end < count && op[end]->key == op[i]->key; end++)
			;
		if (gather(n, &h, op[i]->key, &op[i], end - i))
			judge(c, &h, say, &v);
	}
	v.wrong_lists = lists_wrong(n, c->work.never, say);
	return v;
}

/* ---- the real thing ---- */

static void add_up(const struct crew *c, const struct verdicts *v)
{
	sum.histories += v->histories;
	sum.operations += v->operations;
	sum.pending += v->pending;
	sum.undecided += v->undecided;
	sum.lists += v->lists;
	sum.violations += v->refuted + v->again + v->wrong_lists;
	if (v->refuted + v->again + v->wrong_lists)
		printf("seed %llu batch %u: %llu refuted, %llu came back, "
		       "%llu wrong lists\n",
		       (unsigned long long)c->seed, c->work.batch,
		       (unsigned long long)v->refuted,
		       (unsigned long long)v->again,
		       (unsigned long long)v->wrong_lists);
}

static void add_up_crew(const struct crew *c)
{
	const struct notes *n = c->work.notes;

	for (unsigned i = 0; i < AGES; i++)
		sum.age[i] += n->age[i];
	sum.kills += c->kills;
	sum.helper_kills += c->helper_kills;
	sum.violations += n->torn + n->late + n->unexpected;
	printf("torn %llu, past their time %llu, unexpected errors %llu, gave "
	       "up %llu, full %llu\n",
	       (unsigned long long)n->torn, (unsigned long long)n->late,
	       (unsigned long long)n->unexpected, (unsigned long long)n->busy,
	       (unsigned long long)n->full);
}

static void run_crew(uint64_t seed, bool never, unsigned batches)
{
	struct crew c;
	int rc = crew_init(&c, seed, never);

	if (rc < 0) {
		printf("create: %s\n", sojourn_error_text());
		sum.violations++;
		return;
	}
	c.work.one_in = KILL_ONE_IN;
	for (unsigned i = 0; i < batches; i++) {
		struct verdicts v;

		crew_run(&c, BATCH_OPS);
		v = judge_batch(&c, true);
		add_up(&c, &v);
	}
	add_up_crew(&c);
	if (!crew_drained(&c)) {
		printf("not all memory came back\n");
		sum.violations++;
	}
	crew_deinit(&c);
}

/* Looks at what had been retired for at least so many epochs, less one. */
static uint64_t looks(const _Atomic(uint64_t) *age, unsigned from)
{
	uint64_t count = 0;

	for (unsigned i = from; i < AGES; i++)
		count += age[i];
	return count;
}

/* Looks at values that are replaced, and does nothing else. */
static void run_ages(uint64_t seed, uint64_t least)
{
	const uint64_t retired = least / RETIRED_ONE_IN;
	struct crew c;

	if (crew_init(&c, seed, false) < 0) {
		printf("create: %s\n", sojourn_error_text());
		sum.violations++;
		return;
	}
	c.work.one_in = KILL_ONE_IN;
	c.work.ages = true;
	for (unsigned i = 0;
	     i < AGED_BATCHES_MAX && (looks(c.work.notes->age, 0) < least ||
				      looks(c.work.notes->age, 1) < retired);
	     i++)
		crew_run(&c, AGED_OPS);
	if (looks(c.work.notes->age, 0) < least ||
	    looks(c.work.notes->age, 1) < retired) {
		printf("fewer than %llu looks, or than %llu at retired "
		       "memory\n",
		       (unsigned long long)least, (unsigned long long)retired);
		sum.violations++;
	}
	add_up_crew(&c);
	if (!crew_drained(&c)) {
		printf("not all memory came back\n");
		sum.violations++;
	}
	crew_deinit(&c);
}

/* ---- self-check ---- */

struct bug {
	const char *what;
	enum plant plant;
	enum soj_plant library;
	bool never;
	bool ages; /* what it does is that memory is too old */
};

static const struct bug bugs[] = {
	{"a process gives what it was given before", PLANT_STALE_READ,
	 SOJ_PLANT_NONE, false},
	{"a process says that it wrote, and did not", PLANT_LOST_UPDATE,
	 SOJ_PLANT_NONE, false},
	{"a process says that it deleted, and did not", PLANT_UNDELETED,
	 SOJ_PLANT_NONE, false},
	{"the same, where nothing else is certain", PLANT_UNDELETED,
	 SOJ_PLANT_NONE, true},
	{"a process finds what is over", PLANT_FORGOTTEN_ID, SOJ_PLANT_NONE,
	 true},
	{"a process says that it regenerated, and did not", PLANT_KEPT_ID,
	 SOJ_PLANT_NONE, false},
	{"a process lists what it listed before", PLANT_LISTED_OLD,
	 SOJ_PLANT_NONE, false},
	{"the same, where nothing else is certain", PLANT_LISTED_OLD,
	 SOJ_PLANT_NONE, true},
	{"a process leaves somebody out of a list", PLANT_LEFT_OUT,
	 SOJ_PLANT_NONE, false},
	{"an update publishes whatever ctl has become", PLANT_NONE,
	 SOJ_PLANT_UPDATE_STORES, false},
	{"the epoch moves on whoever is in a section", PLANT_NONE,
	 SOJ_PLANT_GRACE_UNSCANNED, false, .ages = true},
	{"what is retired has no epoch of its own", PLANT_NONE,
	 SOJ_PLANT_GRACE_UNSTAMPED, false, .ages = true},
};

/* The parent has no bug: it is the judge. */
static bool is_found(const struct bug *bug)
{
	struct crew c;
	bool found = false;

	if (crew_init(&c, opt.seed, bug->never) < 0)
		return false;
	c.work.plant = bug->plant;
	c.work.ages = bug->ages;
	for (unsigned i = 0; i < PLANTED_TURNS && !found; i++) {
		struct verdicts v;

		soj_plant = bug->library;
		crew_run(&c, bug->ages ? AGED_OPS : PLANTED_OPS);
		soj_plant = SOJ_PLANT_NONE;
		v = judge_batch(&c, false);
		found = v.refuted + v.again + v.wrong_lists > 0 ||
			(bug->ages && c.work.notes->age[AGES - 1] > 0);
	}
	crew_deinit(&c);
	return found;
}

static unsigned self_check(void)
{
	unsigned refuted, bad = history_self_check(&refuted), age;
	struct crew c;

	printf("%u wrong histories, %u histories misjudged\n", refuted, bad);
	if (crew_init(&c, opt.seed, false) < 0)
		return bad + 1;
	age = work_look_unprotected(c.work.s, c.work.collection);
	crew_deinit(&c);
	printf("without a section: age %u\n", age);
	bad += age < AGES - 1;
	for (unsigned i = 0; i < sizeof(bugs) / sizeof(bugs[0]); i++) {
		bool found = is_found(&bugs[i]);

		printf("planted: %s: %s\n", bugs[i].what,
		       found ? "found" : "NOT FOUND");
		bad += !found;
	}
	return bad;
}

/* ---- */

static bool parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{"quick", 0, NULL, 'q'},   {"full", 0, NULL, 'f'},
		{"batches", 1, NULL, 'b'}, {"seed", 1, NULL, 's'},
		{NULL, 0, NULL, 0},
	};
	int c;

	opt.seed = (uint64_t)time(NULL) << 16;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (c) {
		case 'q':
			break;
		case 'f':
			opt.full = true;
			break;
		case 'b':
			opt.batches = (unsigned)atoi(optarg);
			break;
		case 's':
			opt.seed = strtoull(optarg, NULL, 0);
			break;
		default:
			fprintf(stderr, "usage: run_histories [--quick | "
					"--full] [--batches N] [--seed N]\n");
			return false;
		}
	return optind == argc;
}

static void print_ages(void)
{
	static const char *const names[AGES] = {"not retired", "0", "1",
						">= 2"};

	printf("%-20s %12s\n", "epochs since retired", "values");
	for (unsigned i = 0; i < AGES; i++)
		printf("%-20s %12llu\n", names[i],
		       (unsigned long long)sum.age[i]);
}

int main(int argc, char **argv)
{
	unsigned batches;
	uint64_t least;

	if (!parse(argc, argv))
		return 64;
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("seed %llu\n", (unsigned long long)opt.seed);
	sum.violations += self_check();
	batches = opt.batches ? opt.batches
		  : opt.full  ? FULL_BATCHES
			      : QUICK_BATCHES;
	run_crew(opt.seed, false, batches);
	run_crew(opt.seed + 1, true, 1 + batches / 4);
	run_ages(opt.seed + 2, opt.full ? LOOKS_LEAST_FULL : LOOKS_LEAST_QUICK);
	print_ages();
	sum.violations += sum.age[AGES - 1] + sum.undecided;
	least = opt.full ? OPS_LEAST_FULL : OPS_LEAST_QUICK;
	if (!opt.batches && sum.operations < least) {
		printf("fewer than %llu operations\n",
		       (unsigned long long)least);
		sum.violations++;
	}
	printf("%llu under way when killed, %llu helpers killed, %llu "
	       "undecided\n",
	       (unsigned long long)sum.pending,
	       (unsigned long long)sum.helper_kills,
	       (unsigned long long)sum.undecided);
	printf("result histories=%llu operations=%llu lists=%llu kills=%llu "
	       "looks=%llu retired=%llu "
	       "ages_ge2=%llu violations=%llu\n",
	       (unsigned long long)sum.histories,
	       (unsigned long long)sum.operations,
	       (unsigned long long)sum.lists, (unsigned long long)sum.kills,
	       (unsigned long long)looks(sum.age, 0),
	       (unsigned long long)looks(sum.age, 1),
	       (unsigned long long)sum.age[AGES - 1],
	       (unsigned long long)sum.violations);
	return sum.violations ? 1 : 0;
}
