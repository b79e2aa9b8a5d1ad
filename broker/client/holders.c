/* Clients come onto the list here, when one begins to hold something; shed.c walks along it. */
#include "broker/client/holders.h"

#include "broker/client/client.h"

void holders_note(struct client *c)
{
    if (c->on_holders || c->state == CLIENT_CLOSED)
        return;
    c->on_holders = true;
    TAILQ_INSERT_TAIL(&c->broker->holders, c, holder_link);
}

void holders_forget(struct client *c)
{
    if (!c->on_holders)
        return;
    c->on_holders = false;
    TAILQ_REMOVE(&c->broker->holders, c, holder_link);
}
