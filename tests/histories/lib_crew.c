/* SPDX-License-Identifier: MIT */

/*
 * Processes are killed in two ways: by themselves, at some label in the
 * library; and by the parent, whom another one asked for it, at whatever
 * instruction they are then.  The parent alone reaps, so whom it kills is who
 * was meant.  It waits for a request or a death, and for no time.
 */

#include "histories/lib_crew.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sojourn/collection.h>
#include <sojourn/stat.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper/helper.h"
#include "session/handle.h"
#include "stress/lib_stress.h"

#define HELPER PROCESSES_MAX

/* Of one batch. */
struct shift {
	struct crew *crew;
	pid_t pid[PROCESSES_MAX + 1];
	bool killed[PROCESSES_MAX + 1];
	unsigned working;
	int requests[2]; /* whom to kill */
	int stop[2];     /* closed: the helper ends */
	int deaths;
};

int crew_init(struct crew *c, uint64_t seed, bool never)
{
	struct sojourn_collection things;
	struct sojourn_options o;
	int rc;

	memset(c, 0, sizeof(*c));
	c->seed = seed;
	c->processes = PROCESSES_MAX;
	c->work.never = never;
	c->work.notes =
		mmap(NULL, sizeof(*c->work.notes), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c->work.notes == MAP_FAILED)
		return -errno;
	sojourn_options_init(&o);
	sojourn_collection_init(&things, "things");
	things.ttl_ms = never ? TTL_MS : 3600000;
	o.collections = &things;
	o.collections_count = 1;
	o.entries_max = never ? 24 : 8192;
	o.segment_bytes = never ? 3u << 20 : 24u << 20;
	o.threads_max = 64;
	o.helper = SOJOURN_HELPER_NONE;
	o.ttl_ms = never ? TTL_MS : 3600000;
	o.grace_window_ms = never ? GRACE_MS : LONG_GRACE_MS;
	o.redelivery_ms = never ? GRACE_MS : 0;
	o.manual_clock = never;
	o.when_full =
		never ? SOJOURN_WHEN_FULL_EVICT : SOJOURN_WHEN_FULL_REJECT;
	rc = sojourn_create(NULL, &o, &c->work.s);
	if (rc < 0)
		return rc;
	rc = sojourn_collection_number(c->work.s, "things");
	if (rc < 0)
		return rc;
	c->work.collection = (uint32_t)rc;
	return 0;
}

void crew_deinit(struct crew *c)
{
	sojourn_detach(c->work.s);
	if (c->work.notes)
		munmap(c->work.notes, sizeof(*c->work.notes));
}

bool crew_drained(struct crew *c)
{
	const struct sojourn_filter all = {.collection =
						   SOJOURN_COLLECTION_ANY};
	struct sojourn_stat stat = {0};

	if (sojourn_clear(c->work.s, &all) >= 0 && drained(c->work.s, &stat) &&
	    stat.threads_dead == 0)
		return true;
	print_left(&stat);
	return false;
}

/* ---- processes ---- */

static void unblock(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void be_helper(struct shift *shift)
{
	struct soj_helper *helper;
	char byte;

	close(shift->stop[1]);
	if (soj_helper_start(&helper, &shift->crew->work.s->st, NULL) != 0)
		_exit(1);
	(void)!read(shift->stop[0], &byte, 1);
	soj_helper_stop(helper);
	_exit(0);
}

static void start(struct shift *shift, unsigned who)
{
	struct crew *c = shift->crew;
	uint64_t turn = ++c->started;
	pid_t pid = fork();

	shift->pid[who] = pid;
	shift->killed[who] = false;
	if (pid != 0)
		return;
	unblock();
	if (who == HELPER)
		be_helper(shift);
	close(shift->stop[1]);
	c->work.index = who;
	c->work.kill_requests = shift->requests[1];
	c->work.random = (c->seed + turn) * 0x9e3779b97f4a7c15 | 1;
	work_run(&c->work);
	sojourn_detach(c->work.s);
	_exit(0);
}

static void kill_one(struct shift *shift)
{
	uint8_t who;

	if (read(shift->requests[0], &who, 1) != 1 || who > HELPER ||
	    shift->pid[who] <= 0 || shift->killed[who])
		return;
	shift->killed[who] = kill(shift->pid[who], SIGKILL) == 0;
	shift->crew->helper_kills += who == HELPER;
}

/* Who was killed is replaced, who has finished is not. */
static void reap(struct shift *shift)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	(void)!read(shift->deaths, &info, sizeof(info));
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (unsigned who = 0; who <= HELPER; who++) {
			if (shift->pid[who] != pid)
				continue;
			shift->pid[who] = 0;
			if (WIFSIGNALED(status) &&
			    WTERMSIG(status) == SIGKILL) {
				shift->crew->kills += who != HELPER;
				start(shift, who);
			} else {
				shift->working -= who != HELPER;
				if (status != 0)
					shift->crew->work.notes->unexpected++;
			}
		}
}

static void set_back(struct notes *notes, uint64_t ops)
{
	memset(notes->op, 0, sizeof(notes->op));
	memset(notes->key, 0, sizeof(notes->key));
	notes->ops_used = 0;
	notes->ops_max = ops;
	notes->clock = 0;
	notes->keys_used = 0;
	memset(notes->list, 0, sizeof(notes->list));
	notes->lists_used = 0;
	for (unsigned i = 0; i < PLACES; i++)
		notes->place[i] = KEYS_MAX;
}

void crew_run(struct crew *c, uint64_t ops)
{
	const struct sojourn_filter all = {.collection =
						   SOJOURN_COLLECTION_ANY};
	struct shift shift = {.crew = c, .working = c->processes};
	struct pollfd fds[2];
	sigset_t set, was;

	/* Keys of the batch before are nobody's any more. */
	(void)!sojourn_clear(c->work.s, &all);
	set_back(c->work.notes, ops);
	c->work.batch++;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &was);
	if (pipe(shift.requests) < 0 || pipe(shift.stop) < 0)
		return;
	shift.deaths = signalfd(-1, &set, SFD_NONBLOCK);
	fds[0] = (struct pollfd){.fd = shift.requests[0], .events = POLLIN};
	fds[1] = (struct pollfd){.fd = shift.deaths, .events = POLLIN};
	start(&shift, HELPER);
	for (unsigned i = 0; i < c->processes; i++)
		start(&shift, i);
	while (shift.working > 0) {
		poll(fds, 2, -1);
		if (fds[0].revents & POLLIN)
			kill_one(&shift);
		if (fds[1].revents & POLLIN)
			reap(&shift);
	}
	close(shift.stop[1]);
	if (shift.pid[HELPER] > 0)
		waitpid(shift.pid[HELPER], NULL, 0);
	close(shift.stop[0]);
	close(shift.requests[0]);
	close(shift.requests[1]);
	close(shift.deaths);
	sigprocmask(SIG_SETMASK, &was, NULL);
}
