/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SESSION_BINDING_H
#define SOJ_SESSION_BINDING_H

/* Layer 5.  Is a session used from where it began? */

#include <sojourn/sojourn.h>

#include "shm/format.h"

/* Do two texts name one address, or one network of so many bits?  Those that
 * are no addresses are compared as texts. */
bool soj_binding_ip_equal(const char *a, const char *b, unsigned ip4_bits,
			  unsigned ip6_bits);

/*
 * The enum sojourn_mismatch bits of what differs, by the collection's rules
 * (what is ignored never does); *policy: the strictest SOJ_BINDING_* of those.
 */
unsigned soj_binding_check(const struct soj_shm_collection *c,
			   const struct sojourn_metadata *session,
			   const struct sojourn_metadata *client,
			   unsigned *policy);

#endif /* SOJ_SESSION_BINDING_H */
