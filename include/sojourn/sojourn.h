/* SPDX-License-Identifier: MIT */
#ifndef SOJOURN_SOJOURN_H
#define SOJOURN_SOJOURN_H

/*
 * Sojourn: login sessions shared by the processes of one host.
 *
 * Caveats first
 *  - The segment lives in memory.  A reboot ends every session.
 *  - All processes that attach are in one trust domain: whoever can write the
 *    segment can end, forge or read sessions.  Ids are never stored in it.
 *  - Limits: 67,108,862 entries, 16 GiB of values, 4,094 threads, values of
 *    0 to 1,048,576 bytes, subjects of 1 to 255 bytes.
 *  - A forked child may use the parent's handle; a thread of it gets a thread
 *    slot of its own on first use.  Detach before exec is not needed.
 *    A signal handler that forks while the library is on the stack must not
 *    return into it in the child: the child may exec or _exit.
 *
 * Conventions
 *  - Functions return 0 (or a count) or a negative errno value.
 *    sojourn_reason() tells apart what an errno cannot, sojourn_error_text()
 *    says it in words; both speak of the calling thread's last call.
 *  - Any thread of any attached process may call anything at any time, but for
 *    sojourn_detach(), which must be the handle's last call in the process.
 *  - No call but those of lock.h waits for another process.  Reads take no
 *    lock and store nothing in the segment, but for a touch that is due and
 *    the end of what expired.
 *  - Times are milliseconds of a clock that starts with the segment, counts
 *    suspend (CLOCK_BOOTTIME) and cannot be stepped.  Durations are in ms too.
 *  - Strings and buffers belong to the caller; nothing is kept after a call.
 *
 * Errors that every function may return: -EINVAL (an argument is out of its
 * stated range), -ECANCELED (a fork happened inside the call and this is the
 * child: nothing was done), -EBUSY (thousands of lost races in a row), -ENOMEM
 * (of the process itself), -EBADMSG (the segment is corrupt there).  Those that
 * change something also: -EROFS (attached read-only), -EAGAIN (living threads
 * have all threads_max thread slots; a dead one's is taken over).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sojourn/export.h>
#include <sojourn/version.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sojourn; /* an attached segment */

#define SOJOURN_ID_CHARS_MAX         64u /* base64url of at most 48 bytes */
#define SOJOURN_HANDLE_CHARS         24u /* hexadecimal */
#define SOJOURN_LOG_HASH_CHARS       16u /* hexadecimal */
#define SOJOURN_SUBJECT_BYTES_MAX    255u
#define SOJOURN_COLLECTION_CHARS_MAX 31u
#define SOJOURN_DATA_BYTES_MAX       1048576u
/* All strings together, 3 bytes for each of them included. */
#define SOJOURN_METADATA_BYTES_MAX 2048u
#define SOJOURN_OFF                UINT64_MAX /* "none" where 0 is "default" */

/* Why a call did not do what was asked, or what it found. */
enum sojourn_reason {
	SOJOURN_OK = 0,
	SOJOURN_NOT_FOUND,  /* no such id, or long gone */
	SOJOURN_EXPIRED,    /* past its ttl or maximum lifetime */
	SOJOURN_IDLE,       /* past its idle timeout */
	SOJOURN_DELETED,    /* ended by a caller */
	SOJOURN_RENEWED,    /* replaced by a new id, grace window over */
	SOJOURN_EVICTED,    /* ended by memory pressure */
	SOJOURN_SUPERSEDED, /* ended while it was being created */
	SOJOURN_STALE,      /* not the expected version */
	SOJOURN_FULL,       /* no entry or no memory left */
	SOJOURN_BUSY,       /* lost too many races */
	SOJOURN_TOO_LARGE,  /* value, subject or metadata over its limit */
	SOJOURN_NO_SLOT,    /* threads_max threads are attached */
	SOJOURN_INVALID,    /* an argument is out of range */
	SOJOURN_READ_ONLY,
	SOJOURN_CORRUPT,
	SOJOURN_FORKED,
	SOJOURN_SYSTEM,       /* an operating system call failed */
	SOJOURN_BINDING,      /* used from another device, ip or user agent */
	SOJOURN_VETOED,       /* refused by the read hook */
	SOJOURN_OVER_CAP,     /* the subject has as many as it may */
	SOJOURN_INVALID_DATA, /* refused by the collection's validator */
	SOJOURN_LOCKED,       /* another holds the session's lock */
	SOJOURN_TIMED_OUT,    /* waited for as long as was asked for */
	SOJOURN_REUSED,  /* a token that was rotated away: its family ended */
	SOJOURN_EXISTS,  /* the key is taken */
	SOJOURN_REFUSED, /* an access token breaks a rule: token.h has which */
};

