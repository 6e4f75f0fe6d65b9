/* SPDX-License-Identifier: MIT */
#ifndef SOJ_BASE_SECRET_H
#define SOJ_BASE_SECRET_H

/*
 * Layer 0.  Randomness, keyed digests, sealing, wiping: thin names over
 * libsodium.  All functions are thread-safe; soj_secret_init() must have
 * returned 0 once in the process before any other.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOJ_KEY_BYTES    32u
#define SOJ_DIGEST_BYTES 16u
#define SOJ_SEAL_BYTES   16u /* what sealing adds */

/* What a library wrote that is not built with MemorySanitizer is written. */
#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#include <sanitizer/msan_interface.h>
#define soj_is_written(buf, bytes) __msan_unpoison(buf, bytes)
#endif
#endif
#ifndef soj_is_written
#define soj_is_written(buf, bytes) ((void)0)
#endif

/* Keys of one segment, derived from its master key (libsodium crypto_kdf). */
struct soj_keys {
	uint8_t id[16];          /* SipHash key of session ids */
	uint8_t id_usual[16];    /* AES key of those that base/mac.h is for */
	uint8_t subject[16];     /* of subjects */
	uint8_t log[16];         /* of what logs and tools show */
	uint8_t renewal[32];     /* seals a new id under the old one */
	uint8_t token[16];       /* SipHash key of rotating tokens */
	uint8_t csrf[32];        /* makes CSRF tokens of session ids */
	uint8_t fingerprint[16]; /* public: names the master key */
};

/* A SipHash-2-4-128 result as two native words. */
struct soj_digest {
	uint64_t word[2];
};

int soj_secret_init(void);
void soj_random(void *buf, size_t bytes);
void soj_wipe(void *buf, size_t bytes);
/* What a call of libsodium that just returned has left on the stack: a hash
 * its result, which may be a key. */
void soj_wipe_calls(void);
/* Constant-time equality. */
bool soj_equal(const void *a, const void *b, size_t bytes);

void soj_keys_derive(struct soj_keys *keys,
		     const uint8_t master[SOJ_KEY_BYTES]);
struct soj_digest soj_digest(const uint8_t key[16], const void *data,
			     size_t bytes);

static inline bool soj_digest_equal(struct soj_digest a, struct soj_digest b)
{
	return ((a.word[0] ^ b.word[0]) | (a.word[1] ^ b.word[1])) == 0;
}

/*
 * Seals `bytes` of text under a key derived from (keys->renewal, secret,
 * nonce).  The nonce must differ for every sealing under one secret.
 * out: bytes + SOJ_SEAL_BYTES.
 */
void soj_seal(const struct soj_keys *keys, const void *secret,
	      size_t secret_bytes, uint64_t nonce, const void *text,
	      size_t bytes, uint8_t *out);
/* Returns false when the seal does not fit; text is then zero, or untouched. */
bool soj_unseal(const struct soj_keys *keys, const void *secret,
		size_t secret_bytes, uint64_t nonce, const uint8_t *sealed,
		size_t sealed_bytes, void *text);

#endif /* SOJ_BASE_SECRET_H */
