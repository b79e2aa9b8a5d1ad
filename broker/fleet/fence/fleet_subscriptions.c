/* Asks session.lua again and again, each time for a piece (fleet_piece.h). */
#include "broker/fleet/fence/fleet_subscriptions.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fleet/node/fleet.h"
#include "broker/fleet/wire/fleet_options.h"

void fleet_subscriptions_fini(struct fleet_subscriptions *p)
{
    fleet_bytes_fini(&p->text);
    *p = (struct fleet_subscriptions){0};
}

static struct mqtt_slice slice_of(const redisReply *r)
{
    return (struct mqtt_slice){.data = (const uint8_t *)r->str, .len = (uint32_t)r->len};
}

void fleet_subscriptions_take(struct fleet_subscriptions *p, const redisReply *r, size_t from)
{
    for (size_t i = from; i + 1 < r->elements; i += 2, p->count++) {
        fleet_bytes_slice(&p->text, slice_of(r->element[i]));
        fleet_bytes_slice(&p->text, slice_of(r->element[i + 1]));
    }
}

struct store_subscription *fleet_subscriptions_list(const struct fleet_subscriptions *p, bool *ok)
{
    struct fleet_reader r = fleet_reader_of(p->text.data, p->text.len);
    struct store_subscription *list = p->count > 0 ? calloc(p->count, sizeof(*list)) : NULL;
    *ok = !p->text.failed && (list != NULL || p->count == 0);
    for (size_t i = 0; *ok && i < p->count; i++) {
        list[i].filter = fleet_reader_slice(&r);
        struct mqtt_slice options = fleet_reader_slice(&r);
        fleet_options_read(options.data, options.len, &list[i]);
    }
    if (*ok)
        return list;
    free(list);
    return NULL;
}

/* ---- reading --------------------------------------------------------------------------------- */

enum { READS_AT_ONCE = 2 };

/* Those that are read at a node: two at once, so that a hundred clients with thousands of filters each
 * don't put a hundred pieces before everybody's commands. */
struct fleet_subscription_reads {
    struct subscription_read *first, *last; /* that wait */
    unsigned under_way;
};

bool fleet_subscription_reads_init(struct fleet *f)
{
    f->subscription_reads = calloc(1, sizeof(*f->subscription_reads));
    return f->subscription_reads != NULL;
}

void fleet_subscription_reads_free(struct fleet *f)
{
    free(f->subscription_reads);
    f->subscription_reads = NULL;
}

struct subscription_read {
    struct fleet *f;
    struct subscription_read *next;
    struct fleet_subscriptions *subs;
    fleet_subscriptions_fn *done;
    void *arg;
    char cursor[24];
    size_t len;
    char client[];
};

static void finish(struct subscription_read *rd, enum store_status status, uint64_t epoch)
{
    rd->done(rd->arg, status, epoch);
    free(rd);
}

static struct subscription_read *take_waiting(struct fleet_subscription_reads *reads)
{
    struct subscription_read *rd = reads->first;
    if (rd != NULL)
        reads->first = rd->next;
    if (reads->first == NULL)
        reads->last = NULL;
    return rd;
}

static void on_part(void *arg, const redisReply *r);

static void ask(struct subscription_read *rd)
{
    struct fleet *f = rd->f;
    struct fleet_key key =
        fleet_key_clients(&f->keys, fleet_client_bucket(&f->keys, rd->client, rd->len));
    scripts_begin(&f->scripts, f->q, SCRIPT_SESSION, key.text, 2);
    redis_queue_arg(f->q, rd->client, rd->len);
    redis_queue_str(f->q, rd->cursor);
    redis_queue_end(f->q, REDIS_REPLAY, on_part, rd);
}

/* One is over. Without an answer those that wait get none either. */
static void go_on(struct fleet *f, bool answered)
{
    struct fleet_subscription_reads *reads = f->subscription_reads;
    reads->under_way--;
    struct subscription_read *rd;
    while ((!answered || reads->under_way < READS_AT_ONCE) && (rd = take_waiting(reads)) != NULL) {
        if (!answered) {
            finish(rd, STORE_UNAVAILABLE, 0);
            continue;
        }
        reads->under_way++;
        ask(rd);
    }
}

/* {cursor, epoch, filter, options, ...} */
static void on_part(void *arg, const redisReply *r)
{
    struct subscription_read *rd = arg;
    struct fleet *f = rd->f;
    enum store_status status = fleet_reply_status(r);
    uint64_t epoch = 0;
    if (status == STORE_OK && (r->type != REDIS_REPLY_ARRAY || r->elements < 2))
        status = STORE_UNAVAILABLE;
    if (status == STORE_OK) {
        epoch = strtoull(r->element[1]->str, NULL, 10);
        fleet_subscriptions_take(rd->subs, r, 2);
        if (strcmp(r->element[0]->str, "0") != 0) {
            snprintf(rd->cursor, sizeof(rd->cursor), "%s", r->element[0]->str);
            ask(rd);
            return;
        }
    }
    finish(rd, status, epoch);
    go_on(f, r != NULL);
}

void fleet_subscriptions_read(struct fleet *f, struct mqtt_slice client, const char *cursor,
                              struct fleet_subscriptions *subs, fleet_subscriptions_fn *done,
                              void *arg)
{
    struct fleet_subscription_reads *reads = f->subscription_reads;
    struct subscription_read *rd = calloc(1, sizeof(*rd) + client.len);
    if (rd == NULL) {
        done(arg, STORE_UNAVAILABLE, 0);
        return;
    }
    rd->f = f;
    rd->subs = subs;
    rd->done = done;
    rd->arg = arg;
    rd->len = client.len;
    memcpy(rd->client, client.data, client.len);
    snprintf(rd->cursor, sizeof(rd->cursor), "%s", cursor);
    if (reads->under_way < READS_AT_ONCE) {
        reads->under_way++;
        ask(rd);
        return;
    }
    if (reads->last != NULL)
        reads->last->next = rd;
    else
        reads->first = rd;
    reads->last = rd;
}
