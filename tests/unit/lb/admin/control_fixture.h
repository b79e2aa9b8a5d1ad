/*
 * For tests: the control thread's context with one worker, one listener and one backend "b" of the
 * servers "s" and "[::1]:9", which aren't checked and so are up.
 */
#ifndef FLOTILLA_TESTS_UNIT_LB_ADMIN_CONTROL_FIXTURE_H
#define FLOTILLA_TESTS_UNIT_LB_ADMIN_CONTROL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "lb/admin/control.h"

static struct control control;

static inline struct snapshot *control_load(const char *bind)
{
    char text[512];
    struct lb_config config;
    struct config_error err = {0};
    int n = snprintf(text, sizeof(text),
                     "listeners: [ { name: l, bind: \"%s\", backend: b } ]\n"
                     "backends:\n"
                     "  b:\n"
                     "    health_check: { type: none }\n"
                     "    servers:\n"
                     "      - { name: s, address: \"127.0.0.1:9\", weight: 5 }\n"
                     "      - { name: \"[::1]:9\", address: \"[::1]:9\" }\n",
                     bind);
    if (!config_parse("test", text, (size_t)n, &lb_config_schema, &config, &err))
        fail_msg("%s", err.text);
    struct snapshot *s = snapshot_build(&config, "test", 3, control_set, &control, NULL, &err);
    if (s == NULL)
        fail_msg("%s", err.text);
    return s;
}

static inline void control_start(const char *bind)
{
    char err[256];
    control = (struct control){.base = event_base_new(), .notify_fd = -1};
    TAILQ_INIT(&control.pools);
    control.workers = workers_new(1);
    assert_non_null(control.workers);
    control.snapshot = control_load(bind);
    if (!workers_apply(control.workers, control.snapshot, err, sizeof(err)))
        fail_msg("%s", err);
    const struct backend_config *b = control.snapshot->config.backends.items;
    assert_true(pool_apply(control_find_pool(&control, "b"), b));
    event_base_loop(control.base, EVLOOP_NONBLOCK); /* the first checks, which ask nobody */
}

static inline void control_end(void)
{
    struct pool *p;
    while ((p = TAILQ_FIRST(&control.pools)) != NULL) {
        TAILQ_REMOVE(&control.pools, p, link);
        pool_free(p);
    }
    workers_free(control.workers);
    snapshot_unref(control.snapshot);
    event_base_free(control.base);
}

/* The port at which this process listens on that address of loopback; 0: on none. */
static inline int listening_port(const char *address)
{
    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_storage addr = {0};
        socklen_t len = sizeof(addr);
        int listens = 0;
        socklen_t size = sizeof(listens);
        char text[ADDRESS_TEXT_MAX];
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0 ||
            getsockname(fd, (struct sockaddr *)&addr, &len) != 0 || addr.ss_family != AF_INET)
            continue;
        address_format(&addr, text, sizeof(text));
        if (strncmp(text, address, strlen(address)) == 0 && text[strlen(address)] == ':')
            return ntohs(((struct sockaddr_in *)&addr)->sin_port);
    }
    return 0;
}

#endif
