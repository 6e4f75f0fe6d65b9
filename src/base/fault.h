/* SPDX-License-Identifier: MIT */
#ifndef SOJ_BASE_FAULT_H
#define SOJ_BASE_FAULT_H

/*
 * Layer 0.  Labelled points in the protocols, for the crash and stop tests.
 *
 * SOJ_STEP("update.published") marks the instant after a step of a crash
 * table.  In the library that is shipped it is nothing.  In the build for
 * tests (SOJ_FAULTS) each label is registered in a section of its own, so a
 * test can list all of them, and calls soj_step_hook, which may SIGKILL or
 * SIGSTOP the process right there.
 *
 * SOJ_PLANT(BUG) is the self-check of those tests: true in their build when
 * soj_plant names the bug, which is then made, and which they must find.  In
 * the library that is shipped it is 0, and what it guards is gone.
 */

/* Bugs that can be planted.  X(NAME, what is done wrong) */
#define SOJ_PLANTS(X)                                                          \
	X(REPAIR_LEAVES_OWNED, "repair leaves entries of the dead OWNED")      \
	X(REAP_UNPROVED, "threads are taken for dead without proof")           \
	X(WITHDRAW_SKIPPED, "a loser's successor is not withdrawn")            \
	X(RETIRE_BEFORE_PUBLISH, "the old chunk is retired before the CAS")    \
	X(PUBLISH_EARLY, "an update publishes what it has yet to write")       \
	X(UPDATE_STORES, "an update publishes whatever ctl has become")        \
	X(REMOVE_LOOKS_ONCE, "index removal does not read the place again")    \
	X(HINT_STORES, "a hint is put whatever the place has become")          \
	X(LINE_FORGOTTEN, "upkeep does not end the rest of a line")            \
	X(ADOPT_FORGETS, "who adopts a slot does not repair what was left")    \
	X(ADOPT_ALIVE, "the slot of a living thread is adopted")               \
	X(INTENT_FORGOTTEN, "repair does not end whom a dead login would")     \
	X(WIPE_SKIPPED, "freed chunks keep their bytes")                       \
	X(GRACE_UNSCANNED, "the epoch moves on whoever is in a section")       \
	X(GRACE_UNSTAMPED, "what is retired has no epoch of its own")          \
	X(EVENT_UNTOLD, "who dies before he tells of an end does not")         \
	X(EVENT_TWICE, "who tells for the dead does not look where they were") \
	X(LOCK_OF_THE_DEAD, "a dead thread's lock stays taken")                \
	X(LOCK_UNFENCED, "a locked update does not look at its fence")         \
	X(LOCK_NO_BUMP, "taking a lock leaves ctl alone")                      \
	X(MAKER_BLOCKS, "a key waits for a maker who stands still")            \
	X(CLEAR_UNCOUNTED, "an expelled clear forgets what it had ended")      \
	X(FLIGHT_REPLACES, "who computed too slowly replaces the value")       \
	X(LOCK_UNLOCKED, "who waited for a lock in vain goes on without")      \
	X(TOKEN_ISSUE_BLIND, "a token's mark does not look at those before")   \
	X(TOKEN_MARK_FALLS, "a revocation does not look at the one before")    \
	X(TOKEN_MARKS_MIXED, "one mark for login and subject")                 \
	X(TOKEN_MARK_ONCE, "a subject is not marked again after its families") \
	X(TOKEN_MARK_SHORT, "a revocation is kept for a minute")               \
	X(TOKEN_AGE_UNSEEN, "a token may be older than revocations")           \
	X(TOKEN_CACHE_KEYLESS, "verified tokens outlive their keys")           \
	X(TOKEN_CACHE_RULELESS, "verified tokens are good for any audience")   \
	X(TOKEN_CACHE_FINAL, "verified tokens are not looked up as revoked")   \
	X(SECRET_KEPT, "what held a secret is not wiped")                      \
	X(SECRET_STORED, "an id is its own digest")

enum soj_plant {
	SOJ_PLANT_NONE,
#define X(name, what) SOJ_PLANT_##name,
	SOJ_PLANTS(X)
#undef X
		SOJ_PLANTS_USED
};

#ifdef SOJ_FAULTS
extern enum soj_plant soj_plant;
#define SOJ_PLANT(name) (soj_plant == SOJ_PLANT_##name)
#else
#define SOJ_PLANT(name) 0
#endif

#ifdef SOJ_FAULTS
struct soj_step {
	const char *label;
};
extern void (*soj_step_hook)(const struct soj_step *step);
extern struct soj_step __start_soj_steps[], __stop_soj_steps[];
#define SOJ_STEP(name)                                                        \
	do {                                                                  \
		static struct soj_step soj_step_                              \
			__attribute__((section("soj_steps"), used)) = {name}; \
		if (soj_step_hook)                                            \
			soj_step_hook(&soj_step_);                            \
	} while (0)
#else
#define SOJ_STEP(name) ((void)0)
#endif

#endif /* SOJ_BASE_FAULT_H */
