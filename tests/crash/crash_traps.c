/* SPDX-License-Identifier: MIT */

/*
 * The traps that the protocols were built around, each set by hand: a
 * reservation whose maker stands still, removers that come back when the place
 * has another owner, CASes that come a thousand reuses late, forks inside of
 * an operation.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash/lib_ops.h"
#include "session/id.h"

#define ROUNDS 300u
#define REUSES 1100u /* of one entry */

static struct world w;

/* Everything in one bucket of the index, and few entries to choose from. */
static void begin(uint32_t entries, uint64_t idle_ms)
{
	const struct world_options o = {.entries = entries, .idle_ms = idle_ms};

	if (!world_make(&w, &o))
		abort();
	if (w.s->st.seg.lay.buckets != 1)
		failed("%u buckets", w.s->st.seg.lay.buckets);
}

static void stop_at(struct victim *v, victim_fn fn, const char *label)
{
	const struct plan plan = {.fault = FAULT_STOP, .at = label, .nth = 1};

	world_let_go(&w);
	victim_run(v, report_new(), &plan, fn, &w);
	w.standing = true;
	if (v->state != VICTIM_STOPPED)
		failed("the victim does not stand at %s", label);
}

/* To its end; what it returned. */
static int go_on(struct victim *v)
{
	victim_continue(v);
	if (v->state != VICTIM_FINISHED)
		failed("the victim, continued, is in state %d", v->state);
	return v->report->rc;
}

static void one_life(const char *subject)
{
	struct soj_upkeep_work work;
	int made = world_create(&w, subject, 100);

	if (made >= 0) {
		world_update(&w, (unsigned)made, false);
		world_delete(&w, (unsigned)made, false);
		w.count--;
	}
	world_self(&w);
	for (unsigned i = 0; i < 3; i++)
		soj_upkeep_full(&w.up, &work);
	world_advance(&w, w.s->st.seg.policy.expel_after_ms);
}

/* ---- a reservation belongs to its owner ---- */

static uint64_t place(uint32_t p)
{
	return soj_load_relaxed(&w.s->st.seg.buckets[0].place[p]);
}

/* Places that are filled and not committed. */
static unsigned reservations(void)
{
	uint64_t header = soj_load_relaxed(&w.s->st.seg.buckets[0].header);
	unsigned found = 0;

	for (uint32_t p = 0; p < SOJ_BUCKET_PLACES; p++)
		found += !soj_place_empty(place(p)) && !(header >> p & 1);
	return found;
}

static void trap_reservation(bool ended)
{
	struct victim v;
	int rc;

	trying("a reservation whose maker stands still%s",
	       ended ? ", its session ended" : "");
	begin(4, 0);
	stop_at(&v, run_create, "index.reserved");
	if (ended) {
		w.in_flight = 1;
		world_delete_subject(&w, "anna", -1);
		w.in_flight = 0;
	}
	for (unsigned i = 0; i < ROUNDS; i++) {
		one_life("bert");
		if (reservations() == 1)
			continue;
		failed("the reservation was taken away");
		break;
	}
	rc = go_on(&v);
	if (rc != (ended ? -ECANCELED : 0))
		failed("the maker, continued, returned %d", rc);
	if (rc == 0) {
		struct known *k = world_known(&w, "anna", 120);

		k->number = OP_NUMBER;
		strcpy(k->id, v.report->id);
	}
	report_free(v.report);
	world_end(&w);
}

/* ---- removers that come back late ---- */

/* The place of the session made last, which is the highest one filled. */
static uint32_t last_place(void)
{
	uint32_t p = SOJ_BUCKET_PLACES - 1;

	while (p > 0 && soj_place_empty(place(p)))
		p--;
	return p;
}

/* The target is gone, and its place another's, whose word it is. */
static uint64_t replace_target(uint32_t p)
{
	uint64_t theirs;

	w.known[w.target].fate = GONE;
	world_upkeep(&w);
	world_create(&w, "bert", 100);
	theirs = place(p);
	if (theirs == 0)
		failed("nobody took the place");
	return theirs;
}

/*
 * Two are about to clear the same word, a deleter and somebody's upkeep; a
 * third does it, and an insert takes the place.
 */
