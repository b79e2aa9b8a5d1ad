/*
 * mqtt - the MQTT packet codec: 3.1, 3.1.1 and 5.0, all packet types, both directions.
 *
 * Sources:   MQTT 3.1 (IBM, 2010), OASIS MQTT 3.1.1 and 5.0; clauses are named at each check.
 * Data flow: mqtt_decode looks at a buffer's start and, when a whole packet is there, describes it;
 *            every slice in the description points into that buffer (no copying, no allocation) and
 *            is valid as long as the buffer is. mqtt_encode writes one packet.
 * Strict:    UTF-8 (no surrogates, no U+0000, no overlong forms), remaining length, fixed-header
 *            flags, reserved bits, packet ids, topic names without wildcards, filter syntax,
 *            property types and duplicates, reason codes that the packet type allows.
 * Errors:    DECODE_MALFORMED comes with the v5 reason code and a literal text naming what is
 *            wrong.
 */
#ifndef FLOTILLA_COMMON_MQTT_MQTT_H
#define FLOTILLA_COMMON_MQTT_MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mqtt_version { MQTT_UNKNOWN = 0, MQTT_V31 = 3, MQTT_V311 = 4, MQTT_V5 = 5 };

enum mqtt_type {
    MQTT_CONNECT = 1,
    MQTT_CONNACK,
    MQTT_PUBLISH,
    MQTT_PUBACK,
    MQTT_PUBREC,
    MQTT_PUBREL,
    MQTT_PUBCOMP,
    MQTT_SUBSCRIBE,
    MQTT_SUBACK,
    MQTT_UNSUBSCRIBE,
    MQTT_UNSUBACK,
    MQTT_PINGREQ,
    MQTT_PINGRESP,
    MQTT_DISCONNECT,
    MQTT_AUTH,
};

#define MQTT_MAX_REMAINING 268435455u /* 2.2.3 */
#define MQTT_QOS_FAILURE 0x80u        /* SUBACK of 3.1.1 */

/* v3 CONNACK return codes */
enum mqtt_connack3 {
    MQTT_CONNACK_ACCEPTED = 0,
    MQTT_CONNACK_BAD_VERSION = 1,
    MQTT_CONNACK_BAD_CLIENT_ID = 2,
    MQTT_CONNACK_UNAVAILABLE = 3,
    MQTT_CONNACK_BAD_LOGIN = 4,
    MQTT_CONNACK_NOT_AUTHORIZED = 5,
};

/* v5 reason codes (2.4) */
enum mqtt_reason {
    MQTT_R_SUCCESS = 0x00,
    MQTT_R_GRANTED_QOS1 = 0x01,
    MQTT_R_GRANTED_QOS2 = 0x02,
    MQTT_R_DISCONNECT_WITH_WILL = 0x04,
    MQTT_R_NO_MATCHING_SUBSCRIBERS = 0x10,
    MQTT_R_NO_SUBSCRIPTION_EXISTED = 0x11,
    MQTT_R_CONTINUE_AUTHENTICATION = 0x18,
    MQTT_R_REAUTHENTICATE = 0x19,
    MQTT_R_UNSPECIFIED = 0x80,
    MQTT_R_MALFORMED_PACKET = 0x81,
    MQTT_R_PROTOCOL_ERROR = 0x82,
    MQTT_R_IMPLEMENTATION_SPECIFIC = 0x83,
    MQTT_R_UNSUPPORTED_VERSION = 0x84,
    MQTT_R_BAD_CLIENT_ID = 0x85,
    MQTT_R_BAD_LOGIN = 0x86,
    MQTT_R_NOT_AUTHORIZED = 0x87,
    MQTT_R_SERVER_UNAVAILABLE = 0x88,
    MQTT_R_SERVER_BUSY = 0x89,
    MQTT_R_BANNED = 0x8A,
    MQTT_R_SERVER_SHUTTING_DOWN = 0x8B,
    MQTT_R_BAD_AUTH_METHOD = 0x8C,
    MQTT_R_KEEP_ALIVE_TIMEOUT = 0x8D,
    MQTT_R_SESSION_TAKEN_OVER = 0x8E,
    MQTT_R_BAD_TOPIC_FILTER = 0x8F,
    MQTT_R_BAD_TOPIC_NAME = 0x90,
    MQTT_R_PACKET_ID_IN_USE = 0x91,
    MQTT_R_PACKET_ID_NOT_FOUND = 0x92,
    MQTT_R_RECEIVE_MAXIMUM_EXCEEDED = 0x93,
    MQTT_R_BAD_TOPIC_ALIAS = 0x94,
    MQTT_R_PACKET_TOO_LARGE = 0x95,
    MQTT_R_MESSAGE_RATE_TOO_HIGH = 0x96,
    MQTT_R_QUOTA_EXCEEDED = 0x97,
    MQTT_R_ADMINISTRATIVE_ACTION = 0x98,
    MQTT_R_BAD_PAYLOAD_FORMAT = 0x99,
    MQTT_R_RETAIN_NOT_SUPPORTED = 0x9A,
    MQTT_R_QOS_NOT_SUPPORTED = 0x9B,
    MQTT_R_USE_ANOTHER_SERVER = 0x9C,
    MQTT_R_SERVER_MOVED = 0x9D,
    MQTT_R_SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9E,
    MQTT_R_CONNECTION_RATE_EXCEEDED = 0x9F,
    MQTT_R_MAXIMUM_CONNECT_TIME = 0xA0,
    MQTT_R_SUBSCRIPTION_IDS_NOT_SUPPORTED = 0xA1,
    MQTT_R_WILDCARDS_NOT_SUPPORTED = 0xA2,
};

