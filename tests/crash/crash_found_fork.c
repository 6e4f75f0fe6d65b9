/* SPDX-License-Identifier: MIT */

/*
 * Forks inside operations, by callbacks and by handlers of signals.  See
 * crash_found.c.
 *
 *   crash_found_fork [--list] [CASE...]
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sojourn/collection.h>

#include "base/fault.h"
#include "crash/lib_found.h"
#include "crash/lib_ops.h"

#define BYTES 120u

/* ---- the fork ---- */

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

/* A child that has no slot takes nothing, not even to put it back. */
static void child_hook(const struct soj_step *step)
{
	if (strcmp(step->label, "renew.flag") == 0)
		_exit(2);
}

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
	if (split.is_child) {
		soj_step_hook = child_hook;
		return; /* into the middle of its parent's operation */
	}
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
	struct report r = {0};
	struct world w;

	memset(&split, 0, sizeof(split));
	trying("%s, forked at step %u", op->name, nth);
	found_begin(&w, NULL, op->prepare);
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
	world_end(&w);
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
		{"list", prepare_renewed, run_list, EFFECT_NONE,
		 "chain.pause"}, /* the last one: all is known */
	};
	const unsigned count = sizeof(split_ops) / sizeof(split_ops[0]);

	for (unsigned i = 0; i < count; i++) {
		uint32_t nth = 1;

		while (split_at(&split_ops[i], nth))
			nth++;
		MUST(nth > 4);
	}
}

/* ---- forks by callbacks ---- */

static int fork_in_modify(void *arg, void *data, size_t *bytes, size_t capacity)
{
	bool uses = *(bool *)arg;

	(void)capacity;
	value_fill(data, *bytes, OP_NUMBER);
	split_here("callback");
	/* A child that uses the library has a slot, and is alive again. */
	if (split.is_child && uses &&
	    (sojourn_session_touch(split.w->s, "no such id") != -ENOENT ||
	     sojourn_session_update(split.w->s, split.w->known[0].id, "c", 1, 0,
				    NULL) != 0))
		_exit(2);
	return 0;
}

static int fork_in_list(void *arg, const struct sojourn_info *info)
{
	(void)info;
	if (++*(unsigned *)arg == 2)
		split_here("callback");
	return 0;
}

/*
 * The documented case: a callback forks, and both go on.  The child's modify
 * is not the parent's: it is told so, whether it has used the library in
 * between or not.
 */
static void fork_in_callbacks(void)
{
	for (unsigned uses = 0; uses < 2; uses++) {
		bool child_uses = uses != 0;
		struct known *k;
		struct world w;
		int rc;

		memset(&split, 0, sizeof(split));
		found_begin(&w, NULL, prepare_people);
		split.w = &w;
		MUST(w.target != 0);
		k = &w.known[w.target];
		rc = sojourn_session_modify(w.s, k->id, VALUE_MAX,
					    fork_in_modify, &child_uses, NULL);
		if (split.is_child)
			_exit(rc == -ECANCELED ? 0 : 1);
		MUST(rc == 0 && split.child == 0);
		MUST(split.changed == child_uses);
		k->number = OP_NUMBER;
		k->version++;
		if (child_uses) /* its own update, of another */
			w.known[0].fate = EITHER;
		w.known[0].later = GONE;
		MUST(sojourn_session_delete(w.s, w.known[0].id) == 1);
		w.known[0].fate = GONE;
		world_end(&w);
	}
}

static void fork_in_lists(void)
{
	unsigned listed = 0;
	struct world w;
	int rc;

	memset(&split, 0, sizeof(split));
	found_begin(&w, NULL, prepare_people);
	split.w = &w;
	rc = sojourn_session_list_subject(w.s, "anna", NULL, fork_in_list,
					  &listed);
	if (split.is_child)
		_exit(rc == 3 && listed == 3 ? 0 : 1);
	MUST(rc == 3 && listed == 3);
	MUST(split.child == 0 && !split.changed);
	world_end(&w);
}

static int fork_in_view(void *arg, const void *data, size_t bytes,
			uint64_t version)
{
	(void)data;
	(void)bytes;
	(void)version;
	split_here("callback");
	/* Alive again, and without a slot. */
	if (split.is_child && *(bool *)arg &&
	    sojourn_session_touch(split.w->s, "no such id") != -ENOENT)
		_exit(2);
	return 0;
}

/* The section that the child comes out of is its parent's. */
static void fork_in_views(void)
{
	for (unsigned uses = 0; uses < 2; uses++) {
		bool child_uses = uses != 0;
		struct world w;
		int rc;

		memset(&split, 0, sizeof(split));
		found_begin(&w, NULL, prepare_people);
		split.w = &w;
		rc = sojourn_session_view(w.s, w.known[w.target].id, NULL,
					  fork_in_view, &child_uses);
		if (split.is_child)
			_exit(rc == -ECANCELED ? 0 : 1);
		MUST(rc == 0 && split.child == 0 && !split.changed);
		world_end(&w);
	}
}

int main(int argc, char **argv)
{
	static const struct found_case cases[] = {
		{"forks-inside", forks_inside},
		{"fork-in-callbacks", fork_in_callbacks},
		{"fork-in-lists", fork_in_lists},
		{"fork-in-views", fork_in_views},
	};

	return found_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
