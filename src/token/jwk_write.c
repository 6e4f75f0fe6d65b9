/* SPDX-License-Identifier: MIT */

/*
 * Keys to JWK text, and thumbprints.  Nothing needs an escape: names are ours,
 * values are base64url, and a kid has no character that would (soj_kid_valid).
 */

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "token/b64.h"
#include "token/jwk.h"

#define PART_BYTES_MAX (SOJ_RSA_BITS_MAX / 8)

/* A text that is written as far as there is room, and measured. */
struct out {
	char *buf;
	size_t room, bytes;
	bool failed;
};

static void put(struct out *out, const char *text)
{
	const size_t bytes = strlen(text);

	if (out->bytes + bytes < out->room)
		memcpy(out->buf + out->bytes, text, bytes + 1);
	out->bytes += bytes;
}

static void put_text(struct out *out, const char *name, const char *value)
{
	if (out->bytes > 1)
		put(out, ",");
	put(out, "\"");
	put(out, name);
	put(out, "\":\"");
	put(out, value);
	put(out, "\"");
}

static void put_bytes(struct out *out, const char *name, const uint8_t *value,
		      size_t bytes)
{
	char text[SOJ_B64_CHARS(PART_BYTES_MAX) + 1];

	soj_b64_encode_secret(value, bytes, text);
	put_text(out, name, text);
	OPENSSL_cleanse(text, sizeof(text));
}

/* width 0: as short as it can be. */
static void put_number(struct out *out, const struct soj_jwk *key,
		       const char *name, const char *param, size_t width)
{
	uint8_t value[PART_BYTES_MAX];
	BIGNUM *number = NULL;
	int bytes;

	if (EVP_PKEY_get_bn_param(key->pkey, param, &number) != 1) {
		out->failed = true;
		return;
	}
	bytes = width != 0 ? (int)width : BN_num_bytes(number);
	if (bytes > (int)sizeof(value) ||
	    BN_bn2binpad(number, value, bytes) != bytes)
		out->failed = true;
	else
		put_bytes(out, name, value, (size_t)bytes);
	BN_clear_free(number);
	OPENSSL_cleanse(value, sizeof(value));
}

static void
put_okp(struct out *out, const struct soj_jwk *key, const char *name,
	int (*get)(const EVP_PKEY *pkey, unsigned char *value, size_t *bytes))
{
	uint8_t value[64];
	size_t bytes = sizeof(value);

	if (get(key->pkey, value, &bytes) == 1)
		put_bytes(out, name, value, bytes);
	else
		out->failed = true;
	OPENSSL_cleanse(value, sizeof(value));
}

/* What identifies the key, in the order of RFC 7638: by name. */
static void put_public(struct out *out, const struct soj_jwk *key)
{
	const size_t field = key->alg->field_bytes;

	switch (key->alg->family) {
	case SOJ_FAMILY_HS:
		put_bytes(out, "k", key->secret, key->secret_bytes);
		put_text(out, "kty", "oct");
		break;
	case SOJ_FAMILY_RS:
	case SOJ_FAMILY_PS:
		put_number(out, key, "e", OSSL_PKEY_PARAM_RSA_E, 0);
		put_text(out, "kty", "RSA");
		put_number(out, key, "n", OSSL_PKEY_PARAM_RSA_N, 0);
		break;
	case SOJ_FAMILY_ES:
		put_text(out, "crv", key->alg->crv);
		put_text(out, "kty", "EC");
		put_number(out, key, "x", OSSL_PKEY_PARAM_EC_PUB_X, field);
		put_number(out, key, "y", OSSL_PKEY_PARAM_EC_PUB_Y, field);
		break;
	case SOJ_FAMILY_ED:
		put_text(out, "crv", key->alg->crv);
		put_text(out, "kty", "OKP");
		put_okp(out, key, "x", EVP_PKEY_get_raw_public_key);
		break;
	}
}

static void put_private(struct out *out, const struct soj_jwk *key)
{
	switch (key->alg->family) {
	case SOJ_FAMILY_HS:
		break;
	case SOJ_FAMILY_RS:
	case SOJ_FAMILY_PS:
		put_number(out, key, "d", OSSL_PKEY_PARAM_RSA_D, 0);
		put_number(out, key, "p", OSSL_PKEY_PARAM_RSA_FACTOR1, 0);
		put_number(out, key, "q", OSSL_PKEY_PARAM_RSA_FACTOR2, 0);
		put_number(out, key, "dp", OSSL_PKEY_PARAM_RSA_EXPONENT1, 0);
		put_number(out, key, "dq", OSSL_PKEY_PARAM_RSA_EXPONENT2, 0);
		put_number(out, key, "qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1, 0);
		break;
	case SOJ_FAMILY_ES:
		put_number(out, key, "d", OSSL_PKEY_PARAM_PRIV_KEY,
			   key->alg->field_bytes);
		break;
	case SOJ_FAMILY_ED:
		put_okp(out, key, "d", EVP_PKEY_get_raw_private_key);
		break;
	}
}

int soj_jwk_to_json(const struct soj_jwk *key, bool private_too, char *buf,
		    size_t buf_bytes, size_t *bytes)
{
	struct out out = {buf, buf_bytes, 0, false};

	*bytes = 0;
	if (key->alg->family == SOJ_FAMILY_HS ? !private_too
					      : private_too && !key->can_sign)
		return -EINVAL;
	put(&out, "{");
	put_public(&out, key);
	if (private_too)
		put_private(&out, key);
	put_text(&out, "alg", key->alg->name);
	put_text(&out, "use", "sig");
	if (key->kid[0] != '\0')
		put_text(&out, "kid", key->kid);
	put(&out, "}");
	if (out.failed)
		return -ENOMEM;
	*bytes = out.bytes;
	return out.bytes < buf_bytes ? 0 : -ENOSPC;
}

int soj_jwk_thumbprint(const struct soj_jwk *key,
		       char text[SOJ_THUMBPRINT_CHARS + 1])
{
	char json[SOJ_B64_CHARS(PART_BYTES_MAX) + 256];
	struct out out = {json, sizeof(json), 0, false};
	uint8_t digest[32];
	int good;

	put(&out, "{");
	put_public(&out, key);
	put(&out, "}");
	good = !out.failed && out.bytes < sizeof(json) &&
	       EVP_Q_digest(NULL, "SHA256", NULL, json, out.bytes, digest,
			    NULL) == 1;
	OPENSSL_cleanse(json, sizeof(json));
	if (!good)
		return -ENOMEM;
	text[soj_b64_encode(digest, sizeof(digest), text)] = '\0';
	return 0;
}
