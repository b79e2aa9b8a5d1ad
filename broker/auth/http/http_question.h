/*
 * http_question - what a service is asked about a CONNECT, and what its answer means.
 *
 * Question: POST of {"username": ..., "password": ..., "clientid": ..., "peerhost": ...}; what the client didn't give is
 *           null. Passwords that aren't UTF-8 aren't asked for: they are refused.
 * Answer:   status 200 with {"result": "allow" | "deny" | "ignore"}: ignore means that the next source is asked. With
 *           allow may come "acl": {"pub": [...], "sub": [...], "all": [...]} (topic filters, as in tokens: they narrow),
 *           and "expire_at": when the connection ends, in seconds since 1970. 204 without a body: allow; 401 and 403:
 *           deny; 404: ignore. All else says nothing: the service failed.
 *
 * Pure.
 */
#ifndef FLOTILLA_BROKER_AUTH_HTTP_HTTP_QUESTION_H
#define FLOTILLA_BROKER_AUTH_HTTP_HTTP_QUESTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mqtt/mqtt.h"

struct cJSON;
struct http_answer;
struct peer;

/* What a CONNECT says. All is borrowed. */
struct http_login {
    bool has_username, has_password;
    struct mqtt_slice username, password, client_id;
    const struct peer *peer; /* NULL: unknown */
};

enum http_meaning { HTTP_ALLOWS, HTTP_DENIES, HTTP_IGNORES, HTTP_FAILED };

/* What comes with HTTP_ALLOWS. */
struct http_finding {
    struct cJSON *json;      /* the answer */
    const struct cJSON *acl; /* in it, valid (jwt_acl_each); NULL: none */
    uint64_t until_s;        /* 0: no end */
};

/* Heap memory (free with OPENSSL_clear_free: a password is in it); NULL: it can't be asked, or out of memory. */
char *http_question_make(const struct http_login *l, size_t *len);

/* HTTP_FAILED: `why` is a sentence. `out` is to be released in any case. */
enum http_meaning http_question_answered(const struct http_answer *answer, struct http_finding *out,
                                         const char **why);
void http_finding_fini(struct http_finding *f);

#endif
