/* SPDX-License-Identifier: MIT */

#include "lib_image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- sources ---- */

static int file_read(void *arg, void *buf, size_t bytes, uint64_t off)
{
	const struct soj_image *img = arg;
	uint8_t *to = buf;

	while (bytes > 0) {
		ssize_t got = pread(img->fd, to, bytes, (off_t)off);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return -ENODATA;
		to += got;
		off += (uint64_t)got;
		bytes -= (size_t)got;
	}
	return 0;
}

static int memory_read(void *arg, void *buf, size_t bytes, uint64_t off)
{
	memcpy(buf, (const uint8_t *)arg + off, bytes);
	return 0;
}

static void init(struct soj_image *img)
{
	memset(img, 0, sizeof(*img));
	img->fd = -1;
	img->st.seg.fd = -1;
}

static bool below(const char *path, const char *folder)
{
	return strncmp(path, folder, strlen(folder)) == 0;
}

/*
 * By the file and not by the word for it, which may be relative, or a link.
 * What another mount namespace has below /dev/shm is of another file system
 * and shows without that folder: whoever names it by /proc means a process.
 */
static bool in_use(int fd, const char *path, const struct stat *st)
{
	char link[32], file[PATH_MAX];
	struct stat shm, root;
	ssize_t got;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	got = readlink(link, file, sizeof(file) - 1);
	file[got > 0 ? got : 0] = '\0';
	if (below(file, "/dev/shm/") || below(file, "/memfd:") ||
	    below(path, "/proc/"))
		return true;
	/* Mounted in another place, too.  Where /dev/shm is a mere folder, its
	 * device says nothing. */
	return stat("/dev/shm", &shm) == 0 && stat("/", &root) == 0 &&
	       shm.st_dev != root.st_dev && shm.st_dev == st->st_dev;
}

int soj_image_open(struct soj_image *img, const char *name_or_path,
		   struct soj_seg_error *err)
{
	bool is_path = strchr(name_or_path, '/') != NULL;
	struct stat st;
	int fd;

	init(img);
	fd = soj_seg_open_inspect(name_or_path, err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0) {
		int rc = -errno;

		snprintf(err->text, sizeof(err->text), "%s: cannot stat: %s",
			 name_or_path, strerror(-rc));
		close(fd);
		return rc;
	}
	snprintf(img->name, sizeof(img->name), "%s", name_or_path);
	img->fd = fd;
	img->bytes = st.st_size > 0 ? (uint64_t)st.st_size : 0;
	img->live = !is_path || in_use(fd, name_or_path, &st);
	img->changed_unix_ms = (uint64_t)st.st_mtim.tv_sec * 1000 +
			       (uint64_t)st.st_mtim.tv_nsec / 1000000;
	return 0;
}

void soj_image_of_memory(struct soj_image *img, const void *base,
			 uint64_t bytes)
{
	init(img);
	snprintf(img->name, sizeof(img->name), "image");
	img->read = memory_read;
	/* Only read from, but other sources keep a state of their own. */
	img->arg = (void *)(uintptr_t)base;
	img->bytes = bytes;
}

void soj_image_close(struct soj_image *img)
{
	if (img->fd >= 0)
		close(img->fd);
	free(img->slots);
	init(img);
}

int soj_image_read(const struct soj_image *img, void *buf, size_t bytes,
		   uint64_t off)
{
	if (off > img->bytes || bytes > img->bytes - off)
		return -ENODATA;
	if (img->read)
		return img->read(img->arg, buf, bytes, off);
	return file_read((void *)(uintptr_t)img, buf, bytes, off);
}

int soj_image_word(const struct soj_image *img, uint64_t region_off,
		   uint64_t idx, uint64_t *word)
{
	return soj_image_read(img, word, sizeof(*word),
			      region_off + idx * sizeof(*word));
}

/* ---- the header ---- */

static int __attribute__((format(printf, 4, 5)))
flawed(struct soj_image_flaw *flaw, enum soj_flaw what, int rc,
       const char *format, ...)
{
	va_list args;

	flaw->flaw = what;
	va_start(args, format);
	vsnprintf(flaw->text, sizeof(flaw->text), format, args);
	va_end(args);
	return rc;
}

static int check_identity(const struct soj_shm_header *hdr,
			  struct soj_image_flaw *flaw)
{
	uint64_t magic = soj_load_relaxed(&hdr->magic);

