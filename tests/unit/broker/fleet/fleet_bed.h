/*
 * fleet_bed - a fleet in one process: several redis stores with a real redis-server under them and
 * the simplest possible core above each. For inclusion by one test program.
 *
 * A bed's node keeps what the store told it: routes and durable subscriptions (from which it
 * computes targets, standing in for the router), messages delivered, wake-ups, wills. A node that
 * is `stopped` gets no turns, as a process under SIGSTOP. One that `keeps_wills` is publishing them
 * until bed_end_wills.
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_FLEET_FLEET_BED_H
#define FLOTILLA_TESTS_UNIT_BROKER_FLEET_FLEET_BED_H

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "broker/base/broker_config.h"
#include "broker/store/store.h"
#include "common/base/clock.h"
#include "common/base/timebox.h"
#include "common/log/log.h"
#include "tests/unit/redis_server.h"

enum { BED_NODES = 6, BED_LIST = 512, BED_TEXT = 64 };

struct bed_route {
    void *node;
    char filter[BED_TEXT];
};
struct bed_sub {
    char client[BED_TEXT], filter[BED_TEXT];
    uint8_t qos;
};
struct bed_message {
    char topic[BED_TEXT], payload[BED_TEXT];
    uint8_t qos;
    bool retain, duplicate;
    uint64_t sequence;
};

/* One that is under way, until `done` is called. */
struct bed_will_op {
    struct bed_will_op *next;
    char payload[BED_TEXT];
    store_done_fn *done;
    void *arg;
};

struct bed_node {
    struct bed *bed;
    struct store *store;
    bool stopped;
    uint64_t id, sequence; /* of its messages */
    struct bed_route routes[BED_LIST];
    size_t route_count;
    struct bed_sub subs[BED_LIST];
    size_t sub_count;
    struct bed_message *got; /* by host->deliver */
    size_t got_count, got_size;
    const struct store_targets *crowd; /* whom all is for; NULL: as `subs` and `routes` say */
    uint64_t match_begun_ns;           /* of CPU, when bed_match last said that */
    struct bed_message will;
    bool keeps_wills;
    struct bed_will_op *kept_wills;
    unsigned wills, wakes, fenced, start_overs, gaps, asked, shifts;
    char last_woken[BED_TEXT], last_fenced[BED_TEXT], last_asked[BED_TEXT];
    struct bed_client *clients;
};

struct bed {
    struct redis_server server;
    struct event_base *base;
    struct store_redis_config cfg;
    struct bed_node *nodes[BED_NODES];
    redisContext *redis; /* blocking, for looking at what is there */
    const char *user;    /* of those who connect from now on */
    uint64_t arrived_ms; /* when their CONNECTs arrived (CLOCK_BOOTTIME) */
    bool without_time;   /* an input's box is over at the first look; else it is large enough */
};

/* A connection: its hold and what came of the calls. */
struct bed_client {
    struct bed_node *node;
    struct bed_client *next;
    char id[BED_TEXT];
    struct store_hold hold;
    bool connected, silent; /* silent: doesn't hand over when asked */
    bool present;
    uint64_t next_sequence;
    size_t sub_count, released_count;
    uint64_t released[8];
    int status; /* of the last completion, -1: none yet */
    unsigned completions;
    uint64_t done_ns; /* of CPU, at the last of them */
    struct bed_message *entries;
    size_t entry_count, entry_size;
    bool fetched, more;
    store_done_fn *asked_done; /* of a silent one */
    void *asked_arg;
};

/* ---- the router ------------------------------------------------------------------------------ */

static inline struct mqtt_slice bed_slice(const char *text)
{
    return (struct mqtt_slice){.data = (const uint8_t *)text, .len = (uint32_t)strlen(text)};
}

static inline void bed_text(char out[BED_TEXT], const void *data, size_t len)
{
    snprintf(out, BED_TEXT, "%.*s", (int)len, (const char *)data);
}

