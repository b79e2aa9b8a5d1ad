/*
 * Nodes of included files are copied into the including one's document, and say where they stood.
 */
#include "common/config/config_include.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/config/config_file.h"
#include "common/config/config_text.h"
#include "common/config/config_yaml.h"

enum { FILES_MAX = 256, LEVELS_MAX = 8, DEPTH_MAX = 32, VALUES_MAX = 100000 };

/* One inclusion under way. */
struct inclusion {
    yaml_document_t *to, *from;
    int *copies; /* of each node of `from`: its copy's number, 0 none yet. Aliases share one */
    const char *path;
    struct config_error *err;
    unsigned values; /* merged */
};

static bool include_all(yaml_document_t *doc, const char *path, struct config_error *err,
                        unsigned *files, int level);

static bool fail_at(struct config_error *err, const char *path, const yaml_node_t *node,
                    const char *what)
{
    return config_fail(err, path, config_yaml_position(node), "include", "%s", what);
}

/* ---- copies ---- */

static int copy(struct inclusion *in, int id);

static bool copy_items(struct inclusion *in, const yaml_node_t *from, int to)
{
    for (const yaml_node_item_t *i = from->data.sequence.items.start;
         i < from->data.sequence.items.top; i++) {
        int item = copy(in, *i);
        if (item == 0 || !yaml_document_append_sequence_item(in->to, to, item))
            return false;
    }
    return true;
}

static bool copy_pair(struct inclusion *in, const yaml_node_pair_t *pair, int to)
{
    int key = copy(in, pair->key);
    int value = key != 0 ? copy(in, pair->value) : 0;
    return value != 0 && yaml_document_append_mapping_pair(in->to, to, key, value);
}

static bool copy_pairs(struct inclusion *in, const yaml_node_t *from, int to)
{
    for (const yaml_node_pair_t *p = from->data.mapping.pairs.start;
         p < from->data.mapping.pairs.top; p++)
        if (!copy_pair(in, p, to))
            return false;
    return true;
}

static int copy_alone(struct inclusion *in, const yaml_node_t *node)
{
    switch (node->type) {
    case YAML_SCALAR_NODE:
        return yaml_document_add_scalar(in->to, node->tag, node->data.scalar.value,
                                        (int)node->data.scalar.length, node->data.scalar.style);
    case YAML_SEQUENCE_NODE:
        return yaml_document_add_sequence(in->to, node->tag, node->data.sequence.style);
    case YAML_MAPPING_NODE:
        return yaml_document_add_mapping(in->to, node->tag, node->data.mapping.style);
    case YAML_NO_NODE:
        break;
    }
    return 0;
}

/* The number of a node's copy; 0 when out of memory. */
static int copy(struct inclusion *in, int id)
{
    const yaml_node_t *node = yaml_document_get_node(in->from, id);
    if (in->copies[id - 1] != 0)
        return in->copies[id - 1];
    int to = copy_alone(in, node);
    if (to == 0)
        return 0;
    in->copies[id - 1] = to; /* before what is in it, which may be an alias of it */
    yaml_document_get_node(in->to, to)->start_mark = node->start_mark;
    bool whole = node->type == YAML_SCALAR_NODE ||
                 (node->type == YAML_SEQUENCE_NODE && copy_items(in, node, to)) ||
                 (node->type == YAML_MAPPING_NODE && copy_pairs(in, node, to));
    return whole ? to : 0;
}

/* ---- merging ---- */

static bool is_same_key(const yaml_node_t *a, const yaml_node_t *b)
{
    return a->type == YAML_SCALAR_NODE && b->type == YAML_SCALAR_NODE &&
           strcmp(config_yaml_text(a), config_yaml_text(b)) == 0;
}

/* The number of the key's value, 0: it has none. */
static int find_value(yaml_document_t *doc, int mapping, const yaml_node_t *key)
{
    const yaml_node_t *node = yaml_document_get_node(doc, mapping);
    for (const yaml_node_pair_t *p = node->data.mapping.pairs.start;
         p < node->data.mapping.pairs.top; p++)
        if (is_same_key(yaml_document_get_node(doc, p->key), key))
            return p->value;
    return 0;
}

static bool fail_twice(struct inclusion *in, const yaml_node_t *key, const yaml_node_t *first)
{
    struct config_position at = config_yaml_position(first);
    const char *file = config_file_name(at.file);
    return config_fail(in->err, in->path, config_yaml_position(key), config_yaml_text(key),
                       "expected it in one file only, it is also in %s:%d",
                       file != NULL ? file : "another one", at.line);
}

static bool merge(struct inclusion *in, int to, const yaml_node_t *from, int depth);

static bool merge_pair(struct inclusion *in, int to, const yaml_node_pair_t *pair, int depth)
{
    const yaml_node_t *key = yaml_document_get_node(in->from, pair->key);
    const yaml_node_t *value = yaml_document_get_node(in->from, pair->value);
    int there = find_value(in->to, to, key);
    /* Aliases could make few lines many. */
    in->values +=
        1 + (value->type == YAML_SEQUENCE_NODE
                 ? (unsigned)(value->data.sequence.items.top - value->data.sequence.items.start)
                 : 0);
    if (in->values > VALUES_MAX)
        return fail_at(in->err, in->path, key, "expected at most 100,000 values");
    if (there == 0)
        return copy_pair(in, pair, to) || fail_at(in->err, in->path, key, "out of memory");
    const yaml_node_t *old = yaml_document_get_node(in->to, there);
    if (old->type == YAML_MAPPING_NODE && value->type == YAML_MAPPING_NODE)
        return merge(in, there, value, depth + 1);
    if (old->type == YAML_SEQUENCE_NODE && value->type == YAML_SEQUENCE_NODE)
        return copy_items(in, value, there) || fail_at(in->err, in->path, key, "out of memory");
    return fail_twice(in, key, old);
}

