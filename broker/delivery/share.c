/* Who of a group gets a message: draws members for QoS 0, and lets those with room take from the
 * group's queue. */
#include "broker/delivery/share.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/auth/auth.h"
#include "broker/base/account.h"
#include "broker/base/broker_config.h"
#include "broker/base/drop_log.h"
#include "broker/client/client.h"
#include "broker/delivery/deliver.h"
#include "broker/delivery/fanout.h"
#include "broker/delivery/share_held.h"
#include "broker/routing/match_cache.h"
#include "broker/routing/router.h"
#include "broker/routing/session.h"
#include "broker/routing/share_groups.h"
#include "common/base/hash.h"

enum { TAKE_MAX = 16 }; /* at once, for one member */

static struct share_groups *groups_of(const struct broker *b)
{
    return router_groups(b->router);
}

static struct share_group *find_group(const struct broker *b, struct mqtt_slice filter)
{
    return share_groups_find(groups_of(b), filter);
}

/* ---- members --------------------------------------------------------------------------------- */

static void tell_members(struct broker *b, struct mqtt_slice filter)
{
    const struct share_group *g = find_group(b, filter);
    uint8_t qos = 0;
    uint32_t members = g != NULL ? share_group_members_here(groups_of(b), g, &qos) : 0;
    store_share_members(b->store, filter, members, qos);
}

static struct store_member member_of(struct client *c, const struct membership *m)
{
    return (struct store_member){
        .hold = &c->hold, .filter = membership_filter(m), .options = m->options};
}

void share_joined(struct client *c, struct mqtt_slice filter)
{
    struct membership *m = shares_join(c, filter);
    if (m == NULL) {
        client_close_later(c, END_NO_MEMORY);
        return;
    }
    router_is_subscribed(c->broker->router, c->session, filter, &m->options);
    m->options.no_local = false; /* of a bridge, say */
    struct store_member member = member_of(c, m);
    store_share_join(c->broker->store, &member);
    tell_members(c->broker, filter);
}

static void begin_taking(struct client *c, struct membership *m)
{
    m->takes = true;
    membership_expects(m, 1, m->asked); /* something may wait */
    client_mark_work(c);
}

void share_answered(struct client *c, struct mqtt_slice filter)
{
    struct membership *m = shares_find(c, filter);
    if (m != NULL)
        begin_taking(c, m);
}

static void join_one(void *arg, const struct store_subscription *sub)
{
    if (mqtt_filter_is_shared(sub->filter))
        shares_join(arg, sub->filter);
}

void share_joined_all(struct client *c)
{
    router_each_subscription(c->broker->router, c->session, join_one, c);
    struct membership *m;
    if (c->shares != NULL)
        LIST_FOREACH (m, &c->shares->memberships, link) {
            share_joined(c, membership_filter(m));
            begin_taking(c, m);
        }
}

void share_left(struct client *c, struct mqtt_slice filter)
{
    struct membership *m = shares_find(c, filter);
    if (m == NULL)
        return;
    shares_put_back_unsent(c, m);
    store_share_leave(c->broker->store, &c->hold, filter, STORE_LEAVE_ENDED);
    membership_leave(m);
    tell_members(c->broker, filter);
}

void share_end(struct client *c, bool tell)
{
    struct membership *m;
    if (c->shares == NULL)
        return;
    shares_give_back(c);
    while ((m = LIST_FIRST(&c->shares->memberships)) != NULL) {
        if (tell)
            store_share_leave(c->broker->store, &c->hold, membership_filter(m), STORE_LEAVE_AWAY);
        tell_members(c->broker, membership_filter(m));
        membership_leave(m);
    }
    shares_free(c);
}

/* ---- taking ---------------------------------------------------------------------------------- */

/* Messages that the member could take beside those that are on their way to it. */
static uint32_t room_of(struct client *c)
{
    uint32_t room = deliver_room(c);
    uint32_t expected = shares_expected(c->shares);
    return room > expected ? room - expected : 0;
}

/* The membership of a connected member that takes messages; NULL: it isn't one now. */
static struct membership *taking(const struct share_group *g, const struct share_member *m)
{
    const struct client *c = m->session->client;
    if (!client_is_connected(c) || c->shares == NULL)
        return NULL;
    struct membership *here = shares_find(c, share_group_filter(g));
    return here != NULL && here->takes ? here : NULL;
}

static bool has_room(void *arg, const struct share_member *m)
{
    const struct share_group *g = arg;
    struct client *c = m->session->client;
    if (!client_is_connected(c) || c->shares == NULL || room_of(c) == 0)
        return false;
    const struct membership *here = shares_find(c, share_group_filter(g));
    return here != NULL && here->takes;
}

