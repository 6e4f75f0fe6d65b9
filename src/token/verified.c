/* SPDX-License-Identifier: MIT */

/*
 * Tokens that were verified, for all processes of the segment: what the
 * signature and the claims said, so that no other call has to find it out.
 *
 * The key of an item is a digest (BLAKE2b, 256 bits) of all that the outcome
 * depends on: the rules (issuer, audience, limits), the set of keys, and the
 * whole token, signature included.  So a token that is not byte for byte the
 * one that was verified is not found; nor is one by a process that expects
 * another audience, or after a reload that dropped a key.  The item is looked
 * up by a keyed digest of that, and the 256 bits are compared as well.
 *
 * Only good tokens are kept, until exp at most, and what changes with time is
 * judged each time: exp and nbf by the caller's clock, revocation by the marks.
 * What is evicted, or was not put for want of room, is verified again.
 *
 * Crash and stop tables: item.c's; an item that is there is complete.
 */

#include <errno.h>
#include <sodium.h>
#include <stddef.h>
#include <string.h>

#include "base/fault.h"
#include "session/item.h"
#include "token/tokens.h"

#define HEAD_BYTES offsetof(struct soj_verified, claims)

void soj_verified_key(const struct sojourn_tokens *t,
		      const struct soj_keyset *set, const char *token,
		      size_t chars, uint8_t key[SOJ_VERIFIED_KEY_BYTES])
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, NULL, 0, SOJ_VERIFIED_KEY_BYTES);
	if (!SOJ_PLANT(TOKEN_CACHE_RULELESS))
		crypto_generichash_update(&state, t->rules_digest,
					  sizeof(t->rules_digest));
	if (!SOJ_PLANT(TOKEN_CACHE_KEYLESS))
		crypto_generichash_update(&state, set->digest,
					  sizeof(set->digest));
	crypto_generichash_update(&state, (const uint8_t *)token, chars);
	crypto_generichash_final(&state, key, SOJ_VERIFIED_KEY_BYTES);
}

static struct soj_digest digest_of(const struct sojourn_tokens *t,
				   const uint8_t key[SOJ_VERIFIED_KEY_BYTES])
{
	return soj_key_digest(t->s, SOJ_COLLECTION_VERIFIED, SOJ_KEY_VERIFIED,
			      key, SOJ_VERIFIED_KEY_BYTES);
}

/* Is what the segment gave what was put there? */
static bool is_sound(const struct soj_verified *v, size_t bytes,
		     const uint8_t key[SOJ_VERIFIED_KEY_BYTES])
{
	return bytes >= HEAD_BYTES && v->claims_bytes == bytes - HEAD_BYTES &&
	       memcmp(v->key, key, SOJ_VERIFIED_KEY_BYTES) == 0 &&
	       v->subject[sizeof(v->subject) - 1] == 0;
}

bool soj_verified_get(struct sojourn_tokens *t, struct soj_verified *v)
{
	const struct soj_copy copy = {.data = v,
				      .data_capacity = sizeof(*v) - 1};
	uint8_t key[SOJ_VERIFIED_KEY_BYTES];
	struct soj_digest digest = digest_of(t, v->key);
	struct soj_snapshot snap;
	struct soj_found found;

	memcpy(key, v->key, sizeof(key));
	if (soj_index_find(&t->s->st, digest, &found) == 0 &&
	    soj_entry_snapshot(&t->s->st, found.ref, &digest, &copy, &snap) ==
		    0 &&
	    soj_ctl_readable(snap.ctl) && is_sound(v, snap.data_bytes, key))
		return true;
	memcpy(v->key, key, sizeof(key));
	return false;
}

void soj_verified_put(struct sojourn_tokens *t, const struct soj_verified *v,
		      uint64_t now_unix_ms)
{
	struct soj_write w = {
		.s = t->s,
		.digest = digest_of(t, v->key),
		.collection = SOJ_COLLECTION_VERIFIED,
		.may_make = true,
		.fixed = true,
		.idle_timeout_ms = SOJOURN_OFF,
		.ttl_ms = soj_collection(&t->s->st.seg, SOJ_COLLECTION_VERIFIED)
				  ->ttl_ms,
		.data = v,
		.data_bytes = HEAD_BYTES + v->claims_bytes,
	};

	if (t->s->st.seg.readonly || v->exp_ms <= now_unix_ms)
		return;
	w.ttl_ms = soj_min(w.ttl_ms, v->exp_ms - now_unix_ms);
	/* That another was faster, or that there is no room, is no matter. */
	(void)soj_item_write(&w);
}
