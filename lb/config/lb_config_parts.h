/*
 * lb_config_parts - the tables of lb.yaml's sections, a file each; lb_config.c puts them together.
 *
 * A new key: a field in its struct (lb_config.h), a row in its section's table, and conf/lb.yaml.
 */
#ifndef FLOTILLA_LB_CONFIG_LB_CONFIG_PARTS_H
#define FLOTILLA_LB_CONFIG_LB_CONFIG_PARTS_H

#include "common/config/config_schema.h"

#define HOUR_MS 3600000u
#define DAY_MS (UINT64_C(24) * HOUR_MS)

extern const struct config_schema lb_listener_schema;    /* listener_config.c */
extern const struct config_schema lb_backend_schema;     /* backend_config.c */
extern const struct config_schema lb_backend_tls_schema; /* backend_tls_config.c */

#endif
