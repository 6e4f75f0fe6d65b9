/* SPDX-License-Identifier: MIT */

/*
 * `sojourn bench`: load on a segment, its own or a given one, with every value
 * that is read checked.
 */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <sojourn/stat.h>

#include "cmd.h"
#include "cmd_bench.h"
#include "lib_args.h"
#include "lib_options.h"
#include "lib_size.h"
#include "shm/segment.h"
#include "store/store.h"

/* ---- options ---- */

enum {
	OPT_WORKERS = 0x100,
	OPT_ENTRIES,
	OPT_VALUE,
	OPT_MIX,
	OPT_SECONDS,
	OPT_ZIPF,
	OPT_JSON,
	OPT_SEAL,
	OPT_HUGE,
};

static const struct argp_option options[] = {
	{"workers", OPT_WORKERS, "N", 0, "Processes (one for each core)", 0},
	{"entries", OPT_ENTRIES, "N", 0, "Sessions (100000)", 0},
	{"value", OPT_VALUE, "SIZE", 0, "Data of each, 16 to 1MiB (256)", 0},
	{"mix", OPT_MIX, "R:U", 0, "Reads to updates (95:5)", 0},
	{"seconds", OPT_SECONDS, "S", 0, "How long the run takes (10)", 0},
	{"zipf", OPT_ZIPF, "T", 0,
	 "Exponent of the choice of sessions, 0 (all alike) to 0.999 (0.99)",
	 0},
	{"seal", OPT_SEAL, NULL, 0,
	 "With sealed values, if the run makes the segment", 0},
	{"huge", OPT_HUGE, NULL, 0,
	 "In pages of 2 MiB, if the run makes the segment", 0},
	{"json", OPT_JSON, NULL, 0, "One JSON object", 0},
	{0},
};

static void parse_mix(struct bench_plan *plan, const char *arg,
		      struct argp_state *state)
{
	char reads[8] = "";
	const char *colon = strchr(arg, ':');
	uint64_t r, u;

	if (colon != NULL && (size_t)(colon - arg) < sizeof(reads)) {
		memcpy(reads, arg, (size_t)(colon - arg));
		if (soj_args_number(reads, 0, 1000000, &r) == 0 &&
		    soj_args_number(colon + 1, 0, 1000000, &u) == 0 &&
		    r + u > 0) {
			plan->reads = (uint32_t)r;
			plan->updates = (uint32_t)u;
			return;
		}
	}
	argp_error(state,
		   "--mix %s: two numbers are wanted, not both 0, such as 95:5",
		   arg);
}

static double parse_zipf(const char *arg, struct argp_state *state)
{
	char *end;
	const double theta = strtod(arg, &end);

	if (end == arg || *end != '\0' ||
	    !(theta >= 0 && theta <= SOJ_ZIPF_THETA_MAX))
		argp_error(state, "--zipf %s: a number from 0 to %g is wanted",
			   arg, SOJ_ZIPF_THETA_MAX);
	return theta;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct bench_plan *plan = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &plan->key_file;
		break;
	case OPT_WORKERS:
		plan->workers = (uint32_t)soj_args_need_number(
			state, "--workers", arg, 1, BENCH_WORKERS_MAX);
		break;
	case OPT_ENTRIES:
		plan->entries = (uint32_t)soj_args_need_number(
			state, "--entries", arg, 1, SOJ_ENTRIES_LIMIT);
		break;
	case OPT_VALUE:
		plan->value_bytes = soj_args_need_size(state, "--value", arg);
		if (plan->value_bytes < BENCH_VALUE_MIN ||
		    plan->value_bytes > SOJOURN_DATA_BYTES_MAX)
			argp_error(state, "--value %s: 16 to 1MiB is wanted",
				   arg);
		break;
	case OPT_MIX:
		parse_mix(plan, arg, state);
		break;
	case OPT_SECONDS:
		plan->run_ms = 1000 * soj_args_need_number(state, "--seconds",
							   arg, 1, 86400);
		break;
	case OPT_ZIPF:
		plan->theta = parse_zipf(arg, state);
		break;
	case OPT_HUGE:
		plan->huge = true;
		break;
	case OPT_SEAL:
		plan->seal = true;
		break;
	case OPT_JSON:
		plan->json = true;
		break;
	case ARGP_KEY_END:
		if (plan->key_file != NULL && plan->name == NULL)
			argp_error(state,
				   "--key-file goes with NAME: a segment "
				   "of the run's own has no key file");
		break;
	case ARGP_KEY_ARG:
		return soj_args_name(state, key, arg, &plan->name);
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp bench_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "[NAME]",
	.doc = "Makes sessions, reads and updates them from several processes "
	       "and reports rates and times. Every value that is read is "
	       "checked, and at the end that every session is still there.\v"
	       "Without NAME the segment is anonymous and ends with the run, "
	       "however that ends. A NAME that is there is used, if it has "
	       "room, and its other sessions are left alone; one that is not "
	       "is made, of the size that the run takes, and destroyed "
	       "afterwards. Times include reading the clock, about 30 ns.\n\n"
	       "Exits 70 if a session was lost or a value was torn, 75 if the "
	       "segment has no room for the run.",
	.children = soj_args_key_file_child,
};

