/* SPDX-License-Identifier: MIT */

/*
 * S15 under races: counters and read-modify-write from 8 processes, one winner
 * of an add, a slow put, a put against a remove.  Beside each the naive way to
 * do it, which fails.
 */

#include <errno.h>

#include "crash/lib_victim.h"
#include "lib/upkeep.h"
#include "lib_sem.h"

#define WORKERS    8u
#define INCREMENTS 12500u /* each: 100,000 */
#define ROUNDS     10000u

static struct sojourn *s;
static uint32_t carts;

static int set_up(void **state)
{
	struct sojourn_options o;

	sem_options(&o);
	o.entries_max = 2 * ROUNDS;
	o.segment_bytes = 32u << 20;
	o.threads_max = 32;
	s = sem_make_carts(&o, &carts);
	*state = s;
	return 0;
}

static int64_t number_of(const char *key)
{
	const struct sojourn_item item = sem_item(carts, key);
	int64_t n = 0;
	size_t bytes = sizeof(n);

	assert_int_equal(sojourn_get(s, &item, NULL, &n, &bytes, NULL), 0);
	assert_int_equal(bytes, sizeof(n));
	return n;
}

/* ---- two writers of one item ---- */

static int add_one(void *arg, void *data, size_t *bytes, size_t capacity)
{
	int64_t n = 0;

	(void)arg;
	(void)capacity;
	memcpy(&n, data, *bytes);
	n++;
	memcpy(data, &n, sizeof(n));
	*bytes = sizeof(n);
	return 0;
}

static int count_worker(unsigned me, void *arg)
{
	const struct sojourn_item item = sem_item(carts, "counted");
	const struct sojourn_item other = sem_item(carts, "modified");
	const struct sojourn_value absent = {0};

	(void)me;
	(void)arg;
	for (unsigned i = 0; i < INCREMENTS; i++) {
		if (sojourn_count_add(s, &item, 1, 0, NULL) != 0)
			return 1;
		if (i % 5 == 0 && sojourn_modify_item(s, &other, &absent, 8,
						      add_one, NULL, NULL) != 0)
			return 2;
	}
	return 0;
}

static void s15_eight_writers_lose_nothing(void **state)
{
	(void)state;
	sem_workers(WORKERS, count_worker, NULL);
	assert_int_equal(number_of("counted"), WORKERS * INCREMENTS);
	assert_int_equal(number_of("modified"), WORKERS * INCREMENTS / 5);
}

/* The same with the expected version; the naive one without.  At the gate,
 * unless it is NULL, all have read before one writes. */
static int write_back(const char *key, bool with_version, struct gate *g)
{
	const struct sojourn_item item = sem_item(carts, key);
	int64_t n = 0;
	size_t bytes = sizeof(n);
	struct sojourn_info info;
	struct sojourn_value v = {.data = &n, .data_bytes = sizeof(n)};

	if (sojourn_get(s, &item, NULL, &n, &bytes, &info) != 0)
		return -1;
	if (g)
		gate_meet(g, WORKERS);
	n++;
	v.if_version = with_version ? info.version : 0;
	return sojourn_put(s, &item, &v, NULL);
}

static int write_back_worker(unsigned me, void *arg)
{
	struct gate *gate = arg;

	(void)me;
	for (unsigned i = 0; i < 500; i++) {
		int rc = write_back("careful", true, gate);

		while (rc == -ESTALE)
			rc = write_back("careful", true, NULL);
		if (rc != 0 || write_back("naive", false, gate) != 0)
			return 1;
	}
	return 0;
}

static void s15_trap_slow_put_overwrites_newer(void **state)
{
	const struct sojourn_item careful = sem_item(carts, "careful");
	const struct sojourn_item naive = sem_item(carts, "naive");
	struct gate *gate = sem_shared(sizeof(*gate));

	(void)state;
	assert_int_equal(sojourn_count_add(s, &careful, 0, 0, NULL), 0);
	assert_int_equal(sojourn_count_add(s, &naive, 0, 0, NULL), 0);
	sem_workers(WORKERS, write_back_worker, gate);
	sem_unshare(gate, sizeof(*gate));
	assert_int_equal(number_of("careful"), WORKERS * 500);
	assert_true(number_of("naive") < WORKERS * 500); /* planted */
}

