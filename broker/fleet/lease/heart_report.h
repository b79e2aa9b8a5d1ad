/*
 * heart_report - what a beat was answered, as the heart leaves it for the loop: builds and merges it.
 *
 * Takes no part in threads: the heart's thread builds, and whoever holds the mutex merges.
 * Ownership: the lists are the report's; heart_report_fini frees them and leaves it empty.
 * Errors: false when out of memory; the report is to be given up.
 */
#ifndef FLOTILLA_BROKER_FLEET_LEASE_HEART_REPORT_H
#define FLOTILLA_BROKER_FLEET_LEASE_HEART_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lease;
struct redisReply;
struct watch;

enum heart_word { HEART_NOTHING, HEART_ALIVE, HEART_UNKNOWN, HEART_DEAD };

/* A node that stood still for a whole lease. */
struct heart_suspect {
    uint64_t node, stood_ms;
    char beat[24]; /* its last one, as Redis has it */
};

/* A dead node that is being cleared up behind. */
struct heart_reaping {
    uint64_t victim, reaper;
    bool reaper_lives;
};

struct heart_report {
    enum heart_word word;
    uint64_t node;    /* for which it was answered */
    uint64_t ver;     /* of the log */
    uint64_t applied; /* what the loop had applied of it when the beat was sent */
    uint64_t sent_ms; /* CLOCK_BOOTTIME */
    char run_id[48];
    struct heart_suspect *suspects;
    size_t suspect_count;
    struct heart_reaping *reaping;
    size_t reaping_count;
    bool listed; /* `nodes` is the list of all, as of the beat sent at listed_ms */
    uint64_t *nodes;
    size_t node_count;
    uint64_t listed_ms;
};

/* Those that beat.lua names because their last beat is old: notes whom to suspect. `out->node` is
 * set. */
bool heart_report_see(struct heart_report *out, const struct redisReply *stand, struct watch *w,
                      const struct lease *l, uint64_t now_ms);
/* The reaping and the list of nodes, as beat.lua returns them. `out->sent_ms` is set. */
bool heart_report_take(struct heart_report *out, const struct redisReply *reaping,
                       const struct redisReply *nodes);
/* Puts a newer report in the place of one that waits; `newer` is empty then. */
void heart_report_merge(struct heart_report *waiting, struct heart_report *newer);

void heart_report_fini(struct heart_report *r);

#endif
