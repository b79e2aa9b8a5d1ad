#include "common/config/config_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 64 * 1024, NAME_MAX_BYTES = 255 };

struct text {
    char *bytes;
    size_t len;
};

static char *fail(struct text *t, char *why, size_t size, const char *reason)
{
    if (reason != NULL)
        snprintf(why, size, "%s", reason);
    free(t->bytes);
    return NULL;
}

static bool add(struct text *t, const char *bytes, size_t len)
{
    if (len > TEXT_MAX - t->len)
        return false;
    char *grown = realloc(t->bytes, t->len + len + 1);
    if (grown == NULL)
        return false;
    t->bytes = grown;
    memcpy(grown + t->len, bytes, len);
    t->len += len;
    grown[t->len] = '\0';
    return true;
}

static bool is_name(const char *name)
{
    if (name[0] == '\0' || (name[0] >= '0' && name[0] <= '9'))
        return false;
    return name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] ==
           '\0';
}

/* What is between the braces, `len` characters: adds what it stands for. False: `why` says so. */
static bool add_variable(struct text *t, const char *inside, size_t len, char *why, size_t size)
{
    const char *otherwise = memmem(inside, len, ":-", 2);
    size_t name_len = otherwise != NULL ? (size_t)(otherwise - inside) : len;
    char name[NAME_MAX_BYTES + 1];
    snprintf(name, sizeof(name), "%.*s", name_len < sizeof(name) ? (int)name_len : 0, inside);
    if (!is_name(name)) {
        snprintf(why, size, "expected the name of an environment variable in '${%.*s}'",
                 len < 64 ? (int)len : 64, inside);
        return false;
    }
    const char *value = getenv(name);
    if (value == NULL && otherwise == NULL) {
        snprintf(why, size, "expected the environment variable '%.100s' to be set", name);
        return false;
    }
    bool added =
        value != NULL ? add(t, value, strlen(value)) : add(t, otherwise + 2, len - name_len - 2);
    if (!added)
        snprintf(why, size, "expected at most 64 kB of text");
    return added;
}

char *config_text_of_environment(const char *text, char *why, size_t size)
{
    struct text t = {0};
    const char *at = text;
    for (const char *dollar; (dollar = strstr(at, "${")) != NULL;) {
        bool is_meant = dollar == at || dollar[-1] != '$';
        const char *end = strchr(dollar, '}');
        /* `$${` is `${` */
        if (!add(&t, at, (size_t)(dollar - at) - !is_meant))
            return fail(&t, why, size, "out of memory");
        if (!is_meant && !add(&t, "${", 2))
            return fail(&t, why, size, "out of memory");
        if (is_meant && end == NULL)
            return fail(&t, why, size, "expected '}' after '${', or '$${' for a plain '${'");
        if (is_meant && !add_variable(&t, dollar + 2, (size_t)(end - dollar) - 2, why, size))
            return fail(&t, why, size, NULL);
        at = is_meant ? end + 1 : dollar + 2;
    }
    if (!add(&t, at, strlen(at)))
        return fail(&t, why, size, "out of memory");
    return t.bytes;
}

/* One read more than the file has says so. */
static char *read_all(int fd, size_t *len)
{
    char *bytes = malloc(TEXT_MAX + 2);
    *len = 0;
    while (bytes != NULL && *len <= TEXT_MAX) {
        ssize_t n = read(fd, bytes + *len, TEXT_MAX + 1 - *len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            free(bytes);
            return NULL;
        }
        if (n == 0)
            break;
        *len += (size_t)n;
    }
    return bytes;
}

char *config_text_beside(const char *from, const char *path)
{
    const char *slash = strrchr(from, '/');
    size_t folder = slash != NULL && path[0] != '/' ? (size_t)(slash - from) + 1 : 0;
    size_t len = strlen(path);
    char *beside = malloc(folder + len + 1);
    if (beside == NULL)
        return NULL;
    memcpy(beside, from, folder);
    memcpy(beside + folder, path, len + 1);
    return beside;
}

char *config_text_of_file(const char *text, const char *from, char *why, size_t size)
{
    char *path = config_text_beside(from, text + 1);
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    size_t len = 0;
    char *bytes = fd >= 0 ? read_all(fd, &len) : NULL;
    if (bytes == NULL)
        snprintf(why, size, "expected a readable file '%.200s': %s", text + 1, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(path);
    if (bytes == NULL)
        return NULL;
    while (len > 0 && (bytes[len - 1] == '\n' || bytes[len - 1] == '\r'))
        len--;
    bytes[len <= TEXT_MAX ? len : 0] = '\0';
    if (len > 0 && len <= TEXT_MAX && strlen(bytes) == len)
        return bytes;
    snprintf(why, size, "expected a file '%.200s' with one text of at most 64 kB in it", text + 1);
    free(bytes);
    return NULL;
}
