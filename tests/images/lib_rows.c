/* SPDX-License-Identifier: MIT */

/* The table of operations.  How to add one: lib_table.h. */

#include <errno.h>
#include <string.h>

#include "helper/expiry.h"
#include "images/lib_outcome.h"
#include "images/lib_table.h"
#include "session/id.h"
#include "store/event.h"
#include "upkeep/repair.h"

#define LARGE_BYTES 2000u

static struct known *target(struct world *w)
{
	return &w->known[w->target];
}

static const char *oldest_id(struct world *w)
{
	const struct known *k = target(w);

	return k->old_ids > k->old_gone ? k->old_id[k->old_gone] : k->id;
}

/* ---- the public API ---- */

static void run_make_large(void *arg, struct report *r)
{
	struct world *w = arg;
	struct sojourn_new n = {.subject = "anna",
				.data = value_buffer,
				.data_bytes = LARGE_BYTES,
				.metadata = {.ip = "192.0.2.1"}};

	r->number = LARGE_BYTES;
	value_fill(value_buffer, LARGE_BYTES, OP_NUMBER);
	r->rc = sojourn_session_create(w->s, &n, r->id, NULL);
}

static void run_make_described(void *arg, struct report *r)
{
	struct world *w = arg;
	struct sojourn_new n = {.subject = "anna",
				.data = value_buffer,
				.data_bytes = 40,
				.idle_timeout_ms = 90000,
				.metadata = {.ip = "192.0.2.1",
					     .user_agent = "agent",
					     .location = "here",
					     .device_os = "os"}};
	struct sojourn_info info = {0};

	r->number = 40;
	value_fill(value_buffer, 40, OP_NUMBER);
	r->rc = sojourn_session_create(w->s, &n, r->id, &info);
}

static void read_by(struct world *w, const char *id,
		    const struct sojourn_read *how, struct report *r)
{
	struct sojourn_info info = {0};
	size_t bytes = sizeof(value_buffer);

	r->rc = sojourn_session_read(w->s, id, how, value_buffer, &bytes,
				     &info);
	r->renewal = info.renewal;
	strcpy(r->id, info.new_id);
	if (r->rc == 0)
		memcpy(&r->number, value_buffer, sizeof(r->number));
}

static void run_read_oldest(void *arg, struct report *r)
{
	read_by(arg, oldest_id(arg), NULL, r);
}

static void run_read_only(void *arg, struct report *r)
{
	struct world *w = arg;
	const struct sojourn_read how = {
		.subject = "anna", .no_touch = true, .no_renew = true};

	read_by(w, target(w)->id, &how, r);
}

static void update(struct world *w, const char *id, size_t bytes,
		   struct report *r)
{
	r->number = bytes;
	value_fill(value_buffer, bytes, OP_NUMBER);
	r->rc = sojourn_session_update(w->s, id, value_buffer, bytes, 0, NULL);
}

static void run_update_large(void *arg, struct report *r)
{
	struct world *w = arg;

	update(w, target(w)->id, LARGE_BYTES, r);
}

static void run_update_empty(void *arg, struct report *r)
{
	struct world *w = arg;

	update(w, target(w)->id, 8, r);
}

static void run_update_oldest(void *arg, struct report *r)
{
	struct world *w = arg;

	update(w, oldest_id(w), target(w)->bytes, r);
}

static void run_update_stale(void *arg, struct report *r)
{
	struct world *w = arg;

	r->rc = sojourn_session_update(w->s, target(w)->id, "x", 1,
				       target(w)->version + 7, NULL);
}

static int put_number(void *arg, void *data, size_t *bytes, size_t capacity)
{
	(void)arg;
	(void)capacity;
	value_fill(data, *bytes, OP_NUMBER);
	return 0;
}

static void run_modify_small(void *arg, struct report *r)
{
	struct world *w = arg;

	r->rc = sojourn_session_modify(w->s, target(w)->id, 1024, put_number,
				       NULL, NULL);
}

static void run_renew_oldest(void *arg, struct report *r)
{
	struct world *w = arg;
	struct sojourn_info info = {0};

	r->rc = sojourn_session_renew(w->s, oldest_id(w), &info);
	r->renewal = info.renewal;
	strcpy(r->id, info.new_id);
}

