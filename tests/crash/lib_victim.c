/* SPDX-License-Identifier: MIT */

#include "crash/lib_victim.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"

/* Processor time after which an operation is taken for one that never ends. */
#define CPU_SECONDS_MAX 20u

struct coverage *coverage;

static struct {
	struct report *report;
	struct plan plan;
	uint32_t turn; /* passings that count for the plan */
	bool paused;
} self;

/* ---- labels ---- */

unsigned label_count(void)
{
	return (unsigned)(__stop_soj_steps - __start_soj_steps);
}

const char *label_name(unsigned label)
{
	return __start_soj_steps[label].label;
}

unsigned label_find(const char *name)
{
	for (unsigned i = 0; i < label_count(); i++)
		if (strcmp(label_name(i), name) == 0)
			return i;
	fprintf(stderr, "there is no label %s any more\n", name);
	abort();
}

bool labels_unique(void)
{
	bool unique = true;

	for (unsigned i = 0; i < label_count(); i++)
		if (label_find(label_name(i)) != i) {
			fprintf(stderr, "two labels %s\n", label_name(i));
			unique = false;
		}
	return unique;
}

/* ---- reports ---- */

void *shared_new(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		abort();
	}
	return p;
}

struct report *report_new(void)
{
	return shared_new(sizeof(struct report));
}

void report_free(struct report *r)
{
	munmap(r, sizeof(*r));
}

uint32_t passed(const struct report *r, const char *label)
{
	return r->passed[label_find(label)];
}

static uint32_t logged(const struct report *r)
{
	return r->steps < LOG_MAX ? r->steps : LOG_MAX;
}

const char *step_name(const struct report *r, uint32_t nth)
{
	return nth >= 1 && nth <= logged(r) ? label_name(r->log[nth - 1])
					    : "the end";
}

uint32_t step_turn(const struct report *r, uint32_t nth)
{
	uint32_t turn = 0;

	for (uint32_t i = 0; i < nth && i < logged(r); i++)
		turn += r->log[i] == r->log[nth - 1];
	return turn;
}

bool step_is_last(const struct report *r, uint32_t nth)
{
	for (uint32_t i = nth; i < logged(r); i++)
		if (r->log[i] == r->log[nth - 1])
			return false;
	return true;
}

/* ---- victims ---- */

/* What a child tells is for itself only. */
static void unshare_report(void)
{
	static struct report own;

	own = *self.report;
	if (mmap(self.report, sizeof(own), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != self.report)
		abort();
	*self.report = own;
}

/* The child's operation is not its parent's, and it has to be told so: it comes
 * to its end (victim_run) before the parent goes on. */
static void split(void)
{
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		soj_step_hook = NULL;
		unshare_report();
		return;
	}
	if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status))
		abort();
}

static void hook(const struct soj_step *step)
{
	unsigned label = (unsigned)(step - __start_soj_steps);
	uint32_t nth = ++self.report->steps;

	if (nth <= LOG_MAX)
		self.report->log[nth - 1] = (uint8_t)label;
	self.report->passed[label]++;
	coverage->passed[label]++;
	if (self.plan.pause && !self.paused &&
	    strcmp(step->label, self.plan.pause) == 0) {
		self.paused = true;
		self.report->paused = 1;
		raise(SIGSTOP);
		self.report->paused = 0;
	}
	if (self.plan.at && strcmp(step->label, self.plan.at) != 0)
		return;
	if (++self.turn != self.plan.nth)
		return;
	if (self.plan.fault == FAULT_KILL) {
		coverage->kills++;
		coverage->killed[label]++;
		raise(SIGKILL);
	}
	if (self.plan.fault == FAULT_FORK) {
		pid_t child = fork();

		if (child == 0)
			_exit(0);
		waitpid(child, NULL, 0);
	}
	if (self.plan.fault == FAULT_SPLIT)
		split();
	if (self.plan.fault == FAULT_STOP) {
		coverage->stops++;
		coverage->stopped[label]++;
		raise(SIGSTOP);
	}
}

void victim_arm(struct report *r, const struct plan *plan)
{
	self.report = r;
	self.plan = *plan;
	self.turn = 0;
	self.paused = false;
	soj_step_hook = hook;
}

void coverage_init(void)
{
	coverage = shared_new(sizeof(*coverage));
	if (label_count() > LABELS_MAX) {
		fprintf(stderr, "more labels than LABELS_MAX\n");
		abort();
	}
}

static void await(struct victim *v)
{
	int status;

	while (waitpid(v->pid, &status, WUNTRACED) < 0)
		if (errno != EINTR) {
			perror("waitpid");
			abort();
		}
	v->paused = false;
	if (WIFSTOPPED(status)) {
		v->state = VICTIM_STOPPED;
		v->paused = v->report->paused != 0;
	} else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
		v->state = VICTIM_KILLED;
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		v->state = VICTIM_FINISHED;
	} else {
		v->state = VICTIM_BROKEN;
	}
}

void victim_run(struct victim *v, struct report *r, const struct plan *plan,
		victim_fn fn, void *arg)
{
	const struct rlimit cpu = {CPU_SECONDS_MAX, CPU_SECONDS_MAX + 10};

	memset(r, 0, sizeof(*r));
	v->report = r;
	v->plan = *plan;
	v->pid = fork();
	if (v->pid < 0) {
		perror("fork");
		abort();
	}
	if (v->pid == 0) {
		setrlimit(RLIMIT_CPU, &cpu);
		victim_arm(r, plan);
		fn(arg, r);
		r->finished = 1;
		_exit(0);
	}
	await(v);
}

void victim_continue(struct victim *v)
{
	kill(v->pid, SIGCONT);
	await(v);
}

void victim_kill(struct victim *v)
{
	kill(v->pid, SIGKILL);
	await(v);
}
