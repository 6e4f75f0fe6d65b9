/* SPDX-License-Identifier: MIT */

#include "lib_small.h"

#include <errno.h>
#include <linux/futex.h>
#include <sojourn/collection.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct small the;
bool small_sealed;

const char *small_subject(unsigned number)
{
	static char names[SMALL_SUBJECTS][16];
	char *text = names[number % SMALL_SUBJECTS];

	snprintf(text, sizeof(names[0]), "subject-%u", number % SMALL_SUBJECTS);
	return text;
}

static struct sojourn *create(void)
{
	struct sojourn_options o;
	struct sojourn *s;

	sojourn_options_init(&o);
	o.entries_max = SMALL_ENTRIES;
	o.threads_max = SMALL_SLOTS;
	o.events_max = 64;
	o.segment_bytes = 2400 * 1024;
	o.helper = SOJOURN_HELPER_NONE;
	o.manual_clock = true;
	/* With the cipher that every machine has. */
	o.seal = small_sealed ? SOJOURN_SEAL_XCHACHA20 : SOJOURN_SEAL_OFF;
	o.ttl_ms = 1800000;
	o.idle_timeout_ms = 600000;
	o.renewal_ms = 900000;
	o.grace_window_ms = 60000;
	o.max_lifetime_ms = 86400000;
	if (sojourn_create(NULL, &o, &s) < 0)
		fuzz_fail("create: %s", sojourn_error_text());
	return s;
}

/* The segment's tokens know no other time. */
static uint64_t unix_ms(void *arg)
{
	(void)arg;
	return UINT64_C(1700000000000);
}

static void must(int rc)
{
	if (rc < 0)
		fuzz_fail("making the small segment: %d %s", rc,
			  sojourn_error_text());
}

static void login(struct sojourn *s, unsigned i)
{
	static const size_t sizes[] = {28, 0, 100, 20, 900, 100};
	static uint8_t data[40000];
	struct sojourn_info info;
	struct sojourn_new n = {.subject = small_subject(i), .data = data};

	n.data_bytes = i == 7 ? sizeof(data) : sizes[i % 6];
	memset(data, 'x', sizeof(data));
	n.metadata.ip = "192.0.2.7";
	n.metadata.user_agent = i % 2 ? "agent" : NULL;
	must(sojourn_session_create(s, &n, the.ids[i], &info));
	memcpy(the.handles[i], info.handle, sizeof(info.handle));
}

static void upkeep(struct sojourn *s, struct soj_self *self, unsigned passes)
{
	struct soj_upkeep_work work;
	struct soj_upkeep up;

	must(soj_upkeep_init(&up, &s->st, &self->w));
	while (passes-- > 0)
		soj_upkeep_pass(&up, &work);
	soj_upkeep_deinit(&up);
}

struct sojourn_tokens *small_tokens(struct sojourn *s)
{
	static const char secret[] = "of thirty-two bytes and no secret";
	const struct sojourn_key key = {.form = SOJOURN_KEY_RAW,
					.alg = SOJOURN_TOKEN_HS256,
					.text = secret,
					.text_bytes = 32};
	static struct sojourn_keys *keys;
	struct sojourn_token_options o;
	struct sojourn_tokens *t;

	if (keys == NULL)
		must(sojourn_keys_create(&key, 1, NULL, false, &keys));
	sojourn_token_options_init(&o);
	o.issuer = "i";
	o.audience = "a";
	o.cache = true;
	o.unix_ms = unix_ms;
	must(sojourn_tokens_open(s, keys, &o, &t));
	return t;
}

/* Items, families and a pair of tokens, some used, replaced and removed. */
static void fill_more(struct sojourn *s)
{
	const struct sojourn_token_new pair = {.subject = small_subject(1),
					       .claims = "{\"role\":1}",
					       .claims_bytes = 10};
	struct sojourn_new n = {
		.subject = small_subject(2), .data = "kept", .data_bytes = 4};
	struct sojourn_tokens *t = small_tokens(s);
	size_t bytes = sizeof(the.access);

	for (uint8_t i = 0; i < SMALL_ITEMS; i++) {
		const struct sojourn_item key = {SOJOURN_COLLECTION_CSRF, &i,
						 1};
		struct sojourn_value v = {.subject = i & 1 ? "subject-1" : NULL,
					  .data = "a value",
					  .data_bytes = 7};

		if (i == 3)
			must(sojourn_count_add(s, &key, 7, 0, NULL));
		else
			must(sojourn_put(s, &key, &v, NULL));
		if (i == 1)
			must(sojourn_put(s, &key, &v, NULL));
		if (i == 2)
			must(sojourn_remove(s, &key, 0));
	}
	for (unsigned i = 0; i < SMALL_FAMILIES; i++)
		must(sojourn_remember_create(s, &n, the.family[i], NULL));
	must(sojourn_remember_use(s, the.family[0], NULL, the.rotated, NULL,
				  NULL, NULL));
	must(sojourn_token_create(t, &pair, the.access, &bytes, the.refresh,
				  NULL));
	sojourn_tokens_close(t);
}

