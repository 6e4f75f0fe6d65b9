/* SPDX-License-Identifier: MIT */

/*
 * Sealed segments on a processor without instructions for AES: one whose values
 * are sealed with it is refused, in words, and a new one uses the other cipher.
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

static void without_aes(void)
{
	struct named n;

	if (soj_secret_init() < 0 || !soj_cipher_here(SOJ_CIPHER_AES256GCM)) {
		puts("this processor has none");
		return;
	}
	MUST(make(&n, SOJOURN_SEAL_ON) == 0);
	MUST(n.s->st.seg.flags & SOJ_SHM_SEAL_AES);
	MUST(attach_again(&n) == 0);
	soj_cipher_no_aes = true;
	MUST(attach_again(&n) == -ENOTSUP);
	MUST(strstr(sojourn_error_text(), "AES-256-GCM"));
	soj_cipher_no_aes = false;
	end(&n);
	soj_cipher_no_aes = true;
	MUST(make(&n, SOJOURN_SEAL_AES256GCM) == -ENOTSUP);
	MUST(attach_again(&n) == -ENOENT);
	MUST(make(&n, SOJOURN_SEAL_ON) == 0);
	MUST(n.s->st.seg.flags & SOJ_SHM_SEAL_XCHACHA);
	MUST(attach_again(&n) == 0);
	soj_cipher_no_aes = false;
	end(&n);
}

int main(int argc, char **argv)
{
	static const struct found_case cases[] = {
		{"without-aes", without_aes},
	};

	return found_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
