/* Redis answers in pieces, because a fleet may have a million routes: HKEYS names the nodes, SSCAN and
 * HSCAN read their routes and members, load.lua a bucket's sessions. */
#include "broker/fleet/membership/fleet_reading.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fleet/exchange/fleet_nodes.h"
#include "broker/fleet/fence/fleet_resync.h"
#include "broker/fleet/log/fleet_epochs.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_behalf.h"

enum { BUCKETS_AT_ONCE = 32, FIELDS_AT_ONCE = 1000 };

/* Something of which there are pieces. */
struct source {
    /* Puts the command that reads on from a cursor ("0" at first), but for its end. */
    void (*ask)(struct fleet *f, uint64_t of, const char *cursor, size_t len);
    /* Takes an answer: the next cursor, then what was read. False: nobody wants more of it. */
    bool (*take)(struct fleet *f, const struct fleet_reading *r, uint64_t of,
                 const redisReply *answer);
    const struct source *next; /* of the same node, behind the last piece */
};

/* One that was asked for. */
struct piece {
    struct fleet *f;
    struct fleet_reading *reading;
    unsigned generation;
    const struct source *source; /* NULL: the list of nodes */
    uint64_t of;                 /* a bucket of clients, or a node */
};

static void end_reading(struct fleet_reading *r, struct fleet *f, const char *err)
{
    r->is_on = false;
    r->ended(f, err);
}

static struct piece *piece_new(struct fleet_reading *r, struct fleet *f,
                               const struct source *source, uint64_t of)
{
    struct piece *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        end_reading(r, f, "out of memory");
        return NULL;
    }
    *p = (struct piece){.f = f, .reading = r, .generation = f->loads, .source = source, .of = of};
    r->under_way++;
    return p;
}

/* Frees the piece. True when its answer belongs to the reading that goes on, and is a list with
 * something in it. */
static bool piece_answered(void *arg, const redisReply *answer, struct piece *out)
{
    *out = *(struct piece *)arg;
    free(arg);
    if (out->generation != out->f->loads || !out->reading->is_on || out->f->reload_why != NULL)
        return false;
    if (answer != NULL && answer->type == REDIS_REPLY_ARRAY && answer->elements >= 1)
        return true;
    end_reading(out->reading, out->f,
                answer != NULL && answer->type == REDIS_REPLY_ERROR ? answer->str : "no answer");
    return false;
}

static void on_piece(void *arg, const redisReply *answer);

static void read_piece(struct fleet_reading *r, struct fleet *f, const struct source *source,
                       uint64_t of, const char *cursor, size_t len)
{
    struct piece *p = r->is_on ? piece_new(r, f, source, of) : NULL;
    if (p == NULL)
        return;
    source->ask(f, of, cursor, len);
    redis_queue_end(f->q, REDIS_REPLAY, on_piece, p);
}

/* ---- sessions: a bucket of clients ---- */

static void ask_sessions(struct fleet *f, uint64_t bucket, const char *cursor, size_t len)
{
    struct fleet_key key = fleet_key_clients(&f->keys, (unsigned)bucket);
    scripts_begin(&f->scripts, f->q, SCRIPT_LOAD, key.text, 1);
    redis_queue_arg(f->q, cursor, len);
}

/* A session, whole or a part of it: see load.lua. */
static void take_session(struct fleet *f, const struct fleet_reading *r, const redisReply *client,
                         const redisReply *subs)
{
    const char *epoch = subs->element[0]->str;
    bool first = *epoch == '*';
    bool part = first || *epoch == '+';
    struct fleet_session_ref session = {.client = mqtt_slice_of(client->str, client->len),
                                        .epoch = strtoull(part ? epoch + 1 : epoch, NULL, 10)};
    if (r->again && part)
        fleet_resync_take_part(f, session, subs, first);
    else if (r->again)
        fleet_resync_take(f, session, subs);
    else if (fleet_session_is_new(f, session))
        fleet_resync_add(f, session, subs);
}

static bool take_sessions(struct fleet *f, const struct fleet_reading *r, uint64_t bucket,
                          const redisReply *answer)
{
    (void)bucket;
    for (size_t i = 1; i + 1 < answer->elements; i += 2)
        take_session(f, r, answer->element[i], answer->element[i + 1]);
    return true;
}

static const struct source sessions = {.ask = ask_sessions, .take = take_sessions};

/* ---- what a node has: members of groups, routes ---- */

static void ask_scan(struct fleet *f, const char *command, const struct fleet_key *key,
                     const char *cursor, size_t len)
{
    redis_queue_begin(f->q, 5);
    redis_queue_str(f->q, command);
    redis_queue_str(f->q, key->text);
    redis_queue_arg(f->q, cursor, len);
    redis_queue_str(f->q, "COUNT");
    redis_queue_u64(f->q, FIELDS_AT_ONCE);
}

