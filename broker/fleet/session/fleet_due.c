/* Asks the buckets of this node's share, some at a time. */
#include "broker/fleet/session/fleet_due.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fleet/exchange/fleet_nodes.h"
#include "broker/fleet/fence/fleet_cut.h"
#include "broker/fleet/log/fleet_reannounce.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_behalf.h"
#include "broker/fleet/session/fleet_will.h"
#include "broker/fleet/storage/fleet_full.h"
#include "broker/fleet/storage/fleet_totals.h"
#include "broker/fleet/storage/fleet_usage.h"

enum { DUE_MS = 100, DUE_BUCKETS = 64, DUE_AT_ONCE = 20 };
enum { ROUND_MS = DUE_MS * FLEET_CLIENT_BUCKETS / DUE_BUCKETS };

struct fleet_due {
    uint64_t next_ms;
    unsigned bucket;
    uint64_t nearest_ms;                  /* the first of these, or earlier; 0: none */
    uint64_t at_ms[FLEET_CLIENT_BUCKETS]; /* something is due then; 0: not known of anything */
};

bool fleet_due_init(struct fleet *f)
{
    f->due = calloc(1, sizeof(*f->due));
    return f->due != NULL;
}

void fleet_due_free(struct fleet *f)
{
    free(f->due);
    f->due = NULL;
}

/* ---- a will whose publisher is silent -------------------------------------------------------- */

struct will_taking {
    struct fleet *f;
    uint64_t epoch, taker;
    size_t client_len;
    char client[];
};

static void on_seized(void *arg, const redisReply *r)
{
    struct will_taking *t = arg;
    if (fleet_reply_status(r) == STORE_OK && r->type == REDIS_REPLY_ARRAY && r->elements == 2 &&
        strcmp(r->element[0]->str, "will") == 0)
        fleet_will_publish(t->f, t->client, t->client_len, t->epoch, r->element[1]->str,
                           r->element[1]->len, NULL, NULL);
    free(t);
}

static void on_taker_cut(void *arg, enum store_status status)
{
    struct will_taking *t = arg;
    struct fleet *f = t->f;
    struct fleet_key key =
        fleet_key_clients(&f->keys, fleet_client_bucket(&f->keys, t->client, t->client_len));
    if (status != STORE_OK) {
        free(t); /* it stays due */
        return;
    }
    char taker[FLEET_HEX_SIZE];
    fleet_hex(t->taker, taker);
    scripts_begin(&f->scripts, f->q, SCRIPT_SEIZE, key.text, 4);
    redis_queue_arg(f->q, t->client, t->client_len);
    redis_queue_u64(f->q, t->epoch);
    redis_queue_str(f->q, f->hex);
    redis_queue_str(f->q, taker);
    redis_queue_end(f->q, REDIS_REPLAY, on_seized, t);
}

static void on_room(void *arg, enum store_status status)
{
    struct will_taking *t = arg;
    struct fleet_session_ref session = {
        .client = {.data = (const uint8_t *)t->client, .len = (uint32_t)t->client_len},
        .epoch = t->epoch};
    if (status == STORE_OK)
        fleet_cut_client(t->f, t->taker, session, on_taker_cut, t);
    else
        free(t); /* it stays due */
}

/* That node is cut off from the will first, or it would publish it once more when it goes on.
 * Except if it works, and only waits for room in Redis. */
static void take_from(struct fleet *f, struct fleet_session_ref session, const redisReply *taker)
{
    struct will_taking *t = calloc(1, sizeof(*t) + session.client.len);
    if (t == NULL || !fleet_hex_parse(taker->str, taker->len, &t->taker)) {
        free(t);
        return;
    }
    t->f = f;
    t->epoch = session.epoch;
    t->client_len = session.client.len;
    memcpy(t->client, session.client.data, session.client.len);
    fleet_full_ask(f, on_room, t);
}

/* ---- what is due ----------------------------------------------------------------------------- */

struct due_asked {
    struct fleet *f;
    unsigned bucket;
};

