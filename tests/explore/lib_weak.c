/* SPDX-License-Identifier: MIT */

#include "explore/lib_weak.h"

#include <string.h>

#include "explore/lib_sched.h"

/* Of words that others write while one is interrupted. */
#define MISSED_MAX 4096u

/* A store that others need not have seen. */
struct pending {
	uint64_t *word;
	uint64_t before, after;
	bool released; /* not before those in front of it */
	bool is_rmw;   /* on x86 seen by all, at once */
};

static struct {
	uint8_t *base;
	struct {
		struct pending store[PENDING_MAX];
		unsigned count, hidden; /* of the newest; see weak_hide() */
		unsigned in_order; /* the oldest so many are seen, on x86 */
		bool alone, fenced;
	} of[ACTORS_MAX];
} held;

static struct {
	enum { BEFORE, AWAY, BACK, OVER } state;
	struct weak_loads how;
	struct missed {
		uint64_t *word;
		uint64_t before;
		bool met; /* by who was interrupted: never old again */
	} word[MISSED_MAX];
	unsigned count;
	uint32_t early;
	bool any_late; /* a load that was not made before */
	/* What a load finds now, and what is really there. */
	uint64_t *shown, really;
} missed;

static uint64_t *word_at(size_t offset)
{
	return (uint64_t *)(void *)(held.base + offset / 8 * 8);
}

void weak_begin(uint8_t *base)
{
	held.base = base;
	for (unsigned i = 0; i < ACTORS_MAX; i++)
		weak_drain(i);
	missed.state = BEFORE;
	missed.count = 0;
	missed.early = 0;
	missed.any_late = false;
	missed.shown = NULL;
}

/* ---- stores ---- */

/* Of a full buffer the oldest one is seen. */
static struct pending *add(unsigned who, size_t offset)
{
	struct pending *p = held.of[who].store;
	unsigned *count = &held.of[who].count;

	if (*count == PENDING_MAX) {
		memmove(p, p + 1, --*count * sizeof(*p));
		if (held.of[who].in_order > 0)
			held.of[who].in_order--;
	}
	p += (*count)++;
	*p = (struct pending){.word = word_at(offset)};
	return p;
}

void weak_store(unsigned who, size_t offset, bool is_release)
{
	struct pending *p = add(who, offset);

	p->before = *p->word;
	p->released = is_release || held.of[who].fenced;
	held.of[who].fenced = false;
}

/* On x86 it is a full fence whatever its order. */
void weak_rmw(unsigned who, size_t offset, bool is_ordered)
{
	struct pending *p;

	if (is_ordered)
		weak_drain(who);
	p = add(who, offset);
	p->before = *p->word;
	p->is_rmw = true;
	p->released = is_ordered || held.of[who].fenced;
	held.of[who].fenced = false;
	held.of[who].in_order = held.of[who].count;
}

void weak_release_fence(unsigned who)
{
	held.of[who].fenced = true;
}

void weak_drain(unsigned who)
{
	held.of[who].count = 0;
	held.of[who].in_order = 0;
	held.of[who].fenced = false;
}

uint32_t weak_held(unsigned who)
{
	return held.of[who].count;
}

/* May it be seen after all that follow it? */
static bool may_be_last(unsigned who, unsigned at)
{
	const struct pending *p = held.of[who].store;

	for (unsigned i = at + 1; i < held.of[who].count; i++)
		if (p[i].released || p[i].word == p[at].word)
			return false;
	return true;
}

void weak_hide(unsigned who, uint32_t hold, bool alone)
{
	unsigned count = held.of[who].count;
	unsigned most = alone ? count : count - held.of[who].in_order;
	unsigned hidden = hold < most ? hold : most;

	if (alone && (hold > count || !may_be_last(who, count - hidden)))
		hidden = 0;
	held.of[who].hidden = hidden;
	held.of[who].alone = alone;
	for (unsigned i = alone && hidden ? hidden - 1 : 0; i < hidden; i++) {
		struct pending *p = &held.of[who].store[count - 1 - i];

		p->after = *p->word;
		*p->word = p->before;
	}
}

/* A late read-modify-write whose word somebody is about to write to. */
static void show_rmw(const uint64_t *word)
{
	for (unsigned i = 0; i < ACTORS_MAX; i++) {
		const struct pending *p =
			&held.of[i].store[held.of[i].count - held.of[i].hidden];

		if (held.of[i].hidden == 0 || !held.of[i].alone || !p->is_rmw ||
		    p->word != word)
			continue;
		*p->word = p->after;
		held.of[i].hidden = 0;
	}
}

void weak_show(unsigned who)
{
	unsigned hidden = held.of[who].hidden, count = held.of[who].count;

	for (unsigned i = hidden; i > 0; i--) {
		const struct pending *p = &held.of[who].store[count - i];

		*p->word = p->after;
		if (held.of[who].alone)
			break;
	}
	held.of[who].hidden = 0;
	weak_drain(who);
}

/* ---- loads ---- */

void weak_leave(void)
{
	if (missed.state == BEFORE)
		missed.state = AWAY;
}

void weak_return(const struct weak_loads *how)
{
	if (missed.state != AWAY)
		return;
	missed.state = BACK;
	missed.how = *how;
}

static struct missed *missed_at(const uint64_t *word)
{
	for (unsigned i = 0; i < missed.count; i++)
		if (missed.word[i].word == word)
			return &missed.word[i];
	return NULL;
}

void weak_wrote(size_t offset)
{
	uint64_t *word = word_at(offset);
	struct missed *m;

	show_rmw(word);
	if (missed.state == AWAY && missed.count < MISSED_MAX &&
	    missed_at(word) == NULL) {
		missed.word[missed.count++] =
			(struct missed){word, *word, false};
	} else if (missed.state == BACK) {
		m = missed_at(word);
		if (m)
			m->met = true;
	}
}

void weak_load(size_t offset, bool is_acquire)
{
	struct missed *m;

	if (missed.state != BACK)
		return;
	m = missed_at(word_at(offset));
	if (m == NULL || (!m->met && *m->word == m->before))
		return;
	if (!m->met)
		missed.early++;
	if (m->met || missed.early < missed.how.first ||
	    missed.early > missed.how.last) {
		m->met = true;
		missed.any_late = true;
		if (is_acquire)
			weak_barrier();
		return;
	}
	missed.shown = m->word;
	missed.really = *m->word;
	*m->word = m->before;
}

void weak_restore(void)
{
	if (missed.shown)
		*missed.shown = missed.really;
	missed.shown = NULL;
}

void weak_acquire_fence(void)
{
	if (missed.any_late)
		weak_barrier();
}

void weak_barrier(void)
{
	if (missed.state == BACK)
		missed.state = OVER;
}

uint32_t weak_early(void)
{
	return missed.early;
}
