/* SPDX-License-Identifier: MIT */

#include "explore/lib_equal.h"

#include <stdlib.h>
#include <string.h>

/* How a step concerns a word. */
enum touch {
	TOUCH_READ, /* meets who writes */
	TOUCH_HELD, /* a store that nobody sees yet: the same */
	TOUCH_WRITE /* meets whoever is there */
};

void marks_begin(struct marks *m)
{
	if (m->words != stage_words()) {
		marks_free(m);
		m->words = stage_words();
		m->word = calloc(m->words, sizeof(*m->word));
		if (m->word == NULL)
			abort();
	}
	m->round++;
}

void marks_free(struct marks *m)
{
	free(m->word);
	memset(m, 0, sizeof(*m));
}

static void mark(struct marks *m, uint32_t word, bool read, uint32_t step)
{
	struct mark *at = &m->word[word];

	if (at->round != m->round)
		*at = (struct mark){.round = m->round,
				    .read = STEP_NONE,
				    .written = STEP_NONE};
	if (read && at->read == STEP_NONE)
		at->read = step;
	if (!read && at->written == STEP_NONE)
		at->written = step;
}

void marks_add(struct marks *m, const struct trace *t, uint32_t from)
{
	for (uint32_t i = from; i < t->count; i++)
		mark(m, t->step[i].word, t->step[i].kind == SOJ_POINT_LOAD, i);
}

static uint32_t meet(const struct marks *m, uint32_t word, enum touch how)
{
	const struct mark *at = &m->word[word];

	if (at->round != m->round)
		return STEP_NONE;
	if (how == TOUCH_WRITE && at->read < at->written)
		return at->read;
	return at->written;
}

/* Stores are held since a step that let go of all that were. */
static bool lets_go(const struct footstep *s)
{
	return s->kind == SOJ_POINT_RMW || s->fenced;
}

/* The first step whose stores t may hold before its step `at`. */
static uint32_t holds_from(const struct trace *t, uint32_t at)
{
	while (at > 0 && !lets_go(&t->step[at - 1]))
		at--;
	return at;
}

void marks_add_held(struct marks *m, const struct trace *t, uint32_t at)
{
	for (uint32_t i = holds_from(t, at); i < at; i++)
		if (t->step[i].kind == SOJ_POINT_STORE)
			mark(m, t->step[i].word, false, 0);
}

/* Of what t holds before step `at`; *count: so many stores. */
static uint32_t meet_held(const struct marks *m, const struct trace *t,
			  uint32_t at, unsigned *count)
{
	uint32_t first = STEP_NONE;

	for (uint32_t i = holds_from(t, at); i < at; i++) {
		uint32_t step;

		if (t->step[i].kind != SOJ_POINT_STORE)
			continue;
		++*count;
		step = meet(m, t->step[i].word, TOUCH_WRITE);
		first = step < first ? step : first;
	}
	return first;
}

uint32_t marks_meet(const struct marks *m, const struct trace *t, uint32_t at,
		    bool held)
{
	const struct footstep *s = &t->step[at];
	enum touch how = s->kind == SOJ_POINT_LOAD ? TOUCH_READ : TOUCH_WRITE;
	uint32_t first, of_held;
	unsigned count = 0;

	if (!held)
		return meet(m, s->word, how);
	of_held = meet_held(m, t, at, &count);
	/* Of a full buffer the oldest one is seen: as if all were. */
	if (!lets_go(s) && count < PENDING_MAX)
		return meet(m, s->word,
			    how == TOUCH_WRITE ? TOUCH_HELD : TOUCH_READ);
	first = meet(m, s->word, how);
	return of_held < first ? of_held : first;
}

bool marks_meet_held(const struct marks *m, const struct trace *t, uint32_t at)
{
	unsigned count = 0;

	return meet_held(m, t, at, &count) != STEP_NONE;
}

bool marks_has(const struct marks *m, uint32_t word)
{
	return meet(m, word, TOUCH_WRITE) != STEP_NONE;
}
