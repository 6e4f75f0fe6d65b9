/* SPDX-License-Identifier: MIT */

/*
 * Stopped before single accesses, where no label stands.
 *
 * First the interleavings that once went wrong (see crash/crash_found.c) and
 * that only an access tells apart.  Then a few operations, stopped before each
 * of their accesses to the segment in turn, while the world moves on in the
 * way that hurts most: what they had in their hands is ended, reclaimed and
 * used again.
 *
 *   explore_found [--list] [CASE...]
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "crash/lib_found.h"
#include "crash/lib_ops.h"
#include "explore/lib_access.h"

#define BYTES 120u

/* ---- what only an access tells apart ---- */

static void run_upkeep(void *arg, struct report *r)
{
	upkeep_now(arg, 2);
	r->rc = 0;
}

/*
 * The late repairer (crash_found.c) is stopped between its last look at the
 * dead one's entry and its CAS of ctl.  The CAS fails, and what ctl is then is
 * another login's.
 */
static void late_repairer_at_its_cas(void)
{
	struct access_range ctl = {.bytes = 8, .kinds = ACCESS_RMW};
	struct victim late;
	struct world w;
	uint32_t idx;

	found_begin(&w, NULL, prepare_people);
	idx = die_making(&w, "create.ctl");
	ctl.words = &soj_entry(&w.s->st, idx)->ctl;
	MUST(park_at_access(&late, &ctl, 1, run_upkeep, &w));
	world_upkeep(&w);
	fill(&w, "carl", BYTES);
	MUST(whose_entry(&w, idx) >= 0);
	unpark(&late);
	world_end(&w);
}

/*
 * A renewer has decided and not yet made the record's chunk LIVE; a deleter
 * has ended the old session and died.  Another deleter looks at that session,
 * and while he copies the renewer goes on and the chunk becomes LIVE.  The
 * copy was thrown away as if the chunk were gone, and the successor lived.
 */
static bool record_becomes_live(uint32_t nth)
{
	const struct world_options o = {0};
	struct access_range state = {.bytes = 8, .kinds = ACCESS_LOAD};
	struct victim renewer, dead, other;
	struct world w;
	struct known *k;
	uint32_t chunk;
	bool stopped;

	if (!world_make(&w, &o))
		return false;
	trying("the record becomes LIVE before look %u at its chunk", nth);
	prepare_people(&w);
	k = &w.known[w.target];
	park(&renewer, "renew.decided", run_renew, &w);
	chunk = chunk_of(&w, ref_of(&w, k->id));
	MUST(chunk_phase(&w, chunk) == SOJ_OWNED);
	park(&dead, "line.ended", run_delete, &w);
	kill_parked(&dead);
	state.words = soj_chunk_state(&w.s->st, chunk);
	stopped = park_at_access(&other, &state, nth, run_delete, &w);
	unpark(&renewer);
	unpark(&other);
	MUST(other.report->rc == 1);
	/* As far as he was told of a new id. */
	if (renewer.report->rc == 0)
		known_renewed(k, renewer.report->id);
	k->fate = k->later = GONE;
	world_verify(&w);
	world_drain(&w, 0);
	world_free(&w);
	return stopped;
}

static void record_becomes_live_meanwhile(void)
{
	uint32_t nth = 1;

	while (record_becomes_live(nth))
		nth++;
	MUST(nth > 4);
}

/* ---- every access ---- */

struct sweep {
	const char *name;
	void (*prepare)(struct world *w);
	victim_fn run;
	/* while the victim stands still */
	void (*meanwhile)(struct world *w, const struct report *r);
	/* what that makes of its answer */
	void (*after)(struct world *w, const struct report *r);
	uint32_t stride; /* of accesses that are no CAS or exchange; 1: all */
};

static struct known *target(struct world *w)
{
	return &w->known[w->target];
}

