/* SPDX-License-Identifier: MIT */

/*
 * Random chaos, scene after scene: eight workers and their helpers are killed,
 * stopped and made to go on, killed while they stand still, and killed all at
 * once, again and again while the others work.  lib_accounts.h says what they
 * do and what is counted.
 *
 * Something happens each time that OPS_PER_TURN operations more were made.
 * fsck looks at the segment beside the workers all the while, and at the end:
 * then there is nothing left to be found, and all memory is free.  No generation,
 * version or counter goes back from one look to the next.
 *
 * Each run begins with a bug that base/fault.h plants, which has to be seen.
 *
 *   stress_chaos [--seconds N | --turns N] [--seed N]
 *
 * --seconds is for soaks, which are to last so long, scene after scene; else
 * there is one of each kind.  The seed says which is first and what is done to
 * whom; when is up to the machine.
 */

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "lib_fsck.h"
#include "session/handle.h"
#include "stress/lib_accounts.h"
#include "stress/lib_stress.h"

#define OPS_PER_TURN  1024u
#define SOAK_TURNS    200u
#define WORKERS       8u
#define FSCK_EVERY    32u /* turns */
#define HALT_TURNS    24u /* nobody stands still for longer */
#define PLANTED_PLAYS 20u

static const struct scene {
	const char *name;
	unsigned entries, helpers;
	unsigned restart_every; /* turns; 0: never all at once */
	bool sealed;
} scenes[] = {
	{"one helper", 20000, 1, 0, false},
	{"full", 128, 1, 0, false}, /* half the accounts have room */
	{"two helpers", 20000, 2, 0, false},
	{"no helper", 20000, 0, 0, false},
	{"restarts", 20000, 1, 25, false},
	{"sealed", 20000, 1, 0, true},
	{"full, sealed, restarts, two helpers", 128, 2, 40, true},
};

#define SCENES (sizeof(scenes) / sizeof(scenes[0]))

static struct {
	unsigned seconds, turns;
	uint64_t seed;
} opt = {.turns = 60};

static struct {
	uint64_t scenes, operations, kills, stops, restarts, fscks, violations;
} sum;

/* Of the processes: until which turn it stands still; 0: it does not. */
static uint32_t halted[CREW_MAX];

/* ---- fsck ---- */

/* What the words of this scene's segment were when fsck looked before. */
static int kept;

static bool open_image(struct soj_image *img, int fd)
{
	struct soj_seg_error err;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (soj_image_open(img, path, &err) == 0)
		return true;
	ledger->errors++;
	fprintf(stderr, "fsck: %s\n", err.text);
	return false;
}

/* Nothing has gone back since the look before. */
static bool check_image(struct soj_image *img, struct soj_fsck_report *rep,
			bool online)
{
	struct soj_image before;
	int rc;

	if (lseek(kept, 0, SEEK_END) == 0) {
		rc = soj_fsck(img, rep, online);
	} else {
		if (!open_image(&before, kept))
			return false;
		rc = soj_fsck_after(img, &before, rep, online);
		if (rc == 0)
			rc = rep->before_rc;
		soj_image_close(&before);
	}
	return rc == 0 && soj_fsck_save(img, kept) == 0;
}

/* Beside the workers only what is corrupt is a violation; `left` when nothing
 * may be left for upkeep, either. */
static void look(bool online, bool left)
{
	struct soj_fsck_report rep = {0};
	struct soj_image_flaw flaw;
	struct soj_image img;

	if (!open_image(&img, sojourn_fd(crew.s)))
		return;
	img.st.vault = crew.s->st.vault;
	if (soj_image_load(&img, &flaw) < 0 || !check_image(&img, &rep, online))
		ledger->errors++;
	if (rep.corrupt || rep.unsettled || (left && rep.repairable)) {
		ledger->errors++;
		for (uint32_t i = 0; i < rep.listed && i < 3; i++)
			fprintf(stderr, "fsck: %s at %s: %s\n",
				soj_fsck_kinds[rep.list[i].code].name,
				rep.list[i].place, rep.list[i].words);
	}
	soj_fsck_free(&rep);
	soj_image_close(&img);
	sum.fscks++;
}

/* ---- what happens ---- */

static void kill_one(unsigned i)
{
	crew_kill(i);
	halted[i] = 0;
	if (i < crew.workers)
		ledger->kills++;
	else
		ledger->helper_kills++;
	sum.kills++;
}

/* At most half of them at a time: somebody has to work. */
static void halt_one(unsigned i, uint32_t until)
{
	unsigned still = 0;

	for (unsigned w = 0; w < crew.workers; w++)
		still += halted[w] != 0;
	if (halted[i] || (i < crew.workers && 2 * still >= crew.workers))
		return;
	crew_halt(i);
	halted[i] = until;
	sum.stops++;
}

static void resume_due(unsigned all, uint32_t turn)
{
	for (unsigned i = 0; i < all; i++) {
		if (halted[i] == 0 || halted[i] > turn)
			continue;
		crew_signal(i, SIGCONT);
		halted[i] = 0;
	}
}

/* Nobody is left: what they all leave is no worse than what one does. */
static void restart(unsigned all)
{
	for (unsigned i = 0; i < all; i++)
		crew_signal(i, SIGKILL);
	for (unsigned i = 0; i < all; i++) {
		crew_join(i, SIGKILL);
		halted[i] = 0;
	}
	look(false, false);
	for (unsigned i = 0; i < all; i++)
		crew_start(i);
	sum.restarts++;
	sum.kills += all;
}

