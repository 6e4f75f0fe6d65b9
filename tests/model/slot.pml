/* SPDX-License-Identifier: MIT */

/*
 * Thread slots: who holds one, how a death is proved, what is reaped.
 *
 * Modelled, for one slot: the claim word {FREE, BUSY, HELD or MEND, generation}; the
 * robust mutex as the kernel sees it, {nobody, number of owner, OWNER_DIED};
 * the identity {thread, generation of the claim} that a claimer leaves; and one
 * state word {FREE or OWNED by this slot, generation}.  Processes, all of which
 * go on for ever:
 *   thread  claims by CAS FREE -> BUSY, locks the mutex, then BUSY -> HELD;
 *           owns and gives back the word; detaches: HELD -> BUSY, unlock,
 *           BUSY -> FREE with the next generation.  Or adopts: HELD or MEND, and
 *           OWNER_DIED: to BUSY by CAS of that claim, lock, -> MEND, frees the
 *           word of the dead, -> HELD; or does not, and leaves: BUSY, unlock,
 *           MEND of nobody, which counts as dead
 *   reaper  HELD or MEND, and OWNER_DIED: for each word loads the word first
 *           and the claim again second, then frees that exact word; then FREE.
 *           BUSY: the same only if the identity is of this generation and of
 *           the reaper's own pid namespace, and no such thread exists
 *   killer  kills threads at any step, any number of times; the kernel then
 *           marks the mutex if the number in it is the dead thread's, be it in
 *           the thread's list or the object of a lock operation in progress.  A
 *           new thread gets the same number
 * Threads 0 and 1 have the same number, in two pid namespaces; 2 has another,
 * in the namespace of 0.  There is a reaper in each namespace, and it may stop
 * anywhere for as long as it likes.
 *
 * Abstractions.  Sequentially consistent.  A generation that never repeats is a
 * bit per process, "my copy is the latest", which every change clears.  The
 * steps of pthread_mutex_lock and unlock are those of glibc: announce, change
 * the word, enter or leave the list, retract.  Nobody adopts a slot that is
 * BUSY: it is reaped.
 *
 * Properties, by the name that a violated assertion shows
 *   false_death   what a live thread claims or holds is never marked dead, nor
 *                 taken from it
 *   contended     nobody locks a mutex that another may hold
 *   stolen        a reaper frees no word of a live thread
 *   left_behind   a slot that is free owns no word, and one whose claim is HELD
 *                 by a live thread none of a dead one's
 *   not_freed     a pass of a reaper that found the holder dead ends with the
 *                 slot free
 *
 * Variants
 *   NO_CLAIM      no claim word: all try the mutex
 *   CLAIM_FIRST   a reaper does not load the claim after the word
 *   SCAN_FIRST    a reaper looks at the words before it has the proof
 *   PLAIN_STORE   a reaper frees a word by a store
 *   REAPER_LOCKS  a reaper locks the mutex
 *   FREE_FIRST    detach frees the claim before it unlocks
 *   NO_PROOF      a slot that is BUSY is taken for abandoned
 *   ANY_NS        a number is looked up in the reaper's own namespace, whatever
 *                 namespace it is from
 *   OLD_IDENT     the identity has no generation
 *   FORGETS       an adopter does not free the word of the dead
 *   NO_MEND       an adopter's slot is HELD before it does
 *   ADOPT_ALIVE   a slot is adopted without the mark
 *   ADOPT_STORE   an adopter takes the claim by a store
 *   LEAVE_FREE    an adopter that leaves with the word not freed, leaves FREE
 *
 * Runs
 *   run quick pass  base
 *   run quick fail  no-claim      -DNO_CLAIM
 *   run quick fail  claim-first   -DCLAIM_FIRST
 *   run quick fail  scan-first    -DSCAN_FIRST
 *   run quick fail  plain-store   -DPLAIN_STORE
 *   run quick fail  reaper-locks  -DREAPER_LOCKS
 *   run quick fail  free-first    -DFREE_FIRST
 *   run quick fail  no-proof      -DNO_PROOF
 *   run quick fail  any-ns        -DANY_NS
 *   run quick fail  old-ident     -DOLD_IDENT
 *   run quick fail  forgets       -DFORGETS
 *   run quick fail  no-mend       -DNO_MEND
 *   run quick fail  adopt-alive   -DADOPT_ALIVE
 *   run quick fail  adopt-store   -DADOPT_STORE
 *   run quick fail  leave-free    -DLEAVE_FREE
 *   run quick reach repaired      -DREACH_REPAIR
 *   run quick reach late-reaper   -DREACH_LATE
 *   run quick reach busy-freed    -DREACH_BUSY
 *   run quick reach adopted       -DREACH_ADOPTED
 *   run quick reach left-reaped   -DREACH_LEFT
 *   run quick reach busy-adopter  -DREACH_BUSY_ADOPTER
 * The processes go on for ever, hence
 *   pan -E
 */

