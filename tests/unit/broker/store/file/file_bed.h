/*
 * file_bed - a store in a file of a temporary folder, its loop, and what it told the host. file_crash makes a copy of the
 * files as they are on the disk, and opens that: as if the process had been killed.
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_STORE_FILE_FILE_BED_H
#define FLOTILLA_TESTS_UNIT_BROKER_STORE_FILE_FILE_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "broker/base/broker_config.h"
#include "broker/base/broker_stats.h"
#include "broker/store/store.h"
#include "common/base/clock.h"
#include "common/base/timebox.h"

#include <cmocka.h>

struct file_bed {
    struct event_base *base;
    struct store *store;
    struct broker_stats stats;
    char folder[64], path[128], err[512];
    unsigned generation;
    int sync;
    unsigned done, failed; /* completions */
    unsigned delivered, wakes, ended, wills;
    char will[64];            /* the last one's payload */
    char subscriptions[1024]; /* told at the load */
    bool session_present;
    uint64_t next_sequence, released[8];
    size_t released_count;
    struct got {
        uint64_t sequence;
        char payload[32];
        uint8_t qos;
        bool retain, is_value, duplicate, expires;
        uint32_t ids[4], id_count;
        size_t props;
    } got[16];
    size_t got_count;
    struct store_share_entry taken[8];
    size_t taken_count;
    char values[1024];
};

static inline struct mqtt_slice bed_text(const char *s)
{
    return mqtt_slice_of(s, strlen(s));
}

/* ---- the host -------------------------------------------------------------------------------- */

static bool bed_on_deliver(void *arg, struct message *m)
{
    (void)m;
    ((struct file_bed *)arg)->delivered++;
    return true;
}

static void bed_on_will(void *arg, struct message *m, store_done_fn *done, void *done_arg)
{
    struct file_bed *b = arg;
    b->wills++;
    snprintf(b->will, sizeof(b->will), "%.*s", (int)m->payload.len, (const char *)m->payload.data);
    done(done_arg, STORE_OK);
}

static void bed_on_wake(void *arg, struct mqtt_slice client_id)
{
    (void)client_id;
    ((struct file_bed *)arg)->wakes++;
}

static bool bed_on_share_wake(void *arg, struct mqtt_slice filter, uint32_t messages)
{
    (void)arg, (void)filter, (void)messages;
    return false;
}

static void bed_on_ended(void *arg, struct mqtt_slice client_id)
{
    (void)client_id;
    ((struct file_bed *)arg)->ended++;
}

static void bed_on_subscribed(void *arg, struct mqtt_slice client_id,
                              const struct store_subscription *sub)
{
    struct file_bed *b = arg;
    size_t used = strlen(b->subscriptions);
    snprintf(b->subscriptions + used, sizeof(b->subscriptions) - used, "%.*s %.*s %d%s%s %u; ",
             (int)client_id.len, (const char *)client_id.data, (int)sub->filter.len,
             (const char *)sub->filter.data, sub->qos, sub->no_local ? " no_local" : "",
             sub->retain_as_published ? " as_published" : "", sub->subscription_id);
}

/* ---- opening --------------------------------------------------------------------------------- */

/* NULL with a sentence in b->err. */
static inline struct store *bed_try_open(struct file_bed *b)
{
    struct store_file_config config = {.path = b->path,
                                       .sync = b->sync,
                                       .memory = {.hash_key = clock_monotonic_ns(),
                                                  .queue_limit = 1000,
                                                  .queue_limit_bytes = 1 << 24,
                                                  .redispatch_after_ms = 30000,
                                                  .retained_limit = 1000,
                                                  .stats = &b->stats}};
    struct store_host host = {.arg = b,
                              .deliver = bed_on_deliver,
                              .publish_will = bed_on_will,
                              .wake = bed_on_wake,
                              .share_wake = bed_on_share_wake,
                              .durable_subscribed = bed_on_subscribed,
                              .durable_ended = bed_on_ended};
    b->subscriptions[0] = '\0';
    return store_file_new(b->base, &config, &host, NULL, b->err, sizeof(b->err));
}

