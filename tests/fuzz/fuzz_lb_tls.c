/*
 * Fuzzes what a TLS 1.3 session makes of the records that come. The input is either the bytes of
 * the socket as they are, or (first byte odd) a list of records to be sealed under the right keys:
 * content type, two bytes of length, content. What was opened is never longer than what came, and a
 * session that refuses says why; what it seals itself, its peer opens.
 */
#include "lb/tls/tls_session.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WIRE_MAX ((size_t)256 * 1024)

struct pair {
    struct tls_crypt *crypt;
    struct tls_session ours, theirs;
};

static void demand(bool condition)
{
    if (!condition)
        abort();
}

static void start(struct pair *p, uint8_t choice)
{
    struct tls_agreement a = {.suite = (enum tls_suite)(choice / 2 % TLS_SUITES),
                              .in_secret = {1},
                              .out_secret = {2},
                              .out_sequence = choice / 8 % 3,
                              .content_max = choice & 0x80 ? 512 : TLS_RECORD_CONTENT_MAX};
    demand(tls_session_init(&p->ours, p->crypt, &a));
    p->theirs = p->ours;
    p->theirs.in = p->ours.out;
    p->theirs.out = p->ours.in;
    p->ours.update_after = 3;
}

/* Seals what the input describes. The peer changes its keys after each whole KeyUpdate, as ours
 * must think it does. */
static size_t seal_all(struct pair *p, const uint8_t *data, size_t size, uint8_t *wire)
{
    size_t made = 0;
    while (size >= 3) {
        size_t len = (size_t)data[1] << 8 | data[2];
        if (len > size - 3)
            len = size - 3;
        if (len > TLS_RECORD_CONTENT_MAX || WIRE_MAX - made < len + TLS_RECORD_OVERHEAD)
            break;
        size_t n = tls_record_seal(p->crypt, &p->theirs.out, data[0], data + 3, len, wire + made);
        demand(n == len + TLS_RECORD_OVERHEAD);
        made += n;
        if (data[0] == SSL3_RT_HANDSHAKE && len == 5 && memcmp(data + 3, "\30\0\0\1", 4) == 0 &&
            data[7] <= SSL_KEY_UPDATE_REQUESTED)
            demand(tls_keys_update(p->crypt, &p->theirs.out));
        data += 3 + len;
        size -= 3 + len;
    }
    return made;
}

static enum tls_session_verdict open_all(struct pair *p, const uint8_t *wire, size_t len)
{
    enum tls_session_verdict verdict = TLS_SESSION_OK;
    while (verdict == TLS_SESSION_OK) {
        struct tls_opened opened = {0};
        uint8_t *out = malloc(len + 1); /* exactly as much as may be written */
        demand(out != NULL);
        verdict = tls_session_open(&p->ours, p->crypt, wire, len, out, &opened);
        if (verdict == TLS_SESSION_OK) {
            demand(opened.wire_len >= TLS_RECORD_OVERHEAD && opened.wire_len <= len);
            demand(opened.data_len <= opened.wire_len - TLS_RECORD_OVERHEAD);
            wire += opened.wire_len;
            len -= opened.wire_len;
        }
        if (verdict == TLS_SESSION_BAD)
            demand(opened.alert != SSL_AD_CLOSE_NOTIFY);
        free(out);
    }
    return verdict;
}

/* The session answers what it owes and goes on; the peer must be able to follow. */
static void answer(struct pair *p)
{
    uint8_t wire[4 * 1024];
    uint8_t out[4 * 1024];
    static const uint8_t text[600];
    struct tls_opened opened;
    demand(tls_session_wire(sizeof(text)) <= sizeof(wire));
    size_t len = tls_session_seal(&p->ours, p->crypt, text, sizeof(text), wire);
    size_t got = 0;
    demand(len > 0);
    for (size_t at = 0; at < len; at += opened.wire_len) {
        demand(tls_session_open(&p->theirs, p->crypt, wire + at, len - at, out, &opened) ==
               TLS_SESSION_OK);
        got += opened.data_len;
    }
    demand(got == sizeof(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pair p;
    static uint8_t wire[WIRE_MAX];
    if (p.crypt == NULL)
        p.crypt = tls_crypt_new();
    demand(p.crypt != NULL);
    if (size == 0)
        return 0;
    start(&p, data[0]);
    if (data[0] % 2 == 0) {
        open_all(&p, data + 1, size - 1);
        return 0;
    }
    size_t len = seal_all(&p, data + 1, size - 1, wire);
    enum tls_session_verdict verdict = open_all(&p, wire, len);
    if (verdict == TLS_SESSION_PARTIAL)
        for (int i = 0; i < 4; i++)
            answer(&p);
    return 0;
}
