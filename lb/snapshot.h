/*
 * snapshot - one loaded configuration, as the workers use it: immutable and reference counted.
 *
 * Data flow: reload.c builds one from a validated file and gives it to workers_apply, which hands
 *            it to each worker thread. A flow holds a reference to what it uses (the snapshot, or
 *            just its backend), so an old configuration is freed when its last flow ended.
 * Threads:   ref and unref from any thread; everything else is read only once built.
 */
#ifndef FLOTILLA_LB_SNAPSHOT_H
#define FLOTILLA_LB_SNAPSHOT_H

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/socket.h>

#include "lb/backend.h"
#include "lb/lb_config.h"

struct snapshot_listener {
    const struct listener_config *config;
    struct sockaddr_storage addr; /* of `bind`; the key by which a reload keeps a listener */
    socklen_t addrlen;
    struct backend *backend;
    SSL_CTX *tls; /* NULL: plain. Certificates and settings loaded, ready for SSL_new */
};

struct snapshot {
    _Atomic unsigned refs;
    unsigned generation; /* 1 for the first, then up by one each reload */
    struct lb_config config;
    struct snapshot_listener *listeners;
    size_t listener_count;
    struct backend **backends;
    size_t backend_count;
};

struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s);

#endif
