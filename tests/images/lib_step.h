/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_IMAGES_LIB_STEP_H
#define SOJ_TESTS_IMAGES_LIB_STEP_H

/*
 * Runs an operation in a process of its own, one machine instruction at a
 * time, and records every change of the segment's bytes.
 *
 * The trap flag is set, so the processor stops after each instruction, and
 * after each turn of a repeated string instruction, in a SIGTRAP handler of
 * the process itself.  The segment is mapped without write permission
 * meanwhile: an instruction that stores to it faults first, is let through,
 * and what it changed is compared when it has been executed.  Nothing else can
 * change the segment, so a process killed after any instruction leaves one of
 * the images recorded here; a system call is one instruction, as no call that
 * the library makes writes to the segment.
 *
 * What the kernel adds when the process dies is recorded as well: at each
 * instruction the process's own robust list is walked as the kernel does it at
 * a thread's exit (head, entries, pending operation; futex words that hold the
 * thread's number), and the slots whose mutex it would mark are noted.  So an
 * image with its marks is what a survivor finds; killing for real at recorded
 * changes (kill_at) must leave the very same bytes.
 *
 * BY_STORE leaves the trap flag off but for the instructions that store: the
 * same images at a small part of the price.
 */

#include "crash/lib_world.h"

enum step_how { BY_INSTRUCTION, BY_STORE };

/* In memory shared with the process that is recorded. */
struct record {
	uint64_t steps;   /* instructions executed */
	uint64_t changes; /* of the segment's bytes */
	uint64_t used;    /* words of log */
	bool overflow, finished;
	uint32_t tid;
	uint64_t base_marks; /* one bit a slot */
	struct report report;
	size_t bytes; /* of the segment */
	size_t slots_off;
	unsigned slots;
	uint64_t *log; /* per change: see lib_step.c */
	uint8_t *base; /* the segment at the beginning */
};

struct record *record_new(size_t segment_bytes);
void record_free(struct record *rec);

struct recording {
	enum step_how how;
	victim_fn run;
	/* Before the recording begins, in the same thread; or NULL. */
	void (*warm)(struct world *w);
	uint64_t kill_at; /* SIGKILL after so many changes; 0: never */
	bool keep;        /* it stays, asleep, until it is killed */
	uint64_t seed;    /* of its random numbers */
};

/* Runs it to its end; -1: it came to no good end.  Else its process number. */
pid_t record_run(struct record *rec, struct world *w,
		 const struct recording *what);

/* Going through the images. */
struct cursor {
	const struct record *rec;
	const uint64_t *at;
	uint64_t nth; /* 0: before the first change */
	uint64_t step;
	uint64_t rip; /* of the instruction that made it */
	uint64_t marks;
	uint64_t hash; /* the same whatever number the thread had */
	uint8_t *image;
};

void cursor_init(struct cursor *c, const struct record *rec);
void cursor_deinit(struct cursor *c);
bool cursor_next(struct cursor *c);
/* Makes the image the segment: as left by the dead, or by one who lives. */
void cursor_put(const struct cursor *c, struct world *w, bool dead);
/* Marks the mutexes that thread `tid` has in the segment, as at its death. */
void mark_dead(struct world *w, uint32_t tid);

/* "function+0x12 at file.c:34" of an address in this program. */
void where_is(uint64_t rip, char *text, size_t bytes);

/* Random numbers from here on follow from the seed alone. */
void seed_random(uint64_t seed);
uint64_t mix(uint64_t a, uint64_t b);

#endif /* SOJ_TESTS_IMAGES_LIB_STEP_H */
