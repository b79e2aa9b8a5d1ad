/*
 * config_error - what is wrong with a configuration, and where: the loader's own findings and those
 * of checks that need the whole of it, in one form.
 *
 * Units: lines and columns count from 1; 0, 0 when nothing of it is in the file.
 */
#ifndef FLOTILLA_COMMON_CONFIG_CONFIG_ERROR_H
#define FLOTILLA_COMMON_CONFIG_CONFIG_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

struct config_error {
    char text[512]; /* whole message, as in config.h */
    int line, column;
};

/* A place in the file. For checks that need the whole configuration ("no such backend"), which then
 * report with config_fail. */
struct config_position {
    int line, column;
    unsigned
        file; /* config_file.h: the file that stands there, not the one that a report names. 0: that one */
};

/* Writes an error in the form of the loader's own; returns false. */
bool config_fail(struct config_error *err, const char *name, struct config_position at,
                 const char *key_path, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
bool config_fail_list(struct config_error *err, const char *name, struct config_position at,
                      const char *key_path, const char *format, va_list ap)
    __attribute__((format(printf, 5, 0)));

#endif
