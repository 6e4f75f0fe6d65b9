/* SPDX-License-Identifier: MIT */

/*
 * A worker of `sojourn demo`.
 *
 * Who gets the next connection: each worker has one thread blocked in accept()
 * on the inherited socket.  The kernel wakes exactly one of them, the one that
 * has waited longest, so an idle server takes turns and a busy one gives work
 * to who is free.  (Had libmicrohttpd the socket in its epoll set, one
 * connection would wake all workers, or, exclusively, always the same one.)
 * Connections then belong to libmicrohttpd's threads for their life, so a
 * client that keeps one open stays with its worker.
 */

#include "demo_server.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "demo_http.h"
#include "lib_args.h"

#define THREADS              2u /* so that a worker races with itself too */
#define CONNECTIONS_MAX      512u
#define CONNECTION_TIMEOUT_S 15u
#define CONNECTION_MEMORY    16384u

struct worker {
	const struct soj_demo *demo;
	struct MHD_Daemon *daemon;
};

/* Out of descriptors or memory: others may give some back. */
static void pause_briefly(void)
{
	struct timespec wait = {.tv_nsec = 10 * 1000 * 1000};

	nanosleep(&wait, NULL);
}

static bool is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS ||
	       error == ENOMEM;
}

/* Ended by pthread_cancel(), which accept4() and nanosleep() heed. */
static void *accept_connections(void *arg)
{
	const struct worker *w = arg;
	struct sockaddr_storage address;
	socklen_t bytes;
	int fd, state;

	for (;;) {
		bytes = sizeof(address);
		fd = accept4(w->demo->listen_fd, (struct sockaddr *)&address,
			     &bytes, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			if (is_shortage(errno))
				pause_briefly();
			continue;
		}
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
		/* Closes it if there are too many. */
		(void)MHD_add_connection(w->daemon, fd,
					 (struct sockaddr *)&address, bytes);
		pthread_setcancelstate(state, &state);
	}
	return NULL;
}

static struct MHD_Daemon *start_daemon(const struct soj_demo *demo)
{
	return MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET |
			MHD_USE_ITC,
		0, NULL, NULL, soj_demo_http_answer, (void *)(uintptr_t)demo,
		MHD_OPTION_NOTIFY_COMPLETED, soj_demo_http_completed, NULL,
		MHD_OPTION_THREAD_POOL_SIZE, THREADS,
		MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_TIMEOUT_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_END);
}

/* SIGINT of a terminal goes to all of its processes; ours is the master's. */
static void wait_for_end(void)
{
	sigset_t set;
	int got;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	do {
		sigwait(&set, &got);
	} while (got != SIGTERM);
}

int soj_demo_worker(const struct soj_demo *demo)
{
	struct worker w = {.demo = demo};
	pthread_t acceptor;
	int rc;

	w.daemon = start_daemon(demo);
	if (!w.daemon) {
		soj_args_complain("demo: worker %d: cannot start the HTTP "
				  "server: %s",
				  (int)getpid(), strerror(errno));
		return EX_OSERR;
	}
	rc = pthread_create(&acceptor, NULL, accept_connections, &w);
	if (rc != 0) {
		soj_args_complain("demo: worker %d: thread: %s", (int)getpid(),
				  strerror(rc));
		MHD_stop_daemon(w.daemon);
		return EX_OSERR;
	}
	wait_for_end();
	pthread_cancel(acceptor);
	pthread_join(acceptor, NULL);
	MHD_stop_daemon(w.daemon);
	sojourn_detach(demo->segment);
	return 0;
}
