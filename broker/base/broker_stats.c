/*
 * Names of the counters, as logs and metrics show them.
 */
#include "broker/base/broker_stats.h"

const char *const client_end_names[CLIENT_END_COUNT] = {
    [END_DISCONNECT] = "disconnect",
    [END_EOF] = "closed_by_peer",
    [END_IO_ERROR] = "io_error",
    [END_MALFORMED] = "malformed",
    [END_REFUSED] = "refused",
    [END_CONNECT_TIMEOUT] = "connect_timeout",
    [END_KEEP_ALIVE] = "keep_alive",
    [END_TAKEN_OVER] = "taken_over",
    [END_QUEUE_FULL] = "queue_full",
    [END_STORE_FAILED] = "store_failed",
    [END_GAP] = "gap",
    [END_START_OVER] = "start_over",
    [END_SHUTDOWN] = "shutdown",
    [END_NO_MEMORY] = "no_memory",
    [END_MEMORY] = "max_memory",
    [END_SLOW_PACKET] = "slow_packet",
    [END_NOT_AUTHORIZED] = "not_authorized",
    [END_EXPIRED] = "expired",
    [END_PROXY] = "proxy_header",
    [END_SUBSCRIBE_REFUSED] = "subscribe_refused",
    [END_OPEN_QOS2] = "max_open_qos2",
    [END_OPERATOR] = "closed_by_operator",
    [END_PROTOCOL] = "protocol",
    [END_TLS_HANDSHAKE] = "tls_handshake",
    [END_TLS_TIMEOUT] = "tls_timeout",
};

const char *const refusal_names[REFUSAL_COUNT] = {
    [REFUSED_VERSION] = "protocol_version",
    [REFUSED_CLIENT_ID] = "client_id",
    [REFUSED_LOGIN] = "bad_login",
    [REFUSED_NOT_AUTHORIZED] = "not_authorized",
    [REFUSED_OTHER_USER] = "other_user",
    [REFUSED_LOGIN_BUSY] = "login_busy",
    [REFUSED_STORE] = "store_unavailable",
    [REFUSED_CONNECTIONS] = "max_connections",
    [REFUSED_ADDRESS] = "max_connections_per_address",
    [REFUSED_RATE] = "max_connect_rate",
    [REFUSED_USER] = "max_connections_per_user",
    [REFUSED_DRAINING] = "draining",
    [REFUSED_UPGRADE] = "upgrade",
    [REFUSED_PATH] = "upgrade_path",
    [REFUSED_ORIGIN] = "upgrade_origin",
    [REFUSED_SUBPROTOCOL] = "upgrade_subprotocol",
    [REFUSED_WILL] = "will",
    [REFUSED_AUTH_METHOD] = "auth_method",
    [REFUSED_MALFORMED] = "malformed",
};

const char *const drop_names[DROP_COUNT] = {
    [DROP_SLOW_CONSUMER] = "slow_consumer",
    [DROP_QUEUE_FULL] = "queue_full",
    [DROP_DENIED] = "denied",
    [DROP_LIMIT] = "limit",
    [DROP_RETAINED_FULL] = "retained_full",
    [DROP_NO_MEMORY] = "no_memory",
    [DROP_SHARE_NOBODY] = "share_nobody",
    [DROP_MEMORY] = "max_memory",
    [DROP_EXPIRED] = "expired",
    [DROP_PACKET_SIZE] = "packet_size",
    [DROP_PAYLOAD_FORMAT] = "payload_format",
};