static void run_delete_oldest(void *arg, struct report *r)
{
	r->rc = sojourn_session_delete(((struct world *)arg)->s,
				       oldest_id(arg));
}

static void run_delete_handle(void *arg, struct report *r)
{
	struct world *w = arg;
	const struct sojourn_read how = {.no_touch = true, .no_renew = true};
	struct sojourn_info info = {0};
	int rc = sojourn_session_read(w->s, target(w)->id, &how, NULL, NULL,
				      &info);

	r->rc = rc == 0 ? sojourn_session_delete_handle(w->s, info.handle) : 0;
}

static void run_clock(void *arg, struct report *r)
{
	r->rc = sojourn_clock_advance(((struct world *)arg)->s, 3);
}

static void run_stat(void *arg, struct report *r)
{
	struct sojourn_stat stat;

	r->rc = sojourn_stat(((struct world *)arg)->s, &stat);
}

/* A thread that comes and goes. */
static void run_claim(void *arg, struct report *r)
{
	struct world *w = arg;
	struct soj_self *self = soj_self_writing(w->s, &r->rc);

	if (self)
		world_let_go(w);
}

static void run_leave(void *arg, struct report *r)
{
	run_update_oldest(arg, r);
	sojourn_detach(((struct world *)arg)->s);
}

/* ---- the helper ---- */

/* One step, by hints, as its expiry thread makes it each tick. */
static void run_expiry_step(void *arg, struct report *r)
{
	struct world *w = arg;
	struct soj_self *self = world_self(w);
	struct soj_expiry ex;

	r->rc = soj_expiry_init(&ex, &w->s->st, &self->w, 8);
	if (r->rc < 0)
		return;
	soj_expiry_rebuild(&ex);
	soj_expiry_step(&ex, soj_seg_now_ms(&w->s->st.seg) + 16);
	soj_expiry_deinit(&ex);
}

static void run_one_pass(void *arg, struct report *r)
{
	struct world *w = arg;
	struct soj_upkeep_work work;

	world_self(w);
	soj_upkeep_pass(&w->up, &work);
	r->rc = 0;
}

/* Two, so that a grace period passes. */
static void run_repair(void *arg, struct report *r)
{
	struct world *w = arg;
	struct soj_upkeep_work work;

	world_self(w);
	for (unsigned i = 0; i < 2; i++)
		soj_upkeep_full(&w->up, &work);
	r->rc = 0;
}

static void run_relocate(void *arg, struct report *r)
{
	struct world *w = arg;
	struct soj_self *self = world_self(w);
	struct soj_store *st = &w->s->st;
	struct soj_digest digest;
	struct soj_found found;

	r->rc = 0;
	if (!soj_id_digest(w->s, target(w)->id, &digest))
		return;
	soj_section_enter(&st->seg, &self->w.thr);
	if (soj_index_find(st, digest, &found) == 0)
		soj_chunk_relocate(st, &self->w, soj_ctl_chunk(found.ctl));
	soj_section_exit(&st->seg, &self->w.thr);
}

static void run_drain_class(void *arg, struct report *r)
{
	struct world *w = arg;
	struct soj_self *self = world_self(w);

	soj_page_drain(&w->s->st, &self->w, soj_class_of(700));
	r->rc = 0;
}

/* Of what fills the worlds that are full of it. */
static void run_drain_bulk(void *arg, struct report *r)
{
	struct world *w = arg;
	struct soj_self *self = world_self(w);

	soj_page_drain(&w->s->st, &self->w, soj_class_of(8000));
	r->rc = 0;
}

/* ---- parts of upkeep, each alone ---- */

static void run_reap(void *arg, struct report *r)
{
	struct world *w = arg;

	world_self(w);
	soj_upkeep_reap(&w->up, true);
	r->rc = 0;
}

static void run_index_scrub(void *arg, struct report *r)
{
	struct world *w = arg;

	world_self(w);
	for (uint32_t b = 0; b < w->s->st.seg.lay.buckets; b++)
		soj_index_scrub(&w->s->st, b);
	r->rc = 0;
}

