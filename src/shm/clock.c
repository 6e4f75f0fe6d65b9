/* SPDX-License-Identifier: MIT */

/*
 * Time of a segment: CLOCK_BOOTTIME, because it goes on during suspend and
 * nobody can set it.  Two things make the same reading mean another instant:
 * another boot, and another time namespace.
 *
 * Each read of a session asks for the time, and to ask the kernel's clock costs
 * more than finding the session: it waits for all loads that are under way.  So
 * where the kernel itself counts time by the processor's time-stamp counter, a
 * thread asks it a few times per millisecond, and the counter in between
 * (base/ticker.h).  What it gets is the same to the millisecond.
 *
 * Across suspend: a counter that goes on, or starts anew, says that the
 * millisecond is over.  One that stands still goes on from where it was when the
 * first processor wakes, and nothing runs here until all devices have woken as
 * well: more than the millisecond that was left.  Where a virtual machine is
 * stopped, its BOOTTIME stops with its counter.
 */

#include "shm/segment_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#ifdef __x86_64__
#include <x86intrin.h>
#endif

#include "shm/now.h"

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define OFFSETS_PATH "/proc/self/timens_offsets"
#define SOURCE_PATH                        \
	"/sys/devices/system/clocksource/" \
	"clocksource0/current_clocksource"

static int64_t boottime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

#ifdef __x86_64__
/* Does the kernel tell the time by it? */
static soj_half_t counter_tells_time;

static _Thread_local struct soj_ticker ticker;

struct soj_ticker *soj_seg_ticker_mine(void)
{
	return &ticker;
}

static int64_t ask_clock(void)
{
	uint64_t before = __rdtsc();
	int64_t ns = boottime_ns();

	if (soj_load_relaxed(&counter_tells_time))
		soj_ticker_set(&ticker, before, ns, __rdtsc());
	return ns / 1000000;
}

static int64_t boottime_ms(void)
{
	int64_t ms;

	return soj_ticker_knows(&ticker, __rdtsc(), &ms) ? ms : ask_clock();
}

static void look_at_source(void)
{
	char text[64];

	if (soj_seg_read_text(SOURCE_PATH, text, sizeof(text)) > 0 &&
	    strcmp(text, "tsc\n") == 0)
		soj_store_relaxed(&counter_tells_time, 1);
}
#else
struct soj_ticker *soj_seg_ticker_mine(void)
{
	return NULL;
}

static int64_t boottime_ms(void)
{
	return boottime_ns() / 1000000;
}

static void look_at_source(void)
{
}
#endif

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static int read_boot_id(uint8_t id[16], struct soj_seg_error *err)
{
	char text[64];
	unsigned digits = 0;
	int rc = soj_seg_read_text(BOOT_ID_PATH, text, sizeof(text));

	if (rc < 0)
		return soj_seg_fail_sys(err, rc, "cannot read " BOOT_ID_PATH);
	memset(id, 0, 16);
	for (const char *c = text; *c && *c != '\n' && digits < 32; c++) {
		int digit = hex_digit(*c);

		if (digit < 0)
			continue;
		id[digits / 2] |= (uint8_t)(digits % 2 ? digit : digit << 4);
		digits++;
	}
	if (digits != 32)
		return soj_seg_fail(err, -EIO,
				    BOOT_ID_PATH " does not hold a boot id");
	return 0;
}

/*
 * The offsets file speaks of the namespace of this process's children.  After
 * unshare(CLONE_NEWTIME) that is not the one it lives in, and there is no way
 * to ask for its own.
 */
static int check_own_namespace(struct soj_seg_error *err)
{
	struct stat own, children;

	if (stat("/proc/self/ns/time", &own) < 0 ||
	    stat("/proc/self/ns/time_for_children", &children) < 0)
		return 0; /* a kernel without time namespaces */
	if (own.st_dev == children.st_dev && own.st_ino == children.st_ino)
		return 0;
	return soj_seg_fail(err, -EXDEV,
			    "this process has left its time namespace for its "
			    "children only (unshare --time without --fork): "
			    "its clock cannot be compared with theirs");
}

/* The line "boottime SECONDS NANOSECONDS"; the seconds may be negative. */
static bool parse_offset(const char *text, int64_t *offset_ms)
{
	const char *line = strstr(text, "boottime");
	char *sec_end, *nsec_end;
	long long sec, nsec;

	if (!line)
		return false;
	line += strlen("boottime");
	sec = strtoll(line, &sec_end, 10);
	nsec = strtoll(sec_end, &nsec_end, 10);
	if (sec_end == line || nsec_end == sec_end || sec > INT64_MAX / 2000 ||
	    sec < INT64_MIN / 2000 || nsec < 0 || nsec > 999999999)
		return false;
	*offset_ms = (int64_t)sec * 1000 + nsec / 1000000;
	return true;
}

static int read_timens_offset(int64_t *offset_ms, struct soj_seg_error *err)
{
	char text[256];
	int rc = soj_seg_read_text(OFFSETS_PATH, text, sizeof(text));

	*offset_ms = 0;
	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return soj_seg_fail_sys(err, rc, "cannot read " OFFSETS_PATH);
	if (!parse_offset(text, offset_ms))
		return soj_seg_fail(err, -EIO,
				    OFFSETS_PATH " has no boottime line that "
						 "this version understands");
	return check_own_namespace(err);
}

int soj_clock_base_read(struct soj_clock_base *clock, struct soj_seg_error *err)
{
	int rc = read_boot_id(clock->boot_id, err);

	if (rc < 0)
		return rc;
	rc = read_timens_offset(&clock->timens_offset_ms, err);
	clock->boottime_ms = boottime_ns() / 1000000;
	look_at_source();
	return rc;
}

uint64_t soj_seg_now_ms(const struct soj_seg *seg)
{
	int64_t now_ms;

	if (seg->flags & SOJ_SHM_MANUAL_CLOCK)
		return soj_max(1, soj_load_relaxed(&seg->hdr->manual_now_ms));
	now_ms = boottime_ms() - seg->clock_base_ms;
	return now_ms < 1 ? 1 : (uint64_t)now_ms;
}
