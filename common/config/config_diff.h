/*
 * config_diff - what differs between two configurations of one schema, for a reload: which keys changed, from what to
 * what, and whether one of them can't change while the program runs (`fixed` in config_schema.h).
 *
 * Pure. Positions don't count: a key that moved in the file is the same.
 */
#ifndef FLOTILLA_COMMON_CONFIG_CONFIG_DIFF_H
#define FLOTILLA_COMMON_CONFIG_CONFIG_DIFF_H

#include <stdbool.h>

#include "common/config/config_schema.h"

struct config_change {
    char path
        [256]; /* "listeners[0].bind"; of a list, an optional mapping: itself, when one came or went */
    char was[128], is[128]; /* as in the file, cut when longer; secrets aren't told */
    bool fixed;
};
typedef void config_change_fn(void *arg, const struct config_change *change);

/* Calls `found` for each value that differs, in the order of the tables. */
void config_diff(const struct config_schema *schema, const void *was, const void *is,
                 config_change_fn *found, void *arg);

#endif
