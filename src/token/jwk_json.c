/* SPDX-License-Identifier: MIT */

/* Keys from JWK and JWK Sets: which keys there are.  What is in one of them is
 * read by jwk_parts.c. */

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "token/json.h"
#include "token/jwk_parts.h"

#define LEFT_OUT 1

static const char out_of_memory[] = "this process is out of memory";

/* The member's string; NULL if it is absent; *bad if it is something else. */
static const char *string_of(const json_t *jwk, const char *name, bool *bad)
{
	const json_t *member = json_object_get(jwk, name);

	if (member == NULL)
		return NULL;
	if (!json_is_string(member))
		*bad = true;
	return json_string_value(member);
}

static bool has_op(const json_t *ops, const char *op)
{
	size_t i;
	json_t *member;

	json_array_foreach(ops, i, member) if (json_is_string(member) &&
					       strcmp(json_string_value(member),
						      op) == 0) return true;
	return false;
}

/* 0, LEFT_OUT or -EINVAL; *may_sign as "key_ops" says. */
static int judge_use(const json_t *jwk, bool *may_sign, const char **why)
{
	const json_t *ops = json_object_get(jwk, "key_ops");
	bool bad = false;
	const char *use = string_of(jwk, "use", &bad);

	*may_sign = true;
	if (bad || (ops != NULL && !json_is_array(ops))) {
		*why = "\"use\" of a JWK must be a string, \"key_ops\" an "
		       "array";
		return -EINVAL;
	}
	*why = "the JWK is not for signatures (\"use\", \"key_ops\")";
	if (use != NULL && strcmp(use, "sig") != 0)
		return LEFT_OUT;
	if (ops == NULL)
		return 0;
	*may_sign = has_op(ops, "sign");
	return *may_sign || has_op(ops, "verify") ? 0 : LEFT_OUT;
}

static bool kty_fits(const char *kty, const struct soj_alg *alg)
{
	static const char *const ktys[] = {
		[SOJ_FAMILY_HS] = "oct", [SOJ_FAMILY_RS] = "RSA",
		[SOJ_FAMILY_PS] = "RSA", [SOJ_FAMILY_ES] = "EC",
		[SOJ_FAMILY_ED] = "OKP",
	};

	return strcmp(kty, ktys[alg->family]) == 0;
}

static bool kty_known(const char *kty)
{
	return strcmp(kty, "oct") == 0 || strcmp(kty, "RSA") == 0 ||
	       strcmp(kty, "EC") == 0 || strcmp(kty, "OKP") == 0;
}

/*
 * The algorithm: "alg", else what the curve says, else what the caller says.
 * in_set: the caller's word is for keys that say nothing themselves.
 */
static int judge_alg(const json_t *jwk, enum sojourn_token_alg told,
		     bool in_set, const struct soj_alg **alg, const char **why)
{
	bool bad = false;
	const char *kty = string_of(jwk, "kty", &bad);
	const char *name = string_of(jwk, "alg", &bad);
	const char *crv = string_of(jwk, "crv", &bad);

	if (bad || kty == NULL) {
		*why = "a JWK must have \"kty\"; it, \"alg\" and \"crv\" are "
		       "strings";
		return -EINVAL;
	}
	*why = "the JWK is of a kind or algorithm that serves no signatures "
	       "here";
	if (!kty_known(kty))
		return LEFT_OUT;
	if (strcmp(kty, "EC") != 0 && strcmp(kty, "OKP") != 0)
		crv = NULL;
	else if (crv == NULL) {
		*why = "a JWK of kind EC or OKP must have \"crv\"";
		return -EINVAL;
	}
	if (crv != NULL && soj_alg_by_crv(crv) == NULL)
		return LEFT_OUT;
	if (name != NULL) {
		*alg = soj_alg_by_name(name);
		if (*alg == NULL)
			return LEFT_OUT;
	} else {
		*alg = crv != NULL ? soj_alg_by_crv(crv) : soj_alg_by_id(told);
	}
	if (*alg == NULL) {
		*why = "the JWK has no \"alg\", and RSA and HMAC keys serve "
		       "several: say which";
		return -EINVAL;
	}
	if (!in_set && told != SOJOURN_TOKEN_ALG_UNSET && (*alg)->id != told) {
		*why = "the JWK is for another algorithm than the one asked "
		       "for";
		return -EINVAL;
	}
	if (!kty_fits(kty, *alg) ||
	    (crv != NULL && strcmp(crv, (*alg)->crv) != 0)) {
		*why = "\"kty\" or \"crv\" of the JWK does not fit its "
		       "algorithm";
		return -EINVAL;
	}
	return 0;
}