/* In the order of their numbers: freed ones, renewed ones, changed ones, ones
 * that are retired, ones that are ended. */
static void fill(struct sojourn *s, struct soj_self *self)
{
	struct sojourn_info info;

	for (unsigned i = 0; i < SMALL_SESSIONS; i++)
		login(s, i);
	for (unsigned i = 10; i < 13; i++)
		must(sojourn_session_delete(s, the.ids[i]));
	upkeep(s, self, 8);
	must(sojourn_clock_advance(s, 1000));
	for (unsigned i = 0; i < 4; i++) {
		must(sojourn_session_renew(s, the.ids[i], &info));
		memcpy(the.renewed[i], info.new_id, sizeof(info.new_id));
	}
	for (unsigned i = 4; i < 8; i++)
		must(sojourn_session_update(s, the.ids[i], "changed", 7, 0,
					    NULL));
	for (unsigned i = 13; i < 16; i++)
		must(sojourn_session_delete(s, the.ids[i]));
	upkeep(s, self, 1);
	for (unsigned i = 16; i < 19; i++)
		must(sojourn_session_delete(s, the.ids[i]));
	fill_more(s);
}

/* Locks of some sessions: the dead thread's, and the living one's. */
static void hold_locks(uint32_t dead)
{
	for (uint32_t i = 1; i <= SMALL_ENTRIES; i++) {
		struct soj_shm_entry *e = &the.st.seg.entries[i];
		uint64_t ctl = soj_load_relaxed(&e->ctl);

		if (soj_ctl_status(ctl) == SOJ_ACTIVE && i % 9 >= 7)
			soj_store_relaxed(&e->lock,
					  soj_lock(dead + i % 9 - 7, i, 0));
	}
	soj_store_relaxed(&the.st.seg.slots[dead].locks, 1);
	soj_store_relaxed(&the.st.seg.slots[dead + 1].locks, 1);
}

/* As the kernel marks the mutex of a thread that died with it. */
static void other_thread(uint32_t idx, uint32_t tid, bool dead)
{
	struct soj_shm_slot *slot = &the.st.seg.slots[idx];
	uint32_t word = tid | (dead ? FUTEX_OWNER_DIED : 0);
	uint64_t claim = soj_load_relaxed(&slot->claim);

	soj_store_relaxed(
		&slot->claim,
		soj_claim(SOJ_CLAIM_HELD, soj_claim_gen(claim), 1, tid));
	memcpy(&slot->life, &word, sizeof(word));
}

/* Rules that nothing had to be made by: of a cap, of bindings, of what is done
 * when memory is short. */
static void set_rules(struct soj_shm_header *hdr)
{
	struct soj_shm_collection *c = &hdr->collection[0];

	c->cap = 5;
	c->cap_policy = SOJ_CAP_EVICT_OLDEST;
	c->device_policy = SOJ_BINDING_DELETE;
	c->ip_policy = SOJ_BINDING_REJECT;
	c->user_agent_policy = SOJ_BINDING_REPORT;
	c->flags |= SOJ_COLLECTION_UPDATES;
	hdr->collection[SMALL_CAPPED] = *c;
	c = &hdr->collection[SMALL_CAPPED];
	snprintf(c->name, sizeof(c->name), "capped");
	c->cap = 2;
	c->cap_policy = SOJ_CAP_REJECT;
	c->flags |= SOJ_COLLECTION_SLIDING;
	if (small_sealed)
		hdr->policy.when_full = SOJ_FULL_EVICT;
}

static void point(const struct soj_seg *seg)
{
	the.st.seg = *seg;
	the.st.seg.base = the.image;
	soj_seg_point(&the.st.seg);
	soj_store_init(&the.st);
}

