#include "common/config/config_diff.h"

#include <stdio.h>
#include <string.h>

struct walk {
    config_change_fn *found;
    void *arg;
    bool fixed; /* all below here */
    struct config_change change;
};

static void diff_struct(struct walk *w, const struct config_schema *schema, const char *was,
                        const char *is);

static size_t push(struct walk *w, const char *key)
{
    size_t used = strlen(w->change.path);
    snprintf(w->change.path + used, sizeof(w->change.path) - used, "%s%s", used > 0 ? "." : "",
             key);
    return used;
}

static size_t push_index(struct walk *w, size_t index)
{
    size_t used = strlen(w->change.path);
    snprintf(w->change.path + used, sizeof(w->change.path) - used, "[%zu]", index);
    return used;
}

static void tell(struct walk *w, const struct config_field *f)
{
    w->change.fixed = w->fixed || f->fixed;
    w->found(w->arg, &w->change);
}

/* ---- values as text -------------------------------------------------------------------------- */

static const char *text_or_none(const char *text)
{
    return text != NULL ? text : "none";
}

static void strings_to_text(const struct config_strings *s, char *out, size_t size)
{
    size_t used = 0;
    snprintf(out, size, "none");
    for (size_t i = 0; i < s->count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i > 0 ? ", " : "", s->items[i]);
}

static void to_text(const struct config_field *f, const void *value, char *out, size_t size)
{
    switch (f->kind) {
    case CONFIG_BOOL:
        snprintf(out, size, "%s", *(const bool *)value ? "true" : "false");
        return;
    case CONFIG_UINT:
        snprintf(out, size, "%lu", (unsigned long)*(const uint32_t *)value);
        return;
    case CONFIG_SIZE:
        snprintf(out, size, "%llu", (unsigned long long)*(const uint64_t *)value);
        return;
    case CONFIG_DURATION:
        snprintf(out, size, "%llums", (unsigned long long)*(const uint64_t *)value);
        return;
    case CONFIG_STRING:
        snprintf(out, size, "%s", f->secret ? "a secret" : text_or_none(*(char *const *)value));
        return;
    case CONFIG_ENUM:
        snprintf(out, size, "%s", f->names[*(const int *)value]);
        return;
    case CONFIG_STRINGS:
        strings_to_text(value, out, size);
        return;
    case CONFIG_OPTIONAL:
        snprintf(out, size, "%s", *(void *const *)value != NULL ? "given" : "none");
        return;
    case CONFIG_LIST:
    case CONFIG_MAP:
        snprintf(out, size, "%zu items", ((const struct config_list *)value)->count);
        return;
    case CONFIG_STRUCT:
    case CONFIG_POSITION:
        break;
    }
    out[0] = '\0';
}

/* ---- comparing ------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_strings(const struct config_strings *a, const struct config_strings *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return true;
}

/* Of lists and optional mappings: whether as many are there. */
static bool same_value(const struct config_field *f, const void *a, const void *b)
{
    switch (f->kind) {
    case CONFIG_BOOL:
        return *(const bool *)a == *(const bool *)b;
    case CONFIG_UINT:
        return *(const uint32_t *)a == *(const uint32_t *)b;
    case CONFIG_SIZE:
    case CONFIG_DURATION:
        return *(const uint64_t *)a == *(const uint64_t *)b;
    case CONFIG_STRING:
        return same_text(*(char *const *)a, *(char *const *)b);
    case CONFIG_ENUM:
        return *(const int *)a == *(const int *)b;
    case CONFIG_STRINGS:
        return same_strings(a, b);
    case CONFIG_OPTIONAL:
        return (*(void *const *)a == NULL) == (*(void *const *)b == NULL);
    case CONFIG_LIST:
    case CONFIG_MAP:
        return ((const struct config_list *)a)->count == ((const struct config_list *)b)->count;
    case CONFIG_STRUCT:
    case CONFIG_POSITION:
        break;
    }
    return true;
}

/* Of the items that both have. */
static void diff_items(struct walk *w, const struct config_field *f, const struct config_list *was,
                       const struct config_list *is)
{
    for (size_t i = 0; i < was->count && i < is->count; i++) {
        size_t outer = push_index(w, i);
        diff_struct(w, f->sub, (const char *)was->items + i * f->sub->size,
                    (const char *)is->items + i * f->sub->size);
        w->change.path[outer] = '\0';
    }
}

static void diff_below(struct walk *w, const struct config_field *f, const char *was,
                       const char *is)
{
    bool outer = w->fixed;
    if (f->kind == CONFIG_STRUCT) {
        w->fixed |= f->fixed;
        diff_struct(w, f->sub, was, is);
    } else if (f->kind == CONFIG_OPTIONAL && *(void *const *)was != NULL &&
               *(void *const *)is != NULL) {
        diff_struct(w, f->sub, *(char *const *)was, *(char *const *)is);
    } else if (f->kind == CONFIG_LIST || f->kind == CONFIG_MAP) {
        diff_items(w, f, (const void *)was, (const void *)is);
    }
    w->fixed = outer;
}

static void diff_struct(struct walk *w, const struct config_schema *schema, const char *was,
                        const char *is)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct config_field *f = &schema->fields[i];
        if (f->kind == CONFIG_POSITION)
            continue;
        size_t outer = push(w, f->key != NULL ? f->key : "name");
        if (!same_value(f, was + f->at, is + f->at)) {
            to_text(f, was + f->at, w->change.was, sizeof(w->change.was));
            to_text(f, is + f->at, w->change.is, sizeof(w->change.is));
            tell(w, f);
        }
        diff_below(w, f, was + f->at, is + f->at);
        w->change.path[outer] = '\0';
    }
}

void config_diff(const struct config_schema *schema, const void *was, const void *is,
                 config_change_fn *found, void *arg)
{
    struct walk w = {.found = found, .arg = arg};
    diff_struct(&w, schema, was, is);
}
