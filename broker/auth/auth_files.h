/*
 * auth_files - what the configuration's `auth:` and its files say, as one piece: loaded whole or
 * not at all.
 *
 * Data flow: loaded at start and for --check; at a reload by a thread (auth_reload.c); auth.c asks
 *            what is in it.
 * Errors:    a sentence for an operator, with file, line and what was expected.
 * Threads:   auth_files_load and auth_files_free may run in any. A million users take a second.
 */
#ifndef FLOTILLA_BROKER_AUTH_AUTH_FILES_H
#define FLOTILLA_BROKER_AUTH_AUTH_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/base/broker_config.h"

struct acl;
struct jwt_keys;
struct passwd;

struct auth_files {
    bool anonymous; /* clients without user name are let in */
    struct certificate_config certificate;
    struct passwd *passwd; /* NULL: no file */
    struct acl *acl;       /* NULL: no file */
    struct jwt_keys *jwt;  /* NULL: no keys */
};

/* `out` is all zero on failure. `hash_key` is passwd_load's. */
bool auth_files_load(const struct auth_config *config, uint64_t hash_key, struct auth_files *out,
                     char *err, size_t errlen);
void auth_files_free(struct auth_files *f);

#endif