static inline void bed_route_added(void *arg, void *node, struct mqtt_slice filter)
{
    struct bed_node *n = arg;
    char text[BED_TEXT];

    bed_text(text, filter.data, filter.len);
    for (size_t i = 0; i < n->route_count; i++)
        if (n->routes[i].node == node && strcmp(n->routes[i].filter, text) == 0)
            return;
    assert_true(n->route_count < BED_LIST);
    n->routes[n->route_count].node = node;
    memcpy(n->routes[n->route_count++].filter, text, BED_TEXT);
}

static inline void bed_route_removed(void *arg, void *node, struct mqtt_slice filter)
{
    struct bed_node *n = arg;
    char text[BED_TEXT];

    bed_text(text, filter.data, filter.len);
    for (size_t i = 0; i < n->route_count; i++)
        if (n->routes[i].node == node && strcmp(n->routes[i].filter, text) == 0)
            n->routes[i--] = n->routes[--n->route_count];
}

static inline void bed_node_removed(void *arg, void *node)
{
    struct bed_node *n = arg;

    for (size_t i = 0; i < n->route_count; i++)
        if (n->routes[i].node == node)
            n->routes[i--] = n->routes[--n->route_count];
}

static inline void bed_match(void *arg, const struct message *m, struct store_targets *out)
{
    static void *nodes[BED_LIST];
    static struct store_queue_target queues[BED_LIST];
    struct bed_node *n = arg;

    if (n->crowd != NULL) {
        *out = *n->crowd;
        n->match_begun_ns = clock_thread_cpu_ns();
        return;
    }
    *out = (struct store_targets){.nodes = nodes, .queues = queues};
    for (size_t i = 0; i < n->route_count; i++) {
        bool there = false;

        if (!mqtt_filter_matches(bed_slice(n->routes[i].filter), m->topic))
            continue;
        for (size_t k = 0; k < out->node_count; k++)
            there |= nodes[k] == n->routes[i].node;
        if (!there)
            nodes[out->node_count++] = n->routes[i].node;
    }
    for (size_t i = 0; i < n->sub_count && m->qos > 0; i++) {
        struct store_queue_target *t = NULL;

        if (!mqtt_filter_matches(bed_slice(n->subs[i].filter), m->topic) || n->subs[i].qos == 0)
            continue;
        for (size_t k = 0; k < out->queue_count; k++)
            if (strcmp((const char *)queues[k].client_id.data, n->subs[i].client) == 0)
                t = &queues[k];
        if (t == NULL) {
            t = &queues[out->queue_count++];
            *t = (struct store_queue_target){.client_id = bed_slice(n->subs[i].client)};
        }
        if (n->subs[i].qos > t->qos)
            t->qos = n->subs[i].qos < m->qos ? n->subs[i].qos : m->qos;
    }
}

/* ---- the core -------------------------------------------------------------------------------- */

static inline void bed_note(struct bed_message **list, size_t *count, size_t *size,
                            const struct message *m)
{
    struct bed_message *at;

    if (*count == *size) {
        *size = *size == 0 ? 64 : *size * 2;
        *list = realloc(*list, *size * sizeof(**list));
        assert_non_null(*list);
    }
    at = &(*list)[(*count)++];
    memset(at, 0, sizeof(*at));
    bed_text(at->topic, m->topic.data, m->topic.len);
    bed_text(at->payload, m->payload.data, m->payload.len);
    at->qos = m->qos;
    at->retain = m->retain;
}

static inline void bed_deliver(void *arg, struct message *m)
{
    struct bed_node *n = arg;

    bed_note(&n->got, &n->got_count, &n->got_size, m);
}

static inline void bed_keep_will(struct bed_node *n, const struct message *m, store_done_fn *done,
                                 void *done_arg)
{
    struct bed_will_op *op = malloc(sizeof(*op));

    assert_non_null(op);
    *op = (struct bed_will_op){.next = n->kept_wills, .done = done, .arg = done_arg};
    bed_text(op->payload, m->payload.data, m->payload.len);
    n->kept_wills = op;
    n->wills++;
}

