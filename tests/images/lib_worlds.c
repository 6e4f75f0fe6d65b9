/* SPDX-License-Identifier: MIT */

/* What operations find.  How to add one: lib_table.h. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "images/lib_table.h"
#include "session/id.h"
#include "store/event.h"

#define PERSON_BYTES 120u
#define BULK_BYTES   8000u
#define STANDING_MAX 8u

static pid_t standing[STANDING_MAX];
static unsigned standing_count;

/* lib_world's has no other way to end one that stands: here it stays, and its
 * mutex is marked as at its death, in each image anew. */
static struct world *standing_in;

void victim_kill(struct victim *v)
{
	if (v->pid > 0)
		mark_dead(standing_in, (uint32_t)v->pid);
}

/* For judges by labels, which are linked but not called: here are none. */
uint32_t passed(const struct report *r, const char *label)
{
	(void)r;
	fprintf(stderr, "no label %s in the library as it is shipped\n", label);
	abort();
}

void leavings_end(void)
{
	for (unsigned i = 0; i < standing_count; i++) {
		kill(standing[i], SIGKILL);
		waitpid(standing[i], NULL, 0);
	}
	standing_count = 0;
}

void leave_behind(struct world *w, const char *name, unsigned thousandths,
		  bool alive)
{
	const struct stand how = {.thousandths = thousandths, .alive = alive};

	leave_at(w, name, &how);
}

/* Goes there; false: the run does not come by. */
static bool go_to(struct world *w, struct cursor *c, const struct stand *how)
{
	do {
		if (!how->there &&
		    c->nth >= c->rec->changes * how->thousandths / 1000)
			return true;
		if (!how->there)
			continue;
		cursor_put(c, w, false);
		if (how->there(w, c, how->arg))
			return true;
	} while (cursor_next(c));
	return false;
}

void leave_at(struct world *w, const char *name, const struct stand *how)
{
	static struct world before;
	static uint64_t turn;
	const struct row *row = row_find(name);
	struct record *rec = record_new(w->s->st.seg.bytes);
	struct recording what = {.how = BY_STORE,
				 .run = row->run,
				 .keep = how->alive,
				 .seed = mix(w->next_number, ++turn)};
	unsigned decisions;
	struct cursor c;
	pid_t pid;
	int k;

	forget_self(w);
	pid = record_run(rec, w, &what);
	if (pid < 0)
		return;
	decisions = row_decisions(row, w, &rec->report);
	cursor_init(&c, rec);
	if (!go_to(w, &c, how))
		failed("%s does not come by where it should stay", name);
	cursor_put(&c, w, !how->alive);
	w->in_flight++;
	w->begun++;
	world_copy(&before, w);
	k = find_outcome(row, w, &before, &rec->report, 0, decisions);
	if (k < 0)
		failed("%s left behind is neither before nor after", name);
	forget_self(w);
	cursor_put(&c, w, !how->alive);
	cursor_deinit(&c);
	record_free(rec);
	if (!how->alive || standing_count == STANDING_MAX)
		return;
	standing[standing_count++] = pid;
	standing_in = w;
	w->sleeper.pid = pid;
	w->has_sleeper = w->standing = true;
}

/* ---- small ones ---- */

static void prepare_nobody(struct world *w)
{
	w->target = w->bystander =
		(unsigned)world_create(w, "anna", PERSON_BYTES);
	world_delete(w, w->target, false);
	world_upkeep(w);
}

static void prepare_idle_out(struct world *w)
{
	prepare_people(w);
	world_advance(w, 70000);
	for (unsigned i = 0; i < w->count; i++)
		w->known[i].fate = GONE;
	w->bystander = (unsigned)world_create(w, "anna", PERSON_BYTES);
	world_create(w, "bert", PERSON_BYTES);
}

static void prepare_things(struct world *w)
{
	prepare_items(w);
	w->bystander = 0;
	w->target = 1;
}

static void prepare_many(struct world *w)
{
	prepare_people(w);
	for (unsigned i = 0; i < 12; i++)
		world_create(w, "anna", PERSON_BYTES);
	world_renew(w, 5, false);
	world_delete(w, 7, false);
}

