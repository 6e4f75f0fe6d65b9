/* SPDX-License-Identifier: MIT */

/*
 * Interleavings that once went wrong, as in crash_found.c: lines of renewals
 * that several have to do with at once, owners that change, creators of one
 * name.  What needs no label is in test_lifecycle.c.
 *
 *   crash_second [--list] [CASE...]
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crash/lib_found.h"
#include "crash/lib_life.h"
#include "crash/lib_ops.h"

#define BYTES 120u

static struct known *target(struct world *w)
{
	return &w->known[w->target];
}

static bool is_over(struct world *w, const char *id, enum sojourn_reason reason)
{
	return sojourn_session_read(w->s, id, NULL, NULL, NULL, NULL) ==
		       -ENOENT &&
	       sojourn_reason() == reason;
}

static bool reads(struct world *w, const char *id)
{
	return sojourn_session_read(w->s, id, NULL, NULL, NULL, NULL) == 0;
}

/* The client is handed the new id by another than who makes it. */
static void hand_over(struct world *w)
{
	struct sojourn_info info;

	MUST(sojourn_session_read(w->s, target(w)->id, NULL, NULL, NULL,
				  &info) == 0);
	MUST(info.renewal == SOJOURN_RENEWAL_DONE);
	known_renewed(target(w), info.new_id);
}

/* ---- the renewer is late ---- */

/*
 * The renewer stands right behind its decision, the new id is in use, and the
 * grace window of the old one ends.  He took that for the end of the session,
 * and withdrew the new one.
 */
static void grace_window_ends_first(void)
{
	struct victim v;
	struct world w;

	found_begin(&w, NULL, prepare_people);
	park(&v, "renew.decided", run_renew, &w);
	hand_over(&w);
	world_update(&w, w.target, false);
	world_advance(&w, WORLD_GRACE_MS);
	MUST(is_over(&w, target(&w)->old_id[0], SOJOURN_RENEWED));
	target(&w)->old_gone = 1;
	unpark(&v);
	MUST(v.report->rc == 0);
	MUST(v.report->renewal == SOJOURN_RENEWAL_WON);
	MUST(strcmp(v.report->id, target(&w)->id) == 0);
	world_end(&w);
}

/* The same without any grace window: the login ended by being read. */
static void no_grace_window(void)
{
	struct victim v;
	struct world w;

	found_begin(&w, NULL, NULL);
	w.s->st.seg.collection[0].grace_window_ms = 0;
	prepare_people(&w);
	park(&v, "renew.decided", run_renew, &w);
	MUST(is_over(&w, target(&w)->id, SOJOURN_RENEWED));
	unpark(&v);
	MUST(v.report->rc == 0);
	MUST(v.report->renewal == SOJOURN_RENEWAL_WON);
	known_renewed(target(&w), v.report->id);
	target(&w)->old_gone = 1;
	world_end(&w);
}

/*
 * The renewer's two entries are two strangers' by now, one of whom is over by
 * time.  He withdrew whoever had the entry that he once made.
 */
static void entries_of_strangers(void)
{
	const struct world_options o = {.entries = 2};

	for (unsigned order = 0; order < 2; order++) {
		struct victim v;
		struct world w;
		int who;

		trying("order %u", order);
		found_begin(&w, &o, NULL);
		w.target = (unsigned)world_create(&w, "anna", BYTES);
		park(&v, "renew.decided", run_renew, &w);
		hand_over(&w);
		world_delete(&w, w.target, false);
		for (unsigned i = 0; i < 2; i++) {
			w.ttl_ms = i == order ? 1000 : 0;
			who = world_create(&w, i ? "eve" : "alice", BYTES);
			MUST(who >= 0);
			if (who >= 0 && i == order)
				w.target = (unsigned)who;
		}
		world_advance(&w, 2000);
		MUST(is_over(&w, target(&w)->id, SOJOURN_EXPIRED));
		target(&w)->fate = target(&w)->later = GONE;
		world_verify(&w);
		unpark(&v);
		world_end(&w);
	}
}

