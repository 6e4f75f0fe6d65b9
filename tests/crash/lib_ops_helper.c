/* SPDX-License-Identifier: MIT */

/* A helper of two threads as a victim: apart from lib_run.c, as it waits by
 * labels, which the library that is shipped does not have. */

#include <errno.h>
#include <string.h>

#include "base/fault.h"
#include "crash/lib_ops.h"
#include "helper/helper.h"
#include "lib/gate.h"

/* After which another one will not give up its role any more. */
#define HELPER_ROUNDS_MAX 1000u

static struct gate rounds; /* of both threads */
static void (*victim_hook)(const struct soj_step *step);

static void post_rounds(const struct soj_step *step)
{
	if (victim_hook)
		victim_hook(step);
	if (strcmp(step->label, "helper.round") == 0 ||
	    strcmp(step->label, "expiry.round") == 0)
		gate_post(&rounds);
}

/* Both threads of a helper, from taking the role to giving it back. */
void run_helper(void *arg, struct report *r)
{
	struct world *w = arg;
	struct soj_helper_status status = {0};
	struct soj_helper *helper;
	uint32_t seen;

	victim_hook = soj_step_hook;
	soj_step_hook = post_rounds;
	r->rc = soj_helper_start(&helper, &w->s->st, NULL);
	if (r->rc < 0)
		return;
	for (;;) {
		seen = gate_count(&rounds);
		soj_helper_status(helper, &status);
		if (status.active && status.maintenance_rounds >= 4 &&
		    status.expiry_rounds >= 3)
			break;
		if (status.maintenance_rounds >= HELPER_ROUNDS_MAX)
			break;
		soj_helper_wake(&w->s->st.seg); /* idle, it sleeps for long */
		gate_wait(&rounds, seen + 1);
	}
	r->rc = status.active ? 0 : -ETIMEDOUT;
	soj_helper_stop(helper);
	soj_step_hook = victim_hook;
}
