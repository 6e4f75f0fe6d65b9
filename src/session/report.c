/* SPDX-License-Identifier: MIT */

/* Reasons and texts of the calling thread's last call. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "session/handle.h"

static _Thread_local char last_text[sizeof(((struct soj_said *)0)->text)];

static const char *const reason_names[] = {
	[SOJOURN_OK] = "ok",
	[SOJOURN_NOT_FOUND] = "not_found",
	[SOJOURN_EXPIRED] = "expired",
	[SOJOURN_IDLE] = "idle",
	[SOJOURN_DELETED] = "deleted",
	[SOJOURN_RENEWED] = "renewed",
	[SOJOURN_EVICTED] = "evicted",
	[SOJOURN_SUPERSEDED] = "superseded",
	[SOJOURN_STALE] = "stale",
	[SOJOURN_FULL] = "full",
	[SOJOURN_BUSY] = "busy",
	[SOJOURN_TOO_LARGE] = "too_large",
	[SOJOURN_NO_SLOT] = "no_slot",
	[SOJOURN_INVALID] = "invalid",
	[SOJOURN_READ_ONLY] = "read_only",
	[SOJOURN_CORRUPT] = "corrupt",
	[SOJOURN_FORKED] = "forked",
	[SOJOURN_SYSTEM] = "system",
	[SOJOURN_BINDING] = "binding",
	[SOJOURN_VETOED] = "vetoed",
	[SOJOURN_OVER_CAP] = "over_cap",
	[SOJOURN_INVALID_DATA] = "invalid_data",
	[SOJOURN_LOCKED] = "locked",
	[SOJOURN_TIMED_OUT] = "timed_out",
	[SOJOURN_REUSED] = "reused",
	[SOJOURN_EXISTS] = "exists",
	[SOJOURN_REFUSED] = "refused",
};

const char *sojourn_reason_name(enum sojourn_reason reason)
{
	if ((size_t)reason < sizeof(reason_names) / sizeof(reason_names[0]))
		return reason_names[reason];
	return "unknown";
}

enum sojourn_reason sojourn_reason(void)
{
	return soj_last.said.reason;
}

const char *sojourn_error_text(void)
{
	return soj_last.said.text ? soj_last.said.text : "";
}

/* text: for good, or last_text. */
static int say(int rc, enum sojourn_reason reason, const char *text)
{
	soj_last.said.reason = reason;
	soj_last.said.text = text;
	return rc;
}

void soj_say_keep(struct soj_said *said)
{
	said->reason = soj_last.said.reason;
	snprintf(said->text, sizeof(said->text), "%s", sojourn_error_text());
}

void soj_say_again(const struct soj_said *said)
{
	memcpy(last_text, said->text, sizeof(last_text));
	say(0, said->reason, last_text);
}

int soj_report(int rc, enum sojourn_reason reason, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(last_text, sizeof(last_text), format, args);
	va_end(args);
	return say(rc, reason, last_text);
}

/* What errno values mean in this library. */
static const struct {
	int error;
	enum sojourn_reason reason;
	const char *text;
} errors[] = {
	{ENOENT, SOJOURN_NOT_FOUND, "no such session or segment"},
	{EEXIST, SOJOURN_INVALID, "the name or id is taken"},
	{ENOSPC, SOJOURN_FULL,
	 "the segment is full: no entry or no memory for the value left"},
	{EAGAIN, SOJOURN_NO_SLOT,
	 "all thread slots are taken: create the segment with more "
	 "threads_max"},
	{EDEADLK, SOJOURN_LOCKED, "this thread holds the session's lock"},
	{ETIMEDOUT, SOJOURN_TIMED_OUT,
	 "another thread held the lock for all the time given"},
	{ENOLCK, SOJOURN_INVALID, "a thread can hold 32 locks at a time"},
	{EBUSY, SOJOURN_BUSY, "lost too many races in a row: try again"},
	{EROFS, SOJOURN_READ_ONLY, "the segment is attached read-only"},
	{ECANCELED, SOJOURN_FORKED,
	 "a fork happened inside the call, and this is the child"},
	{EBADMSG, SOJOURN_CORRUPT, "the segment is damaged: run sojourn fsck"},
	{ESTALE, SOJOURN_STALE, "the data no longer has the version expected"},
	{EMSGSIZE, SOJOURN_TOO_LARGE,
	 "value, subject or metadata is over its limit"},
	{ENOBUFS, SOJOURN_TOO_LARGE,
	 "the session's data does not fit the buffer given"},
	{EINVAL, SOJOURN_INVALID, "an argument is out of range"},
	{ENOMEM, SOJOURN_SYSTEM, "this process is out of memory"},
	{EPROTO, SOJOURN_INVALID, "made by another version of the library"},
	{EXDEV, SOJOURN_INVALID, "made in another time namespace"},
	{EKEYREJECTED, SOJOURN_INVALID,
	 "the key file is not the one the segment was made with"},
	{ESHUTDOWN, SOJOURN_INVALID, "the segment was destroyed"},
	{EACCES, SOJOURN_SYSTEM, "permission denied"},
	{EUSERS, SOJOURN_OVER_CAP,
	 "the subject has as many sessions as it may"},
	{EPERM, SOJOURN_BINDING,
	 "the session is refused to who uses it this way"},
	{EILSEQ, SOJOURN_INVALID_DATA,
	 "the collection's validator refused the data"},
};

const char *sojourn_strerror(int error)
{
	int positive = error < 0 ? -error : error;

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].error == positive)
			return errors[i].text;
	return strerrordesc_np(positive) ? strerrordesc_np(positive)
					 : "unknown error";
}

int soj_report_errno(int rc)
{
	enum sojourn_reason reason = SOJOURN_SYSTEM;

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].error == -rc)
			reason = errors[i].reason;
	return say(rc, reason, sojourn_strerror(rc));
}

int soj_report_ended(enum soj_status status)
{
	switch (status) {
	case SOJ_ENDED_EXPIRED:
		return say(-ENOENT, SOJOURN_EXPIRED,
			   "the session is past its lifetime");
	case SOJ_ENDED_IDLE:
		return say(-ENOENT, SOJOURN_IDLE,
			   "the session was idle for too long");
	case SOJ_ENDED_GRACE:
		return say(-ENOENT, SOJOURN_RENEWED,
			   "the session was renewed, and the grace "
			   "window of its old id is over");
	case SOJ_ENDED_EVICTED:
		return say(-ENOENT, SOJOURN_EVICTED,
			   "the session was evicted for lack of memory");
	case SOJ_ENDED_DELETED:
	case SOJ_ENDED_SUBJECT:
	case SOJ_ENDED_CAP:
	case SOJ_ENDED_EXCLUSIVE:
	case SOJ_ENDED_CLEARED:
		return say(-ENOENT, SOJOURN_DELETED, "the session was ended");
	case SOJ_ENDED_REUSED:
		return say(-ENOENT, SOJOURN_REUSED,
			   "the token's family was ended, because one "
			   "of its used tokens was used again");
	case SOJ_ENDED_DAMAGED:
		return say(-ENOENT, SOJOURN_CORRUPT,
			   "the session was dropped, because its value "
			   "does not open");
	default:
		return say(-ENOENT, SOJOURN_NOT_FOUND, "no such session");
	}
}
