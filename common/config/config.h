/*
 * config - reads a YAML file (libyaml) into a C struct as described by tables.
 *
 * Data flow: a program's tables (config_schema.h) and a file come in, the filled struct goes out, or
 *            the first mistake (config_error.h).
 *
 * Errors:    unknown keys, duplicate keys, wrong types, values out of range and missing required
 *            keys fail with file, line, column, key path and what was expected, for example
 *            "lb.yaml:14:17: backends.brokers.health_check.rise: expected a number from 1 to 100,
 *            got 'x'". Only the first error of a file is told.
 * Ownership: config_load fills `out` with heap memory that config_free releases. `out` of a failed
 *            load is released already and zeroed.
 * Units:     durations are milliseconds (`500ms`, `2s`, `5m`, `1h`, `2d`; a plain number is an
 *            error except 0), sizes are bytes (`64k`, `1M`, `2G`, powers of 1024, or a plain
 *            number).
 * Limits:    a file of 1 MiB; 32 levels; 1,000 anchors; 100,000 values after aliases are followed;
 *            4,096 names of one CONFIG_MAP.
 */
#ifndef FLOTILLA_COMMON_CONFIG_CONFIG_H
#define FLOTILLA_COMMON_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "common/config/config_error.h"
#include "common/config/config_schema.h"

/* `name` stands for the file in messages. */
bool config_load(const char *path, const struct config_schema *schema, void *out,
                 struct config_error *err);
bool config_parse(const char *name, const char *text, size_t len,
                  const struct config_schema *schema, void *out, struct config_error *err);
/* All defaults, as if from an empty file; fails only when the schema has required keys. */
bool config_defaults(const struct config_schema *schema, void *out, struct config_error *err);
/* Copes with a zeroed struct; leaves it zeroed. */
void config_free(const struct config_schema *schema, void *filled);

#endif
