/* SPDX-License-Identifier: MIT */

/*
 * How old what a reader holds may become: after P. McKenney's rcutorture.
 *
 * In a section a reader finds the value of some entry while that is its value,
 * lets others run, and looks at the state of the value's memory: still LIVE, or
 * retired 0, 1, ... epochs ago, or in use by another already, which takes two
 * at least.  If the section was not expelled, two is never seen: the epoch of
 * retirement is not before the section's, and the section holds back the
 * second change of the epoch after that.
 *
 * Where nothing else is done, it finds those of many entries, and stays until
 * the others have replaced as many; meanwhile it looks at all of them again each
 * time that others have run.  Half of them it holds from the beginning of the
 * section, the others it finds anew in turn.
 */

#include <sched.h>
#include <sojourn/collection.h>
#include <stdio.h>
#include <string.h>

#include "histories/lib_work.h"
#include "session/handle.h"
#include "session/item.h"
#include "stress/lib_stress.h"

#define YIELDS_MAX 12u
#define THINGS     32u /* whose values are replaced and looked at */
#define AT_A_TIME  16u
#define HELD       16u /* of them from the beginning of the section */
#define ANEW       8u  /* in so many rounds each of the others is found anew */
#define LOOKS      4u  /* at all of them, one after the other */
#define WAIT_MAX   100u

struct sight {
	uint32_t idx;      /* of the entry; 0: nothing was found */
	soj_word_t *state; /* NULL: nothing was found */
	uint64_t seen;
};

/* The value of an entry, as long as it is that. */
static struct sight sight_of(const struct soj_store *st, uint32_t idx)
{
	struct soj_shm_entry *e = soj_entry(st, idx);
	uint64_t ctl = soj_load_acquire(&e->ctl);
	struct sight sight = {.idx = idx};
	soj_word_t *state = soj_chunk_state(st, soj_ctl_chunk(ctl));

	if (!soj_ctl_readable(ctl) || state == NULL)
		return sight;
	sight.seen = soj_load_acquire(state);
	if (soj_state_phase(sight.seen) == SOJ_LIVE &&
	    soj_load_acquire(&e->ctl) == ctl)
		sight.state = state;
	return sight;
}

static unsigned age_of(const struct soj_seg *seg, const struct sight *sight)
{
	uint64_t state = soj_load_acquire(sight->state);
	uint64_t age;

	if (state == sight->seen)
		return 0;
	if (soj_state_gen(state) != soj_state_gen(sight->seen) ||
	    soj_state_phase(state) != SOJ_RETIRED)
		return AGES - 1;
	age = (soj_epoch(seg) - soj_state_aux(state)) & SOJ_MASK(SOJ_AUX_BITS);
	return age < AGES - 2 ? (unsigned)age + 1 : AGES - 1;
}

void work_look(struct work *w)
{
	const struct soj_store *st = &w->s->st;
	struct soj_self *self;
	struct sight sight;
	unsigned age = 0;
	int rc;

	self = soj_self_writing(w->s, &rc);
	if (self == NULL)
		return;
	soj_section_enter(&st->seg, &self->w.thr);
	sight = sight_of(st, 1 + (uint32_t)(next_random(&w->random) %
					    st->seg.lay.entries_max));
	for (uint64_t i = next_random(&w->random) % YIELDS_MAX; i > 0; i--)
		sched_yield();
	if (sight.state)
		age = age_of(&st->seg, &sight);
	if (soj_section_exit(&st->seg, &self->w.thr) && sight.state) {
		w->notes->age[age]++;
	}
}

/* ---- nothing but that ---- */

static struct sojourn_item thing(const struct work *w, unsigned number,
				 char name[16])
{
	return (struct sojourn_item){
		.collection = w->collection,
		.key = name,
		.key_bytes = (size_t)snprintf(name, 16, "thing %u", number)};
}

