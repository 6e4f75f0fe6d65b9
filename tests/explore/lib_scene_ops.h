/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_EXPLORE_LIB_SCENE_OPS_H
#define SOJ_TESTS_EXPLORE_LIB_SCENE_OPS_H

/* Operations of the table in lib_scene_ops.c that are elsewhere, and what they
 * share with those there. */

#include "explore/lib_scene.h"

const char *actor_target(const struct actor *a);
/* The value that it writes. */
void actor_value(const struct actor *a, uint8_t value[SCENE_VALUE_BYTES]);
/* The value that it read. */
void actor_found(struct actor *a, const uint8_t *value, size_t bytes);
/* sojourn_list_fn of an actor: whom it met. */
int actor_meets(void *actor, const struct sojourn_info *info);

void op_put(struct actor *a, struct sojourn *s);
void op_put_annas(struct actor *a, struct sojourn *s);
void op_put_for_bert(struct actor *a, struct sojourn *s);
void op_put_absent(struct actor *a, struct sojourn *s);
void op_add(struct actor *a, struct sojourn *s);
void op_remove(struct actor *a, struct sojourn *s);
void op_get(struct actor *a, struct sojourn *s);
void op_count_add(struct actor *a, struct sojourn *s);
void op_clear(struct actor *a, struct sojourn *s);
void op_scan(struct actor *a, struct sojourn *s);
void op_count(struct actor *a, struct sojourn *s);
void op_get_or_create(struct actor *a, struct sojourn *s);
void op_lock(struct actor *a, struct sojourn *s);
void op_lock_unlock(struct actor *a, struct sojourn *s);
void op_locked_out(struct actor *a, struct sojourn *s);
void op_locked_update(struct actor *a, struct sojourn *s);
void op_use_token(struct actor *a, struct sojourn *s);
void op_forget_token(struct actor *a, struct sojourn *s);
void op_raise_mark(struct actor *a, struct sojourn *s);
void op_revoke_anchor(struct actor *a, struct sojourn *s);
void op_restrict_anchor(struct actor *a, struct sojourn *s);
void op_take_mark(struct actor *a, struct sojourn *s);
void op_check_mark(struct actor *a, struct sojourn *s);

#endif /* SOJ_TESTS_EXPLORE_LIB_SCENE_OPS_H */
