/* SPDX-License-Identifier: MIT */

/* One operation in one world: all images, what comes of each. */

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "images/lib_table.h"
#include "session/id.h"

#define SHOWN_MAX 40u
/* Of processor time, for one image: then it never ends. */
#define IMAGE_SECS 20
/* Of any time, for those who wait for what never comes. */
#define WAIT_SECS 600u
/* Without --full the recoveries of so many images of a case are stepped, and
 * so many images of each recovery are recovered. */
#define NESTED_IMAGES  4u
#define NESTED_CHANGES 16u
/* In a sample of all cases: so many images of a case, and so many of them, and
 * of their recoveries' images, for the nested ones. */
#define SAMPLE_IMAGES  12u
#define SAMPLE_NESTED  1u
#define SAMPLE_CHANGES 6u
/* One case of so many by single steps, the others by their stores. */
#define SAMPLE_STEPPED 5u
#define SEEN_LOG2      20u

struct totals *totals;
struct options options = {.row = -1, .place = -1, .step = -1, .nested = -1};

/* Of the process that runs one case. */
static struct {
	const struct row *row;
	const struct place *place;
	const struct cursor *image, *nested; /* NULL: none yet */
	const char *doing;
	struct world w, before, judged;
	struct record *rec, *rec2;
	uint8_t *origin; /* the segment as it was prepared */
	uint64_t seed;
	unsigned decisions;
	uint64_t accessed[2]; /* the target's, before and after */
	unsigned hushed;
	bool quiet;
	uint64_t seen[UINT64_C(1) << SEEN_LOG2];
} the;

/* ---- failures ---- */

void hush(void)
{
	the.quiet = true;
	the.hushed = 0;
}

unsigned hush_end(void)
{
	the.quiet = false;
	return the.hushed;
}

void trying(const char *format, ...)
{
	(void)format;
}

static void at_text(const struct cursor *c, const char *what, char *text,
		    size_t bytes)
{
	char where[400];

	if (c == NULL) {
		text[0] = '\0';
		return;
	}
	where_is(c->rip, where, sizeof(where));
	snprintf(text, bytes, " %s %llu (image %llu, %s)", what,
		 (unsigned long long)c->step, (unsigned long long)c->nth,
		 where);
}

void failed(const char *format, ...)
{
	char text[400], at[600], at2[600];
	va_list args;

	the.hushed++;
	if (the.quiet || totals->violations++ >= SHOWN_MAX)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	at_text(the.image, "step", at, sizeof(at));
	at_text(the.nested, ", recovery", at2, sizeof(at2));
	fprintf(stderr, "VIOLATION \"%s/%s\"%s%s, %s: %s\n",
		the.row ? the.row->name : "", the.place ? the.place->name : "",
		at, at2, the.doing, text);
}

static void on_alarm(int sig)
{
	(void)sig;
	the.quiet = false;
	failed("it does not end");
	_exit(3);
}

static void watch(int cpu_seconds)
{
	const struct itimerval cpu = {.it_value.tv_sec = cpu_seconds};

	setitimer(ITIMER_PROF, &cpu, NULL);
	alarm(cpu_seconds ? WAIT_SECS : 0);
}

/* ---- one image ---- */

/* Not met before in this case? */
static bool is_new(uint64_t key)
{
	uint64_t mask = (UINT64_C(1) << SEEN_LOG2) - 1;

	key |= 1;
	for (uint64_t i = 0; i < 64; i++) {
		uint64_t *at = &the.seen[(mix(key, 3) + i) & mask];

		if (*at == key)
			return false;
		if (*at == 0) {
			*at = key;
			return true;
		}
	}
	return true; /* too many to remember: looked at once more */
}

static void begin(const struct cursor *c, const struct world *model,
		  const char *doing, unsigned turn)
{
	watch(IMAGE_SECS);
	the.doing = doing;
	seed_random(mix(the.seed + turn, c->nth));
	cursor_put(c, &the.w, true);
	world_copy(&the.w, model);
	the.w.up_ready = false;
}

