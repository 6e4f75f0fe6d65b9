/* SPDX-License-Identifier: MIT */

/* `sojourn stat`: the numbers of a segment, for people and for programs. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "lib_args.h"
#include "lib_image.h"
#include "lib_json.h"
#include "lib_rules.h"
#include "lib_text.h"

struct stat_input {
	const char *name;
	bool json;
	bool prometheus;
};

enum { OPT_JSON = 0x100, OPT_PROMETHEUS };

static const struct argp_option options[] = {
	{"json", OPT_JSON, NULL, 0, "One JSON object", 0},
	{"prometheus", OPT_PROMETHEUS, NULL, 0,
	 "Prometheus' text format (version 0.0.4)", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct stat_input *in = state->input;

	switch (key) {
	case OPT_JSON:
		in->json = true;
		break;
	case OPT_PROMETHEUS:
		in->prometheus = true;
		break;
	case ARGP_KEY_END:
		soj_args_name(state, key, arg, &in->name);
		if (in->json && in->prometheus)
			argp_error(state, "--json or --prometheus, not both");
		break;
	default:
		return soj_args_name(state, key, arg, &in->name);
	}
	return 0;
}

static const struct argp stat_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "NAME",
	.doc = "Shows the numbers of a segment: what is in it, what was done, "
	       "who is attached, how late the helper is. NAME may be a file "
	       "that holds a copy of a segment (a word with a '/'). Reads "
	       "only and needs no key.",
};

/* ---- what all forms show ---- */

static const char *const phase_names[4] = {"free", "owned", "live", "retired"};

static uint64_t class_payload(const struct soj_image *img, uint32_t class)
{
	/* Head and room for a short subject: store/store.h. */
	return img->st.classes[class].chunk_bytes - 32u;
}

static bool class_used(const struct soj_image_stat *stat, uint32_t class)
{
	return stat->classes[class].pages > 0;
}

static uint64_t beat_age_ms(const struct soj_image *img,
			    const struct soj_image_stat *stat)
{
	uint64_t beat_ms = soj_load_relaxed(&img->hdr.helper_beat_ms);

	return stat->now_ms > beat_ms ? stat->now_ms - beat_ms : 0;
}

static const struct {
	const char *name;
	size_t off; /* in the header */
} periods[] = {
	{"ttl", offsetof(struct soj_shm_header, collection[0].ttl_ms)},
	{"idle", offsetof(struct soj_shm_header, collection[0].idle_ms)},
	{"renewal", offsetof(struct soj_shm_header, collection[0].renewal_ms)},
	{"grace_window",
	 offsetof(struct soj_shm_header, collection[0].grace_window_ms)},
	{"redelivery",
	 offsetof(struct soj_shm_header, collection[0].redelivery_ms)},
	{"max_lifetime",
	 offsetof(struct soj_shm_header, collection[0].max_lifetime_ms)},
	{"lease", offsetof(struct soj_shm_header, policy.lease_ms)},
	{"expel_after", offsetof(struct soj_shm_header, policy.expel_after_ms)},
};

#define PERIODS (sizeof(periods) / sizeof(periods[0]))

static uint64_t period_ms(const struct soj_image *img, size_t i)
{
	uint64_t ms;

	memcpy(&ms, (const uint8_t *)&img->hdr + periods[i].off, sizeof(ms));
	return ms;
}

static const char *when_full(const struct soj_image *img)
{
	return img->hdr.policy.when_full == SOJ_FULL_EVICT ? "evict" : "reject";
}

/* ---- what is not as it should be ---- */

/* Counters that should stay zero, and what to do when they do not. */
static const struct {
	enum soj_counter counter;
	const char *text;
} warnings[] = {
	{SOJ_COUNT_evictions_young,
	 "sessions younger than an hour were evicted: make the segment larger"},
	{SOJ_COUNT_full,
	 "operations were refused, as the segment is full: make it larger, or "
	 "let it evict"},
	{SOJ_COUNT_busy,
	 "operations were given up after a thousand lost races: too many write "
	 "one session"},
	{SOJ_COUNT_reuses,
	 "tokens were used that had been rotated away: stolen, or a client "
	 "does not keep them"},
};

#define WARNINGS (sizeof(warnings) / sizeof(warnings[0]))

/* ---- JSON ---- */

