/*
 * configuration_doc - the two tests of a program's configuration reference: docs/configuration.md
 * holds the table that --describe-config prints, and the example file explains every key.
 *
 * The includer defines CONFIGURATION_SCHEMA and CONFIGURATION_EXAMPLE.
 */
#ifndef FLOTILLA_TESTS_UNIT_CONFIGURATION_DOC_H
#define FLOTILLA_TESTS_UNIT_CONFIGURATION_DOC_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/buffer.h>

#include "common/config/config_describe.h"

static char *read_file(const char *path)
{
    struct evbuffer *b = evbuffer_new();
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char chunk[4096];
    size_t n;
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        evbuffer_add(b, chunk, n);
    fclose(f);
    evbuffer_add(b, "", 1);
    char *text = malloc(evbuffer_get_length(b));
    evbuffer_remove(b, text, evbuffer_get_length(b));
    evbuffer_free(b);
    return text;
}

static void the_reference_has_the_table_of_the_program(void **state)
{
    (void)state;
    char *doc = read_file(TEST_SOURCE_DIR "/docs/configuration.md");
    struct evbuffer *table = evbuffer_new();
    config_describe(CONFIGURATION_SCHEMA, table);
    evbuffer_add(table, "", 1);
    if (strstr(doc, (char *)evbuffer_pullup(table, -1)) == NULL)
        fail_msg("docs/configuration.md is out of date: run docs/update-configuration.sh");
    evbuffer_free(table);
    free(doc);
}

static void the_example_file_names_every_key(void **state)
{
    (void)state;
    char *example = read_file(TEST_SOURCE_DIR "/" CONFIGURATION_EXAMPLE);
    struct evbuffer *table = evbuffer_new();
    config_describe(CONFIGURATION_SCHEMA, table);
    char *line;
    while ((line = evbuffer_readln(table, NULL, EVBUFFER_EOL_LF)) != NULL) {
        char key[64];
        char *end = line[0] == '|' && line[2] == '`' ? strchr(line + 3, '`') : NULL;
        if (end != NULL) {
            *end = '\0';
            const char *last = strrchr(line + 3, '.');
            snprintf(key, sizeof(key), "%.60s:", last == NULL ? line + 3 : last + 1);
            if (strchr(key, '<') == NULL && strchr(key, '[') == NULL &&
                strstr(example, key) == NULL)
                fail_msg(CONFIGURATION_EXAMPLE " doesn't explain %s", key);
        }
        free(line);
    }
    evbuffer_free(table);
    free(example);
}

#endif
