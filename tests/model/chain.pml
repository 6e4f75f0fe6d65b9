/* SPDX-License-Identifier: MIT */

/*
 * A subject chain: push at the head, removal by mark and swing, retirement.
 *
 * Modelled: the head and one link per entry, each {next, version, mark}; the
 * state word of each entry {phase, owner or stamp, generation}; ended or not;
 * sections that may be expelled.  Processes, all of which go on for ever:
 *   pusher   owns a FREE entry, stores its link, pushes it by CAS of the head,
 *            makes it LIVE
 *   ender    ends a LIVE entry
 *   upkeep   in a section: notes which entries are ended or of a dead owner,
 *            then walks the chain; marks the link of an ended entry, then
 *            swings the link before it; at the end of a complete walk, if not
 *            expelled, retires by exact CAS what it noted and did not meet.  An
 *            entry of a dead owner that it meets becomes LIVE, one that it does
 *            not meet is FREE again
 *   walker   in a section: lists the chain
 *   reclaim  frees a retired entry when every section is over, or expelled,
 *            that was open when it was retired
 *   expel    expels sections at any time
 *   killer   kills pushers and upkeeps, any number; others go on in their place
 *
 * Abstractions.  Sequentially consistent.  The grace period is the bare rule of
 * reclaim; epoch.pml shows how epochs keep it.  A version or generation that
 * never repeats is a bit per copy, "still the latest", which every change
 * clears: the model has no bound on reuse.  Login numbers are not modelled.
 *
 * Properties, by the name that a violated assertion shows
 *   dead_linked   no entry in the chain is FREE or RETIRED
 *   live_lost     every LIVE entry that was not ended is in the chain
 *   cycle         the chain ends
 *   saw_reclaimed a walker that was not expelled meets no FREE entry
 *   missed        and meets all that were in the chain, LIVE, all the time
 *
 * Variants
 *   NO_WALK       an entry is retired once it is marked
 *   NO_VERSION    links have no version
 *   NO_MARK       the link before is swung, nothing is marked
 *   LATE_NOTE     upkeep notes what is ended after the walk
 *   REPAIR_BLIND  an entry of a dead owner is freed without a walk
 *   REPAIR_VOID   one that is met is made LIVE by who does not look whether it
 *                 was expelled
 *
 * Runs
 *   run full  pass  two-upkeeps   -DUPKEEP_CRASH
 *   run quick pass  walker        -DNUPKEEP=1 -DNWALKER=1
 *   run quick pass  two-pushers   -DNUPKEEP=1 -DNPUSHER=2
 *   run quick pass  three-entries -DNUPKEEP=1 -DNE=3 -DNO_CRASH
 *   run quick fail  no-walk       -DNO_WALK -DNO_CRASH
 *   run quick fail  no-version    -DNO_VERSION -DNO_CRASH
 *   run quick fail  no-mark       -DNO_MARK -DNO_CRASH
 *   run quick fail  late-note     -DLATE_NOTE -DNO_CRASH
 *   run quick fail  repair-blind  -DREPAIR_BLIND
 *   run quick fail  repair-void   -DREPAIR_VOID
 *   run quick reach adopted       -DREACH_ADOPT
 *   run quick reach helped        -DREACH_HELP -DUPKEEP_CRASH
 *   run full  pass  all-crash
 *   run full  pass  three-crash   -DNUPKEEP=1 -DNE=3
 *   run full  pass  three-walker  -DNUPKEEP=1 -DNE=3 -DNWALKER=1 -DNO_CRASH
 *   run full  pass  three-two     -DNE=3 -DNO_CRASH
 *   run full  pass  more-pushers  -DNPUSHER=2 -DNO_CRASH
 * The processes go on for ever, so the search goes deep, hence
 *   pan -E -m10000000
 */

#ifndef NE
#define NE 2			/* entries */
#endif
#ifndef NUPKEEP
#define NUPKEEP 2
#endif
#ifndef NWALKER
#define NWALKER 0
#endif
#ifndef NPUSHER
#define NPUSHER 1		/* at most 2 */
#endif

/* places for what a process holds: upkeeps 0 and 1, walker 2, pushers 3, 4 */
#define NP 5
#define WALKER 2
#define PUSHER 3

#define HEAD	NE		/* the word before the first entry */
#define NIL	NE		/* no entry */
#define NOWORD	(NE + 1)

