/*
 * From a file to a struct and back to nothing: libyaml turns the file into a document whose nodes know
 * their line and column (config_yaml.c), and config_fill.c turns the document into the struct.
 */
#include "common/config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/config_fill.h"
#include "common/config/config_include.h"
#include "common/config/config_yaml.h"

static bool parse(const char *name, const char *text, size_t len,
                  const struct config_schema *schema, void *out, struct config_error *err,
                  bool is_file)
{
    yaml_document_t doc;
    memset(out, 0, schema->size);
    memset(err, 0, sizeof(*err));
    if (!config_yaml_parse(name, text, len, &doc, err))
        return false;
    bool ok =
        (!is_file || config_include(&doc, name, err)) && config_fill(name, &doc, schema, out, err);
    yaml_document_delete(&doc);
    if (!ok)
        config_free(schema, out);
    return ok;
}

bool config_parse(const char *name, const char *text, size_t len,
                  const struct config_schema *schema, void *out, struct config_error *err)
{
    return parse(name, text, len, schema, out, err, false);
}

bool config_defaults(const struct config_schema *schema, void *out, struct config_error *err)
{
    return config_parse("defaults", "", 0, schema, out, err);
}

bool config_load(const char *path, const struct config_schema *schema, void *out,
                 struct config_error *err)
{
    size_t len;
    char *text = config_yaml_read(path, &len);
    if (text == NULL) {
        memset(out, 0, schema->size);
        return config_fail(err, path, (struct config_position){0}, NULL,
                           "expected a readable file: %s", strerror(errno));
    }
    bool ok = parse(path, text, len, schema, out, err, true);
    free(text);
    return ok;
}

/* ---- release ---- */

static void free_strings(struct config_strings *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->items[i]);
    free(s->items);
}

static void free_list(const struct config_schema *sub, struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        config_free(sub, (char *)list->items + i * sub->size);
    free(list->items);
}

static void free_value(const struct config_field *f, void *value)
{
    switch (f->kind) {
    case CONFIG_STRING:
        free(*(char **)value);
        break;
    case CONFIG_STRINGS:
        free_strings(value);
        break;
    case CONFIG_STRUCT:
        config_free(f->sub, value);
        break;
    case CONFIG_OPTIONAL:
        if (*(void **)value != NULL)
            config_free(f->sub, *(void **)value);
        free(*(void **)value);
        break;
    case CONFIG_LIST:
    case CONFIG_MAP:
        free_list(f->sub, value);
        break;
    case CONFIG_BOOL:
    case CONFIG_UINT:
    case CONFIG_SIZE:
    case CONFIG_DURATION:
    case CONFIG_ENUM:
    case CONFIG_POSITION:
        break;
    }
}

void config_free(const struct config_schema *schema, void *filled)
{
    for (size_t i = 0; i < schema->count; i++)
        free_value(&schema->fields[i], (char *)filled + schema->fields[i].at);
    memset(filled, 0, schema->size);
}
