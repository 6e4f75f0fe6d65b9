/* SPDX-License-Identifier: MIT */

/*
 * Signatures as others have published them: RFC 7515 appendix A, RFC 8037
 * appendix A, RFC 4231, and the Ed25519 vectors that python3-cryptography-vectors
 * installs.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib_jose.h"
#include "token/sig.h"

#define VECTORS "/usr/lib/python3/dist-packages/cryptography_vectors/"

static const char hs256_key[] =
	"{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"AyM1SysPpbyDfgZld3umj1qz"
	"KObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1"
	"Z9CAow\"}";
static const char hs256_token[] =
	"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2U"
	"iLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmN"
	"vbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_w"
	"W1gFWFOEjXk";

static const char rs256_key[] =
	"{\"kty\":\"RSA\",\"alg\":\"RS256\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuS"
	"fb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJ"
	"PMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b3269"
	"0r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUs"
	"LA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qC"
	"o5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8"
	"q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\",\"d\":\""
	"Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO9"
	"7IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pW"
	"J1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3M"
	"kqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2Qv"
	"Xt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDV"
	"ZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRu"
	"OopznQ\",\"p\":\"4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bc"
	"xGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY"
	"8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtld"
	"C-KDV5z-y2XDwGUc\",\"q\":\"uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7ce"
	"pKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeL"
	"QeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11"
	"BKBBypeeF6689rjcJIDEz9RWdc\",\"dp\":\"BwKfV3Akq5_MFZDFZCnW-w"
	"zl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT"
	"_PI7Yz-FOKnu1R6HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7ts"
	"s2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0\",\"dq\":\"h_96-mK1R_7"
	"glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwb"
	"KgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w9cjz3_-kyNlxAr2v4"
	"IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU\",\"qi\":\""
	"IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2"
	"oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoO"
	"PLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFku"
	"Q3U\"}";
static const char rs256_token[] =
	"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA"
	"4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnV"
	"lfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu"
	"3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CU"
	"Ar7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6x"
	"BArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--x"
	"i12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QO"
	"YEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypG"
	"lUPQGe77Rw";

static const char es256_key[] =
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHM"
	"zV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyS"
	"tikYjKIWI5a0\",\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE"
	"9-E9LI\"}";
static const char es256_token[] =
	"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA"
	"4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnV"
	"lfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw"
	"5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

static const char es512_key[] =
	"{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"AekpBQ8ST8a8VcfVOTNl353vS"
	"rDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcW"
	"ceqwQGk\",\"y\":\"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l"
	"2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2\",\"d\":\"AY5"
	"pb7A0UFiB3RELSD64fTLOSV_jazdF7fLYyuTw8lOfRhWg6Y6rUrPAxer"
	"EzgdRhajnu0ferB0d53vM9mE15j2C\"}";
static const char es512_token[] =
	"eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9"
	"wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO"
	"0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqO"
	"gzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";

static const char eddsa_key[] =
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"nWGxne_9WmC6hEr0kuwsxE"
	"RJxWl7MmkZcDusAxyuf2A\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPa"
	"piMlrwIaaPcHURo\"}";
static const char eddsa_token[] =
	"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
	".hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki"
	"4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

static const char joe[] = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n "
			  "\"http://example.com/is_root\":true}";

static enum sojourn_token_reason verify(const struct soj_keyset *set,
					const char *token, const char *payload)
{
	uint8_t room[SOJ_JWS_ROOM];
	const struct soj_jwk *key;
	enum sojourn_token_reason reason;
	size_t bytes;

	reason = soj_jws_verify(set, SOJ_TYP_ANY, SOJOURN_TOKEN_BYTES, token,
				strlen(token), room, &bytes, &key);
	if (reason == SOJOURN_TOKEN_OK && payload != NULL) {
		assert_ptr_equal(key, set->keys[0]);
		assert_int_equal(bytes, strlen(payload));
		assert_memory_equal(room, payload, bytes);
	}
	return reason;
}

/* Every other character in any place breaks it. */
static void verify_changed(const struct soj_keyset *set, const char *token)
{
	char *changed = strdup(token);

	for (size_t i = 0; i < strlen(token); i += 7) {
		if (token[i] == '.')
			continue;
		changed[i] = token[i] == 'x' ? 'y' : 'x';
		assert_int_not_equal(verify(set, changed, NULL),
				     SOJOURN_TOKEN_OK);
		changed[i] = token[i];
	}
	assert_int_equal(verify(set, changed, NULL), SOJOURN_TOKEN_OK);
	free(changed);
}

