/* SPDX-License-Identifier: MIT */

/* Words of the command line: durations, sizes, numbers, ids, data. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib_args.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct value {
	const char *text;
	int rc;
	uint64_t value;
};

static void check_values(const struct value *cases, size_t count,
			 int (*parse)(const char *, uint64_t *))
{
	for (size_t i = 0; i < count; i++) {
		uint64_t value = 77;

		if (parse(cases[i].text, &value) != cases[i].rc)
			fail_msg("\"%s\" is %d", cases[i].text,
				 parse(cases[i].text, &value));
		/* What does not parse changes nothing. */
		assert_int_equal(value, cases[i].rc == 0 ? cases[i].value : 77);
	}
}

static void test_durations(void **state)
{
	static const struct value cases[] = {
		{"0", 0, 0},
		{"0s", 0, 0},
		{"5ms", 0, 5},
		{"10s", 0, 10000},
		{"30min", 0, 1800000},
		{"12h", 0, 43200000},
		{"7d", 0, 604800000},
		{"2w", 0, 1209600000},
		{"1h30min", 0, 5400000},
		{"1w1d1h1min1s1ms", 0, 694861001},
		{"007s", 0, 7000},
		{"18446744073709551615ms", 0, UINT64_MAX},
		{"18446744073709551616ms", -ERANGE, 0},
		{"18446744073709551615s", -ERANGE, 0},
		{"18446744073709551s616ms", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"30", -EINVAL, 0},
		{"00", -EINVAL, 0},
		{"min", -EINVAL, 0},
		{"30m", -EINVAL, 0},
		{"30mins", -EINVAL, 0},
		{"30MIN", -EINVAL, 0},
		{"1.5h", -EINVAL, 0},
		{"-1s", -EINVAL, 0},
		{"+1s", -EINVAL, 0},
		{" 1s", -EINVAL, 0},
		{"1 s", -EINVAL, 0},
		{"1s ", -EINVAL, 0},
		{"1s1s", -EINVAL, 0},
		{"1min1h", -EINVAL, 0},
		{"1h30", -EINVAL, 0},
	};

	(void)state;
	check_values(cases, COUNT(cases), soj_args_duration);
}

static void test_sizes(void **state)
{
	static const struct value cases[] = {
		{"0", 0, 0},
		{"4096", 0, 4096},
		{"17B", 0, 17},
		{"64KiB", 0, 65536},
		{"256MiB", 0, 268435456},
		{"1GiB", 0, 1073741824},
		{"2TiB", 0, UINT64_C(2199023255552)},
		{"64kB", 0, 64000},
		{"256MB", 0, 256000000},
		{"1GB", 0, 1000000000},
		{"1TB", 0, UINT64_C(1000000000000)},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"16777216TiB", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"KiB", -EINVAL, 0},
		{"64K", -EINVAL, 0},
		{"64kib", -EINVAL, 0},
		{"64KB", -EINVAL, 0},
		{"1.5GiB", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"1MiB ", -EINVAL, 0},
		{"1MiB1KiB", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
	};

	(void)state;
	check_values(cases, COUNT(cases), soj_args_size);
}

static int from_3_to_9(const char *text, uint64_t *value)
{
	return soj_args_number(text, 3, 9, value);
}

static void test_numbers(void **state)
{
	static const struct value cases[] = {
		{"3", 0, 3},
		{"9", 0, 9},
		{"2", -ERANGE, 0},
		{"10", -ERANGE, 0},
		{"18446744073709551619", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"-3", -EINVAL, 0},
		{"3x", -EINVAL, 0},
		{"x", -EINVAL, 0},
	};

	(void)state;
	check_values(cases, COUNT(cases), from_3_to_9);
}

/* Standard input is a file with these bytes. */
static void feed(const char *bytes, size_t count)
{
	FILE *f = tmpfile();

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, count, f), count);
	rewind(f);
	clearerr(stdin);
	assert_true(dup2(fileno(f), STDIN_FILENO) >= 0);
	assert_int_equal(fclose(f), 0);
	__fpurge(stdin);
}

