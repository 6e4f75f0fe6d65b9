/* SPDX-License-Identifier: MIT */

/*
 * The log of a record, per change:
 *   step, address of the instruction, marks, n, then n times {word, value}
 */

#include "images/lib_step.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#if !defined(__x86_64__)
#error "single steps by the trap flag of x86-64"
#endif

#define LOG_WORDS   (UINT64_C(1) << 21)
#define PAGE_BYTES  4096u
#define TRAP_FLAG   0x100
#define CPU_SECONDS 120u
/* That no victim can have. */
#define INIT_TID 1u

/* Of the process that is recorded. */
static struct {
	struct record *rec;
	uint8_t *seg;
	uint8_t *shadow; /* the bytes after the last step */
	struct robust_list_head *robust;
	enum step_how how;
	uint64_t kill_at, marks;
	uintptr_t fault; /* address that the instruction stores to; 0: none */
	uint64_t rip;    /* of the instruction that is executed */
	volatile bool on;
} self;

static void *shared(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		abort();
	}
	return p;
}

struct record *record_new(size_t segment_bytes)
{
	struct record *rec = shared(sizeof(*rec));

	rec->bytes = segment_bytes;
	rec->log = shared(LOG_WORDS * 8);
	rec->base = shared(segment_bytes);
	return rec;
}

void record_free(struct record *rec)
{
	munmap(rec->log, LOG_WORDS * 8);
	munmap(rec->base, rec->bytes);
	munmap(rec, sizeof(*rec));
}

/* ---- what the kernel would do ---- */

static uint32_t *life_word(uint8_t *segment, size_t slots_off, unsigned slot)
{
	return (uint32_t *)(void *)(segment + slots_off +
				    slot * sizeof(struct soj_shm_slot) +
				    offsetof(struct soj_shm_slot, life));
}

/* handle_futex_death() of one list entry: which slot it marks. */
static uint64_t death_of(const void *entry, long offset)
{
	uintptr_t word = ((uintptr_t)entry & ~(uintptr_t)1) + (uintptr_t)offset;
	uintptr_t begin =
		(uintptr_t)life_word(self.seg, self.rec->slots_off, 0);
	uint64_t slot = (word - begin) / sizeof(struct soj_shm_slot);
	uint32_t value;

	if (word < begin || slot >= self.rec->slots ||
	    (word - begin) % sizeof(struct soj_shm_slot) != 0)
		return 0;
	memcpy(&value, (const void *)word, 4);
	return (value & FUTEX_TID_MASK) == self.rec->tid ? UINT64_C(1) << slot
							 : 0;
}

/* exit_robust_list(), of the thread as it is now. */
static uint64_t marks_now(void)
{
	const struct robust_list_head *head = self.robust;
	const void *pending = head->list_op_pending;
	const struct robust_list *at = head->list.next;
	uint64_t marks = 0;

	for (unsigned i = 0; at != &head->list && i < 2048; i++) {
		const struct robust_list *entry =
			(const void *)((uintptr_t)at & ~UINT64_C(1));

		if (entry != pending)
			marks |= death_of(entry, head->futex_offset);
		at = entry->next;
	}
	if (pending)
		marks |= death_of(pending, head->futex_offset);
	return marks;
}

/* ---- single steps ---- */

static void protect(int prot)
{
	if (mprotect(self.seg, self.rec->bytes, prot) != 0)
		abort();
}

/* Words of a page that differ from the shadow go to the log. */
static uint64_t compare_page(size_t off, uint64_t *out)
{
	const uint64_t *now = (const void *)(self.seg + off);
	uint64_t *old = (void *)(self.shadow + off);
	uint64_t n = 0;

	if (memcmp(now, old, PAGE_BYTES) == 0)
		return 0;
	for (unsigned i = 0; i < PAGE_BYTES / 8; i++)
		if (now[i] != old[i]) {
			old[i] = now[i];
			out[2 * n] = off / 8 + i;
			out[2 * n + 1] = now[i];
			n++;
		}
	return n;
}