/* ---- the segment ---- */

/*
 * The smallest segment that holds the run: all sessions, and some values that
 * were replaced and wait for their grace period.
 */
static int fit(const struct bench_plan *plan, const struct sojourn_options *o,
	       uint64_t *segment_bytes)
{
	const struct soj_size size = {
		.entries = plan->entries,
		.spare_values = soj_max(plan->entries / 50,
					UINT64_C(256) * plan->workers),
		.value_bytes = (uint32_t)plan->value_bytes,
		.subject_bytes = BENCH_SUBJECT - 1,
		.sealed = o->seal != SOJOURN_SEAL_OFF,
		.threads_max = o->threads_max,
		.events_max = o->events_max,
	};
	struct soj_layout lay;

	return soj_size_fit(&size, &lay, segment_bytes);
}

/* A key file that nobody needs after the run, in a directory of its own. */
struct scratch {
	char dir[256];
	char key[270];
};

static int scratch_init(struct scratch *t)
{
	const char *tmp = getenv("TMPDIR");

	t->dir[0] = '\0';
	if (tmp == NULL || *tmp != '/' || strlen(tmp) > 200)
		tmp = "/tmp";
	snprintf(t->dir, sizeof(t->dir), "%s/sojourn-bench-XXXXXX", tmp);
	if (mkdtemp(t->dir) == NULL) {
		t->dir[0] = '\0';
		return -errno;
	}
	snprintf(t->key, sizeof(t->key), "%s/key", t->dir);
	return 0;
}

static void scratch_deinit(const struct scratch *t)
{
	if (t->dir[0] == '\0')
		return;
	unlink(t->key);
	rmdir(t->dir);
}

static int make_segment(struct bench *b, const char *key_file)
{
	struct sojourn_options o;
	int rc;

	sojourn_options_init(&o);
	o.entries_max = b->plan.entries;
	o.threads_max = 4 * b->plan.workers + 8;
	o.ttl_ms = b->plan.run_ms + 24 * 3600 * UINT64_C(1000);
	o.key_file = key_file;
	o.huge = b->plan.huge ? SOJOURN_HUGE_ON : SOJOURN_HUGE_AUTO;
	o.seal = b->plan.seal ? SOJOURN_SEAL_ON : SOJOURN_SEAL_OFF;
	if (o.threads_max > 4094)
		o.threads_max = 4094;
	rc = fit(&b->plan, &o, &o.segment_bytes);
	if (rc < 0) {
		soj_args_complain("no segment is large enough for %" PRIu32
				  " sessions of %zu bytes",
				  b->plan.entries, b->plan.value_bytes);
		return EX_USAGE;
	}
	rc = sojourn_create(b->plan.name, &o, &b->s);
	if (soj_options_no_helper(&o, rc)) {
		soj_args_complain("%s; the run goes without helper",
				  sojourn_error_text());
		o.helper = SOJOURN_HELPER_NONE;
		rc = sojourn_create(b->plan.name, &o, &b->s);
	}
	if (rc == 0) {
		b->temporary = true;
		return 0;
	}
	soj_args_complain("cannot make a segment of %" PRIu64 " bytes: %s",
			  o.segment_bytes, sojourn_error_text());
	return rc == -ENOSPC || rc == -ENOMEM ? EX_CANTCREAT
					      : soj_args_exit(rc);
}

/*
 * A segment that others use must have room, so that nothing of theirs is
 * evicted.  What ended and was not cleared away yet counts as room: whoever
 * needs it clears it first.  Its values still count as live, so they are taken
 * to be as large as the others.
 */
static int check_room(const struct bench *b)
{
	const struct bench_plan *plan = &b->plan;
	struct sojourn_stat stat;
	uint64_t entries, bytes;
	int rc = sojourn_stat(b->s, &stat);

	if (rc < 0)
		return soj_args_fail(rc, "read the segment");
	entries = stat.entries_free + stat.entries_retired;
	bytes = stat.chunk_bytes_free + stat.chunk_bytes_retired;
	if (stat.entries_retired > 0)
		bytes += stat.chunk_bytes_live /
			 (stat.entries_live + stat.entries_retired) *
			 stat.entries_retired;
	if (entries >= plan->entries &&
	    bytes / plan->entries >= plan->value_bytes)
		return 0;
	soj_args_complain("%s has room for %" PRIu64 " sessions and %" PRIu64
			  " bytes, too little for %" PRIu32
			  " sessions of %zu bytes; nothing was done",
			  plan->name, entries, bytes, plan->entries,
			  plan->value_bytes);
	fputs("  Ask for fewer --entries, or leave NAME out for a segment of "
	      "the run's own.\n",
	      stderr);
	return EX_TEMPFAIL;
}

