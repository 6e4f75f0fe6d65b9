/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_LIB_VIOLATION_H
#define SOJ_TESTS_LIB_VIOLATION_H

/* Spoiling pictures, and what fsck must say then. */

#include <linux/futex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib_fsck.h"
#include "lib_picture.h"

struct violation {
	const char *name;
	void (*violate)(struct picture *p);
	enum soj_fsck_code code;
};

#define VIOLATION(violate, code)                   \
	{                                          \
#violate, violate, SOJ_FSCK_##code \
	}

/* The picture as it was made, for the whole group of tests. */
extern struct picture picture;
int make_picture(void **state);
int free_picture(void **state);

void complain(const struct soj_fsck_report *rep);
void check(const struct picture *p, bool online, struct soj_fsck_report *rep);
/* before: NULL, or the picture was that once. */
void check_after(const struct picture *p, const struct picture *before,
		 bool online, struct soj_fsck_report *rep);

/* What a file of violations shows; both lists end with 0, which is of reading
 * and not of what stands in a picture. */
struct violation_suite {
	const struct violation *violations;
	size_t count;
	struct violation_range {
		enum soj_fsck_code first, last;
	} ranges[4];
	enum soj_fsck_code alone[8];
	bool since; /* the picture is the earlier copy of those spoilt */
};

/*
 * The tests of a suite, for main() to return.  Each violation, in a copy of its
 * own, has a finding of its code, listed with place and words; exit code and
 * severity are the code's; offline and online.  Each code of the ranges has a
 * violation.  Those of a code in `alone` lead to no other finding: spoiling a
 * word does not discredit others.
 */
int run_violations(const struct violation_suite *suite);

/* ---- the words of a picture ---- */

static inline struct soj_shm_header *hdr(struct picture *p)
{
	return p->st.seg.hdr;
}

static inline struct soj_shm_entry *entry(struct picture *p, uint32_t idx)
{
	return &p->st.seg.entries[idx];
}

static inline soj_word_t *state_word(struct picture *p, uint32_t idx)
{
	return &p->st.seg.entry_states[idx];
}

static inline void set_state(struct picture *p, uint32_t idx,
			     enum soj_phase phase, uint64_t aux)
{
	uint64_t gen = soj_state_gen(soj_load_relaxed(state_word(p, idx)));

	soj_store_relaxed(state_word(p, idx), soj_state(phase, aux, gen));
}

static inline void set_chunk_state(struct picture *p, uint32_t chunk,
				   enum soj_phase phase, uint64_t aux)
{
	soj_word_t *word = soj_chunk_state(&p->st, chunk);

	soj_store_relaxed(
		word,
		soj_state(phase, aux, soj_state_gen(soj_load_relaxed(word))));
}

static inline void flip(soj_word_t *word, uint64_t bits)
{
	soj_store_relaxed(word, soj_load_relaxed(word) ^ bits);
}

static inline uint64_t epoch(struct picture *p)
{
	return soj_load_relaxed(&hdr(p)->epoch);
}

static inline uint32_t chunk_of(struct picture *p, uint32_t idx)
{
	return soj_ctl_chunk(soj_load_relaxed(&entry(p, idx)->ctl));
}

static inline void set_ctl(struct picture *p, uint32_t idx,
			   enum soj_status status, uint32_t chunk)
{
	soj_word_t *ctl = &entry(p, idx)->ctl;

	soj_store_relaxed(ctl,
			  soj_ctl_next(soj_load_relaxed(ctl), status, chunk));
}

/* The kernel's mark, and what a thread leaves that died so. */
static inline void kill_slot(struct picture *p)
{
	soj_half_t *word = (soj_half_t *)(void *)&p->st.seg.slots[p->slot].life;

	soj_store_relaxed(word, soj_load_relaxed(word) | FUTEX_OWNER_DIED);
}

static inline uint32_t free_slot(struct picture *p)
{
	return p->slot == 0 ? 1 : 0;
}

#endif /* SOJ_TESTS_LIB_VIOLATION_H */
