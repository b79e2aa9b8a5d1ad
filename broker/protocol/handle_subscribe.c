/*
 * SUBSCRIBE and UNSUBSCRIBE, by rule 6: the local tree, the store (in a fleet: everybody), SUBACK,
 * then retained messages.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/auth/auth.h"
#include "broker/base/account.h"
#include "broker/base/broker_config.h"
#include "broker/client/client.h"
#include "broker/client/request.h"
#include "broker/delivery/retained_delivery.h"
#include "broker/delivery/share.h"
#include "broker/protocol/handle.h"
#include "broker/routing/router.h"
#include "broker/routing/session.h"
#include "common/base/hash.h"
#include "common/base/hash_table.h"
#include "common/log/log.h"

/* ---- one filter ------------------------------------------------------------------------------ */

/* Codes from here on are refusals (5.0: 2.4). */
static bool is_refusal(uint8_t code)
{
    return code >= MQTT_R_UNSPECIFIED;
}

/* Which limit forbids one more subscription, NULL if none does. A filter that the session holds
 * already is replaced, which needs no room. */
static const char *bound(struct client *c, struct mqtt_slice filter)
{
    const struct limits_config *limits = &c->broker->config->limits;
    const struct subscriber *s = &c->session->subscriber;
    const char *name = NULL;
    if (s->count >= limits->max_subscriptions)
        name = "max_subscriptions";
    else if (s->plus_count >= limits->max_plus_subscriptions &&
             memchr(filter.data, '+', filter.len) != NULL)
        name = "max_plus_subscriptions";
    else if (s->shared_count >= limits->max_shared_subscriptions && mqtt_filter_is_shared(filter))
        name = "max_shared_subscriptions";
    else if (s->filter_bytes + (uint64_t)filter.len > limits->max_subscription_bytes)
        name = "max_subscription_bytes";
    else if (!memory_budget_takes_lasting(&c->broker->memory, account_lasting()))
        name = "max_memory";
    if (name == NULL || router_is_subscribed(c->broker->router, c->session, filter, NULL))
        return NULL;
    return name;
}

struct objection {
    const char *why; /* NULL: none */
    uint8_t code;
};

/* Why the filter isn't granted. Limits and rights are those of the inner filter of a shared one. */
static struct objection objection_to(struct client *c, struct mqtt_slice filter)
{
    struct mqtt_slice group;
    struct mqtt_slice inner = filter;
    if (mqtt_filter_is_shared(filter) && !mqtt_filter_split_shared(filter, &group, &inner))
        return (struct objection){"not a valid shared subscription", MQTT_R_BAD_TOPIC_FILTER};
    if (!handle_topic_fits(c, inner))
        return (struct objection){"topic limits", MQTT_R_BAD_TOPIC_FILTER};
    /* 3.1 has no code for it; what may not be read isn't delivered in any case. */
    if (c->version != MQTT_V31 && !auth_may_subscribe(c->broker->auth, &c->who, inner))
        return (struct objection){"access control", MQTT_R_NOT_AUTHORIZED};
    return (struct objection){bound(c, filter), MQTT_R_QUOTA_EXCEEDED};
}

static void grant(struct client *c, struct wish *w)
{
    struct router *router = c->broker->router;
    static const struct objection refusals[] = {
        [ROUTER_CROWDED] = {"one topic would match too many filters with + of all clients",
                            MQTT_R_QUOTA_EXCEEDED},
        [ROUTER_NO_MEMORY] = {"no memory", MQTT_R_IMPLEMENTATION_SPECIFIC}};
    struct objection o = objection_to(c, w->filter);
    w->replaced = router_is_subscribed(router, c->session, w->filter, &w->before);
    if (o.why == NULL)
        o = refusals[router_grant(router, c->session, w->filter, w->options)];
    if (o.why == NULL) {
        if (mqtt_filter_is_shared(w->filter))
            share_joined(c, w->filter);
        return;
    }
    w->code = o.code;
    LOG_LIMITED(LOG_LEVEL_INFO, "subscribe_refused", KV_STR("client_id", client_id_text(c)),
                KV_BYTES("filter", w->filter.data, w->filter.len), KV_STR("reason", o.why));
}

/* The store couldn't take it: the tree has again what the store has. */
static void take_back(struct client *c, const struct wish *w)
{
    struct router *router = c->broker->router;
    if (w->replaced)
        router_subscribe(router, c->session, w->filter, w->before);
    else
        router_unsubscribe(router, c->session, w->filter);
    if (mqtt_filter_is_shared(w->filter) && w->replaced)
        share_joined(c, w->filter);
    else
        share_left(c, w->filter);
}

