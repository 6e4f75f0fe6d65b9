/* SPDX-License-Identifier: MIT */

/* Scenes, and what can be seen of them. */

#include "explore/lib_scene.h"

#include <errno.h>
#include <sojourn/collection.h>
#include <sojourn/lock.h>
#include <sojourn/remember.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define RENEWAL_MS 600000u
#define IDLE_MS    3000000u

static const char *const names[SCENES] = {"people", "cap-reject", "cap-oldest",
					  "full"};

const char *const scene_key[KEYS] = {"nobody's", "anna's", "absent", "counted"};

const struct soj_anchor scene_anchor = {.bytes = {1, 2, 3}};

const char *scene_name(enum scene_kind kind)
{
	return names[kind];
}

struct sojourn_item scene_item(unsigned key)
{
	return (struct sojourn_item){.collection = SOJOURN_COLLECTION_CSRF,
				     .key = scene_key[key],
				     .key_bytes = strlen(scene_key[key])};
}

/* ---- making one ---- */

static void must(int rc, const char *what)
{
	if (rc < 0)
		failed("preparing, %s: %d %s", what, rc, sojourn_error_text());
}

static void login(struct scene *sc, enum person who, const char *subject,
		  uint64_t ttl_ms)
{
	uint8_t value[SCENE_VALUE_BYTES];
	struct sojourn_new n = {.subject = subject,
				.data = value,
				.data_bytes = sizeof(value),
				.ttl_ms = ttl_ms};

	value_fill(value, sizeof(value), 10 + who);
	must(sojourn_session_create(sc->st.w.s, &n, sc->id[who], NULL),
	     "login");
}

static void rename_target(struct scene *sc)
{
	struct sojourn_info info = {0};

	world_advance(&sc->st.w, 10);
	memcpy(sc->id[OLD], sc->id[TARGET], sizeof(sc->id[OLD]));
	must(sojourn_session_renew(sc->st.w.s, sc->id[OLD], &info), "renew");
	memcpy(sc->id[TARGET], info.new_id, sizeof(sc->id[TARGET]));
}

static void put_things(struct scene *sc)
{
	const struct sojourn_item counted = scene_item(3);
	uint8_t value[SCENE_VALUE_BYTES];

	for (unsigned key = 0; key < 2; key++) {
		const struct sojourn_item item = scene_item(key);
		const struct sojourn_value v = {.data = value,
						.data_bytes = sizeof(value),
						.subject = key == 1 ? "anna"
								    : NULL};

		value_fill(value, sizeof(value), 1 + key);
		must(sojourn_put(sc->st.w.s, &item, &v, NULL), "put");
	}
	must(sojourn_count_add(sc->st.w.s, &counted, 3, 0, NULL), "count");
}

/* One that is over by time, and one that is deleted: upkeep has to do. */
static void prepare_people_there(struct scene *sc)
{
	const struct sojourn_new family = {
		.subject = "anna", .data = "abc", .data_bytes = 3};
	char gone[SOJOURN_ID_CHARS_MAX + 1];

	login(sc, LATER, "anna", 0);
	login(sc, OVER, "anna", 3000);
	memcpy(gone, sc->id[OVER], sizeof(gone));
	login(sc, OVER, "anna", 3000);
	must(sojourn_session_delete(sc->st.w.s, gone), "delete");
	put_things(sc);
	must(sojourn_remember_create(sc->st.w.s, &family, sc->token, NULL),
	     "token");
}

static void note_handles(struct scene *sc)
{
	const struct sojourn_read only = {.no_touch = true, .no_renew = true};
	struct sojourn_info info = {0};
	size_t none = 0;

	for (unsigned i = 0; i < PEOPLE; i++)
		if (sc->id[i][0] && i != OLD &&
		    sojourn_session_read(sc->st.w.s, sc->id[i], &only, NULL,
					 NULL, &info) == 0)
			memcpy(sc->handle[i], info.handle, sizeof(info.handle));
	for (unsigned key = 0; key < KEYS; key++) {
		const struct sojourn_item item = scene_item(key);

		if (sojourn_get(sc->st.w.s, &item, &only, NULL, &none, &info) ==
		    0)
			memcpy(sc->item_handle[key], info.handle,
			       sizeof(info.handle));
	}
}

/* ---- lists and scans ---- */

