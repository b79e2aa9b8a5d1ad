/* Hands lines to passwd.c and acl.c, and turns what they say about one into a message with a place.
 */
#include "broker/auth/files/line_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/process/regular_file.h"

enum { FILE_MAX_BYTES = 1 << 30, LINE_MAX_BYTES = 256 * 1024 };

static const char byte_order_mark[] = "\xef\xbb\xbf";

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
    f->text = malloc(LINE_MAX_BYTES + 1);
    if (f->text == NULL)
        return fail_file(f, "out of memory");
    const char *cause;
    f->stream = regular_file_open(path, &cause);
    if (f->stream == NULL)
        return fail_file(f, cause);
    return regular_file_skip_mark(f->stream) || fail_file(f, strerror(errno));
}

bool line_file_fail(struct line_file *f, const char *format, ...)
{
    if (f->failed)
        return false;
    f->failed = true;
    int used = snprintf(f->err, f->errlen, "%s:%u: ", f->path, f->number);
    if (used < 0 || (size_t)used >= f->errlen)
        return false;
    va_list ap;
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
    while (is_blank(*text))
        text++;
    size_t len = strlen(text);
    while (len > 0 && is_blank(text[len - 1]))
        len--;
    text[len] = '\0';
    return text;
}

/* Reads up to the next line's end; false at the file's end or after an error. */
static bool read_line(struct line_file *f)
{
    size_t len = 0;
    f->number++;
    int c;
    while ((c = getc_unlocked(f->stream)) != EOF && c != '\n') {
        if (c == '\0')
            return line_file_fail(f, "expected text in UTF-8, got a NUL character");
        if (len == LINE_MAX_BYTES)
            return line_file_fail(f, "expected a line of at most 256 KiB");
        f->text[len++] = (char)c;
    }
    if (c == EOF && ferror(f->stream))
        return fail_file(f, strerror(errno != 0 ? errno : EIO));
    f->text[len] = '\0';
    f->bytes += len + 1;
    if (f->bytes > FILE_MAX_BYTES)
        return fail_file(f, "it is larger than 1 GiB");
    return c != EOF || len > 0;
}

/* Such a character would be a part of a name that nobody can see, or hide the rest of the line: an
 * end of line that isn't "\n" makes one line of two. */
static bool has_control(const char *text)
{
    for (; *text != '\0'; text++) {
        if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f)
            return true;
    }
    return false;
}

/* The line's entry; NULL: it has none. */
static char *entry_of(struct line_file *f)
{
    const size_t mark = sizeof(byte_order_mark) - 1;
    char *text = f->text;
    text = line_trim(text);
    if (text[0] == '\0' || text[0] == '#')
        return NULL;
    if (strncmp(text, byte_order_mark, mark) == 0) {
        line_file_fail(f, "expected no byte order mark but at the start of the file");
        return NULL;
    }
    if (has_control(text)) {
        line_file_fail(f, "expected no control characters, and lines that end with \"\\n\"");
        return NULL;
    }
    return text;
}

char *line_file_next(struct line_file *f)
{
    char *entry = NULL;
    errno = 0;
    while (entry == NULL && !f->failed && read_line(f))
        entry = entry_of(f);
    return entry;
}

bool line_file_ok(const struct line_file *f)
{
    return !f->failed;
}

void line_file_fini(struct line_file *f)
{
    if (f->stream != NULL)
        (void)fclose(f->stream);
    if (f->text != NULL)
        explicit_bzero(f->text, LINE_MAX_BYTES); /* it may have held a password's hash */
    free(f->text);
}
