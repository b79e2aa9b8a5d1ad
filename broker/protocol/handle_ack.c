/*
 * PUBACK, PUBREC and PUBCOMP from a client: the outgoing window moves on, and for a durable session
 * the store forgets (or notes as released) what was in its queue.
 */
#include <stdlib.h>

#include "broker/client/client.h"
#include "broker/client/reason.h"
#include "broker/connection/client_life.h"
#include "broker/delivery/share.h"
#include "broker/protocol/handle.h"
#include "broker/store/store.h"

/* Something may be sent now. */
static void window_moved(struct client *c)
{
    if (c->queue != NULL || c->hold.durable || c->retained != NULL || c->shares != NULL)
        client_mark_work(c);
}

/* The sequence of the packet id if it waits for this answer. An id that nothing waits for is
 * ignored: the client may be answering something of an earlier connection. */
static uint64_t find_open(struct client *c, uint16_t packet_id, enum inflight_state expected)
{
    uint64_t sequence = inflight_find(&c->inflight, packet_id);
    if (sequence == 0)
        return 0;
    return inflight_state(&c->inflight, sequence) == expected ? sequence : 0;
}

void handle_puback(struct client *c, const struct mqtt_packet *p)
{
    uint64_t sequence = find_open(c, p->u.ack.packet_id, INFLIGHT_PUBLISHED);
    if (sequence == 0)
        return;
    inflight_set(&c->inflight, sequence, INFLIGHT_DONE);
    if (c->hold.durable)
        store_ack(c->broker->store, &c->hold, sequence);
    else if (c->shares != NULL)
        share_acked(c, sequence);
    window_moved(c);
}

struct release {
    struct client *client;
    uint64_t sequence;
};

static void on_released(void *arg, enum store_status status)
{
    struct release *r = arg;
    struct client *c = r->client;
    if (client_is_connected(c) && status == STORE_OK) {
        inflight_set(&c->inflight, r->sequence, INFLIGHT_RELEASED);
        client_send_ack(c, MQTT_PUBREL, inflight_packet_id(r->sequence));
    } else if (client_is_connected(c)) {
        client_close_later(c, status == STORE_FENCED ? END_TAKEN_OVER : END_STORE_FAILED);
    }
    free(r);
    client_op_done(c);
}

static void release(struct client *c, uint64_t sequence)
{
    struct release *r = malloc(sizeof(*r));
    if (r == NULL) {
        client_close_later(c, END_NO_MEMORY);
        return;
    }
    *r = (struct release){.client = c, .sequence = sequence};
    inflight_set(&c->inflight, sequence, INFLIGHT_RELEASING);
    c->ops++;
    store_release(c->broker->store, &c->hold, sequence, on_released, r);
}

/* 5.0: the client refused it, and so it is over (4.3.3); the packet id is free. */
static void end_refused(struct client *c, uint64_t sequence)
{
    inflight_set(&c->inflight, sequence, INFLIGHT_DONE);
    if (c->hold.durable)
        store_ack(c->broker->store, &c->hold, sequence);
    else
        share_acked(c, sequence);
    window_moved(c);
}

void handle_pubrec(struct client *c, const struct mqtt_packet *p)
{
    uint16_t packet_id = p->u.ack.packet_id;
    uint64_t sequence = inflight_find(&c->inflight, packet_id);
    enum inflight_state state =
        sequence == 0 ? INFLIGHT_DONE : inflight_state(&c->inflight, sequence);
    switch (state) {
    case INFLIGHT_SENT:
        if (p->u.ack.reason >= MQTT_R_UNSPECIFIED) {
            end_refused(c, sequence);
        } else if (c->hold.durable) {
            release(c, sequence);
        } else {
            share_acked(c, sequence);
            inflight_set(&c->inflight, sequence, INFLIGHT_RELEASED);
            client_send_ack(c, MQTT_PUBREL, packet_id);
        }
        return;
    case INFLIGHT_RELEASED: /* our PUBREL crossed it */
        client_send_ack(c, MQTT_PUBREL, packet_id);
        return;
    case INFLIGHT_DONE: /* long finished here: lets the client finish, too */
        if (p->u.ack.reason < MQTT_R_UNSPECIFIED)
            reason_answer(c, MQTT_PUBREL, packet_id, MQTT_R_PACKET_ID_NOT_FOUND);
        return;
    case INFLIGHT_PUBLISHED:
        reason_fail(c, MQTT_R_PROTOCOL_ERROR, "PUBREC for a message of QoS 1");
        return;
    case INFLIGHT_RELEASING:
        return;
    }
}

void handle_pubcomp(struct client *c, const struct mqtt_packet *p)
{
    uint64_t sequence = find_open(c, p->u.ack.packet_id, INFLIGHT_RELEASED);
    if (sequence == 0)
        return;
    inflight_set(&c->inflight, sequence, INFLIGHT_DONE);
    if (c->hold.durable)
        store_complete(c->broker->store, &c->hold, sequence);
    window_moved(c);
}
