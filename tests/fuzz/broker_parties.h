/*
 * broker_parties - two connections under the input's control and one that watches everything, above a broker's core
 * without sockets (core_fixture.h). What is under the core, the target says.
 *
 * Input: a byte of options, then a list of steps, each a byte (bit 0: which connection, the rest: what) and an argument
 *        byte; some take more bytes. A turn of the broker follows each.
 * Demanded: what broker_watch.h promises; what waits for a connection that doesn't read stays within its bound; once
 *        all connections and sessions have ended nothing is left, of memory too.
 */
#ifndef FLOTILLA_TESTS_FUZZ_BROKER_PARTIES_H
#define FLOTILLA_TESTS_FUZZ_BROKER_PARTIES_H

#include <stdio.h>

#include "broker/base/account.h"
#include "broker/client/paused.h"
#include "broker/delivery/deliver.h"
#include "common/log/log.h"
#include "tests/fuzz/broker_watch.h"
#include "tests/fuzz/fuzz_clock.h"
#include "tests/unit/broker/core_fixture.h"

enum { PARTIES = 2, OUT_SIZE = 16 << 20, IN_SIZE = 1 << 16, LIMIT_OUTPUT = 64 * 1024 };
enum { MAX_INFLIGHT = 3, MAX_ALIASES = 2, TURN_MS = 1 };
enum party_step {
    STEP_BYTES,
    STEP_PRESET,
    STEP_ROOM,
    STEP_END,
    STEP_TIME,
    STEP_CONNECT,
    STEP_SUBSCRIBE,
    STEP_PUBLISH,
    STEP_ACK,
    STEP_HALF,
    STEP_AUTH,
    STEP_STORE,
    STEP_COUNT
};

#define DEMAND(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "line %d: not so: %s\n", __LINE__, #condition);                        \
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
    struct watch watch;
};

struct input {
    const uint8_t *at;
    size_t left;
};

