/*
 * fleet_keys - names of keys and channels in Redis (the table of the fleet protocol).
 *
 * All of a fleet's names begin alike: `fl:`, or `fl.<name>:` for a fleet that has a name, so that
 * several fleets can share one Redis. The hash tag is always a number or a node's id, never a
 * client's id or a topic: those may hold any byte, `}` too. Scripts get a bucket's prefix as their
 * one key and append the rest themselves, so everything a script touches has one slot.
 *
 * A client's bucket is a keyed hash of its id: with the fleet's secret, or clients could all aim at
 * one bucket. A fleet from before there were secrets goes on without one.
 * Ownership: embedded; no memory of its own.
 */
#ifndef FLOTILLA_BROKER_FLEET_WIRE_FLEET_KEYS_H
#define FLOTILLA_BROKER_FLEET_WIRE_FLEET_KEYS_H

#include "broker/base/fleet_name.h"
#include "common/base/siphash.h"
#include "common/mqtt/mqtt.h"

enum {
    FLEET_CLIENT_BUCKETS = 1024,
    FLEET_TOPIC_BUCKETS = 16,
    FLEET_GROUP_BUCKETS = 64, /* of groups of shared subscriptions */
    FLEET_HEX_SIZE = 17,      /* of a node's id, with the NUL */
    FLEET_SECRET_HEX = 2 * SIPHASH_KEY_SIZE,
    FLEET_FORMAT = 2, /* of all that is stored; one more when brokers of before must not read it */
    FLEET_LEVEL = 1,  /* of what nodes understand of each other; one more when that matters */
};

struct fleet_key {
    char text[80];
};

struct fleet_keys {
    char base[FLEET_NAME_MAX + 5]; /* what all names begin with */
    char fleet[FLEET_NAME_MAX + 16];
    char nodes[FLEET_NAME_MAX + 16], ver[FLEET_NAME_MAX + 16], log[FLEET_NAME_MAX + 16];
    char reap[FLEET_NAME_MAX + 16];
    bool keyed; /* the fleet has a secret */
    uint8_t secret[SIPHASH_KEY_SIZE];
};

/* `name` was checked (fleet_name.h); NULL counts as empty. No secret yet. */
void fleet_keys_init(struct fleet_keys *k, const char *name);
/* As hex with a NUL. */
void fleet_secret_write(const uint8_t secret[SIPHASH_KEY_SIZE], char hex[FLEET_SECRET_HEX + 1]);
/* The fleet's secret in hex, as Redis has it; empty: the fleet has none. False: malformed. */
bool fleet_keys_set_secret(struct fleet_keys *k, const char *hex, size_t len);

struct fleet_key fleet_key_routes(const struct fleet_keys *k, uint64_t node);
/* How many of the node's clients are members of groups: filter -> number, QoS. */
struct fleet_key fleet_key_members(const struct fleet_keys *k, uint64_t node);
struct fleet_key fleet_key_inbox(const struct fleet_keys *k, uint64_t node);
/* Prefix of what says how a node is connected. */
struct fleet_key fleet_key_node(const struct fleet_keys *k, uint64_t node);
struct fleet_key fleet_key_channel(const struct fleet_keys *k, uint64_t node);
/* Prefixes of buckets. */
struct fleet_key fleet_key_clients(const struct fleet_keys *k, unsigned bucket);
struct fleet_key fleet_key_topics(const struct fleet_keys *k, unsigned bucket);
struct fleet_key fleet_key_groups(const struct fleet_keys *k, unsigned bucket);

unsigned fleet_client_bucket(const struct fleet_keys *k, struct mqtt_slice client_id);
unsigned fleet_group_bucket(const struct fleet_keys *k, struct mqtt_slice filter);
/* By the topic's first level, so that a filter that begins with a literal level has one bucket.
 * Not keyed: who wants all in one bucket says the same first level. */
unsigned fleet_topic_bucket(struct mqtt_slice topic);

void fleet_hex(uint64_t id, char out[FLEET_HEX_SIZE]);
bool fleet_hex_parse(const char *text, size_t len, uint64_t *id);
/* A hash that is the same on every broker. */
uint64_t fleet_hash(const void *data, size_t len);

#endif