/* A short lower-case name such as "not_found"; static. */
SOJOURN_API const char *sojourn_reason_name(enum sojourn_reason reason);
/* What the calling thread's last call found. */
SOJOURN_API enum sojourn_reason sojourn_reason(void);
/* The same in words: names what, the value and the rule.  Valid until the
 * thread's next call; never contains a session id or a value. */
SOJOURN_API const char *sojourn_error_text(void);
/* A static text for a negative errno as this library uses it. */
SOJOURN_API const char *sojourn_strerror(int error);

/* ---- segments ---- */

enum sojourn_when_full {
	SOJOURN_WHEN_FULL_REJECT = 0, /* -ENOSPC, nothing else is touched */
	SOJOURN_WHEN_FULL_EVICT =
		1, /* expired first, then least recently used */
};

enum sojourn_helper {
	SOJOURN_HELPER_SPAWN = 0,    /* sojourn_create() starts sojournd */
	SOJOURN_HELPER_EXTERNAL = 1, /* a service manager does */
	SOJOURN_HELPER_NONE = 2, /* workers do its work when short of memory */
};

/* What happens to a login over the limit of its subject. */
enum sojourn_when_over {
	SOJOURN_WHEN_OVER_REJECT = 0,       /* -EUSERS, nothing else happens */
	SOJOURN_WHEN_OVER_EVICT_OLDEST = 1, /* the oldest logins end */
	SOJOURN_WHEN_OVER_EXCLUSIVE = 2,    /* all others end */
};

/* What happens when a session is used from elsewhere than where it began. */
enum sojourn_binding {
	SOJOURN_BINDING_IGNORE = 0,
	SOJOURN_BINDING_REPORT = 1, /* info->mismatch and an event */
	SOJOURN_BINDING_REJECT = 2, /* and -EPERM */
	SOJOURN_BINDING_DELETE = 3, /* and the session ends */
};

/*
 * The rules of a collection.  A segment has these, which `collections` of the
 * options may name to change them: "session" (logins; its rules are those of
 * the options themselves), "remember-me" and "refresh" (ttl 30 days, grace
 * window 10 s), "csrf" (1 hour), "revoked" (1 day, kept), "verified" (5
 * minutes, quiet), "flight" (1 hour, quiet, kept); and up to 57 more of the
 * creator's.
 * Call sojourn_collection_init() first.
 */
struct sojourn_collection {
	const char *name; /* 1 to 31 letters, digits, '.', '_', '-' */
	uint64_t ttl_ms;  /* as in struct sojourn_options, from here ... */
	uint64_t idle_timeout_ms;
	uint64_t renewal_ms;
	uint64_t grace_window_ms;
	uint64_t redelivery_ms;
	uint64_t max_lifetime_ms;
	uint32_t per_subject_max;
	enum sojourn_when_over when_over;
	enum sojourn_binding device;
	enum sojourn_binding ip;
	enum sojourn_binding user_agent;
	uint32_t ip4_prefix_bits;
	uint32_t ip6_prefix_bits;
	bool sliding;       /* ... to here */
	bool quiet;         /* no events of its entries */
	bool update_events; /* events of changed data as well */
	bool keep;          /* never evicted for memory; "revoked" must be */
};

/*
 * Fills in the name, which must stay until the segment was created, and the
 * rules: of one that every segment has those above, of any other name a ttl of
 * 1 hour and nothing else.  Never fails; sojourn_create() checks the name.
 */
SOJOURN_API void sojourn_collection_init(struct sojourn_collection *c,
					 const char *name);

