/* SPDX-License-Identifier: MIT */

/* Operations with session locks. */

#include <errno.h>
#include <sojourn/lock.h>
#include <string.h>
#include <unistd.h>

#include "crash/lib_ops.h"

#define LOCKED_BYTES 120u /* as people have */

static const char *target_id(const struct world *w)
{
	return w->known[w->target].id;
}

/* ---- what they find ---- */

static void lock_and_exit(void *arg, struct report *r)
{
	struct world *w = arg;
	uint64_t fence;

	r->rc = sojourn_session_lock(w->s, target_id(w), 0, 0, &fence);
	_exit(r->rc < 0);
}

/* The target is locked by a thread that is dead. */
void prepare_dead_holder(struct world *w)
{
	struct report *r = report_new();
	const struct plan plan = {.fault = FAULT_NONE};
	struct victim v;

	prepare_people(w);
	world_let_go(w);
	victim_run(&v, r, &plan, lock_and_exit, w);
	if (v.state != VICTIM_FINISHED || r->rc != 0)
		failed("the dead one has no lock");
	report_free(r);
}

static void lock_another(void *arg, struct report *r)
{
	struct world *w = arg;
	uint64_t fence;

	r->rc = sojourn_session_lock(w->s, w->known[3].id, 0, 0, &fence);
}

/* One of another subject is locked by a thread that stands still. */
void prepare_sleeping_holder(struct world *w)
{
	const struct plan plan = {
		.fault = FAULT_STOP, .at = "lock.taken", .nth = 1};

	prepare_people(w);
	world_let_go(w);
	victim_run(&w->sleeper, report_new(), &plan, lock_another, w);
	if (w->sleeper.state != VICTIM_STOPPED)
		failed("the sleeper does not sleep");
	w->has_sleeper = true;
}

/* ---- what victims do ---- */

void run_locked_update(void *arg, struct report *r)
{
	struct world *w = arg;
	uint64_t fence;

	value_fill(value_buffer, LOCKED_BYTES, OP_NUMBER);
	r->rc = sojourn_session_lock(w->s, target_id(w), 0, 0, &fence);
	if (r->rc == 0)
		r->rc = sojourn_session_update_locked(w->s, target_id(w), fence,
						      value_buffer,
						      LOCKED_BYTES, NULL);
	if (r->rc == 0)
		r->rc = sojourn_session_unlock(w->s, target_id(w), fence);
}

void run_locked_renew(void *arg, struct report *r)
{
	struct world *w = arg;
	struct sojourn_info info = {0};
	uint64_t fence;

	r->rc = sojourn_session_lock(w->s, target_id(w), 0, 0, &fence);
	if (r->rc == 0)
		r->rc = sojourn_session_renew(w->s, target_id(w), &info);
	r->renewal = info.renewal;
	strcpy(r->id, info.new_id);
	if (r->rc == 0)
		r->rc = sojourn_session_unlock(w->s, info.new_id, fence);
}

void run_lock_in_vain(void *arg, struct report *r)
{
	struct world *w = arg;
	uint64_t fence;

	r->rc = sojourn_session_lock(w->s, w->known[3].id, 5, 0, &fence);
}

void run_lock_and_detach(void *arg, struct report *r)
{
	struct world *w = arg;
	uint64_t fence;

	r->rc = sojourn_session_lock(w->s, target_id(w), 0, 0, &fence);
	sojourn_detach(w->s);
}

/* ---- what it means ---- */

void judge_in_vain(struct world *w, const struct report *r)
{
	(void)w;
	if (r->finished && r->rc != -ETIMEDOUT)
		failed("the victim's call returned %d", r->rc);
}
