/*
 * config_scalar - one scalar of a configuration file: text to value, and what was expected.
 *
 * Data flow: config.c hands over a field of its table and the text found in the file (or the
 *            field's default); config_describe.c asks for the words to print.
 * Ownership: a CONFIG_STRING is stored as a heap copy.
 */
#ifndef FLOTILLA_COMMON_CONFIG_CONFIG_SCALAR_H
#define FLOTILLA_COMMON_CONFIG_CONFIG_SCALAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config/config_schema.h"

enum config_scalar_result { CONFIG_SCALAR_OK, CONFIG_SCALAR_WRONG, CONFIG_SCALAR_NO_MEMORY };

bool config_kind_is_scalar(enum config_kind kind);

/* Stores `text` as the field's kind at `value` (the field's own place). */
enum config_scalar_result config_scalar_store(const struct config_field *field, const char *text,
                                              void *value);

/* What the field wants, as a noun: "a number from 1 to 100 or auto". `text` is the value that was
 * refused (for `check`), or NULL. */
void config_scalar_expected(const struct config_field *field, const char *text, char *buf,
                            size_t size);

/* The field's range ("1s to 1h", "at least 1"), "" when any value will do. */
void config_scalar_range(const struct config_field *field, char *buf, size_t size);

/* The field's words joined by `separator`, cut when they don't fit. */
void config_scalar_words(const struct config_field *field, const char *separator, char *buf,
                         size_t size);

/* Scalars, also for command lines. False when the text isn't one. */
bool config_parse_duration(const char *text, uint64_t *ms);
bool config_parse_size(const char *text, uint64_t *bytes);

#endif
