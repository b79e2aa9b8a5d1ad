/*
 * One allocation a message: the struct, then topic, payload, properties and the publisher's id.
 */
#include "broker/message.h"

#include <stdlib.h>
#include <string.h>

#include "broker/account.h"

static struct mqtt_slice copy_in(uint8_t **at, struct mqtt_slice from)
{
    struct mqtt_slice to = {.data = *at, .len = from.len};
    if (from.len > 0)
        memcpy(*at, from.data, from.len);
    *at += from.len;
    return to;
}

struct message *message_new(const struct mqtt_publish *p, struct message_id id,
                            struct mqtt_slice publisher)
{
    size_t size = (size_t)p->topic.len + p->payload.len + p->props.raw.len + publisher.len;
    struct message *m = account_alloc(ACCOUNT_MESSAGES, sizeof(*m) + size);
    if (m == NULL)
        return NULL;
    uint8_t *at = m->bytes;
    m->refs = 1;
    m->qos = p->qos;
    m->retain = p->retain;
    m->kept = false;
    m->v5_props = p->props.raw.len > 0;
    m->id = id;
    m->expires_at_ms = 0;
    m->topic = copy_in(&at, p->topic);
    m->payload = copy_in(&at, p->payload);
    m->props = copy_in(&at, p->props.raw);
    m->publisher = copy_in(&at, publisher);
    return m;
}

void message_unref(struct message *m)
{
    if (m != NULL && --m->refs == 0)
        account_free(m->kept ? ACCOUNT_KEPT : ACCOUNT_MESSAGES, m);
}

void message_keep(struct message *m)
{
    if (m->kept)
        return;
    m->kept = true;
    account_move(ACCOUNT_MESSAGES, ACCOUNT_KEPT, m);
}
