/*
 * The buffer starts at a size that fits the usual CONNECT and doubles.
 */
#include "lb/flow/attempt.h"

#include <stdlib.h>
#include <string.h>

#include "lb/backend/server.h"
#include "lb/stream/stream.h"

#define FIRST_SIZE ((size_t)1024)

struct attempt *attempt_new(const struct sockaddr_storage *peer)
{
    struct attempt *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return NULL;
    a->peer = *peer;
    return a;
}

void attempt_exclude_none(struct attempt *a)
{
    for (unsigned i = 0; i < a->tried_count; i++)
        server_unref((struct server *)a->tried[i]);
    a->tried_count = 0;
}

void attempt_free(struct attempt *a)
{
    if (a == NULL)
        return;
    attempt_exclude_none(a);
    free(a->bytes);
    free(a);
}

static bool reserve(struct attempt *a, size_t size)
{
    if (size <= a->size)
        return true;
    uint8_t *bytes = realloc(a->bytes, size);
    if (bytes == NULL)
        return false;
    a->bytes = bytes;
    a->size = size;
    return true;
}

bool attempt_set_header(struct attempt *a, const uint8_t *header, size_t len)
{
    a->header_made = true;
    if (len == 0)
        return true;
    if (!reserve(a, len + FIRST_SIZE))
        return false;
    memmove(a->bytes + len, a->bytes, a->len);
    memcpy(a->bytes, header, len);
    a->header_len = len;
    a->len += len;
    return true;
}

/* Room for at least one byte more, within the limit. */
static bool make_room(struct attempt *a)
{
    size_t limit = a->header_len + ATTEMPT_HELD_MAX;
    if (a->len < a->size)
        return a->len < limit;
    if (a->len >= limit)
        return false;
    size_t size = a->size == 0 ? FIRST_SIZE : a->size * 2;
    return reserve(a, size < limit ? size : limit);
}

enum attempt_hold attempt_hold(struct attempt *a, struct stream *client)
{
    while (client->readable && !client->ended) {
        if (!make_room(a))
            return ATTEMPT_FULL;
        ssize_t n = stream_read(client, a->bytes + a->len, a->size - a->len);
        if (n <= 0)
            break;
        a->len += (size_t)n;
    }
    return ATTEMPT_HELD;
}

void attempt_exclude(struct attempt *a, struct server *s)
{
    if (a->tried_count == ATTEMPT_SERVERS_MAX)
        attempt_exclude_none(a);
    a->tried[a->tried_count++] = server_ref(s);
    a->sent = 0;
    a->shutdown_sent = false;
    a->tries.sent = false;
}
