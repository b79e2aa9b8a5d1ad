/*
 * mqtt_packet_table - tables of packets that are valid or have one stated fault, each for some
 * versions and senders, and what the codec must do with each of them.
 *
 * A test of one part of the decoder fills two tables and puts PACKET_TABLE_TESTS among its tests.
 * Valid packets are also cut at every byte, followed by others, encoded again, and changed at every
 * byte to every value. How a packet is written: mqtt_wire.h.
 */
#ifndef FLOTILLA_TESTS_UNIT_COMMON_MQTT_PACKET_TABLE_H
#define FLOTILLA_TESTS_UNIT_COMMON_MQTT_PACKET_TABLE_H

#include "common/mqtt/mqtt.h"
#include "tests/unit/common/mqtt_equal.h"
#include "tests/unit/common/mqtt_wire.h"

/* Versions as a set, since many packets are the same in all. */
enum { V31 = 1, V311 = 2, V3 = V31 | V311, V5 = 4, ANY = 7 };
/* Who sent it. */
enum { CLIENT = 1, SERVER = 2, EITHER = 3 };

enum { R_MAL = MQTT_R_MALFORMED_PACKET, R_PROTO = MQTT_R_PROTOCOL_ERROR };

/* ~ in front: valid, but not the form that the encoder chooses. */
struct valid_packet {
    unsigned versions, sender;
    const char *packet;
};

struct invalid_packet {
    unsigned versions, sender;
    unsigned reason;
    const char *packet;
};

struct packet_table {
    const struct valid_packet *valid;
    size_t valid_count;
    const struct invalid_packet *invalid;
    size_t invalid_count;
};

#define PACKET_TABLE(valid, invalid)                                                               \
    {                                                                                              \
        (valid), sizeof(valid) / sizeof((valid)[0]), (invalid),                                    \
            sizeof(invalid) / sizeof((invalid)[0])                                                 \
    }

static const struct {
    unsigned bit;
    enum mqtt_version version;
} versions[] = {{V31, MQTT_V31}, {V311, MQTT_V311}, {V5, MQTT_V5}};

/* Calls `check` for each version and sender of a row. */
struct row {
    const char *packet;
    struct mqtt_decode_opts opts;
    uint8_t *bytes;
    size_t len;
    bool canonical;
    unsigned reason;
};

static inline void each_variant(unsigned versions_of, unsigned sender, const char *packet,
                                unsigned reason, void (*check)(const struct row *row))
{
    struct row row = {.canonical = packet[0] != '~', .reason = reason};
    row.packet = packet + !row.canonical;
    row.bytes = wire_new(row.packet, &row.len);
    for (size_t v = 0; v < sizeof(versions) / sizeof(versions[0]); v++) {
        for (unsigned side = CLIENT; side <= SERVER; side++) {
            if ((versions_of & versions[v].bit) == 0 || (sender & side) == 0)
                continue;
            row.opts =
                (struct mqtt_decode_opts){versions[v].version, 0, .from_server = side == SERVER};
            check(&row);
        }
    }
    free(row.bytes);
}

static inline void each_valid(const struct packet_table *t, void (*check)(const struct row *row))
{
    for (size_t i = 0; i < t->valid_count; i++)
        each_variant(t->valid[i].versions, t->valid[i].sender, t->valid[i].packet, 0, check);
}

static inline void expect_ok(const struct row *row)
{
    struct mqtt_packet p;
    struct mqtt_decode_error err = {0};
    size_t size = 0;
    enum decode_result r = mqtt_decode(row->bytes, row->len, &row->opts, &p, &size, &err);
    if (r != DECODE_OK)
        fail_msg("%s (version %d): %d, %s", row->packet, row->opts.version, r,
                 err.text != NULL ? err.text : "");
    assert_int_equal(size, row->len);
    assert_int_equal(p.type, row->bytes[0] >> 4);
}

static inline void valid_packets_are_accepted(void **state)
{
    each_valid(*state, expect_ok);
}

static inline void expect_refused(const struct row *row)
{
    struct mqtt_packet p;
    struct mqtt_decode_error err = {0};
    size_t size;
    enum decode_result r = mqtt_decode(row->bytes, row->len, &row->opts, &p, &size, &err);
    if (r != DECODE_MALFORMED || err.reason != row->reason || err.text == NULL)
        fail_msg("%s (version %d, from %s): result %d, reason 0x%02x (%s), expected 0x%02x",
                 row->packet, row->opts.version, row->opts.from_server ? "server" : "client", r,
                 err.reason, err.text != NULL ? err.text : "no text", row->reason);
    assert_int_equal(mqtt_decode(row->bytes, row->len, &row->opts, &p, &size, NULL),
                     DECODE_MALFORMED);
}

