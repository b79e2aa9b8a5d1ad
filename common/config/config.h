/*
 * config - reads a YAML file (libyaml) into a C struct as described by tables.
 *
 * A schema describes one struct: each field has a key, a kind, an offset, limits, a default and a
 * sentence of help. Defaults are written as the text a user would write and go through the same
 * parser, so documentation and behaviour can't drift apart.
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
 *            4,096 names of one CONFIG_MAP; 64 keys a schema.
 */
#ifndef FLOTILLA_COMMON_CONFIG_CONFIG_H
#define FLOTILLA_COMMON_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct evbuffer;

enum config_kind {
    CONFIG_BOOL,     /* bool */
    CONFIG_UINT,     /* uint32_t */
    CONFIG_SIZE,     /* uint64_t, bytes */
    CONFIG_DURATION, /* uint64_t, ms */
    CONFIG_STRING,   /* char *, owned; NULL when absent without default */
    CONFIG_ENUM,     /* int: index into `names` */
    CONFIG_STRINGS,  /* struct config_strings: a list of scalars */
    CONFIG_STRUCT,   /* the sub-schema's struct, embedded; a YAML mapping */
    CONFIG_OPTIONAL, /* pointer to the sub-schema's struct, NULL when the key is absent */
    CONFIG_LIST, /* struct config_list of the sub-schema's structs; a YAML sequence of mappings */
    CONFIG_MAP,  /* struct config_list; a YAML mapping name -> mapping. The sub-schema's first
                    field must be a CONFIG_STRING with key NULL at the offset for the name */
    CONFIG_POSITION, /* struct config_position: where the value of the sibling named `key` stands,
                        or the mapping itself when key is NULL or the sibling is absent */
};

struct config_strings {
    char **items;
    size_t count;
};

struct config_list {
    void *items; /* array of `count` structs of schema->size bytes */
    size_t count;
};

struct config_error {
    char text[512]; /* whole message, as shown above */
    int line, column;
};

/* A place in the file, from 1; 0, 0 when nothing of the struct is in the file. For checks that need
 * the whole configuration ("no such backend"), which then report with config_fail. */
struct config_position {
    int line, column;
};

struct config_schema;

struct config_field {
    const char *key;
    enum config_kind kind;
    size_t at;
    uint64_t min, max;        /* UINT, SIZE, DURATION; max 0 means no upper limit */
    const char *const *names; /* ENUM: the words, NULL-terminated. UINT, SIZE, DURATION: words that
                                 stand for 0 whatever min is ("auto", "off"); may be NULL */
    const char *fallback;     /* default as the user would write it; NULL: none */
    bool required;
    const struct config_schema *sub;
    /* Extra check of a scalar's text (address syntax, say), also of each item of STRINGS. Returns
     * NULL or what was expected, as a noun ("an address like host:port"). */
    const char *(*check)(const char *text);
    const char *help; /* one sentence: the effect */
    const char *unit; /* for the documentation, where the kind doesn't say it ("connections") */
};

struct config_schema {
    size_t size;
    const struct config_field *fields;
    size_t count;
    /* Check across fields once the struct is filled; returns NULL or a message. May be NULL. */
    const char *(*check)(const void *filled);
};

#define CONFIG_SCHEMA(type, table)                                                                 \
    {                                                                                              \
        .size = sizeof(type), .fields = (table), .count = sizeof(table) / sizeof((table)[0])       \
    }

/* `name` stands for the file in messages. */
bool config_load(const char *path, const struct config_schema *schema, void *out,
                 struct config_error *err);
bool config_parse(const char *name, const char *text, size_t len,
                  const struct config_schema *schema, void *out, struct config_error *err);
/* All defaults, as if from an empty file; fails only when the schema has required keys. */
bool config_defaults(const struct config_schema *schema, void *out, struct config_error *err);
/* Copes with a zeroed struct; leaves it zeroed. */
void config_free(const struct config_schema *schema, void *filled);

/* Writes an error in the form of the loader's own; returns false. */
bool config_fail(struct config_error *err, const char *name, struct config_position at,
                 const char *key_path, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Markdown table of all keys (path, type, unit, default, range, effect), for docs/configuration.md.
 */
void config_describe(const struct config_schema *schema, struct evbuffer *out);

/* Scalars, also for command lines. False when the text isn't one. */
bool config_parse_duration(const char *text, uint64_t *ms);
bool config_parse_size(const char *text, uint64_t *bytes);

#endif