/* ---- one winner ---- */

struct race {
	struct gate gate;
	_Atomic(unsigned) winner[2][ROUNDS]; /* of an add, of the naive one */
	_Atomic(unsigned) wins[2][ROUNDS];
};

/* All have looked before one puts. */
static bool naive_add(struct gate *gate, const struct sojourn_item *item,
		      const void *data)
{
	const struct sojourn_value v = {.data = data,
					.data_bytes = sizeof(unsigned)};

	bool there = sojourn_has(s, item) != 0;

	gate_meet(gate, WORKERS);
	return !there && sojourn_put(s, item, &v, NULL) == 0;
}

static int add_worker(unsigned me, void *arg)
{
	const struct sojourn_value v = {.data = &me, .data_bytes = sizeof(me)};
	struct race *race = arg;

	for (unsigned r = 0; r < ROUNDS; r++) {
		char key[16];
		struct sojourn_item item;
		int rc;

		gate_meet(&race->gate, WORKERS);
		snprintf(key, sizeof(key), "a%u", r);
		item = sem_item(carts, key);
		rc = sojourn_add(s, &item, &v, NULL);
		if (rc != 0 && rc != -EEXIST)
			return 1;
		if (rc == 0) {
			race->winner[0][r] = me;
			race->wins[0][r]++;
		}
		if (r % 100 == 0) {
			snprintf(key, sizeof(key), "n%u", r);
			item = sem_item(carts, key);
			race->wins[1][r] += naive_add(&race->gate, &item, &me);
		}
	}
	return 0;
}

static void s15_add_has_one_winner(void **state)
{
	struct race *race = sem_shared(sizeof(*race));
	unsigned naive = 0;

	(void)state;
	sem_workers(WORKERS, add_worker, race);
	for (unsigned r = 0; r < ROUNDS; r++) {
		char key[16];
		struct sojourn_item item;
		unsigned who = WORKERS;
		size_t bytes = sizeof(who);

		snprintf(key, sizeof(key), "a%u", r);
		item = sem_item(carts, key);
		assert_int_equal(race->wins[0][r], 1);
		assert_int_equal(
			sojourn_get(s, &item, NULL, &who, &bytes, NULL), 0);
		assert_int_equal(who, race->winner[0][r]);
		naive += race->wins[1][r] > 1;
	}
	printf("S15 add: %u rounds of one winner; has and put: %u rounds of "
	       "several\n",
	       ROUNDS, naive);
	assert_true(naive > 0); /* planted */
	sem_unshare(race, sizeof(*race));
}

/* ---- a put against a remove ---- */

/* What a victim does, up to the label it stands at. */
struct late {
	struct sojourn_value value;
	int (*modify)(void *arg, void *data, size_t *bytes, size_t capacity);
	bool naive;
};

static void late_put(void *arg, struct report *r)
{
	const struct late *l = arg;
	const struct sojourn_item item = sem_item(carts, "a");
	char old[8];
	size_t bytes = sizeof(old);

	if (l->modify) {
		r->rc = sojourn_modify_item(s, &item, NULL, 64, l->modify, NULL,
					    NULL);
		return;
	}
	if (l->naive &&
	    sojourn_get(s, &item, NULL, old, &bytes, NULL) == -ENOENT)
		r->rc = -ENOENT;
	else
		r->rc = sojourn_put(s, &item, &l->value, NULL);
}

/* Stops it at `label`, removes the item, lets it go on.  Is there one? */
static int race_with_remove(struct late *l, const char *label, int *rc)
{
	const struct sojourn_item item = sem_item(carts, "a");
	const struct sojourn_value v = {.data = "1", .data_bytes = 1};
	const struct plan plan = {.fault = FAULT_NONE, .pause = label};
	struct report *r = report_new();
	struct victim victim;
	int there;

	assert_int_equal(sojourn_put(s, &item, &v, NULL), 0);
	sem_advance(s, 10); /* else the access time is now already */
	victim_run(&victim, r, &plan, late_put, l);
	assert_int_equal(victim.state, VICTIM_STOPPED);
	assert_int_equal(sojourn_remove(s, &item, 0), 1);
	assert_int_equal(sojourn_has(s, &item), 0);
	victim_continue(&victim);
	assert_int_equal(victim.state, VICTIM_FINISHED);
	*rc = r->rc;
	report_free(r);
	there = sojourn_has(s, &item);
	assert_true(sojourn_remove(s, &item, 0) == there);
	return there;
}