/*
 * Who has the renewal flag stands still, and others only read.  They kept
 * leaving the touch to him, and the session ended as idle while in use.
 */
static void reads_beside_a_renewal(void)
{
	const struct world_options o = {.idle_ms = 2000, .renewal_ms = 1000};
	struct sojourn_info info;
	struct victim v;
	struct world w;

	found_begin(&w, &o, NULL);
	w.target = (unsigned)world_create(&w, "anna", BYTES);
	world_advance(&w, 1500);
	park(&v, "renew.flag", run_read, &w);
	for (unsigned i = 0; i < 3; i++) {
		MUST(sojourn_session_read(w.s, target(&w)->id, NULL, NULL, NULL,
					  &info) == 0);
		MUST(info.renewal == SOJOURN_RENEWAL_ELSEWHERE);
		world_advance(&w, 300);
	}
	unpark(&v);
	MUST(v.report->rc == 0);
	MUST(v.report->renewal == SOJOURN_RENEWAL_WON);
	known_renewed(target(&w), v.report->id);
	/* What he renewed is not less in use for having been read before. */
	MUST(reads(&w, target(&w)->id));
	MUST(reads(&w, target(&w)->old_id[0]));
	world_end(&w);
}

/* ---- ends ---- */

/*
 * A deleter stands behind the first member of a line.  The next one who came
 * with the same id found nothing, and said that all was over.
 */
static void two_deleters(void)
{
	struct victim v;
	struct world w;
	int rc;

	found_begin(&w, NULL, prepare_renewed_twice);
	park(&v, "line.ended", run_delete_old, &w);
	rc = sojourn_session_delete(w.s, target(&w)->old_id[0]);
	MUST(rc == 1);
	MUST(!reads(&w, target(&w)->old_id[0]));
	MUST(!reads(&w, target(&w)->old_id[1]));
	MUST(!reads(&w, target(&w)->id));
	unpark(&v);
	/* Each of them ended a part of it. */
	MUST(v.report->rc == 1);
	target(&w)->fate = target(&w)->later = GONE;
	world_end(&w);
}

/* A login whose renewal is under way, decided or not, is one login. */
static void counts_beside_a_renewal(void)
{
	static const char *const labels[] = {"renew.built", "renew.record",
					     "renew.decided"};

	for (unsigned i = 0; i < 3; i++) {
		struct victim v;
		struct world w;

		trying("%s", labels[i]);
		found_begin(&w, NULL, prepare_people);
		park(&v, labels[i], run_renew, &w);
		world_delete_subject(&w, "anna", -1);
		world_delete_subject(&w, "anna", -1);
		unpark(&v);
		MUST(v.report->rc < 0);
		world_end(&w);
	}
}

static void run_create_short(void *arg, struct report *r)
{
	struct world *w = arg;
	const struct sojourn_new n = {.subject = "anna", .ttl_ms = 1};
	struct sojourn_info info;

	r->rc = sojourn_session_create(w->s, &n, r->id, &info);
	r->number = sojourn_reason();
}

/* It was over before its creator could tell of it: the answer was that of a
 * read, beside an id of nothing. */
static void over_when_created(void)
{
	struct victim v;
	struct world w;

	found_begin(&w, NULL, prepare_people);
	park(&v, "entry.live", run_create_short, &w);
	world_advance(&w, 1);
	unpark(&v);
	MUST(v.report->rc == -ECANCELED);
	MUST(v.report->number == SOJOURN_SUPERSEDED);
	MUST(v.report->id[0] == 0);
	world_end(&w);
}

/*
 * A member of a line that is not its tip is ended for its own sake.  The line
 * goes on behind it: its first id answered "evicted", and a logout with that
 * id ended nothing.
 */
