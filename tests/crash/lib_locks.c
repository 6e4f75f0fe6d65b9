/* SPDX-License-Identifier: MIT */

/* Operations with session locks. */

#include <errno.h>
#include <sojourn/lock.h>
#include <string.h>
#include <unistd.h>

#include "crash/lib_ops.h"

#define LOCKED_BYTES 120u /* as people have */
#define HOLD_MS      500u /* over when the survivor acts */

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

static void locked_update(struct world *w, uint64_t hold_max_ms,
			  struct report *r)
{
	uint64_t fence;

	value_fill(value_buffer, LOCKED_BYTES, OP_NUMBER);
	r->rc = sojourn_session_lock(w->s, target_id(w), 0, hold_max_ms,
				     &fence);
	if (r->rc == 0)
		r->rc = sojourn_session_update_locked(w->s, target_id(w), fence,
						      value_buffer,
						      LOCKED_BYTES, NULL);
	if (r->rc == 0)
		r->rc = sojourn_session_unlock(w->s, target_id(w), fence);
}

void run_locked_update(void *arg, struct report *r)
{
	locked_update(arg, 0, r);
}

void run_locked_update_short(void *arg, struct report *r)
{
	locked_update(arg, HOLD_MS, r);
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

/* ---- while a holder stands still ---- */

/* Nobody may write, for as long as the holder stands. */
static void keeps_out(struct world *w, bool renew)
{
	struct known *k = &w->known[w->target];
	struct sojourn_info info;
	int rc;

	value_fill(value_buffer, LOCKED_BYTES, 1);
	rc = renew ? sojourn_session_renew(w->s, k->id, &info)
		   : sojourn_session_update(w->s, k->id, value_buffer,
					    LOCKED_BYTES, 0, NULL);
	if (rc != -EBUSY || sojourn_reason() != SOJOURN_LOCKED)
		failed("locked by a living thread, but changed: %d", rc);
}

/* The hold time is over: it takes the lock, and writes with it. */
static void take_over(struct world *w)
{
	struct known *k = &w->known[w->target];
	uint64_t fence, number = w->next_number++, version = 0;
	int rc = sojourn_session_lock(w->s, k->id, 0, 0, &fence);

	value_fill(value_buffer, LOCKED_BYTES, number);
	if (rc == 0)
		rc = sojourn_session_update_locked(w->s, k->id, fence,
						   value_buffer, LOCKED_BYTES,
						   &version);
	if (rc == 0)
		rc = sojourn_session_unlock(w->s, k->id, fence);
	if (rc != 0 || version != ++k->version)
		failed("the next holder: %d, version %u", rc,
		       (unsigned)version);
	k->number = number;
}

void act_locked(struct world *w, const struct stopped *stop)
{
	bool slow = stop->op->run == run_locked_update_short;

	if (stop->held && slow && stop->act == UPDATE)
		take_over(w);
	else if (stop->held && !slow &&
		 (stop->act == UPDATE || stop->act == RENEW))
		keeps_out(w, stop->act == RENEW);
	else
		act_session(w, stop);
}

/* Another had the lock after the victim had it, and before it wrote. */
static bool overtaken(const struct stopped *stop)
{
	return stop->held && !stop->taking &&
	       stop->op->run == run_locked_update_short &&
	       (stop->act == UPDATE || stop->act == RENEW);
}

void resume_locked_update(struct world *w, const struct stopped *stop,
			  const struct report *r)
{
	struct known *k = &w->known[w->target];
	bool slow = stop->op->run == run_locked_update_short;

	/* What is left to do is giving it back, if it still has it. */
	if (stop->decided) {
		if (r->rc != 0 &&
		    !(r->rc == -ESTALE && (slow || k->fate == GONE)))
			failed("the victim, continued, returned %d", r->rc);
		return;
	}
	if (k->fate == GONE) {
		if (r->rc != -ENOENT && r->rc != -ESTALE)
			failed("it wrote to what had ended: %d", r->rc);
		return;
	}
	if (overtaken(stop)) {
		answer_is(r, -ESTALE);
		return;
	}
	if (slow && stop->held && r->rc == -ESTALE)
		return; /* too late, whether somebody came or not */
	answer_is(r, 0);
	k->number = OP_NUMBER;
	k->version++;
}

void resume_locked_renew(struct world *w, const struct stopped *stop,
			 const struct report *r)
{
	struct known *k = &w->known[w->target];
	bool other = stop->act == RENEW && !stop->held && !stop->decided;

	if (k->fate == GONE) {
		if (r->rc != -ENOENT && r->rc != -ESTALE &&
		    !(stop->decided && r->rc == 0))
			failed("it renewed what had ended: %d", r->rc);
		return;
	}
	answer_is(r, 0);
	if (r->renewal != (other ? SOJOURN_RENEWAL_DONE : SOJOURN_RENEWAL_WON))
		failed("renewal outcome %d", r->renewal);
	else if (!stop->decided && !other)
		known_renewed(k, r->id);
	/* After it was decided and the lock given others may renew, too. */
	else if (strcmp(r->id, k->id) != 0 &&
		 !(stop->decided && stop->act == RENEW))
		failed("the victim was told another id than the survivor");
}

void resume_lock_and_detach(struct world *w, const struct stopped *stop,
			    const struct report *r)
{
	bool gone = w->known[w->target].fate == GONE;

	if (r->rc != 0 && !(gone && r->rc == -ENOENT))
		failed("the victim, continued, returned %d", r->rc);
	(void)stop;
}
