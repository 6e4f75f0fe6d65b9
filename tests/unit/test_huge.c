/* SPDX-License-Identifier: MIT */

/*
 * Huge pages: had where the kernel can, done without where it cannot, and
 * nothing else is different.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sojourn/sojourn.h>
#include <sojourn/stat.h>

#include "session/handle.h"

#define HUGE_BYTES (2u << 20)
#define COLLAPSE   25

/* What the kernel is made to refuse: from which collapse on. */
static unsigned collapses, refused_from = UINT32_MAX;

int madvise(void *at, size_t bytes, int advice)
{
	if (advice == COLLAPSE && collapses++ >= refused_from) {
		errno = ENOMEM;
		return -1;
	}
	return (int)syscall(SYS_madvise, at, bytes, advice);
}

/* Each collapse takes as long as it is told. */
static unsigned collapse_ms;

int clock_gettime(clockid_t clock, struct timespec *now)
{
	if (clock != CLOCK_THREAD_CPUTIME_ID)
		return (int)syscall(SYS_clock_gettime, clock, now);
	*now = (struct timespec){.tv_sec = collapses * collapse_ms / 1000,
				 .tv_nsec = collapses * collapse_ms % 1000 *
					    1000000L};
	return 0;
}

static void *map_raw(void *at, size_t bytes, int prot, int flags, int fd)
{
	return (void *)syscall(SYS_mmap, at, bytes, prot, flags, (long)fd, 0L);
}

/* Room, and in it a place that is `off` behind a multiple of a huge page. */
static uint8_t *place(size_t bytes, size_t off)
{
	uint8_t *room = map_raw(NULL, bytes + 2 * HUGE_BYTES, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1);

	assert_ptr_not_equal(room, MAP_FAILED);
	return (uint8_t *)soj_align_up((uintptr_t)room, HUGE_BYTES) + off;
}

static bool no_room; /* for a mapping that begins where a huge page can */

/* Nothing is mapped there unless it was asked for. */
void *mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t off)
{
	assert_int_equal(off, 0);
	if (no_room && prot == PROT_NONE) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	if ((flags & MAP_TYPE) == MAP_SHARED && at == NULL &&
	    bytes >= HUGE_BYTES)
		return map_raw(place(bytes, 4096), bytes, prot,
			       flags | MAP_FIXED, fd);
	return map_raw(at, bytes, prot, flags, fd);
}

static bool kernel_can(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	uint8_t *base;
	bool can;

	assert_int_equal(posix_fallocate(fd, 0, HUGE_BYTES), 0);
	base = map_raw(place(HUGE_BYTES, 0), HUGE_BYTES, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED, fd);
	assert_ptr_not_equal(base, MAP_FAILED);
	can = syscall(SYS_madvise, base, (size_t)HUGE_BYTES, COLLAPSE) == 0;
	munmap(base, HUGE_BYTES);
	close(fd);
	return can;
}

/* What the kernel says of the mapping: how much of it is in huge pages. */
static uint64_t huge_kib(const uint8_t *base)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	uint64_t kib = 0, add;
	char line[512], want[32];
	bool in = false;

	assert_non_null(maps);
	snprintf(want, sizeof(want), "%lx-", (unsigned long)(uintptr_t)base);
	while (fgets(line, sizeof(line), maps)) {
		/* Fields begin with a capital, mappings with their address. */
		if (line[0] < 'A' || line[0] > 'Z')
			in = strncmp(line, want, strlen(want)) == 0;
		if (in && sscanf(line, "ShmemPmdMapped: %" SCNu64, &add) == 1)
			kib += add;
	}
	fclose(maps);
	return kib;
}

static void who_attaches_profits(const struct soj_seg *made)
{
	struct soj_seg_error err;
	struct soj_seg seg;

	assert_int_equal(soj_seg_attach_fd(&seg, made->fd, false, NULL, &err),
			 0);
	for (uint64_t at = 0; at < seg.bytes; at += 4096)
		assert_true(seg.base[at] == made->base[at]);
	assert_true(no_room || huge_kib(seg.base) >= HUGE_BYTES / 1024);
	soj_seg_detach(&seg);
}

