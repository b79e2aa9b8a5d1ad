/*
 * Scalars of the configuration: numbers with units, and words. Knows nothing of YAML; the
 * same functions serve files, the defaults in the tables and command lines.
 */
#include "common/config/config_scalar.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *suffix;
    uint64_t factor;
};

/* Largest first: printing takes the first that divides the value. */
static const struct unit duration_units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000},
                                             {"s", 1000},     {"ms", 1},      {NULL, 0}};
static const struct unit size_units[] = {{"G", 1u << 30}, {"M", 1u << 20}, {"k", 1u << 10},
                                         {"g", 1u << 30}, {"m", 1u << 20}, {"K", 1u << 10},
                                         {"", 1},         {NULL, 0}};

bool config_kind_is_scalar(enum config_kind kind)
{
    return kind <= CONFIG_ENUM;
}

/* Digits only: no sign, no blanks, no overflow. `rest` gets what follows. */
static bool parse_digits(const char *text, uint64_t *value, const char **rest)
{
    uint64_t v = 0;
    const char *p = text;
    for (; isdigit((unsigned char)*p); p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *value = v;
    *rest = p;
    return p != text;
}

static bool parse_with_unit(const char *text, const struct unit *units, uint64_t *out)
{
    uint64_t value;
    const char *suffix;
    if (!parse_digits(text, &value, &suffix))
        return false;
    for (const struct unit *u = units; u->suffix != NULL; u++) {
        if (strcmp(suffix, u->suffix) != 0)
            continue;
        if (value > UINT64_MAX / u->factor)
            return false;
        *out = value * u->factor;
        return true;
    }
    return false;
}

bool config_parse_duration(const char *text, uint64_t *ms)
{
    if (strcmp(text, "0") == 0) {
        *ms = 0;
        return true;
    }
    return parse_with_unit(text, duration_units, ms);
}

bool config_parse_size(const char *text, uint64_t *bytes)
{
    return parse_with_unit(text, size_units, bytes);
}

static bool parse_uint(const char *text, uint64_t *out)
{
    const char *rest;
    return parse_digits(text, out, &rest) && *rest == '\0' && *out <= UINT32_MAX;
}

static bool parse_bool(const char *text, bool *out)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"true", true}, {"false", false}, {"yes", true},
                 {"no", false},  {"on", true},     {"off", false}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(text, words[i].word) == 0) {
            *out = words[i].value;
            return true;
        }
    }
    return false;
}

static int word_index(const char *const *names, const char *text)
{
    for (int i = 0; names != NULL && names[i] != NULL; i++) {
        if (strcmp(names[i], text) == 0)
            return i;
    }
    return -1;
}

/* UINT, SIZE and DURATION alike: a word for 0, or a number within the range. */
static bool parse_number(const struct config_field *f, const char *text, uint64_t *out)
{
    bool parsed;
    if (word_index(f->names, text) >= 0) {
        *out = 0;
        return true;
    }
    if (f->kind == CONFIG_DURATION)
        parsed = config_parse_duration(text, out);
    else if (f->kind == CONFIG_SIZE)
        parsed = config_parse_size(text, out);
    else
        parsed = parse_uint(text, out);
    return parsed && *out >= f->min && (f->max == 0 || *out <= f->max);
}

enum config_scalar_result config_scalar_store(const struct config_field *field, const char *text,
                                              void *value)
{
    uint64_t number = 0;
    bool truth = false;
    int word;
    if (field->check != NULL && field->check(text) != NULL)
        return CONFIG_SCALAR_WRONG;
    switch (field->kind) {
    case CONFIG_BOOL:
        if (!parse_bool(text, &truth))
            return CONFIG_SCALAR_WRONG;
        *(bool *)value = truth;
        return CONFIG_SCALAR_OK;
    case CONFIG_UINT:
        if (!parse_number(field, text, &number))
            return CONFIG_SCALAR_WRONG;
        *(uint32_t *)value = (uint32_t)number;
        return CONFIG_SCALAR_OK;
    case CONFIG_SIZE:
    case CONFIG_DURATION:
        if (!parse_number(field, text, &number))
            return CONFIG_SCALAR_WRONG;
        *(uint64_t *)value = number;
        return CONFIG_SCALAR_OK;
    case CONFIG_STRING:
        *(char **)value = strdup(text);
        return *(char **)value != NULL ? CONFIG_SCALAR_OK : CONFIG_SCALAR_NO_MEMORY;
    case CONFIG_ENUM:
        word = word_index(field->names, text);
        if (word < 0)
            return CONFIG_SCALAR_WRONG;
        *(int *)value = word;
        return CONFIG_SCALAR_OK;
    case CONFIG_STRINGS:
    case CONFIG_STRUCT:
    case CONFIG_OPTIONAL:
    case CONFIG_LIST:
    case CONFIG_MAP:
    case CONFIG_POSITION:
        break;
    }
    return CONFIG_SCALAR_WRONG; /* not a scalar: config_kind_is_scalar says so */
}

