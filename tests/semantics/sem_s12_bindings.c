/* SPDX-License-Identifier: MIT */

/*
 * S12: who asks for a session is compared with who began it.  The naive ways are
 * here, too, and fail.
 */

#include <errno.h>
#include <sojourn/event.h>

#include "crash/lib_victim.h"
#include "lib_sem.h"
#include "session/binding.h"

#define ID (SOJOURN_ID_CHARS_MAX + 1)

static const struct sojourn_metadata at_home = {.ip = "192.0.2.1"};
static const struct sojourn_metadata abroad = {.ip = "198.51.100.7"};

static void s12_addresses(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned ip4, ip6;
		bool equal;
	} rows[] = {
		{"192.0.2.1", "192.0.2.1", 32, 128, true},
		{"192.0.2.1", "192.0.2.2", 32, 128, false},
		{"192.0.2.1", "192.0.2.200", 24, 128, true},
		{"192.0.2.1", "192.0.3.1", 24, 128, false},
		{"192.0.2.1", "192.0.3.1", 23, 128, true},
		{"192.0.2.1", "64.0.2.1", 1, 128, false},
		{"192.0.2.1", "::ffff:192.0.2.1", 32, 128, true},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.9", 24, 128, true},
		{"2001:db8::1", "2001:DB8:0:0::1", 32, 128, true},
		{"2001:db8::1", "2001:db8::2", 32, 128, false},
		{"2001:db8::1", "2001:db8::ffff:1:2:3", 32, 64, true},
		{"2001:db8:0:1::1", "2001:db8:0:2::1", 32, 64, false},
		{"2001:db8:0:1::1", "2001:db8:0:1::2", 32, 127, false},
		{"2001:db8::1", "192.0.2.1", 1, 1, false},
		{"unknown", "unknown", 32, 128, true},
		{"unknown", "Unknown", 32, 128, false},
		{"192.0.2.1", "192.0.2.01", 32, 128, false},
	};
	unsigned naive = 0;

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(soj_binding_ip_equal(rows[i].a, rows[i].b,
						      rows[i].ip4, rows[i].ip6),
				 rows[i].equal);
		naive += (strcmp(rows[i].a, rows[i].b) == 0) != rows[i].equal;
	}
	assert_true(naive > 0); /* comparing texts will not do */
	printf("S12 addresses, exact and by prefix: ok\n");
}

/* One look from a client under a policy. */
static int from(enum sojourn_binding policy,
		const struct sojourn_metadata *login,
		const struct sojourn_metadata *client, unsigned *mismatch,
		bool *alive)
{
	struct sojourn_options o;
	struct sojourn_info info;
	const struct sojourn_read how = {.client = client};
	struct sojourn *s;
	char id[ID], data[8] = "";
	size_t bytes = sizeof(data);
	int rc;

	sem_options(&o);
	o.device = o.ip = o.user_agent = policy;
	s = sem_make(&o);
	sem_login_from(s, login, id);
	sem_advance(s, 5000);
	rc = sojourn_session_read(s, id, &how, NULL, NULL, &info);
	if (rc < 0)
		assert_int_equal(sojourn_reason(), SOJOURN_BINDING);
	*mismatch = info.mismatch;
	assert_int_equal(sem_counter(s, "mismatches"), *mismatch != 0);
	assert_int_equal(sem_counter(s, "touches"), rc == 0);
	*alive = sem_look(s, id, NULL) == 0;
	/* Who asks for the data only goes a shorter way, to the same answer. */
	sem_login_from(s, login, id);
	assert_int_equal(sojourn_session_read(s, id, &how, data, &bytes, NULL),
			 rc);
	assert_int_equal(memcmp(data, "data", 4) == 0, rc == 0);
	assert_int_equal(sem_counter(s, "mismatches"), 2 * (*mismatch != 0));
	sojourn_detach(s);
	return rc;
}

struct pair {
	struct sojourn_metadata login, client;
	unsigned mismatch;
};

