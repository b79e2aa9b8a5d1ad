/* The states of a connection as a table. */
#include "broker/client/client_state.h"

#define ENDS (CLIENT_IN(CLIENT_CLOSING) | CLIENT_IN(CLIENT_CLOSED))

static const struct {
    const char *name;
    unsigned followers;
} states[CLIENT_STATES] = {
    [CLIENT_PROXY] = {"proxy", CLIENT_IN(CLIENT_SECURING) | CLIENT_IN(CLIENT_UPGRADING) |
                                   CLIENT_IN(CLIENT_CONNECTING) | ENDS},
    [CLIENT_SECURING] = {"securing",
                         CLIENT_IN(CLIENT_UPGRADING) | CLIENT_IN(CLIENT_CONNECTING) | ENDS},
    [CLIENT_UPGRADING] = {"upgrading", CLIENT_IN(CLIENT_CONNECTING) | ENDS},
    [CLIENT_CONNECTING] = {"connecting", CLIENT_IN(CLIENT_AUTHENTICATING) |
                                             CLIENT_IN(CLIENT_CHALLENGED) |
                                             CLIENT_IN(CLIENT_CLAIMING) | ENDS},
    [CLIENT_CHALLENGED] = {"challenged",
                           CLIENT_IN(CLIENT_AUTHENTICATING) | CLIENT_IN(CLIENT_CLAIMING) | ENDS},
    [CLIENT_AUTHENTICATING] = {"authenticating", CLIENT_IN(CLIENT_CLAIMING) | ENDS},
    [CLIENT_CLAIMING] = {"claiming", CLIENT_IN(CLIENT_ONLINE) | ENDS},
    [CLIENT_ONLINE] = {"online", CLIENT_IN(CLIENT_LEAVING) | CLIENT_IN(CLIENT_ANSWERING) | ENDS},
    [CLIENT_LEAVING] = {"leaving", CLIENT_IN(CLIENT_ANSWERING) | ENDS},
    [CLIENT_ANSWERING] = {"answering", ENDS},
    [CLIENT_CLOSING] = {"closing", CLIENT_IN(CLIENT_CLOSED)},
    [CLIENT_CLOSED] = {"closed", 0},
};

const char *client_state_name(enum client_state state)
{
    return states[state].name;
}

bool client_state_follows(enum client_state from, enum client_state to)
{
    return (states[from].followers & CLIENT_IN(to)) != 0;
}
