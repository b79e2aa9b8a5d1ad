/* The keys of `mqtt:`. */
#include "broker/base/broker_config_parts.h"

#include <string.h>

#include "broker/base/broker_config.h"

static const char *const retain_names[] = {"false", "true", "downgrade", NULL};
static const char *const drain_names[] = {"shutting_down", "use_another_server", "server_moved",
                                          NULL};

static const struct config_field mqtt_fields[] = {
    {.key = "max_qos",
     .kind = CONFIG_UINT,
     FIELD(mqtt_config, max_qos),
     .max = 2,
     .fallback = "2",
     .help = "The highest QoS that clients may publish with, and are granted. 5.0 clients are "
             "told it in CONNACK; one that publishes with more is closed."},
    {.key = "retain",
     .kind = CONFIG_ENUM,
     FIELD(mqtt_config, retain),
     .names = retain_names,
     .fallback = "true",
     .help = "Whether messages are retained. False: 5.0 clients are told it in CONNACK, and who "
             "publishes with the retain flag is closed. downgrade: such messages, and wills, are "
             "taken as if they came without the flag."},
    {.key = "allow_empty_client_id",
     .kind = CONFIG_BOOL,
     FIELD(mqtt_config, allow_empty_client_id),
     .fallback = "true",
     .help = "Whether a client may leave its client id to the broker, as the specification lets "
             "it. False: it is refused as with an id that isn't allowed."},
    {.key = "client_id_prefixes",
     .kind = CONFIG_STRINGS,
     FIELD(mqtt_config, client_id_prefixes),
     .help = "What client ids must begin with, one of these; others are refused with return code "
             "2 (5.0: 0x85). Without it: anything. An id that the broker made is always allowed."},
    {.key = "will_on_takeover",
     .kind = CONFIG_BOOL,
     FIELD(mqtt_config, will_on_takeover),
     .fallback = "true",
     .help = "Whether a connection that is closed because its client connects anew has its will "
             "published, as the specification says. False: it isn't, for phones that change "
             "networks."},
    {.key = "topic_alias_maximum",
     .kind = CONFIG_UINT,
     FIELD(mqtt_config, topic_alias_maximum),
     .max = 65535,
     .fallback = "32",
     .unit = "aliases",
     .help = "5.0: how many topic aliases a client may use. 0: none."},
    {.key = "outgoing_topic_alias_maximum",
     .kind = CONFIG_UINT,
     FIELD(mqtt_config, outgoing_topic_alias_maximum),
     .max = 256,
     .fallback = "32",
     .unit = "aliases",
     .help = "5.0: how many topic aliases are used for what is sent to a client that allows "
             "them, for the topics that it gets most. 0: none."},
    {.key = "response_information",
     .kind = CONFIG_STRING,
     FIELD(mqtt_config, response_information),
     .help = "5.0: what a client that asks for response information is told, usually the topic "
             "below which it may choose its response topics."},
    {.key = "drain",
     .kind = CONFIG_ENUM,
     FIELD(mqtt_config, drain_says),
     .names = drain_names,
     .fallback = "shutting_down",
     .help = "5.0: what the clients of a broker that ends are told: shutting_down (0x8B), "
             "use_another_server (0x9C) or server_moved (0x9D), the last two with "
             "server_reference if it is set."},
    {.key = "server_reference",
     .kind = CONFIG_STRING,
     FIELD(mqtt_config, server_reference),
     .help = "5.0: the server that clients are to use instead, as host:port; see drain."},
};

static const char *check_mqtt(const void *filled)
{
    enum { TEXT_MAX = 256 }; /* of CONNACK and DISCONNECT, which have room for it */
    const struct mqtt_config *m = filled;
    if (m->response_information != NULL && strlen(m->response_information) > TEXT_MAX)
        return "response_information is longer than 256 bytes";
    if (m->server_reference != NULL && strlen(m->server_reference) > TEXT_MAX)
        return "server_reference is longer than 256 bytes";
    bool has_reference = m->server_reference != NULL && m->server_reference[0] != '\0';
    if (has_reference && m->drain_says == DRAIN_SHUTTING_DOWN)
        return "server_reference needs drain: use_another_server or server_moved";
    return NULL;
}

const struct config_schema mqtt_schema = {
    .size = sizeof(struct mqtt_config),
    .fields = mqtt_fields,
    .count = sizeof(mqtt_fields) / sizeof(mqtt_fields[0]),
    .check = check_mqtt,
};
