/* SPDX-License-Identifier: MIT */

/*
 * Many at once.
 *
 * Two helpers that know nothing of each other run upkeep as fast as they can,
 * on one segment, while workers change sessions: nothing is freed twice, so
 * every value is whole and the drain comes out even.
 *
 * A thousand workers attach, work, and are all killed at once: every slot and
 * every byte comes back, and what they had acknowledged is there.
 *
 *   crash_crowd [--workers N]
 */

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash/lib_ops.h"
#include "lib/gate.h"

#define HELPERS      2u
#define HARD_WORKERS 3u
#define LIVES_EACH   2000u

static struct world w;
static unsigned crowd = 1000;

/* ---- two helpers ---- */

static struct {
	_Atomic(uint32_t) stop;
	_Atomic(uint64_t) passes;
	struct gate settled; /* posted by each member that works, or cannot */
} * shared;

static void hard_helper(void)
{
	struct soj_upkeep_work work;

	trying("one of two helpers");
	world_self(&w);
	while (!shared->stop) {
		soj_upkeep_full(&w.up, &work);
		soj_upkeep_pass(&w.up, &work);
		world_advance(&w, 1);
		shared->passes++;
	}
	sojourn_detach(w.s);
}

static void hard_worker(unsigned number)
{
	static char subject[32];

	snprintf(subject, sizeof(subject), "worker%u", number);
	trying("%s beside two helpers", subject);
	w.count = 0;
	w.next_number = 1000000 * (number + 1);
	for (unsigned i = 0; i < LIVES_EACH; i++) {
		int made = world_create(&w, subject, i % 3 ? 120 : 600);

		if (made < 0)
			continue;
		world_update(&w, (unsigned)made, false);
		if (i % 2)
			world_renew(&w, (unsigned)made, false);
		world_update(&w, (unsigned)made, i % 4 == 1);
		world_verify(&w);
		if (i % 5)
			world_delete(&w, (unsigned)made, i % 3 == 0);
		else
			world_delete_subject(&w, subject, -1);
		world_verify(&w);
		w.count = 0;
	}
	sojourn_detach(w.s);
}

static pid_t start(void (*fn)(unsigned number), unsigned number)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		abort();
	if (pid == 0) {
		fn(number);
		fflush(NULL);
		_exit(0);
	}
	return pid;
}

static void helper_start(unsigned number)
{
	(void)number;
	hard_helper();
}

static void two_helpers(void)
{
	const struct world_options o = {.entries = 64, .slots = 16};
	pid_t helper[HELPERS], worker[HARD_WORKERS];
	int status;

	trying("two helpers at once");
	if (!world_make(&w, &o))
		return;
	w.full = true; /* helpers may lag */
	for (unsigned i = 0; i < HELPERS; i++)
		helper[i] = start(helper_start, i);
	for (unsigned i = 0; i < HARD_WORKERS; i++)
		worker[i] = start(hard_worker, i);
	for (unsigned i = 0; i < HARD_WORKERS; i++)
		if (waitpid(worker[i], &status, 0) < 0 || status != 0)
			failed("worker %u ended with status 0x%x", i, status);
	shared->stop = 1;
	for (unsigned i = 0; i < HELPERS; i++)
		if (waitpid(helper[i], &status, 0) < 0 || status != 0)
			failed("helper %u ended with status 0x%x", i, status);
	printf("two helpers: %u lives of %u workers, %u passes\n", LIVES_EACH,
	       HARD_WORKERS, (unsigned)shared->passes);
	world_upkeep(&w);
	world_fsck(&w, true);
	world_drain(&w, 0);
	world_free(&w);
}

/* ---- a thousand workers ---- */

struct seat {
	_Atomic(uint32_t) ready;
	char id[SOJOURN_ID_CHARS_MAX + 1];
};

static struct seat *seats;

static bool writes(unsigned number)
{
	return number % 64 == 1;
}

/* Makes a session, then waits; some write without end. */
static void member(unsigned number)
{
	static char subject[32];
	int made;

	snprintf(subject, sizeof(subject), "member%u", number);
	w.count = 0;
	w.next_number = number;
	made = world_create(&w, subject, 120);
	if (made >= 0) {
		strcpy(seats[number].id, w.known[made].id);
		seats[number].ready = 1;
	}
	gate_post(&shared->settled);
	if (made < 0)
		_exit(1);
	while (!writes(number))
		pause();
	for (;;)
		world_update(&w, (unsigned)made, false);
}

static unsigned seated(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < crowd; i++)
		count += seats[i].ready;
	return count;
}

/* Their sessions: the values of the writing ones are not known, but whole. */
static void crowd_remembered(void)
{
	const struct sojourn_read look_only = {.no_touch = true,
					       .no_renew = true};

	for (unsigned i = 0; i < crowd; i++) {
		size_t bytes = sizeof(value_buffer);
		uint64_t number;

		if (sojourn_session_read(w.s, seats[i].id, &look_only,
					 value_buffer, &bytes, NULL) != 0) {
			failed("a member's session is gone: %s",
			       sojourn_error_text());
			return;
		}
		memcpy(&number, value_buffer, sizeof(number));
		if (bytes != 120 || !value_is(value_buffer, bytes, number) ||
		    (!writes(i) && number != i))
			failed("a member's value is not whole");
	}
}

static void crowd_ends(void)
{
	char subject[32];

	for (unsigned i = 0; i < crowd; i++) {
		snprintf(subject, sizeof(subject), "member%u", i);
		if (sojourn_session_delete_subject(w.s, subject, NULL) != 1)
			failed("%s had no session", subject);
	}
}

static void thousand(void)
{
	const struct world_options o = {
		.entries = 2 * crowd, .units = 16, .slots = crowd + 100};
	pid_t *pid = calloc(crowd, sizeof(*pid));
	struct sojourn_stat stat;

	trying("%u workers, all killed at once", crowd);
	if (pid == NULL || !world_make(&w, &o))
		abort();
	for (unsigned i = 0; i < crowd; i++)
		pid[i] = start(member, i);
	gate_wait(&shared->settled, crowd);
	if (seated() < crowd)
		failed("only %u of %u got to work", seated(), crowd);
	if (sojourn_stat(w.s, &stat) == 0)
		printf("%u threads attached", stat.threads_attached);
	for (unsigned i = 0; i < crowd; i++)
		kill(pid[i], SIGKILL);
	for (unsigned i = 0; i < crowd; i++)
		waitpid(pid[i], NULL, 0);
	free(pid);
	world_fsck(&w, false);
	crowd_remembered();
	world_upkeep(&w);
	world_fsck(&w, true);
	if (sojourn_stat(w.s, &stat) == 0)
		printf(", %u after they were killed\n", stat.threads_attached);
	crowd_remembered();
	crowd_ends();
	world_drain(&w, 0);
	world_free(&w);
}

static void *share(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {{"workers", 1, NULL, 'w'},
					      {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'w')
			return 64;
		crowd = (unsigned)atoi(optarg);
	}
	if (crowd < 1 || crowd > 3900)
		return 64;
	failures_init();
	shared = share(sizeof(*shared));
	seats = share(crowd * sizeof(*seats));
	two_helpers();
	thousand();
	printf("%u failures\n", failures());
	return failures() ? 1 : 0;
}
