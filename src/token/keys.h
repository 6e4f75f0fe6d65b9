/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOKEN_KEYS_H
#define SOJ_TOKEN_KEYS_H

/* Layer 6.  What stands behind the public handle of a set of keys. */

#include <sojourn/token.h>

#include "token/keyset.h"

struct sojourn_keys {
	struct soj_keyring ring;
};

#endif /* SOJ_TOKEN_KEYS_H */
