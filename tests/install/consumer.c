/* SPDX-License-Identifier: MIT */

/*
 * A program of somebody else: it sees the installed headers and library only.
 * It is compiled as C and as C++, makes a session in a named segment, reads it,
 * ends it, and prints the library's version.
 *
 * usage: consumer NAME KEY_FILE [spawn]
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <sojourn/sojourn.h>
#include <sojourn/version.h>

static int failed(const char *what, int rc)
{
	fprintf(stderr, "%s: %s: %s\n", what, sojourn_strerror(rc),
		sojourn_error_text());
	return 1;
}

static int login_and_out(struct sojourn *s)
{
	static const char cart[] = "three apples";
	struct sojourn_new login;
	char id[SOJOURN_ID_CHARS_MAX + 1];
	char data[64];
	size_t bytes = sizeof(data);
	int rc;

	memset(&login, 0, sizeof(login));
	login.subject = "alice";
	login.data = cart;
	login.data_bytes = sizeof(cart);
	rc = sojourn_session_create(s, &login, id, NULL);
	if (rc != 0)
		return failed("create a session", rc);
	rc = sojourn_session_read(s, id, NULL, data, &bytes, NULL);
	if (rc != 0)
		return failed("read it", rc);
	if (bytes != sizeof(cart) || memcmp(data, cart, bytes) != 0) {
		fprintf(stderr, "%zu other bytes came back\n", bytes);
		return 1;
	}
	rc = sojourn_session_delete(s, id);
	if (rc != 1)
		return failed("delete it", rc);
	rc = sojourn_session_read(s, id, NULL, data, &bytes, NULL);
	if (rc != -ENOENT)
		return failed("it is still there", rc);
	return 0;
}

int main(int argc, char **argv)
{
	struct sojourn_options options;
	struct sojourn *s;
	int rc;

	if (argc < 3)
		return 64;
	if (strcmp(sojourn_version(), SOJOURN_VERSION) != 0) {
		fprintf(stderr, "headers are %s, the library is %s\n",
			SOJOURN_VERSION, sojourn_version());
		return 1;
	}

	sojourn_options_init(&options);
	options.entries_max = 1000;
	options.segment_bytes = 16 * 1024 * 1024;
	options.key_file = argv[2];
	options.helper = argc > 3 ? SOJOURN_HELPER_SPAWN : SOJOURN_HELPER_NONE;
	rc = sojourn_create(argv[1], &options, &s);
	if (rc != 0)
		return failed("create the segment", rc);
	rc = login_and_out(s);
	sojourn_detach(s);
	if (sojourn_destroy(argv[1]) != 0)
		return failed("destroy the segment", -1);
	if (rc == 0)
		puts(sojourn_version());
	return rc;
}