static void turn_of(const struct scene *scene, uint32_t turn, uint64_t *x)
{
	unsigned all = crew.workers + scene->helpers;
	unsigned what = next_random(x) % 16;
	unsigned worker = next_random(x) % crew.workers;
	unsigned helper = crew.workers + next_random(x) % 2;
	uint32_t until = turn + 1 + next_random(x) % HALT_TURNS;

	resume_due(all, turn);
	if (turn % FSCK_EVERY == FSCK_EVERY - 1)
		look(true, false);
	if (scene->restart_every && turn % scene->restart_every == 0)
		restart(all);
	else if (what < 9)
		kill_one(worker);
	else if (what < 14)
		halt_one(worker, until);
	else if (helper < all && what == 14)
		kill_one(helper);
	else if (helper < all)
		halt_one(helper, until);
}

/* ---- a scene ---- */

static uint64_t play(const struct scene *scene, unsigned turns, uint64_t seed)
{
	unsigned all = WORKERS + scene->helpers;
	struct sojourn_stat stat = {0};
	struct sojourn_options o;
	uint64_t x = seed, violations;

	crew = (struct crew){.workers = WORKERS,
			     .threads = 1 + seed % 2,
			     .accounts = 256,
			     .ops_per_kill = OPS_PER_TURN};
	if (ftruncate(kept, 0) < 0)
		return 1;
	crew_options(&o, scene->entries);
	if (scene->sealed)
		o.seal = SOJOURN_SEAL_ON;
	if (crew_begin(&o) < 0)
		return 1;
	for (unsigned i = 0; i < all; i++)
		crew_start(i);
	for (uint32_t turn = 1; turn <= turns; turn++) {
		gate_wait(&ledger->due, turn);
		turn_of(scene, turn, &x);
	}
	resume_due(all, UINT32_MAX);
	crew_stop();
	for (unsigned i = 0; i < all; i++)
		crew_join(i, 0);
	look(false, false);
	violations = crew_judge(&stat);
	look(false, true);
	violations += ledger->errors > 0;
	printf("== %s, seed %" PRIu64 "\n", scene->name, seed);
	crew_report(&stat);
	sum.operations += ledger->ops;
	sum.scenes++;
	crew_end();
	return violations;
}

/* In a process of its own, which says nothing. */
static bool is_seen_once(enum soj_plant plant, uint64_t seed)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		soj_plant = plant;
		if (freopen("/dev/null", "w", stdout) == NULL ||
		    freopen("/dev/null", "w", stderr) == NULL)
			_exit(2);
		_exit(play(&scenes[0], 60, seed) > 0 ? 1 : 0);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 1;
}

/* Some need a race, which a machine with much else to do may not have at once. */
static bool is_seen(enum soj_plant plant)
{
	for (unsigned i = 0; i < PLANTED_PLAYS; i++)
		if (is_seen_once(plant, opt.seed + i))
			return true;
	return false;
}

static int parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{"seconds", 1, NULL, 's'},
		{"turns", 1, NULL, 't'},
		{"seed", 1, NULL, 'x'},
		{NULL, 0, NULL, 0},
	};
	int c;

	opt.seed = now_ns() % 1000000000;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == '?')
			return 64;
		if (c == 'x')
			opt.seed = strtoull(optarg, NULL, 10);
		else if (c == 't')
			opt.turns = (unsigned)strtoul(optarg, NULL, 10);
		else
			opt.seconds = (unsigned)strtoul(optarg, NULL, 10);
	}
	opt.seed += opt.seed == 0;
	if (opt.seconds > 0)
		opt.turns = SOAK_TURNS;
	return 0;
}

static bool is_over(uint64_t begin_ns)
{
	if (opt.seconds == 0)
		return sum.scenes >= SCENES;
	return sum.scenes > 0 &&
	       now_ns() - begin_ns >= opt.seconds * UINT64_C(1000000000);
}

int main(int argc, char **argv)
{
	static const enum soj_plant plants[] = {SOJ_PLANT_REPAIR_LEAVES_OWNED,
						SOJ_PLANT_UPDATE_STORES};
	uint64_t begin;
	int rc = parse(argc, argv);

	if (rc)
		return rc;
	setvbuf(stdout, NULL, _IOLBF, 0);
	kept = memfd_create("kept", MFD_CLOEXEC);
	if (kept < 0)
		return 71;
	for (unsigned i = 0; i < sizeof(plants) / sizeof(plants[0]); i++) {
		if (is_seen(plants[i]))
			continue;
		printf("bug %u was planted, and not seen\n", plants[i]);
		sum.violations++;
	}
	begin = now_ns();
	for (uint64_t i = 0; !is_over(begin) && sum.violations == 0; i++)
		sum.violations += play(&scenes[(opt.seed + i) % SCENES],
				       opt.turns, opt.seed + i);
	printf("result chaos_scenes=%" PRIu64 " chaos_operations=%" PRIu64
	       " chaos_kills=%" PRIu64 " chaos_stops=%" PRIu64
	       " chaos_restarts=%" PRIu64 " chaos_fscks=%" PRIu64
	       " violations=%" PRIu64 "\n",
	       sum.scenes, sum.operations, sum.kills, sum.stops, sum.restarts,
	       sum.fscks, sum.violations);
	return sum.violations > 0;
}