static void trap_removers(bool second_first)
{
	struct victim deleter, helper;
	uint64_t theirs;
	uint32_t p;

	trying("two removers and an insert, %s goes on first",
	       second_first ? "upkeep" : "the deleter");
	begin(4, 0);
	world_create(&w, "anna", 100);
	w.target = (unsigned)world_create(&w, "anna", 100);
	p = last_place();
	stop_at(&deleter, run_delete, "index.remove.seen");
	stop_at(&helper, run_full, "index.remove.seen");
	theirs = replace_target(p);
	if (go_on(second_first ? &helper : &deleter) < 0 ||
	    go_on(second_first ? &deleter : &helper) < 0)
		failed("a remover failed");
	if (place(p) != theirs)
		failed("the insert was undone");
	report_free(deleter.report);
	report_free(helper.report);
	world_end(&w);
}

/* One has cleared the bit and not the place; others clear that, and an insert
 * takes it. */
static void trap_half_removed(void)
{
	struct victim v;
	uint64_t theirs;
	uint32_t p;

	trying("a remover between header and place, and an insert");
	begin(4, 0);
	world_create(&w, "anna", 100);
	w.target = (unsigned)world_create(&w, "anna", 100);
	p = last_place();
	stop_at(&v, run_delete, "index.removed");
	theirs = replace_target(p);
	if (go_on(&v) != 1)
		failed("the remover returned %d", v.report->rc);
	if (place(p) != theirs)
		failed("the insert was undone");
	report_free(v.report);
	world_end(&w);
}

/* ---- a thousand reuses late ---- */

static uint32_t entry_of(unsigned which)
{
	struct soj_digest digest;
	struct soj_found found = {0};

	if (!soj_id_digest(w.s, w.known[which].id, &digest) ||
	    soj_index_find(&w.s->st, digest, &found) != 0)
		failed("the session is not indexed");
	return soj_ref_entry(found.ref);
}

static uint64_t uses(uint32_t idx)
{
	return soj_state_gen(soj_load_relaxed(&w.s->st.seg.entry_states[idx]));
}

static void recycle(uint32_t idx)
{
	uint64_t first = uses(idx);

	w.full = true; /* now and then */
	for (unsigned i = 0; i < 10 * REUSES && uses(idx) < first + REUSES; i++)
		one_life("anna");
	if (uses(idx) < first + REUSES)
		failed("the entry was used %u times only",
		       (unsigned)(uses(idx) - first));
	/* And somebody lives there in the end. */
	while (world_create(&w, "anna", 100) >= 0)
		;
	for (unsigned i = 0; i < w.count; i++)
		if (w.known[i].fate == LIVES && entry_of(i) == idx)
			return;
	failed("nobody lives in the entry");
}

static const struct stale {
	const char *name;
	victim_fn fn;
	const char *label;
	int want;
	uint64_t wait_ms; /* before the victim begins */
} stale[] = {
	{"update", run_update, "update.written", -ENOENT, 0},
	{"update, published", run_update, "update.published", 0, 0},
	{"update, retiring", run_update, "slab.retire.stamped", 0, 0},
	{"touch", run_touch, "touch.seen", 0, 5000},
	{"expiry", run_read, "entry.expire.seen", -ENOENT, 60000},
	{"expiry, ending", run_read, "entry.expired", -ENOENT, 60000},
	{"renewal", run_renew, "renew.flag.seen", -ENOENT, 0},
	{"renewal, built", run_renew, "renew.built", -ENOENT, 0},
	{"renewal, deciding", run_renew, "renew.record", -ENOENT, 0},
	{"renewal, decided", run_renew, "renew.decided", -ENOENT, 0},
	{"delete", run_delete, "delete.found", 0, 0},
	{"delete, ending", run_delete, "alone.seen", 0, 0},
	{"delete, ended", run_delete, "entry.ended", 1, 0},
	{"delete all", run_delete_subject, "line.seen", 0, 0},
	{"delete, unindexing", run_delete, "index.remove.seen", 1, 0},
};