static int grow(void *arg, void *data, size_t *bytes, size_t capacity)
{
	(void)arg;
	memset((char *)data + *bytes, 'x', capacity - *bytes);
	*bytes = capacity;
	return 0;
}

static void s15_trap_put_racing_remove(void **state)
{
	static const char *const labels[] = {"put.use.seen", "put.used",
					     "update.written"};
	struct late l = {.value = {.data = "2", .data_bytes = 1}};
	int rc;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		l.value.if_exists = true;
		assert_int_equal(race_with_remove(&l, labels[i], &rc), 0);
		assert_int_equal(rc, -ENOENT);
		/* An upsert came after the remove: its own value. */
		l.value.if_exists = false;
		assert_int_equal(race_with_remove(&l, labels[i], &rc), 1);
		assert_int_equal(rc, 0);
	}
	l.modify = grow;
	assert_int_equal(race_with_remove(&l, "update.written", &rc), 0);
	assert_int_equal(rc, -ENOENT);
	/* The naive one looks whether it exists, then puts. */
	l.modify = NULL;
	l.naive = true;
	assert_int_equal(race_with_remove(&l, "update.written", &rc), 1);
}

/* A remove that was stopped takes nothing that was put since. */
static void late_remove(void *arg, struct report *r)
{
	const struct sojourn_item item = sem_item(carts, "a");
	const uint64_t *version = arg;

	r->rc = sojourn_remove(s, &item, *version);
}

static void s15_late_remove_by_version(void **state)
{
	const struct sojourn_item item = sem_item(carts, "a");
	const struct sojourn_value v = {.data = "1", .data_bytes = 1};
	const struct plan plan = {.fault = FAULT_NONE, .pause = "remove.seen"};
	struct report *r = report_new();
	struct victim victim;
	uint64_t version;

	(void)state;
	assert_int_equal(sojourn_put(s, &item, &v, &version), 0);
	victim_run(&victim, r, &plan, late_remove, &version);
	assert_int_equal(victim.state, VICTIM_STOPPED);
	assert_int_equal(sojourn_remove(s, &item, 0), 1);
	assert_int_equal(sojourn_add(s, &item, &v, NULL), 0);
	victim_continue(&victim);
	assert_int_equal(r->rc, -ESTALE);
	assert_int_equal(sojourn_has(s, &item), 1);
	report_free(r);
}

/* ---- items with a cap, of makers who stand still ---- */

#define LEASE 2000u

static const struct sojourn_value annas = {
	.data = "1", .data_bytes = 1, .subject = "anna"};

static int set_up_capped(void **state)
{
	struct sojourn_collection c;
	struct sojourn_options o;

	sem_options(&o);
	sojourn_collection_init(&c, "carts");
	c.per_subject_max = 1;
	c.when_over = SOJOURN_WHEN_OVER_REJECT;
	o.collections = &c;
	o.collections_count = 1;
	s = sem_make(&o);
	carts = (uint32_t)sojourn_collection_number(s, "carts");
	*state = s;
	return 0;
}

static void put_a(void *arg, struct report *r)
{
	const struct sojourn_item a = sem_item(carts, "a");

	(void)arg;
	r->rc = sojourn_put(s, &a, &annas, NULL);
}

/* Another has replaced it, and was told so: it is there, and counts. */
static void s11_an_item_that_was_replaced_is_not_late(void **state)
{
	const struct plan plan = {.pause = "index.committed"};
	const struct sojourn_item a = sem_item(carts, "a"),
				  b = sem_item(carts, "b");
	struct report *r = report_new();
	struct victim maker;

	(void)state;
	victim_run(&maker, r, &plan, put_a, NULL);
	assert_int_equal(maker.state, VICTIM_STOPPED);
	assert_int_equal(sojourn_put(s, &a, &annas, NULL), 0);
	sem_advance(s, LEASE);
	expect_reason(sojourn_put(s, &b, &annas, NULL), -EUSERS,
		      SOJOURN_OVER_CAP);
	victim_continue(&maker);
	assert_int_equal(r->rc, 0);
	assert_int_equal(sojourn_has(s, &a), 1);
	report_free(r);
}

