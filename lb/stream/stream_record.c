/*
 * One shared buffer serves both ways, since a call either reads or writes: `wire`
 * has the bytes of the socket's side, the caller's buffer those of the other.
 */
#include "lb/stream/stream_record.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "lb/stream/relay.h"
#include "lb/stream/stream_tls.h"
#include "lb/tls/tls_session.h"

#define READS_PER_CALL 8                /* of the socket, in a call that gets no data */
#define RECORDS_PER_TURN 1024           /* after so many in a call, other flows run */
#define WIRE_SIZE (RELAY_BUFFER + 8192) /* tls_session_wire(RELAY_BUFFER) and more */
#define PLAIN_SIZE ((size_t)2 * TLS_RECORD_MAX)

struct record_env {
    struct tls_crypt *crypt;
    uint8_t wire[WIRE_SIZE];
    uint8_t plain[PLAIN_SIZE];     /* for callers whose buffer may be smaller than a record */
    uint8_t spill[TLS_RECORD_MAX]; /* for a record whose padding may not fit behind its data */
};
_Static_assert(WIRE_SIZE >= RELAY_BUFFER + (RELAY_BUFFER / TLS_RECORD_CONTENT_MIN + 1) *
                                               (TLS_RECORD_OVERHEAD + TLS_UPDATE_WIRE),
               "a whole relay buffer can be sealed");

/* Bytes kept on the heap; NULL when there are none. */
struct tail {
    uint32_t off, len; /* what is kept is bytes + off .. + len */
    uint8_t bytes[];
};

struct stream_record {
    struct tls_session session;
    struct record_env *env;
    struct tail *wire;   /* the beginning of a record */
    struct tail *plain;  /* data that the caller had no room for */
    struct tail *unsent; /* sealed; s->unsent says so as well */
    bool end_due;        /* the end was read, and is told after `plain` */
    bool had_turn;       /* the next read ends the turn */
    bool notified;       /* close_notify was sealed */
};

struct record_env *record_env_new(void)
{
    struct record_env *env = malloc(sizeof(*env));
    if (env == NULL)
        return NULL;
    env->crypt = tls_crypt_new();
    if (env->crypt == NULL) {
        free(env);
        return NULL;
    }
    return env;
}

void record_env_free(struct record_env *env)
{
    if (env == NULL)
        return;
    tls_crypt_free(env->crypt);
    free(env);
}

/* Adds bytes behind what is kept. False: out of memory. */
static bool tail_add(struct tail **t, const uint8_t *data, size_t len)
{
    size_t kept = *t == NULL ? 0 : (*t)->len;
    if (len == 0)
        return true;
    struct tail *more = realloc(*t, sizeof(**t) + kept + len);
    if (more == NULL)
        return false;
    if (*t == NULL)
        more->off = 0;
    memcpy(more->bytes + kept, data, len);
    more->len = (uint32_t)(kept + len);
    *t = more;
    return true;
}

/* Takes up to `len` of the kept bytes; the memory goes with the last of them. */
static size_t tail_take(struct tail **t, uint8_t *out, size_t len)
{
    if (*t == NULL)
        return 0;
    size_t n = (*t)->len - (*t)->off;
    if (n > len)
        n = len;
    memcpy(out, (*t)->bytes + (*t)->off, n);
    (*t)->off += (uint32_t)n;
    if ((*t)->off == (*t)->len) {
        free(*t);
        *t = NULL;
    }
    return n;
}

static void fail(struct stream *s)
{
    s->readable = false;
    s->ended = s->broken = true;
}

/* ---- writing ---- */

static bool record_flush(struct stream *s)
{
    struct stream_record *r = s->state;
    struct tail *t = r->unsent;
    if (t == NULL || s->broken)
        return true;
    if (!s->writable)
        return false;
    t->off += (uint32_t)stream_socket_write(s, t->bytes + t->off, t->len - t->off);
    if (t->off < t->len)
        return s->broken;
    free(t);
    r->unsent = NULL;
    s->unsent = false;
    return true;
}