/* Not found: as a filter that isn't granted, nobody else is told. */
static uint8_t revoke(struct client *c, struct mqtt_slice filter)
{
    if (!router_unsubscribe(c->broker->router, c->session, filter))
        return MQTT_R_NO_SUBSCRIPTION_EXISTED;
    retained_delivery_remove(c, filter);
    share_left(c, filter);
    return MQTT_R_SUCCESS;
}

/* ---- the answers ----------------------------------------------------------------------------- */

static bool has_refused(const struct request_list *l)
{
    for (uint32_t i = 0; i < l->count; i++)
        if (is_refusal(l->wishes[i].code))
            return true;
    return false;
}

/* SUBACK, or UNSUBACK of 5.0: a code per filter. 3.1.1 has one for all refusals. */
static bool send_codes(struct client *c, const struct request *q)
{
    const struct request_list *l = q->list;
    uint8_t *codes = malloc(l->count);
    if (codes == NULL)
        return false;
    for (uint32_t i = 0; i < l->count; i++) {
        uint8_t code = l->wishes[i].code;
        codes[i] = c->version != MQTT_V5 && is_refusal(code) ? MQTT_QOS_FAILURE : code;
    }
    struct mqtt_packet p = {
        .type = (enum mqtt_type)q->answer,
        .u.suback = {.packet_id = q->packet_id, .codes = {.data = codes, .len = l->count}}};
    bool sent = client_send(c, &p);
    free(codes);
    return sent;
}

/* Retained messages by the retain handling: always, for a new subscription, never. */
static bool wants_retained(const struct wish *w)
{
    enum { ALWAYS = 0, IF_NEW = 1 };
    if (is_refusal(w->code) || mqtt_filter_is_shared(w->filter))
        return false;
    return w->retain_handling == ALWAYS || (w->retain_handling == IF_NEW && !w->replaced);
}

/* Sends the SUBACK, then what is retained. */
static void answer_subscribe(struct client *c, struct request *q)
{
    const struct request_list *l = q->list;
    if (c->version == MQTT_V31 && has_refused(l)) {
        client_close_later(c, END_SUBSCRIBE_REFUSED); /* 3.1 has no 0x80 */
        return;
    }
    if (!send_codes(c, q)) {
        client_close_later(c, END_NO_MEMORY);
        return;
    }
    for (uint32_t i = 0; i < l->count; i++) {
        if (!is_refusal(l->wishes[i].code) && mqtt_filter_is_shared(l->wishes[i].filter))
            share_answered(c, l->wishes[i].filter);
        if (wants_retained(&l->wishes[i]))
            retained_delivery_add(c, l->wishes[i].filter, l->wishes[i].options);
    }
    retained_delivery_expected(c);
}

static void answer_unsubscribe(struct client *c, struct request *q)
{
    if (c->version != MQTT_V5)
        client_send_ack(c, MQTT_UNSUBACK, q->packet_id);
    else if (!send_codes(c, q))
        client_close_later(c, END_NO_MEMORY);
}

/* ---- lists of filters, in pieces ------------------------------------------------------------- */

/* A packet may name tens of thousands of filters. They are worked through in pieces, so that others
 * have a go in between, here and in the store; the client isn't read before the last one, and its
 * answer says all. */
enum { PIECE_FILTERS = 500, PIECE_BYTES = 32 * 1024, FILTER_US = 2 };
/* Of a filter that an ACL is asked about: so much that the clock is looked at after each. */
enum { RULES_US = TIMEBOX_LOOK_US };

static size_t list_size(const struct mqtt_subscribe *s)
{
    return s->count * sizeof(struct wish) + s->list.len;
}

/* Of 5.0: they all have the one that the packet has, or none. */
static uint32_t subscription_id_of(const struct mqtt_subscribe *s)
{
    struct mqtt_prop p;
    return mqtt_props_find(&s->props, MQTT_P_SUBSCRIPTION_ID, &p) ? p.num : 0;
}

static const char queue_prefix[] = "$queue/";
/* "$queue/<filter>" is the group of this name. */
static const char alias_prefix[] = "$share/$queue/";

