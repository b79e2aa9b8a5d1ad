/*
 * Reads text and documents for config.c; what the nodes mean is decided there.
 */
#include "common/config/config_yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX_BYTES (1u << 20)
#define NESTING_MAX 32
#define ANCHORS_MAX 1000

static const struct config_position nowhere = {0};

struct config_position config_yaml_position(const yaml_node_t *node)
{
    if (node == NULL)
        return nowhere;
    return (struct config_position){.line = (int)node->start_mark.line + 1,
                                    .column = (int)node->start_mark.column + 1,
                                    .file = (unsigned)node->start_mark.index};
}

const char *config_yaml_text(const yaml_node_t *node)
{
    return (const char *)node->data.scalar.value;
}

bool config_yaml_is_null(const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    const char *text = config_yaml_text(node);
    return text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0;
}

const char *config_yaml_describe(const yaml_node_t *node, char *buf, size_t size)
{
    if (node->type == YAML_SEQUENCE_NODE)
        return "a list";
    if (node->type == YAML_MAPPING_NODE)
        return "a mapping";
    if (config_yaml_is_null(node))
        return "nothing";
    (void)snprintf(buf, size, "'%.40s'", config_yaml_text(node));
    return buf;
}

static struct config_position position_of_offset(const char *text, size_t len, size_t offset)
{
    struct config_position at = {.line = 1, .column = 1};
    for (size_t i = 0; i < offset && i < len; i++) {
        at.column++;
        if (text[i] == '\n') {
            at.line++;
            at.column = 1;
        }
    }
    return at;
}

static bool fail_yaml(struct config_error *err, const char *name, const yaml_parser_t *parser,
                      const char *text, size_t len)
{
    struct config_position at = {.line = (int)parser->problem_mark.line + 1,
                                 .column = (int)parser->problem_mark.column + 1};
    const char *problem = parser->problem != NULL ? parser->problem : "unreadable";
    if (parser->error == YAML_READER_ERROR) /* these come with an offset only */
        at = position_of_offset(text, len, parser->problem_offset);
    if (parser->error == YAML_MEMORY_ERROR)
        return config_fail(err, name, nowhere, NULL, "out of memory");
    if (parser->context != NULL)
        return config_fail(err, name, at, NULL, "expected valid YAML: %s %s", problem,
                           parser->context);
    return config_fail(err, name, at, NULL, "expected valid YAML: %s", problem);
}

struct survey {
    int depth, documents, anchors;
};

static bool has_anchor(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor != NULL;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor != NULL;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor != NULL;
    default:
        return false;
    }
}

/* Counts one event in; false when a bound is broken. */
static bool survey_event(struct config_error *err, const char *name, const yaml_event_t *event,
                         struct survey *s)
{
    struct config_position at = {.line = (int)event->start_mark.line + 1,
                                 .column = (int)event->start_mark.column + 1};
    if (event->type == YAML_DOCUMENT_START_EVENT)
        s->documents++;
    else if (event->type == YAML_SEQUENCE_START_EVENT || event->type == YAML_MAPPING_START_EVENT)
        s->depth++;
    else if (event->type == YAML_SEQUENCE_END_EVENT || event->type == YAML_MAPPING_END_EVENT)
        s->depth--;
    s->anchors += has_anchor(event);

    if (s->documents > 1)
        return config_fail(err, name, at, NULL, "expected one YAML document, got a second one");
    if (s->depth > NESTING_MAX)
        return config_fail(err, name, at, NULL, "expected at most %d levels of nesting",
                           NESTING_MAX);
    if (s->anchors > ANCHORS_MAX)
        return config_fail(err, name, at, NULL, "expected at most %d anchors", ANCHORS_MAX);
    return true;
}

/* Goes through the text once before a document is built: libyaml needs quadratic time for deep
 * nesting (minutes for 200 kB of brackets) and for many anchors, and the survey ends at the bound.
 */
static bool survey_text(struct config_error *err, const char *name, const char *text, size_t len)
{
    yaml_parser_t parser;
    yaml_event_t event;
    struct survey s = {0};
    bool ok = true;
    bool done = false;
    if (!yaml_parser_initialize(&parser))
        return config_fail(err, name, nowhere, NULL, "out of memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    while (ok && !done) {
        if (!yaml_parser_parse(&parser, &event)) {
            ok = fail_yaml(err, name, &parser, text, len);
            break;
        }
        ok = survey_event(err, name, &event, &s);
        done = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return ok;
}

void config_yaml_note_file(yaml_document_t *doc, unsigned file)
{
    for (yaml_node_t *n = doc->nodes.start; n < doc->nodes.top; n++)
        n->start_mark.index = file;
}

bool config_yaml_parse(const char *name, const char *text, size_t len, yaml_document_t *doc,
                       struct config_error *err)
{
    yaml_parser_t parser;
    if (len > FILE_MAX_BYTES)
        return config_fail(err, name, nowhere, NULL, "expected a file of at most 1 MiB");
    if (!survey_text(err, name, text, len))
        return false;
    if (!yaml_parser_initialize(&parser))
        return config_fail(err, name, nowhere, NULL, "out of memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    bool ok = yaml_parser_load(&parser, doc) == 1 || fail_yaml(err, name, &parser, text, len);
    yaml_parser_delete(&parser);
    if (ok)
        config_yaml_note_file(doc, 0);
    return ok;
}

char *config_yaml_read(const char *path, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = malloc(FILE_MAX_BYTES + 1);
    ssize_t n = 0;
    *len = 0;
    while (fd >= 0 && text != NULL && *len < FILE_MAX_BYTES + 1) {
        n = read(fd, text + *len, FILE_MAX_BYTES + 1 - *len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        *len += (size_t)n;
    }
    int saved_errno = errno;
    if (fd < 0 || n < 0) {
        free(text);
        text = NULL;
    }
    if (fd >= 0)
        close(fd);
    errno = saved_errno;
    return text;
}
