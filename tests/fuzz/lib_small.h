/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TESTS_LIB_SMALL_H
#define SOJ_TESTS_LIB_SMALL_H

/*
 * A small good segment, with sessions in every state, leavings of a dead
 * thread, and one thread that lives elsewhere; and what spoils it.
 */

#include "lib_fuzz.h"
#include <sojourn/remember.h>
#include <sojourn/token.h>

#include "session/handle.h"

#define SMALL_ENTRIES  60u
#define SMALL_SLOTS    6u
#define SMALL_SESSIONS 30u
#define SMALL_SUBJECTS 4u
#define SMALL_ITEMS    4u /* "csrf", keys of one byte, 0 to 3; 3 counts */
#define SMALL_FAMILIES 3u /* of "remember-me"; the first was rotated */
#define SMALL_CAPPED   7u /* a collection with a cap, and more rules */

struct small {
	int fd;         /* of a memfd */
	uint8_t *image; /* its mapping */
	uint8_t *good;  /* a copy of what it should hold */
	size_t bytes;
	struct soj_store st; /* its regions point into image */
	struct soj_keys keys;
	struct soj_vault vault; /* if it is sealed */
	char ids[SMALL_SESSIONS][SOJOURN_ID_CHARS_MAX + 1];
	char renewed[SMALL_SESSIONS][SOJOURN_ID_CHARS_MAX + 1]; /* or "" */
	char handles[SMALL_SESSIONS][SOJOURN_HANDLE_CHARS + 1];
	char family[SMALL_FAMILIES][SOJOURN_REMEMBER_CHARS + 1];
	char rotated[SOJOURN_REMEMBER_CHARS + 1];
	char access[1024]; /* a pair's */
	char refresh[SOJOURN_REFRESH_CHARS + 1];
};

/* To be set before the first call: its values are sealed. */
extern bool small_sealed;
/* The one; made at the first call. */
const struct small *small(void);
/* All as it was made. */
void small_restore(void);
/* "subject-N". */
const char *small_subject(unsigned number);
/* Tokens of the segment, by a key that is always the same and at a time that
 * stands. */
struct sojourn_tokens *small_tokens(struct sojourn *s);
/* Attaches it as sojourn_attach() would, one at a time: 0 or a negative errno. */
int small_attach(bool read_only, struct sojourn **s);
void small_detach(struct sojourn *s);

/* ---- spoiling ---- */

struct patch {
	uint32_t after; /* the patch before it, in accesses */
	uint64_t off;   /* of a byte in the image */
	enum { PATCH_XOR, PATCH_BYTES, PATCH_WORD } how;
	uint8_t bytes;
	uint64_t value;
};

#define PATCHES_MAX 64u

/* A patch out of an input, mostly where structure is, mostly of words that
 * look like some. */
void patch_take(struct fuzz_in *in, struct patch *p);
void patch_apply(const struct patch *p);

#endif /* SOJ_TESTS_LIB_SMALL_H */
