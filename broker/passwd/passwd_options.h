/*
 * passwd_options - the command line of flotilla-passwd.
 *
 * Words and letters are mosquitto_passwd's where it has them: -b, -c, -D, -U, -H, -I.
 * Ownership: texts are argv's.
 */
#ifndef FLOTILLA_BROKER_PASSWD_PASSWD_OPTIONS_H
#define FLOTILLA_BROKER_PASSWD_PASSWD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum passwd_command {
    PASSWD_PUT, /* adds a user, or changes a password */
    PASSWD_DELETE,
    PASSWD_CONVERT,
    PASSWD_LIST,
    PASSWD_VERIFY,
    PASSWD_HELP,
    PASSWD_VERSION,
};

enum passwd_hash_kind { PASSWD_HASH_PBKDF2, PASSWD_HASH_ARGON2ID, PASSWD_HASH_SCRAM };

struct passwd_options {
    enum passwd_command command;
    enum passwd_hash_kind hash;
    uint32_t iterations; /* or passes */
    bool create;         /* a new file */
    bool from_stdin;
    const char *file, *user;
    const char *redis;          /* its URL, instead of a file; NULL: a file */
    const char *redis_password; /* the file that has it; NULL: none */
    const char *fleet;          /* its name; NULL: it has none */
    char *password;             /* NULL: asked for */
};

extern const char passwd_usage[];

/* NULL, or what is wrong: a sentence's end. */
const char *passwd_options_parse(int argc, char **argv, struct passwd_options *out);

#endif
