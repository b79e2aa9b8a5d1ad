/* A list of filters, walked: there are few, and most clients have none. */
#include "broker/auth/sources/grant_terms.h"

#include <string.h>
#include <sys/queue.h>

#include "broker/base/account.h"

struct allowed {
    STAILQ_ENTRY(allowed) link;
    unsigned uses; /* grant_use bits */
    uint32_t len;
    uint8_t filter[];
};

struct grant_terms {
    uint64_t until_s;
    bool narrowed;
    size_t count, bytes;
    STAILQ_HEAD(, allowed) allowed;
};

struct grant_terms *grant_terms_new(uint64_t until_s, bool narrowed)
{
    struct grant_terms *t = account_zalloc(ACCOUNT_CLIENTS, sizeof(*t));
    if (t == NULL)
        return NULL;
    t->until_s = until_s;
    t->narrowed = narrowed;
    t->bytes = sizeof(*t);
    STAILQ_INIT(&t->allowed);
    return t;
}

void grant_terms_free(struct grant_terms *t)
{
    if (t == NULL)
        return;
    while (!STAILQ_EMPTY(&t->allowed)) {
        struct allowed *a = STAILQ_FIRST(&t->allowed);
        STAILQ_REMOVE_HEAD(&t->allowed, link);
        account_free(ACCOUNT_CLIENTS, a);
    }
    account_free(ACCOUNT_CLIENTS, t);
}

bool grant_terms_allow(struct grant_terms *t, struct mqtt_slice filter, unsigned uses)
{
    if (t->count == GRANT_FILTERS_MAX || !mqtt_topic_filter_valid(filter.data, filter.len))
        return false;
    struct allowed *a = account_zalloc(ACCOUNT_CLIENTS, sizeof(*a) + filter.len);
    if (a == NULL)
        return false;
    a->uses = uses;
    a->len = filter.len;
    memcpy(a->filter, filter.data, filter.len);
    STAILQ_INSERT_TAIL(&t->allowed, a, link);
    t->count++;
    t->bytes += sizeof(*a) + filter.len;
    return true;
}

bool grant_terms_cover(const struct grant_terms *t, struct mqtt_slice topic, enum grant_use use)
{
    const struct allowed *a;
    if (!t->narrowed)
        return true;
    STAILQ_FOREACH (a, &t->allowed, link) {
        struct mqtt_slice filter = {.data = a->filter, .len = a->len};
        if ((a->uses & (unsigned)use) != 0 && mqtt_filter_matches(filter, topic))
            return true;
    }
    return false;
}

uint64_t grant_terms_until_s(const struct grant_terms *t)
{
    return t != NULL ? t->until_s : 0;
}

size_t grant_terms_bytes(const struct grant_terms *t)
{
    return t != NULL ? t->bytes : 0;
}
