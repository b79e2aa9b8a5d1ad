/* The keys of `tls:`, of a listener and of Redis. */
#include "common/tls/tls_config.h"

#include "broker/base/broker_config_parts.h"
#include "common/tls/tls_client.h"

static const struct config_field tls_fields[] = {
    {.key = "certificate",
     .kind = CONFIG_STRING,
     FIELD(tls_config, certificate),
     .required = true,
     .help = "PEM file with the certificate and its chain. Read again on SIGHUP, as the others of "
             "tls."},
    {.key = "key",
     .kind = CONFIG_STRING,
     FIELD(tls_config, key),
     .required = true,
     .help = "PEM file with the private key."},
    {.key = "min_version",
     .kind = CONFIG_ENUM,
     FIELD(tls_config, min_version),
     .names = (const char *const[]){"1.2", "1.3", NULL},
     .fallback = "1.2",
     .help = "Oldest TLS version that is accepted."},
    {.key = "client_ca",
     .kind = CONFIG_STRING,
     FIELD(tls_config, client_ca),
     .help = "PEM file with the authorities that client certificates are verified against."},
    {.key = "client_auth",
     .kind = CONFIG_ENUM,
     FIELD(tls_config, client_auth),
     .names = (const char *const[]){"none", "optional", "required", NULL},
     .fallback = "none",
     .help = "Whether clients are asked for a certificate, and must have one. One that isn't valid "
             "ends the connection in either case."},
};

static const char *check_tls(const void *filled)
{
    const struct tls_config *tls = filled;
    if (tls->client_auth != TLS_CLIENT_AUTH_NONE && tls->client_ca == NULL)
        return "client_auth needs client_ca";
    return NULL;
}

const struct config_schema listener_tls_schema = {
    .size = sizeof(struct tls_config),
    .fields = tls_fields,
    .count = sizeof(tls_fields) / sizeof(tls_fields[0]),
    .check = check_tls,
};

static const struct config_field redis_tls_fields[] = {
    {.key = "ca",
     .kind = CONFIG_STRING,
     FIELD(tls_client_config, ca),
     .help = "PEM file with the authorities that Redis' certificate is verified against; the "
             "system's when left out."},
    {.key = "certificate",
     .kind = CONFIG_STRING,
     FIELD(tls_client_config, certificate),
     .help = "PEM file with the certificate, and its chain, that Redis is shown (its "
             "tls-auth-clients)."},
    {.key = "key",
     .kind = CONFIG_STRING,
     FIELD(tls_client_config, key),
     .help = "PEM file with the private key."},
    {.key = "server_name",
     .kind = CONFIG_STRING,
     FIELD(tls_client_config, server_name),
     .help = "The name that Redis' certificate must have; that of the url when left out."},
};

static const char *check_redis_tls(const void *filled)
{
    const struct tls_client_config *tls = filled;
    if ((tls->certificate == NULL) != (tls->key == NULL))
        return "certificate and key need each other";
    return NULL;
}

const struct config_schema redis_tls_schema = {
    .size = sizeof(struct tls_client_config),
    .fields = redis_tls_fields,
    .count = sizeof(redis_tls_fields) / sizeof(redis_tls_fields[0]),
    .check = check_redis_tls,
};