static void json_sizes(struct soj_json *j, const struct soj_image *img,
		       const struct soj_image_stat *stat)
{
	const struct soj_layout *lay = soj_image_layout(img);

	soj_json_u64(j, "segment_bytes", lay->segment_bytes);
	soj_json_u64(j, "huge_pages_wanted",
		     soj_load_relaxed(&img->hdr.huge_wanted));
	soj_json_u64(j, "huge_pages", soj_load_relaxed(&img->hdr.huge_pages));
	soj_json_bool(j, "sealed", img->hdr.flags & SOJ_SHM_SEALED);
	soj_json_object(j, "entries");
	soj_json_u64(j, "max", lay->entries_max);
	for (unsigned p = 0; p < 4; p++)
		soj_json_u64(j, phase_names[p], stat->entries[p]);
	soj_json_u64(j, "ended", stat->entries_ended);
	soj_json_close(j);
	soj_json_object(j, "chunk_bytes");
	soj_json_u64(j, "all", (uint64_t)lay->units * SOJ_UNIT_BYTES);
	for (unsigned p = 0; p < 4; p++)
		soj_json_u64(j, phase_names[p],
			     soj_image_chunk_bytes(img, stat, p));
	soj_json_u64(j, "free_units", stat->units_free * SOJ_UNIT_BYTES);
	soj_json_close(j);
	soj_json_array(j, "classes");
	for (uint32_t c = 0; c < SOJ_CLASSES; c++) {
		if (!class_used(stat, c))
			continue;
		soj_json_object(j, NULL);
		soj_json_u64(j, "payload_bytes", class_payload(img, c));
		soj_json_u64(j, "pages", stat->classes[c].pages);
		for (unsigned p = 0; p < 4; p++)
			soj_json_u64(j, phase_names[p],
				     stat->classes[c].chunks[p]);
		soj_json_close(j);
	}
	soj_json_close(j);
}

static void json_policy(struct soj_json *j, const struct soj_image *img)
{
	soj_json_object(j, "policy");
	for (size_t i = 0; i < PERIODS; i++) {
		char key[32];

		snprintf(key, sizeof(key), "%s_ms", periods[i].name);
		soj_json_u64(j, key, period_ms(img, i));
	}
	soj_json_string(j, "when_full", when_full(img));
	soj_json_u64(j, "id_bytes", img->hdr.policy.id_bytes);
	soj_json_u64(j, "events_max", img->hdr.events_max);
	soj_rules_json(j, &img->hdr);
	soj_json_close(j);
	soj_rules_json_collections(j, &img->hdr);
}

static void json_helper(struct soj_json *j, const struct soj_image *img,
			const struct soj_image_stat *stat)
{
	soj_json_object(j, "helper");
	soj_json_bool(j, "alive", stat->helper_alive);
	if (stat->helper_alive)
		soj_json_u64(j, "pid", stat->helper_pid);
	else
		soj_json_null(j, "pid");
	if (soj_load_relaxed(&img->hdr.helper_beat_ms) != 0)
		soj_json_u64(j, "beat_age_ms", beat_age_ms(img, stat));
	else
		soj_json_null(j, "beat_age_ms");
	soj_json_bool(j, "asleep",
		      soj_load_relaxed(&img->hdr.helper_asleep) != 0);
	soj_json_object(j, "lag");
	soj_json_u64(j, "count", stat->lag_count);
	soj_json_u64(j, "p50_ms", stat->lag_p50_ms);
	soj_json_u64(j, "p99_ms", stat->lag_p99_ms);
	soj_json_u64(j, "max_ms", stat->lag_max_ms);
	soj_json_array(j, "buckets");
	for (uint32_t i = 0; i < SOJ_LAG_BUCKETS; i++)
		soj_json_u64(j, NULL, soj_load_relaxed(&img->hdr.lag[i]));
	soj_json_close(j);
	soj_json_close(j);
	soj_json_close(j);
}

