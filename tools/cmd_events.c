/* SPDX-License-Identifier: MIT */

/* `sojourn events`: who did what, one event a line. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "cmd.h"
#include "lib_args.h"
#include "lib_event.h"

#define LOOK_MS  100u  /* how often --follow looks */
#define PATIENCE 5000u /* for a writer that stands in the middle of an event */

struct events_input {
	const char *name;
	bool json;
	bool follow;
	bool has_since;
	uint64_t since;
};

enum { OPT_JSON = 0x100, OPT_FOLLOW, OPT_SINCE };

static const struct argp_option options[] = {
	{"json", OPT_JSON, NULL, 0, "One JSON object a line", 0},
	{"follow", OPT_FOLLOW, NULL, 0, "Go on with what comes", 0},
	{"since", OPT_SINCE, "SEQ", 0, "Begin with that number", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct events_input *in = state->input;

	switch (key) {
	case OPT_JSON:
		in->json = true;
		break;
	case OPT_FOLLOW:
		in->follow = true;
		break;
	case OPT_SINCE:
		in->since = soj_args_need_number(state, "--since", arg, 1,
						 SOJ_MASK(38));
		in->has_since = true;
		break;
	default:
		return soj_args_name(state, key, arg, &in->name);
	}
	return 0;
}

static const struct argp events_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "NAME|FILE",
	.doc = "Shows who did what in a segment: the events that it keeps, "
	       "oldest first. Numbers that were overwritten before they could "
	       "be shown are counted in a line of their own.",
};

struct stream {
	struct soj_image *img;
	const struct events_input *in;
	uint64_t next;
	uint64_t end;       /* goes on to this one, which is not shown */
	uint64_t waited_ms; /* for number `next` */
};

static void put(const struct stream *s, const struct soj_event *event,
		uint64_t missed)
{
	struct soj_json j;

	if (!s->in->json) {
		if (missed)
			printf("%-8" PRIu64 " %" PRIu64 " missed\n", s->next,
			       missed);
		else
			soj_event_line(stdout, &s->img->hdr, event);
		return;
	}
	soj_json_init(&j, stdout);
	soj_json_object(&j, NULL);
	if (missed)
		soj_event_missed_json(&j, s->next + missed - 1, missed);
	else
		soj_event_json(&j, &s->img->hdr, event);
	soj_json_close(&j);
}

static void skip(struct stream *s, uint64_t to)
{
	to = soj_min(to, s->end);
	put(s, NULL, to - s->next);
	s->next = to;
	s->waited_ms = 0;
}

/* What is there now.  0 or -errno. */
static int show(struct stream *s)
{
	struct soj_event event;
	uint64_t oldest;
	int rc;

	while (s->next < s->end && !ferror(stdout)) {
		rc = soj_image_event(s->img, s->next, &event, &oldest);
		if (rc == -EAGAIN)
			return 0;
		if (rc == -ESTALE) {
			skip(s, oldest);
			continue;
		}
		if (rc < 0)
			return rc;
		put(s, &event, 0);
		s->next++;
		s->waited_ms = 0;
	}
	return 0;
}

/* True: number `next` is taken, and will not be complete. */
static bool is_stuck(struct stream *s, uint64_t newest)
{
	return s->next < newest && (!s->img->live || s->waited_ms >= PATIENCE);
}

/* Before it the ring has none, whatever it says of the newest. */
static uint64_t oldest_of(const struct stream *s, uint64_t newest)
{
	const uint32_t events_max = soj_image_layout(s->img)->events_max;

	return newest > events_max ? newest - events_max : 1;
}

static bool is_over(struct stream *s, uint64_t newest)
{
	if (s->next >= s->end)
		return true;
	return s->next >= newest &&
	       (!s->img->live || soj_load_relaxed(&s->img->hdr.destroyed));
}

static int run(struct stream *s)
{
	const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000};

	for (;;) {
		uint64_t newest;
		int rc = show(s);

		if (rc == 0)
			rc = soj_image_event_next(s->img, &newest);
		if (rc < 0)
			return rc;
		if (is_over(s, newest))
			return 0;
		if (is_stuck(s, newest) && !ferror(stdout)) {
			skip(s, soj_max(s->next + 1, oldest_of(s, newest)));
			continue;
		}
		if (fflush(stdout) != 0 || ferror(stdout))
			return 0; /* main() says it */
		nanosleep(&pause, NULL);
		s->waited_ms += LOOK_MS;
	}
}

int cmd_events(int argc, char **argv)
{
	struct events_input in = {NULL};
	struct soj_image img;
	struct stream s = {.img = &img, .in = &in};
	uint64_t newest;
	int code, rc;

	soj_args_parse(&events_argp, argc, argv, &in);
	code = soj_image_need(&img, in.name);
	if (code != 0)
		return code;
	if (soj_image_layout(&img)->events_max == 0) {
		soj_args_complain("%s keeps no events: it was created with "
				  "--events 0",
				  in.name);
		soj_image_close(&img);
		return EX_USAGE;
	}
	rc = soj_image_event_next(&img, &newest);
	s.next = in.since;
	if (!in.has_since)
		s.next = oldest_of(&s, newest);
	/* Who writes meanwhile may be faster than this is. */
	s.end = in.follow ? UINT64_MAX : newest;
	if (rc == 0)
		rc = run(&s);
	if (rc < 0)
		code = soj_image_failed(rc, in.name);
	soj_image_close(&img);
	return code;
}