static void expect_pairs(const struct pair *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		unsigned mismatch;
		bool alive;
		int rc = from(SOJOURN_BINDING_REJECT, &rows[i].login,
			      &rows[i].client, &mismatch, &alive);

		assert_int_equal(rc, rows[i].mismatch ? -EPERM : 0);
		assert_int_equal(mismatch, rows[i].mismatch);
		assert_true(alive);
	}
}

static void s12_what_differs(void **state)
{
	static const struct sojourn_metadata phone = {.device_id = "1",
						      .device_name = "pixel",
						      .device_type = "phone"};
	static const struct pair rows[] = {
		{{.ip = "192.0.2.1"}, {.ip = "192.0.2.1"}, 0},
		{{.ip = "192.0.2.1"}, {.ip = "192.0.2.2"}, 2},
		{{.ip = "192.0.2.1"}, {0}, 2},
		{{0}, {.ip = "192.0.2.1"}, 0},
		{{.user_agent = "a"}, {.user_agent = "b"}, 4},
		{{.user_agent = "a"}, {0}, 4},
		{{.device_type = "phone"}, {0}, 0},
		{{0}, {.device_type = "phone"}, 0},
		{{.device_type = "phone"}, {.device_type = "pc"}, 1},
		{{.device_type = "phone", .device_name = "pixel"},
		 {.device_type = "phone"},
		 1},
		{{.device_type = "phone", .device_id = "1"},
		 {.device_type = "phone"},
		 0},
		{{.device_type = "phone", .device_id = "1"},
		 {.device_type = "phone", .device_id = "2"},
		 1},
		{{.device_name = "pixel"}, {.device_name = "pixel"}, 0},
		{{.device_name = "pixel"}, {.device_name = "nexus"}, 1},
		{{.device_id = "1"}, {.device_id = "2"}, 1},
		{{.device_type = "phone"},
		 {.device_type = "phone", .device_name = "pixel"},
		 1},
		{{.ip = "192.0.2.1", .user_agent = "a"}, {.ip = "::1"}, 6},
		{{.ip = "192.0.2.1", .location = "here", .device_os = "bsd"},
		 {.ip = "192.0.2.1", .location = "there"},
		 0},
		{{.user_agent = "ab"}, {.user_agent = "a"}, 4},
	};
	unsigned mismatch;
	bool alive;

	(void)state;
	expect_pairs(rows, sizeof(rows) / sizeof(rows[0]));
	assert_int_equal(
		from(SOJOURN_BINDING_REJECT, &phone, &phone, &mismatch, &alive),
		0);
	printf("S12 device, ip, user agent: ok\n");
}

/* One string, so long or longer, is compared where it lies. */
#define SIXTEEN "0123456789abcdef"

static void s12_long_texts(void **state)
{
	static const struct pair rows[] = {
		{{.device_id = SIXTEEN}, {.device_id = SIXTEEN}, 0},
		{{.device_id = SIXTEEN}, {.device_id = SIXTEEN "f"}, 1},
		{{.device_id = SIXTEEN "f"}, {.device_id = SIXTEEN}, 1},
		{{.user_agent = SIXTEEN SIXTEEN "0"},
		 {.user_agent = SIXTEEN SIXTEEN "0"},
		 0},
		{{.user_agent = SIXTEEN SIXTEEN "0"},
		 {.user_agent = SIXTEEN SIXTEEN "1"},
		 4},
		{{.user_agent = SIXTEEN SIXTEEN},
		 {.user_agent = SIXTEEN SIXTEEN, .device_name = "pixel"},
		 0},
		{{.device_type = SIXTEEN},
		 {.device_type = SIXTEEN, .device_name = "pixel"},
		 1},
		{{.device_name = SIXTEEN},
		 {.device_name = SIXTEEN, .device_type = "phone"},
		 1},
	};

	(void)state;
	expect_pairs(rows, sizeof(rows) / sizeof(rows[0]));
}

