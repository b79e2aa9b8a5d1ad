/*
 * flotilla-broker: reads the command line and the configuration, runs one broker.
 */
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "broker/auth/auth_files.h"
#include "broker/base/broker_config.h"
#include "broker/broker.h"
#include "broker/convert/convert.h"
#include "broker/net/listener.h"
#include "broker/net/tls_contexts.h"
#include "broker/reload.h"
#include "broker/store/file/file_schema.h"
#include "common/config/config_describe.h"
#include "common/log/log.h"
#include "common/net/address.h"
#include "common/process/descriptors.h"
#include "common/redis/redis_tls.h"
#include "common/redis/redis_url.h"
#include "common/tls/tls_client.h"

static const char usage[] =
    "usage: flotilla-broker [options]\n"
    "  -c, --config FILE     configuration (YAML)\n"
    "      --check           only validate the configuration, and the files that it names\n"
    "      --listen ADDR     accept clients here (host:port); may be repeated\n"
    "      --redis URL       keep state in this Redis, together with other brokers\n"
    "      --admin ADDR      /metrics, /healthz and /readyz here\n"
    "      --convert FILE    print our configuration, made of a mosquitto.conf\n"
    "      --describe-config print every configuration key as a table\n"
    "      --version\n"
    "      --help\n";

enum {
    OPT_CHECK = 256,
    OPT_LISTEN,
    OPT_REDIS,
    OPT_ADMIN,
    OPT_CONVERT,
    OPT_DESCRIBE,
    OPT_VERSION,
    OPT_HELP
};

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"check", no_argument, NULL, OPT_CHECK},
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"redis", required_argument, NULL, OPT_REDIS},
    {"admin", required_argument, NULL, OPT_ADMIN},
    {"convert", required_argument, NULL, OPT_CONVERT},
    {"describe-config", no_argument, NULL, OPT_DESCRIBE},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

struct command_line {
    const char *config, *redis, *admin;
    const char **listen;
    size_t listen_count;
    bool check;
};

static int describe(void)
{
    struct evbuffer *out = evbuffer_new();
    if (out == NULL)
        return 1;
    config_describe(&broker_config_schema, out);
    while (evbuffer_get_length(out) > 0 && evbuffer_write(out, STDOUT_FILENO) > 0)
        ;
    evbuffer_free(out);
    return 0;
}

static int convert(const char *path)
{
    char err[512] = "the output can't be written";
    if (convert_mosquitto(path, stdout, err, sizeof(err)) && fflush(stdout) == 0)
        return 0;
    fprintf(stderr, "flotilla-broker: %s\n", err);
    return 1;
}

/* -1: go on. Else the exit code. */
static int parse(int argc, char **argv, struct command_line *line)
{
    int option;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            line->config = optarg;
            break;
        case OPT_CHECK:
            line->check = true;
            break;
        case OPT_LISTEN:
            line->listen[line->listen_count++] = optarg;
            break;
        case OPT_REDIS:
            line->redis = optarg;
            break;
        case OPT_ADMIN:
            line->admin = optarg;
            break;
        case OPT_CONVERT:
            return convert(optarg);
        case OPT_DESCRIBE:
            return describe();
        case OPT_VERSION:
            puts("flotilla-broker " FLOTILLA_VERSION);
            return 0;
        case OPT_HELP:
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            fputs(usage, stderr);
            return 2;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "flotilla-broker: unexpected argument '%s'\n%s", argv[optind], usage);
        return 2;
    }
    return -1;
}

static bool replace(char **to, const char *with)
{
    if (with == NULL)
        return true;
    free(*to);
    *to = strdup(with);
    return *to != NULL;
}

/* Puts what the command line says on top of a file, or of defaults. */
static bool complete(void *arg, struct broker_config *config, char *err, size_t errlen)
{
    const struct command_line *line = arg;
    snprintf(err, errlen, "out of memory");
    for (size_t i = 0; i < line->listen_count; i++) {
        const char *wrong = address_check(line->listen[i]);
        if (wrong != NULL) {
            snprintf(err, errlen, "--listen %s: expected %s", line->listen[i], wrong);
            return false;
        }
        if (!broker_config_add_listener(config, line->listen[i]))
            return false;
    }
    const char *expected = line->redis != NULL ? redis_url_check(line->redis) : NULL;
    if (expected != NULL) {
        snprintf(err, errlen, "--redis: expected %s", expected);
        return false;
    }
    if (!replace(&config->redis.url, line->redis) || !replace(&config->admin.bind, line->admin))
        return false;
    struct config_error error;
    if (broker_config_check_binds(config, &error) && broker_config_check_store(config, &error))
        return true;
    snprintf(err, errlen, "%s", error.text);
    return false;
}

