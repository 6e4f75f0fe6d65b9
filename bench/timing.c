/* SPDX-License-Identifier: MIT */

/*
 * Does the time that an answer takes tell how near a guess was?
 *
 *	bench_timing [SAMPLES]		default: 1,000,000 of each pair
 *
 * After dudect (O. Reparaz, J. Balasch, I. Verbauwhede, 2017): calls of two
 * classes in random order, each timed by itself, and Welch's t of the two sets
 * of times.  A pair of classes differs in one thing only, such as which byte of
 * a token is wrong; everything else of an input is drawn.  The times are also
 * cropped at each of some quantiles, as interruptions make the far end of them
 * long, and the largest |t| of all counts.  Below 4.5 there is no evidence that
 * the classes differ; a real difference grows with the root of the samples.
 *
 * The last two pairs do differ, and should be seen to: a comparison that stops
 * at the first wrong byte, and ids that are there against ids that are not.
 * That somebody is told that his id is good is no secret; how much of a wrong
 * one is right would be.
 *
 * It is time, and the machine may be busy: a pair is measured again, up to five
 * times, until it is as it should be.  What both classes suffer alike does not
 * make them differ five times over; a comparison in haste does.  That no branch
 * and no address depends on a secret is shown, under memcheck, by
 * tests/e2e/secret_branches.c.
 */

#include <math.h>
#include <sodium.h>
#include <sojourn/remember.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef __x86_64__
#include <x86intrin.h>
#endif

#include "session/session.h"
#include "token/sig.h"

#define LIVING  64u
#define HALF    32u /* of a token against forged requests: mask, proof */
#define CROPS   20u
#define BATCH   32u
#define TRIES   5u
#define LIMIT   4.5
#define FIRST   10000u /* samples, whose quantiles are where to crop */
#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

static struct sojourn *s;
static char living[LIVING][SOJOURN_ID_CHARS_MAX + 1];
static char forms[LIVING][SOJOURN_CSRF_CHARS + 1]; /* tokens of those */
static struct soj_jwk *key;
static const char text[] = "header.claims";
static uint8_t mac[SOJ_SIGNATURE_BYTES_MAX];
static uint8_t secret[32];

/* What is called with.  Some are made, then all of them are timed: a byte that
 * has just been stored makes the load of its word late, and that is no part of
 * what is asked. */
static struct input {
	unsigned class;
	unsigned which;
	char id[SOJOURN_ID_CHARS_MAX + 1];
	char form[SOJOURN_CSRF_CHARS + 1];
	uint8_t bytes[SOJ_SIGNATURE_BYTES_MAX];
} inputs[BATCH];
static volatile int answer;
static unsigned long long calls;

static void must(bool so, const char *what)
{
	if (so)
		return;
	fprintf(stderr, "%s: %s\n", what, sojourn_error_text());
	exit(1);
}

/* splitmix64 (S. Vigna, 2015). */
static uint64_t draw(void)
{
	static uint64_t state = 1;
	uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint8_t other_than_0(void)
{
	return (uint8_t)(1 + draw() % 255);
}

static char letter(void)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklm"
				      "nopqrstuvwxyz0123456789-_";

	return letters[draw() % 64];
}

static uint64_t ticks(void)
{
#ifdef __x86_64__
	uint64_t now;

	_mm_lfence();
	now = __rdtsc();
	_mm_lfence();
	return now;
#else
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
#endif
}

/* ---- inputs ---- */

static void id_living(struct input *in)
{
	strcpy(in->id, living[in->which]);
}

static void id_spoilt(struct input *in, size_t at)
{
	char was;

	id_living(in);
	was = in->id[at];
	while (in->id[at] == was)
		in->id[at] = letter();
}

static void id_first(struct input *in)
{
	id_spoilt(in, 0);
}

static void id_last(struct input *in)
{
	id_spoilt(in, strlen(living[0]) - 1);
}

static void id_strange(struct input *in)
{
	id_living(in);
	for (size_t i = 0; in->id[i]; i++)
		in->id[i] = letter();
}

