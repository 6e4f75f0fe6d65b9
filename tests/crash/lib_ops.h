/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_CRASH_LIB_OPS_H
#define SOJ_TESTS_CRASH_LIB_OPS_H

/*
 * Operations that victims run: what has to be there before, what is done, and
 * what must be true after it was interrupted, wherever that was.  The labels
 * that a victim passed say whether its operation was decided, so nothing is
 * left to doubt but what a dead thread's line of successors looks like before
 * repair.
 */

#include "crash/lib_world.h"

/* What a completed operation has done to the target. */
enum effect {
	EFFECT_NONE,
	EFFECT_VALUE,  /* OP_NUMBER is its value */
	EFFECT_RENEWS, /* it has a new id */
	EFFECT_ENDS,   /* it is gone */
	EFFECT_CREATES /* there is another session of OP_NUMBER */
};

#define OP_NUMBER    500u /* value that victims write */
#define LARGER_BYTES 600u /* of "update, larger" */

/* What the survivor does to what the victim is at. */
enum act_id { LEAVE, UPDATE, RENEW, DELETE, DELETE_OLD, DELETE_SUBJECT, ACTS };

/* A victim that stands still. */
struct stopped {
	const struct op *op;
	enum act_id act;
	bool decided;  /* when it stopped */
	bool pushed;   /* its new session was in the chain then */
	bool held;     /* it had a lock */
	bool taking;   /* it had the lock's word, and nothing else of it */
	bool counted;  /* its subject's logins */
	unsigned made; /* the session that it had made by then; or KNOWN_MAX */
	unsigned target;             /* the model's, before it was judged */
	unsigned ended;              /* how many it had ended */
	struct thing things[THINGS]; /* when it was continued */
};

struct op {
	const char *name;
	struct world_options world;
	void (*prepare)(struct world *w);
	victim_fn run; /* arg is the world */
	/* Brings the model to what the victim's labels say it did. */
	void (*judge)(struct world *w, const struct report *r);
	/* The victim stands at `pause` while the survivor does this. */
	const char *pause;
	void (*meddle)(struct world *w);
	enum effect effect;
	const char *decided; /* the label right after the deciding CAS */
	/* While it stands; all NULL: as `effect` says (lib_ops_resume.c). */
	void (*look)(struct world *w); /* what no label tells */
	void (*act)(struct world *w, const struct stopped *stop);
	/* It was continued, and has answered. */
	void (*resume)(struct world *w, const struct stopped *stop,
		       const struct report *r);
	/* It was killed: the model now, and after repair. */
	void (*killed)(struct world *w, const struct stopped *stop);
	void (*repaired)(struct world *w, const struct stopped *stop);
	bool no_stop; /* not for tests that stop victims */
	bool threads; /* the order of labels is another each time */
};

extern const struct op ops[];
extern const unsigned ops_count;

/* lib_prepare.c */
void prepare_empty(struct world *w);
void prepare_people(struct world *w);
void prepare_renewed(struct world *w);
void prepare_renewed_twice(struct world *w);
void prepare_stale(struct world *w);   /* a touch is due */
void prepare_due(struct world *w);     /* a renewal is due */
void prepare_expired(struct world *w); /* the target's time is over */
void prepare_full(struct world *w);
void prepare_full_expired(struct world *w);
void prepare_chunks_full(struct world *w);
void prepare_drain(struct world *w); /* the target is to be relocated */
void prepare_mess(struct world *w);
void prepare_sleeper(struct world *w);
void prepare_slot_of_a_renewer(struct world *w);
void prepare_slots_of_renewers(struct world *w);
void prepare_slot_of_an_intent(struct world *w);
void prepare_slot_of_a_holder(struct world *w);
void prepare_slots_of_makers(struct world *w);
void prepare_half_told(struct world *w); /* lib_events.c */
void prepare_crowd(struct world *w);     /* of one subject: four */

