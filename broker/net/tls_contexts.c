/*
 * A new set is made whole before it takes the old one's place.
 */
#include "broker/net/tls_contexts.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/broker_config.h"
#include "common/tls/tls.h"
#include "common/tls/tls_channel.h"
#include "common/tls/tls_tickets.h"

struct tls_contexts {
    const struct listener_config *listeners;
    size_t count;
    SSL_CTX **contexts;          /* by the listener's place; NULL: plain */
    SSL_CTX **prepared;          /* the same; NULL: nothing is */
    struct tls_tickets *tickets; /* of all of them */
    BIO_METHOD *method;
};

static void free_set(SSL_CTX **set, size_t count)
{
    for (size_t i = 0; set != NULL && i < count; i++)
        SSL_CTX_free(set[i]);
    free(set);
}

static SSL_CTX *make_one(const struct tls_contexts *t, const struct listener_config *l, char *err,
                         size_t errlen)
{
    char reason[384];
    struct tls_config config = *l->tls;
    config.alpn = l->protocol == LISTENER_WEBSOCKET ? TLS_ALPN_HTTP : TLS_ALPN_MQTT;
    SSL_CTX *ctx = tls_context_new(&config, t->tickets, NULL, reason, sizeof(reason));
    if (ctx == NULL)
        snprintf(err, errlen, "listener %s: tls: %s", l->bind, reason);
    return ctx;
}

static SSL_CTX **make_set(const struct tls_contexts *t, const struct listener_config *listeners,
                          char *err, size_t errlen)
{
    SSL_CTX **set = calloc(t->count + 1, sizeof(SSL_CTX *));
    if (set == NULL) {
        snprintf(err, errlen, "tls: out of memory");
        return NULL;
    }
    for (size_t i = 0; i < t->count; i++) {
        if (listeners[i].tls == NULL)
            continue;
        set[i] = make_one(t, &listeners[i], err, errlen);
        if (set[i] == NULL) {
            free_set(set, t->count);
            return NULL;
        }
    }
    return set;
}

bool tls_contexts_prepare(struct tls_contexts *t, const struct config_list *fresh, char *err,
                          size_t errlen)
{
    free_set(t->prepared, t->count);
    t->prepared = make_set(t, fresh->items, err, errlen);
    return t->prepared != NULL;
}

void tls_contexts_commit(struct tls_contexts *t)
{
    free_set(t->contexts, t->count);
    t->contexts = t->prepared;
    t->prepared = NULL;
}

struct tls_contexts *tls_contexts_new(const struct config_list *listeners, char *err, size_t errlen)
{
    snprintf(err, errlen, "tls: out of memory");
    struct tls_contexts *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    t->listeners = listeners->items;
    t->count = listeners->count;
    t->tickets = tls_tickets_new(TLS_TICKETS_PERIOD_MS);
    t->method = tls_channel_method_new();
    if (t->tickets == NULL || t->method == NULL ||
        !tls_contexts_prepare(t, listeners, err, errlen)) {
        tls_contexts_free(t);
        return NULL;
    }
    tls_contexts_commit(t);
    return t;
}

void tls_contexts_free(struct tls_contexts *t)
{
    if (t == NULL)
        return;
    free_set(t->contexts, t->count);
    free_set(t->prepared, t->count);
    tls_tickets_free(t->tickets);
    BIO_meth_free(t->method);
    free(t);
}

size_t tls_contexts_count(const struct tls_contexts *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->count; i++)
        n += t->contexts[i] != NULL;
    return n;
}

SSL_CTX *tls_contexts_of(const struct tls_contexts *t, const struct listener_config *l)
{
    return t->contexts[l - t->listeners];
}

BIO_METHOD *tls_contexts_method(const struct tls_contexts *t)
{
    return t->method;
}
