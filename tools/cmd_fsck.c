/* SPDX-License-Identifier: MIT */

/* `sojourn fsck`: every invariant of a segment or of an image of one. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd.h"
#include "lib_args.h"
#include "lib_fsck.h"
#include "lib_json.h"

struct fsck_input {
	const char *name;
	bool json;
	const char *key_file; /* NULL: sealed values are not opened */
	const char *since;    /* NULL: compared with nothing */
	const char *save;     /* NULL: not saved */
};

enum { OPT_JSON = 0x100, OPT_KEY_FILE, OPT_SINCE, OPT_SAVE };

static const struct argp_option options[] = {
	{"json", OPT_JSON, NULL, 0,
	 "One JSON object a line: the findings, then the sums", 0},
	{"key-file", OPT_KEY_FILE, "FILE", 0,
	 "Open every sealed value, too, by the key in FILE", 0},
	{"since", OPT_SINCE, "FILE", 0,
	 "No number went back since the copy in FILE was made, by --save or cp",
	 0},
	{"save", OPT_SAVE, "FILE", 0,
	 "Keep a copy without values, for --since of a later check", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct fsck_input *in = state->input;

	switch (key) {
	case OPT_JSON:
		in->json = true;
		break;
	case OPT_KEY_FILE:
		in->key_file = arg;
		break;
	case OPT_SINCE:
		in->since = arg;
		break;
	case OPT_SAVE:
		in->save = arg;
		break;
	case ARGP_KEY_ARG:
		if (in->name != NULL)
			argp_error(state, "one NAME or FILE only");
		in->name = arg;
		break;
	case ARGP_KEY_END:
		if (in->name == NULL)
			argp_error(state, "NAME or FILE is missing");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp fsck_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "NAME|FILE",
	.doc = "Checks a segment, in use or not, or a file that holds a copy "
	       "of one (a word with a '/'). Reads only, needs no key, and is "
	       "in nobody's way."
	       "\vA finding is \"repairable\" if a thread that was killed or "
	       "stopped may leave it: upkeep takes it away. It is \"corrupt\" "
	       "if nothing of the kind leads there."
	       "\n\nExit codes: 0 clean, 1 repairable findings, or things that "
	       "looked wrong but could not be looked at again, 4 corrupt; "
	       "64 and more as for all commands, and where nothing was found, "
	       "65 for a copy of another segment, 73 for one not saved.",
};

static const char *severity_name(enum soj_fsck_code code)
{
	return soj_fsck_kinds[code].severity == SOJ_FSCK_CORRUPT ? "corrupt"
								 : "repairable";
}

/* ---- JSON ---- */

static void json_finding(const struct soj_fsck_finding *f)
{
	struct soj_json j;

	soj_json_init(&j, stdout);
	soj_json_object(&j, NULL);
	soj_json_string(&j, "severity", severity_name(f->code));
	soj_json_string(&j, "code", soj_fsck_kinds[f->code].name);
	soj_json_string(&j, "place", f->place);
	soj_json_string(&j, "text", soj_fsck_kinds[f->code].help);
	soj_json_string(&j, "words", f->words);
	soj_json_close(&j);
}

static void json_phases(struct soj_json *j, const char *key,
			const uint64_t phases[4], uint64_t unhinted)
{
	soj_json_object(j, key);
	soj_json_u64(j, "free", phases[SOJ_FREE]);
	soj_json_u64(j, "owned", phases[SOJ_OWNED]);
	soj_json_u64(j, "live", phases[SOJ_LIVE]);
	soj_json_u64(j, "retired", phases[SOJ_RETIRED]);
	soj_json_u64(j, "free_unhinted", unhinted);
	soj_json_close(j);
}

static void json_sums(const struct soj_fsck_report *rep, const char *name)
{
	struct soj_json j;

	soj_json_init(&j, stdout);
	soj_json_object(&j, NULL);
	soj_json_string(&j, "segment", name);
	soj_json_string(&j, "result",
			rep->corrupt      ? "corrupt"
			: rep->repairable ? "repairable"
			: rep->unsettled  ? "unsettled"
					  : "clean");
	soj_json_u64(&j, "corrupt", rep->corrupt);
	soj_json_u64(&j, "repairable", rep->repairable);
	soj_json_u64(&j, "unsettled", rep->unsettled);
	soj_json_object(&j, "codes");
	for (unsigned c = 0; c < SOJ_FSCK_CODES_USED; c++)
		if (rep->count[c] > 0)
			soj_json_u64(&j, soj_fsck_kinds[c].name, rep->count[c]);
	soj_json_close(&j);
	json_phases(&j, "entries", rep->entries, rep->entries_unhinted);
	soj_json_u64(&j, "entries_ended", rep->ended);
	json_phases(&j, "chunks", rep->chunks, rep->chunks_unhinted);
	soj_json_u64(&j, "units_free", rep->units_free);
	soj_json_u64(&j, "threads", rep->threads);
	soj_json_object(&j, "sums");
	soj_json_u64(&j, "made", rep->made);
	soj_json_u64(&j, "made_counted", rep->counted_made);
	soj_json_u64(&j, "ended", rep->over);
	soj_json_u64(&j, "ended_counted", rep->counted_ended);
	soj_json_close(&j);
	soj_json_close(&j);
}

/* ---- text ---- */

static void put_finding(const struct soj_fsck_finding *f)
{
	printf("%-10s %-17s %s: %s (%s)\n", severity_name(f->code),
	       soj_fsck_kinds[f->code].name, f->place,
	       soj_fsck_kinds[f->code].help, f->words);
}

static void put_more(const struct soj_fsck_report *rep)
{
	for (unsigned c = 0; c < SOJ_FSCK_CODES_USED; c++)
		if (rep->count[c] > SOJ_FSCK_LISTED)
			printf("%-10s %-17s and %" PRIu64 " more like it\n",
			       severity_name(c), soj_fsck_kinds[c].name,
			       rep->count[c] - SOJ_FSCK_LISTED);
}

static void put_sums(const struct soj_fsck_report *rep)
{
	printf("entries: %" PRIu64 " live, %" PRIu64 " of them ended, "
	       "%" PRIu64 " owned, %" PRIu64 " retired, %" PRIu64 " free\n",
	       rep->entries[SOJ_LIVE], rep->ended, rep->entries[SOJ_OWNED],
	       rep->entries[SOJ_RETIRED], rep->entries[SOJ_FREE]);
	printf("chunks: %" PRIu64 " live, %" PRIu64 " owned, %" PRIu64
	       " retired, %" PRIu64 " free; %" PRIu64 " free units\n",
	       rep->chunks[SOJ_LIVE], rep->chunks[SOJ_OWNED],
	       rep->chunks[SOJ_RETIRED], rep->chunks[SOJ_FREE],
	       rep->units_free);
	if (rep->unsettled > 0)
		printf("%" PRIu64 " things looked wrong, but were too "
		       "much to look at again\n",
		       rep->unsettled);
	if (rep->corrupt + rep->repairable + rep->unsettled == 0)
		puts("clean");
	else
		printf("%" PRIu64 " corrupt, %" PRIu64 " repairable\n",
		       rep->corrupt, rep->repairable);
}

static void put_report(const struct soj_fsck_report *rep,
		       const struct fsck_input *in)
{
	for (uint32_t i = 0; i < rep->listed; i++) {
		if (in->json)
			json_finding(&rep->list[i]);
		else
			put_finding(&rep->list[i]);
	}
	if (in->json) {
		json_sums(rep, in->name);
		return;
	}
	put_more(rep);
	put_sums(rep);
}

/* What no new segment in its place would mend: false if it is not that. */
static bool advise_foreign(const struct soj_fsck_report *rep, const char *name)
{
	if (rep->count[SOJ_FSCK_HEADER_MAGIC] > 0)
		soj_args_complain("%s is no segment of Sojourn, or its first "
				  "bytes are lost. Look whose it is before "
				  "you remove it.",
				  name);
	else if (rep->count[SOJ_FSCK_HEADER_VERSION] > 0 ||
		 rep->count[SOJ_FSCK_HEADER_LAYOUT] > 0 ||
		 rep->count[SOJ_FSCK_HEADER_FLAGS] > 0)
		soj_args_complain("%s is of another version or build of "
				  "Sojourn. Check it with the tools of the "
				  "one that made it.",
				  name);
	else
		return false;
	return true;
}

/* What to do about it. */
static void advise(const struct soj_fsck_report *rep, const char *name)
{
	if (advise_foreign(rep, name))
		return;
	if (rep->corrupt > 0)
		soj_args_complain("%s is corrupt. Keep a copy, which is a bug "
				  "report, and replace it: \"sojourn "
				  "destroy\", then \"sojourn create\".",
				  name);
	else if (rep->repairable > 0)
		soj_args_complain("%s has leftovers of threads that were "
				  "killed or stopped. A helper clears them "
				  "away: \"sojournd\".",
				  name);
	else if (rep->unsettled > 0)
		soj_args_complain("%s changed too much to be judged. Look "
				  "again, or at a copy: \"cp\".",
				  name);
}

/* What is no segment is for the check to say. */
static int unlock(struct soj_image *img, const struct fsck_input *in,
		  struct soj_vault *vault)
{
	struct soj_image_flaw flaw;

	if (in->key_file == NULL || soj_image_load(img, &flaw) < 0 ||
	    !(img->hdr.flags & SOJ_SHM_SEALED))
		return 0;
	return soj_image_unlock(img, in->key_file, vault);
}

/* The file gets its name when it is whole: it may be the one of --since. */
static int save(const struct soj_image *img, const struct fsck_input *in)
{
	char name[PATH_MAX];
	int fd, rc;

	rc = snprintf(name, sizeof(name), "%s.new", in->save);
	if (rc < 0 || (size_t)rc >= sizeof(name))
		return -ENAMETOOLONG;
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd < 0)
		return -errno;
	rc = soj_fsck_save(img, fd);
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && rename(name, in->save) < 0)
		rc = -errno;
	if (rc < 0)
		unlink(name);
	return rc;
}

