/* getopt, and what doesn't go together. */
#include "broker/passwd/passwd_options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "broker/auth/scram/scram_keys.h"

enum {
    OPT_STDIN = 256,
    OPT_VERIFY,
    OPT_LIST,
    OPT_VERSION,
    OPT_REDIS,
    OPT_REDIS_PASSWORD,
    OPT_FLEET
};

const char passwd_usage[] =
    "usage: flotilla-passwd [-c] [-H HASH] [-I N] [--stdin] FILE USER\n"
    "       flotilla-passwd -b [-c] [-H HASH] [-I N] FILE USER PASSWORD\n"
    "       flotilla-passwd -D FILE USER\n"
    "       flotilla-passwd -U [-H HASH] [-I N] FILE\n"
    "       flotilla-passwd --verify [--stdin] FILE USER\n"
    "       flotilla-passwd --list FILE\n"
    "       flotilla-passwd --redis URL ... [USER [PASSWORD]]   (instead of FILE; not -c, -U)\n"
    "Adds a user to a password file, or changes the user's password.\n"
    "  -c, --create      make a new file; what is in an old one is gone\n"
    "  -b, --batch       take the password from the command line, where other users of this\n"
    "                    machine can see it, and the shell keeps it\n"
    "      --stdin       read the password from stdin, its first line\n"
    "  -H, --hash HASH   sha512-pbkdf2 (default; mosquitto reads it, too), argon2id, or\n"
    "                    scram-sha-256 (for clients that use SCRAM, and plain passwords)\n"
    "  -I, --iterations N  of the hash; more are slower to guess, and to check\n"
    "                    (default: 10000, argon2id 1, scram-sha-256 15000)\n"
    "  -D, --delete      delete the user\n"
    "  -U, --upgrade     hash the passwords that stand in the file as they are\n"
    "      --verify      say whether that is the password: status 0 yes, 1 no, 2 it isn't known\n"
    "      --list        print user names and hashes' kinds\n"
    "      --redis URL   the users are in this Redis (auth.chain: redis)\n"
    "      --redis-password-file FILE   Redis' password, as redis.password_file\n"
    "      --fleet NAME  of the fleet that they belong to (fleet.name)\n"
    "      --version\n"
    "      --help\n";