/* Bytes owned by someone else. `data` may be NULL when len is 0. */
struct mqtt_slice {
    const uint8_t *data;
    uint32_t len;
};

static inline struct mqtt_slice mqtt_slice_of(const void *data, size_t len)
{
    return (struct mqtt_slice){.data = data, .len = (uint32_t)len};
}

/* v5 property identifiers (2.2.2.2) */
enum mqtt_property {
    MQTT_P_PAYLOAD_FORMAT = 0x01,
    MQTT_P_MESSAGE_EXPIRY = 0x02,
    MQTT_P_CONTENT_TYPE = 0x03,
    MQTT_P_RESPONSE_TOPIC = 0x08,
    MQTT_P_CORRELATION_DATA = 0x09,
    MQTT_P_SUBSCRIPTION_ID = 0x0B,
    MQTT_P_SESSION_EXPIRY = 0x11,
    MQTT_P_ASSIGNED_CLIENT_ID = 0x12,
    MQTT_P_SERVER_KEEP_ALIVE = 0x13,
    MQTT_P_AUTH_METHOD = 0x15,
    MQTT_P_AUTH_DATA = 0x16,
    MQTT_P_REQUEST_PROBLEM_INFO = 0x17,
    MQTT_P_WILL_DELAY = 0x18,
    MQTT_P_REQUEST_RESPONSE_INFO = 0x19,
    MQTT_P_RESPONSE_INFO = 0x1A,
    MQTT_P_SERVER_REFERENCE = 0x1C,
    MQTT_P_REASON_STRING = 0x1F,
    MQTT_P_RECEIVE_MAXIMUM = 0x21,
    MQTT_P_TOPIC_ALIAS_MAXIMUM = 0x22,
    MQTT_P_TOPIC_ALIAS = 0x23,
    MQTT_P_MAXIMUM_QOS = 0x24,
    MQTT_P_RETAIN_AVAILABLE = 0x25,
    MQTT_P_USER_PROPERTY = 0x26,
    MQTT_P_MAXIMUM_PACKET_SIZE = 0x27,
    MQTT_P_WILDCARD_AVAILABLE = 0x28,
    MQTT_P_SUBSCRIPTION_ID_AVAILABLE = 0x29,
    MQTT_P_SHARED_AVAILABLE = 0x2A,
};

/* A property section: validated bytes, read with the iterator or mqtt_props_find. For encoding, raw
 * bytes made with mqtt_props_put_*. Empty for v3. */
