#include "broker/client/publish_rate.h"

#include <stdlib.h>

#include "broker/base/broker_config.h"
#include "broker/client/client.h"
#include "common/base/hash.h"
#include "common/base/hash_table.h"

enum { SECOND_US = 1000000 };

struct publish_rate {
    struct hash_link link;
    struct client *client;
    uint64_t messages_due_us, bytes_due_us;
    struct wheel_timer timer;
};

struct publish_rates {
    struct hash_table by_client;
};

/* ---- deciding -------------------------------------------------------------------------------- */

uint64_t publish_rate_due(uint64_t due_us, uint64_t weight, uint64_t per_second, uint64_t now_us)
{
    const uint64_t latest_us = now_us + SECOND_US + (uint64_t)RATE_WAIT_MAX_MS * 1000;
    uint64_t from_us = due_us > now_us ? due_us : now_us;
    uint64_t step_us = weight < UINT32_MAX ? weight * SECOND_US / per_second : UINT32_MAX;
    return from_us + step_us < latest_us ? from_us + step_us : latest_us;
}

uint64_t publish_rate_wait_ms(uint64_t due_us, uint64_t now_us)
{
    return due_us > now_us + SECOND_US ? (due_us - now_us - SECOND_US + 999) / 1000 : 0;
}

/* ---- entries --------------------------------------------------------------------------------- */

static uint32_t hash_of(const struct client *c)
{
    return (uint32_t)hash_bytes(c->broker->hash_key, &c, sizeof(c));
}

static struct publish_rate *find(const struct client *c)
{
    const struct publish_rates *r = c->broker->publish_rates;
    struct hash_link *link = r != NULL ? hash_table_chain(&r->by_client, hash_of(c)) : NULL;
    for (; link != NULL; link = link->next) {
        struct publish_rate *e = HASH_OWNER(link, struct publish_rate, link);
        if (e->client == c)
            return e;
    }
    return NULL;
}

static void on_due(struct wheel_timer *timer)
{
    struct publish_rate *e =
        (struct publish_rate *)(void *)((char *)timer - offsetof(struct publish_rate, timer));
    client_resume(e->client, PAUSE_RATE);
}

static struct publish_rates *rates_new(void)
{
    struct publish_rates *r = calloc(1, sizeof(*r));
    if (r != NULL && hash_table_init(&r->by_client))
        return r;
    free(r);
    return NULL;
}

/* NULL when out of memory. */
static struct publish_rate *find_or_add(struct client *c)
{
    struct broker *b = c->broker;
    struct publish_rate *e = find(c);
    if (e != NULL)
        return e;
    if (b->publish_rates == NULL)
        b->publish_rates = rates_new();
    e = b->publish_rates != NULL ? calloc(1, sizeof(*e)) : NULL;
    if (e == NULL)
        return NULL;
    e->client = c;
    e->timer.due = on_due;
    hash_table_add(&b->publish_rates->by_client, &e->link, hash_of(c));
    return e;
}

static uint64_t wait_ms(struct publish_rate *e, const struct limits_config *limits, size_t bytes,
                        uint64_t now_us)
{
    uint64_t wait = 0;
    if (limits->max_publish_rate > 0) {
        e->messages_due_us =
            publish_rate_due(e->messages_due_us, 1, limits->max_publish_rate, now_us);
        wait = publish_rate_wait_ms(e->messages_due_us, now_us);
    }
    if (limits->max_publish_bytes > 0) {
        e->bytes_due_us =
            publish_rate_due(e->bytes_due_us, bytes, limits->max_publish_bytes, now_us);
        uint64_t of_bytes = publish_rate_wait_ms(e->bytes_due_us, now_us);
        wait = of_bytes > wait ? of_bytes : wait;
    }
    return wait;
}

void publish_rate_note(struct client *c, size_t bytes)
{
    struct broker *b = c->broker;
    const struct limits_config *limits = &b->config->limits;
    if (limits->max_publish_rate == 0 && limits->max_publish_bytes == 0)
        return;
    struct publish_rate *e = find_or_add(c);
    uint64_t wait = e != NULL ? wait_ms(e, limits, bytes, b->now_ms * 1000) : 0;
    if (wait == 0)
        return;
    b->stats.rate_pauses += (c->pause & PAUSE_RATE) == 0;
    client_pause(c, PAUSE_RATE);
    wheel_set(&b->wheel, &e->timer, b->now_ms + wait);
}

void publish_rate_forget(struct client *c)
{
    struct publish_rate *e = find(c);
    if (e == NULL)
        return;
    wheel_cancel(&e->timer);
    hash_table_remove(&c->broker->publish_rates->by_client, &e->link);
    free(e);
}

/* No client is left. */
void publish_rates_free(struct publish_rates *r)
{
    if (r != NULL)
        hash_table_fini(&r->by_client);
    free(r);
}
