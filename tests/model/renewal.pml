/* SPDX-License-Identifier: MIT */

/*
 * Renewal against everything that ends a session.
 *
 * Modelled: entry 0 is a session; 1 and 2 are successors that two renewers of 0
 * build, the second because the lease of the first ran out; 3 is a successor of
 * 1.  Of each entry: ctl {status, record of the successor, version}, the phase
 * of its state word, whether it is in the id index and in the subject chain.
 * Processes:
 *   renewer   copies the predecessor, builds the successor OWNED, lists and
 *             commits it, then CASes the predecessor's ctl from exactly what it
 *             copied; copies again after an update, withdraws after anything
 *             else
 *   updater   one update of entry 0 by CAS of its ctl
 *   mover     relocates the chunk of an entry: CAS of ctl, the same record
 *   grace     the grace window of 0 or 1 ends
 *   client    shows the old id, is given the successor, makes it LIVE
 *   deleter   ends the login by the old id, or all of the subject's with
 *             DELETE_ALL, in a section
 *   upkeep    repairs what the dead left, completes what a dead deleter began,
 *             unlinks and retires what is ended
 *   killer    kills one renewer, the deleter or upkeep (which is started anew)
 *             between any two steps
 *
 * Abstractions.  Sequentially consistent.  A version is a bit per process, "my
 * copy is the latest", which every change clears.  The index and the chain are
 * flags: index.pml and chain.pml have them.  Retired means reclaimed at once,
 * unless the deleter's section is open and not expelled.
 *
 * Properties, by the name that a violated assertion shows
 *   deleted_lives  once a delete that saw the session has returned, nobody can
 *                  use the session or a successor, nor be given one
 *   two_lines      in the end at most one session of the line is usable
 *   half_deleted   in the end no successor of what was deleted is usable
 *   session_lost   in the end, if nothing was deleted, exactly one is usable
 *   unresolved     in the end no entry is OWNED, none that ended is left
 *
 * Variants
 *   CHAIN_LOST     a line is not followed through one whose grace window ended
 *   SKIP_OWNED     delete-all leaves provisional successors alone
 *   UPDATE_RENEWED an update may apply to a renewed entry
 *   NO_REWALK      delete-all does not look at the new part of the chain, nor
 *                  delete at an entry that ended meanwhile
 *   NO_SECTION     the deleter is in no section
 *   STALE_START    an expelled deleter starts over at the entry it had found
 *   EARLY_RETIRE   a predecessor is retired while its successor is OWNED
 *   SUCC_FIRST     a successor may be retired before its predecessor
 *   NO_COMPLETE    upkeep does not complete what a dead deleter began
 *   LATE_COMPLETE  it does so only when it is about to retire the entry
 *   REPAIR_LIVE    repair makes LIVE what is committed, named or not
 *   MOVE_BLIND     relocation stores ctl instead of the exact CAS
 *   MOVE_VALUE     relocation of a renewed entry keeps the value only
 *
 * LOGIN makes entry 2 another login of the subject, NO_WINDOW the grace window
 * zero.
 *
 * Runs
 *   run quick pass  delete
 *   run quick pass  delete-update   -DUPDATE -DMOVE -DNO_CRASH
 *   run quick pass  delete-line     -DNSECOND=1 -DNRENEWER=1
 *   run quick pass  delete-expelled -DNSECOND=1 -DNRENEWER=1 -DEXPEL -DNO_CRASH
 *   run quick pass  delete-move     -DNSECOND=1 -DNRENEWER=1 -DMOVE -DNO_CRASH
 *   run quick pass  all-update      -DDELETE_ALL -DUPDATE -DNO_CRASH
 *   run quick pass  all-line        -DDELETE_ALL -DNSECOND=1 -DNRENEWER=1
 *   run quick pass  all-login       -DDELETE_ALL -DLOGIN -DNRENEWER=1
 *   run quick pass  no-delete       -DNO_DELETE -DCLIENT -DMOVE -DUPDATE
 *   run quick fail  chain-lost      -DCHAIN_LOST -DNSECOND=1 -DNRENEWER=1
 *   run quick fail  skip-owned  -DSKIP_OWNED -DDELETE_ALL -DLOGIN -DNRENEWER=1
 *   run quick fail  update-renewed  -DUPDATE_RENEWED -DUPDATE -DNO_CRASH
 *   run quick fail  no-rewalk       -DNO_REWALK -DNO_CRASH
 *   run quick fail  all-no-rewalk   -DNO_REWALK -DDELETE_ALL -DNO_CRASH
 *   run quick fail  no-section      -DNO_SECTION -DNSECOND=1 -DNRENEWER=1
 *   run quick fail  stale-start  -DSTALE_START -DNSECOND=1 -DNRENEWER=1 -DEXPEL
 *   run quick fail  early-retire    -DEARLY_RETIRE -DNO_DELETE
 *   run quick fail  succ-first      -DSUCC_FIRST -DNSECOND=1 -DNRENEWER=1
 *   run quick fail  no-complete     -DNO_COMPLETE
 *   run quick fail  late-complete  -DLATE_COMPLETE -DDELETE_ALL -DNSECOND=1
 *   run quick fail  repair-live     -DREPAIR_LIVE -DNO_DELETE
 *   run quick fail  move-blind      -DMOVE_BLIND -DMOVE -DNO_CRASH
 *   run quick fail  move-value      -DMOVE_VALUE -DMOVE -DNO_CRASH
 *   run quick reach copied-again    -DREACH_AGAIN -DUPDATE -DNO_CRASH
 *   run quick reach repaired        -DREACH_REPAIR -DNO_DELETE
 *   run quick reach followed        -DREACH_FOLLOW -DNO_CRASH
 *   run quick reach end             -DREACH_END -DNO_DELETE
 *   run full  pass  delete-crash    -DUPDATE
 *   run full  pass  delete-client   -DCLIENT
 *   run full  pass  delete-moves    -DCLIENT -DMOVE
 *   run full  pass  no-window       -DNO_WINDOW -DUPDATE
 *   run full  pass  three           -DNSECOND=1
 *   run full  pass  all-crash       -DDELETE_ALL
 *   run full  pass  all-expelled  -DDELETE_ALL -DNSECOND=1 -DNRENEWER=1 -DEXPEL
 *   run full  pass  all-window      -DDELETE_ALL -DNO_WINDOW
 *   pan -E -m2000000
 */

