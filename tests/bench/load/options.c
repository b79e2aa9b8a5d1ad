#include "tests/bench/load/options.h"

#include <getopt.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/load/conn.h"

static const char *const mode_names[MODE_COUNT] = {
    [MODE_PAIRS] = "pairs",         [MODE_FAN_IN] = "fan-in",   [MODE_FAN_OUT] = "fan-out",
    [MODE_TELEMETRY] = "telemetry", [MODE_STORM] = "storm",     [MODE_IDLE] = "idle",
    [MODE_RETAINED] = "retained",   [MODE_DURABLE] = "durable",
};

static const char usage[] =
    "flotilla-bench MODE --target HOST:PORT [options]\n"
    "\n"
    "Modes\n"
    "  pairs      N publishers, each to one subscriber of its own\n"
    "  fan-in     N publishers to one subscriber\n"
    "  fan-out    one publisher to N subscribers\n"
    "  telemetry  N devices, each on its own topic at --rate, to --subscribers with a wildcard\n"
    "  storm      --count connections, N at once: connect, CONNECT, CONNACK, close\n"
    "  idle       N connections that do nothing: memory of each\n"
    "  retained   --count retained topics set, then read by a wildcard\n"
    "  durable    --count messages queued for N durable sessions while away, then fetched\n"
    "\n"
    "Where\n"
    "  --target A         address of all; repeat it to spread (or --publish-to, --subscribe-to)\n"
    "  --tls [--ca FILE]  with TLS; --resume offers a session ticket (storm)\n"
    "  --pid PID          measured server process; repeat it\n"
    "What\n"
    "  --clients N --subscribers N --qos Q --payload BYTES --window N --rate R --seconds S "
    "--warmup S\n"
    "  --count N --extra-filters N [--wildcard] --protocol 3|4|5 --label TEXT\n"
    "\n"
    "Prints one line of JSON. CPU is user + system of the --pid processes.\n";

const char *mode_name(enum mode mode)
{
    return mode_names[mode];
}

static void parse_address(const char *text, struct sockaddr_storage *out)
{
    char host[256];
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
        die("'%s': expected host:port", text);
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int err = getaddrinfo(host, colon + 1, &hints, &found);
    if (err != 0)
        die("'%s': %s", text, gai_strerror(err));
    memcpy(out, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
}

static void add_target(struct sockaddr_storage *list, unsigned *count, const char *text)
{
    if (*count == MAX_TARGETS)
        die("at most %d targets", MAX_TARGETS);
    parse_address(text, &list[(*count)++]);
}

static double number(const char *name, const char *text, double min, double max)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || value < min || value > max)
        die("--%s: expected a number from %g to %g, got '%s'", name, min, max, text);
    return value;
}

enum {
    OPT_TARGET = 1,
    OPT_PUBLISH_TO,
    OPT_SUBSCRIBE_TO,
    OPT_TLS,
    OPT_CA,
    OPT_RESUME,
    OPT_PID,
    OPT_CLIENTS,
    OPT_SUBSCRIBERS,
    OPT_QOS,
    OPT_PAYLOAD,
    OPT_WINDOW,
    OPT_RATE,
    OPT_SECONDS,
    OPT_WARMUP,
    OPT_COUNT,
    OPT_EXTRA_FILTERS,
    OPT_WILDCARD,
    OPT_PROTOCOL,
    OPT_LABEL,
    OPT_HELP
};

