/*
 * core_bed - a core (core_fixture.h) whose clients speak MQTT; what is left of them is cleared up behind each test.
 *
 *     cmocka_unit_test_setup_teardown(test, bed_set_up, bed_tear_down)
 *
 *     struct core_bed *b = *state;
 *     struct core_client *c = bed_join(b, "c", true);
 *     bed_subscribe(b, c, "a/#", 1);
 *     bed_publish(b, c, "a/b", 1, false);
 *     assert_true(bed_find(c, MQTT_PUBLISH, &p));
 *
 * Each of these lets the broker settle. What a client is sent is kept until it is looked at by bed_next and its kin.
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_CORE_BED_H
#define FLOTILLA_TESTS_UNIT_BROKER_CORE_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker/auth/auth.h"
#include "broker/loop/auth_recheck.h"
#include "tests/unit/broker/core_fixture.h"

enum { BED_CLIENTS = 64, BED_KEEPS = 1 << 20, BED_SENDS = 8192 };

struct core_bed {
    struct core core;
    struct bed_client {
        struct core_client *c;
        uint8_t sent[BED_SENDS]; /* what isn't read yet is in here */
    } clients[BED_CLIENTS];
    size_t count;
};

/* A file with this text is the configuration's; NULL: none. */
static inline void bed_file(char **path, const char *text)
{
    if (*path != NULL)
        unlink(*path);
    free(*path);
    *path = text != NULL ? strdup("/tmp/flotilla-test-XXXXXX") : NULL;
    if (text == NULL)
        return;
    int fd = mkstemp(*path);
    core_must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static inline int bed_set_up(void **state)
{
    struct core_bed *b = calloc(1, sizeof(*b));
    core_must(b != NULL);
    core_init(&b->core);
    *state = b;
    return 0;
}

static inline int bed_tear_down(void **state)
{
    struct core_bed *b = *state;
    for (size_t i = 0; i < b->count; i++)
        if (!b->clients[i].c->freed)
            client_close(b->clients[i].c->client, END_EOF);
    core_settle(&b->core);
    for (size_t i = 0; i < b->count; i++)
        core_client_free(b->clients[i].c);
    bed_file(&b->core.config.auth.password_file, NULL);
    bed_file(&b->core.config.auth.acl_file, NULL);
    core_fini(&b->core);
    free(b);
    return 0;
}

static inline struct broker *bed_broker(struct core_bed *b)
{
    return b->core.broker;
}

static inline struct mqtt_slice bed_text(const char *s)
{
    return (struct mqtt_slice){.data = (const uint8_t *)s, .len = (uint32_t)strlen(s)};
}

static inline bool bed_is_text(struct mqtt_slice s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

/* ---- who may do what --------------------------------------------------------------------------- */

/* From now on with these files; without users anyone is let in. Nobody is logging in. */
static inline void bed_use_auth(struct core_bed *b, const char *users, const char *acl)
{
    struct broker *broker = bed_broker(b);
    char err[256];
    auth_recheck_free(broker->recheck);
    auth_free(broker->auth);
    bed_file(&b->core.config.auth.password_file, users);
    bed_file(&b->core.config.auth.acl_file, acl);
    broker->auth = auth_new(broker->base, &b->core.config, users == NULL, 42, err, sizeof(err));
    if (broker->auth == NULL)
        fail_msg("%s", err);
    broker->recheck = auth_recheck_new(broker);
    core_must(broker->recheck != NULL);
}

/* The users "bob" and "eve", both with the password "builder". */
#define BED_HASH                                                                                   \
    "$7$101$Ptfbf+/UilUk4JMs$ydlQabaPjb0+npFzHtU/4PYdOTDjX3OlejCxbCIG2TmRlCxHF26LkMAV1PTuTy6Xz"    \
    "ZNrXsaK6obQzf2tBrXizQ==\n"
#define BED_BOB "bob:" BED_HASH
#define BED_EVE "eve:" BED_HASH

/* Until a password is checked, by a thread, and what follows from it is done. */
static inline void bed_await_login(struct core_bed *b, const struct core_client *c)
{
    while (!c->freed && c->client->state == CLIENT_AUTHENTICATING) {
        event_base_loop(bed_broker(b)->base, EVLOOP_ONCE);
        core_settle(&b->core);
    }
}

/* ---- what clients send ------------------------------------------------------------------------ */

static inline enum mqtt_version bed_version(const struct core_client *c)
{
    return c->version != MQTT_UNKNOWN ? (enum mqtt_version)c->version : MQTT_V311;
}

/* A connection that hasn't said anything. */
static inline struct core_client *bed_connect(struct core_bed *b)
{
    core_must(b->count < BED_CLIENTS);
    struct core_client *c = b->clients[b->count++].c = core_connect(&b->core);
    core_capture(c, BED_KEEPS);
    return c;
}

/* Gives bytes behind those that aren't read yet. No turn. */
static inline void bed_give(struct core_bed *b, struct core_client *c, const void *bytes,
                            size_t len)
{
    struct bed_client *sender = b->clients;
    while (sender->c != c)
        sender++;
    core_must(c->in_len + len <= BED_SENDS);
    memmove(sender->sent, c->in_len > 0 ? c->in : sender->sent, c->in_len);
    memcpy(sender->sent + c->in_len, bytes, len);
    core_give(c, sender->sent, c->in_len + len);
}

static inline void bed_send(struct core_bed *b, struct core_client *c, const void *bytes,
                            size_t len)
{
    bed_give(b, c, bytes, len);
    core_settle(&b->core);
}
/* Bytes as a string literal. */
#define BED_SEND(b, c, literal) bed_send(b, c, literal, sizeof(literal) - 1)

static inline void bed_tell(struct core_bed *b, struct core_client *c, const struct mqtt_packet *p)
{
    uint8_t buf[BED_SENDS];
    size_t n = mqtt_encode(p, bed_version(c), buf, sizeof(buf));
    core_must(n > 0);
    bed_send(b, c, buf, n);
}

/* A CONNECT with these fields; version 3.1.1 if they have none. */
static inline struct core_client *bed_join_as(struct core_bed *b, const struct mqtt_connect *fields)
{
    struct core_client *c = bed_connect(b);
    struct mqtt_packet p = {.type = MQTT_CONNECT, .u.connect = *fields};
    if (p.u.connect.version == MQTT_UNKNOWN) {
        p.u.connect.version = MQTT_V311;
        p.u.connect.level = 4;
    }
    uint8_t buf[BED_SENDS];
    c->version = (uint8_t)p.u.connect.version;
    size_t n = mqtt_encode(&p, p.u.connect.version, buf, sizeof(buf));
    core_must(n > 0);
    bed_send(b, c, buf, n);
    return c;
}

static inline struct core_client *bed_join(struct core_bed *b, const char *id, bool clean)
{
    return bed_join_as(b, &(struct mqtt_connect){.clean_start = clean, .client_id = bed_text(id)});
}

/* The connection ends. */
static inline void bed_leave(struct core_bed *b, struct core_client *c)
{
    core_give_end(c);
    core_settle(&b->core);
}

/* SUBSCRIBE or UNSUBSCRIBE, packet id 7; filters to the first NULL. */
static inline void bed_filters(struct core_bed *b, struct core_client *c, enum mqtt_type type,
                               uint8_t qos, const char *const *filters)
{
    uint8_t list[BED_SENDS / 2];
    size_t used = 0;
    uint32_t count = 0;
    for (; filters[count] != NULL; count++) {
        struct mqtt_filter f = {.filter = bed_text(filters[count]), .qos = qos};
        core_must(mqtt_filters_put(list, sizeof(list), &used, type == MQTT_SUBSCRIBE, &f));
    }
    bed_tell(b, c,
             &(struct mqtt_packet){
                 .type = type,
                 .u.subscribe = {.packet_id = 7, .count = count, .list = {list, (uint32_t)used}}});
}

static inline void bed_subscribe(struct core_bed *b, struct core_client *c, const char *filter,
                                 uint8_t qos)
{
    bed_filters(b, c, MQTT_SUBSCRIBE, qos, (const char *const[]){filter, NULL});
}

static inline void bed_unsubscribe(struct core_bed *b, struct core_client *c, const char *filter)
{
    bed_filters(b, c, MQTT_UNSUBSCRIBE, 0, (const char *const[]){filter, NULL});
}

/* PUBLISH with payload "x"; with QoS its packet id is 1. */
static inline void bed_publish(struct core_bed *b, struct core_client *c, const char *topic,
                               uint8_t qos, bool retain)
{
    bed_tell(b, c,
             &(struct mqtt_packet){.type = MQTT_PUBLISH,
                                   .u.publish = {.topic = bed_text(topic),
                                                 .qos = qos,
                                                 .packet_id = qos > 0 ? 1 : 0,
                                                 .retain = retain,
                                                 .payload = bed_text("x")}});
}

/* PUBACK, PUBREC, PUBREL or PUBCOMP. */
static inline void bed_ack(struct core_bed *b, struct core_client *c, enum mqtt_type type,
                           uint16_t packet_id)
{
    uint8_t bytes[4];
    mqtt_encode_ack4(type, packet_id, bytes);
    bed_send(b, c, bytes, sizeof(bytes));
}

/* ---- what they are sent ----------------------------------------------------------------------- */

/* Takes the next packet, which is good until another one is taken; false: there is none. */
static inline bool bed_next(struct core_client *c, struct mqtt_packet *p)
{
    static uint8_t bytes[BED_KEEPS];
    struct mqtt_decode_opts opts = {.version = bed_version(c), .from_server = true};
    size_t size;
    if (c->out_len == 0 || mqtt_decode(c->out, c->out_len, &opts, p, &size, NULL) != DECODE_OK)
        return false;
    memcpy(bytes, c->out, size);
    core_must(mqtt_decode(bytes, size, &opts, p, &size, NULL) == DECODE_OK);
    memmove(c->out, c->out + size, c->out_len - size);
    c->out_len -= size;
    return true;
}

/* Takes packets up to one of this type. */
static inline bool bed_find(struct core_client *c, enum mqtt_type type, struct mqtt_packet *p)
{
    while (bed_next(c, p))
        if (p->type == type)
            return true;
    return false;
}

/* Takes all, and counts those of this type. */
static inline size_t bed_count(struct core_client *c, enum mqtt_type type)
{
    struct mqtt_packet p;
    size_t count = 0;
    while (bed_find(c, type, &p))
        count++;
    return count;
}

/* The next packet is such an acknowledgement. */
static inline bool bed_acked(struct core_client *c, enum mqtt_type type, uint16_t packet_id)
{
    struct mqtt_packet p;
    return bed_next(c, &p) && p.type == type && p.u.ack.packet_id == packet_id;
}

/* What a connection was told by its CONNACK; -1: nothing. */
static inline int bed_connack(struct core_client *c)
{
    struct mqtt_packet p;
    return bed_find(c, MQTT_CONNACK, &p) ? p.u.connack.code : -1;
}

/* The codes of a SUBACK, as text: one digit each, '-' for a refusal. */
static inline const char *bed_granted(struct core_client *c)
{
    static char text[256];
    struct mqtt_packet p;
    core_must(bed_find(c, MQTT_SUBACK, &p) && p.u.suback.codes.len < sizeof(text));
    for (uint32_t i = 0; i < p.u.suback.codes.len; i++) {
        uint8_t code = p.u.suback.codes.data[i];
        text[i] = code == MQTT_QOS_FAILURE ? '-' : (char)('0' + code);
    }
    text[p.u.suback.codes.len] = '\0';
    return text;
}

#define BED_TEST(name) cmocka_unit_test_setup_teardown(name, bed_set_up, bed_tear_down)

#endif