static void put_json(const struct soj_image *img,
		     const struct soj_image_stat *stat)
{
	struct soj_json j;

	soj_json_init(&j, stdout);
	soj_json_object(&j, NULL);
	soj_json_string(&j, "segment", img->name);
	soj_json_u64(&j, "now_ms", stat->now_ms);
	soj_json_u64(&j, "created_unix_ms", img->hdr.created_unix_ms);
	soj_json_bool(&j, "destroyed",
		      soj_load_relaxed(&img->hdr.destroyed) != 0);
	soj_json_u64(&j, "epoch", soj_load_relaxed(&img->hdr.epoch));
	json_sizes(&j, img, stat);
	soj_json_object(&j, "threads");
	soj_json_u64(&j, "max", img->hdr.slots_max);
	soj_json_u64(&j, "attached", stat->threads_attached);
	soj_json_u64(&j, "dead", stat->threads_dead);
	soj_json_close(&j);
	soj_json_object(&j, "warnings");
	for (size_t i = 0; i < WARNINGS; i++)
		if (stat->counters[warnings[i].counter] > 0)
			soj_json_string(&j,
					soj_counter_names[warnings[i].counter],
					warnings[i].text);
	soj_json_close(&j);
	soj_json_object(&j, "counters");
	for (unsigned c = 0; c < SOJ_COUNTERS_USED; c++)
		soj_json_u64(&j, soj_counter_names[c], stat->counters[c]);
	soj_json_close(&j);
	json_helper(&j, img, stat);
	json_policy(&j, img);
	soj_json_close(&j);
}

/* ---- Prometheus ---- */

/* segment="NAME" with what the format wants escaped. */
static char label[2 * sizeof(((struct soj_image *)0)->name) + 16];

static void label_init(const char *name)
{
	size_t used = (size_t)snprintf(label, sizeof(label), "segment=\"");

	for (; *name != '\0'; name++) {
		if (*name == '\\' || *name == '"' || *name == '\n')
			label[used++] = '\\';
		label[used++] = *name == '\n' ? 'n' : *name;
	}
	label[used++] = '"';
	label[used] = '\0';
}

static void metric(const char *name, const char *type, const char *help)
{
	printf("# HELP sojourn_%s %s\n# TYPE sojourn_%s %s\n", name, help, name,
	       type);
}

static void gauge(const char *name, const char *help, uint64_t value)
{
	metric(name, "gauge", help);
	printf("sojourn_%s{%s} %" PRIu64 "\n", name, label, value);
}

static void prometheus_gauges(const struct soj_image *img,
			      const struct soj_image_stat *stat)
{
	const struct soj_layout *lay = soj_image_layout(img);

	gauge("segment_bytes", "size of the segment", lay->segment_bytes);
	gauge("entries_max", "room for entries", lay->entries_max);
	metric("entries", "gauge", "entries by state");
	for (unsigned p = 0; p < 4; p++)
		printf("sojourn_entries{%s,state=\"%s\"} %" PRIu64 "\n", label,
		       phase_names[p], stat->entries[p]);
	printf("sojourn_entries{%s,state=\"ended\"} %" PRIu64 "\n", label,
	       stat->entries_ended);
	metric("chunk_bytes", "gauge", "memory for values by state");
	for (unsigned p = 0; p < 4; p++)
		printf("sojourn_chunk_bytes{%s,state=\"%s\"} "
		       "%" PRIu64 "\n",
		       label, phase_names[p],
		       soj_image_chunk_bytes(img, stat, p));
	printf("sojourn_chunk_bytes{%s,state=\"unassigned\"} "
	       "%" PRIu64 "\n",
	       label, stat->units_free * SOJ_UNIT_BYTES);
	gauge("threads_max", "room for threads", img->hdr.slots_max);
	gauge("threads_attached", "threads that are attached",
	      stat->threads_attached);
	gauge("threads_dead", "threads that died and wait for repair",
	      stat->threads_dead);
	gauge("epoch", "read-copy-update epoch",
	      soj_load_relaxed(&img->hdr.epoch));
	gauge("helper_alive", "1 if a helper runs", stat->helper_alive);
	metric("helper_beat_age_seconds", "gauge",
	       "since the helper's last beat");
	printf("sojourn_helper_beat_age_seconds{%s} %.3f\n", label,
	       (double)beat_age_ms(img, stat) / 1000);
}

