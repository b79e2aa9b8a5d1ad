/*
 * bed_node - the bed itself, its nodes and their turns (fleet_bed.h).
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_FLEET_BED_NODE_H
#define FLOTILLA_TESTS_UNIT_BROKER_FLEET_BED_NODE_H

#include "tests/unit/broker/fleet/bed_host.h"

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

#endif
