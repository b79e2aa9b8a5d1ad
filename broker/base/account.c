/*
 * See the header. The C library knows each block's size, so blocks carry none of ours.
 */
#include "broker/base/account.h"

#include <malloc.h>
#include <stdlib.h>

const char *const account_names[ACCOUNT_KIND_COUNT] = {
    [ACCOUNT_CLIENTS] = "clients",      [ACCOUNT_BEGUN] = "begun_packets",
    [ACCOUNT_OUTPUT] = "output",        [ACCOUNT_MESSAGES] = "messages",
    [ACCOUNT_WINDOWS] = "windows",      [ACCOUNT_REQUESTS] = "requests",
    [ACCOUNT_READS] = "retained_reads", [ACCOUNT_STORE] = "store",
    [ACCOUNT_CACHE] = "cache",          [ACCOUNT_SESSIONS] = "sessions",
    [ACCOUNT_QUEUES] = "queues",        [ACCOUNT_RETAINED] = "retained_topics",
    [ACCOUNT_KEPT] = "kept_messages",
};

struct account account;

static void add(enum account_kind kind, const void *p)
{
    size_t size = malloc_usable_size((void *)p);
    account.by_kind[kind] += size;
    account.total += size;
}

static void take(enum account_kind kind, const void *p)
{
    size_t size = malloc_usable_size((void *)p);
    account.by_kind[kind] -= size;
    account.total -= size;
}

void *account_alloc(enum account_kind kind, size_t size)
{
    void *p = malloc(size);
    add(kind, p);
    return p;
}

void *account_zalloc(enum account_kind kind, size_t size)
{
    void *p = calloc(1, size);
    add(kind, p);
    return p;
}

void *account_realloc(enum account_kind kind, void *p, size_t size)
{
    size_t before = malloc_usable_size(p);
    void *grown = realloc(p, size);
    if (grown == NULL)
        return NULL;
    account.by_kind[kind] -= before;
    account.total -= before;
    add(kind, grown);
    return grown;
}

void account_free(enum account_kind kind, void *p)
{
    take(kind, p);
    free(p);
}

void account_count(enum account_kind kind, const void *p)
{
    add(kind, p);
}

void account_uncount(enum account_kind kind, const void *p)
{
    take(kind, p);
}

void account_set(enum account_kind kind, uint64_t bytes)
{
    account.total += bytes - account.by_kind[kind];
    account.by_kind[kind] = bytes;
}

uint64_t account_lasting(void)
{
    uint64_t sum = 0;
    for (int kind = ACCOUNT_LASTING; kind < ACCOUNT_KIND_COUNT; kind++)
        sum += account.by_kind[kind];
    return sum;
}