#define NT 3			/* threads */
#define NR 2			/* reapers */
#define NP (NT + NR)

/* claim */
#define FREE	0
#define BUSY	1
#define HELD	2
#define MEND	3
/* mutex: nobody, a number, */
#define DIED	3

#define NUMBER(t)	((t) == 2 -> 2 : 1)	/* of a reaper: 1 */
#define NS(t)		((t) == 1 || (t) == NT + 1)

byte claim;
bit nobodys;			/* MEND, of nobody */
byte mutex;
byte ident;
bit ident_now;			/* its generation is that of the claim */
bit owned;			/* the word: OWNED by this slot */

/* what processes hold privately: here, because it goes stale */
bit claim_fresh[NP];		/* my copy of the claim word is the latest */
bit word_fresh[NR];		/* and of the word */
bit pending[NP];		/* a lock operation is announced */
bit listed[NP];			/* the mutex is in my robust list */

/* ghosts and machinery */
bit exists[NT];
byte claimer;			/* 1 + the live thread that is BUSY or HELD */
byte locker;			/* 1 + who holds the mutex, dead or alive */
bit orphan;			/* the word's owner is dead */
byte doomed;
bit false_death, contended, stolen, left_behind, not_freed, witness;

#define CHECK(cond, what) \
	d_step { if :: (cond) -> skip :: else -> assert(what) fi }
#define MORTAL	provided (doomed == 0 || doomed == _pid)

inline claim_changes(who)
{
	d_step {
		claim_fresh[0] = 0; claim_fresh[1] = 0; claim_fresh[2] = 0;
		claim_fresh[3] = 0; claim_fresh[4] = 0;
		claim_fresh[who] = 1
	}
}

#define WORD_CHANGES	word_fresh[0] = 0; word_fresh[1] = 0
#define FREE_CLAIM(who)	claim = FREE; nobodys = 0; ident_now = 0; claim_changes(who)
#define DEAD	((claim == HELD || claim == MEND) && (mutex == DIED || nobodys))

/* what the kernel does when p dies */
inline kernel_exit(p)
{
	if
	:: (listed[p] || pending[p]) && mutex == NUMBER(p) ->
		CHECK(locker == 1 + p, false_death);
		mutex = DIED; locker = 0
	:: else
	fi;
	d_step { listed[p] = 0; pending[p] = 0; claim_fresh[p] = 0 }
}