static inline void bed_publish_will(void *arg, struct message *m, store_done_fn *done,
                                    void *done_arg)
{
    struct bed_node *n = arg;
    struct store_publish_request req = {.message = m};
    struct bed_message *list = NULL;
    size_t count = 0;
    size_t size = 0;

    if (n->keeps_wills) {
        bed_keep_will(n, m, done, done_arg);
        return;
    }
    bed_note(&list, &count, &size, m);
    n->will = list[0];
    free(list);
    n->wills++;
    bed_match(n, m, &req.targets);
    n->store->ops->publish(n->store, &req, done, done_arg);
}

/* Those that are kept. */
static inline void bed_end_wills(struct bed_node *n, enum store_status status)
{
    struct bed_will_op *list = n->kept_wills;

    n->kept_wills = NULL;
    while (list != NULL) {
        struct bed_will_op *op = list;

        list = op->next;
        op->done(op->arg, status);
        free(op);
    }
}

static inline void bed_wake(void *arg, struct mqtt_slice client_id)
{
    struct bed_node *n = arg;

    n->wakes++;
    bed_text(n->last_woken, client_id.data, client_id.len);
}

/* Each message is worth a look at the clock. */
static inline bool bed_takes_more(void *arg, uint32_t *worked_us)
{
    *worked_us = (uint32_t)((const struct bed_node *)arg)->got_count * TIMEBOX_LOOK_US;
    return true;
}

/* As the topic tree would tell: a connected session has the filter. Clean ones aren't known here. */
static inline bool bed_has_interest(void *arg, struct mqtt_slice filter)
{
    const struct bed_node *n = arg;
    char text[BED_TEXT];

    bed_text(text, filter.data, filter.len);
    for (const struct bed_client *c = n->clients; c != NULL; c = c->next)
        for (size_t i = 0; c->connected && i < n->sub_count; i++)
            if (strcmp(n->subs[i].client, c->id) == 0 && strcmp(n->subs[i].filter, text) == 0)
                return true;
    return false;
}

/* What the core says when a connection ends. */
static inline void bed_left(struct bed_client *c)
{
    struct bed_node *n = c->node;

    c->connected = false;
    for (size_t i = 0; i < n->sub_count; i++) {
        struct mqtt_slice filter = bed_slice(n->subs[i].filter);

        if (strcmp(n->subs[i].client, c->id) == 0 && !bed_has_interest(n, filter))
            n->store->ops->interest_ended(n->store, filter);
    }
}

struct bed_handover {
    store_done_fn *done;
    void *arg;
};

static inline void bed_on_gone(void *arg, enum store_status status)
{
    struct bed_handover *l = arg;

    l->done(l->arg, status);
    free(l);
}

static inline void bed_hand_over(void *arg, struct mqtt_slice client_id, uint64_t epoch,
                                 store_done_fn *done, void *done_arg)
{
    struct bed_node *n = arg;
    struct bed_client *c = n->clients;
    struct bed_handover *l;

    n->asked++;
    bed_text(n->last_asked, client_id.data, client_id.len);
    while (c != NULL &&
           (!c->connected || c->hold.epoch > epoch || strcmp(c->id, n->last_asked) != 0))
        c = c->next;
    if (c == NULL) {
        done(done_arg, STORE_OK);
        return;
    }
    if (c->silent) {
        if (c->asked_done != NULL) /* whoever asked before */
            c->asked_done(c->asked_arg, STORE_UNAVAILABLE);
        c->asked_done = done;
        c->asked_arg = done_arg;
        return;
    }
    bed_left(c);
    l = malloc(sizeof(*l));
    *l = (struct bed_handover){.done = done, .arg = done_arg};
    n->store->ops->disconnect(n->store, &c->hold, true, c->hold.durable ? STORE_EXPIRES_NEVER : 0,
                              bed_on_gone, l);
}

static inline void bed_fenced(void *arg, struct store_hold *hold)
{
    struct bed_node *n = arg;

    n->fenced++;
    bed_text(n->last_fenced, hold->client_id, hold->client_id_len);
}

