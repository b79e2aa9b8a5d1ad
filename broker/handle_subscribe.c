/*
 * SUBSCRIBE and UNSUBSCRIBE, by rule 6: the local tree, the store (in a fleet: everybody), SUBACK,
 * then retained messages.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/auth.h"
#include "broker/client.h"
#include "broker/handle.h"
#include "broker/request.h"
#include "broker/retained_delivery.h"
#include "broker/router.h"
#include "broker/session.h"
#include "common/log.h"

/* ---- SUBSCRIBE ------------------------------------------------------------------------------- */

/* A filter that the session holds already is replaced, which needs no room. */
static bool has_room(struct client *c, struct mqtt_slice filter)
{
    return c->session->subscriber.count < c->broker->config->limits.max_subscriptions ||
           router_is_subscribed(c->broker->router, c->session, filter);
}

/* Why the filter isn't granted, NULL if it may be. "$share/..." would be a plain filter here, which
 * nothing ever matches: better refused than granted in vain. */
static const char *objection(struct client *c, struct mqtt_slice filter)
{
    if (mqtt_filter_is_shared(filter))
        return "shared subscriptions are not supported";
    if (!handle_topic_fits(c, filter))
        return "topic limits";
    if (!has_room(c, filter))
        return "max_subscriptions";
    if (!auth_may_subscribe(c->broker->auth, c, filter))
        return "access control";
    return NULL;
}

static uint8_t grant(struct client *c, const struct mqtt_filter *f)
{
    struct subscription_options options = {
        .qos = f->qos, .no_local = c->bridge, .retain_as_published = c->bridge};
    const char *why = objection(c, f->filter);
    if (why == NULL && !router_subscribe(c->broker->router, c->session, f->filter, options))
        why = "no memory";
    if (why == NULL)
        return f->qos;
    LOG_LIMITED(LOG_LEVEL_INFO, "subscribe_refused", KV_STR("client_id", client_id_text(c)),
                KV_BYTES("filter", f->filter.data, f->filter.len), KV_STR("reason", why));
    return MQTT_QOS_FAILURE;
}

/* Grants each filter and keeps them in the request, texts included. */
static bool grant_all(struct client *c, const struct mqtt_subscribe *s, struct request *q)
{
    q->wishes = malloc(s->count * sizeof(*q->wishes) + s->list.len);
    if (q->wishes == NULL)
        return false;
    uint8_t *text = (uint8_t *)&q->wishes[s->count];
    struct mqtt_filter f;
    for (uint32_t at = 0; mqtt_filters_next(s, true, &at, &f);) {
        memcpy(text, f.filter.data, f.filter.len);
        q->wishes[q->count++] = (struct wish){
            .filter = {.data = text, .len = f.filter.len},
            .code = grant(c, &f),
        };
        text += f.filter.len;
    }
    return true;
}

static void on_subscribed(void *arg, enum store_status status)
{
    struct request *q = arg;
    struct client *c = q->client;
    if (status == STORE_UNAVAILABLE || status == STORE_FULL) {
        for (uint32_t i = 0; i < q->count; i++) {
            if (q->wishes[i].code != MQTT_QOS_FAILURE && c->state == CLIENT_ONLINE)
                router_unsubscribe(c->broker->router, c->session, q->wishes[i].filter);
            q->wishes[i].code = MQTT_QOS_FAILURE;
        }
        status = STORE_OK; /* the SUBACK says it */
    }
    request_done(q, status);
}

static void tell_store(struct client *c, struct request *q)
{
    struct store_subscription *subs = calloc(q->count, sizeof(*subs));
    if (subs == NULL) {
        on_subscribed(q, STORE_UNAVAILABLE);
        return;
    }
    size_t count = 0;
    for (uint32_t i = 0; i < q->count; i++)
        if (q->wishes[i].code != MQTT_QOS_FAILURE)
            subs[count++] = (struct store_subscription){.filter = q->wishes[i].filter,
                                                        .qos = q->wishes[i].code,
                                                        .no_local = c->bridge,
                                                        .retain_as_published = c->bridge};
    if (count > 0)
        store_subscribe(c->broker->store, &c->hold, subs, count, on_subscribed, q);
    else
        request_done(q, STORE_OK);
    free(subs);
}

void handle_subscribe(struct client *c, const struct mqtt_packet *packet)
{
    const struct mqtt_subscribe *s = &packet->u.subscribe;
    struct request *q = request_new(c, MQTT_SUBACK, s->packet_id);
    if (q == NULL)
        return;
    retained_delivery_expect(c);
    if (!grant_all(c, s, q)) {
        client_doom(c, END_NO_MEMORY);
        request_done(q, STORE_UNAVAILABLE);
        return;
    }
    tell_store(c, q);
}

static bool has_refused(const struct request *q)
{
    for (uint32_t i = 0; i < q->count; i++)
        if (q->wishes[i].code == MQTT_QOS_FAILURE)
            return true;
    return false;
}

void handle_subscribe_answer(struct client *c, struct request *q)
{
    if (c->version == MQTT_V31 && has_refused(q)) {
        client_doom(c, END_SUBSCRIBE_REFUSED); /* 3.1 has no 0x80: to be told nothing is worse */
        return;
    }
    uint8_t *codes = malloc(q->count);
    if (codes == NULL) {
        client_doom(c, END_NO_MEMORY);
        return;
    }
    for (uint32_t i = 0; i < q->count; i++)
        codes[i] = q->wishes[i].code;
    struct mqtt_packet p = {
        .type = MQTT_SUBACK,
        .u.suback = {.packet_id = q->packet_id, .codes = {.data = codes, .len = q->count}}};
    if (!client_send(c, &p))
        client_doom(c, END_NO_MEMORY);
    free(codes);
    for (uint32_t i = 0; i < q->count; i++)
        if (q->wishes[i].code != MQTT_QOS_FAILURE)
            retained_delivery_add(c, q->wishes[i].filter, q->wishes[i].code);
    retained_delivery_expected(c);
}

/* ---- UNSUBSCRIBE ----------------------------------------------------------------------------- */

void handle_unsubscribe(struct client *c, const struct mqtt_packet *packet)
{
    const struct mqtt_subscribe *s = &packet->u.subscribe;
    struct mqtt_slice *filters = calloc(s->count, sizeof(*filters));
    struct request *q = filters != NULL ? request_new(c, MQTT_UNSUBACK, s->packet_id) : NULL;
    if (q == NULL) {
        free(filters);
        client_doom(c, END_NO_MEMORY);
        return;
    }
    struct mqtt_filter f;
    size_t count = 0;
    for (uint32_t at = 0; mqtt_filters_next(s, false, &at, &f);)
        if (router_unsubscribe(c->broker->router, c->session, f.filter)) {
            retained_delivery_remove(c, f.filter);
            filters[count++] = f.filter;
        }
    if (count > 0)
        store_unsubscribe(c->broker->store, &c->hold, filters, count, request_done, q);
    else
        request_done(q, STORE_OK);
    free(filters);
}
