/*
 * Between SUBACK and the last retained message. handle_subscribe.c starts it; the store (and $SYS)
 * gives the values; deliver.c or the session's queue takes them.
 */
#include "broker/retained_delivery.h"

#include <stdlib.h>
#include <string.h>

#include "broker/client.h"
#include "broker/deliver.h"
#include "broker/hash.h"
#include "broker/router.h"
#include "broker/session.h"
#include "broker/sys_topics.h"

enum {
    LIVE_MAX = 1 << 16, /* topics noted; of more than this an older value may follow a newer */
    QUEUEING_MAX = 512, /* values on their way into a durable session's queue */
};

struct wanted {
    struct wanted *next;
    uint8_t qos;
    uint32_t len;
    uint8_t filter[];
};

struct retained_delivery {
    struct wanted *wanted, *wanted_tail; /* the first one is being read */
    struct store_retained_read *read;
    bool paused; /* a chunk was taken; the next isn't asked for yet */
    uint32_t queueing;
    uint64_t *live; /* hashes of topics, an open-addressed table */
    uint32_t live_count, live_capacity;
};

/* ---- topics with newer live messages -----------------------------------------------------------
 */

static uint64_t topic_hash(const struct client *c, struct mqtt_slice topic)
{
    return hash_bytes(c->broker->hash_key, topic.data, topic.len) | 1; /* 0 is an empty slot */
}

static uint32_t live_slot(const struct retained_delivery *r, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (r->live_capacity - 1);
    while (r->live[at] != 0 && r->live[at] != hash)
        at = (at + 1) & (r->live_capacity - 1);
    return at;
}

static bool live_grow(struct retained_delivery *r)
{
    struct retained_delivery bigger = {.live_capacity =
                                           r->live_capacity == 0 ? 64 : r->live_capacity * 2};
    bigger.live = calloc(bigger.live_capacity, sizeof(*bigger.live));
    if (bigger.live == NULL)
        return false;
    for (uint32_t i = 0; i < r->live_capacity; i++)
        if (r->live[i] != 0)
            bigger.live[live_slot(&bigger, r->live[i])] = r->live[i];
    free(r->live);
    r->live = bigger.live;
    r->live_capacity = bigger.live_capacity;
    return true;
}

void retained_delivery_note_live(struct client *c, struct mqtt_slice topic)
{
    struct retained_delivery *r = c->retained;
    if (r == NULL || r->live_count >= LIVE_MAX)
        return;
    if (r->live_count * 2 >= r->live_capacity && !live_grow(r))
        return;
    uint64_t hash = topic_hash(c, topic);
    uint32_t at = live_slot(r, hash);
    r->live_count += r->live[at] == 0;
    r->live[at] = hash;
}

bool retained_delivery_is_stale(const struct client *c, struct mqtt_slice topic)
{
    const struct retained_delivery *r = c->retained;
    if (r == NULL || r->live_count == 0)
        return false;
    return r->live[live_slot(r, topic_hash(c, topic))] != 0;
}

/* ---- values ------------------------------------------------------------------------------------
 */

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
static void queue_value(struct client *c, const struct message *m, uint8_t qos)
{
    struct mqtt_publish p = {.qos = m->qos,
                             .retain = true,
                             .topic = m->topic,
                             .payload = m->payload,
                             .props.raw = m->props};
    struct message *own = message_new(&p, router_next_message_id(c->broker->router), m->publisher);
    if (own == NULL) {
        client_doom(c, END_NO_MEMORY);
        return;
    }
    struct store_queue_target target = {.client_id = c->hold.client_id,
                                        .client_id_len = c->hold.client_id_len,
                                        .qos = qos,
                                        .retain_as_published = true,
                                        .session = c->session};
    struct store_publish_request request = {
        .message = own, .queue_only = true, .targets = {.queues = &target, .queue_count = 1}};
    c->ops++;
    c->retained->queueing++;
    store_publish(c->broker->store, &request, on_queued, c);
    message_unref(own);
}

static void on_value(void *arg, const struct message *m)
{
    struct client *c = arg;
    struct retained_delivery *r = c->retained;
    if (c->doomed || retained_delivery_is_stale(c, m->topic))
        return;
    uint8_t granted = r->wanted->qos;
    uint8_t qos = m->qos < granted ? m->qos : granted;
    if (qos > 0 && c->hold.durable) {
        queue_value(c, m, qos);
        return;
    }
    struct mqtt_publish fields;
    struct delivery d = delivery_of_message(c->broker->encoder, (struct message *)m, &fields);
    deliver_message(c, &d, qos, true);
    delivery_end(&d);
}