static inline void bed_subscribed(void *arg, struct mqtt_slice client_id,
                                  const struct store_subscription *sub)
{
    struct bed_node *n = arg;
    struct bed_sub new_sub = {.qos = sub->qos};

    bed_text(new_sub.client, client_id.data, client_id.len);
    bed_text(new_sub.filter, sub->filter.data, sub->filter.len);
    for (size_t i = 0; i < n->sub_count; i++) {
        if (strcmp(n->subs[i].client, new_sub.client) == 0 &&
            strcmp(n->subs[i].filter, new_sub.filter) == 0) {
            n->subs[i] = new_sub;
            return;
        }
    }
    assert_true(n->sub_count < BED_LIST);
    n->subs[n->sub_count++] = new_sub;
}

static inline void bed_unsubscribed(void *arg, struct mqtt_slice client_id,
                                    struct mqtt_slice filter)
{
    struct bed_node *n = arg;
    char client[BED_TEXT];
    char text[BED_TEXT];

    bed_text(client, client_id.data, client_id.len);
    bed_text(text, filter.data, filter.len);
    for (size_t i = 0; i < n->sub_count; i++)
        if (strcmp(n->subs[i].client, client) == 0 && strcmp(n->subs[i].filter, text) == 0)
            n->subs[i--] = n->subs[--n->sub_count];
}

static inline void bed_ended(void *arg, struct mqtt_slice client_id)
{
    struct bed_node *n = arg;
    char client[BED_TEXT];

    bed_text(client, client_id.data, client_id.len);
    for (size_t i = 0; i < n->sub_count; i++)
        if (strcmp(n->subs[i].client, client) == 0)
            n->subs[i--] = n->subs[--n->sub_count];
}

static inline void bed_gap(void *arg)
{
    ((struct bed_node *)arg)->gaps++;
}

static inline bool bed_start_over(void *arg, struct timebox *box)
{
    struct bed_node *n = arg;

    (void)box;
    n->start_overs++;
    n->sub_count = 0;
    for (struct bed_client *c = n->clients; c != NULL; c = c->next)
        c->connected = false;
    return true;
}

static inline void bed_each_subscription(void *arg, struct mqtt_slice client_id,
                                         store_subscription_fn *each, void *each_arg)
{
    struct bed_node *n = arg;

    for (size_t i = 0; i < n->sub_count; i++) {
        struct store_subscription sub = {.filter = {.data = (const uint8_t *)n->subs[i].filter,
                                                    .len = (uint32_t)strlen(n->subs[i].filter)},
                                         .qos = n->subs[i].qos};

        if (strlen(n->subs[i].client) == client_id.len &&
            memcmp(n->subs[i].client, client_id.data, client_id.len) == 0)
            each(each_arg, &sub);
    }
}

static inline struct store_hold *bed_hold_of(void *arg, struct mqtt_slice client_id)
{
    struct bed_node *n = arg;

    for (struct bed_client *c = n->clients; c != NULL; c = c->next)
        if ((c->connected || c->completions == 0) && strlen(c->id) == client_id.len &&
            memcmp(c->id, client_id.data, client_id.len) == 0)
            return &c->hold;
    return NULL;
}

static inline void bed_shift(void *arg, uint64_t by_ms)
{
    (void)by_ms;
    ((struct bed_node *)arg)->shifts++;
}

/* ---- nodes and turns ------------------------------------------------------------------------- */

static inline struct bed_node *bed_add(struct bed *b)
{
    struct bed_node *n = calloc(1, sizeof(*n));
    struct store_host host = {
        .arg = n,
        .deliver = bed_deliver,
        .publish_will = bed_publish_will,
        .wake = bed_wake,
        .hand_over = bed_hand_over,
        .fenced = bed_fenced,
        .durable_subscribed = bed_subscribed,
        .durable_unsubscribed = bed_unsubscribed,
        .durable_ended = bed_ended,
        .each_subscription = bed_each_subscription,
        .hold_of = bed_hold_of,
        .gap = bed_gap,
        .start_over = bed_start_over,
        .clients_shift_clocks = bed_shift,
        .route_added = bed_route_added,
        .route_removed = bed_route_removed,
        .node_removed = bed_node_removed,
        .match = bed_match,
        .has_interest = bed_has_interest,
        .takes_more = bed_takes_more,
    };
    char err[200] = "";
    size_t at = 0;

    n->bed = b;
    evutil_secure_rng_get_bytes(&n->id, sizeof(n->id));
    n->store = store_redis_new(b->base, &b->cfg, &host, NULL, err, sizeof(err));
    assert_non_null(n->store);
    while (b->nodes[at] != NULL)
        at++;
    assert_true(at < BED_NODES);
    b->nodes[at] = n;
    return n;
}

