/* SPDX-License-Identifier: MIT */

/* Attaching refuses whatever later code could not rely on, writing nothing. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib_shm.h"

#define HEADER_BYTES sizeof(struct soj_shm_header)

static void refused_once(const char *name, bool readonly, int want,
			 const char *word)
{
	unsigned descriptors = shm_descriptors();
	struct soj_seg_error err = {""};
	struct soj_seg seg;
	int rc = soj_seg_attach(&seg, name, readonly, NULL, &err);

	if (rc != want)
		fail_msg("%s: %d, not %d: %s", word, rc, want, err.text);
	if (strstr(err.text, word) == NULL)
		fail_msg("no \"%s\" in \"%s\"", word, err.text);
	assert_null(seg.base);
	assert_int_equal(seg.fd, -1);
	assert_int_equal(shm_descriptors(), descriptors);
	assert_int_equal(shm_mappings(), 0);
	assert_int_equal(soj_seg_attach(&seg, name, readonly, NULL, NULL),
			 want);
}

static void expect_refused(const char *name, int want, const char *word)
{
	refused_once(name, false, want, word);
	refused_once(name, true, want, word);
}

static void read_header(const char *name, uint8_t header[HEADER_BYTES])
{
	int fd = open(shm_path(name), O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, header, HEADER_BYTES, 0), HEADER_BYTES);
	close(fd);
}

static void write_file(const char *name, size_t off, const void *data,
		       size_t bytes)
{
	int fd = open(shm_path(name), O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, bytes, (off_t)off), bytes);
	close(fd);
}

struct doctored {
	const char *word; /* in the text */
	size_t off;
	uint64_t value;
	unsigned bytes;
	int want;
};

#define HDR(field)        offsetof(struct soj_shm_header, field)
#define COLLECTION(field) offsetof(struct soj_shm_header, collection[0].field)
#define POLICY(field)     offsetof(struct soj_shm_header, policy.field)

static const struct doctored doctored[] = {
	{"magic", HDR(magic), 0, 8, -EPROTO},
	{"magic", HDR(magic), 0x534F4A4F55524E31, 8, -EPROTO},
	{"version 1.", HDR(version_major), 1, 2, -EPROTO},
	{"version 6.", HDR(version_major), SOJ_SHM_VERSION_MAJOR + 1, 2,
	 -EPROTO},
	{"version 0.", HDR(version_major), 0, 2, -EPROTO},
	{"layout", HDR(layout), SOJ_SHM_LAYOUT + 1, 4, -EPROTO},
	{"flags", HDR(flags), SOJ_SHM_FLAGS + 1, 4, -EPROTO},
	{"flags", HDR(flags), UINT32_MAX, 4, -EPROTO},
	{"not sealed", HDR(flags), SOJ_SHM_SEAL_AES, 4, -EBADMSG},
	{"flags", HDR(flags), SOJ_SHM_SEALED, 4, -EPROTO},
	{"values are sealed", HDR(seal_salt), 1, 8, -EBADMSG},
	{"has a name", HDR(flags), SOJ_SHM_ANONYMOUS, 4, -EBADMSG},
	{"machine was started", HDR(boot_id) + 15, 0xfff, 1, -ESTALE},
	{"time namespace", HDR(timens_offset_ms), 86400000, 8, -EXDEV},
	{"clock base", HDR(clock_base_ms), INT64_MAX, 8, -EBADMSG},
	{"clock base", HDR(clock_base_ms), UINT64_MAX - 1, 8, -EBADMSG},
	{"geometry", HDR(entries_max), 0, 4, -EBADMSG},
	{"geometry", HDR(entries_max), UINT32_MAX, 4, -EBADMSG},
	{"geometry", HDR(units), 0, 4, -EBADMSG},
	{"geometry", HDR(units), UINT32_MAX, 4, -EBADMSG},
	{"geometry", HDR(unit_slots), 0, 4, -EBADMSG},
	{"geometry", HDR(unit_slots), UINT32_MAX, 4, -EBADMSG},
	{"geometry", HDR(slots_max), 0, 4, -EBADMSG},
	{"geometry", HDR(slots_max), UINT32_MAX, 4, -EBADMSG},
	{"geometry takes", HDR(entries_max), 3000, 4, -EBADMSG},
	{"geometry takes", HDR(units), 7, 4, -EBADMSG},
	{"geometry takes", HDR(slots_max), 999, 4, -EBADMSG},
	{"geometry takes", HDR(segment_bytes), 0, 8, -EBADMSG},
	{"geometry takes", HDR(segment_bytes), UINT64_MAX, 8, -EBADMSG},
	{"ttl_ms", COLLECTION(ttl_ms), 0, 8, -EBADMSG},
	{"ttl_ms", COLLECTION(ttl_ms), UINT64_MAX, 8, -EBADMSG},
	{"idle_ms", COLLECTION(idle_ms), UINT64_MAX, 8, -EBADMSG},
	{"renewal_ms", COLLECTION(renewal_ms), UINT64_MAX, 8, -EBADMSG},
	{"grace_window_ms", COLLECTION(grace_window_ms), UINT64_MAX, 8,
	 -EBADMSG},
	{"max_lifetime_ms", COLLECTION(max_lifetime_ms), UINT64_MAX, 8,
	 -EBADMSG},
	{"lease_ms", POLICY(lease_ms), 0, 8, -EBADMSG},
	{"expel_after_ms", POLICY(expel_after_ms), 0, 8, -EBADMSG},
	{"when_full", POLICY(when_full), 2, 4, -EBADMSG},
	{"id_bytes", POLICY(id_bytes), UINT32_MAX, 4, -EBADMSG},
	{"destroyed", HDR(destroyed), 1, 4, -ESHUTDOWN},
};

