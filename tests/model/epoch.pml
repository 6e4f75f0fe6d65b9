/* SPDX-License-Identifier: MIT */

/*
 * Grace periods across processes: sections, epochs, expulsion.
 *
 * Modelled: the global epoch; a section word {epoch or none, sequence,
 * expelled} per slot; entries with a state word {phase, stamp, generation} and
 * a ctl {status, version}; one link that leads to an entry.  Processes, all of
 * which go on for ever:
 *   reader   announces the epoch it loaded by an exchange, follows the link,
 *            perhaps changes the entry by CAS of ctl, and ends the section by
 *            an exchange that tells whether it was expelled
 *   updater  links a new entry in the place of the old one, then loads the
 *            epoch, then retires the old one with that stamp
 *   advancer scans all slots and advances the epoch by CAS.  The first is a
 *            worker that may leave it at a section of an older epoch; the
 *            second is the helper, which expels every such section by CAS of
 *            its word, or reaps the slot if its thread is dead
 *   reclaim  frees what was retired two advances ago
 *   killer   kills readers in sections, any number; another thread claims the
 *            slot when it was reaped
 *
 * Abstractions.  Sequentially consistent, except that STORE_BUFFER gives the
 * section words one.  Only the age of an epoch matters, so epochs
 * are kept as 1 the present one, 2 the one before, 3 any older, and every
 * advance makes all of them older: the model has no bound on their number.  A
 * word with a sequence or version is a bit per process, "my copy is the
 * latest", which every change clears.  Reclaim loads the epoch and frees in one
 * step, because the epoch only grows.  Time is not modelled: any section of an
 * older epoch may be found too old.  The proof of a death is in slot.pml.
 *
 * Properties, by the name that a violated assertion shows
 *   saw_reclaimed  while a section is open and not expelled, the entry that it
 *                  reached is not freed
 *   wrong_entry    a CAS of ctl that succeeds changes the entry it was meant
 *                  for, even when its section was expelled meanwhile
 *   not_reclaimed  after two rounds of the helper what was retired before them
 *                  may be freed, wherever readers are stopped or dead
 *
 * Variants
 *   ONE_ADVANCE    reclaim after one advance
 *   EARLY_STAMP    the stamp is loaded before the unlink
 *   SKIP_SLOT      the scan leaves out one slot
 *   BLIND_ADVANCE  the epoch is incremented, not CASed from what was scanned
 *   IGNORE_VOID    a reader does not look whether it was expelled
 *   NO_FENCE       the announcement is a store without a fence (STORE_BUFFER)
 *   LATE_LOAD      ctl is loaded after the look at "expelled"
 *   CTL_BARE       ctl has no version
 *   NO_SEQ         section words have no sequence
 *   NO_EXPEL       nobody is expelled
 * NO_CAS leaves out the CAS of ctl, KILL_ONE lets only reader 0 die.
 *
 * Runs
 *   run quick pass  one-reader     -DONE_READER
 *   run quick pass  store-buffer   -DONE_READER -DSTORE_BUFFER
 *   run full  pass  two-readers    -DNO_CRASH -DNO_CAS
 *   run quick fail  one-advance    -DONE_ADVANCE -DONE_READER
 *   run quick fail  early-stamp    -DEARLY_STAMP -DONE_READER
 *   run quick fail  skip-slot      -DSKIP_SLOT
 *   run quick fail  blind-advance  -DBLIND_ADVANCE -DONE_READER
 *   run quick fail  ignore-void    -DIGNORE_VOID -DONE_READER
 *   run quick fail  no-fence       -DSTORE_BUFFER -DNO_FENCE -DONE_READER
 *   run quick fail  late-load      -DLATE_LOAD -DONE_READER
 *   run quick fail  ctl-bare       -DCTL_BARE -DONE_READER
 *   run quick fail  no-seq         -DNO_SEQ -DONE_READER
 *   run quick fail  no-expel       -DNO_EXPEL -DONE_READER
 *   run quick reach void-reader    -DREACH_VOID -DONE_READER
 *   run quick reach reaped         -DREACH_REAP -DONE_READER
 *   run full  pass  two-one-dies   -DNO_CAS -DKILL_ONE
 *   run full  pass  two-cas        -DNO_CRASH
 *   run full  pass  two-crash      -DNO_CAS
 *   run full  pass  two-all        -DKILL_ONE
 * The processes go on for ever, so the search goes deep, hence
 *   pan -E -m10000000
 */

#define NR 2			/* slots, one reader each */
#define NE 2			/* entries */
#define NA 2			/* advancers */

#define FREE	0
#define OWNED	1
#define LIVE	2
#define RETIRED	3

/* ages of epochs; 0 is none */
#define NOW	1
#define BEFORE	2
#define OLDER	3
#ifdef ONE_ADVANCE
#define EXPIRED	BEFORE
#else
#define EXPIRED	OLDER
#endif