static void ended_in_the_middle(void)
{
	static const enum soj_status reasons[] = {
		SOJ_ENDED_EVICTED, SOJ_ENDED_IDLE, SOJ_ENDED_GRACE};

	for (unsigned i = 0; i < 6; i++) {
		struct world w;
		struct soj_self *self;
		const char *middle;
		uint64_t ref, ctl;

		trying("reason %d", reasons[i / 2]);
		found_begin(&w, NULL, prepare_renewed_twice);
		middle = target(&w)->old_id[1];
		ref = ref_of(&w, middle);
		ctl = soj_load_acquire(
			&soj_entry(&w.s->st, soj_ref_entry(ref))->ctl);
		self = world_self(&w);
		MUST(soj_entry_end(&w.s->st, &self->w, ref, ctl,
				   reasons[i / 2]));
		if (i % 2)
			upkeep_now(&w, 3);
		MUST(!reads(&w, middle));
		MUST(reads(&w, target(&w)->old_id[0]));
		world_update(&w, w.target, true);
		world_read(&w, w.target);
		MUST(sojourn_session_delete(w.s, target(&w)->old_id[0]) == 1);
		MUST(!reads(&w, target(&w)->id));
		target(&w)->fate = target(&w)->later = GONE;
		world_end(&w);
	}
}

/* ---- long lines ---- */

#define LINE   300u
#define PASSES 6u /* and there are two grace periods to wait for */

static unsigned entries_used(struct world *w)
{
	unsigned used = 0;

	for (uint32_t e = 1; e <= w->s->st.seg.lay.entries_max; e++)
		used += soj_state_phase(state_of(w, e)) != SOJ_FREE;
	return used;
}

static bool make_line(struct world *w, char *first, char *tip)
{
	const struct sojourn_new n = {.subject = "anna"};
	struct sojourn_info info;

	MUST(sojourn_session_create(w->s, &n, first, NULL) == 0);
	strcpy(tip, first);
	for (unsigned i = 0; i < LINE; i++) {
		if (sojourn_session_renew(w->s, tip, &info) != 0 ||
		    info.renewal != SOJOURN_RENEWAL_WON) {
			failed("renewal %u", i);
			return false;
		}
		strcpy(tip, info.new_id);
	}
	MUST(reads(w, first));
	MUST(reads(w, tip));
	MUST(entries_used(w) == LINE + 1);
	return true;
}

/*
 * A client that renews all the time leaves hundreds of members, which go in a
 * few passes, not in one each, whether the login ends or their windows do.
 */
static void long_line(void)
{
	const struct world_options o = {.entries = LINE + 8, .units = 8};
	char first[SOJOURN_ID_CHARS_MAX + 1], tip[SOJOURN_ID_CHARS_MAX + 1];
	struct soj_self *self;
	struct world w;

	if (!world_make(&w, &o) || !make_line(&w, first, tip))
		return;
	self = world_self(&w);
	MUST(sojourn_session_delete_subject(w.s, "anna", NULL) == 1);
	MUST(!reads(&w, first));
	MUST(!reads(&w, tip));
	upkeep_now(&w, PASSES);
	MUST(entries_used(&w) == 0);
	if (!make_line(&w, first, tip))
		return;
	world_advance(&w, WORLD_GRACE_MS);
	MUST(soj_expire_all(&w.s->st, &self->w, soj_seg_now_ms(&w.s->st.seg)) ==
	     LINE);
	upkeep_now(&w, PASSES);
	MUST(entries_used(&w) == 1);
	MUST(!reads(&w, first));
	MUST(sojourn_session_delete(w.s, tip) == 1);
	world_end(&w);
}

/* ---- owners ---- */

static void run_passes(void *arg, struct report *r)
{
	upkeep_now(arg, 4);
	r->rc = 0;
}

/*
 * The same state word must not mean two owners in turn: what the first one
 * would do by an exact CAS, long after, would hit the second one's.
 */
