/* Line by line, and each line from its front. */
#include "broker/net/http_head.h"

#include <string.h>
#include <strings.h>

/* ---- characters ------------------------------------------------------------------------------ */

/* RFC 9110, 5.6.2: tchar */
static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_target_char(char c)
{
    return c > ' ' && c < 0x7f;
}

/* RFC 9110, 5.5: also bytes above ASCII, but no control character but the tab. */
static bool is_value_char(char c)
{
    unsigned char u = (unsigned char)c;
    return u == '\t' || (u >= ' ' && u != 0x7f);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static bool consists_of(struct http_text t, bool (*is)(char))
{
    for (size_t i = 0; i < t.len; i++)
        if (!is(t.at[i]))
            return false;
    return true;
}

/* ---- pieces of text --------------------------------------------------------------------------- */

static void skip(struct http_text *t, size_t n)
{
    t->at += n;
    t->len -= n;
}

/* What stands before `end`, which is taken off, too. False when there is no such character. */
static bool take_until(struct http_text *t, char end, struct http_text *out)
{
    const char *found = memchr(t->at, end, t->len);
    if (found == NULL)
        return false;
    *out = (struct http_text){t->at, (size_t)(found - t->at)};
    skip(t, out->len + 1);
    return true;
}

/* A CR elsewhere in the line fails where its characters are looked at. */
static bool take_line(struct http_text *t, struct http_text *line)
{
    if (!take_until(t, '\n', line) || line->len == 0 || line->at[line->len - 1] != '\r')
        return false;
    line->len--;
    return true;
}

static struct http_text trimmed(struct http_text t)
{
    while (t.len > 0 && is_space(t.at[0]))
        skip(&t, 1);
    while (t.len > 0 && is_space(t.at[t.len - 1]))
        t.len--;
    return t;
}

bool http_text_is(struct http_text t, const char *text)
{
    return t.len == strlen(text) && memcmp(t.at, text, t.len) == 0;
}

bool http_text_is_nocase(struct http_text t, const char *text)
{
    return t.len == strlen(text) && strncasecmp(t.at, text, t.len) == 0;
}

bool http_list_next(struct http_text *list, struct http_text *item)
{
    while (list->len > 0) {
        if (!take_until(list, ',', item)) {
            *item = *list;
            skip(list, list->len);
        }
        *item = trimmed(*item);
        if (item->len > 0)
            return true;
    }
    return false;
}

/* ---- the head --------------------------------------------------------------------------------- */

/* 1.1, or a later 1.x, which an HTTP/1.1 server answers as 1.1 */
static bool is_version(struct http_text t)
{
    return t.len == 8 && memcmp(t.at, "HTTP/1.", 7) == 0 && t.at[7] >= '1' && t.at[7] <= '9';
}

/* Clients send a path; as a proxy would be asked, scheme and host may stand before it (RFC 9112, 3.2.2). */
static bool take_path(struct http_text target, struct http_text *path)
{
    static const char *const schemes[] = {"http://", "https://", "ws://", "wss://"};
    static const struct http_text root = {"/", 1};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t len = strlen(schemes[i]);
        if (target.len <= len || strncasecmp(target.at, schemes[i], len) != 0)
            continue;
        skip(&target, len);
        while (target.len > 0 && target.at[0] != '/' && target.at[0] != '?')
            skip(&target, 1);
        if (target.len == 0 || target.at[0] == '?')
            target = root;
        break;
    }
    *path = target;
    (void)take_until(&target, '?', path);
    return path->len > 0 && path->at[0] == '/';
}

static bool parse_request_line(struct http_text line, struct http_head *out)
{
    struct http_text target;
    return take_until(&line, ' ', &out->method) && out->method.len > 0 &&
           consists_of(out->method, is_token_char) && take_until(&line, ' ', &target) &&
           consists_of(target, is_target_char) && is_version(line) && take_path(target, &out->path);
}

bool http_head_next(struct http_text *fields, struct http_text *name, struct http_text *value)
{
    struct http_text line;
    if (!take_line(fields, &line) || !take_until(&line, ':', name))
        return false;
    *value = trimmed(line);
    return name->len > 0 && consists_of(*name, is_token_char) && consists_of(*value, is_value_char);
}

enum http_head_result http_head_parse(const uint8_t *buf, size_t len, size_t limit,
                                      struct http_head *out, size_t *used)
{
    struct http_text text = {(const char *)buf, len < limit ? len : limit};
    struct http_text line;
    struct http_text name;
    struct http_text value;
    if (text.len > 0 && !is_token_char(text.at[0])) /* MQTT or TLS: it needn't be waited for */
        return HTTP_HEAD_MALFORMED;
    const char *end = memmem(text.at, text.len, "\r\n\r\n", 4);
    if (end == NULL)
        return len < limit ? HTTP_HEAD_NEED_MORE : HTTP_HEAD_TOO_LARGE;
    text.len = (size_t)(end - text.at) + 2; /* with the last field's end of line */
    *used = text.len + 2;
    if (!take_line(&text, &line) || !parse_request_line(line, out))
        return HTTP_HEAD_MALFORMED;
    out->fields = text;
    while (text.len > 0)
        if (!http_head_next(&text, &name, &value))
            return HTTP_HEAD_MALFORMED;
    return HTTP_HEAD_OK;
}
