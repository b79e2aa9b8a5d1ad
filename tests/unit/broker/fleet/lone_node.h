/*
 * lone_node - one node's context with its modules, and no Redis: the test sees each command that a module
 * writes, and answers it when and as it wants. For inclusion by one test program.
 *
 * Links:    `commands` is up, greeted by a listener in this process; nothing is ever read from it or
 *           written to it afterwards. `channel` and `replica_link` are the same link.
 * Commands: redis_gets says what the oldest one must be (redis_gets_first: how it begins), redis_says answers it. A script's call reads
 *           "name key arguments"; the number of a bucket is left out ("fl:{s}:").
 * Host:     what the core is told is kept as text, and so are completions (lone_done): assert_told.
 * Time:     stands still; a test moves now_ms and boot_ms.
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_FLEET_LONE_NODE_H
#define FLOTILLA_TESTS_UNIT_BROKER_FLEET_LONE_NODE_H

#include <ctype.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/fleet/exchange/fleet_channel.h"
#include "broker/fleet/exchange/fleet_nodes.h"
#include "broker/fleet/exchange/fleet_outbox.h"
#include "broker/fleet/exchange/fleet_parts.h"
#include "broker/fleet/exchange/inbox.h"
#include "broker/fleet/exchange/inbox_barrier.h"
#include "broker/fleet/fence/fleet_cut.h"
#include "broker/fleet/fence/fleet_subscriptions.h"
#include "broker/fleet/fence/fleet_taken.h"
#include "broker/fleet/group/fleet_group.h"
#include "broker/fleet/group/fleet_group_done.h"
#include "broker/fleet/group/fleet_group_queue.h"
#include "broker/fleet/hold/fleet_acks.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/log/fleet_epochs.h"
#include "broker/fleet/log/fleet_version.h"
#include "broker/fleet/log/route.h"
#include "broker/fleet/membership/reaper.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_clock.h"
#include "broker/fleet/publish/fleet_gather.h"
#include "broker/fleet/publish/fleet_publish.h"
#include "broker/fleet/publish/fleet_queue.h"
#include "broker/fleet/publish/fleet_retained.h"
#include "broker/fleet/publish/fleet_retained_expiry.h"
#include "broker/fleet/publish/fleet_retained_read.h"
#include "broker/fleet/session/fleet_disconnect.h"
#include "broker/fleet/session/fleet_due.h"
#include "broker/fleet/session/fleet_will.h"
#include "broker/fleet/storage/fleet_disk.h"
#include "broker/fleet/storage/fleet_full.h"
#include "broker/fleet/storage/fleet_replicas.h"
#include "broker/fleet/storage/fleet_totals.h"
#include "broker/fleet/storage/fleet_usage.h"
#include "broker/fleet/wire/fleet_frame.h"
#include "common/base/clock.h"
#include "common/base/timebox.h"
#include "common/log/log.h"
#include "tests/unit/broker/fleet/reply.h"

#define LONE_HEX "000000000000000a"  /* this node */
#define OTHER_HEX "000000000000000b" /* another one */

enum { LONE_ID = 0xa, OTHER_ID = 0xb, LONE_EPOCH = 5, LONE_TEXT = 1 << 15, LONE_LIST = 8 };

struct lone_call;
struct lone_will;

struct lone_client {
    struct lone_client *next;
    struct store_hold hold;
    char id[16];
};

struct lone_node {
    struct fleet f;
    struct event_base *base;
    struct timebox box;
    struct lone_client *clients;
    struct lone_call *calls;
    char told[LONE_TEXT];
    /* What the core answers. */
    struct store_subscription subs[LONE_LIST];
    size_t sub_count;
    struct store_hold *held;
    uint64_t unfinished[LONE_LIST], next_sequence;
    size_t unfinished_count;
    struct store_targets targets;
    bool has_interest;
    bool woken;              /* fleet_wake */
    struct lone_will *wills; /* that it publishes; the last one first */
};

static inline struct mqtt_slice lone_slice(const char *text)
{
    return (struct mqtt_slice){.data = (const uint8_t *)text, .len = (uint32_t)strlen(text)};
}