/* ---- reading -----------------------------------------------------------------------------------
 */

static void on_chunk(void *arg, struct store_retained_read *read)
{
    struct client *c = arg;
    (void)read;
    c->retained->paused = true;
    client_mark_work(c);
}

static void next_filter(struct retained_delivery *r)
{
    struct wanted *w = r->wanted;
    r->wanted = w->next;
    if (r->wanted == NULL)
        r->wanted_tail = NULL;
    free(w);
}

static void on_read_done(void *arg, enum store_status status)
{
    struct client *c = arg;
    struct retained_delivery *r = c->retained;
    r->read = NULL;
    r->paused = false;
    next_filter(r);
    if (status != STORE_OK)
        client_doom(c, END_STORE_FAILED); /* better than pretending that nothing is retained */
    client_mark_work(c);
}

static void start(struct client *c)
{
    struct retained_delivery *r = c->retained;
    struct mqtt_slice filter = {.data = r->wanted->filter, .len = r->wanted->len};
    sys_topics_each(c->broker->sys, filter, on_value, c);
    struct store_retained_read *read =
        store_retained_start(c->broker->store, filter, on_value, on_chunk, on_read_done, c);
    if (r->wanted != NULL && r->wanted->filter == filter.data)
        r->read = read; /* not done yet */
    if (read == NULL)
        client_doom(c, END_NO_MEMORY);
}

static bool takes_more(const struct client *c)
{
    return !deliver_is_behind(c) && c->retained->queueing < QUEUEING_MAX;
}

/* Nothing is to be sent any more, and what went through the queue has left it. */
static bool is_over(const struct client *c)
{
    const struct retained_delivery *r = c->retained;
    if (r->wanted != NULL || r->queueing > 0)
        return false;
    return !c->hold.durable || (!c->wake && !c->fetching);
}

void retained_delivery_go_on(struct client *c)
{
    struct retained_delivery *r = c->retained;
    if (r == NULL || c->doomed)
        return;
    if (is_over(c)) {
        retained_delivery_end(c);
        return;
    }
    if (r->wanted == NULL)
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

void retained_delivery_add(struct client *c, struct mqtt_slice filter, uint8_t qos)
{
    struct wanted *w = malloc(sizeof(*w) + filter.len);
    if (c->retained == NULL)
        c->retained = calloc(1, sizeof(*c->retained));
    if (w == NULL || c->retained == NULL) {
        free(w);
        client_doom(c, END_NO_MEMORY);
        return;
    }
    struct retained_delivery *r = c->retained;
    w->next = NULL;
    w->qos = qos;
    w->len = filter.len;
    memcpy(w->filter, filter.data, filter.len);
    if (r->wanted_tail != NULL)
        r->wanted_tail->next = w;
    else
        r->wanted = w;
    r->wanted_tail = w;
    client_mark_work(c);
}

/* Unlinks the one after `before` (NULL: the first, which is being read). */
static void drop_wanted(struct retained_delivery *r, struct wanted *before)
{
    if (before == NULL) {
        if (r->read != NULL)
            store_retained_cancel(r->read);
        r->read = NULL;
        r->paused = false;
        next_filter(r);
        return;
    }
    struct wanted *w = before->next;
    before->next = w->next;
    if (r->wanted_tail == w)
        r->wanted_tail = before;
    free(w);
}

void retained_delivery_remove(struct client *c, struct mqtt_slice filter)
{
    struct retained_delivery *r = c->retained;
    struct wanted *before = NULL;
    if (r == NULL)
        return;
    for (struct wanted *w = r->wanted, *next; w != NULL; w = next) {
        next = w->next;
        if (w->len == filter.len && memcmp(w->filter, filter.data, filter.len) == 0)
            drop_wanted(r, before);
        else
            before = w;
    }
    client_mark_work(c);
}

void retained_delivery_end(struct client *c)
{
    struct retained_delivery *r = c->retained;
    if (r == NULL)
        return;
    c->retained = NULL;
    if (r->read != NULL)
        store_retained_cancel(r->read);
    while (r->wanted != NULL)
        next_filter(r);
    free(r->live);
    free(r);
}
