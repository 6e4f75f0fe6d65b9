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
 *  - Keys that sign are in libcrypto's memory, which a core dump has: a process
 *    that holds one should not be dumpable (prctl(2), PR_SET_DUMPABLE).
 *    Nothing else that is secret is in a core because of this library.
 *  - A program that uses liburcu-bp itself and calls its fork hooks from
 *    pthread_atfork() must not do so beside this library, which does.
 *
 * A pair is an access token, good for minutes, and a refresh token, which gets
 * the next access token.  Whoever verifies asks the segment whether the token
 * was revoked, so a revocation holds in every process when it returns.
 *
 *  - Tokens are bound to the segment: when it is made anew, or the machine
 *    starts, what was revoked is forgotten, and all tokens are refused.
 *  - The refresh token is used once and gives the next one; one that comes back
 *    after that ends all that its login has (see remember.h: the same rules,
 *    with the collection "refresh").
 *  - sojourn_session_delete_subject() ends the refresh tokens of a subject too,
 *    but access tokens only by sojourn_token_revoke_subject().
 *
 * Functions return 0 or a negative errno value, and sojourn_error_text() says
 * in words what was wrong and which rule it broke.  No text ever holds a token,
 * a key or the value of a claim.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sojourn/sojourn.h>

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
	/* what became of it since */
	SOJOURN_TOKEN_ANCHOR = 400, /* not issued by this library */
	SOJOURN_TOKEN_SEGMENT,      /* but for another segment, or for this one
				       before it was made anew */
	SOJOURN_TOKEN_TOO_OLD,      /* older than revocations are kept */
	SOJOURN_TOKEN_REVOKED,      /* with its login */
	SOJOURN_TOKEN_RESTRICTED,   /* with those its login had by then */
	SOJOURN_TOKEN_SUBJECT,      /* with all its subject had by then */
	SOJOURN_TOKEN_BUSY,         /* it could not be told: refused */
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
 *
 * Returns as sojourn_keys_create().
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
 * RSA takes up to seconds.  Returns 0, -EINVAL, -ENOSPC, -ENOMEM, -EIO (libcrypto
 * made none).  Nothing of the key is in @buf on failure.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_key_generate(enum sojourn_token_alg alg, unsigned rsa_bits,
		     const char *kid, char *buf, size_t *bytes);

/* ---- tokens ---- */

#define SOJOURN_REFRESH_CHARS    54u    /* letters, digits, '-', '_' */
#define SOJOURN_ANCHOR_CHARS     22u    /* the same */
#define SOJOURN_CLAIMS_BYTES_MAX 12288u /* JSON text in a token */
#define SOJOURN_TOKEN_TTL_MS_MIN 1000u

struct sojourn_tokens;

/* About a token.  Filled by value. */
struct sojourn_token_info {
	enum sojourn_token_reason reason; /* OK, or why it was refused */
	char subject[SOJOURN_SUBJECT_BYTES_MAX + 1];
	/* Names the login: all tokens that came from one have the same. */
	char anchor[SOJOURN_ANCHOR_CHARS + 1];
	char handle[SOJOURN_HANDLE_CHARS + 1]; /* of the refresh token, as in
						  lists; "" when not asked for */
	uint64_t issued_unix_ms;
	uint64_t not_before_unix_ms; /* 0: not said */
	uint64_t expires_unix_ms;
	uint32_t rotations; /* of the refresh token */
	unsigned mismatch;  /* enum sojourn_mismatch, of a refresh */
	bool cached;        /* another call had verified it */
};

/*
 * Gives the claims of an access token that a refresh token is to get: `kept`
 * are those that its login was created with.  claims: a buffer of *bytes bytes
 * for one JSON object; *bytes becomes its length.  It may call the library.
 * 0, or a negative errno value to give up, which the call then returns; the
 * refresh token is still unused then.
 */
