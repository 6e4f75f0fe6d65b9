/* SPDX-License-Identifier: MIT */

/*
 * Killed at every instruction.
 *
 * Each operation of the public API and of the helper (lib_rows.c) is run in
 * each world (lib_worlds.c) on the objects of the shipped library, without any
 * kill point in them, one machine instruction at a time (lib_step.h).  Each
 * time the segment's bytes changed that is an image: what SIGKILL at that
 * instruction leaves.  Of each image (lib_case.c)
 *   1. fsck finds nothing corrupt in it, and readers find the model of before
 *      the operation or of after it, whole, or one of its steps if it ends
 *      several sessions, and never go back from the one to the other;
 *   2. survivors go on at once, then repair comes to rest, fsck is clean, and
 *      the drain gives back all memory;
 *   3. on a second copy repair comes first, then all sessions are read,
 *      written, ended and made until the segment is full, and drained.
 * Detaching is among the operations.  Making, attaching and removing a segment
 * are not: what they leave is files and names, which no image of a mapping
 * shows.  crash/lib_life.c kills those at their labels, inject/inject_calls.c at
 * each system call.
 * Nested: the repair of an image is stepped as well, and each of its images
 * repaired by a third.
 *
 * The dead.  Upkeep believes in a death by the kernel's mark in the robust
 * mutex of the thread's slot.  In an image it is set as the kernel would have
 * at that instruction, by walking the victim's robust list then; and in each
 * case a victim is killed for real and leaves the very bytes of its image.  The
 * victim is dead and reaped when an image is judged, so the second proof (its
 * thread number is nobody's) is the kernel's own answer.
 *
 *   images_run [--quick | --full] [--jobs N] [--list] [--measure]
 *              [--only OPERATION/WORLD [--step N [--nested N]]]
 *
 * --quick, the default, runs every operation in every world that it fits, one
 * case in five by single steps, the others by their stores (the same images),
 * and judges a sample of the images and of the nested ones, the same in each
 * run.  With --only it steps what is named, judges all of its images, and a
 * sample of the nested ones; so it shows what --quick found, but a case that was
 * run by its stores has another number for the step.  An OPERATION or a WORLD
 * may be left out: "delete/", "/expired".  --full steps and judges all.
 */

#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"
#include "images/lib_table.h"

/* Of a whole run: what found fewer has not looked. */
#define IMAGES_LEAST 10000u

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- options ---- */

static void list(void)
{
	for (unsigned i = 0; i < rows_count; i++)
		printf("operation %s\n", rows[i].name);
	for (unsigned i = 0; i < places_count; i++)
		printf("world %s\n", places[i].name);
}

static bool parse_only(char *text)
{
	char *slash = strchr(text, '/');

	if (!slash)
		return false;
	*slash = '\0';
	for (unsigned i = 0; i < rows_count; i++)
		if (strcmp(rows[i].name, text) == 0)
			options.row = (int)i;
	for (unsigned i = 0; i < places_count; i++)
		if (strcmp(places[i].name, slash + 1) == 0)
			options.place = (int)i;
	return (options.row >= 0 || !text[0]) &&
	       (options.place >= 0 || !slash[1]);
}

static int usage(void)
{
	fprintf(stderr,
		"usage: images_run [--quick | --full] [--jobs N] [--list] "
		"[--measure]\n"
		"       [--only OPERATION/WORLD [--step N [--nested N]]]\n");
	return 64;
}

/* 0: go on; 1: measure; else the exit code. */
static int parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{"quick", 0, NULL, 'q'},  {"full", 0, NULL, 'f'},
		{"jobs", 1, NULL, 'j'},   {"list", 0, NULL, 'l'},
		{"only", 1, NULL, 'o'},   {"step", 1, NULL, 's'},
		{"nested", 1, NULL, 'n'}, {"measure", 0, NULL, 'm'},
		{NULL, 0, NULL, 0},
	};
	int c;

	options.jobs = 2;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (c) {
		case 'q':
			break;
		case 'f':
			options.full = true;
			break;
		case 'j':
			options.jobs = (unsigned)atoi(optarg);
			break;
		case 's':
			options.step = atoll(optarg);
			break;
		case 'n':
			options.nested = atoll(optarg);
			break;
		case 'o':
			if (!parse_only(strdup(optarg)))
				return usage();
			break;
		case 'l':
			list();
			exit(0);
		case 'm':
			return 1;
		default:
			return usage();
		}
	return optind == argc ? 0 : usage();
}

/* In the variant with planted bugs (images_planted) only. */
static void plant(void)
{
#ifdef SOJ_FAULTS
	static const char *const names[] = {
#define X(name, what) #name,
		SOJ_PLANTS(X)
#undef X
	};
	const char *bug = getenv("SOJ_PLANT");

	for (unsigned i = 0; bug && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], bug) == 0)
			soj_plant = (enum soj_plant)(i + 1);
#endif
}

static bool is_planted(void)
{
#ifdef SOJ_FAULTS
	return soj_plant != SOJ_PLANT_NONE;
#else
	return false;
#endif
}

/* ---- measuring ---- */

static void measured(struct world *w)
{
	for (unsigned i = 0; i < 20; i++)
		(void)!sojourn_session_update(w->s, w->known[0].id, "value", 5,
					      0, NULL);
}

static void run_measured(void *arg, struct report *r)
{
	measured(arg);
	r->rc = 0;
}