#ifndef NRENEWER
#define NRENEWER 2		/* of entry 0 */
#endif
#ifndef NSECOND
#define NSECOND 0		/* of entry 1 */
#endif
#define NE 4

/* status in ctl */
#define NONE	0
#define LIVE	1
#define RENEWED	2
#define LAPSED	3		/* ended: end of the grace window */
#define DELETED	4		/* ended: the login was */
#define UNDONE	5		/* ended: withdrawn */
/* phase; LIVE too */
#define OWNED	2
#define RETIRED	3
#define GONE	4

byte status[NE];
byte record[NE];		/* the successor, 0 none */
byte phase[NE];
bit listed[NE], indexed[NE];

/* what processes hold privately: here, because it goes stale */
#define NCOPY 6
byte copied[NCOPY];		/* 1 + the entry whose ctl it copied */
bit fresh[NCOPY];		/* the copy is the latest */

/* ghosts and machinery */
bit owner_dead[NE];
bit section;			/* the deleter's: open and not expelled */
bit deleted;			/* a delete that saw the session returned 0 */
bit deleting;			/* one was begun */
bit earlier;			/* the other login was committed before that */
bit over[6];			/* it returned, or is dead */
byte doomed;
bit deleted_lives, two_lines, half_deleted, session_lost, unresolved, witness;

#define CHECK(cond, what) \
	d_step { if :: (cond) -> skip :: else -> assert(what) fi }
#define MORTAL	provided (doomed == 0 || doomed == _pid)

#define ENDS(s)		((s) >= LAPSED)
#define PRED(e)		((e) == 3 -> 1 : 0)
/* somebody can use it, or be given it: it is named by its predecessor */
#define NAMED(e)	(record[PRED(e)] == (e) && phase[PRED(e)] != GONE && \
			 status[PRED(e)] == RENEWED)
#define USABLE(e)	(indexed[e] && (status[e] == LIVE || \
			 status[e] == RENEWED) && \
			 (phase[e] == LIVE || NAMED(e)))
#ifdef LOGIN
#define USABLE_2	(indexed[2] && status[2] == LIVE && earlier)
#else
#define USABLE_2	USABLE(2)
#endif

#define STALE(i, e)	fresh[i] = fresh[i] && copied[i] != 1 + (e)
#define CTL_CHANGES(e) \
	STALE(0, e); STALE(1, e); STALE(2, e); \
	STALE(3, e); STALE(4, e); STALE(5, e)

inline set_ctl(e_, s_)
{
	d_step { status[e_] = s_; CTL_CHANGES(e_) }
}

