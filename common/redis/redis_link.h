/*
 * redis_link - one ordered connection to a Redis server that comes back by itself.
 *
 * Data flow: callers put commands into redis_link_queue(); redis_link_input (first in a turn of the
 *            loop) reads until EAGAIN and hands out replies; redis_link_flush (last in a turn)
 *            writes once. libevent's callbacks only wake the loop. So everything the owner is told
 *            happens inside redis_link_input.
 *
 *     waiting ◄──── from each state below: refused, lost, timed out, left by the owner
 *        │ the wait is over
 *        ▼
 *     resolving
 *        │ an address is known
 *        ▼
 *     connecting ──┐ the socket can be written, and there is no TLS
 *        │         │
 *        ▼         │
 *     securing     │
 *        │ the handshake is done
 *        ▼         │
 *     greeting ◄───┘
 *        │ all is answered, and `greeted` says yes
 *        ▼
 *     entering ──┐ all is answered: `enter` is called again
 *        │  ▲────┘
 *        │ `enter` asked nothing
 *        ▼
 *        up              and from each state to closed: redis_link_free
 *
 *     state       ends at the latest after                  is read     is written
 *     waiting     the wait (backoff.h)                      nothing     nothing
 *     resolving   connect_timeout_ms, in which a            nothing     nothing
 *     connecting    connection gets from here               nothing     nothing
 *     securing      to entering                             TLS         TLS
 *     greeting                                              answers     the greeting
 *     entering    command_timeout_ms, each time             answers     what `enter` asked
 *     up          command_timeout_ms without any reply,     replies,    commands, those without
 *                   while one is awaited                    messages    an answer first
 *     closed      redis_link_free                           nothing     nothing
 *
 *     Commands may be put into the queue in each state. redis_link_hold stops reading and writing in
 *     the state up; in the others it is noted and takes effect there. redis_link_reconnect, _reset
 *     and _leave close the connection from connecting on; redis_link_hurry ends waiting.
 *
 * Greeting:  AUTH, SELECT, INFO, SCRIPT LOAD of every script; then the owner's `greeted` decides,
 *            `enter` may ask more, and what was never answered is replayed in the same order. So
 *            each write must be idempotent.
 * Errors:    a lost connection, a command without answer for command_timeout_ms, and replies that
 *            say "not now" (redis_verdict.h) lead to a reconnect with jittered backoff
 *            (backoff.h). Other error replies go to the command's function. Answers that lie unread
 *            on a connection that the server has closed, when this process slept, count as lost:
 *            what they say may be over.
 * Bound:     a command that times out three times in a row, alone on its connection, is one that
 *            the server can't do in time: it is given up (its function gets NULL, and `given_up` is
 *            called) instead of being written again for ever.
 * hiredis:   its parser (redisReader) on a stream of our own: 0.14's async context copies each
 *            command twice, has no timeouts, resolves names blocking, and forgets what was
 *            unanswered.
 */
#ifndef FLOTILLA_COMMON_REDIS_REDIS_LINK_H
#define FLOTILLA_COMMON_REDIS_REDIS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/redis/redis_link_config.h"
#include "common/redis/redis_queue.h"

struct event_base;
struct redisReply;
struct timebox;

struct redis_link *redis_link_new(struct event_base *base, const struct redis_link_config *cfg);
/* Tells every pending command NULL. */
void redis_link_free(struct redis_link *l);

struct redis_queue *redis_link_queue(struct redis_link *l);
/* For `enter`. */
struct redis_queue *redis_link_greeting(struct redis_link *l);

/* Hands out replies until the box (NULL: none) is over, one at least; those left come first next
 * time, and wake the loop for it. */
void redis_link_input(struct redis_link *l, uint64_t now_ms, struct timebox *box);
/* In a reply's or a message's function: the reply is the caller's from now on (freeReplyObject), so
 * that it can be worked through in several turns. */
struct redisReply *redis_link_keep_reply(struct redis_link *l);
/* While paused, no reply is handed out: the owner isn't done with an earlier one. */
void redis_link_pause(struct redis_link *l, bool paused);
void redis_link_flush(struct redis_link *l, uint64_t now_ms);

/* While held, nothing but greetings is written, and replies stay unread. The owner's wish outlives
 * connections. */
void redis_link_hold(struct redis_link *l, bool held);
/* Closes the connection and connects anew at once; pending commands are replayed. */
void redis_link_reconnect(struct redis_link *l, const char *why);
/* Ends a pause before the next try. */
void redis_link_hurry(struct redis_link *l);
/* The same as redis_link_reconnect, forgetting all pending commands (each is told NULL). */
void redis_link_reset(struct redis_link *l, const char *why);
/* The first half of that: closes the connection. An owner with more pending commands than it may
 * complete in one turn then calls redis_queue_give_up as often as it has time, before the next
 * input or flush. */
size_t redis_link_leave(struct redis_link *l, const char *why);

bool redis_link_is_up(const struct redis_link *l);
enum redis_link_state redis_link_state(const struct redis_link *l);

#endif