/* Sends sealed bytes, or keeps what can't be sent now. */
static void send_wire(struct stream *s, const uint8_t *wire, size_t len)
{
    struct stream_record *r = s->state;
    size_t n = 0;
    if (len == 0) { /* OpenSSL has failed */
        fail(s);
        return;
    }
    if (record_flush(s) && s->writable && !s->broken)
        n = stream_socket_write(s, wire, len);
    if (n == len || s->broken)
        return;
    if (tail_add(&r->unsent, wire + n, len - n))
        s->unsent = true;
    else
        fail(s); /* a gap would be worse than an end */
}

static size_t record_write(struct stream *s, const void *buf, size_t len)
{
    struct stream_record *r = s->state;
    const uint8_t *data = buf;
    size_t done = 0;
    while (done < len && s->writable && !s->broken && record_flush(s)) {
        size_t part = len - done < RELAY_BUFFER ? len - done : RELAY_BUFFER;
        send_wire(s, r->env->wire,
                  tls_session_seal(&r->session, r->env->crypt, data + done, part, r->env->wire));
        done += part;
    }
    return done;
}

static void send_alert(struct stream *s, uint8_t alert)
{
    struct stream_record *r = s->state;
    uint8_t wire[TLS_ALERT_WIRE];
    if (!s->broken && !r->notified)
        send_wire(s, wire, tls_session_seal_alert(&r->session, r->env->crypt, alert, wire));
}

static bool record_shutdown(struct stream *s, bool closing)
{
    struct stream_record *r = s->state;
    if (!r->notified) {
        s->more_follows = true; /* the FIN */
        send_alert(s, SSL_AD_CLOSE_NOTIFY);
        s->more_follows = false;
        r->notified = true;
    }
    if (!record_flush(s))
        return false;
    stream_socket_shutdown(s, closing);
    return true;
}

/* A peer that asked for new keys needn't wait for the next data. */
static void answer_update(struct stream *s)
{
    struct stream_record *r = s->state;
    uint8_t wire[TLS_UPDATE_WIRE];
    if (r->session.owes_update && s->writable && !s->unsent && !s->broken && !r->notified)
        send_wire(s, wire, tls_session_seal_update(&r->session, r->env->crypt, wire));
}

/* ---- reading ---- */

struct burst {
    uint8_t *out;
    size_t room;      /* in `out` */
    size_t got;       /* bytes of data in it */
    size_t have;      /* bytes of the socket in the shared buffer */
    unsigned records; /* opened */
};

/* Opens all whole records of the shared buffer; what is left moves to its beginning. */
static void open_records(struct stream *s, struct burst *b)
{
    struct stream_record *r = s->state;
    uint8_t *wire = r->env->wire;
    size_t at = 0;
    enum tls_session_verdict verdict = TLS_SESSION_OK;
    struct tls_opened opened;
    while (verdict == TLS_SESSION_OK) {
        uint8_t *out = b->out + b->got;
        bool spills = b->room - b->got < TLS_RECORD_MAX && b->room - b->got < b->have - at;
        verdict = tls_session_open(&r->session, r->env->crypt, wire + at, b->have - at,
                                   spills ? r->env->spill : out, &opened);
        if (verdict != TLS_SESSION_OK)
            break;
        if (spills)
            memcpy(out, r->env->spill, opened.data_len);
        at += opened.wire_len;
        b->got += opened.data_len;
        b->records++;
    }
    b->have -= at;
    switch (verdict) {
    case TLS_SESSION_OK:
    case TLS_SESSION_PARTIAL:
        if (at > 0)
            memmove(wire, wire + at, b->have);
        break;
    case TLS_SESSION_ENDED:
        s->ended = true;
        break;
    case TLS_SESSION_BAD:
        send_alert(s, opened.alert);
        fail(s);
        break;
    case TLS_SESSION_FAILED:
        fail(s);
        break;
    }
}

/* As many bytes of the socket as hold `len` bytes of data at most, whatever the records are: when
 * they are full ones, whole records. (With more records than full ones fit into `len`, what they
 * take beside their data is more than what is added here.) */
static size_t wire_limit(size_t len)
{
    size_t limit = len + len / TLS_RECORD_CONTENT_MAX * TLS_RECORD_OVERHEAD;
    return limit < WIRE_SIZE ? limit : WIRE_SIZE;
}