/* Four bits of the number for each; the last ones for those who are new. */
void scene_met(const struct scene *sc, const char *handle, uint64_t *number)
{
	unsigned at = PEOPLE + KEYS;

	for (unsigned i = 0; i < PEOPLE; i++)
		if (strcmp(sc->handle[i], handle) == 0)
			at = i;
	for (unsigned key = 0; key < KEYS; key++)
		if (strcmp(sc->item_handle[key], handle) == 0)
			at = PEOPLE + key;
	if ((*number >> 4 * at & 15) < 15)
		*number += UINT64_C(1) << 4 * at;
}

/* Of a login whose older ones are refused: there is a mark. */
static void issue_access_token(struct scene *sc)
{
	must(soj_mark_anchor(sc->st.w.s, &scene_anchor, false), "mark");
	must(soj_mark_new(sc->st.w.s, &scene_anchor, "anna", &sc->marks),
	     "marks");
}

bool scene_open(struct scene *sc, enum scene_kind kind)
{
	struct world_options o = {.entries = kind == SCENE_FULL ? 6 : 20,
				  .units = 5,
				  .slots = 6,
				  .events = 64,
				  .idle_ms = IDLE_MS,
				  .renewal_ms = RENEWAL_MS,
				  .evict = kind == SCENE_FULL};

	memset(sc, 0, sizeof(*sc));
	sc->kind = kind;
	sched_random();
	if (kind == SCENE_REJECT || kind == SCENE_OLDEST)
		o.cap = 3;
	if (kind == SCENE_OLDEST)
		o.when_over = SOJOURN_WHEN_OVER_EVICT_OLDEST;
	if (!world_make(&sc->st.w, &o))
		return false;
	login(sc, OTHER, "anna", 0);
	login(sc, TARGET, "anna", 0);
	login(sc, BERTS, "bert", 0);
	if (kind == SCENE_PEOPLE)
		prepare_people_there(sc);
	rename_target(sc);
	if (kind == SCENE_OLDEST)
		login(sc, LATER, "anna", 0);
	if (kind == SCENE_FULL) {
		login(sc, LATER, "anna", 0);
		login(sc, OVER, "anna", 3000);
	}
	world_advance(&sc->st.w, RENEWAL_MS + 1);
	note_handles(sc);
	if (kind == SCENE_PEOPLE)
		issue_access_token(sc);
	stage_open(&sc->st);
	return true;
}

/* ---- looking ---- */

