/* SPDX-License-Identifier: MIT */
#ifndef SOJ_SHM_FORMAT_H
#define SOJ_SHM_FORMAT_H

/*
 * Layer 1.  The segment's binary format.  This header IS the specification:
 * types only, no pointers, fixed-width integers, native endian.  The packing
 * of the 64-bit words is in shm/words.h, the arithmetic that places regions is
 * in shm/layout.h and depends on nothing but the five counts in the header.
 *
 *   region         element                count             written by
 *   header         struct soj_shm_header  1                 creator, helper
 *   slots          struct soj_shm_slot    slots_max         the slot's thread
 *   entry states   state word             entries_max + 1   everyone, by CAS
 *   chunk states   state word             units x per unit  everyone, by CAS
 *   units          unit word              units             everyone, by CAS
 *   entry hints    bitmap                 entries_max + 1   everyone, by or/xchg
 *   chunk hints    bitmap                 units x per unit  everyone, by or/xchg
 *   unit hints     bitmap                 units             everyone, by or/and
 *   armed hints    bitmap + summary       entries_max + 1   set: everyone;
 *   ended hints    bitmap + summary       entries_max + 1   taken: helper
 *   buckets        struct soj_shm_bucket  buckets           everyone, by CAS
 *   heads          link word              1 << heads_log2   everyone, by CAS
 *   entries        struct soj_shm_entry   entries_max + 1   owner; words by CAS
 *   events         struct soj_shm_event   events_max        everyone, by CAS
 *   chunk area     units of 128 KiB       units             owner
 *
 * Entry 0 does not exist: index 0 means "none".  State words are the truth;
 * every bitmap is a hint that may be lost and is rebuilt by looking.
 *
 * Versioning
 *   version_major  bumped when any existing byte changes meaning: refuse.
 *   version_minor  bumped when reserved bytes get a meaning: old builds run.
 *   layout         fingerprint of sizes: two builds that disagree must not
 *                  share a segment.
 * The file gets its name only when it is complete, and magic is stored last.
 */

#include <pthread.h>

#include "base/atomic.h"

#define SOJ_SHM_MAGIC UINT64_C(0x314E52554F4A4F53) /* "SOJOURN1" LE */
/* 3: hints in empty places, which earlier builds would never have taken.
 * 4: slots_used, without which an earlier build's sections would not be seen.
 * 5: hints name the word where a chunk begins, no longer its cache line. */
#define SOJ_SHM_VERSION_MAJOR 5u
#define SOJ_SHM_VERSION_MINOR 0u

#define SOJ_UNIT_BYTES     (128u * 1024u)
#define SOJ_UNIT_SLOTS_MAX 1344u /* of the smallest class, multiple of 64 */
#define SOJ_BUCKET_PLACES  15u
#define SOJ_BUCKET_HINTED  7u /* places of its first line, and how far */
#define SOJ_BUCKET_HINT_AT 8u /* behind each its hint may lie */
#define SOJ_ENTRIES_LIMIT  ((1u << 26) - 2) /* index bits */
#define SOJ_UNITS_LIMIT    ((1u << 17) - 1) /* 16 GiB of chunks */
#define SOJ_SLOTS_LIMIT    4094u
#define SOJ_LAG_BUCKETS    64u
#define SOJ_COUNTERS_MAX   40u
#define SOJ_COLLECTIONS    64u
#define SOJ_EVENTS_MIN     64u
#define SOJ_EVENTS_LIMIT   (1u << 24)

/* header.flags */
#define SOJ_SHM_MANUAL_CLOCK 1u /* time stands in header.manual_now_ms */
#define SOJ_SHM_ANONYMOUS    2u
/* Values are sealed, by one of these; store/sealed.c */
#define SOJ_SHM_SEAL_AES     4u
#define SOJ_SHM_SEAL_XCHACHA 8u
#define SOJ_SHM_SEALED       (SOJ_SHM_SEAL_AES | SOJ_SHM_SEAL_XCHACHA)
/* Usual ids are digested by AES, session/id_usual.h; else as the others are. */
#define SOJ_SHM_IDS_AES 16u
#define SOJ_SHM_FLAGS   31u /* all that this build knows */

/* header.policy.when_full */
enum { SOJ_FULL_REJECT, SOJ_FULL_EVICT };