/*
 * Are values sealed in the segment?  Then subjects, metadata and data can be
 * read and changed only by who has the key: not from a core dump, swap or a
 * copy of the segment.  Deadlines, digests, lengths and versions are not
 * sealed.  Costs 48 bytes a value, and about 0.2 us for 256 bytes at each read
 * and write.  A value that does not open any more is dropped: -ENOENT, reason
 * SOJOURN_CORRUPT.
 */
enum sojourn_seal {
	SOJOURN_SEAL_OFF = 0,
	SOJOURN_SEAL_ON = 1,        /* whichever is faster on this processor */
	SOJOURN_SEAL_AES256GCM = 2, /* -ENOTSUP on one that cannot do it */
	SOJOURN_SEAL_XCHACHA20 = 3, /* XChaCha20-Poly1305, on any */
};

/*
 * Pages of 2 MiB, where the kernel can (Linux 6.1) and has memory in such
 * pieces; where not, the segment is in pages of 4 KiB, and nothing is said.
 * They take no more memory, and creation is not slower: the rate of reads of
 * what no cache holds is higher by a fifth and more.
 */
enum sojourn_huge {
	/* From 32 MiB on, and as many as a second of processor time gives. */
	SOJOURN_HUGE_AUTO = 0,
	SOJOURN_HUGE_ON = 1, /* as many as there are */
	SOJOURN_HUGE_OFF = 2,
};

/* Call sojourn_options_init() first, then change what differs. */
struct sojourn_options {
	uint32_t entries_max;   /* sessions at a time; default 100,000 */
	uint64_t segment_bytes; /* all included; default 256 MiB */
	uint32_t threads_max; /* attached threads; 1 to 4,094, default 1,024 */
	uint64_t ttl_ms; /* from creation; default 30 min, 1 ms to 10 years */
	uint64_t idle_timeout_ms; /* from last use; 0 = none (default); < ttl;
				     at most 49 days */
	uint64_t renewal_ms; /* age at which a read renews; 0 = never (default);
				     < ttl */
	uint64_t
		grace_window_ms; /* how long a renewed id still answers; default
				     5 s; 0 = not at all; < ttl */
	uint64_t redelivery_ms;  /* how long after the grace window the old id
				   is still answered with the new one, though
				   not with data; default 60 s, as browsers give
				   up on an answer by then; 0 = not at all, nor
				   when grace_window_ms is 0; at most 49 days */
	uint64_t
		max_lifetime_ms; /* from the first ancestor; 0 = none (default);
				     >= ttl, at most 10 years */
	uint32_t per_subject_max; /* logins of one subject at a time; 0 = any
				     number (default) */
	enum sojourn_when_over when_over; /* default reject; all but that want
					     a per_subject_max */
	enum sojourn_binding device;      /* default ignore, as the next two */
	enum sojourn_binding ip;
	enum sojourn_binding user_agent;
	uint32_t ip4_prefix_bits; /* that must agree; 1 to 32 (default) */
	uint32_t ip6_prefix_bits; /* 1 to 128 (default) */
	const struct sojourn_collection *collections;
	uint32_t collections_count;
	uint32_t events_max; /* the stream keeps so many; 0 = none, else a
				power of two from 64 to 16,777,216; default
				4,096, 64 bytes each */
	bool update_events;  /* events of changed data as well */
	uint64_t lease_ms;   /* after which another worker may retry a renewal;
				     default 2 s; 256 ms to 1 h */
	uint64_t expel_after_ms; /* a section open for longer is expelled;
				     default 50 ms; 1 ms to 1 h */
	enum sojourn_when_full when_full; /* default reject */
	uint32_t id_bytes; /* random bytes of an id; 16 to 48, default 24 */
	bool sliding;      /* ttl counts from last use instead */
	bool manual_clock; /* for tests: sojourn_clock_advance() */
	const char *group; /* name: segment 0660, key file 0640; NULL: 0600 */
	const char *key_file; /* NULL: /var/lib/sojourn/NAME.key for root, else
				     $XDG_STATE_HOME/sojourn/NAME.key */
	enum sojourn_seal seal; /* default off */
	enum sojourn_huge huge; /* default auto; sojourn_stat() says how many
				   there are */
	enum sojourn_helper helper; /* default spawn: threads_max >= 3 */
	const char
		*helper_path; /* NULL: SOJOURN_HELPER_PATH, beside the running
				     program, as installed, then PATH */
};

