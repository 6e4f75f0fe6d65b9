/* SPDX-License-Identifier: MIT */

/*
 * sojournd: the helper of one segment.
 *
 * Starts the helper's two threads and waits for a reason to stop them: a
 * signal, the end of the segment, or the end of all processes that inherited
 * an anonymous one.  Trusts nothing in the segment that the library did not
 * check, opens nothing but the segment and its audit log, and needs no
 * privileges: what it was started with is given up.
 */

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <sojourn/version.h>

#include "helper/helper.h"
#include "lib_audit.h"
#include "sojournd_notify.h"
#include "sojournd_process.h"
#include "store/event.h"

#define POLL_MS 250 /* how often it looks whether the segment was destroyed */

struct options {
	const char *name; /* NULL with --fd */
	int fd;           /* -1: by name */
	int life_fd;      /* -1: none */
	uint32_t tick_ms;
	bool foreground;
	const char *audit; /* path; NULL: none */
};

struct daemon {
	struct options opts;
	char what[32 + SOJ_SEG_NAME_MAX]; /* for texts */
	int ready_fd;                     /* -1: nobody waits */
	int signal_fd;
	struct soj_store store;
	struct soj_helper *helper;
	struct soj_audit audit;
	/* what was last told to the service manager */
	bool told, told_active;
	struct soj_helper_status watched;
	uint64_t watched_ms; /* when */
};

/* The codes of the sojourn command (tools/lib_args.h). */
static int exit_code(int error)
{
	switch (-error) {
	case EINVAL:
	case EBADF:
		return EX_USAGE;
	case ENOENT:
	case ESHUTDOWN:
		return EX_NOINPUT;
	case EBADMSG:
	case ESTALE:
		return EX_DATAERR;
	case EPROTO:
	case EXDEV:
		return EX_PROTOCOL;
	case EACCES:
	case EPERM:
	case ELOOP:
		return EX_NOPERM;
	case EAGAIN:
		return EX_TEMPFAIL;
	default:
		return EX_OSERR;
	}
}

/* ---- options ---- */

enum { KEY_FD = 256, KEY_LIFE_FD, KEY_TICK, KEY_AUDIT };

static uint32_t need_number(struct argp_state *state, const char *option,
			    const char *text, const char *unit, long min,
			    long max)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (end == text || errno || value < min || value > max ||
	    (*end != 0 && strcmp(end, unit) != 0))
		argp_error(state,
			   "%s %s: it takes a whole number%s%s from %ld "
			   "to %ld",
			   option, text, *unit ? " of " : "", unit, min, max);
	return (uint32_t)value;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *opts = state->input;

	switch (key) {
	case 'f':
		opts->foreground = true;
		return 0;
	case KEY_FD:
		opts->fd = (int)need_number(state, "--fd", arg, "", 0, INT_MAX);
		return 0;
	case KEY_LIFE_FD:
		opts->life_fd = (int)need_number(state, "--life-fd", arg, "", 0,
						 INT_MAX);
		return 0;
	case KEY_TICK:
		opts->tick_ms = need_number(state, "--tick", arg, "ms", 1,
					    SOJ_HELPER_TICK_MS_MAX);
		return 0;
	case KEY_AUDIT:
		opts->audit = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num > 0)
			argp_error(state, "%s: one segment only", arg);
		opts->name = arg;
		return 0;
	case ARGP_KEY_END:
		if (!opts->name && opts->fd < 0)
			argp_error(state, "which segment? Give its NAME");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void print_version(FILE *out, struct argp_state *state)
{
	(void)state;
	fprintf(out, "sojournd %s\n", sojourn_version());
}

static void options_parse(struct options *opts, int argc, char **argv)
{
	static const struct argp_option list[] = {
		{"foreground", 'f', NULL, 0,
		 "Stay in the foreground, as a service", 0},
		{"fd", KEY_FD, "N", 0,
		 "The segment is the inherited descriptor N", 0},
		{"life-fd", KEY_LIFE_FD, "N", 0,
		 "End at the end of file on the inherited descriptor N", 0},
		{"tick", KEY_TICK, "TIME", 0,
		 "How exact expiry is, 1ms to 10ms (default 8ms)", 0},
		{"audit", KEY_AUDIT, "FILE", 0,
		 "Append the segment's events to FILE, as lines of JSON", 0},
		{0},
	};
	static const struct argp argp = {
		.options = list,
		.parser = parse,
		.args_doc = "NAME",
		.doc = "The helper of the session segment NAME: reclaims its "
		       "memory, expires its sessions, repairs after processes "
		       "that died. Any number may run; one of them works, the "
		       "others stand by.",
	};

	argp_program_version_hook = print_version;
	argp_err_exit_status = EX_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, opts);
}

