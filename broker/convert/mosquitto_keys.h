/*
 * mosquitto_keys - each key of mosquitto.conf (2.0), how its value is written here, and what differs.
 *
 * Pure data. convert.c works by it, and docs/from-mosquitto.md has its rows (a test compares them).
 */
#ifndef FLOTILLA_BROKER_CONVERT_MOSQUITTO_KEYS_H
#define FLOTILLA_BROKER_CONVERT_MOSQUITTO_KEYS_H

#include <stdbool.h>
#include <stddef.h>

struct config_field;

/* How a value becomes ours. */
enum mosquitto_how {
    HOW_NONE, /* it has no equal */
    HOW_PLAIN,
    HOW_SECONDS,
    HOW_EXPIRY,     /* 14d, 2m (months) */
    HOW_KEEP_ALIVE, /* seconds; ours is the silence, half as long again */
    HOW_PAYLOAD,    /* bytes; ours counts the whole packet */
    HOW_LOG_TYPE,
    HOW_LISTENER,
    HOW_PORT,
    HOW_BIND_ADDRESS,
    HOW_SOCKET_DOMAIN,
    HOW_PROTOCOL,
    HOW_CLIENT_CA,
    HOW_CLIENT_AUTH,
    HOW_TLS_VERSION,
    HOW_PERSISTENCE,
    HOW_PERSISTENCE_LOCATION,
    MOSQUITTO_HOWS,
};

struct mosquitto_key {
    const char *name; /* with '*' at its end: each key that begins so */
    enum mosquitto_how how;
    const char *ours;   /* in broker.yaml; a listener's own are "listeners.…". NULL: none */
    const char *always; /* the value that is in force here always; NULL: none */
    const char *note;   /* what differs, or what to do instead */
};

extern const struct mosquitto_key mosquitto_keys[];
extern const size_t mosquitto_key_count;

/* NULL: there is no such key. */
const struct mosquitto_key *mosquitto_key_find(const char *name);
/* The row of our configuration; NULL: this broker has no such key (yet). */
const struct config_field *mosquitto_our_field(const char *path);
/* Whether our key may have this value, which is written as in YAML. */
bool mosquitto_our_key_takes(const struct config_field *f, const char *text);

#endif
