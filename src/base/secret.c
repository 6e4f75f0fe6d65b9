/* SPDX-License-Identifier: MIT */

#include "base/secret.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/fault.h"
#include "base/siphash.h"

static_assert(SOJ_KEY_BYTES == crypto_kdf_KEYBYTES, "master key size");
static_assert(SOJ_DIGEST_BYTES == crypto_shorthash_siphashx24_BYTES,
	      "digest size");
static_assert(SOJ_SEAL_BYTES == crypto_aead_chacha20poly1305_ietf_ABYTES,
	      "seal size");

#define KDF_CONTEXT "sojourn1"
/* As deep as hashes of libsodium go: measured, 768. */
#define CALLS_BYTES 1024u

int soj_secret_init(void)
{
	return sodium_init() < 0 ? -ENOSYS : 0;
}

void soj_random(void *buf, size_t bytes)
{
	randombytes_buf(buf, bytes);
	soj_is_written(buf, bytes);
}

void soj_wipe(void *buf, size_t bytes)
{
	if (SOJ_PLANT(SECRET_KEPT))
		return;
	sodium_memzero(buf, bytes);
}

void soj_wipe_calls(void)
{
	sodium_stackzero(CALLS_BYTES);
}

bool soj_equal(const void *a, const void *b, size_t bytes)
{
	return sodium_memcmp(a, b, bytes) == 0;
}

static void derive(uint8_t *out, size_t bytes, uint64_t number,
		   const uint8_t *master)
{
	crypto_kdf_derive_from_key(out, bytes, number, KDF_CONTEXT, master);
	soj_is_written(out, bytes);
}

void soj_keys_derive(struct soj_keys *keys, const uint8_t master[SOJ_KEY_BYTES])
{
	derive(keys->id, sizeof(keys->id), 1, master);
	derive(keys->subject, sizeof(keys->subject), 2, master);
	derive(keys->log, sizeof(keys->log), 3, master);
	derive(keys->renewal, sizeof(keys->renewal), 4, master);
	derive(keys->fingerprint, sizeof(keys->fingerprint), 5, master);
	derive(keys->token, sizeof(keys->token), 6, master);
	derive(keys->csrf, sizeof(keys->csrf), 7, master);
	derive(keys->id_usual, sizeof(keys->id_usual), 8, master);
	soj_wipe_calls();
}

struct soj_digest soj_digest(const uint8_t key[16], const void *data,
			     size_t bytes)
{
	struct soj_digest digest;

	soj_siphash128(digest.word, key, data, bytes);
	return digest;
}

/* The nonce enters the key, so the cipher's own nonce can stay zero. */
static void seal_key(uint8_t key[32], const struct soj_keys *keys,
		     const void *secret, size_t secret_bytes, uint64_t nonce)
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, keys->renewal, sizeof(keys->renewal),
				32);
	crypto_generichash_update(&state, (const uint8_t *)&nonce, 8);
	crypto_generichash_update(&state, secret, secret_bytes);
	crypto_generichash_final(&state, key, 32);
	sodium_memzero(&state, sizeof(state));
}

static const uint8_t zero_nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

void soj_seal(const struct soj_keys *keys, const void *secret,
	      size_t secret_bytes, uint64_t nonce, const void *text,
	      size_t bytes, uint8_t *out)
{
	uint8_t key[32];

	seal_key(key, keys, secret, secret_bytes, nonce);
	crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, text, bytes, NULL,
						  0, NULL, zero_nonce, key);
	soj_is_written(out, bytes + SOJ_SEAL_BYTES);
	sodium_memzero(key, sizeof(key));
}

bool soj_unseal(const struct soj_keys *keys, const void *secret,
		size_t secret_bytes, uint64_t nonce, const uint8_t *sealed,
		size_t sealed_bytes, void *text)
{
	uint8_t key[32];
	int rc;

	if (sealed_bytes < SOJ_SEAL_BYTES)
		return false;
	seal_key(key, keys, secret, secret_bytes, nonce);
	rc = crypto_aead_chacha20poly1305_ietf_decrypt(text, NULL, NULL, sealed,
						       sealed_bytes, NULL, 0,
						       zero_nonce, key);
	soj_is_written(text, sealed_bytes - SOJ_SEAL_BYTES);
	sodium_memzero(key, sizeof(key));
	return rc == 0;
}
