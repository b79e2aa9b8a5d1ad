/*
 * config_include - `include:` at the top of a configuration file: other files whose keys count as if they stood in it.
 *
 * A name or a list of names; a relative one counts from the folder of the file that names it. A name may be a pattern
 * of the shell (`*.yaml`): files that match, in the order of their names, or none. An included file may include
 * others.
 *
 * What two files have of one section is put together, lists one after the other; a value that both give is an error
 * that names both places.
 *
 * Limits: 256 files, 8 levels of inclusion.
 */
#ifndef FLOTILLA_COMMON_CONFIG_CONFIG_INCLUDE_H
#define FLOTILLA_COMMON_CONFIG_CONFIG_INCLUDE_H

#include <stdbool.h>
#include <yaml.h>

#include "common/config/config_error.h"

/* Takes what the document of the file `path` includes into it, and `include` out of it. */
bool config_include(yaml_document_t *doc, const char *path, struct config_error *err);

#endif
