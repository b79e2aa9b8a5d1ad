/*
 * said_stream - for tests: a stream that reads what the test has said, without a socket. It takes
 * nothing.
 */
#ifndef FLOTILLA_TESTS_UNIT_LB_STREAM_SAID_STREAM_H
#define FLOTILLA_TESTS_UNIT_LB_STREAM_SAID_STREAM_H

#include <string.h>

#include "lb/stream/stream.h"

struct said {
    const char *text;
    size_t len, at;
    size_t piece; /* bytes of a read at most; 0: as many as there is room for */
    bool ends;    /* after the text */
};

static inline ssize_t said_read(struct stream *s, void *buf, size_t len)
{
    struct said *said = s->state;
    size_t left = said->len - said->at;
    size_t n = left < len ? left : len;
    if (said->piece > 0 && n > said->piece)
        n = said->piece;
    memcpy(buf, said->text + said->at, n);
    said->at += n;
    if (n > 0)
        return (ssize_t)n;
    s->readable = false;
    s->ended = said->ends;
    return said->ends ? 0 : STREAM_AGAIN;
}

static const struct stream_ops said_ops = {.read = said_read};

static inline void said_init(struct stream *s, struct said *said, const char *text, size_t len)
{
    *said = (struct said){.text = text, .len = len};
    *s = (struct stream){.ops = &said_ops, .state = said, .fd = -1, .readable = true};
}

/* Says so much in addition; `text` begins with what was said before. */
static inline void said_more(struct stream *s, struct said *said, const char *text, size_t len)
{
    said->text = text;
    said->len = len;
    s->readable = true;
}

static inline void said_end(struct stream *s, struct said *said)
{
    said->ends = true;
    s->readable = true;
}

#endif