static uint64_t random_number(struct broker *b)
{
    uint64_t seed[2] = {b->last_message_id.sequence, b->share_draws++};
    return hash_bytes(b->hash_key, seed, sizeof(seed));
}

static uint32_t place_of_next(struct broker *b, const struct share_group *g)
{
    return b->config->shared.strategy == SHARE_RANDOM ? (uint32_t)random_number(b) : g->turn;
}

struct woken {
    struct mqtt_slice filter;
    bool any;
};

/* Each looks for what is in its partitions. */
static bool wake_one(void *arg, const struct share_member *m)
{
    struct woken *w = arg;
    struct client *c = m->session->client;
    struct membership *here = shares_find(c, w->filter);
    if (here == NULL || !here->takes || !client_is_connected(c))
        return false;
    if (here->wanted == 0)
        membership_expects(here, 1, here->asked);
    client_mark_work(c);
    w->any = true;
    return false;
}

/* One more is to take. */
static void expect_one(const struct share_group *g, const struct share_member *next)
{
    struct client *c = next->session->client;
    struct membership *m = shares_find(c, share_group_filter(g));
    membership_expects(m, m->wanted + 1, m->asked);
    client_mark_work(c);
}

static bool is_hashed(const struct broker *b)
{
    return share_strategy_is_hashed(b->config->shared.strategy);
}

bool share_wake(struct broker *b, struct mqtt_slice filter, uint32_t messages)
{
    struct share_group *g = find_group(b, filter);
    struct share_member next;
    bool any = false;
    if (g == NULL)
        return false;
    if (is_hashed(b)) {
        struct woken w = {.filter = filter};
        share_group_choose(groups_of(b), g, 0, wake_one, &w, &next);
        return w.any;
    }
    for (uint32_t i = 0; i < messages && i < TAKE_MAX; i++) {
        if (!share_group_choose(groups_of(b), g, place_of_next(b, g), has_room, g, &next)) {
            g->behind = true;
            break;
        }
        expect_one(g, &next);
        any = true;
    }
    return any;
}

/* ---- who may read it ------------------------------------------------------------------------- */

struct readers {
    struct broker *broker;
    struct share_group *group;
    struct mqtt_slice topic;
};

static bool reads(void *arg, const struct share_member *m)
{
    const struct readers *r = arg;
    return taking(r->group, m) != NULL &&
           auth_may_read(r->broker->auth, &m->session->client->who, r->topic);
}

static bool reads_now(void *arg, const struct share_member *m)
{
    return reads(arg, m) && room_of(m->session->client) > 0;
}

/* Another member: it is to take, now or when it has room. Whether one that is away may read isn't known. */
static enum store_reader find_reader(struct broker *b, struct readers *r)
{
    struct share_group *g = r->group;
    struct share_member next;
    if (g == NULL)
        return STORE_READER_NOBODY;
    if (share_group_choose(groups_of(b), g, g->turn, reads_now, r, &next)) {
        expect_one(g, &next);
        return STORE_READER_ANOTHER;
    }
    if (!share_group_choose(groups_of(b), g, g->turn, reads, r, &next) &&
        !share_group_has_away(groups_of(b), g))
        return STORE_READER_NOBODY;
    g->behind = true;
    return STORE_READER_ANOTHER;
}

enum store_reader share_reader(struct broker *b, const struct client *c, struct mqtt_slice filter,
                               struct mqtt_slice topic)
{
    if (auth_may_read(b->auth, &c->who, topic))
        return STORE_READER_IT;
    struct readers r = {.broker = b, .group = find_group(b, filter), .topic = topic};
    return find_reader(b, &r);
}

static bool hasnt_passed(void *arg, const struct share_member *m)
{
    const struct membership *here = taking(arg, m);
    return here != NULL && !here->passed && room_of(m->session->client) > 0;
}

/* What waits isn't for the member that has just looked. Each looks once, until it finds something. */
static void let_another_look(struct broker *b, struct share_group *g)
{
    struct share_member next;
    if (share_group_choose(groups_of(b), g, g->turn, hasnt_passed, g, &next))
        expect_one(g, &next);
}

static void join_again(struct client *c)
{
    struct membership *m;
    LIST_FOREACH (m, &c->shares->memberships, link) {
        struct store_member member = member_of(c, m);
        store_share_join(c->broker->store, &member);
    }
}

static void look_one(void *arg, struct share_group *g)
{
    share_wake(arg, share_group_filter(g), 1);
}

void share_look(struct broker *b, bool join)
{
    for (struct client *c = b->clients; join && c != NULL; c = c->next)
        if (c->shares != NULL && client_is_connected(c))
            join_again(c);
    share_groups_each(groups_of(b), look_one, b);
}

