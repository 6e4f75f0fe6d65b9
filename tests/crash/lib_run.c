/* SPDX-License-Identifier: MIT */

/* What victims do.  `w` is a copy of the survivor's world; only the segment
 * and the report are shared. */

#include <errno.h>
#include <string.h>

#include "crash/lib_ops.h"
#include "helper/expiry.h"
#include "session/id.h"

#define LARGE_BYTES 20000u

static struct known *target(struct world *w)
{
	return &w->known[w->target];
}

static void create(struct world *w, size_t bytes, bool exclusive,
		   struct report *r)
{
	struct sojourn_new n = {.subject = "anna",
				.data = value_buffer,
				.data_bytes = bytes,
				.exclusive = exclusive,
				.metadata = {.ip = "192.0.2.1"}};

	value_fill(value_buffer, bytes, OP_NUMBER);
	r->rc = sojourn_session_create(w->s, &n, r->id, NULL);
}

void run_create(void *arg, struct report *r)
{
	r->number = 120;
	create(arg, 120, false, r);
}

void run_create_exclusive(void *arg, struct report *r)
{
	r->number = 120;
	create(arg, 120, true, r);
}

void run_create_large(void *arg, struct report *r)
{
	r->number = LARGE_BYTES;
	create(arg, LARGE_BYTES, false, r);
}

void run_read(void *arg, struct report *r)
{
	struct world *w = arg;
	struct sojourn_info info = {0};
	size_t bytes = sizeof(value_buffer);

	r->rc = sojourn_session_read(w->s, target(w)->id, NULL, value_buffer,
				     &bytes, &info);
	r->renewal = info.renewal;
	strcpy(r->id, info.new_id);
	if (r->rc == 0)
		memcpy(&r->number, value_buffer, sizeof(r->number));
}

void run_touch(void *arg, struct report *r)
{
	struct world *w = arg;

	r->rc = sojourn_session_touch(w->s, target(w)->id);
}

static void update(struct world *w, const char *id, size_t bytes,
		   struct report *r)
{
	value_fill(value_buffer, bytes, OP_NUMBER);
	r->rc = sojourn_session_update(w->s, id, value_buffer, bytes, 0, NULL);
}

void run_update(void *arg, struct report *r)
{
	struct world *w = arg;

	update(w, target(w)->id, target(w)->bytes, r);
}

/* Its own session's class, or none. */
static uint32_t target_class(struct world *w)
{
	const struct soj_store *st = &w->s->st;
	struct soj_digest digest;
	struct soj_found found;
	uint64_t word;

	if (!soj_id_digest(w->s, target(w)->id, &digest) ||
	    soj_index_find(st, digest, &found) != 0)
		return SOJ_CLASSES;
	return soj_page_class(st, soj_chunk_unit(soj_ctl_chunk(found.ctl)),
			      &word);
}

/* Into a chunk that the thread has retired itself. */
void run_update_again(void *arg, struct report *r)
{
	struct world *w = arg;
	struct soj_store *st = &w->s->st;
	struct soj_self *self = soj_self_writing(w->s, &r->rc);
	uint32_t chunk;

	if (self && soj_chunk_own(st, &self->w, target_class(w), &chunk) == 0) {
		soj_chunk_retire(st, &self->w, chunk,
				 soj_load_acquire(soj_chunk_state(st, chunk)));
		soj_epoch_advance(&st->seg);
		soj_epoch_advance(&st->seg);
	}
	run_update(arg, r);
}

void run_update_larger(void *arg, struct report *r)
{
	struct world *w = arg;

	update(w, target(w)->id, LARGER_BYTES, r);
}

void run_update_old(void *arg, struct report *r)
{
	struct world *w = arg;

	update(w, target(w)->old_id[0], target(w)->bytes, r);
}

static int put_number(void *arg, void *data, size_t *bytes, size_t capacity)
{
	(void)arg;
	(void)capacity;
	value_fill(data, *bytes, OP_NUMBER);
	return 0;
}

