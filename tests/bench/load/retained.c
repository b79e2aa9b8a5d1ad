/*
 * retained - sets --count retained topics, then N readers read them: each subscribes to a group of
 * them, gets it whole, unsubscribes, and goes on to another. The measured time is the reading;
 * `cpu_us_each` is per retained message read, its share of the SUBSCRIBE and UNSUBSCRIBE included.
 * How many messages a read brings doesn't depend on how many there are, so the figures of
 * different --count show what the size of the store costs. With --group 0 a read brings all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/load/client.h"
#include "tests/bench/load/report.h"
#include "tests/bench/load/scenario.h"
#include "tests/bench/load/template.h"

#define STUCK_NS 60000000000u

struct reader {
    struct conn *conn;
    uint8_t *came;  /* one bit a message of the group */
    unsigned group; /* that it reads now */
    unsigned missing;
    bool subscribed; /* the SUBACK came */
};

struct retained {
    const struct options *o;
    struct loop *loop;
    struct reader *readers;
    unsigned ready, set, acked, window;
    unsigned group_size, groups, next_group;
    bool reading;
    uint64_t reads_begun, reads; /* finished ones */
    struct tally tally;
};

/* Topics are of this run: others may have left theirs. */
static void filter_of(const struct retained *s, unsigned group, char *out, size_t size)
{
    if (s->groups == 1)
        snprintf(out, size, "retained-%d/#", (int)getpid());
    else
        snprintf(out, size, "retained-%d/%u/+", (int)getpid(), group);
}

/* ---- setting --------------------------------------------------------------------------------- */

static void setter_opened(struct conn *c)
{
    struct retained *s = c->user;
    client_send_connect(c, s->o, &(struct client_identity){.prefix = "set", .clean = true});
}

static void setter_frame(struct conn *c, const struct frame *f)
{
    struct retained *s = c->user;
    if (f->head >> 4 == MQTT_CONNACK) {
        unsigned most = client_take_connack(c, s->o, f);
        s->window = most < s->o->window ? most : s->o->window;
        s->ready++;
        return;
    }
    s->acked += client_take_ack(c, f) ? 1 : 0;
}

static const struct conn_events setter_events = {.opened = setter_opened, .frame = setter_frame};

static void set_one(struct retained *s, struct conn *c, struct template *t)
{
    char topic[64];
    snprintf(topic, sizeof(topic), "retained-%d/%u/%u", (int)getpid(), s->set / s->group_size,
             s->set % s->group_size);
    template_make(t, &(struct template_options){.version = s->o->version,
                                                .qos = 1,
                                                .retain = true,
                                                .topic = topic,
                                                .payload = s->o->payload});
    template_send(t, c, &(struct stamp){.number = s->set++});
}

