/*
 * mqtt_wire - packets written so that a person can read them, for the codec's test tables.
 *
 * "10 [ <MQTT> 04 02 003c <a> ]": hex digits are bytes, [ ] (and, to tell apart, ( )) puts the
 * length of what is inside in front of it as a variable byte integer, <text> is a string with its
 * two byte length, 'text' is bare text. Spaces mean nothing.
 */
#ifndef FLOTILLA_TESTS_UNIT_COMMON_MQTT_WIRE_H
#define FLOTILLA_TESTS_UNIT_COMMON_MQTT_WIRE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

struct wire {
    uint8_t bytes[1024];
    size_t len;
};

static inline void wire_put(struct wire *w, uint8_t byte)
{
    assert_true(w->len < sizeof(w->bytes));
    w->bytes[w->len++] = byte;
}

static inline const char *wire_text(struct wire *w, const char *s, char end)
{
    for (; *s != end; s++)
        wire_put(w, (uint8_t)*s);
    return s + 1;
}

static inline const char *wire_string(struct wire *w, const char *s)
{
    const char *end = strchr(s, '>');
    wire_put(w, (uint8_t)((end - s) >> 8));
    wire_put(w, (uint8_t)(end - s));
    return wire_text(w, s, '>');
}

static inline const char *wire_hex(struct wire *w, const char *s)
{
    const char digits[3] = {s[0], s[1], 0};
    char *end;
    wire_put(w, (uint8_t)strtoul(digits, &end, 16));
    assert_true(*end == 0);
    return s + 2;
}

static inline const char *wire_parse(struct wire *w, const char *s);

static inline const char *wire_section(struct wire *w, const char *s)
{
    struct wire inner = {.len = 0};
    s = wire_parse(&inner, s);
    size_t n = inner.len;
    for (; n >= 0x80; n >>= 7)
        wire_put(w, (uint8_t)(n | 0x80));
    wire_put(w, (uint8_t)n);
    for (size_t i = 0; i < inner.len; i++)
        wire_put(w, inner.bytes[i]);
    return s;
}

static inline const char *wire_parse(struct wire *w, const char *s)
{
    while (*s != 0) {
        if (*s == ']' || *s == ')')
            return s + 1;
        if (*s == ' ')
            s++;
        else if (*s == '[' || *s == '(')
            s = wire_section(w, s + 1);
        else if (*s == '<')
            s = wire_string(w, s + 1);
        else if (*s == '\'')
            s = wire_text(w, s + 1, '\'');
        else
            s = wire_hex(w, s);
    }
    return s;
}

/* The bytes in memory of exactly their size, so that the sanitizer sees a read too far. */
static inline uint8_t *wire_new(const char *text, size_t *len)
{
    struct wire w = {.len = 0};
    wire_parse(&w, text);
    uint8_t *bytes = malloc(w.len > 0 ? w.len : 1);
    assert_non_null(bytes);
    memcpy(bytes, w.bytes, w.len);
    *len = w.len;
    return bytes;
}

#endif
