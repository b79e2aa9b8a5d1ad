/*
 * redis_server - a redis-server of the test's own: on a unix socket in a new folder, stopped by its
 * process id. For inclusion by one test program.
 */
#ifndef FLOTILLA_TESTS_UNIT_REDIS_SERVER_H
#define FLOTILLA_TESTS_UNIT_REDIS_SERVER_H

#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct redis_server {
    char folder[64];
    char socket[96];
    char url[128];
    pid_t pid;
};

static inline void redis_server_nap(void)
{
    struct timespec ts = {.tv_nsec = 5 * 1000 * 1000};
    nanosleep(&ts, NULL);
}

/* A plain blocking connection, NULL while the server doesn't answer. */
static inline redisContext *redis_server_connect(const struct redis_server *s)
{
    redisContext *c = redisConnectUnix(s->socket);
    if (c == NULL || c->err != 0) {
        if (c != NULL)
            redisFree(c);
        return NULL;
    }
    redisReply *r = redisCommand(c, "PING");
    if (r == NULL || r->type == REDIS_REPLY_ERROR) {
        if (r != NULL)
            freeReplyObject(r);
        redisFree(c);
        return NULL;
    }
    freeReplyObject(r);
    return c;
}

/* Starts it (again: what its append-only file holds is there). `key` NULL or "--key". Its file is
 * written at each turn, and never later because a disk is slow at syncing it: kill -9 loses nothing. */
static inline bool redis_server_run(struct redis_server *s, const char *key, const char *value)
{
    redisContext *c = NULL;
    unlink(s->socket);
    s->pid = fork();
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", s->socket, "--dir",
               s->folder, "--appendonly", "yes", "--appendfsync", "no", "--save", "", "--logfile",
               "/dev/null", key, value, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 2000 && c == NULL; i++) {
        c = redis_server_connect(s);
        if (c == NULL)
            redis_server_nap();
    }
    if (c == NULL)
        return false;
    redisFree(c);
    return true;
}

static inline bool redis_server_start(struct redis_server *s)
{
    memset(s, 0, sizeof(*s));
    snprintf(s->folder, sizeof(s->folder), "/tmp/flotilla-test-XXXXXX");
    if (mkdtemp(s->folder) == NULL)
        return false;
    snprintf(s->socket, sizeof(s->socket), "%s/s", s->folder);
    snprintf(s->url, sizeof(s->url), "unix://%s", s->socket);
    return redis_server_run(s, NULL, NULL);
}

static inline void redis_server_kill(struct redis_server *s)
{
    if (s->pid <= 0)
        return;
    kill(s->pid, SIGCONT);
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    s->pid = 0;
}

static inline void redis_server_stop(struct redis_server *s)
{
    char command[128];
    redis_server_kill(s);
    snprintf(command, sizeof(command), "rm -rf '%s'", s->folder);
    if (strncmp(s->folder, "/tmp/flotilla-test-", 19) == 0 && system(command) != 0)
        fprintf(stderr, "left behind: %s\n", s->folder);
}

#endif
