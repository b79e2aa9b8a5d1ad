/*
 * config_yaml - between libyaml and the loader: a file's text, its one document, a node's place.
 *
 * Ownership: config_yaml_read returns heap memory; a parsed document is released with
 *            yaml_document_delete.
 * Limits:    1 MiB of text, 32 levels of nesting, 1,000 anchors.
 */
#ifndef FLOTILLA_COMMON_CONFIG_CONFIG_YAML_H
#define FLOTILLA_COMMON_CONFIG_CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

#include "common/config/config_error.h"

/* The text of a file, of which at most one byte more than allowed is read; NULL: see errno. */
char *config_yaml_read(const char *path, size_t *len);

/* Parses the one document of `text`; an empty text gives a document without root. */
bool config_yaml_parse(const char *name, const char *text, size_t len, yaml_document_t *doc,
                       struct config_error *err);

/* All that is in the document so far stands in this file (config_file.h). It is kept as the index of the nodes' marks,
 * of which libyaml has no more use; 0 at first. */
void config_yaml_note_file(yaml_document_t *doc, unsigned file);
/* Where a node starts; 0, 0 for NULL. */
struct config_position config_yaml_position(const yaml_node_t *node);
/* A scalar's text. */
const char *config_yaml_text(const yaml_node_t *node);
/* An unquoted nothing, `~` or `null`. */
bool config_yaml_is_null(const yaml_node_t *node);
/* The node as a noun, for "got ...": "a list", "'abc'". Uses `buf` when it needs to. */
const char *config_yaml_describe(const yaml_node_t *node, char *buf, size_t size);

#endif
