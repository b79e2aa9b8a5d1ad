/*
 * Between SUBACK and the last retained message. handle_subscribe.c starts it; the store (and $SYS)
 * gives the values; deliver.c or the session's queue takes them.
 */
#include "broker/delivery/retained_delivery.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "broker/auth/auth.h"
#include "broker/base/account.h"
#include "broker/client/client.h"
#include "broker/client/holders.h"
#include "broker/delivery/deliver.h"
#include "broker/delivery/fanout.h"
#include "broker/delivery/publish.h"
#include "broker/delivery/retained_known.h"
#include "broker/delivery/sys_values.h"
#include "broker/routing/session.h"
#include "common/base/hash.h"
#include "common/base/hash_table.h"

enum {
    QUEUEING_MAX = 512, /* values on their way into a durable session's queue */
    LINGER_MS = 10000,
};

/* A filter whose values are to be sent. */
struct wanted {
    TAILQ_ENTRY(wanted) link;
    struct hash_link by_filter;
    struct subscription_options granted;
    bool again;     /* subscribed to once more while it was being read */
    uint32_t since; /* number of the oldest SUBSCRIBE that wasn't answered when it was added */
    uint32_t len;
    uint8_t filter[];
};
TAILQ_HEAD(wanted_list, wanted);

struct retained_delivery {
    struct retained_known known; /* first member: retained_known_of */
    struct wanted_list wanted;   /* one per filter, so no more than the client's subscriptions */
    struct hash_table by_filter; /* the same; no buckets while there are none */
    size_t wanted_bytes;
    bool reading; /* the first one is being read */
    struct store_retained_read *read;
    bool paused; /* a chunk was taken; the next isn't asked for yet */
    uint32_t queueing;
    uint32_t expected;         /* SUBSCRIBEs that aren't answered yet */
    struct wheel_timer linger; /* in a fleet: set when all values were sent */
    struct client *client;
};

_Static_assert(offsetof(struct retained_delivery, known) == 0, "retained_known_of");

/* A broker that keeps its state in memory alone has no messages that come late. */
static bool may_come_late(const struct client *c)
{
    return store_delivers_late(c->broker->store);
}

static void note_told(struct client *c, const struct message *m)
{
    if (may_come_late(c))
        retained_known_note_told(retained_known_of(c->retained), m->topic, m->id);
}

/* ---- values ---------------------------------------------------------------------------------- */

static void on_queued(void *arg, enum store_status status)
{
    struct client *c = arg;
    (void)status; /* a full queue is counted by the store */
    if (c->retained != NULL) {
        c->retained->queueing--;
        client_mark_work(c);
    }
    client_op_done(c);
}

/* Into the durable session's own queue, as a message of its own: its id mustn't be one that the
 * queue has seen. */
static void queue_value(struct client *c, const struct message *m, struct deliver_as as)
{
    struct mqtt_publish p = {.qos = m->qos,
                             .retain = true,
                             .topic = m->topic,
                             .payload = m->payload,
                             .props.raw = m->props};
    struct message *own = message_new(&p, publish_next_id(c->broker), m->publisher);
    if (own == NULL) {
        client_close_later(c, END_NO_MEMORY);
        return;
    }
    own->expires_at_ms = m->expires_at_ms;
    struct store_queue_target target = {
        .client_id = session_id(c->session), .qos = as.qos, .ids = as.ids};
    c->ops++;
    c->retained->queueing++;
    store_enqueue(c->broker->store, own, &target, on_queued, c);
    message_unref(own);
}

/* Who asked for "no local" doesn't get its own values back either (5.0: 3.8.3.1): a bridge may have
 * newer ones by now. */
static bool is_own_echo(const struct client *c, const struct message *m)
{
    return TAILQ_FIRST(&c->retained->wanted)->granted.no_local &&
           session_has_id(c->session, m->publisher);
}

static void on_value(void *arg, const struct message *m)
{
    struct client *c = arg;
    struct retained_delivery *r = c->retained;
    fanout_settle(c->broker->fanouts, c->session);
    if (!client_is_connected(c) || retained_known_is_stale(retained_known_of(r), m->topic, m->id) ||
        is_own_echo(c, m))
        return;
    const struct subscription_options *granted = &TAILQ_FIRST(&r->wanted)->granted;
    struct deliver_as as = {.qos = m->qos < granted->qos ? m->qos : granted->qos,
                            .retain = true,
                            .ids = subscription_ids(granted)};
    if (as.qos > 0 && c->hold.durable) {
        if (auth_may_read(c->broker->auth, &c->who, m->topic)) /* asked again when it is sent */
            queue_value(c, m, as);
        return;
    }
    struct mqtt_publish fields;
    struct delivery d = delivery_of_message(c->broker->encoder, (struct message *)m, &fields);
    deliver_message(c, &d, as);
    delivery_end(&d);
    note_told(c, m);
}

