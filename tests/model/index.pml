/* SPDX-License-Identifier: MIT */

/*
 * One bucket of the id index: unique insert by the commit of its header.
 *
 * Modelled: the header {version, bit per place}, the index words {entry,
 * generation}, the state word of each entry {phase, owner, generation}, its
 * ctl {status, version} and key.  Processes:
 *   ins     takes a FREE entry, reserves a place, commits or withdraws
 *   ender   ends a session by CAS of ctl, then removes its word
 *   reader  looks key 0 up and trusts a word only under the same header
 *   upkeep  repairs what a dead owner left; removes and frees what is ended
 *   hinter  puts a hint into place 1 as long as that is empty (-DHINTS)
 *   scrub   clears a word that is neither committed nor reserved: loads the
 *           word, then the state word, then the header, then CASes the word
 *   killer  may kill one of them between any two steps; for a killed upkeep
 *           another one is there
 * A process may stop between any two steps for as long as it likes, while the
 * others reuse its entry and its place: entries are freed at once, with no
 * grace period, so that nothing here leans on one.
 *
 * Abstractions.  Sequentially consistent; one atomic is one access to one
 * shared word.  The check of an entry (ctl, generation, digest, ctl again) is
 * one step, because the version in ctl makes it one.  A header version that
 * never repeats is a bit per process, "my copy is the latest", which every
 * change clears.  A ctl word is told from all others by {status, generation}:
 * it goes from live to ended once in a generation.  The subject chain is in
 * chain.pml, time in epoch.pml, the proof of a death in slot.pml.
 *
 * Properties, by the name that a violated assertion shows
 *   two_live      at most one committed live entry per key, at every instant
 *   acked_lost    an acknowledged insert that nobody ended is committed, at
 *                 every instant
 *   dirty_read    what a reader trusts is committed
 *   false_miss    when it says "absent", the key was absent during the call
 *   false_exists  when insert says "exists", it was committed during the call
 *   owned_taken   the entry and the reservation of a live owner are its own
 *   left_behind   when all is still there is no reservation, no stale word and
 *                 no entry of the dead
 *   no_progress   a pass of upkeep that runs alone finishes its entry
 *
 * Variants
 *   NO_VERSION    the header has no version
 *   NO_RECHECK    a reader trusts a word without loading the header again
 *   NO_DUPCHECK   insert says "exists" without loading the header again
 *   BAD_ORDER     a remover clears the word before the header
 *   NO_REREAD     a remover does not load the word again after the header
 *   ENDER_CLEARS  an ender withdraws the reservation of a live owner
 *   NO_GEN        index words carry no generation
 *   EARLY_FREE    upkeep frees an ended entry without removing its word
 *   SCRUB_NOHDR   scrub does not load the header
 *   SCRUB_EARLY   scrub loads the header before the state word
 *   SCRUB_OWNED   scrub does not look at the state word
 *   HINT_STORES   a hint is put whatever the place has become
 * STALE puts a word of an older generation into place 0 beforehand.
 *
 * Runs
 *   run quick pass  crash
 *   run quick pass  reader        -DNO_CRASH -DNREADER=1 -DNUPKEEP=0
 *   run quick pass  two-keys  -DNO_CRASH -DNREADER=1 -DNUPKEEP=0 -DNI=1 -DNK=1
 *   run quick pass  three         -DNENDER=0 -DNUPKEEP=2 -DNI=3
 *   run quick pass  helper-crash  -DNI=1 -DKILL_HELPER
 *   run quick pass  scrub         -DNENDER=0 -DNSCRUB=1 -DNI=3
 *   run full  pass  scrub-remove  -DNSCRUB=1 -DNUPKEEP=0
 *   run quick pass  scrub-stale   -DSTALE -DNENDER=0 -DNSCRUB=1 -DNREADER=1
 *   run quick pass  hints         -DHINTS -DNENDER=0 -DNSCRUB=1
 *   run quick pass  hints-remove  -DHINTS -DNREADER=1 -DNUPKEEP=0 -DNO_CRASH
 *   run quick fail  hint-stores   -DHINTS -DHINT_STORES -DNO_CRASH
 *   run quick fail  no-version    -DNO_VERSION -DNO_CRASH
 *   run quick fail  no-recheck  -DNO_RECHECK -DNO_CRASH -DNREADER=1 -DNUPKEEP=0
 *   run quick fail  no-dupcheck   -DNO_DUPCHECK -DNO_CRASH -DNI=3
 *   run quick fail  bad-order     -DBAD_ORDER -DNO_CRASH
 *   run quick fail  no-reread     -DNO_REREAD -DNO_CRASH
 *   run quick fail  ender-clears  -DENDER_CLEARS -DNO_CRASH
 *   run quick fail  no-gen        -DNO_GEN -DNO_CRASH
 *   run quick fail  early-free    -DEARLY_FREE -DNO_CRASH
 *   run quick fail  scrub-nohdr   -DSCRUB_NOHDR -DNSCRUB=1 -DNENDER=0
 *   run quick fail  scrub-early   -DSCRUB_EARLY -DNSCRUB=1 -DNENDER=0
 *   run quick fail  scrub-owned   -DSCRUB_OWNED -DNSCRUB=1 -DNENDER=0
 *   run quick reach repair-live   -DREACH_LIVE
 *   run quick reach late-remover  -DREACH_LATE -DNO_CRASH
 *   run quick reach scrubbed      -DREACH_SCRUB -DNSCRUB=1 -DNUPKEEP=0
 *   run quick reach end           -DREACH_END
 *   run full  pass  two-helpers   -DNI=1 -DNUPKEEP=2 -DKILL_HELPER
 *   run full  pass  reader-reuse  -DNO_CRASH -DNREADER=1
 *   run full  pass  reader-three  -DNO_CRASH -DNREADER=1 -DNUPKEEP=0 -DNI=3
 *   run full  pass  two-keys-use  -DNO_CRASH -DNREADER=1 -DNI=1 -DNK=1
 *   run full  pass  three-reuse   -DNO_CRASH -DNI=3
 *   run full  pass  two-enders    -DNO_CRASH -DNENDER=2
 *   run full  pass  ender-crash   -DNI=1 -DNENDER=2 -DNSCRUB=1 -DSTALE
 *   run full  pass  scrub-reuse   -DNO_CRASH -DNSCRUB=1
 * A killed process stays where it is for ever, hence
 *   pan -E
 */

