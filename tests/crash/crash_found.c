/* SPDX-License-Identifier: MIT */

/*
 * Interleavings that once went wrong: sessions, lines of renewals, repair.
 *
 * Each case is one script: somebody is parked (or killed) at one label, the
 * world moves on in one particular way, and he continues.  What it broke is
 * written above each; the other half is crash_found_core.c.
 *
 *   crash_found [--list] [CASE...]
 */

#include <errno.h>
#include <string.h>

#include "crash/lib_found.h"
#include "crash/lib_ops.h"

#define BYTES       120u
#define LARGE_BYTES 40000u /* few fit, so that each chunk is soon used again */

static const struct sojourn_read look_only = {.no_touch = true,
					      .no_renew = true};

static char handle[SOJOURN_HANDLE_CHARS + 1];

static void run_delete_handle(void *arg, struct report *r)
{
	struct world *w = arg;

	r->rc = sojourn_session_delete_handle(w->s, handle);
}

/* Repair and reclaim by one who is not the survivor. */
static void run_upkeep(void *arg, struct report *r)
{
	upkeep_now(arg, 2);
	r->rc = 0;
}

static void run_reclaim(void *arg, struct report *r)
{
	struct world *w = arg;
	bool left = false;

	world_self(w);
	r->number = soj_upkeep_reclaim(&w->up, &left);
}

/* ---- repair ---- */

/*
 * A repairer stops after it saw the dead one's entry, another is faster, and
 * the entry is a new login's when the first goes on.  It ended that login.
 */
static void late_repairer(void)
{
	struct victim late;
	struct world w;
	uint32_t idx;

	found_begin(&w, NULL, prepare_people);
	idx = die_making(&w, "create.ctl");
	park(&late, "repair.seen", run_upkeep, &w);
	world_upkeep(&w);
	fill(&w, "carl", BYTES);
	MUST(whose_entry(&w, idx) >= 0);
	unpark(&late);
	world_end(&w);
}

/*
 * A session that ended and is RETIRED, both entry and chunk, past the grace
 * period; somebody dies when he owned the entry and had not wiped it.
 */
static uint64_t die_reclaiming(struct world *w, uint32_t *chunk)
{
	int made = world_create(w, "anna", LARGE_BYTES);
	struct victim v;
	uint64_t ref;

	if (made < 0)
		return 0;
	ref = ref_of(w, w->known[made].id);
	*chunk = chunk_of(w, ref);
	world_delete(w, (unsigned)made, false);
	for (unsigned i = 0; i < 4 && !is_in(w, ref, SOJ_RETIRED); i++) {
		struct soj_upkeep_work work;

		world_self(w);
		soj_upkeep_pass(&w->up, &work);
	}
	MUST(is_in(w, ref, SOJ_RETIRED));
	MUST(chunk_phase(w, *chunk) == SOJ_RETIRED);
	soj_epoch_advance(&w->s->st.seg);
	soj_epoch_advance(&w->s->st.seg);
	park(&v, "slab.reclaim.owned", run_reclaim, w);
	MUST(entry_phase(w, ref) == SOJ_OWNED);
	kill_parked(&v);
	return ref;
}

/*
 * The reclaimer of an entry died, and the chunk that the entry's ended ctl
 * still names is another session's by now.  Looks at the entry called that
 * damage, and it was never retired.
 */
static void chunk_of_another(void)
{
	struct soj_snapshot snap;
	struct world w;
	uint32_t chunk;
	uint64_t ref;

	found_begin(&w, NULL, NULL);
	ref = die_reclaiming(&w, &chunk);
	soj_limbo_drain(&w.s->st, &world_self(&w)->w);
	MUST(chunk_phase(&w, chunk) == SOJ_FREE);
	fill_chunk(&w, "bert", LARGE_BYTES, chunk);
	MUST(entry_phase(&w, ref) == SOJ_OWNED);
	MUST(soj_entry_snapshot(&w.s->st, ref, NULL, NULL, &snap) == -ENOENT);
	world_verify(&w);
	world_upkeep(&w);
	MUST(!is_in(&w, ref, SOJ_LIVE) && entry_phase(&w, ref) != SOJ_OWNED);
	world_end(&w);
}

/*
 * The same, but the chunk is just being wiped by another reclaimer, who is
 * slow.  Retiring the entry again took the chunk from him; he went on wiping
 * it when it was another session's.
 */
