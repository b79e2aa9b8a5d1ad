/*
 * A server that asked for no certificate after the handshake gets one kind of
 * handshake message still: KeyUpdate.
 */
#include "lb/tls/tls_session.h"

#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <string.h>

#define KEY_UPDATE_LEN 5 /* type, three bytes of length, request */

bool tls_session_init(struct tls_session *s, struct tls_crypt *c, const struct tls_agreement *a)
{
    memset(s, 0, sizeof(*s));
    s->update_after = TLS_SESSION_RECORDS;
    s->content_max = a->content_max;
    return tls_keys_init(c, &s->in, a->suite, a->in_secret, 0) &&
           tls_keys_init(c, &s->out, a->suite, a->out_secret, a->out_sequence);
}

void tls_session_fini(struct tls_session *s)
{
    OPENSSL_cleanse(s, sizeof(*s));
}

static enum tls_session_verdict bad(struct tls_opened *opened, uint8_t alert)
{
    opened->alert = alert;
    return TLS_SESSION_BAD;
}

static enum tls_session_verdict take_alert(const uint8_t *data, size_t len,
                                           struct tls_opened *opened)
{
    if (len != 2) /* one whole alert per record (5.1) */
        return bad(opened, SSL_AD_UNEXPECTED_MESSAGE);
    switch (data[1]) { /* the level says nothing any more (6) */
    case SSL_AD_CLOSE_NOTIFY:
        return TLS_SESSION_ENDED;
    case SSL_AD_USER_CANCELLED: /* close_notify comes next (6.1) */
        return TLS_SESSION_OK;
    default:
        return TLS_SESSION_FAILED;
    }
}

static enum tls_session_verdict take_key_update(struct tls_session *s, struct tls_crypt *c,
                                                uint8_t request, struct tls_opened *opened)
{
    if (request > SSL_KEY_UPDATE_REQUESTED)
        return bad(opened, SSL_AD_ILLEGAL_PARAMETER);
    if (++s->updates > TLS_UPDATES_MAX)
        return bad(opened, SSL_AD_UNEXPECTED_MESSAGE);
    if (!tls_keys_update(c, &s->in))
        return bad(opened, SSL_AD_INTERNAL_ERROR);
    if (request == SSL_KEY_UPDATE_REQUESTED)
        s->owes_update = true;
    return TLS_SESSION_OK;
}

/* A record with a piece of a handshake message. */
static enum tls_session_verdict take_handshake(struct tls_session *s, struct tls_crypt *c,
                                               const uint8_t *data, size_t len,
                                               struct tls_opened *opened)
{
    static const uint8_t head[] = {SSL3_MT_KEY_UPDATE, 0, 0, 1};
    if (len == 0) /* 5.1 */
        return bad(opened, SSL_AD_UNEXPECTED_MESSAGE);
    for (; len > 0 && s->message_len < sizeof(head); data++, len--) {
        if (*data != head[s->message_len])
            return bad(opened,
                       s->message_len == 0 ? SSL_AD_UNEXPECTED_MESSAGE : SSL_AD_DECODE_ERROR);
        s->message_len++;
    }
    if (len == 0)
        return TLS_SESSION_OK;
    s->message_len = 0;
    if (len > 1) /* what follows ought to be under the new keys, in a record of its own (5.1) */
        return bad(opened, SSL_AD_UNEXPECTED_MESSAGE);
    return take_key_update(s, c, *data, opened);
}

enum tls_session_verdict tls_session_open(struct tls_session *s, struct tls_crypt *c,
                                          const uint8_t *wire, size_t len, uint8_t *out,
                                          struct tls_opened *opened)
{
    struct tls_record record;
    opened->data_len = 0;
    switch (tls_record_open(c, &s->in, wire, len, out, &record)) {
    case TLS_RECORD_OK:
        break;
    case TLS_RECORD_PARTIAL:
        return TLS_SESSION_PARTIAL;
    case TLS_RECORD_BAD:
        return bad(opened, record.alert);
    }
    opened->wire_len = record.wire_len;
    if (record.len > s->content_max)
        return bad(opened, SSL_AD_RECORD_OVERFLOW);
    if (record.type == SSL3_RT_HANDSHAKE)
        return take_handshake(s, c, out, record.len, opened);
    if (s->message_len > 0) /* nothing may come between the parts of a message (5.1) */
        return bad(opened, SSL_AD_UNEXPECTED_MESSAGE);
    if (record.type == SSL3_RT_ALERT)
        return take_alert(out, record.len, opened);
    if (record.type != SSL3_RT_APPLICATION_DATA)
        return bad(opened, SSL_AD_UNEXPECTED_MESSAGE);
    opened->data_len = record.len;
    if (record.len > 0)
        s->updates = 0;
    return TLS_SESSION_OK;
}

size_t tls_session_seal_update(struct tls_session *s, struct tls_crypt *c, uint8_t *wire)
{
    static const uint8_t message[KEY_UPDATE_LEN] = {SSL3_MT_KEY_UPDATE, 0, 0, 1,
                                                    SSL_KEY_UPDATE_NOT_REQUESTED};
    size_t n = tls_record_seal(c, &s->out, SSL3_RT_HANDSHAKE, message, sizeof(message), wire);
    s->owes_update = false;
    return n > 0 && tls_keys_update(c, &s->out) ? n : 0;
}

size_t tls_session_seal_alert(struct tls_session *s, struct tls_crypt *c, uint8_t alert,
                              uint8_t *wire)
{
    const uint8_t message[] = {
        alert == SSL_AD_CLOSE_NOTIFY ? SSL3_AL_WARNING : SSL3_AL_FATAL,
        alert,
    };
    return tls_record_seal(c, &s->out, SSL3_RT_ALERT, message, sizeof(message), wire);
}

size_t tls_session_seal(struct tls_session *s, struct tls_crypt *c, const uint8_t *data, size_t len,
                        uint8_t *wire)
{
    size_t made = 0;
    while (len > 0) {
        size_t n;
        if (s->owes_update || s->out.sequence >= s->update_after) {
            if ((n = tls_session_seal_update(s, c, wire + made)) == 0)
                return 0;
            made += n;
        }
        size_t part = len < s->content_max ? len : s->content_max;
        n = tls_record_seal(c, &s->out, SSL3_RT_APPLICATION_DATA, data, part, wire + made);
        if (n == 0)
            return 0;
        made += n;
        data += part;
        len -= part;
    }
    return made;
}