/* Twice: what a living writer may be at is left for a time. */
static void run_event_repair(void *arg, struct report *r)
{
	struct world *w = arg;
	struct soj_self *self = world_self(w);
	struct soj_event_watch watch = {0};

	soj_event_repair(&w->s->st, &self->w, &watch);
	world_advance(w, w->s->st.seg.policy.expel_after_ms);
	soj_event_repair(&w->s->st, &self->w, &watch);
	r->rc = 0;
}

/* What who takes the role does first, and its slow scrubber. */
static void run_rebuild(void *arg, struct report *r)
{
	struct world *w = arg;
	struct soj_self *self = world_self(w);
	struct soj_expiry ex;

	r->rc = soj_expiry_init(&ex, &w->s->st, &self->w, 8);
	if (r->rc < 0)
		return;
	soj_expiry_rebuild(&ex);
	soj_expiry_scrub(&ex, w->s->st.seg.lay.entries_max);
	soj_expiry_deinit(&ex);
}

static void run_role(void *arg, struct report *r)
{
	struct world *w = arg;
	struct soj_self *self = world_self(w);

	r->rc = soj_role_try(&w->s->st.seg, &self->w.thr);
	soj_helper_sleep(&w->s->st.seg, 0, NULL, NULL);
	soj_role_release(&w->s->st.seg, &self->w.thr);
}

/* Keeps it, asleep. */
static void run_helper_sleeps(void *arg, struct report *r)
{
	struct world *w = arg;
	struct soj_self *self = world_self(w);

	r->rc = soj_role_try(&w->s->st.seg, &self->w.thr) ? 0 : -EBUSY;
	soj_xchg_acq_rel(&w->s->st.seg.hdr->helper_asleep, 1);
}

/* ---- the table ---- */