static void check_vector(const char *key_text, const char *token,
			 const char *payload, bool deterministic)
{
	struct soj_keyset *set = jose_set(jose_jwk(key_text));
	const char *dot = strrchr(token, '.');
	const size_t chars = (size_t)(dot - token);
	char text[2048];
	uint8_t sig[SOJ_SIGNATURE_BYTES_MAX];

	assert_int_equal(verify(set, token, payload), SOJOURN_TOKEN_OK);
	verify_changed(set, token);

	/* and we sign it: the same again, or another one that is as good */
	assert_int_equal(soj_sig_sign(set->keys[0], token, chars, sig), 0);
	memcpy(text, token, chars + 1);
	text[chars + 1 +
	     soj_b64_encode(sig, set->keys[0]->signature_bytes,
			    text + chars + 1)] = '\0';
	assert_int_equal(strcmp(text, token) == 0, deterministic);
	assert_int_equal(verify(set, text, payload), SOJOURN_TOKEN_OK);
	soj_keyset_destroy(set);
}

static void test_rfc7515(void **state)
{
	(void)state;
	check_vector(hs256_key, hs256_token, joe, true);
	check_vector(rs256_key, rs256_token, joe, true);
	check_vector(es256_key, es256_token, joe, false);
	check_vector(es512_key, es512_token, "Payload", false);
}

/* A.5 is the token that is not signed. */
static void test_rfc7515_none(void **state)
{
	struct soj_keyset *set = jose_set(jose_jwk(hs256_key));

	(void)state;
	assert_int_equal(
		verify(set, "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UifQ.", NULL),
		SOJOURN_TOKEN_PARTS);
	assert_int_equal(
		verify(set, "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UifQ.AA", NULL),
		SOJOURN_TOKEN_ALG_NONE);
	soj_keyset_destroy(set);
}

static void test_rfc8037(void **state)
{
	struct soj_jwk *key = jose_jwk(eddsa_key);

	(void)state;
	/* A.3 */
	assert_string_equal(key->kid,
			    "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
	soj_jwk_destroy(key);
	check_vector(eddsa_key, eddsa_token, "Example of Ed25519 signing",
		     true);
}

static FILE *open_vectors(const char *name)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s%s", VECTORS, name);
	file = fopen(path, "r");
	if (file == NULL) {
		print_message("python3-cryptography-vectors: no %s\n", name);
		skip();
	}
	return file;
}

static size_t from_hex(const char *hex, size_t digits, uint8_t *out)
{
	for (size_t i = 0; i + 1 < digits; i += 2) {
		unsigned byte;

		assert_int_equal(sscanf(hex + i, "%2x", &byte), 1);
		out[i / 2] = (uint8_t)byte;
	}
	return digits / 2;
}

/* A key shorter than the hash is refused here; HMAC fills a key up with zeros,
 * so with zeros behind it, it is the same key. */
static void check_hmac(enum sojourn_token_alg alg, uint8_t *key_bytes,
		       size_t bytes, const uint8_t *msg, size_t msg_bytes,
		       const uint8_t *md)
{
	const size_t hash = soj_alg_by_id(alg)->hash_bytes;
	struct soj_jwk *key;
	const char *why;
	uint8_t sig[64];

	if (bytes < hash) {
		assert_int_not_equal(soj_jwk_from_raw(alg, NULL, key_bytes,
						      bytes, &key, &why),
				     0);
		bytes = hash;
	}
	assert_int_equal(
		soj_jwk_from_raw(alg, NULL, key_bytes, bytes, &key, &why), 0);
	assert_int_equal(soj_sig_sign(key, msg, msg_bytes, sig), 0);
	assert_memory_equal(sig, md, hash);
	assert_int_equal(soj_sig_verify(key, msg, msg_bytes, md, hash), 0);
	/* of that length, and of no other */
	for (size_t i = 0; i <= hash + 1; i++)
		assert_int_equal(soj_sig_verify(key, msg, msg_bytes, sig, i),
				 i == hash ? 0 : -EBADMSG);
	soj_jwk_destroy(key);
}