static void send_one(struct client *c, struct share_held *h)
{
    struct store_member m = member_of(c, h->membership);
    struct mqtt_publish fields;
    struct message *message = h->message;
    struct delivery d = delivery_of_message(c->broker->encoder, message, &fields);
    struct deliver_as as = {.qos = h->qos,
                            .retain = message->retain && m.options.retain_as_published,
                            .ids = store_member_ids(&m)};
    fanout_settle(c->broker->fanouts, c->session);
    uint64_t sequence = deliver_taken(c, &d, as);
    delivery_end(&d);
    if (sequence == 0 && !client_is_connected(c))
        return; /* it goes back with the rest */
    shares_sent(c, h, sequence);
    message_unref(message);
}

static void send_waiting(struct client *c)
{
    struct share_held *h;
    while (client_is_connected(c) && (h = TAILQ_FIRST(&c->shares->unsent)) != NULL &&
           deliver_room(c) > 0)
        send_one(c, h);
}

/* The message that it took is on its way, or waits for a moment here. */
static void on_taken(void *arg, enum store_status status, const struct store_share_entry *entries,
                     size_t count, enum store_more more)
{
    struct membership *m = arg;
    struct client *c = m->client;
    struct broker *b = c->broker;
    bool here = !m->gone && client_is_connected(c);
    struct share_group *g = here ? find_group(b, membership_filter(m)) : NULL;
    membership_expects(m, m->wanted, 0);
    for (size_t i = 0; i < count; i++)
        if (!here || !shares_hold(c, m, &entries[i]))
            shares_refuse(c, &entries[i]);
    /* What came while it was taken has said so: that stays. */
    m->behind |= is_hashed(b) && (more == STORE_MORE || status != STORE_OK);
    m->passed = more == STORE_MORE_OTHERS;
    if (g != NULL && (status != STORE_OK || more != STORE_MORE_NONE))
        g->behind = true;
    if (here)
        send_waiting(c);
    if (here && m->behind)
        client_mark_work(c);
    else if (here && more == STORE_MORE)
        share_wake(b, membership_filter(m), TAKE_MAX);
    else if (m->passed && g != NULL)
        let_another_look(b, g);
    membership_answered(m); /* may free it */
    client_op_done(c);
}

static void take(struct client *c, struct membership *m, uint32_t count)
{
    struct store_member member = member_of(c, m);
    m->behind = false;
    membership_expects(m, 0, count);
    c->ops++;
    store_share_take(c->broker->store, &member, count, on_taken, m);
}

/* `*behind`: the group, if nothing is wanted but a look, since it is behind; else NULL. */
static uint32_t wanted_of(const struct broker *b, const struct membership *m,
                          struct share_group **behind)
{
    *behind = NULL;
    if (is_hashed(b))
        return m->takes && (m->wanted > 0 || m->behind) ? TAKE_MAX : 0;
    if (m->wanted > 0 || !m->takes || m->passed)
        return m->wanted;
    struct share_group *g = find_group(b, membership_filter(m));
    if (g == NULL || !g->behind)
        return 0;
    *behind = g;
    return TAKE_MAX;
}

void share_pump(struct client *c)
{
    struct membership *m;
    struct membership *next;
    if (c->shares == NULL)
        return;
    send_waiting(c);
    for (m = LIST_FIRST(&c->shares->memberships); m != NULL; m = next) {
        next = LIST_NEXT(m, link);
        struct share_group *behind = NULL;
        uint32_t wanted = m->asked == 0 ? wanted_of(c->broker, m, &behind) : 0;
        if (m->asked == 0)
            membership_expects(m, 0, 0);
        uint32_t room = wanted > 0 ? room_of(c) : 0;
        if (room > 0 && behind != NULL)
            behind->behind = false; /* unless something comes while it is taken */
        if (room > 0)
            take(c, m, wanted < room ? wanted : room);
        else if (is_hashed(c->broker))
            m->behind = m->behind || wanted > 0; /* it is another one's in no case */
        else if (wanted > 0)
            share_wake(c->broker, membership_filter(m), 1); /* another one, or it is behind */
        if (!client_is_connected(c) || c->shares == NULL)
            return;
    }
}

void share_acked(struct client *c, uint64_t sequence)
{
    if (c->shares != NULL)
        shares_finish(c, sequence);
}

/* ---- the way of QoS 0 ------------------------------------------------------------------------ */

static bool is_drawn(const struct share_group *g, uint8_t qos)
{
    return qos == 0 || share_group_is_drawn(g);
}

static bool takes_now(void *arg, const struct share_member *m)
{
    const struct delivery *d = arg;
    struct client *c = m->session->client;
    return client_is_connected(c) && !deliver_is_full(c) &&
           auth_may_read(c->broker->auth, &c->who, d->publish->topic);
}