/* One burst into `out`, which has room for a whole record at least. */
static size_t read_burst(struct stream *s, uint8_t *out, size_t len)
{
    struct stream_record *r = s->state;
    struct burst b = {
        .out = out, .room = len, .have = tail_take(&r->wire, r->env->wire, WIRE_SIZE)};
    size_t limit = wire_limit(len);
    open_records(s, &b);
    for (unsigned reads = 0; b.got == 0 && !s->ended && s->socket_more; reads++) {
        if (reads == READS_PER_CALL || b.records > RECORDS_PER_TURN)
            break;
        ssize_t n = stream_socket_read(s, r->env->wire + b.have, limit - b.have);
        if (n <= 0)
            break;
        b.have += (size_t)n;
        open_records(s, &b);
    }
    if (s->socket_ended)
        s->ended = true;
    if (!s->ended && !tail_add(&r->wire, r->env->wire, b.have))
        fail(s);
    s->readable = !s->ended && s->socket_more;
    r->had_turn = b.got > 0 && b.records > RECORDS_PER_TURN;
    answer_update(s);
    return b.got;
}

/* Data that is kept because the caller had no room for it. */
static size_t read_kept(struct stream *s, void *buf, size_t len)
{
    struct stream_record *r = s->state;
    size_t n = tail_take(&r->plain, buf, len);
    if (r->plain == NULL) {
        s->ended = s->ended || r->end_due;
        s->readable = !s->ended && s->socket_more;
    }
    return n;
}

static size_t read_small(struct stream *s, void *buf, size_t len)
{
    struct stream_record *r = s->state;
    size_t n = read_burst(s, r->env->plain, PLAIN_SIZE);
    if (n <= len) {
        memcpy(buf, r->env->plain, n);
        return n;
    }
    memcpy(buf, r->env->plain, len);
    if (!tail_add(&r->plain, r->env->plain + len, n - len)) {
        fail(s);
        return len;
    }
    r->end_due = s->ended;
    s->ended = false;
    s->readable = true;
    return len;
}

static ssize_t record_read(struct stream *s, void *buf, size_t len)
{
    struct stream_record *r = s->state;
    size_t n = 0;
    if (r->plain != NULL)
        return (ssize_t)read_kept(s, buf, len);
    if (r->had_turn && s->readable)
        r->had_turn = false;
    else
        n = len < TLS_RECORD_MAX ? read_small(s, buf, len) : read_burst(s, buf, len);
    if (n > 0)
        return (ssize_t)n;
    return s->ended ? 0 : STREAM_AGAIN;
}

/* ---- life ---- */

static void record_free_state(struct stream *s)
{
    struct stream_record *r = s->state;
    tls_session_fini(&r->session);
    free(r->wire);
    free(r->plain);
    free(r->unsent);
    free(r);
    s->state = NULL;
    s->unsent = false;
}

const struct stream_ops stream_record_ops = {
    .read = record_read,
    .write = record_write,
    .flush = record_flush,
    .shutdown = record_shutdown,
    .free_state = record_free_state,
    .is_plain = false,
};

bool stream_record_take(struct stream *s, struct record_env *env)
{
    struct tls_agreement agreement;
    const uint8_t *ahead;
    size_t ahead_len;
    if (!stream_tls_agreement(s, &agreement, &ahead, &ahead_len))
        return false;
    bool taken = stream_record_take_agreed(s, env, &agreement, ahead, ahead_len);
    OPENSSL_cleanse(&agreement, sizeof(agreement));
    return taken;
}

bool stream_record_take_agreed(struct stream *s, struct record_env *env,
                               const struct tls_agreement *agreement, const uint8_t *ahead,
                               size_t ahead_len)
{
    struct stream_record *r = calloc(1, sizeof(*r));
    bool ok = r != NULL && tls_session_init(&r->session, env->crypt, agreement) &&
              tail_add(&r->wire, ahead, ahead_len);
    if (!ok) {
        if (r != NULL)
            tls_session_fini(&r->session);
        free(r);
        return false;
    }
    r->env = env;
    s->ops->free_state(s);
    s->ops = &stream_record_ops;
    s->state = r;
    s->readable = true; /* records may be there already */
    return true;
}

void stream_record_update_after(struct stream *s, uint64_t records)
{
    struct stream_record *r = s->state;
    r->session.update_after = records;
}