/* All that ended is reclaimed, also by expelling, and used again, twice. */
static void reuse(struct world *w, const char *subject)
{
	unsigned first = w->count;

	upkeep_expelling(w);
	fill(w, subject, BYTES);
	for (unsigned i = first; i < w->count; i++)
		world_delete(w, i, false);
	w->count = first;
	upkeep_expelling(w);
	fill(w, subject, BYTES);
}

static void end_target(struct world *w, const struct report *r)
{
	(void)r;
	world_delete(w, w->target, false);
	reuse(w, "carl");
}

static void end_subject(struct world *w, const struct report *r)
{
	(void)r;
	w->in_flight = 1;
	world_delete_subject(w, "anna", -1);
	w->in_flight = 0;
	reuse(w, "carl");
}

/* -ENOSPC: all is used again. */
static void after_end(struct world *w, const struct report *r)
{
	(void)w;
	MUST(r->rc == 0 || r->rc == -ENOENT || r->rc == -ENOSPC);
}

/* Who deleted the old id was told that the login is over. */
static void after_renew_ended(struct world *w, const struct report *r)
{
	after_end(w, r);
	if (r->rc == 0 && r->id[0])
		MUST(sojourn_session_read(w->s, r->id, NULL, NULL, NULL,
					  NULL) == -ENOENT);
}

/* Renewed by another, once the lease is over, unless the victim has ended it
 * by then. */
static void renew_target(struct world *w, const struct report *r)
{
	struct known *k = target(w);
	struct sojourn_info info = {0};
	int rc;

	world_advance(w, 2 * w->s->st.seg.policy.lease_ms);
	rc = sojourn_session_renew(w->s, k->id, &info);
	if (rc == -ENOENT && passed(r, "entry.ended") > 0) {
		k->fate = k->later = GONE;
		return;
	}
	MUST(rc == 0);
	MUST(info.renewal == SOJOURN_RENEWAL_WON ||
	     info.renewal == SOJOURN_RENEWAL_DONE);
	known_renewed(k, info.new_id);
	world_verify(w);
}

/* The window is over as well, and the old entry another's. */
static void renew_target_and_reuse(struct world *w, const struct report *r)
{
	struct known *k = target(w);

	renew_target(w, r);
	world_advance(w, WORLD_GRACE_MS);
	k->old_gone = 1;
	world_verify(w); /* makes the end of the window final */
	reuse(w, "anna");
	/* For delete: had it found the session then? */
	w->bystander = passed(r, "delete.found");
}

/* Delete all has ended who knows whom. */
static void renew_any(struct world *w, const struct report *r)
{
	for (unsigned i = 0; i < w->count; i++)
		if (strcmp(w->known[i].subject, "anna") == 0) {
			w->known[i].fate = EITHER;
			w->known[i].later = GONE;
		}
	renew_target(w, r);
	upkeep_expelling(w);
}

static void after_delete_all(struct world *w, const struct report *r)
{
	MUST(r->rc == 3);
	world_settle(w);
}

static void after_delete(struct world *w, const struct report *r)
{
	MUST(r->rc == 1 || (r->rc == 0 && w->bystander == 0));
	if (r->rc == 1)
		target(w)->fate = GONE;
}

static void after_renew(struct world *w, const struct report *r)
{
	MUST(r->rc == 0);
	MUST(r->renewal == SOJOURN_RENEWAL_WON ||
	     r->renewal == SOJOURN_RENEWAL_DONE);
	MUST(strcmp(r->id, target(w)->id) == 0);
}

static void after_renew_reused(struct world *w, const struct report *r)
{
	after_end(w, r);
	if (r->rc == 0)
		MUST(strcmp(r->id, target(w)->id) == 0);
}

static void update_target(struct world *w, const struct report *r)
{
	w->bystander = passed(r, "update.published");
	target(w)->version += w->bystander;
	world_update(w, w->target, false);
	reuse(w, "carl");
}

static void after_update(struct world *w, const struct report *r)
{
	struct known *k = target(w);

	MUST(r->rc == 0);
	if (w->bystander)
		return;
	k->version++;
	k->number = OP_NUMBER;
}