/* A rule on one of the three alone. */
static void s12_one_rule(void **state)
{
	static const struct sojourn_metadata home = {.device_type = "phone",
						     .ip = "192.0.2.1",
						     .user_agent = "a"},
					     away = {.device_type = "pc",
						     .ip = "192.0.2.2",
						     .user_agent = "b"};
	const struct sojourn_read same = {.client = &home},
				  other = {.client = &away};

	(void)state;
	for (unsigned rule = 0; rule < 4; rule++) {
		const int rc = rule ? -EPERM : 0;
		char id[ID], data[8] = "";
		size_t bytes = sizeof(data);
		struct sojourn_options o;
		struct sojourn_info info;
		struct sojourn *s;

		sem_options(&o);
		o.device = rule == 1 ? SOJOURN_BINDING_REJECT : 0;
		o.ip = rule == 2 ? SOJOURN_BINDING_REJECT : 0;
		o.user_agent = rule == 3 ? SOJOURN_BINDING_REJECT : 0;
		s = sem_make(&o);
		sem_login_from(s, &home, id);
		assert_int_equal(
			sojourn_session_read(s, id, &other, data, &bytes, NULL),
			rc);
		assert_int_equal(memcmp(data, "data", 4) == 0, rc == 0);
		assert_int_equal(
			sojourn_session_read(s, id, &other, NULL, NULL, &info),
			rc);
		assert_int_equal(info.mismatch, rule ? 1u << (rule - 1) : 0);
		bytes = sizeof(data);
		assert_int_equal(
			sojourn_session_read(s, id, &same, data, &bytes, NULL),
			0);
		sojourn_detach(s);
	}
}

/* So much of it that a read for the data alone takes the long way. */
static void s12_long_metadata(void **state)
{
	static char agent[1000];
	const struct sojourn_metadata home = {.user_agent = agent},
				      away = {.user_agent = agent + 1};
	const struct sojourn_read same = {.client = &home},
				  other = {.client = &away};
	struct sojourn_options o;
	struct sojourn *s;
	char id[ID], data[8] = "";
	size_t bytes = sizeof(data);

	(void)state;
	memset(agent, 'a', sizeof(agent) - 1);
	for (unsigned sealed = 0; sealed < 2; sealed++) {
		sem_options(&o);
		o.user_agent = SOJOURN_BINDING_REJECT;
		o.seal = sealed ? SOJOURN_SEAL_ON : SOJOURN_SEAL_OFF;
		s = sem_make(&o);
		sem_login_from(s, &home, id);
		memset(data, 0, sizeof(data));
		expect_reason(
			sojourn_session_read(s, id, &other, data, &bytes, NULL),
			-EPERM, SOJOURN_BINDING);
		assert_memory_not_equal(data, "data", 4);
		expect_reason(
			sojourn_session_read(s, id, &other, NULL, NULL, NULL),
			-EPERM, SOJOURN_BINDING);
		bytes = sizeof(data);
		assert_int_equal(
			sojourn_session_read(s, id, &same, data, &bytes, NULL),
			0);
		assert_int_equal(bytes, 4);
		assert_memory_equal(data, "data", 4);
		sojourn_detach(s);
	}
}

static void s12_policies(void **state)
{
	unsigned mismatch;
	bool alive;

	(void)state;
	assert_int_equal(from(SOJOURN_BINDING_IGNORE, &at_home, &abroad,
			      &mismatch, &alive),
			 0);
	assert_int_equal(mismatch, 0);
	assert_int_equal(from(SOJOURN_BINDING_REPORT, &at_home, &abroad,
			      &mismatch, &alive),
			 0);
	assert_int_equal(mismatch, SOJOURN_MISMATCH_IP);
	assert_int_equal(from(SOJOURN_BINDING_REJECT, &at_home, &abroad,
			      &mismatch, &alive),
			 -EPERM);
	assert_true(alive);
	assert_int_equal(from(SOJOURN_BINDING_DELETE, &at_home, &abroad,
			      &mismatch, &alive),
			 -EPERM);
	assert_int_equal(mismatch, SOJOURN_MISMATCH_IP);
	assert_false(alive);
	printf("S12 ignore, report, reject, delete: ok\n");
}

/* The binding goes with the session into its successor, and its old id is not
 * a way around it. */
