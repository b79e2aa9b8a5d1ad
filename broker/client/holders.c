/* Clients come onto the list here, when one begins to hold something; shed.c walks along it. */
#include "broker/client/holders.h"

#include "broker/base/account.h"
#include "broker/client/client.h"

void holders_note(struct client *c)
{
    if (c->holder != NULL || c->state == CLIENT_CLOSED)
        return;
    struct holder *h = account_zalloc(ACCOUNT_CLIENTS, sizeof(*h));
    if (h == NULL) {
        client_close_later(c, END_NO_MEMORY);
        return;
    }
    h->client = c;
    c->holder = h;
    TAILQ_INSERT_TAIL(&c->broker->holders, h, link);
}

void holders_forget(struct client *c)
{
    if (c->holder == NULL)
        return;
    TAILQ_REMOVE(&c->broker->holders, c->holder, link);
    account_free(ACCOUNT_CLIENTS, c->holder);
    c->holder = NULL;
}