#define FREE	0
#define OWNED	1
#define LIVE	2
#define RETIRED	3

#define OPEN	1		/* of a section */
#define VOID	2

byte next[NE + 1];		/* links and the head */
bit mark[NE];
byte phase[NE];
bit owner_dead[NE];
bit ended[NE];
bit elsewhere[NE];		/* alone in the chain of another subject */

byte sec[3];
byte waits[NE];			/* sections that hold a retired entry back */

/* what processes hold privately: here, because it goes stale */
byte before[NP], here[NP];	/* words a process has copies of, */
bit before_ok[NP], here_ok[NP];	/* and these are the latest */
byte noted[2];			/* upkeep: entries whose state words it noted */

/* ghosts and machinery */
byte must;			/* entries the walker has to meet */
byte doomed;
byte i_, seen_;
bit dead_linked, live_lost, cycle, saw_reclaimed, missed, witness;

#ifdef REACH_ADOPT
byte swung[NE];			/* 1 + the upkeep that took it out, 3: dead */
#define SWUNG(e, by)	swung[e] = by
#define ORPHAN(e)	swung[e] = (swung[e] == 1 + u -> 3 : swung[e])
#else
#define SWUNG(e, by)	skip
#define ORPHAN(e)	skip
#endif

#define BIT(e)	(1 << (e))
#define CHECK(cond, what) \
	d_step { if :: (cond) -> skip :: else -> assert(what) fi }
#define MORTAL	provided (doomed == 0 || doomed == _pid)

#define STALE(p, w) \
	before_ok[p] = before_ok[p] && before[p] != (w); \
	here_ok[p] = here_ok[p] && here[p] != (w)

inline word_changes(w)
{
	d_step {
		STALE(0, w); STALE(1, w); STALE(2, w); STALE(3, w); STALE(4, w)
	}
}

/* the state word of e changes: an exact CAS by who noted it fails */
#define STATE_CHANGES(e) \
	noted[0] = noted[0] & ~BIT(e); noted[1] = noted[1] & ~BIT(e)

inline check_chain()
{
	d_step {
		i_ = next[HEAD];
		do
		:: i_ == NIL -> break
		:: i_ != NIL && (seen_ & BIT(i_)) -> assert(cycle)
		:: else ->
			seen_ = seen_ | BIT(i_);
			if
			:: phase[i_] == FREE || phase[i_] == RETIRED ->
				assert(dead_linked)
			:: else
			fi;
			i_ = next[i_]
		od;
		i_ = 0;
		do
		:: i_ < NE ->
			if
			:: phase[i_] == LIVE && !ended[i_] &&
			   !elsewhere[i_] && !(seen_ & BIT(i_)) ->
				assert(live_lost)
			:: else
			fi;
			i_++
		:: else -> break
		od;
		i_ = 0; seen_ = 0
	}
}

inline close_section(p)
{
	d_step {
		sec[p] = 0;
		waits[0] = waits[0] & ~BIT(p);
		waits[1] = waits[1] & ~BIT(p);
#if NE > 2
		waits[2] = waits[2] & ~BIT(p);
#endif
	}
}

#define FORGET(p) \
	before[p] = NOWORD; here[p] = NOWORD; before_ok[p] = 0; here_ok[p] = 0

proctype pusher(byte p) MORTAL
{
	byte e, n;
	bit own;

life:	{
	atomic {
		if
		:: phase[0] == FREE -> e = 0
		:: phase[1] == FREE -> e = 1
#if NE > 2
		:: phase[2] == FREE -> e = 2
#endif
		fi;
		phase[e] = OWNED; own = 1;
		if :: goto load :: skip fi
	};
	atomic {
		next[e] = NIL; mark[e] = 0; word_changes(e);
		elsewhere[e] = 1;
		goto live
	};
load:	atomic { n = next[HEAD]; before[p] = HEAD; before_ok[p] = 1 };
	atomic { next[e] = n; mark[e] = 0; word_changes(e) };
	atomic {
		if
#ifdef NO_VERSION
		:: next[HEAD] == n ->
#else
		:: before_ok[p] ->
#endif
			next[HEAD] = e; word_changes(HEAD); check_chain()
		:: else -> goto load
		fi
	};
live:	atomic {
		phase[e] = LIVE; d_step { STATE_CHANGES(e) };
		check_chain();
		d_step { e = 0; n = 0; own = 0; FORGET(p) };
		goto life
	}
	} unless { atomic {
		doomed == _pid ->
		d_step {
			doomed = 0;
			owner_dead[e] = owner_dead[e] || own;
			e = 0; n = 0; own = 0; FORGET(p)
		}
	} };
	atomic { goto life }
}

