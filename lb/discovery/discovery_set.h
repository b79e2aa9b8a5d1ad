/*
 * discovery_set - the names that a backend's servers are found under, and what each of them brought
 * last. No I/O and no clock.
 *
 * Data flow: discovery.c begins a question, names the targets (one without SRV), brings what was
 *            answered for each of them by address family, and ends the question; what comes out is
 *            the set of addresses that holds now. Each target and family is judged alone
 *            (discovery_rules.h). A target that isn't named any more goes as soon as those that are
 *            have any address; until then it is held as if it hadn't been answered.
 * Ownership: discovery_set_new/_free; targets belong to the set, until discovery_set_end.
 * Limits:    DISCOVERY_TARGETS_MAX targets, DISCOVERY_KEPT_MAX addresses of all of them together.
 *            More are left out, and counted.
 */
#ifndef FLOTILLA_LB_DISCOVERY_DISCOVERY_SET_H
#define FLOTILLA_LB_DISCOVERY_DISCOVERY_SET_H

#include <netinet/in.h>
#include <uthash.h>

#include "lb/discovery/discovery_rules.h"

#define DISCOVERY_TARGETS_MAX 1024u
#define DISCOVERY_KEPT_MAX 16384u

struct discovery_set;

enum { DISCOVERY_V4, DISCOVERY_V6, DISCOVERY_FAMILIES };

/* Of one family. */
struct discovery_part {
    enum dns_answer answer; /* of this question */
    struct discovery_memory memory;
    struct discovered *held, *fresh; /* owned: in force; brought by this question */
    size_t held_count, fresh_count;
    bool lost; /* there was no memory for some of the fresh ones */
};

struct discovery_target {
    char key[272]; /* "host:port" */
    char *host;    /* owned */
    uint16_t port;
    unsigned weight;
    bool named;    /* by this question */
    bool troubled; /* for the caller: trouble with it was logged, and isn't over */
    bool expired;  /* the hold of what it had ended with this question */
    int status;    /* c-ares', of a lookup that brought no addresses */
    struct discovery_part parts[DISCOVERY_FAMILIES];
    UT_hash_handle hh;
};

struct discovery_set *discovery_set_new(void);
void discovery_set_free(struct discovery_set *set);

/* A new question: nothing is named or answered. */
void discovery_set_begin(struct discovery_set *set);
/* NULL: too many, or out of memory; it is counted as left out. */
struct discovery_target *discovery_set_name(struct discovery_set *set, const char *host,
                                            uint16_t port, unsigned weight);
/* An address of a target; its port is the target's. Other families than IP are ignored. */
void discovery_set_add(struct discovery_set *set, struct discovery_target *t,
                       const struct sockaddr *addr, socklen_t len);
/* How a lookup of one family ended, after its addresses were added. */
void discovery_set_answer(struct discovery_target *t, int family, int status, bool own_trouble);

struct discovery_result {
    size_t count;    /* addresses written */
    size_t left_out; /* addresses and targets over a limit */
};

/* Judges. `unnamed`: what the answer that should have named targets is worth to those that it
 * didn't name. Writes the addresses that hold now, sorted, `max` at most. False: out of memory,
 * nothing was written. */
bool discovery_set_end(struct discovery_set *set, enum dns_answer unnamed, uint64_t now_ms,
                       uint64_t hold_ms, struct discovered *out, size_t max,
                       struct discovery_result *result);

/* The targets, for looking at after the end: set NULL for the first. */
struct discovery_target *discovery_set_first(const struct discovery_set *set);
struct discovery_target *discovery_set_next(const struct discovery_target *t);

/* Named, and without addresses, or with some that are only held. */
bool discovery_target_in_trouble(const struct discovery_target *t);

#endif
