/*
 * probe - one health check of one server: connect, ask, judge, close.
 *
 * Data flow: checker.c starts a probe; the probe's own non-blocking socket speaks TCP, MQTT or HTTP
 *            with the server, in TLS or not; the outcome goes to the callback, once.
 * Ownership: a probe frees itself after its callback; probe_cancel frees it without one.
 * Errors:    all end as a failed result with a reason for an operator; but what we lack ourselves
 *            (descriptors, memory, source ports, time) as an impossible one, which says nothing of
 *            the server.
 * Limits:    timeout_ms bounds the whole check; at most 1 KiB of the answer is read.
 */
#ifndef FLOTILLA_LB_HEALTH_PROBE_H
#define FLOTILLA_LB_HEALTH_PROBE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lb/config/lb_config.h"

struct event_base;
struct probe;
struct tls_client;

struct probe_spec {
    enum lb_check_type type; /* not LB_CHECK_NONE */
    struct sockaddr_storage addr;
    socklen_t addrlen;
    bool proxy_v2; /* tcp, mqtt: a PROXY LOCAL header goes first */
    struct tls_client
        *tls; /* NULL: plain. Else TLS follows the header, and a tcp check is its handshake */
    uint64_t timeout_ms;
    const char *path;                /* http; borrowed while probe_start runs, as the following */
    const char *username, *password; /* mqtt; NULL: none */
};

enum probe_verdict {
    PROBE_WAIT, /* for more of the answer */
    PROBE_PASS,
    PROBE_LOGIN_REFUSED, /* alive: it speaks MQTT and doesn't let a check without a login in */
    PROBE_FAIL,
    PROBE_IMPOSSIBLE, /* it couldn't be asked, for want of something of ours */
};

struct probe_result {
    enum probe_verdict verdict; /* not PROBE_WAIT */
    uint64_t took_us;
    char error[96]; /* "" when passed */
};

typedef void probe_done_fn(const struct probe_result *result, void *arg);

/* NULL: out of memory; the callback doesn't come then. It never comes before probe_start returned.
 */
struct probe *probe_start(struct event_base *base, const struct probe_spec *spec, probe_done_fn *fn,
                          void *arg);
void probe_cancel(struct probe *p);

/* ---- what is asked and how the answer is judged, without sockets ---- */

/* The bytes to send after connecting; 0 when they don't fit. For tcp that may be nothing: *len 0
 * and true. */
bool probe_request(const struct probe_spec *spec, uint8_t *buf, size_t size, size_t *len);
/* How many of these bytes are the PROXY header. */
size_t probe_header_len(const struct probe_spec *spec);
/* Looks at all that came so far. `has_login`: the check gave a user name. */
enum probe_verdict probe_judge(enum lb_check_type type, bool has_login, const uint8_t *buf,
                               size_t len, char *error, size_t errlen);

#endif
