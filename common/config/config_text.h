/*
 * config_text - what the text of a value stands for.
 *
 * `${NAME}` is the environment's value of that name, `${NAME:-text}` is `text` where there is none, and `$${` is `${`;
 * in 'single quotes' all of it stays as it is written. What comes in is text, never YAML. A secret (config_schema.h)
 * may be `@FILE`: what that file has, without the line's end; a relative name counts from the folder of the file that
 * names it.
 *
 * Limits: 64 kB of text.
 * Errors: NULL, and a sentence in `why` that names the variable or the file.
 */
#ifndef FLOTILLA_COMMON_CONFIG_CONFIG_TEXT_H
#define FLOTILLA_COMMON_CONFIG_CONFIG_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Heap memory. */
char *config_text_of_environment(const char *text, char *why, size_t size);

static inline bool config_text_names_file(const char *text)
{
    return text[0] == '@';
}
/* What a file has; `text` names it. `from` is the path of the file that names it. Heap memory. */
char *config_text_of_file(const char *text, const char *from, char *why, size_t size);

/* `path`, or where it is relative the one beside the file `from`. Heap memory, NULL when there is none. */
char *config_text_beside(const char *from, const char *path);

#endif