static void chunk_of_a_slow_reclaimer(void)
{
	struct victim slow;
	struct world w;
	uint32_t chunk;
	uint64_t ref;

	found_begin(&w, NULL, NULL);
	ref = die_reclaiming(&w, &chunk);
	park(&slow, "slab.reclaim.owned", run_reclaim, &w);
	MUST(chunk_phase(&w, chunk) == SOJ_OWNED);
	world_upkeep(&w);
	MUST(!is_in(&w, ref, SOJ_LIVE) && entry_phase(&w, ref) != SOJ_OWNED);
	fill(&w, "bert", LARGE_BYTES);
	world_verify(&w);
	unpark(&slow);
	world_end(&w);
}

/*
 * One who retires an entry stops before the chunk; the scrubber finds that
 * nobody names it, and somebody is slow reclaiming it.
 */
static void chunk_scrubbed_meanwhile(void)
{
	struct victim late, slow, reader;
	struct world w;
	uint32_t chunk;
	uint64_t ref;

	found_begin(&w, NULL, NULL);
	MUST(world_create(&w, "anna", LARGE_BYTES) == 0);
	ref = ref_of(&w, w.known[0].id);
	chunk = chunk_of(&w, ref);
	/* The second stamp is the chunk's. */
	park_nth(&late, "slab.retire.stamped", 2, run_delete, &w);
	w.known[0].fate = GONE;
	MUST(is_in(&w, ref, SOJ_RETIRED));
	MUST(chunk_phase(&w, chunk) == SOJ_LIVE);
	park(&reader, "section.entered", run_list, &w);
	upkeep_now(&w, 2);
	MUST(chunk_phase(&w, chunk) == SOJ_RETIRED);
	unpark(&reader);
	soj_epoch_advance(&w.s->st.seg);
	soj_epoch_advance(&w.s->st.seg);
	park_nth(&slow, "slab.reclaim.owned", 2, run_reclaim, &w);
	MUST(chunk_phase(&w, chunk) == SOJ_OWNED);
	unpark(&late);
	world_upkeep(&w);
	fill(&w, "bert", LARGE_BYTES);
	world_verify(&w);
	unpark(&slow);
	world_end(&w);
}

/* ---- delete ---- */

struct stalled {
	victim_fn fn;
	const char *label;
	uint64_t grace_ms;
	bool expelled;
};

/*
 * A deleter that found the session stops.  The session is renewed, its grace
 * window is over, it is unlinked and retired, and if the deleter's section is
 * expelled, its entry is another login's of the same subject.  Going on, the
 * deleter found nothing to do and said so, and the login lived.
 */
static void delete_stalled(const struct stalled *how)
{
	struct sojourn_info info;
	struct victim v;
	struct world w;
	struct known *k;
	uint64_t ref;

	found_begin(&w, NULL, NULL);
	trying("delete stalled at %s, grace window %u ms, %s", how->label,
	       (unsigned)how->grace_ms,
	       how->expelled ? "expelled" : "not expelled");
	w.s->st.seg.collection[0].grace_window_ms = how->grace_ms;
	prepare_people(&w);
	k = &w.known[w.target];
	ref = ref_of(&w, k->id);
	MUST(sojourn_session_read(w.s, k->id, &look_only, NULL, NULL, &info) ==
	     0);
	strcpy(handle, info.handle);
	park(&v, how->label, how->fn, &w);
	world_renew(&w, w.target, false);
	world_advance(&w, how->grace_ms);
	k->old_gone = 1;
	world_verify(&w); /* makes the end of the window final */
	if (how->expelled) {
		upkeep_expelling(&w);
		fill(&w, "anna", BYTES);
		MUST(whose_entry(&w, soj_ref_entry(ref)) >= 0);
	} else {
		upkeep_now(&w, 6);
		MUST(is_in(&w, ref, SOJ_RETIRED)); /* held by the section */
	}
	unpark(&v);
	MUST(v.report->rc == 1);
	k->fate = k->later = GONE;
	world_end(&w);
}

static void delete_stalls(void)
{
	static const struct {
		victim_fn fn;
		const char *label;
	} at[] = {
		{run_delete, "delete.found"},
		{run_delete, "alone.seen"},
		{run_delete_handle, "line.seen"},
	};

	for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		for (unsigned j = 0; j < 4; j++)
			delete_stalled(&(struct stalled){
				.fn = at[i].fn,
				.label = at[i].label,
				.grace_ms = j & 1 ? 7000 : 0,
				.expelled = j & 2,
			});
}

/*
 * The stalled deleter's login is renewed over and over, and each time the old
 * entry is gone before the next; other logins of the subject come and go.
 */
