/* A table that grows with the numbers in use. */
#include "broker/message/alias_in.h"

#include <string.h>

#include "broker/base/account.h"

struct alias_topic {
    uint32_t len;
    uint8_t text[];
};

void alias_in_fini(struct alias_in *a)
{
    for (uint16_t i = 0; i < a->count; i++)
        account_free(ACCOUNT_CLIENTS, a->topics[i]);
    account_free(ACCOUNT_CLIENTS, a->topics);
    *a = (struct alias_in){0};
}

static bool grow(struct alias_in *a, uint16_t count)
{
    struct alias_topic **grown =
        account_realloc(ACCOUNT_CLIENTS, a->topics, count * sizeof(struct alias_topic *));
    if (grown == NULL)
        return false;
    memset(&grown[a->count], 0, (size_t)(count - a->count) * sizeof(struct alias_topic *));
    a->bytes += (size_t)(count - a->count) * sizeof(struct alias_topic *);
    a->topics = grown;
    a->count = count;
    return true;
}

bool alias_in_set(struct alias_in *a, uint16_t alias, struct mqtt_slice topic)
{
    if (alias > a->count && !grow(a, alias))
        return false;
    struct alias_topic **at = &a->topics[alias - 1];
    if (*at != NULL && (*at)->len == topic.len && memcmp((*at)->text, topic.data, topic.len) == 0)
        return true;
    struct alias_topic *t = account_alloc(ACCOUNT_CLIENTS, sizeof(*t) + topic.len);
    if (t == NULL)
        return false;
    t->len = topic.len;
    memcpy(t->text, topic.data, topic.len);
    a->bytes += topic.len;
    a->bytes -= *at != NULL ? (*at)->len : 0;
    account_free(ACCOUNT_CLIENTS, *at);
    *at = t;
    return true;
}

struct mqtt_slice alias_in_topic(const struct alias_in *a, uint16_t alias)
{
    const struct alias_topic *t = alias <= a->count && alias > 0 ? a->topics[alias - 1] : NULL;
    return t != NULL ? mqtt_slice_of(t->text, t->len) : (struct mqtt_slice){0};
}