/* Of the whole segment; constant after creation. */
struct soj_shm_policy {
	uint64_t lease_ms;       /* of the renewal flag */
	uint64_t expel_after_ms; /* a section older than this is expelled */
	uint32_t when_full;      /* SOJ_FULL_* */
	uint32_t id_bytes;       /* random bytes of a session id */
};

/* collection.flags */
#define SOJ_COLLECTION_DEFINED 1u
#define SOJ_COLLECTION_SLIDING 2u  /* ttl counts from the last access */
#define SOJ_COLLECTION_QUIET   4u  /* no events */
#define SOJ_COLLECTION_UPDATES 8u  /* events of updates as well */
#define SOJ_COLLECTION_KEEP    16u /* never evicted for lack of memory */
#define SOJ_COLLECTION_FLAGS   31u

/* collection.cap_policy */
enum { SOJ_CAP_REJECT, SOJ_CAP_EVICT_OLDEST, SOJ_CAP_EXCLUSIVE };

/* collection.*_policy of a binding */
enum {
	SOJ_BINDING_IGNORE,
	SOJ_BINDING_REPORT,
	SOJ_BINDING_REJECT,
	SOJ_BINDING_DELETE, /* reject, and end the session */
};

/*
 * What holds for the entries of one collection; constant after creation.
 * Number 0 is that of login sessions, then come those that this library uses
 * itself, then the creator's.  Undefined ones are zero.
 */
struct soj_shm_collection {
	char name[32]; /*  0: padded with zeroes, at least one */
	uint64_t ttl_ms;
	uint64_t idle_ms;         /* 40: 0: no idle timeout */
	uint64_t renewal_ms;      /* 48: 0: no automatic renewal */
	uint64_t grace_window_ms; /* 56: 0: the old id dies at once */
	uint64_t redelivery_ms;   /* 64: for that long after the grace window
				     an old id still leads to the new one */
	uint64_t max_lifetime_ms; /* 72: 0: none */
	uint32_t cap;             /* 80: entries of one subject; 0: any */
	uint32_t flags;           /* 84: SOJ_COLLECTION_* */
	uint8_t cap_policy;       /* 88 */
	uint8_t device_policy;
	uint8_t ip_policy;
	uint8_t user_agent_policy;
	uint8_t ip4_prefix_bits; /* 92: that must agree; 1 to 32 */
	uint8_t ip6_prefix_bits; /* 93: 1 to 128 */
	uint8_t reserved[34];    /* zero */
};

struct soj_shm_header {
	/* line 0: identity, constant once magic is set */
	alignas(SOJ_CACHELINE_BYTES) soj_word_t magic; /*   0 */
	uint16_t version_major;                        /*   8 */
	uint16_t version_minor;                        /*  10 */
	uint32_t layout;                               /*  12 */
	uint64_t segment_bytes;                        /*  16 */
	uint8_t boot_id[16];                           /*  24 */
	int64_t clock_base_ms;    /*  40: CLOCK_BOOTTIME at time 1 */
	int64_t timens_offset_ms; /*  48: the creator's time namespace */
	uint64_t created_unix_ms; /*  56: for showing only */

	/* line 1: geometry, constant */
	uint32_t entries_max;        /*  64 */
	uint32_t units;              /*  68 */
	uint32_t unit_slots;         /*  72: chunk state words per unit */
	uint32_t slots_max;          /*  76 */
	uint32_t flags;              /*  80: SOJ_SHM_* */
	uint32_t events_max;         /*  84: 0: no events */
	uint8_t key_fingerprint[16]; /*  88 */
	uint8_t reserved1[24];       /* 104: zero */

	/* line 2: policy, constant */
	struct soj_shm_policy policy; /* 128 */
	uint8_t seal_salt[16];        /* 152: of the sealing key; or zero */
	uint8_t reserved2[24];        /* 168: zero */

	/* line 3: RCU */
	alignas(SOJ_CACHELINE_BYTES) soj_word_t epoch; /* 192 */
	soj_word_t slots_used; /* 200: those before it may have had a section */