#ifndef NI
#define NI 2			/* inserters of key 0 */
#endif
#ifndef NK
#define NK 0			/* inserters of key 1 */
#endif
#ifndef NENDER
#define NENDER 1
#endif
#ifndef NREADER
#define NREADER 0
#endif
#ifndef NUPKEEP
#define NUPKEEP 1
#endif
#ifndef NSCRUB
#define NSCRUB 0
#endif
#define NE 2			/* entries */
#define NP 2			/* places in the bucket */
#define NPROC (NI + NK + NENDER + NUPKEEP + NREADER + NSCRUB)

/* phases, status of ctl */
#define FREE	0
#define OWNED	1
#define LIVE	2
#define ENDED	1

byte hdr_bits;
short fresh;		/* bit per process: its copy of hdr is the latest */
byte word[NP];
byte phase[NE], owner[NE], gen[NE];	/* one word */
byte ctl[NE], ctl_gen[NE];		/* one word: 0, LIVE, ENDED */
bit key[NE];

/* ghosts */
byte alive[NPROC + 6], doomed;	/* 1 running, 0 killed, 2 finished */
byte done;			/* ins, ender and reader that are over */
bit acked[NE];			/* the insert of this generation returned 0 */
bit absent;			/* key 0 was absent since the reader began */
bit two_live, acked_lost, dirty_read, false_miss, false_exists;
bit owned_taken, left_behind, no_progress, witness;

