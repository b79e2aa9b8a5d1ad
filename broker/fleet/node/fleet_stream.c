/*
 * The XREAD, and the walk through its answer: an array with one stream, which is its key and an array of
 * entries, each of them an id and an array of names and values.
 */
#include "broker/fleet/node/fleet_stream.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/redis/redis_link.h"

/* An XREAD under way. */
struct reading {
    struct fleet_stream *stream;
    unsigned start;
};

void fleet_stream_init(struct fleet_stream *s, fleet_stream_fn *came, void *arg)
{
    *s = (struct fleet_stream){.came = came, .arg = arg};
}

static void drop_reply(struct fleet_stream *s)
{
    freeReplyObject(s->reply);
    s->reply = NULL;
    s->next = 0;
    s->is_reading = false;
}

void fleet_stream_fini(struct fleet_stream *s)
{
    drop_reply(s);
}

void fleet_stream_restart(struct fleet_stream *s)
{
    drop_reply(s);
    s->starts++;
}

static const redisReply *entries_of(const redisReply *r)
{
    return r->element[0]->element[1];
}

static bool has_entries(const redisReply *r)
{
    return r->type == REDIS_REPLY_ARRAY && r->elements == 1 && r->element[0]->elements == 2 &&
           entries_of(r)->type == REDIS_REPLY_ARRAY;
}

static enum fleet_stream_result take(struct fleet_stream *s, const redisReply *r)
{
    if (r == NULL)
        return FLEET_STREAM_LOST;
    if (r->type == REDIS_REPLY_NIL)
        return FLEET_STREAM_NOTHING;
    if (!has_entries(r))
        return FLEET_STREAM_FAILED;
    s->reply = redis_link_keep_reply(s->link);
    s->is_reading = true;
    return FLEET_STREAM_ENTRIES;
}

static void on_read(void *arg, const redisReply *r)
{
    struct reading *reading = arg;
    struct fleet_stream *s = reading->stream;
    bool is_current = reading->start == s->starts;
    free(reading);
    if (!is_current)
        return;
    s->is_reading = false;
    s->came(s->arg, take(s, r));
}

void fleet_stream_read(struct fleet_stream *s, struct redis_link *link, const char *key,
                       const char *after, size_t count)
{
    if (s->is_reading)
        return;
    struct reading *reading = malloc(sizeof(*reading));
    if (reading == NULL)
        return;
    *reading = (struct reading){.stream = s, .start = s->starts};
    s->link = link;
    s->is_reading = true;
    struct redis_queue *q = redis_link_queue(link);
    redis_queue_begin(q, 8);
    redis_queue_str(q, "XREAD");
    redis_queue_str(q, "COUNT");
    redis_queue_u64(q, count);
    redis_queue_str(q, "BLOCK");
    redis_queue_u64(q, FLEET_STREAM_BLOCK_MS);
    redis_queue_str(q, "STREAMS");
    redis_queue_str(q, key);
    redis_queue_str(q, after);
    redis_queue_end(q, REDIS_REPLAY, on_read, reading);
}

bool fleet_stream_is_at_end(const struct fleet_stream *s)
{
    return s->reply == NULL || s->next == entries_of(s->reply)->elements;
}

bool fleet_stream_next(struct fleet_stream *s, struct fleet_stream_entry *e)
{
    if (s->reply == NULL)
        return false;
    if (fleet_stream_is_at_end(s)) {
        drop_reply(s);
        return false;
    }
    const redisReply *entry = entries_of(s->reply)->element[s->next++];
    bool is_whole = entry->elements == 2 && entry->element[0]->type == REDIS_REPLY_STRING &&
                    entry->element[1]->type == REDIS_REPLY_ARRAY;
    e->id = is_whole ? entry->element[0]->str : "";
    e->fields = is_whole ? entry->element[1] : NULL;
    return true;
}

size_t fleet_stream_count(const struct fleet_stream *s)
{
    return entries_of(s->reply)->elements;
}

static size_t bytes_of(const redisReply *fields)
{
    size_t bytes = 0;
    for (size_t value = 1; value < fields->elements; value += 2)
        bytes += fields->element[value]->len;
    return bytes;
}

size_t fleet_stream_bytes(const struct fleet_stream *s)
{
    const redisReply *entries = entries_of(s->reply);
    size_t bytes = 0;
    for (size_t i = 0; i < entries->elements; i++)
        if (entries->element[i]->elements == 2)
            bytes += bytes_of(entries->element[i]->element[1]);
    return bytes;
}

struct mqtt_slice fleet_stream_value(const struct fleet_stream_entry *e, const char *name)
{
    for (size_t i = 0; e->fields != NULL && i + 1 < e->fields->elements; i += 2) {
        const redisReply *field = e->fields->element[i];
        const redisReply *value = e->fields->element[i + 1];
        if (field->type == REDIS_REPLY_STRING && strcmp(field->str, name) == 0 &&
            value->type == REDIS_REPLY_STRING)
            return (struct mqtt_slice){.data = (const uint8_t *)value->str,
                                       .len = (uint32_t)value->len};
    }
    return (struct mqtt_slice){0};
}

bool fleet_stream_id_is_below(const char *a, const char *b)
{
    char *a_rest;
    char *b_rest;
    uint64_t a_ms = strtoull(a, &a_rest, 10);
    uint64_t b_ms = strtoull(b, &b_rest, 10);
    if (a_ms != b_ms || *a_rest != '-' || *b_rest != '-')
        return a_ms < b_ms;
    return strtoull(a_rest + 1, NULL, 10) < strtoull(b_rest + 1, NULL, 10);
}
