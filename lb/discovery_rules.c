/*
 * The deciding half of DNS discovery; discovery.c asks the resolver, pool.c adds and drains
 * servers.
 */
#include "lb/discovery_rules.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum discovery_verdict discovery_judge(struct discovery_memory *memory, bool answered, size_t count,
                                       uint64_t now_ms, uint64_t hold_ms)
{
    if (answered && count > 0) {
        memory->has_good = true;
        memory->good_at_ms = now_ms;
        return DISCOVERY_REPLACE;
    }
    if (!memory->has_good || now_ms - memory->good_at_ms < hold_ms)
        return DISCOVERY_KEEP;
    memory->has_good = false;
    return DISCOVERY_EXPIRE;
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
