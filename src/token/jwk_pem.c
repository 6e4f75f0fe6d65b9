/* SPDX-License-Identifier: MIT */

/* Keys from PEM: one block, SPKI or PKCS #8, not encrypted. */

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "token/jwk.h"

/* One block of a text. */
struct block {
	char *name, *header;
	unsigned char *data;
	long bytes;
};

static void block_free(struct block *block)
{
	OPENSSL_free(block->name);
	OPENSSL_free(block->header);
	if (block->data != NULL)
		OPENSSL_clear_free(block->data, (size_t)block->bytes);
	memset(block, 0, sizeof(*block));
}

static bool block_read(BIO *bio, struct block *block)
{
	memset(block, 0, sizeof(*block));
	return PEM_read_bio(bio, &block->name, &block->header, &block->data,
			    &block->bytes) == 1;
}

static EVP_PKEY *from_pkcs8(const struct block *block)
{
	const unsigned char *at = block->data;
	PKCS8_PRIV_KEY_INFO *info =
		d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, block->bytes);
	EVP_PKEY *pkey = NULL;

	if (info != NULL && at == block->data + block->bytes)
		pkey = EVP_PKCS82PKEY(info);
	PKCS8_PRIV_KEY_INFO_free(info);
	return pkey;
}

static EVP_PKEY *from_spki(const struct block *block)
{
	const unsigned char *at = block->data;
	EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, block->bytes);

	if (pkey != NULL && at != block->data + block->bytes) {
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	return pkey;
}

/* Returns what is wrong, or NULL. */
static const char *read_block(struct soj_jwk *key, const struct block *block)
{
	if (block->header != NULL && *block->header != '\0')
		return "the PEM block has headers: it is encrypted";
	if (strcmp(block->name, "PRIVATE KEY") == 0) {
		key->pkey = from_pkcs8(block);
		key->can_sign = true;
	} else if (strcmp(block->name, "PUBLIC KEY") == 0) {
		key->pkey = from_spki(block);
	} else {
		return "the PEM block is neither PUBLIC KEY (SPKI) nor PRIVATE "
		       "KEY (PKCS #8, not encrypted)";
	}
	return key->pkey != NULL ? NULL : "the PEM block holds no valid key";
}

static const char *read_text(struct soj_jwk *key, const char *text,
			     size_t bytes)
{
	BIO *bio = BIO_new_mem_buf(text, (int)bytes);
	const char *why = "the text has no PEM block";
	struct block block, more;

	if (bio == NULL)
		return "this process is out of memory";
	if (block_read(bio, &block)) {
		why = read_block(key, &block);
		if (why == NULL && block_read(bio, &more)) {
			block_free(&more);
			why = "the text has more than one PEM block";
		}
	}
	block_free(&block);
	BIO_free(bio);
	return why;
}

int soj_jwk_from_pem(enum sojourn_token_alg alg, const char *kid,
		     const char *text, size_t bytes, struct soj_jwk **out,
		     const char **why)
{
	struct soj_jwk *key;
	int rc;

	*out = NULL;
	if (bytes == 0 || bytes > SOJOURN_KEY_TEXT_MAX) {
		*why = "the text of a key must have 1 to 65536 bytes";
		return -EINVAL;
	}
	rc = soj_jwk_new(alg, kid, &key, why);
	if (rc != 0)
		return rc;
	if (key->alg->family == SOJ_FAMILY_HS) {
		*why = "the secret of an HMAC key is no PEM text";
		rc = -EINVAL;
	}
	ERR_set_mark();
	if (rc == 0) {
		*why = read_text(key, text, bytes);
		rc = *why == NULL ? soj_jwk_finish(key, why) : -EINVAL;
	}
	ERR_pop_to_mark();
	if (rc != 0) {
		soj_jwk_destroy(key);
		return rc;
	}
	*out = key;
	return 0;
}
