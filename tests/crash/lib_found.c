/* SPDX-License-Identifier: MIT */

#include "crash/lib_found.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash/lib_ops.h"
#include "session/id.h"

/* ---- cases ---- */

static void run_case(const struct found_case *c)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		abort();
	if (pid == 0) {
		trying("%s", c->name);
		c->run();
		fflush(NULL);
		_exit(0);
	}
	trying("%s", c->name);
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		failed("it ended with status 0x%x", status);
}

static bool is_wanted(const char *name, int argc, char **argv)
{
	bool wanted = argc < 2;

	for (int i = 1; i < argc; i++)
		wanted |= strcmp(argv[i], name) == 0;
	return wanted;
}

int found_main(int argc, char **argv, const struct found_case *cases,
	       unsigned count)
{
	unsigned ran = 0;

	coverage_init();
	failures_init();
	for (unsigned i = 0; i < count; i++) {
		uint32_t before = failures();

		if (argc == 2 && strcmp(argv[1], "--list") == 0)
			printf("%s\n", cases[i].name);
		if (!is_wanted(cases[i].name, argc, argv))
			continue;
		run_case(&cases[i]);
		ran++;
		printf("%s %s\n", failures() == before ? "ok    " : "FAILED",
		       cases[i].name);
	}
	printf("%u cases, %u failures\n", ran, failures());
	return failures() != 0;
}

void found_begin(struct world *w, const struct world_options *o,
		 void (*prepare)(struct world *w))
{
	const struct world_options usual = {0};

	if (!world_make(w, o ? o : &usual))
		_exit(1);
	if (prepare)
		prepare(w);
}

/* ---- victims ---- */

void park_nth(struct victim *v, const char *label, uint32_t nth, victim_fn fn,
	      void *arg)
{
	const struct plan plan = {.fault = FAULT_STOP, .at = label, .nth = nth};

	(void)label_find(label);
	victim_run(v, report_new(), &plan, fn, arg);
	if (v->state != VICTIM_STOPPED)
		failed("a victim did not come to %s", label);
}

void park(struct victim *v, const char *label, victim_fn fn, void *arg)
{
	park_nth(v, label, 1, fn, arg);
}

void unpark(struct victim *v)
{
	if (v->state == VICTIM_STOPPED)
		victim_continue(v);
	if (v->state != VICTIM_FINISHED)
		failed("a victim did not come to its end: it %s",
		       v->state == VICTIM_STOPPED  ? "stopped again"
		       : v->state == VICTIM_KILLED ? "was killed"
						   : "crashed or ran for long");
}

void run_alone(struct victim *v, victim_fn fn, void *arg)
{
	const struct plan plan = {.fault = FAULT_NONE};

	victim_run(v, report_new(), &plan, fn, arg);
	unpark(v);
}

void kill_parked(struct victim *v)
{
	if (v->state == VICTIM_STOPPED)
		victim_kill(v);
	MUST(v->state == VICTIM_KILLED);
}

/* ---- the segment ---- */

uint64_t ref_of(struct world *w, const char *id)
{
	struct soj_digest digest;
	struct soj_found found = {0};

	if (!soj_id_digest(w->s, id, &digest) ||
	    soj_index_find(&w->s->st, digest, &found) != 0)
		failed("an id is not in the index");
	return found.ref;
}

uint64_t state_of(struct world *w, uint64_t ref)
{
	return soj_load_acquire(&w->s->st.seg.entry_states[soj_ref_entry(ref)]);
}

enum soj_phase entry_phase(struct world *w, uint64_t ref)
{
	return soj_state_phase(state_of(w, ref));
}

uint32_t owned_entry(struct world *w)
{
	for (uint32_t e = 1; e <= w->s->st.seg.lay.entries_max; e++)
		if (entry_phase(w, e) == SOJ_OWNED)
			return e;
	failed("nobody owns an entry");
	return 1;
}

uint32_t die_making(struct world *w, const char *label)
{
	struct victim maker;

	park(&maker, label, run_create, w);
	kill_parked(&maker);
	return owned_entry(w);
}

bool is_in(struct world *w, uint64_t ref, enum soj_phase phase)
{
	uint64_t state = state_of(w, ref);

	return soj_state_phase(state) == phase &&
	       (soj_state_gen(state) & SOJ_MASK(SOJ_REFGEN_BITS)) ==
		       soj_ref_gen(ref);
}

uint32_t chunk_of(struct world *w, uint64_t ref)
{
	return soj_ctl_chunk(soj_load_acquire(
		&soj_entry(&w->s->st, soj_ref_entry(ref))->ctl));
}

enum soj_phase chunk_phase(struct world *w, uint32_t chunk)
{
	return soj_state_phase(
		soj_load_acquire(soj_chunk_state(&w->s->st, chunk)));
}

void upkeep_now(struct world *w, unsigned passes)
{
	struct soj_upkeep_work work;

	world_self(w);
	for (unsigned i = 0; i < passes; i++)
		soj_upkeep_full(&w->up, &work);
}

void upkeep_expelling(struct world *w)
{
	for (unsigned i = 0; i < 6; i++) {
		upkeep_now(w, 1);
		world_advance(w, w->s->st.seg.policy.expel_after_ms);
	}
	world_upkeep(w);
}

void fill(struct world *w, const char *subject, size_t bytes)
{
	bool full = w->full;

	w->full = true;
	while (world_create(w, subject, bytes) >= 0)
		;
	w->full = full;
}

void fill_chunk(struct world *w, const char *subject, size_t bytes,
		uint32_t chunk)
{
	while (whose_chunk(w, chunk) < 0)
		if (world_create(w, subject, bytes) < 0)
			return;
}

int whose_entry(struct world *w, uint32_t idx)
{
	for (unsigned i = 0; i < w->count; i++)
		if (w->known[i].fate == LIVES &&
		    soj_ref_entry(ref_of(w, w->known[i].id)) == idx)
			return (int)i;
	return -1;
}

int whose_chunk(struct world *w, uint32_t chunk)
{
	for (unsigned i = 0; i < w->count; i++)
		if (w->known[i].fate == LIVES &&
		    chunk_of(w, ref_of(w, w->known[i].id)) == chunk)
			return (int)i;
	return -1;
}