static void prepare_window_over(struct world *w)
{
	prepare_renewed(w);
	world_advance(w, WORLD_GRACE_MS + 1);
	w->known[w->target].old_gone = 1;
}

/* ---- full ones ---- */

/* Two pages of bulk, half of it gone, and no unit left. */
static void prepare_last_chunk(struct world *w)
{
	unsigned first;

	prepare_people(w);
	first = w->count;
	w->full = true;
	while (world_create(w, "bulk", BULK_BYTES) >= 0)
		;
	for (unsigned i = first; i < w->count; i++)
		if ((i - first) % 40 > 1)
			world_delete(w, i, false);
	world_upkeep(w);
}

/* Not one chunk more. */
static void prepare_no_memory(struct world *w)
{
	prepare_people(w);
	w->full = true;
	while (world_create(w, "bulk", BULK_BYTES) >= 0)
		;
	while (world_create(w, "more", 2 * PERSON_BYTES) >= 0)
		;
}

static uint32_t bucket_of(struct world *w, const char *id)
{
	struct soj_digest digest;

	if (!soj_id_digest(w->s, id, &digest))
		return UINT32_MAX;
	return (uint32_t)soj_scale(digest.word[0], w->s->st.seg.lay.buckets);
}

/* Fifteen places, all taken. */
static void prepare_full_bucket(struct world *w)
{
	uint32_t bucket;

	prepare_people(w);
	bucket = bucket_of(w, w->known[w->bystander].id);
	for (unsigned have = 1; have < SOJ_BUCKET_PLACES;) {
		int made;

		have = 0;
		for (unsigned i = 0; i < w->count; i++)
			have += w->known[i].fate == LIVES &&
				bucket_of(w, w->known[i].id) == bucket;
		if (have == SOJ_BUCKET_PLACES)
			break;
		made = world_create(w, "crowd", 8);
		if (made < 0)
			return;
		if (bucket_of(w, w->known[made].id) == bucket)
			continue;
		world_delete(w, (unsigned)made, false);
		w->count--; /* nobody asks for it again */
		world_upkeep(w);
	}
}

/* ---- others ---- */

static void prepare_renewing(struct world *w)
{
	prepare_people(w);
	world_advance(w, 10);
	leave_behind(w, "renew", 550, true);
}

static void prepare_renewing_dead(struct world *w)
{
	prepare_people(w);
	world_advance(w, 10);
	leave_behind(w, "renew", 550, false);
}

static void prepare_renewed_dead(struct world *w)
{
	prepare_people(w);
	world_advance(w, 10);
	leave_behind(w, "renew", 880, false);
}

static void prepare_stander(struct world *w)
{
	prepare_people(w);
	leave_behind(w, "list", 850, true);
	world_delete(w, 2, false);
	forget_self(w);
}

static void prepare_updating(struct world *w)
{
	prepare_people(w);
	leave_behind(w, "update", 700, true);
}

static void prepare_helper(struct world *w)
{
	prepare_people(w);
	leave_behind(w, "helper sleeps", 1000, true);
}

static void prepare_helper_dead(struct world *w)
{
	prepare_expired(w);
	leave_behind(w, "helper sleeps", 1000, false);
}

/* Each at another point of something else; they are about other sessions. */
static void prepare_dead(struct world *w)
{
	unsigned target = w->target;

	prepare_renewed(w);
	target = w->target;
	leave_behind(w, "create", 300, false);
	leave_behind(w, "create", 600, false);
	leave_behind(w, "create", 900, false);
	w->target = 0;
	leave_behind(w, "update", 800, false);
	w->target = 2;
	leave_behind(w, "delete", 600, false);
	w->target = 3;
	leave_behind(w, "update larger", 950, false);
	w->target = target;
}

/* Nobody has a slot left but the dead.  Of these one owned something; who dies
 * in a world with one slot leaves none but his own, with all that he owned. */
static void prepare_slots_dead(struct world *w)
{
	prepare_people(w);
	forget_self(w);
	for (uint32_t i = 0; i < w->s->st.seg.lay.slots_max; i++)
		leave_behind(w, i == 1 ? "create" : "read", i == 1 ? 700 : 1000,
			     false);
}

/* Nobody has the one slot. */
static void prepare_alone(struct world *w)
{
	prepare_people(w);
	world_let_go(w);
}

