/* SPDX-License-Identifier: MIT */

/*
 * Signing and verifying with contexts that are kept.
 *
 * Each key has a pool of contexts.  A thread has a place in every pool, takes
 * the context that lies there, or prepares one, and puts it back after use.
 * Two threads may have the same place; then one of them finds it empty, and the
 * second one to come back finds it occupied and frees what it has.  So contexts,
 * which hold what was derived from a secret, belong to the key and are wiped
 * with it: nothing is left behind in threads.  A fork takes the pool along; a
 * context that another thread had in its hands at that moment is lost to the
 * child.  Taking and putting back are wait-free.
 *
 * Edges
 * tag  operation            pairs with  so that
 * C1   take: xchg place     C2          the context is as the last user left it
 * C2   put: cas place       C1
 */

#include "token/sig.h"

#include <assert.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"

#define PLACES        16u
#define FIELD_MAX     66u
#define DER_BYTES_MAX 144u /* SEQUENCE of two INTEGERs of 67 bytes */

struct sig_ctx {
	EVP_MAC_CTX *mac;
	EVP_MD_CTX *md;
	EVP_PKEY_CTX *verify, *sign;
};

struct place {
	alignas(SOJ_CACHELINE_BYTES) _Atomic(struct sig_ctx *) ctx;
};

struct soj_sig_pool {
	struct place places[PLACES];
};

static unsigned my_place(void)
{
	static soj_half_t threads;
	static _Thread_local unsigned number;

	if (number == 0)
		number = (soj_add_relaxed(&threads, 1) % PLACES) + 1;
	return number - 1;
}

static void ctx_free(struct sig_ctx *ctx)
{
	if (ctx == NULL)
		return;
	EVP_MAC_CTX_free(ctx->mac);
	EVP_MD_CTX_free(ctx->md);
	EVP_PKEY_CTX_free(ctx->verify);
	EVP_PKEY_CTX_free(ctx->sign);
	free(ctx);
}

static bool prepare_mac(struct sig_ctx *ctx, const struct soj_jwk *key)
{
	char name[16];
	OSSL_PARAM params[2];
	EVP_MAC *mac;

	assert(strlen(key->alg->md) < sizeof(name));
	strcpy(name, key->alg->md);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
						     name, 0);
	params[1] = OSSL_PARAM_construct_end();
	mac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
	if (mac == NULL)
		return false;
	ctx->mac = EVP_MAC_CTX_new(mac);
	EVP_MAC_free(mac);
	return ctx->mac != NULL && EVP_MAC_init(ctx->mac, key->secret,
						key->secret_bytes, params) == 1;
}

static EVP_PKEY_CTX *prepare_pkey(const struct soj_jwk *key, bool sign)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
	const bool pss = key->alg->family == SOJ_FAMILY_PS;

	if (ctx == NULL)
		return NULL;
	if ((sign ? EVP_PKEY_sign_init(ctx) : EVP_PKEY_verify_init(ctx)) != 1)
		goto out_free;
	if (key->alg->family != SOJ_FAMILY_ES &&
	    EVP_PKEY_CTX_set_rsa_padding(ctx, pss ? RSA_PKCS1_PSS_PADDING
						  : RSA_PKCS1_PADDING) != 1)
		goto out_free;
	if (EVP_PKEY_CTX_set_signature_md(ctx, key->md) != 1)
		goto out_free;
	/* RFC 7518 3.5: the salt is as long as the hash, MGF1 uses the hash */
	if (pss && (EVP_PKEY_CTX_set_rsa_pss_saltlen(
			    ctx, RSA_PSS_SALTLEN_DIGEST) != 1 ||
		    EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, key->md) != 1))
		goto out_free;
	return ctx;

out_free:
	EVP_PKEY_CTX_free(ctx);
	return NULL;
}

static bool prepare(struct sig_ctx *ctx, const struct soj_jwk *key)
{
	if (key->alg->family == SOJ_FAMILY_HS)
		return prepare_mac(ctx, key);
	ctx->md = EVP_MD_CTX_new();
	if (ctx->md == NULL)
		return false;
	if (key->alg->family == SOJ_FAMILY_ED)
		return true;
	ctx->verify = prepare_pkey(key, false);
	if (ctx->verify == NULL)
		return false;
	if (key->can_sign)
		ctx->sign = prepare_pkey(key, true);
	return !key->can_sign || ctx->sign != NULL;
}

static struct sig_ctx *take(const struct soj_jwk *key)
{
	struct place *place = &key->pool->places[my_place()];
	struct sig_ctx *ctx = soj_xchg_acq_rel(&place->ctx, NULL); /* C1 */

	if (ctx != NULL)
		return ctx;
	ctx = calloc(1, sizeof(*ctx));
	if (ctx != NULL && !prepare(ctx, key)) {
		ctx_free(ctx);
		ctx = NULL;
	}
	return ctx;
}