static bool load(struct command_line *line, struct broker_config *config)
{
    struct config_error err;
    bool loaded = line->config != NULL ? broker_config_load(line->config, config, &err)
                                       : broker_config_default(config, &err);
    if (loaded && complete(line, config, err.text, sizeof(err.text)))
        return true;
    fprintf(stderr, "flotilla-broker: %s\n", err.text);
    return false;
}

/* Without a file, anyone may connect through the loopback interface, and nobody through another
 * one. */
static bool is_implicitly_anonymous(const struct command_line *line,
                                    const struct broker_config *config)
{
    const struct listener_config *items = config->listeners.items;
    if (line->config != NULL)
        return false;
    for (size_t i = 0; i < config->listeners.count; i++) {
        if (listener_is_loopback(items[i].bind))
            continue;
        LOG_WARN("anonymous_refused", KV_STR("listener", items[i].bind),
                 KV_STR("hint", "without a configuration file only loopback lets in anonymous "
                                "clients; give --config with auth: { anonymous: true } or a "
                                "password_file"));
        return false;
    }
    return true;
}

static bool check_auth(const struct broker_config *config, char *err, size_t errlen)
{
    struct auth_files files;
    if (!auth_files_load(&config->auth, 0, &files, err, errlen))
        return false;
    auth_files_free(&files);
    return true;
}

static bool check_listeners(const struct broker_config *config, char *err, size_t errlen)
{
    struct tls_contexts *tls = tls_contexts_new(&config->listeners, err, errlen);
    tls_contexts_free(tls);
    return tls != NULL;
}

static bool check_redis(const struct broker_config *config, char *err, size_t errlen)
{
    const struct redis_config *redis = &config->redis;
    struct redis_url url = {.port = 0};
    struct tls_client *tls;
    if (redis->url != NULL)
        (void)redis_url_parse(redis->url, &url); /* checked when it was loaded */
    if (redis->password_file != NULL &&
        !redis_url_read_password(&url, redis->password_file, err, errlen))
        return false;
    if (!redis_tls_new(&url, redis->tls, &tls, err, errlen))
        return false;
    tls_client_unref(tls);
    return true;
}

/* --check: what the configuration names is read as well. */
static int check(const struct broker_config *config)
{
    char err[512];
    if (!check_auth(config, err, sizeof(err)) || !check_listeners(config, err, sizeof(err)) ||
        !check_redis(config, err, sizeof(err))) {
        fprintf(stderr, "flotilla-broker: %s\n", err);
        return 1;
    }
    const char *store = config->store.file;
    if (store != NULL && *store != '\0' && !file_schema_check_path(store, err, sizeof(err))) {
        fprintf(stderr, "flotilla-broker: %s\n", err);
        return 1;
    }
    puts("configuration is valid");
    return 0;
}

/* A SIGHUP that comes while the files are read for the first time waits until it can be handled:
 * it would end the process, and they may have changed behind the reader's back. */
static void hold_reload(int how)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(how, &set, NULL);
}

/* Large buffers go back to the system as soon as they are freed, and malloc doesn't get used to them
 * (by itself it would raise this threshold to 32 MB, and keep them); the heap's end isn't given back
 * and asked for again all the time. So resident memory follows what is in use. */
static void set_up_malloc(void)
{
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 16 << 20);
}

static const char *store_name(const struct broker_config *config)
{
    if (config->redis.url != NULL)
        return "redis";
    return config->store.file != NULL && *config->store.file != '\0' ? "file" : "memory";
}

static int run(struct command_line *line, struct broker_config *config)
{
    log_init("flotilla-broker", (enum log_level)config->log.level,
             (enum log_format)config->log.format);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file at its limit is an error of that write */
    set_up_malloc();
    log_start();
    hold_reload(SIG_BLOCK);
    char err[512];
    struct broker *b = broker_new(config, is_implicitly_anonymous(line, config), err, sizeof(err));
    if (b == NULL) {
        LOG_ERROR("start_failed", KV_STR("err", err));
        return 1;
    }
    struct reload *reload = reload_new(b, config, complete, line);
    if (reload == NULL) {
        LOG_ERROR("start_failed", KV_STR("err", "out of memory"));
        broker_free(b);
        return 1;
    }
    hold_reload(SIG_UNBLOCK);
    LOG_INFO("started", KV_STR("version", FLOTILLA_VERSION), KV_STR("store", store_name(config)));
    bool ended_well = broker_run(b);
    reload_free(reload);
    broker_free(b);
    return ended_well ? 0 : 1;
}

int main(int argc, char **argv)
{
    descriptors_take_standard();
    struct command_line line = {.listen = calloc((size_t)argc, sizeof(*line.listen))};
    struct broker_config config = {0};
    if (line.listen == NULL)
        return 1;
    int status = parse(argc, argv, &line);
    if (status < 0) {
        status = 1;
        if (load(&line, &config))
            status = line.check ? check(&config) : run(&line, &config);
        broker_config_free(&config);
    }
    free(line.listen);
    return status;
}