#define TO_REPAIR(e)	(phase[e] == OWNED && owner_dead[e])
#define TO_REMOVE(e)	(phase[e] == LIVE && ended[e])
#define WORK(e)	(!elsewhere[e] && (TO_REPAIR(e) || TO_REMOVE(e)))
#if NE > 2
#define ANYTHING	(WORK(0) || WORK(1) || WORK(2))
#define NOTE	(WORK(0) | WORK(1) << 1 | WORK(2) << 2)
#else
#define ANYTHING	(WORK(0) || WORK(1))
#define NOTE	(WORK(0) | WORK(1) << 1)
#endif

/* one that is noted and was not met: out of the chain, for good */
inline settle(e)
{
	atomic {
		if
		:: (noted[u] & BIT(e)) && phase[e] == OWNED ->
			phase[e] = FREE; owner_dead[e] = 0;
			d_step { STATE_CHANGES(e) }
		:: (noted[u] & BIT(e)) && phase[e] == LIVE ->
#ifdef REACH_ADOPT
			CHECK(swung[e] != 3, witness);
#endif
			SWUNG(e, 0);
			phase[e] = RETIRED; ended[e] = 0;
			d_step {
				STATE_CHANGES(e);
				waits[e] = (sec[0] == OPEN) |
					   (sec[1] == OPEN) << 1 |
					   (sec[2] == OPEN) << 2
			};
			check_chain()
		:: else
		fi
	}
}

proctype upkeep(byte u) MORTAL
{
	byte cur, n;
	bit m;

pass:	{
	atomic { ANYTHING; sec[u] = OPEN; d_step { noted[u] = NOTE } };
#ifdef REPAIR_BLIND
	atomic {
		if
		:: (noted[u] & BIT(0)) && phase[0] == OWNED ->
			phase[0] = FREE; owner_dead[0] = 0; check_chain()
		:: else
		fi
	};
#endif
walk:	atomic {
		cur = next[HEAD]; before[u] = HEAD; before_ok[u] = 1;
		if :: cur == NIL -> goto end_walk :: else fi
	};
look:	atomic {
		n = next[cur]; m = mark[cur];
		d_step {
			here[u] = cur; here_ok[u] = 1;
			noted[u] = noted[u] & ~BIT(cur)
		};
		if
		:: m ->
#ifdef REACH_HELP
			assert(witness);
#endif
			goto swing
		:: else
		fi
	};
	atomic {
		if
		:: TO_REMOVE(cur) -> skip
		:: TO_REPAIR(cur) -> noted[u] = noted[u] | BIT(cur); goto repair
		:: else ->
			d_step {
				before[u] = cur; before_ok[u] = here_ok[u];
				here[u] = NOWORD; here_ok[u] = 0; cur = n
			};
			if
			:: cur == NIL -> goto end_walk
			:: else -> goto look
			fi
		fi
	};
#ifndef NO_MARK
	atomic {
		if
#ifdef NO_VERSION
		:: next[cur] == n && !mark[cur] ->
#else
		:: here_ok[u] ->
#endif
			mark[cur] = 1; word_changes(cur); here_ok[u] = 1
		:: else -> goto look
		fi
	};
#endif
swing:	atomic {
		if
#ifdef NO_VERSION
		:: next[before[u]] == cur &&
		   (before[u] == HEAD || !mark[before[u]]) ->
#else
		:: before_ok[u] ->
#endif
			next[before[u]] = n; word_changes(before[u]);
			SWUNG(cur, 1 + u);
			check_chain();
			before_ok[u] = 1
		:: else ->
#ifdef NO_WALK
			goto retire
#else
			goto walk
#endif
		fi
	};
#ifdef NO_WALK
retire:	atomic { noted[u] = noted[u] | (TO_REMOVE(cur) -> BIT(cur) : 0) };
	settle(cur);
	atomic { goto walk };
#endif
	atomic {
		d_step { here[u] = NOWORD; here_ok[u] = 0; cur = n };
		if :: cur == NIL -> goto end_walk :: else -> goto look fi
	};
repair:	atomic {
		if
#ifndef REPAIR_VOID
		:: sec[u] == VOID -> noted[u] = 0; goto close
#endif
		:: else
		fi
	};
	atomic {
		if
		:: noted[u] & BIT(cur) ->
			phase[cur] = LIVE; owner_dead[cur] = 0;
			d_step { STATE_CHANGES(cur) };
			if
			:: ended[cur] = 1	/* it was not committed */
			:: skip
			fi
		:: else
		fi;
		goto look
	};
end_walk: atomic {
		if
#ifdef LATE_NOTE
		:: sec[u] == OPEN -> noted[u] = noted[u] | NOTE
#endif
		:: sec[u] == VOID -> noted[u] = 0; goto close
		:: else
		fi
	};
	settle(0);
	settle(1);
#if NE > 2
	settle(2);
#endif
close:	atomic {
		close_section(u);
		d_step { cur = 0; n = 0; m = 0; noted[u] = 0; FORGET(u) };
		goto pass
	}
	} unless { atomic {
		doomed == _pid -> doomed = 0;
		ORPHAN(0); ORPHAN(1);
		close_section(u);
		d_step { cur = 0; n = 0; m = 0; noted[u] = 0; FORGET(u) }
	} };
	atomic { goto pass }
}

