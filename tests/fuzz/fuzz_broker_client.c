/*
 * Fuzzes the broker's core as its clients see it: two connections under the input's control, one
 * that watches everything, the memory store, no sockets.
 *
 * Input: a list of steps, each a byte (bit 0: which connection, the rest: what), an argument byte
 * and, for STEP_BYTES, that many bytes as the client sends them. A turn of the broker follows each.
 * Demanded: what the broker writes is whole, valid MQTT, in order; what waits for a connection that
 *        doesn't read stays within its bound; once all connections and sessions have ended nothing
 *        is left (LeakSanitizer looks after memory).
 */
#include <stdio.h>

#include "broker/delivery/deliver.h"
#include "tests/unit/broker/core_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PARTIES = 2, OUT_SIZE = 16 << 20, LIMIT_OUTPUT = 64 * 1024 };
enum { STEP_BYTES, STEP_PRESET, STEP_ROOM, STEP_END, STEP_COUNT };

struct party {
    struct core_client *link; /* NULL: not connected */
    enum mqtt_version version;
};

struct input {
    const uint8_t *at;
    size_t left;
};

static uint8_t *out_space[PARTIES]; /* kept from input to input */

static uint8_t next_byte(struct input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->at++;
}

/* ---- what the broker wrote ------------------------------------------------------------------- */

/* Takes whole packets off the start of what was captured. */
static void check_output(struct party *p)
{
    struct core_client *c = p->link;
    size_t at = 0;
    size_t packet_size;
    struct mqtt_packet packet;
    struct mqtt_decode_error err = {0};
    struct mqtt_decode_opts opts = {.version = p->version, .from_server = true};
    while (at < c->out_len) {
        enum decode_result r =
            mqtt_decode(c->out + at, c->out_len - at, &opts, &packet, &packet_size, &err);
        if (r == DECODE_MALFORMED && at == 0 && opts.version == MQTT_V311) {
            opts.version = MQTT_V5; /* ended in the turn that read its CONNECT */
            continue;
        }
        if (r == DECODE_NEED_MORE)
            break;
        if (r == DECODE_MALFORMED)
            fprintf(stderr, "the broker wrote: %s\n", err.text);
        core_must(r == DECODE_OK);
        at += packet_size;
    }
    memmove(c->out, c->out + at, c->out_len - at);
    c->out_len -= at;
}