/* Sets the defaults named above, and everything else to 0.  Never fails. */
SOJOURN_API void sojourn_options_init(struct sojourn_options *options);

/*
 * Sets the lifetimes, bindings, cap and length of ids to what a policy asks
 * for: "owasp-low", "owasp-high", "nist-aal1", "nist-aal2", "nist-aal3"; the
 * README says which of its requirements are kept where.  What is changed
 * afterwards is the caller's.  0 or -EINVAL.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_options_preset(struct sojourn_options *options, const char *name);

/*
 * Creates a segment and attaches it.
 *
 * name: letters, digits, '.', '_', '-', at most 200, not beginning with a dot
 * or a dash; the shared-memory object is "/sojourn.NAME".  NULL: an anonymous
 * segment for this process and the children it forks.
 * All memory is reserved now: too little is an error here, never a signal
 * later.  Blocking: writes the whole segment once (about 0.3 s per GiB).
 *
 * 0, or -EINVAL (the text names option, value and rule), -EEXIST (name taken),
 * -ENOSPC or -ENOMEM (not enough shared memory), -EACCES, -ENOENT (no helper
 * program), -ENOTSUP (seal asks for AES, which this processor cannot do fast),
 * other -errno of the operating system.  On failure nothing is left
 * but perhaps a new key file: another create may be using it already.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_create(const char *name, const struct sojourn_options *options,
	       struct sojourn **out);

struct sojourn_attach_options {
	bool read_only; /* maps without write permission: reads by id only;
				 cannot touch, renew, list or make an expiry
				 final */
	const char *key_file; /* NULL: the default path */
	bool huge; /* puts the segment into pages of 2 MiB, where it has none
		      yet, for all who attach later: copies it once, about
		      2 s a GiB, and who uses it may wait for milliseconds */
};

/*
 * Attaches a segment by name, after checking owner, mode, size, version,
 * layout, boot, time namespace and key.  options may be NULL.
 * 0, or -ENOENT, -EACCES, -ELOOP, -EPROTO (other version or layout), -ESTALE
 * (other boot), -EXDEV (other time namespace), -EBADMSG (damaged),
 * -EKEYREJECTED (not the key it was made with), -ESHUTDOWN (destroyed),
 * -ENOMEM, -EIO (the kernel's clock cannot be read),
 * -ENOTSUP (made by a processor with instructions for AES, which digests ids, and
 * seals values if it does; this one has none).
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_attach(const char *name, const struct sojourn_attach_options *options,
	       struct sojourn **out);

/* Unmaps and frees.  No other thread may be in a call on the handle; those of
 * the process that used it keep their thread slots, and the mapping, until they
 * end.  In a forked child it leaves the parent's attachment alone.  NULL is
 * allowed. */
SOJOURN_API void sojourn_detach(struct sojourn *s);

/*
 * Removes a segment's name and tells its helper to end.  Processes that are
 * attached keep working on memory that nobody else can find any more.
 * 0, -ENOENT, -EACCES, -EINVAL, -ELOOP (a symbolic link has that name), -EBUSY
 * (another one removes it), -EMFILE, -ENFILE, -ENOMEM (nothing was done).
 */
SOJOURN_API SOJOURN_MUST_CHECK int sojourn_destroy(const char *name);

/* The descriptor of an anonymous segment (for `sojournd --fd`), else -1. */
SOJOURN_API int sojourn_fd(const struct sojourn *s);

/* Now, on the segment's clock. */
SOJOURN_API uint64_t sojourn_now_ms(const struct sojourn *s);
/* The Unix time of a time of the segment's clock, for showing. */
SOJOURN_API uint64_t sojourn_unix_ms(const struct sojourn *s, uint64_t ms);
/* Moves a manual clock forward, for all, to less than 2^41 ms; else -EINVAL. */
SOJOURN_API SOJOURN_MUST_CHECK int sojourn_clock_advance(struct sojourn *s,
							 uint64_t ms);

