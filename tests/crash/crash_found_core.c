/* SPDX-License-Identifier: MIT */

/*
 * Interleavings that once went wrong: grace periods, thread slots, forks,
 * pages, and images that somebody tampered with.  See crash_found.c.
 *
 *   crash_found_core [--list] [CASE...]
 */

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "crash/lib_found.h"
#include "crash/lib_ops.h"

#define BYTES 120u

static const struct sojourn_read look_only = {.no_touch = true,
					      .no_renew = true};

/* ---- grace periods ---- */

static void run_reclaim(void *arg, struct report *r)
{
	struct world *w = arg;
	bool left = false;

	world_self(w);
	r->number = soj_upkeep_reclaim(&w->up, &left);
}

/* Deletes the bystander, and retires it. */
static void run_delete_retire(void *arg, struct report *r)
{
	struct world *w = arg;
	struct soj_upkeep_work work;

	r->rc = sojourn_session_delete(w->s, w->known[w->bystander].id);
	world_self(w);
	soj_upkeep_pass(&w->up, &work);
}

static void stamps_of_the_future(void)
{
	static const uint64_t epochs[] = {
		5, 1000, (UINT64_C(1) << 24) - 1, UINT64_C(1) << 24,
		(UINT64_C(1) << 24) + 1, (UINT64_C(7) << 24) + 3};

	for (unsigned i = 0; i < sizeof(epochs) / sizeof(epochs[0]); i++) {
		uint64_t e = epochs[i];

		for (uint64_t d = 0; d < 4; d++) {
			MUST(!soj_gp_elapsed(
				e, (uint32_t)((e + d) & SOJ_MASK(24))));
			MUST(soj_gp_elapsed(e, (uint32_t)((e - 2 - d) &
							  SOJ_MASK(24))));
		}
		MUST(!soj_gp_elapsed(e, (uint32_t)((e - 1) & SOJ_MASK(24))));
		MUST(!soj_gp_elapsed(e, (uint32_t)((e + SOJ_MASK(23)) &
						   SOJ_MASK(24))));
	}
}

/*
 * A full scan loads the epoch when it begins.  What is retired while it goes
 * on has a stamp of a later one: that counted as long ago, and a reader's
 * section was no protection.
 */
static void scan_older_than_the_stamp(void)
{
	const struct world_options o = {0};
	struct soj_upkeep_work work;
	struct victim scan, other;
	struct soj_self *self;
	uint64_t first, second;
	struct world w;
	uint32_t chunk;

	if (!world_make(&w, &o))
		return;
	stamps_of_the_future();
	prepare_people(&w);
	first = ref_of(&w, w.known[w.target].id);
	second = ref_of(&w, w.known[w.bystander].id);
	chunk = chunk_of(&w, second);
	world_delete(&w, w.target, false);
	self = world_self(&w);
	soj_upkeep_pass(&w.up, &work);
	soj_epoch_advance(&w.s->st.seg);
	MUST(is_in(&w, first, SOJ_RETIRED));
	park(&scan, "slab.reclaim.seen", run_reclaim, &w);
	soj_section_enter(&w.s->st.seg, &self->w.thr);
	soj_epoch_advance(&w.s->st.seg);
	run_alone(&other, run_delete_retire, &w);
	MUST(other.report->rc == 1);
	w.known[w.bystander].fate = GONE;
	MUST(is_in(&w, second, SOJ_RETIRED));
	MUST(chunk_phase(&w, chunk) == SOJ_RETIRED);
	unpark(&scan);
	MUST(!is_in(&w, first, SOJ_RETIRED));
	MUST(is_in(&w, second, SOJ_RETIRED));
	MUST(chunk_phase(&w, chunk) == SOJ_RETIRED);
	MUST(soj_section_exit(&w.s->st.seg, &self->w.thr));
	world_upkeep(&w);
	MUST(!is_in(&w, second, SOJ_RETIRED));
	world_verify(&w);
	world_drain(&w, 0);
	world_free(&w);
}

/* ---- thread slots ---- */

static void run_claim(void *arg, struct report *r)
{
	world_self(arg);
	r->rc = 0;
	raise(SIGSTOP);
}

static soj_half_t *mutex_word(struct world *w, uint32_t slot)
{
	return (soj_half_t *)(void *)&w->s->st.seg.slots[slot].life;
}

/*
 * A thread that died without the kernel marking its mutex (the out-of-memory
 * reaper does that) is found by its number.  The slot was free then, and
 * nobody could ever claim it, as its mutex was locked.
 */
