/* SPDX-License-Identifier: MIT */

/*
 * A fuzz target without a fuzzer: the inputs of its corpus, and as many changed
 * ones as wanted, the same in each run.  So a build without clang tries them as
 * well, and tests/mutants can plant bugs that they must find.
 *
 *   replay_NAME [COUNT]
 */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib_fuzz.h"

#define INPUT_MAX 700u
#define CORPUS    2000u

static struct input {
	size_t bytes;
	uint8_t data[INPUT_MAX];
} corpus[CORPUS];
static unsigned inputs;

static uint64_t state = 1;

static uint32_t draw(uint32_t count)
{
	state = state * UINT64_C(6364136223846793005) +
		UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 33) % count;
}

static void read_corpus(const char *folder)
{
	struct dirent **files;
	int count = scandir(folder, &files, NULL, alphasort);

	for (int i = 0; i < count && inputs < CORPUS; i++) {
		struct input *input = &corpus[inputs];
		char path[1024];
		FILE *file;

		snprintf(path, sizeof(path), "%s/%s", folder, files[i]->d_name);
		file = files[i]->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (file) {
			input->bytes = fread(input->data, 1, INPUT_MAX, file);
			inputs++;
			fclose(file);
		}
		free(files[i]);
	}
	if (count >= 0)
		free(files);
}

/* Of one of the corpus, or of nothing: bytes changed, put in, cut off. */
static void change(struct input *input)
{
	unsigned changes = 1 + draw(8);

	*input = corpus[draw(inputs)];
	if (input->bytes == 0 || draw(4) == 0) {
		input->bytes = 1 + draw(INPUT_MAX);
		for (size_t i = 0; i < input->bytes; i++)
			input->data[i] = (uint8_t)draw(256);
		return;
	}
	while (changes-- > 0)
		input->data[draw((uint32_t)input->bytes)] = (uint8_t)draw(256);
	if (draw(4) == 0)
		input->bytes = 1 + draw((uint32_t)input->bytes);
}

int main(int argc, char **argv)
{
	unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
	const char *name = strstr(argv[0], "replay_"), *src;
	struct input input;
	char folder[768];

	src = getenv("SOJOURN_SRC");
	if (src == NULL || name == NULL) {
		printf("SOJOURN_SRC names no source tree\n");
		return 64;
	}
	snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus/fuzz_%s", src,
		 name + strlen("replay_"));
	read_corpus(folder);
	if (inputs == 0) {
		printf("%s has no input\n", folder);
		return 1;
	}
	for (unsigned i = 0; i < inputs; i++)
		LLVMFuzzerTestOneInput(corpus[i].data, corpus[i].bytes);
	for (unsigned long i = 0; i < count; i++) {
		change(&input);
		LLVMFuzzerTestOneInput(input.data, input.bytes);
	}
	printf("result replayed=%lu violations=0\n", inputs + count);
	return 0;
}
