/* SPDX-License-Identifier: MIT */
#ifndef SOJ_BASE_VAULT_H
#define SOJ_BASE_VAULT_H

/*
 * Layer 0.  Sealing of values with a key that is expanded once: AES-256-GCM
 * where the processor has instructions for it, else XChaCha20-Poly1305.  A
 * vault is constant once it was opened, and then used by all threads.
 * soj_secret_init() must have returned 0 before.
 */

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"

#define SOJ_NONCE_BYTES 12u
#define SOJ_TAG_BYTES   16u
#define SOJ_SALT_BYTES  16u

enum soj_cipher {
	SOJ_CIPHER_NONE,
	SOJ_CIPHER_AES256GCM,
	SOJ_CIPHER_XCHACHA20,
};

struct soj_vault {
	alignas(64) uint8_t expanded[512]; /* the key of AES, or as it is */
	enum soj_cipher cipher;
};

/* What is sealed along with a text, but not hidden. */
struct soj_vault_about {
	const void *data;
	size_t bytes;
};

#ifdef SOJ_FAULTS
extern bool soj_cipher_no_aes; /* a processor without such instructions */
#endif

/* Can this processor use the cipher? */
bool soj_cipher_here(enum soj_cipher cipher);
/* "AES-256-GCM", "XChaCha20-Poly1305"; "none" for what is none. */
const char *soj_cipher_name(enum soj_cipher cipher);

/* The key is derived from the master key and the salt, which makes it another
 * for each segment.  The cipher must be one that is here. */
void soj_vault_init(struct soj_vault *vault, enum soj_cipher cipher,
		    const uint8_t master[SOJ_KEY_BYTES],
		    const uint8_t salt[SOJ_SALT_BYTES]);
void soj_vault_wipe(struct soj_vault *vault);

/*
 * Seals `bytes` of text to out (which may be text), and its tag.  No nonce
 * may ever come twice with one key: who calls sees to that.
 */
void soj_vault_seal(const struct soj_vault *vault,
		    const uint8_t nonce[SOJ_NONCE_BYTES],
		    struct soj_vault_about about, const void *text,
		    size_t bytes, uint8_t *out, uint8_t tag[SOJ_TAG_BYTES]);

/* Opens in place.  False: the tag does not fit; the text is then wiped. */
bool soj_vault_open(const struct soj_vault *vault,
		    const uint8_t nonce[SOJ_NONCE_BYTES],
		    struct soj_vault_about about, void *text, size_t bytes,
		    const uint8_t tag[SOJ_TAG_BYTES]);

#endif /* SOJ_BASE_VAULT_H */
