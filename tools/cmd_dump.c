/* SPDX-License-Identifier: MIT */

/* `sojourn dump`: what is in a segment, one entry a line. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cmd.h"
#include "lib_args.h"
#include "lib_image.h"
#include "lib_json.h"
#include "lib_text.h"

struct dump_input {
	const char *name;
	bool json;
	bool reveal;
	const char *subject;        /* NULL: all */
	const char *subject_digest; /* NULL: all; else the first digits */
	const char *key_file;       /* NULL: what is sealed stays so */
};

enum {
	OPT_JSON = 0x100,
	OPT_REVEAL,
	OPT_SUBJECT,
	OPT_SUBJECT_DIGEST,
	OPT_KEY_FILE
};

static const struct argp_option options[] = {
	{"json", OPT_JSON, NULL, 0, "One JSON object a line", 0},
	{"subject", OPT_SUBJECT, "S", 0, "Only the entries of this subject", 0},
	{"subject-digest", OPT_SUBJECT_DIGEST, "HEX", 0,
	 "Only those of the subject whose digest begins so", 0},
	{"reveal", OPT_REVEAL, NULL, 0,
	 "Show subjects and values, which are private", 0},
	{"key-file", OPT_KEY_FILE, "FILE", 0,
	 "Open sealed subjects and values with the key in FILE", 0},
	{0},
};

#define DIGEST_DIGITS 32u

static bool is_hex(const char *text)
{
	size_t digits = strlen(text);

	return digits >= 1 && digits <= DIGEST_DIGITS &&
	       text[strspn(text, "0123456789abcdef")] == '\0';
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct dump_input *in = state->input;

	switch (key) {
	case OPT_JSON:
		in->json = true;
		break;
	case OPT_REVEAL:
		in->reveal = true;
		break;
	case OPT_SUBJECT:
		in->subject = arg;
		break;
	case OPT_SUBJECT_DIGEST:
		if (!is_hex(arg))
			argp_error(state,
				   "--subject-digest \"%s\": 1 to 32 digits "
				   "0 to 9, a to f",
				   arg);
		in->subject_digest = arg;
		break;
	case OPT_KEY_FILE:
		in->key_file = arg;
		break;
	case ARGP_KEY_END:
		soj_args_name(state, key, arg, &in->name);
		if (in->subject != NULL && in->subject_digest != NULL)
			argp_error(state, "one of --subject and "
					  "--subject-digest only");
		break;
	default:
		return soj_args_name(state, key, arg, &in->name);
	}
	return 0;
}

static const struct argp dump_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "NAME",
	.doc = "Lists the entries of a segment, or of a file that holds a copy "
	       "of one (a word with a '/'). Ids are not stored anywhere: "
	       "DIGEST is the first half of the keyed digest under which the "
	       "index knows an id, SUBJECT that of the subject's. Values are "
	       "not shown without --reveal. Reads only and needs no key, but "
	       "for what is sealed: \"sojourn create --seal\".",
};

/* ---- what all forms show ---- */

struct dump {
	const struct dump_input *in;
	const struct soj_image *img;
	uint64_t now_ms;
	uint64_t shown;
	uint64_t torn;
};

struct digest_text {
	char hex[DIGEST_DIGITS + 1];
};

static struct digest_text digest_text(const soj_word_t words[2])
{
	struct digest_text text;

	snprintf(text.hex, sizeof(text.hex), "%016" PRIx64 "%016" PRIx64,
		 soj_load_relaxed(&words[0]), soj_load_relaxed(&words[1]));
	return text;
}

/* The first half. */
static struct digest_text digest_short(const soj_word_t words[2])
{
	struct digest_text text = digest_text(words);

	text.hex[DIGEST_DIGITS / 2] = '\0';
	return text;
}