static uint64_t number_of(struct broker *b, struct share_group *g, const struct delivery *d)
{
    switch (b->config->shared.strategy) {
    case SHARE_RANDOM:
        return random_number(b);
    case SHARE_HASH_TOPIC:
        return hash_bytes(0, d->publish->topic.data, d->publish->topic.len);
    case SHARE_HASH_CLIENT:
        return hash_bytes(0, d->publisher.data, d->publisher.len);
    default:
        return g->drawn++;
    }
}

/* To one member here that has room, and may read it. */
static bool give_here(struct broker *b, struct share_group *g, struct delivery *d)
{
    struct share_member m;
    int strategy = b->config->shared.strategy;
    bool hashed = share_strategy_is_hashed(strategy);
    uint32_t start = hashed ? (uint32_t)number_of(b, g, d) : place_of_next(b, g);
    if (!share_group_choose(groups_of(b), g, start, takes_now, d, &m))
        return false;
    fanout_settle(b->fanouts, m.session);
    const uint32_t *id = &m.options.subscription_id;
    struct deliver_as as = {.retain = d->publish->retain && m.options.retain_as_published,
                            .ids = {.items = id, .count = *id != 0}};
    deliver_message(m.session->client, d, as);
    return true;
}

static void send_to(struct broker *b, void *node, const struct share_group *g, struct delivery *d,
                    bool tried)
{
    struct message *m = delivery_message(d);
    if (m != NULL)
        store_share_send(b->store, node, share_group_filter(g), m, tried);
    else
        drop_note(&b->stats, DROP_NO_MEMORY, share_group_filter(g), d->publish->topic);
}

/* Nobody here has room: one other node is tried. */
static void send_elsewhere(struct broker *b, struct share_group *g, struct delivery *d)
{
    struct share_draw draw = {.number = random_number(b), .not_here = true};
    void *node;
    if (share_group_draw(groups_of(b), g, draw, &node))
        send_to(b, node, g, d, true);
    else
        drop_note(&b->stats, DROP_SHARE_NOBODY, share_group_filter(g), d->publish->topic);
}

static void draw_one(struct broker *b, struct share_group *g, struct delivery *d)
{
    struct share_draw draw = {.number = number_of(b, g, d)};
    void *node = NULL;
    if (b->config->shared.strategy == SHARE_LOCAL && give_here(b, g, d))
        return;
    if (!share_group_draw(groups_of(b), g, draw, &node))
        drop_note(&b->stats, DROP_SHARE_NOBODY, share_group_filter(g), d->publish->topic);
    else if (node != NULL)
        send_to(b, node, g, d, false);
    else if (!give_here(b, g, d))
        send_elsewhere(b, g, d);
}

void share_draw(struct broker *b, const struct match_entry *e, struct delivery *d)
{
    for (uint32_t i = 0; i < e->group_count; i++) {
        struct share_group *g = share_group_of(match_entry_groups(e)[i].subscriber);
        if (is_drawn(g, d->publish->qos))
            draw_one(b, g, d);
    }
}

/* Each broker publishes its own: to a member here, if there is one. */
void share_sys(struct broker *b, const struct match_entry *e, struct delivery *d)
{
    for (uint32_t i = 0; i < e->group_count; i++) {
        struct share_group *g = share_group_of(match_entry_groups(e)[i].subscriber);
        uint8_t qos;
        if (!give_here(b, g, d) && share_group_members_here(groups_of(b), g, &qos) > 0)
            drop_note(&b->stats, DROP_SHARE_NOBODY, share_group_filter(g), d->publish->topic);
    }
}

void share_deliver(struct broker *b, struct mqtt_slice filter, struct message *m, bool tried)
{
    struct share_group *g = find_group(b, filter);
    struct mqtt_publish fields;
    struct delivery d = delivery_of_message(b->encoder, m, &fields);
    bool given = g != NULL && give_here(b, g, &d);
    if (!given && g != NULL && !tried)
        send_elsewhere(b, g, &d);
    else if (!given)
        drop_note(&b->stats, DROP_SHARE_NOBODY, filter, m->topic);
    delivery_end(&d);
}

/* ---- the configuration's --------------------------------------------------------------------- */

bool share_declare_groups(struct broker *b)
{
    const struct config_list *list = &b->config->shared.groups;
    const struct shared_group_config *items = list->items;
    for (size_t i = 0; i < list->count; i++) {
        char text[2 * 65536 + 16];
        int len = snprintf(text, sizeof(text), "$share/%s/%s", items[i].name, items[i].filter);
        struct mqtt_slice filter = mqtt_slice_of(text, (size_t)len);
        if (!router_declare_group(b->router, filter))
            return false;
        store_share_declare(b->store, filter, items[i].keep_ms);
    }
    return true;
}