static size_t check_hmac_file(const char *name, enum sojourn_token_alg alg)
{
	FILE *file = open_vectors(name);
	uint8_t key[512] = {0}, msg[512], md[64];
	size_t bytes = 0, msg_bytes = 0, count = 0;
	char line[2048];

	while (fgets(line, sizeof(line), file) != NULL) {
		const size_t chars = strcspn(line, "\r\n");

		if (strncmp(line, "Key = ", 6) == 0) {
			memset(key, 0, sizeof(key));
			bytes = from_hex(line + 6, chars - 6, key);
		} else if (strncmp(line, "Msg = ", 6) == 0) {
			msg_bytes = from_hex(line + 6, chars - 6, msg);
		} else if (strncmp(line, "MD = ", 5) == 0) {
			from_hex(line + 5, chars - 5, md);
			check_hmac(alg, key, bytes, msg, msg_bytes, md);
			count++;
		}
	}
	fclose(file);
	return count;
}

static void test_rfc4231(void **state)
{
	(void)state;
	assert_int_equal(check_hmac_file("HMAC/rfc-4231-sha256.txt",
					 SOJOURN_TOKEN_HS256),
			 6);
	assert_int_equal(check_hmac_file("HMAC/rfc-4231-sha384.txt",
					 SOJOURN_TOKEN_HS384),
			 6);
	assert_int_equal(check_hmac_file("HMAC/rfc-4231-sha512.txt",
					 SOJOURN_TOKEN_HS512),
			 6);
}

/* seed and public key : public key : message : signature and message : */
static void check_ed25519(const char *line)
{
	static uint8_t parts[4][4096];
	size_t bytes[4];
	char json[256], x[64], d[64];
	struct soj_jwk *key;
	uint8_t sig[64];

	for (int i = 0; i < 4; i++) {
		const size_t digits = strcspn(line, ":");

		assert_true(digits / 2 <= sizeof(parts[i]));
		bytes[i] = from_hex(line, digits, parts[i]);
		line += digits + 1;
	}
	assert_int_equal(bytes[0], 64);
	assert_int_equal(bytes[3], 64 + bytes[2]);
	d[soj_b64_encode(parts[0], 32, d)] = '\0';
	x[soj_b64_encode(parts[1], 32, x)] = '\0';
	snprintf(json, sizeof(json),
		 "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\",\"d\":\"%"
		 "s\"}",
		 x, d);
	key = jose_jwk(json);
	assert_int_equal(soj_sig_sign(key, parts[2], bytes[2], sig), 0);
	assert_memory_equal(sig, parts[3], 64);
	assert_int_equal(soj_sig_verify(key, parts[2], bytes[2], sig, 64), 0);
	sig[bytes[2] % 64] ^= 4;
	assert_int_not_equal(soj_sig_verify(key, parts[2], bytes[2], sig, 64),
			     0);
	soj_jwk_destroy(key);
}

static void test_ed25519(void **state)
{
	FILE *file = open_vectors("asymmetric/Ed25519/sign.input");
	static char line[16384];
	unsigned count = 0;

	(void)state;
	while (fgets(line, sizeof(line), file) != NULL) {
		check_ed25519(line);
		count++;
	}
	fclose(file);
	assert_int_equal(count, 1024);
}

static void test_ed25519_pem(void **state)
{
	static const char *const names[] = {
		"asymmetric/Ed25519/ed25519-pkcs8.pem",
		"asymmetric/Ed25519/ed25519-pub.pem",
	};
	char text[4096];
	struct soj_jwk *keys[2];
	const char *why;

	(void)state;
	for (int i = 0; i < 2; i++) {
		FILE *file = open_vectors(names[i]);
		const size_t bytes = fread(text, 1, sizeof(text), file);

		fclose(file);
		assert_int_equal(soj_jwk_from_pem(SOJOURN_TOKEN_EDDSA, NULL,
						  text, bytes, &keys[i], &why),
				 0);
		assert_int_equal(keys[i]->can_sign, i == 0);
	}
	assert_string_equal(keys[0]->kid, keys[1]->kid);
	soj_jwk_destroy(keys[0]);
	soj_jwk_destroy(keys[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc7515),
		cmocka_unit_test(test_rfc7515_none),
		cmocka_unit_test(test_rfc8037),
		cmocka_unit_test(test_rfc4231),
		cmocka_unit_test(test_ed25519),
		cmocka_unit_test(test_ed25519_pem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
