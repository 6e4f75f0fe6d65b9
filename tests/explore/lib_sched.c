/* SPDX-License-Identifier: MIT */

#include "explore/lib_sched.h"

#include <linux/futex.h>
#include <malloc.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "explore/lib_coroutine.h"
#include "lib/random.h"
#include "upkeep/repair.h"

#define LINE_BYTES  64u
#define STEPS_MAX   400000u /* far more than any schedule has */
#define LIMBO_KEPT  32u
#define CHANGES_MAX 2u /* of priority: three actors, d = 3 */

static struct {
	uint8_t *base;
	size_t bytes;
	/* lines written to since the image */
	uint8_t *is_dirty;
	uint32_t *dirty;
	uint32_t dirty_count;

	struct stage *st;
	const struct schedule *how;
	struct ran *ran;
	unsigned seen_dead;
	struct trace trace[ACTORS_MAX];
	struct coroutine co[ACTORS_MAX];
	unsigned actors;
	int current; /* -1: none */
	unsigned turn;
	uint32_t left; /* accesses of this turn */
	bool last_turn;
	unsigned queue[ACTORS_MAX];
	uint32_t change[CHANGES_MAX];
	uint32_t death;
	enum death death_kind;
	unsigned mortal;
	uint64_t random[ACTORS_MAX + 1];
} now;

uint64_t sched_mix(uint64_t a, uint64_t b)
{
	return random_of(a, b);
}

/* ---- random numbers: a stream for each actor, the same in any order ---- */

static uint32_t next(void)
{
	unsigned who = (unsigned)(now.current + 1);

	return (uint32_t)sched_mix(++now.random[who], who + 1);
}

static void fill(void *const buf, const size_t bytes)
{
	uint8_t *to = buf;

	for (size_t i = 0; i < bytes; i++)
		to[i] = (uint8_t)next();
}

static const char *name(void)
{
	return "scheduled";
}

void sched_random(void)
{
	static struct randombytes_implementation scheduled = {
		.implementation_name = name, .random = next, .buf = fill};

	randombytes_set_implementation(&scheduled);
	memset(now.random, 0, sizeof(now.random));
	now.current = -1;
}

/* ---- stages ---- */

static void keep(struct stage *st, void *at, size_t bytes)
{
	struct region *r = &st->region[st->regions++];

	if (st->regions > sizeof(st->region) / sizeof(st->region[0]))
		abort();
	*r = (struct region){.at = at, .copy = malloc(bytes), .bytes = bytes};
	memcpy(r->copy, at, bytes);
}

/* A worker with as much of its limbo as can come to matter. */
static void keep_self(struct stage *st, struct soj_self *self)
{
	uint8_t *begin = (uint8_t *)self;
	uint8_t *used = (uint8_t *)&self->w.limbo_room[LIMBO_KEPT];
	uint8_t *after = (uint8_t *)&self->w.limbo_room[SOJ_LIMBO_MAX];

	if (self->w.limbo.first + self->w.limbo.count > LIMBO_KEPT)
		failed("%u in limbo before it begins", self->w.limbo.count);
	keep(st, begin, (size_t)(used - begin));
	keep(st, after, sizeof(*self) - (size_t)(after - begin));
}

static void keep_upkeep(struct stage *st, struct soj_upkeep *up)
{
	keep(st, up, sizeof(*up));
	keep(st, up->watch,
	     sizeof(*up->watch) +
		     up->watch->slots_max * sizeof(up->watch->slot[0]));
	keep(st, up->dead, st->w.s->st.seg.lay.slots_max * sizeof(uint64_t));
}

static struct sojourn *another_handle(const struct sojourn *s)
{
	static uint64_t serial = UINT64_C(1) << 40;
	struct sojourn *copy = malloc(sizeof(*copy));

	memcpy(copy, s, sizeof(*copy));
	copy->serial = serial++;
	if (pthread_key_create(&copy->key, NULL) != 0)
		abort();
	return copy;
}

