/*
 * Document and schema are walked side by side, in the document's order, so that the first mistake in the
 * file is the one told. How deep the walk goes is bounded by the schema, not by the file. Scalars are
 * config_scalar.c's.
 */
#include "common/config/config_fill.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/config_file.h"
#include "common/config/config_scalar.h"
#include "common/config/config_suggest.h"
#include "common/config/config_text.h"
#include "common/config/config_yaml.h"

#define NAMES_MAX 4096    /* of one CONFIG_MAP; each is compared with all before it */
#define VALUES_MAX 100000 /* aliases could make a small file large */

struct loader {
    const char *name; /* borrowed */
    yaml_document_t *doc;
    struct config_error *err;
    char path[256]; /* "listeners[0].tls", cut when longer */
    unsigned values;
};

static bool fill_value(struct loader *l, const struct config_field *f, yaml_node_t *node,
                       char *value);
static bool fill_struct(struct loader *l, const struct config_schema *schema, yaml_node_t *node,
                        char *out);

/* Fails at a node (NULL: at the file as a whole) with the path walked so far. */
__attribute__((format(printf, 3, 4))) static bool fail(struct loader *l, const yaml_node_t *node,
                                                       const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    config_fail_list(l->err, l->name, config_yaml_position(node), l->path, format, ap);
    va_end(ap);
    return false;
}

/* ---- the path of keys ---- */

/* Both return the length to hand to path_pop. */
static size_t path_push_key(struct loader *l, const char *key)
{
    size_t used = strlen(l->path);
    (void)snprintf(l->path + used, sizeof(l->path) - used, "%s%.64s", used > 0 ? "." : "", key);
    return used;
}

static size_t path_push_index(struct loader *l, size_t index)
{
    size_t used = strlen(l->path);
    (void)snprintf(l->path + used, sizeof(l->path) - used, "[%zu]", index);
    return used;
}

static void path_pop(struct loader *l, size_t used)
{
    l->path[used] = '\0';
}

static bool fail_expected(struct loader *l, const struct config_field *f, const yaml_node_t *node)
{
    char expected[256];
    char found[64];
    bool scalar = node->type == YAML_SCALAR_NODE;
    config_scalar_expected(f, scalar ? config_yaml_text(node) : NULL, expected, sizeof(expected));
    return fail(l, node, "expected %s, got %s", expected,
                config_yaml_describe(node, found, sizeof(found)));
}

/* `text` is what the value stands for, which may not be what is written. */
static bool fail_text(struct loader *l, const struct config_field *f, const yaml_node_t *node,
                      const char *text)
{
    char expected[256];
    config_scalar_expected(f, text, expected, sizeof(expected));
    if (f->secret)
        return fail(l, node, "expected %s", expected);
    if (strcmp(text, config_yaml_text(node)) == 0)
        return fail(l, node, "expected %s, got '%.40s'", expected, text);
    return fail(l, node, "expected %s, got '%.40s' by '%.40s'", expected, text,
                config_yaml_text(node));
}

static bool fail_unknown_key(struct loader *l, const struct config_schema *schema,
                             const yaml_node_t *key)
{
    const char *nearest = config_suggest_key(schema, config_yaml_text(key));
    char keys[256] = "";
    size_t used = 0;
    path_push_key(l, config_yaml_text(key));
    if (nearest != NULL)
        return fail(l, key, "unknown key, did you mean '%s'?", nearest);
    for (size_t i = 0; i < schema->count && used < sizeof(keys); i++) {
        const struct config_field *f = &schema->fields[i];
        if (f->key == NULL || f->kind == CONFIG_POSITION)
            continue;
        used += (size_t)snprintf(keys + used, sizeof(keys) - used, "%s%s", used > 0 ? ", " : "",
                                 f->key);
    }
    return fail(l, key, "unknown key, expected one of %s", keys);
}

/* ---- filling values ---- */