static void s12_trap_binding_lost_by_renewal(void **state)
{
	const struct sojourn_read thief = {.client = &abroad};
	struct sojourn_info info, stolen;
	struct sojourn_options o;
	struct sojourn *s;
	char id[ID];

	(void)state;
	sem_options(&o);
	o.ip = SOJOURN_BINDING_REJECT;
	s = sem_make(&o);
	sem_login_from(s, &at_home, id);
	assert_int_equal(sojourn_session_renew(s, id, &info), 0);
	expect_reason(sojourn_session_read(s, info.new_id, &thief, NULL, NULL,
					   &stolen),
		      -EPERM, SOJOURN_BINDING);
	for (unsigned i = 0; i < 2; i++) {
		expect_reason(sojourn_session_read(s, id, &thief, NULL, NULL,
						   &stolen),
			      -EPERM, SOJOURN_BINDING);
		assert_string_equal(stolen.new_id, "");
		sem_advance(s, o.grace_window_ms);
	}
	sojourn_detach(s);
	printf("S12-trap binding lost by renewal: ok\n");
}

/* ---- items ---- */

struct seen {
	unsigned calls;
};

static int see(void *arg, const void *data, size_t bytes, uint64_t version)
{
	struct seen *seen = arg;

	(void)version;
	assert_int_equal(bytes, 4);
	assert_memory_equal(data, "data", 4);
	seen->calls++;
	return 0;
}

static int veto(void *arg, const struct sojourn_info *info, const void *data,
		size_t data_bytes)
{
	(void)arg;
	(void)info;
	(void)data;
	(void)data_bytes;
	return 0;
}

static int keep_source(void *arg, const struct sojourn_event *e)
{
	*(enum sojourn_source *)arg = e->source;
	return 0;
}

/* Of the newest event: whatever was called, the rule deletes. */
static void expect_deleted(struct sojourn *s)
{
	enum sojourn_source source = SOJOURN_SOURCE_UNKNOWN;
	uint64_t next = 1;

	assert_true(sojourn_events_read(s, &next, keep_source, &source, NULL) >
		    1);
	assert_string_equal(sojourn_source_name(source),
			    sojourn_source_name(SOJOURN_SOURCE_DELETE));
}

/* By a copy or by a look at where it lies: one rule. */
static void expect_item(enum sojourn_binding policy, enum sojourn_seal seal)
{
	const struct sojourn_read from_home = {.client = &at_home},
				  away = {.client = &abroad},
				  vetoed = {.client = &at_home, .veto = veto};
	const struct sojourn_value v = {
		.data = "data", .data_bytes = 4, .metadata = &at_home};
	const bool refused = policy >= SOJOURN_BINDING_REJECT,
		   gone = policy == SOJOURN_BINDING_DELETE;
	struct sojourn_item item = {.key = "key", .key_bytes = 3};
	struct sojourn_collection carts;
	struct sojourn_options o;
	struct sojourn_info info;
	struct seen seen = {.calls = 0};
	struct sojourn *s;
	uint64_t hits;

	sem_options(&o);
	sojourn_collection_init(&carts, "carts");
	carts.ip = policy;
	o.collections = &carts;
	o.collections_count = 1;
	o.seal = seal;
	s = sem_make(&o);
	item.collection = (uint32_t)sojourn_collection_number(s, "carts");
	assert_int_equal(sojourn_put(s, &item, &v, NULL), 0);
	assert_int_equal(sojourn_view(s, &item, &from_home, see, &seen), 0);
	assert_int_equal(sem_counter(s, "mismatches"), 0);
	assert_int_equal(seen.calls, 1);
	expect_reason(sojourn_view(s, &item, &vetoed, see, &seen), -EINVAL,
		      SOJOURN_INVALID);
	hits = sem_counter(s, "hits");
	assert_int_equal(sojourn_view(s, &item, &away, see, &seen),
			 refused ? -EPERM : 0);
	assert_string_equal(sojourn_reason_name(sojourn_reason()),
			    refused ? "binding" : "ok");
	assert_int_equal(seen.calls, 1 + !refused);
	assert_int_equal(sem_counter(s, "hits"), hits + !refused);
	assert_int_equal(sem_counter(s, "mismatches"), 1);
	assert_int_equal(sojourn_has(s, &item), !gone);
	if (gone)
		expect_deleted(s);
	assert_int_equal(sojourn_put(s, &item, &v, NULL), 0);
	memset(&info, 0xff, sizeof(info));
	assert_int_equal(sojourn_get(s, &item, &away, NULL, NULL, &info),
			 refused ? -EPERM : 0);
	assert_int_equal(info.mismatch, SOJOURN_MISMATCH_IP);
	assert_string_equal(info.collection, "carts");
	assert_int_equal(sem_counter(s, "mismatches"), 2);
	assert_int_equal(sojourn_has(s, &item), !gone);
	if (gone)
		expect_deleted(s);
	sojourn_detach(s);
}