typedef int (*sojourn_claims_fn)(void *arg,
				 const struct sojourn_token_info *info,
				 const char *kept, size_t kept_bytes,
				 char *claims, size_t *bytes);

/* Call sojourn_token_options_init() first. */
struct sojourn_token_options {
	const char *issuer;       /* iss: of tokens, and demanded */
	const char *audience;     /* aud: the same */
	uint64_t access_ttl_ms;   /* default 10 min; at least 1 s, and 61 s (for
				   any skew, and whole seconds) less than the
				   ttl of "revoked" (1 day) */
	uint32_t skew_ms;         /* of clocks; default 5 s, at most 60 s */
	uint32_t token_bytes_max; /* default SOJOURN_TOKEN_BYTES */
	/*
	 * Verified tokens are kept in the segment ("verified"), so that no
	 * process has to verify them again; default off.  They take entries
	 * and memory of the segment, and it can evict them.  Only processes
	 * with the same keys, issuer and audience share them.
	 */
	bool cache;
	sojourn_claims_fn claims; /* NULL: those of the login */
	void *claims_arg;
	/* Unix time in ms; NULL: that of the system.  For tests. */
	uint64_t (*unix_ms)(void *arg);
	void *unix_arg;
};

SOJOURN_API void sojourn_token_options_init(struct sojourn_token_options *o);

/**
 * sojourn_tokens_open - issue and verify tokens with the keys of a segment
 * @s, @keys:	must stay until sojourn_tokens_close()
 * @options:	copied, strings too
 *
 * Any thread may use the result at any time, and children that a fork makes.
 * A segment that is attached read-only can verify.
 *
 * Returns 0, -EINVAL (the text names option, value and rule), -ENOMEM.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_tokens_open(struct sojourn *s, struct sojourn_keys *keys,
		    const struct sojourn_token_options *options,
		    struct sojourn_tokens **tokens);
/* No other call may use it then.  NULL is fine. */
SOJOURN_API void sojourn_tokens_close(struct sojourn_tokens *tokens);

/* Begin with all bytes zero. */
struct sojourn_token_new {
	const char *subject; /* sub: 1 to 255 bytes, UTF-8 */
	/*
	 * A JSON object with more claims, or NULL.  Not iss, sub, aud, exp,
	 * nbf, iat, jti and sjn, which are set here.  It is kept with the
	 * refresh token, for the access tokens to come.  At most
	 * SOJOURN_CLAIMS_BYTES_MAX bytes, white space too.
	 */
	const char *claims;
	size_t claims_bytes;
	struct sojourn_metadata metadata; /* of the refresh token */
	uint64_t access_ttl_ms;  /* of this token; 0: the option's, which is
				    also the most */
	uint64_t refresh_ttl_ms; /* 0: that of the collection "refresh" */
	uint64_t not_before_ms;  /* nbf, from now, at least 1 s less than the
				    ttl of this token; 0: none */
};

