/* SPDX-License-Identifier: MIT */

/*
 * Texts from strangers and operators: cookies, ids, handles, names of
 * segments, subjects and metadata, durations, sizes and numbers of the
 * commands, and what is written for people and programs.
 *
 * Checked besides memory: a cookie that is written is found again; a number
 * that parses is within its range; JSON that is written parses, and is UTF-8;
 * what a terminal gets has no control character; an id or handle that is none
 * finds nothing; a session gives back the very bytes it was made of.
 *
 * options: -max_len=700
 */

#include <errno.h>
#include <jansson.h>
#include <sojourn/cookie.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib_args.h"
#include "lib_json.h"
#include "lib_small.h"
#include "lib_text.h"

static void cookie_written(struct fuzz_in *in)
{
	char name[32], value[64], path[64], domain[64];
	char line[SOJOURN_COOKIE_BUF_BYTES];
	struct sojourn_cookie c = {.name = name, .value = value};
	unsigned how = (unsigned)fuzz_take(in, 1);
	const char *found;
	size_t bytes, found_bytes;
	int rc;

	fuzz_string(in, name, sizeof(name) - 1);
	fuzz_string(in, value, sizeof(value) - 1);
	fuzz_string(in, path, sizeof(path) - 1);
	fuzz_string(in, domain, sizeof(domain) - 1);
	c.path = how & 1 ? path : NULL;
	c.domain = how & 2 ? domain : NULL;
	c.secure = how & 4;
	c.max_age_s = (uint32_t)fuzz_take(in, 4);
	c.same_site = (enum sojourn_same_site)(how >> 6);
	rc = sojourn_cookie_format(line, sizeof(line), &c, &bytes);
	FUZZ_CHECK((rc == 0) == (sojourn_cookie_strerror(&c) == NULL));
	if (rc < 0)
		return;
	FUZZ_CHECK(strlen(line) == bytes);
	for (size_t i = 0; i < bytes; i++)
		FUZZ_CHECK(line[i] >= 0x20 && line[i] < 0x7f);
	bytes = strcspn(line, ";");
	FUZZ_CHECK(sojourn_cookie_find(line, bytes, name, &found,
				       &found_bytes) == 0);
	FUZZ_CHECK(found_bytes == strlen(value) &&
		   memcmp(found, value, found_bytes) == 0);
	FUZZ_CHECK(sojourn_cookie_format_clear(line, sizeof(line), &c,
					       &bytes) == 0);
}

static void cookie_found(struct fuzz_in *in)
{
	char name[16];
	const char *value = NULL;
	size_t value_bytes, bytes;
	char *header;
	int rc;

	fuzz_string(in, name, sizeof(name) - 1);
	bytes = in->left;
	header = malloc(bytes ? bytes : 1);
	FUZZ_CHECK(header);
	memcpy(header, in->at, bytes);
	rc = sojourn_cookie_find(header, bytes, name, &value, &value_bytes);
	FUZZ_CHECK((rc == 0) == (value != NULL));
	if (rc == 0)
		FUZZ_CHECK(value >= header &&
			   value + value_bytes <= header + bytes);
	free(header);
}

static void numbers(struct fuzz_in *in)
{
	uint64_t min = fuzz_take(in, 8), max = fuzz_take(in, 8), value = 0;
	char text[40], shown[SOJ_TEXT_NUMBER_CHARS];
	uint64_t again;

	fuzz_string(in, text, sizeof(text) - 1);
	if (soj_args_number(text, min, max, &value) == 0)
		FUZZ_CHECK(value >= min && value <= max);
	if (soj_args_size(text, &value) == 0)
		soj_text_size(shown, value);
	/* What is whole in two units is shown so that it parses again. */
	if (soj_args_duration(text, &value) == 0 && value % 60000 == 0) {
		soj_text_duration(shown, value);
		FUZZ_CHECK(soj_args_duration(shown, &again) == 0);
		FUZZ_CHECK(again <= value);
	}
}

