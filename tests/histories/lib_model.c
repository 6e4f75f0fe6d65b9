/* SPDX-License-Identifier: MIT */

/* One operation after the other: see lib_model.h. */

#include "histories/lib_model.h"

#include <errno.h>

const char *const kind_names[KINDS] = {
	[CREATE] = "create",   [READ] = "read",
	[UPDATE] = "update",   [MODIFY] = "modify",
	[RENEW] = "renew",     [REGENERATE] = "regenerate",
	[DELETE] = "delete",   [DELETE_SUBJECT] = "delete subject",
	[PUT] = "put",         [ADD] = "add",
	[GET] = "get",         [HAS] = "has",
	[REMOVE] = "remove",   [MODIFY_ITEM] = "modify item",
	[COUNT_ADD] = "count", [CLOCK] = "clock",
	[LIST] = "list",
};

/* The place of an id in the line; LINE_MAX: it is none of them. */
static unsigned place_of(struct state *s, uint64_t id)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->ids[i] == id)
			return i;
	for (unsigned i = 0; i < s->n; i++)
		if (s->ids[i] == UNKNOWN) {
			s->ids[i] = id;
			return i;
		}
	return LINE_MAX;
}

static bool same_version(struct state *s, uint64_t version)
{
	if (s->version == 0)
		s->version = version;
	return s->version == version;
}

/* A write of what is there: the version that it must have led to. */
static bool write_over(struct state *s, const struct op *op,
		       const struct about *about)
{
	if (op->if_version && !same_version(s, op->if_version))
		return false;
	if (op->kind == MODIFY || op->kind == MODIFY_ITEM)
		if (!about->pending && op->saw != s->tag)
			return false;
	if (about->pending)
		s->version += s->version != 0;
	else if (s->version && s->version + 1 != op->version)
		return false;
	else
		s->version = op->version;
	s->tag = op->tag;
	return true;
}

/* Not SAME if it tells a version that was not known: it may come too early. */
static enum step stale(struct state *s, const struct op *op)
{
	const uint64_t version = s->version;

	if (op->version == op->if_version || !same_version(s, op->version))
		return ILLEGAL;
	return s->version == version ? SAME : CHANGED;
}

/* ---- logins ---- */

static enum step create(struct state *s, const struct op *op)
{
	if (s->exists)
		return ILLEGAL;
	s->exists = 1;
	s->n = 1;
	s->over = 0;
	s->cut = 0;
	s->ids[0] = op->new_id;
	s->tag = op->tag;
	s->version = op->version;
	return CHANGED;
}

static enum step told_next(struct state *s, const struct op *op, unsigned at)
{
	if (op->renewed != (at + 1 < s->n))
		return ILLEGAL;
	if (!op->renewed || op->new_id == 0)
		return SAME;
	if (s->ids[at + 1] == UNKNOWN) {
		s->ids[at + 1] = op->new_id;
		return CHANGED;
	}
	return s->ids[at + 1] == op->new_id ? SAME : ILLEGAL;
}

static enum step renew(struct state *s, const struct op *op, unsigned at,
		       const struct about *about)
{
	if (about->pending || (op->new_id && !op->renewed)) {
		if (at + 1 != s->n || s->over == s->n || s->n == LINE_MAX)
			return ILLEGAL;
		s->ids[s->n++] = about->pending ? UNKNOWN : op->new_id;
		return CHANGED;
	}
	return op->new_id ? told_next(s, op, at) : SAME;
}

static bool is_tip(const struct state *s, const struct op *op)
{
	return op->new_id && s->n > 0 && s->ids[s->n - 1u] == op->new_id;
}

/* The new id is there, by this or by a part that came before. */
static bool make_tip(struct state *s, const struct op *op, bool known)
{
	if (known && is_tip(s, op))
		return true;
	if (s->over == s->n || s->n == LINE_MAX)
		return false;
	s->ids[s->n++] = known ? op->new_id : UNKNOWN;
	return true;
}

