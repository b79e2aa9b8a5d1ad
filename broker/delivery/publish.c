/*
 * Between the modules that bring a message (handlers, wills, the fleet, $SYS) and those that give
 * it to receivers: fanout.c here, the store elsewhere.
 */
#include "broker/delivery/publish.h"

#include <stdlib.h>

#include "broker/client/context.h"
#include "broker/delivery/fanout.h"
#include "broker/delivery/share.h"
#include "broker/message/encode.h"
#include "broker/routing/match_cache.h"
#include "broker/routing/router.h"
#include "broker/routing/session.h"

/* ---- what the router tells ------------------------------------------------------------------- */

static void on_changing(void *arg, struct session *s)
{
    struct broker *b = arg;
    fanout_settle(b->fanouts, s);
}

static void on_interest_ended(void *arg, struct mqtt_slice filter)
{
    struct broker *b = arg;
    store_interest_ended(b->store, filter);
}

static void on_share_ended(void *arg, struct mqtt_slice filter)
{
    struct broker *b = arg;
    if (b->store != NULL)
        store_share_ended(b->store, filter);
}

struct router_hooks publish_router_hooks(struct broker *b)
{
    return (struct router_hooks){.arg = b,
                                 .changing = on_changing,
                                 .interest_ended = on_interest_ended,
                                 .share_ended = on_share_ended};
}

/* ---- publishing ------------------------------------------------------------------------------ */

struct message_id publish_next_id(struct broker *b)
{
    b->last_message_id.sequence++;
    return b->last_message_id;
}

static struct mqtt_slice publisher_of(const struct publish *p)
{
    if (p->message != NULL)
        return p->message->publisher;
    return p->publisher != NULL ? session_id(p->publisher) : (struct mqtt_slice){0};
}

/* Its connection here; NULL: it has none. */
static struct client *client_of(const struct publish *p)
{
    return p->publisher != NULL ? p->publisher->client : NULL;
}

static struct delivery begin(struct broker *b, const struct publish *p,
                             struct mqtt_publish *scratch)
{
    if (p->message != NULL)
        return delivery_of_message(b->encoder, p->message, scratch);
    encoder_begin(b->encoder);
    return (struct delivery){.encoder = b->encoder,
                             .publish = p->fields,
                             .id = publish_next_id(b),
                             .expires_at_ms = p->expires_at_ms,
                             .publisher = publisher_of(p)};
}

static void note_reached(bool *reached, const struct match_entry *e, struct mqtt_slice publisher)
{
    if (e != NULL &&
        (e->node_count > 0 || e->group_count > 0 || match_entry_has_receiver(e, publisher)))
        *reached = true;
}

/* The store is to be given the message. Most messages have no targets, and cost no look at them. */
static enum publish_next to_store(struct publish_found *found, bool has_targets)
{
    if (!has_targets)
        found->targets = (struct store_targets){0};
    return PUBLISH_STORE;
}

static bool store_has_part(const struct broker *b, const struct mqtt_publish *p,
                           const struct store_targets *targets)
{
    return p->retain || b->store->checks_qos0 ||
           (targets != NULL &&
            targets->queue_count + targets->node_count + targets->group_count > 0);
}

/* Whether the own clients get it when the store has completed, instead of now. */
static bool waits_for_store(const struct broker *b, const struct mqtt_publish *p)
{
    return p->qos > 0 && store_is_shared(b->store);
}

enum publish_next publish_route(struct broker *b, const struct publish *p,
                                struct publish_found *found)
{
    const struct mqtt_publish *fields = p->fields;
    const struct match_entry *e = router_match(b->router, fields->topic);
    bool may_have = e != NULL && match_entry_may_have_targets(e, fields->qos);
    bool complete =
        e != NULL && (!may_have || router_targets_among(b->router, e, fields->qos, publisher_of(p),
                                                        &found->targets));
    if (p->reached != NULL)
        note_reached(p->reached, e, publisher_of(p));
    if (waits_for_store(b, fields) || p->qos2_packet_id != 0) {
        found->own = router_keep_match(b->router, e);
        return to_store(found, may_have);
    }
    if (!complete)
        return to_store(found, may_have); /* no memory to find receivers; a QoS 0 message is lost */
    if (e->count > 0 || e->group_count > 0) {
        struct mqtt_publish scratch;
        struct delivery d = begin(b, p, &scratch);
        if (e->group_count > 0)
            share_publish(b, e, &d);
        fanout_publish(b->fanouts, e, &d, client_of(p));
        delivery_end(&d);
    }
    if (!store_has_part(b, fields, may_have ? &found->targets : NULL))
        return PUBLISH_DONE;
    return to_store(found, may_have);
}

