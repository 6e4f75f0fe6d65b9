/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOKEN_KEYSET_H
#define SOJ_TOKEN_KEYSET_H

/*
 * Layer 6.  Sets of keys, and the place in a process where the current set is.
 *
 * A set is immutable once built.  A ring is that place: readers open a section,
 * take the set, use it, close the section; a reload publishes another set and
 * frees the old one after every section that might have it has closed.
 *
 * The flavour of liburcu is bp ("bulletproof"): threads of the host need not
 * register, which a library cannot ask of them.  A thread's first section
 * registers it, with a lock of liburcu's that is held for a moment; from then
 * on a section takes no lock and never waits.
 *
 * Fork: hooks of pthread_atfork(), installed with the first ring, drop the
 * parent's other threads from liburcu's registry in the child.  So a child may
 * publish even if a thread of the parent was within a section.  A fork waits
 * for a publisher, which waits for sections: do not fork in one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "token/jwk.h"

/* {"alg":"PS512","typ":"at+jwt","kid":"..."} as base64url */
#define SOJ_HEADER_CHARS_MAX 256u

#define SOJ_KEYSET_DIGEST_BYTES 32u

struct soj_keyset {
	uint64_t serial; /* no other set of this process has it, ever */
	/* The same for sets that let the same tokens pass, in any process. */
	uint8_t digest[SOJ_KEYSET_DIGEST_BYTES];
	size_t count;
	const struct soj_jwk *signing; /* one of keys, or NULL */
	struct soj_jwk *keys[SOJOURN_KEYS_MAX];
	/* What this set writes, or would write, before a dot: a token that
	 * begins so needs no further look at its header. */
	struct soj_header {
		size_t chars;
		char text[SOJ_HEADER_CHARS_MAX];
	} headers[SOJOURN_KEYS_MAX];
};

/*
 * Builds a set of list's keys.  On success they belong to the set and the list
 * is empty; else the list is as before.  signing_kid and verify_only as in
 * sojourn_keys_create().  0, -EINVAL, -ENOMEM.
 */
int soj_keyset_build(struct soj_jwk_list *list, const char *signing_kid,
		     bool verify_only, struct soj_keyset **set,
		     const char **why);
/* NULL is fine. */
void soj_keyset_destroy(struct soj_keyset *set);
/* kid need not end with NUL.  NULL if there is none. */
const struct soj_jwk *soj_keyset_find(const struct soj_keyset *set,
				      const char *kid, size_t chars);

/* ---- the current set (keyring.c) ---- */

struct soj_keyring {
	struct soj_keyset *current;
};

/* Installs the fork hooks; set may be NULL.  0, -ENOMEM. */
int soj_keyring_init(struct soj_keyring *ring, struct soj_keyset *set);
/* No section may be open, and none may be opened.  Frees the set. */
void soj_keyring_deinit(struct soj_keyring *ring);

/* The set is valid until the matching exit; sections nest. */
const struct soj_keyset *soj_keyset_enter(const struct soj_keyring *ring);
void soj_keyset_exit(const struct soj_keyring *ring);

/* Makes set the current one.  Returns the one before, which readers may still
 * have: synchronize, then destroy it. */
struct soj_keyset *soj_keyset_publish(struct soj_keyring *ring,
				      struct soj_keyset *set);
/* Waits until every section that was open at the call has closed.  Must not be
 * called within a section. */
void soj_keyset_synchronize(struct soj_keyring *ring);
/* The three steps in one. */
void soj_keyset_replace(struct soj_keyring *ring, struct soj_keyset *set);

#endif /* SOJ_TOKEN_KEYSET_H */