static enum step regenerate(struct state *s, const struct op *op,
			    const struct about *about)
{
	if (!about->pending && op->rc != 0)
		return ILLEGAL;
	if (!make_tip(s, op, !about->pending))
		return ILLEGAL;
	s->cut = s->n - 1u;
	if (s->over < s->cut)
		s->over = s->cut;
	return CHANGED;
}

static enum step remove_login(struct state *s, const struct op *op,
			      const struct about *about)
{
	bool lives = s->over < s->n;

	/* Who may not have happened need not have without effect. */
	if (about->pending && !lives)
		return ILLEGAL;
	/* Not SAME: later it would have an effect, and say no more of it. */
	if (!s->exists)
		return op->kind == DELETE_SUBJECT ? CHANGED : ILLEGAL;
	if (op->kind == DELETE && !about->pending && (op->rc == 1) != lives &&
	    !(op->rc == 1 && about->beside_deletion))
		return ILLEGAL;
	s->over = s->n;
	return lives ? CHANGED : SAME;
}

/* A deletion by an old id ends nothing once that leads nowhere; beside who
 * makes it so, it says which it was. */
static bool leads_nowhere(const struct state *s, const struct op *op,
			  unsigned at, const struct about *about)
{
	if (!about->beside_regenerate)
		return at < s->cut;
	return at < s->over && s->over < s->n && !about->pending && op->rc == 0;
}

/* Not SAME where a part of it may have made a new id: that must have its turn
 * first. */
static enum step not_found(const struct state *s, const struct op *op,
			   unsigned at, const struct about *about)
{
	if (op->kind == REGENERATE)
		return at < s->over || about->beside_regenerate ? CHANGED
								: ILLEGAL;
	if (at < s->over)
		return SAME;
	return op->kind == RENEW && about->beside_regenerate ? CHANGED
							     : ILLEGAL;
}

static enum step apply_login(struct state *s, const struct op *op,
			     const struct about *about)
{
	const uint64_t version = s->version;
	unsigned at;
	bool alive;

	if (op->kind == CREATE)
		return create(s, op);
	if (op->kind == DELETE_SUBJECT || !s->exists)
		return remove_login(s, op, about);
	at = place_of(s, op->id);
	if (at == LINE_MAX)
		return ILLEGAL;
	if (op->kind == DELETE && leads_nowhere(s, op, at, about))
		return about->pending || op->rc == 1 ? ILLEGAL : SAME;
	if (op->kind == DELETE)
		return remove_login(s, op, about);
	alive = at >= s->over ||
		((about->beside_deletion || about->beside_regenerate) &&
		 s->over < s->n);
	if (!about->pending && op->rc == -ENOENT)
		return not_found(s, op, at, about);
	/* Who has made it is told so, although it may be over by now. */
	if (!alive && !(op->kind == REGENERATE && is_tip(s, op)))
		return ILLEGAL;
	switch (op->kind) {
	case READ:
		if (op->saw != s->tag || !same_version(s, op->version))
			return ILLEGAL;
		return told_next(s, op, at) == ILLEGAL ? ILLEGAL
		       : version == s->version         ? SAME
						       : CHANGED;
	case UPDATE:
	case MODIFY:
		if (!about->pending && op->rc == -ESTALE)
			return stale(s, op);
		return write_over(s, op, about) ? CHANGED : ILLEGAL;
	case RENEW:
		return renew(s, op, at, about);
	case REGENERATE:
		return regenerate(s, op, about);
	default:
		return ILLEGAL;
	}
}

/* ---- items ---- */

static enum step make_item(struct state *s, const struct op *op,
			   const struct about *about)
{
	if (op->kind == MODIFY_ITEM && !about->pending && op->saw != 0)
		return ILLEGAL;
	if (op->kind == COUNT_ADD && !about->pending && op->saw != 1)
		return ILLEGAL;
	s->exists = 1;
	s->tag = op->kind == COUNT_ADD ? 1 : op->tag;
	s->version = about->pending ? 0 : op->version;
	return CHANGED;
}

static enum step count(struct state *s, const struct op *op,
		       const struct about *about)
{
	if (!about->pending && op->saw != s->tag + 1)
		return ILLEGAL;
	s->tag++;
	s->version += s->version != 0;
	return CHANGED;
}