static void written(struct fuzz_in *in)
{
	char *out = NULL, text[64];
	size_t bytes = 0;
	struct soj_json j;
	json_t *parsed;
	FILE *file = open_memstream(&out, &bytes);

	FUZZ_CHECK(file);
	fuzz_string(in, text, sizeof(text) - 1);
	soj_json_init(&j, file);
	soj_json_object(&j, NULL);
	soj_json_string(&j, "text", text);
	soj_json_string_n(&j, "bytes", in->at, in->left);
	soj_json_base64(&j, "base64", in->at, in->left);
	soj_json_u64(&j, "number", fuzz_take(in, 8));
	soj_json_close(&j);
	fclose(file);
	FUZZ_CHECK(soj_text_is_utf8(out, bytes));
	parsed = json_loadb(out, bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
			    NULL);
	/* jansson has no number above that of int64_t. */
	if (parsed == NULL)
		FUZZ_CHECK(strstr(out, "\"number\":1") ||
			   strstr(out, "\"number\":9"));
	json_decref(parsed);
	free(out);
	out = NULL;
	file = open_memstream(&out, &bytes);
	FUZZ_CHECK(file);
	soj_text_put(file, text);
	fclose(file);
	for (size_t i = 0; i < bytes; i++)
		FUZZ_CHECK((uint8_t)out[i] > 0x20 && out[i] != 0x7f);
	free(out);
}

/* None of these is one of the segment's. */
static void strange_names(struct fuzz_in *in, struct sojourn *s)
{
	char text[300], hash[SOJOURN_LOG_HASH_CHARS + 1];
	struct sojourn_info info;
	struct soj_seg_error err;

	fuzz_string(in, text, sizeof(text) - 1);
	if (soj_seg_name_check(text, &err) == 0)
		FUZZ_CHECK(strchr(text, '/') == NULL && text[0] != '.' &&
			   strlen(text) <= SOJ_SEG_NAME_MAX);
	FUZZ_CHECK(sojourn_session_read(s, text, NULL, NULL, NULL, &info) ==
		   -ENOENT);
	FUZZ_CHECK(sojourn_session_renew(s, text, &info) == -ENOENT);
	FUZZ_CHECK(sojourn_session_touch(s, text) == -ENOENT);
	FUZZ_CHECK(sojourn_session_delete(s, text) == 0);
	FUZZ_CHECK(sojourn_session_delete_handle(s, text) == 0);
	FUZZ_CHECK(sojourn_session_update(s, text, "x", 1, 0, NULL) == -ENOENT);
	sojourn_log_hash(s, text, hash);
	FUZZ_CHECK(strlen(hash) == SOJOURN_LOG_HASH_CHARS);
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static void any_bytes(struct fuzz_in *in, struct sojourn *s)
{
	char subject[300], ip[40], agent[200], id[SOJOURN_ID_CHARS_MAX + 1];
	struct sojourn_new n = {.subject = subject};
	unsigned how = (unsigned)fuzz_take(in, 1);
	struct sojourn_info info;
	int rc;

	fuzz_string(in, subject, sizeof(subject) - 1);
	fuzz_string(in, ip, sizeof(ip) - 1);
	fuzz_string(in, agent, sizeof(agent) - 1);
	n.metadata.ip = how & 1 ? ip : NULL;
	n.metadata.user_agent = how & 2 ? agent : NULL;
	n.metadata.device_os = how & 4 ? agent : NULL;
	rc = sojourn_session_create(s, &n, id, &info);
	if (subject[0] == '\0' || strlen(subject) > SOJOURN_SUBJECT_BYTES_MAX) {
		FUZZ_CHECK(rc == -EINVAL);
		return;
	}
	if (rc < 0) /* a rule of bindings may want an address */
		return;
	FUZZ_CHECK(strcmp(info.subject, subject) == 0);
	FUZZ_CHECK(same(info.metadata.ip, n.metadata.ip));
	FUZZ_CHECK(same(info.metadata.user_agent, n.metadata.user_agent));
	FUZZ_CHECK(same(info.metadata.device_os, n.metadata.device_os));
	FUZZ_CHECK(same(info.metadata.location, NULL));
	FUZZ_CHECK(sojourn_session_delete_subject(s, subject, NULL) == 1);
}

static void in_segment(struct fuzz_in *in,
		       void (*fn)(struct fuzz_in *, struct sojourn *))
{
	struct sojourn *s;

	small();
	small_restore();
	FUZZ_CHECK(small_attach(false, &s) == 0);
	fn(in, s);
	sojourn_detach(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = {data, size};

	switch (fuzz_take(&in, 1) % 6) {
	case 0:
		cookie_written(&in);
		break;
	case 1:
		cookie_found(&in);
		break;
	case 2:
		numbers(&in);
		break;
	case 3:
		written(&in);
		break;
	case 4:
		in_segment(&in, strange_names);
		break;
	default:
		in_segment(&in, any_bytes);
		break;
	}
	return 0;
}
