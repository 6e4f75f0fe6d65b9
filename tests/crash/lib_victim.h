/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_CRASH_LIB_VICTIM_H
#define SOJ_TESTS_CRASH_LIB_VICTIM_H

/*
 * Victims: forked processes that run one operation and kill or stop themselves
 * at a labelled point of it (base/fault.h).
 *
 * A point is "the n-th label that the operation passes", so that running with
 * n = 1, 2, 3... until the victim gets through visits every passing of every
 * label.  What a victim passed stands in memory that it shares with its
 * parent, which knows from it whether the operation was decided.
 */

#include <sojourn/sojourn.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LABELS_MAX 192u
#define LOG_MAX    16384u

/* ---- labels ---- */
unsigned label_count(void);
const char *label_name(unsigned label);
/* Ends the test if there is no such label: a test must not silently wait for
 * what was renamed. */
unsigned label_find(const char *name);
/* Each name once?  Says on stderr which is not. */
bool labels_unique(void);

/* ---- reports ---- */

/* What a victim leaves.  In shared memory, written by the victim only. */
struct report {
	_Atomic(uint32_t) steps; /* labels passed */
	uint8_t log[LOG_MAX];    /* which, in order */
	_Atomic(uint32_t) passed[LABELS_MAX];
	_Atomic(uint32_t) paused;   /* it stands at plan.pause */
	_Atomic(uint32_t) finished; /* the operation has returned */
	/* what it returned */
	int rc;
	enum sojourn_renewal renewal;
	char id[SOJOURN_ID_CHARS_MAX + 1];
	uint64_t number;
};

uint32_t passed(const struct report *r, const char *label);
/* The label of the n-th step, "the end" if it did not get there. */
const char *step_name(const struct report *r, uint32_t nth);
/* How often the n-th step's label was passed up to there, itself included. */
uint32_t step_turn(const struct report *r, uint32_t nth);
/* Is it the last passing of its label? */
bool step_is_last(const struct report *r, uint32_t nth);

/* ---- victims ---- */

enum fault {
	FAULT_NONE,
	FAULT_KILL,
	FAULT_STOP,
	FAULT_FORK,  /* a child that ends at once */
	FAULT_SPLIT, /* a child that goes on with the operation, first */
};

struct plan {
	enum fault fault;
	const char *at;    /* a label; NULL: any */
	uint32_t nth;      /* passing of it at which; from 1 */
	const char *pause; /* and stop at the first passing of this; or NULL */
};

enum state {
	VICTIM_STOPPED,  /* by its plan, or at plan.pause */
	VICTIM_KILLED,   /* by its plan */
	VICTIM_FINISHED, /* exited by itself */
	VICTIM_BROKEN,   /* anything else: crashed, or ran out of time */
};

struct victim {
	pid_t pid;
	struct report *report;
	struct plan plan;
	enum state state;
	bool paused; /* STOPPED: at plan.pause */
};

/* Memory that processes forked from here share, zero. */
void *shared_new(size_t bytes);
/* A report in such memory. */
struct report *report_new(void);
void report_free(struct report *r);

typedef void (*victim_fn)(void *arg, struct report *r);

/* Forks one that runs fn, and waits until it is stopped or has ended.  The
 * report is emptied first. */
void victim_run(struct victim *v, struct report *r, const struct plan *plan,
		victim_fn fn, void *arg);
/* SIGCONT to a stopped one; waits again. */
void victim_continue(struct victim *v);
/* SIGKILL, and reaps it. */
void victim_kill(struct victim *v);

/* ---- what was seen, by all processes of the test ---- */
struct coverage {
	_Atomic(uint64_t) kills, stops;
	_Atomic(uint32_t) passed[LABELS_MAX];
	_Atomic(uint32_t) killed[LABELS_MAX];
	_Atomic(uint32_t) stopped[LABELS_MAX];
};
extern struct coverage *coverage;
void coverage_init(void);

/* The hook is on in victims only; this turns it on in a process of its own. */
void victim_arm(struct report *r, const struct plan *plan);

#endif /* SOJ_TESTS_CRASH_LIB_VICTIM_H */