static void trap_stale(const struct stale *t)
{
	struct victim v;
	uint32_t idx;
	int rc;

	trying("%s, stopped at %s, the entry used %u times meanwhile", t->name,
	       t->label, REUSES);
	begin(4, 60000);
	w.target = (unsigned)world_create(&w, "anna", 100);
	idx = entry_of(w.target);
	world_advance(&w, t->wait_ms);
	stop_at(&v, t->fn, t->label);
	/* A successor in the making would hold the entry until it is made. */
	(void)!sojourn_session_read(w.s, w.known[w.target].id, NULL, NULL, NULL,
				    NULL);
	/* Ended by the victim already, or by its time, or by this. */
	w.known[w.target].fate = EITHER;
	world_delete(&w, w.target, false);
	recycle(idx);
	rc = go_on(&v);
	/* Who was stopped on the way to end all ends those that are there. */
	if (t->fn == run_delete_subject && rc > 0) {
		for (unsigned i = 0; i < w.count; i++)
			w.known[i].fate = GONE;
		rc = 0;
	}
	if (rc != t->want)
		failed("the victim, continued, returned %d instead of %d", rc,
		       t->want);
	report_free(v.report);
	world_end(&w);
}

/* ---- forks inside of an operation ---- */

struct forking {
	struct report *r;
	uint8_t *before; /* the segment when it forked */
	pid_t child;
	unsigned calls;
};

static bool untouched(const struct forking *f)
{
	return memcmp(f->before, w.s->st.seg.base, w.s->st.seg.bytes) == 0;
}

/* The callback: the parent waits here until its child is done with all. */
static int fork_once(void *arg, void *data, size_t *bytes, size_t capacity)
{
	struct forking *f = arg;
	int status;

	(void)capacity;
	value_fill(data, *bytes, OP_NUMBER);
	if (f->calls++ > 0)
		return 0;
	memcpy(f->before, w.s->st.seg.base, w.s->st.seg.bytes);
	f->child = fork();
	if (f->child != 0 && (waitpid(f->child, &status, 0) < 0 || status != 0))
		failed("the child ended with status 0x%x", status);
	return 0;
}

/* In the child: the call has returned, and now it works for itself. */
static void as_child(const struct forking *f, int rc, uint32_t parents_slot,
		     bool write)
{
	int made;

	if (rc != -ECANCELED || sojourn_reason() != SOJOURN_FORKED)
		failed("the call returned %d (%s) in the child", rc,
		       sojourn_reason_name(sojourn_reason()));
	if (!untouched(f))
		failed("the child changed the segment");
	if (write)
		world_update(&w, w.target, false);
	made = world_create(&w, "carl", 100);
	if (world_self(&w)->w.thr.slot == parents_slot)
		failed("the child has its parent's slot");
	world_update(&w, (unsigned)made, false);
	world_verify(&w);
	world_delete(&w, (unsigned)made, false);
	sojourn_detach(w.s);
	fflush(NULL);
	_exit(0);
}

/* write: the child also changes the session that its parent is about to. */
static void trap_fork(bool write)
{
	struct forking f = {0};
	struct known *k;
	uint32_t slot;
	pid_t parent = getpid();
	int rc;

	trying("a fork in a callback%s",
	       write ? ", the child writes the same session" : "");
	begin(4, 0);
	w.target = (unsigned)world_create(&w, "anna", 100);
	f.before = malloc(w.s->st.seg.bytes);
	slot = world_self(&w)->w.thr.slot;
	rc = sojourn_session_modify(w.s, w.known[w.target].id, 200, fork_once,
				    &f, NULL);
	if (getpid() != parent)
		as_child(&f, rc, slot, write);
	k = &w.known[w.target];
	if (rc != 0 || f.calls != (write ? 2u : 1u))
		failed("the call returned %d in the parent, after %u calls", rc,
		       f.calls);
	k->number = OP_NUMBER;
	k->version += write ? 2 : 1;
	free(f.before);
	world_end(&w);
}

/* A handler that forks in mid operation, and a child that ends: the parent
 * takes no harm, wherever it was. */
