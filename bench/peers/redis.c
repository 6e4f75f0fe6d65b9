/* SPDX-License-Identifier: MIT */

/* redis-server over a Unix socket, by hiredis. */

#include <errno.h>
#include <hiredis.h>
#include <stdio.h>

#include "base/bits.h"
#include "peers.h"

/* Commands on their way while it is loaded. */
#define BATCH 256u

static int enter(struct bench_worker *w)
{
	char path[512];
	redisContext *c;

	snprintf(path, sizeof(path), "%s/redis.sock", w->store->dir);
	c = redisConnectUnix(path);
	w->own = c;
	if (c != NULL && c->err == 0)
		return 0;
	fprintf(stderr, "redis: %s\n", c ? c->errstr : "no memory");
	return -ECONNREFUSED;
}

static void leave(struct bench_worker *w)
{
	redisFree(w->own);
}

static int open_any(struct bench_store *st)
{
	struct bench_worker w = {.store = st};
	const int rc = enter(&w);

	if (w.own != NULL)
		leave(&w);
	return rc;
}

struct command {
	const char *word[6];
	size_t bytes[6];
	int count;
};

static void add(struct command *c, const char *word, size_t bytes)
{
	c->word[c->count] = word;
	c->bytes[c->count++] = bytes;
}

static struct command command_of(const char *verb, const char *id)
{
	struct command c = {.count = 0};

	add(&c, verb, strlen(verb));
	add(&c, id, BENCH_ID_CHARS);
	return c;
}

static struct command set_command(const struct bench_store *st, const char *id,
				  const void *data)
{
	struct command c = command_of("SET", id);

	add(&c, data, st->value_bytes);
	add(&c, "EX", 2);
	add(&c, "3600", 4);
	return c;
}

static redisReply *send_command(struct bench_worker *w, struct command *c)
{
	return redisCommandArgv(w->own, c->count, c->word, c->bytes);
}

static int load(struct bench_store *st)
{
	uint8_t value[1 << 16];
	struct bench_worker w = {.store = st};
	int rc = st->value_bytes <= sizeof(value) ? enter(&w) : -EINVAL;
	uint64_t behind = 0;

	for (uint64_t n = 0; rc == 0 && n < st->sessions; n++) {
		struct command c = set_command(st, st->ids[n].text, value);
		redisReply *reply;

		bench_value_fill(value, st->value_bytes, n, n);
		redisAppendCommandArgv(w.own, c.count, c.word, c.bytes);
		if (++behind < BATCH && n + 1 < st->sessions)
			continue;
		for (; rc == 0 && behind > 0; behind--) {
			if (redisGetReply(w.own, (void **)&reply) != REDIS_OK ||
			    reply->type == REDIS_REPLY_ERROR)
				rc = -EIO;
			else
				freeReplyObject(reply);
		}
	}
	if (w.own != NULL)
		leave(&w);
	return rc;
}

static int get(struct bench_worker *w, const char *id, void *to)
{
	struct command c = command_of("GET", id);
	redisReply *reply = send_command(w, &c);
	int rc = -EIO;

	if (reply == NULL)
		return rc;
	if (reply->type == REDIS_REPLY_STRING) {
		memcpy(to, reply->str,
		       soj_min(reply->len, w->store->value_bytes));
		rc = (int)reply->len;
	} else if (reply->type == REDIS_REPLY_NIL) {
		rc = -ENOENT;
	}
	freeReplyObject(reply);
	return rc;
}

/* "+OK", or a number that is 1; "0" and nil: no such session. */
static int change(struct bench_worker *w, struct command *c)
{
	redisReply *reply = send_command(w, c);
	int rc = -EIO;

	if (reply == NULL)
		return rc;
	if (reply->type == REDIS_REPLY_STATUS ||
	    (reply->type == REDIS_REPLY_INTEGER && reply->integer == 1))
		rc = 0;
	else if (reply->type != REDIS_REPLY_ERROR)
		rc = -ENOENT;
	freeReplyObject(reply);
	return rc;
}

static int create(struct bench_worker *w, char *id, const void *data)
{
	struct command c = set_command(w->store, id, data);

	add(&c, "NX", 2);
	return change(w, &c);
}

static int update(struct bench_worker *w, const char *id, const void *data)
{
	struct command c = set_command(w->store, id, data);

	add(&c, "XX", 2);
	return change(w, &c);
}

static int touch(struct bench_worker *w, const char *id)
{
	struct command c = command_of("EXPIRE", id);

	add(&c, "3600", 4);
	return change(w, &c);
}

static int drop(struct bench_worker *w, const char *id)
{
	struct command c = command_of("DEL", id);

	return change(w, &c);
}

static uint64_t memory(struct bench_store *st)
{
	return bench_rss(bench_server_pid(st, "redis"));
}

const struct bench_peer bench_redis = {
	.name = "redis",
	.what = "redis-server over a Unix socket, by hiredis",
	.open = open_any,
	.load = load,
	.enter = enter,
	.leave = leave,
	.get = get,
	.create = create,
	.update = update,
	.touch = touch,
	.remove = drop,
	.memory = memory,
};
