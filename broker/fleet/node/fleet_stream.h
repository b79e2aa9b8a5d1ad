/*
 * fleet_stream - reads one stream of Redis, entry by entry, behind the last one known.
 *
 * Data flow: its owner (inbox.c, fleet_log.c) asks for the entries behind an id by one blocking XREAD. What
 *            comes of it is said by `came`; then the owner takes the entries one by one, in as many turns as
 *            it needs, and asks again. What an entry means, which one may be missing and when to ask again is
 *            for the owner to know.
 * Ownership: embedded in its owner; owns the reply that is worked through. An XREAD that is under way points
 *            here: the link is freed first.
 * Errors:    a malformed entry has no fields. Nothing is logged.
 */
#ifndef FLOTILLA_BROKER_FLEET_NODE_FLEET_STREAM_H
#define FLOTILLA_BROKER_FLEET_NODE_FLEET_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "common/mqtt/mqtt.h"

struct redis_link;
struct redisReply;

/* How long an XREAD waits for an entry: the link's time-out is that much longer. */
enum { FLEET_STREAM_BLOCK_MS = 2000 };
/* How long its owner waits after FLEET_STREAM_FAILED. */
enum { FLEET_STREAM_RETRY_MS = 500 };

enum fleet_stream_result {
    FLEET_STREAM_ENTRIES, /* there are some to take */
    FLEET_STREAM_NOTHING, /* none came within FLEET_STREAM_BLOCK_MS */
    FLEET_STREAM_FAILED,  /* Redis can't read it now */
    FLEET_STREAM_LOST,    /* there won't be an answer: the link was reset */
};
typedef void fleet_stream_fn(void *arg, enum fleet_stream_result result);

struct fleet_stream {
    fleet_stream_fn *came;
    void *arg;
    struct redis_link *link;  /* of the XREAD under way */
    struct redisReply *reply; /* whose entries are being taken, owned; NULL: none */
    size_t next;              /* of them */
    unsigned starts;          /* tells an answer to an XREAD of before the last restart */
    bool is_reading;          /* an XREAD is under way, or its entries aren't all taken */
};

/* Points into the reply: until the next call of fleet_stream_next, _restart or _fini. */
struct fleet_stream_entry {
    const char *id;                  /* "" when malformed */
    const struct redisReply *fields; /* name, value, name, value ...; NULL when malformed */
};

/* Zeroes the rest. */
void fleet_stream_init(struct fleet_stream *s, fleet_stream_fn *came, void *arg);
void fleet_stream_fini(struct fleet_stream *s);
/* Forgets the entries that weren't taken, and the answer that is still to come. */
void fleet_stream_restart(struct fleet_stream *s);

/* Asks for `count` entries at most, behind the id `after`. Does nothing while is_reading, and without
 * memory: then ask again. */
void fleet_stream_read(struct fleet_stream *s, struct redis_link *link, const char *key,
                       const char *after, size_t count);

/* The next entry. False: all are taken (or none came), and the stream may be read again. */
bool fleet_stream_next(struct fleet_stream *s, struct fleet_stream_entry *e);
/* Whether entries are being taken: true until fleet_stream_next says that there are no more. */
static inline bool fleet_stream_has_entries(const struct fleet_stream *s)
{
    return s->reply != NULL;
}
/* The last entry is taken; fleet_stream_next would say that there are no more. */
bool fleet_stream_is_at_end(const struct fleet_stream *s);
/* How many entries came, and how many bytes their values have. Only while it has entries. */
size_t fleet_stream_count(const struct fleet_stream *s);
size_t fleet_stream_bytes(const struct fleet_stream *s);

/* The value of an entry's field. `data` is NULL when there is no such field. */
struct mqtt_slice fleet_stream_value(const struct fleet_stream_entry *e, const char *name);

/* Whether a stands before b in a stream. Ids are <ms>-<number>. */
bool fleet_stream_id_is_below(const char *a, const char *b);

#endif