/* ---- reading --------------------------------------------------------------------------------- */

static void on_chunk(void *arg, struct store_retained_read *read)
{
    struct client *c = arg;
    (void)read;
    c->retained->paused = true;
    client_mark_work(c);
}

static void drop_wanted(struct retained_delivery *r, struct wanted *w)
{
    TAILQ_REMOVE(&r->wanted, w, link);
    r->wanted_bytes -= sizeof(*w) + w->len;
    hash_table_remove(&r->by_filter, &w->by_filter);
    account_free(ACCOUNT_READS, w);
    if (r->by_filter.count == 0)
        hash_table_fini(&r->by_filter);
}

/* The first one is read to its end. */
static void next_filter(struct retained_delivery *r)
{
    struct wanted *w = TAILQ_FIRST(&r->wanted);
    if (!w->again) {
        drop_wanted(r, w);
        return;
    }
    w->again = false;
    TAILQ_REMOVE(&r->wanted, w, link);
    TAILQ_INSERT_TAIL(&r->wanted, w, link);
}

static void on_read_done(void *arg, enum store_status status)
{
    struct client *c = arg;
    struct retained_delivery *r = c->retained;
    r->read = NULL;
    r->reading = r->paused = false;
    next_filter(r);
    if (status != STORE_OK)
        client_close_later(c,
                           END_STORE_FAILED); /* better than pretending that nothing is retained */
    client_mark_work(c);
}

/* What went through the durable session's queue has left it. */
static bool queue_is_through(const struct client *c)
{
    return c->retained->queueing == 0 && (!c->hold.durable || (!c->wake && !c->fetching));
}

/* Of the live messages before its SUBSCRIBE only the ids matter: a client that subscribes again is told
 * the value again (3.8.4). */
static void begin_read(struct retained_delivery *r)
{
    uint32_t since = TAILQ_FIRST(&r->wanted)->since;
    if (since > r->known.since)
        r->known.since = since;
}

static void start(struct client *c)
{
    struct retained_delivery *r = c->retained;
    if (r->known.count > 0 && queue_is_through(c))
        begin_read(r);
    const struct wanted *first = TAILQ_FIRST(&r->wanted);
    struct mqtt_slice filter = {.data = first->filter, .len = first->len};
    r->reading = true;
    sys_values_each(c->broker->sys_values, filter, on_value, c);
    struct store_retained_read *read =
        store_retained_start(c->broker->store, filter, on_value, on_chunk, on_read_done, c);
    if (r->reading)
        r->read = read; /* not done yet */
    if (read == NULL)
        client_close_later(c, END_NO_MEMORY);
}

static bool takes_more(const struct client *c)
{
    return !deliver_is_behind(c) && c->retained->queueing < QUEUEING_MAX;
}

/* Nothing is to be sent any more. */
static bool is_over(const struct client *c)
{
    return TAILQ_EMPTY(&c->retained->wanted) && c->retained->expected == 0 && queue_is_through(c);
}

static void finish(struct client *c)
{
    struct retained_delivery *r = c->retained;
    struct broker *b = c->broker;
    if (r->known.count == 0 || !may_come_late(c))
        retained_delivery_end(c);
    else if (!wheel_is_set(&r->linger))
        wheel_set(&b->wheel, &r->linger, b->now_ms + LINGER_MS);
}

static void on_lingered(struct wheel_timer *timer)
{
    struct retained_delivery *r =
        (void *)((char *)timer - offsetof(struct retained_delivery, linger));
    if (is_over(r->client))
        retained_delivery_end(r->client);
}

void retained_delivery_go_on(struct client *c)
{
    struct retained_delivery *r = c->retained;
    if (r == NULL || !client_is_connected(c))
        return;
    if (is_over(c)) {
        finish(c);
        return;
    }
    if (TAILQ_EMPTY(&r->wanted))
        return;
    if (!takes_more(c)) {
        c->wants_output = true;
        return;
    }
    if (r->read == NULL) {
        start(c);
    } else if (r->paused) {
        r->paused = false;
        store_retained_continue(r->read);
    }
}

size_t retained_delivery_bytes(const struct client *c)
{
    const struct retained_delivery *r = c->retained;
    return r != NULL ? r->wanted_bytes + retained_known_bytes(&r->known) : 0;
}

