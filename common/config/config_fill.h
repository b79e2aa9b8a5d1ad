/*
 * config_fill - fills the struct that a schema describes from a YAML document.
 *
 * Data flow: config.c parses the file, hands document and zeroed struct here, and frees both if it fails.
 * Ownership: what is filled in is the struct's (config_free), also what was filled in before a mistake.
 * Errors:    false; `err` has the first mistake with its place and the path of keys to it. `name` stands
 *            for the file.
 */
#ifndef FLOTILLA_COMMON_CONFIG_CONFIG_FILL_H
#define FLOTILLA_COMMON_CONFIG_CONFIG_FILL_H

#include <stdbool.h>
#include <yaml.h>

#include "common/config/config_error.h"
#include "common/config/config_schema.h"

bool config_fill(const char *name, yaml_document_t *doc, const struct config_schema *schema,
                 void *out, struct config_error *err);

#endif