void stage_open(struct stage *st)
{
	struct soj_self *self = world_self(&st->w);
	const struct soj_seg *seg = &st->w.s->st.seg;
	int rc;

	st->random = now.random[0];
	soj_limbo_drain(&st->w.s->st, &self->w);
	now.current = -1;
	now.base = seg->base;
	now.bytes = seg->bytes;
	now.is_dirty = calloc(1, seg->bytes / LINE_BYTES);
	now.dirty = malloc(seg->bytes / LINE_BYTES * sizeof(*now.dirty));
	now.dirty_count = 0;
	for (unsigned i = 0; i < ACTORS_MAX; i++) {
		st->handle[i] = another_handle(st->w.s);
		self = soj_self_writing(st->handle[i], &rc);
		if (self == NULL ||
		    soj_upkeep_init(&st->up[i], &st->handle[i]->st, &self->w) <
			    0)
			abort();
		self->up = NULL;
		keep_self(st, self);
		keep_upkeep(st, &st->up[i]);
	}
	keep_self(st, world_self(&st->w));
	keep_upkeep(st, &st->w.up);
	st->image = malloc(seg->bytes);
	memcpy(st->image, seg->base, seg->bytes);
	for (uint32_t i = 0; i < now.dirty_count; i++)
		now.is_dirty[now.dirty[i]] = 0;
	now.dirty_count = 0;
}

/* The world itself stays mapped: robust mutexes of this thread are in it. */
void stage_close(struct stage *st)
{
	for (unsigned i = 0; i < st->regions; i++)
		free(st->region[i].copy);
	st->regions = 0;
	for (unsigned i = 0; i < ACTORS_MAX; i++)
		soj_upkeep_deinit(&st->up[i]);
	free(st->image);
	free(now.is_dirty);
	free(now.dirty);
	now.base = NULL;
	now.bytes = 0;
}

void stage_restore(struct stage *st)
{
	for (uint32_t i = 0; i < now.dirty_count; i++) {
		size_t at = (size_t)now.dirty[i] * LINE_BYTES;

		memcpy(now.base + at, st->image + at, LINE_BYTES);
		now.is_dirty[now.dirty[i]] = 0;
	}
	now.dirty_count = 0;
	for (unsigned i = 0; i < st->regions; i++)
		memcpy(st->region[i].at, st->region[i].copy,
		       st->region[i].bytes);
	memset(now.random, 0, sizeof(now.random));
	now.random[0] = st->random;
	coroutine_forget();
}

uint64_t stage_hash(const struct stage *st)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < now.dirty_count; i++) {
		size_t at = (size_t)now.dirty[i] * LINE_BYTES;
		uint64_t word[LINE_BYTES / 8], line = now.dirty[i];

		if (memcmp(now.base + at, st->image + at, LINE_BYTES) == 0)
			continue;
		memcpy(word, now.base + at, LINE_BYTES);
		for (unsigned k = 0; k < LINE_BYTES / 8; k++)
			line = sched_mix(line, word[k]);
		sum += line;
	}
	return sum;
}

bool stage_escaped(const struct stage *st)
{
	for (size_t line = 0; line < now.bytes / LINE_BYTES; line++)
		if (!now.is_dirty[line] &&
		    memcmp(now.base + line * LINE_BYTES,
			   st->image + line * LINE_BYTES, LINE_BYTES) != 0)
			return true;
	return false;
}

static void written(size_t offset)
{
	uint32_t line = (uint32_t)(offset / LINE_BYTES);

	if (now.is_dirty[line])
		return;
	now.is_dirty[line] = 1;
	now.dirty[now.dirty_count++] = line;
}

static pthread_mutex_t *life_of(struct stage *st, unsigned actor)
{
	struct soj_self *self = soj_self(st->handle[actor]);

	return &st->w.s->st.seg.slots[self->w.thr.slot].life;
}

void actor_die(struct stage *st, unsigned actor)
{
	pthread_mutex_t *life = life_of(st, actor);
	uint32_t word = FUTEX_OWNER_DIED;

	memcpy(life, &word, sizeof(word));
	written((size_t)((uint8_t *)life - now.base));
}

uint32_t actor_life(struct stage *st, unsigned actor)
{
	size_t at = (size_t)((uint8_t *)life_of(st, actor) - now.base);

	return (uint32_t)(at / 8);
}

