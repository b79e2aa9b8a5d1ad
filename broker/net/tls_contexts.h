/*
 * tls_contexts - the TLS of a broker's listeners: an SSL_CTX for each that has `tls:`, made of its files, and made anew
 * of them by a reload.
 *
 * Data flow: broker.c makes it before the listeners; connection/secure.c takes the context of a client's listener;
 *            SIGHUP reloads (reload.c).
 * Reload:    all or nothing: when one file of one listener can't be used, all go on as before. Connections keep the
 *            context that they began with, and tickets go on being good (common/tls/tls_clients.h says which).
 * ALPN:      a client that names protocols must name the one that its listener speaks, mqtt or http/1.1.
 * Ownership: borrows the configuration; outlives the clients.
 * Errors:    a sentence in `err` that names listener, file and reason.
 */
#ifndef FLOTILLA_BROKER_NET_TLS_CONTEXTS_H
#define FLOTILLA_BROKER_NET_TLS_CONTEXTS_H

#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>

struct config_list;
struct listener_config;
struct tls_contexts;

/* `listeners` of struct listener_config. */
struct tls_contexts *tls_contexts_new(const struct config_list *listeners, char *err,
                                      size_t errlen);
void tls_contexts_free(struct tls_contexts *t);

/* How many listeners have TLS. */
size_t tls_contexts_count(const struct tls_contexts *t);
/* Makes those of a configuration that is to come, of as many listeners. False: a file can't be used, and all is as it
 * was. */
bool tls_contexts_prepare(struct tls_contexts *t, const struct config_list *fresh, char *err,
                          size_t errlen);
/* Puts in force what was prepared. */
void tls_contexts_commit(struct tls_contexts *t);

/* Of one of the list's items. NULL: it is plain. */
SSL_CTX *tls_contexts_of(const struct tls_contexts *t, const struct listener_config *l);
/* For the connections' channels. */
BIO_METHOD *tls_contexts_method(const struct tls_contexts *t);

#endif
