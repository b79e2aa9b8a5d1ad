/*
 * acl_rules - what an ACL file says, in memory: acl.c reads it and asks it about topics,
 * acl_filter.c about filters. Nobody else looks inside.
 *
 * Ownership: all of it is in the blocks of struct acl.
 */
#ifndef FLOTILLA_BROKER_AUTH_FILES_ACL_RULES_H
#define FLOTILLA_BROKER_AUTH_FILES_ACL_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "common/mqtt/mqtt.h"

enum { ACL_TOPIC_MAX_BYTES = 65535 };

struct acl_rule {
    struct acl_rule *next;
    uint32_t len;
    uint32_t prefix;       /* bytes up to the first wildcard or placeholder: a cheap refusal */
    unsigned grants;       /* acl_access bits, 0: deny */
    bool has_id, has_name; /* %c, %u; only in patterns */
    char filter[];
};

struct acl_rule_list {
    struct acl_rule *first, *last;
};

struct acl_rules {
    struct acl_rule_list denies, grants;
};

struct acl_user {
    UT_hash_handle hh;
    struct acl_rules rules;
    char name[];
};

struct acl_block;

struct acl {
    struct acl_block *blocks; /* users and rules are in them */
    struct acl_user *users;
    struct acl_rules anonymous, patterns;
    uint8_t *spelled; /* ACL_TOPIC_MAX_BYTES, for a pattern with its names put in */
    uint8_t *met;     /* what two filters match together: acl_filter.c */
};

/* Who asks, about a topic or a filter. */
struct acl_asker {
    struct mqtt_slice username, client_id, topic;
};

/* The rules that are the asker's own, beside the patterns. */
const struct acl_rules *acl_rules_of(const struct acl *acl, const struct acl_asker *who);
/* The rule's filter for this asker, good until the next call; an empty one if it has none for him. */
struct mqtt_slice acl_rule_filter(struct acl *acl, const struct acl_rule *rule,
                                  const struct acl_asker *who);

#endif
