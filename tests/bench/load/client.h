/*
 * client - the MQTT side of a measured connection: CONNECT, SUBSCRIBE, acknowledgements, and a
 * sentence on standard error when the server doesn't do what it should.
 */
#ifndef FLOTILLA_TESTS_BENCH_LOAD_CLIENT_H
#define FLOTILLA_TESTS_BENCH_LOAD_CLIENT_H

#include "tests/bench/load/conn.h"
#include "tests/bench/load/options.h"

struct client_identity {
    const char *prefix; /* client id is prefix + index + a suffix of this run */
    bool clean;
    bool takes_messages; /* with --aliases it allows the server some */
};

void client_send_connect(struct conn *c, const struct options *o, const struct client_identity *id);
/* Ends the program when the CONNACK refuses. Returns how many messages at QoS 1 or 2 the server
 * takes at once (5.0: its Receive Maximum). */
unsigned client_take_connack(const struct conn *c, const struct options *o, const struct frame *f);
void client_send_disconnect(struct conn *c);

/* Filters of one SUBSCRIBE or UNSUBSCRIBE. */
#define FILTERS_MAX 250u
struct filters {
    uint8_t bytes[FILTERS_MAX * 64];
    size_t used;
    unsigned count;
};
void filters_add(struct filters *l, bool subscribe, const char *filter, unsigned qos);
bool filters_are_full(const struct filters *l);
void client_send_filters(struct conn *c, const struct options *o, bool subscribe,
                         const struct filters *l, uint16_t packet_id);
/* Ends the program when one was refused. Returns the packet id. */
uint16_t client_take_suback(const struct conn *c, const struct options *o, const struct frame *f);

struct received {
    struct mqtt_slice topic, payload;
    unsigned qos;
    uint16_t packet_id;
    bool dup, retain;
};
/* Describes a PUBLISH frame in place, and sends its PUBACK or PUBREC. */
void client_take_publish(struct conn *c, const struct options *o, const struct frame *f,
                         struct received *out);
/* Answers a PUBREL. */
void client_take_pubrel(struct conn *c, const struct frame *f);
/* The publisher's side: true when the frame ends a message's way to the server (PUBACK, PUBCOMP);
 * answers PUBREC. Ends the program when the server says that it failed. */
bool client_take_ack(struct conn *c, const struct frame *f);
/* For all that isn't expected: 5.0's DISCONNECT ends the program with its reason. */
void client_take_other(const struct conn *c, const struct frame *f);

#endif
