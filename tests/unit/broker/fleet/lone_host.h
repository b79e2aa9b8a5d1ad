/*
 * lone_host - the core above a lone node: it keeps as text what it is told, and answers what the test says
 * (lone_node.h).
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_FLEET_LONE_HOST_H
#define FLOTILLA_TESTS_UNIT_BROKER_FLEET_LONE_HOST_H

#include <stdio.h>

#include "broker/fleet/exchange/fleet_nodes.h"
#include "tests/unit/broker/fleet/lone_types.h"

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

static inline bool lone_deliver(void *arg, struct message *m)
{
    lone_tell(arg, "deliver %.*s", (int)m->topic.len, (const char *)m->topic.data);
    return true;
}

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

static inline struct store_host lone_host(struct lone_node *n)
{
    return (struct store_host){.arg = n,
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
}

#endif
