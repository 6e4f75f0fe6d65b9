/* SPDX-License-Identifier: MIT */

/*
 * The master of `sojourn demo`: forks workers and replaces those that die.
 *
 * It waits for signals only (SIGCHLD, SIGTERM, SIGINT, SIGHUP, all blocked), so
 * nothing runs in a signal handler and no signal is lost between two looks.
 */

#include "demo_server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "lib_args.h"

/* A worker that is killed is replaced at once, but workers that die all the
 * time are a defect that a loop of forks would only hide. */
#define RESTARTS_MAX      200u
#define RESTARTS_WINDOW_S 10
#define STOP_TIMEOUT_S    5

struct master {
	const struct soj_demo *demo;
	pid_t pids[SOJ_DEMO_WORKERS_MAX]; /* 0: not running */
	uint32_t restarts;
	time_t window_start;
	sigset_t signals;
};

static time_t now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* A worker must not outlive its master, however that one ends. */
static void run_worker(const struct soj_demo *demo, pid_t master_pid)
{
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != master_pid)
		exit(EX_OSERR);
	exit(soj_demo_worker(demo));
}

static int start_worker(struct master *m, uint32_t idx)
{
	pid_t master_pid = getpid();
	pid_t pid;

	/* What is buffered would be written by both. */
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		soj_args_complain("demo: fork: %s", strerror(errno));
		return EX_OSERR;
	}
	if (pid == 0)
		run_worker(m->demo, master_pid);
	m->pids[idx] = pid;
	return 0;
}

/* Returns 0 when there are not too many, else an exit code. */
static int count_restart(struct master *m)
{
	time_t now = now_s();

	if (now - m->window_start >= RESTARTS_WINDOW_S) {
		m->window_start = now;
		m->restarts = 0;
	}
	if (++m->restarts <= RESTARTS_MAX)
		return 0;
	soj_args_complain("demo: %u workers died within %d s: giving up",
			  m->restarts, RESTARTS_WINDOW_S);
	return EX_SOFTWARE;
}

static int replace_worker(struct master *m, uint32_t idx, int status)
{
	pid_t old = m->pids[idx];
	int rc;

	m->pids[idx] = 0;
	/* It said itself that it cannot serve: its successor could not either. */
	if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		return WEXITSTATUS(status);
	rc = count_restart(m);
	if (rc == 0)
		rc = start_worker(m, idx);
	if (rc != 0)
		return rc;
	if (WIFSIGNALED(status))
		soj_args_complain("demo: worker %d was ended by signal %d, "
				  "replaced by %d",
				  (int)old, WTERMSIG(status),
				  (int)m->pids[idx]);
	else
		soj_args_complain("demo: worker %d ended, replaced by %d",
				  (int)old, (int)m->pids[idx]);
	return 0;
}

/*
 * One SIGCHLD may stand for several deaths.  Only our own pids are waited for:
 * other children, such as a helper, are not this file's.
 */
static int reap(struct master *m, bool replace)
{
	int status, rc;

	for (uint32_t i = 0; i < m->demo->workers; i++) {
		if (m->pids[i] == 0 ||
		    waitpid(m->pids[i], &status, WNOHANG) != m->pids[i])
			continue;
		if (!replace) {
			m->pids[i] = 0;
			continue;
		}
		rc = replace_worker(m, i, status);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static void signal_workers(const struct master *m, int signal)
{
	for (uint32_t i = 0; i < m->demo->workers; i++)
		if (m->pids[i] != 0)
			kill(m->pids[i], signal);
}

static bool any_worker(const struct master *m)
{
	for (uint32_t i = 0; i < m->demo->workers; i++)
		if (m->pids[i] != 0)
			return true;
	return false;
}

/* Ends the workers: asks first, insists after a while. */
static void stop_workers(struct master *m)
{
	struct timespec wait = {.tv_nsec = 50 * 1000 * 1000};
	time_t deadline = now_s() + STOP_TIMEOUT_S;
	bool insisted = false;

	signal_workers(m, SIGTERM);
	for (;;) {
		reap(m, false);
		if (!any_worker(m))
			return;
		if (!insisted && now_s() >= deadline) {
			signal_workers(m, SIGKILL);
			insisted = true;
		}
		sigtimedwait(&m->signals, NULL, &wait);
	}
}

static int supervise(struct master *m)
{
	int rc, got;

	for (;;) {
		got = sigwaitinfo(&m->signals, NULL);
		if (got == SIGTERM || got == SIGINT || got == SIGHUP)
			return 0;
		if (got != SIGCHLD)
			continue;
		rc = reap(m, true);
		if (rc != 0)
			return rc;
	}
}

static void wanted_signals(sigset_t *set)
{
	struct sigaction hangup;

	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	/* Who waits for a signal gets it although it is ignored: nohup would
	 * be of no use. */
	if (sigaction(SIGHUP, NULL, &hangup) == 0 &&
	    hangup.sa_handler != SIG_IGN)
		sigaddset(set, SIGHUP);
}

void soj_demo_block_signals(void)
{
	sigset_t set;

	wanted_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

int soj_demo_master(const struct soj_demo *demo)
{
	struct master m = {.demo = demo, .window_start = now_s()};
	int rc = 0;

	wanted_signals(&m.signals);
	soj_demo_block_signals();
	for (uint32_t i = 0; rc == 0 && i < demo->workers; i++)
		rc = start_worker(&m, i);
	if (rc == 0) {
		printf("sojourn demo: http://127.0.0.1:%u/  segment %s, "
		       "%u workers, pid %d\n",
		       demo->port, demo->name, demo->workers, (int)getpid());
		fflush(stdout);
		rc = supervise(&m);
	}
	stop_workers(&m);
	return rc;
}