void run_modify(void *arg, struct report *r)
{
	struct world *w = arg;

	r->rc = sojourn_session_modify(w->s, target(w)->id, VALUE_MAX,
				       put_number, NULL, NULL);
}

void run_renew(void *arg, struct report *r)
{
	struct world *w = arg;
	struct sojourn_info info = {0};

	r->rc = sojourn_session_renew(w->s, target(w)->id, &info);
	r->renewal = info.renewal;
	strcpy(r->id, info.new_id);
}

void run_regenerate(void *arg, struct report *r)
{
	struct world *w = arg;
	struct sojourn_info info = {0};

	r->rc = sojourn_session_regenerate(w->s, target(w)->id, &info);
	r->renewal = info.renewal;
	strcpy(r->id, info.new_id);
}

void run_delete(void *arg, struct report *r)
{
	struct world *w = arg;

	r->rc = sojourn_session_delete(w->s, target(w)->id);
}

void run_delete_old(void *arg, struct report *r)
{
	struct world *w = arg;

	r->rc = sojourn_session_delete(w->s, target(w)->old_id[0]);
}

void run_delete_subject(void *arg, struct report *r)
{
	struct world *w = arg;

	r->rc = sojourn_session_delete_subject(w->s, "anna", NULL);
}

/* All but the bystander. */
void run_delete_others(void *arg, struct report *r)
{
	struct world *w = arg;

	r->rc = sojourn_session_delete_subject(w->s, "anna",
					       w->known[w->bystander].id);
}

static int count_one(void *arg, const struct sojourn_info *info)
{
	(void)info;
	++*(uint64_t *)arg;
	return 0;
}

void run_list(void *arg, struct report *r)
{
	struct world *w = arg;

	r->rc = sojourn_session_list_subject(w->s, "anna", NULL, count_one,
					     &r->number);
}

void run_detach(void *arg, struct report *r)
{
	struct world *w = arg;

	update(w, target(w)->id, target(w)->bytes, r);
	sojourn_detach(w->s);
}

/* ---- upkeep ---- */

void run_pass(void *arg, struct report *r)
{
	struct world *w = arg;
	struct soj_upkeep_work work;

	world_self(w);
	for (unsigned i = 0; i < 5; i++)
		soj_upkeep_pass(&w->up, &work);
	r->rc = 0;
}

void run_full(void *arg, struct report *r)
{
	world_upkeep(arg);
	r->rc = 0;
}

void run_expel(void *arg, struct report *r)
{
	struct world *w = arg;
	struct soj_upkeep_work work;

	world_self(w);
	for (unsigned i = 0; i < 4; i++) {
		soj_upkeep_pass(&w->up, &work);
		world_advance(w, w->s->st.seg.policy.expel_after_ms);
	}
	r->rc = 0;
}

void run_expiry(void *arg, struct report *r)
{
	struct world *w = arg;
	struct soj_self *self = world_self(w);
	struct soj_expiry ex;

	r->rc = soj_expiry_init(&ex, &w->s->st, &self->w, 8);
	if (r->rc < 0)
		return;
	/* First by hints alone, then by the scan of a new helper. */
	soj_expiry_step(&ex, soj_seg_now_ms(&w->s->st.seg));
	soj_expiry_rebuild(&ex);
	for (unsigned i = 0; i < 3; i++) {
		world_advance(w, 20);
		soj_expiry_step(&ex, soj_seg_now_ms(&w->s->st.seg));
	}
	soj_expiry_deinit(&ex);
}

void run_drain_page(void *arg, struct report *r)
{
	struct world *w = arg;
	struct soj_self *self = world_self(w);

	r->rc = soj_page_drain(&w->s->st, &self->w, soj_class_of(1000));
}

void run_new_page(void *arg, struct report *r)
{
	struct world *w = arg;
	struct soj_self *self = world_self(w);
	uint32_t class = 0;

	while (w->s->st.classes[class].page_units != 2)
		class ++;
	soj_page_new(&w->s->st, &self->w, class);
	r->rc = 0;
}
