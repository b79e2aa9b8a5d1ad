/* A table that grows with the numbers in use. */
#include "broker/message/alias_in.h"

#include <string.h>

#include "broker/base/account.h"

struct alias_topic {
    uint32_t len;
    uint8_t text[];
};

static uint16_t count_of(const struct alias_in *a)
{
    return a->table != NULL ? a->table->count : 0;
}

void alias_in_fini(struct alias_in *a)
{
    for (uint16_t i = 0; i < count_of(a); i++)
        account_free(ACCOUNT_CLIENTS, a->table->topics[i]);
    account_free(ACCOUNT_CLIENTS, a->table);
    a->table = NULL;
}

static bool grow(struct alias_in *a, uint16_t count)
{
    enum { PLACE = sizeof(struct alias_topic *) };
    uint16_t before = count_of(a);
    size_t added = (size_t)(count - before) * PLACE;
    struct alias_table *grown =
        account_realloc(ACCOUNT_CLIENTS, a->table, sizeof(*grown) + (size_t)count * PLACE);
    if (grown == NULL)
        return false;
    if (before == 0)
        grown->bytes = 0;
    memset(&grown->topics[before], 0, added);
    grown->bytes += added;
    grown->count = count;
    a->table = grown;
    return true;
}

bool alias_in_set(struct alias_in *a, uint16_t alias, struct mqtt_slice topic)
{
    if (alias > count_of(a) && !grow(a, alias))
        return false;
    struct alias_topic **at = &a->table->topics[alias - 1];
    if (*at != NULL && (*at)->len == topic.len && memcmp((*at)->text, topic.data, topic.len) == 0)
        return true;
    struct alias_topic *t = account_alloc(ACCOUNT_CLIENTS, sizeof(*t) + topic.len);
    if (t == NULL)
        return false;
    t->len = topic.len;
    memcpy(t->text, topic.data, topic.len);
    a->table->bytes += topic.len;
    a->table->bytes -= *at != NULL ? (*at)->len : 0;
    account_free(ACCOUNT_CLIENTS, *at);
    *at = t;
    return true;
}

struct mqtt_slice alias_in_topic(const struct alias_in *a, uint16_t alias)
{
    const struct alias_topic *t =
        alias > 0 && alias <= count_of(a) ? a->table->topics[alias - 1] : NULL;
    return t != NULL ? mqtt_slice_of(t->text, t->len) : (struct mqtt_slice){0};
}
