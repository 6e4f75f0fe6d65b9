/* SPDX-License-Identifier: MIT */

/* What actors do. */

#include <errno.h>
#include <string.h>

#include "explore/lib_scene_ops.h"
#include "helper/expiry.h"
#include "session/id.h"

const char *actor_target(const struct actor *a)
{
	return a->scene->id[TARGET];
}

void actor_value(const struct actor *a, uint8_t value[SCENE_VALUE_BYTES])
{
	value_fill(value, SCENE_VALUE_BYTES, SCENE_NUMBER + a->idx);
}

void actor_found(struct actor *a, const uint8_t *value, size_t bytes)
{
	memcpy(&a->r.number, value, 8);
	if (!value_is(value, bytes, a->r.number))
		a->r.number = UINT64_MAX; /* of two halves */
}

static struct soj_worker *worker_of(struct sojourn *s)
{
	return &soj_self(s)->w;
}

/* ---- logins ---- */

static void create(struct actor *a, struct sojourn *s, bool exclusive)
{
	uint8_t value[SCENE_VALUE_BYTES];
	struct sojourn_new n = {.subject = "anna",
				.data = value,
				.data_bytes = sizeof(value),
				.exclusive = exclusive};

	actor_value(a, value);
	a->r.rc = sojourn_session_create(s, &n, a->r.id, NULL);
	if (a->r.rc < 0)
		a->r.id[0] = 0;
}

static void op_create(struct actor *a, struct sojourn *s)
{
	create(a, s, false);
}

static void op_create_exclusive(struct actor *a, struct sojourn *s)
{
	create(a, s, true);
}

/* Ended with all others of its subject while it was in the making. */
static void op_superseded(struct actor *a, struct sojourn *s)
{
	(void)s;
	a->r.rc = -ECANCELED;
}

/*
 * Over the cap with a login that is being made: it counts, and then its maker
 * is killed, or it is an exclusive one and ends those that it was counted with.
 */
static void op_over_cap(struct actor *a, struct sojourn *s)
{
	if (a->scene->kind == SCENE_REJECT)
		a->r.rc = -EUSERS;
	else
		create(a, s, false);
}

static void read(struct actor *a, struct sojourn *s, const char *id,
		 bool no_renew, bool no_touch)
{
	const struct sojourn_read how = {.no_renew = no_renew,
					 .no_touch = no_touch};
	uint8_t value[64];
	size_t bytes = sizeof(value);
	struct sojourn_info info = {0};

	a->r.rc = sojourn_session_read(s, id, &how, value, &bytes, &info);
	if (a->r.rc != 0)
		return;
	actor_found(a, value, bytes);
	a->r.renewal = (int)info.renewal;
	memcpy(a->r.id, info.new_id, sizeof(info.new_id));
}

static void op_read(struct actor *a, struct sojourn *s)
{
	read(a, s, actor_target(a), false, false);
}

/* Another is renewing it: the one who gets the new id makes it used. */
static void op_read_meanwhile(struct actor *a, struct sojourn *s)
{
	read(a, s, actor_target(a), true, true);
	if (a->r.rc == 0)
		a->r.renewal = SOJOURN_RENEWAL_HERE;
}

/* Gives it its new id, which others are told, and learns that it has been ended
 * before it can tell it to anybody itself. */
static void op_read_ended(struct actor *a, struct sojourn *s)
{
	read(a, s, actor_target(a), false, false);
	a->r = (struct result){.rc = -ENOENT};
}

static void op_look(struct actor *a, struct sojourn *s)
{
	read(a, s, actor_target(a), true, false);
}

/* For the data alone: the short way, which opens no section. */
static void op_glance(struct actor *a, struct sojourn *s)
{
	const struct sojourn_read how = {.no_renew = true};
	uint8_t value[64];
	size_t bytes = sizeof(value);

	a->r.rc = sojourn_session_read(s, actor_target(a), &how, value, &bytes,
				       NULL);
	if (a->r.rc == 0)
		actor_found(a, value, bytes);
}

static void op_read_old(struct actor *a, struct sojourn *s)
{
	read(a, s, a->scene->id[OLD], true, false);
}

static void op_read_over(struct actor *a, struct sojourn *s)
{
	read(a, s, a->scene->id[OVER], true, false);
}

static void update(struct actor *a, struct sojourn *s, const char *id)
{
	uint8_t value[SCENE_VALUE_BYTES];

	actor_value(a, value);
	a->r.rc = sojourn_session_update(s, id, value, sizeof(value), 0,
					 &a->r.number);
}

static void op_update(struct actor *a, struct sojourn *s)
{
	update(a, s, actor_target(a));
}

static void op_update_old(struct actor *a, struct sojourn *s)
{
	update(a, s, a->scene->id[OLD]);
}