static bool merge(struct inclusion *in, int to, const yaml_node_t *from, int depth)
{
    if (depth > DEPTH_MAX)
        return fail_at(in->err, in->path, from, "expected at most 32 levels of nesting");
    for (const yaml_node_pair_t *p = from->data.mapping.pairs.start;
         p < from->data.mapping.pairs.top; p++)
        if (!merge_pair(in, to, p, depth))
            return false;
    return true;
}

static bool merge_documents(yaml_document_t *doc, yaml_document_t *from, const char *path,
                            struct config_error *err)
{
    size_t count = (size_t)(from->nodes.top - from->nodes.start);
    yaml_node_t *root = yaml_document_get_root_node(from);
    if (root == NULL || config_yaml_is_null(root))
        return true;
    if (root->type != YAML_MAPPING_NODE)
        return config_fail(err, path, config_yaml_position(root), NULL, "expected a mapping");
    struct inclusion in = {.to = doc, .from = from, .path = path, .err = err};
    in.copies = calloc(count, sizeof(in.copies[0]));
    bool ok =
        in.copies != NULL ? merge(&in, 1, root, 0) : fail_at(err, path, NULL, "out of memory");
    free(in.copies);
    return ok;
}

/* ---- files ---- */

static bool include_file(yaml_document_t *doc, const char *path, struct config_error *err,
                         unsigned *files, int level)
{
    yaml_document_t from;
    size_t len;
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) /* a pipe could keep its reader for ever */
        return config_fail(err, path, (struct config_position){0}, NULL, "expected a file");
    char *text = config_yaml_read(path, &len);
    if (text == NULL)
        return config_fail(err, path, (struct config_position){0}, NULL,
                           "expected a readable file: %s", strerror(errno));
    bool ok = config_yaml_parse(path, text, len, &from, err);
    free(text);
    if (!ok)
        return false;
    config_yaml_note_file(&from, config_file_number(path));
    ok = include_all(&from, path, err, files, level + 1) && merge_documents(doc, &from, path, err);
    yaml_document_delete(&from);
    return ok;
}

/* All that match, by their names; a name without a pattern is there or an error. */
static bool include_pattern(yaml_document_t *doc, const char *path, const yaml_node_t *at,
                            const char *pattern, struct config_error *err, unsigned *files,
                            int level)
{
    glob_t found = {0};
    struct config_position position =
        config_yaml_position(at); /* `at` moves as the document grows */
    bool ok = true;
    int result = glob(pattern, GLOB_NOMAGIC, NULL, &found);
    if (result != 0 && result != GLOB_NOMATCH)
        ok = config_fail(err, path, position, "include", "expected a readable folder: '%.200s'",
                         pattern);
    for (size_t i = 0; ok && result == 0 && i < found.gl_pathc; i++) {
        if (level >= LEVELS_MAX || ++*files > FILES_MAX)
            ok = config_fail(err, path, position, "include",
                             "expected at most %d files in %d levels; does a file include itself?",
                             FILES_MAX, LEVELS_MAX);
        else
            ok = include_file(doc, found.gl_pathv[i], err, files, level);
    }
    globfree(&found);
    return ok;
}

static bool include_name(yaml_document_t *doc, const char *path, int name, struct config_error *err,
                         unsigned *files, int level)
{
    const yaml_node_t *node = yaml_document_get_node(doc, name);
    char why[320];
    if (node->type != YAML_SCALAR_NODE || config_yaml_is_null(node))
        return fail_at(err, path, node, "expected the name of a file, or a list of names");
    char *text = config_text_of_environment(config_yaml_text(node), why, sizeof(why));
    if (text == NULL)
        return fail_at(err, path, node, why);
    char *pattern = config_text_beside(path, text);
    bool ok = pattern != NULL ? include_pattern(doc, path, node, pattern, err, files, level)
                              : fail_at(err, path, node, "out of memory");
    free(pattern);
    free(text);
    return ok;
}

/* Takes the key out of the document's root. 0: it isn't there. */
static int take_names(yaml_document_t *doc)
{
    yaml_node_t *root = yaml_document_get_root_node(doc);
    if (root == NULL || root->type != YAML_MAPPING_NODE)
        return 0;
    yaml_node_pair_t *top = root->data.mapping.pairs.top;
    for (yaml_node_pair_t *p = root->data.mapping.pairs.start; p < top; p++) {
        const yaml_node_t *key = yaml_document_get_node(doc, p->key);
        if (key->type != YAML_SCALAR_NODE || strcmp(config_yaml_text(key), "include") != 0)
            continue;
        int value = p->value;
        memmove(p, p + 1, (size_t)(top - p - 1) * sizeof(*p));
        root->data.mapping.pairs.top--;
        return value;
    }
    return 0;
}

static bool include_all(yaml_document_t *doc, const char *path, struct config_error *err,
                        unsigned *files, int level)
{
    int names = take_names(doc);
    if (names == 0)
        return true;
    if (yaml_document_get_node(doc, names)->type != YAML_SEQUENCE_NODE)
        return include_name(doc, path, names, err, files, level);
    for (size_t i = 0;; i++) {
        const yaml_node_t *list = yaml_document_get_node(doc, names);
        if (i >= (size_t)(list->data.sequence.items.top - list->data.sequence.items.start))
            return true;
        if (!include_name(doc, path, list->data.sequence.items.start[i], err, files, level))
            return false;
    }
}

bool config_include(yaml_document_t *doc, const char *path, struct config_error *err)
{
    unsigned files = 1;
    config_yaml_note_file(doc, config_file_number(path));
    return include_all(doc, path, err, &files, 0);
}
