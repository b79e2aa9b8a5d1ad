/* Filled by input.c, from the broker's shared buffer or from the socket; looked at by shed.c. */
#include "broker/client/rest.h"

#include <string.h>

#include "broker/base/account.h"
#include "broker/client/client.h"
#include "broker/client/holders.h"

void rest_drop(struct client *c)
{
    if (c->rest == NULL)
        return;
    account_free(ACCOUNT_BEGUN, c->rest);
    c->rest = NULL;
}

size_t rest_bytes(const struct client *c)
{
    return c->rest != NULL ? sizeof(*c->rest) + c->rest->capacity : 0;
}

static void begin_window(const struct client *c, struct rest *r)
{
    r->window_began = c->broker->now_ms;
    r->window_len = r->len;
}

bool rest_is_too_slow(struct client *c)
{
    struct rest *r = c->rest;
    if (r == NULL || r->len >= r->need)
        return false;
    if (!client_takes_packets(c) || r->window_began == 0) { /* we don't read it */
        begin_window(c, r);
        return false;
    }
    if (c->broker->now_ms - r->window_began < SLOW_WINDOW_MS)
        return false;
    bool slow = r->len - r->window_len < SLOW_WINDOW_BYTES;
    begin_window(c, r);
    return slow;
}

static bool is_within(const struct rest *r, const uint8_t *from)
{
    return r != NULL && from >= r->bytes && from <= r->bytes + r->len;
}

size_t rest_room_for(const struct client *c, const uint8_t *from, size_t len)
{
    const struct rest *r = c->rest;
    if (len == 0 || c->state == CLIENT_CLOSED || is_within(r, from))
        return 0;
    return r == NULL || r->capacity < len ? len : 0;
}

/* In place of the one that is too small. */
static bool make(struct client *c, size_t len)
{
    struct rest *r = account_alloc(ACCOUNT_BEGUN, sizeof(*r) + len);
    if (r == NULL)
        return false;
    r->capacity = (uint32_t)len;
    r->window_began = c->rest != NULL ? c->rest->window_began : 0;
    r->window_len = c->rest != NULL ? c->rest->window_len : 0;
    rest_drop(c);
    c->rest = r;
    holders_note(c);
    return true;
}

bool rest_keep(struct client *c, const uint8_t *from, size_t len, uint32_t need, bool same)
{
    if (len == 0 || c->state == CLIENT_CLOSED) {
        rest_drop(c);
        return true;
    }
    if (is_within(c->rest, from)) {
        memmove(c->rest->bytes, from, len);
    } else {
        if ((c->rest == NULL || c->rest->capacity < len) && !make(c, len))
            return false;
        memcpy(c->rest->bytes, from, len);
    }
    struct rest *r = c->rest;
    if (!same)
        r->window_began = 0;
    r->len = (uint32_t)len;
    r->need = need;
    return true;
}

bool rest_grow(struct client *c, uint32_t capacity)
{
    struct rest *r = account_realloc(ACCOUNT_BEGUN, c->rest, sizeof(*r) + capacity);
    if (r == NULL)
        return false;
    r->capacity = capacity;
    c->rest = r;
    return true;
}
