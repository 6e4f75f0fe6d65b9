/* SPDX-License-Identifier: MIT */

/*
 * What is compared with a secret takes the same way whatever the secret is.  It
 * starts valgrind itself.
 *
 * Memcheck is told that the secret is uninitialised, and then complains of each
 * branch and each address that depends on it (A. Langley, ctgrind, 2010).  One
 * branch there must be: the answer.  There may be as many as it likes, but no
 * more or fewer when the first byte differs, or the last, or none.
 *
 * Looking up an id is no such comparison: what is compared is its keyed digest,
 * of which a near miss is as far away as any.  That the way to the digest has no
 * branch that depends on the key is shown here; bench/timing.c has how long it
 * takes.
 */

#include <errno.h>
#include <sodium.h>
#include <sojourn/remember.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <valgrind/memcheck.h>

#include "session/session.h"
#include "token/sig.h"

#define HALF    32u /* of a token against forged requests: mask, proof */
#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

static unsigned cases, violations;
static volatile unsigned answers;

/* What differs. */
enum how { NOTHING, FIRST, LAST, HOWS };

static void must(bool so, const char *what)
{
	if (so)
		return;
	fprintf(stderr, "%s is not so: %s\n", what, sojourn_error_text());
	exit(1);
}
#define MUST(what) must(what, #what)

static void spoil(uint8_t *at, size_t bytes, enum how how)
{
	if (how != NOTHING)
		at[how == FIRST ? 0 : bytes - 1] ^= 0x40;
}

/* from: a way that has another end is not compared. */
static void judge(const char *name, const unsigned events[HOWS], enum how from)
{
	bool good = events[LAST] > 0;

	for (enum how h = from; h < HOWS; h++)
		good &= events[h] == events[LAST];
	printf("%-34s branches %u %u %u%s\n", name, events[NOTHING],
	       events[FIRST], events[LAST], good ? "" : "  VIOLATION");
	cases++;
	violations += !good;
}

static unsigned seen_since(unsigned before)
{
	return (unsigned)VALGRIND_COUNT_ERRORS - before;
}

/* ---- the cases ---- */

static void equal_bytes(void)
{
	unsigned events[HOWS];

	for (enum how h = NOTHING; h < HOWS; h++) {
		uint8_t secret[32], other[32];
		unsigned before = (unsigned)VALGRIND_COUNT_ERRORS;
		bool same;

		soj_random(secret, sizeof(secret));
		memcpy(other, secret, sizeof(other));
		spoil(other, sizeof(other), h);
		(void)VALGRIND_MAKE_MEM_UNDEFINED(secret, sizeof(secret));
		same = soj_equal(secret, other, sizeof(secret));
		/* Somebody has to ask. */
		if (same)
			answers++;
		events[h] = seen_since(before);
	}
	judge("equal", events, NOTHING);
}

static void forged_requests(struct sojourn *s, const char *id)
{
	char token[HOWS][SOJOURN_CSRF_CHARS + 1];
	unsigned events[HOWS];
	uint8_t raw[2 * HALF];

	for (enum how h = NOTHING; h < HOWS; h++) {
		MUST(sojourn_csrf_token(s, id, token[h]) == 0);
		MUST(sodium_base642bin(raw, sizeof(raw), token[h],
				       SOJOURN_CSRF_CHARS, NULL, NULL, NULL,
				       VARIANT) == 0);
		spoil(raw + HALF, HALF, h);
		sodium_bin2base64(token[h], sizeof(token[h]), raw, sizeof(raw),
				  VARIANT);
		MUST((sojourn_csrf_check(s, id, token[h]) == 0) ==
		     (h == NOTHING));
	}
	(void)VALGRIND_MAKE_MEM_UNDEFINED(s->keys.csrf, sizeof(s->keys.csrf));
	for (enum how h = NOTHING; h < HOWS; h++) {
		unsigned before = (unsigned)VALGRIND_COUNT_ERRORS;

		(void)!sojourn_csrf_check(s, id, token[h]);
		events[h] = seen_since(before);
	}
	(void)VALGRIND_MAKE_MEM_DEFINED(s->keys.csrf, sizeof(s->keys.csrf));
	judge("token of a form", events, NOTHING);
}

/* The digest of the valid token lies before the data of its family. */
static soj_word_t *stored_digest(struct sojourn *s, const char *handle)
{
	uint64_t ref = soj_handle_ref(&s->st, handle), ctl;
	struct soj_chunk_view view = {0};

	MUST(ref != 0);
	ctl = soj_load_acquire(&soj_entry(&s->st, soj_ref_entry(ref))->ctl);
	MUST(soj_chunk_look(&s->st, soj_ctl_chunk(ctl), &view));
	return view.data;
}

/* What is stored is spoilt, as nobody can aim at a digest; then each is a use of
 * a token that is not the valid one.  The one that is goes another way. */