byte sec[NR];			/* section word: age of the epoch, */
bit sec_void[NR];		/* and expelled */
byte link;
byte phase[NE], stamp[NE];	/* state word: phase, age of the stamp */
bit live[NE];			/* status in ctl */

/* what processes hold privately: here, because it ages or goes stale */
byte loaded[NR];		/* reader: the epoch it is about to announce */
byte held[NR];			/* reader: 1 + the entry it reached */
bit ctl_fresh[NR];		/* reader: its copy of that ctl is the latest */
byte mark;			/* updater: the stamp it is about to store */
byte from[NA];			/* advancer: the epoch it began with */
byte at[NA];			/* advancer: the slot it looks at */
bit sec_fresh[NA];		/* advancer: its copy of that is the latest */
#ifdef NO_SEQ
byte copy[NA];			/* advancer: that copy */
#endif
#ifdef STORE_BUFFER
byte buffered[NR];		/* reader: a store that others do not see yet */
#endif

/* ghosts and machinery */
bit lost[NR];			/* the entry it holds was freed */
bit dead[NR];
byte doomed;
byte waited[NE];		/* rounds of the helper since it was retired */
bit saw_reclaimed, wrong_entry, not_reclaimed, witness;

#define CHECK(cond, what) \
	d_step { if :: (cond) -> skip :: else -> assert(what) fi }
#define MORTAL	provided (doomed == 0 || doomed == _pid)
#define OLD(x)	x = (x == NOW || x == BEFORE -> x + 1 : x)

inline advance_epoch()
{
	d_step {
	OLD(sec[0]); OLD(sec[1]); OLD(loaded[0]); OLD(loaded[1]);
	OLD(stamp[0]); OLD(stamp[1]); OLD(mark); OLD(from[0]); OLD(from[1]);
#ifdef NO_SEQ
	OLD(copy[0]); OLD(copy[1]);
#endif
#ifdef STORE_BUFFER
	OLD(buffered[0]); OLD(buffered[1]);
#endif
	skip }
}

/* the word of slot s, or the ctl of entry o, changes: copies go stale */
#define SEC_CHANGES(s) \
	sec_fresh[0] = sec_fresh[0] && at[0] != (s); \
	sec_fresh[1] = sec_fresh[1] && at[1] != (s)
#define CTL_CHANGES(o) \
	ctl_fresh[0] = ctl_fresh[0] && held[0] != 1 + (o); \
	ctl_fresh[1] = ctl_fresh[1] && held[1] != 1 + (o)

proctype reader(byte r) MORTAL
{
life:	{
	atomic { loaded[r] = NOW };
	atomic {
#ifdef STORE_BUFFER
		buffered[r] = loaded[r];
#else
		d_step { sec[r] = loaded[r]; sec_void[r] = 0; SEC_CHANGES(r) };
#endif
		loaded[r] = 0
	};
#if defined(STORE_BUFFER) && !defined(NO_FENCE)
	atomic { buffered[r] == 0 };
#endif
	atomic {
		held[r] = 1 + link;
		if
		:: goto leave
#ifdef NO_CAS
#elif defined(LATE_LOAD)
		:: r == 0 -> goto look
#else
		:: r == 0
#endif
		fi
	};
load_ctl: atomic {
		if :: live[held[r] - 1] -> skip :: else -> goto leave fi;
		ctl_fresh[r] = 1;
#ifdef LATE_LOAD
		goto cas
#endif
	};
look:	atomic {
		if :: sec_void[r] -> goto leave :: else -> skip fi;
#ifdef LATE_LOAD
		goto load_ctl
#endif
	};
cas:	atomic {
		if
#ifdef CTL_BARE
		:: live[held[r] - 1] ->
#else
		:: ctl_fresh[r] ->
#endif
			CHECK(!lost[r], wrong_entry);
			CTL_CHANGES(held[r] - 1)
		:: else
		fi
	};
leave:	atomic {
#ifdef IGNORE_VOID
		CHECK(!lost[r], saw_reclaimed);
#else
		CHECK(!lost[r] || sec_void[r], saw_reclaimed);
#endif
#ifdef REACH_VOID
		CHECK(!lost[r], witness);
#endif
#ifdef STORE_BUFFER
		buffered[r] = 0;
#endif
		d_step {
			sec[r] = 0; sec_void[r] = 0; SEC_CHANGES(r);
			held[r] = 0; lost[r] = 0; ctl_fresh[r] = 0
		};
		goto life
	}
	} unless { atomic {
		d_step {
			doomed == _pid -> doomed = 0; dead[r] = 1;
			loaded[r] = 0; held[r] = 0; lost[r] = 0;
			ctl_fresh[r] = 0
		}
	} };
	atomic { !dead[r]; goto life }		/* another thread */
}

