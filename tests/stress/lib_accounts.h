/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_LIB_ACCOUNTS_H
#define SOJ_TESTS_LIB_ACCOUNTS_H

/*
 * Accounts that a crew of processes logs in, uses and logs out, and a ledger of
 * what was acknowledged.
 *
 * Each account has one login session.  Only its owner, thread t of worker w,
 * logs it in, renews it and logs it out; every thread reads it and adds one to
 * the counter in its data.  The ledger lies outside of the segment: an operation
 * is noted before it begins and after it returned, so whatever a killed worker
 * was doing is known to be undecided, and only that.
 *
 * Counted, and all must be 0: torn or foreign values, acknowledged sessions
 * that are gone, logged-out sessions that answer, increments lost, calls that
 * gave up (-EBUSY), entries or chunks left over after the drain.
 */

#include <sojourn/sojourn.h>
#include <sojourn/stat.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/hist.h"
#include "lib/gate.h"

enum pending { NOTHING, LOGIN, RENEW, LOGOUT };

struct account {
	_Atomic(uint32_t) version; /* odd while the owner changes the id */
	_Atomic(uint32_t) pending;
	_Atomic(uint32_t) alive; /* as acknowledged */
	_Atomic(uint32_t) login; /* the last one that was begun */
	/* Increments of that login, its number in the upper half: one of an
	 * older login may still be under way when the next begins. */
	_Atomic(uint64_t) begun, done;
	_Atomic(uint32_t) id_login; /* which one the id is of */
	char id[SOJOURN_ID_CHARS_MAX + 1];
};

struct ledger {
	_Atomic(uint64_t) torn, lost, resurrected, busy, errors, ops, kills,
		helper_kills, renewals, logins, logouts, full, increments_lost;
	_Atomic(uint32_t) stop;
	struct gate due, end;      /* kills; set with stop, for the helper */
	struct soj_hist reads[64]; /* one for each thread */
	struct account account[];
};

struct crew {
	unsigned workers, threads, accounts;
	unsigned ops_per_kill; /* operations until ledger->due is posted */
	struct sojourn *s;
};

extern struct crew crew;
extern struct ledger *ledger;

/* A thread of a worker. */
struct job {
	unsigned worker, thread;
};

/* What crew_begin() has unless somebody changes it: nothing ends by time, no
 * helper. */
void crew_options(struct sojourn_options *o, unsigned entries);

/* An anonymous segment by *o, and an empty ledger.  0, or
 * says why not. */
int crew_begin(const struct sojourn_options *o);
void crew_end(void);

/* What a thread does until ledger->stop; arg: its struct job. */
void *crew_work(void *arg);

/* When all is over: the number of violations, 0 if all is as it should be.
 * Ends all sessions on the way; *stat is what is left then. */
uint64_t crew_judge(struct sojourn_stat *stat);

/* What the ledger says, in two lines. */
void crew_report(const struct sojourn_stat *stat);

/* The end of the work: workers and helpers return. */
void crew_stop(void);

/* ---- lib_workers.c: the processes, workers 0 .. n-1, then helpers ---- */

#define CREW_MAX 72u

/* Starts number i, which is not there. */
void crew_start(unsigned i);
/* Waits for its end, which has to be by that signal, or 0: by itself. */
void crew_join(unsigned i, int signal);
/* Kills it, stopped or not, and starts another in its place. */
void crew_kill(unsigned i);
/* Stops it, which it is on return; crew_signal(SIGCONT) lets it go on. */
void crew_halt(unsigned i);
void crew_signal(unsigned i, int signal);

#endif /* SOJ_TESTS_LIB_ACCOUNTS_H */