static void put(const struct soj_jwk *key, struct sig_ctx *ctx)
{
	struct place *place = &key->pool->places[my_place()];
	struct sig_ctx *none = NULL;

	if (!soj_cas_acq_rel(&place->ctx, &none, ctx)) /* C2 */
		ctx_free(ctx);
}

/* One in which libcrypto failed may be half of what it was. */
static void leave(const struct soj_jwk *key, struct sig_ctx *ctx, int rc)
{
	if (ctx != NULL && (rc == 0 || rc == -EBADMSG))
		put(key, ctx);
	else if (ctx != NULL)
		ctx_free(ctx);
}

int soj_sig_pool_create(struct soj_jwk *key)
{
	const size_t bytes = sizeof(*key->pool);

	switch (key->alg->family) {
	case SOJ_FAMILY_HS:
		key->signature_bytes = key->alg->hash_bytes;
		break;
	case SOJ_FAMILY_RS:
	case SOJ_FAMILY_PS:
		key->signature_bytes = (size_t)EVP_PKEY_get_size(key->pkey);
		break;
	case SOJ_FAMILY_ES:
	case SOJ_FAMILY_ED:
		key->signature_bytes = 2 * key->alg->field_bytes;
		break;
	}
	assert(key->signature_bytes <= SOJ_SIGNATURE_BYTES_MAX);
	if (key->alg->md != NULL && key->md == NULL)
		key->md = EVP_MD_fetch(NULL, key->alg->md, NULL);
	if (key->alg->md != NULL && key->md == NULL)
		return -ENOMEM;
	key->pool = aligned_alloc(SOJ_CACHELINE_BYTES, bytes);
	if (key->pool == NULL)
		return -ENOMEM;
	memset(key->pool, 0, bytes);
	return 0;
}

void soj_sig_pool_destroy(struct soj_jwk *key)
{
	for (size_t i = 0; key->pool != NULL && i < PLACES; i++)
		ctx_free(soj_load_relaxed(&key->pool->places[i].ctx));
	free(key->pool);
	key->pool = NULL;
	EVP_MD_free(key->md);
	key->md = NULL;
}

/* The key stays in the context from its first use on. */
static int mac(struct sig_ctx *ctx, const struct soj_jwk *key, const void *data,
	       size_t bytes, uint8_t *tag)
{
	size_t tag_bytes = 0;

	if (EVP_MAC_init(ctx->mac, NULL, 0, NULL) != 1 ||
	    EVP_MAC_update(ctx->mac, data, bytes) != 1 ||
	    EVP_MAC_final(ctx->mac, tag, &tag_bytes, key->signature_bytes) != 1)
		return -EIO;
	return tag_bytes == key->signature_bytes ? 0 : -EIO;
}

static int hash(struct sig_ctx *ctx, const struct soj_jwk *key,
		const void *data, size_t bytes, uint8_t *out)
{
	if (EVP_DigestInit_ex2(ctx->md, key->md, NULL) == 1 &&
	    EVP_DigestUpdate(ctx->md, data, bytes) == 1 &&
	    EVP_DigestFinal_ex(ctx->md, out, NULL) == 1)
		return 0;
	return -EIO;
}

/* libcrypto wants DER.  Returns its size, 0 on failure. */
static size_t to_der(const uint8_t *sig, size_t field,
		     uint8_t der[DER_BYTES_MAX])
{
	ECDSA_SIG *parts = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(sig, (int)field, NULL);
	BIGNUM *s = BN_bin2bn(sig + field, (int)field, NULL);
	int bytes = 0;

	if (parts == NULL || r == NULL || s == NULL ||
	    ECDSA_SIG_set0(parts, r, s) != 1) {
		BN_free(r);
		BN_free(s);
		ECDSA_SIG_free(parts);
		return 0;
	}
	bytes = i2d_ECDSA_SIG(parts, NULL);
	if (bytes > 0 && (size_t)bytes <= DER_BYTES_MAX)
		bytes = i2d_ECDSA_SIG(parts, &der);
	else
		bytes = 0;
	ECDSA_SIG_free(parts);
	return bytes > 0 ? (size_t)bytes : 0;
}

static bool from_der(const uint8_t *der, size_t bytes, size_t field,
		     uint8_t *sig)
{
	const uint8_t *at = der;
	ECDSA_SIG *parts = d2i_ECDSA_SIG(NULL, &at, (long)bytes);
	const int width = (int)field;
	bool good;

	if (parts == NULL)
		return false;
	good = BN_bn2binpad(ECDSA_SIG_get0_r(parts), sig, width) == width &&
	       BN_bn2binpad(ECDSA_SIG_get0_s(parts), sig + field, width) ==
		       width;
	ECDSA_SIG_free(parts);
	return good;
}

