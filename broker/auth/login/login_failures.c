/* A small set-associative table. */
#include "broker/auth/login/login_failures.h"

#include <stddef.h>

static struct login_failure *set_of(struct login_failures *f, uint64_t key)
{
    return f->sets[(key >> 16) % LOGIN_FAILURE_SETS];
}

/* The key's entry, made if need be. */
static struct login_failure *entry_of(struct login_failures *f, uint64_t key)
{
    struct login_failure *set = set_of(f, key);
    struct login_failure *oldest = &set[0];
    for (size_t i = 0; i < LOGIN_FAILURE_WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].at_ms < oldest->at_ms)
            oldest = &set[i];
    }
    *oldest = (struct login_failure){.key = key};
    return oldest;
}

void login_failures_note(struct login_failures *f, uint64_t key, uint64_t now_ms)
{
    if (key != 0)
        entry_of(f, key)->at_ms = now_ms;
}

bool login_failures_recent(const struct login_failures *f, uint64_t key, uint64_t now_ms)
{
    const struct login_failure *set = f->sets[(key >> 16) % LOGIN_FAILURE_SETS];
    for (size_t i = 0; key != 0 && i < LOGIN_FAILURE_WAYS; i++)
        if (set[i].key == key)
            return now_ms - set[i].at_ms < LOGIN_FAILURE_LASTS_MS;
    return false;
}

uint64_t login_failures_line_up(struct login_failures *f, uint64_t key, uint64_t from_ms,
                                uint64_t takes_ms)
{
    if (key == 0)
        return from_ms + takes_ms;
    struct login_failure *e = entry_of(f, key);
    uint64_t begins = e->busy_until_ms > from_ms ? e->busy_until_ms : from_ms;
    if (begins > from_ms + LOGIN_LINE_MS)
        begins = from_ms + LOGIN_LINE_MS;
    e->busy_until_ms = begins + takes_ms;
    e->at_ms = from_ms;
    return e->busy_until_ms;
}
