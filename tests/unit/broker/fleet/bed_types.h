/*
 * bed_types - what a bed, its nodes and its connections are (fleet_bed.h).
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_FLEET_BED_TYPES_H
#define FLOTILLA_TESTS_UNIT_BROKER_FLEET_BED_TYPES_H

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

enum { BED_NODES = 6, BED_LIST = 512, BED_TEXT = 64, BED_IDS = 4 };

struct bed_route {
    void *node;
    char filter[BED_TEXT];
};
struct bed_sub {
    char client[BED_TEXT], filter[BED_TEXT];
    uint8_t qos;
    bool no_local, retain_as_published;
    uint32_t subscription_id;
};
struct bed_message {
    char topic[BED_TEXT], payload[BED_TEXT];
    uint8_t qos;
    bool retain, duplicate;
    uint64_t sequence;
    uint32_t ids[BED_IDS], id_count; /* of subscriptions */
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
    bool gets;               /* what host->deliver answers: somebody here wants it */
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

#endif