	/* line 4: the helper role; see rcu/role.c */
	alignas(SOJ_CACHELINE_BYTES) soj_word_t role; /* 256 */
	soj_word_t helper_beat_ms;                    /* 264 */
	soj_half_t helper_asleep;                     /* 272: futex */
	soj_half_t destroyed;                         /* 276 */
	soj_half_t huge_wanted; /* 280: pages of 2 MiB asked for, and had: */
	soj_half_t huge_pages;  /* 284: shm/huge.c, for showing only */

	/* line 5: time of a manual clock */
	alignas(SOJ_CACHELINE_BYTES) soj_word_t manual_now_ms; /* 320 */

	/* lines 6 to 13: expiry lag, written by the helper.  Bucket i < 48
	 * counts lags of i ms, 48 + k those of 48 << k ms and more. */
	alignas(SOJ_CACHELINE_BYTES) soj_word_t lag[SOJ_LAG_BUCKETS]; /* 384 */

	/* line 14: where the next event goes, about; store/event.c */
	alignas(SOJ_CACHELINE_BYTES) soj_word_t event_next; /* 896 */

	/* then, constant: */
	alignas(SOJ_CACHELINE_BYTES) struct soj_shm_collection
		collection[SOJ_COLLECTIONS]; /* 960 */
};

/*
 * What a thread counts.  Each counter has one writer, the thread that holds
 * the slot, and goes on from where the slot's former holder stopped, so sums
 * over all slots never go backwards.  X(name, help)
 */
#define SOJ_COUNTERS(X)                                                 \
	X(hits, "reads that returned a session")                        \
	X(misses, "reads of ids that are not there")                    \
	X(misses_expired, "reads of sessions past their deadline")      \
	X(misses_idle, "reads of sessions past their idle timeout")     \
	X(creates, "sessions created")                                  \
	X(updates, "values replaced")                                   \
	X(touches, "access times moved forward")                        \
	X(deletes, "sessions ended by a caller")                        \
	X(expirations, "sessions ended by time")                        \
	X(evictions, "sessions ended by memory pressure")               \
	X(evictions_young, "of those, younger than an hour")            \
	X(renewals_won, "renewals made")                                \
	X(renewals_lost, "renewals left to another worker")             \
	X(full, "operations refused because the segment is full")       \
	X(retries, "compare-and-swaps lost and repeated")               \
	X(busy, "operations given up after too many lost races")        \
	X(expelled, "sections expelled while this thread was late")     \
	X(reclaimed, "chunks and entries made free again")              \
	X(repaired, "threads found dead and repaired")                  \
	X(scrubbed, "leftovers that the scrubber found")                \
	X(relocated, "values moved to another place")                   \
	X(misses_ended, "reads of sessions that a caller ended")        \
	X(misses_renewed, "reads of old ids after their grace window")  \
	X(redelivered, "old ids answered with the new one late")        \
	X(mismatches, "reads from another device, ip or user agent")    \
	X(vetoes, "reads refused by the read hook")                     \
	X(invalid, "values refused by a validator")                     \
	X(cap_rejected, "logins refused over the cap")                  \
	X(cap_ended, "sessions ended to keep the cap")                  \
	X(locks, "session locks taken")                                 \
	X(lock_timeouts, "session locks not had in time")               \
	X(locks_recovered, "session locks taken from the dead or late") \
	X(reuses, "uses of a token that was rotated away")              \
	X(events, "events written")                                     \
	X(damaged, "sealed values that did not open, and were dropped")

enum soj_counter {
#define X(name, help) SOJ_COUNT_##name,
	SOJ_COUNTERS(X)
#undef X
		SOJ_COUNTERS_USED
};

struct soj_shm_slot {
	/* line 0: written by the slot's thread, expelled by anyone */
	alignas(SOJ_CACHELINE_BYTES) soj_word_t section; /*   0 */
	/* line 1: liveness; protocol in rcu/slot.c */
	alignas(SOJ_CACHELINE_BYTES) soj_word_t claim; /*  64 */
	pthread_mutex_t life; /*  72: robust, process-shared, 40 bytes */
	soj_half_t pid;       /* 112: for showing, and counting others */
	soj_half_t locks;     /* 116: 1: it may hold locks; store/lock.c */
	soj_word_t intent;    /* 120: what repair has to carry on with */
	/* lines 2 to 6 */
	alignas(SOJ_CACHELINE_BYTES) soj_word_t count[SOJ_COUNTERS_MAX];
	uint8_t pad[64]; /* keeps the spatial prefetcher off the next slot */
};