static uint64_t accessed_ms(struct world *w)
{
	const struct sojourn_read how = {.no_touch = true, .no_renew = true};
	struct sojourn_info info = {0};

	if (w->known[w->target].fate != LIVES)
		return 0;
	w->s->st.seg.readonly = true;
	(void)!sojourn_session_read(w->s, w->known[w->target].id, &how, NULL,
				    NULL, &info);
	w->s->st.seg.readonly = false;
	return info.accessed_ms;
}

/* Before any repair: which outcome is it?  -1: none that is allowed. */
static int judge(const struct cursor *c, unsigned least)
{
	const struct report *r = &the.rec->report;
	bool last = c->nth == the.rec->changes;
	uint64_t accessed;
	int k;

	/* It has returned: all of it must have happened. */
	if (last)
		least = the.decisions;
	k = find_outcome(the.row, &the.w, &the.before, r, least, the.decisions);
	if (k < 0 && least > 0 &&
	    find_outcome(the.row, &the.w, &the.before, r, 0, least - 1) >= 0) {
		failed(last ? "it returned, but has not happened"
			    : "what had happened has not happened any more");
		return -1;
	}
	if (k < 0) {
		failed("neither before nor after");
		world_copy(&the.w, &the.before);
		the.w.up_ready = false;
		world_verify(&the.w);
		return -1;
	}
	accessed = accessed_ms(&the.w);
	if (accessed && accessed != the.accessed[0] &&
	    accessed != the.accessed[1])
		failed("last access at %u is neither %u nor %u",
		       (unsigned)accessed, (unsigned)the.accessed[0],
		       (unsigned)the.accessed[1]);
	return k;
}

/* A dead helper's role is anybody's. */
static void take_role(struct world *w)
{
	const struct soj_seg *seg = &w->s->st.seg;
	struct soj_self *own = world_self(w);

	if (!soj_role_try(seg, &own->w.thr) && !w->has_sleeper)
		failed("the helper's role cannot be taken");
	soj_role_release(seg, &own->w.thr);
}

static void repair(void)
{
	world_upkeep(&the.w);
	world_settle(&the.w);
	world_fsck(&the.w, true);
	take_role(&the.w);
	world_verify(&the.w);
}

static void check_more(const struct cursor *image)
{
	if (the.row->check)
		the.row->check(&the.w, &the.rec->report,
			       image->nth == the.rec->changes);
}

/* Once with survivors at work before repair, once with repair first. */
static int check_single(const struct cursor *c, unsigned least)
{
	int k;

	begin(c, &the.before, "before repair", 1);
	world_fsck(&the.w, false);
	k = judge(c, least);
	if (k < 0) {
		forget_self(&the.w);
		return -1;
	}
	world_copy(&the.judged, &the.w);
	the.doing = "used at once";
	check_more(c);
	use_at_once(&the.w, (unsigned)c->nth);
	repair();
	world_drain(&the.w, 0);
	forget_self(&the.w);

	begin(c, &the.judged, "repaired", 2);
	repair();
	the.doing = "used after repair";
	check_more(c);
	use_fully(&the.w);
	world_drain(&the.w, 0);
	forget_self(&the.w);
	return k;
}

/* ---- the recovery is killed, too ---- */

/* True for about `want` of so many, by chance. */
static bool one_of(uint64_t want, uint64_t many, uint64_t chance)
{
	return chance % (many + 1) < want;
}

static void check_nested(const struct cursor *c)
{
	begin(c, &the.judged, "its repair killed", 3);
	world_fsck(&the.w, false);
	repair();
	check_more(the.image);
	if (c->nth % 4 == 0)
		use_fully(&the.w);
	world_drain(&the.w, 0);
	forget_self(&the.w);
}

