/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_IMAGES_LIB_OUTCOME_H
#define SOJ_TESTS_IMAGES_LIB_OUTCOME_H

/* What operations mean for the model: decisions and outcomes of rows. */

#include "crash/lib_ops.h"

/* Can it be read, by one who changes nothing? */
bool can_read(struct world *w, const char *id);

unsigned after_nothing_decisions(struct world *w, const struct report *r);
unsigned after_list_decisions(struct world *w, const struct report *r);
unsigned after_touch_decisions(struct world *w, const struct report *r);
unsigned after_stale_decisions(struct world *w, const struct report *r);
unsigned after_create_decisions(struct world *w, const struct report *r);
void after_create(struct world *w, const struct report *r, unsigned k);
unsigned after_read_decisions(struct world *w, const struct report *r);
void after_renew(struct world *w, const struct report *r, unsigned k);
unsigned after_update_decisions(struct world *w, const struct report *r);
void after_update(struct world *w, const struct report *r, unsigned k);
unsigned after_delete_decisions(struct world *w, const struct report *r);
void after_delete(struct world *w, const struct report *r, unsigned k);
unsigned after_delete_old_decisions(struct world *w, const struct report *r);
void after_delete_old(struct world *w, const struct report *r, unsigned k);
unsigned after_delete_subject_decisions(struct world *w,
					const struct report *r);
void after_delete_subject(struct world *w, const struct report *r, unsigned k);
unsigned after_delete_others_decisions(struct world *w, const struct report *r);
void after_delete_others(struct world *w, const struct report *r, unsigned k);

/* lib_items_outcome.c */
unsigned after_item_decisions(struct world *w, const struct report *r);
void after_item_made(struct world *w, const struct report *r, unsigned k);
void after_item_put(struct world *w, const struct report *r, unsigned k);
unsigned after_item_owned_decisions(struct world *w, const struct report *r);
void after_item_owned(struct world *w, const struct report *r, unsigned k);
void after_item_count(struct world *w, const struct report *r, unsigned k);
unsigned after_item_remove_decisions(struct world *w, const struct report *r);
void after_item_remove(struct world *w, const struct report *r, unsigned k);
unsigned after_item_clear_decisions(struct world *w, const struct report *r);
void after_item_clear(struct world *w, const struct report *r, unsigned k);
void run_update_in_lock(void *arg, struct report *r);

/* lib_access_outcome.c */
void run_lock(void *arg, struct report *r);
void run_lock_and_unlock(void *arg, struct report *r);
void run_renew_in_lock(void *arg, struct report *r);
void run_lock_and_leave(void *arg, struct report *r);
unsigned after_lock_decisions(struct world *w, const struct report *r);
unsigned after_token_decisions(struct world *w, const struct report *r);
void check_pair(struct world *w, const struct report *r, bool last);
void check_stolen(struct world *w, const struct report *r, bool last);
void check_revoked(struct world *w, const struct report *r, bool last);
void check_restricted(struct world *w, const struct report *r, bool last);
unsigned after_cap_decisions(struct world *w, const struct report *r);
void after_cap(struct world *w, const struct report *r, unsigned k);
void after_exclusive(struct world *w, const struct report *r, unsigned k);

#endif /* SOJ_TESTS_IMAGES_LIB_OUTCOME_H */