	if (magic != SOJ_SHM_MAGIC)
		return flawed(flaw, SOJ_FLAW_MAGIC, -EPROTO,
			      "not a segment: magic is %016" PRIx64
			      ", not %016" PRIx64,
			      magic, SOJ_SHM_MAGIC);
	if (hdr->version_major != SOJ_SHM_VERSION_MAJOR)
		return flawed(flaw, SOJ_FLAW_VERSION, -EPROTO,
			      "format version is %u.%u, this build reads "
			      "version %u",
			      hdr->version_major, hdr->version_minor,
			      SOJ_SHM_VERSION_MAJOR);
	if (hdr->layout != SOJ_SHM_LAYOUT)
		return flawed(flaw, SOJ_FLAW_LAYOUT, -EPROTO,
			      "made by a build with other sizes: layout is "
			      "%08x, not %08x",
			      hdr->layout, SOJ_SHM_LAYOUT);
	if ((hdr->flags & ~SOJ_SHM_FLAGS) ||
	    (hdr->flags & SOJ_SHM_SEALED) == SOJ_SHM_SEALED)
		return flawed(flaw, SOJ_FLAW_FLAGS, -EPROTO,
			      "flags are 0x%x, this build knows 0x%x",
			      hdr->flags, SOJ_SHM_FLAGS);
	return 0;
}

static int check_size(struct soj_image *img, struct soj_image_flaw *flaw)
{
	const struct soj_shm_header *hdr = &img->hdr;
	struct soj_layout *lay = &img->st.seg.lay;

	if (soj_layout_compute(lay, hdr->entries_max, hdr->units,
			       hdr->unit_slots, hdr->slots_max,
			       hdr->events_max) < 0)
		return flawed(flaw, SOJ_FLAW_GEOMETRY, -EBADMSG,
			      "impossible geometry: %u entries, %u units of "
			      "%u slots, %u threads, %u events",
			      hdr->entries_max, hdr->units, hdr->unit_slots,
			      hdr->slots_max, hdr->events_max);
	if (hdr->segment_bytes != lay->segment_bytes)
		return flawed(flaw, SOJ_FLAW_GEOMETRY, -EBADMSG,
			      "says that it has %" PRIu64
			      " bytes, its geometry takes %" PRIu64,
			      hdr->segment_bytes, lay->segment_bytes);
	if (img->bytes != lay->segment_bytes)
		return flawed(flaw, SOJ_FLAW_SIZE, -EBADMSG,
			      "has %" PRIu64
			      " bytes, its geometry takes %" PRIu64,
			      img->bytes, lay->segment_bytes);
	return 0;
}

static int check_policy(const struct soj_shm_header *hdr,
			struct soj_image_flaw *flaw)
{
	struct soj_seg_error err;

	if (soj_seg_policy_check(&hdr->policy, &err) == 0 &&
	    soj_seg_collections_check(hdr->collection, &err) == 0)
		return 0;
	return flawed(flaw, SOJ_FLAW_POLICY, -EBADMSG, "%s", err.text);
}

static int read_failed(struct soj_image_flaw *flaw, int rc)
{
	return flawed(flaw, SOJ_FLAW_READ, rc, "cannot read: %s",
		      strerror(-rc));
}

int soj_image_load(struct soj_image *img, struct soj_image_flaw *flaw)
{
	int rc = soj_image_read(img, &img->hdr, sizeof(img->hdr), 0);

	flaw->flaw = SOJ_FLAW_NONE;
	flaw->text[0] = '\0';
	if (rc == -ENODATA)
		return flawed(flaw, SOJ_FLAW_SHORT, -EBADMSG,
			      "has %" PRIu64
			      " bytes, less than the header of a segment",
			      img->bytes);
	if (rc < 0)
		return read_failed(flaw, rc);
	rc = check_identity(&img->hdr, flaw);
	if (rc == 0)
		rc = check_size(img, flaw);
	if (rc == 0)
		rc = check_policy(&img->hdr, flaw);
	if (rc < 0)
		return rc;
	img->st.seg.flags = img->hdr.flags;
	img->st.seg.policy = img->hdr.policy;
	memcpy(img->st.seg.collection, img->hdr.collection,
	       sizeof(img->st.seg.collection));
	img->st.seg.clock_base_ms = img->hdr.clock_base_ms;
	soj_store_init(&img->st);
	free(img->slots);
	img->slots = aligned_alloc(SOJ_CACHELINE_BYTES,
				   img->hdr.slots_max * sizeof(*img->slots));
	if (!img->slots)
		return flawed(flaw, SOJ_FLAW_MEMORY, -ENOMEM,
			      "no memory for the thread slots");
	rc = soj_image_reload_slots(img);
	return rc < 0 ? read_failed(flaw, rc) : 0;
}

/* What is constant was judged, and stays as it was judged. */
int soj_image_reload_header(struct soj_image *img)
{
	const size_t from = offsetof(struct soj_shm_header, epoch);
	const size_t end = offsetof(struct soj_shm_header, collection);

	return soj_image_read(img, (uint8_t *)&img->hdr + from, end - from,
			      from);
}

/* ---- slots ---- */

int soj_image_reload_slots(struct soj_image *img)
{
	return soj_image_read(img, img->slots,
			      img->hdr.slots_max * sizeof(*img->slots),
			      img->st.seg.lay.slots_off);
}

