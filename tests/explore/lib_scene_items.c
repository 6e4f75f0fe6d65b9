/* SPDX-License-Identifier: MIT */

/* What actors do with items, locks, tokens of browsers, and marks. */

#include <errno.h>
#include <sojourn/collection.h>
#include <sojourn/lock.h>
#include <sojourn/remember.h>
#include <string.h>

#include "explore/lib_scene_ops.h"

/* ---- items ---- */

static void put(struct actor *a, struct sojourn *s, unsigned key,
		const char *subject, bool add)
{
	const struct sojourn_item item = scene_item(key);
	uint8_t value[SCENE_VALUE_BYTES];
	const struct sojourn_value v = {
		.data = value, .data_bytes = sizeof(value), .subject = subject};

	actor_value(a, value);
	a->r.rc = add ? sojourn_add(s, &item, &v, NULL)
		      : sojourn_put(s, &item, &v, NULL);
}

void op_put(struct actor *a, struct sojourn *s)
{
	put(a, s, 0, NULL, false);
}

void op_put_annas(struct actor *a, struct sojourn *s)
{
	put(a, s, 1, "anna", false);
}

/* For an instant there is none (sojourn/collection.h), and who puts another one
 * in that instant may end up with -EBUSY. */
void op_put_for_bert(struct actor *a, struct sojourn *s)
{
	put(a, s, 1, "bert", false);
}

void op_put_absent(struct actor *a, struct sojourn *s)
{
	put(a, s, 2, NULL, false);
}

void op_add(struct actor *a, struct sojourn *s)
{
	put(a, s, 2, NULL, true);
}

void op_remove(struct actor *a, struct sojourn *s)
{
	const struct sojourn_item item = scene_item(1);

	a->r.rc = sojourn_remove(s, &item, 0);
}

void op_get(struct actor *a, struct sojourn *s)
{
	const struct sojourn_item item = scene_item(1);
	uint8_t value[64];
	size_t bytes = sizeof(value);

	a->r.rc = sojourn_get(s, &item, NULL, value, &bytes, NULL);
	if (a->r.rc == 0)
		actor_found(a, value, bytes);
}

void op_count_add(struct actor *a, struct sojourn *s)
{
	const struct sojourn_item item = scene_item(3);
	int64_t value = 0;

	a->r.rc = sojourn_count_add(s, &item, 4 + a->idx, 0, &value);
	a->r.number = (uint64_t)value;
}

void op_clear(struct actor *a, struct sojourn *s)
{
	const struct sojourn_filter f = {.collection = SOJOURN_COLLECTION_CSRF};

	a->r.rc = sojourn_clear(s, &f);
}

void op_scan(struct actor *a, struct sojourn *s)
{
	const struct sojourn_filter f = {.collection = SOJOURN_COLLECTION_CSRF};
	uint64_t cursor = 0;

	do
		a->r.rc = sojourn_scan(s, &f, &cursor, 2, actor_meets, a);
	while (a->r.rc >= 0 && cursor != 0);
}

void op_count(struct actor *a, struct sojourn *s)
{
	const struct sojourn_filter f = {.collection = SOJOURN_COLLECTION_CSRF};

	a->r.rc = sojourn_count(s, &f);
}

static int compute(void *arg, void *data, size_t *bytes, size_t capacity)
{
	if (capacity < SCENE_VALUE_BYTES)
		return -ENOSPC;
	actor_value(arg, data);
	*bytes = SCENE_VALUE_BYTES;
	return 0;
}

void op_get_or_create(struct actor *a, struct sojourn *s)
{
	const struct sojourn_item item = scene_item(2);
	const struct sojourn_flight how = {.compute = compute, .arg = a};
	uint8_t value[64];
	size_t bytes = sizeof(value);
	bool made = false;

	a->r.rc = sojourn_get_or_create(s, &item, &how, value, &bytes, &made);
	if (a->r.rc == 0)
		memcpy(&a->r.number, value, 8);
	a->r.renewal = made;
}

/* ---- locks, tokens ---- */

/*
 * Of access tokens, what the segment has to do with them: their marks.  What a
 * refresh does in all, and a verification with its memory of what was verified,
 * is not explored: both go through what a schedule cannot put back to where it
 * was, libcrypto's allocations and the cache of token/verified.c, and a run
 * would begin otherwise than the one before it.
 */

void op_lock(struct actor *a, struct sojourn *s)
{
	uint64_t fence;

	a->r.rc = sojourn_session_lock(s, actor_target(a), 0, 0, &fence);
}

void op_lock_unlock(struct actor *a, struct sojourn *s)
{
	uint64_t fence;

	a->r.rc = sojourn_session_lock(s, actor_target(a), 0, 0, &fence);
	if (a->r.rc == 0)
		sojourn_session_unlock(s, actor_target(a), fence);
}

/* Lost to one who has the lock. */
void op_locked_out(struct actor *a, struct sojourn *s)
{
	(void)s;
	a->r.rc = -EBUSY;
}

void op_locked_update(struct actor *a, struct sojourn *s)
{
	uint8_t value[SCENE_VALUE_BYTES];
	uint64_t fence;

	actor_value(a, value);
	a->r.rc = sojourn_session_lock(s, actor_target(a), 0, 0, &fence);
	if (a->r.rc == 0)
		a->r.rc = sojourn_session_update_locked(
			s, actor_target(a), fence, value, sizeof(value),
			&a->r.number);
	if (a->r.rc == 0)
		sojourn_session_unlock(s, actor_target(a), fence);
}

void op_use_token(struct actor *a, struct sojourn *s)
{
	a->r.rc = sojourn_remember_use(s, a->scene->token, NULL, a->r.id, NULL,
				       NULL, NULL);
	if (a->r.rc < 0)
		a->r.id[0] = 0;
}

void op_forget_token(struct actor *a, struct sojourn *s)
{
	a->r.rc = sojourn_remember_forget(s, a->scene->token);
}

void op_raise_mark(struct actor *a, struct sojourn *s)
{
	a->r.rc = soj_mark_subject(s, "anna");
}

void op_revoke_anchor(struct actor *a, struct sojourn *s)
{
	a->r.rc = soj_mark_anchor(s, &scene_anchor, true);
}

void op_restrict_anchor(struct actor *a, struct sojourn *s)
{
	a->r.rc = soj_mark_anchor(s, &scene_anchor, false);
}

void op_take_mark(struct actor *a, struct sojourn *s)
{
	a->r.rc = soj_mark_new(s, &scene_anchor, "anna", &a->r.marks);
	if (a->r.rc < 0)
		memset(&a->r.marks, 0, sizeof(a->r.marks));
}

void op_check_mark(struct actor *a, struct sojourn *s)
{
	a->r.number =
		soj_mark_check(s, &scene_anchor, "anna", &a->scene->marks);
}
