/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_CMD_H
#define SOJ_TOOLS_CMD_H

/*
 * The commands of `sojourn`, one or a few to a file cmd_*.c.
 *
 * Each gets its own words only: argv[0] is "sojourn stat" (so that messages
 * and --help name the command), argv[1] what follows it, argv[argc] is NULL.
 * Each parses by soj_args_parse() and returns the exit code of lib_args.h;
 * 0 means that everything that was asked for was done and written.
 *
 * main() has set argp_err_exit_status and ignores SIGPIPE; it flushes stdout
 * after the command and turns a failed write into EX_IOERR.
 */

#include <stdbool.h>

int cmd_create(int argc, char **argv);
int cmd_destroy(int argc, char **argv);
int cmd_size(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_fsck(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_new(int argc, char **argv);
int cmd_get(int argc, char **argv);
int cmd_set(int argc, char **argv);
int cmd_touch(int argc, char **argv);
int cmd_renew(int argc, char **argv);
int cmd_rm(int argc, char **argv);
int cmd_ls(int argc, char **argv);
int cmd_put(int argc, char **argv);
int cmd_has(int argc, char **argv);
int cmd_scan(int argc, char **argv);
int cmd_count(int argc, char **argv);
int cmd_clear(int argc, char **argv);
/* get and rm with --key. */
bool cmd_is_item(int argc, char **argv);
int cmd_get_item(int argc, char **argv);
int cmd_rm_item(int argc, char **argv);
int cmd_token(int argc, char **argv);
int cmd_token_key(int argc, char **argv); /* of cmd_token() */
int cmd_bench(int argc, char **argv);
int cmd_demo(int argc, char **argv);

#endif /* SOJ_TOOLS_CMD_H */
