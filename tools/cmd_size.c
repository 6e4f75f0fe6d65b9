/* SPDX-License-Identifier: MIT */

/* `sojourn size`: how much memory so many sessions take, and the options of
 * `sojourn create` that give it to them. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>

#include <sojourn/sojourn.h>

#include "cmd.h"
#include "lib_args.h"
#include "lib_json.h"
#include "lib_size.h"
#include "lib_text.h"
#include "store/store.h"

struct size_input {
	struct soj_size size;
	bool has_spare;
	bool json;
};

enum {
	OPT_ENTRIES = 0x100,
	OPT_VALUE,
	OPT_SUBJECT,
	OPT_METADATA,
	OPT_SPARE,
	OPT_SEAL,
	OPT_THREADS_MAX,
	OPT_EVENTS,
	OPT_JSON,
};

static const struct argp_option options[] = {
	{"entries", OPT_ENTRIES, "N", 0, "Sessions at a time (100000)", 0},
	{"value", OPT_VALUE, "SIZE", 0, "Data of each (256)", 0},
	{"subject", OPT_SUBJECT, "SIZE", 0, "Bytes of its subject (16)", 0},
	{"metadata", OPT_METADATA, "SIZE", 0,
	 "Of its metadata: the texts, and 3 for each (0)", 0},
	{"spare", OPT_SPARE, "N", 0,
	 "Values more, for updates on their way (2 %, at least 128)", 0},
	{"seal", OPT_SEAL, NULL, 0, "Of a segment with sealed values", 0},
	{"threads-max", OPT_THREADS_MAX, "N", 0,
	 "Threads that can be attached at a time (1024)", 0},
	{"events", OPT_EVENTS, "N", 0, "How many events are kept (4096)", 0},
	{"json", OPT_JSON, NULL, 0, "One JSON object", 0},
	{0},
};

static uint32_t need_bytes(struct argp_state *state, const char *option,
			   const char *arg, uint32_t max)
{
	uint64_t bytes = soj_args_need_size(state, option, arg);

	if (bytes > max)
		argp_error(state, "%s %s: at most %" PRIu32 " bytes", option,
			   arg, max);
	return (uint32_t)bytes;
}

static uint32_t need_count(struct argp_state *state, const char *option,
			   const char *arg, uint64_t min, uint64_t max)
{
	return (uint32_t)soj_args_need_number(state, option, arg, min, max);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct size_input *in = state->input;
	struct soj_size *size = &in->size;

	switch (key) {
	case OPT_ENTRIES:
		size->entries = need_count(state, "--entries", arg, 1,
					   SOJ_ENTRIES_LIMIT);
		break;
	case OPT_VALUE:
		size->value_bytes =
			need_bytes(state, "--value", arg, SOJ_DATA_BYTES_MAX);
		break;
	case OPT_SUBJECT:
		size->subject_bytes = need_bytes(state, "--subject", arg,
						 SOJ_SUBJECT_BYTES_MAX);
		break;
	case OPT_METADATA:
		size->meta_bytes = need_bytes(state, "--metadata", arg,
					      SOJ_META_BYTES_MAX);
		break;
	case OPT_SPARE:
		size->spare_values =
			need_count(state, "--spare", arg, 0, SOJ_ENTRIES_LIMIT);
		in->has_spare = true;
		break;
	case OPT_SEAL:
		size->sealed = true;
		break;
	case OPT_THREADS_MAX:
		size->threads_max = need_count(state, "--threads-max", arg, 1,
					       SOJ_SLOTS_LIMIT);
		break;
	case OPT_EVENTS:
		size->events_max =
			need_count(state, "--events", arg, 0, SOJ_EVENTS_LIMIT);
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "\"%s\" is no option", arg);
		break;
	case OPT_JSON:
		in->json = true;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp size_argp = {
	.options = options,
	.parser = parse,
	.doc = "Says how much memory a segment takes that holds so many "
	       "sessions, and how to create it.\v"
	       "A renewed session counts twice until the grace window of its "
	       "old id and the redelivery are over. Sizes S: 256, 4KiB.",
};

static void put_text(const struct soj_size *size, const struct soj_layout *lay,
		     uint64_t bytes)
{
	char text[SOJ_TEXT_NUMBER_CHARS];
	uint64_t area = (uint64_t)lay->units * SOJ_UNIT_BYTES;

	printf("%-12s %s (%" PRIu64 " bytes)\n", "segment",
	       soj_text_size(text, bytes), bytes);
	printf("%-12s %.1f bytes: %u for its value, %.1f for values to spare, "
	       "%.1f for entry and index\n",
	       "session", (double)bytes / size->entries,
	       soj_size_chunk_bytes(size),
	       (double)area / size->entries - soj_size_chunk_bytes(size),
	       (double)(lay->segment_bytes - area) / size->entries);
	printf("%-12s sojourn create NAME --entries %u --bytes %" PRIu64,
	       "create", size->entries, bytes);
	if (size->threads_max != 1024)
		printf(" --threads-max %u", size->threads_max);
	if (size->events_max != 4096)
		printf(" --events %u", size->events_max);
	puts(size->sealed ? " --seal" : "");
}

static void put_json(const struct soj_size *size, const struct soj_layout *lay,
		     uint64_t bytes)
{
	struct soj_json j;

	soj_json_init(&j, stdout);
	soj_json_object(&j, NULL);
	soj_json_u64(&j, "segment_bytes", bytes);
	soj_json_u64(&j, "entries", size->entries);
	soj_json_u64(&j, "value_chunk_bytes", soj_size_chunk_bytes(size));
	soj_json_u64(&j, "spare_values", size->spare_values);
	soj_json_u64(&j, "chunk_bytes", (uint64_t)lay->units * SOJ_UNIT_BYTES);
	soj_json_u64(&j, "threads_max", size->threads_max);
	soj_json_u64(&j, "events_max", size->events_max);
	soj_json_bool(&j, "sealed", size->sealed);
	soj_json_close(&j);
}

int cmd_size(int argc, char **argv)
{
	struct size_input in = {.size = {.entries = 100000,
					 .value_bytes = 256,
					 .subject_bytes = 16,
					 .threads_max = 1024,
					 .events_max = 4096}};
	struct soj_layout lay;
	uint64_t bytes;
	int rc;

	soj_args_parse(&size_argp, argc, argv, &in);
	if (!in.has_spare)
		in.size.spare_values = soj_size_spare(in.size.entries);
	rc = soj_size_fit(&in.size, &lay, &bytes);
	if (rc == -EINVAL) {
		soj_args_complain("--events %u: 0, or a power of two from 64",
				  in.size.events_max);
		return EX_USAGE;
	}
	if (rc < 0) {
		soj_args_complain("no segment is large enough for %u sessions "
				  "of %u bytes: values take at most 16 GiB",
				  in.size.entries, in.size.value_bytes);
		return EX_USAGE;
	}
	if (in.json)
		put_json(&in.size, &lay, bytes);
	else
		put_text(&in.size, &lay, bytes);
	return 0;
}