/* ---- sessions ---- */

/* Strings, NULL = not known.  Together at most 2,048 bytes, 3 for each of
 * them included. */
struct sojourn_metadata {
	const char *ip;
	const char *user_agent;
	const char *location;
	const char *device_id;
	const char *device_name;
	const char *device_type;
	const char *device_client;
	const char *device_os;
};

/* What of a request differs from its session, where a rule asks for it. */
enum sojourn_mismatch {
	SOJOURN_MISMATCH_DEVICE = 1,
	SOJOURN_MISMATCH_IP = 2,
	SOJOURN_MISMATCH_USER_AGENT = 4,
};

/* A renewal that a read or renew found or made. */
enum sojourn_renewal {
	SOJOURN_RENEWAL_NONE = 0,
	SOJOURN_RENEWAL_WON,       /* this call made it: new_id */
	SOJOURN_RENEWAL_DONE,      /* made before: new_id is its result */
	SOJOURN_RENEWAL_HERE,      /* being made by a thread of this process */
	SOJOURN_RENEWAL_ELSEWHERE, /* being made by another process */
};

/*
 * All about one session but its data.  Filled by value: no pointer leads into
 * the segment, those of `metadata` lead into `text`.
 *
 * A call that is given one empties it first (all but text, to which nothing leads
 * then), and fills it if it finds what it was asked for, also where it refuses it
 * (-EPERM, -ENOBUFS): so it never tells of an earlier call.  The id that a call
 * goes by may be the new_id in it; nothing else that the call is to look at may
 * lie there.
 */
struct sojourn_info {
	char handle[SOJOURN_HANDLE_CHARS + 1];     /* for lists and deletion */
	char log_hash[SOJOURN_LOG_HASH_CHARS + 1]; /* for logs; "" in lists */
	char subject[SOJOURN_SUBJECT_BYTES_MAX + 1];
	char collection[SOJOURN_COLLECTION_CHARS_MAX + 1]; /* "session", ... */
	uint64_t created_ms;
	uint64_t accessed_ms;
	uint64_t expires_ms;      /* absolute deadline, without idle timeout */
	uint64_t deadline_ms;     /* the earliest of all its deadlines */
	uint64_t idle_timeout_ms; /* 0: none */
	uint64_t version;         /* of the data, from 1 */
	uint32_t data_bytes;
	uint32_t renewals; /* how many ids its login had before */
	bool renewed;      /* an old id within its grace window */
	bool current;      /* in lists: the caller's own session */
	unsigned mismatch; /* enum sojourn_mismatch, of a read with a client */
	uint64_t login_created_ms; /* when the first of its ids was made; 0: not
				      known (renewed, and no max_lifetime_ms) */
	enum sojourn_renewal renewal;
	/* What it was renewed to, as soon as that is known, else "". */
	char successor[SOJOURN_HANDLE_CHARS + 1];
	char new_id[SOJOURN_ID_CHARS_MAX + 1]; /* as `renewal` says, else "" */
	struct sojourn_metadata metadata;
	char text[SOJOURN_METADATA_BYTES_MAX];
};

struct sojourn_new {
	const char *subject; /* who: 1 to 255 bytes */
	const void *data;    /* may be NULL if data_bytes is 0 */
	size_t data_bytes;
	struct sojourn_metadata metadata;
	uint64_t ttl_ms;          /* 0: the segment's */
	uint64_t idle_timeout_ms; /* 0: the segment's; SOJOURN_OFF: none */
	bool exclusive;           /* all other logins of the subject end */
};

