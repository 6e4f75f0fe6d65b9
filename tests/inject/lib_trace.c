/* SPDX-License-Identifier: MIT */

#include "lib_trace.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define WINDOW     0x534f4a0 /* no option of prctl() */
#define TRACED_MAX 64u

/* What is going on in each traced thread. */
struct traced {
	pid_t tid; /* 0: free */
	bool failing;
};

static struct {
	struct trace *t;
	pid_t first;
	bool open;
	unsigned count;
	struct traced thread[TRACED_MAX];
} tracer;

void trace_window(bool open)
{
	prctl(WINDOW, open, 0, 0, 0);
}

/* Of calls that turn up here; clang-format would make a staircase of it. */
/* clang-format off */
#define CALLS(X)                                                             \
	X(access) X(brk) X(chdir) X(clone) X(clone3) X(close) X(close_range) \
	X(dup) X(dup2) X(dup3) X(execve) X(faccessat2) X(fallocate)          \
	X(fchmod) X(fchown) X(fcntl) X(flock) X(fork) X(fstat) X(fstatfs)    \
	X(fsync) X(ftruncate) X(getdents64) X(ioctl) X(kill) X(link)         \
	X(linkat) X(lseek) X(lstat) X(madvise) X(memfd_create) X(mkdir)      \
	X(mkdirat) X(mlock) X(mmap) X(mprotect) X(munmap) X(newfstatat)      \
	X(open) X(openat) X(pipe2) X(poll) X(ppoll) X(prctl) X(pread64)      \
	X(prlimit64) X(pwrite64) X(read) X(readlink) X(renameat2)            \
	X(rt_sigaction) X(setsid) X(signalfd4) X(stat) X(statfs) X(statx)    \
	X(sysinfo) X(unlink) X(unlinkat) X(vfork) X(wait4) X(write)
/* clang-format on */

static const struct {
	long call;
	const char *name;
} names[] = {
#define X(call) {SYS_##call, #call},
	CALLS(X)
#undef X
};

const char *trace_name(long call)
{
	static char number[32];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].call == call)
			return names[i].name;
	snprintf(number, sizeof(number), "call %ld", call);
	return number;
}

/* Those that cannot fail, or whose failure no program could handle. */
static bool cannot_fail(long call)
{
	static const long calls[] = {
		SYS_getpid,
		SYS_gettid,
		SYS_getppid,
		SYS_getuid,
		SYS_geteuid,
		SYS_getgid,
		SYS_getegid,
		SYS_umask,
		SYS_exit,
		SYS_exit_group,
		SYS_rt_sigreturn,
		SYS_getrandom,
		SYS_sched_yield,
		SYS_set_robust_list,
		SYS_set_tid_address,
		SYS_arch_prctl,
		SYS_rseq,
		SYS_restart_syscall,
		SYS_rt_sigprocmask,
		SYS_futex,
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i] == call)
			return true;
	return false;
}

static struct traced *thread_of(pid_t tid)
{
	struct traced *none = NULL;

	for (unsigned i = 0; i < TRACED_MAX; i++) {
		if (tracer.thread[i].tid == tid)
			return &tracer.thread[i];
		if (tracer.thread[i].tid == 0 && none == NULL)
			none = &tracer.thread[i];
	}
	if (none == NULL)
		abort();
	*none = (struct traced){.tid = tid};
	return none;
}

static void set_register(pid_t tid, size_t off, long value)
{
	ptrace(PTRACE_POKEUSER, tid, (void *)off, (void *)value);
}

static void fail_here(struct traced *th, long call)
{
	struct trace *t = tracer.t;

	t->hit = true;
	t->call = call;
	tracer.open = false;
	if (t->error == TRACE_KILL) {
		kill(th->tid, SIGKILL);
		return;
	}
	th->failing = true;
	if (call != SYS_close)
		set_register(th->tid, offsetof(struct user, regs.orig_rax), -1);
}

