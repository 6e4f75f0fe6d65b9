/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_LIB_HELPER_H
#define SOJ_TESTS_LIB_HELPER_H

/* What the tests of src/helper share: segments with a few entries in them,
 * made by the store alone. */

#include "lib_shm.h"
#include "store/store.h"

/* A mapped segment and a worker that has a slot in it. */
struct scene {
	struct soj_store st;
	struct soj_worker w;
	const char *name; /* NULL: anonymous */
	uint64_t made;    /* for digests */
};

/* name NULL: anonymous; flags: SOJ_SHM_MANUAL_CLOCK or 0. */
void scene_open(struct scene *sc, const char *name, uint32_t entries_max,
		uint32_t slots_max, uint32_t flags);
void scene_open_events(struct scene *sc, const char *name, uint32_t entries_max,
		       uint32_t slots_max, uint32_t flags, uint32_t events_max);
void scene_close(struct scene *sc);
void scene_clock(struct scene *sc, uint64_t now_ms);

/* An entry that is readable, LIVE, hinted, and accessed at accessed_ms. */
uint64_t scene_make(struct scene *sc, const struct soj_times *times);
/* The same, but OWNED still: scene_settle() makes it LIVE and hints. */
uint64_t scene_make_owned(struct scene *sc, const struct soj_times *times);
void scene_settle(struct scene *sc, uint64_t ref);

/* Replaces the chunk: a renewal with an end of the grace window. */
void scene_renew(struct scene *sc, uint64_t ref, uint64_t grace_until_ms,
		 bool hint);
/* Moves the access time forward. */
void scene_touch(struct scene *sc, uint64_t ref, uint64_t accessed_ms);

enum soj_status scene_status(const struct scene *sc, uint64_t ref);
enum soj_phase scene_phase(const struct scene *sc, uint64_t ref);
/* Sum over all slots. */
uint64_t scene_count(const struct scene *sc, enum soj_counter counter);
uint64_t scene_lag(const struct scene *sc, uint32_t bucket);
uint64_t scene_lags(const struct scene *sc);

/* The process that holds the helper role, 0 if nobody does. */
pid_t scene_helper(const struct scene *sc);
/* The slot that the role word names; SOJ_SLOT_NONE after it was released. */
uint32_t scene_role_slot(const struct scene *sc);
/* How many slots are not FREE. */
uint32_t scene_attached(const struct scene *sc);

#endif /* SOJ_TESTS_LIB_HELPER_H */