static const struct option options[] = {
    {"batch", no_argument, NULL, 'b'},
    {"create", no_argument, NULL, 'c'},
    {"delete", no_argument, NULL, 'D'},
    {"upgrade", no_argument, NULL, 'U'},
    {"hash", required_argument, NULL, 'H'},
    {"iterations", required_argument, NULL, 'I'},
    {"stdin", no_argument, NULL, OPT_STDIN},
    {"verify", no_argument, NULL, OPT_VERIFY},
    {"list", no_argument, NULL, OPT_LIST},
    {"redis", required_argument, NULL, OPT_REDIS},
    {"redis-password-file", required_argument, NULL, OPT_REDIS_PASSWORD},
    {"fleet", required_argument, NULL, OPT_FLEET},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

struct kind {
    const char *name;
    uint32_t usual, least, most;
    const char *wrong;
};

static const struct kind kinds[] = {
    [PASSWD_HASH_PBKDF2] = {"sha512-pbkdf2", 10000, 1, 1000000, "-I: expected 1 to 1000000"},
    [PASSWD_HASH_ARGON2ID] = {"argon2id", 1, 1, 80, "-I: expected 1 to 80 passes"},
    [PASSWD_HASH_SCRAM] = {"scram-sha-256", SCRAM_ITERATIONS_USUAL, SCRAM_ITERATIONS_MIN,
                           SCRAM_ITERATIONS_MAX, "-I: expected 4096 to 1000000"},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* What was said, before it is known whether it goes together. */
struct said {
    bool batch, command;
    const char *iterations;
};

static const char *set_command(struct passwd_options *o, struct said *s,
                               enum passwd_command command)
{
    if (s->command)
        return "expected one of -D, -U, --verify, --list";
    s->command = true;
    o->command = command;
    return NULL;
}

static const char *set_hash(struct passwd_options *o, const char *name)
{
    for (size_t i = 0; i < KINDS; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            o->hash = (enum passwd_hash_kind)i;
            return NULL;
        }
    }
    return "-H: expected sha512-pbkdf2, argon2id or scram-sha-256";
}

static const char *take(int option, struct passwd_options *o, struct said *s)
{
    switch (option) {
    case 'b':
        s->batch = true;
        return NULL;
    case 'c':
        o->create = true;
        return NULL;
    case 'D':
        return set_command(o, s, PASSWD_DELETE);
    case 'U':
        return set_command(o, s, PASSWD_CONVERT);
    case 'H':
        return set_hash(o, optarg);
    case 'I':
        s->iterations = optarg;
        return NULL;
    case OPT_STDIN:
        o->from_stdin = true;
        return NULL;
    case OPT_VERIFY:
        return set_command(o, s, PASSWD_VERIFY);
    case OPT_LIST:
        return set_command(o, s, PASSWD_LIST);
    case OPT_REDIS:
        o->redis = optarg;
        return NULL;
    case OPT_REDIS_PASSWORD:
        o->redis_password = optarg;
        return NULL;
    case OPT_FLEET:
        o->fleet = optarg;
        return NULL;
    case OPT_VERSION:
        return set_command(o, s, PASSWD_VERSION);
    case 'h':
        return set_command(o, s, PASSWD_HELP);
    default:
        return "expected only options that --help names";
    }
}

static const char *set_iterations(struct passwd_options *o, const char *text)
{
    const struct kind *kind = &kinds[o->hash];
    o->iterations = kind->usual;
    if (text == NULL)
        return NULL;
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || n < kind->least || n > kind->most)
        return kind->wrong;
    o->iterations = (uint32_t)n;
    return NULL;
}

static const char *take_words(int count, char **words, struct passwd_options *o, bool batch)
{
    bool has_user = o->command != PASSWD_CONVERT && o->command != PASSWD_LIST;
    bool has_password = o->command == PASSWD_PUT || o->command == PASSWD_VERIFY;
    if (batch && (!has_password || o->from_stdin))
        return "-b: expected without -D, -U, --list and --stdin";
    if (o->from_stdin && !has_password)
        return "--stdin: expected without -D, -U and --list";
    if (o->create && o->command != PASSWD_PUT)
        return "-c: expected without -D, -U, --verify and --list";
    if (o->redis == NULL && (o->redis_password != NULL || o->fleet != NULL))
        return "--fleet, --redis-password-file: expected together with --redis";
    if (o->redis != NULL && (o->create || o->command == PASSWD_CONVERT))
        return "--redis: expected without -c and -U";
    bool has_file = o->redis == NULL;
    if (count != has_file + has_user + batch)
        return !has_file   ? "expected USER, and PASSWORD with -b, and no FILE with --redis"
               : !has_user ? "expected FILE"
               : batch     ? "expected FILE, USER and PASSWORD"
                           : "expected FILE and USER";
    o->file = has_file ? *words++ : NULL;
    o->user = has_user ? *words++ : NULL;
    o->password = batch ? *words : NULL;
    return NULL;
}

const char *passwd_options_parse(int argc, char **argv, struct passwd_options *out)
{
    struct said said = {0};
    int option;
    *out = (struct passwd_options){.command = PASSWD_PUT};
    while ((option = getopt_long(argc, argv, "bcDUH:I:h", options, NULL)) != -1) {
        const char *wrong = take(option, out, &said);
        if (wrong != NULL)
            return wrong;
    }
    if (out->command == PASSWD_HELP || out->command == PASSWD_VERSION)
        return NULL;
    const char *wrong = set_iterations(out, said.iterations);
    return wrong != NULL ? wrong : take_words(argc - optind, argv + optind, out, said.batch);
}
