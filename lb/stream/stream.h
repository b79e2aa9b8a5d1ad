/*
 * stream - one side of a flow: a socket with the way its bytes are read and written.
 *
 * Kinds:     plain TCP here; TLS in stream_tls.h (OpenSSL) and, for TLS 1.3 after the handshake,
 *            stream_record.h. More fit in behind the same operations.
 * Data flow: the poller's events become flags (stream_ready). Reading and writing use the flags up,
 *            so that a socket known to be drained or full isn't asked again: one recv and one send
 *            per burst. Edge-triggering depends on it: a flag is cleared only on evidence.
 * Evidence:  a read that got less than it asked for drained the socket, unless the peer has hung
 *            up: then the edge for what follows was reported already, and reading goes on to the
 *            end.
 * Ownership: stream_close closes the descriptor (out of the poller first) and frees the state.
 * Errors:    a failed read ends and breaks a stream, a failed write breaks it. Nothing is reported
 *            twice; whoever relays looks at `ended`, `broken` and `aborted`.
 */
#ifndef FLOTILLA_LB_STREAM_STREAM_H
#define FLOTILLA_LB_STREAM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct poller;
struct stream;

#define STREAM_AGAIN (-1)

struct stream_ops {
    /* Bytes read; 0: it has ended (and is `broken` too after an error); STREAM_AGAIN: nothing now.
     * Still `readable` after STREAM_AGAIN: there is more, but it has been this one's turn for long
     * enough. */
    ssize_t (*read)(struct stream *s, void *buf, size_t len);
    /* Bytes taken, may be less than `len`; `broken` after an error. */
    size_t (*write)(struct stream *s, const void *buf, size_t len);
    /* Sends what is kept while `unsent` is set (kinds that never set it have none). True: nothing
     * is kept any more, or the stream is broken. */
    bool (*flush)(struct stream *s);
    /* Tells the peer that nothing follows. False: call again when writable. `closing`: stream_close
     * comes next, so what that says by itself needn't be said. */
    bool (*shutdown)(struct stream *s, bool closing);
    /* Frees `state`; the descriptor is closed by stream_close. */
    void (*free_state)(struct stream *s);
    bool is_plain; /* the descriptor carries the bytes as they are: splice(2) may be used */
};

struct stream {
    const struct stream_ops *ops;
    void *state; /* of the kind */
    int fd;      /* -1: closed */
    bool readable;
    bool writable;
    bool hangup;       /* the peer ended or reset: read to the end */
    bool reset;        /* the kernel reported an error, or both directions have ended */
    bool ended;        /* the end was read */
    bool broken;       /* writing is useless */
    bool aborted;      /* broken by the peer's reset, or by its silence: there was no orderly end */
    bool socket_more;  /* the socket may hold more than was read from it */
    bool socket_ended; /* nothing will ever be read from the socket again */
    bool wants_write;  /* TLS: reading goes on when the socket is writable */
    bool unsent;       /* bytes that were taken are still kept: flush before reading more for it */
    bool more_follows; /* set around a write: the end, or more, is sent right after it (MSG_MORE) */
    uint8_t turn_reads; /* TLS: reads of the socket left to the call that runs */
};

extern const struct stream_ops stream_plain_ops;

void stream_init_plain(struct stream *s, int fd);
/* Takes the poller's events. */
void stream_ready(struct stream *s, uint32_t events);
void stream_close(struct stream *s, struct poller *poller);
/* Closing will reset the connection: what the peer hasn't taken is dropped, and it is told so. */
void stream_abort(struct stream *s);

static inline ssize_t stream_read(struct stream *s, void *buf, size_t len)
{
    return s->ops->read(s, buf, len);
}
static inline size_t stream_write(struct stream *s, const void *buf, size_t len)
{
    return s->ops->write(s, buf, len);
}
static inline bool stream_flush(struct stream *s)
{
    return !s->unsent || s->ops->flush(s);
}
static inline bool stream_shutdown(struct stream *s, bool closing)
{
    return s->broken || s->ops->shutdown(s, closing);
}

/* For the kinds: recv, send and shutdown with the flags kept. Results as those of the operations;
 * reading sets socket_more and socket_ended, and leaves it to the kind what that means for it. */
ssize_t stream_socket_read(struct stream *s, void *buf, size_t len);
size_t stream_socket_write(struct stream *s, const void *buf, size_t len);
void stream_socket_shutdown(struct stream *s, bool closing);
/* What a write's error means for the stream. */
void stream_write_failed(struct stream *s, int err);

#endif
