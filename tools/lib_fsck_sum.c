/* SPDX-License-Identifier: MIT */

/*
 * What was counted, against what the state words say; and every number that
 * only grows, against an earlier copy of the same segment.
 *
 * Sums.  A thread counts in private, tells the segment from time to time, and
 * takes with it what it has not told when it is killed.  So "created - ended =
 * those that live" holds to the last one only where nobody was killed, and
 * there the tests hold it (C4).  What a kill cannot do is invent: an entry's
 * generation grows by one each time that it is freed, which is by exact CAS,
 * so that the generations of all entries are a count of all entries that ever
 * were, and that no kill loses:
 *
 *   sum.made    creates + renewals_won
 *               <= entries freed so far + entries that are not free now
 *   sum.ended   deletes + expirations + evictions + cap_ended + damaged
 *               <= entries freed so far + those that are ended or retired now
 *
 * An end of a login is one, even if it ends several entries of its line, and
 * some ends are those of no login (a replaced item, an old id whose new one is
 * over) and not counted: no more than these two can be said.
 *
 * Counters are read before the states, and what they count happened before:
 * the first holds while others work.  The second takes state and ctl of an
 * entry at one instant, and is left out then.
 *
 * Since.  Generations, versions, the epoch and the counters never go back, in
 * no process and by no kill, so each word of now is not before the one of an
 * earlier copy, even if both were read while others wrote.  All are compared
 * as serial numbers of their bits: what went ahead by half of the range (2^31
 * changes of one entry's value, 2^36 of anything else) would look like a step
 * back.
 */

#include "lib_fsck_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* ---- sums ---- */

static uint64_t counted(const struct soj_image *img, enum soj_counter counter)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < img->hdr.slots_max; i++)
		sum += soj_load_relaxed(&img->slots[i].count[counter]);
	return sum;
}

void soj_fsck_count(struct soj_fsck *f)
{
	const struct soj_image *img = f->img;

	f->rep->counted_made = counted(img, SOJ_COUNT_creates) +
			       counted(img, SOJ_COUNT_renewals_won);
	f->rep->counted_ended = counted(img, SOJ_COUNT_deletes) +
				counted(img, SOJ_COUNT_expirations) +
				counted(img, SOJ_COUNT_evictions) +
				counted(img, SOJ_COUNT_cap_ended) +
				counted(img, SOJ_COUNT_damaged);
}

void soj_fsck_add_up(struct soj_fsck *f, uint64_t state, uint64_t ctl)
{
	enum soj_phase phase = soj_state_phase(state);
	uint64_t freed = soj_state_gen(state) - 1;

	if (f->fresh || soj_state_gen(state) == 0)
		return;
	f->rep->made += freed + (phase != SOJ_FREE);
	f->rep->over += freed + (phase == SOJ_RETIRED ||
				 (phase != SOJ_FREE && soj_ctl_ended(ctl)));
}

void soj_fsck_sums(struct soj_fsck *f, uint64_t item)
{
	const struct soj_fsck_report *rep = f->rep;

	(void)item;
	if (rep->counted_made > rep->made)
		soj_fsck_found(f, SOJ_FSCK_SUM_MADE, 0, 0,
			       "%" PRIu64 " counted, %" PRIu64
			       " entries were ever taken",
			       rep->counted_made, rep->made);
	if (!f->online && rep->counted_ended > rep->over)
		soj_fsck_found(f, SOJ_FSCK_SUM_ENDED, 0, 0,
			       "%" PRIu64 " counted, %" PRIu64
			       " entries ever ended",
			       rep->counted_ended, rep->over);
}

/* ---- since ---- */

bool soj_fsck_same(const struct soj_image *img, const struct soj_image *before)
{
	const struct soj_shm_header *a = &img->hdr, *b = &before->hdr;

	/* What else is constant may have been overwritten since: a reason to
	 * compare, not one to let it be. */
	return a->created_unix_ms == b->created_unix_ms &&
	       memcmp(a->boot_id, b->boot_id, sizeof(a->boot_id)) == 0 &&
	       memcmp(a->key_fingerprint, b->key_fingerprint,
		      sizeof(a->key_fingerprint)) == 0 &&
	       a->entries_max == b->entries_max && a->units == b->units &&
	       a->unit_slots == b->unit_slots && a->slots_max == b->slots_max &&
	       a->events_max == b->events_max;
}