static void mutex_without_mark(void)
{
	const struct world_options o = {.slots = 2};
	struct plan none = {.fault = FAULT_NONE};
	struct soj_upkeep_work work;
	struct victim v;
	struct world w;
	uint32_t tid;

	if (!world_make(&w, &o))
		return;
	prepare_people(&w);
	MUST(world_self(&w)->w.thr.slot == 0);
	victim_run(&v, report_new(), &none, run_claim, &w);
	MUST(v.state == VICTIM_STOPPED);
	tid = soj_claim_tid(w.s->st.seg.slots[1].claim);
	MUST(tid == (uint32_t)v.pid);
	victim_kill(&v);
	MUST(soj_load_acquire(mutex_word(&w, 1)) & FUTEX_OWNER_DIED);
	soj_store_release(mutex_word(&w, 1), tid);
	soj_upkeep_full(&w.up, &work);
	MUST(work.repaired == 1);
	for (unsigned i = 0; i < 3; i++) {
		victim_run(&v, report_new(), &none, run_claim, &w);
		MUST(v.state == VICTIM_STOPPED);
		if (v.state != VICTIM_STOPPED)
			break;
		MUST(soj_claim_phase(w.s->st.seg.slots[1].claim) ==
		     SOJ_CLAIM_HELD);
		victim_kill(&v);
		/* And its mutex is robust again: no second proof is needed. */
		soj_upkeep_pass(&w.up, &work);
		MUST(work.repaired == 1);
	}
	world_verify(&w);
	world_drain(&w, 0);
	world_free(&w);
}

static pthread_barrier_t claimed;

static void *hold_a_slot(void *arg)
{
	world_self(arg);
	pthread_barrier_wait(&claimed);
	for (;;)
		pause();
	return NULL;
}

#define HOLDERS 3u

/* With threads that hold slots; below it a namespace in which it has the
 * number that it has here. */
static void in_own_namespace(void)
{
	const struct world_options o = {0};
	struct victim v;
	struct world w;

	if (!world_make(&w, &o))
		return;
	prepare_people(&w);
	pthread_barrier_init(&claimed, NULL, 2);
	for (unsigned i = 0; i < HOLDERS; i++) {
		struct world copy = w; /* its own up */
		pthread_t thread;

		if (pthread_create(&thread, NULL, hold_a_slot, &copy) != 0)
			abort();
		pthread_barrier_wait(&claimed);
	}
	MUST(getpid() == 1);
	if (unshare(CLONE_NEWPID) != 0)
		failed("unshare once more: %s", strerror(errno));
	run_alone(&v, run_full, &w);
	for (uint32_t i = 0; i <= HOLDERS; i++)
		MUST(soj_claim_phase(w.s->st.seg.slots[i].claim) ==
		     SOJ_CLAIM_HELD);
	world_upkeep(&w);
	world_verify(&w);
	world_drain(&w, HOLDERS);
}

/*
 * A child in a namespace of its own has the number of its parent: both are the
 * first there.  It took the parent's namespace for its own, and the parent's
 * threads, whose numbers do not exist there, for dead.
 */
