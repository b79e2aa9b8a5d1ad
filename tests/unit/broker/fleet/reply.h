/*
 * reply - what Redis answers, written as a line of text. For inclusion by one test program.
 *
 *     [ ... ]  an array          'word  a string         %b  a string: const void *, size_t follow
 *     :5       an integer        !OOM   an error         nil
 *
 * Parts have a blank between them. A reply is valid until the next one is made.
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_FLEET_REPLY_H
#define FLOTILLA_TESTS_UNIT_BROKER_FLEET_REPLY_H

#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { REPLY_PARTS = 512, REPLY_TEXT = 1 << 16, REPLY_ELEMENTS = 256 };

struct reply_maker {
    const char *at;
    va_list args;
    redisReply parts[REPLY_PARTS];
    redisReply *elements[REPLY_PARTS];
    char text[REPLY_TEXT];
    size_t part_count, element_count, text_len;
};

static inline void reply_text(struct reply_maker *m, redisReply *r, int type, const void *data,
                              size_t len)
{
    assert_true(m->text_len + len + 1 <= REPLY_TEXT);
    r->type = type;
    r->str = m->text + m->text_len;
    r->len = len;
    if (len > 0)
        memcpy(r->str, data, len);
    r->str[len] = '\0';
    m->text_len += len + 1;
}

static inline redisReply *reply_part(struct reply_maker *m);

static inline void reply_array(struct reply_maker *m, redisReply *r)
{
    redisReply *found[REPLY_ELEMENTS];
    redisReply *part;
    r->type = REDIS_REPLY_ARRAY;
    while ((part = reply_part(m)) != NULL) {
        assert_true(r->elements < REPLY_ELEMENTS);
        found[r->elements++] = part;
    }
    assert_true(m->element_count + r->elements <= REPLY_PARTS);
    r->element = m->elements + m->element_count;
    memcpy(r->element, found, r->elements * sizeof(*found));
    m->element_count += r->elements;
}

/* NULL: the array ends. */
static inline redisReply *reply_part(struct reply_maker *m)
{
    redisReply *r = &m->parts[m->part_count++];
    assert_true(m->part_count <= REPLY_PARTS);
    m->at += strspn(m->at, " ");
    const char *word = m->at;
    size_t len = strcspn(word, " ");
    m->at += len;
    memset(r, 0, sizeof(*r));
    if (*word == ']' || *word == '\0') {
        return NULL;
    } else if (*word == '[') {
        reply_array(m, r);
    } else if (*word == ':') {
        r->type = REDIS_REPLY_INTEGER;
        r->integer = strtoll(word + 1, NULL, 10);
    } else if (*word == '!') {
        reply_text(m, r, REDIS_REPLY_ERROR, word + 1, len - 1);
    } else if (*word == '%') {
        const void *data = va_arg(m->args, const void *);
        reply_text(m, r, REDIS_REPLY_STRING, data, va_arg(m->args, size_t));
    } else if (*word == '\'') {
        reply_text(m, r, REDIS_REPLY_STRING, word + 1, len - 1);
    } else {
        assert_int_equal(strncmp(word, "nil", 3), 0);
        r->type = REDIS_REPLY_NIL;
    }
    return r;
}

static inline const redisReply *reply(const char *text, ...)
{
    static struct reply_maker m;
    m.at = text;
    m.part_count = m.element_count = m.text_len = 0;
    va_start(m.args, text);
    const redisReply *r = reply_part(&m);
    va_end(m.args);
    assert_non_null(r);
    return r;
}

#endif
