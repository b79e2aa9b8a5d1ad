/*
 * Names of packet types and reason codes, for logs and metrics, and which v5 packet may carry which
 * reason code (2.4 and the tables of 3.2, 3.4 to 3.7, 3.9, 3.11, 3.14, 3.15).
 */
#include "common/mqtt/mqtt.h"

#define IN(type) (1u << (type))
#define CONNACK IN(MQTT_CONNACK)
#define PUBS (IN(MQTT_PUBACK) | IN(MQTT_PUBREC))
#define RELS (IN(MQTT_PUBREL) | IN(MQTT_PUBCOMP))
#define SUBACK IN(MQTT_SUBACK)
#define UNSUBACK IN(MQTT_UNSUBACK)
#define AUTH IN(MQTT_AUTH)
#define BYE_SERVER IN(MQTT_DISCONNECT)
#define BYE_CLIENT 1u /* no packet type has number 0 */
#define BYE (BYE_SERVER | BYE_CLIENT)

static const struct reason {
    const char *name;
    unsigned types;
} reasons[] = {
    [MQTT_R_SUCCESS] = {"success", CONNACK | PUBS | RELS | SUBACK | UNSUBACK | AUTH | BYE},
    [MQTT_R_GRANTED_QOS1] = {"granted_qos1", SUBACK},
    [MQTT_R_GRANTED_QOS2] = {"granted_qos2", SUBACK},
    [MQTT_R_DISCONNECT_WITH_WILL] = {"disconnect_with_will", BYE_CLIENT},
    [MQTT_R_NO_MATCHING_SUBSCRIBERS] = {"no_matching_subscribers", PUBS},
    [MQTT_R_NO_SUBSCRIPTION_EXISTED] = {"no_subscription_existed", UNSUBACK},
    [MQTT_R_CONTINUE_AUTHENTICATION] = {"continue_authentication", AUTH},
    [MQTT_R_REAUTHENTICATE] = {"reauthenticate", AUTH},
    [MQTT_R_UNSPECIFIED] = {"unspecified_error", CONNACK | PUBS | SUBACK | UNSUBACK | BYE},
    [MQTT_R_MALFORMED_PACKET] = {"malformed_packet", CONNACK | BYE},
    [MQTT_R_PROTOCOL_ERROR] = {"protocol_error", CONNACK | BYE},
    [MQTT_R_IMPLEMENTATION_SPECIFIC] = {"implementation_specific_error",
                                        CONNACK | PUBS | SUBACK | UNSUBACK | BYE},
    [MQTT_R_UNSUPPORTED_VERSION] = {"unsupported_protocol_version", CONNACK},
    [MQTT_R_BAD_CLIENT_ID] = {"client_id_not_valid", CONNACK},
    [MQTT_R_BAD_LOGIN] = {"bad_user_name_or_password", CONNACK},
    [MQTT_R_NOT_AUTHORIZED] = {"not_authorized", CONNACK | PUBS | SUBACK | UNSUBACK | BYE_SERVER},
    [MQTT_R_SERVER_UNAVAILABLE] = {"server_unavailable", CONNACK},
    [MQTT_R_SERVER_BUSY] = {"server_busy", CONNACK | BYE_SERVER},
    [MQTT_R_BANNED] = {"banned", CONNACK},
    [MQTT_R_SERVER_SHUTTING_DOWN] = {"server_shutting_down", BYE_SERVER},
    [MQTT_R_BAD_AUTH_METHOD] = {"bad_authentication_method", CONNACK},
    [MQTT_R_KEEP_ALIVE_TIMEOUT] = {"keep_alive_timeout", BYE_SERVER},
    [MQTT_R_SESSION_TAKEN_OVER] = {"session_taken_over", BYE_SERVER},
    [MQTT_R_BAD_TOPIC_FILTER] = {"topic_filter_invalid", SUBACK | UNSUBACK | BYE_SERVER},
    [MQTT_R_BAD_TOPIC_NAME] = {"topic_name_invalid", CONNACK | PUBS | BYE},
    [MQTT_R_PACKET_ID_IN_USE] = {"packet_id_in_use", PUBS | SUBACK | UNSUBACK},
    [MQTT_R_PACKET_ID_NOT_FOUND] = {"packet_id_not_found", RELS},
    [MQTT_R_RECEIVE_MAXIMUM_EXCEEDED] = {"receive_maximum_exceeded", BYE},
    [MQTT_R_BAD_TOPIC_ALIAS] = {"topic_alias_invalid", BYE},
    [MQTT_R_PACKET_TOO_LARGE] = {"packet_too_large", CONNACK | BYE},
    [MQTT_R_MESSAGE_RATE_TOO_HIGH] = {"message_rate_too_high", BYE},
    [MQTT_R_QUOTA_EXCEEDED] = {"quota_exceeded", CONNACK | PUBS | SUBACK | BYE},
    [MQTT_R_ADMINISTRATIVE_ACTION] = {"administrative_action", BYE},
    [MQTT_R_BAD_PAYLOAD_FORMAT] = {"payload_format_invalid", CONNACK | PUBS | BYE},
    [MQTT_R_RETAIN_NOT_SUPPORTED] = {"retain_not_supported", CONNACK | BYE_SERVER},
    [MQTT_R_QOS_NOT_SUPPORTED] = {"qos_not_supported", CONNACK | BYE_SERVER},
    [MQTT_R_USE_ANOTHER_SERVER] = {"use_another_server", CONNACK | BYE_SERVER},
    [MQTT_R_SERVER_MOVED] = {"server_moved", CONNACK | BYE_SERVER},
    [MQTT_R_SHARED_SUBSCRIPTIONS_NOT_SUPPORTED] = {"shared_subscriptions_not_supported",
                                                   SUBACK | BYE_SERVER},
    [MQTT_R_CONNECTION_RATE_EXCEEDED] = {"connection_rate_exceeded", CONNACK | BYE_SERVER},
    [MQTT_R_MAXIMUM_CONNECT_TIME] = {"maximum_connect_time", BYE_SERVER},
    [MQTT_R_SUBSCRIPTION_IDS_NOT_SUPPORTED] = {"subscription_ids_not_supported",
                                               SUBACK | BYE_SERVER},
    [MQTT_R_WILDCARDS_NOT_SUPPORTED] = {"wildcard_subscriptions_not_supported",
                                        SUBACK | BYE_SERVER},
};
#define REASONS (sizeof(reasons) / sizeof(reasons[0]))

