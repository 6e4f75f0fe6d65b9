/* SPDX-License-Identifier: MIT */

/* Get or create: one who computes and stands still, or dies, and others. */

#include <errno.h>
#include <sojourn/lock.h>
#include <string.h>

#include "crash/lib_items.h"

#define HOLD_MS 500u

static int compute(void *arg, void *data, size_t *bytes, size_t capacity)
{
	(void)capacity;
	*bytes = THING_BYTES;
	value_fill(data, THING_BYTES, *(const uint64_t *)arg);
	return 0;
}

static int get_or_create(struct world *w, uint64_t *number, uint64_t wait_ms,
			 uint64_t hold_max_ms, bool *made)
{
	const struct sojourn_item item = item_of(ABSENT);
	const struct sojourn_flight how = {.compute = compute,
					   .arg = number,
					   .timeout_ms = wait_ms,
					   .hold_max_ms = hold_max_ms};
	size_t bytes = sizeof(value_buffer);
	int rc = sojourn_get_or_create(w->s, &item, &how, value_buffer, &bytes,
				       made);

	if (rc < 0)
		return rc;
	memcpy(number, value_buffer, sizeof(*number));
	return bytes == THING_BYTES && value_is(value_buffer, bytes, *number)
		       ? 0
		       : -EIO;
}

static void fly(struct world *w, uint64_t wait_ms, uint64_t hold_max_ms,
		struct report *r)
{
	uint64_t number = OP_NUMBER;
	bool made = false;

	r->rc = get_or_create(w, &number, wait_ms, hold_max_ms, &made);
	r->number = number;
	if (r->rc == 0 && made != (number == OP_NUMBER))
		r->rc = -EPROTO;
}

void run_flight(void *arg, struct report *r)
{
	fly(arg, 0, 0, r);
}

void run_flight_short(void *arg, struct report *r)
{
	fly(arg, 0, HOLD_MS, r);
}

void run_flight_in_vain(void *arg, struct report *r)
{
	fly(arg, 5, 0, r);
}

/* ---- what they find ---- */

void prepare_dead_flight(struct world *w)
{
	const struct plan plan = {
		.fault = FAULT_KILL, .at = "flight.computes", .nth = 1};
	struct report *r = report_new();
	struct victim v;

	prepare_items(w);
	world_let_go(w);
	victim_run(&v, r, &plan, run_flight, w);
	if (v.state != VICTIM_KILLED)
		failed("the dead one did not compute");
	report_free(r);
}

void prepare_flight_of_another(struct world *w)
{
	const struct plan plan = {
		.fault = FAULT_STOP, .at = "flight.computes", .nth = 1};

	prepare_items(w);
	world_let_go(w);
	victim_run(&w->sleeper, report_new(), &plan, run_flight, w);
	if (w->sleeper.state != VICTIM_STOPPED)
		failed("the sleeper does not sleep");
	w->has_sleeper = true;
}

/* ---- what came of it ---- */

void judge_flight(struct world *w, const struct report *r)
{
	uint32_t i = 0;

	if (r->finished && r->rc != 0)
		failed("the victim's call returned %d", r->rc);
	while (i < r->steps &&
	       strcmp(step_name(r, i + 1), "flight.computes") != 0)
		i++;
	for (; i < r->steps; i++)
		if (strcmp(step_name(r, i + 1), "index.committed") == 0)
			item_lives(w, ABSENT, OP_NUMBER, NULL);
}

/* Another wants the value, and computes it if nobody living keeps him. */
static void fly_too(struct world *w, const struct stopped *stop)
{
	bool kept = stop->held && stop->op->run == run_flight;
	uint64_t number = w->next_number++;
	bool made = false;
	int rc = get_or_create(w, &number, 0, 0, &made);

	if (rc == -EBUSY && kept && !w->things[ABSENT].lives)
		return;
	if (rc != 0 || made == w->things[ABSENT].lives)
		failed("get or create: %d, made %d", rc, made);
	if (!made && number != w->things[ABSENT].number)
		failed("get or create: not the number");
	if (made)
		item_lives(w, ABSENT, number, NULL);
}

void act_flight(struct world *w, const struct stopped *stop)
{
	if (stop->act == RENEW && stop->op->run != run_flight_in_vain)
		fly_too(w, stop);
	else
		act_items(w, stop);
}

void resume_flight(struct world *w, const struct stopped *stop,
		   const struct report *r)
{
	const struct thing *t = &w->things[ABSENT];

	answer_is(r, 0);
	if (stop->decided || r->rc != 0)
		return;
	if (t->lives && r->number != t->number)
		failed("the victim got number %u instead of %u",
		       (unsigned)r->number, (unsigned)t->number);
	if (!t->lives)
		item_lives(w, ABSENT, OP_NUMBER, NULL);
}

void resume_flight_in_vain(struct world *w, const struct stopped *stop,
			   const struct report *r)
{
	const struct thing *t = &w->things[ABSENT];

	(void)stop;
	if (r->rc == 0 && t->lives && r->number == t->number)
		return;
	answer_is(r, -ETIMEDOUT);
}