/**
 * sojourn_token_create - a pair for a subject that has logged in
 * @access:	gets the access token and a NUL
 * @bytes:	in: its size, SOJOURN_TOKEN_BYTES_MAX + 1 is always enough; out:
 *		bytes of the token without NUL, also on -ENOBUFS
 * @refresh:	gets the refresh token, which is kept nowhere else; NULL: none is
 *		made, and the access token ends with its time
 * @info:	may be NULL
 *
 * Returns 0; -EINVAL (also bad claims); -EPERM (the keys only verify);
 * -EMSGSIZE (over token_bytes_max or SOJOURN_CLAIMS_BYTES_MAX); -ENOBUFS;
 * -ENOMEM; as sojourn_session_create().  On failure neither token is of any use.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_token_create(struct sojourn_tokens *tokens,
		     const struct sojourn_token_new *what, char *access,
		     size_t *bytes, char refresh[SOJOURN_REFRESH_CHARS + 1],
		     struct sojourn_token_info *info);

/**
 * sojourn_token_verify - is an access token good, and what does it say
 * @token:	its text, @chars bytes; need not end with NUL
 * @claims:	gets the JSON object that was signed, and a NUL; NULL: not wanted
 * @bytes:	in: size of claims; out: bytes of the object, also on -ENOBUFS;
 *		NULL: claims are not wanted
 * @info:	may be NULL
 *
 * Wait-free but for lost races; stores nothing but what `cache` asks for.
 * Returns 0; -EACCES with reason SOJOURN_REFUSED (info->reason and the text say
 * which rule was broken); -ENOBUFS.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_token_verify(struct sojourn_tokens *tokens, const char *token,
		     size_t chars, char *claims, size_t *bytes,
		     struct sojourn_token_info *info);

/**
 * sojourn_token_refresh - the next pair
 * @refresh:	the refresh token, used up by this
 * @client:	who asks, for the rules of the collection "refresh" on device, ip
 *		and user agent, against the metadata of the login; may be NULL
 * @access, @bytes: as for sojourn_token_create()
 * @new_refresh: gets the next refresh token; may be the same buffer, which is
 *		left alone on failure
 *
 * Two that use one refresh token at a time get the same next one, and an access
 * token each; so does who asks again within grace_window_ms of "refresh".
 *
 * Returns 0; -EPERM with reason SOJOURN_REUSED: it was used before, and all
 * tokens of its login are void now (info has the subject); -EPERM with reason
 * SOJOURN_BINDING: used from elsewhere; -ENOENT with its reason: it is over;
 * -ECANCELED with SOJOURN_SUPERSEDED: it was good when the call began, but others
 * used it and what followed so often meanwhile that its successor is forgotten;
 * other errors as sojourn_token_create(), and that of the options' claims
 * function: the token is still unused then.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_token_refresh(struct sojourn_tokens *tokens, const char *refresh,
		      const struct sojourn_metadata *client, char *access,
		      size_t *bytes,
		      char new_refresh[SOJOURN_REFRESH_CHARS + 1],
		      struct sojourn_token_info *info);

/*
 * Revocation.  Each holds in all processes when it has returned; a token that
 * was issued before the call is refused from then on, and one that is issued
 * after it is good, also within one millisecond.  Of those whose issue runs at
 * the same time, each is the one or the other for good, but who had a refresh
 * token of what is revoked gets nothing good out of it.
 *
 * A revocation needs an entry of the segment, of the collection "revoked", for
 * as long as tokens may live.  -ENOSPC: there was none, and nothing was done.
 * (Only if there was room to begin with and none to complete it, -ENOSPC means
 * that the refresh tokens have ended, and the tokens issued before the call.)
 * Killed in the middle it may be done or not: call again.
 */

/**
 * sojourn_token_revoke - end a login: logout
 * @token:	its access token, which may have expired, or a refresh token
 *
 * All its access tokens are refused and its refresh token is over.  0 for a
 * refresh token that is not known any more: nothing was refused, and its access
 * tokens live on until they expire.
 * Returns 1; 0 with its reason (no such refresh token); -EACCES with reason
 * SOJOURN_REFUSED (no token of ours); -ENOSPC, -EBUSY.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_token_revoke(struct sojourn_tokens *tokens, const char *token);

/* The same for all logins of a subject.  Returns how many refresh tokens
 * ended. */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_token_revoke_subject(struct sojourn_tokens *tokens,
			     const char *subject);

/* Refuses the access tokens that a login has now.  Its refresh token stays, and
 * gets good ones: after a change of rights.  Returns as revoke. */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_token_restrict(struct sojourn_tokens *tokens, const char *token);
/* The same for all logins of a subject.  0 or an error. */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_token_restrict_subject(struct sojourn_tokens *tokens,
			       const char *subject);

#ifdef __cplusplus
}
#endif

#endif /* SOJOURN_TOKEN_H */
