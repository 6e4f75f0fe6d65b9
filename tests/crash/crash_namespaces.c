/* SPDX-License-Identifier: MIT */

/*
 * Equal thread numbers in two pid namespaces.
 *
 * When a thread dies the kernel marks the robust mutexes that it held, and the
 * one that it was about to lock: that one by the thread number in it, whoever
 * holds it.  Containers that share a segment have equal numbers.  So here a
 * holder in one namespace goes on working while a thread of the same number in
 * another one is killed at each label of an operation, claiming and releasing
 * its slot included, and while a third one, again with that number, repairs
 * after it.  The same where the only other slot is a dead maker's, and has to be
 * adopted each time.  The holder must never be taken for dead.
 *
 * Where a slot stays taken, since the kernel does not mark it and nobody of that
 * namespace is left, the same again once the kernel has given the namespace's
 * number to another: one who finds himself there frees it.  Until then the dead
 * namespace is held, else when its number comes again is a matter of time.
 *
 * A control shows that the trap is real where this runs: a thread that dies
 * with the holder's mutex in its list of pending operations takes it along.
 *
 * Needs the right to make pid namespaces; without it the test is skipped.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash/lib_found.h"
#include "crash/lib_ops.h"

#define SKIPPED   77
#define ELSEWHERE 76
/* After how many namespaces a number that was freed should have come again. */
#define NAMESPACES_MAX 10000u

enum { GO_ON = 'o', GO_AWAY = 'a' };

static struct world w;
/* Slots that were lost, until somebody was under their namespace's number. */
static unsigned came_again;

/* What the holder tells, and is told; shared. */
static struct meeting {
	_Atomic(uint32_t) tid, slot, ready, updates;
	int go[2];   /* pipe: GO_ON or GO_AWAY for the holder */
	int said[2]; /* pipe: a byte says that it has gone on */
} * meeting;

/* Waits for a child and ends as it did; 99 for one that was killed. */
static void pass_on(pid_t child)
{
	int status;

	if (child < 0 || waitpid(child, &status, 0) < 0)
		_exit(98);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
}

/*
 * Runs fn in a new pid namespace, as its process `number`: 2, whose parent is
 * process 1, or 1, which could neither kill nor stop itself.  Returns the
 * launcher, which ends with fn's exit code, or with 99 if it was killed.
 */
static pid_t in_namespace(unsigned number, void (*fn)(void *arg), void *arg)
{
	pid_t launcher, child;

	fflush(NULL);
	launcher = fork();
	if (launcher != 0)
		return launcher;
	if (unshare(CLONE_NEWPID) != 0)
		_exit(SKIPPED);
	while (number-- > 0) {
		child = fork();
		if (child != 0)
			pass_on(child);
	}
	fn(arg);
	_exit(0);
}

