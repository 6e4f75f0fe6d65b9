/* SPDX-License-Identifier: MIT */

/*
 * The order of one subject's logins: caps, exclusive logins, deletion of all,
 * against creation and renewal.
 *
 * Modelled: the chain, as the order in which entries were pushed; of each entry
 * its phase, its login number, ended or not, its successor if it was renewed;
 * intents.  One login is there from the beginning.  Processes:
 *   maker    pushes an entry it owns, which gives the login its number, and
 *            REJECT     counts those with lower numbers, alive or in the making
 *                       by the living; as many as the cap: withdraws.  One that
 *                       is in the making for too long is ended instead.  Then
 *                       LIVE, then the answer, by CAS of ctl
 *            else       stores its intent, makes itself LIVE, counts all that
 *                       are LIVE and ends those behind the newest CAP, clears
 *                       the intent, answers.  EXCLUSIVE: all with lower numbers,
 *                       those in the making too
 *   renewer  pushes a successor with the old one's number, decides by CAS of
 *            the old ctl, makes the successor LIVE
 *   deleter  walks the chain and ends what it meets, each with its line; walks
 *            again what came in meanwhile, until nothing did
 *   repair   of the dead: what is OWNED and named by its predecessor becomes
 *            LIVE, what is not is withdrawn; what is LIVE with an intent is
 *            carried on with
 * KILLS of makers and renewers, between any two steps.
 *
 * Abstractions.  Sequentially consistent.  Entries are not reused and stay in
 * the chain: chain.pml has that.  Sections are not expelled: who is begins
 * again.  Who reads an entry reads it at once: index.pml.
 *
 * Properties, by the name that a violated assertion shows
 *   over_cap      of answered logins no more than CAP live, at every instant
 *   over_at_rest  of all logins no more than CAP live when the dead are repaired
 *   none_left     where nobody deletes one login lives when all is still; where
 *                 logins are rejected, if nobody was killed
 *   not_alone     who was answered as exclusive met no lower number afterwards
 *   survived      a login answered before a deletion of all has ended after it
 *   answered_dead nobody is told of a login that had ended by then
 *
 * Variants
 *   LIVE_ONLY     REJECT does not count those in the making
 *   COUNT_FIRST   REJECT counts before it is on the chain
 *   NO_CONFIRM    who was ended in the making answers all the same
 *   END_FIRST     the others are ended before the login lives
 *   INTENT_LATE   the intent is stored when the login lives
 *   INTENT_LOST   repair does not look at intents
 *   SPARE_MAKING  EXCLUSIVE leaves those in the making alone
 *   ONE_WALK      the deleter walks once
 *   NO_LINE       the deleter ends what it meets, not its line
 *   SKIP_OWNED    the deleter leaves those in the making alone
 *   RENEW_BLIND   a renewal does not look whether the old one has ended
 * Of the deleter's rules each is safe without one of the others: it takes two to
 * go wrong.
 *
 * Runs
 *   run quick pass  reject         -DREJECT -DKILLS=1
 *   run quick pass  evict          -DKILLS=1
 *   run quick pass  exclusive      -DEXCLUSIVE -DKILLS=1
 *   run quick pass  delete         -DNMAKER=0 -DDELETE -DRENEW -DCAP=9 -DKILLS=1
 *   run full  pass  delete-maker   -DNMAKER=1 -DDELETE -DRENEW -DCAP=9 -DKILLS=1
 *   run quick pass  reject-renew   -DREJECT -DRENEW -DNMAKER=1 -DKILLS=1
 *   run quick pass  evict-renew    -DRENEW -DNMAKER=1 -DKILLS=1
 *   run quick fail  live-only      -DREJECT -DLIVE_ONLY
 *   run quick fail  count-first    -DREJECT -DCOUNT_FIRST
 *   run quick fail  no-confirm     -DREJECT -DNO_CONFIRM
 *   run quick fail  end-first      -DEND_FIRST -DKILLS=1
 *   run quick fail  intent-late    -DINTENT_LATE -DKILLS=1
 *   run quick fail  intent-lost    -DINTENT_LOST -DKILLS=1
 *   run quick fail  spare-making   -DEXCLUSIVE -DSPARE_MAKING
 *   run quick fail  walk-line      -DNMAKER=0 -DDELETE -DRENEW -DONE_WALK -DNO_LINE
 *   run quick fail  line-owned     -DNMAKER=0 -DDELETE -DRENEW -DNO_LINE -DSKIP_OWNED
 *   run quick fail  renew-blind    -DNMAKER=0 -DDELETE -DRENEW -DRENEW_BLIND
 */

#ifndef NMAKER
#define NMAKER 2
#endif
#ifndef CAP
#define CAP 1
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifdef RENEW
#define NRENEWER 1
#else
#define NRENEWER 0
#endif

