/*
 * config_locate - where in a YAML file the value of a key path stands.
 *
 * For checks across keys, which run once a whole file is read and then have to name a line. The
 * path is dotted, list items by their number: "listeners.0.backend", "backends.brokers.servers.2".
 * Errors:    false when the file can't be read or has no such path; line and column are then
 *            those of the longest part of the path that exists (0 when there is none).
 */
#ifndef FLOTILLA_COMMON_CONFIG_LOCATE_H
#define FLOTILLA_COMMON_CONFIG_LOCATE_H

#include <stdbool.h>

/* Lines and columns count from 1. */
bool config_locate(const char *file, const char *path, int *line, int *column);

#endif
