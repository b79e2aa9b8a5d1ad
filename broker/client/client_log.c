/* protocol/claim.c and connection/client_life.c say when. */
#include "broker/client/client_log.h"

#include "broker/base/broker_config.h"
#include "broker/client/client.h"
#include "common/log/log.h"

static const char *version_name(uint8_t version)
{
    switch (version) {
    case MQTT_V31:
        return "3.1";
    case MQTT_V311:
        return "3.1.1";
    case MQTT_V5:
        return "5.0";
    default:
        return NULL;
    }
}

/* Never 0, which means: it never was online. */
static uint32_t now_s(const struct client *c)
{
    return (uint32_t)(c->broker->client_ms / 1000) + 1;
}

static enum log_level level_of_connections(const struct client *c)
{
    return c->broker->config->log.connections ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
}

void client_log_online(struct client *c, bool clean, bool present)
{
    char peer[PEER_TEXT_MAX];
    c->online_since_s = now_s(c);
    LOG_AT(level_of_connections(c), "client_online", KV_STR("client_id", client_id_text(c)),
           KV_STR("user", c->who.username), KV_STR("peer", peer_text(&c->transport->peer, peer)),
           KV_STR("version", version_name(c->version)), KV_BOOL("clean", clean),
           KV_BOOL("durable", c->hold.durable), KV_BOOL("present", present),
           KV_UINT("keep_alive_s", c->keep_alive_s));
}

static void log_gone(const struct client *c, enum client_end why)
{
    char peer[PEER_TEXT_MAX];
    LOG_INFO("client_closed", KV_STR("client_id", client_id_text(c)),
             KV_STR("user", c->who.username), KV_STR("peer", peer_text(&c->transport->peer, peer)),
             KV_STR("reason", client_end_names[why]),
             KV_UINT("online_s", now_s(c) - c->online_since_s));
}

void client_log_end(const struct client *c, enum client_end why)
{
    if (c->online_since_s != 0 && c->broker->config->log.connections) {
        log_gone(c, why);
        return;
    }
    bool everyday = why == END_DISCONNECT || why == END_EOF || why == END_SHUTDOWN ||
                    why == END_TLS_HANDSHAKE; /* that was logged with its reason */
    enum log_level level = everyday ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
    static _Thread_local struct log_limit limits[CLIENT_END_COUNT];
    char peer[PEER_TEXT_MAX];
    LOG_LIMITED_BY(&limits[why], level, "client_closed", KV_STR("client_id", client_id_text(c)),
                   KV_STR("peer", peer_text(&c->transport->peer, peer)),
                   KV_STR("reason", client_end_names[why]));
}