static void test_ids(void **state)
{
	char id[SOJOURN_ID_CHARS_MAX + 1];
	char longest[SOJOURN_ID_CHARS_MAX + 2];

	(void)state;
	assert_int_equal(soj_args_id("abc-_", id), 0);
	assert_string_equal(id, "abc-_");
	memset(longest, 'x', sizeof(longest));
	longest[SOJOURN_ID_CHARS_MAX] = '\0';
	assert_int_equal(soj_args_id(longest, id), 0);
	assert_string_equal(id, longest);
	/* None is that long: not found. */
	memset(longest, 'x', sizeof(longest));
	longest[SOJOURN_ID_CHARS_MAX + 1] = '\0';
	assert_int_equal(soj_args_id(longest, id), 1);
	assert_int_equal(soj_args_id("", id), EX_USAGE);
}

static void test_ids_of_standard_input(void **state)
{
	char id[SOJOURN_ID_CHARS_MAX + 1];
	char many[200];

	(void)state;
	feed("first\nsecond\r\nthird", 19);
	assert_int_equal(soj_args_id("-", id), 0);
	assert_string_equal(id, "first");
	assert_int_equal(soj_args_id("-", id), 0);
	assert_string_equal(id, "second");
	assert_int_equal(soj_args_id("-", id), 0);
	assert_string_equal(id, "third");
	assert_int_equal(soj_args_id("-", id), EX_USAGE);
	feed("\nx\n", 3);
	assert_int_equal(soj_args_id("-", id), EX_USAGE);
	/* All of a line that is too long is taken. */
	memset(many, 'y', sizeof(many));
	memcpy(many + 150, "\nnext\n", 6);
	feed(many, 156);
	assert_int_equal(soj_args_id("-", id), 1);
	assert_int_equal(soj_args_id("-", id), 0);
	assert_string_equal(id, "next");
}

static void check_data(size_t size, size_t limit, int expected)
{
	char *bytes = malloc(size + 1);
	void *data = NULL;
	size_t count = 0;

	assert_non_null(bytes);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)(i * 7 + i / 256);
	feed(bytes, size);
	assert_int_equal(soj_args_data("-", limit, &data, &count), expected);
	if (expected == 0) {
		assert_int_equal(count, size);
		assert_memory_equal(data, bytes, size);
		free(data);
	}
	free(bytes);
}

static void test_data(void **state)
{
	static const size_t sizes[] = {0,    1,    4095,  4096,  4097,
				       8191, 8192, 65536, 100000};
	void *data;
	size_t count;

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		check_data(sizes[i], 100000, 0);
		check_data(sizes[i], sizes[i], 0);
		if (sizes[i] > 0)
			check_data(sizes[i], sizes[i] - 1, EX_DATAERR);
	}
	assert_int_equal(soj_args_data("/nowhere/at/all", 10, &data, &count),
			 EX_NOINPUT);
	assert_int_equal(soj_args_data("/", 10, &data, &count), EX_IOERR);
}

static void test_id_then_data(void **state)
{
	char id[SOJOURN_ID_CHARS_MAX + 1];
	size_t count;
	void *data;

	(void)state;
	feed("theid\nthe\0data\n", 15);
	assert_int_equal(soj_args_id("-", id), 0);
	assert_int_equal(soj_args_data("-", 100, &data, &count), 0);
	assert_int_equal(count, 9);
	assert_memory_equal(data, "the\0data\n", 9);
	free(data);
}

/* ---- parsing ---- */

struct words {
	const char *subject;
	const char *key_file;
	bool json;
	int count;
	const char *word[4];
};

enum { OPT_SUBJECT = 0x100, OPT_JSON };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct words *w = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &w->key_file;
		return 0;
	case OPT_SUBJECT:
		w->subject = arg;
		return 0;
	case OPT_JSON:
		w->json = true;
		return 0;
	case ARGP_KEY_ARG:
		assert_true(w->count < 4);
		w->word[w->count++] = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{"subject", OPT_SUBJECT, "S", 0, "Whose", 0},
	{"json", OPT_JSON, NULL, 0, "How", 0},
	{0},
};

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.children = soj_args_key_file_child,
};

#define DASHED     "-bcdefghijklmnopqrstuv" /* 22 characters */
#define TWO_DASHES "--cdefghijklmnopqrstuv"

/* argv without argv[0], ended by NULL. */
static void parse_words(struct words *w, const char *const *argv)
{
	static char name[] = "sojourn test";
	char *args[10] = {name};
	int argc = 1;

	*w = (struct words){NULL};
	for (; argv[argc - 1] != NULL; argc++)
		args[argc] = (char *)(uintptr_t)argv[argc - 1];
	soj_args_parse(&argp, argc, args, w);
}

