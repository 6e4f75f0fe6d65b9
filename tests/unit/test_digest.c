/* SPDX-License-Identifier: MIT */

/* Keyed digests beside libsodium's, and what is the text of an id. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "session/id_usual.h"

#define BYTES_MAX 300u

static void test_siphash(void **state)
{
	uint8_t data[BYTES_MAX + 8], key[16];
	struct soj_digest want, got;

	(void)state;
	assert_int_equal(soj_secret_init(), 0);
	for (size_t bytes = 0; bytes <= BYTES_MAX; bytes++) {
		const size_t at = bytes % 8;

		soj_random(data, sizeof(data));
		soj_random(key, sizeof(key));
		crypto_shorthash_siphashx24((uint8_t *)want.word, data + at,
					    bytes, key);
		got = soj_digest(key, data + at, bytes);
		assert_memory_equal(&got, &want, sizeof(want));
	}
}

/* By the definition in base/mac.h, with libcrypto's AES. */
static void mac_by_libcrypto(const uint8_t key[16],
			     const uint8_t text[SOJ_MAC_TEXT_BYTES],
			     struct soj_digest *digest)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t x[16 + 16], out[16 + 16];
	int bytes;

	assert_non_null(ctx);
	assert_int_equal(
		EVP_EncryptInit_ex(ctx, EVP_aes_128_ecb(), NULL, key, NULL), 1);
	assert_int_equal(EVP_EncryptUpdate(ctx, x, &bytes, text, 16), 1);
	assert_int_equal(bytes, 16);
	for (unsigned i = 0; i < 16; i++)
		x[i] ^= text[16 + i];
	assert_int_equal(EVP_EncryptUpdate(ctx, out, &bytes, x, 16), 1);
	assert_int_equal(bytes, 16);
	for (unsigned i = 0; i < 16; i++)
		out[i] ^= x[i];
	memcpy(digest->word, out, sizeof(digest->word));
	EVP_CIPHER_CTX_free(ctx);
}

static void test_mac(void **state)
{
	uint8_t text[SOJ_MAC_TEXT_BYTES + 16], key[16];
	struct soj_digest want, got;
	struct soj_mac mac;

	(void)state;
	assert_int_equal(soj_secret_init(), 0);
	if (!soj_mac_here())
		skip();
	for (unsigned i = 0; i < 10000; i++) {
		const uint8_t *at = text + i % 16;

		soj_random(text, sizeof(text));
		soj_random(key, sizeof(key));
		mac_by_libcrypto(key, at, &want);
		soj_mac_init(&mac, key);
		soj_mac_text(&mac, at, got.word);
		assert_memory_equal(&got, &want, sizeof(want));
	}
}

/* By the definition of base64url. */
static bool is_id_char(unsigned c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static struct sojourn s;

static struct soj_digest wanted(const char *text, size_t chars)
{
	struct soj_digest digest;

	if (chars != SOJ_ID_CHARS_USUAL || !(s.st.seg.flags & SOJ_SHM_IDS_AES))
		return soj_digest(s.keys.id, text, chars);
	mac_by_libcrypto(s.keys.id_usual, (const uint8_t *)text, &digest);
	return digest;
}

/* Each character at each place of texts of each length. */
static void check_id_text(uint32_t flags)
{
	char text[SOJOURN_ID_CHARS_MAX + 8];
	struct soj_digest digest, want;
	static struct soj_shm_bucket there;
	struct soj_shm_bucket *bucket;
	bool usual;

	s.st.seg.flags = flags;
	s.st.seg.buckets = &there;
	s.st.seg.lay.buckets = 1;
	soj_random(&s.keys, sizeof(s.keys));
	soj_siphash_begin(&s.id_begun, s.keys.id);
	if (flags & SOJ_SHM_IDS_AES)
		soj_mac_init(&s.id_mac, s.keys.id_usual);
	for (size_t chars = 0; chars <= SOJOURN_ID_CHARS_MAX + 2; chars++) {
		memset(text, 'x', sizeof(text));
		text[chars] = 0;
		assert_int_equal(soj_id_digest(&s, text, &digest),
				 chars >= 22 && chars <= SOJOURN_ID_CHARS_MAX);
		assert_int_equal(
			soj_id_digest_usual(&s, text, &digest, &bucket),
			chars == SOJ_ID_CHARS_USUAL);
		if (chars < 22 || chars > SOJOURN_ID_CHARS_MAX)
			continue;
		for (size_t at = 0; at < chars; at++)
			for (unsigned c = 1; c < 256; c++) {
				text[at] = (char)c;
				want = wanted(text, chars);
				assert_int_equal(
					soj_id_digest(&s, text, &digest),
					is_id_char(c));
				if (is_id_char(c))
					assert_memory_equal(&digest, &want,
							    sizeof(want));
				usual = soj_id_digest_usual(&s, text, &digest,
							    &bucket);
				assert_int_equal(usual,
						 chars == SOJ_ID_CHARS_USUAL);
				if (!usual)
					digest = want;
				assert_memory_equal(&digest, &want,
						    sizeof(want));
				text[at] = 'x';
			}
		want = wanted(text, chars);
		assert_true(soj_id_digest(&s, text, &digest));
		assert_memory_equal(&digest, &want, sizeof(want));
	}
}

static void test_id_text(void **state)
{
	(void)state;
	check_id_text(0);
	if (soj_mac_here())
		check_id_text(SOJ_SHM_IDS_AES);
}

/* Texts that end where the next page may not be read; and begin wherever. */
static void test_id_at_the_end(void **state)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static struct soj_shm_bucket there;
	struct soj_shm_bucket *bucket;
	struct soj_digest digest;

	(void)state;
	assert_true(pages != MAP_FAILED);
	assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
	s.st.seg.buckets = &there;
	s.st.seg.lay.buckets = 1;
	for (size_t chars = 0; chars <= SOJOURN_ID_CHARS_MAX; chars++)
		for (size_t away = 0; away < 64; away++) {
			char *text = pages + page - away - chars - 1;

			memset(pages, 0, page);
			memset(text, 'x', chars);
			assert_int_equal(
				soj_id_digest_usual(&s, text, &digest, &bucket),
				chars == SOJ_ID_CHARS_USUAL);
		}
	munmap(pages, 2 * page);
}