static void replace_some(struct work *w)
{
	static const uint8_t data[64];
	struct sojourn_value v = {.data = data};
	char name[16];

	for (unsigned i = 0; i < AT_A_TIME; i++) {
		const struct sojourn_item item = thing(
			w, (unsigned)(next_random(&w->random) % THINGS), name);

		v.data_bytes = next_random(&w->random) % sizeof(data);
		if (sojourn_put(w->s, &item, &v, NULL) == 0)
			w->notes->replaced++;
	}
}

/* What is found of each; which is all in one section. */
static void see_all(struct work *w, struct sight *sights)
{
	char name[16];

	for (unsigned i = 0; i < THINGS; i++) {
		const struct sojourn_item item = thing(w, i, name);
		struct soj_digest digest;
		struct soj_found found;

		sights[i] = (struct sight){0};
		if (soj_item_digest(w->s, &item, &digest) == 0 &&
		    soj_index_find(&w->s->st, digest, &found) == 0)
			sights[i] =
				sight_of(&w->s->st, soj_ref_entry(found.ref));
	}
}

/* A few of those that are not held on to. */
static void see_some(struct work *w, struct sight *sights, unsigned round)
{
	for (unsigned i = HELD + round % ANEW; i < THINGS; i += ANEW)
		if (sights[i].idx)
			sights[i] = sight_of(&w->s->st, sights[i].idx);
}

static void look_again(const struct soj_seg *seg, const struct sight *sights,
		       uint64_t age[AGES])
{
	for (unsigned i = 0; i < THINGS; i++)
		if (sights[i].state)
			age[age_of(seg, &sights[i])]++;
}

/* Until each was replaced twice, on average.  What was looked at counts if the
 * section was still valid then. */
static void look_for_long(struct work *w, struct soj_self *self,
			  struct sight *sights)
{
	const uint64_t until = w->notes->replaced + 2 * THINGS;
	const struct soj_seg *seg = &w->s->st.seg;
	uint64_t sum[AGES] = {0};

	for (unsigned i = 0; i < WAIT_MAX && w->notes->replaced < until; i++) {
		uint64_t age[AGES] = {0};

		sched_yield();
		for (unsigned n = 0; n < LOOKS; n++)
			look_again(seg, sights, age);
		if (!soj_section_valid(seg, &self->w.thr))
			break;
		for (unsigned k = 0; k < AGES; k++)
			sum[k] += age[k];
		see_some(w, sights, i);
	}
	for (unsigned k = 0; k < AGES; k++)
		w->notes->age[k] += sum[k];
}

static void look_at_all(struct work *w)
{
	struct sight sights[THINGS];
	struct soj_self *self;
	int rc;

	self = soj_self_writing(w->s, &rc);
	if (self == NULL)
		return;
	soj_section_enter(&w->s->st.seg, &self->w.thr);
	see_all(w, sights);
	look_for_long(w, self, sights);
	(void)!soj_section_exit(&w->s->st.seg, &self->w.thr);
}

void work_age(struct work *w)
{
	w->notes->ops_used++;
	if (next_random(&w->random) % 4)
		replace_some(w);
	else
		look_at_all(w);
}

unsigned work_look_unprotected(struct sojourn *s, uint32_t collection)
{
	const struct sojourn_item item = {
		.collection = collection, .key = "control", .key_bytes = 7};
	struct sojourn_value v = {.data = "old", .data_bytes = 3};
	struct sight sight = {0};
	struct soj_digest digest;
	struct soj_found found;

	if (sojourn_put(s, &item, &v, NULL) < 0 ||
	    soj_item_digest(s, &item, &digest) < 0 ||
	    soj_index_find(&s->st, digest, &found) < 0)
		return 0;
	sight = sight_of(&s->st, soj_ref_entry(found.ref));
	v.data = "new";
	if (sight.state == NULL || sojourn_put(s, &item, &v, NULL) < 0)
		return 0;
	for (unsigned i = 0; i < 2; i++)
		soj_epoch_advance(&s->st.seg);
	return age_of(&s->st.seg, &sight);
}
