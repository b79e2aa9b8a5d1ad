/* Filled by convert.c, written by convert_yaml.c. */
#include "broker/convert/conversion.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mqtt/mqtt.h"

enum { REMARK_MAX = 1024 };

bool conversion_init(struct conversion *c)
{
    *c = (struct conversion){.log_level = -1};
    return conversion_add_listener(c) != NULL;
}

static void values_fini(struct conversion_values *v)
{
    for (size_t i = 0; i < v->count; i++)
        free(v->items[i].text);
}

static void listener_free(struct conversion_listener *l)
{
    values_fini(&l->values);
    free(l->host);
    free(l->client_ca.text);
    free(l->bind);
    free(l);
}

void conversion_fini(struct conversion *c)
{
    for (size_t i = 0; i < c->listener_count; i++)
        listener_free(c->listeners[i]);
    for (size_t i = 0; i < c->remark_count; i++)
        free(c->remarks[i].text);
    free(c->remarks);
    free(c->persistence.text);
    free(c->location.text);
    values_fini(&c->values);
}

void conversion_keep(struct conversion *c, char **to, const char *text)
{
    free(*to);
    *to = strdup(text);
    c->failed = c->failed || *to == NULL;
}

/* in->count: it isn't there. */
static size_t index_of(const struct conversion_values *in, const char *path)
{
    size_t i = 0;
    while (i < in->count && strcmp(in->items[i].path, path) != 0)
        i++;
    return i;
}

void conversion_set(struct conversion *c, struct conversion_values *in, const char *path,
                    const char *text, unsigned line)
{
    size_t at = index_of(in, path);
    if (at == CONVERSION_VALUES) {
        c->failed = true;
        return;
    }
    if (at == in->count)
        in->items[in->count++] = (struct conversion_value){.path = path};
    in->items[at].line = line;
    conversion_keep(c, &in->items[at].text, text);
}

const char *conversion_get(const struct conversion_values *in, const char *path)
{
    size_t at = index_of(in, path);
    return at < in->count ? in->items[at].text : NULL;
}

bool conversion_has_below(const struct conversion_values *in, const char *prefix)
{
    for (size_t i = 0; i < in->count; i++)
        if (strncmp(in->items[i].path, prefix, strlen(prefix)) == 0)
            return true;
    return false;
}

struct conversion_listener *conversion_add_listener(struct conversion *c)
{
    if (c->listener_count == CONVERSION_LISTENERS)
        return NULL;
    struct conversion_listener *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        c->failed = true;
        return NULL;
    }
    c->listeners[c->listener_count++] = l;
    return l;
}

static void make_text(char *text)
{
    if (mqtt_utf8_valid((const uint8_t *)text, strlen(text)))
        return;
    for (char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p >= 0x80)
            *p = '?';
}

void conversion_add_remark(struct conversion *c, unsigned line, const char *format, ...)
{
    char text[REMARK_MAX];
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    make_text(text);
    struct conversion_remark *more = realloc(c->remarks, (c->remark_count + 1) * sizeof(*more));
    if (more == NULL) {
        c->failed = true;
        return;
    }
    c->remarks = more;
    size_t at = c->remark_count++;
    for (; at > 0 && more[at - 1].line > line; at--)
        more[at] = more[at - 1];
    more[at] = (struct conversion_remark){.line = line};
    conversion_keep(c, &more[at].text, text);
}
