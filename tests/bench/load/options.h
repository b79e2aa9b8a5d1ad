/*
 * options - the load generator's command line.
 */
#ifndef FLOTILLA_TESTS_BENCH_LOAD_OPTIONS_H
#define FLOTILLA_TESTS_BENCH_LOAD_OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/mqtt/mqtt.h"
#include "tests/bench/load/conn.h"
#include "tests/bench/load/process.h"

#define MAX_TARGETS 64

enum mode {
    MODE_PAIRS,
    MODE_FAN_IN,
    MODE_FAN_OUT,
    MODE_TELEMETRY,
    MODE_STORM,
    MODE_IDLE,
    MODE_RETAINED,
    MODE_DURABLE,
    MODE_COUNT
};

struct options {
    enum mode mode;
    struct sockaddr_storage publish_to[MAX_TARGETS], subscribe_to[MAX_TARGETS];
    unsigned publish_targets, subscribe_targets;
    bool tls, resume, wildcard;
    bool websocket;
    bool properties, aliases; /* of 5.0: of what is published; aliases in both directions */
    const char *share;        /* the subscribers are one group of this name; NULL: they aren't */
    const char *ca_file;
    unsigned clients, subscribers, qos, payload, window, threads;
    unsigned extra_filters; /* further ones of each subscriber that match nothing */
    unsigned group;         /* retained messages that one read brings; 0: all */
    double rate;            /* messages a second and publisher; 0: closed loop */
    double seconds, warmup;
    unsigned count; /* connections of a storm, messages of retained and durable */
    enum mqtt_version version;
    pid_t pids[MAX_PIDS];
    unsigned pid_count;
    const char *label;
};

/* Ends the program with a sentence when the command line is wrong. */
void options_parse(struct options *o, int argc, char **argv);
const char *mode_name(enum mode mode);
/* The loop that its connections want. */
struct loop_kind options_loop(const struct options *o);

#endif
