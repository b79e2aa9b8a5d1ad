/*
 * held_store - over a core's memory store: calls that wait until the test answers them, as they do in a fleet.
 *
 *     held_begin(core, HOLDS(HELD_PUBLISH) | HOLDS(HELD_SUBSCRIBE));   other calls go to the memory store
 *     ...
 *     held_answer(HELD_PUBLISH, STORE_OK);   the oldest one that waits
 *     held_end(core);
 *
 * With publishes held each of them is the store's: as if other nodes might want it. One store at a time. A call that
 * is held does nothing in the memory store, but for HELD_DISCONNECT. So a durable session whose HELD_CONNECT was
 * answered needs HELD_FETCH, too.
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_HELD_STORE_H
#define FLOTILLA_TESTS_UNIT_BROKER_HELD_STORE_H

#include <stdio.h>

#include "tests/unit/broker/core_fixture.h"

enum held_kind {
    HELD_CONNECT,
    HELD_DISCONNECT,
    HELD_SUBSCRIBE,
    HELD_UNSUBSCRIBE,
    HELD_PUBLISH,
    HELD_QOS2_END,
    HELD_FETCH,
    HELD_RELEASE,
    HELD_KINDS,
};
#define HOLDS(kind) (1u << (kind))
enum { HELD_MAX = 32 };

static struct {
    const struct store_ops *real;
    struct store_ops ops;
    struct held_call {
        store_done_fn *done;
        store_connect_fn *connected;
        store_fetch_fn *fetched;
        void *arg;
    } calls[HELD_KINDS][HELD_MAX];
    unsigned made[HELD_KINDS], answered[HELD_KINDS];
    char filters[256];            /* of the last SUBSCRIBE or UNSUBSCRIBE: "a:1 b:0 " or "a b " */
    bool with_will;               /* of the last disconnect */
    uint32_t expiry_s;            /* the same */
    uint32_t will_grace_s;        /* the same */
    uint16_t qos2_packet_id;      /* of the last publish or qos2_end */
    uint64_t sequence, fetch_max; /* of the last fetch or release */
} held;

static inline struct held_call *held_note(enum held_kind kind, void *arg)
{
    core_must(held.made[kind] < HELD_MAX);
    struct held_call *call = &held.calls[kind][held.made[kind]++];
    *call = (struct held_call){.arg = arg};
    return call;
}

/* The oldest call of the kind that isn't answered, which it is by this. */
static inline struct held_call *held_take(enum held_kind kind)
{
    core_must(held.answered[kind] < held.made[kind]);
    return &held.calls[kind][held.answered[kind]++];
}

static inline unsigned held_waiting(enum held_kind kind)
{
    return held.made[kind] - held.answered[kind];
}

/* Of any kind but connect and fetch. */
static inline void held_answer(enum held_kind kind, enum store_status status)
{
    struct held_call *call = held_take(kind);
    call->done(call->arg, status);
}

/* `result` may be NULL unless the status is STORE_OK: then there was no session. */
static inline void held_answer_connect(enum store_status status,
                                       const struct store_connect_result *result)
{
    static const struct store_connect_result nothing;
    struct held_call *call = held_take(HELD_CONNECT);
    if (status == STORE_OK && result == NULL)
        result = &nothing;
    call->connected(call->arg, status, result);
}

static inline void held_answer_fetch(enum store_status status, const struct store_entry *entries,
                                     size_t count, bool more)
{
    struct held_call *call = held_take(HELD_FETCH);
    call->fetched(call->arg, status, entries, count, more);
}

/* ---- the calls -------------------------------------------------------------------------------- */

static void held_connect(struct store *s, const struct store_connect_request *r,
                         store_connect_fn *done, void *arg)
{
    (void)s, (void)r;
    held_note(HELD_CONNECT, arg)->connected = done;
}

static void held_ignore(void *arg, enum store_status status)
{
    (void)arg, (void)status;
}

/* The memory store forgets the hold, whose memory goes with its client: only the completion waits. */
static void held_disconnect(struct store *s, struct store_hold *hold, bool with_will,
                            uint32_t expiry_s, store_done_fn *done, void *arg)
{
    held.will_grace_s = hold->will_grace_s;
    held.with_will = with_will;
    held.expiry_s = expiry_s;
    held_note(HELD_DISCONNECT, arg)->done = done;
    held.real->disconnect(s, hold, with_will, expiry_s, held_ignore, NULL);
}

