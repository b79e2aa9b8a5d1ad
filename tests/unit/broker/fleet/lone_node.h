/*
 * lone_node - one node's context with its modules, and no Redis: the test sees each command that a module
 * writes, and answers it when and as it wants. For inclusion by one test program.
 *
 * Links:    `commands` is up, greeted by a listener in this process; nothing is ever read from it or
 *           written to it afterwards. `channel` and `replica_link` are the same link.
 * Commands: redis_gets says what the oldest one must be (redis_gets_first: how it begins), redis_says
 *           answers it. A script's call reads "name key arguments"; the number of a bucket is left out
 *           ("fl:{s}:").
 * Host:     what the core is told is kept as text, and so are completions (lone_done): assert_told.
 * Time:     stands still; a test moves now_ms and boot_ms.
 *
 * What is what: lone_types.h; the core: lone_host.h; Redis: lone_redis.h; clients and messages:
 * lone_client.h.
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_FLEET_LONE_NODE_H
#define FLOTILLA_TESTS_UNIT_BROKER_FLEET_LONE_NODE_H

#include "broker/fleet/exchange/fleet_nodes.h"
#include "broker/fleet/exchange/fleet_parts.h"
#include "broker/fleet/fleet_modules.h"
#include "broker/fleet/fleet_over.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/wire/fleet_frame.h"
#include "common/log/log.h"
#include "tests/unit/broker/fleet/lone_client.h"
#include "tests/unit/broker/fleet/lone_redis.h"

static inline void lone_on_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    ((struct lone_node *)arg)->woken = true;
}

/* fleet_wake was called since this was asked last. */
static inline bool lone_is_woken(struct lone_node *n)
{
    event_base_loop(n->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    bool woken = n->woken;
    n->woken = false;
    return woken;
}

static inline void lone_endless_time(struct lone_node *n)
{
    timebox_open_at(&n->box, UINT64_MAX, 0, 0);
    n->f.box = &n->box;
}

/* The box is over at the first look at the clock. */
static inline void lone_no_time(struct lone_node *n)
{
    timebox_open_at(&n->box, 0, 0, 0);
    n->f.box = &n->box;
}

static inline int lone_setup(void **state)
{
    static const struct fleet_connect_ops connect_ops = {.node_gone = lone_node_gone};
    struct lone_node *n = calloc(1, sizeof(*n));
    assert_non_null(n);
    log_init("test", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    *state = n;
    n->base = n->f.base = event_base_new();
    n->f.wake = event_new(n->base, -1, 0, lone_on_event, n);
    n->f.id = LONE_ID;
    n->f.calls = 1;
    n->f.hash_key = 42;
    n->f.now_ms = n->f.boot_ms = 100000;
    n->f.state = FLEET_READY;
    n->f.lease = FLEET_LEASE_SURE;
    n->f.log_valid = n->f.may_kill = n->f.knows_clock = true;
    fleet_hex(n->f.id, n->f.hex);
    strcpy(n->f.run_tag, "run00001");
    fleet_keys_init(&n->f.keys, NULL);
    n->f.cfg = (struct store_redis_config){.lease_ms = 1000,
                                           .beat_interval_ms = 100,
                                           .route_linger_ms = 300,
                                           .dedup_window_ms = 60000,
                                           .inbox_limit = 10,
                                           .dedup_limit = 100,
                                           .log_entries = 200,
                                           .log_bytes = 3000,
                                           .queue_limit = 40};
    n->f.host = lone_host(n);
    assert_true(fleet_modules_init(&n->f, NULL));
    n->f.connect_ops = &connect_ops;
    lone_open_link(n);
    lone_endless_time(n);
    return 0;
}

static inline int lone_teardown(void **state)
{
    struct lone_node *n = *state;
    n->f.lease = FLEET_LEASE_NONE;
    lone_endless_time(n);
    fleet_holds_detach(&n->f);
    while (n->wills != NULL)
        lone_will_done(n, STORE_UNAVAILABLE);
    fleet_drop_everything(&n->f);
    redis_link_free(n->f.commands);
    fleet_modules_free(&n->f);
    event_free(n->f.wake);
    event_base_free(n->base);
    while (n->clients != NULL) {
        struct lone_client *c = n->clients;
        n->clients = c->next;
        free(c);
    }
    while (n->calls != NULL) {
        struct lone_call *c = n->calls;
        n->calls = c->next;
        free(c);
    }
    free(n);
    return 0;
}

#define LONE_TEST(test) cmocka_unit_test_setup_teardown(test, lone_setup, lone_teardown)

#endif
