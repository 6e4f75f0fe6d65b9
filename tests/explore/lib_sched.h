/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_EXPLORE_LIB_SCHED_H
#define SOJ_TESTS_EXPLORE_LIB_SCHED_H

/*
 * Schedules: operations of the library run as coroutines of one process over
 * one segment, each with a handle and a thread slot of its own, and before
 * each access to the segment it is decided who goes on.
 *
 * A stage is a world (crash/lib_world.h) whose image is kept.  Each schedule
 * begins from that image: the lines of the segment that were written to since
 * are put back, and so is the private memory of the handles.
 *
 * Accesses are interleaved one by one: sequential consistency.  And, with
 * schedule.hold, total store order, as x86 has it: stores since the last RMW or
 * full fence of who is interrupted are not seen by the others until he goes on,
 * when they come one after the other, or all but the newest so many.  The dead
 * hold none.  With one interruption also what is weaker than that: lib_weak.h.
 */

#include "crash/lib_world.h"
#include "explore/lib_weak.h"

#define SCHED_RUNS_MAX 4u

/* Coroutines of a schedule. */
#define ACTORS_MAX 3u

struct stage {
	struct world w; /* the survivor's handle is the one that looks */
	struct sojourn *handle[ACTORS_MAX];
	struct soj_upkeep up[ACTORS_MAX];
	uint8_t *image;
	struct region {
		void *at, *copy;
		size_t bytes;
	} region[32];
	unsigned regions;
	uint64_t random;
};

/* When others can see that one is dead. */
enum death {
	DEATH_NONE,
	DEATH_LATE, /* stopped first, and killed when all others are done */
	DEATH_SEEN, /* at once: who looks can repair what is left */
	DEATHS
};

/* Who goes on when. */
struct schedule {
	/* In turns: `first` does run[0] accesses, then the other one run[1],
	 * and so on; after the last both run to their ends. */
	unsigned first;
	unsigned runs;
	uint32_t run[SCHED_RUNS_MAX];
	enum death die; /* of who is interrupted last: never goes on */
	/* So many of the newest stores of who is interrupted stay in his store
	 * buffer until he goes on. */
	uint32_t hold;
	bool alone; /* only that one of them: later ones are seen before it */
	struct weak_loads early;

	/* Or by priorities, from a seed: actor prio[0] is the first, and at
	 * access number change[i] who runs goes to the end of the queue. */
	bool random;
	uint64_t seed;
	uint32_t length; /* about so many accesses there are */
	bool may_die;
	/* Actor 0 does so many accesses alone and is dead then, as `die` says,
	 * before the others begin; 0: it is as the others are. */
	uint32_t corpse;
};

/* More steps than any operation of a pair has. */
#define TRACE_MAX 16384u

/* The accesses of one actor, in its order. */
struct trace {
	uint32_t count;
	bool cut; /* there were more */
	struct footstep {
		uint32_t word; /* of the segment, of eight bytes */
		uint8_t kind;  /* SOJ_POINT_LOAD, _STORE, _RMW */
		bool fenced;   /* a full fence comes after it */
	} step[TRACE_MAX];
};

/* What came of one. */
struct ran {
	unsigned dead;     /* bits: who was killed */
	unsigned switched; /* so many of run[] ended by a switch */
	uint32_t buffered; /* stores that the first interrupted had to hold */
	uint32_t early;    /* loads of his that could have been made before */
	uint32_t steps;    /* accesses, all in all */
	bool endless;
};

/* Random numbers that are the same each time, keys and ids among them: before
 * the world is made. */
void sched_random(void);
/* One per process: other than the lists of lines. */
void stage_open(struct stage *st); /* st->w is made and filled */
void stage_close(struct stage *st);
/* Back to the image. */
void stage_restore(struct stage *st);
/* What differs from the image, whatever the order of writes. */
uint64_t stage_hash(const struct stage *st);
/* Anything written that was not seen to be? */
bool stage_escaped(const struct stage *st);

/* Runs fn(arg[i]) for each actor; to completion or death. */
void schedule_run(struct stage *st, const struct schedule *how, unsigned actors,
		  void (*fn)(void *arg), void *const *arg, struct ran *ran);
/* Runs one actor alone. */
void actor_run(struct stage *st, unsigned actor, void (*fn)(void *arg),
	       void *arg);

/* What an actor did in the last schedule. */
const struct trace *schedule_trace(unsigned actor);
void trace_copy(struct trace *to, const struct trace *from);
size_t stage_words(void);

/* The death of the thread that an actor stands for, as the kernel marks it, and
 * the word that says so. */
void actor_die(struct stage *st, unsigned actor);
uint32_t actor_life(struct stage *st, unsigned actor);

/* What the test's own soj_explore_point() has to call. */
void sched_point(const volatile void *addr, int kind);

uint64_t sched_mix(uint64_t a, uint64_t b);

#endif /* SOJ_TESTS_EXPLORE_LIB_SCHED_H */