/* The client's, made if necessary. NULL when out of memory (the client is marked for closing
 * then). */
static struct retained_delivery *delivery_of(struct client *c)
{
    if (c->retained != NULL)
        return c->retained;
    c->retained = account_zalloc(ACCOUNT_READS, sizeof(*c->retained));
    if (c->retained == NULL) {
        client_close_later(c, END_NO_MEMORY);
        return NULL;
    }
    c->retained->client = c;
    c->retained->known.hash_key = c->broker->hash_key;
    holders_note(c);
    TAILQ_INIT(&c->retained->wanted);
    c->retained->linger.due = on_lingered;
    return c->retained;
}

void retained_delivery_expect(struct client *c)
{
    struct retained_delivery *r = delivery_of(c);
    if (r == NULL)
        return;
    r->expected++;
    r->known.subscribes++;
}

void retained_delivery_expected(struct client *c)
{
    if (c->retained == NULL)
        return;
    c->retained->expected--;
    client_mark_work(c);
}

static uint32_t filter_hash(const struct client *c, struct mqtt_slice filter)
{
    return (uint32_t)hash_bytes(c->broker->hash_key, filter.data, filter.len);
}

static struct wanted *find_wanted(const struct client *c, struct mqtt_slice filter)
{
    const struct retained_delivery *r = c->retained;
    if (TAILQ_EMPTY(&r->wanted))
        return NULL;
    uint32_t hash = filter_hash(c, filter);
    for (struct hash_link *l = hash_table_chain(&r->by_filter, hash); l != NULL; l = l->next) {
        struct wanted *w = HASH_OWNER(l, struct wanted, by_filter);
        if (l->hash == hash && w->len == filter.len &&
            memcmp(w->filter, filter.data, filter.len) == 0)
            return w;
    }
    return NULL;
}

/* NULL when out of memory. */
static struct wanted *add_wanted(const struct client *c, struct mqtt_slice filter)
{
    struct retained_delivery *r = c->retained;
    struct wanted *w = account_alloc(ACCOUNT_READS, sizeof(*w) + filter.len);
    if (w == NULL || (TAILQ_EMPTY(&r->wanted) && !hash_table_init(&r->by_filter))) {
        account_free(ACCOUNT_READS, w);
        return NULL;
    }
    w->again = false;
    w->len = filter.len;
    memcpy(w->filter, filter.data, filter.len);
    hash_table_add(&r->by_filter, &w->by_filter, filter_hash(c, filter));
    TAILQ_INSERT_TAIL(&r->wanted, w, link);
    r->wanted_bytes += sizeof(*w) + w->len;
    return w;
}

/* A waiting filter is sent with its newest options; a filter that is being read is read once more
 * afterwards (3.8.4), however often the client subscribes meanwhile. */
void retained_delivery_add(struct client *c, struct mqtt_slice filter,
                           struct subscription_options granted)
{
    struct retained_delivery *r = delivery_of(c);
    if (r == NULL)
        return;
    struct wanted *w = find_wanted(c, filter);
    if (w != NULL)
        w->again = r->reading && w == TAILQ_FIRST(&r->wanted);
    else
        w = add_wanted(c, filter);
    if (w == NULL) {
        client_close_later(c, END_NO_MEMORY);
        return;
    }
    w->granted = granted;
    w->since = r->known.subscribes - r->expected + 1;
    wheel_cancel(&r->linger); /* begins again when this one was sent */
    client_mark_work(c);
}

void retained_delivery_remove(struct client *c, struct mqtt_slice filter)
{
    struct retained_delivery *r = c->retained;
    struct wanted *w = r != NULL ? find_wanted(c, filter) : NULL;
    if (w == NULL)
        return;
    if (r->reading && w == TAILQ_FIRST(&r->wanted)) {
        if (r->read != NULL)
            store_retained_cancel(r->read);
        r->read = NULL;
        r->reading = r->paused = false;
    }
    drop_wanted(r, w);
    client_mark_work(c);
}

size_t retained_delivery_waiting(const struct client *c)
{
    return c->retained != NULL ? c->retained->by_filter.count : 0;
}

void retained_delivery_end(struct client *c)
{
    struct retained_delivery *r = c->retained;
    if (r == NULL)
        return;
    c->retained = NULL;
    if (r->read != NULL)
        store_retained_cancel(r->read);
    while (!TAILQ_EMPTY(&r->wanted))
        drop_wanted(r, TAILQ_FIRST(&r->wanted));
    wheel_cancel(&r->linger);
    retained_known_fini(&r->known);
    account_free(ACCOUNT_READS, r);
}
