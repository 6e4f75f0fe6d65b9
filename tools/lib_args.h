/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_LIB_ARGS_H
#define SOJ_TOOLS_LIB_ARGS_H

/*
 * What the commands share: arguments, errors and exit codes.
 *
 * Exit codes
 *   0   done
 *   1   no such session (not found, expired, deleted...)
 *   64  usage: wrong options, or values out of range      EX_USAGE
 *   65  not the version expected; data too large; segment
 *       damaged or from another boot                      EX_DATAERR
 *   66  no such segment, or a file cannot be read         EX_NOINPUT
 *   69  no helper program                                 EX_UNAVAILABLE
 *   70  a defect of this program or of the segment        EX_SOFTWARE
 *   71  the operating system refused                      EX_OSERR
 *   73  name taken, or not enough shared memory           EX_CANTCREAT
 *   74  input or output failed                            EX_IOERR
 *   75  full, busy, or no thread slot: try again          EX_TEMPFAIL
 *   76  segment of another version or time namespace      EX_PROTOCOL
 *   77  permission, or not the segment's key              EX_NOPERM
 */

#include <argp.h>
#include <stddef.h>
#include <stdint.h>

#include <sojourn/sojourn.h>

/* ---- values ---- */

/*
 * "30min", "1h30min", "250ms": whole numbers, each with its unit out of
 * ms s min h d w, the units descending.  "0" needs none.  "1.5h" and "90" do
 * not parse: the unit is never guessed.  0, -EINVAL, or -ERANGE.
 */
int soj_args_duration(const char *text, uint64_t *ms);

/*
 * "4096", "64KiB", "256MiB", "1GiB", "2TiB", also "64kB", "256MB", "1GB"
 * (powers of 1000).  0, -EINVAL, or -ERANGE.
 */
int soj_args_size(const char *text, uint64_t *bytes);

/* A decimal number from min to max: 0, -EINVAL, or -ERANGE. */
int soj_args_number(const char *text, uint64_t min, uint64_t max,
		    uint64_t *value);

/*
 * The same for an option's value inside an argp parser: what does not parse
 * ends the program with EX_USAGE and a text that names option, value and rule.
 */
uint64_t soj_args_need_duration(struct argp_state *state, const char *option,
				const char *text);
uint64_t soj_args_need_size(struct argp_state *state, const char *option,
			    const char *text);
uint64_t soj_args_need_number(struct argp_state *state, const char *option,
			      const char *text, uint64_t min, uint64_t max);

/*
 * A session id as given, or for "-" one line of standard input, so that it
 * does not show in process lists.  Returns 0, or an exit code after having
 * said why on stderr.
 */
int soj_args_id(const char *text, char id[SOJOURN_ID_CHARS_MAX + 1]);

/*
 * All bytes of a file, or for "-" of standard input; at most limit.  *data is
 * malloc'd.  Returns 0, or an exit code after having said why on stderr.
 */
int soj_args_data(const char *path, size_t limit, void **data, size_t *bytes);

/* ---- parsing ---- */

/*
 * argp_parse() that knows that ids are base64url and may begin with a dash: an
 * argument of 22 or more such characters is never an option.  Usage errors end
 * the program with EX_USAGE, --help and --version with 0.
 */
void soj_args_parse(const struct argp *argp, int argc, char **argv,
		    void *input);

/*
 * What a parser does with the keys that are none of its options, for commands
 * with one argument, NAME: there is one, and no other.  0, or
 * ARGP_ERR_UNKNOWN.
 */
error_t soj_args_name(struct argp_state *state, int key, const char *arg,
		      const char **name);

/*
 * Child parser of --key-file, for commands that attach: its input is a
 * const char ** (hand it over at ARGP_KEY_INIT by state->child_inputs[0]).
 */
extern const struct argp_child soj_args_key_file_child[];

/* ---- errors ---- */

/* "sojourn: ..." and a newline on stderr. */
void soj_args_complain(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* The exit code for a negative errno of a call on a segment or session. */
int soj_args_exit(int error);

/*
 * Says on stderr what failed, why (sojourn_error_text()) and what to do, and
 * returns the exit code.  Right after the failed call of the library.
 * what: "attach web", "create web"...; never an id.
 */
int soj_args_fail(int error, const char *what);

/*
 * Attaches, or says why not.  Returns 0, or the exit code.
 * key_file may be NULL.
 */
int soj_args_attach(const char *name, const char *key_file, struct sojourn **s);

#endif /* SOJ_TOOLS_LIB_ARGS_H */