static void delete_stalled_for_long(void)
{
	struct victim v;
	struct world w;
	struct known *k;

	found_begin(&w, NULL, NULL);
	w.s->st.seg.collection[0].grace_window_ms = 100;
	prepare_people(&w);
	k = &w.known[w.target];
	park(&v, "delete.found", run_delete, &w);
	for (unsigned i = 0; i < 40; i++) {
		int other = world_create(&w, "anna", BYTES);

		world_renew(&w, w.target, false);
		world_advance(&w, 100);
		/* Makes the end of the window final. */
		MUST(sojourn_session_read(w.s, k->old_id[0], &look_only, NULL,
					  NULL, NULL) == -ENOENT);
		k->old_ids = 0;
		if (i > 0)
			world_delete(&w, (unsigned)other - 1, false);
		upkeep_expelling(&w);
	}
	unpark(&v);
	MUST(v.report->rc == 1);
	k->fate = k->later = GONE;
	world_end(&w);
}

/* ---- renewal ---- */

/* Somebody is parked who has decided a renewal and not made the successor
 * LIVE; somebody else was given the new id. */
static void renewer_parked(struct world *w, struct victim *v)
{
	struct known *k = &w->known[w->target];
	struct sojourn_info info = {0};

	park(v, "renew.decided", run_renew, w);
	MUST(sojourn_session_read(w->s, k->id, &look_only, NULL, NULL, &info) ==
	     0);
	MUST(info.renewal == SOJOURN_RENEWAL_DONE);
	known_renewed(k, info.new_id);
	/* Who has the new id has a session that is listed. */
	MUST(is_in(w, ref_of(w, k->id), SOJ_LIVE));
	world_verify(w);
}

static void renewer_comes_back(void)
{
	struct victim v;
	struct world w;

	found_begin(&w, NULL, prepare_people);
	renewer_parked(&w, &v);
	world_update(&w, w.target, false);
	unpark(&v);
	MUST(v.report->rc == 0 && v.report->renewal == SOJOURN_RENEWAL_WON);
	MUST(strcmp(v.report->id, w.known[w.target].id) == 0);
	world_verify(&w);
	world_update(&w, w.target, true);
	world_end(&w);
}

/* The successor is over, and its entry another's. */
static void renewer_comes_back_late(void)
{
	struct victim v;
	struct world w;
	uint64_t ref;

	found_begin(&w, NULL, prepare_people);
	renewer_parked(&w, &v);
	ref = ref_of(&w, w.known[w.target].id);
	world_delete(&w, w.target, false);
	world_upkeep(&w);
	fill(&w, "carl", BYTES);
	MUST(whose_entry(&w, soj_ref_entry(ref)) >= 0);
	unpark(&v);
	MUST(v.report->rc == -ENOENT);
	world_end(&w);
}

/* The old session is over, by its own time or with its grace window, and its
 * successor is not. */
static void old_one_ends(struct world *w, struct victim *v, bool by_grace,
			 uint64_t *old)
{
	uint64_t half = by_grace ? 1000 : WORLD_TTL_MS / 2;

	w->s->st.seg.collection[0].grace_window_ms =
		by_grace ? half : WORLD_TTL_MS;
	prepare_people(w);
	*old = ref_of(w, w->known[w->target].id);
	world_advance(w, half);
	renewer_parked(w, v);
	world_advance(w, half);
	for (unsigned i = 0; i < w->count && !by_grace; i++)
		w->known[i].fate = i == w->target ? LIVES : GONE;
	w->known[w->target].old_gone = 1;
	world_verify(w); /* makes the end final */
}

/*
 * The old session is over when the renewer goes on, the new id is in use.  The
 * renewer took the expired bit for an end before its decision, and withdrew
 * the successor.
 */
static void renewer_finds_expired(void)
{
	for (unsigned by_grace = 0; by_grace < 2; by_grace++) {
		struct victim v;
		struct world w;
		uint64_t old;

		found_begin(&w, NULL, NULL);
		old_one_ends(&w, &v, by_grace, &old);
		unpark(&v);
		MUST(v.report->rc == 0);
		MUST(strcmp(v.report->id, w.known[w.target].id) == 0);
		world_end(&w);
	}
}

/* The same, and the successor is over, and its entry another's, while the old
 * entry's last reclaimer is slow: it withdrew that other session. */
static void renewer_finds_expired_and_reused(void)
{
	struct victim v, reader, slow;
	uint64_t old, next;
	uint32_t nth = 0;
	struct world w;

	found_begin(&w, NULL, NULL);
	old_one_ends(&w, &v, false, &old);
	next = ref_of(&w, w.known[w.target].id);
	world_delete(&w, w.target, false);
	park(&reader, "section.entered", run_list, &w);
	upkeep_now(&w, 2);
	MUST(is_in(&w, old, SOJ_RETIRED) && is_in(&w, next, SOJ_RETIRED));
	unpark(&reader);
	soj_epoch_advance(&w.s->st.seg);
	soj_epoch_advance(&w.s->st.seg);
	for (uint32_t e = 1; e <= soj_ref_entry(old); e++)
		nth += soj_state_phase(state_of(&w, e)) == SOJ_RETIRED;
	park_nth(&slow, "slab.reclaim.owned", nth, run_reclaim, &w);
	MUST(entry_phase(&w, old) == SOJ_OWNED);
	world_upkeep(&w);
	fill(&w, "carl", BYTES);
	MUST(whose_entry(&w, soj_ref_entry(next)) >= 0);
	unpark(&v);
	MUST(v.report->rc == -ENOENT);
	world_verify(&w);
	unpark(&slow);
	world_end(&w);
}

