/*
 * broker_party - two connections to a broker's core without sockets, turn by turn: what each says, and what must hold
 * of what it is told (broker_watch.h).
 */
#ifndef FLOTILLA_TESTS_FUZZ_BROKER_PARTY_H
#define FLOTILLA_TESTS_FUZZ_BROKER_PARTY_H

#include <stdio.h>
#include <stdlib.h>

#include "broker/delivery/deliver.h"
#include "tests/fuzz/broker_watch.h"
#include "tests/fuzz/fuzz_clock.h"
#include "tests/unit/broker/core_fixture.h"

enum { PARTIES = 2, OUT_SIZE = 16 << 20, IN_SIZE = 1 << 16, LIMIT_OUTPUT = 64 * 1024 };
enum { MAX_INFLIGHT = 3, MAX_ALIASES = 2, TURN_MS = 1 };

#define DEMAND(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct party {
    struct core_client *link; /* NULL: not connected */
    uint8_t *out;             /* OUT_SIZE, kept from input to input */
    uint8_t in[IN_SIZE];
    size_t given, half; /* of `in`: read or readable; behind it, said later */
    uint16_t next_id;
    bool blocked; /* it was, once */
    unsigned gone_turns;
    struct watcher watch;
};

struct input {
    const uint8_t *at;
    size_t left;
};

struct parties {
    struct core core;
    struct party party[PARTIES];
    struct watcher_session sessions[WATCH_SESSIONS];
    struct core_client *watcher;
    struct input in;
    size_t split; /* the next packet is said in two portions, the first so long; 0: whole */
    void (*before_turn)(struct parties *p); /* the store's part; may be NULL */
    void (*store_step)(struct parties *p, uint8_t argument);
    void (*all_is_well)(void); /* from now on with the store */
};

static uint8_t next_byte(struct input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->at++;
}

/* ---- turns ----------------------------------------------------------------------------------- */

static void look_at(struct parties *p, struct party *party)
{
    struct core_client *c = party->link;
    size_t seen;
    bool had_left = party->gone_turns > 0;
    if (!c->freed) {
        DEMAND(c->client->output.pending <=
               LIMIT_OUTPUT + OUTPUT_HIGH + p->core.config.limits.max_packet_size);
        party->gone_turns +=
            party->watch.left && c->in_len == 0 && c->client->pause == 0 && c->client->rest == NULL
                ? 1
                : 0;
    }
    party->blocked |= c->out_room < 1 << 20;
    seen = watcher_written(&party->watch, c->out, c->out_len);
    DEMAND(!had_left || party->blocked || seen == 0);
    memmove(c->out, c->out + seen, c->out_len - seen);
    c->out_len -= seen;
}

static void turn(struct parties *p)
{
    fuzz_clock_move(TURN_MS);
    if (p->before_turn != NULL)
        p->before_turn(p);
    p->core.broker->tick_due = true;
    turn_pass(p->core.broker);
    for (int i = 0; i < PARTIES; i++)
        if (p->party[i].link != NULL)
            look_at(p, &p->party[i]);
}

static bool is_busy(const struct broker *b)
{
    return b->ready.head != NULL || b->work.head != NULL || b->flush_soon.head != NULL ||
           b->flush.head != NULL || b->dead.head != NULL || fanouts_busy(b->fanouts);
}

static void settle(struct parties *p)
{
    for (int i = 0; i < 8 || is_busy(p->core.broker); i++) {
        turn(p);
        DEMAND(i < 100000);
    }
}

static void pass_time(struct parties *p, uint64_t ms)
{
    enum { AT_ONCE = 900, TURNS = 20 };
    for (int i = 0; i < TURNS && ms > AT_ONCE; i++, ms -= AT_ONCE) {
        fuzz_clock_move(AT_ONCE);
        turn(p);
    }
    fuzz_clock_move(ms);
    turn(p);
}

/* ---- what parties say ------------------------------------------------------------------------ */

static void open_party(struct parties *p, struct party *party)
{
    struct watcher *w = &party->watch;
    party->link = core_connect(&p->core);
    party->link->out = party->out;
    party->link->out_size = OUT_SIZE;
    party->given = party->half = 0;
    party->blocked = false;
    party->gone_turns = 0;
    /* What it said isn't cleared: there is much of it. */
    w->said_len = 0;
    memset((uint8_t *)w + offsetof(struct watcher, garbled), 0,
           sizeof(*w) - offsetof(struct watcher, garbled));
    w->session = NULL;
    w->sessions = p->sessions;
    w->most_inflight = MAX_INFLIGHT;
    w->most_aliases = MAX_ALIASES;
    w->receive_maximum = UINT16_MAX;
    w->max_packet = UINT32_MAX;
}

/* Its connection has ended: what the store still does for it is awaited. */
static void await_freed(struct parties *p, const struct core_client *c)
{
    for (int i = 0; !c->freed; i++) {
        DEMAND(i < 20000);
        turn(p);
    }
}

static void close_party(struct parties *p, struct party *party)
{
    core_give_end(party->link);
    for (int i = 0; i < 3 && !party->link->freed; i++)
        turn(p);
    if (!party->link->freed)
        client_close(party->link->client, END_EOF);
    if (!party->link->freed && p->all_is_well != NULL)
        p->all_is_well();
    await_freed(p, party->link);
    party->link->out = NULL; /* the party's */
    core_client_free(party->link);
    party->link = NULL;
}

/* Makes so many bytes of `in` readable, behind those that aren't read yet. */
static void make_readable(struct party *party, size_t len)
{
    size_t unread = party->link->in_len;
    if (party->link->freed)
        return;
    watcher_say(&party->watch, party->in + party->given, len);
    party->given += len;
    core_give(party->link, party->in + party->given - len - unread, unread + len);
}

static void say(struct parties *p, struct party *party, const void *bytes, size_t len)
{
    size_t unread = party->link->in_len;
    if (party->half > 0) {
        make_readable(party, party->half);
        party->half = 0;
        unread = party->link->in_len;
    }
    if (unread == 0)
        party->given = 0;
    if (party->link->freed || party->given + len > IN_SIZE)
        return;
    memcpy(party->in + party->given, bytes, len);
    party->half = p->split > 0 && p->split < len ? len - p->split : 0;
    make_readable(party, len - party->half);
    p->split = 0;
}

static void say_packet(struct parties *p, struct party *party, const struct mqtt_packet *packet)
{
    static uint8_t buf[IN_SIZE / 4];
    enum mqtt_version version = packet->type == MQTT_CONNECT ? packet->u.connect.version
                                : party->watch.connected     ? party->watch.version
                                                             : MQTT_V311;
    size_t len = mqtt_encode(packet, version, buf, sizeof(buf));
    if (len > 0)
        say(p, party, buf, len);
}

static struct mqtt_slice words(const char *text)
{
    return mqtt_slice_of(text, strlen(text));
}

#endif
