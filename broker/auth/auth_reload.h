/*
 * auth_reload - reads the configuration and the files of its `auth:` again without stopping the loop: a
 * thread reads, and frees what was replaced.
 *
 * Data flow: SIGHUP → auth_reload_start; `done` gets what was read, in the loop's thread; auth.c
 *            swaps and gives the old to auth_reload_dispose.
 * Again:     a start while one is under way makes it read once more afterwards, since the files may
 *            have changed behind its back; what the first one read is given out all the same.
 * Errors:    `done` gets NULL and a sentence.
 * Shutdown:  auth_reload_free waits for the thread, and calls `done` no more.
 */
#ifndef FLOTILLA_BROKER_AUTH_AUTH_RELOAD_H
#define FLOTILLA_BROKER_AUTH_AUTH_RELOAD_H

#include <stdbool.h>
#include <stdint.h>

struct auth_files;
struct auth_reload;
struct broker_config;
struct event_base;

/* `files` is the callee's to keep. `config` is what was read, NULL without a file; what the callee leaves in it is
 * freed. */
typedef void auth_reload_done_fn(void *arg, struct auth_files *files, struct broker_config *config,
                                 const char *err);

/* `config` is the running one: its file is read again, or without one, its `auth` holds. NULL when
 * out of memory. */
struct auth_reload *auth_reload_new(struct event_base *base, const struct broker_config *config,
                                    uint64_t hash_key, auth_reload_done_fn *done, void *arg);
void auth_reload_free(struct auth_reload *r);

/* False when no thread can be had. */
bool auth_reload_start(struct auth_reload *r);
/* Frees it in the thread; takes over what is in it. */
void auth_reload_dispose(struct auth_reload *r, const struct auth_files *files);

#endif
