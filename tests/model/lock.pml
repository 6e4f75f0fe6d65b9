/* SPDX-License-Identifier: MIT */

/*
 * The lock of one entry: taking, writing under it, giving back, waiting, deaths,
 * late holders, repair, reuse of the holder's slot.
 *
 * Modelled: the lock word {slot or nobody, waited, over its hold time}; ctl as
 * something that is changed by CAS; the value; two thread slots, each free, held
 * or held by a dead thread.  Processes, all of which go on for ever:
 *   thread  claims a slot; takes the lock: loads the word, looks at its holder,
 *           CAS, then moves ctl on, then looks at the word again; reads the
 *           value; writes: loads ctl, looks at the word, CAS of ctl, again if
 *           that fails; gives the lock back; leaves its slot or goes on.  If
 *           another has the lock: CAS of waited, sleep if the word is the same
 *   writer  writes without the lock: reads ctl and value, looks at the word,
 *           frees it if its holder is dead or late, CAS of ctl
 *   repair  of a dead thread: frees the word if it names its slot, then the slot
 *   clock   ends the hold time of whoever has the lock, at any moment
 *   killer  kills threads at any step, any number of times; a new thread begins
 * Any of them may stop at any step for as long as it likes.
 *
 * Abstractions.  Sequentially consistent.  Counts and versions that never
 * repeat are a bit per process, "my copy is the latest", which every change
 * clears.  A sleeper may wake by itself, as when its slice ends; with WAKE it
 * does not, nobody dies or is late, and each thread goes round twice: then only
 * the wake-ups themselves are looked at.  Without WAKE and WAITS who finds the
 * lock taken looks again at once.
 *
 * Properties, by the name that a violated assertion shows
 *   lost         who writes what he made of a value that he read under the lock,
 *                or read together with ctl, overwrites that value and no other
 *   stolen       the lock is taken only when it is free, or its holder is dead
 *                or late
 *   inherited    who claims a slot finds no word that names it
 *   sleeps       (WAKE) nobody sleeps when all others have ended
 *
 * Variants
 *   NO_BUMP      taking leaves ctl alone
 *   NO_FENCE     a holder does not look at the word before it writes
 *   LOOK_FIRST   ... looks at it before it loads ctl
 *   NO_COUNT     the word has no count
 *   UNLOCKED     who waited in vain goes on without
 *   NO_CLEAR     the writer leaves the lock of a late holder alone
 *   FREE_FIRST   repair frees the slot and does not look at the word
 *   LEAVE        a thread leaves its slot with the lock
 *   NO_COMPARE   a waiter sleeps whatever the word is by then
 *   FORGETFUL    who slept does not set waited when it takes the lock
 *   WAKE_FIRST   the holder wakes before it gives back
 *
 * Runs
 *   run quick pass  base
 *   run quick pass  wake          -DWAKE
 *   run full  pass  waits         -DWAITS
 *   run quick fail  no-bump       -DNO_BUMP
 *   run quick fail  no-fence      -DNO_FENCE
 *   run quick fail  look-first    -DLOOK_FIRST
 *   run quick fail  no-count      -DNO_COUNT
 *   run quick fail  unlocked      -DUNLOCKED -DWAITS
 *   run quick fail  no-clear      -DNO_CLEAR
 *   run quick fail  free-first    -DFREE_FIRST
 *   run quick fail  leave         -DLEAVE
 *   run quick fail  no-compare    -DWAKE -DNO_COMPARE
 *   run quick fail  forgetful     -DWAKE -DFORGETFUL
 *   run quick fail  wake-first    -DWAKE -DWAKE_FIRST
 *   run quick reach late-refused  -DREACH_REFUSED
 *   run quick reach taken-over    -DREACH_TAKEN
 *   run quick reach overtaken     -DREACH_OVERTAKEN
 *   run quick reach slept         -DWAKE -DREACH_SLEPT
 * The processes go on for ever, hence
 *   pan -E -m8000000
 */

#ifdef WAKE
#define WAITS
#define NT	3		/* threads */
#define NS	3		/* slots */
#else
#define NT	2
#define NS	2
#endif
#define WRITER	NT
#define REPAIR	(NT + 1)
#define NP	(NT + 2)

/* the word: 0, nobody, or 1 + slot */
byte lslot;
bit lwaited;
bit llate;			/* not in the word: its until is over */

byte owner[NS];			/* of a slot: 1 + thread, 0 */
bit marked[NS];			/* by the kernel: its thread is dead */

/* what processes hold privately: here, because it goes stale */
bit word_fresh[NP];		/* my copy of the word is the latest */
bit ctl_fresh[NP];		/* and of ctl */
bit read_fresh[NP];		/* the value is the one that I read */
bit mine[NT];			/* the word is the one that I put */
bit asleep[NT];

/* ghosts and machinery */
bit ldead;			/* who put the word is dead */
byte holder;			/* 1 + who */
byte doomed;
bit lost, stolen, inherited, sleeps, witness;

