/* SPDX-License-Identifier: MIT */

/*
 * `sojourn demo`: options, the segment and the listening socket.  The
 * processes are in demo_master.c and demo_worker.c, what they answer in
 * demo_routes.c.
 */

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "cmd.h"
#include "demo_api.h"
#include "demo_server.h"
#include "lib_args.h"
#include "lib_options.h"
#include "shm/segment.h"

#define DEFAULT_PORT    8080u
#define DEFAULT_WORKERS 4u
#define DEFAULT_ENTRIES 20000u
#define DEFAULT_BYTES   (UINT64_C(32) << 20)
#define BACKLOG         1024

struct demo_input {
	struct sojourn_options options;
	const char *name; /* NULL: demo-PID */
	const char *key_file;
	const char *policy; /* the last option that only create can heed */
	uint16_t port;
	uint32_t workers;
	bool tls_terminated;
};

enum {
	OPT_PORT = 0x100,
	OPT_WORKERS,
	OPT_SEGMENT,
	OPT_KEY_FILE,
	OPT_TLS_TERMINATED,
};

static const struct argp_option demo_options[] = {
	{NULL, 0, NULL, 0, "Server:", 1},
	{"port", OPT_PORT, "P", 0, "On 127.0.0.1 (8080; 0: any free one)", 0},
	{"workers", OPT_WORKERS, "N", 0, "Worker processes (4)", 0},
	{"tls-terminated", OPT_TLS_TERMINATED, NULL, 0,
	 "A proxy in front speaks https: the cookie is Secure and called "
	 "__Host-sid instead of sid",
	 0},
	{NULL, 0, NULL, 0, "Segment:", 2},
	{"segment", OPT_SEGMENT, "NAME", 0,
	 "Attach this one, or make it if it is not there (demo-PID)", 0},
	{"key-file", OPT_KEY_FILE, "FILE", 0,
	 "Its key file, if not the default", 0},
	{NULL, 0, NULL, 0, "For a segment that is made:", 3},
	{"entries", SOJ_OPT_ENTRIES, "N", 0, "Sessions at a time (20000)", 0},
	{"bytes", SOJ_OPT_BYTES, "SIZE", 0, "Memory, all included (32MiB)", 0},
	{"ttl", SOJ_OPT_TTL, "D", 0, "From login (30min)", 0},
	{"idle", SOJ_OPT_IDLE, "D", 0, "From last use (0: does not matter)", 0},
	{"renewal", SOJ_OPT_RENEWAL, "D", 0,
	 "Age at which a session gets a new id (5min; 0: never)", 0},
	{"grace-window", SOJ_OPT_GRACE_WINDOW, "D", 0,
	 "How long the old id still answers (5s)", 0},
	{"max-lifetime", SOJ_OPT_MAX_LIFETIME, "D", 0,
	 "From login, whatever the renewals (0: no limit)", 0},
	{"helper", SOJ_OPT_HELPER, "spawn|external|none", 0,
	 "Start sojournd (spawn), leave that to you (external), or do without "
	 "(none)",
	 0},
	{0},
};

static error_t parse_demo(int key, char *arg, struct argp_state *state)
{
	struct demo_input *in = state->input;
	const char *policy;

	switch (key) {
	case OPT_PORT:
		in->port = (uint16_t)soj_args_need_number(state, "--port", arg,
							  0, 65535);
		return 0;
	case OPT_WORKERS:
		in->workers = (uint32_t)soj_args_need_number(
			state, "--workers", arg, 1, SOJ_DEMO_WORKERS_MAX);
		return 0;
	case OPT_SEGMENT:
		in->name = arg;
		return 0;
	case OPT_KEY_FILE:
		in->key_file = arg;
		return 0;
	case OPT_TLS_TERMINATED:
		in->tls_terminated = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "\"%s\" is no option", arg);
		return 0;
	default:
		policy = soj_options_take(key, arg, state, &in->options);
		if (policy == NULL)
			return ARGP_ERR_UNKNOWN;
		in->policy = policy;
		return 0;
	}
}

