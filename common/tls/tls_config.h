/*
 * tls_config - what an operator sets of a listener's TLS, as a struct.
 *
 * Data flow: each program's tables fill it (lb/config/lb_config.c, broker/base/tls_config.c); tls_context_new makes
 *            an SSL_CTX of it.
 * Ownership: the program's configuration owns the strings.
 */
#ifndef FLOTILLA_COMMON_TLS_TLS_CONFIG_H
#define FLOTILLA_COMMON_TLS_TLS_CONFIG_H

enum tls_version { TLS_FROM_1_2, TLS_FROM_1_3 };
enum tls_records { TLS_RECORDS_OWN, TLS_RECORDS_OPENSSL };
enum tls_alpn { TLS_ALPN_MQTT, TLS_ALPN_HTTP };
enum tls_client_auth { TLS_CLIENT_AUTH_NONE, TLS_CLIENT_AUTH_OPTIONAL, TLS_CLIENT_AUTH_REQUIRED };

struct tls_config {
    char *certificate, *key; /* paths, already resolved against the file's folder */
    char *client_ca;         /* NULL: none */
    int min_version;         /* enum tls_version */
    int client_auth;         /* enum tls_client_auth */
    int records;             /* enum tls_records: the load balancer's own matter */
    int alpn;                /* enum tls_alpn */
};

#endif
