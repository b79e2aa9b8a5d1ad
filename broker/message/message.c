/*
 * One allocation per message: the struct, then topic, payload, properties and the publisher's id.
 */
#include "broker/message/message.h"

#include <stdlib.h>
#include <string.h>

#include "broker/base/account.h"

static struct mqtt_slice copy_in(uint8_t **at, struct mqtt_slice from)
{
    struct mqtt_slice to = {.data = *at, .len = from.len};
    if (from.len > 0)
        memcpy(*at, from.data, from.len);
    *at += from.len;
    return to;
}

static size_t size_of(const struct message *m)
{
    return sizeof(*m) + m->topic.len + m->payload.len + m->props.len + m->publisher.len;
}

struct message *message_new(const struct mqtt_publish *p, struct message_id id,
                            struct mqtt_slice publisher)
{
    size_t size = (size_t)p->topic.len + p->payload.len + p->props.raw.len + publisher.len;
    struct message *m = malloc(sizeof(*m) + size);
    if (m == NULL)
        return NULL;
    account_add(ACCOUNT_MESSAGES, sizeof(*m) + size);
    uint8_t *at = m->bytes;
    m->refs = 1;
    m->qos = p->qos;
    m->retain = p->retain;
    m->kept = false;
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
    if (m == NULL || --m->refs > 0)
        return;
    account_take(m->kept ? ACCOUNT_KEPT : ACCOUNT_MESSAGES, size_of(m));
    if (m->kept) {
        account.kept_messages--;
        account.kept_payload -= m->payload.len;
    }
    free(m);
}

void message_keep(struct message *m)
{
    if (m->kept)
        return;
    m->kept = true;
    account_take(ACCOUNT_MESSAGES, size_of(m));
    account_add(ACCOUNT_KEPT, size_of(m));
    account.kept_messages++;
    account.kept_payload += m->payload.len;
}
