/* SPDX-License-Identifier: MIT */

/* The command `sojourn`: finds the subcommand and calls it. */

#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <sojourn/version.h>

#include "cmd.h"
#include "lib_args.h"

static const struct command {
	const char *name;
	const char *full; /* argv[0] of the command */
	int (*run)(int argc, char **argv);
	const char *summary;
} commands[] = {
	{"create", "sojourn create", cmd_create, "make a segment"},
	{"destroy", "sojourn destroy", cmd_destroy, "remove a segment"},
	{"size", "sojourn size", cmd_size, "how large a segment has to be"},
	{"stat", "sojourn stat", cmd_stat, "numbers about a segment"},
	{"top", "sojourn top", cmd_top, "the numbers as they change"},
	{"dump", "sojourn dump", cmd_dump, "one entry a line"},
	{"fsck", "sojourn fsck", cmd_fsck, "check every invariant"},
	{"events", "sojourn events", cmd_events, "who did what"},
	{"new", "sojourn new", cmd_new, "make a session, print its id"},
	{"get", "sojourn get", cmd_get, "print a session's data"},
	{"set", "sojourn set", cmd_set, "replace a session's data"},
	{"touch", "sojourn touch", cmd_touch, "mark a session as used"},
	{"renew", "sojourn renew", cmd_renew, "give a session a new id"},
	{"rm", "sojourn rm", cmd_rm, "end sessions"},
	{"ls", "sojourn ls", cmd_ls, "list a subject's sessions"},
	{"put", "sojourn put", cmd_put, "put an item under a key"},
	{"has", "sojourn has", cmd_has, "is there an item?"},
	{"scan", "sojourn scan", cmd_scan, "list entries, step by step"},
	{"count", "sojourn count", cmd_count, "count entries"},
	{"clear", "sojourn clear", cmd_clear, "end entries by collection"},
	{"token", "sojourn token", cmd_token, "access tokens and their keys"},
	{"bench", "sojourn bench", cmd_bench, "put load on a segment"},
	{"demo", "sojourn demo", cmd_demo, "a web site with logins"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *out)
{
	fputs("Usage: sojourn COMMAND [NAME] [OPTION...]\n"
	      "Login sessions shared by the processes of one host.\n"
	      "\n"
	      "Commands:\n",
	      out);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-9s %s\n", commands[i].name,
			commands[i].summary);
	fputs("\n"
	      "  sojourn COMMAND --help   says more about one of them\n"
	      "  sojourn --version        the version\n"
	      "\n"
	      "NAME is a segment's. Durations are written 250ms, 5s, 30min, "
	      "12h, 7d, sizes\n"
	      "4096, 64KiB, 256MiB, 1GiB. \"-\" for an id reads it from "
	      "standard input, where\n"
	      "no process list shows it.\n"
	      "\n"
	      "Exit codes:\n"
	      "  0   done\n"
	      "  1   no such session or item, or a token that was refused\n"
	      "  64  usage: wrong options, or values out of range\n"
	      "  65  not the version expected, too much data, or a damaged "
	      "segment\n"
	      "  66  no such segment or file\n"
	      "  69  no helper program\n"
	      "  70  a defect\n"
	      "  71  the operating system refused\n"
	      "  73  name taken, or not enough shared memory\n"
	      "  74  input or output failed\n"
	      "  75  full or busy: try again\n"
	      "  76  a segment of another version\n"
	      "  77  no permission, or not the segment's key\n"
	      "fsck and bench have some more: see their --help.\n",
	      out);
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

/* A command that wrote less than it should has not done its work. */
static int finish(int code)
{
	int failed;

	errno = 0;
	failed = fflush(stdout) != 0 || ferror(stdout);
	if (!failed)
		return code;
	/* Who closed the pipe has seen enough and needs no message. */
	if (errno != EPIPE)
		fprintf(stderr, "sojourn: standard output: %s\n",
			errno != 0 ? strerror(errno) : "not all was written");
	return code != 0 ? code : EX_IOERR;
}

static int run(const struct command *command, int argc, char **argv)
{
	/* argp only reads the words, and puts them in another order. */
	argv[0] = (char *)(uintptr_t)command->full;
	return finish(command->run(argc, argv));
}

int main(int argc, char **argv)
{
	const struct command *command;

	argp_err_exit_status = EX_USAGE;
	argp_program_version = "sojourn " SOJOURN_VERSION;
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		print_help(stderr);
		return EX_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0 ||
	    (strcmp(argv[1], "help") == 0 && argc == 2)) {
		print_help(stdout);
		return finish(0);
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		puts(argp_program_version);
		return finish(0);
	}
	if (strcmp(argv[1], "help") == 0 && (command = find(argv[2])) != NULL) {
		char help[] = "--help";
		char *words[] = {NULL, help, NULL};

		return run(command, 2, words);
	}
	command = find(argv[1]);
	if (command != NULL)
		return run(command, argc - 1, argv + 1);
	soj_args_complain("there is no %s \"%s\"; sojourn --help lists the "
			  "commands",
			  argv[1][0] == '-' ? "option" : "command", argv[1]);
	return EX_USAGE;
}
