/* The keys of a backend's `tls:`. */
#include "lb/config/lb_config_parts.h"

#include "lb/config/lb_config.h"

static const struct config_field fields[] = {
    {.key = "ca",
     .kind = CONFIG_STRING,
     .at = offsetof(struct backend_tls_config, client.ca),
     .help = "PEM file with the authorities that the servers' certificates are verified against; "
             "the system's when left out."},
    {.key = "server_name",
     .kind = CONFIG_STRING,
     .at = offsetof(struct backend_tls_config, client.server_name),
     .help = "The name that the servers' certificates must have, and that they are asked for; when "
             "left out, each must have its server's IP address."},
    {.key = "certificate",
     .kind = CONFIG_STRING,
     .at = offsetof(struct backend_tls_config, client.certificate),
     .help = "PEM file with the certificate, and its chain, that the servers are shown."},
    {.key = "key",
     .kind = CONFIG_STRING,
     .at = offsetof(struct backend_tls_config, client.key),
     .help = "PEM file with its private key."},
    {.key = "verify",
     .kind = CONFIG_BOOL,
     .at = offsetof(struct backend_tls_config, verify),
     .fallback = "true",
     .help = "Whether the servers' certificates are verified. Without it anyone who gets between "
             "can read and change everything."},
};

static const char *check(const void *filled)
{
    const struct backend_tls_config *tls = filled;
    if ((tls->client.certificate == NULL) != (tls->client.key == NULL))
        return "certificate and key need each other";
    return NULL;
}

const struct config_schema lb_backend_tls_schema = {
    .size = sizeof(struct backend_tls_config),
    .fields = fields,
    .count = sizeof(fields) / sizeof(fields[0]),
    .check = check,
};
