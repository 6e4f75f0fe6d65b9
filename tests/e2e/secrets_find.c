/* SPDX-License-Identifier: MIT */

/*
 * Looks for secrets in files: secrets_find LIST FILE...
 *
 * A line of LIST is "NAME text CHARS" (what a client was given, base64url) or
 * "NAME hex DIGITS" (bytes).  A file has a secret when any 8 bytes in a row of
 * it are there, or any 12 characters in a row of its text: as it is, in
 * hexadecimal of either case, in base64 of either alphabet.  Exits 1 then, 64 if
 * there was nothing to look for.
 */

#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define RAW_BYTES  8u
#define TEXT_BYTES 12u
#define TABLE_SIZE (1u << 20)
#define SECRET_MAX 4096u
#define SHOWN_MAX  20u

/* So many bytes in a row of a secret. */
struct window {
	uint64_t head; /* the first eight */
	uint32_t tail; /* the other four of a text */
	bool text;
	const char *name, *form; /* NULL: nothing here */
};

static struct window *table;
static unsigned windows;

static uint64_t head_of(const uint8_t *at)
{
	uint64_t head;

	memcpy(&head, at, sizeof(head));
	return head;
}

static uint32_t tail_of(const uint8_t *at)
{
	uint32_t tail;

	memcpy(&tail, at + RAW_BYTES, sizeof(tail));
	return tail;
}

static uint32_t place_of(uint64_t head)
{
	return (uint32_t)((head * UINT64_C(0x9e3779b97f4a7c15)) >> 44);
}

static void add_windows(const char *name, const char *form, const void *data,
			size_t bytes, bool text)
{
	const size_t width = text ? TEXT_BYTES : RAW_BYTES;
	const uint8_t *at = data;

	for (size_t i = 0; i + width <= bytes; i++) {
		uint32_t place = place_of(head_of(at + i));

		if (++windows > TABLE_SIZE / 2) {
			fprintf(stderr, "too many secrets\n");
			exit(64);
		}
		while (table[place].name)
			place = (place + 1) % TABLE_SIZE;
		table[place] = (struct window){
			.head = head_of(at + i),
			.tail = text ? tail_of(at + i) : 0,
			.text = text,
			.name = name,
			.form = form,
		};
	}
}

static void add_bytes(const char *name, const uint8_t *raw, size_t bytes)
{
	static char text[2 * SECRET_MAX + 1];

	add_windows(name, "bytes", raw, bytes, false);
	sodium_bin2hex(text, sizeof(text), raw, bytes);
	add_windows(name, "hexadecimal", text, 2 * bytes, true);
	for (size_t i = 0; i < 2 * bytes; i++)
		if (text[i] >= 'a')
			text[i] = (char)(text[i] - 'a' + 'A');
	add_windows(name, "HEXADECIMAL", text, 2 * bytes, true);
	sodium_bin2base64(text, sizeof(text), raw, bytes,
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	add_windows(name, "base64url", text, strlen(text), true);
	sodium_bin2base64(text, sizeof(text), raw, bytes,
			  sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
	add_windows(name, "base64", text, strlen(text), true);
}

static bool add_secret(char *line)
{
	static uint8_t raw[SECRET_MAX];
	const char *name, *kind, *value;
	size_t bytes = 0;

	name = strsep(&line, " ");
	kind = strsep(&line, " ");
	value = strsep(&line, "\n");
	if (!name || !kind || !value || strlen(value) > SECRET_MAX)
		return false;
	name = strdup(name);
	if (strcmp(kind, "hex") == 0) {
		if (sodium_hex2bin(raw, sizeof(raw), value, strlen(value), NULL,
				   &bytes, NULL) != 0)
			return false;
		add_bytes(name, raw, bytes);
		return bytes >= RAW_BYTES;
	}
	add_windows(name, "text", value, strlen(value), true);
	if (sodium_base642bin(raw, sizeof(raw), value, strlen(value), NULL,
			      &bytes, NULL,
			      sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0)
		add_bytes(name, raw, bytes);
	return strlen(value) >= TEXT_BYTES;
}

static const struct window *window_at(const uint8_t *at, size_t left)
{
	uint64_t head = head_of(at);

	for (uint32_t place = place_of(head); table[place].name;
	     place = (place + 1) % TABLE_SIZE) {
		const struct window *w = &table[place];

		if (w->head == head && (!w->text || (left >= TEXT_BYTES &&
						     w->tail == tail_of(at))))
			return w;
	}
	return NULL;
}

static unsigned look_into(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const uint8_t *data;
	const struct window *before = NULL;
	unsigned found = 0, shown = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		perror(path);
		exit(66);
	}
	if ((size_t)st.st_size < RAW_BYTES) {
		close(fd);
		return 0;
	}
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (data == MAP_FAILED) {
		perror(path);
		exit(66);
	}
	for (size_t i = 0; i + RAW_BYTES <= (size_t)st.st_size; i++) {
		const struct window *w =
			window_at(data + i, (size_t)st.st_size - i);

		/* Of a whole one the beginning is shown. */
		if (w && !before && shown++ < SHOWN_MAX)
			printf("%s has %s at %zu, as %s\n", path, w->name, i,
			       w->form);
		found += w && !before;
		before = w;
	}
	munmap((void *)(uintptr_t)data, (size_t)st.st_size);
	return found;
}

int main(int argc, char **argv)
{
	unsigned secrets = 0, found = 0;
	char *line = NULL;
	size_t room = 0;
	FILE *list;

	table = calloc(TABLE_SIZE, sizeof(*table));
	list = argc > 2 ? fopen(argv[1], "r") : NULL;
	if (table == NULL || list == NULL || sodium_init() < 0)
		return 64;
	for (; getline(&line, &room, list) > 0; secrets++)
		if (!add_secret(line)) {
			fprintf(stderr, "line %u of %s is no secret\n",
				secrets + 1, argv[1]);
			return 64;
		}
	fclose(list);
	for (int i = 2; i < argc; i++)
		found += look_into(argv[i]);
	printf("%u secrets, %u windows, %d files, %u found\n", secrets, windows,
	       argc - 2, found);
	free(line);
	free(table);
	if (secrets == 0)
		return 64;
	return found ? 1 : 0;
}
