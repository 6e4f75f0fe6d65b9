/* SPDX-License-Identifier: MIT */
#ifndef FUZZ_LIB_JOSE_H
#define FUZZ_LIB_JOSE_H

/* What the fuzz targets of src/token share: fixed keys and rules. */

#include <stddef.h>
#include <stdint.h>

#include "token/claims.h"

#define FUZZ_NOW_MS UINT64_C(1700000000000)

/* Holds in any build, and stops the fuzzer. */
#define MUST(what)                        \
	do {                              \
		if (!(what))              \
			__builtin_trap(); \
	} while (0)

extern const struct soj_rules fuzz_rules;

/* An HS256 key "k1" that signs, an ES256 key "k2" and an EdDSA key "k3". */
const struct soj_keyset *fuzz_set(void);
/* The HS256 key alone. */
const struct soj_keyset *fuzz_single(void);

#endif /* FUZZ_LIB_JOSE_H */
