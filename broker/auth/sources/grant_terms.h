/*
 * grant_terms - what narrows the stay of a client that a source has admitted: an end, and topics. Most
 * clients have none.
 *
 * Rules:     with any filter, a client may publish only to topics that one of its `publish` filters
 *            matches, and receive only what one of its `subscribe` filters matches. The ACL file must
 *            allow it as well: terms take away and never add.
 * Data flow: a source makes it; auth.c asks at each publish and delivery of a client that has terms.
 * Ownership: the client's, with struct identity.
 * Bounds:    GRANT_FILTERS_MAX filters.
 */
#ifndef FLOTILLA_BROKER_AUTH_SOURCES_GRANT_TERMS_H
#define FLOTILLA_BROKER_AUTH_SOURCES_GRANT_TERMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mqtt/mqtt.h"

enum { GRANT_FILTERS_MAX = 256 };

enum grant_use { GRANT_PUBLISH = 1, GRANT_SUBSCRIBE = 2 };

struct grant_terms;

/* `until_s`: seconds since 1970; 0: no end. `narrowed`: only what grant_terms_allow adds may be used. NULL
 * when out of memory. */
struct grant_terms *grant_terms_new(uint64_t until_s, bool narrowed);
void grant_terms_free(struct grant_terms *t);

/* Copies `filter`, for the uses of which `uses` has the bits. False: not a topic filter, too many, or out
 * of memory. */
bool grant_terms_allow(struct grant_terms *t, struct mqtt_slice filter, unsigned uses);

/* Whether the topic may be used so. */
bool grant_terms_cover(const struct grant_terms *t, struct mqtt_slice topic, enum grant_use use);
/* 0: no end. `t` may be NULL. */
uint64_t grant_terms_until_s(const struct grant_terms *t);
/* What it takes of memory, for the client's account. */
size_t grant_terms_bytes(const struct grant_terms *t);

#endif
