/* SPDX-License-Identifier: MIT */

/* The public calls about keys; the contract is in <sojourn/token.h>. */

#include "token/keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "session/handle.h"

static int fail(int rc, const char *why)
{
	return soj_report(rc, rc == -EINVAL ? SOJOURN_INVALID : SOJOURN_SYSTEM,
			  "%s", why);
}

static int add_key(const struct sojourn_key *source, struct soj_jwk_list *list,
		   const char **why)
{
	struct soj_jwk *key;
	int rc;

	*why = "there is no text";
	if (source->text == NULL)
		return -EINVAL;
	if (source->form == SOJOURN_KEY_JWK)
		return soj_jwk_from_json(source->alg, source->kid, source->text,
					 source->text_bytes, list, why);
	*why = "a set may have at most 64 keys";
	if (list->count == SOJOURN_KEYS_MAX)
		return -EINVAL;
	*why = "form is none of JWK, PEM and raw";
	if (source->form == SOJOURN_KEY_PEM)
		rc = soj_jwk_from_pem(source->alg, source->kid, source->text,
				      source->text_bytes, &key, why);
	else if (source->form == SOJOURN_KEY_RAW)
		rc = soj_jwk_from_raw(source->alg, source->kid, source->text,
				      source->text_bytes, &key, why);
	else
		return -EINVAL;
	if (rc == 0)
		list->keys[list->count++] = key;
	return rc;
}

/* A reported error, or 0. */
static int build(const struct sojourn_key *sources, size_t count,
		 const char *signing_kid, bool verify_only,
		 struct soj_keyset **set)
{
	struct soj_jwk_list *list;
	const char *why;
	int rc = 0;

	if (sources == NULL || count == 0)
		return fail(-EINVAL, "a set needs at least one source of keys");
	list = calloc(1, sizeof(*list));
	if (list == NULL)
		return fail(-ENOMEM, "this process is out of memory");
	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = add_key(&sources[i], list, &why);
		if (rc != 0)
			soj_report(rc,
				   rc == -EINVAL ? SOJOURN_INVALID
						 : SOJOURN_SYSTEM,
				   "key source %zu: %s", i, why);
	}
	if (rc == 0) {
		rc = soj_keyset_build(list, signing_kid, verify_only, set,
				      &why);
		if (rc != 0)
			fail(rc, why);
	}
	soj_jwk_list_destroy(list);
	free(list);
	return rc;
}

int sojourn_keys_create(const struct sojourn_key *list, size_t count,
			const char *signing_kid, bool verify_only,
			struct sojourn_keys **keys)
{
	struct sojourn_keys *made;
	struct soj_keyset *set;
	int rc;

	if (keys == NULL)
		return fail(-EINVAL, "keys is NULL");
	*keys = NULL;
	rc = build(list, count, signing_kid, verify_only, &set);
	if (rc != 0)
		return rc;
	made = calloc(1, sizeof(*made));
	if (made == NULL || soj_keyring_init(&made->ring, set) != 0) {
		free(made);
		soj_keyset_destroy(set);
		return fail(-ENOMEM, "this process is out of memory");
	}
	*keys = made;
	return soj_ok();
}

int sojourn_keys_reload(struct sojourn_keys *keys,
			const struct sojourn_key *list, size_t count,
			const char *signing_kid, bool verify_only)
{
	struct soj_keyset *set;
	int rc;

	if (keys == NULL)
		return fail(-EINVAL, "keys is NULL");
	rc = build(list, count, signing_kid, verify_only, &set);
	if (rc != 0)
		return rc;
	soj_keyset_replace(&keys->ring, set);
	return soj_ok();
}

void sojourn_keys_destroy(struct sojourn_keys *keys)
{
	if (keys == NULL)
		return;
	soj_keyring_deinit(&keys->ring);
	free(keys);
}

/* A text that is written as far as there is room, and measured. */
static void put(char *buf, size_t room, size_t *bytes, const char *text)
{
	const size_t more = strlen(text);

	if (*bytes + more < room)
		memcpy(buf + *bytes, text, more + 1);
	*bytes += more;
}

static int write_set(const struct soj_keyset *set, char *one, char *buf,
		     size_t room, size_t *bytes)
{
	const char *before = "{\"keys\":[";
	size_t one_bytes;
	int rc;

	*bytes = 0;
	for (size_t i = 0; i < set->count; i++) {
		if (set->keys[i]->alg->family == SOJ_FAMILY_HS)
			continue;
		rc = soj_jwk_to_json(set->keys[i], false, one, SOJ_JWK_TEXT_MAX,
				     &one_bytes);
		if (rc != 0)
			return rc;
		put(buf, room, bytes, before);
		put(buf, room, bytes, one);
		before = ",";
	}
	if (*before == '{')
		put(buf, room, bytes, before);
	put(buf, room, bytes, "]}");
	return *bytes < room ? 0 : -ENOSPC;
}

int sojourn_keys_public(struct sojourn_keys *keys, char *buf, size_t *bytes)
{
	char *one;
	int rc;

	if (keys == NULL || bytes == NULL || (buf == NULL && *bytes != 0))
		return fail(-EINVAL, "keys, buf or bytes is NULL");
	one = malloc(SOJ_JWK_TEXT_MAX);
	if (one == NULL)
		return fail(-ENOMEM, "this process is out of memory");
	rc = write_set(soj_keyset_enter(&keys->ring), one, buf, *bytes, bytes);
	soj_keyset_exit(&keys->ring);
	free(one);
	if (rc == -ENOSPC)
		return fail(rc, "the JWK Set does not fit the buffer given");
	return rc == 0 ? soj_ok() : fail(rc, "libcrypto is out of memory");
}

int sojourn_key_generate(enum sojourn_token_alg alg, unsigned rsa_bits,
			 const char *kid, char *buf, size_t *bytes)
{
	struct soj_jwk *key;
	const char *why;
	size_t room;
	int rc;

	if (bytes == NULL || (buf == NULL && *bytes != 0))
		return fail(-EINVAL, "buf or bytes is NULL");
	room = *bytes;
	*bytes = 0;
	rc = soj_jwk_generate(alg, rsa_bits, kid, &key, &why);
	if (rc != 0)
		return fail(rc, why);
	rc = soj_jwk_to_json(key, true, buf, room, bytes);
	soj_jwk_destroy(key);
	/* the secret may have had room */
	if (rc != 0 && room != 0)
		soj_wipe(buf, room);
	if (rc == -ENOSPC)
		return fail(rc, "the JWK does not fit the buffer given");
	return rc == 0 ? soj_ok() : fail(rc, "libcrypto is out of memory");
}
