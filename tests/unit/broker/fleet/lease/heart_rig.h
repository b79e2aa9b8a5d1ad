/*
 * heart_rig - a heart whose Redis is the test: what the heart's thread writes is read from a socket, and answered.
 * For inclusion by one test program.
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_FLEET_LEASE_HEART_RIG_H
#define FLOTILLA_TESTS_UNIT_BROKER_FLEET_LEASE_HEART_RIG_H

#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker/fleet/lease/heart.h"
#include "common/base/clock.h"
#include "common/log/log.h"

enum { NODE = 0xa, LONG_MS = 60000, INTERVAL_MS = 40, DEADLINE_MS = 10000 };
#define BEAT "beat fl:{r}: 000000000000000a 60 "
#define ALIVE "*7\r\n$5\r\nalive\r\n$1\r\n7\r\n$4\r\n1000\r\n"

struct rig {
    struct heart *heart;
    struct scripts scripts;
    struct redis_url url;
    struct heart_config cfg;
    int listener, fd;
    char input[8192];
    size_t len;
    uint64_t begun_ms;
};

/* ---- Redis ----------------------------------------------------------------------------------- */

static inline bool is_ready(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, ms) == 1;
}

static inline void read_more(struct rig *rig)
{
    assert_true(is_ready(rig->fd, DEADLINE_MS));
    ssize_t n = read(rig->fd, rig->input + rig->len, sizeof(rig->input) - 1 - rig->len);
    assert_true(n > 0);
    rig->len += (size_t)n;
    rig->input[rig->len] = '\0';
}

/* The number of a line "*3" or "$5", and behind it. */
static inline const char *line_number(const char *at, unsigned long *number)
{
    char *end;
    if (at == NULL || strstr(at, "\r\n") == NULL)
        return NULL;
    *number = strtoul(at + 1, &end, 10);
    return end + 2;
}

/* One command as words; NULL: it isn't there whole. */
static inline const char *parse(struct rig *rig, char *text, size_t size)
{
    unsigned long count = 0;
    const char *at = rig->len > 0 ? line_number(rig->input, &count) : NULL;
    text[0] = '\0';
    for (unsigned long i = 0; i < count && at != NULL; i++) {
        unsigned long len = 0;
        at = line_number(at, &len);
        if (at == NULL || (size_t)(at - rig->input) + len + 2 > rig->len)
            return NULL;
        snprintf(text + strlen(text), size - strlen(text), "%s%.*s", i > 0 ? " " : "", (int)len,
                 at);
        at += len + 2;
    }
    return at;
}

static inline void read_command(struct rig *rig, char *text, size_t size)
{
    const char *end;
    while ((end = parse(rig, text, size)) == NULL)
        read_more(rig);
    rig->len -= (size_t)(end - rig->input);
    memmove(rig->input, end, rig->len + 1);
}

static inline void say(struct rig *rig, const char *text)
{
    assert_int_equal(write(rig->fd, text, strlen(text)), strlen(text));
}

/* A new connection, whatever it asks before it loads its script. */
static inline void accept_heart(struct rig *rig)
{
    char text[8192];
    assert_true(is_ready(rig->listener, DEADLINE_MS));
    if (rig->fd >= 0)
        close(rig->fd);
    rig->fd = accept(rig->listener, NULL, NULL);
    assert_true(rig->fd >= 0);
    rig->len = 0;
    do {
        read_command(rig, text, sizeof(text));
        if (strncmp(text, "INFO server", 11) == 0)
            say(rig, "$14\r\nrun_id:r1\r\na:b\r\n");
        else if (strncmp(text, "INFO", 4) == 0)
            say(rig, "$0\r\n\r\n");
        else
            say(rig, "+OK\r\n");
    } while (strncmp(text, "SCRIPT LOAD", 11) != 0);
}

/* The next beat; its words. */
static inline const char *read_beat(struct rig *rig)
{
    static char text[8192];
    char sha[64];
    read_command(rig, text, sizeof(text));
    snprintf(sha, sizeof(sha), "EVALSHA %s 1 ", rig->scripts.sha[SCRIPT_BEAT]);
    assert_int_equal(strncmp(text, sha, strlen(sha)), 0);
    memmove(text + 5, text + strlen(sha), strlen(text) - strlen(sha) + 1);
    memcpy(text, "beat ", 5);
    return text;
}

/* ---- the loop's side ------------------------------------------------------------------------- */

static inline void open_rig(struct rig *rig)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(a);
    char url[64];
    rig->fd = -1;
    rig->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(rig->listener, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(rig->listener, 4), 0);
    assert_int_equal(getsockname(rig->listener, (struct sockaddr *)&a, &len), 0);
    snprintf(url, sizeof(url), "redis://127.0.0.1:%u", ntohs(a.sin_port));
    assert_null(redis_url_parse(url, &rig->url));
    assert_true(scripts_init(&rig->scripts));
    rig->cfg = (struct heart_config){.link = {.url = &rig->url,
                                              .connect_timeout_ms = DEADLINE_MS,
                                              .command_timeout_ms = DEADLINE_MS,
                                              .backoff_min_ms = 1,
                                              .backoff_max_ms = 1},
                                     .scripts = &rig->scripts,
                                     .prefix = "fl:{r}:",
                                     .lease_ms = LONG_MS,
                                     .interval_ms = INTERVAL_MS,
                                     .hang_ms = LONG_MS,
                                     .wake_fd = eventfd(0, EFD_CLOEXEC)};
}

static inline void begin(struct rig *rig)
{
    rig->heart = heart_new(&rig->cfg);
    assert_non_null(rig->heart);
    rig->begun_ms = clock_boottime_ms();
    heart_begin(rig->heart, NODE, rig->begun_ms);
    accept_heart(rig);
}

/* Waits until the loop is woken, and takes what is there. */
static inline struct heart_report take(struct rig *rig)
{
    struct heart_report r;
    uint64_t count;
    assert_true(is_ready(rig->cfg.wake_fd, DEADLINE_MS));
    assert_int_equal(read(rig->cfg.wake_fd, &count, sizeof(count)), sizeof(count));
    assert_true(heart_take(rig->heart, &r));
    return r;
}

static inline int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    assert_non_null(rig);
    log_init("test", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    open_rig(rig);
    *state = rig;
    return 0;
}

static inline int teardown(void **state)
{
    struct rig *rig = *state;
    heart_free(rig->heart);
    if (rig->fd >= 0)
        close(rig->fd);
    close(rig->listener);
    close(rig->cfg.wake_fd);
    free(rig);
    return 0;
}

#endif