/* ---- traces ---- */

size_t stage_words(void)
{
	return now.bytes / 8;
}

const struct trace *schedule_trace(unsigned actor)
{
	return &now.trace[actor];
}

void trace_copy(struct trace *to, const struct trace *from)
{
	to->count = from->count;
	to->cut = from->cut;
	memcpy(to->step, from->step, from->count * sizeof(from->step[0]));
}

static void trace_step(size_t offset, int kind)
{
	struct trace *t = &now.trace[now.current];

	if (t->count == TRACE_MAX) {
		t->cut = true;
		return;
	}
	t->step[t->count++] = (struct footstep){.word = (uint32_t)(offset / 8),
						.kind = (uint8_t)kind};
}

static void trace_fence(void)
{
	struct trace *t = &now.trace[now.current];

	if (now.how && t->count > 0)
		t->step[t->count - 1].fenced = true;
}

/* ---- who goes on ---- */

static bool alive(unsigned actor)
{
	return !now.co[actor].finished && !(now.ran->dead >> actor & 1);
}

static void die(enum death how)
{
	now.ran->dead |= 1u << now.current;
	if (how != DEATH_SEEN)
		return;
	now.seen_dead |= 1u << now.current;
	actor_die(now.st, (unsigned)now.current);
}

/* In turns: is the current one's turn over? */
static bool turn_over(void)
{
	unsigned other = 1 - (unsigned)now.current;

	if (now.last_turn || now.left-- > 0 || !alive(other))
		return false;
	now.ran->switched++;
	if (++now.turn == now.how->runs) {
		now.last_turn = true;
		if (now.how->die)
			die(now.how->die);
	} else {
		now.left = now.how->run[now.turn];
	}
	return true;
}

/* By priorities: is another one before it now? */
static bool overtaken(void)
{
	unsigned who = (unsigned)now.current;

	if (who == now.mortal && now.ran->steps >= now.death) {
		die(now.death_kind);
		return true;
	}
	for (unsigned i = 0; i < CHANGES_MAX; i++) {
		unsigned k = 0;

		if (now.ran->steps != now.change[i])
			continue;
		while (now.queue[k] != who)
			k++;
		for (; k + 1 < now.actors; k++)
			now.queue[k] = now.queue[k + 1];
		now.queue[k] = who;
		return true;
	}
	return false;
}

/* To the others, and back. */
static void leave_it(unsigned who)
{
	bool dead = now.ran->dead >> who & 1;

	if (now.ran->buffered == 0)
		now.ran->buffered = weak_held(who);
	if (!dead)
		weak_hide(who, now.how->hold, now.how->alone);
	if (now.how->runs == 1 && !now.how->die)
		weak_leave();
	coroutine_yield(&now.co[who]);
	weak_show(who);
	if (who == now.how->first)
		weak_return(&now.how->early);
}

static void fence(unsigned who, int kind)
{
	if (kind == SOJ_POINT_FENCE_RELEASE) {
		weak_release_fence(who);
		return;
	}
	weak_acquire_fence();
	if (kind == SOJ_POINT_FENCE_SEQ_CST) {
		weak_barrier();
		weak_drain(who);
		trace_fence();
	}
}

static void access_of(unsigned who, size_t offset, int kind, bool ordered)
{
	if (kind == SOJ_POINT_LOAD)
		weak_load(offset, ordered);
	else
		weak_wrote(offset);
	if (kind == SOJ_POINT_STORE)
		weak_store(who, offset, ordered);
	else if (kind == SOJ_POINT_RMW)
		weak_rmw(who, offset, ordered);
	if (kind == SOJ_POINT_RMW && ordered)
		weak_barrier();
}