static void turn(struct core *core, struct party parties[PARTIES])
{
    turn_pass(core->broker);
    for (int i = 0; i < PARTIES; i++) {
        struct party *p = &parties[i];
        if (p->link == NULL)
            continue;
        if (!p->link->freed) {
            core_must(p->link->client->output.pending <=
                      LIMIT_OUTPUT + OUTPUT_HIGH + core->config.limits.max_packet_size);
            if (p->link->client->version != MQTT_UNKNOWN)
                p->version = (enum mqtt_version)p->link->client->version;
        }
        check_output(p);
    }
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void open_party(struct core *core, struct party *p, int which)
{
    p->link = core_connect(core);
    p->link->out = out_space[which];
    p->link->out_size = OUT_SIZE;
    p->version = MQTT_V311;
}

static void close_party(struct core *core, struct party parties[PARTIES], struct party *p)
{
    core_give_end(p->link);
    for (int i = 0; i < 3 && !p->link->freed; i++)
        turn(core, parties);
    core_must(p->link->freed || p->link->client->pause != 0 ||
              p->link->client->state == CLIENT_ANSWERING);
    if (!p->link->freed)
        client_close(p->link->client, END_EOF);
    p->link->out = NULL; /* out_space */
    core_client_free(p->link);
    p->link = NULL;
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
    PRESET("\x10\x0d\0\4MQTT\4\2\0\0\0\1a"),                      /* CONNECT, clean */
    PRESET("\x10\x0d\0\4MQTT\4\0\0\0\0\1a"),                      /* durable */
    PRESET("\x10\x13\0\4MQTT\4\x2c\0\1\0\1b\0\1w\0\1x"),          /* durable, with a will */
    PRESET("\x10\x0c\0\4MQTT\4\2\0\0\0\0"),                       /* no client id */
    PRESET("\x10\x0e\0\4MQTT\5\2\0\0\0\0\1a"),                    /* 5.0 */
    PRESET("\x10\x13\0\4MQTT\5\0\0\0\5\x11\0\0\0\x60\0\1a"),      /* 5.0, durable */
    PRESET("\x82\x0a\0\1\0\1#\2\0\1a\1"),                         /* SUBSCRIBE # and a */
    PRESET("\x82\x08\0\2\0\3+/b\1"),                              /* SUBSCRIBE +/b */
    PRESET("\xa2\x05\0\3\0\1#"),                                  /* UNSUBSCRIBE # */
    PRESET("\x30\x04\0\1ax"),                                     /* PUBLISH at QoS 0 */
    PRESET("\x33\x08\0\3a/b\0\1x"),                               /* 1, retained */
    PRESET("\x34\x06\0\1a\0\2x"),                                 /* 2 */
    PRESET("\x62\2\0\2"),                                         /* PUBREL */
    PRESET("\x31\x05\0\3a/b"),                                    /* clears the retained one */
    PRESET("\x40\2\0\1\x40\2\0\2\x40\2\0\3"),                     /* PUBACK 1, 2, 3 */
    PRESET("\x50\2\0\1\x70\2\0\1\x50\2\0\2\x70\2\0\2\x50\2\0\3"), /* PUBREC, PUBCOMP */
    PRESET("\xc0\0"),                                             /* PINGREQ */
    PRESET("\xe0\0"),                                             /* DISCONNECT */
    /* 5.0: CONNECT with receive maximum 1, topic alias maximum 2, packet size 40 */
    PRESET("\x10\x19\0\4MQTT\5\2\0\0\x0b\x21\0\1\x22\0\2\x27\0\0\0\x28\0\1a"),
    PRESET("\x82\x07\0\1\0\0\1#\2"),          /* SUBSCRIBE # */
    PRESET("\x30\x08\0\1a\3\x23\0\1x"),       /* PUBLISH that sets alias 1 */
    PRESET("\x30\x07\0\0\3\x23\0\1x"),        /* and by it */
    PRESET("\x32\x0c\0\1a\0\1\5\2\0\0\0\1x"), /* QoS 1, expires after a second */
    PRESET("\x34\x09\0\1a\0\2\2\1\1x"),       /* QoS 2, payload format */
    PRESET("\x50\3\0\1\x97\x40\3\0\2\x97"),   /* PUBREC, PUBACK: quota exceeded */
    PRESET("\xe0\1\4"),                       /* DISCONNECT with will */
    PRESET("\xe0\7\0\5\x11\0\0\0\1"),         /* and another session expiry */
#undef PRESET
};
enum { PRESETS = sizeof(presets) / sizeof(presets[0]) };

static void give(struct party *p, const void *bytes, size_t len)
{
    if (p->link->in_len == 0) /* a paused client hasn't read the last ones yet */
        core_give(p->link, bytes, len);
}

static void step(struct core *core, struct party parties[PARTIES], struct input *in)
{
    uint8_t what = next_byte(in);
    uint8_t argument = next_byte(in);
    int which = what & 1;
    struct party *p = &parties[which];
    if (p->link == NULL)
        open_party(core, p, which);
    switch ((what >> 1) % STEP_COUNT) {
    case STEP_BYTES: {
        size_t n = argument < in->left ? argument : in->left;
        give(p, in->at, n);
        in->at += n;
        in->left -= n;
        break;
    }
    case STEP_PRESET:
        give(p, presets[argument % PRESETS].bytes, presets[argument % PRESETS].len);
        break;
    case STEP_ROOM:
        core_take(p->link, argument == 255 ? SIZE_MAX : (size_t)argument * 4);
        break;
    case STEP_END:
        close_party(core, parties, p);
        return;
    }
    turn(core, parties);
    if (p->link->freed)
        close_party(core, parties, p);
}

/* ---- before and after ------------------------------------------------------------------------ */

/* It subscribes at QoS 2 and never acknowledges, so that its window fills and its queue overflows.
 */
static struct core_client *watch_everything(struct core *core)
{
    static const char hello[] = "\x10\x13\0\4MQTT\4\2\0\0\0\7watcher\x82\x06\0\1\0\1#\2";
    struct core_client *watcher = core_connect(core);
    core_give(watcher, hello, sizeof(hello) - 1);
    core_settle(core);
    core_must(!watcher->freed && router_subscription_count(core->broker->router) == 1);
    return watcher;
}

static void note_session(void *arg, struct session *s)
{
    struct session **first = arg;
    *first = s;
}

/* Durable sessions stay: each is ended by a connection that asks for a clean one. */
static void end_sessions(struct core *core)
{
    while (session_table_count(core->broker->sessions) > 0) {
        struct session *s = NULL;
        uint8_t bytes[2048];
        session_table_each(core->broker->sessions, note_session, &s);
        core_must(s != NULL && s->durable && s->client == NULL);
        struct mqtt_packet connect = {
            .type = MQTT_CONNECT,
            .u.connect = {
                .version = MQTT_V311, .level = 4, .clean_start = true, .client_id = session_id(s)}};
        size_t len = mqtt_encode(&connect, MQTT_V311, bytes, sizeof(bytes));
        struct core_client *c = core_connect(core);
        core_must(len > 0);
        core_give(c, bytes, len);
        core_turn(core);
        core_give_end(c);
        core_settle(core);
        core_client_free(c);
    }
}

static void check_nothing_is_left(const struct core *core)
{
    const struct broker *b = core->broker;
    core_must(b->client_count == 0 && b->clients == NULL && b->stats.online == 0);
    core_must(b->chunks.pending == 0);
    core_must(router_subscription_count(b->router) == 0);
    core_must(b->paused_for_store == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct core core;
    struct party parties[PARTIES] = {{0}};
    struct input in = {data, size};
    for (int i = 0; i < PARTIES; i++)
        if (out_space[i] == NULL && (out_space[i] = malloc(OUT_SIZE)) == NULL)
            abort();
    core_init(&core);
    core.config.limits.max_output = LIMIT_OUTPUT;
    core.config.limits.max_packet_size = 64 * 1024;
    core.config.limits.max_inflight = 3;
    core.config.limits.max_queued_messages = 20;
    core.config.limits.max_topic_levels = 8;
    core.config.limits.max_subscriptions = 5;
    struct core_client *watcher = watch_everything(&core);

    while (in.left > 0)
        step(&core, parties, &in);

    for (int i = 0; i < PARTIES; i++)
        if (parties[i].link != NULL)
            close_party(&core, parties, &parties[i]);
    core_give_end(watcher);
    core_settle(&core);
    core_client_free(watcher);
    end_sessions(&core);
    check_nothing_is_left(&core);
    core_fini(&core);
    return 0;
}
