/*
 * message - one published application message, shared by reference by all who must deliver it.
 *
 * Ownership: message_new copies topic, payload and properties into one allocation with the struct;
 *            message_ref/message_unref count. Immutable once made, but for what it counts as
 *            (message_keep).
 * Threads:   none; the broker has one.
 */
#ifndef FLOTILLA_BROKER_MESSAGE_MESSAGE_H
#define FLOTILLA_BROKER_MESSAGE_MESSAGE_H

#include "common/mqtt/mqtt.h"

/* Names a message in the whole fleet, and stays the same when it is sent again: queues and inboxes
 * use it to skip repeats. For QoS 2 from a durable client it survives the broker's death. */
struct message_id {
    uint64_t node;     /* random id of the node that took it from its publisher */
    uint64_t sequence; /* counts up from 1 on that node */
};

struct message {
    uint32_t refs;
    uint8_t qos; /* as published */
    bool retain; /* as published */
    bool kept;   /* message_keep was called */
    struct message_id id;
    uint64_t expires_at_ms;           /* by the store's clock (store_now_ms), 0: never */
    struct mqtt_slice topic, payload; /* point into `bytes` */
    /* v5 properties that go to receivers as they came: all of the publisher's but topic alias and
     * message expiry. (In a will that isn't published yet: its properties without the delay.) */
    struct mqtt_slice props;
    struct mqtt_slice publisher; /* client id, may be empty; for no_local and logs */
    uint8_t bytes[];
};

struct message *message_new(const struct mqtt_publish *p, struct message_id id,
                            struct mqtt_slice publisher);
static inline struct message *message_ref(struct message *m)
{
    m->refs++;
    return m;
}
void message_unref(struct message *m);
/* Bytes of what is in it, for bounds in bytes. */
static inline size_t message_content_size(const struct message *m)
{
    return (size_t)m->topic.len + m->payload.len + m->props.len;
}
/* `now_ms`: of the store's clock. */
static inline bool message_is_expired(const struct message *m, uint64_t now_ms)
{
    return m->expires_at_ms != 0 && m->expires_at_ms <= now_ms;
}
/* It is in a durable queue or a retained value: its memory counts as what lasts (account.h). */
void message_keep(struct message *m);

#endif