/*
 * Makes a session with a fresh random id.  The id is written to `id` and kept
 * nowhere else.  info may be NULL.
 * 0; -ENOSPC (full, and the policy is reject or nothing could be evicted);
 * -EMSGSIZE; -EUSERS with SOJOURN_OVER_CAP (the subject has per_subject_max
 * sessions, and when_over is reject; those that are just being made count, also
 * one that then comes to nothing); -ECANCELED with SOJOURN_SUPERSEDED (all
 * sessions of the subject were deleted meanwhile, or newer logins left no room
 * for it).
 * per_subject_max and `exclusive` are kept whatever happens at the same time in
 * other processes: no more than so many that were answered live at a time; the
 * one that came last is never ended for their sake.  A login counts once, in
 * whatever ids it was renewed to.  Where older sessions end, they have ended
 * when the call returns; if it fails with -EBUSY or -ENOMEM some may have.
 * Lock-free.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_session_create(struct sojourn *s, const struct sojourn_new *what,
		       char id[SOJOURN_ID_CHARS_MAX + 1],
		       struct sojourn_info *info);

/*
 * The read hook: 0 lets the read go on, anything else refuses it.  data is
 * what the read is about to give, or NULL if it gives none.  It may call the
 * library, also on the same session, and may fork.
 */
typedef int (*sojourn_veto_fn)(void *arg, const struct sojourn_info *info,
			       const void *data, size_t data_bytes);

struct sojourn_read {
	const char *subject; /* must be the session's; NULL: by id alone */
	bool no_touch;       /* leave the access time alone */
	bool no_renew;       /* do not renew although due */
	/* Who asks, for the collection's rules on device, ip and user agent;
	 * NULL: they are not looked at.  A device counts if both have one.  An
	 * address or user agent that is missing now differs from one that the
	 * session was made with. */
	const struct sojourn_metadata *client;
	sojourn_veto_fn veto; /* NULL: none */
	void *veto_arg;
};

/*
 * Reads a session.  The order of what is looked at: exists, not past its
 * absolute deadline, not idle, subject, binding (how->client), veto, renewal
 * if due, touch if due.  What is refused is neither renewed nor touched.
 *
 * data: a buffer of *data_bytes bytes, or NULL; *data_bytes becomes the
 * session's length.  how and info may be NULL (then nothing is renewed, as the
 * new id could not be told).  An old id within its grace window shows the data
 * and version of the session that it was renewed to.
 * 0; -ENOENT with reason NOT_FOUND, EXPIRED, IDLE, DELETED, RENEWED or
 * EVICTED; -EPERM with reason BINDING (info->mismatch says what differs) or
 * VETOED; -EILSEQ with reason INVALID_DATA (the validator refused what is
 * there: collection.h); -ENOBUFS (buffer too small: *data_bytes says what is
 * needed, info is filled, nothing was touched or renewed).
 * When info->renewal is WON or DONE the client must be given info->new_id.
 *
 * RENEWED with info->renewal DONE: the grace window of the old id is over, but
 * its redelivery_ms are not: the answer that told the new id was lost on the
 * way.  info->new_id is it, info->successor its handle; the client is to ask
 * again with it.  The read hook is asked before, without data.  No data is
 * given, and whatever else is asked for by the old id, but for deletion, is
 * answered with RENEWED.
 *
 * The reason why a session is gone is told as long as its entry is there: by
 * the read that finds it over, and as a rule not by later ones: NOT_FOUND.
 * Wait-free but for lost races with writers of the same session.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_session_read(struct sojourn *s, const char *id,
		     const struct sojourn_read *how, void *data,
		     size_t *data_bytes, struct sojourn_info *info);

/*
 * Replaces the data.  if_version: the version that it must have (0: any).
 * An id within its grace window leads to its successor's data.
 * 0 and the new version in *version (may be NULL); -ENOENT as read; -ESTALE
 * (not that version; *version is the one it has); -ENOSPC; -EMSGSIZE; -EBUSY
 * with SOJOURN_LOCKED (somebody holds its lock: lock.h).
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_session_update(struct sojourn *s, const char *id, const void *data,
		       size_t data_bytes, uint64_t if_version,
		       uint64_t *version);

/*
 * Read-modify-write.  fn gets a private copy of the data in a buffer of
 * `capacity` bytes, changes it and *data_bytes, and returns 0, or a negative
 * errno to give up, which is then returned.  It is called again if another
 * writer came in between (at most 1,000 times, then -EBUSY), so it must have
 * no other effect.  It may call the library and may fork.
 * -EINVAL (fn left more than capacity); -ENOBUFS (the data does not fit in it);
 * -EILSEQ with reason INVALID_DATA (the validator refused what fn left); else as
 * update.
 */