/* A segment, its numbers, and whether a session is kept in it. */
static void make_of(enum sojourn_huge huge, uint64_t mib,
		    struct sojourn_stat *stat)
{
	struct sojourn_new n = {
		.subject = "anna", .data = "cart", .data_bytes = 4};
	char id[SOJOURN_ID_CHARS_MAX + 1], data[8];
	struct sojourn_options o;
	size_t bytes = sizeof(data);
	struct sojourn *s;

	collapses = 0;
	sojourn_options_init(&o);
	o.entries_max = 1000;
	o.segment_bytes = mib << 20;
	o.helper = SOJOURN_HELPER_NONE;
	o.huge = huge;
	assert_int_equal(sojourn_create(NULL, &o, &s), 0);
	assert_int_equal((uintptr_t)s->st.seg.base % HUGE_BYTES,
			 no_room ? 4096 : 0);
	assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
	assert_int_equal(sojourn_session_read(s, id, NULL, data, &bytes, NULL),
			 0);
	assert_memory_equal(data, "cart", 4);
	assert_int_equal(sojourn_stat(s, stat), 0);
	if (kernel_can() && stat->huge_pages == stat->huge_pages_wanted &&
	    stat->huge_pages > 0)
		who_attaches_profits(&s->st.seg);
	sojourn_detach(s);
}

static void make(bool huge, struct sojourn_stat *stat)
{
	make_of(huge ? SOJOURN_HUGE_ON : SOJOURN_HUGE_OFF, 9, stat);
}

static void had_where_the_kernel_can(void **state)
{
	struct sojourn_stat stat;

	(void)state;
	make(true, &stat);
	assert_int_equal(stat.huge_pages_wanted,
			 stat.segment_bytes / HUGE_BYTES);
	assert_true(stat.huge_pages <= stat.huge_pages_wanted);
	if (kernel_can())
		assert_true(stat.huge_pages > 0);
	else
		puts("this kernel has none");
}

static void not_asked_for(void **state)
{
	struct sojourn_stat stat;

	(void)state;
	make(false, &stat);
	assert_int_equal(collapses, 0);
	assert_int_equal(stat.huge_pages_wanted, 0);
}

static void done_without(void **state)
{
	struct sojourn_stat stat;

	(void)state;
	refused_from = 0;
	make(true, &stat);
	assert_int_equal(stat.huge_pages_wanted,
			 stat.segment_bytes / HUGE_BYTES);
	assert_int_equal(stat.huge_pages, 0);
	refused_from = 1;
	make(true, &stat);
	assert_true(stat.huge_pages <= 1);
	assert_int_equal(collapses, stat.huge_pages_wanted);
	refused_from = UINT32_MAX;
}

/* By default large segments have them, and small ones do not. */
static void without_a_word(void **state)
{
	struct sojourn_stat stat;
	struct sojourn_options o;

	(void)state;
	sojourn_options_init(&o);
	assert_int_equal(o.huge, SOJOURN_HUGE_AUTO);
	make_of(SOJOURN_HUGE_AUTO, 9, &stat);
	assert_int_equal(collapses + stat.huge_pages_wanted, 0);
	make_of(SOJOURN_HUGE_AUTO, 40, &stat);
	assert_int_equal(stat.huge_pages_wanted,
			 stat.segment_bytes / HUGE_BYTES);
	assert_true(stat.huge_pages > 0 || !kernel_can());
	make_of(SOJOURN_HUGE_OFF, 40, &stat);
	assert_int_equal(collapses + stat.huge_pages_wanted, 0);
	/* Refused again and again: it is not asked for ever. */
	refused_from = 3;
	make_of(SOJOURN_HUGE_AUTO, 40, &stat);
	refused_from = UINT32_MAX;
	assert_true(stat.huge_pages <= 3);
	assert_in_range(collapses, 8, 11);
	/* Nor for long, but by who insists. */
	collapse_ms = 300;
	make_of(SOJOURN_HUGE_AUTO, 40, &stat);
	assert_int_equal(collapses, 4);
	make_of(SOJOURN_HUGE_ON, 40, &stat);
	assert_true(collapses > 4);
	collapse_ms = 0;
	/* Nor is there an error where there is no room to align it. */
	no_room = true;
	make_of(SOJOURN_HUGE_AUTO, 40, &stat);
	no_room = false;
	assert_int_equal(stat.huge_pages + collapses, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(had_where_the_kernel_can),
		cmocka_unit_test(not_asked_for),
		cmocka_unit_test(done_without),
		cmocka_unit_test(without_a_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