/* The exit code of a check that found nothing: was it compared? */
static int compared(const struct fsck_input *in,
		    const struct soj_fsck_report *rep)
{
	if (rep->before_rc == 0)
		return 0;
	if (rep->before_rc != -EXDEV)
		return soj_image_failed(rep->before_rc, in->since);
	soj_args_complain("%s: no copy of %s, and not compared with it. "
			  "\"--save\" makes one.",
			  in->since, in->name);
	return EX_DATAERR;
}

/* What was found is told first: no other failure hides it. */
static int finish(const struct soj_image *img, const struct fsck_input *in,
		  const struct soj_fsck_report *rep)
{
	int rc, code;

	put_report(rep, in);
	advise(rep, in->name);
	code = compared(in, rep);
	/* What is no segment cannot be compared with later. */
	rc = in->save && img->slots ? save(img, in) : 0;
	if (rc < 0) {
		soj_args_complain("%s: cannot save: %s", in->save,
				  strerror(-rc));
		code = EX_CANTCREAT;
	}
	return soj_fsck_exit(rep) != 0 ? soj_fsck_exit(rep) : code;
}

static int check(struct soj_image *img, struct soj_image *before,
		 const struct fsck_input *in)
{
	struct soj_fsck_report rep;
	int rc = soj_fsck_after(img, before, &rep, img->live);

	if (rc == 0) {
		rc = finish(img, in, &rep);
	} else {
		soj_args_complain("%s: cannot be checked: %s", in->name,
				  strerror(-rc));
		rc = soj_args_exit(rc);
	}
	soj_fsck_free(&rep);
	return rc;
}

static int check_since(struct soj_image *img, const struct fsck_input *in)
{
	struct soj_image before;
	struct soj_seg_error err;
	int rc = soj_image_open(&before, in->since, &err), code;

	if (rc < 0) {
		rc = soj_image_refused(rc, in->since, &err);
		code = check(img, NULL, in);
		return code != 0 ? code : rc;
	}
	code = check(img, &before, in);
	soj_image_close(&before);
	return code;
}

int cmd_fsck(int argc, char **argv)
{
	struct fsck_input in = {NULL};
	struct soj_image img;
	struct soj_seg_error err;
	struct soj_vault vault;
	int rc;

	soj_args_parse(&fsck_argp, argc, argv, &in);
	rc = soj_image_open(&img, in.name, &err);
	if (rc < 0)
		return soj_image_refused(rc, in.name, &err);
	rc = unlock(&img, &in, &vault);
	if (rc == 0)
		rc = in.since ? check_since(&img, &in) : check(&img, NULL, &in);
	soj_image_close(&img);
	return rc;
}
