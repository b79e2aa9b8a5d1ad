/*
 * peer_certificate - the verified certificate of a client, as much of it as is known here, until its
 * CONNECT is answered.
 *
 * Data flow: input.c makes it of a PROXY header; source_certificate.c asks for a name.
 * Ownership: copies what it gets. The client's.
 */
#ifndef FLOTILLA_BROKER_AUTH_CERTIFICATE_PEER_CERTIFICATE_H
#define FLOTILLA_BROKER_AUTH_CERTIFICATE_PEER_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/base/broker_config.h"
#include "common/mqtt/mqtt.h"

struct peer_certificate;

/* `common_name` is its subject's (first) common name, empty if that isn't known; `der` NULL: the certificate itself
 * isn't known. NULL when out of memory. */
struct peer_certificate *peer_certificate_new(const char *common_name, const uint8_t *der,
                                              size_t len);
void peer_certificate_free(struct peer_certificate *c);

/* The (first) name of that kind as a user name, NUL-terminated, of ACCOUNT_CLIENTS and the caller's; NULL: it has none,
 * or none that could be one. */
char *peer_certificate_name(const struct peer_certificate *c, enum certificate_identity kind);

#endif
