/*
 * publish - brings a message to all its receivers: to this broker's clients, and to the store for
 * the rest (queues of durable sessions, other nodes, retained values).
 *
 * Data flow: publish handlers and wills call publish_route, and publish_store if it says so; the
 *            store calls publish_local for what other nodes sent; sys_topics.c calls publish_sys.
 *            router.c finds who it is for, fanout.c hands it out.
 */
#ifndef FLOTILLA_BROKER_DELIVERY_PUBLISH_H
#define FLOTILLA_BROKER_DELIVERY_PUBLISH_H

#include "broker/message/message.h"
#include "broker/routing/router.h"
#include "broker/store/store.h"

struct broker;
struct session;

/* What the router tells, for router_new: arg is the broker. */
struct router_hooks publish_router_hooks(struct broker *b);

/* One message on its way in. */
struct publish {
    const struct mqtt_publish *fields;
    struct message *message;   /* the same, when somebody keeps it already (wills); may be NULL */
    struct session *publisher; /* NULL: the broker itself, or a will */
    struct store_hold *hold;   /* the publisher's */
    /* Of a durable publisher, else 0: the store has the message delivered, not publish_route. */
    uint16_t qos2_packet_id;
    uint64_t expires_at_ms; /* as in struct message; of `message` its own */
    bool *reached; /* set when anybody gets it, at the latest before the completion; may be NULL */
};

/* Who else must get a message, as publish_route found it. */
struct publish_found {
    struct store_targets targets; /* from the store */
    struct kept_match own;        /* the own clients, if they get it when the store has completed */
};

/* Delivers to this broker's own clients and finds out who else must get it. PUBLISH_STORE: call
 * publish_store with the same message and what was found, before anything else is published;
 * PUBLISH_DONE: that was all.
 * In a fleet, QoS 1 and 2 reach the own clients only when the store has completed: until then the
 * message isn't safe, this node may be declared dead (rule 2), and a client that subscribes
 * meanwhile gets it, too (promise 1). */
enum publish_next { PUBLISH_DONE, PUBLISH_STORE };
enum publish_next publish_route(struct broker *b, const struct publish *p,
                                struct publish_found *found);
/* Hands the message to the store. `done` may be NULL at QoS 0; without memory for the message it
 * gets STORE_UNAVAILABLE. */
void publish_store(struct broker *b, const struct publish *p, const struct publish_found *found,
                   store_done_fn *done, void *arg);
/* A message of the broker itself ($SYS): to this broker's clients only, at QoS 0. */
void publish_sys(struct broker *b, const struct mqtt_publish *p);
/* A message that the store brings, to this broker's connected sessions: store_host.deliver. */
bool publish_local(struct broker *b, struct message *m);

/* The id of a message that this broker makes. */
struct message_id publish_next_id(struct broker *b);

/* The message would be another one for many while one is handed out: it is to be published later. */
bool publish_must_wait(struct broker *b, const struct mqtt_publish *p);
/* See store_host.takes_more and worked_us. */
bool publish_takes_more(const struct broker *b);
uint32_t publish_worked_us(const struct broker *b);

#endif