static void after_create(struct world *w, const struct report *r)
{
	struct known *k;

	MUST(r->rc == 0 || r->rc == -ECANCELED || r->rc == -ENOSPC);
	if (r->rc != 0)
		return;
	k = world_known(w, "anna", BYTES);
	strcpy(k->id, r->id);
	k->number = OP_NUMBER;
	if (sojourn_session_read(w->s, r->id, NULL, NULL, NULL, NULL) != 0)
		k->fate = GONE;
}

static void after_read(struct world *w, const struct report *r)
{
	MUST(r->rc == -ENOENT ||
	     (r->rc == 0 && r->number == target(w)->number));
}

static void any_answer(struct world *w, const struct report *r)
{
	(void)w;
	MUST(r->rc >= 0);
}

/* Another does all of it, and the room is used. */
static void others_upkeep(struct world *w, const struct report *r)
{
	(void)r;
	upkeep_expelling(w);
	world_settle(w);
	world_verify(w);
	reuse(w, "carl");
	world_update(w, 0, false);
}

static const struct sweep sweeps[] = {
	{"delete, renewed meanwhile", prepare_people, run_delete,
	 renew_target_and_reuse, after_delete, 1},
	{"renew, ended meanwhile", prepare_people, run_renew, end_target,
	 after_renew_ended, 3},
	{"renew, renewed meanwhile", prepare_people, run_renew, renew_target,
	 after_renew, 3},
	{"renew, renewed and reused meanwhile", prepare_people, run_renew,
	 renew_target_and_reuse, after_renew_reused, 3},
	{"update, ended meanwhile", prepare_people, run_update, end_target,
	 after_end, 1},
	{"update, updated meanwhile", prepare_people, run_update, update_target,
	 after_update, 1},
	{"create, all ended meanwhile", prepare_people, run_create, end_subject,
	 after_create, 1},
	{"read, ended meanwhile", prepare_people, run_read, end_target,
	 after_read, 1},
	{"list, all ended meanwhile", prepare_renewed, run_list, end_subject,
	 any_answer, 1},
	{"delete all, renewed meanwhile", prepare_people, run_delete_subject,
	 renew_any, after_delete_all, 1},
	{"upkeep, done meanwhile", prepare_mess, run_upkeep, others_upkeep,
	 any_answer, 41},
};

/* Stops before the nth access of that kind; false: there are fewer. */
static bool sweep_at(const struct sweep *s, unsigned kind, uint32_t nth)
{
	/* Two units for the half page of prepare_mess(). */
	const struct world_options o = {.units = 6, .slots = 16};
	struct access_range range;
	struct victim v;
	struct world w;
	bool stopped;

	if (!world_make(&w, &o))
		return false;
	trying("%s, before access %u of kind %u", s->name, nth, kind);
	s->prepare(&w);
	range = access_all(&w, kind);
	stopped = park_at_access(&v, &range, nth, s->run, &w);
	if (stopped) {
		s->meanwhile(&w, v.report);
		unpark(&v);
		s->after(&w, v.report);
		world_verify(&w);
		upkeep_expelling(&w);
		world_verify(&w);
		world_drain(&w, 0);
	}
	report_free(v.report);
	world_free(&w);
	return stopped;
}

static void every_access(void)
{
	const unsigned count = sizeof(sweeps) / sizeof(sweeps[0]);

	for (const struct sweep *s = sweeps; s < sweeps + count; s++) {
		for (uint32_t nth = 1; sweep_at(s, ACCESS_RMW, nth); nth++)
			;
		for (uint32_t nth = 1; sweep_at(s, ACCESS_LOAD, nth);)
			nth += s->stride;
		for (uint32_t nth = 1; sweep_at(s, ACCESS_STORE, nth);)
			nth += s->stride;
	}
}

int main(int argc, char **argv)
{
	static const struct found_case cases[] = {
		{"late-repairer-at-its-cas", late_repairer_at_its_cas},
		{"record-becomes-live", record_becomes_live_meanwhile},
		{"every-access", every_access},
	};

	return found_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