/* Whose place was given away is not told that all is well. */
static void s11_a_late_item_is_no_more_than_the_cap(void **state)
{
	const struct plan plan = {.pause = "index.committed"};
	const struct sojourn_item a = sem_item(carts, "a"),
				  b = sem_item(carts, "b");
	struct report *r = report_new();
	struct victim maker;

	(void)state;
	victim_run(&maker, r, &plan, put_a, NULL);
	assert_int_equal(maker.state, VICTIM_STOPPED);
	sem_advance(s, LEASE);
	assert_int_equal(sojourn_put(s, &b, &annas, NULL), 0);
	victim_continue(&maker);
	assert_int_equal(r->rc, -ECANCELED);
	assert_int_equal(sojourn_has(s, &a), 0);
	assert_int_equal(sojourn_has(s, &b), 1);
	report_free(r);
}

/* A put that is refused has not ended what another subject has there. */
static void s15_a_refused_put_ends_nothing(void **state)
{
	const struct sojourn_item a = sem_item(carts, "a"),
				  b = sem_item(carts, "b");
	struct sojourn_value v = {
		.data = "2", .data_bytes = 1, .subject = "bert"};

	(void)state;
	assert_int_equal(sojourn_put(s, &a, &annas, NULL), 0);
	v.ttl_ms = UINT64_C(1) << 60;
	assert_int_equal(sojourn_put(s, &a, &v, NULL), -EINVAL);
	assert_int_equal(sojourn_has(s, &a), 1);
	v.ttl_ms = 0;
	v.data_bytes = SOJOURN_DATA_BYTES_MAX + 1u;
	assert_int_equal(sojourn_put(s, &a, &v, NULL), -EMSGSIZE);
	assert_int_equal(sojourn_has(s, &a), 1);
	v.data_bytes = 1;
	assert_int_equal(sojourn_put(s, &b, &v, NULL), 0);
	expect_reason(sojourn_put(s, &a, &v, NULL), -EUSERS, SOJOURN_OVER_CAP);
	assert_int_equal(sojourn_has(s, &a), 1);
	assert_int_equal(sojourn_remove(s, &b, 0), 1);
	assert_int_equal(sojourn_put(s, &a, &v, NULL), 0);
	assert_int_equal(sem_count(s, "anna"), 0);
	assert_int_equal(sem_count(s, "bert"), 1);
}

static void put_over_annas(void *arg, struct report *r)
{
	const struct sojourn_item a = sem_item(carts, "a");

	r->rc = sojourn_put(s, &a, arg, NULL);
}

/* Nor has one that was found too late, as another has its place by then. */
static void s15_a_late_put_ends_nothing(void **state)
{
	const struct plan plan = {.pause = "cap.counted"};
	const struct sojourn_item a = sem_item(carts, "a"),
				  b = sem_item(carts, "b");
	struct sojourn_value berts = {
		.data = "2", .data_bytes = 1, .subject = "bert"};
	struct report *r = report_new();
	struct victim maker;

	(void)state;
	assert_int_equal(sojourn_put(s, &a, &annas, NULL), 0);
	victim_run(&maker, r, &plan, put_over_annas, &berts);
	assert_int_equal(maker.state, VICTIM_STOPPED);
	sem_advance(s, LEASE);
	assert_int_equal(sojourn_put(s, &b, &berts, NULL), 0);
	victim_continue(&maker);
	assert_int_equal(maker.state, VICTIM_FINISHED);
	assert_int_equal(r->rc, -ECANCELED);
	assert_int_equal(sem_count(s, "anna"), 1);
	assert_int_equal(sem_count(s, "bert"), 1);
	report_free(r);
}

static void put_numbered(void *arg, struct report *r)
{
	const struct sojourn_item item = {carts, arg, sizeof(unsigned)};

	r->rc = sojourn_put(s, &item, &annas, NULL);
}

