/*
 * Helps config.c to answer a mistyped key: the nearest by edit distance, within a third of its
 * length and one letter.
 */
#include "common/config/config_suggest.h"

#include <string.h>

#include "common/config/config_schema.h"

#define KEY_MAX 64 /* no suggestion for longer keys */

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Levenshtein distance, for keys up to KEY_MAX long. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[KEY_MAX + 1];
    size_t len = strlen(b);
    for (size_t j = 0; j <= len; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < len; j++) {
            size_t above = row[j + 1];
            row[j + 1] = min3(above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1));
            diagonal = above;
        }
    }
    return row[len];
}

const char *config_suggest_key(const struct config_schema *schema, const char *key)
{
    const char *best = NULL;
    size_t best_distance = strlen(key) / 3 + 1;
    if (strlen(key) > KEY_MAX)
        return NULL;
    for (size_t i = 0; i < schema->count; i++) {
        const struct config_field *f = &schema->fields[i];
        if (f->key == NULL || f->kind == CONFIG_POSITION || strlen(f->key) > KEY_MAX)
            continue;
        size_t distance = edit_distance(key, f->key);
        if (distance < best_distance || (distance == best_distance && best == NULL)) {
            best = f->key;
            best_distance = distance;
        }
    }
    return best;
}
