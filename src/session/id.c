/* SPDX-License-Identifier: MIT */

#include "session/id.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/fault.h"
#include "session/id_usual.h"

#define ID_CHARS_MIN 22u /* of 16 bytes */

/* A one in each byte that is greater than n; all are below 64. */
static uint64_t above(uint64_t bytes, unsigned n)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);

	return (bytes + (127 - n) * ones) >> 7 & ones;
}

/* The characters of eight numbers below 64.  Without a table, so that no cache
 * line tells a part of an id. */
static uint64_t to_chars(uint64_t six)
{
	uint64_t text = six + 'A' * UINT64_C(0x0101010101010101);

	text += above(six, 25) * ('a' - 'Z' - 1);
	text -= above(six, 51) * ('z' + 1 - '0');
	text -= above(six, 61) * ('9' + 1 - '-');
	return text + above(six, 62) * ('_' - '-' - 1);
}

/* The first byte in memory is the uppermost of the number, and back. */
static uint64_t be64(uint64_t word)
{
	return __builtin_bswap64(soj_le64(word));
}

/* Six bytes, the upper ones of a word, as eight numbers below 64: halves, then
 * halves of these, and once more. */
static uint64_t to_sixes(uint64_t bytes)
{
	uint64_t x = bytes >> 16;

	x = (x & UINT64_C(0xffffff000000)) << 8 | (x & 0xffffff);
	x = (x & UINT64_C(0x00fff00000fff000)) << 4 |
	    (x & UINT64_C(0x00000fff00000fff));
	return (x & UINT64_C(0x0fc00fc00fc00fc0)) << 2 |
	       (x & UINT64_C(0x003f003f003f003f));
}

/* Base64url without padding; raw has up to seven more bytes, zero. */
static void encode(const uint8_t *raw, size_t bytes,
		   char text[SOJOURN_ID_CHARS_MAX + 1])
{
	for (size_t i = 0; 6 * i < bytes; i++) {
		uint64_t six;

		memcpy(&six, raw + 6 * i, sizeof(six));
		six = be64(to_chars(to_sixes(be64(six))));
		memcpy(text + 8 * i, &six, sizeof(six));
	}
	text[(8 * bytes + 5) / 6] = 0;
}

/*
 * From a store that the thread fills for several ids, since each call to the
 * kernel costs as much as the rest of a login.  What was given out is wiped
 * there; in a forked child all of it is (the page is wiped, handle.c), and who
 * finds himself in one asks the kernel.
 */
static void random_bytes(struct soj_self *self, uint8_t *raw, size_t bytes)
{
	uint32_t left = self ? self->random_left : 0;

	if (self && left < bytes) {
		left = sizeof(self->random);
		soj_random(self->random, left);
	}
	if (self) {
		left -= (uint32_t)bytes;
		self->random_left = left;
		memcpy(raw, self->random + left, bytes);
		soj_wipe(self->random + left, bytes);
	}
	if (self == NULL || soj_gone(&self->w))
		soj_random(raw, bytes);
}

void soj_id_make(const struct sojourn *s, struct soj_self *self,
		 char id[SOJOURN_ID_CHARS_MAX + 1])
{
	uint8_t raw[48 + 7] = {0};
	size_t bytes = soj_min(s->st.seg.policy.id_bytes, 48);

	random_bytes(self, raw, bytes);
	encode(raw, bytes, id);
	soj_wipe(raw, sizeof(raw));
}

/* base64url; a table, because every read goes through it. */
static const bool id_chars[256] = {
	['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['0' ... '9'] = true,
	['-'] = true,         ['_'] = true,
};

static bool all_id_chars(const char *text, size_t chars)
{
	bool good = true;

	for (size_t i = 0; i < chars; i++)
		good &= id_chars[(uint8_t)text[i]];
	return good;
}

#ifdef __SSE2__
static __m128i between(__m128i c, char first, char last)
{
	return _mm_and_si128(_mm_cmpgt_epi8(c, _mm_set1_epi8(first - 1)),
			     _mm_cmplt_epi8(c, _mm_set1_epi8(last + 1)));
}

/* Sixteen at once; bytes from 128 on are negative, and in no range. */
static __m128i good_chars(const char *text)
{
	const __m128i c = _mm_loadu_si128((const __m128i *)(const void *)text);
	const __m128i lower = _mm_or_si128(c, _mm_set1_epi8(0x20));

	return _mm_or_si128(
		_mm_or_si128(between(lower, 'a', 'z'), between(c, '0', '9')),
		_mm_or_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8('-')),
			     _mm_cmpeq_epi8(c, _mm_set1_epi8('_'))));
}