/* Within its grace window an old id shows what was written since, also by
 * itself; it showed the value at the renewal. */
static void old_id_reads_its_writes(void)
{
	struct sojourn_info info;
	uint64_t version = 0;
	char data[64];
	size_t bytes;
	struct world w;
	struct known *k;

	found_begin(&w, NULL, prepare_renewed);
	k = &w.known[w.target];
	world_update(&w, w.target, true);
	world_verify(&w);
	world_renew(&w, w.target, false);
	world_update(&w, w.target, false);
	world_verify(&w);
	MUST(sojourn_session_update(w.s, k->old_id[0], "new", 3, 0, &version) ==
	     0);
	for (unsigned i = 0; i < 3; i++) {
		const char *id = i < 2 ? k->old_id[i] : k->id;

		bytes = sizeof(data);
		MUST(sojourn_session_read(w.s, id, &look_only, data, &bytes,
					  &info) == 0);
		MUST(bytes == 3 && memcmp(data, "new", 3) == 0);
		MUST(info.version == version && info.data_bytes == 3);
		/* The version that it shows is one that an update takes. */
		MUST(sojourn_session_update(w.s, id, "new", 3, info.version,
					    &version) == 0);
		/* A short buffer tells the length of what there is now. */
		bytes = 1;
		MUST(sojourn_session_read(w.s, id, &look_only, data, &bytes,
					  NULL) == -ENOBUFS);
		MUST(bytes == 3);
	}
	k->fate = GONE;
	MUST(sojourn_session_delete(w.s, k->id) == 1);
	world_end(&w);
}

/* ---- the end of a login ---- */

/* By its new id; an old one goes with it, at once and after upkeep, and its
 * entry before long. */
static void logout_takes_the_old_id(void)
{

	for (unsigned how = 0; how < 3; how++) {
		struct sojourn_info info;
		struct known *k;
		struct world w;
		uint64_t ref[2];

		found_begin(&w, NULL, NULL);
		trying("the old id at a logout by %s",
		       how == 0   ? "the new id"
		       : how == 1 ? "the new handle"
				  : "subject");
		prepare_renewed_twice(&w);
		k = &w.known[w.target];
		ref[0] = ref_of(&w, k->old_id[0]);
		ref[1] = ref_of(&w, k->old_id[1]);
		MUST(sojourn_session_read(w.s, k->id, &look_only, NULL, NULL,
					  &info) == 0);
		if (how == 0)
			world_delete(&w, w.target, false);
		else if (how == 1)
			MUST(sojourn_session_delete_handle(w.s, info.handle) ==
			     1);
		else
			world_delete_subject(&w, "anna", -1);
		k->fate = k->later = GONE;
		MUST(sojourn_session_delete(w.s, k->old_id[1]) == 0);
		MUST(sojourn_session_read(w.s, k->old_id[0], &look_only, NULL,
					  NULL, &info) == -ENOENT);
		/* Its index word is gone, or it says how it ended. */
		MUST(how == 2 || sojourn_reason() == SOJOURN_DELETED);
		world_verify(&w);
		upkeep_now(&w, 8);
		for (unsigned i = 0; i < 2; i++)
			MUST(!is_in(&w, ref[i], SOJ_LIVE));
		world_end(&w);
	}
}

int main(int argc, char **argv)
{
	static const struct found_case cases[] = {
		{"late-repairer", late_repairer},
		{"chunk-of-another", chunk_of_another},
		{"chunk-of-a-slow-reclaimer", chunk_of_a_slow_reclaimer},
		{"chunk-scrubbed-meanwhile", chunk_scrubbed_meanwhile},
		{"delete-stalled", delete_stalls},
		{"delete-stalled-for-long", delete_stalled_for_long},
		{"renewer-comes-back", renewer_comes_back},
		{"renewer-comes-back-late", renewer_comes_back_late},
		{"renewer-finds-expired", renewer_finds_expired},
		{"renewer-finds-expired-and-reused",
		 renewer_finds_expired_and_reused},
		{"old-id-reads-its-writes", old_id_reads_its_writes},
		{"logout-takes-the-old-id", logout_takes_the_old_id},
	};

	return found_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