#define CHECK(cond, what) \
	d_step { if :: (cond) -> skip :: else -> assert(what) fi }
#define MORTAL	provided (doomed == 0 || doomed == _pid)

inline word_changes(who)
{
	d_step {
		word_fresh[0] = 0; word_fresh[1] = 0; word_fresh[2] = 0;
		word_fresh[3] = 0;
#ifdef WAKE
		word_fresh[4] = 0;
#endif
		word_fresh[who] = 1
	}
}

inline ctl_changes(who)
{
	d_step {
		ctl_fresh[0] = 0; ctl_fresh[1] = 0; ctl_fresh[2] = 0;
		ctl_fresh[3] = 0;
#ifdef WAKE
		ctl_fresh[4] = 0;
#endif
		ctl_fresh[who] = 1
	}
}

/* a new value, made of what who read; nobody has read it yet */
inline write(who)
{
	CHECK(read_fresh[who], lost);
	d_step {
		read_fresh[0] = 0; read_fresh[1] = 0; read_fresh[2] = 0;
		read_fresh[3] = 0
#ifdef WAKE
		; read_fresh[4] = 0
#endif
	};
	ctl_changes(who)
}

/* the word says something else than who put it */
inline put(slot, by, who)
{
	d_step {
		mine[0] = 0; mine[1] = 0;
#ifdef WAKE
		mine[2] = 0;
#endif
		lslot = slot; llate = 0; ldead = 0; holder = by
	};
	word_changes(who)
}

inline free_word(who)
{
	put(0, 0, who);
	lwaited = 0
}

inline wake_one()
{
	if
	:: asleep[0] -> asleep[0] = 0
	:: asleep[1] -> asleep[1] = 0
#ifdef WAKE
	:: asleep[2] -> asleep[2] = 0
#endif
	:: else
	fi
}

#ifdef NO_COUNT
#define SAME(t)	(lslot == seen && lwaited == waited)
#else
#define SAME(t)	word_fresh[t]
#endif

proctype thread(byte t) MORTAL
{
	byte my;		/* 1 + my slot */
	byte seen;		/* the word that I saw */
	bit waited, slept;
#ifdef WAKE
	bit again;
#endif

life:	{
	atomic {
		if
		:: owner[0] == 0 -> owner[0] = 1 + t; my = 1
		:: owner[1] == 0 -> owner[1] = 1 + t; my = 2
#ifdef WAKE
		:: owner[2] == 0 -> owner[2] = 1 + t; my = 3
#endif
		fi;
		CHECK(lslot != my, inherited)
	};
look:	atomic {
		seen = lslot; waited = lwaited; word_fresh[t] = 1;
		if
		:: lslot == 0 || llate -> goto take
		:: else
		fi
	};
	/* its holder, after the word */
	atomic {
		if
		:: owner[seen - 1] == 0 || marked[seen - 1] -> skip
		:: else -> goto wait
		fi
	};
take:	atomic {
		if
		:: !(SAME(t)) -> word_fresh[t] = 0; goto look
		:: else ->
			CHECK(lslot == 0 || ldead || llate, stolen);
#ifdef REACH_TAKEN
			CHECK(lslot == 0 || !llate || ldead, witness);
#endif
			put(my, 1 + t, t);
			mine[t] = 1;
#ifdef WAITS
#ifndef FORGETFUL
			lwaited = waited || slept;
#else
			lwaited = waited;
#endif
#endif
			slept = 0
		fi
	};
#ifndef NO_BUMP
	atomic { ctl_changes(t) };
#endif
	atomic {
		if
		:: mine[t] -> skip
		:: else ->
#ifdef REACH_OVERTAKEN
			assert(witness);
#endif
			goto look
		fi
	};
	/* the lock is had: read, and write what comes of it */
work:	atomic { read_fresh[t] = 1 };
#ifdef LOOK_FIRST
update:	atomic { if :: mine[t] -> skip :: else -> goto over fi };
	atomic { ctl_fresh[t] = 1 };
#else
update:	atomic { ctl_fresh[t] = 1 };
#ifndef NO_FENCE
	atomic {
		if
		:: mine[t] -> skip
		:: else ->
#ifdef REACH_REFUSED
			assert(witness);
#endif
			goto over
		fi
	};
#endif
#endif
	atomic {
		if
		:: ctl_fresh[t] -> write(t)
		:: else -> goto update
		fi
	};
#ifdef LEAVE
	atomic {
		if
		:: owner[my - 1] = 0; goto done
		:: skip
		fi
	};
#endif
#ifdef WAKE_FIRST
	atomic { if :: lwaited -> wake_one() :: else fi };
#endif
give:	atomic {
		if
		:: mine[t] -> word_fresh[t] = 1
		:: else -> goto over
		fi
	};
	atomic {
		if
		:: word_fresh[t] ->
			waited = lwaited;
			free_word(t)
		:: else -> goto give
		fi
	};
#ifndef WAKE_FIRST
	atomic { if :: waited -> wake_one() :: else fi };
#endif
over:	atomic {
		word_fresh[t] = 0; ctl_fresh[t] = 0; read_fresh[t] = 0;
		seen = 0; waited = 0; slept = 0;
#ifdef WAKE
		if
		:: !again -> again = 1; goto look
		:: else -> owner[my - 1] = 0; goto end
		fi
#else
		if
		:: goto look
		:: owner[my - 1] = 0; goto done
		fi
#endif
	};
#ifndef WAITS
wait:	atomic {
		seen = 0; waited = 0; word_fresh[t] = 0;
		goto look
	};
#else
wait:	atomic {
		if
		:: waited -> skip
		:: !waited && word_fresh[t] ->
			lwaited = 1; waited = 1; word_changes(t)
		:: else -> goto look
		fi
	};
	/* in the kernel: compare and sleep are one */
	atomic {
		if
#ifndef NO_COMPARE
		:: !word_fresh[t] -> goto look
#endif
		:: else ->
			asleep[t] = 1
#ifdef REACH_SLEPT
			; assert(witness)
#endif
		fi
	};
#ifdef WAKE
	atomic { !asleep[t] -> slept = 1; goto look };
#else
	atomic {
		asleep[t] = 0; slept = 1;
#ifdef UNLOCKED
		if
		:: goto vain
		:: goto look
		fi
	};
vain:	atomic { read_fresh[t] = 1 };
	atomic { ctl_fresh[t] = 1 };
	atomic {
		if
		:: ctl_fresh[t] -> write(t); goto over
		:: else -> goto over
		fi
	};
#else
		goto look
	};
#endif
#endif
#endif
done:	atomic { my = 0; goto life }
	} unless { atomic {
		doomed == _pid -> doomed = 0;
		d_step {
			if :: my != 0 && owner[my - 1] == 1 + t -> marked[my - 1] = 1
			:: else fi;
			if :: holder == 1 + t -> ldead = 1; holder = 0
			:: else fi;
			mine[t] = 0; asleep[t] = 0;
			word_fresh[t] = 0; ctl_fresh[t] = 0; read_fresh[t] = 0;
			my = 0; seen = 0; waited = 0; slept = 0
		}
	} };
	atomic { goto life };		/* another thread */
