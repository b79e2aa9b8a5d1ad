/* Hands lines to passwd.c and acl.c, and turns what they say about one into a message with a place.
 */
#include "broker/line_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#define FILE_MAX_BYTES (64u << 20)

static bool fail_file(struct line_file *f, const char *cause)
{
    if (!f->failed)
        (void)snprintf(f->err, f->errlen, "%s: cannot be read: %s", f->path, cause);
    f->failed = true;
    return false;
}

bool line_file_open(struct line_file *f, const char *path, char *err, size_t errlen)
{
    memset(f, 0, sizeof(*f));
    f->path = path;
    f->err = err;
    f->errlen = errlen;
    f->stream = fopen(path, "re");
    return f->stream != NULL || fail_file(f, strerror(errno));
}

bool line_file_fail(struct line_file *f, const char *format, ...)
{
    va_list ap;
    int used;

    if (f->failed)
        return false;
    f->failed = true;
    used = snprintf(f->err, f->errlen, "%s:%u: ", f->path, f->number);
    if (used < 0 || (size_t)used >= f->errlen)
        return false;
    va_start(ap, format);
    (void)vsnprintf(f->err + used, f->errlen - (size_t)used, format, ap);
    va_end(ap);
    for (char *p = f->err; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) /* one line, whatever the file holds */
            *p = '?';
    }
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

char *line_trim(char *text)
{
    size_t len;

    while (is_blank(*text))
        text++;
    len = strlen(text);
    while (len > 0 && is_blank(text[len - 1]))
        len--;
    text[len] = '\0';
    return text;
}

char *line_file_next(struct line_file *f)
{
    while (!f->failed) {
        errno = 0;
        ssize_t n = getline(&f->text, &f->size, f->stream);
        if (n < 0) {
            if (!feof(f->stream))
                fail_file(f, strerror(errno != 0 ? errno : EIO));
            return NULL;
        }
        f->number++;
        f->bytes += (size_t)n;
        if (f->bytes > FILE_MAX_BYTES) {
            fail_file(f, "it is larger than 64 MiB");
            return NULL;
        }
        if (strlen(f->text) != (size_t)n) {
            line_file_fail(f, "expected text, got a NUL character");
            return NULL;
        }
        char *line = line_trim(f->text);
        if (line[0] != '\0' && line[0] != '#')
            return line;
    }
    return NULL;
}

bool line_file_ok(const struct line_file *f)
{
    return !f->failed;
}

void line_file_fini(struct line_file *f)
{
    if (f->stream != NULL)
        (void)fclose(f->stream);
    free(f->text);
}