static inline void faulty_packets_are_refused_with_their_reason(void **state)
{
    const struct packet_table *t = *state;
    for (size_t i = 0; i < t->invalid_count; i++)
        each_variant(t->invalid[i].versions, t->invalid[i].sender, t->invalid[i].packet,
                     t->invalid[i].reason, expect_refused);
}

/* Every beginning asks for more, and never for more than the packet has. */
static inline void expect_need_more(const struct row *row)
{
    for (size_t n = 0; n < row->len; n++) {
        uint8_t *part = malloc(n > 0 ? n : 1);
        assert_non_null(part);
        memcpy(part, row->bytes, n);
        struct mqtt_packet p;
        size_t size = 0;
        enum decode_result r = mqtt_decode(part, n, &row->opts, &p, &size, NULL);
        if (r != DECODE_NEED_MORE || size <= n || size > row->len)
            fail_msg("%s cut to %zu: result %d, size %zu", row->packet, n, r, size);
        free(part);
    }
}

static inline void cut_packets_need_more(void **state)
{
    each_valid(*state, expect_need_more);
}

/* What follows a packet is not looked at. */
static inline void expect_same_with_tail(const struct row *row)
{
    uint8_t *longer = malloc(row->len + 3);
    assert_non_null(longer);
    memcpy(longer, row->bytes, row->len);
    memset(longer + row->len, 0xff, 3);
    struct mqtt_packet p;
    size_t size = 0;
    assert_int_equal(mqtt_decode(longer, row->len + 3, &row->opts, &p, &size, NULL), DECODE_OK);
    assert_int_equal(size, row->len);
    free(longer);
}

static inline void a_packet_ends_where_its_length_says(void **state)
{
    each_valid(*state, expect_same_with_tail);
}

static inline void expect_encoded_again(const struct row *row)
{
    struct mqtt_packet p;
    struct mqtt_packet again;
    size_t size;
    assert_int_equal(mqtt_decode(row->bytes, row->len, &row->opts, &p, &size, NULL), DECODE_OK);

    size_t need = mqtt_encoded_size(&p, row->opts.version);
    uint8_t *buf = malloc(need > 0 ? need : 1);
    assert_non_null(buf);
    if (need == 0 || mqtt_encode(&p, row->opts.version, buf, need) != need)
        fail_msg("%s: not encoded", row->packet);
    assert_int_equal(mqtt_encode(&p, row->opts.version, buf, need - 1), 0);
    if (row->canonical && (need != row->len || memcmp(buf, row->bytes, need) != 0))
        fail_msg("%s (version %d): encoded differently", row->packet, row->opts.version);
    assert_int_equal(mqtt_decode(buf, need, &row->opts, &again, &size, NULL), DECODE_OK);
    assert_int_equal(size, need);
    if (!packets_equal(&p, &again, row->opts.version))
        fail_msg("%s: decoded differently after encoding", row->packet);
    free(buf);
}

static inline void encoding_what_was_decoded_gives_the_same_packet(void **state)
{
    each_valid(*state, expect_encoded_again);
}

/* Any byte changed to anything: some verdict, and what is accepted can be encoded. */
static inline void expect_survives_mutation(const struct row *row)
{
    uint8_t *bytes = malloc(row->len);
    uint8_t buf[1100];
    assert_non_null(bytes);
    for (size_t at = 0; at < row->len; at++) {
        for (unsigned value = 0; value < 256; value++) {
            memcpy(bytes, row->bytes, row->len);
            bytes[at] = (uint8_t)value;
            struct mqtt_packet p;
            size_t size;
            struct mqtt_decode_opts opts = row->opts;
            if (mqtt_decode(bytes, row->len, &opts, &p, &size, NULL) != DECODE_OK)
                continue;
            assert_in_range(size, 2, row->len);
            if (p.type == MQTT_CONNECT)
                opts.version = p.u.connect.version;
            if (opts.version != MQTT_UNKNOWN)
                assert_true(mqtt_encode(&p, opts.version, buf, sizeof(buf)) != 0);
        }
    }
    free(bytes);
}

static inline void mutated_packets_get_a_verdict(void **state)
{
    each_valid(*state, expect_survives_mutation);
}

/* `table` isn't changed, though cmocka hands it over as any state. */
#define PACKET_TABLE_TEST(test, table) cmocka_unit_test_prestate(test, (void *)(uintptr_t)(table))
#define PACKET_TABLE_TESTS(table)                                                                  \
    PACKET_TABLE_TEST(valid_packets_are_accepted, table),                                          \
        PACKET_TABLE_TEST(faulty_packets_are_refused_with_their_reason, table),                    \
        PACKET_TABLE_TEST(cut_packets_need_more, table),                                           \
        PACKET_TABLE_TEST(a_packet_ends_where_its_length_says, table),                             \
        PACKET_TABLE_TEST(encoding_what_was_decoded_gives_the_same_packet, table),                 \
        PACKET_TABLE_TEST(mutated_packets_get_a_verdict, table)

#endif
