/* A thread of its own, made at the first reload, so that hashing doesn't wait for a large file. */
#include "broker/auth/auth_reload.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/auth/auth_files.h"
#include "broker/base/broker_config.h"
#include "common/process/work_pool.h"

struct auth_reload {
    struct event_base *base;
    const struct broker_config *config;
    uint64_t hash_key;
    auth_reload_done_fn *done;
    void *arg;
    struct work_pool *pool; /* NULL until the first start */
    bool reading, again, closing;
    struct work read;
    struct auth_files files; /* what the thread has read */
    struct broker_config fresh;
    bool loaded, has_fresh;
    char err[640];
};

struct disposal {
    struct work work; /* first member */
    struct auth_files files;
};

/* ---- in the thread --------------------------------------------------------------------------- */

static bool load(struct auth_reload *r)
{
    r->has_fresh = false;
    if (r->config->file == NULL)
        return auth_files_load(&r->config->auth, r->hash_key, &r->files, r->err, sizeof(r->err));
    struct config_error error;
    if (!broker_config_load(r->config->file, &r->fresh, &error)) {
        snprintf(r->err, sizeof(r->err), "%s", error.text);
        return false;
    }
    r->has_fresh = true;
    return auth_files_load(&r->fresh.auth, r->hash_key, &r->files, r->err, sizeof(r->err));
}

static void run_read(struct work *w)
{
    struct auth_reload *r =
        (struct auth_reload *)(void *)((char *)w - offsetof(struct auth_reload, read));
    r->loaded = load(r);
}

static void run_disposal(struct work *w)
{
    auth_files_free(&((struct disposal *)(void *)w)->files);
}

/* ---- in the loop's thread -------------------------------------------------------------------- */

static void forget_config(struct auth_reload *r)
{
    if (r->has_fresh)
        broker_config_free(&r->fresh);
    r->has_fresh = false;
}

static void on_read(struct work *w)
{
    struct auth_reload *r =
        (struct auth_reload *)(void *)((char *)w - offsetof(struct auth_reload, read));
    r->reading = false;
    if (r->closing) {
        if (w->ran && r->loaded)
            auth_files_free(&r->files);
        forget_config(r);
        return;
    }
    struct auth_files files = r->files;
    r->files = (struct auth_files){0};
    r->done(r->arg, r->loaded ? &files : NULL, r->has_fresh ? &r->fresh : NULL, r->err);
    forget_config(r);
    if (r->again)
        auth_reload_start(r);
}

static void on_disposed(struct work *w)
{
    if (!w->ran)
        run_disposal(w);
    free(w);
}

bool auth_reload_start(struct auth_reload *r)
{
    r->again = r->reading;
    if (r->reading)
        return true;
    const struct work_pool_config config = {.name = "auth-reload", .threads = 1};
    if (r->pool == NULL)
        r->pool = work_pool_new(r->base, &config);
    if (r->pool == NULL)
        return false;
    r->reading = true;
    r->read.run = run_read;
    r->read.done = on_read;
    work_pool_submit(r->pool, &r->read);
    return true;
}

void auth_reload_dispose(struct auth_reload *r, const struct auth_files *files)
{
    struct disposal *d = calloc(1, sizeof(*d));
    if (d == NULL || r->pool == NULL) {
        struct auth_files old = *files;
        free(d);
        auth_files_free(&old);
        return;
    }
    d->files = *files;
    d->work.run = run_disposal;
    d->work.done = on_disposed;
    work_pool_submit(r->pool, &d->work);
}

struct auth_reload *auth_reload_new(struct event_base *base, const struct broker_config *config,
                                    uint64_t hash_key, auth_reload_done_fn *done, void *arg)
{
    struct auth_reload *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return NULL;
    r->base = base;
    r->config = config;
    r->hash_key = hash_key;
    r->done = done;
    r->arg = arg;
    return r;
}

void auth_reload_free(struct auth_reload *r)
{
    if (r == NULL)
        return;
    r->closing = true;
    work_pool_free(r->pool);
    free(r);
}