/* A message that the store brings to the own clients. False: not to all yet. */
static bool deliver_in_order(struct broker *b, struct message *m, const struct match_entry *e,
                             const struct fanout_order *order)
{
    if (e == NULL || e->count == 0)
        return true;
    struct mqtt_publish scratch;
    struct delivery d = delivery_of_message(b->encoder, m, &scratch);
    b->fanouts->handed_out += e->count;
    bool through = fanout_in_order(b->fanouts, e, &d, order);
    delivery_end(&d);
    return through;
}

/* Draws members for what was published here, once it is safe. */
static void draw_members(struct broker *b, struct message *m, const struct match_entry *e)
{
    if (e == NULL || e->group_count == 0)
        return;
    struct mqtt_publish scratch;
    struct delivery d = delivery_of_message(b->encoder, m, &scratch);
    share_publish(b, e, &d);
    delivery_end(&d);
}

/* A message that its publisher's broker delivers to its own clients once it is safe. */
struct waiting {
    struct broker *broker;
    struct message *message;
    struct kept_match own; /* who was found before it was given to the store */
    struct client *publisher;
    bool *reached;
    store_done_fn *done;
    void *arg;
};

static void complete(struct waiting *w, enum store_status status)
{
    message_unref(w->message);
    w->done(w->arg, status);
    free(w);
}

static void on_through(void *arg)
{
    complete(arg, STORE_OK);
}

static void on_safe(void *arg, enum store_status status)
{
    struct waiting *w = arg;
    struct fanout_order order = {.publisher = w->publisher, .done = on_through, .arg = w};
    if (status != STORE_OK) {
        complete(w, status);
        return;
    }
    const struct match_entry *e = router_match_again(w->broker->router, w->message->topic, &w->own);
    if (w->reached != NULL)
        note_reached(w->reached, e, w->message->publisher);
    draw_members(w->broker, w->message, e);
    if (deliver_in_order(w->broker, w->message, e, &order))
        complete(w, STORE_OK);
}

static void publish_then_deliver(struct broker *b, const struct store_publish_request *request,
                                 struct kept_match own, struct client *publisher,
                                 store_done_fn *done, void *arg)
{
    struct waiting *w = malloc(sizeof(*w));
    if (w == NULL) {
        done(arg, STORE_UNAVAILABLE);
        return;
    }
    *w = (struct waiting){.broker = b,
                          .message = message_ref(request->message),
                          .own = own,
                          .publisher = publisher,
                          .reached = request->reached,
                          .done = done,
                          .arg = arg};
    store_publish(b->store, request, on_safe, w);
}

void publish_store(struct broker *b, const struct publish *p, const struct publish_found *found,
                   store_done_fn *done, void *arg)
{
    struct mqtt_publish scratch;
    struct delivery d = begin(b, p, &scratch);
    struct message *m = delivery_message(&d);
    if (m == NULL) {
        if (done != NULL)
            done(arg, STORE_UNAVAILABLE);
        return;
    }
    struct store_publish_request request = {.message = m,
                                            .hold = p->hold,
                                            .qos2_packet_id = p->qos2_packet_id,
                                            .targets = found->targets,
                                            .reached = p->reached};
    if (waits_for_store(b, p->fields) && p->qos2_packet_id == 0)
        publish_then_deliver(b, &request, found->own, client_of(p), done, arg);
    else /* delivered already, or the store does it once the packet id is bound */
        store_publish(b->store, &request, done, arg);
    delivery_end(&d);
}

void publish_sys(struct broker *b, const struct mqtt_publish *p)
{
    const struct match_entry *e = router_match(b->router, p->topic);
    if (e == NULL || e->count + e->group_count == 0)
        return;
    struct delivery d =
        delivery_of_publish(b->encoder, p, publish_next_id(b), (struct mqtt_slice){0});
    if (e->group_count > 0)
        share_sys(b, e, &d);
    if (e->count > 0)
        fanout_sys(b->fanouts, e, &d);
    delivery_end(&d);
}

bool publish_local(struct broker *b, struct message *m)
{
    static const struct fanout_order order = {0};
    const struct match_entry *e = router_match(b->router, m->topic);
    if (m->id.node == b->last_message_id.node) /* published here, at QoS 2 */
        draw_members(b, m, e);
    bool reached = e != NULL && match_entry_has_receiver(e, m->publisher);
    deliver_in_order(b, m, e, &order);
    return reached;
}

/* ---- how much is under way ------------------------------------------------------------------- */

bool publish_must_wait(struct broker *b, const struct mqtt_publish *p)
{
    if (!fanouts_busy(b->fanouts) || waits_for_store(b, p))
        return false;
    const struct match_entry *e = router_match(b->router, p->topic);
    return e != NULL && fanout_must_wait(b->fanouts, e);
}

bool publish_takes_more(const struct broker *b)
{
    return fanout_takes_more(b->fanouts);
}

uint32_t publish_worked_us(const struct broker *b)
{
    enum { RECEIVERS_PER_US = 4 };
    return (uint32_t)(*b->steps / ROUTER_STEPS_PER_US + b->fanouts->handed_out / RECEIVERS_PER_US);
}
