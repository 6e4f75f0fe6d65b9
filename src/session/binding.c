/* SPDX-License-Identifier: MIT */

/*
 * Bindings: what a request says of its sender, against what the login said.
 *
 * A device counts when both sides have one: clients learn to send it later
 * than to log in.  Address and user agent are there in every request, so one
 * that is missing now is another one; a session that was made without is not
 * bound by it.
 */

#include "session/binding.h"

#include <arpa/inet.h>
#include <string.h>

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* ---- addresses ---- */

struct address {
	unsigned bytes; /* 4, 16; 0: the text is none */
	uint8_t at[16];
};

/* IPv4 that is mapped into IPv6 is IPv4: it depends on the socket only. */
static struct address address_of(const char *text)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct address a = {0};

	if (inet_pton(AF_INET, text, a.at) == 1) {
		a.bytes = 4;
	} else if (inet_pton(AF_INET6, text, a.at) == 1) {
		a.bytes = 16;
		if (memcmp(a.at, mapped, sizeof(mapped)) == 0) {
			memmove(a.at, a.at + 12, 4);
			a.bytes = 4;
		}
	}
	return a;
}

bool soj_binding_ip_equal(const char *a, const char *b, unsigned ip4_bits,
			  unsigned ip6_bits)
{
	const struct address x = address_of(a), y = address_of(b);
	unsigned bits = x.bytes == 4 ? ip4_bits : ip6_bits;
	unsigned whole = bits / 8, rest = bits % 8;

	if (x.bytes == 0 || y.bytes == 0)
		return strcmp(a, b) == 0;
	if (x.bytes != y.bytes || memcmp(x.at, y.at, whole) != 0)
		return false;
	return rest == 0 || (x.at[whole] ^ y.at[whole]) >> (8 - rest) == 0;
}

/* ---- what differs ---- */

static bool has_device(const struct sojourn_metadata *m)
{
	return m->device_type || m->device_name || m->device_id;
}

static bool device_differs(const struct sojourn_metadata *s,
			   const struct sojourn_metadata *c)
{
	if (!has_device(s) || !has_device(c))
		return false;
	if (s->device_id && c->device_id &&
	    strcmp(s->device_id, c->device_id) != 0)
		return true;
	return !same(s->device_type, c->device_type) ||
	       !same(s->device_name, c->device_name);
}

unsigned soj_binding_check(const struct soj_shm_collection *c,
			   const struct sojourn_metadata *session,
			   const struct sojourn_metadata *client,
			   unsigned *policy)
{
	const struct {
		unsigned bit;
		unsigned policy;
		bool differs;
	} checks[] = {
		{SOJOURN_MISMATCH_DEVICE, c->device_policy,
		 device_differs(session, client)},
		{SOJOURN_MISMATCH_IP, c->ip_policy,
		 session->ip && (client->ip == NULL ||
				 !soj_binding_ip_equal(session->ip, client->ip,
						       c->ip4_prefix_bits,
						       c->ip6_prefix_bits))},
		{SOJOURN_MISMATCH_USER_AGENT, c->user_agent_policy,
		 session->user_agent &&
			 !same(session->user_agent, client->user_agent)},
	};
	unsigned mismatch = 0;

	*policy = SOJ_BINDING_IGNORE;
	for (unsigned i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		if (!checks[i].differs ||
		    checks[i].policy == SOJ_BINDING_IGNORE)
			continue;
		mismatch |= checks[i].bit;
		if (checks[i].policy > *policy)
			*policy = checks[i].policy;
	}
	return mismatch;
}
