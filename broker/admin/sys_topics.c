/*
 * $SYS: publishes the figures at each interval. Those that come from the store are asked for then, and published
 * when it answers.
 */
#include "broker/admin/sys_topics.h"

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "broker/admin/sys_figures.h"
#include "broker/client/context.h"
#include "broker/delivery/publish.h"
#include "broker/delivery/sys_values.h"
#include "broker/message/message.h"
#include "common/base/clock.h"

struct sys_topics {
    struct broker *broker;
    struct event *timer;
    struct sys_figures figures;
    bool asking; /* the store, for what it knows */
};

static bool is_unchanged(const struct message *had, const char *value)
{
    return had != NULL && had->payload.len == strlen(value) &&
           memcmp(had->payload.data, value, had->payload.len) == 0;
}

static struct mqtt_slice text(const char *s)
{
    return mqtt_slice_of(s, (uint32_t)strlen(s));
}

static void publish(struct sys_topics *s, size_t at, const struct sys_row *row)
{
    if (is_unchanged(sys_values_at(s->broker->sys_values, at), row->value))
        return;
    struct mqtt_publish p = {
        .retain = true, .topic = text(row->topic), .payload = text(row->value)};
    struct message *m = message_new(&p, (struct message_id){0}, (struct mqtt_slice){0});
    if (m == NULL)
        return;
    sys_values_set(s->broker->sys_values, at, m);
    message_unref(m);
    publish_sys(s->broker, &p);
}

static void publish_rows(struct sys_topics *s, bool of_store)
{
    struct sys_row row;
    for (size_t i = 0; i < sys_figures_rows(); i++)
        if (sys_figures_row(&s->figures, i, &row) && row.of_store == of_store)
            publish(s, i, &row);
}

/* Without an answer the former ones stay, until the next interval. */
static void on_totals(void *arg, enum store_status status, const struct store_totals *totals)
{
    struct sys_topics *s = arg;
    s->asking = false;
    if (status != STORE_OK)
        return;
    sys_figures_take(&s->figures, totals);
    publish_rows(s, true);
}

static void ask(struct sys_topics *s)
{
    if (s->asking)
        return;
    s->asking = true;
    uint64_t mine[STORE_TOTAL_COUNT];
    sys_figures_mine(&s->figures, mine);
    store_totals(s->broker->store, mine, on_totals, s);
}

static void on_interval(evutil_socket_t fd, short what, void *arg)
{
    struct sys_topics *s = arg;
    (void)fd;
    (void)what;
    sys_figures_step(&s->figures, clock_monotonic_ms());
    publish_rows(s, false);
    ask(s);
}

struct sys_topics *sys_topics_new(struct broker *b, uint64_t interval_ms)
{
    struct sys_topics *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->broker = b;
    b->sys_values = sys_values_new(sys_figures_rows());
    if (b->sys_values == NULL) {
        sys_topics_free(s);
        return NULL;
    }
    sys_figures_init(&s->figures, b, clock_monotonic_ms());
    s->timer = event_new(b->base, -1, EV_PERSIST, on_interval, s);
    if (s->timer == NULL) {
        sys_topics_free(s);
        return NULL;
    }
    sys_topics_set_interval(s, interval_ms);
    return s;
}

void sys_topics_set_interval(struct sys_topics *s, uint64_t interval_ms)
{
    struct timeval every = {.tv_sec = (time_t)(interval_ms / 1000),
                            .tv_usec = (suseconds_t)(interval_ms % 1000) * 1000};
    event_del(s->timer);
    if (interval_ms == 0)
        return;
    event_add(s->timer, &every);
    on_interval(-1, 0, s);
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
