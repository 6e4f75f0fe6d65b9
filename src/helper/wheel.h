/* SPDX-License-Identifier: MIT */
#ifndef SOJ_HELPER_WHEEL_H
#define SOJ_HELPER_WHEEL_H

/*
 * Layer 6.  Hierarchical timing wheel in the private memory of the helper: one
 * timer per entry index, exact to the tick.  It is a hint: it can be thrown
 * away and built again from the entries at any time, and a fired timer means
 * "look at the entry now", never "the entry has expired".
 *
 * Time.  A tick is tick_ms milliseconds (1 to 10, SOJ_WHEEL_TICK_MS unless
 * there is a reason).  A deadline of D ms belongs to tick ceil(D / tick_ms),
 * and a tick is over once now_ms has reached tick * tick_ms.  So a timer fires
 * in the first advance with now_ms >= D rounded up to a tick: never early,
 * and less than one tick late if the caller is punctual.
 *
 * Levels.  Each has 64 slots; a slot of level L spans 64^L ticks.  A timer is
 * filed by the distance d from the present to its tick, and moves to a lower
 * level (is cascaded) when time reaches the start of its slot.
 *
 *   level  d in ticks            slot, 8 ms ticks   reach, 8 ms   reach, 1 ms
 *   0      1 .. 64 - 1           8 ms               504 ms        63 ms
 *   1      64 .. 64^2 - 1        512 ms             32.8 s        4.1 s
 *   2      64^2 .. 64^3 - 1      32.8 s             35 min        4.4 min
 *   3      64^3 .. 64^4 - 1      35 min             37.3 h        4.7 h
 *   4      64^4 .. 64^5 - 1      37.3 h             99.4 days     12.4 days
 *   5      64^5 .. 64^6 - 1      99.4 days          17.4 years    2.2 years
 *   6      64^6 .. 64^7 - 1      17.4 years         1115 years    139 years
 *   7-9    64^7 .. 64^10 - 1     1115 years and up
 *   10     64^10 .. 2^64 - 1     whatever a u64 can say
 *
 * Exactness holds over the whole range, so there is no overflow list and no
 * deadline that must be cut short.  A timer is moved at most once per level,
 * and a session of half an hour twice.
 *
 * Cost.
 *   arm, disarm, is_armed   O(1), two to four cache lines
 *   next_ms                 O(levels): one occupancy word per level in use
 *   advance                 O(fired + moved + ticks that have something to
 *                           do * levels); empty ticks cost nothing however
 *                           many were missed, and `budget` bounds the sum
 *                           fired + moved
 *   check                   O(highest index ever armed)
 * Memory: 16 bytes per entry of address space; pages of entries that were
 * never armed are never written, so they take no memory.  The links of an
 * entry and its deadline share a cache line because every operation on a timer
 * of a large wheel is a cache miss and nothing else.
 *
 * Invariants, which soj_wheel_check() verifies:
 *   I1  every list is a ring through one head, next and prev agree
 *   I2  bit s of occupied[L] is set iff slot s of level L is not empty;
 *       bit L of levels is set iff occupied[L] != 0
 *   I3  a timer at level L of tick t: (t >> 6L) - (now_tick >> 6L) is within
 *       1 .. 64, and its slot is (t >> 6L) mod 64.  So all timers of a slot
 *       share t >> 6L, and the slot's start lies in the future
 *   I4  a timer on the due list has t <= now_tick
 *   I5  a timer on the cascade list has t >= now_tick; the list is empty
 *       whenever now_tick moves
 *   I6  the lists hold `armed` timers together, and exactly those of the
 *       entries whose links are set
 *
 * One thread only; the callback runs inside soj_wheel_advance().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOJ_WHEEL_TICK_MS     8u
#define SOJ_WHEEL_TICK_MS_MAX 10u
#define SOJ_WHEEL_ENTRIES_MAX (UINT32_C(1) << 26)

#define SOJ_WHEEL_LEVEL_BITS 6u
#define SOJ_WHEEL_SLOTS      64u
#define SOJ_WHEEL_LEVELS     11u

/*
 * Node numbers.  List heads live in the same array as the entries, so that
 * unlinking needs no test for the ends of a list; 0 is no node, so that memory
 * fresh from the kernel reads as "not armed".
 */
enum {
	SOJ_WHEEL_NIL = 0,
	SOJ_WHEEL_DUE = 1,     /* to be fired by the next or running advance */
	SOJ_WHEEL_CASCADE = 2, /* taken off a slot, to be filed again */
	SOJ_WHEEL_SLOT0 = 3,   /* + level * 64 + slot */
	SOJ_WHEEL_ENTRY0 = SOJ_WHEEL_SLOT0 + SOJ_WHEEL_LEVELS * SOJ_WHEEL_SLOTS,
};

