/* SPDX-License-Identifier: MIT */

/* Remember-me: rotating tokens (rotate.c) of the collection "remember-me". */

#include <assert.h>
#include <string.h>

#include <sojourn/remember.h>

#include "session/rotate.h"

static_assert(SOJOURN_REMEMBER_CHARS == SOJ_ROTATE_CHARS, "length of a token");
static_assert(SOJOURN_REMEMBER_BYTES_MAX == SOJ_ROTATE_DATA_MAX,
	      "length of the data");

int sojourn_remember_create(struct sojourn *s, const struct sojourn_new *what,
			    char token[SOJOURN_REMEMBER_CHARS + 1],
			    struct sojourn_info *info)
{
	int rc = soj_rotate_create(s, SOJ_COLLECTION_REMEMBER, what, token,
				   info);

	if (rc < 0)
		soj_info_clear(info);
	return soj_done(s, rc);
}

int sojourn_remember_use(struct sojourn *s, const char *token,
			 const struct sojourn_metadata *client,
			 char new_token[SOJOURN_REMEMBER_CHARS + 1], void *data,
			 size_t *data_bytes, struct sojourn_info *info)
{
	char successor[SOJ_ROTATE_CHARS + 1];
	int rc = soj_rotate_use(s, SOJ_COLLECTION_REMEMBER, token, client, NULL,
				successor, data, data_bytes, info);

	/* They may be one buffer, and the old token still be of use. */
	if (rc == 0)
		memcpy(new_token, successor, sizeof(successor));
	else if (new_token != token)
		new_token[0] = 0;
	soj_wipe(successor, sizeof(successor));
	return soj_done(s, rc);
}

int sojourn_remember_forget(struct sojourn *s, const char *token)
{
	return soj_done(s,
			soj_rotate_revoke(s, SOJ_COLLECTION_REMEMBER, token));
}
