/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_LIB_USE_IMPL_H
#define SOJ_TESTS_LIB_USE_IMPL_H

/* Between the files that use a spoilt segment. */

#include "lib_use.h"

/* So many accesses are enough for what concerns one session, and for what
 * looks at all of the segment, whatever is in it. */
#define USE_BOUND_ONE (UINT64_C(1) << 20)
#define USE_BOUND_ALL (UINT64_C(1) << 24)

#define USE_LISTED_MAX (4u * SMALL_ENTRIES)
#define USE_LOCKS      4u

struct use {
	struct sojourn *s;
	struct fuzz_in *in;
	bool read_only;
	unsigned calls; /* of a list's function */
	unsigned asked; /* the validator, and the veto */
	bool hooked;

	/* lib_use_more.c: */
	struct sojourn_tokens *tokens;           /* NULL: not yet opened */
	uint64_t fence[USE_LOCKS];               /* 0: none */
	unsigned locked[USE_LOCKS];              /* whose */
	uint64_t event;                          /* the next */
	char family[SOJOURN_REMEMBER_CHARS + 1]; /* made here, or "" */
	char refresh[SOJOURN_REFRESH_CHARS + 1];
};

/* An error has a reason and a text; what it is has been documented, for all
 * operations or as one of `more` (ends with 0; may be NULL).  Returns rc. */
int use_judge(const char *what, int rc, const int *more);
void use_info_is_sound(const struct sojourn_info *info);
/* One of the small segment's, or what it was renewed to. */
const char *use_id(unsigned number);
/* A sojourn_list_fn with a struct use, which counts. */
int use_listed(void *arg, const struct sojourn_info *info);
/* A sojourn_modify_fn: a byte more. */
int use_append(void *arg, void *data, size_t *data_bytes, size_t capacity);

/* Kinds of operations on all else but plain sessions; what: any number. */
#define USE_MORE 16u
void use_more(struct use *u, unsigned what, unsigned number);
/* From here on with a validator in each collection, and all hooks. */
void use_hooked(struct use *u);
/* A sojourn_veto_fn with a struct use. */
int use_veto(void *arg, const struct sojourn_info *info, const void *data,
	     size_t data_bytes);
/* Some who come from where sessions began, some from elsewhere. */
const struct sojourn_metadata *use_client(unsigned number);
/* Gives back what those left, and detaches. */
void use_end(struct use *u);

#endif /* SOJ_TESTS_LIB_USE_IMPL_H */