/* Entry 0 is the first login's, 1 to NMAKER the makers', the last the
 * renewer's.  A login is named by its first entry; its number is its rank. */
#define NE	(1 + NMAKER + NRENEWER)
#define NONE	255

#define FREE	0
#define OWNED	1
#define LIVE	2

byte at[NE];			/* the chain, the oldest first */
byte head;			/* its length */
byte phase[NE], num[NE];
byte succ[NE];			/* NONE: not renewed */
bit ended[NE], intent[NE], dead[NE], answered[NE];
byte tip[NE];			/* of the login with that number */
byte next_num;
byte kills = KILLS;
byte running;
bit started;

byte i_, n_;

/* A successor counts as soon as its predecessor names it. */
#define ALIVE(l)	(!ended[tip[l]] && (phase[tip[l]] == LIVE || \
			 (phase[tip[l]] == OWNED && succ[0] == tip[l])))
#define CHECK(cond, what) \
	d_step { if :: (cond) -> skip :: else -> assert(what) fi }
bit over_cap, over_at_rest, none_left, not_alone, survived, answered_dead;

/* Between any two steps of who may be killed. */
#define DIE(e) \
	if \
	:: atomic { kills > 0 -> kills--; dead[e] = 1; goto over } \
	:: skip \
	fi

inline count_answered()
{
	d_step {
		i_ = 0; n_ = 0;
		do
		:: i_ < next_num ->
			n_ = n_ + (answered[i_] && !ended[tip[i_]]);
			i_++
		:: else -> break
		od;
		i_ = 0
	}
}

#ifdef DELETE
#define CHECK_CAP	skip
#else
#define CHECK_CAP	count_answered(); CHECK(n_ <= CAP, over_cap)
#endif

inline push(e, number)
{
	phase[e] = OWNED; num[e] = number; succ[e] = NONE;
	at[head] = e; head++
}

/* ---- what a cap does ---- */

/* mask: the numbers of all that are LIVE. */
inline take_census(mask, i)
{
	i = head; mask = 0;
	do
	:: i > 0 -> atomic {
		i--;
		mask = mask | ((ALIVE(num[at[i]]) -> 1 : 0) << num[at[i]])
	   }
	:: else -> break
	od
}

/* The lowest number that stays: the CAP-th from above. */
inline lowest_to_stay(mask, low)
{
	d_step {
		n_ = 0; low = next_num;
		do
		:: low > 0 && n_ < CAP ->
			low--;
			n_ = n_ + (mask >> low & 1)
		:: else -> break
		od;
		n_ = 0
	}
}

/* Ends a line from x on: each member by a step of its own. */
inline end_line(x)
{
	do
	:: x != NONE -> atomic { ended[x] = 1; x = succ[x] }
	:: else -> break
	od
}

/* What is LIVE below the number, or also what is in the making. */
inline end_below(low, i, x)
{
	i = head;
	do
	:: i > 0 -> atomic { i--; x = at[i] };
#if defined(EXCLUSIVE) && !defined(SPARE_MAKING)
		if
		:: num[x] < low && !ended[x] && phase[x] != FREE ->
#else
		if
		:: num[x] < low && !ended[x] && phase[x] == LIVE ->
#endif
			end_line(x)
		:: else
		fi
	:: else -> break
	od
}

#ifdef EXCLUSIVE
#define ENFORCE(e)	low = num[e]; end_below(low, i, x)
#else
#define ENFORCE(e)	take_census(mask, i); lowest_to_stay(mask, low); \
			end_below(low, i, x)
#endif

/* ---- makers ---- */

proctype maker(byte e)
{
	byte i, x, mask, low;

#ifdef COUNT_FIRST
	take_census(mask, i);
#endif
	DIE(e);
	atomic {
		push(e, next_num);
		tip[next_num] = e; next_num++
	};
#ifdef REJECT
#ifndef COUNT_FIRST
	i = head; mask = 0;
	do
	:: i > 0 ->
		DIE(e);
		atomic { i--; x = at[i] };
		if
		:: num[x] < num[e] && ALIVE(num[x]) ->
			mask = mask | 1 << num[x]
#ifndef LIVE_ONLY
		:: num[x] < num[e] && phase[x] == OWNED && !ended[x] &&
		   !dead[x] && tip[num[x]] == x -> mask = mask | 1 << num[x]
		/* for too long: ended, unless he has answered since */
		:: num[x] < num[e] && phase[x] == OWNED && !ended[x] &&
		   !dead[x] && tip[num[x]] == x ->
			atomic {
				if
				:: answered[num[x]] -> mask = mask | 1 << num[x]
				:: else -> ended[x] = 1
				fi
			}
#endif
		:: else
		fi
	:: else -> break
	od;
#endif
	skip;
	d_step {
		low = 0; n_ = 0;
		do
		:: low < num[e] -> n_ = n_ + (mask >> low & 1); low++
		:: else -> break
		od;
		mask = n_; n_ = 0; low = 0
	};
	if
	:: mask >= CAP -> atomic { phase[e] = FREE; goto over }
	:: else
	fi;
	DIE(e);
	phase[e] = LIVE;
	DIE(e);
#else
#ifdef END_FIRST
	low = num[e]; end_below(low, i, x);
	DIE(e);
#endif
#ifndef INTENT_LATE
	intent[e] = 1;
	DIE(e);
#endif
	phase[e] = LIVE;
	DIE(e);
	intent[e] = 1;
	ENFORCE(e);
	DIE(e);
	intent[e] = 0;
#endif
	atomic {
#ifdef NO_CONFIRM
		answered[num[e]] = 1;
		CHECK(!ended[e], answered_dead);
#else
		if :: ended[tip[num[e]]] -> goto over :: else fi;
		answered[num[e]] = 1;
#endif
		CHECK_CAP
	};
#ifdef EXCLUSIVE
	i = 0;
	do
	:: i < num[e] ->
		CHECK(ended[tip[i]] || phase[tip[i]] == FREE, not_alone);
		i++
	:: else -> break
	od;
#endif
over:
	atomic { i = 0; x = 0; mask = 0; low = 0; running-- }
}