#define DROP(me)	copied[me] = 0; fresh[me] = 0
#define COPY(me, e)	copied[me] = 1 + (e); fresh[me] = 1
#define OVER	over[_pid] = 1; doomed = (doomed == _pid -> 0 : doomed)
#define DIES	doomed == _pid -> doomed = 0

proctype renewer(byte me; byte p; byte s) MORTAL
{
	{
	atomic {
		if
		:: phase[p] == LIVE && status[p] == LIVE && indexed[p] ->
			d_step { COPY(me, p) }
		:: (p == 0 && status[p] != LIVE) || p != 0 -> goto end_
		fi
	};
	atomic { phase[s] = OWNED; status[s] = LIVE };
	atomic { listed[s] = 1 };
	atomic { indexed[s] = 1 };
cas:	atomic {
		if
		:: fresh[me] ->
			d_step { record[p] = s; DROP(me) };
#ifdef NO_WINDOW
			set_ctl(p, LAPSED);
#else
			set_ctl(p, RENEWED);
#endif
			goto won
		:: !fresh[me] && phase[p] != GONE && status[p] == LIVE ->
			d_step { COPY(me, p) };		/* build it again */
#ifdef REACH_AGAIN
			assert(witness);
#endif
			goto cas
		:: else
		fi
	};
	atomic {
		d_step { DROP(me) };
		if :: status[s] == LIVE -> set_ctl(s, UNDONE) :: else fi;
		goto leave
	};
won:	atomic { phase[s] = (phase[s] == OWNED -> LIVE : phase[s]) };
	atomic { if :: ENDS(status[s]) -> goto leave :: else -> goto end_ fi };
leave:	atomic { indexed[s] = 0 };
	atomic { phase[s] = (phase[s] == OWNED -> LIVE : phase[s]) }
	} unless { atomic {
		DIES;
		d_step { DROP(me); owner_dead[s] = (phase[s] == OWNED) }
	} };
end_:	atomic { OVER }
}

#ifdef LOGIN
/* another login of the subject: entry 2, without a predecessor */
proctype login()
{
	atomic { phase[2] = OWNED; status[2] = LIVE };
	atomic { listed[2] = 1 };
	atomic { indexed[2] = 1 };
	atomic { phase[2] = (phase[2] == OWNED -> LIVE : phase[2]) };
	atomic { if :: ENDS(status[2]) -> indexed[2] = 0 :: else fi }
}
#endif

proctype updater(byte me) MORTAL
{
	atomic {
		if
		:: phase[0] == LIVE && status[0] == LIVE ->
			d_step { COPY(me, 0) }
#ifdef UPDATE_RENEWED
		:: phase[0] == LIVE && status[0] == RENEWED ->
			d_step { COPY(me, 0) }
#endif
		:: goto end_
		fi
	};
	atomic {
		if
		:: fresh[me] -> record[0] = 0; d_step { CTL_CHANGES(0) }
		:: else
		fi;
		d_step { DROP(me) }
	};
end_:	skip
}

proctype mover(byte me) MORTAL
{
	byte e, s, r;

	atomic {
		if :: e = 0 :: e = 1 fi;
		if
		:: phase[e] == LIVE && !ENDS(status[e]) ->
			s = status[e]; r = record[e]; d_step { COPY(me, e) }
		:: goto end_
		fi
	};
	atomic {
		if
#ifdef MOVE_BLIND
		:: phase[e] == LIVE ->
#else
		:: fresh[me] ->
#endif
			set_ctl(e, s);
#ifdef MOVE_VALUE
			r = 0;
#endif
			record[e] = r
		:: else
		fi;
		d_step { DROP(me); e = 0; s = 0; r = 0 }
	};
end_:	skip
}

/* the grace windows of 0 and 1 end, or do not; what is retired is reclaimed */
#define LAPSES(e)	phase[e] == LIVE && status[e] == RENEWED
proctype grace()
{
end_:	do
	:: atomic { LAPSES(0) -> set_ctl(0, LAPSED) }
	:: atomic { LAPSES(1) -> set_ctl(1, LAPSED) }
	:: break
	od
}

proctype reclaim()
{
end_:	do
	:: d_step { phase[0] == RETIRED && !section -> phase[0] = GONE }
	:: d_step { phase[1] == RETIRED && !section -> phase[1] = GONE }
	:: d_step { phase[2] == RETIRED && !section -> phase[2] = GONE }
	:: d_step { phase[3] == RETIRED && !section -> phase[3] = GONE }
	od
}

proctype client()
{
	byte k;

	atomic {
		if
		:: indexed[0] && status[0] == RENEWED -> k = record[0]
		:: goto end_
		fi
	};
	atomic { phase[k] = (phase[k] == OWNED -> LIVE : phase[k]); k = 0 };
end_:	skip
}

