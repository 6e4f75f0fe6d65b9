/* SPDX-License-Identifier: MIT */

#include "base/vault.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

static_assert(sizeof(crypto_aead_aes256gcm_state) ==
		      sizeof(((struct soj_vault *)0)->expanded),
	      "expanded key size");
static_assert(SOJ_NONCE_BYTES == crypto_aead_aes256gcm_NPUBBYTES, "nonce");
static_assert(SOJ_TAG_BYTES == crypto_aead_aes256gcm_ABYTES &&
		      SOJ_TAG_BYTES ==
			      crypto_aead_xchacha20poly1305_ietf_ABYTES,
	      "tag size");

/* Names the use of the derived key; the cipher's number follows. */
#define VAULT_CONTEXT "sojourn values 1"

#ifdef SOJ_FAULTS
bool soj_cipher_no_aes;
#define NO_AES soj_cipher_no_aes
#else
#define NO_AES false
#endif

bool soj_cipher_here(enum soj_cipher cipher)
{
	if (cipher == SOJ_CIPHER_AES256GCM)
		return !NO_AES && crypto_aead_aes256gcm_is_available();
	return cipher == SOJ_CIPHER_XCHACHA20;
}

const char *soj_cipher_name(enum soj_cipher cipher)
{
	switch (cipher) {
	case SOJ_CIPHER_AES256GCM:
		return "AES-256-GCM";
	case SOJ_CIPHER_XCHACHA20:
		return "XChaCha20-Poly1305";
	default:
		return "none";
	}
}

void soj_vault_init(struct soj_vault *vault, enum soj_cipher cipher,
		    const uint8_t master[SOJ_KEY_BYTES],
		    const uint8_t salt[SOJ_SALT_BYTES])
{
	const uint8_t number = (uint8_t)cipher;
	crypto_generichash_state state;
	uint8_t key[32];

	crypto_generichash_init(&state, master, SOJ_KEY_BYTES, sizeof(key));
	crypto_generichash_update(&state, (const uint8_t *)VAULT_CONTEXT,
				  sizeof(VAULT_CONTEXT));
	crypto_generichash_update(&state, &number, 1);
	crypto_generichash_update(&state, salt, SOJ_SALT_BYTES);
	crypto_generichash_final(&state, key, sizeof(key));
	sodium_memzero(&state, sizeof(state));
	soj_is_written(key, sizeof(key));
	vault->cipher = cipher;
	if (cipher == SOJ_CIPHER_AES256GCM)
		crypto_aead_aes256gcm_beforenm((void *)vault->expanded, key);
	else
		memcpy(vault->expanded, key, sizeof(key));
	soj_is_written(vault->expanded, sizeof(vault->expanded));
	sodium_memzero(key, sizeof(key));
	soj_wipe_calls();
}

void soj_vault_wipe(struct soj_vault *vault)
{
	sodium_memzero(vault, sizeof(*vault));
}

/* The longer nonce: no other is ever used with the key. */
static void widen(uint8_t wide[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES],
		  const uint8_t nonce[SOJ_NONCE_BYTES])
{
	memset(wide, 0, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
	memcpy(wide, nonce, SOJ_NONCE_BYTES);
}

void soj_vault_seal(const struct soj_vault *vault,
		    const uint8_t nonce[SOJ_NONCE_BYTES],
		    struct soj_vault_about about, const void *text,
		    size_t bytes, uint8_t *out, uint8_t tag[SOJ_TAG_BYTES])
{
	uint8_t wide[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];

	if (vault->cipher == SOJ_CIPHER_AES256GCM) {
		crypto_aead_aes256gcm_encrypt_detached_afternm(
			out, tag, NULL, text, bytes, about.data, about.bytes,
			NULL, nonce, (const void *)vault->expanded);
	} else {
		widen(wide, nonce);
		crypto_aead_xchacha20poly1305_ietf_encrypt_detached(
			out, tag, NULL, text, bytes, about.data, about.bytes,
			NULL, wide, vault->expanded);
	}
	soj_is_written(out, bytes);
	soj_is_written(tag, SOJ_TAG_BYTES);
}

bool soj_vault_open(const struct soj_vault *vault,
		    const uint8_t nonce[SOJ_NONCE_BYTES],
		    struct soj_vault_about about, void *text, size_t bytes,
		    const uint8_t tag[SOJ_TAG_BYTES])
{
	uint8_t wide[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];
	int rc;

	if (vault->cipher == SOJ_CIPHER_AES256GCM) {
		rc = crypto_aead_aes256gcm_decrypt_detached_afternm(
			text, NULL, text, bytes, tag, about.data, about.bytes,
			nonce, (const void *)vault->expanded);
	} else {
		widen(wide, nonce);
		rc = crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
			text, NULL, text, bytes, tag, about.data, about.bytes,
			wide, vault->expanded);
	}
	soj_is_written(text, bytes);
	if (rc != 0 && bytes > 0)
		sodium_memzero(text, bytes);
	return rc == 0;
}
