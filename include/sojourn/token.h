/* SPDX-License-Identifier: MIT */
#ifndef SOJOURN_TOKEN_H
#define SOJOURN_TOKEN_H

/*
 * Access tokens: JSON Web Tokens (RFC 7519) as compact JWS (RFC 7515), under
 * the rules of RFC 8725 (best practices) and RFC 9068 (access tokens).
 *
 * Caveats first
 *  - The algorithm belongs to the key.  What a token says about its algorithm
 *    can only agree with that or be refused; "none" is always refused.
 *  - A token is read by everyone who holds it: it is signed, not sealed.
 *  - Key files hold secrets; who can read one can make tokens.
 *  - A program that uses liburcu-bp itself and calls its fork hooks from
 *    pthread_atfork() must not do so beside this library, which does.
 *
 * Functions return 0 or a negative errno value, and sojourn_error_text() says
 * in words what was wrong and which rule it broke.  No text ever holds a token,
 * a key or the value of a claim.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sojourn/export.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SOJOURN_KID_CHARS_MAX     128u
#define SOJOURN_KEYS_MAX          64u    /* in a set */
#define SOJOURN_KEY_TEXT_MAX      65536u /* bytes of a PEM or JWK (Set) text */
#define SOJOURN_TOKEN_BYTES       8192u  /* default limit of a token */
#define SOJOURN_TOKEN_BYTES_MAX   16384u /* highest limit that can be set */
#define SOJOURN_TOKEN_SKEW_MS_MAX 60000u /* tolerance of clocks */

/* What a key may be used for: exactly one of these (RFC 7518, RFC 8037). */
enum sojourn_token_alg {
	SOJOURN_TOKEN_ALG_UNSET = 0, /* no algorithm: the key itself says it */
	SOJOURN_TOKEN_HS256,         /* HMAC; secret >= hash */
	SOJOURN_TOKEN_HS384,
	SOJOURN_TOKEN_HS512,
	SOJOURN_TOKEN_RS256, /* RSA PKCS #1 v1.5; 2048 to 8192 bits */
	SOJOURN_TOKEN_RS384,
	SOJOURN_TOKEN_RS512,
	SOJOURN_TOKEN_PS256, /* RSA-PSS, salt as long as the hash */
	SOJOURN_TOKEN_PS384,
	SOJOURN_TOKEN_PS512,
	SOJOURN_TOKEN_ES256, /* ECDSA on P-256 */
	SOJOURN_TOKEN_ES384, /* on P-384 */
	SOJOURN_TOKEN_ES512, /* on P-521 */
	SOJOURN_TOKEN_EDDSA, /* Ed25519 */
};

/* "HS256"; "unset" for anything else.  Static. */
SOJOURN_API const char *sojourn_token_alg_name(enum sojourn_token_alg alg);
/* The algorithm of that exact name, else SOJOURN_TOKEN_ALG_UNSET. */
SOJOURN_API enum sojourn_token_alg sojourn_token_alg(const char *name);

/*
 * Why a token was refused: the first rule it breaks, in this order but for
 * INTERNAL, which is no fault of the token.  Values are stable; new ones are
 * added at the end of their hundred.
 */
enum sojourn_token_reason {
	SOJOURN_TOKEN_OK = 0,
	SOJOURN_TOKEN_INTERNAL = 1, /* out of memory, or libcrypto failed */
	/* form */
	SOJOURN_TOKEN_TOO_LONG = 100,
	SOJOURN_TOKEN_PARTS,         /* not three parts with two dots */
	SOJOURN_TOKEN_HEADER_BASE64, /* not canonical base64url */
	SOJOURN_TOKEN_HEADER_JSON,   /* not one JSON object */
	SOJOURN_TOKEN_HEADER_DUPLICATE,
	SOJOURN_TOKEN_HEADER_DEPTH,
	SOJOURN_TOKEN_ALG_MISSING,
	SOJOURN_TOKEN_ALG_NONE,
	SOJOURN_TOKEN_ALG_UNKNOWN,
	SOJOURN_TOKEN_CRIT, /* names an extension; none is known here */
	SOJOURN_TOKEN_TYP,  /* not at+jwt */
	/* signature */
	SOJOURN_TOKEN_KID_INVALID = 200,
	SOJOURN_TOKEN_KID_MISSING,  /* and there are several keys */
	SOJOURN_TOKEN_KEY_UNKNOWN,  /* no key has that kid */
	SOJOURN_TOKEN_ALG_MISMATCH, /* not the algorithm of the key */
	SOJOURN_TOKEN_SIGNATURE_BASE64,
	SOJOURN_TOKEN_SIGNATURE_SIZE, /* not that of the algorithm */
	SOJOURN_TOKEN_SIGNATURE,      /* does not fit token and key */
	/* claims */
	SOJOURN_TOKEN_CLAIMS_BASE64 = 300,
	SOJOURN_TOKEN_CLAIMS_JSON,
	SOJOURN_TOKEN_CLAIMS_DUPLICATE,
	SOJOURN_TOKEN_CLAIMS_DEPTH,
	SOJOURN_TOKEN_CLAIMS_NUMBER, /* a number that no type can hold */
	SOJOURN_TOKEN_ISS_MISSING,
	SOJOURN_TOKEN_ISS_TYPE,
	SOJOURN_TOKEN_ISS, /* another issuer */
	SOJOURN_TOKEN_AUD_MISSING,
	SOJOURN_TOKEN_AUD_TYPE,
	SOJOURN_TOKEN_AUD, /* for others */
	SOJOURN_TOKEN_EXP_MISSING,
	SOJOURN_TOKEN_EXP_TYPE, /* not a number of seconds in 1970 to 9999 */
	SOJOURN_TOKEN_EXPIRED,
	SOJOURN_TOKEN_NBF_TYPE,
	SOJOURN_TOKEN_NOT_YET,
	SOJOURN_TOKEN_IAT_MISSING,
	SOJOURN_TOKEN_IAT_TYPE,
	SOJOURN_TOKEN_IAT_FUTURE,
	SOJOURN_TOKEN_SUB_MISSING,
	SOJOURN_TOKEN_SUB_TYPE,
	SOJOURN_TOKEN_JTI_MISSING,
	SOJOURN_TOKEN_JTI_TYPE,
	/* 400 and above: what became of it since (revocation) */
};

