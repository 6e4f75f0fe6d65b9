/* SPDX-License-Identifier: MIT */

#include "explore/lib_tour.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "explore/lib_pair.h"

#define PCT_LENGTH     600u
#define PROCESSES_MAX  16u
#define DRAW_TRIES_MAX 100000u

/* What the processes of a tour share. */
struct shared {
	_Atomic(uint64_t) taken[SCENES]; /* jobs of each scene */
	struct tour_totals totals[PROCESSES_MAX];
};

static struct {
	const struct tour *tour;
	double began;
} here;

static double clock_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- two of them ---- */

static bool is_wanted(const struct operation *a, const struct operation *b)
{
	const char *x = here.tour->wanted[0], *y = here.tour->wanted[1];

	if (x == NULL)
		return true;
	if (here.tour->wanted[2])
		return false; /* no pair */
	if (y == NULL)
		return strcmp(a->name, x) == 0 || strcmp(b->name, x) == 0;
	return (strcmp(a->name, x) == 0 && strcmp(b->name, y) == 0) ||
	       (strcmp(a->name, y) == 0 && strcmp(b->name, x) == 0);
}

static bool meets(const struct operation *a, const struct operation *b,
		  enum scene_kind kind)
{
	return (a->scenes & b->scenes) >> kind & 1 && a->about & b->about;
}

/* Pair number n of a scene; false: there are fewer. */
static bool pair_of(struct meeting *m, uint64_t n)
{
	for (unsigned i = 0; i < operations_count; i++)
		for (unsigned k = i; k < operations_count; k++) {
			m->op[0] = &operations[i];
			m->op[1] = &operations[k];
			if (meets(m->op[0], m->op[1], m->scene->kind) &&
			    is_wanted(m->op[0], m->op[1]) && n-- == 0)
				return true;
		}
	return false;
}

static uint64_t pairs_of(struct meeting *m)
{
	uint64_t n = 0;

	while (pair_of(m, n))
		n++;
	return n;
}

/* ---- three of them ---- */

static bool op_named(const struct operation **op, const char *name)
{
	for (unsigned i = 0; i < operations_count; i++) {
		*op = &operations[i];
		if (name && strcmp((*op)->name, name) == 0)
			return true;
	}
	return false;
}

static bool triple_wanted(struct meeting *m)
{
	bool all = true;

	for (unsigned i = 0; i < 3; i++)
		all &= op_named(&m->op[i], here.tour->wanted[i]) &&
		       m->op[i]->scenes >> m->scene->kind & 1;
	return all;
}

/* Draw number n of a scene: each of them meets the next one. */
static bool triple_of(struct meeting *m, uint64_t n)
{
	uint64_t seed = sched_mix(here.tour->seed, n + 1);

	if (here.tour->wanted[2])
		return triple_wanted(m);

	for (unsigned turn = 0; turn < DRAW_TRIES_MAX; turn++) {
		for (unsigned i = 0; i < 3; i++)
			m->op[i] = &operations[sched_mix(seed + turn, i) %
					       operations_count];
		if (meets(m->op[0], m->op[1], m->scene->kind) &&
		    meets(m->op[1], m->op[2], m->scene->kind) &&
		    (is_wanted(m->op[0], m->op[1]) ||
		     is_wanted(m->op[1], m->op[2]) ||
		     is_wanted(m->op[0], m->op[2])))
			return true;
	}
	return false;
}

static void explore_triple(struct meeting *m, uint64_t n)
{
	struct schedule how = {
		.random = true, .length = PCT_LENGTH, .may_die = n % 2};
	struct ran ran = {0};

	for (uint64_t i = 0; i < here.tour->draw_runs && !m->failed; i++) {
		/* Of every third draw the first is dead when the others begin:
		 * after its first access, its second, and so on, and again. */
		if (n % 3 == 2) {
			how.corpse = i == 0 || !ran.dead ? 1 : how.corpse + 1;
			how.die = i & 2 ? DEATH_LATE : DEATH_SEEN;
		}
		how.seed = sched_mix(here.tour->seed + n, 100 + i);
		how.hold = i & 1 ? UINT32_MAX : 0;
		judge(m, &how, &ran);
		judging.totals->drawn++;
		if (ran.steps > 0 && i == 0)
			how.length = ran.steps;
	}
}

/* ---- all of it ---- */

static void explore_two(struct meeting *m, uint64_t n)
{
	const struct tour *tour = here.tour;

	if (tour->weak)
		explore_weak(m);
	else if (!tour->drawn)
		explore_pair(m, tour->pair_budget);
	if (!m->failed && tour->three > 0)
		explore_three(m, tour->three, sched_mix(tour->seed, n));
}

/* Is the time over that jobs of this scene may be begun in? */
static bool is_late(const struct meeting *m)
{
	const double share = (m->scene->kind + 1.0) / SCENES;

	return here.tour->seconds > 0 &&
	       clock_s() - here.began > here.tour->seconds * share;
}

/* First all pairs, then the draws; but what is drawn in turn, so that a short
 * time is for both. */
static uint64_t in_turn(uint64_t n, uint64_t pairs)
{
	if (!here.tour->drawn || n >= 2 * pairs || here.tour->draws < pairs)
		return n;
	return n / 2 + (n % 2 ? pairs : 0);
}