static void nested(const struct cursor *outer, unsigned k)
{
	const struct recording what = {
		.how = BY_STORE, .run = run_full, .seed = mix(the.seed, 4)};
	struct cursor c;

	begin(outer, &the.judged, "repair in steps", 3);
	watch(0);
	if (record_run(the.rec2, &the.w, &what) < 0)
		return;
	cursor_init(&c, the.rec2);
	the.nested = &c;
	while (cursor_next(&c)) {
		bool wanted =
			options.full || c.nth == the.rec2->changes ||
			one_of(options.sample ? SAMPLE_CHANGES : NESTED_CHANGES,
			       the.rec2->changes, mix(outer->nth, c.nth));

		if (options.nested >= 0)
			wanted = options.nested == (int64_t)c.step;
		totals->nested += wanted;
		if (!wanted || !is_new(mix(c.hash, c.marks * 64 + k + 1)))
			continue;
		totals->nested_distinct++;
		totals->row_nested[the.row - rows]++;
		totals->place_nested[the.place - places]++;
		check_nested(&c);
	}
	the.nested = NULL;
	cursor_deinit(&c);
}

/* ---- all images of a case ---- */

static bool nested_wanted(const struct cursor *c)
{
	if (options.step >= 0)
		return options.nested >= 0 || options.full;
	return options.full ||
	       one_of(options.sample ? SAMPLE_NESTED : NESTED_IMAGES,
		      options.sample ? SAMPLE_IMAGES : the.rec->changes,
		      mix(the.seed, c->nth));
}

/* By the case and the image alone, so that it is the same in each run; what
 * was before and what came of it are always looked at. */
static bool image_wanted(const struct cursor *c)
{
	return !options.sample || c->nth == 0 || c->nth == the.rec->changes ||
	       one_of(SAMPLE_IMAGES, the.rec->changes,
		      mix(the.seed + 7, c->nth));
}

static void all_images(void)
{
	struct cursor c;
	unsigned least = 0;

	cursor_init(&c, the.rec);
	the.image = &c;
	do {
		int k;

		totals->images++;
		if (!image_wanted(&c) || !is_new(mix(c.hash, c.marks)))
			continue;
		totals->distinct++;
		totals->row_images[the.row - rows]++;
		totals->place_images[the.place - places]++;
		if (options.step >= 0 && options.step != (int64_t)c.step)
			continue;
		k = check_single(&c, least);
		if (k >= 0)
			least = (unsigned)k;
		if (k >= 0 && nested_wanted(&c))
			nested(&c, least);
	} while (cursor_next(&c));
	watch(0);
	the.image = NULL;
	cursor_deinit(&c);
}

/* ---- is it what the kernel leaves? ---- */

static void go_back(void)
{
	memcpy(the.w.s->st.seg.base, the.origin, the.rec->bytes);
	world_copy(&the.w, &the.before);
	the.w.up_ready = false;
}

/*
 * The same run without single steps must show as many images; and a real
 * SIGKILL, with all that the kernel does at a thread's death, must leave
 * exactly the image that was recorded up to there.
 */
static void check_recorder(const struct recording *stepped)
{
	struct recording what = *stepped;
	struct cursor c;

	what.how = BY_STORE;
	go_back();
	the.doing = "recorded by stores";
	if (record_run(the.rec2, &the.w, &what) < 0)
		return;
	if (the.rec2->changes != the.rec->changes)
		failed("%u changes instead of %u", (unsigned)the.rec2->changes,
		       (unsigned)the.rec->changes);
	if (the.rec2->changes == 0)
		return;
	what.kill_at = 1 + mix(the.seed, 6) % the.rec2->changes;
	go_back();
	the.doing = "killed for real";
	if (record_run(the.rec2, &the.w, &what) < 0)
		return;
	cursor_init(&c, the.rec2);
	while (cursor_next(&c))
		;
	the.nested = &c;
	memcpy(the.rec2->base, the.w.s->st.seg.base, the.rec2->bytes);
	cursor_put(&c, &the.w, true);
	if (memcmp(the.rec2->base, the.w.s->st.seg.base, the.rec2->bytes) != 0)
		failed("the kernel left other bytes than the image has");
	the.nested = NULL;
	cursor_deinit(&c);
	totals->kills++;
}