/* Reads what it writes over: the value says who was before. */
static int raise_number(void *arg, void *data, size_t *bytes, size_t capacity)
{
	const struct actor *a = arg;
	uint64_t number;

	(void)capacity;
	memcpy(&number, data, 8);
	value_fill(data, *bytes, number + 1000 * (a->idx + 1));
	return 0;
}

static void op_modify(struct actor *a, struct sojourn *s)
{
	a->r.rc = sojourn_session_modify(s, actor_target(a), 64, raise_number,
					 a, &a->r.number);
}

static void op_touch(struct actor *a, struct sojourn *s)
{
	a->r.rc = sojourn_session_touch(s, actor_target(a));
}

static void op_renew(struct actor *a, struct sojourn *s)
{
	struct sojourn_info info = {0};

	a->r.rc = sojourn_session_renew(s, actor_target(a), &info);
	a->r.renewal = (int)info.renewal;
	memcpy(a->r.id, info.new_id, sizeof(info.new_id));
}

static void op_renew_meanwhile(struct actor *a, struct sojourn *s)
{
	read(a, s, actor_target(a), true, false);
	a->r.number = 0;
	if (a->r.rc == 0)
		a->r.renewal = SOJOURN_RENEWAL_HERE;
}

static void op_renew_ended(struct actor *a, struct sojourn *s)
{
	op_renew(a, s);
	a->r = (struct result){.rc = -ENOENT};
}

static void op_delete(struct actor *a, struct sojourn *s)
{
	a->r.rc = sojourn_session_delete(s, actor_target(a));
}

/* Of a login that is being renewed each of two ended a part: both say so. */
static void op_delete_part(struct actor *a, struct sojourn *s)
{
	op_delete(a, s);
	a->r.rc = 1;
}

static void op_delete_old(struct actor *a, struct sojourn *s)
{
	a->r.rc = sojourn_session_delete(s, a->scene->id[OLD]);
}

/* Two that each ended a part of the line: both say so. */
static void op_delete_rest(struct actor *a, struct sojourn *s)
{
	op_delete_old(a, s);
	a->r.rc = 1;
}

static void op_delete_subject(struct actor *a, struct sojourn *s)
{
	a->r.rc = sojourn_session_delete_subject(s, "anna", NULL);
}

static void op_delete_others(struct actor *a, struct sojourn *s)
{
	a->r.rc =
		sojourn_session_delete_subject(s, "anna", a->scene->id[OTHER]);
}

static void op_full(struct actor *a, struct sojourn *s)
{
	struct soj_upkeep_work work;

	(void)s;
	soj_upkeep_full(&a->scene->st.up[a->idx], &work);
}

int actor_meets(void *arg, const struct sojourn_info *info)
{
	struct actor *a = arg;

	scene_met(a->scene, info->handle, &a->r.number);
	return 0;
}

static void op_list(struct actor *a, struct sojourn *s)
{
	a->r.rc = sojourn_session_list_subject(s, "anna", NULL, actor_meets, a);
}

/* Ends one, and uses its entry and chunk for others as soon as it may. */
static void op_reuse(struct actor *a, struct sojourn *s)
{
	struct sojourn_new n = {.subject = "bert"};
	char id[SOJOURN_ID_CHARS_MAX + 1];

	a->r.rc = sojourn_session_delete(s, a->scene->id[LATER]);
	op_full(a, s);
	for (unsigned i = 0; i < 2 && a->r.rc >= 0; i++)
		a->r.rc = sojourn_session_create(s, &n, id, NULL);
}

/* Writes, and what was written over is wiped as soon as it may be. */
static void op_rewrite(struct actor *a, struct sojourn *s)
{
	op_update(a, s);
	op_full(a, s);
}

/* ---- upkeep ---- */

static void op_expire(struct actor *a, struct sojourn *s)
{
	struct soj_expiry ex;

	a->r.rc = soj_expiry_init(&ex, &s->st, worker_of(s), 8);
	if (a->r.rc < 0)
		return;
	soj_expiry_rebuild(&ex);
	soj_expiry_step(&ex, soj_seg_now_ms(&s->st.seg));
	soj_expiry_deinit(&ex);
}

static void op_pass(struct actor *a, struct sojourn *s)
{
	struct soj_upkeep_work work;

	(void)s;
	for (unsigned i = 0; i < 3; i++)
		soj_upkeep_pass(&a->scene->st.up[a->idx], &work);
}

static void op_evict(struct actor *a, struct sojourn *s)
{
	a->r.rc = soj_evict_one(&s->st, worker_of(s),
				soj_seg_now_ms(&s->st.seg), SOJ_CLASSES);
}