/* Places are taken from the lowest on, and few buckets have more than eight:
 * place p + 8 holds a hint for place p (words.h) until it is taken itself. */
struct soj_shm_bucket {
	alignas(2 * SOJ_CACHELINE_BYTES) soj_word_t header;
	soj_word_t place[SOJ_BUCKET_PLACES];
};

/* Who may write: "owner" while the state word says OWNED by that thread. */
struct soj_shm_entry {
	/* line 0: what a read looks at */
	alignas(SOJ_CACHELINE_BYTES) soj_word_t ctl; /*  0: everyone, CAS */
	soj_word_t life;                             /*  8: everyone, CAS */
	soj_word_t digest[2];                        /* 16: owner */
	soj_word_t renew;                            /* 32: everyone, CAS */
	soj_word_t created_ms;                       /* 40: owner */
	soj_word_t expires_ms;                       /* 48: owner */
	soj_half_t idle_ms;                          /* 56: owner; 0 = none */
	soj_half_t sliding_ms;                       /* 60: owner; 0 = none */
	/* line 1: the rest */
	soj_word_t link;        /*  64: everyone, CAS */
	soj_word_t subject[2];  /*  72: owner, digest of the subject */
	soj_word_t login;       /*  88: owner, login number */
	soj_word_t event;       /*  96: everyone, CAS; store/event.c */
	soj_word_t predecessor; /* 104: owner; entry reference or 0 */
	soj_word_t lock;        /* 112: everyone, CAS; store/lock.c */
	soj_word_t misc;        /* 120: owner; words.h */
};

/*
 * An event.  `word` names what it is about and is taken by CAS; the payload is
 * filled in by CAS word by word, each carrying a tag of its round, so that
 * whoever finds it incomplete can complete it.
 */
#define SOJ_EVENT_PAYLOADS 7u

struct soj_shm_event {
	alignas(SOJ_CACHELINE_BYTES) soj_word_t word; /* words.h */
	soj_word_t payload[SOJ_EVENT_PAYLOADS];
};

/*
 * A chunk: one value and everything that goes with it, immutable once
 * published.  Head word 0 has the lengths, word 1 back reference and user
 * version (words.h).  Then, each padded to 8 bytes: a struct soj_shm_record or
 * a struct soj_shm_times as record_bytes says, or neither, in a sealed segment
 * a struct soj_shm_seal, the subject, the metadata, the data.
 */
#define SOJ_CHUNK_HEAD_BYTES 16u

struct soj_shm_record {     /* how a renewed id leads on */
	uint64_t successor; /* entry reference */
	uint64_t grace_until_ms;
	uint64_t nonce;
	uint32_t sealed_bytes;  /* 0: it leads nowhere */
	uint32_t redelivery_ms; /* after the grace window */
	uint8_t sealed[80];     /* the new id under the old one */
};

/* The periods of a value that was put under a caller's key: they come with
 * each put, instead of those of the entry. */
struct soj_shm_times {
	uint64_t expires_ms;
	uint32_t idle_ms;    /* 0: none */
	uint32_t sliding_ms; /* 0: none */
};

/* The subject and metadata that follow are sealed together, with their padding,
 * the data for itself. */
struct soj_shm_seal {
	uint8_t nonce[12];
	uint32_t reserved; /* zero */
	uint8_t data_tag[16];
	uint8_t label_tag[16];
};

#define SOJ_SHM_SEAL_BYTES 48u

