/*
 * broker_steps - what the input has the parties do: a step is a byte (bit 0: which party, the rest: what) and an
 * argument byte; some take more bytes. Most packets are made from these few bytes, so that good ones are common.
 */
#ifndef FLOTILLA_TESTS_FUZZ_BROKER_STEPS_H
#define FLOTILLA_TESTS_FUZZ_BROKER_STEPS_H

#include "tests/fuzz/broker_party.h"

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
    const struct watcher *w = &party->watch;
    struct mqtt_ack a = {.packet_id = (uint16_t)(choice >> 4 & 7)};
    enum mqtt_type type = types[choice & 3];
    if ((choice & 4) == 0 && w->in_flight > 0) {
        const struct watcher_flight *f = &w->flight[(choice >> 4) % w->in_flight];
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
    struct watcher *w = &party->watch;
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

#endif