/* The buckets are counts of lags in whole ms; a lag of i ms is below i + 1. */
static void prometheus_lag(const struct soj_image *img,
			   const struct soj_image_stat *stat)
{
	uint64_t seen = 0;
	double sum = 0;

	metric("expiry_lag_seconds", "histogram",
	       "how late the helper ended what had expired");
	for (uint32_t i = 0; i + 1 < SOJ_LAG_BUCKETS; i++) {
		uint64_t count = soj_load_relaxed(&img->hdr.lag[i]);
		uint64_t limit_ms = soj_image_lag_limit_ms(i);

		seen += count;
		sum += (double)count * (double)limit_ms / 1000;
		printf("sojourn_expiry_lag_seconds_bucket{%s,le=\"%.3f\"} "
		       "%" PRIu64 "\n",
		       label, (double)limit_ms / 1000, seen);
	}
	printf("sojourn_expiry_lag_seconds_bucket{%s,le=\"+Inf\"} "
	       "%" PRIu64 "\n",
	       label, stat->lag_count);
	/* An upper bound: what a lag was exactly is not kept. */
	printf("sojourn_expiry_lag_seconds_sum{%s} %.3f\n", label, sum);
	printf("sojourn_expiry_lag_seconds_count{%s} %" PRIu64 "\n", label,
	       stat->lag_count);
}

static void put_prometheus(const struct soj_image *img,
			   const struct soj_image_stat *stat)
{
	label_init(img->name);
	prometheus_gauges(img, stat);
	for (unsigned c = 0; c < SOJ_COUNTERS_USED; c++) {
		char name[64];

		snprintf(name, sizeof(name), "%s_total", soj_counter_names[c]);
		metric(name, "counter", soj_counter_helps[c]);
		printf("sojourn_%s{%s} %" PRIu64 "\n", name, label,
		       stat->counters[c]);
	}
	prometheus_lag(img, stat);
}

/* ---- text ---- */

/* Nothing where nobody asked for them. */
static void put_huge(const struct soj_image *img)
{
	uint32_t wanted = soj_load_relaxed(&img->hdr.huge_wanted);
	uint32_t pages = soj_load_relaxed(&img->hdr.huge_pages);

	if (wanted == 0)
		return;
	printf("%-12s %u of %u%s\n", "huge pages", pages, wanted,
	       pages >= wanted ? ""
	       : pages         ? "; the rest are small, memory is in pieces"
			       : "; all are small, the kernel does not do it");
}

static void put_sizes(const struct soj_image *img,
		      const struct soj_image_stat *stat)
{
	const struct soj_layout *lay = soj_image_layout(img);
	char text[5][SOJ_TEXT_NUMBER_CHARS];

	printf("%-12s %s, %u entries, %u threads\n", "size",
	       soj_text_size(text[0], lay->segment_bytes), lay->entries_max,
	       img->hdr.slots_max);
	put_huge(img);
	printf("%-12s %" PRIu64 " live, %" PRIu64 " ended, %" PRIu64
	       " owned, %" PRIu64 " retired, %" PRIu64 " free\n",
	       "entries", stat->entries[SOJ_LIVE], stat->entries_ended,
	       stat->entries[SOJ_OWNED], stat->entries[SOJ_RETIRED],
	       stat->entries[SOJ_FREE]);
	printf("%-12s %s live, %s owned, %s retired, %s free, %s in free "
	       "units\n",
	       "values",
	       soj_text_size(text[0],
			     soj_image_chunk_bytes(img, stat, SOJ_LIVE)),
	       soj_text_size(text[1],
			     soj_image_chunk_bytes(img, stat, SOJ_OWNED)),
	       soj_text_size(text[2],
			     soj_image_chunk_bytes(img, stat, SOJ_RETIRED)),
	       soj_text_size(text[3],
			     soj_image_chunk_bytes(img, stat, SOJ_FREE)),
	       soj_text_size(text[4], stat->units_free * SOJ_UNIT_BYTES));
	for (uint32_t c = 0; c < SOJ_CLASSES; c++) {
		const uint64_t *chunks = stat->classes[c].chunks;

		if (!class_used(stat, c))
			continue;
		printf("  up to %-9s %8" PRIu64 " live %8" PRIu64
		       " owned %8" PRIu64 " retired %8" PRIu64 " free, %" PRIu64
		       " pages\n",
		       soj_text_size(text[0], class_payload(img, c)),
		       chunks[SOJ_LIVE], chunks[SOJ_OWNED], chunks[SOJ_RETIRED],
		       chunks[SOJ_FREE], stat->classes[c].pages);
	}
}

