/* A table of 64 owners. memory_shares.c asks. */
#include "broker/store/share_partitions.h"

#include <stdlib.h>

#include "broker/base/account.h"

void share_partitions_fini(struct share_partitions *p)
{
    account_free(ACCOUNT_QUEUES, p->members);
    *p = (struct share_partitions){0};
}

static bool is_member(const struct share_partitions *p, const void *member)
{
    for (uint32_t i = 0; i < p->count; i++)
        if (p->members[i] == member)
            return true;
    return false;
}

bool share_partitions_join(struct share_partitions *p, const void *member)
{
    if (is_member(p, member))
        return true;
    if (p->count == p->capacity) {
        uint32_t more = p->capacity == 0 ? 4 : p->capacity * 2;
        void *grown = account_realloc(ACCOUNT_QUEUES, p->members, more * sizeof(*p->members));
        if (grown == NULL)
            return false;
        p->members = grown;
        p->capacity = more;
    }
    p->members[p->count++] = member;
    return true;
}

void share_partitions_leave(struct share_partitions *p, const void *member)
{
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->members[i] != member)
            continue;
        p->members[i] = p->members[--p->count];
        break;
    }
    for (uint32_t i = 0; i < SHARE_PARTITIONS; i++)
        if (p->owner[i] == member)
            p->owner[i] = NULL;
}

static uint32_t count_of(const struct share_partitions *p, const void *member)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < SHARE_PARTITIONS; i++)
        count += p->owner[i] == member;
    return count;
}

void share_partitions_claim(struct share_partitions *p, const void *member)
{
    if (!is_member(p, member))
        return;
    uint32_t share = (SHARE_PARTITIONS + p->count - 1) / p->count;
    uint32_t has = count_of(p, member);
    for (uint32_t i = 0; i < SHARE_PARTITIONS && has < share; i++) {
        const void *owner = p->owner[i];
        bool free_to_go = owner == NULL || (owner != member && count_of(p, owner) > share);
        if (!free_to_go || p->open[i] > 0)
            continue;
        p->owner[i] = member;
        has++;
    }
}
