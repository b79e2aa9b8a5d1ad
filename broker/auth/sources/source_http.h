/*
 * source_http - clients whom a service of the operator's knows (broker/auth/http).
 *
 * Data flow: ask, perhaps remembered; else a POST, whose answer comes later. A service that fails, is too slow, or is
 *            asked too much: the login is refused as "busy" (auth.http.on_failure: refuse), or the next source is asked.
 * The grant: topics that the service narrows to, and an end.
 * Refusals:  are counted and slowed down as wrong passwords are (login_refuse).
 */
#ifndef FLOTILLA_BROKER_AUTH_SOURCES_SOURCE_HTTP_H
#define FLOTILLA_BROKER_AUTH_SOURCES_SOURCE_HTTP_H

#include "broker/auth/sources/source.h"

struct event_base;
struct http_auth_config;
struct http_client;
struct http_memory;
struct logins;

/* What is shown of it. */
struct source_http_stats {
    uint64_t asked, remembered, allowed, denied, ignored, failed;
};

struct source_http {
    struct source source; /* first member */
    struct event_base *base;
    const struct http_auth_config *config; /* borrowed; without a url nobody is asked */
    struct http_client *client;            /* NULL: the configuration has none */
    struct http_memory *memory;
    struct logins *logins; /* borrowed; not NULL while there is a client */
    uint64_t stamp;        /* of this url */
    struct source_http_stats stats;
};

void source_http_init(struct source_http *h, struct event_base *base);
/* The configuration has changed. False when out of memory: nothing has changed. */
bool source_http_set(struct source_http *h, const struct http_auth_config *config,
                     struct logins *logins);
/* Its configuration may have another authorization. False when out of memory: the former one stays. */
bool source_http_changed(struct source_http *h);
void source_http_fini(struct source_http *h);

#endif
