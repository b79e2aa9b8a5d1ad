/*
 * Reads the file once more as a libyaml document and walks the path. Only errors come here, so the
 * second reading costs nothing that matters; common/config keeps no positions.
 */
#include "common/config_locate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

static bool key_is(yaml_document_t *doc, int id, const char *key, size_t len)
{
    const yaml_node_t *node = yaml_document_get_node(doc, id);
    return node != NULL && node->type == YAML_SCALAR_NODE && node->data.scalar.length == len &&
           memcmp(node->data.scalar.value, key, len) == 0;
}

static yaml_node_t *child(yaml_document_t *doc, const yaml_node_t *node, const char *key,
                          size_t len)
{
    if (node->type == YAML_MAPPING_NODE) {
        for (const yaml_node_pair_t *p = node->data.mapping.pairs.start;
             p < node->data.mapping.pairs.top; p++)
            if (key_is(doc, p->key, key, len))
                return yaml_document_get_node(doc, p->value);
    } else if (node->type == YAML_SEQUENCE_NODE) {
        unsigned long index = strtoul(key, NULL, 10);
        const yaml_node_item_t *items = node->data.sequence.items.start;
        if (index < (unsigned long)(node->data.sequence.items.top - items))
            return yaml_document_get_node(doc, items[index]);
    }
    return NULL;
}

static bool walk(yaml_document_t *doc, const char *path, int *line, int *column)
{
    yaml_node_t *node = yaml_document_get_root_node(doc);
    while (node != NULL) {
        *line = (int)node->start_mark.line + 1;
        *column = (int)node->start_mark.column + 1;
        if (*path == '\0')
            return true;
        size_t len = strcspn(path, ".");
        node = child(doc, node, path, len);
        path += len + (path[len] == '.');
    }
    return false;
}

bool config_locate(const char *file, const char *path, int *line, int *column)
{
    *line = *column = 0;
    FILE *f = fopen(file, "rb");
    if (f == NULL)
        return false;
    yaml_parser_t parser;
    yaml_document_t doc;
    bool found = false;
    if (yaml_parser_initialize(&parser)) {
        yaml_parser_set_input_file(&parser, f);
        if (yaml_parser_load(&parser, &doc)) {
            found = walk(&doc, path, line, column);
            yaml_document_delete(&doc);
        }
        yaml_parser_delete(&parser);
    }
    fclose(f);
    return found;
}