#define CHECK(cond, what) if :: (cond) -> skip :: else -> assert(what) fi
#define BIT(p)	(1 << (p))
#ifdef NO_GEN
#define WORD(e, g)	(1 + (e))
#define WENT(w)		((w) - 1)
#define WGEN(w)		(ctl_gen[WENT(w)])
#else
#define WORD(e, g)	(1 + (e) + NE * (g))
#define WENT(w)		(((w) - 1) % NE)
#define WGEN(w)		(((w) - 1) / NE)
#endif

#define HINT	255
#define EMPTY(w)	((w) == 0 || (w) == HINT)

/* the entry that word w names answers for key k */
#define SHOWS(w, k)	((w) != 0 && ctl[WENT(w)] == LIVE && \
			 ctl_gen[WENT(w)] == WGEN(w) && key[WENT(w)] == (k))
#define COMMITTED(p, k)	((hdr_bits & BIT(p)) && SHOWS(word[p], k))
#define PRESENT(k)	(COMMITTED(0, k) || COMMITTED(1, k))
#define STANDS(p, w)	((hdr_bits & BIT(p)) && word[p] == (w))
#define MINE(e, g)	(phase[e] == OWNED && owner[e] == _pid && gen[e] == (g))
#define AT(p, e)	((hdr_bits & BIT(p)) && word[p] == WORD(e, gen[e]))
#define IS_LIVE(e)	(ctl[e] == LIVE && ctl_gen[e] == gen[e])
#define IS_ENDED(e)	(ctl[e] == ENDED && ctl_gen[e] == gen[e])

#if NREADER > 0
#define NOTE_ABSENT	if :: !PRESENT(0) -> absent = 1 :: else fi
#else
#define NOTE_ABSENT	skip
#endif

#define NOPS	(NI + NK + NENDER + NREADER)
/*
 * Death is at once: while one is doomed nobody else moves.  Its locals are
 * forgotten, for they tell nobody anything.
 */
#define MORTAL	provided (doomed == 0 || doomed == _pid)
#define DIES(reset)	atomic { \
	doomed == _pid -> doomed = 0; alive[_pid] = 0; reset; \
	if :: _pid <= NOPS -> done++ :: else fi }
#define DONE(reset)	atomic { alive[_pid] = 2; done++; reset; goto end_ }

#ifdef NO_VERSION
#define SAME_HDR	(hdr_bits == b)
#else
#define SAME_HDR	(fresh & BIT(_pid))
#endif
#define LOAD_HDR	b = hdr_bits; fresh = fresh | BIT(_pid)
#define FORGET		fresh = fresh & ~BIT(_pid)
#define STORE_HDR(x)	hdr_bits = x; fresh = 0

/* one step each: a compare-and-swap or a store */
inline free_entry(e_)
{
	phase[e_] = FREE; owner[e_] = 0; gen[e_]++; acked[e_] = 0
}

inline end_ctl(e_)
{
	ctl[e_] = ENDED; NOTE_ABSENT
}

inline next_set(b_)
{
	do :: p < NP && !(b_ & BIT(p)) -> p++ :: else -> break od
}

inline next_clear(b_)
{
	do :: p < NP && (b_ & BIT(p)) -> p++ :: else -> break od
}

/*
 * Take the word of {e, g} out of place p: anyone, for an ended entry.  The
 * caller puts r_load on the call and r_end on what follows.
 */
inline remove()
{
	atomic {
		LOAD_HDR;
		if :: !(b & BIT(p)) -> goto r_clear :: else fi
	};
#ifdef BAD_ORDER
	atomic { if :: word[p] == WORD(e, g) -> word[p] = 0 :: else fi };
#elif !defined(NO_REREAD)
	atomic { if :: word[p] != WORD(e, g) -> goto r_end :: else fi };
#endif
	atomic {
		if
		:: SAME_HDR ->
			STORE_HDR(b & ~BIT(p))
		:: else -> goto r_load
		fi
	};
r_clear: atomic {
#ifdef REACH_LATE
		CHECK(word[p] != WORD(e, g + 1), witness);
#endif
		if :: word[p] == WORD(e, g) -> word[p] = 0 :: else fi
	}
}