struct parties {
    struct core core;
    struct party party[PARTIES];
    struct watch_session sessions[WATCH_SESSIONS];
    struct core_client *watcher;
    struct input in;
    size_t
        split; /* the next packet is said in two portions, the first of so many bytes; 0: whole */
    void (*before_turn)(struct parties *p); /* the store's part; may be NULL */
    void (*store_step)(struct parties *p, uint8_t argument);
    void (*all_is_well)(void); /* from now on with the store */
    bool has_other_nodes;      /* whose routes the router has */
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
    seen = watch_written(&party->watch, c->out, c->out_len);
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
    struct watch *w = &party->watch;
    party->link = core_connect(&p->core);
    party->link->out = party->out;
    party->link->out_size = OUT_SIZE;
    party->given = party->half = 0;
    party->blocked = false;
    party->gone_turns = 0;
    /* What it said isn't cleared: there is much of it. */
    w->said_len = 0;
    memset((uint8_t *)w + offsetof(struct watch, garbled), 0,
           sizeof(*w) - offsetof(struct watch, garbled));
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
    watch_say(&party->watch, party->in + party->given, len);
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

/* ---- packets made from a few bytes ----------------------------------------------------------- */

struct props {
    uint8_t bytes[512];
    size_t used;
};

static void props_num(struct props *to, enum mqtt_property id, uint32_t num)
{
    DEMAND(mqtt_props_put_num(to->bytes, sizeof(to->bytes), &to->used, id, num));
}

static void props_str(struct props *to, enum mqtt_property id, const char *text)
{
    DEMAND(mqtt_props_put_str(to->bytes, sizeof(to->bytes), &to->used, id, words(text)));
}

static struct mqtt_props props_of(const struct props *from)
{
    return (struct mqtt_props){.raw = mqtt_slice_of(from->bytes, from->used)};
}

/* Two bits of each choose: session expiry, receive maximum, aliases, packet size. */
static void connect_props(struct props *to, uint8_t choice)
{
    static const uint32_t expiries[] = {0, 2, 60, UINT32_MAX};
    static const uint32_t packets[] = {0, 32, 60, 200};
    if ((choice & 3) != 0)
        props_num(to, MQTT_P_SESSION_EXPIRY, expiries[choice & 3]);
    if ((choice >> 2 & 3) != 0)
        props_num(to, MQTT_P_RECEIVE_MAXIMUM, choice >> 2 & 3);
    if ((choice >> 4 & 3) != 0)
        props_num(to, MQTT_P_TOPIC_ALIAS_MAXIMUM, choice >> 4 & 3);
    if ((choice >> 6 & 3) != 0)
        props_num(to, MQTT_P_MAXIMUM_PACKET_SIZE, packets[choice >> 6]);
}

static void step_connect(struct parties *p, struct party *party, uint8_t choice)
{
    static const enum mqtt_version versions[] = {MQTT_V31, MQTT_V311, MQTT_V5, MQTT_V5};
    static const char *const ids[] = {"a", "b", "c", ""};
    static const uint32_t delays[] = {0, 1, 5, UINT32_MAX};
    struct props props = {.used = 0};
    struct props will_props = {.used = 0};
    uint8_t flags = next_byte(&p->in);
    struct mqtt_connect c = {.version = versions[choice & 3],
                             .level = (uint8_t)versions[choice & 3],
                             .clean_start = (choice & 4) != 0,
                             .client_id = words(ids[choice >> 3 & 3]),
                             .keep_alive_s = (flags & 16) != 0 ? 2 : 0};
    if (c.version == MQTT_V5)
        connect_props(&props, next_byte(&p->in));
    if (c.version == MQTT_V5 && (flags & 32) != 0)
        props_str(&props, MQTT_P_AUTH_METHOD, "X-MIRROR");
    if (c.version == MQTT_V5 && (flags & 64) != 0)
        props_num(&props, MQTT_P_REQUEST_RESPONSE_INFO, 1);
    if (c.version != MQTT_V5)
        c.bridge = c.version == MQTT_V311 && (flags & 64) != 0;
    if ((flags & 1) != 0) {
        c.has_will = true;
        c.will_qos = (flags >> 1 & 3) % 3;
        c.will_retain = (flags & 8) != 0;
        c.will_topic = words("a");
        c.will_payload = words("will");
        if (delays[choice >> 5 & 3] != 0)
            props_num(&will_props, MQTT_P_WILL_DELAY, delays[choice >> 5 & 3]);
        if ((choice & 128) != 0)
            props_num(&will_props, MQTT_P_MESSAGE_EXPIRY, 3);
    }
    c.props = props_of(&props);
    if (c.version == MQTT_V5)
        c.will_props = props_of(&will_props);
    say_packet(p, party, &(struct mqtt_packet){.type = MQTT_CONNECT, .u.connect = c});
}

static const char *const filters[] = {
    "#",
    "+/b",
    "a",
    "a/b",
    "$share/g/#",
    "$share/g/a",
    "$share/h/+/b",
    "a/#",
    "+",
    "$SYS/#",
    "$share/g/a/b",
    "+/+",
    "c",
    "b/#",
    "$share//a",
    "a/b/c/d/e/f/g/h/i",
};

/* SUBSCRIBE or UNSUBSCRIBE with one to four filters. */
static void step_subscribe(struct parties *p, struct party *party, uint8_t choice)
{
    bool subscribe = (choice & 4) == 0;
    struct props props = {.used = 0};
    uint8_t list[256];
    size_t used = 0;
    uint32_t count = 0;
    for (; count <= (choice & 3u); count++) {
        uint8_t how = next_byte(&p->in);
        struct mqtt_filter f = {.filter = words(filters[how & 15]),
                                .qos = (uint8_t)((how >> 4 & 3) % 3),
                                .no_local = (how & 64) != 0,
                                .retain_as_published = (how & 128) != 0,
                                .retain_handling = (uint8_t)((choice >> 6 & 3) % 3)};
        DEMAND(mqtt_filters_put(list, sizeof(list), &used, subscribe, &f));
    }
    if (subscribe && (choice >> 3 & 3) != 0)
        props_num(&props, MQTT_P_SUBSCRIPTION_ID, (choice >> 3 & 3u));
    if (party->watch.version != MQTT_V5)
        props.used = 0;
    say_packet(p, party,
               &(struct mqtt_packet){.type = subscribe ? MQTT_SUBSCRIBE : MQTT_UNSUBSCRIBE,
                                     .u.subscribe = {.packet_id = 1,
                                                     .count = count,
                                                     .props = props_of(&props),
                                                     .list = {list, (uint32_t)used}}});
}

static void publish_props(struct props *to, uint8_t choice)
{
    if ((choice & 3) != 0)
        props_num(to, MQTT_P_TOPIC_ALIAS, choice & 3);
    if ((choice >> 2 & 3) != 0)
        props_num(to, MQTT_P_MESSAGE_EXPIRY, (choice >> 2 & 3u) * 3u - 3u);
    if ((choice & 16) != 0)
        props_str(to, MQTT_P_CONTENT_TYPE, "text/plain");
    if ((choice & 32) != 0)
        props_str(to, MQTT_P_RESPONSE_TOPIC, "a/b");
    if ((choice & 64) != 0)
        DEMAND(
            mqtt_props_put_pair(to->bytes, sizeof(to->bytes), &to->used, words("k"), words("v")));
    if ((choice & 128) != 0)
        props_num(to, MQTT_P_PAYLOAD_FORMAT, 1);
}

static void step_publish(struct parties *p, struct party *party, uint8_t choice)
{
    static const char *const topics[] = {"a", "a/b", "b", "c", "b/b", "", "a/b/c", "$x"};
    static const uint8_t large[300];
    struct props props = {.used = 0};
    struct mqtt_publish m = {.qos = (uint8_t)((choice & 3) % 3),
                             .retain = (choice & 4) != 0,
                             .dup = (choice & 11) > 8,
                             .topic = words(topics[choice >> 4 & 7]),
                             .payload = (choice & 128) != 0 ? mqtt_slice_of(large, sizeof(large))
                                                            : words("x")};
    if ((choice & 140) == 140)
        m.payload.len = 0;
    if (m.qos > 0)
        m.packet_id = (uint16_t)(1 + party->next_id++ % 6);
    if (party->watch.version == MQTT_V5)
        publish_props(&props, next_byte(&p->in));
    m.props = props_of(&props);
    say_packet(p, party, &(struct mqtt_packet){.type = MQTT_PUBLISH, .u.publish = m});
}

/* As it should be, or by chance. */
static void step_ack(struct parties *p, struct party *party, uint8_t choice)
{
    static const enum mqtt_type types[] = {MQTT_PUBACK, MQTT_PUBREC, MQTT_PUBREL, MQTT_PUBCOMP};
    const struct watch *w = &party->watch;
    struct mqtt_ack a = {.packet_id = (uint16_t)(choice >> 4 & 7)};
    enum mqtt_type type = types[choice & 3];
    if ((choice & 4) == 0 && w->in_flight > 0) {
        const struct watch_flight *f = &w->flight[(choice >> 4) % w->in_flight];
        a.packet_id = f->id;
        type = f->qos == 1 ? MQTT_PUBACK : (choice & 1) != 0 ? MQTT_PUBREC : MQTT_PUBCOMP;
    }
    if ((choice & 8) != 0 && w->version == MQTT_V5 && type != MQTT_PUBREL && type != MQTT_PUBCOMP)
        a.reason = MQTT_R_QUOTA_EXCEEDED;
    say_packet(p, party, &(struct mqtt_packet){.type = type, .u.ack = a});
}

/* The next message of X-MIRROR: a name, or the challenge backwards. */
static void step_auth(struct parties *p, struct party *party, uint8_t choice)
{
    struct watch *w = &party->watch;
    struct props props = {.used = 0};
    uint8_t mirrored[sizeof(w->challenge)];
    struct mqtt_slice data = words("bob");
    for (size_t i = 0; w->challenged && i < sizeof(mirrored); i++)
        mirrored[i] = w->challenge[sizeof(mirrored) - 1 - i];
    if (w->challenged && (choice & 1) == 0)
        data = mqtt_slice_of(mirrored, sizeof(mirrored));
    w->challenged = false;
    props_str(&props, MQTT_P_AUTH_METHOD, "X-MIRROR");
    DEMAND(
        mqtt_props_put_str(props.bytes, sizeof(props.bytes), &props.used, MQTT_P_AUTH_DATA, data));
    say_packet(p, party,
               &(struct mqtt_packet){.type = MQTT_AUTH,
                                     .u.ack = {.reason = (choice & 2) != 0
                                                             ? MQTT_R_REAUTHENTICATE
                                                             : MQTT_R_CONTINUE_AUTHENTICATION,
                                               .props = props_of(&props)}});
}

/* Things that take long to find by chance. */
static const struct preset {
    const char *bytes;
    size_t len;
} presets[] = {
#define PRESET(text)                                                                               \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
    PRESET("\x62\2\0\2"),                                         /* PUBREL */
    PRESET("\x62\2\0\1\x62\2\0\3"),                               /* twice */
    PRESET("\x40\2\0\1\x40\2\0\2\x40\2\0\3"),                     /* PUBACK 1, 2, 3 */
    PRESET("\x50\2\0\1\x70\2\0\1\x50\2\0\2\x70\2\0\2\x50\2\0\3"), /* PUBREC, PUBCOMP */
    PRESET("\xc0\0"),                                             /* PINGREQ */
    PRESET("\xe0\0"),                                             /* DISCONNECT */
    PRESET("\xe0\1\4"),                                           /* with will */
    PRESET("\xe0\7\0\5\x11\0\0\0\1"),                             /* and another session expiry */
    PRESET("\xe0\7\4\5\x11\0\0\0\0"),                             /* none */
    PRESET("\x10\x0d\0\4MQTT\4\2\0\0\0\1a\x82\6\0\1\0\1#\1\x32\6\0\1a\0\1x\xe0\0"), /* at once */
    PRESET("\x10\x0e\0\4MQTT\5\2\0\0\0\0\1a\x82\7\0\1\0\0\1#\1\x32\7\0\1a\0\1\0x\xe0\0"),
    PRESET("\x31\x05\0\3a/b"), /* clears the retained one */
#undef PRESET
};
enum { PRESETS = sizeof(presets) / sizeof(presets[0]) };

/* ---- steps ----------------------------------------------------------------------------------- */

static uint64_t time_of(uint8_t argument)
{
    if (argument < 100)
        return argument * 10u;
    if (argument < 200)
        return (argument - 99) * 300u;
    if (argument < 240)
        return (argument - 199) * 10000ull;
    return (argument - 239) * 120000ull;
}

static void do_step(struct parties *p, struct party *party, enum party_step what, uint8_t argument)
{
    switch (what) {
    case STEP_BYTES: {
        size_t n = argument < p->in.left ? argument : p->in.left;
        say(p, party, p->in.at, n);
        p->in.at += n;
        p->in.left -= n;
        break;
    }
    case STEP_PRESET:
        say(p, party, presets[argument % PRESETS].bytes, presets[argument % PRESETS].len);
        break;
    case STEP_ROOM:
        core_take(party->link, argument == 255 ? SIZE_MAX : (size_t)argument * 4);
        break;
    case STEP_TIME:
        pass_time(p, time_of(argument));
        break;
    case STEP_CONNECT:
        step_connect(p, party, argument);
        break;
    case STEP_SUBSCRIBE:
        step_subscribe(p, party, argument);
        break;
    case STEP_PUBLISH:
        step_publish(p, party, argument);
        break;
    case STEP_ACK:
        step_ack(p, party, argument);
        break;
    case STEP_HALF:
        p->split = argument;
        break;
    case STEP_AUTH:
        step_auth(p, party, argument);
        break;
    case STEP_STORE:
        if (p->store_step != NULL)
            p->store_step(p, argument);
        break;
    case STEP_END:
    case STEP_COUNT:
        break;
    }
}

static void step(struct parties *p)
{
    uint8_t what = next_byte(&p->in);
    uint8_t argument = next_byte(&p->in);
    struct party *party = &p->party[what & 1];
    if (party->link == NULL)
        open_party(p, party);
    if ((what >> 1) % STEP_COUNT == STEP_END) {
        close_party(p, party);
        return;
    }
    do_step(p, party, (what >> 1) % STEP_COUNT, argument);
    turn(p);
    if (party->link->freed)
        close_party(p, party);
}

/* ---- before and after ------------------------------------------------------------------------ */

/* It subscribes at QoS 2 and never acknowledges, so that its window fills and its queue overflows.
 */
static void watch_everything(struct parties *p)
{
    static const char hello[] = "\x10\x13\0\4MQTT\4\2\0\0\0\7watcher\x82\x06\0\1\0\1#\2";
    p->watcher = core_connect(&p->core);
    core_give(p->watcher, hello, sizeof(hello) - 1);
    settle(p);
    DEMAND(!p->watcher->freed);
}

static void note_session(void *arg, struct session *s)
{
    struct session **first = arg;
    *first = s;
}

/* A connection that asks for a clean session, and ends. */
static void end_session(struct parties *p, struct mqtt_slice id)
{
    uint8_t bytes[2048];
    struct mqtt_packet connect = {
        .type = MQTT_CONNECT,
        .u.connect = {.version = MQTT_V311, .level = 4, .clean_start = true, .client_id = id}};
    size_t len = mqtt_encode(&connect, MQTT_V311, bytes, sizeof(bytes));
    struct core_client *c = core_connect(&p->core);
    DEMAND(len > 0);
    core_give(c, bytes, len);
    settle(p);
    core_give_end(c);
    await_freed(p, c);
    core_client_free(c);
}

/* Durable sessions stay until each is ended, or their time is over. */
static void end_sessions(struct parties *p)
{
    bool by_time = !p->core.config.auth.shared_client_ids;
    if (by_time)
        pass_time(p, 2 * p->core.config.limits.session_expiry_ms);
    for (int i = 0; by_time && session_table_count(p->core.broker->sessions) > 0; i++) {
        DEMAND(i < 1000);
        fuzz_clock_move(900);
        turn(p);
    }
    for (int i = 0; session_table_count(p->core.broker->sessions) > 0; i++) {
        struct session *s = NULL;
        DEMAND(i < 1000);
        session_table_each(p->core.broker->sessions, note_session, &s);
        DEMAND(s != NULL);
        end_session(p, session_id(s));
    }
}

static void tell_account(void)
{
    for (int i = 0; i < ACCOUNT_KIND_COUNT; i++)
        if (account.by_kind[i] != 0)
            fprintf(stderr, "%s: %llu bytes\n", account_names[i],
                    (unsigned long long)account.by_kind[i]);
}

/* Clients that are closed stay until the store has answered all that was asked for them. */
static void await_answers(struct parties *p)
{
    for (int i = 0; account.by_kind[ACCOUNT_CLIENTS] > 0 && i < 20000; i++)
        turn(p);
}

static void check_nothing_is_left(const struct parties *p)
{
    /* Not of output: its chunks are kept for others (`pending`). */
    static const enum account_kind of_connections[] = {
        ACCOUNT_CLIENTS, ACCOUNT_BEGUN, ACCOUNT_WINDOWS, ACCOUNT_REQUESTS, ACCOUNT_READS};
    uint64_t left = 0;
    const struct broker *b = p->core.broker;
    DEMAND(b->client_count == 0 && b->clients == NULL && b->stats.online == 0);
    DEMAND(b->chunks.pending == 0);
    DEMAND(p->has_other_nodes || router_subscription_count(b->router) == 0);
    DEMAND(paused_count(b->paused) == 0);
    for (size_t i = 0; i < sizeof(of_connections) / sizeof(of_connections[0]); i++)
        left += account.by_kind[of_connections[i]];
    if (left > 0)
        tell_account();
    DEMAND(left == 0);
}

static void parties_config(struct parties *p, bool time_ends_sessions)
{
    static char *methods[] = {"X-MIRROR"};
    struct broker_config *c = &p->core.config;
    c->sys_interval_ms = 0;
    c->auth.methods = (struct config_strings){methods, 1};
    c->mqtt.outgoing_topic_alias_maximum = MAX_ALIASES;
    c->mqtt.topic_alias_maximum = 2;
    c->limits.max_output = LIMIT_OUTPUT;
    c->limits.max_packet_size = 64 * 1024;
    c->limits.max_inflight = MAX_INFLIGHT;
    c->limits.max_queued_messages = 20;
    c->limits.max_topic_levels = 8;
    c->limits.max_subscriptions = 5;
    if (time_ends_sessions)
        c->limits.session_expiry_ms = 600000;
    else
        c->auth.shared_client_ids = true; /* each session can be ended by anybody */
}

static void parties_make_broker(struct parties *p)
{
    static const struct broker_random fixed = {.hash_key = 42, .message_node = 1};
    char err[256];
    p->core.broker = broker_new_core(&p->core.config, &fixed, true, err, sizeof(err));
    if (p->core.broker == NULL)
        fprintf(stderr, "%s\n", err);
    DEMAND(p->core.broker != NULL);
}

static void parties_begin(struct parties *p, const uint8_t *data, size_t size)
{
    static const uint64_t looks_ns[] = {0, 0, 100 * 1000, 5000 * 1000};
    static uint8_t *out_space[PARTIES]; /* kept from input to input */
    struct config_error error;
    log_init("fuzz", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    p->in = (struct input){data, size};
    uint8_t options = next_byte(&p->in);
    fuzz_clock_set(looks_ns[options & 3]);
    p->split = 0;
    memset(p->sessions, 0, sizeof(p->sessions));
    for (int i = 0; i < PARTIES; i++) {
        if (out_space[i] == NULL && (out_space[i] = malloc(OUT_SIZE)) == NULL)
            abort();
        p->party[i].out = out_space[i];
        p->party[i].link = NULL;
        p->party[i].next_id = 0;
    }
    memset(&p->core, 0, sizeof(p->core));
    DEMAND(broker_config_default(&p->core.config, &error));
    parties_config(p, (options & 4) != 0);
}

/* All steps, and the ends of all connections. */
static void parties_run(struct parties *p)
{
    watch_everything(p);
    while (p->in.left > 0)
        step(p);
    if (p->all_is_well != NULL)
        p->all_is_well();
    for (int i = 0; i < PARTIES; i++)
        if (p->party[i].link != NULL)
            close_party(p, &p->party[i]);
    core_give_end(p->watcher);
    await_freed(p, p->watcher);
    core_client_free(p->watcher);
    p->watcher = NULL;
}

static void parties_end(struct parties *p)
{
    p->core.config.auth.methods = (struct config_strings){0}; /* literals */
    core_fini(&p->core);
    account_set(ACCOUNT_STORE, 0); /* as the store said in the last turn that it had */
    if (account.total != 0)
        tell_account();
    DEMAND(account.total == 0);
}

#endif
