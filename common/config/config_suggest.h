/*
 * config_suggest - the known key that an unknown one probably meant.
 *
 * Ownership: the result is the schema's own text. Errors: NULL when nothing is near.
 */
#ifndef FLOTILLA_COMMON_CONFIG_CONFIG_SUGGEST_H
#define FLOTILLA_COMMON_CONFIG_CONFIG_SUGGEST_H

struct config_schema;

const char *config_suggest_key(const struct config_schema *schema, const char *key);

#endif