/* entries that were never used are alike: the lowest is taken */
#define VIRGIN(e)	(phase[e] == FREE && gen[e] == 0)

#define RESET_INS	e = 0; g = 0; b = 0; p = 0; w = 0; pos = 0; FORGET

proctype ins(bit k) MORTAL
{
	byte e, g, b, p, w, pos = NP;

{	atomic {
		if
		:: phase[0] == FREE -> e = 0
		:: phase[1] == FREE && !VIRGIN(0) -> e = 1
		:: else -> DONE(RESET_INS)		/* full */
		fi;
		phase[e] = OWNED; owner[e] = _pid; g = gen[e]
	};
	atomic { key[e] = k; ctl[e] = LIVE; ctl_gen[e] = g };
load:	atomic {
		LOAD_HDR; p = 0; w = 0;
		next_set(b);
		if :: p == NP -> p = 0; goto reserve :: else fi
	};
scan:	atomic {
		w = word[p];
		if
		:: w != 0 && w != WORD(e, g) -> skip
		:: else ->
			p++; next_set(b);
			if
			:: p == NP -> p = 0; goto reserve
			:: else -> goto scan
			fi
		fi
	};
	atomic {
		if
		:: SHOWS(w, k) ->
#ifdef NO_DUPCHECK
			CHECK(STANDS(p, w), false_exists);
			goto withdraw
#endif
		:: else ->
			w = 0; p++; next_set(b);
			if
			:: p == NP -> p = 0; goto reserve
			:: else -> goto scan
			fi
		fi
	};
	atomic {
		if
		:: SAME_HDR ->
			CHECK(STANDS(p, w), false_exists);
			goto withdraw		/* exists */
		:: else -> goto load
		fi
	};
reserve: atomic {
		if
		:: pos < NP -> goto commit
		:: else ->
			next_clear(b);
			if
			:: p == NP -> goto withdraw	/* no place */
			:: p < NP && EMPTY(word[p]) ->
				word[p] = WORD(e, g); pos = p
			:: else -> p++; goto reserve
			fi
		fi
	};
commit:	atomic {
		if
		:: SAME_HDR ->
			CHECK(word[pos] == WORD(e, g), owned_taken);
			STORE_HDR(b | BIT(pos))
		:: else -> goto load
		fi
	};
	atomic {
		CHECK(MINE(e, g), owned_taken);
		phase[e] = LIVE; owner[e] = 0
	};
	atomic {
		if
		:: ctl[e] == LIVE && ctl_gen[e] == g ->
			acked[e] = 1; DONE(RESET_INS)
		:: else -> p = pos; w = 0	/* superseded: take it out */
		fi
	};
r_load:	remove();
r_end:	DONE(RESET_INS);
withdraw: atomic { w = 0; p = 0; end_ctl(e) };
	atomic {
		if
		:: pos < NP && word[pos] == WORD(e, g) -> word[pos] = 0
		:: else
		fi
	};
	atomic {
		CHECK(MINE(e, g), owned_taken);
		free_entry(e); DONE(RESET_INS)
	};
} unless { DIES(RESET_INS) };
end_:	skip
}

#define RESET_ENDER	e = 0; g = 0; b = 0; p = 0; FORGET

proctype ender() MORTAL
{
	byte e, g, b, p;

{	atomic {
		if
		:: ctl[0] == LIVE -> e = 0
		:: ctl[1] == LIVE -> e = 1
		:: else -> DONE(RESET_ENDER)
		fi;
		g = ctl_gen[e]
	};
	atomic {
		if
		:: ctl[e] == LIVE && ctl_gen[e] == g -> end_ctl(e)
		:: else -> DONE(RESET_ENDER)
		fi
	};
	atomic {
		if
		:: phase[e] == LIVE && gen[e] == g -> skip
#ifdef ENDER_CLEARS
		:: phase[e] == OWNED && gen[e] == g -> skip
#endif
		:: else -> DONE(RESET_ENDER)	/* its owner's, or repair's */
		fi
	};
find:	atomic {
		if
		:: word[p] == WORD(e, g) -> skip
		:: word[p] != WORD(e, g) && p < NP - 1 -> p++; goto find
		:: else -> DONE(RESET_ENDER)
		fi
	};
r_load:	remove();
r_end:	DONE(RESET_ENDER);
} unless { DIES(RESET_ENDER) };
end_:	skip
}

