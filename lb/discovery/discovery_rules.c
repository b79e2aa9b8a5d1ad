/*
 * The deciding half of DNS discovery; discovery.c asks the resolver, discovery_set.c remembers what
 * each name brought, pool.c adds and drains servers.
 */
#include "lb/discovery/discovery_rules.h"

#include <ares.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum dns_answer discovery_answer_of(int status, size_t count, bool own_trouble)
{
    if (status == ARES_SUCCESS && count > 0)
        return DNS_ADDRESSES;
    if (own_trouble || status == ARES_ENOMEM || status == ARES_EFILE)
        return DNS_OWN_TROUBLE;
    switch (status) {
    case ARES_SUCCESS:
    case ARES_ENODATA:
        return DNS_NONE;
    case ARES_ENOTFOUND:
        return DNS_NO_NAME;
    default:
        return DNS_FAILED;
    }
}

static enum discovery_verdict hold_or_expire(struct discovery_memory *memory, uint64_t now_ms,
                                             uint64_t hold_ms)
{
    if (!memory->has_good || now_ms - memory->good_at_ms < hold_ms)
        return DISCOVERY_KEEP;
    memory->has_good = false;
    return DISCOVERY_EXPIRE;
}

enum discovery_verdict discovery_judge(struct discovery_memory *memory, enum dns_answer answer,
                                       enum dns_answer sibling, uint64_t now_ms, uint64_t hold_ms)
{
    uint64_t since_ms = now_ms - memory->judged_at_ms;
    memory->judged_at_ms = now_ms;
    switch (answer) {
    case DNS_ADDRESSES:
        memory->has_good = true;
        memory->good_at_ms = now_ms;
        return DISCOVERY_REPLACE;
    case DNS_NONE:
        if (sibling != DNS_ADDRESSES)
            break;
        memory->has_good = false;
        return DISCOVERY_REPLACE;
    case DNS_OWN_TROUBLE:
        memory->good_at_ms += since_ms;
        return DISCOVERY_KEEP;
    case DNS_NO_NAME:
    case DNS_FAILED:
        break;
    }
    return hold_or_expire(memory, now_ms, hold_ms);
}

static int compare_addresses(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    if (a->ss_family != b->ss_family)
        return a->ss_family < b->ss_family ? -1 : 1;
    if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *x = (const struct sockaddr_in6 *)a;
        const struct sockaddr_in6 *y = (const struct sockaddr_in6 *)b;
        int order = memcmp(&x->sin6_addr, &y->sin6_addr, sizeof(x->sin6_addr));
        return order != 0 ? order : (int)ntohs(x->sin6_port) - (int)ntohs(y->sin6_port);
    }
    const struct sockaddr_in *x = (const struct sockaddr_in *)a;
    const struct sockaddr_in *y = (const struct sockaddr_in *)b;
    int order = memcmp(&x->sin_addr, &y->sin_addr, sizeof(x->sin_addr));
    return order != 0 ? order : (int)ntohs(x->sin_port) - (int)ntohs(y->sin_port);
}

static int compare_discovered(const void *a, const void *b)
{
    const struct discovered *x = a;
    const struct discovered *y = b;
    return compare_addresses(&x->addr, &y->addr);
}

size_t discovery_normalize(struct discovered *found, size_t count)
{
    if (count == 0)
        return 0;
    qsort(found, count, sizeof(*found), compare_discovered);
    size_t kept = 1;
    for (size_t i = 1; i < count; i++)
        if (!discovery_same_address(&found[i].addr, &found[kept - 1].addr))
            found[kept++] = found[i];
    return kept;
}

bool discovery_same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    return compare_addresses(a, b) == 0;
}