static void trap_fork_anywhere(victim_fn fn,
			       void (*judge)(struct world *w,
					     const struct report *r))
{
	struct report *r = report_new();
	struct victim v;

	for (uint32_t nth = 1;; nth++) {
		const struct plan plan = {.fault = FAULT_FORK, .nth = nth};

		trying("a fork at step %u", nth);
		begin(4, 0);
		w.target = (unsigned)world_create(&w, "anna", 120);
		world_let_go(&w);
		victim_run(&v, r, &plan, fn, &w);
		trying("a fork at step %u (%s)", nth, step_name(r, nth));
		if (v.state != VICTIM_FINISHED)
			failed("the parent is in state %d", v.state);
		judge(&w, r);
		world_end(&w);
		if (r->steps < nth)
			break;
	}
	report_free(r);
}

/* ---- a touch that came in time ---- */

/* One judged the session to be over; meanwhile a touch from before comes in
 * and is acknowledged.  Then it is not over. */
static void trap_touched(void)
{
	struct victim toucher, reader;

	trying("touched between judging and ending");
	begin(4, 60000);
	w.target = (unsigned)world_create(&w, "anna", 100);
	world_advance(&w, 59000);
	stop_at(&toucher, run_touch, "touch.seen");
	world_advance(&w, 2000);
	stop_at(&reader, run_read, "entry.expire.seen");
	if (go_on(&toucher) != 0 || go_on(&reader) != 0)
		failed("the toucher was told %d, the reader %d",
		       toucher.report->rc, reader.report->rc);
	report_free(toucher.report);
	report_free(reader.report);
	world_end(&w);
}

/* ---- what a section holds ---- */

/*
 * While a walker stands at an entry that was ended, the entry stays what it
 * was, however often upkeep comes by; once the walker is expelled it goes, and
 * the walker begins anew.
 */
static void trap_section(void)
{
	const struct plan plan = {
		.fault = FAULT_STOP, .at = "chain.at", .nth = 2};
	struct soj_upkeep_work work;
	struct victim v;
	uint64_t before;
	uint32_t idx;

	trying("a walker that stands at an entry");
	if (!world_make(&w, &(struct world_options){0}))
		abort();
	prepare_people(&w);
	idx = entry_of(w.target);
	before = uses(idx);
	world_let_go(&w);
	victim_run(&v, report_new(), &plan, run_list, &w);
	world_delete(&w, w.target, false);
	world_self(&w);
	for (unsigned i = 0; i < ROUNDS; i++)
		soj_upkeep_full(&w.up, &work);
	if (uses(idx) != before)
		failed("the entry was reclaimed under the walker");
	w.standing = true;
	world_upkeep(&w);
	if (uses(idx) == before)
		failed("the entry was not reclaimed");
	if (go_on(&v) != 2)
		failed("the walker listed %d sessions", v.report->rc);
	report_free(v.report);
	world_end(&w);
}

/* ---- the dead have every slot ---- */

static void trap_no_slot(void)
{
	static const char *const labels[] = {"section.entered", "slab.owned",
					     "slot.claim.held",
					     "slot.claim.locked"};
	const struct world_options o = {.slots = 4};
	struct victim v;

	trying("the dead have every slot");
	if (!world_make(&w, &o))
		abort();
	prepare_people(&w);
	world_let_go(&w);
	for (unsigned i = 0; i < 4; i++) {
		const struct plan plan = {
			.fault = FAULT_KILL, .at = labels[i], .nth = 1};
		struct report *r = report_new();

		victim_run(&v, r, &plan, i ? run_create : run_list, &w);
		if (v.state != VICTIM_KILLED)
			failed("nobody died at %s", labels[i]);
		report_free(r);
	}
	world_update(&w, w.bystander, false);
	world_end(&w);
}

int main(void)
{
	coverage_init();
	failures_init();
	trap_reservation(false);
	trap_reservation(true);
	trap_removers(false);
	trap_removers(true);
	trap_half_removed();
	for (size_t i = 0; i < sizeof(stale) / sizeof(stale[0]); i++)
		trap_stale(&stale[i]);
	trap_touched();
	trap_section();
	trap_no_slot();
	trap_fork(false);
	trap_fork(true);
	trap_fork_anywhere(run_create, judge_create);
	trap_fork_anywhere(run_update, judge_update);
	trap_fork_anywhere(run_renew, judge_renew);
	trap_fork_anywhere(run_delete, judge_delete);
	printf("%u failures\n", failures());
	return failures() ? 1 : 0;
}
