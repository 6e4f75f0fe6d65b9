/* SPDX-License-Identifier: MIT */

/*
 * Operations of the library as it is, interleaved access by access.
 *
 * Pairs are explored exhaustively: with one preemption after each access of
 * either, with the death of one at each access, and as far as time allows with
 * two preemptions, where the one preempted last may die.  Three at a time run
 * by random priorities (PCT, d = 3), one of them perhaps dying.  After each
 * schedule what was returned and what is there must be as after some order of
 * the operations one after the other, a dead one's done or not; fsck must find
 * nothing; and the segment must drain to nothing.  That is looked at once for
 * each state that schedules of a pair end in (fsck and drain, unless --full: for
 * each after a death, and for one of four others).
 *
 *   explore_schedules [--quick | --full] [--seconds N] [OPERATION [OPERATION]]
 *   explore_schedules --replay SCHEDULE
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fault.h"
#include "explore/lib_meeting.h"

#define PCT_LENGTH 600u
/* Of the states that nobody died on the way to, unless --full. */
#define DEEP_EVERY  4u
#define TRIPLE_RUNS 400u

static struct {
	uint64_t schedules, crashes, states, pairs, escaped_at;
	uint64_t two_done, two_all; /* of preemption bound 2 */
} totals;

static struct {
	double seconds;
	bool full;
	const char *wanted[2];
} args = {.seconds = 150};

void soj_explore_point(const volatile void *addr, int kind)
{
	sched_point(addr, kind);
}

static double clock_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- judging ---- */

static uint64_t key_of(const struct meeting *m, unsigned dead)
{
	uint64_t key = stage_hash(&m->scene->st) + dead;

	for (unsigned i = 0; i < m->count; i++) {
		const struct result *r = &m->actor[i].r;
		uint64_t word[sizeof(r->id) / 8];

		if (dead >> i & 1)
			continue;
		key = sched_mix(key,
				(uint64_t)r->rc << 32 | (uint32_t)r->renewal);
		key = sched_mix(key, r->number);
		memcpy(word, r->id, sizeof(word));
		for (unsigned k = 0; k < sizeof(word) / 8; k++)
			key = sched_mix(key, word[k]);
	}
	return key;
}

static void describe(const struct meeting *m, const struct schedule *how)
{
	char names[128] = "";

	for (unsigned i = 0; i < m->count; i++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names),
			 "%s,", m->op[i]->name);
	if (how->random)
		trying("--replay %s,%u,%ss,%llu,%u,%d",
		       scene_name(m->scene->kind), m->count, names,
		       (unsigned long long)how->seed, how->length,
		       how->may_die);
	else
		trying("--replay %s,%u,%sr,%u,%d,%u,%u,%u",
		       scene_name(m->scene->kind), m->count, names, how->first,
		       how->die, how->runs, how->run[0], how->run[1]);
}

/* Runs one schedule and judges what came of it. */
static void explore(struct meeting *m, const struct schedule *how,
		    struct ran *ran)
{
	static struct outcome out;
	void *arg[ACTORS_MAX];
	uint32_t before = failures();
	bool deep;

	stage_restore(&m->scene->st);
	meeting_actors(m);
	for (unsigned i = 0; i < m->count; i++)
		arg[i] = &m->actor[i];
	schedule_run(&m->scene->st, how, m->count, actor_fn, arg, ran);
	totals.schedules++;
	totals.crashes += ran->dead != 0;
	if (!meeting_is_new(m, key_of(m, ran->dead)))
		return;
	totals.states++;
	deep = args.full || ran->dead || totals.states % DEEP_EVERY == 0;
	describe(m, how);
	if (totals.states % 512 == 1 && stage_escaped(&m->scene->st))
		failed("the segment was written to past the accessors");
	if (ran->endless)
		failed("it does not come to an end");
	scene_look(m->scene, m->actor, m->count, ran->dead, deep, &out);
	if (failures() == before)
		meeting_compare(m, meeting_reference(m, ran->dead), &out);
	m->failed |= failures() != before;
}

/* ---- two of them ---- */

/* One preemption, or one death, at each access.  Returns how many there are. */
static uint32_t bound_one(struct meeting *m, unsigned first, bool die)
{
	struct schedule how = {.first = first, .runs = 1, .die = die};
	struct ran ran;
	uint32_t i;

	for (i = 0; !m->failed; i++) {
		how.run[0] = i;
		explore(m, &how, &ran);
		if (ran.switched < 1)
			break;
	}
	return i;
}

