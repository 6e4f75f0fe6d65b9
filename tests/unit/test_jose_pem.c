/* SPDX-License-Identifier: MIT */

/*
 * Keys from PEM: which texts are taken, and what is left of a private key when
 * it was wiped: nothing, neither of the text nor of its bytes, in all memory
 * that this process can write.
 *
 * So that it is not the test that has them, keys are made by a child, and kept
 * here with all bits turned.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <malloc.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/sanitized.h"
#include "lib_jose.h"

#define PART    15u /* bytes or characters that must not be anywhere */
#define SECRETS 32u

/* ---- what is searched for ---- */

/* All bits are turned. */
static struct turned {
	size_t pem_bytes, secrets;
	char pem[8192];
	struct {
		size_t bytes;
		uint8_t what[4096];
	} secret[SECRETS];
} * turned;

/* Byte by byte: what a vector had is on the stack sooner or later. */
static void turn(volatile void *to, const volatile void *from, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		((volatile uint8_t *)to)[i] =
			(uint8_t) ~((const volatile uint8_t *)from)[i];
}

static void is_secret(const void *what, size_t bytes)
{
	assert_true(turned->secrets < SECRETS && bytes >= PART &&
		    bytes <= sizeof(turned->secret[0].what));
	turn(turned->secret[turned->secrets].what, what, bytes);
	turned->secret[turned->secrets++].bytes = bytes;
}

/* As it is written, and as libcrypto keeps numbers. */
static void is_secret_number(const uint8_t *number, size_t bytes)
{
	uint8_t reversed[1024];

	is_secret(number, bytes);
	for (size_t i = 0; i < bytes; i++)
		reversed[i] = number[bytes - 1 - i];
	is_secret(reversed, bytes);
}

/* The characters that stand for bytes from..to of the block, without what stands
 * for others as well. */
static void are_secret_chars(const char *pem, size_t from, size_t to)
{
	const char *at = strchr(pem, '\n') + 1;
	char text[8192];
	size_t chars = 0;

	for (; *at != '-'; at++)
		if (*at != '\n')
			text[chars++] = *at;
	from = (from * 4 + 2) / 3;
	is_secret(text + from, to * 4 / 3 - from);
}

static void learn_numbers(const struct soj_jwk *key, uint8_t *first,
			  size_t *first_bytes)
{
	static const char *const names[] = {
		OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
		OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
		OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
		OSSL_PKEY_PARAM_PRIV_KEY,
	};

	*first_bytes = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint8_t bytes[1024];
		BIGNUM *number = NULL;
		size_t count;

		if (EVP_PKEY_get_bn_param(key->pkey, names[i], &number) != 1)
			continue;
		count = (size_t)BN_bn2bin(number, bytes);
		is_secret_number(bytes, count);
		if (*first_bytes == 0) {
			memcpy(first, bytes, count);
			*first_bytes = count;
		}
		BN_free(number);
	}
}

/* In the child. */
static void make(enum sojourn_token_alg alg)
{
	struct soj_jwk *key = jose_key(alg, NULL);
	BIO *bio = BIO_new(BIO_s_mem());
	uint8_t first[1024], *der = NULL, *at;
	size_t bytes = sizeof(first);
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key->pkey);
	int der_bytes = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
	char *pem;

	if (alg != SOJOURN_TOKEN_EDDSA)
		learn_numbers(key, first, &bytes);
	else if (EVP_PKEY_get_raw_private_key(key->pkey, first, &bytes) == 1)
		is_secret(first, bytes);
	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL,
						       NULL, 0, NULL, NULL),
			 1);
	turned->pem_bytes = (size_t)BIO_get_mem_data(bio, &pem);
	assert_true(turned->pem_bytes <= sizeof(turned->pem));
	turn(turned->pem, pem, turned->pem_bytes);
	at = memmem(der, (size_t)der_bytes, first, bytes);
	assert_non_null(at);
	/* what follows d in an RSA key is secret too */
	are_secret_chars(pem, (size_t)(at - der),
			 key->alg->family == SOJ_FAMILY_RS
				 ? (size_t)der_bytes
				 : (size_t)(at - der) + bytes);
}