static inline void bed_open(struct file_bed *b)
{
    b->store = bed_try_open(b);
    if (b->store == NULL)
        fail_msg("%s", b->err);
}

static inline int bed_set_up(void **state)
{
    struct file_bed *b = calloc(1, sizeof(*b));
    snprintf(b->folder, sizeof(b->folder), "/tmp/flotilla-file-XXXXXX");
    if (mkdtemp(b->folder) == NULL)
        return -1;
    snprintf(b->path, sizeof(b->path), "%s/store0.db", b->folder);
    b->base = event_base_new();
    b->sync = STORE_SYNC_ALWAYS;
    *state = b;
    return 0;
}

static inline int bed_tear_down(void **state)
{
    struct file_bed *b = *state;
    char command[128];
    store_free(b->store);
    event_base_free(b->base);
    snprintf(command, sizeof(command), "rm -r '%s'", b->folder);
    int status = system(command);
    free(b);
    return status;
}

/* ---- turns ----------------------------------------------------------------------------------- */

static inline void bed_turn(struct file_bed *b)
{
    struct timebox box;
    event_base_loop(b->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    timebox_open(&box, 1000000);
    store_input(b->store, &box);
    store_flush(b->store);
}

/* Turns until so many completions have come. */
static inline void bed_await(struct file_bed *b, unsigned done)
{
    uint64_t end_ms = clock_monotonic_ms() + 10000;
    while (b->done < done) {
        bed_turn(b);
        if (clock_monotonic_ms() > end_ms)
            fail_msg("%u completions instead of %u", b->done, done);
        usleep(500);
    }
}

static void bed_on_end(void *arg, enum store_status status)
{
    (void)status;
    *(bool *)arg = true;
}

/* Until all is on the disk. */
static inline void bed_settle(struct file_bed *b)
{
    bool ended = false;
    uint64_t end_ms = clock_monotonic_ms() + 10000;
    store_shutdown(b->store, end_ms, bed_on_end, &ended);
    while (!ended) {
        bed_turn(b);
        if (clock_monotonic_ms() > end_ms)
            fail_msg("not on the disk");
        usleep(500);
    }
}

static inline void bed_copy(const char *from, const char *to)
{
    char command[512];
    snprintf(command, sizeof(command), "cp '%s' '%s'", from, to);
    if (access(from, F_OK) == 0)
        assert_int_equal(system(command), 0);
}

/* The process is killed now, and starts again. */
static inline void file_crash(struct file_bed *b)
{
    char next[128], from[160], to[160];
    snprintf(next, sizeof(next), "%s/store%u.db", b->folder, ++b->generation);
    bed_copy(b->path, next);
    snprintf(from, sizeof(from), "%s-wal", b->path);
    snprintf(to, sizeof(to), "%s-wal", next);
    bed_copy(from, to);
    store_free(b->store);
    memcpy(b->path, next, sizeof(b->path));
    bed_open(b);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void bed_done(void *arg, enum store_status status)
{
    struct file_bed *b = arg;
    b->done++;
    b->failed += status != STORE_OK;
}

static void bed_connected(void *arg, enum store_status status, const struct store_connect_result *r)
{
    struct file_bed *b = arg;
    bed_done(b, status);
    if (status != STORE_OK)
        return;
    b->session_present = r->session_present;
    b->next_sequence = r->next_sequence;
    b->released_count = r->released_count;
    for (size_t i = 0; i < r->released_count && i < 8; i++)
        b->released[i] = r->released[i];
}

static inline struct store_hold bed_hold(const char *id, bool durable)
{
    return (struct store_hold){
        .client_id = (char *)id, .client_id_len = (uint32_t)strlen(id), .durable = durable};
}

static inline void bed_connect(struct file_bed *b, struct store_hold *h, struct message *will,
                               uint32_t delay_s)
{
    struct store_connect_request req = {
        .hold = h, .session_expiry_s = 3600, .will = {.message = will, .delay_s = delay_s}};
    unsigned done = b->done;
    store_connect(b->store, &req, bed_connected, b);
    bed_await(b, done + 1);
}

static inline void bed_disconnect(struct file_bed *b, struct store_hold *h, bool will)
{
    unsigned done = b->done;
    store_disconnect(b->store, h, will, 3600, bed_done, b);
    bed_await(b, done + 1);
}

static inline struct message *bed_message(const char *topic, const char *payload, bool retain)
{
    static uint64_t sequence;
    static const uint8_t props[] = {0x26, 0, 1, 'k', 0, 1, 'v'}; /* a user property */
    struct mqtt_publish p = {.qos = 2,
                             .retain = retain,
                             .topic = bed_text(topic),
                             .payload = bed_text(payload),
                             .props.raw = mqtt_slice_of(props, sizeof(props))};
    return message_new(&p, (struct message_id){.node = 1, .sequence = ++sequence}, bed_text("pub"));
}

/* Without waiting. */
static inline void bed_publish(struct file_bed *b, struct message *m, const char *queue,
                               uint8_t qos)
{
    static const uint32_t ids[] = {3, 268435455};
    struct store_queue_target target = {.client_id = bed_text(queue != NULL ? queue : ""),
                                        .qos = qos,
                                        .retain_as_published = true,
                                        .ids = {.items = ids, .count = 2}};
    struct store_publish_request req = {
        .message = m, .targets = {.queues = &target, .queue_count = queue != NULL}};
    store_publish(b->store, &req, bed_done, b);
    message_unref(m);
}

static void bed_fetched(void *arg, enum store_status status, const struct store_entry *entries,
                        size_t count, bool more)
{
    struct file_bed *b = arg;
    (void)more;
    bed_done(b, status);
    b->got_count = count;
    for (size_t i = 0; i < count && i < 16; i++) {
        const struct message *m = entries[i].message;
        struct got *g = &b->got[i];
        *g = (struct got){.sequence = entries[i].sequence,
                          .qos = entries[i].qos,
                          .retain = entries[i].retain,
                          .is_value = entries[i].is_value,
                          .duplicate = entries[i].duplicate,
                          .expires = m->expires_at_ms != 0,
                          .id_count = entries[i].ids.count,
                          .props = m->props.len};
        for (uint32_t id = 0; id < g->id_count && id < 4; id++)
            g->ids[id] = entries[i].ids.items[id];
        snprintf(g->payload, sizeof(g->payload), "%.*s", (int)m->payload.len,
                 (const char *)m->payload.data);
    }
}

static inline void bed_fetch(struct file_bed *b, struct store_hold *h, uint64_t from)
{
    unsigned done = b->done;
    store_fetch(b->store, h, from, 16, 1 << 20, bed_fetched, b);
    bed_await(b, done + 1);
}

static void bed_on_value(void *arg, const struct message *m)
{
    struct file_bed *b = arg;
    size_t used = strlen(b->values);
    snprintf(b->values + used, sizeof(b->values) - used, "%.*s=%.*s ", (int)m->topic.len,
             (const char *)m->topic.data, (int)m->payload.len, (const char *)m->payload.data);
}

static void bed_on_chunk(void *arg, struct store_retained_read *read)
{
    (void)arg;
    store_retained_continue(read);
}

/* Into b->values. */
static inline void bed_read_values(struct file_bed *b, const char *filter)
{
    b->values[0] = '\0';
    store_retained_start(b->store, bed_text(filter), bed_on_value, bed_on_chunk, bed_done, b);
}

static void bed_on_taken(void *arg, enum store_status status,
                         const struct store_share_entry *entries, size_t count,
                         enum store_more more)
{
    struct file_bed *b = arg;
    (void)more;
    bed_done(b, status);
    b->taken_count = count;
    for (size_t i = 0; i < count && i < 8; i++)
        b->taken[i] = entries[i];
}

static inline void bed_take(struct file_bed *b, const struct store_member *m)
{
    unsigned done = b->done;
    store_share_take(b->store, m, 8, bed_on_taken, b);
    bed_await(b, done + 1);
}

#endif