int soj_image_reload_slot(struct soj_image *img, uint32_t idx)
{
	return soj_image_read(img, &img->slots[idx], sizeof(*img->slots),
			      img->st.seg.lay.slots_off +
				      idx * sizeof(*img->slots));
}

bool soj_image_slot_held(const struct soj_image *img, uint32_t idx)
{
	return idx < img->hdr.slots_max &&
	       soj_claim_phase(soj_load_relaxed(&img->slots[idx].claim)) ==
		       SOJ_CLAIM_HELD;
}

/*
 * In a file, thread numbers are those of another time: only the kernel's mark
 * counts.
 */
bool soj_image_slot_dead(const struct soj_image *img, uint32_t idx)
{
	struct soj_seg seg = {.slots = img->slots, .lay = img->st.seg.lay};
	uint64_t claim;

	return idx < img->hdr.slots_max &&
	       soj_slot_dead(&seg, idx, img->live, &claim);
}

/* ---- time ---- */

uint64_t soj_image_now_ms(const struct soj_image *img)
{
	/* Never written through. */
	struct soj_seg seg = {
		.hdr = (struct soj_shm_header *)(uintptr_t)&img->hdr,
		.flags = img->st.seg.flags,
		.clock_base_ms = img->st.seg.clock_base_ms};
	uint64_t beat_ms = soj_load_relaxed(&img->hdr.helper_beat_ms);
	uint64_t created_ms = img->hdr.created_unix_ms;

	if (img->live || (seg.flags & SOJ_SHM_MANUAL_CLOCK))
		return soj_seg_now_ms(&seg);
	if (img->changed_unix_ms > created_ms)
		return 1 + img->changed_unix_ms - created_ms;
	return soj_max(1, soj_min(beat_ms, SOJ_MASK(SOJ_TIME_BITS)));
}

/* ---- chunks ---- */

bool soj_image_chunk_place(const struct soj_image *img, uint32_t chunk,
			   uint64_t unit_word, uint64_t *off,
			   uint32_t *chunk_bytes)
{
	const struct soj_layout *lay = soj_image_layout(img);
	enum soj_unit_phase phase = soj_unit_phase(unit_word);
	uint32_t class = soj_unit_class(unit_word);
	uint32_t unit = soj_chunk_unit(chunk);

	if (unit >= lay->units || class >= SOJ_CLASSES ||
	    (phase != SOJ_UNIT_ACTIVE && phase != SOJ_UNIT_DRAINING) ||
	    soj_chunk_slot(chunk) >= img->st.classes[class].page_slots ||
	    img->st.classes[class].page_units > lay->units - unit)
		return false;
	*chunk_bytes = img->st.classes[class].chunk_bytes;
	*off = lay->chunks_off + (uint64_t)unit * SOJ_UNIT_BYTES +
	       (uint64_t)soj_chunk_slot(chunk) * *chunk_bytes;
	return true;
}

bool soj_image_chunk_state_off(const struct soj_image *img, uint32_t chunk,
			       uint64_t *off)
{
	const struct soj_layout *lay = soj_image_layout(img);

	if (soj_chunk_unit(chunk) >= lay->units ||
	    soj_chunk_slot(chunk) >= lay->unit_slots)
		return false;
	*off = lay->chunk_states_off +
	       8 * ((uint64_t)soj_chunk_unit(chunk) * lay->unit_slots +
		    soj_chunk_slot(chunk));
	return true;
}

/* ---- windows ---- */

int soj_window_init(struct soj_window *win, const struct soj_image *img,
		    uint64_t end)
{
	memset(win, 0, sizeof(*win));
	win->img = img;
	win->end = end;
	win->buf = malloc(SOJ_WINDOW_BYTES);
	return win->buf ? 0 : -ENOMEM;
}

void soj_window_deinit(struct soj_window *win)
{
	free(win->buf);
	memset(win, 0, sizeof(*win));
}

int soj_window_at(struct soj_window *win, uint64_t off, size_t bytes,
		  const void **at)
{
	int rc;

	assert(bytes <= SOJ_WINDOW_BYTES);
	if (win->exact || off < win->off || off - win->off > win->used ||
	    bytes > win->used - (off - win->off)) {
		uint64_t ahead = off < win->end ? win->end - off : 0;

		win->used = 0;
		win->off = off;
		/* A read of memory is not a system call to be saved. */
		ahead = win->exact || win->img->read ? bytes
						     : soj_max(bytes, ahead);
		ahead = soj_min(ahead, SOJ_WINDOW_BYTES);
		rc = soj_image_read(win->img, win->buf, ahead, off);
		if (rc < 0)
			return rc;
		win->used = ahead;
	}
	*at = (const uint8_t *)win->buf + (off - win->off);
	return 0;
}