/* ---- memory ---- */

/* What libcrypto frees stays as it left it: else it would be luck what is
 * written over it first. */
static void *take(size_t bytes, const char *file, int line)
{
	(void)file;
	(void)line;
	return malloc(bytes);
}

static void *take_again(void *old, size_t bytes, const char *file, int line)
{
	void *more = take(bytes, file, line);
	const size_t had = old ? malloc_usable_size(old) : 0;

	if (more && old)
		memcpy(more, old, had < bytes ? had : bytes);
	return more;
}

static void leave(void *old, const char *file, int line)
{
	(void)old;
	(void)file;
	(void)line;
}

/* ---- searching ---- */

static bool begins[65536]; /* with these two bytes a part does */

static void learn_begins(void)
{
	memset(begins, 0, sizeof(begins));
	for (size_t i = 0; i < turned->secrets; i++)
		for (size_t at = 0; at + PART <= turned->secret[i].bytes; at++)
			begins[(uint8_t)~turned->secret[i].what[at] << 8 |
			       (uint8_t)~turned->secret[i].what[at + 1]] = true;
}

static bool is_part(const uint8_t *at, const uint8_t *what)
{
	for (size_t i = 0; i < PART; i++)
		if ((uint8_t)(at[i] ^ what[i]) != 0xff)
			return false;
	return true;
}

static bool is_part_of_one(const uint8_t *at)
{
	for (size_t i = 0; i < turned->secrets; i++)
		for (size_t j = 0; j + PART <= turned->secret[i].bytes; j++)
			if (is_part(at, turned->secret[i].what + j))
				return true;
	return false;
}

/* Read by the kernel, as not each page that is mapped is there. */
static size_t parts_in(uintptr_t begin, uintptr_t end)
{
	static uint8_t page[4096 + PART - 1];
	const size_t step = 4096;
	size_t found = 0;

	for (; begin < end; begin += step) {
		const struct iovec to = {page, sizeof(page)};
		const struct iovec from = {(void *)begin, sizeof(page)};
		const ssize_t got =
			process_vm_readv(getpid(), &to, 1, &from, 1, 0);

		for (ssize_t i = 0; i + (ssize_t)PART <= got; i++)
			found += begins[page[i] << 8 | page[i + 1]] &&
				 is_part_of_one(page + i);
	}
	sodium_memzero(page, sizeof(page));
	return found;
}

/* How many there are in what can be written. */
static size_t parts_left(bool say)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	size_t found = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		unsigned long begin, end;
		char mode[5];
		size_t here;

		if (sscanf(line, "%lx-%lx %4s", &begin, &end, mode) != 3 ||
		    mode[1] != 'w')
			continue;
		here = parts_in(begin, end);
		if (here > 0 && say)
			printf("%zu parts in %s", here, line);
		found += here;
	}
	fclose(maps);
	return found;
}

