/*
 * broker_parties - two connections under the input's control and one that watches everything, above a broker's core
 * without sockets (core_fixture.h). What is under the core, the target says.
 *
 * Input: a byte of options, then a list of steps (broker_steps.h). A turn of the broker follows each.
 * Demanded: what broker_watch.h promises; what waits for a connection that doesn't read stays within its bound; once
 *        all connections and sessions have ended nothing is left, of memory too.
 */
#ifndef FLOTILLA_TESTS_FUZZ_BROKER_PARTIES_H
#define FLOTILLA_TESTS_FUZZ_BROKER_PARTIES_H

#include "broker/base/account.h"
#include "common/log/log.h"
#include "tests/fuzz/broker_steps.h"

/* ---- before and after ------------------------------------------------------------------------ */

/* It subscribes at QoS 2 and never acknowledges: its window fills, and its queue overflows. */
static void watcher_everything(struct parties *p)
{
    static const char hello[] = "\x10\x13\0\4MQTT\4\2\0\0\0\7watcher\x82\x06\0\1\0\1#\2";
    p->watcher = core_connect(&p->core);
    core_give(p->watcher, hello, sizeof(hello) - 1);
    settle(p);
    DEMAND(!p->watcher->freed);
}

static void note_session(void *arg, struct session *s)
{
    struct session **first = arg;
    *first = s;
}

/* A connection that asks for a clean session, and ends. */
static void end_session(struct parties *p, struct mqtt_slice id)
{
    uint8_t bytes[2048];
    struct mqtt_packet connect = {
        .type = MQTT_CONNECT,
        .u.connect = {.version = MQTT_V311, .level = 4, .clean_start = true, .client_id = id}};
    size_t len = mqtt_encode(&connect, MQTT_V311, bytes, sizeof(bytes));
    struct core_client *c = core_connect(&p->core);
    DEMAND(len > 0);
    core_give(c, bytes, len);
    settle(p);
    core_give_end(c);
    await_freed(p, c);
    core_client_free(c);
}

/* Durable sessions stay until each is ended, or their time is over. */
static void end_sessions(struct parties *p)
{
    bool by_time = !p->core.config.auth.shared_client_ids;
    if (by_time)
        pass_time(p, 2 * p->core.config.limits.session_expiry_ms);
    for (int i = 0; by_time && session_table_count(p->core.broker->sessions) > 0; i++) {
        DEMAND(i < 1000);
        fuzz_clock_move(900);
        turn(p);
    }
    for (int i = 0; session_table_count(p->core.broker->sessions) > 0; i++) {
        struct session *s = NULL;
        DEMAND(i < 1000);
        session_table_each(p->core.broker->sessions, note_session, &s);
        DEMAND(s != NULL);
        end_session(p, session_id(s));
    }
}

static void tell_account(void)
{
    for (int i = 0; i < ACCOUNT_KIND_COUNT; i++)
        if (account.by_kind[i] != 0)
            fprintf(stderr, "%s: %llu bytes\n", account_names[i],
                    (unsigned long long)account.by_kind[i]);
}

/* Clients that are closed stay until the store has answered all that was asked for them. */
static void await_answers(struct parties *p)
{
    for (int i = 0; account.by_kind[ACCOUNT_CLIENTS] > 0 && i < 20000; i++)
        turn(p);
}

static void check_nothing_is_left(const struct parties *p)
{
    /* Not of output: its chunks are kept for others (`pending`). */
    static const enum account_kind of_connections[] = {
        ACCOUNT_CLIENTS, ACCOUNT_BEGUN, ACCOUNT_WINDOWS, ACCOUNT_REQUESTS, ACCOUNT_READS};
    uint64_t left = 0;
    const struct broker *b = p->core.broker;
    DEMAND(b->client_count == 0 && b->clients == NULL && b->stats.online == 0);
    DEMAND(b->chunks.pending == 0);
    DEMAND(router_subscription_count(b->router) == 0);
    DEMAND(b->paused_for_store == 0);
    for (size_t i = 0; i < sizeof(of_connections) / sizeof(of_connections[0]); i++)
        left += account.by_kind[of_connections[i]];
    if (left > 0)
        tell_account();
    DEMAND(left == 0);
}

static void parties_config(struct parties *p, bool time_ends_sessions)
{
    static char *methods[] = {"X-MIRROR"};
    struct broker_config *c = &p->core.config;
    c->sys_interval_ms = 0;
    c->auth.methods = (struct config_strings){methods, 1};
    c->mqtt.outgoing_topic_alias_maximum = MAX_ALIASES;
    c->mqtt.topic_alias_maximum = 2;
    c->limits.max_output = LIMIT_OUTPUT;
    c->limits.max_packet_size = 64 * 1024;
    c->limits.max_inflight = MAX_INFLIGHT;
    c->limits.max_queued_messages = 20;
    c->limits.max_topic_levels = 8;
    c->limits.max_subscriptions = 5;
    if (time_ends_sessions)
        c->limits.session_expiry_ms = 600000;
    else
        c->auth.shared_client_ids = true; /* each session can be ended by anybody */
}

static void parties_make_broker(struct parties *p)
{
    static const struct broker_random fixed = {.hash_key = 42, .message_node = 1};
    char err[256];
    p->core.broker = broker_new_core(&p->core.config, &fixed, true, err, sizeof(err));
    if (p->core.broker == NULL)
        fprintf(stderr, "%s\n", err);
    DEMAND(p->core.broker != NULL);
}

static void parties_begin(struct parties *p, const uint8_t *data, size_t size)
{
    static const uint64_t looks_ns[] = {0, 0, 100 * 1000, 5000 * 1000};
    static uint8_t *out_space[PARTIES]; /* kept from input to input */
    struct config_error error;
    log_init("fuzz", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    p->in = (struct input){data, size};
    uint8_t options = next_byte(&p->in);
    fuzz_clock_set(looks_ns[options & 3]);
    p->split = 0;
    memset(p->sessions, 0, sizeof(p->sessions));
    for (int i = 0; i < PARTIES; i++) {
        if (out_space[i] == NULL && (out_space[i] = malloc(OUT_SIZE)) == NULL)
            abort();
        p->party[i].out = out_space[i];
        p->party[i].link = NULL;
        p->party[i].next_id = 0;
    }
    memset(&p->core, 0, sizeof(p->core));
    DEMAND(broker_config_default(&p->core.config, &error));
    parties_config(p, (options & 4) != 0);
}

/* All steps, and the ends of all connections. */
static void parties_run(struct parties *p)
{
    watcher_everything(p);
    while (p->in.left > 0)
        step(p);
    if (p->all_is_well != NULL)
        p->all_is_well();
    for (int i = 0; i < PARTIES; i++)
        if (p->party[i].link != NULL)
            close_party(p, &p->party[i]);
    core_give_end(p->watcher);
    await_freed(p, p->watcher);
    core_client_free(p->watcher);
    p->watcher = NULL;
}

static void parties_end(struct parties *p)
{
    p->core.config.auth.methods = (struct config_strings){0}; /* literals */
    core_fini(&p->core);
    account_set(ACCOUNT_STORE, 0); /* as the store said in the last turn that it had */
    if (account.total != 0)
        tell_account();
    DEMAND(account.total == 0);
}

#endif