end:	skip
}

/* without the lock */
proctype writer()
{
	byte seen;

again:	atomic {
		ctl_fresh[WRITER] = 1; read_fresh[WRITER] = 1
	};
	atomic {
		seen = lslot; word_fresh[WRITER] = 1;
		if
		:: lslot == 0 -> goto change
		:: lslot != 0 && llate -> goto clear
		:: else
		fi
	};
	atomic {
		if
		:: owner[seen - 1] == 0 || marked[seen - 1] -> skip
		:: else -> goto refused
		fi
	};
clear:	atomic {
#ifndef NO_CLEAR
		if
		:: word_fresh[WRITER] -> free_word(WRITER)
		:: else -> goto refused
		fi
#else
		skip
#endif
	};
change:	atomic {
		if
		:: ctl_fresh[WRITER] -> write(WRITER)
		:: else
		fi
	};
refused: atomic {
		ctl_fresh[WRITER] = 0; read_fresh[WRITER] = 0;
		word_fresh[WRITER] = 0; seen = 0;
		goto again
	}
}

/* of one dead thread at a time: nobody else frees slots of the dead */
proctype repair()
{
	byte k;

pass:	atomic {
		if
		:: marked[0] -> k = 1
		:: marked[1] -> k = 2
		fi
	};
#ifndef FREE_FIRST
scan:	atomic {
		word_fresh[REPAIR] = 1;
		if
		:: lslot == k -> skip
		:: else -> goto free
		fi
	};
	atomic {
		if
		:: word_fresh[REPAIR] ->
			if :: lwaited -> wake_one() :: else fi;
			free_word(REPAIR)
		:: else -> goto scan
		fi
	};
#endif
free:	atomic {
		word_fresh[REPAIR] = 0;
		marked[k - 1] = 0; owner[k - 1] = 0; k = 0;
		goto pass
	}
}

proctype clock()
{
	do
	:: atomic { lslot != 0 && !llate -> llate = 1 }
	od
}

proctype killer()
{
	do
	:: atomic { doomed == 0 -> doomed = 1 }
	:: atomic { doomed == 0 -> doomed = 2 }
	od
}

/* Nobody can go on. */
proctype watch()
{
	timeout ->
	CHECK(!asleep[0] && !asleep[1] && !asleep[2 % NT], sleeps)
}

init {
	atomic {
		/* threads first: their numbers are those that are doomed */
		run thread(0);
		run thread(1);
#ifdef WAKE
		run thread(2);
		run watch()
#else
		run writer();
		run repair();
		run clock();
		run killer()
#endif
	}
}
