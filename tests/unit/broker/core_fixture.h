/*
 * core_fixture - a broker without sockets, event loop and randomness of its own (broker_new_core): the
 * memory store, and clients over transports that are buffers.
 *
 *     struct core core;
 *     core_init(&core);
 *     struct core_client *c = core_connect(&core);
 *     core_give(c, bytes, len);   what the client sends
 *     core_turn(&core);           one turn
 *     c->out, c->out_len          what the broker wrote
 *     core_fini(&core);
 *
 * A core_client stays after its connection has ended (`freed`) until core_client_free.
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_CORE_FIXTURE_H
#define FLOTILLA_TESTS_UNIT_BROKER_CORE_FIXTURE_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "broker/base/broker_config.h"
#include "broker/broker.h"
#include "broker/client/client.h"
#include "broker/client/context.h"
#include "broker/client/leave.h"
#include "broker/connection/client_life.h"
#include "broker/delivery/fanout.h"
#include "broker/delivery/publish.h"
#include "broker/loop/host.h"
#include "broker/loop/turn.h"
#include "broker/net/transport.h"
#include "broker/routing/router.h"
#include "broker/routing/session.h"
#include "broker/store/store.h"

struct core {
    struct broker *broker;
    struct broker_config config;
};

struct core_client {
    struct transport transport; /* first member */
    struct client *client;      /* good until `freed` */
    const uint8_t *in;          /* borrowed; what is still to be read */
    size_t in_len;
    bool in_ends;    /* the end follows it */
    uint8_t *out;    /* NULL: what is written is only counted */
    size_t out_len;  /* written so far */
    size_t out_size; /* of out */
    size_t out_room; /* bytes taken before writing blocks */
    bool finished, freed;
    uint8_t version; /* enum mqtt_version of what it says and understands; 0: 3.1.1 */
};

static inline void core_must(bool condition)
{
    if (!condition)
        abort();
}

/* ---- the transport --------------------------------------------------------------------------- */

static bool core_start(struct transport *t)
{
    (void)t;
    return true;
}

static ssize_t core_read(struct transport *t, void *buf, size_t len)
{
    struct core_client *c = (struct core_client *)t;
    if (c->in_len == 0 && c->in_ends)
        return 0;
    if (c->in_len == 0) {
        errno = EAGAIN;
        return -1;
    }
    size_t n = c->in_len < len ? c->in_len : len;
    memcpy(buf, c->in, n);
    c->in += n;
    c->in_len -= n;
    return (ssize_t)n;
}

static void core_keep(struct core_client *c, const void *data, size_t n)
{
    if (c->out != NULL) {
        core_must(c->out_len + n <= c->out_size);
        memcpy(c->out + c->out_len, data, n);
    }
    c->out_len += n;
    c->out_room -= n;
}

static ssize_t core_writev(struct transport *t, const struct iovec *iov, int count)
{
    struct core_client *c = (struct core_client *)t;
    size_t taken = 0;
    for (int i = 0; i < count && c->out_room > 0; i++) {
        size_t n = iov[i].iov_len < c->out_room ? iov[i].iov_len : c->out_room;
        core_keep(c, iov[i].iov_base, n);
        taken += n;
    }
    if (taken > 0)
        return (ssize_t)taken;
    errno = EAGAIN;
    return -1;
}

static void core_finish(struct transport *t, bool going_away)
{
    (void)going_away;
    ((struct core_client *)t)->finished = true;
}

static void core_free(struct transport *t)
{
    ((struct core_client *)t)->freed = true;
}

static const struct transport_ops core_transport_ops = {
    .start = core_start,
    .read = core_read,
    .writev = core_writev,
    .finish = core_finish,
    .free = core_free,
};

/* ---- clients --------------------------------------------------------------------------------- */

/* A connection that takes all that is written to it, and counts it. */
static inline struct core_client *core_connect(struct core *core)
{
    struct core_client *c = calloc(1, sizeof(*c));
    core_must(c != NULL);
    c->transport.ops = &core_transport_ops;
    c->out_room = SIZE_MAX;
    c->client = client_new(core->broker, NULL, &c->transport, false, false);
    core_must(c->client != NULL);
    return c;
}

/* Keeps what is written from now on, up to `size` bytes. */
static inline void core_capture(struct core_client *c, size_t size)
{
    c->out = malloc(size);
    core_must(c->out != NULL);
    c->out_size = size;
    c->out_len = 0;
}

/* The client sends these bytes, which must stay until they are read. */
static inline void core_give(struct core_client *c, const void *data, size_t len)
{
    if (c->freed)
        return;
    c->in = data;
    c->in_len = len;
    c->transport.ready(c->transport.arg, TRANSPORT_READABLE);
}

static inline void core_give_end(struct core_client *c)
{
    if (c->freed)
        return;
    c->in_ends = true;
    c->transport.ready(c->transport.arg, TRANSPORT_READABLE | TRANSPORT_EOF);
}

/* The client takes this many more bytes. */
static inline void core_take(struct core_client *c, size_t room)
{
    c->out_room = room;
    if (!c->freed && room > 0)
        c->transport.ready(c->transport.arg, TRANSPORT_WRITABLE);
}

static inline void core_client_free(struct core_client *c)
{
    core_must(c->freed);
    free(c->out);
    free(c);
}

/* ---- the core -------------------------------------------------------------------------------- */

static inline void core_init(struct core *core)
{
    static const struct broker_random fixed = {.hash_key = 42, .message_node = 1};
    struct config_error error;
    char text[256];
    memset(core, 0, sizeof(*core));
    core_must(broker_config_default(&core->config, &error));
    core->config.sys_interval_ms = 0;
    core->broker = broker_new_core(&core->config, &fixed, true, text, sizeof(text));
    core_must(core->broker != NULL);
}

static inline void core_turn(struct core *core)
{
    turn_pass(core->broker);
}

/* Turns until nobody has anything to do. */
static inline void core_settle(struct core *core)
{
    const struct broker *b = core->broker;
    do
        core_turn(core);
    while (b->ready.head != NULL || b->work.head != NULL || b->flush_soon.head != NULL ||
           b->flush.head != NULL || b->dead.head != NULL || fanouts_busy(b->fanouts));
}

static inline void core_fini(struct core *core)
{
    broker_free(core->broker);
    broker_config_free(&core->config);
}

#endif