/* As by kill -9: its connections close, nothing is said. */
static inline void bed_kill(struct bed *b, struct bed_node *n)
{
    for (size_t i = 0; i < BED_NODES; i++)
        if (b->nodes[i] == n)
            b->nodes[i] = NULL;
    for (struct bed_client *c = n->clients; c != NULL; c = c->next)
        if (c->asked_done != NULL)
            c->asked_done(c->asked_arg, STORE_UNAVAILABLE);
    bed_end_wills(n, STORE_UNAVAILABLE);
    n->store->ops->free(n->store);
    while (n->clients != NULL) {
        struct bed_client *c = n->clients;

        n->clients = c->next;
        free(c->entries);
        free(c);
    }
    free(n->got);
    free(n);
}

static inline void bed_input_within(struct store *s, uint64_t box_us)
{
    struct timebox box;

    timebox_open(&box, box_us);
    store_input(s, &box);
}

static inline void bed_input(struct store *s)
{
    bed_input_within(s, 1000000);
}

static inline void bed_turn(struct bed *b)
{
    struct timeval tv = {.tv_usec = 10000};

    event_base_loopexit(b->base, &tv);
    event_base_loop(b->base, EVLOOP_ONCE);
    for (size_t i = 0; i < BED_NODES; i++)
        if (b->nodes[i] != NULL && !b->nodes[i]->stopped)
            bed_input_within(b->nodes[i]->store, b->without_time ? 0 : 1000000);
    for (size_t i = 0; i < BED_NODES; i++)
        if (b->nodes[i] != NULL && !b->nodes[i]->stopped)
            b->nodes[i]->store->ops->flush(b->nodes[i]->store);
}

#define BED_UNTIL_MS(b, condition, ms)                                                             \
    do {                                                                                           \
        uint64_t end_ = clock_monotonic_ms() + (ms);                                               \
        while (!(condition) && clock_monotonic_ms() < end_)                                        \
            bed_turn(b);                                                                           \
        assert_true(condition);                                                                    \
    } while (0)
#define BED_UNTIL(b, condition) BED_UNTIL_MS(b, condition, 5000)

static inline void bed_run(struct bed *b, uint64_t ms)
{
    uint64_t end = clock_monotonic_ms() + ms;

    while (clock_monotonic_ms() < end)
        bed_turn(b);
}

static inline bool bed_ready(const struct bed_node *n)
{
    return n->store->ops->health(n->store) == STORE_READY;
}

static inline struct bed_node *bed_add_ready(struct bed *b)
{
    struct bed_node *n = bed_add(b);

    BED_UNTIL(b, bed_ready(n));
    return n;
}