static int sign_hash(struct sig_ctx *ctx, const struct soj_jwk *key,
		     const void *data, size_t bytes, uint8_t *sig)
{
	uint8_t digest[EVP_MAX_MD_SIZE], der[DER_BYTES_MAX];
	const bool es = key->alg->family == SOJ_FAMILY_ES;
	size_t sig_bytes = es ? sizeof(der) : key->signature_bytes;

	if (hash(ctx, key, data, bytes, digest) != 0 ||
	    EVP_PKEY_sign(ctx->sign, es ? der : sig, &sig_bytes, digest,
			  key->alg->hash_bytes) != 1)
		return -EIO;
	if (es)
		return from_der(der, sig_bytes, key->alg->field_bytes, sig)
			       ? 0
			       : -EIO;
	return sig_bytes == key->signature_bytes ? 0 : -EIO;
}

static int verify_hash(struct sig_ctx *ctx, const struct soj_jwk *key,
		       const void *data, size_t bytes, const uint8_t *sig)
{
	uint8_t digest[EVP_MAX_MD_SIZE], der[DER_BYTES_MAX];
	size_t sig_bytes = key->signature_bytes;
	int good;

	if (hash(ctx, key, data, bytes, digest) != 0)
		return -EIO;
	if (key->alg->family == SOJ_FAMILY_ES) {
		sig_bytes = to_der(sig, key->alg->field_bytes, der);
		if (sig_bytes == 0)
			return -ENOMEM;
		sig = der;
	}
	good = EVP_PKEY_verify(ctx->verify, sig, sig_bytes, digest,
			       key->alg->hash_bytes);
	return good == 1 ? 0 : good == 0 ? -EBADMSG : -EIO;
}

static int sign_ed(struct sig_ctx *ctx, const struct soj_jwk *key,
		   const void *data, size_t bytes, uint8_t *sig)
{
	size_t sig_bytes = key->signature_bytes;

	if (EVP_DigestSignInit(ctx->md, NULL, NULL, NULL, key->pkey) != 1 ||
	    EVP_DigestSign(ctx->md, sig, &sig_bytes, data, bytes) != 1)
		return -EIO;
	return sig_bytes == key->signature_bytes ? 0 : -EIO;
}

static int verify_ed(struct sig_ctx *ctx, const struct soj_jwk *key,
		     const void *data, size_t bytes, const uint8_t *sig)
{
	if (EVP_DigestVerifyInit(ctx->md, NULL, NULL, NULL, key->pkey) != 1)
		return -EIO;
	return EVP_DigestVerify(ctx->md, sig, key->signature_bytes, data,
				bytes) == 1
		       ? 0
		       : -EBADMSG;
}

static int verify_mac(struct sig_ctx *ctx, const struct soj_jwk *key,
		      const void *data, size_t bytes, const uint8_t *sig)
{
	uint8_t tag[EVP_MAX_MD_SIZE];
	int rc = mac(ctx, key, data, bytes, tag);

	if (rc == 0 && CRYPTO_memcmp(tag, sig, key->signature_bytes) != 0)
		rc = -EBADMSG;
	/* the tag of what somebody else wrote would sign it for them */
	OPENSSL_cleanse(tag, sizeof(tag));
	return rc;
}

int soj_sig_sign(const struct soj_jwk *key, const void *data, size_t bytes,
		 uint8_t *sig)
{
	struct sig_ctx *ctx;
	int rc;

	if (!key->can_sign)
		return -EPERM;
	/* whatever libcrypto says stays out of the caller's error queue */
	ERR_set_mark();
	ctx = take(key);
	if (ctx == NULL)
		rc = -ENOMEM;
	else if (key->alg->family == SOJ_FAMILY_HS)
		rc = mac(ctx, key, data, bytes, sig);
	else if (key->alg->family == SOJ_FAMILY_ED)
		rc = sign_ed(ctx, key, data, bytes, sig);
	else
		rc = sign_hash(ctx, key, data, bytes, sig);
	leave(key, ctx, rc);
	ERR_pop_to_mark();
	return rc;
}

int soj_sig_verify(const struct soj_jwk *key, const void *data, size_t bytes,
		   const uint8_t *sig, size_t sig_bytes)
{
	struct sig_ctx *ctx;
	int rc;

	if (sig_bytes != key->signature_bytes)
		return -EBADMSG;
	ERR_set_mark();
	ctx = take(key);
	if (ctx == NULL)
		rc = -ENOMEM;
	else if (key->alg->family == SOJ_FAMILY_HS)
		rc = verify_mac(ctx, key, data, bytes, sig);
	else if (key->alg->family == SOJ_FAMILY_ED)
		rc = verify_ed(ctx, key, data, bytes, sig);
	else
		rc = verify_hash(ctx, key, data, bytes, sig);
	leave(key, ctx, rc);
	ERR_pop_to_mark();
	return rc;
}
