/*
 * broker_watch - reads along what one client says and what the broker writes to it, and demands what MQTT promises
 * the client.
 *
 * Demanded: whole packets of the client's version, such as a server may send; CONNACK first, and once; no answer to
 *        what wasn't asked; to 5.0 clients nothing larger than they take and no alias beyond their maximum or unknown;
 *        never more unacknowledged messages than allowed; nothing that wasn't subscribed to, or above the QoS that
 *        was asked for; nothing behind DISCONNECT.
 * Bounds: what a client id was ever subscribed to counts, since queues outlive subscriptions, and what a client said
 *        counts as soon as it is said: so what the broker may do is never taken for wrong.
 */
#ifndef FLOTILLA_TESTS_FUZZ_BROKER_WATCH_H
#define FLOTILLA_TESTS_FUZZ_BROKER_WATCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mqtt/mqtt.h"

enum { WATCH_SAYS = 1 << 17, WATCH_NAME = 80, WATCH_FILTERS = 64, WATCH_IDS = 32 };
enum { WATCH_SESSIONS = 32, WATCH_FLIGHT = 64, WATCH_ALIASES = 8 };

/* What a client id was ever subscribed to. */
struct watcher_session {
    char id[WATCH_NAME];
    uint32_t id_len;
    struct watcher_filter {
        char text[WATCH_NAME];
        uint32_t len;
        uint8_t qos;
    } filters[WATCH_FILTERS];
    size_t filter_count;
    uint32_t ids[WATCH_IDS]; /* of subscriptions */
    size_t id_count;
    bool used, overflown; /* overflown: it isn't all here */
};

struct watcher {
    struct watcher_session *sessions; /* of all clients; WATCH_SESSIONS */
    struct watcher_session *session;  /* NULL: it isn't known whose it is */
    uint32_t most_inflight, most_aliases;
    uint8_t said[WATCH_SAYS];
    size_t said_len;
    bool garbled;   /* what it said isn't MQTT, or more than is kept */
    bool connected; /* it has said CONNECT, */
    bool welcomed;  /* and got CONNACK */
    bool refused, dismissed;
    bool left; /* it has said DISCONNECT */
    enum mqtt_version version;
    uint32_t max_packet;
    uint16_t receive_maximum, alias_maximum;
    bool alias_known[WATCH_ALIASES];
    char alias_topic[WATCH_ALIASES][WATCH_NAME];
    uint32_t alias_len[WATCH_ALIASES];
    struct watcher_flight {
        uint16_t id;
        uint8_t qos;
    } flight[WATCH_FLIGHT];
    size_t in_flight;
    uint8_t early[256];    /* acknowledged before they were seen */
    uint32_t asked[16];    /* by type of packet, less those that are answered */
    uint8_t challenge[16]; /* of the last AUTH */
    bool challenged;
};

