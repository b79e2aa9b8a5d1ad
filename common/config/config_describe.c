/*
 * The reference table of docs/configuration.md, made from the same tables that the loader obeys. A
 * test compares the document with this output, so the two can't drift apart.
 */
#include "common/config/config_describe.h"

#include <event2/buffer.h>
#include <stdio.h>
#include <string.h>

#include "common/config/config_scalar.h"
#include "common/config/config_schema.h"

#define PATH_MAX_BYTES 256

/* A `|` would end the cell. */
static void add_cell(struct evbuffer *out, const char *text)
{
    evbuffer_add(out, " ", 1);
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '|')
            evbuffer_add(out, "\\", 1);
        evbuffer_add(out, p, 1);
    }
    evbuffer_add(out, " |", 2);
}

static void add_code_cell(struct evbuffer *out, const char *text)
{
    char cell[PATH_MAX_BYTES + 2];
    (void)snprintf(cell, sizeof(cell), "`%s`", text);
    add_cell(out, cell);
}

static const char *type_text(const struct config_field *f)
{
    switch (f->kind) {
    case CONFIG_BOOL:
        return "true or false";
    case CONFIG_UINT:
        return "number";
    case CONFIG_SIZE:
        return "size";
    case CONFIG_DURATION:
        return "duration";
    case CONFIG_STRING:
        return "text";
    case CONFIG_ENUM:
        return "word";
    case CONFIG_STRINGS:
        return "list of text";
    case CONFIG_STRUCT:
    case CONFIG_OPTIONAL:
        return "mapping";
    case CONFIG_LIST:
        return "list of mappings";
    case CONFIG_MAP:
        return "mapping by name";
    case CONFIG_POSITION:
        break;
    }
    return "";
}

static const char *unit_text(const struct config_field *f)
{
    if (f->unit != NULL)
        return f->unit;
    if (f->kind == CONFIG_SIZE)
        return "bytes (k, M, G)";
    if (f->kind == CONFIG_DURATION)
        return "time (ms, s, m, h, d)";
    return "";
}

static void add_range(struct evbuffer *out, const struct config_field *f)
{
    char range[128];
    char words[200];
    char cell[340];
    config_scalar_range(f, range, sizeof(range));
    config_scalar_words(f, f->kind == CONFIG_ENUM ? ", " : " or ", words, sizeof(words));
    (void)snprintf(cell, sizeof(cell), "%s%s%s", range,
                   range[0] != '\0' && words[0] != '\0' ? " or " : "", words);
    add_cell(out, cell);
}

static void add_help(struct evbuffer *out, const struct config_field *f)
{
    static const char restart[] = " A change needs a restart.";
    char cell[1024];
    (void)snprintf(cell, sizeof(cell), "%s%s", f->help != NULL ? f->help : "",
                   f->fixed ? restart : "");
    add_cell(out, cell);
}

static void add_row(struct evbuffer *out, const char *path, const struct config_field *f)
{
    evbuffer_add(out, "|", 1);
    add_code_cell(out, path);
    add_cell(out, type_text(f));
    add_cell(out, unit_text(f));
    if (f->required)
        add_cell(out, "required");
    else if (f->fallback != NULL)
        add_code_cell(out, f->fallback);
    else
        add_cell(out, f->kind == CONFIG_STRUCT ? "" : "none");
    add_range(out, f);
    add_help(out, f);
    evbuffer_add(out, "\n", 1);
}

static void add_schema(struct evbuffer *out, const char *prefix, const struct config_schema *schema)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct config_field *f = &schema->fields[i];
        const char *step = f->kind == CONFIG_LIST ? "[]" : f->kind == CONFIG_MAP ? ".<name>" : "";
        char path[PATH_MAX_BYTES];
        char inner[PATH_MAX_BYTES];
        if (f->key == NULL || f->kind == CONFIG_POSITION)
            continue;
        (void)snprintf(path, sizeof(path), "%s%s", prefix, f->key);
        add_row(out, path, f);
        if (f->sub == NULL ||
            snprintf(inner, sizeof(inner), "%s%s.", path, step) >= (int)sizeof(inner))
            continue;
        add_schema(out, inner, f->sub);
    }
}

void config_describe(const struct config_schema *schema, struct evbuffer *out)
{
    evbuffer_add_printf(out, "| Key | Type | Unit | Default | Range | Effect |\n"
                             "|---|---|---|---|---|---|\n");
    add_schema(out, "", schema);
}