struct mqtt_props {
    struct mqtt_slice raw; /* without the length prefix */
};
struct mqtt_prop {
    enum mqtt_property id;
    uint32_t num;            /* byte, two byte, four byte and variable integers */
    struct mqtt_slice str;   /* string or binary; a user property's name */
    struct mqtt_slice value; /* a user property's value */
};
/* Steps through; *at starts at 0. False at the end. */
bool mqtt_props_next(const struct mqtt_props *p, uint32_t *at, struct mqtt_prop *out);
bool mqtt_props_find(const struct mqtt_props *p, enum mqtt_property id, struct mqtt_prop *out);
/* Append to a buffer of `size` bytes at *used; false when it doesn't fit. */
bool mqtt_props_put_num(uint8_t *buf, size_t size, size_t *used, enum mqtt_property id,
                        uint32_t num);
bool mqtt_props_put_str(uint8_t *buf, size_t size, size_t *used, enum mqtt_property id,
                        struct mqtt_slice str);
bool mqtt_props_put_pair(uint8_t *buf, size_t size, size_t *used, struct mqtt_slice name,
                         struct mqtt_slice value);

/* Subscription identifiers of the subscriptions that a message matches (v5, 3.3.2.3.8). */
struct mqtt_ids {
    const uint32_t *items;
    uint32_t count;
};

struct mqtt_connect {
    enum mqtt_version
        version;   /* MQTT_UNKNOWN: a level we don't know, in `level`; nothing else is set */
    uint8_t level; /* as it came, the bridge bit included */
    bool bridge;   /* bit 7 of the level: mosquitto's sign that the client is another broker */
    bool clean_start;
    uint16_t keep_alive_s;
    struct mqtt_slice client_id;
    bool has_will, will_retain, has_username, has_password;
    uint8_t will_qos;
    struct mqtt_slice will_topic, will_payload, username, password;
    struct mqtt_props props, will_props;
};
struct mqtt_connack {
    bool session_present;
    uint8_t code; /* v3 return code or v5 reason code */
    struct mqtt_props props;
};
struct mqtt_publish {
    bool dup, retain;
    uint8_t qos;
    uint16_t packet_id; /* 0 at QoS 0 */
    struct mqtt_slice topic, payload;
    struct mqtt_props props;
};
/* PUBACK, PUBREC, PUBREL, PUBCOMP, UNSUBACK of v3, and DISCONNECT, AUTH (no packet id) */
struct mqtt_ack {
    uint16_t packet_id;
    uint8_t reason;
    struct mqtt_props props;
};
/* SUBSCRIBE, UNSUBSCRIBE: `list` is the validated filter list of the payload, read with
 * mqtt_filters_next. */
struct mqtt_subscribe {
    uint16_t packet_id;
    struct mqtt_props props;
    struct mqtt_slice list;
    uint32_t count;
};
struct mqtt_filter {
    struct mqtt_slice filter;
    uint8_t qos, retain_handling;
    bool no_local, retain_as_published; /* v5 */
};
/* SUBACK (and UNSUBACK of v5): one code per filter */
struct mqtt_suback {
    uint16_t packet_id;
    struct mqtt_props props;
    struct mqtt_slice codes;
};

struct mqtt_packet {
    enum mqtt_type type;
    union {
        struct mqtt_connect connect;
        struct mqtt_connack connack;
        struct mqtt_publish publish;
        struct mqtt_ack ack; /* PUBACK PUBREC PUBREL PUBCOMP DISCONNECT AUTH, UNSUBACK of v3 */
        struct mqtt_subscribe subscribe; /* SUBSCRIBE, UNSUBSCRIBE */
        struct mqtt_suback suback;       /* SUBACK, UNSUBACK of v5 */
    } u;
};

enum decode_result { DECODE_OK, DECODE_NEED_MORE, DECODE_MALFORMED };

struct mqtt_decode_opts {
    enum mqtt_version
        version; /* of the connection; MQTT_UNKNOWN: only CONNECT (taken from it) is expected */
    uint32_t max_packet; /* whole packet, bytes; 0: no limit. Told as soon as the length is known */
    bool from_server;    /* packets that a server sends are expected, instead of a client's */
    const uint32_t *max_by_type; /* 16 limits by enum mqtt_type, each at least max_packet: what a
                                    packet over max_packet may have; NULL: nothing more */
};
struct mqtt_decode_error {
    enum mqtt_reason reason;
    const char *text; /* literal */
};