static void used_tokens(struct sojourn *s)
{
	const struct sojourn_new n = {.subject = "anna"};
	unsigned events[HOWS] = {0};

	for (enum how h = FIRST; h < HOWS; h++) {
		char token[SOJOURN_REMEMBER_CHARS + 1];
		struct sojourn_info info;
		soj_word_t *digest;
		uint8_t copy[16];
		unsigned before;
		int rc;

		MUST(sojourn_remember_create(s, &n, token, &info) == 0);
		digest = stored_digest(s, info.handle);
		soj_copy_out(copy, digest, sizeof(copy));
		spoil(copy, sizeof(copy), h);
		soj_copy_in(digest, copy, sizeof(copy));
		(void)VALGRIND_MAKE_MEM_UNDEFINED(digest, sizeof(copy));
		before = (unsigned)VALGRIND_COUNT_ERRORS;
		rc = sojourn_remember_use(s, token, NULL, token, NULL, NULL,
					  NULL);
		events[h] = seen_since(before);
		MUST(rc == -EPERM);
	}
	judge("remembered login", events, FIRST);
}

static void access_tokens(void)
{
	static const char text[] = "header.claims";
	uint8_t good[SOJ_SIGNATURE_BYTES_MAX], sig[SOJ_SIGNATURE_BYTES_MAX];
	struct soj_jwk *key;
	unsigned events[HOWS];
	const char *why;
	size_t bytes;

	MUST(soj_jwk_generate(SOJOURN_TOKEN_HS256, 0, "k", &key, &why) == 0);
	bytes = key->signature_bytes;
	MUST(soj_sig_sign(key, text, sizeof(text), good) == 0);
	for (enum how h = NOTHING; h < HOWS; h++) {
		unsigned before;

		memcpy(sig, good, bytes);
		spoil(sig, bytes, h);
		before = (unsigned)VALGRIND_COUNT_ERRORS;
		(void)VALGRIND_MAKE_MEM_UNDEFINED(sig, bytes);
		(void)!soj_sig_verify(key, text, sizeof(text), sig, bytes);
		events[h] = seen_since(before);
	}
	soj_jwk_destroy(key);
	judge("signature by a shared key", events, NOTHING);
}

/* None at all: of the keys that make digests of ids, and what was made of them. */
static void digests_by(struct sojourn *s, const char *id, uint32_t flags,
		       const char *what)
{
	const uint32_t was = s->st.seg.flags;
	struct soj_digest digest;
	unsigned before = (unsigned)VALGRIND_COUNT_ERRORS, events;

	(void)VALGRIND_MAKE_MEM_UNDEFINED(&s->keys, sizeof(s->keys));
	(void)VALGRIND_MAKE_MEM_UNDEFINED(&s->id_begun, sizeof(s->id_begun));
	(void)VALGRIND_MAKE_MEM_UNDEFINED(&s->id_mac, sizeof(s->id_mac));
	s->st.seg.flags = flags;
	(void)soj_id_digest(s, id, &digest);
	s->st.seg.flags = was;
	events = seen_since(before);
	(void)VALGRIND_MAKE_MEM_DEFINED(&s->keys, sizeof(s->keys));
	(void)VALGRIND_MAKE_MEM_DEFINED(&s->id_begun, sizeof(s->id_begun));
	(void)VALGRIND_MAKE_MEM_DEFINED(&s->id_mac, sizeof(s->id_mac));
	cases++;
	violations += events > 0;
	printf("%-34s branches %u%s\n", what, events,
	       events ? "  VIOLATION" : "");
}

static void digests(struct sojourn *s, const char *id)
{
	digests_by(s, id, s->st.seg.flags, "digest of an id");
	digests_by(s, id, 0, "digest of an id, without AES");
}

/* ---- */

static struct sojourn *make(char id[SOJOURN_ID_CHARS_MAX + 1])
{
	const struct sojourn_new n = {.subject = "anna"};
	struct sojourn_options o;
	struct sojourn *s;

	sojourn_options_init(&o);
	o.entries_max = 100;
	o.threads_max = 4;
	o.segment_bytes = 2u << 20;
	o.helper = SOJOURN_HELPER_NONE;
	MUST(sojourn_create(NULL, &o, &s) == 0);
	MUST(sojourn_session_create(s, &n, id, NULL) == 0);
	return s;
}

int main(int argc, char **argv)
{
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn *s;

	(void)argc;
	if (!RUNNING_ON_VALGRIND) {
		execlp("valgrind", "valgrind", "--quiet", "--error-limit=no",
		       "--log-file=/dev/null", argv[0], (char *)NULL);
		puts("skipped: there is no valgrind");
		return 77;
	}
	s = make(id);
	equal_bytes();
	forged_requests(s, id);
	used_tokens(s);
	access_tokens();
	digests(s, id);
	sojourn_detach(s);
	printf("result branch_cases=%u violations=%u\n", cases, violations);
	return violations > 0;
}