/* ---- what was told --------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static inline void lone_tell(struct lone_node *n,
                                                                   const char *format, ...)
{
    size_t at = strlen(n->told);
    va_list args;

    if (at > 0)
        at += (size_t)snprintf(n->told + at, LONE_TEXT - at, "; ");
    va_start(args, format);
    vsnprintf(n->told + at, LONE_TEXT - at, format, args);
    va_end(args);
    assert_true(strlen(n->told) + 1 < LONE_TEXT);
}

/* Since it was asked last. */
static inline const char *lone_told(struct lone_node *n)
{
    static char text[LONE_TEXT];

    memcpy(text, n->told, sizeof(text));
    n->told[0] = '\0';
    return text;
}
#define assert_told(n, text) assert_string_equal(lone_told(n), text)

/* Who waits for a completion; it is told by its name. The node owns it. */
struct lone_call {
    struct lone_call *next;
    struct lone_node *n;
    const char *name;
};

static inline struct lone_call *lone_call(struct lone_node *n, const char *name)
{
    struct lone_call *c = malloc(sizeof(*c));

    assert_non_null(c);
    *c = (struct lone_call){.next = n->calls, .n = n, .name = name};
    n->calls = c;
    return c;
}

static inline void lone_done(void *arg, enum store_status status)
{
    static const char *const words[] = {[STORE_OK] = "ok",
                                        [STORE_UNAVAILABLE] = "unavailable",
                                        [STORE_FULL] = "full",
                                        [STORE_FENCED] = "fenced",
                                        [STORE_NOT_OWNER] = "not owner"};
    const struct lone_call *c = arg;

    lone_tell(c->n, "%s %s", c->name, words[status]);
}

/* ---- the core -------------------------------------------------------------------------------- */

static inline bool lone_deliver(void *arg, struct message *m)
{
    lone_tell(arg, "deliver %.*s", (int)m->topic.len, (const char *)m->topic.data);
    return true;
}

struct lone_will {
    struct lone_will *next;
    store_done_fn *done;
    void *arg;
};

static inline void lone_publish_will(void *arg, struct message *m, store_done_fn *done,
                                     void *done_arg)
{
    struct lone_node *n = arg;
    struct lone_will *w = malloc(sizeof(*w));

    assert_non_null(w);
    lone_tell(n, "will %.*s", (int)m->payload.len, (const char *)m->payload.data);
    *w = (struct lone_will){.next = n->wills, .done = done, .arg = done_arg};
    n->wills = w;
}

/* Of the last one that is under way. */
static inline void lone_will_done(struct lone_node *n, enum store_status status)
{
    struct lone_will *w = n->wills;

    assert_non_null(w);
    n->wills = w->next;
    w->done(w->arg, status);
    free(w);
}

static inline void lone_wake(void *arg, struct mqtt_slice client_id)
{
    lone_tell(arg, "wake %.*s", (int)client_id.len, (const char *)client_id.data);
}

/* Members here have room, unless the filter begins with "$share/full". */
static inline bool lone_share_wake(void *arg, struct mqtt_slice filter, uint32_t messages)
{
    lone_tell(arg, "woken %.*s %u", (int)filter.len, (const char *)filter.data, messages);
    return filter.len < 11 || memcmp(filter.data, "$share/full", 11) != 0;
}

static inline void lone_hand_over(void *arg, struct mqtt_slice client_id, uint64_t epoch,
                                  store_done_fn *done, void *done_arg)
{
    lone_tell(arg, "hand over %.*s %llu", (int)client_id.len, (const char *)client_id.data,
              (unsigned long long)epoch);
    done(done_arg, STORE_OK);
}

static inline void lone_fenced(void *arg, struct store_hold *hold)
{
    lone_tell(arg, "fenced %s", hold->client_id);
}

static inline void lone_subscribed(void *arg, struct mqtt_slice client_id,
                                   const struct store_subscription *sub)
{
    lone_tell(arg, "subscribed %.*s %.*s %u", (int)client_id.len, (const char *)client_id.data,
              (int)sub->filter.len, (const char *)sub->filter.data, sub->qos);
}