static void held_subscribe(struct store *s, struct store_hold *hold,
                           const struct store_subscription *subs, size_t count, store_done_fn *done,
                           void *arg)
{
    size_t used = 0;
    (void)s, (void)hold;
    for (size_t i = 0; i < count && used < sizeof(held.filters); i++)
        used += (size_t)snprintf(held.filters + used, sizeof(held.filters) - used, "%.*s:%d ",
                                 (int)subs[i].filter.len, (const char *)subs[i].filter.data,
                                 subs[i].qos);
    held_note(HELD_SUBSCRIBE, arg)->done = done;
}

static void held_unsubscribe(struct store *s, struct store_hold *hold,
                             const struct mqtt_slice *filters, size_t count, store_done_fn *done,
                             void *arg)
{
    size_t used = 0;
    (void)s, (void)hold;
    for (size_t i = 0; i < count && used < sizeof(held.filters); i++)
        used += (size_t)snprintf(held.filters + used, sizeof(held.filters) - used, "%.*s ",
                                 (int)filters[i].len, (const char *)filters[i].data);
    held_note(HELD_UNSUBSCRIBE, arg)->done = done;
}

static void held_publish(struct store *s, const struct store_publish_request *r,
                         store_done_fn *done, void *arg)
{
    (void)s;
    held.qos2_packet_id = r->qos2_packet_id;
    held_note(HELD_PUBLISH, arg)->done = done;
}

static void held_qos2_end(struct store *s, struct store_hold *hold, uint16_t packet_id,
                          store_done_fn *done, void *arg)
{
    (void)s, (void)hold;
    held.qos2_packet_id = packet_id;
    held_note(HELD_QOS2_END, arg)->done = done;
}

static void held_fetch(struct store *s, struct store_hold *hold, uint64_t from, size_t max,
                       size_t max_bytes, store_fetch_fn *done, void *arg)
{
    (void)s, (void)hold, (void)max_bytes;
    held.sequence = from;
    held.fetch_max = max;
    held_note(HELD_FETCH, arg)->fetched = done;
}

static void held_release(struct store *s, struct store_hold *hold, uint64_t sequence,
                         store_done_fn *done, void *arg)
{
    (void)s, (void)hold;
    held.sequence = sequence;
    held_note(HELD_RELEASE, arg)->done = done;
}

/* ---- in place of the memory store's ----------------------------------------------------------- */

static inline void held_begin(struct core *core, unsigned kinds)
{
    struct store *s = core->broker->store;
    memset(&held, 0, sizeof(held));
    held.real = s->ops;
    held.ops = *s->ops;
    if (kinds & HOLDS(HELD_CONNECT))
        held.ops.connect = held_connect;
    if (kinds & HOLDS(HELD_DISCONNECT))
        held.ops.disconnect = held_disconnect;
    if (kinds & HOLDS(HELD_SUBSCRIBE))
        held.ops.subscribe = held_subscribe;
    if (kinds & HOLDS(HELD_UNSUBSCRIBE))
        held.ops.unsubscribe = held_unsubscribe;
    if (kinds & HOLDS(HELD_PUBLISH)) {
        held.ops.publish = held_publish;
        held.ops.untargeted_is_done = false; /* or it isn't asked */
    }
    if (kinds & HOLDS(HELD_QOS2_END))
        held.ops.qos2_end = held_qos2_end;
    if (kinds & HOLDS(HELD_FETCH))
        held.ops.fetch = held_fetch;
    if (kinds & HOLDS(HELD_RELEASE))
        held.ops.release = held_release;
    s->ops = &held.ops;
}

/* What still waits is answered as at the store's end. */
static inline void held_end(struct core *core)
{
    core->broker->store->ops = held.real;
    for (int kind = 0; kind < HELD_KINDS; kind++)
        while (held_waiting((enum held_kind)kind) > 0) {
            struct held_call *call = held_take((enum held_kind)kind);
            if (call->done != NULL)
                call->done(call->arg, STORE_UNAVAILABLE);
            else if (call->connected != NULL)
                call->connected(call->arg, STORE_UNAVAILABLE, NULL);
            else if (call->fetched != NULL)
                call->fetched(call->arg, STORE_UNAVAILABLE, NULL, 0, false);
        }
}

#endif
