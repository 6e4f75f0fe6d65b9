/* SPDX-License-Identifier: MIT */

/* Building sets of keys. */

#include "token/keyset.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "token/b64.h"

static soj_word_t sets_built;

const struct soj_jwk *soj_keyset_find(const struct soj_keyset *set,
				      const char *kid, size_t chars)
{
	for (size_t i = 0; i < set->count; i++)
		if (strlen(set->keys[i]->kid) == chars &&
		    memcmp(set->keys[i]->kid, kid, chars) == 0)
			return set->keys[i];
	return NULL;
}

static void write_header(struct soj_header *header, const struct soj_jwk *key)
{
	char json[192];
	int bytes;

	if (key->kid[0] != '\0')
		bytes = snprintf(
			json, sizeof(json),
			"{\"alg\":\"%s\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}",
			key->alg->name, key->kid);
	else
		bytes = snprintf(json, sizeof(json),
				 "{\"alg\":\"%s\",\"typ\":\"at+jwt\"}",
				 key->alg->name);
	assert(bytes > 0 && (size_t)bytes < sizeof(json));
	header->chars = soj_b64_encode(json, (size_t)bytes, header->text);
	assert(header->chars < sizeof(header->text));
}

static const char *check_kids(const struct soj_jwk_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->keys[i]->kid[0] == '\0' && list->count > 1)
			return "a secret without kid must be the only key";
		for (size_t k = 0; k < i; k++)
			if (strcmp(list->keys[i]->kid, list->keys[k]->kid) == 0)
				return "two keys have the same kid";
	}
	return NULL;
}

static const char *choose_signing(struct soj_keyset *set, const char *kid)
{
	if (kid != NULL) {
		set->signing = soj_keyset_find(set, kid, strlen(kid));
		if (set->signing == NULL)
			return "no key has the kid of the one that is to sign";
		if (!set->signing->can_sign)
			return "the key that is to sign has no private part, "
			       "or its \"key_ops\" forbid it";
		return NULL;
	}
	for (size_t i = 0; i < set->count; i++) {
		if (!set->keys[i]->can_sign)
			continue;
		if (set->signing != NULL)
			return "several keys could sign: name the one that is "
			       "to";
		set->signing = set->keys[i];
	}
	return set->signing != NULL ? NULL
				    : "no key can sign: say that the set is "
				      "only to verify";
}

/* What verifying with the key depends on. */
struct identity {
	char alg[8];
	char kid[SOJOURN_KID_CHARS_MAX + 1];
	char thumbprint[SOJ_THUMBPRINT_CHARS + 1];
};

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct identity));
}

/* In whatever order the keys came. */
static int write_digest(struct soj_keyset *set)
{
	struct identity *all = calloc(SOJOURN_KEYS_MAX, sizeof(*all));
	const size_t bytes = set->count * sizeof(*all);
	int rc = all ? 0 : -ENOMEM;

	for (size_t i = 0; rc == 0 && i < set->count; i++) {
		const struct soj_jwk *key = set->keys[i];

		snprintf(all[i].alg, sizeof(all[i].alg), "%s", key->alg->name);
		strcpy(all[i].kid, key->kid);
		rc = soj_jwk_thumbprint(key, all[i].thumbprint);
	}
	if (rc == 0) {
		qsort(all, set->count, sizeof(*all), by_bytes);
		if (EVP_Q_digest(NULL, "SHA256", NULL, all, bytes, set->digest,
				 NULL) != 1)
			rc = -ENOMEM;
		OPENSSL_cleanse(all, bytes);
	}
	free(all);
	return rc;
}

static const char *fill(struct soj_keyset *set, const struct soj_jwk_list *list,
			const char *signing_kid, bool verify_only)
{
	const char *why;

	if (list->count == 0)
		return "a set must have at least one key for signatures";
	why = check_kids(list);
	if (why != NULL)
		return why;
	for (size_t i = 0; i < list->count; i++) {
		set->keys[i] = list->keys[i];
		write_header(&set->headers[i], list->keys[i]);
	}
	set->count = list->count;
	set->serial = soj_add_relaxed(&sets_built, 1) + 1;
	if (!verify_only)
		return choose_signing(set, signing_kid);
	return signing_kid == NULL ? NULL
				   : "a set that is only to verify has no key "
				     "that signs";
}

int soj_keyset_build(struct soj_jwk_list *list, const char *signing_kid,
		     bool verify_only, struct soj_keyset **out,
		     const char **why)
{
	struct soj_keyset *set = calloc(1, sizeof(*set));

	*out = NULL;
	if (set == NULL) {
		*why = "this process is out of memory";
		return -ENOMEM;
	}
	*why = fill(set, list, signing_kid, verify_only);
	if (*why != NULL) {
		free(set);
		return -EINVAL;
	}
	if (write_digest(set) != 0) {
		*why = "this process is out of memory";
		free(set);
		return -ENOMEM;
	}
	list->count = 0;
	*out = set;
	return 0;
}

void soj_keyset_destroy(struct soj_keyset *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; i < set->count; i++)
		soj_jwk_destroy(set->keys[i]);
	free(set);
}
