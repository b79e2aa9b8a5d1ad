/*
 * client - the MQTT handshakes of a measured connection: CONNECT, SUBSCRIBE, and when they stand.
 */
#ifndef FLOTILLA_BENCH_CLIENT_H
#define FLOTILLA_BENCH_CLIENT_H

#include "tests/bench/load/conn.h"
#include "tests/bench/load/options.h"

struct client_identity {
    const char *prefix; /* client id is prefix + index + a suffix of this run */
    bool clean;
};

uint64_t get_u64(const uint8_t *p);
uint32_t get_u32(const uint8_t *p);
void put_u64(uint8_t *p, uint64_t v);
void put_u32(uint8_t *p, uint32_t v);

void client_send_connect(struct conn *c, const struct options *o, const struct client_identity *id);
/* Ends the program when the CONNACK refuses. */
void client_check_connack(const struct conn *c, const struct frame *f);
void client_send_subscribe(struct conn *c, const struct options *o, const char *filter,
                           unsigned qos, uint16_t packet_id);
void client_check_suback(const struct conn *c, const struct options *o, const struct frame *f);
void client_send_disconnect(struct conn *c);

struct received {
    struct mqtt_slice topic, payload;
    unsigned qos;
    uint16_t packet_id;
    bool dup, retain;
};
/* Describes a PUBLISH frame in place. */
void client_read_publish(const struct options *o, const struct frame *f, struct received *out);

#endif