const struct row rows[] = {
	{"create", run_create, after_create_decisions, after_create, NULL},
	{"create large", run_make_large, after_create_decisions, after_create,
	 NULL},
	{"create described", run_make_described, after_create_decisions,
	 after_create, NULL},
	{"read", run_read, after_read_decisions, after_renew, NULL},
	{"read only", run_read_only, after_read_decisions, after_renew, NULL},
	{"read by the oldest id", run_read_oldest, after_read_decisions,
	 after_renew, NULL},
	{"touch", run_touch, after_touch_decisions, NULL, NULL},
	{"update", run_update, after_update_decisions, after_update, NULL,
	 .where = EVERYWHERE},
	{"update larger", run_update_large, after_update_decisions,
	 after_update, NULL},
	{"update smaller", run_update_empty, after_update_decisions,
	 after_update, NULL},
	{"update by the oldest id", run_update_oldest, after_update_decisions,
	 after_update, NULL},
	{"update, stale", run_update_stale, after_stale_decisions, NULL, NULL},
	{"modify", run_modify_small, after_update_decisions, after_update,
	 NULL},
	{"renew", run_renew, after_read_decisions, after_renew, NULL,
	 .where = EVERYWHERE},
	{"renew by the oldest id", run_renew_oldest, after_read_decisions,
	 after_renew, NULL},
	{"delete", run_delete, after_delete_decisions, after_delete, NULL,
	 .where = EVERYWHERE},
	{"delete by the oldest id", run_delete_oldest,
	 after_delete_old_decisions, after_delete_old, NULL},
	{"delete by handle", run_delete_handle, after_delete_decisions,
	 after_delete, NULL},
	{"delete all of a subject", run_delete_subject,
	 after_delete_subject_decisions, after_delete_subject, NULL,
	 .where = EVERYWHERE},
	{"delete all but one", run_delete_others, after_delete_others_decisions,
	 after_delete_others, NULL},
	{"list", run_list, after_list_decisions, NULL, NULL,
	 .where = EVERYWHERE},
	{"update in a lock", run_update_in_lock, after_update_decisions,
	 after_update, NULL},
	{"item, put anew", run_put_new, after_item_decisions, after_item_made,
	 NULL},
	{"item, put", run_put_nobodys, after_item_decisions, after_item_put,
	 NULL},
	{"item, put an owned one", run_put_owned, after_item_owned_decisions,
	 after_item_owned, NULL},
	{"item, put for another", run_put_for_another,
	 after_item_owned_decisions, after_item_owned, NULL},
	{"item, add", run_add, after_item_decisions, after_item_made, NULL},
	{"item, count", run_count_add, after_item_decisions, after_item_count,
	 NULL},
	{"item, remove", run_remove, after_item_remove_decisions,
	 after_item_remove, NULL},
	{"items, clear", run_clear, after_item_clear_decisions,
	 after_item_clear, NULL},
	{"stat", run_stat, after_nothing_decisions, NULL, NULL},
	{"clock", run_clock, after_nothing_decisions, NULL, NULL},
	{"come and go", run_claim, after_nothing_decisions, NULL, NULL},
	{"update and detach", run_leave, after_update_decisions, after_update,
	 NULL},
	{"expiry step", run_expiry_step, after_nothing_decisions, NULL, NULL,
	 .where = EVERYWHERE},
	{"upkeep pass", run_one_pass, after_nothing_decisions, NULL, NULL,
	 .where = EVERYWHERE},
	{"full upkeep", run_repair, after_nothing_decisions, NULL, NULL,
	 .where = EVERYWHERE},
	{"relocate", run_relocate, after_nothing_decisions, NULL, NULL},
	{"drain a page", run_drain_class, after_nothing_decisions, NULL, NULL},
	{"page of two units", run_new_page, after_nothing_decisions, NULL,
	 NULL},
	{"role", run_role, after_nothing_decisions, NULL, NULL},
	{"helper sleeps", run_helper_sleeps, NULL, NULL, NULL},
	{.name = "drain a page of bulk",
	 .run = run_drain_bulk,
	 .decisions = after_nothing_decisions},
	{.name = "reap",
	 .run = run_reap,
	 .decisions = after_nothing_decisions,
	 .where = EVERYWHERE},
	{.name = "index scrub",
	 .run = run_index_scrub,
	 .decisions = after_nothing_decisions,
	 .where = EVERYWHERE},
	{.name = "event repair",
	 .run = run_event_repair,
	 .decisions = after_nothing_decisions,
	 .where = TELLING},
	{.name = "wheel rebuild",
	 .run = run_rebuild,
	 .decisions = after_nothing_decisions},
	{.name = "lock", .run = run_lock, .decisions = after_lock_decisions},
	{.name = "lock, unlock",
	 .run = run_lock_and_unlock,
	 .decisions = after_lock_decisions},
	{.name = "lock, detach",
	 .run = run_lock_and_leave,
	 .decisions = after_lock_decisions},
	{.name = "renew in a lock",
	 .run = run_renew_in_lock,
	 .decisions = after_read_decisions,
	 .outcome = after_renew},
	{.name = "create over the cap",
	 .run = run_create,
	 .decisions = after_cap_decisions,
	 .outcome = after_cap,
	 .where = CAPPED},
	{.name = "create, exclusive",
	 .run = run_create_exclusive,
	 .decisions = after_cap_decisions,
	 .outcome = after_exclusive,
	 .where = ORDINARY | CAPPED},
	{.name = "a pair of tokens",
	 .run = run_create_pair,
	 .decisions = after_token_decisions,
	 .check = check_pair,
	 .where = TOKENS},
	{.name = "refresh of a pair",
	 .run = run_refresh,
	 .decisions = after_token_decisions,
	 .check = check_pair,
	 .where = PAIRS},
	{.name = "refresh, stolen",
	 .run = run_refresh_stolen,
	 .decisions = after_token_decisions,
	 .check = check_stolen,
	 .where = PAIRS},
	{.name = "revocation of a login",
	 .run = run_revoke_login,
	 .decisions = after_token_decisions,
	 .check = check_revoked,
	 .where = PAIRS},
	{.name = "restriction of a login",
	 .run = run_restrict_login,
	 .decisions = after_token_decisions,
	 .check = check_restricted,
	 .where = PAIRS},
	{.name = "revocation of all logins",
	 .run = run_revoke_all,
	 .decisions = after_token_decisions,
	 .check = check_revoked,
	 .where = PAIRS},
};

const unsigned rows_count = sizeof(rows) / sizeof(rows[0]);