/* Makers die at each label; what repair makes of it is within the cap. */
static void s11_dead_makers_of_items(void **state)
{
	struct sojourn_collection c;
	struct sojourn_options o;
	unsigned number = 0, deaths = 0, wrong = 0;

	(void)state;
	sem_options(&o);
	sojourn_collection_init(&c, "carts");
	c.per_subject_max = 2;
	c.when_over = SOJOURN_WHEN_OVER_EVICT_OLDEST;
	o.collections = &c;
	o.collections_count = 1;
	s = sem_make(&o);
	carts = (uint32_t)sojourn_collection_number(s, "carts");
	for (unsigned i = 0; i < label_count(); i++) {
		const struct plan plan = {
			.fault = FAULT_KILL, .at = label_name(i), .nth = 1};
		struct report *r = report_new();
		struct victim victim;

		for (unsigned k = 0; k < 3; k++, number++) {
			victim_run(&victim, r, &plan, put_numbered, &number);
			deaths += victim.state == VICTIM_KILLED;
		}
		assert_true(upkeep_passes(s, 4, soj_upkeep_full));
		if (sem_count(s, "anna") > 2) {
			print_message("S11 over the cap by deaths at %s\n",
				      label_name(i));
			wrong++;
		}
		report_free(r);
	}
	sojourn_detach(s);
	assert_true(deaths > 20);
	assert_int_equal(wrong, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, sem_tear_down)
#define CAPPED(f) \
	cmocka_unit_test_setup_teardown(f, set_up_capped, sem_tear_down)

static void delete_by_handle(void *arg, struct report *r)
{
	r->rc = sojourn_session_delete_handle(s, arg);
}

/* Who ends an item that belongs to nobody, and stood still until he was expelled
 * from his section, has ended it all the same when he says so. */
static void s15_expelled_while_deleting(void **state)
{
	const struct sojourn_item a = sem_item(carts, "a");
	const struct sojourn_value v = {.data = "x", .data_bytes = 1};
	unsigned stops = 0, wrong = 0;
	struct soj_upkeep_work work;
	struct soj_upkeep up;
	struct soj_self *self;
	int rc;

	(void)state;
	self = soj_self_writing(s, &rc);
	assert_int_equal(soj_upkeep_init(&up, &s->st, &self->w), 0);
	for (unsigned i = 0; i < label_count(); i++) {
		const struct plan plan = {.fault = FAULT_NONE,
					  .pause = label_name(i)};
		struct report *r = report_new();
		struct sojourn_info info;
		struct victim victim;

		assert_int_equal(sojourn_put(s, &a, &v, NULL), 0);
		assert_int_equal(sojourn_get(s, &a, NULL, NULL, NULL, &info),
				 0);
		victim_run(&victim, r, &plan, delete_by_handle, info.handle);
		if (victim.state == VICTIM_STOPPED) {
			stops++;
			for (unsigned n = 0; n < 4; n++) {
				soj_upkeep_full(&up, &work);
				sem_advance(s, 60);
			}
			victim_continue(&victim);
			assert_int_equal(victim.state, VICTIM_FINISHED);
		}
		wrong += r->rc != 1 || sojourn_has(s, &a) != 0;
		report_free(r);
	}
	assert_true(stops > 5);
	assert_int_equal(wrong, 0);
	soj_upkeep_deinit(&up);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(s15_eight_writers_lose_nothing),
		TEST(s15_trap_slow_put_overwrites_newer),
		TEST(s15_add_has_one_winner),
		TEST(s15_trap_put_racing_remove),
		TEST(s15_late_remove_by_version),
		TEST(s15_expelled_while_deleting),
		CAPPED(s15_a_refused_put_ends_nothing),
		CAPPED(s11_an_item_that_was_replaced_is_not_late),
		CAPPED(s11_a_late_item_is_no_more_than_the_cap),
		CAPPED(s15_a_late_put_ends_nothing),
		cmocka_unit_test(s11_dead_makers_of_items),
	};
	int failed;

	coverage_init();
	failed = cmocka_run_group_tests_name("S15 races", tests, NULL, NULL);
	if (failed == 0)
		printf("S15 eight writers of one item: ok\n"
		       "S15 one winner of an add: ok\n"
		       "S15 trap, slow put overwrites newer data: ok\n"
		       "S15 trap, put racing with remove: ok\n");
	return failed;
}