/* ends entry k and those that came after it; line is on the call */
inline end_line()
{
	atomic {
		if
		:: phase[k] == GONE -> k = 0
		:: phase[k] != GONE && status[k] == LIVE ->
			set_ctl(k, DELETED); k = 0
		:: phase[k] != GONE && status[k] == RENEWED ->
			set_ctl(k, DELETED); k = record[k]
		:: phase[k] != GONE && status[k] == LAPSED ->
#ifdef CHAIN_LOST
			k = (k == 0 -> record[k] : 0)
#else
			k = record[k]
#endif
		:: phase[k] != GONE && status[k] == DELETED -> k = record[k]
		:: else -> k = 0		/* withdrawn */
		fi;
		if :: k != 0 -> goto line :: else fi
	}
}

#ifdef NO_SECTION
#define OPEN_SECTION	skip
#define IN_SECTION	true
#else
#define OPEN_SECTION	section = 1
#define IN_SECTION	section
#endif
#define SNAPSHOT \
	(listed[0] | listed[1] << 1 | listed[2] << 2 | listed[3] << 3)

proctype deleter() MORTAL
{
	byte k, left, seen;
	bit pre;

again:	{
	atomic {
		OPEN_SECTION; deleting = 1; earlier = indexed[2]; seen = 0;
		if
#ifdef STALE_START
		:: pre && phase[0] == GONE -> goto leave
#elif !defined(DELETE_ALL)
		:: pre && !indexed[0] -> goto leave	/* no such session */
#endif
		:: !pre && (!indexed[0] || ENDS(status[0])) -> goto leave
		:: else -> pre = 1
		fi
	};
#ifdef DELETE_ALL
walk:	atomic {
		left = SNAPSHOT & ~seen;
#ifdef NO_REWALK
		if :: seen != 0 -> goto done :: else fi;
#endif
		seen = seen | left;
		if :: left == 0 -> goto done :: else fi
	};
next:	atomic {			/* the newest first */
		if
		:: left >= 8 -> k = 3; left = left - 8
		:: left >= 4 && left < 8 -> k = 2; left = left - 4
		:: left == 2 || left == 3 -> k = 1; left = left - 2
		:: left == 1 -> k = 0; left = 0
		:: left == 0 -> goto walk
		fi;
#ifdef SKIP_OWNED
		if :: phase[k] == OWNED -> goto next :: else fi;
#endif
	};
#endif
#ifdef NO_REWALK
	atomic {
		if
		:: k == 0 && status[0] == LAPSED -> goto ended
		:: else
		fi
	};
#endif
line:	end_line();
ended:	skip;
#ifdef DELETE_ALL
	goto next;
#endif
done:	atomic {
		if
		:: IN_SECTION ->
			deleted = 1;
#ifdef REACH_FOLLOW
			CHECK(status[0] != LAPSED || status[1] != DELETED,
			      witness)
#endif
		:: else -> goto again		/* expelled: start over */
		fi
	};
leave:	atomic { section = 0; k = 0; left = 0; seen = 0; pre = 0; goto end_ }
	} unless { atomic {
		DIES;
		d_step { section = 0; k = 0; left = 0; seen = 0; pre = 0 }
	} };
end_:	atomic { OVER }
}

#ifdef EXPEL
proctype expel()
{
end_:	atomic { section -> section = 0 }
}
#endif

#define TO_REPAIR(e)	(phase[e] == OWNED && owner_dead[e])
#ifdef EARLY_RETIRE
#define SETTLED(e)	true
#else
#define SETTLED(e)	(record[e] == 0 || phase[record[e]] != OWNED)
#endif
#ifdef SUCC_FIRST
#define FIRST(e)	true
#else
#define FIRST(e)	(e == 0 || record[PRED(e)] != e || \
			 phase[PRED(e)] >= RETIRED)
#endif
#define TO_RETIRE(e) \
	(phase[e] == LIVE && ENDS(status[e]) && SETTLED(e) && FIRST(e))
/* what came after e, which was deleted, is not ended: its deleter is dead */
#define RUNS(k)		(phase[k] < RETIRED && (status[k] == LIVE || \
			 status[k] == RENEWED))
#if defined(LATE_COMPLETE) || defined(NO_COMPLETE)
#define TO_COMPLETE(e)	false
#else
#define TO_COMPLETE(e)	(phase[e] == LIVE && status[e] == DELETED && \
			 record[e] != 0 && (RUNS(record[e]) || \
			 record[record[e]] != 0 && RUNS(record[record[e]])))
