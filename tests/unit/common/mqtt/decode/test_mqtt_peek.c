#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/mqtt/decode/mqtt_peek.h"

#define BYTES(text) text, sizeof(text) - 1

static const struct {
    const char *bytes;
    size_t len;
    enum mqtt_peek result;
    const char *id;
} cases[] = {
    {BYTES("\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03"
           "abc"),
     MQTT_PEEK_FOUND, "abc"},
    {BYTES("\x10\x11\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x03"
           "abc"),
     MQTT_PEEK_FOUND, "abc"},
    /* a bridge of 3.1.1; a level that only the broker may refuse */
    {BYTES("\x10\x0f\x00\x04MQTT\x84\x02\x00\x3c\x00\x03"
           "abc"),
     MQTT_PEEK_FOUND, "abc"},
    {BYTES("\x10\x0f\x00\x04MQTT\x09\x02\x00\x3c\x00\x03"
           "abc"),
     MQTT_PEEK_FOUND, "abc"},
    /* 5.0: properties stand before the id, none or some */
    {BYTES("\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03"
           "abc"),
     MQTT_PEEK_FOUND, "abc"},
    {BYTES("\x10\x15\x00\x04MQTT\x05\x02\x00\x3c\x05\x11\x00\x00\x00\x0a\x00\x03"
           "abc"),
     MQTT_PEEK_FOUND, "abc"},
    {BYTES("\x10\x15\x00\x04MQTT\x05\x02\x00\x3c\x05\x11\x00\x00"), MQTT_PEEK_MORE, NULL},
    /* a will of 200,000 bytes follows, and isn't waited for */
    {BYTES("\x10\xc0\x9a\x0c\x00\x04MQTT\x04\x06\x00\x3c\x00\x03"
           "abc\x00\x01t"),
     MQTT_PEEK_FOUND, "abc"},
    {BYTES("\x10\xc0\x9a\x0c\x00\x04MQTT\x04\x06\x00\x3c\x00\x03"
           "ab"),
     MQTT_PEEK_MORE, NULL},
    /* of a long id eight bytes are wanted here */
    {BYTES("\x10\x40\x00\x04MQTT\x04\x02\x00\x3c\x00\x20"
           "0123456789"),
     MQTT_PEEK_FOUND, "01234567"},
    /* an empty id, and an id that runs past its packet */
    {BYTES("\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"), MQTT_PEEK_NONE, NULL},
    {BYTES("\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x05"
           "abc"),
     MQTT_PEEK_NONE, NULL},
    {BYTES("\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x05"
           "abcde"),
     MQTT_PEEK_NONE, NULL},
    {BYTES("\x10\x05\x00\x04MQT"), MQTT_PEEK_NONE, NULL},
    {BYTES("\x10\x00"), MQTT_PEEK_NONE, NULL},
    /* properties that run past the packet; a length of five bytes */
    {BYTES("\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x7f\x00\x03"
           "abc"),
     MQTT_PEEK_NONE, NULL},
    {BYTES("\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\xff\xff\xff\xff\x01"
           "c"),
     MQTT_PEEK_NONE, NULL},
    {BYTES("\x10\xff\xff\xff\xff\x01"), MQTT_PEEK_NONE, NULL},
    /* not MQTT, at once */
    {BYTES("G"), MQTT_PEEK_NONE, NULL},
    {BYTES("\x30\x05\x00"), MQTT_PEEK_NONE, NULL},
    {BYTES("\x11\x0f"), MQTT_PEEK_NONE, NULL},
    {BYTES("\x10\x40\xff\xff"), MQTT_PEEK_NONE, NULL},
    {BYTES("\x10\x40\x00\x04MQXX\x04"), MQTT_PEEK_NONE, NULL},
    /* the beginnings */
    {BYTES(""), MQTT_PEEK_MORE, NULL},
    {BYTES("\x10"), MQTT_PEEK_MORE, NULL},
    {BYTES("\x10\x80"), MQTT_PEEK_MORE, NULL},
};

static void an_id_is_found_as_soon_as_it_is_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        /* exactly as long, so that the sanitizer sees a byte too many */
        uint8_t *bytes = malloc(cases[i].len + (cases[i].len == 0));
        struct mqtt_slice id = {0};
        assert_non_null(bytes);
        memcpy(bytes, cases[i].bytes, cases[i].len);
        enum mqtt_peek result = mqtt_peek_client_id(bytes, cases[i].len, 8, &id);
        if (result != cases[i].result)
            fail_msg("case %zu: %d", i, (int)result);
        if (result == MQTT_PEEK_FOUND) {
            assert_int_equal(id.len, strlen(cases[i].id));
            assert_memory_equal(id.data, cases[i].id, id.len);
        }
        free(bytes);
    }
}

/* Byte for byte: more is asked for until the id is whole, and then it is the same one. */
static void pieces_ask_for_more_until_the_id_is_whole(void **state)
{
    static const uint8_t bytes[] = "\x10\x1a\x00\x04MQTT\x05\x02\x00\x3c\x05\x11\x00\x00\x00\x0a"
                                   "\x00\x03"
                                   "abc\x00\x00\x00\x00\x00";
    (void)state;
    struct mqtt_slice id;
    for (size_t n = 0; n < 23; n++)
        assert_int_equal(mqtt_peek_client_id(bytes, n, 64, &id), MQTT_PEEK_MORE);
    for (size_t n = 23; n < sizeof(bytes) - 1; n++) {
        assert_int_equal(mqtt_peek_client_id(bytes, n, 64, &id), MQTT_PEEK_FOUND);
        assert_int_equal(id.len, 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_found_as_soon_as_it_is_there),
        cmocka_unit_test(pieces_ask_for_more_until_the_id_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