/* Copies a filter, written out if it is an alias (`shared.queue_alias`). Returns its length. */
static uint32_t copy_filter(const struct client *c, uint8_t *out, struct mqtt_slice filter)
{
    uint32_t named = sizeof(queue_prefix) - 1;
    if (!c->broker->config->shared.queue_alias || filter.len < named ||
        memcmp(filter.data, queue_prefix, named) != 0) {
        memcpy(out, filter.data, filter.len);
        return filter.len;
    }
    uint32_t prefix = sizeof(alias_prefix) - 1;
    memcpy(out, alias_prefix, prefix);
    memcpy(out + prefix, filter.data + named, filter.len - named);
    return filter.len - named + prefix;
}

/* What the packet names, texts included: the read buffer is others' before the last piece. */
static struct request_list *copy_list(const struct client *c, const struct mqtt_subscribe *s,
                                      bool subscribe)
{
    size_t aliases = c->broker->config->shared.queue_alias ? s->count * sizeof(alias_prefix) : 0;
    struct request_list *l = account_alloc(ACCOUNT_REQUESTS, sizeof(*l) + list_size(s) + aliases);
    if (l == NULL)
        return NULL;
    *l = (struct request_list){.answer = subscribe ? answer_subscribe : answer_unsubscribe};
    uint8_t *text = (uint8_t *)&l->wishes[s->count];
    struct mqtt_filter f = {0};
    uint32_t id = subscribe ? subscription_id_of(s) : 0;
    uint8_t most = (uint8_t)c->broker->config->mqtt.max_qos;
    for (uint32_t at = 0; mqtt_filters_next(s, subscribe, &at, &f);) {
        uint32_t len = copy_filter(c, text, f.filter);
        struct mqtt_slice filter = {.data = text, .len = len};
        bool bridge = c->bridge && !mqtt_filter_is_shared(filter);
        uint8_t qos = f.qos <= most ? f.qos : most;
        l->wishes[l->count++] =
            (struct wish){.filter = filter,
                          .options = {.qos = qos,
                                      .no_local = f.no_local || bridge,
                                      .retain_as_published = f.retain_as_published || c->bridge,
                                      .subscription_id = id},
                          .code = qos,
                          .retain_handling = f.retain_handling};
        text += len;
    }
    return l;
}

/* The next piece's filters are granted, or taken from the tree. */
static void take_piece(struct client *c, struct request *q)
{
    struct request_list *l = q->list;
    uint32_t bytes = 0;
    uint32_t filter_us = auth_has_rules(c->broker->auth) ? RULES_US : FILTER_US;
    l->piece = l->taken;
    while (l->taken < l->count && l->taken - l->piece < PIECE_FILTERS && bytes < PIECE_BYTES) {
        struct wish *w = &l->wishes[l->taken++];
        bytes += w->filter.len;
        if (q->answer == MQTT_SUBACK)
            grant(c, w);
        else
            w->code = revoke(c, w->filter);
        if (timebox_spend(&c->broker->box, filter_us))
            break;
    }
}

static void end_list(struct request *q, enum store_status status)
{
    struct client *c = q->client;
    if (q->list->pauses && c->state != CLIENT_CLOSED)
        client_resume(c, PAUSE_LIST);
    q->list->pauses = false; /* it may have to wait for its answer */
    request_done(q, status);
}

/* The store couldn't take this piece of a SUBSCRIBE: the SUBACK says it. From the last to the first,
 * as one filter may be named twice. */
static void refuse_piece(struct client *c, struct request_list *l, uint8_t code)
{
    for (uint32_t i = l->taken; i-- > l->piece;) {
        if (is_refusal(l->wishes[i].code))
            continue;
        if (c->state != CLIENT_CLOSED)
            take_back(c, &l->wishes[i]);
        l->wishes[i].code = code;
    }
}

static void on_piece(void *arg, enum store_status status)
{
    struct request *q = arg;
    struct client *c = q->client;
    if (q->answer == MQTT_SUBACK && (status == STORE_UNAVAILABLE || status == STORE_FULL)) {
        refuse_piece(c, q->list, status == STORE_FULL ? MQTT_R_QUOTA_EXCEEDED : MQTT_R_UNSPECIFIED);
        status = STORE_OK;
    }
    if (q->list->taken == q->list->count || status != STORE_OK || c->state == CLIENT_CLOSED) {
        end_list(q, status);
        return;
    }
    q->list->due = true;
    client_mark_work(c);
}

/* For finding a filter that is named again. */
struct named {
    struct hash_link link;
    struct mqtt_slice filter;
};

