/*
 * redis_queue - the commands of one ordered Redis connection, kept until they are answered.
 *
 * Data flow: redis_link's callers build commands here; the link writes what isn't written yet and
 *            hands each reply to the oldest command. After a reconnect it rewinds, so that what was
 *            never answered is written again in the same order.
 *
 *                 start           written          end
 *      free again | not answered  | not written    | room
 *
 * Ownership: embedded; the byte buffer and the ring of pending commands are its own.
 * Errors:    out of memory: the command being built is dropped, and its function gets NULL at the
 *            next redis_queue_settle.
 * Bound:     none of its own; callers look at redis_queue_bytes and stop.
 */
#ifndef FLOTILLA_COMMON_REDIS_REDIS_QUEUE_H
#define FLOTILLA_COMMON_REDIS_REDIS_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redisReply;

/* The answer to one command; NULL when there won't be one (the link was reset, or the command isn't
 * to be repeated and its connection was lost). The reply lives for the call. Called exactly once.
 */
typedef void redis_reply_fn(void *arg, const struct redisReply *reply);

enum redis_command_flags {
    REDIS_REPLAY = 0,   /* written again after a reconnect, until answered */
    REDIS_VOLATILE = 1, /* not repeated once it was (partly) written */
    REDIS_SILENT = 2,   /* has no answer and isn't repeated: see redis_queue_begin_silent */
};

struct redis_pending {
    redis_reply_fn *fn; /* NULL: nobody asks */
    void *arg;
    uint32_t bytes;
    uint8_t flags;
    uint8_t timeouts; /* in a row, while it alone was under way */
};

struct redis_queue {
    char *bytes;
    size_t size, start, written, end;
    struct redis_pending *ring; /* ring_size is a power of two */
    size_t ring_size, head, count;
    size_t silent;   /* how many of them have no answer */
    size_t careful;  /* so many of the oldest are written one at a time */
    bool may_skip;   /* the server lets us say CLIENT REPLY SKIP */
    size_t building; /* where the command being built begins */
    bool failed;     /* out of memory while building it */
    struct redis_pending lost[8];
    size_t lost_count;
};

void redis_queue_fini(struct redis_queue *q); /* doesn't call any function: reset first */

/* A command is redis_queue_begin, then exactly `argc` arguments, then redis_queue_end. */
void redis_queue_begin(struct redis_queue *q, size_t argc);
void redis_queue_arg(struct redis_queue *q, const void *data, size_t len);
void redis_queue_str(struct redis_queue *q, const char *text);
void redis_queue_u64(struct redis_queue *q, uint64_t n);
/* An argument put together from two parts. */
void redis_queue_arg2(struct redis_queue *q, const void *a, size_t a_len, const void *b,
                      size_t b_len);
/* Room for an argument of `len` bytes, to be filled before the next call; NULL: out of memory. */
char *redis_queue_room(struct redis_queue *q, size_t len);
/* Begins a command whose answer isn't needed: the server is asked to send none, which saves both
 * sides the writing, the reading and the wake-up, and lets the server serve others first. The
 * command is finished when it is written. Returns the flags to end it with, without a function: it
 * is an ordinary volatile command where the server doesn't allow that. Now and then one should be
 * answered, so that silence means something. */
enum redis_command_flags redis_queue_begin_silent(struct redis_queue *q, size_t argc);
void redis_queue_end(struct redis_queue *q, enum redis_command_flags flags, redis_reply_fn *fn,
                     void *arg);

/* What is to be written now. */
static inline const char *redis_queue_unwritten(const struct redis_queue *q, size_t *len)
{
    size_t end = q->end;
    if (q->careful > 0 && q->count > 0)
        end = q->start + q->ring[q->head].bytes;
    *len = end > q->written ? end - q->written : 0;
    return *len > 0 ? q->bytes + q->written : "";
}
/* True when a silent command is done with that way. */
bool redis_queue_wrote(struct redis_queue *q, size_t len);

/* Gives the reply to the oldest command. False: there is none that was written. */
bool redis_queue_answer(struct redis_queue *q, const struct redisReply *reply);
/* Connection lost: everything unanswered is to be written again, but the silent ones and the
 * volatile ones that were begun, whose functions get NULL. */
void redis_queue_rewind(struct redis_queue *q);
/* The server was silent for too long, and redis_queue_rewind follows. Which of the commands under
 * way it is busy with isn't known (answers to quick ones wait for a slow one behind them), so they
 * are written one at a time from then on; one that is alone and times out is what the server is busy
 * with. True when that was so for the `most`-th time in a row: it should be given up. */
bool redis_queue_timed_out(struct redis_queue *q, unsigned most);
/* Forgets the oldest command, whose function gets NULL. After redis_queue_rewind only. */
void redis_queue_give_up(struct redis_queue *q);
/* The oldest command as it is written: for a log line. */
static inline const char *redis_queue_oldest(const struct redis_queue *q, size_t *len)
{
    *len = q->count > 0 ? q->ring[q->head].bytes : 0;
    return *len > 0 ? q->bytes + q->start : "";
}
/* Forgets everything; all functions get NULL, in order. */
void redis_queue_reset(struct redis_queue *q);
/* Tells commands that were lost for want of memory. */
void redis_queue_settle(struct redis_queue *q);

/* A command's arguments as they stand in the buffer. */
struct redis_args {
    char *at, *end;
};
/* The next one, NULL at the end. It may be changed, not its length. */
char *redis_args_next(struct redis_args *a, size_t *len);
/* Calls for each command whose reply `fn` gets, in order, with that function's argument. What is
 * changed takes effect when the command is written (again). */
typedef void redis_each_fn(void *each_arg, void *arg, struct redis_args args);
void redis_queue_each(struct redis_queue *q, redis_reply_fn *fn, redis_each_fn *each,
                      void *each_arg);

static inline size_t redis_queue_bytes(const struct redis_queue *q)
{
    return q->end - q->start;
}
/* Answers that are still to come. */
static inline size_t redis_queue_answers(const struct redis_queue *q)
{
    return q->count - q->silent;
}
/* Commands that were written whole or in part and aren't done with. */
bool redis_queue_awaits(const struct redis_queue *q);

#endif