static inline void lone_unsubscribed(void *arg, struct mqtt_slice client_id,
                                     struct mqtt_slice filter)
{
    lone_tell(arg, "unsubscribed %.*s %.*s", (int)client_id.len, (const char *)client_id.data,
              (int)filter.len, (const char *)filter.data);
}

static inline void lone_ended(void *arg, struct mqtt_slice client_id)
{
    lone_tell(arg, "ended %.*s", (int)client_id.len, (const char *)client_id.data);
}

static inline void lone_each_subscription(void *arg, struct mqtt_slice client_id,
                                          store_subscription_fn *each, void *each_arg)
{
    struct lone_node *n = arg;

    (void)client_id;
    for (size_t i = 0; i < n->sub_count; i++)
        each(each_arg, &n->subs[i]);
}

static inline struct store_hold *lone_hold_of(void *arg, struct mqtt_slice client_id)
{
    (void)client_id;
    return ((struct lone_node *)arg)->held;
}

static inline uint64_t lone_each_unfinished(void *arg, struct mqtt_slice client_id,
                                            store_sequence_fn *each, void *each_arg)
{
    struct lone_node *n = arg;

    (void)client_id;
    for (size_t i = 0; i < n->unfinished_count; i++)
        each(each_arg, n->unfinished[i]);
    return n->next_sequence;
}

static inline void lone_node_removed(void *arg, void *node)
{
    lone_tell(arg, "node removed %s", ((struct route_node *)node)->hex);
}

static inline void lone_match(void *arg, const struct message *m, struct store_targets *out)
{
    struct lone_node *n = arg;

    lone_tell(n, "match %.*s", (int)m->topic.len, (const char *)m->topic.data);
    *out = n->targets;
}

static inline bool lone_has_interest(void *arg, struct mqtt_slice filter)
{
    (void)filter;
    return ((struct lone_node *)arg)->has_interest;
}

static inline void lone_node_gone(struct fleet *f, uint64_t node)
{
    if (fleet_is_joined(f))
        lone_tell((struct lone_node *)f, "node gone %llx", (unsigned long long)node);
}

/* ---- Redis ----------------------------------------------------------------------------------- */

static inline size_t lone_count(const struct lone_node *n)
{
    return n->f.q->count;
}

static inline void lone_put_word(char *out, const char *word, size_t len)
{
    size_t at = strlen(out);

    if (at + 8 >= LONE_TEXT)
        return; /* enough to tell them apart */
    if (at > 0)
        out[at++] = ' ';
    if (len == 0)
        at += (size_t)sprintf(out + at, "''");
    for (size_t i = 0; i < len && at + 8 < LONE_TEXT; i++) {
        unsigned char c = (unsigned char)word[i];

        if (c > ' ' && c < 0x7f)
            out[at++] = (char)c;
        else
            at += (size_t)sprintf(out + at, "\\%02x", c);
        if (c == '{' && i + 2 < len && strchr("stg", word[i + 1]) != NULL &&
            isdigit((unsigned char)word[i + 2])) {
            out[at++] = word[i + 1];
            i += 1 + strspn(word + i + 2, "0123456789");
        }
    }
    out[at] = '\0';
}

/* The arguments of a command that isn't answered: 0 is the oldest. */
static inline struct redis_args lone_args(const struct lone_node *n, size_t number)
{
    const struct redis_queue *q = n->f.q;
    char *at = q->bytes + q->start;
    size_t i;

    assert_true(number < q->count);
    for (i = 0; i < number; i++)
        at += q->ring[(q->head + i) & (q->ring_size - 1)].bytes;
    i = q->ring[(q->head + number) & (q->ring_size - 1)].bytes;
    return (struct redis_args){.at = memchr(at, '$', i), .end = at + i};
}

static inline const char *lone_command(const struct lone_node *n, size_t number)
{
    static char text[LONE_TEXT];
    struct redis_args args = lone_args(n, number);
    size_t len;
    const char *word = redis_args_next(&args, &len);

    text[0] = '\0';
    if (len == 7 && memcmp(word, "EVALSHA", 7) == 0) {
        word = scripts_name(&n->f.scripts, redis_args_next(&args, &len));
        assert_non_null(word);
        lone_put_word(text, word, strlen(word));
        redis_args_next(&args, &len);
    } else {
        lone_put_word(text, word, len);
    }
    while ((word = redis_args_next(&args, &len)) != NULL)
        lone_put_word(text, word, len);
    return text;
}

