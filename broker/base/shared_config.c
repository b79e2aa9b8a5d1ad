/* The table of `shared:`, for broker_config.c. */
#include "broker/base/shared_config.h"

#include <string.h>

#include "broker/base/broker_config_parts.h"
#include "common/mqtt/mqtt.h"

enum { SHARED_LENGTH_MAX = 65000 };

static const char *const strategy_names[] = {"round_robin", "random",      "local",
                                             "hash_topic",  "hash_client", NULL};

static const char *check_share_name(const char *text)
{
    if (mqtt_topic_name_valid((const uint8_t *)text, strlen(text)) && strchr(text, '/') == NULL)
        return NULL;
    return "a name without /, + and #";
}

static const char *check_filter(const char *text)
{
    if (mqtt_topic_filter_valid((const uint8_t *)text, strlen(text)))
        return NULL;
    return "a topic filter like sensors/+/temperature";
}

static const struct config_field shared_group_fields[] = {
    {.key = "name",
     .kind = CONFIG_STRING,
     FIELD(shared_group_config, name),
     .required = true,
     .check = check_share_name,
     .fixed = true,
     .help = "The group's name: <name> in $share/<name>/<filter>."},
    {.key = "filter",
     .kind = CONFIG_STRING,
     FIELD(shared_group_config, filter),
     .required = true,
     .check = check_filter,
     .fixed = true,
     .help = "The filter of its members."},
    {.key = "keep",
     .kind = CONFIG_DURATION,
     FIELD(shared_group_config, keep_ms),
     .min = 1000,
     .max = 31536000000,
     .fallback = "1h",
     .fixed = true,
     .help = "How long a QoS 1 or 2 message waits while the group has no member."},
};

static const char *check_shared_group(const void *filled)
{
    const struct shared_group_config *g = filled;
    if (strlen(g->name) + strlen(g->filter) > SHARED_LENGTH_MAX)
        return "name and filter are too long together";
    return NULL;
}

static const struct config_schema shared_group_schema = {
    .size = sizeof(struct shared_group_config),
    .fields = shared_group_fields,
    .count = sizeof(shared_group_fields) / sizeof(shared_group_fields[0]),
    .check = check_shared_group,
};

static const struct config_field shared_fields[] = {
    {.key = "strategy",
     .kind = CONFIG_ENUM,
     FIELD(shared_config, strategy),
     .names = strategy_names,
     .fallback = "round_robin",
     .fixed = true,
     .help =
         "Which member gets a message: one after the other (at QoS 1 and 2, of those that have "
         "room), a random one, one on the publisher's broker, or by the topic or the "
         "publisher's client id (those keep the order of what has the same one). A member without "
         "room is passed over, but not where a hash says who gets it at QoS 1 and 2."},
    {.key = "redispatch_after",
     .kind = CONFIG_DURATION,
     FIELD(shared_config, redispatch_after_ms),
     .min = 1000,
     .max = 86400000,
     .fallback = "30s",
     .fixed = true,
     .help =
         "A QoS 1 message that a durable member was sent and hasn't acknowledged goes to another "
         "member when its client has been away for so long."},
    {.key = "queue_alias",
     .kind = CONFIG_BOOL,
     FIELD(shared_config, queue_alias),
     .fallback = "false",
     .help = "Whether $queue/<filter> is a shared subscription, too: one group for each filter."},
    {.key = "groups",
     .kind = CONFIG_LIST,
     FIELD(shared_config, groups),
     .sub = &shared_group_schema,
     .fixed = true,
     .help = "Groups that keep their messages while they have no member."},
};

static const char *check_shared(const void *filled)
{
    const struct shared_config *s = filled;
    const struct shared_group_config *g = s->groups.items;
    for (size_t i = 0; i < s->groups.count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(g[i].name, g[j].name) == 0 && strcmp(g[i].filter, g[j].filter) == 0)
                return "two groups have the same name and filter";
    return NULL;
}

const struct config_schema shared_config_schema = {
    .size = sizeof(struct shared_config),
    .fields = shared_fields,
    .count = sizeof(shared_fields) / sizeof(shared_fields[0]),
    .check = check_shared,
};
