/* SPDX-License-Identifier: MIT */

/*
 * S2, S4, S12, S13: what a read looks at, in which order, and what it
 * answers.  The naive orders and comparisons are here, too, and fail.
 */

#include <errno.h>

#include "lib_sem.h"
#include "session/binding.h"

#define ID (SOJOURN_ID_CHARS_MAX + 1)

static const struct sojourn_read look_only = {.no_touch = true,
					      .no_renew = true};

static int look(struct sojourn *s, const char *id, struct sojourn_info *info)
{
	return sojourn_session_read(s, id, &look_only, NULL, NULL, info);
}

static void login_with(struct sojourn *s, const struct sojourn_metadata *m,
		       char *id)
{
	const struct sojourn_new n = {.subject = "anna",
				      .data = "data",
				      .data_bytes = 4,
				      .metadata = *m};

	assert_int_equal(sojourn_session_create(s, &n, id, NULL), 0);
}

/* ---- S4 ---- */

static void s4_idle_to_the_millisecond(void **state)
{
	struct sojourn_options o;
	struct sojourn *s;
	char id[ID];

	(void)state;
	sem_options(&o);
	o.idle_timeout_ms = 1000;
	s = sem_make(&o);
	sem_login(s, "anna", NULL, id);
	sem_advance(s, 251);
	assert_int_equal(look(s, id, NULL), 0);
	sem_advance(s, 748);
	assert_int_equal(look(s, id, NULL), 0);
	sem_advance(s, 1);
	expect_reason(look(s, id, NULL), -ENOENT, SOJOURN_IDLE);
	assert_int_equal(sem_counter(s, "misses_idle"), 1);
	sojourn_detach(s);
	printf("S4 idle 1 s ends it after 1000 ms, not 999: ok\n");
}

/* The naive one: whole seconds. */
static bool naive_idle(uint64_t now_ms, uint64_t accessed_ms, uint64_t idle_ms)
{
	return (now_ms + 999) / 1000 - accessed_ms / 1000 >= idle_ms / 1000;
}

static void s4_trap_whole_seconds(void **state)
{
	struct sojourn_options o;
	struct sojourn *s;
	char id[ID];
	unsigned wrong = 0;

	(void)state;
	sem_options(&o);
	o.idle_timeout_ms = 1000;
	s = sem_make(&o);
	for (unsigned offset = 0; offset < 1000; offset += 83) {
		uint64_t began;

		sem_advance(s, 83);
		sem_login(s, "anna", NULL, id);
		began = sojourn_now_ms(s);
		sem_advance(s, 251);
		assert_int_equal(look(s, id, NULL), 0);
		wrong += naive_idle(began + 251, began, 1000);
	}
	assert_true(wrong > 0);
	sojourn_detach(s);
	printf("S4-trap idle 1 s expired after 251 ms: ok (naive: %u of 13)\n",
	       wrong);
}

/* ---- S2: the order, neighbour by neighbour ---- */

static const struct sojourn_metadata at_home = {.ip = "192.0.2.1"};
static const struct sojourn_metadata abroad = {.ip = "198.51.100.7"};

struct hook {
	unsigned calls;
	int answer;
	uint64_t accessed_ms;
	char data[8];
};

static int on_read(void *arg, const struct sojourn_info *info, const void *data,
		   size_t data_bytes)
{
	struct hook *h = arg;

	h->calls++;
	h->accessed_ms = info->accessed_ms;
	memset(h->data, 0, sizeof(h->data));
	if (data && data_bytes < sizeof(h->data))
		memcpy(h->data, data, data_bytes);
	return h->answer;
}

static struct sojourn *ordered(char *id)
{
	struct sojourn_options o;
	struct sojourn *s;

	sem_options(&o);
	o.ttl_ms = 100000;
	o.idle_timeout_ms = 50000;
	o.renewal_ms = 20000;
	o.ip = SOJOURN_BINDING_REJECT;
	s = sem_make(&o);
	login_with(s, &at_home, id);
	return s;
}

static void s2_absolute_before_idle(void **state)
{
	char id[ID];
	struct sojourn *s = ordered(id);

	(void)state;
	sem_advance(s, 100000); /* both are over */
	expect_reason(sem_read(s, id, NULL), -ENOENT, SOJOURN_EXPIRED);
	assert_int_equal(sem_counter(s, "misses_expired"), 1);
	/* Its entry is unindexed at once: later reads find nothing. */
	expect_reason(sem_read(s, id, NULL), -ENOENT, SOJOURN_NOT_FOUND);
	sojourn_detach(s);
	printf("S2 absolute deadline before idle: ok\n");
}