/*
 * The first does i accesses, the other k, then the first goes on to its end;
 * with `die` the other is gone.  Of each row one point in `stride`, beginning
 * at another one each time.
 */
static void bound_two(struct meeting *m, unsigned first, bool die,
		      uint32_t stride)
{
	struct schedule how = {.first = first, .runs = 2, .die = die};
	struct ran ran = {.switched = 2};

	for (uint32_t i = 1; ran.switched > 0 && !m->failed; i++) {
		how.run[0] = i;
		ran.switched = 2;
		for (uint32_t k = 1 + i % stride;
		     ran.switched == 2 && !m->failed; k += stride) {
			how.run[1] = k;
			explore(m, &how, &ran);
			totals.two_done++;
		}
	}
}

static bool wanted(const struct operation *a, const struct operation *b)
{
	const char *x = args.wanted[0], *y = args.wanted[1];

	if (x == NULL)
		return true;
	if (y == NULL)
		return strcmp(a->name, x) == 0 || strcmp(b->name, x) == 0;
	return (strcmp(a->name, x) == 0 && strcmp(b->name, y) == 0) ||
	       (strcmp(a->name, y) == 0 && strcmp(b->name, x) == 0);
}

static bool meets(const struct operation *a, const struct operation *b,
		  enum scene_kind kind)
{
	return (a->scenes & b->scenes) >> kind & 1 && a->about & b->about &&
	       wanted(a, b);
}

/* How finely bound 2 can be sampled in the time that is left. */
static uint32_t stride_for(double until, uint64_t points, uint64_t pairs_left,
			   double rate)
{
	double seconds = (until - clock_s()) / (double)(pairs_left + 1);
	double stride = (double)points / (rate * seconds + 1);

	if (args.full || stride < 1)
		return 1;
	return stride > 1e6 ? 1000000 : (uint32_t)stride + 1;
}

static void explore_pair(struct meeting *m, double until, uint64_t pairs_left,
			 double rate)
{
	uint64_t a, b;
	uint32_t stride;

	totals.pairs++;
	a = bound_one(m, 0, false);
	b = bound_one(m, 1, false);
	bound_one(m, 0, true);
	bound_one(m, 1, true);
	totals.two_all += 4 * a * b;
	stride = stride_for(until, 4 * a * b, pairs_left, rate);
	for (unsigned first = 0; first < 2; first++)
		for (unsigned die = 0; die < 2; die++)
			bound_two(m, first, die, stride);
}

static uint64_t pairs_of(enum scene_kind kind)
{
	uint64_t pairs = 0;

	for (unsigned i = 0; i < operations_count; i++)
		for (unsigned k = i; k < operations_count; k++)
			pairs += meets(&operations[i], &operations[k], kind);
	return pairs;
}

static void explore_pairs(struct meeting *m, struct scene *scene, double until,
			  uint64_t *pairs_left)
{
	double began = clock_s();
	uint64_t had = totals.schedules;

	for (unsigned i = 0; i < operations_count; i++)
		for (unsigned k = i; k < operations_count; k++) {
			double took = clock_s() - began;
			double rate = (double)(totals.schedules - had) /
				      (took > 0.01 ? took : 0.01);

			if (!meets(&operations[i], &operations[k], scene->kind))
				continue;
			meeting_begin(m, scene);
			m->count = 2;
			m->op[0] = &operations[i];
			m->op[1] = &operations[k];
			explore_pair(m, until, --*pairs_left,
				     had < totals.schedules ? rate : 1000);
			meeting_end(m);
		}
}

/* ---- three of them ---- */

static void explore_triples(struct meeting *m, struct scene *scene,
			    double until, uint64_t seed)
{
	for (uint64_t turn = 0; clock_s() < until; turn++) {
		struct schedule how = {.random = true,
				       .length = PCT_LENGTH,
				       .may_die = turn % 2};
		struct ran ran;

		meeting_begin(m, scene);
		m->count = 3;
		for (unsigned i = 0; i < 3; i++)
			m->op[i] = &operations[sched_mix(seed + turn, i) %
					       operations_count];
		if (!meets(m->op[0], m->op[1], scene->kind) ||
		    !meets(m->op[1], m->op[2], scene->kind))
			continue;
		for (uint64_t i = 0; i < TRIPLE_RUNS && !m->failed; i++) {
			how.seed = sched_mix(seed + turn, 100 + i);
			explore(m, &how, &ran);
			if (ran.steps > 0 && i == 0)
				how.length = ran.steps;
		}
		meeting_end(m);
	}
}

