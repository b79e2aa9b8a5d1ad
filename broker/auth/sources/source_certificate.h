/*
 * source_certificate - clients whose certificate was verified by the load balancer: a name in it is their user
 * name, and what CONNECT says of name and password doesn't count.
 *
 * Data flow: auth.c makes it and says which name, again after each reload. A client without certificate, or with
 *            one that has no such name, is somebody else's, or refused if a certificate is required.
 */
#ifndef FLOTILLA_BROKER_AUTH_SOURCES_SOURCE_CERTIFICATE_H
#define FLOTILLA_BROKER_AUTH_SOURCES_SOURCE_CERTIFICATE_H

#include "broker/auth/sources/source.h"
#include "broker/base/broker_config.h"

struct source_certificate {
    struct source source;             /* first member */
    struct certificate_config config; /* identity CERTIFICATE_OFF: nobody is asked */
};

void source_certificate_init(struct source_certificate *c);
/* Whether it has a name that counts. `certificate` NULL: none. */
bool source_certificate_knows(const struct source_certificate *c,
                              const struct peer_certificate *certificate);

#endif