static void assert_id(const char *word, const char *expected)
{
	char id[SOJOURN_ID_CHARS_MAX + 1];

	assert_int_equal(soj_args_id(word, id), 0);
	assert_string_equal(id, expected);
}

static void test_ids_that_look_like_options(void **state)
{
	struct words w;

	(void)state;
	parse_words(&w, (const char *[]){"web", DASHED, NULL});
	assert_int_equal(w.count, 2);
	assert_id(w.word[1], DASHED);
	parse_words(&w, (const char *[]){"web", TWO_DASHES, "--json", NULL});
	assert_true(w.json);
	assert_int_equal(w.count, 2);
	assert_id(w.word[1], TWO_DASHES);
	/* An option without value does not swallow it. */
	parse_words(&w, (const char *[]){"web", "--json", DASHED, NULL});
	assert_true(w.json);
	assert_int_equal(w.count, 2);
	assert_id(w.word[1], DASHED);
	/* One with a value gets it as it is, its own or a child's. */
	parse_words(&w, (const char *[]){"--subject", DASHED, "web", NULL});
	assert_string_equal(w.subject, DASHED);
	parse_words(&w, (const char *[]){"--key-file", DASHED, "web", NULL});
	assert_string_equal(w.key_file, DASHED);
	parse_words(&w, (const char *[]){"--sub", DASHED, "web", NULL});
	assert_string_equal(w.subject, DASHED);
	/* Behind two dashes all are words. */
	parse_words(&w, (const char *[]){"--", DASHED, "--json", NULL});
	assert_int_equal(w.count, 2);
	assert_string_equal(w.word[0], DASHED);
	assert_string_equal(w.word[1], "--json");
	assert_false(w.json);
}

/* The exit code of a process that parses these words. */
static int parse_in_child(const char *const *argv)
{
	struct words w;
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(99);
		argp_err_exit_status = EX_USAGE;
		parse_words(&w, argv);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_usage_errors(void **state)
{
	(void)state;
	assert_int_equal(parse_in_child((const char *[]){"web", NULL}), 0);
	assert_int_equal(parse_in_child((const char *[]){"--bogus", NULL}),
			 EX_USAGE);
	assert_int_equal(parse_in_child((const char *[]){"--subject", NULL}),
			 EX_USAGE);
	assert_int_equal(parse_in_child((const char *[]){"--json=1", NULL}),
			 EX_USAGE);
	/* 21 characters are too few for an id. */
	assert_int_equal(
		parse_in_child((const char *[]){"-bcdefghijklmnopqrstu", NULL}),
		EX_USAGE);
	/* No character of an id: not one. */
	assert_int_equal(parse_in_child((const char *[]){
				 "-bcdefghijklmnopqrstuvwx=y", NULL}),
			 EX_USAGE);
}

static void test_exit_codes(void **state)
{
	static const struct {
		int error;
		int exit;
	} cases[] = {
		{0, 0},
		{-ENOENT, EX_NOINPUT},
		{-ESHUTDOWN, EX_NOINPUT},
		{-EEXIST, EX_CANTCREAT},
		{-EACCES, EX_NOPERM},
		{-EPERM, EX_NOPERM},
		{-ELOOP, EX_NOPERM},
		{-EROFS, EX_NOPERM},
		{-EKEYREJECTED, EX_NOPERM},
		{-ENOSPC, EX_TEMPFAIL},
		{-EAGAIN, EX_TEMPFAIL},
		{-EBUSY, EX_TEMPFAIL},
		{-EMSGSIZE, EX_DATAERR},
		{-ESTALE, EX_DATAERR},
		{-EBADMSG, EX_DATAERR},
		{-EPROTO, EX_PROTOCOL},
		{-EXDEV, EX_PROTOCOL},
		{-EINVAL, EX_USAGE},
		{-EIO, EX_IOERR},
		{-ENOMEM, EX_OSERR},
		{-EMFILE, EX_OSERR},
		{-ECHILD, EX_SOFTWARE},
		{-4095, EX_SOFTWARE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(soj_args_exit(cases[i].error), cases[i].exit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_ids_of_standard_input),
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_id_then_data),
		cmocka_unit_test(test_ids_that_look_like_options),
		cmocka_unit_test(test_usage_errors),
		cmocka_unit_test(test_exit_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