proctype thread(byte t) MORTAL
{
	bit mine;		/* I own the word */
	bit adopts;

life:	{
#ifndef NO_CLAIM
	atomic {
		if
		:: claim == FREE ->
			claim = BUSY; claimer = 1 + t; claim_changes(t);
			goto ident_
#ifdef ADOPT_ALIVE
		:: claim == HELD || claim == MEND -> claim_fresh[t] = 1
#else
		:: DEAD -> claim_fresh[t] = 1
#endif
		fi
	};
	atomic {
		if
#ifdef ADOPT_STORE
		:: true ->
#else
		:: !claim_fresh[t] -> goto life
		:: else ->
#endif
			CHECK(claimer == 0, false_death);
			claim = BUSY; nobodys = 0; ident_now = 0; adopts = 1;
			claimer = 1 + t; claim_changes(t)
		fi
	};
ident_:
	atomic { ident = t; ident_now = claim_fresh[t] };
#endif
	atomic { pending[t] = 1 };
	atomic {
#ifdef NO_CLAIM
		if
		:: mutex == 0 || mutex == DIED -> skip
		:: else -> pending[t] = 0; goto life
		fi;
#else
		CHECK(mutex == 0 || mutex == DIED, contended);
#endif
		mutex = NUMBER(t); locker = 1 + t
	};
	atomic { listed[t] = 1; pending[t] = 0 };
	atomic {
#ifdef NO_CLAIM
		claimer = 1 + t;
#else
		CHECK(claim == BUSY && claim_fresh[t], false_death);
#endif
#ifdef NO_MEND
		claim = HELD; claim_changes(t)
#else
		claim = (adopts -> MEND : HELD); claim_changes(t)
#endif
	};
	if
	:: !adopts -> goto hold
	:: adopts
	fi;
	atomic {
		if
#ifndef FORGETS
		:: owned ->
			CHECK(orphan, stolen);
#ifdef REACH_ADOPTED
			assert(witness);
#endif
			owned = 0; orphan = 0; WORD_CHANGES
		:: owned -> goto detach	/* not now */
		:: !owned
#else
		:: true
#endif
		fi
	};
	atomic {
#ifdef NO_MEND
		CHECK(claim_fresh[t], false_death);
#else
		CHECK(claim == MEND && claim_fresh[t], false_death);
#endif
		adopts = 0; claim = HELD; claim_changes(t)
	};
hold:	atomic {
		CHECK(!(owned && !mine), left_behind);
		if
		:: !mine && !owned -> owned = 1; mine = 1; WORD_CHANGES
		:: mine ->
			CHECK(owned && !orphan, stolen);
			owned = 0; mine = 0; WORD_CHANGES
		:: !mine -> goto detach
		fi;
		goto hold
	};
detach:	atomic {
		CHECK(claim >= HELD && claim_fresh[t], false_death);
		claim = BUSY; claim_changes(t)
	};
#ifdef FREE_FIRST
	atomic { claimer = 0; FREE_CLAIM(t) };
#endif
	atomic { pending[t] = 1; listed[t] = 0 };
	atomic { mutex = 0; locker = 0 };
	atomic { pending[t] = 0 };
#ifdef FREE_FIRST
	atomic { goto life }
#else
	atomic {
		CHECK(claim == BUSY && claim_fresh[t], false_death);
		claimer = 0; FREE_CLAIM(t);
#ifndef LEAVE_FREE
		if
		:: adopts -> claim = MEND; nobodys = 1
		:: else
		fi;
#endif
		CHECK(claim == MEND || !owned, left_behind);
		adopts = 0;
		goto life
	}
#endif
	} unless { atomic {
		doomed == _pid -> doomed = 0;
		kernel_exit(t);
		d_step {
			exists[t] = 0;
			orphan = orphan || mine;
			mine = 0; adopts = 0;
			claimer = (claimer == 1 + t -> 0 : claimer)
		}
	} };
	atomic { exists[t] = 1; goto life }	/* another, same number */
}

#define ME	(NT + r)
#define EXISTS(t)	(NS(t) == NS(ME) && exists[t] && NUMBER(t) == NUMBER(i))

