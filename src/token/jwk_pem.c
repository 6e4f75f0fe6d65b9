/* SPDX-License-Identifier: MIT */

/*
 * Keys from PEM (RFC 7468): one block, SPKI or PKCS #8, not encrypted.
 *
 * libcrypto's reader of PEM leaves lines and bytes of the block in memory that
 * it frees.  Here the text is in the caller's buffer only, and the bytes are in
 * one that is wiped.
 */

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <string.h>

#include "token/jwk.h"
#include "token/pkcs8.h"

static const char out_of_memory[] = "this process is out of memory";
static const char no_block[] = "the text has no PEM block";

/* Part of a text. */
struct span {
	const char *at;
	size_t chars;
};

static bool is_text(struct span span, const char *text)
{
	return span.chars == strlen(text) &&
	       memcmp(span.at, text, span.chars) == 0;
}

/* Takes the next line, without what is blank at its end. */
static bool take_line(struct span *text, struct span *line)
{
	const char *end = memchr(text->at, '\n', text->chars);
	size_t chars = end != NULL ? (size_t)(end - text->at) : text->chars;

	if (text->chars == 0)
		return false;
	*line = (struct span){text->at, chars};
	chars += end != NULL;
	text->at += chars;
	text->chars -= chars;
	while (line->chars > 0 && (uint8_t)line->at[line->chars - 1] <= ' ')
		line->chars--;
	return true;
}

/* Whether a line is "-----BEGIN name-----", or END. */
static bool is_mark(struct span line, const char *begin, struct span *name)
{
	static const char dashes[] = "-----";
	const size_t before = strlen(begin), after = strlen(dashes);

	if (line.chars < before + after ||
	    memcmp(line.at, begin, before) != 0 ||
	    memcmp(line.at + line.chars - after, dashes, after) != 0)
		return false;
	*name = (struct span){line.at + before, line.chars - before - after};
	return true;
}

static bool take_mark(struct span *text, const char *begin, struct span *name,
		      struct span *line)
{
	while (take_line(text, line))
		if (is_mark(*line, begin, name))
			return true;
	return false;
}

/* Takes all up to the end of the next block.  body: what is between its marks. */
static bool take_block(struct span *text, struct span *name, struct span *body)
{
	struct span line, end;

	if (!take_mark(text, "-----BEGIN ", name, &line))
		return false;
	body->at = text->at;
	if (!take_mark(text, "-----END ", &end, &line))
		return false;
	body->chars = (size_t)(line.at - body->at);
	return name->chars == end.chars &&
	       memcmp(name->at, end.at, end.chars) == 0;
}

/* libsodium takes a NUL for a blank, and some bytes above 127 for characters. */
static bool decode(struct span body, uint8_t *out, size_t *bytes)
{
	unsigned foreign = 0;

	for (size_t i = 0; i < body.chars; i++)
		foreign |= (uint8_t)body.at[i] | ((uint8_t)body.at[i] - 1u);
	return foreign < 0x80 &&
	       sodium_base642bin(out, body.chars, body.at, body.chars,
				 "\r\n \t", bytes, NULL,
				 sodium_base64_VARIANT_ORIGINAL) == 0 &&
	       *bytes > 0;
}

static EVP_PKEY *from_spki(const uint8_t *der, size_t bytes, const char **why)
{
	const uint8_t *at = der;
	EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, (long)bytes);

	if (pkey != NULL && at != der + bytes) {
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	*why = "the PEM block holds no valid key";
	return pkey;
}

static EVP_PKEY *read_block(struct span name, struct span body,
			    bool *is_private, const char **why)
{
	EVP_PKEY *pkey = NULL;
	uint8_t *der;
	size_t bytes = 0;

	if (memchr(body.at, ':', body.chars) != NULL) {
		*why = "the PEM block has headers: it is encrypted";
		return NULL;
	}
	*is_private = is_text(name, "PRIVATE KEY");
	if (!*is_private && !is_text(name, "PUBLIC KEY")) {
		*why = "the PEM block is neither PUBLIC KEY (SPKI) nor PRIVATE "
		       "KEY (PKCS #8, not encrypted)";
		return NULL;
	}
	*why = out_of_memory;
	der = OPENSSL_malloc(body.chars + 1);
	if (der == NULL)
		return NULL;
	*why = no_block;
	if (decode(body, der, &bytes))
		pkey = *is_private ? soj_pkcs8_read(der, bytes, why)
				   : from_spki(der, bytes, why);
	OPENSSL_clear_free(der, body.chars + 1);
	return pkey;
}

static EVP_PKEY *read_text(struct span text, bool *is_private, const char **why)
{
	struct span name, body, line;
	EVP_PKEY *pkey;

	*why = no_block;
	if (!take_block(&text, &name, &body))
		return NULL;
	pkey = read_block(name, body, is_private, why);
	if (pkey != NULL && take_mark(&text, "-----BEGIN ", &name, &line)) {
		*why = "the text has more than one PEM block";
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	return pkey;
}

/* Which a key is for by itself; RSA keys serve several. */
static enum sojourn_token_alg alg_of(const EVP_PKEY *pkey)
{
	const struct soj_alg *alg = NULL;
	char group[64] = "";
	size_t chars = 0;

	if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_ED25519)
		return SOJOURN_TOKEN_EDDSA;
	if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_EC &&
	    EVP_PKEY_get_group_name(pkey, group, sizeof(group), &chars) == 1)
		alg = soj_alg_by_group(group);
	return alg != NULL ? alg->id : SOJOURN_TOKEN_ALG_UNSET;
}

static int read_key(enum sojourn_token_alg told, const char *kid,
		    struct span text, struct soj_jwk **out, const char **why)
{
	struct soj_jwk *key;
	bool is_private;
	EVP_PKEY *pkey = read_text(text, &is_private, why);
	int rc;

	if (pkey == NULL)
		return *why == out_of_memory ? -ENOMEM : -EINVAL;
	rc = soj_jwk_new(told != SOJOURN_TOKEN_ALG_UNSET ? told : alg_of(pkey),
			 kid, &key, why);
	if (rc != 0) {
		EVP_PKEY_free(pkey);
		return rc;
	}
	key->pkey = pkey;
	key->can_sign = is_private;
	rc = soj_jwk_finish(key, why);
	if (rc == 0)
		*out = key;
	else
		soj_jwk_destroy(key);
	return rc;
}

int soj_jwk_from_pem(enum sojourn_token_alg alg, const char *kid,
		     const char *text, size_t bytes, struct soj_jwk **out,
		     const char **why)
{
	const struct soj_alg *told = soj_alg_by_id(alg);
	int rc;

	*out = NULL;
	if (bytes == 0 || bytes > SOJOURN_KEY_TEXT_MAX) {
		*why = "the text of a key must have 1 to 65536 bytes";
		return -EINVAL;
	}
	if (told != NULL && told->family == SOJ_FAMILY_HS) {
		*why = "the secret of an HMAC key is no PEM text";
		return -EINVAL;
	}
	ERR_set_mark();
	rc = read_key(alg, kid, (struct span){text, bytes}, out, why);
	ERR_pop_to_mark();
	return rc;
}