#define WATCH_DEMAND(w, condition)                                                                 \
    do {                                                                                           \
        if (!(condition))                                                                          \
            watcher_fail(w, #condition);                                                             \
    } while (0)

static void watcher_fail(const struct watcher *w, const char *what)
{
    fprintf(stderr, "promise broken to client '%.*s' of version %d: %s\n",
            w->session != NULL ? (int)w->session->id_len : 0,
            w->session != NULL ? w->session->id : "", (int)w->version, what);
    abort();
}

/* ---- what it says ---------------------------------------------------------------------------- */

static struct watcher_session *watcher_session_of(struct watcher *w, struct mqtt_slice id)
{
    for (size_t i = 0; i < WATCH_SESSIONS; i++) {
        struct watcher_session *s = &w->sessions[i];
        if (id.len > 0 && s->id_len == id.len && memcmp(s->id, id.data, id.len) == 0)
            return s;
        if (!s->used && id.len < WATCH_NAME) {
            s->used = true;
            s->id_len = id.len;
            memcpy(s->id, id.len > 0 ? id.data : (const uint8_t *)"", id.len);
            return s;
        }
    }
    return NULL;
}

static uint32_t watcher_num(const struct mqtt_props *props, enum mqtt_property id, uint32_t otherwise)
{
    struct mqtt_prop p;
    return mqtt_props_find(props, id, &p) ? p.num : otherwise;
}

static void watcher_connect(struct watcher *w, const struct mqtt_connect *c)
{
    if (w->connected)
        return;
    w->connected = true;
    w->version = c->version;
    w->session = watcher_session_of(w, c->client_id);
    w->max_packet = watcher_num(&c->props, MQTT_P_MAXIMUM_PACKET_SIZE, UINT32_MAX);
    w->receive_maximum = (uint16_t)watcher_num(&c->props, MQTT_P_RECEIVE_MAXIMUM, UINT16_MAX);
    w->alias_maximum = (uint16_t)watcher_num(&c->props, MQTT_P_TOPIC_ALIAS_MAXIMUM, 0);
}

static void watcher_filter_add(struct watcher_session *s, const struct mqtt_filter *f)
{
    struct mqtt_slice group;
    struct mqtt_slice inner = f->filter;
    if (mqtt_filter_is_shared(f->filter) && !mqtt_filter_split_shared(f->filter, &group, &inner))
        return; /* that is refused */
    if (s->filter_count == WATCH_FILTERS || inner.len > WATCH_NAME) {
        s->overflown = true;
        return;
    }
    struct watcher_filter *to = &s->filters[s->filter_count++];
    memcpy(to->text, inner.data, inner.len);
    to->len = inner.len;
    to->qos = f->qos;
}

static void watcher_subscribe(struct watcher *w, const struct mqtt_subscribe *p)
{
    struct watcher_session *s = w->session;
    struct mqtt_filter f;
    uint32_t at = 0;
    uint32_t id = watcher_num(&p->props, MQTT_P_SUBSCRIPTION_ID, 0);
    if (s == NULL)
        return;
    while (mqtt_filters_next(p, true, &at, &f))
        watcher_filter_add(s, &f);
    if (id != 0 && s->id_count < WATCH_IDS)
        s->ids[s->id_count++] = id;
    else if (id != 0)
        s->overflown = true;
}

static struct watcher_flight *watcher_flight_of(struct watcher *w, uint16_t id)
{
    for (size_t i = 0; i < w->in_flight; i++)
        if (w->flight[i].id == id)
            return &w->flight[i];
    return NULL;
}

static void watcher_ack(struct watcher *w, enum mqtt_type type, const struct mqtt_ack *a)
{
    bool over = type != MQTT_PUBREC || (w->version == MQTT_V5 && a->reason >= MQTT_R_UNSPECIFIED);
    struct watcher_flight *f = watcher_flight_of(w, a->packet_id);
    if (!over)
        return;
    if (f != NULL)
        *f = w->flight[--w->in_flight];
    else if (w->early[a->packet_id % 256] < 255)
        w->early[a->packet_id % 256]++;
}

static void watcher_hear(struct watcher *w, const struct mqtt_packet *p)
{
    switch (p->type) {
    case MQTT_CONNECT:
        watcher_connect(w, &p->u.connect);
        break;
    case MQTT_PUBLISH:
        if (p->u.publish.qos > 0)
            w->asked[p->u.publish.qos == 1 ? MQTT_PUBACK : MQTT_PUBREC]++;
        break;
    case MQTT_PUBREL:
        w->asked[MQTT_PUBCOMP]++;
        break;
    case MQTT_SUBSCRIBE:
        w->asked[MQTT_SUBACK]++;
        watcher_subscribe(w, &p->u.subscribe);
        break;
    case MQTT_UNSUBSCRIBE:
        w->asked[MQTT_UNSUBACK]++;
        break;
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBCOMP:
        watcher_ack(w, p->type, &p->u.ack);
        break;
    case MQTT_PINGREQ:
        w->asked[MQTT_PINGRESP]++;
        break;
    case MQTT_DISCONNECT:
        w->left = true;
        break;
    default:
        break;
    }
}

/* The client says this; in any portions. */
static void watcher_say(struct watcher *w, const uint8_t *bytes, size_t len)
{
    size_t at = 0;
    if (w->garbled || w->said_len + len > sizeof(w->said)) {
        w->garbled = true;
        return;
    }
    memcpy(w->said + w->said_len, bytes, len);
    w->said_len += len;
    while (!w->garbled && !w->left) {
        struct mqtt_decode_opts opts = {.version = w->connected ? w->version : MQTT_UNKNOWN};
        struct mqtt_packet p;
        size_t size = 0;
        enum decode_result r = mqtt_decode(w->said + at, w->said_len - at, &opts, &p, &size, NULL);
        if (r == DECODE_NEED_MORE)
            break;
        w->garbled = r == DECODE_MALFORMED ||
                     (p.type == MQTT_CONNECT && p.u.connect.version == MQTT_UNKNOWN);
        if (w->garbled)
            break;
        watcher_hear(w, &p);
        at += size;
    }
    memmove(w->said, w->said + at, w->said_len - at);
    w->said_len -= at;
}

/* ---- what it is sent ------------------------------------------------------------------------- */

static struct mqtt_slice watcher_topic(struct watcher *w, const struct mqtt_publish *p)
{
    uint32_t alias = watcher_num(&p->props, MQTT_P_TOPIC_ALIAS, 0);
    WATCH_DEMAND(w, p->topic.len > 0 || alias != 0);
    if (alias == 0)
        return p->topic;
    WATCH_DEMAND(w, alias <= w->alias_maximum && alias <= w->most_aliases);
    if (p->topic.len == 0) {
        WATCH_DEMAND(w, w->alias_known[alias]);
        return mqtt_slice_of(w->alias_topic[alias], w->alias_len[alias]);
    }
    w->alias_known[alias] = true;
    w->alias_len[alias] = p->topic.len < WATCH_NAME ? p->topic.len : WATCH_NAME;
    memcpy(w->alias_topic[alias], p->topic.data, w->alias_len[alias]);
    return p->topic;
}

static void watcher_subscription_ids(struct watcher *w, const struct mqtt_props *props)
{
    const struct watcher_session *s = w->session;
    struct mqtt_prop p;
    uint32_t at = 0;
    while (mqtt_props_next(props, &at, &p)) {
        bool known = s == NULL || s->overflown || p.id != MQTT_P_SUBSCRIPTION_ID;
        for (size_t i = 0; !known && i < s->id_count; i++)
            known = s->ids[i] == p.num;
        WATCH_DEMAND(w, known && "it has a subscription with this id");
    }
}

static void watcher_is_subscribed(struct watcher *w, struct mqtt_slice topic, uint8_t qos)
{
    const struct watcher_session *s = w->session;
    bool matches = s == NULL || s->overflown || topic.len >= WATCH_NAME;
    for (size_t i = 0; !matches && i < s->filter_count; i++) {
        const struct watcher_filter *f = &s->filters[i];
        matches = f->qos >= qos && mqtt_filter_matches(mqtt_slice_of(f->text, f->len), topic);
    }
    WATCH_DEMAND(w, matches && "it is subscribed at this QoS");
}

static void watcher_publish(struct watcher *w, const struct mqtt_publish *p)
{
    struct mqtt_slice topic = watcher_topic(w, p);
    watcher_subscription_ids(w, &p->props);
    watcher_is_subscribed(w, topic, p->qos);
    if (p->qos == 0)
        return;
    WATCH_DEMAND(w, watcher_flight_of(w, p->packet_id) == NULL);
    if (w->early[p->packet_id % 256] > 0) {
        w->early[p->packet_id % 256]--;
        return;
    }
    WATCH_DEMAND(w, w->in_flight < w->receive_maximum && w->in_flight < w->most_inflight);
    w->flight[w->in_flight++] = (struct watcher_flight){.id = p->packet_id, .qos = p->qos};
}

static void watcher_connack(struct watcher *w, const struct mqtt_connack *a)
{
    struct mqtt_prop p;
    WATCH_DEMAND(w, !w->welcomed);
    w->welcomed = true;
    w->refused = a->code != 0;
    if (w->session == NULL || !mqtt_props_find(&a->props, MQTT_P_ASSIGNED_CLIENT_ID, &p))
        return;
    WATCH_DEMAND(w, w->session->id_len == 0 && p.str.len > 0 && p.str.len < WATCH_NAME);
    memcpy(w->session->id, p.str.data, p.str.len);
    w->session->id_len = p.str.len;
}

static void watcher_auth(struct watcher *w, const struct mqtt_ack *a)
{
    struct mqtt_prop p;
    w->challenged =
        mqtt_props_find(&a->props, MQTT_P_AUTH_DATA, &p) && p.str.len == sizeof(w->challenge);
    if (w->challenged)
        memcpy(w->challenge, p.str.data, p.str.len);
}

/* The broker sends it this packet, of so many bytes. */
static void watcher_see(struct watcher *w, const struct mqtt_packet *p, size_t size)
{
    WATCH_DEMAND(w, !w->dismissed && !w->refused);
    WATCH_DEMAND(w, w->welcomed || p->type == MQTT_CONNACK || p->type == MQTT_AUTH);
    WATCH_DEMAND(w, !w->connected || w->version != MQTT_V5 || size <= w->max_packet);
    switch (p->type) {
    case MQTT_CONNACK:
        watcher_connack(w, &p->u.connack);
        break;
    case MQTT_PUBLISH:
        watcher_publish(w, &p->u.publish);
        break;
    case MQTT_AUTH:
        watcher_auth(w, &p->u.ack);
        break;
    case MQTT_DISCONNECT:
        w->dismissed = true;
        break;
    case MQTT_PUBREL:
        break;
    default:
        WATCH_DEMAND(w, w->garbled || w->asked[p->type] > 0);
        w->asked[p->type] -= w->asked[p->type] > 0 ? 1 : 0;
        break;
    }
}

/* Takes whole packets off the start of what was written; how many bytes they have. */
static size_t watcher_written(struct watcher *w, const uint8_t *bytes, size_t len)
{
    size_t at = 0;
    while (at < len) {
        struct mqtt_decode_error err = {0};
        struct mqtt_decode_opts opts = {.version = w->connected ? w->version : MQTT_V311,
                                        .from_server = true};
        struct mqtt_packet p;
        size_t size = 0;
        enum decode_result r = mqtt_decode(bytes + at, len - at, &opts, &p, &size, &err);
        if (r == DECODE_MALFORMED && !w->connected) { /* a CONNECT that was refused as malformed */
            opts.version = MQTT_V5;
            r = mqtt_decode(bytes + at, len - at, &opts, &p, &size, &err);
        }
        if (r == DECODE_NEED_MORE)
            break;
        if (r == DECODE_MALFORMED)
            watcher_fail(w, err.text);
        watcher_see(w, &p, size);
        at += size;
    }
    return at;
}

#endif