struct soj_wheel_node {
	uint32_t next; /* SOJ_WHEEL_NIL: not armed */
	uint32_t prev;
	uint64_t deadline_ms;
};

struct soj_wheel {
	struct soj_wheel_node *nodes;
	size_t nodes_bytes;
	uint32_t entries_max;
	uint32_t tick_ms;
	uint64_t now_tick; /* all ticks up to here are processed */
	uint64_t occupied[SOJ_WHEEL_LEVELS];
	uint32_t levels;   /* bit L: occupied[L] != 0 */
	uint32_t touched;  /* entries at or above were never armed */
	uint32_t due_stop; /* within run_due() only: where it ends */
	bool advancing;
	uint64_t armed; /* timers armed now */
	uint64_t fired; /* since init, as are the rest */
	uint64_t moved; /* cascaded from one level to a lower one */
	uint64_t ticks; /* ticks that had something to do */
};

/* What one advance did. */
struct soj_wheel_pass {
	uint64_t fired;
	uint64_t moved;
	bool behind; /* something due at now_ms has not fired yet */
};

/**
 * soj_wheel_init - make an empty wheel
 * @entries_max:	indices are 0 .. entries_max - 1; 1 .. 2^26
 * @tick_ms:	1 .. 10
 * @now_ms:	the present; must be on the clock of all later times
 *
 * Returns 0; -EINVAL for a value out of range; -ENOMEM if the address space
 * (16 bytes per entry) cannot be had, then @w needs no deinit.
 */
int soj_wheel_init(struct soj_wheel *w, uint32_t entries_max, uint32_t tick_ms,
		   uint64_t now_ms);

/**
 * soj_wheel_deinit - give the memory back; all timers are forgotten
 *
 * Not from within the callback.
 */
void soj_wheel_deinit(struct soj_wheel *w);

/**
 * soj_wheel_arm - fire entry @idx at @deadline_ms, instead of whenever else
 *
 * Any u64 will do as a deadline.  One that is past fires in the next advance;
 * armed from within the callback, it fires in the running advance only if
 * that has another tick to process afterwards, else in the next: so an advance
 * always ends, even if the callback does nothing but re-arm into the past.
 */
void soj_wheel_arm(struct soj_wheel *w, uint32_t idx, uint64_t deadline_ms);

/**
 * soj_wheel_disarm - entry @idx does not fire any more
 *
 * Returns whether it was armed.
 */
bool soj_wheel_disarm(struct soj_wheel *w, uint32_t idx);

/** soj_wheel_is_armed - whether entry @idx is going to fire */
bool soj_wheel_is_armed(const struct soj_wheel *w, uint32_t idx);

/** soj_wheel_deadline_ms - what @idx was armed for; UINT64_MAX if it is not */
uint64_t soj_wheel_deadline_ms(const struct soj_wheel *w, uint32_t idx);

/**
 * soj_wheel_advance - process every tick up to @now_ms
 * @budget:	fire and move at most so many timers together, then return
 *		early; the next call goes on from there.  UINT64_MAX: no limit
 * @fire:	called once for each timer that fires, in the order of their
 *		ticks (within one tick in no order), with the deadline it was
 *		armed for; the timer is disarmed by then.  It may arm and
 *		disarm any entry, its own too, but not advance or deinit
 *
 * A @now_ms before that of an earlier call only goes on with what is pending.
 * A callback that arms for a tick between the wheel's present and @now_ms is
 * called again in the same advance: arm relative to the clock, not to the
 * deadline that fired, unless every missed period shall be seen.
 */
struct soj_wheel_pass
soj_wheel_advance(struct soj_wheel *w, uint64_t now_ms, uint64_t budget,
		  void (*fire)(uint32_t idx, uint64_t deadline_ms, void *arg),
		  void *arg);

/**
 * soj_wheel_next_ms - until when there is certainly nothing to do
 *
 * Never later than the earliest timer; earlier when one has to be cascaded
 * first, at most once per level.  UINT64_MAX if nothing is armed, or nothing
 * before the end of the clock.  A time that is not after the last advance
 * means: advance again at once.
 */
uint64_t soj_wheel_next_ms(const struct soj_wheel *w);

/**
 * soj_wheel_check - verify I1 to I6
 * @why:	the first broken invariant in words (static), NULL if none; may
 *		be NULL
 *
 * Returns 0 or -EUCLEAN.  Reads only; links out of range are reported, not
 * followed.  May be called from within the callback.
 */
int soj_wheel_check(const struct soj_wheel *w, const char **why);

#endif /* SOJ_HELPER_WHEEL_H */