static void set_all(struct retained *s, struct conn *c)
{
    struct template t = {.bytes = NULL};
    while (s->acked < s->o->count) {
        while (s->set < s->o->count && s->set - s->acked < s->window)
            set_one(s, c, &t);
        loop_turn(s->loop, MILLISECONDS(100));
    }
    template_free(&t);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Sends the SUBSCRIBE of the next group. */
static void begin_read(struct retained *s, struct reader *r)
{
    char filter[64];
    struct filters l = {.count = 0};
    r->group = s->next_group++ % s->groups;
    r->missing = s->group_size;
    r->subscribed = false;
    memset(r->came, 0, s->group_size / 8 + 1);
    filter_of(s, r->group, filter, sizeof(filter));
    filters_add(&l, true, filter, s->o->qos);
    client_send_filters(r->conn, s->o, true, &l, 1);
    s->reads_begun++;
}

static void end_read_if_whole(struct retained *s, struct reader *r)
{
    if (r->missing > 0 || !r->subscribed)
        return;
    char filter[64];
    struct filters l = {.count = 0};
    filter_of(s, r->group, filter, sizeof(filter));
    filters_add(&l, false, filter, 0);
    client_send_filters(r->conn, s->o, false, &l, 2);
    s->reads++;
    if (s->reading)
        begin_read(s, r);
    else
        s->ready++;
}

static void take_message(struct retained *s, struct reader *r, const struct frame *f)
{
    struct received m;
    struct stamp stamp;
    client_take_publish(r->conn, s->o, f, &m);
    if (!m.retain || !stamp_read(m.payload, &stamp) || stamp.number / s->group_size != r->group)
        die("reader %u: a message that it didn't ask for", r->conn->index);
    unsigned at = (unsigned)(stamp.number % s->group_size);
    uint8_t bit = (uint8_t)(1u << (at % 8));
    if ((r->came[at / 8] & bit) != 0) {
        s->tally.duplicates++;
        return;
    }
    r->came[at / 8] |= bit;
    r->missing--;
    s->tally.delivered++;
    end_read_if_whole(s, r);
}

static void reader_opened(struct conn *c)
{
    struct retained *s = c->user;
    client_send_connect(c, s->o, &(struct client_identity){.prefix = "read", .clean = true});
}

static void reader_frame(struct conn *c, const struct frame *f)
{
    struct retained *s = c->user;
    struct reader *r = &s->readers[c->index];
    switch (f->head >> 4) {
    case MQTT_CONNACK:
        client_take_connack(c, s->o, f);
        s->ready++;
        break;
    case MQTT_SUBACK:
        client_take_suback(c, s->o, f);
        r->subscribed = true;
        end_read_if_whole(s, r);
        break;
    case MQTT_PUBLISH:
        take_message(s, r, f);
        break;
    case MQTT_PUBREL:
        client_take_pubrel(c, f);
        break;
    default:
        client_take_other(c, f);
        break;
    }
}

static const struct conn_events reader_events = {.opened = reader_opened, .frame = reader_frame};

/* Turns until the time is over and a read was finished; false when nothing came for long. */
static bool read_for(struct retained *s, double seconds)
{
    uint64_t until = now_ns() + (uint64_t)(seconds * 1e9);
    uint64_t reads_before = s->reads;
    uint64_t got = s->tally.delivered;
    uint64_t moved_ns = now_ns();
    while (now_ns() < until || s->reads == reads_before) {
        loop_turn(s->loop, MILLISECONDS(10));
        if (got != s->tally.delivered) {
            got = s->tally.delivered;
            moved_ns = now_ns();
        } else if (now_ns() - moved_ns > STUCK_NS) {
            return false;
        }
    }
    return true;
}

static void connect_all(struct retained *s)
{
    const struct options *o = s->o;
    for (unsigned i = 0; i < o->clients; i++) {
        s->readers[i].came = calloc(1, s->group_size / 8 + 1);
        if (s->readers[i].came == NULL)
            die("out of memory");
        s->readers[i].conn =
            conn_open(s->loop, &o->subscribe_to[i % o->subscribe_targets], &reader_events, s, i);
    }
    while (s->ready < o->clients + 1)
        loop_turn(s->loop, MILLISECONDS(100));
}

static struct retained *retained_new(const struct options *o)
{
    struct retained *s = calloc(1, sizeof(*s));
    if (s == NULL)
        die("out of memory");
    s->o = o;
    s->loop = loop_new(options_loop(o));
    s->group_size = o->group == 0 ? o->count : o->group;
    s->groups = o->count / s->group_size;
    s->readers = calloc(o->clients, sizeof(*s->readers));
    if (s->readers == NULL)
        die("out of memory");
    return s;
}

void run_retained(const struct options *o)
{
    struct retained *s = retained_new(o);
    struct usage connected;
    struct usage before;
    struct usage after;
    struct conn *setter = conn_open(s->loop, &o->publish_to[0], &setter_events, s, 0);
    connect_all(s);
    usage_take(&connected, o->pids, o->pid_count);
    set_all(s, setter);
    usage_take(&before, o->pids, o->pid_count);
    s->reading = true;
    uint64_t began = now_ns();
    for (unsigned i = 0; i < o->clients; i++)
        begin_read(s, &s->readers[i]);
    bool moved = read_for(s, o->seconds);
    usage_take(&after, o->pids, o->pid_count);
    struct report r = {
        .unit = "message",
        .done = s->tally.delivered,
        .seconds = (double)(now_ns() - began) / 1e9,
        .began = &before,
        .ended = &after,
        .setup_before = &connected,
        .setup_count = o->count,
    };
    s->reading = false;
    s->ready = 0;
    uint64_t deadline = now_ns() + 10000000000u;
    while (moved && s->ready < o->clients && now_ns() < deadline)
        loop_turn(s->loop, MILLISECONDS(10));
    r.sent = s->set;
    r.expected = s->reads_begun * s->group_size;
    r.tally = s->tally;
    report_print(o, &r);
}