static void generation_of_a_new_owner(void)
{
	struct victim maker, v;
	uint64_t was, ref, now;
	struct world w;
	uint32_t idx;

	found_begin(&w, NULL, prepare_people);
	/* A repairer takes over what the dead one had not made visible. */
	park(&maker, "slab.owned", run_create, &w);
	idx = owned_entry(&w);
	was = state_of(&w, idx);
	kill_parked(&maker);
	park(&v, "slab.taken.over", run_passes, &w);
	now = state_of(&w, idx);
	MUST(soj_state_phase(now) == SOJ_OWNED);
	MUST(soj_state_gen(now) == soj_state_gen(was) + 1);
	unpark(&v);
	MUST(state_of(&w, idx) == soj_state(SOJ_FREE, 0, soj_state_gen(now)));
	/* A reclaimer owns what is retired, and dies: so does its repairer. */
	ref = ref_of(&w, target(&w)->id);
	idx = soj_ref_entry(ref);
	was = state_of(&w, idx);
	world_delete(&w, w.target, false);
	park(&v, "slab.reclaim.owned", run_passes, &w);
	now = state_of(&w, idx);
	if (soj_state_phase(now) != SOJ_OWNED) {
		/* The chunk comes first, or the entry: by the order of limbo. */
		kill_parked(&v);
		failed("a reclaimer did not begin with the entry");
	} else {
		MUST(soj_state_gen(now) == soj_state_gen(was) + 1);
		MUST(!is_in(&w, ref, SOJ_OWNED));
		kill_parked(&v);
		was = now;
		park(&v, "slab.taken.over", run_passes, &w);
		now = state_of(&w, idx);
		MUST(soj_state_gen(now) == soj_state_gen(was) + 1);
		kill_parked(&v);
	}
	world_upkeep(&w);
	MUST(entry_phase(&w, ref) == SOJ_FREE);
	world_end(&w);
}

/* ---- creators of one name ---- */

struct name {
	char name[64], key_file[96];
};

static void run_make_named(void *arg, struct report *r)
{
	const struct name *n = arg;
	struct sojourn *s;

	r->rc = life_create(n->name, n->key_file, &s);
}

/* Both find no key file; one makes it, the other loses the name, and took the
 * key file away with him that the winner's segment was made with. */
static void two_creators(void)
{
	static const char *const labels[] = {
		"keyfile.opened", "keyfile.written", "keyfile.linked",
		"segment.opened", "segment.filled"};

	for (unsigned i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		struct sojourn_attach_options a = {0};
		struct sojourn *s, *again = NULL;
		struct name n;
		struct victim v;

		trying("%s", labels[i]);
		snprintf(n.name, sizeof(n.name), "crash-second-%d",
			 (int)getpid());
		snprintf(n.key_file, sizeof(n.key_file), "/tmp/%s.key", n.name);
		a.key_file = n.key_file;
		unlink(n.key_file);
		park(&v, labels[i], run_make_named, &n);
		if (life_create(n.name, n.key_file, &s) != 0) {
			failed("create: %s", sojourn_error_text());
			break;
		}
		unpark(&v);
		MUST(v.report->rc == -EEXIST);
		MUST(access(n.key_file, F_OK) == 0);
		MUST(sojourn_attach(n.name, &a, &again) == 0);
		sojourn_detach(again);
		sojourn_detach(s);
		MUST(sojourn_destroy(n.name) == 0);
		unlink(n.key_file);
	}
}

int main(int argc, char **argv)
{
	static const struct found_case cases[] = {
		{"grace-window-ends-first", grace_window_ends_first},
		{"no-grace-window", no_grace_window},
		{"entries-of-strangers", entries_of_strangers},
		{"reads-beside-a-renewal", reads_beside_a_renewal},
		{"two-deleters", two_deleters},
		{"counts-beside-a-renewal", counts_beside_a_renewal},
		{"over-when-created", over_when_created},
		{"ended-in-the-middle", ended_in_the_middle},
		{"long-line", long_line},
		{"generation-of-a-new-owner", generation_of_a_new_owner},
		{"two-creators", two_creators},
	};

	return found_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