/* ---- all of it ---- */

static void summary(const struct meeting *m, double took)
{
	printf("%llu pairs, %llu states looked at, %llu orders; of two "
	       "preemptions %.1f %%; %.0f schedules a second\n",
	       (unsigned long long)totals.pairs,
	       (unsigned long long)totals.states, (unsigned long long)m->orders,
	       totals.two_all ? 100.0 * (double)totals.two_done /
					(double)totals.two_all
			      : 0.0,
	       (double)totals.schedules / took);
	printf("result schedules=%llu crashes=%llu violations=%u\n",
	       (unsigned long long)totals.schedules,
	       (unsigned long long)totals.crashes, failures());
}

static void explore_all(struct meeting *m, uint64_t seed)
{
	double began = clock_s(), until = began + args.seconds * 0.7;
	uint64_t pairs_left = 0;

	for (unsigned kind = 0; kind < SCENES; kind++)
		pairs_left += pairs_of(kind);
	for (unsigned kind = 0; kind < SCENES; kind++) {
		static struct scene scene;
		double share = (began + args.seconds - until) / SCENES;

		if (!scene_open(&scene, kind))
			continue;
		explore_pairs(m, &scene, until, &pairs_left);
		explore_triples(m, &scene, clock_s() + share, seed);
		stage_close(&scene.st);
	}
	summary(m, clock_s() - began);
}

static const struct operation *operation_of(const char *name)
{
	for (unsigned i = 0; i < operations_count; i++)
		if (name && strcmp(operations[i].name, name) == 0)
			return &operations[i];
	fprintf(stderr, "no operation %s\n", name ? name : "");
	exit(64);
}

static uint64_t number_of(char **rest)
{
	const char *word = strtok_r(NULL, ",", rest);

	return word ? strtoull(word, NULL, 10) : 0;
}

/* What `describe` printed. */
static void replay(struct meeting *m, char *text)
{
	static struct scene scene;
	struct schedule how = {0};
	struct ran ran;
	char *rest = NULL;
	const char *word = strtok_r(text, ",", &rest);
	enum scene_kind kind = SCENE_PEOPLE;

	while (kind < SCENES && strcmp(scene_name(kind), word ? word : ""))
		kind++;
	if (kind == SCENES || !scene_open(&scene, kind))
		exit(64);
	meeting_begin(m, &scene);
	m->count = (unsigned)number_of(&rest) == 3 ? 3 : 2;
	for (unsigned i = 0; i < m->count; i++)
		m->op[i] = operation_of(strtok_r(NULL, ",", &rest));
	word = strtok_r(NULL, ",", &rest);
	how.random = word && word[0] == 's';
	if (how.random) {
		how.seed = number_of(&rest);
		how.length = (uint32_t)number_of(&rest);
		how.may_die = number_of(&rest);
	} else {
		how.first = number_of(&rest) & 1;
		how.die = number_of(&rest);
		how.runs = (unsigned)number_of(&rest) % (SCHED_RUNS_MAX + 1);
		for (unsigned i = 0; i < how.runs; i++)
			how.run[i] = (uint32_t)number_of(&rest);
	}
	args.full = true;
	explore(m, &how, &ran);
	printf("%u accesses, dead %u, %u failures\n", ran.steps, ran.dead,
	       failures());
	meeting_end(m);
}

int main(int argc, char **argv)
{
	struct meeting *m = calloc(1, sizeof(*m));
	uint64_t seed = 1;
	unsigned names = 0;
	char *again = NULL;

	for (int i = 1; i < argc; i++) {
		const char *next = i + 1 < argc ? argv[i + 1] : "0";

		if (strcmp(argv[i], "--full") == 0)
			args.full = true, args.seconds = 3600;
		else if (strcmp(argv[i], "--seconds") == 0)
			args.seconds = atof(next), i++;
		else if (strcmp(argv[i], "--seed") == 0)
			seed = strtoull(next, NULL, 10), i++;
		else if (strcmp(argv[i], "--replay") == 0 && i + 1 < argc)
			again = argv[++i];
		else if (argv[i][0] != '-' && names < 2)
			args.wanted[names++] = operation_of(argv[i])->name;
	}
	failures_init();
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (m == NULL)
		return 71;
	if (again)
		replay(m, again);
	else
		explore_all(m, seed);
	free(m);
	return failures() != 0;
}
