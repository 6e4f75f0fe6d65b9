/* SPDX-License-Identifier: MIT */

#include "lib_args.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* ---- values ---- */

struct unit {
	const char *name;
	uint64_t worth;
};

/* Digits at *text, which moves behind them: 0, -EINVAL, or -ERANGE. */
static int take_digits(const char **text, uint64_t *value)
{
	const char *s = *text;
	uint64_t v = 0;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return -ERANGE;
	}
	*text = s;
	*value = v;
	return 0;
}

/* The unit whose name is the whole run of letters at *text. */
static const struct unit *take_unit(const char **text, const struct unit *units,
				    size_t count)
{
	size_t letters = 0;

	while (((*text)[letters] | 0x20) >= 'a' &&
	       ((*text)[letters] | 0x20) <= 'z')
		letters++;
	for (size_t i = 0; i < count; i++) {
		if (strlen(units[i].name) == letters &&
		    memcmp(units[i].name, *text, letters) == 0) {
			*text += letters;
			return &units[i];
		}
	}
	return NULL;
}

int soj_args_duration(const char *text, uint64_t *ms)
{
	static const struct unit units[] = {
		{"ms", 1},      {"s", 1000},     {"min", 60000},
		{"h", 3600000}, {"d", 86400000}, {"w", 604800000},
	};
	uint64_t sum = 0, last = UINT64_MAX;

	if (strcmp(text, "0") == 0) {
		*ms = 0;
		return 0;
	}
	do {
		const struct unit *unit;
		uint64_t part;
		int rc = take_digits(&text, &part);

		if (rc < 0)
			return rc;
		unit = take_unit(&text, units,
				 sizeof(units) / sizeof(units[0]));
		if (unit == NULL || unit->worth >= last)
			return -EINVAL;
		last = unit->worth;
		if (__builtin_mul_overflow(part, unit->worth, &part) ||
		    __builtin_add_overflow(sum, part, &sum))
			return -ERANGE;
	} while (*text != '\0');
	*ms = sum;
	return 0;
}

int soj_args_size(const char *text, uint64_t *bytes)
{
	static const struct unit units[] = {
		{"", 1},
		{"B", 1},
		{"kB", 1000},
		{"MB", 1000000},
		{"GB", 1000000000},
		{"TB", UINT64_C(1000000000000)},
		{"KiB", UINT64_C(1) << 10},
		{"MiB", UINT64_C(1) << 20},
		{"GiB", UINT64_C(1) << 30},
		{"TiB", UINT64_C(1) << 40},
	};
	const struct unit *unit;
	uint64_t value;
	int rc = take_digits(&text, &value);

	if (rc < 0)
		return rc;
	unit = take_unit(&text, units, sizeof(units) / sizeof(units[0]));
	if (unit == NULL || *text != '\0')
		return -EINVAL;
	if (__builtin_mul_overflow(value, unit->worth, &value))
		return -ERANGE;
	*bytes = value;
	return 0;
}

int soj_args_number(const char *text, uint64_t min, uint64_t max,
		    uint64_t *value)
{
	uint64_t v;
	int rc = take_digits(&text, &v);

	if (rc < 0)
		return rc;
	if (*text != '\0')
		return -EINVAL;
	if (v < min || v > max)
		return -ERANGE;
	*value = v;
	return 0;
}

uint64_t soj_args_need_duration(struct argp_state *state, const char *option,
				const char *text)
{
	uint64_t ms = 0;
	int rc = soj_args_duration(text, &ms);

	if (rc == -ERANGE)
		argp_error(state, "%s %s is too long", option, text);
	else if (rc < 0)
		argp_error(state,
			   "%s %s: a duration is whole numbers with their "
			   "units, ms, s, min, h, d or w: 30min, 1h30min",
			   option, text);
	return ms;
}

uint64_t soj_args_need_size(struct argp_state *state, const char *option,
			    const char *text)
{
	uint64_t bytes = 0;
	int rc = soj_args_size(text, &bytes);

	if (rc == -ERANGE)
		argp_error(state, "%s %s is too large", option, text);
	else if (rc < 0)
		argp_error(state,
			   "%s %s: a size is a whole number of bytes, or one "
			   "with KiB, MiB, GiB or TiB: 64KiB, 256MiB",
			   option, text);
	return bytes;
}

uint64_t soj_args_need_number(struct argp_state *state, const char *option,
			      const char *text, uint64_t min, uint64_t max)
{
	uint64_t value = min;

	if (soj_args_number(text, min, max, &value) < 0)
		argp_error(state,
			   "%s %s: a number from %" PRIu64 " to %" PRIu64
			   " is wanted",
			   option, text, min, max);
	return value;
}

/* soj_args_parse() puts it before an id that looks like an option. */
#define MARK '='