/* The numbers of words. */
static const struct growing {
	enum soj_fsck_code code;
	const char *name;
	uint8_t from, bits;
} numbers[] = {
	[SOJ_GROWS_STATE] = {SOJ_FSCK_SINCE_GENERATION, "generation",
			     64 - SOJ_GEN_BITS, SOJ_GEN_BITS},
	[SOJ_GROWS_UNIT] = {SOJ_FSCK_SINCE_GENERATION, "generation", 28, 36},
	[SOJ_GROWS_CTL] = {SOJ_FSCK_SINCE_VERSION, "version of ctl", 32, 32},
	[SOJ_GROWS_LINK] = {SOJ_FSCK_SINCE_VERSION, "version of link", 27, 37},
	[SOJ_GROWS_BUCKET] = {SOJ_FSCK_SINCE_VERSION, "version of header",
			      SOJ_BUCKET_PLACES, 64 - SOJ_BUCKET_PLACES},
};

/* What has no number, but only grows: none comes near to 63 bits. */
static const struct growing epoch = {SOJ_FSCK_SINCE_EPOCH, "epoch", 0, 63};
static const struct growing used = {SOJ_FSCK_SINCE_EPOCH, "slots used", 0, 63};

static void compare(struct soj_fsck *f, const struct growing *g, uint64_t where,
		    uint64_t before, uint64_t now)
{
	uint64_t was = soj_field(before, g->from, g->bits);
	uint64_t is = soj_field(now, g->from, g->bits);

	if (((is - was) & SOJ_MASK(g->bits)) > SOJ_MASK(g->bits - 1))
		soj_fsck_found(f, g->code, where, soj_fsck_print(before, now),
			       "%s %" PRIu64 ", but %" PRIu64 " before",
			       g->name, is, was);
}

void soj_fsck_since(struct soj_fsck *f, enum soj_grows kind, uint64_t off,
		    uint64_t now)
{
	struct soj_window *win = off < f->lay->buckets_off ? &f->before_states
							   : &f->before_words;
	const void *at;
	uint64_t was;

	if (f->before == NULL)
		return;
	/* Its failure is none of the segment: the rest is checked without. */
	f->rep->before_rc = soj_window_at(win, off, sizeof(was), &at);
	if (f->rep->before_rc < 0) {
		f->before = NULL;
		return;
	}
	memcpy(&was, at, sizeof(was));
	compare(f, &numbers[kind], 0, was, now);
}

void soj_fsck_slot_since(struct soj_fsck *f, uint32_t idx)
{
	const soj_word_t *now = f->img->slots[idx].count;

	for (unsigned i = 0; f->before && i < SOJ_COUNTERS_USED; i++) {
		const soj_word_t *was = f->before->slots[idx].count;
		const struct growing counter = {SOJ_FSCK_SINCE_COUNT,
						soj_counter_names[i], 0, 63};

		compare(f, &counter, i, soj_load_relaxed(&was[i]),
			soj_load_relaxed(&now[i]));
	}
}

void soj_fsck_header_since(struct soj_fsck *f)
{
	const struct soj_shm_header *now = &f->img->hdr, *was;

	if (f->before == NULL)
		return;
	was = &f->before->hdr;
	compare(f, &epoch, 0, soj_load_relaxed(&was->epoch),
		soj_load_relaxed(&now->epoch));
	compare(f, &used, 0, soj_load_relaxed(&was->slots_used),
		soj_load_relaxed(&now->slots_used));
}

/* ---- the copy ---- */

int soj_fsck_save(const struct soj_image *img, int fd)
{
	const struct soj_layout *lay = soj_image_layout(img);
	static uint8_t part[64 * 1024];
	int rc = 0;

	if (ftruncate(fd, (off_t)lay->segment_bytes) < 0)
		return -errno;
	for (uint64_t off = 0; rc == 0 && off < lay->events_off;) {
		size_t bytes =
			(size_t)soj_min(sizeof(part), lay->events_off - off);
		ssize_t done;

		rc = soj_image_read(img, part, bytes, off);
		done = rc < 0 ? 0 : pwrite(fd, part, bytes, (off_t)off);
		if (done < 0)
			rc = -errno;
		off += (uint64_t)done;
	}
	return rc;
}
