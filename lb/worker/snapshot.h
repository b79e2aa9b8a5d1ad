/*
 * snapshot - one loaded configuration, as the workers use it: immutable and reference counted.
 *
 * Data flow: reload.c builds one from a validated file and gives it to workers_apply, which hands
 *            it to each worker thread. A flow holds a reference to what it uses (the snapshot, or
 *            just its backend), so an old configuration is freed when its last flow ended.
 * Threads:   ref and unref from any thread; everything else is read only once built.
 */
#ifndef FLOTILLA_LB_WORKER_SNAPSHOT_H
#define FLOTILLA_LB_WORKER_SNAPSHOT_H

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/socket.h>

#include "lb/backend/backend.h"
#include "lb/config/lb_config.h"

struct server_set;

/* One address of a listener: *:port and localhost:port have two. */
struct snapshot_listener {
    const struct listener_config *config;
    struct sockaddr_storage addr; /* of `bind`; the key by which a reload keeps a listener */
    socklen_t addrlen;
    bool is_second; /* a further address of the one before, whose counters and limit it shares */
    struct backend *backend;
    SSL_CTX
    *tls; /* a reference. NULL: plain. Certificates and settings loaded, ready for SSL_new */
};

struct snapshot {
    _Atomic unsigned refs;
    unsigned generation; /* 1 for the first, then up by one each reload */
    struct lb_config config;
    struct snapshot_listener *listeners; /* by address */
    size_t listener_count;
    struct backend **backends;
    size_t backend_count;
};

struct tls_tickets;

/* Finds or makes the server set that stands behind a backend's name. NULL: out of memory. */
typedef struct server_set *snapshot_set_fn(const char *backend, void *arg);

/* Takes the configuration, on failure too (it is zeroed). Loads certificates. NULL: `err` says why,
 * in the form of a configuration error; `file` stands for the file in it. */
struct snapshot *snapshot_build(struct lb_config *config, const char *file, unsigned generation,
                                snapshot_set_fn *set, void *arg, struct tls_tickets *tickets,
                                struct config_error *err);
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s);

#endif