int soj_args_id(const char *text, char id[SOJOURN_ID_CHARS_MAX + 1])
{
	size_t chars = 0;
	int c;

	if (strcmp(text, "-") != 0) {
		text += *text == MARK;
		chars = strlen(text);
		if (chars <= SOJOURN_ID_CHARS_MAX)
			memcpy(id, text, chars + 1);
	} else {
		while ((c = getchar()) != EOF && c != '\n') {
			if (chars <= SOJOURN_ID_CHARS_MAX)
				id[chars++] = (char)c;
		}
		if (chars > 0 && id[chars - 1] == '\r')
			chars--;
		if (ferror(stdin)) {
			soj_args_complain("standard input: %s",
					  strerror(errno));
			return EX_IOERR;
		}
		if (chars <= SOJOURN_ID_CHARS_MAX) {
			id[chars] = '\0';
			if (strlen(id) < chars) {
				soj_args_complain("no id has a NUL byte");
				return 1;
			}
		}
	}
	if (chars > 0 && chars <= SOJOURN_ID_CHARS_MAX)
		return 0;
	soj_args_complain(chars == 0 ? "the id is empty; give it, or - and a "
				       "line on standard input"
				     : "no id has more than %u characters",
			  SOJOURN_ID_CHARS_MAX);
	return chars == 0 ? EX_USAGE : 1;
}

/* All of a stream, at most limit bytes: 0, or -errno, -EFBIG. */
static int read_all(FILE *in, size_t limit, void **data, size_t *bytes)
{
	size_t room = 4096, used = 0;
	char *all = NULL;

	for (;;) {
		char *more = realloc(all, room);

		if (more == NULL)
			break;
		all = more;
		used += fread(all + used, 1, room - used, in);
		if (used > limit || ferror(in))
			break;
		if (used < room) {
			*data = all;
			*bytes = used;
			return 0;
		}
		room *= 2;
	}
	free(all);
	if (used > limit)
		return -EFBIG;
	return errno != 0 ? -errno : -EIO;
}

int soj_args_data(const char *path, size_t limit, void **data, size_t *bytes)
{
	const bool standard = strcmp(path, "-") == 0;
	FILE *in = standard ? stdin : fopen(path, "re");
	int rc = -errno;

	if (in != NULL) {
		errno = 0;
		rc = read_all(in, limit, data, bytes);
		if (!standard)
			fclose(in);
	}
	if (rc == 0)
		return 0;
	if (standard)
		path = "standard input";
	if (rc == -EFBIG) {
		soj_args_complain("%s has more than %zu bytes, the most that "
				  "there may be",
				  path, limit);
		return EX_DATAERR;
	}
	soj_args_complain("%s: %s", path, strerror(-rc));
	return in == NULL ? EX_NOINPUT : EX_IOERR;
}

/* ---- parsing ---- */

#define ID_CHARS_MIN 22u /* base64url of 16 bytes */

static bool is_id_like_option(const char *arg)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz"
				     "0123456789-_";

	return arg[0] == '-' && strlen(arg) >= ID_CHARS_MIN &&
	       arg[strspn(arg, digits)] == '\0';
}

/* Whether "--name" asks for the argument that follows. */
static bool takes_value(const struct argp *argp, const char *arg)
{
	if (arg == NULL || strncmp(arg, "--", 2) != 0 || arg[2] == '\0')
		return false;
	for (const struct argp_option *o = argp->options;
	     o != NULL && (o->name != NULL || o->doc != NULL); o++) {
		if (o->name != NULL && o->arg != NULL &&
		    strncmp(o->name, arg + 2, strlen(arg + 2)) == 0)
			return true;
	}
	for (const struct argp_child *c = argp->children;
	     c != NULL && c->argp != NULL; c++) {
		if (takes_value(c->argp, arg))
			return true;
	}
	return false;
}

/* What the parsers may point into lives as long as the program. */
struct kept {
	struct kept *before;
	char *args[];
};

static struct kept *kept_last;

void soj_args_parse(const struct argp *argp, int argc, char **argv, void *input)
{
	const size_t bytes = ((size_t)argc + 1) * sizeof(*argv);
	struct kept *kept = malloc(sizeof(*kept) + bytes);
	int rc = kept == NULL ? ENOMEM : 0;

	if (rc == 0) {
		kept->before = kept_last;
		memcpy(kept->args, argv, bytes);
		kept_last = kept;
	}
	for (int i = 1; i < argc && rc == 0; i++) {
		if (strcmp(argv[i], "--") == 0)
			break;
		if (is_id_like_option(argv[i]) &&
		    !takes_value(argp, argv[i - 1]) &&
		    asprintf(&kept->args[i], "%c%s", MARK, argv[i]) < 0)
			rc = ENOMEM;
	}
	if (rc == 0)
		rc = argp_parse(argp, argc, kept->args, 0, NULL, input);
	if (rc == 0)
		return;
	soj_args_complain("%s", strerror(rc));
	exit(EX_OSERR);
}

#define KEY_FILE 1

static error_t parse_key_file(int key, char *arg, struct argp_state *state)
{
	const char **key_file = state->input;

	if (key != KEY_FILE)
		return ARGP_ERR_UNKNOWN;
	*key_file = arg;
	return 0;
}