/* After an instruction: has the image become another one? */
static void look(void)
{
	struct record *rec = self.rec;
	uint64_t *out = rec->log + rec->used, n = 0;
	uint64_t marks = marks_now();

	/* Room for all that two pages can hold. */
	if (rec->used + 4 + 4 * (PAGE_BYTES / 8) > LOG_WORDS) {
		rec->overflow = true;
		_exit(1);
	}
	if (self.fault) {
		size_t off = self.fault - (uintptr_t)self.seg;
		size_t page = off & ~(size_t)(PAGE_BYTES - 1);

		/* A store may reach into the page behind. */
		n = compare_page(page, out + 4);
		if (off - page > PAGE_BYTES - 64 &&
		    page + PAGE_BYTES < rec->bytes)
			n += compare_page(page + PAGE_BYTES, out + 4 + 2 * n);
		protect(PROT_READ);
		self.fault = 0;
	}
	if (n == 0 && marks == self.marks)
		return;
	self.marks = marks;
	out[0] = rec->steps;
	out[1] = self.rip;
	out[2] = marks;
	out[3] = n;
	rec->used += 4 + 2 * n;
	rec->changes++;
	if (rec->changes == self.kill_at) {
		/* The kernel has to write its marks. */
		protect(PROT_READ | PROT_WRITE);
		kill(getpid(), SIGKILL);
	}
}

static void on_trap(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	int saved = errno;

	(void)sig;
	(void)info;
	self.rec->steps++;
	if (self.on)
		look();
	self.rip = (uint64_t)regs[REG_RIP];
	if (self.how == BY_STORE || !self.on)
		regs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
	errno = saved;
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	uintptr_t at = (uintptr_t)info->si_addr;
	int saved = errno;

	if (!self.on || at < (uintptr_t)self.seg ||
	    at >= (uintptr_t)self.seg + self.rec->bytes) {
		signal(sig, SIG_DFL); /* and once more: a real one */
		return;
	}
	/* The second page of one store faults on its own. */
	if (self.fault == 0)
		self.fault = at;
	self.rip = (uint64_t)regs[REG_RIP];
	protect(PROT_READ | PROT_WRITE);
	regs[REG_EFL] |= TRAP_FLAG;
	errno = saved;
}

static void handle(int sig, void (*fn)(int, siginfo_t *, void *))
{
	struct sigaction act = {.sa_sigaction = fn, .sa_flags = SA_SIGINFO};

	sigaction(sig, &act, NULL);
}

static void trap_flag_on(void)
{
	__asm__ volatile("sub $128, %%rsp; pushfq; orq $0x100, (%%rsp);"
			 "popfq; add $128, %%rsp" ::
				 : "memory", "cc");
}

/* The thread's own memory, upkeep's twice: to zero its 160 KiB is as many
 * steps, none of which can touch the segment. */
static void make_private(struct world *w)
{
	struct soj_self *own = soj_self(w->s);

	if (own == NULL)
		return;
	own->up = calloc(1, sizeof(*own->up));
	if (own->up)
		(void)soj_upkeep_init(own->up, &w->s->st, &own->w);
	if (!w->up_ready)
		w->up_ready = soj_upkeep_init(&w->up, &w->s->st, &own->w) == 0;
}