#ifdef ONE_READER
proctype other() { skip }	/* keeps the process numbers */
#endif

#ifdef STORE_BUFFER
proctype buffer(byte r)
{
	do
	:: atomic {
		buffered[r] != 0 ->
		sec[r] = buffered[r]; sec_void[r] = 0; SEC_CHANGES(r);
		buffered[r] = 0
	   }
	od
}
#endif

proctype updater() MORTAL
{
	byte o;			/* the entry that is linked */

	do
	:: d_step {			/* a new one, nobody's but mine */
		phase[1 - o] == FREE -> phase[1 - o] = LIVE;
		live[1 - o] = 1; CTL_CHANGES(1 - o)
	   };
	   d_step { live[o] = 0; CTL_CHANGES(o) };
#ifdef EARLY_STAMP
	   atomic { mark = NOW };
	   atomic { link = 1 - o };
#else
	   atomic { link = 1 - o };		/* out of reach */
	   atomic { mark = NOW };
#endif
	   d_step {
		phase[o] = RETIRED; stamp[o] = mark; mark = 0;
		o = 1 - o
	   }
	od
}

#define RECLAIM(o) \
	phase[o] == RETIRED && stamp[o] >= EXPIRED -> \
	phase[o] = FREE; stamp[o] = 0; waited[o] = 0; \
	lost[0] = lost[0] || held[0] == 1 + (o); \
	lost[1] = lost[1] || held[1] == 1 + (o)

proctype reclaim() MORTAL
{
	do
	:: d_step { RECLAIM(0) }
	:: d_step { RECLAIM(1) }
	od
}

#define WAITS(o) \
	waited[o] = waited[o] + (phase[o] == RETIRED && waited[o] < 2)
#define DUE(o)	(phase[o] != RETIRED || waited[o] < 2 || stamp[o] >= EXPIRED)

proctype advancer(byte me) MORTAL
{
	bit gone;
#define HELPER	(me == 1)
#define I	at[me]

again:	atomic {
		from[me] = NOW;
		d_step { if :: HELPER -> WAITS(0); WAITS(1) :: else fi }
	};
scan:	atomic {
		if
		:: I == NR -> goto advance
#ifdef SKIP_SLOT
		:: I == 1 -> I++; goto scan
#endif
		:: I < NR && (sec[I] == 0 || sec_void[I] && !dead[I] ||
			      sec[I] == from[me]) -> I++; goto scan
		:: I < NR && sec[I] != 0 && (!sec_void[I] || dead[I]) &&
		   (sec[I] != from[me] || from[me] == OLDER) ->
			if
			:: sec[I] < from[me] -> goto next
			:: sec[I] >= from[me] && sec[I] > NOW -> skip
			:: !HELPER -> goto next		/* not too old yet */
			fi
		fi;
		sec_fresh[me] = 1; gone = dead[I];
#ifdef NO_SEQ
		copy[me] = sec[I]
#endif
	};
	atomic {
		if
#ifdef NO_SEQ
		:: sec[I] == copy[me] ->
#else
		:: sec_fresh[me] ->
#endif
			d_step { SEC_CHANGES(I) };
			if
			:: gone ->
#ifdef REACH_REAP
				assert(witness);
#endif
				sec[I] = 0; sec_void[I] = 0; dead[I] = 0
#ifdef NO_EXPEL
			:: !gone -> goto next
#else
			:: !gone -> sec_void[I] = 1
#endif
			fi;
			I++
		:: else				/* look again */
		fi;
		sec_fresh[me] = 0; gone = 0;
#ifdef NO_SEQ
		copy[me] = 0;
#endif
		goto scan
	};
advance: atomic {
		if
#ifdef BLIND_ADVANCE
		:: advance_epoch()
#else
		:: from[me] == NOW -> advance_epoch()
		:: else
#endif
		fi
	};
next:	atomic {
		CHECK(!HELPER || DUE(0) && DUE(1), not_reclaimed);
		d_step {
			from[me] = 0; I = 0; sec_fresh[me] = 0; gone = 0;
#ifdef NO_SEQ
			copy[me] = 0
#endif
		};
		goto again
	}
}

proctype killer() MORTAL
{
	do
	:: atomic { sec[0] != 0 && !dead[0] -> doomed = 1 }
#ifndef KILL_ONE
	:: atomic { sec[1] != 0 && !dead[1] -> doomed = 2 }
#endif
	od
}

init {
	atomic {
		phase[0] = LIVE; live[0] = 1;
		run reader(0);
#ifdef ONE_READER
		run other();
#else
		run reader(1);
#endif
		run updater();
		run reclaim();
		run advancer(0);
		run advancer(1);
#ifndef NO_CRASH
		run killer();
#endif
#ifdef STORE_BUFFER
		run buffer(0);
		run buffer(1)
#endif
	}
}