static void explore_job(struct meeting *m, struct scene *scene, uint64_t n,
			uint64_t pairs)
{
	meeting_begin(m, scene);
	judging.of_states = 0;
	judging.totals->jobs++;
	m->count = n < pairs ? 2 : 3;
	if (n < pairs && pair_of(m, n))
		explore_two(m, n);
	else if (n >= pairs && triple_of(m, n - pairs))
		explore_triple(m, n - pairs);
	meeting_end(m);
}

static void explore_scene(struct meeting *m, struct scene *scene,
			  _Atomic(uint64_t) *taken)
{
	const struct tour *tour = here.tour;
	uint64_t n, pairs, jobs;

	m->scene = scene;
	pairs = pairs_of(m);
	jobs = pairs + (pairs > 0 || tour->wanted[2] ? tour->draws : 0);
	while ((n = (*taken)++) < jobs) {
		if (!is_late(m)) {
			explore_job(m, scene, in_turn(n, pairs), pairs);
			continue;
		}
		/* This one, and all that nobody has begun. */
		judging.totals->left_out++;
		n = atomic_exchange(taken, jobs);
		if (n < jobs)
			judging.totals->left_out += jobs - n;
	}
}

static void explore_here(struct shared *shared, unsigned process)
{
	struct meeting *m = calloc(1, sizeof(*m));
	static struct scene scene;

	judging = (struct judging){.totals = &shared->totals[process],
				   .deep = here.tour->deep,
				   .compare = here.tour->compare};
	for (unsigned kind = 0; kind < SCENES && m; kind++) {
		if (!scene_open(&scene, kind))
			continue;
		explore_scene(m, &scene, &shared->taken[kind]);
		stage_close(&scene.st);
	}
	if (m == NULL)
		failed("no memory");
	else
		judging.totals->orders = m->orders;
	free(m);
}

static void add(struct tour_totals *sum, const struct tour_totals *part)
{
	sum->schedules += part->schedules;
	sum->crashes += part->crashes;
	sum->states += part->states;
	sum->orders += part->orders;
	sum->jobs += part->jobs;
	sum->left_out += part->left_out;
	sum->held += part->held;
	sum->weak += part->weak;
	sum->two_run += part->two_run;
	sum->two_equal += part->two_equal;
	sum->two_all += part->two_all;
	sum->compared += part->compared;
	sum->three += part->three;
	sum->drawn += part->drawn;
}

void tour_run(const struct tour *tour, struct tour_totals *totals)
{
	unsigned processes = tour->processes;
	struct shared *shared =
		mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;

	if (shared == MAP_FAILED)
		abort();
	if (processes > PROCESSES_MAX)
		processes = PROCESSES_MAX;
	here.tour = tour;
	here.began = clock_s();
	for (unsigned i = 0; i < processes; i++) {
		pid_t pid = fork();

		if (pid < 0)
			abort();
		if (pid == 0) {
			explore_here(shared, i);
			fflush(NULL);
			_exit(failures() != 0);
		}
	}
	while (wait(&status) > 0)
		if (!WIFEXITED(status))
			failed("a process ended by signal %d",
			       WTERMSIG(status));
	memset(totals, 0, sizeof(*totals));
	for (unsigned i = 0; i < processes; i++)
		add(totals, &shared->totals[i]);
	munmap(shared, sizeof(*shared));
}

/* ---- again ---- */

static uint64_t number_of(char **rest)
{
	const char *word = strtok_r(NULL, ",", rest);

	return word ? strtoull(word, NULL, 10) : 0;
}

static void schedule_of(struct schedule *how, char **rest)
{
	const char *word = strtok_r(NULL, ",", rest);

	how->random = word && word[0] == 's';
	how->hold = (uint32_t)number_of(rest);
	if (how->random) {
		how->seed = number_of(rest);
		how->length = (uint32_t)number_of(rest);
		how->may_die = number_of(rest);
		how->corpse = (uint32_t)number_of(rest);
		how->die = (unsigned)number_of(rest) % DEATHS;
		if (how->length == 0)
			how->length = 1;
		return;
	}
	how->alone = number_of(rest);
	how->early.first = (uint32_t)number_of(rest);
	how->early.last = (uint32_t)number_of(rest);
	how->first = number_of(rest) & 1;
	how->die = (unsigned)number_of(rest) % DEATHS;
	how->runs = (unsigned)number_of(rest) % (SCHED_RUNS_MAX + 1);
	for (unsigned i = 0; i < how->runs; i++)
		how->run[i] = (uint32_t)number_of(rest);
}

bool tour_replay(char *text)
{
	static struct tour_totals totals;
	static struct meeting m;
	static struct scene scene;
	struct schedule how = {0};
	struct ran ran;
	char *rest = NULL;
	const char *word = strtok_r(text, ",", &rest);
	enum scene_kind kind = SCENE_PEOPLE;

	while (kind < SCENES && strcmp(scene_name(kind), word ? word : ""))
		kind++;
	if (kind == SCENES || !scene_open(&scene, kind))
		return false;
	judging = (struct judging){.totals = &totals, .deep = true};
	meeting_begin(&m, &scene);
	m.count = (unsigned)number_of(&rest) == 3 ? 3 : 2;
	for (unsigned i = 0; i < m.count; i++)
		if (!op_named(&m.op[i], strtok_r(NULL, ",", &rest)))
			return false;
	schedule_of(&how, &rest);
	judge(&m, &how, &ran);
	printf("%u accesses, dead %u, %u failures\n", ran.steps, ran.dead,
	       failures());
	meeting_end(&m);
	return true;
}