static bool fill_text(struct loader *l, const struct config_field *f, const yaml_node_t *node,
                      const char *text, char *value)
{
    switch (config_scalar_store(f, text, value)) {
    case CONFIG_SCALAR_OK:
        return true;
    case CONFIG_SCALAR_WRONG:
        return fail_text(l, f, node, text);
    case CONFIG_SCALAR_NO_MEMORY:
        break;
    }
    return fail(l, node, "out of memory");
}

static bool is_text(struct loader *l, const struct config_field *f, const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE || config_yaml_is_null(node))
        return fail_expected(l, f, node);
    if (strlen(config_yaml_text(node)) != node->data.scalar.length)
        return fail(l, node, "expected text without a NUL character");
    return true;
}

/* The file in which a node stands. */
static const char *file_of(const struct loader *l, const yaml_node_t *node)
{
    const char *name = config_file_name(config_yaml_position(node).file);
    return name != NULL ? name : l->name;
}

/* NULL: it has failed. Heap memory. */
static char *text_of(struct loader *l, const struct config_field *f, const yaml_node_t *node)
{
    char why[320] = "out of memory";
    bool is_literal = node->data.scalar.style == YAML_SINGLE_QUOTED_SCALAR_STYLE;
    char *text = is_literal ? strdup(config_yaml_text(node))
                            : config_text_of_environment(config_yaml_text(node), why, sizeof(why));
    if (text != NULL && f->secret && !is_literal && config_text_names_file(text)) {
        char *named = text;
        text = config_text_of_file(named, file_of(l, node), why, sizeof(why));
        free(named);
    }
    if (text == NULL)
        fail(l, node, "%s", why);
    return text;
}

static bool fill_scalar(struct loader *l, const struct config_field *f, yaml_node_t *node,
                        char *value)
{
    if (!is_text(l, f, node))
        return false;
    char *text = text_of(l, f, node);
    bool ok = text != NULL && fill_text(l, f, node, text, value);
    free(text);
    return ok;
}

