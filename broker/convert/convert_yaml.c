/* The last step of --convert. */
#include "broker/convert/convert_yaml.h"

#include <string.h>

#include "broker/base/broker_config.h"
#include "broker/convert/conversion.h"
#include "broker/convert/mosquitto_keys.h"

enum { PATH_MAX_BYTES = 128, INDENT = 2 };

static void write_quoted(const char *text, FILE *out)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void write_scalar(const struct config_field *f, const char *text, int indent, FILE *out)
{
    fprintf(out, "%*s%s: ", indent, "", f->key);
    bool is_list = f->kind == CONFIG_STRINGS;
    if (is_list)
        fputc('[', out);
    if (is_list || f->kind == CONFIG_STRING)
        write_quoted(text, out);
    else
        fputs(text, out);
    fputs(is_list ? "]\n" : "\n", out);
}

/* What is set of a mapping whose keys' paths begin with `prefix`. */
static void write_mapping(const struct config_schema *schema, const char *prefix,
                          const struct conversion_values *values, int indent, FILE *out)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct config_field *f = &schema->fields[i];
        char path[PATH_MAX_BYTES];
        char below[PATH_MAX_BYTES + 1];
        if (f->kind == CONFIG_POSITION || f->kind == CONFIG_LIST || f->kind == CONFIG_MAP)
            continue;
        snprintf(path, sizeof(path), "%s%s", prefix, f->key);
        snprintf(below, sizeof(below), "%s.", path);
        if (f->sub == NULL && conversion_get(values, path) != NULL) {
            write_scalar(f, conversion_get(values, path), indent, out);
        } else if (f->sub != NULL && conversion_has_below(values, below)) {
            fprintf(out, "%*s%s:\n", indent, "", f->key);
            write_mapping(f->sub, below, values, indent + INDENT, out);
        }
    }
}

static void write_listeners(const struct conversion *c, FILE *out)
{
    const struct config_field *list = mosquitto_our_field("listeners");
    bool any = false;
    for (size_t i = 0; i < c->listener_count; i++) {
        const struct conversion_listener *l = c->listeners[i];
        if (l->is_left_out)
            continue;
        if (!any)
            fputs("listeners:\n", out);
        any = true;
        fputs("  - bind: ", out);
        write_quoted(l->bind, out);
        fputc('\n', out);
        write_mapping(list->sub, "listeners.", &l->values, 2 * INDENT, out);
    }
}

void convert_yaml_write(const struct conversion *c, const char *path, FILE *out)
{
    fprintf(out,
            "# From %s by flotilla-broker --convert. See docs/from-mosquitto.md; try it with "
            "--check.\n",
            path);
    if (c->remark_count > 0)
        fputs("#\n# Lines that aren't below, and why:\n", out);
    for (size_t i = 0; i < c->remark_count; i++)
        fprintf(out, "#   line %u: %s\n", c->remarks[i].line, c->remarks[i].text);
    fputc('\n', out);
    write_listeners(c, out);
    write_mapping(&broker_config_schema, "", &c->values, 0, out);
}
