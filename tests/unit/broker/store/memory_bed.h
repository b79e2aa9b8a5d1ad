/*
 * memory_bed - a memory store and the simplest core above it, which counts what it is told. For inclusion by one test
 * program.
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_STORE_MEMORY_BED_H
#define FLOTILLA_TESTS_UNIT_BROKER_STORE_MEMORY_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker/base/broker_stats.h"
#include "broker/store/store.h"
#include "common/base/timebox.h"

enum { SESSION_LIMIT = 5 };

struct world {
    struct store *store;
    struct broker_stats stats;
    int wills, wakes, delivered, ended;
    bool gets; /* somebody here wants what is delivered */
    struct store_connect_result result;
    bool failed;
    struct store_entry entries[16];
    size_t count;
    bool more;
    size_t values, chunks;
    struct store_retained_read *read;
    bool read_done;
};

static inline struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){(const uint8_t *)s, (uint32_t)strlen(s)};
}

static inline bool on_deliver(void *arg, struct message *m)
{
    struct world *w = arg;
    (void)m;
    w->delivered++;
    return w->gets;
}

static inline void on_will(void *arg, struct message *m, store_done_fn *done, void *done_arg)
{
    (void)m;
    ((struct world *)arg)->wills++;
    done(done_arg, STORE_OK);
}

static inline void on_wake(void *arg, struct mqtt_slice client_id)
{
    (void)client_id;
    ((struct world *)arg)->wakes++;
}

static inline void on_ended(void *arg, struct mqtt_slice client_id)
{
    (void)client_id;
    ((struct world *)arg)->ended++;
}

static inline int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct store_memory_config config = {.hash_key = 1,
                                         .queue_limit = 10,
                                         .queue_limit_bytes = 1 << 20,
                                         .session_limit = SESSION_LIMIT,
                                         .retained_limit = 1000,
                                         .stats = &w->stats};
    struct store_host host = {.arg = w,
                              .deliver = on_deliver,
                              .publish_will = on_will,
                              .wake = on_wake,
                              .durable_ended = on_ended};
    w->store = store_memory_new(&config, &host);
    *state = w;
    return w->store == NULL;
}

static inline int tear_down(void **state)
{
    struct world *w = *state;
    store_free(w->store);
    free(w);
    return 0;
}

static inline void on_connected(void *arg, enum store_status status,
                                const struct store_connect_result *r)
{
    struct world *w = arg;
    w->failed = status != STORE_OK;
    w->result = *r;
}

static inline void done(void *arg, enum store_status status)
{
    (void)arg;
    assert_int_equal(status, STORE_OK);
}

static inline struct store_hold hold(const char *id, bool durable)
{
    return (struct store_hold){
        .client_id = (char *)id, .client_id_len = (uint32_t)strlen(id), .durable = durable};
}

static inline void input(struct world *w)
{
    struct timebox box;
    timebox_open(&box, 1000000);
    store_input(w->store, &box);
}

static inline void join(struct world *w, struct store_hold *h, bool clean, struct message *will)
{
    struct store_connect_request req = {.hold = h, .clean_start = clean, .will.message = will};
    store_connect(w->store, &req, on_connected, w);
    assert_false(w->failed);
}

static inline struct message *make(const char *topic, const char *payload, bool retain)
{
    struct mqtt_publish p = {
        .qos = 1, .retain = retain, .topic = text(topic), .payload = text(payload)};
    return message_new(&p, (struct message_id){0}, (struct mqtt_slice){0});
}

static inline void publish(struct world *w, const char *topic, const char *payload, bool retain,
                           const char *queue)
{
    struct message *m = make(topic, payload, retain);
    struct store_queue_target target = {.client_id = text(queue != NULL ? queue : ""), .qos = 1};
    struct store_publish_request req = {
        .message = m, .targets = {.queues = &target, .queue_count = queue != NULL}};
    store_publish(w->store, &req, done, NULL);
    message_unref(m);
}

static inline void on_fetched(void *arg, enum store_status status,
                              const struct store_entry *entries, size_t count, bool more)
{
    struct world *w = arg;
    assert_int_equal(status, STORE_OK);
    memcpy(w->entries, entries, count * sizeof(*entries));
    w->count = count;
    w->more = more;
}

static inline void take_totals(void *arg, enum store_status status,
                               const struct store_totals *totals)
{
    assert_int_equal(status, STORE_OK);
    *(struct store_totals *)arg = *totals;
}

#define MEMORY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
