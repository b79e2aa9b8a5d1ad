/* Lists of a client. share.c calls. */
#include "broker/delivery/share_held.h"

#include <string.h>

#include "broker/base/account.h"
#include "broker/client/client.h"
#include "common/base/hash.h"

static struct shares *shares_of(struct client *c)
{
    if (c->shares != NULL)
        return c->shares;
    struct shares *s = account_zalloc(ACCOUNT_WINDOWS, sizeof(*s));
    if (s == NULL || !hash_table_init(&s->by_filter)) {
        account_free(ACCOUNT_WINDOWS, s);
        return NULL;
    }
    LIST_INIT(&s->memberships);
    TAILQ_INIT(&s->unsent);
    TAILQ_INIT(&s->sent);
    c->shares = s;
    return s;
}

static uint32_t hash_of(const struct client *c, struct mqtt_slice filter)
{
    return (uint32_t)hash_bytes(c->broker->hash_key, filter.data, filter.len);
}

struct membership *shares_find(const struct client *c, struct mqtt_slice filter)
{
    if (c->shares == NULL)
        return NULL;
    uint32_t hash = hash_of(c, filter);
    for (struct hash_link *l = hash_table_chain(&c->shares->by_filter, hash); l != NULL;
         l = l->next) {
        struct membership *m = HASH_OWNER(l, struct membership, by_filter);
        if (l->hash == hash && m->filter_len == filter.len &&
            memcmp(m->filter, filter.data, filter.len) == 0)
            return m;
    }
    return NULL;
}

struct membership *shares_join(struct client *c, struct mqtt_slice filter)
{
    struct membership *m = shares_find(c, filter);
    struct shares *s = shares_of(c);
    if (m != NULL || s == NULL)
        return m;
    m = account_zalloc(ACCOUNT_WINDOWS, sizeof(*m) + filter.len);
    if (m == NULL)
        return NULL;
    m->client = c;
    m->filter_len = filter.len;
    memcpy(m->filter, filter.data, filter.len);
    LIST_INSERT_HEAD(&s->memberships, m, link);
    hash_table_add(&s->by_filter, &m->by_filter, hash_of(c, filter));
    return m;
}

static void free_if_unused(struct membership *m)
{
    if (m->gone && m->asked == 0 && m->held == 0)
        account_free(ACCOUNT_WINDOWS, m);
}

void membership_leave(struct membership *m)
{
    LIST_REMOVE(m, link);
    hash_table_remove(&m->client->shares->by_filter, &m->by_filter);
    m->client->shares->expected -= m->wanted + m->asked;
    m->gone = true;
    free_if_unused(m);
}

void membership_answered(struct membership *m)
{
    free_if_unused(m);
}

void membership_expects(struct membership *m, uint32_t wanted, uint32_t asked)
{
    if (!m->gone)
        m->client->shares->expected += wanted + asked - m->wanted - m->asked;
    m->wanted = wanted;
    m->asked = asked;
}

bool shares_hold(struct client *c, struct membership *m, const struct store_share_entry *e)
{
    struct share_held *h = account_zalloc(ACCOUNT_WINDOWS, sizeof(*h));
    if (h == NULL)
        return false;
    *h = (struct share_held){
        .membership = m, .taken = e->taken, .message = message_ref(e->message), .qos = e->qos};
    m->held++;
    TAILQ_INSERT_TAIL(&c->shares->unsent, h, link);
    c->shares->unsent_count++;
    return true;
}

void shares_refuse(struct client *c, const struct store_share_entry *e)
{
    if (e->taken != NULL)
        store_share_put_back(c->broker->store, &c->hold, e->taken);
}

static void held_free(struct share_held *h)
{
    h->membership->held--;
    free_if_unused(h->membership);
    account_free(ACCOUNT_WINDOWS, h);
}

static void finish(struct client *c, struct share_held *h)
{
    if (h->taken != NULL)
        store_share_finish(c->broker->store, &c->hold, h->taken);
    held_free(h);
}

static void put_back(struct client *c, struct share_held *h)
{
    if (h->taken != NULL)
        store_share_put_back(c->broker->store, &c->hold, h->taken);
    held_free(h);
}

void shares_sent(struct client *c, struct share_held *h, uint64_t sequence)
{
    struct shares *s = c->shares;
    TAILQ_REMOVE(&s->unsent, h, link);
    s->unsent_count--;
    h->message = NULL;
    if (sequence == 0) {
        finish(c, h);
        return;
    }
    h->sequence = sequence;
    TAILQ_INSERT_TAIL(&s->sent, h, link);
}

void shares_finish(struct client *c, uint64_t sequence)
{
    struct share_held *h;
    TAILQ_FOREACH (h, &c->shares->sent, link) {
        if (h->sequence != sequence)
            continue;
        TAILQ_REMOVE(&c->shares->sent, h, link);
        finish(c, h);
        return;
    }
}

static void take_out_unsent(struct client *c, struct share_held *h)
{
    TAILQ_REMOVE(&c->shares->unsent, h, link);
    c->shares->unsent_count--;
    message_unref(h->message);
    put_back(c, h);
}

void shares_put_back_unsent(struct client *c, const struct membership *m)
{
    struct share_held *next;
    for (struct share_held *h = TAILQ_FIRST(&c->shares->unsent); h != NULL; h = next) {
        next = TAILQ_NEXT(h, link);
        if (h->membership == m)
            take_out_unsent(c, h);
    }
}

void shares_give_back(struct client *c)
{
    struct share_held *h;
    while ((h = TAILQ_FIRST(&c->shares->sent)) != NULL) {
        TAILQ_REMOVE(&c->shares->sent, h, link);
        if (h->qos == 2)
            finish(c, h);
        else
            put_back(c, h);
    }
    while ((h = TAILQ_FIRST(&c->shares->unsent)) != NULL)
        take_out_unsent(c, h);
}

void shares_free(struct client *c)
{
    hash_table_fini(&c->shares->by_filter);
    account_free(ACCOUNT_WINDOWS, c->shares);
    c->shares = NULL;
}
