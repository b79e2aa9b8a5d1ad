#include "tests/bench/load/options.h"

#include <getopt.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/load/conn.h"

enum { SHARE_NAME_MAX = 32 };

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
    "  retained   --count retained topics are set, then N readers read --group of them at a time\n"
    "  durable    N sessions leave, --count messages queue up for each, then they fetch them\n"
    "             (QoS 1 or 2); with --count 0 they only leave: memory of each\n"
    "\n"
    "Where\n"
    "  --target A           address of all; repeat it to spread clients in turn\n"
    "  --publish-to A       the same for publishers only\n"
    "  --subscribe-to A     the same for subscribers only\n"
    "  --tls [--ca FILE]    with TLS; --resume: all but the first connections of a storm must be\n"
    "                       resumed sessions\n"
    "  --websocket          MQTT in WebSocket, at the path /mqtt\n"
    "  --pid PID            measured server process; repeat it\n"
    "\n"
    "What\n"
    "  --clients N          (50)    --subscribers N   of telemetry (1)\n"
    "  --qos Q              (0)     --protocol 3|4|5  MQTT 3.1, 3.1.1, 5.0 (4)\n"
    "  --payload BYTES      (64)    --count N         (1000)\n"
    "  --properties                 5.0: content type, expiry, two user properties in each "
    "message\n"
    "  --aliases                    5.0: topic aliases, from publishers and, if the server uses "
    "them,\n"
    "                               to subscribers\n"
    "  --share NAME                 of telemetry: the subscribers share one subscription, so that "
    "each\n"
    "                               message is for one of them\n"
    "  --window N           (32)    messages of a publisher not yet delivered: closed loop\n"
    "  --rate R                     messages a second of each publisher: open loop\n"
    "  --seconds S          (3)     measured time, after --warmup S (0.5)\n"
    "  --group N            (10)    0: all retained messages by one wildcard\n"
    "  --extra-filters N    (0)     of each subscriber, matching nothing; --wildcard: with a +\n"
    "  --threads N          (1)     of pairs, fan-in, fan-out, telemetry, storm\n"
    "  --label TEXT                 repeated in the result\n"
    "\n"
    "Prints one line of JSON. CPU is user + system of the --pid processes, in microseconds per\n"
    "message delivered (connection made); own_cpu_us_each is this program's. exact says whether "
    "all\n"
    "that was sent came once and in order.\n";

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

/* [MQTT-4.8.2-1, -2] */
static const char *share_name(const char *text)
{
    if (text[0] == '\0' || strlen(text) > SHARE_NAME_MAX || strpbrk(text, "/+#") != NULL)
        die("--share: expected a name of at most %d bytes without /, + and #, got '%s'",
            SHARE_NAME_MAX, text);
    return text;
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
    OPT_GROUP,
    OPT_THREADS,
    OPT_PROTOCOL,
    OPT_WEBSOCKET,
    OPT_PROPERTIES,
    OPT_ALIASES,
    OPT_SHARE,
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
    {"group", required_argument, NULL, OPT_GROUP},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"wildcard", no_argument, NULL, OPT_WILDCARD},
    {"protocol", required_argument, NULL, OPT_PROTOCOL},
    {"websocket", no_argument, NULL, OPT_WEBSOCKET},
    {"properties", no_argument, NULL, OPT_PROPERTIES},
    {"aliases", no_argument, NULL, OPT_ALIASES},
    {"share", required_argument, NULL, OPT_SHARE},
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
        o->count = (unsigned)number(name, optarg, 0, 1e8);
        break;
    case OPT_EXTRA_FILTERS:
        o->extra_filters = (unsigned)number(name, optarg, 0, 1e7);
        break;
    case OPT_GROUP:
        o->group = (unsigned)number(name, optarg, 0, 1e6);
        break;
    case OPT_THREADS:
        o->threads = (unsigned)number(name, optarg, 1, 64);
        break;
    case OPT_WILDCARD:
        o->wildcard = true;
        break;
    case OPT_PROTOCOL:
        o->version = (enum mqtt_version)(int)number(name, optarg, 3, 5);
        break;
    case OPT_WEBSOCKET:
        o->websocket = true;
        break;
    case OPT_PROPERTIES:
        o->properties = true;
        break;
    case OPT_ALIASES:
        o->aliases = true;
        break;
    case OPT_SHARE:
        o->share = share_name(optarg);
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

static void check_kinds(const struct options *o)
{
    bool publishes = o->mode <= MODE_TELEMETRY;
    if ((o->properties || o->aliases) && o->version != MQTT_V5)
        die("--properties, --aliases: only MQTT 5.0 has them; add --protocol 5");
    if ((o->properties || o->aliases) && !publishes)
        die("--properties, --aliases: are for pairs, fan-in, fan-out and telemetry");
    if (o->share != NULL && o->mode != MODE_TELEMETRY)
        die("--share is for telemetry");
    if (o->share != NULL && o->threads > 1)
        die("--share: its members are counted together, in one thread");
}

/* What can't work is said before anything is started. */
static void check(const struct options *o)
{
    bool spreads = o->mode <= MODE_STORM;
    if (o->publish_targets == 0 || o->subscribe_targets == 0)
        die("no --target");
    if (o->threads > 1 && !spreads)
        die("--threads: %s has one", mode_name(o->mode));
    if (o->resume && (!o->tls || o->mode != MODE_STORM))
        die("--resume is for storm with --tls");
    if (o->count == 0 && o->mode != MODE_DURABLE)
        die("--count 0 is for durable");
    if (o->mode == MODE_DURABLE && o->count == 0 && o->extra_filters == 0)
        die("--count 0: needs --extra-filters, or the sessions have no subscriptions");
    if (o->mode == MODE_DURABLE && o->qos == 0)
        die("--qos 0: what waits for a durable session is of QoS 1 or 2");
    if (o->mode == MODE_RETAINED && o->group > 0 && o->count % o->group != 0)
        die("--count: expected a multiple of --group %u", o->group);
    check_kinds(o);
}

struct loop_kind options_loop(const struct options *o)
{
    return (struct loop_kind){.tls = o->tls, .websocket = o->websocket, .ca_file = o->ca_file};
}

void options_parse(struct options *o, int argc, char **argv)
{
    *o = (struct options){.mode = MODE_COUNT,
                          .clients = 50,
                          .subscribers = 1,
                          .payload = 64,
                          .window = 32,
                          .threads = 1,
                          .group = 10,
                          .seconds = 3,
                          .warmup = 0.5,
                          .count = 1000,
                          .version = MQTT_V311,
                          .label = ""};
    int index = 0;
    bool qos_given = false;
    for (int opt = getopt_long(argc, argv, "", long_options, &index); opt != -1;
         opt = getopt_long(argc, argv, "", long_options, &index)) {
        qos_given = qos_given || opt == OPT_QOS;
        take_option(o, opt, opt == '?' ? "" : long_options[index].name);
    }
    if (optind + 1 != argc)
        die("expected one mode; see --help");
    for (int m = 0; m < MODE_COUNT; m++) {
        if (strcmp(argv[optind], mode_names[m]) == 0)
            o->mode = (enum mode)m;
    }
    if (o->mode == MODE_COUNT)
        die("unknown mode '%s'; see --help", argv[optind]);
    if (o->mode == MODE_DURABLE && !qos_given)
        o->qos = 1;
    check(o);
}