/* Later its number may be that of a descriptor of ours. */
static bool is_open(int fd)
{
	if (fd < 0 || fcntl(fd, F_GETFD) >= 0)
		return true;
	soj_complain("descriptor %d is not open", fd);
	return false;
}

/* ---- running ---- */

static int attach(struct daemon *d)
{
	struct soj_seg *seg = &d->store.seg;
	struct soj_seg_error err = {""};
	int rc;

	if (d->opts.fd >= 0) {
		rc = soj_seg_attach_fd(seg, d->opts.fd, false, NULL, &err);
		close(d->opts.fd);
	} else {
		rc = soj_seg_attach(seg, d->opts.name, false, NULL, &err);
	}
	if (rc < 0) {
		soj_complain("%s", err.text);
		return exit_code(rc);
	}
	soj_store_init(&d->store);
	return 0;
}

static int start(struct daemon *d)
{
	const struct soj_helper_options opts = {.tick_ms = d->opts.tick_ms};
	int rc = soj_helper_start(&d->helper, &d->store, &opts);

	if (rc == 0)
		return 0;
	if (rc == -EAGAIN)
		soj_complain(
			"%s: its %u thread slots are all taken, and the "
			"helper needs two; end a process that is attached, or "
			"create it with more --threads-max",
			d->what, d->store.seg.lay.slots_max);
	else
		soj_complain("%s: cannot start: %s", d->what, strerror(-rc));
	soj_seg_detach(&d->store.seg);
	return exit_code(rc);
}

/* Now, so that a path that cannot be used is an error at the start. */
static int open_audit(struct daemon *d)
{
	int rc;

	if (d->opts.audit == NULL)
		return 0;
	if (d->store.seg.lay.events_max == 0) {
		soj_complain(
			"%s keeps no events for --audit: it was created with "
			"none",
			d->what);
		rc = -EINVAL;
	} else {
		rc = soj_audit_open(&d->audit, &d->store);
		if (rc < 0)
			soj_complain("--audit %s: %s", d->audit.path,
				     strerror(-rc));
	}
	if (rc == 0)
		return 0;
	soj_seg_detach(&d->store.seg);
	return rc == -EINVAL ? EX_USAGE : EX_CANTCREAT;
}

/* Signals come through a descriptor, and no thread gets any.  Blocked, they
 * are kept even if who started us ignored them, as a shell does for what runs
 * in the background. */
static int catch_signals(struct daemon *d)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_SETMASK, &set, NULL);
	signal(SIGPIPE, SIG_IGN); /* nobody may be left to tell */
	signal(SIGXFSZ, SIG_IGN); /* the audit log's errors are told */
	d->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (d->signal_fd >= 0)
		return 0;
	soj_complain("cannot receive signals: %m");
	return EX_OSERR;
}

/*
 * Appends what is new, as the helper that serves: those that stand by would
 * write it again.  One that takes over reads where the former stopped.
 */
static void audit(struct daemon *d)
{
	struct soj_helper_status now;
	int rc;

	d->audit.behind = false;
	soj_helper_status(d->helper, &now);
	if (!now.active) {
		soj_audit_close(&d->audit);
		return;
	}
	rc = soj_audit_step(&d->audit, &d->store);
	if (rc < 0 && !d->audit.failing) {
		soj_complain("%s: %s", d->audit.path, strerror(-rc));
		soj_notify("STATUS=Cannot write to %s: %s", d->audit.path,
			   strerror(-rc));
	}
	d->audit.failing = rc < 0;
}

/* What there is by now. */
static void audit_rest(struct daemon *d)
{
	const uint64_t end = soj_event_next(&d->store.seg);

	do
		audit(d);
	while (d->audit.behind && d->audit.next < end);
}

/* True: a signal that means the end. */
static bool ended_by_signal(struct daemon *d)
{
	struct signalfd_siginfo info;

	while (read(d->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGHUP)
			return true;
		if (d->audit.path == NULL)
			soj_notify("STATUS=SIGHUP ignored: there is nothing to "
				   "read again");
		/* It was moved away: what comes goes to a new one. */
		audit_rest(d);
		soj_audit_close(&d->audit);
		audit(d);
		d->told = false;
	}
	return false;
}

/* True: nobody has the other end any more.  What is written there is nothing
 * to us. */
