/* Rule 7: which states of an attempt follow one another, and the one function that changes them. The
 * files of the states (fleet_connect_op.h) call it when their work is done. */
#include <assert.h>

#include "broker/fleet/connect/fleet_connect_op.h"
#include "common/log/log.h"

#define TO(state) (1u << CONNECT_##state)

static const struct {
    const char *name;
    unsigned next;          /* states that may follow */
    enum connect_wait wait; /* begun on entering */
} states[CONNECT_STATES] = {
    [CONNECT_NEW] = {"new", TO(CLAIMING), CONNECT_WAIT_NONE},
    [CONNECT_CLAIMING] = {"claiming", TO(READING) | TO(ENDED), CONNECT_WAIT_NONE},
    [CONNECT_READING] = {"reading", TO(HANDING_OVER) | TO(CLAIMING) | TO(ENDED), CONNECT_WAIT_NONE},
    [CONNECT_HANDING_OVER] = {"handing_over", TO(SEIZING) | TO(CLAIMING) | TO(ENDED),
                              CONNECT_WAIT_OWNERS},
    [CONNECT_SEIZING] = {"seizing", TO(RESTORING) | TO(CLAIMING) | TO(ENDED), CONNECT_WAIT_NONE},
    [CONNECT_RESTORING] = {"restoring", TO(SETTLING) | TO(CLAIMING) | TO(ENDED), CONNECT_WAIT_TIME},
    [CONNECT_SETTLING] = {"settling", TO(CLAIMING) | TO(REFUSED) | TO(ENDED), CONNECT_WAIT_SETTLED},
    [CONNECT_REFUSED] = {"refused", TO(ENDED), CONNECT_WAIT_NONE},
    [CONNECT_ENDED] = {"ended", 0, CONNECT_WAIT_NONE},
};

const char *connect_state_name(enum connect_state state)
{
    return states[state].name;
}

bool connect_may_enter(enum connect_state from, enum connect_state to)
{
    return (states[from].next & (1u << to)) != 0;
}

void connect_enter(struct connect_op *op, enum connect_state state)
{
    assert(connect_may_enter(op->state, state));
    LOG_DEBUG("connect_state",
              KV_STR("client_id", op->state != CONNECT_REFUSED ? op->hold->client_id : NULL),
              KV_STR("from", connect_state_name(op->state)),
              KV_STR("to", connect_state_name(state)));
    op->state = state;
    connect_wait(op, states[state].wait);
    if (state == CONNECT_SEIZING)
        connect_enter_seizing(op);
}
