/*
 * redis_link_config - what the owner of a link to Redis says of it, and what it is told. redis_link.h has
 * the states' diagram.
 */
#ifndef FLOTILLA_COMMON_REDIS_REDIS_LINK_CONFIG_H
#define FLOTILLA_COMMON_REDIS_REDIS_LINK_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/redis/redis_greeting.h"
#include "common/redis/redis_url.h"

struct redis_link;
struct tls_client;

enum redis_link_state {
    REDIS_LINK_WAITING, /* also at first, for no time */
    REDIS_LINK_RESOLVING,
    REDIS_LINK_CONNECTING,
    REDIS_LINK_SECURING, /* TLS */
    REDIS_LINK_GREETING,
    REDIS_LINK_ENTERING,
    REDIS_LINK_UP,
    REDIS_LINK_CLOSED, /* being freed: the functions of pending commands are told NULL */
};
#define REDIS_LINK_STATES (REDIS_LINK_CLOSED + 1)

struct redis_link_config {
    const char *name; /* a literal, for logs */
    const struct redis_url *url;
    const struct tls_client *tls; /* NULL: plain. Lives as long as the link */
    uint64_t connect_timeout_ms, command_timeout_ms;
    uint64_t backoff_min_ms, backoff_max_ms;
    const struct redis_script *scripts; /* live as long as the link */
    size_t script_count;
    bool pubsub; /* "message" replies go to `message` */

    void *arg;
    /* The server is there. False: it can't be used (logged by the owner), try again later. */
    bool (*greeted)(void *arg, struct redis_link *link, const struct redis_server_info *info);
    /* Before anything is replayed, and again each time that all commands which it put into
     * redis_link_greeting() are answered: the link is up when it puts none. Their functions are
     * told NULL when the connection goes first. False: as for `greeted`. May be NULL. */
    bool (*enter)(void *arg, struct redis_link *link);
    /* It was up and isn't any more. May be NULL. */
    void (*lost)(void *arg, struct redis_link *link, const char *why);
    /* A command (so it begins, as it is written) was given up. May be NULL. */
    void (*given_up)(void *arg, struct redis_link *link, const char *command, size_t len);
    /* A sampled round trip. May be NULL. */
    void (*round_trip)(void *arg, double seconds);
    void (*message)(void *arg, const char *payload, size_t len);
};

#endif