static void at_entry(struct traced *th,
		     const struct __ptrace_syscall_info *info)
{
	long call = (long)info->entry.nr;
	const uint64_t *args = info->entry.args;

	if (call == SYS_prctl && args[0] == WINDOW) {
		tracer.open = args[1];
		return;
	}
	/* The first thing that sojournd does and no C library before it. */
	if (tracer.t->follow && tracer.count == 0 && call == SYS_close_range)
		tracer.open = true;
	if (!tracer.open || cannot_fail(call))
		return;
	if (++tracer.count == tracer.t->nth)
		fail_here(th, call);
}

static void at_call(struct traced *th)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, th->tid, sizeof(info), &info) <= 0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		at_entry(th, &info);
	} else if (info.op == PTRACE_SYSCALL_INFO_EXIT && th->failing) {
		th->failing = false;
		set_register(th->tid, offsetof(struct user, regs.rax),
			     -tracer.t->error);
	}
}

/* A new thread is known as soon as the one that made it stops for that. */
static void meet(pid_t tid, int status)
{
	unsigned long made = 0;
	int event = status >> 16;

	if ((event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK ||
	     event == PTRACE_EVENT_CLONE) &&
	    ptrace(PTRACE_GETEVENTMSG, tid, NULL, &made) == 0)
		thread_of((pid_t)made);
}

/* What a stopped thread is to get when it goes on. */
static int judge_stop(struct traced *th, int status)
{
	int sig = WSTOPSIG(status);

	if (sig == (SIGTRAP | 0x80)) {
		at_call(th);
		return 0;
	}
	meet(th->tid, status);
	if (status >> 16 != 0 || sig == SIGTRAP || sig == SIGSTOP)
		return 0; /* an event, a new thread's first stop */
	return sig;
}

static void trace_loop(void)
{
	bool ended = false;

	while (!ended) {
		int status;
		pid_t tid = waitpid(-1, &status, __WALL);
		struct traced *th;

		if (tid < 0 && errno == EINTR)
			continue;
		if (tid < 0)
			return;
		th = thread_of(tid);
		if (WIFSTOPPED(status)) {
			int sig = judge_stop(th, status);

			ptrace(PTRACE_SYSCALL, tid, NULL, (void *)(long)sig);
			continue;
		}
		th->tid = 0;
		if (tid == tracer.first) {
			tracer.t->status = status;
			ended = true;
		}
	}
}

static bool any_traced(void)
{
	for (unsigned i = 0; i < TRACED_MAX; i++)
		if (tracer.thread[i].tid != 0)
			return true;
	return false;
}

/* What still lives is stopped once and goes on by itself.  Whoever comes first
 * is waited for: a dead process shows its end after all of its threads. */
static void let_go(void)
{
	for (unsigned i = 0; i < TRACED_MAX; i++)
		if (tracer.thread[i].tid != 0)
			ptrace(PTRACE_INTERRUPT, tracer.thread[i].tid, NULL,
			       NULL);
	while (any_traced()) {
		int status;
		pid_t tid = waitpid(-1, &status, __WALL);

		if (tid < 0 && errno == EINTR)
			continue;
		if (tid < 0)
			return;
		if (WIFSTOPPED(status)) {
			meet(tid, status);
			ptrace(PTRACE_DETACH, tid, NULL, NULL);
		}
		thread_of(tid)->tid = 0;
	}
}

void trace_run(struct trace *t, int (*fn)(void *arg), void *arg)
{
	long options =
		PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC;
	pid_t pid;
	int status;

	if (t->follow)
		options |= PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
			   PTRACE_O_TRACECLONE;
	t->hit = false;
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		abort();
	if (pid == 0) {
		raise(SIGSTOP);
		_exit(fn(arg));
	}
	if (waitpid(pid, &status, WUNTRACED) != pid ||
	    ptrace(PTRACE_SEIZE, pid, NULL, (void *)options) < 0) {
		perror("ptrace");
		kill(pid, SIGKILL);
		exit(77);
	}
	memset(&tracer, 0, sizeof(tracer));
	tracer.t = t;
	tracer.first = pid;
	/* From the group stop to one that can be gone on from. */
	kill(pid, SIGCONT);
	ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
	trace_loop();
	let_go();
}
