/* SPDX-License-Identifier: MIT */

/* What never comes back.  Eviction, deadlines and the clock are in play here,
 * so nothing is said of what is there, only of what is over. */

#include <errno.h>
#include <stdio.h>

#include "histories/lib_work.h"

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool is_of_sessions(const struct op *op)
{
	return op->kind == READ || op->kind == UPDATE || op->kind == MODIFY ||
	       op->kind == RENEW || op->kind == REGENERATE;
}

static bool found_it(const struct op *op)
{
	return op->end != 0 && is_of_sessions(op) &&
	       (op->rc == 0 || op->rc == -ESTALE);
}

/* ---- logins ---- */

/* When it was known that all of the login is over: instant; UINT64_MAX. */
static uint64_t deleted_at(struct op *const *op, unsigned count)
{
	uint64_t at = UINT64_MAX, made = UINT64_MAX;

	for (unsigned i = 0; i < count; i++)
		if (op[i]->kind == CREATE && op[i]->end)
			made = op[i]->end;
	for (unsigned i = 0; i < count; i++) {
		const struct op *o = op[i];

		if (o->end == 0)
			continue;
		if (o->kind == DELETE && o->rc == 1)
			at = sooner(at, o->end);
		if (o->kind == DELETE_SUBJECT && o->begin > made && o->rc >= 0)
			at = sooner(at, o->end);
	}
	return at;
}

/* The same of one id. */
static uint64_t id_over_at(struct op *const *op, unsigned count, uint64_t id)
{
	uint64_t at = UINT64_MAX;

	for (unsigned i = 0; i < count; i++) {
		const struct op *o = op[i];

		if (o->end == 0 || o->id != id)
			continue;
		/* A renewal may say so of the new id that it made. */
		if ((is_of_sessions(o) && o->kind != RENEW &&
		     o->kind != REGENERATE && o->rc == -ENOENT) ||
		    o->kind == DELETE || (o->kind == REGENERATE && o->rc == 0))
			at = sooner(at, o->end);
	}
	return at;
}

/* Renewed, and past its window for certain: a time of the segment. */
static uint64_t id_late_ms(struct op *const *op, unsigned count, uint64_t id)
{
	uint64_t late_ms = UINT64_MAX;

	for (unsigned i = 0; i < count; i++)
		if (op[i]->kind == RENEW && op[i]->end && op[i]->id == id &&
		    op[i]->rc == 0 && op[i]->late_ms)
			late_ms = sooner(late_ms, op[i]->late_ms);
	return late_ms;
}

static bool hushed;

static unsigned again(const struct op *op, const char *what, uint64_t since)
{
	if (hushed)
		return 1;
	printf("came back: key %u, process %u's %s at %llu finds what was %s "
	       "at %llu\n",
	       op->key, op->process, kind_names[op->kind],
	       (unsigned long long)op->begin, what, (unsigned long long)since);
	return 1;
}

/* When it was known who made the new id that o was told and is the only one to
 * know it; UINT64_MAX. */
static uint64_t private_since(struct op *const *op, unsigned count,
			      const struct op *o)
{
	if (o->kind == REGENERATE || o->new_id == 0)
		return UINT64_MAX;
	for (unsigned i = 0; i < count; i++)
		if (op[i]->kind == REGENERATE && op[i]->end && op[i]->rc == 0 &&
		    op[i]->new_id == o->new_id)
			return op[i]->end;
	return UINT64_MAX;
}

static unsigned login_again(struct op *const *op, unsigned count)
{
	uint64_t deleted = deleted_at(op, count);

	for (unsigned i = 0; i < count; i++) {
		const struct op *o = op[i];
		uint64_t over, late_ms;

		if (!found_it(o))
			continue;
		if (o->begin > deleted)
			return again(o, "deleted", deleted);
		over = id_over_at(op, count, o->id);
		if (o->begin > over)
			return again(o, "over", over);
		over = private_since(op, count, o);
		if (over != UINT64_MAX)
			return again(o, "regenerated for another", over);
		late_ms = id_late_ms(op, count, o->id);
		if (o->now_ms >= late_ms)
			return again(o, "past its grace window", late_ms);
	}
	return 0;
}

/* ---- items ---- */

static bool writes(const struct op *op)
{
	return op->kind == PUT || op->kind == ADD || op->kind == MODIFY_ITEM;
}

/* Says that there is none, or has seen to it. */
static bool tells_absence(const struct op *op)
{
	if (op->end == 0)
		return false;
	return (op->kind == REMOVE && op->rc >= 0 && op->if_version == 0) ||
	       (op->kind == REMOVE && op->rc == 1) ||
	       (op->kind == HAS && op->rc == 0) ||
	       (op->kind == GET && op->rc == -ENOENT);
}

static uint64_t value_over_at(struct op *const *op, unsigned count,
			      uint64_t tag)
{
	uint64_t at = UINT64_MAX, written = UINT64_MAX;

	for (unsigned i = 0; i < count; i++)
		if (writes(op[i]) && op[i]->tag == tag && op[i]->end)
			written = op[i]->end;
	for (unsigned i = 0; i < count; i++)
		if (tells_absence(op[i]) && op[i]->begin > written)
			at = sooner(at, op[i]->end);
	return at;
}

static unsigned item_again(struct op *const *op, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct op *o = op[i];
		uint64_t over;

		if (o->end == 0 || o->rc != 0 ||
		    (o->kind != GET && o->kind != MODIFY_ITEM) || o->saw == 0)
			continue;
		over = value_over_at(op, count, o->saw);
		if (o->begin > over)
			return again(o, "removed", over);
	}
	return 0;
}

unsigned history_resurrections(struct op *const *op, unsigned count,
			       bool is_login, bool say)
{
	hushed = !say;

	return is_login ? login_again(op, count) : item_again(op, count);
}