static void leaves_nothing(enum sojourn_token_alg alg)
{
	struct sojourn_key source = {.form = SOJOURN_KEY_PEM, .alg = alg};
	static char pem[8192];
	struct sojourn_keys *keys;
	pid_t child;
	int status;

	memset(turned, 0, sizeof(*turned));
	child = fork();
	if (child == 0) {
		make(alg);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	learn_begins();
	assert_int_equal(parts_left(true), 0);
	turn(pem, turned->pem, turned->pem_bytes);
	source.text = pem;
	source.text_bytes = turned->pem_bytes;
	assert_int_equal(sojourn_keys_create(&source, 1, NULL, false, &keys),
			 0);
	sodium_memzero(pem, sizeof(pem));
	/* that they would be seen */
	assert_true(parts_left(false) > 0);
	sojourn_keys_destroy(keys);
	assert_int_equal(parts_left(true), 0);
}

#define LEAVES_NOTHING(name, alg)                    \
	static void test_##name(void **state)        \
	{                                            \
		(void)state;                         \
		if (SANITIZED)                       \
			skip();                      \
		leaves_nothing(SOJOURN_TOKEN_##alg); \
	}
LEAVES_NOTHING(ed25519_is_wiped, EDDSA)
LEAVES_NOTHING(ecdsa_is_wiped, ES256)
LEAVES_NOTHING(rsa_is_wiped, RS256)

/* ---- texts ---- */

#define BODY        "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC"
#define BEGIN(name) "-----BEGIN " name "-----\n"
#define END(name)   "-----END " name "-----\n"
#define KEY(body)   BEGIN("PRIVATE KEY") body "\n" END("PRIVATE KEY")

static const struct {
	const char *text, *words; /* NULL: taken */
} texts[] = {
	{KEY(BODY), NULL},
	{"what stands before\n\n" KEY(BODY) "and behind\n", NULL},
	{"-----BEGIN PRIVATE KEY-----\r\n" BODY
	 "\r\n-----END PRIVATE KEY-----\r\n",
	 NULL},
	{BEGIN("PRIVATE KEY") BODY "\n-----END PRIVATE KEY-----", NULL},
	{"-----BEGIN PRIVATE KEY-----  \n" BODY
	 "\n-----END PRIVATE KEY----- \t\n",
	 NULL},
	{KEY("MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK\n"
	     "1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC"),
	 NULL},
	{"", "1 to 65536 bytes"},
	{BODY, "no PEM block"},
	{BEGIN("PRIVATE KEY") BODY "\n", "no PEM block"},
	{BEGIN("PRIVATE KEY") BODY "\n" END("PUBLIC KEY"), "no PEM block"},
	{BEGIN("PRIVATE KEY") END("PRIVATE KEY"), "no PEM block"},
	{KEY("M!4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU"),
	 "no PEM block"},
	{KEY("\xcd"
	     "C4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU"),
	 "no PEM block"},
	{KEY("MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU"),
	 "no valid key"},
	{KEY("AAAA"), "no valid key"},
	{KEY(BODY) KEY(BODY), "more than one"},
	{KEY(BODY) BEGIN("PUBLIC KEY") "AAAA\n" END("PUBLIC KEY"),
	 "more than one"},
	{KEY("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n" BODY),
	 "it is encrypted"},
	{BEGIN("ENCRYPTED PRIVATE KEY") BODY "\n" END("ENCRYPTED PRIVATE KEY"),
	 "neither PUBLIC KEY"},
	{BEGIN("CERTIFICATE") BODY "\n" END("CERTIFICATE"),
	 "neither PUBLIC KEY"},
	{BEGIN("PUBLIC KEY") BODY "\n" END("PUBLIC KEY"), "no valid key"},
	/* 33 bytes, 31 bytes, none for the key, and one behind it */
	{KEY("MC8CAQAwBQYDK2VwBCMEIdTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC"
	     "QQ=="),
	 "no valid key"},
	{KEY("MC0CAQAwBQYDK2VwBCEEH9Tuctv5E1hK1bbY8fdp+K06/nwoy/"
	     "HU++CXqI9EdVg="),
	 "no valid key"},
	{KEY("MAwCAQAwBQYDK2VwBAA="), "no valid key"},
	{KEY("MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC"
	     "QQ=="),
	 "no valid key"},
	/* with parameters, which no Ed25519 key has; and X25519 */
	{KEY("MDACAQAwBwYDK2VwBQAEIgQg1O5y2/kTWErVttjx92n4rTr+fCjL8dT74Jeoj0R1"
	     "WEI="),
	 "no valid key"},
	{KEY("MC4CAQAwBQYDK2VuBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/"
	     "HU++CXqI9EdVhC"),
	 "a kind or curve"},
};

static const struct {
	const char *text, *words; /* NULL: taken */
} ec_texts[] = {
	/* with its point */
	{KEY("MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgMkVm5IM52tu53NUN"
	     "\n"
	     "gqXipJHoxjjx4D1U+94mIVPP8xChRANCAAS86NiHXmU+0CgISCx5Ny0+RiI5H/"
	     "uy\n"
	     "A/gdcO4LH4zw7Uit3kkOqADxH1hUiNV9XFGuuK8gGoAHrwzrS5SMOZ1/"),
	 NULL},
	/* without */
	{KEY("MEECAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcEJzAlAgEBBCAyRWbkgzna27nc1Q2C"
	     "\n"
	     "peKkkejGOPHgPVT73iYhU8/zEA=="),
	 NULL},
	/* compressed */
	{KEY("MGcCAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcETTBLAgEBBCAyRWbkgzna27nc1Q2C"
	     "\n"
	     "peKkkejGOPHgPVT73iYhU8/"
	     "zEKEkAyIAA7zo2IdeZT7QKAhILHk3LT5GIjkf+7ID\n"
	     "+B1w7gsfjPDt"),
	 NULL},
	/* the curve named in there, too */
	{KEY("MIGTAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBHkwdwIBAQQgMkVm5IM52tu53NUN"
	     "\n"
	     "gqXipJHoxjjx4D1U+94mIVPP8xCgCgYIKoZIzj0DAQehRANCAAS86NiHXmU+"
	     "0CgI\n"
	     "SCx5Ny0+RiI5H/uyA/"
	     "gdcO4LH4zw7Uit3kkOqADxH1hUiNV9XFGuuK8gGoAHrwzr\n"
	     "S5SMOZ1/"),
	 NULL},
	/* another key's point */
	{KEY("MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgMkVm5IM52tu53NUN"
	     "\n"
	     "gqXipJHoxjjx4D1U+94mIVPP8xChRANCAARt0FZp/"
	     "bs10Nu6tQJesx5fQJhVxa2F\n"
	     "58P11hdywnw99Q7KpDepz7aq6VrV9orZ7huSajVgqcAJP6UR3UBLpz/X"),
	 "does not fit its public"},
	/* a point beside the curve */
	{KEY("MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgMkVm5IM52tu53NUN"
	     "\n"
	     "gqXipJHoxjjx4D1U+94mIVPP8xChRANCAAS86NiHXmU+0CgISCx5Ny0+RiI5H/"
	     "uy\n"
	     "A/gdcO4LH4zw7Uit3kkOqADxH1hUiNV9XFGuuK8gGoAHrwzrS5SMOZ1+"),
	 "no valid key"},
	/* 33 bytes */
	{KEY("MIGIAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG4wbAIBAQQhADJFZuSDOdrbudzV"
	     "\n"
	     "DYKl4qSR6MY48eA9VPveJiFTz/MQoUQDQgAEvOjYh15lPtAoCEgseTctPkYiOR/"
	     "7\n"
	     "sgP4HXDuCx+M8O1Ird5JDqgA8R9YVIjVfVxRrrivIBqAB68M60uUjDmdfw=="),
	 "no valid key"},
	/* zero */
	{KEY("MEECAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcEJzAlAgEBBCAAAAAAAAAAAAAAAAAA"
	     "\n"
	     "AAAAAAAAAAAAAAAAAAAAAAAAAA=="),
	 "no valid key"},
	/* version 3 */
	{KEY("MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAgQgMkVm5IM52tu53NUN"
	     "\n"
	     "gqXipJHoxjjx4D1U+94mIVPP8xChRANCAAS86NiHXmU+0CgISCx5Ny0+RiI5H/"
	     "uy\n"
	     "A/gdcO4LH4zw7Uit3kkOqADxH1hUiNV9XFGuuK8gGoAHrwzrS5SMOZ1/"),
	 "no valid key"},
	/* more behind the point */
	{KEY("MIGJAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG8wbQIBAQQgMkVm5IM52tu53NUN"
	     "\n"
	     "gqXipJHoxjjx4D1U+94mIVPP8xChRANCAAS86NiHXmU+0CgISCx5Ny0+RiI5H/"
	     "uy\n"
	     "A/gdcO4LH4zw7Uit3kkOqADxH1hUiNV9XFGuuK8gGoAHrwzrS5SMOZ1/BQA="),
	 "no valid key"},
	/* more behind the key */
	{KEY("MIGJAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG8wawIBAQQgMkVm5IM52tu53NUN"
	     "\n"
	     "gqXipJHoxjjx4D1U+94mIVPP8xChRANCAAS86NiHXmU+0CgISCx5Ny0+RiI5H/"
	     "uy\n"
	     "A/gdcO4LH4zw7Uit3kkOqADxH1hUiNV9XFGuuK8gGoAHrwzrS5SMOZ1/BQA="),
	 "no valid key"},
	/* cut short */
	{KEY("MEICAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcEKDCBgAIBAQQgMkVm5IM52tu53NUN"
	     "\n"
	     "gqXipJHoxjjx4D1U+94mIVPP8xA="),
	 "no valid key"},
	/* a length that is not said */
	{KEY("MEMCAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcEKTCAAgEBBCAyRWbkgzna27nc1Q2C"
	     "\n"
	     "peKkkejGOPHgPVT73iYhU8/zEAAA"),
	 "no valid key"},
	/* secp256k1 */
	{KEY("MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQg6LoZfW410Qz2rHNnrQmK"
	     "\n"
	     "HHKkd7kUMwAj/"
	     "0J6UVf8pMuhRANCAASLxZuQHQm8UAAhAVpmD7nqqRSwGl6+lsok\n"
	     "icwghmjneC59lNYQbQfmUa0i4j+wekF7HqpDOJln8p+u3PhJ2zsD"),
	 "a kind or curve"},
	/* the numbers of P-256 instead of its name */
	{KEY("MIIBeQIBADCCAQMGByqGSM49AgEwgfcCAQEwLAYHKoZIzj0BAQIhAP////"
	     "8AAAAB\n"
	     "AAAAAAAAAAAAAAAA////////////////MFsEIP////"
	     "8AAAABAAAAAAAAAAAAAAAA\n"
	     "///////////////"
	     "8BCBaxjXYqjqT57PrvVV2mIa8ZR0GsMxTsPY7zjw+J9JgSwMV\n"
	     "AMSdNgiG5wSTamZ44ROdJreBn36QBEEEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg"
	     "\n"
	     "9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9QIhAP////"
	     "8A\n"
	     "AAAA//////////"
	     "+85vqtpxeehPO5ysL8YyVRAgEBBG0wawIBAQQgRWUNkZZZAiAV\n"
	     "nXTWDPJiAEHkI5ygH1/SkAR1OlhdUH+hRANCAARt0FZp/"
	     "bs10Nu6tQJesx5fQJhV\n"
	     "xa2F58P11hdywnw99Q7KpDepz7aq6VrV9orZ7huSajVgqcAJP6UR3UBLpz/X"),
	 "a kind or curve"},
};

static void check_text(enum sojourn_token_alg alg, const char *text,
		       const char *words)
{
	struct soj_jwk *key;
	const char *why = NULL;
	const int rc =
		soj_jwk_from_pem(alg, NULL, text, strlen(text), &key, &why);

	if (words == NULL ? rc != 0 || !key->can_sign
			  : rc != -EINVAL || !strstr(why, words))
		fail_msg("%d, \"%s\", not \"%s\": %s", rc, why, words, text);
	soj_jwk_destroy(key);
}

static void test_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check_text(SOJOURN_TOKEN_EDDSA, texts[i].text, texts[i].words);
	for (size_t i = 0; i < sizeof(ec_texts) / sizeof(ec_texts[0]); i++)
		check_text(SOJOURN_TOKEN_ALG_UNSET, ec_texts[i].text,
			   ec_texts[i].words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ed25519_is_wiped),
		cmocka_unit_test(test_ecdsa_is_wiped),
		cmocka_unit_test(test_rsa_is_wiped),
		cmocka_unit_test(test_texts),
	};

	/* Before it has any.  A sanitizer would call it a leak. */
	if (!SANITIZED &&
	    CRYPTO_set_mem_functions(take, take_again, leave) != 1)
		return 1;
	turned = mmap(NULL, sizeof(*turned), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (turned == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
