/* SPDX-License-Identifier: MIT */

/*
 * Huge pages: had where the kernel can, done without where it cannot, and
 * nothing else is different.
 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
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

/* No segment is mapped where a huge page could lie. */
void *mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t off)
{
	assert_int_equal(off, 0);
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

/* A segment, its numbers, and whether a session is kept in it. */
static void make(bool huge, struct sojourn_stat *stat)
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
	o.segment_bytes = 9 << 20;
	o.helper = SOJOURN_HELPER_NONE;
	o.huge = huge;
	assert_int_equal(sojourn_create(NULL, &o, &s), 0);
	if (huge)
		assert_int_equal((uintptr_t)s->st.seg.base % HUGE_BYTES, 0);
	assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
	assert_int_equal(sojourn_session_read(s, id, NULL, data, &bytes, NULL),
			 0);
	assert_memory_equal(data, "cart", 4);
	assert_int_equal(sojourn_stat(s, stat), 0);
	sojourn_detach(s);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(had_where_the_kernel_can),
		cmocka_unit_test(not_asked_for),
		cmocka_unit_test(done_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