/* At least ID_CHARS_MIN; the last sixteen overlap those before. */
static bool is_id(const char *text, size_t chars)
{
	__m128i good = good_chars(text + chars - 16);

	for (size_t i = 0; i + 16 < chars; i += 16)
		good = _mm_and_si128(good, good_chars(text + i));
	return _mm_movemask_epi8(good) == 0xffff;
}
#else
static bool is_id(const char *text, size_t chars)
{
	return all_id_chars(text, chars);
}
#endif

bool soj_id_decode(const char *text, size_t chars, uint8_t *raw, size_t bytes)
{
	size_t got;

	/* libsodium takes bytes from 128 on for characters of the alphabet. */
	return all_id_chars(text, chars) &&
	       sodium_base642bin(raw, bytes, text, chars, NULL, &got, NULL,
				 sodium_base64_VARIANT_URLSAFE_NO_PADDING) ==
		       0 &&
	       got == bytes;
}

bool soj_id_digest(const struct sojourn *s, const char *id,
		   struct soj_digest *digest)
{
	struct soj_shm_bucket *bucket;
	size_t chars;

	/* Nearly all are; the bucket is on its way while the rest is done. */
	if (soj_id_digest_usual(s, id, digest, &bucket))
		return is_id(id, SOJ_ID_CHARS_USUAL);
	chars = strnlen(id, SOJOURN_ID_CHARS_MAX + 1);
	if (chars < ID_CHARS_MIN || chars > SOJOURN_ID_CHARS_MAX ||
	    !is_id(id, chars))
		return false;
	*digest = soj_digest(s->keys.id, id, chars);
	if (SOJ_PLANT(SECRET_STORED))
		memcpy(digest->word, id, sizeof(digest->word));
	return true;
}

struct soj_digest soj_key_digest(const struct sojourn *s, uint32_t collection,
				 enum soj_key_kind kind, const void *key,
				 size_t key_bytes)
{
	uint8_t text[SOJ_KEY_LENGTH_MAX + 3];
	struct soj_digest digest;

	/* The zero tells it from an id, what follows says the rest. */
	memcpy(text, key, soj_min(key_bytes, SOJ_KEY_LENGTH_MAX));
	text[key_bytes] = 0;
	text[key_bytes + 1] = (uint8_t)collection;
	text[key_bytes + 2] = (uint8_t)kind;
	digest = soj_digest(s->keys.id, text, key_bytes + 3);
	soj_wipe(text, key_bytes);
	return digest;
}

int soj_subject_check(const char *subject)
{
	const size_t bytes = subject ? strlen(subject) : 0;

	if (bytes >= 1 && bytes <= SOJ_SUBJECT_BYTES_MAX)
		return 0;
	return soj_report(-EINVAL, SOJOURN_INVALID,
			  "the subject has %zu bytes, but must have 1 to 255",
			  bytes);
}

struct soj_digest soj_subject_digest(const struct sojourn *s,
				     const char *subject)
{
	return soj_digest(s->keys.subject, subject, strlen(subject));
}

void sojourn_log_hash(const struct sojourn *s, const char *id,
		      char hash[SOJOURN_LOG_HASH_CHARS + 1])
{
	struct soj_digest d = soj_digest(s->keys.log, id,
					 strnlen(id, SOJOURN_ID_CHARS_MAX + 1));

	snprintf(hash, SOJOURN_LOG_HASH_CHARS + 1, "%016llx",
		 (unsigned long long)d.word[0]);
}

void soj_handle_text(const struct soj_store *st, uint64_t ref,
		     char text[SOJOURN_HANDLE_CHARS + 1])
{
	struct soj_digest d;

	text[0] = 0;
	if (!soj_entry_idx_ok(st, soj_ref_entry(ref)))
		return;
	d = soj_entry_digest(st, soj_ref_entry(ref));
	snprintf(text, SOJOURN_HANDLE_CHARS + 1, "%012llx%012llx",
		 (unsigned long long)(ref & SOJ_MASK(48)),
		 (unsigned long long)(d.word[1] & SOJ_MASK(48)));
}

uint64_t soj_handle_ref(const struct soj_store *st, const char *text)
{
	uint64_t part[2] = {0, 0};

	for (unsigned i = 0; i < SOJOURN_HANDLE_CHARS; i++) {
		const char *hex = "0123456789abcdef";
		const char *at = text[i] ? strchr(hex, text[i]) : NULL;

		if (at == NULL)
			return 0;
		part[i / 12] = part[i / 12] << 4 | (uint64_t)(at - hex);
	}
	if (text[SOJOURN_HANDLE_CHARS] != 0 ||
	    !soj_entry_idx_ok(st, soj_ref_entry(part[0])) ||
	    (soj_entry_digest(st, soj_ref_entry(part[0])).word[1] &
	     SOJ_MASK(48)) != part[1])
		return 0;
	return part[0];
}