static void s2_idle_before_binding(void **state)
{
	char id[ID];
	struct sojourn *s = ordered(id);
	const struct sojourn_read how = {.client = &abroad};

	(void)state;
	sem_advance(s, 50000);
	expect_reason(sojourn_session_read(s, id, &how, NULL, NULL, NULL),
		      -ENOENT, SOJOURN_IDLE);
	assert_int_equal(sem_counter(s, "mismatches"), 0);
	sojourn_detach(s);
	printf("S2 idle before binding: ok\n");
}

static void s2_subject_before_binding(void **state)
{
	char id[ID];
	struct sojourn *s = ordered(id);
	const struct sojourn_read how = {.client = &abroad, .subject = "bert"};

	(void)state;
	expect_reason(sojourn_session_read(s, id, &how, NULL, NULL, NULL),
		      -ENOENT, SOJOURN_NOT_FOUND);
	sojourn_detach(s);
	printf("S2 subject before binding: ok\n");
}

static void s2_binding_before_veto(void **state)
{
	char id[ID], data[8] = "secret";
	size_t bytes = sizeof(data);
	struct sojourn *s = ordered(id);
	struct hook h = {.answer = 1};
	const struct sojourn_read how = {
		.client = &abroad, .veto = on_read, .veto_arg = &h};
	struct sojourn_info info;

	(void)state;
	expect_reason(sojourn_session_read(s, id, &how, data, &bytes, &info),
		      -EPERM, SOJOURN_BINDING);
	assert_int_equal(info.mismatch, SOJOURN_MISMATCH_IP);
	assert_int_equal(h.calls, 0);
	assert_int_not_equal(memcmp(data, "data", 4), 0);
	sojourn_detach(s);
	printf("S2 binding before veto: ok\n");
}

static void s2_veto_before_renewal_and_touch(void **state)
{
	char id[ID], data[8];
	size_t bytes = sizeof(data);
	struct sojourn *s = ordered(id);
	struct hook h = {.answer = 1};
	const struct sojourn_read how = {
		.client = &at_home, .veto = on_read, .veto_arg = &h};
	struct sojourn_info info;
	uint64_t began = sojourn_now_ms(s);

	(void)state;
	sem_advance(s, 20000); /* both are due */
	expect_reason(sojourn_session_read(s, id, &how, data, &bytes, &info),
		      -EPERM, SOJOURN_VETOED);
	assert_int_equal(h.calls, 1);
	assert_string_equal(h.data, "data");
	assert_int_equal(h.accessed_ms, began);
	assert_int_equal(info.renewal, SOJOURN_RENEWAL_NONE);
	assert_int_equal(look(s, id, &info), 0);
	assert_int_equal(info.accessed_ms, began);
	assert_int_equal(sem_counter(s, "renewals_won"), 0);
	assert_int_equal(sem_counter(s, "touches"), 0);
	assert_int_equal(sem_counter(s, "vetoes"), 1);
	sojourn_detach(s);
	printf("S2 veto before renewal and touch: ok\n");
}

static void s2_renewal_before_touch(void **state)
{
	char id[ID];
	struct sojourn *s = ordered(id);
	struct sojourn_info info;

	(void)state;
	sem_advance(s, 20000);
	assert_int_equal(sem_read(s, id, &info), 0);
	assert_int_equal(info.renewal, SOJOURN_RENEWAL_WON);
	/* The successor was just made: there is nothing to touch. */
	assert_int_equal(sem_counter(s, "touches"), 0);
	sojourn_detach(s);
	printf("S2 renewal before touch: ok\n");
}

/* A session that was idle for too long must not be renewed instead. */
static void s2_trap_renewal_before_idle(void **state)
{
	char id[ID];
	struct sojourn *s = ordered(id);
	struct sojourn_info info;
	const uint64_t idle_ms = 13 * 3600 * UINT64_C(1000);
	bool naively_renewed = idle_ms >= 20000; /* what it looks at first */

	(void)state;
	sem_advance(s, 60000);
	expect_reason(sem_read(s, id, &info), -ENOENT, SOJOURN_IDLE);
	assert_int_equal(sem_counter(s, "renewals_won"), 0);
	assert_true(naively_renewed);
	sojourn_detach(s);
	printf("S2-trap an idle session is renewed: ok\n");
}