/* One is a dead maker's; the other is the victim's. */
static void prepare_slots_owned(struct world *w)
{
	prepare_people(w);
	leave_behind(w, "create", 700, false);
}

/* Its lock is a dead thread's. */
static void prepare_locked_dead(struct world *w)
{
	prepare_people(w);
	leave_behind(w, "lock", 1000, false);
}

/* Five of a subject that may have three; who made the fifth is dead. */
static void prepare_over_the_cap(struct world *w)
{
	prepare_crowd(w);
	leave_behind(w, "create over the cap", 700, false);
}

/* The last event is not all there. */
static bool is_telling(struct world *w, const struct cursor *c, void *arg)
{
	uint64_t next = soj_event_next(&w->s->st.seg), oldest = 1;
	struct soj_event event;

	(void)c;
	(void)arg;
	return next > 1 && soj_event_read(&w->s->st.seg, next - 1, &event,
					  &oldest) == -EAGAIN;
}

static void prepare_told_by_dead(struct world *w)
{
	const struct stand how = {.there = is_telling};

	prepare_people(w);
	leave_at(w, "create", &how);
	leave_at(w, "delete", &how);
}

static void prepare_telling(struct world *w)
{
	const struct stand how = {.there = is_telling, .alive = true};

	prepare_people(w);
	leave_at(w, "delete", &how);
}

/* Its next change fills an empty place of a bucket: which, with what? */
struct filling {
	uint64_t word, value;
};

static bool fills_a_place(struct world *w, const struct cursor *c, void *arg)
{
	const uint8_t *buckets = (const void *)w->s->st.seg.buckets;
	uint64_t first = (uint64_t)(buckets - w->s->st.seg.base) / 8;
	uint64_t words =
		w->s->st.seg.lay.buckets * (sizeof(struct soj_shm_bucket) / 8);
	struct filling *next = arg;

	if (c->nth == c->rec->changes || c->at[3] != 1)
		return false;
	next->word = c->at[4];
	next->value = c->at[5];
	return next->word >= first && next->word < first + words &&
	       !soj_place_empty(next->value) &&
	       (next->word - first) % (sizeof(struct soj_shm_bucket) / 8) != 0;
}

/*
 * A place that names an entry which is long free: the next store of a maker
 * who was repaired before he made it.  The dead make none, so this is what
 * somebody leaves who was taken for dead, or a damaged word; upkeep mends it.
 */
static void prepare_stray(struct world *w)
{
	struct filling next = {0};
	const struct stand how = {.there = fills_a_place, .arg = &next};
	uint64_t *words = (void *)w->s->st.seg.base;

	prepare_people(w);
	leave_at(w, "create", &how);
	world_upkeep(w);
	world_settle(w);
	world_fsck(w, true);
	forget_self(w);
	if (next.value == 0 || words[next.word] != 0)
		failed("there is no such place");
	words[next.word] = next.value;
}

