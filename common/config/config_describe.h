/*
 * config_describe - the reference table of docs/configuration.md, made from the tables that the
 * loader obeys.
 */
#ifndef FLOTILLA_COMMON_CONFIG_CONFIG_DESCRIBE_H
#define FLOTILLA_COMMON_CONFIG_CONFIG_DESCRIBE_H

struct config_schema;
struct evbuffer;

/* Markdown table of all keys (path, type, unit, default, range, effect), for docs/configuration.md.
 */
void config_describe(const struct config_schema *schema, struct evbuffer *out);

#endif