/* NULL: there won't be an answer. */
static inline void lone_answer(struct lone_node *n, const redisReply *r)
{
    size_t len;

    redis_queue_unwritten(n->f.q, &len);
    redis_queue_wrote(n->f.q, len);
    assert_true(redis_queue_answer(n->f.q, r));
}

#define redis_gets(n, text) assert_string_equal(lone_command(n, 0), text)
#define redis_gets_first(n, begin)                                                                 \
    assert_int_equal(strncmp(lone_command(n, 0), begin, strlen(begin)), 0)
#define redis_gets_nothing(n) assert_int_equal(lone_count(n), 0)
#define redis_says(n, ...) lone_answer(n, reply(__VA_ARGS__))
#define redis_says_nothing(n) lone_answer(n, NULL)

static inline bool lone_greeted(void *arg, struct redis_link *l,
                                const struct redis_server_info *info)
{
    (void)arg, (void)l, (void)info;
    return true;
}

/* What is said before the link is up, whatever was asked: a name, CLIENT REPLY (not allowed), an id,
 * twice INFO. */
static inline void lone_greet(struct lone_node *n, int listener)
{
    static const char answers[] = "+OK\r\n:0\r\n:1\r\n$0\r\n\r\n$0\r\n\r\n";
    uint64_t end_ms = clock_monotonic_ms() + 10000;
    char asked[1024];
    int fd = -1;

    for (bool said = false; !redis_link_is_up(n->f.commands);) {
        uint64_t now_ms = clock_monotonic_ms();

        assert_true(now_ms < end_ms);
        event_base_loop(n->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        redis_link_input(n->f.commands, now_ms, NULL);
        redis_link_flush(n->f.commands, now_ms);
        if (fd < 0)
            fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd >= 0 && !said && read(fd, asked, sizeof(asked)) > 0)
            said = write(fd, answers, sizeof(answers) - 1) > 0;
    }
    close(fd);
}

static inline void lone_open_link(struct lone_node *n)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(a);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct redis_link_config cfg = {.name = "test",
                                    .url = &n->f.url,
                                    .connect_timeout_ms = 10000,
                                    .command_timeout_ms = 10000,
                                    .backoff_min_ms = 10,
                                    .backoff_max_ms = 10,
                                    .greeted = lone_greeted};
    char url[64];

    assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &len), 0);
    snprintf(url, sizeof(url), "redis://127.0.0.1:%u", ntohs(a.sin_port));
    assert_null(redis_url_parse(url, &n->f.url));
    n->f.commands = redis_link_new(n->base, &cfg);
    assert_non_null(n->f.commands);
    lone_greet(n, listener);
    close(listener);
    n->f.q = redis_link_queue(n->f.commands);
    n->f.channel = n->f.replica_link = n->f.commands;
}

/* What wasn't answered is kept, and nothing is written. */
static inline void lone_lose_link(struct lone_node *n)
{
    redis_link_leave(n->f.commands, "test");
    assert_false(redis_link_is_up(n->f.commands));
}

/* ---- setup and teardown ---------------------------------------------------------------------- */

static inline void lone_on_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    ((struct lone_node *)arg)->woken = true;
}