static const char *const type_names[] = {
    [MQTT_CONNECT] = "CONNECT",   [MQTT_CONNACK] = "CONNACK",
    [MQTT_PUBLISH] = "PUBLISH",   [MQTT_PUBACK] = "PUBACK",
    [MQTT_PUBREC] = "PUBREC",     [MQTT_PUBREL] = "PUBREL",
    [MQTT_PUBCOMP] = "PUBCOMP",   [MQTT_SUBSCRIBE] = "SUBSCRIBE",
    [MQTT_SUBACK] = "SUBACK",     [MQTT_UNSUBSCRIBE] = "UNSUBSCRIBE",
    [MQTT_UNSUBACK] = "UNSUBACK", [MQTT_PINGREQ] = "PINGREQ",
    [MQTT_PINGRESP] = "PINGRESP", [MQTT_DISCONNECT] = "DISCONNECT",
    [MQTT_AUTH] = "AUTH",
};
_Static_assert(sizeof(type_names) / sizeof(type_names[0]) == MQTT_AUTH + 1, "a name for each type");

bool mqtt_reason_allowed(enum mqtt_type type, bool from_server, uint8_t reason)
{
    /* 3.15.2.1: success is the server's answer, re-authenticate the client's request. */
    if (type == MQTT_AUTH && reason == MQTT_R_SUCCESS && !from_server)
        return false;
    if (type == MQTT_AUTH && reason == MQTT_R_REAUTHENTICATE && from_server)
        return false;
    unsigned bit = type == MQTT_DISCONNECT && !from_server ? BYE_CLIENT : IN(type);
    return reason < REASONS && (reasons[reason].types & bit) != 0;
}

const char *mqtt_type_name(enum mqtt_type type)
{
    unsigned i = (unsigned)type;
    return i >= MQTT_CONNECT && i <= MQTT_AUTH ? type_names[i] : "unknown";
}

const char *mqtt_reason_name(uint8_t reason)
{
    return reason < REASONS && reasons[reason].name != NULL ? reasons[reason].name : "unknown";
}