static size_t sequence_count(const yaml_node_t *node)
{
    return (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
}

static yaml_node_t *sequence_item(struct loader *l, const yaml_node_t *node, size_t i)
{
    return yaml_document_get_node(l->doc, node->data.sequence.items.start[i]);
}

static bool fill_strings(struct loader *l, const struct config_field *f, yaml_node_t *node,
                         struct config_strings *out)
{
    const struct config_field item = {.kind = CONFIG_STRING, .check = f->check};
    if (config_yaml_is_null(node))
        return true;
    if (node->type != YAML_SEQUENCE_NODE)
        return fail_expected(l, f, node);
    size_t count = sequence_count(node);
    if (count == 0)
        return true;
    out->items = calloc(count, sizeof(out->items[0]));
    if (out->items == NULL)
        return fail(l, node, "out of memory");
    out->count = count;
    for (size_t i = 0; i < count; i++) {
        size_t outer = path_push_index(l, i);
        if (!fill_value(l, &item, sequence_item(l, node, i), (char *)&out->items[i]))
            return false;
        path_pop(l, outer);
    }
    return true;
}

static bool list_alloc(struct loader *l, const struct config_field *f, yaml_node_t *node,
                       size_t count, struct config_list *out)
{
    if (count == 0)
        return true;
    out->items = calloc(count, f->sub->size);
    if (out->items == NULL)
        return fail(l, node, "out of memory");
    out->count = count;
    return true;
}

static bool fill_list(struct loader *l, const struct config_field *f, yaml_node_t *node,
                      struct config_list *out)
{
    if (config_yaml_is_null(node))
        return true;
    if (node->type != YAML_SEQUENCE_NODE)
        return fail_expected(l, f, node);
    if (!list_alloc(l, f, node, sequence_count(node), out))
        return false;
    for (size_t i = 0; i < out->count; i++) {
        size_t outer = path_push_index(l, i);
        if (!fill_struct(l, f->sub, sequence_item(l, node, i),
                         (char *)out->items + i * f->sub->size))
            return false;
        path_pop(l, outer);
    }
    return true;
}

static bool check_map_name(struct loader *l, const yaml_node_t *map, size_t index)
{
    const yaml_node_pair_t *pairs = map->data.mapping.pairs.start;
    const yaml_node_t *key = yaml_document_get_node(l->doc, pairs[index].key);
    if (key->type != YAML_SCALAR_NODE || key->data.scalar.length == 0)
        return fail(l, key, "expected a name");
    for (size_t i = 0; i < index; i++) {
        const yaml_node_t *other = yaml_document_get_node(l->doc, pairs[i].key);
        if (strcmp(config_yaml_text(other), config_yaml_text(key)) != 0)
            continue;
        path_push_key(l, config_yaml_text(key));
        return fail(l, key, "duplicate key, first set in line %d",
                    config_yaml_position(other).line);
    }
    return true;
}

static bool fill_map(struct loader *l, const struct config_field *f, yaml_node_t *node,
                     struct config_list *out)
{
    const struct config_field *name_field = &f->sub->fields[0];
    assert(name_field->kind == CONFIG_STRING && name_field->key == NULL);
    if (config_yaml_is_null(node))
        return true;
    if (node->type != YAML_MAPPING_NODE)
        return fail_expected(l, f, node);
    const yaml_node_pair_t *pairs = node->data.mapping.pairs.start;
    size_t count = (size_t)(node->data.mapping.pairs.top - pairs);
    if (count > NAMES_MAX)
        return fail(l, node, "expected at most %d names", NAMES_MAX);
    if (!list_alloc(l, f, node, count, out))
        return false;
    for (size_t i = 0; i < out->count; i++) {
        char *item = (char *)out->items + i * f->sub->size;
        yaml_node_t *key = yaml_document_get_node(l->doc, pairs[i].key);
        if (!check_map_name(l, node, i))
            return false;
        size_t outer = path_push_key(l, config_yaml_text(key));
        if (!is_text(l, name_field, key) ||
            !fill_text(l, name_field, key, config_yaml_text(key), item + name_field->at) ||
            !fill_struct(l, f->sub, yaml_document_get_node(l->doc, pairs[i].value), item))
            return false;
        path_pop(l, outer);
    }
    return true;
}

static bool fill_optional(struct loader *l, const struct config_field *f, yaml_node_t *node,
                          void **out)
{
    /* An empty `tls:` must not quietly mean "no TLS". */
    if (node->type != YAML_MAPPING_NODE)
        return fail_expected(l, f, node);
    *out = calloc(1, f->sub->size);
    if (*out == NULL)
        return fail(l, node, "out of memory");
    return fill_struct(l, f->sub, node, *out);
}

static bool fill_value(struct loader *l, const struct config_field *f, yaml_node_t *node,
                       char *value)
{
    if (++l->values > VALUES_MAX)
        return fail(l, node, "expected at most %d values in the file", VALUES_MAX);
    switch (f->kind) {
    case CONFIG_BOOL:
    case CONFIG_UINT:
    case CONFIG_SIZE:
    case CONFIG_DURATION:
    case CONFIG_STRING:
    case CONFIG_ENUM:
        return fill_scalar(l, f, node, value);
    case CONFIG_STRINGS:
        return fill_strings(l, f, node, (struct config_strings *)value);
    case CONFIG_STRUCT:
        return fill_struct(l, f->sub, node, value);
    case CONFIG_OPTIONAL:
        return fill_optional(l, f, node, (void **)value);
    case CONFIG_LIST:
        return fill_list(l, f, node, (struct config_list *)value);
    case CONFIG_MAP:
        return fill_map(l, f, node, (struct config_list *)value);
    case CONFIG_POSITION:
        break;
    }
    return true;
}

/* ---- structs ---- */

static int field_index(const struct config_schema *schema, const char *key)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct config_field *f = &schema->fields[i];
        if (f->key != NULL && f->kind != CONFIG_POSITION && strcmp(f->key, key) == 0)
            return (int)i;
    }
    return -1;
}

static void fill_positions(const struct config_schema *schema, const char *key,
                           const yaml_node_t *node, char *out)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct config_field *f = &schema->fields[i];
        if (f->kind != CONFIG_POSITION)
            continue;
        if (key == NULL || (f->key != NULL && strcmp(f->key, key) == 0))
            *(struct config_position *)(out + f->at) = config_yaml_position(node);
    }
}

