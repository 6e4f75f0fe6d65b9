/* SPDX-License-Identifier: MIT */

/* Creating segments: what is in them, who may see them, what is refused. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib_shm.h"
#include "shm/words.h"

static void make(struct soj_seg *seg, const char *name,
		 const struct soj_seg_options *opts)
{
	struct soj_seg_error err;

	if (soj_seg_create(seg, name, opts, &err) < 0)
		fail_msg("%s", err.text);
}

static void expect_refused(const char *name, const struct soj_seg_options *opts,
			   int want, const char *word)
{
	struct soj_seg_error err = {""};
	unsigned descriptors = shm_descriptors();
	unsigned files = shm_files();
	struct soj_seg seg;

	assert_int_equal(soj_seg_create(&seg, name, opts, &err), want);
	if (strstr(err.text, word) == NULL)
		fail_msg("no \"%s\" in \"%s\"", word, err.text);
	assert_null(seg.base);
	assert_int_equal(seg.fd, -1);
	assert_int_equal(shm_descriptors(), descriptors);
	assert_int_equal(shm_files(), files);
	assert_int_equal(shm_mappings(), 0);
	/* Nobody needs to want the text. */
	assert_int_equal(soj_seg_create(&seg, name, opts, NULL), want);
}

static void check_header(const struct soj_seg *seg,
			 const struct soj_seg_options *opts)
{
	const struct soj_shm_header *hdr = seg->hdr;

	assert_int_equal(soj_load_acquire(&hdr->magic), SOJ_SHM_MAGIC);
	assert_int_equal(hdr->version_major, SOJ_SHM_VERSION_MAJOR);
	assert_int_equal(hdr->version_minor, SOJ_SHM_VERSION_MINOR);
	assert_int_equal(hdr->layout, SOJ_SHM_LAYOUT);
	assert_int_equal(hdr->segment_bytes, seg->bytes);
	assert_int_equal(hdr->segment_bytes, seg->lay.segment_bytes);
	assert_int_equal(hdr->entries_max, opts->entries_max);
	assert_int_equal(hdr->slots_max, opts->slots_max);
	assert_int_equal(hdr->units, seg->lay.units);
	assert_int_equal(hdr->unit_slots, seg->lay.unit_slots);
	assert_int_equal(hdr->flags, seg->flags);
	assert_memory_equal(&hdr->policy, &opts->policy, sizeof(hdr->policy));
	assert_memory_equal(&hdr->collection, &opts->collection,
			    sizeof(hdr->collection));
	assert_memory_equal(&seg->collection, &opts->collection,
			    sizeof(seg->collection));
	assert_int_equal(hdr->events_max, opts->events_max);
	assert_memory_equal(&seg->policy, &opts->policy, sizeof(seg->policy));
	assert_memory_equal(hdr->key_fingerprint, opts->key_fingerprint, 16);
	assert_int_equal(hdr->clock_base_ms, seg->clock_base_ms);
	assert_true(hdr->created_unix_ms > UINT64_C(1600000000000));
	assert_int_equal(soj_load_relaxed(&hdr->epoch), 2);
	assert_int_equal(soj_load_relaxed(&hdr->manual_now_ms), 1);
	assert_int_equal(soj_load_relaxed(&hdr->role), 0);
	assert_int_equal(soj_load_relaxed(&hdr->helper_asleep), 0);
	assert_int_equal(soj_load_relaxed(&hdr->destroyed), 0);
}

static void check_words(const soj_word_t *words, uint64_t count, uint64_t want)
{
	for (uint64_t i = 0; i < count; i++)
		assert_int_equal(soj_load_relaxed(&words[i]), want);
}