/* In the child. */
static void be_recorded(struct record *rec, struct world *w,
			const struct recording *what)
{
	const struct rlimit cpu = {CPU_SECONDS, CPU_SECONDS + 10};
	const struct soj_seg *seg = &w->s->st.seg;
	size_t robust_bytes;

	setrlimit(RLIMIT_CPU, &cpu);
	seed_random(what->seed);
	make_private(w);
	if (what->warm)
		what->warm(w);
	self.rec = rec;
	self.seg = seg->base;
	rec->slots_off = seg->lay.slots_off;
	rec->slots = seg->lay.slots_max;
	self.how = what->how;
	self.kill_at = what->kill_at;
	self.shadow = mmap(NULL, rec->bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	rec->tid = (uint32_t)gettid();
	if (self.shadow == MAP_FAILED || rec->slots > 64 ||
	    syscall(SYS_get_robust_list, 0, &self.robust, &robust_bytes) != 0)
		abort();
	memcpy(self.shadow, self.seg, rec->bytes);
	memcpy(rec->base, self.seg, rec->bytes);
	rec->base_marks = self.marks = marks_now();
	handle(SIGTRAP, on_trap);
	handle(SIGSEGV, on_fault);
	protect(PROT_READ);
	self.on = true;
	if (what->how == BY_INSTRUCTION)
		trap_flag_on();
	what->run(w, &rec->report);
	self.on = false;
	rec->finished = true;
	if (what->keep)
		raise(SIGSTOP);
	_exit(0);
}

pid_t record_run(struct record *rec, struct world *w,
		 const struct recording *what)
{
	int status, want = what->kill_at ? SIGKILL : 0;
	pid_t pid;

	rec->steps = rec->changes = rec->used = 0;
	rec->overflow = rec->finished = false;
	memset(&rec->report, 0, sizeof(rec->report));
	pid = fork();
	if (pid == 0)
		be_recorded(rec, w, what);
	while (pid < 0 || waitpid(pid, &status, WUNTRACED) < 0)
		if (pid < 0 || errno != EINTR) {
			perror("fork");
			abort();
		}
	rec->report.finished = rec->finished;
	if (rec->overflow)
		failed("the log is too small");
	else if (WIFSTOPPED(status) && rec->finished)
		return pid;
	else if (WIFSIGNALED(status) && WTERMSIG(status) == want && want)
		return pid;
	else if (WIFEXITED(status) && rec->finished && !want)
		return pid;
	else
		failed("the victim ended with status 0x%x after %u steps",
		       status, (unsigned)rec->steps);
	return -1;
}

/* ---- images ---- */

static uint32_t but_for(uint32_t half, uint32_t tid)
{
	return (half & FUTEX_TID_MASK) == tid
		       ? (half & ~FUTEX_TID_MASK) | INIT_TID
		       : half;
}

/* Each run is another thread's, whose number is in its slot.  Of the dead it
 * says nothing but that: images that differ in it alone are one. */
static uint64_t but_for_tid(const struct record *rec, uint64_t idx,
			    uint64_t value)
{
	const uint64_t from = idx * 8 - rec->slots_off;
	const uint64_t at = from % sizeof(struct soj_shm_slot);

	if (idx * 8 < rec->slots_off ||
	    from >= rec->slots * sizeof(struct soj_shm_slot))
		return value;
	if (at == offsetof(struct soj_shm_slot, claim))
		return soj_claim_tid(value) == rec->tid
			       ? soj_claim(soj_claim_phase(value),
					   soj_claim_gen(value),
					   soj_claim_pidns(value), INIT_TID)
			       : value;
	if (at < offsetof(struct soj_shm_slot, life) ||
	    at > offsetof(struct soj_shm_slot, pid))
		return value;
	return but_for((uint32_t)value, rec->tid) |
	       (uint64_t)but_for((uint32_t)(value >> 32), rec->tid) << 32;
}

static uint64_t word_hash(const struct record *rec, uint64_t idx,
			  uint64_t value)
{
	value = but_for_tid(rec, idx, value);
	return value ? mix(idx, value) : 0;
}

void cursor_init(struct cursor *c, const struct record *rec)
{
	const uint64_t *words = (const void *)rec->base;

	memset(c, 0, sizeof(*c));
	c->rec = rec;
	c->at = rec->log;
	c->marks = rec->base_marks;
	c->image = malloc(rec->bytes);
	if (!c->image)
		abort();
	memcpy(c->image, rec->base, rec->bytes);
	for (size_t i = 0; i < rec->bytes / 8; i++)
		c->hash += word_hash(rec, i, words[i]);
}

void cursor_deinit(struct cursor *c)
{
	free(c->image);
}

bool cursor_next(struct cursor *c)
{
	uint64_t *words = (void *)c->image, n;

	if (c->nth == c->rec->changes)
		return false;
	c->nth++;
	c->step = c->at[0];
	c->rip = c->at[1];
	c->marks = c->at[2];
	n = c->at[3];
	for (c->at += 4; n > 0; n--, c->at += 2) {
		uint64_t *word = &words[c->at[0]];

		c->hash -= word_hash(c->rec, c->at[0], *word);
		c->hash += word_hash(c->rec, c->at[0], c->at[1]);
		*word = c->at[1];
	}
	return true;
}

static void mark(struct world *w, unsigned slot)
{
	uint32_t *word =
		life_word(w->s->st.seg.base, w->s->st.seg.lay.slots_off, slot);

	*word = (*word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
}

void cursor_put(const struct cursor *c, struct world *w, bool dead)
{
	memcpy(w->s->st.seg.base, c->image, c->rec->bytes);
	for (unsigned i = 0; dead && i < w->s->st.seg.lay.slots_max; i++)
		if (c->marks >> i & 1)
			mark(w, i);
}

void mark_dead(struct world *w, uint32_t tid)
{
	const struct soj_seg *seg = &w->s->st.seg;

	for (unsigned i = 0; i < seg->lay.slots_max; i++)
		if ((*life_word(seg->base, seg->lay.slots_off, i) &
		     FUTEX_TID_MASK) == tid)
			mark(w, i);
}
