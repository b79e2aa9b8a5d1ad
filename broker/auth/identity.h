/*
 * identity - who a client is: its user name, its client id, and on which terms it was let in.
 *
 * Data flow: handle_connect.c fills it; auth.c is asked with it. The store's hold on a connection begins with it
 *            (store.h), since its owner is the same.
 */
#ifndef FLOTILLA_BROKER_AUTH_IDENTITY_H
#define FLOTILLA_BROKER_AUTH_IDENTITY_H

#include "common/mqtt/mqtt.h"

struct grant_terms;

/* Who asks. The texts are the asker's. */
struct identity {
    char *username; /* NULL: anonymous */
    struct mqtt_slice client_id;
    struct grant_terms *terms; /* NULL: none */
};

#endif
