/* SPDX-License-Identifier: MIT */

/*
 * Segments on a processor without instructions for AES: one whose values are
 * sealed with it is refused, in words, and a new one uses the other cipher.  So
 * is one whose ids are digested by it, and a new one has another digest, which
 * processors with these instructions take, too.
 *
 *   crash_sealed [--list] [CASE...]
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crash/lib_found.h"

struct named {
	char name[64], key_file[96];
	struct sojourn *s;
};

static int make(struct named *n, enum sojourn_seal seal)
{
	struct sojourn_options o;

	snprintf(n->name, sizeof(n->name), "crash-sealed-%d", (int)getpid());
	snprintf(n->key_file, sizeof(n->key_file), "/tmp/%s.key", n->name);
	sojourn_options_init(&o);
	o.entries_max = 16;
	o.segment_bytes = 2u << 20;
	o.helper = SOJOURN_HELPER_NONE;
	o.key_file = n->key_file;
	o.seal = seal;
	return sojourn_create(n->name, &o, &n->s);
}

static int attach_again(const struct named *n)
{
	const struct sojourn_attach_options a = {.key_file = n->key_file};
	struct sojourn *again;
	int rc = sojourn_attach(n->name, &a, &again);

	if (rc == 0)
		sojourn_detach(again);
	return rc;
}

static void end(struct named *n)
{
	sojourn_detach(n->s);
	MUST(sojourn_destroy(n->name) == 0);
	unlink(n->key_file);
}

/* False: there is nothing to be without.  Else AES is gone when it returns. */
static bool refused(enum sojourn_seal seal, uint32_t flag, const char *why)
{
	struct named n;

	if (soj_secret_init() < 0 || !soj_mac_here()) {
		puts("this processor has none");
		return false;
	}
	MUST(make(&n, seal) == 0);
	MUST(n.s->st.seg.flags & flag);
	MUST(attach_again(&n) == 0);
	soj_cipher_no_aes = true;
	MUST(attach_again(&n) == -ENOTSUP);
	MUST(strstr(sojourn_error_text(), why));
	soj_cipher_no_aes = false;
	end(&n);
	soj_cipher_no_aes = true;
	return true;
}

static void without_aes(void)
{
	struct named n;

	if (!refused(SOJOURN_SEAL_ON, SOJ_SHM_SEAL_AES, "AES-256-GCM"))
		return;
	MUST(make(&n, SOJOURN_SEAL_AES256GCM) == -ENOTSUP);
	MUST(attach_again(&n) == -ENOENT);
	MUST(make(&n, SOJOURN_SEAL_ON) == 0);
	MUST(n.s->st.seg.flags & SOJ_SHM_SEAL_XCHACHA);
	MUST(attach_again(&n) == 0);
	soj_cipher_no_aes = false;
	end(&n);
}

static void ids_without_aes(void)
{
	const struct sojourn_new what = {.subject = "me"};
	char id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_attach_options a;
	struct sojourn *again;
	struct named n;

	if (!refused(SOJOURN_SEAL_OFF, SOJ_SHM_IDS_AES, "AES-128"))
		return;
	MUST(make(&n, SOJOURN_SEAL_OFF) == 0);
	MUST(!(n.s->st.seg.flags & SOJ_SHM_IDS_AES));
	MUST(sojourn_session_create(n.s, &what, id, NULL) == 0);
	soj_cipher_no_aes = false;
	a = (struct sojourn_attach_options){.key_file = n.key_file};
	MUST(sojourn_attach(n.name, &a, &again) == 0);
	MUST(sojourn_session_delete(again, id) == 1);
	sojourn_detach(again);
	end(&n);
}

int main(int argc, char **argv)
{
	static const struct found_case cases[] = {
		{"without-aes", without_aes},
		{"ids-without-aes", ids_without_aes},
	};

	return found_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
