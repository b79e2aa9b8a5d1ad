/*
 * fleet_keys - names of keys and channels in Redis (the table of the fleet protocol).
 *
 * The hash tag is always a number or a node's id, never a client's id or a topic: those may hold
 * any byte, `}` too. Scripts get a bucket's prefix as their one key and append the rest themselves,
 * so everything a script touches has one slot.
 */
#ifndef FLOTILLA_BROKER_FLEET_KEYS_H
#define FLOTILLA_BROKER_FLEET_KEYS_H

#include "common/mqtt.h"

enum {
    FLEET_CLIENT_BUCKETS = 1024,
    FLEET_TOPIC_BUCKETS = 16,
    FLEET_HEX_SIZE = 17, /* of a node's id, with the NUL */
};

#define FLEET_PREFIX "fl:{r}:"
#define FLEET_NODES FLEET_PREFIX "nodes"
#define FLEET_VER FLEET_PREFIX "ver"
#define FLEET_LOG FLEET_PREFIX "log"
#define FLEET_REAP FLEET_PREFIX "reap"

struct fleet_key {
    char text[48];
};

struct fleet_key fleet_key_routes(uint64_t node);
struct fleet_key fleet_key_inbox(uint64_t node);
struct fleet_key fleet_key_channel(uint64_t node);
/* Prefixes of buckets. */
struct fleet_key fleet_key_clients(unsigned bucket);
struct fleet_key fleet_key_topics(unsigned bucket);

unsigned fleet_client_bucket(const char *client_id, size_t len);
/* By the topic's first level, so that a filter that begins with a literal level has one bucket. */
unsigned fleet_topic_bucket(struct mqtt_slice topic);

void fleet_hex(uint64_t id, char out[FLEET_HEX_SIZE]);
bool fleet_hex_parse(const char *text, size_t len, uint64_t *id);
/* A hash that is the same on every broker. */
uint64_t fleet_hash(const void *data, size_t len);

#endif