/* As a reader sees it now: over before anybody has ended it, for example. */
static enum soj_status judge(const struct dump *d,
			     const struct soj_image_entry *e)
{
	enum soj_status verdict;

	if (!soj_ctl_readable(e->ctl))
		return soj_ctl_status(e->ctl);
	verdict = soj_times_judge(&e->times, d->now_ms);
	if (verdict == SOJ_ACTIVE &&
	    (soj_load_relaxed(&e->words.life) & SOJ_LIFE_EXPIRED))
		verdict = SOJ_ENDED_EXPIRED;
	return verdict == SOJ_ACTIVE ? soj_ctl_status(e->ctl) : verdict;
}

static const char *state_name(const struct dump *d,
			      const struct soj_image_entry *e)
{
	if (soj_state_phase(e->state) == SOJ_OWNED && soj_ctl_readable(e->ctl))
		return "making";
	return soj_image_status_name(judge(d, e));
}

static uint64_t since(uint64_t now_ms, uint64_t then_ms)
{
	return now_ms > then_ms ? now_ms - then_ms : 0;
}

/* Slot that holds the renewal flag, and the process that has, or had, the
 * slot; false: nobody. */
static bool renewer(const struct dump *d, const struct soj_image_entry *e,
		    uint32_t *slot, uint32_t *pid)
{
	*slot = soj_renew_slot(soj_load_relaxed(&e->words.renew));
	if (*slot >= d->img->hdr.slots_max)
		return false;
	*pid = soj_load_relaxed(&d->img->slots[*slot].pid);
	return true;
}

/* Is there a value to be shown? */
static bool is_open(const struct soj_image_entry *e)
{
	return e->has_value && !e->sealed && !e->damaged;
}

static bool wanted(const struct dump *d, const struct soj_image_entry *e)
{
	const char *subject = d->in->subject;
	const char *digest = d->in->subject_digest;
	struct digest_text text = digest_text(e->words.subject);

	if (digest && strncmp(text.hex, digest, strlen(digest)) != 0)
		return false;
	return subject == NULL ||
	       (is_open(e) && e->subject_bytes == strlen(subject) &&
		memcmp(e->subject, subject, e->subject_bytes) == 0);
}

/* ---- JSON ---- */

static void json_reveal(struct soj_json *j, const struct soj_image_entry *e)
{
	soj_json_string_n(j, "subject", e->subject, e->subject_bytes);
	if (soj_text_is_utf8(e->data, e->data_bytes))
		soj_json_string_n(j, "data", e->data, e->data_bytes);
	else
		soj_json_base64(j, "data_base64", e->data, e->data_bytes);
}

static void json_renewer(struct soj_json *j, const struct dump *d,
			 const struct soj_image_entry *e)
{
	uint64_t lease_ms =
		soj_renew_lease_tick(soj_load_relaxed(&e->words.renew)) *
		SOJ_LEASE_TICK_MS;
	uint32_t slot, pid;

	if (!renewer(d, e, &slot, &pid)) {
		soj_json_null(j, "renewal_flag");
		return;
	}
	soj_json_object(j, "renewal_flag");
	soj_json_u64(j, "slot", slot);
	soj_json_u64(j, "pid", pid);
	soj_json_u64(j, "lease_left_ms", since(lease_ms, d->now_ms));
	soj_json_close(j);
}

static void json_value(struct soj_json *j, const struct soj_image_entry *e)
{
	if (!e->has_value) {
		soj_json_null(j, "bytes");
		soj_json_null(j, "version");
		return;
	}
	soj_json_u64(j, "bytes", e->data_bytes);
	soj_json_u64(j, "metadata_bytes", e->meta_bytes);
	soj_json_u64(j, "version", e->version);
	if (e->has_record)
		soj_json_u64(j, "successor",
			     soj_ref_entry(e->record.successor));
}