static void form_spoilt(struct input *in, size_t at)
{
	uint8_t raw[2 * HALF];

	must(sodium_base642bin(raw, sizeof(raw), forms[in->which],
			       SOJOURN_CSRF_CHARS, NULL, NULL, NULL,
			       VARIANT) == 0,
	     "token of a form");
	raw[HALF + at] ^= other_than_0();
	sodium_bin2base64(in->form, sizeof(in->form), raw, sizeof(raw),
			  VARIANT);
	id_living(in);
}

static void form_first(struct input *in)
{
	form_spoilt(in, 0);
}

static void form_last(struct input *in)
{
	form_spoilt(in, HALF - 1);
}

static void mac_first(struct input *in)
{
	memcpy(in->bytes, mac, key->signature_bytes);
	in->bytes[0] ^= other_than_0();
}

static void mac_last(struct input *in)
{
	memcpy(in->bytes, mac, key->signature_bytes);
	in->bytes[key->signature_bytes - 1] ^= other_than_0();
}

static void bytes_first(struct input *in)
{
	memcpy(in->bytes, secret, sizeof(secret));
	in->bytes[0] ^= other_than_0();
}

static void bytes_last(struct input *in)
{
	memcpy(in->bytes, secret, sizeof(secret));
	in->bytes[sizeof(secret) - 1] ^= other_than_0();
}

/* ---- what is timed ---- */

static void read_id(const struct input *in)
{
	answer = sojourn_session_read(s, in->id, NULL, NULL, NULL, NULL);
}

static void check_form(const struct input *in)
{
	answer = sojourn_csrf_check(s, in->id, in->form);
}

static void verify_mac(const struct input *in)
{
	answer = soj_sig_verify(key, text, sizeof(text), in->bytes,
				key->signature_bytes);
}

static void compare(const struct input *in)
{
	answer = soj_equal(secret, in->bytes, sizeof(secret));
}

/* As it must not be done. */
static void compare_in_haste(const struct input *in)
{
	const volatile uint8_t *a = secret, *b = in->bytes;
	size_t i = 0;

	while (i < sizeof(secret) && a[i] == b[i])
		i++;
	answer = i == sizeof(secret);
}

static const struct pair {
	const char *what, *class[2];
	void (*prepare[2])(struct input *in);
	void (*call)(const struct input *in);
	bool differ;
} pairs[] = {
	{"id", {"last", "strange"}, {id_last, id_strange}, read_id, false},
	{"id", {"first", "strange"}, {id_first, id_strange}, read_id, false},
	{"id", {"last", "first"}, {id_last, id_first}, read_id, false},
	{"token of a form",
	 {"last", "first"},
	 {form_last, form_first},
	 check_form,
	 false},
	{"MAC of a token",
	 {"last", "first"},
	 {mac_last, mac_first},
	 verify_mac,
	 false},
	{"32 bytes",
	 {"last", "first"},
	 {bytes_last, bytes_first},
	 compare,
	 false},
	{"control: in haste",
	 {"last", "first"},
	 {bytes_last, bytes_first},
	 compare_in_haste,
	 true},
	{"control: a hit",
	 {"hit", "last"},
	 {id_living, id_last},
	 read_id,
	 true},
};
#define PAIRS (sizeof(pairs) / sizeof(pairs[0]))

/* ---- Welch's t ---- */

struct sample {
	double count, mean, squares;
};

/* B. P. Welford, 1962. */
static void add(struct sample *sample, double value)
{
	double from = value - sample->mean;

	sample->mean += from / ++sample->count;
	sample->squares += from * (value - sample->mean);
}