static void doctored_headers(void **state)
{
	const char *name = shm_name("doctored");
	uint8_t good[HEADER_BYTES], bad[HEADER_BYTES], after[HEADER_BYTES];
	struct soj_seg_error err;
	struct soj_seg seg;

	(void)state;
	shm_make(name);
	read_header(name, good);
	for (size_t i = 0; i < sizeof(doctored) / sizeof(doctored[0]); i++) {
		const struct doctored *d = &doctored[i];

		memcpy(bad, good, HEADER_BYTES);
		if (d->value == 0xfff) /* any other value */
			bad[d->off] ^= 0x40;
		else
			memcpy(bad + d->off, &d->value, d->bytes);
		write_file(name, 0, bad, HEADER_BYTES);
		expect_refused(name, d->want, d->word);
		read_header(name, after);
		assert_memory_equal(after, bad, HEADER_BYTES);
		write_file(name, 0, good, HEADER_BYTES);
		assert_int_equal(soj_seg_attach(&seg, name, false, NULL, &err),
				 0);
		soj_seg_detach(&seg);
	}
}

/* A name that no caller can give is damage, and is not told: whoever reads the
 * text may be a terminal. */
static void strange_names_are_not_told(void **state)
{
	struct soj_seg_options opts = shm_options();
	struct soj_shm_collection *third = &opts.collection[3];
	struct soj_seg_error err;

	(void)state;
	for (unsigned byte = 1; byte < 256; byte++) {
		*third = opts.collection[0];
		third->name[2] = (char)byte;
		third->ttl_ms = 0;
		assert_int_equal(
			soj_seg_collections_check(opts.collection, &err),
			-EINVAL);
		for (const char *c = err.text; *c; c++)
			assert_true(*c >= 0x20 && *c < 0x7f);
		third->ttl_ms = opts.collection[0].ttl_ms;
		if (soj_seg_collections_check(opts.collection, &err) == 0)
			assert_true(byte > 0x20 && byte < 0x7f);
		else
			assert_non_null(strstr(err.text, "collection 3"));
	}
}

/* Every bit of what never changes: refused, or harmless. */
static void single_bit_flips(void **state)
{
	const char *name = shm_name("flips");
	uint8_t good[HEADER_BYTES];
	unsigned refused = 0;

	(void)state;
	shm_make(name);
	read_header(name, good);
	for (size_t bit = 0; bit < HDR(epoch) * 8; bit++) {
		uint8_t byte = good[bit / 8] ^ (uint8_t)(1u << bit % 8);
		struct soj_seg_error err = {""};
		struct soj_seg seg;

		write_file(name, bit / 8, &byte, 1);
		if (soj_seg_attach(&seg, name, true, NULL, &err) < 0) {
			assert_int_not_equal(err.text[0], '\0');
			refused++;
		} else {
			assert_int_equal(seg.lay.segment_bytes, seg.bytes);
			assert_true(soj_seg_now_ms(&seg) >= 1);
			soj_seg_detach(&seg);
		}
		write_file(name, bit / 8, &good[bit / 8], 1);
	}
	/* Magic, major, layout, bytes, boot id, time namespace, units. */
	assert_true(refused >= 64 + 16 + 32 + 64 + 128 + 64 + 32);
}

static void other_key(void **state)
{
	struct soj_seg_options opts = shm_options();
	const char *name = shm_name("key");
	struct soj_seg_error err;
	struct soj_seg seg;

	(void)state;
	shm_make(name);
	assert_int_equal(
		soj_seg_attach(&seg, name, false, opts.key_fingerprint, &err),
		0);
	soj_seg_detach(&seg);
	opts.key_fingerprint[15] ^= 1;
	assert_int_equal(
		soj_seg_attach(&seg, name, false, opts.key_fingerprint, &err),
		-EKEYREJECTED);
	assert_non_null(strstr(err.text, "key"));
	assert_null(seg.base);
}

