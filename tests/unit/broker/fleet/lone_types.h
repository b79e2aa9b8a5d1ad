/*
 * lone_types - what a lone node and its clients are (lone_node.h).
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_FLEET_LONE_TYPES_H
#define FLOTILLA_TESTS_UNIT_BROKER_FLEET_LONE_TYPES_H

#include <event2/event.h>
#include <stdint.h>
#include <string.h>

#include "broker/fleet/node/fleet.h"
#include "common/base/timebox.h"
#include "tests/unit/broker/fleet/reply.h"

#define LONE_HEX "000000000000000a"  /* this node */
#define OTHER_HEX "000000000000000b" /* another one */

enum { LONE_ID = 0xa, OTHER_ID = 0xb, LONE_EPOCH = 5, LONE_TEXT = 1 << 15, LONE_LIST = 8 };

struct lone_node;

/* Who waits for a completion; it is told by its name. The node owns it. */
struct lone_call {
    struct lone_call *next;
    struct lone_node *n;
    const char *name;
};

/* One that the core publishes. */
struct lone_will {
    struct lone_will *next;
    store_done_fn *done;
    void *arg;
};

struct lone_client {
    struct lone_client *next;
    struct store_hold hold;
    char id[16];
};

struct lone_node {
    struct fleet f;
    struct event_base *base;
    struct timebox box;
    struct lone_client *clients;
    struct lone_call *calls;
    char told[LONE_TEXT];
    /* What the core answers. */
    struct store_subscription subs[LONE_LIST];
    size_t sub_count;
    struct store_hold *held;
    uint64_t unfinished[LONE_LIST], next_sequence;
    size_t unfinished_count;
    struct store_targets targets;
    bool has_interest;
    bool woken;              /* fleet_wake */
    struct lone_will *wills; /* that it publishes; the last one first */
};

static inline struct mqtt_slice lone_slice(const char *text)
{
    return (struct mqtt_slice){.data = (const uint8_t *)text, .len = (uint32_t)strlen(text)};
}

#endif