static int open_segment(struct bench *b, struct scratch *scratch)
{
	const struct bench_plan *plan = &b->plan;
	struct soj_seg_error error;
	int fd, rc;

	if (plan->name == NULL)
		return make_segment(b, NULL);
	/* Told apart from a key file that is not there. */
	fd = soj_seg_open_inspect(plan->name, &error);
	if (fd >= 0)
		close(fd);
	if (fd >= 0 && (plan->seal || plan->huge)) {
		soj_args_complain("%s is there already, so --seal and --huge "
				  "have no effect: leave them out",
				  plan->name);
		return EX_USAGE;
	}
	if (fd != -ENOENT) {
		rc = soj_args_attach(plan->name, plan->key_file, &b->s);
		return rc == 0 ? check_room(b) : rc;
	}
	if (plan->key_file != NULL)
		return make_segment(b, plan->key_file);
	rc = scratch_init(scratch);
	if (rc == 0)
		return make_segment(b, scratch->key);
	soj_args_complain("no directory for the key file: %s", strerror(-rc));
	return EX_CANTCREAT;
}

static void close_segment(struct bench *b)
{
	if (b->s == NULL)
		return;
	sojourn_detach(b->s);
	if (b->temporary && b->plan.name != NULL &&
	    sojourn_destroy(b->plan.name) < 0)
		soj_args_complain("%s is left behind: %s", b->plan.name,
				  sojourn_error_text());
}

/* ---- the run ---- */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int phase(struct bench *b, enum bench_phase which)
{
	int rc = bench_load_phase(b, which);

	if (rc == 0)
		return 0;
	soj_args_complain("cannot make a worker: %s", strerror(-rc));
	return EX_OSERR;
}

/* All sessions are there; their memory is what it is at full load. */
static int check_preload(struct bench *b)
{
	struct sojourn_stat stat;
	uint64_t created = 0;
	int rc;

	for (uint32_t i = 0; i < b->plan.workers; i++) {
		const struct bench_worker *w = &b->workers[i];

		created += w->created;
		if (w->error != 0 && bench_load_signal() == 0) {
			soj_args_complain("cannot make a session: %s", w->text);
			return soj_args_exit(w->error);
		}
	}
	if (bench_load_signal() != 0)
		return 0;
	if (created < b->plan.entries) {
		soj_args_complain("%" PRIu64 " workers crashed",
				  b->faults.crashed);
		return EX_SOFTWARE;
	}
	rc = sojourn_stat(b->s, &stat);
	if (rc < 0)
		return soj_args_fail(rc, "read the segment");
	b->segment_bytes = stat.segment_bytes;
	b->entries_max = stat.entries_max;
	b->entries_live = stat.entries_live;
	b->helper_alive = stat.helper_alive;
	return 0;
}

static int measure(struct bench *b)
{
	const uint64_t begin_ns = now_ns();
	int code = phase(b, BENCH_PRELOAD);

	b->preload_ns = now_ns() - begin_ns;
	if (code == 0)
		code = check_preload(b);
	if (code == 0 && bench_load_signal() == 0)
		code = phase(b, BENCH_RUN);
	if (code == 0 && bench_load_signal() == 0)
		code = phase(b, BENCH_VERIFY);
	return code;
}

static int judge(const struct bench *b)
{
	const struct bench_faults *f = &b->faults;

	for (uint32_t i = 0; i < b->plan.workers && f->errors > 0; i++) {
		if (b->workers[i].error != 0)
			soj_args_complain("worker %" PRIu32 ": %s", i,
					  b->workers[i].text);
	}
	return f->lost + f->torn + f->foreign + f->crashed + f->errors > 0
		       ? EX_SOFTWARE
		       : 0;
}

static int run(struct bench *b)
{
	int code = measure(b), cleaning = 0;

	/* What others see of a segment that stays must be as before. */
	if (!b->temporary)
		cleaning = phase(b, BENCH_REMOVE);
	if (code != 0 || bench_load_signal() != 0)
		return code;
	bench_load_sum(b);
	if (b->plan.json)
		bench_report_json(b);
	else
		bench_report_text(b);
	code = judge(b);
	return code != 0 ? code : cleaning;
}

int cmd_bench(int argc, char **argv)
{
	static struct bench b;
	struct scratch scratch = {.dir = ""};
	const long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int code = 0;

	b.plan = (struct bench_plan){
		.workers = cores < 1 ? 1 : (uint32_t)cores,
		.entries = 100000,
		.value_bytes = 256,
		.reads = 95,
		.updates = 5,
		.run_ms = 10000,
		.theta = 0.99,
	};
	soj_args_parse(&bench_argp, argc, argv, &b.plan);
	if (b.plan.workers > BENCH_WORKERS_MAX)
		b.plan.workers = BENCH_WORKERS_MAX;
	bench_load_catch();
	if (bench_load_init(&b) < 0) {
		soj_args_complain("%s", strerror(ENOMEM));
		code = EX_OSERR;
	}
	if (code == 0)
		code = open_segment(&b, &scratch);
	if (code == 0)
		code = run(&b);
	close_segment(&b);
	scratch_deinit(&scratch);
	bench_load_deinit(&b);
	if (bench_load_signal() == 0)
		return code;
	soj_args_complain("stopped by a signal; no session of the run is "
			  "left");
	/* So that who waits for this process sees why it ended. */
	signal(bench_load_signal(), SIG_DFL);
	raise(bench_load_signal());
	return EX_SOFTWARE;
}