/* lib_run.c: what victims do */
void run_create(void *arg, struct report *r);
void run_create_large(void *arg, struct report *r);
void run_create_exclusive(void *arg, struct report *r);
void run_read(void *arg, struct report *r);
void run_touch(void *arg, struct report *r);
void run_update(void *arg, struct report *r);
void run_update_again(void *arg, struct report *r);
void run_update_larger(void *arg, struct report *r);
void run_update_old(void *arg, struct report *r);
void run_modify(void *arg, struct report *r);
void run_renew(void *arg, struct report *r);
void run_regenerate(void *arg, struct report *r);
void run_delete(void *arg, struct report *r);
void run_delete_old(void *arg, struct report *r);
void run_delete_subject(void *arg, struct report *r);
void run_delete_others(void *arg, struct report *r);
void run_list(void *arg, struct report *r);
void run_detach(void *arg, struct report *r);
void run_pass(void *arg, struct report *r);
void run_full(void *arg, struct report *r);
void run_expel(void *arg, struct report *r);
void run_expiry(void *arg, struct report *r);
void run_drain_page(void *arg, struct report *r);
/* A page of two units: nothing else is that large. */
void run_new_page(void *arg, struct report *r);
void run_helper(void *arg, struct report *r);

/* lib_judge.c */
void judge_create(struct world *w, const struct report *r);
void judge_rejected(struct world *w, const struct report *r);
void judge_create_cap(struct world *w, const struct report *r);
void judge_create_exclusive(struct world *w, const struct report *r);
void judge_gone(struct world *w, const struct report *r);
void judge_evict(struct world *w, const struct report *r);
void judge_touch(struct world *w, const struct report *r);
void judge_update(struct world *w, const struct report *r);
void judge_update_larger(struct world *w, const struct report *r);
void judge_renew(struct world *w, const struct report *r);
void judge_regenerate(struct world *w, const struct report *r);
void judge_delete(struct world *w, const struct report *r);
void judge_delete_old(struct world *w, const struct report *r);
void judge_delete_subject(struct world *w, const struct report *r);
void judge_delete_others(struct world *w, const struct report *r);
void judge_nothing(struct world *w, const struct report *r);

/* lib_ops_acts.c, lib_ops_resume.c: of sessions */
extern const char *const act_names[ACTS];
void act_session(struct world *w, const struct stopped *stop);
void meddle_update(struct world *w);
void meddle_delete(struct world *w);
void meddle_delete_subject(struct world *w);
void meddle_expire(struct world *w);
void judge_late(struct world *w, const struct report *r);
void answer_is(const struct report *r, int want);
void resume_by_effect(struct world *w, const struct stopped *stop,
		      const struct report *r);
void resume_create(struct world *w, const struct stopped *stop,
		   const struct report *r);
void resume_regenerate(struct world *w, const struct stopped *stop,
		       const struct report *r);

/* lib_ops_caps.c */
void prepare_dead_intent(struct world *w);
void look_at_cap(struct world *w);
void resume_cap(struct world *w, const struct stopped *stop,
		const struct report *r);
void resume_rejected(struct world *w, const struct stopped *stop,
		     const struct report *r);
void killed_cap(struct world *w, const struct stopped *stop);
void repaired_cap(struct world *w, const struct stopped *stop);

/* lib_ops_items.c */
void act_items(struct world *w, const struct stopped *stop);
void resume_put(struct world *w, const struct stopped *stop,
		const struct report *r);
void resume_put_if_version(struct world *w, const struct stopped *stop,
			   const struct report *r);
void resume_add(struct world *w, const struct stopped *stop,
		const struct report *r);
void resume_view(struct world *w, const struct stopped *stop,
		 const struct report *r);
void resume_remove(struct world *w, const struct stopped *stop,
		   const struct report *r);
void resume_count(struct world *w, const struct stopped *stop,
		  const struct report *r);
void resume_clear(struct world *w, const struct stopped *stop,
		  const struct report *r);

/* lib_ops_flight.c */
void prepare_dead_flight(struct world *w);
void prepare_flight_of_another(struct world *w);
void run_flight(void *arg, struct report *r);
void run_flight_short(void *arg, struct report *r);
void run_flight_in_vain(void *arg, struct report *r);
void judge_flight(struct world *w, const struct report *r);
void act_flight(struct world *w, const struct stopped *stop);
void resume_flight(struct world *w, const struct stopped *stop,
		   const struct report *r);