static void put_json(const struct dump *d, const struct soj_image_entry *e)
{
	uint64_t misc = soj_load_relaxed(&e->words.misc);
	uint64_t predecessor = soj_load_relaxed(&e->words.predecessor);
	uint64_t ref = soj_ref(e->idx, soj_state_gen(e->state));
	struct soj_json j;
	char handle[SOJOURN_HANDLE_CHARS + 1];

	/* As session/id.h makes them, for "sojourn rm --handle". */
	snprintf(handle, sizeof(handle), "%012" PRIx64 "%012" PRIx64, ref,
		 soj_load_relaxed(&e->words.digest[1]) & SOJ_MASK(48));
	soj_json_init(&j, stdout);
	soj_json_object(&j, NULL);
	soj_json_u64(&j, "entry", e->idx);
	soj_json_string(&j, "digest", digest_short(e->words.digest).hex);
	soj_json_string(&j, "handle", handle);
	soj_json_string(&j, "subject_digest",
			digest_text(e->words.subject).hex);
	soj_json_string(&j, "state", state_name(d, e));
	soj_json_u64(&j, "age_ms", since(d->now_ms, e->times.created_ms));
	soj_json_u64(&j, "idle_ms", since(d->now_ms, e->times.accessed_ms));
	if (soj_ctl_readable(e->ctl))
		soj_json_u64(
			&j, "expires_in_ms",
			since(soj_times_deadline_ms(&e->times), d->now_ms));
	else
		soj_json_null(&j, "expires_in_ms");
	json_value(&j, e);
	soj_json_u64(&j, "renewals", soj_misc_renewals(misc));
	json_renewer(&j, d, e);
	soj_json_u64(&j, "login", soj_load_relaxed(&e->words.login));
	if (predecessor)
		soj_json_u64(&j, "predecessor", soj_ref_entry(predecessor));
	soj_json_u64(&j, "collection", soj_misc_collection(misc));
	if (e->sealed || e->damaged)
		soj_json_bool(&j, e->sealed ? "sealed" : "damaged", true);
	if (d->in->reveal && is_open(e))
		json_reveal(&j, e);
	soj_json_close(&j);
}

/* ---- text ---- */

static void put_heading(const struct dump *d)
{
	printf("%-16s %-16s %-11s %-9s %-9s %-9s %8s %7s %8s %s\n", "DIGEST",
	       "SUBJECT", "STATE", "AGE", "IDLE", "EXPIRES", "BYTES", "VERSION",
	       "RENEWALS", d->in->reveal ? "RENEWER      VALUE" : "RENEWER");
}

/* Not soj_text_put(): a value may hold zeroes. */
static void put_bytes(const uint8_t *data, uint32_t bytes)
{
	putchar(' ');
	for (uint32_t at = 0; at < bytes;) {
		uint32_t code;
		size_t chars = soj_text_utf8(data + at, bytes - at, &code);

		if (chars > 0 && soj_text_is_plain(code) && code != '\\') {
			fwrite(data + at, 1, chars, stdout);
			at += (uint32_t)chars;
		} else {
			printf("\\x%02x", data[at]);
			at++;
		}
	}
}

static void put_subject(const struct dump *d, const struct soj_image_entry *e)
{
	char *text = NULL;
	size_t bytes;
	FILE *out;

	if (!d->in->reveal || !is_open(e)) {
		printf("%-16s ", digest_short(e->words.subject).hex);
		return;
	}
	out = open_memstream(&text, &bytes);
	if (out) {
		soj_text_put(out, (const char *)e->subject);
		fclose(out);
	}
	printf("%-16s ", text ? text : "?");
	free(text);
}