static void set_size(const char *name, off_t bytes)
{
	assert_int_equal(truncate(shm_path(name), bytes), 0);
}

static void wrong_sizes(void **state)
{
	const char *name = shm_name("size");
	struct soj_seg_error err;
	struct soj_seg seg;
	struct stat st;
	int fd;

	(void)state;
	shm_make(name);
	assert_int_equal(stat(shm_path(name), &st), 0);
	set_size(name, st.st_size + 4096);
	expect_refused(name, -EBADMSG, "file has");
	set_size(name, st.st_size);
	assert_int_equal(soj_seg_attach(&seg, name, false, NULL, &err), 0);
	soj_seg_detach(&seg);
	/* What was cut off comes back as a hole, and may be a SIGBUS. */
	set_size(name, st.st_size - 65536);
	expect_refused(name, -EBADMSG, "file has");
	set_size(name, st.st_size);
	expect_refused(name, -EBADMSG, "holes");
	fd = open(shm_path(name), O_RDWR);
	assert_int_equal(posix_fallocate(fd, 0, st.st_size), 0);
	close(fd);
	assert_int_equal(soj_seg_attach(&seg, name, false, NULL, &err), 0);
	soj_seg_detach(&seg);
	set_size(name, 12288);
	expect_refused(name, -EBADMSG, "file has 12288");
	set_size(name, (off_t)HEADER_BYTES - 1);
	expect_refused(name, -EBADMSG, "less than the header");
	set_size(name, 0);
	expect_refused(name, -EBADMSG, "less than the header");
}

static void wrong_modes(void **state)
{
	static const mode_t bad[] = {0666, 0606, 0602,  0604,  0640,
				     0700, 0620, 04600, 01600, 0777};
	const char *name = shm_name("mode");
	struct soj_seg_error err;
	struct soj_seg seg;

	(void)state;
	shm_make(name);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(chmod(shm_path(name), bad[i]), 0);
		expect_refused(name, -EACCES, "mode");
	}
	assert_int_equal(chmod(shm_path(name), 0660), 0);
	assert_int_equal(soj_seg_attach(&seg, name, false, NULL, &err), 0);
	soj_seg_detach(&seg);
}

static void not_a_plain_file(void **state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	const char *name = shm_name("target");
	const char *other = shm_name("other");
	int sock;

	(void)state;
	expect_refused(name, -ENOENT, "does not exist");
	shm_make(name);
	assert_int_equal(symlink(shm_path(name), shm_path(other)), 0);
	expect_refused(other, -ELOOP, "symbolic link");
	assert_int_equal(unlink(shm_path(other)), 0);
	assert_int_equal(link(shm_path(name), shm_path(other)), 0);
	expect_refused(other, -EACCES, "hard links");
	expect_refused(name, -EACCES, "hard links");
	assert_int_equal(unlink(shm_path(other)), 0);
	/* Nobody ever opens the other end. */
	assert_int_equal(mkfifo(shm_path(other), 0600), 0);
	expect_refused(other, -EINVAL, "regular");
	assert_int_equal(unlink(shm_path(other)), 0);
	assert_int_equal(mkdir(shm_path(other), 0700), 0);
	expect_refused(other, -EINVAL, "regular");
	assert_int_equal(rmdir(shm_path(other)), 0);
	sock = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", shm_path(other));
	assert_int_equal(bind(sock, (struct sockaddr *)&addr, sizeof(addr)), 0);
	expect_refused(other, -EINVAL, "regular");
	close(sock);
}

static int attach_as_nobody(const void *arg)
{
	const char *const *names = arg;
	struct soj_seg_error err = {""};
	struct soj_seg seg;

	CHECK(setgid(65534) == 0 && setuid(65534) == 0);
	/* 0: root's, for our group. */
	if (soj_seg_attach(&seg, names[0], false, NULL, &err) < 0) {
		print_error("%s\n", err.text);
		return 1;
	}
	soj_seg_detach(&seg);
	CHECK(soj_seg_destroy(names[0], &err) == -EACCES);
	CHECK(strstr(err.text, "user 0") != NULL);
	/* 1: somebody else's, for our group. */
	CHECK(soj_seg_attach(&seg, names[1], false, NULL, &err) == -EACCES);
	CHECK(strstr(err.text, "belongs to user 1;") != NULL);
	CHECK(soj_seg_destroy(names[1], &err) == -EACCES);
	/* 2: root's, for root only. */
	CHECK(soj_seg_attach(&seg, names[2], true, NULL, &err) == -EACCES);
	CHECK(err.text[0] != '\0');
	CHECK(soj_seg_destroy(names[2], &err) == -EACCES);
	return 0;
}