static inline int bed_setup(void **state)
{
    struct bed *b = calloc(1, sizeof(*b));

    log_init("test", getenv("BED_LOG") != NULL ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    *state = b;
    if (!redis_server_start(&b->server))
        return -1;
    b->base = event_base_new();
    b->redis = redis_server_connect(&b->server);
    b->cfg = (struct store_redis_config){
        .url = b->server.url,
        .connect_timeout_ms = 500,
        .command_timeout_ms = 1000,
        .reconnect_min_ms = 10,
        .reconnect_max_ms = 100,
        .lease_ms = 1000,
        .beat_interval_ms = 100,
        .hang_ms = 100, /* a stopped node's heart stops too, as under SIGSTOP */
        .route_linger_ms = 300,
        .dedup_window_ms = 60000,
        .inbox_limit = 10000,
        .dedup_limit = 10000,
        .log_entries = 20000,
        .log_bytes = 32 << 20,
        .queue_limit = 1000,
    };
    return b->base != NULL && b->redis != NULL ? 0 : -1;
}

static inline int bed_teardown(void **state)
{
    struct bed *b = *state;

    for (size_t i = 0; i < BED_NODES; i++)
        if (b->nodes[i] != NULL)
            bed_kill(b, b->nodes[i]);
    if (b->redis != NULL)
        redisFree(b->redis);
    event_base_free(b->base);
    redis_server_stop(&b->server);
    free(b);
    return 0;
}

/* An integer, the length of an array, or -1 for nil; of a command without spaces in arguments. */
static inline long long bed_redis(struct bed *b, const char *command)
{
    redisReply *r = redisCommand(b->redis, command);
    long long n = -1;

    assert_non_null(r);
    if (r->type == REDIS_REPLY_INTEGER)
        n = r->integer;
    else if (r->type == REDIS_REPLY_ARRAY)
        n = (long long)r->elements;
    else if (r->type == REDIS_REPLY_STRING)
        n = atoll(r->str);
    freeReplyObject(r);
    return n;
}

/* ---- clients --------------------------------------------------------------------------------- */

static inline void bed_on_done(void *arg, enum store_status status)
{
    struct bed_client *c = arg;

    c->status = (int)status;
    c->completions++;
    c->done_ns = clock_thread_cpu_ns();
}

static inline void bed_on_connect(void *arg, enum store_status status,
                                  const struct store_connect_result *r)
{
    struct bed_client *c = arg;

    c->status = (int)status;
    c->completions++;
    c->connected = status == STORE_OK;
    if (r == NULL)
        return;
    c->present = r->session_present;
    c->next_sequence = r->next_sequence;
    c->sub_count = r->subscription_count;
    c->released_count = r->released_count;
    for (size_t i = 0; i < r->released_count && i < 8; i++)
        c->released[i] = r->released[i];
}

struct bed_will {
    const char *topic, *payload;
    uint8_t qos;
    uint32_t delay_s;
};

static inline struct message *bed_message(struct bed_node *n, const char *topic,
                                          const char *payload, uint8_t qos, bool retain)
{
    struct mqtt_publish p = {
        .topic = bed_slice(topic), .payload = bed_slice(payload), .qos = qos, .retain = retain};
    struct message *m = message_new(
        &p, (struct message_id){.node = n->id, .sequence = ++n->sequence}, bed_slice("pub"));

    assert_non_null(m);
    return m;
}

/* Begins to connect; BED_UNTIL(c->status >= 0) waits for it. */
static inline struct bed_client *bed_connect_begin(struct bed_node *n, const char *id, bool durable,
                                                   bool clean_start, const struct bed_will *will)
{
    struct bed_client *c = calloc(1, sizeof(*c));
    struct store_connect_request req = {.hold = &c->hold,
                                        .clean_start = clean_start,
                                        .session_expiry_s = durable ? STORE_EXPIRES_NEVER : 0};

    c->node = n;
    c->next = n->clients;
    n->clients = c;
    c->status = -1;
    snprintf(c->id, sizeof(c->id), "%s", id);
    c->hold.client_id = c->id;
    c->hold.client_id_len = (uint32_t)strlen(id);
    c->hold.durable = durable;
    c->hold.user = n->bed->user;
    c->hold.arrived_ms = n->bed->arrived_ms;
    if (will != NULL) {
        req.will.message = bed_message(n, will->topic, will->payload, will->qos, false);
        req.will.delay_s = will->delay_s;
    }
    n->store->ops->connect(n->store, &req, bed_on_connect, c);
    message_unref(req.will.message);
    return c;
}

static inline struct bed_client *bed_connect_will(struct bed_node *n, const char *id, bool durable,
                                                  const struct bed_will *will)
{
    struct bed_client *c = bed_connect_begin(n, id, durable, !durable, will);

    BED_UNTIL(n->bed, c->status >= 0);
    assert_int_equal(c->status, STORE_OK);
    return c;
}

static inline struct bed_client *bed_connect(struct bed_node *n, const char *id, bool durable)
{
    return bed_connect_will(n, id, durable, NULL);
}

static inline void bed_disconnect(struct bed_client *c, bool publish_will)
{
    c->status = -1;
    bed_left(c);
    c->node->store->ops->disconnect(c->node->store, &c->hold, publish_will,
                                    c->hold.durable ? STORE_EXPIRES_NEVER : 0, bed_on_done, c);
    BED_UNTIL(c->node->bed, c->status >= 0);
}

static inline void bed_subscribe(struct bed_client *c, const char *filter, uint8_t qos)
{
    struct store_subscription sub = {.filter = bed_slice(filter), .qos = qos};

    c->status = -1;
    if (c->hold.durable) /* the core does this itself */
        bed_subscribed(c->node, bed_slice(c->id), &sub);
    c->node->store->ops->subscribe(c->node->store, &c->hold, &sub, 1, bed_on_done, c);
    BED_UNTIL(c->node->bed, c->status >= 0);
    assert_int_equal(c->status, STORE_OK);
}

static inline void bed_unsubscribe(struct bed_client *c, const char *filter)
{
    struct mqtt_slice f = bed_slice(filter);

    c->status = -1;
    bed_unsubscribed(c->node, bed_slice(c->id), f);
    c->node->store->ops->unsubscribe(c->node->store, &c->hold, &f, 1, bed_on_done, c);
    BED_UNTIL(c->node->bed, c->status >= 0);
    assert_int_equal(c->status, STORE_OK);
}

/* Publishes; `c` is told (status, completions). qos2_packet_id 0: not from a durable publisher. */
static inline void bed_publish_begin(struct bed_client *c, const char *topic, const char *payload,
                                     uint8_t qos, bool retain, uint16_t qos2_packet_id)
{
    struct bed_node *n = c->node;
    struct message *m = bed_message(n, topic, payload, qos, retain);
    struct store_publish_request req = {
        .message = m, .hold = &c->hold, .qos2_packet_id = qos2_packet_id};

    c->status = -1;
    bed_match(n, m, &req.targets);
    n->store->ops->publish(n->store, &req, qos > 0 ? bed_on_done : NULL, c);
    message_unref(m);
}

static inline void bed_publish(struct bed_client *c, const char *topic, const char *payload,
                               uint8_t qos)
{
    bed_publish_begin(c, topic, payload, qos, false, 0);
    if (qos == 0)
        return;
    BED_UNTIL(c->node->bed, c->status >= 0);
    assert_int_equal(c->status, STORE_OK);
}

static inline void bed_on_fetch(void *arg, enum store_status status,
                                const struct store_entry *entries, size_t count, bool more)
{
    struct bed_client *c = arg;

    c->status = (int)status;
    c->fetched = true;
    c->more = more;
    for (size_t i = 0; i < count; i++) {
        bed_note(&c->entries, &c->entry_count, &c->entry_size, entries[i].message);
        c->entries[c->entry_count - 1].qos = entries[i].qos;
        c->entries[c->entry_count - 1].retain = entries[i].retain;
        c->entries[c->entry_count - 1].duplicate = entries[i].duplicate;
        c->entries[c->entry_count - 1].sequence = entries[i].sequence;
    }
}

/* Fetches from a sequence on; appends to c->entries. */
static inline void bed_fetch(struct bed_client *c, uint64_t from, size_t max)
{
    c->fetched = false;
    c->node->store->ops->fetch(c->node->store, &c->hold, from, max, 1 << 20, bed_on_fetch, c);
    BED_UNTIL(c->node->bed, c->fetched);
}

/* As the core does it, which is woken when there is something: after a restart of Redis a session is
 * read only once it is asserted again. */
static inline void bed_fetch_first(struct bed_client *c, uint64_t from, size_t max)
{
    for (int i = 0; i < 200 && c->entry_count == 0; i++) {
        bed_fetch(c, from, max);
        bed_turn(c->node->bed);
    }
}

#endif