/* fleet_wake was called since this was asked last. */
static inline bool lone_is_woken(struct lone_node *n)
{
    bool woken;

    event_base_loop(n->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    woken = n->woken;
    n->woken = false;
    return woken;
}

static inline void lone_endless_time(struct lone_node *n)
{
    timebox_open_at(&n->box, UINT64_MAX, 0, 0);
    n->f.box = &n->box;
}

/* The box is over at the first look at the clock. */
static inline void lone_no_time(struct lone_node *n)
{
    timebox_open_at(&n->box, 0, 0, 0);
    n->f.box = &n->box;
}

static inline void lone_init_modules(struct fleet *f)
{
    static bool (*const inits[])(struct fleet *) = {
        fleet_clock_init,          fleet_replicas_init,
        fleet_full_init,           fleet_disk_init,
        fleet_usage_init,          fleet_totals_init,
        fleet_channel_init,        inbox_init,
        inbox_barriers_init,       routes_init,
        fleet_versions_init,       fleet_append_init,
        fleet_holds_init,          fleet_groups_init,
        fleet_group_dones_init,    fleet_subscription_reads_init,
        fleet_gathering_init,      fleet_publishing_init,
        fleet_queues_init,         fleet_retaining_init,
        fleet_retained_reads_init, fleet_retained_expiry_init,
        fleet_wills_init,          fleet_due_init,
        fleet_disconnects_init,
    };

    f->epochs = fleet_epochs_new(f->hash_key, f->now_ms);
    assert_non_null(f->epochs);
    assert_true(scripts_init(&f->scripts));
    assert_true(fleet_metrics_init(&f->metrics, NULL));
    for (size_t i = 0; i < sizeof(inits) / sizeof(inits[0]); i++)
        assert_true(inits[i](f));
}

static inline int lone_setup(void **state)
{
    static const struct fleet_connect_ops connect_ops = {.node_gone = lone_node_gone};
    struct lone_node *n = calloc(1, sizeof(*n));

    assert_non_null(n);
    log_init("test", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    *state = n;
    n->base = n->f.base = event_base_new();
    n->f.wake = event_new(n->base, -1, 0, lone_on_event, n);
    n->f.id = LONE_ID;
    n->f.calls = 1;
    n->f.hash_key = 42;
    n->f.now_ms = n->f.boot_ms = 100000;
    n->f.state = FLEET_READY;
    n->f.lease = FLEET_LEASE_SURE;
    n->f.log_valid = n->f.may_kill = n->f.knows_clock = true;
    n->f.connect_ops = &connect_ops;
    fleet_hex(n->f.id, n->f.hex);
    strcpy(n->f.run_tag, "run00001");
    fleet_keys_init(&n->f.keys, NULL);
    n->f.cfg = (struct store_redis_config){.lease_ms = 1000,
                                           .beat_interval_ms = 100,
                                           .route_linger_ms = 300,
                                           .dedup_window_ms = 60000,
                                           .inbox_limit = 10,
                                           .dedup_limit = 100,
                                           .log_entries = 200,
                                           .log_bytes = 3000,
                                           .queue_limit = 40};
    n->f.host = (struct store_host){.arg = n,
                                    .deliver = lone_deliver,
                                    .publish_will = lone_publish_will,
                                    .wake = lone_wake,
                                    .share_wake = lone_share_wake,
                                    .hand_over = lone_hand_over,
                                    .fenced = lone_fenced,
                                    .durable_subscribed = lone_subscribed,
                                    .durable_unsubscribed = lone_unsubscribed,
                                    .durable_ended = lone_ended,
                                    .each_subscription = lone_each_subscription,
                                    .hold_of = lone_hold_of,
                                    .each_unfinished = lone_each_unfinished,
                                    .node_removed = lone_node_removed,
                                    .match = lone_match,
                                    .has_interest = lone_has_interest};
    lone_init_modules(&n->f);
    lone_open_link(n);
    lone_endless_time(n);
    return 0;
}

/* As fleet_drop_everything does it. */
static inline void lone_drop_everything(struct fleet *f)
{
    redis_queue_reset(f->q);
    while (f->nodes != NULL)
        fleet_node_remove(f, f->nodes);
    reapers_free(f);
    fleet_cut_reset(f);
    fleet_taken_reset(f);
    inbox_barriers_reset(f);
    fleet_acks_reset(f);
    fleet_retaining_reset(f);
    fleet_retained_reset(f);
    fleet_queues_reset(f);
    fleet_group_queues_reset(f);
    fleet_group_dones_reset(f);
    fleet_append_reset(f);
    routes_reset(f);
    fleet_replicas_reset(f);
    fleet_totals_reset(f);
    fleet_versions_reset(f);
    fleet_publish_reset(f);
    fleet_run_deferred(f, false);
}

static inline int lone_teardown(void **state)
{
    static void (*const frees[])(struct fleet *) = {
        fleet_disconnects_free,
        fleet_due_free,
        fleet_wills_free,
        fleet_retained_expiry_free,
        fleet_retained_reads_free,
        fleet_retaining_free,
        fleet_queues_free,
        fleet_publishing_free,
        fleet_gathering_free,
        fleet_groups_free,
        fleet_holds_free,
        fleet_subscription_reads_free,
        fleet_append_free,
        fleet_versions_free,
        routes_free,
        inbox_barriers_free,
        inbox_free,
        fleet_channel_free,
        fleet_totals_free,
        fleet_usage_free,
        fleet_disk_free,
        fleet_full_free,
        fleet_replicas_free,
        fleet_clock_free,
    };
    struct lone_node *n = *state;

    n->f.lease = FLEET_LEASE_NONE;
    lone_endless_time(n);
    fleet_holds_detach(&n->f);
    while (n->wills != NULL)
        lone_will_done(n, STORE_UNAVAILABLE);
    lone_drop_everything(&n->f);
    redis_link_free(n->f.commands);
    for (size_t i = 0; i < sizeof(frees) / sizeof(frees[0]); i++)
        frees[i](&n->f);
    fleet_epochs_free(n->f.epochs);
    fleet_metrics_fini(&n->f.metrics);
    event_free(n->f.wake);
    event_base_free(n->base);
    while (n->clients != NULL) {
        struct lone_client *c = n->clients;

        n->clients = c->next;
        free(c);
    }
    while (n->calls != NULL) {
        struct lone_call *c = n->calls;

        n->calls = c->next;
        free(c);
    }
    free(n);
    return 0;
}

#define LONE_TEST(test) cmocka_unit_test_setup_teardown(test, lone_setup, lone_teardown)

/* ---- clients and messages -------------------------------------------------------------------- */

/* A connection that has its client id, with LONE_EPOCH. */
static inline struct store_hold *lone_connected(struct lone_node *n, const char *id, bool durable)
{
    struct lone_client *c = calloc(1, sizeof(*c));
    struct fleet_hold *h;

    assert_non_null(c);
    snprintf(c->id, sizeof(c->id), "%s", id);
    c->next = n->clients;
    n->clients = c;
    c->hold = (struct store_hold){.client_id = c->id,
                                  .client_id_len = (uint32_t)strlen(id),
                                  .durable = durable,
                                  .epoch = LONE_EPOCH};
    h = fleet_hold_new(&n->f, &c->hold);
    assert_non_null(h);
    h->behalf.epoch = LONE_EPOCH;
    memcpy(h->run, n->f.run_tag, sizeof(h->run));
    c->hold.store_data = h;
    return &c->hold;
}

static inline struct fleet_session_ref lone_session(const char *client, uint64_t epoch)
{
    return (struct fleet_session_ref){.client = lone_slice(client), .epoch = epoch};
}

static inline struct message *lone_message(const char *topic, const char *payload, uint8_t qos,
                                           bool retain)
{
    struct mqtt_publish p = {
        .topic = lone_slice(topic), .payload = lone_slice(payload), .qos = qos, .retain = retain};
    struct message *m =
        message_new(&p, (struct message_id){.node = LONE_ID, .sequence = 1}, lone_slice("pub"));

    assert_non_null(m);
    return m;
}

static inline struct fleet_bytes lone_frame(const char *topic, const char *payload, uint8_t qos)
{
    struct message *m = lone_message(topic, payload, qos, false);
    struct fleet_bytes frame = {0};

    fleet_frame_put(&frame, m, false);
    message_unref(m);
    return frame;
}

/* The parts of a message whose publisher tells "sent". */
struct lone_parts {
    struct fleet_parts p; /* first */
    struct lone_node *n;
};

static inline void lone_all_sent(struct fleet_parts *p)
{
    lone_tell(((struct lone_parts *)p)->n, "sent");
}

static inline void lone_parts_init(struct lone_parts *l, struct lone_node *n, struct message *m)
{
    *l = (struct lone_parts){.p = {.f = &n->f, .message = m, .all_sent = lone_all_sent}, .n = n};
}

/* What it waits for isn't answered any more. */
static inline void lone_parts_fini(struct lone_parts *l)
{
    redis_queue_reset(l->n->f.q);
    id_set_fini(&l->p.nodes);
    id_set_fini(&l->p.clients);
    message_unref(l->p.message);
}

#endif