static void put_policy(const struct soj_image *img)
{
	char text[SOJ_TEXT_NUMBER_CHARS];

	printf("%-12s when full %s", "policy", when_full(img));
	for (size_t i = 0; i < PERIODS; i++) {
		uint64_t ms = period_ms(img, i);

		printf(", %s %s", periods[i].name,
		       ms ? soj_text_duration(text, ms) : "off");
	}
	soj_rules_put(stdout, &img->hdr);
	putchar('\n');
	soj_rules_put_collections(stdout, &img->hdr);
}

static const char *lag_text(char text[SOJ_TEXT_NUMBER_CHARS], uint64_t ms)
{
	/* Of the last bucket only the lower end is known. */
	return ms == UINT64_MAX ? "weeks" : soj_text_duration(text, ms);
}

static void put_helper(const struct soj_image *img,
		       const struct soj_image_stat *stat)
{
	char text[3][SOJ_TEXT_NUMBER_CHARS];

	if (soj_load_relaxed(&img->hdr.helper_beat_ms) == 0 &&
	    !stat->helper_alive)
		printf("%-12s none yet\n", "helper");
	else if (!stat->helper_alive)
		printf("%-12s none, last beat %s ago\n", "helper",
		       soj_text_duration(text[0], beat_age_ms(img, stat)));
	else
		printf("%-12s pid %u, last beat %s ago%s\n", "helper",
		       stat->helper_pid,
		       soj_text_duration(text[0], beat_age_ms(img, stat)),
		       soj_load_relaxed(&img->hdr.helper_asleep) ? ", asleep"
								 : "");
	if (stat->lag_count > 0)
		printf("%-12s %" PRIu64 " expiries, p50 %s, p99 %s, max %s\n",
		       "expiry lag", stat->lag_count,
		       lag_text(text[0], stat->lag_p50_ms),
		       lag_text(text[1], stat->lag_p99_ms),
		       lag_text(text[2], stat->lag_max_ms));
}

static const char *seal_text(const struct soj_image *img)
{
	return img->hdr.flags & SOJ_SHM_SEAL_AES
		       ? ", values sealed by AES-256-GCM"
	       : img->hdr.flags & SOJ_SHM_SEAL_XCHACHA
		       ? ", values sealed by XChaCha20-Poly1305"
		       : "";
}

static void put_text(const struct soj_image *img,
		     const struct soj_image_stat *stat)
{
	char text[SOJ_TEXT_NUMBER_CHARS];

	printf("%-12s ", "segment");
	soj_text_put(stdout, img->name);
	printf(", %s old%s%s%s\n", soj_text_duration(text, stat->now_ms),
	       seal_text(img),
	       img->hdr.flags & SOJ_SHM_MANUAL_CLOCK ? ", manual clock" : "",
	       soj_load_relaxed(&img->hdr.destroyed) ? ", DESTROYED" : "");
	put_sizes(img, stat);
	printf("%-12s %u attached, %u of them dead\n", "threads",
	       stat->threads_attached, stat->threads_dead);
	put_helper(img, stat);
	printf("%-12s %" PRIu64 "\n", "epoch",
	       soj_load_relaxed(&img->hdr.epoch));
	put_policy(img);
	for (unsigned c = 0; c < SOJ_COUNTERS_USED; c++)
		printf("  %-16s %12" PRIu64 "  %s\n", soj_counter_names[c],
		       stat->counters[c], soj_counter_helps[c]);
	for (size_t i = 0; i < WARNINGS; i++)
		if (stat->counters[warnings[i].counter] > 0)
			printf("WARNING: %" PRIu64 " %s\n",
			       stat->counters[warnings[i].counter],
			       warnings[i].text);
}

int cmd_stat(int argc, char **argv)
{
	static struct soj_image_stat stat;
	struct stat_input in = {NULL};
	struct soj_image img;
	int rc;

	soj_args_parse(&stat_argp, argc, argv, &in);
	rc = soj_image_need(&img, in.name);
	if (rc != 0)
		return rc;
	rc = soj_image_stat(&img, &stat);
	if (rc < 0) {
		rc = soj_image_failed(rc, in.name);
	} else if (in.json) {
		put_json(&img, &stat);
	} else if (in.prometheus) {
		put_prometheus(&img, &stat);
	} else {
		put_text(&img, &stat);
	}
	soj_image_close(&img);
	return rc;
}
