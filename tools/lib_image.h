/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_LIB_IMAGE_H
#define SOJ_TOOLS_LIB_IMAGE_H

/*
 * Reading a segment, or a file that holds an image of one, from outside: by
 * pread into private memory.  Nothing is mapped, registered or written, no key
 * is needed, and nothing that the image says is believed before it is bounded.
 * So no image, and no process that changes it meanwhile, can crash or hang a
 * reader.
 *
 * What is read while others write is no instant: words are whole, but two
 * words may come from different times.  Whoever needs more reads again.
 *
 *   lib_image.c       opening, the header, reading, thread slots
 *   lib_image_stat.c  numbers
 *   lib_image_entry.c one entry with its chunk, at one instant
 *
 * Not thread-safe; one thread to an image.
 */

#include "store/store.h"

struct soj_image {
	/* Reads all of [off, off + bytes): 0, -ENODATA (the image ends before
	 * that), -errno. */
	int (*read)(void *arg, void *buf, size_t bytes, uint64_t off);
	void *arg;
	int fd;         /* -1: not a file */
	uint64_t bytes; /* of the image */
	/* Others may be at work on it: what looks wrong may be on its way. */
	bool live;
	uint64_t changed_unix_ms; /* of the file */
	char name[256];
	/* The highest number that soj_image_event_next() has found. */
	uint64_t event_next;

	/* After soj_image_load(): */
	struct soj_shm_header hdr;  /* private copy */
	struct soj_store st;        /* layout and classes; maps nothing; with
				       st.vault sealed values are opened */
	struct soj_shm_slot *slots; /* private copy, slots_max of them */
};

/* What makes an image unreadable. */
enum soj_flaw {
	SOJ_FLAW_NONE,
	SOJ_FLAW_READ, /* input or output failed: says nothing of the image */
	SOJ_FLAW_SHORT,
	SOJ_FLAW_MAGIC,
	SOJ_FLAW_VERSION,
	SOJ_FLAW_LAYOUT,
	SOJ_FLAW_FLAGS,
	SOJ_FLAW_GEOMETRY,
	SOJ_FLAW_SIZE,
	SOJ_FLAW_POLICY,
	SOJ_FLAW_MEMORY, /* none left for the reader */
	SOJ_FLAWS,
};

struct soj_image_flaw {
	enum soj_flaw flaw;
	char text[160];
};

/* ---- lib_image.c ---- */

/*
 * Opens a segment by name, or a file by a path (it has a '/').  A file that
 * lies in /dev/shm, by whatever path it is reached, a memfd, and what is named
 * by a path below /proc are taken for segments in use, like a name; any other
 * file for one that nobody changes.  0, or -errno with a text.
 */
int soj_image_open(struct soj_image *img, const char *name_or_path,
		   struct soj_seg_error *err);

/* An image in memory, which must stay as long as the image is used. */
void soj_image_of_memory(struct soj_image *img, const void *base,
			 uint64_t bytes);

/*
 * Reads and checks the header, computes the layout, copies the slots.  0, or
 * a negative errno and why.  Anything else needs this first.
 */
int soj_image_load(struct soj_image *img, struct soj_image_flaw *flaw);

void soj_image_close(struct soj_image *img);

/* Opens and loads, or says on stderr why not; returns 0 or an exit code. */
int soj_image_need(struct soj_image *img, const char *name_or_path);
/* Says on stderr why it could not be opened; returns the exit code. */
int soj_image_refused(int error, const char *name_or_path,
		      const struct soj_seg_error *err);
/* Says on stderr that the rest cannot be read; returns the exit code. */
int soj_image_failed(int error, const char *name_or_path);

/* Sealed values of a loaded image are opened from now on, with the key in a
 * file.  *vault: the caller's, as long as the image.  0, or says on stderr why
 * not and returns an exit code. */
int soj_image_unlock(struct soj_image *img, const char *key_file,
		     struct soj_vault *vault);

static inline const struct soj_layout *
soj_image_layout(const struct soj_image *img)
{
	return &img->st.seg.lay;
}

/* 0, -ENODATA, -errno. */
int soj_image_read(const struct soj_image *img, void *buf, size_t bytes,
		   uint64_t off);
/* One word, by the offset of its region and its index there. */
int soj_image_word(const struct soj_image *img, uint64_t region_off,
		   uint64_t idx, uint64_t *word);

/* Reads the header's changing half, or all slots, or one of them, again. */
int soj_image_reload_header(struct soj_image *img);
int soj_image_reload_slots(struct soj_image *img);
int soj_image_reload_slot(struct soj_image *img, uint32_t idx);