static void put_line(const struct dump *d, const struct soj_image_entry *e)
{
	uint64_t misc = soj_load_relaxed(&e->words.misc);
	char age[SOJ_TEXT_NUMBER_CHARS], idle[SOJ_TEXT_NUMBER_CHARS];
	char left[SOJ_TEXT_NUMBER_CHARS] = "-", flag[32] = "-";
	char bytes[16] = "-", version[24] = "-";
	uint32_t slot, pid;

	soj_text_duration(age, since(d->now_ms, e->times.created_ms));
	soj_text_duration(idle, since(d->now_ms, e->times.accessed_ms));
	if (soj_ctl_readable(e->ctl))
		soj_text_duration(left, since(soj_times_deadline_ms(&e->times),
					      d->now_ms));
	if (renewer(d, e, &slot, &pid))
		snprintf(flag, sizeof(flag), "%u/%u", slot, pid);
	if (e->has_value) {
		snprintf(bytes, sizeof(bytes), "%u", e->data_bytes);
		snprintf(version, sizeof(version), "%" PRIu64, e->version);
	}
	printf("%-16s ", digest_short(e->words.digest).hex);
	put_subject(d, e);
	printf("%-11s %-9s %-9s %-9s %8s %7s %8u %-*s", state_name(d, e), age,
	       idle, left, bytes, version, soj_misc_renewals(misc),
	       d->in->reveal ? 12 : 0, flag);
	if (d->in->reveal && is_open(e))
		put_bytes(e->data, e->data_bytes);
	else if (d->in->reveal && e->has_value)
		fputs(e->sealed ? " (sealed)" : " (damaged)", stdout);
	putchar('\n');
}

/* ---- all entries ---- */

static int put_entry(struct dump *d, uint32_t idx)
{
	struct soj_image_entry e;
	int rc = soj_image_entry(d->img, idx, d->in->reveal, &e);

	if (rc == -ENOENT)
		return 0;
	if (rc == -EAGAIN) {
		d->torn++;
		return 0;
	}
	if (rc < 0)
		return rc;
	if (wanted(d, &e)) {
		if (d->in->json)
			put_json(d, &e);
		else if (d->shown == 0)
			put_heading(d);
		if (!d->in->json)
			put_line(d, &e);
		d->shown++;
	}
	free(e.data);
	return 0;
}

static int put_all(struct dump *d)
{
	const struct soj_layout *lay = soj_image_layout(d->img);
	struct soj_window states;
	int rc = soj_window_init(&states, d->img, lay->chunk_states_off);

	for (uint32_t i = 1; rc == 0 && i <= lay->entries_max; i++) {
		const void *at;
		uint64_t word;

		rc = soj_window_at(&states, lay->entry_states_off + 8ull * i, 8,
				   &at);
		if (rc < 0)
			break;
		memcpy(&word, at, 8);
		if (soj_state_phase(word) == SOJ_LIVE ||
		    soj_state_phase(word) == SOJ_OWNED)
			rc = put_entry(d, i);
		/* Nobody reads on. */
		if (ferror(stdout))
			break;
	}
	soj_window_deinit(&states);
	return rc;
}

/* Opens what is sealed, if it can be, or says what is missing. */
static int unlock(struct dump *d, struct soj_image *img,
		  struct soj_vault *vault)
{
	const struct dump_input *in = d->in;

	if (img->st.seal_bytes == 0)
		return 0;
	if (in->key_file)
		return soj_image_unlock(img, in->key_file, vault);
	if (in->subject == NULL)
		return 0;
	soj_args_complain("%s is sealed: give --key-file to look for a subject",
			  in->name);
	return EX_NOPERM;
}

int cmd_dump(int argc, char **argv)
{
	struct dump_input in = {NULL};
	struct soj_image img;
	struct dump d = {.in = &in, .img = &img};
	struct soj_vault vault;
	int rc;

	soj_args_parse(&dump_argp, argc, argv, &in);
	rc = soj_image_need(&img, in.name);
	if (rc != 0)
		return rc;
	rc = unlock(&d, &img, &vault);
	if (rc != 0) {
		soj_image_close(&img);
		return rc;
	}
	d.now_ms = soj_image_now_ms(&img);
	rc = put_all(&d);
	if (rc < 0) {
		rc = soj_image_failed(rc, in.name);
	}
	if (d.torn > 0)
		soj_args_complain("%s: left out %" PRIu64
				  " entries that kept changing, or are "
				  "damaged",
				  in.name, d.torn);
	soj_image_close(&img);
	return rc;
}