/* One `key: value` of a mapping. `seen` holds a bit for each field already set. */
static bool fill_pair(struct loader *l, const struct config_schema *schema, yaml_node_t *key,
                      yaml_node_t *node, uint64_t *seen, char *out)
{
    if (key->type != YAML_SCALAR_NODE)
        return fail(l, key, "expected a key");
    int i = field_index(schema, config_yaml_text(key));
    if (i < 0)
        return fail_unknown_key(l, schema, key);

    size_t outer = path_push_key(l, schema->fields[i].key);
    if (*seen & (UINT64_C(1) << i))
        return fail(l, key, "duplicate key, expected it once");
    *seen |= UINT64_C(1) << i;
    fill_positions(schema, schema->fields[i].key, node, out);
    if (!fill_value(l, &schema->fields[i], node, out + schema->fields[i].at))
        return false;
    path_pop(l, outer);
    return true;
}

/* Defaults are text and take the same way as the file; those of lists are a YAML document each. */
static bool fill_fallback(struct loader *l, const struct config_field *f, char *value)
{
    yaml_document_t *outer = l->doc;
    yaml_document_t doc;
    if (config_kind_is_scalar(f->kind)) {
        if (config_scalar_store(f, f->fallback, value) == CONFIG_SCALAR_OK)
            return true;
        return fail(l, NULL, "the default '%s' doesn't fit", f->fallback);
    }
    if (!config_yaml_parse(l->name, f->fallback, strlen(f->fallback), &doc, l->err))
        return false;
    l->doc = &doc;
    bool ok = fill_value(l, f, yaml_document_get_root_node(&doc), value);
    l->doc = outer;
    yaml_document_delete(&doc);
    return ok;
}

static bool fill_absent(struct loader *l, const struct config_field *f, const yaml_node_t *mapping,
                        char *value)
{
    char expected[256];
    bool ok = true;
    if (f->key == NULL || f->kind == CONFIG_POSITION)
        return true;
    size_t outer = path_push_key(l, f->key);
    if (f->required) {
        config_scalar_expected(f, "", expected, sizeof(expected));
        return fail(l, mapping, "missing, expected %s", expected);
    }
    if (f->fallback != NULL)
        ok = fill_fallback(l, f, value);
    else if (f->kind == CONFIG_STRUCT)
        ok = fill_struct(l, f->sub, NULL, value);
    path_pop(l, outer);
    return ok;
}

/* Fills a struct from a mapping; `node` NULL (the key is absent) or empty: from the defaults. */
static bool fill_struct(struct loader *l, const struct config_schema *schema, yaml_node_t *node,
                        char *out)
{
    uint64_t seen = 0;
    char found[64];
    assert(schema->count <= 64);
    fill_positions(schema, NULL, node, out);
    if (node != NULL && node->type != YAML_MAPPING_NODE && !config_yaml_is_null(node))
        return fail(l, node, "expected a mapping, got %s",
                    config_yaml_describe(node, found, sizeof(found)));
    if (node != NULL && node->type == YAML_MAPPING_NODE) {
        for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top;
             p++) {
            if (!fill_pair(l, schema, yaml_document_get_node(l->doc, p->key),
                           yaml_document_get_node(l->doc, p->value), &seen, out))
                return false;
        }
    }
    for (size_t i = 0; i < schema->count; i++) {
        const struct config_field *f = &schema->fields[i];
        if (!(seen & (UINT64_C(1) << i)) && !fill_absent(l, f, node, out + f->at))
            return false;
    }
    const char *problem = schema->check != NULL ? schema->check(out) : NULL;
    return problem == NULL || fail(l, node, "%s", problem);
}

bool config_fill(const char *name, yaml_document_t *doc, const struct config_schema *schema,
                 void *out, struct config_error *err)
{
    struct loader l = {.name = name, .doc = doc, .err = err};
    return fill_struct(&l, schema, yaml_document_get_root_node(doc), out);
}
