/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_LIB_OPTIONS_H
#define SOJ_TOOLS_LIB_OPTIONS_H

/*
 * The options of the commands that make a segment, and what each sets in
 * struct sojourn_options.  Each command has texts of its own for --help, with
 * its own defaults.
 */

#include <argp.h>

#include <sojourn/sojourn.h>

/* Keys of argp options, above those that a command has for itself. */
enum soj_option_key {
	SOJ_OPT_ENTRIES = 0x200,
	SOJ_OPT_BYTES,
	SOJ_OPT_THREADS_MAX,
	SOJ_OPT_IDLE,
	SOJ_OPT_RENEWAL,
	SOJ_OPT_GRACE_WINDOW,
	SOJ_OPT_MAX_LIFETIME,
	SOJ_OPT_TTL,
	SOJ_OPT_ID_BYTES,
	SOJ_OPT_REDELIVERY,
	SOJ_OPT_PER_SUBJECT_MAX,
	SOJ_OPT_EVENTS,
	SOJ_OPT_IP4_PREFIX,
	SOJ_OPT_IP6_PREFIX,
	SOJ_OPT_WHEN_FULL,
	SOJ_OPT_WHEN_OVER,
	SOJ_OPT_DEVICE,
	SOJ_OPT_IP,
	SOJ_OPT_USER_AGENT,
	SOJ_OPT_SEAL,
	SOJ_OPT_HUGE,
	SOJ_OPT_HELPER,
	SOJ_OPT_SLIDING,
	SOJ_OPT_UPDATE_EVENTS,
	SOJ_OPT_GROUP,
	SOJ_OPT_KEY_FILE,
};

/*
 * Inside an argp parser: puts an option's value where it belongs, and returns
 * the option ("--ttl"); NULL if the key is none of those above.  A value that
 * is wrong ends the program with EX_USAGE and says option, value and rule.
 */
const char *soj_options_take(int key, char *arg, struct argp_state *state,
			     struct sojourn_options *o);

/*
 * On stderr: how the fields of struct sojourn_options that the text of an
 * error mentions are called on the command line.  Nothing if there are none.
 */
void soj_options_explain(const char *text);

/*
 * Right after sojourn_create() failed: whether that is because there is no
 * program of the helper.  -ENOENT may also be about the key file.
 */
bool soj_options_no_helper(const struct sojourn_options *o, int error);

/* By value of the enums; each list ends with NULL. */
extern const char *const soj_helper_names[];
extern const char *const soj_when_over_names[];
extern const char *const soj_binding_names[];

#endif /* SOJ_TOOLS_LIB_OPTIONS_H */
