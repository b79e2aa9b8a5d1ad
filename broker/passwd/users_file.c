/* Lines in memory, a lock, and a rename. */
#include "broker/passwd/users_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "broker/auth/files/line_file.h"
#include "broker/auth/files/passwd.h"
#include "common/base/clock.h"
#include "common/process/regular_file.h"

enum { LOCK_WAIT_MS = 10000, LOCK_PAUSE_MS = 20 };

struct line {
    char *raw;  /* as it is in the file, without its end; NULL: gone */
    char *text; /* the same, cut in two: name and hash. NULL: a comment, or empty */
    char *name;
    char *hash;
};

struct users_file {
    char path[PATH_MAX]; /* behind all links */
    int lock;            /* -1: none */
    struct stat was;     /* what it replaces */
    struct line *lines;
    size_t count, size;
    size_t bad; /* number of the first line that is neither a comment nor a user; 0: none */
};

static bool fail(const char *path, const char *cause, char *err, size_t errlen)
{
    (void)snprintf(err, errlen, "%s: %s", path, cause);
    return false;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void wipe(char *text)
{
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
}

static void drop(struct line *l)
{
    wipe(l->raw);
    /* Name and hash are in it: it was cut, so its length isn't strlen's. */
    if (l->hash != NULL)
        explicit_bzero(l->hash, strlen(l->hash));
    free(l->text);
    *l = (struct line){0};
}

/* Cuts a line at its colon. False: out of memory. `bad`: it has none. */
static bool cut(struct line *l, bool *bad)
{
    static const char mark[] = "\xef\xbb\xbf"; /* at the start of a file */
    size_t skip = strncmp(l->raw, mark, strlen(mark)) == 0 ? strlen(mark) : 0;
    l->text = strdup(l->raw + skip);
    if (l->text == NULL)
        return false;
    char *text = line_trim(l->text);
    char *colon = strchr(text, ':');
    bool is_user = text[0] != '\0' && text[0] != '#';
    *bad = is_user && (colon == NULL || colon == text);
    if (!is_user || *bad) {
        wipe(l->text);
        l->text = NULL;
        return true;
    }
    *colon = '\0';
    l->name = line_trim(text);
    l->hash = line_trim(colon + 1);
    return true;
}

/* Takes over `raw`, in any case. */
static bool add_line(struct users_file *f, char *raw)
{
    if (f->count == f->size) {
        size_t size = f->size > 0 ? f->size * 2 : 64;
        struct line *lines = reallocarray(f->lines, size, sizeof(*lines));
        if (lines == NULL) {
            wipe(raw);
            return false;
        }
        f->lines = lines;
        f->size = size;
    }
    bool bad;
    struct line *l = &f->lines[f->count++];
    *l = (struct line){.raw = raw};
    if (!cut(l, &bad))
        return false;
    if (bad && f->bad == 0)
        f->bad = f->count;
    return true;
}

static bool read_lines(struct users_file *f, FILE *stream)
{
    char *raw = NULL;
    size_t size = 0;
    ssize_t len;
    bool ok = true;
    while (ok && (len = getline(&raw, &size, stream)) >= 0) {
        bool ends = len > 0 && raw[len - 1] == '\n';
        if (ends)
            raw[len - 1] = '\0';
        if (strlen(raw) + ends < (size_t)len) { /* it has a NUL in it */
            f->bad = f->count + 1;
            break;
        }
        char *copy = strdup(raw);
        ok = copy != NULL && add_line(f, copy);
    }
    if (raw != NULL)
        explicit_bzero(raw, size);
    free(raw);
    return ok && !ferror(stream);
}

/* ---- opening --------------------------------------------------------------------------------- */

static bool is_still_there(int fd, const char *path, struct stat *was)
{
    struct stat now;
    return fstat(fd, was) == 0 && stat(path, &now) == 0 && now.st_ino == was->st_ino &&
           now.st_dev == was->st_dev;
}

/* Who had it before may have put another one in its place meanwhile: that one has to be locked then. */
static bool lock(struct users_file *f, bool create, char *err, size_t errlen)
{
    const struct timespec rest = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};
    const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (create ? O_CREAT : 0);
    uint64_t until_ms = clock_monotonic_ms() + LOCK_WAIT_MS;
    do {
        int fd = open(f->path, flags, 0600);
        if (fd < 0)
            return fail(f->path, strerror(errno), err, errlen);
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 && is_still_there(fd, f->path, &f->was)) {
            f->lock = fd;
            return S_ISREG(f->was.st_mode) || fail(f->path, "it isn't a regular file", err, errlen);
        }
        close(fd);
        nanosleep(&rest, NULL);
    } while (clock_monotonic_ms() < until_ms);
    return fail(f->path, "another program has kept it locked for 10 s", err, errlen);
}

/* Whether the broker could read it. */
static bool check(const struct users_file *f, char *err, size_t errlen)
{
    struct passwd *p = passwd_load(f->path, 0, err, errlen);
    passwd_free(p);
    return p != NULL;
}

