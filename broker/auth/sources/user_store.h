/*
 * user_store - where users are kept outside of this process: what source_redis.c asks, and what it is told.
 *
 * Data flow: broker.c gives the source the functions of the fleet (fleet_users.h), which stands below this folder.
 * Order:     an answer comes in the loop's thread, exactly once, and never within the question.
 */
#ifndef FLOTILLA_BROKER_AUTH_SOURCES_USER_STORE_H
#define FLOTILLA_BROKER_AUTH_SOURCES_USER_STORE_H

#include "common/mqtt/mqtt.h"

enum { USER_NAME_MAX_BYTES = 256 };

enum user_found { USER_FOUND, USER_NONE, USER_CANT_TELL };

/* One question. The asker's, until it is answered. */
struct user_question {
    /* `hash`: what stands behind the colon in a password file. Good for the call. */
    void (*found)(struct user_question *q, enum user_found found, struct mqtt_slice hash);
    void *store; /* for the store */
};

struct user_watcher {
    /* This user may have changed: added, gone, or another password. */
    void (*changed)(void *arg, struct mqtt_slice name);
    /* Any user may have. */
    void (*doubt)(void *arg);
    void *arg;
};

struct user_store {
    void (*find)(void *arg, struct mqtt_slice name, struct user_question *q);
    /* From now on the watcher is told of changes, within a second. Once. */
    void (*watch)(void *arg, const struct user_watcher *watcher);
    void *arg;
};

#endif
