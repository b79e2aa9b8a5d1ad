/*
 * $SYS: a table of names and how each value is read from the broker's counters.
 */
#include "broker/admin/sys_topics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "broker/client/context.h"
#include "broker/delivery/publish.h"
#include "broker/delivery/sys_values.h"
#include "broker/message/message.h"
#include "broker/routing/router.h"
#include "broker/routing/session.h"
#include "common/base/clock.h"

enum { VALUE_MAX = 64 };

struct sys_topics {
    struct broker *broker;
    struct event *timer;
    uint64_t started_ms;
};

typedef void value_fn(const struct sys_topics *s, char out[VALUE_MAX]);

static void put(char out[VALUE_MAX], uint64_t n)
{
    snprintf(out, VALUE_MAX, "%" PRIu64, n);
}

static uint64_t total(const uint64_t by_qos[3])
{
    return by_qos[0] + by_qos[1] + by_qos[2];
}

static void version(const struct sys_topics *s, char out[VALUE_MAX])
{
    (void)s;
    snprintf(out, VALUE_MAX, "flotilla version %s", FLOTILLA_VERSION);
}

static void uptime(const struct sys_topics *s, char out[VALUE_MAX])
{
    snprintf(out, VALUE_MAX, "%" PRIu64 " seconds", (clock_monotonic_ms() - s->started_ms) / 1000);
}

static void clients_total(const struct sys_topics *s, char out[VALUE_MAX])
{
    put(out, session_table_count(s->broker->sessions));
}

static void clients_connected(const struct sys_topics *s, char out[VALUE_MAX])
{
    put(out, s->broker->stats.online);
}

static void clients_disconnected(const struct sys_topics *s, char out[VALUE_MAX])
{
    uint64_t all = session_table_count(s->broker->sessions);
    uint64_t online = s->broker->stats.online;
    put(out, all > online ? all - online : 0);
}

static void clients_maximum(const struct sys_topics *s, char out[VALUE_MAX])
{
    put(out, s->broker->stats.online_max);
}

static void messages_received(const struct sys_topics *s, char out[VALUE_MAX])
{
    put(out, s->broker->stats.received_packets);
}

static void messages_sent(const struct sys_topics *s, char out[VALUE_MAX])
{
    put(out, s->broker->stats.sent_packets);
}

static void publish_received(const struct sys_topics *s, char out[VALUE_MAX])
{
    put(out, total(s->broker->stats.received));
}

static void publish_sent(const struct sys_topics *s, char out[VALUE_MAX])
{
    put(out, total(s->broker->stats.sent));
}

static void publish_dropped(const struct sys_topics *s, char out[VALUE_MAX])
{
    uint64_t sum = 0;
    for (int i = 0; i < DROP_COUNT; i++)
        sum += s->broker->stats.dropped[i];
    put(out, sum);
}

static void bytes_received(const struct sys_topics *s, char out[VALUE_MAX])
{
    put(out, s->broker->stats.received_bytes);
}

static void bytes_sent(const struct sys_topics *s, char out[VALUE_MAX])
{
    put(out, s->broker->stats.sent_bytes);
}

static void subscriptions(const struct sys_topics *s, char out[VALUE_MAX])
{
    put(out, router_subscription_count(s->broker->router));
}

static void retained(const struct sys_topics *s, char out[VALUE_MAX])
{
    put(out, s->broker->stats.retained);
}

static const struct {
    const char *topic;
    value_fn *value;
} table[] = {
    {"$SYS/broker/version", version},
    {"$SYS/broker/uptime", uptime},
    {"$SYS/broker/clients/total", clients_total},
    {"$SYS/broker/clients/connected", clients_connected},
    {"$SYS/broker/clients/active", clients_connected},
    {"$SYS/broker/clients/disconnected", clients_disconnected},
    {"$SYS/broker/clients/inactive", clients_disconnected},
    {"$SYS/broker/clients/maximum", clients_maximum},
    {"$SYS/broker/messages/received", messages_received},
    {"$SYS/broker/messages/sent", messages_sent},
    {"$SYS/broker/publish/messages/received", publish_received},
    {"$SYS/broker/publish/messages/sent", publish_sent},
    {"$SYS/broker/publish/messages/dropped", publish_dropped},
    {"$SYS/broker/bytes/received", bytes_received},
    {"$SYS/broker/bytes/sent", bytes_sent},
    {"$SYS/broker/subscriptions/count", subscriptions},
    {"$SYS/broker/retained messages/count", retained},
};
enum { TOPICS = sizeof(table) / sizeof(table[0]) };

static bool is_unchanged(const struct message *had, const char *value)
{
    return had != NULL && had->payload.len == strlen(value) &&
           memcmp(had->payload.data, value, had->payload.len) == 0;
}

static void publish(struct sys_topics *s, size_t row)
{
    char value[VALUE_MAX];
    table[row].value(s, value);
    if (is_unchanged(sys_values_at(s->broker->sys_values, row), value))
        return;
    struct mqtt_publish p = {
        .retain = true,
        .topic = {(const uint8_t *)table[row].topic, (uint32_t)strlen(table[row].topic)},
        .payload = {(const uint8_t *)value, (uint32_t)strlen(value)},
    };
    struct message *m = message_new(&p, (struct message_id){0}, (struct mqtt_slice){0});
    if (m == NULL)
        return;
    sys_values_set(s->broker->sys_values, row, m);
    message_unref(m);
    publish_sys(s->broker, &p);
}

static void on_interval(evutil_socket_t fd, short what, void *arg)
{
    struct sys_topics *s = arg;
    (void)fd;
    (void)what;
    for (size_t i = 0; i < TOPICS; i++)
        publish(s, i);
}

struct sys_topics *sys_topics_new(struct broker *b, uint64_t interval_ms)
{
    struct sys_topics *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->broker = b;
    b->sys_values = sys_values_new(TOPICS);
    if (b->sys_values == NULL) {
        sys_topics_free(s);
        return NULL;
    }
    s->started_ms = clock_monotonic_ms();
    if (interval_ms == 0)
        return s;
    struct timeval every = {.tv_sec = (time_t)(interval_ms / 1000),
                            .tv_usec = (suseconds_t)(interval_ms % 1000) * 1000};
    s->timer = event_new(b->base, -1, EV_PERSIST, on_interval, s);
    if (s->timer == NULL || event_add(s->timer, &every) != 0) {
        sys_topics_free(s);
        return NULL;
    }
    on_interval(-1, 0, s);
    return s;
}

void sys_topics_free(struct sys_topics *s)
{
    if (s == NULL)
        return;
    if (s->timer != NULL)
        event_free(s->timer);
    sys_values_free(s->broker->sys_values);
    s->broker->sys_values = NULL;
    free(s);
}
