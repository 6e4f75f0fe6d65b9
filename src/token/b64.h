/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOKEN_B64_H
#define SOJ_TOKEN_B64_H

/*
 * Layer 6.  base64url without padding (RFC 4648 section 5, RFC 7515 section 2),
 * the one form that is canonical: no other alphabet, no padding, no white space,
 * the unused last bits zero.  So each sequence of bytes has exactly one text,
 * and a token cannot be changed without changing what was signed.
 *
 * Tables, not constant time: what tokens hold is public.  Secrets go through
 * sodium_base642bin() instead (soj_b64_decode_secret).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOJ_B64_CHARS(bytes) (((bytes)*4u + 2) / 3)
#define SOJ_B64_BYTES(chars) ((chars) / 4u * 3 + 2)

/* Writes SOJ_B64_CHARS(bytes) characters and no NUL; returns how many. */
size_t soj_b64_encode(const void *data, size_t bytes, char *text);

/* text must not be NULL but may be empty.  out: SOJ_B64_BYTES(chars), and may
 * be the text itself.  False if the text is not canonical. */
bool soj_b64_decode(const char *text, size_t chars, uint8_t *out,
		    size_t *bytes);

/* The same for secrets, in time that depends on the number of characters only.
 * out gets at most out_max bytes and is wiped on failure. */
bool soj_b64_decode_secret(const char *text, size_t chars, uint8_t *out,
			   size_t out_max, size_t *bytes);
/* text: SOJ_B64_CHARS(bytes) + 1; with NUL. */
void soj_b64_encode_secret(const uint8_t *data, size_t bytes, char *text);

#endif /* SOJ_TOKEN_B64_H */