/* Renews the first login. */
proctype renewer(byte e)
{
	DIE(e);
	atomic { push(e, 0) };
	DIE(e);
	atomic {
		if
#ifdef RENEW_BLIND
		:: true ->
#else
		:: !ended[0] ->
#endif
			succ[0] = e; tip[0] = e
		:: else -> phase[e] = FREE; goto over
		fi
	};
	DIE(e);
	phase[e] = LIVE;
over:
	running--
}

/* ---- all of a subject ---- */

proctype deleter()
{
	byte i, x, from, stop, must;

	atomic {
		i = 0;
		do
		:: i < next_num -> must = must | answered[i] << i; i++
		:: else -> break
		od;
		from = head
	};
	do
	:: i = from;
		do
		:: i > stop -> atomic { i--; x = at[i] };
#ifdef SKIP_OWNED
			if :: phase[x] == OWNED -> skip :: else ->
#else
			if :: phase[x] == FREE -> skip :: else ->
#endif
#ifdef NO_LINE
				ended[x] = 1
#else
				end_line(x)
#endif
			fi
		:: else -> break
		od;
#ifdef ONE_WALK
		break
#else
		stop = from;
		if
		:: head == from -> break
		:: else -> from = head
		fi
#endif
	od;
	atomic {
		i = 0;
		do
		:: i < next_num ->
			CHECK(!(must >> i & 1) || ended[tip[i]], survived);
			i++
		:: else -> break
		od;
		running--
	}
}

/* ---- repair, and what is then left ---- */

/* What a dead one left.  Of those it makes LIVE the predecessor names one. */
inline settle(e)
{
	if
	:: phase[e] == OWNED && succ[0] == e -> phase[e] = LIVE
	:: phase[e] == OWNED && succ[0] != e -> phase[e] = FREE
	:: else
	fi
}

active proctype repair()
{
	byte e, i, x, mask, low;

	started;
	do
	:: e < NE ->
		if
		:: dead[e] ->
			settle(e);
#ifndef INTENT_LOST
			if
			:: intent[e] && phase[e] == LIVE -> ENFORCE(e)
			:: else
			fi;
#endif
			intent[e] = 0; dead[e] = 0
		:: else
		fi;
		e++
	:: e == NE && running > 0 -> e = 0
	:: e == NE && running == 0 ->
		/* who died at last */
		if
		:: dead[0] || dead[1] || dead[NE - 1] || dead[NE / 2] -> e = 0
		:: else -> break
		fi
	od;
#ifndef DELETE
	skip;
	d_step {
		e = 0; n_ = 0;
		do
		:: e < next_num -> n_ = n_ + ALIVE(e); e++
		:: else -> break
		od
	};
	CHECK(n_ <= CAP, over_at_rest);
#ifdef REJECT
	/* The one for whom the others stood back may have been killed. */
	CHECK(n_ > 0 || kills < KILLS, none_left)
#else
	CHECK(n_ > 0, none_left)
#endif
#endif
}

init {
	byte e;

	atomic {
		push(0, 0); phase[0] = LIVE; answered[0] = 1; tip[0] = 0;
		next_num = 1;
		/* It makes place for one that has none. */
#ifdef REJECT
		if
		:: true
		:: ended[0] = 1
		fi;
#endif
		e = 1;
		do
		:: e <= NMAKER -> run maker(e); running++; e++
		:: else -> break
		od;
#ifdef RENEW
		run renewer(NE - 1); running++;
#endif
#ifdef DELETE
		run deleter(); running++;
#endif
		e = 0; started = 1
	}
}