static void check_regions(const struct soj_seg *seg)
{
	const struct soj_layout *lay = &seg->lay;
	uint64_t entries = (uint64_t)lay->entries_max + 1;
	uint64_t chunks = (uint64_t)lay->units * lay->unit_slots;
	const void *zeroes = seg->base + lay->chunk_free_off;

	check_words(seg->entry_states, entries, soj_state(SOJ_FREE, 0, 1));
	check_words(seg->chunk_states, chunks, soj_state(SOJ_FREE, 0, 1));
	check_words(seg->units, lay->units,
		    soj_unit(SOJ_UNIT_FREE, 0, 0, 0, 1));
	for (uint64_t i = 0; i < lay->entry_hint_words * UINT64_C(64); i++) {
		uint64_t word = soj_load_relaxed(&seg->entry_free[i / 64]);

		assert_int_equal(word >> i % 64 & 1, i >= 1 && i < entries);
	}
	/* All that follows: hints, index, heads, entries, chunks. */
	check_words(zeroes, (seg->bytes - lay->chunk_free_off) / 8, 0);
	for (uint32_t i = 0; i < lay->slots_max; i++) {
		struct soj_shm_slot *slot = &seg->slots[i];

		assert_int_equal(soj_load_relaxed(&slot->section), 0);
		assert_int_equal(soj_load_relaxed(&slot->claim),
				 soj_claim(SOJ_CLAIM_FREE, 1, 0, 0));
		check_words(slot->count, SOJ_COUNTERS_MAX, 0);
		assert_int_equal(slot->pid, 0);
	}
}

static int die_with_mutex(const void *arg)
{
	return pthread_mutex_lock((pthread_mutex_t *)(uintptr_t)arg);
}

/* Robust, and shared with other processes. */
static void check_mutexes(const struct soj_seg *seg)
{
	for (uint32_t i = 0; i < seg->lay.slots_max; i++) {
		pthread_mutex_t *life = &seg->slots[i].life;

		assert_int_equal(in_child(die_with_mutex, life), 0);
		assert_int_equal(pthread_mutex_trylock(life), EOWNERDEAD);
		assert_int_equal(pthread_mutex_consistent(life), 0);
		assert_int_equal(pthread_mutex_unlock(life), 0);
	}
}

