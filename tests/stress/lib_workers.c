/* SPDX-License-Identifier: MIT */

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper/helper.h"
#include "session/handle.h"
#include "stress/lib_accounts.h"

#define THREADS_MAX 16u

static pid_t process[CREW_MAX];

static void work(unsigned worker)
{
	pthread_t thread[THREADS_MAX];
	struct job job[THREADS_MAX];

	for (unsigned t = 0; t < crew.threads; t++) {
		job[t] = (struct job){worker, t};
		pthread_create(&thread[t], NULL, crew_work, &job[t]);
	}
	for (unsigned t = 0; t < crew.threads; t++)
		pthread_join(thread[t], NULL);
	sojourn_detach(crew.s);
}

static int help(void)
{
	struct soj_helper *helper;

	if (soj_helper_start(&helper, &crew.s->st, NULL) != 0)
		return 1;
	gate_wait(&ledger->end, 1);
	soj_helper_stop(helper);
	return 0;
}

void crew_start(unsigned i)
{
	int status = 0;

	process[i] = fork();
	if (process[i] != 0)
		return;
	/* A run that is ended from outside leaves nobody behind. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (i < crew.workers) {
		/* Who kills comes first, or little is killed. */
		if (nice(5) == -1)
			perror("nice");
		work(i);
	} else {
		status = help();
	}
	_exit(status);
}

void crew_join(unsigned i, int signal)
{
	int status = -1;

	if (waitpid(process[i], &status, 0) == process[i] &&
	    (signal ? WIFSIGNALED(status) && WTERMSIG(status) == signal
		    : status == 0))
		return;
	ledger->errors++;
	fprintf(stderr, "process %u ended with status 0x%x\n", i, status);
}

/* The next one begins when it is dead, not before: accounts have one owner. */
void crew_kill(unsigned i)
{
	kill(process[i], SIGKILL);
	crew_join(i, SIGKILL);
	crew_start(i);
}

void crew_halt(unsigned i)
{
	int status;

	kill(process[i], SIGSTOP);
	if (waitpid(process[i], &status, WUNTRACED) == process[i] &&
	    WIFSTOPPED(status))
		return;
	ledger->errors++;
	fprintf(stderr, "process %u ended with status 0x%x\n", i, status);
}

void crew_signal(unsigned i, int signal)
{
	kill(process[i], signal);
}