const struct place places[] = {
	{.name = "nobody", .prepare = prepare_nobody},
	{.name = "people", .prepare = prepare_people},
	{.name = "people, warm", .prepare = prepare_people, .warm = true},
	{.name = "grace window", .prepare = prepare_renewed},
	{.name = "grace window, warm",
	 .prepare = prepare_renewed,
	 .warm = true},
	{.name = "two grace windows", .prepare = prepare_renewed_twice},
	{.name = "grace window over", .prepare = prepare_window_over},
	{.name = "touch due",
	 .world = {.idle_ms = 60000},
	 .prepare = prepare_stale},
	{.name = "renewal due",
	 .world = {.renewal_ms = 600000},
	 .prepare = prepare_due},
	{.name = "expired", .prepare = prepare_expired},
	{.name = "idle for too long",
	 .world = {.idle_ms = 60000},
	 .prepare = prepare_idle_out},
	{.name = "many of one subject",
	 .world = {.entries = 24},
	 .prepare = prepare_many},
	{.name = "items", .prepare = prepare_things},
	{.name = "full of entries",
	 .world = {.entries = 8, .units = 3},
	 .prepare = prepare_full},
	{.name = "full of expired ones",
	 .world = {.entries = 8, .units = 3},
	 .prepare = prepare_full_expired},
	{.name = "full, evicting",
	 .world = {.entries = 12, .units = 3, .evict = true},
	 .prepare = prepare_full},
	{.name = "full bucket",
	 .world = {.entries = 24},
	 .prepare = prepare_full_bucket,
	 .aimed = true},
	{.name = "last chunks",
	 .world = {.entries = 96, .units = 3},
	 .prepare = prepare_last_chunk},
	{.name = "no memory",
	 .world = {.entries = 64, .units = 2},
	 .prepare = prepare_no_memory},
	{.name = "renewing by another", .prepare = prepare_renewing},
	{.name = "renewing by a dead one", .prepare = prepare_renewing_dead},
	{.name = "renewed by a dead one", .prepare = prepare_renewed_dead},
	{.name = "updating by another", .prepare = prepare_updating},
	{.name = "stands in a section", .prepare = prepare_stander},
	{.name = "helper present", .prepare = prepare_helper},
	{.name = "helper dead", .prepare = prepare_helper_dead},
	{.name = "leavings of the dead",
	 .world = {.entries = 24, .slots = 16},
	 .prepare = prepare_dead},
	{.name = "people, events",
	 .world = {.events = 64},
	 .prepare = prepare_people},
	{.name = "grace window, events",
	 .world = {.events = 64},
	 .prepare = prepare_renewed},
	{.name = "slots of the dead",
	 .world = {.slots = 4},
	 .prepare = prepare_slots_dead},
	{.name = "one slot", .world = {.slots = 1}, .prepare = prepare_alone},
	{.name = "two slots, one a dead maker's",
	 .world = {.slots = 2},
	 .prepare = prepare_slots_owned},
	{.name = "stray place in a bucket", .prepare = prepare_stray},
	{.name = "half told",
	 .kind = TELLING,
	 .world = {.events = 64},
	 .prepare = prepare_told_by_dead},
	{.name = "telling",
	 .kind = TELLING,
	 .world = {.events = 64},
	 .prepare = prepare_telling},
	{.name = "locked by a dead one", .prepare = prepare_locked_dead},
	{.name = "sealed",
	 .world = {.sealed = true},
	 .prepare = prepare_renewed},
	{.name = "sealed, full",
	 .world = {.entries = 8, .units = 3, .sealed = true},
	 .prepare = prepare_full},
	{.name = "sealed, items",
	 .world = {.units = 8, .sealed = true},
	 .prepare = prepare_things},
	{.name = "cap, room",
	 .kind = CAPPED,
	 .world = {.cap = 8},
	 .prepare = prepare_crowd},
	{.name = "cap, rejected",
	 .kind = CAPPED,
	 .world = {.cap = 4},
	 .prepare = prepare_crowd},
	{.name = "cap, the oldest end",
	 .kind = CAPPED,
	 .world = {.cap = 3, .when_over = SOJOURN_WHEN_OVER_EVICT_OLDEST},
	 .prepare = prepare_crowd},
	{.name = "cap, all others end",
	 .kind = CAPPED,
	 .world = {.cap = 1, .when_over = SOJOURN_WHEN_OVER_EXCLUSIVE},
	 .prepare = prepare_crowd},
	{.name = "over the cap by a dead one",
	 .kind = CAPPED,
	 .world = {.cap = 3, .when_over = SOJOURN_WHEN_OVER_EVICT_OLDEST},
	 .prepare = prepare_over_the_cap},
	{.name = "tokens", .kind = TOKENS, .prepare = prepare_no_pair},
	{.name = "a pair", .kind = PAIRS, .prepare = prepare_pair},
	{.name = "a pair, warm",
	 .kind = PAIRS,
	 .prepare = prepare_pair,
	 .warm = true},
	{.name = "a pair, sealed",
	 .kind = PAIRS,
	 .world = {.sealed = true},
	 .prepare = prepare_pair},
};

const unsigned places_count = sizeof(places) / sizeof(places[0]);

bool row_fits(const struct row *row, const struct place *place)
{
	unsigned where = row->where ? row->where : ORDINARY;

	return where & (place->kind ? place->kind : ORDINARY);
}

const struct row *row_find(const char *name)
{
	for (unsigned i = 0; i < rows_count; i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}