static const struct argp_option key_file_options[] = {
	{"key-file", KEY_FILE, "FILE", 0,
	 "Key file of the segment, if not the default", 90},
	{0},
};

static const struct argp key_file_argp = {
	.options = key_file_options,
	.parser = parse_key_file,
};

const struct argp_child soj_args_key_file_child[] = {
	{.argp = &key_file_argp},
	{0},
};

error_t soj_args_name(struct argp_state *state, int key, const char *arg,
		      const char **name)
{
	if (key == ARGP_KEY_END && *name == NULL)
		argp_error(state, "NAME is missing");
	if (key == ARGP_KEY_ARG && *name != NULL)
		argp_error(state, "one NAME only");
	if (key == ARGP_KEY_ARG)
		*name = arg;
	return key == ARGP_KEY_ARG || key == ARGP_KEY_END ? 0
							  : ARGP_ERR_UNKNOWN;
}

/* ---- errors ---- */

void soj_args_complain(const char *format, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("sojourn: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/* What a negative errno of the library means here, and what helps. */
static const struct {
	int error;
	int exit;
	const char *hint;
} errors[] = {
	{-ENOENT, EX_NOINPUT,
	 "\"sojourn create\" makes a segment; /dev/shm/sojourn.* are those "
	 "that there are."},
	{-ESHUTDOWN, EX_NOINPUT, "Make a new one with \"sojourn create\"."},
	{-EINVAL, EX_USAGE, "See --help."},
	{-EEXIST, EX_CANTCREAT,
	 "Choose another name, or end the old one with \"sojourn destroy\"."},
	{-ENOSPC, EX_TEMPFAIL,
	 "Make the segment with more --entries or --bytes, or with "
	 "--when-full evict."},
	{-EAGAIN, EX_TEMPFAIL,
	 "Try again, or make the segment with more --threads-max."},
	{-EBUSY, EX_TEMPFAIL, "Try again."},
	{-ECANCELED, EX_TEMPFAIL, "Try again."},
	{-EMSGSIZE, EX_DATAERR,
	 "Limits: 1 MiB of data, 255 bytes of subject, 2,048 of metadata."},
	{-ESTALE, EX_DATAERR,
	 "It is of no use any more: \"sojourn destroy\", then \"sojourn "
	 "create\"."},
	{-EBADMSG, EX_DATAERR, "\"sojourn fsck\" says what is wrong with it."},
	{-EPROTO, EX_PROTOCOL,
	 "Use the tools of the version that made it, or destroy it and make "
	 "a new one."},
	{-EXDEV, EX_PROTOCOL, "Run in the time namespace that made it."},
	{-EKEYREJECTED, EX_NOPERM,
	 "Name the key file that it was made with: --key-file."},
	{-EACCES, EX_NOPERM,
	 "Run as the owner of the segment and its key file, or make the "
	 "segment with --group."},
	{-EPERM, EX_NOPERM,
	 "Run as the owner of the segment and its key file, or make the "
	 "segment with --group."},
	{-ELOOP, EX_NOPERM, "Symbolic links are not followed."},
	{-EROFS, EX_NOPERM, NULL},
	{-EIO, EX_IOERR, NULL},
	{-ENOMEM, EX_OSERR, NULL},
	{-EMFILE, EX_OSERR, "Raise the limit of open files: ulimit -n."},
	{-ENFILE, EX_OSERR, NULL},
	{-ENOSYS, EX_OSERR, NULL},
	{-EUSERS, EX_TEMPFAIL, NULL},
	{-EILSEQ, EX_DATAERR, NULL},
};

int soj_args_exit(int error)
{
	if (error >= 0)
		return 0;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (errors[i].error == error)
			return errors[i].exit;
	}
	return EX_SOFTWARE;
}

static void hint(int error, const char *text)
{
	/* The errors of segments, but then the segment is not what to look at.
	 */
	if (strstr(text, "key file ") || strstr(text, "the folder ")) {
		fputs("  Give --key-file: the file that the segment was made "
		      "with, 32 bytes that nobody\n"
		      "  but its owner, or a group, may read; for a new "
		      "segment "
		      "one that can be made.\n",
		      stderr);
		return;
	}
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (errors[i].error == error && errors[i].hint != NULL)
			fprintf(stderr, "  %s\n", errors[i].hint);
	}
}

int soj_args_fail(int error, const char *what)
{
	const char *text = sojourn_error_text();

	if (text == NULL || *text == '\0')
		text = sojourn_strerror(error);
	soj_args_complain("cannot %s: %s", what, text);
	hint(error, text);
	return soj_args_exit(error);
}

int soj_args_attach(const char *name, const char *key_file, struct sojourn **s)
{
	const struct sojourn_attach_options options = {.key_file = key_file};
	char what[300];
	int rc = sojourn_attach(name, &options, s);

	if (rc == 0)
		return 0;
	snprintf(what, sizeof(what), "attach %s", name);
	return soj_args_fail(rc, what);
}