static void on_due(void *arg, const redisReply *r)
{
    struct due_asked *asked = arg;
    struct fleet *f = asked->f;
    unsigned bucket = asked->bucket;
    free(asked);
    if (r == NULL || r->type != REDIS_REPLY_ARRAY)
        return;
    fleet_usage_count(f, bucket, (uint32_t)r->element[0]->integer);
    if (r->elements > 1 && r->element[1]->integer >= 0)
        fleet_due_expect(f, bucket, (uint64_t)r->element[1]->integer);
    for (size_t i = 2; i + 3 < r->elements; i += 4) {
        const redisReply *client = r->element[i + 1];
        const redisReply *third = r->element[i + 2];
        const redisReply *fourth = r->element[i + 3];
        struct fleet_session_ref session = {
            .client = {.data = (const uint8_t *)client->str, .len = (uint32_t)client->len},
            .epoch = strtoull(third->str, NULL, 10)};
        if (r->element[i]->str[0] == 'w')
            fleet_will_publish(f, client->str, client->len, session.epoch, fourth->str, fourth->len,
                               NULL, NULL);
        else if (r->element[i]->str[0] == 'b')
            take_from(f, session, fourth);
        else if (r->element[i]->str[0] == 'x')
            fleet_totals_expired(f, strtoull(third->str, NULL, 10));
        else
            fleet_reannounce_end(f, session, fourth);
    }
}

static void ask_due(struct fleet *f, unsigned bucket)
{
    struct fleet_key key = fleet_key_clients(&f->keys, bucket);
    struct due_asked *asked = malloc(sizeof(*asked));
    if (asked == NULL)
        return;
    *asked = (struct due_asked){.f = f, .bucket = bucket};
    scripts_begin(&f->scripts, f->q, SCRIPT_DUE, key.text, 2);
    redis_queue_str(f->q, f->hex);
    redis_queue_u64(f->q, DUE_AT_ONCE);
    redis_queue_end(f->q, REDIS_REPLAY, on_due, asked);
}

/* EVALSHA sha 1 key · node, most: none. */
static void void_due(void *each_arg, void *arg, struct redis_args args)
{
    size_t len = 0;
    char *most = NULL;
    (void)each_arg, (void)arg;
    for (size_t i = 0; i < 4 + 2; i++)
        most = redis_args_next(&args, &len);
    if (most != NULL)
        memset(most, '0', len);
}

void fleet_due_run_changed(struct fleet *f)
{
    redis_queue_each(f->q, on_due, void_due, NULL);
}

void fleet_due_expect(struct fleet *f, unsigned bucket, uint64_t in_ms)
{
    struct fleet_due *d = f->due;
    uint64_t at_ms = f->now_ms + in_ms;
    if (in_ms > ROUND_MS)
        return;
    if (d->at_ms[bucket] == 0 || at_ms < d->at_ms[bucket])
        d->at_ms[bucket] = at_ms;
    if (d->nearest_ms == 0 || at_ms < d->nearest_ms)
        d->nearest_ms = at_ms;
}

static void ask_expected(struct fleet *f)
{
    struct fleet_due *d = f->due;
    if (d->nearest_ms == 0 || f->now_ms < d->nearest_ms)
        return;
    d->nearest_ms = 0;
    for (unsigned bucket = 0; bucket < FLEET_CLIENT_BUCKETS; bucket++) {
        uint64_t at_ms = d->at_ms[bucket];
        if (at_ms != 0 && at_ms <= f->now_ms) {
            d->at_ms[bucket] = 0;
            ask_due(f, bucket);
        } else if (at_ms != 0 && (d->nearest_ms == 0 || at_ms < d->nearest_ms)) {
            d->nearest_ms = at_ms;
        }
    }
}

/* Each bucket is looked at by one node about every 1.6 s; which one, the nodes' order says. */
void fleet_due_tick(struct fleet *f)
{
    if (f->state != FLEET_READY || !fleet_can_act(f) || fleet_may_be_lost(f))
        return;
    ask_expected(f);
    if (f->now_ms < f->due->next_ms)
        return;
    f->due->next_ms = f->now_ms + DUE_MS;
    unsigned count;
    unsigned rank;
    fleet_nodes_rank(f, &rank, &count);
    for (unsigned i = 0; i < DUE_BUCKETS; i++) {
        f->due->bucket = (f->due->bucket + 1) % FLEET_CLIENT_BUCKETS;
        if (f->due->bucket % count == rank)
            ask_due(f, f->due->bucket);
    }
}
