/*
 * broker_config_parts - the tables of broker.yaml's sections, a file each; broker_config.c puts them together.
 *
 * A new key: a field in its struct (broker_config.h), a row in its section's table, and conf/broker.yaml.
 */
#ifndef FLOTILLA_BROKER_BASE_BROKER_CONFIG_PARTS_H
#define FLOTILLA_BROKER_BASE_BROKER_CONFIG_PARTS_H

#include <stddef.h>

#include "common/config/config.h"

/* A name in auth.chain or listeners[].auth.chain: NULL, or what was expected. */
const char *config_check_source(const char *text);

#define FIELD(type, member) .at = offsetof(struct type, member)

extern const struct config_schema listener_schema;            /* listener_config.c */
extern const struct config_schema listener_tls_schema;        /* tls_config.c */
extern const struct config_schema redis_tls_schema;           /* the same */
extern const struct config_schema redis_schema, fleet_schema; /* fleet_config.c */
extern const struct config_schema store_schema;               /* store_config.c */
extern const struct config_schema auth_schema;
extern const struct config_schema jwt_schema;
extern const struct config_schema http_auth_schema;
extern const struct config_schema limits_schema;
extern const struct config_schema mqtt_schema;

#endif