/* NULL: the node is gone, or there is no such list. */
static struct route_node *node_of_scan(struct fleet *f, uint64_t node, const redisReply *answer)
{
    return answer->elements == 2 ? fleet_node_find(f, node) : NULL;
}

static void ask_members(struct fleet *f, uint64_t node, const char *cursor, size_t len)
{
    struct fleet_key key = fleet_key_members(&f->keys, node);
    ask_scan(f, "HSCAN", &key, cursor, len);
}

/* Filter -> number, QoS. */
static bool take_members(struct fleet *f, const struct fleet_reading *r, uint64_t node,
                         const redisReply *answer)
{
    struct route_node *n = node_of_scan(f, node, answer);
    (void)r;
    if (n == NULL)
        return false;
    const redisReply *fields = answer->element[1];
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        struct mqtt_slice filter = mqtt_slice_of(fields->element[i]->str, fields->element[i]->len);
        char *rest;
        uint32_t members = (uint32_t)strtoul(fields->element[i + 1]->str, &rest, 10);
        f->host.route_members(f->host.arg, n, filter, members, (uint8_t)strtoul(rest, NULL, 10));
    }
    return true;
}

static const struct source members_of_node = {.ask = ask_members, .take = take_members};

static void ask_routes(struct fleet *f, uint64_t node, const char *cursor, size_t len)
{
    struct fleet_key key = fleet_key_routes(&f->keys, node);
    ask_scan(f, "SSCAN", &key, cursor, len);
}

static bool take_routes(struct fleet *f, const struct fleet_reading *r, uint64_t node,
                        const redisReply *answer)
{
    struct route_node *n = node_of_scan(f, node, answer);
    (void)r;
    if (n == NULL)
        return false;
    const redisReply *filters = answer->element[1];
    for (size_t i = 0; i < filters->elements; i++)
        f->host.route_added(f->host.arg, n,
                            mqtt_slice_of(filters->element[i]->str, filters->element[i]->len));
    return true;
}

static const struct source routes_of_node = {
    .ask = ask_routes, .take = take_routes, .next = &members_of_node};

/* ---- the whole ---- */

/* What a piece led to is asked for: more buckets may follow, or everything is read. */
static void piece_done(struct fleet_reading *r, struct fleet *f)
{
    if (!r->is_on)
        return;
    r->under_way--;
    while (r->is_on && r->next_bucket < FLEET_CLIENT_BUCKETS && r->under_way < BUCKETS_AT_ONCE)
        read_piece(r, f, &sessions, r->next_bucket++, "0", 1);
    if (r->is_on && r->under_way == 0)
        end_reading(r, f, NULL);
}

static void on_piece(void *arg, const redisReply *answer)
{
    struct piece p;
    if (!piece_answered(arg, answer, &p))
        return;
    if (p.source->take(p.f, p.reading, p.of, answer)) {
        const redisReply *cursor = answer->element[0];
        if (strcmp(cursor->str, "0") != 0)
            read_piece(p.reading, p.f, p.source, p.of, cursor->str, cursor->len);
        else if (p.source->next != NULL)
            read_piece(p.reading, p.f, p.source->next, p.of, "0", 1);
    }
    piece_done(p.reading, p.f);
}

static void on_nodes(void *arg, const redisReply *answer)
{
    struct piece p;
    if (!piece_answered(arg, answer, &p))
        return;
    for (size_t i = 0; i < answer->elements; i++) {
        uint64_t id;
        if (!fleet_hex_parse(answer->element[i]->str, answer->element[i]->len, &id) ||
            id == p.f->id)
            continue;
        struct route_node *n = fleet_node_get(p.f, id);
        if (n == NULL) {
            end_reading(p.reading, p.f, "out of memory");
            return;
        }
        n->generation = p.f->loads;
        read_piece(p.reading, p.f, &routes_of_node, id, "0", 1);
    }
    piece_done(p.reading, p.f);
}

void fleet_reading_begin(struct fleet_reading *r, struct fleet *f, bool again,
                         void (*ended)(struct fleet *f, const char *err))
{
    *r = (struct fleet_reading){.is_on = true, .again = again, .ended = ended};
    struct piece *p = piece_new(r, f, NULL, 0);
    if (p == NULL)
        return;
    redis_queue_begin(f->q, 2);
    redis_queue_str(f->q, "HKEYS");
    redis_queue_str(f->q, f->keys.nodes);
    redis_queue_end(f->q, REDIS_REPLAY, on_nodes, p);
}

void fleet_reading_stop(struct fleet_reading *r)
{
    r->is_on = false;
}