/* The layout may not change by accident: each line below is spec. */
#define SOJ_ASSERT_OFFSET(type, field, want)                  \
	static_assert(offsetof(struct type, field) == (want), \
		      #type "." #field " moved: bump SOJ_SHM_VERSION_MAJOR")
#define SOJ_ASSERT_SIZE(type, want)                  \
	static_assert(sizeof(struct type) == (want), \
		      #type " resized: bump SOJ_SHM_VERSION_MAJOR")

SOJ_ASSERT_OFFSET(soj_shm_header, magic, 0);
SOJ_ASSERT_OFFSET(soj_shm_header, version_major, 8);
SOJ_ASSERT_OFFSET(soj_shm_header, layout, 12);
SOJ_ASSERT_OFFSET(soj_shm_header, segment_bytes, 16);
SOJ_ASSERT_OFFSET(soj_shm_header, boot_id, 24);
SOJ_ASSERT_OFFSET(soj_shm_header, clock_base_ms, 40);
SOJ_ASSERT_OFFSET(soj_shm_header, timens_offset_ms, 48);
SOJ_ASSERT_OFFSET(soj_shm_header, entries_max, 64);
SOJ_ASSERT_OFFSET(soj_shm_header, flags, 80);
SOJ_ASSERT_OFFSET(soj_shm_header, key_fingerprint, 88);
SOJ_ASSERT_OFFSET(soj_shm_header, policy, 128);
SOJ_ASSERT_OFFSET(soj_shm_header, epoch, 192);
SOJ_ASSERT_OFFSET(soj_shm_header, slots_used, 200);
SOJ_ASSERT_OFFSET(soj_shm_header, role, 256);
SOJ_ASSERT_OFFSET(soj_shm_header, helper_asleep, 272);
SOJ_ASSERT_OFFSET(soj_shm_header, huge_wanted, 280);
SOJ_ASSERT_OFFSET(soj_shm_header, manual_now_ms, 320);
SOJ_ASSERT_OFFSET(soj_shm_header, lag, 384);
SOJ_ASSERT_OFFSET(soj_shm_header, event_next, 896);
SOJ_ASSERT_OFFSET(soj_shm_header, collection, 960);
SOJ_ASSERT_SIZE(soj_shm_header, 9152);
SOJ_ASSERT_SIZE(soj_shm_policy, 24);
SOJ_ASSERT_OFFSET(soj_shm_collection, ttl_ms, 32);
SOJ_ASSERT_OFFSET(soj_shm_collection, cap, 80);
SOJ_ASSERT_SIZE(soj_shm_collection, 128);
SOJ_ASSERT_OFFSET(soj_shm_slot, claim, 64);
SOJ_ASSERT_OFFSET(soj_shm_slot, life, 72);
SOJ_ASSERT_OFFSET(soj_shm_slot, pid, 112);
SOJ_ASSERT_OFFSET(soj_shm_slot, locks, 116);
SOJ_ASSERT_OFFSET(soj_shm_slot, intent, 120);
SOJ_ASSERT_OFFSET(soj_shm_slot, count, 128);
SOJ_ASSERT_SIZE(soj_shm_slot, 512);
SOJ_ASSERT_SIZE(soj_shm_bucket, 128);
SOJ_ASSERT_OFFSET(soj_shm_entry, life, 8);
SOJ_ASSERT_OFFSET(soj_shm_entry, digest, 16);
SOJ_ASSERT_OFFSET(soj_shm_entry, renew, 32);
SOJ_ASSERT_OFFSET(soj_shm_entry, expires_ms, 48);
SOJ_ASSERT_OFFSET(soj_shm_entry, link, 64);
SOJ_ASSERT_OFFSET(soj_shm_entry, event, 96);
SOJ_ASSERT_OFFSET(soj_shm_entry, lock, 112);
SOJ_ASSERT_OFFSET(soj_shm_entry, misc, 120);
SOJ_ASSERT_SIZE(soj_shm_entry, 128);
SOJ_ASSERT_SIZE(soj_shm_event, 64);
SOJ_ASSERT_SIZE(soj_shm_record, 112);
SOJ_ASSERT_SIZE(soj_shm_times, 16);
SOJ_ASSERT_OFFSET(soj_shm_header, seal_salt, 152);
SOJ_ASSERT_SIZE(soj_shm_seal, 48);
static_assert(sizeof(pthread_mutex_t) == 40, "the C library's mutex changed");
static_assert(SOJ_COUNTERS_USED <= SOJ_COUNTERS_MAX, "slot has no more room");

/* 32-bit fingerprint of what two builds must agree on. */
#define SOJ_SHM_LAYOUT                                                  \
	((uint32_t)(SOJ_CACHELINE_BYTES & 0xffu) |                      \
	 (uint32_t)(sizeof(struct soj_shm_header) / 64u & 0xffu) << 8 | \
	 (uint32_t)(sizeof(struct soj_shm_slot) / 64u & 0xffu) << 16 |  \
	 (uint32_t)(sizeof(pthread_mutex_t) & 0xffu) << 24)

#endif /* SOJ_SHM_FORMAT_H */