static bool is_named(const struct hash_table *t, const struct named *n)
{
    for (const struct hash_link *l = hash_table_chain(t, n->link.hash); l != NULL; l = l->next) {
        const struct named *other = HASH_OWNER(l, struct named, link);
        if (l->hash == n->link.hash && other->filter.len == n->filter.len &&
            memcmp(other->filter.data, n->filter.data, n->filter.len) == 0)
            return true;
    }
    return false;
}

/* What the piece was granted, from its last filter to its first, into `subs`. Of a filter that it
 * names several times the last options hold (3.8.4), so the store gets these only. */
static size_t collect_granted(const struct client *c, const struct request_list *l,
                              struct store_subscription *subs)
{
    struct named all[PIECE_FILTERS];
    struct hash_table table;
    size_t count = 0;
    if (!hash_table_init(&table))
        return SIZE_MAX;
    for (uint32_t i = l->taken; i-- > l->piece;) {
        const struct wish *w = &l->wishes[i];
        struct named *n = &all[count];
        n->filter = w->filter;
        n->link.hash = (uint32_t)hash_bytes(c->broker->hash_key, w->filter.data, w->filter.len);
        if (is_refusal(w->code) || is_named(&table, n))
            continue;
        hash_table_add(&table, &n->link, n->link.hash);
        subs[count++] =
            (struct store_subscription){.filter = w->filter,
                                        .qos = w->options.qos,
                                        .no_local = w->options.no_local,
                                        .retain_as_published = w->options.retain_as_published,
                                        .subscription_id = w->options.subscription_id};
    }
    hash_table_fini(&table);
    return count;
}

static void store_piece_subscribed(struct client *c, struct request *q)
{
    const struct request_list *l = q->list;
    struct store_subscription *subs = calloc(l->taken - l->piece, sizeof(*subs));
    size_t count = subs != NULL ? collect_granted(c, l, subs) : SIZE_MAX;
    if (count == SIZE_MAX)
        on_piece(q, STORE_UNAVAILABLE);
    else if (count > 0)
        store_subscribe(c->broker->store, &c->hold, subs, count, on_piece, q);
    else
        on_piece(q, STORE_OK);
    free(subs);
}

static void store_piece_unsubscribed(struct client *c, struct request *q)
{
    const struct request_list *l = q->list;
    struct mqtt_slice *filters = calloc(l->taken - l->piece, sizeof(*filters));
    if (filters == NULL) {
        client_close_later(c, END_NO_MEMORY);
        end_list(q, STORE_UNAVAILABLE);
        return;
    }
    size_t count = 0;
    for (uint32_t i = l->piece; i < l->taken; i++)
        if (l->wishes[i].code == MQTT_R_SUCCESS)
            filters[count++] = l->wishes[i].filter;
    if (count > 0)
        store_unsubscribe(c->broker->store, &c->hold, filters, count, on_piece, q);
    else
        on_piece(q, STORE_OK);
    free(filters);
}

static void run_piece(struct client *c, struct request *q)
{
    struct request_list *l = q->list;
    take_piece(c, q);
    if (l->taken < l->count && !l->pauses) {
        l->pauses = true;
        client_pause(c, PAUSE_LIST);
    }
    if (q->answer == MQTT_SUBACK)
        store_piece_subscribed(c, q);
    else
        store_piece_unsubscribed(c, q);
}

static void begin_list(struct client *c, const struct mqtt_subscribe *s, struct request *q)
{
    q->list = copy_list(c, s, q->answer == MQTT_SUBACK);
    if (q->list != NULL) {
        run_piece(c, q);
        return;
    }
    client_close_later(c, END_NO_MEMORY);
    request_done(q, STORE_UNAVAILABLE);
}

void handle_list_go_on(struct client *c)
{
    struct request *q = c->pause & PAUSE_LIST ? requests_list(c) : NULL;
    if (q == NULL || !q->list->due)
        return;
    q->list->due = false;
    run_piece(c, q);
}

/* ---- the packets ----------------------------------------------------------------------------- */

void handle_subscribe(struct client *c, const struct mqtt_packet *packet)
{
    const struct mqtt_subscribe *s = &packet->u.subscribe;
    struct request *q = request_new(c, MQTT_SUBACK, s->packet_id, list_size(s));
    if (q == NULL)
        return;
    retained_delivery_expect(c);
    begin_list(c, s, q);
}

void handle_unsubscribe(struct client *c, const struct mqtt_packet *packet)
{
    const struct mqtt_subscribe *s = &packet->u.subscribe;
    struct request *q = request_new(c, MQTT_UNSUBACK, s->packet_id, list_size(s));
    if (q != NULL)
        begin_list(c, s, q);
}