static double by_ptrace(struct world *w, uint64_t *steps)
{
	double begin;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		measured(w);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	begin = seconds();
	for (*steps = 0; WIFSTOPPED(status); ++*steps) {
		ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
		waitpid(pid, &status, 0);
	}
	return seconds() - begin;
}

static int measure(void)
{
	static struct world w;
	const struct world_options o = {0};
	struct recording what = {.how = BY_INSTRUCTION, .run = run_measured};
	struct record *rec;
	uint64_t steps;
	double begin, took;

	seed_random(1);
	if (!world_make(&w, &o))
		return 1;
	world_create(&w, "anna", 120);
	forget_self(&w);
	rec = record_new(w.s->st.seg.bytes);
	for (what.how = BY_INSTRUCTION; what.how <= BY_STORE; what.how++) {
		begin = seconds();
		if (record_run(rec, &w, &what) < 0)
			return 1;
		took = seconds() - begin;
		printf("%s: %llu steps, %llu changes, %.3f s, %.2f us each\n",
		       what.how == BY_STORE ? "by store" : "by trap flag",
		       (unsigned long long)rec->steps,
		       (unsigned long long)rec->changes, took,
		       took * 1e6 / (double)rec->steps);
	}
	took = by_ptrace(&w, &steps);
	printf("by ptrace: %llu steps, %.3f s, %.2f us each\n",
	       (unsigned long long)steps, took, took * 1e6 / (double)steps);
	return 0;
}

/* ---- all of them ---- */

static void work(void)
{
	unsigned all = rows_count * places_count;

	for (unsigned i; (i = totals->next_case++) < all;) {
		unsigned row = i % rows_count, place = i / rows_count;

		if (options.row >= 0 && options.row != (int)row)
			continue;
		if (options.place >= 0 && options.place != (int)place)
			continue;
		if (!row_fits(&rows[row], &places[place]))
			continue;
		if (is_planted() && totals->violations > 0)
			return;
		case_run(row, place);
	}
}

static void run_jobs(void)
{
	unsigned jobs = options.jobs < 64 ? options.jobs : 64;
	pid_t pid[64];

	fflush(NULL);
	for (unsigned i = 0; i < jobs; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			work();
			_exit(0);
		}
	}
	for (unsigned i = 0; i < jobs; i++) {
		int status;

		waitpid(pid[i], &status, 0);
		totals->violations += status != 0;
	}
}

static void print_line(const char *name, uint64_t steps, uint64_t images,
		       uint64_t nested)
{
	printf("%-26s %10llu %8llu %8llu\n", name, (unsigned long long)steps,
	       (unsigned long long)images, (unsigned long long)nested);
}

static void print_table(double took)
{
	struct rusage used;

	printf("%-26s %10s %8s %8s\n", "operation", "steps", "images",
	       "nested");
	for (unsigned i = 0; i < rows_count; i++)
		print_line(rows[i].name, totals->row_steps[i],
			   totals->row_images[i], totals->row_nested[i]);
	printf("%-26s %10s %8s %8s\n", "world", "steps", "images", "nested");
	for (unsigned i = 0; i < places_count; i++)
		print_line(places[i].name, totals->place_steps[i],
			   totals->place_images[i], totals->place_nested[i]);
	getrusage(RUSAGE_CHILDREN, &used);
	printf("%u operations in %u worlds: %llu cases, %llu instructions, "
	       "%llu distinct images of %llu, %llu distinct nested of %llu, "
	       "%llu real kills compared, %llu violations; %.0f s, %ld of "
	       "processors\n",
	       rows_count, places_count, (unsigned long long)totals->cases,
	       (unsigned long long)totals->steps,
	       (unsigned long long)totals->distinct,
	       (unsigned long long)totals->images,
	       (unsigned long long)totals->nested_distinct,
	       (unsigned long long)totals->nested,
	       (unsigned long long)totals->kills,
	       (unsigned long long)totals->violations, took,
	       used.ru_utime.tv_sec + used.ru_stime.tv_sec);
	printf("result operations=%u worlds=%u cases=%llu steps=%llu "
	       "images=%llu nested=%llu kills=%llu violations=%llu\n",
	       rows_count, places_count, (unsigned long long)totals->cases,
	       (unsigned long long)totals->steps,
	       (unsigned long long)totals->distinct,
	       (unsigned long long)totals->nested_distinct,
	       (unsigned long long)totals->kills,
	       (unsigned long long)totals->violations);
}

int main(int argc, char **argv)
{
	double begin = seconds();
	int rc = parse(argc, argv);

	if (rc > 1)
		return rc;
	/* The same addresses each time: the same instructions. */
	if (!(personality(0xffffffff) & ADDR_NO_RANDOMIZE) &&
	    personality(ADDR_NO_RANDOMIZE) != -1) {
		optind = 1;
		execv("/proc/self/exe", argv);
	}
	/* fsck's windows: not mapped anew for each image. */
	mallopt(M_MMAP_THRESHOLD, 64 << 20);
	mallopt(M_TRIM_THRESHOLD, 256 << 20);
	plant();
	totals = mmap(NULL, sizeof(*totals), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (totals == MAP_FAILED)
		return 71;
	if (rc == 1)
		return measure();
	options.sample = !options.full && options.row < 0 &&
			 options.place < 0 && !is_planted();
	run_jobs();
	print_table(seconds() - begin);
	if (options.row < 0 && options.place < 0 && !is_planted() &&
	    totals->distinct < IMAGES_LEAST) {
		printf("fewer than %u images\n", IMAGES_LEAST);
		return 1;
	}
	return totals->violations ? 1 : 0;
}
