/* SPDX-License-Identifier: MIT */

/*
 * S1, S10: ids as they come: at the end of memory that may be read, and many in one
 * call.
 */

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib_sem.h"

#define ID (SOJOURN_ID_CHARS_MAX + 1)
/* So many that some share their bucket with eight others and more: of those
 * nothing says beforehand where the value lies. */
#define CROWD 3900u

/* However long a text is, nothing behind it is read: here that would be fatal. */
static void s1_ids_at_the_end_of_memory(void **state)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sojourn_options o;
	struct sojourn *s;
	char id[ID], data[8];

	(void)state;
	assert_true(pages != MAP_FAILED);
	assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
	sem_options(&o);
	s = sem_make(&o);
	sem_login(s, "anna", "data", id);
	for (size_t chars = 0; chars <= strlen(id); chars++) {
		char *text = pages + page - chars - 1;
		size_t bytes = sizeof(data);
		int rc;

		memcpy(text, id, chars);
		text[chars] = 0;
		rc = sojourn_session_read(s, text, NULL, data, &bytes, NULL);
		assert_int_equal(rc, chars == strlen(id) ? 0 : -ENOENT);
	}
	sojourn_detach(s);
	munmap(pages, 2 * page);
}

static bool gone(unsigned i)
{
	return i % 5 == 1;
}

static bool no_id(unsigned i)
{
	return i % 11 == 3;
}

static bool too_small(unsigned i)
{
	return i % 7 == 2;
}

/* For the data alone: as each would be found on its own. */
static void s10_many_by_id(void **state)
{
	static struct sojourn_one list[CROWD];
	static char ids[CROWD][ID], data[CROWD][8], text[9];
	struct sojourn_options o;
	struct sojourn *s;
	int found = 0;

	(void)state;
	sem_options(&o);
	o.entries_max = 4000;
	o.segment_bytes = 8u << 20;
	s = sem_make(&o);
	for (unsigned i = 0; i < CROWD; i++) {
		snprintf(text, sizeof(text), "%08u", i);
		sem_login(s, "anna", text, ids[i]);
		list[i].id = ids[i];
		list[i].data = data[i];
		list[i].data_bytes = too_small(i) ? 7 : 8;
		if (gone(i))
			assert_int_equal(sojourn_session_delete(s, ids[i]), 1);
		if (no_id(i))
			ids[i][20] = 0;
		found += !gone(i) && !no_id(i) && !too_small(i);
	}
	assert_int_equal(sojourn_get_many(s, list, CROWD, NULL), found);
	for (unsigned i = 0; i < CROWD; i++) {
		snprintf(text, sizeof(text), "%08u", i);
		assert_int_equal(list[i].rc, gone(i) || no_id(i) ? -ENOENT
					     : too_small(i)      ? -ENOBUFS
								 : 0);
		if (list[i].rc != -ENOENT)
			assert_int_equal(list[i].data_bytes, 8);
		if (list[i].rc == 0)
			assert_memory_equal(data[i], text, 8);
	}
	sojourn_detach(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s1_ids_at_the_end_of_memory),
		cmocka_unit_test(s10_many_by_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