static void named_segment_is_complete(void **state)
{
	struct soj_seg_options opts = shm_options();
	const char *name = shm_name("full");
	struct soj_seg seg;
	struct stat st;

	(void)state;
	make(&seg, name, &opts);
	assert_int_equal(stat(shm_path(name), &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(st.st_size, seg.bytes);
	assert_true((uint64_t)st.st_blocks * 512 >= seg.bytes);
	assert_true(seg.bytes <= opts.segment_bytes);
	assert_int_equal(seg.fd, -1);
	assert_int_equal(seg.flags, 0);
	assert_false(seg.readonly);
	check_header(&seg, &opts);
	check_regions(&seg);
	check_mutexes(&seg);
	soj_seg_detach(&seg);
	assert_null(seg.base);
	soj_seg_detach(&seg);
}

static int write_as_child(const void *arg)
{
	const struct soj_seg *seg = arg;
	struct soj_seg_error err;
	struct soj_seg again;

	CHECK(soj_load_relaxed(&seg->hdr->manual_now_ms) == 1);
	soj_store_release(&seg->hdr->manual_now_ms, 77);
	if (soj_seg_attach_fd(&again, seg->fd, false, NULL, &err) < 0) {
		print_error("%s\n", err.text);
		return 1;
	}
	CHECK(soj_load_acquire(&again.hdr->manual_now_ms) == 77);
	CHECK(again.fd > 2 && again.fd != seg->fd);
	soj_store_release(&again.hdr->manual_now_ms, 78);
	soj_seg_detach(&again);
	return 0;
}

static void anonymous_segment_is_inherited(void **state)
{
	struct soj_seg_options opts = shm_options();
	unsigned files = shm_files();
	struct soj_seg seg;
	struct stat st;
	int seals;

	(void)state;
	make(&seg, NULL, &opts);
	assert_true(seg.fd > 2);
	assert_int_equal(fcntl(seg.fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(seg.flags, SOJ_SHM_ANONYMOUS);
	assert_int_equal(shm_files(), files);
	check_header(&seg, &opts);
	check_regions(&seg);
	assert_int_equal(fstat(seg.fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true((uint64_t)st.st_blocks * 512 >= seg.bytes);
	/* Nobody can cut it short, or take the seals off. */
	assert_int_equal(ftruncate(seg.fd, (off_t)seg.bytes - 4096), -1);
	assert_int_equal(ftruncate(seg.fd, (off_t)seg.bytes + 4096), -1);
	seals = fcntl(seg.fd, F_GET_SEALS);
	assert_int_equal(seals & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL |
				  F_SEAL_WRITE),
			 F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	child_passes(write_as_child, &seg);
	assert_int_equal(soj_load_acquire(&seg.hdr->manual_now_ms), 78);
	soj_seg_detach(&seg);
	assert_int_equal(seg.fd, -1);
}

static void taken_name_leaves_the_first(void **state)
{
	struct soj_seg_options opts = shm_options();
	const char *name = shm_name("taken");
	struct soj_seg_error err;
	struct soj_seg seg, other;
	struct stat before, after;

	(void)state;
	make(&seg, name, &opts);
	soj_store_relaxed(&seg.hdr->manual_now_ms, 4711);
	assert_int_equal(stat(shm_path(name), &before), 0);
	opts.entries_max = 10;
	assert_int_equal(soj_seg_create(&other, name, &opts, &err), -EEXIST);
	assert_non_null(strstr(err.text, "exists"));
	assert_non_null(strstr(err.text, name));
	assert_int_equal(stat(shm_path(name), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_size, after.st_size);
	assert_int_equal(soj_load_relaxed(&seg.hdr->manual_now_ms), 4711);
	assert_int_equal(soj_seg_attach(&other, name, false, NULL, &err), 0);
	soj_seg_detach(&other);
	soj_seg_detach(&seg);
	/* What is there but is no segment is a taken name as well. */
	assert_int_equal(mkfifo(shm_path(shm_name("fifo")), 0600), 0);
	assert_int_equal(soj_seg_create(&seg, shm_name("fifo"), &opts, &err),
			 -EEXIST);
	assert_int_equal(symlink("nowhere", shm_path(shm_name("link"))), 0);
	assert_int_equal(soj_seg_create(&seg, shm_name("link"), &opts, &err),
			 -EEXIST);
	assert_int_equal(access("/dev/shm/nowhere", F_OK), -1);
}

static void bad_names(void **state)
{
	static const char *const bad[] = {
		"",    ".",    "..",  "-a",       "_a",    "a/b",    "/a",
		"a b", "a\nb", "a\t", "\xc3\xa4", "a\x1b", "../etc", "a%s",
	};
	struct soj_seg_options opts = shm_options();
	struct soj_seg_error err;
	char name[SOJ_SEG_NAME_MAX + 2];
	struct soj_seg seg;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		expect_refused(bad[i], &opts, -EINVAL, "name");
		assert_int_equal(soj_seg_attach(&seg, bad[i], true, NULL, &err),
				 -EINVAL);
		assert_int_equal(soj_seg_destroy(bad[i], &err), -EINVAL);
		/* What a terminal would obey is not repeated to it. */
		for (const char *c = err.text; *c; c++)
			assert_in_range((unsigned char)*c, ' ', '~');
	}
	memset(name, 'x', sizeof(name));
	name[SOJ_SEG_NAME_MAX + 1] = '\0';
	expect_refused(name, &opts, -EINVAL, "201 bytes");
	snprintf(name, sizeof(name), "%s", shm_name("long-_.09AZ"));
	memset(name + strlen(name), 'z', SOJ_SEG_NAME_MAX - strlen(name));
	name[SOJ_SEG_NAME_MAX] = '\0';
	make(&seg, name, &opts);
	soj_seg_detach(&seg);
	assert_int_equal(soj_seg_create(&seg, name, &opts, &err), -EEXIST);
	assert_non_null(strstr(err.text, "exists"));
	assert_int_equal(soj_seg_destroy(name, &err), 0);
}

static void bad_counts(void **state)
{
	struct soj_seg_options opts = shm_options();
	const char *name = shm_name("counts");

	(void)state;
	opts.entries_max = 0;
	expect_refused(name, &opts, -EINVAL, "entries are 0");
	/* As many entries and bytes as can be said. */
	opts.entries_max = UINT32_MAX;
	opts.segment_bytes = UINT64_MAX;
	expect_refused(name, &opts, -EINVAL, "entries are 4294967295");
	expect_refused(NULL, &opts, -EINVAL, "entries are 4294967295");
	opts = shm_options();
	opts.slots_max = 0;
	expect_refused(name, &opts, -EINVAL, "threads are 0");
	opts.slots_max = SOJ_SLOTS_LIMIT + 1;
	expect_refused(name, &opts, -EINVAL, "threads are 4095");
	opts = shm_options();
	opts.flags = SOJ_SHM_ANONYMOUS;
	expect_refused(name, &opts, -EINVAL, "flags");
	opts.flags = SOJ_SHM_FLAGS + 1;
	expect_refused(name, &opts, -EINVAL, "flags");
}

static void too_few_bytes(void **state)
{
	struct soj_seg_options opts = shm_options();
	const char *name = shm_name("few");
	struct soj_seg_error err;
	struct soj_seg seg;
	const char *need;

	(void)state;
	opts.segment_bytes = 0;
	expect_refused(name, &opts, -EINVAL, "at least");
	assert_int_equal(soj_seg_create(&seg, name, &opts, &err), -EINVAL);
	/* The text names a size that is enough, and no byte less is. */
	need = strstr(err.text, "at least ");
	assert_int_equal(sscanf(need, "at least %" SCNu64, &opts.segment_bytes),
			 1);
	make(&seg, name, &opts);
	assert_int_equal(seg.bytes, opts.segment_bytes);
	soj_seg_detach(&seg);
	opts.segment_bytes--;
	expect_refused(shm_name("few2"), &opts, -EINVAL, "too small");
}

#define FIELD(name)                             \
	offsetof(struct soj_seg_options, name), \
		sizeof(((struct soj_seg_options *)0)->name), #name
#define POLICY(field)     FIELD(policy.field)
#define COLLECTION(field) FIELD(collection[0].field)

static void absurd_policies(void **state)
{
	const struct {
		size_t off, bytes;
		const char *name;
		uint64_t good, bad;
	} rows[] = {
		{COLLECTION(ttl_ms), 1, 0},
		{COLLECTION(ttl_ms), SOJ_SEG_TTL_MAX_MS,
		 SOJ_SEG_TTL_MAX_MS + 1},
		{COLLECTION(idle_ms), SOJ_SEG_IDLE_MAX_MS,
		 SOJ_SEG_IDLE_MAX_MS + 1},
		{COLLECTION(renewal_ms), SOJ_SEG_PERIOD_MAX_MS,
		 SOJ_SEG_PERIOD_MAX_MS + 1},
		{COLLECTION(grace_window_ms), 0, UINT64_MAX},
		{COLLECTION(max_lifetime_ms), SOJ_SEG_PERIOD_MAX_MS,
		 SOJ_SEG_PERIOD_MAX_MS + 1},
		{POLICY(lease_ms), 256, 255},
		{POLICY(lease_ms), 3600000, 3600001},
		{POLICY(expel_after_ms), 1, 0},
		{POLICY(expel_after_ms), 3600000, 3600001},
		{POLICY(when_full), 1, 2},
		{POLICY(id_bytes), 16, 15},
		{POLICY(id_bytes), 48, 49},
		{COLLECTION(flags), SOJ_COLLECTION_DEFINED, 1024},
		{COLLECTION(cap), 0, UINT32_MAX},
		{COLLECTION(cap_policy), SOJ_CAP_EXCLUSIVE, 3},
		{COLLECTION(device_policy), SOJ_BINDING_DELETE, 4},
		{COLLECTION(ip_policy), SOJ_BINDING_DELETE, 4},
		{COLLECTION(user_agent_policy), SOJ_BINDING_DELETE, 255},
		{COLLECTION(ip4_prefix_bits), 32, 0},
		{COLLECTION(ip4_prefix_bits), 1, 33},
		{COLLECTION(ip6_prefix_bits), 128, 129},
		{COLLECTION(redelivery_ms), UINT32_MAX, UINT64_C(1) << 32},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct soj_seg_options opts = shm_options();
		uint8_t *field = (uint8_t *)&opts + rows[i].off;
		struct soj_seg seg;

		memcpy(field, &rows[i].bad, rows[i].bytes);
		expect_refused(NULL, &opts, -EINVAL,
			       strchr(rows[i].name, '.') + 1);
		memcpy(field, &rows[i].good, rows[i].bytes);
		make(&seg, NULL, &opts);
		soj_seg_detach(&seg);
	}
}

static void mode_is_exact_under_any_umask(void **state)
{
	static const mode_t masks[] = {0, 022, 077, 0777};
	struct soj_seg_options opts = shm_options();

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		mode_t old = umask(masks[i / 2]);
		char suffix[16];
		struct soj_seg seg;
		struct stat st;

		opts.group = i % 2 ? getegid() : (gid_t)-1;
		snprintf(suffix, sizeof(suffix), "mode%u", i);
		make(&seg, shm_name(suffix), &opts);
		umask(old);
		assert_int_equal(stat(shm_path(shm_name(suffix)), &st), 0);
		assert_int_equal(st.st_mode & 07777, i % 2 ? 0660 : 0600);
		assert_int_equal(st.st_uid, geteuid());
		soj_seg_detach(&seg);
	}
}

static int create_for_a_foreign_group(const void *arg)
{
	struct soj_seg_options opts = shm_options();
	struct soj_seg_error err = {""};
	struct soj_seg seg;

	CHECK(setgid(65534) == 0 && setuid(65534) == 0);
	opts.group = 12345;
	CHECK(soj_seg_create(&seg, arg, &opts, &err) == -EPERM);
	CHECK(strstr(err.text, "group 12345") != NULL);
	CHECK(access(shm_path(arg), F_OK) < 0);
	return 0;
}

static void group_is_set(void **state)
{
	struct soj_seg_options opts = shm_options();
	const char *name = shm_name("group");
	struct soj_seg seg;
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	opts.group = 12345;
	make(&seg, name, &opts);
	assert_int_equal(stat(shm_path(name), &st), 0);
	assert_int_equal(st.st_gid, 12345);
	assert_int_equal(st.st_mode & 07777, 0660);
	soj_seg_detach(&seg);
	child_passes(create_for_a_foreign_group, shm_name("foreign"));
}

/* "dd" in the flags of the mapping: not in a core dump. */
static void no_core_dump_holds_it(void **state)
{
	struct soj_seg_options opts = shm_options();
	const char *name = shm_name("dump");
	struct soj_seg_error err;
	struct soj_seg segs[4];
	unsigned mappings = 0, excluded = 0;
	char line[1024];
	bool ours = false;
	FILE *smaps;

	(void)state;
	make(&segs[0], name, &opts);
	assert_int_equal(soj_seg_attach(&segs[1], name, true, NULL, &err), 0);
	make(&segs[2], NULL, &opts);
	assert_int_equal(
		soj_seg_attach_fd(&segs[3], segs[2].fd, true, NULL, &err), 0);
	smaps = fopen("/proc/self/smaps", "re");
	assert_non_null(smaps);
	while (fgets(line, sizeof(line), smaps) != NULL) {
		/* The creator's was mapped before it had its name. */
		if (strstr(line, "/dev/shm/") || strstr(line, "memfd:soj")) {
			ours = true;
			mappings++;
		} else if (ours && strncmp(line, "VmFlags:", 8) == 0) {
			excluded += strstr(line, " dd") != NULL;
			ours = false;
		}
	}
	fclose(smaps);
	assert_int_equal(mappings, 4);
	assert_int_equal(excluded, 4);
	for (unsigned i = 0; i < 4; i++)
		soj_seg_detach(&segs[i]);
}

static void time_starts_at_one(void **state)
{
	struct soj_seg_options opts = shm_options();
	uint64_t last = 1;
	struct soj_seg seg;

	(void)state;
	make(&seg, NULL, &opts);
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t now = soj_seg_now_ms(&seg);

		assert_true(now >= last);
		last = now;
	}
	assert_true(last < 600000);
	/* Only the private copy counts: nobody can turn the clock. */
	seg.hdr->clock_base_ms = INT64_MIN;
	soj_store_relaxed(&seg.hdr->manual_now_ms, UINT64_MAX);
	assert_true(soj_seg_now_ms(&seg) < 600000);
	seg.clock_base_ms += 10000000;
	assert_int_equal(soj_seg_now_ms(&seg), 1);
	soj_seg_detach(&seg);

	opts.flags = SOJ_SHM_MANUAL_CLOCK;
	make(&seg, NULL, &opts);
	assert_int_equal(seg.flags, SOJ_SHM_MANUAL_CLOCK | SOJ_SHM_ANONYMOUS);
	assert_int_equal(soj_seg_now_ms(&seg), 1);
	soj_store_relaxed(&seg.hdr->manual_now_ms, 123456789);
	assert_int_equal(soj_seg_now_ms(&seg), 123456789);
	soj_store_relaxed(&seg.hdr->manual_now_ms, 0);
	assert_int_equal(soj_seg_now_ms(&seg), 1);
	soj_seg_detach(&seg);
}

/* Whatever create lets pass, attach does. */
static void every_segment_can_be_attached(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		struct soj_seg_options opts = shm_options();
		struct soj_seg_error err;
		struct soj_seg seg, other;
		const char *name = shm_name("every");

		seed = seed * 1664525 + 1013904223;
		opts.entries_max = 1 + (seed >> 8) % 5000;
		opts.slots_max = 1 + (seed >> 20) % 40;
		opts.segment_bytes = (2 << 20) + (seed >> 4) % (4 << 20);
		opts.flags = i & SOJ_SHM_MANUAL_CLOCK;
		opts.events_max = i % 3 ? 64u << i % 7 : 0;
		opts.collection[0].idle_ms = i % 5 == 0 ? 0 : seed;
		make(&seg, name, &opts);
		if (soj_seg_attach(&other, name, i % 2, opts.key_fingerprint,
				   &err) < 0)
			fail_msg("%s", err.text);
		assert_int_equal(seg.bytes, other.bytes);
		assert_int_equal(seg.lay.units, other.lay.units);
		assert_int_equal(seg.lay.chunks_off, other.lay.chunks_off);
		assert_int_equal(seg.lay.heads_log2, other.lay.heads_log2);
		check_header(&other, &opts);
		assert_int_equal(other.readonly, i % 2);
		assert_int_equal(other.fd, -1);
		soj_seg_detach(&other);
		soj_seg_detach(&seg);
		assert_int_equal(soj_seg_destroy(name, &err), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(named_segment_is_complete),
		cmocka_unit_test(anonymous_segment_is_inherited),
		cmocka_unit_test(taken_name_leaves_the_first),
		cmocka_unit_test(bad_names),
		cmocka_unit_test(bad_counts),
		cmocka_unit_test(too_few_bytes),
		cmocka_unit_test(absurd_policies),
		cmocka_unit_test(mode_is_exact_under_any_umask),
		cmocka_unit_test(group_is_set),
		cmocka_unit_test(no_core_dump_holds_it),
		cmocka_unit_test(time_starts_at_one),
		cmocka_unit_test(every_segment_can_be_attached),
	};

	return cmocka_run_group_tests(tests, NULL, shm_teardown);
}
