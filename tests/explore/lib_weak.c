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
	bool seen;     /* a read-modify-write's: by all, at once */
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
	} word[MISSED_MAX];
	unsigned count;
	uint32_t early;
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
void weak_relaxed_rmw(unsigned who, size_t offset)
{
	struct pending *p = add(who, offset);

	p->seen = true;
	p->released = held.of[who].fenced;
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

	if (p[at].seen)
		return false;
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

	if (missed.state == AWAY && missed.count < MISSED_MAX &&
	    missed_at(word) == NULL) {
		missed.word[missed.count++] = (struct missed){word, *word};
	} else if (missed.state == BACK) {
		m = missed_at(word);
		if (m)
			*m = missed.word[--missed.count];
	}
}

void weak_load(size_t offset)
{
	struct missed *m;
	bool is_early;

	if (missed.state != BACK)
		return;
	m = missed_at(word_at(offset));
	if (m == NULL || *m->word == m->before)
		return;
	missed.early++;
	is_early = missed.how.all ? missed.early >= missed.how.first
				  : missed.early == missed.how.first;
	if (missed.how.first == 0 || !is_early) {
		*m = missed.word[--missed.count];
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

void weak_barrier(void)
{
	if (missed.state == BACK)
		missed.state = OVER;
}

uint32_t weak_early(void)
{
	return missed.early;
}