static int ended_with(pid_t launcher)
{
	int status;

	if (launcher < 0 || waitpid(launcher, &status, 0) < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void do_nothing(void *arg)
{
	(void)arg;
}

/* ---- the holder ---- */

static void say(int fd, char byte)
{
	if (write(fd, &byte, 1) != 1)
		_exit(97);
}

/* 0: nobody is there to say anything. */
static char hear(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 1 ? byte : 0;
}

/* Attached for as long as it is told to go on; then it detaches. */
static void holder(void *arg)
{
	(void)arg;
	meeting->slot = world_self(&w)->w.thr.slot;
	meeting->tid = (uint32_t)gettid();
	say(meeting->said[1], GO_ON);
	while (hear(meeting->go[0]) == GO_ON) {
		world_update(&w, w.bystander, false);
		meeting->updates++;
		say(meeting->said[1], GO_ON);
	}
	sojourn_detach(w.s);
}

static pid_t holder_start(void)
{
	pid_t launcher;

	memset(meeting, 0, sizeof(*meeting));
	if (pipe(meeting->go) != 0 || pipe(meeting->said) != 0)
		abort();
	launcher = in_namespace(2, holder, NULL);
	if (!hear(meeting->said[0]))
		failed("the holder does not begin");
	return launcher;
}

static void holder_works(void)
{
	struct known *k = &w.known[w.bystander];

	say(meeting->go[1], GO_ON);
	if (!hear(meeting->said[0])) {
		failed("the holder does not answer");
		return;
	}
	/* It draws its numbers from its own copy of the world. */
	k->version++;
	k->number = 2000 + meeting->updates - 1;
	world_verify(&w);
	world_let_go(&w); /* there may be no other slot */
}

static void holder_end(pid_t launcher)
{
	int code;

	say(meeting->go[1], GO_AWAY);
	code = ended_with(launcher);
	if (code != 0)
		failed("the holder ended with %d", code);
	for (unsigned i = 0; i < 2; i++) {
		close(meeting->go[i]);
		close(meeting->said[i]);
	}
}

static void holder_lives(uint64_t claim)
{
	uint64_t dead;

	if (soj_slot_dead(&w.s->st.seg, meeting->slot, true, &dead))
		failed("the holder is taken for dead");
	if (soj_load_relaxed(&w.s->st.seg.slots[meeting->slot].claim) != claim)
		failed("the holder's slot was taken from it");
}

/* ---- those of its number ---- */

struct namesake {
	struct report *r;
	struct plan plan;
	victim_fn fn;
	int here[2], go[2]; /* pipes: it is there, and may begin */
	/* What it tells of itself, and where it is wanted, 0: anywhere; shared. */
	struct where {
		_Atomic(uint32_t) tid;
		_Atomic(ino_t) namespace, wanted;
	} * where;
};

/* The number of the own namespace. */
static ino_t namespace_number(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 ? st.st_ino : 0;
}

static void namesake(void *arg)
{
	struct namesake *n = arg;

	n->where->tid = (uint32_t)gettid();
	n->where->namespace = namespace_number();
	say(n->here[1], GO_ON);
	hear(n->go[0]);
	if (n->where->wanted && n->where->wanted != n->where->namespace)
		_exit(ELSEWHERE);
	victim_arm(n->r, &n->plan);
	n->fn(&w, n->r);
	n->r->finished = 1;
}

/* `keep`, NULL: nothing, holds its namespace until it is closed. */
static int namesake_run(struct namesake *n, unsigned number, int *keep)
{
	char path[64];
	pid_t launcher;
	int code;

	memset(n->r, 0, sizeof(*n->r));
	if (pipe(n->here) != 0 || pipe(n->go) != 0)
		abort();
	launcher = in_namespace(number, namesake, n);
	close(n->here[1]);
	if (!hear(n->here[0]))
		failed("the one with number %u does not begin", number);
	if (keep) {
		snprintf(path, sizeof(path), "/proc/%d/ns/pid_for_children",
			 (int)launcher);
		*keep = open(path, O_RDONLY | O_CLOEXEC);
		if (*keep < 0)
			failed("the namespace cannot be held");
	}
	say(n->go[1], GO_ON);
	code = ended_with(launcher);
	close(n->here[0]);
	close(n->go[0]);
	close(n->go[1]);
	return code;
}

/* By one of its number, and by one who knows nobody of that number. */
static void repair_elsewhere(uint64_t claim)
{
	struct where where = {0};
	struct namesake n = {
		.r = report_new(), .fn = run_full, .where = &where};

	for (unsigned number = 1; number <= 2; number++) {
		if (namesake_run(&n, number, NULL) != 0)
			failed("the repairer with number %u failed", number);
		holder_lives(claim);
		holder_works();
	}
	report_free(n.r);
}

/* A slot that was claimed or released by who is gone with its namespace, at
 * an instant that the kernel does not mark, stays taken. */
static uint32_t slots_lost(const struct report *r, bool killed)
{
	const char *label = step_name(r, r->steps);

	return killed && (strcmp(label, "slot.claim.busy") == 0 ||
			  strcmp(label, "slot.claim.locked") == 0 ||
			  strcmp(label, "slot.release.busy") == 0 ||
			  strcmp(label, "slot.release.unlocked") == 0);
}

/*
 * By the first process of a namespace with the number of the dead one's, when
 * the kernel gives it again.  False: that does not come about.
 */
static bool repair_under(ino_t number)
{
	struct where where = {.wanted = number};
	struct namesake n = {
		.r = report_new(), .fn = run_full, .where = &where};
	int code = ELSEWHERE;

	for (unsigned i = 0; i < NAMESPACES_MAX && code == ELSEWHERE; i++)
		code = namesake_run(&n, 1, NULL);
	if (code != 0 && code != ELSEWHERE)
		failed("the repairer under the same number ended with %d",
		       code);
	report_free(n.r);
	return code != ELSEWHERE;
}

/* A world with so many slots, 0: the usual number, and a holder of one. */
static bool begin(uint32_t slots, pid_t *launcher, uint64_t *claim)
{
	if (!world_make(&w, &(struct world_options){.slots = slots}))
		return false;
	prepare_people(&w);
	w.next_number = 2000;
	world_let_go(&w);
	*launcher = holder_start();
	*claim = soj_load_relaxed(&w.s->st.seg.slots[meeting->slot].claim);
	return true;
}

/* What came of one run: what is lost as long as the namespace is held. */
struct outcome {
	bool killed;
	uint32_t lost;
};

/* The namespace of the one killed is held, or its number comes again. */
static struct outcome killed_beside(struct namesake *n, uint32_t nth, bool held)
{
	struct outcome o = {false, 0};
	pid_t launcher;
	uint64_t claim;
	uint32_t left;
	int code, keep;

	trying("beside a holder of its number, killed at step %u", nth);
	if (!begin(0, &launcher, &claim))
		return o;
	n->plan = (struct plan){.fault = FAULT_KILL, .nth = nth};
	code = namesake_run(n, 2, held ? &keep : NULL);
	trying("beside a holder of its number, killed at step %u (%s)%s", nth,
	       step_name(n->r, nth), held ? "" : ", its namespace's again");
	if (n->where->tid != meeting->tid)
		failed("thread numbers %u and %u", n->where->tid, meeting->tid);
	if (code != 0 && code != 99)
		failed("it ended with %d", code);
	o = (struct outcome){code == 99, slots_lost(n->r, code == 99)};
	left = o.lost;
	judge_update(&w, n->r);
	w.next_number = 3000;
	holder_lives(claim);
	holder_works();
	if (held)
		repair_elsewhere(claim);
	else if (repair_under(n->where->namespace))
		left = 0;
	world_upkeep(&w);
	holder_lives(claim);
	holder_works();
	holder_end(launcher);
	world_upkeep(&w);
	world_drain(&w, left);
	world_free(&w);
	if (held)
		close(keep);
	came_again += !held && left == 0;
	return o;
}

/* The slot is adopted by who is gone with its namespace at an instant that the
 * kernel does not mark: it is taken for alive, and what was left stays. */
static void adopter_lost(void)
{
	uint64_t dead;

	if (soj_slot_dead(&w.s->st.seg, 1, true, &dead))
		failed("an adopter of another namespace is taken for dead");
	world_fsck(&w, false);
	world_update(&w, w.bystander, false); /* in the holder's slot */
}

/* The same; but two slots, and the other is a dead maker's. */
static struct outcome killed_adopting(struct namesake *n, uint32_t nth,
				      bool held)
{
	struct outcome o = {false, 0};
	struct victim maker;
	pid_t launcher;
	uint64_t claim;
	uint32_t left;
	int code, keep;

	trying("beside a holder of its number, adopting");
	if (!begin(2, &launcher, &claim))
		return o;
	park(&maker, "index.committed", run_create, &w);
	kill_parked(&maker);
	judge_create(&w, maker.report);
	report_free(maker.report);
	n->plan = (struct plan){.fault = FAULT_KILL, .nth = nth};
	code = namesake_run(n, 2, held ? &keep : NULL);
	trying("beside a holder of its number, adopting, killed at step %u "
	       "(%s)%s",
	       nth, step_name(n->r, nth),
	       held ? "" : ", its namespace's again");
	if (code != 0 && code != 99)
		failed("it ended with %d", code);
	o = (struct outcome){code == 99, slots_lost(n->r, code == 99)};
	left = o.lost;
	judge_update(&w, n->r);
	w.next_number = 3000;
	holder_lives(claim);
	if (!held && repair_under(n->where->namespace))
		left = 0;
	if (!left) { /* else nobody but the holder has a slot */
		holder_works();
		repair_elsewhere(claim);
	}
	holder_end(launcher);
	if (left) {
		adopter_lost();
	} else {
		world_upkeep(&w);
		world_drain(&w, 0);
	}
	world_free(&w);
	if (held)
		close(keep);
	came_again += !held && left == 0;
	return o;
}

/* Kills at each step; returns how many there are. */
static uint32_t each_step(struct namesake *n,
			  struct outcome (*run)(struct namesake *n,
						uint32_t nth, bool held))
{
	uint32_t nth = 1;

	for (;; nth++) {
		struct outcome o = run(n, nth, true);

		if (!o.killed)
			return nth - 1;
		if (o.lost)
			run(n, nth, false);
	}
}

/* ---- the control ---- */

/* Dies as one would who tried the holder's mutex. */
static void die_trying(void *arg)
{
	static struct robust_list_head head;
	pthread_mutex_t *mutex = &w.s->st.seg.slots[meeting->slot].life;

	(void)arg;
	head.list.next = &head.list;
	head.futex_offset =
		(long)offsetof(pthread_mutex_t, __data.__lock) -
		(long)offsetof(pthread_mutex_t, __data.__list.__next);
	head.list_op_pending =
		(struct robust_list *)(void *)&mutex->__data.__list.__next;
	syscall(SYS_set_robust_list, &head, sizeof(head));
}

static void control(void)
{
	soj_half_t *word;
	pid_t launcher;

	trying("the control");
	if (!world_make(&w, &(struct world_options){0}))
		return;
	prepare_people(&w);
	world_let_go(&w);
	launcher = holder_start();
	word = (soj_half_t *)(void *)&w.s->st.seg.slots[meeting->slot].life;
	if (soj_load_relaxed(word) & FUTEX_OWNER_DIED)
		failed("the holder's mutex is marked from the start");
	if (ended_with(in_namespace(2, die_trying, NULL)) != 0)
		failed("the one who tries did not run");
	printf("the trap is %s here\n",
	       soj_load_relaxed(word) & FUTEX_OWNER_DIED ? "real" : "absent");
	holder_end(launcher);
	world_free(&w);
}

int main(void)
{
	struct namesake n = {.fn = run_detach};
	uint32_t beside, adopting;

	coverage_init();
	failures_init();
	if (ended_with(in_namespace(2, do_nothing, NULL)) == SKIPPED) {
		printf("skipped: pid namespaces are not permitted here\n");
		return SKIPPED;
	}
	meeting = shared_new(sizeof(*meeting));
	n.where = shared_new(sizeof(*n.where));
	n.r = report_new();
	control();
	beside = each_step(&n, killed_beside);
	adopting = each_step(&n, killed_adopting);
	if (n.r->passed[label_find("slot.settled")] != 1)
		failed("nobody had to adopt");
	printf("killed at %u steps beside a holder of the same number, and at "
	       "%u where it adopts; %u times under a number that came again, "
	       "%u "
	       "failures\n",
	       beside, adopting, came_again, failures());
	return failures() || beside < 9 || adopting < beside || !came_again;
}
