/* SPDX-License-Identifier: MIT */
#ifndef SOJ_BENCH_PEERS_H
#define SOJ_BENCH_PEERS_H

/* All that are measured; those whose library was there when this was built. */

#include "peer.h"

extern const struct bench_peer bench_loop;
extern const struct bench_peer bench_limit_one;
extern const struct bench_peer bench_limit_two;
extern const struct bench_peer bench_sketch;
extern const struct bench_peer bench_sketch_huge;
extern const struct bench_peer bench_rwlock_1;
extern const struct bench_peer bench_rwlock_64;
extern const struct bench_peer bench_rwlock_64_huge;
extern const struct bench_peer bench_lfht_memb;
extern const struct bench_peer bench_lfht_qsbr;
extern const struct bench_peer bench_lmdb;
extern const struct bench_peer bench_redis;
extern const struct bench_peer bench_memcached;
extern const struct bench_peer bench_sojourn;
extern const struct bench_peer bench_sojourn_id;
extern const struct bench_peer bench_sojourn_sealed;
extern const struct bench_peer bench_sojourn_4k;

#endif /* SOJ_BENCH_PEERS_H */