void resume_flight_in_vain(struct world *w, const struct stopped *stop,
			   const struct report *r);

/* lib_locks.c */
void prepare_dead_holder(struct world *w);
void prepare_sleeping_holder(struct world *w);
void run_locked_update(void *arg, struct report *r);
void run_locked_renew(void *arg, struct report *r);
void run_lock_in_vain(void *arg, struct report *r);
void run_lock_and_detach(void *arg, struct report *r);
void run_locked_update_short(void *arg, struct report *r);
void judge_in_vain(struct world *w, const struct report *r);
void act_locked(struct world *w, const struct stopped *stop);
void resume_locked_update(struct world *w, const struct stopped *stop,
			  const struct report *r);
void resume_locked_renew(struct world *w, const struct stopped *stop,
			 const struct report *r);
void resume_lock_and_detach(struct world *w, const struct stopped *stop,
			    const struct report *r);

/* lib_items.c */
void prepare_items(struct world *w);
void prepare_item_over(struct world *w);
void prepare_item_ending(struct world *w);
void run_get_or_create(void *arg, struct report *r);
void judge_get_or_create(struct world *w, const struct report *r);
void run_put_new(void *arg, struct report *r);
void run_put_nobodys(void *arg, struct report *r);
void run_put_owned(void *arg, struct report *r);
void run_put_for_another(void *arg, struct report *r);
void run_put_if_exists(void *arg, struct report *r);
void run_put_if_version(void *arg, struct report *r);
void run_add(void *arg, struct report *r);
void run_view(void *arg, struct report *r);
void run_remove(void *arg, struct report *r);
void run_count_add(void *arg, struct report *r);
void run_clear(void *arg, struct report *r);
void meddle_remove(struct world *w);
void meddle_second(struct world *w);
void judge_made(struct world *w, const struct report *r);
void judge_added(struct world *w, const struct report *r);
void judge_put_for_another(struct world *w, const struct report *r);
void judge_put_nobodys(struct world *w, const struct report *r);
void judge_put_owned(struct world *w, const struct report *r);
void judge_put_ending(struct world *w, const struct report *r);
void judge_remove(struct world *w, const struct report *r);
void judge_count(struct world *w, const struct report *r);
void judge_clear(struct world *w, const struct report *r);

/* lib_tokens.c */
void prepare_family(struct world *w);
void run_use_token(void *arg, struct report *r);
void run_use_stolen(void *arg, struct report *r);
void run_forget_token(void *arg, struct report *r);
void meddle_use_token(struct world *w);
void meddle_end_family(struct world *w);
void resume_token(struct world *w, const struct report *r);
void judge_use_token(struct world *w, const struct report *r);
void judge_use_stolen(struct world *w, const struct report *r);
void judge_forget_token(struct world *w, const struct report *r);

/* lib_access.c */
void prepare_no_pair(struct world *w);
void prepare_pair(struct world *w);
void run_create_pair(void *arg, struct report *r);
void run_refresh(void *arg, struct report *r);
void run_refresh_stolen(void *arg, struct report *r);
void run_revoke_login(void *arg, struct report *r);
void run_restrict_login(void *arg, struct report *r);
void run_revoke_all(void *arg, struct report *r);
void judge_create_pair(struct world *w, const struct report *r);
void judge_refresh(struct world *w, const struct report *r);
/* Of a victim that went on after the judge had logged dora out. */
void resume_refresh(const struct report *r);
void judge_refresh_stolen(struct world *w, const struct report *r);
void judge_revoke_login(struct world *w, const struct report *r);
void judge_restrict_login(struct world *w, const struct report *r);
void judge_revoke_all(struct world *w, const struct report *r);
/*
 * Of an image, without labels; what was there before stays known.  finished:
 * the victim's call has returned.  marked: the access token was refused in an
 * earlier image.  Returns whether it is refused.
 */
bool access_check_end(const struct report *r, bool finished, int want,
		      bool marked, bool refreshes);
/* Of a pair that is made, or refreshed. */
void access_check_pair(struct world *w, const struct report *r, bool finished);

#endif /* SOJ_TESTS_CRASH_LIB_OPS_H */