static void same_number_in_another_namespace(void)
{
	int status;
	pid_t pid;

	if (unshare(CLONE_NEWPID) != 0) {
		printf("skipped, no new namespace: %s\n", strerror(errno));
		return;
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		in_own_namespace();
		fflush(NULL);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
		failed("the first of the namespace ended with 0x%x", status);
}

/* ---- forks ---- */

static struct {
	struct world *w;
	uint32_t nth, steps; /* fork at the nth label */
	const char *decided; /* the first label after the decision */
	bool is_decided;
	const char *label; /* where it forked; NULL: it never came there */
	uint8_t *before;
	bool changed; /* by the child, while the parent stood still */
	int child;    /* what it ended with */
	bool is_child;
} split;

static void split_here(const char *label)
{
	const struct soj_seg *seg = &split.w->s->st.seg;
	int status;
	pid_t pid;

	soj_step_hook = NULL;
	split.label = label;
	split.before = malloc(seg->bytes);
	if (split.before == NULL)
		abort();
	memcpy(split.before, seg->base, seg->bytes);
	fflush(NULL);
	pid = fork();
	split.is_child = pid == 0;
	if (split.is_child)
		return; /* into the middle of its parent's operation */
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		abort();
	split.child = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	split.changed = memcmp(split.before, seg->base, seg->bytes) != 0;
	free(split.before);
}

/* Between a look at `alive` and a store: a handler that forks there must not
 * return (sojourn.h), and who does so stores what the parent stores. */
static bool has_looked(const char *label)
{
	static const char *const labels[] = {"slab.own.seen", "slab.owned",
					     "chain.linked"};

	for (unsigned i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		if (strcmp(label, labels[i]) == 0)
			return true;
	return false;
}

static void split_hook(const struct soj_step *step)
{
	split.is_decided |= strcmp(step->label, split.decided) == 0;
	if (!has_looked(step->label) && ++split.steps == split.nth)
		split_here(step->label);
}

struct split_op {
	const char *name;
	void (*prepare)(struct world *w);
	victim_fn run;
	enum effect effect;
	const char *decided;
};

/* The parent's operation has happened, once. */
static void split_done(struct world *w, const struct split_op *op,
		       const struct report *r)
{
	struct known *k = &w->known[w->target];

	switch (op->effect) {
	case EFFECT_CREATES:
		k = world_known(w, "anna", BYTES);
		strcpy(k->id, r->id);
		k->number = OP_NUMBER;
		break;
	case EFFECT_VALUE:
		k->number = OP_NUMBER;
		k->version++;
		break;
	case EFFECT_RENEWS:
		MUST(r->renewal == SOJOURN_RENEWAL_WON);
		known_renewed(k, r->id);
		break;
	case EFFECT_ENDS:
		for (unsigned i = 0; i < w->count; i++)
			if (&w->known[i] == k ||
			    (op->run == run_delete_subject &&
			     strcmp(w->known[i].subject, "anna") == 0))
				w->known[i].fate = GONE;
		break;
	default:
		break;
	}
}

/* False: the operation has fewer labels. */
static bool split_at(const struct split_op *op, uint32_t nth)
{
	const struct world_options o = {0};
	struct report r = {0};
	struct world w;

	memset(&split, 0, sizeof(split));
	if (!world_make(&w, &o))
		return false;
	trying("%s, forked at step %u", op->name, nth);
	op->prepare(&w);
	world_let_go(&w); /* so that a slot is claimed on the way */
	split.w = &w;
	split.nth = nth;
	split.decided = op->decided;
	soj_step_hook = split_hook;
	op->run(&w, &r);
	soj_step_hook = NULL;
	if (split.is_child)
		_exit(r.rc < 0 ? 0 : 1);
	if (split.label == NULL)
		return false;
	trying("%s, forked at step %u, %s", op->name, nth, split.label);
	MUST(split.child == 0 || (split.child == 1 && split.is_decided));
	MUST(!split.changed || split.is_decided);
	MUST(r.rc >= 0);
	split_done(&w, op, &r);
	world_verify(&w);
	world_upkeep(&w);
	world_drain(&w, 0);
	world_free(&w);
	return true;
}

/*
 * A fork inside an operation, by a handler of a signal; the child goes on with
 * it.  It entered sections in slot 0, whoever's that was, and claimed slots
 * that were its parent's; what it reads of its own part is zero.
 */
static void forks_inside(void)
{
	static const struct split_op split_ops[] = {
		{"create", prepare_people, run_create, EFFECT_CREATES,
		 "create.chunk.live"},
		{"update", prepare_people, run_update, EFFECT_VALUE,
		 "update.published"},
		{"update by an old id", prepare_renewed, run_update_old,
		 EFFECT_VALUE, "update.published"},
		{"modify", prepare_people, run_modify, EFFECT_VALUE,
		 "update.published"},
		{"renew", prepare_people, run_renew, EFFECT_RENEWS,
		 "renew.decided"},
		{"delete", prepare_renewed, run_delete, EFFECT_ENDS,
		 "entry.ended"},
		{"delete by an old id", prepare_renewed_twice, run_delete_old,
		 EFFECT_ENDS, "entry.ended"},
		{"delete all", prepare_renewed, run_delete_subject, EFFECT_ENDS,
		 "entry.ended"},
		{"list", prepare_renewed, run_list, EFFECT_NONE, "none"},
	};
	const unsigned count = sizeof(split_ops) / sizeof(split_ops[0]);

	for (unsigned i = 0; i < count; i++) {
		uint32_t nth = 1;

		while (split_at(&split_ops[i], nth))
			nth++;
		MUST(nth > 4);
	}
}

int main(int argc, char **argv)
{
	static const struct found_case cases[] = {
		{"scan-older-than-the-stamp", scan_older_than_the_stamp},
		{"mutex-without-mark", mutex_without_mark},
		{"same-number-in-another-namespace",
		 same_number_in_another_namespace},
		{"forks-inside", forks_inside},
	};

	(void)look_only;
	return found_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