static double welch(const struct sample sample[2])
{
	double variance = 0;

	for (unsigned c = 0; c < 2; c++) {
		if (sample[c].count < FIRST / 4)
			return 0;
		variance += sample[c].squares / (sample[c].count - 1) /
			    sample[c].count;
	}
	return variance > 0 ? (sample[0].mean - sample[1].mean) / sqrt(variance)
			    : 0;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

struct run {
	uint64_t first[FIRST];
	double crop[CROPS];
	struct sample sample[CROPS + 1][2]; /* the last: of all */
};

static void prepare_all(const struct pair *p)
{
	for (unsigned i = 0; i < BATCH; i++) {
		struct input *in = &inputs[i];

		in->class = draw() & 1;
		in->which = (unsigned)(draw() % LIVING);
		p->prepare[in->class](in);
	}
}

/* The next call; its class. */
static uint64_t measure(const struct pair *p, unsigned i, unsigned *class)
{
	const struct input *in = &inputs[i % BATCH];
	uint64_t begin;

	if (i % BATCH == 0)
		prepare_all(p);
	*class = in->class;
	begin = ticks();
	p->call(in);
	return ticks() - begin;
}

/* Of the first, which count for nothing else: caches and the branch predictor
 * are still learning.  Closer and closer to the end, as dudect has them. */
static void choose_crops(struct run *run, const struct pair *p)
{
	for (unsigned class, i = 0; i < FIRST; i++)
		run->first[i] = measure(p, i, &class);
	qsort(run->first, FIRST, sizeof(run->first[0]), by_value);
	for (unsigned i = 0; i < CROPS; i++)
		run->crop[i] = (double)run->first[(
			size_t)((1 - pow(0.5, 10 * (i + 1.0) / CROPS)) *
				FIRST)];
}

static double largest(const struct run *run)
{
	double most = 0;

	for (unsigned i = 0; i <= CROPS; i++)
		if (fabs(welch(run->sample[i])) > fabs(most))
			most = welch(run->sample[i]);
	return most;
}

static double try(const struct pair *p, unsigned samples)
{
	static struct run run;
	/* Where half of them are left: the long ones say little. */
	const struct sample *half = run.sample[CROPS / 10];
	double t;

	memset(&run, 0, sizeof(run));
	choose_crops(&run, p);
	for (unsigned i = 0; i < samples; i++) {
		unsigned class;
		double time = (double)measure(p, i, &class);

		for (unsigned c = 0; c < CROPS; c++)
			if (time <= run.crop[c])
				add(&run.sample[c][class], time);
		add(&run.sample[CROPS][class], time);
	}
	t = largest(&run);
	calls += samples;
	printf("%-18s %-5s %8.1f   %-8s %8.1f   t of all %7.2f, largest "
	       "%8.2f\n",
	       p->what, p->class[0], half[0].mean, p->class[1], half[1].mean,
	       welch(run.sample[CROPS]), t);
	return fabs(t);
}

static double try_again(const struct pair *p, unsigned samples)
{
	double t = try(p, samples);

	for (unsigned i = 1; i < TRIES && (t >= LIMIT) != p->differ; i++)
		t = try(p, samples);
	return t;
}

/* ---- */

static void prepare(void)
{
	const struct sojourn_new n = {.subject = "anna"};
	struct sojourn_options o;
	const char *why;

	sojourn_options_init(&o);
	o.entries_max = 1000;
	o.threads_max = 4;
	o.segment_bytes = 4u << 20;
	o.helper = SOJOURN_HELPER_NONE;
	must(sojourn_create(NULL, &o, &s) == 0, "create");
	for (unsigned i = 0; i < LIVING; i++) {
		must(sojourn_session_create(s, &n, living[i], NULL) == 0,
		     "session");
		must(sojourn_csrf_token(s, living[i], forms[i]) == 0, "csrf");
	}
	must(soj_jwk_generate(SOJOURN_TOKEN_HS256, 0, "k", &key, &why) == 0,
	     "key");
	must(soj_sig_sign(key, text, sizeof(text), mac) == 0, "sign");
	soj_random(secret, sizeof(secret));
}

int main(int argc, char **argv)
{
	unsigned samples =
		argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1000000;
	double most = 0, control = INFINITY;
	unsigned violations = 0;

	if (argc > 2 || samples < FIRST) {
		fprintf(stderr, "usage: bench_timing [SAMPLES, from %u]\n",
			FIRST);
		return 64;
	}
	prepare();
	printf("what is wrong, and the mean of the shorter half of the times "
	       "(ticks of the clock)\n");
	for (size_t i = 0; i < PAIRS; i++) {
		double t = try_again(&pairs[i], samples);

		if (pairs[i].differ)
			control = fmin(control, t);
		else
			most = fmax(most, t);
		violations += (t >= LIMIT) != pairs[i].differ;
	}
	printf("result timing_pairs=%zu timing_samples=%llu "
	       "timing_largest_t=%.2f timing_control_t=%.2f violations=%u\n",
	       PAIRS, calls, most, control, violations);
	soj_jwk_destroy(key);
	sojourn_detach(s);
	return violations > 0;
}