/* 0, LEFT_OUT or an error. */
static int read_one(const json_t *jwk, const struct soj_mask *mask,
		    enum sojourn_token_alg told, const char *kid, bool in_set,
		    struct soj_jwk **out, const char **why)
{
	const struct soj_alg *alg = NULL;
	struct soj_jwk *key;
	bool may_sign, bad = false;
	int rc;

	rc = judge_use(jwk, &may_sign, why);
	if (rc == 0)
		rc = judge_alg(jwk, told, in_set, &alg, why);
	if (rc != 0)
		return rc;
	if (kid == NULL) {
		kid = string_of(jwk, "kid", &bad);
		if (bad || (kid != NULL && *kid == '\0')) {
			*why = "\"kid\" of a JWK must be a string that is not "
			       "empty";
			return -EINVAL;
		}
	}
	rc = soj_jwk_new(alg->id, kid, &key, why);
	if (rc != 0)
		return rc;
	rc = soj_jwk_read_parts(key, jwk, mask, why);
	if (rc == 0) {
		key->can_sign = key->can_sign && may_sign;
		rc = soj_jwk_finish(key, why);
	}
	if (rc != 0) {
		soj_jwk_destroy(key);
		return rc;
	}
	*out = key;
	return 0;
}

static int add_one(const json_t *jwk, const struct soj_mask *mask,
		   enum sojourn_token_alg told, const char *kid, bool in_set,
		   struct soj_jwk_list *list, const char **why)
{
	int rc;

	if (!json_is_object(jwk)) {
		*why = "\"keys\" of a JWK Set must be an array of objects";
		return -EINVAL;
	}
	if (list->count == SOJOURN_KEYS_MAX) {
		*why = "a set may have at most 64 keys";
		return -EINVAL;
	}
	rc = read_one(jwk, mask, told, kid, in_set, &list->keys[list->count],
		      why);
	if (rc == 0)
		list->count++;
	if (rc == LEFT_OUT && in_set) {
		list->left_out++;
		rc = 0;
	}
	return rc == LEFT_OUT ? -EINVAL : rc;
}

static int read_json(const json_t *json, const struct soj_mask *mask,
		     enum sojourn_token_alg told, const char *kid,
		     struct soj_jwk_list *list, const char **why)
{
	const json_t *keys = json_object_get(json, "keys");
	json_t *jwk;
	size_t i;
	int rc;

	if (keys == NULL)
		return add_one(json, mask, told, kid, false, list, why);
	if (kid != NULL) {
		*why = "keys of a JWK Set have their own kids: none may be "
		       "given";
		return -EINVAL;
	}
	if (!json_is_array(keys)) {
		*why = "\"keys\" of a JWK Set must be an array of objects";
		return -EINVAL;
	}
	json_array_foreach(keys, i, jwk)
	{
		rc = add_one(jwk, mask, told, NULL, true, list, why);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static const char *const json_faults[] = {
	[SOJ_JSON_SYNTAX] = "the text of the key is not one JSON object",
	[SOJ_JSON_DUPLICATE] = "the text of the key has a name twice",
	[SOJ_JSON_DEPTH] = "the text of the key has more than 32 levels",
	[SOJ_JSON_NUMBER] = "the text of the key has a number out of range",
	[SOJ_JSON_MEMORY] = out_of_memory,
};

int soj_jwk_from_json(enum sojourn_token_alg alg, const char *kid,
		      const char *text, size_t bytes, struct soj_jwk_list *list,
		      const char **why)
{
	struct soj_mask *mask;
	enum soj_json_fault fault;
	json_t *json;
	char *copy;
	int rc = -ENOMEM;

	if (bytes == 0 || bytes > SOJOURN_KEY_TEXT_MAX) {
		*why = "the text of a key must have 1 to 65536 bytes";
		return -EINVAL;
	}
	*why = out_of_memory;
	mask = malloc(sizeof(*mask));
	copy = OPENSSL_memdup(text, bytes);
	if (mask == NULL || copy == NULL)
		goto out_free;
	soj_mask_apply(mask, text, copy, bytes);
	json = soj_json_parse(copy, bytes, &fault);
	if (json == NULL) {
		*why = json_faults[fault];
		rc = fault == SOJ_JSON_MEMORY ? -ENOMEM : -EINVAL;
		goto out_free;
	}
	ERR_set_mark();
	rc = read_json(json, mask, alg, kid, list, why);
	ERR_pop_to_mark();
	json_decref(json);

out_free:
	if (copy != NULL)
		OPENSSL_clear_free(copy, bytes);
	free(mask);
	return rc;
}
