/* SPDX-License-Identifier: MIT */

#include "lib_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib_args.h"

static enum sojourn_key_form form_of(const char *text, size_t bytes)
{
	size_t at = 0;

	while (at < bytes && strchr(" \t\r\n", text[at]) != NULL && text[at])
		at++;
	if (at < bytes && text[at] == '{')
		return SOJOURN_KEY_JWK;
	return bytes - at > 5 && memcmp(text + at, "-----", 5) == 0
		       ? SOJOURN_KEY_PEM
		       : SOJOURN_KEY_RAW;
}

/* A kid beside a JWK Set is that of the signing key. */
static bool is_set(const char *text, size_t bytes)
{
	return memmem(text, bytes, "\"keys\"", 6) != NULL;
}

int soj_keys_read(const char *path, enum sojourn_token_alg alg, const char *kid,
		  bool signs, struct sojourn_keys **keys)
{
	struct sojourn_key key = {.alg = alg};
	const char *signing = NULL;
	char what[256];
	void *text;
	int rc, code;

	code = soj_args_data(path, SOJOURN_KEY_TEXT_MAX, &text,
			     &key.text_bytes);
	if (code != 0)
		return code;
	key.text = text;
	key.form = form_of(text, key.text_bytes);
	if (key.form == SOJOURN_KEY_JWK && is_set(text, key.text_bytes))
		signing = signs ? kid : NULL;
	else
		key.kid = kid;
	rc = sojourn_keys_create(&key, 1, signing, !signs, keys);
	explicit_bzero(text, key.text_bytes);
	free(text);
	if (rc == 0)
		return 0;
	snprintf(what, sizeof(what), "use the keys of %.200s", path);
	code = soj_args_fail(rc, what);
	if (strstr(sojourn_error_text(), "algorithm"))
		fputs("  --alg says it, if the file does not.\n", stderr);
	return code;
}