static void make(void)
{
	struct sojourn *s;
	struct soj_self *self;
	uint32_t entry, chunk, slot;
	int rc;

	fuzz_random(1);
	s = create();
	self = soj_self_writing(s, &rc);
	must(rc);
	fill(s, self);
	must(soj_entry_own(&s->st, &self->w, &entry));
	must(soj_chunk_own(&s->st, &self->w, 3, &chunk));
	slot = self->w.thr.slot;
	the.keys = s->keys;
	the.vault = s->vault;
	the.bytes = s->st.seg.bytes;
	the.fd = dup(sojourn_fd(s));
	the.image = mmap(NULL, the.bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			 the.fd, 0);
	the.good = malloc(the.bytes);
	if (the.image == MAP_FAILED || the.good == NULL)
		fuzz_fail("no memory");
	point(&s->st.seg);
	sojourn_detach(s);
	other_thread(slot, 4000000, true);
	other_thread(slot + 1, 1, false);
	hold_locks(slot);
	set_rules(the.st.seg.hdr);
	memcpy(the.good, the.image, the.bytes);
}

const struct small *small(void)
{
	if (the.image == NULL)
		make();
	return &the;
}

void small_restore(void)
{
	memcpy(the.image, the.good, the.bytes);
}

/*
 * Around the mapping that is used lies nothing, as far as any number of the format
 * leads: what is read or written beside it is found, whatever else there is in the
 * process.
 */
#define FENCE_BYTES ((size_t)40 << 30)

static uint8_t *fence;

static void fence_close(void)
{
	uint8_t *at = fence ? fence + FENCE_BYTES : NULL;
	size_t bytes = fence ? the.bytes : 2 * FENCE_BYTES + the.bytes;
	void *got = mmap(at, bytes, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
				 (at ? MAP_FIXED : 0),
			 -1, 0);

	if (got == MAP_FAILED)
		fuzz_fail("no room for a fence");
	if (fence == NULL)
		fence = got;
}

static void fence_in(struct soj_seg *seg)
{
	void *at;

	if (fence == NULL)
		fence_close();
	at = mremap(seg->base, seg->bytes, seg->bytes,
		    MREMAP_MAYMOVE | MREMAP_FIXED, fence + FENCE_BYTES);
	if (at == MAP_FAILED)
		fuzz_fail("the mapping cannot be moved");
	seg->base = at;
	soj_seg_point(seg);
}

void small_detach(struct sojourn *s)
{
	sojourn_detach(s);
	fence_close();
}

int small_attach(bool read_only, struct sojourn **out)
{
	uint8_t master[SOJ_KEY_BYTES] = {0};
	struct soj_seg_error err = {""};
	struct sojourn *s;
	int rc;

	must(soj_handle_new(&s));
	rc = soj_seg_attach_fd(&s->st.seg, the.fd, read_only,
			       the.keys.fingerprint, &err);
	FUZZ_CHECK(rc <= 0 && (rc == 0) == (err.text[0] == '\0'));
	if (rc < 0) {
		soj_handle_free(s);
		return rc;
	}
	fence_in(&s->st.seg);
	must(soj_handle_open(s, master));
	s->keys = the.keys;
	if (s->vault.cipher == the.vault.cipher)
		s->vault = the.vault;
	*out = s;
	return 0;
}

/* ---- spoiling ---- */

/* Lengths of a chunk; half of them fit in one. */
static uint64_t head_take(struct fuzz_in *in, uint32_t gen, uint32_t subject)
{
	uint32_t data = (uint32_t)fuzz_take(in, 3);
	uint32_t meta = (uint32_t)fuzz_below(in, 3000);

	if (gen & 2)
		return soj_chunk_head0(data % 200, subject % 16, meta % 40,
				       gen & 1 ? sizeof(struct soj_shm_record)
					       : 16 * (subject % 2));
	return soj_chunk_head0(data % (1 << 21), subject, meta,
			       gen & 1 ? sizeof(struct soj_shm_record)
				       : subject);
}