static void wrong_owners(void **state)
{
	const char *const names[] = {shm_name("own0"), shm_name("own1"),
				     shm_name("own2")};
	struct soj_seg_error err;
	struct soj_seg seg;

	(void)state;
	if (geteuid() != 0)
		skip();
	for (unsigned i = 0; i < 3; i++) {
		shm_make(names[i]);
		if (i == 2)
			break;
		assert_int_equal(chown(shm_path(names[i]), i, 65534), 0);
		assert_int_equal(chmod(shm_path(names[i]), 0660), 0);
	}
	/* Not even root trusts what another user made. */
	expect_refused(names[1], -EACCES, "belongs to user 1;");
	assert_int_equal(soj_seg_destroy(names[1], &err), -EACCES);
	child_passes(attach_as_nobody, names);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(chown(shm_path(names[i]), 0, 0), 0);
		assert_int_equal(
			soj_seg_attach(&seg, names[i], false, NULL, &err), 0);
		soj_seg_detach(&seg);
	}
}

static int store_through_readonly(const void *arg)
{
	const struct soj_seg *seg = arg;

	soj_store_relaxed(&seg->hdr->epoch, 3);
	return 0;
}

static int make_writable(const void *arg)
{
	const struct soj_seg *seg = arg;

	CHECK(mprotect(seg->base, seg->bytes, PROT_READ | PROT_WRITE) < 0);
	CHECK(errno == EACCES);
	return 0;
}

static void readonly_cannot_write(void **state)
{
	struct soj_seg_options opts = shm_options();
	const char *name = shm_name("readonly");
	struct soj_seg_error err;
	struct soj_seg seg, anon;

	(void)state;
	shm_make(name);
	assert_int_equal(soj_seg_attach(&seg, name, true, NULL, &err), 0);
	assert_true(seg.readonly);
	assert_int_equal(soj_load_acquire(&seg.hdr->epoch), 2);
	assert_int_equal(in_child(store_through_readonly, &seg), -SIGSEGV);
	assert_int_equal(soj_load_acquire(&seg.hdr->epoch), 2);
	/* Not even on purpose: the file is open for reading only. */
	child_passes(make_writable, &seg);
	soj_seg_detach(&seg);

	assert_int_equal(soj_seg_create(&anon, NULL, &opts, &err), 0);
	assert_int_equal(soj_seg_attach_fd(&seg, anon.fd, true, NULL, &err), 0);
	assert_true(seg.readonly);
	assert_int_equal(in_child(store_through_readonly, &seg), -SIGSEGV);
	assert_int_equal(soj_load_acquire(&seg.hdr->epoch), 2);
	soj_seg_detach(&seg);
	soj_seg_detach(&anon);
}

static void refused_fd(int fd, int want, const char *word)
{
	unsigned descriptors = shm_descriptors();
	struct soj_seg_error err = {""};
	struct soj_seg seg;

	assert_int_equal(soj_seg_attach_fd(&seg, fd, false, NULL, &err), want);
	if (strstr(err.text, word) == NULL)
		fail_msg("no \"%s\" in \"%s\"", word, err.text);
	assert_null(seg.base);
	assert_int_equal(seg.fd, -1);
	assert_int_equal(shm_descriptors(), descriptors);
}

static void descriptors_are_judged(void **state)
{
	struct soj_seg_options opts = shm_options();
	const char *name = shm_name("fd");
	struct soj_seg_error err;
	struct soj_seg seg;
	uint64_t zero = 0;
	int fd, ends[2];

	(void)state;
	refused_fd(-1, -EBADF, "descriptor -1");
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	refused_fd(ends[0], -EACCES, "sealed");
	close(ends[0]);
	close(ends[1]);
	/* A file that its owner could cut short. */
	shm_make(name);
	fd = open(shm_path(name), O_RDWR | O_CLOEXEC);
	refused_fd(fd, -EACCES, "sealed");
	close(fd);
	assert_int_equal(soj_seg_create(&seg, NULL, &opts, &err), 0);
	assert_int_equal(fchmod(seg.fd, 0666), 0);
	refused_fd(seg.fd, -EACCES, "mode");
	assert_int_equal(fchmod(seg.fd, 0600), 0);
	assert_int_equal(pwrite(seg.fd, &zero, 8, 0), 8);
	refused_fd(seg.fd, -EPROTO, "magic");
	soj_seg_detach(&seg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(doctored_headers),
		cmocka_unit_test(strange_names_are_not_told),
		cmocka_unit_test(single_bit_flips),
		cmocka_unit_test(other_key),
		cmocka_unit_test(wrong_sizes),
		cmocka_unit_test(wrong_modes),
		cmocka_unit_test(not_a_plain_file),
		cmocka_unit_test(wrong_owners),
		cmocka_unit_test(readonly_cannot_write),
		cmocka_unit_test(descriptors_are_judged),
	};

	return cmocka_run_group_tests(tests, NULL, shm_teardown);
}
