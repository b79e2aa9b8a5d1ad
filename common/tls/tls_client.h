/*
 * tls_client - the TLS side of connections that this process makes: whose certificates it believes, which name it
 * expects in them, and what it shows itself.
 *
 * Data flow: whoever connects makes one for each set of places that it connects to (Redis, a backend), and for each
 *            connection a channel (tls_channel.h), or an SSL for code with a BIO of its own (lb/stream/stream_tls.h).
 * Policy:    TLS 1.2 and later. The certificate must come from one of the authorities and be for the name: a host
 *            name, or an address (a subject alternative name of its own kind; the common name counts for host names
 *            without one, as OpenSSL has it).
 * Threads:   any.
 * Ownership: counted references; one must outlive each channel.
 * Errors:    NULL, with a sentence in `err` that names the key, the file and OpenSSL's reason.
 */
#ifndef FLOTILLA_COMMON_TLS_TLS_CLIENT_H
#define FLOTILLA_COMMON_TLS_TLS_CLIENT_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

struct tls_carrier;
struct tls_channel;
struct tls_client;

struct tls_client_config {
    char *ca;                /* NULL: the system's authorities */
    char *certificate, *key; /* NULL: none is shown */
    char *server_name;       /* NULL: the host's */
    bool unverified;         /* any certificate is believed */
};

struct tls_client *tls_client_new(const struct tls_client_config *config, char *err, size_t errlen);
struct tls_client *tls_client_ref(struct tls_client *t);
void tls_client_unref(struct tls_client *t);

/* For a connection to `host`, whose name is expected if the configuration has no other. NULL: out of memory. */
SSL *tls_client_ssl(const struct tls_client *t, const char *host);
struct tls_channel *tls_client_channel(const struct tls_client *t, const char *host,
                                       const struct tls_carrier *carrier);

#endif