/* On DECODE_OK `size` is the packet's whole length. On DECODE_NEED_MORE it is how many bytes are
 * known to be needed from the packet's start (at least len + 1). A packet in the wrong direction is
 * malformed, and told by its first byte. On DECODE_MALFORMED `out` has only its type (0 if unknown)
 * and, of a CONNECT, the version if it got that far (MQTT_UNKNOWN otherwise), so that a refusal can
 * be worded in it. `err` may be NULL. */
enum decode_result mqtt_decode(const uint8_t *buf, size_t len, const struct mqtt_decode_opts *opts,
                               struct mqtt_packet *out, size_t *size,
                               struct mqtt_decode_error *err);

/* Steps through a SUBSCRIBE's (or, with subscribe false, an UNSUBSCRIBE's) list; *at starts at 0.
 */
bool mqtt_filters_next(const struct mqtt_subscribe *s, bool subscribe, uint32_t *at,
                       struct mqtt_filter *out);
/* Appends one entry to a list being built for encoding. */
bool mqtt_filters_put(uint8_t *buf, size_t size, size_t *used, bool subscribe,
                      const struct mqtt_filter *f);

/* Length of the packet when encoded, 0 when it can't be (too large). Then mqtt_encode writes
 * exactly that many bytes. `level` of a CONNECT follows `version` and
 * `bridge`. */
size_t mqtt_encoded_size(const struct mqtt_packet *p, enum mqtt_version version);
size_t mqtt_encode(const struct mqtt_packet *p, enum mqtt_version version, uint8_t *buf,
                   size_t size);

/* The hot path: everything of a PUBLISH before its payload. `buf` needs
 * MQTT_PUBLISH_HEAD_MAX + topic.len (+ props.raw.len) bytes. Returns the length written, and in
 * *id_at (may be NULL) the offset of the packet id (0 at QoS 0), so that one encoding serves many
 * receivers. */
#define MQTT_PUBLISH_HEAD_MAX 16
size_t mqtt_encode_publish_head(const struct mqtt_publish *p, enum mqtt_version version,
                                uint8_t *buf, size_t *id_at);
/* A 4-byte PUBACK, PUBREC, PUBREL, PUBCOMP or UNSUBACK without reason (v3, and success in v5). */
void mqtt_encode_ack4(enum mqtt_type type, uint16_t packet_id, uint8_t buf[4]);

bool mqtt_utf8_valid(const uint8_t *s, size_t len); /* 1.5.3 (3.1.1), 1.5.4 (5.0) */
/* A payload that says it is UTF-8 (5.0: 3.3.2.3.2): the same, but U+0000 is a character like others. */
bool mqtt_payload_utf8_valid(const uint8_t *s, size_t len);
bool mqtt_topic_name_valid(const uint8_t *s,
                           size_t len); /* 4.7: length 1 to 65535, UTF-8, no wildcards */
bool mqtt_topic_filter_valid(const uint8_t *s, size_t len); /* 4.7.1 */
/* 4.7: whether a filter matches a name, with the rule for names that start with '$'. Both valid. */
bool mqtt_filter_matches(struct mqtt_slice filter, struct mqtt_slice name);
/* v5 shared subscriptions (4.8.2), "$share/group/filter". mqtt_filter_matches knows nothing of
 * them: it is given the inner filter. */
bool mqtt_filter_is_shared(struct mqtt_slice filter); /* begins with "$share/" */
/* False if it isn't shared, or group or inner filter are not valid. */
bool mqtt_filter_split_shared(struct mqtt_slice filter, struct mqtt_slice *group,
                              struct mqtt_slice *inner);
/* For logs and metrics: "PUBLISH", "not_authorized"; never NULL. */
const char *mqtt_type_name(enum mqtt_type type);
const char *mqtt_reason_name(uint8_t reason);
/* Whether the sender may put this reason code into this v5 packet (2.4 and each packet's table). */
bool mqtt_reason_allowed(enum mqtt_type type, bool from_server, uint8_t reason);

#endif
