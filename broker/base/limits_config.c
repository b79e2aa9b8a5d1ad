/* The keys of `limits:`. */
#include "broker/base/broker_config_parts.h"

#include "broker/base/broker_config.h"
#include "common/config/config_scalar.h"

enum { MEMORY_MIN = 16 << 20 };

static const char *check_max_memory(const char *text)
{
    uint64_t bytes = 0;
    if (config_parse_size(text, &bytes) && (bytes == 0 || bytes >= MEMORY_MIN))
        return NULL;
    return "0 or at least 16M";
}

static const struct config_field limits_fields[] = {
    {.key = "max_packet_size",
     .kind = CONFIG_SIZE,
     FIELD(limits_config, max_packet_size),
     .min = 128,
     .max = 268435460,
     .fallback = "16M",
     .help = "A larger packet ends its connection as soon as its length is known, before memory is "
             "taken."},
    {.key = "max_connect_size",
     .kind = CONFIG_SIZE,
     FIELD(limits_config, max_connect_size),
     .min = 128,
     .max = 1048576,
     .fallback = "64k",
     .help =
         "The same for CONNECT, which unknown clients send: client id, will, user name, password."},
    {.key = "max_subscribe_size",
     .kind = CONFIG_SIZE,
     FIELD(limits_config, max_subscribe_size),
     .min = 128,
     .max = 268435460,
     .fallback = "128k",
     .help = "The same for SUBSCRIBE and UNSUBSCRIBE: more filters go into several packets."},
    {.key = "max_ack_size",
     .kind = CONFIG_SIZE,
     FIELD(limits_config, max_ack_size),
     .min = 128,
     .max = 1048576,
     .fallback = "10k",
     .help = "The same for acknowledgements, PINGREQ and DISCONNECT, which are larger than 4 bytes "
             "only with MQTT 5.0's properties."},
    {.key = "max_inflight",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_inflight),
     .min = 1,
     .max = 32767,
     .fallback = "100",
     .unit = "messages",
     .help = "QoS 1 and 2 messages on their way to one client before the next one waits."},
    {.key = "max_unacknowledged",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_unacknowledged),
     .min = 1,
     .max = 65535,
     .fallback = "100",
     .unit = "packets",
     .help = "Requests of one client that wait for the store; above it the client isn't read and "
             "its keep alive is suspended."},
    {.key = "max_unacknowledged_bytes",
     .kind = CONFIG_SIZE,
     FIELD(limits_config, max_unacknowledged_bytes),
     .min = 1024,
     .max = 1 << 30,
     .fallback = "256k",
     .help = "The same in bytes of topics, payloads and lists of filters, so that what one client "
             "sends doesn't delay the others at the store. A message counts for each durable "
             "session and broker that it is for. One packet may be larger."},
    {.key = "max_open_qos2",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_open_qos2),
     .min = 10,
     .max = 65535,
     .fallback = "2000",
     .unit = "messages",
     .help = "QoS 2 messages of one client that it hasn't released (PUBREL); one more ends its "
             "connection. Redis keeps their packet ids."},
    {.key = "max_queued_messages",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_queued_messages),
     .min = 1,
     .max = 100000000,
     .fallback = "100000",
     .unit = "messages",
     .help =
         "QoS 1 and 2 messages waiting for one session. A durable session's next one is dropped "
         "and counted; a client with a clean session is closed instead."},
    {.key = "max_queued_bytes",
     .kind = CONFIG_SIZE,
     FIELD(limits_config, max_queued_bytes),
     .min = 1024,
     .fallback = "256M",
     .help = "The same bound, in bytes."},
    {.key = "max_output",
     .kind = CONFIG_SIZE,
     FIELD(limits_config, max_output),
     .min = 65536,
     .fallback = "8M",
     .help = "Bytes waiting for one slow connection; above it QoS 0 messages to it are dropped and "
             "counted, and others wait in its queue."},
    {.key = "max_output_total",
     .kind = CONFIG_SIZE,
     FIELD(limits_config, max_output_total),
     .fallback = "0",
     .help = "The same bound for all connections together; 0: a quarter of max_memory."},
    {.key = "max_memory",
     .kind = CONFIG_SIZE,
     FIELD(limits_config, max_memory),
     .fallback = "0",
     .check = check_max_memory,
     .help = "All memory that clients cause: begun packets, outputs, windows, queues, sessions. "
             "Near it QoS 0 to slow clients is dropped, beyond it the clients that hold most are "
             "closed (docs/broker.md has the order). 0: half of the machine's memory, or of the "
             "control "
             "group's limit."},
    {.key = "max_topic_levels",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_topic_levels),
     .min = 1,
     .max = 1000,
     .fallback = "200",
     .unit = "levels",
     .help = "A deeper topic is dropped like a denied one; a deeper filter is refused."},
    {.key = "max_topic_length",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_topic_length),
     .min = 16,
     .max = 65535,
     .fallback = "65535",
     .unit = "bytes",
     .help = "A longer topic is dropped like a denied one; a longer filter is refused."},
    {.key = "max_subscriptions",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_subscriptions),
     .min = 1,
     .max = 10000000,
     .fallback = "10000",
     .unit = "subscriptions",
     .help = "Per session; one more is refused in the SUBACK. All of them cost a publish at most "
             "one step per level, and closing the connection 10 ms."},
    {.key = "max_plus_subscriptions",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_plus_subscriptions),
     .min = 0,
     .max = 10000000,
     .fallback = "500",
     .unit = "subscriptions",
     .help =
         "Of them, filters with `+`; one more is refused in the SUBACK. At worst each costs every "
         "publish of the fleet: 500 with 15 levels 0.03 ms, with 200 levels 0.15 ms. Filters of "
         "all clients that one topic would match are bounded together (docs/broker.md)."},
    {.key = "max_subscription_bytes",
     .kind = CONFIG_SIZE,
     FIELD(limits_config, max_subscription_bytes),
     .min = 1024,
     .max = 1 << 30,
     .fallback = "1M",
     .help = "All filters of a session together; one that doesn't fit is refused in the SUBACK. "
             "Redis and every broker of the fleet keep them."},
    {.key = "max_connections",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_connections),
     .min = 1,
     .max = 10000000,
     .fallback = "1000000",
     .unit = "connections",
     .help = "Clients on all listeners at once; one more is closed at once."},
    {.key = "max_client_id_length",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_client_id_length),
     .min = 23,
     .max = 65535,
     .fallback = "1024",
     .unit = "bytes",
     .help = "A longer client id is refused with return code 2."},
    {.key = "max_keep_alive",
     .kind = CONFIG_DURATION,
     FIELD(limits_config, max_keep_alive_ms),
     .max = 65535000,
     .fallback = "0",
     .help = "Silence after which a client that asked for no keep alive, or a longer one, is "
             "closed. 0: what the client asks for holds."},
    {.key = "connect_timeout",
     .kind = CONFIG_DURATION,
     FIELD(limits_config, connect_timeout_ms),
     .min = 100,
     .max = 600000,
     .fallback = "10s",
     .help = "How long a new connection may take to send its CONNECT."},
    {.key = "session_expiry",
     .kind = CONFIG_DURATION,
     FIELD(limits_config, session_expiry_ms),
     .fallback = "30d",
     .help = "A durable session whose client stays away for this long ends; otherwise it would "
             "stay for ever, with everything queued for it. 0: never."},
    {.key = "max_durable_sessions",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_durable_sessions),
     .min = 1,
     .max = 100000000,
     .fallback = "1000000",
     .unit = "sessions",
     .help = "Of the whole fleet, or of a broker without a fleet: one more client that asks for a "
             "durable session is refused with return code 3. Clients that have one can come back."},
    {.key = "max_stored_bytes",
     .kind = CONFIG_SIZE,
     FIELD(limits_config, max_stored_bytes),
     .fallback = "0",
     .help =
         "Of Redis' memory. A durable session's queue holds at most an eighth of what isn't in "
         "use of it (but always 64 kB); when all is, new retained topics aren't kept (counted). "
         "0: three quarters of Redis' maxmemory; if that isn't set, half of the memory of Redis' "
         "machine."},
    {.key = "max_retained_messages",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_retained_messages),
     .min = 1,
     .max = 1000000000,
     .fallback = "10000000",
     .unit = "messages",
     .help = "Memory store: one more retained topic isn't kept (counted)."},
};
const struct config_schema limits_schema = CONFIG_SCHEMA(struct limits_config, limits_fields);