static const struct option long_options[] = {
    {"target", required_argument, NULL, OPT_TARGET},
    {"publish-to", required_argument, NULL, OPT_PUBLISH_TO},
    {"subscribe-to", required_argument, NULL, OPT_SUBSCRIBE_TO},
    {"tls", no_argument, NULL, OPT_TLS},
    {"ca", required_argument, NULL, OPT_CA},
    {"resume", no_argument, NULL, OPT_RESUME},
    {"pid", required_argument, NULL, OPT_PID},
    {"clients", required_argument, NULL, OPT_CLIENTS},
    {"subscribers", required_argument, NULL, OPT_SUBSCRIBERS},
    {"qos", required_argument, NULL, OPT_QOS},
    {"payload", required_argument, NULL, OPT_PAYLOAD},
    {"window", required_argument, NULL, OPT_WINDOW},
    {"rate", required_argument, NULL, OPT_RATE},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"warmup", required_argument, NULL, OPT_WARMUP},
    {"count", required_argument, NULL, OPT_COUNT},
    {"extra-filters", required_argument, NULL, OPT_EXTRA_FILTERS},
    {"wildcard", no_argument, NULL, OPT_WILDCARD},
    {"protocol", required_argument, NULL, OPT_PROTOCOL},
    {"label", required_argument, NULL, OPT_LABEL},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static void take_option(struct options *o, int opt, const char *name)
{
    switch (opt) {
    case OPT_TARGET:
        add_target(o->publish_to, &o->publish_targets, optarg);
        add_target(o->subscribe_to, &o->subscribe_targets, optarg);
        break;
    case OPT_PUBLISH_TO:
        add_target(o->publish_to, &o->publish_targets, optarg);
        break;
    case OPT_SUBSCRIBE_TO:
        add_target(o->subscribe_to, &o->subscribe_targets, optarg);
        break;
    case OPT_TLS:
        o->tls = true;
        break;
    case OPT_CA:
        o->ca_file = optarg;
        break;
    case OPT_RESUME:
        o->resume = true;
        break;
    case OPT_PID:
        if (o->pid_count == MAX_PIDS)
            die("at most %d processes", MAX_PIDS);
        o->pids[o->pid_count++] = (pid_t)number(name, optarg, 1, 1e9);
        break;
    case OPT_CLIENTS:
        o->clients = (unsigned)number(name, optarg, 1, 1e6);
        break;
    case OPT_SUBSCRIBERS:
        o->subscribers = (unsigned)number(name, optarg, 1, 1e5);
        break;
    case OPT_QOS:
        o->qos = (unsigned)number(name, optarg, 0, 2);
        break;
    case OPT_PAYLOAD:
        o->payload = (unsigned)number(name, optarg, 24, 1e8);
        break;
    case OPT_WINDOW:
        o->window = (unsigned)number(name, optarg, 1, 60000);
        break;
    case OPT_RATE:
        o->rate = number(name, optarg, 0, 1e6);
        break;
    case OPT_SECONDS:
        o->seconds = number(name, optarg, 0.1, 3600);
        break;
    case OPT_WARMUP:
        o->warmup = number(name, optarg, 0, 3600);
        break;
    case OPT_COUNT:
        o->count = (unsigned)number(name, optarg, 1, 1e8);
        break;
    case OPT_EXTRA_FILTERS:
        o->extra_filters = (unsigned)number(name, optarg, 0, 1e7);
        break;
    case OPT_WILDCARD:
        o->wildcard = true;
        break;
    case OPT_PROTOCOL:
        o->version = (enum mqtt_version)(int)number(name, optarg, 3, 5);
        break;
    case OPT_LABEL:
        o->label = optarg;
        break;
    case OPT_HELP:
        fputs(usage, stdout);
        exit(0);
    default:
        die("see --help");
    }
}

void options_parse(struct options *o, int argc, char **argv)
{
    *o = (struct options){.mode = MODE_COUNT,
                          .clients = 50,
                          .subscribers = 1,
                          .payload = 64,
                          .window = 32,
                          .seconds = 3,
                          .warmup = 0.5,
                          .count = 1000,
                          .version = MQTT_V311,
                          .label = ""};
    int index = 0;
    for (int opt = getopt_long(argc, argv, "", long_options, &index); opt != -1;
         opt = getopt_long(argc, argv, "", long_options, &index))
        take_option(o, opt, opt == '?' ? "" : long_options[index].name);
    if (optind + 1 != argc)
        die("expected one mode; see --help");
    for (int m = 0; m < MODE_COUNT; m++) {
        if (strcmp(argv[optind], mode_names[m]) == 0)
            o->mode = (enum mode)m;
    }
    if (o->mode == MODE_COUNT)
        die("unknown mode '%s'; see --help", argv[optind]);
    if (o->publish_targets == 0 || o->subscribe_targets == 0)
        die("no --target");
}