/* ---- a case ---- */

static void warm(struct world *w)
{
	int made = world_create(w, "warm", 120);

	if (made >= 0) {
		world_update(w, (unsigned)made, false);
		world_delete(w, (unsigned)made, false);
	}
}

/* So that the first id falls into the bystander's bucket.  Like this thread's,
 * the victim's store of random bytes is empty: it is forked. */
static uint64_t aim(uint64_t seed)
{
	struct soj_digest want, have;
	uint32_t buckets = the.w.s->st.seg.lay.buckets;
	struct soj_self *self = soj_self(the.w.s);
	char id[SOJOURN_ID_CHARS_MAX + 1];

	soj_id_digest(the.w.s, the.w.known[the.w.bystander].id, &want);
	for (;; seed++) {
		seed_random(seed);
		self->random_left = 0;
		soj_id_make(the.w.s, self, id);
		soj_id_digest(the.w.s, id, &have);
		if (soj_scale(have.word[0], buckets) ==
		    soj_scale(want.word[0], buckets))
			return seed;
	}
}

/* What the whole run did. */
static void learn(void)
{
	const struct report *r = &the.rec->report;
	struct cursor c;

	the.doing = "not killed";
	cursor_init(&c, the.rec);
	cursor_put(&c, &the.w, false);
	the.accessed[0] = accessed_ms(&the.w);
	while (cursor_next(&c))
		;
	cursor_put(&c, &the.w, true);
	row_learn(the.row, &the.w, r);
	the.decisions = row_decisions(the.row, &the.w, r);
	row_outcome(the.row, &the.w, r, the.decisions);
	the.accessed[1] = accessed_ms(&the.w);
	cursor_deinit(&c);
	totals->steps += the.rec->steps;
	totals->row_steps[the.row - rows] += the.rec->steps;
	totals->place_steps[the.place - places] += the.rec->steps;
}

static void case_body(void)
{
	struct recording what = {.how = BY_INSTRUCTION, .run = the.row->run};

	struct world_options world = the.place->world;

	the.doing = "prepared";
	seed_random(the.seed);
	/* The ring is larger than all the rest: only where it is asked for. */
	if (world.events == 0)
		world.events = WORLD_NO_EVENTS;
	if (!world_make(&the.w, &world))
		return;
	the.place->prepare(&the.w);
	forget_self(&the.w);
	the.rec = record_new(the.w.s->st.seg.bytes);
	the.rec2 = record_new(the.w.s->st.seg.bytes);
	the.origin = malloc(the.rec->bytes);
	if (!the.origin)
		abort();
	memcpy(the.origin, the.w.s->st.seg.base, the.rec->bytes);
	the.w.in_flight++;
	the.w.begun++;
	world_copy(&the.before, &the.w);
	if (options.sample && mix(the.seed, 8) % SAMPLE_STEPPED != 0)
		what.how = BY_STORE;
	what.seed = mix(the.seed, 5);
	if (the.place->aimed)
		what.seed = aim(what.seed);
	what.warm = the.place->warm ? warm : NULL;
	the.doing = "in steps";
	if (record_run(the.rec, &the.w, &what) >= 0) {
		learn();
		all_images();
		check_recorder(&what);
	}
	leavings_end();
	totals->cases++;
}

void case_run(unsigned row, unsigned place)
{
	int status;
	pid_t pid;

	the.row = &rows[row];
	the.place = &places[place];
	the.image = the.nested = NULL;
	the.seed = mix(row + 1, place + 1);
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		abort();
	if (pid == 0) {
		signal(SIGALRM, on_alarm);
		signal(SIGPROF, on_alarm);
		case_body();
		fflush(NULL);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			abort();
	the.doing = "the whole case";
	if (status != 0)
		failed("ended with status 0x%x", status);
}