/* ---- S13 ---- */

static void s13_veto_leaves_it_alone(void **state)
{
	struct sojourn *s = sem_make(NULL);
	struct hook h = {.answer = 1};
	struct sojourn_read how = {.veto = on_read, .veto_arg = &h};
	struct sojourn_info info;
	uint64_t began;
	char id[ID];

	(void)state;
	sem_advance(s, 1000);
	sem_login(s, "anna", "data", id);
	began = sojourn_now_ms(s);
	for (unsigned i = 0; i < 5; i++) {
		sem_advance(s, 5000);
		h.accessed_ms = 0;
		expect_reason(
			sojourn_session_read(s, id, &how, NULL, NULL, NULL),
			-EPERM, SOJOURN_VETOED);
		/* It is told of what the caller does not ask for. */
		assert_int_equal(h.accessed_ms, began);
	}
	assert_int_equal(look(s, id, &info), 0);
	assert_int_equal(info.accessed_ms, began);
	h.answer = 0;
	assert_int_equal(sojourn_session_read(s, id, &how, NULL, NULL, NULL),
			 0);
	assert_int_equal(look(s, id, &info), 0);
	assert_int_equal(info.accessed_ms, began + 25000);
	assert_int_equal(h.calls, 6);
	sojourn_detach(s);
	printf("S13 a veto leaves the access time alone: ok\n");
}

/* ---- S12 ---- */

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
	login_with(s, login, id);
	sem_advance(s, 5000);
	rc = sojourn_session_read(s, id, &how, NULL, NULL, &info);
	if (rc < 0)
		assert_int_equal(sojourn_reason(), SOJOURN_BINDING);
	*mismatch = info.mismatch;
	assert_int_equal(sem_counter(s, "mismatches"), *mismatch != 0);
	assert_int_equal(sem_counter(s, "touches"), rc == 0);
	*alive = look(s, id, NULL) == 0;
	/* Who asks for the data only goes a shorter way, to the same answer. */
	login_with(s, login, id);
	assert_int_equal(sojourn_session_read(s, id, &how, data, &bytes, NULL),
			 rc);
	assert_int_equal(memcmp(data, "data", 4) == 0, rc == 0);
	assert_int_equal(sem_counter(s, "mismatches"), 2 * (*mismatch != 0));
	sojourn_detach(s);
	return rc;
}

static void s12_what_differs(void **state)
{
	static const struct sojourn_metadata phone = {.device_id = "1",
						      .device_name = "pixel",
						      .device_type = "phone"};
	static const struct {
		struct sojourn_metadata login, client;
		unsigned mismatch;
	} rows[] = {
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
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int rc = from(SOJOURN_BINDING_REJECT, &rows[i].login,
			      &rows[i].client, &mismatch, &alive);

		assert_int_equal(rc, rows[i].mismatch ? -EPERM : 0);
		assert_int_equal(mismatch, rows[i].mismatch);
		assert_true(alive);
	}
	assert_int_equal(
		from(SOJOURN_BINDING_REJECT, &phone, &phone, &mismatch, &alive),
		0);
	printf("S12 device, ip, user agent: ok\n");
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
		login_with(s, &home, id);
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
		login_with(s, &home, id);
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
	login_with(s, &at_home, id);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s4_idle_to_the_millisecond),
		cmocka_unit_test(s4_trap_whole_seconds),
		cmocka_unit_test(s2_absolute_before_idle),
		cmocka_unit_test(s2_idle_before_binding),
		cmocka_unit_test(s2_subject_before_binding),
		cmocka_unit_test(s2_binding_before_veto),
		cmocka_unit_test(s2_veto_before_renewal_and_touch),
		cmocka_unit_test(s2_renewal_before_touch),
		cmocka_unit_test(s2_trap_renewal_before_idle),
		cmocka_unit_test(s13_veto_leaves_it_alone),
		cmocka_unit_test(s12_addresses),
		cmocka_unit_test(s12_what_differs),
		cmocka_unit_test(s12_one_rule),
		cmocka_unit_test(s12_long_metadata),
		cmocka_unit_test(s12_policies),
		cmocka_unit_test(s12_trap_binding_lost_by_renewal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