static void append(char *buf, size_t size, const char *text)
{
    size_t used = strlen(buf);
    (void)snprintf(buf + used, size - used, "%s", text);
}

static void append_number(const struct config_field *f, uint64_t value, char *buf, size_t size)
{
    const struct unit *u = f->kind == CONFIG_DURATION ? duration_units : size_units;
    char text[32];
    if (f->kind == CONFIG_UINT || value == 0) {
        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    } else {
        while (value % u->factor != 0)
            u++;
        (void)snprintf(text, sizeof(text), "%llu%s", (unsigned long long)(value / u->factor),
                       u->suffix);
    }
    append(buf, size, text);
}

void config_scalar_range(const struct config_field *field, char *buf, size_t size)
{
    buf[0] = '\0';
    if (field->max != 0) {
        append_number(field, field->min, buf, size);
        append(buf, size, " to ");
        append_number(field, field->max, buf, size);
    } else if (field->min != 0) {
        append(buf, size, "at least ");
        append_number(field, field->min, buf, size);
    }
}

void config_scalar_words(const struct config_field *field, const char *separator, char *buf,
                         size_t size)
{
    buf[0] = '\0';
    for (size_t i = 0; field->names != NULL && field->names[i] != NULL; i++) {
        if (i > 0)
            append(buf, size, separator);
        append(buf, size, field->names[i]);
    }
}

static void expect_number(const struct config_field *f, const char *noun, const char *examples,
                          char *buf, size_t size)
{
    char range[80];
    char words[80];
    config_scalar_range(f, range, sizeof(range));
    config_scalar_words(f, " or ", words, sizeof(words));
    append(buf, size, noun);
    if (f->max != 0)
        append(buf, size, " from");
    else if (f->min != 0)
        append(buf, size, " of");
    if (range[0] != '\0') {
        append(buf, size, " ");
        append(buf, size, range);
    } else {
        append(buf, size, examples);
    }
    if (words[0] != '\0') {
        append(buf, size, " or ");
        append(buf, size, words);
    }
}

void config_scalar_expected(const struct config_field *field, const char *text, char *buf,
                            size_t size)
{
    const char *checked = field->check != NULL && text != NULL ? field->check(text) : NULL;
    char words[200];
    buf[0] = '\0';
    if (checked != NULL) {
        append(buf, size, checked);
        return;
    }
    switch (field->kind) {
    case CONFIG_BOOL:
        append(buf, size, "true or false");
        return;
    case CONFIG_UINT:
        expect_number(field, "a number", "", buf, size);
        return;
    case CONFIG_SIZE:
        expect_number(field, "a size", " like 64k, 1M or a number of bytes", buf, size);
        return;
    case CONFIG_DURATION:
        expect_number(field, "a duration", " like 500ms, 2s, 5m or 1h", buf, size);
        return;
    case CONFIG_STRING:
        append(buf, size, "text");
        return;
    case CONFIG_ENUM:
        config_scalar_words(field, ", ", words, sizeof(words));
        append(buf, size, "one of ");
        append(buf, size, words);
        return;
    case CONFIG_STRINGS:
        append(buf, size, "a list of text");
        return;
    case CONFIG_STRUCT:
    case CONFIG_OPTIONAL:
        append(buf, size, "a mapping");
        return;
    case CONFIG_LIST:
        append(buf, size, "a list of mappings");
        return;
    case CONFIG_MAP:
        append(buf, size, "a mapping of names to mappings");
        return;
    case CONFIG_POSITION:
        return;
    }
}