proctype reaper(byte r) MORTAL
{
	byte i;

pass:	{
	atomic {
		if
#ifdef SCAN_FIRST
		:: claim >= HELD -> claim_fresh[ME] = 1; goto scan
#else
		:: claim >= HELD -> claim_fresh[ME] = 1
#endif
		:: claim == BUSY -> claim_fresh[ME] = 1; goto busy
		fi
	};
proof:	atomic {
		if
		:: mutex == DIED -> skip
		:: nobodys && claim_fresh[ME] ->
#ifdef REACH_LEFT
			assert(witness);
#endif
			skip
		:: else ->
			/* taken for alive: then nothing is a dead one's */
			CHECK(claim != HELD || !claim_fresh[ME] || !orphan,
			      left_behind);
			goto done
		fi;
#ifdef SCAN_FIRST
		goto free
#endif
	};
#ifdef REAPER_LOCKS
	atomic { pending[ME] = 1 };
	atomic {
		if
		:: mutex == DIED -> mutex = NUMBER(ME); locker = 1 + ME
		:: else -> goto done
		fi
	};
	atomic { listed[ME] = 1; pending[ME] = 0 };
#endif
scan:	atomic {
		if
		:: owned -> word_fresh[r] = 1
#ifdef SCAN_FIRST
		:: !owned -> goto proof
#else
		:: !owned -> goto free
#endif
		fi
	};
#ifdef SCAN_FIRST
	atomic { if :: mutex == DIED -> skip :: else -> goto done fi };
#endif
#ifndef CLAIM_FIRST
	atomic {
		if
		:: claim_fresh[ME] -> skip
		:: else ->
#ifdef REACH_LATE
			CHECK(claim != HELD || !owned || orphan, witness);
#endif
			goto done
		fi
	};
#endif
	atomic {
		if
#ifdef PLAIN_STORE
		:: true ->
#else
		:: word_fresh[r] ->
#endif
			CHECK(!owned || orphan, stolen);
#ifdef REACH_REPAIR
			assert(witness);
#endif
			owned = 0; orphan = 0; WORD_CHANGES
		:: else
		fi;
		word_fresh[r] = 0
	};
free:	atomic {
		if
		:: claim_fresh[ME] ->
			CHECK(claimer == 0, false_death);
			CHECK(!owned, left_behind);
			FREE_CLAIM(ME)
		:: else
		fi;
		CHECK(claim < HELD || !claim_fresh[ME], not_freed);
		goto done
	};
busy:	atomic {
		if
#ifdef NO_PROOF
		:: true -> skip
#else
#ifndef OLD_IDENT
		:: !ident_now -> goto done
#endif
#ifndef ANY_NS
		:: NS(ident) != NS(ME) -> goto done
#endif
		:: else -> i = ident
#endif
		fi
	};
#ifndef NO_PROOF
	atomic {
		if
		:: EXISTS(0) || EXISTS(1) || EXISTS(2) -> goto done
		:: else -> i = 0
		fi
	};
#endif
	atomic {
#ifdef REACH_BUSY
		CHECK(!claim_fresh[ME], witness);
#endif
#ifdef REACH_BUSY_ADOPTER
		CHECK(!claim_fresh[ME] || !owned, witness);
#endif
		goto scan
	};
done:	atomic {
#ifdef REAPER_LOCKS
		if :: listed[ME] -> mutex = 0; locker = 0 :: else fi;
		listed[ME] = 0; pending[ME] = 0;
#endif
		claim_fresh[ME] = 0; word_fresh[r] = 0; i = 0;
		goto pass
	}
	} unless { atomic {
		doomed == _pid -> doomed = 0;
		kernel_exit(ME);
		word_fresh[r] = 0; i = 0
	} };
	atomic { goto pass }
}

#define KILL(t)	doomed == 0 && exists[t] -> doomed = 1 + t

proctype killer() MORTAL
{
	do
	:: atomic { KILL(0) }
	:: atomic { KILL(1) }
	:: atomic { KILL(2) }
#ifdef REAPER_LOCKS
	:: atomic { doomed = 1 + NT }
	:: atomic { doomed = 2 + NT }
#endif
	od
}

init {
	atomic {
		exists[0] = 1; exists[1] = 1; exists[2] = 1;
		run thread(0);
		run thread(1);
		run thread(2);
		run reaper(0);
		run reaper(1);
		run killer()
	}
}
