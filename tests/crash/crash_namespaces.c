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
 * A control shows that the trap is real where this runs: a thread that dies
 * with the holder's mutex in its list of pending operations takes it along.
 *
 * Needs the right to make pid namespaces; without it the test is skipped.
 */

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash/lib_found.h"
#include "crash/lib_ops.h"

#define SKIPPED 77

enum { GO_ON = 'o', GO_AWAY = 'a' };

static struct world w;

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
	_Atomic(uint32_t) *tid;
};

static void namesake(void *arg)
{
	struct namesake *n = arg;

	*n->tid = (uint32_t)gettid();
	victim_arm(n->r, &n->plan);
	n->fn(&w, n->r);
	n->r->finished = 1;
}

static int namesake_run(struct namesake *n, unsigned number)
{
	memset(n->r, 0, sizeof(*n->r));
	return ended_with(in_namespace(number, namesake, n));
}

/* By one of its number, and by one who knows nobody of that number. */
static void repair_elsewhere(uint64_t claim)
{
	_Atomic(uint32_t) tid;
	struct namesake n = {.r = report_new(), .fn = run_full, .tid = &tid};

	for (unsigned number = 1; number <= 2; number++) {
		if (namesake_run(&n, number) != 0)
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

/* False: it got through, there are no more steps. */
static bool killed_beside(struct namesake *n, uint32_t nth)
{
	pid_t launcher;
	uint64_t claim;
	uint32_t lost;
	int code;

	trying("beside a holder of its number, killed at step %u", nth);
	if (!begin(0, &launcher, &claim))
		return false;
	n->plan = (struct plan){.fault = FAULT_KILL, .nth = nth};
	code = namesake_run(n, 2);
	trying("beside a holder of its number, killed at step %u (%s)", nth,
	       step_name(n->r, nth));
	if (*n->tid != meeting->tid)
		failed("thread numbers %u and %u", *n->tid, meeting->tid);
	if (code != 0 && code != 99)
		failed("it ended with %d", code);
	lost = slots_lost(n->r, code == 99);
	judge_update(&w, n->r);
	w.next_number = 3000;
	holder_lives(claim);
	holder_works();
	repair_elsewhere(claim);
	world_upkeep(&w);
	holder_lives(claim);
	holder_works();
	holder_end(launcher);
	world_upkeep(&w);
	world_drain(&w, lost);
	world_free(&w);
	return code == 99;
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
static bool killed_adopting(struct namesake *n, uint32_t nth)
{
	struct victim maker;
	pid_t launcher;
	uint64_t claim;
	uint32_t lost;
	int code;

	trying("beside a holder of its number, adopting");
	if (!begin(2, &launcher, &claim))
		return false;
	park(&maker, "index.committed", run_create, &w);
	kill_parked(&maker);
	judge_create(&w, maker.report);
	report_free(maker.report);
	n->plan = (struct plan){.fault = FAULT_KILL, .nth = nth};
	code = namesake_run(n, 2);
	trying("beside a holder of its number, adopting, killed at step %u "
	       "(%s)",
	       nth, step_name(n->r, nth));
	if (code != 0 && code != 99)
		failed("it ended with %d", code);
	lost = slots_lost(n->r, code == 99);
	judge_update(&w, n->r);
	w.next_number = 3000;
	holder_lives(claim);
	if (!lost) { /* else nobody but the holder has a slot */
		holder_works();
		repair_elsewhere(claim);
	}
	holder_end(launcher);
	if (lost) {
		adopter_lost();
	} else {
		world_upkeep(&w);
		world_drain(&w, 0);
	}
	world_free(&w);
	return code == 99;
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
	uint32_t nth = 1, adopting = 1;

	coverage_init();
	failures_init();
	if (ended_with(in_namespace(2, do_nothing, NULL)) == SKIPPED) {
		printf("skipped: pid namespaces are not permitted here\n");
		return SKIPPED;
	}
	meeting = mmap(NULL, sizeof(*meeting), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	n.tid = mmap(NULL, sizeof(*n.tid), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (meeting == MAP_FAILED || n.tid == MAP_FAILED)
		return 71;
	n.r = report_new();
	control();
	while (killed_beside(&n, nth))
		nth++;
	while (killed_adopting(&n, adopting))
		adopting++;
	if (n.r->passed[label_find("slot.settled")] != 1)
		failed("nobody had to adopt");
	printf("killed at %u steps beside a holder of the same number, and at "
	       "%u where it adopts, %u failures\n",
	       nth - 1, adopting - 1, failures());
	return failures() || nth < 10 || adopting < nth ? 1 : 0;
}
