/* SPDX-License-Identifier: MIT */

/*
 * RSA keys (RFC 8017 A.1.2), EC keys (RFC 5915) and Ed25519 keys (RFC 8410).
 *
 * EVP_PKCS82PKEY() would read them too, but leaves copies of the block, with the
 * private part, in memory that it frees.  Here it is in the caller's block, in
 * PKCS8_PRIV_KEY_INFO, which wipes it, and in the key.
 */

#include "token/pkcs8.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

#include "token/pkey.h"

#define ED25519_BYTES 32u
#define CONSTRUCTED   0x20

/* What has not been read. */
struct der {
	const uint8_t *at;
	size_t bytes;
};

/* The next element, which must be that one; false if it is not. */
static bool take(struct der *in, int kind, int tag, struct der *out)
{
	const uint8_t *at = in->at;
	long bytes;
	int found_tag, found_class, form;

	if (in->bytes == 0)
		return false;
	form = ASN1_get_object(&at, &bytes, &found_tag, &found_class,
			       (long)in->bytes);
	/* cut short, or of a length that is not said */
	if ((form & ~CONSTRUCTED) != 0 || (found_class | form) != kind ||
	    found_tag != tag)
		return false;
	in->bytes -= (size_t)(at - in->at) + (size_t)bytes;
	in->at = at + bytes;
	*out = (struct der){at, (size_t)bytes}; /* it may be `in` */
	return true;
}

/* All of `in` is one sequence. */
static bool take_all(struct der in, struct der *out)
{
	return take(&in, CONSTRUCTED, V_ASN1_SEQUENCE, out) && in.bytes == 0;
}

static bool take_version(struct der *in, uint8_t version)
{
	struct der number;

	return take(in, 0, V_ASN1_INTEGER, &number) && number.bytes == 1 &&
	       number.at[0] == version;
}

static EVP_PKEY *read_rsa(struct der key)
{
	BIGNUM *numbers[SOJ_RSA_PARTS] = {NULL};
	EVP_PKEY *pkey = NULL;
	struct der number;
	bool good = take_all(key, &key) && take_version(&key, 0);

	for (size_t i = 0; good && i < SOJ_RSA_PARTS; i++) {
		good = take(&key, 0, V_ASN1_INTEGER, &number) &&
		       number.bytes > 0 && number.at[0] < 0x80;
		if (good)
			numbers[i] = soj_secret_number(number.at, number.bytes);
	}
	if (good && key.bytes == 0)
		pkey = soj_pkey_rsa(numbers, true);
	for (size_t i = 0; i < SOJ_RSA_PARTS; i++)
		BN_clear_free(numbers[i]);
	return pkey;
}

/* told: the point as the key has it, empty if it does not say it. */
static bool find_point(const struct soj_alg *alg, struct der told,
		       const BIGNUM *d, uint8_t out[SOJ_POINT_BYTES_MAX])
{
	const size_t bytes = 1 + 2 * alg->field_bytes;
	EC_GROUP *group = EC_GROUP_new_by_curve_name(OBJ_sn2nid(alg->group));
	EC_POINT *point = group != NULL ? EC_POINT_new(group) : NULL;
	BN_CTX *ctx = BN_CTX_secure_new();
	bool good = point != NULL && ctx != NULL;

	if (good && told.bytes > 0)
		good = EC_POINT_oct2point(group, point, told.at, told.bytes,
					  ctx) == 1;
	else if (good)
		good = EC_POINT_mul(group, point, d, NULL, NULL, ctx) == 1;
	good = good &&
	       EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED,
				  out, bytes, ctx) == bytes;
	BN_CTX_free(ctx);
	EC_POINT_clear_free(point);
	EC_GROUP_free(group);
	return good;
}

/* The curve is named outside: what is said of it in here is passed over. */
static EVP_PKEY *read_ec(const struct soj_alg *alg, struct der key)
{
	const int context = V_ASN1_CONTEXT_SPECIFIC | CONSTRUCTED;
	uint8_t point[SOJ_POINT_BYTES_MAX];
	struct der secret, group, told = {NULL, 0};
	EVP_PKEY *pkey = NULL;
	BIGNUM *d;

	if (!take_all(key, &key) || !take_version(&key, 1) ||
	    !take(&key, 0, V_ASN1_OCTET_STRING, &secret) ||
	    secret.bytes > alg->field_bytes)
		return NULL;
	(void)take(&key, context, 0, &group);
	if (take(&key, context, 1, &told)) {
		if (!take(&told, 0, V_ASN1_BIT_STRING, &told) ||
		    told.bytes < 2 || told.at[0] != 0)
			return NULL;
		told.at++;
		told.bytes--;
	}
	if (key.bytes != 0)
		return NULL;
	d = soj_secret_number(secret.at, secret.bytes);
	if (d != NULL && find_point(alg, told, d, point))
		pkey = soj_pkey_ec(alg, point, d);
	BN_clear_free(d);
	return pkey;
}

static EVP_PKEY *read_ed25519(struct der key)
{
	struct der seed;

	if (!take(&key, 0, V_ASN1_OCTET_STRING, &seed) || key.bytes != 0 ||
	    seed.bytes != ED25519_BYTES)
		return NULL;
	return EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, seed.at,
					       seed.bytes);
}

static EVP_PKEY *read_key(const X509_ALGOR *algor, struct der key,
			  const char **why)
{
	const struct soj_alg *alg = NULL;
	const ASN1_OBJECT *kind;
	const void *params;
	int params_type;

	X509_ALGOR_get0(&kind, &params_type, &params, algor);
	switch (OBJ_obj2nid(kind)) {
	case NID_rsaEncryption:
		return read_rsa(key);
	case NID_ED25519:
		return params_type == V_ASN1_UNDEF ? read_ed25519(key) : NULL;
	case NID_X9_62_id_ecPublicKey:
		if (params_type == V_ASN1_OBJECT)
			alg = soj_alg_by_group(OBJ_nid2sn(OBJ_obj2nid(params)));
		if (alg != NULL)
			return read_ec(alg, key);
	}
	*why = "the PEM block holds a key of a kind or curve that serves no "
	       "signatures here";
	return NULL;
}

EVP_PKEY *soj_pkcs8_read(const uint8_t *der, size_t bytes, const char **why)
{
	const uint8_t *at = der;
	PKCS8_PRIV_KEY_INFO *info =
		d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)bytes);
	const X509_ALGOR *algor;
	const uint8_t *key;
	EVP_PKEY *pkey = NULL;
	int key_bytes;

	*why = "the PEM block holds no valid key";
	if (info != NULL && at == der + bytes &&
	    PKCS8_pkey_get0(NULL, &key, &key_bytes, &algor, info) == 1)
		pkey = read_key(algor, (struct der){key, (size_t)key_bytes},
				why);
	PKCS8_PRIV_KEY_INFO_free(info); /* wipes */
	return pkey;
}
