/* SPDX-License-Identifier: MIT */

/* Findings, the order of the passes, and settling what moves. */

#include "lib_fsck_impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CANDIDATES_MAX 4096u /* of each severity: leftovers crowd out nothing */
#define ROUNDS         5
#define ROUND_MS       20

#define X(code, severity_, name_, help_) \
	[SOJ_FSCK_##code] = {SOJ_FSCK_##severity_, (name_), (help_)},
const struct soj_fsck_kind soj_fsck_kinds[SOJ_FSCK_CODES_USED] = {
	SOJ_FSCK_CODES(X)};
#undef X

static void (*const checks[SOJ_ITEMS])(struct soj_fsck *f, uint64_t item) = {
	[SOJ_ITEM_HEADER] = soj_fsck_header,
	[SOJ_ITEM_SLOT] = soj_fsck_slot,
	[SOJ_ITEM_UNIT] = soj_fsck_unit,
	[SOJ_ITEM_BUCKET] = soj_fsck_bucket,
	[SOJ_ITEM_CHAIN] = soj_fsck_chain,
	[SOJ_ITEM_ENTRY] = soj_fsck_entry,
	[SOJ_ITEM_CHUNK] = soj_fsck_chunk,
	[SOJ_ITEM_AREA] = soj_fsck_area,
	[SOJ_ITEM_HINTS] = soj_fsck_hints,
	[SOJ_ITEM_EVENT] = soj_fsck_event,
	[SOJ_ITEM_TOLD] = soj_fsck_told,
	[SOJ_ITEM_SUMS] = soj_fsck_sums,
};

/* ---- findings ---- */

static void place_text(char place[48], enum soj_fsck_item kind, uint64_t item,
		       uint64_t where)
{
	unsigned i = (unsigned)item, w = (unsigned)where;

	switch (kind) {
	case SOJ_ITEM_SLOT:
		snprintf(place, 48, "slot %u", i);
		break;
	case SOJ_ITEM_UNIT:
	case SOJ_ITEM_AREA:
		snprintf(place, 48, "unit %u", i);
		break;
	case SOJ_ITEM_BUCKET:
		snprintf(place, 48, "bucket %u place %u", i, w);
		break;
	case SOJ_ITEM_CHAIN:
		if (w == 0)
			snprintf(place, 48, "chain %u", i);
		else
			snprintf(place, 48, "chain %u entry %u", i, w);
		break;
	case SOJ_ITEM_ENTRY:
	case SOJ_ITEM_TOLD:
		snprintf(place, 48, "entry %u", i);
		break;
	case SOJ_ITEM_EVENT:
		snprintf(place, 48, "event place %u", i);
		break;
	case SOJ_ITEM_CHUNK:
		snprintf(place, 48, "chunk %u:%u", soj_chunk_unit(i),
			 soj_chunk_slot(i));
		break;
	case SOJ_ITEM_HINTS:
		snprintf(place, 48, "bitmap %u word %u", i, w);
		break;
	case SOJ_ITEM_SUMS:
		snprintf(place, 48, "all slots");
		break;
	default:
		snprintf(place, 48, "header");
	}
}

static void report_count(struct soj_fsck_report *rep, enum soj_fsck_code code)
{
	rep->count[code]++;
	if (soj_fsck_kinds[code].severity == SOJ_FSCK_CORRUPT)
		rep->corrupt++;
	else
		rep->repairable++;
}

static void report_list(struct soj_fsck_report *rep,
			const struct soj_fsck_finding *finding)
{
	if (rep->count[finding->code] <= SOJ_FSCK_LISTED)
		rep->list[rep->listed++] = *finding;
}

static void nominate(struct soj_fsck *f, uint64_t where, uint64_t print,
		     const struct soj_fsck_finding *finding)
{
	if (f->nominated[soj_fsck_kinds[finding->code].severity]++ >=
	    CANDIDATES_MAX) {
		f->rep->unsettled++;
		return;
	}
	f->candidates[f->candidates_count++] = (struct soj_candidate){
		.kind = f->kind,
		.item = f->item,
		.where = where,
		.print = print,
		.finding = *finding,
	};
}

static void seek(struct soj_fsck *f, enum soj_fsck_code code, uint64_t where,
		 uint64_t print)
{
	for (uint32_t i = 0; i < f->want_count; i++) {
		struct soj_candidate *c = &f->want[i];

		c->seen |= c->finding.code == code && c->where == where &&
			   c->print == print;
	}
}

void soj_fsck_found(struct soj_fsck *f, enum soj_fsck_code code, uint64_t where,
		    uint64_t print, const char *format, ...)
{
	struct soj_fsck_finding finding = {.code = code};
	va_list args;

	/* What could not be read looks like zeroes: no finding. */
	if (f->rc < 0)
		return;
	f->hits++;
	if (f->mode == SOJ_FSCK_SEEK)
		seek(f, code, where, print);
	if (f->mode == SOJ_FSCK_REPORT)
		report_count(f->rep, code);
	if (f->mode == SOJ_FSCK_SEEK || f->mode == SOJ_FSCK_COUNT ||
	    f->rep->count[code] > SOJ_FSCK_LISTED)
		return;
	place_text(finding.place, f->kind, f->item, where);
	va_start(args, format);
	vsnprintf(finding.words, sizeof(finding.words), format, args);
	va_end(args);
	if (f->mode == SOJ_FSCK_REPORT)
		report_list(f->rep, &finding);
	else
		nominate(f, where, print, &finding);
}

/* A finding that is about no item. */
static int report_flaw(struct soj_fsck_report *rep, enum soj_fsck_code code,
		       const char *words)
{
	struct soj_fsck_finding finding = {.code = code, .place = "header"};

	snprintf(finding.words, sizeof(finding.words), "%s", words);
	report_count(rep, code);
	report_list(rep, &finding);
	return 0;
}

/* ---- reading ---- */

bool soj_fsck_read(struct soj_fsck *f, void *buf, size_t bytes, uint64_t off)
{
	int rc = f->rc;

	if (rc == 0)
		rc = soj_image_read(f->img, buf, bytes, off);
	if (rc == 0)
		return true;
	f->rc = rc;
	memset(buf, 0, bytes);
	return false;
}

const void *soj_fsck_at(struct soj_fsck *f, struct soj_window *win,
			uint64_t off, size_t bytes)
{
	const void *at = NULL;
	int rc = f->rc;

	if (rc == 0)
		rc = soj_window_at(win, off, bytes, &at);
	f->rc = rc;
	return rc == 0 ? at : NULL;
}

uint64_t soj_fsck_word_at(struct soj_fsck *f, struct soj_window *win,
			  uint64_t off)
{
	const void *at = soj_fsck_at(f, win, off, 8);
	uint64_t word = 0;

	if (at)
		memcpy(&word, at, 8);
	return word;
}

/* ---- items ---- */

static void set_fresh(struct soj_fsck *f, bool fresh)
{
	f->fresh = fresh;
	f->entry_states.exact = fresh;
	f->chunk_states.exact = fresh;
	f->hints.exact = fresh;
	f->buckets.exact = fresh;
	f->entries.exact = fresh;
	f->area.exact = fresh;
}

static void check_item(struct soj_fsck *f, enum soj_fsck_item kind,
		       uint64_t item)
{
	f->kind = kind;
	f->item = item;
	f->hits = 0;
	f->mode = f->online ? SOJ_FSCK_COUNT : SOJ_FSCK_REPORT;
	checks[kind](f, item);
	if (!f->online || f->hits == 0)
		return;
	set_fresh(f, true);
	f->mode = SOJ_FSCK_NOMINATE;
	f->cut = false;
	checks[kind](f, item);
	set_fresh(f, false);
	if (f->cut && kind == SOJ_ITEM_CHAIN)
		f->rep->unsettled++;
}

static void check_items(struct soj_fsck *f, enum soj_fsck_item kind,
			uint64_t count)
{
	for (uint64_t i = 0; i < count && f->rc == 0; i++)
		check_item(f, kind, i);
}

static void check_all(struct soj_fsck *f)
{
	const struct soj_layout *lay = f->lay;

	soj_fsck_count(f); /* before a state is looked at */
	check_items(f, SOJ_ITEM_HEADER, 1);
	check_items(f, SOJ_ITEM_SLOT, lay->slots_max);
	soj_fsck_read(f, f->units, 8ull * lay->units, lay->units_off);
	check_items(f, SOJ_ITEM_UNIT, lay->units);
	/* Before the entries, which ask where they were met, and the entries
	 * before the chunks, for the same reason. */
	check_items(f, SOJ_ITEM_BUCKET, lay->buckets);
	check_items(f, SOJ_ITEM_CHAIN, UINT64_C(1) << lay->heads_log2);
	check_items(f, SOJ_ITEM_ENTRY, lay->entries_max + 1ull);
	check_items(f, SOJ_ITEM_SUMS, 1);
	for (uint32_t u = 0; u < lay->units && f->rc == 0; u++) {
		for (uint32_t s = 0; s < lay->unit_slots && f->rc == 0; s++)
			check_item(f, SOJ_ITEM_CHUNK, soj_chunk(u, s));
		check_item(f, SOJ_ITEM_AREA, u);
	}
	check_items(f, SOJ_ITEM_HINTS, SOJ_FSCK_BITMAPS);
	check_items(f, SOJ_ITEM_TOLD, lay->entries_max + 1ull);
	check_items(f, SOJ_ITEM_EVENT, lay->events_max);
}

static void pause_ms(long ms)
{
	struct timespec ts = {.tv_nsec = ms * 1000000};

	nanosleep(&ts, NULL);
}

static uint64_t *bits_new(uint64_t bits)
{
	return calloc(soj_div_up(bits, 64), 8);
}

static void bits_clear(uint64_t *words, uint64_t bits)
{
	memset(words, 0, 8 * soj_div_up(bits, 64));
}

/* More than all chains together, each once by itself and once for its entries,
 * and what it takes to see that one comes back to itself. */
static uint64_t steps_budget(const struct soj_fsck *f)
{
	return 4 * (f->lay->entries_max + UINT64_C(65536));
}

/* It was found for want of steps only, or was not for that reason. */
static bool in_doubt(const struct soj_fsck *f, const struct soj_candidate *c)
{
	if (!f->cut)
		return false;
	if (c->finding.code == SOJ_FSCK_ENTRY_UNCHAINED)
		return c->seen;
	return c->kind == SOJ_ITEM_CHAIN && !c->seen;
}

/* Checks the item of a candidate for all that follow it and are of the same. */
static void look_again(struct soj_fsck *f, uint32_t from)
{
	struct soj_candidate *c = &f->candidates[from];
	uint32_t count = 0;

	for (; from + count < f->candidates_count && c[count].kind == c->kind &&
	       c[count].item == c->item;
	     count++)
		c[count].seen = false;
	f->kind = c->kind;
	f->item = c->item;
	f->want = c;
	f->want_count = count;
	f->cut = false;
	checks[c->kind](f, c->item);
}

/* Keeps the candidates that are still there. */
static void settle_round(struct soj_fsck *f)
{
	uint32_t kept = 0, i = 0;

	f->steps_left = steps_budget(f);
	bits_clear(f->chained, f->lay->entries_max + 1ull);
	bits_clear(f->walked, UINT64_C(1) << f->lay->heads_log2);
	while (i < f->candidates_count && f->rc == 0) {
		look_again(f, i);
		for (uint32_t n = f->want_count; n > 0; n--, i++) {
			const struct soj_candidate *c = &f->candidates[i];

			if (in_doubt(f, c))
				f->rep->unsettled++;
			else if (c->seen)
				f->candidates[kept++] = *c;
		}
	}
	f->candidates_count = kept;
}

static void settle(struct soj_fsck *f)
{
	f->mode = SOJ_FSCK_SEEK;
	set_fresh(f, true);
	for (int i = 0; i < ROUNDS && f->candidates_count > 0; i++) {
		pause_ms(ROUND_MS);
		settle_round(f);
	}
	set_fresh(f, false);
	for (uint32_t i = 0; i < f->candidates_count && f->rc == 0; i++) {
		report_count(f->rep, f->candidates[i].finding.code);
		report_list(f->rep, &f->candidates[i].finding);
	}
}

/* ---- all of it ---- */

static int init(struct soj_fsck *f)
{
	const struct soj_layout *lay = f->lay;
	const struct {
		struct soj_window *win;
		uint64_t end;
	} windows[] = {
		{&f->entry_states, lay->chunk_states_off},
		{&f->chunk_states, lay->units_off},
		{&f->hints, lay->buckets_off},
		{&f->buckets, lay->entries_off},
		{&f->entries, lay->chunks_off},
		{&f->area, lay->segment_bytes},
	};
	const struct soj_image *before = f->before ? f->before : f->img;
	int rc = 0;

	f->units = calloc(lay->units, 8);
	f->committed = bits_new(lay->entries_max + 1ull);
	f->chained = bits_new(lay->entries_max + 1ull);
	f->named = bits_new((uint64_t)lay->units * lay->unit_slots);
	f->walked = bits_new(UINT64_C(1) << lay->heads_log2);
	f->candidates = calloc(f->online ? 2 * CANDIDATES_MAX : 1,
			       sizeof(f->candidates[0]));
	if (!f->units || !f->committed || !f->chained || !f->walked ||
	    !f->named || !f->candidates)
		return -ENOMEM;
	for (size_t i = 0; rc == 0 && i < sizeof(windows) / sizeof(windows[0]);
	     i++)
		rc = soj_window_init(windows[i].win, f->img, windows[i].end);
	if (rc == 0)
		rc = soj_window_init(&f->before_states, before,
				     lay->buckets_off);
	if (rc == 0)
		rc = soj_window_init(&f->before_words, before, lay->events_off);
	f->steps_left = steps_budget(f);
	return rc;
}

static void deinit(struct soj_fsck *f)
{
	soj_window_deinit(&f->entry_states);
	soj_window_deinit(&f->chunk_states);
	soj_window_deinit(&f->hints);
	soj_window_deinit(&f->buckets);
	soj_window_deinit(&f->entries);
	soj_window_deinit(&f->area);
	soj_window_deinit(&f->before_states);
	soj_window_deinit(&f->before_words);
	free(f->units);
	free(f->committed);
	free(f->chained);
	free(f->walked);
	free(f->named);
	free(f->candidates);
}

/* 0: says nothing of the image. */
static const enum soj_fsck_code flaw_codes[SOJ_FLAWS] = {
	[SOJ_FLAW_SHORT] = SOJ_FSCK_HEADER_SHORT,
	[SOJ_FLAW_MAGIC] = SOJ_FSCK_HEADER_MAGIC,
	[SOJ_FLAW_VERSION] = SOJ_FSCK_HEADER_VERSION,
	[SOJ_FLAW_LAYOUT] = SOJ_FSCK_HEADER_LAYOUT,
	[SOJ_FLAW_FLAGS] = SOJ_FSCK_HEADER_FLAGS,
	[SOJ_FLAW_GEOMETRY] = SOJ_FSCK_HEADER_GEOMETRY,
	[SOJ_FLAW_SIZE] = SOJ_FSCK_HEADER_SIZE,
	[SOJ_FLAW_POLICY] = SOJ_FSCK_HEADER_POLICY,
};

static int run(struct soj_fsck *f)
{
	int rc = init(f);

	if (rc == 0) {
		check_all(f);
		if (f->online)
			settle(f);
		rc = f->rc;
	}
	deinit(f);
	return rc;
}

int soj_fsck(struct soj_image *img, struct soj_fsck_report *rep, bool online)
{
	return soj_fsck_after(img, NULL, rep, online);
}

static int load_before(struct soj_image *before)
{
	struct soj_image_flaw flaw;
	int rc = soj_image_load(before, &flaw);

	if (rc < 0 && flaw_codes[flaw.flaw] != 0)
		return -EXDEV;
	return rc;
}

int soj_fsck_after(struct soj_image *img, struct soj_image *before,
		   struct soj_fsck_report *rep, bool online)
{
	struct soj_fsck f = {.img = img, .rep = rep, .online = online};
	struct soj_image_flaw flaw;
	int rc;

	memset(rep, 0, sizeof(*rep));
	rep->list = malloc(SOJ_FSCK_CODES_USED * SOJ_FSCK_LISTED *
			   sizeof(rep->list[0]));
	if (!rep->list)
		return -ENOMEM;
	/* First: no number in it is then younger than what is read after. */
	if (before)
		rep->before_rc = load_before(before);
	rc = soj_image_load(img, &flaw);
	f.lay = soj_image_layout(img);
	if (rc == 0 && before && rep->before_rc == 0) {
		if (soj_fsck_same(img, before))
			f.before = before;
		else
			rep->before_rc = -EXDEV;
	}
	if (rc == 0)
		rc = run(&f);
	else if (flaw_codes[flaw.flaw] != 0)
		return report_flaw(rep, flaw_codes[flaw.flaw], flaw.text);
	/* It had its size when it was opened. */
	if (rc == -ENODATA)
		return report_flaw(rep, SOJ_FSCK_IMAGE_READ,
				   "cut short meanwhile");
	return rc;
}

void soj_fsck_free(struct soj_fsck_report *rep)
{
	free(rep->list);
	memset(rep, 0, sizeof(*rep));
}

int soj_fsck_exit(const struct soj_fsck_report *rep)
{
	if (rep->corrupt > 0)
		return 4;
	return rep->repairable + rep->unsettled > 0 ? 1 : 0;
}
