/*
 * request - a packet of a client that is to be answered once the store has done its part.
 *
 * Order:     answers go out in the order in which the packets came (MQTT 3.1.1, 4.6), whatever
 *            order the store completes in. A client with max_unacknowledged of them, or with
 *            max_unacknowledged_bytes in them, isn't read further: what one client sends must not
 *            delay the store's work for others. A message counts once per queue and node that the
 *            store writes it to.
 * Ownership: allocated per packet, only when the answer can't be given at once; freed when
 *            answered, or at the completion if the client is closed by then.
 */
#ifndef FLOTILLA_BROKER_CLIENT_REQUEST_H
#define FLOTILLA_BROKER_CLIENT_REQUEST_H

#include "broker/routing/subscriber.h"
#include "broker/store/store.h"

struct client;
struct request;

enum request_state { REQUEST_WAITING, REQUEST_DONE, REQUEST_FAILED };

/* What a SUBSCRIBE or UNSUBSCRIBE names, and how far it is worked through. */
struct request_list {
    void (*answer)(struct client *c, struct request *q); /* sends SUBACK or UNSUBACK */
    uint32_t count;                                      /* of filters */
    uint32_t piece, taken; /* where the piece begins that is at the store, and ends */
    bool due;              /* the next piece may be taken */
    bool pauses;           /* it takes several pieces: PAUSE_LIST until it is through */
    /* The filters, with their texts after them. `code`: what the answer says, a reason code of 5.0;
     * of a SUBSCRIBE at first the QoS asked for. What is granted is sent its retained messages once
     * answered, by `retain_handling` (5.0: 3.8.3.1). `replaced`: the session had the filter, with the
     * options `before`. */
    struct wish {
        struct mqtt_slice filter;
        struct subscription_options options, before; /* asked for; replaced */
        uint8_t code;
        uint8_t retain_handling;
        bool replaced;
    } wishes[];
};

struct request {
    struct request *next; /* behind the client's last one comes the first */
    struct client *client;
    uint8_t state;  /* enum request_state */
    uint8_t answer; /* enum mqtt_type */
    uint16_t packet_id;
    /* 5.0: of the answer. A publish that has none, and that nobody was reached by, says so itself. */
    uint8_t reason;
    bool reached;
    uint32_t bytes; /* that the store was given with it */
    uint64_t started_us;
    struct request_list *list; /* NULL: another packet, or none could be made */
};

/* Adds it to the client's requests, waiting, with so many bytes for the store; counts one operation
 * of the client (c->ops). NULL when out of memory (the client is marked for closing then). */
struct request *request_new(struct client *c, enum mqtt_type answer, uint16_t packet_id,
                            size_t bytes);
/* A store_done_fn whose arg is the request. */
void request_done(void *arg, enum store_status status);
/* Answers now, or after what is still waiting. `reason`: of 5.0. */
void request_answer(struct client *c, enum mqtt_type answer, uint16_t packet_id, uint8_t reason);
/* The one because of which the client is paused by PAUSE_LIST. */
struct request *requests_list(const struct client *c);
/* The client is closed: nothing will be answered, and no further piece of a list is taken. */
void requests_drop(struct client *c);

#endif
