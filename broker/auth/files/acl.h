/*
 * acl - who may publish and receive what, from a file in mosquitto's acl_file format.
 *
 *     topic [read|write|readwrite|deny] <filter>    before the first `user`: for clients without
 *     user <name>                                   user name; then for that user
 *     topic ...
 *     pattern [read|write|readwrite|deny] <filter>  for all; %c: client id, %u: user name
 *
 * Without an access word a rule is readwrite. Lines that start with '#' are comments.
 *
 * Rules, as in Mosquitto 2.0 except for the two marked:
 * - No file (NULL): all is allowed. With a file, what no rule grants is denied.
 * - A client with a user name has that user's rules, one without, or with an empty one, has those
 *   before the first `user` (not both); patterns go for all.
 * - `deny` goes before every grant, also a pattern's deny before a topic's grant (different:
 *   Mosquitto asks the topic rules first; its manual promises what we do).
 * - A grant through %c or %u is void for a client id or user name that holds '+', '#' or '/', since
 *   it would reach beyond the client's own level, and where the name would make it begin with '$'
 *   (different: Mosquitto voids all patterns for '+' and '#', and nothing for '$'). A deny goes on
 *   to hold. %u is void for clients without user name, or with an empty one.
 * - A filter that starts with a wildcard doesn't cover topics that start with '$'.
 *
 * A subscription is asked for with acl_grants_filter. Whatever it says, each message is checked with
 * ACL_READ when it is delivered. So a subscription to `#` gives a client what it may read, and rules
 * can change while it lasts.
 *
 * Errors:    a line that can't be read fails with file and line.
 * Threads:   belongs to the broker's loop (patterns are spelled out in a buffer of its own).
 */
#ifndef FLOTILLA_BROKER_AUTH_FILES_ACL_H
#define FLOTILLA_BROKER_AUTH_FILES_ACL_H

#include "common/mqtt/mqtt.h"

#include <stdbool.h>
#include <stddef.h>

struct acl;

enum acl_access { ACL_READ = 1, ACL_WRITE = 2 };

/* Which filters a client may subscribe to (auth.subscribe). One of which a single deny covers all is
 * granted by the last only. */
enum acl_filter_rule {
    ACL_FILTER_OVERLAP, /* of which something may be read */
    ACL_FILTER_COVERED, /* of which a single rule covers all */
    ACL_FILTER_ALWAYS,
};

/* NULL on failure, with a sentence for an operator in err. */
struct acl *acl_load(const char *path, char *err, size_t errlen);
void acl_free(struct acl *acl);

bool acl_allows(struct acl *acl, struct mqtt_slice username, struct mqtt_slice client_id,
                struct mqtt_slice topic, enum acl_access access);

/* `username` is empty for clients without. `topic` is the name of the message's topic. Costs
 * nothing without a file. */
static inline bool acl_check(struct acl *acl, struct mqtt_slice username,
                             struct mqtt_slice client_id, struct mqtt_slice topic,
                             enum acl_access access)
{
    return acl == NULL || acl_allows(acl, username, client_id, topic, access);
}

/* Whether a subscription is granted; of a shared one its inner filter is asked about. Bounded: where a
 * client has thousands of rules and denies, it may be granted before all are compared. */
bool acl_grants_filter(struct acl *acl, struct mqtt_slice username, struct mqtt_slice client_id,
                       struct mqtt_slice filter, enum acl_filter_rule rule);

#endif
