/*
 * flotilla-lb: the layer-4 load balancer in front of a fleet of MQTT brokers. This file reads the
 * command line and starts the control thread's loop; docs/lb.md tells the rest.
 */
#include <event2/buffer.h>
#include <event2/event.h>
#include <getopt.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config/config_describe.h"
#include "common/log/log.h"
#include "common/process/descriptors.h"
#include "lb/config/lb_config.h"
#include "lb/reload.h"
#include "lb/service.h"

static const char usage[] =
    "Usage: flotilla-lb --config FILE [--check]\n"
    "       flotilla-lb --describe-config | --version | --help\n"
    "\n"
    "  -c, --config FILE    configuration (YAML); see conf/lb.yaml\n"
    "      --check          validate the configuration, load its certificates, and exit\n"
    "      --describe-config  print all configuration keys as a Markdown table\n"
    "      --version        print the version\n"
    "  -h, --help           print this text\n"
    "\n"
    "Signals: SIGHUP reloads the configuration; SIGTERM and SIGINT stop accepting and end the\n"
    "process when the last flow ended or drain_timeout is over; a second one ends it at once.\n";

enum { OPTION_CHECK = 256, OPTION_VERSION, OPTION_DESCRIBE };

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"check", no_argument, NULL, OPTION_CHECK},
    {"describe-config", no_argument, NULL, OPTION_DESCRIBE},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int describe_config(void)
{
    struct evbuffer *out = evbuffer_new();
    if (out == NULL)
        return 1;
    config_describe(&lb_config_schema, out);
    size_t len = evbuffer_get_length(out);
    bool written = fwrite(evbuffer_pullup(out, -1), 1, len, stdout) == len;
    evbuffer_free(out);
    return written ? 0 : 1;
}

static int run(const char *config_path)
{
    signal(SIGPIPE, SIG_IGN);
    log_start();
    struct control *c = service_new(config_path);
    if (c == NULL)
        return 1;
    bool started = reload_first(c);
    if (started)
        service_run(c);
    service_free(c);
    return started ? 0 : 1;
}

int main(int argc, char **argv)
{
    const char *config_path = NULL;
    bool check = false;
    int option;
    descriptors_take_standard();
    log_init("flotilla-lb", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            config_path = optarg;
            break;
        case OPTION_CHECK:
            check = true;
            break;
        case OPTION_DESCRIBE:
            return describe_config();
        case OPTION_VERSION:
            puts("flotilla-lb " FLOTILLA_VERSION);
            return 0;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            fputs(usage, stderr);
            return 2;
        }
    }
    if (config_path == NULL || optind < argc) {
        fputs(usage, stderr);
        return 2;
    }
    if (check)
        return reload_check(config_path) ? 0 : 1;
    int status = run(config_path);
    libevent_global_shutdown();
    return status;
}
