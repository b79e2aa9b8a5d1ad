/*
 * pace - when to let input gather for a moment before the next poll.
 *
 * A thousand devices that each say something now and then wake the broker once a message: going to
 * sleep and waking up then costs several times what the message does. If the broker rests for
 * PACE_REST_US after such a turn, several messages share one turn. That is only done where it helps
 * and hurts nobody: many messages a second, a few a turn, nearly all from clients that were silent
 * just before. A client that waits for an answer before it goes on (and so would wait for us) isn't
 * silent in between; a calm broker isn't woken often.
 *
 * Data flow: input.c notes reads, handle_publish.c whether a read brought a PUBLISH (an
 *            acknowledgement waits for nothing); turn.c notes turns and rests if told to.
 * Pure but for its counters: time is an argument. Embedded, zero-initialised.
 */
#ifndef FLOTILLA_BROKER_PACE_H
#define FLOTILLA_BROKER_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PACE_REST_US = 200,
    PACE_WINDOW_MS = 20,
    PACE_SILENT_MS = 10, /* a client silent for so long isn't in a hurry */
    PACE_READS_MIN = 80, /* in a window: 4,000 a second */
    PACE_READS_PER_TURN_MAX = 8,
};

struct pace {
    uint64_t window_ms; /* when the current window began */
    uint32_t turns;
    uint32_t reads, silent; /* with a PUBLISH; of them, from clients silent before */
    bool resting;           /* what the last window said */
    bool open, was_silent; /* the current read: no PUBLISH seen yet; its client was silent before */
};

static inline void pace_note_read(struct pace *p, uint64_t silent_for_ms)
{
    p->open = true;
    p->was_silent = silent_for_ms >= PACE_SILENT_MS;
}

static inline void pace_note_publish(struct pace *p)
{
    p->reads += p->open;
    p->silent += p->open && p->was_silent;
    p->open = false;
}

/* A turn is over. True: rest before the next one. */
bool pace_turn(struct pace *p, uint64_t now_ms);

#endif