static bool load(struct users_file *f, char *err, size_t errlen)
{
    const char *cause;
    FILE *stream = regular_file_open(f->path, &cause);
    if (stream == NULL)
        return fail(f->path, cause, err, errlen);
    bool ok = read_lines(f, stream);
    (void)fclose(stream);
    if (!ok)
        return fail(f->path, "cannot be read, or there is no memory for it", err, errlen);
    if (f->bad > 0)
        (void)snprintf(err, errlen, "%s:%zu: expected user:password", f->path, f->bad);
    return f->bad == 0;
}

/* A file that is to be made has no path behind links yet. */
static bool resolve(struct users_file *f, const char *path, bool create, char *err, size_t errlen)
{
    if (realpath(path, f->path) != NULL)
        return true;
    if (errno == ENOENT && !create)
        return fail(path, "there is no such file (-c makes one)", err, errlen);
    if (errno != ENOENT || strlen(path) >= sizeof(f->path))
        return fail(path, strerror(errno), err, errlen);
    strcpy(f->path, path);
    return true;
}

struct users_file *users_file_open(const char *path, enum users_file_use use, char *err,
                                   size_t errlen)
{
    struct users_file *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        fail(path, "out of memory", err, errlen);
        return NULL;
    }
    f->lock = -1;
    bool ok = resolve(f, path, use == USERS_FILE_NEW, err, errlen) &&
              (use == USERS_FILE_LOOK || lock(f, use == USERS_FILE_NEW, err, errlen)) &&
              (use == USERS_FILE_NEW || use == USERS_FILE_CONVERT || check(f, err, errlen)) &&
              (use == USERS_FILE_NEW || load(f, err, errlen));
    if (ok)
        return f;
    users_file_close(f);
    return NULL;
}

void users_file_close(struct users_file *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->count; i++)
        drop(&f->lines[i]);
    free(f->lines);
    if (f->lock >= 0)
        close(f->lock);
    free(f);
}

/* ---- looking and changing -------------------------------------------------------------------- */

bool users_file_next(const struct users_file *f, struct users_entry *e)
{
    while (e->line < f->count) {
        const struct line *l = &f->lines[e->line++];
        if (l->name == NULL)
            continue;
        e->name = mqtt_slice_of(l->name, strlen(l->name));
        e->hash = l->hash;
        return true;
    }
    return false;
}

bool users_file_find(const struct users_file *f, struct mqtt_slice name, struct users_entry *e)
{
    e->line = 0;
    while (users_file_next(f, e))
        if (e->name.len == name.len && memcmp(e->name.data, name.data, name.len) == 0)
            return true;
    return false;
}

bool users_file_put(struct users_file *f, struct mqtt_slice name, const struct passwd_secret *s)
{
    char hash[PASSWD_HASH_TEXT_MAX];
    char *raw;
    password_hash_write(s, hash);
    int len = asprintf(&raw, "%.*s:%s", (int)name.len, (const char *)name.data, hash);
    explicit_bzero(hash, sizeof(hash));
    if (len < 0)
        return false;
    struct users_entry e;
    if (!users_file_find(f, name, &e))
        return add_line(f, raw);
    bool bad;
    struct line *l = &f->lines[e.line - 1];
    drop(l);
    l->raw = raw;
    return cut(l, &bad);
}

bool users_file_remove(struct users_file *f, struct mqtt_slice name)
{
    struct users_entry e;
    if (!users_file_find(f, name, &e))
        return false;
    drop(&f->lines[e.line - 1]);
    return true;
}

/* ---- saving ---------------------------------------------------------------------------------- */

static bool write_lines(const struct users_file *f, int fd)
{
    FILE *stream = fdopen(fd, "w");
    if (stream == NULL) {
        close(fd);
        return false;
    }
    for (size_t i = 0; i < f->count; i++)
        if (f->lines[i].raw != NULL)
            (void)fprintf(stream, "%s\n", f->lines[i].raw);
    bool ok = fflush(stream) == 0 && !ferror(stream) && fsync(fd) == 0;
    return fclose(stream) == 0 && ok;
}

/* As the old one; nobody but owner and group has rights. */
static bool copy_rights(const struct users_file *f, int fd)
{
    struct stat fresh;
    if (fstat(fd, &fresh) != 0)
        return false;
    bool same = fresh.st_uid == f->was.st_uid && fresh.st_gid == f->was.st_gid;
    return (same || fchown(fd, f->was.st_uid, f->was.st_gid) == 0) &&
           fchmod(fd, f->was.st_mode & 0770) == 0;
}

/* The rename itself has to survive, too. */
static void sync_folder(const char *path)
{
    char copy[PATH_MAX];
    strcpy(copy, path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}

bool users_file_save(struct users_file *f, char *err, size_t errlen)
{
    char fresh[PATH_MAX + 8];
    (void)snprintf(fresh, sizeof(fresh), "%s.XXXXXX", f->path);
    int fd = mkostemp(fresh, O_CLOEXEC);
    if (fd < 0)
        return fail(fresh, strerror(errno), err, errlen);
    if (!copy_rights(f, fd)) {
        fail(f->path, "its owner can't be kept: run this as its owner, or as root", err, errlen);
        close(fd);
    } else if (!write_lines(f, fd) || rename(fresh, f->path) != 0) {
        fail(f->path, strerror(errno), err, errlen);
    } else {
        sync_folder(f->path);
        return true;
    }
    unlink(fresh);
    return false;
}