/* By the private copies: is the slot held; is its holder proved dead? */
bool soj_image_slot_held(const struct soj_image *img, uint32_t idx);
bool soj_image_slot_dead(const struct soj_image *img, uint32_t idx);

/*
 * Now, on the segment's clock.  Of a file that nobody changes: when it was
 * last changed, so that ages are those of that time.
 */
uint64_t soj_image_now_ms(const struct soj_image *img);

/* Where a chunk lies; false if the number is out of range or the unit word is
 * no page's, or has no such chunk. */
bool soj_image_chunk_place(const struct soj_image *img, uint32_t chunk,
			   uint64_t unit_word, uint64_t *off,
			   uint32_t *chunk_bytes);

/* Offset of a chunk's state word; false if the number is out of range. */
bool soj_image_chunk_state_off(const struct soj_image *img, uint32_t chunk,
			       uint64_t *off);

/*
 * A window on a region that is looked through from its beginning to its end:
 * at() gives the bytes at an offset, reading ahead.  exact: no reading ahead,
 * and nothing kept from before.
 */
#define SOJ_WINDOW_BYTES (256u * 1024u)

struct soj_window {
	const struct soj_image *img;
	uint64_t end; /* of the region */
	uint64_t off; /* what buf holds */
	uint64_t used;
	uint64_t *buf;
	bool exact;
};

/* 0 or -ENOMEM. */
int soj_window_init(struct soj_window *win, const struct soj_image *img,
		    uint64_t end);
void soj_window_deinit(struct soj_window *win);
/* bytes: at most SOJ_WINDOW_BYTES.  0, -ENODATA, -errno. */
int soj_window_at(struct soj_window *win, uint64_t off, size_t bytes,
		  const void **at);

/* ---- lib_image_stat.c ---- */

/* Everything that `sojourn stat` shows. */
struct soj_image_stat {
	uint64_t now_ms;
	uint64_t entries[4];    /* by phase; LIVE: those that are not ended */
	uint64_t entries_ended; /* the other LIVE ones: upkeep unlinks them */
	uint64_t units_free;
	struct {
		uint64_t pages;
		uint64_t chunks[4]; /* by phase */
	} classes[SOJ_CLASSES];
	uint32_t threads_attached;
	uint32_t threads_dead; /* of those, proved dead and not yet repaired */
	uint64_t counters[SOJ_COUNTERS_USED];
	bool helper_alive;
	uint32_t helper_pid; /* for showing only; 0: none */
	uint64_t lag_count;
	uint64_t lag_p50_ms, lag_p99_ms, lag_max_ms; /* upper ends of buckets */
};

/* One pass over the state words.  0 or -errno. */
int soj_image_stat(struct soj_image *img, struct soj_image_stat *stat);

/* Of all chunks in that state, heads and unused ends included. */
uint64_t soj_image_chunk_bytes(const struct soj_image *img,
			       const struct soj_image_stat *stat,
			       enum soj_phase phase);

/* The highest lag that header.lag[i] counts; UINT64_MAX for the last. */
uint64_t soj_image_lag_limit_ms(uint32_t i);

/* ---- lib_image_entry.c ---- */

/* What is known of an entry from outside. */
struct soj_image_entry {
	uint32_t idx;
	uint64_t state;
	struct soj_shm_entry words;
	uint64_t ctl; /* of words */
	struct soj_times times;
	/* False: the chunk is not there (any more), and the rest is zero. */
	bool has_value;
	uint64_t version;
	uint32_t data_bytes;
	uint32_t meta_bytes;
	uint32_t subject_bytes;
	uint8_t subject[SOJ_SUBJECT_BYTES_MAX + 1]; /* ends with a zero */
	/* Subject and data are not known: sealed, and the image has no key;
	 * or they do not open. */
	bool sealed, damaged;
	bool has_record;
	bool has_times; /* of the value: `times` are those */
	struct soj_shm_record record;
	uint8_t *data; /* if asked for; the caller frees it */
};

/*
 * Reads an entry that is LIVE or OWNED, and its value, so that ctl and state
 * are the same before and after.  0; -ENOENT (nothing there: free, retired, or
 * not filled yet); -EAGAIN (it kept changing); -ENOMEM; -ENODATA, -errno.
 */
int soj_image_entry(const struct soj_image *img, uint32_t idx, bool want_data,
		    struct soj_image_entry *e);

/* "live", "renewed", "deleted"...; "unknown" for what is none. */
const char *soj_image_status_name(enum soj_status status);

extern const char *const soj_counter_names[SOJ_COUNTERS_USED];
extern const char *const soj_counter_helps[SOJ_COUNTERS_USED];

#endif /* SOJ_TOOLS_LIB_IMAGE_H */
