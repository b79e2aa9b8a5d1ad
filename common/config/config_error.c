/*
 * One line for whoever wrote the file: where, which key, and what was expected.
 */
#include "common/config/config_error.h"

#include <stdio.h>
#include <string.h>

#include "common/config/config_file.h"

static void start(struct config_error *err, const char *name, struct config_position at,
                  const char *path)
{
    const char *included = config_file_name(at.file);
    if (included != NULL)
        name = included;
    err->line = at.line;
    err->column = at.column;
    if (at.line > 0)
        (void)snprintf(err->text, sizeof(err->text), "%s:%d:%d: ", name, at.line, at.column);
    else
        (void)snprintf(err->text, sizeof(err->text), "%s: ", name);
    if (path != NULL && path[0] != '\0') {
        size_t used = strlen(err->text);
        (void)snprintf(err->text + used, sizeof(err->text) - used, "%s: ", path);
    }
}

__attribute__((format(printf, 2, 0))) static void append(struct config_error *err,
                                                         const char *format, va_list ap)
{
    size_t used = strlen(err->text);
    (void)vsnprintf(err->text + used, sizeof(err->text) - used, format, ap);
    for (char *p = err->text; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) /* one line, whatever the file holds */
            *p = '?';
    }
}

bool config_fail_list(struct config_error *err, const char *name, struct config_position at,
                      const char *key_path, const char *format, va_list ap)
{
    start(err, name, at, key_path);
    append(err, format, ap);
    return false;
}

bool config_fail(struct config_error *err, const char *name, struct config_position at,
                 const char *key_path, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    config_fail_list(err, name, at, key_path, format, ap);
    va_end(ap);
    return false;
}
