/* SPDX-License-Identifier: MIT */

#include "lib_info.h"

#include <inttypes.h>

#include "lib_text.h"

/* Nothing ends later than this; what seems to has no end. */
#define FAR_MS UINT64_C(3155760000000) /* 100 years */

const char *soj_info_renewal_name(enum sojourn_renewal renewal)
{
	switch (renewal) {
	case SOJOURN_RENEWAL_WON:
		return "won";
	case SOJOURN_RENEWAL_DONE:
		return "done";
	case SOJOURN_RENEWAL_HERE:
		return "here";
	case SOJOURN_RENEWAL_ELSEWHERE:
		return "elsewhere";
	default:
		return "none";
	}
}

static uint64_t since(uint64_t now_ms, uint64_t then_ms)
{
	return now_ms > then_ms ? now_ms - then_ms : 0;
}

static bool is_far(uint64_t now_ms, uint64_t then_ms)
{
	return since(then_ms, now_ms) > FAR_MS;
}

static void put_deadline(struct soj_json *j, const struct sojourn *s,
			 const char *unix_key, const char *left_key,
			 uint64_t then_ms)
{
	const uint64_t now_ms = sojourn_now_ms(s);

	if (is_far(now_ms, then_ms)) {
		soj_json_null(j, unix_key);
		soj_json_null(j, left_key);
		return;
	}
	soj_json_u64(j, unix_key, sojourn_unix_ms(s, then_ms));
	soj_json_u64(j, left_key, since(then_ms, now_ms));
}

static void put_metadata(struct soj_json *j, const struct sojourn_metadata *m)
{
	soj_json_object(j, "metadata");
	soj_json_string(j, "ip", m->ip);
	soj_json_string(j, "user_agent", m->user_agent);
	soj_json_string(j, "location", m->location);
	soj_json_string(j, "device_id", m->device_id);
	soj_json_string(j, "device_name", m->device_name);
	soj_json_string(j, "device_type", m->device_type);
	soj_json_string(j, "device_client", m->device_client);
	soj_json_string(j, "device_os", m->device_os);
	soj_json_close(j);
}

void soj_info_json(struct soj_json *j, const struct sojourn *s,
		   const struct sojourn_info *info)
{
	const uint64_t now_ms = sojourn_now_ms(s);

	soj_json_string(j, "handle", info->handle);
	soj_json_string(j, "log_hash",
			info->log_hash[0] != '\0' ? info->log_hash : NULL);
	soj_json_string(j, "subject", info->subject);
	soj_json_string(j, "collection", info->collection);
	soj_json_u64(j, "created_unix_ms",
		     sojourn_unix_ms(s, info->created_ms));
	soj_json_u64(j, "age_ms", since(now_ms, info->created_ms));
	soj_json_u64(j, "accessed_unix_ms",
		     sojourn_unix_ms(s, info->accessed_ms));
	soj_json_u64(j, "idle_ms", since(now_ms, info->accessed_ms));
	put_deadline(j, s, "expires_unix_ms", "expires_in_ms",
		     info->expires_ms);
	put_deadline(j, s, "deadline_unix_ms", "deadline_in_ms",
		     info->deadline_ms);
	if (info->idle_timeout_ms != 0)
		soj_json_u64(j, "idle_timeout_ms", info->idle_timeout_ms);
	else
		soj_json_null(j, "idle_timeout_ms");
	soj_json_u64(j, "version", info->version);
	soj_json_u64(j, "bytes", info->data_bytes);
	soj_json_u64(j, "renewals", info->renewals);
	soj_json_bool(j, "renewed", info->renewed);
	soj_json_string(j, "renewal", soj_info_renewal_name(info->renewal));
	if (info->new_id[0] != '\0')
		soj_json_string(j, "new_id", info->new_id);
	put_metadata(j, &info->metadata);
}

static void put_heading(FILE *out)
{
	fprintf(out, "%-24s %-7s %-9s %-9s %-9s %7s %7s %s\n", "HANDLE",
		"STATE", "AGE", "IDLE", "ENDS-IN", "BYTES", "VERSION",
		"COLLECTION IP DEVICE LOCATION");
}

static void put_line(FILE *out, const struct sojourn *s,
		     const struct sojourn_info *info)
{
	const struct sojourn_metadata *m = &info->metadata;
	const uint64_t now_ms = sojourn_now_ms(s);
	char age[SOJ_TEXT_NUMBER_CHARS];
	char idle[SOJ_TEXT_NUMBER_CHARS];
	char left[SOJ_TEXT_NUMBER_CHARS] = "never";

	soj_text_duration(age, since(now_ms, info->created_ms));
	soj_text_duration(idle, since(now_ms, info->accessed_ms));
	if (!is_far(now_ms, info->deadline_ms))
		soj_text_duration(left, since(info->deadline_ms, now_ms));
	fprintf(out, "%-24s %-7s %-9s %-9s %-9s %7" PRIu32 " %7" PRIu64 " ",
		info->handle, info->renewed ? "renewed" : "live", age, idle,
		left, info->data_bytes, info->version);
	soj_text_put(out, info->collection);
	fputc(' ', out);
	soj_text_put(out, m->ip);
	fputc(' ', out);
	soj_text_put(out, m->device_name);
	if (m->device_type != NULL) {
		fputc('/', out);
		soj_text_put(out, m->device_type);
	}
	fputc(' ', out);
	soj_text_put(out, m->location);
	fputc('\n', out);
}

int soj_info_list_put(void *list, const struct sojourn_info *info)
{
	struct soj_info_list *l = list;
	struct soj_json j;

	if (l->json) {
		soj_json_init(&j, stdout);
		soj_json_object(&j, NULL);
		soj_info_json(&j, l->s, info);
		soj_json_close(&j);
		return ferror(stdout);
	}
	if (!l->headed)
		put_heading(stdout);
	l->headed = true;
	put_line(stdout, l->s, info);
	return ferror(stdout);
}