#define RESET_READER	b = 0; p = 0; w = 0; absent = 0; FORGET

proctype reader() MORTAL
{
	byte b, p, w;

{	atomic { absent = !PRESENT(0); goto load };
load:	atomic {
		LOAD_HDR; p = 0; w = 0;
		next_set(b);
		if :: p == NP -> goto miss :: else fi
	};
scan:	atomic { w = word[p] };
	atomic {
		if
		:: SHOWS(w, 0) ->
#ifdef NO_RECHECK
			CHECK(STANDS(p, w), dirty_read);
			DONE(RESET_READER)
#endif
		:: else ->
			w = 0; p++; next_set(b);
			if :: p == NP -> goto miss :: else -> goto scan fi
		fi
	};
	atomic {
		if
		:: SAME_HDR ->
			CHECK(STANDS(p, w), dirty_read);
			DONE(RESET_READER)
		:: else -> goto load
		fi
	};
miss:	atomic { CHECK(absent, false_miss); DONE(RESET_READER) };
} unless { DIES(RESET_READER) };
end_:	skip
}

#define TO_REPAIR(e)	(phase[e] == OWNED && alive[owner[e]] == 0)
#define TO_RETIRE(e)	(phase[e] == LIVE && IS_ENDED(e))

/* the guard of the loop is economy: a pass without work changes nothing */
#define RESET_UPKEEP	e = 0; g = 0; b = 0; p = 0; quiet = 0; repair = 0; \
			FORGET

proctype upkeep() MORTAL
{
	byte e, g, b, p;
	bit quiet, repair;

end_loop: {
	atomic {
		p = 0; b = 0;
		if
		:: TO_REPAIR(0) || TO_RETIRE(0) -> e = 0
		:: TO_REPAIR(1) || TO_RETIRE(1) -> e = 1
		fi;
		repair = (phase[e] == OWNED); g = gen[e];
		quiet = (done == NOPS)
	};
#ifdef EARLY_FREE
	atomic { if :: !repair -> goto u_state :: else fi };
#endif
u_find:	atomic {
		if
		:: p == NP -> goto u_state
		:: p < NP && word[p] == WORD(e, g) ->
			if :: repair -> goto u_commit :: else fi
		:: else -> p++; goto u_find
		fi
	};
r_load:	remove();
r_end:	atomic { p++; goto u_find };
u_commit: atomic { if :: hdr_bits & BIT(p) -> goto u_live :: else fi };
	atomic { if :: ctl_gen[e] == g -> end_ctl(e) :: else fi };
	atomic {
		if :: word[p] == WORD(e, g) -> word[p] = 0 :: else fi;
		p++; goto u_find
	};
u_live:	atomic {
#ifdef REACH_LIVE
		CHECK(phase[e] != OWNED || gen[e] != g, witness);
#endif
		if
		:: phase[e] == OWNED && gen[e] == g ->
			phase[e] = LIVE; owner[e] = 0
		:: else
		fi;
		goto u_end
	};
u_state: atomic {
		if
		:: phase[e] == (repair -> OWNED : LIVE) && gen[e] == g ->
			free_entry(e)
		:: else
		fi
	};
u_end:	atomic {
		CHECK(!quiet || phase[e] != (repair -> OWNED : LIVE) ||
		      gen[e] != g, no_progress);
		e = 0; g = 0; quiet = 0; repair = 0; goto end_loop
	}
} unless { DIES(RESET_UPKEEP) };
end_:	skip
}

#define RESERVED(w)	(phase[WENT(w)] == OWNED && gen[WENT(w)] == WGEN(w))

#define RESET_SCRUB	p = 0; w = 0; set = 0

