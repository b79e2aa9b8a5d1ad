/*
 * checker - keeps one server's health: runs its checks on time and acts on the outcomes.
 *
 * Data flow: the pool embeds one for each server. Probes and passive reports go through health.c;
 *            a change is written to the server's atomics (where backend_choose reads it), logged,
 *            and told to the pool's callback when the server came up.
 * Ownership: embedded; holds a reference to its server. The settings are borrowed from the
 *            configuration in force; checker_configure gives it new ones before the old go.
 * Threads:   the control thread's.
 */
#ifndef FLOTILLA_LB_HEALTH_CHECKER_H
#define FLOTILLA_LB_HEALTH_CHECKER_H

#include <stdbool.h>
#include <stdint.h>

#include "lb/backend/server.h"
#include "lb/config/lb_config.h"
#include "lb/health/health.h"

struct event;
struct event_base;
struct probe;
struct tls_client;

struct checker {
    struct server *server;
    const struct check_config *config; /* NULL: not configured yet, or stopped */
    bool proxy_v2;
    uint32_t check_port;    /* of this server; 0: as the configuration says */
    struct tls_client *tls; /* a reference; NULL: the server is plain */
    bool tls_changed;       /* since the last checker_configure */
    struct event_base *base;
    struct event *timer;
    struct probe *probe; /* NULL: none under way */
    struct health health;
    void (*on_up)(void *arg);
    void *arg;
    /* for people */
    uint64_t checked_at_ms; /* monotonic; 0: never */
    uint64_t changed_at_ms; /* monotonic: since when it has this health */
    uint64_t took_us;
    uint64_t passes, failures;
    uint64_t impossible; /* checks that lacked something of ours */
    bool last_passed;
    bool login_refused;   /* last check: alive, but it wants a login */
    bool lacks_something; /* checks are impossible at present, and the log says so */
    char last_error[96];
};

/* `c` is zeroed memory. The first check starts at the next turn of the loop. False: out of memory.
 */
bool checker_init(struct checker *c, struct event_base *base, struct server *server,
                  void (*on_up)(void *arg), void *arg);
void checker_fini(struct checker *c);

/* New settings, in place: health and streak stay. Must be called once after checker_init. */
void checker_configure(struct checker *c, const struct check_config *config, bool proxy_v2,
                       uint32_t check_port);
/* Before checker_configure: how the server's own port is spoken with. Takes a reference; NULL: plain. */
void checker_use_tls(struct checker *c, struct tls_client *tls);
/* Stops checking (maintenance, removal), and starts it again with a check at once. */
void checker_pause(struct checker *c);
/* For good. The settings aren't used any more: they end with their configuration while the server
 * drains. */
void checker_stop(struct checker *c);
void checker_resume(struct checker *c);

/* Looks at the passive reports that the workers left on the server. */
void checker_collect_reports(struct checker *c);

#endif