static bool ended_by_life(struct pollfd *life)
{
	uint8_t sink[64];

	if (life->revents & POLLIN)
		return read(life->fd, sink, sizeof(sink)) == 0;
	return life->revents != 0;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Says who does the work, and that both threads still go round. */
static void tell_manager(struct daemon *d)
{
	struct soj_helper_status now;

	soj_helper_status(d->helper, &now);
	if (!d->told || d->told_active != now.active) {
		soj_notify("STATUS=%s %s",
			   now.active ? "Serving"
				      : "Standing by, another helper serves",
			   d->what);
		d->told = true;
		d->told_active = now.active;
	}
	if (soj_notify_watchdog_ms() == 0 ||
	    now_ms() - d->watched_ms < soj_notify_watchdog_ms() / 4)
		return;
	/* A standby's expiry thread has nothing to go round for. */
	if (now.maintenance_rounds == d->watched.maintenance_rounds ||
	    (now.active && now.expiry_rounds == d->watched.expiry_rounds))
		return;
	soj_notify("WATCHDOG=1");
	d->watched = now;
	d->watched_ms = now_ms();
}

/* Its name was removed by hand, or by who cleans up behind a user: nobody new comes,
 * and nobody is left.  One that only stands by is not needed for who is. */
static bool is_abandoned(const struct daemon *d)
{
	const struct soj_seg *seg = &d->store.seg;
	struct soj_helper_status now;

	if (d->opts.name == NULL || soj_seg_is_named(seg, d->opts.name))
		return false;
	soj_helper_status(d->helper, &now);
	return !now.active || !soj_slot_any_of_others(seg, (uint32_t)getpid());
}

static const char *wait_for_end(struct daemon *d)
{
	struct pollfd fds[] = {
		{.fd = d->signal_fd, .events = POLLIN},
		{.fd = d->opts.life_fd, .events = POLLIN},
	};

	for (;;) {
		int rc = poll(fds, 2, d->audit.behind ? 0 : POLL_MS);

		if (rc < 0 && errno != EINTR)
			return "poll failed";
		if (rc > 0 && fds[0].revents && ended_by_signal(d))
			return "ended by a signal";
		if (rc > 0 && fds[1].revents && ended_by_life(&fds[1]))
			return "all processes are gone";
		if (soj_load_relaxed(&d->store.seg.hdr->destroyed))
			return "the segment was destroyed";
		if (is_abandoned(d))
			return "the segment was removed";
		audit(d);
		tell_manager(d);
	}
}

static int run(struct daemon *d)
{
	const char *why;
	int code = catch_signals(d);

	if (code == 0)
		code = attach(d);
	if (code == 0)
		code = open_audit(d);
	if (code == 0)
		code = start(d);
	if (code != 0) {
		if (d->ready_fd >= 0)
			soj_report_start(d->ready_fd, (uint8_t)code);
		return code;
	}
	if (d->ready_fd >= 0)
		soj_detach_from_parent(d->ready_fd);
	d->ready_fd = -1;
	soj_notify("READY=1");
	why = wait_for_end(d);
	soj_notify("STOPPING=1\nSTATUS=Stopping: %s", why);
	audit_rest(d);
	soj_helper_stop(d->helper);
	soj_audit_deinit(&d->audit);
	soj_seg_detach(&d->store.seg);
	return 0;
}

int main(int argc, char **argv)
{
	static struct daemon d = {
		.opts = {.fd = -1, .life_fd = -1},
		.ready_fd = -1,
		.audit = {.fd = -1},
	};

	if (getauxval(AT_SECURE) || !soj_open_stdio())
		return EX_NOPERM; /* set-uid: it has no business to be */
	options_parse(&d.opts, argc, argv);
	if (!is_open(d.opts.fd) || !is_open(d.opts.life_fd))
		return EX_USAGE;
	if (d.opts.name)
		snprintf(d.what, sizeof(d.what), "segment %s", d.opts.name);
	else
		snprintf(d.what, sizeof(d.what), "an anonymous segment");
	soj_close_others(d.opts.fd, d.opts.life_fd);
	soj_drop_privileges();
	if (d.opts.audit &&
	    soj_audit_init(&d.audit, d.opts.audit,
			   d.opts.name ? d.opts.name : "") < 0) {
		soj_complain("--audit %s: %m", d.opts.audit);
		return EX_OSERR;
	}
	/* Started by a library inside a service, it is not that service. */
	soj_notify_init(d.opts.foreground && d.opts.fd < 0);
	if (!d.opts.foreground) {
		d.ready_fd = soj_daemonize();
		if (d.ready_fd < 0) {
			soj_complain("cannot become a daemon: %m");
			return EX_OSERR;
		}
	}
	return run(&d);
}
