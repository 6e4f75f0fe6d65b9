/* SPDX-License-Identifier: MIT */

#include "token/b64.h"

#include <sodium.h>

static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* The value of a character plus 1; 0 is no character of the alphabet. */
#define V(ch, value) [ch] = (value) + 1
#define V4(ch, value)                                                     \
	V(ch, value), V((ch) + 1, (value) + 1), V((ch) + 2, (value) + 2), \
		V((ch) + 3, (value) + 3)
static const uint8_t values[256] = {
	V4('A', 0),  V4('E', 4),  V4('I', 8),  V4('M', 12), V4('Q', 16),
	V4('U', 20), V('Y', 24),  V('Z', 25),  V4('a', 26), V4('e', 30),
	V4('i', 34), V4('m', 38), V4('q', 42), V4('u', 46), V('y', 50),
	V('z', 51),  V4('0', 52), V4('4', 56), V('8', 60),  V('9', 61),
	V('-', 62),  V('_', 63),
};
#undef V4
#undef V

size_t soj_b64_encode(const void *data, size_t bytes, char *text)
{
	const uint8_t *in = data;
	char *at = text;

	for (; bytes >= 3; bytes -= 3, in += 3) {
		*at++ = alphabet[in[0] >> 2];
		*at++ = alphabet[(in[0] & 3) << 4 | in[1] >> 4];
		*at++ = alphabet[(in[1] & 15) << 2 | in[2] >> 6];
		*at++ = alphabet[in[2] & 63];
	}
	if (bytes > 0) {
		const uint8_t second = bytes == 2 ? in[1] : 0;

		*at++ = alphabet[in[0] >> 2];
		*at++ = alphabet[(in[0] & 3) << 4 | second >> 4];
		if (bytes == 2)
			*at++ = alphabet[(second & 15) << 2];
	}
	return (size_t)(at - text);
}

static uint32_t value_of(char ch)
{
	return values[(uint8_t)ch];
}

/* The last two or three characters: one or two bytes and zero bits. */
static bool decode_tail(const char *text, size_t chars, uint8_t *out)
{
	uint32_t v[3] = {value_of(text[0]), value_of(text[1]), 1};

	if (chars == 3)
		v[2] = value_of(text[2]);
	if (v[0] == 0 || v[1] == 0 || v[2] == 0)
		return false;
	v[0]--;
	v[1]--;
	v[2]--;
	out[0] = (uint8_t)(v[0] << 2 | v[1] >> 4);
	if (chars == 2)
		return (v[1] & 15) == 0;
	out[1] = (uint8_t)(v[1] << 4 | v[2] >> 2);
	return (v[2] & 3) == 0;
}

bool soj_b64_decode(const char *text, size_t chars, uint8_t *out, size_t *bytes)
{
	uint8_t *at = out;

	*bytes = 0;
	if (chars % 4 == 1)
		return false;
	for (; chars >= 4; chars -= 4, text += 4) {
		const uint32_t a = value_of(text[0]), b = value_of(text[1]);
		const uint32_t c = value_of(text[2]), d = value_of(text[3]);
		uint32_t word;

		if (a == 0 || b == 0 || c == 0 || d == 0)
			return false;
		word = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);
		*at++ = (uint8_t)(word >> 16);
		*at++ = (uint8_t)(word >> 8);
		*at++ = (uint8_t)word;
	}
	if (chars > 0) {
		if (!decode_tail(text, chars, at))
			return false;
		at += chars - 1;
	}
	*bytes = (size_t)(at - out);
	return true;
}

/* Two things libsodium (1.0.18) leaves to its caller: it stops at a foreign
 * character without an error if asked where, and it takes some bytes above 127
 * for characters, because its arithmetic is for those below. */
bool soj_b64_decode_secret(const char *text, size_t chars, uint8_t *out,
			   size_t out_max, size_t *bytes)
{
	const char *end = NULL;
	unsigned high = 0;
	int rc;

	for (size_t i = 0; i < chars; i++)
		high |= (uint8_t)text[i];
	rc = sodium_base642bin(out, out_max, text, chars, NULL, bytes, &end,
			       sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	if (rc == 0 && end == text + chars && high < 0x80)
		return true;
	sodium_memzero(out, out_max);
	*bytes = 0;
	return false;
}

void soj_b64_encode_secret(const uint8_t *data, size_t bytes, char *text)
{
	sodium_bin2base64(text, SOJ_B64_CHARS(bytes) + 1, data, bytes,
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}