#endif
#define WORK(e)	(TO_REPAIR(e) || TO_RETIRE(e) || TO_COMPLETE(e))
#ifdef REPAIR_LIVE
#define IS_NAMED(e)	true
#else
#define IS_NAMED(e)	(record[PRED(e)] == e && phase[PRED(e)] != GONE)
#endif

proctype upkeep() MORTAL
{
	byte e, k;

loop:	{
	atomic {
		if
		:: WORK(0) -> e = 0
		:: WORK(1) -> e = 1
		:: WORK(2) -> e = 2
		:: WORK(3) -> e = 3
		fi;
		if :: phase[e] == OWNED -> skip :: else -> goto retire fi
	};
	atomic {			/* its maker is dead */
		if
		:: indexed[e] && IS_NAMED(e) -> goto settle
		:: else -> skip
		fi
	};
	atomic { if :: status[e] == LIVE -> set_ctl(e, UNDONE) :: else fi };
	atomic { indexed[e] = 0 };
settle:	atomic {
#ifdef REACH_REPAIR
		CHECK(status[e] != LIVE, witness);
#endif
		phase[e] = (phase[e] == OWNED -> LIVE : phase[e]);
		owner_dead[e] = 0; e = 0;
		goto loop
	};
retire:	atomic {
		if
#ifndef NO_COMPLETE
		:: status[e] == DELETED && record[e] != 0 -> k = record[e]
#endif
		:: else -> goto unlink
		fi
	};
line:	end_line();
	atomic { if :: TO_RETIRE(e) -> skip :: else -> e = 0; goto loop fi };
unlink:	atomic { indexed[e] = 0 };
	atomic { listed[e] = 0 };
	atomic { phase[e] = RETIRED; e = 0; goto loop }
	} unless { atomic { DIES; e = 0; k = 0 } };
	atomic { goto loop }
}

/* renewers are 1 and on, then the deleter and upkeep */
#ifdef NO_DELETE
#define KILLABLE	(NRENEWER + NSECOND + 1)
#else
#define KILLABLE	(NRENEWER + NSECOND + 2)
#endif
#define KILL(i)	i <= KILLABLE && !over[i] -> doomed = i

proctype killer()
{
end_:	if
	:: atomic { KILL(1) }
	:: atomic { KILL(2) }
	:: atomic { KILL(3) }
	:: atomic { KILL(4) }
	:: atomic { KILL(5) }
	:: skip
	fi
}

proctype monitor()
{
end_:	atomic {
		deleted && (USABLE(0) || USABLE(1) || USABLE_2 || USABLE(3)) ->
		assert(deleted_lives)
	}
}

#define LIVES(e)	(indexed[e] && phase[e] == LIVE && status[e] == LIVE)
#ifdef LOGIN
#define COUNT		(LIVES(0) + LIVES(1) + LIVES(3))
#else
#define COUNT		(LIVES(0) + LIVES(1) + LIVES(2) + LIVES(3))
#endif
#define RESOLVED(e)	(phase[e] != OWNED && \
			 (!ENDS(status[e]) || phase[e] == GONE || !FIRST(e)))

init {
	atomic {
		phase[0] = LIVE; status[0] = LIVE;
		listed[0] = 1; indexed[0] = 1;
		run renewer(1, 0, 1);
#if NRENEWER > 1
		run renewer(2, 0, 2);
#endif
#if NSECOND > 0
		run renewer(3, 1, 3);
#endif
#ifndef NO_DELETE
		run deleter();
#endif
		run upkeep();
		run reclaim();
		run monitor();
#ifndef NO_CRASH
		run killer();
#endif
#ifndef NO_GRACE
		run grace();
#endif
#ifdef LOGIN
		run login();
#endif
#ifdef UPDATE
		run updater(4);
#endif
#ifdef MOVE
		run mover(5);
#endif
#ifdef CLIENT
		run client();
#endif
#ifdef EXPEL
		run expel()
#endif
	};
end_:	atomic {
		timeout;
#ifdef REACH_END
		CHECK(phase[0] != GONE || !LIVES(1), witness);
#endif
		CHECK(COUNT <= 1, two_lines);
		CHECK(status[0] != DELETED || COUNT == 0, half_deleted);
		CHECK(status[1] != DELETED || !LIVES(3), half_deleted);
		CHECK(deleting || COUNT == 1, session_lost);
		CHECK(RESOLVED(0) && RESOLVED(1) && RESOLVED(2) && RESOLVED(3),
		      unresolved)
	}
}