static enum step remove_item(struct state *s, const struct op *op,
			     const struct about *about)
{
	/* It does not say which version there is. */
	if (!about->pending && op->rc == -ESTALE)
		return s->version != op->if_version ? SAME : ILLEGAL;
	if (op->if_version && !same_version(s, op->if_version))
		return ILLEGAL;
	if (!about->pending && op->rc != 1)
		return ILLEGAL;
	s->exists = 0;
	s->tag = 0;
	s->version = 0;
	return CHANGED;
}

/* There is none. */
static enum step apply_absent(struct state *s, const struct op *op,
			      const struct about *about)
{
	bool makes = op->kind == ADD || op->kind == COUNT_ADD ||
		     ((op->kind == PUT || op->kind == MODIFY_ITEM) &&
		      !op->if_exists && op->if_version == 0);

	if (about->pending)
		return makes ? make_item(s, op, about) : ILLEGAL;
	if (op->kind == HAS || op->kind == REMOVE)
		return op->rc == 0 ? SAME : ILLEGAL;
	if (op->rc == 0)
		return makes ? make_item(s, op, about) : ILLEGAL;
	return op->rc == -ENOENT && !makes ? SAME : ILLEGAL;
}

static enum step apply_item(struct state *s, const struct op *op,
			    const struct about *about)
{
	if (!s->exists)
		return apply_absent(s, op, about);
	if (op->kind == REMOVE)
		return remove_item(s, op, about);
	if (op->kind == HAS)
		return op->rc == 1 ? SAME : ILLEGAL;
	if (op->kind == ADD)
		return !about->pending && op->rc == -EEXIST ? SAME : ILLEGAL;
	if (!about->pending && op->rc == -ESTALE)
		return stale(s, op);
	if (!about->pending && op->rc != 0)
		return ILLEGAL;
	if (op->kind == COUNT_ADD)
		return count(s, op, about);
	if (op->kind != GET)
		return write_over(s, op, about) ? CHANGED : ILLEGAL;
	if (op->saw != s->tag)
		return ILLEGAL;
	if (s->version == op->version)
		return SAME;
	return same_version(s, op->version) ? CHANGED : ILLEGAL;
}

/* ---- both ---- */

enum step state_apply(struct state *s, const struct op *op,
		      const struct about *about)
{
	return op->kind < PUT ? apply_login(s, op, about)
			      : apply_item(s, op, about);
}

static bool renew_part(struct state *s, const struct op *op,
		       const struct about *about)
{
	unsigned at = place_of(s, op->id);

	if (about->pending || op->rc != -ENOENT || at + 1 != s->n ||
	    s->over == s->n || s->n == LINE_MAX)
		return false;
	s->ids[s->n++] = UNKNOWN;
	return true;
}

/* The new id, and the others are over: until it has returned that is no reason
 * for them not to answer. */
static bool regenerate_part(struct state *s, const struct op *op,
			    const struct about *about)
{
	bool known = !about->pending && op->rc == 0;

	if (!about->pending && op->rc != 0 && op->rc != -ENOENT)
		return false;
	if (place_of(s, op->id) == LINE_MAX || (known && is_tip(s, op)) ||
	    !make_tip(s, op, known))
		return false;
	s->over = s->n - 1u;
	return true;
}

bool state_part(struct state *s, const struct op *op, const struct about *about,
		unsigned nth)
{
	unsigned first = s->over + 1u, at;

	if (!s->exists || s->over == s->n)
		return false;
	if (op->kind == RENEW)
		return nth == 0 && renew_part(s, op, about);
	if (op->kind == REGENERATE)
		return nth == 0 && regenerate_part(s, op, about);
	if (op->kind == DELETE) {
		at = place_of(s, op->id);
		if (at == LINE_MAX ||
		    (at < s->cut && !about->beside_regenerate))
			return false;
		first = at + 1 > first ? at + 1 : first;
	} else if (op->kind != DELETE_SUBJECT) {
		return false;
	}
	if (first + nth > (about->pending ? s->n : s->n - 1u))
		return false;
	s->over = (uint16_t)(first + nth);
	return true;
}