static void op_relocate(struct actor *a, struct sojourn *s)
{
	uint32_t chunk = (uint32_t)-1;
	struct soj_found found;
	struct soj_digest digest;

	if (soj_id_digest(s, actor_target(a), &digest) &&
	    soj_index_find(&s->st, digest, &found) == 0)
		chunk = soj_ctl_chunk(found.ctl);
	if (chunk != (uint32_t)-1 && soj_chunk_state(&s->st, chunk))
		(void)soj_chunk_relocate(&s->st, worker_of(s), chunk);
}

void actor_fn(void *arg)
{
	struct actor *a = arg;

	operation_fn run =
		a->instead ? a->op->instead[a->instead - 1].run : a->op->run;

	run(a, a->scene->st.handle[a->idx]);
	/* What it would have told beside the answer. */
	if (a->r.rc < 0) {
		a->r.number = 0;
		a->r.id[0] = 0;
	}
}

/* ---- all of them ---- */

#define ON(kind) (1u << (kind))
#define ALL      (ON(SCENES) - 1)
#define CAPS     (ON(SCENE_REJECT) | ON(SCENE_OLDEST))
#define FIRST    ON(SCENE_PEOPLE)

const struct operation operations[] = {
	{"create",
	 op_create,
	 {{op_superseded, OP_ENDS_ALL | OP_CAPS, 0},
	  {op_over_cap, OP_EXCLUSIVE, OP_CAPS}},
	 OP_CAPS,
	 ALL,
	 ABOUT_ANNA},
	{"create-exclusive",
	 op_create_exclusive,
	 {{op_superseded, OP_ENDS_ALL, 0}},
	 OP_PARTIAL | OP_DELETES | OP_ENDS_ALL | OP_EXCLUSIVE,
	 FIRST | CAPS,
	 ABOUT_ANNA | ABOUT_TARGET},
	{"read",
	 op_read,
	 {{op_read_meanwhile, OP_RENEWS, 0},
	  {op_look, OP_LOCKS, 0},
	  {op_read_ended, OP_DELETES, 0}},
	 OP_PARTIAL | OP_RENEWS,
	 ALL,
	 ABOUT_TARGET},
	{"look", op_look, {{NULL, 0, 0}}, 0, FIRST, ABOUT_TARGET},
	{"glance", op_glance, {{NULL, 0, 0}}, 0, FIRST, ABOUT_TARGET},
	{"read-old", op_read_old, {{NULL, 0, 0}}, 0, FIRST, ABOUT_TARGET},
	{"read-over",
	 op_read_over,
	 {{NULL, 0, 0}},
	 0,
	 FIRST,
	 ABOUT_OVER | ABOUT_ANNA},
	{"update",
	 op_update,
	 {{op_locked_out, OP_LOCKS, 0}},
	 0,
	 ALL,
	 ABOUT_TARGET},
	{"update-old",
	 op_update_old,
	 {{op_locked_out, OP_LOCKS, 0}},
	 0,
	 FIRST,
	 ABOUT_TARGET},
	{"modify",
	 op_modify,
	 {{op_locked_out, OP_LOCKS, 0}},
	 0,
	 FIRST,
	 ABOUT_TARGET},
	{"touch", op_touch, {{NULL, 0, 0}}, 0, FIRST, ABOUT_TARGET},
	{"renew",
	 op_renew,
	 {{op_renew_meanwhile, OP_RENEWS, 0},
	  {op_locked_out, OP_LOCKS, 0},
	  {op_renew_ended, OP_DELETES, 0}},
	 OP_RENEWS,
	 ALL,
	 ABOUT_TARGET},
	{"delete",
	 op_delete,
	 {{op_delete_part, OP_DELETES, 0, OP_RENEWS}},
	 OP_DELETES,
	 ALL,
	 ABOUT_TARGET},
	{"delete-old",
	 op_delete_old,
	 {{op_delete_rest, OP_DELETES, 0}},
	 OP_DELETES,
	 FIRST,
	 ABOUT_TARGET},
	{"delete-subject",
	 op_delete_subject,
	 {{NULL, 0, 0}},
	 OP_PARTIAL | OP_ANY_ANSWER | OP_DELETES | OP_ENDS_ALL,
	 ALL,
	 ABOUT_ALL},
	{"delete-others",
	 op_delete_others,
	 {{op_delete_subject, OP_ENDS_ALL | OP_CAPS, 0}},
	 OP_PARTIAL | OP_ANY_ANSWER | OP_DELETES | OP_ENDS_ALL,
	 FIRST | CAPS,
	 ABOUT_ALL},
	{"list",
	 op_list,
	 {{NULL, 0, 0}},
	 OP_ANY_ANSWER | OP_LISTS,
	 FIRST | CAPS,
	 ABOUT_ANNA | ABOUT_TARGET},
	{"reuse",
	 op_reuse,
	 {{NULL, 0, 0}},
	 OP_PARTIAL | OP_DELETES,
	 FIRST,
	 ABOUT_ANNA},
	{"rewrite",
	 op_rewrite,
	 {{op_locked_out, OP_LOCKS, 0}},
	 OP_PARTIAL,
	 FIRST,
	 ABOUT_TARGET},
	{"expire", op_expire, {{NULL, 0, 0}}, OP_PARTIAL, FIRST, ABOUT_ALL},
	{"upkeep", op_pass, {{NULL, 0, 0}}, OP_PARTIAL, ALL, ABOUT_ALL},
	{"full-upkeep", op_full, {{NULL, 0, 0}}, OP_PARTIAL, FIRST, ABOUT_ALL},
	/* It ends one of a random sample, of what is there at each of its looks:
	 * with another's half of a change there, no order has the same one. */
	{"evict",
	 op_evict,
	 {{NULL, 0, 0}},
	 OP_ANY_EFFECT,
	 FIRST | ON(SCENE_FULL),
	 ABOUT_ALL},
	{"relocate", op_relocate, {{NULL, 0, 0}}, 0, FIRST, ABOUT_TARGET},
	{"put", op_put, {{NULL, 0, 0}}, 0, FIRST, ABOUT_KEY},
	{"put-annas", op_put_annas, {{NULL, 0, 0}}, 0, FIRST, ABOUT_KEY << 1},
	/* An item for another subject is another entry: the old one is ended,
	 * then the new one made.  In between there is none, for whoever looks,
	 * and for good if the maker dies there; no order has that. */
	{"put-for-bert",
	 op_put_for_bert,
	 {{NULL, 0, 0}},
	 OP_ANY_EFFECT,
	 FIRST,
	 ABOUT_KEY << 1},
	{"put-absent", op_put_absent, {{NULL, 0, 0}}, 0, FIRST, ABOUT_KEY << 2},
	{"add", op_add, {{NULL, 0, 0}}, 0, FIRST, ABOUT_KEY << 2},
	{"remove", op_remove, {{NULL, 0, 0}}, 0, FIRST, ABOUT_KEY << 1},
	{"get", op_get, {{NULL, 0, 0}}, 0, FIRST, ABOUT_KEY << 1},
	{"count-add", op_count_add, {{NULL, 0, 0}}, 0, FIRST, ABOUT_KEY << 3},
	{"scan",
	 op_scan,
	 {{NULL, 0, 0}},
	 OP_ANY_ANSWER | OP_SCANS,
	 FIRST,
	 ABOUT_KEY * 15},
	{"count",
	 op_count,
	 {{NULL, 0, 0}},
	 OP_ANY_ANSWER,
	 FIRST,
	 ABOUT_KEY * 15},
	{"get-or-create",
	 op_get_or_create,
	 {{op_locked_out, OP_FLIES, 0}},
	 OP_FLIES,
	 FIRST,
	 ABOUT_KEY << 2},
	{"clear",
	 op_clear,
	 {{NULL, 0, 0}},
	 OP_PARTIAL | OP_ANY_ANSWER,
	 FIRST,
	 ABOUT_KEY * 15},
	{"lock",
	 op_lock,
	 {{op_locked_out, OP_LOCKS, 0}},
	 OP_LOCKS,
	 FIRST,
	 ABOUT_TARGET},
	{"lock-unlock",
	 op_lock_unlock,
	 {{op_locked_out, OP_LOCKS, 0}},
	 OP_LOCKS,
	 FIRST,
	 ABOUT_TARGET},
	{"locked-update",
	 op_locked_update,
	 {{op_locked_out, OP_LOCKS, 0}},
	 OP_PARTIAL | OP_LOCKS,
	 FIRST,
	 ABOUT_TARGET},
	{"use-token", op_use_token, {{NULL, 0, 0}}, 0, FIRST, ABOUT_TOKEN},
	{"forget-token",
	 op_forget_token,
	 {{NULL, 0, 0}},
	 0,
	 FIRST,
	 ABOUT_TOKEN},
	{"raise-mark", op_raise_mark, {{NULL, 0, 0}}, 0, FIRST, ABOUT_MARK},
	{"revoke-anchor",
	 op_revoke_anchor,
	 {{NULL, 0, 0}},
	 0,
	 FIRST,
	 ABOUT_MARK},
	{"restrict-anchor",
	 op_restrict_anchor,
	 {{NULL, 0, 0}},
	 0,
	 FIRST,
	 ABOUT_MARK},
	{"take-mark", op_take_mark, {{NULL, 0, 0}}, 0, FIRST, ABOUT_MARK},
	{"check-mark", op_check_mark, {{NULL, 0, 0}}, 0, FIRST, ABOUT_MARK},
};

const unsigned operations_count = sizeof(operations) / sizeof(operations[0]);