/* What comes of it, turned into bytes and back by libsodium's. */
static void check_id(const char *id, size_t bytes)
{
	char again[SOJOURN_ID_CHARS_MAX + 1];
	uint8_t raw[48];
	size_t got;

	assert_int_equal(
		sodium_base642bin(raw, sizeof(raw), id, strlen(id), NULL, &got,
				  NULL,
				  sodium_base64_VARIANT_URLSAFE_NO_PADDING),
		0);
	assert_int_equal(got, bytes);
	sodium_bin2base64(again, sizeof(again), raw, got,
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	assert_string_equal(id, again);
}

static struct sojourn *segment(uint32_t id_bytes)
{
	struct sojourn_options options;
	struct sojourn *made;

	sojourn_options_init(&options);
	options.entries_max = 100;
	options.id_bytes = id_bytes;
	options.helper = SOJOURN_HELPER_NONE;
	assert_int_equal(sojourn_create(NULL, &options, &made), 0);
	return made;
}

/* By a forked child; the parent's page of them is not empty. */
static void make_in_child(struct sojourn *made,
			  char (*ids)[SOJOURN_ID_CHARS_MAX + 1], size_t count)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		for (size_t i = 0; i < count; i++)
			soj_id_make(made, soj_self(made), ids[i]);
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Ids of all lengths, with all characters, and none twice: neither of one
 * thread, nor in parent and child. */
static void test_made_ids(void **state)
{
	char(*ids)[SOJOURN_ID_CHARS_MAX + 1] =
		mmap(NULL, 600 * sizeof(ids[0]), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool seen[256] = {false};
	unsigned kinds = 0;

	(void)state;
	assert_true(ids != MAP_FAILED);
	for (uint32_t bytes = 16; bytes <= 48; bytes++) {
		struct sojourn *made = segment(bytes);

		for (unsigned i = 0; i < 300; i++) {
			soj_id_make(made, soj_self(made), ids[i]);
			check_id(ids[i], bytes);
			for (const char *c = ids[i]; *c; c++)
				seen[(uint8_t)*c] = true;
		}
		make_in_child(made, ids + 300, 300);
		for (unsigned i = 0; i < 300; i++)
			check_id(ids[300 + i], bytes);
		for (unsigned i = 0; i < 600; i++)
			for (unsigned k = 0; k < i; k++)
				assert_string_not_equal(ids[i], ids[k]);
		sojourn_detach(made);
	}
	for (unsigned c = 0; c < 256; c++)
		kinds += seen[c];
	assert_int_equal(kinds, 64);
}

/* Opens with the same key, secret and nonce only, and as it is only; what does
 * not open leaves nothing. */
static void test_seal(void **state)
{
	static const char text[] = "to whom it may concern";
	static const uint8_t zeros[sizeof(text)];
	uint8_t sealed[sizeof(text) + SOJ_SEAL_BYTES];
	const size_t bytes = sizeof(sealed);
	uint8_t back[sizeof(text)];
	struct soj_keys other;

	(void)state;
	soj_random(&s.keys, sizeof(s.keys));
	soj_random(&other, sizeof(other));
	soj_seal(&s.keys, "me", 2, 7, text, sizeof(text), sealed);
	assert_true(soj_unseal(&s.keys, "me", 2, 7, sealed, bytes, back));
	assert_memory_equal(back, text, sizeof(text));
	assert_false(soj_unseal(&other, "me", 2, 7, sealed, bytes, back));
	assert_memory_equal(back, zeros, sizeof(text));
	assert_false(soj_unseal(&s.keys, "us", 2, 7, sealed, bytes, back));
	assert_false(soj_unseal(&s.keys, "me", 2, 8, sealed, bytes, back));
	assert_false(soj_unseal(&s.keys, "me", 2, 7, sealed, bytes - 1, back));
	assert_false(soj_unseal(&s.keys, "me", 2, 7, sealed, SOJ_SEAL_BYTES - 1,
				back));
	for (size_t i = 0; i < bytes; i++) {
		sealed[i] ^= 1;
		assert_false(
			soj_unseal(&s.keys, "me", 2, 7, sealed, bytes, back));
		sealed[i] ^= 1;
	}
	assert_memory_equal(back, zeros, sizeof(text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_siphash),
		cmocka_unit_test(test_mac),
		cmocka_unit_test(test_id_text),
		cmocka_unit_test(test_id_at_the_end),
		cmocka_unit_test(test_made_ids),
		cmocka_unit_test(test_seal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
