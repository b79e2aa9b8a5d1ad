/*
 * flow_rules - what a flow does next, decided without sockets, clocks or memory.
 *
 * Source:    docs/fleet-protocol.md, rule 10. A server that didn't answer a flow's first bytes is
 *            left for another one, which gets the same bytes; the client doesn't notice.
 * Data flow: flow.c states the facts and does what comes back.
 * Units:     milliseconds of CLOCK_MONOTONIC; a deadline of 0 means none.
 */
#ifndef FLOTILLA_LB_FLOW_FLOW_RULES_H
#define FLOTILLA_LB_FLOW_FLOW_RULES_H

#include <stdbool.h>
#include <stdint.h>

/* What was tried so far for a flow that doesn't relay yet. */
struct flow_tries {
    unsigned servers;  /* servers that were connected to, or tried */
    unsigned replays;  /* times that bytes of the client were sent again */
    unsigned retries;  /* the configured limit: servers after the first */
    bool sent;         /* bytes of the client went to the present server */
    bool client_ended; /* the client has said that nothing follows */
    bool client_reset; /* the client is gone altogether */
    bool both_ended;   /* the server ended in answer to the client's end: nothing failed */
};

enum flow_next {
    FLOW_NEXT_RETRY, /* choose another server */
    FLOW_NEXT_CLOSE, /* nothing more can be done for the client */
};

#define FLOW_REPLAYS_MAX 1

/* The present server failed before its first byte: refused, timed out, reset or closed. */
enum flow_next flow_after_failure(const struct flow_tries *t);

/* Whether a server that keeps silent may be left for another: then a deadline is worth setting. */
bool flow_may_leave_silent(const struct flow_tries *t);

#define FLOW_HEADER_WAIT_MS                                                                        \
    20u /* for the client's first bytes, to send them with the PROXY header */
#define FLOW_NO_PORTS_MS                                                                           \
    100u /* a server without source ports towards it is asked again: each time the kernel looks    \
            through all of them, a millisecond or more */
#define FLOW_QUEUE_POLL_MS 250u /* a waiting flow asks again, should a wake-up have been missed */
#define FLOW_LINGER_MS 2000u    /* for a peer to end in its turn when the other side broke */
#define FLOW_RESET_POLL_MS 16u  /* until a reset may follow the last bytes: first, then longer */

/* What a flow of two connected streams looks like. */
struct flow_ends {
    bool client_ended, server_ended;     /* the end was read */
    bool client_hangup, server_hangup;   /* an end or a reset is there, maybe behind other bytes */
    bool client_broken, server_broken;   /* can't be written any more */
    bool client_aborted, server_aborted; /* by a reset, not by an orderly end */
    bool up_finished, down_finished;     /* all before the end was passed on, and the end if it was
                                            an orderly one */
};

enum flow_phase {
    FLOW_PHASE_OPEN,
    FLOW_PHASE_HALF_CLOSED,
    FLOW_PHASE_RESET_SERVER, /* the client reset: so is the server, when it has the last bytes */
    FLOW_PHASE_RESET_CLIENT, /* the other way round */
    FLOW_PHASE_OVER,
};

enum flow_phase flow_phase_of(const struct flow_ends *e);

/* How long a peer may take nothing while bytes wait for it: `stall_timeout` while both sides are
 * there, and `half_close_timeout` too, if that is shorter, when one has ended. 0: no limit. */
uint64_t flow_stall_limit(bool open, uint64_t stall_timeout_ms, uint64_t half_close_timeout_ms);

/* Until when a half-closed flow may go on that has nothing to deliver. Progress puts the end off,
 * but not when a side is broken. */
uint64_t flow_half_close_deadline(const struct flow_ends *e, uint64_t since_ms,
                                  uint64_t progress_ms, uint64_t timeout_ms);

/* When to look again whether the last bytes have arrived, which were to be followed by a reset. */
uint64_t flow_reset_poll(uint64_t since_ms, uint64_t now_ms);

/* When a flow that asked at `now_ms` asks again for a server, or gives up. */
uint64_t flow_queue_deadline(uint64_t now_ms, uint64_t give_up_ms);

#endif
