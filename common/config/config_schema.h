/*
 * config_schema - the tables that describe a configuration: one for each struct, a row for each key.
 *
 * Pure data. A field has a key, a kind, an offset, limits, a default and a sentence of help. Defaults
 * are written as the text a user would write and go through the same parser, so documentation and
 * behaviour can't drift apart.
 * Limits: 64 keys per schema.
 */
#ifndef FLOTILLA_COMMON_CONFIG_CONFIG_SCHEMA_H
#define FLOTILLA_COMMON_CONFIG_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
    bool
        fixed; /* a change needs a restart: of a STRUCT, of all in it; of a list, of their number */
    bool secret;      /* STRING: may be `@FILE` (config_text.h), and is never printed */
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

#endif
