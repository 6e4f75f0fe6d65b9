/* SPDX-License-Identifier: MIT */
#ifndef SOJ_TOOLS_DEMO_SERVER_H
#define SOJ_TOOLS_DEMO_SERVER_H

/*
 * The processes of `sojourn demo`.
 *
 *	master		makes or attaches the segment and the listening socket,
 *			forks the workers, replaces those that die; no thread,
 *			no HTTP
 *	  worker x N	inherit both; each has its own libmicrohttpd
 *
 * The workers share nothing but the segment and the socket: what one of them
 * knows of a session, the others know from the segment.
 */

#include <stdbool.h>
#include <stdint.h>

#include <sojourn/sojourn.h>

#define SOJ_DEMO_WORKERS_MAX 256u

struct sojourn_keys;
struct sojourn_tokens;

struct soj_demo {
	struct sojourn *segment;
	struct sojourn_keys *keys; /* demo_api.c */
	struct sojourn_tokens *tokens;
	const char *name; /* the segment's */
	const char *cookie_name;
	const char *remember_name; /* of the cookie that remembers */
	int listen_fd;             /* blocking, listening */
	uint16_t port;
	uint32_t workers;
	bool tls_terminated; /* https in front: Secure cookies */
};

/*
 * Blocks the signals that the master waits for.  To be called before there is
 * anything to clean up, so that an early SIGTERM does not leave it behind.
 */
void soj_demo_block_signals(void);

/*
 * Runs the workers until SIGTERM, SIGINT or SIGHUP, then ends them.  Returns an
 * exit code.  Calls exit() in the workers, never returns in them.
 */
int soj_demo_master(const struct soj_demo *demo);

/*
 * Serves requests until SIGTERM, which must be blocked.  Returns an exit code;
 * anything but 0 means that this process cannot serve at all.
 */
int soj_demo_worker(const struct soj_demo *demo);

#endif /* SOJ_TOOLS_DEMO_SERVER_H */