static void say(struct outcome *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(struct outcome *out, const char *format, ...)
{
	va_list args;

	if (out->count == LINES_MAX)
		return;
	va_start(args, format);
	vsnprintf(out->line[out->count++], LINE_CHARS, format, args);
	va_end(args);
}

/* Everybody whose id is known. */
struct cast {
	const struct scene *sc;
	const struct actor *actors;
	unsigned count, dead;
	/* Who is killed may have no time left to say that it was used, and who
	 * loses a renewal leaves that to the one who has the new id. */
	bool uses;
	char handle[PEOPLE + ACTORS_MAX][SOJOURN_HANDLE_CHARS + 1];
	char item_handle[KEYS][SOJOURN_HANDLE_CHARS + 1];
	unsigned seen[PEOPLE + ACTORS_MAX], others;
};

static const char *const person_name[PEOPLE + ACTORS_MAX] = {
	"other", "target",    "old",       "later",    "over",
	"bert",  "made by 0", "made by 1", "made by 2"};

static const char *id_of(const struct cast *c, unsigned i)
{
	if (i < PEOPLE)
		return c->sc->id[i];
	if (i - PEOPLE >= c->count || (c->dead >> (i - PEOPLE) & 1))
		return "";
	return c->actors[i - PEOPLE].r.id;
}

static const char *name_of(const struct cast *c, const char *id)
{
	if (id[0] == 0)
		return "-";
	for (unsigned i = 0; i < PEOPLE + ACTORS_MAX; i++)
		if (strcmp(id, id_of(c, i)) == 0)
			return person_name[i];
	return "new";
}

static void look_at(struct cast *c, unsigned i, const char *when,
		    struct outcome *out)
{
	const struct sojourn_read only = {.no_touch = true, .no_renew = true};
	uint8_t value[64];
	size_t bytes = sizeof(value);
	struct sojourn_info info = {0};
	const char *id = id_of(c, i);
	uint64_t number = 0;
	int rc;

	if (id[0] == 0 || strlen(id) != strlen(c->sc->id[TARGET]))
		return;
	rc = sojourn_session_read(c->sc->st.w.s, id, &only, value, &bytes,
				  &info);
	if (rc < 0) {
		say(out, "%s %s: %d", when, person_name[i], rc);
		return;
	}
	memcpy(&number, value, 8);
	if (!value_is(value, bytes, number))
		failed("%s %s: a value of two halves", when, person_name[i]);
	memcpy(c->handle[i], info.handle, sizeof(c->handle[i]));
	say(out, "%s %s: is %d, version %d, renewed %u, %d to %s", when,
	    person_name[i], (int)number, (int)info.version, info.renewals,
	    (int)info.renewal, name_of(c, info.new_id));
	if (c->uses)
		say(out, "%s %s: used at %d", when, person_name[i],
		    (int)info.accessed_ms);
}

static int meet(void *arg, const struct sojourn_info *info)
{
	struct cast *c = arg;

	for (unsigned i = 0; i < PEOPLE + ACTORS_MAX; i++)
		if (strcmp(c->handle[i], info->handle) == 0) {
			c->seen[i]++;
			return 0;
		}
	c->others++;
	return 0;
}

static void look_at_list(struct cast *c, const char *when, struct outcome *out)
{
	int rc = sojourn_session_list_subject(c->sc->st.w.s, "anna", NULL, meet,
					      c);

	if (rc < 0)
		say(out, "%s list: %d", when, rc);
	for (unsigned i = 0; i < PEOPLE + ACTORS_MAX; i++)
		if (c->seen[i] > 0)
			say(out, "%s list: %s, %u times", when, person_name[i],
			    c->seen[i]);
	if (c->others > 0)
		say(out, "%s list: others", when);
}

static void look_at_items(struct cast *c, const char *when, struct outcome *out)
{
	for (unsigned key = 0; key < KEYS; key++) {
		const struct sojourn_item item = scene_item(key);
		const struct sojourn_read only = {.no_touch = true};
		uint8_t value[64];
		size_t bytes = sizeof(value);
		struct sojourn_info info = {0};
		uint64_t number = 0;
		int rc = sojourn_get(c->sc->st.w.s, &item, &only, value, &bytes,
				     &info);

		memcpy(c->item_handle[key], info.handle, sizeof(info.handle));
		memcpy(&number, value, 8);
		say(out, "%s item %s: %d, is %d, of %s", when, scene_key[key],
		    rc, rc == 0 ? (int)number : 0,
		    rc == 0 ? info.subject : "nobody");
	}
}

/* Access tokens: the one of before, and those issued meanwhile. */
static void look_at_marks(struct cast *c, const char *when, struct outcome *out)
{
	struct sojourn *s = c->sc->st.w.s;

	say(out, "%s access token: %d", when,
	    (int)soj_mark_check(s, &scene_anchor, "anna", &c->sc->marks));
	for (unsigned i = 0; i < c->count; i++) {
		const struct soj_marks *marks = &c->actors[i].r.marks;

		if (marks->anchor && !(c->dead >> i & 1))
			say(out, "%s access token by %u: %d", when, i,
			    (int)soj_mark_check(s, &scene_anchor, "anna",
						marks));
	}
}

static void look(struct cast *c, const char *when, struct outcome *out)
{
	memset(c->handle, 0, sizeof(c->handle));
	memset(c->seen, 0, sizeof(c->seen));
	c->others = 0;
	for (unsigned i = 0; i < PEOPLE + ACTORS_MAX; i++)
		look_at(c, i, when, out);
	look_at_list(c, when, out);
	if (c->sc->kind != SCENE_PEOPLE)
		return;
	look_at_items(c, when, out);
	look_at_marks(c, when, out);
}

/* Whoever is there in the end was there throughout: nothing comes back. */
static void check_met(const struct cast *c, const struct actor *a)
{
	static const enum person throughout[] = {OTHER, TARGET, LATER};
	const struct scene *sc = c->sc;
	uint64_t number = a->r.number, renewed = number >> 4 * (PEOPLE + KEYS);

	for (unsigned i = 0; a->op->flags & OP_LISTS && i < 3; i++) {
		enum person who = throughout[i];

		if (sc->handle[who][0] && c->handle[who][0] &&
		    (number >> 4 * who & 15) == 0 &&
		    (who != TARGET || renewed == 0))
			failed("%s did not meet %s", a->op->name,
			       person_name[who]);
	}
	for (unsigned key = 0; a->op->flags & OP_SCANS && key < KEYS; key++)
		if (sc->item_handle[key][0] &&
		    strcmp(sc->item_handle[key], c->item_handle[key]) == 0 &&
		    (number >> 4 * (PEOPLE + key) & 15) != 1)
			failed("%s met the item %s not once", a->op->name,
			       scene_key[key]);
}

/* What cannot be looked at without a change. */
static void look_and_use(struct cast *c, struct outcome *out)
{
	struct sojourn *s = c->sc->st.w.s;
	struct sojourn_info info = {0};
	char next[64] = "";
	uint64_t fence;
	int rc;

	say(out, "lock: %d",
	    sojourn_session_lock(s, c->sc->id[TARGET], 0, 0, &fence));
	if (c->sc->token[0] == 0)
		return;
	rc = sojourn_remember_use(s, c->sc->token, NULL, next, NULL, NULL,
				  &info);
	/* A use by a dead thread was made by somebody all the same. */
	say(out, "token: %d, to %s", rc, c->dead ? "?" : name_of(c, next));
	if (rc == 0 &&
	    sojourn_remember_use(s, next, NULL, next, NULL, NULL, &info) != 0)
		failed("the next token is no good: %s", sojourn_error_text());
}

/* ---- the end of it ---- */

static void drain(struct scene *sc)
{
	const struct sojourn_filter items = {.collection =
						     SOJOURN_COLLECTION_ANY};
	struct world *w = &sc->st.w;
	const struct soj_seg *seg = &w->s->st.seg;

	if (sojourn_session_delete_subject(w->s, "anna", NULL) < 0 ||
	    sojourn_session_delete_subject(w->s, "bert", NULL) < 0 ||
	    sojourn_clear(w->s, &items) < 0)
		failed("clearing: %s", sojourn_error_text());
	/* Marks of what was revoked end by time only. */
	world_advance(w, 2 * 86400000);
	if (sojourn_prune(w->s) < 0)
		failed("pruning: %s", sojourn_error_text());
	world_upkeep(w);
	for (uint32_t i = 1; i <= seg->lay.entries_max; i++)
		if (soj_state_phase(soj_load_relaxed(&seg->entry_states[i])) !=
		    SOJ_FREE)
			failed("entry %u is not free after the drain", i);
	for (uint32_t u = 0; u < seg->lay.units; u++) {
		enum soj_unit_phase phase =
			soj_unit_phase(soj_load_relaxed(&seg->units[u]));

		if (phase == SOJ_UNIT_OWNED || phase == SOJ_UNIT_DRAINING)
			failed("unit %u is in phase %d after the drain", u,
			       (int)phase);
	}
	world_fsck(w, true);
}

void scene_look(struct scene *sc, const struct actor *actors, unsigned count,
		unsigned dead, bool deep, struct outcome *out)
{
	struct cast c = {
		.sc = sc, .actors = actors, .count = count, .dead = dead};

	out->count = 0;
	c.uses = dead == 0;
	for (unsigned i = 0; i < count; i++)
		c.uses &= !(actors[i].op->flags & OP_RENEWS);
	if (deep)
		world_fsck(&sc->st.w, false);
	for (unsigned i = 0; i < count; i++) {
		const struct result *r = &actors[i].r;

		if (dead >> i & 1)
			continue;
		if (actors[i].op->flags & OP_ANY_ANSWER)
			say(out, "%u answers", i);
		else
			say(out, "%u answers %d, renewal %d, number %d, id %s",
			    i, r->rc, r->renewal, (int)r->number,
			    name_of(&c, r->id));
	}
	if (dead == 0)
		look(&c, "at once", out);
	world_upkeep(&sc->st.w);
	look(&c, "then", out);
	for (unsigned i = 0; i < count; i++)
		if (!(dead >> i & 1) && actors[i].r.rc >= 0)
			check_met(&c, &actors[i]);
	look_and_use(&c, out);
	if (deep)
		drain(sc);
}