#define MUST(e)	(phase[e] == LIVE && !ended[e] && !elsewhere[e])

proctype walker() MORTAL
{
	byte cur;

	do
	:: atomic {
		sec[WALKER] = OPEN;
		d_step {
			must = MUST(0) | MUST(1) << 1;
#if NE > 2
			must = must | MUST(2) << 2;
#endif
		}
	   };
	   atomic { cur = next[HEAD] };
	   do
	   :: atomic {
		cur != NIL ->
		CHECK(sec[WALKER] == VOID || phase[cur] != FREE &&
		      !elsewhere[cur], saw_reclaimed);
		must = must & ~BIT(cur);
		cur = next[cur]
	      }
	   :: atomic {
		cur == NIL || sec[WALKER] == VOID ->
		CHECK(sec[WALKER] == VOID || must == 0, missed);
		close_section(WALKER);
		cur = 0; must = 0;
		break
	      }
	   od
	od
}

#define END(e) \
	phase[e] == LIVE && !ended[e] && !elsewhere[e] -> \
	ended[e] = 1; must = must & ~BIT(e)
#define RECLAIM(e) \
	phase[e] == RETIRED && waits[e] == 0 -> phase[e] = FREE; \
	STATE_CHANGES(e)
#define LEAVE(e) \
	elsewhere[e] && (phase[e] == LIVE || owner_dead[e]) -> \
	phase[e] = FREE; elsewhere[e] = 0; owner_dead[e] = 0; \
	word_changes(e); STATE_CHANGES(e)

/* ender, reclaim and expel: each step is one of a process of its own */
proctype others() MORTAL
{
	do
	:: d_step { END(0) }
	:: d_step { END(1) }
	:: d_step { RECLAIM(0) }
	:: d_step { RECLAIM(1) }
	:: d_step { LEAVE(0) }
	:: d_step { LEAVE(1) }
#if NE > 2
	:: d_step { END(2) }
	:: d_step { RECLAIM(2) }
	:: d_step { LEAVE(2) }
#endif
	:: atomic { sec[0] == OPEN -> close_section(0); sec[0] = VOID }
	:: atomic { sec[1] == OPEN -> close_section(1); sec[1] = VOID }
	:: atomic { sec[2] == OPEN -> close_section(2); sec[2] = VOID }
	od
}

#define NMORTAL	(NPUSHER + NUPKEEP)

proctype killer() MORTAL
{
	do
#ifndef UPKEEP_CRASH
	:: atomic { doomed == 0 -> doomed = 1 }
#endif
	:: atomic { doomed == 0 && NMORTAL > 1 -> doomed = 2 }
	:: atomic { doomed == 0 && NMORTAL > 2 -> doomed = 3 }
	od
}

init {
	byte i;

	atomic {
		next[HEAD] = NIL;
		do
		:: i < NP -> before[i] = NOWORD; here[i] = NOWORD; i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < NPUSHER -> run pusher(PUSHER + i); i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < NUPKEEP -> run upkeep(i); i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < NWALKER -> run walker(); i++
		:: else -> break
		od;
#ifndef NO_CRASH
		run killer();
#endif
		run others()
	}
}
