/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOKEN_PKCS8_H
#define SOJ_TOKEN_PKCS8_H

/* Layer 6.  Private keys out of PKCS #8 (RFC 5208). */

#include <openssl/types.h>
#include <stddef.h>
#include <stdint.h>

/* NULL: *why is a static text that says what is wrong. */
EVP_PKEY *soj_pkcs8_read(const uint8_t *der, size_t bytes, const char **why);

#endif /* SOJ_TOKEN_PKCS8_H */