typedef int (*sojourn_modify_fn)(void *arg, void *data, size_t *data_bytes,
				 size_t capacity);
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_session_modify(struct sojourn *s, const char *id, size_t capacity,
		       sojourn_modify_fn fn, void *arg, uint64_t *version);

/* Moves the access time to now, never past the maximum lifetime, never a
 * store more often than the touch interval (the smaller of 1 s and idle
 * timeout / 64).  0, or -ENOENT as read. */
SOJOURN_API SOJOURN_MUST_CHECK int sojourn_session_touch(struct sojourn *s,
							 const char *id);

/*
 * Gives the session a new id, whether or not renewal is due.  The old id
 * answers for the grace window.  info->renewal tells the outcome: WON and DONE
 * come with new_id.  HERE and ELSEWHERE: somebody is at it; read again.
 * 0; -ENOENT as read, and beside a regenerate of that id, also when the id still
 * answers until that one returns; -ENOSPC; -EBUSY with SOJOURN_LOCKED (another
 * thread holds its lock: lock.h).
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_session_renew(struct sojourn *s, const char *id,
		      struct sojourn_info *info);

/*
 * The same for a change of privileges, such as a login on a session that an
 * anonymous visitor had: the old id is over when the call returns, whatever
 * grace_window_ms and redelivery_ms are, so that who planted or saw it does
 * not get the new one, also not by a renewal that is under way.  The outcome is
 * WON, or the call fails: -ENOENT also when another call was faster.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_session_regenerate(struct sojourn *s, const char *id,
			   struct sojourn_info *info);

/*
 * Ends a session and whatever it was renewed to.  Once it has returned nothing
 * brings the session back.  Returns how many logins were ended: 1, or 0 (absent
 * is no error).  Of calls that end one renewed login at the same time more than
 * one may say 1.
 */
SOJOURN_API SOJOURN_MUST_CHECK int sojourn_session_delete(struct sojourn *s,
							  const char *id);
/* The same by the handle that a list, scan or read gave; of anything but
 * revocations, which end by time only. */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_session_delete_handle(struct sojourn *s, const char *handle);

/*
 * Ends all sessions of a subject, but for the line of except_id if given (it
 * must be a session of the subject: else -ENOENT, nothing ended).  Logins that
 * are being made and were not acknowledged before the call may be ended too.
 * Returns how many logins were ended.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_session_delete_subject(struct sojourn *s, const char *subject,
			       const char *except_id);

/*
 * Calls fn for each living session of a subject, the newest login first; an id
 * within its grace window is listed too (info->renewed).  current_id may be
 * NULL.  fn may call the library; nonzero stops.  Returns the number of calls.
 * -ENOMEM.  A login that lives throughout is listed, whatever it is renewed to
 * meanwhile, also if who does so dies.
 */
typedef int (*sojourn_list_fn)(void *arg, const struct sojourn_info *info);
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_session_list_subject(struct sojourn *s, const char *subject,
			     const char *current_id, sojourn_list_fn fn,
			     void *arg);

/*
 * The same page by page: those of at most `limit` logins (1 to 100,000), from
 * *cursor on, which the caller sets to 0 at first; it is 0 again after the
 * last page.  When fn has stopped a page, the next begins behind the login it
 * stopped at; after an error *cursor is where to go on.  Each login that lives
 * throughout is listed once, and nothing is held between the pages.  Takes
 * memory for a page, and time for a walk through all sessions of the subject.
 */
SOJOURN_API SOJOURN_MUST_CHECK int
sojourn_session_list_next(struct sojourn *s, const char *subject,
			  const char *current_id, uint64_t *cursor,
			  uint32_t limit, sojourn_list_fn fn, void *arg);

/* A short keyed hash of an id, stable for the life of the key, for logs. */
SOJOURN_API void sojourn_log_hash(const struct sojourn *s, const char *id,
				  char hash[SOJOURN_LOG_HASH_CHARS + 1]);

#ifdef __cplusplus
}
#endif

#endif /* SOJOURN_SOJOURN_H */
