/* SPDX-License-Identifier: MIT */

/* The replies of `sojourn demo` to programs: one JSON object each, always with
 * the pid of the worker.  A session id is in none of them: it travels in the
 * cookie only. */

#include "demo_views.h"

#include <unistd.h>

#include "demo_http.h"
#include "lib_json.h"

static void begin(struct soj_demo_request *r, struct soj_json *j)
{
	soj_json_init(j, r->reply.out);
	soj_json_object(j, NULL);
	soj_json_i64(j, "pid", (int64_t)getpid());
}

/* 0 when it is over. */
static uint64_t left_ms(const struct soj_demo_request *r, uint64_t deadline_ms)
{
	uint64_t now = sojourn_now_ms(r->demo->segment);

	return deadline_ms > now ? deadline_ms - now : 0;
}

void soj_demo_json_number(struct soj_demo_request *r, const char *key,
			  uint64_t value)
{
	struct soj_json j;

	begin(r, &j);
	soj_json_u64(&j, key, value);
	soj_json_close(&j);
}

void soj_demo_json_text(struct soj_demo_request *r, const char *key,
			const char *value)
{
	struct soj_json j;

	begin(r, &j);
	soj_json_string(&j, key, value);
	soj_json_close(&j);
}

void soj_demo_json_home(struct soj_demo_request *r)
{
	struct soj_json j;

	begin(r, &j);
	soj_json_string(&j, "segment", r->demo->name);
	soj_json_u64(&j, "workers", r->demo->workers);
	soj_json_close(&j);
}

void soj_demo_json_profile(struct soj_demo_request *r)
{
	const struct soj_demo_session *session = &r->session;
	const struct sojourn_info *info = &session->info;
	char csrf[SOJOURN_CSRF_CHARS + 1];
	struct soj_json j;

	soj_demo_session_csrf(r, csrf);
	begin(r, &j);
	soj_json_string(&j, "user", info->subject);
	soj_json_u64(&j, "counter", session->data.counter);
	soj_json_bool(&j, "counted", r->counted);
	soj_json_string(&j, "csrf", csrf);
	soj_json_string(&j, "handle", info->handle);
	soj_json_string(&j, "device", info->metadata.device_name);
	soj_json_u64(&j, "version", info->version);
	soj_json_u64(&j, "renewals", info->renewals);
	soj_json_string(&j, "renewal", soj_demo_session_renewal_name(session));
	soj_json_u64(&j, "expires_in_ms", left_ms(r, info->deadline_ms));
	soj_json_close(&j);
}

void soj_demo_json_devices(struct soj_demo_request *r,
			   const struct soj_demo_devices *devices)
{
	struct sojourn *segment = r->demo->segment;
	struct soj_json j;

	begin(r, &j);
	soj_json_array(&j, "devices");
	for (size_t i = 0; i < devices->count; i++) {
		const struct soj_demo_device *d = &devices->items[i];

		soj_json_object(&j, NULL);
		soj_json_string(&j, "handle", d->handle);
		soj_json_string(&j, "device", d->name);
		soj_json_string(&j, "ip", d->ip);
		soj_json_u64(&j, "created_unix_ms",
			     sojourn_unix_ms(segment, d->created_ms));
		soj_json_u64(&j, "accessed_unix_ms",
			     sojourn_unix_ms(segment, d->accessed_ms));
		soj_json_u64(&j, "expires_in_ms", left_ms(r, d->deadline_ms));
		soj_json_u64(&j, "renewals", d->renewals);
		soj_json_bool(&j, "current", d->current);
		soj_json_bool(&j, "renewed", d->renewed);
		soj_json_bool(&j, "remembers", d->remembers);
		soj_json_close(&j);
	}
	soj_json_close(&j);
	soj_json_close(&j);
}

void soj_demo_json_stat(struct soj_demo_request *r,
			const struct sojourn_stat *stat)
{
	struct soj_demo_lag lag;
	struct soj_json j;

	soj_demo_lag(stat, &lag);
	begin(r, &j);
	soj_json_string(&j, "segment", r->demo->name);
	soj_json_u64(&j, "now_ms", stat->now_ms);
	soj_json_u64(&j, "segment_bytes", stat->segment_bytes);
	soj_json_u64(&j, "entries_max", stat->entries_max);
	soj_json_u64(&j, "entries_live", stat->entries_live);
	soj_json_u64(&j, "entries_retired", stat->entries_retired);
	soj_json_u64(&j, "entries_owned", stat->entries_owned);
	soj_json_u64(&j, "entries_free", stat->entries_free);
	soj_json_u64(&j, "chunk_bytes", stat->chunk_bytes);
	soj_json_u64(&j, "chunk_bytes_live", stat->chunk_bytes_live);
	soj_json_u64(&j, "chunk_bytes_retired", stat->chunk_bytes_retired);
	soj_json_u64(&j, "chunk_bytes_free", stat->chunk_bytes_free);
	soj_json_u64(&j, "threads_max", stat->threads_max);
	soj_json_u64(&j, "threads_attached", stat->threads_attached);
	soj_json_u64(&j, "threads_dead", stat->threads_dead);
	soj_json_bool(&j, "helper_alive", stat->helper_alive);
	soj_json_u64(&j, "helper_beat_ms", stat->helper_beat_ms);
	soj_json_u64(&j, "epoch", stat->epoch);
	soj_json_u64(&j, "lag_count", lag.count);
	soj_json_u64(&j, "lag_p50_ms", lag.p50_ms);
	soj_json_u64(&j, "lag_p99_ms", lag.p99_ms);
	soj_json_object(&j, "counters");
	for (uint32_t i = 0; i < stat->counters; i++)
		soj_json_u64(&j, stat->counter[i].name, stat->counter[i].value);
	soj_json_close(&j);
	soj_json_close(&j);
}