proctype scrub() MORTAL
{
	byte p, w;
	bit set;

end_loop: {
	atomic {
		if
		:: !EMPTY(word[0]) && !(hdr_bits & BIT(0)) -> p = 0
		:: !EMPTY(word[1]) && !(hdr_bits & BIT(1)) -> p = 1
		fi;
		w = word[p]
	};
#ifdef SCRUB_EARLY
	atomic { set = ((hdr_bits & BIT(p)) != 0) };
#endif
#ifndef SCRUB_OWNED
	atomic { if :: RESERVED(w) -> goto s_end :: else fi };
#endif
#if !defined(SCRUB_EARLY) && !defined(SCRUB_NOHDR)
	atomic { set = ((hdr_bits & BIT(p)) != 0) };
#endif
	atomic {
		if
		:: !set && word[p] == w ->
#ifdef REACH_SCRUB
			assert(witness);
#endif
			word[p] = 0
		:: else
		fi
	};
s_end:	atomic { p = 0; w = 0; set = 0; goto end_loop }
} unless { DIES(RESET_SCRUB) };
end_:	skip
}

proctype hinter()
{
end_loop: word[1] == 0;
	atomic {
#ifndef HINT_STORES
		if :: word[1] == 0 -> word[1] = HINT :: else fi;
#else
		word[1] = HINT;
#endif
		goto end_loop
	}
}

/* one crash: an operation, or the helper, whose standby then takes over */
#define NWRITER	(NI + NK + NENDER)
#define KILL(i)	done < NOPS && alive[i] == 1 -> doomed = i

proctype killer()
{
end_:	if
#ifdef KILL_HELPER
	:: atomic { KILL(NOPS + 1) }
#else
	:: atomic { KILL(1) }
	:: atomic { NWRITER > 1 && KILL(2) }
	:: atomic { NWRITER > 2 && KILL(3) }
	:: atomic { NWRITER > 3 && KILL(4) }
#endif
	fi
}

#define TWO(k)	(COMMITTED(0, k) && COMMITTED(1, k))
#define LOST(e)	(acked[e] && IS_LIVE(e) && !AT(0, e) && !AT(1, e))

proctype monitor()
{
end_:	if
	:: atomic { TWO(0) || TWO(1) -> assert(two_live) }
	:: atomic { LOST(0) || LOST(1) -> assert(acked_lost) }
	fi
}

#define CLEAN(e)	(phase[e] == FREE || phase[e] == LIVE && \
			 IS_LIVE(e) && (AT(0, e) || AT(1, e)))
#define ALL_CLEAN	(CLEAN(0) && CLEAN(1))
#define TIDY(p)		((hdr_bits & BIT(p)) \
			 -> SHOWS(word[p], 0) || SHOWS(word[p], 1) \
			 : EMPTY(word[p]))

init {
	byte i;

	atomic {
#ifdef STALE
		word[0] = WORD(0, 0); gen[0] = 1;
#endif
		for (i : 1 .. NPROC) { alive[i] = 1 };
		i = 0;
		do :: i < NI -> i++; run ins(0) :: else -> break od;
		do :: i < NI + NK -> i++; run ins(1) :: else -> break od;
		do :: i < NWRITER -> i++; run ender() :: else -> break od;
		do :: i < NOPS -> i++; run reader() :: else -> break od;
		do :: i < NOPS + NUPKEEP -> i++; run upkeep()
		   :: else -> break od;
		do :: i < NPROC -> i++; run scrub() :: else -> break od;
		i = 0;
#ifndef NO_CRASH
		run killer();
#ifdef KILL_HELPER
		alive[NPROC + 1] = 1; run upkeep();
#endif
#endif
#ifdef HINTS
		run hinter();
#endif
		run monitor()
	};
end_:	atomic {
		timeout;
#ifdef REACH_END
		CHECK(alive[1] != 0 || phase[0] == FREE, witness);
#endif
		CHECK(done == NOPS, left_behind);
		CHECK(NUPKEEP == 0 || ALL_CLEAN && TIDY(0) && TIDY(1),
		      left_behind)
	}
}