void sched_point(const volatile void *addr, int kind)
{
	size_t offset = (size_t)((const volatile uint8_t *)addr - now.base);
	bool leave, ordered = soj_explore_ordered;

	soj_explore_ordered = 0;
	weak_restore();
	if (kind >= SOJ_POINT_FENCE_ACQUIRE && now.current >= 0 && now.how)
		fence((unsigned)now.current, kind);
	if (offset >= now.bytes)
		return;
	if (kind != SOJ_POINT_LOAD)
		written(offset);
	if (now.current < 0 || now.how == NULL)
		return;
	now.ran->steps++;
	if (now.ran->steps > STEPS_MAX) {
		now.ran->endless = true;
		now.ran->dead |= 1u << now.current;
		leave = true;
	} else {
		leave = now.how->random ? overtaken() : turn_over();
	}
	if (leave)
		leave_it((unsigned)now.current);
	trace_step(offset, kind);
	access_of((unsigned)now.current, offset, kind, ordered);
}

static int choose(int last)
{
	if (!now.how->random) {
		int other = last < 0 ? (int)now.how->first : 1 - last;

		if (alive((unsigned)other))
			return other;
		return last >= 0 && alive((unsigned)last) ? last : -1;
	}
	for (unsigned i = 0; i < now.actors; i++)
		if (alive(now.queue[i]))
			return (int)now.queue[i];
	return -1;
}

/* Actor 0 first, and dead after so many accesses; the others as they were. */
static void lay_out(const struct schedule *how)
{
	unsigned at = 0;

	while (now.queue[at] != 0)
		at++;
	for (; at > 0; at--)
		now.queue[at] = now.queue[at - 1];
	now.queue[0] = 0;
	for (unsigned i = 0; i < CHANGES_MAX; i++)
		now.change[i] += how->corpse;
	now.mortal = 0;
	now.death = how->corpse;
	now.death_kind = how->die;
}

static void shuffle(const struct schedule *how)
{
	uint64_t seed = how->seed;

	for (unsigned i = 0; i < now.actors; i++)
		now.queue[i] = i;
	for (unsigned i = now.actors; i > 1; i--) {
		unsigned k = (unsigned)(sched_mix(seed, i) % i);
		unsigned swap = now.queue[k];

		now.queue[k] = now.queue[i - 1];
		now.queue[i - 1] = swap;
	}
	for (unsigned i = 0; i < CHANGES_MAX; i++)
		now.change[i] =
			1 + (uint32_t)(sched_mix(seed, 10 + i) % how->length);
	now.mortal = ACTORS_MAX;
	if (how->may_die && sched_mix(seed, 20) % 2)
		now.mortal = (unsigned)(sched_mix(seed, 21) % now.actors);
	now.death_kind = sched_mix(seed, 23) % 2 ? DEATH_SEEN : DEATH_LATE;
	now.death = 1 + (uint32_t)(sched_mix(seed, 22) % how->length);
	if (how->corpse)
		lay_out(how);
}

void schedule_run(struct stage *st, const struct schedule *how, unsigned actors,
		  void (*fn)(void *arg), void *const *arg, struct ran *ran)
{
	int who = -1;

	memset(ran, 0, sizeof(*ran));
	now.st = st;
	now.how = how;
	now.ran = ran;
	now.seen_dead = 0;
	weak_begin(now.base);
	now.actors = actors;
	now.turn = 0;
	now.left = how->runs ? how->run[0] : 0;
	now.last_turn = how->runs == 0;
	if (how->random)
		shuffle(how);
	for (unsigned i = 0; i < actors; i++) {
		coroutine_start(&now.co[i], fn, arg[i]);
		now.trace[i].count = 0;
		now.trace[i].cut = false;
	}
	coroutine_memory = 1;
	while ((who = choose(who)) >= 0) {
		now.current = who;
		coroutine_resume(&now.co[who]);
		weak_restore();
		now.current = -1;
	}
	ran->early = weak_early();
	coroutine_memory = 0;
	now.how = NULL;
	for (unsigned i = 0; i < actors; i++)
		if ((ran->dead & ~now.seen_dead) >> i & 1)
			actor_die(st, i);
}

void actor_run(struct stage *st, unsigned actor, void (*fn)(void *arg),
	       void *arg)
{
	(void)st;
	now.current = (int)actor;
	coroutine_memory = 1;
	fn(arg);
	coroutine_memory = 0;
	now.current = -1;
}