/* Words that look like some, of entries and chunks that may be there. */
static uint64_t word_take(struct fuzz_in *in)
{
	uint32_t idx = (uint32_t)fuzz_below(in, SMALL_ENTRIES + 3);
	uint32_t gen = (uint32_t)fuzz_below(in, 4);
	uint32_t small_number = (uint32_t)fuzz_take(in, 1);

	switch (fuzz_below(in, 16)) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return soj_state((enum soj_phase)(small_number % 5),
				 fuzz_below(in, SMALL_SLOTS + 2), gen);
	case 3:
		return soj_link(idx, small_number, gen & 1);
	case 4:
		return soj_place(soj_ref(idx, gen), (uint32_t)fuzz_take(in, 2));
	case 5:
		return soj_ctl((enum soj_status)(small_number % 16),
			       soj_chunk((uint32_t)fuzz_below(in, 9),
					 (uint32_t)fuzz_take(in, 2) % 1400),
			       gen);
	case 6:
		return soj_unit((enum soj_unit_phase)(small_number % 6),
				(uint32_t)fuzz_below(in, SOJ_CLASSES + 1),
				(uint32_t)fuzz_below(in, SMALL_SLOTS + 1),
				(uint32_t)fuzz_below(in, 17), gen);
	case 7:
		return head_take(in, gen, small_number);
	case 8:
		return soj_claim((enum soj_claim_phase)gen, gen,
				 small_number % 3, (uint32_t)fuzz_below(in, 3));
	case 9:
		return soj_section(small_number % 9, gen) ^ fuzz_below(in, 4);
	case 10:
		return soj_renew(gen, small_number % 8,
				 fuzz_take(in, 4) & SOJ_MASK(30));
	case 11:
		return soj_life(gen, fuzz_take(in, 6)) |
		       (small_number % 4 == 0 ? SOJ_LIFE_EXPIRED : 0);
	case 12:
		return soj_ref(idx, gen);
	case 13:
		return soj_chunk_head1(idx, small_number);
	case 14:
		if (small_number < 128)
			return soj_lock(small_number % (SMALL_SLOTS + 2), gen,
					idx % 3);
		return small_number;
	default:
		return fuzz_take(in, 8);
	}
}

struct region {
	uint64_t off, bytes;
};

static struct region region(unsigned number)
{
	const struct soj_layout *lay = &the.st.seg.lay;
	const uint64_t ends[] = {
		192, /* what changes of the header, to: */
		960,
		lay->slots_off,
		lay->entry_states_off,
		lay->chunk_states_off,
		lay->units_off,
		lay->entry_free_off,
		lay->buckets_off,
		lay->heads_off,
		lay->entries_off,
		lay->events_off,
		lay->chunks_off,
		lay->segment_bytes,
	};
	const unsigned count = sizeof(ends) / sizeof(ends[0]);
	unsigned i = number % count;

	return (struct region){i ? ends[i - 1] : 0,
			       i ? ends[i] - ends[i - 1] : ends[0]};
}

/* A word of a chunk that some entry has, or an entry of the first ones. */
static uint64_t chunk_off(struct fuzz_in *in)
{
	uint32_t idx = 1 + (uint32_t)fuzz_below(in, SMALL_ENTRIES);
	uint64_t ctl = soj_load_relaxed(&the.st.seg.entries[idx].ctl);
	uint32_t bytes;
	soj_word_t *words =
		soj_chunk_words(&the.st, soj_ctl_chunk(ctl), &bytes);

	if (words == NULL)
		return the.st.seg.lay.chunks_off;
	return (uint64_t)((uintptr_t)words - (uintptr_t)the.image) +
	       8 * fuzz_below(in, soj_min(bytes / 8, 40));
}

static uint64_t off_take(struct fuzz_in *in)
{
	unsigned where = (unsigned)fuzz_take(in, 1);
	struct region r = region(where >> 2);

	if (where % 4 == 0)
		return chunk_off(in);
	if (where % 4 == 1)
		r = region(9); /* entries */
	return r.off + 8 * fuzz_below(in, r.bytes / 8);
}

void patch_take(struct fuzz_in *in, struct patch *p)
{
	unsigned how = (unsigned)fuzz_take(in, 1);

	p->after = (uint32_t)fuzz_take(in, 2);
	p->off = off_take(in);
	p->bytes = 8;
	if (how % 4 == 0) {
		p->how = PATCH_XOR;
		p->value = UINT64_C(1) << (how >> 2);
	} else if (how % 4 == 1) {
		p->how = PATCH_BYTES;
		p->off += how >> 5;
		p->bytes = 1 + (how >> 2) % 8;
		p->value = fuzz_take(in, p->bytes);
	} else {
		p->how = PATCH_WORD;
		p->value = word_take(in);
	}
}

void patch_apply(const struct patch *p)
{
	uint64_t value = 0;

	if (p->off + p->bytes > the.bytes)
		return;
	memcpy(&value, the.image + p->off, p->bytes);
	value = p->how == PATCH_XOR ? value ^ p->value : p->value;
	memcpy(the.image + p->off, &value, p->bytes);
}