/* A short lower-case name such as "alg_mismatch"; static, "unknown" else. */
SOJOURN_API const char *
sojourn_token_reason_name(enum sojourn_token_reason reason);
/* The rule in words; static. */
SOJOURN_API const char *
sojourn_token_reason_text(enum sojourn_token_reason reason);

/* ---- keys ---- */

enum sojourn_key_form {
	SOJOURN_KEY_JWK = 0, /* JSON of one key (RFC 7517), or of a JWK Set */
	SOJOURN_KEY_PEM =
		1, /* "PUBLIC KEY" (SPKI) or "PRIVATE KEY" (PKCS #8) */
	SOJOURN_KEY_RAW = 2, /* the bytes of an HMAC secret */
};

/*
 * One source of keys.  Begin with all bytes zero.  The text belongs to the
 * caller, who wipes it; it is read only during the call.
 *
 * alg	needed where the text does not say it (RAW, PEM of RSA, JWK of RSA or
 *	HMAC without "alg"); must agree where it does.
 * kid	names the key in tokens: 1 to 128 letters, digits or -._~:/+=@.  NULL:
 *	the one in the JWK, else the key's RFC 7638 thumbprint; a secret without
 *	any has none and must be the only key.  Must be NULL for a JWK Set.
 *
 * Of a JWK Set, keys that are not for signatures ("use", "key_ops") or of an
 * unknown type are left out, as RFC 7517 wants; a broken one is an error.
 */
struct sojourn_key {
	enum sojourn_key_form form;
	enum sojourn_token_alg alg;
	const char *kid;
	const void *text;
	size_t text_bytes;
};

/* A set of keys: one signs (or none), all verify.  Any thread may use it at
 * any time, also while another one reloads it; not in a signal handler. */
struct sojourn_keys;

/**
 * sojourn_keys_create - make a set of keys
 * @list:	where the keys come from; kids must differ
 * @count:	how many
 * @signing_kid: the key that signs; NULL if the only private one does
 * @verify_only: no key signs; then @signing_kid must be NULL
 * @keys:	gets the set, for sojourn_keys_destroy()
 *
 * May be called before a fork; children use what they inherit, and each
 * reloads for itself.
 *
 * Returns 0, -EINVAL (sojourn_error_text() names the rule), -ENOMEM.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_keys_create(const struct sojourn_key *list, size_t count,
		    const char *signing_kid, bool verify_only,
		    struct sojourn_keys **keys);

/**
 * sojourn_keys_reload - put other keys in their place
 *
 * All or nothing: on an error the set is as before.  Calls that began before
 * use the old keys to their end, later ones the new keys.  Those calls never
 * wait for this one; this one waits for them, then wipes the old keys.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_keys_reload(struct sojourn_keys *keys, const struct sojourn_key *list,
		    size_t count, const char *signing_kid, bool verify_only);

/* Wipes and frees.  No other call may use the set then.  NULL is fine. */
SOJOURN_API void sojourn_keys_destroy(struct sojourn_keys *keys);

/**
 * sojourn_keys_public - the JWK Set to publish
 * @buf:	gets JSON text and a NUL; HMAC keys are left out
 * @bytes:	in: its size; out: bytes of the text without NUL, also on
 *		-ENOSPC (then a buffer of *bytes + 1 would do)
 *
 * Returns 0, -ENOSPC, -ENOMEM.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_keys_public(struct sojourn_keys *keys, char *buf, size_t *bytes);

/**
 * sojourn_key_generate - a new key as private JWK
 * @alg:	what it is for
 * @rsa_bits:	2048 to 8192; 0 is 3072; of no meaning for other kinds
 * @kid:	NULL: the thumbprint, or for HMAC 16 random bytes as base64url
 * @buf:	gets JSON text and a NUL: the secret key
 * @bytes:	as for sojourn_keys_public(); 8192 are always enough
 *
 * RSA takes up to seconds.  Returns 0, -EINVAL, -ENOSPC, -ENOMEM.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_key_generate(enum sojourn_token_alg alg, unsigned rsa_bits,
		     const char *kid, char *buf, size_t *bytes);

#ifdef __cplusplus
}
#endif

#endif /* SOJOURN_TOKEN_H */
