/* SPDX-License-Identifier: MIT */

/* `sojourn top`: the numbers of a segment as they change. */

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "lib_args.h"
#include "lib_image.h"
#include "lib_json.h"
#include "lib_text.h"

struct top_input {
	const char *name;
	uint64_t interval_ms;
	uint64_t count; /* 0: until somebody ends it */
	bool json;
};

enum { OPT_INTERVAL = 0x100, OPT_COUNT, OPT_JSON };

static const struct argp_option options[] = {
	{"interval", OPT_INTERVAL, "D", 0, "How often it looks (1s)", 0},
	{"count", OPT_COUNT, "N", 0, "End after so many looks", 0},
	{"json", OPT_JSON, NULL, 0, "One JSON object a look", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct top_input *in = state->input;

	switch (key) {
	case OPT_INTERVAL:
		in->interval_ms =
			soj_args_need_duration(state, "--interval", arg);
		if (in->interval_ms == 0)
			argp_error(state, "--interval %s: at least 1ms", arg);
		break;
	case OPT_COUNT:
		in->count = soj_args_need_number(state, "--count", arg, 1,
						 UINT64_MAX);
		break;
	case OPT_JSON:
		in->json = true;
		break;
	default:
		return soj_args_name(state, key, arg, &in->name);
	}
	return 0;
}

static const struct argp top_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "NAME",
	.doc = "Shows what is in a segment and what is done, a second, again "
	       "and again: the first time since the segment was made, then "
	       "since the look before. On a terminal each look takes the "
	       "place of the one before; Ctrl-C ends it, as does the end of "
	       "the segment. Reads only and needs no key.",
};

struct top {
	const struct top_input *in;
	struct soj_image *img;
	uint64_t looks;
	uint64_t looked_ns; /* when the last one began */
	uint64_t since_ms;  /* what the changes of this one cover */
	uint64_t before[SOJ_COUNTERS_USED];
	struct soj_image_stat stat;
};

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Slots of a damaged image may hold anything. */
static uint64_t change_of(const struct top *t, unsigned counter)
{
	uint64_t now = t->stat.counters[counter];

	return now > t->before[counter] ? now - t->before[counter] : 0;
}

static double rate_of(const struct top *t, unsigned counter)
{
	return t->since_ms == 0 ? 0
				: (double)change_of(t, counter) * 1000 /
					  (double)t->since_ms;
}

/* ---- JSON ---- */

static void put_json(const struct top *t)
{
	const struct soj_image_stat *stat = &t->stat;
	struct soj_json j;

	soj_json_init(&j, stdout);
	soj_json_object(&j, NULL);
	soj_json_string(&j, "segment", t->img->name);
	soj_json_u64(&j, "now_ms", stat->now_ms);
	soj_json_u64(&j, "since_ms", t->since_ms);
	soj_json_u64(&j, "entries_max", soj_image_layout(t->img)->entries_max);
	soj_json_u64(&j, "entries_live", stat->entries[SOJ_LIVE]);
	soj_json_u64(&j, "entries_retired", stat->entries[SOJ_RETIRED]);
	soj_json_u64(&j, "chunk_bytes_live",
		     soj_image_chunk_bytes(t->img, stat, SOJ_LIVE));
	soj_json_u64(&j, "threads_attached", stat->threads_attached);
	soj_json_u64(&j, "threads_dead", stat->threads_dead);
	soj_json_bool(&j, "helper_alive", stat->helper_alive);
	soj_json_object(&j, "changes");
	for (unsigned c = 0; c < SOJ_COUNTERS_USED; c++)
		soj_json_u64(&j, soj_counter_names[c], change_of(t, c));
	soj_json_close(&j);
	soj_json_object(&j, "per_second");
	for (unsigned c = 0; c < SOJ_COUNTERS_USED; c++)
		soj_json_double(&j, soj_counter_names[c], rate_of(t, c), 1);
	soj_json_close(&j);
	soj_json_close(&j);
}

/* ---- text ---- */

static void put_text(const struct top *t)
{
	const struct soj_image_stat *stat = &t->stat;
	const struct soj_layout *lay = soj_image_layout(t->img);
	char text[3][SOJ_TEXT_NUMBER_CHARS];

	if (isatty(STDOUT_FILENO))
		fputs("\033[H\033[J", stdout); /* home, and all is cleared */
	else if (t->looks > 0)
		putchar('\n');
	soj_text_put(stdout, t->img->name);
	printf(", %s old: %" PRIu64 " of %u entries live (%.1f %%), "
	       "%" PRIu64 " retired; values %s of %s\n",
	       soj_text_duration(text[0], stat->now_ms),
	       stat->entries[SOJ_LIVE], lay->entries_max,
	       100.0 * (double)stat->entries[SOJ_LIVE] / lay->entries_max,
	       stat->entries[SOJ_RETIRED],
	       soj_text_size(text[1],
			     soj_image_chunk_bytes(t->img, stat, SOJ_LIVE)),
	       soj_text_size(text[2], (uint64_t)lay->units * SOJ_UNIT_BYTES));
	printf("%u threads attached, %u of them dead; helper %s\n",
	       stat->threads_attached, stat->threads_dead,
	       stat->helper_alive ? "alive" : "none");
	printf("  %-16s %12s %14s  since %s\n", "", "a second", "in all",
	       t->looks == 0 ? "it was made" : "the last look");
	for (unsigned c = 0; c < SOJ_COUNTERS_USED; c++)
		if (stat->counters[c] > 0)
			printf("  %-16s %12.1f %14" PRIu64 "  %s\n",
			       soj_counter_names[c], rate_of(t, c),
			       stat->counters[c], soj_counter_helps[c]);
}

/* ---- again and again ---- */

/* 0 or -errno. */
static int look(struct top *t)
{
	uint64_t now_ns = monotonic_ns();
	int rc = soj_image_stat(t->img, &t->stat);

	if (rc < 0)
		return rc;
	t->since_ms = t->looks == 0 ? t->stat.now_ms
				    : (now_ns - t->looked_ns) / 1000000;
	if (t->in->json)
		put_json(t);
	else
		put_text(t);
	memcpy(t->before, t->stat.counters, sizeof(t->before));
	t->looked_ns = now_ns;
	t->looks++;
	return 0;
}

static int run(struct top *t)
{
	const struct timespec pause = {
		.tv_sec = (time_t)(t->in->interval_ms / 1000),
		.tv_nsec = (long)(t->in->interval_ms % 1000 * 1000000)};

	for (;;) {
		int rc = look(t);

		if (rc < 0)
			return rc;
		/* What fails there main() says. */
		if (fflush(stdout) != 0 || ferror(stdout) ||
		    t->looks == t->in->count || !t->img->live ||
		    soj_load_relaxed(&t->img->hdr.destroyed))
			return 0;
		nanosleep(&pause, NULL);
	}
}

int cmd_top(int argc, char **argv)
{
	static struct top t;
	struct top_input in = {.interval_ms = 1000};
	struct soj_image img;
	int code, rc;

	soj_args_parse(&top_argp, argc, argv, &in);
	code = soj_image_need(&img, in.name);
	if (code != 0)
		return code;
	t.in = &in;
	t.img = &img;
	rc = run(&t);
	if (rc < 0)
		code = soj_image_failed(rc, in.name);
	soj_image_close(&img);
	return code;
}