static const struct argp demo_argp = {
	.options = demo_options,
	.parser = parse_demo,
	.doc = "A web site with logins, served by worker processes that share "
	       "their sessions through one segment. Ends at SIGTERM, SIGINT "
	       "and SIGHUP; a worker that dies is replaced.\v"
	       "Pages for browsers; JSON for who asks for it by \"Accept: "
	       "application/json\" or ?json:\n"
	       "  GET  / /profile /devices /stat /health\n"
	       "  POST /login (user, device, stay, remember) /counter /logout\n"
	       "       /devices/revoke (handle) /logout-everywhere (keep)\n"
	       "What changes something needs the session's token, as the field "
	       "csrf or the header X-CSRF-Token; each JSON reply tells it in "
	       "the "
	       "header of that name, and it changes with the session's id. "
	       "Each reply names its process in X-Worker-Pid.",
};

/* ---- segment ---- */

/* 0 or an exit code.  *made: it was not there before. */
static int open_segment(const struct demo_input *in, const char *name,
			struct sojourn **segment, bool *made)
{
	struct sojourn_attach_options attach = {.key_file = in->key_file};
	char what[300];
	int rc;

	snprintf(what, sizeof(what), "attach %s", name);
	rc = sojourn_attach(name, &attach, segment);
	if (rc == 0 && in->policy != NULL) {
		sojourn_detach(*segment);
		soj_args_complain("the segment %s is there already, so %s has "
				  "no effect: leave it out",
				  name, in->policy);
		return EX_USAGE;
	}
	if (rc == 0)
		return 0;
	if (rc != -ENOENT)
		return soj_args_fail(rc, what);
	snprintf(what, sizeof(what), "create %s", name);
	rc = sojourn_create(name, &in->options, segment);
	if (rc < 0)
		return soj_args_fail(rc, what);
	*made = true;
	return 0;
}

/* Only who made the segment removes it.  The key of a name with our pid in it
 * is of no use to anybody afterwards. */
static void close_segment(const struct demo_input *in, const char *name,
			  struct sojourn *segment, bool made)
{
	char path[PATH_MAX];
	int rc;

	sojourn_detach(segment);
	if (!made)
		return;
	rc = sojourn_destroy(name);
	if (rc < 0 && rc != -ENOENT)
		(void)soj_args_fail(rc, "destroy the demo's segment");
	if (in->name == NULL && in->key_file == NULL &&
	    soj_keyfile_default_path(path, sizeof(path), name) == 0)
		(void)unlink(path);
}

/* ---- socket ---- */

/* A listening socket on 127.0.0.1 or -errno; *port becomes the one it has. */
static int open_listener(uint16_t *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(*port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t bytes = sizeof(address);
	int fd, error, on = 1;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, bytes) < 0 ||
	    listen(fd, BACKLOG) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &bytes) < 0) {
		error = errno;
		close(fd);
		return -error;
	}
	*port = ntohs(address.sin_port);
	return fd;
}

int cmd_demo(int argc, char **argv)
{
	struct demo_input in = {.port = DEFAULT_PORT,
				.workers = DEFAULT_WORKERS};
	struct soj_demo demo = {0};
	bool made = false;
	char name[32];
	int rc;

	sojourn_options_init(&in.options);
	in.options.entries_max = DEFAULT_ENTRIES;
	in.options.segment_bytes = DEFAULT_BYTES;
	in.options.renewal_ms = 5 * 60 * 1000;
	soj_args_parse(&demo_argp, argc, argv, &in);
	in.options.key_file = in.key_file;
	if (sodium_init() < 0) {
		soj_args_complain("demo: libsodium does not start");
		return EX_OSERR;
	}
	snprintf(name, sizeof(name), "demo-%d", (int)getpid());
	demo.name = in.name != NULL ? in.name : name;
	demo.cookie_name = in.tls_terminated ? "__Host-sid" : "sid";
	demo.remember_name = in.tls_terminated ? "__Host-remember" : "remember";
	demo.tls_terminated = in.tls_terminated;
	demo.workers = in.workers;
	demo.port = in.port;
	/* The cheap one first: a taken port needs no segment. */
	demo.listen_fd = open_listener(&demo.port);
	if (demo.listen_fd < 0) {
		soj_args_complain("demo: 127.0.0.1:%u: %s", in.port,
				  strerror(-demo.listen_fd));
		return EX_OSERR;
	}
	soj_demo_block_signals();
	rc = open_segment(&in, demo.name, &demo.segment, &made);
	if (rc == 0) {
		rc = soj_demo_api_open(&demo);
		rc = rc < 0 ? soj_args_fail(rc, "open the demo's tokens")
			    : soj_demo_master(&demo);
		soj_demo_api_close(&demo);
		close_segment(&in, demo.name, demo.segment, made);
	}
	close(demo.listen_fd);
	return rc;
}