static void s12_items(void **state)
{
	static const enum sojourn_seal seals[] = {SOJOURN_SEAL_OFF,
						  SOJOURN_SEAL_ON};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		expect_item(SOJOURN_BINDING_REPORT, seals[i]);
		expect_item(SOJOURN_BINDING_REJECT, seals[i]);
		expect_item(SOJOURN_BINDING_DELETE, seals[i]);
	}
	printf("S12 items, got and viewed: ok\n");
}

struct looker {
	struct sojourn *s;
	struct sojourn_item item;
	bool copy;
};

static void look_from_abroad(void *arg, struct report *r)
{
	const struct sojourn_read away = {.client = &abroad};
	const struct looker *l = arg;
	struct seen seen = {.calls = 0};
	char data[8];
	size_t bytes = sizeof(data);

	r->rc = l->copy ? sojourn_get(l->s, &l->item, &away, data, &bytes, NULL)
			: sojourn_view(l->s, &l->item, &away, see, &seen);
}

static int keep(void *arg, void *data, size_t *bytes, size_t capacity)
{
	(void)arg;
	(void)data;
	(void)bytes;
	(void)capacity;
	return 0;
}

/* Who is refused ends what he was refused, also if that was changed since, and not
 * what came for him. */
static void s12_ends_what_was_refused(void **state)
{
	const struct sojourn_value from_home = {.data = "data",
						.data_bytes = 4,
						.metadata = &at_home},
				   from_abroad = {.data = "data",
						  .data_bytes = 4,
						  .metadata = &abroad};
	struct looker l = {.item = {.key = "key", .key_bytes = 3}};
	struct sojourn_collection carts;
	struct sojourn_options o;
	unsigned stops = 0, wrong = 0;

	(void)state;
	sem_options(&o);
	sojourn_collection_init(&carts, "carts");
	carts.ip = SOJOURN_BINDING_DELETE;
	o.collections = &carts;
	o.collections_count = 1;
	l.s = sem_make(&o);
	l.item.collection = (uint32_t)sojourn_collection_number(l.s, "carts");
	for (unsigned i = 0; i < 4 * label_count(); i++) {
		const struct plan plan = {.fault = FAULT_NONE,
					  .pause = label_name(i / 4)};
		const bool his = i / 2 % 2;
		struct report *r = report_new();
		struct victim victim;

		l.copy = i % 2;
		assert_int_equal(sojourn_put(l.s, &l.item, &from_home, NULL),
				 0);
		victim_run(&victim, r, &plan, look_from_abroad, &l);
		if (victim.state == VICTIM_STOPPED) {
			stops++;
			if (his)
				assert_int_equal(sojourn_put(l.s, &l.item,
							     &from_abroad,
							     NULL),
						 0);
			else
				(void)!sojourn_modify_item(l.s, &l.item, NULL,
							   8, keep, NULL, NULL);
			victim_continue(&victim);
			wrong += sojourn_has(l.s, &l.item) != his;
		}
		assert_true(sojourn_remove(l.s, &l.item, 0) >= 0);
		report_free(r);
	}
	assert_true(stops > 10);
	assert_int_equal(wrong, 0);
	sojourn_detach(l.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s12_addresses),
		cmocka_unit_test(s12_what_differs),
		cmocka_unit_test(s12_long_texts),
		cmocka_unit_test(s12_one_rule),
		cmocka_unit_test(s12_long_metadata),
		cmocka_unit_test(s12_policies),
		cmocka_unit_test(s12_trap_binding_lost_by_renewal),
		cmocka_unit_test(s12_items),
		cmocka_unit_test(s12_ends_what_was_refused),
	};

	coverage_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
