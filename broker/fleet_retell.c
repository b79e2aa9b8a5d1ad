/* Says in the log what a dead node, or a reply that was lost, may have left unsaid. Whatever is
 * said twice is harmless. */
#include "broker/fleet_retell.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fleet.h"

struct ended {
    struct fleet *f;
    size_t len;
    char client[];
};

static void on_logged(void *arg, enum store_status status)
{
    struct ended *e = arg;
    struct fleet *f = e->f;

    if (status == STORE_OK) {
        struct fleet_key key =
            fleet_key_clients(&f->keys, fleet_client_bucket(&f->keys, e->client, e->len));

        redis_queue_begin(f->q, 3);
        redis_queue_str(f->q, "ZREM");
        redis_queue_arg2(f->q, key.text, strlen(key.text), "due", 3);
        redis_queue_arg2(f->q, "e", 1, e->client, e->len);
        redis_queue_end(f->q, REDIS_REPLAY, NULL, NULL);
    }
    free(e);
}

uint64_t fleet_session_ended(struct fleet *f, struct mqtt_slice client)
{
    uint64_t entry = fleet_append_ended(f, client);
    struct ended *e = malloc(sizeof(*e) + client.len);

    if (e == NULL)
        return entry; /* said again later, then */
    e->f = f;
    e->len = client.len;
    memcpy(e->client, client.data, client.len);
    fleet_append_wait(f, entry, on_logged, e);
    return entry;
}

static struct mqtt_slice slice_of(const redisReply *r)
{
    return (struct mqtt_slice){.data = (const uint8_t *)r->str, .len = (uint32_t)r->len};
}

void fleet_retell_subscriptions(struct fleet *f, struct mqtt_slice client, const redisReply *subs)
{
    for (size_t i = 0; i + 1 < subs->elements; i += 2) {
        struct store_subscription sub = {.filter = slice_of(subs->element[i])};
        struct mqtt_slice options = slice_of(subs->element[i + 1]);

        fleet_options_read(options.data, options.len, &sub);
        fleet_append_subscribed(f, client, sub.filter, options);
        f->host.durable_subscribed(f->host.arg, (const char *)client.data, client.len, &sub);
    }
}

void fleet_retell_removals(struct fleet *f, struct mqtt_slice client, const redisReply *filters)
{
    for (size_t i = 0; i < filters->elements; i++) {
        struct mqtt_slice filter = slice_of(filters->element[i]);

        fleet_append_unsubscribed(f, client, filter);
        f->host.durable_unsubscribed(f->host.arg, (const char *)client.data, client.len, filter);
    }
}

void fleet_retell_end(struct fleet *f, struct mqtt_slice client, const redisReply *subs)
{
    fleet_session_ended(f, client);
    f->host.durable_ended(f->host.arg, (const char *)client.data, client.len);
    fleet_retell_subscriptions(f, client, subs);
}
